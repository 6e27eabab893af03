//! A talk: what it goes over, its two ends, and what each said.

use super::size::Size;
use super::way;
use afterimage_query::print_value;
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// What a talk goes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Inet(u16),
    Unix,
    Pipe,
    Tty,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Inet(protocol) => afterimage_model::entity::Protocol(protocol)
                .name()
                .unwrap_or("ip"),
            Kind::Unix => "unix",
            Kind::Pipe => "pipe",
            Kind::Tty => "tty",
        }
    }
}

/// One end.
#[derive(Clone, Debug, Default)]
pub(crate) struct End {
    /// `name[pid]` of the process that used it last, raw; empty when this end was not recorded.
    pub who: Vec<u8>,
    /// Its program alone.
    pub program: Vec<u8>,
    pub container: Vec<u8>,
    pub user: Vec<u8>,
    pub address: Option<SocketAddr>,
    pub path: Vec<u8>,
    pub(super) inodes: BTreeSet<u64>,
    /// A shell reads its commands from here.
    pub shell: bool,
    pub(super) pid: u32,
    pub(super) peer: u32,
}

impl End {
    /// Who, and where.
    pub fn name(&self) -> Vec<u8> {
        let address = self.address.map(|address| address.to_string().into_bytes());
        let place = address.unwrap_or_else(|| without_pointers(&self.path).to_vec());
        match (self.who.is_empty(), place.is_empty()) {
            (false, false) => [&self.who[..], b" ", &place].concat(),
            (false, true) => self.who.clone(),
            _ => place,
        }
    }
}

/// What an end is called, and in words that nothing was recorded of it.
pub(crate) fn or_unknown(name: Vec<u8>) -> Vec<u8> {
    match name.is_empty() {
        true => b"(not recorded)".to_vec(),
        false => name,
    }
}

/// sysdig calls a local socket by the kernel's pointers to its two ends with the path behind them: `0->ffff88003c420800 /run/x`. What
/// the path is says more; where there is none they stay.
fn without_pointers(path: &[u8]) -> &[u8] {
    let rest = || {
        let space = path.iter().position(|byte| *byte == b' ')?;
        let (front, rest) = path.split_at_checked(space)?;
        let is_end = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'>');
        let pointers = front.iter().all(is_end) && front.windows(2).any(|two| two == b"->");
        rest.get(1..).filter(|rest| pointers && !rest.is_empty())
    };
    rest().unwrap_or(path)
}

/// What was said at once.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub time: u64,
    pub num: u64,
    /// Which end said it.
    pub from: usize,
    /// Told by the end that said it, and not by the one that heard it.
    pub(super) sent: bool,
    pub bytes: Vec<u8>,
    /// How much it was before anything was left out.
    pub len: u64,
}

/// A talk.
#[derive(Clone, Debug)]
pub(crate) struct Talk {
    pub kind: Kind,
    /// The client, or who writes into a pipe, or who types; then the other.
    pub ends: [End; 2],
    pub pieces: Vec<Piece>,
    pub first: u64,
    pub last: u64,
    pub first_num: u64,
    pub events: u64,
    pub errors: u64,
    /// Sizes that a terminal was known to have, from which instant on (ns since boot); only where it changed.
    pub sizes: Vec<(u64, Size)>,
    /// Something was left out because there is too much.
    pub cut: bool,
    pub(super) kept: [usize; 2],
    /// Bytes by who said them and whether that end told it.
    pub(super) moved: [[u64; 2]; 2],
}

impl Talk {
    /// What the two ends are called where a reader sees them: also the one that nothing is known of.
    pub fn shown(&self) -> [Vec<u8>; 2] {
        self.names().map(or_unknown)
    }

    /// What the two ends are called. The path in sysdig's name of a client's local socket is the server's.
    pub fn names(&self) -> [Vec<u8>; 2] {
        let [client, server] = &self.ends;
        match self.path_of_server() {
            Some(path) => [client.who.clone(), path.to_vec()],
            None => [client.name(), server.name()],
        }
    }

    /// The path of a local socket that only its client was recorded of.
    pub fn path_of_server(&self) -> Option<&[u8]> {
        let [client, server] = &self.ends;
        let path = without_pointers(&client.path);
        let alone = self.kind == Kind::Unix && server.name().is_empty();
        (alone && path.len() < client.path.len()).then_some(path)
    }
}

#[cfg(test)]
impl Talk {
    /// A talk in which this was said, by which end: events 1, 2, 3 ….
    pub fn for_tests(kind: Kind, said: &[(usize, &str)]) -> Talk {
        let piece = |(num, (from, text)): (u64, &(usize, &str))| Piece {
            time: num,
            num,
            from: *from,
            sent: *from == 1,
            bytes: text.as_bytes().to_vec(),
            len: text.len() as u64,
        };
        Talk {
            pieces: (1..).zip(said).map(piece).collect(),
            ..Talk::begun(kind, 0, 0)
        }
    }
}

impl Talk {
    /// One in which nothing has been said yet, that begins with the event of this number.
    pub(super) fn begun(kind: Kind, at_ns: u64, num: u64) -> Talk {
        Talk {
            kind,
            ends: Default::default(),
            pieces: Vec::new(),
            first: at_ns,
            last: at_ns,
            first_num: num,
            events: 0,
            errors: 0,
            sizes: Vec::new(),
            cut: false,
            kept: [0; 2],
            moved: [[0; 2]; 2],
        }
    }

    /// Bytes that an end said.
    pub fn said(&self, from: usize) -> u64 {
        let moved = self.moved.get(from).copied().unwrap_or_default();
        moved.into_iter().max().unwrap_or(0)
    }

    /// How many of its ends were recorded.
    pub fn recorded(&self) -> usize {
        self.ends.iter().filter(|end| !end.who.is_empty()).count()
    }

    /// Leaves of every way what the end said that told more of it, and puts the rest in order.
    pub(super) fn settle(&mut self) {
        let mut kept = [[0usize; 2]; 2];
        for piece in &self.pieces {
            if let Some(count) = kept
                .get_mut(piece.from)
                .and_then(|way| way.get_mut(usize::from(piece.sent)))
            {
                *count += piece.bytes.len();
            }
        }
        let moved = self.moved;
        self.pieces.retain(|piece| {
            let of = |told: usize| {
                let kept = kept.get(piece.from).and_then(|way| way.get(told));
                let moved = moved.get(piece.from).and_then(|way| way.get(told));
                (kept.copied().unwrap_or(0), moved.copied().unwrap_or(0))
            };
            // What was sent wins a draw.
            (of(1) >= of(0)) == piece.sent
        });
        self.pieces.sort_by_key(|piece| piece.num);
    }

    /// The filter that selects its events and those of an end that was not met yet, where both addresses are known.
    pub fn filter_of_both(&self) -> String {
        match (self.kind, self.ends.each_ref().map(|end| end.address)) {
            (Kind::Inet(_), [Some(a), Some(b)]) => {
                format!(
                    "fd.type in (ipv4, ipv6) and ({} or {})",
                    way(a, b),
                    way(b, a)
                )
            }
            _ => self.filter(),
        }
    }

    /// The filter that selects its events.
    pub fn filter(&self) -> String {
        let inodes: Vec<String> = self
            .ends
            .iter()
            .flat_map(|end| &end.inodes)
            .map(u64::to_string)
            .collect();
        let types = match self.kind {
            Kind::Inet(_) => "fd.type in (ipv4, ipv6)",
            Kind::Unix => "fd.type=unix",
            Kind::Pipe => "fd.type=pipe",
            Kind::Tty => "fd.type in (char, file)",
        };
        if self.kind == Kind::Tty {
            let path = self.ends.first().map_or(&[][..], |end| &end.path);
            let name = format!("{types} and fd.name={}", print_value(path));
            let mut containers = self.ends.iter().map(|end| &end.container[..]);
            let container = containers.rfind(|name| !name.is_empty());
            return match inodes.is_empty() {
                // Nothing else tells it from a terminal of this name in another container.
                true => match container {
                    Some(of) => format!("{name} and container.name={}", print_value(of)),
                    None => name,
                },
                false => format!("{name} and fd.ino in ({})", inodes.join(", ")),
            };
        }
        if !inodes.is_empty() {
            return format!("{types} and fd.ino in ({})", inodes.join(", "));
        }
        match self.ends.each_ref().map(|end| end.address) {
            [Some(a), Some(b)] => {
                format!("{types} and ({} or {})", way(a, b), way(b, a))
            }
            _ => {
                let path = self.ends.first().map_or(&[][..], |end| &end.path);
                format!("{types} and fd.name={}", print_value(path))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sysdigs_name_of_a_local_socket_is_the_servers_path() {
        let mut talk = Talk::for_tests(Kind::Unix, &[]);
        for end in &mut talk.ends {
            *end = End::default();
        }
        talk.ends[0].who = b"curl[7]".to_vec();
        talk.ends[0].path = b"0->ffff88003c420800 /var/run/nscd/socket".to_vec();
        let named = |talk: &Talk| talk.names().map(|name| String::from_utf8(name).unwrap());
        assert_eq!(named(&talk), ["curl[7]", "/var/run/nscd/socket"]);
        talk.ends[1].who = b"nscd[9]".to_vec();
        assert_eq!(named(&talk), ["curl[7] /var/run/nscd/socket", "nscd[9]"]);
        talk.ends[0].path = b"ffff88003c420800->ffff88003c420801".to_vec();
        assert_eq!(
            named(&talk)[0],
            "curl[7] ffff88003c420800->ffff88003c420801"
        );
        talk.ends[0].path = b"/run/a name with->arrow".to_vec();
        assert_eq!(named(&talk)[0], "curl[7] /run/a name with->arrow");
    }
}
