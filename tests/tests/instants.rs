//! What there was at an instant is the same with an index, which keeps states to begin at, as by all that happened before it: at
//! random instants of samples, of captures of sysdig, of both packed anew in small chunks, and of captures merged with themselves.

use afterimage_format::derive::{Origin, Recipe, derive};
use afterimage_format::{Deed, Reader, WriterOptions};
use afterimage_indexer::{Index, Indexing, Keeper, Progress, Session, Spacing, build};
use afterimage_interop::{Provenance, copy};
use afterimage_model::{BootNs, Tables};
use afterimage_query::{Made, Shape, VIEWS, View};
use afterimage_tests::peers;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// One of some captures, in chunks of so many events, perhaps beginning with nothing that is known.
fn derived(from: &[&Path], to: &Path, chunk_events: usize, opening: Option<Tables>) {
    let origins = from.iter().map(|path| Origin::open(path).unwrap());
    let origins: Vec<Origin> = origins.collect();
    let recipe = Recipe {
        deed: Deed {
            action: "repacked".into(),
            ..Deed::default()
        },
        options: WriterOptions {
            chunk_events,
            ..WriterOptions::default()
        },
        opening,
        ..Recipe::default()
    };
    let made = derive(&origins, to, &recipe, &mut |_, _, _| true);
    made.unwrap_or_else(|error| panic!("{}: {error}", to.display()));
}

/// Copies of all captures in a folder, each in several forms.
fn captures(folder: &Path) -> Vec<PathBuf> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let mut all = Vec::new();
    for name in [
        "v1/break-in.aft",
        "v1/crash-loop.aft",
        "v1/quiet-web.aft",
        "v1.3/lists.aft",
        "v1.4/keyframes.aft",
        "v1.5/texts.aft",
    ] {
        let from = samples.join(name);
        let stem = from.file_stem().unwrap().to_str().unwrap().to_owned();
        let whole = folder.join(format!("{stem}.aft"));
        std::fs::copy(&from, &whole).unwrap();
        all.push(whole);
        // Nothing is made of a capture that does not say what its types are.
        if Reader::open(&from).unwrap().schema().types.is_empty() {
            continue;
        }
        let small = folder.join(format!("{stem}-small.aft"));
        derived(&[&from], &small, 60, None);
        // Processes of which nothing is known but by their events, some of which come late.
        let bare = folder.join(format!("{stem}-bare.aft"));
        derived(&[&from], &bare, 45, Some(Tables::default()));
        let twice = folder.join(format!("{stem}-twice.aft"));
        derived(&[&from, &from], &twice, 90, None);
        all.extend([small, bare, twice]);
    }
    for from in peers::captures() {
        let stem = from.file_stem().unwrap().to_str().unwrap().to_owned();
        let whole = folder.join(format!("{stem}.scap"));
        std::fs::copy(&from, &whole).unwrap();
        let reader = afterimage_interop::open(&from).unwrap();
        let provenance = Provenance::default();
        let (bytes, _) = copy::copy(&reader, Vec::new(), &provenance, &mut |_| true).unwrap();
        let copied = folder.join("copied.aft");
        std::fs::write(&copied, bytes).unwrap();
        let small = folder.join(format!("{stem}-small.aft"));
        derived(&[&copied], &small, 100, None);
        all.extend([whole, small]);
    }
    all
}

fn is_of_an_instant(view: &View) -> bool {
    use Made::{Containers, Descriptors, Environment, Mounts, Processes, Sockets};
    let Shape::Made(made) = view.shape else {
        return false;
    };
    matches!(
        made,
        Processes | Descriptors | Sockets | Mounts | Environment | Containers
    )
}

fn session(path: &Path) -> Session {
    let reader = match path.extension().is_some_and(|end| end == "scap") {
        true => afterimage_interop::open(path).unwrap(),
        false => Reader::open(path).unwrap(),
    };
    Session::from_reader(reader)
}

#[test]
fn an_index_tells_of_any_instant_what_all_events_before_it_tell() {
    let folder = tempfile::tempdir().unwrap();
    let mut chance = TestRng::from_seed(RngAlgorithm::XorShift, &[7; 16]);
    let wanted = match std::env::var_os("AFTERIMAGE_LONG") {
        Some(_) => 200,
        None => 6,
    };
    let (mut open, mut with, mut without, mut shown) = (0, 0, 0, 0);
    for path in captures(folder.path()) {
        let name = path.file_name().unwrap().to_owned();
        let plain = session(&path);
        let Some((first, last)) = plain.span() else {
            continue;
        };
        let keeper = Keeper {
            key: [7; 32],
            cache: None,
        };
        let how = Indexing {
            states: Spacing {
                events: 150,
                bytes: u64::MAX,
                free: 0,
            },
            ..Indexing::default()
        };
        build(&session(&path), &path, &keeper, &how, &Progress::default()).unwrap();
        let mut indexed = session(&path);
        assert!(indexed.use_index(Index::open(&path, &keeper).unwrap()));
        let mut instants = vec![0, first, last, u64::MAX];
        instants.extend((0..wanted).map(|_| first + chance.next_u64() % (last - first + 1)));
        for at in instants {
            let (fast, slow) = (Progress::default(), Progress::default());
            let found = indexed.state_at(BootNs(at), &fast);
            let wanted = plain.state_at(BootNs(at), &slow);
            assert!(found.1 && wanted.1, "{name:?} {at}");
            for (a, b) in found.0.procs.iter().zip(&wanted.0.procs) {
                assert_eq!(a, b, "{name:?} {at}");
            }
            assert_eq!(found.0.procs.len(), wanted.0.procs.len(), "{name:?} {at}");
            assert_eq!(found.0.descriptors, wanted.0.descriptors, "{name:?} {at}");
            assert_eq!(found.0, wanted.0, "{name:?} {at}");
            open += found.0.descriptors.len();
            let looked = |progress: &Progress| {
                let work = &progress.work;
                work.chunks.load(Ordering::Relaxed) - work.outside.load(Ordering::Relaxed)
            };
            (with, without) = (with + looked(&fast), without + looked(&slow));
        }
        let of_instants = VIEWS.iter().filter(|view| is_of_an_instant(view));
        for view in of_instants {
            let at = Some((0, first + (last - first) / 3 * 2));
            let quiet = Progress::default();
            let rows = |session: &Session| session.view(view, None, at, &quiet).unwrap();
            let printed = |session: &Session| format!("{:?}", rows(session).rows);
            assert_eq!(printed(&indexed), printed(&plain), "{name:?} {}", view.id);
            shown += 1;
        }
    }
    assert!(shown > 100, "{shown}");
    assert!(open > 1_000, "{open}");
    assert!(with * 3 < without, "{with} of {without} chunks");
}

/// Says to the test below, run once more by itself, which capture to make the index of.
const MAKES: &str = "AFTERIMAGE_TEST_MAKES_INDEX_OF";

/// Killed at any moment, the making of an index goes on where it was, states with it, and comes to the same bytes.
#[test]
fn a_killed_run_goes_on_with_its_states_and_makes_the_same_index() {
    let keeper = Keeper {
        key: [7; 32],
        cache: None,
    };
    let how = Indexing {
        keep_every: 1,
        states: Spacing {
            events: 150,
            bytes: u64::MAX,
            free: 0,
        },
        ..Indexing::default()
    };
    let make = |path: &Path| {
        let made = build(&session(path), path, &keeper, &how, &Progress::default());
        made.unwrap()
    };
    if let Some(path) = std::env::var_os(MAKES) {
        make(Path::new(&path));
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let all = captures(folder.path());
    let most = |path: &&PathBuf| session(path).events();
    let from = all.iter().max_by_key(most).unwrap();
    let path = folder.path().join("killed.aft");
    derived(&[from], &path, 45, None);
    let evidence = std::fs::read(&path).unwrap();
    let index = folder.path().join("killed.aft.idx");
    let aside = folder.path().join("killed.aft.idx.part/states");
    assert_eq!(make(&path).states_resumed, 0);
    let fresh = std::fs::read(&index).unwrap();
    let mut chance = TestRng::from_seed(RngAlgorithm::XorShift, &[9; 16]);
    let rounds = match std::env::var_os("AFTERIMAGE_LONG") {
        Some(_) => 200,
        None => 8,
    };
    let name = "a_killed_run_goes_on_with_its_states_and_makes_the_same_index";
    let (mut killed, mut resumed, mut states) = (0, 0, 0);
    for _ in 0..rounds {
        std::fs::remove_file(&index).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(MAKES, &path)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From when something is kept on, any moment will do.
        while !aside.exists() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let more = Duration::from_micros(chance.next_u64() % 200_000);
        let since = std::time::Instant::now();
        while since.elapsed() < more && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), evidence);
        if index.exists() {
            assert_eq!(std::fs::read(&index).unwrap(), fresh);
            continue;
        }
        killed += 1;
        let was_kept = aside.exists();
        let built = make(&path);
        assert!(!was_kept || built.states_resumed > 0, "{built:?}");
        resumed += usize::from(built.resumed > 0);
        states += usize::from(built.states_resumed > 0);
        assert_eq!(std::fs::read(&index).unwrap(), fresh, "{built:?}");
        assert!(!aside.exists());
    }
    assert!(
        killed > 0 && resumed > 0 && states > 0,
        "{killed} {resumed} {states}"
    );
}
