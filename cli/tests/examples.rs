//! The examples in the help texts, pasted into a shell as a reader would.

#![expect(clippy::print_stderr, reason = "what is skipped is said")]

#[path = "help/subcommands.rs"]
mod subcommands;

use std::path::Path;
use std::process::Command;
use subcommands::subcommands;

/// The lines under "Examples:".
fn examples(sub: &str) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_afterimage"));
    command
        .args((!sub.is_empty()).then_some(sub))
        .arg("--help")
        .env_remove("COLUMNS");
    let output = command.output().expect("the command runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (_, after) = text
        .split_once("\nExamples:\n")
        .unwrap_or_else(|| panic!("{sub} has no examples"));
    let lines = after.lines().take_while(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// Clap breaks longer lines, and what is broken no longer pastes.
#[test]
fn every_example_fits_a_terminal_of_eighty_columns() {
    for sub in subcommands() {
        for line in examples(&sub) {
            assert!(line.chars().count() <= 80, "{sub}: {line}");
            assert!(
                line.starts_with("  ") && line.contains("afterimage"),
                "{sub}: {line}"
            );
        }
    }
}

#[test]
fn every_example_that_reads_a_capture_works_when_pasted() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/v1/break-in.aft");
    let bytes = std::fs::read(&sample).expect("the sample");
    std::fs::write(folder.path().join("web.aft"), &bytes).expect("a file");
    let evidence = folder.path().join("evidence");
    std::fs::create_dir(&evidence).expect("a folder");
    std::fs::write(evidence.join("web.aft"), &bytes).expect("a file");
    std::fs::write(folder.path().join("list.txt"), "/etc/shadow\n").expect("a file");
    let folders = Path::new(env!("CARGO_BIN_EXE_afterimage"))
        .parent()
        .expect("a folder")
        .display()
        .to_string();
    let path = format!("{folders}:{}", std::env::var("PATH").unwrap_or_default());
    let jq = Command::new("jq").arg("--version").output().is_ok();
    let mut ran = 0;
    // What needs rights, a terminal, a running watch or rule files of others is tried elsewhere.
    let elsewhere = [
        "",
        "record",
        "watch",
        "trigger",
        "detect",
        "inspect",
        "demo",
        "doctor",
        "completions",
    ];
    let all = subcommands();
    for sub in all.iter().map(String::as_str) {
        if elsewhere.contains(&sub) {
            continue;
        }
        // What a torn capture lost is said by the exit code.
        let expected = if sub == "recover" { 3 } else { 0 };
        if sub == "recover" {
            let torn = bytes.get(..bytes.len() - 9).expect("a beginning");
            std::fs::write(folder.path().join("torn.aft"), torn).expect("a file");
        }
        for line in examples(sub) {
            // Of another machine, of another program, and of a recipient that the reader has.
            let others = ["ssh ", "trace.scap.gz", "age1…"];
            if others.iter().any(|part| line.contains(part)) {
                continue;
            }
            if line.contains("jq ") && !jq {
                eprintln!("skipped: an example that needs jq: {line}");
                continue;
            }
            let output = Command::new("bash")
                .args(["-o", "pipefail", "-c", &line])
                .current_dir(folder.path())
                .env("PATH", &path)
                .env("AFTERIMAGE_KEYS", folder.path().join("keys"))
                .output()
                .expect("bash");
            let code = output.status.code();
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(code, Some(expected), "{line}: {told}");
            ran += 1;
        }
    }
    assert!(ran > 15, "{ran} examples");
}

#[test]
fn completions_load_into_the_shells_that_are_here() {
    for (shell, load) in [
        ("bash", "source /dev/stdin && complete -p afterimage"),
        (
            "zsh",
            "autoload -U compinit && compinit -D && source /dev/stdin",
        ),
        ("fish", "source"),
    ] {
        let script = Command::new(env!("CARGO_BIN_EXE_afterimage"))
            .args(["completions", shell])
            .output();
        let script = script.expect("the command runs").stdout;
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), script).expect("a file");
        let input = std::fs::File::open(file.path()).expect("a file");
        match Command::new(shell).args(["-c", load]).stdin(input).output() {
            Err(_) => eprintln!("skipped: completions of {shell}: it is not installed"),
            Ok(output) => {
                let told = String::from_utf8_lossy(&output.stderr);
                assert!(
                    output.status.success() && told.is_empty(),
                    "{shell}: {told}"
                );
            }
        }
    }
}
