//! The rows of the views of an instant: processes, descriptors, sockets, mounts, containers and environments as they were.

use super::Instant;
use crate::cell::Cell;
use crate::made::{self, Asked, Columns, number, row, text};
use crate::rows::Rows;
use crate::secrets::is_secret;
use crate::session::Session;
use afterimage_model::{
    Abi, BootNs, Container, ContainerId, Ctx, Event, EventFlags, File, FileId, FileKind, Origin,
    ProcId, Process, Role, Tables, TypeId, Value, terminal,
};
use afterimage_query::{Made, print_value};
use std::collections::{BTreeMap, HashMap, HashSet};

/// An event that never was, so that fields can be asked of a process and a descriptor.
fn nothing(session: &Session, at: u64, process: &Process, fd: Option<(u32, FileId)>) -> Event {
    let schema = session.schema();
    let ty = fd.and_then(|_| schema.type_id("close"));
    // Sysdig's captures tell the descriptor behind the arguments.
    let args = ty.and_then(|ty| schema.ty(ty)).map(|ty| &ty.args[..]);
    let told = args.and_then(|args| args.iter().position(|arg| arg.name == "fd.num"));
    let (before, number) = (told.unwrap_or(0), fd.map(|fd| Value::Num(i64::from(fd.0))));
    let args = std::iter::repeat_n(Value::Absent, before).chain(number);
    Event {
        time: BootNs(at),
        cpu: Event::NO_CPU,
        seq: 0,
        ty: ty.unwrap_or(TypeId(u16::MAX)),
        abi: Abi::x86_64,
        flags: EventFlags(EventFlags::NO_RESULT | EventFlags::TOLD),
        tid: process.key.pid,
        proc: process.id,
        file: fd.map(|fd| fd.1),
        result: 0,
        latency_ns: 0,
        args: args.collect(),
    }
}

/// Such an event among the rows of its instant: nothing was before it.
fn of<'a>(session: &'a Session, tables: &'a Tables, event: &'a Event) -> Ctx<'a> {
    Ctx {
        manifest: session.manifest(),
        schema: session.schema(),
        tables,
        event,
        num: 0,
        first_ns: event.time.0,
        previous_ns: event.time.0,
    }
}

/// The rows of a view of an instant. The filter is asked about each row's process and descriptor.
pub(crate) fn rows(session: &Session, made: Made, asked: &Asked<'_>) -> Rows {
    let (mut state, complete) = Instant::replay(session, made, asked);
    let somebody = match made {
        Made::Containers => state.add_somebody(),
        _ => HashMap::new(),
    };
    let columns = Columns::of(asked.view);
    let at = match state.at {
        u64::MAX => session.span().map_or(0, |span| span.1),
        at => at,
    };
    let mut out = Vec::new();
    let mut add = |process: &Process,
                   fd: Option<(u32, FileId)>,
                   filter: String,
                   own: &dyn Fn(&str) -> Cell| {
        let event = nothing(session, at, process, fd);
        let ctx = of(session, &state.tables, &event);
        if out.len() <= made::MOST_ROWS && asked.filter.is_none_or(|filter| filter.matches(&ctx)) {
            out.push(row(columns.cells(Some(&ctx), own), 0, 0, filter));
        }
    };
    match made {
        Made::Processes => {
            for (who, process) in state.living() {
                let open = state.open.get(&who).map_or(0, BTreeMap::len);
                add(
                    process,
                    None,
                    made::of_process(session, process),
                    &|name| match name {
                        "tty" => text(terminal::name(process.tty)),
                        "descriptors" => number(open as i128),
                        "origin" => text(match process.origin {
                            Origin::Kernel => "seen",
                            Origin::Procfs => "/proc",
                            Origin::Runtime => "runtime",
                            Origin::Told => "told",
                        }),
                        // As ps writes what has a name and no arguments.
                        "proc.exeline" if !process.comm.is_empty() => {
                            text([b"[", &process.comm[..], b"]"].concat())
                        }
                        _ => Cell::Missing,
                    },
                );
            }
        }
        Made::Descriptors | Made::Sockets => {
            let ranks = match made {
                Made::Sockets => 0..3,
                _ => 0..1,
            };
            let pairs = ranks.flat_map(|rank| state.living().map(move |living| (rank, living)));
            for (rank, (who, process)) in pairs {
                for (fd, open) in state.open.get(&who).into_iter().flatten() {
                    let Some(file) = open.file.and_then(|id| state.tables.file(id)) else {
                        continue;
                    };
                    if made == Made::Sockets
                        && (protocol(file).is_empty() || rank_of_socket(file) != rank)
                    {
                        continue;
                    }
                    let filter = format!("{} and fd.num={fd}", made::of_process(session, process));
                    add(process, Some((*fd, file.id)), filter, &|name| {
                        let flow = file.own_flow();
                        match name {
                            "since" => open.since.map_or(Cell::Missing, number),
                            "protocol" => text(protocol(file)),
                            "local" => match &flow {
                                Some(flow) => text(flow.local_text()),
                                None => text(&file.path),
                            },
                            "remote" => flow
                                .as_ref()
                                .filter(|flow| flow.is_connected())
                                .map_or(Cell::Missing, |flow| text(flow.remote.to_string())),
                            "state" => text(socket_state(file, &state.listening)),
                            _ => Cell::Missing,
                        }
                    });
                }
            }
        }
        Made::Environment => {
            for (_, process) in state.living() {
                for entry in process
                    .env
                    .split(|b| *b == 0)
                    .filter(|entry| !entry.is_empty())
                {
                    let split = entry.iter().position(|b| *b == b'=').unwrap_or(entry.len());
                    let (name, value) = entry.split_at(split);
                    let value = value.get(1..).unwrap_or_default();
                    let filter = made::of_process(session, process);
                    add(process, None, filter, &|column| match column {
                        "variable" => text(name),
                        "value" if is_secret(name, value) => Cell::Secret(value.to_vec()),
                        "value" => text(value),
                        _ => Cell::Missing,
                    });
                }
            }
        }
        Made::Containers => {
            let mut by_container: HashMap<ContainerId, (u64, ProcId)> = HashMap::new();
            for (_, process) in state.living() {
                if let Some(id) = process.container {
                    by_container.entry(id).or_insert((0, process.id)).0 += 1;
                }
            }
            for container in state.tables.containers.values().filter(|c| lived(c, at)) {
                let one = by_container.get(&container.id);
                let stand_in = somebody.get(&container.id).copied();
                let id = one.map(|one| one.1).or(stand_in);
                let Some(process) = id.and_then(|id| state.tables.proc(id)) else {
                    continue;
                };
                let filter = made::of_container(container.short_id());
                add(process, None, filter, &|name| match name {
                    "processes" => number(one.map_or(0, |one| one.0)),
                    _ => Cell::Missing,
                });
            }
        }
        _ => return mounts(session, &state, asked, &columns, complete),
    }
    let matched = out.len() as u64;
    made::answer(out, matched, complete)
}

/// Sockets that lead out of the machine are listed first, then those that have a name.
fn rank_of_socket(file: &File) -> usize {
    match (&file.flow, file.path.is_empty()) {
        (Some(_), _) => 0,
        (None, false) => 1,
        (None, true) => 2,
    }
}

fn lived(container: &Container, at: u64) -> bool {
    container.first_seen_ns <= at && (container.removed_ns == 0 || container.removed_ns > at)
}

fn mounts(
    session: &Session,
    state: &Instant,
    asked: &Asked<'_>,
    columns: &Columns,
    complete: bool,
) -> Rows {
    let before = state
        .tables
        .mounts
        .values()
        .filter(|mount| {
            let key = (mount.ns_mnt, mount.point.clone());
            !state.unmounted.contains(&key) && !state.mounted.contains_key(&key)
        })
        .map(|mount| (None, mount));
    let since = state
        .mounted
        .values()
        .map(|(num, mount)| (Some(*num), mount));
    let mut out = Vec::new();
    for (num, mount) in before.chain(since) {
        let container = mount.container.and_then(|id| state.tables.container(id));
        // The filter is asked about a process of the namespace: containers are told apart by it.
        let inside = state.tables.procs.values().find(|row| {
            row.ns_mnt == mount.ns_mnt
                || row.container == mount.container && row.container.is_some()
        });
        if let Some(filter) = asked.filter {
            let Some(process) = inside else { continue };
            let event = nothing(session, state.at, process, None);
            let ctx = of(session, &state.tables, &event);
            if !filter.matches(&ctx) {
                continue;
            }
        }
        let name = container.map_or("host", |one| match one.name.as_str() {
            "" => one.short_id(),
            name => name,
        });
        let cells = columns.cells(None, |column| match column {
            "namespace" => number(mount.ns_mnt),
            "container" => text(name),
            "point" => text(&mount.point),
            "fstype" => text(&mount.fs_type),
            "source" => text(&mount.source),
            "options" => text(&mount.options),
            "since" => num.map_or(Cell::Missing, number),
            _ => Cell::Missing,
        });
        let filter = format!(
            "evt.type in (mount, umount2) and evt.arg.target={}",
            print_value(&mount.point)
        );
        out.push(row(
            cells,
            num.unwrap_or(0),
            u64::from(num.is_some()),
            filter,
        ));
    }
    let matched = out.len() as u64;
    made::answer(out, matched, complete)
}

/// What a socket speaks: `tcp`, `udp`, `unix` …; empty for what is no socket.
fn protocol(file: &File) -> &'static str {
    match file.kind {
        FileKind::Ipv4 | FileKind::Ipv6 => match &file.flow {
            Some(flow) => flow.protocol.name().unwrap_or("ip"),
            None => "ip",
        },
        FileKind::Unix => "unix",
        FileKind::Netlink => "netlink",
        FileKind::Packet => "packet",
        FileKind::Vsock => "vsock",
        _ => "",
    }
}

fn socket_state(file: &File, listening: &HashSet<FileId>) -> &'static str {
    match &file.flow {
        Some(flow) if flow.is_connected() => "CONNECTED",
        Some(_) if listening.contains(&file.id) => "LISTEN",
        Some(flow) if flow.role == Role::Server => "LISTEN",
        Some(flow) if flow.local.port() != 0 => "BOUND",
        None if listening.contains(&file.id) => "LISTEN",
        None if file.peer_pid != 0 => "CONNECTED",
        _ => "",
    }
}
