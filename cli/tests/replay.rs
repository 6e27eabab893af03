//! The command over a capture made here, byte for byte the same every time: what it prints, and how it ends.
//!
//! `BLESS=1` rewrites the golden answers in `tests/golden/`.

#[path = "help/subcommands.rs"]
mod subcommands;

use afterimage_format::{Reader, Writer, WriterOptions};
use afterimage_model::{
    Abi, BootNs, ClockPair, Container, ContainerId, Event, EventFlags, File, FileId, FileKind,
    Flow, Gap, GapCause, Manifest, ProcId, ProcKey, Process, Protocol, Role, SYSCALLS, Schema,
    Tables, Totals, TypeId, Value, event::Blob, schema,
};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use subcommands::subcommands;

const WEB: ContainerId = ContainerId(1);
const SHADOW: FileId = FileId(1);
const SOCKET: FileId = FileId(2);

fn tables() -> Tables {
    let mut tables = Tables::default();
    let web = Container {
        id: WEB,
        full_id: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef".into(),
        runtime: "docker".into(),
        name: "web".into(),
        image: "nginx:1.27".into(),
        labels: [("team".to_owned(), "blue".to_owned())].into(),
        first_seen_ns: 100_000_000_000,
        removed_ns: 102_000_000_000,
        ..Container::default()
    };
    tables.containers.insert(WEB, Arc::new(web));
    for (id, pid, parent, comm, argv) in [
        (1, 4700, None, "nginx", &b"nginx\0-g\0daemon off;\0"[..]),
        (2, 4711, Some(ProcId(1)), "sh", b"/bin/sh\0-i\0"),
        (
            3,
            4712,
            Some(ProcId(2)),
            "cat",
            b"cat\0/etc/shadow\0\x1b[2Jevil\0",
        ),
    ] {
        let process = Process {
            id: ProcId(id),
            key: ProcKey {
                pid,
                start_ns: 99_000_000_000 + u64::from(id),
                exec: 1,
            },
            parent,
            ppid: if id == 1 { 1 } else { 4709 + id },
            vpid: id,
            comm: comm.into(),
            exe_path: format!("/usr/bin/{comm}").into(),
            argv: argv.into(),
            argv_full_len: argv.len() as u64,
            cwd: "/".into(),
            container: Some(WEB),
            ..Process::default()
        };
        tables.procs.insert(ProcId(id), Arc::new(process));
    }
    let shadow = File {
        id: SHADOW,
        kind: FileKind::File,
        path: "/etc/shadow".into(),
        dev: 1,
        ino: 7,
        ..File::default()
    };
    tables.files.insert(SHADOW, Arc::new(shadow));
    let flow = Flow {
        protocol: Protocol(6),
        local: ([10, 0, 0, 2], 40_000).into(),
        remote: ([203, 0, 113, 9], 4444).into(),
        role: Role::Client,
    };
    tables.files.insert(
        SOCKET,
        Arc::new(File {
            id: SOCKET,
            kind: FileKind::Ipv4,
            flow: Some(flow),
            ..File::default()
        }),
    );
    tables
}

fn ty(name: &str) -> TypeId {
    schema::current_type(name).unwrap_or_else(|| panic!("no row {name}"))
}

/// An event whose arguments are given by name; the others are absent.
fn event(
    at: u64,
    name: &str,
    proc: u32,
    result: i64,
    file: Option<FileId>,
    args: &[(&str, Value)],
) -> Event {
    let row = SYSCALLS.iter().find(|row| row.name == name).expect("a row");
    let value = |arg: &str| {
        args.iter()
            .find(|given| given.0 == arg)
            .map(|given| given.1.clone())
            .unwrap_or_default()
    };
    Event {
        time: BootNs(100_000_000_000 + at),
        cpu: 0,
        seq: at,
        ty: ty(name),
        abi: Abi::x86_64,
        flags: EventFlags::default(),
        tid: 4709 + proc,
        proc: ProcId(proc),
        file,
        result,
        latency_ns: 0,
        args: row.args.iter().map(|arg| value(arg.name)).collect(),
    }
}

fn text(text: &[u8]) -> Value {
    Value::Bytes(Blob::whole(text))
}

fn capture(gaps: &[Gap]) -> Vec<u8> {
    let manifest = Manifest {
        capture_id: "00112233445566778899aabbccddeeff".into(),
        tool: "afterimage test".into(),
        host: "web-host".into(),
        kernel: "6.1.0".into(),
        machine: "x86_64".into(),
        boot_id: "b007".into(),
        cpus: 2,
        clock: ClockPair {
            boot_ns: 100_000_000_000,
            mono_ns: 100_000_000_000,
            real_ns: 1_795_366_800_000_000_000,
        },
        time_zone: "+0200".into(),
        scope: "container web".into(),
        coverage: vec!["system calls of x86_64".into()],
        not_covered: vec!["io_uring".into()],
        command: vec!["afterimage".into(), "record\u{1b}]0;x\u{7}".into()],
        ..Manifest::default()
    };
    let tables = tables();
    let events = [
        event(0, "execve", 2, 0, None, &[("path", text(b"/bin/sh"))]),
        event(
            1_000_000,
            "connect",
            2,
            0,
            Some(SOCKET),
            &[("fd", Value::Num(3))],
        ),
        event(
            2_000_000,
            "execve",
            3,
            0,
            None,
            &[("path", text(b"/bin/cat"))],
        ),
        event(
            3_000_000,
            "openat",
            3,
            4,
            Some(SHADOW),
            &[
                ("dirfd", Value::Num(-100)),
                ("path", text(b"/etc/shadow")),
                ("flags", Value::Num(0)),
            ],
        ),
        event(
            4_000_000,
            "read",
            3,
            12,
            Some(SHADOW),
            &[
                ("fd", Value::Num(4)),
                ("buf", text(b"root:x\n\x1b[2J\xff")),
                ("count", Value::Num(4096)),
            ],
        ),
        event(
            5_000_000,
            "openat",
            3,
            -2,
            None,
            &[("dirfd", Value::Num(-100)), ("path", text(b"/etc/nothing"))],
        ),
        event(
            1_500_000_000,
            "write",
            2,
            5,
            Some(SOCKET),
            &[
                ("fd", Value::Num(3)),
                ("buf", text(b"hello")),
                ("count", Value::Num(5)),
            ],
        ),
    ];
    let options = WriterOptions {
        chunk_events: 3,
        ..WriterOptions::default()
    };
    let mut writer =
        Writer::new(Vec::new(), &manifest, Schema::current(), options).expect("a header");
    let written = events.len() as u64;
    for event in events {
        writer.push(event, &tables).expect("an event");
    }
    for gap in gaps {
        writer.gap(gap).expect("a gap");
    }
    let dropped: u64 = gaps.iter().filter_map(|gap| gap.count).sum();
    writer
        .state(BootNs(102_000_000_000), &tables)
        .expect("a state");
    let totals = Totals {
        offered: written + dropped,
        written,
        dropped,
        ..Totals::default()
    };
    writer.seal(&totals, &tables).expect("a footer")
}

/// A folder with `whole.aft`, `lossy.aft`, `torn.aft` and `broken.aft` in it.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        let desk = Desk(tempfile::tempdir().expect("a folder"));
        let whole = capture(&[]);
        let gap = Gap {
            cause: GapCause::RingFull,
            start: BootNs(100_100_000_000),
            end: BootNs(100_200_000_000),
            cpu: Some(1),
            count: Some(42),
            first_seq: Some(9),
            detail: String::new(),
        };
        std::fs::write(desk.path("lossy.aft"), capture(&[gap])).expect("a file");
        let second_chunk = Reader::from_bytes(whole.clone())
            .expect("a capture")
            .chunks()[1]
            .offset as usize;
        std::fs::write(desk.path("torn.aft"), &whole[..second_chunk + 40]).expect("a file");
        let mut broken = whole.clone();
        broken[second_chunk + 40] ^= 0x10;
        std::fs::write(desk.path("broken.aft"), broken).expect("a file");
        std::fs::write(desk.path("whole.aft"), whole).expect("a file");
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
            .env("NO_COLOR", "1")
            .env("AFTERIMAGE_KEYS", self.0.path().join("keys"))
            .env_remove("COLUMNS")
            .env("TMPDIR", self.0.path());
        command
    }

    /// Runs the command; whatever it says must be harmless to a terminal.
    fn run(&self, args: &[&str]) -> Answer {
        Answer::of(
            args,
            self.command(args)
                .stdin(Stdio::null())
                .output()
                .expect("the command runs"),
        )
    }
}

struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Answer {
    fn of(args: &[&str], output: Output) -> Answer {
        for (name, bytes) in [
            ("standard output", &output.stdout),
            ("standard error", &output.stderr),
        ] {
            let text = std::str::from_utf8(bytes)
                .unwrap_or_else(|_| panic!("{args:?}: {name} is not UTF-8"));
            let bad = text.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(
                bad, None,
                "{args:?}: {name} holds a control character:\n{text}"
            );
        }
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("checked above");
        Answer {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    fn ends(self, code: i32) -> Answer {
        assert_eq!(self.code, code, "out: {}\nerr: {}", self.out, self.err);
        self
    }
}

/// Compares with `tests/golden/NAME.txt`; `BLESS=1` rewrites it.
#[track_caller]
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(format!("{name}.txt"));
    let text = text.replace(env!("CARGO_PKG_VERSION"), "VERSION");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).expect("a golden file");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text,
        expected,
        "{} differs; BLESS=1 accepts it",
        path.display()
    );
}

#[test]
fn reading_prints_events_as_sysdig_would() {
    let desk = Desk::new();
    golden("read", &desk.run(&["read", "whole.aft"]).ends(0).out);
    golden(
        "read-container",
        &desk
            .run(&["read", "-pc", "-t", "r", "whole.aft", "evt.type=openat"])
            .ends(0)
            .out,
    );
    golden(
        "read-bytes",
        &desk
            .run(&["read", "-X", "whole.aft", "evt.type", "in", "(read,write)"])
            .ends(0)
            .out,
    );
    golden(
        "read-json",
        &desk.run(&["read", "--json", "whole.aft"]).ends(0).out,
    );
    let same = desk
        .run(&["read", "-r", "whole.aft", "-n", "1", "evt.type=openat"])
        .ends(0)
        .out;
    assert_eq!(
        same,
        desk.run(&["read", "whole.aft", "evt.type=openat and evt.failed=false"])
            .ends(0)
            .out
    );
}

#[test]
fn a_users_own_format_decides_text_and_json_keys() {
    let desk = Desk::new();
    let text = desk
        .run(&[
            "read",
            "whole.aft",
            "-t",
            "a",
            "-p",
            "%evt.outputtime %proc.name %fd.name",
            "fd.type=ipv4",
        ])
        .ends(0)
        .out;
    assert_eq!(
        text,
        "1795366800.001000000 sh 10.0.0.2:40000->203.0.113.9:4444\n1795366801.500000000 sh 10.0.0.2:40000->203.0.113.9:4444\n"
    );
    let json = |format: &str| {
        let args = ["read", "whole.aft", "--json", "-n1", "-p", format];
        desk.run(&args).ends(0).out
    };
    assert_eq!(
        json("*%proc.name %fd.name"),
        "{\"proc.name\":\"sh\",\"fd.name\":null}\n"
    );
    // As with text, what lacks a field that is not optional is not printed.
    assert_eq!(json("%proc.name %fd.name"), "");
    // That nothing at all is printed does not look as if nothing had happened.
    let all = ["read", "whole.aft", "-p", "%proc.name %k8s.pod.name"];
    let said = desk.run(&all).ends(0).err;
    let note = "note: 7 events match and none of them has every field of the format: begin it with * to print them all the same\n";
    assert_eq!(said, note);
    let some = ["read", "whole.aft", "-p", "%proc.name %fd.name"];
    assert_eq!(desk.run(&some).ends(0).err, "");
}

#[test]
fn spans_are_asked_for_in_the_readers_zone() {
    let desk = Desk::new();
    let count = |args: &[&str]| {
        let all: Vec<&str> = ["read", "whole.aft", "--count-only"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        desk.run(&all).ends(0).out.trim().to_owned()
    };
    assert_eq!(count(&[]), "7");
    assert_eq!(count(&["--from", "+1s"]), "1");
    assert_eq!(count(&["--to", "17:00:01"]), "6");
    assert_eq!(count(&["--from", "19:00:01", "--tz", "host"]), "1");
    assert_eq!(
        count(&["--from", "2026-11-22T17:00:00.002Z", "--to", "+4ms"]),
        "3"
    );
    desk.run(&["read", "whole.aft", "--from", "teatime"])
        .ends(2);
}

#[test]
fn views_come_as_table_json_and_csv() {
    let desk = Desk::new();
    golden(
        "view-processes",
        &desk.run(&["view", "whole.aft", "procs"]).ends(0).out,
    );
    golden(
        "view-files-csv",
        &desk
            .run(&["view", "whole.aft", "files", "--csv"])
            .ends(0)
            .out,
    );
    golden(
        "view-connections-json",
        &desk
            .run(&["view", "whole.aft", "connections", "--json"])
            .ends(0)
            .out,
    );
    golden(
        "view-gaps",
        &desk.run(&["view", "lossy.aft", "gaps"]).ends(3).out,
    );
    let rule = "- rule: shadow\n  desc: it was read\n  condition: fd.name = /etc/shadow\n  output: read by %proc.name\n  priority: WARNING\n";
    std::fs::write(desk.path("rules.yaml"), rule).expect("a file");
    for view in afterimage_query::VIEWS {
        // Alerts are made by rules.
        let rules: &[&str] = match view.id {
            "alerts" => &["--rules", "rules.yaml"],
            _ => &[],
        };
        let ask = |form: &[&str]| {
            let args = [&["view", "whole.aft", view.id], rules, form].concat();
            desk.run(&args).ends(0)
        };
        ask(&[]);
        for line in ask(&["--json"]).out.lines() {
            let row = serde_json::from_str::<serde_json::Value>(line)
                .unwrap_or_else(|e| panic!("{}: {e}: {line}", view.id));
            let named = |name: &String| row.get(name).is_some();
            assert!(view.names().iter().all(named), "{}: {line}", view.id);
            let once = |name: &String| line.matches(&format!("\"{name}\":")).count() == 1;
            assert!(view.names().iter().all(once), "{}: {line}", view.id);
        }
    }
    assert!(
        desk.run(&["view", "whole.aft", "process_tree"])
            .ends(2)
            .err
            .contains("no view")
    );
    assert!(
        desk.run(&["view", "whole.aft", "files", "--sort", "SIZE"])
            .ends(2)
            .err
            .contains("OPS")
    );
}

#[test]
fn info_tells_losses_and_integrity_first() {
    let desk = Desk::new();
    golden("info", &desk.run(&["info", "whole.aft"]).ends(0).out);
    let lossy = desk.run(&["info", "lossy.aft"]).ends(3).out;
    assert!(
        lossy.contains("1 gap (ring-full), 42 events lost"),
        "{lossy}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&desk.run(&["info", "--json", "lossy.aft"]).ends(3).out)
            .expect("JSON");
    assert_eq!(
        (
            &json["capture.lost"],
            &json["containers"][0]["container.name"]
        ),
        (&42.into(), &"web".into())
    );
    assert!(
        desk.run(&["info", "torn.aft"])
            .ends(3)
            .out
            .contains("not sealed")
    );
}

#[test]
fn loss_is_told_on_standard_error_and_by_the_exit_code() {
    let desk = Desk::new();
    let answer = desk.run(&["read", "lossy.aft", "-n", "1"]).ends(3);
    assert_eq!(answer.out.lines().count(), 1);
    assert!(answer.err.contains("42 events lost"), "{}", answer.err);
    assert!(desk.run(&["read", "torn.aft"]).ends(3).err.contains("torn"));
}

#[test]
fn verify_has_three_verdicts_and_an_exit_code_for_each() {
    let desk = Desk::new();
    assert!(
        desk.run(&["verify", "whole.aft"])
            .ends(0)
            .out
            .contains("sealed and intact")
    );
    assert!(
        desk.run(&["verify", "torn.aft"])
            .ends(3)
            .out
            .contains("not sealed")
    );
    assert!(
        desk.run(&["verify", "broken.aft"])
            .ends(4)
            .out
            .contains("broken")
    );
    let digest = desk.run(&["verify", "--digest", "whole.aft"]).ends(0).out;
    desk.run(&["verify", "--expect", digest.trim(), "whole.aft"])
        .ends(0);
    desk.run(&["verify", "--expect", digest.trim(), "lossy.aft"])
        .ends(4);
    assert_eq!(
        desk.run(&["verify", "whole.aft", "broken.aft", "torn.aft"])
            .code,
        4
    );
}

#[test]
fn recover_saves_what_is_whole_and_never_overwrites() {
    let desk = Desk::new();
    let torn = std::fs::read(desk.path("torn.aft")).expect("a file");
    desk.run(&["recover", "torn.aft", "-o", "rescued.aft"])
        .ends(3);
    assert_eq!(desk.run(&["verify", "rescued.aft"]).ends(0).err, "");
    let numbers = |file: &str| {
        desk.run(&["read", file, "-p", "%evt.num %evt.type"])
            .ends(3)
            .out
    };
    assert_eq!(numbers("rescued.aft"), numbers("torn.aft"));
    desk.run(&["recover", "torn.aft", "-o", "rescued.aft"])
        .ends(1);
    assert_eq!(
        std::fs::read(desk.path("torn.aft")).ok(),
        Some(torn),
        "the damaged file is only read"
    );
}

#[test]
fn a_file_cut_before_anything_was_recorded_is_not_recovered_into_a_new_one() {
    let desk = Desk::new();
    let whole = std::fs::read(desk.path("whole.aft")).expect("a file");
    std::fs::write(desk.path("short.aft"), &whole[..2_000]).expect("a file");
    let answer = desk
        .run(&["recover", "short.aft", "-o", "rescued.aft"])
        .ends(1);
    assert!(answer.err.contains("schema is missing"), "{}", answer.err);
    assert!(!desk.path("rescued.aft").exists());
}

#[test]
fn a_capture_comes_through_a_pipe() {
    let desk = Desk::new();
    for (args, told) in [
        (&["read", "-", "--count-only"][..], "7\n"),
        (&["read", "-", "--whole"], "\"totals\""),
        (&["info", "-"], "sealed"),
        (&["view", "-", "files"], "/etc/shadow"),
        (&["verify", "-"], "-: sealed and intact"),
    ] {
        let whole = std::fs::File::open(desk.path("whole.aft")).expect("a file");
        let mut cat = Command::new("cat")
            .stdin(whole)
            .stdout(Stdio::piped())
            .spawn()
            .expect("cat");
        let output = desk
            .command(args)
            .stdin(cat.stdout.take().expect("a pipe"))
            .output()
            .expect("the command runs");
        let _ = cat.wait();
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && out.contains(told),
            "{args:?}: {out}"
        );
    }
}

#[test]
fn one_bad_file_among_many_does_not_keep_the_others_from_their_turn() {
    let desk = Desk::new();
    for command in ["verify", "info"] {
        let answer = desk
            .run(&[command, "missing.aft", "whole.aft", "torn.aft"])
            .ends(1);
        assert!(answer.err.contains("missing.aft"), "{}", answer.err);
        assert!(
            answer.out.contains("whole.aft") && answer.out.contains("torn.aft"),
            "{}",
            answer.out
        );
    }
}

#[test]
fn quiet_answers_only_by_the_exit_code() {
    let desk = Desk::new();
    assert_eq!(
        desk.run(&["read", "-q", "whole.aft", "proc.name=cat"])
            .ends(0)
            .out,
        ""
    );
    assert_eq!(
        desk.run(&["read", "-q", "whole.aft", "proc.name=dog"])
            .ends(1)
            .out,
        ""
    );
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let desk = Desk::new();
    let mut child = desk
        .command(&["syscalls", "--markdown"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("its end");
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

#[test]
fn mistakes_are_answered_with_what_was_meant() {
    let desk = Desk::new();
    for (args, code, told) in [
        (&["read", "whole.aft", "proc.nmae=sh"][..], 2, "proc.name"),
        (
            &["read", "whole.aft", "-p", "%evt.num %proc.nmae"],
            2,
            "proc.name",
        ),
        (&["read"], 2, "afterimage read FILE"),
        (
            &["read", "-c", "topprocs_cpu", "whole.aft"],
            2,
            "afterimage view FILE processor",
        ),
        (&["read", "-w", "out.aft"], 2, "afterimage record -w FILE"),
        (&["read", "missing.aft"], 1, "No such file"),
        (&["read", "/etc/passwd"], 1, "not a capture: it begins with"),
        (&["info", "/tmp"], 1, "try: name a capture"),
        (&["info", "/dev/null"], 1, "not a regular file but a device"),
        (&["view", "whole.aft", "\u{1b}[2J"], 2, "\\x1b[2J"),
        (&["bogus\u{1b}[2J"], 2, "unrecognized subcommand"),
        (
            &["inspect", "whole.aft"],
            1,
            "afterimage view whole.aft overview",
        ),
        (
            &["inspect", "whole.aft", "--view", "nonsense"],
            2,
            "no view",
        ),
        (&["record", "-o", "whole.aft"], 1, "exists already"),
        (&["record", "--duration", "soon"], 2, "90s"),
        (
            &["record", "-o", "new.aft", "evt.type=exceve"],
            2,
            "did you mean execve?",
        ),
        (
            &["read", "whole.aft", "evt.type=exceve"],
            0,
            "did you mean execve?",
        ),
        (
            &["read", "whole.aft", "--from", "+2s", "--to", "+1s"],
            2,
            "--from is later than --to",
        ),
        (&["record", "--label", "x", "-o", "new.aft"], 2, "KEY=VALUE"),
    ] {
        let answer = desk.run(args).ends(code);
        assert!(answer.err.contains(told), "{args:?}: {}", answer.err);
        assert_eq!(answer.out, "", "{args:?}");
    }
    assert!(!desk.path("new.aft").exists());
}

#[test]
fn every_help_text_is_as_blessed() {
    let desk = Desk::new();
    for sub in subcommands() {
        let args: Vec<&str> = [sub.as_str(), "--help"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        golden(
            &format!("help{}{sub}", if sub.is_empty() { "" } else { "-" }),
            &desk.run(&args).ends(0).out,
        );
    }
}

#[test]
fn the_tables_come_as_text_json_and_markdown() {
    let desk = Desk::new();
    for (table, rows) in [
        ("fields", afterimage_model::FIELDS.len()),
        ("views", afterimage_query::VIEWS.len()),
    ] {
        assert_eq!(
            desk.run(&[table]).ends(0).out.lines().count(),
            rows + 1,
            "{table}"
        );
        assert_eq!(
            desk.run(&[table, "--markdown"]).ends(0).out.lines().count(),
            rows + 2,
            "{table}"
        );
        let json = desk.run(&[table, "--json"]).ends(0).out;
        assert_eq!(
            json.lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
                .count(),
            rows,
            "{table}"
        );
    }
    assert!(
        desk.run(&["syscalls", "openat"])
            .ends(0)
            .out
            .contains("257")
    );
    assert!(
        desk.run(&["completions", "bash"])
            .ends(0)
            .out
            .contains("_afterimage")
    );
}

#[test]
fn the_whole_capture_can_be_printed_for_other_readers() {
    let desk = Desk::new();
    let whole = desk.run(&["read", "--whole", "whole.aft"]).ends(0).out;
    assert_eq!(whole.lines().count(), 9, "header, seven events, totals");
    assert!(whole.is_ascii());
    desk.run(&["read", "--whole", "whole.aft", "evt.type=read"])
        .ends(2);
}
