//! Keys, signatures and anchors on the command line: who may read what, and which exit code says what.

use afterimage_format::{Artifact, Lineage, Writer, WriterOptions, keys};
use afterimage_model::{ClockPair, Manifest, Schema, Tables, Totals};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder with keys of its own.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_afterimage"))
            .args(args)
            .current_dir(self.0.path())
            .env("NO_COLOR", "1")
            .env("AFTERIMAGE_KEYS", self.path("keys"))
            .stdin(Stdio::null())
            .output()
            .expect("the command runs")
    }

    /// What it printed when it ended as it should.
    fn ends(&self, code: i32, args: &[&str]) -> String {
        let output = self.run(args);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        out + &err
    }

    /// A capture signed by the key of this name.
    fn capture(&self, name: &str, key: &str) {
        let secret = std::fs::read_to_string(self.path(&format!("keys/{key}.key"))).expect("a key");
        let secret = keys::parse_secret(&secret).expect("a key");
        let manifest = Manifest {
            capture_id: "00112233445566778899aabbccddeeff".into(),
            clock: ClockPair {
                boot_ns: 1,
                mono_ns: 1,
                real_ns: 1_795_366_800_000_000_000,
            },
            ..Manifest::default()
        };
        let mut writer = Writer::signed(
            Vec::new(),
            &manifest,
            &Lineage::default(),
            Schema::current(),
            WriterOptions::default(),
            Some(&secret),
        )
        .expect("a header");
        writer.ended("it was stopped");
        let file = writer.seal(&Totals::default(), &Tables::default());
        std::fs::write(self.path(name), file.expect("a seal")).expect("a file");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path)
        .expect("a file")
        .permissions()
        .mode()
        & 0o777
}

#[test]
fn a_key_is_private_is_never_overwritten_and_its_public_half_is_for_everybody() {
    let desk = Desk::new();
    desk.ends(0, &["keys", "generate", "lab"]);
    assert_eq!(mode(&desk.path("keys/lab.key")), 0o600);
    assert_eq!(mode(&desk.path("keys/lab.pub")), 0o644);
    let before = std::fs::read(desk.path("keys/lab.key")).expect("a key");
    desk.ends(1, &["keys", "generate", "lab"]);
    assert_eq!(std::fs::read(desk.path("keys/lab.key")).ok(), Some(before));
    let shown = desk.ends(0, &["keys", "show", "lab"]);
    assert!(shown.starts_with("afterimage public key 1\n"), "{shown}");
    assert!(!shown.contains("secret"), "{shown}");
    for bad in ["../lab", ".lab", "", "a/b", "a b"] {
        desk.ends(2, &["keys", "generate", bad]);
    }
    assert!(!desk.path("lab.key").exists());
}

#[test]
fn the_right_key_is_confirmed_and_a_wrong_one_is_refused_with_exit_code_4() {
    let desk = Desk::new();
    for name in ["lab", "other"] {
        desk.ends(0, &["keys", "generate", name]);
    }
    desk.capture("a.aft", "lab");
    let told = desk.ends(0, &["verify", "a.aft"]);
    assert!(
        told.contains("a key known here") && told.contains("signed seal"),
        "{told}"
    );
    desk.ends(0, &["verify", "--key", "lab", "a.aft"]);
    desk.ends(0, &["verify", "--key", "keys/lab.pub", "a.aft"]);
    let told = desk.ends(4, &["verify", "--key", "other", "a.aft"]);
    assert!(
        told.contains("which is not the key that was named"),
        "{told}"
    );
    desk.ends(1, &["verify", "--key", "nothing.pub", "a.aft"]);
    // Where the key is not known, that is said, and nothing else is claimed.
    std::fs::remove_file(desk.path("keys/lab.pub")).expect("removed");
    let told = desk.ends(0, &["verify", "a.aft"]);
    assert!(told.contains("unknown key"), "{told}");
    let json = desk.ends(0, &["verify", "--json", "a.aft"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["verify.signed"], true);
    assert_eq!(json["verify.signer_name"], serde_json::Value::Null);
}

#[test]
fn a_rotated_key_still_checks_what_its_predecessor_signed_and_cannot_sign_as_it() {
    let desk = Desk::new();
    desk.ends(0, &["keys", "generate", "lab"]);
    desk.capture("old.aft", "lab");
    let old = std::fs::read_to_string(desk.path("keys/lab.key")).expect("a key");
    desk.ends(0, &["keys", "rotate", "lab"]);
    desk.capture("new.aft", "lab");
    assert_ne!(
        std::fs::read_to_string(desk.path("keys/lab.key")).ok(),
        Some(old)
    );
    for file in ["old.aft", "new.aft"] {
        desk.ends(0, &["verify", "--key", "lab", file]);
    }
    assert_eq!(mode(&desk.path("keys/lab.key")), 0o600);
    // The earlier card alone does not vouch for what came later.
    let retired: Vec<PathBuf> = std::fs::read_dir(desk.path("keys"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.to_string_lossy().contains("lab-"))
        .collect();
    let [retired] = retired.as_slice() else {
        panic!("{retired:?}")
    };
    let retired = retired.to_string_lossy();
    desk.ends(0, &["verify", "--key", &retired, "old.aft"]);
    desk.ends(4, &["verify", "--key", &retired, "new.aft"]);
}

#[test]
fn a_key_that_others_can_read_does_not_sign() {
    let desk = Desk::new();
    desk.ends(0, &["keys", "generate", "lab"]);
    let open = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(desk.path("keys/lab.key"), open).expect("a mode");
    let told = desk.ends(1, &["keys", "rotate", "lab"]);
    assert!(told.contains("proves nothing"), "{told}");
    // Nor one behind a link.
    std::fs::rename(desk.path("keys/lab.key"), desk.path("elsewhere")).expect("moved");
    std::os::unix::fs::symlink(desk.path("elsewhere"), desk.path("keys/lab.key")).expect("a link");
    desk.ends(1, &["keys", "rotate", "lab"]);
}

#[test]
fn an_anchor_finds_what_was_cut_off_and_what_was_made_anew() {
    let desk = Desk::new();
    desk.ends(0, &["keys", "generate", "lab"]);
    desk.capture("a.aft", "lab");
    let anchor = desk.ends(0, &["anchor", "a.aft"]);
    std::fs::write(desk.path("a.anchor"), &anchor).expect("a file");
    let told = desk.ends(0, &["verify", "--anchor", "a.anchor", "a.aft"]);
    assert!(told.contains("holds 1 anchor"), "{told}");
    let told = desk.ends(0, &["verify", "a.aft"]);
    assert!(
        told.contains("roll-back to an earlier state would not be seen"),
        "{told}"
    );
    let whole = std::fs::read(desk.path("a.aft")).expect("a file");
    std::fs::write(desk.path("cut.aft"), &whole[..whole.len() - 200]).expect("a file");
    desk.ends(3, &["verify", "cut.aft"]);
    let told = desk.ends(4, &["verify", "--anchor", "a.anchor", "cut.aft"]);
    assert!(told.contains("rolled back"), "{told}");
    // The same key, the same events, another capture.
    desk.capture("again.aft", "lab");
    desk.ends(0, &["verify", "--key", "lab", "again.aft"]);
    desk.ends(4, &["verify", "--anchor", "a.anchor", "again.aft"]);
    desk.ends(1, &["verify", "--anchor", "a.aft", "a.aft"]);
    // What is broken gets no anchor.
    let mut broken = whole;
    broken[5_000] ^= 1;
    std::fs::write(desk.path("broken.aft"), broken).expect("a file");
    desk.ends(4, &["anchor", "broken.aft"]);
}

#[test]
fn the_custody_log_is_appended_to_on_request_only_and_names_who_did_what() {
    let desk = Desk::new();
    desk.ends(0, &["keys", "generate", "lab"]);
    desk.capture("a.aft", "lab");
    let before = std::fs::read(desk.path("a.aft")).expect("a file");
    for reading in [
        &["verify", "a.aft"][..],
        &["info", "a.aft"],
        &["custody", "a.aft"],
        &["read", "a.aft"],
    ] {
        desk.ends(0, reading);
        assert_eq!(
            std::fs::read(desk.path("a.aft")).ok().as_ref(),
            Some(&before)
        );
    }
    let sign = [
        "--sign",
        "--operator",
        "k. ito\u{1b}[2J",
        "--sign-with",
        "lab",
    ];
    desk.ends(0, &[&["verify"], &sign[..], &["a.aft"]].concat());
    desk.ends(
        0,
        &[
            "custody",
            "--add",
            "handed over",
            "--sign-with",
            "lab",
            "a.aft",
        ],
    );
    let told = desk.ends(0, &["custody", "a.aft"]);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 5, "{told}");
    assert!(lines[2].contains("sealed: it was stopped"), "{told}");
    assert!(
        lines[3].contains("verified by k. ito\\x1b[2J with afterimage"),
        "{told}"
    );
    assert!(lines[4].contains("handed over; signed by lab@"), "{told}");
    let json = desk.ends(0, &["custody", "--json", "a.aft"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["custody"][1]["custody.text"], "handed over");
    // The capture's own digest is what it was, and the log is checked with it.
    let after = std::fs::read(desk.path("a.aft")).expect("a file");
    assert_eq!(after.get(..before.len()), Some(before.as_slice()));
    let mut edited = after;
    let at = edited.len() - 100;
    edited[at] ^= 1;
    std::fs::write(desk.path("edited.aft"), &edited).expect("a file");
    let told = desk.ends(4, &["verify", "edited.aft"]);
    assert!(
        told.contains("sealed and intact") && told.contains("custody log is broken"),
        "{told}"
    );
    desk.ends(4, &["custody", "edited.aft"]);
    // What does not verify gets no entry.
    let mut broken = before;
    broken[5_000] ^= 1;
    std::fs::write(desk.path("broken.aft"), &broken).expect("a file");
    desk.ends(4, &["verify", "--sign", "broken.aft"]);
    assert_eq!(std::fs::read(desk.path("broken.aft")).ok(), Some(broken));
}

#[test]
fn a_piece_begins_with_what_there_was_where_it_was_cut() {
    let desk = Desk::new();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1");
    for (name, from) in [("break-in.aft", "+20ms"), ("quiet-web.aft", "+500ms")] {
        std::fs::copy(samples.join(name), desk.path(name)).expect("the sample");
        let piece = format!("piece-of-{name}");
        let cut = ["slice", name, "-o", &piece, "--no-sign", "--from", from];
        desk.ends(0, &cut);
        let first = desk.ends(0, &["read", &piece, "-n1", "-p", "%evt.rawtime"]);
        let (seconds, ns) = first.trim().split_at(10);
        let at = format!("{seconds}.{ns}");
        for view in ["ps", "netstat", "env", "mounts"] {
            let told = |file| desk.ends(0, &["view", file, view, "--at", &at]);
            assert_eq!(told(&piece), told(name), "{name} {view}");
        }
        // Processes and sockets there were, so it was no comparison of nothing.
        assert!(
            desk.ends(0, &["view", &piece, "ps", "--at", &at])
                .lines()
                .count()
                > 4
        );
    }
}

#[test]
fn derived_captures_name_their_parents_and_are_signed_by_who_made_them() {
    let desk = Desk::new();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
    std::fs::copy(&sample, desk.path("a.aft")).expect("the sample");
    desk.ends(0, &["keys", "generate", "lab"]);
    let by = ["--sign-with", "lab", "--operator", "k. ito"];
    let all = |args: &[&'static str]| [args, &by[..]].concat();
    desk.ends(
        0,
        &all(&["slice", "a.aft", "-o", "one.aft", "--to", "+20ms"]),
    );
    desk.ends(
        0,
        &all(&[
            "slice", "--log", "a.aft", "-o", "two.aft", "--from", "+20ms",
        ]),
    );
    desk.ends(
        0,
        &all(&["slice", "a.aft", "-o", "execs.aft", "evt.type=execve"]),
    );
    desk.ends(0, &all(&["merge", "two.aft", "one.aft", "-o", "again.aft"]));
    desk.ends(0, &all(&["repack", "again.aft", "-o", "small.aft"]));
    desk.ends(1, &all(&["repack", "again.aft", "-o", "small.aft"]));
    for file in ["one.aft", "two.aft", "execs.aft", "again.aft", "small.aft"] {
        desk.ends(0, &["verify", "--deep", "--key", "lab", file]);
        assert_eq!(mode(&desk.path(file)), 0o600);
    }
    let print = |file| {
        desk.ends(
            0,
            &[
                "read",
                file,
                "-p",
                "%evt.time %evt.type %proc.cmdline %fd.name",
            ],
        )
    };
    assert_eq!(print("small.aft"), print("a.aft"));
    assert!(
        desk.path("small.aft").metadata().unwrap().len()
            < desk.path("again.aft").metadata().unwrap().len()
    );
    let execs = desk.ends(0, &["read", "execs.aft", "-p", "%evt.type"]);
    assert!(execs.lines().count() > 10 && execs.lines().all(|line| line == "execve"));
    let info = desk.ends(0, &["info", "again.aft"]);
    assert!(info.contains("by merged from two.aft (BLAKE3 "), "{info}");
    assert!(info.contains("sealed and intact, signed"), "{info}");
    // The parent's log says so where that was asked for, and only there.
    let custody = desk.ends(0, &["custody", "a.aft"]);
    assert_eq!(custody.matches(" sliced by k. ito").count(), 1, "{custody}");
    assert!(custody.contains("into two.aft (BLAKE3 "), "{custody}");
    desk.ends(
        1,
        &all(&["slice", "a.aft", "-o", "none.aft", "--container", "nobody"]),
    );
    desk.ends(
        2,
        &all(&["slice", "a.aft", "-o", "none.aft", "evt.tipe=open"]),
    );
    assert!(!desk.path("none.aft").exists());
}

#[test]
fn what_is_made_of_another_file_is_signed_when_it_is_made_and_not_when_its_events_happened() {
    let desk = Desk::new();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
    std::fs::copy(&sample, desk.path("a.aft")).expect("the sample");
    let torn = std::fs::read(&sample).expect("the sample");
    let torn = torn.get(..torn.len() - 100).expect("the sample");
    std::fs::write(desk.path("torn.aft"), torn).expect("a file");
    desk.ends(0, &["keys", "generate", "lab"]);
    let since_1970 = || std::time::UNIX_EPOCH.elapsed().expect("a clock").as_nanos();
    let began = since_1970();
    desk.ends(0, &["convert", "a.aft", "a.scap"]);
    let made: [&[&str]; 6] = [
        &["slice", "a.aft", "--to", "+20ms", "-o", "one.aft"],
        &["slice", "a.aft", "--from", "+20ms", "-o", "two.aft"],
        &["merge", "one.aft", "two.aft", "-o", "merge.aft"],
        &["repack", "a.aft", "-o", "repack.aft"],
        &["recover", "torn.aft", "-o", "recover.aft"],
        &["convert", "a.scap", "of-scap.aft"],
    ];
    for args in made {
        let file = args.last().expect("a name");
        let output = desk.run(&[args, &["--sign-with", "lab"]].concat());
        assert!(matches!(output.status.code(), Some(0 | 3)), "{args:?}");
        let report = desk.ends(0, &["verify", "--json", "--key", "lab", file]);
        let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
        for name in ["verify.first_signed_ns", "verify.last_signed_ns"] {
            let at = report.get(name).and_then(serde_json::Value::as_u64);
            let at = u128::from(at.unwrap_or_else(|| panic!("{file}: {name} in {report}")));
            assert!((began..=since_1970()).contains(&at), "{file}: {name} {at}");
        }
    }
}

#[test]
fn what_a_capture_does_not_say_of_itself_is_left_out() {
    let desk = Desk::new();
    desk.ends(0, &["keys", "generate", "lab"]);
    // Neither host nor kernel, nor who recorded it.
    desk.capture("a.aft", "lab");
    let info = desk.ends(0, &["info", "a.aft"]);
    let value = |name: &str| {
        let line = info.lines().find(|line| line.starts_with(name))?;
        Some(line.get(name.len()..)?.trim())
    };
    assert_eq!(value("Host "), Some("Linux"), "{info}");
    for name in ["Boot ", "Recorded by "] {
        assert_eq!(value(name), None, "{info}");
    }
    desk.ends(0, &["convert", "a.aft", "a.scap"]);
    let by = ["--sign-with", "lab"];
    desk.ends(0, &[&["convert", "a.scap", "b.aft"][..], &by[..]].concat());
    let info = desk.ends(0, &["info", "b.aft"]);
    let ended = info.lines().find(|line| line.starts_with("Ended "));
    assert!(
        ended.is_some_and(|line| line.ends_with(": converted")),
        "{info}"
    );
    assert!(!info.contains("()"), "{info}");
}

#[test]
fn artifacts_are_written_beneath_the_folder_whatever_they_are_called() {
    let desk = Desk::new();
    let mut writer = Writer::new(
        Vec::new(),
        &Manifest::default(),
        Schema::current(),
        WriterOptions::default(),
    )
    .expect("a header");
    let names = [
        &b"../../etc/cron.d/x"[..],
        b"/etc/passwd",
        b"C:\\x",
        b"a\0b",
        b".",
        b"..",
        b"",
        b"\x1b[2J",
        &[b'x'; 4_096],
    ];
    for (n, name) in (0_u8..).zip(names) {
        let artifact = Artifact {
            name: name.to_vec(),
            media_type: "text/plain".into(),
            hash: Vec::new(),
            bytes: vec![n; 100],
            ..Artifact::default()
        };
        writer.artifact(&artifact).expect("an artifact");
    }
    let file = writer.seal(&Totals::default(), &Tables::default());
    std::fs::write(desk.path("a.aft"), file.expect("a seal")).expect("a file");
    let before: Vec<_> = std::fs::read_dir(desk.0.path())
        .expect("a folder")
        .collect();
    let told = desk.ends(0, &["artifacts", "list", "a.aft"]);
    assert_eq!(told.lines().count(), names.len() + 1, "{told}");
    assert!(!told.contains('\u{1b}'));
    let told = desk.ends(0, &["artifacts", "extract", "a.aft", "-o", "found"]);
    assert!(told.contains("9 files written"), "{told}");
    let after: Vec<_> = std::fs::read_dir(desk.0.path())
        .expect("a folder")
        .collect();
    assert_eq!(after.len(), before.len() + 1);
    for entry in std::fs::read_dir(desk.path("found")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("a file");
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        assert!(name.is_some_and(|name| name.len() == 64));
        assert_eq!((bytes.len(), mode(&path)), (100, 0o600));
    }
    let told = desk.ends(0, &["artifacts", "extract", "a.aft", "-o", "found"]);
    assert!(
        told.contains("0 files written") && told.contains("9 were there"),
        "{told}"
    );
    // Neither through a link in the folder's place, nor over one inside of it.
    std::os::unix::fs::symlink(desk.path("found"), desk.path("link")).expect("a link");
    desk.ends(1, &["artifacts", "extract", "a.aft", "-o", "link"]);
    let victim = desk.path("victim");
    let hash = told_hash(&desk);
    std::fs::create_dir(desk.path("trap")).expect("a folder");
    std::os::unix::fs::symlink(&victim, desk.path("trap").join(&hash)).expect("a link");
    desk.ends(
        0,
        &[
            "artifacts",
            "extract",
            "a.aft",
            "-o",
            "trap",
            "--hash",
            &hash,
        ],
    );
    assert!(!victim.exists());
}

/// The hash of the first artifact.
fn told_hash(desk: &Desk) -> String {
    let json = desk.ends(0, &["artifacts", "list", "--json", "a.aft"]);
    let first: serde_json::Value =
        serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    first["artifact.hash"].as_str().expect("a text").to_owned()
}
