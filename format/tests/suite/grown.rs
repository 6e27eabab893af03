//! Captures that are read while they are written: whatever is whole is read once, and what is known then is what anybody knows who
//! opens the file at that moment.

use crate::damage::blocks;
use crate::story::story;
use afterimage_format::{ErrorKind, Reader};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A file that grows, in a folder of its own.
struct Growing {
    _folder: tempfile::TempDir,
    path: PathBuf,
    out: File,
}

impl Growing {
    fn new(beginning: &[u8]) -> Growing {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("growing.aft");
        let mut out = File::create(&path).unwrap();
        out.write_all(beginning).unwrap();
        Growing {
            _folder: folder,
            path,
            out,
        }
    }
}

/// Everything that is known of a capture.
fn all(reader: &Reader) -> impl PartialEq + std::fmt::Debug + use<> {
    let chunks: Vec<_> = (0..reader.chunks().len())
        .map(|at| reader.chunk(at).map_err(|error| error.to_string()))
        .collect();
    (
        (reader.chunks().to_vec(), chunks, reader.gaps().to_vec()),
        (reader.state().clone(), reader.notes().to_vec()),
        (reader.manifest().clone(), reader.schema().clone()),
        (reader.totals().cloned(), reader.seal().cloned()),
    )
}

/// Follows a file that is written in these pieces, and holds it against one that is opened anew after each. Gives how often it was
/// found to have grown.
fn follow(file: &[u8], start: usize, ends: impl Iterator<Item = usize>) -> usize {
    let mut growing = Growing::new(&file[..start]);
    let mut reader = Reader::open(&growing.path).unwrap();
    let (mut at, mut grew) = (start, 0);
    for end in ends {
        growing.out.write_all(&file[at..end]).unwrap();
        at = end;
        let anew = Reader::open(&growing.path).unwrap();
        match reader.grown().unwrap() {
            Some(grown) => {
                grew += 1;
                reader = grown;
                assert_eq!(all(&reader), all(&anew), "at byte {at}");
            }
            None => {
                assert_eq!(reader.chunks(), anew.chunks(), "at byte {at}");
                assert_eq!(reader.state(), anew.state(), "at byte {at}");
                assert_eq!(reader.notes(), anew.notes(), "at byte {at}");
            }
        }
        assert_eq!(reader.may_grow(), anew.totals().is_none(), "at byte {at}");
    }
    assert_eq!(all(&reader), all(&Reader::open(&growing.path).unwrap()));
    grew
}

#[test]
fn a_file_that_grows_by_any_step_is_known_as_if_it_had_been_opened_then() {
    let file = story().write();
    let starts = blocks(&file);
    let header_end = starts[1];
    // Block by block: each is one more.
    let grew = follow(&file, header_end, starts[2..].iter().copied());
    assert_eq!(grew, starts.len() - 2);
    // Byte by byte: the same, at the same places.
    let grew = follow(&file, header_end, header_end + 1..=file.len());
    assert_eq!(grew, starts.len() - 2);
    // By steps that end anywhere, several blocks at once among them.
    for step in [7, 61, 300, 1009] {
        let ends = (header_end..file.len()).step_by(step).skip(1);
        follow(&file, header_end, ends.chain([file.len()]));
    }
}

#[test]
fn a_real_capture_grows_the_same() {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1");
    let file = std::fs::read(samples.join("crash-loop.aft")).unwrap();
    let starts = blocks(&file);
    follow(&file, starts[1], starts[2..].iter().copied());
    // In the middle of each block, and at its end.
    let halves = starts.windows(2).skip(1);
    let halves = halves.flat_map(|ends| [(ends[0] + ends[1]) / 2, ends[1]]);
    follow(&file, starts[1], halves);
}

#[test]
fn a_block_that_is_damaged_is_a_gap_while_the_file_grows() {
    let mut file = story().write();
    let starts = blocks(&file);
    for block in starts[2..starts.len() - 3].windows(2) {
        let at = (block[0] + block[1]) / 2;
        file[at] ^= 0x40;
        // Not to the end: a sealed file is opened by its index, as the next test has it.
        let ends = starts[2..starts.len() - 1].iter().copied();
        follow(&file, starts[1], ends);
        file[at] ^= 0x40;
    }
}

#[test]
fn a_sealed_file_does_not_grow() {
    let growing = Growing::new(&story().write());
    let reader = Reader::open(&growing.path).unwrap();
    assert!(!reader.may_grow());
    assert!(reader.grown().unwrap().is_none());
}

#[test]
fn a_file_that_is_cut_replaced_or_written_anew_is_refused() {
    let file = story().write();
    let starts = blocks(&file);
    let (some, more) = (&file[..starts[3]], &file[starts[3]..starts[4]]);

    let growing = Growing::new(some);
    let reader = Reader::open(&growing.path).unwrap();
    growing.out.set_len(some.len() as u64 - 1).unwrap();
    let error = reader.grown().err().unwrap();
    assert!(matches!(error.kind, ErrorKind::Cut { .. }), "{error}");

    let mut growing = Growing::new(some);
    let reader = Reader::open(&growing.path).unwrap();
    let other: Vec<u8> = [some, more].concat().iter().map(|byte| !byte).collect();
    std::fs::write(&growing.path, other).unwrap();
    let error = reader.grown().err().unwrap();
    assert!(matches!(error.kind, ErrorKind::Rewritten), "{error}");

    growing.out = File::create(growing.path.with_extension("new")).unwrap();
    assert!(reader.is_at(&growing.path).unwrap());
    std::fs::rename(growing.path.with_extension("new"), &growing.path).unwrap();
    assert!(!reader.is_at(&growing.path).unwrap());
    std::fs::remove_file(&growing.path).unwrap();
    assert!(reader.is_at(&growing.path).is_err());
}
