//! Talks: the two ends of a connection, pipe or terminal joined into one, with what each said, in the order it was said.
//!
//! Ends are known by the inode of their socket or pipe, and connections besides by their two addresses: what one process
//! sends and another receives is told once, from whichever end more of it was kept.

mod size;
mod talk;

use crate::cell::{Cell, Key};
use crate::made::{self, Asked, Columns, instant, number, row, text};
use crate::reading::FieldReader;
use crate::rows::Rows;
use crate::session::{Session, Visitor};
use crate::speak;
use afterimage_model::{Ctx, File, FileKind, Flow, Origin, Role, Value, fields, render};
use afterimage_query::{FieldRef, print_value};
pub(crate) use size::Size;
use size::{MOST_SIZES, size_of};
use std::collections::HashMap;
use std::net::SocketAddr;
pub(crate) use talk::{End, Kind, Piece, Talk, or_unknown};

/// Most talks that are told apart.
const MOST_TALKS: usize = 65_536;
/// Most bytes that are kept of one way of a talk where what was said is shown.
pub(crate) const WHOLE: usize = 4 << 20;
/// Most bytes that are kept of one way of a talk where only its beginning matters.
pub(crate) const BEGINNING: usize = 8 << 10;
/// Most bytes that are kept in all.
const MOST_BYTES: usize = 256 << 20;
/// Most pieces that are kept of one talk.
const MOST_PIECES: usize = 200_000;

/// Collects talks.
struct Collector {
    talks: Vec<Talk>,
    by_inode: HashMap<(u8, u64, u64), (usize, usize)>,
    by_flow: HashMap<(u16, SocketAddr, SocketAddr), usize>,
    /// Those without an inode, by path, and of terminals by the container's name, too.
    by_path: HashMap<Vec<u8>, usize>,
    /// Ends of unix sockets whose other end was not met yet, by the pids of both.
    half: HashMap<(u32, u32), Vec<usize>>,
    most: usize,
    kept: usize,
    user: FieldReader,
    container: FieldReader,
    fd: Option<FieldRef>,
    way: FieldReader,
    /// Talks were left out because there are too many.
    full: bool,
    matched: u64,
}

/// Whether a file is a terminal. Captures of sysdig do not tell what kind of file a path leads to.
fn is_terminal(file: &File) -> bool {
    let told = file.origin == Origin::Told || file.marks & File::TOLD != 0;
    (file.kind == FileKind::Char || file.kind == FileKind::File && told)
        && (file.path.starts_with(b"/dev/pts/") || file.path.starts_with(b"/dev/tty"))
        && file.path != b"/dev/pts/ptmx"
}

/// Whether what goes through a file may be a talk.
fn is_talked_through(file: &File) -> bool {
    use FileKind::{Ipv4, Ipv6, Pipe, Unix};
    matches!(file.kind, Ipv4 | Ipv6 | Unix | Pipe) || is_terminal(file)
}

/// Names of programs that take commands.
fn is_shell(name: &[u8]) -> bool {
    const SHELLS: &[&str] = &[
        "sh", "bash", "dash", "ash", "zsh", "ksh", "mksh", "fish", "csh", "tcsh", "rbash",
    ];
    SHELLS.iter().any(|shell| shell.as_bytes() == name)
}

impl Collector {
    fn new(kept: usize) -> Result<Collector, afterimage_query::FilterError> {
        Ok(Collector {
            talks: Vec::new(),
            by_inode: HashMap::new(),
            by_flow: HashMap::new(),
            by_path: HashMap::new(),
            half: HashMap::new(),
            most: kept,
            kept: 0,
            user: FieldReader::new(FieldRef::parse("user.shown")?),
            container: FieldReader::new(FieldRef::parse("container.name")?),
            fd: FieldRef::parse("fd.num").ok(),
            way: FieldReader::new(FieldRef::parse("evt.io_dir")?),
            full: false,
            matched: 0,
        })
    }

    fn start(&mut self, kind: Kind, ctx: &Ctx<'_>) -> usize {
        let talk = Talk::begun(kind, ctx.event.time.0, ctx.num);
        self.talks.push(talk);
        self.talks.len() - 1
    }

    /// The talk of a file and which end of it the event is at.
    fn place(&mut self, ctx: &Ctx<'_>, file: &File, reads: bool) -> Option<(usize, usize)> {
        let inode = (file.ino != 0).then_some((file.kind as u8, file.dev, file.ino));
        let kind = match (file.kind, &file.flow) {
            (FileKind::Ipv4 | FileKind::Ipv6, Some(flow)) => Kind::Inet(flow.protocol.0),
            (FileKind::Unix, _) => Kind::Unix,
            (FileKind::Pipe, _) => Kind::Pipe,
            _ if is_terminal(file) => Kind::Tty,
            _ => return None,
        };
        let whole = file
            .own_flow()
            .filter(|f| f.is_connected() && f.local.port() != 0);
        if let Some(found) = inode.and_then(|key| self.by_inode.get(&key).copied()) {
            match kind {
                // A pipe has one inode: the end is told by what is done.
                Kind::Pipe => return Some((found.0, usize::from(reads))),
                Kind::Tty => return Some((found.0, 1)),
                Kind::Inet(_) => {
                    let known = self
                        .talks
                        .get(found.0)
                        .and_then(|talk| talk.ends.get(found.1));
                    let same = known
                        .zip(whole)
                        .is_none_or(|(end, flow)| end.address == Some(flow.local));
                    if same {
                        return Some(found);
                    }
                }
                Kind::Unix => return Some(found),
            }
        }
        if self.talks.len() >= MOST_TALKS {
            self.full = true;
            return None;
        }
        let (at, end) = match kind {
            Kind::Inet(protocol) => self.place_flow(ctx, protocol, whole?, file)?,
            Kind::Unix => self.place_unix(ctx, file)?,
            Kind::Pipe | Kind::Tty => {
                if file.ino == 0 {
                    if file.path.is_empty() {
                        return None;
                    }
                    // Each container has terminals of the same names.
                    let id = self.container.id(ctx);
                    let of = match self.container.key(id) {
                        Key::Text(name) if kind == Kind::Tty => name.as_slice(),
                        _ => &[],
                    };
                    let name = [of, b"\0", &file.path[..]].concat();
                    match self.by_path.get(&name) {
                        Some(at) => (*at, usize::from(reads || kind == Kind::Tty)),
                        None => {
                            let at = self.start(kind, ctx);
                            self.by_path.insert(name, at);
                            (at, usize::from(reads || kind == Kind::Tty))
                        }
                    }
                } else {
                    (
                        self.start(kind, ctx),
                        usize::from(reads || kind == Kind::Tty),
                    )
                }
            }
        };
        if let Some(key) = inode {
            self.by_inode.insert(key, (at, end));
        }
        Some((at, end))
    }

    fn place_flow(
        &mut self,
        ctx: &Ctx<'_>,
        protocol: u16,
        flow: Flow,
        file: &File,
    ) -> Option<(usize, usize)> {
        let (a, b) = (flow.local.min(flow.remote), flow.local.max(flow.remote));
        let client = match flow.role {
            Role::Client => flow.local,
            Role::Server => flow.remote,
            Role::Unknown if flow.local.port() >= flow.remote.port() => flow.local,
            Role::Unknown => flow.remote,
        };
        let key = (protocol, a, b);
        let known = self.by_flow.get(&key).copied();
        if let Some(at) = known
            && let Some(talk) = self.talks.get(at)
        {
            let end = usize::from(talk.ends.first()?.address != Some(flow.local));
            let inodes = talk.ends.get(end).map(|end| &end.inodes);
            // The same two ports with another socket are another connection.
            if inodes.is_none_or(|inodes| {
                inodes.is_empty() || file.ino == 0 || inodes.contains(&file.ino)
            }) {
                return Some((at, end));
            }
        }
        let at = self.start(Kind::Inet(protocol), ctx);
        self.by_flow.insert(key, at);
        let server = if client == flow.local {
            flow.remote
        } else {
            flow.local
        };
        if let Some(talk) = self.talks.get_mut(at) {
            for (end, address) in talk.ends.iter_mut().zip([client, server]) {
                end.address = Some(address);
            }
        }
        Some((at, usize::from(client != flow.local)))
    }

    fn place_unix(&mut self, ctx: &Ctx<'_>, file: &File) -> Option<(usize, usize)> {
        let pid = ctx.proc()?.key.pid;
        if file.peer_pid != 0 {
            let waiting = self.half.entry((file.peer_pid, pid)).or_default();
            if !waiting.is_empty() {
                let at = waiting.remove(0);
                let first = self.talks.get(at)?.ends.first()?;
                return Some((at, usize::from(first.pid != 0)));
            }
        }
        if file.ino == 0 && file.path.is_empty() {
            return None;
        }
        let name = ctx.ty().map_or("", |ty| ty.name.as_str());
        let end = usize::from(name.starts_with("accept") || file.marks & File::SERVER != 0);
        let at = self.start(Kind::Unix, ctx);
        if let Some(end) = self
            .talks
            .get_mut(at)
            .and_then(|talk| talk.ends.get_mut(end))
        {
            (end.pid, end.peer) = (pid, file.peer_pid);
        }
        if file.peer_pid != 0 {
            self.half.entry((pid, file.peer_pid)).or_default().push(at);
        }
        Some((at, end))
    }

    /// A terminal was asked how large it is, or told.
    fn note_size(&mut self, ctx: &Ctx<'_>, file: &File, size: Size) {
        let Some((at, _)) = self.place(ctx, file, true) else {
            return;
        };
        let Some(talk) = self.talks.get_mut(at) else {
            return;
        };
        if talk.ends[0].path.is_empty() {
            talk.ends[0].path.clone_from(&file.path);
        }
        let known = talk.sizes.last().map(|(_, known)| *known);
        if known != Some(size) && talk.sizes.len() < MOST_SIZES {
            talk.sizes.push((ctx.event.time.0, size));
        }
    }

    fn note_end(&mut self, ctx: &Ctx<'_>, file: &File, at: usize, end: usize, reads: bool) {
        let id = self.container.id(ctx);
        let container = self.container.key(id).clone();
        let id = self.user.id(ctx);
        let user = self.user.key(id).clone();
        let word = |key: Key| match key {
            Key::Text(text) => text,
            _ => Vec::new(),
        };
        let fd = self.fd.as_ref().and_then(|fd| fd.value(ctx));
        let standard = matches!(fd, Some(fields::FieldValue::Int(0)));
        let Some((process, slot)) = ctx.proc().zip(
            self.talks
                .get_mut(at)
                .and_then(|talk| talk.ends.get_mut(end)),
        ) else {
            return;
        };
        let shell = reads && standard && is_shell(&process.comm);
        // A terminal is the shell's, whoever else writes to it; a connection is that of who carries it.
        if slot.who.is_empty() || shell || !slot.shell {
            slot.who = made::called(process);
            slot.program.clone_from(&process.comm);
            slot.user = word(user);
        }
        slot.container = word(container);
        slot.shell |= shell;
        slot.pid = process.key.pid;
        if file.flow.is_none() && !file.path.is_empty() {
            slot.path.clone_from(&file.path);
        }
        if file.ino != 0 && slot.inodes.len() < 64 {
            slot.inodes.insert(file.ino);
        }
    }
}

/// The payload of an event: which way it went, what was kept of it, and how long it was.
fn payload<'c>(
    ctx: &Ctx<'c>,
    way: &mut FieldReader,
) -> Option<(bool, std::borrow::Cow<'c, [u8]>, u64)> {
    let (ty, event) = (ctx.ty()?, ctx.event);
    let id = way.id(ctx);
    let reads = match way.key(id) {
        Key::Text(way) => way == b"read",
        _ => return None,
    };
    if event.result <= 0 {
        return None;
    }
    // What was only looked at is read again (MSG_PEEK).
    let peeked = ty
        .arg_index("flags")
        .and_then(|at| event.args.get(at))
        .is_some_and(|flags| matches!(flags, Value::Num(n) if n & 2 != 0));
    if reads && peeked && ty.name.starts_with("recv") {
        return None;
    }
    let bytes =
        ty.args
            .iter()
            .zip(&event.args)
            .find_map(|(arg, value)| match (arg.kind()?, value) {
                (kind, Value::Bytes(blob)) if kind.is_payload() => {
                    Some(render::payload(kind, &blob.bytes))
                }
                _ => None,
            });
    let len = match ty.name.as_str() {
        // Their result counts messages.
        "sendmmsg" | "recvmmsg" => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
        _ => event.result.unsigned_abs(),
    };
    Some((reads, bytes.unwrap_or_default(), len))
}

impl Visitor for Collector {
    fn chunk(&mut self) {
        self.user.forget_rows();
        self.container.forget_rows();
        self.way.forget_rows();
    }

    fn sifts(&self) -> bool {
        true
    }

    fn may_want(&mut self, ctx: &Ctx<'_>) -> bool {
        ctx.file().is_some_and(is_talked_through)
    }

    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        let Some(file) = ctx.file() else { return true };
        if is_terminal(file)
            && let Some(size) = size_of(ctx)
        {
            self.note_size(ctx, file, size);
            return true;
        }
        let moved = payload(ctx, &mut self.way);
        let reads = match &moved {
            Some((reads, ..)) => *reads,
            None if matches!(file.kind, FileKind::Pipe | FileKind::Char | FileKind::File) => {
                return true;
            }
            None => false,
        };
        let Some((at, end)) = self.place(ctx, file, reads) else {
            return true;
        };
        self.matched += 1;
        self.note_end(ctx, file, at, end, reads);
        let room = MOST_BYTES.saturating_sub(self.kept);
        let Some(talk) = self.talks.get_mut(at) else {
            return true;
        };
        talk.events += 1;
        talk.last = talk.last.max(ctx.event.time.0);
        talk.errors += u64::from(ctx.event.errno().is_some());
        if talk.kind == Kind::Tty && talk.ends[0].path.is_empty() {
            talk.ends[0].path.clone_from(&file.path);
        }
        let Some((reads, bytes, len)) = moved else {
            return true;
        };
        let (from, sent) = if reads {
            (1 - end.min(1), false)
        } else {
            (end, true)
        };
        if let Some(count) = talk
            .moved
            .get_mut(from)
            .and_then(|way| way.get_mut(usize::from(sent)))
        {
            *count = count.saturating_add(len);
        }
        let Some(kept) = talk.kept.get_mut(from) else {
            return true;
        };
        let take = bytes.len().min(self.most.saturating_sub(*kept)).min(room);
        if talk.pieces.len() >= MOST_PIECES || take < bytes.len() {
            talk.cut = true;
        }
        if talk.pieces.len() < MOST_PIECES && (take > 0 || bytes.is_empty()) {
            *kept += take;
            self.kept += take;
            talk.pieces.push(Piece {
                time: ctx.event.time.0,
                num: ctx.num,
                from,
                sent,
                bytes: bytes.get(..take).unwrap_or_default().to_vec(),
                len,
            });
        }
        true
    }
}

/// The talks of the events that match, in the order in which they began, and whether all of the capture was looked at and none
/// was left out.
pub(crate) fn collect(session: &Session, asked: &Asked<'_>, kept: usize) -> (Vec<Talk>, bool) {
    // The two fields are in the table; without them there is nothing to collect.
    let Ok(mut collector) = Collector::new(kept) else {
        return (Vec::new(), false);
    };
    let complete = session
        .walk(asked.filter, asked.span, 1, asked.progress, &mut collector)
        .complete;
    let complete = complete && !collector.full;
    let mut talks = collector.talks;
    talks.iter_mut().for_each(Talk::settle);
    (talks, complete)
}

/// The rows of `talks`.
pub(crate) fn rows(session: &Session, asked: &Asked<'_>) -> Rows {
    let (talks, complete) = collect(session, asked, BEGINNING);
    let columns = Columns::of(asked.view);
    let matched = talks.iter().map(|talk| talk.events).sum();
    let rows = talks
        .iter()
        .filter(|talk| talk.kind != Kind::Tty)
        .map(|talk| {
            let language = speak::language(talk);
            let cells = columns.cells(None, |name| match name {
                "first" => instant(session, talk.first),
                "kind" => text(talk.kind.name()),
                "protocol" => language.map_or(Cell::Missing, |language| text(language.name)),
                "client" => text(&talk.shown()[0]),
                "server" => text(&talk.shown()[1]),
                "sent" => number(talk.said(0)),
                "received" => number(talk.said(1)),
                "lasted" => number(talk.last.saturating_sub(talk.first)),
                "ends" => number(talk.recorded() as i128),
                "about" => text(about(talk)),
                _ => Cell::Missing,
            });
            row(cells, talk.first_num, talk.events, talk.filter())
        });
    made::answer(rows.collect(), matched, complete)
}

/// What a talk was about: its first message, else the first line that was said.
pub(crate) fn about(talk: &Talk) -> Vec<u8> {
    if let Some(language) = speak::language(talk)
        && let Some(said) = talk
            .pieces
            .iter()
            .find_map(|piece| (language.say)(&piece.bytes, piece.from == 0))
    {
        return said;
    }
    let line = talk.pieces.iter().find_map(|piece| {
        let mut lines = piece.bytes.split(|b| *b == b'\n');
        lines
            .find(|line| !line.trim_ascii().is_empty())
            .map(|line| line.trim_ascii())
    });
    line.map_or(Vec::new(), |line| line.get(..200).unwrap_or(line).to_vec())
}

/// What selects one end of a connection, by its own address and that of the other.
fn way(own: SocketAddr, other: SocketAddr) -> String {
    format!(
        "fd.lip={} and fd.lport={} and fd.rip={} and fd.rport={}",
        own.ip(),
        own.port(),
        other.ip(),
        other.port()
    )
}

/// The filter that selects the connection, pipe or terminal of an event; `None` when it is about none.
pub fn stream_of(ctx: &Ctx<'_>) -> Option<String> {
    let file = ctx.file()?;
    let inode = (file.ino != 0).then(|| format!("fd.ino={}", file.ino));
    let named = || format!("fd.name={}", print_value(&file.shown_name()));
    match (file.kind, &file.flow) {
        (FileKind::Ipv4 | FileKind::Ipv6, Some(flow)) if flow.is_connected() => Some(format!(
            "fd.type in (ipv4, ipv6) and ({} or {})",
            way(flow.local, flow.remote),
            way(flow.remote, flow.local)
        )),
        (FileKind::Unix, _) => Some(format!("fd.type=unix and {}", inode.unwrap_or_else(named))),
        (FileKind::Pipe, _) => Some(format!("fd.type=pipe and {}", inode.unwrap_or_else(named))),
        // In captures of sysdig a terminal is a file.
        _ if is_terminal(file) => Some(format!("fd.type in (char, file) and {}", named())),
        _ => None,
    }
}
