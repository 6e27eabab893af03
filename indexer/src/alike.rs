//! Events of a chunk that are alike, told as one: those of the same type, process, file, marks and result whose arguments hold
//! the same texts, with how many they are, the first and the last. A filter that these decide is asked of each sort once, and
//! what is counted by them is counted without a look at an event. An index keeps them of chunks in which sorts are few.

use afterimage_format::{Choose, Chunk, ErrorKind, Heads, Held, Zone};
use afterimage_model::{EventFlags, FileId, Tables, TypeId};
use afterimage_query::{Argument, Arguments, Lists};
use bincode::{Decode, Encode};
use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::index::{Gather, TICK, Times};
use crate::session::Session;

/// Which chunks such sorts are kept of.
#[derive(Clone, Copy, Debug)]
pub struct Summing {
    /// Those with so many events at least: fewer are looked at in no time.
    pub events: u64,
    /// Those in which a sort has so many events on average, at least.
    pub alike: u64,
    /// Bytes that they may take of a million events, roughly.
    pub bytes: u64,
}

impl Default for Summing {
    fn default() -> Summing {
        Summing {
            events: 4096,
            alike: 8,
            bytes: 60_000,
        }
    }
}

/// Bytes that a sort takes, compressed, roughly.
pub(crate) const BYTES: u64 = 6;

/// Arguments of an event by number, each with what it holds.
pub(crate) type HeldArgs = SmallVec<[(usize, Held); 2]>;

/// What arguments of an event hold that has text: a type by place, whether the first argument is 2, as of standard error, and
/// each such argument with what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
struct Says {
    ty: u16,
    is_second: bool,
    args: Vec<(u8, u64)>,
}

/// The sorts of a chunk's events, each list with one entry a sort, type by type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Alike {
    types: Vec<u16>,
    procs: Vec<u32>,
    files: Vec<u32>,
    marks: Vec<u16>,
    results: Vec<i64>,
    /// 0, or 1 + place in `said`.
    says: Vec<u32>,
    counts: Vec<u64>,
    /// Whole [`TICK`]s since the one in which the chunk begins.
    firsts: Vec<u64>,
    lasts: Vec<u64>,
    said: Vec<Says>,
}

/// What makes events alike.
type Sort = (u16, u32, u32, u16, i64, u32);

fn coded(held: Held) -> Option<u64> {
    match held {
        Held::Number(_) => None,
        Held::Text(place) => Some(u64::from(place) << 1),
        Held::Payload(place) => Some(u64::from(place) << 1 | 1),
    }
}

/// What a sort's argument holds.
fn held(code: u64) -> Held {
    let place = u32::try_from(code >> 1).unwrap_or(u32::MAX);
    match code & 1 {
        0 => Held::Text(place),
        _ => Held::Payload(place),
    }
}

impl Alike {
    /// Those of a chunk; `None` where they are too many, or its lists cannot be read.
    pub(crate) fn of(
        session: &Session,
        at: usize,
        gather: &mut Gather,
        summing: Summing,
    ) -> Option<Alike> {
        let events = session.chunks().get(at)?.events;
        if events < summing.events.max(1) {
            return None;
        }
        let mut making = Making {
            session,
            gather,
            most: usize::try_from(events / summing.alike.max(1)).ok()?,
            made: None,
        };
        session.pick(at, &mut making).ok()?;
        making.made
    }

    /// How many sorts there are.
    pub(crate) fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether the lists are as long as each other.
    pub(crate) fn is_sound(&self) -> bool {
        let lens = [
            self.procs.len(),
            self.files.len(),
            self.marks.len(),
            self.results.len(),
            self.says.len(),
            self.counts.len(),
            self.firsts.len(),
            self.lasts.len(),
        ];
        lens.iter().all(|len| *len == self.len()) && self.types.is_sorted()
    }

    /// How many texts in arguments are told apart.
    pub(crate) fn said(&self) -> usize {
        self.said.len()
    }

    /// What arguments hold: a type by place, whether the first argument is 2, and what holds what.
    pub(crate) fn says(&self, number: usize) -> Option<(usize, bool, HeldArgs)> {
        let says = self.said.get(number)?;
        let args = says.args.iter();
        let args = args.map(|(slot, code)| (usize::from(*slot), held(*code)));
        Some((usize::from(says.ty), says.is_second, args.collect()))
    }

    /// Process and file of a sort by their places, and the number of what it says.
    pub(crate) fn who(&self, sort: usize) -> Option<(u32, u32, Option<usize>)> {
        let says = *self.says.get(sort)? as usize;
        Some((
            *self.procs.get(sort)?,
            *self.files.get(sort)?,
            says.checked_sub(1),
        ))
    }

    /// How many events are of a sort, the first and the last, rounded outwards.
    pub(crate) fn times(&self, sort: usize, zone: &Zone) -> Option<Times> {
        let base = zone.start.0 / TICK;
        let at = |ticks: u64| base.saturating_add(ticks).saturating_mul(TICK);
        Some(Times::of(
            *self.counts.get(sort)?,
            at(*self.firsts.get(sort)?),
            at(*self.lasts.get(sort)?),
        ))
    }
}

/// Takes the sorts from a chunk's lists, and no event.
struct Making<'s> {
    session: &'s Session,
    gather: &'s mut Gather,
    most: usize,
    made: Option<Alike>,
}

impl Choose for Making<'_> {
    fn lists(
        &mut self,
        heads: &Heads<'_>,
        _tables: &Tables,
    ) -> Result<Option<Vec<u64>>, ErrorKind> {
        self.made = self.make(heads)?;
        Ok(Some(Vec::new()))
    }

    fn events(&mut self, _chunk: &Chunk, places: &[u32]) -> Vec<bool> {
        vec![false; places.len()]
    }
}

impl Making<'_> {
    fn make(&mut self, heads: &Heads<'_>) -> Result<Option<Alike>, ErrorKind> {
        let zone = heads.zone();
        let types: Vec<TypeId> = zone.types.iter().map(|row| row.0).collect();
        let (kinds, marks) = (heads.types()?, heads.marks()?);
        let (procs, files) = (heads.procs()?, heads.files()?);
        let mut results = vec![0; kinds.len()];
        let mut said = Vec::new();
        let mut says = vec![0; kinds.len()];
        let mut numbers: HashMap<Says, u32> = HashMap::new();
        for (place, found) in (heads.results(&vec![true; types.len()])?.into_iter()).enumerate() {
            let (rows, of_type) = found.unwrap_or_default();
            for (row, result) in rows.iter().zip(of_type) {
                if let Some(slot) = results.get_mut(*row as usize) {
                    *slot = *result;
                }
            }
            let Some(ty) = types.get(place) else {
                continue;
            };
            let steps: SmallVec<[usize; 4]> = (self.gather.steps(self.session.schema(), *ty))
                .iter()
                .map(|step| step.0)
                .collect();
            if steps.is_empty() {
                continue;
            }
            let args = heads.args(place)?;
            for (nth, row) in rows.iter().enumerate() {
                let held = steps.iter().filter_map(|slot| {
                    let code = args.get(*slot, nth).and_then(coded)?;
                    Some((u8::try_from(*slot).ok()?, code))
                });
                let held: Vec<(u8, u64)> = held.collect();
                if held.is_empty() {
                    continue;
                }
                let one = Says {
                    ty: u16::try_from(place).unwrap_or(u16::MAX),
                    is_second: args.get(0, nth) == Some(Held::Number(2)),
                    args: held,
                };
                let number = match numbers.get(&one) {
                    Some(number) => *number,
                    None => {
                        said.push(one.clone());
                        let number = u32::try_from(said.len()).unwrap_or(u32::MAX);
                        numbers.insert(one, number);
                        number
                    }
                };
                if said.len() > self.most {
                    return Ok(None);
                }
                if let Some(slot) = says.get_mut(*row as usize) {
                    *slot = number;
                }
            }
        }
        let internal: Vec<bool> = (types.iter())
            .map(|ty| self.session.is_internal_type(*ty))
            .collect();
        let mut sorts: HashMap<Sort, Times> = HashMap::new();
        // Neighbours are mostly of one thread, and often alike.
        let mut last: Option<(Sort, Times)> = None;
        let times = heads.times()?.iter();
        let rows = times.zip(kinds).zip(procs).zip(files).zip(marks);
        for ((((((time, ty), proc), file), marks), result), says) in rows.zip(&results).zip(&says) {
            let is_hidden = EventFlags(*marks).has(EventFlags::INTERNAL);
            if is_hidden || internal.get(usize::from(*ty)).is_some_and(|is| *is) {
                continue;
            }
            let sort = (*ty, *proc, *file, *marks, *result, *says);
            match &mut last {
                Some((same, times)) if *same == sort => times.add(*time),
                last => {
                    if let Some((sort, times)) = last.replace((sort, Times::once(*time))) {
                        add(&mut sorts, sort, &times);
                        if sorts.len() > self.most {
                            return Ok(None);
                        }
                    }
                }
            }
        }
        if let Some((sort, times)) = last {
            add(&mut sorts, sort, &times);
        }
        let mut sorts: Vec<(Sort, Times)> = sorts.into_iter().collect();
        sorts.sort_unstable_by_key(|sort| sort.0);
        let base = zone.start.0 / TICK;
        let mut made = Alike {
            said,
            ..Alike::default()
        };
        for ((ty, proc, file, marks, result, says), times) in sorts {
            made.types.push(ty);
            made.procs.push(proc);
            made.files.push(file);
            made.marks.push(marks);
            made.results.push(result);
            made.says.push(says);
            let (count, first, last) = times.parts();
            made.counts.push(count);
            made.firsts.push((first / TICK).saturating_sub(base));
            made.lasts.push(last.div_ceil(TICK).saturating_sub(base));
        }
        Ok(Some(made))
    }
}

fn add(sorts: &mut HashMap<Sort, Times>, sort: Sort, times: &Times) {
    (sorts.entry(sort).and_modify(|all| all.add_all(times))).or_insert(*times);
}

/// Why sorts do not tell.
pub(crate) enum Lacks {
    /// They are not told apart by that.
    This,
    /// The chunk cannot be read.
    Broken(ErrorKind),
}

/// The sorts of a chunk's events as a filter asks for lists.
pub(crate) struct Sorts<'a, 'b> {
    alike: &'a Alike,
    heads: &'a Heads<'b>,
    rows: Vec<u32>,
}

impl<'a, 'b> Sorts<'a, 'b> {
    pub fn new(alike: &'a Alike, heads: &'a Heads<'b>) -> Sorts<'a, 'b> {
        Sorts {
            alike,
            heads,
            rows: (0..).take(alike.len()).collect(),
        }
    }
}

impl Lists for Sorts<'_, '_> {
    type Error = Lacks;

    fn count(&self) -> usize {
        self.alike.len()
    }
    fn span(&self) -> (u64, u64) {
        (self.heads.zone().start.0, self.heads.zone().end.0)
    }
    fn types(&self) -> Result<&[u16], Lacks> {
        Ok(&self.alike.types)
    }
    fn procs(&self) -> Result<&[u32], Lacks> {
        Ok(&self.alike.procs)
    }
    fn files(&self) -> Result<(&[u32], &[FileId]), Lacks> {
        let listed = self.heads.file_list().map_err(Lacks::Broken)?;
        Ok((&self.alike.files, listed))
    }
    fn marks(&self) -> Result<&[u16], Lacks> {
        Ok(&self.alike.marks)
    }
    fn cpus(&self) -> Result<&[u16], Lacks> {
        Err(Lacks::This)
    }
    fn threads(&self) -> Result<&[u32], Lacks> {
        Err(Lacks::This)
    }
    fn latencies(&self) -> Result<&[u64], Lacks> {
        Err(Lacks::This)
    }
    fn times(&self) -> Result<&[u64], Lacks> {
        Err(Lacks::This)
    }
    fn results(
        &self,
        wanted: &[bool],
    ) -> Result<Vec<Option<afterimage_query::Results<'_>>>, Lacks> {
        let of = |(place, wanted): (usize, &bool)| {
            let place = u16::try_from(place).ok().filter(|_| *wanted)?;
            let types = &self.alike.types;
            let from = types.partition_point(|ty| *ty < place);
            let to = types.partition_point(|ty| *ty <= place);
            let results = self.alike.results.get(from..to);
            self.rows.get(from..to).zip(results)
        };
        Ok(wanted.iter().enumerate().map(of).collect())
    }
    fn arguments(&self, _place: usize, _number: usize) -> Result<Arguments<'_>, Lacks> {
        Err(Lacks::This)
    }
    fn kinds(&self, _place: usize, _number: usize) -> Result<(bool, bool), Lacks> {
        Err(Lacks::This)
    }
    fn bytes(&self, _argument: Argument) -> Result<(&[u8], u64), Lacks> {
        Err(Lacks::This)
    }
}
