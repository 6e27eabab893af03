//! Prints bytes per event and nanoseconds per event, written and read, for a made-up stream of 64 threads doing ordinary file
//! work. Run with `--release`; made-up events compress better than real ones.
#![allow(clippy::print_stdout)]

use afterimage_format::{Reader, Writer, WriterOptions};
use afterimage_model::schema::current_type;
use afterimage_model::{
    Blob, BootNs, Event, File, FileId, FileKind, Manifest, ProcId, Process, Schema, Tables, Totals,
    Value,
};
use std::sync::Arc;
use std::time::Instant;

const EVENTS: u64 = 1_000_000;

/// Marsaglia's xorshift: repeatable, and no dependency.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut tables = Tables::default();
    for id in 0..64 {
        let process = Process {
            id: ProcId(id),
            comm: b"worker".to_vec(),
            argv: b"worker\0--run\0".to_vec(),
            ..Process::default()
        };
        tables.procs.insert(process.id, Arc::new(process));
    }
    for id in 0..5_000 {
        let path = format!("/usr/lib/part-{}/file-{id}.so", id % 97).into_bytes();
        let file = File {
            id: FileId(id),
            kind: FileKind::File,
            path,
            ino: 1_000 + u64::from(id),
            ..File::default()
        };
        tables.files.insert(file.id, Arc::new(file));
    }
    let names = ["openat", "read", "read", "close"].map(|name| current_type(name).ok_or(name));
    let mut types = Vec::new();
    for ty in names {
        types.push(ty?);
    }
    let (mut state, mut time, mut seq) = (0x9e37_79b9_7f4a_7c15, 1_000_000_u64, [0_u64; 4]);
    let events: Vec<Event> = (0..EVENTS)
        .map(|at| {
            let random = next(&mut state);
            time += 200 + random % 3_000;
            let (thread, step) = (random >> 32 & 63, (at / 64 % 4) as usize);
            let file = FileId((random >> 40) as u32 % 5_000);
            let args = match step {
                0 => vec![
                    Value::Num(-100),
                    Value::Bytes(Blob::whole(tables.files[&file].path.clone())),
                    Value::Num(0x8_0000),
                    Value::Num(0),
                ],
                3 => vec![Value::Num(3 + (random & 7) as i64)],
                _ => vec![
                    Value::Num(3 + (random & 7) as i64),
                    Value::Absent,
                    Value::Num(4096),
                ],
            };
            let cpu = (thread % 4) as usize;
            seq[cpu] += 1;
            Event {
                time: BootNs(time),
                cpu: cpu as u16,
                seq: seq[cpu],
                ty: types[step],
                abi: Default::default(),
                flags: Default::default(),
                tid: 1_000 + thread as u32,
                proc: ProcId(thread as u32),
                file: Some(file),
                result: if random & 31 == 0 {
                    -2
                } else {
                    (random & 7) as i64
                },
                latency_ns: 0,
                args: args.into_iter().collect(),
            }
        })
        .collect();

    for level in [1, 3, 9] {
        let options = WriterOptions {
            level,
            chunk_span_ns: u64::MAX,
            ..WriterOptions::default()
        };
        let copy = events.clone();
        let began = Instant::now();
        let mut writer = Writer::new(Vec::new(), &Manifest::default(), Schema::current(), options)?;
        for event in copy {
            writer.push(event, &tables)?;
        }
        let file = writer.seal(&Totals::default(), &tables)?;
        let written = began.elapsed();
        let bytes = file.len();
        let began = Instant::now();
        let reader = Reader::from_bytes(file)?;
        for at in 0..reader.chunks().len() {
            std::hint::black_box(reader.chunk(at)?);
        }
        let read = began.elapsed();
        let per = |time: std::time::Duration| time.as_nanos() as u64 / EVENTS;
        println!(
            "zstd {level}: {:.2} bytes, {} ns to write, {} ns to read an event",
            bytes as f64 / EVENTS as f64,
            per(written),
            per(read)
        );
    }
    Ok(())
}
