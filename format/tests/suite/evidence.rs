//! Attacks on a signed capture by somebody who can write every byte and compute every checksum, and has no key that was
//! used before: each is found, and none is called sealed and intact.

use crate::forge::{Piece, apart, get, set, together};
use crate::story::{Story, story};
use afterimage_format::layout::block;
use afterimage_format::{
    Anchor, Card, Checks, ErrorKind, PublicKey, Report, SecretKey, Verdict, Writer, WriterOptions,
    check_bytes, verify_bytes,
};
use afterimage_format::{Deed, Lineage, Reader, custody};
use afterimage_model::ClockPair;
use std::sync::{Arc, Mutex};

pub fn key(n: u8) -> SecretKey {
    SecretKey::from_seed(&[n; 32])
}

fn clock(n: u64) -> ClockPair {
    ClockPair {
        boot_ns: 2_000 + n,
        mono_ns: 1_900 + n,
        real_ns: 995 + n as i64,
    }
}

/// A signed capture with a checkpoint behind each chunk, and every anchor there was on the way.
pub fn signed(story: &Story, key: &SecretKey) -> (Vec<u8>, Vec<Anchor>) {
    let mut writer = Writer::signed(
        Vec::new(),
        &story.manifest,
        &Lineage::default(),
        &story.schema,
        WriterOptions::default(),
        Some(key),
    )
    .unwrap();
    let anchors = Arc::new(Mutex::new(Vec::new()));
    let told = anchors.clone();
    writer.on_anchor(move |anchor| told.lock().unwrap().push(anchor.clone()));
    for (at, chunk) in story.chunks.iter().enumerate() {
        for event in chunk {
            writer.push(event.clone(), &story.tables).unwrap();
        }
        writer.flush(&story.tables).unwrap();
        if let Some(gap) = story.gap.as_ref().filter(|_| at == 0) {
            writer.gap(gap).unwrap();
        }
        writer.checkpoint(clock(at as u64)).unwrap();
    }
    writer.ended("asked");
    let file = writer.seal(&story.totals, &story.tables).unwrap();
    let anchors = anchors.lock().unwrap().clone();
    (file, anchors)
}

fn small() -> (Vec<u8>, Vec<Anchor>) {
    signed(&story(), &key(1))
}

fn is_sealed(report: &Report) -> bool {
    matches!(report.verdict, Verdict::SealedIntact)
}

/// What is wrong with a file that must be broken.
fn broken(what: &str, file: Vec<u8>) -> ErrorKind {
    match verify_bytes(file).map(|report| report.verdict) {
        Ok(Verdict::Broken { error }) => error.kind,
        other => panic!("{what}: {other:?}"),
    }
}

fn with_keys(file: Vec<u8>, keys: &[PublicKey]) -> Report {
    let checks = Checks {
        keys: keys.to_vec(),
        ..Checks::thorough()
    };
    check_bytes(file, &checks).unwrap()
}

fn with_anchors(file: Vec<u8>, anchors: &[Anchor]) -> Report {
    let checks = Checks {
        anchors: anchors.to_vec(),
        ..Checks::thorough()
    };
    check_bytes(file, &checks).unwrap()
}

fn places(pieces: &[Piece], ty: u16) -> Vec<usize> {
    (0..pieces.len())
        .filter(|at| pieces[*at].ty == ty)
        .collect()
}

/// Repairs everything that can be repaired without a key.
fn repaired(pieces: &[Piece]) -> Vec<u8> {
    together(pieces, |_| false)
}

/// As [`repaired`], leaving what is signed as it was.
fn repaired_around_signatures(pieces: &[Piece]) -> Vec<u8> {
    together(pieces, |piece| piece.ty == block::CHECKPOINT)
}

#[test]
fn a_signed_capture_is_sealed_and_says_who_signed_what() {
    let (file, anchors) = small();
    let report = with_keys(file.clone(), &[key(1).public()]);
    assert!(is_sealed(&report), "{}", report.verdict);
    let signing = report.signing.unwrap();
    assert_eq!(signing.signer, key(1).public());
    assert_eq!((signing.checkpoints, signing.events), (4, 42));
    assert!(signing.sealed);
    assert_eq!(signing.last, clock(2));
    assert_eq!(anchors.last().unwrap(), &report.anchor);
    assert!(anchors.last().unwrap().sealed);
    // The forger of these tests changes nothing when nothing is asked of it.
    assert_eq!(repaired(&apart(&file)), file);
    assert!(Reader::from_bytes(file).unwrap().gaps().len() == 1);
}

#[test]
fn a_changed_event_is_found_even_when_all_checksums_are_made_anew() {
    let (file, _) = small();
    let pieces = apart(&file);
    let chunks = places(&pieces, block::CHUNK);
    // Another chunk's body under this one's number would not do: so the change is one in the zone map's own record.
    for chunk in chunks {
        let mut changed = pieces.clone();
        let body = &mut changed[chunk].body;
        let last = body.len() - 1;
        body[last] ^= 1;
        for file in [repaired(&changed), repaired_around_signatures(&changed)] {
            assert!(!matches!(
                verify_bytes(file).map(|report| report.verdict),
                Ok(Verdict::SealedIntact | Verdict::IntactUnsealed)
            ));
        }
    }
    // A header that tells of another reason or another host.
    for tag in [4, 9, 19] {
        let mut changed = pieces.clone();
        changed[0].body = set(&changed[0].body, tag, Some(b"\x05".to_vec()));
        broken("header", repaired(&changed));
        broken("header", repaired_around_signatures(&changed));
    }
    // A footer that hides a loss.
    let mut changed = pieces;
    let footer = changed.len() - 1;
    changed[footer].body = set(&changed[footer].body, 3, None);
    let kind = broken("footer", repaired(&changed));
    assert!(matches!(kind, ErrorKind::Signature { .. }), "{kind}");
}

#[test]
fn a_deleted_doubled_or_moved_block_is_found_even_when_all_checksums_are_made_anew() {
    let (file, _) = small();
    let pieces = apart(&file);
    let last = pieces.len() - 2;
    for at in 2..last {
        let (mut without, mut doubled, mut moved) =
            (pieces.clone(), pieces.clone(), pieces.clone());
        without.remove(at);
        doubled.insert(at, pieces[at].clone());
        moved.swap(at, at + 1);
        for (what, attack) in [("without", without), ("doubled", doubled), ("moved", moved)] {
            broken(&format!("{what} {at}"), repaired(&attack));
            broken(&format!("{what} {at}"), repaired_around_signatures(&attack));
        }
    }
}

#[test]
fn a_block_of_another_capture_of_the_same_key_is_found() {
    let (file, _) = small();
    let mut other = story();
    other.manifest.capture_id = "another".into();
    other.chunks[1][0].result = -1;
    let (other, _) = signed(&other, &key(1));
    let (here, there) = (apart(&file), apart(&other));
    for at in 2..here.len() {
        let mut spliced = here.clone();
        spliced[at] = there[at].clone();
        // What follows from the other blocks alone, as the index does, is the same again.
        if repaired(&spliced) != file {
            broken(&format!("one {at}"), repaired(&spliced));
        }
        // Everything from a checkpoint on, with the seal of the other.
        let tail: Vec<Piece> = [&here[..at], &there[at..]].concat();
        broken(&format!("tail {at}"), repaired(&tail));
        broken(&format!("tail {at}"), repaired_around_signatures(&tail));
    }
}

#[test]
fn a_capture_cut_at_a_checkpoint_is_not_called_sealed_and_cannot_be_sealed_again() {
    let (file, anchors) = small();
    let pieces = apart(&file);
    for at in places(&pieces, block::CHECKPOINT) {
        let cut = repaired(&pieces[..=at]);
        let report = verify_bytes(cut.clone()).unwrap();
        assert!(matches!(report.verdict, Verdict::IntactUnsealed));
        assert_eq!(report.unsigned_blocks(), 0);
        // With an index and the footer, which nobody can sign any more.
        let tail = &pieces[pieces.len() - 2..];
        let again = repaired(&[&pieces[..=at], tail].concat());
        if again != file {
            let kind = broken("sealed again", again);
            assert!(matches!(kind, ErrorKind::Signature { .. }), "{kind}");
        }
        // Only who has an anchor knows how far it had come.
        let report = with_anchors(cut, &anchors);
        let Verdict::Broken { error } = report.verdict else {
            panic!("{}", report.verdict)
        };
        assert!(error.to_string().contains("rolled back"), "{error}");
    }
}

#[test]
fn what_is_added_behind_the_last_signature_of_an_unsealed_capture_is_said_to_be_unsigned() {
    let (file, _) = small();
    let pieces = apart(&file);
    let checkpoint = places(&pieces, block::CHECKPOINT)[2];
    let forged = repaired(
        &[
            &pieces[..=checkpoint],
            &pieces[checkpoint + 1..=checkpoint + 1],
        ]
        .concat(),
    );
    let report = verify_bytes(forged).unwrap();
    assert!(matches!(report.verdict, Verdict::IntactUnsealed));
    assert_eq!(report.unsigned_blocks(), 1);
    assert_eq!(report.signing.unwrap().events, 28);
}

#[test]
fn signatures_cannot_be_stripped_from_a_capture_that_names_a_signer() {
    let (file, _) = small();
    let pieces = apart(&file);
    // All signatures away, and nothing else.
    let mut stripped = pieces.clone();
    for piece in &mut stripped {
        if matches!(piece.ty, block::CHECKPOINT | block::FOOTER) {
            piece.body = set(&piece.body, 63, None);
        }
    }
    broken("without signatures", repaired(&stripped));
    // Signatures of no bytes, of zeros, and one that is not last.
    for signature in [vec![], vec![0; 64], vec![0xff; 64]] {
        let mut empty = pieces.clone();
        for piece in &mut empty {
            if matches!(piece.ty, block::CHECKPOINT | block::FOOTER) {
                piece.body = set(&piece.body, 63, Some(signature.clone()));
            }
        }
        broken("empty signatures", repaired(&empty));
    }
    let mut more = pieces.clone();
    let footer = more.len() - 1;
    more[footer].body = set(&more[footer].body, 64, Some(vec![1]));
    broken("a field behind the signature", repaired(&more));
    // Without any checkpoint.
    let mut none: Vec<Piece> = pieces.clone();
    none.retain(|piece| piece.ty != block::CHECKPOINT);
    broken("without checkpoints", repaired(&none));
}

#[test]
fn a_capture_rewritten_as_one_that_was_never_signed_is_refused_where_a_key_or_an_anchor_is_named() {
    let (file, anchors) = small();
    let mut pieces = apart(&file);
    pieces.retain(|piece| piece.ty != block::CHECKPOINT);
    pieces[0].body = set(&pieces[0].body, 66, None);
    let footer = pieces.len() - 1;
    pieces[footer].body = set(&pieces[footer].body, 63, None);
    let downgraded = repaired(&pieces);
    let report = verify_bytes(downgraded.clone()).unwrap();
    assert!(is_sealed(&report) && report.signing.is_none());
    let report = with_keys(downgraded.clone(), &[key(1).public()]);
    assert!(matches!(
        report.verdict,
        Verdict::Broken { error } if matches!(error.kind, ErrorKind::Signer { found: None })
    ));
    // Already the first anchor, from the beginning of the recording, is enough.
    let report = with_anchors(downgraded, &anchors[..1]);
    assert!(matches!(report.verdict, Verdict::Broken { .. }));
}

#[test]
fn a_capture_signed_by_somebody_else_is_refused_where_a_key_or_an_anchor_is_named() {
    let (_, anchors) = small();
    let (other, _) = signed(&story(), &key(2));
    assert!(is_sealed(&verify_bytes(other.clone()).unwrap()));
    let report = with_keys(other.clone(), &[key(1).public(), key(3).public()]);
    assert!(matches!(
        report.verdict,
        Verdict::Broken { error } if matches!(error.kind, ErrorKind::Signer { found: Some(found) } if found == key(2).public())
    ));
    let report = with_anchors(other, &anchors[..1]);
    assert!(matches!(report.verdict, Verdict::Broken { .. }));
}

#[test]
fn who_steals_the_long_lived_key_later_cannot_rewrite_a_capture_whose_beginning_is_anchored() {
    let (file, anchors) = small();
    // The thief has the key itself, and signs a first checkpoint; the keys after it are new.
    let mut lie = story();
    lie.chunks[0][0].result = -1;
    let (forged, _) = signed(&lie, &key(1));
    assert!(is_sealed(&with_keys(forged.clone(), &[key(1).public()])));
    let start = anchors.iter().find(|anchor| anchor.signer.is_some());
    let start = std::slice::from_ref(start.unwrap());
    assert!(is_sealed(&with_anchors(file, start)));
    assert!(!is_sealed(&with_anchors(forged, start)));
}

#[test]
fn every_key_signs_once() {
    let (file, _) = small();
    let mut keys: Vec<Vec<u8>> = apart(&file)
        .iter()
        .filter(|piece| piece.ty == block::CHECKPOINT)
        .filter_map(|piece| get(&piece.body, 8))
        .collect();
    assert_eq!(keys.len(), 4);
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 4);
}

#[test]
fn an_earlier_seal_stays_valid_when_its_key_was_replaced() {
    let (file, _) = small();
    let first = Card::new("lab", "", &key(1), None);
    let second = Card::new("lab", "", &key(2), Some(&first));
    let keys: Vec<PublicKey> = [second.key].into_iter().chain(second.before).collect();
    assert!(is_sealed(&with_keys(file, &keys)));
}

#[test]
fn every_anchor_of_a_capture_holds_for_it_and_for_no_longer_version_of_another() {
    let (file, anchors) = small();
    // At the beginning, for four checkpoints, and for the seal.
    assert_eq!(anchors.len(), 5);
    let report = with_anchors(file.clone(), &anchors);
    assert!(is_sealed(&report));
    assert_eq!(report.anchors, 5);
    let mut other = anchors[0].clone();
    other.capture_id = "another".into();
    assert!(!is_sealed(&with_anchors(file, &[other])));
}

#[test]
fn an_unsigned_capture_must_not_hold_signatures() {
    let (file, _) = small();
    let mut pieces = apart(&file);
    pieces[0].body = set(&pieces[0].body, 66, None);
    broken("signatures nobody is named for", repaired(&pieces));
}

#[test]
fn a_footer_says_when_and_why_the_recording_ended() {
    let (file, _) = small();
    let footer = apart(&file).pop().unwrap();
    assert_eq!(get(&footer.body, 24).as_deref(), Some(&b"asked"[..]));
    assert!(get(&footer.body, 22).is_some() && get(&footer.body, 23).is_some());
}

#[test]
fn a_signed_capture_cut_anywhere_is_never_called_sealed() {
    let (file, _) = small();
    for cut in 0..file.len() {
        match verify_bytes(file[..cut].to_vec()) {
            Err(_) => {}
            Ok(report) => assert!(!is_sealed(&report), "cut at {cut}"),
        }
    }
}

#[test]
fn a_flipped_bit_of_a_signed_capture_is_found_anywhere() {
    let (mut file, _) = small();
    for at in 0..file.len() {
        for bit in [0, 5] {
            file[at] ^= 1 << bit;
            match verify_bytes(file.clone()) {
                Err(_) => {}
                Ok(report) => assert!(
                    matches!(report.verdict, Verdict::Broken { .. }),
                    "byte {at} bit {bit}"
                ),
            }
            file[at] ^= 1 << bit;
        }
    }
}

fn deed(action: &str) -> Deed {
    Deed {
        action: action.into(),
        operator: "k. ito".into(),
        tool: "afterimage test".into(),
        host: "lab".into(),
        made_ns: 7,
        text: "as asked".into(),
        subject: Some([9; 32]),
    }
}

/// A signed capture on disk, with this many entries in its custody log by different keys.
fn with_custody(entries: u8) -> (tempfile::TempDir, std::path::PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.aft");
    let (file, _) = small();
    std::fs::write(&path, &file).unwrap();
    for n in 0..entries {
        custody::append(&path, &deed("verified"), &key(10 + n), &Checks::default()).unwrap();
    }
    (folder, path, file)
}

#[test]
fn custody_entries_are_appended_behind_the_seal_and_change_nothing_before_them() {
    let (_folder, path, before) = with_custody(3);
    let after = std::fs::read(&path).unwrap();
    assert_eq!(after[..before.len()], before);
    let report = verify_bytes(after.clone()).unwrap();
    assert!(is_sealed(&report), "{}", report.verdict);
    assert_eq!(report.digest, verify_bytes(before.clone()).unwrap().digest);
    assert_eq!(report.custody.len(), 3);
    for (n, entry) in (0..).zip(&report.custody) {
        assert_eq!(entry.signer, Some(key(10 + n).public()));
        assert!(entry.after_seal && entry.note.author == "k. ito");
        assert_eq!(entry.note.subject, vec![9; 32]);
    }
    let reader = Reader::from_bytes(after.clone()).unwrap();
    assert_eq!(
        reader.totals(),
        Reader::from_bytes(before).unwrap().totals()
    );
    assert_eq!((reader.notes().len(), reader.gaps().len()), (3, 1));
    // An anchor of the log finds entries that were taken away.
    let all = report.anchor;
    let pieces = apart(&after);
    let fewer = repaired(&pieces[..pieces.len() - 1]);
    assert!(is_sealed(&verify_bytes(fewer.clone()).unwrap()));
    assert!(!is_sealed(&with_anchors(fewer, &[all])));
}

#[test]
fn an_edited_moved_removed_or_foreign_custody_entry_is_found_and_the_capture_stays_sealed() {
    let (_folder, path, before) = with_custody(3);
    let file = std::fs::read(&path).unwrap();
    let pieces = apart(&file);
    let first = pieces.len() - 3;
    let bad = |what: &str, pieces: &[Piece]| {
        for file in [
            repaired(pieces),
            together(pieces, |piece| piece.ty == block::NOTE),
        ] {
            let report = verify_bytes(file).unwrap();
            assert!(report.custody_error.is_some(), "{what}");
            assert!(is_sealed(&report), "{what}: {}", report.verdict);
        }
    };
    for tag in [1, 3, 4, 5, 8] {
        let mut edited = pieces.clone();
        edited[first].body = set(&edited[first].body, tag, Some(vec![b'x']));
        bad(&format!("field {tag}"), &edited);
    }
    let mut moved = pieces.clone();
    moved.swap(first, first + 1);
    bad("moved", &moved);
    let mut removed = pieces.clone();
    removed.remove(first + 1);
    bad("removed", &removed);
    let mut unsigned = pieces.clone();
    let body = set(&unsigned[first].body, 63, None);
    unsigned[first].body = set(&body, 10, None);
    bad("unsigned", &unsigned);
    let mut remark = pieces.clone();
    remark[first].body = set(&remark[first].body, 5, None);
    bad("a remark", &remark);
    // Torn while it was written, or flipped.
    for cut in before.len() + 1..file.len() {
        let report = verify_bytes(file[..cut].to_vec()).unwrap();
        assert!(is_sealed(&report), "cut at {cut}");
        let whole = report.anchor.bytes == cut as u64;
        assert_eq!(report.custody_error.is_none(), whole, "cut at {cut}");
    }
    for at in before.len()..file.len() {
        let mut flipped = file.clone();
        flipped[at] ^= 4;
        let report = verify_bytes(flipped).unwrap();
        let found = report.custody_error.is_some() || !is_sealed(&report);
        assert!(found, "byte {at}");
    }
}

#[test]
fn nothing_is_appended_to_a_capture_that_is_not_sealed_and_intact() {
    let (_folder, path, file) = with_custody(0);
    let mut broken = file.clone();
    broken[3_000] ^= 1;
    for bad in [&file[..file.len() - 9], broken.as_slice(), b"text"] {
        std::fs::write(&path, bad).unwrap();
        let done = custody::append(&path, &deed("verified"), &key(9), &Checks::default());
        assert!(done.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), bad);
    }
    // Nor through a link, nor for somebody who named another key.
    std::fs::write(&path, &file).unwrap();
    let link = path.with_extension("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let plain = Checks::default();
    assert!(custody::append(&link, &deed("verified"), &key(9), &plain).is_err());
    let named = Checks {
        keys: vec![key(2).public()],
        ..Checks::default()
    };
    assert!(custody::append(&path, &deed("verified"), &key(9), &named).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), file);
}

#[test]
fn an_entry_made_while_recording_is_part_of_what_is_signed() {
    let story = story();
    let mut writer = Writer::signed(
        Vec::new(),
        &story.manifest,
        &Lineage::default(),
        &story.schema,
        WriterOptions::default(),
        Some(&key(1)),
    )
    .unwrap();
    writer.custody(&deed("created"), Some(&key(1))).unwrap();
    let file = writer.seal(&story.totals, &story.tables).unwrap();
    let report = verify_bytes(file).unwrap();
    assert!(is_sealed(&report));
    let [entry] = report.custody.as_slice() else {
        panic!("{:?}", report.custody)
    };
    assert!(!entry.after_seal && entry.signer == Some(key(1).public()));
}
