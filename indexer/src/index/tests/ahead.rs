//! Views that were counted ahead are those that are counted when they are opened.

use super::*;
use crate::overview::{Overview, TILE_STEPS};
use crate::rows::Rows;
use crate::{MOST_LIST_ROWS, Percentiles};
use afterimage_query::{Shape, VIEWS};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Everything is kept, however fast it is found.
const ALL: Counting = Counting {
    threads: 2,
    long: Duration::ZERO,
};

impl Case {
    fn count_ahead(&self, progress: &Progress) -> std::io::Result<Answered> {
        keep_answers(&self.indexed(), &self.keeper, ALL, progress)
    }
}

/// What a tile says: total, events, first event, course, percentiles.
type Said = (u64, u64, Option<u64>, Vec<u64>, Option<Percentiles>);

fn tiles(session: &Session) -> Vec<Said> {
    let progress = Progress::default();
    let Overview { tiles, .. } = session.tiles(None, None, TILE_STEPS, &progress).unwrap();
    tiles
        .into_iter()
        .map(|tile| {
            let percentiles = tile.percentiles();
            (
                tile.total,
                tile.events,
                tile.first_num,
                tile.steps,
                percentiles,
            )
        })
        .collect()
}

/// Whether answering had to look at the capture.
fn is_read(ask: impl FnOnce(&Progress)) -> bool {
    let progress = Progress::default();
    ask(&progress);
    progress.work.counts().iter().any(|(_, count)| *count > 0)
}

#[test]
fn what_is_counted_ahead_is_what_is_counted_otherwise() {
    let case = Case::new(&capture(1500));
    case.build();
    let before = case.indexed();
    assert!(!before.index().unwrap().is_answered());
    let progress = Progress::default();
    let answered = case.count_ahead(&progress).unwrap();
    assert_eq!(answered.asked as u64, questions());
    assert_eq!(progress.done.load(Ordering::Relaxed), questions());
    assert!(answered.kept > 60, "{answered:?}");
    assert!(!case.folder.path().join("web.aft.idx.part").exists());

    let (plain, indexed) = (case.session(), case.indexed());
    assert!(indexed.index().unwrap().is_answered());
    assert_eq!(tiles(&plain), tiles(&indexed));
    assert!(is_read(|progress| drop(
        plain.tiles(None, None, TILE_STEPS, progress)
    )));
    assert!(!is_read(|progress| drop(
        indexed.tiles(None, None, TILE_STEPS, progress)
    )));
    let some = Filter::parse("proc.name=nginx").unwrap();
    for view in VIEWS {
        let rows = |session: &Session, filter| -> Rows {
            let rows = session.view(view, filter, None, &Progress::default());
            rows.unwrap_or_else(|error| panic!("{}: {error}", view.id))
        };
        assert_eq!(rows(&plain, None), rows(&indexed, None), "{}", view.id);
        // A question about a part is not answered with what is kept of the whole.
        assert_eq!(
            rows(&plain, Some(&some)),
            rows(&indexed, Some(&some)),
            "{}",
            view.id
        );
        let first = |session: &Session, most| {
            session
                .first_rows(view, None, None, most, &Progress::default())
                .unwrap()
                .rows
        };
        for most in [1, 3, MOST_LIST_ROWS] {
            let lists = matches!(view.shape, Shape::List | Shape::Events);
            let (mut a, mut b) = (first(&plain, most), first(&indexed, most));
            if !lists {
                a.truncate(most);
                b.truncate(most);
            }
            assert_eq!(a, b, "{} {most}", view.id);
        }
    }
    // The index itself is what it was.
    for query in QUERIES {
        assert_eq!(search(&before, query), search(&indexed, query), "{query}");
    }
}

#[test]
fn of_a_long_answer_a_page_is_kept_and_the_rest_is_asked_for() {
    let case = Case::new(&capture(2500));
    case.build();
    case.count_ahead(&Progress::default()).unwrap();
    let (plain, indexed) = (case.session(), case.indexed());
    let view = VIEWS.iter().find(|view| view.id == "events").unwrap();
    let all = |session: &Session| {
        session
            .view(view, None, None, &Progress::default())
            .unwrap()
    };
    let whole = all(&plain);
    let page = Ahead::first(Ahead::page(whole.clone(), 100), 40);
    assert_eq!(page.unwrap().rows, whole.rows[..40]);
    assert!(Ahead::first(Ahead::page(whole.clone(), 100), 101).is_none());
    let rest = Ahead::page(whole.clone(), 100).whole().err().unwrap();
    assert_eq!(rest.rows.rows, whole.rows[..100]);
    assert_eq!(all(&indexed), whole);
}

#[test]
fn what_was_counted_before_it_was_stopped_is_kept_and_nothing_of_what_was_not_counted_to_its_end() {
    let case = Case::new(&capture(900));
    case.build();
    let stopped = Progress {
        cancel: Arc::new(AtomicBool::new(true)),
        ..Progress::default()
    };
    let error = case.count_ahead(&stopped).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::Interrupted);
    assert!(!case.indexed().index().unwrap().is_answered());
    case.count_ahead(&Progress::default()).unwrap();
    assert_eq!(tiles(&case.session()), tiles(&case.indexed()));
    // What another build of the program found is not believed.
    let place = case.folder.path().join("other");
    let file = In::open(&case.sidecar(), &case.keeper.key).unwrap();
    let mut other = sidecar::Out::like(&file, &place).unwrap();
    other.head.made_by = Some(Stamp::of(&case.capture).unwrap());
    other.finish(&case.keeper.key, 3).unwrap();
    std::fs::rename(place, case.sidecar()).unwrap();
    assert!(!case.indexed().index().unwrap().is_answered());
    let session = case.indexed();
    assert!(is_read(|progress| drop(
        session.tiles(None, None, TILE_STEPS, progress)
    )));
    case.count_ahead(&Progress::default()).unwrap();
    // It goes on where it was, and with a capture that has grown the answers are not those of it.
    let again = case.count_ahead(&Progress::default()).unwrap();
    assert!(again.kept > 60);
    std::fs::write(&case.capture, capture(1300)).unwrap();
    assert!(matches!(
        Index::open(&case.capture, &case.keeper),
        Err(Refused::Stale)
    ));
}
