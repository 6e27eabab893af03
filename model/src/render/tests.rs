//! What arguments of each kind look like, what an event's line says, and that nothing a file may hold stops either.

use super::*;
use crate::entity::{File, FileId, FileKind, Flow, ProcId, Protocol, Role, Tables};
use crate::event::{Blob, TypeId};
use crate::manifest::Manifest;
use crate::schema::current_type;
use crate::time::BootNs;
use proptest::prelude::*;
use std::sync::Arc;

fn arg(kind: ArgKind, set: &str) -> ArgDesc {
    ArgDesc {
        name: "x".to_owned(),
        kind: kind as u8,
        set: set.to_owned(),
        by: String::new(),
    }
}

fn shown(kind: ArgKind, set: &str, n: i64) -> String {
    let (holds, value) = (arg(kind, set), Value::Num(n));
    let text = held_text(Schema::current(), &holds, &value, Abi::x86_64).unwrap();
    String::from_utf8(text).unwrap()
}

fn event(name: &str, result: i64, args: Vec<Value>) -> Event {
    Event {
        time: BootNs(0),
        cpu: 0,
        seq: 0,
        ty: current_type(name).unwrap(),
        abi: Abi::x86_64,
        flags: EventFlags::default(),
        tid: 1,
        proc: ProcId(0),
        file: None,
        result,
        latency_ns: 0,
        args: args.into(),
    }
}

fn line(event: &Event, tables: &Tables) -> String {
    let manifest = Manifest::default();
    let ctx = Ctx {
        manifest: &manifest,
        schema: Schema::current(),
        tables,
        event,
        num: 1,
        first_ns: 0,
        previous_ns: 0,
    };
    String::from_utf8(args_text(&ctx)).unwrap()
}

fn text(bytes: &str) -> Value {
    Value::Bytes(Blob::whole(bytes))
}

#[test]
fn each_kind_of_number_is_shown_as_its_trade_writes_it() {
    assert_eq!(
        shown(ArgKind::Flags, "open", 0o2000101),
        "O_WRONLY|O_CREAT|O_CLOEXEC"
    );
    assert_eq!(
        shown(ArgKind::Flags, "open", 1 << 40),
        "O_RDONLY|0x10000000000"
    );
    assert_eq!(shown(ArgKind::Flags, "rename", 0), "0");
    assert_eq!(
        shown(ArgKind::Flags, "socket_type", 0o2000002),
        "SOCK_DGRAM|SOCK_CLOEXEC"
    );
    assert_eq!(
        shown(ArgKind::Flags, "clone", 0x0100_0011),
        "CLONE_CHILD_SETTID|SIGCHLD"
    );
    assert_eq!(shown(ArgKind::Enum, "whence", 2), "SEEK_END");
    assert_eq!(shown(ArgKind::Enum, "whence", 77), "0x4d");
    assert_eq!(shown(ArgKind::Mode, "", 0o644), "0644");
    assert_eq!(shown(ArgKind::Mode, "", 0), "0");
    assert_eq!(shown(ArgKind::Signal, "", 9), "SIGKILL");
    assert_eq!(shown(ArgKind::Uid, "", 0xffff_ffff), "-1");
    assert_eq!(shown(ArgKind::Uid, "", 4_000_000_000), "4000000000");
    assert_eq!(shown(ArgKind::Dev, "", 0x0103), "1:3");
    assert_eq!(shown(ArgKind::Dev, "", 0x1050_0801), "8:66817");
    assert_eq!(shown(ArgKind::Ptr, "", 0), "NULL");
    assert_eq!(shown(ArgKind::Size, "", -1), "18446744073709551615");
    assert_eq!(shown(ArgKind::Offset, "", -1), "-1");
}

#[test]
fn an_int_is_read_from_the_lower_half_of_its_register() {
    assert_eq!(shown(ArgKind::DirFd, "", 0xffff_ff9c), "AT_FDCWD");
    assert_eq!(shown(ArgKind::DirFd, "", -100), "AT_FDCWD");
    assert_eq!(shown(ArgKind::Fd, "", 0x7f00_0000_0003), "3");
    assert_eq!(
        shown(ArgKind::Enum, "key_spec", -3),
        "KEY_SPEC_SESSION_KEYRING"
    );
}

#[test]
fn durations_are_exact_in_the_largest_unit_that_fits() {
    assert_eq!(
        [
            0,
            1,
            1_500,
            20_000_000,
            1_500_000_000,
            90_000_000_001,
            -2_000
        ]
        .map(duration_text),
        [
            "0s",
            "1ns",
            "1.5us",
            "20ms",
            "1.5s",
            "90.000000001s",
            "-2us"
        ]
    );
    assert_eq!(duration_text(i64::MIN), "-9223372036.854775808s");
}

#[test]
fn socket_addresses_of_every_known_family_are_named() {
    let say = |bytes: &[u8]| String::from_utf8_lossy(&sockaddr_text(bytes)).into_owned();
    assert_eq!(
        say(&[2, 0, 0, 80, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        "127.0.0.1:80"
    );
    let mut v6 = vec![10, 0, 1, 187, 0, 0, 0, 0];
    v6.extend([0; 15]);
    v6.extend([1, 0, 0, 0, 0]);
    assert_eq!(say(&v6), "::1:443");
    assert_eq!(say(b"\x01\0/run/docker.sock\0junk"), "/run/docker.sock");
    assert_eq!(say(b"\x01\0\0bus"), "@bus");
    assert_eq!(say(b"\x01\0"), "");
    assert_eq!(say(&[16, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0]), "netlink:7:0x1");
    assert_eq!(
        say(&[40, 0, 0, 0, 0, 4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]),
        "vsock:2:1024"
    );
    assert_eq!(say(&[0, 0]), "AF_UNSPEC:");
    assert_eq!(say(&[2, 0, 0]), "AF_INET:00");
    assert_eq!(say(&[99, 0, 1]), "AF_99:01");
    assert_eq!(say(&[1]), "01");
}

#[test]
fn lists_pairs_and_vectors_are_readable() {
    let say = |kind, bytes: &[u8]| {
        String::from_utf8(
            held_text(
                Schema::current(),
                &arg(kind, ""),
                &Value::Bytes(Blob::whole(bytes)),
                Abi::x86_64,
            )
            .unwrap(),
        )
        .unwrap()
    };
    assert_eq!(
        say(ArgKind::FdPair, &[3, 0, 0, 0, 255, 255, 255, 255]),
        "[3, -1]"
    );
    assert_eq!(say(ArgKind::FdPair, &[3, 0]), "0300");
    assert_eq!(say(ArgKind::Argv, b"sh\0-c\0id\0"), "sh -c id");
}

#[test]
fn the_line_names_the_file_behind_a_returned_descriptor_and_behind_the_first_one_given() {
    let mut tables = Tables::default();
    tables.files.insert(
        FileId(1),
        Arc::new(File {
            id: FileId(1),
            kind: FileKind::File,
            path: b"/etc/passwd".to_vec(),
            ..File::default()
        }),
    );
    let flow = Flow {
        protocol: Protocol(6),
        local: "10.0.0.2:40000".parse().unwrap(),
        remote: "10.0.0.1:80".parse().unwrap(),
        role: Role::Client,
    };
    tables.files.insert(
        FileId(2),
        Arc::new(File {
            id: FileId(2),
            kind: FileKind::Ipv4,
            flow: Some(flow),
            ..File::default()
        }),
    );

    let mut open = event(
        "openat",
        3,
        vec![
            Value::Num(-100),
            text("/etc/passwd"),
            Value::Num(0o2000000),
            Value::Num(0),
        ],
    );
    open.file = Some(FileId(1));
    assert_eq!(
        line(&open, &tables),
        "fd=3(<f>/etc/passwd) dirfd=AT_FDCWD path=/etc/passwd flags=O_RDONLY|O_CLOEXEC mode=0"
    );
    open.result = -2;
    open.file = None;
    assert_eq!(
        line(&open, &tables),
        "res=-2(ENOENT) dirfd=AT_FDCWD path=/etc/passwd flags=O_RDONLY|O_CLOEXEC mode=0"
    );

    let mut write = event(
        "write",
        5,
        vec![Value::Num(4), text("GET /"), Value::Num(5)],
    );
    write.file = Some(FileId(2));
    assert_eq!(
        line(&write, &tables),
        "res=5 fd=4(<4t>10.0.0.2:40000->10.0.0.1:80) buf=GET / count=5"
    );
}

#[test]
fn the_line_says_how_much_it_does_not_show() {
    let cut = Value::Bytes(Blob {
        bytes: b"abc".to_vec(),
        full_len: 10,
    });
    assert_eq!(
        line(
            &event("read", 10, vec![Value::Num(0), cut, Value::Num(10)]),
            &Tables::default()
        ),
        "res=10 fd=0 buf=abc…(+7) count=10"
    );
    let long = Value::Bytes(Blob {
        bytes: vec![b'x'; 100],
        full_len: 200,
    });
    let shown = line(
        &event("read", 200, vec![Value::Num(0), long, Value::Absent]),
        &Tables::default(),
    );
    assert_eq!(shown, format!("res=200 fd=0 buf={}…(+120)", "x".repeat(80)));
}

#[test]
fn events_without_a_result_show_none() {
    let mut exit = event("exit_group", 0, vec![Value::Num(3)]);
    exit.flags.set(EventFlags::NO_RESULT);
    assert_eq!(result_text(&exit), None);
    assert_eq!(line(&exit, &Tables::default()), "status=3");
    assert_eq!(
        result_text(&event("read", -11, vec![])).as_deref(),
        Some("EAGAIN")
    );
    assert_eq!(
        result_text(&event("read", -4000, vec![])).as_deref(),
        Some("E4000")
    );
    assert_eq!(
        result_text(&event("mmap", -5000, vec![])).as_deref(),
        Some("SUCCESS")
    );
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Absent),
        any::<i64>().prop_map(Value::Num),
        (proptest::collection::vec(any::<u8>(), 0..200), any::<u64>())
            .prop_map(|(bytes, full_len)| Value::Bytes(Blob { bytes, full_len })),
    ]
}

proptest! {
    #[test]
    fn any_value_of_any_kind_in_any_type_renders(ty in any::<u16>(), result in any::<i64>(), flags in any::<u16>(),
                                                 args in proptest::collection::vec(values(), 0..9)) {
        let types = Schema::current().types.len() as u16;
        let mut event = event("read", result, args);
        event.ty = TypeId(ty % (types + 2));
        event.flags = EventFlags(flags);
        let manifest = Manifest::default();
        let tables = Tables::default();
        let ctx = Ctx { manifest: &manifest, schema: Schema::current(), tables: &tables, event: &event, num: 1, first_ns: 0, previous_ns: 0 };
        let _ = args_text(&ctx);
        prop_assert_eq!(result_text(&event).is_none(), event.flags.has(EventFlags::NO_RESULT));
    }

    #[test]
    fn any_bytes_render_for_every_kind(bytes in proptest::collection::vec(any::<u8>(), 0..64), n in any::<i64>()) {
        for (kind, ..) in ArgKind::ALL {
            for value in [Value::Num(n), Value::Bytes(Blob::whole(bytes.clone()))] {
                for abi in [Abi::x86_64, Abi::i386] {
                    for set in ["open", "stat", "unnamed", "futex_requeue"] {
                        prop_assert!(held_text(Schema::current(), &arg(*kind, set), &value, abi).is_some());
                    }
                }
            }
        }
    }
}

#[test]
fn what_was_told_of_a_container_is_said_in_words() {
    let said = |name: &str, args: Vec<Value>| {
        let (manifest, tables) = (Manifest::default(), Tables::default());
        let event = event(name, 0, args);
        let ctx = Ctx {
            manifest: &manifest,
            schema: Schema::current(),
            tables: &tables,
            event: &event,
            num: 1,
            first_ns: 0,
            previous_ns: 0,
        };
        String::from_utf8(told_text(&ctx)).unwrap()
    };
    for (name, args, words) in [
        (
            "runtime_connect",
            vec![text("docker"), text("/run/docker.sock")],
            "docker at /run/docker.sock tells what happens from here on",
        ),
        (
            "runtime_disconnect",
            vec![
                text("docker"),
                text("/run/docker.sock"),
                text("it closed the socket"),
            ],
            "docker at /run/docker.sock tells nothing from here on: it closed the socket",
        ),
        (
            "runtime_create",
            vec![text("web"), text("nginx:1")],
            "from the image nginx:1",
        ),
        (
            "runtime_exec_start",
            vec![text("8f"), text("sh -c id")],
            "sh -c id",
        ),
        (
            "runtime_exec_start",
            vec![text("8f"), Value::Absent],
            "a program that its runtime calls 8f",
        ),
        (
            "runtime_exec_die",
            vec![text("8f"), Value::Num(1)],
            "what had been started in it ended with 1",
        ),
        (
            "runtime_die",
            vec![Value::Num(137)],
            "its program ended with 137: SIGKILL",
        ),
        (
            "runtime_die",
            vec![Value::Absent],
            "its program ended, with what status was not told",
        ),
        (
            "runtime_kill",
            vec![Value::Num(15)],
            "its runtime sent SIGTERM",
        ),
        (
            "runtime_rename",
            vec![text("new"), text("old")],
            "before it was called old",
        ),
        (
            "runtime_event",
            vec![text("network"), text("connect"), text("bridge")],
            "network: connect, bridge",
        ),
        (
            "container_stop",
            vec![text("5ca6"), text("/docker/5ca6")],
            "its control group: /docker/5ca6",
        ),
        // What was not captured is not made up, and what is no such event is told as it is.
        ("runtime_kill", vec![Value::Absent], ""),
        ("close", vec![Value::Num(3)], "res=0 fd=3"),
    ] {
        assert_eq!(said(name, args), words, "{name}");
    }
}

/// Asserts that a text is made of these words and numbers, with marks between.
fn is_made_of(text: &[u8], words: &[&str], what: &str) {
    for run in text.split(|byte| Stretch::is_mark(*byte)) {
        let is_number = run.iter().all(|byte| is_of_number(*byte));
        // The last of a line that is cut may not be whole.
        let is_word = words.iter().any(|word| word.as_bytes().starts_with(run));
        assert!(
            is_number || is_word,
            "{what}: {}",
            String::from_utf8_lossy(run)
        );
    }
}

proptest! {
    /// What [`Stretch::words`] promises: a search passes over arguments that cannot say what is looked for.
    #[test]
    fn an_argument_is_shown_by_its_words_and_numbers(
        n in prop_oneof![any::<i64>(), any::<i32>().prop_map(i64::from), 0_i64..0o200_000, (0_u32..64).prop_map(|bit| 1 << bit)],
        bytes in prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), proptest::collection::vec(0_u8..4, 0..300)],
        full_len in 0_u64..1000,
    ) {
        let schema = Schema::current();
        let (manifest, tables) = (Manifest::default(), Tables::default());
        let mut known = (0, 0);
        for (id, ty) in schema.types.iter().enumerate() {
            for at in 0..ty.args.len() {
                for (value, is_bytes) in [(Value::Num(n), false), (Value::Bytes(Blob { bytes: bytes.clone(), full_len }), true)] {
                    let Some(words) = Stretch::words(schema, ty, at, is_bytes) else { continue };
                    match is_bytes {
                        true => known.1 += 1,
                        false => known.0 += 1,
                    }
                    for (abi, _) in Abi::ALL {
                        let mut args = vec![Value::Absent; at];
                        args.push(value.clone());
                        let event = Event { ty: TypeId(id as u16), abi: *abi, ..event("read", 0, args) };
                        let ctx = Ctx { manifest: &manifest, schema, tables: &tables, event: &event, num: 1, first_ns: 0, previous_ns: 0 };
                        let mut text = Vec::new();
                        Stretch::Argument(at).put(&ctx, &mut text);
                        is_made_of(&text, &words, &format!("{} {}", ty.name, ty.args[at].name));
                    }
                }
            }
        }
        prop_assert!(known.0 > 500 && known.1 > 50, "{known:?}");
    }

    #[test]
    fn numbers_of_others_are_shown_by_their_digits(n in any::<i64>()) {
        for code in 0..=u8::MAX {
            let Some(kind) = ArgKind::from_code(code) else { continue };
            if scap::words(Some(kind)).is_none() { continue }
            let current = Schema::current();
            let ty = current.ty(current_type("read").unwrap()).unwrap().clone();
            let schema = Schema { types: vec![TypeDesc { args: vec![arg(kind, "")], ..ty }], ..Schema::default() };
            let (manifest, tables) = (Manifest::default(), Tables::default());
            let event = Event { ty: TypeId(0), ..event("read", 0, vec![Value::Num(n)]) };
            let ctx = Ctx { manifest: &manifest, schema: &schema, tables: &tables, event: &event, num: 1, first_ns: 0, previous_ns: 0 };
            is_made_of(&scap::args_text(&ctx), &["x"], &format!("{kind:?}"));
        }
    }
}
