//! Where a recording's chunks and gaps go: straight into the writer, or to a thread that encodes and writes while the rings
//! are emptied.

use crate::error::Error;
use crate::host::clock_pair;
use crate::window::Whose;
use afterimage_format::{Artifact, Batch, Writer};
use afterimage_model::{BootNs, Gap, Schema, Tables};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::time::{Duration, Instant};

/// Chunks that may wait for the thread that writes them; past it the rings have to hold what comes.
const WAITING: usize = 4;
/// Time between two checkpoints: what is signed is older than that by no more than one chunk.
pub const CHECKPOINT: Duration = Duration::from_millis(950);
/// How long after one it is looked whether its sync has failed.
const LOOK: Duration = Duration::from_millis(100);

/// Takes what a recording has to say, in the order of the file.
pub trait Sink {
    /// A chunk, with the rows it needs. Gives back an empty batch.
    fn chunk(&mut self, batch: Batch, needs: Tables) -> Result<Batch, Error>;
    /// A gap.
    fn gap(&mut self, gap: Gap) -> Result<(), Error>;
    /// A gap in what one container did, or what is in none; in what anybody did where that is not known.
    fn loss(&mut self, gap: Gap, _whose: Whose) -> Result<(), Error> {
        self.gap(gap)
    }
    /// Rows as they are at an instant.
    fn state(&mut self, at: BootNs, tables: Tables) -> Result<(), Error>;
    /// Everything that is known at an instant, all chunks up to which were handed over before.
    fn keyframe(&mut self, at: BootNs, tables: Tables) -> Result<(), Error>;
    /// A file to keep with the capture.
    fn artifact(&mut self, artifact: Artifact) -> Result<(), Error>;
    /// Everything that happened before has been handed over.
    fn reached(&mut self, _at: BootNs) -> Result<(), Error> {
        Ok(())
    }
}

impl<W: Write> Sink for Writer<W> {
    fn chunk(&mut self, mut batch: Batch, needs: Tables) -> Result<Batch, Error> {
        Writer::chunk(self, &batch, &needs)?;
        batch.clear();
        Ok(batch)
    }

    fn gap(&mut self, gap: Gap) -> Result<(), Error> {
        Ok(Writer::gap(self, &gap)?)
    }

    fn state(&mut self, at: BootNs, tables: Tables) -> Result<(), Error> {
        Ok(Writer::state(self, at, &tables)?)
    }

    fn keyframe(&mut self, at: BootNs, tables: Tables) -> Result<(), Error> {
        Ok(Writer::keyframe(self, at, &tables)?)
    }

    fn artifact(&mut self, artifact: Artifact) -> Result<(), Error> {
        Ok(Writer::artifact(self, &artifact)?)
    }
}

pub enum Message {
    Chunk(Box<Batch>, Tables),
    Gap(Gap, Whose),
    State(BootNs, Tables),
    Keyframe(BootNs, Tables),
    Artifact(Box<Artifact>),
    Reached(BootNs),
}

/// The near end of a writing thread. Dropping it lets the thread end.
pub struct Remote {
    messages: SyncSender<Message>,
    empty: Receiver<Batch>,
    /// A second empty batch; more are not kept once they are needless.
    spare: Option<Batch>,
}

/// The far end: what the thread runs.
pub struct Encoder {
    pub messages: Receiver<Message>,
    pub empty: Sender<Batch>,
}

/// Both ends.
pub fn pair() -> (Remote, Encoder) {
    let (to, messages) = sync_channel(WAITING);
    let (back, empty) = channel();
    let remote = Remote {
        messages: to,
        empty,
        spare: None,
    };
    let encoder = Encoder {
        messages,
        empty: back,
    };
    (remote, encoder)
}

impl Encoder {
    /// Writes until the near end is dropped; keeps `bytes` at the length of the file, and sets `full` when the disk is.
    pub fn run<W: Write>(
        self,
        writer: &mut Writer<W>,
        bytes: &AtomicU64,
        full: &AtomicBool,
    ) -> Result<(), Error> {
        let mut due = Instant::now() + CHECKPOINT;
        // When to look at what became of the last sync, which is on a thread of its own: with nothing to write nobody else would.
        let mut look = None;
        loop {
            let next = look.unwrap_or(due);
            let left = next.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(Message::Chunk(batch, needs)) => {
                    let batch = Sink::chunk(writer, *batch, needs)?;
                    // Nobody has to want it back.
                    let _ = self.empty.send(batch);
                }
                Ok(Message::Gap(gap, _)) => writer.gap(&gap)?,
                Ok(Message::State(at, tables)) => writer.state(at, &tables)?,
                Ok(Message::Keyframe(at, tables)) => writer.keyframe(at, &tables)?,
                Ok(Message::Artifact(artifact)) => writer.artifact(&artifact)?,
                Ok(Message::Reached(_)) => {}
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            let now = Instant::now();
            if now >= due {
                writer.checkpoint(clock_pair())?;
                (due, look) = (now + CHECKPOINT, Some(now + LOOK));
            } else if look.is_some_and(|look| now >= look) {
                writer.look()?;
                look = None;
            }
            bytes.store(writer.bytes(), Ordering::Relaxed);
            full.store(writer.refused().is_some(), Ordering::Relaxed);
        }
    }
}

impl Remote {
    /// Hands over. Why the thread does not take it any more is what the thread returns.
    fn send(&self, message: Message) -> Result<(), Error> {
        self.messages.send(message).map_err(|_| Error::Stopped)
    }
}

impl Sink for Remote {
    fn chunk(&mut self, batch: Batch, needs: Tables) -> Result<Batch, Error> {
        self.send(Message::Chunk(Box::new(batch), needs))?;
        let mut empty = self.empty.try_iter();
        let batch = empty.next().or_else(|| self.spare.take());
        self.spare = empty.last().or(self.spare.take());
        Ok(batch.unwrap_or_else(|| Batch::new(Schema::current())))
    }

    fn gap(&mut self, gap: Gap) -> Result<(), Error> {
        self.send(Message::Gap(gap, None))
    }

    fn loss(&mut self, gap: Gap, whose: Whose) -> Result<(), Error> {
        self.send(Message::Gap(gap, whose))
    }

    fn state(&mut self, at: BootNs, tables: Tables) -> Result<(), Error> {
        self.send(Message::State(at, tables))
    }

    fn keyframe(&mut self, at: BootNs, tables: Tables) -> Result<(), Error> {
        self.send(Message::Keyframe(at, tables))
    }

    fn artifact(&mut self, artifact: Artifact) -> Result<(), Error> {
        self.send(Message::Artifact(Box::new(artifact)))
    }

    fn reached(&mut self, at: BootNs) -> Result<(), Error> {
        self.send(Message::Reached(at))
    }
}
