//! What an event changes: the table `EFFECTS`, by code, and the changes that need few words.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// None but what every event changes: which call its thread is in.
    Nothing,
    /// An entry that is needed again when the call returns.
    Keep,
    /// The same of fcntl, as far as it duplicates.
    KeepFcntl,
    /// The same of sendto, which says where to.
    KeepDatagram,
    /// Bytes go through a descriptor, which tells of its peer at the most.
    Moved,
    Opened,
    OpenedByHandle,
    Cloned,
    Executed,
    Ended,
    Piped,
    Paired,
    Socketed,
    Bound,
    Connecting,
    Connected,
    Accepted,
    Closed,
    ClosedRange,
    Duplicated,
    Fcntled,
    /// A descriptor of this type comes into being.
    Made(u8),
    MadeMemfd,
    MadePidfd,
    MadeBpf,
    Directory,
    DirectoryOf,
    Root,
    Limited,
    LimitedOther,
    Switched,
    Memory,
    /// A user, or else a group, is changed: the place in the entry.
    Account(bool, usize),
    Container,
    ContainerPlain,
    Async,
    Session,
    SocketOption,
    Capabilities,
    Named,
    AccountAdded,
    AccountRemoved,
    /// A sample of how much processor time a thread has used.
    Sampled,
}

use Effect::{
    Accepted, Account, AccountAdded, AccountRemoved, Async, Bound, Capabilities, Cloned, Closed,
    ClosedRange, Connected, Connecting, Container, ContainerPlain, Directory, DirectoryOf,
    Duplicated, Ended, Executed, Fcntled, Keep, KeepDatagram, KeepFcntl, Limited, LimitedOther,
    Made, MadeBpf, MadeMemfd, MadePidfd, Memory, Moved, Named, Opened, OpenedByHandle, Paired,
    Piped, Root, Sampled, Session, SocketOption, Socketed, Switched,
};

/// Every change with the codes of the events that make it.
#[rustfmt::skip]
const EFFECTS: &[(Effect, &[u16])] = &[
    (KeepDatagram, &[30]),
    (KeepFcntl, &[150]),
    (Keep, &[2, 18, 36, 48, 58, 62, 94, 96, 102, 128, 140, 142, 144, 168, 188, 192, 194, 198, 200, 240, 256, 284, 288, 292, 294, 306, 326, 330]),
    (Moved, &[7, 9, 29, 31, 33, 35, 49, 53, 113, 115, 117, 119, 121, 123]),
    (Opened, &[3, 59, 103, 307, 327]),
    (OpenedByHandle, &[337]),
    (Cloned, &[15, 157, 183, 185, 217, 219, 221, 223, 225, 227, 335]),
    (Executed, &[13, 155, 173, 215, 231, 283, 289, 293, 331]),
    (Ended, &[16, 186]),
    (Piped, &[61, 393]), (Paired, &[43]),
    (Socketed, &[19]), (Bound, &[21]), (Connecting, &[22]), (Connected, &[23]), (Accepted, &[27, 57, 247, 249, 389]),
    (Closed, &[5]), (ClosedRange, &[451]), (Duplicated, &[125, 363, 365, 367]), (Fcntled, &[151]),
    (Made(ty::EVENT), &[63, 397]), (Made(ty::SIGNALFD), &[127, 399]), (Made(ty::TIMERFD), &[137]),
    (Made(ty::INOTIFY), &[139, 395]), (Made(ty::EVENTPOLL), &[375, 377]), (Made(ty::USERFAULTFD), &[321]),
    (Made(ty::IOURING), &[339]), (Made(ty::UNKNOWN), &[407]),
    (MadeMemfd, &[405]), (MadePidfd, &[409]), (MadeBpf, &[369]),
    (Directory, &[93, 95]), (DirectoryOf, &[97]), (Root, &[267]),
    (Limited, &[141, 143]), (LimitedOther, &[145]),
    (Switched, &[152]), (Memory, &[159, 161, 163, 165]),
    (Account(true, 1), &[193, 427]), (Account(false, 1), &[195, 429]), (Account(true, 0), &[199]), (Account(false, 0), &[201]),
    (ContainerPlain, &[228]), (Container, &[272, 324]), (Async, &[402]),
    (Session, &[275]), (SocketOption, &[47]), (Capabilities, &[353]), (Named, &[401]),
    (AccountAdded, &[354, 358]), (AccountRemoved, &[356, 360]), (Sampled, &[types::SAMPLE]),
];

/// What samples of processor time count in, ns.
const TICK: u64 = 10_000_000;

/// The same by code.
#[expect(
    clippy::indexing_slicing,
    reason = "what would be wrong does not compile"
)]
const BY_CODE: [Effect; CODES as usize] = {
    let mut by_code = [Effect::Nothing; CODES as usize];
    let mut at = 0;
    while at < EFFECTS.len() {
        let (effect, codes) = EFFECTS[at];
        let mut nth = 0;
        while nth < codes.len() {
            by_code[codes[nth] as usize] = effect;
            nth += 1;
        }
        at += 1;
    }
    by_code
};

/// What events of a code change.
pub(super) fn effect(code: u16) -> Effect {
    let known = BY_CODE.get(usize::from(code)).copied();
    known.unwrap_or(Effect::Nothing)
}

/// Whether events of a code change more than what is remembered of their thread.
pub(super) fn changes_more(code: u16) -> bool {
    !matches!(effect(code), Effect::Nothing | Keep | Switched | Memory)
}

/// Whether events of a code tell of a container and not of something that happened.
pub(in crate::scap) fn tells_of_a_container(code: u16) -> bool {
    matches!(effect(code), ContainerPlain | Container)
}

/// What events of a code say of threads beside their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::scap) enum Touch {
    /// Nothing.
    Nothing,
    /// A thread begins.
    Thread,
    /// Another program is executed, in a process that may be another.
    Program,
    /// A session begins.
    Session,
    /// A thread ends.
    End,
    /// Something of another thread changes.
    Other,
}

/// What events of a code say of threads beside their own.
pub(in crate::scap) fn touch(code: u16) -> Touch {
    match effect(code) {
        Cloned => Touch::Thread,
        Executed => Touch::Program,
        Session => Touch::Session,
        Ended => Touch::End,
        LimitedOther => Touch::Other,
        // The entry is needed when the call returns.
        _ if effect(code + 1) == LimitedOther => Touch::Other,
        _ => Touch::Nothing,
    }
}

/// Whether events of a code change what is known of every thread, whoever they are of.
pub(in crate::scap) fn is_for_all(code: u16) -> bool {
    let told = matches!(effect(code), AccountAdded | AccountRemoved | Async);
    told || tells_of_a_container(code)
}

/// Whether a path that an event of a code holds may be joined to another.
pub(in crate::scap) fn is_joined(code: u16) -> bool {
    let opens = |code| matches!(effect(code), Opened | OpenedByHandle);
    let moves = matches!(effect(code), Directory | Root);
    moves || opens(code) || opens(code + 1) || effect(code + 1) == Executed
}

/// Whether what is opened, or the other end, is called by what an event of a code holds without the bytes that do not print.
pub(in crate::scap) fn is_squeezed(code: u16) -> bool {
    let socket = matches!(
        effect(code),
        Bound | Connecting | Connected | Accepted | KeepDatagram
    );
    socket || matches!(code, 3 | 31 | 35 | 48 | 49 | 53 | 59)
}

/// Whether threads begin with events of a code.
pub(super) fn is_clone_return(code: u16) -> bool {
    effect(code) == Cloned
}

impl State {
    /// What the event changes.
    pub(super) fn change(&mut self, at: &mut At<'_, '_>) {
        let raw = at.raw;
        match effect(raw.code) {
            Effect::Nothing => {}
            KeepDatagram => {
                if at.file.is_none() && at.has_thread {
                    self.infer_datagram(at);
                }
                self.keep(at);
            }
            KeepFcntl => {
                if matches!(raw.uint(1), Some(1 | 26)) {
                    self.keep(at);
                }
            }
            Keep => self.keep(at),
            Moved => self.moved(at),
            Opened => self.opened(at),
            OpenedByHandle => self.opened_by_handle(at),
            Cloned => self.cloned(at),
            Executed => self.executed(at),
            Ended => {
                if let Some(thread) = self.threads.get_mut(&at.tid).filter(|_| at.has_thread) {
                    thread.ended = true;
                    self.leaving = Some(at.tid);
                }
            }
            Piped => self.piped(at),
            Paired => self.paired(at),
            Socketed => self.socketed(at),
            Bound => self.bound(at),
            Connecting => self.connecting(at),
            Connected => self.connected(at),
            Accepted => self.accepted(at),
            Closed => self.closed(at),
            ClosedRange => {
                if at.result() >= 0 {
                    self.closed_range(at);
                }
            }
            Duplicated => self.duplicated(at),
            Fcntled => self.fcntled(at),
            Made(ty) => self.made(at, ty, b""),
            MadeMemfd => {
                let name = raw.text(1).unwrap_or_default().to_vec();
                self.made(at, ty::MEMFD, &name);
            }
            MadePidfd => {
                let name = at
                    .int("pid")
                    .map_or_else(String::new, |pid| format!("pid:{pid}"));
                self.made(at, ty::PIDFD, name.as_bytes());
            }
            MadeBpf => {
                if at.result() >= 0 && matches!(at.word("cmd"), Some(0 | 5)) {
                    self.made(at, ty::BPF, b"bpf");
                }
            }
            Directory => {
                if at.has_thread && at.result() >= 0 {
                    let path = raw.text(1).unwrap_or_default().to_vec();
                    self.set_cwd(at.tid, &path);
                }
            }
            DirectoryOf => {
                if at.has_thread
                    && at.result() >= 0
                    && let Some(fd) = at.file.and_then(|place| self.fd(place))
                {
                    let path = fd.name.clone();
                    self.set_cwd(at.tid, &path);
                }
            }
            Root => self.rooted(at),
            Limited => self.limited(at),
            LimitedOther => self.limited_other(at),
            Switched => self.switched_off(at),
            Memory => {
                let memory = [1, 2, 3].map(|place| raw.word(place));
                if let (Some(thread), [Some(a), Some(b), Some(c)]) = (self.thread(at), memory) {
                    thread.memory = [a, b, c];
                }
            }
            Account(is_user, place) => {
                let name = match (is_user, place) {
                    (true, 1) => "euid",
                    (false, 1) => "egid",
                    (true, _) => "uid",
                    (false, _) => "gid",
                };
                self.user_changed(at, name, place, is_user);
            }
            ContainerPlain => {
                let text = |place| {
                    String::from_utf8_lossy(raw.text(place).unwrap_or_default()).into_owned()
                };
                self.containers
                    .told_plain(&text(0), raw.word(1).unwrap_or(0), &text(2), &text(3));
                self.generation += 1;
            }
            Container => {
                self.containers.told(raw.text(0).unwrap_or_default());
                self.generation += 1;
            }
            Async => {
                if raw.text(1) == Some(b"container") {
                    self.containers.told(raw.text(2).unwrap_or_default());
                    self.generation += 1;
                }
            }
            Session => {
                if at.result() >= 0 {
                    let sid = at.result();
                    if let Some(thread) = self.thread(at) {
                        thread.sid = sid;
                        self.generation += 1;
                    }
                }
            }
            SocketOption => self.asked_socket(at),
            Capabilities => self.capable(at),
            Named => self.named(at),
            AccountAdded => self.account_added(at),
            AccountRemoved => self.account_removed(at),
            Sampled => self.sampled(at),
        }
    }

    /// Samples come once a second, in hundredths of one; what a thread used since the one before is percent of that. Of the
    /// first there is none.
    fn sampled(&mut self, at: &mut At<'_, '_>) {
        let Some(used) = at.raw.uint(0).zip(at.raw.uint(1)) else {
            return;
        };
        let used = [used.0, used.1];
        let Some(thread) = self.thread(at) else {
            return;
        };
        let before = std::mem::replace(&mut thread.sampled, used);
        let share = |before: u64, used: u64| match before {
            0 => 0.0,
            _ => (used.saturating_sub(before) as f64).min(100.0),
        };
        let all = |times: [u64; 2]| times.iter().fold(0, |sum: u64, ns| sum.saturating_add(*ns));
        let ([user_before, system_before], [user, system]) = (before, used);
        at.used = Some(Used {
            time: (all(before) != 0).then(|| {
                [(user_before, user), (system_before, system)]
                    .map(|(before, used)| used.saturating_sub(before).saturating_mul(TICK))
            }),
            shares: [
                share(all(before), all(used)),
                share(user_before, user),
                share(system_before, system),
            ],
        });
    }

    fn rooted(&mut self, at: &At<'_, '_>) {
        if at.raw.int(0) != Some(0) {
            return;
        }
        let cwd = self.cwd(at.tid);
        let root = bytes(&join_path(&cwd, at.raw.text(1).unwrap_or_default()));
        if let Some(thread) = self.thread(at) {
            thread.root = root;
        }
    }

    fn asked_socket(&mut self, at: &mut At<'_, '_>) {
        if at.raw.params.is_empty() || !at.has_thread {
            return;
        }
        let fd = at.raw.int(1).unwrap_or(-1);
        let main = self.main_of(at.tid);
        at.file = main
            .filter(|main| self.fd((*main, fd)).is_some())
            .map(|main| (main, fd));
        if let Some(thread) = self.thread(at) {
            thread.last_fd = fd;
        }
    }

    fn capable(&mut self, at: &At<'_, '_>) {
        let caps = ["cap_inheritable", "cap_permitted", "cap_effective"].map(|name| at.int(name));
        let [Some(a), Some(b), Some(c)] = caps else {
            return;
        };
        if at.result() >= 0
            && let Some(thread) = self.thread(at)
        {
            thread.caps = [a as u64, b as u64, c as u64];
            self.generation += 1;
        }
    }

    /// prctl with `PR_SET_NAME`.
    fn named(&mut self, at: &At<'_, '_>) {
        if at.result() < 0 || at.word("option") != Some(15) {
            return;
        }
        let place = at.row.place("arg2_str");
        let name = place.and_then(|place| at.raw.text(place));
        let name = bytes(name.unwrap_or_default());
        if let Some(thread) = self.thread(at) {
            thread.comm = name;
            self.generation += 1;
        }
    }

    pub(super) fn keep(&mut self, at: &At<'_, '_>) {
        let entry = Entry::keep(at.raw);
        if let Some(thread) = self.thread(at) {
            thread.entry = Some(entry);
        }
    }

    fn account_owner(&self, at: &At<'_, '_>) -> Arc<str> {
        let id = at
            .row
            .place("container_id")
            .and_then(|place| at.raw.text(place))
            .unwrap_or_default();
        match id {
            b"" | b"host" => self.host.clone(),
            id => Arc::from(String::from_utf8_lossy(id)),
        }
    }

    fn account_added(&mut self, at: &At<'_, '_>) {
        let owner = self.account_owner(at);
        let text = |name: &str| {
            let bytes = at
                .row
                .place(name)
                .and_then(|place| at.raw.text(place))
                .unwrap_or_default();
            String::from_utf8_lossy(bytes).into_owned()
        };
        let row = AccountRow {
            name: text("name"),
            home: text("home"),
            shell: text("shell"),
        };
        let id = at.raw.word(0).unwrap_or(u32::MAX);
        let table = if at.raw.code == 354 {
            &mut self.users
        } else {
            &mut self.groups
        };
        // A capture with so many accounts is none.
        if table.len() < 1 << 20 {
            table.insert((owner, id), row);
        }
        self.generation += 1;
        self.accounts_changed = self.generation;
    }

    fn account_removed(&mut self, at: &At<'_, '_>) {
        let key = (self.account_owner(at), at.raw.word(0).unwrap_or(0));
        let table = if at.raw.code == 356 {
            &mut self.users
        } else {
            &mut self.groups
        };
        table.remove(&key);
        self.generation += 1;
        self.accounts_changed = self.generation;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_change_and_means_something() {
        let mut all: Vec<u16> = EFFECTS.iter().flat_map(|row| row.1).copied().collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        for code in all {
            assert!(types::row(code).is_some(), "{code}");
        }
    }
}
