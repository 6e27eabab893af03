//! The overview's tiles, the timeline, gaps, and captures that have none of it.

use super::*;

#[test]
fn tiles_count_what_they_say() {
    let session = memory().session();
    let overview = session.tiles(None, None, 7, &Progress::default()).unwrap();
    assert_eq!(overview.tiles.len(), TILES.len());
    for total in &overview.tiles {
        let mut nums = Vec::new();
        let mut values = Vec::new();
        let mut sum = 0u64;
        let mut distinct = BTreeSet::new();
        naive(&session, total.tile.filter, |ctx| {
            nums.push(ctx.num);
            let value = |name: &str| Key::of(FieldRef::parse(name).unwrap().value(ctx));
            match total.tile.counted {
                Counted::Events => {}
                Counted::Sum(field) => {
                    if let Key::Number(n) = value(field) {
                        sum += n as u64;
                        values.push(n as u64);
                    }
                }
                Counted::Distinct(fields) => {
                    let values: Vec<_> = fields.iter().map(|field| value(field)).collect();
                    if values.iter().any(|value| *value != Key::Missing) {
                        distinct.insert(values);
                    }
                }
            }
        });
        let expected = match total.tile.counted {
            Counted::Events => nums.len() as u64,
            Counted::Sum(_) => sum,
            Counted::Distinct(_) => distinct.len() as u64,
        };
        assert_eq!(
            (total.total, total.events),
            (expected, nums.len() as u64),
            "{}",
            total.tile.id
        );
        assert_eq!(total.first_num, nums.first().copied(), "{}", total.tile.id);
        assert_eq!(
            total.steps.iter().sum::<u64>(),
            total.total,
            "{}",
            total.tile.id
        );
        if !matches!(total.tile.counted, Counted::Sum(_)) {
            values = total.steps.clone();
        }
        values.sort_unstable();
        // The smallest value that is not exceeded by so many of a hundred; great ones are a little too low.
        let nearest = |percent: usize| values[(values.len() * percent).div_ceil(100).max(1) - 1];
        match total.percentiles() {
            None => assert!(nums.is_empty(), "{}", total.tile.id),
            Some(found) => {
                assert_eq!(found.most, nearest(100), "{}", total.tile.id);
                for (have, percent) in [(found.p50, 50), (found.p95, 95), (found.p99, 99)] {
                    let want = nearest(percent);
                    assert!(
                        have <= want && (want - have) * 128 <= want,
                        "{} p{percent}: {have} for {want}",
                        total.tile.id
                    );
                }
            }
        }
    }
    let table = rows(&session, "overview", "");
    let mut told = 0;
    for (row, total) in table.rows.iter().zip(&overview.tiles) {
        let spread = [2, 3, 4, 5].map(|column| row.cells[column].clone());
        told += usize::from(spread[0] != Cell::Missing);
        assert_eq!(
            spread.iter().all(|cell| *cell == Cell::Missing),
            total.events == 0,
            "{}",
            total.tile.id
        );
    }
    assert!(told > 5, "{told} tiles say how they are spread");
    assert_eq!(table.rows.len(), TILES.len());
    assert!(
        table
            .rows
            .iter()
            .all(|row| row.cells.len() == view("overview").unwrap().columns.len())
    );
}

#[test]
fn the_histogram_counts_every_event_of_its_span_once() {
    let session = memory().session();
    let histogram = session
        .histogram(None, None, 13, &Progress::default())
        .unwrap();
    assert_eq!(histogram.lanes.len(), LANES.len());
    assert_eq!(histogram.lanes[0].iter().sum::<u64>(), 1500);
    assert!(
        histogram.lanes[0]
            .iter()
            .all(|count| (115..=116).contains(count))
    );
    for (lane, filter) in [(1, "evt.type=execve"), (4, "evt.failed=true")] {
        assert_eq!(
            histogram.lanes[lane].iter().sum::<u64>(),
            naive(&session, filter, |_| ()),
            "{filter}"
        );
    }
    let part = session.histogram(
        Some(&Filter::parse("evt.num<=10").unwrap()),
        Some((5_000_000, 20_000_000)),
        2,
        &Progress::default(),
    );
    assert_eq!(part.unwrap().lanes[0], [6, 0]);
}

#[test]
fn gaps_are_shown_in_order_of_time_and_by_span() {
    let mut memory = memory();
    let gap = |start, end, count| Gap {
        cause: GapCause::RingFull,
        start: BootNs(start),
        end: BootNs(end),
        cpu: Some(1),
        count,
        first_seq: None,
        detail: "a\x1bb".into(),
    };
    memory.gaps = vec![gap(500, 600, None), gap(100, 200, Some(7))];
    let session = memory.session();
    let all = rows(&session, "gaps", "");
    assert_eq!(all.rows.len(), 2);
    assert_eq!(all.rows[0].cells[4], Cell::Number(7));
    assert_eq!(
        all.rows[0].cells[1],
        Cell::Number(1_700_000_000_000_000_100)
    );
    assert_eq!(all.rows[1].cells[4], Cell::Missing);
    let late = session
        .view(
            view("gaps").unwrap(),
            None,
            Some((300, 1000)),
            &Progress::default(),
        )
        .unwrap();
    assert_eq!(late.rows.len(), 1);
    assert!(
        all.rows
            .iter()
            .all(|row| row.cells.len() == view("gaps").unwrap().columns.len())
    );
}

#[test]
fn a_capture_without_events_answers_everything_with_nothing() {
    let session = Memory::new(Tables::default(), Vec::new(), 10).session();
    assert_eq!((session.span(), session.events()), (None, 0));
    every_view(&session, |view, _, found| {
        assert!(found.rows.is_empty() && found.complete, "{}", view.id)
    });
    assert_eq!(
        session
            .histogram(None, None, 5, &Progress::default())
            .unwrap()
            .lanes[0],
        [0; 5]
    );
    assert!(
        session
            .tiles(None, None, 0, &Progress::default())
            .unwrap()
            .tiles
            .iter()
            .all(|tile| tile.total == 0)
    );
    assert_eq!(session.event(1, |_| ()).unwrap(), None);
}

#[test]
fn no_cell_of_any_view_reaches_a_terminal_raw() {
    let session = memory().session();
    every_view(&session, |view, _, found| {
        for row in found.rows.iter().take(200) {
            for (column, cell) in view.columns.iter().zip(&row.cells) {
                let text = cell_text(cell, column, &TimeStyle::default());
                assert!(
                    text.chars().all(|c| !c.is_control()),
                    "{} {}",
                    view.id,
                    column.title
                );
            }
        }
    });
}

#[test]
fn what_a_tile_counts_is_what_its_view_shows() {
    for sample in ["break-in", "crash-loop", "quiet-web"] {
        let path = format!("{}/../samples/v1/{sample}.aft", env!("CARGO_MANIFEST_DIR"));
        let session = Session::open(std::path::Path::new(&path)).expect("a sample");
        let overview = session.tiles(None, None, 7, &Progress::default()).unwrap();
        for total in overview.tiles.iter().filter(|total| total.total > 0) {
            let tile = total.tile;
            let table = rows(&session, tile.view, tile.filter);
            let named = format!("{sample}: {} leads to {}", tile.title, tile.view);
            let events: u64 = table.rows.iter().map(|row| row.events).sum();
            match tile.counted {
                // What was made of some events has rows of its own.
                Counted::Events if matches!(tile.view, "http" | "lives") => {
                    assert!(!table.rows.is_empty(), "{named}");
                }
                Counted::Events => assert_eq!(events, total.total, "{named}"),
                Counted::Sum(field) => {
                    let view = view(tile.view).expect("a view");
                    let at = view.columns.iter().position(|column| column.field == field);
                    let Some(at) = at else { continue };
                    let sum: i128 = table
                        .rows
                        .iter()
                        .map(|row| match row.cells[at] {
                            Cell::Number(n) => n,
                            _ => 0,
                        })
                        .sum();
                    assert_eq!(sum, i128::from(total.total), "{named}");
                }
                // Each end of a connection is a row, and each step towards listening.
                Counted::Distinct(_)
                    if matches!(tile.view, "connections" | "listening" | "lives" | "dns") =>
                {
                    assert!(table.rows.len() as u64 >= total.total, "{named}");
                }
                Counted::Distinct(_) => {
                    assert_eq!(table.rows.len() as u64, total.total, "{named}");
                }
            }
        }
    }
}
