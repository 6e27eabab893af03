//! What holds for every filter: printing and parsing are inverse, remembering changes no answer, no text panics.

use crate::eval::is_since;
use crate::story::{Story, story};
use crate::*;
use afterimage_model::{
    Blob, Ctx, Event, FIELDS, FieldArg, FieldType, FileId, ProcId, TypeId, Value,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::convert::Infallible;

/// Comparisons that fit their fields, as a user might write them; those that count from an event before only where they may.
fn comparison(since: bool) -> impl Strategy<Value = String> {
    let fields: Vec<_> = FIELDS
        .iter()
        .filter(|field| field.arg != FieldArg::Required)
        .filter(|field| since || !is_since(field))
        .map(|field| (field.name, field.ty))
        .collect();
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..12).prop_map(|bytes| quote(&bytes)),
        Just("sh".to_owned()),
        Just("openat".to_owned()),
        Just("/etc/shadow".to_owned()),
    ];
    (
        proptest::sample::select(fields),
        0..OPERATORS.len(),
        value,
        0u16..9,
    )
        .prop_map(|((field, ty), op, text, n)| {
            let fitting: Vec<_> = OPERATORS.iter().filter(|row| row.op.fits(ty)).collect();
            let row = fitting[op % fitting.len()];
            let left = match (ty, n) {
                (FieldType::Str, 7)
                    if Filter::parse(&format!("tolower({field}) exists")).is_ok() =>
                {
                    format!("tolower({field})")
                }
                (FieldType::Str, 8)
                    if Filter::parse(&format!("tolower({field}) exists")).is_ok() =>
                {
                    format!("join('-', ({field}, evt.num))")
                }
                _ => field.to_owned(),
            };
            let field = left;
            let value = match (ty, row.op) {
                (_, Op::Exists) => return format!("{field} exists"),
                (_, Op::Regex) => "'s.*'".to_owned(),
                (_, Op::Bcontains | Op::Bstartswith) => "2f".to_owned(),
                (FieldType::Str, Op::Lt | Op::Le) => quote(text.as_bytes()),
                (_, Op::Lt | Op::Le | Op::Gt | Op::Ge) => n.to_string(),
                (FieldType::Str | FieldType::Bytes | FieldType::List, _) => text,
                (FieldType::Bool, _) => (n % 2 == 0).to_string(),
                (FieldType::Ip | FieldType::Net, _) => format!("10.0.0.{n}/{}", n * 4),
                _ => n.to_string(),
            };
            match row.op {
                _ if n == 6 && row.op.takes_modifier() => {
                    format!("{field} {} anyof ({value}, {value})", row.text)
                }
                Op::In | Op::Intersects | Op::Pmatch => {
                    format!("{field} {} ({value}, {value})", row.text)
                }
                _ => format!("{field} {} {value}", row.text),
            }
        })
}

/// A filter as text, and how it is put together.
#[derive(Clone, Debug)]
enum Shaped {
    Leaf(String),
    Not(Box<Shaped>),
    And(Vec<Shaped>),
    Or(Vec<Shaped>),
}

impl Shaped {
    fn text(&self) -> String {
        let join = |parts: &[Shaped], word: &str| {
            parts
                .iter()
                .map(|part| format!("({})", part.text()))
                .collect::<Vec<_>>()
                .join(word)
        };
        match self {
            Shaped::Leaf(text) => text.clone(),
            Shaped::Not(inner) => format!("not ({})", inner.text()),
            Shaped::And(parts) => join(parts, " and "),
            Shaped::Or(parts) => join(parts, " or "),
        }
    }

    /// The plain meaning, every comparison asked on its own.
    fn holds(&self, ctx: &Ctx<'_>) -> bool {
        match self {
            Shaped::Leaf(text) => Filter::parse(text).unwrap().matches(ctx),
            Shaped::Not(inner) => !inner.holds(ctx),
            Shaped::And(parts) => parts.iter().all(|part| part.holds(ctx)),
            Shaped::Or(parts) => parts.iter().any(|part| part.holds(ctx)),
        }
    }
}

fn shaped() -> impl Strategy<Value = Shaped> {
    of_shape(false)
}

fn of_shape(since: bool) -> impl Strategy<Value = Shaped> {
    comparison(since)
        .prop_map(Shaped::Leaf)
        .prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(|part| Shaped::Not(Box::new(part))),
                proptest::collection::vec(inner.clone(), 1..4).prop_map(Shaped::And),
                proptest::collection::vec(inner, 1..4).prop_map(Shaped::Or),
            ]
        })
}

/// The events of the story, list by list.
struct Listed {
    types: Vec<u16>,
    procs: Vec<u32>,
    files: (Vec<u32>, Vec<FileId>),
    marks: Vec<u16>,
    cpus: Vec<u16>,
    threads: Vec<u32>,
    latencies: Vec<u64>,
    times: Vec<u64>,
    results: Vec<(Vec<u32>, Vec<i64>)>,
    events: Vec<Event>,
    /// What arguments hold as bytes.
    bytes: Vec<Blob>,
    kinds: Vec<TypeId>,
    all_procs: Vec<ProcId>,
}

impl Listed {
    fn of(events: &[Event]) -> Listed {
        let distinct = |all: BTreeSet<u32>| all.into_iter().collect::<Vec<u32>>();
        let kinds = distinct(events.iter().map(|e| u32::from(e.ty.0)).collect());
        let procs = distinct(events.iter().map(|e| e.proc.0).collect());
        let files = distinct(events.iter().filter_map(|e| Some(e.file?.0)).collect());
        let place = |list: &[u32], value: u32| list.binary_search(&value).unwrap() as u32;
        let results = kinds.iter().map(|ty| {
            let rows = events.iter().zip(0_u32..);
            rows.filter(|(e, _)| u32::from(e.ty.0) == *ty)
                .map(|(e, row)| (row, e.result))
                .unzip()
        });
        Listed {
            types: events
                .iter()
                .map(|e| place(&kinds, e.ty.0.into()) as u16)
                .collect(),
            procs: events.iter().map(|e| place(&procs, e.proc.0)).collect(),
            files: (
                events
                    .iter()
                    .map(|e| e.file.map_or(0, |file| 1 + place(&files, file.0)))
                    .collect(),
                files.iter().map(|id| FileId(*id)).collect(),
            ),
            marks: events.iter().map(|e| e.flags.0).collect(),
            cpus: events.iter().map(|e| e.cpu).collect(),
            threads: events.iter().map(|e| e.tid).collect(),
            latencies: events.iter().map(|e| e.latency_ns).collect(),
            times: events.iter().map(|e| e.time.0).collect(),
            results: results.collect(),
            events: events.to_vec(),
            bytes: (events.iter().flat_map(|e| &e.args))
                .filter_map(|arg| match arg {
                    Value::Bytes(blob) => Some(blob.clone()),
                    _ => None,
                })
                .collect(),
            kinds: kinds.iter().map(|ty| TypeId(*ty as u16)).collect(),
            all_procs: procs.iter().map(|id| ProcId(*id)).collect(),
        }
    }
}

impl Lists for Listed {
    type Error = Infallible;

    fn count(&self) -> usize {
        self.types.len()
    }
    fn span(&self) -> (u64, u64) {
        let times = || self.times.iter().copied();
        (times().min().unwrap_or(0), times().max().unwrap_or(0))
    }
    fn types(&self) -> Result<&[u16], Infallible> {
        Ok(&self.types)
    }
    fn procs(&self) -> Result<&[u32], Infallible> {
        Ok(&self.procs)
    }
    fn files(&self) -> Result<(&[u32], &[FileId]), Infallible> {
        Ok((&self.files.0, &self.files.1))
    }
    fn marks(&self) -> Result<&[u16], Infallible> {
        Ok(&self.marks)
    }
    fn cpus(&self) -> Result<&[u16], Infallible> {
        Ok(&self.cpus)
    }
    fn threads(&self) -> Result<&[u32], Infallible> {
        Ok(&self.threads)
    }
    fn latencies(&self) -> Result<&[u64], Infallible> {
        Ok(&self.latencies)
    }
    fn times(&self) -> Result<&[u64], Infallible> {
        Ok(&self.times)
    }
    fn results(&self, wanted: &[bool]) -> Result<Vec<Option<Results<'_>>>, Infallible> {
        let found = self.results.iter().zip(wanted);
        let found =
            found.map(|((rows, results), is)| is.then_some((rows.as_slice(), results.as_slice())));
        Ok(found.collect())
    }
    fn arguments(&self, place: usize, number: usize) -> Result<Arguments<'_>, Infallible> {
        let rows = self.results[place].0.as_slice();
        let held = |row: &u32| match self.events[*row as usize].args.get(number) {
            None | Some(Value::Absent) => Argument::Nothing,
            Some(Value::Num(number)) => Argument::Number(*number),
            Some(Value::Bytes(blob)) => {
                let place = self.bytes.iter().position(|have| have == blob);
                Argument::Bytes(place.unwrap() as u64)
            }
        };
        Ok((rows, rows.iter().map(held).collect()))
    }
    fn kinds(&self, place: usize, number: usize) -> Result<(bool, bool), Infallible> {
        let held = self.arguments(place, number)?.1;
        let any = |is: fn(&Argument) -> bool| held.iter().any(is);
        let number = any(|held| matches!(held, Argument::Number(_)));
        Ok((number, any(|held| matches!(held, Argument::Bytes(_)))))
    }
    fn bytes(&self, argument: Argument) -> Result<(&[u8], u64), Infallible> {
        let Argument::Bytes(place) = argument else {
            return Ok((&[], 0));
        };
        let blob = &self.bytes[place as usize];
        Ok((&blob.bytes, blob.full_len))
    }
}

/// What the lists of all events say: for each event whether it may match.
fn sifted(filter: &Filter, story: &Story, lists: &Listed) -> Vec<bool> {
    let ctx = story.ctx(0);
    let among = Among {
        manifest: ctx.manifest,
        schema: ctx.schema,
        tables: &story.tables,
        types: &lists.kinds,
        procs: &lists.all_procs,
        first_ns: ctx.first_ns,
    };
    let Ok(found) = filter.evaluator().sift(&among, lists, None);
    let may = |row: usize| {
        (found.rows.as_ref()).is_none_or(|words| words[row / 64] >> (row % 64) & 1 == 1)
    };
    let may: Vec<bool> = (0..lists.count()).map(may).collect();
    for (row, _) in may.iter().enumerate().filter(|(_, may)| **may) {
        assert!(
            !found.sure || filter.matches(&story.ctx(row)),
            "event {}",
            row + 1
        );
    }
    may
}

#[test]
fn what_one_part_decides_is_told_from_lists_alone() {
    let story = story();
    let lists = Listed::of(&story.events);
    let instants = [story.ctx(1), story.ctx(story.events.len() / 2)];
    let mut filters: Vec<String> = [
        "evt.rawres=-2",
        "evt.rawres<0 or evt.cpu=1",
        "evt.failed=true and not evt.res=ENOENT",
        "evt.latency>0",
        "not evt.latency exists",
        "evt.latency.human contains us",
        "thread.tid>100",
        "evt.buflen>3",
        "evt.count.error.file=1",
        "evt.dir=<",
        "evt.type in (read, openat) and evt.rawres>=0",
        "evt.is_cut=true or evt.is_told=true",
        "fd.name exists and evt.failed=false",
        "evt.rawarg.flags>0 or evt.rawarg.mode=0",
        "evt.arg.mode exists and not evt.arg.mode=0644",
        "not evt.arg.path contains etc",
        "evt.rawarg.path endswith passwd",
    ]
    .map(str::to_owned)
    .into();
    for ctx in &instants {
        for field in [
            "evt.time",
            "evt.rawtime",
            "evt.reltime",
            "evt.datetime",
            "evt.rawtime.ns",
        ] {
            let value = FieldRef::parse(field).unwrap().value(ctx).unwrap();
            let value = quote(&value.text());
            for op in ["<", "<=", ">", ">=", "=", "!="] {
                filters.push(format!("{field} {op} {value}"));
            }
        }
    }
    for text in filters {
        let filter = Filter::parse(&text).unwrap();
        let expected: Vec<bool> = (0..story.events.len())
            .map(|at| filter.matches(&story.ctx(at)))
            .collect();
        assert_eq!(sifted(&filter, &story, &lists), expected, "{text}");
    }
}

#[test]
fn a_line_is_not_put_together_to_find_that_a_text_is_not_in_it() {
    let story = story();
    let lists = Listed::of(&story.events);
    for text in [
        "elsewhere",
        "/elsewhere",
        "path=/elsewhere",
        "else where",
        "else(where",
        "ELSEWHERE",
    ] {
        let filter =
            Filter::parse(&format!("evt.args contains {}", quote(text.as_bytes()))).unwrap();
        let left = sifted(&filter, &story, &lists).into_iter().enumerate();
        let left = left
            .filter(|(_, may)| *may)
            .map(|(at, _)| story.ctx(at).ty().map(|ty| &ty.name));
        let left: Vec<_> = left.collect();
        assert!(left.is_empty(), "{text}: {left:?}");
    }
    let filter = Filter::parse("evt.args icontains SHADOW").unwrap();
    let expected: Vec<bool> = (0..story.events.len())
        .map(|at| filter.matches(&story.ctx(at)))
        .collect();
    assert!(expected.contains(&true));
    assert_eq!(sifted(&filter, &story, &lists), expected);
}

/// Of each line every part of some lengths: over the ends of arguments, from the first byte, to the last.
#[test]
fn each_part_of_each_line_is_found_where_it_stands() {
    let story = story();
    let lists = Listed::of(&story.events);
    let field = FieldRef::parse("evt.args").unwrap();
    let lines: Vec<Vec<u8>> = (0..story.events.len())
        .map(|at| field.value(&story.ctx(at)).unwrap().text().into_owned())
        .collect();
    let parts: BTreeSet<&[u8]> = [1, 4, 5, 9]
        .iter()
        .flat_map(|len| lines.iter().flat_map(|line| line.windows(*len)))
        .collect();
    assert!(parts.len() > 1_000);
    for part in parts {
        let text = format!("evt.args contains {}", quote(part));
        let filter = Filter::parse(&text).unwrap();
        let may = sifted(&filter, &story, &lists);
        for (may, line) in may.iter().zip(&lines) {
            let holds = line.windows(part.len()).any(|there| there == part);
            assert!(*may || !holds, "{text}: {}", String::from_utf8_lossy(line));
        }
    }
}

/// How many cases there are: more in the long form.
fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(match std::env::var_os("AFTERIMAGE_LONG") {
        Some(_) => 20_000,
        None => 256,
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn rows_that_lists_rule_out_match_never(shaped in shaped()) {
        let story = story();
        let lists = Listed::of(&story.events);
        let filter = Filter::parse(&shaped.text()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        for (at, may) in sifted(&filter, &story, &lists).into_iter().enumerate() {
            prop_assert!(may || !filter.matches(&story.ctx(at)), "event {}", at + 1);
        }
    }

    #[test]
    fn what_stands_in_a_line_is_found_by_its_stretches(
        (event, from, len) in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_usize..12),
        op in proptest::sample::select(vec!["contains", "icontains", "contains anyof"]),
        not in any::<bool>(),
    ) {
        let story = story();
        let lists = Listed::of(&story.events);
        let field = FieldRef::parse("evt.args").unwrap();
        let line = field.value(&story.ctx(event.index(story.events.len()))).unwrap().text().into_owned();
        prop_assume!(!line.is_empty());
        let from = from.index(line.len());
        let part = quote(&line[from..line.len().min(from + len)]);
        let text = match (op, not) {
            ("contains anyof", _) => format!("evt.args {op} ({part}, nowhere)"),
            (_, false) => format!("evt.info {op} {part}"),
            (_, true) => format!("not evt.args {op} {part}"),
        };
        let filter = Filter::parse(&text).map_err(|e| TestCaseError::fail(e.to_string()))?;
        for (at, may) in sifted(&filter, &story, &lists).into_iter().enumerate() {
            prop_assert!(may || !filter.matches(&story.ctx(at)), "{} event {}", text, at + 1);
        }
    }

    #[test]
    fn printing_and_parsing_are_inverse(shaped in of_shape(true)) {
        let filter = Filter::parse(&shaped.text()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let printed = filter.print();
        prop_assert!(printed.chars().all(|c| !c.is_control()));
        let again = Filter::parse(&printed).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(&again, &filter);
        prop_assert_eq!(again.print(), printed);
    }

    #[test]
    fn remembering_answers_changes_none(shaped in shaped()) {
        let story = story();
        let filter = Filter::parse(&shaped.text()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut evaluator = filter.evaluator();
        for round in 0..2 {
            for at in 0..story.events.len() {
                let ctx = story.ctx(at);
                let plain = shaped.holds(&ctx);
                prop_assert_eq!(evaluator.matches(&ctx), plain, "round {} event {}", round, at + 1);
                prop_assert_eq!(filter.matches(&ctx), plain);
            }
        }
    }

    #[test]
    fn remembering_rows_changes_no_time_since(shaped in of_shape(true)) {
        let story = story();
        let filter = Filter::parse(&shaped.text()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let (mut evaluator, mut anew) = (filter.evaluator(), filter.evaluator());
        for round in 0..2 {
            for at in 0..story.events.len() {
                let ctx = story.ctx(at);
                prop_assert_eq!(evaluator.matches(&ctx), anew.matches_anew(&ctx), "round {} event {}", round, at + 1);
            }
        }
    }

    #[test]
    fn what_the_head_of_an_event_tells_is_true(shaped in shaped()) {
        let story = story();
        let filter = Filter::parse(&shaped.text()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut evaluator = filter.evaluator();
        for at in 0..story.events.len() {
            let whole = story.ctx(at);
            let mut bare = whole.event.clone();
            bare.args.clear();
            bare.result = 0;
            let told = evaluator.by_head(&Ctx { event: &bare, ..whole });
            prop_assert!(told.is_none_or(|told| told == filter.matches(&whole)), "event {}", at + 1);
            prop_assert_eq!(evaluator.matches(&whole), filter.matches(&whole));
            let mut only = Event::of_type(TypeId(0));
            only.proc = whole.event.proc;
            let told = evaluator.by_process(&Ctx { event: &only, ..whole });
            prop_assert!(told.is_none_or(|told| told == filter.matches(&whole)), "event {}", at + 1);
        }
    }

    #[test]
    fn a_type_that_is_ruled_out_matches_never(shaped in shaped()) {
        let story = story();
        let filter = Filter::parse(&shaped.text()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        for at in 0..story.events.len() {
            let ctx = story.ctx(at);
            prop_assert!(filter.may_match_type(ctx.schema, ctx.event.ty) || !filter.matches(&ctx));
        }
    }

    #[test]
    fn rows_that_are_ruled_out_match_never(shaped in shaped()) {
        let story = story();
        let filter = Filter::parse(&shaped.text()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut evaluator = filter.evaluator();
        let all = (0..story.events.len()).map(|at| story.ctx(at).event);
        let (types, procs): (Vec<_>, Vec<_>) = all.map(|event| (event.ty, event.proc)).unzip();
        for at in 0..story.events.len() {
            let ctx = story.ctx(at);
            let mut own = story.tables.clone();
            own.files.retain(|id, _| Some(*id) == ctx.event.file);
            let among = Among { manifest: ctx.manifest, schema: ctx.schema, tables: &story.tables, types: &types, procs: &procs, first_ns: ctx.first_ns };
            let one = Among { tables: &own, types: &[ctx.event.ty], procs: &[ctx.event.proc], ..among };
            for among in [among, one] {
                evaluator.forget();
                prop_assert!(evaluator.may_match_among(&among) || !filter.matches(&ctx), "event {}", at + 1);
            }
            prop_assert_eq!(evaluator.matches(&ctx), filter.matches(&ctx));
        }
    }

    #[test]
    fn no_text_makes_the_parsers_panic(text in "\\PC{0,60}") {
        let _ = Filter::parse(&text).map_err(|e| e.to_string());
        let _ = Template::parse(&text).map_err(|e| e.to_string());
        let _ = complete(&text, text.len() / 2);
    }

    #[test]
    fn no_broken_filter_makes_the_parsers_panic(parts in proptest::collection::vec(proptest::sample::select(vec![
        "proc.name", "evt.arg", "evt.num", "fd.ip", "tolower(", "val(", "join(", "oneof ", "1", "<", "[", "]", "(", ")", "=", "!=", "in", "and", "or", "not", " ", "'", "\"", "\\", ",", "x", "0x", "é", "%", "*", "exists", "regex",
    ]), 0..20)) {
        let text = parts.concat();
        if let Ok(filter) = Filter::parse(&text) {
            prop_assert_eq!(Filter::parse(&filter.print()).unwrap(), filter);
        }
        if let Ok(syntax) = Syntax::parse(&text) {
            prop_assert_eq!(Syntax::parse(&syntax.to_string()).unwrap(), syntax);
        }
        let _ = Template::parse(&text).map_err(|e| e.to_string());
        for cursor in 0..=text.len() {
            let _ = complete(&text, cursor);
        }
    }
}
