//! `read`: events as text and JSON, spans, exit codes, and the whole capture.

use super::desk::{Desk, golden};

#[test]
fn reading_prints_events_as_sysdig_would() {
    let desk = Desk::new();
    golden("read", &desk.run(&["read", "whole.aft"]).ends(0).out);
    golden(
        "read-container",
        &desk
            .run(&["read", "-pc", "-t", "r", "whole.aft", "evt.type=openat"])
            .ends(0)
            .out,
    );
    golden(
        "read-bytes",
        &desk
            .run(&["read", "-X", "whole.aft", "evt.type", "in", "(read,write)"])
            .ends(0)
            .out,
    );
    golden(
        "read-json",
        &desk.run(&["read", "--json", "whole.aft"]).ends(0).out,
    );
    let same = desk
        .run(&["read", "-r", "whole.aft", "-n", "1", "evt.type=openat"])
        .ends(0)
        .out;
    assert_eq!(
        same,
        desk.run(&["read", "whole.aft", "evt.type=openat and evt.failed=false"])
            .ends(0)
            .out
    );
}

#[test]
fn a_users_own_format_decides_text_and_json_keys() {
    let desk = Desk::new();
    let text = desk
        .run(&[
            "read",
            "whole.aft",
            "-t",
            "a",
            "-p",
            "%evt.outputtime %proc.name %fd.name",
            "fd.type=ipv4",
        ])
        .ends(0)
        .out;
    assert_eq!(
        text,
        "1795366800.001000000 sh 10.0.0.2:40000->203.0.113.9:4444\n1795366801.500000000 sh 10.0.0.2:40000->203.0.113.9:4444\n"
    );
    let json = |format: &str| {
        let args = ["read", "whole.aft", "--json", "-n1", "-p", format];
        desk.run(&args).ends(0).out
    };
    assert_eq!(
        json("*%proc.name %fd.name"),
        "{\"proc.name\":\"sh\",\"fd.name\":null}\n"
    );
    // As with text, what lacks a field that is not optional is not printed.
    assert_eq!(json("%proc.name %fd.name"), "");
    // That nothing at all is printed does not look as if nothing had happened.
    let all = ["read", "whole.aft", "-p", "%proc.name %k8s.pod.name"];
    let said = desk.run(&all).ends(0).err;
    let note = "note: 7 events match and none of them has every field of the format: begin it with * to print them all the same\n";
    assert_eq!(said, note);
    let some = ["read", "whole.aft", "-p", "%proc.name %fd.name"];
    assert_eq!(desk.run(&some).ends(0).err, "");
}

#[test]
fn spans_are_asked_for_in_the_readers_zone() {
    let desk = Desk::new();
    let count = |args: &[&str]| {
        let all: Vec<&str> = ["read", "whole.aft", "--count-only"]
            .iter()
            .chain(args)
            .copied()
            .collect();
        desk.run(&all).ends(0).out.trim().to_owned()
    };
    assert_eq!(count(&[]), "7");
    assert_eq!(count(&["--from", "+1s"]), "1");
    assert_eq!(count(&["--to", "17:00:01"]), "6");
    assert_eq!(count(&["--from", "19:00:01", "--tz", "host"]), "1");
    assert_eq!(
        count(&["--from", "2026-11-22T17:00:00.002Z", "--to", "+4ms"]),
        "3"
    );
    desk.run(&["read", "whole.aft", "--from", "teatime"])
        .ends(2);
}

#[test]
fn loss_is_told_on_standard_error_and_by_the_exit_code() {
    let desk = Desk::new();
    let answer = desk.run(&["read", "lossy.aft", "-n", "1"]).ends(3);
    assert_eq!(answer.out.lines().count(), 1);
    assert!(answer.err.contains("42 events lost"), "{}", answer.err);
    assert!(desk.run(&["read", "torn.aft"]).ends(3).err.contains("torn"));
}

#[test]
fn quiet_answers_only_by_the_exit_code() {
    let desk = Desk::new();
    assert_eq!(
        desk.run(&["read", "-q", "whole.aft", "proc.name=cat"])
            .ends(0)
            .out,
        ""
    );
    assert_eq!(
        desk.run(&["read", "-q", "whole.aft", "proc.name=dog"])
            .ends(1)
            .out,
        ""
    );
}

#[test]
fn the_whole_capture_can_be_printed_for_other_readers() {
    let desk = Desk::new();
    let whole = desk.run(&["read", "--whole", "whole.aft"]).ends(0).out;
    assert_eq!(whole.lines().count(), 9, "header, seven events, totals");
    assert!(whole.is_ascii());
    desk.run(&["read", "--whole", "whole.aft", "evt.type=read"])
        .ends(2);
}
