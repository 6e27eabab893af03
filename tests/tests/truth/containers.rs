//! Short programs and short containers: nothing about them may be lost because they are gone when one looks.

use crate::inside;
use afterimage_capture::{Options, Scope};
use afterimage_model::Ctx;
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{End, Shared};
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn two_thousand_short_programs_all_have_their_arguments_parent_exit_code_and_container() {
    needs_recording!();
    const PROGRAMS: usize = 2_000;
    let (cgroup, id) = Cgroup::like_a_container("programs").expect("a control group");
    let told = Shared::new(PROGRAMS * 8 + 4096).expect("shared memory");
    let (capture, (parent, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            let mut pids = Vec::new();
            for at in 0..PROGRAMS {
                let program = if at % 10 == 9 {
                    "/bin/false"
                } else {
                    "/bin/true"
                };
                let mut child = Command::new(program)
                    .arg(format!("run {at}"))
                    .spawn()
                    .expect("it starts");
                pids.extend(child.id().to_ne_bytes());
                child.wait().expect("it ends");
            }
            told.put(&pids);
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    assert_eq!(capture.totals.dropped, 0);

    let told = told.take();
    let pids: Vec<_> = told
        .chunks_exact(4)
        .map(|n| u32::from_ne_bytes(n.try_into().expect("four bytes")))
        .collect();
    let mut execs: BTreeMap<u32, Vec<Ctx<'_>>> = BTreeMap::new();
    for event in capture
        .of_type("execve")
        .into_iter()
        .filter(|e| e.event.result == 0)
    {
        execs.entry(event.event.tid).or_default().push(event);
    }
    let mut exits: BTreeMap<u32, Vec<Ctx<'_>>> = BTreeMap::new();
    for event in capture.of_type("procexit") {
        exits.entry(event.event.tid).or_default().push(event);
    }
    let mut wrong = Vec::new();
    for (at, pid) in pids.iter().enumerate() {
        let (program, code) = if at % 10 == 9 {
            ("/bin/false", 1)
        } else {
            ("/bin/true", 0)
        };
        let (exec, exit) = match (
            execs.get(pid).map(Vec::as_slice),
            exits.get(pid).map(Vec::as_slice),
        ) {
            (Some([exec]), Some([exit])) => (exec, exit),
            (exec, exit) => {
                wrong.push(format!(
                    "{pid}: {} exec events, {} exit events",
                    exec.map_or(0, <[_]>::len),
                    exit.map_or(0, <[_]>::len)
                ));
                continue;
            }
        };
        let Some(process) = exec.proc() else {
            wrong.push(format!("{pid}: no process"));
            continue;
        };
        let args: Vec<_> = process.args().collect();
        let run = format!("run {at}");
        if args != [program.as_bytes(), run.as_bytes()]
            || exec.bytes("path") != Some(program.as_bytes())
        {
            wrong.push(format!("{pid}: {}", exec.line()));
        }
        if process.ppid != parent {
            wrong.push(format!("{pid}: parent {} is not {parent}", process.ppid));
        }
        if exit.number("status") != Some(code) || exit.number("signal") != Some(0) {
            wrong.push(format!("{pid}: ended with {code}: {}", exit.line()));
        }
        if exec.container().map(|c| c.full_id.as_str()) != Some(id.as_str()) {
            wrong.push(format!("{pid}: container {:?}", exec.container()));
        }
        if exit.pid() != *pid || exit.proc().map(|p| p.key) != Some(process.key) {
            wrong.push(format!(
                "{pid}: the exit belongs to {:?}",
                exit.proc().map(|p| p.key)
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {PROGRAMS}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_container_of_fifty_milliseconds_has_its_id_on_every_event() {
    needs_recording!();
    let (capture, (id, pid)) = harness::record(
        Options {
            scope: Scope::AllContainers,
            ..Options::default()
        },
        || {
            let (cgroup, id) = Cgroup::like_a_container("brief").expect("a control group");
            let (pid, end) = harness::run_in(&cgroup, || {
                for _ in 0..10 {
                    // SAFETY: asks for a number.
                    unsafe { libc::syscall(libc::SYS_getppid) };
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
                0
            });
            assert_eq!(end, End::Exited(0));
            (id, pid)
        },
    );
    let events: Vec<_> = capture
        .of_thread(pid)
        .into_iter()
        .filter(|e| e.name() == "getppid")
        .collect();
    assert_eq!(events.len(), 10);
    for event in events {
        assert_eq!(
            event.container().map(|c| c.full_id.as_str()),
            Some(id.as_str()),
            "{}",
            event.line()
        );
    }
}

#[test]
fn a_brief_docker_container_is_recorded_with_id_name_and_image() {
    needs_recording!();
    let docker = |args: &[&str]| Command::new("docker").args(args).output();
    if !docker(&["info"]).is_ok_and(|o| o.status.success()) {
        harness::skip("no docker daemon answers");
        return;
    }
    let Some(image) = docker_image() else {
        harness::skip("no image could be made");
        return;
    };
    let name = format!("afterimage-brief-{}", std::process::id());
    let (capture, id) = harness::record(
        Options {
            scope: Scope::AllContainers,
            ..Options::default()
        },
        || {
            let run = docker(&[
                "run",
                "--detach",
                "--name",
                &name,
                "--network",
                "none",
                &image,
                "/truth",
            ])
            .expect("docker runs");
            assert!(
                run.status.success(),
                "{}",
                String::from_utf8_lossy(&run.stderr)
            );
            let id = String::from_utf8(run.stdout)
                .expect("an id")
                .trim()
                .to_owned();
            docker(&["wait", &name]).expect("docker waits");
            docker(&["rm", "-f", &name]).expect("docker removes");
            id
        },
    );
    let execs: Vec<_> = capture
        .of_type("execve")
        .into_iter()
        .filter(|e| e.container().is_some_and(|c| c.full_id == id))
        .collect();
    assert!(
        execs
            .iter()
            .any(|e| e.proc().is_some_and(|p| p.args().next() == Some(b"/truth"))),
        "the container's program"
    );
    let container = capture
        .state
        .containers
        .values()
        .find(|c| c.full_id == id)
        .expect("the container is in the state");
    assert_eq!(
        (container.name.as_str(), container.image.as_str()),
        (name.as_str(), image.as_str()),
        "{container:?}"
    );
    assert_eq!(container.runtime, "docker");
    // The digest takes a further question, which may come too late for a container this brief.
    assert!(
        container.image_id.is_empty() || container.image_id.starts_with("sha256:"),
        "{}",
        container.image_id
    );
}

/// An image with one program that ends at once, built from what is on this machine.
fn docker_image() -> Option<String> {
    let folder = tempfile::tempdir().ok()?;
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|p| Path::new(p).exists());
    match busybox {
        Some(busybox) => std::fs::copy(busybox, folder.path().join("truth"))
            .map(|_| ())
            .ok()?,
        None => {
            let source = folder.path().join("truth.c");
            std::fs::write(&source, "int main(void) { return 0; }\n").ok()?;
            let cc = Command::new("cc")
                .args(["-static", "-o"])
                .arg(folder.path().join("truth"))
                .arg(&source)
                .status()
                .ok()?;
            std::fs::remove_file(&source).ok()?;
            cc.success().then_some(())?;
        }
    }
    let tar = Command::new("tar")
        .arg("-C")
        .arg(folder.path())
        .args(["-c", "."])
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let image = "afterimage-tests/truth:latest";
    let import = Command::new("docker")
        .args(["import", "-", image])
        .stdin(tar.stdout?)
        .stdout(Stdio::null())
        .status()
        .ok()?;
    import.success().then(|| image.to_owned())
}
