//! Groups of events: the key of each, and what becomes of its other columns.

use crate::cell::{Cell, Key};
use crate::error::Error;
use crate::reading::FieldReader;
use crate::rows::MOST_GROUPS;
use afterimage_model::Ctx;
use afterimage_query::{Aggregate, FieldRef, View};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Most key columns of a view.
pub(crate) const MOST_KEYS: usize = 8;

/// What a column of one group has come to so far.
#[derive(Clone, Debug)]
enum State {
    Key,
    Sum(i128),
    /// A sum of what was told, if anything was.
    Told(Option<i128>),
    Mean(i128, u64),
    /// By thread, the sum and the number of values.
    Threads(BTreeMap<u32, (f64, u64)>),
    /// By thread, the largest value.
    Peaks(BTreeMap<u32, i128>),
    Count(u64),
    Distinct(HashSet<u32>),
    /// The first or last value, by its number among the column's values, and the number of the event that has it.
    Id(Option<(u64, u32)>),
    /// The same where values are not interned, because nearly every event has another one; also the largest or smallest.
    Value(u64, Key),
}

/// One group.
pub(crate) struct Group {
    pub keys: [u32; MOST_KEYS],
    states: Vec<State>,
    pub events: u64,
    pub first_num: u64,
}

/// The groups of a view.
pub(crate) struct Groups {
    readers: Vec<(Aggregate, FieldReader)>,
    by_key: HashMap<[u32; MOST_KEYS], usize>,
    pub groups: Vec<Group>,
    /// Some groups were left out because there are too many.
    pub truncated: bool,
}

/// Reads a field that a view's table names.
pub(crate) fn view_field(view: &View, name: &str) -> Result<FieldRef, Error> {
    FieldRef::parse(name).map_err(|source| Error::View {
        view: view.id,
        source,
    })
}

impl Groups {
    pub fn new(view: &View) -> Result<Groups, Error> {
        let readers = view
            .columns
            .iter()
            .map(|column| {
                Ok((
                    column.aggregate,
                    FieldReader::new(view_field(view, column.field)?),
                ))
            })
            .collect::<Result<_, Error>>()?;
        Ok(Groups {
            readers,
            by_key: HashMap::new(),
            groups: Vec::new(),
            truncated: false,
        })
    }

    /// Other tables follow.
    pub fn forget_rows(&mut self) {
        for (_, reader) in &mut self.readers {
            reader.forget_rows();
        }
    }

    /// Adds an event; gives the place of its group, unless there are too many.
    pub fn add(&mut self, ctx: &Ctx<'_>) -> Option<usize> {
        self.add_all(ctx, ctx, 1)
    }

    /// Adds so many events that are alike, the first and the last of them.
    pub fn add_all(&mut self, first: &Ctx<'_>, last: &Ctx<'_>, events: u64) -> Option<usize> {
        let at = self.place(first)?;
        let group = self.groups.get_mut(at)?;
        if group.events == 0 || first.num < group.first_num {
            group.first_num = first.num;
        }
        group.events = group.events.saturating_add(events);
        for (state, (aggregate, reader)) in group.states.iter_mut().zip(&mut self.readers) {
            let one = match aggregate {
                Aggregate::Last => last,
                _ => first,
            };
            state.add(*aggregate, reader, one, events);
        }
        Some(at)
    }

    /// The fields of the columns, each with whether only the first or the last value is taken.
    pub fn asked(&self) -> impl Iterator<Item = (&FieldRef, bool)> {
        let at_an_end = |aggregate| matches!(aggregate, Aggregate::First | Aggregate::Last);
        let readers = self.readers.iter();
        readers.map(move |(aggregate, reader)| (reader.field(), at_an_end(*aggregate)))
    }

    /// Adds a sample that another recorder took of a thread, for its own books. It is no event: only columns of what was sampled
    /// look at it.
    pub fn sample(&mut self, ctx: &Ctx<'_>) {
        let place = self.place(ctx);
        let Some(group) = place.and_then(|at| self.groups.get_mut(at)) else {
            return;
        };
        let is_new = group.events == 0;
        for (state, (aggregate, reader)) in group.states.iter_mut().zip(&mut self.readers) {
            let says = matches!(aggregate, Aggregate::First | Aggregate::Last) && is_new;
            if says || is_sampled(*aggregate) {
                state.add(*aggregate, reader, ctx, 1);
            }
        }
    }

    /// Whether there is a column of what is sampled.
    pub fn has_samples(&self) -> bool {
        self.readers.iter().any(|row| is_sampled(row.0))
    }

    /// The place of an event's group.
    fn place(&mut self, ctx: &Ctx<'_>) -> Option<usize> {
        let mut key = [0; MOST_KEYS];
        let readers = self
            .readers
            .iter_mut()
            .filter(|(aggregate, _)| *aggregate == Aggregate::Key);
        for (slot, (_, reader)) in key.iter_mut().zip(readers) {
            *slot = reader.id(ctx);
        }
        if let Some(at) = self.by_key.get(&key) {
            return Some(*at);
        }
        if self.groups.len() >= MOST_GROUPS {
            self.truncated = true;
            return None;
        }
        let at = self.groups.len();
        let states = self
            .readers
            .iter()
            .map(|(aggregate, reader)| State::start(*aggregate, reader))
            .collect();
        self.groups.push(Group {
            keys: key,
            states,
            events: 0,
            first_num: ctx.num,
        });
        self.by_key.insert(key, at);
        Some(at)
    }

    /// The keys of a group, in the order of the view's key columns.
    pub fn keys<'g>(&'g self, group: &'g Group) -> impl Iterator<Item = (&'g FieldRef, &'g Key)> {
        let readers = self
            .readers
            .iter()
            .filter(|(aggregate, _)| *aggregate == Aggregate::Key);
        readers
            .zip(group.keys)
            .map(|((_, reader), id)| (reader.field(), reader.key(id)))
    }

    /// The cells of a group. `seconds` is the length of the span shown, for rates.
    pub fn cells(&self, group: &Group, seconds: f64) -> Vec<Cell> {
        let mut keys = self.keys(group);
        self.readers
            .iter()
            .zip(&group.states)
            .map(|((aggregate, reader), state)| match state {
                State::Key => keys
                    .next()
                    .map_or(Cell::Missing, |(_, key)| Cell::from(key)),
                State::Sum(n) if *aggregate == Aggregate::Rate => Cell::Float(*n as f64 / seconds),
                State::Sum(n) => Cell::Number(*n),
                State::Told(sum) => sum.map_or(Cell::Missing, Cell::Number),
                State::Threads(all) if all.is_empty() => Cell::Missing,
                State::Threads(all) => {
                    Cell::Float(all.values().map(|(sum, count)| sum / *count as f64).sum())
                }
                State::Peaks(all) if all.is_empty() => Cell::Missing,
                State::Peaks(all) => Cell::Number(all.values().sum()),
                State::Mean(_, 0) => Cell::Missing,
                State::Mean(sum, count) => Cell::Float(*sum as f64 / *count as f64),
                State::Count(n) => Cell::Number(i128::from(*n)),
                State::Distinct(ids) => Cell::Number(ids.len() as i128),
                State::Id(id) => id.map_or(Cell::Missing, |(_, id)| Cell::from(reader.key(id))),
                State::Value(_, key) => Cell::from(key),
            })
            .collect()
    }
}

/// Whether a column joins what is sampled.
pub(crate) fn is_sampled(aggregate: Aggregate) -> bool {
    matches!(
        aggregate,
        Aggregate::Told | Aggregate::Threads | Aggregate::Peaks
    )
}

impl State {
    fn start(aggregate: Aggregate, reader: &FieldReader) -> State {
        match aggregate {
            Aggregate::Key => State::Key,
            Aggregate::Sum | Aggregate::Rate => State::Sum(0),
            Aggregate::Told => State::Told(None),
            Aggregate::Avg => State::Mean(0, 0),
            Aggregate::Threads => State::Threads(BTreeMap::new()),
            Aggregate::Peaks => State::Peaks(BTreeMap::new()),
            Aggregate::Count => State::Count(0),
            Aggregate::Distinct => State::Distinct(HashSet::new()),
            Aggregate::First | Aggregate::Last if reader.is_of_a_row() => State::Id(None),
            Aggregate::First | Aggregate::Last | Aggregate::Max | Aggregate::Min => {
                State::Value(0, Key::Missing)
            }
        }
    }

    /// Adds so many events that are alike.
    fn add(&mut self, aggregate: Aggregate, reader: &mut FieldReader, ctx: &Ctx<'_>, events: u64) {
        let times = |n: i128| n.saturating_mul(i128::from(events));
        match self {
            State::Key => {}
            State::Sum(sum) => {
                if let Some(n) = reader.number(ctx) {
                    *sum = sum.saturating_add(times(n));
                }
            }
            State::Told(sum) => {
                if let Some(n) = reader.number(ctx) {
                    *sum = Some(sum.unwrap_or(0).saturating_add(times(n)));
                }
            }
            State::Threads(all) => {
                if let Some(n) = reader.fraction(ctx) {
                    let (sum, count) = all.entry(ctx.event.tid).or_default();
                    *sum += n * events as f64;
                    *count += events;
                }
            }
            State::Peaks(all) => {
                if let Some(n) = reader.number(ctx) {
                    let most = all.entry(ctx.event.tid).or_insert(n);
                    *most = n.max(*most);
                }
            }
            State::Mean(sum, count) => {
                if let Some(n) = reader.number(ctx) {
                    *sum = sum.saturating_add(times(n));
                    *count += events;
                }
            }
            State::Count(count) => {
                *count += u64::from(reader.field().value(ctx).is_some()) * events;
            }
            State::Distinct(ids) => {
                let id = reader.id(ctx);
                if *reader.key(id) != Key::Missing {
                    ids.insert(id);
                }
            }
            State::Id(slot) => {
                if !is_nearer_the_end(aggregate, slot.map(|(num, _)| num), ctx.num) {
                    return;
                }
                let id = reader.id(ctx);
                if *reader.key(id) != Key::Missing {
                    *slot = Some((ctx.num, id));
                }
            }
            State::Value(num, slot) => {
                let known = (*slot != Key::Missing).then_some(*num);
                let is_end = matches!(aggregate, Aggregate::First | Aggregate::Last);
                if is_end && !is_nearer_the_end(aggregate, known, ctx.num) {
                    return;
                }
                let value = reader.value(ctx);
                let better = match aggregate {
                    Aggregate::Max => *slot == Key::Missing || value > *slot,
                    Aggregate::Min => *slot == Key::Missing || value < *slot,
                    _ => true,
                };
                if value != Key::Missing && better {
                    (*num, *slot) = (ctx.num, value);
                }
            }
        }
    }
}

/// Whether an event stands before the first or behind the last that is known.
fn is_nearer_the_end(aggregate: Aggregate, known: Option<u64>, num: u64) -> bool {
    match (known, aggregate) {
        (None, _) => true,
        (Some(known), Aggregate::First) => num < known,
        (Some(known), _) => num >= known,
    }
}
