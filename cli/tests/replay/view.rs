//! `view` and `info`: tables, what was recorded, and the tables of the program itself.

use super::desk::{Desk, golden};

#[test]
fn views_come_as_table_json_and_csv() {
    let desk = Desk::new();
    golden(
        "view-processes",
        &desk.run(&["view", "whole.aft", "procs"]).ends(0).out,
    );
    golden(
        "view-files-csv",
        &desk
            .run(&["view", "whole.aft", "files", "--csv"])
            .ends(0)
            .out,
    );
    golden(
        "view-connections-json",
        &desk
            .run(&["view", "whole.aft", "connections", "--json"])
            .ends(0)
            .out,
    );
    golden(
        "view-gaps",
        &desk.run(&["view", "lossy.aft", "gaps"]).ends(3).out,
    );
    let rule = "- rule: shadow\n  desc: it was read\n  condition: fd.name = /etc/shadow\n  output: read by %proc.name\n  priority: WARNING\n";
    std::fs::write(desk.path("rules.yaml"), rule).expect("a file");
    for view in afterimage_query::VIEWS {
        // Alerts are made by rules.
        let rules: &[&str] = match view.id {
            "alerts" => &["--rules", "rules.yaml"],
            _ => &[],
        };
        let ask = |form: &[&str]| {
            let args = [&["view", "whole.aft", view.id], rules, form].concat();
            desk.run(&args).ends(0)
        };
        ask(&[]);
        for line in ask(&["--json"]).out.lines() {
            let row = serde_json::from_str::<serde_json::Value>(line)
                .unwrap_or_else(|e| panic!("{}: {e}: {line}", view.id));
            let named = |name: &String| row.get(name).is_some();
            assert!(view.names().iter().all(named), "{}: {line}", view.id);
            let once = |name: &String| line.matches(&format!("\"{name}\":")).count() == 1;
            assert!(view.names().iter().all(once), "{}: {line}", view.id);
        }
    }
    assert!(
        desk.run(&["view", "whole.aft", "process_tree"])
            .ends(2)
            .err
            .contains("no view")
    );
    assert!(
        desk.run(&["view", "whole.aft", "files", "--sort", "SIZE"])
            .ends(2)
            .err
            .contains("OPS")
    );
}

/// Where everything is over at the end, that is no reason to say that nothing was recorded.
#[test]
fn an_instant_at_which_nothing_is_left_is_told_from_what_was_not_recorded() {
    let desk = Desk::new();
    let sample = format!("{}/../samples/v1/break-in.aft", env!("CARGO_MANIFEST_DIR"));
    let said = |args: &[&str]| {
        let all = [&["view", &sample], args].concat();
        desk.run(&all).ends(0).err
    };
    assert!(
        said(&["lsof"]).contains("nothing was left when the capture ended; --at '#N'"),
        "at the end"
    );
    assert!(said(&["lsof", "--at", "#1"]).contains("nothing at this instant"));
    assert!(
        said(&["lsof", "proc.name=nobody"])
            .contains("at this instant nothing matches proc.name=nobody"),
        "with a filter"
    );
    assert_eq!(said(&["lsof", "--at", "#950", "proc.name=sh"]), "");
    // What is no state is not recorded at all.
    assert!(said(&["dns"]).contains("nothing of this was recorded"));
}

#[test]
fn info_tells_losses_and_integrity_first() {
    let desk = Desk::new();
    golden("info", &desk.run(&["info", "whole.aft"]).ends(0).out);
    let lossy = desk.run(&["info", "lossy.aft"]).ends(3).out;
    assert!(
        lossy.contains("1 gap (ring-full), 42 events lost"),
        "{lossy}"
    );
    let json: serde_json::Value =
        serde_json::from_str(&desk.run(&["info", "--json", "lossy.aft"]).ends(3).out)
            .expect("JSON");
    assert_eq!(
        (
            &json["capture.lost"],
            &json["containers"][0]["container.name"]
        ),
        (&42.into(), &"web".into())
    );
    assert!(
        desk.run(&["info", "torn.aft"])
            .ends(3)
            .out
            .contains("not sealed")
    );
}

/// A capture of version 1.5 has them, one of before has not, and what is said of the copy of another program's would be of ours.
#[test]
fn info_tells_the_filters_of_texts_and_what_was_asked_to_be_recorded() {
    let desk = Desk::new();
    let sample = |name: &str| format!("{}/../samples/{name}", env!("CARGO_MANIFEST_DIR"));
    let (with, without) = (sample("v1.5/texts.aft"), sample("v1/break-in.aft"));
    let said = |file: &str| {
        let text = desk.run(&["info", file]).ends(0).out;
        let json = desk.run(&["info", "--json", file]).ends(0).out;
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        (text, json)
    };
    let (text, json) = said(&with);
    assert!(text.contains("Texts        filters in "), "{text}");
    let number = |json: &serde_json::Value, name: &str| json[name].as_u64().expect("a number");
    let filters = number(&json, "capture.text_filters");
    assert!(
        filters > 0 && filters <= number(&json, "capture.chunks"),
        "{json}"
    );
    assert!(number(&json, "capture.text_filters.bytes") > filters);
    let (text, json) = said(&without);
    assert!(
        text.contains(
            "Texts        without an index a search reads all of 1 chunk: none has a filter"
        ),
        "{text}"
    );
    assert_eq!(number(&json, "capture.text_filters"), 0);
    // What it was asked to record stands there, too.
    let (_, lossy) = (text, said_of(&desk, "scoped.aft"));
    assert!(
        lossy
            .0
            .contains("Scope        control group /sys/fs/cgroup/web"),
        "{}",
        lossy.0
    );
    assert!(
        lossy.0.contains("Filter       evt.type=execve"),
        "{}",
        lossy.0
    );
    assert_eq!(lossy.1["record.scope"], "control group /sys/fs/cgroup/web");
    assert_eq!(lossy.1["record.filter"], "evt.type=execve");
}

/// What `info` says of a capture that holds nothing but what it was asked to record.
fn said_of(desk: &Desk, name: &str) -> (String, serde_json::Value) {
    let manifest = afterimage_model::Manifest {
        scope: "control group /sys/fs/cgroup/web".to_owned(),
        filter: "evt.type=execve".to_owned(),
        ..afterimage_model::Manifest::default()
    };
    let schema = afterimage_model::Schema::current();
    let options = afterimage_format::WriterOptions::default();
    let writer = afterimage_format::Writer::new(Vec::new(), &manifest, schema, options);
    let sealed = writer.and_then(|writer| writer.seal(&Default::default(), &Default::default()));
    std::fs::write(desk.path(name), sealed.expect("it is written")).expect("a file");
    let text = desk.run(&["info", name]).ends(0).out;
    let json = desk.run(&["info", "--json", name]).ends(0).out;
    (text, serde_json::from_str(&json).expect("JSON"))
}

#[test]
fn the_tables_come_as_text_json_and_markdown() {
    let desk = Desk::new();
    for (table, rows) in [
        ("fields", afterimage_model::FIELDS.len()),
        ("views", afterimage_query::VIEWS.len()),
    ] {
        assert_eq!(
            desk.run(&[table]).ends(0).out.lines().count(),
            rows + 1,
            "{table}"
        );
        assert_eq!(
            desk.run(&[table, "--markdown"]).ends(0).out.lines().count(),
            rows + 2,
            "{table}"
        );
        let json = desk.run(&[table, "--json"]).ends(0).out;
        assert_eq!(
            json.lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
                .count(),
            rows,
            "{table}"
        );
    }
    assert!(
        desk.run(&["syscalls", "openat"])
            .ends(0)
            .out
            .contains("257")
    );
    assert!(
        desk.run(&["completions", "bash"])
            .ends(0)
            .out
            .contains("_afterimage")
    );
}
