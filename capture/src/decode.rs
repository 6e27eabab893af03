//! Kernel records as values. Pure: bytes in, a [`Record`] out, or the reason why not.

use crate::wire::{
    Context, DENTRY_BYTES, ExePart, FilePart, FramePart, Kind, PartHead, PathMark, RecordHead,
    RecordMark, RegistersPart, Slot, SocketPart, Tag, TaskPart, UsagePart,
};
use afterimage_model::Blob;
use smallvec::SmallVec;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Fewer bytes than a head.
    #[error("a record of {0} bytes is shorter than its head")]
    Short(usize),
    /// A part says it is longer than the record.
    #[error("a part at byte {at} claims {len} bytes, the record has {have}")]
    Part {
        /// Where the part starts.
        at: usize,
        /// What it claims.
        len: u32,
        /// What there is.
        have: usize,
    },
    /// A kind that this version does not know.
    #[error("unknown kind of record {0}")]
    Kind(u8),
}

/// A path by the kernel's dentries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelPath {
    /// The path, absolute unless cut or pseudo.
    pub bytes: Vec<u8>,
    /// [`PathMark`] bits.
    pub marks: u32,
}

impl KernelPath {
    /// Whether all bits of `mark` are set.
    pub fn has(&self, mark: u32) -> bool {
        self.marks & mark == mark
    }

    /// Joins the steps of a path, leaf first: each a dentry as the kernel had it (see `struct step` on the kernel side) and,
    /// when its name did not fit there, the name.
    fn join(steps: &[u8], marks: u32) -> KernelPath {
        const FRONT: usize = 32;
        let mut names: SmallVec<[&[u8]; 24]> = SmallVec::new();
        let mut rest = steps;
        while let Some((step, tail)) = rest.split_at_checked(DENTRY_BYTES as usize) {
            let len = step.get(12..).and_then(|b| b.first_chunk::<4>());
            let len = u32::from_le_bytes(*len.unwrap_or(&[0; 4])) as usize & 0xff;
            let outside = step.get(16) == Some(&1);
            let name = if outside {
                tail.get(..len)
            } else {
                step.get(FRONT..).and_then(|name| name.get(..len))
            };
            let Some(name) = name else { break };
            names.push(name);
            let skip = if outside { len.next_multiple_of(8) } else { 0 };
            rest = tail.get(skip..).unwrap_or_default();
        }
        let mut bytes =
            Vec::with_capacity(names.iter().map(|name| name.len() + 1).sum::<usize>() + 3);
        if marks & PathMark::PSEUDO != 0 && names.len() == 1 {
            bytes.extend_from_slice(names.first().copied().unwrap_or_default());
        } else {
            if marks & PathMark::CUT != 0 {
                bytes.extend_from_slice("…".as_bytes());
            }
            for name in names.iter().rev() {
                bytes.push(b'/');
                bytes.extend_from_slice(name);
            }
            if bytes.is_empty() {
                bytes.push(b'/');
            }
        }
        KernelPath { bytes, marks }
    }
}

/// The file behind a descriptor.
#[derive(Clone, Debug)]
pub struct KernelFile {
    /// Identity.
    pub part: FilePart,
    /// Where its CPU remembers having told it.
    pub place: Option<u32>,
    /// Path, where it was asked for.
    pub path: Option<KernelPath>,
    /// Both ends, when it is a socket.
    pub socket: Option<SocketPart>,
    /// Bound name of a unix socket, and whether it is the peer's.
    pub unix: Option<(Vec<u8>, bool)>,
}

/// One of several messages of a call.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// The socket address; empty when there is none.
    pub name: Vec<u8>,
    /// The head of the payload.
    pub payload: Blob,
}

/// A decoded record.
#[derive(Clone, Debug)]
pub struct Record {
    /// The head.
    pub head: Head,
    /// Bytes by argument.
    pub args: [Option<Blob>; 6],
    /// Arguments whose memory could not be read.
    pub unreadable: [bool; 6],
    /// Files by argument (0 to 5) or slot, that their CPU has told before: the place where.
    pub told: SmallVec<[(u32, u32); 2]>,
    /// Files by argument (0 to 5) or slot.
    pub files: Vec<(u32, KernelFile)>,
    /// Who the task is, where it was asked for.
    pub task: Option<TaskPart>,
    /// Working directory, where it was asked for.
    pub cwd: Option<KernelPath>,
    /// The new program's arguments.
    pub argv: Option<Blob>,
    /// The new program's environment.
    pub env: Option<Blob>,
    /// What exec's caller passed.
    pub claim: Option<Blob>,
    /// Address inside a msghdr.
    pub addr: Option<Vec<u8>>,
    /// Control messages inside a msghdr.
    pub control: Option<Blob>,
    /// Messages of a call that takes several.
    pub messages: Vec<Message>,
    /// A control group's path, or a thread's name.
    pub text: Option<Vec<u8>>,
    /// What the executed file was.
    pub exe: Option<ExePart>,
    /// The interpreter a script named.
    pub interp: Option<Vec<u8>>,
    /// What a thread that ends has used.
    pub usage: Option<UsagePart>,
    /// Where a thread that crashed was.
    pub registers: Option<RegistersPart>,
    /// Its frames, the innermost first.
    pub frames: Vec<FramePart>,
}

impl Record {
    /// The file in a slot.
    pub fn file(&self, slot: u32) -> Option<&KernelFile> {
        self.files
            .iter()
            .find(|(at, _)| *at == slot)
            .map(|(_, file)| file)
    }
}

/// What a record begins with: its front, its arguments, and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// A [`Kind`].
    pub kind: u8,
    /// The [`afterimage_model::Abi`] as a number.
    pub abi: u8,
    /// Whether a part did not fit.
    pub cut: bool,
    /// Number among the records offered on this CPU.
    pub seq: u64,
    /// `CLOCK_BOOTTIME`, ns.
    pub time_ns: u64,
    /// Thread-group id, host numbering.
    pub pid: u32,
    /// Thread id, host numbering.
    pub tid: u32,
    /// Start of the thread-group leader, ns since boot.
    pub start_ns: u64,
    /// Id of the task's control group in the default hierarchy.
    pub cgroup: u64,
    /// `task_struct.self_exec_id`, low half.
    pub exec_id: u32,
    /// Call number; for others see the record's kind.
    pub nr: u32,
    /// Result.
    pub result: u64,
    /// How long it took once it had waited, ns; 0 when it did not.
    pub latency_ns: u64,
    /// Raw argument registers; those behind the call's own are 0.
    pub args: [u64; 6],
}

impl Head {
    /// Reads the head; returns it with the place where the record's parts begin.
    pub fn read(bytes: &[u8], context: &Context, seq: u64) -> Result<(Head, usize), DecodeError> {
        let front = RecordHead::read(bytes).ok_or(DecodeError::Short(bytes.len()))?;
        let kind = u32::from(front.kind);
        if !(Kind::SYSCALL..=Kind::OOM).contains(&kind)
            && !(Kind::URING_SUBMIT..=Kind::CAPABLE).contains(&kind)
        {
            return Err(DecodeError::Kind(front.kind));
        }
        let argc = usize::from(front.argc).min(6);
        let mut args = [0; 6];
        let raw = bytes.get(RecordHead::BYTES..).unwrap_or_default();
        for (arg, raw) in args.iter_mut().take(argc).zip(raw.as_chunks().0) {
            *arg = u64::from_le_bytes(*raw);
        }
        let head = Head {
            kind: front.kind,
            abi: front.abi,
            cut: u32::from(front.marks) & RecordMark::CUT != 0,
            seq,
            time_ns: front.time_ns,
            pid: context.pid,
            tid: context.tid,
            start_ns: context.start_ns,
            cgroup: context.cgroup,
            exec_id: context.exec_id,
            nr: front.nr,
            result: front.result,
            latency_ns: 0,
            args,
        };
        Ok((head, RecordHead::BYTES + argc * 8))
    }
}

/// What came beside the rings: whose it is, its front, and the record from its front to where that says it ends. Behind the end
/// stands what stood there before, for the kernel gives such memory as it is.
pub fn beside(bytes: &[u8]) -> Result<(Context, RecordHead, &[u8]), DecodeError> {
    let short = DecodeError::Short(bytes.len());
    let context = Context::read(bytes).ok_or(short)?;
    let record = bytes.get(Context::BYTES..).unwrap_or_default();
    let front = RecordHead::read(record).ok_or(short)?;
    let len = usize::try_from(front.len).unwrap_or(usize::MAX);
    Ok((context, front, record.get(..len).unwrap_or(record)))
}

/// Decodes one record of the task that `context` names; `seq` is its number on its CPU.
pub fn decode(bytes: &[u8], context: &Context, seq: u64) -> Result<Record, DecodeError> {
    let (head, mut at) = Head::read(bytes, context, seq)?;
    let mut record = Record {
        head,
        args: Default::default(),
        unreadable: [false; 6],
        told: SmallVec::new(),
        files: Vec::new(),
        task: None,
        cwd: None,
        argv: None,
        env: None,
        claim: None,
        addr: None,
        control: None,
        messages: Vec::new(),
        text: None,
        exe: None,
        interp: None,
        usage: None,
        registers: None,
        frames: Vec::new(),
    };
    while let Some(part) = bytes.get(at..).and_then(PartHead::read) {
        let from = at + PartHead::BYTES;
        let data = bytes.get(from..from.saturating_add(part.len as usize));
        let data = data.ok_or(DecodeError::Part {
            at,
            len: part.len,
            have: bytes.len(),
        })?;
        keep(&mut record, &part, data);
        at = from + (part.len as usize).next_multiple_of(8);
        // Path parts are padded from the start of the record, which keeps every part on a multiple of 8.
    }
    Ok(record)
}

fn keep(record: &mut Record, part: &PartHead, data: &[u8]) {
    let slot = u32::from(part.slot);
    let blob = || Blob {
        bytes: data.to_vec(),
        full_len: u64::from(part.full_len.max(part.len)),
    };
    match u32::from(part.tag) {
        Tag::ARG => {
            let unreadable = part.full_len == u32::MAX;
            if let (Some(arg), Some(mark)) = (
                record.args.get_mut(slot as usize),
                record.unreadable.get_mut(slot as usize),
            ) {
                *mark = unreadable;
                *arg = (!unreadable).then(blob);
            }
        }
        Tag::FILE => {
            let place = part.extra;
            if let Some(part) = FilePart::read(data) {
                record.files.push((
                    slot,
                    KernelFile {
                        part,
                        place: place.checked_sub(1),
                        path: None,
                        socket: None,
                        unix: None,
                    },
                ));
            }
        }
        Tag::PATH => {
            let path = KernelPath::join(data, part.extra);
            if slot == Slot::CWD {
                record.cwd = Some(path);
            } else if let Some((_, file)) = record.files.iter_mut().find(|(at, _)| *at == slot) {
                file.path = Some(path);
            }
        }
        Tag::SOCKET => {
            if let Some((_, file)) = record.files.iter_mut().find(|(at, _)| *at == slot) {
                file.socket = SocketPart::read(data);
            }
        }
        Tag::UNIX => {
            if let Some((_, file)) = record.files.iter_mut().find(|(at, _)| *at == slot) {
                file.unix = Some((unix_name(data), part.extra == 1));
            }
        }
        Tag::TOLD => record.told.push((slot, part.extra)),
        Tag::TASK => record.task = TaskPart::read(data),
        Tag::ARGV => record.argv = Some(blob()),
        Tag::ENV => record.env = Some(blob()),
        Tag::CLAIM => record.claim = Some(blob()),
        Tag::ADDR => record.addr = Some(data.to_vec()),
        Tag::TEXT => record.text = Some(data.to_vec()),
        // What could not be read is not there.
        Tag::CONTROL => record.control = (part.full_len != u32::MAX).then(blob),
        Tag::MESSAGE_NAME => record.messages.push(Message {
            name: data.to_vec(),
            ..Message::default()
        }),
        Tag::MESSAGE => {
            // `extra` is 1 where the part before it was this message's address.
            match record.messages.last_mut().filter(|_| part.extra == 1) {
                Some(message) => message.payload = blob(),
                None => record.messages.push(Message {
                    payload: blob(),
                    ..Message::default()
                }),
            }
        }
        Tag::EXE => record.exe = ExePart::read(data),
        Tag::INTERP => record.interp = Some(data.to_vec()),
        Tag::LATENCY => record.head.latency_ns = latency_ns(part),
        Tag::USAGE => record.usage = UsagePart::read(data),
        Tag::REGISTERS => record.registers = RegistersPart::read(data),
        Tag::FRAME => record.frames.extend(FramePart::read(data)),
        _ => {}
    }
}

/// What a part of latency says.
pub fn latency_ns(part: &PartHead) -> u64 {
    u64::from(part.extra) << 32 | u64::from(part.full_len)
}

/// A unix socket's name: a path up to its NUL, or `@` and an abstract name.
pub fn unix_name(raw: &[u8]) -> Vec<u8> {
    match raw.split_first() {
        Some((0, name)) => [b"@", name].concat(),
        _ => raw.split(|b| *b == 0).next().unwrap_or_default().to_vec(),
    }
}

/// The two ends of an inet socket.
pub fn socket_ends(socket: &SocketPart) -> Option<(SocketAddr, SocketAddr)> {
    let ip = |raw: [u8; 16]| match socket.family {
        2 => Some(IpAddr::V4(Ipv4Addr::new(raw[0], raw[1], raw[2], raw[3]))),
        10 => Some(IpAddr::V6(Ipv6Addr::from(raw))),
        _ => None,
    };
    Some((
        SocketAddr::new(ip(socket.local)?, socket.local_port),
        SocketAddr::new(ip(socket.remote)?, socket.remote_port),
    ))
}

/// An inet address out of a raw `struct sockaddr`.
pub fn sockaddr(raw: &[u8]) -> Option<SocketAddr> {
    let family = u16::from_le_bytes(*raw.first_chunk()?);
    let port = u16::from_be_bytes(*raw.get(2..)?.first_chunk()?);
    match family {
        2 => Some(SocketAddr::new(
            IpAddr::V4(Ipv4Addr::from(*raw.get(4..)?.first_chunk::<4>()?)),
            port,
        )),
        10 => Some(SocketAddr::new(
            IpAddr::V6(Ipv6Addr::from(*raw.get(8..)?.first_chunk::<16>()?)),
            port,
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::CONSTANTS;

    fn head(kind: u32, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; RecordHead::BYTES];
        bytes[..4].copy_from_slice(&(len as u32).to_le_bytes());
        bytes[4] = kind as u8;
        bytes
    }

    #[test]
    fn what_stood_there_before_is_no_part_of_what_came_beside_the_rings() {
        let mut bytes = vec![0; Context::BYTES];
        bytes.extend(head(Kind::SIGNAL_GENERATE, RecordHead::BYTES));
        let own = bytes.len();
        bytes.extend(part(Tag::TEXT, 0, 0, b"old"));
        bytes.extend([0xff; 64]);
        let (context, front, record) = beside(&bytes).expect("a record");
        assert_eq!(front.len as usize, RecordHead::BYTES);
        assert_eq!(record, &bytes[Context::BYTES..own]);
        assert_eq!(decode(record, &context, 0).expect("a record").text, None);
        assert!(decode(&bytes[Context::BYTES..], &context, 0).is_err());
        // One that says it is longer than what there is ends there.
        bytes.truncate(own - 1);
        assert_eq!(beside(&bytes).err(), Some(DecodeError::Short(own - 1)));
        bytes.push(0);
        bytes[Context::BYTES..Context::BYTES + 4].copy_from_slice(&[0xff; 4]);
        assert_eq!(beside(&bytes).expect("a record").2.len(), RecordHead::BYTES);
        assert!(beside(&[]).is_err());
    }

    fn part(tag: u32, slot: u32, extra: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((tag as u16).to_le_bytes());
        bytes.extend((slot as u16).to_le_bytes());
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(extra.to_le_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    /// A step of a path as the kernel side writes it.
    fn step(name: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; DENTRY_BYTES as usize];
        bytes[12..16].copy_from_slice(&(name.len() as u32).to_le_bytes());
        if name.len() < 40 {
            bytes[32..32 + name.len()].copy_from_slice(name);
        } else {
            bytes[16] = 1;
            bytes.extend(name);
            bytes.resize(bytes.len().next_multiple_of(8), 0);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Record, DecodeError> {
        let context = Context::read(&[0; Context::BYTES]).unwrap();
        decode(bytes, &context, 0)
    }

    #[test]
    fn steps_leaf_first_become_a_path() {
        let mut bytes = head(Kind::EXEC, 0);
        bytes.extend(part(
            Tag::PATH,
            Slot::CWD,
            PathMark::WHOLE,
            &[step(b"passwd"), step(b"etc")].concat(),
        ));
        assert_eq!(read(&bytes).unwrap().cwd.unwrap().bytes, b"/etc/passwd");
        assert_eq!(KernelPath::join(b"", PathMark::WHOLE).bytes, b"/");
        let long = [b'n'; 255];
        assert_eq!(
            KernelPath::join(&[step(b"in"), step(&long), step(b"top")].concat(), 0).bytes,
            [b"/top/".as_slice(), &long, b"/in"].concat()
        );
        assert_eq!(
            KernelPath::join(&step(b"[eventpoll]"), PathMark::PSEUDO).bytes,
            b"[eventpoll]"
        );
    }

    #[test]
    fn a_part_longer_than_its_record_is_an_error_with_its_place() {
        let mut bytes = head(Kind::SYSCALL, 0);
        let mut bad = part(Tag::ARG, 0, 0, b"12345678");
        bad[4..8].copy_from_slice(&9_999u32.to_le_bytes());
        bytes.extend(bad);
        assert_eq!(
            read(&bytes).unwrap_err(),
            DecodeError::Part {
                at: RecordHead::BYTES,
                len: 9_999,
                have: bytes.len()
            }
        );
    }

    #[test]
    fn every_prefix_of_a_record_decodes_or_says_why_not() {
        let mut bytes = head(Kind::EXEC, 0);
        bytes.extend(part(Tag::ARGV, 0, 0, b"sh\0-c\0id\0"));
        bytes.extend(part(Tag::FILE, Slot::EXE, 0, &[7; FilePart::BYTES]));
        bytes.extend(part(
            Tag::PATH,
            Slot::EXE,
            1,
            &[step(b"sh"), step(b"bin")].concat(),
        ));
        for end in 0..bytes.len() {
            let _ = read(&bytes[..end]);
        }
        let record = read(&bytes).unwrap();
        assert_eq!(record.argv.unwrap().bytes, b"sh\0-c\0id\0");
        assert_eq!(record.files[0].1.path.as_ref().unwrap().bytes, b"/bin/sh");
    }

    #[test]
    fn names_of_the_contract_are_unique() {
        let mut names: Vec<_> = CONSTANTS.iter().map(|row| row.0).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CONSTANTS.len());
    }
}
