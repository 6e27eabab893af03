//! What is kept while recording beside events: keyframes, and programs as they were executed.

use afterimage_capture::{Keep, Options, Scope};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::{harness, needs_recording};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// Records two programs: one of the system, and one that was dropped into the temporary folder and is gone afterwards.
fn recorded(keep: Keep) -> harness::Capture {
    let cgroup = Cgroup::fresh("keep").expect("a control group can be made");
    let folder = tempfile::tempdir_in("/tmp").expect("a folder");
    let dropped = folder.path().join("dropped");
    std::fs::copy("/bin/true", &dropped).expect("a copy");
    std::fs::set_permissions(&dropped, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    // Not the same bytes: those would be kept once.
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(&dropped)
        .expect("a file");
    std::io::Write::write_all(&mut file, b"dropped").expect("written");
    drop(file);
    let options = Options {
        scope: Scope::Cgroup(cgroup.path().to_owned()),
        keep,
        ..Options::default()
    };
    let (capture, _) = harness::record(options, || {
        for program in [std::path::Path::new("/bin/ls"), &dropped] {
            let (_, _) = harness::run_in(&cgroup, || {
                let status = Command::new(program)
                    .arg("/")
                    .stdout(std::process::Stdio::null())
                    .status();
                status.map_or(1, |status| status.code().unwrap_or(1))
            });
        }
    });
    capture
}

fn names(capture: &harness::Capture) -> Vec<String> {
    let names = capture
        .artifacts
        .iter()
        .map(|artifact| String::from_utf8_lossy(&artifact.name).into_owned());
    names.collect()
}

#[test]
fn executed_programs_are_kept_once_and_named_by_the_hash_of_their_processes() {
    needs_recording!();
    let capture = recorded(Keep {
        exec: true,
        ..Keep::default()
    });
    let names = names(&capture);
    assert!(names.iter().any(|name| name.ends_with("/ls")), "{names:?}");
    assert!(
        names.iter().any(|name| name.ends_with("/dropped")),
        "{names:?}"
    );
    for artifact in &capture.artifacts {
        let rows = || {
            capture
                .chunks
                .iter()
                .flat_map(|chunk| chunk.tables.procs.values())
        };
        let of = |hash: &[u8]| {
            rows()
                .chain(capture.state.procs.values())
                .any(|row| row.exe_sha256 == hash)
        };
        assert!(
            of(&artifact.sha256),
            "{:?}",
            String::from_utf8_lossy(&artifact.name)
        );
    }
    let mut hashes: Vec<_> = capture
        .artifacts
        .iter()
        .map(|artifact| &artifact.hash)
        .collect();
    hashes.sort();
    hashes.dedup();
    assert_eq!(hashes.len(), capture.artifacts.len());
}

#[test]
fn of_dropped_programs_alone_those_of_the_system_are_left_out() {
    needs_recording!();
    let capture = recorded(Keep {
        dropped: true,
        ..Keep::default()
    });
    let names = names(&capture);
    assert!(
        names.len() == 1 && names[0].ends_with("/dropped"),
        "{names:?}"
    );
    assert!(capture.artifacts[0].bytes.ends_with(b"dropped"));
}

#[test]
fn nothing_is_kept_that_was_not_asked_for() {
    needs_recording!();
    assert!(recorded(Keep::default()).artifacts.is_empty());
}

#[test]
fn a_keyframe_is_written_each_ten_seconds_and_knows_what_is_open() {
    needs_recording!();
    let cgroup = Cgroup::fresh("keyframe").expect("a control group can be made");
    let options = Options {
        scope: Scope::Cgroup(cgroup.path().to_owned()),
        ..Options::default()
    };
    let (capture, (pid, _)) = harness::record(options, || {
        harness::run_in(&cgroup, || {
            let open = std::fs::File::open("/etc/passwd");
            // Past an interval, with something to be seen at its end.
            for _ in 0..12 {
                std::thread::sleep(std::time::Duration::from_secs(1));
                let _ = std::fs::metadata("/etc/hostname");
            }
            i32::from(open.is_err())
        })
    });
    assert!(capture.keyframes >= 2, "{} keyframes", capture.keyframes);
    let frame = capture.keyframe.expect("a keyframe");
    // A process has a row for each program, name and set of ids that it had.
    let is_its = |id| frame.tables.proc(id).is_some_and(|row| row.key.pid == pid);
    let open = frame
        .tables
        .descriptors
        .iter()
        .filter(|((proc, _), _)| is_its(*proc));
    let mut files = open.filter_map(|(_, file)| frame.tables.file(*file));
    assert!(files.any(|file| file.path == b"/etc/passwd"));
}
