//! A folder on a screen of text: pages, what is searched for, what comes back too late, and that nothing captured is drawn raw.

use super::*;
use crate::Options;
use crate::action::Action;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Tells what it was asked, and cannot open anything. So many of its captures are gone.
#[derive(Default)]
struct Asked(Mutex<Vec<(Page, Query)>>, AtomicU64);

impl Shelf for Asked {
    fn sheet(&self, page: Page, query: &Query, _: &Progress) -> Result<Sheet, String> {
        let words = query.words.as_str();
        let mut asked = self.0.lock().map_err(|_| "poisoned")?;
        asked.push((page, query.clone()));
        if words == "(" {
            return Err("this bracket is not closed\n  (\n  ^".to_owned());
        }
        let row = |name: &str, host: &[u8], bad: bool| SheetRow {
            cells: vec![
                Cell::Text(name.as_bytes().to_vec()),
                Cell::Text(host.to_vec()),
                Cell::Text(b"2023-11-14 22:13:20".to_vec()),
                Cell::Text(b"2023-11-14 22:14:20".to_vec()),
            ],
            place: (!bad).then(|| Place {
                path: PathBuf::from(name),
                ..Place::default()
            }),
            bad,
        };
        let mut rows = vec![row("broken.aft", b"", true)];
        let gone = self.1.load(Ordering::Relaxed);
        rows.extend((gone..40).map(|at| row(&format!("{at:02}.aft"), b"lab\x1b[2J", false)));
        let activity = Activity {
            span: (1_700_000_000_000_000_000, 1_700_000_060_000_000_000),
            counts: vec![1, 0, 7],
            triggered: true,
            lossy: true,
        };
        // Of events there are three times as many.
        let at = query.after.as_ref().map_or(0, |after| after.2);
        let more = (page == Page::Events && at < 2).then(|| (0, String::new(), at + 1));
        Ok(Sheet {
            rows,
            activity: vec![activity],
            more,
            ..Sheet::default()
        })
    }

    fn look(&self) -> Option<u64> {
        Some(self.1.load(Ordering::Relaxed))
    }

    fn open(&self, place: &Place) -> Result<Session, String> {
        Err(format!("{} cannot be opened", place.path.display()))
    }
}

fn player(width: u16, height: u16) -> (Arc<Asked>, FolderPlayer) {
    let shelf = Arc::new(Asked::default());
    let options = Options {
        name: "evidence".into(),
        ..Options::default()
    };
    let player = FolderPlayer::new(shelf.clone(), options, width, height);
    (shelf, player)
}

fn press(player: &mut FolderPlayer, keys: &str) -> String {
    player.press(keys).expect("keys are taken").screen()
}

#[test]
fn a_folder_begins_with_its_captures_and_nothing_captured_is_drawn_raw() {
    for (width, height) in [(200, 50), (80, 24), (40, 12), (20, 5), (1, 1)] {
        let (_, mut player) = player(width, height);
        for keys in ["", "<End>", "2", "?", "<Esc><Ctrl-F>x", "<Enter>", "4"] {
            let screen = press(&mut player, keys);
            assert!(!screen.contains('\u{1b}'), "{keys}\n{screen}");
            assert_eq!(screen.lines().count(), usize::from(height));
        }
    }
    let (_, mut player) = player(140, 36);
    let screen = press(&mut player, "");
    for said in [
        "evidence  41 captures of 1 host",
        "broken.aft",
        "trigger",
        "lost",
        "2023-11-14",
    ] {
        assert!(screen.contains(said), "{said}\n{screen}");
    }
}

#[test]
fn words_lead_to_what_is_found_and_to_the_timeline_and_what_is_wrong_has_a_caret() {
    let (shelf, mut player) = player(140, 36);
    press(&mut player, "<Ctrl-F>shadow<Enter>3");
    let asked = shelf.0.lock().expect("not poisoned").clone();
    let words = Query {
        words: "shadow".to_owned(),
        ..Query::default()
    };
    assert_eq!(
        asked.get(..3),
        Some(
            &[
                (Page::Captures, Query::default()),
                (Page::Found, words.clone()),
                (Page::Events, words),
            ][..]
        )
    );
    let screen = press(&mut player, "<Ctrl-F><Ctrl-U>(<Enter>");
    assert!(
        screen.contains("this bracket is not closed") && screen.contains("\n  ^"),
        "{screen}"
    );
    // Back at the catalogue, which is asked for once only.
    let asked = shelf.0.lock().expect("not poisoned").len();
    press(&mut player, "<Esc>");
    assert_eq!(shelf.0.lock().expect("not poisoned").len(), asked);
}

#[test]
fn further_events_are_asked_for_before_the_end_is_reached_and_go_below_the_others() {
    let (shelf, mut player) = player(140, 36);
    press(&mut player, "3");
    let screen = press(&mut player, "<End>");
    assert!(screen.contains("123 of 123 rows"), "{screen}");
    let asked = shelf.0.lock().expect("not poisoned").clone();
    let after: Vec<_> = asked.iter().map(|(_, query)| &query.after).collect();
    let spot = |at| Some((0, String::new(), at));
    assert_eq!(after, [&None, &None, &spot(1), &spot(2)]);
    // The row stands where it stood, and leads where it led.
    let screen = press(&mut player, "<Enter>");
    assert!(screen.contains("39.aft cannot be opened"), "{screen}");
}

#[test]
fn a_part_that_is_marked_on_the_timeline_is_asked_of_every_page_until_all_is_shown_again() {
    let (shelf, mut player) = player(140, 36);
    let asked = || shelf.0.lock().expect("not poisoned").last().cloned();
    let screen = press(&mut player, "<Tab><Enter><Right><Right><Enter>");
    let Some((Page::Captures, query)) = asked() else {
        panic!("{:?}", asked());
    };
    let (from, to) = query.span.expect("a part");
    let whole: (i64, i64) = (1_700_000_000_000_000_000, 1_700_000_060_000_000_000);
    assert!(
        from == whole.0 && to < whole.0 + 2_000_000_000,
        "{from} {to}"
    );
    assert!(
        screen.contains("part") && screen.contains("; from 2023-11-14"),
        "{screen}"
    );
    press(&mut player, "3");
    assert_eq!(asked().and_then(|(_, query)| query.span), query.span);
    press(&mut player, "=");
    let (page, query) = asked().expect("it was asked");
    assert_eq!((page, query.span), (Page::Events, None));
    press(&mut player, "+");
    let (_, query) = asked().expect("it was asked");
    let (from, to) = query.span.expect("a part");
    assert!(to - from <= 30_000_000_001, "{from} {to}");
}

#[test]
fn what_cannot_be_opened_is_said_and_the_user_stays() {
    let (_, mut player) = player(140, 36);
    let screen = press(&mut player, "<Enter>");
    assert!(screen.contains("this one cannot be opened"), "{screen}");
    let screen = press(&mut player, "<Down><Enter>");
    assert!(screen.contains("00.aft cannot be opened"), "{screen}");
    press(&mut player, "q");
    assert!(player.left());
}

#[test]
fn an_answer_that_was_given_up_is_ignored() {
    let mut state = FolderState::new("evidence".into(), (100, 30));
    let ticket = |wants: &[Want]| match wants {
        [.., Want::Ask(ticket, ..)] => *ticket,
        other => panic!("nothing was asked for: {other:?}"),
    };
    let first = ticket(&state.wants());
    let second = ticket(&state.update(Action::OpenView('2')));
    state.receive(first, Ok(Sheet::default()));
    assert!(state.working());
    assert!(matches!(state.update(Action::Cancel)[..], [Want::Cancel]));
    state.receive(second, Ok(Sheet::default()));
    assert!(!state.standing().table.loaded);
    // It is asked for again when the user comes back to it.
    ticket(&state.update(Action::OpenView('1')));
}

/// The ticket of what was asked for last.
fn asked_last(wants: &[Want]) -> u64 {
    let asked = wants.iter().rev().find_map(|want| match want {
        Want::Ask(ticket, ..) => Some(*ticket),
        _ => None,
    });
    asked.unwrap_or_else(|| panic!("nothing was asked for: {wants:?}"))
}

/// Forty events, and that there are more.
fn some_events() -> Result<Sheet, String> {
    let row = |at: i128| SheetRow {
        cells: vec![Cell::Number(at)],
        ..SheetRow::default()
    };
    Ok(Sheet {
        rows: (0..40).map(row).collect(),
        more: Some((0, String::new(), 40)),
        ..Sheet::default()
    })
}

/// The page of events, with forty of them at hand and more on their way under this ticket.
fn paging() -> (FolderState, u64) {
    let mut state = FolderState::new("evidence".into(), (100, 30));
    let first = asked_last(&state.wants());
    state.receive(first, Ok(Sheet::default()));
    let ticket = asked_last(&state.update(Action::OpenView('3')));
    state.receive(ticket, some_events());
    let more = asked_last(&state.wants());
    (state, more)
}

#[test]
fn events_whose_fetching_was_stopped_are_fetched_when_the_user_goes_on() {
    let (mut state, more) = paging();
    assert!(matches!(state.update(Action::Cancel)[..], [Want::Cancel]));
    let said = state.notice.clone().expect("it is said").0.join(" ");
    assert!(said.contains("moving down fetches them"), "{said}");
    state.receive(more, some_events());
    assert_eq!(state.standing().table.order.len(), 40, "it was given up");
    assert!(state.update(Action::Up).is_empty(), "not yet");
    let again = state.update(Action::Down);
    let [
        Want::Ask(
            ticket,
            Page::Events,
            Query {
                after: Some(spot), ..
            },
        ),
    ] = &again[..]
    else {
        panic!("{again:?}");
    };
    assert_eq!(spot.2, 40, "where it was stopped");
    state.receive(*ticket, some_events());
    assert_eq!(state.standing().table.order.len(), 80);
}

#[test]
fn an_answer_goes_to_the_page_it_was_asked_for() {
    let (mut state, more) = paging();
    assert!(state.update(Action::OpenView('1')).is_empty());
    state.receive(more, some_events());
    assert_eq!(
        state.standing().table.order.len(),
        0,
        "there are no captures"
    );
    state.update(Action::OpenView('3'));
    assert_eq!(state.standing().table.order.len(), 80);
}

#[test]
fn a_page_that_was_given_up_for_another_is_asked_for_again() {
    let (mut state, _) = paging();
    let found = asked_last(&state.update(Action::OpenView('2')));
    state.receive(found, Ok(Sheet::default()));
    state.update(Action::OpenView('3'));
    assert_eq!(state.standing().table.order.len(), 40, "these are at hand");
    // Those that come after them are fetched again, too.
    assert!(state.working());
}

#[test]
fn events_at_hand_stay_when_no_more_can_be_fetched() {
    let (mut state, more) = paging();
    state.receive(more, Err("a capture has gone".to_owned()));
    assert_eq!(state.standing().table.order.len(), 40);
    assert!(state.notice.is_some() && state.wants().is_empty());
}

#[test]
fn a_narrow_screen_shows_the_columns_that_say_most() {
    for (keys, titles) in [
        ("", &["CAPTURE", "EVENTS", "LOST"][..]),
        ("2", &["KIND", "WHAT", "EVENTS"]),
        ("3", &["PROCESS", "TYPE", "WHAT"]),
        ("4", &["INDICATOR", "HOST", "EVENTS"]),
    ] {
        let (_, mut player) = player(40, 12);
        let screen = press(&mut player, keys);
        for title in titles {
            assert!(screen.contains(title), "{title}\n{screen}");
        }
    }
    for row in PAGES {
        let titles: Vec<&str> = row.columns.iter().map(|column| column.title).collect();
        assert!(
            row.keeps.iter().all(|kept| titles.contains(kept)),
            "{:?}",
            row.page
        );
    }
}

#[test]
fn captures_that_come_and_go_are_noticed_and_the_selected_one_stays_selected() {
    let (shelf, mut player) = player(160, 30);
    player.look();
    let before = press(&mut player, "<Down><Down><Down><Down>");
    let asked = |shelf: &Asked| shelf.0.lock().map(|asked| asked.len()).unwrap_or_default();
    let once = asked(&shelf);
    player.look();
    assert_eq!(asked(&shelf), once, "nothing has changed");
    assert!(before.contains("00.aft"), "{before}");

    shelf.1.store(2, Ordering::Relaxed);
    player.look();
    let after = player.screen();
    assert!(
        !after.contains("00.aft") && after.contains("02.aft"),
        "{after}"
    );
    let opened = press(&mut player, "<Enter>");
    assert!(opened.contains("03.aft cannot be opened"), "{opened}");

    // What was searched for stays; the captures are asked for when they are shown again.
    press(&mut player, "2");
    let once = asked(&shelf);
    shelf.1.store(0, Ordering::Relaxed);
    player.look();
    assert_eq!(asked(&shelf), once);
    let again = press(&mut player, "1");
    assert!(again.contains("00.aft"), "{again}");
}
