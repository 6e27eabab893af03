//! Marked tiles on the timeline: their courses one below the other, and what percentiles say of a tile.

use super::{golden, options};
use afterimage_indexer::Session;
use afterimage_inspect_tui::Options;
use afterimage_inspect_tui::action::Action;
use afterimage_inspect_tui::play::Player;
use std::path::Path;

fn break_in(width: u16, height: u16, ascii: bool) -> Player {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1");
    let session = Session::open(&folder.join("break-in.aft")).expect("the sample opens");
    let options = Options { ascii, ..options() };
    Player::new(session, options, width, height).expect("the inspector opens")
}

/// Marks "Events", then "File bytes" below the next heading, then "Commands run".
const MARKED: &str = "m<Down><Down><Down><Down><Down>m<Down><Down><Down><Down><Down><Down><Down><Down><Down><Down><Down><Down><Down><Down><Down><Down><Down><Down><Down>m";

/// The lines of marked tiles on the timeline, by their letters.
fn courses(screen: &str) -> Vec<&str> {
    let of_course = |line: &&str| {
        let mut chars = line.chars();
        let letter = chars.next().is_some_and(|c| ('A'..='H').contains(&c));
        letter && chars.next() == Some(' ') && chars.next().is_some_and(char::is_uppercase)
    };
    screen.lines().take(24).filter(of_course).collect()
}

#[test]
fn marked_tiles_stand_one_below_the_other_on_one_axis() {
    for (name, (width, height), ascii) in [
        ("courses-wide", (200, 50), false),
        ("courses-narrow", (80, 24), false),
        ("courses-ascii", (120, 36), true),
    ] {
        let mut player = break_in(width, height, ascii);
        let screen = player.press(MARKED).screen();
        assert_eq!(courses(&screen).len(), 3, "{screen}");
        golden(name, &format!("{width}x{height} {MARKED}\n{screen}"));
    }
}

#[test]
fn a_mark_is_taken_away_by_the_same_key_and_all_marks_by_another() {
    let mut player = break_in(120, 36, false);
    let before = player.screen();
    let one = player.press("m").screen();
    assert!(courses(&one)[0].starts_with("A Events"), "{one}");
    assert!(one.contains("▸A Events"), "the tile has its letter\n{one}");
    let none = player.press("m").screen();
    assert!(none.contains("Events is not marked any more"), "{none}");
    assert!(courses(&none).is_empty(), "{none}");
    // The others keep their letters, and the next tile gets the one that is free.
    let screen = player.press("m<Down>m<Down>m<Up>m<End>m").screen();
    let letters: Vec<&str> = courses(&screen).iter().map(|line| &line[..9]).collect();
    assert_eq!(letters.len(), 3, "{screen}");
    assert_eq!(
        (letters[0], letters[2]),
        ("A Events ", "C Process"),
        "{screen}"
    );
    let cleared = player.press("z<Home><Esc>").screen();
    assert_eq!(cleared, before);
    assert!(player.press("z").screen().contains("no tile is marked"));
    // What Inspect calls pinning is on its key, too.
    let pinned = player.press("<Space>").screen();
    assert_eq!(courses(&pinned).len(), 1, "{pinned}");
}

#[test]
fn courses_follow_the_span_the_filter_and_the_trail() {
    let mut player = break_in(160, 50, false);
    let whole = player.press("m").screen();
    let course = |screen: &str| courses(screen)[0].to_owned();
    assert!(!whole.contains("part "), "{whole}");
    // A brush over the left quarter.
    let brush = "<Tab><Home><Enter>".to_owned() + &"<Right>".repeat(30) + "<Enter><Tab>";
    let part = player.press(&brush).screen();
    assert_ne!(course(&part), course(&whole), "{part}");
    let step = |screen: &str| {
        let line = screen.lines().find(|line| line.contains("most in "));
        let rest = line.and_then(|line| line.split("most in ").nth(1));
        rest.and_then(|rest| rest.split(' ').next())
            .unwrap_or_default()
            .to_owned()
    };
    assert_ne!(step(&part), step(&whole), "{part}");
    let zoomed = player.press("=+").screen();
    assert_ne!(course(&zoomed), course(&whole), "{zoomed}");
    // In a view that is opened they stay, for what that view is narrowed to.
    let all = player.press("=<Home>").screen();
    assert_eq!(course(&all), course(&whole));
    let narrowed = player.press("7/proc.name = sh<Enter>").screen();
    assert_ne!(course(&narrowed), course(&whole), "{narrowed}");
    let resized = player.act(Action::Resize(100, 30)).screen();
    assert_eq!(courses(&resized).len(), 1, "{resized}");
}

#[test]
fn a_low_screen_says_that_not_all_courses_are_there() {
    let mut player = break_in(80, 24, false);
    let screen = player
        .press("m<Down>m<Down>m<Down>m<Down>m<Down>m<Down>m")
        .screen();
    assert!(screen.contains("a higher screen shows all"), "{screen}");
    assert_eq!(courses(&screen).len(), 6, "{screen}");
    assert!(courses(&screen)[5].contains("+1 more"), "{screen}");
    let most = player.press("<Down>m<Down>m").screen();
    assert!(most.contains("8 tiles are marked, the most"), "{most}");
    let mut low = break_in(80, 12, false);
    let screen = low.press("m").screen();
    assert!(screen.contains("too low for the timeline"), "{screen}");
}

#[test]
fn the_selected_tile_says_how_what_it_counts_is_spread() {
    let mut player = break_in(200, 50, false);
    let events = player.screen();
    let line = |screen: &str| screen.lines().rev().nth(1).unwrap_or_default().to_owned();
    assert!(line(&events).starts_with("each "), "{events}");
    assert!(line(&events).contains("p50 ") && line(&events).contains("most "));
    let bytes = player.press("<Down><Down><Down><Down><Down>").screen();
    assert!(line(&bytes).starts_with("each call: p50 "), "{bytes}");
    // What is brushed away does not count.
    let brush = "<Tab><Home><Enter>".to_owned() + &"<Right>".repeat(60) + "<Enter><Tab>";
    let part = player.press(&brush).screen();
    assert!(line(&part).starts_with("each call: p50 "), "{part}");
    assert_ne!(line(&part), line(&bytes));
}

#[test]
fn marks_of_tiles_are_kept_beside_the_capture_and_in_the_command_that_leads_back() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("break-in.aft");
    let open = |tiles: &[&str]| {
        let session = Session::open(&sample).expect("the sample opens");
        let options = Options {
            path: Some(path.clone()),
            tiles: tiles.iter().map(|id| (*id).to_owned()).collect(),
            ..options()
        };
        Player::new(session, options, 200, 50).expect("the inspector opens")
    };
    // The second of three is taken away, and the third keeps its letter.
    let mut player = open(&[]);
    let marked = player.press(&format!("{MARKED}<Up>")).screen();
    assert_eq!(courses(&marked).len(), 3, "{marked}");
    let link = player.press("u").screen();
    let command = link
        .lines()
        .find(|line| line.contains("--mark "))
        .expect("the command");
    let ids = command
        .split("--mark ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let ids: Vec<&str> = ids.unwrap_or_default().split(',').collect();
    assert_eq!(ids.len(), 3, "{command}");
    player.press("<Home><Down><Down><Down><Down><Down>m");
    let left = player.screen();
    assert_eq!(courses(&left).len(), 2, "{left}");
    assert!(player.press("q").left());
    let back = open(&[]).press("r").screen();
    let letters = |screen: &str| {
        let lines = courses(screen).into_iter().map(str::to_owned);
        lines.collect::<Vec<_>>()
    };
    assert_eq!(letters(&back), letters(&left));
    // And from the command line, as the inspector printed it.
    let linked = open(&ids).screen();
    assert_eq!(letters(&linked), letters(&marked));
}
