//! A capture that scap wrote, as events of ours, a stretch at a time: one thread reads and follows what is known, the other,
//! that of the caller, finds what repeats and does with the events what it wants. Nothing is written in between.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::block::{Block, Blocks, Item, Kind, Lost};
use super::convert::{Converter, parse};
use super::input::Input;
use super::output::{Output, Sizes};
use super::scout::scout;
use super::types;
use crate::Provenance;
use crate::error::Error;
use afterimage_format::{Batch, Row, Staged, Writer, WriterOptions};
use afterimage_model::{BootNs, Gap, Manifest, ProcId, Schema, Tables, TypeId};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

/// What a capture came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Event blocks.
    pub events: u64,
    /// Sections.
    pub sections: u64,
    /// What is missing or damaged.
    pub gaps: Vec<Gap>,
}

/// Bytes of a file that are read at once.
const STEP: usize = 256 << 10;

/// Events of a stretch at the most: enough that handing it over costs nothing, few enough that it stays in the cache.
const STRETCH: usize = 8192;

/// What it is to what was known before that something is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// More of it.
    More,
    /// Nothing of it is true any more.
    Anew,
    /// The same once more.
    Again,
}

/// What was there at an instant: all of it, as the lists of a section say.
pub struct Opened {
    /// When.
    pub at: BootNs,
    /// What it is to what was known before.
    pub kind: Tells,
    /// Processes, descriptors, containers, accounts. The rows of single threads are marked as those that were not then.
    pub tables: Tables,
}

/// Events one after another, with the rows they point at.
pub struct Stretch {
    /// What was there before these events, and behind those of the stretch before.
    pub opened: Vec<Opened>,
    /// The events.
    pub batch: Batch,
    /// The rows.
    pub tables: Tables,
    /// The number of each event in the capture, from 1.
    pub numbers: Vec<u64>,
}

impl Stretch {
    /// Writes it as a chunk, behind what was there before it.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn write<W: Write>(&self, writer: &mut Writer<W>) -> Result<(), Error> {
        for opened in &self.opened {
            match opened.kind {
                Tells::Anew => writer.keyframe(opened.at, &opened.tables)?,
                Tells::More => writer.state(opened.at, &opened.tables)?,
                Tells::Again => writer.keyframe_within(opened.at, &opened.tables)?,
            }
        }
        Ok(writer.chunk(&self.batch, &self.tables)?)
    }
}

/// What is told of a stretch of events: false ends the reading.
pub type Take<'t> = &'t mut dyn FnMut(&Stretch) -> Result<bool, Error>;

/// Which events are wanted. The others are followed, because they change what is known, and not handed over.
pub struct Sieve<'s> {
    /// Whether somebody asks for what is kept of the thread with each event.
    pub kept: bool,
    /// Nobody wants to end before the capture does: then it may be looked over first, to find out what has to be followed.
    pub patient: bool,
    /// Of these texts one is in what was recorded of the thread of each event that is wanted, or of those that it comes from: one
    /// that was there, without bytes that do not print, and with paths joined. None when nothing is known to be.
    pub words: &'s [Vec<u8>],
    /// By number of the event type: no event of it is wanted.
    pub idle: &'s [bool],
    /// Whether an event may be wanted, as far as that can be told without its arguments; asked of those that are not idle.
    pub may: &'s mut May<'s>,
    /// Whether an event of a process may be wanted, as far as the process alone tells.
    pub of: &'s mut Of<'s>,
}

/// Asked with an event, the rows it may point at, its number in the capture, and a number that changes when containers or
/// accounts are told anew: rows of processes are never changed, theirs are.
pub type May<'m> = dyn FnMut(&Row, &Tables, u64, u64) -> bool + Send + 'm;

/// Asked with a process, and with the last two of [`May`].
pub type Of<'o> = dyn FnMut(ProcId, &Tables, u64) -> bool + Send + 'o;

impl Sieve<'_> {
    /// Whether a look ahead may find that few events are wanted.
    fn is_worth_a_look(&self) -> bool {
        self.patient && (!self.words.is_empty() || self.idle.contains(&true))
    }

    /// Whether no event of a type is wanted.
    pub fn is_idle(&self, ty: TypeId) -> bool {
        let idle = self.idle.get(usize::from(ty.0)).copied();
        idle.unwrap_or(false)
    }
}

/// A capture whose events are still to be read.
pub struct Stream {
    blocks: Blocks,
    converter: Converter,
    /// Where it can be read again from its start.
    file: Option<File>,
    /// What was missing in front of the events.
    first: Vec<Lost>,
    /// What was read to find out when they begin.
    ahead: Vec<Ahead>,
    manifest: Manifest,
    start: u64,
}

/// Something that was read and is still to be followed.
pub enum Ahead {
    /// A block: its type, what is between head and trailer, and where it starts.
    Block(Option<Kind>, u32, Vec<u8>, u64),
    /// Something that is not as it should be.
    Lost(Lost),
}

impl Ahead {
    fn of(item: Item<'_>) -> Option<Ahead> {
        match item {
            Item::Block(block) => Some(Ahead::Block(
                block.kind,
                block.ty,
                block.body.to_vec(),
                block.at,
            )),
            Item::Lost(lost) => Some(Ahead::Lost(lost)),
            Item::End => None,
        }
    }

    /// As it was read.
    pub fn item(&self) -> Item<'_> {
        match self {
            Ahead::Block(kind, ty, body, at) => Item::Block(Block {
                kind: *kind,
                ty: *ty,
                body,
                at: *at,
            }),
            Ahead::Lost(lost) => Item::Lost(lost.clone()),
        }
    }

    /// The stamp of an event that happened.
    fn stamp(&self) -> Option<u64> {
        let Ahead::Block(kind, _, body, _) = self else {
            return None;
        };
        let raw = parse(body, *kind)?;
        raw.is_timed().then_some(raw.ts)
    }
}

/// Blocks that are read at the most to find out when the events begin, and their bytes.
const AHEAD: (usize, usize) = (4096, 4 << 20);

impl Stream {
    /// As [`Stream::open`], of a regular file that is read from its start.
    ///
    /// # Errors
    /// As of [`Stream::open`].
    pub fn of_file(file: File, manifest: Manifest) -> Result<Stream, Error> {
        let again = file.try_clone().ok();
        let input = BufReader::with_capacity(STEP, file);
        let stream = Stream::open(Box::new(input), manifest)?;
        let file = again.filter(|_| stream.blocks.is_plain());
        Ok(Stream { file, ..stream })
    }

    /// Reads what stands in front of the events.
    ///
    /// # Errors
    /// When the input is no such capture, or cannot be read. Damage is no error: it is told as gaps.
    pub fn open(input: Box<dyn BufRead + Send>, manifest: Manifest) -> Result<Stream, Error> {
        let mut blocks = Blocks::new(Input::new(input).map_err(Error::Read)?);
        let mut converter = Converter::new(manifest);
        // Only with the lists in front of the events is it known what stands in the header.
        let mut first = Vec::new();
        let mut ahead: Vec<Ahead> = Vec::new();
        let mut bytes = 0;
        let mut start = None;
        while start.is_none() && ahead.len() < AHEAD.0 && bytes < AHEAD.1 {
            match blocks.next().map_err(Error::Read)? {
                Item::Lost(lost) if ahead.is_empty() => first.push(lost),
                Item::Block(block)
                    if ahead.is_empty()
                        && !(matches!(block.kind, Some(Kind::Event { .. }))
                            && converter.has_section()) =>
                {
                    converter.list(&block)?;
                }
                item => {
                    let Some(item) = Ahead::of(item) else { break };
                    if let Ahead::Block(_, _, body, _) = &item {
                        bytes += body.len();
                    }
                    start = item.stamp();
                    ahead.push(item);
                }
            }
        }
        if !converter.has_section() {
            let nothing = first.is_empty() && ahead.is_empty();
            return Err(Error::Not(match blocks.take_damage().first() {
                Some(damage) if nothing => format!("nothing could be unpacked: {damage}"),
                None if nothing => "the file is empty".to_owned(),
                _ => "this is no capture of sysdig or Falco (scap): no section begins in it"
                    .to_owned(),
            }));
        }
        let start = start.unwrap_or(0);
        Ok(Stream {
            manifest: converter.manifest(start),
            blocks,
            converter,
            file: None,
            first,
            ahead,
            start,
        })
    }

    /// The header of the capture.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What its events look like.
    pub fn schema(&self) -> &'static Schema {
        types::schema()
    }

    /// Instant of the first event that happened, ns since 1970; 0 when none says when it did.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Hands over its events in order, with the rows they point at, until there are none or `take` has enough. Gives what
    /// there is to say at the end; `None` when it was not reached.
    ///
    /// # Errors
    /// When the input cannot be read, and those of `take`.
    pub fn each(self, take: Take<'_>) -> Result<Option<Ended>, Error> {
        self.stretches(Sizes::of(STRETCH), true, None, take)
    }

    /// As [`Stream::each`], only events that pass a sieve.
    ///
    /// # Errors
    /// As of [`Stream::each`].
    pub fn sift(self, sieve: Sieve<'_>, take: Take<'_>) -> Result<Option<Ended>, Error> {
        self.stretches(Sizes::of(STRETCH), true, Some(sieve), take)
    }

    /// As [`Stream::each`], in stretches of the size that chunks of a capture have.
    ///
    /// # Errors
    /// As of [`Stream::each`].
    pub fn chunks(self, take: Take<'_>) -> Result<Option<Ended>, Error> {
        let sizes = Sizes::of(WriterOptions::default().chunk_events);
        self.stretches(sizes, false, None, take)
    }

    /// As [`Stream::chunks`], for who looks at them meanwhile: what came is handed over with the first event after so long, be it little.
    ///
    /// # Errors
    /// As of [`Stream::each`].
    pub fn chunks_as_they_come(
        self,
        patience: Duration,
        take: Take<'_>,
    ) -> Result<Option<Ended>, Error> {
        let sizes = Sizes {
            patience: Some(patience),
            ..Sizes::of(WriterOptions::default().chunk_events)
        };
        self.stretches(sizes, false, None, take)
    }

    fn stretches(
        self,
        sizes: Sizes,
        loose: bool,
        mut sieve: Option<Sieve<'_>>,
        take: Take<'_>,
    ) -> Result<Option<Ended>, Error> {
        let Stream {
            mut blocks,
            mut converter,
            file,
            first,
            ahead,
            ..
        } = self;
        let mut looked_over = false;
        if let (Some(file), Some(sieve)) = (file, &sieve)
            && sieve.is_worth_a_look()
            && let Some(found) = scout(&file, sieve.idle, sieve.words).map_err(Error::Read)?
        {
            converter.looked_ahead(found);
            looked_over = true;
        }
        let (mut output, stretches, back) = Output::new(&sizes, loose);
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || {
                let fed = converter.feed(&mut blocks, first, &ahead, sieve.as_mut(), &mut output);
                (converter, fed)
            });
            let mut taken = Ok(true);
            for stage in stretches {
                let (mut stretch, args) = stage.stretch();
                taken = take(&stretch);
                if !matches!(taken, Ok(true)) {
                    break;
                }
                stretch.numbers.clear();
                // Nobody has to want it back.
                let _ = back.send((Staged::new(stretch.batch, args), stretch.numbers));
            }
            // The loop has dropped the receiver, so that who reads ends soon.
            let read = reader.join();
            let (converter, fed) =
                read.map_err(|_| Error::Not("the thread that reads has failed".to_owned()))?;
            if !taken? {
                return Ok(None);
            }
            fed?;
            Ok(Some(Ended {
                converter,
                looked_over,
            }))
        })
    }
}

/// A capture whose events have all been read.
pub struct Ended {
    converter: Converter,
    looked_over: bool,
}

impl Ended {
    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.converter.events()
    }

    /// Whether it was looked over first, and only what was found to be wanted was followed: that costs a small part of following all.
    pub fn was_looked_over(&self) -> bool {
        self.looked_over
    }

    /// Everything that is there at the end, as [`Opened::tables`].
    pub fn known(&mut self) -> Tables {
        self.converter.known()
    }

    /// What it came to.
    pub fn report(mut self) -> Report {
        self.converter.close();
        self.converter.report
    }
}

/// Reads a capture that scap wrote and writes it as one of ours.
///
/// # Errors
/// When the input is no such capture, cannot be read, or the output cannot be written. Damage is no error: it is told as gaps.
pub fn convert<W: Write>(
    input: Box<dyn BufRead + Send>,
    out: W,
    manifest: Manifest,
    provenance: &Provenance<'_>,
) -> Result<(W, Report), Error> {
    let stream = Stream::open(input, manifest)?;
    let mut writer = stream.writer(out, provenance)?;
    let ended = stream.write(&mut writer)?;
    ended.seal(writer)
}

impl Stream {
    /// A capture of ours for its events, of which the header is written.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn writer<W: Write>(
        &self,
        out: W,
        provenance: &Provenance<'_>,
    ) -> Result<Writer<W>, Error> {
        provenance.writer(out, &self.manifest, types::schema())
    }

    /// Writes all its events.
    ///
    /// # Errors
    /// When the input cannot be read, or the output cannot be written.
    pub fn write<W: Write>(self, writer: &mut Writer<W>) -> Result<Ended, Error> {
        let ended = self.chunks(&mut |stretch| {
            stretch.write(writer)?;
            Ok(true)
        })?;
        ended.ok_or_else(|| Error::Not("reading has ended before the capture did".to_owned()))
    }
}

impl Ended {
    /// Writes what was learnt on the way, and ends the capture that has its events.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn seal<W: Write>(self, writer: Writer<W>) -> Result<(W, Report), Error> {
        self.converter.finish(writer)
    }
}
