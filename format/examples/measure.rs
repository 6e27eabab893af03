//! Prints what a capture costs: bytes per event, column by column, written anew at several levels, and the rates at which
//! events are encoded, decoded and looked through. `tests/bench/format` makes the capture and calls this with `--release`.
//!
//! usage: measure CAPTURE [columns] [live] [rates] [decode]; `columns` adds the bytes of each column, `live` leaves out what is
//! written at the level of archives, `rates` writes nothing, and tells how fast the capture is read as it is, `decode` how fast its
//! columns alone are, the least of thirty times.
#![allow(clippy::print_stdout, reason = "its table is what it is for")]

use afterimage_format::layout::column;
use afterimage_format::{Arg, Batch, Heads, Reader, Row, Writer, WriterOptions, is_payload};
use afterimage_model::{BootNs, Event, Schema, Tables, Totals};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;

type Failure = Box<dyn std::error::Error>;

/// Times each rate is measured; the best counts.
const TIMES: usize = 3;
/// Times decoding is measured where it is all that is asked.
const MANY_TIMES: usize = 30;

/// A text that no string of a capture holds.
const NOWHERE: &[u8] = b"no_such_name_anywhere";

/// CPU seconds of this process.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The least CPU seconds that this takes.
fn least(work: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    least_of(TIMES, work)
}

/// The least of so many times.
fn least_of(times: usize, mut work: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let mut least = f64::MAX;
    for _ in 0..times {
        let began = cpu();
        work()?;
        least = least.min(cpu() - began);
    }
    Ok(least)
}

/// A bit for each argument of each type that is payload.
fn payload_of(schema: &Schema) -> Vec<u64> {
    let marks = schema.types.iter().map(|ty| {
        let payload = ty
            .args
            .iter()
            .enumerate()
            .filter(|(_, arg)| is_payload(arg.kind()));
        payload.fold(0_u64, |marks, (at, _)| marks | 1 << at)
    });
    marks.collect()
}

/// How a capture is written anew.
#[derive(Clone, Copy)]
struct How {
    name: &'static str,
    level: i32,
    payload: bool,
    /// Chunks of an archive rather than of a recording.
    large: bool,
    /// ns that a time is a multiple of.
    unit: u64,
}

const HOWS: [How; 6] = [
    How {
        name: "as recorded, without payload",
        level: 1,
        payload: false,
        large: false,
        unit: 1,
    },
    How {
        name: "as recorded",
        level: 1,
        payload: true,
        large: false,
        unit: 1,
    },
    How {
        name: "repacked, without payload",
        level: 19,
        payload: false,
        large: true,
        unit: 1,
    },
    How {
        name: "repacked",
        level: 19,
        payload: true,
        large: true,
        unit: 1,
    },
    How {
        name: "µs, without payload",
        level: 1,
        payload: false,
        large: false,
        unit: 1_000,
    },
    How {
        name: "µs, repacked, without payload",
        level: 19,
        payload: false,
        large: true,
        unit: 1_000,
    },
];

/// CPU seconds that it took to write a capture.
#[derive(Clone, Copy)]
struct Spent {
    /// Putting events into batches.
    filling: f64,
    /// Batches to chunks of the file.
    encoding: f64,
}

/// The file, and what that took.
fn write(
    reader: &Reader,
    chunks: &[(Vec<Event>, Tables)],
    how: How,
) -> Result<(Vec<u8>, Spent), Failure> {
    let mut options = WriterOptions {
        level: how.level,
        ..WriterOptions::default()
    };
    if how.large {
        (options.chunk_events, options.chunk_span_ns) = (1 << 18, u64::MAX);
    }
    let payload = payload_of(reader.schema());
    let mut batch = Batch::new(reader.schema());
    let mut writer = Writer::new(
        Vec::new(),
        reader.manifest(),
        reader.schema(),
        options.clone(),
    )?;
    let mut tables = Tables::default();
    let (mut filling, mut encoding) = (0.0, 0.0);
    for (events, rows) in chunks {
        tables.absorb(rows);
        let mut began = cpu();
        for event in events {
            let marks = payload.get(usize::from(event.ty.0)).copied().unwrap_or(0);
            let mut args: smallvec::SmallVec<[Arg<'_>; 8]> =
                event.args.iter().map(Arg::from).collect();
            if !how.payload && marks != 0 {
                for (at, arg) in args.iter_mut().enumerate() {
                    if marks >> at & 1 == 1 && matches!(arg, Arg::Bytes(..)) {
                        *arg = Arg::Absent;
                    }
                }
            }
            let mut row = Row::from(event);
            row.time = BootNs(row.time.0 / how.unit * how.unit);
            row.latency_ns = row.latency_ns / how.unit * how.unit;
            if options.is_full(&batch, &row, &args) {
                let full = cpu();
                filling += full - began;
                let needs = batch.needs(&tables);
                writer.chunk(&batch, &needs)?;
                batch.clear();
                began = cpu();
                encoding += began - full;
            }
            batch.push(row, &args, &tables)?;
        }
        filling += cpu() - began;
    }
    let began = cpu();
    let needs = batch.needs(&tables);
    writer.chunk(&batch, &needs)?;
    encoding += cpu() - began;
    let file = writer.seal(&Totals::default(), reader.state())?;
    Ok((file, Spent { filling, encoding }))
}

fn columns(reader: &Reader) -> Result<(), Failure> {
    let mut sums: BTreeMap<(u16, u32), (u64, u64)> = BTreeMap::new();
    let (mut chunks, mut head) = (0_u64, 0_u64);
    for (at, info) in reader.chunks().iter().enumerate() {
        chunks += info.len;
        head += info.len;
        for one in reader.columns(at)?.directory() {
            let sum = sums.entry((one.number, one.key)).or_default();
            sum.0 += one.raw;
            sum.1 += one.stored;
            head -= one.stored;
        }
    }
    let events = reader.events() as f64;
    let others = reader.bytes() - chunks;
    let mut rows = vec![
        ("zone maps and directories".to_owned(), head, head),
        ("all but chunks".to_owned(), others, others),
    ];
    let mut by_number: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
    for ((number, key), (raw, stored)) in &sums {
        let sum = by_number.entry(*number).or_default();
        sum.0 += raw;
        sum.1 += stored;
        if *key != 0 && *stored as f64 / events > 0.01 {
            let ty = reader
                .schema()
                .types
                .get(*key as usize - 1)
                .map_or("?", |ty| ty.name.as_str());
            rows.push((format!("  of {ty}"), *raw, *stored));
        }
    }
    for (number, (raw, stored)) in by_number {
        let name = column::ALL
            .iter()
            .find(|row| row.0 == number)
            .map_or("?", |row| row.1);
        rows.push((name.to_owned(), raw, stored));
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.2));
    println!("    {:<32} {:>10} {:>10}", "column", "raw B/ev", "B/ev");
    for (name, raw, stored) in rows {
        if stored as f64 / events >= 0.0005 {
            println!(
                "    {name:<32} {:>10.3} {:>10.4}",
                raw as f64 / events,
                stored as f64 / events
            );
        }
    }
    Ok(())
}

/// Takes every list but results and arguments.
fn all_lists(heads: &Heads<'_>) -> Result<(), Failure> {
    black_box((heads.types()?, heads.marks()?, heads.tids()?));
    black_box((heads.cpus()?, heads.procs()?, heads.files()?));
    black_box((heads.times()?, heads.latencies()?, heads.order()?));
    Ok(())
}

/// How long something took that looked at so many events.
fn print(name: &str, events: f64, seconds: f64) {
    println!(
        "{name:<44} {:>9.2} ns/event {:>9.1} M events/s",
        seconds * 1e9 / events,
        events / seconds / 1e6
    );
}

/// Decoding columns, the least of so many times.
fn decode(reader: &Reader, times: usize) -> Result<(), Failure> {
    let events = reader.events() as f64;
    let all = || 0..reader.chunks().len();
    print(
        "decoded, no strings",
        events,
        least_of(times, || {
            for at in all() {
                let columns = reader.columns(at)?;
                let heads = columns.heads()?;
                all_lists(&heads)?;
                black_box(columns.values(&heads)?);
            }
            Ok(())
        })?,
    );
    print(
        "decoded, times and types in order of the file",
        events,
        least_of(times, || {
            for at in all() {
                let columns = reader.columns(at)?;
                all_lists(&columns.heads()?)?;
            }
            Ok(())
        })?,
    );
    Ok(())
}

fn rates(reader: &Reader) -> Result<(), Failure> {
    let events = reader.events() as f64;
    let print = |name: &str, seconds: f64| print(name, events, seconds);
    let all = || 0..reader.chunks().len();
    decode(reader, TIMES)?;
    print(
        "decoded to events with strings and rows",
        least(|| {
            for at in all() {
                black_box(reader.chunk(at)?);
            }
            Ok(())
        })?,
    );
    let mut found = 0_u64;
    print(
        "one column: events of a type",
        least(|| {
            found = 0;
            for at in all() {
                let columns = reader.columns(at)?;
                let zone = columns.zone();
                let wanted = zone.types.iter().max_by_key(|row| row.1).map(|row| row.0);
                let wanted = zone
                    .types
                    .iter()
                    .position(|row| Some(row.0) == wanted)
                    .unwrap_or(0) as u16;
                found += columns
                    .heads()?
                    .types()?
                    .iter()
                    .filter(|ty| **ty == wanted)
                    .count() as u64;
            }
            Ok(())
        })?,
    );
    println!("    {found} of them");
    print(
        "strings of all chunks decompressed",
        least(|| {
            for at in all() {
                black_box(reader.columns(at)?.strings()?);
            }
            Ok(())
        })?,
    );
    let (mut passed, mut filtered, mut bytes) = (0_u64, 0_u64, 0_u64);
    print(
        "a text that is nowhere",
        least(|| {
            (passed, filtered, bytes) = (0, 0, 0);
            for at in all() {
                let pieces = reader.zone(at)?.pieces;
                filtered += u64::from(pieces.bytes() > 0);
                bytes += pieces.bytes() as u64;
                if pieces.may_hold_text(NOWHERE) {
                    passed += 1;
                    let strings = reader.columns(at)?.strings()?;
                    black_box(strings.windows(NOWHERE.len()).any(|part| part == NOWHERE));
                }
            }
            Ok(())
        })?,
    );
    println!(
        "    {passed} of {} chunks may hold it; {filtered} have a filter, {bytes} bytes, {:.4} B/event",
        reader.chunks().len(),
        bytes as f64 / events
    );
    print(
        "zone maps",
        least(|| {
            for at in all() {
                black_box(reader.zone(at)?);
            }
            Ok(())
        })?,
    );
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let path = args
        .next()
        .ok_or("usage: measure CAPTURE [columns] [live] [rates] [decode]")?;
    let (mut with_columns, mut live, mut only_rates) = (false, false, false);
    let mut only_decode = false;
    for word in args {
        match word.as_str() {
            "columns" => with_columns = true,
            "live" => live = true,
            "rates" => only_rates = true,
            "decode" => only_decode = true,
            _ => return Err("usage: measure CAPTURE [columns] [live] [rates] [decode]".into()),
        }
    }
    let reader = Reader::open(Path::new(&path))?;
    let events = reader.events() as f64;
    println!(
        "{} events in {} chunks, {:.3} B/event as it is",
        reader.events(),
        reader.chunks().len(),
        reader.bytes() as f64 / events
    );
    if only_decode {
        return decode(&reader, MANY_TIMES);
    }
    if only_rates {
        return rates(&reader);
    }
    let mut chunks = Vec::new();
    let mut types: BTreeMap<u16, u64> = BTreeMap::new();
    for at in 0..reader.chunks().len() {
        let chunk = reader.chunk(at)?;
        for event in &chunk.events {
            *types.entry(event.ty.0).or_default() += 1;
        }
        chunks.push((chunk.events, chunk.tables));
    }
    let mut types: Vec<_> = types.into_iter().collect();
    types.sort_by_key(|row| std::cmp::Reverse(row.1));
    for (ty, count) in types.iter().take(12) {
        let name = reader
            .schema()
            .types
            .get(usize::from(*ty))
            .map_or("?", |ty| ty.name.as_str());
        print!("{name} {:.0} %, ", *count as f64 * 100.0 / events);
    }
    println!("…");
    for how in HOWS {
        if live && how.large {
            continue;
        }
        let (mut file, mut spent) = write(&reader, &chunks, how)?;
        for _ in 1..if how.large { 1 } else { TIMES } {
            let (again, other) = write(&reader, &chunks, how)?;
            file = again;
            spent.filling = spent.filling.min(other.filling);
            spent.encoding = spent.encoding.min(other.encoding);
        }
        println!(
            "{:<32} {:>9.3} B/event {:>8.1} ns/event to fill batches {:>8.1} to encode",
            how.name,
            file.len() as f64 / events,
            spent.filling * 1e9 / events,
            spent.encoding * 1e9 / events
        );
        let copy = Reader::from_bytes(file)?;
        if with_columns {
            columns(&copy)?;
        }
        if how.payload && !how.large {
            rates(&copy)?;
        }
    }
    Ok(())
}
