//! TCP as the kernel's state machine tells it. The processor that notices is nobody's: the owner is found by the socket.

use super::{Outcome, World};
use crate::decode::{KernelFile, Record};
use crate::wire::Kind;
use afterimage_model::{ProcId, Role, Value};
use std::collections::HashMap;

/// Most sockets remembered.
const MOST: usize = 1 << 18;

/// include/net/tcp_states.h
mod state {
    pub const ESTABLISHED: u64 = 1;
    pub const SYN_SENT: u64 = 2;
    pub const FIN_WAIT1: u64 = 4;
    pub const CLOSE: u64 = 7;
    pub const CLOSE_WAIT: u64 = 8;
    pub const LAST_ACK: u64 = 9;
    pub const LISTEN: u64 = 10;
}

/// Who has which socket.
#[derive(Default)]
pub(super) struct Tcp {
    by_inode: HashMap<u64, ProcId>,
    /// Network namespace and port.
    listeners: HashMap<(u32, u16), ProcId>,
    /// When a connection was asked for, by socket.
    since: HashMap<u64, u64>,
}

impl Tcp {
    /// Remembers the owner of a socket by its inode, and where it listens.
    pub(super) fn own(&mut self, inode: u64, listens: Option<(u32, u16)>, owner: ProcId) {
        if self.by_inode.len() >= MOST {
            self.by_inode.clear();
        }
        self.by_inode.insert(inode, owner);
        if let Some(place) = listens {
            if self.listeners.len() >= MOST {
                self.listeners.clear();
            }
            self.listeners.insert(place, owner);
        }
    }

    /// Remembers the owner of a socket; of anything else, nothing.
    pub(super) fn owned(&mut self, file: &KernelFile, owner: ProcId) {
        if let Some(socket) = file.socket.as_ref().filter(|s| matches!(s.family, 2 | 10)) {
            let listens = u64::from(socket.state) == state::LISTEN;
            let place = listens.then_some((socket.netns, socket.local_port));
            self.own(file.part.ino, place, owner);
        }
    }
}

impl World {
    pub(super) fn tcp_event(&mut self, cpu: u16, record: &Record) -> Outcome {
        let head = &record.head;
        let [old, new, address, ..] = head.args;
        let is_state = u32::from(head.kind) == Kind::SOCK_STATE;
        let Some((mut file, socket)) = record
            .file(0)
            .and_then(|file| Some((file.clone(), *file.socket.as_ref()?)))
        else {
            return Outcome::OutOfScope;
        };
        // Such changes are made by a call of the socket's owner, there and then.
        let by_owner = is_state
            && matches!(
                (old, new),
                (state::CLOSE, state::SYN_SENT | state::LISTEN)
                    | (state::ESTABLISHED, state::FIN_WAIT1)
                    | (state::CLOSE_WAIT, state::LAST_ACK)
                    | (state::LISTEN, state::CLOSE)
            );
        let known = self.tcp.by_inode.get(&file.part.ino).copied();
        let current = || by_owner.then_some(()).and(self.live.get(&head.pid));
        let place = (socket.netns, socket.local_port);
        let owner = known
            .filter(|_| file.part.ino != 0)
            .or_else(|| current().map(|live| live.row))
            .or_else(|| self.tcp.listeners.get(&place).copied());
        let Some(mut owner) = owner else {
            return Outcome::OutOfScope;
        };
        // The owner's row as it is now: it may have executed or changed since it made the socket.
        if let Some(now) = self.tables.proc(owner).and_then(|row| {
            let live = self.live.get(&row.key.pid)?;
            let now = self.tables.proc(live.row)?;
            (now.key.start_ns == row.key.start_ns).then_some(live.row)
        }) {
            owner = now;
        }
        let Some(pid) = self.tables.proc(owner).map(|row| row.key.pid) else {
            return Outcome::OutOfScope;
        };
        if is_state && new == state::LISTEN {
            self.tcp.own(file.part.ino, Some(place), owner);
        }
        let mut latency = Value::Absent;
        if is_state {
            let since = &mut self.tcp.since;
            let began = since.remove(&address);
            match (old, new) {
                (_, state::SYN_SENT) => {
                    if since.len() >= MOST {
                        since.clear();
                    }
                    since.insert(address, head.time_ns);
                    self.objects.role(&file, Role::Client);
                }
                (state::SYN_SENT, state::ESTABLISHED) => {
                    if let Some(began) = began {
                        latency = Value::Num(head.time_ns.saturating_sub(began) as i64);
                    }
                }
                _ => {}
            }
            if let Some(socket) = &mut file.socket {
                socket.state = new as u16;
            }
        }
        let end = self.objects.of(&mut self.tables, &file, None);
        let (name, args) = match u32::from(head.kind) {
            Kind::SOCK_STATE => (
                "inet_sock_set_state",
                vec![Value::Num(old as i64), Value::Num(new as i64), latency],
            ),
            kind => (
                match kind {
                    Kind::TCP_RETRANSMIT => "tcp_retransmit_skb",
                    Kind::TCP_RECEIVE_RESET => "tcp_receive_reset",
                    _ => "tcp_send_reset",
                },
                vec![Value::Num(i64::from(socket.state))],
            ),
        };
        let mut record = record.clone();
        if record.head.pid != pid {
            (record.head.pid, record.head.tid) = (pid, pid);
        }
        let args = args.into_iter().collect();
        self.finish(cpu, &record, owner, true, name, args, Some(end))
    }
}
