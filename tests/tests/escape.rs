//! A capture whose every text was written by somebody who wants the reader's terminal. Whatever the command prints of it,
//! to stdout or stderr, holds no control byte but the newline, and nothing that reorders what is seen.

use afterimage_format::{Writer, WriterOptions};
use afterimage_model::schema::current_type;
use afterimage_model::{
    Abi, ArgKind, Blob, BootNs, Container, ContainerId, ContainerLimits, Event, EventFlags, File,
    FileId, FileKind, Gap, GapCause, Manifest, ProcId, ProcKey, Process, SYSCALLS, Schema, Tables,
    Totals, User, Value,
};
use afterimage_tests::harness;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

/// Moves the cursor, sets the title, asks the terminal to type, reverses the text, and more.
const ATTACKS: &[&str] = &[
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x1b[6n",
    "\x1bP$q\"p\x1b\\",
    "\u{9b}31m",
    "\u{202e}txt.exe",
    "\u{2066}hidden\u{2069}",
    "\u{200b}\u{feff}",
    "line\nforged line",
    "over\rwritten",
    "tab\tbed",
    "\x08\x08\x08",
    "\x7f",
    "\u{85}\u{2028}\u{2029}",
];

/// Every attack in one text, for fields that are text.
fn text(field: &str) -> String {
    format!("{field}:{}", ATTACKS.concat())
}

/// Every attack, every byte there is but NUL, and invalid UTF-8.
fn bytes(field: &str) -> Vec<u8> {
    let mut all = text(field).into_bytes();
    all.extend(1..=255u8);
    all.extend(b"\xc3(\xe2\x80\xf0\x9f");
    all
}

fn tables() -> Tables {
    let mut tables = Tables::default();
    let container = Container {
        id: ContainerId(1),
        full_id: text("id"),
        runtime: text("runtime"),
        name: text("name"),
        image: text("image"),
        image_id: text("image_id"),
        image_digest: text("digest"),
        labels: [(text("label"), text("value"))].into(),
        env_names: vec![text("env")],
        mounts: vec![text("mount")],
        user: text("user"),
        pod_name: text("pod"),
        pod_namespace: text("namespace"),
        pod_uid: text("uid"),
        unresolved: text("unresolved"),
        command: vec![text("command")],
        hostname: text("hostname"),
        cap_add: vec![text("cap_add")],
        cap_drop: vec![text("cap_drop")],
        seccomp: text("seccomp"),
        apparmor: text("apparmor"),
        ports: vec![text("port")],
        network_mode: text("network_mode"),
        pid_mode: text("pid_mode"),
        ipc_mode: text("ipc_mode"),
        userns_mode: text("userns_mode"),
        restart_policy: text("restart"),
        limits: ContainerLimits {
            cpuset: text("cpuset"),
            ..ContainerLimits::default()
        },
        annotations: [(text("annotation"), text("note"))].into(),
        sandbox_id: text("sandbox"),
        pod_labels: [(text("pod label"), text("value"))].into(),
        ..Container::default()
    };
    tables.containers.insert(container.id, Arc::new(container));
    for (id, parent) in [(1, None), (2, Some(ProcId(1)))] {
        let process = Process {
            id: ProcId(id),
            key: ProcKey {
                pid: 100 + id,
                start_ns: u64::from(id),
                exec: 0,
            },
            parent,
            ppid: 99 + id,
            comm: b"\x1b[31mcomm\x07".to_vec(),
            exe_path: bytes("/exe"),
            argv: [bytes("argv0"), bytes("argv1")].join(&0),
            env: bytes("ENV=1"),
            cwd: bytes("/cwd"),
            cgroup: bytes("/cgroup"),
            container: Some(ContainerId(1)),
            ..Process::default()
        };
        tables.procs.insert(process.id, Arc::new(process));
    }
    let kinds = [
        FileKind::File,
        FileKind::Unix,
        FileKind::Directory,
        FileKind::Pipe,
    ];
    for (id, kind) in (1..).zip(kinds) {
        let file = File {
            id: FileId(id),
            kind,
            path: bytes("/path"),
            ino: u64::from(id),
            ..File::default()
        };
        tables.files.insert(file.id, Arc::new(file));
    }
    for container in [None, Some(ContainerId(1))] {
        let user = User {
            container,
            uid: 0,
            name: text("login"),
            home: text("home"),
            shell: text("shell"),
        };
        tables.users.insert((container, 0), Arc::new(user));
    }
    tables
}

/// An event of every type of call, with an attack wherever the kind holds bytes.
fn events() -> Vec<Event> {
    let mut events = Vec::new();
    for row in SYSCALLS {
        let args = row.args.iter().map(|arg| match arg.kind {
            ArgKind::Path | ArgKind::Str | ArgKind::BufIn | ArgKind::BufOut | ArgKind::StructIn => {
                Value::Bytes(Blob::whole(bytes(arg.name)))
            }
            ArgKind::IoVecIn
            | ArgKind::IoVecOut
            | ArgKind::MsgIn
            | ArgKind::MsgOut
            | ArgKind::Argv => Value::Bytes(Blob::whole(bytes(arg.name))),
            // AF_UNIX and a hostile name.
            ArgKind::SockAddrIn | ArgKind::SockAddrOut => {
                Value::Bytes(Blob::whole([b"\x01\x00".to_vec(), bytes("/sock")].concat()))
            }
            kind if kind.is_struct()
                || kind.is_part()
                || matches!(
                    kind,
                    ArgKind::MsgVecIn | ArgKind::MsgVecOut | ArgKind::BitSet | ArgKind::Choice
                ) =>
            {
                Value::Bytes(Blob::whole(bytes(arg.name)))
            }
            _ => Value::Num(1),
        });
        let at = events.len() as u64;
        events.push(Event {
            time: BootNs(1_000 + at),
            cpu: 0,
            seq: at,
            ty: current_type(row.name).expect("a row of the schema"),
            abi: Abi::x86_64,
            flags: EventFlags::default(),
            tid: 102,
            proc: ProcId(2),
            file: Some(FileId(1 + (at % 4) as u32)),
            result: if at.is_multiple_of(7) { -2 } else { 0 },
            latency_ns: 0,
            args: args.collect(),
        });
    }
    events
}

fn hostile_capture(folder: &Path) -> PathBuf {
    let path = folder.join("hostile.aft");
    let manifest = Manifest {
        capture_id: "00112233445566778899aabbccddeeff".to_owned(),
        tool: text("tool"),
        tool_hash: text("hash"),
        host: text("host"),
        kernel: text("kernel"),
        machine: text("machine"),
        boot_id: text("boot"),
        time_zone: text("zone"),
        scope: text("scope"),
        filter: text("filter"),
        coverage: vec![text("coverage")],
        not_covered: vec![text("not covered")],
        limits: [(text("limit"), text("value"))].into(),
        trigger: text("trigger"),
        reason: text("reason"),
        operator: text("operator"),
        case_id: text("case"),
        command: vec![text("command")],
        cpus: 1,
        ..Manifest::default()
    };
    let tables = tables();
    let file = std::fs::File::create_new(&path).expect("a new file");
    let mut writer =
        Writer::new(file, &manifest, Schema::current(), WriterOptions::default()).expect("header");
    let events = events();
    let written = events.len() as u64;
    writer.state(BootNs(1), &tables).expect("state");
    for event in events {
        writer.push(event, &tables).expect("event");
    }
    writer.flush(&tables).expect("chunk");
    let gap = Gap {
        cause: GapCause::Other,
        start: BootNs(1),
        end: BootNs(9),
        cpu: None,
        count: Some(3),
        first_seq: None,
        detail: text("gap"),
    };
    writer.gap(&gap).expect("gap");
    writer
        .seal(
            &Totals {
                offered: written,
                written,
                ..Totals::default()
            },
            &tables,
        )
        .expect("footer");
    path
}

/// What of a program's output would reach a terminal as more than letters; nothing, when it is harmless.
fn danger(output: &[u8]) -> Option<String> {
    let Ok(text) = std::str::from_utf8(output) else {
        return Some("not UTF-8".to_owned());
    };
    text.split('\n').find_map(|line| {
        let c = line.chars().find(|c| {
            c.is_control()
                || matches!(u32::from(*c), 0x061C | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFEFF | 0xE0000..=0xE0FFF)
        })?;
        Some(format!("U+{:04X} in {:?}", u32::from(c), line.escape_debug().to_string()))
    })
}

fn run(program: &Path, args: &[OsString]) -> Output {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .env("TERM", "xterm-256color")
        .env("COLUMNS", "120")
        .env_remove("NO_COLOR");
    command.output().expect("the command runs")
}

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

#[test]
fn no_captured_byte_reaches_the_terminal_as_a_control() {
    let folder = tempfile::tempdir().expect("a folder");
    let capture = hostile_capture(folder.path());
    let capture = capture.to_str().expect("a plain path");
    let program = harness::afterimage(env!("CARGO_BIN_EXE_workload"));
    let mut runs: Vec<Vec<OsString>> = [
        &["info", capture][..],
        &["info", capture, "--json"],
        &["verify", capture],
        &["read", capture],
        &["read", capture, "--json"],
        &["read", capture, "-X"],
        &["read", capture, "-A"],
        &["read", capture, "-x"],
        &["read", capture, "-p", "*%evt.num %proc.name %proc.cmdline %proc.exepath %proc.cwd %fd.name %container.name %container.image %evt.args %user.name %proc.env"],
        &["read", capture, "proc.name contains comm"],
        &["read", capture, "proc.name = \x1b[31m"],
        &["read", capture, "no.such.field = 1"],
        &["view", capture, "no such view \x1b[2J"],
    ]
    .into_iter()
    .map(words)
    .collect();
    for view in afterimage_query::VIEWS {
        runs.push(words(&["view", capture, view.id]));
        runs.push(words(&["view", capture, view.id, "--json"]));
        runs.push(words(&["view", capture, view.id, "--csv"]));
    }
    let mut wrong = Vec::new();
    let mut printed = 0;
    for args in &runs {
        let output = run(&program, args);
        for (stream, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
            printed += bytes.len();
            if let Some(what) = danger(bytes) {
                wrong.push(format!("{args:?} {stream}: {what}"));
            }
        }
        let panicked = String::from_utf8_lossy(&output.stderr).contains("panicked at");
        if panicked || output.status.code().is_none() {
            wrong.push(format!("{args:?} ended with {:?}", output.status));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} runs:\n{}",
        wrong.len(),
        runs.len(),
        wrong.join("\n")
    );
    let read = run(&program, &words(&["read", capture]));
    let lines = read
        .stdout
        .split(|b| *b == b'\n')
        .filter(|line| !line.is_empty())
        .count();
    assert_eq!(
        lines,
        SYSCALLS.len(),
        "one line an event, whatever it holds: {}",
        String::from_utf8_lossy(&read.stderr)
    );
    assert!(
        printed > 100_000,
        "the captures's text was printed at all: {printed} bytes"
    );
}

#[test]
fn errors_about_files_and_arguments_are_as_careful() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = harness::afterimage(env!("CARGO_BIN_EXE_workload"));
    let hostile = OsString::from_vec(
        [
            folder.path().as_os_str().as_encoded_bytes(),
            b"/\x1b[2J\xff\xe2\x80\xae.aft",
        ]
        .concat(),
    );
    let damaged = folder.path().join("damaged.aft");
    let whole = std::fs::read(hostile_capture(folder.path())).expect("just written");
    let mut runs = Vec::new();
    for command in ["info", "read", "verify", "inspect"] {
        runs.push((vec![command.into(), hostile.clone()], "missing"));
    }
    runs.push((
        vec![OsString::from_vec(b"\x1b]0;x\x07".to_vec())],
        "no such command",
    ));
    runs.push((
        vec!["read".into(), hostile.clone(), "--no-such-\x1b[31m".into()],
        "no such option",
    ));
    let check = |args: &[OsString], what: &str| {
        let output = run(&program, args);
        for bytes in [&output.stdout, &output.stderr] {
            assert_eq!(danger(bytes), None, "{args:?}, {what}");
        }
        assert_ne!(output.status.code(), Some(0), "{args:?}, {what}");
        assert!(!output.stderr.is_empty(), "{args:?}, {what}: says nothing");
    };
    for (args, what) in &runs {
        check(args, what);
    }
    // Torn and spoilt files: what is left is shown as carefully, and nothing of it ends the program by a panic.
    for (at, cut) in [(0, 3), (0, 100), (1, whole.len() / 2), (2, whole.len() - 5)] {
        let mut bytes = whole[..cut].to_vec();
        if at == 2 {
            for byte in bytes.iter_mut().step_by(97) {
                *byte ^= 0x1b;
            }
        }
        std::fs::write(&damaged, &bytes).expect("written");
        for command in ["info", "read", "verify"] {
            let output = run(&program, &[command.into(), damaged.clone().into()]);
            assert!(
                output.status.code().is_some_and(|code| code != 101),
                "{command} of {cut} bytes: {:?}",
                output.status
            );
            for bytes in [&output.stdout, &output.stderr] {
                assert_eq!(danger(bytes), None, "{command} of {cut} bytes");
            }
        }
    }
}
