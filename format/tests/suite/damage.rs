//! Files that were cut, changed, shuffled or grown: everything whole is still read, everything lost is a gap, nothing is called intact.

use crate::story::{Story, story};
use afterimage_format::layout::{BLOCK_HEAD, BLOCK_TAIL, FILE_HEAD};
use afterimage_format::{
    Deed, Error, Identities, Reader, Recovered, Verdict, recover, verify, verify_bytes,
};
use afterimage_model::{Event, Gap, GapCause};
use std::path::Path;

/// Every event that can be read, and every gap including those of chunks that turn out to be unreadable.
fn read(reader: &Reader) -> (Vec<Event>, Vec<Gap>) {
    let (mut events, mut gaps) = (Vec::new(), reader.gaps().to_vec());
    for at in 0..reader.chunks().len() {
        match reader.chunk(at) {
            Ok(chunk) => events.extend(chunk.events),
            Err(_) => gaps.extend(reader.loss(at)),
        }
    }
    (events, gaps)
}

/// Where each block starts, and the end of the file.
pub(crate) fn blocks(file: &[u8]) -> Vec<usize> {
    let mut starts = vec![FILE_HEAD];
    while let Some(at) = starts.last().copied().filter(|at| *at < file.len()) {
        let len = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap());
        starts.push(at + BLOCK_HEAD + len as usize + BLOCK_TAIL);
    }
    starts
}

fn block_type(file: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([file[at + 4], file[at + 5]])
}

/// The places of the chunk blocks among all blocks.
fn chunk_blocks(file: &[u8]) -> Vec<usize> {
    let starts = blocks(file);
    (0..starts.len() - 1)
        .filter(|at| block_type(file, starts[*at]) == 4)
        .collect()
}

fn is_broken(file: Vec<u8>) -> bool {
    matches!(
        verify_bytes(file).map(|report| report.verdict),
        Ok(Verdict::Broken { .. })
    )
}

/// What is recovered by nobody in particular, of a capture that is in the clear.
pub fn recovered(from: &Path, to: &Path) -> Result<Recovered, Error> {
    let (deed, identities) = (Deed::default(), Identities::default());
    recover(from, to, &deed, None, &identities, None)
}

#[test]
fn a_file_cut_anywhere_opens_with_a_prefix_of_its_events_and_one_torn_gap() {
    let story = story();
    let file = story.write();
    let header_end = blocks(&file)[1];
    let wanted: Vec<&Event> = story.events().collect();
    for cut in 0..file.len() {
        let torn = file[..cut].to_vec();
        if cut < header_end {
            let error = Reader::from_bytes(torn.clone())
                .err()
                .unwrap_or_else(|| panic!("opened at {cut}"));
            assert!(!error.to_string().is_empty());
            assert!(
                !matches!(verify_bytes(torn), Ok(report) if matches!(report.verdict, Verdict::SealedIntact))
            );
            continue;
        }
        let reader = Reader::from_bytes(torn.clone())
            .unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        let (events, gaps) = read(&reader);
        assert!(
            events.iter().eq(wanted.iter().take(events.len()).copied()),
            "cut at {cut}"
        );
        let found: Vec<&Gap> = gaps
            .iter()
            .filter(|gap| story.gap.as_ref() != Some(gap))
            .collect();
        assert_eq!(found.len(), 1, "cut at {cut}: {found:?}");
        assert_eq!(found[0].cause, GapCause::Torn, "cut at {cut}");
        assert_eq!(reader.totals(), None, "cut at {cut}");
        let report = verify_bytes(torn).unwrap();
        assert!(
            matches!(report.verdict, Verdict::IntactUnsealed),
            "cut at {cut}: {}",
            report.verdict
        );
        assert_eq!(report.events, events.len() as u64);
    }
}

#[test]
fn a_chunk_cut_behind_its_zone_map_is_a_gap_that_knows_its_count_and_span() {
    let story = story();
    let file = story.write();
    let starts = blocks(&file);
    let last = *chunk_blocks(&file).last().unwrap();
    let reader = Reader::from_bytes(file[..starts[last + 1] - 1].to_vec()).unwrap();
    let gap = reader.gaps().last().unwrap();
    assert_eq!((gap.cause, gap.count), (GapCause::Torn, Some(14)));
    assert_eq!(
        (gap.start, gap.end),
        (story.chunks[2][0].time, story.chunks[2][13].time)
    );
}

#[test]
fn a_flipped_bit_anywhere_costs_at_most_one_chunk_and_is_never_called_intact() {
    let story = story();
    let file = story.write();
    assert!(
        file.len() < 13 << 10,
        "the file is too large for this test: {} bytes",
        file.len()
    );
    let half = file.len() / 2;
    std::thread::scope(|scope| {
        for bytes in [0..half, half..file.len()] {
            let (story, mut file) = (&story, file.clone());
            scope.spawn(move || {
                bytes.for_each(|at| (0..8).for_each(|bit| flip(story, &mut file, at, bit)))
            });
        }
    });
}

fn flip(story: &Story, file: &mut [u8], at: usize, bit: u8) {
    file[at] ^= 1 << bit;
    match Reader::from_bytes(file.to_vec()) {
        // Only the file head cannot be done without: it says what the blocks look like.
        Err(error) => assert!(at < FILE_HEAD, "byte {at} bit {bit}: {error}"),
        Ok(reader) => {
            assert!(at >= FILE_HEAD, "byte {at} bit {bit}: opened");
            let (events, gaps) = read(&reader);
            let lost = story
                .chunks
                .iter()
                .filter(|chunk| !events.windows(chunk.len()).any(|window| window == **chunk))
                .count();
            assert_eq!(
                events.len(),
                (story.chunks.len() - lost) * 14,
                "byte {at} bit {bit}"
            );
            assert!(lost <= 1, "byte {at} bit {bit}: {lost} chunks lost");
            if lost == 1 {
                assert!(
                    gaps.iter().any(|gap| gap.count == Some(14)),
                    "byte {at} bit {bit}: {gaps:?}"
                );
            }
        }
    }
    match verify_bytes(file.to_vec()) {
        Err(error) => assert!(at < FILE_HEAD, "byte {at} bit {bit}: {error}"),
        Ok(report) => assert!(
            matches!(report.verdict, Verdict::Broken { .. }),
            "byte {at} bit {bit}: {}",
            report.verdict
        ),
    }
    file[at] ^= 1 << bit;
}

#[test]
fn a_run_of_overwritten_bytes_costs_only_the_chunks_it_touches() {
    let story = story();
    let file = story.write();
    let starts = blocks(&file);
    let chunks = chunk_blocks(&file);
    for fill in [0x00, 0xff, 0xa6] {
        let mut damaged = file.clone();
        // From the middle of the first chunk into the second.
        let (from, to) = (starts[chunks[0]] + 60, starts[chunks[1]] + 60);
        damaged[from..to].fill(fill);
        let footer = damaged.len() - 4;
        damaged.truncate(footer);
        let reader = Reader::from_bytes(damaged.clone()).unwrap();
        let (events, gaps) = read(&reader);
        assert!(events.iter().eq(story.chunks[2].iter()));
        let lost: u64 = gaps
            .iter()
            .filter(|gap| gap.cause == GapCause::Unreadable)
            .filter_map(|gap| gap.count)
            .sum();
        assert_eq!(lost, 28, "{gaps:?}");
        assert!(is_broken(damaged));
    }
}

#[test]
fn junk_between_blocks_is_stepped_over() {
    let story = story();
    let file = story.write();
    let starts = blocks(&file);
    for at in &starts[1..starts.len() - 1] {
        let mut grown = file.clone();
        let junk: Vec<u8> = (0..97_u8)
            .map(|n| if n % 7 == 0 { 0xa6 } else { n.wrapping_mul(31) })
            .collect();
        grown.splice(*at..*at, junk);
        let reader = Reader::from_bytes(grown.clone()).unwrap();
        let (events, gaps) = read(&reader);
        assert!(events.iter().eq(story.events()));
        assert!(
            gaps.iter()
                .any(|gap| gap.cause == GapCause::Unreadable && gap.count.unwrap_or(0) == 0)
        );
        assert!(is_broken(grown));
    }
}

#[test]
fn removed_doubled_or_swapped_blocks_break_the_chain_even_with_good_checksums() {
    let file = story().write();
    let starts = blocks(&file);
    for at in 1..starts.len() - 2 {
        let (block, next) = (
            &file[starts[at]..starts[at + 1]],
            &file[starts[at + 1]..starts[at + 2]],
        );
        let (before, after) = (&file[..starts[at]], &file[starts[at + 2]..]);
        for changed in [
            [before, next, after].concat(),
            [before, block, block, next, after].concat(),
            [before, next, block, after].concat(),
        ] {
            assert!(Reader::from_bytes(changed.clone()).is_ok());
            assert!(is_broken(changed), "block {at}");
        }
    }
}

#[test]
fn a_block_of_another_capture_is_never_taken_for_one_of_this_file() {
    let file = story().write();
    let other = Story {
        manifest: afterimage_model::Manifest {
            host: "other".into(),
            ..story().manifest
        },
        ..story()
    }
    .write();
    let (starts, others) = (blocks(&file), blocks(&other));
    let (mine, theirs) = (chunk_blocks(&file), chunk_blocks(&other));
    let mut spliced = file[..starts[mine[1]]].to_vec();
    spliced.extend_from_slice(&other[others[theirs[1]]..others[theirs[1] + 1]]);
    spliced.extend_from_slice(&file[starts[mine[1] + 1]..]);
    let reader = Reader::from_bytes(spliced[..spliced.len() - 1].to_vec()).unwrap();
    assert_eq!(read(&reader).0.len(), 28);
    assert!(is_broken(spliced));
}

#[test]
fn bytes_after_the_footer_break_the_seal() {
    let story = story();
    for tail in [b"\0".as_slice(), b"more", &[0; 4096]] {
        let mut file = story.write();
        file.extend_from_slice(tail);
        assert!(is_broken(file.clone()));
        let reader = Reader::from_bytes(file).unwrap();
        assert_eq!(reader.totals(), None);
        assert!(read(&reader).0.iter().eq(story.events()));
    }
}

#[test]
fn a_tail_of_zeros_after_a_power_cut_is_torn_not_broken() {
    let story = story();
    let mut file = story.write();
    let starts = blocks(&file);
    let last = *chunk_blocks(&file).last().unwrap();
    file[starts[last]..].fill(0);
    let reader = Reader::from_bytes(file.clone()).unwrap();
    assert_eq!(read(&reader).0.len(), 28);
    assert_eq!(reader.gaps().last().unwrap().cause, GapCause::Torn);
    assert!(matches!(
        verify_bytes(file).unwrap().verdict,
        Verdict::IntactUnsealed
    ));
}

#[test]
fn a_damaged_chunk_is_named_by_number_and_offset() {
    let mut file = story().write();
    let starts = blocks(&file);
    let at = starts[chunk_blocks(&file)[1]];
    file[at + BLOCK_HEAD + 200] ^= 1;
    let reader = Reader::from_bytes(file.clone()).unwrap();
    let message = reader.chunk(1).unwrap_err().to_string();
    assert!(
        message.starts_with(&format!("chunk 1 at byte {at}: checksum of the block is ")),
        "{message}"
    );
    let Verdict::Broken { error } = verify_bytes(file).unwrap().verdict else {
        panic!("not broken")
    };
    assert_eq!(error.to_string(), message);
}

#[test]
fn recovering_a_damaged_file_makes_a_sealed_one_that_names_its_parent() {
    let story = story();
    let mut file = story.write();
    let starts = blocks(&file);
    let second = starts[chunk_blocks(&file)[1]];
    file[second + BLOCK_HEAD + 200] ^= 1;
    file.truncate(file.len() - 30);
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (
        folder.path().join("torn.aft"),
        folder.path().join("saved.aft"),
    );
    std::fs::write(&from, &file).unwrap();
    let saved = recovered(&from, &to).unwrap();
    assert_eq!((saved.chunks, saved.events), (2, 28));
    assert!(
        matches!(verify(&to).unwrap().verdict, Verdict::SealedIntact),
        "{}",
        verify(&to).unwrap().verdict
    );
    let reader = Reader::open(&to).unwrap();
    assert_eq!(reader.lineage().parent, blake3::hash(&file).as_bytes());
    let mut manifest = reader.manifest().clone();
    assert_ne!(manifest.capture_id, story.manifest.capture_id);
    manifest.capture_id = story.manifest.capture_id.clone();
    assert_eq!(manifest, story.manifest);
    assert_eq!(reader.state(), &story.tables);
    assert_eq!(
        reader.chunks()[1].first_num,
        29,
        "events keep their numbers"
    );
    let (events, gaps) = read(&reader);
    assert!(
        events
            .iter()
            .eq(story.chunks[0].iter().chain(&story.chunks[2]))
    );
    assert_eq!(
        gaps.len(),
        3,
        "the recorded gap, the damaged chunk, the torn tail: {gaps:?}"
    );
    assert_eq!(
        std::fs::read(&from).unwrap(),
        file,
        "the damaged file is left as it was"
    );
    assert!(
        recovered(&from, &to).is_err(),
        "an existing file is never overwritten"
    );
}

#[test]
fn recovering_a_file_cut_anywhere_makes_a_file_that_verifies_or_none_at_all() {
    let file = story().write();
    let starts = blocks(&file);
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (
        folder.path().join("torn.aft"),
        folder.path().join("saved.aft"),
    );
    for cut in (0..starts[3]).chain(starts[3..].iter().flat_map(|at| [at - 1, *at])) {
        std::fs::write(&from, &file[..cut]).unwrap();
        match recovered(&from, &to) {
            Ok(_) => {
                assert!(cut >= starts[2], "cut at {cut}: nothing was recorded yet");
                let verdict = verify(&to).unwrap().verdict;
                assert!(
                    matches!(verdict, Verdict::SealedIntact),
                    "cut at {cut}: {verdict}"
                );
                std::fs::remove_file(&to).unwrap();
            }
            Err(error) => {
                assert!(cut < starts[2], "cut at {cut}: {error}");
                assert!(!to.exists(), "cut at {cut}");
                // Cut right before it, nothing of it is there to name a place.
                if cut > starts[1] {
                    assert_eq!(
                        error.to_string(),
                        format!("block 1 at byte {}: schema is missing", starts[1])
                    );
                }
            }
        }
    }
}

#[test]
fn recovering_a_file_whose_schema_is_damaged_saves_its_events() {
    let story = story();
    let mut file = story.write();
    let schema = blocks(&file)[1];
    file[schema + BLOCK_HEAD + 9] ^= 1;
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (
        folder.path().join("damaged.aft"),
        folder.path().join("saved.aft"),
    );
    std::fs::write(&from, &file).unwrap();
    assert_eq!(recovered(&from, &to).unwrap().chunks, 3);
    let verdict = verify(&to).unwrap().verdict;
    assert!(matches!(verdict, Verdict::SealedIntact), "{verdict}");
    let (events, gaps) = read(&Reader::open(&to).unwrap());
    assert!(events.iter().eq(story.chunks.iter().flatten()));
    assert_eq!(gaps.len(), 2, "the recorded gap and the schema: {gaps:?}");
}
