//! How many events match: where lists decide that, no event is put together to be counted.

use super::{Progress, Session, Span, Visitor, Work};
use afterimage_format::{ErrorKind, Heads};
use afterimage_model::{Ctx, EventFlags};
use afterimage_query::{Among, Filter};

struct Tally<'s> {
    session: &'s Session,
    count: u64,
    /// Of these, the ones that were no events.
    by_lists: u64,
}

impl Visitor for Tally<'_> {
    fn by_lists(&self) -> bool {
        true
    }

    fn count(
        &mut self,
        heads: &Heads<'_>,
        among: &Among<'_>,
        rows: Option<Vec<u64>>,
    ) -> Result<Option<Vec<u64>>, ErrorKind> {
        let ones = |words: &[u64]| words.iter().map(|word| u64::from(word.count_ones())).sum();
        let matching: u64 = match &rows {
            Some(rows) => ones(rows),
            None => heads.zone().events,
        };
        let mut hidden = 0;
        if !self.session.shows_internal() {
            let (types, marks) = (heads.types()?, heads.marks()?);
            let by_type: Vec<bool> = (among.types.iter())
                .map(|ty| self.session.is_internal_type(*ty))
                .collect();
            let is_one = |row: usize| {
                let word = rows.as_ref().map_or(u64::MAX, |rows| {
                    rows.get(row / 64).copied().unwrap_or_default()
                });
                word >> (row % 64) & 1 == 1
            };
            let each = types.iter().zip(marks).enumerate();
            let is_hidden = |(ty, marks): (&u16, &u16)| {
                EventFlags(*marks).has(EventFlags::INTERNAL)
                    || by_type.get(usize::from(*ty)).is_some_and(|is| *is)
            };
            hidden = (each.filter(|(row, of)| is_hidden(*of) && is_one(*row))).count() as u64;
        }
        let shown = matching.saturating_sub(hidden);
        self.by_lists = self.by_lists.saturating_add(shown);
        self.count = self.count.saturating_add(shown);
        Ok(Some(Vec::new()))
    }

    fn event(&mut self, _: &Ctx<'_>) -> bool {
        self.count = self.count.saturating_add(1);
        true
    }
}

impl Session {
    /// How many events of a span match, or did until it was cancelled.
    pub fn count(&self, filter: Option<&Filter>, span: Span, progress: &Progress) -> u64 {
        let mut tally = Tally {
            session: self,
            count: 0,
            by_lists: 0,
        };
        self.walk(filter, span, 1, progress, &mut tally);
        Work::add(&progress.work.matched, tally.by_lists);
        tally.count
    }
}
