//! Which events of a chunk are to be asked: told first from the rows they may point at, then from single lists, then from what is
//! known of each without arguments and result.

use crate::session::{Session, Visitor};
use afterimage_format::{Choose, Chunk, ErrorKind, Heads, Held, Results, Zone};
use afterimage_model::{FileId, Tables, TypeId};
use afterimage_query::{Argument, Arguments, Evaluator, Lists, Sifted};

/// Asks an evaluator and a visitor.
pub(crate) struct Choosing<'s> {
    session: &'s Session,
    /// Which chunk, and whether every event of it is within the span.
    at: (usize, bool),
    evaluator: &'s mut Option<Evaluator>,
    visitor: &'s mut dyn Visitor,
    /// What the evaluator remembers is of this chunk.
    knows: bool,
    /// It was counted by sorts of events.
    pub summed: bool,
}

impl<'s> Choosing<'s> {
    pub fn new(
        session: &'s Session,
        at: (usize, bool),
        evaluator: &'s mut Option<Evaluator>,
        visitor: &'s mut dyn Visitor,
    ) -> Choosing<'s> {
        Choosing {
            session,
            at,
            evaluator,
            visitor,
            knows: false,
            summed: false,
        }
    }
}

impl Choose for Choosing<'_> {
    fn rows(&mut self, zone: &Zone, tables: &Tables) -> bool {
        let Some(evaluator) = self.evaluator else {
            return true;
        };
        evaluator.forget();
        self.knows = true;
        let types: Vec<TypeId> = zone.types.iter().map(|row| row.0).collect();
        evaluator.may_match_among(&self.session.among(zone, tables, &types))
    }

    fn lists(&mut self, heads: &Heads<'_>, tables: &Tables) -> Result<Option<Vec<u64>>, ErrorKind> {
        let types: Vec<TypeId> = heads.zone().types.iter().map(|row| row.0).collect();
        let among = self.session.among(heads.zone(), tables, &types);
        let (at, is_whole) = self.at;
        if is_whole
            && self.visitor.counts_sorts()
            && let Some(alike) = self.session.alike(at)
            && (self.visitor).sums(at, &alike, (heads, &among), self.evaluator.as_mut())?
        {
            self.summed = true;
            return Ok(Some(Vec::new()));
        }
        let within = self.visitor.rows(at, heads, &among)?;
        let sifted = match self.evaluator {
            Some(evaluator) => evaluator.sift(&among, &Listed(heads), within)?,
            None => Sifted {
                rows: within,
                sure: true,
            },
        };
        match sifted.sure && is_whole {
            true => self.visitor.count(heads, &among, sifted.rows),
            false => Ok(sifted.rows),
        }
    }

    fn events(&mut self, chunk: &Chunk, places: &[u32]) -> Vec<bool> {
        self.visitor.chunk();
        if let Some(evaluator) = self.evaluator.as_mut().filter(|_| !self.knows) {
            evaluator.forget();
        }
        let events = chunk.events.iter().zip(places);
        events
            .map(|(event, place)| {
                let num = chunk.first_num.saturating_add(u64::from(*place));
                let ctx = self.session.ctx(chunk, event, num, None);
                self.evaluator
                    .as_mut()
                    .is_none_or(|evaluator| evaluator.by_head(&ctx) != Some(false))
                    && self.visitor.may_want(&ctx)
            })
            .collect()
    }
}

/// The lists of a chunk as a filter asks for them.
struct Listed<'h, 'b>(&'h Heads<'b>);

impl Lists for Listed<'_, '_> {
    type Error = ErrorKind;

    fn count(&self) -> usize {
        usize::try_from(self.0.zone().events).unwrap_or(usize::MAX)
    }
    fn span(&self) -> (u64, u64) {
        (self.0.zone().start.0, self.0.zone().end.0)
    }
    fn types(&self) -> Result<&[u16], ErrorKind> {
        self.0.types()
    }
    fn procs(&self) -> Result<&[u32], ErrorKind> {
        self.0.procs()
    }
    fn files(&self) -> Result<(&[u32], &[FileId]), ErrorKind> {
        Ok((self.0.files()?, self.0.file_list()?))
    }
    fn marks(&self) -> Result<&[u16], ErrorKind> {
        self.0.marks()
    }
    fn cpus(&self) -> Result<&[u16], ErrorKind> {
        self.0.cpus()
    }
    fn threads(&self) -> Result<&[u32], ErrorKind> {
        self.0.tids()
    }
    fn latencies(&self) -> Result<&[u64], ErrorKind> {
        self.0.latencies()
    }
    fn times(&self) -> Result<&[u64], ErrorKind> {
        self.0.times()
    }
    fn results(&self, wanted: &[bool]) -> Result<Vec<Option<Results<'_>>>, ErrorKind> {
        self.0.results(wanted)
    }
    fn arguments(&self, place: usize, number: usize) -> Result<Arguments<'_>, ErrorKind> {
        let (rows, args) = (self.0.rows_of(place)?, self.0.args(place)?);
        let held = |nth| match args.get(number, nth) {
            None => Argument::Nothing,
            Some(Held::Number(number)) => Argument::Number(number),
            Some(Held::Text(place)) => Argument::Bytes(u64::from(place) << 1),
            Some(Held::Payload(place)) => Argument::Bytes(u64::from(place) << 1 | 1),
        };
        Ok((rows, (0..rows.len()).map(held).collect()))
    }
    fn kinds(&self, place: usize, number: usize) -> Result<(bool, bool), ErrorKind> {
        Ok(self.0.args(place)?.kinds(number))
    }
    fn bytes(&self, argument: Argument) -> Result<(&[u8], u64), ErrorKind> {
        let held = match argument {
            Argument::Nothing => return Ok((&[], 0)),
            Argument::Number(number) => Held::Number(number),
            Argument::Bytes(number) => {
                let place = u32::try_from(number >> 1).unwrap_or(u32::MAX);
                match number & 1 == 0 {
                    true => Held::Text(place),
                    false => Held::Payload(place),
                }
            }
        };
        Ok(self.0.bytes(held)?.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
