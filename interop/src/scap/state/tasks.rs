//! Threads: how they begin, what they execute, and whose they are.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

/// Threads above one that are looked at, at the most.
const MAX_ABOVE: usize = 64;

impl State {
    pub(super) fn cloned(&mut self, at: &mut At<'_, '_>) {
        let raw = at.raw;
        let Some(child) = raw.int(0) else { return };
        if child < 0 {
            return;
        }
        let mut tid = raw.tid;
        let mut child = child;
        let flags = at.word("flags").unwrap_or(0);
        let vtid = at.int("vtid").unwrap_or(tid);
        let vpid = at.int("vpid").unwrap_or(-1);
        let in_container = flags & CHILD_IN_PIDNS != 0 || tid != vtid;
        let mut inverted = false;
        if child == 0 {
            let stale = self.threads.get(&tid).is_some_and(|thread| {
                at.has_thread
                    && thread.clone_ts != 0
                    && raw.ts.saturating_sub(thread.clone_ts) > STALE_CLONE
            });
            if stale {
                self.remove_thread(tid, true);
                at.has_thread = false;
            }
            let parent = at
                .int(if flags & CLONE_THREAD != 0 {
                    "pid"
                } else {
                    "ptid"
                })
                .unwrap_or(-1);
            if at.has_thread {
                if in_container && let Some(thread) = self.thread(at) {
                    thread.vtid = vtid;
                    thread.vpid = vpid;
                    self.generation += 1;
                }
                return;
            }
            inverted = true;
            child = tid;
            tid = parent;
        } else if in_container {
            return;
        }
        self.birth(
            at,
            tid,
            child,
            flags,
            inverted,
            in_container.then_some((vtid, vpid)),
        );
    }

    pub(super) fn birth(
        &mut self,
        at: &mut At<'_, '_>,
        parent: i64,
        child: i64,
        flags: u32,
        inverted: bool,
        inner: Option<(i64, i64)>,
    ) {
        let raw = at.raw;
        if !self.ensure(parent) {
            return;
        }
        let mut collision = false;
        if let Some(existing) = self.threads.get(&child) {
            if existing.flags & CLONE_INVERTED != 0 {
                return;
            }
            self.remove_thread(child, true);
            collision = true;
            self.ensure(parent);
        }
        let text = |name: &str| at.row.place(name).and_then(|place| raw.text(place));
        let list = |name: &str| at.row.place(name).and_then(|place| raw.param(place));
        let exe = bytes(text("exe").unwrap_or_default());
        let comm = text("comm").map_or_else(|| exe.clone(), bytes);
        let args = bytes(list("args").unwrap_or_default());
        let Some(known) = self.threads.get(&parent) else {
            return;
        };
        let mut thread = Thread::unknown(child);
        thread.ptid = parent;
        if known.is_unknown() {
            collision = true;
            self.remove_thread(parent, true);
            self.ensure(parent);
            if let Some(known) = self.threads.get_mut(&parent) {
                known.comm = comm.clone();
                known.exe = exe.clone();
                known.args = args.clone();
            }
        } else {
            thread.exepath = known.exepath.clone();
            thread.exe_flags = known.exe_flags;
            thread.exe_file = known.exe_file;
            thread.caps = known.caps;
            thread.root = known.root.clone();
            thread.sid = known.sid;
            thread.vpgid = known.vpgid;
            thread.pgid = known.pgid;
            thread.tty = known.tty;
            thread.loginuid = known.loginuid;
            thread.cgroups = known.cgroups.clone();
            thread.container = None;
            if flags & CLONE_THREAD == 0 {
                thread.env = known.env.clone();
            }
        }
        thread.flags = flags;
        thread.pid = if flags & CLONE_THREAD != 0 {
            at.int("pid").unwrap_or(child)
        } else {
            child
        };
        if flags & CLONE_THREAD == 0 {
            thread.fds = self
                .owner(parent)
                .and_then(|owner| self.threads.get(&owner))
                .map(|owner| owner.fds.clone())
                .unwrap_or_default();
            thread.cwd = self.cwd(parent);
            thread.execs = self.threads.get(&parent).map_or(0, |parent| parent.execs);
        }
        if inverted {
            thread.flags |= CLONE_INVERTED;
        }
        thread.exe = exe;
        thread.comm = comm;
        thread.args = args;
        thread.fdlimit = at.int("fdlimit").unwrap_or(-1);
        fill_usage(&mut thread, at);
        thread.uid = at.word("uid").unwrap_or(u32::MAX);
        thread.gid = at.word("gid").unwrap_or(u32::MAX);
        (thread.vtid, thread.vpid) = inner.unwrap_or((thread.tid, thread.pid));
        thread.pidns_start = at.int("pidns_init_start_ts").unwrap_or(0) as u64;
        match list("cgroups") {
            Some(cgroups) => self.set_cgroups(&mut thread, cgroups),
            None => thread.cgroups = bytes(b""),
        }
        thread.clone_ts = raw.ts;
        if self.threads.len() < MAX_THREADS {
            if flags & CLONE_THREAD != 0
                && self.ensure(thread.pid)
                && let Some(main) = self.threads.get_mut(&thread.pid)
            {
                main.children += 1;
            }
            self.threads.insert(child, Box::new(thread));
            if list("cgroups").is_some() {
                self.categorize(child);
            }
        } else {
            self.refused_threads += 1;
        }
        self.generation += 1;
        if collision {
            self.reset(at);
        }
    }

    pub(super) fn executed(&mut self, at: &mut At<'_, '_>) {
        let raw = at.raw;
        if at.result() < 0 || !at.has_thread {
            return;
        }
        let program = self.executed_path(at);
        let text = |name: &str| at.row.place(name).and_then(|place| raw.text(place));
        let list = |name: &str| at.row.place(name).and_then(|place| raw.param(place));
        let cgroups = list("cgroups").map(containers::normal);
        let container = cgroups.as_ref().map(|cgroups| self.containers.of(cgroups));
        let Some(thread) = self.threads.get_mut(&at.tid) else {
            return;
        };
        thread.exe = bytes(text("exe").unwrap_or_default());
        thread.comm = text("comm").map_or_else(|| thread.exe.clone(), bytes);
        thread.args = bytes(list("args").unwrap_or_default());
        if let Some(pid) = at.int("pid") {
            thread.pid = pid;
        }
        if thread.ptid == -1 {
            thread.ptid = at.int("ptid").unwrap_or(-1);
        }
        thread.fdlimit = at.int("fdlimit").unwrap_or(-1);
        fill_usage(thread, at);
        if let Some(env) = list("env") {
            thread.env = trimmed_env(env);
        }
        if let (Some(cgroups), Some(container)) = (cgroups, container) {
            thread.cgroups = cgroups;
            thread.container = container;
        }
        if let Some(tty) = at.word("tty") {
            thread.tty = tty;
        }
        if let Some(path) = program {
            thread.exepath = bytes(&path);
        }
        if let Some(vpgid) = at.int("vpgid") {
            thread.vpgid = vpgid;
        }
        if let Some(pgid) = at.int("pgid") {
            thread.pgid = pgid;
        }
        if let Some(loginuid) = at.word("loginuid") {
            thread.loginuid = loginuid;
        }
        let is_exec_flags = matches!(raw.code, 293 | 331);
        if let Some(flags) = at.word("flags").filter(|_| is_exec_flags) {
            thread.exe_flags = exe_flags(
                flags & 1 != 0,
                flags & 2 != 0,
                flags & 4 != 0,
                flags & 8 != 0,
            );
        }
        let caps = ["cap_inheritable", "cap_permitted", "cap_effective"].map(|name| at.int(name));
        if let [Some(a), Some(b), Some(c)] = caps {
            thread.caps = [a as u64, b as u64, c as u64];
        }
        let file = ["exe_ino", "exe_ino_ctime", "exe_ino_mtime"].map(|name| at.int(name));
        if let [Some(a), Some(b), Some(c)] = file {
            thread.exe_file = [a as u64, b as u64, c as u64];
        }
        for (name, id) in [("uid", &mut thread.uid), ("gid", &mut thread.gid)] {
            if let Some(told) = at.word(name) {
                *id = told;
            }
        }
        thread.flags &= IS_MAIN_THREAD | CLONE_INVERTED;
        thread.execs = thread.execs.saturating_add(1);
        self.generation += 1;
        if list("cgroups").is_some() {
            self.categorize(at.tid);
        }
    }

    /// Finds out whether a thread is the first of its container, or runs for a probe of it, as the peers do: what comes of one
    /// is of its category, and a probe is what executes the probe's command and has no first process of a container above it.
    pub(super) fn categorize(&mut self, tid: i64) {
        let Some(thread) = self.threads.get(&tid).filter(|t| t.container.is_some()) else {
            return;
        };
        let above = self
            .threads
            .get(&thread.ptid)
            .map_or(0, |above| above.category);
        let category = match above {
            _ if thread.vpid == 1 => IN_CONTAINER,
            0 => {
                let bit = self.containers.probe_of(thread);
                match bit == 0 || self.is_below_first(thread) {
                    true => return,
                    false => bit,
                }
            }
            above => above,
        };
        if let Some(thread) = self.threads.get_mut(&tid) {
            thread.category = category;
        }
    }

    /// Whether the first process of a container is above a thread.
    fn is_below_first(&self, thread: &Thread) -> bool {
        let mut next = thread.ptid;
        for _ in 0..MAX_ABOVE {
            match self.threads.get(&next) {
                Some(above) if above.vpid == 1 && above.container.is_some() => return true,
                Some(above) if above.ptid != next => next = above.ptid,
                _ => break,
            }
        }
        false
    }

    /// The path of the program, from the return where it is told, else from the entry.
    pub(super) fn executed_path(&mut self, at: &At<'_, '_>) -> Option<Vec<u8>> {
        let trusted = at
            .row
            .place("trusted_exepath")
            .and_then(|place| at.raw.text(place));
        if let Some(path) = trusted.filter(|path| !path.is_empty()) {
            return Some(path.to_vec());
        }
        let (dirfd, path) = match at.raw.code {
            289 | 293 => (AT_FDCWD, at.entry_raw()?.text(0)?.to_vec()),
            331 => {
                let entry = at.entry_raw()?;
                (entry.int(0).unwrap_or(AT_FDCWD), entry.text(1)?.to_vec())
            }
            _ => return None,
        };
        if path.starts_with(b"<NA>") {
            return Some(path);
        }
        let base = if dirfd == AT_FDCWD {
            self.threads
                .get(&at.tid)
                .map_or_else(Vec::new, |thread| thread.cwd.to_vec())
        } else {
            self.directory(at.tid, dirfd, &path)
        };
        Some(join_path(&base, &path))
    }

    pub(super) fn user_changed(
        &mut self,
        at: &mut At<'_, '_>,
        name: &str,
        place: usize,
        is_user: bool,
    ) {
        if at.result() < 0 || !at.has_thread {
            return;
        }
        let own = at.row.place(name).and_then(|own| at.raw.word(own));
        let Some(id) = at.entry_raw().and_then(|entry| entry.word(place)).or(own) else {
            return;
        };
        // -1 leaves it as it is, but for the calls that only take one.
        if id == u32::MAX && place == 1 {
            return;
        }
        if let Some(thread) = self.thread(at) {
            let held = if is_user {
                &mut thread.uid
            } else {
                &mut thread.gid
            };
            *held = id;
            self.generation += 1;
        }
    }

    pub(super) fn switched_off(&mut self, at: &mut At<'_, '_>) {
        let raw = at.raw;
        let (Some(major), Some(minor)) = (raw.uint(1), raw.uint(2)) else {
            return;
        };
        if let Some(thread) = self.thread(at) {
            thread.faults = [major, minor];
        }
        let memory = [3, 4, 5].map(|place| raw.word(place));
        let main = if at.has_thread {
            self.main_of(at.tid)
        } else {
            None
        };
        if let (Some(main), [Some(a), Some(b), Some(c)]) =
            (main.and_then(|main| self.threads.get_mut(&main)), memory)
        {
            main.memory = [a, b, c];
        }
    }

    pub(super) fn limited(&mut self, at: &mut At<'_, '_>) {
        let resource = at
            .entry_raw()
            .and_then(|entry| entry.uint(0))
            .or(at.int("resource").map(|n| n as u64));
        self.limit(at, at.tid, resource, at.int("cur"));
    }

    pub(super) fn limited_other(&mut self, at: &mut At<'_, '_>) {
        let entry = at.entry_raw();
        let resource = entry
            .as_ref()
            .and_then(|entry| entry.uint(1))
            .or(at.int("resource").map(|n| n as u64));
        let tid = entry
            .as_ref()
            .and_then(|entry| entry.int(0))
            .or(at.int("pid"))
            .unwrap_or(0);
        let tid = if tid == 0 { at.tid } else { tid };
        drop(entry);
        self.limit(at, tid, resource, at.int("newcur"));
    }

    /// RLIMIT_NOFILE of a process, as scap numbers it.
    pub(super) fn limit(
        &mut self,
        at: &At<'_, '_>,
        tid: i64,
        resource: Option<u64>,
        limit: Option<i64>,
    ) {
        if at.result() < 0 || resource != Some(7) || !at.has_thread {
            return;
        }
        if let Some(limit) = limit.filter(|limit| *limit != -1)
            && self.ensure(tid)
            && let Some(main) = self
                .main_of(tid)
                .and_then(|main| self.threads.get_mut(&main))
        {
            main.fdlimit = limit;
            self.generation += 1;
        }
    }
}

pub(super) fn exe_flags(writable: bool, upper: bool, memfd: bool, lower: bool) -> u32 {
    let bits = [
        (writable, Process::EXE_WRITABLE),
        (upper, Process::EXE_UPPER),
        (memfd, Process::EXE_MEMFD),
        (lower, Process::EXE_LOWER),
    ];
    bits.iter()
        .filter(|bit| bit.0)
        .fold(0, |all, bit| all | bit.1)
}

/// An environment without the zeros behind it.
pub(super) fn trimmed_env(env: &[u8]) -> Arc<[u8]> {
    let end = env.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
    bytes(env.get(..end).unwrap_or_default())
}

pub(super) fn fill_usage(thread: &mut Thread, at: &At<'_, '_>) {
    if let (Some(major), Some(minor)) = (at.int("pgft_maj"), at.int("pgft_min")) {
        thread.faults = [major as u64, minor as u64];
    }
    let memory = ["vm_size", "vm_rss", "vm_swap"].map(|name| at.word(name));
    if let [Some(a), Some(b), Some(c)] = memory {
        thread.memory = [a, b, c];
    }
}
