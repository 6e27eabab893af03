//! The way of records out of the rings into a batch, and the books about it.

use crate::decode::{self, DecodeError, Head, decode};
use crate::enrich::{Args, Name, Outcome, Quick, World};
use crate::error::Error;
use crate::losses::Losses;
use crate::ring::Item;
use crate::sink::Sink;
use crate::wire::{Context, RecordHead};
use afterimage_format::{Arg, Batch, Place, Row, WriterOptions};
use afterimage_model::{BootNs, Ctx, Event, Gap, GapCause, Manifest, Schema, Tables, Value};
use afterimage_query::Filter;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What became of the records that were taken out of the rings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// Records out of the rings and from beside them.
    pub handed: u64,
    /// Events without a record: calls found in flight.
    pub found: u64,
    /// Events in the file.
    pub written: u64,
    /// Events out of scope, or not wanted by the filter.
    pub filtered: u64,
    /// Records that are none.
    pub undecodable: u64,
    /// Records that belong to the event of another.
    pub parts: u64,
}

impl Taken {
    /// Records and finds of which it is not known what became of them.
    pub fn unsealed(&self) -> u64 {
        (self.handed + self.found)
            .saturating_sub(self.written + self.filtered + self.undecodable + self.parts)
    }
}

/// Records that came beside the rings, the earliest first: their instant and their bytes.
pub type Beside = BinaryHeap<Reverse<(u64, u64, Vec<u8>)>>;

/// Everything a record passes on its way from a ring into a batch.
pub struct Intake<'a> {
    pub world: &'a mut World,
    pub batch: &'a mut Batch,
    pub format: &'a WriterOptions,
    pub filter: Option<&'a Filter>,
    pub manifest: &'a Manifest,
    /// Events that may still be written; `None` for any number.
    pub left: Option<u64>,
    pub until_ns: u64,
    pub first_ns: &'a mut u64,
    pub books: &'a mut Taken,
    /// Events of containers of which it is open whether they are meant.
    pub held: &'a mut Vec<Event>,
    pub held_bytes: &'a mut usize,
    /// What was lost and is not told yet.
    pub losses: &'a mut Losses,
}

impl Intake<'_> {
    /// Takes what a ring has; what came beside the rings and is earlier goes first.
    pub fn take(
        &mut self,
        item: Item<'_>,
        beside: &mut Beside,
        sink: &mut impl Sink,
    ) -> Result<(), Error> {
        match item {
            Item::Loss(loss) => {
                self.world.lost();
                self.ready(sink)?;
                match self.losses.take(loss, self.until_ns) {
                    Some(lost) => lost.tell(self.world, sink),
                    None => Ok(()),
                }
            }
            Item::Record {
                cpu,
                seq,
                context,
                bytes,
            } => {
                if !beside.is_empty() {
                    let time_ns = RecordHead::read(bytes).map_or(0, |front| front.time_ns);
                    self.beside(beside, time_ns, sink)?;
                }
                self.record(cpu, bytes, context, seq, sink)
            }
        }
    }

    /// Takes what came beside the rings, up to an instant.
    pub fn beside(
        &mut self,
        beside: &mut Beside,
        until_ns: u64,
        sink: &mut impl Sink,
    ) -> Result<(), Error> {
        while beside
            .peek()
            .is_some_and(|Reverse((ns, _, _))| *ns < until_ns)
            && let Some(Reverse((_, seq, bytes))) = beside.pop()
        {
            match decode::beside(&bytes) {
                Ok((context, front, record)) => {
                    self.record(front.nr as u16, record, &context, seq, sink)?;
                }
                Err(why) => {
                    self.books.handed += 1;
                    self.undecodable(None, &why, sink)?;
                }
            }
        }
        Ok(())
    }

    fn record(
        &mut self,
        cpu: u16,
        bytes: &[u8],
        context: &Context,
        seq: u64,
        sink: &mut impl Sink,
    ) -> Result<(), Error> {
        self.books.handed += 1;
        if self.filter.is_none()
            && let Ok((head, at)) = Head::read(bytes, context, seq)
        {
            let mut name = Name::new();
            let mut args = Args::new();
            let parts = bytes.get(at..).unwrap_or_default();
            match (self.world).quick(cpu, &head, parts, &mut args, &mut name) {
                Quick::Row(row) => return self.keep(row, &args, sink),
                Quick::OutOfScope => {
                    self.books.filtered += 1;
                    return Ok(());
                }
                Quick::Long => {}
            }
        }
        let mut record = match decode(bytes, context, seq) {
            Ok(record) => record,
            Err(why) => return self.undecodable(Some(cpu), &why, sink),
        };
        let outcome = self.world.record(cpu, &mut record);
        self.ready(sink)?;
        match outcome {
            Outcome::Event(event) => self.event(*event, sink),
            Outcome::OutOfScope => {
                self.books.filtered += 1;
                Ok(())
            }
            Outcome::Part => {
                self.books.parts += 1;
                Ok(())
            }
        }
    }

    /// A record that is none.
    fn undecodable(
        &mut self,
        cpu: Option<u16>,
        why: &DecodeError,
        sink: &mut impl Sink,
    ) -> Result<(), Error> {
        self.books.undecodable += 1;
        sink.gap(Gap {
            cause: GapCause::Undecodable,
            start: BootNs(self.until_ns),
            end: BootNs(self.until_ns),
            cpu,
            count: Some(1),
            first_seq: None,
            detail: why.to_string(),
        })
    }

    /// Events of earlier records, which were counted as parts until now.
    fn ready(&mut self, sink: &mut impl Sink) -> Result<(), Error> {
        if self.world.ready.is_empty() {
            return Ok(());
        }
        for event in std::mem::take(&mut self.world.ready) {
            self.books.parts = self.books.parts.saturating_sub(1);
            self.event(event, sink)?;
        }
        Ok(())
    }

    /// What was waiting for more, and what is still going on.
    pub fn end(&mut self, sink: &mut impl Sink) -> Result<(), Error> {
        self.world.end();
        self.ready(sink)?;
        for event in self.world.in_flight(self.until_ns) {
            self.books.found += 1;
            self.event(event, sink)?;
        }
        Ok(())
    }

    fn event(&mut self, event: Event, sink: &mut impl Sink) -> Result<(), Error> {
        if self.world.is_pending(event.proc) {
            *self.held_bytes += bytes_of(&event);
            self.held.push(event);
            return Ok(());
        }
        let first_ns = if *self.first_ns == 0 {
            event.time.0
        } else {
            *self.first_ns
        };
        let wanted = self.filter.is_none_or(|filter| {
            filter.matches(&Ctx {
                manifest: self.manifest,
                schema: Schema::current(),
                tables: &self.world.tables,
                event: &event,
                num: self.books.written + 1,
                first_ns,
                previous_ns: event.time.0,
            })
        });
        if !wanted {
            *self.first_ns = first_ns;
            self.books.filtered += 1;
            return Ok(());
        }
        let args: Args<'_> = event.args.iter().map(Arg::from).collect();
        self.keep(Row::from(&event), &args, sink)
    }

    /// Puts a row into the batch; a full batch goes on its way.
    fn keep(&mut self, row: Row, args: &[Arg<'_>], sink: &mut impl Sink) -> Result<(), Error> {
        let row = self.format.in_unit(row);
        if *self.first_ns == 0 {
            *self.first_ns = row.time.0;
        }
        if let Some(left) = &mut self.left {
            if *left == 0 {
                self.books.filtered += 1;
                return Ok(());
            }
            *left -= 1;
        }
        if self.format.is_full(self.batch, &row, args) {
            let mut lost = self.losses.rest();
            lost.try_for_each(|lost| lost.tell(self.world, sink))?;
            hand_over(self.batch, &self.world.tables, sink)?;
        }
        let tables = &self.world.tables;
        let pushed = self.batch.push(row, args, tables);
        pushed.map_err(unwritable)?;
        self.books.written += 1;
        Ok(())
    }
}

/// What a batch does not take.
pub fn unwritable(kind: afterimage_format::ErrorKind) -> Error {
    Error::Write(afterimage_format::Error {
        place: Place::Output,
        offset: None,
        kind,
    })
}

/// Hands a batch on, with what it needs, and leaves an empty one.
pub fn hand_over(batch: &mut Batch, tables: &Tables, sink: &mut impl Sink) -> Result<(), Error> {
    if batch.is_empty() {
        return Ok(());
    }
    let needs = batch.needs(tables);
    let full = std::mem::replace(batch, Batch::new(Schema::current()));
    *batch = sink.chunk(full, needs)?;
    Ok(())
}

/// Bytes that an event's arguments hold.
pub fn bytes_of(event: &Event) -> usize {
    let bytes = |value: &Value| match value {
        Value::Bytes(blob) => blob.bytes.len(),
        _ => 0,
    };
    size_of::<Event>() + event.args.iter().map(bytes).sum::<usize>()
}
