//! The threads that own the session: they take questions and give back values, so that the screen never waits.
//!
//! Questions come in lanes. A new question in a lane stops the one before it, which nobody wants to hear any more.

use crate::colours::Colours;
use crate::detail::{self, Detail};
use crate::export;
use crate::theme::Role;
use afterimage_indexer::{Cell, Error, Histogram, Overview, Progress, Rows, Session, Span};
use afterimage_model::{Ctx, FieldValue, Gap};
use afterimage_query::{Column, FieldRef, Filter, View};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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
    /// When the marked events happened.
    Marks,
    /// When rules fired.
    Alerts,
    /// What was said in the selected talk.
    Said,
}

/// The threads, each with the lanes it serves: a page must not wait for a scan, nor the timeline for a search.
const THREADS: &[(&str, &[Lane])] = &[
    ("inspect-pages", &[Lane::Page, Lane::Detail]),
    ("inspect-body", &[Lane::Body]),
    ("inspect-errands", &[Lane::Errand]),
    ("inspect-timeline", &[Lane::Timeline]),
    ("inspect-marks", &[Lane::Marks, Lane::Said]),
    ("inspect-alerts", &[Lane::Alerts]),
];

/// Lanes whose work may look at the whole capture, so that the user may want to stop it.
const LONG: &[Lane] = &[
    Lane::Body,
    Lane::Errand,
    Lane::Timeline,
    Lane::Alerts,
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
    /// The numbers of the events that match.
    Matches(Which),
    /// The overview's tiles.
    Overview(Which),
    /// The lanes of the timeline, in so many steps.
    Timeline(Which, usize),
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
            Ask::Rows(..) | Ask::Matches(_) | Ask::Overview(_) => Lane::Body,
            Ask::Timeline(..) => Lane::Timeline,
            Ask::Moments(_) => Lane::Marks,
            Ask::Alerts => Lane::Alerts,
            Ask::Said(..) => Lane::Said,
            Ask::Page { .. } => Lane::Page,
            Ask::Detail(_) => Lane::Detail,
            Ask::Find { .. } | Ask::Locate(_) | Ask::Follow(_) | Ask::Export { .. } => Lane::Errand,
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
    /// The filter that selects the conversation of an event; `None` when it belongs to none.
    Follow(u64, Option<String>),
    /// Rows written, and where.
    Exported(u64, PathBuf),
    /// It could not be done.
    Failed(String),
    /// Parts of the file that turned out not to be readable while other answers were made. Nobody asked: its ticket is 0.
    Unreadable(Vec<Gap>),
}

/// Steps of a tile's sparkline.
pub const TILE_STEPS: usize = 16;

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
    /// Starts the threads.
    pub fn start(session: Session) -> std::io::Result<Worker> {
        let session = Arc::new(session);
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
        Ok(Worker {
            shared,
            answers,
            threads,
        })
    }

    /// Asks; whatever was asked before in the same lane is given up.
    pub fn ask(&self, ticket: u64, ask: Ask) {
        let mut board = self.shared.board();
        let lane = ask.lane();
        stop(&board, lane);
        board.waiting.retain(|job| job.ask.lane() != lane);
        board.waiting.push(Job {
            ticket,
            ask,
            progress: Progress::default(),
        });
        drop(board);
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

fn stop(board: &Board, lane: Lane) {
    for (_, progress) in board.running.iter().filter(|(running, _)| *running == lane) {
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

fn serve(session: &Session, shared: &Shared, lanes: &[Lane], answers: &Sender<(u64, Answer)>) {
    let mut damaged = 0;
    while let Some(Job {
        ticket,
        ask,
        progress,
    }) = next(shared, lanes)
    {
        let _running = Running(shared, ask.lane());
        let send = |answer| drop(answers.send((ticket, answer)));
        if let Err(error) = answer(session, ask, &progress, &send) {
            send(Answer::Failed(error.to_string()));
        }
        let unreadable = session.unreadable();
        if unreadable.len() != damaged {
            damaged = unreadable.len();
            drop(answers.send((0, Answer::Unreadable(unreadable))));
        }
    }
}

fn answer(
    session: &Session,
    ask: Ask,
    progress: &Progress,
    send: &dyn Fn(Answer),
) -> Result<(), Error> {
    match ask {
        Ask::Rows(view, which) => {
            let mut part = |rows| send(Answer::Part(Box::new(Answer::Rows(rows))));
            let (filter, parts) = (which.filter.as_ref(), Some::<&mut dyn FnMut(_)>(&mut part));
            let rows = session.view_in_parts(view, filter, which.span, progress, parts)?;
            send(Answer::Rows(rows));
        }
        Ask::Said(view, which) => send(Answer::Said(session.view(
            view,
            which.filter.as_ref(),
            which.span,
            progress,
        )?)),
        Ask::Moments(nums) => {
            let mut moments = Vec::with_capacity(nums.len());
            for num in nums {
                // An event that cannot be read is said when it is looked at.
                let at = session.event(num, |ctx| ctx.event.time.0).unwrap_or(None);
                moments.push((num, at));
            }
            send(Answer::Moments(moments));
        }
        Ask::Alerts => {
            let mut part = |at| send(Answer::Part(Box::new(Answer::Alerts(at))));
            let at = session.alert_instants(progress, Some(&mut part));
            send(Answer::Alerts(at));
        }
        Ask::Matches(which) => matches(session, &which, progress, send)?,
        Ask::Overview(which) => {
            let mut part = |tiles| send(Answer::Part(Box::new(Answer::Overview(tiles))));
            let (filter, parts) = (which.filter.as_ref(), Some::<&mut dyn FnMut(_)>(&mut part));
            let tiles = session.tiles_in_parts(filter, which.span, TILE_STEPS, progress, parts)?;
            send(Answer::Overview(tiles));
        }
        Ask::Timeline(which, steps) => {
            let mut part = |counts| send(Answer::Part(Box::new(Answer::Timeline(counts))));
            let (filter, parts) = (which.filter.as_ref(), Some::<&mut dyn FnMut(_)>(&mut part));
            let counts = session.histogram_in_parts(filter, which.span, steps, progress, parts)?;
            send(Answer::Timeline(counts));
        }
        Ask::Page {
            which,
            columns,
            from,
            count,
        } => {
            let fields = fields(columns);
            let mut lines = Vec::with_capacity(count.min(1024));
            let mut colours = Colours::new();
            session.scan(
                which.filter.as_ref(),
                which.span,
                from,
                progress,
                &mut |ctx| {
                    let cells = fields
                        .iter()
                        .map(|field| cell(ctx, field.as_ref()))
                        .collect();
                    lines.push(Line {
                        role: colours.role(ctx),
                        num: ctx.num,
                        failed: ctx.event.errno().is_some(),
                        cells,
                    });
                    lines.len() < count
                },
            )?;
            send(Answer::Page(lines));
        }
        Ask::Detail(num) => send(Answer::Detail(
            session.event(num, detail::of)?.map(Box::new),
        )),
        Ask::Find {
            which,
            columns,
            from,
            needle,
            backwards,
        } => {
            let fields = fields(columns);
            let mut found = None;
            let start = if backwards { 1 } else { from.saturating_add(1) };
            session.scan(
                which.filter.as_ref(),
                which.span,
                start,
                progress,
                &mut |ctx| {
                    if backwards && ctx.num >= from {
                        return false;
                    }
                    let hit = fields.iter().any(|field| match cell(ctx, field.as_ref()) {
                        Cell::Text(text) => holds(&text, &needle),
                        Cell::Number(n) => n.to_string().contains(&needle),
                        Cell::Float(_) | Cell::Missing | Cell::Secret(_) => false,
                    });
                    if hit {
                        found = Some(ctx.num);
                    }
                    backwards || !hit
                },
            )?;
            send(Answer::Found(found));
        }
        Ask::Follow(num) => send(Answer::Follow(
            num,
            session.event(num, afterimage_indexer::stream_of)?.flatten(),
        )),
        Ask::Locate(instant) => {
            let mut found = None;
            session.scan(None, Some((instant, u64::MAX)), 1, progress, &mut |ctx| {
                found = Some(ctx.num);
                false
            })?;
            send(Answer::Found(found));
        }
        Ask::Export { view, which, path } => send(
            match export::write(session, view, &which, &path, progress) {
                Ok(rows) => Answer::Exported(rows, path),
                Err(error) => Answer::Failed(error.to_string()),
            },
        ),
    }
    Ok(())
}

/// The fields of columns, ready to be asked.
pub fn fields(columns: &[Column]) -> Vec<Option<FieldRef>> {
    columns
        .iter()
        .map(|column| FieldRef::parse(column.field).ok())
        .collect()
}

/// A field's value as a cell.
pub fn cell(ctx: &Ctx<'_>, field: Option<&FieldRef>) -> Cell {
    match field.and_then(|field| field.value(ctx)) {
        None => Cell::Missing,
        Some(FieldValue::Int(n)) => Cell::Number(n.into()),
        Some(FieldValue::Uint(n)) => Cell::Number(n.into()),
        Some(value) => Cell::Text(value.text().into_owned()),
    }
}

/// Whether captured text, as it is shown, holds a lower-case text.
pub fn holds(text: &[u8], needle: &str) -> bool {
    afterimage_model::Safe::new(text)
        .to_string()
        .to_lowercase()
        .contains(needle)
}

fn matches(
    session: &Session,
    which: &Which,
    progress: &Progress,
    send: &dyn Fn(Answer),
) -> Result<(), Error> {
    /// How often what was found so far is shown.
    const EVERY: Duration = Duration::from_millis(100);
    let mut nums = Vec::new();
    let mut given = 0;
    let mut sent = Instant::now();
    session.scan(which.filter.as_ref(), which.span, 1, progress, &mut |ctx| {
        nums.push(ctx.num);
        // The first lines appear at once; those that follow, in larger pieces.
        let screenful = given == 0 && nums.len() >= 256;
        if screenful || sent.elapsed() > EVERY {
            given += nums.len();
            sent = Instant::now();
            send(Answer::Matches {
                nums: std::mem::take(&mut nums),
                last: false,
                complete: false,
            });
        }
        given + nums.len() < MOST_MATCHES
    })?;
    let complete = given + nums.len() < MOST_MATCHES && !progress.cancel.load(Ordering::Relaxed);
    send(Answer::Matches {
        nums,
        last: true,
        complete,
    });
    Ok(())
}
