//! Encrypted captures: read by whoever they are for, checked by anybody, and closed to everybody else, whole or damaged.

use crate::evidence::key;
use crate::forge::{apart, together};
use crate::story::{Story, story};
use afterimage_format::derive::{Origin, Recipe, derive};
use afterimage_format::layout::{BLOCK_HEAD, BLOCK_TAIL, FILE_HEAD, FLAG_SEALED, SEGMENT, block};
use afterimage_format::{
    Artifact, Checks, Deed, ErrorKind, Identities, Lineage, Note, Reader, Recipient, SecretKey,
    Verdict, Writer, WriterOptions, check_bytes, recover, verify_bytes,
};
use afterimage_model::{BootNs, ClockPair, Event};
use std::process::{Command, Stdio};

/// Made by age-keygen.
pub const FIRST: &str =
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
const SECOND: &str = "AGE-SECRET-KEY-1FGM0YAYGD5RU0SUDGXVSTZP3ACN6AKQSM44MQGZKLNCUX0PJA9GQHS44HF";

pub fn identity(text: &str) -> Identities {
    Identities::parse(text).unwrap()
}

fn recipients(texts: &[&str]) -> Vec<Recipient> {
    texts
        .iter()
        .flat_map(|text| identity(text).recipients())
        .collect()
}

fn options(texts: &[&str]) -> WriterOptions {
    WriterOptions {
        recipients: recipients(texts),
        ..WriterOptions::default()
    }
}

/// How often the remark stands in the artifact.
const REPEATS: usize = 20;
const REMARK: &str = "a remark that nobody else may read";

/// A capture with every kind of block that may be sealed.
pub fn encrypted(story: &Story, texts: &[&str], signer: Option<&SecretKey>) -> Vec<u8> {
    with_artifact(story, texts, signer, REPEATS)
}

fn with_artifact(
    story: &Story,
    texts: &[&str],
    signer: Option<&SecretKey>,
    repeats: usize,
) -> Vec<u8> {
    let mut writer = Writer::signed(
        Vec::new(),
        &story.manifest,
        &Lineage::default(),
        &story.schema,
        options(texts),
        signer,
    )
    .unwrap();
    if signer.is_some() {
        let deed = Deed {
            action: "created".into(),
            ..Deed::default()
        };
        writer.custody(&deed, signer).unwrap();
    }
    writer.state(BootNs(1_000), &story.tables).unwrap();
    for (at, chunk) in story.chunks.iter().enumerate() {
        for event in chunk {
            writer.push(event.clone(), &story.tables).unwrap();
        }
        writer.flush(&story.tables).unwrap();
        if at == 0 {
            writer.gap(story.gap.as_ref().unwrap()).unwrap();
            writer
                .checkpoint(ClockPair {
                    boot_ns: 3_000,
                    ..ClockPair::default()
                })
                .unwrap();
        }
    }
    let note = Note {
        text: REMARK.into(),
        ..Note::default()
    };
    writer.note(&note).unwrap();
    let artifact = Artifact {
        bytes: REMARK.as_bytes().repeat(repeats),
        ..Artifact::default()
    };
    writer.artifact(&artifact).unwrap();
    writer.seal(&story.totals, &story.tables).unwrap()
}

fn events(reader: &Reader) -> Vec<Event> {
    let chunks = 0..reader.chunks().len();
    chunks
        .filter_map(|at| reader.chunk(at).ok())
        .flat_map(|chunk| chunk.events)
        .collect()
}

fn looked_into(file: &[u8], text: &str) -> Checks {
    assert!(!file.is_empty());
    Checks {
        identities: identity(text),
        ..Checks::thorough()
    }
}

#[test]
fn an_encrypted_capture_reads_like_any_other_with_an_identity_of_each_recipient() {
    let story = story();
    let file = encrypted(&story, &[FIRST, SECOND], None);
    let plain = Reader::from_bytes(story.write()).unwrap();
    for text in [FIRST, SECOND] {
        let reader = Reader::from_bytes_with(file.clone(), &identity(text)).unwrap();
        assert!(events(&reader).iter().eq(story.events()));
        assert_eq!(reader.gaps(), plain.gaps());
        assert_eq!(reader.state(), plain.state());
        assert_eq!(reader.notes()[0].text, REMARK);
        assert_eq!(reader.manifest(), &story.manifest);
        assert_eq!(
            reader.artifact(0).unwrap().bytes,
            REMARK.as_bytes().repeat(REPEATS)
        );
        for at in 0..reader.chunks().len() {
            assert_eq!(reader.zone(at).unwrap(), plain.zone(at).unwrap());
        }
        let named: Vec<String> = recipients(&[FIRST, SECOND])
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(reader.lineage().recipients, named);
    }
}

#[test]
fn without_an_identity_or_with_a_strangers_it_does_not_open_and_says_to_whom_it_is_encrypted() {
    let file = encrypted(&story(), &[FIRST], None);
    let name = recipients(&[FIRST])[0].to_string();
    let locked = Reader::from_bytes(file.clone()).err().unwrap();
    assert!(
        matches!(&locked.kind, ErrorKind::Locked(names) if *names == name),
        "{locked}"
    );
    let strange = Reader::from_bytes_with(file, &identity(SECOND))
        .err()
        .unwrap();
    assert!(
        matches!(&strange.kind, ErrorKind::Stranger(names) if *names == name),
        "{strange}"
    );
}

#[test]
fn nothing_that_was_recorded_is_in_the_file() {
    let story = story();
    let file = encrypted(&story, &[FIRST], Some(&key(1)));
    let pieces = apart(&file);
    for piece in &pieces {
        let clear = matches!(
            piece.ty,
            block::HEADER
                | block::SCHEMA
                | block::CHECKPOINT
                | block::INDEX
                | block::FOOTER
                | block::KEY
        );
        let custody = piece.ty == block::NOTE && piece.flags & FLAG_SEALED == 0;
        assert_eq!(
            piece.flags & FLAG_SEALED == 0,
            clear || custody,
            "{}",
            piece.ty
        );
    }
    let behind_the_schema = FILE_HEAD
        + pieces[..2]
            .iter()
            .map(|p| BLOCK_HEAD + p.body.len() + BLOCK_TAIL)
            .sum::<usize>();
    for secret in [
        &b"/etc/"[..],
        b"4f2a9be0c1d2",
        b"docker",
        REMARK.as_bytes(),
        b"init",
        b"shop",
    ] {
        let seen = file[behind_the_schema..]
            .windows(secret.len())
            .any(|bytes| bytes == secret);
        assert!(!seen, "{}", String::from_utf8_lossy(secret));
    }
}

#[test]
fn chain_signatures_and_seal_are_checked_without_an_identity_and_the_inside_with_one() {
    let file = encrypted(&story(), &[FIRST], Some(&key(1)));
    let outside = verify_bytes(file.clone()).unwrap();
    assert!(
        matches!(outside.verdict, Verdict::SealedIntact),
        "{}",
        outside.verdict
    );
    assert!(outside.signing.as_ref().unwrap().sealed && !outside.looked_into);
    assert_eq!((outside.events, outside.chunks, outside.gaps), (42, 3, 1));
    assert_eq!(outside.recipients.as_ref().map(Vec::len), Some(1));
    let inside = check_bytes(file.clone(), &looked_into(&file, FIRST)).unwrap();
    assert!(
        matches!(inside.verdict, Verdict::SealedIntact),
        "{}",
        inside.verdict
    );
    assert!(inside.looked_into);
    assert_eq!(inside.digest, outside.digest);
    assert!(check_bytes(file.clone(), &looked_into(&file, SECOND)).is_err());
}

/// A body that was changed under a chain that was made anew is found by whoever can open it.
#[test]
fn a_sealed_body_that_was_changed_moved_replaced_or_laid_open_is_refused() {
    let story = story();
    let file = encrypted(&story, &[FIRST], None);
    let (pieces, other) = (apart(&file), apart(&encrypted(&story, &[FIRST], None)));
    let chunks: Vec<usize> = (0..pieces.len())
        .filter(|at| pieces[*at].ty == block::CHUNK)
        .collect();
    let state = (0..pieces.len())
        .find(|at| pieces[*at].ty == block::STATE)
        .unwrap();
    let plain_state = apart(&story.write())
        .into_iter()
        .find(|p| p.ty == block::STATE)
        .unwrap();
    let mut cases = Vec::new();
    let mut changed = pieces.clone();
    *changed[chunks[1]].body.last_mut().unwrap() ^= 1;
    cases.push(("changed", changed));
    let mut moved = pieces.clone();
    moved.swap(chunks[1], chunks[2]);
    cases.push(("moved", moved));
    let mut replaced = pieces.clone();
    replaced[chunks[1]] = other[chunks[1]].clone();
    cases.push(("of another capture", replaced));
    let mut open = pieces.clone();
    open[state] = plain_state;
    cases.push(("laid open", open));
    let mut brief = pieces.clone();
    let wrong = brief[chunks[1]].body[0] ^ 1;
    brief[chunks[1]].body[0] = wrong;
    let crc = crc32c::crc32c(&brief[chunks[1]].body[..32]).to_le_bytes();
    brief[chunks[1]].body[32..36].copy_from_slice(&crc);
    cases.push(("another number of its first event", brief));
    for (what, pieces) in cases {
        let file = together(&pieces, |_| false);
        let report = check_bytes(file.clone(), &looked_into(&file, FIRST)).unwrap();
        assert!(
            matches!(report.verdict, Verdict::Broken { .. }),
            "{what}: {}",
            report.verdict
        );
        let reader = Reader::from_bytes_with(file, &identity(FIRST)).unwrap();
        let (read, lost) = (
            events(&reader),
            (0..reader.chunks().len())
                .filter(|at| reader.chunk(*at).is_err())
                .count(),
        );
        assert!(
            read.iter()
                .all(|event| story.events().any(|other| other == event)),
            "{what}"
        );
        assert!(lost > 0 || !reader.gaps().is_empty(), "{what}");
    }
}

#[test]
fn a_key_that_is_taken_away_or_added_breaks_the_capture() {
    let pieces = apart(&encrypted(&story(), &[FIRST], None));
    for field in [68, 69] {
        let mut stripped = pieces.clone();
        stripped[0].body = crate::forge::set(&stripped[0].body, field, None);
        let file = together(&stripped, |_| false);
        let report = verify_bytes(file.clone()).unwrap();
        assert!(
            matches!(report.verdict, Verdict::Broken { .. }),
            "{field}: {}",
            report.verdict
        );
        let opened = Reader::from_bytes_with(file, &identity(FIRST));
        assert!(
            opened.is_err() || opened.is_ok_and(|reader| events(&reader).is_empty()),
            "{field}"
        );
    }
    // Sealed blocks in a capture that names no key.
    let mut open = apart(&story().write());
    let state = (0..open.len())
        .find(|at| open[*at].ty == block::STATE)
        .unwrap();
    let sealed = pieces
        .iter()
        .find(|piece| piece.ty == block::STATE)
        .unwrap();
    open[state] = sealed.clone();
    let report = verify_bytes(together(&open, |_| false)).unwrap();
    assert!(
        matches!(report.verdict, Verdict::Broken { .. }),
        "{}",
        report.verdict
    );
}

#[test]
fn nothing_that_is_sealed_may_stand_behind_the_footer() {
    let mut pieces = apart(&encrypted(&story(), &[FIRST], Some(&key(1))));
    let remark = pieces
        .iter()
        .find(|piece| piece.ty == block::NOTE && piece.flags & FLAG_SEALED != 0);
    pieces.push(remark.unwrap().clone());
    let report = verify_bytes(together(&pieces, |piece| piece.ty != block::NOTE)).unwrap();
    assert!(report.custody_error.is_some(), "{}", report.verdict);
}

#[test]
fn a_flipped_bit_anywhere_costs_at_most_one_chunk_and_shows_nothing_that_was_not_recorded() {
    let story = story();
    let file = encrypted(&story, &[FIRST], None);
    let (all, identities) = (story.events().count(), identity(FIRST));
    for at in (0..file.len()).step_by(7) {
        let mut changed = file.clone();
        changed[at] ^= 1 << (at % 8);
        let report = verify_bytes(changed.clone());
        assert!(
            report.map_or(at < FILE_HEAD, |report| matches!(
                report.verdict,
                Verdict::Broken { .. }
            )),
            "byte {at}"
        );
        let Ok(reader) = Reader::from_bytes_with(changed, &identities) else {
            assert!(at < FILE_HEAD, "byte {at}");
            continue;
        };
        let read = events(&reader);
        assert!(all - read.len() <= 14, "byte {at}: {} events", read.len());
        assert!(
            read.iter()
                .all(|event| story.events().any(|other| other == event)),
            "byte {at}"
        );
    }
}

#[test]
fn a_capture_cut_anywhere_opens_with_a_prefix_or_says_what_it_lacks() {
    let story = story();
    let file = encrypted(&story, &[FIRST], Some(&key(1)));
    let (all, identities) = (story.events().collect::<Vec<_>>(), identity(FIRST));
    for at in (0..file.len()).step_by(11) {
        let Ok(reader) = Reader::from_bytes_with(file[..at].to_vec(), &identities) else {
            continue;
        };
        let read = events(&reader);
        assert!(
            read.iter().eq(all[..read.len()].iter().copied()),
            "cut at {at}"
        );
        assert!(!reader.gaps().is_empty(), "cut at {at}");
    }
}

#[test]
fn part_of_a_large_body_is_read_without_the_rest() {
    let story = story();
    let mut file = with_artifact(&story, &[FIRST], None, 5_000);
    // The last segment of the artifact: whoever reads the chunks never sees it.
    let pieces = apart(&file);
    let artifact = pieces
        .iter()
        .position(|piece| piece.ty == block::ARTIFACT)
        .unwrap();
    assert!(pieces[artifact].body.len() > 2 * SEGMENT);
    let end: usize = FILE_HEAD
        + pieces[..=artifact]
            .iter()
            .map(|p| BLOCK_HEAD + p.body.len() + BLOCK_TAIL)
            .sum::<usize>();
    file[end - BLOCK_TAIL - 1] ^= 1;
    let reader = Reader::from_bytes_with(file, &identity(FIRST)).unwrap();
    assert_eq!(events(&reader).len(), 42);
    assert!(reader.artifact(0).is_err());
}

#[test]
fn what_is_recovered_stays_encrypted_also_when_the_header_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from.aft"), folder.path().join("to.aft"));
    let mut file = encrypted(&story(), &[FIRST], None);
    file.truncate(file.len() - 100);
    std::fs::write(&from, &file).unwrap();
    let deed = Deed::default();
    assert!(
        recover(&from, &to, &deed, None, &Identities::default(), None).is_err() && !to.exists()
    );
    assert!(recover(&from, &to, &deed, None, &identity(SECOND), None).is_err() && !to.exists());
    let saved = recover(&from, &to, &deed, None, &identity(FIRST), None).unwrap();
    assert_eq!((saved.chunks, saved.events), (3, 42));
    let recovered = std::fs::read(&to).unwrap();
    assert!(Reader::from_bytes(recovered.clone()).is_err());
    assert_eq!(
        events(&Reader::open_with(&to, &identity(FIRST)).unwrap()).len(),
        42
    );
    let report = check_bytes(recovered.clone(), &looked_into(&recovered, FIRST)).unwrap();
    assert!(
        matches!(report.verdict, Verdict::SealedIntact),
        "{}",
        report.verdict
    );
    // Whom the damaged one was for is not known any more; the key block still opens it.
    file[FILE_HEAD + BLOCK_HEAD + 20] ^= 1;
    let reader = Reader::from_bytes_with(file.clone(), &identity(FIRST)).unwrap();
    assert_eq!(events(&reader).len(), 42);
    std::fs::write(&from, &file).unwrap();
    std::fs::remove_file(&to).unwrap();
    assert!(recover(&from, &to, &deed, None, &identity(FIRST), None).is_err() && !to.exists());
    let others = recipients(&[SECOND]);
    recover(&from, &to, &deed, None, &identity(FIRST), Some(&others)).unwrap();
    assert_eq!(
        events(&Reader::open_with(&to, &identity(SECOND)).unwrap()).len(),
        42
    );
}

#[test]
fn a_capture_can_be_encrypted_later_and_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to, again) = (
        folder.path().join("a"),
        folder.path().join("b"),
        folder.path().join("c"),
    );
    std::fs::write(&from, story().write()).unwrap();
    let make =
        |from: &std::path::Path, to: &std::path::Path, identities: &Identities, texts: &[&str]| {
            let recipe = Recipe {
                deed: Deed {
                    action: "repacked".into(),
                    ..Deed::default()
                },
                options: options(texts),
                ..Recipe::default()
            };
            let origin = Origin::open_with(from, identities).unwrap();
            derive(&[origin], to, &recipe, &mut |_, _, _| true).unwrap();
        };
    make(&from, &to, &Identities::default(), &[FIRST]);
    make(&to, &again, &identity(FIRST), &[SECOND]);
    assert!(Reader::open_with(&again, &identity(FIRST)).is_err());
    let reader = Reader::open_with(&again, &identity(SECOND)).unwrap();
    assert!(events(&reader).iter().eq(story().events()));
    // Also what was found when the encrypted parent was verified is that it is intact.
    assert_eq!(
        reader.lineage().parents[0].verdict,
        "sealed and intact, not signed"
    );
}

/// The key in the header opens with the reference tool, which knows nothing of captures.
#[test]
fn the_age_tool_opens_the_key_of_a_capture() {
    if Command::new("age").arg("--version").output().is_err() {
        eprintln!("skipped: the age tool is not installed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (secret, wrapped) = (folder.path().join("secret"), folder.path().join("key.age"));
    let file = encrypted(&story(), &[SECOND, FIRST], None);
    let reader = Reader::from_bytes_with(file, &identity(FIRST)).unwrap();
    std::fs::write(&wrapped, &reader.lineage().key).unwrap();
    for text in [FIRST, SECOND] {
        std::fs::write(&secret, text).unwrap();
        let opened = Command::new("age")
            .arg("-d")
            .arg("-i")
            .arg(&secret)
            .arg(&wrapped)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            opened.status.success(),
            "{}",
            String::from_utf8_lossy(&opened.stderr)
        );
        assert_eq!(opened.stdout.len(), 32);
    }
}
