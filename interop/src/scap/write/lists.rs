//! What stands in front of the events: which threads, descriptors, accounts and addresses readers have to know, and how they
//! are listed.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::{Scribe, tid_of};
use crate::error::Error;
use crate::scap::block::{MAGIC, SECTION};
use crate::scap::lists;
use crate::scap::params::Maker;
use crate::scap::threads::{CLONE_FILES, CLONE_THREAD, l4, ty};
use crate::scap::types::THREAD_FIELDS;
use afterimage_format::Reader;
use afterimage_model::{Ctx, File, FileKind, Process, Role, Tables, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Threads in the list in front, as many as readers take.
const MAX_LISTED: usize = 131_000;

/// Descriptors of a process in the list in front, as many as readers take.
const MAX_LISTED_FDS: usize = 4000;

/// What has to stand in front.
#[derive(Default)]
pub(super) struct Survey {
    threads: BTreeMap<i64, Arc<Process>>,
    files: BTreeMap<i64, BTreeMap<i64, Arc<File>>>,
    /// Of threads, what another recorder kept with an event of theirs.
    told: BTreeMap<i64, Told>,
    users: BTreeMap<u32, [String; 3]>,
    groups: BTreeMap<u32, String>,
    addresses: BTreeSet<IpAddr>,
}

/// What only captures of another program tell of a thread.
#[derive(Clone, Copy, Default)]
struct Told {
    /// Its id inside its pid namespace.
    vtid: Option<i64>,
    /// How many descriptors its process may have.
    fdlimit: Option<i64>,
}

impl Told {
    fn of(ctx: &Ctx<'_>) -> Told {
        let kept = |name: &str| {
            let place = THREAD_FIELDS.iter().position(|field| *field == name)?;
            let Value::Bytes(blob) = ctx.arg("thread.state")? else {
                return None;
            };
            let word = blob.bytes.get(place * 8..)?.first_chunk()?;
            Some(i64::from_le_bytes(*word))
        };
        Told {
            vtid: kept("thread.vtid").filter(|id| *id > 0),
            fdlimit: kept("proc.fdlimit").filter(|limit| *limit > 0),
        }
    }
}

impl Survey {
    pub(super) fn look(&mut self, ctx: &Ctx<'_>) {
        let Some(row) = ctx
            .tables
            .procs
            .get(&ctx.event.proc)
            .filter(|row| !row.is_nobody())
        else {
            return;
        };
        let tid = tid_of(ctx.event);
        if self.threads.len() < MAX_LISTED && !self.threads.contains_key(&tid) {
            self.threads.insert(tid, row.clone());
            self.told.insert(tid, Told::of(ctx));
            self.account(ctx.tables, row);
        }
        // Who the parent was may be heard of late.
        let mut next = row.parent;
        while let Some(parent) = next.and_then(|id| ctx.tables.procs.get(&id)) {
            let pid = i64::from(parent.key.pid as i32);
            if self.threads.contains_key(&pid) || self.threads.len() >= MAX_LISTED {
                break;
            }
            self.threads.insert(pid, parent.clone());
            next = parent.parent;
        }
        if let Some(file) = ctx.event.file.and_then(|id| ctx.tables.files.get(&id)) {
            if let Some(flow) = file.flow.filter(|_| self.addresses.len() < 256) {
                self.addresses.insert(flow.local.ip());
            }
            let fd = Maker { ctx }.fd();
            if let Some(fd) = fd.filter(|fd| *fd >= 0 && file.kind != FileKind::Unseen) {
                let held = self.files.entry(i64::from(row.key.pid as i32)).or_default();
                if held.len() < MAX_LISTED_FDS {
                    held.entry(fd).or_insert_with(|| file.clone());
                }
            }
        }
    }

    fn account(&mut self, tables: &Tables, row: &Process) {
        for uid in [row.uid, row.euid, row.loginuid] {
            let found = tables
                .user(None, uid)
                .or_else(|| tables.user(row.container, uid));
            if let Some(user) = found {
                let texts = [&user.name, &user.home, &user.shell].map(Clone::clone);
                self.users.entry(uid).or_insert(texts);
            }
        }
        for gid in [row.gid, row.egid] {
            let found = tables
                .group(None, gid)
                .or_else(|| tables.group(row.container, gid));
            if let Some(group) = found {
                self.groups.entry(gid).or_insert_with(|| group.name.clone());
            }
        }
    }
}

impl<W: Write> Scribe<W> {
    /// What stands in front of the events.
    pub(super) fn lists(&mut self, reader: &Reader, survey: &Survey) -> Result<(), Error> {
        let manifest = reader.manifest();
        let mut body = Vec::new();
        body.extend_from_slice(&MAGIC.to_le_bytes());
        body.extend_from_slice(&[1, 0, 2, 0]);
        body.extend_from_slice(&u64::MAX.to_le_bytes());
        self.block(SECTION, &body)?;

        body.clear();
        body.extend_from_slice(&manifest.cpus.max(1).to_le_bytes());
        body.extend_from_slice(&[0; 16]);
        let mut host = [0; 128];
        let name = cut(manifest.host.as_bytes(), 127);
        host.iter_mut()
            .zip(name)
            .for_each(|(place, byte)| *place = *byte);
        body.extend_from_slice(&host);
        body.extend_from_slice(&[0; 24]);
        body.extend_from_slice(&lists::OURS);
        self.block(0x201, &body)?;
        self.sim.machine = lists::machine(&body);

        body.clear();
        for address in &survey.addresses {
            let (kind, bytes, rest) = match address {
                IpAddr::V4(ip) => (1_u16, ip.octets().to_vec(), vec![255; 8]),
                IpAddr::V6(ip) => (2, ip.octets().to_vec(), vec![255; 32]),
            };
            let name = b"eth";
            body.extend_from_slice(
                &((4 + bytes.len() + rest.len() + 8 + name.len()) as u32).to_le_bytes(),
            );
            body.extend_from_slice(&kind.to_le_bytes());
            body.extend_from_slice(&(name.len() as u16).to_le_bytes());
            body.extend_from_slice(&bytes);
            body.extend_from_slice(&rest);
            body.extend_from_slice(&[0; 8]);
            body.extend_from_slice(name);
        }
        self.block(0x219, &body)?;
        self.sim.interfaces.extend(lists::interfaces(&body, 2));

        body.clear();
        for (uid, texts) in &survey.users {
            let mut entry = vec![0];
            entry.extend_from_slice(&uid.to_le_bytes());
            entry.extend_from_slice(&uid.to_le_bytes());
            texts
                .iter()
                .for_each(|text| put_text(&mut entry, text.as_bytes(), 254));
            put_entry(&mut body, &entry);
        }
        for (gid, name) in &survey.groups {
            let mut entry = vec![1];
            entry.extend_from_slice(&gid.to_le_bytes());
            put_text(&mut entry, name.as_bytes(), 254);
            put_entry(&mut body, &entry);
        }
        self.block(0x220, &body)?;
        lists::accounts(&body, 2, |account| self.sim.add_account(&account));

        body.clear();
        let told = |tid: &i64| survey.told.get(tid).copied().unwrap_or_default();
        for (tid, row) in &survey.threads {
            put_entry(&mut body, &listed(reader, *tid, row, told(tid)));
        }
        // What is asked of a process is asked of its first thread, which need not have done anything.
        let mut leaders = BTreeMap::new();
        for (tid, row) in &survey.threads {
            let pid = i64::from(row.key.pid as i32);
            if !survey.threads.contains_key(&pid) {
                leaders.entry(pid).or_insert((tid, row));
            }
        }
        for (pid, (tid, row)) in &leaders {
            let known = Told {
                vtid: None,
                ..told(tid)
            };
            put_entry(&mut body, &listed(reader, *pid, row, known));
        }
        self.block(0x215, &body)?;
        lists::processes(&body, 9, |thread| self.sim.add_listed(&thread));

        for tid in survey.threads.keys().chain(leaders.keys()) {
            body.clear();
            body.extend_from_slice(&tid.to_le_bytes());
            for (fd, file) in survey.files.get(tid).into_iter().flatten() {
                put_entry(&mut body, &listed_file(*fd, file));
            }
            self.block(0x218, &body)?;
            self.sim.add_descriptors(&body, 2);
        }
        Ok(())
    }
}

/// At most so many bytes.
pub(super) fn cut(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

/// A string behind its length.
fn put_text(out: &mut Vec<u8>, text: &[u8], most: usize) {
    let text = cut(text, most);
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text);
}

fn put_entry(body: &mut Vec<u8>, entry: &[u8]) {
    body.extend_from_slice(&((entry.len() + 4) as u32).to_le_bytes());
    body.extend_from_slice(entry);
}

/// First argument, and the others.
pub fn split_argv(row: &Process) -> (&[u8], &[u8]) {
    match row.argv.iter().position(|b| *b == 0) {
        Some(at) => (
            row.argv.get(..at).unwrap_or_default(),
            row.argv.get(at + 1..).unwrap_or_default(),
        ),
        None => (&row.argv, b""),
    }
}

/// Control groups from which readers find the container again.
pub fn cgroups_of(tables: &Tables, row: &Process) -> Vec<u8> {
    if row.is_told() {
        return row.cgroup.clone();
    }
    let container = row.container.and_then(|id| tables.container(id));
    let path = match container {
        Some(container) if container.full_id.len() == 64 => {
            format!("/docker/{}", container.full_id).into_bytes()
        }
        _ => row.cgroup.clone(),
    };
    if path.is_empty() {
        return Vec::new();
    }
    [b"cpuset=", path.as_slice(), b"\0"].concat()
}

/// An entry of the process list, without its length.
fn listed(reader: &Reader, tid: i64, row: &Process, told: Told) -> Vec<u8> {
    let pid = i64::from(row.key.pid as i32);
    let (exe, args) = split_argv(row);
    let is_thread = tid != pid;
    let mut out = Vec::new();
    let vpid = if row.vpid == 0 {
        pid
    } else {
        i64::from(row.vpid as i32)
    };
    let vtid = told.vtid.unwrap_or(if is_thread { tid } else { vpid });
    for id in [
        tid,
        pid,
        i64::from(row.ppid as i32),
        i64::from(row.sid as i32),
        i64::from(row.pgid as i32),
    ] {
        out.extend_from_slice(&id.to_le_bytes());
    }
    put_text(&mut out, &row.comm, 1023);
    put_text(&mut out, exe, 1023);
    put_text(&mut out, &row.exe_path, 1023);
    put_text(&mut out, args, 4095);
    put_text(&mut out, &row.cwd, 1023);
    out.extend_from_slice(&told.fdlimit.unwrap_or(1024).to_le_bytes());
    let flags = if is_thread {
        CLONE_THREAD | CLONE_FILES | 1 << 1
    } else {
        0
    };
    for number in [flags, row.euid, row.egid, 0, 0, 0] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&[0; 16]);
    put_text(&mut out, &row.env, 4095);
    out.extend_from_slice(&vtid.to_le_bytes());
    out.extend_from_slice(&vpid.to_le_bytes());
    put_text(&mut out, &cgroups_of(reader.state(), row), 4095);
    put_text(&mut out, b"/", 1023);
    out.extend_from_slice(&0_u64.to_le_bytes());
    out.extend_from_slice(&row.tty.to_le_bytes());
    out.extend_from_slice(&row.loginuid.to_le_bytes());
    out.push(u8::from(row.exe_flags & Process::EXE_WRITABLE != 0));
    for caps in [row.cap_inheritable, row.cap_permitted, row.cap_effective] {
        out.extend_from_slice(&caps.to_le_bytes());
    }
    out.push(u8::from(row.exe_flags & Process::EXE_UPPER != 0));
    for number in [row.exe_ino, row.exe_ctime_ns, row.exe_mtime_ns] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.push(u8::from(row.exe_flags & Process::EXE_MEMFD != 0));
    out.push(u8::from(row.exe_flags & Process::EXE_LOWER != 0));
    out.extend_from_slice(&i64::from(row.pgid as i32).to_le_bytes());
    out
}

/// What scap numbers a kind of file.
pub(super) fn scap_type(file: &File) -> u8 {
    match file.kind {
        FileKind::Directory => ty::DIRECTORY,
        FileKind::Ipv4 | FileKind::Ipv6 => {
            let is_pair = match file.marks & File::TOLD {
                0 => file.flow.is_some_and(|flow| flow.is_connected()),
                _ => matches!(file.letter(), '4' | '6'),
            };
            match (file.kind, is_pair) {
                (FileKind::Ipv4, true) => ty::IPV4,
                (FileKind::Ipv4, false) => ty::IPV4_SERVER,
                (_, true) => ty::IPV6,
                (_, false) => ty::IPV6_SERVER,
            }
        }
        FileKind::Unix => ty::UNIX,
        FileKind::Pipe => ty::FIFO,
        FileKind::Event => ty::EVENT,
        FileKind::Signalfd => ty::SIGNALFD,
        FileKind::Eventpoll => ty::EVENTPOLL,
        FileKind::Inotify => ty::INOTIFY,
        FileKind::Timerfd => ty::TIMERFD,
        FileKind::Netlink => ty::NETLINK,
        FileKind::File | FileKind::Char | FileKind::Block | FileKind::Symlink | FileKind::Memfd => {
            ty::FILE_V2
        }
        // Later types are unknown to sysdig 0.29, which gives up over them.
        _ => ty::UNSUPPORTED,
    }
}

/// A device as user space writes it.
pub(super) fn user_dev(dev: u64) -> u64 {
    let (major, minor) = (dev >> 20, dev & 0xf_ffff);
    minor & 0xff | (major & 0xfff) << 8 | (minor & 0xf_ff00) << 12
}

/// Whether a socket is called by these ends in this order.
fn is_named(file: &File, source: SocketAddr, dest: SocketAddr) -> bool {
    let (from, to) = (source.ip(), dest.ip());
    let name = format!("{from}:{}->{to}:{}", source.port(), dest.port());
    file.path == name.as_bytes() || file.path == format!("{from}->{to}").as_bytes()
}

/// An entry of a list of descriptors, without its length.
fn listed_file(fd: i64, file: &File) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(&fd.to_le_bytes());
    out.extend_from_slice(&file.ino.to_le_bytes());
    let kind = scap_type(file);
    let proto = file.flow.map_or(0, |flow| match flow.protocol.0 {
        6 | 262 => l4::TCP,
        17 => l4::UDP,
        1 | 58 => l4::ICMP,
        255 => l4::RAW,
        _ => l4::UNKNOWN,
    });
    let octets = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    match (kind, file.flow) {
        (ty::IPV4 | ty::IPV6, Some(flow)) => {
            out.push(kind);
            let (source, dest) = match flow.role {
                Role::Server => (flow.remote, flow.local),
                // Which of them asked is then in nothing but the name.
                Role::Unknown if is_named(file, flow.remote, flow.local) => {
                    (flow.remote, flow.local)
                }
                _ => (flow.local, flow.remote),
            };
            out.extend_from_slice(&octets(source));
            out.extend_from_slice(&octets(dest));
            out.extend_from_slice(&source.port().to_le_bytes());
            out.extend_from_slice(&dest.port().to_le_bytes());
            out.push(proto);
        }
        (ty::IPV4_SERVER | ty::IPV6_SERVER, Some(flow)) => {
            out.push(kind);
            out.extend_from_slice(&octets(flow.local));
            out.extend_from_slice(&flow.local.port().to_le_bytes());
            out.push(proto);
        }
        (ty::UNIX, _) => {
            out.push(kind);
            out.extend_from_slice(&[0; 16]);
            put_text(&mut out, &file.name(), 1023);
        }
        (ty::FILE_V2, _) => {
            out.push(kind);
            out.extend_from_slice(&0_u32.to_le_bytes());
            put_text(&mut out, &file.name(), 1023);
            out.extend_from_slice(&(user_dev(file.dev) as u32).to_le_bytes());
        }
        _ => {
            out.push(if file.flow.is_some() {
                ty::UNSUPPORTED
            } else {
                kind
            });
            put_text(&mut out, &file.name(), 1023);
        }
    }
    out
}
