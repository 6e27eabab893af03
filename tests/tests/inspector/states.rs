//! Screens of what is not there: work that has not come to anything yet, nothing recorded, a file that is damaged, a gap.

use super::{golden, options, play, story};
use afterimage_indexer::Session;
use afterimage_inspect_tui::Options;
use afterimage_inspect_tui::play::Player;
use afterimage_query::{Made, Shape, VIEWS};
use std::path::Path;

#[test]
fn every_view_says_that_it_is_being_worked_on_and_can_be_left() {
    let told = story::break_in();
    let mut screens = String::new();
    for view in VIEWS.iter().filter(|view| view.shape != Shape::Overview) {
        let mut player = play(&told, 80, 24);
        player.hold(29).press(&format!(":{}<Enter>", view.id));
        let screen = player.screen();
        assert!(
            view.shape == Shape::Events || screen.contains("Esc stops"),
            "{}\n{screen}",
            view.id
        );
        if ["files", "processes", "file_opens", "talks", "story"].contains(&view.id) {
            screens += &format!("--- {}\n{screen}", view.id);
        }
        player.press("<Backspace>");
        assert!(player.screen().contains("overview"), "{}", view.id);
        let after = player.release().screen();
        assert!(!after.contains("Esc stops"), "{}\n{after}", view.id);
    }
    golden("state-working", &screens);
}

#[test]
fn escape_stops_a_filter_that_is_being_counted_and_says_so_until_something_else_is_asked() {
    let told = story::break_in();
    for view in ["files", "events", "talks"] {
        let mut player = play(&told, 100, 24);
        player.press(&format!(":{view}<Enter>"));
        let counting = player.hold(29).press("/proc.pid > 0<Enter>").screen();
        assert!(counting.contains("Esc stops"), "{counting}");
        let stopping = player.press("<Esc>").screen();
        assert!(
            stopping.contains("stopping") && !stopping.contains("Esc stops"),
            "{stopping}"
        );
        // What was found before it stopped comes, and with a capture as small as this that may be everything.
        let stopped = player.release().screen();
        assert!(!stopped.contains("working"), "{stopped}");
        assert!(
            stopped.contains("/ proc.pid > 0"),
            "the filter stays\n{stopped}"
        );
        let whole = player.press("<Delete>").screen();
        assert!(!whole.contains("stopped"), "{whole}");
    }
}

#[test]
fn a_view_without_rows_says_why_at_every_size() {
    let told = story::break_in();
    for (width, height) in [(100, 30), (80, 24), (40, 12)] {
        for view in VIEWS {
            let mut player = play(&told, width, height);
            let keys = format!(":{}<Enter>/proc.name = nobody<Enter>", view.id);
            let screen = player.press(&keys).screen();
            let says = match view.shape {
                Shape::Gaps => "ring-full",
                Shape::Made(Made::Alerts) => "no rule files",
                _ => "nothing matches the filter",
            };
            assert!(screen.contains(says), "{}\n{screen}", view.id);
            // The panes below have nothing to show either, and say so.
            for pane in 0..3 {
                let screen = player.press("<Tab>").screen();
                let working = screen.contains("working");
                assert!(!working, "{} after {pane} tabs\n{screen}", view.id);
            }
        }
    }
    let empty = story::empty();
    for view in VIEWS {
        let options = Options {
            view: view.id.into(),
            ..options()
        };
        let mut player = Player::new(empty.session(), options, 80, 24).expect("the view opens");
        let screen = player.screen();
        let says = match view.shape {
            Shape::Gaps => "no gaps",
            Shape::Made(Made::Alerts) => "no rule files",
            Shape::Made(Made::Story) => "no event was selected",
            _ => "the capture holds no events",
        };
        assert!(screen.contains(says), "{}\n{screen}", view.id);
    }
}

#[test]
fn where_nothing_is_left_of_a_part_of_the_time_it_is_said_how_to_see_more() {
    let told = story::break_in();
    let mut player = play(&told, 100, 24);
    let screen = player.press(":http<Enter>/evt.num = 43<Enter>").screen();
    assert!(screen.contains("nothing matches the filter"), "{screen}");
    let screen = player.press("<Delete>").press(&"[".repeat(95)).screen();
    assert!(
        screen.contains("nothing up to this instant (= shows all)"),
        "{screen}"
    );
}

#[test]
fn a_damaged_capture_shows_what_is_left_and_where_something_is_missing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1");
    let mut bytes = std::fs::read(folder.join("crash-loop.aft")).expect("the sample");
    let whole = Session::open(&folder.join("crash-loop.aft")).expect("the sample opens");
    assert!(whole.events() > 0);
    // In the middle of the file there are chunks.
    let middle = bytes.len() / 2;
    for byte in bytes.iter_mut().skip(middle).take(64) {
        *byte ^= 0xff;
    }
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &bytes).expect("the file is written");
    let session = Session::open(file.path()).expect("what is damaged opens");
    let options = Options {
        name: "damaged.aft".into(),
        ..options()
    };
    let mut player = Player::new(session, options, 100, 24).expect("the inspector opens");
    let screen = player.screen();
    assert!(screen.contains("damaged"), "{screen}");
    let mut screens = format!("--- overview\n{screen}");
    for (name, keys) in [("events", "7<End>"), ("gaps", "8"), ("files", "4")] {
        let screen = player.press(keys).screen();
        screens += &format!("--- {name} {keys}\n{screen}");
    }
    golden("state-damaged", &screens);
}

#[test]
fn what_was_said_stands_below_the_talks_and_follows_the_selection() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1");
    let session = Session::open(&folder.join("break-in.aft")).expect("the sample opens");
    let mut player = Player::new(session, options(), 140, 40).expect("the inspector opens");
    let first = player.press("K").screen();
    assert!(first.contains("said"), "{first}");
    let second = player.press("<Down>").screen();
    golden("talks-with-what-was-said", &format!("K<Down>\n{second}"));
    let inside = player.press("<Tab><Down><Down>").screen();
    golden(
        "talks-inside-what-was-said",
        &format!("K<Down><Tab><Down><Down>\n{inside}"),
    );
    assert_ne!(second, inside);
    // Back in the list the next talk is shown from its beginning.
    let next = player.press("<Shift-Tab><Down>").screen();
    assert_ne!(next, inside);
}

#[test]
fn the_timeline_marks_events_that_the_user_marked() {
    let told = story::break_in();
    let mut player = play(&told, 100, 30);
    let before = player.press("7g43<Enter>").screen();
    assert!(!before.contains("marks "), "{before}");
    let after = player.press("mlook here<Enter>").screen();
    let lane = after.lines().find(|line| line.starts_with("marks"));
    assert!(lane.is_some_and(|lane| lane.contains('◆')), "{after}");
    let gone = player.press("m<Ctrl-U><Enter>").screen();
    assert!(!gone.contains("marks "), "{gone}");
}

#[test]
fn zooming_in_goes_down_to_microseconds_around_the_cursor_and_out_to_everything() {
    let told = story::break_in();
    let mut player = play(&told, 100, 30);
    let whole = player.press("7").screen();
    player.press("<Tab><Tab><Tab><Home>");
    player.press(&"<Right>".repeat(40));
    let axis = |screen: &str| {
        let line = screen.lines().nth(8).unwrap_or_default().to_owned();
        line.split_whitespace()
            .last()
            .unwrap_or_default()
            .to_owned()
    };
    let instant = axis(&player.screen());
    player.press(&"+".repeat(30));
    let close = player.screen();
    // The cursor still stands where it stood, to a step of what it was.
    assert_eq!(axis(&close).get(..8), instant.get(..8), "{close}");
    let again = player.press(&"-".repeat(40)).press("<Esc>").screen();
    assert_eq!(
        again.lines().nth(2),
        whole.lines().nth(2),
        "{again}\n{whole}"
    );
}

#[test]
fn captures_of_sysdig_begin_when_they_do_and_the_event_below_the_list_is_the_selected_one() {
    for path in afterimage_tests::peers::captures() {
        let reader = afterimage_interop::open(&path).expect("the capture opens");
        let session = Session::from_reader(reader);
        let mut player = Player::new(session, options(), 140, 40).expect("the inspector opens");
        // Some hold events without a time, which are no reason to begin in 1970.
        let screen = player.screen();
        assert!(
            !screen.contains("1970-01-01"),
            "{}\n{screen}",
            path.display()
        );
        player.press("7");
        for keys in ["", "<Down>", "<PgDn>", "<End>"] {
            let screen = player.press(keys).screen();
            let number = |line: &str, mark: &str| {
                let rest = line.trim_start().strip_prefix(mark)?.trim_start();
                rest.split(' ').next()?.parse::<u64>().ok()
            };
            let selected = screen.lines().find_map(|line| number(line, "▸"));
            let below = screen.lines().find_map(|line| number(line, "─  event"));
            assert_eq!(selected, below, "{} {keys}\n{screen}", path.display());
            assert!(
                selected.is_some() || screen.contains("no row is selected"),
                "{} {keys}\n{screen}",
                path.display()
            );
        }
    }
}
