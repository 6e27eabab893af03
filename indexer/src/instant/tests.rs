//! What is told of an instant is the same however it is come by: by all events, by those that change something, from a keyframe on.

use super::*;
use afterimage_format::{Reader, Writer, WriterOptions};
use std::collections::BTreeSet;
use std::path::PathBuf;

fn sample(name: &str) -> Reader {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../samples/v1");
    Reader::open(&folder.join(name)).unwrap()
}

/// The same capture with what it says itself was known, as a keyframe behind each of its stretches of so many events.
fn with_keyframes(reader: &Reader, session: &Session, stretch: usize) -> Session {
    let mut writer = Writer::new(
        Vec::new(),
        session.manifest(),
        session.schema(),
        WriterOptions::default(),
    )
    .unwrap();
    writer.state(BootNs(0), session.state()).unwrap();
    for at in 0..reader.chunks().len() {
        let chunk = reader.chunk(at).unwrap();
        for events in chunk.events.chunks(stretch) {
            for event in events {
                writer.push(event.clone(), &chunk.tables).unwrap();
            }
            writer.flush(&chunk.tables).unwrap();
            let time = events.iter().map(|event| event.time).max().unwrap();
            let (mut tables, _) = Instant::tables(session, time, &Progress::default());
            tables.mounts.clear();
            writer.keyframe(time, &tables).unwrap();
        }
    }
    let totals = session.totals().cloned().unwrap_or_default();
    let file = writer.seal(&totals, session.state()).unwrap();
    Session::from_reader(Reader::from_bytes(file).unwrap())
}

/// Processes of an instant with their rows, and whether a keyframe that spares more events than this told.
fn told(session: &Session, at: u64, spared: u64) -> (String, bool) {
    let (state, complete) = Instant::of(session, at, spared, &Progress::default());
    assert!(complete);
    let living = state.living();
    let lines = living.map(|(who, process)| format!("{who:?} {:?}\n", process.id));
    let lines: String = lines.collect();
    (lines, session.resume(BootNs(at), spared).is_some())
}

/// All there is to know of a state, printed.
fn printed(state: &Instant) -> String {
    let sorted = |lines: Vec<String>| {
        let mut lines = lines;
        lines.sort();
        lines.join("\n")
    };
    let mut out = sorted(
        state
            .living()
            .map(|(who, row)| format!("{who:?} {row:?}"))
            .collect(),
    );
    for (who, open) in &state.open {
        for (fd, open) in open {
            let (file, since, x) = (open.file, open.since, open.closes_on_exec);
            out.push_str(&format!("\n{who:?} {fd} {file:?} {since:?} {x}"));
        }
    }
    out.push_str(&format!("\n{:?} {:?}", state.lived, state.mounted));
    for set in [
        sorted(state.ended.iter().map(|x| format!("{x:?}")).collect()),
        sorted(
            (state.touched.iter())
                .map(|(who, fds)| format!("{who:?} {:?}", fds.iter().collect::<BTreeSet<_>>()))
                .collect(),
        ),
        sorted(state.made.iter().map(|x| format!("{x:?}")).collect()),
        sorted(state.seen.iter().map(|x| format!("{x:?}")).collect()),
        sorted(state.listening.iter().map(|x| format!("{x:?}")).collect()),
        sorted(state.unmounted.iter().map(|x| format!("{x:?}")).collect()),
    ] {
        out.push_str(&format!("\n\n{set}"));
    }
    out
}

#[test]
fn a_replay_of_what_changes_something_gives_the_same_state_as_one_of_everything() {
    let samples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let folders = ["v1", "v1.3", "v1.4", "v1.5"].map(|name| samples.join(name));
    let files = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let mut told = 0;
    for entry in files {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "aft") {
            continue;
        }
        let (Ok(reader), Ok(again)) = (Reader::open(&path), Reader::open(&path)) else {
            continue;
        };
        let plain = Session::from_reader(reader);
        let Some((first, last)) = plain.span() else {
            continue;
        };
        // The same in chunks of lists.
        let listed = with_keyframes(&again, &plain, 2_000);
        let steps = [0, 1, 7, 23, 50, 51, 77, 99, 100];
        let ats = steps.map(|step| first + (last - first) / 100 * step);
        for at in ats.into_iter().chain([u64::MAX]) {
            for (session, spared) in [(&plain, u64::MAX), (&listed, u64::MAX), (&listed, 0)] {
                session.forget_chunks();
                let quiet = Progress::default();
                let (some, _) = Instant::replayed(session, at, spared, true, &quiet);
                let (all, _) = Instant::replayed(session, at, spared, false, &quiet);
                assert_eq!(printed(&some), printed(&all), "{path:?} {at} {spared}");
                told += some.open.len();
            }
        }
    }
    assert!(told > 100, "{told}");
}

#[test]
fn what_was_open_at_an_instant_is_what_a_state_of_it_says() {
    let whole = Session::from_reader(sample("break-in.aft"));
    let (first, last) = whole.span().unwrap();
    for step in 0..=20 {
        let at = first + (last - first) / 20 * step;
        let (state, _) = Instant::of(&whole, at, u64::MAX, &Progress::default());
        let (tables, complete) = Instant::tables(&whole, BootNs(at), &Progress::default());
        assert!(complete);
        let living = tables.procs.values().filter(|row| !row.past);
        let living: Vec<ProcId> = living.map(|row| row.id).collect();
        let mut wanted: Vec<ProcId> = state.living().map(|(_, row)| row.id).collect();
        wanted.sort();
        assert_eq!(living, wanted);
        for ((proc, fd), file) in &tables.descriptors {
            let who = identity(tables.proc(*proc).unwrap());
            assert_eq!(state.open[&who][fd].file, Some(*file));
            assert!(tables.file(*file).is_some());
        }
        let named = state.living().flat_map(|(who, _)| state.open.get(&who));
        let named = named.flat_map(BTreeMap::values);
        let named = named.filter(|open| open.file.is_some()).count();
        assert_eq!(tables.descriptors.len(), named);
    }
}

#[test]
fn processes_are_the_same_from_a_keyframe_on_as_from_the_beginning_on() {
    for name in ["break-in.aft", "crash-loop.aft", "quiet-web.aft"] {
        let whole = Session::from_reader(sample(name));
        let framed = with_keyframes(&sample(name), &whole, 150);
        let (first, last) = whole.span().unwrap();
        let mut by_keyframe = 0;
        for step in 0..=40 {
            let at = first + (last - first) / 40 * step;
            let (wanted, _) = told(&whole, at, u64::MAX);
            assert_eq!(told(&framed, at, u64::MAX), (wanted.clone(), false));
            let (told, resumed) = told(&framed, at, 0);
            assert_eq!(told, wanted, "{name} {step}");
            by_keyframe += usize::from(resumed);
        }
        assert!(by_keyframe > 20, "{name}: {by_keyframe}");
    }
}
