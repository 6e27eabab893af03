//! Processes that the kernel kills for lack of memory.

use afterimage_capture::{Options, Scope};
use afterimage_tests::cgroup::{self, Cgroup};
use afterimage_tests::child::End;
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;

/// What the group may have, and what its process asks for.
const LIMIT: usize = 16 << 20;

#[test]
fn the_victim_of_a_lack_of_memory_is_named() {
    needs_recording!();
    let group = Cgroup::fresh("oom").expect("a control group");
    // The memory controller may belong to version 1 here; then it is not ours to give.
    let root = cgroup::mount().expect("a group could be made");
    let _ = std::fs::write(root.join("cgroup.subtree_control"), "+memory");
    if let Err(why) = std::fs::write(group.path().join("memory.max"), LIMIT.to_string()) {
        harness::skip(&format!("no memory controller in version 2: {why}"));
        return;
    }
    // Where there is no swap there is no such file.
    let _ = std::fs::write(group.path().join("memory.swap.max"), "0");
    let options = Options {
        scope: Scope::Cgroup(group.path().to_owned()),
        ..Options::default()
    };
    let (capture, (pid, end)) = harness::record(options, || {
        harness::run_in(&group, || {
            // Every page is touched: memory that nobody writes to is not there.
            let hoard = vec![1u8; 8 * LIMIT];
            i32::from(std::hint::black_box(hoard).len() != 8 * LIMIT)
        })
    });
    assert_eq!(end, End::Killed(libc::SIGKILL));
    let kills = capture.of_type("oom_kill");
    let victims: Vec<_> = kills
        .iter()
        .map(|kill| (kill.number("pid"), kill.pid(), kill.event.tid))
        .collect();
    assert_eq!(victims, [(Some(i64::from(pid)), pid, pid)]);
}
