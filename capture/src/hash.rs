//! Hashes of executed files, computed on a thread of their own, once for each file as it was: an event never waits for one.
//!
//! A file is found through a process that executed it or sees the same mounts, and is only believed to be the executed one
//! when inode, size and time of change agree before and after it was read.

use crate::procfs;
use afterimage_model::{ProcId, Process};
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::time::{Duration, Instant};

/// Files larger than this are not hashed.
const MOST_BYTES: u64 = 256 << 20;
/// Most files that wait for their hash; others are left without one.
const MOST_WAITING: usize = 1024;
/// Most files whose hash is remembered.
const MOST_KNOWN: usize = 1 << 16;
/// Most processes that are tried for one file.
const MOST_HOLDERS: usize = 8;

/// A file as it was when it was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Device (kernel `dev_t`).
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Last change of its contents, ns since 1970.
    pub mtime_ns: u64,
    /// Its size.
    pub size: u64,
}

impl Identity {
    /// The executed file of a row; `None` when nothing tells two versions of it apart.
    pub fn of(row: &Process) -> Option<Identity> {
        (row.exe_mtime_ns != 0).then_some(Identity {
            dev: row.exe_dev,
            ino: row.exe_ino,
            mtime_ns: row.exe_mtime_ns,
            size: row.exe_size,
        })
    }
}

/// A file to be hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which.
    pub identity: Identity,
    /// Its path in the mount namespace of the holders.
    pub path: Vec<u8>,
    /// The process that executed it, then others that see the same mounts.
    pub holders: Vec<u32>,
    /// Whether its bytes are wanted, too.
    pub keep: bool,
}

/// An executed file as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Its path.
    pub path: Vec<u8>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A hash that was computed, and the file where it was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Which file.
    pub identity: Identity,
    /// Its SHA-256.
    pub hash: [u8; 32],
    /// The file itself.
    pub program: Option<Program>,
}

/// What is known of hashes.
#[derive(Default)]
pub struct Hashes {
    known: HashMap<Identity, [u8; 32]>,
    asked: BTreeSet<(u64, u64, u64, u64)>,
    /// Files whose bytes were asked for.
    kept: BTreeSet<(u64, u64, u64, u64)>,
    /// Rows that got their hash after they were made: they may be in the file without it.
    pub late: BTreeSet<ProcId>,
}

impl Hashes {
    /// The hash, when it is known.
    pub fn get(&self, identity: &Identity) -> Option<[u8; 32]> {
        self.known.get(identity).copied()
    }

    /// Whether a file should be asked for now: once, and once more when its bytes are wanted for the first time.
    pub fn ask(&mut self, identity: &Identity, keep: bool) -> bool {
        let asked = match keep {
            true => &mut self.kept,
            false if self.known.contains_key(identity) => return false,
            false => &mut self.asked,
        };
        if asked.len() >= MOST_KNOWN {
            asked.clear();
        }
        let Identity {
            dev,
            ino,
            mtime_ns,
            size,
        } = *identity;
        size <= MOST_BYTES && asked.insert((dev, ino, mtime_ns, size))
    }

    /// Remembers an answer.
    pub fn learn(&mut self, identity: Identity, hash: [u8; 32]) {
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(identity, hash);
    }
}

/// The thread that hashes.
pub struct Hasher {
    jobs: SyncSender<Job>,
    done: Receiver<Option<Done>>,
    waiting: usize,
}

impl Hasher {
    /// Starts it.
    pub fn start() -> Hasher {
        let (jobs, from) = mpsc::sync_channel::<Job>(MOST_WAITING);
        let (to, done) = mpsc::channel();
        let thread = std::thread::Builder::new().name("hash".to_owned());
        // Without the thread the channel is closed, and files stay without hashes.
        let _ = thread.spawn(move || {
            // The calling thread alone: nothing that is recorded should wait for a hash. Refused, it is merely less polite.
            let _ = rustix::process::setpriority_process(None, 19);
            for job in from {
                if to.send(hash(&job)).is_err() {
                    return;
                }
            }
        });
        Hasher {
            jobs,
            done,
            waiting: 0,
        }
    }

    /// Asks for a hash; a file too many is left without one.
    pub fn ask(&mut self, job: Job) {
        if self.jobs.try_send(job).is_ok() {
            self.waiting += 1;
        }
    }

    /// What has been computed since the last look.
    pub fn answers(&mut self) -> Vec<Done> {
        let answers: Vec<_> = self.done.try_iter().collect();
        self.waiting = self.waiting.saturating_sub(answers.len());
        answers.into_iter().flatten().collect()
    }

    /// Waits for what is still asked for, at most so long.
    pub fn wait(&mut self, most: Duration) -> Vec<Done> {
        let until = Instant::now() + most;
        let mut all = self.answers();
        while self.waiting > 0 {
            let left = until.saturating_duration_since(Instant::now());
            match self.done.recv_timeout(left) {
                Ok(answer) => {
                    self.waiting -= 1;
                    all.extend(answer);
                }
                Err(_) => break,
            }
        }
        all
    }
}

fn hash(job: &Job) -> Option<Done> {
    let holders = job.holders.iter().take(MOST_HOLDERS);
    holders.copied().find_map(|pid| {
        let exe = procfs::open_quietly(|flags| {
            rustix::fs::open(format!("/proc/{pid}/exe"), flags, rustix::fs::Mode::empty())
        });
        exe.and_then(|file| hash_of(file, job))
            .or_else(|| hash_of(procfs::open_in_root(pid, &job.path)?, job))
    })
}

/// Whether an open file is the one that was executed. The device that `fstat` tells of an overlay's file is not the one
/// its inode has, and its inode number may be another; time of change, size and one of the two must agree.
fn is(file: &File, identity: &Identity) -> bool {
    file.metadata().is_ok_and(|m| {
        let mtime = i128::from(m.mtime()) * 1_000_000_000 + i128::from(m.mtime_nsec());
        m.is_file()
            && m.len() == identity.size
            && mtime == i128::from(identity.mtime_ns)
            && (m.ino() == identity.ino || procfs::kernel_dev(m.dev()) != identity.dev)
    })
}

fn hash_of(mut file: File, job: &Job) -> Option<Done> {
    let identity = &job.identity;
    let mut kept = Vec::new();
    if !is(&file, identity) {
        return None;
    }
    let mut hasher = Sha256::new();
    let mut left = identity.size.min(MOST_BYTES);
    let mut block = vec![0; 64 << 10];
    while left > 0 {
        let read = file.read(&mut block).ok()?;
        if read == 0 {
            return None;
        }
        hasher.update(block.get(..read)?);
        if job.keep {
            kept.extend_from_slice(block.get(..read)?);
        }
        left = left.saturating_sub(read as u64);
    }
    is(&file, identity).then(|| Done {
        identity: *identity,
        hash: hasher.finalize().into(),
        program: job.keep.then(|| Program {
            path: job.path.clone(),
            bytes: kept,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn identity(path: &std::path::Path) -> Identity {
        let m = std::fs::metadata(path).unwrap();
        Identity {
            dev: procfs::kernel_dev(m.dev()),
            ino: m.ino(),
            mtime_ns: (m.mtime() * 1_000_000_000 + m.mtime_nsec()) as u64,
            size: m.len(),
        }
    }

    #[test]
    fn a_file_is_hashed_only_as_it_was() {
        let path = std::env::temp_dir().join(format!("afterimage-hash-{}", std::process::id()));
        std::fs::write(&path, b"abc").unwrap();
        let was = identity(&path);
        let abc = [
            0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae,
            0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61,
            0xf2, 0x00, 0x15, 0xad,
        ];
        let job = Job {
            identity: was,
            path: b"/x".to_vec(),
            holders: Vec::new(),
            keep: true,
        };
        let done = hash_of(File::open(&path).unwrap(), &job).unwrap();
        assert_eq!(done.hash, abc);
        assert_eq!(
            done.program.map(|program| program.bytes),
            Some(b"abc".to_vec())
        );
        let mut file = File::options().append(true).open(&path).unwrap();
        file.write_all(b"d").unwrap();
        assert_eq!(hash_of(File::open(&path).unwrap(), &job), None);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_thread_answers_for_a_program_that_runs() {
        let exe = std::env::current_exe().unwrap();
        let mut hasher = Hasher::start();
        let identity = identity(&exe);
        hasher.ask(Job {
            identity,
            path: Vec::new(),
            holders: vec![std::process::id()],
            keep: false,
        });
        let done = hasher.wait(Duration::from_secs(60));
        assert_eq!(done.len(), usize::from(identity.size <= MOST_BYTES));
    }

    #[test]
    fn a_file_is_asked_for_once() {
        let mut hashes = Hashes::default();
        let identity = Identity {
            dev: 1,
            ino: 2,
            mtime_ns: 3,
            size: 4,
        };
        assert!(hashes.ask(&identity, false) && !hashes.ask(&identity, false));
        assert!(hashes.ask(&identity, true) && !hashes.ask(&identity, true));
        hashes.learn(identity, [7; 32]);
        assert_eq!(hashes.get(&identity), Some([7; 32]));
        let huge = Identity {
            size: MOST_BYTES + 1,
            ..identity
        };
        assert!(!hashes.ask(&huge, false));
    }
}
