//! Keyframes: any instant is told by one of them and the chunks behind it, and they cost an opening reader nothing.

use crate::damage::recovered;
use crate::story::{event, story};
use afterimage_format::{Reader, Writer, WriterOptions};
use afterimage_model::{BootNs, ProcId, Process, Totals};
use std::sync::Arc;

/// Ten chunks of ten events with a keyframe behind every second; the last row of each keyframe is in no other state, and in every
/// other one it was over.
pub fn capture() -> Vec<u8> {
    let story = story();
    let mut writer = Writer::new(
        Vec::new(),
        &story.manifest,
        &story.schema,
        WriterOptions::default(),
    )
    .unwrap();
    writer.state(BootNs(1_000), &story.tables).unwrap();
    for chunk in 0..10_u64 {
        for at in 0..10 {
            writer.push(event(chunk * 10 + at), &story.tables).unwrap();
        }
        writer.flush(&story.tables).unwrap();
        if chunk % 2 == 1 {
            let mut tables = story.tables.clone();
            let id = ProcId(100 + chunk as u32);
            let row = Process {
                id,
                past: chunk % 4 == 1,
                ..Process::default()
            };
            tables.procs.insert(id, Arc::new(row));
            writer.keyframe(after(chunk), &tables).unwrap();
        }
    }
    writer.seal(&Totals::default(), &story.tables).unwrap()
}

/// As [`capture`], where the keyframe behind six chunks alone begins a section.
fn in_sections() -> Vec<u8> {
    let story = story();
    let (manifest, options) = (&story.manifest, WriterOptions::default());
    let mut writer = Writer::new(Vec::new(), manifest, &story.schema, options).unwrap();
    writer.state(BootNs(1_000), &story.tables).unwrap();
    for chunk in 0..10_u64 {
        for at in 0..10 {
            writer.push(event(chunk * 10 + at), &story.tables).unwrap();
        }
        writer.flush(&story.tables).unwrap();
        let mut tables = story.tables.clone();
        let id = ProcId(100 + chunk as u32);
        let row = Process {
            id,
            ..Process::default()
        };
        tables.procs.insert(id, Arc::new(row));
        match chunk {
            5 => writer.keyframe(after(chunk), &tables).unwrap(),
            1 | 3 | 7 | 9 => writer.keyframe_within(after(chunk), &tables).unwrap(),
            _ => {}
        }
    }
    writer.seal(&Totals::default(), &story.tables).unwrap()
}

/// What is recovered of a capture that was cut.
fn saved(file: &[u8]) -> Reader {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("a.aft"), folder.path().join("b.aft"));
    std::fs::write(&from, file).unwrap();
    recovered(&from, &to).unwrap();
    Reader::open(&to).unwrap()
}

#[test]
fn a_keyframe_within_a_section_begins_none_and_tells_later_instants_of_it() {
    let reader = crate::frozen::sample("v1.6", "sections", in_sections);
    let sections = reader.sections();
    let chunks: Vec<_> = sections
        .iter()
        .map(|section| section.chunks.clone())
        .collect();
    assert_eq!(chunks, [0..6, 6..10]);
    assert_eq!(reader.section(&sections[1]).unwrap().0, after(5));
    for (section, instant, wanted) in [
        (0, event(5).time, None),
        (0, after(1), Some((1, 2..6))),
        (0, event(35).time, Some((1, 2..6))),
        (0, event(55).time, Some((3, 4..6))),
        // Of what is later than the section.
        (0, BootNs(u64::MAX), Some((3, 4..6))),
        (1, event(65).time, None),
        (1, event(85).time, Some((7, 8..10))),
        (1, BootNs(u64::MAX), Some((9, 10..10))),
    ] {
        let found = reader.within(&sections[section], instant).unwrap();
        let told = found.map(|frame| (frame.at, frame.chunks));
        assert_eq!(told, wanted.map(|(chunk, chunks)| (after(chunk), chunks)));
    }
    // What the file tells as a whole has nothing of them alone.
    let known = |chunk: u32| reader.state().procs.contains_key(&ProcId(100 + chunk));
    assert_eq!(
        [1, 3, 5, 7, 9].map(known),
        [false, false, true, false, false]
    );
    // A recovered capture keeps them.
    let bytes = in_sections();
    let again = saved(&bytes[..bytes.len() - 100]);
    assert_eq!(again.sections(), sections);
}

/// An instant behind a chunk and before the next.
pub fn after(chunk: u64) -> BootNs {
    BootNs(event(chunk * 10 + 9).time.0 + 5)
}

#[test]
fn an_instant_is_told_by_the_keyframe_before_it_and_the_chunks_of_one_interval() {
    let reader = Reader::from_bytes(capture()).unwrap();
    assert_eq!(reader.keyframes(), 6);
    for (instant, at, chunks) in [
        (BootNs(1_500), BootNs(1_000), 0..0),
        (event(5).time, BootNs(1_000), 0..1),
        (event(19).time, BootNs(1_000), 0..2),
        (after(1), after(1), 2..2),
        (event(20).time, after(1), 2..3),
        (event(39).time, after(1), 2..4),
        (event(85).time, after(7), 8..9),
        (BootNs(u64::MAX), after(9), 10..10),
    ] {
        let frame = reader.keyframe(instant).unwrap().unwrap();
        assert_eq!(
            (frame.at, frame.chunks.clone()),
            (at, chunks),
            "{instant:?}"
        );
        assert!(frame.chunks.len() <= 2);
        assert_eq!(
            frame.tables.procs.contains_key(&ProcId(103)),
            at == after(3)
        );
        assert_eq!(frame.tables.mounts, reader.state().mounts);
    }
    assert!(reader.keyframe(BootNs(999)).unwrap().is_none());
}

#[test]
fn only_keyframes_that_tell_what_was_over_stand_for_the_events_before_them() {
    let mut file = capture();
    let reader = Reader::from_bytes(file.clone()).unwrap();
    let resumed = |reader: &Reader, instant, spared| {
        let frame = reader.resume(instant, spared).unwrap();
        frame.map(|frame| (frame.at, frame.chunks))
    };
    // The state that the file begins with is none, and few events are read sooner.
    assert_eq!(resumed(&reader, event(19).time, 0), None);
    assert_eq!(resumed(&reader, event(39).time, 0), Some((after(1), 2..4)));
    assert_eq!(resumed(&reader, event(39).time, 20), None);
    assert_eq!(
        resumed(&reader, event(99).time, 79),
        Some((after(7), 8..10))
    );
    // Of version 1.3: its head is all that is other.
    file[10..12].copy_from_slice(&3_u16.to_le_bytes());
    let check = crc32c::crc32c(&file[..20]);
    file[20..24].copy_from_slice(&check.to_le_bytes());
    let older = Reader::from_bytes(file).unwrap();
    assert_eq!(older.keyframes(), 6);
    assert_eq!(resumed(&older, event(99).time, 0), None);
}

#[test]
fn who_reads_the_whole_file_reads_only_the_last_keyframe() {
    let reader = Reader::from_bytes(capture()).unwrap();
    let rows = &reader.state().procs;
    assert!(rows.contains_key(&ProcId(109)) && !rows.contains_key(&ProcId(107)));
}

#[test]
fn a_recovered_capture_keeps_its_keyframes() {
    let file = capture();
    let reader = saved(&file[..file.len() - 50]);
    let frame = reader.keyframe(event(85).time).unwrap().unwrap();
    assert_eq!((frame.at, frame.chunks), (after(7), 8..9));
}

#[test]
fn the_frozen_sample_with_keyframes_still_tells_its_instants() {
    let reader = crate::frozen::sample("v1.4", "keyframes", capture);
    assert_eq!(reader.keyframes(), 6);
    for chunk in [1_u64, 3, 5, 7, 9] {
        let frame = reader.resume(after(chunk), 0).unwrap().unwrap();
        assert_eq!(frame.at, after(chunk));
        let row = frame.tables.procs.get(&ProcId(100 + chunk as u32));
        assert_eq!(row.map(|row| row.past), Some(chunk % 4 == 1));
    }
}
