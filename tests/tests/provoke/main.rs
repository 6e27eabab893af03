//! For every row of `SYSCALLS` a child makes the call inside a control group, and the recorded event must say what the
//! child says it did: name, arguments, result. A row without a case fails; so does a case without a row.
#![allow(clippy::print_stderr, reason = "tests say what they counted")]
#![allow(
    clippy::macro_metavars_in_unsafe,
    reason = "cases call the C library with raw pointers all the time"
)]

mod call;
mod file;
mod file_at;
mod ipc;
mod machine;
mod memory;
mod net;
mod process;
mod time;
mod user;

use afterimage_capture::{Options, Scope};
use afterimage_model::{Blob, Ctx, EventFlags, SYSCALLS, Value, render};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, End, Shared};
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;
use call::{ABI, Account, Call, MAGIC, MARKER, Outcome, Told};
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The name of a row and what makes the call.
pub type Case = (&'static str, fn(&mut Call<'_>));

/// Every case, by file.
const CASES: &[&[Case]] = &[
    file::CASES,
    file_at::CASES,
    net::CASES,
    process::CASES,
    user::CASES,
    memory::CASES,
    ipc::CASES,
    time::CASES,
    machine::CASES,
];

/// A call that has not come back after this long ends its child by SIGALRM.
const SECONDS: u32 = 10;

fn cases() -> impl Iterator<Item = &'static Case> {
    CASES.iter().flat_map(|file| file.iter())
}

/// One case as it went.
#[derive(Debug)]
struct Report {
    name: String,
    pid: u32,
    ended_well: bool,
    account: Option<Account>,
}

#[test]
fn every_row_has_one_case_and_every_case_has_a_row() {
    let rows: BTreeSet<_> = SYSCALLS
        .iter()
        .filter(|row| row.number(ABI).is_some())
        .map(|row| row.name)
        .collect();
    let all_rows: BTreeSet<_> = SYSCALLS.iter().map(|row| row.name).collect();
    let mut names = BTreeSet::new();
    let twice: Vec<_> = cases()
        .map(|case| case.0)
        .filter(|name| !names.insert(*name))
        .collect();
    let missing: Vec<_> = rows.difference(&names).collect();
    let orphans: Vec<_> = names.difference(&all_rows).collect();
    eprintln!(
        "{} rows, {} of them without a number on {} and exempt",
        all_rows.len(),
        all_rows.len() - rows.len(),
        ABI.name()
    );
    assert!(
        missing.is_empty() && orphans.is_empty() && twice.is_empty(),
        "rows without a case: {missing:?}\ncases without a row: {orphans:?}\ncases given twice: {twice:?}"
    );
}

/// Rows whose entry point has another name in the kernel.
const ENTRY_POINTS: &[(&str, &str)] = &[
    ("fstat", "newfstat"),
    ("lstat", "newlstat"),
    ("sendfile", "sendfile64"),
    ("stat", "newstat"),
    ("umount2", "umount"),
    ("uname", "newuname"),
];

/// Rows with fewer arguments than the entry point of some kernel, and why.
const FEWER: &[(&str, usize, &str)] = &[
    (
        "bpf",
        5,
        "the last two, attributes that all commands have in common, came after Linux 6.18",
    ),
    ("clone", 5, "the architectures' orders part after the third"),
    ("getcpu", 3, "the third has no meaning since Linux 2.6.24"),
];

#[test]
fn every_row_has_as_many_arguments_as_the_kernels_own_description() {
    if let Some(why) = harness::not_root() {
        harness::skip(&why);
        return;
    }
    let known = kernel_arguments();
    if known.is_empty() {
        harness::skip("tracefs does not describe the calls");
        return;
    }
    let mut compared = 0;
    let mut wrong = Vec::new();
    for row in SYSCALLS.iter().filter(|row| row.number(ABI).is_some()) {
        let entry = ENTRY_POINTS
            .iter()
            .find(|alias| alias.0 == row.name)
            .map_or(row.name, |alias| alias.1);
        let Some(kernel) = known.get(entry) else {
            continue;
        };
        let fewer = FEWER.iter().find(|fewer| fewer.0 == row.name);
        let own = row.args.iter().filter(|arg| !arg.kind.is_part()).count();
        if *kernel != own && fewer.is_none_or(|fewer| fewer.1 != *kernel) {
            wrong.push(format!(
                "{}: the row has {}, the kernel {kernel}",
                row.name, own
            ));
        }
        compared += 1;
    }
    eprintln!("{compared} rows compared with {} entry points", known.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 300, "only {compared} rows could be compared");
}

/// Entry points and how many arguments they take, from the tracepoints' formats. tracefs is mounted where only a child sees it.
fn kernel_arguments() -> BTreeMap<String, usize> {
    let told = Shared::new(1 << 20).expect("shared memory");
    let child = child::fork(|| {
        let none = std::ptr::null();
        c!(unshare(libc::CLONE_NEWNS));
        c!(mount(
            c"none".as_ptr(),
            c"/".as_ptr(),
            none,
            libc::MS_REC | libc::MS_PRIVATE,
            std::ptr::null()
        ));
        c!(mount(
            c"tracefs".as_ptr(),
            c"/sys/kernel/tracing".as_ptr(),
            c"tracefs".as_ptr(),
            0,
            std::ptr::null()
        ));
        let Ok(entries) = std::fs::read_dir("/sys/kernel/tracing/events/syscalls") else {
            return 1;
        };
        let counts: serde_json::Map<String, Json> = entries
            .flatten()
            .filter_map(|entry| {
                let format = std::fs::read_to_string(entry.path().join("format")).ok()?;
                let name = entry
                    .file_name()
                    .to_str()?
                    .strip_prefix("sys_enter_")?
                    .to_owned();
                let fields = format
                    .lines()
                    .filter_map(|line| line.trim().strip_prefix("field:")?.split(';').next());
                // What is not an argument is named `common_…` or, the number and copies of strings, `__…`.
                let words = fields.map(|field| field.rsplit([' ', '*']).next().unwrap_or_default());
                Some((
                    name,
                    Json::from(
                        words
                            .filter(|w| !w.starts_with("common_") && !w.starts_with("__"))
                            .count(),
                    ),
                ))
            })
            .collect();
        told.put(Json::from(counts).to_string().as_bytes());
        0
    });
    if child.expect("fork").wait() != End::Exited(0) {
        return BTreeMap::new();
    }
    let counts: Json = serde_json::from_slice(&told.take()).expect("JSON");
    let counts = counts.as_object().expect("an object").iter();
    counts
        .map(|(name, count)| (name.clone(), count.as_u64().expect("a count") as usize))
        .collect()
}

#[test]
fn every_case_makes_its_call_and_ends_well() {
    if let Some(why) = harness::not_root() {
        harness::skip(&why);
        return;
    }
    let cgroup = Cgroup::fresh("provoke-alone").expect("a control group");
    let folder = tempfile::tempdir().expect("a folder");
    let wrong: Vec<_> = run_all(&cgroup, folder.path())
        .into_iter()
        .filter(|r| !r.ended_well || r.account.is_none())
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_provoked_call_is_recorded_as_what_it_was() {
    needs_recording!();
    let cgroup = Cgroup::fresh("provoke").expect("a control group");
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        scope: Scope::Cgroup(cgroup.path().to_owned()),
        ..Options::default()
    };
    let (capture, reports) = harness::record(options, || run_all(&cgroup, folder.path()));
    assert_eq!(capture.totals.dropped, 0, "nothing is lost at this rate");

    let mut wrong = Vec::new();
    for report in &reports {
        let mut events = capture.of_thread(report.pid);
        // What a call sets off in the kernel has events of its own.
        let set_off = [
            "signal_generate",
            "signaldeliver",
            "inet_sock_set_state",
            "cap_capable",
        ];
        events.retain(|e| !set_off.contains(&e.name()));
        if let Err(why) = check(report, &events) {
            wrong.push(format!("{}: {why}", report.name));
        }
    }
    let with_file = reports
        .iter()
        .filter(|r| r.account.as_ref().is_some_and(|a| a.file.is_some()))
        .count();
    eprintln!(
        "{} calls made, {} recorded as they were, {with_file} of them about an open file",
        reports.len(),
        reports.len() - wrong.len()
    );
    assert!(
        wrong.is_empty(),
        "{} of {} calls are not recorded as they were:\n{}",
        wrong.len(),
        reports.len(),
        wrong.join("\n")
    );
}

/// Runs every case in a child of its own, below one child that has left the namespaces of the machine.
fn run_all(cgroup: &Cgroup, folder: &Path) -> Vec<Report> {
    let reports = Shared::new(16 << 20).expect("shared memory");
    let (_, end) = harness::run_in(cgroup, || {
        // SAFETY: only this child's own view of mounts, hostname and queues changes.
        let left =
            unsafe { libc::unshare(libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC) };
        assert_eq!(left, 0, "unshare: {}", call::errno());
        // SAFETY: constant strings; keeps mounts of the cases from reaching the machine.
        unsafe {
            libc::mount(
                c"none".as_ptr(),
                c"/".as_ptr(),
                std::ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                std::ptr::null(),
            )
        };
        let told: Vec<Json> = cases().filter_map(|case| run_one(case, folder)).collect();
        reports.put(Json::from(told).to_string().as_bytes());
        0
    });
    assert_eq!(end, End::Exited(0), "the parent of the cases");
    let reports: Json = serde_json::from_slice(&reports.take()).expect("reports");
    let reports = reports.as_array().expect("a list").iter();
    reports
        .map(|report| Report {
            name: report[0].as_str().expect("name").to_owned(),
            pid: u32::try_from(report[1].as_u64().expect("pid")).expect("pid"),
            ended_well: report[2].as_bool().expect("end"),
            account: report[3]
                .as_str()
                .and_then(|told| call::account(told.as_bytes())),
        })
        .collect()
}

fn run_one(&(name, make): &Case, folder: &Path) -> Option<Json> {
    let row = SYSCALLS
        .iter()
        .find(|row| row.name == name && row.number(ABI).is_some())?;
    let shared = Shared::new(1 << 20).expect("shared memory");
    let own = folder.join(name);
    std::fs::create_dir(&own).expect("a folder for the case");
    let child = child::fork(|| {
        std::env::set_current_dir(&own).expect("the case's folder");
        // SAFETY: the default action ends the child.
        unsafe { libc::alarm(SECONDS) };
        let mut call = Call::new(row, &shared);
        make(&mut call);
        i32::from(!call.made())
    })
    .expect("fork");
    let pid = child.pid();
    let end = child.wait();
    Some(json!([
        name,
        pid,
        end == End::Exited(0),
        String::from_utf8(shared.take()).expect("JSON")
    ]))
}

/// Compares what a case told with the event that follows its marker.
fn check(report: &Report, events: &[Ctx<'_>]) -> Result<(), String> {
    let Some(account) = &report.account else {
        return Err("the case told nothing; it panicked or was killed before its call".to_owned());
    };
    if !report.ended_well {
        return Err(format!(
            "the case did not end well after telling {account:?}"
        ));
    }
    let marker = events.iter().position(|event| {
        event.name() == "unknown"
            && event.number("nr") == Some(MARKER)
            && event.number("arg0") == Some(MAGIC)
    });
    let Some(marker) = marker else {
        return Err(format!(
            "the marker is not among the {} events of its thread",
            events.len()
        ));
    };
    let Some(event) = events.get(marker + 1) else {
        return Err("no event follows the marker".to_owned());
    };
    if event.name() != report.name {
        return Err(format!("recorded as {}", event.line()));
    }
    if event.event.abi != ABI {
        return Err(format!("recorded as a call of {}", event.event.abi.name()));
    }
    let has_result = !event.event.flags.has(EventFlags::NO_RESULT);
    match account.outcome {
        Outcome::Never if has_result => {
            return Err(format!(
                "never returned, but has a result: {}",
                event.line()
            ));
        }
        Outcome::Returned(result) if !has_result => {
            return Err(format!(
                "returned {result}, but has no result: {}",
                event.line()
            ));
        }
        Outcome::Returned(result) if !same_result(result, event.event.result) => {
            return Err(format!(
                "returned {result}, recorded {}: {}",
                event.event.result,
                event.line()
            ));
        }
        _ => {}
    }
    if let Some(identity) = account.file
        && event.file().map(|file| (file.dev, file.ino)) != Some(identity)
    {
        return Err(format!(
            "was about file {identity:?}, recorded with {:?}",
            event.file()
        ));
    }
    let args = event.ty().map_or(&[][..], |ty| &ty.args);
    if args.len() != account.args.len() || event.event.args.len() != args.len() {
        return Err(format!(
            "{} arguments were passed: {}",
            account.args.len(),
            event.line()
        ));
    }
    for ((arg, told), value) in args.iter().zip(&account.args).zip(&event.event.args) {
        // A program's environment is kept with its process, not twice.
        let environment = Value::Bytes(Blob::whole(
            event.proc().map(|p| p.env.clone()).unwrap_or_default(),
        ));
        let value = if arg.name == "envp" && *value == Value::Absent {
            &environment
        } else {
            value
        };
        if !agrees(told, value) {
            return Err(format!(
                "{} was {}, recorded {value:?}",
                arg.name,
                short(told)
            ));
        }
    }
    for (at, (arg, says)) in args.iter().zip(&account.says).enumerate() {
        let Some(says) = says else { continue };
        let text = render::arg_text(event, at).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        if !text.contains(says.as_str()) {
            return Err(format!("{} does not say {says}: {text}", arg.name));
        }
    }
    Ok(())
}

/// A call that a signal interrupts returns one of the kernel's restart codes, which its caller sees as EINTR.
fn same_result(seen: i64, recorded: i64) -> bool {
    seen == recorded || (seen == -i64::from(libc::EINTR) && matches!(recorded, -516 | -514..=-512))
}

fn agrees(told: &Told, value: &Value) -> bool {
    match (told, value) {
        (Told::Any, _) | (Told::Null, Value::Absent | Value::Num(0)) => true,
        (Told::Num(n), Value::Num(m)) => n == m,
        // What was kept is the front of what there was, all of it unless the event says how much more there was.
        (Told::Bytes(all), Value::Bytes(blob)) => {
            all.starts_with(&blob.bytes)
                && blob.full_len == all.len() as u64
                && (blob.is_cut() || blob.bytes.len() == all.len())
        }
        (Told::Bytes(all), Value::Absent) => all.is_empty(),
        (Told::List(strings), Value::Bytes(blob)) => {
            blob.bytes.strip_suffix(b"\0").unwrap_or(&blob.bytes) == strings.join(&0)
        }
        (Told::Pair(a, b), Value::Bytes(blob)) => {
            blob.bytes == [a.to_ne_bytes(), b.to_ne_bytes()].concat()
        }
        _ => false,
    }
}

fn short(told: &Told) -> String {
    match told {
        Told::Bytes(bytes) => format!(
            "{:?} ({} bytes)",
            bytes.get(..64).unwrap_or(bytes).escape_ascii().to_string(),
            bytes.len()
        ),
        other => format!("{other:?}"),
    }
}
