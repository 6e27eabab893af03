//! Events on their way from the thread that reads and follows them to the one that takes them, a stretch at a time.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::rows::Rows;
use super::state::State;
use super::stream::{Opened, Stretch, Tells};
use super::types;
use crate::error::Error;
use afterimage_format::{Arg, Batch, Row, Staged, WriterOptions};
use afterimage_model::{BootNs, Tables};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// Stretches that may wait to be taken.
const WAITING: usize = 1;

/// Memory of a stretch that was taken: of its events and arguments, and of its numbers.
pub type Spent = (Staged, Vec<u64>);

/// How much is handed over at once.
pub struct Sizes {
    /// Events at the most.
    pub events: usize,
    /// For so long it may become more; as long as it takes where there is none.
    pub patience: Option<Duration>,
}

impl Sizes {
    /// So many events, whatever time that takes.
    pub fn of(events: usize) -> Sizes {
        Sizes {
            events,
            patience: None,
        }
    }
}

/// A stretch on its way from who reads to who takes.
pub struct Stage {
    opened: Vec<Opened>,
    staged: Staged,
    tables: Tables,
    numbers: Vec<u64>,
}

impl Stage {
    /// The stretch, and memory to be used again.
    pub fn stretch(self) -> (Stretch, Vec<u8>) {
        let (batch, args) = self.staged.settle();
        let stretch = Stretch {
            opened: self.opened,
            batch,
            tables: self.tables,
            numbers: self.numbers,
        };
        (stretch, args)
    }
}

/// Where events go.
pub struct Output {
    to: SyncSender<Stage>,
    empty: Receiver<Spent>,
    staged: Staged,
    numbers: Vec<u64>,
    opened: Vec<Opened>,
    loose: bool,
    options: WriterOptions,
    patience: Option<Duration>,
    /// When something was handed over last.
    since: Instant,
}

/// An empty batch; a loose one is not to be written.
fn batch(loose: bool) -> Batch {
    match loose {
        true => Batch::loose(types::schema()),
        false => Batch::new(types::schema()),
    }
}

impl Output {
    /// Where events are put, where they are taken from, and where the memory of those that were goes back.
    pub fn new(sizes: &Sizes, loose: bool) -> (Output, Receiver<Stage>, Sender<Spent>) {
        let (to, stages) = sync_channel(WAITING);
        let (back, empty) = channel();
        let output = Output {
            to,
            empty,
            staged: Staged::new(batch(loose), Vec::new()),
            numbers: Vec::new(),
            opened: Vec::new(),
            loose,
            options: WriterOptions {
                // Numbers and not time decide where a chunk ends: old captures hold hours of little.
                chunk_span_ns: u64::MAX,
                chunk_events: sizes.events,
                ..WriterOptions::default()
            },
            patience: sizes.patience,
            since: Instant::now(),
        };
        (output, stages, back)
    }

    /// Adds an event with its number.
    pub fn push(
        &mut self,
        row: Row,
        args: &[Arg<'_>],
        number: u64,
        rows: &mut Rows,
        state: &State,
    ) -> Result<(), Error> {
        if self.options.is_full(self.staged.noted(), &row, args) {
            self.hand_over(rows)?;
            rows.prune(state, Some(&row));
        }
        self.numbers.push(number);
        self.staged
            .push(row, args, &rows.tables)
            .map_err(|kind| Error::Not(kind.to_string()))
    }

    /// Whether somebody wants to know what was there before the events: who writes them down.
    pub fn keeps_openings(&self) -> bool {
        !self.loose
    }

    /// What was there before the events that follow.
    pub fn open(
        &mut self,
        at: BootNs,
        kind: Tells,
        tables: Tables,
        rows: &Rows,
    ) -> Result<(), Error> {
        if kind == Tells::Anew {
            self.hand_over(rows)?;
        }
        self.opened.push(Opened { at, kind, tables });
        Ok(())
    }

    /// Whether little more fits into what is handed over next.
    pub fn is_nearly_full(&self) -> bool {
        self.options.is_nearly_full(self.staged.noted())
    }

    /// Whether somebody looks at what comes, as it comes.
    pub fn is_looked_at(&self) -> bool {
        self.patience.is_some()
    }

    /// Whether what there is was held back for as long as it may be.
    pub fn is_late(&self) -> bool {
        let late = |patience| self.since.elapsed() >= patience;
        self.patience.is_some_and(late) && !self.staged.noted().is_empty()
    }

    /// Hands over what there is.
    pub fn flush(&mut self, rows: &mut Rows, state: &State) -> Result<(), Error> {
        self.hand_over(rows)?;
        rows.prune(state, None);
        Ok(())
    }

    fn hand_over(&mut self, rows: &Rows) -> Result<(), Error> {
        if self.staged.noted().is_empty() && self.opened.is_empty() {
            return Ok(());
        }
        if self.patience.is_some() {
            self.since = Instant::now();
        }
        let tables = self.staged.noted().needs(&rows.tables);
        let (empty, none) = self
            .empty
            .try_recv()
            .unwrap_or_else(|_| (Staged::new(batch(self.loose), Vec::new()), Vec::new()));
        let stage = Stage {
            opened: std::mem::take(&mut self.opened),
            staged: std::mem::replace(&mut self.staged, empty),
            tables,
            numbers: std::mem::replace(&mut self.numbers, none),
        };
        // Why it is not taken is known to who takes.
        self.to
            .send(stage)
            .map_err(|_| Error::Not("nobody takes the events".to_owned()))
    }
}
