//! The past: what happened in the last seconds, container by container, compressed, in bounded memory.
//!
//! Each container has a trail of its own, so that one that is noisy never displaces what another one did. When the bound is
//! reached the oldest chunk of the largest trail goes, and that is a gap in every file made of that trail.

use crate::error::Error;
use crate::intake::unwritable;
use afterimage_format::{Batch, ErrorKind, Press, Pressed, WriterOptions};
use afterimage_model::{BootNs, Container, Gap, GapCause, ProcId, Schema, Tables};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Events that are not pressed yet may take one of so many parts of the bound, all trails together, and those of one trail.
const LOOSE: usize = 4;
const LOOSE_TRAIL: usize = 8;

/// Which trail: the full id of a container, or `None` for what is in no container.
pub type TrailId = Option<Arc<str>>;

/// Events of a trail for which no chunk is made before the time of the whole window is over.
const FEW: usize = 64;

/// Whose events are missing: those of one trail, or of whoever it was where that is `None`.
pub type Whose = Option<TrailId>;

/// Whose events something is about, in words.
pub fn of_whom(container: Option<&Container>) -> String {
    match container.map(|container| (container.name.as_str(), container.short_id())) {
        Some((name, id)) if name.is_empty() || name.starts_with(id) => {
            format!("of container {id}")
        }
        Some((name, id)) => format!("of container {name} ({id})"),
        None => "of what is in no container".to_owned(),
    }
}

/// How much of the past is kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// For how long.
    pub span: Duration,
    /// In how many bytes at the most, all trails together.
    pub bytes: usize,
    /// Bytes of memory that the process is to have of its own, the past among them: the past has what all else leaves.
    pub memory: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            span: Duration::from_secs(60),
            bytes: 256 << 20,
            memory: 256 << 20,
        }
    }
}

/// The past of one container.
struct Trail {
    container: Option<Arc<Container>>,
    /// Events that are in no chunk yet, and every row they need. Where there are none there is no batch either.
    open: Option<Batch>,
    rows: Tables,
    open_since: u64,
    chunks: VecDeque<Pressed>,
    bytes: usize,
    /// Events that went before their time, and up to which instant.
    gone: u64,
    gone_from: u64,
    gone_until: u64,
}

/// The past of all containers.
pub struct Window {
    bounds: Bounds,
    /// Bytes that it may have now: what its bounds say, or less.
    allowed: usize,
    options: WriterOptions,
    press: Press,
    /// A batch that was pressed, for the next trail that needs one.
    spare: Option<Batch>,
    trails: BTreeMap<TrailId, Trail>,
    /// What was lost on the way, for the span of the window.
    gaps: VecDeque<(Gap, Whose)>,
}

/// What is known of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Trails.
    pub trails: usize,
    /// Events.
    pub events: u64,
    /// Bytes.
    pub bytes: usize,
    /// Events that went before their time, for lack of room.
    pub gone: u64,
}

/// One trail in a report.
#[derive(Clone, Debug)]
pub struct TrailHeld {
    /// The container, where it is one.
    pub container: Option<Arc<Container>>,
    /// Events.
    pub events: u64,
    /// Bytes.
    pub bytes: usize,
}

/// That compressing failed.
pub(crate) fn pressing(error: std::io::Error) -> Error {
    unwritable(ErrorKind::Io(error))
}

impl Trail {
    fn new(container: Option<Arc<Container>>) -> Trail {
        Trail {
            container,
            open: None,
            rows: Tables::default(),
            open_since: u64::MAX,
            chunks: VecDeque::new(),
            bytes: 0,
            gone: 0,
            gone_from: u64::MAX,
            gone_until: 0,
        }
    }

    /// Makes a chunk of what is open, and gives back what it was gathered in.
    fn close(&mut self, press: &mut Press) -> Result<Option<Batch>, Error> {
        let Some(mut open) = self.open.take() else {
            return Ok(None);
        };
        let needs = open.needs(&self.rows);
        let chunk = press.press(&open, &needs).map_err(pressing)?;
        self.bytes += chunk.bytes();
        self.chunks.push_back(chunk);
        self.rows = Tables::default();
        self.open_since = u64::MAX;
        open.clear();
        Ok(Some(open))
    }

    /// Bytes of events that are in no chunk yet.
    fn loose(&self) -> usize {
        self.open.as_ref().map_or(0, Batch::memory)
    }

    fn held(&self) -> usize {
        self.bytes + self.loose()
    }

    fn forget_first(&mut self) -> Option<Pressed> {
        let chunk = self.chunks.pop_front()?;
        self.bytes = self.bytes.saturating_sub(chunk.bytes());
        Some(chunk)
    }
}

impl Window {
    /// An empty window.
    ///
    /// # Errors
    /// When there is no memory to compress with.
    pub fn new(bounds: Bounds, options: WriterOptions) -> Result<Window, Error> {
        Ok(Window {
            bounds,
            allowed: bounds.bytes,
            press: Press::new(options.level).map_err(pressing)?,
            options,
            spare: None,
            trails: BTreeMap::new(),
            gaps: VecDeque::new(),
        })
    }

    /// Takes events in, each into the trail of its container.
    ///
    /// # Errors
    /// When an event fits into no chunk, or compressing fails.
    pub fn take(&mut self, batch: &Batch, needs: &Tables) -> Result<(), Error> {
        let mut trail_of: HashMap<ProcId, TrailId> = HashMap::new();
        let mut touched: BTreeMap<TrailId, ()> = BTreeMap::new();
        for (row, args) in batch.rows() {
            let id = trail_of
                .entry(row.proc)
                .or_insert_with(|| trail_id(needs, row.proc))
                .clone();
            let trail = match self.trails.get_mut(&id) {
                Some(trail) => trail,
                None => self
                    .trails
                    .entry(id.clone())
                    .or_insert_with(|| Trail::new(None)),
            };
            let full =
                (trail.open.as_ref()).is_some_and(|open| self.options.is_full(open, &row, &args));
            if full || trail.loose() > self.allowed / LOOSE_TRAIL {
                self.spare = trail.close(&mut self.press)?.or(self.spare.take());
            }
            if touched.insert(id, ()).is_none() || trail.open.is_none() {
                trail.rows.absorb(needs);
                let container = needs.proc(row.proc).and_then(|process| process.container);
                let container = container.and_then(|id| needs.containers.get(&id));
                trail.container = container.cloned().or(trail.container.take());
            }
            trail.open_since = trail.open_since.min(row.time.0);
            let open = match &mut trail.open {
                Some(open) => open,
                none => none
                    .insert((self.spare.take()).unwrap_or_else(|| Batch::new(Schema::current()))),
            };
            open.push(row, &args, needs).map_err(unwritable)?;
        }
        Ok(())
    }

    /// Makes a chunk of what is open of a trail.
    fn close(&mut self, id: &TrailId) -> Result<(), Error> {
        if let Some(trail) = self.trails.get_mut(id) {
            self.spare = trail.close(&mut self.press)?.or(self.spare.take());
        }
        Ok(())
    }

    /// Presses the largest trails until what is not pressed is no more than its part of the bound: pressed, events take a
    /// fiftieth of the room.
    fn tighten(&mut self) -> Result<(), Error> {
        let mut loose: usize = self.trails.values().map(Trail::loose).sum();
        while loose > self.allowed / LOOSE {
            let largest = self.trails.iter().max_by_key(|(_, trail)| trail.loose());
            let Some((id, of)) = largest.map(|(id, trail)| (id.clone(), trail.loose())) else {
                break;
            };
            self.close(&id)?;
            loose = loose.saturating_sub(of.max(1));
        }
        Ok(())
    }

    /// Takes note of a loss.
    pub fn gap(&mut self, gap: Gap, whose: Whose) {
        self.gaps.push_back((gap, whose));
    }

    /// Forgets what is older than an instant, and as much more as the bound asks for.
    ///
    /// # Errors
    /// When compressing fails.
    pub fn age(&mut self, now: BootNs, oldest: BootNs) -> Result<(), Error> {
        let span = self.bounds.span.as_nanos() as u64;
        let oldest = oldest.0;
        for trail in self.trails.values_mut() {
            // A trail where little happens is pressed now and then, so that its past can go piece by piece; where hardly anything
            // does, a chunk is dear.
            let few = trail.open.as_ref().is_none_or(|open| open.len() < FEW);
            let longest = if few { span } else { span / 8 };
            if trail.open_since < now.0.saturating_sub(longest) {
                self.spare = trail.close(&mut self.press)?.or(self.spare.take());
            }
            while trail.chunks.front().is_some_and(|c| c.span().1.0 < oldest) {
                trail.forget_first();
            }
            if trail.gone_until < oldest {
                (trail.gone, trail.gone_from, trail.gone_until) = (0, u64::MAX, 0);
            }
        }
        self.trails
            .retain(|_, trail| !trail.chunks.is_empty() || trail.open.is_some() || trail.gone > 0);
        while self.gaps.front().is_some_and(|(gap, _)| gap.end.0 < oldest) {
            self.gaps.pop_front();
        }
        self.tighten()?;
        let mut held: usize = self.trails.values().map(Trail::held).sum();
        while held > self.allowed {
            let largest = self.trails.values_mut().max_by_key(|trail| trail.bytes);
            let Some((trail, chunk)) = largest.and_then(|t| t.forget_first().map(|c| (t, c)))
            else {
                break;
            };
            held = held.saturating_sub(chunk.bytes());
            trail.gone += chunk.events();
            trail.gone_from = trail.gone_from.min(chunk.span().0.0);
            trail.gone_until = trail.gone_until.max(chunk.span().1.0);
        }
        Ok(())
    }

    /// Its bounds.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Goes on with other bounds; what is too much for them goes when it is looked at next.
    pub fn rebound(&mut self, bounds: Bounds) {
        self.bounds = bounds;
        self.allow(self.allowed);
    }

    /// Lets it have so many bytes, and no more than its bounds say.
    pub fn allow(&mut self, bytes: usize) {
        self.allowed = bytes.min(self.bounds.bytes);
    }

    /// Bytes that it may have now.
    pub fn allowed(&self) -> usize {
        self.allowed
    }

    /// For how long it keeps what happened.
    pub fn span(&self) -> Duration {
        self.bounds.span
    }

    /// The container of a trail.
    pub fn container(&self, id: &TrailId) -> Option<&Arc<Container>> {
        self.trails.get(id)?.container.as_ref()
    }

    /// Trails whose container is one of these.
    pub fn trails_where(
        &self,
        wanted: impl Fn(&TrailId, Option<&Container>) -> bool,
    ) -> Vec<TrailId> {
        (self.trails.iter())
            .filter(|(id, trail)| wanted(id, trail.container.as_deref()))
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// The past of some trails from an instant on: chunks, by their first instant, and what is missing of it.
    ///
    /// # Errors
    /// When compressing fails.
    pub fn past(&mut self, trails: &[TrailId], from: BootNs) -> Result<Past<'_>, Error> {
        for id in trails {
            self.close(id)?;
        }
        let mut past = Past::default();
        for id in trails {
            let Some(trail) = self.trails.get(id) else {
                continue;
            };
            past.chunks
                .extend(trail.chunks.iter().filter(|chunk| chunk.span().1 >= from));
            if trail.gone > 0 && trail.gone_until >= from.0 {
                past.gaps.push(Gap {
                    cause: GapCause::Displaced,
                    start: BootNs(trail.gone_from),
                    end: BootNs(trail.gone_until),
                    cpu: None,
                    count: Some(trail.gone),
                    first_seq: None,
                    detail: of_whom(trail.container.as_deref()),
                });
            }
        }
        past.chunks.sort_by_key(|chunk| chunk.span());
        let concerns = |(gap, whose): &&(Gap, Whose)| {
            gap.end >= from && whose.as_ref().is_none_or(|trail| trails.contains(trail))
        };
        past.gaps.extend(
            self.gaps
                .iter()
                .filter(concerns)
                .map(|(gap, _)| gap.clone()),
        );
        past.gaps.sort_by_key(|gap| gap.start);
        Ok(past)
    }

    /// How full it is.
    pub fn held(&self) -> Held {
        let mut held = Held {
            trails: self.trails.len(),
            ..Held::default()
        };
        for trail in self.trails.values() {
            held.events += trail.events();
            held.bytes += trail.held();
            held.gone += trail.gone;
        }
        held
    }

    /// Its trails, the largest first.
    pub fn trails(&self) -> Vec<TrailHeld> {
        let mut all: Vec<TrailHeld> = (self.trails.values())
            .map(|trail| TrailHeld {
                container: trail.container.clone(),
                events: trail.events(),
                bytes: trail.held(),
            })
            .collect();
        all.sort_by_key(|trail| std::cmp::Reverse(trail.bytes));
        all
    }
}

impl Trail {
    fn events(&self) -> u64 {
        self.chunks.iter().map(Pressed::events).sum::<u64>()
            + self.open.as_ref().map_or(0, |open| open.len() as u64)
    }
}

/// What a window still has of some trails.
#[derive(Default)]
pub struct Past<'w> {
    /// By their first instant.
    pub chunks: Vec<&'w Pressed>,
    /// By their first instant.
    pub gaps: Vec<Gap>,
}

/// The trail of a process.
pub fn trail_id(tables: &Tables, proc: ProcId) -> TrailId {
    let container = tables.proc(proc).and_then(|process| process.container);
    let container = container.and_then(|id| tables.container(id));
    container.map(|container| Arc::from(container.full_id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_format::{Arg, Row};
    use afterimage_model::{Abi, ContainerId, EventFlags, Process, TypeId};

    /// A container and its process, which have the same number.
    fn add(tables: &mut Tables, n: u32, full_id: String) {
        let container = Container {
            id: ContainerId(n),
            full_id,
            ..Container::default()
        };
        let process = Process {
            id: ProcId(n),
            container: Some(ContainerId(n)),
            ..Process::default()
        };
        tables.containers.insert(container.id, Arc::new(container));
        tables.procs.insert(process.id, Arc::new(process));
    }

    /// Two containers, whose processes are 1 and 2, and a process in none.
    fn tables() -> Tables {
        let mut tables = Tables::default();
        for n in [1_u32, 2] {
            add(&mut tables, n, format!("{n}").repeat(64));
        }
        let outside = Process {
            id: ProcId(3),
            ..Process::default()
        };
        tables.procs.insert(outside.id, Arc::new(outside));
        tables
    }

    const SECOND: u64 = 1_000_000_000;

    /// Events whose argument nothing compresses.
    fn batch(proc: u32, from_ns: u64, events: u64, tables: &Tables) -> Batch {
        let noise = |at: u64| blake3::hash(&(from_ns + at).to_le_bytes());
        fill(proc, from_ns, events, tables, |at| *noise(at).as_bytes())
    }

    /// Events that are alike.
    fn quiet(proc: u32, from_ns: u64, events: u64, tables: &Tables) -> Batch {
        fill(proc, from_ns, events, tables, |_| [7; 32])
    }

    fn fill(
        proc: u32,
        from_ns: u64,
        events: u64,
        tables: &Tables,
        bytes: impl Fn(u64) -> [u8; 32],
    ) -> Batch {
        let mut batch = Batch::new(Schema::current());
        for at in 0..events {
            let row = Row {
                time: BootNs(from_ns + at * 1_000),
                cpu: 0,
                seq: at,
                ty: TypeId(0),
                abi: Abi::x86_64,
                flags: EventFlags::default(),
                tid: proc,
                proc: ProcId(proc),
                file: None,
                result: 0,
                latency_ns: 0,
            };
            let bytes = bytes(at);
            let args = [Arg::Bytes(&bytes, 32)];
            batch.push(row, &args, tables).expect("it fits");
        }
        batch
    }

    fn window(bytes: usize) -> Window {
        let bounds = Bounds {
            span: Duration::from_secs(60),
            bytes,
            ..Bounds::default()
        };
        Window::new(bounds, WriterOptions::default()).expect("a window")
    }

    fn trail(n: u32) -> TrailId {
        Some(Arc::from(format!("{n}").repeat(64).as_str()))
    }

    #[test]
    fn a_noisy_container_displaces_its_own_past_and_no_other() {
        let tables = tables();
        let mut window = window(1 << 20);
        let now = |second: u64| BootNs(second * SECOND);
        let quiet = batch(1, 10 * SECOND, 10, &tables);
        window.take(&quiet, &tables).expect("taken");
        for second in 11..40 {
            let noise = batch(2, second * SECOND, 5_000, &tables);
            window.take(&noise, &tables).expect("taken");
            window.age(now(second), BootNs(0)).expect("aged");
            assert!(window.held().bytes <= 1 << 20, "{:?}", window.held());
        }
        let past = window.past(&[trail(1)], BootNs(0)).expect("a past");
        let events: u64 = past.chunks.iter().map(|chunk| chunk.events()).sum();
        assert_eq!((events, past.gaps.len()), (10, 0));
        let past = window.past(&[trail(2)], BootNs(0)).expect("a past");
        let events: u64 = past.chunks.iter().map(|chunk| chunk.events()).sum();
        let [gap] = past.gaps.as_slice() else {
            panic!("{:?}", past.gaps)
        };
        assert_eq!(gap.cause, GapCause::Displaced);
        assert_eq!(events + gap.count.unwrap_or(0), 29 * 5_000);
        assert_eq!(gap.start, now(11));
    }

    #[test]
    fn what_is_not_pressed_yet_displaces_nothing_that_has_room_when_pressed() {
        let mut tables = tables();
        for n in 4..24_u32 {
            add(&mut tables, n, format!("{n:064x}"));
        }
        let bound = 1 << 20;
        let mut window = window(bound);
        let mut taken = 0;
        for second in 1..30 {
            for proc in 4..24 {
                let all = quiet(proc, second * SECOND, 500, &tables);
                taken += all.len() as u64;
                window.take(&all, &tables).expect("taken");
            }
            let now = BootNs(second * SECOND);
            window.age(now, BootNs(0)).expect("aged");
            assert!(window.held().bytes <= bound, "{:?}", window.held());
        }
        let held = window.held();
        assert_eq!((held.events, held.gone), (taken, 0), "{held:?}");
    }

    #[test]
    fn what_is_older_than_the_window_goes_without_a_gap() {
        let tables = tables();
        let mut window = window(64 << 20);
        for second in [1, 30, 62, 95] {
            let some = batch(3, second * SECOND, 5, &tables);
            window.take(&some, &tables).expect("taken");
            let now = BootNs(second * SECOND);
            let oldest = now.0.saturating_sub(60 * SECOND);
            window.age(now, BootNs(oldest)).expect("aged");
        }
        let past = window.past(&[None], BootNs(0)).expect("a past");
        let spans: Vec<u64> = (past.chunks.iter())
            .map(|chunk| chunk.span().0.0 / SECOND)
            .collect();
        assert_eq!((spans, past.gaps.len()), (vec![62, 95], 0));
        window
            .age(BootNs(500 * SECOND), BootNs(440 * SECOND))
            .expect("aged");
        assert_eq!(window.held(), Held::default());
    }

    #[test]
    fn what_is_given_back_is_what_was_taken() {
        let tables = tables();
        let mut window = window(64 << 20);
        let all = batch(1, SECOND, 3_000, &tables);
        window.take(&all, &tables).expect("taken");
        let past = window.past(&[trail(1)], BootNs(0)).expect("a past");
        let events: Vec<_> = (past.chunks.iter())
            .flat_map(|chunk| chunk.open().expect("it decodes").events)
            .collect();
        let taken: Vec<_> = all.rows().map(|(row, args)| row.event(&args)).collect();
        assert_eq!(events, taken);
    }
}
