//! A capture whose every name is made of all 256 bytes, and sequences that terminals act on.

use super::tale::{Tale, Told, text};
use afterimage_model::{FileKind, Role, Value};

/// Every byte in every name there is.
pub fn hostile() -> Told {
    let mut t = Tale::new();
    let all: Vec<u8> = (0..=255).collect();
    let unicode: String =
        "\u{85}\u{9b}31m\u{202e}\u{2066}\u{200b}\u{feff}\u{e0001}\u{20d0}é検👩\u{200d}💻".repeat(3);
    for name in [
        (0..=127u8).map(char::from).collect::<String>(),
        unicode.clone(),
    ] {
        let container = t.container(&name, &name);
        for chunk in all.chunks(15).chain([unicode.as_bytes(), &all[..]]) {
            let path = [
                b"/".as_slice(),
                &chunk
                    .iter()
                    .copied()
                    .filter(|b| *b != b'/')
                    .collect::<Vec<_>>(),
            ]
            .concat();
            let pid = 100 + t.tables.procs.len() as u32;
            let process = t.process(pid, None, container, 1, &path, chunk);
            let file = t.file(&path);
            t.call(
                "openat",
                process,
                Some(file),
                -13,
                &[
                    ("dirfd", Value::Num(-100)),
                    ("path", text(chunk)),
                    ("flags", Value::Num(0)),
                ],
            );
            t.call(
                "read",
                process,
                Some(file),
                chunk.len() as i64,
                &[
                    ("fd", Value::Num(3)),
                    ("buf", text(chunk)),
                    ("count", Value::Num(1024)),
                ],
            );
            t.call(
                "execve",
                process,
                Some(file),
                0,
                &[("path", text(chunk)), ("argv", text(chunk))],
            );
            t.call(
                "unlinkat",
                process,
                Some(file),
                0,
                &[("dirfd", Value::Num(3)), ("path", text(chunk))],
            );
            t.call(
                "connect",
                process,
                Some(file),
                0,
                &[("fd", Value::Num(3)), ("addr", text(chunk))],
            );
            t.call(
                "container_start",
                process,
                None,
                0,
                &[("id", text(chunk)), ("cgroup", text(chunk))],
            );
        }
    }
    // What is said over a connection, a pipe and a terminal, and stands in an environment.
    let container = t.container("said", "said");
    let shell = t.process(900, None, container, 1, "/bin/sh", "sh\0");
    let env: Vec<u8> = corpus().join(&b"=1\0X"[..]);
    t.with(shell, |row| row.env = env);
    let places = [
        t.socket("10.0.0.1:4000", "10.0.0.2:80", Role::Client),
        t.of_kind(FileKind::Pipe, "pipe:[7]"),
        t.of_kind(FileKind::Char, "/dev/pts/0"),
    ];
    for file in places {
        for sequence in corpus() {
            let request = [
                b"GET /",
                &sequence[..],
                b" HTTP/1.1\r\nHost: ",
                &sequence,
                b"\r\n\r\n",
            ]
            .concat();
            for (call, said) in [("read", &sequence), ("write", &request)] {
                let args = [
                    ("fd", Value::Num(0)),
                    ("buf", text(said)),
                    ("count", Value::Num(4096)),
                ];
                t.call(call, shell, Some(file), said.len() as i64, &args);
            }
        }
    }
    // Every sequence in every name: of a container and what is known of it, a process and its user, a file, and in what calls say.
    for (at, sequence) in (0u32..).zip(corpus()) {
        let said = String::from_utf8_lossy(&sequence).into_owned();
        let container = t.container(&said, &said);
        t.described(container, &said);
        let path = [b"/x/", &sequence[..]].concat();
        let argv = [&sequence[..], b"\0-c\0", &sequence].concat();
        let id = t.process(2000 + at, None, container, 1, &path, &argv);
        t.with(id, |row| {
            row.comm.clone_from(&sequence);
            row.cwd.clone_from(&path);
            row.env = [&sequence, &b"="[..], &sequence].concat();
            row.cgroup.clone_from(&path);
            row.uid = 2000 + at;
            row.euid = 2000 + at;
        });
        t.user(container, 2000 + at, &said);
        let file = t.file(&path);
        let log = t.file([b"/var/log/", &sequence[..], b".log"].concat());
        let shell = [&sequence, &b"=() { :; };"[..]].concat();
        let status = ("status", Value::Num(1));
        match at % 6 {
            0 => t.call("openat", id, Some(file), 3, &[("path", text(&path))]),
            1 => t.call(
                "write",
                id,
                Some(log),
                9,
                &[("fd", Value::Num(1)), ("buf", text(&sequence))],
            ),
            2 => t.call(
                "execve",
                id,
                Some(file),
                0,
                &[("path", text(&path)), ("envp", text(&shell))],
            ),
            3 => t.call("unlinkat", id, None, 0, &[("path", text(&path))]),
            4 => t.call("container_start", id, None, 0, &[("id", text(&sequence))]),
            _ => t.call("procexit", id, None, 0, &[status]),
        };
    }
    t.lose(None, 5);
    t.gaps[0].detail = "\u{1b}]0;owned\u{7}".into();
    t.tell()
}

/// Sequences that terminals act on: control functions of seven and eight bits, with parameters, strings of commands, single
/// characters, charsets, modes, reports, and characters that reorder or hide text.
pub fn corpus() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = (0..32u8).chain(127..160).map(|byte| vec![byte]).collect();
    all.extend(
        (0x80..0xa0u32)
            .filter_map(char::from_u32)
            .map(|c| c.to_string().into_bytes()),
    );
    for introducer in [&b"\x1b["[..], b"\x9b", "\u{9b}".as_bytes()] {
        all.extend((0x40..0x7fu8).map(|last| [introducer, &[last]].concat()));
    }
    for parameters in [
        "?1049h", "?25l", "2J", "6n", "c", ">c", "31;1m", "21t", "?1000h", "!p", "0;0H", "38;5;1m",
        "4;1r",
    ] {
        all.push(format!("\x1b[{parameters}").into_bytes());
    }
    for string in [
        "]0;title",
        "]52;c;aGk=",
        "]8;;http://x",
        "]4;1;?",
        "P$qm",
        "P+q544e",
        "_Gx",
        "^x",
        "Xx",
        "]1337;File=:",
    ] {
        for end in ["\x07", "\x1b\\", "\u{9c}", ""] {
            all.push(format!("\x1b{string}{end}").into_bytes());
        }
    }
    all.extend(
        b"78DEHMNOZc=>(0)B#8%G<"
            .iter()
            .map(|last| vec![0x1b, *last]),
    );
    let hidden = [
        0x200b..=0x200f,
        0x202a..=0x202e,
        0x2060..=0x2064,
        0x2066..=0x2069,
        0xfe00..=0xfe0f,
        0xfeff..=0xfeff,
        0xfff9..=0xfffb,
        0xe0001..=0xe0010,
    ];
    let hidden = hidden.into_iter().flatten().filter_map(char::from_u32);
    all.extend(hidden.map(|c| format!("a{c}b").into_bytes()));
    all
}
