//! Socket addresses as text, as they lie in memory.

use super::hex;
use crate::flags::flag_set;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A `struct sockaddr` as it lies in memory: `127.0.0.1:80`, `::1:80`, a path, `@name` for an abstract name,
/// `netlink:<pid>:<groups>`, `vsock:<cid>:<port>`; the family's name and bytes in hex for any other.
pub fn sockaddr_text(bytes: &[u8]) -> Vec<u8> {
    let Some((family, rest)) = bytes.split_first_chunk::<2>() else {
        return hex(bytes).into_bytes();
    };
    let family = u16::from_le_bytes(*family);
    let port = rest
        .first_chunk::<2>()
        .map(|port| u16::from_be_bytes(*port));
    let word = |at: usize| {
        rest.get(at..)
            .and_then(|tail| tail.first_chunk::<4>())
            .map(|word| u32::from_le_bytes(*word))
    };
    let known = match family {
        1 => return unix_name_text(rest),
        2 => port
            .zip(rest.get(2..).and_then(|tail| tail.first_chunk::<4>()))
            .map(|(port, ip)| format!("{}:{port}", Ipv4Addr::from(*ip))),
        10 => port
            .zip(rest.get(6..).and_then(|tail| tail.first_chunk::<16>()))
            .map(|(port, ip)| format!("{}:{port}", Ipv6Addr::from(*ip))),
        16 => word(2)
            .zip(word(6))
            .map(|(pid, groups)| format!("netlink:{pid}:{groups:#x}")),
        17 => rest
            .first_chunk::<2>()
            .zip(word(2))
            .map(|(protocol, index)| {
                format!("packet:{:#06x}:{index}", u16::from_be_bytes(*protocol))
            }),
        40 => word(6)
            .zip(word(2))
            .map(|(cid, port)| format!("vsock:{cid}:{port}")),
        _ => None,
    };
    known
        .unwrap_or_else(|| format!("{}:{}", family_name(family), hex(rest)))
        .into_bytes()
}

/// The name of a unix socket, without its family: a path up to NUL, or `@` and an abstract name of any bytes.
fn unix_name_text(name: &[u8]) -> Vec<u8> {
    match name.split_first() {
        None => Vec::new(),
        Some((0, abstract_name)) => [b"@", abstract_name].concat(),
        Some(_) => name.split(|b| *b == 0).next().unwrap_or_default().to_vec(),
    }
}

fn family_name(family: u16) -> String {
    let entries = flag_set("domain").map_or(&[][..], |set| set.entries);
    entries
        .iter()
        .find(|entry| entry.1 == u64::from(family))
        .map_or_else(|| format!("AF_{family}"), |entry| entry.0.to_owned())
}
