//! Events to the body of a chunk: columns in thread-major order, two dictionaries, and every row the events need.
//!
//! Thread-major order puts like beside like, which is what makes the columns small; the order of the file comes back from
//! the time stamps and, where those do not tell, from the `order` column.

use crate::codec::{Encoder, put_ints, put_steps};
use crate::layout::{MAX_ROWS, column, row, value};
use crate::records::{ZoneRecord, put_row};
use crate::wire::{Record, put_varint};
use afterimage_model::{
    ArgKind, Blob, BootNs, ContainerId, Event, FileId, ProcId, Process, Schema, Tables, Value,
};
use std::collections::{BTreeSet, HashMap};
use std::io;

/// Events of a type from which its arguments get a column of their own.
const OWN_COLUMN: usize = 512;

/// The columns of a chunk while they are written.
#[derive(Default)]
struct Columns {
    directory: Vec<u8>,
    frames: Vec<u8>,
    count: u32,
}

impl Columns {
    fn add(&mut self, encoder: &mut Encoder, column: u16, key: u32, raw: &[u8]) -> io::Result<()> {
        if raw.is_empty() {
            return Ok(());
        }
        let start = self.frames.len();
        let framed = encoder.append(raw, &mut self.frames)?;
        let stored = &self.frames[start..];
        self.directory.extend_from_slice(&column.to_le_bytes());
        self.directory
            .extend_from_slice(&u16::from(framed).to_le_bytes());
        self.directory.extend_from_slice(&key.to_le_bytes());
        self.directory
            .extend_from_slice(&(raw.len() as u32).to_le_bytes());
        self.directory
            .extend_from_slice(&(stored.len() as u32).to_le_bytes());
        self.directory
            .extend_from_slice(&crc32c::crc32c(stored).to_le_bytes());
        self.count += 1;
        Ok(())
    }

    /// A column of one integer per row; one of zeros is left out.
    fn add_ints(&mut self, encoder: &mut Encoder, column: u16, values: &[i64]) -> io::Result<()> {
        if values.iter().all(|value| *value == 0) {
            return Ok(());
        }
        let mut raw = Vec::with_capacity(values.len() * 2);
        put_ints(&mut raw, values);
        self.add(encoder, column, 0, &raw)
    }
}

/// The distinct byte strings of a chunk, numbered as they first occur.
#[derive(Default)]
struct Dictionary<'a> {
    places: HashMap<(&'a [u8], u64), i64>,
    lengths: Vec<u8>,
    cuts: Vec<u8>,
    bytes: Vec<u8>,
    last_cut: u64,
}

impl<'a> Dictionary<'a> {
    fn place(&mut self, blob: &'a Blob) -> i64 {
        let next = self.places.len();
        let len = blob.bytes.len() as u64;
        let full_len = blob.full_len.max(len);
        *self
            .places
            .entry((&blob.bytes, full_len))
            .or_insert_with(|| {
                put_varint(&mut self.lengths, len);
                self.bytes.extend_from_slice(&blob.bytes);
                if full_len > len {
                    put_varint(&mut self.cuts, next as u64 - self.last_cut);
                    put_varint(&mut self.cuts, full_len - len);
                    self.last_cut = next as u64;
                }
                next as i64
            })
    }
}

/// Whether values of this kind are payload rather than names: payload is kept apart so that a search for a name need not
/// decompress it.
fn is_payload(kind: Option<ArgKind>) -> bool {
    use ArgKind::{BufIn, BufOut, IoVecIn, IoVecOut, MsgIn, MsgOut, SockAddrIn, SockAddrOut};
    matches!(
        kind,
        Some(BufIn | BufOut | SockAddrIn | SockAddrOut | IoVecIn | IoVecOut | MsgIn | MsgOut)
    )
}

/// What the columns need of an event, side by side: events themselves are too large to be visited out of order again and again.
struct Line<'a> {
    time: u64,
    result: i64,
    args: &'a [Value],
    /// Place in the file.
    at: u32,
    tid: u32,
    proc: u32,
    file: Option<u32>,
    cpu: u16,
    ty: u16,
    flags: u16,
    abi: u8,
}

impl<'a> Line<'a> {
    fn new(at: u32, event: &'a Event) -> Line<'a> {
        Line {
            time: event.time.0,
            result: event.result,
            args: &event.args,
            at,
            tid: event.tid,
            proc: event.proc.0,
            file: event.file.map(|file| file.0),
            cpu: event.cpu,
            ty: event.ty.0,
            flags: event.flags.0,
            abi: event.abi as u8,
        }
    }
}

/// Which rows a chunk must carry.
#[derive(Default)]
struct Needed {
    procs: BTreeSet<ProcId>,
    files: BTreeSet<FileId>,
    containers: BTreeSet<ContainerId>,
    users: BTreeSet<(Option<ContainerId>, u32)>,
    groups: BTreeSet<(Option<ContainerId>, u32)>,
}

impl Needed {
    /// A process, its ancestors, and what they point at.
    fn add_process(&mut self, id: ProcId, tables: &Tables) {
        let mut next = Some(id);
        while let Some(process) = next.and_then(|id| tables.proc(id)) {
            if self.procs.len() as u64 >= MAX_ROWS || !self.procs.insert(process.id) {
                break;
            }
            self.containers.extend(process.container);
            for uid in [process.uid, process.euid, process.loginuid] {
                self.add_id(process.container, uid, false);
            }
            for gid in [process.gid, process.egid] {
                self.add_id(process.container, gid, true);
            }
            next = process.parent;
        }
    }

    fn add_id(&mut self, container: Option<ContainerId>, id: u32, is_group: bool) {
        let set = if is_group {
            &mut self.groups
        } else {
            &mut self.users
        };
        set.insert((container, id));
        set.insert((None, id));
    }
}

/// Turns events into chunk bodies, one after another, with one compression context.
pub(crate) struct ChunkEncoder {
    encoder: Encoder,
}

impl ChunkEncoder {
    pub(crate) fn new(level: i32) -> io::Result<ChunkEncoder> {
        Ok(ChunkEncoder {
            encoder: Encoder::new(level)?,
        })
    }

    /// A compressed record, as blocks other than chunks carry it: its length, then a frame. `None` when that is not shorter.
    pub(crate) fn compress_record(&mut self, raw: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut out = (raw.len() as u32).to_le_bytes().to_vec();
        let framed = self.encoder.append(raw, &mut out)?;
        Ok((framed && out.len() < raw.len()).then_some(out))
    }

    /// The body of a chunk. `events` are in file order and not empty.
    pub(crate) fn encode(
        &mut self,
        events: &[Event],
        first_num: u64,
        schema: &Schema,
        tables: &Tables,
    ) -> io::Result<(ZoneRecord, Vec<u8>)> {
        // The sort is stable, so each thread keeps its order.
        let mut rows: Vec<Line<'_>> = (0..)
            .zip(events)
            .map(|(at, event)| Line::new(at, event))
            .collect();
        rows.sort_by_key(|line| line.tid);
        let by_row = || rows.iter();

        let types = distinct(by_row().map(|event| event.ty));
        let procs = distinct(by_row().map(|event| event.proc));
        let files = distinct(by_row().filter_map(|event| event.file));
        let mut rows_of_type: Vec<Vec<&Line<'_>>> = vec![Vec::new(); types.len()];
        let start = by_row().map(|event| event.time).min().unwrap_or_default();
        let end = by_row().map(|event| event.time).max().unwrap_or_default();

        let mut columns = Columns::default();
        let (mut thread, mut time) = (Vec::new(), Vec::with_capacity(events.len() * 3));
        let (mut last_tid, mut run, mut last_time) = (0_u32, 0_u64, start);
        let mut lists: [Vec<i64>; 6] = std::array::from_fn(|_| Vec::with_capacity(events.len()));
        let [cpu, ty, abi, flags, proc, file] = &mut lists;
        for (at, event) in by_row().enumerate() {
            if at > 0 && event.tid != last_tid {
                put_varint(&mut thread, run);
                run = 0;
                last_time = start;
            }
            if run == 0 {
                put_varint(
                    &mut thread,
                    u64::from(event.tid.wrapping_sub(if at == 0 { 0 } else { last_tid })),
                );
                last_tid = event.tid;
            }
            run += 1;
            put_varint(&mut time, event.time.wrapping_sub(last_time));
            last_time = event.time;
            let place = place_in(&types, event.ty);
            rows_of_type[place].push(event);
            cpu.push(i64::from(event.cpu));
            ty.push(place as i64);
            abi.push(i64::from(event.abi));
            flags.push(i64::from(event.flags));
            proc.push(place_in(&procs, event.proc) as i64);
            file.push(
                event
                    .file
                    .map_or(0, |file| place_in(&files, file) as i64 + 1),
            );
        }
        put_varint(&mut thread, run);

        let encoder = &mut self.encoder;
        columns.add(encoder, column::THREAD, 0, &thread)?;
        columns.add(encoder, column::TIME, 0, &time)?;
        for (number, values) in [
            column::CPU,
            column::TYPE,
            column::ABI,
            column::FLAGS,
            column::PROC,
            column::FILE,
        ]
        .iter()
        .zip(&lists)
        {
            columns.add_ints(encoder, *number, values)?;
        }
        columns.add_ints(encoder, column::ORDER, &order(&rows))?;
        columns.add_ints(encoder, column::SEQ, &seq_jumps(events))?;
        let mut list = Vec::new();
        put_steps(&mut list, files.iter().map(|file| u64::from(*file)));
        columns.add(encoder, column::FILE_LIST, 0, &list)?;

        let mut results = Vec::new();
        let mut shared = Vec::new();
        let (mut text, mut data) = (Dictionary::default(), Dictionary::default());
        for (ty, of_type) in types.iter().zip(&rows_of_type) {
            let list: Vec<i64> = of_type.iter().map(|event| event.result).collect();
            put_ints(&mut results, &list);
            let kinds: Vec<bool> = schema
                .types
                .get(usize::from(*ty))
                .map(|ty| ty.args.iter().map(|arg| is_payload(arg.kind())).collect())
                .unwrap_or_default();
            if of_type.len() >= OWN_COLUMN {
                let mut own = Vec::new();
                put_args(&mut own, of_type, &kinds, &mut text, &mut data);
                columns.add(encoder, column::ARGS, u32::from(*ty) + 1, &own)?;
            } else {
                put_args(&mut shared, of_type, &kinds, &mut text, &mut data);
            }
        }
        columns.add(encoder, column::RESULT, 0, &results)?;
        columns.add(encoder, column::ARGS, 0, &shared)?;
        columns.add(encoder, column::TEXT_LEN, 0, &text.lengths)?;
        columns.add(encoder, column::TEXT_CUT, 0, &text.cuts)?;
        columns.add(encoder, column::TEXT_BYTES, 0, &text.bytes)?;
        columns.add(encoder, column::DATA_LEN, 0, &data.lengths)?;
        columns.add(encoder, column::DATA_CUT, 0, &data.cuts)?;
        columns.add(encoder, column::DATA_BYTES, 0, &data.bytes)?;
        add_rows(
            &mut columns,
            encoder,
            &needed(events, &procs, &files, schema, tables),
            tables,
        )?;

        let mut zone = ZoneRecord {
            events: events.len() as u64,
            first_num,
            start: BootNs(start),
            end: BootNs(end),
            failed: events
                .iter()
                .filter(|event| event.errno().is_some())
                .count() as u64,
            ..ZoneRecord::default()
        };
        let mut before = 0;
        for (ty, of_type) in types.iter().zip(&rows_of_type) {
            put_varint(&mut zone.types, u64::from(ty - before));
            put_varint(&mut zone.types, of_type.len() as u64);
            before = *ty;
        }
        put_steps(&mut zone.procs, procs.iter().map(|id| u64::from(*id)));
        let containers: BTreeSet<u64> = procs
            .iter()
            .map(|id| {
                tables
                    .proc(ProcId(*id))
                    .and_then(|process| process.container)
                    .map_or(0, |id| u64::from(id.0) + 1)
            })
            .collect();
        put_steps(&mut zone.containers, containers);

        let zone_bytes = zone.encode();
        let mut body = Vec::with_capacity(
            12 + zone_bytes.len() + columns.directory.len() + columns.frames.len(),
        );
        body.extend_from_slice(&(zone_bytes.len() as u32).to_le_bytes());
        body.extend_from_slice(&columns.count.to_le_bytes());
        let crc = crc32c::crc32c(&body);
        let crc = crc32c::crc32c_append(crc, &zone_bytes);
        let crc = crc32c::crc32c_append(crc, &columns.directory);
        body.extend_from_slice(&crc.to_le_bytes());
        body.extend_from_slice(&zone_bytes);
        body.extend_from_slice(&columns.directory);
        body.extend_from_slice(&columns.frames);
        Ok((zone, body))
    }
}

fn distinct<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut list: Vec<T> = Vec::new();
    for value in values {
        if list.last() != Some(&value) {
            list.push(value);
        }
    }
    list.sort_unstable();
    list.dedup();
    list
}

/// Where a value that is in the list stands.
fn place_in<T: Ord>(list: &[T], value: T) -> usize {
    list.partition_point(|other| *other < value)
}

/// For each file position, how far the row there stands from where time order would put it.
fn order(rows: &[Line<'_>]) -> Vec<i64> {
    // By file position: instant and row.
    let mut keys = vec![(0_u64, 0_usize); rows.len()];
    for (row, line) in rows.iter().enumerate() {
        keys[line.at as usize] = (line.time, row);
    }
    if keys.is_sorted() {
        return vec![0; rows.len()];
    }
    let mut by_time: Vec<usize> = (0..rows.len()).collect();
    by_time.sort_by_key(|at| keys[*at]);
    let mut jumps = vec![0_i64; rows.len()];
    for (place, at) in by_time.iter().enumerate() {
        jumps[*at] = place as i64 - *at as i64;
    }
    jumps
}

/// In file order: each event's number on its CPU less the one expected there.
fn seq_jumps(events: &[Event]) -> Vec<i64> {
    let mut expected: HashMap<u16, u64> = HashMap::new();
    events
        .iter()
        .map(|event| {
            let next = expected.entry(event.cpu).or_insert(0);
            let jump = event.seq.wrapping_sub(*next) as i64;
            *next = event.seq.wrapping_add(1);
            jump
        })
        .collect()
}

/// Appends the arguments of all events of one type, argument by argument.
fn put_args<'a>(
    out: &mut Vec<u8>,
    events: &[&Line<'a>],
    payload: &[bool],
    text: &mut Dictionary<'a>,
    data: &mut Dictionary<'a>,
) {
    let most = events
        .iter()
        .map(|event| event.args.len())
        .max()
        .unwrap_or(0);
    let uniform = events.iter().all(|event| event.args.len() == most);
    put_varint(out, most as u64);
    out.push(u8::from(uniform));
    if !uniform {
        out.extend(events.iter().map(|event| event.args.len() as u8));
    }
    // Each event is visited once: its values lie together, those of one slot do not.
    let mut slots: Vec<(Vec<u8>, Vec<i64>, Vec<i64>)> = Vec::new();
    slots.resize_with(most, Default::default);
    for event in events {
        for (slot, (arg, (tags, nums, places))) in event.args.iter().zip(&mut slots).enumerate() {
            match arg {
                Value::Absent => tags.push(value::ABSENT as u8),
                Value::Num(number) => {
                    tags.push(value::NUM as u8);
                    nums.push(*number);
                }
                Value::Bytes(blob) if payload.get(slot) == Some(&true) => {
                    tags.push(value::DATA as u8);
                    places.push(data.place(blob));
                }
                Value::Bytes(blob) => {
                    tags.push(value::TEXT as u8);
                    places.push(text.place(blob));
                }
            }
        }
    }
    for (tags, nums, places) in slots {
        match tags.split_first() {
            Some((first, rest)) if rest.iter().all(|tag| tag == first) => out.push(*first),
            _ => {
                out.push(value::MIXED as u8);
                out.extend_from_slice(&tags);
            }
        }
        put_ints(out, &nums);
        put_ints(out, &places);
    }
}

fn needed(
    events: &[Event],
    procs: &[u32],
    files: &[u32],
    schema: &Schema,
    tables: &Tables,
) -> Needed {
    let mut needed = Needed::default();
    for id in procs {
        needed.add_process(ProcId(*id), tables);
    }
    needed.files.extend(files.iter().map(|id| FileId(*id)));
    let names_id: Vec<bool> = schema
        .types
        .iter()
        .map(|ty| {
            ty.args
                .iter()
                .any(|arg| matches!(arg.kind(), Some(ArgKind::Uid | ArgKind::Gid)))
        })
        .collect();
    for event in events
        .iter()
        .filter(|event| names_id.get(usize::from(event.ty.0)) == Some(&true))
    {
        let container = tables
            .proc(event.proc)
            .and_then(|process: &Process| process.container);
        let Some(ty) = schema.ty(event.ty) else {
            continue;
        };
        for (arg, value) in ty.args.iter().zip(&event.args) {
            if let (Some(kind @ (ArgKind::Uid | ArgKind::Gid)), Value::Num(id)) =
                (arg.kind(), value)
            {
                needed.add_id(container, *id as u32, kind == ArgKind::Gid);
            }
        }
    }
    needed
}

fn add_rows(
    columns: &mut Columns,
    encoder: &mut Encoder,
    needed: &Needed,
    tables: &Tables,
) -> io::Result<()> {
    let mut raw = Vec::new();
    needed
        .procs
        .iter()
        .filter_map(|id| tables.proc(*id))
        .for_each(|item| put_row(&mut raw, row::PROCESS, item));
    columns.add(encoder, column::PROCESS_ROWS, 0, &raw)?;
    raw.clear();
    needed
        .containers
        .iter()
        .filter_map(|id| tables.container(*id))
        .for_each(|item| put_row(&mut raw, row::CONTAINER, item));
    columns.add(encoder, column::CONTAINER_ROWS, 0, &raw)?;
    raw.clear();
    needed
        .files
        .iter()
        .filter_map(|id| tables.file(*id))
        .for_each(|item| put_row(&mut raw, row::FILE, item));
    columns.add(encoder, column::FILE_ROWS, 0, &raw)?;
    raw.clear();
    needed
        .users
        .iter()
        .filter_map(|key| tables.user(key.0, key.1))
        .for_each(|item| put_row(&mut raw, row::USER, item));
    columns.add(encoder, column::USER_ROWS, 0, &raw)?;
    raw.clear();
    needed
        .groups
        .iter()
        .filter_map(|key| tables.group(key.0, key.1))
        .for_each(|item| put_row(&mut raw, row::GROUP, item));
    columns.add(encoder, column::GROUP_ROWS, 0, &raw)
}
