//! What is known of the events of a chunk, list by list, each taken when it is first asked for: nothing else of the chunk is
//! decompressed or checked. Rows are thread by thread; the order of the file is a list of its own.
#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::arithmetic_side_effects
)]

use crate::args_read::Slots;
use crate::chunk_lists::Grouped;
use crate::chunk_read::{Body, Zone};
use crate::codec::take_steps;
use crate::dictionary::Dictionary;
use crate::error::{ErrorKind, limit, malformed};
use crate::layout::column;
use crate::order::{by_time, in_order};
use afterimage_model::{Abi, BootNs, Event, EventFlags, FileId, TypeId};
use std::cell::{Cell, OnceCell};

/// A list, taken when it is first asked for.
type Once<T> = OnceCell<Vec<T>>;

/// The rows of one type with their results.
pub type Results<'h> = (&'h [u32], &'h [i64]);

/// The lists of a chunk's events, each with one entry a row.
pub struct Heads<'b> {
    pub(crate) body: &'b Body<'b>,
    pub(crate) count: usize,
    threads: Once<(u32, usize)>,
    tids: Once<u32>,
    types: Once<u16>,
    grouped: OnceCell<Grouped>,
    marks: Once<u16>,
    cpus: Once<u16>,
    abis: Once<i64>,
    procs: Once<u32>,
    files: Once<u32>,
    file_list: Once<FileId>,
    waits: OnceCell<Waits>,
    steps: Once<i64>,
    times: Once<u64>,
    latencies: Once<u64>,
    order: Once<u32>,
    results: Once<Once<i64>>,
    rest: Once<Rest>,
    slots: Once<OnceCell<Option<Slots>>>,
    /// Arguments that were taken so far.
    spent: Cell<u64>,
    texts: OnceCell<Dictionary<'b>>,
    payloads: OnceCell<Dictionary<'b>>,
}

/// What an argument holds, without the bytes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Held {
    /// A number.
    Number(i64),
    /// A text: its place, which stands for its bytes wherever in the chunk it is held.
    Text(u32),
    /// A payload, likewise.
    Payload(u32),
}

/// The arguments of the events of a type, in the order of its rows.
#[derive(Clone, Copy)]
pub struct Args<'h>(Option<&'h Slots>);

impl Args<'_> {
    /// The argument of this number of the event that is the so-maniest of its type; `None` where it has none, or nothing was
    /// captured of it.
    pub fn get(&self, number: usize, nth: usize) -> Option<Held> {
        self.0?.held(number, nth)
    }

    /// Whether the argument of this number is a number in any of the events, and bytes in any.
    pub fn kinds(&self, number: usize) -> (bool, bool) {
        self.0.map_or((false, false), |slots| slots.kinds(number))
    }
}

/// Which rows have a latency, and what those rows say of it.
pub(crate) struct Waits {
    pub waits: Vec<bool>,
    /// Those that have one, type by type.
    pub rows: Vec<u32>,
    /// What those say of it.
    pub lost: Vec<i64>,
}

/// Results and arguments of a type without a column of its own.
pub(crate) struct Rest {
    pub place: usize,
    pub results: Vec<i64>,
    pub slots: Slots,
}

/// What a cell holds, made when it is first asked for.
fn once<T>(
    cell: &OnceCell<T>,
    make: impl FnOnce() -> Result<T, ErrorKind>,
) -> Result<&T, ErrorKind> {
    if let Some(made) = cell.get() {
        return Ok(made);
    }
    let made = make()?;
    Ok(cell.get_or_init(|| made))
}

impl<'b> Heads<'b> {
    pub(crate) fn new(body: &'b Body<'b>) -> Result<Heads<'b>, ErrorKind> {
        let count = usize::try_from(body.zone.events).map_err(|_| malformed("zone map"))?;
        Ok(Heads {
            body,
            count,
            threads: OnceCell::new(),
            tids: OnceCell::new(),
            types: OnceCell::new(),
            grouped: OnceCell::new(),
            marks: OnceCell::new(),
            cpus: OnceCell::new(),
            abis: OnceCell::new(),
            procs: OnceCell::new(),
            files: OnceCell::new(),
            file_list: OnceCell::new(),
            waits: OnceCell::new(),
            steps: OnceCell::new(),
            times: OnceCell::new(),
            latencies: OnceCell::new(),
            order: OnceCell::new(),
            results: OnceCell::new(),
            rest: OnceCell::new(),
            slots: OnceCell::new(),
            spent: Cell::new(0),
            texts: OnceCell::new(),
            payloads: OnceCell::new(),
        })
    }

    /// What the chunk says of itself.
    pub fn zone(&self) -> &Zone {
        &self.body.zone
    }

    /// The threads and how many rows each has.
    ///
    /// # Errors
    /// When a column that holds it cannot be read; so with all lists.
    pub fn threads(&self) -> Result<&[(u32, usize)], ErrorKind> {
        let threads = once(&self.threads, || self.body.threads(self.count))?;
        Ok(threads)
    }

    /// The thread of each row.
    pub fn tids(&self) -> Result<&[u32], ErrorKind> {
        let tids = once(&self.tids, || {
            let mut tids = Vec::with_capacity(self.count);
            for (tid, run) in self.threads()? {
                limit("rows of a thread", *run as u64, self.count as u64)?;
                tids.extend(std::iter::repeat_n(*tid, *run));
            }
            Ok(tids)
        })?;
        Ok(tids)
    }

    /// Types: places in [`Zone::types`].
    pub fn types(&self) -> Result<&[u16], ErrorKind> {
        let types = once(&self.types, || match self.body.in_lists() {
            true => self.body.types_in_lists(self.count),
            false => self.body.types_in_rows(self.count),
        })?;
        Ok(types)
    }

    /// The rows type by type, which must be as many as the zone map says.
    pub(crate) fn grouped(&self) -> Result<&Grouped, ErrorKind> {
        once(&self.grouped, || {
            Grouped::of(self.types()?, &self.body.zone.types)
        })
    }

    /// Marks.
    pub fn marks(&self) -> Result<&[u16], ErrorKind> {
        let marks = once(&self.marks, || match self.body.in_lists() {
            true => self.marks_in_lists(),
            false => self.in_rows(column::FLAGS, "flags column"),
        })?;
        Ok(marks)
    }

    /// CPUs.
    pub fn cpus(&self) -> Result<&[u16], ErrorKind> {
        let cpus = once(&self.cpus, || match self.body.in_lists() {
            true => self.body.narrow(column::CPUS, self.count),
            false => self.in_rows(column::CPU, "cpu column"),
        })?;
        Ok(cpus)
    }

    /// Processes: places in [`Zone::procs`].
    pub fn procs(&self) -> Result<&[u32], ErrorKind> {
        let procs = once(&self.procs, || {
            let procs = match self.body.in_lists() {
                true => self.body.narrow(column::PROCS, self.count)?,
                false => self.in_rows(column::PROC, "proc column")?,
            };
            let count = self.body.zone.procs.len();
            let is_bad = procs
                .iter()
                .fold(false, |bad, proc| bad | (*proc as usize >= count));
            match is_bad {
                true => Err(malformed("proc column")),
                false => Ok(procs),
            }
        })?;
        Ok(procs)
    }

    /// Files: 0 for none, else 1 + place in [`Heads::file_list`].
    pub fn files(&self) -> Result<&[u32], ErrorKind> {
        let files = once(&self.files, || {
            let files = match self.body.in_lists() {
                true => self.files_in_lists()?,
                false => self.in_rows(column::FILE, "file column")?,
            };
            match files.iter().max() {
                Some(most) if *most as usize > self.file_list()?.len() => {
                    Err(malformed("file column"))
                }
                _ => Ok(files),
            }
        })?;
        Ok(files)
    }

    /// The file rows that events point at.
    pub fn file_list(&self) -> Result<&[FileId], ErrorKind> {
        let files = once(&self.file_list, || {
            let files = take_steps(&self.body.bytes_of(column::FILE_LIST)?, u64::from(u32::MAX))?;
            Ok(files.iter().map(|id| FileId(*id as u32)).collect())
        })?;
        Ok(files)
    }

    pub(crate) fn waits(&self) -> Result<&Waits, ErrorKind> {
        once(&self.waits, || self.waits_in_lists())
    }

    /// Time since the row before in the same thread.
    pub(crate) fn steps(&self) -> Result<&[i64], ErrorKind> {
        let steps = once(&self.steps, || self.steps_in_lists())?;
        Ok(steps)
    }

    /// Instants, ns since boot.
    pub fn times(&self) -> Result<&[u64], ErrorKind> {
        let times = once(&self.times, || match self.body.in_lists() {
            true => self.times_in_lists(),
            false => self.times_in_rows(),
        })?;
        Ok(times)
    }

    /// Latencies; 0 for none.
    pub fn latencies(&self) -> Result<&[u64], ErrorKind> {
        let latencies = once(&self.latencies, || match self.body.in_lists() {
            true => self.latencies_in_lists(),
            false => {
                let latencies = self.body.ints(column::LATENCY, self.count)?;
                Ok(latencies.into_iter().map(|ns| ns as u64).collect())
            }
        })?;
        Ok(latencies)
    }

    fn abis(&self) -> Result<&[i64], ErrorKind> {
        let abis = once(&self.abis, || self.body.ints(column::ABI, self.count))?;
        Ok(abis)
    }

    /// For each position in the file, the row that stands there.
    pub fn order(&self) -> Result<&[u32], ErrorKind> {
        let order = once(&self.order, || {
            let by_time = by_time(self.times()?, self.body.zone.start.0);
            match self.body.has(column::ORDER, 0) {
                true => in_order(by_time, self.body.ints(column::ORDER, self.count)?),
                false => Ok(by_time),
            }
        })?;
        Ok(order)
    }

    /// For each type that is wanted, by place, its rows with their results.
    pub fn results(&self, wanted: &[bool]) -> Result<Vec<Option<Results<'_>>>, ErrorKind> {
        let grouped = self.grouped()?;
        let cells = self.results.get_or_init(|| {
            let kinds = self.body.zone.types.len();
            std::iter::repeat_with(OnceCell::new).take(kinds).collect()
        });
        let is_wanted = |place: usize| wanted.get(place).copied().unwrap_or(false);
        let is_missing =
            |place: usize| is_wanted(place) && cells.get(place).is_some_and(|c| c.get().is_none());
        if (0..cells.len()).any(is_missing) {
            let mut put = |place: usize, results: Vec<i64>| {
                if let Some(cell) = cells.get(place) {
                    cell.get_or_init(|| results);
                }
            };
            match self.body.in_lists() {
                true => self.take_results_in_lists(&is_wanted, &mut put)?,
                false => self.take_results_in_rows(&mut put)?,
            }
        }
        let rest = match self.body.in_lists() {
            true if (0..cells.len()).any(is_missing) => self.rest()?,
            _ => &[],
        };
        let found = cells.iter().enumerate().map(|(place, cell)| {
            let of_rest = || {
                let at = rest.binary_search_by_key(&place, |rest| rest.place).ok()?;
                rest.get(at).map(|rest| rest.results.as_slice())
            };
            if !is_wanted(place) {
                return Ok(None);
            }
            let results = cell.get().map(Vec::as_slice).or_else(of_rest);
            let results = results.ok_or_else(|| malformed("result column"))?;
            Ok(Some((grouped.rows_of(place), results)))
        });
        found.collect()
    }

    /// Results and arguments of the types without a column of their own, by place.
    pub(crate) fn rest(&self) -> Result<&[Rest], ErrorKind> {
        let rest = once(&self.rest, || match self.body.in_lists() {
            true => self.take_rest(),
            false => self.take_shared(),
        })?;
        Ok(rest)
    }

    /// The rows of the type at this place, ascending.
    ///
    /// # Errors
    /// When the types cannot be read.
    pub fn rows_of(&self, place: usize) -> Result<&[u32], ErrorKind> {
        Ok(self.grouped()?.rows_of(place))
    }

    /// The arguments of the type at this place; `None` where it has no column that could be read.
    pub(crate) fn slots(&self, place: usize) -> Result<Option<&Slots>, ErrorKind> {
        let cells = self.slots.get_or_init(|| {
            let kinds = self.body.zone.types.len();
            std::iter::repeat_with(OnceCell::new).take(kinds).collect()
        });
        let Some(cell) = cells.get(place) else {
            return Ok(None);
        };
        let own = once(cell, || {
            let mut spent = self.spent.get();
            let own = match self.body.in_lists() {
                true => {
                    let mut wanted = vec![false; self.body.zone.types.len()];
                    if let Some(wanted) = wanted.get_mut(place) {
                        *wanted = true;
                    }
                    let found = self.results(&wanted)?.into_iter().nth(place).flatten();
                    let results = found.map_or(&[][..], |(_, results)| results);
                    self.own_slots(place, results, &mut spent)?
                }
                false => self.own_args(place, &mut spent)?,
            };
            self.spent.set(spent);
            Ok(own)
        })?;
        if own.is_some() {
            return Ok(own.as_ref());
        }
        let rest = self.rest()?;
        let at = rest.binary_search_by_key(&place, |rest| rest.place).ok();
        Ok(at.and_then(|at| rest.get(at)).map(|rest| &rest.slots))
    }

    /// The arguments of the events of the type at this place, in the order of [`Heads::rows_of`].
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn args(&self, place: usize) -> Result<Args<'_>, ErrorKind> {
        Ok(Args(self.slots(place)?))
    }

    /// The texts that arguments hold.
    pub(crate) fn texts(&self) -> Result<&Dictionary<'b>, ErrorKind> {
        once(&self.texts, || self.body.texts())
    }

    /// The payloads that arguments hold.
    pub(crate) fn payloads(&self) -> Result<&Dictionary<'b>, ErrorKind> {
        once(&self.payloads, || self.body.payloads())
    }

    /// The bytes of a text or a payload, and how long it was; `None` of a number.
    ///
    /// # Errors
    /// When they cannot be read, or there are none at this place.
    pub fn bytes(&self, held: Held) -> Result<Option<(&[u8], u64)>, ErrorKind> {
        let (list, place) = match held {
            Held::Number(_) => return Ok(None),
            Held::Text(place) => (self.texts()?, place),
            Held::Payload(place) => (self.payloads()?, place),
        };
        let found = list.get(place as usize);
        found.map(Some).ok_or_else(|| malformed("place of a value"))
    }

    /// All texts, or with `of_payloads` all payloads, one behind another, and where each ends: the place of one is its number.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn run_of(&self, of_payloads: bool) -> Result<(&[u8], &[u32]), ErrorKind> {
        let list = match of_payloads {
            true => self.payloads()?,
            false => self.texts()?,
        };
        Ok(list.run())
    }

    /// The arguments of this number of the events of a type, by place, which are as many as its rows and in their order;
    /// `None` for those without it, or where it is no integer.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn numbers(&self, place: usize, number: usize) -> Result<Vec<Option<i64>>, ErrorKind> {
        let slots = self.slots(place)?;
        let number = |nth| slots.and_then(|slots| slots.number(number, nth));
        Ok((0..self.rows_of(place)?.len()).map(number).collect())
    }

    /// The events at these rows, each with its position in the file, ascending, without results and arguments.
    pub(crate) fn events(&self, picked: &[(u32, u32)]) -> Result<Vec<Event>, ErrorKind> {
        let seqs = self.seqs(picked)?;
        let (types, marks, tids) = (self.types()?, self.marks()?, self.tids()?);
        let (cpus, procs, times) = (self.cpus()?, self.procs()?, self.times()?);
        let (files, file_list) = (self.files()?, self.file_list()?);
        let latencies = match self.has_latencies() {
            true => self.latencies()?,
            false => &[],
        };
        let abis = match self.body.has(column::ABI, 0) {
            true => self.abis()?,
            false => &[],
        };
        let zone = &self.body.zone;
        let mut events = Vec::with_capacity(picked.len());
        for ((_, row), seq) in picked.iter().zip(seqs) {
            let row = *row as usize;
            let ty = types
                .get(row)
                .and_then(|ty| zone.types.get(usize::from(*ty)));
            let proc = procs
                .get(row)
                .and_then(|proc| zone.procs.get(*proc as usize));
            let file = match files.get(row).map_or(0, |file| *file as usize) {
                0 => None,
                file => {
                    let file = file_list.get(file.saturating_sub(1));
                    Some(*file.ok_or_else(|| malformed("file column"))?)
                }
            };
            let abi = u8::try_from(abis.get(row).copied().unwrap_or(0)).ok();
            events.push(Event {
                time: BootNs(times.get(row).copied().unwrap_or(0)),
                cpu: cpus.get(row).copied().unwrap_or(0),
                seq,
                ty: ty.ok_or_else(|| malformed("type column"))?.0,
                abi: abi
                    .and_then(Abi::from_code)
                    .ok_or_else(|| malformed("abi column"))?,
                flags: EventFlags(marks.get(row).copied().unwrap_or(0)),
                tid: tids.get(row).copied().unwrap_or(0),
                proc: *proc.ok_or_else(|| malformed("proc column"))?,
                file,
                result: 0,
                latency_ns: latencies.get(row).copied().unwrap_or(0),
                args: Default::default(),
            });
        }
        Ok(events)
    }

    fn has_latencies(&self) -> bool {
        self.body.has(column::WAITS, 0) || self.body.has(column::LATENCY, 0)
    }

    /// The numbers of these events on their CPUs.
    fn seqs(&self, picked: &[(u32, u32)]) -> Result<Vec<u64>, ErrorKind> {
        let (order, cpus) = (self.order()?, self.cpus()?);
        let jumps = match self.body.has(column::SEQ, 0) {
            true => self.body.ints(column::SEQ, self.count)?,
            false => Vec::new(),
        };
        let most = cpus.iter().copied().max().unwrap_or(0);
        let mut expected = vec![0_u64; usize::from(most).saturating_add(1)];
        let mut seqs = Vec::with_capacity(picked.len());
        let mut picked = picked.iter().map(|(place, _)| *place as usize).peekable();
        for (place, row) in order.iter().enumerate() {
            let cpu = cpus.get(*row as usize).map_or(0, |cpu| usize::from(*cpu));
            let Some(next) = expected.get_mut(cpu) else {
                continue;
            };
            let seq = next.wrapping_add(jumps.get(place).copied().unwrap_or(0) as u64);
            *next = seq.wrapping_add(1);
            if picked.next_if_eq(&place).is_some() {
                seqs.push(seq);
            }
        }
        Ok(seqs)
    }

    /// One integer per row of a chunk in rows, of a smaller kind.
    fn in_rows<T: TryFrom<i64>>(
        &self,
        number: u16,
        what: &'static str,
    ) -> Result<Vec<T>, ErrorKind> {
        let values = self.body.ints(number, self.count)?.into_iter();
        values
            .map(|value| T::try_from(value).map_err(|_| malformed(what)))
            .collect()
    }

    /// The type at a place.
    pub(crate) fn type_at(&self, place: usize) -> Option<TypeId> {
        self.body.zone.types.get(place).map(|row| row.0)
    }
}
