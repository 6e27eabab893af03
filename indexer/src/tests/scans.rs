//! Which events a walk shows, in which order, and what it says of how far it is.

use super::*;

fn counted(session: &Session, filter: &str, span: Span) -> u64 {
    let filter = (!filter.is_empty()).then(|| Filter::parse(filter).unwrap());
    let progress = Progress::default();
    let count = session.count(filter.as_ref(), span, &progress);
    // What is counted by lists is told, too.
    let told = progress.work.matched.load(Ordering::Relaxed);
    assert_eq!(told, count);
    count
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
        assert_eq!(counted(&session, filter, None), expected.len() as u64);
        let inner = Some((400_000_000, 900_000_000));
        let within = numbers(&session, Some(filter), inner, 1).len() as u64;
        assert_eq!(counted(&session, filter, inner), within, "{filter}");
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
