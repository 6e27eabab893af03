//! Another tracer as the oracle: strace and the recorder watch the same program at the same time.

use crate::inside;
use afterimage_model::{Ctx, EventFlags, errno};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::End;
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

fn answers(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// One call as strace prints it; no result for calls that never return.
#[derive(Debug, PartialEq, Eq)]
struct Traced {
    name: String,
    result: Option<i64>,
}

fn traced_result(text: &str) -> Option<i64> {
    let mut words = text.split_whitespace();
    let first = words.next()?;
    if first == "?" {
        // `? ERESTARTSYS (To be restarted …)`: what the kernel returns inside, before the signal is handled.
        return words
            .next()
            .and_then(errno::number)
            .map(|number| -i64::from(number));
    }
    if first == "-1" {
        return words
            .next()
            .and_then(errno::number)
            .map(|number| -i64::from(number));
    }
    match first.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(|n| n as i64),
        None => first.parse().ok(),
    }
}

/// The calls of each thread in order, out of what `strace -f -o` wrote.
fn parse_strace(text: &str) -> BTreeMap<u32, Vec<Traced>> {
    let mut threads: BTreeMap<u32, Vec<Traced>> = BTreeMap::new();
    for line in text.lines() {
        let (pid, rest) = line
            .trim_start()
            .split_once(' ')
            .expect("a pid in front of each line");
        let calls = threads.entry(pid.parse().expect("a pid")).or_default();
        let rest = rest.trim_start();
        if rest.starts_with("---") || rest.starts_with("+++") {
            continue;
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let name = resumed.split(' ').next().unwrap_or_default();
            let open = calls
                .last_mut()
                .filter(|call| call.name == name && call.result.is_none());
            let open = open.unwrap_or_else(|| panic!("resumes nothing: {line}"));
            open.result = rest
                .rsplit_once(" = ")
                .and_then(|(_, result)| traced_result(result));
            continue;
        }
        let name = rest.split('(').next().unwrap_or_default().to_owned();
        let result = match rest.ends_with("<unfinished ...>") {
            true => None,
            false => rest
                .rsplit_once(" = ")
                .and_then(|(_, result)| traced_result(result)),
        };
        calls.push(Traced { name, result });
    }
    threads
}

/// The calls of one thread as recorded, from the program's start on. A new thread's own return from clone is left out:
/// strace begins behind it.
fn recorded_calls(events: &[Ctx<'_>]) -> Vec<Traced> {
    let mut calls: Vec<_> = events
        .iter()
        .filter(|event| event.ty().is_some_and(|ty| ty.is_syscall))
        .map(|event| Traced {
            name: event.name().to_owned(),
            result: (!event.event.flags.has(EventFlags::NO_RESULT)).then_some(event.event.result),
        })
        .collect();
    if let Some(start) = calls
        .iter()
        .rposition(|call| call.name == "execve" && call.result == Some(0))
    {
        calls.drain(..start);
    }
    if calls
        .first()
        .is_some_and(|call| call.name.starts_with("clone") && call.result == Some(0))
    {
        calls.remove(0);
    }
    calls
}

#[test]
fn strace_and_the_recorder_saw_the_same_calls_in_the_same_order_with_the_same_results() {
    needs_recording!();
    if !answers("strace") {
        harness::skip("strace is not installed");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("strace.log");
    let cgroup = Cgroup::fresh("strace").expect("a control group");
    let (capture, (_, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            let mut strace = Command::new("strace");
            strace
                .args(["-f", "-qq", "-o"])
                .arg(&log)
                .arg(env!("CARGO_BIN_EXE_workload"))
                .arg(folder.path().join("story"));
            strace.status().expect("strace runs").code().unwrap_or(1)
        })
    });
    assert_eq!(
        end,
        End::Exited(42),
        "the workload tells its story to the end"
    );
    assert_eq!(capture.totals.dropped, 0);

    let traced = parse_strace(&std::fs::read_to_string(&log).expect("strace wrote its log"));
    assert!(traced.len() >= 4, "the workload has four threads");
    let mut compared = 0;
    for (tid, calls) in &traced {
        let recorded = recorded_calls(&capture.of_thread(*tid));
        for (at, (theirs, ours)) in calls.iter().zip(&recorded).enumerate() {
            assert_eq!(
                theirs.name, ours.name,
                "call {at} of thread {tid}: strace has {theirs:?}, the capture {ours:?}"
            );
            // Both say nothing of calls that never return; strace gives a result where the capture, recording at entry, has none.
            let same = theirs.result == ours.result || ours.result.is_none();
            assert!(
                same,
                "call {at} of thread {tid}: strace has {theirs:?}, the capture {ours:?}"
            );
        }
        assert_eq!(calls.len(), recorded.len(), "calls of thread {tid}");
        compared += calls.len();
    }
    eprintln!("{compared} calls of {} threads agree", traced.len());
}
