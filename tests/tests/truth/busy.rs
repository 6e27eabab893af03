//! A container in which something goes on while a watch looks on.

use afterimage_tests::cgroup::Cgroup;
use afterimage_tests::child::{self, Child};
use serde_json::Value;
use std::io::Read;
use std::time::Duration;

/// A container in which something goes on until it is dropped.
pub struct Busy {
    child: Option<Child>,
    cgroup: Cgroup,
    pub id: String,
}

impl Busy {
    /// One that asks for a number now and then.
    pub fn start(tag: &str) -> Busy {
        Busy::doing(tag, || {
            // SAFETY: asks for a number.
            unsafe { libc::syscall(libc::SYS_getppid) };
            std::thread::sleep(Duration::from_millis(5));
        })
    }

    /// One that reads what is no two times the same and cannot be pressed: a hundred pieces of 256 bytes, then it rests.
    pub fn filling(tag: &str, rest: Duration) -> Busy {
        let mut random = std::fs::File::open("/dev/urandom").expect("random bytes");
        let mut piece = [0u8; 256];
        Busy::doing(tag, move || {
            for _ in 0..100 {
                random.read_exact(&mut piece).expect("random bytes");
            }
            std::thread::sleep(rest);
        })
    }

    /// The kernel's number of its control group.
    pub fn group_id(&self) -> u64 {
        self.cgroup.id()
    }

    /// One that does something again and again.
    pub fn doing(tag: &str, mut what: impl FnMut()) -> Busy {
        let (cgroup, id) = Cgroup::like_a_container(tag).expect("a control group");
        let work = || {
            cgroup.enter().expect("the group takes the child");
            loop {
                what();
            }
        };
        let child = child::fork(work).expect("fork");
        Busy {
            child: Some(child),
            cgroup,
            id,
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            // SAFETY: ends the child that was made here.
            unsafe { libc::kill(child.pid() as i32, libc::SIGKILL) };
            child.wait();
        }
    }
}

/// Whether the window has something of a container.
pub fn has(status: &Value, id: &str) -> bool {
    let trails = status["trails"].as_array().cloned().unwrap_or_default();
    trails.iter().any(|trail| {
        let short = trail["container.id"].as_str().unwrap_or("?");
        id.starts_with(short)
    })
}
