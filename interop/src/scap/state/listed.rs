//! What stands in front of the events: accounts, threads and descriptors as the lists have them.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::net::unmap;
use super::tasks::{exe_flags, trimmed_env};
use super::*;
use afterimage_model::Process;

impl State {
    /// Adds an account of the list.
    pub fn add_account(&mut self, account: &Account<'_>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match account {
            Account::User(uid, name, home, shell) => {
                let row = AccountRow {
                    name: text(name),
                    home: text(home),
                    shell: text(shell),
                };
                self.users.insert((self.host.clone(), *uid), row);
            }
            Account::Group(gid, name) => {
                let row = AccountRow {
                    name: text(name),
                    ..AccountRow::default()
                };
                self.groups.insert((self.host.clone(), *gid), row);
            }
        }
    }

    /// Adds a thread of the list.
    pub fn add_listed(&mut self, listed: &Listed<'_>) {
        let mut thread = Thread::unknown(listed.tid);
        thread.pid = listed.pid;
        thread.ptid = listed.ptid;
        thread.sid = listed.sid;
        thread.vpgid = listed.vpgid;
        thread.pgid = listed.pgid;
        thread.vtid = listed.vtid;
        thread.vpid = listed.vpid;
        thread.comm = bytes(listed.comm);
        thread.exe = bytes(listed.exe);
        // The kernel's mark in /proc/PID/exe, which is no part of the path.
        let deleted = listed.exepath.strip_suffix(b" (deleted)");
        thread.exepath = bytes(deleted.unwrap_or(listed.exepath));
        thread.args = bytes(listed.args);
        thread.flags = listed.flags;
        thread.fdlimit = listed.fdlimit;
        thread.uid = listed.uid;
        thread.gid = listed.gid;
        thread.loginuid = listed.loginuid;
        thread.tty = listed.tty;
        thread.caps = listed.caps;
        thread.memory = listed.memory;
        thread.faults = listed.faults;
        thread.pidns_start = listed.pidns_start;
        thread.exe_file = listed.exe_file;
        let [upper, memfd, lower] = listed.exe_marks;
        thread.exe_flags = exe_flags(listed.exe_writable, upper, memfd, lower);
        if deleted.is_some() {
            thread.exe_flags |= Process::EXE_DELETED;
        }
        thread.root = bytes(listed.root);
        if thread.is_main() {
            thread.env = trimmed_env(listed.env);
            thread.cwd = with_slash(join_path(b"", listed.cwd));
        }
        self.set_cgroups(&mut thread, listed.cgroups);
        if self.threads.len() < MAX_THREADS || self.threads.contains_key(&thread.tid) {
            let tid = thread.tid;
            self.threads.insert(tid, Box::new(thread));
            self.listed.push(tid);
        } else {
            self.refused_threads += 1;
        }
    }

    /// Adds descriptors of the list. Gives how many there are, and false when the list ended in the middle.
    pub fn add_descriptors(&mut self, body: &[u8], version: u8) -> (u64, bool) {
        let mut found = Vec::new();
        let (tid, whole) = lists::descriptors(body, version, |open| found.push(open));
        let count = found.len() as u64;
        for open in found {
            let fd = self.listed_fd(&open);
            if let (Some(fd), Some(thread)) = (fd, tid.and_then(|tid| self.threads.get_mut(&tid)))
                && (thread.fds.len() < MAX_FDS || thread.fds.contains_key(&open.fd))
            {
                thread.fds.insert(open.fd, fd);
            }
        }
        (count, whole)
    }

    pub(super) fn listed_fd(&mut self, open: &lists::Open<'_>) -> Option<Fd> {
        let mut fd = Fd::new(open.ty, b"");
        fd.ino = open.ino;
        match &open.behind {
            Behind::Pair(a, p, b, q, proto) => {
                fd.source = (ip(*a), *p);
                fd.dest = (ip(*b), *q);
                fd.l4 = *proto;
                fd.connected = *proto == l4::TCP;
                unmap(&mut fd);
                self.infer_address(&mut fd);
                let (a, p) = fd.source;
                let (b, q) = fd.dest;
                fd.name = bytes(format!("{a}:{p}->{b}:{q}").as_bytes());
            }
            Behind::Bound(addr, port, proto) => {
                fd.dest = (ip(*addr), *port);
                fd.source = fd.dest;
                fd.l4 = *proto;
                fd.name = bytes(format!("{}:{port}", ip(*addr)).as_bytes());
                self.server_ports.insert(*port);
            }
            Behind::Unix(path) => {
                // Sysdig's recorder keeps the end of the line of /proc/net/unix with the name; what prints it leaves that out.
                let path = path.strip_suffix(b"\n").unwrap_or(path);
                fd.name = bytes(path);
                fd.server = !path.is_empty();
                fd.client = path.is_empty();
            }
            Behind::File(flags, path, dev) => {
                fd.flags = *flags;
                fd.name = bytes(path);
                fd.dev = *dev;
            }
            Behind::Named(name) => fd.name = bytes(name),
        }
        (open.ty != ty::UNKNOWN).then_some(fd)
    }

    /// The lists are over: which end a socket is becomes known by the ports that are listened on.
    pub(in crate::scap) fn settle(&mut self) {
        if std::mem::replace(&mut self.ready, true) {
            return;
        }
        for thread in self.threads.values_mut() {
            for fd in thread.fds.values_mut().filter(|fd| fd.ty == ty::IPV4) {
                if self.server_ports.contains(&fd.source.1) {
                    std::mem::swap(&mut fd.source, &mut fd.dest);
                    let (a, p) = fd.source;
                    let (b, q) = fd.dest;
                    fd.name = bytes(format!("{a}:{p}->{b}:{q}").as_bytes());
                    fd.server = true;
                } else {
                    fd.client = true;
                }
            }
        }
        let shared: Vec<i64> = (self.threads.values())
            .filter(|thread| thread.flags & CLONE_THREAD != 0)
            .map(|thread| thread.pid)
            .collect();
        for pid in shared {
            if let Some(main) = self.threads.get_mut(&pid) {
                main.children += 1;
            }
        }
    }
}
