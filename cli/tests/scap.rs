//! Captures of sysdig at the command line: read as they come, from a converted copy, or converted, the answers are the same.
//! The captures are made of our own samples.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
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
            .env("AFTERIMAGE_CACHE", self.path("cache"));
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn out(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A sample as sysdig would have it.
    fn scap(&self, name: &str) {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
        self.out(&["convert", &sample.display().to_string(), name]);
    }

    fn copies(&self) -> usize {
        let Ok(entries) = fs::read_dir(self.path("cache")) else {
            return 0;
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        names
            .filter(|name| name.as_encoded_bytes().ends_with(b".aft"))
            .count()
    }

    /// A capture that is worth a copy: the same sections again and again.
    fn large(&self) -> usize {
        self.scap("one.scap");
        let one = fs::read(self.path("one.scap")).unwrap();
        let times = (5 << 20) / one.len() + 1;
        fs::write(self.path("large.scap"), one.repeat(times)).unwrap();
        times
    }
}

#[test]
fn what_is_read_as_it_comes_is_what_is_read_once_it_is_converted() {
    let desk = Desk::new();
    for name in ["web.scap", "web.scap.gz"] {
        desk.scap(name);
        let _ = fs::remove_file(desk.path("web.aft"));
        desk.out(&["convert", "--no-sign", name, "web.aft"]);
        for args in [
            &[][..],
            &["-pc"],
            &["-pk", "-tr"],
            &["-td"],
            &["--json"],
            &["--internal", "-p", "*%evt.num %evt.args %thread.vmsize.b"],
            &[
                "-p",
                "%evt.num %fd.name %evt.latency.ns",
                "fd.name contains a",
            ],
            &["-n", "7", "evt.dir=<"],
            &[
                "--count-only",
                "evt.arg.path glob '*/[a-z]*' or proc.name=sh",
            ],
            &["--from", "+1s", "--to", "+3s"],
            &["-X", "evt.is_io=true"],
            &["evt.type=openat"],
            &["--internal", "evt.type in (clone, close, procexit)"],
            &[
                "-p",
                "*%evt.num %evt.latency %fd.num %fd.name %evt.args %thread.totexectime %proc.vmrss",
                "evt.type in (read, openat, switch, procexit) and evt.dir=<",
            ],
            &["not evt.type=read and not fd.name contains /lib"],
            &[
                "-p",
                "%evt.num %evt.deltatime %evt.type",
                "evt.deltatime>100000 and evt.dir=<",
            ],
            &["evt.type=openat and evt.deltatime.ns>=500000"],
        ] {
            let read = |file| desk.out(&[&["read", file], args].concat());
            assert_eq!(read(name), read("web.aft"), "{name} {args:?}");
        }
        let pipe = desk
            .command(&["read", "-", "evt.type=execve"])
            .stdin(Stdio::from(fs::File::open(desk.path(name)).unwrap()))
            .output()
            .unwrap();
        let whole = desk.out(&["read", "web.aft", "evt.type=execve"]);
        assert_eq!(String::from_utf8(pipe.stdout).unwrap(), whole);
    }
    assert_eq!(desk.copies(), 0, "small captures are not kept");
}

#[test]
fn a_large_capture_is_answered_from_a_copy_until_it_changes() {
    let desk = Desk::new();
    let times = desk.large();
    let ask = |more: &[&str]| {
        let args = [
            &["read", "large.scap", "--count-only"],
            more,
            &["proc.name=sh"],
        ]
        .concat();
        desk.out(&args).trim().parse::<usize>().unwrap()
    };
    let plain = ask(&["--no-cache"]);
    assert_eq!(desk.copies(), 0, "nothing is kept where that is not wanted");
    assert!(plain > 0 && plain % times == 0);
    // What the look ahead answers is answered eight times before a copy is worth it.
    let nobody = || {
        let args = [
            "read",
            "large.scap",
            "--count-only",
            "proc.name=nobody-here",
        ];
        assert_eq!(desk.out(&args), "0\n");
    };
    for _ in 0..8 {
        nobody();
        assert_eq!(desk.copies(), 0, "first the answer");
    }
    nobody();
    assert_eq!(desk.copies(), 1);
    assert_eq!(ask(&[]), plain);
    let explained = desk.run(&["read", "large.scap", "--explain", "-q", "evt.type=mount"]);
    let said = String::from_utf8(explained.stderr).unwrap();
    assert!(
        said.contains("skipped: by the types of their events"),
        "{said}"
    );
    // Another command, the same copy.
    desk.out(&["view", "large.scap", "processes"]);
    assert_eq!(desk.copies(), 1);
    let one = fs::read(desk.path("one.scap")).unwrap();
    let mut longer = fs::read(desk.path("large.scap")).unwrap();
    longer.extend(one);
    fs::write(desk.path("large.scap"), longer).unwrap();
    assert_eq!(ask(&[]), plain / times * (times + 1));
    assert_eq!(
        desk.copies(),
        1,
        "what it was made of is not there any more"
    );
    // An answer that ends early keeps nothing.
    fs::remove_dir_all(desk.path("cache")).unwrap();
    for _ in 0..2 {
        desk.out(&["read", "large.scap", "-n1", "evt.deltatime>0"]);
    }
    assert_eq!(desk.copies(), 0);
    // Where all of it has to be followed, the second question is worth a copy, and says that it makes one.
    let followed = |more: &[&str]| {
        let args = [
            &["read", "large.scap", "--count-only"],
            more,
            &["evt.deltatime>0"],
        ]
        .concat();
        let output = desk.run(&args);
        assert_eq!(output.status.code(), Some(0));
        let said = String::from_utf8(output.stderr).unwrap();
        (output.stdout, said.contains("in columns"), desk.copies())
    };
    let (plain, ..) = followed(&["--no-cache"]);
    assert_eq!(followed(&[]), (plain.clone(), false, 0));
    assert_eq!(followed(&[]), (plain.clone(), true, 1));
    assert_eq!(followed(&[]), (plain, false, 1));
}

#[test]
fn a_copy_that_is_damaged_is_made_anew() {
    let desk = Desk::new();
    desk.large();
    let ask = || desk.out(&["view", "large.scap", "processes"]);
    let answer = ask();
    assert_eq!(desk.copies(), 1);
    for entry in fs::read_dir(desk.path("cache")).unwrap().flatten() {
        fs::write(entry.path(), b"nothing of the kind").unwrap();
    }
    assert_eq!(ask(), answer);
    assert_eq!(ask(), answer);
    assert_eq!(desk.copies(), 1);
}

#[test]
fn what_convert_makes_is_signed_and_names_its_parent() {
    let desk = Desk::new();
    desk.scap("web.scap");
    desk.out(&["convert", "web.scap", "web.aft"]);
    desk.out(&["convert", "web.aft", "some.aft", "evt.type=execve"]);
    for (child, parent) in [("web.aft", "web.scap"), ("some.aft", "web.aft")] {
        let hash = blake3::hash(&fs::read(desk.path(parent)).unwrap()).to_hex();
        let told = desk.out(&["info", child]);
        assert!(told.contains(hash.as_str()), "{told}");
        let verified = desk.out(&["verify", child]);
        assert!(verified.contains("sealed and intact"), "{verified}");
        assert!(verified.contains("signed"), "{verified}");
    }
    desk.out(&["convert", "--no-sign", "web.scap", "bare.aft"]);
    assert_ne!(
        fs::metadata(desk.path("bare.aft")).unwrap().len(),
        fs::metadata(desk.path("web.aft")).unwrap().len()
    );
}

/// Captures of sysdig, as `tests/tests/scap.rs` looks for them; `None`, and said, where there are none.
#[expect(clippy::print_stderr, reason = "a test that skips says so")]
fn fixtures() -> Option<PathBuf> {
    let root = std::env::var_os("AFTERIMAGE_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures"),
        PathBuf::from,
    );
    let folder = root.join("scap");
    let there = folder.is_dir();
    if !there {
        eprintln!("skipped: no captures of sysdig in {}", root.display());
    }
    there.then_some(folder)
}

#[test]
fn what_is_sifted_is_what_is_found_in_the_converted_capture() {
    let Some(fixtures) = fixtures() else { return };
    let entries = fs::read_dir(fixtures).unwrap();
    let desk = Desk::new();
    let format = "*%evt.num %evt.rawtime %evt.type %evt.latency %thread.tid %proc.name %proc.pname %proc.nthreads %fd.num %fd.name %fd.connected %evt.args";
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_none_or(|end| end != "scap") {
            continue;
        }
        let _ = fs::remove_file(desk.path("whole.aft"));
        let path = path.display().to_string();
        desk.out(&["convert", "--no-sign", &path, "whole.aft"]);
        for filter in [
            "evt.type in (execve, clone, procexit)",
            "evt.type in (connect, accept, sendto, recvfrom)",
            "evt.type=switch or evt.type=close",
            "evt.dir=< and evt.type in (read, write, openat, open)",
            "evt.is_io=true and fd.type in (ipv4, ipv6)",
            "proc.pname=bash or proc.aname=sh",
            "not evt.type in (read, write, switch, futex) and fd.name contains e",
            "evt.type in (futex, poll, mmap)",
            "proc.name in (cat, curl, filer, httpd, minio, sh, setuid)",
            "not proc.name startswith s and fd.num>=0",
            "proc.args contains -c or evt.type=clone",
            "user.name=root and not container.id=host",
        ] {
            let read = |file: &str| {
                desk.out(&[
                    "read",
                    "--no-cache",
                    "--internal",
                    "-p",
                    format,
                    file,
                    filter,
                ])
            };
            assert!(read(&path) == read("whole.aft"), "{path} {filter}");
        }
    }
}

#[test]
fn a_capture_of_another_program_has_no_seal_to_show_and_its_conversion_has() {
    let desk = Desk::new();
    desk.large();
    desk.out(&["convert", "one.scap", "one.aft"]);
    // As it is read, while its copy is made, and from the copy.
    for name in ["one.scap", "large.scap", "large.scap"] {
        let told = desk.out(&["info", name]);
        assert!(
            told.contains("no seal") && !told.contains("sealed ("),
            "{told}"
        );
        let told = desk.out(&["info", "--json", name]);
        assert!(told.contains("\"capture.sealed\":false"), "{told}");
    }
    let told = desk.out(&["info", "one.aft"]);
    assert!(told.contains("sealed ("), "{told}");
}

/// What scap knows as a container has to be one of a runtime, which our samples do not have.
#[test]
fn what_stood_at_an_instant_is_told_with_its_containers() {
    let Some(fixtures) = fixtures() else { return };
    let desk = Desk::new();
    let capture = fixtures.join("sf-collector_alpine_alpine.scap");
    let capture = capture.display().to_string();
    for (view, lines) in [("containers_at", 3), ("ps", 40)] {
        for at in [&[][..], &["--at", "+20s"]] {
            let told = desk.out(&[&["view", &capture, view][..], at].concat());
            let named = told.lines().filter(|line| line.contains(" alpine "));
            assert!(named.count() > 0 && told.lines().count() > lines, "{told}");
        }
    }
}

/// Rows of a view as JSON.
fn rows(desk: &Desk, capture: &str, view: &str) -> Vec<serde_json::Value> {
    let out = desk.out(&["view", capture, view, "--json"]);
    out.lines()
        .map(|line| serde_json::from_str(line).expect("a row"))
        .collect()
}

#[test]
fn a_call_whose_entry_is_an_event_too_is_counted_and_listed_once() {
    let desk = Desk::new();
    desk.scap("web.scap");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
    let sample = sample.display().to_string();
    for view in [
        "commands",
        "file_opens",
        "deletions",
        "listening",
        "shell_activity",
    ] {
        let (ours, theirs) = (rows(&desk, &sample, view), rows(&desk, "web.scap", view));
        assert!(!ours.is_empty(), "{view}");
        assert_eq!(ours.len(), theirs.len(), "{view}");
    }
    let counts = |capture: &str, key: &str, view: &str, count: &str| {
        let mut counts: Vec<(String, u64)> = rows(&desk, capture, view)
            .iter()
            .map(|row| (row[key].to_string(), row[count].as_u64().expect("a count")))
            .collect();
        counts.sort();
        counts
    };
    for call in [
        "execve", "openat", "read", "write", "connect", "accept4", "unlinkat",
    ] {
        let of = |capture: &str| {
            let all = counts(capture, "evt.type", "syscalls", "count");
            let name = format!("\"{call}\"");
            all.into_iter().find(|(found, _)| *found == name)
        };
        assert_eq!(of(&sample), of("web.scap"), "{call}");
    }
    // Bytes are bytes, not the descriptors that dup gives.
    let of_files = |capture: &str| counts(capture, "fd.name", "files", "bytes");
    let moved = |capture: &str| of_files(capture).iter().map(|(_, n)| n).sum::<u64>();
    assert!(moved(&sample) > 0);
    for row in rows(&desk, "web.scap", "files") {
        let of = |key: &str| row[key].as_u64().expect("bytes");
        assert_eq!(of("in") + of("out"), of("bytes"), "{row}");
    }
}

#[test]
fn events_of_which_nothing_is_known_are_not_left_out_without_a_word() {
    let desk = Desk::new();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1.3/lists.aft");
    let output = desk.run(&["convert", &sample.display().to_string(), "out.scap"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("1,300 events left out, for which scap has no words: ? (1300)"),
        "{said}"
    );
}

/// What `info --json` says.
fn info(desk: &Desk, capture: &str) -> serde_json::Value {
    serde_json::from_str(&desk.out(&["info", "--json", capture])).unwrap()
}

fn fixture(folder: &Path, desk: &Desk, name: &str, to: &str) -> u64 {
    fs::copy(folder.join(name), desk.path(to)).unwrap();
    let events = &info(desk, to)["capture.events"];
    events.as_u64().unwrap()
}

#[test]
fn captures_of_sysdig_are_merged_with_each_other_and_with_converted_ones() {
    let Some(folder) = fixtures() else {
        return;
    };
    let desk = Desk::new();
    let one = "sf-collector_files_files.scap";
    let other = "sf-collector_setuid_setuid.scap";
    let count =
        fixture(&folder, &desk, one, "one.scap") + fixture(&folder, &desk, other, "two.scap");
    desk.out(&["convert", "two.scap", "two.aft"]);
    let hash = |file: &str| {
        let out = desk.out(&["info", "--json", file]);
        let hashed = blake3::hash(&fs::read(desk.path(file)).unwrap());
        assert!(!out.is_empty());
        hashed.to_hex().to_string()
    };
    let printed = |file: &str| {
        let format = "%evt.rawtime %evt.type %proc.cmdline %fd.name %evt.args";
        desk.out(&["read", "--internal", file, "-p", format])
    };
    let mut all: Vec<String> = Vec::new();
    for file in ["one.scap", "two.scap"] {
        all.extend(printed(file).lines().map(str::to_owned));
    }
    all.sort();
    for (first, second, to) in [
        ("one.scap", "two.scap", "both.aft"),
        ("one.scap", "two.aft", "mixed.aft"),
        ("two.aft", "one.scap", "turned.aft"),
    ] {
        desk.out(&["merge", first, second, "-o", to]);
        desk.out(&["verify", "--deep", to]);
        let told = info(&desk, to);
        assert_eq!(told["capture.events"], count, "{to}");
        let parents = [hash(first), hash(second)];
        assert_eq!(told["capture.parents"], serde_json::json!(parents), "{to}");
        let text = desk.out(&["info", to]);
        assert!(text.contains(&format!("from {first} (BLAKE3 ")), "{text}");
        assert!(text.contains("; not verified)"), "{text}");
        let mut merged: Vec<String> = printed(to).lines().map(str::to_owned).collect();
        merged.sort();
        assert_eq!(merged, all, "{to}");
    }
    // Each says what there was as if it were alone.
    for (file, at) in [("one.scap", "+1s"), ("two.scap", "+1s")] {
        let from = &info(&desk, file)["capture.first_ns"];
        assert!(from.is_number(), "{file}");
        let alone = desk.out(&["view", file, "ps", "--at", at, "--json"]);
        assert!(alone.lines().count() > 5, "{alone}");
    }
}

#[test]
fn what_cannot_be_merged_is_named() {
    let desk = Desk::new();
    desk.scap("web.scap");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
    fs::copy(&sample, desk.path("web.aft")).unwrap();
    let whole = fs::read(desk.path("web.scap")).unwrap();
    fs::write(desk.path("empty.scap"), "").unwrap();
    fs::write(desk.path("text.scap"), "this is a text").unwrap();
    let refused = |files: &[&str], name: &str, why: &str| {
        let output = desk.run(&[&["merge"], files, &["-o", "made.aft"]].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{files:?}: {said}");
        assert!(
            said.contains(name) && said.contains(why),
            "{files:?}: {said}"
        );
        assert!(!desk.path("made.aft").exists(), "{files:?}");
    };
    // What is ours has other events.
    refused(
        &["web.aft", "web.scap"],
        "web.scap",
        "another set of event types",
    );
    refused(
        &["web.scap", "web.aft"],
        "web.aft",
        "another set of event types",
    );
    refused(&["web.scap", "empty.scap"], "empty.scap", "empty");
    refused(
        &["text.scap", "web.scap"],
        "text.scap",
        "no capture of sysdig",
    );
    refused(&["web.scap", "none.scap"], "none.scap", "No such file");
    // What is torn is merged, and the loss told.
    fs::write(desk.path("torn.scap"), &whole[..whole.len() * 3 / 4]).unwrap();
    let output = desk.run(&["merge", "web.scap", "torn.scap", "-o", "made.aft"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("torn"), "{said}");
    desk.out(&["verify", "--deep", "made.aft"]);
}
