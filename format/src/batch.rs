//! Events on their way into a chunk: their fixed parts side by side, their values behind one another, every string and
//! payload once. Nothing is allocated for an event that repeats what others said.

use crate::error::{ErrorKind, limit};
use crate::layout::{MAX_ARGS, MAX_CHUNK, MAX_ROWS, value};
use crate::strings::{Dictionary, empty, kept};
use afterimage_model::{
    Abi, ArgKind, Blob, BootNs, ContainerId, Event, EventFlags, FileId, ProcId, Schema, Tables,
    TypeDesc, TypeId, Value,
};
use smallvec::SmallVec;
use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, OnceLock};

/// An argument's value, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg<'a> {
    /// Not captured.
    Absent,
    /// Any integer.
    Num(i64),
    /// Text or payload, and how many bytes it had before any cut.
    Bytes(&'a [u8], u64),
}

impl<'a> From<&'a Value> for Arg<'a> {
    fn from(value: &'a Value) -> Arg<'a> {
        match value {
            Value::Absent => Arg::Absent,
            Value::Num(number) => Arg::Num(*number),
            Value::Bytes(blob) => Arg::Bytes(&blob.bytes, blob.full_len),
        }
    }
}

impl From<Arg<'_>> for Value {
    fn from(arg: Arg<'_>) -> Value {
        match arg {
            Arg::Absent => Value::Absent,
            Arg::Num(number) => Value::Num(number),
            Arg::Bytes(bytes, full_len) => Value::Bytes(Blob {
                bytes: bytes.to_vec(),
                full_len,
            }),
        }
    }
}

/// An [`Event`] without its arguments, which are handed over beside it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// When.
    pub time: BootNs,
    /// The CPU it was recorded on.
    pub cpu: u16,
    /// Its number among the events offered on that CPU.
    pub seq: u64,
    /// What it is.
    pub ty: TypeId,
    /// The call convention.
    pub abi: Abi,
    /// Marks.
    pub flags: EventFlags,
    /// The thread.
    pub tid: u32,
    /// The process.
    pub proc: ProcId,
    /// The file it touched.
    pub file: Option<FileId>,
    /// Its result.
    pub result: i64,
    /// How long it took once it had waited, ns; 0 when that is not known.
    pub latency_ns: u64,
}

impl From<&Event> for Row {
    fn from(event: &Event) -> Row {
        Row {
            time: event.time,
            cpu: event.cpu,
            seq: event.seq,
            ty: event.ty,
            abi: event.abi,
            flags: event.flags,
            tid: event.tid,
            proc: event.proc,
            file: event.file,
            result: event.result,
            latency_ns: event.latency_ns,
        }
    }
}

impl Row {
    /// The event, with arguments of its own.
    pub fn event(&self, args: &[Arg<'_>]) -> Event {
        Event {
            time: self.time,
            cpu: self.cpu,
            seq: self.seq,
            ty: self.ty,
            abi: self.abi,
            flags: self.flags,
            tid: self.tid,
            proc: self.proc,
            file: self.file,
            result: self.result,
            latency_ns: self.latency_ns,
            args: args.iter().map(|arg| Value::from(*arg)).collect(),
        }
    }
}

/// A row, its place among the events of its type, and how many values it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub row: Row,
    pub place: u32,
    pub count: u8,
}

/// One argument of the events of a type, by their place: what it is, see [`value`], and the integer, or the place of a string
/// or payload. Shorter than there are events when the last of them do not have it.
#[derive(Default)]
pub(crate) struct Slot {
    pub tags: Vec<u8>,
    pub values: Vec<i64>,
}

/// The arguments of the events of one type, argument by argument: that is how a chunk has them.
#[derive(Default)]
pub(crate) struct Args {
    events: u32,
    pub slots: Vec<Slot>,
}

impl Args {
    /// Sets an argument of an event; those before it are set.
    fn put(&mut self, at: usize, place: u32, tag: u16, value: i64) {
        if self.slots.len() <= at {
            self.slots.resize_with(at + 1, Slot::default);
        }
        let slot = &mut self.slots[at];
        if slot.tags.len() < place as usize {
            slot.tags.resize(place as usize, value::ABSENT as u8);
            slot.values.resize(place as usize, 0);
        }
        slot.tags.push(tag as u8);
        slot.values.push(value);
    }
}

/// Whether values of this kind are payload rather than names: payload is kept apart so that a search for a name need not
/// decompress it.
pub fn is_payload(kind: Option<ArgKind>) -> bool {
    use ArgKind::{BitSet, Choice, MsgControl, MsgName, SockAddrIn, SockAddrOut};
    kind.is_some_and(|kind| {
        let number = matches!(
            kind,
            BitSet | Choice | MsgControl | MsgName | SockAddrIn | SockAddrOut
        );
        // What a caller gives with its size is often a name: sethostname, setxattr.
        number || kind.is_payload() || (kind.is_struct() && kind != ArgKind::StructIn)
    })
}

/// What is asked of a type for every event of it.
#[derive(Clone, Copy, Default)]
struct TypeMarks {
    /// Bit n: argument n is payload.
    payload: u64,
    /// Bit n: argument n is a user id.
    uid: u64,
    /// Bit n: argument n is a group id.
    gid: u64,
}

impl TypeMarks {
    fn of(ty: &TypeDesc) -> TypeMarks {
        let mut marks = TypeMarks::default();
        for (at, arg) in ty.args.iter().enumerate().take(MAX_ARGS as usize) {
            let kind = arg.kind();
            marks.payload |= u64::from(is_payload(kind)) << at;
            marks.uid |= u64::from(kind == Some(ArgKind::Uid)) << at;
            marks.gid |= u64::from(kind == Some(ArgKind::Gid)) << at;
        }
        marks
    }
}

/// Files that are met last, by the low bits of their number.
const RECENT: usize = 64;

/// The files that events touch.
#[derive(Default)]
struct Files {
    all: hashbrown::HashSet<FileId>,
    recent: Vec<Option<FileId>>,
}

impl Files {
    /// Whether it was not met before.
    fn is_new(&mut self, file: FileId) -> bool {
        self.recent.resize(RECENT, None);
        let at = file.0 as usize % RECENT;
        match self.recent.get_mut(at) {
            Some(last) if *last == Some(file) => false,
            Some(last) => {
                *last = Some(file);
                self.all.insert(file)
            }
            None => self.all.insert(file),
        }
    }

    fn clear(&mut self) {
        let kept = kept(self.all.capacity(), self.all.len());
        self.all.clear();
        if let Some(kept) = kept {
            self.all.shrink_to(kept);
        }
        self.recent.clear();
    }
}

/// Events that will become one chunk.
pub struct Batch {
    pub(crate) lines: Vec<Line>,
    /// By type.
    args: Vec<Args>,
    values: u64,
    pub(crate) text: Dictionary,
    pub(crate) data: Dictionary,
    types: Arc<[TypeMarks]>,
    seen: HashSet<ProcId>,
    /// Processes whose rows are counted: those seen, and their ancestors.
    counted: HashSet<ProcId>,
    files: Files,
    /// User and group ids that arguments name, with the process that named them.
    ids: HashSet<(ProcId, u32, bool)>,
    bytes: usize,
    first: u64,
    last: u64,
}

impl Batch {
    /// An empty batch of events that `schema` describes.
    pub fn new(schema: &Schema) -> Batch {
        static CURRENT: OnceLock<Arc<[TypeMarks]>> = OnceLock::new();
        let marks = || schema.types.iter().map(TypeMarks::of).collect();
        let types = match std::ptr::eq(schema, Schema::current()) {
            true => Arc::clone(CURRENT.get_or_init(marks)),
            false => marks(),
        };
        Batch {
            lines: Vec::new(),
            args: Vec::new(),
            values: 0,
            text: Dictionary::default(),
            data: Dictionary::default(),
            types,
            seen: HashSet::new(),
            counted: HashSet::new(),
            files: Files::default(),
            ids: HashSet::new(),
            bytes: 0,
            first: u64::MAX,
            last: 0,
        }
    }

    /// An empty batch whose events are looked at and not written: looking for strings that repeat would cost more than it
    /// saves.
    pub fn loose(schema: &Schema) -> Batch {
        let mut batch = Batch::new(schema);
        batch.text.loose = true;
        batch.data.loose = true;
        batch
    }

    /// Events in it.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Bytes of strings, payload and process rows in it.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Arguments of its events.
    pub(crate) fn values(&self) -> u64 {
        self.values
    }

    /// The arguments of the events of a type.
    pub(crate) fn args_of(&self, ty: u32) -> Option<&Args> {
        self.args.get(ty as usize)
    }

    /// Bytes of memory it takes, nearly.
    pub fn memory(&self) -> usize {
        let value = size_of::<u8>() + size_of::<i64>();
        self.bytes + self.lines.len() * size_of::<Line>() + self.values as usize * value
    }

    /// Time from its first to its last event, were one of this time added, ns.
    pub(crate) fn span_with(&self, time: BootNs) -> u64 {
        self.last.max(time.0) - self.first.min(time.0)
    }

    /// Adds an event.
    ///
    /// # Errors
    /// When it has more arguments or bytes than a chunk may hold.
    pub fn push(&mut self, row: Row, args: &[Arg<'_>], tables: &Tables) -> Result<(), ErrorKind> {
        let line = self.note(row, args, tables)?;
        self.keep(&line, args.iter().copied());
        Ok(())
    }

    /// Adds an event of which the arguments are still to be kept.
    pub(crate) fn note(
        &mut self,
        row: Row,
        args: &[Arg<'_>],
        tables: &Tables,
    ) -> Result<Line, ErrorKind> {
        let mut bytes = 0;
        for arg in args {
            if let Arg::Bytes(blob, _) = arg {
                bytes += blob.len();
            }
        }
        limit("arguments of an event", args.len() as u64, MAX_ARGS)?;
        limit("bytes of an event", bytes as u64, MAX_CHUNK / 8)?;
        let marks = self.marks(row.ty);
        let ty = usize::from(row.ty.0);
        if self.args.len() <= ty {
            self.args.resize_with(ty + 1, Args::default);
        }
        let of_type = &mut self.args[ty];
        let line = Line {
            row,
            place: of_type.events,
            count: args.len() as u8,
        };
        of_type.events += 1;
        self.values += args.len() as u64;
        if marks.uid | marks.gid != 0 {
            self.note_ids(row.proc, args, marks);
        }
        if (self.lines.last()).is_none_or(|before| before.row.proc != row.proc)
            && self.seen.insert(row.proc)
        {
            bytes += self.count_process(row.proc, tables);
        }
        if let Some(file) = row.file
            && self.files.is_new(file)
        {
            bytes += tables.file(file).map_or(0, |file| file.path.len());
        }
        self.bytes += bytes;
        self.first = self.first.min(row.time.0);
        self.last = self.last.max(row.time.0);
        self.lines.push(line);
        Ok(line)
    }

    /// Keeps the arguments of an event that is noted, behind those of the events of its type before it.
    pub(crate) fn keep<'a>(&mut self, line: &Line, args: impl Iterator<Item = Arg<'a>>) {
        let payload = self.marks(line.row.ty).payload;
        let Some(of_type) = self.args.get_mut(usize::from(line.row.ty.0)) else {
            return;
        };
        for (at, arg) in args.enumerate() {
            let (tag, number) = match arg {
                Arg::Absent => (value::ABSENT, 0),
                Arg::Num(number) => (value::NUM, number),
                Arg::Bytes(bytes, full_len) if payload >> at & 1 == 1 => {
                    (value::DATA, i64::from(self.data.place(bytes, full_len)))
                }
                Arg::Bytes(bytes, full_len) => {
                    (value::TEXT, i64::from(self.text.place(bytes, full_len)))
                }
            };
            of_type.put(at, line.place, tag, number);
        }
    }

    /// What is asked of a type for every event of it.
    fn marks(&self, ty: TypeId) -> TypeMarks {
        self.types
            .get(usize::from(ty.0))
            .copied()
            .unwrap_or_default()
    }

    /// As [`Batch::push`], for what is heard of late: the event is put at its place in time.
    ///
    /// # Errors
    /// As of [`Batch::push`].
    pub fn place(&mut self, row: Row, args: &[Arg<'_>], tables: &Tables) -> Result<(), ErrorKind> {
        self.push(row, args, tables)?;
        let before = self.lines.iter().rev().skip(1);
        let after = before.take_while(|line| line.row.time > row.time).count();
        if let Some(moved) = self.lines.len().checked_sub(after + 1) {
            self.lines[moved..].rotate_right(1);
        }
        Ok(())
    }

    /// Argument `at` of an event.
    fn arg(&self, line: &Line, at: usize) -> Arg<'_> {
        let of_type = self.args.get(usize::from(line.row.ty.0));
        let slot = of_type.and_then(|args| args.slots.get(at));
        let place = line.place as usize;
        let found = slot.and_then(|slot| Some((*slot.tags.get(place)?, *slot.values.get(place)?)));
        match found.map(|(tag, value)| (u16::from(tag), value)) {
            Some((value::NUM, number)) => Arg::Num(number),
            Some((value::TEXT, place)) => self.text.at(place as u32),
            Some((value::DATA, place)) => self.data.at(place as u32),
            _ => Arg::Absent,
        }
    }

    /// Its events, in their order.
    pub fn rows(&self) -> impl Iterator<Item = (Row, SmallVec<[Arg<'_>; 8]>)> {
        self.lines.iter().map(|line| {
            let args = 0..usize::from(line.count);
            (line.row, args.map(|at| self.arg(line, at)).collect())
        })
    }

    /// Everything but the arguments of an event, by its place.
    pub fn row(&self, at: usize) -> Option<&Row> {
        self.lines.get(at).map(|line| &line.row)
    }

    /// Puts the arguments of an event into `args`, using again the memory of those that are there.
    pub fn args_into(&self, at: usize, args: &mut SmallVec<[Value; 6]>) {
        let Some(line) = self.lines.get(at) else {
            return args.clear();
        };
        args.truncate(usize::from(line.count));
        for at in 0..usize::from(line.count) {
            let arg = self.arg(line, at);
            match (args.get_mut(at), arg) {
                (Some(Value::Bytes(blob)), Arg::Bytes(bytes, full_len)) => {
                    blob.bytes.clear();
                    blob.bytes.extend_from_slice(bytes);
                    blob.full_len = full_len;
                }
                (Some(slot), arg) => *slot = arg.into(),
                (None, arg) => args.push(arg.into()),
            }
        }
    }

    /// Bytes of the rows of a process and its ancestors, as far as they are not counted yet.
    fn count_process(&mut self, id: ProcId, tables: &Tables) -> usize {
        let (mut bytes, mut next) = (0, Some(id));
        while let Some(process) = next.and_then(|id| tables.proc(id))
            && self.counted.insert(process.id)
        {
            let texts = [
                &process.argv,
                &process.env,
                &process.exe_path,
                &process.cwd,
                &process.cgroup,
            ];
            bytes += texts.iter().map(|text| text.len()).sum::<usize>();
            next = process.parent;
        }
        bytes
    }

    fn note_ids(&mut self, proc: ProcId, args: &[Arg<'_>], marks: TypeMarks) {
        for (at, arg) in args.iter().enumerate() {
            let Arg::Num(id) = arg else { continue };
            if (marks.uid | marks.gid) >> at & 1 == 1 {
                self.ids
                    .insert((proc, *id as u32, marks.gid >> at & 1 == 1));
            }
        }
    }

    /// The rows that its events point at, by way of processes and their recorded ancestors too.
    pub fn needs(&self, tables: &Tables) -> Tables {
        let mut needed = Needed::default();
        for id in &self.seen {
            needed.add_process(*id, tables);
        }
        for (proc, id, is_group) in &self.ids {
            let container = tables.proc(*proc).and_then(|process| process.container);
            needed.add_id(container, *id, *is_group);
        }
        needed.files = self.files.all.iter().copied().collect();
        needed.take(tables)
    }

    /// Makes it empty, keeping the memory that the next chunk may need.
    pub fn clear(&mut self) {
        empty(&mut self.lines);
        for of_type in &mut self.args {
            of_type.events = 0;
            for slot in &mut of_type.slots {
                empty(&mut slot.tags);
                empty(&mut slot.values);
            }
        }
        self.values = 0;
        self.text.clear();
        self.data.clear();
        self.seen.clear();
        self.counted.clear();
        self.files.clear();
        self.ids.clear();
        (self.bytes, self.first, self.last) = (0, u64::MAX, 0);
    }
}

/// Which rows a chunk must carry.
#[derive(Default)]
struct Needed {
    procs: BTreeSet<ProcId>,
    files: BTreeSet<FileId>,
    containers: BTreeSet<ContainerId>,
    users: BTreeSet<(Option<ContainerId>, u32)>,
    groups: BTreeSet<(Option<ContainerId>, u32)>,
}

impl Needed {
    /// A process, its ancestors, and what they point at.
    fn add_process(&mut self, id: ProcId, tables: &Tables) {
        let mut next = Some(id);
        while let Some(process) = next.and_then(|id| tables.proc(id)) {
            if self.procs.len() as u64 >= MAX_ROWS || !self.procs.insert(process.id) {
                break;
            }
            self.containers.extend(process.container);
            for uid in [process.uid, process.euid, process.loginuid] {
                self.add_id(process.container, uid, false);
            }
            for gid in [process.gid, process.egid] {
                self.add_id(process.container, gid, true);
            }
            next = process.parent;
        }
    }

    fn add_id(&mut self, container: Option<ContainerId>, id: u32, is_group: bool) {
        let set = if is_group {
            &mut self.groups
        } else {
            &mut self.users
        };
        set.insert((container, id));
        set.insert((None, id));
    }

    fn take(self, tables: &Tables) -> Tables {
        let mut taken = Tables::default();
        let procs = self.procs.into_iter();
        taken.procs = procs
            .filter_map(|id| Some((id, tables.procs.get(&id)?.clone())))
            .collect();
        let all = self.containers.into_iter();
        taken.containers = all
            .filter_map(|id| Some((id, tables.containers.get(&id)?.clone())))
            .collect();
        let files = self.files.into_iter();
        taken.files = files
            .filter_map(|id| Some((id, tables.files.get(&id)?.clone())))
            .collect();
        let users = self.users.into_iter();
        taken.users = users
            .filter_map(|key| Some((key, tables.users.get(&key)?.clone())))
            .collect();
        let groups = self.groups.into_iter();
        taken.groups = groups
            .filter_map(|key| Some((key, tables.groups.get(&key)?.clone())))
            .collect();
        taken
    }
}
