//! A capture that scap wrote, event by event, into one of ours.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::block::{Block, Blocks, Item, Kind, Lost};
use super::event::{self, Raw};
use super::input::Input;
use super::lists;
use super::rows::Rows;
use super::state::{Seen, State, is_about_fd};
use super::types::{self, ASIDES, EventType, THREAD_FIELDS, Ty, UNRECOGNIZED};
use crate::error::Error;
use afterimage_format::{Arg, Batch, Lineage, Note, Row, Writer, WriterOptions};
use afterimage_model::render::scap::{join_path, printable};
use afterimage_model::time::Civil;
use afterimage_model::{
    Abi, BootNs, ClockPair, EventFlags, FileId, Gap, GapCause, Manifest, Process, Tables, Totals,
};
use smallvec::SmallVec;
use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};

/// What a conversion came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Event blocks.
    pub events: u64,
    /// Sections.
    pub sections: u64,
    /// What is missing or damaged.
    pub gaps: Vec<Gap>,
}

/// Most gaps that are told one by one; a file with more is not worth the detail.
const MAX_GAPS: usize = 10_000;

/// Reads a capture that scap wrote and writes it as one of ours.
///
/// # Errors
/// When the input is no such capture, cannot be read, or the output cannot be written. Damage is no error: it is told as gaps.
pub fn convert<W: Write + Send>(
    input: Box<dyn BufRead + Send>,
    out: W,
    manifest: Manifest,
    lineage: &Lineage,
) -> Result<(W, Report), Error> {
    let mut blocks = Blocks::new(Input::new(input).map_err(Error::Read)?);
    let mut converter = Converter::new(manifest);
    // Only with the lists in front of the events is it known what stands in the header.
    let mut first = Vec::new();
    let mut pending = None;
    loop {
        match blocks.next().map_err(Error::Read)? {
            Item::End => break,
            Item::Lost(lost) => first.push(lost),
            Item::Block(block)
                if matches!(block.kind, Some(Kind::Event { .. }))
                    && converter.report.sections > 0 =>
            {
                pending = Some((block.body.to_vec(), block.kind));
                break;
            }
            Item::Block(block) => converter.list(&block)?,
        }
    }
    if converter.report.sections == 0 {
        return Err(Error::Not(if first.is_empty() && pending.is_none() {
            "the file is empty".to_owned()
        } else {
            "this is no capture of sysdig or Falco (scap): no section begins in it".to_owned()
        }));
    }
    let start = pending
        .as_ref()
        .and_then(|(body, kind)| parse(body, *kind))
        .map_or(0, |raw| raw.ts);
    let options = WriterOptions {
        // Numbers and not time decide where a chunk ends: old captures hold hours of little.
        chunk_span_ns: u64::MAX,
        ..WriterOptions::default()
    };
    let header = converter.manifest(start);
    let writer = Writer::derived(out, &header, lineage, types::schema(), options.clone())?;
    // What is followed here is encoded and written beside.
    let (fed, writer) = std::thread::scope(|scope| {
        let (to, chunks) = sync_channel::<(Batch, Tables)>(WAITING);
        let (back, empty) = channel();
        let encoder = scope.spawn(move || -> Result<Writer<W>, Error> {
            let mut writer = writer;
            for (mut batch, needs) in chunks {
                writer.chunk(&batch, &needs)?;
                batch.clear();
                // Nobody has to want it back.
                let _ = back.send(batch);
            }
            Ok(writer)
        });
        let mut output = Output {
            to,
            empty,
            batch: Batch::new(types::schema()),
            options,
        };
        let fed = converter.feed(&mut blocks, first, pending, &mut output);
        drop(output);
        (fed, encoder.join())
    });
    let writer =
        writer.map_err(|_| Error::Not("the thread that writes has failed".to_owned()))??;
    fed?;
    converter.finish(writer)
}

fn parse<'b>(body: &'b [u8], kind: Option<Kind>) -> Option<Raw<'b>> {
    match kind {
        Some(Kind::Event { counted, flagged }) => event::parse(body, counted, flagged),
        _ => None,
    }
}

/// Chunks that may wait for the thread that writes them.
const WAITING: usize = 2;

/// Where chunks go.
struct Output {
    to: SyncSender<(Batch, Tables)>,
    empty: Receiver<Batch>,
    batch: Batch,
    options: WriterOptions,
}

impl Output {
    fn push(
        &mut self,
        row: Row,
        args: &[Arg<'_>],
        rows: &mut Rows,
        state: &State,
    ) -> Result<(), Error> {
        if self.options.is_full(&self.batch, &row, args) {
            self.flush(rows, state)?;
        }
        self.batch
            .push(row, args, &rows.tables)
            .map_err(|kind| Error::Not(kind.to_string()))
    }

    fn flush(&mut self, rows: &mut Rows, state: &State) -> Result<(), Error> {
        let needs = self.batch.needs(&rows.tables);
        let empty = self
            .empty
            .try_recv()
            .unwrap_or_else(|_| Batch::new(types::schema()));
        let full = std::mem::replace(&mut self.batch, empty);
        // Why it is not taken is what the thread returns.
        self.to
            .send((full, needs))
            .map_err(|_| Error::Not("writing has ended".to_owned()))?;
        rows.prune(state);
        Ok(())
    }
}

/// A value on its way into a batch.
enum Held<'b> {
    Absent,
    Num(i64),
    Bytes(&'b [u8]),
    /// Bytes of the scratch memory.
    Made(usize, usize),
}

struct Converter {
    manifest: Manifest,
    state: State,
    rows: Rows,
    report: Report,
    last_ts: u64,
    first_ts: Option<u64>,
    /// Losses since the last event.
    lost: Vec<Lost>,
    seqs: Vec<u64>,
    scratch: Vec<u8>,
    notes: Vec<(u64, Vec<u8>)>,
    surplus: u64,
}

impl Converter {
    fn new(manifest: Manifest) -> Converter {
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
        }
    }

    fn manifest(&self, start: u64) -> Manifest {
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

    /// A block in front of the events, or one that starts a section.
    fn list(&mut self, block: &Block<'_>) -> Result<(), Error> {
        let whole = match block.kind {
            Some(Kind::Section) => {
                self.section(block)?;
                true
            }
            Some(Kind::Machine) => {
                self.state.machine = lists::machine(block.body);
                self.state.machine.is_some()
            }
            Some(Kind::Interfaces(version)) => {
                self.state
                    .interfaces
                    .extend(lists::interfaces(block.body, version));
                true
            }
            Some(Kind::Users(version)) => {
                let state = &mut self.state;
                lists::accounts(block.body, version, |account| state.add_account(&account))
            }
            Some(Kind::Processes(version)) => {
                let state = &mut self.state;
                lists::processes(block.body, version, |thread| state.add_listed(&thread))
            }
            Some(Kind::Descriptors(version)) => self.state.add_descriptors(block.body, version),
            Some(Kind::Event { .. }) => true,
            None => return self.stranger(block),
        };
        if !whole {
            self.lose(Lost {
                at: block.at,
                torn: false,
                count: None,
                detail: format!("a list of type {:#x} ends in the middle", block.ty),
            });
        }
        Ok(())
    }

    fn section(&mut self, block: &Block<'_>) -> Result<(), Error> {
        let mut cursor = super::bytes::Cursor::new(block.body);
        let magic = cursor.u32().unwrap_or(0);
        let major = cursor.u16().unwrap_or(0);
        let _ = (cursor.u16(), cursor.u64());
        if magic == super::block::MAGIC.swap_bytes() {
            return Err(Error::Not(
                "the capture was written on a machine with the other byte order, which no writer of scap is known to do".to_owned(),
            ));
        }
        if major > 1 && self.report.sections == 0 {
            return Err(Error::Not(format!(
                "the capture has version {major} of scap; known is version 1"
            )));
        }
        self.report.sections += 1;
        self.notes.extend(
            lists::comments(cursor.rest())
                .into_iter()
                .map(|text| (self.last_ts, text)),
        );
        if self.report.sections > 1 {
            // Nothing of the section before is true here.
            self.state = State::new();
            let before = std::mem::take(&mut self.rows);
            self.rows.go_on(before);
        }
        Ok(())
    }

    fn stranger(&mut self, block: &Block<'_>) -> Result<(), Error> {
        // An interface description behind a section header is what network captures have there.
        if block.ty == 1
            && self.report.events == 0
            && self.state.machine.is_none()
            && self.state.threads.is_empty()
        {
            return Err(Error::Not(
                "this is a capture of network packets (pcapng), not of system calls".to_owned(),
            ));
        }
        let detail = format!(
            "a block of {} bytes has the unknown type {:#x}",
            block.body.len() + 12,
            block.ty
        );
        self.lose(Lost {
            at: block.at,
            torn: false,
            count: Some(0),
            detail,
        });
        Ok(())
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
    fn feed(
        &mut self,
        blocks: &mut Blocks,
        first: Vec<Lost>,
        pending: Option<(Vec<u8>, Option<Kind>)>,
        output: &mut Output,
    ) -> Result<(), Error> {
        self.lost.extend(first);
        if let Some((body, kind)) = pending {
            self.event(&body, kind, output)?;
        }
        loop {
            self.damaged(blocks);
            match blocks.next().map_err(Error::Read)? {
                Item::End => break,
                Item::Lost(lost) => self.lose(lost),
                Item::Block(block) if matches!(block.kind, Some(Kind::Event { .. })) => {
                    self.event(block.body, block.kind, output)?;
                }
                Item::Block(block) => self.list(&block)?,
            }
        }
        self.damaged(blocks);
        output.flush(&mut self.rows, &self.state)
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

    fn event(&mut self, body: &[u8], kind: Option<Kind>, output: &mut Output) -> Result<(), Error> {
        let Some(raw) = parse(body, kind) else {
            self.lose(Lost {
                at: 0,
                torn: false,
                count: Some(1),
                detail: "an event without a head".to_owned(),
            });
            return Ok(());
        };
        self.report.events += 1;
        if !self.lost.is_empty() {
            self.settle(raw.ts);
        }
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
        let ty = match raw.code {
            0 | 1 => types::call_type(
                raw.uint(0).unwrap_or(u64::MAX).min(u64::from(u16::MAX)) as u16,
                raw.code == 1,
            ),
            code => types::type_id(code),
        };
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
        self.scratch.clear();
        let mut held: SmallVec<[Held<'_>; 36]> = SmallVec::new();
        match row.filter(|_| ty != UNRECOGNIZED) {
            Some(row) => {
                for (at, param) in row.params.iter().enumerate() {
                    held.push(self.param(&raw, at, param.ty));
                }
                self.surplus += raw.params.len().saturating_sub(row.params.len()) as u64;
            }
            None => {
                held.push(Held::Num(i64::from(raw.code)));
                held.push(raw.param(0).map_or(Held::Absent, Held::Bytes));
            }
        }
        self.asides(&raw, row, seen, &mut held);
        let scratch = &self.scratch;
        let args: SmallVec<[Arg<'_>; 36]> = held
            .iter()
            .map(|held| match held {
                Held::Absent => Arg::Absent,
                Held::Num(n) => Arg::Num(*n),
                Held::Bytes(bytes) => Arg::Bytes(bytes, bytes.len() as u64),
                Held::Made(from, to) => {
                    let bytes = scratch.get(*from..*to).unwrap_or_default();
                    Arg::Bytes(bytes, bytes.len() as u64)
                }
            })
            .collect();
        output.push(line, &args, &mut self.rows, &self.state)?;
        self.last_ts = raw.ts;
        if self.first_ts.is_none() {
            self.first_ts = Some(raw.ts);
        }
        self.notes
            .extend(raw.comments.into_iter().map(|text| (raw.ts, text)));
        Ok(())
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

    /// The value of a parameter, with what it stands for where only the instant can tell.
    fn param<'b>(&mut self, raw: &Raw<'b>, at: usize, ty: Ty) -> Held<'b> {
        let Some(bytes) = raw.param(at) else {
            return Held::Absent;
        };
        let number = || super::bytes::signed(bytes).map_or(Held::Absent, Held::Num);
        match ty {
            Ty::Int | Ty::Errno => number(),
            Ty::Uint => super::bytes::unsigned(bytes).map_or(Held::Absent, |n| Held::Num(n as i64)),
            Ty::Path | Ty::Bytes => Held::Bytes(bytes),
            Ty::Fd => match super::bytes::signed(bytes) {
                Some(fd) if fd >= 0 => {
                    let from = self.scratch.len();
                    let scratch = &mut self.scratch;
                    match self.state.fd_of(raw.tid, fd) {
                        Some(behind) => {
                            scratch.extend_from_slice(&fd.to_le_bytes());
                            behind.shown(scratch);
                            Held::Made(from, scratch.len())
                        }
                        None => Held::Num(fd),
                    }
                }
                Some(fd) => Held::Num(fd),
                None => Held::Absent,
            },
            Ty::Pid => match super::bytes::signed(bytes) {
                Some(pid) => match self.state.threads.get(&pid) {
                    Some(thread) => {
                        let from = self.scratch.len();
                        self.scratch.extend_from_slice(&pid.to_le_bytes());
                        self.scratch.extend_from_slice(&thread.comm);
                        Held::Made(from, self.scratch.len())
                    }
                    None => Held::Num(pid),
                },
                None => Held::Absent,
            },
            Ty::Uid | Ty::Gid => match super::bytes::unsigned(bytes) {
                Some(id) if id as u32 == u32::MAX => Held::Num(-1),
                Some(id) => {
                    let owner = self
                        .state
                        .threads
                        .get(&raw.tid)
                        .and_then(|thread| thread.container.clone());
                    let table = if ty == Ty::Uid {
                        &self.state.users
                    } else {
                        &self.state.groups
                    };
                    let found = owner
                        .and_then(|owner| table.get(&(owner, id as u32)))
                        .or_else(|| table.get(&(std::sync::Arc::from(""), id as u32)));
                    match found {
                        Some(account) => {
                            let from = self.scratch.len();
                            self.scratch.extend_from_slice(&(id as i64).to_le_bytes());
                            self.scratch.extend_from_slice(account.name.as_bytes());
                            Held::Made(from, self.scratch.len())
                        }
                        None => Held::Num(id as i64),
                    }
                }
                None => Held::Absent,
            },
            Ty::Fds => self.waits(raw.tid, bytes),
        }
    }

    /// A list of descriptors, with the letters and names of what is behind them.
    fn waits<'b>(&mut self, tid: i64, bytes: &'b [u8]) -> Held<'b> {
        let from = self.scratch.len();
        let mut cursor = super::bytes::Cursor::new(bytes);
        let Some(count) = cursor.u16() else {
            return Held::Absent;
        };
        for _ in 0..count {
            let (Some(fd), Some(events)) = (cursor.i64(), cursor.u16()) else {
                break;
            };
            let scratch = &mut self.scratch;
            scratch.extend_from_slice(&fd.to_le_bytes());
            scratch.extend_from_slice(&events.to_le_bytes());
            match self.state.fd_of(tid, fd) {
                Some(behind) => {
                    let name = behind
                        .name
                        .get(..usize::from(u16::MAX))
                        .unwrap_or(&behind.name);
                    scratch.push(behind.letter() as u8);
                    scratch.extend_from_slice(&(name.len() as u16).to_le_bytes());
                    scratch.extend_from_slice(name);
                }
                None => scratch.extend_from_slice(b"?\0\0"),
            }
        }
        Held::Made(from, self.scratch.len())
    }

    /// What was known of descriptor, time and thread.
    fn asides(
        &mut self,
        raw: &Raw<'_>,
        row: Option<&EventType>,
        seen: Seen,
        held: &mut SmallVec<[Held<'_>; 36]>,
    ) {
        let thread = self.state.threads.get(&raw.tid);
        let about = row.is_some_and(is_about_fd) && seen.has_thread;
        held.push(match thread {
            Some(thread) if about => Held::Num(thread.last_fd),
            _ => Held::Absent,
        });
        let Some(thread) = thread else {
            held.push(Held::Absent);
            return;
        };
        let main = self.state.threads.get(&thread.pid);
        let limit = main.map_or(-1, |main| main.fdlimit);
        let open = main.map_or(0, |main| main.fds.len());
        let usage = if limit > 0 {
            (open as f64 * 100.0 / limit as f64).min(100.0)
        } else {
            0.0
        };
        let [size, resident, swapped] = thread.memory.map(u64::from);
        let [major, minor] = thread.faults;
        let words: [u64; THREAD_FIELDS.len()] = [
            thread.vtid as u64,
            size,
            resident,
            swapped,
            major,
            minor,
            thread.children,
            main.map_or(0, |main| main.children) + 1,
            open as u64,
            seen.slice,
            thread.exec_time,
            u64::from(seen.renamed),
            limit as u64,
            usage.to_bits(),
            thread.vpgid as u64,
            u64::from(thread.exe_flags & Process::EXE_WRITABLE != 0),
            u64::from(thread.vpgid == thread.vpid),
            thread.pidns_start,
            thread.clone_ts,
        ];
        let from = self.scratch.len();
        for word in words {
            self.scratch.extend_from_slice(&word.to_le_bytes());
        }
        held.push(Held::Made(from, self.scratch.len()));
        debug_assert!(held.len() >= ASIDES);
    }

    /// The row of the descriptor an event is about.
    fn file(&mut self, raw: &Raw<'_>, row: &EventType, seen: Seen) -> Option<FileId> {
        if !is_about_fd(row) || !seen.has_thread {
            return None;
        }
        let container = self
            .state
            .threads
            .get(&raw.tid)
            .and_then(|thread| thread.container.clone());
        if let Some(place) = seen.file {
            let id = self.rows.file(&mut self.state, place, container.as_ref())?;
            // A connection that failed is called by what was tried.
            if raw.code == 23 && raw.int(0).is_some_and(|result| result < 0) {
                let tried = raw
                    .param(1)
                    .map(super::state::tuple_name)
                    .unwrap_or_default();
                return Some(self.rows.renamed(id, tried));
            }
            return Some(id);
        }
        let name = if raw.is_entry() {
            None
        } else {
            self.name_to_be(raw)
        };
        Some(self.rows.unseen(letter_to_be(raw.code), name))
    }

    /// What a call that returned was to open; empty for calls that open nothing.
    fn name_to_be(&mut self, raw: &Raw<'_>) -> Option<Vec<u8>> {
        match raw.code {
            3 | 59 => {
                let path = raw.text(1).unwrap_or_default();
                if path.starts_with(b"/") || path.is_empty() {
                    return Some(printable(path));
                }
                let cwd = self.state.cwd(raw.tid);
                Some(join_path(&cwd, path))
            }
            103 => None,
            307 | 327 => self.state.opened_path(raw),
            23 | 27 | 57 | 247 | 249 | 389 => Some(match raw.param(1) {
                Some(tuple) if !tuple.is_empty() => super::state::tuple_name(tuple),
                _ => b"NULL".to_vec(),
            }),
            _ => Some(Vec::new()),
        }
    }

    fn finish<W: Write>(mut self, mut writer: Writer<W>) -> Result<(W, Report), Error> {
        let last = self.last_ts;
        self.settle(last);
        if self.state.refused_threads > 0 {
            let detail = format!(
                "{} threads more than can be followed at once",
                self.state.refused_threads
            );
            self.lose(Lost {
                at: 0,
                torn: false,
                count: Some(0),
                detail,
            });
            self.settle(last);
        }
        for (about, text) in std::mem::take(&mut self.notes) {
            writer.note(&Note {
                made_ns: i64::try_from(about).unwrap_or(0),
                about: Some(BootNs(about)),
                author: String::new(),
                text: String::from_utf8_lossy(&text).into_owned(),
                ..Note::default()
            })?;
        }
        if self.surplus > 0 {
            writer.note(&Note {
                made_ns: 0,
                about: Some(BootNs(last)),
                author: "afterimage".to_owned(),
                text: format!(
                    "{} parameters of a later version of scap were left out",
                    self.surplus
                ),
                ..Note::default()
            })?;
        }
        for gap in &self.report.gaps {
            writer.gap(gap)?;
        }
        let known: u64 = self.report.gaps.iter().filter_map(|gap| gap.count).sum();
        let totals = Totals {
            offered: self.report.events + known,
            written: self.report.events,
            dropped: known,
            ..Totals::default()
        };
        let tables = self.rows.everything(&mut self.state);
        let out = writer.seal(&totals, &tables)?;
        Ok((out, self.report))
    }
}

/// The letter of what a call is to open.
fn letter_to_be(code: u16) -> char {
    match code & !1 {
        2 | 58 | 102 | 306 | 326 => 'f',
        18 | 26 | 56 | 246 | 248 | 388 => '4',
        60 | 392 => 'p',
        62 | 396 => 'e',
        126 | 398 => 's',
        136 => 't',
        138 | 394 => 'i',
        _ => 'o',
    }
}
