//! What `packaging/` has works with this command, and with the service manager that is here.

#![expect(clippy::print_stderr, reason = "what is skipped is said")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn packaging(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../packaging")
        .join(name)
}

#[test]
fn the_configuration_to_begin_with_is_right() {
    let output = Command::new(env!("CARGO_BIN_EXE_afterimage"))
        .args(["watch", "--check", "--config"])
        .arg(packaging("watch.toml"))
        .output()
        .expect("the command runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // It is as without one.
    let without = Command::new(env!("CARGO_BIN_EXE_afterimage"))
        .args(["watch", "--check"])
        .output()
        .expect("the command runs");
    assert_eq!(output.stdout, without.stdout);
}

#[test]
fn systemd_takes_the_units_and_finds_little_to_say_against_them() {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("skipped: systemd_takes_the_units: systemd-analyze is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let names = ["afterimage-watch.service", "afterimage-watch.socket"];
    for name in names {
        let unit = std::fs::read_to_string(packaging(name)).expect("a unit");
        let unit = unit.replace("/usr/bin/afterimage", env!("CARGO_BIN_EXE_afterimage"));
        std::fs::write(folder.path().join(name), unit).expect("a file");
    }
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .args(names.map(|name| folder.path().join(name)))
        .output()
        .expect("systemd-analyze");
    let said = String::from_utf8_lossy(&verified.stderr);
    let about: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("afterimage"))
        .collect();
    assert!(verified.status.success() && about.is_empty(), "{said}");
    // Tenths: 100 is a service that may do anything.
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=40", "--no-pager"])
        .arg(folder.path().join("afterimage-watch.service"))
        .output()
        .expect("systemd-analyze");
    let said = String::from_utf8_lossy(&judged.stdout);
    assert!(
        judged.status.success(),
        "{}",
        said.lines().last().unwrap_or_default()
    );
}
