//! A capture that grows while the inspector shows it.

use afterimage_format::Reader;
use afterimage_indexer::Session;
use afterimage_inspect_tui::Options;
use afterimage_inspect_tui::action::Action;
use afterimage_inspect_tui::play::Player;
use afterimage_tests::chunked;
use std::fs::File;
use std::io::Write;
use std::time::Duration;

/// Far more than it takes to be found out.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sample that is written piece by piece, and where its blocks of events end.
struct Growing {
    folder: tempfile::TempDir,
    out: File,
    bytes: Vec<u8>,
    ends: Vec<u64>,
    at: usize,
}

impl Growing {
    fn new() -> Growing {
        let bytes = chunked::capture();
        let whole = Reader::from_bytes(bytes.clone()).expect("it opens");
        let ends = whole.chunks().iter().map(|info| info.offset + info.len);
        let ends: Vec<u64> = ends.collect();
        assert!(ends.len() >= 3, "{} chunks", ends.len());
        let folder = tempfile::tempdir().expect("a folder");
        let out = File::create(folder.path().join("live.aft")).expect("a file");
        let mut growing = Growing {
            folder,
            out,
            bytes,
            ends,
            at: 0,
        };
        growing.write_to(growing.ends[0]);
        growing
    }

    /// Writes up to this byte.
    fn write_to(&mut self, end: u64) {
        let end = end as usize;
        self.out.write_all(&self.bytes[self.at..end]).expect("room");
        self.at = end;
    }

    fn player(&self, view: &str, filter: &str) -> Player {
        let session = Session::open(&self.folder.path().join("live.aft")).expect("it opens");
        let options = Options {
            name: "live.aft".to_owned(),
            view: view.to_owned(),
            filter: filter.to_owned(),
            path: Some(self.folder.path().join("live.aft")),
            ..Options::default()
        };
        Player::new(session, options, 160, 30).expect("a screen")
    }
}

/// What a screen says of a file that was opened as it is in the end.
fn whole(view: &str, filter: &str, keys: &str) -> String {
    let mut growing = Growing::new();
    growing.write_to(growing.bytes.len() as u64);
    growing.player(view, filter).press(keys).screen()
}

#[test]
fn what_is_shown_grows_with_the_file_and_is_in_the_end_what_a_sealed_one_shows() {
    for (view, filter) in [
        ("overview", ""),
        ("processes", ""),
        ("files", "evt.type=openat"),
        ("events", ""),
        ("events", "evt.type=openat"),
    ] {
        let mut growing = Growing::new();
        let mut player = growing.player(view, filter);
        let first = player.screen();
        assert!(
            first.contains("torn !") && !first.contains("so far"),
            "{first}"
        );

        growing.write_to(growing.ends[1]);
        assert!(player.grow(PATIENCE));
        let more = player.screen();
        assert!(
            more.contains("being recorded") && more.contains("so far"),
            "{more}"
        );
        assert!(!more.contains("LOST"), "{more}");
        assert_ne!(first, more);

        growing.write_to(growing.bytes.len() as u64);
        assert!(player.grow(PATIENCE));
        // Whoever stands on a row stands on it still, wherever it is now.
        let last = player.press("<Home>").screen();
        assert_eq!(last, whole(view, filter, "<Home>"), "{view} {filter}");
    }
}

#[test]
fn who_stands_at_the_end_of_the_events_stays_there_and_who_does_not_stays_too() {
    for filter in ["", "evt.type=openat"] {
        let mut growing = Growing::new();
        let mut end = growing.player("events", filter);
        end.press("<End>");
        let mut other = growing.player("events", filter);
        other.press("<Home>");
        growing.write_to(growing.bytes.len() as u64);
        assert!(end.grow(PATIENCE) && other.grow(PATIENCE));
        assert_eq!(end.screen(), whole("events", filter, "<End>"));
        assert_eq!(other.screen(), whole("events", filter, "<Home>"));
    }
}

#[test]
fn a_file_that_is_removed_or_replaced_is_said_to_be_and_what_was_read_stays() {
    for (replaced, says) in [
        (false, "the file was removed"),
        (true, "another file has its name now"),
    ] {
        let mut growing = Growing::new();
        let mut player = growing.player("processes", "");
        let before = player.screen();
        let path = growing.folder.path().join("live.aft");
        let away = growing.folder.path().join("away.aft");
        std::fs::rename(&path, &away).expect("it is moved");
        if replaced {
            std::fs::write(&path, "another file").expect("a file");
        }
        assert!(player.grow(PATIENCE));
        let gone = player.screen();
        let line = gone.lines().nth(1).expect("a header");
        assert!(line.contains(says), "{gone}");
        assert!(gone.contains("what was read of it stays"), "{gone}");
        let rows = |screen: &str| {
            screen
                .lines()
                .skip(2)
                .take(20)
                .collect::<Vec<_>>()
                .join("\n")
        };
        assert_eq!(rows(&gone), rows(&before));
        // On one line, too.
        let small = player.act(Action::Resize(80, 10)).screen();
        assert!(small.contains(says), "{small}");
        player.act(Action::Resize(160, 30));

        // What is still written to it is shown.
        growing.write_to(growing.ends[1]);
        assert!(player.grow(PATIENCE));
        let more = player.screen();
        assert!(more.contains("so far") && more.contains(says), "{more}");

        std::fs::rename(&away, &path).expect("it is moved back");
        assert!(player.grow(PATIENCE));
        let back = player.screen();
        assert!(!back.contains(says), "{back}");
        assert!(back.contains("the file has its name again"), "{back}");
    }
}
