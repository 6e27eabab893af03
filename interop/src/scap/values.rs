//! The values of an event's arguments: the bytes of its parameters, and what only the instant can tell of them, such as what
//! is behind a descriptor.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::convert::Converter;
use super::event::{MAX_UNKNOWN, Raw};
use super::state::{Seen, is_about_fd};
use super::types::{EventType, THREAD_FIELDS, Ty};
use afterimage_model::render::scap::{join_path, printable};
use afterimage_model::{FileId, Process};
use smallvec::SmallVec;

/// A value on its way into a batch.
pub enum Held<'b> {
    /// There is none.
    Absent,
    /// A number.
    Num(i64),
    /// Bytes of the block.
    Bytes(&'b [u8]),
    /// Bytes of the scratch memory.
    Made(usize, usize),
}

impl Converter {
    /// The value of a parameter, with what it stands for where only the instant can tell.
    pub fn param<'b>(&mut self, raw: &Raw<'b>, at: usize, ty: Ty) -> Held<'b> {
        let Some(bytes) = raw.param(at) else {
            return Held::Absent;
        };
        let number = || super::bytes::signed(bytes).map_or(Held::Absent, Held::Num);
        match ty {
            Ty::Int | Ty::Errno => number(),
            Ty::Uint => super::bytes::unsigned(bytes).map_or(Held::Absent, |n| Held::Num(n as i64)),
            Ty::Path | Ty::Bytes => Held::Bytes(bytes),
            Ty::Fd => match super::bytes::signed(bytes) {
                Some(fd) if fd >= 0 => {
                    let from = self.scratch.len();
                    let scratch = &mut self.scratch;
                    match self.state.fd_of(raw.tid, fd) {
                        Some(behind) => {
                            scratch.extend_from_slice(&fd.to_le_bytes());
                            behind.shown(scratch);
                            Held::Made(from, scratch.len())
                        }
                        None => Held::Num(fd),
                    }
                }
                Some(fd) => Held::Num(fd),
                None => Held::Absent,
            },
            Ty::Pid => match super::bytes::signed(bytes) {
                Some(pid) => match self.state.threads.get(&pid) {
                    Some(thread) => {
                        let from = self.scratch.len();
                        self.scratch.extend_from_slice(&pid.to_le_bytes());
                        self.scratch.extend_from_slice(&thread.comm);
                        Held::Made(from, self.scratch.len())
                    }
                    None => Held::Num(pid),
                },
                None => Held::Absent,
            },
            Ty::Uid | Ty::Gid => match super::bytes::unsigned(bytes) {
                Some(id) if id as u32 == u32::MAX => Held::Num(-1),
                Some(id) => {
                    let thread = self.state.threads.get(&raw.tid);
                    let owner = thread.and_then(|thread| thread.container.as_ref());
                    let list = if ty == Ty::Uid {
                        &self.state.users
                    } else {
                        &self.state.groups
                    };
                    match self.state.account(list, owner, id as u32) {
                        Some(account) => {
                            let from = self.scratch.len();
                            self.scratch.extend_from_slice(&(id as i64).to_le_bytes());
                            self.scratch.extend_from_slice(account.name.as_bytes());
                            Held::Made(from, self.scratch.len())
                        }
                        None => Held::Num(id as i64),
                    }
                }
                None => Held::Absent,
            },
            Ty::Fds => self.waits(raw.tid, bytes),
        }
    }

    /// A list of descriptors, with the letters and names of what is behind them.
    fn waits<'b>(&mut self, tid: i64, bytes: &'b [u8]) -> Held<'b> {
        let from = self.scratch.len();
        let mut cursor = super::bytes::Cursor::new(bytes);
        let Some(count) = cursor.u16() else {
            return Held::Absent;
        };
        for _ in 0..count {
            let (Some(fd), Some(events)) = (cursor.i64(), cursor.u16()) else {
                break;
            };
            let scratch = &mut self.scratch;
            scratch.extend_from_slice(&fd.to_le_bytes());
            scratch.extend_from_slice(&events.to_le_bytes());
            match self.state.fd_of(tid, fd) {
                Some(behind) => {
                    let name = behind
                        .name
                        .get(..usize::from(u16::MAX))
                        .unwrap_or(&behind.name);
                    scratch.push(behind.shown_letter());
                    scratch.extend_from_slice(&(name.len() as u16).to_le_bytes());
                    scratch.extend_from_slice(name);
                }
                None => scratch.extend_from_slice(b"?\0\0"),
            }
        }
        Held::Made(from, self.scratch.len())
    }

    /// What was known of the descriptor, and of the thread if that is to be `kept`.
    pub fn asides(
        &mut self,
        raw: &Raw<'_>,
        row: Option<&EventType>,
        seen: Seen,
        kept: bool,
        held: &mut SmallVec<[Held<'_>; 12]>,
    ) {
        let thread = self.state.threads.get(&raw.tid);
        let about = row.is_some_and(is_about_fd) && seen.has_thread;
        held.push(match thread {
            Some(thread) if about => Held::Num(thread.last_fd),
            _ => Held::Absent,
        });
        let Some(thread) = thread.filter(|_| kept) else {
            held.push(Held::Absent);
            return;
        };
        let main = self.state.threads.get(&thread.pid);
        let limit = main.map_or(-1, |main| main.fdlimit);
        let open = main.map_or(0, |main| main.fds.len());
        let usage = if limit > 0 {
            (open as f64 * 100.0 / limit as f64).min(100.0)
        } else {
            0.0
        };
        let [size, resident, swapped] = thread.memory.map(u64::from);
        let [major, minor] = thread.faults;
        let words: [u64; THREAD_FIELDS.len()] = [
            thread.vtid as u64,
            size,
            resident,
            swapped,
            major,
            minor,
            thread.children,
            main.map_or(0, |main| main.children) + 1,
            open as u64,
            seen.slice,
            thread.exec_time,
            u64::from(seen.renamed),
            limit as u64,
            usage.to_bits(),
            thread.vpgid as u64,
            u64::from(thread.exe_flags & Process::EXE_WRITABLE != 0),
            u64::from(thread.vpgid == thread.vpid),
            thread.pidns_start,
            thread.clone_ts,
        ];
        let from = self.scratch.len();
        let words = words.map(u64::to_le_bytes);
        self.scratch.extend_from_slice(words.as_flattened());
        held.push(Held::Made(from, self.scratch.len()));
    }

    /// The parameters that a row does not know; writers of later versions append them.
    pub fn beyond<'b>(&mut self, raw: &Raw<'b>, row: Option<&EventType>) -> Held<'b> {
        let more = row.and_then(|row| raw.params.get(row.params.len()..));
        let Some(more) = more.filter(|more| !more.is_empty()) else {
            return Held::Absent;
        };
        self.surplus += more.len() as u64;
        let from = self.scratch.len();
        for param in more {
            self.scratch
                .extend_from_slice(&(param.len() as u32).to_le_bytes());
            self.scratch.extend_from_slice(param);
        }
        Held::Made(from, self.scratch.len())
    }

    /// The row of the descriptor an event is about.
    pub fn file(&mut self, raw: &Raw<'_>, row: &EventType, seen: Seen) -> Option<FileId> {
        if !is_about_fd(row) || !seen.has_thread {
            return None;
        }
        if let Some(place) = seen.file {
            let id = self.rows.file(&mut self.state, place, raw.tid)?;
            // A connection that failed is called by what was tried.
            if raw.code == 23 && raw.int(0).is_some_and(|result| result < 0) {
                let tried = raw
                    .param(1)
                    .map(super::state::tuple_name)
                    .unwrap_or_default();
                return Some(self.rows.renamed(id, tried));
            }
            return Some(id);
        }
        let name = if raw.is_entry() {
            None
        } else {
            self.name_to_be(raw)
        };
        Some(self.rows.unseen(letter_to_be(raw.code), name))
    }

    /// What a call that returned was to open; empty for calls that open nothing.
    fn name_to_be(&mut self, raw: &Raw<'_>) -> Option<Vec<u8>> {
        match raw.code {
            3 | 59 => {
                let path = raw.text(1).unwrap_or_default();
                if path.starts_with(b"/") || path.is_empty() {
                    return Some(printable(path));
                }
                let cwd = self.state.cwd(raw.tid);
                Some(join_path(&cwd, path))
            }
            103 => None,
            307 | 327 => self.state.opened_path(raw),
            23 | 27 | 57 | 247 | 249 | 389 => Some(match raw.param(1) {
                Some(tuple) if !tuple.is_empty() => super::state::tuple_name(tuple),
                _ => b"NULL".to_vec(),
            }),
            _ => Some(Vec::new()),
        }
    }
}

/// What is kept of a sample, in the order of `SAMPLED`.
pub fn sampled(seen: Seen, held: &mut SmallVec<[Held<'_>; 12]>) {
    let shares = seen.used.map(|used| used.shares.map(f64::to_bits));
    let shares = shares.map_or([None; 3], |shares| shares.map(Some));
    let time = seen.used.and_then(|used| used.time);
    let time = time.map_or([None; 2], |time| time.map(Some));
    let words = shares.into_iter().chain(time);
    held.extend(words.map(|word| word.map_or(Held::Absent, |word| Held::Num(word as i64))));
}

/// What is kept of an event of an unknown type: all that is there.
pub fn unrecognized<'b>(raw: &Raw<'b>, held: &mut SmallVec<[Held<'b>; 12]>) {
    let shape = raw.shape;
    held.push(Held::Num(i64::from(raw.code)));
    held.push(match shape.count {
        Some(count) => Held::Num(i64::from(count)),
        None => Held::Absent,
    });
    held.push(Held::Num(shape.width as i64));
    let apart = raw.params.len();
    held.push(match apart {
        0 if !shape.content.is_empty() => Held::Bytes(shape.content),
        _ => Held::Absent,
    });
    held.extend(raw.params.iter().map(|param| Held::Bytes(param)));
    held.extend((apart..MAX_UNKNOWN).map(|_| Held::Absent));
}

/// The letter of what a call is to open.
fn letter_to_be(code: u16) -> char {
    match code & !1 {
        2 | 58 | 102 | 306 | 326 => 'f',
        18 | 26 | 56 | 246 | 248 | 388 => '4',
        60 | 392 => 'p',
        62 | 396 => 'e',
        126 | 398 => 's',
        136 => 't',
        138 | 394 => 'i',
        _ => 'o',
    }
}
