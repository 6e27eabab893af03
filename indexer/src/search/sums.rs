//! Counting by sorts of events: what an index keeps of chunks in which many events are alike.

use super::Collecting;
use crate::alike::{Alike, Lacks, Sorts};
use crate::index::Times;
use crate::search::lists::{Told, holds, nobody, put};
use afterimage_format::{ErrorKind, Heads};
use afterimage_model::Event;
use afterimage_query::{Among, Evaluator};
use hashbrown::HashMap;

/// What was counted in a chunk.
#[derive(Default)]
pub(super) struct Sums {
    /// By process and file.
    pub(super) rows: HashMap<(u32, u32), Times>,
    /// By process, file and the number of what it said.
    pub(super) says: HashMap<(u32, u32, u32), Times>,
}

impl Collecting<'_, '_> {
    /// Begins a chunk: hands out what was found so far, if it is time.
    pub(super) fn begin_chunk(&mut self) {
        self.settle();
        self.glance();
        self.counted = false;
    }

    /// Counts what is meant in a chunk, the so-maniest, by the sorts of its events, all of which are within the span. Says whether
    /// they tell.
    pub(super) fn sum(
        &mut self,
        chunk: usize,
        alike: &Alike,
        (heads, among): (&Heads<'_>, &Among<'_>),
        evaluator: Option<&mut Evaluator>,
    ) -> Result<bool, ErrorKind> {
        self.begin_chunk();
        let Some(told) =
            (self.meant).told_of_sorts(&mut self.gather, chunk, heads, among, alike)?
        else {
            return Ok(false);
        };
        let within = self.meant.ask.has_text().then(|| {
            let mut within = vec![0; alike.len().div_ceil(64)];
            for sort in 0..alike.len() {
                let is = |(proc, file, says): (u32, u32, Option<usize>)| {
                    told.is_of_row(proc, file) || says.is_some_and(|says| told.says_meant(says))
                };
                if alike.who(sort).is_some_and(is) {
                    put(&mut within, sort);
                }
            }
            within
        });
        if within.iter().flatten().all(|word| *word == 0) && within.is_some() {
            return Ok(true);
        }
        let rows = match evaluator {
            None => within,
            Some(evaluator) => match evaluator.sift(among, &Sorts::new(alike, heads), within) {
                Ok(sifted) if sifted.sure => sifted.rows,
                Ok(_) | Err(Lacks::This) => return Ok(false),
                Err(Lacks::Broken(error)) => return Err(error),
            },
        };
        let mut sums = Sums::default();
        for sort in 0..alike.len() {
            if rows.as_ref().is_some_and(|rows| !holds(rows, sort)) {
                continue;
            }
            let known = alike.who(sort).zip(alike.times(sort, heads.zone()));
            let Some(((proc, file, said), times)) = known else {
                continue;
            };
            if told.is_of_row(proc, file) {
                (sums.rows.entry((proc, file)))
                    .and_modify(|all| all.add_all(&times))
                    .or_insert(times);
            }
            if let Some(said) = said.filter(|said| told.says_meant(*said)) {
                (sums.says.entry((proc, file, told.place_of_says(said))))
                    .and_modify(|all| all.add_all(&times))
                    .or_insert(times);
            }
        }
        self.tell(&sums, &told, (heads, among))?;
        Ok(true)
    }

    /// Takes in what was counted in a chunk.
    pub(super) fn tell(
        &mut self,
        sums: &Sums,
        told: &Told,
        (heads, among): (&Heads<'_>, &Among<'_>),
    ) -> Result<(), ErrorKind> {
        let listed = heads.file_list()?;
        let mut event = nobody();
        let point = |event: &mut Event, proc: u32, file: u32| {
            let proc = among.procs.get(proc as usize);
            event.proc = proc.copied().unwrap_or(event.proc);
            event.file = (file.checked_sub(1)).and_then(|at| listed.get(at as usize).copied());
            proc.is_some()
        };
        for ((proc, file), times) in &sums.rows {
            if point(&mut event, *proc, *file) {
                self.gather.rows(&among.ctx(&event), times);
            }
        }
        for ((proc, file, number), times) in &sums.says {
            if point(&mut event, *proc, *file) {
                told.let_say(*number, &mut event, heads, among)?;
                self.gather.arguments(&among.ctx(&event), times);
            }
        }
        Ok(())
    }
}
