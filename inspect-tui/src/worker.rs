//! The threads that own the session: they take questions and give back values, so that the screen never waits.
//!
//! Questions come in lanes. A new question in a lane stops the one before it, which nobody wants to hear any more.

mod grow;
mod work;

use crate::arrange::{Arranged, Hunt, Stands, Wanted};
use crate::detail::Detail;
use crate::facts::Facts;
use crate::theme::Role;
use afterimage_indexer::{Cell, Histogram, Overview, Place, Progress, Rows, Session, Span};
use afterimage_model::Gap;
use afterimage_query::{Column, Filter, Tile, View};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
pub use work::{cell, fields, holds};

/// A stream of questions of which only the latest counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// A page of the event list.
    Page,
    /// One event.
    Detail,
    /// A search, a place, an export.
    Errand,
    /// What the view shows.
    Body,
    /// What the timeline shows.
    Timeline,
    /// The courses of marked tiles.
    Courses,
    /// When the marked events happened.
    Marks,
    /// When rules fired.
    Alerts,
    /// What was said in the selected talk.
    Said,
    /// The order of rows that are at hand.
    Order,
}

/// The threads, each with the lanes it serves: a page must not wait for a scan, nor the timeline for a search.
const THREADS: &[(&str, &[Lane])] = &[
    ("inspect-pages", &[Lane::Page, Lane::Detail]),
    ("inspect-body", &[Lane::Body]),
    ("inspect-errands", &[Lane::Errand]),
    ("inspect-timeline", &[Lane::Timeline, Lane::Courses]),
    ("inspect-marks", &[Lane::Marks, Lane::Said]),
    ("inspect-alerts", &[Lane::Alerts]),
    ("inspect-order", &[Lane::Order]),
];

/// Lanes whose work may look at the whole capture, so that the user may want to stop it.
const LONG: &[Lane] = &[
    Lane::Body,
    Lane::Errand,
    Lane::Timeline,
    Lane::Courses,
    Lane::Said,
];

/// Which events are meant.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// Those that match; `None` for all.
    pub filter: Option<Filter>,
    /// Those in this span.
    pub span: Span,
}

/// A question.
#[derive(Clone, Debug)]
pub enum Ask {
    /// The rows of a view.
    Rows(&'static View, Which),
    /// The numbers of the events that match, from this number on.
    Matches(Which, u64),
    /// The overview's tiles.
    Overview(Which),
    /// The lanes of the timeline, in so many steps.
    Timeline(Which, usize),
    /// The courses of some tiles, in so many steps.
    Courses(Which, Vec<&'static Tile>, usize),
    /// Up to `count` matching events from number `from`.
    Page {
        /// Which events.
        which: Which,
        /// What to show of each.
        columns: &'static [Column],
        /// First number.
        from: u64,
        /// How many.
        count: usize,
    },
    /// Everything about one event.
    Detail(u64),
    /// The next (or previous) event after number `from` with this text in a column.
    Find {
        /// Among which events.
        which: Which,
        /// In which columns.
        columns: &'static [Column],
        /// Where to start; not itself looked at.
        from: u64,
        /// Lower-case text, as shown.
        needle: String,
        /// Towards the beginning.
        backwards: bool,
    },
    /// Rows in another order.
    Arrange(Wanted, Stands),
    /// The next row with a text.
    Hunt(Box<Hunt>),
    /// When each of these events happened.
    Moments(Vec<u64>),
    /// When rules fired, in the whole capture.
    Alerts,
    /// What was said in the talks that a filter selects: rows of this view.
    Said(&'static View, Which),
    /// The first event at or after an instant on the boot clock.
    Locate(u64),
    /// The conversation that an event belongs to.
    Follow(u64),
    /// Write a view to a new file.
    Export {
        /// The view.
        view: &'static View,
        /// Which events.
        which: Which,
        /// The file to make.
        path: PathBuf,
    },
}

impl Ask {
    /// The lane it goes in.
    pub fn lane(&self) -> Lane {
        match self {
            Ask::Rows(..) | Ask::Matches(..) | Ask::Overview(_) => Lane::Body,
            Ask::Timeline(..) => Lane::Timeline,
            Ask::Courses(..) => Lane::Courses,
            Ask::Moments(_) => Lane::Marks,
            Ask::Alerts => Lane::Alerts,
            Ask::Said(..) => Lane::Said,
            Ask::Page { .. } => Lane::Page,
            Ask::Detail(_) => Lane::Detail,
            Ask::Arrange(..) => Lane::Order,
            Ask::Find { .. }
            | Ask::Hunt(_)
            | Ask::Locate(_)
            | Ask::Follow(_)
            | Ask::Export { .. } => Lane::Errand,
        }
    }
}

/// A line of the event list.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The event's number.
    pub num: u64,
    /// Whether the call failed.
    pub failed: bool,
    /// One cell per column.
    pub cells: Vec<Cell>,
    /// How it stands out.
    pub role: Option<Role>,
}

/// An answer, or a part of it.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An answer as far as it has come: the whole one follows.
    Part(Box<Answer>),
    /// Rows of a view.
    Rows(Rows),
    /// More numbers of events; `complete` when the whole span was looked at, `last` when no more will come.
    Matches {
        /// Numbers, rising, after those given before.
        nums: Vec<u64>,
        /// No more will come.
        last: bool,
        /// Every event was looked at.
        complete: bool,
    },
    /// The overview's tiles.
    Overview(Overview),
    /// The timeline.
    Timeline(Histogram),
    /// The courses of tiles.
    Courses(Overview),
    /// Numbers of events and their instants, ns since boot; `None` where there is no such event.
    Moments(Vec<(u64, Option<u64>)>),
    /// Instants at which rules fired, rising, ns since boot.
    Alerts(Vec<u64>),
    /// What was said.
    Said(Rows),
    /// Lines of the event list.
    Page(Vec<Line>),
    /// One event; `None` when there is no such number.
    Detail(Option<Box<Detail>>),
    /// The number of an event that was searched for; `None` when there is none.
    Found(Option<u64>),
    /// The place of a row that was searched for, the rows it is among, and whether it was searched for backwards.
    Hunted(Arc<Rows>, Option<usize>, bool),
    /// Rows in the order asked for.
    Arranged(Arranged),
    /// The filter that selects the conversation of an event; `None` when it belongs to none.
    Follow(u64, Option<String>),
    /// Rows written, and where.
    Exported(Option<u64>, PathBuf),
    /// It could not be done.
    Failed(String),
    /// Parts of the file that turned out not to be readable while other answers were made. Nobody asked: its ticket is 0.
    Unreadable(Vec<Gap>),
    /// The capture has grown: what is known of it now, but for its name. Nobody asked.
    Grown(Box<Facts>),
    /// It has not grown for a while, as if its recorder were gone. Nobody asked.
    Rests,
    /// What became of its file: it was removed or replaced, or is back. Nobody asked.
    Moved(Place),
    /// It cannot be followed any more, and why. Nobody asked.
    Lost(String),
}

/// Events of one filter the list will hold at most: their numbers take eight bytes each.
pub const MOST_MATCHES: usize = 8_000_000;

struct Job {
    ticket: u64,
    ask: Ask,
    progress: Progress,
}

/// What waits and what runs, per lane.
#[derive(Default)]
struct Board {
    waiting: Vec<Job>,
    running: Vec<(Lane, Progress)>,
    closed: bool,
}

impl Board {
    /// Stops what runs in a lane; what waits there is never begun.
    fn give_up(&mut self, lane: Lane) {
        stop(self, lane);
        self.waiting.retain(|job| job.ask.lane() != lane);
    }
}

/// The session that questions are asked of: another one when the capture has grown.
type Current = Mutex<Arc<Session>>;

struct Shared {
    board: Mutex<Board>,
    changed: Condvar,
}

impl Shared {
    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The handle that the screen holds.
pub struct Worker {
    shared: Arc<Shared>,
    answers: Receiver<(u64, Answer)>,
    threads: Vec<JoinHandle<()>>,
}

impl Worker {
    /// Starts the threads. Of a capture that is still being written the file's name is looked after, too.
    pub fn start(session: Session, path: Option<PathBuf>) -> std::io::Result<Worker> {
        let may_grow = session.may_grow();
        let session = Arc::new(Mutex::new(Arc::new(session)));
        let shared = Arc::new(Shared {
            board: Mutex::default(),
            changed: Condvar::new(),
        });
        let (sender, answers) = channel();
        let mut threads = Vec::new();
        for (name, lanes) in THREADS {
            let (session, shared, sender) = (session.clone(), shared.clone(), sender.clone());
            let serve = move || serve(&session, &shared, lanes, &sender);
            threads.push(
                std::thread::Builder::new()
                    .name((*name).into())
                    .spawn(serve)?,
            );
        }
        if may_grow {
            let shared = shared.clone();
            let watch = move || grow::watch(&session, path.as_deref(), &shared, &sender);
            let thread = std::thread::Builder::new().name("inspect-growth".into());
            threads.push(thread.spawn(watch)?);
        }
        Ok(Worker {
            shared,
            answers,
            threads,
        })
    }

    /// Asks; whatever was asked before in the same lane is given up.
    pub fn ask(&self, ticket: u64, ask: Ask) {
        let mut board = self.shared.board();
        board.give_up(ask.lane());
        board.waiting.push(Job {
            ticket,
            ask,
            progress: Progress::default(),
        });
        drop(board);
        self.shared.changed.notify_all();
    }

    /// Stops what was asked in a lane, and asks nothing else.
    pub fn give_up(&self, lane: Lane) {
        self.shared.board().give_up(lane);
        self.shared.changed.notify_all();
    }

    /// Stops what looks at the whole capture; what it has found so far still comes as its answer.
    pub fn cancel(&self) {
        let board = self.shared.board();
        LONG.iter().for_each(|lane| stop(&board, *lane));
    }

    /// Events the body's question has looked at, while it runs.
    pub fn looked_at(&self) -> Option<u64> {
        let board = self.shared.board();
        let running = board
            .running
            .iter()
            .find(|(lane, _)| lane < &Lane::Timeline && LONG.contains(lane));
        running.map(|(_, progress)| progress.done.load(Ordering::Relaxed))
    }

    /// Whether a thread has ended, which it only does by a panic while this handle is there.
    pub fn is_gone(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// An answer that has come, without waiting.
    pub fn answer(&self) -> Option<(u64, Answer)> {
        self.answers.try_recv().ok()
    }

    /// The next answer, waited for at most so long.
    pub fn next_answer(&self, patience: Duration) -> Option<(u64, Answer)> {
        self.answers.recv_timeout(patience).ok()
    }

    /// Waits until nothing is being worked on, then gives all answers: for tests and scripted screens.
    pub fn settle(&self) -> Vec<(u64, Answer)> {
        let mut board = self.shared.board();
        while !(self.is_gone() || board.waiting.is_empty() && board.running.is_empty()) {
            board = self
                .shared
                .changed
                .wait(board)
                .unwrap_or_else(PoisonError::into_inner);
        }
        self.answers.try_iter().collect()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let mut board = self.shared.board();
        board.closed = true;
        board.waiting.clear();
        board
            .running
            .iter()
            .for_each(|(_, progress)| progress.cancel.store(true, Ordering::Relaxed));
        drop(board);
        self.shared.changed.notify_all();
    }
}

/// Stops what runs in a lane, and what waits there: it then gives at once what it has found, which is nothing.
fn stop(board: &Board, lane: Lane) {
    let waiting = board
        .waiting
        .iter()
        .map(|job| (job.ask.lane(), &job.progress));
    let running = board
        .running
        .iter()
        .map(|(lane, progress)| (*lane, progress));
    for (_, progress) in waiting.chain(running).filter(|(of, _)| *of == lane) {
        progress.cancel.store(true, Ordering::Relaxed);
    }
}

/// Takes the job a thread may work on, lanes in order; `None` when the worker is closed.
fn next(shared: &Shared, lanes: &[Lane]) -> Option<Job> {
    let mut board = shared.board();
    loop {
        if board.closed {
            return None;
        }
        let at = lanes
            .iter()
            .find_map(|lane| board.waiting.iter().position(|job| job.ask.lane() == *lane));
        if let Some(at) = at {
            let job = board.waiting.remove(at);
            board.running.push((job.ask.lane(), job.progress.clone()));
            return Some(job);
        }
        board = shared
            .changed
            .wait(board)
            .unwrap_or_else(PoisonError::into_inner);
    }
}

/// Takes the finished job off the board even when it panicked, so that nobody waits for it.
struct Running<'a>(&'a Shared, Lane);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.board().running.retain(|(lane, _)| *lane != self.1);
        self.0.changed.notify_all();
    }
}

/// Lets the thread that draws go first, and the one that fetches what is on screen second, where processors are few: on Linux
/// each thread has a nice value of its own, which those that it starts inherit (setpriority(2), sched(7)).
#[cfg(target_os = "linux")]
fn give_way(nicer: i32) {
    /// The nicest there is.
    const NICEST: i32 = 19;
    if let Ok(own) = rustix::process::getpriority_process(None) {
        // Where it is refused, keys only wait a little longer.
        let _ = rustix::process::setpriority_process(None, (own + nicer).min(NICEST));
    }
}

/// Elsewhere a thread has no nice value of its own.
#[cfg(not(target_os = "linux"))]
fn give_way(_: i32) {}

/// Leaves the last of several processors to the thread that draws and the one that fetches. A thread that wakes is nicer than those
/// that count, but the kernel lets those finish their slice all the same, up to a tick of its clock: longer than drawing takes.
#[cfg(target_os = "linux")]
fn leave_a_processor() {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(mut own) = sched_getaffinity(None) else {
        return;
    };
    let last = (0..CpuSet::MAX_CPU).rev().find(|cpu| own.is_set(*cpu));
    if let Some(last) = last.filter(|_| own.count() > 1) {
        own.unset(last);
        // Where it is refused, keys only wait a little longer.
        let _ = sched_setaffinity(None, &own);
    }
}

/// Elsewhere threads are not bound to processors.
#[cfg(not(target_os = "linux"))]
fn leave_a_processor() {}

fn serve(current: &Current, shared: &Shared, lanes: &[Lane], answers: &Sender<(u64, Answer)>) {
    /// What is on screen has a third of the weight that drawing has.
    const FETCHING: i32 = 5;
    /// Counting has a tenth, and so goes on beside other work.
    const COUNTING: i32 = 10;
    if lanes
        .iter()
        .any(|lane| matches!(lane, Lane::Page | Lane::Order))
    {
        give_way(FETCHING);
    } else {
        give_way(COUNTING);
        leave_a_processor();
    }
    let mut damaged = 0;
    while let Some(Job {
        ticket,
        ask,
        progress,
    }) = next(shared, lanes)
    {
        let _running = Running(shared, ask.lane());
        let session = &*grow::now(current);
        let send = |answer| drop(answers.send((ticket, answer)));
        if let Err(error) = work::answer(session, ask, &progress, &send) {
            send(Answer::Failed(error.to_string()));
        }
        let unreadable = session.unreadable();
        if unreadable.len() != damaged {
            damaged = unreadable.len();
            drop(answers.send((0, Answer::Unreadable(unreadable))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_stopped_as_what_runs_is() {
        // No thread takes the question: it waits.
        let (sender, answers) = channel();
        drop(sender);
        let worker = Worker {
            shared: Arc::new(Shared {
                board: Mutex::default(),
                changed: Condvar::new(),
            }),
            answers,
            threads: Vec::new(),
        };
        worker.ask(1, Ask::Matches(Which::default(), 1));
        worker.ask(2, Ask::Detail(1));
        worker.cancel();
        let board = worker.shared.board();
        let stopped = |job: &Job| (job.ticket, job.progress.cancel.load(Ordering::Relaxed));
        let jobs: Vec<_> = board.waiting.iter().map(stopped).collect();
        assert_eq!(jobs, [(1, true), (2, false)]);
    }
}
