//! Things with text: what a search finds. Each kind is a row of [`KINDS`]; [`Gather`] takes them from events.

use afterimage_model::{ArgKind, Ctx, FieldValue, FileId, ProcId, TypeDesc, Value, render};
use afterimage_query::FieldRef;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// What a thing is. Numbers are part of the index only, which can always be made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A program that ran, with its arguments.
    Process = 0,
    /// A file, by the kernel's name.
    File = 1,
    /// A path as a program passed it, where that is not the file's own name.
    Path = 2,
    /// An internet address; a server's also with its port.
    Address = 3,
    /// A name that a name server was asked for or answered with.
    Name = 4,
    /// A container.
    Container = 5,
    /// A request in HTTP.
    Request = 6,
    /// A line for the system log or on standard error.
    Line = 7,
    /// A word in what was read, written, sent or received.
    Word = 8,
    /// The hash of a program or of an artifact.
    Hash = 9,
    /// A remark or an entry of the custody log.
    Note = 10,
    /// Why the capture was made.
    Alert = 11,
    /// An event's internet socket: has no text, says where addresses are.
    Flow = 12,
}

/// A row of [`KINDS`].
pub struct KindRow {
    /// Which.
    pub kind: Kind,
    /// What it is called.
    pub name: &'static str,
    /// Its texts, by the names of fields where there are such.
    pub fields: &'static [&'static str],
    /// Whether one row of a table decides all of its texts, so that a filter may be told by them where it cannot match.
    pub by_row: bool,
}

/// Every kind with text, in the order of their numbers, the most telling first where ranks are equal.
pub const KINDS: &[KindRow] = &[
    KindRow {
        kind: Kind::Process,
        name: "process",
        fields: &["proc.name", "proc.exepath", "proc.cmdline", "proc.cwd"],
        by_row: true,
    },
    KindRow {
        kind: Kind::File,
        name: "file",
        fields: &["fd.name"],
        by_row: true,
    },
    KindRow {
        kind: Kind::Path,
        name: "path",
        fields: &["fd.nameraw"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Address,
        name: "address",
        fields: &["fd.ip"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Name,
        name: "name",
        fields: &["dns.question", "dns.answers"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Container,
        name: "container",
        fields: &[
            "container.name",
            "container.full_id",
            "container.image",
            "container.labels",
        ],
        by_row: false,
    },
    KindRow {
        kind: Kind::Request,
        name: "request",
        fields: &["http.request", "http.host"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Line,
        name: "line",
        fields: &["syslog.message", "evt.buffer"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Word,
        name: "word",
        fields: &["evt.buffer"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Hash,
        name: "hash",
        fields: &["proc.exe_hash.sha256", "artifact.hash", "artifact.name"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Note,
        name: "note",
        fields: &["note.text", "note.action", "note.author"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Alert,
        name: "alert",
        fields: &["capture.trigger", "capture.reason"],
        by_row: false,
    },
    KindRow {
        kind: Kind::Flow,
        name: "flow",
        fields: &[],
        by_row: false,
    },
];

impl Kind {
    /// Its row.
    pub fn row(self) -> &'static KindRow {
        KINDS.get(self as usize).unwrap_or(&KINDS[0])
    }

    pub(crate) fn from_code(code: u8) -> Option<Kind> {
        KINDS.get(usize::from(code)).map(|row| row.kind)
    }
}

/// Longest text of a thing that is kept, in bytes.
pub(crate) const MOST_TEXT: usize = 4096;

/// Most texts a thing has.
pub(crate) const MOST_FIELDS: usize = 4;

/// How many of those who had to do with a thing are named: the first in the order of their names.
pub(crate) const MOST_ACTORS: usize = 8;

/// Bytes of a payload that are looked at, and words that are taken from it.
const MOST_PAYLOAD: usize = 512;
const MOST_WORDS: usize = 16;
const WORD: std::ops::RangeInclusive<usize> = 5..=64;

/// Methods with which a request in HTTP begins (RFC 9110).
const METHODS: &[&[u8]] = &[
    b"GET ",
    b"POST ",
    b"PUT ",
    b"HEAD ",
    b"DELETE ",
    b"PATCH ",
    b"OPTIONS ",
    b"CONNECT ",
];

/// A thing's kind and texts in one string of bytes, by which things are told apart and put in order: the kind, a bit for
/// each text that was cut, and for each text its length and one more, or 0 where there is none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Thing(pub Vec<u8>);

impl Thing {
    pub fn new(kind: Kind, texts: &[Option<&[u8]>]) -> Thing {
        let mut key = vec![kind as u8, 0];
        let mut cut = 0u8;
        for (at, text) in texts.iter().take(MOST_FIELDS).enumerate() {
            let kept = text.map(|text| text.get(..MOST_TEXT).unwrap_or(text));
            if kept.map(<[u8]>::len) != text.map(<[u8]>::len) {
                cut |= 1 << at;
            }
            let len = kept.map_or(0, |text| text.len() + 1) as u16;
            key.extend(len.to_be_bytes());
            key.extend(kept.unwrap_or_default());
        }
        if let Some(marks) = key.get_mut(1) {
            *marks = cut;
        }
        Thing(key)
    }

    /// The kind; `None` of bytes that are no thing.
    pub fn kind(&self) -> Option<Kind> {
        Kind::from_code(*self.0.first()?)
    }

    /// Whether the text at this place was longer.
    pub fn is_cut(&self, at: usize) -> bool {
        self.0
            .get(1)
            .is_some_and(|marks| at < 8 && marks >> at & 1 == 1)
    }

    /// Its texts, in the order of the kind's fields; fewer where the bytes end early.
    pub fn texts(&self) -> impl Iterator<Item = Option<&[u8]>> {
        let mut rest = self.0.get(2..).unwrap_or_default();
        std::iter::from_fn(move || {
            let (len, after) = rest.split_first_chunk::<2>()?;
            let Some(len) = usize::from(u16::from_be_bytes(*len)).checked_sub(1) else {
                rest = after;
                return Some(None);
            };
            let text = after.get(..len)?;
            rest = after.get(len..).unwrap_or_default();
            Some(Some(text))
        })
    }
}

/// Who had to do with a thing: the name of the process, a NUL, the name of its container.
pub(crate) type Actor = Arc<[u8]>;

/// How often a thing was met, when, and by whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub count: u64,
    /// First and last instant, ns since boot.
    pub first: u64,
    pub last: u64,
    /// In the order of names, at most [`MOST_ACTORS`].
    pub by: Vec<(Actor, u64)>,
}

impl Tally {
    /// Adds another of the same thing.
    pub fn absorb(&mut self, other: Tally) {
        if other.count > 0 && self.count > 0 {
            self.first = self.first.min(other.first);
            self.last = self.last.max(other.last);
        } else if other.count > 0 {
            (self.first, self.last) = (other.first, other.last);
        }
        self.count = self.count.saturating_add(other.count);
        if self.by.is_empty() {
            self.by = other.by;
            return;
        }
        for (actor, count) in other.by {
            match self.by.binary_search_by(|(have, _)| have.cmp(&actor)) {
                Ok(at) => {
                    if let Some((_, sum)) = self.by.get_mut(at) {
                        *sum = sum.saturating_add(count);
                    }
                }
                Err(at) if at < MOST_ACTORS => self.by.insert(at, (actor, count)),
                Err(_) => {}
            }
        }
        self.by.truncate(MOST_ACTORS);
    }
}

/// A thing's tally while events are gone through.
struct Count {
    count: u64,
    first: u64,
    last: u64,
    by: Vec<(u32, u64)>,
}

/// What is known of a process row: its things, and who it is.
#[derive(Clone, Default)]
struct Known {
    things: Vec<u32>,
    actor: u32,
}

/// Takes the things of events that share tables: of one chunk.
pub(crate) struct Gather {
    process: Vec<FieldRef>,
    container: Vec<FieldRef>,
    hash: Option<FieldRef>,
    question: Option<FieldRef>,
    answers: Option<FieldRef>,
    message: Option<FieldRef>,
    name: Option<FieldRef>,
    places: HashMap<Thing, u32>,
    counts: Vec<Count>,
    actors: HashMap<Vec<u8>, u32>,
    procs: HashMap<ProcId, Arc<Known>>,
    files: HashMap<FileId, Arc<[u32]>>,
    /// Places of the things of the event that was last counted.
    touched: Vec<u32>,
    /// By place: whether a thing is meant.
    meant: HashMap<u32, bool>,
    /// Things that were not met before, where that is asked.
    fresh: Option<Vec<(u32, Thing)>>,
}

fn fields(kind: Kind) -> Vec<FieldRef> {
    let names = kind.row().fields.iter();
    names
        .filter_map(|name| FieldRef::parse(name).ok())
        .collect()
}

fn owned(value: Option<FieldValue<'_>>) -> Option<Vec<u8>> {
    value.map(|value| value.text().into_owned())
}

impl Gather {
    pub fn new() -> Gather {
        let one = |name: &str| FieldRef::parse(name).ok();
        Gather {
            process: fields(Kind::Process),
            container: ["container.name", "container.full_id", "container.image"]
                .iter()
                .filter_map(|name| FieldRef::parse(name).ok())
                .collect(),
            hash: one("proc.exe_hash.sha256"),
            question: one("dns.question"),
            answers: one("dns.answers"),
            message: one("syslog.message"),
            name: one("fd.name"),
            places: HashMap::new(),
            counts: Vec::new(),
            actors: HashMap::new(),
            procs: HashMap::new(),
            files: HashMap::new(),
            touched: Vec::new(),
            meant: HashMap::new(),
            fresh: None,
        }
    }

    /// What was gathered; the next chunk may begin.
    pub fn take(&mut self) -> Vec<(Thing, Tally)> {
        self.procs.clear();
        self.files.clear();
        self.meant.clear();
        let mut actors: Vec<Actor> = vec![Arc::from([]); self.actors.len()];
        for (name, at) in self.actors.drain() {
            if let Some(slot) = actors.get_mut(at as usize) {
                *slot = name.into();
            }
        }
        let mut counts: Vec<Option<Count>> = std::mem::take(&mut self.counts)
            .into_iter()
            .map(Some)
            .collect();
        let mut found: Vec<(Thing, Tally)> = self
            .places
            .drain()
            .filter_map(|(thing, at)| {
                let count = counts.get_mut(at as usize)?.take()?;
                let mut by: Vec<(Actor, u64)> = count
                    .by
                    .iter()
                    .filter_map(|(actor, n)| Some((actors.get(*actor as usize)?.clone(), *n)))
                    .collect();
                by.sort();
                by.truncate(MOST_ACTORS);
                let tally = Tally {
                    count: count.count,
                    first: count.first,
                    last: count.last,
                    by,
                };
                Some((thing, tally))
            })
            .collect();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        found
    }

    fn place(&mut self, thing: Thing) -> u32 {
        let next = u32::try_from(self.counts.len()).unwrap_or(u32::MAX);
        match self.places.entry(thing) {
            std::collections::hash_map::Entry::Occupied(have) => *have.get(),
            std::collections::hash_map::Entry::Vacant(free) => {
                if let Some(fresh) = &mut self.fresh {
                    fresh.push((next, free.key().clone()));
                }
                free.insert(next);
                self.counts.push(Count {
                    count: 0,
                    first: u64::MAX,
                    last: 0,
                    by: Vec::new(),
                });
                next
            }
        }
    }

    fn count(&mut self, place: u32, at: u64, actor: u32) {
        let Some(count) = self.counts.get_mut(place as usize) else {
            return;
        };
        self.touched.push(place);
        count.count += 1;
        count.first = count.first.min(at);
        count.last = count.last.max(at);
        match count.by.iter_mut().rev().find(|(have, _)| *have == actor) {
            Some((_, n)) => *n += 1,
            None => count.by.push((actor, 1)),
        }
    }

    fn proc(&mut self, ctx: &Ctx<'_>) -> Arc<Known> {
        let id = ctx.event.proc;
        if let Some(known) = self.procs.get(&id) {
            return known.clone();
        }
        let value = |field: &FieldRef| owned(field.value(ctx));
        let texts: Vec<Option<Vec<u8>>> = self.process.iter().map(value).collect();
        let container: Vec<Option<Vec<u8>>> = self.container.iter().map(value).collect();
        let hash = self.hash.as_ref().and_then(value);
        let mut actor = texts.first().cloned().flatten().unwrap_or_default();
        actor.push(0);
        let of = ctx.container();
        if of.is_some() {
            actor.extend(container.first().cloned().flatten().unwrap_or_default());
        }
        let next = u32::try_from(self.actors.len()).unwrap_or(u32::MAX);
        let actor = *self.actors.entry(actor).or_insert(next);
        let mut things = Vec::new();
        if texts.iter().any(Option::is_some) {
            things.push(self.place(thing(Kind::Process, &texts)));
        }
        if let Some(container_row) = of {
            let labels: Vec<String> = container_row
                .labels
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let mut texts = container;
            let labels = Some(labels.join(", ").into_bytes());
            texts.push(labels.filter(|labels| !labels.is_empty()));
            things.push(self.place(thing(Kind::Container, &texts)));
        }
        if hash.is_some() {
            things.push(self.place(thing(Kind::Hash, &[hash, None, None])));
        }
        let known = Arc::new(Known { things, actor });
        self.procs.insert(id, known.clone());
        known
    }

    fn file(&mut self, ctx: &Ctx<'_>) -> Option<Arc<[u32]>> {
        let id = ctx.event.file?;
        if let Some(known) = self.files.get(&id) {
            return Some(known.clone());
        }
        let mut things = Vec::new();
        let file = ctx.file();
        if let Some(flow) = file.and_then(|file| file.flow) {
            things.push(self.place(Thing::new(Kind::Flow, &[])));
            let server = flow.client_server().map(|(_, server)| server);
            for end in [flow.local, flow.remote] {
                if end.ip().is_unspecified() {
                    continue;
                }
                let text = end.ip().to_string();
                things.push(self.place(Thing::new(Kind::Address, &[Some(text.as_bytes())])));
                if Some(end) == server {
                    let text = match end.ip() {
                        IpAddr::V4(ip) => format!("{ip}:{}", end.port()),
                        IpAddr::V6(ip) => format!("[{ip}]:{}", end.port()),
                    };
                    things.push(self.place(Thing::new(Kind::Address, &[Some(text.as_bytes())])));
                }
            }
        } else if let Some(text) = self.name.as_ref().and_then(|field| owned(field.value(ctx))) {
            things.push(self.place(Thing::new(Kind::File, &[Some(&text)])));
        }
        things.sort_unstable();
        things.dedup();
        let things: Arc<[u32]> = things.into();
        self.files.insert(id, things.clone());
        Some(things)
    }

    /// Whether an event has a thing that is meant.
    pub fn event_is(&mut self, ctx: &Ctx<'_>, meant: &mut dyn FnMut(&Thing) -> bool) -> bool {
        self.fresh.get_or_insert_default();
        self.event(ctx);
        for (place, thing) in self.fresh.iter_mut().flat_map(std::mem::take) {
            self.meant.insert(place, meant(&thing));
        }
        let meant = |place| self.meant.get(place).copied().unwrap_or_default();
        self.touched.iter().any(meant)
    }

    /// Counts an event for each of its things.
    pub fn event(&mut self, ctx: &Ctx<'_>) {
        self.touched.clear();
        let at = ctx.event.time.0;
        let known = self.proc(ctx);
        for place in &known.things {
            self.count(*place, at, known.actor);
        }
        for place in self.file(ctx).iter().flat_map(|places| places.iter()) {
            self.count(*place, at, known.actor);
        }
        let Some(ty) = ctx.ty() else { return };
        let mut own: Vec<u32> = Vec::new();
        for (desc, value) in ty.args.iter().zip(&ctx.event.args) {
            let (Some(kind), Value::Bytes(blob)) = (desc.kind(), value) else {
                continue;
            };
            if blob.bytes.is_empty() {
                continue;
            }
            if kind == ArgKind::Path {
                let is_the_name = ctx.file().is_some_and(|file| file.path == blob.bytes)
                    || ctx.proc().is_some_and(|row| row.exe_path == blob.bytes);
                if !is_the_name {
                    own.push(self.place(Thing::new(Kind::Path, &[Some(&blob.bytes)])));
                }
            } else if kind.is_payload() {
                self.payload(
                    ctx,
                    (ty, kind),
                    &render::payload(kind, &blob.bytes),
                    &mut own,
                );
            }
        }
        own.sort_unstable();
        own.dedup();
        for place in own {
            self.count(place, at, known.actor);
        }
    }

    fn payload(
        &mut self,
        ctx: &Ctx<'_>,
        (ty, kind): (&TypeDesc, ArgKind),
        bytes: &[u8],
        own: &mut Vec<u32>,
    ) {
        let socket = ctx.file().and_then(|file| file.flow);
        if socket.is_some_and(|flow| flow.local.port() == 53 || flow.remote.port() == 53) {
            let mut found = Vec::new();
            for (at, field) in [&self.question, &self.answers].into_iter().enumerate() {
                let texts = match field.as_ref().and_then(|field| field.value(ctx)) {
                    None => continue,
                    Some(FieldValue::Any(all)) => all,
                    Some(one) => vec![one],
                };
                for text in texts.iter().take(MOST_WORDS) {
                    let text = Some(text.text().into_owned());
                    found.push(match at {
                        0 => thing(Kind::Name, &[text, None]),
                        _ => thing(Kind::Name, &[None, text]),
                    });
                }
            }
            for name in found {
                own.push(self.place(name));
            }
            return;
        }
        let bytes = bytes.get(..MOST_PAYLOAD).unwrap_or(bytes);
        if !is_text(bytes) {
            return;
        }
        if METHODS.iter().any(|method| bytes.starts_with(method)) {
            let mut lines = bytes
                .split(|byte| *byte == b'\n')
                .map(<[u8]>::trim_ascii_end);
            let first = lines
                .next()
                .filter(|line| line.windows(6).any(|w| w == b" HTTP/"));
            let host = lines.find_map(|line| {
                let (name, value) = line.split_at_checked(5)?;
                name.eq_ignore_ascii_case(b"host:")
                    .then(|| value.trim_ascii())
            });
            if first.is_some() {
                own.push(self.place(Thing::new(Kind::Request, &[first, host])));
                return;
            }
        }
        let message = self
            .message
            .as_ref()
            .and_then(|field| owned(field.value(ctx)));
        if message.is_some() {
            own.push(self.place(thing(Kind::Line, &[message, None])));
            return;
        }
        let gives = matches!(
            kind,
            ArgKind::BufIn | ArgKind::IoVecIn | ArgKind::MsgIn | ArgKind::MsgVecIn
        );
        if (gives || ty.is(TypeDesc::OUTPUT))
            && matches!(ctx.event.args.first(), Some(Value::Num(2)))
        {
            let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
            for line in lines.filter(|line| line.len() > 1).take(4) {
                own.push(self.place(Thing::new(Kind::Line, &[None, Some(line)])));
            }
            return;
        }
        let words = bytes.split(|byte| {
            !byte.is_ascii_alphanumeric()
                && !matches!(
                    byte,
                    b'_' | b'-' | b'.' | b'@' | b'/' | b'+' | b':' | 0x80..
                )
        });
        let words = words
            .map(|word| word.trim_ascii())
            .filter(|word| WORD.contains(&word.len()));
        let telling = words.filter(|word| word.iter().any(u8::is_ascii_alphabetic));
        for word in telling.take(MOST_WORDS) {
            own.push(self.place(Thing::new(Kind::Word, &[Some(word)])));
        }
    }
}

fn thing(kind: Kind, texts: &[Option<Vec<u8>>]) -> Thing {
    let texts: Vec<Option<&[u8]>> = texts.iter().map(|text| text.as_deref()).collect();
    Thing::new(kind, &texts)
}

/// Whether bytes are meant to be read by people, by their beginning.
fn is_text(bytes: &[u8]) -> bool {
    let head = bytes.get(..128).unwrap_or(bytes);
    let odd = head
        .iter()
        .filter(|byte| byte.is_ascii_control() && !byte.is_ascii_whitespace())
        .count();
    head.len() >= 4 && odd == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_stands_at_its_number_and_has_few_texts() {
        for (at, row) in KINDS.iter().enumerate() {
            assert_eq!(row.kind as usize, at);
            assert!(row.fields.len() <= MOST_FIELDS);
            assert!(!row.by_row || row.fields.iter().all(|name| FieldRef::parse(name).is_ok()));
        }
    }

    #[test]
    fn the_document_names_every_kind_and_its_texts() {
        let document = include_str!("../../../docs/search.md");
        for row in KINDS.iter().filter(|row| !row.fields.is_empty()) {
            let line = format!("| {} |", row.name);
            let line = document.lines().find(|found| found.starts_with(&line));
            let line = line.unwrap_or_else(|| panic!("{} is not in docs/search.md", row.name));
            for field in row.fields {
                assert!(line.contains(&format!("`{field}`")), "{field}: {line}");
            }
        }
    }

    #[test]
    fn a_thing_gives_back_its_texts_and_bad_bytes_give_none() {
        let long = vec![b'x'; 5000];
        let thing = Thing::new(Kind::Process, &[Some(b"sh"), None, Some(&long), Some(b"")]);
        let texts: Vec<_> = thing.texts().collect();
        assert_eq!(texts[0], Some(&b"sh"[..]));
        assert_eq!((texts[1], texts[3]), (None, Some(&b""[..])));
        assert_eq!(texts[2].map(<[u8]>::len), Some(MOST_TEXT));
        assert!(thing.is_cut(2) && !thing.is_cut(0));
        assert_eq!(Thing(vec![200, 0, 255, 255, 1]).texts().count(), 0);
        assert_eq!(Thing(vec![]).kind(), None);
    }

    #[test]
    fn tallies_add_up_in_any_order() {
        let tally = |names: &[&str], at: u64| Tally {
            count: names.len() as u64,
            first: at,
            last: at,
            by: names
                .iter()
                .map(|name| (Arc::from(name.as_bytes()), 1))
                .collect(),
        };
        let parts = [
            tally(&["a", "b", "c", "d", "e", "f", "g", "h"], 5),
            tally(&["0", "c", "z"], 3),
            tally(&["1", "h"], 9),
        ];
        let sum = |order: [usize; 3]| {
            let mut sum = Tally::default();
            for at in order {
                sum.absorb(parts[at].clone());
            }
            sum
        };
        assert_eq!(sum([0, 1, 2]), sum([2, 1, 0]));
        assert_eq!((sum([0, 1, 2]).first, sum([0, 1, 2]).last), (3, 9));
        assert_eq!(sum([0, 1, 2]).by.len(), MOST_ACTORS);
    }
}
