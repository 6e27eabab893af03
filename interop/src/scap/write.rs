//! One of our captures as scap, so that sysdig, Falco and Stratoshark open it.
//!
//! Readers of scap know what they were told: the lists in front, and what events did since. So what a reader would make of
//! the capture is followed here, too, and where it would be wrong, events that are not to be shown put it right first. What
//! we record when a call returns is written as a pair of which only the return is shown.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::block::{MAGIC, SECTION};
use super::event;
use super::lists;
use super::params::{Maker, packed_tuple};
use super::state::State;
use super::threads::{CHILD_IN_PIDNS, CLONE_FILES, CLONE_THREAD, l4, ty};
use super::types::{self, CODES};
use crate::copy;
use crate::error::Error;
use afterimage_format::Reader;
use afterimage_model::{
    Ctx, Event, EventFlags, File, FileKind, Process, Role, Schema, Tables, TypeDesc, render,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Threads in the list in front, as many as readers take.
const MAX_LISTED: usize = 131_000;

/// Descriptors of a process in the list in front, as many as readers take.
const MAX_LISTED_FDS: usize = 4000;

/// Bytes of a parameter at the most.
const MAX_PARAM: usize = 65_535;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Events that are shown.
    pub events: u64,
    /// Events that only tell readers what they would not know.
    pub hidden: u64,
    /// Events that scap has no words for, by type.
    pub left_out: BTreeMap<String, u64>,
}

/// Writes the events that `keep` wants, packed with gzip or not.
///
/// # Errors
/// When the output cannot be written.
pub fn write<W: Write>(
    reader: &Reader,
    out: W,
    packed: bool,
    keep: &mut dyn FnMut(&Ctx<'_>) -> bool,
) -> Result<(W, Written), Error> {
    let out = if packed {
        Output::Packed(Box::new(GzEncoder::new(out, Compression::default())))
    } else {
        Output::Plain(out)
    };
    let mut survey = Survey::default();
    let mut look = |survey: &mut Survey, ctx: &Ctx<'_>| {
        if keep(ctx) {
            survey.look(ctx);
        }
        Ok(())
    };
    copy::each(reader, &mut survey, &mut look, &mut |_, _| Ok(()))?;
    let mut scribe = Scribe {
        out,
        sim: State::new(),
        written: Written::default(),
        body: Vec::new(),
        told: BTreeSet::new(),
    };
    scribe.lists(reader, &survey)?;
    let mut look = |scribe: &mut Scribe<W>, ctx: &Ctx<'_>| match keep(ctx) {
        true => scribe.event(ctx),
        false => Ok(()),
    };
    copy::each(reader, &mut scribe, &mut look, &mut |_, _| Ok(()))?;
    let out = match scribe.out {
        Output::Plain(out) => Ok(out),
        Output::Packed(out) => out.finish(),
    };
    let mut out = out.map_err(Error::Write)?;
    out.flush().map_err(Error::Write)?;
    Ok((out, scribe.written))
}

/// Where blocks go.
enum Output<W: Write> {
    Plain(W),
    Packed(Box<GzEncoder<W>>),
}

impl<W: Write> Output<W> {
    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = match self {
            Output::Plain(out) => out.write_all(bytes),
            Output::Packed(out) => out.write_all(bytes),
        };
        written.map_err(Error::Write)
    }
}

/// Whether the capture came from scap.
fn is_scap(schema: &Schema) -> bool {
    schema.types.first().is_some_and(|ty| ty.is(TypeDesc::SCAP))
}

/// What has to stand in front.
#[derive(Default)]
struct Survey {
    threads: BTreeMap<i64, Arc<Process>>,
    files: BTreeMap<i64, BTreeMap<i64, Arc<File>>>,
    users: BTreeMap<u32, [String; 3]>,
    groups: BTreeMap<u32, String>,
    addresses: BTreeSet<IpAddr>,
}

impl Survey {
    fn look(&mut self, ctx: &Ctx<'_>) {
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

fn tid_of(event: &Event) -> i64 {
    i64::from(event.tid as i32)
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

/// At most so many bytes.
fn cut(bytes: &[u8], most: usize) -> &[u8] {
    bytes.get(..most).unwrap_or(bytes)
}

/// A string behind its length.
fn put_text(out: &mut Vec<u8>, text: &[u8], most: usize) {
    let text = cut(text, most);
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text);
}

/// An instant and a place.
#[derive(Clone, Copy)]
struct Stamp {
    ts: u64,
    tid: i64,
    cpu: u16,
}

struct Scribe<W: Write> {
    out: Output<W>,
    sim: State,
    written: Written,
    body: Vec<u8>,
    /// Containers that were told.
    told: BTreeSet<String>,
}

impl<W: Write> Scribe<W> {
    fn block(&mut self, ty: u32, body: &[u8]) -> Result<(), Error> {
        let padding = body.len().next_multiple_of(4) - body.len();
        let len = (body.len() + padding + 12) as u32;
        let mut write = |bytes: &[u8]| self.out.write_all(bytes);
        write(&ty.to_le_bytes())?;
        write(&len.to_le_bytes())?;
        write(body)?;
        write([0; 3].get(..padding).unwrap_or_default())?;
        write(&len.to_le_bytes())
    }

    /// What stands in front of the events.
    fn lists(&mut self, reader: &Reader, survey: &Survey) -> Result<(), Error> {
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
        body.extend_from_slice(&[0; 32]);
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
        for (tid, row) in &survey.threads {
            put_entry(&mut body, &listed(reader, *tid, row));
        }
        // What is asked of a process is asked of its first thread, which need not have done anything.
        let mut leaders = BTreeMap::new();
        for row in survey.threads.values() {
            let pid = i64::from(row.key.pid as i32);
            if !survey.threads.contains_key(&pid) {
                leaders.entry(pid).or_insert(row);
            }
        }
        for (pid, row) in leaders {
            put_entry(&mut body, &listed(reader, pid, row));
        }
        self.block(0x215, &body)?;
        lists::processes(&body, 9, |thread| self.sim.add_listed(&thread));

        for tid in survey.threads.keys() {
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

    /// Writes an event, and follows what it does to readers.
    fn emit(
        &mut self,
        at: Stamp,
        code: u16,
        params: &[Vec<u8>],
        hidden: bool,
    ) -> Result<(), Error> {
        let mut body = std::mem::take(&mut self.body);
        body.clear();
        body.extend_from_slice(&at.cpu.to_le_bytes());
        if hidden {
            body.extend_from_slice(&1_u32.to_le_bytes());
        }
        let large = types::row(code).is_some_and(|row| row.large);
        let width = if large { 4 } else { 2 };
        let most = if large {
            super::block::MAX_EVENT / 2
        } else {
            MAX_PARAM
        };
        let values: usize = params.iter().map(|param| param.len().min(most)).sum();
        let len = 26 + params.len() * width + values;
        body.extend_from_slice(&at.ts.to_le_bytes());
        body.extend_from_slice(&at.tid.to_le_bytes());
        body.extend_from_slice(&(len as u32).to_le_bytes());
        body.extend_from_slice(&code.to_le_bytes());
        body.extend_from_slice(&(params.len() as u32).to_le_bytes());
        for param in params {
            let len = param.len().min(most);
            if large {
                body.extend_from_slice(&(len as u32).to_le_bytes());
            } else {
                body.extend_from_slice(&(len as u16).to_le_bytes());
            }
        }
        for param in params {
            body.extend_from_slice(cut(param, most));
        }
        let ty = match (hidden, large) {
            (false, false) => 0x216,
            (true, false) => 0x217,
            (false, true) => 0x221,
            (true, true) => 0x222,
        };
        self.block(ty, &body)?;
        if hidden {
            self.written.hidden += 1;
        } else {
            self.written.events += 1;
        }
        if let Some(raw) = event::parse(&body, true, hidden) {
            self.sim.follow(&raw);
        }
        self.body = body;
        Ok(())
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> Result<(), Error> {
        let Some(ty) = ctx.ty() else { return Ok(()) };
        let event = ctx.event;
        let ts = u64::try_from(ctx.manifest.wall_ns(event.time.0)).unwrap_or(0);
        let at = Stamp {
            ts,
            tid: tid_of(event),
            cpu: if event.cpu == Event::NO_CPU {
                0
            } else {
                event.cpu
            },
        };
        if is_scap(ctx.schema) {
            return self.again(ctx, at);
        }
        if event.flags.has(EventFlags::TOLD) {
            self.left_out(ty);
            return Ok(());
        }
        self.container(ctx, at)?;
        let maker = Maker { ctx };
        let code = match ty.name.as_str() {
            "procexit" => 186,
            "signaldeliver" => 232,
            "clone_child" => 223,
            name if ty.is_syscall => types::written(name),
            _ => {
                self.left_out(ty);
                return Ok(());
            }
        };
        self.correct(ctx, at, code)?;
        if code % 2 == 0 {
            let params = maker.params(code);
            return self.emit(at, code, &params, false);
        }
        let entered = Stamp {
            ts: ts.saturating_sub(event.latency_ns),
            ..at
        };
        if event.flags.has(EventFlags::NO_RESULT) && ty.is_syscall {
            // It was recorded as it was entered.
            return self.emit(at, code - 1, &maker.params(code - 1), false);
        }
        let mut entry = maker.params(code - 1);
        let mut exit = maker.params(code);
        self.resolve(ctx, at, code, &mut entry, &mut exit);
        self.emit(entered, code - 1, &entry, true)?;
        self.emit(at, code, &exit, false)
    }

    /// Readers find the path of what is opened from what was asked for, and know nothing of links: where they would be wrong,
    /// the path that was opened stands in its place.
    fn resolve(
        &mut self,
        ctx: &Ctx<'_>,
        at: Stamp,
        code: u16,
        entry: &mut [Vec<u8>],
        exit: &mut [Vec<u8>],
    ) {
        let Some(file) = ctx.file().filter(|_| ctx.event.result >= 0) else {
            return;
        };
        let path = file.name();
        let (dirfd, in_entry, in_exit) = match code {
            3 | 59 => (None, 0, 1),
            307 | 327 => (exit.get(1).and_then(|fd| super::bytes::signed(fd)), 1, 2),
            _ => return,
        };
        let base = match dirfd {
            Some(fd) if fd >= 0 => {
                let known = self.sim.fd_of(at.tid, fd);
                known.map_or_else(Vec::new, |known| known.name.to_vec())
            }
            _ => self.sim.cwd(at.tid).to_vec(),
        };
        let found = exit
            .get(in_exit)
            .map(|asked| render::scap::join_path(&base, asked));
        if !path.starts_with(b"/") || found.is_some_and(|found| found == *path) {
            return;
        }
        let path = [path.as_slice(), &[0]].concat();
        if let (Some(entry), Some(exit)) = (entry.get_mut(in_entry), exit.get_mut(in_exit)) {
            entry.clone_from(&path);
            *exit = path;
        }
    }

    fn left_out(&mut self, ty: &TypeDesc) {
        *self.written.left_out.entry(ty.name.clone()).or_default() += 1;
    }

    /// An event that came from scap, as it was there.
    fn again(&mut self, ctx: &Ctx<'_>, at: Stamp) -> Result<(), Error> {
        let number = ctx.event.ty.0;
        let calls = number
            .checked_sub(CODES)
            .filter(|_| ctx.event.ty != types::UNRECOGNIZED);
        let code = match calls {
            Some(calls) => calls % 2,
            None if number < CODES => number,
            None => {
                if let Some(ty) = ctx.ty() {
                    self.left_out(ty);
                }
                return Ok(());
            }
        };
        let hidden = ctx.event.flags.has(EventFlags::INTERNAL);
        let params = Maker { ctx }.same(code);
        self.correct(ctx, at, code)?;
        self.emit(at, code, &params, hidden)
    }

    /// Tells of a container before anything happens in it.
    fn container(&mut self, ctx: &Ctx<'_>, at: Stamp) -> Result<(), Error> {
        let Some(container) = ctx.container() else {
            return Ok(());
        };
        if container.full_id.len() != 64 || !self.told.insert(container.full_id.clone()) {
            return Ok(());
        }
        let mut json = super::containers::json(container).into_bytes();
        json.push(0);
        let at = Stamp {
            tid: 0,
            cpu: 0,
            ..at
        };
        self.emit(at, 272, &[json], true)
    }

    /// Puts right what readers would believe of the event's thread and descriptor.
    fn correct(&mut self, ctx: &Ctx<'_>, at: Stamp, code: u16) -> Result<(), Error> {
        let Some(row) = ctx.proc() else { return Ok(()) };
        // What the event itself tells, readers hear from it.
        let tells = matches!(
            code,
            13 | 15 | 155 | 157 | 173 | 183 | 185 | 215..=227 | 231 | 283 | 289 | 293 | 331 | 335
        ) || row.is_told();
        if !tells || matches!(code, 289 | 293 | 331) && !row.is_told() {
            self.correct_thread(ctx, at, row)?;
        }
        let is_about = types::row(code).is_some_and(super::state::is_about_fd);
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
                    self.emit(
                        at,
                        22,
                        &[number, super::params::packed_end(flow.remote)],
                        true,
                    )?;
                    self.emit(at, 23, &[zero(), tuple], true)
                } else if flow.local.port() != 0 {
                    self.emit(at, 20, &[number], true)?;
                    self.emit(
                        at,
                        21,
                        &[zero(), super::params::packed_end(flow.local)],
                        true,
                    )
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

fn put_entry(body: &mut Vec<u8>, entry: &[u8]) {
    body.extend_from_slice(&((entry.len() + 4) as u32).to_le_bytes());
    body.extend_from_slice(entry);
}

/// An entry of the process list, without its length.
fn listed(reader: &Reader, tid: i64, row: &Process) -> Vec<u8> {
    let pid = i64::from(row.key.pid as i32);
    let (exe, args) = split_argv(row);
    let is_thread = tid != pid;
    let mut out = Vec::new();
    let vpid = if row.vpid == 0 {
        pid
    } else {
        i64::from(row.vpid as i32)
    };
    let vtid = if is_thread { tid } else { vpid };
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
    out.extend_from_slice(&1024_u64.to_le_bytes());
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
fn scap_type(file: &File) -> u8 {
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

fn same_type(known: u8, wanted: u8) -> bool {
    known == wanted
        || matches!(
            (known, wanted),
            (ty::FILE, ty::FILE_V2) | (ty::FILE_V2, ty::FILE)
        )
}

/// A device as user space writes it.
fn user_dev(dev: u64) -> u64 {
    let (major, minor) = (dev >> 20, dev & 0xf_ffff);
    minor & 0xff | (major & 0xfff) << 8 | (minor & 0xf_ff00) << 12
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
