//! `index` and `search` over captures with a story: what is found, what is believed, and what a folder of them answers.

#![expect(clippy::print_stderr, reason = "what is skipped is said")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().expect("a folder"));
        for name in ["break-in", "quiet-web"] {
            let file = format!("{name}.aft");
            let from = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../samples/v1")
                .join(&file);
            std::fs::copy(from, desk.path(&file)).expect("a sample");
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_afterimage"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env("AFTERIMAGE_KEYS", self.path("keys"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("NO_COLOR", "1");
        command
    }

    #[track_caller]
    fn run(&self, args: &[&str], code: i32) -> (String, String) {
        let output: Output = self.command(args).output().expect("the command runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("printable text");
        let (out, err) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{out}\n{err}");
        (out, err)
    }
}

#[test]
fn a_word_is_found_with_and_without_an_index() {
    let desk = Desk::new();
    let queries: &[&[&str]] = &[
        &["shadow"],
        &["kworker", "OR", "busybox~1"],
        &["127.0.0.0/8 NOT proc.name:lookup"],
        &["/tmp/* AND evt.type=execve"],
        &["nc AND evt.time>-10s"],
        &["lookup", "--by", "process"],
        &["shadow", "--events"],
        &["GET", "--json"],
    ];
    let ask = |query: &[&str]| desk.run(&[&["search", "break-in.aft"], query].concat(), 0);
    let plain: Vec<String> = queries
        .iter()
        .map(|query| {
            let (out, err) = ask(query);
            assert!(err.contains("there is no index"), "{err}");
            assert!(!out.is_empty(), "{query:?}");
            out
        })
        .collect();
    let evidence = std::fs::read(desk.path("break-in.aft")).expect("a capture");
    let (made, _) = desk.run(&["index", "break-in.aft"], 0);
    assert!(made.starts_with("break-in.aft.idx: "), "{made}");
    for (query, plain) in queries.iter().zip(plain) {
        let (out, err) = ask(query);
        assert_eq!(out, plain, "{query:?}");
        assert_eq!(err, "", "{query:?}");
    }
    let (again, _) = desk.run(&["index", "break-in.aft"], 0);
    assert!(again.contains("up to date"), "{again}");
    let (read, err) = desk.run(
        &[
            "read",
            "--explain",
            "--count-only",
            "break-in.aft",
            "proc.name=nobody-at-all",
        ],
        0,
    );
    assert_eq!(read, "0\n");
    assert!(err.contains("explain: read: 0"), "{err}");
    assert_eq!(
        std::fs::read(desk.path("break-in.aft")).expect("a capture"),
        evidence
    );
    desk.run(&["index", "--delete", "break-in.aft"], 0);
    assert!(!desk.path("break-in.aft.idx").exists());
}

#[test]
fn views_that_were_counted_ahead_show_what_they_show_otherwise() {
    let desk = Desk::new();
    let shown = || {
        let views = [
            "overview",
            "processes",
            "files",
            "events",
            "talks",
            "map",
            "story",
        ];
        views.map(|view| desk.run(&["view", "break-in.aft", view], 0).0)
    };
    let (plain, _) = desk.run(&["index", "--views", "none", "break-in.aft"], 0);
    assert_eq!(plain.lines().count(), 1, "{plain}");
    let before = shown();
    // Of a small capture they are counted without being asked, once; what is found at once is not kept.
    let (counted, _) = desk.run(&["index", "break-in.aft"], 0);
    assert!(counted.contains("up to date"), "{counted}");
    assert_eq!(shown(), before);
    // How many of them took so long that they are worth keeping depends on the machine.
    let (again, _) = desk.run(&["index", "--views", "all", "break-in.aft"], 0);
    assert!(again.contains("up to date"), "{again}");
    let views = again.lines().skip(1);
    assert!(
        views.clone().all(|line| line.contains("counted ahead")),
        "{again}"
    );
    assert_eq!(shown(), before);
    let (_, err) = desk.run(&["index", "--views", "some", "break-in.aft"], 2);
    assert!(err.contains("auto, all, none"), "{err}");
}

#[test]
fn exit_codes_are_those_of_read_and_errors_have_a_caret() {
    let desk = Desk::new();
    desk.run(&["search", "-q", "break-in.aft", "shadow"], 0);
    desk.run(&["search", "-q", "break-in.aft", "nothing-at-all"], 1);
    desk.run(&["search", "break-in.aft", "nothing-at-all"], 0);
    desk.run(&["search", "break-in.aft"], 2);
    let (_, err) = desk.run(&["search", "break-in.aft", "shadow AND proc.nam=sh"], 2);
    assert!(
        err.contains("shadow AND proc.nam=sh\n") && err.contains("           ^^^^^^^^"),
        "{err}"
    );
    desk.run(&["search", "missing.aft", "x"], 1);
}

#[test]
fn an_index_of_somebody_else_is_not_believed_and_is_made_anew() {
    let desk = Desk::new();
    desk.run(&["index", "break-in.aft"], 0);
    let plain = desk.run(&["search", "break-in.aft", "shadow"], 0);
    std::fs::remove_file(desk.path("keys/index.secret")).expect("a secret");
    desk.run(&["index", "quiet-web.aft"], 0);
    let (out, err) = desk.run(&["search", "break-in.aft", "shadow"], 0);
    assert!(
        err.contains("the index of break-in.aft is not used: it was made by another user"),
        "{err}"
    );
    assert_eq!(out, plain.0);
    desk.run(&["index", "break-in.aft"], 0);
    assert_eq!(desk.run(&["search", "break-in.aft", "shadow"], 0), plain);
    // Of another capture.
    std::fs::copy(
        desk.path("break-in.aft.idx"),
        desk.path("quiet-web.aft.idx"),
    )
    .expect("a copy");
    let (_, err) = desk.run(&["search", "quiet-web.aft", "shadow"], 0);
    assert!(err.contains("it is of another capture"), "{err}");
}

#[test]
fn a_folder_is_searched_whole_and_what_is_broken_is_said() {
    let desk = Desk::new();
    std::fs::create_dir(desk.path("more")).expect("a folder");
    std::fs::rename(desk.path("quiet-web.aft"), desk.path("more/quiet-web.aft")).expect("moved");
    desk.run(&["index", "."], 0);
    let (out, err) = desk.run(&["search", "."], 0);
    assert_eq!(err, "");
    assert_eq!(out.lines().count(), 3, "{out}");
    assert!(
        out.contains("more/quiet-web.aft") && out.contains("sealed, whole"),
        "{out}"
    );
    let (out, _) = desk.run(&["search", ".", "shadow", "--json"], 0);
    assert!(
        out.lines().count() > 0
            && out
                .lines()
                .all(|line| line.contains("\"capture\":\"./break-in.aft\"")),
        "{out}"
    );
    let list = "# report\n127.0.0.1/32\n/tmp/.x\nnever.example\n";
    std::fs::write(desk.path("list.txt"), list).expect("a list");
    let (out, err) = desk.run(&["search", ".", "--ioc", "list.txt"], 0);
    assert!(
        out.contains("/tmp/.x") && !out.contains("never.example"),
        "{out}"
    );
    assert!(
        err.contains("2 of 3 indicators seen in 2 captures"),
        "{err}"
    );
    std::fs::write(desk.path("broken.aft"), b"\x89AFT nonsense").expect("a file");
    let (_, err) = desk.run(&["search", ".", "shadow"], 1);
    assert!(err.contains("broken.aft"), "{err}");
    std::fs::remove_file(desk.path("broken.aft")).expect("removed");
    // A changed one is noticed.
    std::fs::copy(desk.path("more/quiet-web.aft"), desk.path("break-in.aft")).expect("a copy");
    let (out, err) = desk.run(&["search", ".", "kworker"], 0);
    assert_eq!(out, "");
    assert!(err.contains("1 of 2 captures have no index"), "{err}");
}

/// The hits of a folder, whatever they come from.
fn in_folder(desk: &Desk, args: &[&str]) -> String {
    desk.run(&[&["search", "."], args].concat(), 0).0
}

#[test]
fn a_catalogue_answers_as_its_captures_do_and_notices_what_changes() {
    let desk = Desk::new();
    for name in ["a", "b", "c"] {
        let from = if name == "b" { "quiet-web" } else { "break-in" };
        let from = desk.path(&format!("{from}.aft"));
        std::fs::copy(from, desk.path(&format!("{name}.aft"))).expect("a copy");
    }
    let queries: &[&[&str]] = &[
        &["shadow"],
        &["shadow", "-n", "3"],
        &["/usr/bin/* OR *.so.*", "-n", "7"],
        &["kworker~1", "--json"],
        &["bin AND proc.name=sh"],
        &["nothing-at-all"],
        &["shadow", "--events", "-n", "20"],
        &[],
    ];
    let same = |when: &str| {
        for query in queries {
            let plain = in_folder(&desk, &[query, &["--no-index"][..]].concat());
            assert_eq!(in_folder(&desk, query), plain, "{when}: {query:?}");
        }
    };
    same("without indexes");
    desk.run(&["index", "."], 0);
    let kept = std::fs::read_dir(desk.path("cache/afterimage/index"))
        .expect("a cache")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "folder"))
        .count();
    assert_eq!(kept, 1);
    same("with a catalogue");
    std::fs::remove_file(desk.path("a.aft")).expect("removed");
    std::fs::copy(desk.path("quiet-web.aft"), desk.path("c.aft")).expect("a copy");
    std::fs::copy(desk.path("break-in.aft"), desk.path("d.aft")).expect("a copy");
    same("with others than before");
    desk.run(&["index", "."], 0);
    same("with the catalogue made anew");
    let list = "127.0.0.1/32\n/tmp/.x\nnever.example\n";
    std::fs::write(desk.path("list.txt"), list).expect("a list");
    let plain = in_folder(&desk, &["--ioc", "list.txt", "--no-index"]);
    assert_eq!(in_folder(&desk, &["--ioc", "list.txt"]), plain);
    // A catalogue that was meddled with is not believed.
    for entry in std::fs::read_dir(desk.path("cache/afterimage/index")).expect("a cache") {
        let path = entry.expect("a file").path();
        let mut bytes = std::fs::read(&path).expect("bytes");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).expect("written");
    }
    same("with a damaged catalogue");
}

#[test]
fn events_of_a_folder_are_one_timeline() {
    let desk = Desk::new();
    let (out, _) = desk.run(
        &["search", ".", "etc", "--events", "--json", "-n", "100000"],
        0,
    );
    let times: Vec<&str> = out
        .lines()
        .filter_map(|line| line.split("\"evt.rawtime\":").nth(1)?.split(',').next())
        .collect();
    assert_eq!(times.len(), out.lines().count());
    assert!(times.is_sorted(), "{times:?}");
    assert!(
        out.lines()
            .all(|line| line.starts_with("{\"capture\":\"./"))
    );
    assert!(
        out.contains("break-in.aft") && out.contains("quiet-web.aft"),
        "{out}"
    );
    let (few, err) = desk.run(&["search", ".", "etc", "--events", "-n", "5"], 0);
    assert_eq!(few.lines().count(), 5, "{few}");
    assert!(err.contains("these are the first 5 events"), "{err}");
}

/// Captures of sysdig: one of our own samples in its format, and those among the fixtures.
fn scaps(desk: &Desk) -> Vec<PathBuf> {
    desk.run(&["convert", "break-in.aft", "own.scap"], 0);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures");
    let root = std::env::var_os("AFTERIMAGE_FIXTURES").map_or(root, PathBuf::from);
    let mut found = vec![desk.path("own.scap")];
    match std::fs::read_dir(root.join("scap")) {
        Ok(entries) => {
            let paths = entries.flatten().map(|entry| entry.path());
            let small = |path: &PathBuf| path.metadata().is_ok_and(|meta| meta.len() < 4 << 20);
            found.extend(
                paths
                    .filter(|path| path.extension().is_some_and(|end| end == "scap"))
                    .filter(small),
            );
        }
        Err(_) => eprintln!("skipped: no captures of sysdig in {}", root.display()),
    }
    found
}

#[test]
fn a_capture_of_sysdig_is_searched_with_and_without_an_index() {
    let source = Desk::new();
    for from in scaps(&source) {
        let desk = Desk::new();
        std::fs::copy(&from, desk.path("a.scap")).expect("a copy");
        let said = |args: &[&str]| {
            let output = desk.command(args).output().expect("the command runs");
            String::from_utf8(output.stdout).expect("printable text")
        };
        let queries = [
            "bin OR etc OR lib*",
            "lib* NOT proc.name:sh",
            "/etc/*",
            "0.0.0.0/0",
            "cat~1",
        ];
        let ask = || queries.map(|query| said(&["search", "-n", "100", "a.scap", query]));
        let plain = ask();
        said(&["index", "a.scap"]);
        assert!(desk.path("a.scap.idx").exists(), "{}", from.display());
        assert_eq!(ask(), plain, "{}", from.display());
        if from.ends_with("own.scap") {
            assert!(plain.iter().filter(|text| !text.is_empty()).count() > 3);
        }
    }
}

#[test]
fn an_index_goes_to_the_cache_where_the_place_cannot_be_written() {
    if rustix::process::geteuid().is_root() {
        // Root writes anywhere but into what is no folder's child: a file stands where the work would be done.
        let desk = Desk::new();
        std::fs::write(desk.path("break-in.aft.idx.part"), "in the way").expect("a file");
        let (made, _) = desk.run(&["index", "break-in.aft"], 0);
        assert!(made.contains("cache/afterimage/index/"), "{made}");
        let (_, err) = desk.run(&["search", "break-in.aft", "shadow"], 0);
        assert_eq!(err, "");
    }
}

/// Killed at any instant, what is there is refused or whole, and the next run makes it whole.
#[test]
fn an_index_survives_being_killed_while_it_is_made() {
    let desk = Desk::new();
    let capture = desk.path("break-in.aft");
    let evidence = std::fs::read(&capture).expect("a capture");
    let (expected, _) = desk.run(&["search", "--no-index", "break-in.aft", "shadow"], 0);
    let rounds = match std::env::var_os("AFTERIMAGE_LONG") {
        Some(_) => 200,
        None => 12,
    };
    let began = Instant::now();
    desk.run(&["index", "--anew", "break-in.aft"], 0);
    let whole = began.elapsed();
    let mut killed = 0;
    for round in 0..rounds {
        let mut child = desk
            .command(&["index", "--anew", "-q", "break-in.aft"])
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        // Any instant will do: this is where the blow falls, not what is waited for.
        std::thread::sleep(
            whole
                .mul_f64(f64::from(round) / f64::from(rounds))
                .min(Duration::from_secs(5)),
        );
        killed += usize::from(child.try_wait().expect("a child").is_none());
        let _ = child.kill();
        child.wait().expect("a child");
        let (out, _) = desk.run(&["search", "break-in.aft", "shadow"], 0);
        assert_eq!(out, expected, "round {round}");
        assert_eq!(std::fs::read(&capture).expect("a capture"), evidence);
    }
    assert!(killed > 0, "nothing was killed in {rounds} rounds");
    desk.run(&["index", "--anew", "break-in.aft"], 0);
    let (out, err) = desk.run(&["search", "break-in.aft", "shadow"], 0);
    assert_eq!((out, err.as_str()), (expected, ""));
    assert!(!desk.path("break-in.aft.idx.part").exists());
}

#[test]
fn the_inspector_on_a_folder_shows_captures_finds_things_in_them_and_opens_one() {
    let desk = Desk::new();
    desk.run(&["index", "."], 0);
    std::fs::write(desk.path("broken.aft"), b"\x89AFT nonsense").expect("a file");
    std::fs::write(desk.path("list.txt"), "127.0.0.1/32\nnever.example\n").expect("a list");
    let mut child = desk
        .command(&["inspect", ".", "--linear", "--ioc", "list.txt"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let keys = "01\n/shadow\n3\n4\n/shadow AND (\n1\n02\nwhere\nq\nq\n";
    let mut input = child.stdin.take().expect("its input");
    std::io::Write::write_all(&mut input, keys.as_bytes()).expect("keys are taken");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    let out = String::from_utf8(output.stdout).expect("printable text");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && err.is_empty(), "{out}\n{err}");
    let mut rest = out.as_str();
    for said in [
        "captures: rows 1 to 3 of 3",
        "1. CAPTURE broken.aft, INTEGRITY not readable",
        "INTEGRITY sealed, whole",
        "this one cannot be opened",
        "found: rows 1 to ",
        "CAPTURE break-in.aft",
        "timeline: rows 1 to ",
        "indicators: rows 1 to ",
        "INDICATOR 127.0.0.1/32, KIND address",
        "a word is expected here",
        "captures: rows 1 to 3 of 3",
        "Type help for how to go on.",
        "overview",
        "captures: rows 1 to 3 of 3",
    ] {
        match rest.find(said) {
            Some(at) => rest = &rest[at + said.len()..],
            None => panic!("no {said:?} in what follows:\n{rest}\n\nall:\n{out}"),
        }
    }
}
