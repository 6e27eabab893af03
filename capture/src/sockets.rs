//! Sockets that were there before and of which the kernel programs did not tell: `/proc/<pid>/net`, one table per network
//! namespace.

use crate::procfs::{Life, OpenFd};
use afterimage_model::{FileId, FileKind, Flow, Protocol, Role};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::mpsc;

/// A socket as /proc tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its family.
    pub kind: FileKind,
    /// Both ends, for inet sockets.
    pub flow: Option<Flow>,
    /// The bound name, for unix sockets; `@` in front of an abstract one.
    pub name: Vec<u8>,
}

/// TCP_LISTEN as /proc/net/tcp prints it.
const LISTEN: &str = "0A";

/// Sockets of a process of which nothing is known but that they are.
pub struct Untold {
    /// Its pid.
    pub pid: u32,
    /// Its start, ns since boot.
    pub start_ns: u64,
    /// Its network namespace.
    pub netns: u32,
    /// Each, and its row as long as no more is known.
    pub sockets: Vec<(OpenFd, FileId)>,
}

/// What was found of them.
pub struct Told {
    /// The pid of their process.
    pub pid: u32,
    /// Its start, ns since boot.
    pub start_ns: u64,
    /// Its network namespace.
    pub netns: u32,
    /// Each that was in the tables.
    pub sockets: Vec<(OpenFd, FileId, Found)>,
}

/// Processes that may be asked for and not answered. What is beyond is told of with the first use of each socket, as always.
const MOST_ASKED: usize = 1 << 14;

/// Reads tables of sockets in a thread of its own, begun with the first question: a host on which connections come and go has
/// tens of thousands that wait for their end, among which the kernel takes seconds to find the others, and the rings that fill
/// meanwhile are not for waiting.
#[derive(Default)]
pub struct Later(Option<Reader>);

struct Reader {
    ask: mpsc::Sender<Untold>,
    told: mpsc::Receiver<Told>,
    asked: usize,
}

impl Later {
    /// Asks for sockets of a process. Answers come by [`Later::told`], some time.
    pub fn ask(&mut self, untold: Untold) {
        if untold.sockets.is_empty() {
            return;
        }
        let reader = self.0.get_or_insert_with(Reader::start);
        if reader.asked < MOST_ASKED && reader.ask.send(untold).is_ok() {
            reader.asked += 1;
        }
    }

    /// What was answered since; waits for one answer where that is asked for.
    pub fn told(&mut self, wait: bool) -> Vec<Told> {
        let Some(reader) = self.0.as_mut().filter(|reader| reader.asked > 0) else {
            return Vec::new();
        };
        let first = if wait {
            let first = reader.told.recv();
            if first.is_err() {
                // It ended: nobody answers any more.
                reader.asked = 0;
            }
            first.ok()
        } else {
            None
        };
        let told: Vec<Told> = first.into_iter().chain(reader.told.try_iter()).collect();
        reader.asked = reader.asked.saturating_sub(told.len());
        told
    }

    /// Whether an answer is to come.
    pub fn is_asked(&self) -> bool {
        self.0.as_ref().is_some_and(|reader| reader.asked > 0)
    }
}

impl Reader {
    fn start() -> Reader {
        let (ask, asked) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        // Detached: it ends when nobody can ask any more. When it cannot be started, no question arrives.
        let _ = std::thread::Builder::new()
            .name("sockets".to_owned())
            .spawn(move || answer(&asked, &tell));
        Reader {
            ask,
            told,
            asked: 0,
        }
    }
}

/// Answers what was asked, as much at once as there is: each table is read once for all of it.
fn answer(asked: &mpsc::Receiver<Untold>, tell: &mpsc::Sender<Told>) {
    while let Ok(first) = asked.recv() {
        let mut tables: HashMap<u32, HashMap<u64, Found>> = HashMap::new();
        for untold in std::iter::once(first).chain(asked.try_iter()) {
            let table = tables.entry(untold.netns).or_default();
            if table.is_empty()
                && let Some(life) = Life::of(untold.pid, untold.start_ns)
            {
                *table = of(&life);
            }
            let found = untold.sockets.into_iter().filter_map(|(open, file)| {
                let found = table.get(&open.id.1)?.clone();
                Some((open, file, found))
            });
            let told = Told {
                pid: untold.pid,
                start_ns: untold.start_ns,
                netns: untold.netns,
                sockets: found.collect(),
            };
            if tell.send(told).is_err() {
                return;
            }
        }
    }
}

/// Every socket of the network namespace that a process is in, by inode.
fn of(life: &Life) -> HashMap<u64, Found> {
    let mut all = HashMap::new();
    for (name, protocol) in [
        ("tcp", 6),
        ("tcp6", 6),
        ("udp", 17),
        ("udp6", 17),
        ("raw", 255),
        ("raw6", 255),
    ] {
        let text = life.net_table(name);
        all.extend(inet_rows(&text, Protocol(protocol)));
    }
    all.extend(unix_rows(&life.net_table("unix")));
    all
}

/// Rows of /proc/net/tcp and its like (man 5 proc_pid_net): local, remote, state in columns 1 to 3, inode in column 9. Those without an
/// inode nobody has open, and on a busy host most are such: connections that were closed a minute ago (TIME_WAIT).
fn inet_rows(text: &[u8], protocol: Protocol) -> Vec<(u64, Found)> {
    let text = String::from_utf8_lossy(text);
    let is_open = |line: &&str| line.split_ascii_whitespace().nth(9) != Some("0");
    let rows = text.lines().skip(1).filter(is_open).filter_map(|line| {
        let columns: Vec<&str> = line.split_ascii_whitespace().collect();
        let (local, remote) = (address(columns.get(1)?)?, address(columns.get(2)?)?);
        let listens = protocol.0 == 6 && columns.get(3) == Some(&LISTEN);
        let role = if listens { Role::Server } else { Role::Unknown };
        let kind = if local.is_ipv4() {
            FileKind::Ipv4
        } else {
            FileKind::Ipv6
        };
        let flow = Flow {
            protocol,
            local,
            remote,
            role,
        };
        let found = Found {
            kind,
            flow: Some(flow),
            name: Vec::new(),
        };
        Some((columns.get(9)?.parse().ok()?, found))
    });
    let mut rows: Vec<_> = rows.collect();
    // A socket at a port that is listened on was accepted there.
    let ports: Vec<u16> = (rows.iter())
        .filter_map(|(_, found)| found.flow.filter(|f| f.role == Role::Server))
        .map(|flow| flow.local.port())
        .collect();
    for flow in rows.iter_mut().filter_map(|(_, found)| found.flow.as_mut()) {
        if flow.role == Role::Unknown && flow.is_connected() && ports.contains(&flow.local.port()) {
            flow.role = Role::Server;
        }
    }
    rows
}

/// `0100007F:1F90`: the address as the kernel's words in hex, the port in hex.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok();
    let ip = match address.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(0)?.to_ne_bytes())),
        32 => {
            let mut bytes = [0; 16];
            for (at, part) in bytes.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?.to_ne_bytes());
            }
            IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Rows of /proc/net/unix: the inode in column 6, the name behind it, where there is one.
fn unix_rows(text: &[u8]) -> Vec<(u64, Found)> {
    let rows = text.split(|b| *b == b'\n').skip(1).filter_map(|line| {
        let mut rest = line;
        let mut inode = None;
        for _ in 0..7 {
            let field = rest.trim_ascii_start();
            let end = field.iter().position(|b| *b == b' ').unwrap_or(field.len());
            (inode, rest) = (field.get(..end), field.get(end..)?);
        }
        let inode = std::str::from_utf8(inode?).ok()?.parse().ok()?;
        let name = rest.strip_prefix(b" ").unwrap_or(rest).to_vec();
        Some((
            inode,
            Found {
                kind: FileKind::Unix,
                flow: None,
                name,
            },
        ))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_and_what_they_accepted_are_servers() {
        let text = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
   1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 0 10 -1\n\
   2: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 20 4 0 10 -1\n\
   3: 0100007F:1F90 0100007F:9C42 06 00000000:00000000 03:00001767 00000000     0        0 0 3 0000000000000000\n";
        let rows: HashMap<_, _> = inet_rows(text, Protocol(6)).into_iter().collect();
        assert_eq!(rows.len(), 3, "what nobody has open is left out");
        let flow = |inode: u64| rows[&inode].flow.unwrap();
        assert_eq!(
            (flow(4711).role, flow(4711).name()),
            (Role::Server, "127.0.0.1:8080".to_owned())
        );
        assert_eq!(
            (flow(4712).role, flow(4712).name()),
            (Role::Server, "127.0.0.1:40000->127.0.0.1:8080".to_owned())
        );
        assert_eq!(flow(4713).role, Role::Unknown);
    }

    #[test]
    fn unix_names_keep_their_blanks() {
        let text = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
0000000000000000: 00000002 00000000 00010000 0001 01 31337 /run/my app.sock\n\
0000000000000000: 00000002 00000000 00010000 0001 01   999 @abstract\n\
0000000000000000: 00000003 00000000 00000000 0001 03 1000\n";
        let rows: HashMap<_, _> = unix_rows(text).into_iter().collect();
        assert_eq!(rows[&31337].name, b"/run/my app.sock");
        assert_eq!(rows[&999].name, b"@abstract");
        assert_eq!(rows[&1000].name, b"");
    }

    #[test]
    fn what_is_no_table_gives_no_rows() {
        assert!(inet_rows(b"\n\xff\xff : : :\n1: 2 3 4 5 6 7 8 9 10", Protocol(6)).is_empty());
        assert!(unix_rows(b"x\ny z").is_empty());
    }

    #[test]
    fn a_listener_of_this_process_is_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let all = of(&Life::now(std::process::id()).unwrap());
        assert!(all.values().any(|found| {
            found
                .flow
                .is_some_and(|f| f.local.port() == port && f.role == Role::Server)
        }));
    }
}
