//! io_uring: what a thread asks of the kernel without calling it, compared operation by operation with its completions.

use crate::inside;
use afterimage_model::{FileKind, Role};
use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{End, Shared};
use afterimage_tests::harness::{self, Seen};
use afterimage_tests::needs_recording;
use afterimage_tests::uring::{Sqe, Uring};
use std::collections::BTreeSet;
use std::os::fd::AsRawFd;

/// include/uapi/linux/io_uring.h
mod op {
    pub const NOP: u8 = 0;
    pub const READV: u8 = 1;
    pub const WRITEV: u8 = 2;
    pub const FSYNC: u8 = 3;
    pub const READ_FIXED: u8 = 4;
    pub const WRITE_FIXED: u8 = 5;
    pub const POLL_ADD: u8 = 6;
    pub const SENDMSG: u8 = 9;
    pub const RECVMSG: u8 = 10;
    pub const TIMEOUT: u8 = 11;
    pub const ACCEPT: u8 = 13;
    pub const CONNECT: u8 = 16;
    pub const FALLOCATE: u8 = 17;
    pub const OPENAT: u8 = 18;
    pub const CLOSE: u8 = 19;
    pub const STATX: u8 = 21;
    pub const READ: u8 = 22;
    pub const WRITE: u8 = 23;
    pub const FADVISE: u8 = 24;
    pub const SEND: u8 = 26;
    pub const RECV: u8 = 27;
    pub const OPENAT2: u8 = 28;
    pub const SHUTDOWN: u8 = 34;
    pub const RENAMEAT: u8 = 35;
    pub const UNLINKAT: u8 = 36;
    pub const MKDIRAT: u8 = 37;
    pub const SYMLINKAT: u8 = 38;
    pub const LINKAT: u8 = 39;
    pub const SETXATTR: u8 = 42;
    pub const SOCKET: u8 = 45;
    pub const FIXED_FD_INSTALL: u8 = 54;
    pub const FTRUNCATE: u8 = 55;
    pub const BIND: u8 = 56;
    pub const LISTEN: u8 = 57;
}
const FIXED_FILE: u8 = 1;
const LINK: u8 = 4;
const ASYNC: u8 = 16;
const SETUP_SQPOLL: u32 = 2;
const AT_FDCWD: i32 = libc::AT_FDCWD;

/// What was asked and what came of it.
type Truth = Vec<(u8, u64, i32)>;

/// Makes every operation once and gives the kernel's own account.
struct Caller {
    ring: Uring,
    next: u64,
    truth: Truth,
}

impl Caller {
    fn all(&mut self, sqes: &mut [Sqe]) -> Vec<i32> {
        for sqe in sqes.iter_mut() {
            self.next += 1;
            sqe.user_data = self.next;
        }
        let results = self.ring.run(sqes).expect("the ring takes them");
        for (sqe, result) in sqes.iter().zip(&results) {
            self.truth.push((sqe.opcode, sqe.user_data, *result));
        }
        results
    }

    fn one(&mut self, mut sqe: Sqe) -> i32 {
        self.all(std::slice::from_mut(&mut sqe))[0]
    }
}

fn sqe(opcode: u8, fd: i32, addr: u64, len: u32, off: u64) -> Sqe {
    Sqe {
        opcode,
        fd,
        addr,
        len,
        off,
        ..Sqe::default()
    }
}

/// An address the kernel is given.
fn at<T: ?Sized>(of: &T) -> u64 {
    std::ptr::from_ref(of).cast::<u8>() as u64
}

fn everything(setup: u32, first: u64) -> Truth {
    let mut c = Caller {
        ring: Uring::new(64, setup).expect("a ring"),
        next: first,
        truth: Vec::new(),
    };
    c.one(sqe(op::NOP, -1, 0, 0, 0));
    let made = sqe(op::OPENAT, AT_FDCWD, at(c"a".to_bytes_with_nul()), 0o644, 0);
    let fd = c.one(Sqe {
        op_flags: (libc::O_RDWR | libc::O_CREAT) as u32,
        ..made
    });
    assert!(fd >= 0, "the file opens: {fd}");
    c.one(Sqe {
        op_flags: libc::O_RDONLY as u32,
        ..sqe(
            op::OPENAT,
            AT_FDCWD,
            at(c"missing".to_bytes_with_nul()),
            0,
            0,
        )
    });
    let how = [libc::O_RDONLY as u64, 0, 0];
    let second = c.one(Sqe {
        flags: ASYNC,
        off: at(&how),
        ..sqe(op::OPENAT2, AT_FDCWD, at(c"a".to_bytes_with_nul()), 24, 0)
    });
    let secret = *b"secret of the ring";
    c.one(sqe(op::WRITE, fd, at(&secret), secret.len() as u32, 0));
    let mut buffer = [0u8; 64];
    c.one(sqe(op::READ, fd, at(&buffer), 64, 0));
    c.one(Sqe {
        flags: ASYNC,
        ..sqe(op::READ, second, at(&buffer), 6, 0)
    });
    let vector = [(at(&secret), 6u64), (at(&secret) + 6, 4)];
    c.one(sqe(op::WRITEV, fd, at(&vector), 2, 0));
    let vector = [(at(&buffer), 10u64)];
    c.one(sqe(op::READV, fd, at(&vector), 1, 0));
    // A chain that holds, and one that breaks: what hangs on a failed operation is cancelled.
    c.all(&mut [
        Sqe {
            flags: LINK,
            ..sqe(op::WRITE, fd, at(&secret), 3, 0)
        },
        sqe(op::FSYNC, fd, 0, 0, 0),
    ]);
    c.all(&mut [
        Sqe {
            flags: LINK,
            ..sqe(op::READ, 9_999, at(&buffer), 3, 0)
        },
        sqe(op::FSYNC, fd, 0, 0, 0),
    ]);
    let stat = [0u8; 512];
    c.one(Sqe {
        off: at(&stat),
        ..sqe(op::STATX, AT_FDCWD, at(c"a".to_bytes_with_nul()), 0x7ff, 0)
    });
    c.one(Sqe {
        addr: 100,
        ..sqe(op::FALLOCATE, fd, 0, 0, 0)
    });
    c.one(sqe(op::FADVISE, fd, 0, 10, 0));
    c.one(sqe(op::FTRUNCATE, fd, 0, 0, 50));
    c.one(sqe(
        op::MKDIRAT,
        AT_FDCWD,
        at(c"d".to_bytes_with_nul()),
        0o755,
        0,
    ));
    c.one(Sqe {
        off: at(c"b".to_bytes_with_nul()),
        len: AT_FDCWD as u32,
        ..sqe(op::RENAMEAT, AT_FDCWD, at(c"a".to_bytes_with_nul()), 0, 0)
    });
    c.one(Sqe {
        off: at(c"link".to_bytes_with_nul()),
        ..sqe(op::SYMLINKAT, AT_FDCWD, at(c"b".to_bytes_with_nul()), 0, 0)
    });
    c.one(Sqe {
        off: at(c"hard".to_bytes_with_nul()),
        len: AT_FDCWD as u32,
        ..sqe(op::LINKAT, AT_FDCWD, at(c"b".to_bytes_with_nul()), 0, 0)
    });
    for (path, flags) in [
        (c"link", 0),
        (c"hard", 0),
        (c"d", libc::AT_REMOVEDIR as u32),
    ] {
        c.one(Sqe {
            op_flags: flags,
            ..sqe(op::UNLINKAT, AT_FDCWD, at(path.to_bytes_with_nul()), 0, 0)
        });
    }
    c.one(Sqe {
        off: at(c"v"),
        addr3: at(c"b".to_bytes_with_nul()),
        ..sqe(op::SETXATTR, 0, at(c"user.x".to_bytes_with_nul()), 1, 0)
    });
    // Files and buffers that the ring knows already.
    c.ring.register_files(&[fd]).expect("a fixed file");
    c.ring.register_buffer(&mut buffer).expect("a fixed buffer");
    c.one(Sqe {
        flags: FIXED_FILE,
        ..sqe(op::READ, 0, at(&buffer), 5, 0)
    });
    c.one(sqe(op::READ_FIXED, fd, at(&buffer), 5, 0));
    c.one(Sqe {
        flags: FIXED_FILE,
        ..sqe(op::WRITE_FIXED, 0, at(&buffer), 5, 0)
    });
    let installed = c.one(Sqe {
        flags: FIXED_FILE,
        ..sqe(op::FIXED_FD_INSTALL, 0, 0, 0, 0)
    });
    // Sockets from beginning to end.
    let server = c.one(sqe(
        op::SOCKET,
        libc::AF_INET,
        0,
        0,
        libc::SOCK_STREAM as u64,
    ));
    let mut address = [0u8; 16];
    address[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    c.one(Sqe {
        off: 16,
        ..sqe(op::BIND, server, at(&address), 0, 0)
    });
    c.one(sqe(op::LISTEN, server, 0, 8, 0));
    let mut bound = address;
    let mut len = 16u32;
    // SAFETY: an address with room for it.
    let named = unsafe { libc::getsockname(server, bound.as_mut_ptr().cast(), &mut len) };
    if named != 0 || bound[2..4] == [0, 0] {
        // A kernel whose ring cannot bind: by calls.
        // SAFETY: as above.
        unsafe {
            libc::bind(server, address.as_ptr().cast(), 16);
            libc::listen(server, 8);
            libc::getsockname(server, bound.as_mut_ptr().cast(), &mut len);
        }
    }
    let client = c.one(sqe(
        op::SOCKET,
        libc::AF_INET,
        0,
        0,
        libc::SOCK_STREAM as u64,
    ));
    c.one(Sqe {
        off: 16,
        ..sqe(op::CONNECT, client, at(&bound), 0, 0)
    });
    let accepted = c.one(sqe(op::ACCEPT, server, 0, 0, 0));
    c.one(sqe(op::SEND, client, at(b"ping"), 4, 0));
    c.one(Sqe {
        op_flags: libc::POLLIN as u32,
        ..sqe(op::POLL_ADD, accepted, 0, 0, 0)
    });
    c.one(sqe(op::RECV, accepted, at(&buffer), 64, 0));
    let vector = [(at(b"pong"), 4u64)];
    // struct msghdr: no address, one buffer, no control data.
    let message = [0u64, 0, at(&vector), 1, 0, 0, 0];
    c.one(sqe(op::SENDMSG, accepted, at(&message), 1, 0));
    let vector = [(at(&buffer), 64u64)];
    let message = [0u64, 0, at(&vector), 1, 0, 0, 0];
    c.one(sqe(op::RECVMSG, client, at(&message), 1, 0));
    c.one(sqe(op::SHUTDOWN, client, 0, libc::SHUT_RDWR as u32, 0));
    let moment = [0u64, 1];
    c.one(sqe(op::TIMEOUT, -1, at(&moment), 1, 0));
    for fd in [client, accepted, server, installed, second] {
        c.one(sqe(op::CLOSE, fd, 0, 0, 0));
    }
    // Refused before it begins.
    c.one(sqe(250, -1, 0, 0, 0));
    c.truth
}

#[test]
fn every_operation_of_a_ring_is_an_event_of_the_process_that_has_it() {
    needs_recording!();
    let told = Shared::new(1 << 16).expect("shared memory");
    let folder = tempfile::tempdir().expect("a folder");
    let cgroup = Cgroup::fresh("rings").expect("a control group");
    let (capture, (pid, end)) = harness::record(inside(&cgroup), || {
        harness::run_in(&cgroup, || {
            std::env::set_current_dir(folder.path()).expect("the folder");
            let mut truth = everything(0, 0);
            std::fs::remove_file("b").expect("the file is there");
            truth.extend(everything(SETUP_SQPOLL, 1_000));
            let text: Vec<u8> = truth
                .iter()
                .flat_map(|(op, data, result)| {
                    [
                        u64::from(*op).to_ne_bytes(),
                        data.to_ne_bytes(),
                        i64::from(*result).to_ne_bytes(),
                    ]
                    .concat()
                })
                .collect();
            told.put(&text);
            0
        })
    });
    assert_eq!(end, End::Exited(0));
    let told = told.take();
    let word = |chunk: &[u8], n: usize| {
        i64::from_ne_bytes(chunk[n * 8..n * 8 + 8].try_into().expect("eight bytes"))
    };
    let mut truth: Vec<_> = told
        .chunks_exact(24)
        .map(|chunk| (word(chunk, 0), word(chunk, 1), word(chunk, 2)))
        .collect();
    let events = capture.of_type("io_uring_op");
    let mut seen: Vec<_> = events
        .iter()
        .map(|e| {
            (
                e.number("opcode").unwrap_or(-1),
                e.number("user_data").unwrap_or(-1),
                e.event.result,
            )
        })
        .collect();
    truth.sort_unstable_by_key(|row| row.1);
    seen.sort_unstable_by_key(|row| row.1);
    let opcodes: BTreeSet<_> = truth.iter().map(|row| row.0).collect();
    eprintln!(
        "{} operations of {} kinds, {} recorded",
        truth.len(),
        opcodes.len(),
        seen.len()
    );
    assert!(opcodes.len() >= 20 && truth.len() >= 80);
    assert_eq!(seen, truth, "every operation with its result");
    for event in &events {
        assert_eq!(event.pid(), pid, "{}", event.line());
    }
    assert!(
        !capture
            .manifest
            .not_covered
            .iter()
            .any(|line| line.contains("io_uring")),
        "what is seen is not called unseen"
    );
    let of = |opcode: u8, good: bool| {
        let found = events.iter().find(|e| {
            e.number("opcode") == Some(i64::from(opcode)) && (e.event.result >= 0) == good
        });
        found.unwrap_or_else(|| panic!("no operation {opcode}"))
    };
    let open = of(op::OPENAT, true);
    assert_eq!(open.bytes("path"), Some(&b"a"[..]));
    let file = open.file().expect("the file");
    assert!(file.path.ends_with(b"/a"), "{}", open.line());
    assert_eq!(of(op::OPENAT, false).bytes("path"), Some(&b"missing"[..]));
    let write = of(op::WRITE, true);
    assert_eq!(write.bytes("data"), Some(&b"secret of the ring"[..]));
    assert_eq!(write.file().map(|f| f.ino), Some(file.ino));
    assert_eq!(
        of(op::READ, true).bytes("data"),
        Some(&b"secret of the ring"[..])
    );
    assert_eq!(of(op::WRITEV, true).bytes("data"), Some(&b"secret of "[..]));
    assert_eq!(
        of(op::READ_FIXED, true).bytes("data").map(<[u8]>::len),
        Some(5)
    );
    let rename = of(op::RENAMEAT, true);
    assert_eq!(
        (rename.bytes("path"), rename.bytes("newpath")),
        (Some(&b"a"[..]), Some(&b"b"[..]))
    );
    assert_eq!(of(op::MKDIRAT, true).bytes("path"), Some(&b"d"[..]));
    let connect = of(op::CONNECT, true).file().expect("a socket").clone();
    let flow = connect.flow.expect("both ends");
    assert_eq!((connect.kind, flow.role), (FileKind::Ipv4, Role::Client));
    let accept = of(op::ACCEPT, true).file().expect("a socket").clone();
    assert_eq!(accept.flow.map(|f| f.role), Some(Role::Server));
    assert_eq!(accept.flow.map(|f| f.remote), Some(flow.local));
    assert_eq!(of(op::SEND, true).bytes("data"), Some(&b"ping"[..]));
    assert_eq!(of(op::RECV, true).bytes("data"), Some(&b"ping"[..]));
    assert_eq!(of(op::RECVMSG, true).bytes("data"), Some(&b"pong"[..]));
    assert!(of(op::CLOSE, true).file().is_some(), "what was closed");
}

#[test]
fn an_operation_that_never_completes_is_told_as_in_flight() {
    needs_recording!();
    let cgroup = Cgroup::fresh("ring-waits").expect("a control group");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let (ready, tell) = std::io::pipe().expect("a pipe");
    let mut child = None;
    let (capture, ()) = harness::record(inside(&cgroup), || {
        child = Some(
            afterimage_tests::child::fork(|| {
                cgroup.enter().expect("the group takes the child");
                let mut ring = Uring::new(8, 0).expect("a ring");
                let buffer = [0u8; 8];
                let mut read = sqe(op::READ, reader.as_raw_fd(), at(&buffer), 8, 0);
                read.user_data = 77;
                ring.submit(&[read]).expect("the ring takes it");
                // SAFETY: a byte, to say that it is done; then a call that does not end.
                unsafe {
                    libc::write(tell.as_raw_fd(), b"x".as_ptr().cast(), 1);
                    libc::pause();
                }
                0
            })
            .expect("fork"),
        );
        let mut byte = [0u8; 1];
        std::io::Read::read_exact(&mut &ready, &mut byte).expect("the child is ready");
    });
    let child = child.expect("it was forked");
    let pid = child.pid();
    // SAFETY: ends the child, which is not waited for yet.
    unsafe { libc::kill(pid as i32, libc::SIGKILL) };
    child.wait();
    drop(writer);
    let waiting: Vec<_> = capture
        .events()
        .filter(|e| e.event.flags.has(afterimage_model::EventFlags::IN_FLIGHT))
        .collect();
    let names: Vec<_> = waiting.iter().map(|e| (e.name(), e.pid())).collect();
    assert!(names.contains(&("io_uring_op", pid)), "{names:?}");
    assert!(names.contains(&("pause", pid)), "{names:?}");
}
