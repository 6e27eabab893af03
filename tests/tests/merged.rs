//! Keyframes of captures that are put together from several: what one tells of its instant is what the captures it was made from
//! tell of it, and no event stands on the wrong side of it.

use afterimage_format::derive::{Keyframes, Origin, Recipe, derive};
use afterimage_format::{Keyframe, Reader};
use afterimage_indexer::{Joined, Progress, Session};
use afterimage_model::{BootNs, Process, Tables};
use afterimage_tests::derived::in_small_chunks;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

type Who = (u32, u64);

fn identity(row: &Process) -> Who {
    (row.key.pid, row.key.start_ns)
}

fn recipe<'a>(action: &'a str, opening: Option<Tables>) -> Recipe<'a> {
    Recipe {
        opening,
        ..in_small_chunks(action)
    }
}

/// The part of a capture from one instant to another, with what there was before it.
fn piece(whole: &Path, to: PathBuf, span: (u64, u64)) -> PathBuf {
    let session = Session::open(whole).unwrap();
    let before = BootNs(span.0.saturating_sub(1));
    let (opening, _) = session.state_at(before, &Progress::default());
    let recipe = Recipe {
        span: Some(span),
        ..recipe("sliced", Some(opening))
    };
    let origin = [Origin::open(whole).unwrap()];
    derive(&origin, &to, &recipe, &mut |_, _, _| true).unwrap();
    to
}

fn merged(from: &[&Path], to: PathBuf, every_ns: u64) -> PathBuf {
    let origins: Vec<Origin> = from
        .iter()
        .map(|path| Origin::open(path).unwrap())
        .collect();
    let readers = origins.iter().map(Origin::shared).collect();
    let joined = Joined::new(readers, &Progress::default()).unwrap();
    let state = |at| joined.at(at);
    let recipe = Recipe {
        keyframes: Some(Keyframes {
            every_ns,
            state: &state,
        }),
        ..recipe("merged", None)
    };
    derive(&origins, &to, &recipe, &mut |_, _, _| true).unwrap();
    to
}

/// Processes that lived, each with its name.
fn living(tables: &Tables) -> BTreeMap<Who, Vec<u8>> {
    let rows = tables.procs.values().filter(|row| !row.past);
    rows.map(|row| (identity(row), row.comm.clone())).collect()
}

/// What they had open: process and number, and what is behind it.
fn open(tables: &Tables) -> BTreeSet<(Who, u32, String)> {
    let named = |((proc, fd), file): (&(_, u32), &_)| {
        let who = identity(tables.proc(*proc).expect("its row"));
        let file = tables.file(*file).expect("its row");
        (who, *fd, format!("{:?} {}", file.name(), file.ino))
    };
    tables.descriptors.iter().map(named).collect()
}

/// When processes ended, as a capture has seen it.
fn ends(reader: &Reader) -> BTreeMap<Who, u64> {
    let is_end = |ty: usize| {
        let ty = reader.schema().types.get(ty);
        ty.is_some_and(|ty| ty.name == "procexit")
    };
    let mut found = BTreeMap::new();
    for at in 0..reader.chunks().len() {
        let chunk = reader.chunk(at).unwrap();
        for event in &chunk.events {
            let row = chunk.tables.proc(event.proc).unwrap();
            if is_end(event.ty.0.into()) && row.key.pid == event.tid {
                found.entry(identity(row)).or_insert(event.time.0);
            }
        }
    }
    found
}

/// All keyframes but the state that the capture begins with.
fn frames(reader: &Reader) -> Vec<Keyframe> {
    let mut found: BTreeMap<BootNs, Keyframe> = BTreeMap::new();
    for at in 0..reader.chunks().len() {
        for event in reader.chunk(at).unwrap().events {
            let frame = reader.resume(event.time, 0).unwrap();
            found.extend(frame.map(|frame| (frame.at, frame)));
        }
    }
    assert!(found.len() + 1 >= reader.keyframes(), "all are found");
    found.into_values().collect()
}

/// What a merged capture was made of: when it was being recorded, and whose ends it has seen.
struct Parent {
    session: Session,
    span: (u64, u64),
    ends: BTreeMap<Who, u64>,
}

/// Holds the keyframes of a merged capture to what its parents tell. Gives how many there were.
fn held(path: &Path, parents: &[&Path]) -> usize {
    let reader = Reader::open(path).unwrap();
    let frames = frames(&reader);
    let sessions: Vec<Parent> = parents
        .iter()
        .map(|path| {
            let reader = Reader::open(path).unwrap();
            let (begins, ends) = (reader.begins().0, ends(&reader));
            let session = Session::from_reader(reader);
            let last = session.span().unwrap().1;
            Parent {
                session,
                span: (begins, last),
                ends,
            }
        })
        .collect();
    let everything = Session::open(path).unwrap();
    for frame in &frames {
        let at = frame.at;
        let known: Vec<Tables> = sessions
            .iter()
            .map(|parent| parent.session.state_at(at, &Progress::default()).0)
            .collect();
        let mut wanted: BTreeSet<Who> = known.iter().flat_map(|t| living(t).into_keys()).collect();
        wanted.retain(|who| {
            let mut ends = sessions.iter().filter_map(|parent| parent.ends.get(who));
            ends.all(|end| *end > at.0)
        });
        let lived = living(&frame.tables);
        assert_eq!(lived.keys().copied().collect::<BTreeSet<_>>(), wanted);
        // The merged capture itself, gone through from its beginning, says the same.
        let (replayed, complete) = everything.state_at(at, &Progress::default());
        assert!(complete);
        assert_eq!(
            living(&replayed).into_keys().collect::<BTreeSet<_>>(),
            wanted
        );
        // Names and descriptors are those of the captures that were being recorded then.
        let present = sessions.iter().zip(&known);
        let present: Vec<&Tables> = present
            .filter(|(parent, _)| (parent.span.0..=parent.span.1).contains(&at.0))
            .map(|(_, tables)| tables)
            .collect();
        let mut names: BTreeMap<Who, BTreeSet<Vec<u8>>> = BTreeMap::new();
        for (who, name) in present.iter().flat_map(|tables| living(tables)) {
            names.entry(who).or_default().insert(name);
        }
        for (who, name) in &lived {
            assert!(
                names.get(who).is_none_or(|names| names.contains(name)),
                "{who:?}"
            );
        }
        let found = open(&frame.tables);
        let told: BTreeSet<_> = present.iter().flat_map(|tables| open(tables)).collect();
        let of_present = found.iter().filter(|(who, _, _)| names.contains_key(who));
        let of_present: BTreeSet<_> = of_present.cloned().collect();
        let told: BTreeSet<_> = (told.into_iter())
            .filter(|(who, _, _)| wanted.contains(who))
            .collect();
        assert_eq!(of_present, told);
        // The others are over: what they had open at last.
        let over: BTreeSet<_> = known.iter().flat_map(open).collect();
        assert!(found.is_subset(&over));
        // No event stands on the wrong side.
        for chunk in 0..reader.chunks().len() {
            for event in reader.chunk(chunk).unwrap().events {
                assert_eq!(event.time <= at, chunk < frame.chunks.start, "{at:?}");
            }
        }
    }
    frames.len()
}

#[test]
fn keyframes_of_merged_captures_tell_what_the_captures_tell_that_they_are_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let mut told = [0; 3];
    for name in ["v1/break-in.aft", "v1/crash-loop.aft", "v1/quiet-web.aft"] {
        let whole = samples.join(name);
        let stem = whole.file_stem().unwrap().to_str().unwrap();
        let path = |what: &str| folder.path().join(format!("{stem}-{what}.aft"));
        let (first, last) = Session::open(&whole).unwrap().span().unwrap();
        let part = |percent: u64| first + (last - first) / 100 * percent;
        let every = (last - first) / 12;
        let one = piece(&whole, path("one"), (first, part(35)));
        let two = piece(&whole, path("two"), (part(50), part(70)));
        let three = piece(&whole, path("three"), (part(60), last));
        let overlapping = merged(&[&two, &three], path("overlapping"), every);
        told[0] += held(&overlapping, &[&two, &three]);
        let disjoint = merged(&[&three, &one], path("disjoint"), every);
        told[1] += held(&disjoint, &[&three, &one]);
        // Between the two parts of the first there is the second.
        let woven = merged(&[&disjoint, &two], path("woven"), every);
        told[2] += held(&woven, &[&disjoint, &two]);
    }
    assert!(told[0] > 6 && told[1] > 9 && told[2] > 12, "{told:?}");
}

/// Where an origin begins everything is told anew, however short it is since the last time.
#[test]
fn a_capture_that_begins_later_is_told_of_where_it_begins() {
    let folder = tempfile::tempdir().unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let whole = samples.join("v1/break-in.aft");
    let (first, last) = Session::open(&whole).unwrap().span().unwrap();
    let half = first + (last - first) / 2;
    let one = piece(&whole, folder.path().join("one.aft"), (first, half));
    let two = piece(&whole, folder.path().join("two.aft"), (half + 1, last));
    let both = merged(&[&one, &two], folder.path().join("both.aft"), u64::MAX);
    let reader = Reader::open(&both).unwrap();
    assert_eq!(reader.begins(), Reader::open(&one).unwrap().begins());
    let [frame] = frames(&reader).try_into().unwrap_or_default();
    assert_eq!(frame.at, BootNs(half + 1));
    let (known, _) = Session::open(&whole)
        .unwrap()
        .state_at(frame.at, &Progress::default());
    assert_eq!(living(&frame.tables), living(&known));
    assert_eq!(open(&frame.tables), open(&known));
    assert!(!open(&known).is_empty());
    // Without somebody who knows what there was, there are none.
    let origins = [&one, &two].map(|path| Origin::open(path).unwrap());
    let to = folder.path().join("without.aft");
    derive(&origins, &to, &recipe("merged", None), &mut |_, _, _| true).unwrap();
    assert!(frames(&Reader::open(&to).unwrap()).is_empty());
}
