//! What lists say of the events of real files, against what the events say themselves.

use crate::index::{Ask, Gather};
use crate::search::Pile;
use crate::session::{Progress, Session};
use afterimage_format::{Reader, Writer, WriterOptions};
use afterimage_model::{Ctx, Totals};
use afterimage_query::Filter;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use std::path::Path;

/// Comparisons of every kind of part, and some that ask more of an event.
const CONDITIONS: &[&str] = &[
    "evt.rawres=-2",
    "evt.rawres>=0",
    "evt.failed=true",
    "evt.res=ENOENT",
    "evt.res contains E",
    "evt.latency>1ms",
    "evt.latency exists",
    "evt.latency.human contains us",
    "evt.cpu=0",
    "evt.cpu exists",
    "evt.num>1000",
    "thread.tid>3000",
    "evt.reltime<100ms",
    "evt.time>='00:30:00'",
    "evt.rawtime.ns<500000000",
    "evt.buflen>64",
    "evt.count.error.file=1",
    "evt.dir='>'",
    "evt.is_told=true",
    "evt.category=file",
    "evt.seq>7",
    "evt.type in (openat, read, close, mmap)",
    "proc.name contains s",
    "fd.name startswith /etc",
    "fd.type=file",
    "evt.arg.flags contains RDONLY",
    "evt.args contains 1",
    "evt.rawarg.flags=0",
    "evt.rawarg[1]>100",
    "evt.arg[0] contains 3",
    "evt.arg.fd=3",
    "evt.arg.path contains etc",
    "evt.rawarg.path startswith /usr",
    "evt.arg.data contains a",
    "evt.arg.op exists",
    "evt.arg.how.flags exists",
    "evt.arg.mode in (0644, 0755, 0)",
    "not evt.rawarg.count>64",
    "fd.num in (0, 1, 2)",
    "fd.num=3",
    "proc.duration>1ms",
    "evt.buffer contains a",
    "evt.buffer exists",
    "len(evt.buffer)>20",
    "evt.abspath contains e",
    "evt.abspath exists",
    "fs.path.name startswith /etc",
    "fs.path.name exists",
    "fs.path.source exists",
    "fs.path.target contains /",
    "syslog.severity exists",
    "syslog.message contains a",
    "dns.question exists",
    "dns.question contains e",
];

/// Numbers that are the same each time.
struct Chance(TestRng);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        (self.0.next_u64() % end.max(1) as u64) as usize
    }

    fn filter(&mut self, depth: usize) -> String {
        let one = CONDITIONS[self.below(CONDITIONS.len())].to_owned();
        match (depth, self.below(5)) {
            (0, _) | (_, 0) => one,
            (_, 1) => format!("not ({})", self.filter(depth - 1)),
            (_, 2) => format!("({} or {})", self.filter(depth - 1), self.filter(depth - 1)),
            _ => format!(
                "({} and {})",
                self.filter(depth - 1),
                self.filter(depth - 1)
            ),
        }
    }
}

/// The samples, and one of them written anew in one chunk, most of whose types have lists of their own.
fn sessions() -> Vec<(String, Session)> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let names = [
        "v1/crash-loop.aft",
        "v1/break-in.aft",
        "v1.3/lists.aft",
        "v1.5/texts.aft",
    ];
    let open = |name: &str| Reader::open(&samples.join(name)).unwrap();
    let mut all: Vec<(String, Session)> = names
        .iter()
        .map(|name| ((*name).to_owned(), Session::from_reader(open(name))))
        .collect();
    let reader = open("v1/break-in.aft");
    let options = WriterOptions {
        chunk_span_ns: u64::MAX,
        ..WriterOptions::default()
    };
    let mut writer = Writer::new(Vec::new(), reader.manifest(), reader.schema(), options).unwrap();
    for at in 0..reader.chunks().len() {
        let chunk = reader.chunk(at).unwrap();
        for event in chunk.events {
            writer.push(event, &chunk.tables).unwrap();
        }
    }
    let file = writer.seal(&Totals::default(), reader.state()).unwrap();
    let reader = Reader::from_bytes(file).unwrap();
    all.push(("in one chunk".to_owned(), Session::from_reader(reader)));
    all
}

fn scan(session: &Session, filter: Option<&Filter>, each: &mut dyn FnMut(&Ctx<'_>)) {
    let mut each = |ctx: &Ctx<'_>| {
        each(ctx);
        true
    };
    session
        .scan(filter, None, 1, &Progress::default(), &mut each)
        .unwrap();
}

#[test]
fn events_that_are_chosen_by_lists_are_those_that_match_and_come_whole() {
    let mut chance = Chance(TestRng::from_seed(RngAlgorithm::XorShift, &[9; 16]));
    let mut texts: Vec<String> = CONDITIONS.iter().map(|text| (*text).to_owned()).collect();
    texts.extend((0..120).map(|_| chance.filter(3)));
    let filters: Vec<Filter> = texts
        .iter()
        .map(|text| Filter::parse(text).unwrap())
        .collect();
    for (name, session) in sessions() {
        // All filters are asked of each event in one go, as it stands in the whole chunk.
        let mut expected = vec![Vec::new(); filters.len()];
        scan(&session, None, &mut |ctx| {
            for (filter, expected) in filters.iter().zip(&mut expected) {
                if filter.matches(ctx) {
                    expected.push((ctx.num, ctx.event.clone()));
                }
            }
        });
        for ((filter, text), expected) in filters.iter().zip(&texts).zip(expected) {
            // Opened anew, so that no decoded chunk is at hand.
            let mut found = Vec::new();
            session.forget_chunks();
            scan(&session, Some(filter), &mut |ctx| {
                found.push((ctx.num, ctx.event.clone()));
            });
            assert!(
                found == expected,
                "{name}: {text}: {} and not {}",
                found.len(),
                expected.len()
            );
        }
    }
}

#[test]
fn words_and_a_filter_find_the_events_that_have_both() {
    for (name, session) in sessions() {
        for word in [
            "etc",
            "passwd",
            "sh",
            "libc*",
            "GET",
            "re:[a-z]+[.]so",
            "nowhere-at-all",
        ] {
            for condition in [
                "evt.failed=true",
                "evt.type=openat",
                "proc.name contains s or evt.rawres>3",
            ] {
                let ask = Ask::parse(word).unwrap();
                let filter = Filter::parse(condition).unwrap();
                let (mut expected, mut gather) = (Vec::new(), Gather::new());
                scan(&session, None, &mut |ctx| {
                    let is = gather.event_is(ctx, &mut |thing| ask.score(thing).is_some());
                    if is && filter.matches(ctx) {
                        expected.push(ctx.num);
                    }
                });
                let both = Ask::parse(&format!("{word} AND ({condition})")).unwrap();
                let mut found = Vec::new();
                let mut each = |ctx: &Ctx<'_>| {
                    found.push(ctx.num);
                    true
                };
                session.forget_chunks();
                session
                    .search_events(&both, None, &Progress::default(), &mut each)
                    .unwrap();
                assert_eq!(found, expected, "{name}: {word} AND ({condition})");
            }
        }
    }
}

#[test]
fn what_is_counted_by_process_and_file_is_what_the_events_one_by_one_come_to() {
    for (name, session) in sessions() {
        let (first, last) = session.span().unwrap();
        let part = (first + (last - first) / 3, last - (last - first) / 5);
        for (word, condition) in [
            ("etc", "evt.failed=true"),
            ("sh", "evt.rawres>=0 or proc.name contains s"),
            ("re:\".\"", "evt.type in (read, openat, close)"),
            ("libc*", "not evt.cpu=0"),
            ("re:\"[a-z]+[.]so\"", "evt.latency>0 or evt.failed=false"),
            ("GET OR sh", "evt.arg.flags exists or evt.rawres=0"),
        ] {
            for span in [None, Some(part)] {
                let ask = Ask::parse(word).unwrap();
                let filter = Filter::parse(condition).unwrap();
                let mut gather = Gather::new();
                scan(&session, None, &mut |ctx| {
                    let time = ctx.event.time.0;
                    if filter.matches(ctx) && span.is_none_or(|(a, b)| (a..=b).contains(&time)) {
                        gather.event(ctx);
                    }
                });
                let mut pile = Pile::default();
                for (thing, tally) in gather.take().iter().filter(|(_, tally)| tally.count > 0) {
                    pile.add(&ask, thing, tally);
                }
                let expected = pile.ranked(&ask, 10_000);
                let both = Ask::parse(&format!("({word}) AND ({condition})")).unwrap();
                session.forget_chunks();
                let quiet = Progress::default();
                let found = session.search(&both, span, 10_000, &quiet).unwrap();
                let what = format!("{name}: {word} AND ({condition}) in {span:?}");
                assert_eq!(found.hits.len(), expected.hits.len(), "{what}");
                assert_eq!(found.hits, expected.hits, "{what}");
            }
        }
    }
}
