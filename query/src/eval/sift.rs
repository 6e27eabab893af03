//! Which events of a chunk a filter may match, told from lists of single parts of them: instants, results, marks … An event is
//! not put together to find that it does not match.

mod arguments;
mod line;

use super::bits::Bits;
use super::memory::{Memory, Texts, remembered};
use super::{Among, Evaluator, Node, bare_ctx};
use crate::check::Matcher;
use crate::field::FieldRef;
use crate::source::Source;
use afterimage_model::{BootNs, Dependency, Event, EventFlags, FileId, ProcId, TypeId};

/// What an argument holds, as the lists tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Argument {
    /// Nothing was captured, or there is none.
    Nothing,
    /// A number.
    Number(i64),
    /// The bytes with this number, which is the same wherever they are held.
    Bytes(u64),
}

/// The rows of one type, each with what one of its arguments holds.
pub type Arguments<'l> = (&'l [u32], Vec<Argument>);

/// The rows of one type with their results.
pub type Results<'l> = (&'l [u32], &'l [i64]);

/// The events of a chunk, list by list, each with one entry a row. Rows are in an order of their own. A list is taken only when it
/// is needed.
pub trait Lists {
    /// Why a list cannot be had.
    type Error;
    /// How many events there are.
    fn count(&self) -> usize;
    /// Earliest and latest instant, ns since boot.
    fn span(&self) -> (u64, u64);
    /// Types: places in [`Among::types`].
    fn types(&self) -> Result<&[u16], Self::Error>;
    /// Processes: places in [`Among::procs`].
    fn procs(&self) -> Result<&[u32], Self::Error>;
    /// Files: 0 for none, else 1 + place in the second list.
    fn files(&self) -> Result<(&[u32], &[FileId]), Self::Error>;
    /// Marks.
    fn marks(&self) -> Result<&[u16], Self::Error>;
    /// CPUs.
    fn cpus(&self) -> Result<&[u16], Self::Error>;
    /// Thread ids.
    fn threads(&self) -> Result<&[u32], Self::Error>;
    /// Latencies; 0 for none.
    fn latencies(&self) -> Result<&[u64], Self::Error>;
    /// Instants, ns since boot.
    fn times(&self) -> Result<&[u64], Self::Error>;
    /// For each type that is wanted, by place, its rows with their results.
    fn results(&self, wanted: &[bool]) -> Result<Vec<Option<Results<'_>>>, Self::Error>;
    /// The rows of a type, by place, with what their argument of this number holds.
    fn arguments(&self, place: usize, number: usize) -> Result<Arguments<'_>, Self::Error>;
    /// Whether the argument of this number is a number in any row of a type, by place, and bytes in any.
    fn kinds(&self, place: usize, number: usize) -> Result<(bool, bool), Self::Error>;
    /// The bytes that an argument holds, and how many they were.
    fn bytes(&self, argument: Argument) -> Result<(&[u8], u64), Self::Error>;
}

/// Which rows may match, and which may not; of the rows that were asked for each is one or both.
struct Split {
    holds: Bits,
    fails: Bits,
}

/// Answers by what decides them.
struct Answers {
    known: Vec<(i64, u32, u32, Option<bool>)>,
}

/// Answers that are remembered.
const ANSWERS: usize = 1024;

impl Answers {
    fn new() -> Answers {
        Answers {
            known: vec![(0, 0, 0, None); ANSWERS],
        }
    }

    /// The answer for a number, a row, and type and marks.
    fn of(&mut self, number: i64, row: u32, kind: u32, ask: impl FnOnce() -> bool) -> bool {
        let mixed = (number as u64 ^ u64::from(row) << 40 ^ u64::from(kind) << 17)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let Some(slot) = self.known.get_mut((mixed >> 54) as usize) else {
            return ask();
        };
        if let (known, of, what, Some(answer)) = *slot
            && (known, of, what) == (number, row, kind)
        {
            return answer;
        }
        let answer = ask();
        *slot = (number, row, kind, Some(answer));
        answer
    }
}

/// Type and marks in one.
fn kind(ty: u16, marks: u16) -> u32 {
    u32::from(ty) << 16 | u32::from(marks)
}

struct Sift<'a, 'l, L> {
    among: &'a Among<'a>,
    lists: &'l L,
    memories: &'a mut [Memory],
    counts: &'a mut Texts,
    /// Of which only as much is there as what is asked depends on.
    event: Event,
}

impl<L: Lists> Sift<'_, '_, L> {
    /// What a node answers for the event as it stands.
    fn ask(&mut self, node: &Node) -> bool {
        let ctx = bare_ctx(
            self.among.manifest,
            self.among.schema,
            self.among.tables,
            &self.event,
        );
        let ctx = afterimage_model::Ctx {
            first_ns: self.among.first_ns,
            ..ctx
        };
        let (memories, counts) = (&mut *self.memories, &mut *self.counts);
        node.matches(&ctx, &mut |on, slot, node, ask| {
            remembered(memories, counts, &ctx, on, slot, node, ask)
        })
    }

    fn ask_type(&mut self, node: &Node, place: u16) -> bool {
        self.become_type(usize::from(place));
        self.ask(node)
    }

    /// Makes the event one of the type at a place.
    fn become_type(&mut self, place: usize) {
        self.event.ty = self.among.types.get(place).map_or(TypeId(0), |ty| *ty);
    }

    /// Sorts out the rows of a set.
    fn split(&mut self, node: &Node, rows: &Bits) -> Result<Split, L::Error> {
        let unknown = || Split {
            holds: rows.clone(),
            fails: rows.clone(),
        };
        if rows.is_empty() {
            return Ok(unknown());
        }
        let holds = match node {
            Node::All => rows.clone(),
            Node::Not(inner) => {
                let Split { holds, fails } = self.split(inner, rows)?;
                return Ok(Split {
                    holds: fails,
                    fails: holds,
                });
            }
            // What certainly fails is not asked the other conditions, what certainly holds not the other alternatives.
            Node::And(parts) => {
                let (mut holds, mut fails) = (rows.clone(), Bits::none(self.lists.count()));
                for part in parts {
                    let one = self.split(part, &holds)?;
                    fails.add(&one.fails);
                    holds.keep(&one.holds);
                }
                return Ok(Split { holds, fails });
            }
            Node::Or(parts) => {
                let (mut holds, mut fails) = (Bits::none(self.lists.count()), rows.clone());
                for part in parts {
                    let one = self.split(part, &fails)?;
                    holds.add(&one.holds);
                    fails.keep(&one.fails);
                }
                return Ok(Split { holds, fails });
            }
            Node::Since(_) => return Ok(unknown()),
            Node::Test(Dependency::Event, ..) | Node::Once(Dependency::Event, ..) => {
                let split = self.by_argument(node, rows)?;
                return Ok(split.unwrap_or_else(unknown));
            }
            Node::Test(on, ..) | Node::Once(on, ..) => match self.part(node, *on, rows)? {
                Some(holds) => holds,
                None => return Ok(unknown()),
            },
        };
        let mut fails = rows.clone();
        fails.drop(&holds);
        Ok(Split { holds, fails })
    }

    /// The rows of a set of which a test holds; `None` where it is not told from lists.
    fn part(&mut self, node: &Node, on: Dependency, rows: &Bits) -> Result<Option<Bits>, L::Error> {
        let lists = self.lists;
        Ok(Some(match on {
            // The first of them was asked by its arguments.
            Dependency::Event | Dependency::Head => return Ok(None),
            Dependency::Type => {
                let places = 0..u16::try_from(self.among.types.len()).unwrap_or(u16::MAX);
                let answers: Vec<bool> = places.map(|place| self.ask_type(node, place)).collect();
                match (answers.contains(&true), answers.contains(&false)) {
                    (true, true) => chosen(rows, lists.types()?, &answers),
                    (true, false) => rows.clone(),
                    (false, _) => Bits::none(lists.count()),
                }
            }
            Dependency::Process => {
                let procs = self.among.procs;
                let mut ask = |proc: &ProcId| {
                    self.event.proc = *proc;
                    self.ask(node)
                };
                let answers: Vec<bool> = procs.iter().map(&mut ask).collect();
                chosen(rows, lists.procs()?, &answers)
            }
            Dependency::File => {
                let (files, known) = lists.files()?;
                let mut ask = |file: Option<FileId>| {
                    self.event.file = file;
                    self.ask(node)
                };
                let all = std::iter::once(None).chain(known.iter().copied().map(Some));
                let answers: Vec<bool> = all.map(&mut ask).collect();
                self.event.file = None;
                chosen(rows, files, &answers)
            }
            Dependency::Marks => {
                let marks = lists.marks()?;
                self.by_number(node, rows, marks, marks, |_, _| {})?
            }
            Dependency::Cpu => {
                let marks = lists.marks()?;
                self.by_number(node, rows, lists.cpus()?, marks, |event, cpu| {
                    event.cpu = cpu
                })?
            }
            Dependency::Thread => {
                let marks = lists.marks()?;
                self.by_number(node, rows, lists.threads()?, marks, |event, tid| {
                    event.tid = tid
                })?
            }
            Dependency::Latency => {
                let set = |event: &mut Event, ns| event.latency_ns = ns;
                self.by_number(node, rows, lists.latencies()?, &[], set)?
            }
            Dependency::Instant => self.by_instant(node, rows)?,
            Dependency::Time => match self.turn(node) {
                Some((from, later)) => {
                    let (start, end) = lists.span();
                    match (from <= start, from > end) {
                        (true, _) if later => rows.clone(),
                        (_, true) if !later => rows.clone(),
                        (true, _) | (_, true) => Bits::none(lists.count()),
                        _ => rows.those(lists.times()?, |_, time| (time >= from) == later),
                    }
                }
                None => self.by_instant(node, rows)?,
            },
            Dependency::Result | Dependency::Outcome => self.by_result(node, on, rows)?,
        }))
    }

    /// As a number decides it, together with the type and what marks there are.
    fn by_number<T: Copy + Into<u64>>(
        &mut self,
        node: &Node,
        rows: &Bits,
        values: &[T],
        marks: &[u16],
        set: impl Fn(&mut Event, T),
    ) -> Result<Bits, L::Error> {
        let types = self.lists.types()?;
        let mut answers = Answers::new();
        Ok(rows.those(values, |row, value| {
            let Some(ty) = types.get(row).copied() else {
                return true;
            };
            let marks = marks.get(row).copied().unwrap_or(0);
            answers.of(value.into() as i64, 0, kind(ty, marks), || {
                self.event.flags = EventFlags(marks);
                set(&mut self.event, value);
                self.ask_type(node, ty)
            })
        }))
    }

    fn by_instant(&mut self, node: &Node, rows: &Bits) -> Result<Bits, L::Error> {
        Ok(rows.those(self.lists.times()?, |_, time| {
            self.event.time = BootNs(time);
            self.ask(node)
        }))
    }

    /// Where the answer to a comparison that goes by order turns, and whether it holds from there on or before: of a field whose
    /// values rise with time. `None` when it may turn more than once.
    fn turn(&mut self, node: &Node) -> Option<(u64, bool)> {
        let Node::Test(_, left, matcher) = node else {
            return None;
        };
        left.field()?;
        if !matches!(**matcher, Matcher::Order(..) | Matcher::TextOrder(..)) {
            return None;
        }
        let (start, end) = self.lists.span();
        if start > end || self.day(start)? != self.day(end)? {
            return None;
        }
        let mut at = |time: u64| {
            self.event.time = BootNs(time);
            self.ask(node)
        };
        let (first, last) = (at(start), at(end));
        if first == last {
            return Some((start, first));
        }
        let (mut before, mut from) = (start, end);
        while from - before > 1 {
            let middle = before + (from - before) / 2;
            match at(middle) == last {
                true => from = middle,
                false => before = middle,
            }
        }
        Some((from, last))
    }

    /// The day of an instant on the recorded host.
    fn day(&mut self, time: u64) -> Option<Vec<u8>> {
        let field = Source::Field(FieldRef::parse("evt.datetime").ok()?);
        self.event.time = BootNs(time);
        let ctx = bare_ctx(
            self.among.manifest,
            self.among.schema,
            self.among.tables,
            &self.event,
        );
        let text = field.value(&ctx)?.text().into_owned();
        text.split(|b| *b == b' ').next().map(<[u8]>::to_vec)
    }

    /// As the result decides it, together with type, marks, and for an outcome the file.
    fn by_result(&mut self, node: &Node, on: Dependency, rows: &Bits) -> Result<Bits, L::Error> {
        let (types, marks) = (self.lists.types()?, self.lists.marks()?);
        let mut wanted = vec![false; self.among.types.len()];
        rows.those(types, |_, ty| {
            if let Some(wanted) = wanted.get_mut(usize::from(ty)) {
                *wanted = true;
            }
            false
        });
        let files = match on {
            Dependency::Outcome => Some(self.lists.files()?),
            _ => None,
        };
        let mut answers = Answers::new();
        let mut found = Bits::none(self.lists.count());
        let results = self.lists.results(&wanted)?;
        for (place, results) in (0..=u16::MAX).zip(results) {
            let Some((of_type, results)) = results else {
                continue;
            };
            for (row, result) in of_type.iter().zip(results) {
                let row = *row as usize;
                if !rows.holds(row) {
                    continue;
                }
                let marks = marks.get(row).copied().unwrap_or(0);
                let file = files
                    .and_then(|(files, _)| files.get(row))
                    .map_or(0, |file| *file);
                let holds = answers.of(*result, file, kind(place, marks), || {
                    self.event.flags = EventFlags(marks);
                    self.event.result = *result;
                    self.event.file = files.and_then(|(_, known)| {
                        known
                            .get(usize::try_from(file.checked_sub(1)?).ok()?)
                            .copied()
                    });
                    self.ask_type(node, place)
                });
                if holds {
                    found.put(row);
                }
            }
        }
        self.event.file = None;
        Ok(found)
    }
}

/// The rows of a set whose place has the answer yes.
fn chosen<T: Copy + Into<u32>>(rows: &Bits, places: &[T], answers: &[bool]) -> Bits {
    rows.those(places, |_, place| {
        answers.get(place.into() as usize).copied().unwrap_or(false)
    })
}

/// What was sorted out of the rows of a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sifted {
    /// The rows that may match, one bit each, row 0 the lowest of the first word; `None` when nothing can be left out.
    pub rows: Option<Vec<u64>>,
    /// Each of them does match.
    pub sure: bool,
}

impl Evaluator {
    /// Which rows of a chunk may match: those left out certainly do not. Only those of `within` are asked, and only those are
    /// among them.
    ///
    /// # Errors
    /// When a list that is needed cannot be had.
    pub fn sift<L: Lists>(
        &mut self,
        among: &Among<'_>,
        lists: &L,
        within: Option<Vec<u64>>,
    ) -> Result<Sifted, L::Error> {
        // Whether it is asked of an event changes what it says of the next.
        if self.filter.plan.since {
            return Ok(Sifted::default());
        }
        let all = match within {
            Some(words) => Bits::of_words(words, lists.count()),
            None => Bits::all(lists.count()),
        };
        let mut sift = Sift {
            among,
            lists,
            memories: &mut self.memories,
            counts: &mut self.texts,
            event: Event::of_type(TypeId(0)),
        };
        let Split { holds, mut fails } = sift.split(&self.filter.plan.root, &all)?;
        fails.keep(&holds);
        let sure = fails.is_empty();
        let rows = (holds != Bits::all(lists.count())).then(|| holds.into_words());
        Ok(Sifted { rows, sure })
    }
}
