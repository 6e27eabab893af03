//! Captures of other programs, asked as they are read: nothing is converted in between, and the first answer comes at once.

use crate::cache::{Along, Cost};
use afterimage_format::Row;
use afterimage_indexer::{Span, Work};
use afterimage_interop::scap::{Report, Sieve, Stream, Stretch};
use afterimage_interop::{Error, Provenance};
use afterimage_model::{
    Ctx, Event, EventFlags, Manifest, ProcId, Schema, Tables, TypeDesc, TypeId,
};
use afterimage_query::{Evaluator, FieldRef, Filter};
use std::io::{BufWriter, Write};
use std::sync::atomic::Ordering;

/// What is asked.
pub struct Question<'q> {
    /// Which events; all where there is none.
    pub filter: Option<&'q Filter>,
    /// When.
    pub span: Span,
    /// Also what the other program kept for its own books.
    pub internal: bool,
    /// Somebody asks for what such a capture says of a thread at each event.
    pub kept: bool,
    /// The capture is read to its end, however many events match.
    pub patient: bool,
    /// What had to be done for the answer.
    pub work: &'q Work,
}

/// Calls `each` for every event that matches, in order, until it returns false. Gives what there is to say at the end of the
/// capture; `None` when it was not reached. Where that is to be done `along` and the end is reached, the events are also kept.
pub fn scan(
    stream: Stream,
    question: &Question<'_>,
    along: Along,
    each: &mut dyn FnMut(&Ctx<'_>) -> bool,
) -> Result<Option<Report>, Error> {
    let schema = stream.schema();
    let manifest = stream.manifest().clone();
    let first_ns = stream.start();
    let mut walk = Walk {
        question,
        manifest: &manifest,
        schema,
        evaluator: question
            .filter
            .filter(|filter| !filter.is_all())
            .map(Filter::evaluator),
        hidden: hidden(schema, question),
        event: Event::of_type(TypeId(0)),
        num: 0,
        passed: 0,
        first_ns,
        previous_ns: None,
    };
    // A copy that cannot be written is no reason not to answer.
    let mut copy = match &along {
        Along::Made(draft) => draft.file().ok().and_then(|file| {
            let out = BufWriter::new(file);
            stream.writer(out, &Provenance::default()).ok()
        }),
        _ => None,
    };
    let copies = copy.is_some();
    let idle = walk.hidden.clone();
    let mut ahead = walk.ahead();
    let mut apart = walk.ahead();
    let take = &mut |stretch: &Stretch| {
        let go_on = walk.stretch(stretch, each);
        copy = copy.take().filter(|_| go_on).and_then(|mut writer| {
            stretch.write(&mut writer).ok()?;
            Some(writer)
        });
        Ok(go_on)
    };
    let ended = if copies {
        stream.chunks(take)
    } else {
        let asked = question
            .filter
            .is_some_and(|filter| filter.asks_any(&may_be_kept));
        // What the event before was decides the answer: all of them are asked.
        let ordered = question.filter.is_some_and(Filter::is_ordered);
        let words = question.filter.and_then(Filter::words);
        let sieve = Sieve {
            kept: question.kept || asked,
            patient: question.patient && !ordered,
            words: &words.unwrap_or_default(),
            idle: &idle,
            may: &mut |row, tables, number, world| ahead.may(row, tables, number, world),
            of: &mut |proc, tables, world| apart.of(proc, tables, world),
        };
        stream.sift(sieve, take)
    }?;
    if let Some(evaluator) = &walk.evaluator {
        question.work.add_texts(evaluator);
    }
    if let Along::Noted(place) = &along {
        let followed = ended.as_ref().is_some_and(|end| !end.was_looked_over());
        place.was_asked(if followed { Cost::Much } else { Cost::Little });
    }
    let Some(ended) = ended else { return Ok(None) };
    walk.passed_over(ended.events());
    let (Some(writer), Along::Made(draft)) = (copy, along) else {
        return Ok(Some(ended.report()));
    };
    let (mut out, report) = ended.seal(writer)?;
    if out.flush().is_ok() {
        draft.finish();
    }
    Ok(Some(report))
}

/// Whether a field may ask for what is kept with an event.
pub fn may_be_kept(field: &FieldRef) -> bool {
    field.field().may_be_kept()
}

/// By event type: whether no event of it is to be shown, whatever else is in it.
fn hidden(schema: &Schema, question: &Question<'_>) -> Vec<bool> {
    let may = |(at, ty): (usize, &TypeDesc)| {
        let id = u16::try_from(at).map(TypeId);
        let asked = |filter: &Filter| id.is_ok_and(|id| filter.may_match_type(schema, id));
        (question.internal || !ty.is(TypeDesc::INTERNAL)) && question.filter.is_none_or(asked)
    };
    let types = schema.types.iter().enumerate();
    types.map(|ty| !may(ty)).collect()
}

struct Walk<'w> {
    question: &'w Question<'w>,
    manifest: &'w Manifest,
    schema: &'w Schema,
    evaluator: Option<Evaluator>,
    hidden: Vec<bool>,
    /// The one event whose memory all use.
    event: Event,
    num: u64,
    passed: u64,
    first_ns: u64,
    previous_ns: Option<u64>,
}

impl<'w> Walk<'w> {
    /// What is asked on the thread that reads.
    fn ahead(&self) -> Ahead<'w> {
        let filter = self.question.filter.filter(|filter| !filter.is_all());
        Ahead {
            walk: Walk {
                evaluator: filter.map(Filter::evaluator),
                hidden: self.hidden.clone(),
                event: Event::of_type(TypeId(0)),
                previous_ns: None,
                ..*self
            },
            world: 0,
            procs: Vec::new(),
        }
    }

    /// The events up to this one have been read.
    fn passed_over(&mut self, last: u64) {
        let more = last.saturating_sub(self.passed);
        self.passed += more;
        self.question.work.events.fetch_add(more, Ordering::Relaxed);
    }

    /// False ends the reading.
    fn stretch(&mut self, stretch: &Stretch, each: &mut dyn FnMut(&Ctx<'_>) -> bool) -> bool {
        let Stretch {
            batch,
            tables,
            numbers,
            ..
        } = stretch;
        let mut evaluator = self.evaluator.take();
        if let Some(evaluator) = &mut evaluator {
            evaluator.forget();
        }
        let (mut asked, mut matched) = (0, 0);
        let mut go_on = true;
        for (at, number) in numbers.iter().enumerate() {
            self.num = *number;
            let Some(row) = batch.row(at).filter(|row| self.may_show(row)) else {
                continue;
            };
            put_head(&mut self.event, row);
            let head = self.ctx(tables, &self.event);
            let by_head = match &mut evaluator {
                Some(evaluator) => evaluator.by_head(&head),
                None => Some(true),
            };
            if by_head == Some(false) {
                continue;
            }
            batch.args_into(at, &mut self.event.args);
            asked += 1;
            let ctx = self.ctx(tables, &self.event);
            let undecided = by_head.is_none();
            if undecided && (evaluator.as_mut()).is_some_and(|asked| !asked.matches(&ctx)) {
                continue;
            }
            matched += 1;
            go_on = each(&ctx);
            self.previous_ns = Some(row.time.0);
            if !go_on {
                break;
            }
        }
        self.evaluator = evaluator;
        self.passed_over(self.num);
        let work = self.question.work;
        for (counter, n) in [
            (&work.chunks, 1),
            (&work.read, 1),
            (&work.asked, asked),
            (&work.matched, matched),
        ] {
            counter.fetch_add(n, Ordering::Relaxed);
        }
        go_on
    }

    fn ctx<'c>(&'c self, tables: &'c Tables, event: &'c Event) -> Ctx<'c> {
        Ctx {
            manifest: self.manifest,
            schema: self.schema,
            tables,
            event,
            num: self.num,
            first_ns: self.first_ns,
            previous_ns: self.previous_ns.unwrap_or(event.time.0),
        }
    }

    fn may_show(&self, row: &Row) -> bool {
        let hidden = self.hidden.get(usize::from(row.ty.0)).copied();
        !hidden.unwrap_or(false)
            && (self.question.internal || !row.flags.has(EventFlags::INTERNAL))
            && self
                .question
                .span
                .is_none_or(|(start, end)| (start..=end).contains(&row.time.0))
    }
}

/// The same filter, asked before the arguments of an event are looked at.
struct Ahead<'w> {
    walk: Walk<'w>,
    world: u64,
    /// By number of the process: whether something of it may match.
    procs: Vec<Option<bool>>,
}

/// Processes that are remembered at the most.
const MOST_PROCS: usize = 1 << 16;

impl Ahead<'_> {
    fn may(&mut self, row: &Row, tables: &Tables, number: u64, world: u64) -> bool {
        if !self.walk.may_show(row) {
            return false;
        }
        let Some(mut evaluator) = self.walk.evaluator.take() else {
            return true;
        };
        // What was learnt of processes holds until their containers or accounts are told anew.
        if std::mem::replace(&mut self.world, world) != world {
            evaluator.forget();
        }
        self.walk.num = number;
        put_head(&mut self.walk.event, row);
        let ctx = self.walk.ctx(tables, &self.walk.event);
        let may = evaluator.by_head(&ctx) != Some(false);
        self.walk.evaluator = Some(evaluator);
        may
    }

    fn of(&mut self, proc: ProcId, tables: &Tables, world: u64) -> bool {
        if std::mem::replace(&mut self.world, world) != world {
            self.procs.clear();
            if let Some(evaluator) = &mut self.walk.evaluator {
                evaluator.forget();
            }
        }
        let at = proc.0 as usize;
        if let Some(Some(known)) = self.procs.get(at) {
            return *known;
        }
        let Some(mut evaluator) = self.walk.evaluator.take() else {
            return true;
        };
        self.walk.event.proc = proc;
        let ctx = self.walk.ctx(tables, &self.walk.event);
        let may = evaluator.by_process(&ctx) != Some(false);
        self.walk.evaluator = Some(evaluator);
        if at < MOST_PROCS {
            self.procs.resize(self.procs.len().max(at + 1), None);
            if let Some(slot) = self.procs.get_mut(at) {
                *slot = Some(may);
            }
        }
        may
    }
}

fn put_head(event: &mut Event, row: &Row) {
    event.time = row.time;
    event.cpu = row.cpu;
    event.seq = row.seq;
    event.ty = row.ty;
    event.abi = row.abi;
    event.flags = row.flags;
    event.tid = row.tid;
    event.proc = row.proc;
    event.file = row.file;
    event.result = row.result;
    event.latency_ns = row.latency_ns;
}
