//! Events of a chunk that are alike in all that an answer asks of them, taken together from the chunk's lists: each such run is
//! asked once, however many events it is, and no event is put together.

use crate::session::Session;
use crate::timeline::step_of;
use afterimage_format::{ErrorKind, Heads};
use afterimage_model::{BootNs, Dependency, Event, EventFlags, Looks, TypeDesc};
use afterimage_query::{Among, FieldRef};
use hashbrown::HashMap;

/// Which parts of an event an answer looks at, beside its type and its marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Parts {
    proc: bool,
    file: bool,
    result: bool,
    tid: bool,
    latency: bool,
}

impl Parts {
    /// Adds what decides a field; false where that is more than lists tell of many events at once.
    fn add(&mut self, on: Dependency) -> bool {
        match on {
            Dependency::Type | Dependency::Marks => {}
            Dependency::Process => self.proc = true,
            Dependency::File => self.file = true,
            Dependency::Thread => self.tid = true,
            Dependency::Latency => self.latency = true,
            Dependency::Result => self.result = true,
            Dependency::Outcome => (self.result, self.file) = (true, true),
            Dependency::Event
            | Dependency::Head
            | Dependency::Cpu
            | Dependency::Instant
            | Dependency::Time => return false,
        }
        true
    }
}

/// Whether what decides a field is among what runs are told apart by, other than threads.
pub(crate) fn tell(on: Dependency) -> bool {
    on != Dependency::Thread && Parts::default().add(on)
}

/// How events are taken together.
#[derive(Clone, Debug)]
pub(crate) struct Taking {
    parts: Parts,
    /// Fields of which arguments may be asked.
    beyond: Vec<FieldRef>,
    /// Span and number of equal steps of it, of which all events of a run are in one.
    steps: Option<((u64, u64), usize)>,
}

/// Events that are alike.
pub(crate) struct Run {
    /// The first of them in the capture, as far as it is asked.
    pub first: Event,
    pub first_num: u64,
    pub last_time: BootNs,
    pub last_num: u64,
    pub events: u64,
    /// The step of time in which they are.
    pub step: usize,
    /// Which run of the chunk, for [`Taken::leave`].
    pub number: u32,
}

impl Run {
    /// The last of them.
    pub fn last(&self) -> Event {
        Event {
            time: self.last_time,
            ..self.first.clone()
        }
    }
}

/// What was taken from a chunk.
pub(crate) struct Taken {
    /// In the order in which the first of each stands in the capture.
    pub runs: Vec<Run>,
    /// Rows that are to be looked at as events, one bit each.
    pub left: Vec<u64>,
    /// By row, which run it is in, from 1; 0 for those that are in none.
    pub of_row: Vec<u32>,
}

impl Taken {
    /// Leaves the events of some runs to be looked at one by one, too: those of which `is_left` says so by their number.
    pub fn leave(&mut self, is_left: &dyn Fn(u32) -> bool) {
        for (row, number) in self.of_row.iter().enumerate() {
            if *number != 0
                && is_left(*number)
                && let Some(word) = self.left.get_mut(row / 64)
            {
                *word |= 1 << (row % 64);
            }
        }
    }
}

type Sort = (u16, u32, u32, u16, i64, u32, u64, u32);

/// How many, and the places of the first and the last in the capture with their rows.
#[derive(Clone, Copy)]
struct Sum {
    events: u64,
    first: (u32, u32),
    last: (u32, u32),
}

impl Sum {
    fn add(&mut self, place: u32, row: u32) {
        self.events += 1;
        self.first = self.first.min((place, row));
        self.last = self.last.max((place, row));
    }
}

impl Taking {
    /// For an answer that looks at these fields, each with whether it only takes the first or the last value; `None` where lists do
    /// not tell of them.
    pub fn of<'f>(
        session: &Session,
        fields: impl Iterator<Item = (&'f FieldRef, bool)>,
    ) -> Option<Taking> {
        // Of sysdig's kinds more is told by arguments.
        if session.is_scap() {
            return None;
        }
        let mut taking = Taking {
            parts: Parts::default(),
            beyond: Vec::new(),
            steps: None,
        };
        for (field, at_an_end) in fields {
            let on = field.field().on;
            let told = match on {
                Dependency::Event => {
                    taking.beyond.push(field.clone());
                    true
                }
                Dependency::Instant | Dependency::Time => at_an_end,
                on => taking.parts.add(on),
            };
            if !told {
                return None;
            }
        }
        Some(taking)
    }

    /// The same by everything but the thread, and by steps of a span.
    pub fn by_steps(session: &Session, span: (u64, u64), steps: usize) -> Option<Taking> {
        let parts = Parts {
            proc: true,
            file: true,
            result: true,
            tid: false,
            latency: true,
        };
        (!session.is_scap()).then_some(Taking {
            parts,
            beyond: Vec::new(),
            steps: Some((span, steps)),
        })
    }

    /// Looks at processes, too.
    pub fn with_processes(mut self) -> Taking {
        self.parts.proc = true;
        self
    }

    /// Whether lists tell all that is asked of events of a type; notes what that needs.
    fn tells(&self, ty: &TypeDesc, parts: &mut Parts) -> bool {
        self.beyond
            .iter()
            .all(|field| match Looks::of(field.field(), field.arg(), ty) {
                Looks::Nowhere => true,
                Looks::Who => {
                    (parts.proc, parts.tid) = (true, true);
                    true
                }
                Looks::At { .. }
                | Looks::ResultOr(_)
                | Looks::Path(_)
                | Looks::OnFile
                | Looks::Line
                | Looks::Beyond => false,
            })
    }

    /// Takes events of a chunk together, of those rows that are given. Those of types that `apart` says are left, and those that are
    /// hidden are in no run.
    ///
    /// # Errors
    /// When a list cannot be read.
    pub fn take(
        &self,
        session: &Session,
        (heads, among): (&Heads<'_>, &Among<'_>),
        rows: Option<Vec<u64>>,
        apart: &dyn Fn(&TypeDesc) -> bool,
    ) -> Result<Taken, ErrorKind> {
        let (types, marks) = (heads.types()?, heads.marks()?);
        let rows = rows.unwrap_or_else(|| all_rows(types.len()));
        let mut parts = self.parts;
        let told: Vec<bool> = (among.types.iter())
            .map(|ty| {
                let desc = among.schema.ty(*ty);
                desc.is_some_and(|desc| !apart(desc) && self.tells(desc, &mut parts))
            })
            .collect();
        let hides = !session.shows_internal();
        let hidden: Vec<bool> = (among.types.iter())
            .map(|ty| hides && session.is_internal_type(*ty))
            .collect();
        let mut taken = Taken {
            runs: Vec::new(),
            left: vec![0; rows.len()],
            of_row: vec![0; types.len()],
        };
        let empty: &[u32] = &[];
        let procs = if parts.proc { heads.procs()? } else { empty };
        let files = if parts.file { heads.files()? } else { empty };
        let tids = if parts.tid { heads.tids()? } else { empty };
        let latencies = if parts.latency {
            heads.latencies()?
        } else {
            &[]
        };
        let listed = heads.file_list()?;
        let times = heads.times()?;
        let results = match parts.result {
            true => results(heads, &told, types.len())?,
            false => Vec::new(),
        };
        let mut places = vec![0u32; types.len()];
        for (place, row) in (0..).zip(heads.order()?) {
            if let Some(slot) = places.get_mut(*row as usize) {
                *slot = place;
            }
        }
        let mut step = Step::new(self.steps);
        let mut numbers: HashMap<Sort, u32> = HashMap::new();
        let mut sums: Vec<(Sort, Sum)> = Vec::new();
        // Neighbours are mostly of one thread, and often alike.
        let mut last: Option<(Sort, usize)> = None;
        for (at, word) in rows.iter().enumerate() {
            let mut bits = *word;
            while bits != 0 {
                let bit = bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let row = at * 64 + bit;
                let (Some(ty), Some(marks)) = (types.get(row), marks.get(row)) else {
                    continue;
                };
                if !told.get(usize::from(*ty)).is_some_and(|told| *told) {
                    if let Some(left) = taken.left.get_mut(at) {
                        *left |= 1 << bit;
                    }
                    continue;
                }
                let is_hidden = hides && EventFlags(*marks).has(EventFlags::INTERNAL);
                if is_hidden || hidden.get(usize::from(*ty)).is_some_and(|is| *is) {
                    continue;
                }
                let time = times.get(row).copied().unwrap_or(0);
                let sort: Sort = (
                    *ty,
                    procs.get(row).copied().unwrap_or(0),
                    files.get(row).copied().unwrap_or(0),
                    *marks,
                    results.get(row).copied().unwrap_or(0),
                    tids.get(row).copied().unwrap_or(0),
                    latencies.get(row).copied().unwrap_or(0),
                    step.of(time),
                );
                let place = places.get(row).copied().unwrap_or(0);
                let row = u32::try_from(row).unwrap_or(u32::MAX);
                let number = match last {
                    Some((same, number)) if same == sort => number,
                    _ => {
                        let next = u32::try_from(sums.len()).unwrap_or(u32::MAX);
                        let number = *numbers.entry(sort).or_insert(next) as usize;
                        if number == sums.len() {
                            let sum = Sum {
                                events: 0,
                                first: (place, row),
                                last: (place, row),
                            };
                            sums.push((sort, sum));
                        }
                        last = Some((sort, number));
                        number
                    }
                };
                if let Some((_, sum)) = sums.get_mut(number) {
                    sum.add(place, row);
                }
                if let Some(slot) = taken.of_row.get_mut(row as usize) {
                    *slot = u32::try_from(number + 1).unwrap_or(u32::MAX);
                }
            }
        }
        let zone = heads.zone();
        let time_of = |row: u32| BootNs(times.get(row as usize).copied().unwrap_or(0));
        let num = |place: u32| zone.first_num.saturating_add(u64::from(place));
        for (number, (sort, sum)) in (1..).zip(sums) {
            let (ty, proc, file, marks, result, tid, latency, step) = sort;
            let ty = among.types.get(usize::from(ty)).copied();
            let mut first = Event {
                cpu: Event::NO_CPU,
                ..Event::of_type(ty.unwrap_or_default())
            };
            first.time = time_of(sum.first.1);
            first.flags = EventFlags(marks);
            first.tid = tid;
            first.result = result;
            first.latency_ns = latency;
            if parts.proc {
                first.proc = among.procs.get(proc as usize).copied().unwrap_or_default();
            }
            let file = file.checked_sub(1);
            first.file = file.and_then(|at| listed.get(at as usize).copied());
            taken.runs.push(Run {
                first,
                first_num: num(sum.first.0),
                last_time: time_of(sum.last.1),
                last_num: num(sum.last.0),
                events: sum.events,
                step: step as usize,
                number,
            });
        }
        taken.runs.sort_unstable_by_key(|run| run.first_num);
        Ok(taken)
    }
}

/// One bit for each of so many rows.
fn all_rows(count: usize) -> Vec<u64> {
    let mut words = vec![u64::MAX; count.div_ceil(64)];
    let over = words.len() * 64 - count;
    if let Some(last) = words.last_mut() {
        *last >>= over;
    }
    words
}

/// The result of each row of the types that are wanted.
fn results(heads: &Heads<'_>, wanted: &[bool], count: usize) -> Result<Vec<i64>, ErrorKind> {
    let mut all = vec![0; count];
    for (rows, results) in heads.results(wanted)?.into_iter().flatten() {
        for (row, result) in rows.iter().zip(results) {
            if let Some(slot) = all.get_mut(*row as usize) {
                *slot = *result;
            }
        }
    }
    Ok(all)
}

/// Tells steps of instants that are mostly in the step of the one before.
struct Step {
    by: Option<((u64, u64), usize)>,
    /// Instants that are known to be in one step, and which.
    known: Option<(u64, u64, u32)>,
}

impl Step {
    fn new(by: Option<((u64, u64), usize)>) -> Step {
        Step { by, known: None }
    }

    fn of(&mut self, time: u64) -> u32 {
        let Some((span, steps)) = self.by else {
            return 0;
        };
        match self.known {
            Some((from, to, step)) if (from..=to).contains(&time) => step,
            known => {
                let step = u32::try_from(step_of(time, span, steps)).unwrap_or(u32::MAX);
                // Steps rise with time: what lies between two instants of one is of it, too.
                self.known = match known {
                    Some((from, to, same)) if same == step => {
                        Some((from.min(time), to.max(time), step))
                    }
                    _ => Some((time, time, step)),
                };
                step
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn steps_are_told_as_one_by_one(times in prop::collection::vec(0u64..5000, 1..200), steps in 1usize..40) {
            let span = (100, 4000);
            let mut told = Step::new(Some((span, steps)));
            for time in times {
                prop_assert_eq!(told.of(time) as usize, step_of(time, span, steps));
            }
        }
    }

    #[test]
    fn all_rows_are_as_many_as_there_are() {
        for count in [0, 1, 63, 64, 65, 128, 130] {
            let words = all_rows(count);
            assert_eq!(
                words
                    .iter()
                    .map(|word| word.count_ones() as usize)
                    .sum::<usize>(),
                count
            );
        }
    }
}
