//! A disk that says that it could not keep what was written: nothing more goes into that file, and the recording goes on in
//! another one beside it.

use afterimage_format::{Reader, Verdict, verify};
use afterimage_model::GapCause;
use afterimage_tests::{harness, needs_recording};
use std::process::{Command, Stdio};

#[test]
fn a_recording_whose_sync_fails_goes_on_in_a_new_file_and_claims_nothing_of_the_old_one() {
    needs_recording!();
    if Command::new("strace").arg("-V").output().is_err() {
        harness::skip("strace, which makes a sync fail, is not installed");
        return;
    }
    let afterimage = harness::afterimage(env!("CARGO_BIN_EXE_workload"));
    let folder = tempfile::tempdir().expect("a folder");
    let (first, second) = (
        folder.path().join("a.aft"),
        folder.path().join("a-part2.aft"),
    );
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"])
        .args(["-e", "inject=fdatasync:error=EIO:when=2", "-P"])
        .arg(&first)
        .arg(&afterimage)
        .args(["record", "-o"])
        .arg(&first)
        .args([
            "--",
            "sh",
            "-c",
            "for i in 1 2 3 4 5 6; do sleep 1; true < /etc/hostname; done",
        ])
        .env("AFTERIMAGE_KEYS", folder.path().join("keys"))
        .stdin(Stdio::null())
        .output()
        .expect("strace runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(
        told.contains("goes on in") && told.contains("are known to be on disk"),
        "{told}"
    );
    let verdict = verify(&first).expect("it opens").verdict;
    assert!(matches!(verdict, Verdict::IntactUnsealed), "{verdict}");
    let verdict = verify(&second).expect("it opens").verdict;
    assert!(matches!(verdict, Verdict::SealedIntact), "{verdict}");
    let (before, after) = (
        Reader::open(&first).expect("it opens"),
        Reader::open(&second).expect("it opens"),
    );
    let manifest = after.manifest();
    assert!(
        manifest.trigger.contains(&before.manifest().capture_id),
        "{}",
        manifest.trigger
    );
    assert_ne!(manifest.capture_id, before.manifest().capture_id);
    assert!(after.events() > 0);
    assert!(
        after
            .gaps()
            .iter()
            .any(|gap| gap.cause == GapCause::WriteFailed),
        "{:?}",
        after.gaps()
    );
    let totals = after.totals().expect("it is sealed");
    assert_eq!(
        totals.offered,
        totals.written + totals.dropped + totals.filtered + totals.unsealed
    );
}
