//! The tables of the crate: views, tiles, presets and operators name only what exists, and the documents agree with them.

use afterimage_model::{FieldType, syscalls};
use afterimage_query::*;
use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn every_view_is_made_of_fields_and_filters_that_exist() {
    let (mut ids, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for view in VIEWS {
        assert!(ids.insert(view.id), "{} twice", view.id);
        assert!(
            view.key == '\0' || keys.insert(view.key),
            "key {} twice",
            view.key
        );
        Filter::parse(view.filter).unwrap_or_else(|e| panic!("{}: {e}", view.id));
        assert!(
            view.drill
                .is_none_or(|id| afterimage_query::view(id).is_some()),
            "{} leads nowhere",
            view.id
        );
        assert!(view.sort < view.columns.len());
        let titles: BTreeSet<_> = view.columns.iter().map(|column| column.title).collect();
        assert_eq!(
            titles.len(),
            view.columns.len(),
            "{} has a title twice",
            view.id
        );
        let keeps: BTreeSet<_> = view.keeps.iter().copied().collect();
        assert!(
            !keeps.is_empty() && keeps.len() == view.keeps.len() && keeps.is_subset(&titles),
            "{} keeps {keeps:?}",
            view.id
        );
        assert!(
            view.doc.ends_with('.') && view.columns.iter().all(|column| column.doc.ends_with('.'))
        );
        let about_events = !matches!(view.shape, Shape::Overview | Shape::Gaps | Shape::Made(_));
        for column in view.columns {
            if about_events {
                let field =
                    FieldRef::parse(column.field).unwrap_or_else(|e| panic!("{}: {e}", view.id));
                let numeric = !matches!(
                    field.field().ty,
                    FieldType::Str | FieldType::Bytes | FieldType::Ip | FieldType::Net
                );
                let adds = matches!(
                    column.aggregate,
                    Aggregate::Sum | Aggregate::Avg | Aggregate::Rate
                );
                assert!(
                    !adds || numeric,
                    "{} of {} cannot be added",
                    column.field,
                    view.id
                );
                assert_eq!(
                    column.unit == Unit::Time,
                    field.field().ty == FieldType::AbsTime,
                    "{} of {}",
                    column.field,
                    view.id
                );
            } else {
                let own = ["tile.", "gap.", "of."];
                assert!(
                    own.iter().any(|own| column.field.starts_with(own))
                        || FieldRef::parse(column.field).is_ok(),
                    "{} of {}",
                    column.field,
                    view.id
                );
            }
        }
        if about_events {
            let keys: Vec<_> = view.keys().collect();
            assert!(
                (1..=8).contains(&keys.len()),
                "{} has {} keys",
                view.id,
                keys.len()
            );
            // Each `{}` filled with a value of its key's type.
            let mut drilled = view.drill_filter.to_owned();
            for key in &keys {
                let is_ip = FieldRef::parse(key).unwrap().field().ty == FieldType::Ip;
                let filled = drilled.replacen("{}", if is_ip { "::1" } else { "1" }, 1);
                assert_ne!(filled, drilled, "{}", view.id);
                drilled = filled;
            }
            let drilled = Filter::parse(&drilled)
                .unwrap_or_else(|e| panic!("{}: {e}", view.id))
                .print();
            let asked: Vec<_> = drilled
                .split(" and ")
                .filter_map(|part| part.split('=').next())
                .collect();
            assert!(
                keys.iter().all(|key| asked.contains(key)) && asked.len() == keys.len(),
                "{}",
                view.id
            );
        }
    }
}

/// A screen of eighty columns has room for three or four of them.
#[test]
fn what_tells_when_is_among_the_columns_that_stay_longest() {
    // Sixteen bytes in hex and as letters fill such a screen; the same as text has the time.
    for view in VIEWS.iter().filter(|view| view.id != "conversation_bytes") {
        let times = view.columns.iter().filter(|one| one.unit == Unit::Time);
        let Some(title) = times.map(|one| one.title).find(|title| *title == "TIME") else {
            continue;
        };
        let place = view.keeps.iter().position(|kept| *kept == title);
        assert!(place.is_some_and(|place| place < 4), "{}", view.id);
    }
}

#[test]
fn every_tile_opens_a_view_and_counts_what_exists() {
    let mut ids = BTreeSet::new();
    for tile in TILES {
        assert!(ids.insert(tile.id), "{} twice", tile.id);
        Filter::parse(tile.filter).unwrap_or_else(|e| panic!("{}: {e}", tile.id));
        let opened = view(tile.view).unwrap_or_else(|| panic!("{} opens nothing", tile.id));
        assert!(!matches!(opened.shape, Shape::Overview | Shape::Gaps));
        let fields: &[&str] = match &tile.counted {
            Counted::Events => &[],
            Counted::Sum(field) => std::slice::from_ref(field),
            Counted::Distinct(fields) => fields,
        };
        for field in fields {
            FieldRef::parse(field).unwrap_or_else(|e| panic!("{}: {e}", tile.id));
        }
        assert!(tile.doc.ends_with('.'));
    }
}

#[test]
fn every_call_that_a_view_or_tile_names_has_a_row() {
    let filters = VIEWS
        .iter()
        .map(|view| view.filter)
        .chain(TILES.iter().map(|tile| tile.filter));
    for filter in filters {
        let Some((_, rest)) = filter.split_once("evt.type in (") else {
            continue;
        };
        for name in rest.split(')').next().unwrap().split(", ") {
            assert!(syscalls::by_name(name).is_some(), "{name} in {filter}");
        }
    }
}

#[test]
fn every_preset_and_every_example_parses() {
    for preset in PRESETS {
        Template::named(preset.name).unwrap_or_else(|e| panic!("{}: {e}", preset.name));
    }
    for row in OPERATORS {
        Filter::parse(row.example).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(Op::by_text(row.text), Some(row.op));
    }
}

#[test]
fn the_documents_are_those_of_the_tables() {
    for (name, text) in [
        ("views.md", views_md()),
        ("query.md", query_md()),
        ("parity.md", parity_md()),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs")
            .join(name);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == text,
            "{} is out of date: run with BLESS=1",
            path.display()
        );
    }
}

#[test]
fn whatever_the_peers_show_is_here_or_it_is_said_why_not() {
    for row in PARITY {
        let (id, filter, column) = match row.place {
            Place::View(id) => (id, "", ""),
            Place::Filtered(id, filter) => (id, filter, ""),
            Place::Sorted(id, column) => (id, "", column),
            Place::Ranked(id, filter, column) => (id, filter, column),
            Place::Tile(id) => {
                assert!(tile(id).is_some(), "{}: no tile {id}", row.name);
                continue;
            }
            Place::Means(_) | Place::Not(_) => continue,
        };
        let found = view(id).unwrap_or_else(|| panic!("{}: no view {id}", row.name));
        Filter::parse(filter).unwrap_or_else(|e| panic!("{}: {e}", row.name));
        let has = found.columns.iter().any(|one| one.title == column);
        assert!(
            column.is_empty() || has,
            "{}: {id} has no {column}",
            row.name
        );
    }
    let count = |peer| PARITY.iter().filter(|row| row.peer == peer).count();
    assert_eq!((count(Peer::View), count(Peer::Chisel)), (43, 51));
}

#[test]
fn columns_are_called_in_json_what_a_filter_takes_or_a_word() {
    for view in VIEWS {
        let names = view.names();
        let different: BTreeSet<_> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{}: {names:?}", view.id);
        for (name, column) in names.iter().zip(view.columns) {
            match name.contains('.') {
                true => assert_eq!(name, column.field, "{}", view.id),
                false => assert!(
                    name.starts_with(|c: char| c.is_ascii_lowercase())
                        && name
                            .chars()
                            .all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_')),
                    "{}: {name}",
                    view.id
                ),
            }
        }
    }
    let names = |id: &str| view(id).expect("it exists").names();
    assert_eq!(
        names("connections"),
        [
            "container.name",
            "fd.l4proto",
            "fd.lip",
            "fd.lport",
            "fd.rip",
            "fd.rport",
            "proc.name",
            "in",
            "out",
            "ops",
            "errors",
            "evt.rawtime",
            "in_per_s",
            "out_per_s",
            "ops_per_s",
            "bytes",
            "proc.exeline"
        ]
    );
    assert_eq!(
        names("latency").get(1).map(String::as_str),
        Some("under_1us")
    );
    assert_eq!(
        names("subsecond").get(1).map(String::as_str),
        Some("tenth_0")
    );
    assert!(names("usage").contains(&"cpu_max_percent".to_owned()));
}
