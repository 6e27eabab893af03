//! Every key in every view: none panics, and each does something that can be seen, or says why not.

use crate::{options, story};
use afterimage_indexer::Session;
use afterimage_inspect_tui::Options;
use afterimage_inspect_tui::action::{Action, BINDINGS, Binding, Scope};
use afterimage_inspect_tui::play::Player;
use afterimage_query::{Unit, VIEWS};
use std::path::Path;

/// A sample, opened on a view, on the terminal that most have.
fn sample(name: &str, view: &str) -> Player {
    let file = format!("{name}.aft");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1");
    let session = Session::open(&folder.join(&file)).expect("the sample opens");
    let options = Options {
        name: file,
        view: view.into(),
        // What a key would write is not written here.
        read_only: true,
        ..options()
    };
    Player::new(session, options, 80, 24).expect("the inspector opens")
}

/// Whether a key may have nothing to do without saying so: one that moves what stands at its end already or sorts what is sorted so, and the one that stops
/// what is not under way; and while typing, what has nothing to erase or to complete.
fn may_rest(action: Action) -> bool {
    use Action::{
        Cancel, Complete, Down, End, Erase, EraseLine, EraseNext, EraseWord, Home, Left, PageDown,
        PageUp, Right, SortLeft, SortRight, Up,
    };
    matches!(
        action,
        Up | Down
            | Left
            | Right
            | PageUp
            | PageDown
            | SortLeft
            | SortRight
            | Home
            | End
            | Cancel
            | Complete
            | Erase
            | EraseNext
            | EraseWord
            | EraseLine
    )
}

/// Keys as the player takes them.
fn spelled(row: &Binding) -> impl Iterator<Item = String> {
    row.keys.iter().map(|key| match key.to_string() {
        name if name.chars().count() == 1 => name,
        name => format!("<{name}>"),
    })
}

/// Presses every key that holds in these scopes, each from where `way` leads to; the keys that did nothing and said nothing.
fn walk(open: &dyn Fn() -> Player, way: &str, scopes: &[Scope]) -> Vec<String> {
    let mut silent = Vec::new();
    for row in BINDINGS.iter().filter(|row| scopes.contains(&row.scope)) {
        for key in spelled(row) {
            let mut player = open();
            let before = player.press(way).screen();
            let copied = player.copied().map(str::to_owned);
            let after = player.press(&key).screen();
            let seen = before != after || copied.as_deref() != player.copied() || player.left();
            if !seen && !may_rest(row.action) {
                silent.push(format!("{key} ({:?})", row.action));
            }
        }
    }
    silent
}

#[test]
fn every_key_in_every_view_does_something_or_says_why_not() {
    let told = story::break_in();
    let mut silent = Vec::new();
    for view in VIEWS {
        let open = || {
            let options = Options {
                view: view.id.into(),
                read_only: true,
                ..options()
            };
            Player::new(told.session(), options, 80, 24).expect("the view opens")
        };
        let of_view: &[Scope] = match view.id {
            "overview" => &[Scope::Tiles, Scope::View, Scope::Everywhere],
            _ => &[Scope::Rows, Scope::View, Scope::Everywhere],
        };
        let found = walk(&open, "", of_view);
        if !found.is_empty() {
            silent.push(format!("{}: {}", view.id, found.join(", ")));
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn every_key_does_something_on_the_timeline_in_help_and_while_typing() {
    let open = || sample("break-in", "processes");
    let mut silent = Vec::new();
    for (way, scopes) in [
        ("<Tab>", &[Scope::Timeline, Scope::Everywhere][..]),
        ("?", &[Scope::Overlay]),
        ("i", &[Scope::Overlay]),
        ("/proc.na", &[Scope::Entry]),
        (":con", &[Scope::Entry]),
        ("c", &[Scope::Entry]),
        ("g12", &[Scope::Entry]),
        ("<Ctrl-F>shadow", &[Scope::Entry]),
    ] {
        let found = walk(&open, way, scopes);
        if !found.is_empty() {
            silent.push(format!("{way}: {}", found.join(", ")));
        }
    }
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn keys_pressed_one_after_the_other_in_every_view_of_a_sample_leave_a_screen() {
    for view in VIEWS {
        let mut player = sample("break-in", view.id);
        for row in BINDINGS {
            for key in spelled(row) {
                if player.left() {
                    player = sample("break-in", view.id);
                }
                let screen = player.press(&key).screen();
                assert_eq!(screen.lines().count(), 24, "{} {key}\n{screen}", view.id);
            }
        }
    }
}

#[test]
fn what_tells_when_stays_on_a_screen_of_eighty_columns() {
    for name in ["break-in", "crash-loop"] {
        for view in VIEWS {
            let tells = |title: &&str| ["TIME", "FROM"].contains(title);
            let times = view.columns.iter().filter(|one| one.unit == Unit::Time);
            // Sixteen bytes in hex and as letters fill such a screen.
            if view.id == "conversation_bytes" {
                continue;
            }
            let Some(title) = times.map(|one| one.title).find(tells) else {
                continue;
            };
            let screen = sample(name, view.id).press("<PgDn><PgDn>").screen();
            let rows = screen.lines().any(|line| line.starts_with('▸'));
            let heads = screen.lines().any(|line| line.contains(title));
            assert!(heads || !rows, "{name} {} {title}\n{screen}", view.id);
        }
    }
}

#[test]
fn a_key_that_completes_is_named_only_where_it_does() {
    let named = |keys: &str| {
        let screen = sample("break-in", "files").press(keys).screen();
        screen
            .lines()
            .last()
            .is_some_and(|line| line.contains("Tab complete"))
    };
    assert!(named("/proc.na"));
    for keys in [":con", "c", "g12", "<Ctrl-F>shadow"] {
        assert!(!named(keys), "{keys}");
    }
}

#[test]
fn a_story_opens_on_what_was_asked_about() {
    let mut player = sample("break-in", "events");
    let screen = player.press("/fd.name = /etc/shadow<Enter>b").screen();
    let lines: Vec<&str> = screen.lines().collect();
    let at = lines.iter().position(|line| line.starts_with('▸'));
    let at = at.expect("a row is selected");
    assert!(lines[at].contains("/etc/shadow"), "{screen}");
    assert!(lines[at].contains("here"), "{screen}");
    assert!(
        lines[..at]
            .iter()
            .any(|line| line.contains("accepted a connection")),
        "what led to it is above\n{screen}"
    );
    assert!(screen.contains("told of this event: above it"), "{screen}");
    // Who has moved on is not called back by a look elsewhere.
    let moved = player.press("<Down><Down>t").screen();
    let line = moved.lines().find(|line| line.starts_with('▸'));
    assert!(line.is_some_and(|line| !line.contains("here")), "{moved}");
}

#[test]
fn the_tile_of_started_processes_leads_to_those_that_were_started() {
    let mut player = sample("break-in", "overview");
    for _ in 0..90 {
        if player.screen().contains("Processes started: ") {
            break;
        }
        player.press("<Down>");
    }
    let tile = player.screen();
    let screen = player.press("<Enter>").screen();
    for started in ["umount -l", "mkdir -p /var/www"] {
        assert!(screen.contains(started), "{screen}\n{tile}");
    }
    // What started the recording was there before.
    assert!(!screen.contains("4917"), "{screen}");
}

#[test]
fn a_story_that_is_told_of_the_start_of_a_process_does_not_call_it_unrecorded() {
    // Of this capture only what was executed was kept.
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1.2/signed.aft");
    let session = Session::open(&file).expect("the sample opens");
    let options = Options {
        view: "events".into(),
        read_only: true,
        ..options()
    };
    let mut player = Player::new(session, options, 140, 40).expect("the inspector opens");
    let screen = player.press("b").screen();
    assert!(screen.contains("started /bin/busybox as 4950"), "{screen}");
    assert!(screen.contains("sh[4930] was there before"), "{screen}");
    assert!(!screen.contains("umount[4950] was there"), "{screen}");
}
