//! Captures made from captures: they hold what was asked for with every name, name their parents, are signed by who made
//! them, and verify.

use crate::evidence::{key, signed};
use crate::story::event;
use crate::story::{Story, story};
use afterimage_format::derive::{Origin, Recipe, Stamps, containers_called, derive};
use afterimage_format::{
    Checks, Deed, Error, Identities, Reader, Report, Verdict, WriterOptions, check, custody,
    recover, verify,
};
use afterimage_model::{BootNs, ContainerId, Event, Tables};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn deed(action: &str) -> Deed {
    Deed {
        action: action.into(),
        operator: "k. ito".into(),
        made_ns: 9,
        ..Deed::default()
    }
}

fn recipe(action: &str) -> Recipe<'static> {
    Recipe {
        deed: deed(action),
        ..Recipe::default()
    }
}

/// A folder with signed captures in it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, story: &Story) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, signed(story, &key(1)).0).unwrap();
        path
    }

    fn make(
        &self,
        from: &[&Path],
        recipe: &Recipe<'_>,
        mut keep: impl FnMut(u64, &Event, &Tables) -> bool,
    ) -> Result<PathBuf, Error> {
        let origins: Vec<Origin> = from
            .iter()
            .map(|path| Origin::open(path).unwrap())
            .collect();
        let to = self.path(&format!("derived-{}.aft", recipe.deed.action));
        derive(&origins, &to, recipe, &mut keep).map(|_| to)
    }
}

fn events(path: &Path) -> Vec<(Event, String, String)> {
    let reader = Reader::open(path).unwrap();
    let mut found = Vec::new();
    for at in 0..reader.chunks().len() {
        let chunk = reader.chunk(at).unwrap();
        for event in chunk.events {
            let process = chunk.tables.proc(event.proc);
            let name = process.map_or("?".into(), |p| format!("{}:{:?}", p.key.pid, p.comm));
            let file = event.file.and_then(|id| chunk.tables.file(id));
            let file = file.map_or(String::new(), |file| format!("{:?}", file.name()));
            found.push((event, name, file));
        }
    }
    found
}

fn sealed(path: &Path) -> Report {
    let report = verify(path).unwrap();
    assert!(
        matches!(report.verdict, Verdict::SealedIntact),
        "{}",
        report.verdict
    );
    report
}

#[test]
fn a_slice_of_time_has_the_events_of_that_time_with_every_name() {
    let desk = Desk::new();
    let parent = desk.put("a.aft", &story());
    let all = events(&parent);
    for span in [
        (0, u64::MAX),
        (2_100, 2_200),
        (2_145, 2_145),
        (9_000, 9_999),
    ] {
        let secret = key(3);
        let recipe = Recipe {
            span: Some(span),
            key: Some(&secret),
            ..recipe(&format!("sliced-{}", span.0))
        };
        let made = desk.make(&[&parent], &recipe, |_, _, _| true).unwrap();
        let wanted: Vec<_> = all
            .iter()
            .filter(|(event, _, _)| (span.0..=span.1).contains(&event.time.0))
            .cloned()
            .collect();
        assert_eq!(events(&made), wanted, "{span:?}");
        let report = sealed(&made);
        assert_eq!(report.signing.unwrap().signer, key(3).public());
        assert_eq!(report.custody[0].note.action, recipe.deed.action);
        let reader = Reader::open(&made).unwrap();
        let [named] = reader.lineage().parents.as_slice() else {
            panic!("{:?}", reader.lineage())
        };
        let whole = blake3::hash(&std::fs::read(&parent).unwrap());
        assert_eq!(named.hash, whole.as_bytes());
        assert_eq!(named.digest, sealed(&parent).digest.0);
        assert_eq!(named.verdict, "sealed and intact, signed");
        assert_eq!(named.signer, key(1).public().0);
        assert_eq!(reader.lineage().parent, named.hash);
        assert_ne!(reader.manifest().capture_id, story().manifest.capture_id);
        let totals = reader.totals().unwrap();
        assert_eq!(
            totals.offered,
            totals.written + totals.dropped + totals.filtered + totals.unsealed
        );
        // The gap of that time, and no other.
        assert_eq!(
            reader.gaps().len(),
            usize::from(span.0 <= 2_140 && span.1 >= 2_130)
        );
    }
}

#[test]
fn a_slice_by_a_filter_has_what_the_filter_keeps() {
    let desk = Desk::new();
    let parent = desk.put("a.aft", &story());
    let made = desk
        .make(&[&parent], &recipe("sliced"), |num, event, tables| {
            assert!(tables.proc(event.proc).is_some() && num > 0);
            event.result < 0
        })
        .unwrap();
    let all = events(&parent).into_iter();
    let wanted: Vec<_> = all.filter(|(event, _, _)| event.result < 0).collect();
    assert_eq!(events(&made), wanted);
    sealed(&made);
}

#[test]
fn a_slice_of_a_container_has_nothing_of_the_others() {
    let desk = Desk::new();
    let mut tale = story();
    // The shell leaves its container for another one.
    let other = ContainerId(8);
    let mut second = tale.tables.containers[&ContainerId(3)].as_ref().clone();
    (second.id, second.name, second.full_id) = (other, "other".into(), "99".into());
    tale.tables.containers.insert(other, Arc::new(second));
    let shell = tale.tables.procs.values_mut().find(|p| p.comm == b"sh");
    Arc::make_mut(shell.unwrap()).container = Some(other);
    let parent = desk.put("a.aft", &tale);
    let path = desk.path("state.aft");
    std::fs::write(&path, tale.write()).unwrap();
    for parent in [parent, path] {
        let reader = Reader::open(&parent).unwrap();
        let found = reader.chunk(0).unwrap().tables.containers;
        assert_eq!(found.len(), 2);
        let recipe = Recipe {
            containers: Some(BTreeSet::from([ContainerId(3)])),
            ..recipe(&format!("sliced-{}", parent.file_stem().unwrap().display()))
        };
        let made = desk.make(&[&parent], &recipe, |_, _, _| true).unwrap();
        let kept = events(&made);
        assert!(!kept.is_empty() && kept.iter().all(|(_, name, _)| !name.contains("115, 104")));
        let reader = Reader::open(&made).unwrap();
        for at in 0..reader.chunks().len() {
            let names = reader.chunk(at).unwrap().tables.containers;
            assert!(names.keys().eq([&ContainerId(3)]));
        }
        assert!(!reader.state().containers.contains_key(&other));
        assert!(
            reader
                .state()
                .procs
                .values()
                .all(|p| p.container != Some(other))
        );
        sealed(&made);
    }
    let reader = Reader::open(&desk.path("state.aft")).unwrap();
    assert!(containers_called(&reader, &["other".into()]).is_ok_and(|ids| ids.contains(&other)));
    assert!(containers_called(&reader, &["nobody".into()]).is_err());
}

#[test]
fn merged_captures_are_one_in_the_order_of_time_and_the_same_row_is_there_once() {
    let desk = Desk::new();
    let (mut one, mut two) = (story(), story());
    one.chunks.truncate(2);
    two.chunks.remove(0);
    // The second numbers the same rows otherwise.
    let old = std::mem::take(&mut two.tables.procs);
    for (id, process) in old {
        let mut process = process.as_ref().clone();
        process.id.0 += 50;
        process.parent = process.parent.map(|mut id| {
            id.0 += 50;
            id
        });
        two.tables.procs.insert(process.id, Arc::new(process));
        two.chunks.iter_mut().flatten().for_each(|event| {
            if event.proc == id {
                event.proc.0 += 50;
            }
        });
    }
    two.tables.descriptors.clear();
    let (a, b) = (desk.put("a.aft", &one), desk.put("b.aft", &two));
    let made = desk
        .make(&[&b, &a], &recipe("merged"), |_, _, _| true)
        .unwrap();
    let merged = events(&made);
    let plain = |(event, name, file): &(Event, String, String)| {
        (
            event.time,
            event.tid,
            event.args.clone(),
            name.clone(),
            file.clone(),
        )
    };
    let mut wanted: Vec<_> = [events(&a), events(&b)]
        .concat()
        .iter()
        .map(plain)
        .collect();
    wanted.sort_by_key(|row| row.0);
    assert_eq!(merged.iter().map(plain).collect::<Vec<_>>(), wanted);
    let reader = Reader::open(&made).unwrap();
    let tables = reader.chunk(0).unwrap().tables;
    assert_eq!((tables.procs.len(), tables.containers.len()), (3, 1));
    let shell = tables.procs.values().find(|p| p.comm == b"sh").unwrap();
    let parent = shell.parent.and_then(|id| tables.proc(id)).unwrap();
    assert_eq!(parent.comm, b"nginx");
    assert_eq!(reader.lineage().parents.len(), 2);
    sealed(&made);
}

#[test]
fn captures_of_different_boots_are_not_merged() {
    let desk = Desk::new();
    let mut other = story();
    other.manifest.boot_id = "another".into();
    let (a, b) = (desk.put("a.aft", &story()), desk.put("b.aft", &other));
    let error = desk
        .make(&[&a, &b], &recipe("merged"), |_, _, _| true)
        .unwrap_err();
    assert!(
        error.to_string().contains("b.aft is of another boot"),
        "{error}"
    );
    assert!(!desk.path("derived-merged.aft").exists());
}

#[test]
fn a_repacked_capture_holds_the_same_events_and_with_microseconds_in_the_same_order() {
    let desk = Desk::new();
    let parent = desk.put("a.aft", &story());
    let archive = Recipe {
        options: Recipe::archive(),
        ..recipe("repacked")
    };
    let made = desk.make(&[&parent], &archive, |_, _, _| true).unwrap();
    assert_eq!(events(&made), events(&parent));
    assert_eq!(Reader::open(&made).unwrap().chunks().len(), 1);
    sealed(&made);
    let coarse = Recipe {
        stamps: Stamps::Microseconds,
        ..recipe("repacked-us")
    };
    let made = desk.make(&[&parent], &coarse, |_, _, _| true).unwrap();
    let reader = Reader::open(&made).unwrap();
    assert_eq!(
        reader.manifest().limits.get("stamps").map(String::as_str),
        Some("us")
    );
    let mut wanted = events(&parent);
    for (event, _, _) in &mut wanted {
        event.time = BootNs(event.time.0 / 1_000 * 1_000);
    }
    assert_eq!(events(&made), wanted);
    sealed(&made);
}

#[test]
fn a_piece_and_a_repacked_capture_keep_the_keyframes_at_the_ends_of_chunks_that_are_large_enough() {
    let desk = Desk::new();
    let parent = desk.path("parent.aft");
    std::fs::write(&parent, crate::keyframes::capture()).unwrap();
    let before = Reader::open(&parent).unwrap();
    // Keyframes are behind 20, 40, 60, 80 and 100 events.
    for (name, chunk_events, span, kept) in [
        ("all", 40, None, vec![1, 3, 5, 7]),
        ("half", 80, None, vec![3, 7]),
        ("large", 300, None, vec![]),
        (
            "piece",
            10,
            Some((event(30).time.0, event(69).time.0)),
            vec![3, 5],
        ),
    ] {
        let recipe = Recipe {
            options: WriterOptions {
                chunk_events,
                ..WriterOptions::default()
            },
            span,
            ..recipe(name)
        };
        let made = desk.make(&[&parent], &recipe, |_, _, _| true).unwrap();
        sealed(&made);
        let made = Reader::open(&made).unwrap();
        let wanted: Vec<BootNs> = kept.into_iter().map(crate::keyframes::after).collect();
        let last = span.map_or(99, |_| 69);
        for at in 30..=last {
            let instant = event(at).time;
            let frame = made.resume(instant, 0).unwrap();
            let expected = wanted.iter().rev().find(|after| **after <= instant);
            assert_eq!(
                frame.as_ref().map(|frame| &frame.at),
                expected,
                "{name} {at}"
            );
            let Some(frame) = frame else { continue };
            let known = before.keyframe(frame.at).unwrap().unwrap().tables;
            assert_eq!(frame.tables, known, "{name} {at}");
            let chunks = frame.chunks.map(|at| made.chunk(at).unwrap());
            let events: Vec<BootNs> = (chunks.flat_map(|chunk| chunk.events))
                .map(|event| event.time)
                .filter(|time| *time <= instant)
                .collect();
            let between = (0..100).map(|at| event(at).time);
            let between: Vec<BootNs> = between
                .filter(|time| (frame.at..=instant).contains(time))
                .collect();
            assert_eq!(events, between, "{name} {at}");
        }
        assert!(made.resume(BootNs(u64::MAX), 200).unwrap().is_none());
    }
}

#[test]
fn what_is_damaged_in_the_parent_is_a_gap_of_the_derived_capture_and_its_verdict_is_kept() {
    let desk = Desk::new();
    let parent = desk.put("a.aft", &story());
    let mut bytes = std::fs::read(&parent).unwrap();
    let at = Reader::open(&parent).unwrap().chunks()[1].offset as usize + 100;
    bytes[at] ^= 1;
    std::fs::write(&parent, bytes).unwrap();
    let made = desk
        .make(&[&parent], &recipe("sliced"), |_, _, _| true)
        .unwrap();
    let reader = Reader::open(&made).unwrap();
    assert_eq!(reader.events(), 28);
    assert!(reader.gaps().iter().any(|gap| gap.count == Some(14)));
    assert!(reader.lineage().parents[0].verdict.starts_with("broken: "));
    sealed(&made);
}

#[test]
fn a_derived_capture_never_takes_the_place_of_a_file_and_a_failure_leaves_none() {
    let desk = Desk::new();
    let parent = desk.put("a.aft", &story());
    std::fs::write(desk.path("derived-sliced.aft"), b"evidence").unwrap();
    assert!(
        desk.make(&[&parent], &recipe("sliced"), |_, _, _| true)
            .is_err()
    );
    let kept = std::fs::read(desk.path("derived-sliced.aft")).unwrap();
    assert_eq!(kept, b"evidence");
    assert!(desk.make(&[], &recipe("merged"), |_, _, _| true).is_err());
    assert!(!desk.path("derived-merged.aft").exists());
}

#[test]
fn what_is_recovered_is_signed_by_who_recovered_it_and_its_custody_log_starts_anew() {
    let desk = Desk::new();
    let parent = desk.put("a.aft", &story());
    custody::append(&parent, &deed("verified"), &key(5), &Checks::default()).unwrap();
    let to = desk.path("rescued.aft");
    recover(
        &parent,
        &to,
        &deed("recovered"),
        Some(&key(4)),
        &Identities::default(),
        None,
    )
    .unwrap();
    let checks = Checks {
        keys: vec![key(4).public()],
        ..Checks::thorough()
    };
    let report = check(&to, &checks).unwrap();
    assert!(
        matches!(report.verdict, Verdict::SealedIntact),
        "{}",
        report.verdict
    );
    let [entry] = report.custody.as_slice() else {
        panic!("{:?}", report.custody)
    };
    assert_eq!(entry.note.action, "recovered");
    let reader = Reader::open(&to).unwrap();
    assert_eq!(reader.lineage().parents[0].signer, key(1).public().0);
    assert!(
        reader
            .notes()
            .iter()
            .any(|note| note.text.contains("custody of the damaged file: verified"))
    );
    assert_ne!(reader.manifest().capture_id, story().manifest.capture_id);
    assert_eq!(reader.manifest().host, story().manifest.host);
}
