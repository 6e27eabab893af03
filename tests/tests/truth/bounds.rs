//! What a watch may take: memory of its own, and files, bytes and room for its evidence.

use crate::busy::{Busy, has};
use crate::service::{BASE, Service};
use afterimage_tests::harness::Capture;
use afterimage_tests::needs_recording;
use serde_json::Value;
use std::time::Duration;

const COMMAND: &str = "[[trigger]]\nkind = \"command\"\n";

fn number(status: &Value, name: &str) -> u64 {
    status[name].as_u64().unwrap_or(0)
}

/// Asks for a file of everything, and waits until it is sealed: its path, or why there is none.
pub fn fire(service: &Service) -> Result<String, String> {
    let answer = service.ask(r#"{"fire":{"container":null,"reason":"x"}}"#);
    let answer = answer.expect("an answer");
    let text = |name: &str| answer[name].as_str().map(str::to_owned);
    match text("path") {
        Some(path) => Ok(path),
        None => Err(text("error").unwrap_or_else(|| answer.to_string())),
    }
}

#[test]
fn the_whole_process_stays_within_its_bound_of_memory() {
    needs_recording!();
    const BOUND: u64 = 128 << 20;
    let config = format!("[window]\nmemory = \"{BOUND}\"\n{BASE}{COMMAND}");
    let busy = Busy::filling("memory", Duration::from_micros(200));
    let mut service = Service::start(&config, &["--no-sign"]);
    service.until("the window has what fits", |service| {
        number(&service.status(), "window.displaced") > 0
    });
    let (mut seen, mut looks) = (0, 0);
    service.until("as much again has come", |service| {
        let status = service.status();
        let memory = number(&status, "memory");
        assert!(
            memory <= BOUND + BOUND / 20,
            "{memory} of {BOUND}: {status}"
        );
        assert!(number(&status, "window.bytes") >= BOUND / 8, "{status}");
        if seen == 0 {
            seen = number(&status, "events");
        }
        looks += 1;
        looks > 50 && number(&status, "events") >= seen + 100_000
    });
    assert!(has(&service.status(), &busy.id));
    assert_eq!(service.end(), Some(0));
}

#[test]
fn a_file_that_is_being_made_ends_when_a_quota_is_used_up() {
    needs_recording!();
    const DAY: u64 = 4 << 20;
    // Of the past not everything has room, either.
    let past = "[window]\nspan = \"8s\"\n";
    let config =
        format!("{past}{BASE}bytes_per_day = \"{DAY}\"\n{COMMAND}").replace("200ms", "600s");
    let busy = Busy::filling("quota", Duration::from_millis(10));
    let mut service = Service::start(&config, &["--no-sign"]);
    service.until("half of it is in the window", |service| {
        number(&service.status(), "window.bytes") > DAY / 2
    });
    let path = fire(&service).expect("a file that is sealed long before its time");
    let capture = Capture::open(std::path::Path::new(&path));
    // It is passed by no more than what came at once, and by its end.
    assert!(
        (DAY / 2..DAY + (1 << 20)).contains(&capture.bytes),
        "{}",
        capture.bytes
    );
    assert!(
        capture
            .events()
            .any(|ctx| ctx.container().is_some_and(|c| c.full_id == busy.id))
    );
    let said = service.said();
    assert!(
        said.contains("ended before its time: evidence.bytes_per_day is used up"),
        "{said}"
    );
    // Whatever is left takes in what has room; then no file is made.
    let mut bytes = capture.bytes;
    let why = loop {
        match fire(&service) {
            Ok(path) => bytes += std::fs::metadata(path).expect("a file").len(),
            Err(why) => break why,
        }
        assert!(bytes < DAY + (1 << 20), "{bytes}");
    };
    assert!(why.contains("left of evidence.bytes_per_day"), "{why}");
    assert_eq!(service.end(), Some(0));
}

#[test]
fn of_a_past_that_is_larger_than_a_quota_the_newest_part_is_kept() {
    needs_recording!();
    const DAY: u64 = 3 << 20;
    let config = format!("{BASE}bytes_per_day = \"{DAY}\"\n{COMMAND}");
    let busy = Busy::filling("larger", Duration::from_millis(2));
    let mut service = Service::start(&config, &["--no-sign"]);
    service.until("three times as much is in the window", |service| {
        number(&service.status(), "window.bytes") > 3 * DAY
    });
    let path = fire(&service).expect("a file");
    let capture = Capture::open(std::path::Path::new(&path));
    assert!(capture.bytes < DAY + (1 << 20), "{}", capture.bytes);
    let out = capture
        .gaps
        .iter()
        .find(|gap| gap.detail.contains("evidence.bytes_per_day"));
    let out = out.expect("what was left out is a gap");
    assert!(out.count.is_some_and(|events| events > 1_000), "{out:?}");
    let first = capture.events().next().map(|ctx| ctx.event.time);
    assert!(
        first.is_none_or(|first| first >= out.start),
        "{first:?}, {out:?}"
    );
    drop(busy);
    assert_eq!(service.end(), Some(0));
}

#[test]
fn a_storm_of_triggers_makes_no_more_files_than_it_may() {
    needs_recording!();
    let config = format!("{BASE}files_per_hour = 3\n{COMMAND}").replace("200ms", "0s");
    let _busy = Busy::filling("storm", Duration::from_millis(5));
    let service = Service::start(&config, &["--no-sign"]);
    let (mut made, mut refused) = (0, 0);
    for _ in 0..100 {
        match fire(&service) {
            Ok(_) => made += 1,
            Err(why) => {
                assert!(why.contains("evidence.files_per_hour"), "{why}");
                refused += 1;
            }
        }
    }
    assert_eq!((made, refused), (3, 97));
    assert_eq!(service.files("command").len(), 3);
    let status = service.status();
    assert_eq!(
        (number(&status, "sealed"), number(&status, "refused")),
        (3, 97)
    );
    assert_eq!(service.end(), Some(0));
}
