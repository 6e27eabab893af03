//! A path that changes while the kernel reads it: what is recorded is what was opened, the caller's string only a claim.

use crate::inside;
use afterimage_model::EventFlags;
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{End, Shared};
use afterimage_tests::harness::{self, Consumer, Seen};
use afterimage_tests::needs_recording;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[test]
fn twenty_thousand_opens_of_a_path_that_flips_are_recorded_as_what_was_opened() {
    needs_recording!();
    const OPENS: usize = 20_000;
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["a", "b"] {
        std::fs::write(folder.path().join(name), name).expect("a file");
    }
    // Not on this thread's stack, which in the child is given to the thread it starts.
    let told = Box::new(Shared::new(OPENS * 8 + 4096).expect("shared memory"));
    let cgroup = Cgroup::fresh("flip").expect("a control group");
    // The consumer waits, so that the thread that opens and the one that flips each have a CPU.
    let (capture, (pid, end)) = harness::record_with(inside(&cgroup), Consumer::Stalled, || {
        harness::run_in(&cgroup, || open_while_flipping(folder.path(), OPENS, &told))
    });
    assert_eq!(end, End::Exited(0));
    assert_eq!(capture.totals.dropped, 0);

    let told = told.take();
    let inodes: Vec<_> = told
        .chunks_exact(8)
        .map(|n| u64::from_ne_bytes(n.try_into().expect("eight bytes")))
        .collect();
    let folder_path = folder.path().as_os_str().as_encoded_bytes();
    let opened: Vec<_> = capture
        .of_thread(pid)
        .into_iter()
        .filter(|e| e.name() == "openat" && e.event.result >= 0)
        .filter(|e| e.file().is_some_and(|f| f.path.starts_with(folder_path)))
        .collect();
    assert_eq!(opened.len(), OPENS);
    let names: BTreeMap<u64, &str> = ["a", "b"]
        .map(|name| {
            (
                std::fs::metadata(folder.path().join(name))
                    .expect("still there")
                    .ino(),
                name,
            )
        })
        .into();
    let mut claims_wrong = 0;
    let (mut wrong_inode, mut wrong_path, mut wrong_mark) = (0, 0, 0);
    for (event, inode) in opened.iter().zip(&inodes) {
        let file = event.file().expect("filtered above");
        let name = names.get(inode).expect("one of the two files");
        wrong_inode += usize::from(file.ino != *inode);
        wrong_path += usize::from(!file.path.ends_with(format!("/{name}").as_bytes()));
        let claimed = event.bytes("path").unwrap_or_default();
        let differs = !claimed.ends_with(format!("/{name}").as_bytes());
        claims_wrong += usize::from(differs);
        wrong_mark += usize::from(differs != event.event.flags.has(EventFlags::CLAIM_DIFFERS));
    }
    let of_b = inodes
        .iter()
        .filter(|inode| names.get(inode) == Some(&"b"))
        .count();
    eprintln!(
        "{OPENS} opens, {of_b} of b; the caller's string was another by the end of {claims_wrong} of them"
    );
    assert!(
        (100..OPENS - 100).contains(&of_b),
        "the path did flip: {of_b} opens of b"
    );
    assert_eq!(
        (wrong_inode, wrong_path, wrong_mark),
        (0, 0, 0),
        "wrong inodes, wrong paths, wrong marks"
    );
}

/// Opens a path again and again while another thread flips its last byte between `a` and `b`; tells which file it got.
fn open_while_flipping(folder: &Path, opens: usize, told: &Shared) -> i32 {
    use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
    let mut path = folder.as_os_str().as_encoded_bytes().to_vec();
    path.extend(b"/a\0");
    let last = path.len() - 2;
    // Atomic bytes have the layout of bytes, and the kernel reads them whenever it likes.
    let path: Vec<AtomicU8> = path.into_iter().map(AtomicU8::new).collect();
    let done = AtomicBool::new(false);
    let mut inodes = Vec::with_capacity(opens * 8);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for name in *b"ba" {
                    path[last].store(name, Ordering::SeqCst);
                    for _ in 0..64 {
                        std::hint::spin_loop();
                    }
                }
            }
        });
        for _ in 0..opens {
            // SAFETY: a NUL-terminated string that outlives the call; `stat` is filled by fstat.
            unsafe {
                let fd = libc::openat(libc::AT_FDCWD, path.as_ptr().cast(), libc::O_RDONLY);
                let mut stat: libc::stat = std::mem::zeroed();
                assert_eq!(libc::fstat(fd, &raw mut stat), 0);
                inodes.extend(stat.st_ino.to_ne_bytes());
                libc::close(fd);
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    told.put(&inodes);
    0
}
