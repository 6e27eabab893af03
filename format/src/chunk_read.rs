//! The body of a chunk back to events. Every count is checked against the bytes that must hold it before anything is allocated.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::Chunk;
use crate::codec::{decompress, take_ints, take_steps};
use crate::error::{ErrorKind, limit, malformed};
use crate::layout::{
    MAX_ARGS, MAX_CHUNK, MAX_CHUNK_EVENTS, MAX_CHUNK_VALUES, MAX_COLUMN, MAX_COLUMNS,
    MAX_CONTAINER_ROWS, MAX_ZONE, column, value,
};
use crate::records::{ZoneRecord, take_rows};
use crate::wire::{Cursor, Record};
use afterimage_model::{
    Abi, Blob, BootNs, ContainerId, Event, EventFlags, FileId, ProcId, Tables, TypeId, Value,
};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Bytes before the zone map: its length, the number of columns, a checksum.
pub(crate) const CHUNK_HEAD: usize = 12;
/// Bytes of one entry of the directory.
const ENTRY: usize = 20;

/// What a chunk says of itself without its columns being decompressed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Events in it.
    pub events: u64,
    /// Number of its first event, from 1.
    pub first_num: u64,
    /// Its earliest instant.
    pub start: BootNs,
    /// Its latest instant.
    pub end: BootNs,
    /// Events whose result is an error.
    pub failed: u64,
    /// Every type in it with the number of its events, ascending.
    pub types: Vec<(TypeId, u64)>,
    /// Every process row an event points at, ascending.
    pub procs: Vec<ProcId>,
    /// The containers of those processes; `None` for processes on the host or not known.
    pub containers: Vec<Option<ContainerId>>,
}

impl Zone {
    pub(crate) fn check(record: &ZoneRecord) -> Result<Zone, ErrorKind> {
        limit("events of a chunk", record.events, MAX_CHUNK_EVENTS)?;
        if record.events == 0
            || record.first_num == 0
            || record.start > record.end
            || record.first_num.checked_add(record.events).is_none()
        {
            return Err(malformed("zone map"));
        }
        let mut types: Vec<(TypeId, u64)> = Vec::new();
        let mut cursor = Cursor::new(&record.types);
        let (mut ty, mut sum) = (0_u64, 0_u64);
        while cursor.left() > 0 {
            let (step, count) = (cursor.varint()?, cursor.varint()?);
            ty = ty.saturating_add(step);
            sum = sum.saturating_add(count);
            if count == 0 || (step == 0 && !types.is_empty()) {
                return Err(malformed("zone map"));
            }
            types.push((
                TypeId(u16::try_from(ty).map_err(|_| malformed("zone map"))?),
                count,
            ));
        }
        if sum != record.events {
            return Err(ErrorKind::Mismatch {
                what: "sum of the zone map",
                expected: record.events,
                found: sum,
            });
        }
        let procs = take_steps(&record.procs, u64::from(u32::MAX))?;
        limit("processes of a chunk", procs.len() as u64, record.events)?;
        let containers = take_steps(&record.containers, u64::from(u32::MAX).saturating_add(1))?;
        Ok(Zone {
            events: record.events,
            first_num: record.first_num,
            start: record.start,
            end: record.end,
            failed: record.failed,
            types,
            procs: procs.iter().map(|id| ProcId(*id as u32)).collect(),
            containers: containers
                .iter()
                .map(|id| id.checked_sub(1).map(|id| ContainerId(id as u32)))
                .collect(),
        })
    }

    /// Events of a type in the chunk.
    pub fn count_of(&self, ty: TypeId) -> u64 {
        self.types
            .iter()
            .find(|row| row.0 == ty)
            .map_or(0, |row| row.1)
    }
}

/// How many bytes of a chunk's body hold its zone map and directory; needs the first [`CHUNK_HEAD`] bytes.
pub(crate) fn head_len(head: &[u8]) -> Result<usize, ErrorKind> {
    let mut cursor = Cursor::new(head);
    let (zone, columns) = (cursor.u32()?, cursor.u32()?);
    limit("zone map length", u64::from(zone), MAX_ZONE)?;
    limit("columns of a chunk", u64::from(columns), MAX_COLUMNS)?;
    Ok((columns as usize)
        .saturating_mul(ENTRY)
        .saturating_add(zone as usize)
        .saturating_add(CHUNK_HEAD))
}

struct Entry {
    codec: u16,
    raw: u64,
    crc: u32,
    stored: std::ops::Range<usize>,
}

/// A chunk's body with its head checked; columns are decompressed when asked for.
pub(crate) struct Body<'a> {
    bytes: &'a [u8],
    pub zone: Zone,
    entries: BTreeMap<(u16, u32), Entry>,
}

impl<'a> Body<'a> {
    /// Reads zone map and directory. `bytes` may be the whole body or only its head.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Body<'a>, ErrorKind> {
        let len = head_len(bytes)?;
        let head = bytes.get(..len).ok_or(ErrorKind::Short {
            what: "chunk head",
            expected: len as u64,
            found: bytes.len() as u64,
        })?;
        let mut cursor = Cursor::new(head);
        let (zone_len, columns, expected) = (cursor.u32()?, cursor.u32()?, cursor.u32()?);
        let found = crc32c::crc32c(head.get(..8).unwrap_or_default());
        let found = crc32c::crc32c_append(found, head.get(CHUNK_HEAD..).unwrap_or_default());
        if found != expected {
            return Err(ErrorKind::Checksum {
                what: "chunk head",
                expected,
                found,
            });
        }
        let zone = Zone::check(&ZoneRecord::decode(cursor.take(zone_len as usize)?)?)?;
        let mut entries = BTreeMap::new();
        let (mut at, mut total) = (len, 0_u64);
        for _ in 0..columns {
            let (number, codec, key) = (cursor.u16()?, cursor.u16()?, cursor.u32()?);
            let (raw, stored, crc) = (
                u64::from(cursor.u32()?),
                cursor.u32()? as usize,
                cursor.u32()?,
            );
            limit(
                "column length",
                raw,
                if number == column::CONTAINER_ROWS {
                    MAX_CONTAINER_ROWS
                } else {
                    MAX_COLUMN
                },
            )?;
            total = total.saturating_add(raw);
            limit("length of all columns", total, MAX_CHUNK)?;
            let end = at.checked_add(stored).ok_or(malformed("directory"))?;
            if entries
                .insert(
                    (number, key),
                    Entry {
                        codec,
                        raw,
                        crc,
                        stored: at..end,
                    },
                )
                .is_some()
            {
                return Err(malformed("directory"));
            }
            at = end;
        }
        Ok(Body {
            bytes,
            zone,
            entries,
        })
    }

    /// The bytes of a column, `None` when it is not there.
    fn column(&self, number: u16, key: u32) -> Result<Option<Cow<'a, [u8]>>, ErrorKind> {
        let Some(entry) = self.entries.get(&(number, key)) else {
            return Ok(None);
        };
        let stored = self
            .bytes
            .get(entry.stored.clone())
            .ok_or(ErrorKind::Short {
                what: "column",
                expected: entry.stored.len() as u64,
                found: self.bytes.len().saturating_sub(entry.stored.start) as u64,
            })?;
        let found = crc32c::crc32c(stored);
        if found != entry.crc {
            return Err(ErrorKind::Checksum {
                what: "column",
                expected: entry.crc,
                found,
            });
        }
        match entry.codec {
            0 if entry.raw == stored.len() as u64 => Ok(Some(Cow::Borrowed(stored))),
            1 => decompress(stored, entry.raw).map(|raw| Some(Cow::Owned(raw))),
            _ => Err(malformed("column")),
        }
    }

    fn bytes_of(&self, number: u16) -> Result<Cow<'a, [u8]>, ErrorKind> {
        Ok(self.column(number, 0)?.unwrap_or_default())
    }

    /// One integer per row.
    fn ints(&self, number: u16, count: usize) -> Result<Vec<i64>, ErrorKind> {
        match self.column(number, 0)? {
            None => Ok(vec![0; count]),
            Some(raw) => {
                let mut cursor = Cursor::new(&raw);
                let values = take_ints(&mut cursor, count)?;
                end_of(&cursor)?;
                Ok(values)
            }
        }
    }

    /// One integer per row, each at most `most`, and not negative.
    fn small<T: TryFrom<i64>>(&self, number: u16, count: usize) -> Result<Vec<T>, ErrorKind> {
        self.ints(number, count)?
            .into_iter()
            .map(|value| T::try_from(value).map_err(|_| malformed("column value")))
            .collect()
    }

    /// Every row the events point at.
    pub(crate) fn tables(&self) -> Result<Tables, ErrorKind> {
        let mut tables = Tables::default();
        for number in [
            column::PROCESS_ROWS,
            column::CONTAINER_ROWS,
            column::FILE_ROWS,
            column::USER_ROWS,
            column::GROUP_ROWS,
        ] {
            take_rows(&self.bytes_of(number)?, &mut tables)?;
        }
        Ok(tables)
    }

    /// Everything.
    pub(crate) fn decode(&self) -> Result<Chunk, ErrorKind> {
        let (mut rows, order) = self.heads()?;
        self.fill_values(&mut rows, None)?;
        Ok(Chunk {
            first_num: self.zone.first_num,
            events: self.in_order(rows, &order)?,
            tables: self.tables()?,
        })
    }

    /// As [`Body::decode`], but only events that are chosen by what is known without their arguments and results have those;
    /// columns that only the others need are not decompressed. `None` when nothing is chosen.
    pub(crate) fn decode_chosen(
        &self,
        choose: &mut dyn FnMut(&mut Chunk) -> Vec<bool>,
    ) -> Result<Option<(Chunk, Vec<bool>)>, ErrorKind> {
        let (mut rows, order) = self.heads()?;
        let mut chunk = Chunk {
            first_num: self.zone.first_num,
            events: self.in_order(rows.clone(), &order)?,
            tables: self.tables()?,
        };
        let chosen = choose(&mut chunk);
        if !chosen.contains(&true) {
            return Ok(None);
        }
        let pairs = chunk.events.iter().zip(&chosen);
        let types: BTreeSet<TypeId> = pairs
            .filter_map(|(event, chosen)| chosen.then_some(event.ty))
            .collect();
        self.fill_values(&mut rows, Some(&types))?;
        chunk.events = self.in_order(rows, &order)?;
        Ok(Some((chunk, chosen)))
    }

    /// The events without results and arguments, thread by thread, and for each file position the row that stands there.
    fn heads(&self) -> Result<(Vec<Event>, Vec<usize>), ErrorKind> {
        let count = usize::try_from(self.zone.events).map_err(|_| malformed("zone map"))?;
        let time_bytes = self.bytes_of(column::TIME)?;
        limit("events of a chunk", count as u64, time_bytes.len() as u64)?;
        let rows = self.rows(count, &time_bytes)?;
        let order = self.order(&rows)?;
        Ok((rows, order))
    }

    /// Rows to file order.
    fn in_order(&self, rows: Vec<Event>, order: &[usize]) -> Result<Vec<Event>, ErrorKind> {
        let count = rows.len();
        let mut rows: Vec<Option<Event>> = rows.into_iter().map(Some).collect();
        let mut events = Vec::with_capacity(count);
        for row in order {
            events.push(
                rows.get_mut(*row)
                    .and_then(Option::take)
                    .ok_or(malformed("order column"))?,
            );
        }
        let jumps = self.ints(column::SEQ, count)?;
        let mut expected: HashMap<u16, u64> = HashMap::new();
        for (event, jump) in events.iter_mut().zip(jumps) {
            let next = expected.entry(event.cpu).or_insert(0);
            event.seq = next.wrapping_add(jump as u64);
            *next = event.seq.wrapping_add(1);
        }
        Ok(events)
    }

    /// The events without results, arguments and numbers, thread by thread.
    fn rows(&self, count: usize, time_bytes: &[u8]) -> Result<Vec<Event>, ErrorKind> {
        let cpu: Vec<u16> = self.small(column::CPU, count)?;
        let ty: Vec<usize> = self.small(column::TYPE, count)?;
        let abi: Vec<u8> = self.small(column::ABI, count)?;
        let flags: Vec<u16> = self.small(column::FLAGS, count)?;
        let proc: Vec<usize> = self.small(column::PROC, count)?;
        let file: Vec<usize> = self.small(column::FILE, count)?;
        let latency = self.ints(column::LATENCY, count)?;
        let files = take_steps(&self.bytes_of(column::FILE_LIST)?, u64::from(u32::MAX))?;
        let thread_bytes = self.bytes_of(column::THREAD)?;
        let mut threads = Cursor::new(&thread_bytes);
        let mut times = Cursor::new(time_bytes);
        let (mut tid, mut run, mut time) = (0_u32, 0_u64, self.zone.start.0);
        let mut events = Vec::with_capacity(count);
        let columns = cpu
            .iter()
            .zip(&ty)
            .zip(&abi)
            .zip(&flags)
            .zip(&proc)
            .zip(&file)
            .zip(&latency);
        for ((((((cpu, ty), abi), flags), proc), file), latency) in columns {
            if run == 0 {
                let step =
                    u32::try_from(threads.varint()?).map_err(|_| malformed("thread column"))?;
                tid = tid.wrapping_add(step);
                run = threads.varint()?;
                time = self.zone.start.0;
            }
            run = run.checked_sub(1).ok_or(malformed("thread column"))?;
            time = time.wrapping_add(times.varint()?);
            let file = match file.checked_sub(1) {
                None => None,
                Some(at) => Some(FileId(
                    *files.get(at).ok_or(malformed("file column"))? as u32
                )),
            };
            events.push(Event {
                time: BootNs(time),
                cpu: *cpu,
                seq: 0,
                ty: self.zone.types.get(*ty).ok_or(malformed("type column"))?.0,
                abi: Abi::from_code(*abi).ok_or(malformed("abi column"))?,
                flags: EventFlags(*flags),
                tid,
                proc: *self.zone.procs.get(*proc).ok_or(malformed("proc column"))?,
                file,
                result: 0,
                latency_ns: *latency as u64,
                args: Default::default(),
            });
        }
        if run != 0 {
            return Err(malformed("thread column"));
        }
        end_of(&threads)?;
        end_of(&times)?;
        Ok(events)
    }

    /// For each file position, the row that stands there.
    fn order(&self, events: &[Event]) -> Result<Vec<usize>, ErrorKind> {
        let mut by_time: Vec<usize> = (0..events.len()).collect();
        by_time.sort_by_key(|row| (events.get(*row).map(|event| event.time), *row));
        let jumps = self.ints(column::ORDER, events.len())?;
        jumps
            .into_iter()
            .enumerate()
            .map(|(at, jump)| {
                let place = (at as i64)
                    .checked_add(jump)
                    .and_then(|place| usize::try_from(place).ok());
                place
                    .and_then(|place| by_time.get(place))
                    .copied()
                    .ok_or(malformed("order column"))
            })
            .collect()
    }

    /// Results and arguments, type by type; with `wanted`, arguments only where they are cheap or the type is wanted.
    fn fill_values(
        &self,
        events: &mut [Event],
        wanted: Option<&BTreeSet<TypeId>>,
    ) -> Result<(), ErrorKind> {
        let mut rows_of_type: Vec<Vec<usize>> = self
            .zone
            .types
            .iter()
            .map(|row| Vec::with_capacity((row.1 as usize).min(events.len())))
            .collect();
        let places: HashMap<TypeId, usize> = self
            .zone
            .types
            .iter()
            .enumerate()
            .map(|(place, row)| (row.0, place))
            .collect();
        for (row, event) in events.iter().enumerate() {
            if let Some(rows) = places
                .get(&event.ty)
                .and_then(|place| rows_of_type.get_mut(*place))
            {
                rows.push(row);
            }
        }
        let result_bytes = self.bytes_of(column::RESULT)?;
        let mut results = Cursor::new(&result_bytes);
        let shared_bytes = self.bytes_of(column::ARGS)?;
        let mut shared = Cursor::new(&shared_bytes);
        let mut values = Values {
            text: self.dictionary(column::TEXT_LEN, column::TEXT_CUT, column::TEXT_BYTES)?,
            data: self.dictionary(column::DATA_LEN, column::DATA_CUT, column::DATA_BYTES)?,
            count: 0,
            bytes: 0,
        };
        for ((ty, count), rows) in self.zone.types.iter().zip(&rows_of_type) {
            if rows.len() as u64 != *count {
                return Err(ErrorKind::Mismatch {
                    what: "events of a type",
                    expected: *count,
                    found: rows.len() as u64,
                });
            }
            for (row, result) in rows.iter().zip(take_ints(&mut results, rows.len())?) {
                if let Some(event) = events.get_mut(*row) {
                    event.result = result;
                }
            }
            let key = u32::from(ty.0).saturating_add(1);
            let own = self.entries.contains_key(&(column::ARGS, key));
            if own && wanted.is_some_and(|wanted| !wanted.contains(ty)) {
                continue;
            }
            match self.column(column::ARGS, key)? {
                Some(own) => {
                    let mut own = Cursor::new(&own);
                    values.take_args(&mut own, rows, events)?;
                    end_of(&own)?;
                }
                None => values.take_args(&mut shared, rows, events)?,
            }
        }
        end_of(&results)?;
        end_of(&shared)
    }

    fn dictionary(&self, lengths: u16, cuts: u16, bytes: u16) -> Result<Vec<Blob>, ErrorKind> {
        let (lengths, cuts, bytes) = (
            self.bytes_of(lengths)?,
            self.bytes_of(cuts)?,
            self.bytes_of(bytes)?,
        );
        limit(
            "distinct values of a chunk",
            lengths.len() as u64,
            MAX_CHUNK_VALUES.saturating_mul(5),
        )?;
        let (mut lengths, mut cuts, mut bytes) = (
            Cursor::new(&lengths),
            Cursor::new(&cuts),
            Cursor::new(&bytes),
        );
        let mut blobs = Vec::new();
        while lengths.left() > 0 {
            let len = lengths.varint()?;
            limit("length of a value", len, bytes.left() as u64)?;
            blobs.push(Blob::whole(bytes.take(len as usize)?));
            limit(
                "distinct values of a chunk",
                blobs.len() as u64,
                MAX_CHUNK_VALUES,
            )?;
        }
        let mut at = 0_usize;
        while cuts.left() > 0 {
            let (step, missing) = (cuts.varint()?, cuts.varint()?);
            at = usize::try_from(step)
                .ok()
                .and_then(|step| at.checked_add(step))
                .ok_or(malformed("cut column"))?;
            let blob = blobs.get_mut(at).ok_or(malformed("cut column"))?;
            blob.full_len = blob
                .full_len
                .checked_add(missing)
                .ok_or(malformed("cut column"))?;
        }
        end_of(&bytes)?;
        Ok(blobs)
    }
}

fn end_of(cursor: &Cursor<'_>) -> Result<(), ErrorKind> {
    if cursor.left() == 0 {
        Ok(())
    } else {
        Err(malformed("end of a column"))
    }
}

/// The dictionaries, and how much was taken out of them so far: one long string repeated by every event would fill the memory.
struct Values {
    text: Vec<Blob>,
    data: Vec<Blob>,
    count: u64,
    bytes: u64,
}

impl Values {
    fn take_args(
        &mut self,
        cursor: &mut Cursor<'_>,
        rows: &[usize],
        events: &mut [Event],
    ) -> Result<(), ErrorKind> {
        let most = cursor.varint()?;
        limit("arguments of an event", most, MAX_ARGS)?;
        let counts: Vec<u64> = match cursor.u8()? {
            1 => vec![most; rows.len()],
            0 => cursor
                .take(rows.len())?
                .iter()
                .map(|count| u64::from(*count))
                .collect(),
            _ => return Err(malformed("argument counts")),
        };
        for slot in 0..most {
            let with: Vec<usize> = rows
                .iter()
                .zip(&counts)
                .filter(|(_, count)| **count > slot)
                .map(|(row, _)| *row)
                .collect();
            self.count = self.count.saturating_add(with.len() as u64);
            limit("arguments of a chunk", self.count, MAX_CHUNK_VALUES)?;
            let first = cursor.u8()?;
            let tags = if u16::from(first) == value::MIXED {
                cursor.take(with.len())?.to_vec()
            } else {
                vec![first; with.len()]
            };
            let of = |wanted: u16| tags.iter().filter(|tag| u16::from(**tag) == wanted).count();
            let (nums, text, data) = (of(value::NUM), of(value::TEXT), of(value::DATA));
            let mut nums = take_ints(cursor, nums)?.into_iter();
            let mut text = take_ints(cursor, text)?.into_iter();
            let mut data = take_ints(cursor, data)?.into_iter();
            for (row, tag) in with.iter().zip(&tags) {
                let value = match u16::from(*tag) {
                    value::ABSENT => Value::Absent,
                    value::NUM => Value::Num(nums.next().ok_or(malformed("argument"))?),
                    value::TEXT => self.blob(false, text.next())?,
                    value::DATA => self.blob(true, data.next())?,
                    _ => return Err(malformed("argument tag")),
                };
                if let Some(event) = events.get_mut(*row) {
                    event.args.push(value);
                }
            }
        }
        Ok(())
    }

    fn blob(&mut self, is_data: bool, place: Option<i64>) -> Result<Value, ErrorKind> {
        let list = if is_data { &self.data } else { &self.text };
        let place = place.and_then(|place| usize::try_from(place).ok());
        let blob = place
            .and_then(|place| list.get(place))
            .ok_or(malformed("place of a value"))?;
        self.bytes = self.bytes.saturating_add(blob.bytes.len() as u64);
        limit("bytes of all values of a chunk", self.bytes, MAX_CHUNK)?;
        Ok(Value::Bytes(blob.clone()))
    }
}
