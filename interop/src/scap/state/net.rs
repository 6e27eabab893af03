//! Sockets: their ends, which of them is whose, and what they are called.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::*;

impl State {
    /// Whether an address is of the thread's container, or one of the machine's: its bridges' are so, too, for the peers.
    pub fn is_local(&self, addr: IpAddr, container: Option<&Arc<str>>) -> bool {
        if let Some(id) = container {
            if addr.is_ipv6() {
                return false;
            }
            if self.containers.has_address(id, addr) {
                return true;
            }
        }
        self.interfaces
            .iter()
            .any(|interface| match (interface.addr, addr) {
                (Addr::V4(own), IpAddr::V4(ip)) => own == ip,
                // The first 48 bits are the network, the next 16 the subnet.
                (Addr::V6(own), IpAddr::V6(ip)) => own.octets().get(..8) == ip.octets().get(..8),
                _ => false,
            })
    }

    /// An end without an address has that of the interface towards the other end.
    pub(super) fn infer_address(&self, fd: &mut Fd) {
        if !fd.is_pair() || (!fd.source.0.is_unspecified() && !fd.dest.0.is_unspecified()) {
            return;
        }
        let of_source = fd.source.0.is_unspecified();
        let other = if of_source { fd.dest.0 } else { fd.source.0 };
        let inferred = self.interface_towards(other);
        if inferred == other && fd.source.1 == fd.dest.1 {
            return;
        }
        if of_source {
            fd.source.0 = inferred;
        } else {
            fd.dest.0 = inferred;
        }
    }

    pub(super) fn interface_towards(&self, other: IpAddr) -> IpAddr {
        match other {
            IpAddr::V4(other) => {
                let own = || {
                    self.interfaces
                        .iter()
                        .filter_map(|interface| match interface.addr {
                            Addr::V4(ip) => Some((ip, interface.mask)),
                            Addr::V6(_) => None,
                        })
                };
                let found = own()
                    .find(|(ip, _)| *ip == other)
                    .or_else(|| {
                        own().find(|(ip, mask)| u32::from(*ip) & mask == u32::from(other) & mask)
                    })
                    .or_else(|| own().find(|(ip, _)| *ip != Ipv4Addr::LOCALHOST));
                IpAddr::V4(found.map_or(Ipv4Addr::UNSPECIFIED, |found| found.0))
            }
            IpAddr::V6(other) => {
                let own = || {
                    self.interfaces
                        .iter()
                        .filter_map(|interface| match interface.addr {
                            Addr::V6(ip) => Some(ip),
                            Addr::V4(_) => None,
                        })
                };
                let found = own()
                    .find(|ip| *ip == other)
                    .or_else(|| own().find(|ip| ip.octets().get(..8) == other.octets().get(..8)))
                    .or_else(|| own().find(|ip| *ip != Ipv6Addr::LOCALHOST));
                IpAddr::V6(found.unwrap_or(Ipv6Addr::UNSPECIFIED))
            }
        }
    }

    /// A socket of this family, type and protocol (Linux numbers).
    pub(super) fn socket(family: u32, kind: u32, protocol: u32) -> Option<Fd> {
        let (stream, datagram, raw) = (1, 2, 3);
        Some(match family {
            1 => Fd::new(ty::UNIX, b""),
            2 | 10 => {
                let mut fd = Fd::new(if family == 2 { ty::IPV4 } else { ty::IPV6 }, b"");
                fd.l4 = match protocol {
                    6 | 17 | 1 if kind == raw => l4::RAW,
                    6 => l4::TCP,
                    17 => l4::UDP,
                    0 if kind & 0xff == stream => l4::TCP,
                    0 if kind & 0xff == datagram => l4::UDP,
                    1 => l4::ICMP,
                    255 => l4::RAW,
                    _ => l4::UNKNOWN,
                };
                fd
            }
            16 => Fd::new(ty::NETLINK, b""),
            _ => return None,
        })
    }

    pub(super) fn socketed(&mut self, at: &mut At<'_, '_>) {
        let number = at.result();
        if number < 0 || !at.has_thread {
            return;
        }
        let numbers = |raw: &Raw<'_>, from: usize| {
            Some((raw.word(from)?, raw.word(from + 1)?, raw.word(from + 2)?))
        };
        let Some((family, kind, protocol)) = at
            .entry_raw()
            .and_then(|entry| numbers(&entry, 0))
            .or_else(|| numbers(at.raw, 1))
        else {
            return;
        };
        if let Some(fd) = State::socket(family, kind, protocol) {
            at.name_before = None;
            self.add_fd(at, number, fd);
        }
    }

    /// A datagram through a socket that nobody saw being made.
    pub(super) fn infer_datagram(&mut self, at: &mut At<'_, '_>) {
        let number = at.raw.int(0).unwrap_or(-1);
        let family = at.raw.param(2).and_then(|tuple| tuple.first()).copied();
        if number >= 0
            && let Some(fd) = family
                .filter(|family| matches!(family, 2 | 10))
                .and_then(|family| State::socket(u32::from(family), 2, 17))
        {
            at.name_before = None;
            self.add_fd(at, number, fd);
        }
    }

    pub(super) fn bound(&mut self, at: &mut At<'_, '_>) {
        let Some(place) = at.file.filter(|_| at.result() >= 0) else {
            return;
        };
        let Some(address) = at.raw.param(1).filter(|address| !address.is_empty()) else {
            return;
        };
        let name = address_text(address);
        let end = one_end(address);
        if let Some(fd) = self.fd_mut(place) {
            if let Some((ip, port)) = end.filter(|end| end.1 > 0) {
                fd.ty = if ip.is_ipv4() {
                    ty::IPV4_SERVER
                } else {
                    ty::IPV6_SERVER
                };
                fd.dest = (ip, port);
                fd.source = fd.dest;
                fd.server = true;
            }
            fd.call(&name);
        }
    }

    pub(super) fn connecting(&mut self, at: &mut At<'_, '_>) {
        let (Some(place), Some(address)) = (
            at.file,
            at.raw.param(1).filter(|address| !address.is_empty()),
        ) else {
            return;
        };
        let end = one_end(address);
        let name = address_text(address);
        if let Some(fd) = self.fd_mut(place) {
            match end {
                Some(end) => {
                    let was_pair = fd.is_pair();
                    fd.ty = if end.0.is_ipv4() { ty::IPV4 } else { ty::IPV6 };
                    if !was_pair || fd.source.0.is_ipv4() != end.0.is_ipv4() {
                        fd.source = Fd::new(fd.ty, b"").source;
                    }
                    fd.dest = end;
                    fd.row = None;
                }
                None => fd.call(&name),
            }
        }
    }

    pub(super) fn connected(&mut self, at: &mut At<'_, '_>) {
        let Some(place) = at.file else { return };
        let result = at.result();
        if result < 0 && result != -115 {
            return;
        }
        if let Some(fd) = self.fd_mut(place) {
            fd.connected = true;
            fd.row = None;
        }
        let Some(tuple) = at.raw.param(1).filter(|tuple| !tuple.is_empty()) else {
            return;
        };
        let name = tuple_text(tuple);
        let ends = both_ends(tuple);
        if let Some(fd) = self.fd_mut(place) {
            match ends {
                Some((source, dest)) => {
                    let changed = set_ends(fd, source, dest);
                    if changed && fd.server && fd.l4 == l4::UDP {
                        std::mem::swap(&mut fd.source, &mut fd.dest);
                    }
                    let text = fd.ends_text();
                    fd.call(text.as_bytes());
                }
                None => fd.call(&name),
            }
            if fd.has_no_role() {
                fd.client = true;
            }
            fd.row = None;
        }
    }

    pub(super) fn accepted(&mut self, at: &mut At<'_, '_>) {
        let number = at.result();
        if number < 0 || !at.has_thread {
            return;
        }
        if let Some(thread) = self.thread(at) {
            thread.last_fd = number;
        }
        let Some(tuple) = at.raw.param(1).filter(|tuple| !tuple.is_empty()) else {
            return;
        };
        let name = tuple_text(tuple);
        let mut fd = match (both_ends(tuple), tuple.first()) {
            (Some((source, dest)), _) => {
                let mut fd = Fd::new(
                    if source.0.is_ipv4() {
                        ty::IPV4
                    } else {
                        ty::IPV6
                    },
                    &name,
                );
                (fd.source, fd.dest, fd.l4) = (source, dest, l4::TCP);
                fd
            }
            (None, Some(1)) => Fd::new(ty::UNIX, &name),
            _ => return,
        };
        fd.server = true;
        fd.connected = true;
        at.name_before = None;
        self.add_fd(at, number, fd);
    }

    /// What was read or written may tell who is at the other end.
    pub(super) fn moved(&mut self, at: &mut At<'_, '_>) {
        let Some(place) = at.file else { return };
        if at.result() < 0 {
            return;
        }
        let reads = matches!(at.raw.code, 7 | 33 | 35 | 53 | 113 | 117 | 121);
        let Some(fd) = self.fd_mut(place) else { return };
        if fd.is_pair() && !fd.connected {
            fd.connected = true;
            fd.row = None;
        }
        let tells = matches!(at.raw.code, 31 | 35 | 49 | 53)
            && (fd.name.is_empty() || !(fd.is_pair() && fd.l4 == l4::TCP));
        if !tells {
            return;
        }
        let own = at
            .row
            .place("tuple")
            .and_then(|place| at.raw.param(place))
            .map(<[u8]>::to_vec);
        let tuple = if reads {
            own
        } else {
            at.entry_raw()
                .and_then(|entry| entry.param(2).map(<[u8]>::to_vec))
                .or(own)
        };
        let Some(tuple) = tuple.filter(|tuple| !tuple.is_empty()) else {
            return;
        };
        self.retarget(at.tid, place, &tuple, reads);
    }

    pub(super) fn retarget(&mut self, tid: i64, place: (i64, i64), tuple: &[u8], incoming: bool) {
        let name = tuple_text(tuple);
        match (both_ends(tuple), tuple.first()) {
            (Some((source, dest)), _) => {
                let Some(fd) = self.fd_mut(place) else { return };
                if fd.is_server_socket() {
                    fd.source.0 = Fd::new(
                        if source.0.is_ipv4() {
                            ty::IPV4
                        } else {
                            ty::IPV6
                        },
                        b"",
                    )
                    .source
                    .0;
                    fd.source.1 = 0;
                    fd.dest = fd.source;
                }
                if !set_ends(fd, source, dest) {
                    return;
                }
                if fd.l4 == l4::UNKNOWN {
                    fd.l4 = l4::UDP;
                }
                let mut copy = fd.clone();
                self.infer_address(&mut copy);
                if copy.has_no_role() {
                    self.guess_role(tid, &mut copy, incoming);
                }
                if (incoming && copy.client) || (!incoming && copy.server) {
                    std::mem::swap(&mut copy.source, &mut copy.dest);
                }
                let text = copy.ends_text();
                copy.call(text.as_bytes());
                if let Some(fd) = self.fd_mut(place) {
                    *fd = copy;
                }
            }
            (None, Some(1)) => {
                // Most say again who is at the other end.
                if let Some(fd) = self.fd_mut(place)
                    && (fd.ty != ty::UNIX || *fd.name != *name)
                {
                    fd.ty = ty::UNIX;
                    fd.call(&name);
                }
            }
            _ => {}
        }
    }

    /// A process that is bound to the destination's port is the server.
    pub(super) fn guess_role(&mut self, tid: i64, fd: &mut Fd, incoming: bool) {
        let Some(owner) = self.owner(tid).and_then(|owner| self.threads.get(&owner)) else {
            return;
        };
        let bound = owner.fds.values().any(|other| match other.ty {
            ty::IPV4 | ty::IPV4_SERVER => other.dest.1 == fd.dest.1,
            _ => false,
        });
        if !bound {
            fd.client = true;
            return;
        }
        let uses = owner
            .fds
            .values()
            .any(|other| other.ty == ty::IPV4 && other.source.1 == fd.source.1);
        if !uses || incoming {
            fd.server = true;
        } else {
            fd.client = true;
        }
    }
}

type End = (IpAddr, u16);

/// The address in scap's packing of one end.
pub(super) fn one_end(bytes: &[u8]) -> Option<End> {
    let (family, rest) = bytes.split_first()?;
    match family {
        2 => end4(rest).map(|(end, _)| end),
        10 => end6(rest).map(|(end, _)| end),
        _ => None,
    }
}

pub(super) fn end4(bytes: &[u8]) -> Option<(End, &[u8])> {
    let (ip, rest) = bytes.split_first_chunk::<4>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    Some((
        (IpAddr::V4(Ipv4Addr::from(*ip)), u16::from_le_bytes(*port)),
        rest,
    ))
}

pub(super) fn end6(bytes: &[u8]) -> Option<(End, &[u8])> {
    let (ip, rest) = bytes.split_first_chunk::<16>()?;
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let ip = Ipv6Addr::from(*ip);
    let ip = ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4);
    Some(((ip, u16::from_le_bytes(*port)), rest))
}

/// Both addresses in scap's packing of a connection; IPv4 when both can be that.
pub(super) fn both_ends(bytes: &[u8]) -> Option<(End, End)> {
    let (family, rest) = bytes.split_first()?;
    match family {
        2 => {
            let (source, rest) = end4(rest)?;
            Some((source, end4(rest)?.0))
        }
        10 => {
            let raw6 = |bytes: &[u8]| -> Option<(Ipv6Addr, u16)> {
                let ip = bytes.first_chunk::<16>()?;
                let port = bytes.get(16..)?.first_chunk::<2>()?;
                Some((Ipv6Addr::from(*ip), u16::from_le_bytes(*port)))
            };
            let (a, p) = raw6(rest)?;
            let (b, q) = raw6(rest.get(18..)?)?;
            Some(match (mapped(a), mapped(b)) {
                (Some(a), Some(b)) => ((IpAddr::V4(a), p), (IpAddr::V4(b), q)),
                _ => ((IpAddr::V6(a), p), (IpAddr::V6(b), q)),
            })
        }
        _ => None,
    }
}

/// Gives a socket its ends; false when it has them already, either way round. A destination that is known stays.
pub(super) fn set_ends(fd: &mut Fd, source: End, dest: End) -> bool {
    let ty = if source.0.is_ipv4() {
        ty::IPV4
    } else {
        ty::IPV6
    };
    if fd.ty == ty
        && ((fd.source, fd.dest) == (source, dest) || (fd.source, fd.dest) == (dest, source))
    {
        return false;
    }
    fd.row = None;
    if fd.ty != ty && fd.dest.0.is_ipv4() != dest.0.is_ipv4() {
        fd.dest = (Fd::new(ty, b"").dest.0, fd.dest.1);
    }
    fd.ty = ty;
    let mut changed = fd.source != source;
    fd.source = source;
    if fd.dest.0.is_unspecified() {
        fd.dest.0 = dest.0;
        changed = true;
    }
    if fd.dest.1 == 0 {
        fd.dest.1 = dest.1;
        changed = true;
    }
    changed
}

/// An IPv6 connection between addresses that are IPv4's is one of IPv4.
pub(super) fn unmap(fd: &mut Fd) {
    if let (IpAddr::V6(a), IpAddr::V6(b)) = (fd.source.0, fd.dest.0)
        && let (Some(a), Some(b)) = (mapped(a), mapped(b))
    {
        fd.ty = ty::IPV4;
        fd.source.0 = IpAddr::V4(a);
        fd.dest.0 = IpAddr::V4(b);
    }
}

/// One end as text.
pub(super) fn address_text(bytes: &[u8]) -> Vec<u8> {
    match (bytes.split_first(), one_end(bytes)) {
        (Some((1, path)), _) => printable(super::super::bytes::until_nul(path)),
        (Some((10, rest)), _) => match rest.first_chunk::<16>() {
            Some(ip) => {
                let port = rest
                    .get(16..)
                    .and_then(|rest| rest.first_chunk::<2>())
                    .map_or(0, |port| u16::from_le_bytes(*port));
                format!("{}:{port}", Ipv6Addr::from(*ip)).into_bytes()
            }
            None => Vec::new(),
        },
        (_, Some((ip, port))) => format!("{ip}:{port}").into_bytes(),
        (Some((family, _)), None) => format!("family {family}").into_bytes(),
        (None, None) => Vec::new(),
    }
}

/// What scap's packing of a connection is called.
pub fn tuple_name(bytes: &[u8]) -> Vec<u8> {
    tuple_text(bytes)
}

/// Both ends as text.
pub(super) fn tuple_text(bytes: &[u8]) -> Vec<u8> {
    if let Some(((a, p), (b, q))) = both_ends(bytes) {
        return format!("{a}:{p}->{b}:{q}").into_bytes();
    }
    let ends = |rest: &[u8]| -> Option<Vec<u8>> {
        let (source, rest) = rest.split_first_chunk::<8>()?;
        let (dest, path) = rest.split_first_chunk::<8>()?;
        let ends = format!(
            "{:x}->{:x} ",
            u64::from_le_bytes(*source),
            u64::from_le_bytes(*dest)
        );
        Some(
            [
                ends.as_bytes(),
                &printable(super::super::bytes::until_nul(path)),
            ]
            .concat(),
        )
    };
    match bytes.split_first() {
        Some((1, rest)) => ends(rest).unwrap_or_default(),
        Some((family, _)) => format!("family {family}").into_bytes(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_model::FileId;

    #[test]
    fn a_row_stays_as_long_as_the_same_is_said_of_both_ends() {
        let mut state = State::new();
        let mut thread = Thread::unknown(7);
        thread.fds.insert(3, Fd::new(ty::UNIX, b""));
        state.threads.insert(7, Box::new(thread));
        let tuple = |path: &[u8]| [&[1][..], &[0; 16], path, &[0]].concat();
        let row = Some(FileId(5));
        for (path, kept) in [
            (&b"/run/a"[..], false),
            (b"/run/a", true),
            (b"/run/b", false),
        ] {
            let told = state.fd_mut((7, 3)).map(|fd| fd.row = row);
            assert_eq!(told, Some(()));
            state.retarget(7, (7, 3), &tuple(path), false);
            let fd = state.fd((7, 3)).cloned().unwrap_or(Fd::new(ty::FILE, b""));
            assert_eq!(*fd.name, *[b"0->0 ", path].concat());
            assert_eq!(fd.row, row.filter(|_| kept));
        }
    }
}
