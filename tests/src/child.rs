//! Forked children that run a closure, and what became of them.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A child that was forked and has not been waited for.
#[derive(Debug)]
pub struct Child {
    pid: u32,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By exit, with this status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// Forks; the child runs `work` and exits with its result. It never returns into the caller's stack, and a panic is
/// status 101.
pub fn fork(work: impl FnOnce() -> i32) -> io::Result<Child> {
    // SAFETY: the child leaves by `_exit` alone, so nothing of the parent is dropped or flushed twice. It may be the copy
    // of a process with several threads: `work` allocates, which glibc keeps usable across fork.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let status = catch_unwind(AssertUnwindSafe(work)).unwrap_or(101);
            // SAFETY: ends the process.
            unsafe { libc::_exit(status) }
        }
        pid => Ok(Child {
            pid: pid.unsigned_abs(),
        }),
    }
}

impl Child {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for its end.
    pub fn wait(self) -> End {
        let mut status = 0;
        loop {
            // SAFETY: `status` outlives the call.
            let got = unsafe { libc::waitpid(self.pid.cast_signed(), &raw mut status, 0) };
            if got == self.pid.cast_signed() && libc::WIFEXITED(status) {
                return End::Exited(libc::WEXITSTATUS(status));
            }
            if got == self.pid.cast_signed() && libc::WIFSIGNALED(status) {
                return End::Killed(libc::WTERMSIG(status));
            }
            assert!(
                got != -1 || io::Error::last_os_error().raw_os_error() == Some(libc::EINTR),
                "waitpid: {}",
                io::Error::last_os_error()
            );
        }
    }
}

/// Gives this process the number 0 in the namespace of users it has just made: without a number there it may do little, and make
/// no other (man 7 user_namespaces).
///
/// # Errors
/// When the kernel does not allow it.
pub fn be_root_of_own_users() -> io::Result<()> {
    for (of, text) in [
        ("uid_map", "0 0 1"),
        ("setgroups", "deny"),
        ("gid_map", "0 0 1"),
    ] {
        std::fs::write(format!("/proc/self/{of}"), text)?;
    }
    Ok(())
}

/// Memory that a child shares with its parent: what the child writes is there after its end.
#[derive(Debug)]
pub struct Shared {
    at: *mut u8,
    len: usize,
}

impl Shared {
    /// Maps `len` zeroed bytes.
    pub fn new(len: usize) -> io::Result<Shared> {
        // SAFETY: a fresh anonymous mapping at an address the kernel chooses.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if at == libc::MAP_FAILED {
            Err(io::Error::last_os_error())
        } else {
            Ok(Shared { at: at.cast(), len })
        }
    }

    /// Writes `bytes` at the start, with their length before them.
    ///
    /// # Panics
    /// When they do not fit.
    pub fn put(&self, bytes: &[u8]) {
        assert!(
            bytes.len() + 8 <= self.len,
            "{} bytes do not fit into {}",
            bytes.len(),
            self.len
        );
        // SAFETY: the mapping is at least as long as what is written, and nobody reads it until the child has ended.
        unsafe {
            self.at.cast::<u64>().write_volatile(bytes.len() as u64);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at.add(8), bytes.len());
        }
    }

    /// What was put last.
    pub fn take(&self) -> Vec<u8> {
        // SAFETY: the mapping lives as long as `self`, and the length was checked when it was put.
        unsafe {
            let len = (self.at.cast::<u64>().read_volatile() as usize).min(self.len - 8);
            std::slice::from_raw_parts(self.at.add(8), len).to_vec()
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: unmaps exactly what `new` mapped.
        unsafe { libc::munmap(self.at.cast(), self.len) };
    }
}

// SAFETY: the pointer is to shared memory that is only touched through `put` and `take`, in turns.
unsafe impl Send for Shared {}
// SAFETY: see above.
unsafe impl Sync for Shared {}
