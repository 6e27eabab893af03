//! What the user chooses: another view of a row, columns, an instant, and the way back to where the last look ended.

use super::{golden, options, play, story};
use afterimage_indexer::Session;
use afterimage_inspect_tui::Options;
use afterimage_inspect_tui::action::Action;
use afterimage_inspect_tui::play::Player;

#[test]
fn a_row_leads_to_every_view_not_only_to_the_one_behind_enter() {
    let told = story::break_in();
    let mut player = play(&told, 120, 30);
    // From an error to the processes that met it, which Enter does not do.
    let asked = player.press("6acallers").screen();
    assert!(
        asked.contains("the selected row as view: callers"),
        "{asked}"
    );
    let screen = player.press("<Enter>").screen();
    let trail = screen.lines().find(|line| line.contains("errors ›"));
    let trail = trail.unwrap_or_else(|| panic!("{screen}"));
    assert!(trail.ends_with("callers"), "{trail}");
    let whole = play(&told, 120, 30).press(":callers<Enter>").screen();
    let rows = |screen: &str| {
        let counts = screen.lines().find(|line| line.contains(" of "));
        let number = counts.and_then(|line| line.split(' ').nth(2));
        number.and_then(|n| n.parse::<usize>().ok()).unwrap_or(0)
    };
    assert!(
        (1..rows(&whole)).contains(&rows(&screen)),
        "{screen}\n{whole}"
    );
    // From a tile and from an event, too.
    let tile = play(&told, 120, 30).press("aprocesses<Enter>").screen();
    assert!(tile.contains("overview › events › processes"), "{tile}");
    let event = play(&told, 120, 30)
        .press("7<Down>aprocesses<Enter>")
        .screen();
    assert!(event.contains("events › #2 › processes"), "{event}");
    assert!(event.contains("1 of 1 row"), "{event}");
}

#[test]
fn how_long_the_calls_behind_a_row_waited_is_one_key_away() {
    let told = story::break_in();
    let screen = play(&told, 120, 30).press("3<F12>").screen();
    assert!(screen.contains("› latency"), "{screen}");
    assert!(screen.contains("<100us"), "{screen}");
}

#[test]
fn columns_are_hidden_and_shown_again_and_the_last_one_stays() {
    let told = story::break_in();
    let mut player = play(&told, 120, 30);
    let picking = player.press("4c").screen();
    golden("columns", &format!("120x30 4c\n{picking}"));
    let titles = |screen: &str| {
        let line = screen.lines().find(|line| line.contains("OPS"));
        line.unwrap_or_default().to_owned()
    };
    let without = player.press("<Down><Enter><Esc>").screen();
    assert!(!titles(&without).contains(" IN "), "{without}");
    assert!(titles(&without).contains(" OUT "), "{without}");
    // The arrow keys pass over it, and other views are as they were.
    player.press("<Home>").press("<Left><Left><Left><Right>s");
    let sorted = player.screen();
    assert!(titles(&sorted).contains("OUT▼"), "{sorted}");
    let directories = player.press("D").screen();
    assert!(titles(&directories).contains(" IN "), "{directories}");
    let again = player.press("4cin<Enter><Esc>").screen();
    assert!(titles(&again).contains(" IN"), "{again}");
    // All of them cannot go.
    player.press("c");
    for _ in 0..12 {
        player.press("<Enter><Down>");
    }
    let last = player.screen();
    assert_eq!(last.matches("[x]").count(), 1, "{last}");
}

#[test]
fn one_goes_to_an_event_or_to_a_time() {
    let told = story::break_in();
    let stands = |keys: &str| {
        let screen = play(&told, 140, 36).press(keys).screen();
        let line = screen.lines().find(|line| line.starts_with('▸'));
        line.map_or(screen.clone(), |line| {
            line.split_whitespace()
                .nth(1)
                .unwrap_or_default()
                .to_owned()
        })
    };
    assert_eq!(stands("7g#43<Enter>"), "43");
    // The time of that event, as it is shown, leads to it from any view.
    let screen = play(&told, 140, 36).press("7g43<Enter>").screen();
    let line = screen.lines().find(|line| line.starts_with('▸'));
    let time = line.and_then(|line| line.split_whitespace().nth(2));
    let time = time.unwrap_or_else(|| panic!("{screen}")).to_owned();
    for view in ["7", "4", ""] {
        assert_eq!(stands(&format!("{view}g{time}<Enter>")), "43", "{time}");
    }
    assert_eq!(stands("7g+0s<Enter>"), "1");
    for (wrong, says) in [
        ("soon", "neither an event nor an instant"),
        ("25:61", "neither an event nor an instant"),
        ("+x", "neither an event nor an instant"),
        ("2999-01-01", "the capture ends before that"),
        ("0", "events are numbered from 1"),
    ] {
        let screen = play(&told, 140, 36)
            .press(&format!("7g{wrong}<Enter>"))
            .screen();
        assert!(screen.contains(says), "{wrong}\n{screen}");
    }
    // A view of an instant moves to it.
    let before = play(&told, 140, 36)
        .press(&format!("@g{time}<Enter>"))
        .screen();
    assert!(before.contains(&format!("at {time}")), "{before}");
}

#[test]
fn space_folds_a_tree_and_plays_elsewhere() {
    let told = story::break_in();
    let mut player = play(&told, 120, 36);
    let whole = player.press("3").screen();
    let folded = player.press("<Home><Down><Space>").screen();
    assert!(folded.contains("+ ") && !whole.contains("+ "), "{folded}");
    let playing = player.press("4<Space>").screen();
    assert!(playing.contains("▶ until"), "{playing}");
    // While it plays, Space stops it in a tree, too.
    let stopped = player.press("3<Space>").screen();
    assert!(!stopped.contains("▶ until"), "{stopped}");
    player.act(Action::Tick(1));
}

#[test]
fn the_way_to_where_one_left_is_kept_with_marks_and_filters_and_not_without() {
    let told = story::break_in();
    let folder = tempfile::tempdir().expect("a folder");
    let capture = folder.path().join("x.aft");
    let notes = folder.path().join("x.aft.notes");
    let open = |read_only: bool| {
        let options = Options {
            path: Some(capture.clone()),
            read_only,
            ..options()
        };
        Player::new(told.session(), options, 120, 36).expect("the inspector opens")
    };
    assert!(open(false).press("4<Enter>q").left());
    assert!(!notes.exists(), "who only looks leaves nothing");
    let there = open(false)
        .press("2<Enter>/proc.name = sh<Enter><Down>")
        .screen();
    assert!(there.contains("/ proc.name = sh"), "{there}");
    let mut player = open(false);
    player.press("2<Enter>/proc.name = sh<Enter>");
    let left = player.screen();
    assert!(player.press("q").left());
    let kept = std::fs::read_to_string(&notes).expect("the notes");
    assert!(kept.contains("step processes\n"), "{kept}");
    let mut again = open(false);
    let said = again.screen();
    assert!(said.contains("r leads to where you were last"), "{said}");
    let back = again.press("r").screen();
    assert_eq!(back, left, "everything is as it was");
    assert_eq!(again.press("<Backspace>").screen().lines().count(), 36);
    let mut events = open(false);
    let left = events.press("7g40<Enter>").screen();
    assert!(events.press("q").left());
    assert_eq!(open(false).press("r").screen(), left, "on the same event");
    // What cannot be read any more is left out.
    std::fs::write(&notes, "afterimage notes 1\nstep nothing\nown = =\n").expect("written");
    let lost = open(false).press("r").screen();
    assert!(lost.contains("nothing is kept of where you were"), "{lost}");
    let before = std::fs::read(&notes).expect("the notes");
    assert!(open(true).press("/proc.name = sh<Enter>7q").left());
    assert_eq!(std::fs::read(&notes).expect("the notes"), before);
}

#[test]
fn what_a_tile_asks_is_said_and_can_be_changed_and_stays_with_its_view() {
    let told = story::break_in();
    let mut player = play(&told, 160, 40);
    player.press("<Down><Down><Down><Down>");
    let screen = player.screen();
    let says = screen.lines().find(|line| line.contains(" Filter: "));
    let says = says.unwrap_or_else(|| panic!("{screen}")).to_owned();
    assert!(screen.contains("first in #"), "{screen}");
    let (_, filter) = says.split_once(" Filter: ").expect("a filter");
    let filter = filter.trim().to_owned();
    let opened = player.press("<Enter>").screen();
    assert!(opened.contains(&format!("/ {filter}")), "{opened}");
    let typing = player.press("/").screen();
    assert!(typing.contains(&format!("filter: {filter}")), "{typing}");
    player.press("<Esc>");
    let files = player.press("4").screen();
    assert!(!files.contains(&filter), "{files}");
    let mut own = play(&told, 160, 40);
    let kept = own.press("4/proc.name = cat<Enter>7").screen();
    assert!(kept.contains("/ proc.name = cat"), "{kept}");
}

/// The inspector on a capture of sysdig, where the folder of them is there.
fn of_sysdig(name: &str) -> Option<Player> {
    let captures = afterimage_tests::peers::captures();
    let path = captures.iter().find(|path| path.ends_with(name))?;
    let reader = afterimage_interop::open(path).expect("the capture opens");
    let session = Session::from_reader(reader);
    Some(Player::new(session, options(), 160, 40).expect("the inspector opens"))
}

#[test]
fn what_was_said_is_one_key_away_from_an_event_at_a_terminal_of_sysdig_too() {
    let Some(mut player) = of_sysdig("sf-collector_alpine_alpine.scap") else {
        return;
    };
    let screen = player.press("7g576<Enter>e").screen();
    assert!(screen.contains("› conversation"), "{screen}");
    assert!(screen.contains("echo 123 > /tmp/test"), "{screen}");
}

#[test]
fn who_serves_behind_a_bridge_is_the_server_in_a_capture_of_sysdig() {
    let Some(mut player) = of_sysdig("sf-collector_mpm-event_cold_start_capture.scap") else {
        return;
    };
    let http = player.press("H").screen();
    let ends = "172.17.0.1:46782 httpd[10345] 172.17.0.4:80";
    assert!(http.contains(ends), "{http}");
    let map = player.press("W").screen();
    assert!(map.contains("172.17.0.1 httpd in httpd_event"), "{map}");
}

#[test]
fn every_step_of_a_story_leads_to_its_own_event() {
    let told = story::break_in();
    let mut player = play(&told, 140, 40);
    player.press("7g43<Enter>b");
    let screen = player.screen();
    let number = |line: &str| {
        line.split_whitespace()
            .nth(1)
            .and_then(|n| n.parse::<u64>().ok())
    };
    let steps: Vec<(usize, u64)> = (screen
        .lines()
        .skip_while(|line| !line.contains("WHAT HAPPENED")))
    .skip(1)
    .enumerate()
    .filter_map(|(at, line)| Some((at, number(line.trim_start_matches('▸'))?)))
    .collect();
    assert!(steps.len() > 3, "{screen}");
    for (at, num) in steps {
        let mut there = play(&told, 140, 40);
        there.press("7/evt.num = 43<Enter>b<Home>");
        for _ in 0..at {
            there.press("<Down>");
        }
        let screen = there.press("<Enter>").screen();
        let line = screen.lines().find(|line| line.starts_with('▸'));
        let stands = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
        assert_eq!(stands, Some(num), "{screen}");
    }
}

#[test]
fn beside_a_terminal_stands_what_was_done_at_it_and_the_last_step_until_then_is_selected() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
    let open = |width| {
        let session = Session::open(&path).expect("the sample opens");
        Player::new(session, options(), width, 50).expect("the inspector opens")
    };
    let narrow = open(149).press("S<Enter>").screen();
    assert!(!narrow.contains("what was done"), "{narrow}");
    let mut player = open(200);
    // The terminal's own selected line is to the left.
    let selected = |screen: &str| {
        let right = |line: &str| line.chars().skip(90).collect::<String>();
        let mut lines = screen.lines().map(right);
        let line = lines.find(|line| line.starts_with('▸'));
        line.unwrap_or_else(|| panic!("{screen}"))
    };
    let end = player.press("S<Enter>").screen();
    assert!(end.contains("what was done"), "{end}");
    assert!(
        selected(&end).contains("sh (4992) ended with code 0"),
        "{end}"
    );
    let before = player.press("g18:11:27.8115<Enter>").screen();
    let step = selected(&before);
    assert!(step.contains("started /bin/busybox as 4995"), "{before}");
    // A step leads to its event, whatever the terminal is, and one comes back from it.
    let event = player.press("<Tab><Down><Enter>").screen();
    assert!(event.contains("› events"), "{event}");
    let line = event.lines().find(|line| line.starts_with('▸'));
    let line = line.unwrap_or_else(|| panic!("{event}"));
    assert!(line.contains("/proc/36/environ"), "{event}");
    let back = player.press("<Backspace>").screen();
    assert!(back.contains("what was done"), "{back}");
}

#[test]
fn a_program_whose_path_was_not_told_is_said_to_be_one() {
    let Some(mut player) = of_sysdig("falco_cat_write.scap") else {
        return;
    };
    let screen = player.press("Ub").screen();
    let says = "bash (11310) started a program as 20072: cat /dev/null";
    assert!(screen.contains(says), "{screen}");
}

#[test]
fn a_return_of_a_sysdig_capture_says_what_was_asked_when_it_was_entered() {
    let captures = afterimage_tests::peers::captures();
    let of_setuid = captures
        .iter()
        .find(|path| path.ends_with("sf-collector_setuid_setuid.scap"));
    // Where the captures of others are not there, that is said already.
    let Some(path) = of_setuid else { return };
    let reader = afterimage_interop::open(path).expect("the capture opens");
    let session = Session::from_reader(reader);
    let mut player = Player::new(session, options(), 160, 40).expect("the inspector opens");
    let screen = player.press(":identity<Enter>").screen();
    assert!(screen.contains("res=0 uid=500(terylt)"), "{screen}");
    assert!(screen.contains("res=-1(EPERM) uid=0(root)"), "{screen}");
    let event = player.press("7g916<Enter>").screen();
    assert!(event.contains("said when the call was entered"), "{event}");
    assert!(!event.contains("not captured"), "{event}");
    // What sysdig prints stays what sysdig prints.
    let own = player
        .press(":identity<Enter>/evt.args contains uid<Enter>")
        .screen();
    assert!(own.contains("nothing matches the filter"), "{own}");
}

#[test]
fn the_command_that_leads_back_can_be_read_whole_on_a_small_screen() {
    let told = story::break_in();
    for (width, height) in [(200, 40), (80, 24), (40, 12)] {
        let mut player = play(&told, width, height);
        let screen = player.press("6f7<Down>u").screen();
        let joined: String = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            joined.contains("afterimage inspect 'break-in.aft' --view events --at '#"),
            "{screen}"
        );
        assert!(!player.press("<Esc><Esc>").screen().contains("this place"));
    }
}

#[test]
fn a_row_can_be_read_whole_on_a_small_screen() {
    let told = story::break_in();
    for (width, height) in [(200, 40), (80, 24), (40, 12)] {
        let mut player = play(&told, width, height);
        let columns = player.press(":processes<Enter>w").screen();
        assert!(columns.contains("COMMAND"), "{columns}");
        // Every column is named there, those that say nothing at the end.
        let more = player.press("<PgDn>").screen();
        let all = format!("{columns}{more}{}", player.press("<End>").screen());
        let view = afterimage_query::view("processes").expect("the view");
        for column in view.columns {
            assert!(all.contains(column.title), "{}: {all}", column.title);
        }
        let back = player.press("w").screen();
        assert!(
            back.contains("processes") && !back.contains("line 1 of"),
            "{back}"
        );
    }
    // Of what is very long the beginning is there, and how long it is.
    let mut tale = story::Tale::new();
    let web = tale.container("web", "nginx");
    let argv = "echo\0".to_owned() + &"of a kind\0".repeat(20_000);
    let echo = tale.process(7, None, web, 1, "/bin/echo", &argv);
    tale.call("execve", echo, None, 0, &[]);
    let told = tale.tell();
    for (width, height) in [(200, 120), (40, 120)] {
        let row = play(&told, width, height)
            .press(":processes<Enter>w")
            .screen();
        let said = row.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("COMMAND echo of a kind of a kind"), "{row}");
        assert!(
            said.contains("200,004 bytes in all: x writes them"),
            "{row}"
        );
        assert!(said.contains("PROGRAM /bin/echo"), "{row}");
    }
    let told = story::break_in();
    // Of two panes, the row of the one that has the focus.
    let mut player = play(&told, 120, 40);
    let above = player.press(":talks<Enter>w").screen();
    let below = player.press("<Esc><Tab>w").screen();
    assert!(above.starts_with("Talks  line 1 of"), "{above}");
    assert!(
        below.starts_with("Conversation  line 1 of") && below.contains("GET /"),
        "{below}"
    );
    // Where there is none, that is said.
    let none = player
        .press("<Esc>:processes<Enter>/proc.name=nobody<Enter>w")
        .screen();
    assert!(none.contains("there is no row here"), "{none}");
}

#[test]
fn what_is_said_to_the_user_goes_before_counts_that_leave_no_room() {
    let told = story::break_in();
    let mut player = play(&told, 40, 12);
    let before = player.press("7").screen();
    assert!(before.contains("1 of 58 events"), "{before}");
    let said = player.press("m<Enter>").screen();
    assert!(
        said.lines()
            .any(|line| line.starts_with("event 1 is marked")),
        "{said}"
    );
    let after = player.press("<Down>").screen();
    assert!(after.contains("2 of 58 events"), "{after}");
}

#[test]
fn captures_of_sysdig_name_terminals_and_sockets_and_say_what_they_do_not_know() {
    let captures = afterimage_tests::peers::captures();
    let show = |file: &str, keys: &str| {
        let path = captures.iter().find(|path| path.ends_with(file))?;
        let session = afterimage_tests::peers::session(path);
        let mut player = Player::new(session, options(), 160, 40).expect("the inspector opens");
        Some(player.press(keys).screen())
    };
    let Some(shells) = show("sf-collector_alpine_alpine.scap", ":login_shells<Enter>") else {
        return;
    };
    assert!(shells.contains(" pts/0 "), "{shells}");
    let shown = |file: &str, keys: &str| show(file, keys).expect("the capture is there");
    let sockets = shown("libs_sample.scap", ":netstat<Enter>/fd.type = unix<Enter>");
    assert!(sockets.contains("/run/systemd/notify "), "{sockets}");
    assert!(!sockets.contains("\\n"), "{sockets}");
    // Of who connects there only the number is known.
    let file = "falco_connect_localhost.scap";
    let event = shown(file, "7");
    assert!(event.contains("not recorded  pid 31699"), "{event}");
    assert!(!event.contains("4294967295"), "{event}");
    let story = shown(file, "7b");
    assert!(!story.contains("<NA> ("), "{story}");
    assert!(
        story.contains("a process that was not recorded (31699) connected to 127.0.0.1 port 80"),
        "{story}"
    );
}
