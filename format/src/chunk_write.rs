//! Events to the body of a chunk: columns in thread-major order, dictionaries, and every row the events need.
//!
//! Thread-major order puts like beside like, and what is told type by type does so again; that is what makes the columns
//! small. The order of the file comes back from the time stamps and, where those do not tell, from the `order` column.

use crate::Chunk;
use crate::args_write::{Slots, put_args};
use crate::batch::{Args, Batch};
use crate::chunk_read::Body;
use crate::codec::{Encoder, put_ints, put_steps};
use crate::error::ErrorKind;
use crate::fit::{self, Records};
use crate::lanes::Lanes;
use crate::layout::{PROCESS_HASH, column};
use crate::lists::{Context, Parts};
use crate::pieces::{Gathered, text_fields};
use crate::places::Threads;
use crate::records::ZoneRecord;
use crate::strings::Dictionary;
use crate::survey::{Rows, Survey, time_order};
use crate::tables::put_table;
use crate::wire::{Record, put_varint};
use afterimage_model::{BootNs, Container, File, Group, ProcId, Process, Tables, User};
use std::collections::BTreeSet;
use std::io;

/// Events of a type from which its arguments get a column of their own.
const OWN_COLUMN: usize = 256;

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
        self.entry(column, u16::from(framed), key, raw.len() as u64, start);
        Ok(())
    }

    /// A column in parts; one that is empty is left out.
    fn add_parts(&mut self, column: u16, key: u32, parts: &Parts) {
        if !parts.is_empty() {
            let start = self.frames.len();
            parts.put(&mut self.frames);
            self.entry(column, 2, key, parts.raw(), start);
        }
    }

    /// Bytes of the directory and the columns.
    fn bytes(&self) -> u64 {
        (self.directory.len() + self.frames.len()) as u64
    }

    fn entry(&mut self, column: u16, codec: u16, key: u32, raw: u64, start: usize) {
        let stored = &self.frames[start..];
        self.directory.extend_from_slice(&column.to_le_bytes());
        self.directory.extend_from_slice(&codec.to_le_bytes());
        self.directory.extend_from_slice(&key.to_le_bytes());
        self.directory
            .extend_from_slice(&(raw as u32).to_le_bytes());
        self.directory
            .extend_from_slice(&(stored.len() as u32).to_le_bytes());
        self.directory
            .extend_from_slice(&crc32c::crc32c(stored).to_le_bytes());
        self.count += 1;
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
            + self.zone.piece_bits.len()
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

/// Turns events into chunk bodies, one after another, with one compression context. Keeps its memory.
pub(crate) struct ChunkEncoder {
    encoder: Encoder,
    parts: Parts,
    /// The column of one type beside another in the making.
    own: Parts,
    survey: Survey,
    threads: Threads,
    rows: Rows,
    slots: Slots,
    /// Paths of files that no argument names.
    paths: Dictionary,
    /// Strings of the other rows.
    row_strings: Dictionary,
    pieces: Gathered,
    texts: TextFields,
    list: Vec<i64>,
    /// Files that were not told by rank.
    misses: Vec<i64>,
    bytes: Vec<u8>,
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
            parts: Parts::default(),
            own: Parts::default(),
            survey: Survey::default(),
            threads: Threads::default(),
            rows: Rows::default(),
            slots: Slots::default(),
            paths: Dictionary::default(),
            row_strings: Dictionary::default(),
            pieces: Gathered::default(),
            texts: TextFields::new(),
            list: Vec::new(),
            misses: Vec::new(),
            bytes: Vec::new(),
        })
    }

    /// A compressed record, as blocks other than chunks carry it: its length, then a frame. `None` when that is not shorter.
    pub(crate) fn compress_record(&mut self, raw: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut out = (raw.len() as u32).to_le_bytes().to_vec();
        let framed = self.encoder.append(raw, &mut out)?;
        Ok((framed && out.len() < raw.len()).then_some(out))
    }

    /// A chunk. The batch is in file order and not empty; `needs` is what it needs.
    pub(crate) fn encode(&mut self, batch: &Batch, needs: &Tables) -> io::Result<Pressed> {
        let lines = &batch.lines;
        let mut survey = std::mem::take(&mut self.survey);
        survey.look(lines);
        let Survey {
            types,
            procs,
            files,
            start,
            end,
            failed,
            ..
        } = &survey;
        let (start, end, failed) = (*start, *end, *failed);
        let mut threads = std::mem::take(&mut self.threads);
        threads.fill(&survey.tids);
        let mut columns = Columns::default();
        columns.add(&mut self.encoder, column::THREAD, 0, &runs_of(&threads))?;
        self.rows.fill(lines, &threads, &survey);
        self.rows.follow(&threads, &mut self.misses);
        self.rows.group(types.list().len());
        self.put_rows(&mut columns)?;
        let encoder = &mut self.encoder;
        if self.rows.abis.iter().any(|abi| *abi != 0) {
            let abis: Vec<i64> = self.rows.abis.iter().map(|abi| i64::from(*abi)).collect();
            columns.add_ints(encoder, column::ABI, &abis)?;
        }
        if !survey.in_order {
            let order = time_order(lines, &threads.row_of);
            columns.add_ints(encoder, column::ORDER, &order)?;
        }
        columns.add_ints(encoder, column::SEQ, &survey.jumps)?;
        let mut list = Vec::new();
        put_steps(&mut list, files.list().iter().map(|file| u64::from(*file)));
        columns.add(encoder, column::FILE_LIST, 0, &list)?;

        self.put_by_type(&mut columns)?;
        self.put_values(&mut columns, batch, types.list())?;
        self.put_tables(&mut columns, batch, needs)?;

        let (piece_hashes, piece_bits) = self.pieces.take(columns.bytes());
        let mut zone = ZoneRecord {
            events: lines.len() as u64,
            start: BootNs(start),
            end: BootNs(end),
            failed,
            piece_hashes,
            piece_bits,
            ..ZoneRecord::default()
        };
        let mut before = 0;
        for (place, ty) in types.list().iter().enumerate() {
            put_varint(&mut zone.types, u64::from(ty - before));
            put_varint(&mut zone.types, self.rows.of_type(place).len() as u64);
            before = *ty;
        }
        put_steps(
            &mut zone.procs,
            procs.list().iter().map(|id| u64::from(*id)),
        );
        let containers: BTreeSet<u64> = (procs.list().iter())
            .map(|id| {
                needs
                    .proc(ProcId(*id))
                    .and_then(|process| process.container)
                    .map_or(0, |id| u64::from(id.0) + 1)
            })
            .collect();
        put_steps(&mut zone.containers, containers);
        (self.survey, self.threads) = (survey, threads);
        Ok(Pressed { zone, columns })
    }

    /// What has one integer per row.
    fn put_rows(&mut self, columns: &mut Columns) -> io::Result<()> {
        let ChunkEncoder {
            encoder,
            parts,
            rows,
            list,
            misses,
            ..
        } = self;
        // A type is looked at alone by many a filter.
        if rows.types.iter().any(|ty| *ty != 0) {
            parts.clear();
            parts.plain(encoder, &rows.types)?;
            columns.add_parts(column::TYPES, 0, parts);
        }
        list.clear();
        list.extend(rows.cpus.iter().map(|cpu| i64::from(*cpu)));
        for number in [column::CPUS, column::PROCS] {
            if list.iter().any(|value| *value != 0) {
                parts.clear();
                parts.list(encoder, list, &[])?;
                columns.add_parts(number, 0, parts);
            }
            list.clear();
            list.extend(rows.procs.iter().map(|place| i64::from(*place)));
        }
        if rows.files.iter().any(|file| *file != 0) {
            parts.clear();
            let ranks = rows.by_type.iter().map(|row| rows.ranks[*row as usize]);
            let ranks: Vec<u8> = ranks.collect();
            parts.plain(encoder, &ranks)?;
            parts.list(encoder, misses, &[])?;
            columns.add_parts(column::RANKS, 0, parts);
        }

        let lanes = Lanes::of(&rows.types, &rows.befores, &rows.waits, rows.ends.len());
        let mut next: Vec<usize> = Vec::with_capacity(lanes.counts.len());
        let mut from = 0;
        for count in &lanes.counts {
            next.push(from);
            from += count;
        }
        list.clear();
        list.resize(rows.steps.len(), 0);
        for (step, lane) in rows.steps.iter().zip(&lanes.of_row) {
            let to = &mut next[usize::from(*lane)];
            list[*to] = *step;
            *to += 1;
        }
        parts.clear();
        let mut from = 0;
        for to in next {
            parts.plain(encoder, &list[from..to])?;
            from = to;
        }
        columns.add_parts(column::TIMES, 0, parts);
        Ok(())
    }

    /// Marks and waits, type by type.
    fn put_by_type(&mut self, columns: &mut Columns) -> io::Result<()> {
        let ChunkEncoder {
            encoder,
            parts,
            rows,
            list,
            ..
        } = self;
        let by_type = || rows.by_type.iter().map(|row| *row as usize);
        if rows.flags.iter().any(|marks| *marks != 0) {
            let flags: Vec<u16> = by_type().map(|row| rows.flags[row]).collect();
            parts.clear();
            parts.plain(encoder, &flags)?;
            columns.add_parts(column::MARKS, 0, parts);
        }
        if rows.waits.contains(&true) {
            parts.clear();
            let waits: Vec<bool> = by_type().map(|row| rows.waits[row]).collect();
            parts.plain(encoder, &waits)?;
            list.clear();
            let waiting = by_type().filter(|row| rows.waits[*row]);
            list.extend(waiting.map(|row| rows.steps[row].wrapping_sub(rows.latencies[row])));
            parts.plain(encoder, list)?;
            columns.add_parts(column::WAITS, 0, parts);
        }
        Ok(())
    }

    /// Results and arguments.
    fn put_values(
        &mut self,
        columns: &mut Columns,
        batch: &Batch,
        types: &[u32],
    ) -> io::Result<()> {
        let ChunkEncoder {
            encoder,
            parts,
            own,
            rows,
            slots,
            ..
        } = self;
        parts.clear();
        let (mut rest, mut files, mut results) = (Vec::new(), Vec::new(), Vec::new());
        let mut places = Vec::new();
        let nothing = Args::default();
        for (place, ty) in types.iter().enumerate() {
            let of_type = rows.of_type(place);
            results.clear();
            results.extend(of_type.iter().map(|row| rows.results[*row as usize]));
            places.clear();
            places.extend(of_type.iter().map(|row| rows.places[*row as usize]));
            let args = batch.args_of(*ty).unwrap_or(&nothing);
            if of_type.len() < OWN_COLUMN {
                put_ints(&mut rest, &results);
                put_args(&mut rest, &places, args);
                continue;
            }
            files.clear();
            files.extend((of_type.iter()).map(|row| i64::from(rows.files[*row as usize])));
            let contexts = [Context {
                number: 0,
                values: &files,
                minus_only: false,
            }];
            parts.list(encoder, &results, &contexts)?;
            own.clear();
            slots.put(own, encoder, &places, args, &files, &results)?;
            columns.add_parts(column::VALUES, ty + 1, own);
        }
        columns.add_parts(column::RESULTS, 0, parts);
        columns.add(encoder, column::REST, 0, &rest)
    }

    /// The rows that events point at, and all strings.
    fn put_tables(
        &mut self,
        columns: &mut Columns,
        batch: &Batch,
        needs: &Tables,
    ) -> io::Result<()> {
        let ChunkEncoder {
            encoder,
            parts,
            paths,
            row_strings,
            pieces,
            texts,
            bytes,
            ..
        } = self;
        paths.clear();
        row_strings.clear();
        let known = batch.text.len() as u32;
        batch.text.strings().for_each(|string| pieces.add(string));
        let mut told: Vec<bool> = Vec::new();
        let mut path =
            |pieces: &mut Gathered, is_text: bool, string: &[u8]| match batch.text.find(string) {
                Some(place) => place,
                None => {
                    let place = paths.place(string, 0);
                    tell(pieces, is_text, &mut told, place, string);
                    known + place
                }
            };
        let mut told: Vec<bool> = Vec::new();
        let mut other = |pieces: &mut Gathered, is_text: bool, string: &[u8]| {
            let place = row_strings.place(string, 0);
            tell(pieces, is_text, &mut told, place, string);
            place
        };
        let mut table = |number: u16, texts: &[u64], records: Records, place: Place<'_>| {
            let records: Vec<&[u8]> = records.each().collect();
            if records.is_empty() {
                return Ok(());
            }
            parts.clear();
            let hash = (number == column::PROCESS_TABLE).then_some(PROCESS_HASH);
            let mut place = |tag: u64, string: &[u8]| {
                let is_text = texts.contains(&tag) && Some(tag) != hash;
                place(pieces, is_text, string)
            };
            put_table(parts, encoder, &records, texts, &mut place)?;
            columns.add_parts(number, 0, parts);
            io::Result::Ok(())
        };
        let rows: Vec<_> = needs.files.values().map(AsRef::as_ref).collect();
        table(
            column::FILE_TABLE,
            &texts.files,
            fit::files(&rows),
            &mut path,
        )?;
        let rows: Vec<_> = needs.procs.values().map(AsRef::as_ref).collect();
        table(
            column::PROCESS_TABLE,
            &texts.procs,
            fit::processes(&rows),
            &mut other,
        )?;
        let rows: Vec<_> = needs.containers.values().map(AsRef::as_ref).collect();
        table(
            column::CONTAINER_TABLE,
            &texts.containers,
            fit::containers(&rows),
            &mut other,
        )?;
        let rows: Vec<_> = needs.users.values().map(AsRef::as_ref).collect();
        table(
            column::USER_TABLE,
            &texts.users,
            fit::users(&rows),
            &mut other,
        )?;
        let rows: Vec<_> = needs.groups.values().map(AsRef::as_ref).collect();
        table(
            column::GROUP_TABLE,
            &texts.groups,
            fit::groups(&rows),
            &mut other,
        )?;

        bytes.clear();
        bytes.extend_from_slice(&batch.text.bytes);
        bytes.extend_from_slice(&paths.bytes);
        let (lengths, cuts) = put_lengths(batch.text.lengths().chain(paths.lengths()));
        columns.add(encoder, column::TEXT_LEN, 0, &lengths)?;
        columns.add(encoder, column::TEXT_CUT, 0, &cuts)?;
        columns.add(encoder, column::TEXT_BYTES, 0, bytes)?;
        let (lengths, cuts) = put_lengths(batch.data.lengths());
        columns.add(encoder, column::DATA_LEN, 0, &lengths)?;
        columns.add(encoder, column::DATA_CUT, 0, &cuts)?;
        columns.add(encoder, column::DATA_BYTES, 0, &batch.data.bytes)?;
        let (lengths, _) = put_lengths(row_strings.lengths());
        columns.add(encoder, column::ROW_LEN, 0, &lengths)?;
        columns.add(encoder, column::ROW_BYTES, 0, &row_strings.bytes)
    }
}

/// Gives a string its place in a dictionary, and takes its pieces where it is a text.
type Place<'p> = &'p mut dyn FnMut(&mut Gathered, bool, &[u8]) -> u32;

/// The fields of each kind of row that are texts.
struct TextFields {
    files: Vec<u64>,
    procs: Vec<u64>,
    containers: Vec<u64>,
    users: Vec<u64>,
    groups: Vec<u64>,
}

impl TextFields {
    fn new() -> TextFields {
        TextFields {
            files: text_fields::<File>(),
            procs: text_fields::<Process>(),
            containers: text_fields::<Container>(),
            users: text_fields::<User>(),
            groups: text_fields::<Group>(),
        }
    }
}

/// Takes the pieces of the string at a place, once, where it is a text.
fn tell(pieces: &mut Gathered, is_text: bool, told: &mut Vec<bool>, place: u32, string: &[u8]) {
    if !is_text {
        return;
    }
    let place = place as usize;
    if told.len() <= place {
        told.resize(place + 1, false);
    }
    if !std::mem::replace(&mut told[place], true) {
        pieces.add(string);
    }
}

/// The thread column: the step to each thread, and its rows.
fn runs_of(threads: &Threads) -> Vec<u8> {
    let (mut out, mut before) = (Vec::new(), 0_u32);
    for (tid, run) in &threads.runs {
        put_varint(&mut out, u64::from(tid.wrapping_sub(before)));
        put_varint(&mut out, u64::from(*run));
        before = *tid;
    }
    out
}

/// Lengths of the distinct strings, and which of them were cut by how much.
fn put_lengths(strings: impl Iterator<Item = (u64, u64)>) -> (Vec<u8>, Vec<u8>) {
    let (mut lengths, mut cuts, mut last_cut) = (Vec::new(), Vec::new(), 0);
    for (at, (len, full_len)) in (0_u64..).zip(strings) {
        put_varint(&mut lengths, len);
        if full_len > len {
            put_varint(&mut cuts, at - last_cut);
            put_varint(&mut cuts, full_len - len);
            last_cut = at;
        }
    }
    (lengths, cuts)
}
