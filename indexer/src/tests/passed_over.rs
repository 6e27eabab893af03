//! What is not read, and not kept, changes no answer.

use super::*;

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

/// Events of a file are counted by lists, those in memory one by one: every view and every tile says the same, also of a span that
/// cuts chunks in two.
#[test]
fn what_lists_tell_is_what_events_tell() {
    let memory = Memory::new(world(), events(500), 23);
    let (listed, single) = (file_of(&memory.manifest), memory.session());
    let (from, to) = listed.span().unwrap();
    let third = (to - from) / 3;
    let spans = [
        None,
        Some((from + third, to - third)),
        Some((from, from + third)),
    ];
    let filters = [
        "",
        "evt.failed=true or proc.name=sh",
        "thread.tid>0 and not evt.type=read",
        "evt.num>40 and fd.name exists",
    ];
    for (filter, span) in filters
        .iter()
        .flat_map(|filter| spans.map(|span| (*filter, span)))
    {
        let parsed = Filter::parse(filter).unwrap();
        let progress = Progress::default();
        for view in VIEWS.iter().filter(about_events) {
            let rows = |session: &Session| {
                let rows = session.view(view, Some(&parsed), span, &progress).unwrap();
                format!("{rows:?}")
            };
            assert_eq!(
                rows(&listed),
                rows(&single),
                "{} {filter} {span:?}",
                view.id
            );
        }
        let tiles = |session: &Session| {
            let found = session.tiles(Some(&parsed), span, 320, &progress).unwrap();
            let tile = |one: &TileTotal| {
                let spread = one.percentiles();
                (
                    one.tile.id,
                    one.total,
                    one.events,
                    one.first_num,
                    spread,
                    one.steps.clone(),
                )
            };
            (
                found.matched,
                found.tiles.iter().map(tile).collect::<Vec<_>>(),
            )
        };
        assert_eq!(tiles(&listed), tiles(&single), "{filter} {span:?}");
    }
    let progress = Progress::default();
    listed
        .view(view("syscalls").unwrap(), None, None, &progress)
        .unwrap();
    assert_eq!(progress.work.asked.load(Ordering::Relaxed), 0);
}

/// The same events as a capture file of many small chunks.
pub(super) fn file() -> Session {
    file_of(&Manifest::default())
}

fn file_of(manifest: &Manifest) -> Session {
    use afterimage_format::{Reader, Writer, WriterOptions};
    let tables = world();
    let options = WriterOptions {
        chunk_events: 23,
        ..WriterOptions::default()
    };
    let mut writer = Writer::new(Vec::new(), manifest, Schema::current(), options).unwrap();
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
    "fd.num=5",
    "fd.num in (3, 6, 8)",
    "not fd.num>5",
    "fd.num exists",
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
            prop_assert_eq!(counts[0].1, counts[1..9].iter().map(|count| count.1).sum::<u64>());
            prop_assert_eq!(counts[11].1, plain.len() as u64);
        }
    }
}
