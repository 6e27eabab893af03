//! What has to hold of texts and captures that nobody would write: of filters and output formats, of rule files, of captures
//! of sysdig. The fuzz targets ask it of whatever they find, the tests of the seeds and of what a few changes make of them.

use afterimage_detect::{Selection, load, results_json};
use afterimage_format::Reader;
use afterimage_interop::{Provenance, open, scap};
use afterimage_query::{Filter, Syntax, Template, complete};
use std::io::{Cursor, Seek, Write};

/// No text makes the parsers of filters and output formats panic, and what is printed is read back as the same.
pub fn filter(text: &str) {
    match Filter::parse(text) {
        Ok(filter) => {
            let printed = filter.print();
            assert!(printed.chars().all(|c| !c.is_control()));
            let again = Filter::parse(&printed).expect("what is printed is a filter");
            assert_eq!(again, filter);
            for note in filter.notes() {
                let _ = note.message();
            }
        }
        Err(error) => {
            assert!(
                error
                    .to_string()
                    .chars()
                    .all(|c| c == '\n' || !c.is_control())
            );
        }
    }
    if let Ok(syntax) = Syntax::parse(text) {
        let printed = syntax.to_string();
        assert_eq!(
            Syntax::parse(&printed).expect("what is printed is a tree"),
            syntax
        );
        let _ = Filter::from_syntax(&syntax);
    }
    let _ = Template::parse(text).map_err(|error| error.to_string());
    let _ = complete(text, text.len() / 2);
}

/// No text makes loading rules panic or take more than its bounds, alone or after another.
pub fn rules(text: &str) {
    let (first, second) = text.split_once("\n%%\n").unwrap_or((text, ""));
    let (rules, reports) = load([("first.yaml", first), ("second.yaml", second)]);
    for problem in reports
        .iter()
        .flat_map(|r| r.errors.iter().chain(&r.warnings))
    {
        let _ = (problem.to_string(), problem.snippet().len(), problem.item());
    }
    let _ = results_json(&reports).to_string();
    let _ = rules.select(&Selection::default());
}

/// Any bytes may be a capture of sysdig; what is made of it can be read. Of one in sixteen something is made: a schema is written
/// and read for that, which takes a hundred times as long as following a few events.
pub fn capture_of_sysdig(bytes: &[u8]) {
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    // Plain bytes, or those behind the first ones of a section, so that blocks are reached at once.
    let begun = scap::SECTION_HEAD;
    for input in [bytes.to_vec(), [&begun[..], bytes].concat()] {
        looked_over(&input);
        if sum % 16 != 0 {
            continue;
        }
        let made = scap::convert(
            Box::new(Cursor::new(input)),
            Vec::new(),
            open::manifest(),
            &Provenance::default(),
        );
        if let Ok((made, report)) = made {
            let reader = Reader::from_bytes(made).expect("what is made can be read");
            assert_eq!(reader.events(), report.events);
            for at in 0..reader.chunks().len() {
                reader.chunk(at).expect("every chunk can be read");
            }
        }
    }
}

/// What is looked over first is answered as if every event were followed.
fn looked_over(bytes: &[u8]) {
    let mut answers = [true, false].map(|patient| {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(bytes).expect("a file is written");
        file.rewind().expect("a file begins");
        let stream = scap::Stream::of_file(file, open::manifest()).ok()?;
        let schema = stream.schema();
        let filter =
            Filter::parse("fd.name contains etc or proc.name in (bash, cat)").expect("a filter");
        let idle = vec![false; schema.types.len()];
        let words = filter.words().unwrap_or_default();
        let sieve = scap::Sieve {
            kept: true,
            patient,
            words: &words,
            idle: &idle,
            may: &mut |_, _, _, _| true,
            of: &mut |_, _, _| true,
        };
        let mut found = Vec::new();
        let ended = stream.sift(sieve, &mut |stretch| {
            let said = |proc| stretch.tables.proc(proc).map(|row| row.comm.clone());
            for (at, number) in stretch.numbers.iter().enumerate() {
                let Some(row) = stretch.batch.row(at) else {
                    continue;
                };
                let file = row.file.and_then(|file| stretch.tables.file(file));
                let name = file.map(|file| file.path.clone()).unwrap_or_default();
                let comm = said(row.proc).unwrap_or_default();
                let wanted = [&b"bash"[..], b"cat"].contains(&comm.as_slice());
                if wanted || name.windows(3).any(|part| part == b"etc") {
                    found.push((*number, comm, name));
                }
            }
            Ok(true)
        });
        let ended = ended.ok()??;
        Some((found, ended.events(), ended.report()))
    });
    let [ahead, all] = &mut answers;
    assert_eq!(ahead, all);
}
