//! Takes the things of events: what each has to do with, once for every row it points at, and what its arguments say.

mod said;

use self::said::{each_said, is_request, is_text};
use super::count::{Count, Times};
use super::things::{Actor, Kind, MOST_ACTORS, TICK, Tally, Thing};
use afterimage_model::fields::is_socket;
use afterimage_model::{
    ArgKind, Ctx, FieldValue, FileId, FileKind, ProcId, Schema, TypeDesc, TypeId, Value, render,
};
use afterimage_query::FieldRef;
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::net::IpAddr;
use std::sync::Arc;

/// Bytes of a payload that are looked at, and words that are taken from it.
const MOST_PAYLOAD: usize = 512;
const MOST_WORDS: usize = 16;

/// Some of the places in [`Gather::lists`].
#[derive(Clone, Copy, Default)]
struct Listed {
    from: u32,
    to: u32,
}

impl Listed {
    fn range(self) -> std::ops::Range<usize> {
        self.from as usize..self.to as usize
    }
}

/// What is known of a process row: its things, and who it is.
#[derive(Clone, Copy, Default)]
struct Known {
    things: Listed,
    actor: u32,
}

/// What is known of a file row.
#[derive(Clone, Copy, Default)]
struct KnownFile {
    things: Listed,
    /// A name server is at one of its ends.
    asks_names: bool,
    /// A local socket: that of the system log may be one.
    is_local: bool,
    /// A socket of any kind.
    is_socket: bool,
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
    /// The bytes of a thing that is looked up.
    key: Vec<u8>,
    counts: Vec<Count>,
    actors: HashMap<Vec<u8>, u32>,
    lists: Vec<u32>,
    procs: HashMap<ProcId, Known>,
    files: HashMap<FileId, KnownFile>,
    /// By type: which of its arguments may have text, as a range of `steps`.
    plans: Vec<Option<Listed>>,
    steps: Vec<(usize, ArgKind)>,
    /// What payloads say that were met before, by their beginnings and how they are read.
    payloads: HashMap<Vec<u8>, Listed>,
    /// Places of what the arguments of an event say.
    own: Vec<u32>,
    /// Places of the things of the event that was last counted, where that is asked.
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
            places: HashMap::default(),
            key: Vec::new(),
            counts: Vec::new(),
            actors: HashMap::default(),
            lists: Vec::new(),
            procs: HashMap::default(),
            files: HashMap::default(),
            plans: Vec::new(),
            steps: Vec::new(),
            payloads: HashMap::default(),
            own: Vec::new(),
            touched: Vec::new(),
            meant: HashMap::default(),
            fresh: None,
        }
    }

    /// What was gathered, in no order; the next chunk may begin.
    pub fn take(&mut self) -> Vec<(Thing, Tally)> {
        self.procs.clear();
        self.files.clear();
        self.payloads.clear();
        self.lists.clear();
        self.meant.clear();
        let mut actors: Vec<Actor> = vec![Arc::from([]); self.actors.len()];
        for (name, at) in self.actors.drain() {
            if let Some(slot) = actors.get_mut(at as usize) {
                *slot = name.into();
            }
        }
        let counts = std::mem::take(&mut self.counts);
        let tally = |count: &Count| {
            let mut by: Vec<(Actor, u64)> = count
                .by
                .iter()
                .filter_map(|(actor, n)| Some((actors.get(*actor as usize)?.clone(), *n)))
                .collect();
            by.sort_unstable();
            by.truncate(MOST_ACTORS);
            Tally {
                count: count.count,
                first: count.first / TICK * TICK,
                last: count.last.div_ceil(TICK).saturating_mul(TICK),
                by,
            }
        };
        // Of rows that were asked without an event there is nothing to tell.
        self.places
            .drain()
            .filter_map(|(thing, at)| {
                let count = counts.get(at as usize).filter(|count| count.count > 0)?;
                Some((thing, tally(count)))
            })
            .collect()
    }

    /// What [`Gather::meet`] has met, in no order.
    pub fn met(&mut self) -> Vec<Thing> {
        let met = self.places.keys().cloned().collect();
        self.take();
        met
    }

    fn place(&mut self, kind: Kind, texts: &[Option<&[u8]>]) -> u32 {
        self.key.clear();
        Thing::encode(kind, texts, &mut self.key);
        if let Some(have) = self.places.get(self.key.as_slice()) {
            return *have;
        }
        let thing = Thing(self.key.clone());
        let next = u32::try_from(self.counts.len()).unwrap_or(u32::MAX);
        if let Some(fresh) = &mut self.fresh {
            fresh.push((next, thing.clone()));
        }
        self.places.insert(thing, next);
        self.counts.push(Count {
            count: 0,
            first: u64::MAX,
            last: 0,
            by: SmallVec::new(),
        });
        next
    }

    /// As [`Gather::place`], of texts that are owned.
    fn place_of(&mut self, kind: Kind, texts: &[Option<Vec<u8>>]) -> u32 {
        let texts: SmallVec<[Option<&[u8]>; 4]> =
            texts.iter().map(|text| text.as_deref()).collect();
        self.place(kind, &texts)
    }

    fn count(&mut self, places: Listed, times: &Times, actor: u32) {
        for place in self.lists.get(places.range()).unwrap_or_default() {
            if let Some(count) = self.counts.get_mut(*place as usize) {
                count.add_all(times, actor);
            }
        }
        if self.fresh.is_some() {
            let places = self.lists.get(places.range()).unwrap_or_default();
            self.touched.extend(places);
        }
    }

    fn list(&mut self, places: &[u32]) -> Listed {
        let place = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let from = place(self.lists.len());
        self.lists.extend(places);
        let to = place(self.lists.len());
        Listed { from, to }
    }

    fn proc(&mut self, ctx: &Ctx<'_>) -> Known {
        let id = ctx.event.proc;
        if let Some(known) = self.procs.get(&id) {
            return *known;
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
        let mut things: SmallVec<[u32; 3]> = SmallVec::new();
        if texts.iter().any(Option::is_some) {
            things.push(self.place_of(Kind::Process, &texts));
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
            things.push(self.place_of(Kind::Container, &texts));
        }
        if hash.is_some() {
            things.push(self.place_of(Kind::Hash, &[hash, None, None]));
        }
        let things = self.list(&things);
        let known = Known { things, actor };
        self.procs.insert(id, known);
        known
    }

    fn file(&mut self, ctx: &Ctx<'_>) -> KnownFile {
        let Some(id) = ctx.event.file else {
            return KnownFile::default();
        };
        if let Some(known) = self.files.get(&id) {
            return *known;
        }
        let mut things: SmallVec<[u32; 5]> = SmallVec::new();
        let file = ctx.file();
        let flow = file.and_then(|file| file.flow);
        if let Some(flow) = flow {
            things.push(self.place(Kind::Flow, &[]));
            let server = flow.client_server().map(|(_, server)| server);
            for end in [flow.local, flow.remote] {
                if end.ip().is_unspecified() {
                    continue;
                }
                let text = end.ip().to_string();
                things.push(self.place(Kind::Address, &[Some(text.as_bytes())]));
                if Some(end) == server {
                    let text = match end.ip() {
                        IpAddr::V4(ip) => format!("{ip}:{}", end.port()),
                        IpAddr::V6(ip) => format!("[{ip}]:{}", end.port()),
                    };
                    things.push(self.place(Kind::Address, &[Some(text.as_bytes())]));
                }
            }
        } else if let Some(text) = self.name.as_ref().and_then(|field| owned(field.value(ctx))) {
            things.push(self.place(Kind::File, &[Some(&text)]));
        }
        things.sort_unstable();
        things.dedup();
        let known = KnownFile {
            things: self.list(&things),
            asks_names: flow
                .is_some_and(|flow| flow.local.port() == 53 || flow.remote.port() == 53),
            is_local: file.is_some_and(|file| file.kind == FileKind::Unix),
            is_socket: file.is_some_and(is_socket),
        };
        self.files.insert(id, known);
        known
    }

    /// Whether events of a type may have text in their arguments; the arguments of others need not be there.
    pub fn has_text(&mut self, schema: &Schema, id: TypeId) -> bool {
        let ty = schema.ty(id);
        ty.is_some_and(|ty| !self.plan(id, ty).range().is_empty())
    }

    /// The arguments of a type in which text may be, each with its number and what it is: a path or a payload.
    pub fn steps(&mut self, schema: &Schema, id: TypeId) -> &[(usize, ArgKind)] {
        let plan = schema.ty(id).map(|ty| self.plan(id, ty).range());
        let steps = plan.and_then(|plan| self.steps.get(plan));
        steps.unwrap_or_default()
    }

    /// Whether a payload of an event is what it says on standard error; `is_second` is whether its first argument is 2.
    pub fn is_error(&self, ty: &TypeDesc, kind: ArgKind, is_second: bool) -> bool {
        let gives = matches!(
            kind,
            ArgKind::BufIn | ArgKind::IoVecIn | ArgKind::MsgIn | ArgKind::MsgVecIn
        );
        (gives || ty.is(TypeDesc::OUTPUT)) && is_second
    }

    /// Whether a path that was passed, or a payload, says something that is meant, where it is not read by the rules of name
    /// servers or of the system log.
    pub fn says(
        &mut self,
        kind: ArgKind,
        bytes: &[u8],
        is_error: bool,
        meant: &mut dyn FnMut(&Thing) -> bool,
    ) -> bool {
        if kind == ArgKind::Path {
            return meant(&Thing::new(Kind::Path, &[Some(bytes)]));
        }
        let bytes = render::payload(kind, bytes);
        let bytes = bytes.get(..MOST_PAYLOAD).unwrap_or(&bytes);
        let mut is = false;
        if is_text(bytes) {
            each_said(bytes, is_error, &mut |kind, texts| {
                is = is || meant(&Thing::new(kind, texts));
            });
        }
        is
    }

    /// The arguments of a type in which text may be.
    fn plan(&mut self, id: TypeId, ty: &TypeDesc) -> Listed {
        let at = usize::from(id.0);
        if let Some(Some(plan)) = self.plans.get(at) {
            return *plan;
        }
        let from = self.steps.len() as u32;
        let args = ty.args.iter().enumerate();
        let told = args.filter_map(|(slot, desc)| Some((slot, desc.kind()?)));
        self.steps
            .extend(told.filter(|(_, kind)| *kind == ArgKind::Path || kind.is_payload()));
        let to = self.steps.len() as u32;
        if self.plans.len() <= at {
            self.plans.resize(at + 1, None);
        }
        let plan = Listed { from, to };
        if let Some(slot) = self.plans.get_mut(at) {
            *slot = Some(plan);
        }
        plan
    }

    /// Whether a process row, or with `of_file` a file row, has a thing that is meant: asked as of an event that never was.
    pub fn row_is(
        &mut self,
        ctx: &Ctx<'_>,
        of_file: bool,
        meant: &mut dyn FnMut(&Thing) -> bool,
    ) -> bool {
        let before = self.fresh.replace(Vec::new());
        let things = match of_file {
            true => self.file(ctx).things,
            false => self.proc(ctx).things,
        };
        for (place, thing) in std::mem::replace(&mut self.fresh, before).unwrap_or_default() {
            self.meant.insert(place, meant(&thing));
        }
        let meant = |place| self.meant.get(place).copied().unwrap_or_default();
        let things = self.lists.get(things.range()).unwrap_or_default();
        things.iter().any(meant)
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

    /// Counts events of the same process and file for the things of these: asked as of an event that never was.
    pub fn rows(&mut self, ctx: &Ctx<'_>, times: &Times) {
        let known = self.proc(ctx);
        let file = self.file(ctx);
        self.count(known.things, times, known.actor);
        self.count(file.things, times, known.actor);
    }

    /// Takes the things of a process and a file that no event is about.
    pub fn meet(&mut self, ctx: &Ctx<'_>) {
        self.proc(ctx);
        self.file(ctx);
    }

    /// Counts an event for each of its things. Tells whether it touched a socket, which others want to know, too.
    pub fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        self.touched.clear();
        let times = Times::once(ctx.event.time.0);
        self.rows(ctx, &times);
        self.arguments(ctx, &times);
        self.file(ctx).is_socket
    }

    /// Counts events of the same process and file, and whose arguments say the same, for the things that these say.
    pub fn arguments(&mut self, ctx: &Ctx<'_>, times: &Times) {
        let Some(ty) = ctx.ty() else {
            return;
        };
        let (known, file) = (self.proc(ctx), self.file(ctx));
        let plan = self.plan(ctx.event.ty, ty);
        let mut own = std::mem::take(&mut self.own);
        own.clear();
        for step in plan.range() {
            let Some((slot, kind)) = self.steps.get(step).copied() else {
                continue;
            };
            let Some(Value::Bytes(blob)) = ctx.event.args.get(slot) else {
                continue;
            };
            if blob.bytes.is_empty() {
                continue;
            }
            if kind == ArgKind::Path {
                let is_the_name = ctx.file().is_some_and(|file| file.path == blob.bytes)
                    || ctx.proc().is_some_and(|row| row.exe_path == blob.bytes);
                if !is_the_name {
                    own.push(self.place(Kind::Path, &[Some(&blob.bytes)]));
                }
            } else {
                let payload = render::payload(kind, &blob.bytes);
                self.payload(ctx, (ty, kind), file, &payload, &mut own);
            }
        }
        own.sort_unstable();
        own.dedup();
        for place in &own {
            if let Some(count) = self.counts.get_mut(*place as usize) {
                count.add_all(times, known.actor);
            }
        }
        if self.fresh.is_some() {
            self.touched.extend(&own);
        }
        self.own = own;
    }

    fn payload(
        &mut self,
        ctx: &Ctx<'_>,
        (ty, kind): (&TypeDesc, ArgKind),
        file: KnownFile,
        bytes: &[u8],
        own: &mut Vec<u32>,
    ) {
        if file.asks_names {
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
                        0 => [text, None],
                        _ => [None, text],
                    });
                }
            }
            for texts in found {
                own.push(self.place_of(Kind::Name, &texts));
            }
            return;
        }
        let bytes = bytes.get(..MOST_PAYLOAD).unwrap_or(bytes);
        if !is_text(bytes) {
            return;
        }
        if file.is_local && !is_request(bytes) {
            let message = self.message.as_ref();
            if let Some(message) = message.and_then(|field| owned(field.value(ctx))) {
                own.push(self.place(Kind::Line, &[Some(&message), None]));
                return;
            }
        }
        let is_second = matches!(ctx.event.args.first(), Some(Value::Num(2)));
        let is_error = self.is_error(ty, kind, is_second);
        // What is said once is said often.
        self.key.clear();
        self.key.push(u8::from(is_error));
        self.key.extend(bytes);
        if let Some(said) = self.payloads.get(self.key.as_slice()) {
            own.extend(self.lists.get(said.range()).unwrap_or_default());
            return;
        }
        let key = self.key.clone();
        let before = own.len();
        self.text(bytes, is_error, own);
        let said = self.list(own.get(before..).unwrap_or_default());
        self.payloads.insert(key, said);
    }

    /// What a payload says that is text.
    fn text(&mut self, bytes: &[u8], is_error: bool, own: &mut Vec<u32>) {
        each_said(bytes, is_error, &mut |kind, texts| {
            own.push(self.place(kind, texts));
        });
    }
}
