//! Random filters over real captures: what the columns answer is what each event says for itself, and a filter that is printed
//! is the same filter. Values are those of the captures, so that comparisons are near what is there.
//!
//! `AFTERIMAGE_LONG=1` asks a hundred thousand of them.

use afterimage_format::{Reader, Writer, WriterOptions};
use afterimage_indexer::{Progress, Session};
use afterimage_model::{
    ArgDesc, Blob, Ctx, FIELDS, Field, FieldValue, Kept, Totals, TypeId, Value,
};
use afterimage_query::{FieldRef, Filter, quote};
use afterimage_tests::asking::{Chance, asked, counts_from_before, filter};
use afterimage_tests::peers::{self, scan};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// Captures of both kinds, none of which is long.
fn captures() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let names = ["v1/break-in.aft", "v1.3/lists.aft", "v1.5/texts.aft"];
    let mut all: Vec<PathBuf> = names.map(|name| own.join(name)).into();
    let theirs = peers::folder();
    for name in [
        "falco_cat_write",
        "falco_connect_localhost",
        "falco_empty.2016",
        "libs_sample",
        "libs_test_ipv6_client",
        "falco_ping_sendto",
    ] {
        all.push(theirs.join(format!("{name}.scap")));
    }
    all.retain(|path| path.exists());
    all
}

fn open(path: &Path) -> Session {
    let reader: Reader = afterimage_interop::open(path).unwrap();
    Session::from_reader(reader)
}

/// Bytes that no compression makes less of.
fn noise(len: usize) -> Vec<u8> {
    let mut chance = Chance::of_capture(99);
    (0..len).map(|_| chance.below(256) as u8).collect()
}

/// A capture written anew in several chunks, each with so much payload that its filter of texts is as good as one gets.
fn with_filters(path: &Path) -> Reader {
    let from: Reader = afterimage_interop::open(path).unwrap();
    let options = WriterOptions {
        chunk_span_ns: u64::MAX,
        ..WriterOptions::default()
    };
    let schema = from.schema();
    let is_payload = |arg: &ArgDesc| afterimage_format::is_payload(arg.kind());
    let places = schema
        .types
        .iter()
        .map(|ty| ty.args.iter().position(is_payload));
    let at = places.enumerate().find_map(|(ty, at)| Some((ty, at?)));
    let mut writer = Writer::new(Vec::new(), from.manifest(), schema, options).unwrap();
    for chunk in 0..from.chunks().len() {
        let chunk = from.chunk(chunk).unwrap();
        let each = chunk.events.len() / 4 + 1;
        for part in chunk.events.chunks(each) {
            for event in part {
                writer.push(event.clone(), &chunk.tables).unwrap();
            }
            let mut last = part[part.len() - 1].clone();
            if let Some((ty, at)) = at {
                last.ty = TypeId(ty as u16);
                last.args = vec![Value::Absent; at].into();
                last.args.push(Value::Bytes(Blob::whole(noise(400_000))));
                writer.push(last, &chunk.tables).unwrap();
            }
            writer.flush(&chunk.tables).unwrap();
        }
    }
    let file = writer.seal(&Totals::default(), from.state()).unwrap();
    Reader::from_bytes(file).unwrap()
}

/// Names of fields with arguments that some have.
fn named(field: &Field) -> Vec<FieldRef> {
    let arguments = [
        "0", "1", "2", "path", "name", "src", "dst", "app", "PATH", "filename",
    ];
    let with = arguments.map(|argument| format!("{}[{argument}]", field.name));
    let all = std::iter::once(field.name.to_owned()).chain(with);
    all.filter_map(|name| FieldRef::parse(&name).ok()).collect()
}

#[test]
fn what_a_field_says_is_in_the_filter_of_its_chunk() {
    let kept = FIELDS
        .iter()
        .filter_map(|field| Some((field, Kept::of(field)?)));
    let fields: Vec<(FieldRef, Kept)> = kept
        .flat_map(|(field, kept)| named(field).into_iter().map(move |name| (name, kept)))
        .collect();
    let (mut chunks, mut asked) = (0_u64, 0_u64);
    for path in captures() {
        let reader = with_filters(&path);
        for at in 0..reader.chunks().len() {
            let pieces = reader.zone(at).unwrap().pieces;
            assert!(pieces.bytes() > 0, "{}", path.display());
            chunks += 1;
            let chunk = reader.chunk(at).unwrap();
            for event in &chunk.events {
                let ctx = Ctx {
                    manifest: reader.manifest(),
                    schema: reader.schema(),
                    tables: &chunk.tables,
                    event,
                    num: 1,
                    first_ns: 0,
                    previous_ns: 0,
                };
                let Some(ty) = ctx.ty() else { continue };
                for (name, kept) in &fields {
                    if !Kept::holds_for(name.field(), name.arg(), ty) {
                        continue;
                    }
                    let texts = match name.value(&ctx) {
                        None => continue,
                        Some(FieldValue::Any(all)) => all,
                        Some(one) => vec![one],
                    };
                    for text in texts {
                        let text = text.text();
                        asked += 1;
                        for piece in kept.pieces(&text) {
                            assert!(
                                pieces.may_hold(piece),
                                "{}: {name} says {:?}",
                                path.display(),
                                String::from_utf8_lossy(&text)
                            );
                        }
                    }
                }
            }
        }
    }
    assert!(chunks > 10 && asked > 10_000, "{chunks} {asked}");
}

#[test]
fn what_columns_answer_is_what_each_event_says_for_itself() {
    let wanted = match std::env::var_os("AFTERIMAGE_LONG") {
        Some(_) => 100_000,
        None => 400,
    };
    let captures = captures();
    // As they are, and with filters of texts in all of their chunks.
    let sessions = captures.iter().flat_map(|path| {
        let with = || Session::from_reader(with_filters(path));
        [(path, open(path), open(path)), (path, with(), with())]
    });
    let each = wanted / captures.len() / 2 + 1;
    let (mut asked_so_far, mut refused, mut matched) = (0, 0, 0_u64);
    let mut ruled_out = 0;
    for (nth, (capture, naive, columns)) in sessions.enumerate() {
        let mut chance = Chance::of_capture(nth);
        let fields = asked(&naive);
        let mut left = each;
        while left > 0 {
            let mut filters = Vec::new();
            while filters.len() < left.min(200) {
                let text = filter(&mut chance, &fields, 3);
                if counts_from_before(&text) {
                    continue;
                }
                match Filter::parse(&text) {
                    Ok(filter) => filters.push((text, filter)),
                    // A value that does not fit its field; that is said, too.
                    Err(_) => refused += 1,
                }
                assert!(refused < 300_000, "nearly all filters are refused");
            }
            left -= filters.len();
            let mut expected = vec![Vec::new(); filters.len()];
            scan(&naive, None, |ctx| {
                for ((_, filter), expected) in filters.iter().zip(&mut expected) {
                    if filter.matches(ctx) {
                        expected.push(ctx.num);
                    }
                }
            });
            for ((text, filter), expected) in filters.iter().zip(expected) {
                let name = capture.display();
                let again = Filter::parse(&filter.print());
                let again = again.unwrap_or_else(|error| panic!("{text}: {error}"));
                assert_eq!(again, *filter, "{text}");
                let mut found = Vec::new();
                let progress = Progress::default();
                let mut each = |ctx: &Ctx<'_>| {
                    found.push(ctx.num);
                    true
                };
                (columns.scan(Some(filter), None, 1, &progress, &mut each)).unwrap();
                assert_eq!(found, expected, "{name}: {text}");
                ruled_out += progress.work.by_text.load(Ordering::Relaxed);
                asked_so_far += 1;
                matched += u64::from(!found.is_empty());
            }
        }
    }
    assert!(asked_so_far >= wanted && matched > asked_so_far as u64 / 4);
    assert!(
        ruled_out > 20,
        "{ruled_out} chunks were ruled out by their texts"
    );
}

/// Parts of lines, as they are and with something beside them that is not there: cut anywhere, over the ends of arguments, too.
#[test]
fn a_part_of_the_line_of_all_arguments_is_found_wherever_it_stands() {
    let args = FieldRef::parse("evt.args").unwrap();
    let (mut found_at_all, mut not_asked) = (0, 0);
    for (nth, path) in captures().into_iter().enumerate() {
        let (naive, columns) = (open(&path), open(&path));
        let mut chance = Chance::of_capture(nth);
        let mut filters = Vec::new();
        scan(&naive, None, |ctx| {
            let Some(line) = args.value(ctx).filter(|_| chance.below(97) == 0) else {
                return;
            };
            let line = line.text().into_owned();
            let from = match chance.below(4) {
                0 => 0,
                _ => chance.below(line.len()),
            };
            let to = line.len().min(from + 1 + chance.below(14));
            let part = quote(line.get(from..to).unwrap_or_default());
            filters.push(match chance.below(5) {
                0 => format!("evt.args icontains {part}"),
                1 => format!("not evt.info contains {part}"),
                2 => format!("evt.args contains anyof ({part}, 'q!q')"),
                3 => format!(
                    "evt.args contains {}",
                    quote(&[&line[from..to], b"q!q"].concat())
                ),
                _ => format!("evt.args contains {part}"),
            });
        });
        filters.truncate(60);
        for text in filters {
            let Ok(filter) = Filter::parse(&text) else {
                continue;
            };
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            scan(&naive, None, |ctx| {
                if filter.matches(ctx) {
                    expected.push(ctx.num);
                }
            });
            let progress = Progress::default();
            let mut each = |ctx: &Ctx<'_>| {
                found.push(ctx.num);
                true
            };
            (columns.scan(Some(&filter), None, 1, &progress, &mut each)).unwrap();
            assert_eq!(found, expected, "{}: {text}", path.display());
            found_at_all += usize::from(!found.is_empty());
            let asked = progress.work.asked.load(Ordering::Relaxed);
            not_asked += usize::from(asked < naive.events() / 2);
        }
    }
    assert!(found_at_all > 20, "{found_at_all}");
    assert!(
        not_asked > 10,
        "{not_asked} were answered without putting lines together"
    );
}
