//! What somebody meets who walks through the samples: tiles that lead to what they count, steps that lead nowhere.

use crate::options;
use afterimage_indexer::Session;
use afterimage_inspect_tui::Options;
use afterimage_inspect_tui::play::Player;
use std::path::Path;

/// A sample, opened.
fn sample(name: &str, width: u16, height: u16) -> Player {
    let file = format!("{name}.aft");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1");
    let session = Session::open(&folder.join(&file)).expect("the sample opens");
    let options = Options {
        name: file,
        ..options()
    };
    Player::new(session, options, width, height).expect("the inspector opens")
}

#[test]
fn answers_that_blame_the_client_lead_to_their_requests() {
    // The tile stands a few steps from the first; it is found by what is said of it.
    let mut player = sample("quiet-web", 140, 40);
    for _ in 0..90 {
        if player.screen().contains("HTTP answers 4xx: ") {
            break;
        }
        player.press("<Down>");
    }
    let screen = player.press("<Enter>").screen();
    assert!(screen.contains("1 of 1 row"), "{screen}");
    assert!(screen.contains("404"), "{screen}");
    assert!(screen.contains("GET"), "the request is beside it\n{screen}");
    assert!(screen.contains("wget[7300]"), "and who asked\n{screen}");
    let screen = player.press("<Enter>").screen();
    assert!(screen.contains("GET /nothing-here.html"), "{screen}");
    assert!(screen.contains("404 Not Found"), "{screen}");
}

#[test]
fn a_step_of_a_story_that_was_not_recorded_says_so() {
    let mut player = sample("break-in", 120, 36);
    let screen = player
        .press("7/fd.name=/etc/shadow<Enter>b<Home><Enter>")
        .screen();
    assert!(screen.contains("nothing was recorded of it"), "{screen}");
    assert!(screen.contains("was there before"), "it stays\n{screen}");
}

#[test]
fn a_name_that_is_only_proposed_gives_way_to_what_is_typed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("map.svg");
    let mut player = sample("break-in", 160, 30);
    let keys = format!("Wx{}<Enter>", path.display());
    let screen = player.press(&keys).screen();
    assert!(
        screen.contains(&format!("wrote {}", path.display())),
        "{screen}"
    );
    let drawing = std::fs::read_to_string(&path).expect("the drawing");
    assert!(drawing.starts_with("<svg"), "{drawing}");
    let again = player.press(&keys).screen();
    assert!(again.contains("there is such a file"), "{again}");
    // What stands there can still be changed at its end.
    let screen = player
        .press("x<Backspace><Backspace><Backspace>json")
        .screen();
    assert!(screen.contains(": map.json"), "{screen}");
}

#[test]
fn tiles_are_exported_as_rows_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tiles.csv");
    let screen = sample("break-in", 160, 30)
        .press(&format!("x{}<Enter>", path.display()))
        .screen();
    assert!(screen.contains("wrote 82 rows to "), "{screen}");
    let written = std::fs::read_to_string(&path).expect("the tiles");
    assert!(written.contains("Commands run,30,"), "{written}");
}

#[test]
fn a_view_that_is_opened_from_a_row_says_what_it_misses_there() {
    let screen = sample("break-in", 120, 30).press("4<F12>").screen();
    assert!(
        screen.contains("no such call is known to have waited so long, in what was opened"),
        "{screen}"
    );
}
