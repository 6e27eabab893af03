//! What a session answers, against answers found the slow and plain way.

use crate::aggregate::view_field;
use crate::cell::Key;
use crate::story::{Memory, event, events, memory, process, world};
use crate::*;
use afterimage_model::{
    BootNs, Ctx, FieldValue, Gap, GapCause, Manifest, ProcId, ProcKey, Process, Schema, Tables,
    Totals, Value,
};
use afterimage_query::{Aggregate, Counted, FieldRef, Filter, Shape, TILES, VIEWS, View, view};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Shows every event, asking the filter anew for each.
fn naive(session: &Session, filter: &str, mut each: impl FnMut(&Ctx<'_>)) -> u64 {
    let filter = Filter::parse(filter).unwrap_or_else(|e| panic!("{e}"));
    let mut matched = 0;
    let mut keep = |ctx: &Ctx<'_>| {
        if filter.matches(ctx) {
            matched += 1;
            each(ctx);
        }
        true
    };
    session
        .scan(None, None, 1, &Progress::default(), &mut keep)
        .unwrap();
    matched
}

fn numbers(session: &Session, filter: Option<&str>, span: Span, from: u64) -> Vec<u64> {
    let filter = filter.map(|text| Filter::parse(text).unwrap_or_else(|e| panic!("{e}")));
    let mut found = Vec::new();
    let mut each = |ctx: &Ctx<'_>| {
        found.push(ctx.num);
        true
    };
    session
        .scan(filter.as_ref(), span, from, &Progress::default(), &mut each)
        .unwrap();
    found
}

fn rows(session: &Session, id: &str, filter: &str) -> Rows {
    let filter = Filter::parse(filter).unwrap_or_else(|e| panic!("{e}"));
    session
        .view(view(id).unwrap(), Some(&filter), None, &Progress::default())
        .unwrap()
}

fn about_events(view: &&View) -> bool {
    !matches!(view.shape, Shape::Overview | Shape::Gaps | Shape::Made(_))
}

#[test]
fn a_scan_gives_what_asking_every_event_gives() {
    let session = memory().session();
    for filter in [
        "",
        "proc.name=sh",
        "evt.failed=true and fd.type=file",
        "not fd.name exists or container.name=web",
        "evt.num>1400",
    ] {
        let mut expected = Vec::new();
        naive(&session, filter, |ctx| expected.push(ctx.num));
        assert!(!expected.is_empty());
        assert_eq!(
            numbers(&session, Some(filter), None, 1),
            expected,
            "{filter}"
        );
        let from: Vec<u64> = expected.iter().copied().filter(|num| *num >= 700).collect();
        assert_eq!(numbers(&session, Some(filter), None, 700), from, "{filter}");
    }
}

#[test]
fn a_span_includes_both_its_ends_and_nothing_else() {
    let session = memory().session();
    assert_eq!(session.span(), Some((1_000_000, 1_500_000_000)));
    assert_eq!(
        numbers(&session, None, Some((97_000_000, 98_000_000)), 1),
        [97, 98]
    );
    assert_eq!(
        numbers(&session, None, Some((97_000_001, 97_999_999)), 1),
        [0u64; 0]
    );
    assert_eq!(
        numbers(&session, None, Some((1_500_000_000, u64::MAX)), 1),
        [1500]
    );
}

#[test]
fn events_are_found_by_number() {
    let session = memory().session();
    for num in [1, 97, 98, 1500] {
        let found = session
            .event(num, |ctx| (ctx.num, ctx.event.time.0))
            .unwrap();
        assert_eq!(found, Some((num, num * 1_000_000)));
    }
    for num in [0, 1501, u64::MAX] {
        assert_eq!(session.event(num, |_| ()).unwrap(), None);
    }
}

#[test]
fn the_previous_event_is_the_last_that_was_shown() {
    let session = memory().session();
    let filter = Filter::parse("evt.num in (5, 400)").unwrap();
    let mut seen = Vec::new();
    let mut each = |ctx: &Ctx<'_>| {
        seen.push((ctx.previous_ns, ctx.first_ns));
        true
    };
    session
        .scan(Some(&filter), None, 1, &Progress::default(), &mut each)
        .unwrap();
    assert_eq!(seen, [(5_000_000, 1_000_000), (5_000_000, 1_000_000)]);
}

#[test]
fn a_cancelled_answer_says_so() {
    let session = memory().session();
    let progress = Progress::default();
    progress.cancel.store(true, Ordering::Relaxed);
    let rows = session
        .view(view("files").unwrap(), None, None, &progress)
        .unwrap();
    assert!(!rows.complete);
    assert!(
        !session
            .histogram(None, None, 4, &progress)
            .unwrap()
            .complete
    );
    assert!(!session.tiles(None, None, 4, &progress).unwrap().complete);
}

#[test]
fn progress_ends_at_the_number_of_events() {
    let session = memory().session();
    let filter = Filter::parse("evt.num=3").unwrap();
    for span in [None, Some((300_000_000, 400_000_000))] {
        let progress = Progress::default();
        session
            .view(view("files").unwrap(), Some(&filter), span, &progress)
            .unwrap();
        assert_eq!(progress.done.load(Ordering::Relaxed), 1500);
    }
}

#[test]
fn a_chunk_that_cannot_be_read_becomes_a_gap() {
    let mut memory = memory();
    memory.broken = Some(2);
    let session = memory.session();
    assert!(session.unreadable().is_empty());
    assert_eq!(numbers(&session, None, None, 1).len(), 1500 - 97);
    let found = session.unreadable();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].cause, found[0].count),
        (GapCause::Unreadable, Some(97))
    );
    assert_eq!(
        (found[0].start, found[0].end),
        (BootNs(195_000_000), BootNs(291_000_000))
    );
    assert_eq!(rows(&session, "gaps", "").rows.len(), 1);
    let error = session.event(200, |_| ()).unwrap_err().to_string();
    assert_eq!(
        error,
        "event 200 lies in chunk 2, which cannot be read: checksum is 1, header says 2"
    );
}

/// Every view, without and with a further filter.
fn every_view(session: &Session, mut check: impl FnMut(&View, &str, Rows)) {
    for view in VIEWS.iter().filter(about_events) {
        for filter in ["", "evt.failed=true or proc.name=sh"] {
            check(view, filter, rows(session, view.id, filter));
        }
    }
}

#[test]
fn the_filter_of_a_row_selects_exactly_its_events() {
    let session = Memory::new(world(), events(500), 97).session();
    every_view(&session, |view, filter, found| {
        assert!(found.complete && !found.truncated);
        let matched = naive(&session, view.filter, |_| ());
        assert!(
            !filter.is_empty() || found.matched == matched,
            "{}",
            view.id
        );
        assert_eq!(
            found.rows.iter().map(|row| row.events).sum::<u64>(),
            found.matched,
            "{}",
            view.id
        );
        // Lists have one filter a row; a few are enough.
        let step = if matches!(view.shape, Shape::List | Shape::Events) {
            97
        } else {
            1
        };
        for row in found.rows.iter().step_by(step) {
            assert!(
                row.filter.chars().all(|c| !c.is_control()),
                "{}",
                row.filter
            );
            let given = Filter::parse(filter).unwrap();
            let both = Filter::parse(&row.filter)
                .unwrap_or_else(|e| panic!("{}: {e}", view.id))
                .and(given)
                .print();
            let nums = numbers(&session, Some(&both), None, 1);
            assert_eq!(nums.len() as u64, row.events, "{}: {}", view.id, row.filter);
            assert_eq!(
                nums.first(),
                Some(&row.first_num),
                "{}: {}",
                view.id,
                row.filter
            );
        }
    });
}

/// One cell the plain way: every value of every event of the row, joined as the column says.
fn plain_cell(
    session: &Session,
    row: &Row,
    filter: &str,
    field: &FieldRef,
    aggregate: Aggregate,
) -> Cell {
    let (mut values, mut by_thread) = (Vec::new(), BTreeMap::<u32, Vec<f64>>::new());
    let both = Filter::parse(&row.filter)
        .unwrap()
        .and(Filter::parse(filter).unwrap())
        .print();
    naive(session, &both, |ctx| {
        match field.value(ctx) {
            Some(FieldValue::Double(n)) => by_thread.entry(ctx.event.tid).or_default().push(n),
            Some(FieldValue::Uint(n)) => by_thread.entry(ctx.event.tid).or_default().push(n as f64),
            _ => {}
        }
        values.extend(field.value(ctx).map(|value| match value {
            FieldValue::Bool(yes) if aggregate == Aggregate::Sum => Key::Number(i128::from(yes)),
            other => Key::of(Some(other)),
        }));
    });
    let sum = || {
        values
            .iter()
            .map(|key| if let Key::Number(n) = key { *n } else { 0 })
            .sum::<i128>()
    };
    let nothing = by_thread.is_empty();
    let mean = |values: &Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
    let largest = |values: &Vec<f64>| values.iter().copied().fold(0.0, f64::max) as i128;
    match aggregate {
        Aggregate::Told | Aggregate::Threads | Aggregate::Peaks if nothing => Cell::Missing,
        Aggregate::Told => Cell::Number(sum()),
        Aggregate::Threads => Cell::Float(by_thread.values().map(mean).sum()),
        Aggregate::Peaks => Cell::Number(by_thread.values().map(largest).sum()),
        Aggregate::Sum => Cell::Number(sum()),
        Aggregate::Rate => Cell::Float(sum() as f64 / session.seconds(None)),
        Aggregate::Count => Cell::Number(values.len() as i128),
        Aggregate::Distinct => Cell::Number(values.iter().collect::<BTreeSet<_>>().len() as i128),
        Aggregate::Max => values.iter().max().map_or(Cell::Missing, Cell::from),
        Aggregate::Min => values.iter().min().map_or(Cell::Missing, Cell::from),
        Aggregate::Avg if values.is_empty() => Cell::Missing,
        Aggregate::Avg => Cell::Float(sum() as f64 / values.len() as f64),
        Aggregate::Key | Aggregate::First => values.first().map_or(Cell::Missing, Cell::from),
        Aggregate::Last => values.last().map_or(Cell::Missing, Cell::from),
    }
}

#[test]
fn every_cell_is_what_the_events_of_its_row_add_up_to() {
    let session = Memory::new(world(), events(200), 41).session();
    every_view(&session, |view, filter, found| {
        for row in found.rows.iter().take(12) {
            for (column, cell) in view.columns.iter().zip(&row.cells) {
                let field = view_field(view, column.field).unwrap();
                let plain = plain_cell(&session, row, filter, &field, column.aggregate);
                assert_eq!(*cell, plain, "{} {} {}", view.id, column.title, row.filter);
            }
        }
    });
}

#[test]
fn every_aggregate_joins_as_it_says() {
    use afterimage_query::{Column, Unit};
    macro_rules! column {
        ($aggregate:ident, $field:literal) => {
            Column {
                title: "",
                field: $field,
                width: 0,
                aggregate: Aggregate::$aggregate,
                unit: Unit::Plain,
                doc: "",
            }
        };
    }
    const COLUMNS: &[Column] = &[
        column!(Key, "evt.type"),
        column!(Max, "evt.buflen"),
        column!(Min, "evt.buflen"),
        column!(Avg, "evt.buflen"),
        column!(Told, "evt.buflen"),
        column!(Threads, "evt.buflen"),
        column!(Peaks, "evt.buflen"),
        column!(Count, "evt.buflen"),
        column!(Max, "proc.name"),
        column!(Min, "fd.name"),
    ];
    let session = memory().session();
    let view = View {
        id: "test",
        key: '\0',
        columns: COLUMNS,
        drill: None,
        filter: "",
        sort: 0,
        shape: Shape::Table,
        ..*view("files").unwrap()
    };
    let found = session
        .view(&view, None, None, &Progress::default())
        .unwrap();
    assert!(found.rows.len() > 5);
    for row in &found.rows {
        for (column, cell) in COLUMNS.iter().zip(&row.cells) {
            let field = FieldRef::parse(column.field).unwrap();
            assert_eq!(
                *cell,
                plain_cell(&session, row, "", &field, column.aggregate),
                "{:?} {}",
                column.aggregate,
                row.filter
            );
        }
    }
}

#[test]
fn tables_are_sorted_and_lists_keep_the_order_of_events() {
    let session = memory().session();
    every_view(&session, |view, _, found| match view.shape {
        Shape::Table => assert!(
            found
                .rows
                .is_sorted_by(|a, b| a.cells[view.sort].order(&b.cells[view.sort]).is_ge()),
            "{}",
            view.id
        ),
        Shape::Tree => {}
        _ => assert!(
            found.rows.is_sorted_by_key(|row| row.first_num),
            "{}",
            view.id
        ),
    });
}

#[test]
fn an_exec_chain_is_one_process_under_its_parent() {
    let session = memory().session();
    let found = rows(&session, "processes", "");
    let line = |row: &Row| (row.depth, row.cells[0].clone());
    let pid = |depth: u16, pid: i128| (depth, Cell::Number(pid));
    let lines: Vec<_> = found.rows.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            pid(0, 100),
            pid(1, 101),
            pid(2, 400),
            pid(0, 200),
            pid(0, 300),
            pid(1, 301)
        ]
    );
}

#[test]
fn a_process_without_events_is_left_out_of_the_line() {
    let session = memory().session();
    let found = rows(&session, "processes", "proc.name in (nginx, worker)");
    let lines: Vec<_> = found
        .rows
        .iter()
        .map(|row| (row.depth, row.cells[0].clone()))
        .collect();
    assert_eq!(lines, [(0, Cell::Number(100)), (1, Cell::Number(400))]);
}

#[test]
fn parents_in_a_circle_do_not_loop() {
    let mut tables = Tables::default();
    for (id, parent) in [(1, 2), (2, 3), (3, 1), (4, 4), (5, 99)] {
        tables.procs.insert(
            ProcId(id),
            Arc::new(process(id, 10 + id, 1, b"p", Some(parent), None)),
        );
    }
    // Two rows that claim one identity and each other as parent.
    for (id, parent) in [(6, 7), (7, 6)] {
        let key = ProcKey {
            pid: 77,
            start_ns: 5,
            exec: id,
        };
        tables.procs.insert(
            ProcId(id),
            Arc::new(Process {
                key,
                ..process(id, 77, 1, b"q", Some(parent), None)
            }),
        );
    }
    let all = (1..=7)
        .map(|id| event("close", u64::from(id), id, None, 0, vec![Value::Num(3)]))
        .collect();
    let session = Memory::new(tables, all, 3).session();
    let found = rows(&session, "processes", "");
    assert_eq!(found.rows.len(), 6);
    assert_eq!(found.rows.iter().map(|row| row.events).sum::<u64>(), 7);
    let pids: BTreeSet<_> = found
        .rows
        .iter()
        .map(|row| format!("{:?}", row.cells[0]))
        .collect();
    assert_eq!(pids.len(), 6);
}

#[test]
fn a_line_of_ten_thousand_processes_is_walked() {
    let mut tables = Tables::default();
    let count = 10_000;
    for id in 1..=count {
        tables.procs.insert(
            ProcId(id),
            Arc::new(process(id, id, 1, b"p", id.checked_sub(1), None)),
        );
    }
    let all = (1..=count)
        .step_by(5)
        .map(|id| event("close", u64::from(id), id, None, 0, vec![Value::Num(3)]))
        .collect();
    let found = rows(&Memory::new(tables, all, 4096).session(), "processes", "");
    assert_eq!(found.rows.len(), 2000);
    assert_eq!(found.rows.last().map(|row| row.depth), Some(1999));
}

#[test]
fn tiles_count_what_they_say() {
    let session = memory().session();
    let overview = session.tiles(None, None, 7, &Progress::default()).unwrap();
    assert_eq!(overview.tiles.len(), TILES.len());
    for total in &overview.tiles {
        let mut nums = Vec::new();
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
    }
    let table = rows(&session, "overview", "");
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
fn chunks_are_kept_only_a_few_at_a_time_and_answers_stay_the_same() {
    let session = memory().session();
    let mut first = BTreeMap::new();
    for num in [1, 1500, 700, 2, 300, 1499, 1] {
        let found = session
            .event(num, |ctx| ctx.event.clone())
            .unwrap()
            .unwrap();
        assert_eq!(*first.entry(num).or_insert_with(|| found.clone()), found);
    }
    assert!(session.kept_chunks() <= 4);
}

#[test]
fn a_chunk_without_a_type_that_could_match_is_not_decoded() {
    let mut all = events(300);
    all.retain(|event| Some(event.ty) != afterimage_model::schema::current_type("execve"));
    all.insert(150, event("execve", 150_500_000, 1, None, 0, vec![]));
    let memory = Memory::new(world(), all, 20);
    let decoded = memory.decoded.clone();
    let session = memory.session();
    assert_eq!(
        numbers(
            &session,
            Some("evt.type=execve and evt.failed=false"),
            None,
            1
        ),
        [151]
    );
    assert_eq!(decoded.load(Ordering::Relaxed), 1);
}

#[test]
fn a_capture_file_answers_as_its_events_in_memory_do() {
    use afterimage_format::{Writer, WriterOptions};
    use afterimage_model::{Schema, Totals};
    let (tables, all) = (world(), events(400));
    let memory = Memory::new(tables.clone(), all.clone(), 90);
    let file = tempfile::NamedTempFile::new().unwrap();
    let options = WriterOptions {
        chunk_events: 90,
        ..WriterOptions::default()
    };
    let mut writer = Writer::new(
        file.reopen().unwrap(),
        &memory.manifest,
        Schema::current(),
        options,
    )
    .unwrap();
    for event in all {
        writer.push(event, &tables).unwrap();
    }
    writer.seal(&Totals::default(), &tables).unwrap();
    let (from_file, in_memory) = (Session::open(file.path()).unwrap(), memory.session());
    assert_eq!(
        (from_file.events(), from_file.span()),
        (in_memory.events(), in_memory.span())
    );
    for view in VIEWS.iter().filter(about_events) {
        let (a, b) = (rows(&from_file, view.id, ""), rows(&in_memory, view.id, ""));
        assert_eq!(format!("{a:?}"), format!("{b:?}"), "{}", view.id);
    }
}

/// The same events as a capture file of many small chunks.
fn file() -> Session {
    use afterimage_format::{Reader, Writer, WriterOptions};
    let tables = world();
    let options = WriterOptions {
        chunk_events: 23,
        ..WriterOptions::default()
    };
    let manifest = Manifest::default();
    let mut writer = Writer::new(Vec::new(), &manifest, Schema::current(), options).unwrap();
    let events = events(500);
    let written = events.len() as u64;
    for event in events {
        writer.push(event, &tables).unwrap();
    }
    let totals = Totals {
        offered: written,
        written,
        ..Totals::default()
    };
    let bytes = writer.seal(&totals, &tables).unwrap();
    Session::from_reader(Reader::from_bytes(bytes).unwrap())
}

/// Comparisons of every kind of dependency, some of which match and some of which match nothing.
const ASKED: &[&str] = &[
    "evt.type=openat",
    "evt.type in (read, write)",
    "evt.type glob 'e*'",
    "evt.is_io=true",
    "evt.num<60",
    "evt.num=0",
    "evt.cpu=1",
    "evt.reltime>1ms",
    "thread.tid=4711",
    "evt.failed=true",
    "evt.rawres>3",
    "evt.arg.flags contains O_CREAT",
    "evt.arg[0] exists",
    "evt.buffer contains a",
    "evt.info contains etc",
    "fd.name startswith /etc",
    "fd.type=ipv4",
    "fd.port=443",
    "fd.name exists",
    "proc.name=sh",
    "proc.aname=nginx",
    "proc.cmdline contains -",
    "proc.name=val(proc.pname)",
    "len(proc.name)>3",
    "join('-', (proc.name, evt.type))='sh-openat'",
    "proc.name!=val(evt.type)",
    "container.id=host",
    "container.id=0123456789ab",
    "container.name=web",
    "container.id exists",
    "user.uid=0",
    "nothing.at.all=1",
];

fn asked() -> impl Strategy<Value = String> {
    let known: Vec<_> = ASKED
        .iter()
        .filter(|text| Filter::parse(text).is_ok())
        .map(|text| (*text).to_owned())
        .collect();
    proptest::sample::select(known).prop_recursive(4, 16, 3, |inner| {
        let join = |word: &'static str| move |parts: Vec<String>| format!("({})", parts.join(word));
        prop_oneof![
            inner.clone().prop_map(|part| format!("not ({part})")),
            proptest::collection::vec(inner.clone(), 1..4).prop_map(join(" and ")),
            proptest::collection::vec(inner, 1..4).prop_map(join(" or ")),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_passed_over_changes_no_answer(text in asked(), span in proptest::option::of((0u64..600, 0u64..600))) {
        let filter = Filter::parse(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
        for session in [file(), Memory::new(world(), events(500), 97).session()] {
            let first = session.span().unwrap_or_default().0;
            let span = span.map(|(a, b)| (first + a.min(b) * 1_000_000, first + a.max(b) * 1_000_000));
            let say = |ctx: &Ctx<'_>| (ctx.num, afterimage_model::render::args_text(ctx), ctx.event.clone());
            let mut plain = Vec::new();
            session.scan(None, span, 1, &Progress::default(), &mut |ctx| {
                if filter.matches(ctx) {
                    plain.push(say(ctx));
                }
                true
            }).unwrap();
            let mut found = Vec::new();
            let progress = Progress::default();
            session.scan(Some(&filter), span, 1, &progress, &mut |ctx| {
                found.push(say(ctx));
                true
            }).unwrap();
            prop_assert_eq!(&found, &plain);
            let counts = progress.work.counts();
            prop_assert_eq!(counts[0].1, counts[1..8].iter().map(|count| count.1).sum::<u64>());
            prop_assert_eq!(counts[10].1, plain.len() as u64);
        }
    }
}
