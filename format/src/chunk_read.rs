//! The body of a chunk back to events. Every count is checked against the bytes that must hold it before anything is allocated.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::block::BlockHead;
use crate::codec::{decompress, take_ints, take_steps};
use crate::dictionary::Dictionary;
use crate::error::{ErrorKind, limit, malformed};
use crate::layout::{
    MAX_CHUNK, MAX_CHUNK_EVENTS, MAX_COLUMN, MAX_COLUMNS, MAX_CONTAINER_ROWS, MAX_ZONE, column, row,
};
use crate::lists::PartsReader;
use crate::pieces::Pieces;
use crate::records::{ZoneRecord, take_rows};
use crate::source::Source;
use crate::tables::take_table;
use crate::wire::{Cursor, Record};
use afterimage_model::{BootNs, ContainerId, ProcId, Tables, TypeId};
use std::borrow::Cow;
use std::collections::BTreeMap;

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
    /// Which pieces of texts its strings may hold.
    pub pieces: Pieces,
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
            pieces: Pieces::check(record.piece_hashes, &record.piece_bits)?,
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

/// One column of a chunk, as its directory lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its number, see [`column`].
    pub number: u16,
    /// For arguments what they are of.
    pub key: u32,
    /// Bytes before compression.
    pub raw: u64,
    /// Bytes in the file.
    pub stored: u64,
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

/// Where the bytes of a chunk's body are.
#[derive(Clone, Copy)]
enum Held<'a> {
    /// In memory, or as far as they are.
    Here(&'a [u8]),
    /// In the file, in the block at this byte.
    There(&'a Source, u64, BlockHead),
}

/// A chunk's body with its head checked; columns are read and decompressed when asked for.
pub(crate) struct Body<'a> {
    held: Held<'a>,
    pub zone: Zone,
    entries: BTreeMap<(u16, u32), Entry>,
}

impl<'a> Body<'a> {
    /// Reads zone map and directory. `bytes` may be the whole body or only its head.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Body<'a>, ErrorKind> {
        Body::of(bytes, Held::Here(bytes))
    }

    /// As [`Body::new`], of the block at `offset` of the file; `bytes` are the head of its body.
    pub(crate) fn in_file(
        bytes: &[u8],
        source: &'a Source,
        offset: u64,
        head: BlockHead,
    ) -> Result<Body<'a>, ErrorKind> {
        Body::of(bytes, Held::There(source, offset, head))
    }

    fn of(bytes: &[u8], held: Held<'a>) -> Result<Body<'a>, ErrorKind> {
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
            let end = at
                .checked_add(stored)
                .ok_or_else(|| malformed("directory"))?;
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
            held,
            zone,
            entries,
        })
    }

    /// What the directory says of each column.
    pub(crate) fn list(&self) -> Vec<ColumnInfo> {
        let row = |((number, key), entry): (&(u16, u32), &Entry)| ColumnInfo {
            number: *number,
            key: *key,
            raw: entry.raw,
            stored: entry.stored.len() as u64,
        };
        self.entries.iter().map(row).collect()
    }

    /// The bytes of a column as they are stored, `None` when it is not there.
    fn stored(&self, entry: &Entry) -> Result<Cow<'a, [u8]>, ErrorKind> {
        let stored = match self.held {
            Held::Here(bytes) => {
                Cow::Borrowed(bytes.get(entry.stored.clone()).ok_or(ErrorKind::Short {
                    what: "column",
                    expected: entry.stored.len() as u64,
                    found: bytes.len().saturating_sub(entry.stored.start) as u64,
                })?)
            }
            Held::There(source, offset, head) => Cow::Owned(source.body(
                offset,
                head,
                entry.stored.start as u64,
                entry.stored.len() as u64,
            )?),
        };
        let found = crc32c::crc32c(&stored);
        if found != entry.crc {
            return Err(ErrorKind::Checksum {
                what: "column",
                expected: entry.crc,
                found,
            });
        }
        Ok(stored)
    }

    /// The bytes of a column, `None` when it is not there.
    pub(crate) fn column(&self, number: u16, key: u32) -> Result<Option<Cow<'a, [u8]>>, ErrorKind> {
        let Some(entry) = self.entries.get(&(number, key)) else {
            return Ok(None);
        };
        let stored = self.stored(entry)?;
        match entry.codec {
            0 if entry.raw == stored.len() as u64 => Ok(Some(stored)),
            1 => decompress(&stored, entry.raw).map(|raw| Some(Cow::Owned(raw))),
            _ => Err(malformed("column")),
        }
    }

    /// Whether its columns are lists, as from version 1.3 on.
    pub(crate) fn in_lists(&self) -> bool {
        self.has(column::TIMES, 0)
    }

    /// Whether there is a column.
    pub(crate) fn has(&self, number: u16, key: u32) -> bool {
        self.entries.contains_key(&(number, key))
    }

    /// Whether the arguments of a type have a column of their own.
    pub(crate) fn has_values(&self, ty: TypeId) -> bool {
        self.has(column::VALUES, u32::from(ty.0).saturating_add(1))
    }

    /// Takes a column in parts apart to its end; `None` when it is not there.
    pub(crate) fn parts<T>(
        &self,
        number: u16,
        key: u32,
        take: impl FnOnce(&mut PartsReader<'_>) -> Result<T, ErrorKind>,
    ) -> Result<Option<T>, ErrorKind> {
        let Some(entry) = self.entries.get(&(number, key)) else {
            return Ok(None);
        };
        let stored = self.stored(entry)?;
        if entry.codec != 2 {
            return Err(malformed("column"));
        }
        let mut parts = PartsReader::new(&stored, entry.raw)?;
        let taken = take(&mut parts)?;
        parts.end()?;
        Ok(Some(taken))
    }

    pub(crate) fn bytes_of(&self, number: u16) -> Result<Cow<'a, [u8]>, ErrorKind> {
        Ok(self.column(number, 0)?.unwrap_or_default())
    }

    /// One integer per row.
    pub(crate) fn ints(&self, number: u16, count: usize) -> Result<Vec<i64>, ErrorKind> {
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
        let mut strings = None;
        for (number, tag) in [
            (column::PROCESS_TABLE, row::PROCESS),
            (column::CONTAINER_TABLE, row::CONTAINER),
            (column::USER_TABLE, row::USER),
            (column::GROUP_TABLE, row::GROUP),
        ] {
            if !self.has(number, 0) {
                continue;
            }
            let strings = match &strings {
                Some(strings) => strings,
                None => {
                    strings.insert(self.dictionary(column::ROW_LEN, None, column::ROW_BYTES)?)
                }
            };
            let most = match number {
                column::CONTAINER_TABLE => MAX_CONTAINER_ROWS,
                _ => MAX_CHUNK,
            };
            let rows = self.parts(number, 0, |parts| take_table(parts, tag, strings, most))?;
            take_rows(&rows.unwrap_or_default(), &mut tables)?;
        }
        if self.has(column::FILE_TABLE, 0) {
            let strings = self.texts()?;
            let take =
                |parts: &mut PartsReader<'_>| take_table(parts, row::FILE, &strings, MAX_CHUNK);
            let rows = self.parts(column::FILE_TABLE, 0, take)?;
            take_rows(&rows.unwrap_or_default(), &mut tables)?;
        }
        Ok(tables)
    }

    /// The threads and how many rows each has.
    pub(crate) fn threads(&self, count: usize) -> Result<Vec<(u32, usize)>, ErrorKind> {
        let bytes = self.bytes_of(column::THREAD)?;
        let mut cursor = Cursor::new(&bytes);
        let (mut tid, mut left, mut runs) = (0_u32, count as u64, Vec::new());
        while cursor.left() > 0 {
            let step = u32::try_from(cursor.varint()?).map_err(|_| malformed("thread column"))?;
            tid = tid.wrapping_add(step);
            let run = cursor.varint()?;
            left = left
                .checked_sub(run)
                .ok_or_else(|| malformed("thread column"))?;
            if run == 0 {
                return Err(malformed("thread column"));
            }
            runs.push((tid, run as usize));
        }
        if left != 0 {
            return Err(malformed("thread column"));
        }
        Ok(runs)
    }

    /// The strings of arguments, and the paths.
    pub(crate) fn texts(&self) -> Result<Dictionary<'a>, ErrorKind> {
        self.dictionary(column::TEXT_LEN, Some(column::TEXT_CUT), column::TEXT_BYTES)
    }

    /// The payloads.
    pub(crate) fn payloads(&self) -> Result<Dictionary<'a>, ErrorKind> {
        self.dictionary(column::DATA_LEN, Some(column::DATA_CUT), column::DATA_BYTES)
    }

    fn dictionary(
        &self,
        lengths: u16,
        cuts: Option<u16>,
        bytes: u16,
    ) -> Result<Dictionary<'a>, ErrorKind> {
        let (lengths, bytes) = (self.bytes_of(lengths)?, self.bytes_of(bytes)?);
        let cuts = match cuts {
            Some(cuts) => self.bytes_of(cuts)?,
            None => Cow::default(),
        };
        Dictionary::take(&lengths, &cuts, bytes)
    }
}

pub(crate) fn end_of(cursor: &Cursor<'_>) -> Result<(), ErrorKind> {
    if cursor.left() == 0 {
        Ok(())
    } else {
        Err(malformed("end of a column"))
    }
}
