//! In which order chunks are counted for an answer, and by how many threads: first a few that tell of the best of what may be
//! found, so that there is something to show at once, then all others, on all processors where somebody waits.

use super::lists::{Meant, Met};
use super::rank::Best;
use super::{Collecting, Hits};
use crate::index::{Ask, Entry, Index, Reach, Tally, Thing};
use crate::session::{Progress, Session, Span, Within};
use afterimage_query::Filter;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Chunks that are counted first.
const FIRST: usize = 6;

/// How long that may take before what was found is shown.
const SHORT: Duration = Duration::from_millis(3);

/// Chunks of a thing that are looked at for a small one.
const LOOKED: usize = 64;

/// Events of a chunk that is quickly counted however many sorts of them there are.
const SMALL: u64 = 8 << 10;

/// The best of what may be found that those chunks are chosen by.
const BEST: usize = 50;

/// Chunks below which one thread is enough.
const FEW: usize = 16;

/// Most threads.
const MOST_THREADS: usize = 8;

/// What is counted, and where.
pub(super) struct Counting<'a> {
    pub filter: Option<&'a Filter>,
    pub span: Span,
    pub met: Option<&'a Met>,
    pub progress: &'a Progress,
    pub limit: usize,
}

/// Whether a chunk is quickly counted: it is small, or its index keeps of what sorts its events are.
fn is_quick(index: &Index, chunk: usize) -> bool {
    index.events_of(chunk).is_some_and(|events| events <= SMALL) || index.alike(chunk).is_some()
}

/// Chunks that tell of the best things, as few as may be, and whether each is quickly counted: those that are come first.
fn telling(index: &Index, best: Best, within: impl Fn(usize) -> bool) -> Vec<(usize, bool)> {
    let chosen = chosen(index, best, within).into_iter();
    let mut chosen: Vec<_> = chosen
        .map(|chunk| (chunk, is_quick(index, chunk)))
        .collect();
    chosen.sort_by_key(|(_, is_quick)| !is_quick);
    chosen
}

fn chosen(index: &Index, best: Best, within: impl Fn(usize) -> bool) -> Vec<usize> {
    let mut chosen: Vec<usize> = Vec::new();
    for number in best.done() {
        let choose = |entry: &Entry| {
            let mut chunks = (entry.chunks.iter())
                .filter_map(|chunk| usize::try_from(*chunk).ok())
                .filter(|chunk| within(*chunk));
            let first = chunks.next()?;
            let known = std::iter::once(first).chain(chunks);
            let is_new = !known.clone().any(|chunk| chosen.contains(&chunk));
            if !is_new {
                return None;
            }
            // One that is quickly counted, if one of the first is: a small one, which is known without a look at what the index keeps
            // of its sorts.
            let sized = known.clone().take(LOOKED);
            let sized = sized.filter_map(|chunk| Some((index.events_of(chunk)?, chunk)));
            match sized.min() {
                Some((events, chunk)) if events <= SMALL => Some(chunk),
                _ => {
                    let quick = known
                        .take(FIRST)
                        .find(|chunk| index.alike(*chunk).is_some());
                    Some(quick.unwrap_or(first))
                }
            }
        };
        match index.entry(number, choose) {
            Ok(found) => chosen.extend(found),
            Err(_) => return chosen,
        }
        if chosen.len() >= FIRST {
            break;
        }
    }
    chosen
}

impl Session {
    /// Where things that are meant are met, and the best of them; `None` when that is not known.
    pub(super) fn met_and_best(&self, ask: &Ask) -> Option<(Met, Best)> {
        let index = self
            .index()
            .filter(|_| ask.has_text() && !self.shows_internal())?;
        let nowhere = index.nowhere();
        let new = || (Met::new(&nowhere), Best::of(BEST));
        let each = |(met, best): &mut (Met, Best), number, entry: &Entry| {
            if let Some(score) = ask.score(&entry.thing) {
                met.add(&entry.thing, &entry.chunks);
                best.add(score, number, entry);
            }
        };
        let join = |a: (Met, Best), b: (Met, Best)| (a.0.or(b.0), a.1.or(b.1));
        index.candidates_shared(ask, new, each, join).ok()
    }

    /// Counts chunk by chunk, in any order. Says whether it was not stopped.
    pub(super) fn count_chunks(
        &self,
        how: &Counting<'_>,
        best: Option<Best>,
        collecting: &mut Collecting<'_, '_>,
    ) -> bool {
        let filter = how.filter.filter(|filter| !filter.is_all());
        let reach = self.reach(filter);
        let reaches: Vec<&Reach> = (reach.iter())
            .chain(how.met.map(|met| &met.chunks))
            .collect();
        let holds = |at: usize| reaches.iter().all(|reach| reach.holds(at));
        let within = Within {
            filter,
            span: how.span,
            reaches: &reaches,
        };
        let mut first = match (self.index(), best) {
            (Some(index), Some(best)) if collecting.parts.are_wanted() => {
                telling(index, best, holds)
            }
            _ => Vec::new(),
        };
        let mut evaluator = filter.map(Filter::evaluator);
        let mut complete = true;
        let begun = Instant::now();
        for nth in 0..first.len() {
            let Some((at, is_quick)) = first.get(nth).copied() else {
                break;
            };
            if !is_quick {
                collecting.settle();
            }
            // What takes long is not begun where there is something to show.
            let is_enough = begun.elapsed() > SHORT || !is_quick && !collecting.pile.is_empty();
            if nth > 0 && is_enough {
                first.truncate(nth);
                break;
            }
            complete &= self.walk_one(at, within, &mut evaluator, how.progress, collecting);
        }
        collecting.settle();
        if !first.is_empty() {
            collecting.hand_out();
        }
        let rest: Vec<usize> = (0..self.chunks().len())
            .filter(|at| !first.iter().any(|(first, _)| first == at))
            .collect();
        let busy = rest.iter().filter(|at| holds(**at)).count();
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST_THREADS));
        if threads < 2 || busy < FEW || !collecting.parts.are_wanted() {
            for at in &rest {
                complete &= complete
                    && self.walk_one(*at, within, &mut evaluator, how.progress, collecting);
            }
        } else {
            complete &= self.count_on(threads, &rest, within, how, collecting);
        }
        if let Some(evaluator) = &evaluator {
            how.progress.work.add_texts(evaluator);
        }
        collecting.settle();
        complete
    }

    /// Counts chunks on several threads; what they find is gathered here.
    fn count_on(
        &self,
        threads: usize,
        chunks: &[usize],
        within: Within<'_>,
        how: &Counting<'_>,
        collecting: &mut Collecting<'_, '_>,
    ) -> bool {
        let ask = collecting.meant.ask;
        let next = AtomicUsize::new(0);
        let (send, receive) = mpsc::sync_channel::<Vec<(Thing, Tally)>>(2 * threads);
        let count = |send: mpsc::SyncSender<Vec<(Thing, Tally)>>| {
            let meant = Meant::new(ask, how.met);
            let mut own = Collecting::new(self, meant, (how.limit, None));
            own.away = Some(send);
            let mut evaluator = within.filter.map(Filter::evaluator);
            let mut complete = true;
            while complete && let Some(at) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                complete = self.walk_one(*at, within, &mut evaluator, how.progress, &mut own);
            }
            own.settle();
            if let Some(evaluator) = &evaluator {
                how.progress.work.add_texts(evaluator);
            }
            complete
        };
        let count = &count;
        std::thread::scope(|scope| {
            let hands: Vec<_> = (0..threads)
                .map(|_| {
                    let send = send.clone();
                    scope.spawn(move || count(send))
                })
                .collect();
            drop(send);
            for found in receive {
                for (thing, tally) in found {
                    collecting.pile.add(ask, &thing, &tally);
                }
                collecting.glance();
            }
            // One that did not come to its end counted less than all.
            let ends = hands.into_iter().map(|hand| hand.join());
            ends.fold(true, |all, end| all & end.unwrap_or(false))
        })
    }
}

impl Collecting<'_, '_> {
    fn so_far(ask: &Ask, pile: &super::Pile, limit: usize) -> Hits {
        Hits {
            complete: false,
            ..pile.ranked(ask, limit)
        }
    }

    /// Hands out what was found so far, if it is time.
    pub(super) fn glance(&mut self) {
        if self.pile.is_empty() && self.parts.may_wait() {
            return;
        }
        let (ask, pile, limit) = (self.meant.ask, &self.pile, self.limit);
        (self.parts).glance_at_chunk(|| Collecting::so_far(ask, pile, limit));
    }

    /// Hands out what was found so far, if anything was.
    fn hand_out(&mut self) {
        let (ask, pile, limit) = (self.meant.ask, &self.pile, self.limit);
        if !pile.is_empty() {
            self.parts.now(|| Collecting::so_far(ask, pile, limit));
        }
    }
}
