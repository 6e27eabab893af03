//! Events to the body of a chunk: columns in thread-major order, two dictionaries, and every row the events need.
//!
//! Thread-major order puts like beside like, which is what makes the columns small; the order of the file comes back from
//! the time stamps and, where those do not tell, from the `order` column.

use crate::Chunk;
use crate::batch::{Batch, Cell, Dictionary, Line, Places, by_thread};
use crate::chunk_read::Body;
use crate::codec::{Encoder, put_ints, put_steps};
use crate::error::ErrorKind;
use crate::layout::{column, row, value};
use crate::records::{ZoneRecord, put_row};
use crate::wire::{Record, put_varint};
use afterimage_model::{BootNs, EventFlags, ProcId, Tables};
use std::collections::BTreeSet;
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

/// A chunk that is encoded and compressed and in no file yet: it can be written to several, at any place.
pub struct Pressed {
    zone: ZoneRecord,
    columns: Columns,
}

impl Pressed {
    /// Events in it.
    pub fn events(&self) -> u64 {
        self.zone.events
    }

    /// Its first and its last instant.
    pub fn span(&self) -> (BootNs, BootNs) {
        (self.zone.start, self.zone.end)
    }

    /// Bytes it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Pressed>()
            + self.columns.directory.len()
            + self.columns.frames.len()
            + self.zone.types.len()
            + self.zone.procs.len()
            + self.zone.containers.len()
    }

    /// Its events and the rows they need, numbered from 1.
    ///
    /// # Errors
    /// When it does not decode, which only a fault of this library can bring about.
    pub fn open(&self) -> Result<Chunk, ErrorKind> {
        Body::new(&self.body(1).1)?.decode()
    }

    /// The body of a chunk whose first event has this number, and its zone map.
    pub(crate) fn body(&self, first_num: u64) -> (ZoneRecord, Vec<u8>) {
        let zone = ZoneRecord {
            first_num,
            ..self.zone.clone()
        };
        let Columns {
            directory,
            frames,
            count,
        } = &self.columns;
        let zone_bytes = zone.encode();
        let mut body = Vec::with_capacity(12 + zone_bytes.len() + directory.len() + frames.len());
        body.extend_from_slice(&(zone_bytes.len() as u32).to_le_bytes());
        body.extend_from_slice(&count.to_le_bytes());
        let crc = crc32c::crc32c(&body);
        let crc = crc32c::crc32c_append(crc, &zone_bytes);
        let crc = crc32c::crc32c_append(crc, directory);
        body.extend_from_slice(&crc.to_le_bytes());
        body.extend_from_slice(&zone_bytes);
        body.extend_from_slice(directory);
        body.extend_from_slice(frames);
        (zone, body)
    }
}

/// Turns events into chunk bodies, one after another, with one compression context.
pub(crate) struct ChunkEncoder {
    encoder: Encoder,
}

/// Presses batches into chunks that are kept.
pub struct Press {
    chunks: ChunkEncoder,
}

impl Press {
    /// With a zstd level.
    ///
    /// # Errors
    /// When zstd has no memory.
    pub fn new(level: i32) -> io::Result<Press> {
        Ok(Press {
            chunks: ChunkEncoder::new(level)?,
        })
    }

    /// A chunk of a batch that is not empty, and of the rows it needs.
    ///
    /// # Errors
    /// When zstd fails.
    pub fn press(&mut self, batch: &Batch, needs: &Tables) -> io::Result<Pressed> {
        self.chunks.encode(batch, needs)
    }
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

    /// A chunk. The batch is in file order and not empty; `rows` is what it needs.
    pub(crate) fn encode(&mut self, batch: &Batch, rows: &Tables) -> io::Result<Pressed> {
        let lines = &batch.lines;
        let order = by_thread(lines);

        let types = Places::of(lines.iter().map(|line| u32::from(line.row.ty.0)));
        let procs = Places::of(lines.iter().map(|line| line.row.proc.0));
        let files = Places::of(
            lines
                .iter()
                .filter_map(|line| line.row.file)
                .map(|file| file.0),
        );
        let start = lines
            .iter()
            .map(|line| line.row.time.0)
            .min()
            .unwrap_or_default();
        let end = lines
            .iter()
            .map(|line| line.row.time.0)
            .max()
            .unwrap_or_default();

        let mut columns = Columns::default();
        let mut rows_of_type: Vec<Vec<u32>> = vec![Vec::new(); types.list().len()];
        let (mut thread, mut time) = (Vec::new(), Vec::with_capacity(lines.len() * 3));
        let (mut last_tid, mut run, mut last_time) = (0_u32, 0_u64, start);
        let mut lists: [Vec<i64>; 7] = std::array::from_fn(|_| Vec::with_capacity(lines.len()));
        let [cpu, ty, abi, flags, proc, file, latency] = &mut lists;
        let mut failed = 0_u64;
        for (at, line) in order.iter().enumerate() {
            let row = &lines[*line as usize].row;
            if at > 0 && row.tid != last_tid {
                put_varint(&mut thread, run);
                run = 0;
                last_time = start;
            }
            if run == 0 {
                let before = if at == 0 { 0 } else { last_tid };
                put_varint(&mut thread, u64::from(row.tid.wrapping_sub(before)));
                last_tid = row.tid;
            }
            run += 1;
            put_varint(&mut time, row.time.0.wrapping_sub(last_time));
            last_time = row.time.0;
            let place = types.place(u32::from(row.ty.0));
            rows_of_type[place].push(*line);
            cpu.push(i64::from(row.cpu));
            ty.push(place as i64);
            abi.push(row.abi as i64);
            flags.push(i64::from(row.flags.0));
            proc.push(procs.place(row.proc.0) as i64);
            file.push(row.file.map_or(0, |file| files.place(file.0) as i64 + 1));
            latency.push(row.latency_ns as i64);
            failed += u64::from(
                !row.flags.has(EventFlags::NO_RESULT) && (-4095..0).contains(&row.result),
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
            column::LATENCY,
        ]
        .iter()
        .zip(&lists)
        {
            columns.add_ints(encoder, *number, values)?;
        }
        columns.add_ints(encoder, column::ORDER, &time_order(lines, &order))?;
        columns.add_ints(encoder, column::SEQ, &seq_jumps(lines))?;
        let mut list = Vec::new();
        put_steps(&mut list, files.list().iter().map(|file| u64::from(*file)));
        columns.add(encoder, column::FILE_LIST, 0, &list)?;

        let mut results = Vec::new();
        let mut shared = Vec::new();
        for (ty, of_type) in types.list().iter().zip(&rows_of_type) {
            let list: Vec<i64> = (of_type.iter())
                .map(|at| lines[*at as usize].row.result)
                .collect();
            put_ints(&mut results, &list);
            if of_type.len() >= OWN_COLUMN {
                let mut own = Vec::new();
                put_args(&mut own, of_type, batch);
                columns.add(encoder, column::ARGS, ty + 1, &own)?;
            } else {
                put_args(&mut shared, of_type, batch);
            }
        }
        columns.add(encoder, column::RESULT, 0, &results)?;
        columns.add(encoder, column::ARGS, 0, &shared)?;
        for (dictionary, len, cut, bytes) in [
            (
                &batch.text,
                column::TEXT_LEN,
                column::TEXT_CUT,
                column::TEXT_BYTES,
            ),
            (
                &batch.data,
                column::DATA_LEN,
                column::DATA_CUT,
                column::DATA_BYTES,
            ),
        ] {
            let (lengths, cuts) = put_lengths(dictionary);
            columns.add(encoder, len, 0, &lengths)?;
            columns.add(encoder, cut, 0, &cuts)?;
            columns.add(encoder, bytes, 0, &dictionary.bytes)?;
        }
        add_rows(&mut columns, encoder, rows)?;

        let mut zone = ZoneRecord {
            events: lines.len() as u64,
            start: BootNs(start),
            end: BootNs(end),
            failed,
            ..ZoneRecord::default()
        };
        let mut before = 0;
        for (ty, of_type) in types.list().iter().zip(&rows_of_type) {
            put_varint(&mut zone.types, u64::from(ty - before));
            put_varint(&mut zone.types, of_type.len() as u64);
            before = *ty;
        }
        put_steps(
            &mut zone.procs,
            procs.list().iter().map(|id| u64::from(*id)),
        );
        let containers: BTreeSet<u64> = (procs.list().iter())
            .map(|id| {
                rows.proc(ProcId(*id))
                    .and_then(|process| process.container)
                    .map_or(0, |id| u64::from(id.0) + 1)
            })
            .collect();
        put_steps(&mut zone.containers, containers);

        Ok(Pressed { zone, columns })
    }
}

/// Lengths of the distinct strings, and which of them were cut by how much.
fn put_lengths(dictionary: &Dictionary) -> (Vec<u8>, Vec<u8>) {
    let (mut lengths, mut cuts, mut last_cut) = (Vec::new(), Vec::new(), 0);
    for (at, (len, full_len)) in (0_u64..).zip(dictionary.lengths()) {
        put_varint(&mut lengths, len);
        if full_len > len {
            put_varint(&mut cuts, at - last_cut);
            put_varint(&mut cuts, full_len - len);
            last_cut = at;
        }
    }
    (lengths, cuts)
}

/// For each file position, how far the row there stands from where time order would put it.
fn time_order(lines: &[Line], order: &[u32]) -> Vec<i64> {
    if lines
        .windows(2)
        .all(|pair| pair[0].row.time < pair[1].row.time)
    {
        return vec![0; lines.len()];
    }
    // By file position: instant and row.
    let mut keys = vec![(0_u64, 0_usize); lines.len()];
    for (row, at) in order.iter().enumerate() {
        keys[*at as usize] = (lines[*at as usize].row.time.0, row);
    }
    if keys.is_sorted() {
        return vec![0; lines.len()];
    }
    let mut by_time: Vec<usize> = (0..lines.len()).collect();
    by_time.sort_by_key(|at| keys[*at]);
    let mut jumps = vec![0_i64; lines.len()];
    for (place, at) in by_time.iter().enumerate() {
        jumps[*at] = place as i64 - *at as i64;
    }
    jumps
}

/// In file order: each event's number on its CPU less the one expected there.
fn seq_jumps(lines: &[Line]) -> Vec<i64> {
    let mut expected: Vec<u64> = Vec::new();
    lines
        .iter()
        .map(|line| {
            let cpu = usize::from(line.row.cpu);
            if expected.len() <= cpu {
                expected.resize(cpu + 1, 0);
            }
            let jump = line.row.seq.wrapping_sub(expected[cpu]) as i64;
            expected[cpu] = line.row.seq.wrapping_add(1);
            jump
        })
        .collect()
}

/// One argument of all events of a type: the kinds of their values, the integers, the places.
#[derive(Default)]
struct Slot {
    tags: Vec<u8>,
    nums: Vec<i64>,
    places: Vec<i64>,
}

/// Appends the arguments of all events of one type, argument by argument.
fn put_args(out: &mut Vec<u8>, events: &[u32], batch: &Batch) {
    let line = |at: &u32| &batch.lines[*at as usize];
    let most = events.iter().map(|at| line(at).count).max().unwrap_or(0);
    let uniform = events.iter().all(|at| line(at).count == most);
    put_varint(out, u64::from(most));
    out.push(u8::from(uniform));
    if !uniform {
        out.extend(events.iter().map(|at| line(at).count));
    }
    // Each event is visited once: its values lie together, those of one slot do not.
    let mut slots: Vec<Slot> = Vec::new();
    slots.resize_with(usize::from(most), || Slot {
        tags: Vec::with_capacity(events.len()),
        ..Slot::default()
    });
    for at in events {
        let line = line(at);
        let cells = &batch.cells[line.values as usize..][..usize::from(line.count)];
        for (cell, slot) in cells.iter().zip(&mut slots) {
            match *cell {
                Cell::Absent => slot.tags.push(value::ABSENT as u8),
                Cell::Num(number) => {
                    slot.tags.push(value::NUM as u8);
                    slot.nums.push(number);
                }
                Cell::Data(place) => {
                    slot.tags.push(value::DATA as u8);
                    slot.places.push(i64::from(place));
                }
                Cell::Text(place) => {
                    slot.tags.push(value::TEXT as u8);
                    slot.places.push(i64::from(place));
                }
            }
        }
    }
    for slot in slots {
        match slot.tags.split_first() {
            Some((first, rest)) if rest.iter().all(|tag| tag == first) => out.push(*first),
            _ => {
                out.push(value::MIXED as u8);
                out.extend_from_slice(&slot.tags);
            }
        }
        put_ints(out, &slot.nums);
        put_ints(out, &slot.places);
    }
}

/// Every row, kind by kind.
fn add_rows(columns: &mut Columns, encoder: &mut Encoder, rows: &Tables) -> io::Result<()> {
    let mut raw = Vec::new();
    let all = rows.procs.values();
    all.for_each(|item| put_row(&mut raw, row::PROCESS, item.as_ref()));
    columns.add(encoder, column::PROCESS_ROWS, 0, &raw)?;
    raw.clear();
    let all = rows.containers.values();
    all.for_each(|item| put_row(&mut raw, row::CONTAINER, item.as_ref()));
    columns.add(encoder, column::CONTAINER_ROWS, 0, &raw)?;
    raw.clear();
    let all = rows.files.values();
    all.for_each(|item| put_row(&mut raw, row::FILE, item.as_ref()));
    columns.add(encoder, column::FILE_ROWS, 0, &raw)?;
    raw.clear();
    let all = rows.users.values();
    all.for_each(|item| put_row(&mut raw, row::USER, item.as_ref()));
    columns.add(encoder, column::USER_ROWS, 0, &raw)?;
    raw.clear();
    let all = rows.groups.values();
    all.for_each(|item| put_row(&mut raw, row::GROUP, item.as_ref()));
    columns.add(encoder, column::GROUP_ROWS, 0, &raw)
}
