//! Answers about all of a capture that take long, kept in its index: every view without a filter, and the tiles of the overview.
//!
//! They are what this very program found: another build of it asks the capture again.

use super::build::Workshop;
use super::sidecar::{In, Out};
use super::{Index, Keeper, Stamp};
use crate::error::Error;
use crate::overview::{Kept as Tiles, TILE_STEPS};
use crate::rows::Rows;
use crate::session::{Progress, Session, Span};
use afterimage_query::{Filter, Made, Shape, VIEWS, View};
use bincode::{Decode, Encode};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Rows of an answer that is kept at the most, and its bytes: it is to be there faster than it is found. Of a longer one a page is kept.
const MOST_ROWS: usize = 2_000;
const PAGE: usize = 500;
const MOST_BYTES: usize = 32 << 20;

/// How the tiles are called among the answers; views have their own names.
const TILES: &str = "tiles";

/// How hard they are compressed.
const LEVEL: i32 = 12;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MOST_BYTES>()
}

/// The program that runs, as the file system tells it apart from every other build.
fn program() -> Option<Stamp> {
    Stamp::of(&std::env::current_exe().ok()?).ok()
}

/// Whether a view is asked of the events alone: not of rules, of a talk that is chosen, or of what the head of a capture tells.
fn is_answered(view: &View) -> bool {
    !matches!(
        view.shape,
        Shape::Gaps | Shape::Overview | Shape::Made(Made::Alerts)
    )
}

/// A view of everything, as an index keeps it.
#[derive(Encode, Decode)]
pub(crate) struct Ahead {
    /// Its rows, or the first [`PAGE`] of them.
    pub rows: Rows,
    /// Whether these are all.
    pub is_whole: bool,
}

impl Ahead {
    fn of(rows: Rows) -> Ahead {
        match rows.complete && rows.rows.len() < MOST_ROWS {
            true => Ahead {
                rows,
                is_whole: true,
            },
            false => Ahead::page(rows, PAGE),
        }
    }

    pub(super) fn page(mut rows: Rows, most: usize) -> Ahead {
        rows.rows.truncate(most);
        Ahead {
            rows,
            is_whole: false,
        }
    }

    /// All rows.
    pub fn whole(self) -> Result<Rows, Ahead> {
        match self.is_whole {
            true => Ok(self.rows),
            false => Err(self),
        }
    }

    /// The first rows, where so many are kept.
    pub fn first(mut self, most: usize) -> Option<Rows> {
        let have = self.rows.rows.len();
        if !self.is_whole && have < most {
            return None;
        }
        self.rows.complete = have < most;
        self.rows.rows.truncate(most);
        Some(self.rows)
    }
}

impl Index {
    /// An answer that is kept.
    fn answer<T: Decode<()>>(&self, name: &str) -> Option<T> {
        let head = self.head();
        if !self.is_whole() || !self.is_of_program() {
            return None;
        }
        let (_, part) = head.answers.iter().find(|(known, _)| known == name)?;
        let raw = self.file.part(part, MOST_BYTES as u64).ok()?;
        let (answer, used) = bincode::decode_from_slice(&raw, config()).ok()?;
        (used == raw.len()).then_some(answer)
    }

    /// The answers that are kept, by name.
    fn kept_answers(&self) -> BTreeMap<String, Vec<u8>> {
        let head = self.head();
        let believed = self.is_of_program();
        let answers = head.answers.iter().filter(|_| believed);
        let raw = |part| self.file.part(part, MOST_BYTES as u64).ok();
        answers
            .filter_map(|(name, part)| Some((name.clone(), raw(part)?)))
            .collect()
    }

    /// Whether the answers are those of this very program.
    fn is_of_program(&self) -> bool {
        let made_by = self.head().made_by.as_ref();
        made_by.is_some_and(|made_by| Some(made_by) == program().as_ref())
    }

    /// Whether this program has asked everything and kept what took long.
    pub fn is_answered(&self) -> bool {
        self.head().is_answered && self.is_of_program()
    }
}

impl Session {
    /// What is kept of a view, when it is asked of everything.
    pub(crate) fn kept_rows(
        &self,
        view: &View,
        (filter, span): (Option<&Filter>, Span),
        progress: &Progress,
    ) -> Option<Ahead> {
        self.kept_answer(view.id, (filter, span), progress)
    }

    /// The tiles that are kept, when they are asked of everything.
    pub(crate) fn kept_tiles(
        &self,
        asked: (Option<&Filter>, Span),
        progress: &Progress,
    ) -> Option<Tiles> {
        self.kept_answer(TILES, asked, progress)
    }

    fn kept_answer<T: Decode<()>>(
        &self,
        name: &str,
        (filter, span): (Option<&Filter>, Span),
        progress: &Progress,
    ) -> Option<T> {
        if filter.is_some_and(|filter| !filter.is_all()) || span.is_some() {
            return None;
        }
        let index = self.index().filter(|_| !self.shows_internal())?;
        let found = index.answer(name)?;
        progress.done.store(self.events(), Ordering::Relaxed);
        Some(found)
    }
}

/// A question about everything.
#[derive(Clone, Copy)]
enum Question {
    Tiles,
    View(&'static View),
}

impl Question {
    /// All of them; what takes longest first.
    fn all() -> Vec<Question> {
        let views = VIEWS.iter().filter(|view| is_answered(view));
        let (made, others): (Vec<_>, Vec<_>) =
            views.partition(|view| matches!(view.shape, Shape::Made(_)));
        let views = made.into_iter().chain(others).map(Question::View);
        std::iter::once(Question::Tiles).chain(views).collect()
    }

    fn name(self) -> &'static str {
        match self {
            Question::Tiles => TILES,
            Question::View(view) => view.id,
        }
    }

    /// The answer; `None` where it is not worth keeping.
    fn answer(
        self,
        session: &Session,
        long: Duration,
        progress: &Progress,
    ) -> Result<Option<Vec<u8>>, Error> {
        let begun = Instant::now();
        let bytes = match self {
            Question::Tiles => {
                let found = session.tiles(None, None, TILE_STEPS, progress)?;
                Tiles::of(found).and_then(|found| encoded(&found))
            }
            Question::View(view) => {
                let rows = session.first_rows(view, None, None, MOST_ROWS, progress)?;
                let kept = Ahead::of(rows);
                let worth = !kept.rows.has_secrets();
                worth.then(|| encoded(&kept)).flatten()
            }
        };
        Ok(bytes.filter(|_| begun.elapsed() >= long))
    }
}

/// How many questions [`keep_answers`] asks.
pub fn questions() -> u64 {
    Question::all().len() as u64
}

fn encoded<T: Encode>(answer: &T) -> Option<Vec<u8>> {
    bincode::encode_to_vec(answer, config()).ok()
}

/// How views are counted ahead.
#[derive(Clone, Copy, Debug)]
pub struct Counting {
    /// Threads that count.
    pub threads: usize,
    /// How long an answer takes at least that is kept.
    pub long: Duration,
}

impl Default for Counting {
    fn default() -> Counting {
        Counting {
            threads: super::Indexing::default().threads,
            long: Duration::from_millis(20),
        }
    }
}

/// What was kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Questions that were asked.
    pub asked: usize,
    /// Answers that are kept, because they took long.
    pub kept: usize,
    /// Bytes that they take in the index.
    pub bytes: u64,
}

/// Asks a session with its index everything that can be asked without a filter, and keeps in the index what took long.
/// `progress.done` counts questions. The index is there all the time, with the answers or without.
///
/// # Errors
/// When the index covers not all of the capture ([`io::ErrorKind::InvalidInput`]), cannot be written, another process is at it, or the
/// work was cancelled ([`io::ErrorKind::Interrupted`]).
pub fn keep_answers(
    session: &Session,
    keeper: &Keeper,
    how: Counting,
    progress: &Progress,
) -> io::Result<Answered> {
    let index = session.index().filter(|index| index.is_whole());
    let Some(index) = index else {
        let why = "its index does not cover all of it";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    };
    let shop = Workshop::open(index.place())?;
    let work = Answering {
        session,
        long: how.long,
        progress,
        questions: Question::all(),
        next: AtomicUsize::new(0),
        found: Mutex::new(Found {
            answers: index.kept_answers(),
            written: Instant::now(),
        }),
        file: &index.file,
        shop: &shop,
        key: &keeper.key,
    };
    let outcome = std::thread::scope(|scope| {
        let others: Vec<_> = (1..how.threads)
            .map(|_| scope.spawn(|| work.run()))
            .collect();
        let mut outcome = work.run();
        for other in others {
            let other = other.join();
            let other = other.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome = outcome.and(other);
        }
        outcome
    });
    outcome?;
    let mut found = lock(&work.found);
    if !session.unreadable().is_empty() {
        // What could not be read meanwhile is missing from the answers.
        found.answers.clear();
    }
    let bytes = work.write(&found.answers, true)?;
    let answered = Answered {
        asked: work.questions.len(),
        kept: found.answers.len(),
        bytes,
    };
    drop(found);
    shop.clear();
    Ok(answered)
}

/// How often what was found so far is written, so that little is lost when the process is killed.
const WRITE_EVERY: Duration = Duration::from_secs(20);

/// What was found, by name and compressed not yet, and when it was written last.
struct Found {
    answers: BTreeMap<String, Vec<u8>>,
    written: Instant,
}

/// Several threads that ask.
struct Answering<'a> {
    session: &'a Session,
    long: Duration,
    progress: &'a Progress,
    questions: Vec<Question>,
    next: AtomicUsize,
    found: Mutex<Found>,
    file: &'a In,
    shop: &'a Workshop,
    key: &'a [u8; 32],
}

impl Answering<'_> {
    fn run(&self) -> io::Result<()> {
        loop {
            if self.progress.cancel.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let at = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(question) = self.questions.get(at) else {
                return Ok(());
            };
            if !lock(&self.found).answers.contains_key(question.name()) {
                self.ask(*question)?;
            }
            self.progress.done.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ask(&self, question: Question) -> io::Result<()> {
        let own = Progress {
            cancel: Arc::clone(&self.progress.cancel),
            ..Progress::default()
        };
        let answer = question.answer(self.session, self.long, &own);
        let Some(bytes) = answer.map_err(|why| io::Error::other(why.to_string()))? else {
            return Ok(());
        };
        // Of what was cancelled there is only a part.
        if own.cancel.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut found = lock(&self.found);
        found.answers.insert(question.name().to_owned(), bytes);
        if found.written.elapsed() >= WRITE_EVERY && self.session.unreadable().is_empty() {
            self.write(&found.answers, false)?;
            found.written = Instant::now();
        }
        Ok(())
    }

    /// Writes the index anew, with these answers; gives the bytes they take.
    fn write(&self, answers: &BTreeMap<String, Vec<u8>>, are_all: bool) -> io::Result<u64> {
        let draft = self.shop.draft();
        let mut out = Out::like(self.file, &draft)?;
        out.head.answers.clear();
        (out.head.made_by, out.head.is_answered) = (program(), are_all);
        for (name, bytes) in answers {
            let part = out.part(bytes, LEVEL)?;
            out.head.answers.push((name.clone(), part));
        }
        let bytes = out.head.answers.iter().map(|(_, part)| part.len).sum();
        out.finish(self.key, LEVEL)?;
        self.shop.hand_over(&draft)?;
        Ok(bytes)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
