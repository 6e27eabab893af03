//! Captures of sysdig that are looked over before they are read: what is answered is what following every event answers. The
//! captures are those of others and our own, as they are and with blocks left out, doubled, put elsewhere, given to other
//! threads, or damaged; the filters are random, near what is there.
//!
//! `AFTERIMAGE_LONG=1` asks many more.

use afterimage_interop::open::manifest;
use afterimage_interop::scap::{self, Report, Sieve, Stream};
use afterimage_model::{Ctx, Event, EventFlags, TypeDesc, TypeId};
use afterimage_query::{Filter, Template};
use afterimage_tests::asking::{Asked, Chance, asked, filter};
use afterimage_tests::{asking, peers};
use std::fs::{self, File};
use std::io::{BufReader, Write};
use std::path::{Path, PathBuf};

/// What is shown of an event: what the thread, its process, its ancestors and its descriptors say.
const SHOWN: &str = "*%evt.num %evt.rawtime %evt.cpu %evt.type %evt.latency %evt.failed %thread.tid %thread.vtid %proc.pid %proc.name \
    %proc.pname %proc.aname[2] %proc.sname %proc.cmdline %proc.exepath %proc.cwd %proc.nthreads %proc.nchilds %thread.exectime \
    %proc.fdopencount %fd.num %fd.type %fd.name %fd.connected %fd.name_changed %user.name %container.id %container.name %evt.args";

fn stream(path: &Path, again: bool) -> Stream {
    let file = File::open(path).unwrap();
    let opened = match again {
        true => Stream::of_file(file, manifest()),
        false => Stream::open(Box::new(BufReader::new(file)), manifest()),
    };
    opened.unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The lines of the events that match, how many events there were, and what was lost; and of how many the arguments were asked.
fn answer(path: &Path, filter: &Filter, ahead: bool) -> (Vec<String>, u64, Report, u64) {
    let stream = stream(path, ahead);
    let schema = stream.schema();
    let (manifest, first_ns) = (stream.manifest().clone(), stream.start());
    let shown = Template::parse(SHOWN).unwrap();
    let ids = (0..).map(TypeId).zip(&schema.types);
    let idle: Vec<bool> = ids
        .map(|(id, ty)| ty.is(TypeDesc::INTERNAL) || !filter.may_match_type(schema, id))
        .collect();
    let words = filter.words().unwrap_or_default();
    let mut followed = 0;
    let sieve = Sieve {
        kept: true,
        patient: ahead,
        words: &words,
        idle: &idle,
        may: &mut |_, _, _, _| {
            followed += 1;
            true
        },
        of: &mut |_, _, _| true,
    };
    let mut lines = Vec::new();
    let mut event = Event::of_type(TypeId(0));
    let ended = stream
        .sift(sieve, &mut |stretch| {
            for (at, number) in stretch.numbers.iter().enumerate() {
                let row = stretch.batch.row(at).unwrap();
                if row.flags.has(EventFlags::INTERNAL) {
                    continue;
                }
                stretch.batch.args_into(at, &mut event.args);
                (event.time, event.cpu, event.seq, event.ty) = (row.time, row.cpu, row.seq, row.ty);
                (event.abi, event.flags, event.tid) = (row.abi, row.flags, row.tid);
                (event.proc, event.file) = (row.proc, row.file);
                (event.result, event.latency_ns) = (row.result, row.latency_ns);
                let ctx = Ctx {
                    manifest: &manifest,
                    schema,
                    tables: &stretch.tables,
                    event: &event,
                    num: *number,
                    first_ns,
                    previous_ns: event.time.0,
                };
                if filter.matches(&ctx) {
                    lines.push(shown.print(&ctx).unwrap());
                }
            }
            Ok(true)
        })
        .unwrap()
        .unwrap();
    let events = ended.events();
    (lines, events, ended.report(), followed)
}

/// The blocks of a capture.
fn blocks(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let mut blocks = Vec::new();
    while rest.len() >= 12 {
        let len = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
        if len < 12 || len > rest.len() {
            break;
        }
        blocks.push(rest[..len].to_vec());
        rest = &rest[len..];
    }
    blocks
}

fn is_event(block: &[u8]) -> bool {
    block.len() >= 36 && matches!(block[..2], [0x04 | 0x16, 2])
}

const TID: std::ops::Range<usize> = 18..26;

/// A capture in which something is otherwise.
fn changed(chance: &mut Chance, bytes: &[u8]) -> Vec<u8> {
    let mut blocks = blocks(bytes);
    for _ in 0..1 + chance.below(4) {
        let events: Vec<usize> = (0..blocks.len())
            .filter(|at| is_event(&blocks[*at]))
            .collect();
        if events.is_empty() {
            break;
        }
        let (at, other) = (*chance.of(&events), *chance.of(&events));
        match chance.below(9) {
            // Left out, one or many.
            0 => blocks[at].clear(),
            1 => (at.min(other)..at.max(other)).for_each(|at| blocks[at].clear()),
            // Put elsewhere, said twice.
            2 => blocks.swap(at, other),
            3 if !blocks[at].is_empty() => {
                let block = blocks[at].clone();
                blocks[other].extend(block);
            }
            // Of another thread, as many events in a row.
            4 | 5 if is_event(&blocks[at]) => {
                let tid = blocks[at][TID].to_vec();
                for block in blocks.iter_mut().skip(other).take(1 + chance.below(40)) {
                    if is_event(block) {
                        block[TID].copy_from_slice(&tid);
                    }
                }
            }
            // Another byte of what is held.
            6 | 7 => {
                let block = &mut blocks[at];
                if block.len() > 41 {
                    let place = 36 + chance.below(block.len() - 41);
                    match chance.below(2) {
                        0 => block[place] = *chance.of(b"./a\x01\0"),
                        // Left out where paths are joined.
                        _ => block[place..place + 2].copy_from_slice(b"./"),
                    }
                }
            }
            // Once more from the start, or up to here.
            _ => match chance.below(2) {
                0 => {
                    let again = blocks.clone();
                    blocks.extend(again);
                }
                _ => blocks.truncate(at.max(other)),
            },
        }
    }
    let mut bytes = blocks.concat();
    if chance.below(6) == 0 {
        let at = chance.below(bytes.len());
        bytes[at] ^= 1 << chance.below(8);
    }
    bytes
}

/// Filters that leave few events, or none: texts that are there, nearly there, or nowhere, and types.
fn narrow(chance: &mut Chance, fields: &[Asked]) -> String {
    let texts: Vec<&Asked> = fields
        .iter()
        .filter(|field| field.name.starts_with("proc.") || field.name.starts_with("fd."))
        .filter(|field| !field.values.is_empty())
        .collect();
    let types = [
        "execve", "clone", "open", "openat", "connect", "close", "switch", "prctl", "chdir",
    ];
    let one = |chance: &mut Chance| match chance.below(5) {
        _ if texts.is_empty() => asking::comparison(chance, fields),
        0 => format!("evt.type={}", chance.of(&types)),
        1 => format!("evt.type in ({}, {})", chance.of(&types), chance.of(&types)),
        2 => {
            let field = chance.of(&texts);
            let text = chance.of(&field.values).clone();
            let part = asking::part(chance, &text);
            format!(
                "{} contains {}",
                field.name,
                afterimage_query::quote(part.as_bytes())
            )
        }
        _ => asking::comparison(chance, fields),
    };
    let word = *chance.of(&["and", "and", "or"]);
    match chance.below(3) {
        0 => one(chance),
        _ => format!("{} {word} {}", one(chance), one(chance)),
    }
}

#[test]
fn what_is_looked_over_first_is_answered_as_if_every_event_were_followed() {
    let long = std::env::var_os("AFTERIMAGE_LONG").is_some();
    let desk = tempfile::tempdir().unwrap();
    let mut captures: Vec<PathBuf> = peers::captures();
    // Where only our own are there, they are asked more.
    let (changes, questions) = match (long, captures.is_empty()) {
        (true, _) => (60, 60),
        (false, false) => (4, 16),
        (false, true) => (6, 30),
    };
    if !long {
        captures.retain(|path| path.metadata().is_ok_and(|meta| meta.len() < 600_000));
    }
    // In one sample everybody comes from the same few; of several, one after the other, most have nothing to do with what is asked.
    let mut all = Vec::new();
    for sample in ["break-in", "crash-loop", "quiet-web"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1");
        let reader = afterimage_interop::open(&folder.join(sample).with_extension("aft")).unwrap();
        let before = all.len();
        scap::write(&reader, &mut all, false, &mut |_| true).unwrap();
        captures.push(desk.path().join(sample).with_extension("scap"));
        fs::write(captures.last().unwrap(), &all[before..]).unwrap();
    }
    captures.push(desk.path().join("all.scap"));
    fs::write(captures.last().unwrap(), &all).unwrap();
    let (mut asked_so_far, mut matched, mut passed, mut whole) = (0_u64, 0, 0, 0);
    for (nth, path) in captures.iter().enumerate() {
        let mut bytes = fs::read(path).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            let mut from = flate2::read::MultiGzDecoder::new(bytes.as_slice());
            std::io::copy(&mut from, &mut plain).unwrap();
            bytes = plain;
        }
        let fields = asked(&afterimage_indexer::Session::from_reader(
            afterimage_interop::open(path).unwrap(),
        ));
        let mut chance = Chance::of_capture(nth);
        let mutated = desk.path().join("changed.scap");
        for change in 0..changes {
            let bytes = match change {
                0 => bytes.clone(),
                _ => changed(&mut chance, &bytes),
            };
            File::create(&mutated).unwrap().write_all(&bytes).unwrap();
            for _ in 0..questions {
                let text = match chance.below(4) {
                    0 => filter(&mut chance, &fields, 2),
                    _ => narrow(&mut chance, &fields),
                };
                let Ok(filter) = Filter::parse(&text) else {
                    continue;
                };
                if filter.is_ordered() {
                    continue;
                }
                let plain = answer(&mutated, &filter, false);
                let ahead = answer(&mutated, &filter, true);
                let keep = || {
                    let kept = std::env::temp_dir().join(format!("ahead-{nth}-{change}.scap"));
                    fs::copy(&mutated, &kept).unwrap();
                    format!("{text}\nof {} (see {})", path.display(), kept.display())
                };
                let first = plain.0.iter().zip(&ahead.0).find(|(a, b)| a != b);
                assert!(first.is_none(), "{first:#?}\n{}", keep());
                assert_eq!(plain.0.len(), ahead.0.len(), "{}", keep());
                assert_eq!((plain.1, plain.2), (ahead.1, ahead.2.clone()), "{}", keep());
                asked_so_far += 1;
                matched += ahead.0.len() as u64;
                passed += plain.3 - ahead.3;
                whole += u64::from(ahead.2.gaps.is_empty());
            }
        }
    }
    let counts = format!("{asked_so_far} {matched} {whole} {passed}");
    assert!(asked_so_far > 400 && matched > 1000, "{counts}");
    assert!(whole > 200 && passed > 100, "{counts}");
}
