//! A capture that scap wrote, event by event, into one of ours.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod ends;
mod fronts;

use super::block::{Blocks, Item, Kind, Lost};
use super::event::{self, Raw};
use super::opening::Opening;
use super::output::Output;
use super::rows::Rows;
use super::scout::Found;
use super::state::State;
use super::state::effects::is_for_all;
use super::stream::{Ahead, Report, Sieve, Tells};
use super::types;
use super::values::{Held, sampled, unrecognized};
use crate::error::Error;
use afterimage_format::{Arg, Pace, Row};
use afterimage_model::time::Civil;
use afterimage_model::{Abi, BootNs, ClockPair, EventFlags, Gap, GapCause, Manifest, TypeId};
use smallvec::SmallVec;

/// Most gaps that are told one by one; a file with more is not worth the detail.
const MAX_GAPS: usize = 10_000;

/// Events after which those that passed a sieve are handed over.
const PATIENCE: u64 = 1 << 15;

/// The type of an event of this code, of which the first parameter may say which call it is.
pub(super) fn type_of(code: u16, first: Option<u64>) -> TypeId {
    match code {
        0 | 1 => types::call_type(narrow(first), code == 1),
        code => types::type_id(code),
    }
}

/// A number of a call.
fn narrow(number: Option<u64>) -> u16 {
    number.unwrap_or(u64::MAX).min(u64::from(u16::MAX)) as u16
}

/// The event in a block of events.
pub fn parse<'b>(body: &'b [u8], kind: Option<Kind>) -> Option<Raw<'b>> {
    match kind {
        Some(Kind::Event {
            counted,
            flagged,
            large,
        }) => event::parse(body, counted, flagged, large),
        _ => None,
    }
}

/// Follows a capture block by block.
pub struct Converter {
    manifest: Manifest,
    pub(super) state: State,
    pub(super) rows: Rows,
    pub(super) report: Report,
    last_ts: u64,
    first_ts: Option<u64>,
    /// Losses since the last event.
    lost: Vec<Lost>,
    seqs: Vec<u64>,
    pub(super) scratch: Vec<u8>,
    notes: Vec<(u64, Vec<u8>)>,
    /// Parameters that the rows of their events do not know.
    pub(super) surplus: u64,
    opening: Opening,
    /// When all that is known is to be told again.
    pace: Pace,
    /// The latest instant of an event of the section.
    latest: u64,
    /// What a look ahead has found: no more than that is followed.
    ahead: Option<Found>,
}

impl Converter {
    /// Nothing was read yet.
    pub fn new(manifest: Manifest) -> Converter {
        Converter {
            manifest,
            state: State::new(),
            rows: Rows::default(),
            report: Report::default(),
            last_ts: 0,
            first_ts: None,
            lost: Vec::new(),
            seqs: Vec::new(),
            scratch: Vec::new(),
            notes: Vec::new(),
            surplus: 0,
            opening: Opening::default(),
            pace: Pace::default(),
            latest: 0,
            ahead: None,
        }
    }

    /// Whether a section has begun.
    pub fn has_section(&self) -> bool {
        self.report.sections > 0
    }

    /// How many events were read.
    pub fn events(&self) -> u64 {
        self.report.events
    }

    /// Only what a look ahead has found has to be followed.
    pub fn looked_ahead(&mut self, found: Found) {
        self.ahead = Some(found);
    }

    /// Whether all has been read that a look ahead has found.
    fn is_over(&self) -> bool {
        let found = self.ahead.as_ref();
        found.is_some_and(|found| self.report.events >= found.last)
    }

    /// What stands in the header.
    pub fn manifest(&self, start: u64) -> Manifest {
        let machine = self.state.machine.clone().unwrap_or_default();
        let host = String::from_utf8_lossy(&machine.host).into_owned();
        // Instants of scap are those of the wall clock.
        let clock = ClockPair {
            boot_ns: start,
            mono_ns: start,
            real_ns: i64::try_from(start).unwrap_or(i64::MAX),
        };
        let mut manifest = self.manifest.clone();
        manifest.host = host;
        manifest.cpus = machine.cpus;
        manifest.clock = clock;
        manifest
            .coverage
            .push("What the writer of the scap file recorded.".to_owned());
        if machine.boot_ns != 0 {
            let boot = Civil::from_unix_ns(i64::try_from(machine.boot_ns).unwrap_or(0)).iso8601();
            manifest.limits.insert("scap.boot".to_owned(), boot);
        }
        manifest
    }

    fn lose(&mut self, lost: Lost) {
        self.lost.push(lost);
    }

    /// Losses before an event become gaps with the instants on both sides.
    fn settle(&mut self, next_ts: u64) {
        let lost = std::mem::take(&mut self.lost);
        for lost in lost {
            if self.report.gaps.len() >= MAX_GAPS {
                break;
            }
            self.report.gaps.push(Gap {
                cause: if lost.torn {
                    GapCause::Torn
                } else {
                    GapCause::Unreadable
                },
                start: BootNs(self.last_ts.min(next_ts)),
                end: BootNs(next_ts.max(self.last_ts)),
                cpu: None,
                count: lost.count,
                first_seq: None,
                detail: format!("at byte {}: {}", lost.at, lost.detail),
            });
        }
    }

    /// Reads to the end.
    pub fn feed(
        &mut self,
        blocks: &mut Blocks,
        first: Vec<Lost>,
        ahead: &[Ahead],
        mut sieve: Option<&mut Sieve<'_>>,
        output: &mut Output,
    ) -> Result<(), Error> {
        self.lost.extend(first);
        for item in ahead {
            if self.is_over() {
                break;
            }
            self.item(item.item(), &mut sieve, false, output)?;
        }
        while !self.is_over() {
            let mut tried = false;
            let mut followed = Ok(());
            match sieve.as_deref_mut() {
                Some(sieve) => blocks.skim(|body, kind| {
                    // Now and then what passed is to be handed over.
                    let due = self.report.events.is_multiple_of(PATIENCE) || self.is_over();
                    let done = !due && self.quiet(body, kind, sieve);
                    tried = !due && !done;
                    done
                }),
                // Who looks on is not kept waiting for what is at hand.
                None if output.is_looked_at() => {}
                None => blocks.skim(|body, kind| {
                    followed = self.event(body, Some(kind), None, output);
                    followed.is_ok()
                }),
            }
            followed?;
            self.damaged(blocks);
            match blocks.next().map_err(Error::Read)? {
                Item::End => break,
                item => self.item(item, &mut sieve, tried, output)?,
            }
            if output.is_late() {
                output.flush(&mut self.rows, &self.state)?;
            }
        }
        self.damaged(blocks);
        if let Some(found) = &self.ahead {
            self.report.events = found.events;
            self.report.sections = found.sections;
        }
        // There may have been no event that says when.
        self.open(self.last_ts, output)?;
        output.flush(&mut self.rows, &self.state)
    }

    /// What the lists say is what was there before the events behind them.
    fn open(&mut self, at: u64, output: &mut Output) -> Result<(), Error> {
        if !output.keeps_openings() || !self.opening.is_due(self.state.threads.len()) {
            return Ok(());
        }
        let begins_anew = self.opening.was_told();
        if let Some(silent) = self.opening.told() {
            output.open(BootNs(at), Tells::More, silent, &self.rows)?;
        }
        let tables = self.rows.opening(&mut self.state);
        self.pace.told(self.report.events, BootNs(at), &tables);
        let kind = match begins_anew {
            true => Tells::Anew,
            false => Tells::More,
        };
        output.open(BootNs(at), kind, tables, &self.rows)
    }

    /// Tells all that is known again where that is due, behind so many events.
    fn tell_again(&mut self, events: u64, output: &mut Output) -> Result<(), Error> {
        let at = BootNs(self.latest);
        let may = output.keeps_openings() && self.opening.was_told() && output.is_nearly_full();
        if !may || !self.pace.is_due(events, at) {
            return Ok(());
        }
        self.state.catch_up();
        output.flush(&mut self.rows, &self.state)?;
        // Who did nothing yet is in no chunk.
        let silent = self.rows.silent(&mut self.state);
        if !silent.procs.is_empty() {
            output.open(at, Tells::More, silent, &self.rows)?;
        }
        let tables = self.rows.opening(&mut self.state);
        self.pace.told(events, at, &tables);
        output.open(at, Tells::Again, tables, &self.rows)
    }

    /// Of an event, `tried` says that more is wanted of it than [`Converter::quiet`] does.
    fn item(
        &mut self,
        item: Item<'_>,
        sieve: &mut Option<&mut Sieve<'_>>,
        tried: bool,
        output: &mut Output,
    ) -> Result<(), Error> {
        match item {
            Item::End => Ok(()),
            Item::Lost(lost) => {
                self.lose(lost);
                Ok(())
            }
            Item::Block(block) if matches!(block.kind, Some(Kind::Event { .. })) => {
                if let Some(sieve) = sieve.as_deref_mut() {
                    // What passes is handed over soon, however little it is.
                    if self.report.events.is_multiple_of(PATIENCE) {
                        output.flush(&mut self.rows, &self.state)?;
                    }
                    if let Some(kind) = block.kind.filter(|_| !tried)
                        && self.quiet(block.body, kind, sieve)
                    {
                        return Ok(());
                    }
                }
                self.event(block.body, block.kind, sieve.as_deref_mut(), output)
            }
            Item::Block(block) => self.list(&block),
        }
    }

    /// What could not be unpacked.
    fn damaged(&mut self, blocks: &mut Blocks) {
        for detail in blocks.take_damage() {
            self.lose(Lost {
                at: blocks.offset(),
                torn: true,
                count: None,
                detail,
            });
        }
    }

    /// Counts an event of a thread that need not be followed; false for others, of which nothing is done.
    fn pass_over(&mut self, body: &[u8], kind: Kind) -> bool {
        let (Some(found), Kind::Event { flagged, .. }) = (&self.ahead, kind) else {
            return false;
        };
        let Some((cpu, ts, tid, code)) = event::head(body, flagged) else {
            return false;
        };
        if found.ids.holds(tid) || is_for_all(code) || !self.state.is_settled() {
            return false;
        }
        self.state.switched_elsewhere(cpu, ts, code);
        self.report.events += 1;
        self.next_seq(cpu);
        self.pass(ts);
        true
    }

    /// Follows an event that is not wanted and changes next to nothing; false for others, of which nothing is done.
    fn quiet(&mut self, body: &[u8], kind: Kind, sieve: &mut Sieve<'_>) -> bool {
        if self.pass_over(body, kind) {
            return true;
        }
        let Kind::Event {
            counted,
            flagged: false,
            ..
        } = kind
        else {
            return false;
        };
        let Some(raw) = event::glance(body, counted) else {
            return false;
        };
        if raw.code < 2 && self.is_ours() {
            return false;
        }
        let ty = type_of(raw.code, raw.uint());
        let unwanted = sieve.is_idle(ty) || self.is_ruled_out(raw.tid, sieve);
        if !unwanted || !self.lost.is_empty() || !self.state.follow_quiet(&raw) {
            return false;
        }
        self.report.events += 1;
        self.next_seq(raw.cpu);
        self.pass(raw.ts);
        true
    }

    /// Whether nothing that the process of a thread does is wanted. Of one that may have changed nothing is said.
    fn is_ruled_out(&self, tid: i64, sieve: &mut Sieve<'_>) -> bool {
        let row = self.state.threads.get(&tid).and_then(|thread| thread.row);
        let Some((_, id)) = row.filter(|(seen, _)| *seen == self.state.generation) else {
            return false;
        };
        let world = self.rows.told + self.state.accounts_changed;
        !(sieve.of)(id, &self.rows.tables, world)
    }

    /// Whether we wrote the section.
    fn is_ours(&self) -> bool {
        self.state
            .machine
            .as_ref()
            .is_some_and(|machine| machine.ours)
    }

    fn pass(&mut self, ts: u64) {
        self.last_ts = ts;
        self.latest = self.latest.max(ts);
        if self.first_ts.is_none() {
            self.first_ts = Some(ts);
        }
    }

    fn event(
        &mut self,
        body: &[u8],
        kind: Option<Kind>,
        sieve: Option<&mut Sieve<'_>>,
        output: &mut Output,
    ) -> Result<(), Error> {
        // What is borrowed from the entry lives as long as what is borrowed from the event.
        let entry;
        let mut raw = Raw::default();
        let whole = match kind {
            Some(Kind::Event {
                counted,
                flagged,
                large,
            }) => event::parse_into(body, counted, flagged, large, &mut raw),
            _ => None,
        };
        if whole.is_none() {
            self.lose(Lost {
                at: 0,
                torn: false,
                count: Some(1),
                detail: "an event without a head".to_owned(),
            });
            return Ok(());
        }
        self.report.events += 1;
        if !self.lost.is_empty() {
            self.settle(raw.ts);
        }
        // What comes without a time in front of everything else is of no instant.
        if raw.is_timed() {
            self.open(raw.ts, output)?;
        } else if self.opening.was_told() {
            self.open(self.last_ts, output)?;
        }
        self.tell_again(self.report.events - 1, output)?;
        if raw.torn {
            self.lose(Lost {
                at: 0,
                torn: false,
                count: Some(0),
                detail: format!(
                    "the parameters of event {} cannot be told apart",
                    self.report.events
                ),
            });
        }
        let raw_tid = raw.tid;
        let seen = self.state.follow(&raw);
        let ty = match raw.code {
            // What we write has the kernel's number where not every reader knows the other.
            0 | 1 if self.is_ours() && raw.uint(0) == Some(0) => {
                types::native_type(narrow(raw.uint(1)), raw.code == 1)
            }
            code => type_of(code, raw.uint(0)),
        };
        if sieve.as_ref().is_some_and(|sieve| sieve.is_idle(ty)) {
            self.next_seq(raw.cpu);
            self.passed(&mut raw);
            return Ok(());
        }
        let row = types::row(raw.code);
        let proc = if seen.has_thread {
            self.rows.process(&mut self.state, raw_tid)
        } else {
            self.rows.nobody()
        };
        let file = row.and_then(|row| self.file(&raw, row, seen));
        let result = row
            .and_then(|row| row.result)
            .and_then(|place| raw.int(place));
        let mut flags = EventFlags::default();
        if result.is_none() {
            flags.set(EventFlags::NO_RESULT);
        }
        if raw.state_only {
            flags.set(EventFlags::INTERNAL);
        }
        if raw.torn {
            flags.set(EventFlags::CUT);
        }
        let line = Row {
            time: BootNs(raw.ts),
            cpu: raw.cpu,
            seq: self.next_seq(raw.cpu),
            ty,
            abi: Abi::x86_64,
            flags,
            tid: raw_tid as u32,
            proc,
            file,
            result: result.unwrap_or(0),
            latency_ns: match self.state.threads.get(&raw_tid) {
                Some(thread) if seen.had_thread => thread.latency,
                _ => 0,
            },
        };
        let number = self.report.events;
        let kept = sieve.as_ref().is_none_or(|sieve| sieve.kept);
        let world = self.rows.told + self.state.accounts_changed;
        if sieve.is_some_and(|sieve| !(sieve.may)(&line, &self.rows.tables, number, world)) {
            self.passed(&mut raw);
            return Ok(());
        }
        self.scratch.clear();
        entry = self.state.asked.take();
        let mut held: SmallVec<[Held<'_>; 12]> = SmallVec::new();
        match row {
            Some(row) => {
                for (at, param) in row.params.iter().enumerate() {
                    held.push(self.param(&raw, at, param.ty));
                }
            }
            None => unrecognized(&raw, &mut held),
        }
        self.asides(&raw, row, seen, kept, &mut held);
        held.push(self.beyond(&raw, row));
        if raw.code == types::SAMPLE {
            sampled(seen, &mut held);
        }
        let entry = entry.as_ref().filter(|entry| entry.code + 1 == raw.code);
        if let (Some(row), Some(entry)) = (types::asked_by(raw.code), entry) {
            let asked = entry.raw();
            for (at, param) in row.params.iter().enumerate() {
                held.push(self.param(&asked, at, param.ty));
            }
        }
        let scratch = &self.scratch;
        let mut args: SmallVec<[Arg<'_>; 12]> = SmallVec::new();
        args.extend(held.iter().map(|held| match held {
            Held::Absent => Arg::Absent,
            Held::Num(n) => Arg::Num(*n),
            Held::Bytes(bytes) => Arg::Bytes(bytes, bytes.len() as u64),
            Held::Made(from, to) => {
                let bytes = scratch.get(*from..*to).unwrap_or_default();
                Arg::Bytes(bytes, bytes.len() as u64)
            }
        }));
        output.push(line, &args, number, &mut self.rows, &self.state)?;
        drop(args);
        self.passed(&mut raw);
        Ok(())
    }

    /// An event is over.
    fn passed(&mut self, raw: &mut Raw<'_>) {
        self.pass(raw.ts);
        if !raw.comments.is_empty() {
            let comments = raw.comments.drain(..);
            self.notes.extend(comments.map(|text| (raw.ts, text)));
        }
    }

    fn next_seq(&mut self, cpu: u16) -> u64 {
        let cpu = usize::from(cpu);
        if self.seqs.len() <= cpu {
            self.seqs.resize(cpu + 1, 0);
        }
        match self.seqs.get_mut(cpu) {
            Some(seq) => {
                *seq += 1;
                *seq - 1
            }
            None => 0,
        }
    }
}
