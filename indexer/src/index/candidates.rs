//! Things of an index that may be meant, looked at one after another, or by several threads where they are many.

use super::{Ask, Entry, Index, Refused, text};
use std::ops::Range;

/// Things below which one thread is enough.
const FEW: u64 = 2_048;

/// Most threads.
const MOST_THREADS: usize = 8;

impl Index {
    /// Numbers of things that may be meant, run by run in order: those that the text index names, else all.
    fn runs(&self, ask: Option<&Ask>) -> Vec<Range<u64>> {
        let all = self.things();
        let named = ask.and_then(|ask| self.text()?.candidates(ask));
        let groups = named.unwrap_or_else(|| (0..all.div_ceil(text::GROUP)).collect());
        let run = |group: u64| {
            let first = group.saturating_mul(text::GROUP);
            first..first.saturating_add(text::GROUP).min(all)
        };
        groups.into_iter().map(run).collect()
    }

    /// Shows the things of some runs with their numbers, in order, until `each` returns false.
    fn look_at(
        &self,
        runs: &[Range<u64>],
        mut each: impl FnMut(u64, &Entry) -> bool,
    ) -> Result<(), Refused> {
        let mut numbers = runs.iter().cloned().flatten().peekable();
        while let Some(number) = numbers.peek().copied() {
            let (at, start) = self.block_with(number)?;
            let end = self.starts.get(at + 1).copied().unwrap_or(u64::MAX);
            let block = self.block(at)?;
            while let Some(number) = numbers.next_if(|number| *number < end) {
                let place = usize::try_from(number - start).unwrap_or(usize::MAX);
                let entry = block.get(place).ok_or(Refused::Damaged)?;
                if !each(number, entry) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Shows every thing that may be meant, with its number, in order, until `each` returns false.
    pub(crate) fn candidates(
        &self,
        ask: Option<&Ask>,
        each: impl FnMut(u64, &Entry) -> bool,
    ) -> Result<(), Refused> {
        self.look_at(&self.runs(ask), each)
    }

    /// What comes of looking at every thing that may be meant, in any order: on several threads where they are many, each of which
    /// begins with a `new` one; `join` puts together what they found.
    pub(crate) fn candidates_shared<T: Send>(
        &self,
        ask: &Ask,
        new: impl Fn() -> T + Sync,
        each: impl Fn(&mut T, u64, &Entry) + Sync,
        join: impl Fn(T, T) -> T,
    ) -> Result<T, Refused> {
        let runs = self.runs(Some(ask));
        let count = runs.iter().fold(0, |sum, run| sum + (run.end - run.start));
        let threads = match count < FEW {
            true => 1,
            false => std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS)),
        };
        let look = |runs: &[Range<u64>]| {
            let mut found = new();
            self.look_at(runs, |number, entry| {
                each(&mut found, number, entry);
                true
            })
            .map(|()| found)
        };
        let (own, others) = runs.split_at(runs.len().div_ceil(threads));
        std::thread::scope(|scope| {
            let others: Vec<_> = (others.chunks(own.len().max(1)))
                .map(|part| scope.spawn(|| look(part)))
                .collect();
            let mut all = look(own);
            for other in others {
                let found = other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                all = all.and_then(|all| Ok(join(all, found?)));
            }
            all
        })
    }
}
