//! Takes the things of events: what each has to do with, once for every row it points at, and what its arguments say.

use super::things::{Actor, Kind, MOST_ACTORS, Tally, Thing};
use afterimage_model::{ArgKind, Ctx, FieldValue, FileId, ProcId, TypeDesc, Value, render};
use afterimage_query::FieldRef;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

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
