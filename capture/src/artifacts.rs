//! Files that are kept with a capture while it is recorded: programs as they were executed, and what runtimes say of
//! containers. Off unless asked for, and bounded: what does not fit is left out, and that is said.

use crate::hash::Program;
use afterimage_format::Artifact;
use afterimage_model::{Origin, Process};
use std::collections::HashSet;

/// Which files are kept, and how much of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Every program that is executed.
    pub exec: bool,
    /// Programs that are executed and were dropped: the container wrote them itself, they lie in memory alone, or where
    /// anybody may write.
    pub dropped: bool,
    /// What the runtime says of each container, without the values of environment variables.
    pub inspect: bool,
    /// Bytes of one file at most; larger ones are left out.
    pub each: u64,
    /// Bytes of all files at most.
    pub bytes: u64,
    /// Files at most.
    pub files: usize,
}

impl Default for Keep {
    fn default() -> Keep {
        Keep {
            exec: false,
            dropped: false,
            inspect: false,
            each: 16 << 20,
            bytes: 64 << 20,
            files: 256,
        }
    }
}

/// Where anybody may write.
const OPEN_TO_ALL: [&[u8]; 4] = [b"/tmp/", b"/var/tmp/", b"/dev/shm/", b"/run/"];

impl Keep {
    /// Whether anything is kept.
    pub fn any(&self) -> bool {
        self.exec || self.dropped || self.inspect
    }

    /// Whether the program of a row is kept: one that was seen being executed.
    pub fn wants(&self, row: &Process) -> bool {
        let marks = Process::EXE_MEMFD | Process::EXE_DELETED | Process::EXE_UPPER;
        let is_dropped = row.exe_flags & marks != 0
            || OPEN_TO_ALL
                .iter()
                .any(|place| row.exe_path.starts_with(place));
        row.origin == Origin::Kernel
            && row.exe_size <= self.each
            && (self.exec || (self.dropped && is_dropped))
    }
}

/// What was kept so far.
#[derive(Debug, Default)]
pub struct Kept {
    seen: HashSet<[u8; 32]>,
    bytes: u64,
    left_out: u64,
}

impl Kept {
    /// The artifact of a program, unless its bytes are kept already or there is no room.
    pub fn program(&mut self, keep: &Keep, program: Program, sha256: [u8; 32]) -> Option<Artifact> {
        self.take(
            keep,
            Artifact {
                name: program.path,
                media_type: "application/x-executable".to_owned(),
                sha256: sha256.to_vec(),
                bytes: program.bytes,
                ..Artifact::default()
            },
        )
    }

    /// The artifact of what a runtime says of a container.
    pub fn inspection(&mut self, keep: &Keep, id: String, json: Vec<u8>) -> Option<Artifact> {
        self.take(
            keep,
            Artifact {
                name: format!("{id}.json").into_bytes(),
                media_type: "application/json".to_owned(),
                container: id,
                bytes: json,
                ..Artifact::default()
            },
        )
    }

    fn take(&mut self, keep: &Keep, artifact: Artifact) -> Option<Artifact> {
        let hash = *blake3::hash(&artifact.bytes).as_bytes();
        if self.seen.contains(&hash) {
            return None;
        }
        let len = artifact.bytes.len() as u64;
        let fits =
            len <= keep.each && self.bytes + len <= keep.bytes && self.seen.len() < keep.files;
        if !fits {
            self.left_out += 1;
            return None;
        }
        self.seen.insert(hash);
        self.bytes += len;
        Some(artifact)
    }

    /// Files that were left out for lack of room.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keep() -> Keep {
        Keep {
            exec: true,
            each: 8,
            bytes: 20,
            files: 3,
            ..Keep::default()
        }
    }

    fn program(bytes: &[u8]) -> Program {
        Program {
            path: b"/x".to_vec(),
            bytes: bytes.to_vec(),
        }
    }

    #[test]
    fn the_same_bytes_are_kept_once_and_what_does_not_fit_is_counted() {
        let (keep, mut kept) = (keep(), Kept::default());
        let mut take = |bytes: &[u8]| kept.program(&keep, program(bytes), [7; 32]).is_some();
        assert!(take(b"12345678") && !take(b"12345678"));
        assert!(!take(b"123456789"), "too long");
        assert!(
            take(b"87654321") && !take(b"12345"),
            "no room for five more"
        );
        assert!(take(b"1") && !take(b"2"), "three files");
        assert_eq!(kept.left_out(), 3);
    }

    #[test]
    fn dropped_programs_are_those_of_upper_layers_of_memory_and_of_open_places() {
        let row = |path: &str, flags| Process {
            exe_path: path.as_bytes().to_vec(),
            exe_flags: flags,
            origin: Origin::Kernel,
            exe_size: 8,
            ..Process::default()
        };
        let (all, dropped) = (
            keep(),
            Keep {
                exec: false,
                dropped: true,
                ..keep()
            },
        );
        assert!(all.wants(&row("/bin/sh", 0)) && !dropped.wants(&row("/bin/sh", 0)));
        for row in [
            row("/bin/x", Process::EXE_UPPER),
            row("/memfd:x", Process::EXE_MEMFD),
            row("/tmp/x", 0),
            row("/dev/shm/x", 0),
        ] {
            assert!(dropped.wants(&row), "{row:?}");
        }
        let there_before = Process {
            origin: Origin::Procfs,
            ..row("/tmp/x", 0)
        };
        let large = Process {
            exe_size: 9,
            ..row("/tmp/x", 0)
        };
        assert!(!all.wants(&there_before) && !all.wants(&large));
        assert!(!Keep::default().any() && !Keep::default().wants(&row("/tmp/x", 0)));
    }
}
