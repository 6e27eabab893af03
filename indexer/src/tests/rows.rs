//! What the rows of a view are made of, and how they stand under each other.

use super::*;

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
fn the_first_rows_of_a_list_are_those_it_begins_with() {
    let session = passed_over::file();
    let given = Filter::parse("evt.num>7").unwrap();
    for view in VIEWS.iter().filter(about_events) {
        let whole = rows(&session, view.id, "evt.num>7");
        for most in [1, 3, 1 << 20] {
            let progress = Progress::default();
            let first = session.first_rows(view, Some(&given), None, most, &progress);
            let first = first.unwrap().rows;
            let expected = match view.shape {
                Shape::List | Shape::Events => whole.rows.len().min(most),
                _ => whole.rows.len(),
            };
            assert_eq!(first.len(), expected, "{}", view.id);
            let same = first.iter().zip(&whole.rows);
            assert!(
                same.into_iter()
                    .all(|(a, b)| format!("{a:?}") == format!("{b:?}")),
                "{}",
                view.id
            );
            if view.id == "events" && most == 3 {
                assert!(progress.done.load(Ordering::Relaxed) < session.events() / 2);
            }
        }
    }
}
