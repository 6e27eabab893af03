//! The life of a container as a runtime tells it: made, entered, killed, ended, removed, on screens.

use crate::story::{Tale, Told, text};
use crate::{golden, play};
use afterimage_model::{EventFlags, Origin, ProcId, ProcKey, Value};
use std::sync::Arc;

/// A container that a runtime tells of: somebody enters it, and it is killed.
fn told() -> Told {
    let mut t = Tale::new();
    let web = t.container("web", "nginx:1.25");
    t.tables.containers.entry(web).and_modify(|row| {
        let row = Arc::make_mut(row);
        row.image_digest = "sha256:5ead7bc5c265".into();
        row.command = vec!["nginx".into(), "-g".into(), "daemon off;".into()];
        // A little before the runtime told of it, as its own record has it.
        row.created_ns = super::story::BEGIN_WALL + 5_000_000;
        row.exit_code = Some(137);
        row.finished_ns = super::story::BEGIN_WALL + 60_000_000;
    });
    // The row that stands for no process, as recordings have it.
    let mut nobody = |container| {
        let id = t.process(0, None, web, 0, "", "");
        t.with(id, |row| {
            row.key = ProcKey::default();
            row.origin = Origin::Runtime;
            row.comm.clear();
            row.container = container;
        });
        id
    };
    let (runtime, of_web) = (nobody(None), nobody(Some(web)));
    let mut tell = |who: ProcId, what: &str, args: &[(&str, Value)]| {
        t.call(what, who, None, 0, args)
            .flags
            .set(EventFlags::NO_RESULT | EventFlags::TOLD);
    };
    let named = [("name", text("web")), ("image", text("nginx:1.25"))];
    tell(
        runtime,
        "runtime_connect",
        &[
            ("runtime", text("docker")),
            ("socket", text("/run/docker.sock")),
        ],
    );
    tell(of_web, "runtime_create", &named);
    tell(
        of_web,
        "container_start",
        &[("id", text("web")), ("cgroup", text("/docker/web"))],
    );
    tell(of_web, "runtime_start", &named);
    let entered = [
        ("exec_id", text("8f3a")),
        ("command", text("/bin/sh -c id")),
    ];
    tell(of_web, "runtime_exec_create", &entered);
    tell(of_web, "runtime_exec_start", &entered);
    tell(
        of_web,
        "runtime_exec_die",
        &[("exec_id", text("8f3a")), ("status", Value::Num(0))],
    );
    tell(of_web, "runtime_kill", &[("signal", Value::Num(9))]);
    tell(of_web, "runtime_die", &[("status", Value::Num(137))]);
    tell(
        of_web,
        "runtime_event",
        &[
            ("object", text("network")),
            ("action", text("disconnect")),
            ("name", text("bridge")),
        ],
    );
    tell(of_web, "runtime_destroy", &named);
    t.tell()
}

#[test]
fn what_a_runtime_tells_of_a_container_is_its_life_in_sentences() {
    let told = told();
    for (name, (width, height), keys) in [
        ("lives", (120, 30), ":lives<Enter>"),
        ("lives-narrow", (80, 24), ":lives<Enter>"),
        ("container-events", (120, 30), "V"),
    ] {
        let screen = play(&told, width, height).press(keys).screen();
        golden(name, &format!("{width}x{height} {keys}\n{screen}"));
    }
    let screen = play(&told, 120, 30).press(":lives<Enter>").screen();
    for said in [
        "entered    /bin/sh -c id",
        "its runtime sent SIGKILL",
        "its program ended with 137: SIGKILL",
        "from nginx:1.25, sha256:5ead7bc5c265",
    ] {
        assert!(screen.contains(said), "{said:?}\n{screen}");
    }
    // One row for what both the event and the container's own record tell.
    assert_eq!(screen.matches("made    ").count(), 1, "{screen}");
    assert_eq!(screen.matches("ended   ").count(), 1, "{screen}");
}
