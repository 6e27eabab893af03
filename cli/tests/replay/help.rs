//! Help, mistakes, and pipes at both ends, of all commands.

use super::desk::{Desk, golden};
use super::subcommands::subcommands;
use std::process::{Command, Stdio};

#[test]
fn a_capture_comes_through_a_pipe() {
    let desk = Desk::new();
    for (args, told) in [
        (&["read", "-", "--count-only"][..], "7\n"),
        (&["read", "-", "--whole"], "\"totals\""),
        (&["info", "-"], "sealed"),
        (&["view", "-", "files"], "/etc/shadow"),
        (&["verify", "-"], "-: sealed and intact"),
    ] {
        let whole = std::fs::File::open(desk.path("whole.aft")).expect("a file");
        let mut cat = Command::new("cat")
            .stdin(whole)
            .stdout(Stdio::piped())
            .spawn()
            .expect("cat");
        let output = desk
            .command(args)
            .stdin(cat.stdout.take().expect("a pipe"))
            .output()
            .expect("the command runs");
        let _ = cat.wait();
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && out.contains(told),
            "{args:?}: {out}"
        );
    }
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let desk = Desk::new();
    let mut child = desk
        .command(&["syscalls", "--markdown"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command runs");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("its end");
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

#[test]
fn mistakes_are_answered_with_what_was_meant() {
    let desk = Desk::new();
    for (args, code, told) in [
        (&["read", "whole.aft", "proc.nmae=sh"][..], 2, "proc.name"),
        (
            &["read", "whole.aft", "-p", "%evt.num %proc.nmae"],
            2,
            "proc.name",
        ),
        (&["read"], 2, "afterimage read FILE"),
        (
            &["read", "-c", "topprocs_cpu", "whole.aft"],
            2,
            "afterimage view FILE processor",
        ),
        (&["read", "-w", "out.aft"], 2, "afterimage record -w FILE"),
        (&["read", "missing.aft"], 1, "No such file"),
        (&["read", "/etc/passwd"], 1, "not a capture: it begins with"),
        (&["info", "/tmp"], 1, "try: name a capture"),
        (&["info", "/dev/null"], 1, "not a regular file but a device"),
        (&["view", "whole.aft", "\u{1b}[2J"], 2, "\\x1b[2J"),
        (&["bogus\u{1b}[2J"], 2, "unrecognized subcommand"),
        (
            &["inspect", "whole.aft"],
            1,
            "afterimage view whole.aft overview",
        ),
        (
            &["inspect", "whole.aft", "--view", "nonsense"],
            2,
            "no view",
        ),
        (&["record", "-o", "whole.aft"], 1, "exists already"),
        (&["record", "--duration", "soon"], 2, "90s"),
        (
            &["record", "-o", "new.aft", "evt.type=exceve"],
            2,
            "did you mean execve?",
        ),
        (
            &["read", "whole.aft", "evt.type=exceve"],
            0,
            "did you mean execve?",
        ),
        (
            &["read", "whole.aft", "--from", "+2s", "--to", "+1s"],
            2,
            "--from is later than --to",
        ),
        (&["record", "--label", "x", "-o", "new.aft"], 2, "KEY=VALUE"),
    ] {
        let answer = desk.run(args).ends(code);
        assert!(answer.err.contains(told), "{args:?}: {}", answer.err);
        assert_eq!(answer.out, "", "{args:?}");
    }
    assert!(!desk.path("new.aft").exists());
}

#[test]
fn every_help_text_is_as_blessed() {
    let desk = Desk::new();
    for sub in subcommands() {
        let args: Vec<&str> = [sub.as_str(), "--help"]
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        golden(
            &format!("help{}{sub}", if sub.is_empty() { "" } else { "-" }),
            &desk.run(&args).ends(0).out,
        );
    }
}
