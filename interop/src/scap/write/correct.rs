//! What readers would believe wrongly, put right by events that are not to be shown.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::lists::{scap_type, split_argv, user_dev};
use super::{Scribe, Stamp};
use crate::error::Error;
use crate::scap::params::{Maker, packed_end, packed_tuple};
use crate::scap::state::{self, State};
use crate::scap::threads::{CHILD_IN_PIDNS, CLONE_FILES, CLONE_THREAD, ty};
use crate::scap::types;
use afterimage_model::{Ctx, File, FileKind, Process, Role};
use std::io::Write;

impl<W: Write> Scribe<W> {
    /// Puts right what readers would believe of the event's thread and descriptor.
    pub(super) fn correct(&mut self, ctx: &Ctx<'_>, at: Stamp, code: u16) -> Result<(), Error> {
        let Some(row) = ctx.proc() else { return Ok(()) };
        // What the event itself tells, readers hear from it.
        let tells = matches!(
            code,
            13 | 15 | 155 | 157 | 173 | 183 | 185 | 215..=227 | 231 | 283 | 289 | 293 | 331 | 335
        ) || row.is_told();
        if !tells || matches!(code, 289 | 293 | 331) && !row.is_told() {
            self.correct_thread(ctx, at, row)?;
        }
        let is_about = types::row(code).is_some_and(state::is_about_fd);
        let opens = types::row(code).is_some_and(|row| row.creates);
        let maker = Maker { ctx };
        // What is copied has to be known under its old number.
        let fd = match code {
            125 => maker.copied(),
            _ if opens => None,
            _ => maker.fd(),
        };
        match (fd.filter(|fd| *fd >= 0), ctx.file()) {
            (Some(fd), Some(file)) if is_about && !row.is_told() => self.correct_file(at, fd, file),
            _ => Ok(()),
        }
    }

    fn correct_thread(&mut self, ctx: &Ctx<'_>, at: Stamp, row: &Process) -> Result<(), Error> {
        let pid = i64::from(row.key.pid as i32);
        let (exe, args) = split_argv(row);
        let known = self
            .sim
            .threads
            .get(&at.tid)
            .map(|thread| thread.pid == pid && !thread.is_unknown());
        if known == Some(false)
            && self
                .sim
                .threads
                .get(&at.tid)
                .is_some_and(|thread| !thread.is_unknown())
        {
            // The number has come round again.
            self.emit(at, 186, &Maker::exit(), true)?;
        }
        if known != Some(true) {
            let is_thread = at.tid != pid;
            let mut flags = if is_thread {
                CLONE_THREAD | CLONE_FILES
            } else {
                0
            };
            let vpid = i64::from(row.vpid as i32);
            if vpid != pid && vpid > 0 {
                flags |= CHILD_IN_PIDNS;
            }
            let parent = if is_thread {
                pid
            } else {
                i64::from(row.ppid as i32)
            };
            let params = Maker { ctx }.birth(row, at.tid, parent, flags);
            self.emit(at, 223, &params, true)?;
        }
        let cwd_differs = |sim: &mut State| {
            let cwd = sim.cwd(at.tid);
            let wanted = if row.cwd.ends_with(b"/") {
                row.cwd.clone()
            } else {
                [&row.cwd, &b"/"[..]].concat()
            };
            row.cwd.starts_with(b"/") && *cwd != *wanted
        };
        let Some(thread) = self.sim.threads.get(&at.tid) else {
            return Ok(());
        };
        let same_args = trimmed(&thread.args) == trimmed(args);
        let exec = *thread.comm != *row.comm
            || *thread.exe != *exe
            || !same_args
            || (!row.exe_path.is_empty() && *thread.exepath != *row.exe_path);
        let (uid, gid) = (thread.uid, thread.gid);
        if exec {
            let is_thread = at.tid != pid;
            if is_thread {
                // A program that is executed would end the thread: it is made anew.
                self.emit(at, 186, &Maker::exit(), true)?;
                let params = Maker { ctx }.birth(row, at.tid, pid, CLONE_THREAD | CLONE_FILES);
                self.emit(at, 223, &params, true)?;
            } else {
                let mut path = row.exe_path.clone();
                path.push(0);
                self.emit(at, 292, &[path], true)?;
                let params = Maker { ctx }.executed(row, at.tid);
                self.emit(at, 293, &params, true)?;
            }
        }
        if cwd_differs(&mut self.sim) {
            let mut path = row.cwd.clone();
            path.push(0);
            self.emit(at, 95, &[0_i64.to_le_bytes().to_vec(), path], true)?;
        }
        let exit = vec![0_i64.to_le_bytes().to_vec()];
        if uid != row.euid {
            self.emit(at, 198, &[row.euid.to_le_bytes().to_vec()], true)?;
            self.emit(at, 199, &exit, true)?;
        }
        if gid != row.egid {
            self.emit(at, 200, &[row.egid.to_le_bytes().to_vec()], true)?;
            self.emit(at, 201, &exit, true)?;
        }
        Ok(())
    }

    fn correct_file(&mut self, at: Stamp, fd: i64, file: &File) -> Result<(), Error> {
        let wanted = scap_type(file);
        let name = file.name();
        let right = self
            .sim
            .fd_of(at.tid, fd)
            .is_some_and(|known| same_type(known.ty, wanted) && *known.name == *name);
        if right || file.kind == FileKind::Unseen {
            return Ok(());
        }
        let number = fd.to_le_bytes().to_vec();
        let zero = || 0_i64.to_le_bytes().to_vec();
        match (file.kind, file.flow) {
            (FileKind::Ipv4 | FileKind::Ipv6, Some(flow))
                if flow.is_connected() && flow.role == Role::Server =>
            {
                let tuple = packed_tuple(flow.remote, flow.local);
                self.emit(at, 246, &[], true)?;
                self.emit(
                    at,
                    247,
                    &[number, tuple, vec![0], vec![0; 4], vec![0; 4]],
                    true,
                )
            }
            (FileKind::Ipv4 | FileKind::Ipv6, Some(flow)) => {
                let family: u32 = if flow.local.is_ipv4() { 2 } else { 10 };
                let kind: u32 = if flow.protocol.0 == 17 { 2 } else { 1 };
                let numbers = [family, kind, 0].map(|n| n.to_le_bytes().to_vec());
                self.emit(at, 18, &numbers, true)?;
                self.emit(at, 19, std::slice::from_ref(&number), true)?;
                if flow.is_connected() {
                    let tuple = packed_tuple(flow.local, flow.remote);
                    self.emit(at, 22, &[number, packed_end(flow.remote)], true)?;
                    self.emit(at, 23, &[zero(), tuple], true)
                } else if flow.local.port() != 0 {
                    self.emit(at, 20, &[number], true)?;
                    self.emit(at, 21, &[zero(), packed_end(flow.local)], true)
                } else {
                    Ok(())
                }
            }
            (FileKind::Unix, _) => {
                let numbers = [1_u32, 1, 0].map(|n| n.to_le_bytes().to_vec());
                self.emit(at, 18, &numbers, true)?;
                self.emit(at, 19, std::slice::from_ref(&number), true)?;
                if name.is_empty() {
                    return Ok(());
                }
                self.emit(at, 20, &[number], true)?;
                self.emit(
                    at,
                    21,
                    &[zero(), [&[1], name.as_slice(), &[0]].concat()],
                    true,
                )
            }
            (FileKind::Pipe, _) if !name.starts_with(b"/") => {
                let ino = file.ino.to_le_bytes().to_vec();
                self.emit(at, 60, &[], true)?;
                self.emit(at, 61, &[zero(), number.clone(), number, ino], true)
            }
            _ if name.starts_with(b"/") => {
                let directory = u32::from(file.kind == FileKind::Directory) << 10;
                let params = [
                    number,
                    [name.as_slice(), &[0]].concat(),
                    directory.to_le_bytes().to_vec(),
                    vec![0; 4],
                    (user_dev(file.dev) as u32).to_le_bytes().to_vec(),
                ];
                self.emit(at, 2, &[], true)?;
                self.emit(at, 3, &params, true)
            }
            // Things without a path have no name for readers of scap either.
            _ => Ok(()),
        }
    }
}

fn trimmed(args: &[u8]) -> &[u8] {
    args.strip_suffix(b"\0").unwrap_or(args)
}

fn same_type(known: u8, wanted: u8) -> bool {
    known == wanted
        || matches!(
            (known, wanted),
            (ty::FILE, ty::FILE_V2) | (ty::FILE_V2, ty::FILE)
        )
}
