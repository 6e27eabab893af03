//! The inspector's screens: keystrokes over a capture with a story, compared with `screens/*.txt` (`BLESS=1` rewrites
//! them), and the promise that no captured byte reaches the terminal as a control character.

mod choices;
mod courses;
mod growing;
mod keyed;
mod lives;
mod questions;
mod states;
mod story;
mod terminal;
mod walked;

use afterimage_indexer::{Progress, Session, TimeStyle, cell_text};
use afterimage_inspect_tui::action::{Action, keys_markdown};
use afterimage_inspect_tui::play::Player;
use afterimage_inspect_tui::{ColorChoice, Error, Options};
use afterimage_query::VIEWS;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use story::Told;

fn options() -> Options {
    Options {
        name: "break-in.aft".into(),
        color: ColorChoice::Never,
        ..Options::default()
    }
}

fn play(told: &Told, width: u16, height: u16) -> Player {
    Player::new(told.session(), options(), width, height).expect("the inspector opens")
}

/// Compares a text with the file it should equal; `BLESS=1` writes the file instead.
fn compare(path: &Path, text: &str) {
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        return std::fs::write(path, text).expect("a golden file is written");
    }
    let golden = std::fs::read_to_string(path)
        .unwrap_or_else(|e| panic!("{}: {e}; BLESS=1 makes it", path.display()));
    for (at, (have, want)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(have, want, "{} line {}\n\n{text}", path.display(), at + 1);
    }
    assert_eq!(
        text.lines().count(),
        golden.lines().count(),
        "{}\n\n{text}",
        path.display()
    );
}

fn golden(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inspector/screens");
    compare(&folder.join(format!("{name}.txt")), text);
}

/// One screen per row: what it is called, its size, and the keys that lead to it.
const SCREENS: &[(&str, (u16, u16), &str)] = &[
    ("overview", (120, 36), ""),
    ("containers", (120, 36), "2"),
    ("processes", (140, 36), "3"),
    ("files", (120, 36), "4"),
    ("connections", (140, 36), "5"),
    ("errors", (120, 36), "6"),
    ("events", (140, 36), "7"),
    ("gaps", (120, 36), "8"),
    ("help", (120, 36), "3?"),
    ("capture", (120, 36), "i"),
    ("filter-error", (120, 36), "7/proc.nam = sh<Enter>"),
    ("filter-completion", (120, 36), "7/evt.buflen<Tab>"),
    (
        "drill-to-events",
        (140, 36),
        "2<Down><Enter><End><Up><Enter>d",
    ),
    (
        "arguments-and-bytes",
        (140, 40),
        "7g43<Enter><Tab><Down><Down><Down><Down><Down><Down><Down><Down>",
    ),
    ("views-menu", (120, 36), "<F2>con"),
    ("search", (120, 36), "7<Ctrl-F>shadow<Enter>n"),
    ("sorted", (120, 36), "4<Right><Right>s"),
    ("only-this", (120, 36), "4<Home>f"),
    (
        "range",
        (120, 36),
        "7<Tab><Tab><Tab><Home><Right><Right><Right><Right><Enter><End><Left><Left><Left><Left><Left><Left><Left><Left><Enter>",
    ),
    ("time-since", (140, 36), "7ttt<Down>"),
    ("small", (40, 12), "3"),
    ("large", (220, 70), ""),
    ("story", (140, 36), "7g43<Enter>b"),
    ("marked", (140, 36), "7g43<Enter>mlook here<Enter><Down>"),
    ("marks", (100, 20), "7g43<Enter>mlook here<Enter>\""),
    ("grouped", (120, 30), "7<Right><Right><Right>o"),
    ("link", (160, 20), "6f u"),
    ("whole-row", (60, 24), "3<Down><Down><Down>w"),
    ("alerts-without-rules", (100, 20), "A"),
    ("until", (140, 30), "3[[[[[[[[[[[[[[[[[[[["),
];

#[test]
fn every_screen_looks_as_it_did() {
    let told = story::break_in();
    for (name, (width, height), keys) in SCREENS {
        let screen = play(&told, *width, *height).press(keys).screen();
        golden(name, &format!("{width}x{height} {keys}\n{screen}"));
    }
}

/// Screens over the committed samples: the sample, the name, the keys.
const SAMPLES: &[(&str, &str, &str)] = &[
    ("break-in", "overview", ""),
    ("break-in", "processes", "3"),
    ("break-in", "files-of-the-shell", "4/proc.name = sh<Enter>"),
    ("break-in", "connections", "5"),
    ("break-in", "errors", "6"),
    ("break-in", "commands", "U"),
    ("break-in", "shadow", "7/fd.name = /etc/shadow<Enter>"),
    ("break-in", "conversation", "5<Enter>"),
    ("break-in", "conversation-in-hex", "5<Enter>v"),
    ("break-in", "talks", "K"),
    ("break-in", "sessions", "S"),
    ("break-in", "terminal", "S<Enter>"),
    ("break-in", "http", "H"),
    ("break-in", "map", "W"),
    ("break-in", "findings", "Q"),
    ("break-in", "ps", "@"),
    (
        "break-in",
        "lsof-at",
        "@[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[<End><Enter>",
    ),
    ("break-in", "story", "7/fd.name = /etc/shadow<Enter>b"),
    ("break-in", "said-of-an-event", "7g921<Enter>e"),
    ("break-in", "latency", ":latency<Enter>"),
    ("break-in", "course", ":course<Enter>"),
    ("crash-loop", "lives", ":lives<Enter>"),
    ("crash-loop", "overview", ""),
    ("crash-loop", "container-events", "V"),
    ("quiet-web", "overview", ""),
    ("quiet-web", "server-ports", "P"),
];

#[test]
fn every_sample_tells_its_story_on_screen() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1");
    for (sample, name, keys) in SAMPLES {
        let file = format!("{sample}.aft");
        let session = Session::open(&folder.join(&file)).expect("the sample opens");
        let options = Options {
            name: file,
            ..options()
        };
        let mut player = Player::new(session, options, 140, 40).expect("the inspector opens");
        let screen = player.press(keys).screen();
        golden(
            &format!("sample-{sample}-{name}"),
            &format!("140x40 {keys}\n{screen}"),
        );
    }
}

#[test]
fn every_view_has_a_screen() {
    let told = story::break_in();
    for (name, width, height) in [("all-views", 100, 22), ("all-views-narrow", 40, 12)] {
        let mut screens = String::new();
        for view in VIEWS {
            let options = Options {
                view: view.id.into(),
                ..options()
            };
            let mut player =
                Player::new(told.session(), options, width, height).expect("the view opens");
            screens += &format!("--- {}\n{}", view.id, player.screen());
        }
        golden(name, &screens);
    }
}

#[test]
fn the_keys_document_says_what_the_table_says() {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/keys.md");
    compare(&path, &keys_markdown());
}

#[test]
fn the_screen_is_ascii_where_only_ascii_may_be_drawn() {
    let told = story::hostile();
    for view in VIEWS {
        let options = Options {
            view: view.id.into(),
            ascii: true,
            ..options()
        };
        let mut player = Player::new(told.session(), options, 120, 30).expect("the view opens");
        for keys in [
            "",
            "<Down><Down><Tab>",
            "w",
            "<Esc>?",
            "<Esc>i",
            "<Esc><F2>",
        ] {
            let screen = player.press(keys).screen();
            let odd: String = screen.chars().filter(|c| !c.is_ascii()).collect();
            assert!(odd.is_empty(), "{} after {keys:?} shows {odd:?}", view.id);
        }
    }
}

#[test]
fn no_captured_byte_reaches_the_screen_as_a_control_character() {
    let told = story::hostile();
    let keys = [
        "",
        "<Down><Down>",
        "w",
        "<Esc>f",
        "<Delete><Enter>",
        "d",
        "<Tab><Down><Down><Down>",
        "<Tab>",
        "<Backspace><Backspace>",
        "i",
        "<Esc>e",
        "v",
        "<Backspace>b",
        "<Backspace>o",
        "<Backspace>[[",
        "8",
        "/evt.type = \"<Enter>",
    ];
    for view in VIEWS {
        for (width, height) in [(160, 45), (60, 16)] {
            let options = Options {
                view: view.id.into(),
                ..options()
            };
            let mut player =
                Player::new(told.session(), options, width, height).expect("the view opens");
            for keys in keys {
                let screen = player.press(keys).screen();
                let bad = |c: &char| {
                    (c.is_control() && *c != '\n')
                        || matches!(*c as u32, 0x200b..=0x200f | 0x202a..=0x202e | 0x2066..=0x2069 | 0xfeff | 0xe0000..=0xe0fff)
                };
                assert_eq!(
                    screen.chars().find(bad),
                    None,
                    "{} at {width}x{height} after {keys:?}\n{screen}",
                    view.id
                );
            }
        }
    }
}

/// Whether a character would do something on a terminal, or hide or reorder others.
fn is_foreign(c: char) -> bool {
    c.is_control()
        || matches!(c as u32, 0x061c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe0fff)
}

/// Columns that scroll out of a screen are looked at here, too: every cell of every row of every view.
#[test]
fn every_column_of_every_view_shows_every_sequence_as_letters() {
    assert!(story::corpus().len() >= 300, "the corpus has shrunk");
    let told = story::hostile();
    let session = told.session();
    let progress = Progress::default();
    let style = TimeStyle::default();
    let (mut escaped, mut reversed) = (BTreeSet::new(), 0);
    for view in VIEWS {
        let found = session.view(view, None, None, &progress).expect("the view");
        for row in &found.rows {
            for (column, cell) in view.columns.iter().zip(&row.cells) {
                let text = cell_text(cell, column, &style);
                let bad = text.chars().find(|c| is_foreign(*c));
                assert_eq!(bad, None, "{} {}: {text:?}", view.id, column.title);
                if text.contains('\\') {
                    escaped.insert((view.id, column.title));
                }
                reversed += u32::from(text.contains("\\u{202e}"));
            }
            let bad = row.filter.chars().find(|c| is_foreign(*c));
            assert_eq!(bad, None, "{}: {:?}", view.id, row.filter);
        }
        let options = Options {
            view: view.id.into(),
            ..options()
        };
        let mut player = Player::new(told.session(), options, 500, 120).expect("the view opens");
        for keys in ["", "<End>", "<Right><Right><Right>", "<PgUp>"] {
            let screen = player.press(keys).screen();
            let bad = screen.chars().find(|c| *c != '\n' && is_foreign(*c));
            assert_eq!(bad, None, "{} after {keys:?}\n{screen}", view.id);
        }
    }
    assert!(reversed > 20, "bidi controls are told: {reversed}");
    let views: BTreeSet<_> = escaped.iter().map(|at| at.0).collect();
    assert!(
        escaped.len() > 80 && views.len() > 30,
        "the sequences were there: {} columns of {} views",
        escaped.len(),
        views.len()
    );
}

#[test]
fn no_size_of_the_terminal_is_too_small_or_too_large() {
    let told = story::break_in();
    let sizes = [
        (40, 12),
        (500, 200),
        (1, 1),
        (0, 0),
        (20, 5),
        (200, 3),
        (7, 60),
        (80, 24),
    ];
    for view in VIEWS {
        let options = Options {
            view: view.id.into(),
            ..options()
        };
        let mut player = Player::new(told.session(), options, 80, 24).expect("the view opens");
        for (width, height) in sizes {
            for keys in [
                "",
                "<End><Tab><Tab><Right><End>",
                "?<End>",
                "<Esc>/x y<Tab><Enter>",
                "<Esc><F2><Down>",
                "<Esc><Esc>",
            ] {
                let screen = player
                    .act(Action::Resize(width, height))
                    .press(keys)
                    .screen();
                assert_eq!(
                    screen.lines().count(),
                    usize::from(height),
                    "{} at {width}x{height}",
                    view.id
                );
            }
        }
    }
}

#[test]
fn an_empty_capture_is_shown_as_empty_in_every_view() {
    let told = story::empty();
    for view in VIEWS {
        let options = Options {
            view: view.id.into(),
            ..options()
        };
        let mut player = Player::new(told.session(), options, 100, 30).expect("the view opens");
        let screen = player
            .press("<Down><Enter>dnsf<Space><Tab><Left><Home>+-=")
            .screen();
        assert!(screen.contains("0 events"), "{}\n{screen}", view.id);
    }
}

#[test]
fn going_back_leads_to_where_one_came_from() {
    let told = story::break_in();
    let mut player = play(&told, 120, 36);
    let before = player.press("2<Down>").screen();
    let inside = player.press("<Enter><Enter>").screen();
    assert_ne!(before, inside);
    assert_eq!(player.press("<Backspace><Backspace>").screen(), before);
}

#[test]
fn a_filter_narrows_and_dropping_it_widens_again() {
    let told = story::break_in();
    let mut player = play(&told, 120, 36);
    let all = player.press("7").screen();
    let some = player.press("/evt.type = connect<Enter>").screen();
    assert!(some.contains("1 of 2 events"), "{some}");
    assert!(some.contains("ECONNREFUSED"), "{some}");
    let again = player.press("<Delete><Home>").screen();
    assert_eq!(again, all);
}

#[test]
fn the_mouse_selects_sorts_and_opens() {
    let told = story::break_in();
    let mut player = play(&told, 120, 36);
    let screen = player.press("6").screen();
    let line = screen
        .lines()
        .position(|line| line.contains("ECONNREFUSED"))
        .expect("the refused connection") as u16;
    player
        .act(Action::Press(5, line))
        .act(Action::Release(5, line));
    let selected = player.screen();
    assert!(
        selected
            .lines()
            .nth(line.into())
            .is_some_and(|line| line.starts_with('▸')),
        "{selected}"
    );
    let opened = player.act(Action::Press(5, line)).screen();
    assert!(opened.contains("1 of 1 event"), "{opened}");
    let back = player
        .press("<Backspace>")
        .act(Action::Press(5, line - 1))
        .screen();
    assert!(back.contains("errors"), "{back}");
}

#[test]
fn an_export_is_a_new_file_and_never_takes_the_place_of_another() {
    let told = story::break_in();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("errors.csv");
    let keys = format!("6x<Ctrl-U>{}<Enter>", path.display());
    let mut player = play(&told, 200, 36);
    let screen = player.press(&keys).screen();
    assert!(screen.contains("wrote 3 rows"), "{screen}");
    let written = std::fs::read_to_string(&path).expect("the export");
    assert!(
        written.starts_with("evt.res,evt.res.meaning,evt.type,count"),
        "{written}"
    );
    assert_eq!(written.lines().count(), 4);
    let screen = player.press(&keys).screen();
    assert!(
        screen.contains("there is such a file, and it stays as it is"),
        "{screen}"
    );
    assert_eq!(std::fs::read_to_string(&path).expect("the export"), written);
}

#[test]
fn a_read_only_inspector_exports_nothing() {
    let told = story::break_in();
    let options = Options {
        read_only: true,
        ..options()
    };
    let mut player = Player::new(told.session(), options, 120, 36).expect("the inspector opens");
    let screen = player.press("6x").screen();
    assert!(screen.contains("read-only: nothing is written"), "{screen}");
}

#[test]
fn what_cannot_start_says_why() {
    let told = story::break_in();
    let start = |options| Player::new(told.session(), options, 80, 24).err();
    assert!(matches!(
        start(Options {
            view: "procz".into(),
            ..options()
        }),
        Some(Error::NoSuchView(_))
    ));
    assert!(matches!(
        start(Options {
            filter: "proc.nam=1".into(),
            ..options()
        }),
        Some(Error::Filter(_))
    ));
    assert!(
        start(Options {
            view: "files".into(),
            filter: "proc.name=sh".into(),
            ..options()
        })
        .is_none()
    );
}

#[test]
fn playing_moves_the_instant_on_and_ends_at_the_end() {
    let told = story::break_in();
    let options = Options {
        view: "ps".into(),
        ..options()
    };
    let mut player = Player::new(told.session(), options, 120, 30).expect("the view opens");
    let rows = |screen: &str| screen.lines().filter(|line| line.contains("seen")).count();
    let whole = rows(&player.screen());
    let begin = player.press("p").screen();
    assert!(begin.contains("▶ at "), "{begin}");
    let step = player.act(Action::Tick(1_000_000)).screen();
    assert_ne!(begin, step);
    let end = player.act(Action::Tick(u64::MAX)).screen();
    assert!(end.contains("the end"), "{end}");
    assert_eq!(rows(&end), whole, "{end}");
    let back = player.press("=").screen();
    assert!(!back.contains("until "), "{back}");
}

#[test]
fn bookmarks_are_kept_beside_the_capture_and_never_in_it() {
    let told = story::break_in();
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("x.aft");
    std::fs::copy(told.file.path(), &capture).expect("a copy");
    let before = std::fs::read(&capture).expect("the capture");
    let open = |read_only| {
        let options = Options {
            path: Some(capture.clone()),
            read_only,
            ..options()
        };
        let session = Session::open(&capture).expect("it opens");
        Player::new(session, options, 120, 36).expect("it opens")
    };
    open(true).press("7g5<Enter>mnothing<Enter>");
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("the folder")
            .count(),
        1
    );
    open(false).press("7g5<Enter>mthe beginning\u{1b}[2J<Enter>");
    let notes = std::fs::read_to_string(folder.path().join("x.aft.notes")).expect("the notes");
    assert!(notes.contains("mark 5 the beginning"), "{notes}");
    assert!(!notes.contains('\u{1b}'), "{notes:?}");
    let screen = open(false).press("7'").screen();
    assert!(screen.contains("#5 the beginning"), "{screen}");
    assert_eq!(std::fs::read(&capture).expect("the capture"), before);
}

#[test]
fn a_link_leads_back_to_where_it_was_made() {
    let told = story::break_in();
    let mut player = play(&told, 160, 36);
    player.press("7/evt.type = connect<Enter><Down>u");
    let link = player.copied().expect("a link").to_owned();
    assert!(link.contains("--view events --at '#"), "{link}");
    let num: u64 = link
        .split("--at '#")
        .nth(1)
        .and_then(|rest| rest.split('\'').next()?.parse().ok())
        .expect("its event");
    let options = Options {
        view: "events".into(),
        filter: "evt.type = connect".into(),
        event: Some(num),
        ..options()
    };
    let mut again = Player::new(told.session(), options, 160, 36).expect("it opens");
    let place = |screen: &str| screen.lines().position(|line| line.starts_with('▸'));
    assert_eq!(place(&again.screen()), place(&player.screen()));
}

#[test]
fn line_by_line_it_says_the_same_in_words() {
    let told = story::break_in();
    let mut out = Vec::new();
    let input = &b"2\n<Enter>\n\nwhere\n/proc.name=sh<Enter>\nq\nnever read\n"[..];
    let options = Options {
        linear: true,
        ..options()
    };
    afterimage_inspect_tui::linear::run_on(told.session(), options, input, &mut out)
        .expect("it runs");
    let said = String::from_utf8(out).expect("text");
    for part in [
        "Containers: rows 1 to ",
        "NAME web",
        "containers > web > processes",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(
        !said.contains(|c: char| c.is_control() && c != '\n'),
        "{said}"
    );
    let hostile = story::hostile();
    for view in VIEWS {
        let mut out = Vec::new();
        let options = Options {
            view: view.id.into(),
            ..Options::default()
        };
        afterimage_inspect_tui::linear::run_on(hostile.session(), options, &b"\n"[..], &mut out)
            .expect("it runs");
        let said = String::from_utf8(out).expect("text");
        let odd = said.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(odd, None, "{}\n{said}", view.id);
    }
}

#[test]
fn secrets_are_hidden_until_they_are_asked_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1");
    let session = Session::open(&folder.join("break-in.aft")).expect("the sample opens");
    let options = Options {
        view: "env".into(),
        filter: "proc.name = httpd".into(),
        ..options()
    };
    let mut player = Player::new(session, options, 160, 50).expect("it opens");
    let hidden = player.press("=[[[[[[[[[[[[[[[[[[[[[[[").screen();
    assert!(
        hidden.contains("DB_PASSWORD") && hidden.contains("(hidden, "),
        "{hidden}"
    );
    assert!(!hidden.contains("correct-horse"), "{hidden}");
    // Nor is it in the row alone.
    let row = |player: &mut Player| {
        let found = player.press("<Ctrl-F>DB_PASSWORD<Enter>w");
        let text = found.screen();
        found.press("<Esc>");
        text
    };
    let hidden = row(&mut player);
    assert!(
        hidden.contains("DB_PASSWORD") && hidden.contains("(hidden, "),
        "{hidden}"
    );
    let shown = player.press("R").screen();
    assert!(shown.contains("correct-horse-battery-staple"), "{shown}");
    let shown = row(&mut player);
    assert!(shown.contains("correct-horse-battery-staple"), "{shown}");
}

#[test]
fn quitting_leaves() {
    let told = story::break_in();
    let mut player = play(&told, 80, 24);
    assert!(!player.press("/q").left(), "while typing, q is a letter");
    assert!(player.press("<Esc>q").left());
}
