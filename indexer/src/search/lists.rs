//! Which events of a chunk have to do with things that are meant, told from the chunk's lists: from the rows of their processes and
//! files, and from the texts and payloads that their arguments hold, each of which is asked once, however many events hold it.

mod sorts;

use crate::alike::HeldArgs;
use crate::index::{Ask, Gather, Kind, Reach, Thing};
use afterimage_format::{ErrorKind, Heads, Held};
use afterimage_model::{ArgKind, Event, File, FileKind, TypeDesc, TypeId, Value};
use afterimage_query::{Among, Places};
use hashbrown::HashMap;
use regex::bytes::Regex;
use smallvec::SmallVec;

/// Where things that are meant are met, as far as an index says.
pub(super) struct Met {
    /// The chunks.
    pub chunks: Reach,
    /// Those in which the row of a process has one of them, the row of a file, a path that a program passed, or what was read or
    /// written.
    parts: [Reach; 4],
}

impl Met {
    pub fn new(nowhere: &Reach) -> Met {
        Met {
            chunks: nowhere.clone(),
            parts: std::array::from_fn(|_| nowhere.clone()),
        }
    }

    /// Where it or another says.
    pub fn or(self, other: Met) -> Met {
        let mut others = other.parts.into_iter();
        Met {
            chunks: self.chunks.either(other.chunks),
            parts: (self.parts).map(|part| match others.next() {
                Some(other) => part.either(other),
                None => part,
            }),
        }
    }

    /// A thing that is meant is met in these chunks.
    pub fn add(&mut self, thing: &Thing, chunks: &[u32]) {
        self.chunks.add_all(chunks);
        let kind = thing.kind();
        let holds = [
            Kind::is_of_process as fn(Kind) -> bool,
            Kind::is_of_file,
            Kind::is_of_paths,
            Kind::is_of_payload,
        ];
        for (part, holds) in self.parts.iter_mut().zip(holds) {
            if kind.is_none_or(holds) {
                part.add_all(chunks);
            }
        }
    }
}

/// Things about which something is remembered.
const MOST_KNOWN: usize = 100_000;

/// What is looked for, and what was found out about things so far.
pub(super) struct Meant<'a> {
    pub ask: &'a Ask,
    met: Option<&'a Met>,
    known: HashMap<Thing, bool>,
    /// Stands in every text of things that are meant; `None` when nothing is known to.
    needle: Option<Regex>,
}

/// What the arguments of an event say that is meant: its type by place, whether its first argument is 2, as of standard error, and
/// which of its arguments hold something that is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Said {
    ty: usize,
    is_second: bool,
    args: HeldArgs,
}

/// What the lists of a chunk tell of its events.
pub(super) struct Told {
    /// By place in [`Among::procs`]: whether a process has things that are meant; empty when none has.
    procs: Vec<bool>,
    /// By place in [`Heads::files`].
    files: Vec<bool>,
    /// The rows whose arguments say something that is meant, with the place in `says` of what.
    said: Vec<(u32, u32)>,
    says: Vec<Said>,
    /// Rows of which only the event itself can tell.
    odd: Vec<u64>,
    /// By the number of what sorts of events say: 0 where nothing of it is meant, else 1 + place in `says`.
    of_sorts: Vec<u32>,
}

/// An event, or many that are alike, as far as it decides how its arguments are read.
struct One<'a> {
    desc: &'a TypeDesc,
    /// The first argument is 2, as of standard error.
    is_second: bool,
    is_odd: bool,
}

/// An event that never was, so that things can be asked of a row.
pub(super) fn nobody() -> Event {
    Event {
        cpu: Event::NO_CPU,
        ..Event::of_type(TypeId(u16::MAX))
    }
}

pub(super) fn holds(words: &[u64], row: usize) -> bool {
    (words.get(row / 64)).is_some_and(|word| word >> (row % 64) & 1 == 1)
}

pub(super) fn put(words: &mut [u64], row: usize) {
    if let Some(word) = words.get_mut(row / 64) {
        *word |= 1 << (row % 64);
    }
}

/// Whether what is sent through a file is read by its own rules: what name servers are asked, and the system log.
fn is_odd(file: &File) -> bool {
    let asks_names =
        |flow: &afterimage_model::Flow| flow.local.port() == 53 || flow.remote.port() == 53;
    file.kind == FileKind::Unix || file.flow.as_ref().is_some_and(asks_names)
}

/// Which of a chunk's texts may hold something that is meant, and what was found out about them.
struct Values {
    /// By place; `None` for any. Those of texts, those of payloads.
    may: [Option<Vec<u64>>; 2],
    known: HashMap<(Held, u8), bool>,
}

impl Values {
    fn may(&self, held: Held) -> bool {
        let (list, place) = match held {
            Held::Number(_) => return false,
            Held::Text(place) => (0, place),
            Held::Payload(place) => (1, place),
        };
        match self.may.get(list) {
            Some(Some(may)) => holds(may, place as usize),
            _ => true,
        }
    }
}

impl<'a> Meant<'a> {
    pub fn new(ask: &'a Ask, met: Option<&'a Met>) -> Meant<'a> {
        Meant {
            ask,
            met,
            known: HashMap::new(),
            needle: ask.needle(),
        }
    }

    pub fn is(&mut self, thing: &Thing) -> bool {
        if let Some(is) = self.known.get(thing) {
            return *is;
        }
        let is = self.ask.score(thing).is_some();
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(thing.clone(), is);
        is
    }

    /// Whether rows of processes, rows of files, paths or payload of a chunk, the so-maniest, may have what is meant.
    fn parts(&self, chunk: usize) -> [bool; 4] {
        match self.met {
            Some(met) => met.parts.each_ref().map(|part| part.holds(chunk)),
            None => [true; 4],
        }
    }

    /// What the rows of a chunk tell.
    fn told_by_rows(
        &mut self,
        gather: &mut Gather,
        (in_procs, in_files): (bool, bool),
        heads: &Heads<'_>,
        among: &Among<'_>,
    ) -> Result<Told, ErrorKind> {
        let mut event = nobody();
        let mut procs = Vec::new();
        if in_procs {
            procs.extend(among.procs.iter().map(|proc| {
                event.proc = *proc;
                gather.row_is(&among.ctx(&event), false, &mut |thing| self.is(thing))
            }));
        }
        let mut event = nobody();
        let mut files = Vec::new();
        if in_files {
            files.push(false);
            files.extend(heads.file_list()?.iter().map(|file| {
                event.file = Some(*file);
                gather.row_is(&among.ctx(&event), true, &mut |thing| self.is(thing))
            }));
        }
        let count = usize::try_from(heads.zone().events).unwrap_or(usize::MAX);
        Ok(Told {
            procs: Some(procs)
                .filter(|procs| procs.contains(&true))
                .unwrap_or_default(),
            files: Some(files)
                .filter(|files| files.contains(&true))
                .unwrap_or_default(),
            said: Vec::new(),
            says: Vec::new(),
            odd: vec![0; count.div_ceil(64)],
            of_sorts: Vec::new(),
        })
    }

    /// What the lists of a chunk, the so-maniest, tell.
    fn told(
        &mut self,
        gather: &mut Gather,
        chunk: usize,
        heads: &Heads<'_>,
        among: &Among<'_>,
    ) -> Result<Told, ErrorKind> {
        let [in_procs, in_files, in_paths, in_payload] = self.parts(chunk);
        let mut told = self.told_by_rows(gather, (in_procs, in_files), heads, among)?;
        if in_paths || in_payload {
            self.arguments(gather, (in_paths, in_payload), heads, among, &mut told)?;
        }
        Ok(told)
    }

    /// As [`Meant::told`], with the rows that may have something that is meant; `None` for any, where nothing is looked for.
    pub fn rows(
        &mut self,
        gather: &mut Gather,
        chunk: usize,
        heads: &Heads<'_>,
        among: &Among<'_>,
    ) -> Result<(Told, Option<Vec<u64>>), ErrorKind> {
        let told = self.told(gather, chunk, heads, among)?;
        let rows = match self.ask.has_text() {
            true => Some(told.rows(heads)?),
            false => None,
        };
        Ok((told, rows))
    }

    /// What arguments say.
    fn arguments(
        &mut self,
        gather: &mut Gather,
        (in_paths, in_payload): (bool, bool),
        heads: &Heads<'_>,
        among: &Among<'_>,
        told: &mut Told,
    ) -> Result<(), ErrorKind> {
        let mut values: Option<Values> = None;
        let mut odd_files: Option<Vec<bool>> = None;
        let mut numbers: HashMap<Said, u32> = HashMap::new();
        for (place, ty) in among.types.iter().enumerate() {
            let Some(desc) = among.schema.ty(*ty) else {
                continue;
            };
            let is_asked = |kind: ArgKind| match kind {
                ArgKind::Path => in_paths,
                _ => in_payload,
            };
            let steps: SmallVec<[(usize, ArgKind); 4]> = gather
                .steps(among.schema, *ty)
                .iter()
                .copied()
                .filter(|step| is_asked(step.1))
                .collect();
            if steps.is_empty() {
                continue;
            }
            let values = match &mut values {
                Some(values) => values,
                none => none.insert(self.values(heads)?),
            };
            let args = heads.args(place)?;
            let has_payload = steps.iter().any(|step| step.1 != ArgKind::Path);
            if has_payload && odd_files.is_none() {
                let listed = heads.file_list()?.iter();
                let is = |file| among.tables.file(file).is_some_and(is_odd);
                let all = std::iter::once(false).chain(listed.map(|file| is(*file)));
                odd_files = Some(all.collect());
            }
            let any_odd = has_payload && odd_files.iter().flatten().any(|odd| *odd);
            let files = match any_odd {
                true => heads.files()?,
                false => &[],
            };
            let is_odd = |row: u32| {
                let file = files.get(row as usize).map(|file| *file as usize);
                file.zip(odd_files.as_ref())
                    .and_then(|(file, odd)| odd.get(file).copied())
                    .unwrap_or(false)
            };
            for (nth, row) in heads.rows_of(place)?.iter().enumerate() {
                let one = One {
                    desc,
                    is_second: args.get(0, nth) == Some(Held::Number(2)),
                    is_odd: is_odd(*row),
                };
                let held = |slot| args.get(slot, nth);
                let said = self.said_by(gather, heads, values, &one, &steps, &held)?;
                let Some(said) = said else {
                    put(&mut told.odd, *row as usize);
                    continue;
                };
                if !said.is_empty() {
                    let said = Said {
                        ty: place,
                        is_second: one.is_second,
                        args: said,
                    };
                    let number = match numbers.get(&said) {
                        Some(number) => *number,
                        None => {
                            let number = u32::try_from(told.says.len()).unwrap_or(u32::MAX);
                            told.says.push(said.clone());
                            numbers.insert(said, number);
                            number
                        }
                    };
                    told.said.push((*row, number));
                }
            }
        }
        Ok(())
    }

    /// Which of an event's arguments say something that is meant; `None` where only the event itself can tell.
    fn said_by(
        &mut self,
        gather: &mut Gather,
        heads: &Heads<'_>,
        values: &mut Values,
        one: &One<'_>,
        steps: &[(usize, ArgKind)],
        held: &dyn Fn(usize) -> Option<Held>,
    ) -> Result<Option<HeldArgs>, ErrorKind> {
        let mut said = SmallVec::new();
        let (mut odd, mut is_error) = (false, false);
        for (slot, kind) in steps {
            let Some(held) = held(*slot).filter(|held| !matches!(held, Held::Number(_))) else {
                continue;
            };
            if *kind != ArgKind::Path {
                if one.is_odd {
                    odd = true;
                    continue;
                }
                // What is put together of several parts may hold what none of them does.
                let may =
                    values.may(held) || matches!(kind, ArgKind::MsgVecIn | ArgKind::MsgVecOut);
                if !may {
                    continue;
                }
                is_error = gather.is_error(one.desc, *kind, one.is_second);
            } else if !values.may(held) {
                continue;
            }
            if self.says(gather, heads, values, held, *kind, is_error)? {
                said.push((*slot, held));
            }
        }
        Ok((!odd).then_some(said))
    }

    /// Whether a value says something that is meant.
    fn says(
        &mut self,
        gather: &mut Gather,
        heads: &Heads<'_>,
        values: &mut Values,
        held: Held,
        kind: ArgKind,
        is_error: bool,
    ) -> Result<bool, ErrorKind> {
        let how = match kind {
            ArgKind::Path => 0,
            ArgKind::MsgVecIn | ArgKind::MsgVecOut => 1,
            _ => 2,
        };
        let key = (held, how << 1 | u8::from(is_error));
        if let Some(is) = values.known.get(&key) {
            return Ok(*is);
        }
        let is = match heads.bytes(held)? {
            Some((bytes, _)) if !bytes.is_empty() => {
                gather.says(kind, bytes, is_error, &mut |thing| self.is(thing))
            }
            _ => false,
        };
        values.known.insert(key, is);
        Ok(is)
    }

    /// Which values may hold something that is meant.
    fn values(&self, heads: &Heads<'_>) -> Result<Values, ErrorKind> {
        let mut may = [None, None];
        if let Some(needle) = &self.needle {
            for (of_payloads, may) in [false, true].into_iter().zip(&mut may) {
                let (bytes, ends) = heads.run_of(of_payloads)?;
                *may = Some(holding(needle, bytes, ends));
            }
        }
        Ok(Values {
            may,
            known: HashMap::new(),
        })
    }
}

/// Which of the values that stand one behind another have a needle in them, one bit each.
fn holding(needle: &Regex, bytes: &[u8], ends: &[u32]) -> Vec<u64> {
    let mut found = vec![0; ends.len().div_ceil(64)];
    let mut from = 0;
    while let Some(place) = needle.find_at(bytes, from) {
        let at = ends.partition_point(|end| *end as usize <= place.start());
        let end = ends.get(at).map_or(bytes.len(), |end| *end as usize);
        if place.end() <= end {
            put(&mut found, at);
            from = end;
        } else {
            from = place.start() + 1;
        }
        if from >= bytes.len() {
            break;
        }
    }
    found
}

impl Told {
    /// The rows that have to do with something that is meant, one bit each.
    fn rows(&self, heads: &Heads<'_>) -> Result<Vec<u64>, ErrorKind> {
        let mut words = self.odd.clone();
        for (row, _) in &self.said {
            put(&mut words, *row as usize);
        }
        let mut add = |places: &[u32], is: &[bool]| {
            for (word, places) in words.iter_mut().zip(places.chunks(64)) {
                for (bit, place) in places.iter().enumerate() {
                    let is = is.get(*place as usize).copied().unwrap_or(false);
                    *word |= u64::from(is) << bit;
                }
            }
        };
        if !self.procs.is_empty() {
            add(heads.procs()?, &self.procs);
        }
        if !self.files.is_empty() {
            add(heads.files()?, &self.files);
        }
        Ok(words)
    }

    /// Whether the row of this process, or of this file, has something that is meant.
    pub fn is_of_row(&self, proc: u32, file: u32) -> bool {
        let is = |list: &[bool], place: u32| list.get(place as usize).copied().unwrap_or(false);
        is(&self.procs, proc) || is(&self.files, file)
    }

    pub fn has_rows(&self) -> bool {
        !self.procs.is_empty() || !self.files.is_empty()
    }

    /// Rows of which only the event itself can tell.
    pub fn odd(&self) -> &[u64] {
        &self.odd
    }

    /// The rows whose arguments say something that is meant, each with the number of what.
    pub fn said(&self) -> &[(u32, u32)] {
        &self.said
    }

    /// Makes an event say what rows with this number say.
    pub fn let_say(
        &self,
        number: u32,
        event: &mut Event,
        heads: &Heads<'_>,
        among: &Among<'_>,
    ) -> Result<(), ErrorKind> {
        let Some(said) = self.says.get(number as usize) else {
            return Ok(());
        };
        event.ty = among
            .types
            .get(said.ty)
            .copied()
            .unwrap_or(TypeId(u16::MAX));
        event.args.clear();
        if said.is_second {
            event.args.push(Value::Num(2));
        }
        for (slot, held) in &said.args {
            let Some((bytes, full_len)) = heads.bytes(*held)? else {
                continue;
            };
            while event.args.len() <= *slot {
                event.args.push(Value::Absent);
            }
            if let Some(arg) = event.args.get_mut(*slot) {
                *arg = Value::Bytes(afterimage_model::Blob {
                    bytes: bytes.to_vec(),
                    full_len,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_needle_is_found_in_the_values_that_have_it_and_in_no_two_together(
            values in proptest::collection::vec("[aAb]{0,6}", 0..20), needle in "[ab]{1,3}"
        ) {
            let mut bytes = Vec::new();
            let mut ends = Vec::new();
            for value in &values {
                bytes.extend(value.as_bytes());
                ends.push(u32::try_from(bytes.len()).unwrap());
            }
            let found = holding(&Regex::new(&format!("(?i-u){needle}")).unwrap(), &bytes, &ends);
            for (at, value) in values.iter().enumerate() {
                prop_assert_eq!(holds(&found, at), value.to_ascii_lowercase().contains(&needle), "{}", value);
            }
        }
    }
}
