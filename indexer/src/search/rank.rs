//! What was found, gathered and ranked: of an index by numbers, else thing by thing.

use super::{Hit, Hits, MOST_HITS};
use crate::index::{Ask, Entry, Found, Kind, Tally, Thing, actor_parts};
use hashbrown::HashMap;
use std::cmp::Reverse;

/// The best things of an index, while they are gathered. They stand there in the order of their texts and each once, so that
/// numbers are enough to rank them by, and only what is shown is taken out.
pub(super) struct Best {
    limit: usize,
    /// By score, kind, events, number: the least is best.
    kept: Vec<(Reverse<u32>, u8, u64, u64)>,
    pub found: usize,
}

impl Best {
    pub fn of(limit: usize) -> Best {
        Best {
            limit,
            kept: Vec::new(),
            found: 0,
        }
    }

    /// One that is meant, and how well it fits.
    pub fn add(&mut self, score: u32, number: u64, entry: &Entry) {
        let Some(kind) = entry.thing.kind().filter(|kind| *kind != Kind::Flow) else {
            return;
        };
        self.found += 1;
        let count = entry.tally.count;
        self.kept.push((Reverse(score), kind as u8, count, number));
        if self.kept.len() >= self.limit.saturating_mul(2).saturating_add(1024) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.kept.len() > self.limit {
            if self.limit > 0 {
                self.kept.select_nth_unstable(self.limit - 1);
            }
            self.kept.truncate(self.limit);
        }
    }

    /// The best of it and another.
    pub fn or(mut self, other: Best) -> Best {
        self.found += other.found;
        self.kept.extend(other.kept);
        self
    }

    /// The numbers of the best, best first.
    pub fn done(mut self) -> Vec<u64> {
        self.cut();
        self.kept.sort_unstable();
        self.kept.into_iter().map(|kept| kept.3).collect()
    }
}

/// What was found, while it is being gathered.
#[derive(Default)]
pub(crate) struct Pile {
    /// How well each fits, and how often it was met. Where the words stand is asked of those that are shown.
    found: HashMap<Thing, (u32, Tally)>,
    /// How often each had been met when it was told last, where something is told of while it is gathered.
    told: HashMap<Thing, u64>,
    truncated: bool,
}

impl Pile {
    pub(crate) fn add(&mut self, ask: &Ask, thing: &Thing, tally: &Tally) {
        if let Some((_, sum)) = self.found.get_mut(thing) {
            sum.absorb(tally.clone());
            return;
        }
        if thing.kind() == Some(Kind::Flow) {
            return;
        }
        let Some(score) = ask.score(thing) else {
            return;
        };
        if self.found.len() >= MOST_HITS {
            self.truncated = true;
            return;
        }
        self.found.insert(thing.clone(), (score, tally.clone()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The best `limit`: those that fit best, of these the most telling kind, the rarest, in the order of their texts.
    pub(crate) fn ranked(&self, ask: &Ask, limit: usize) -> Hits {
        self.ranked_of(self.found.iter().collect(), ask, limit)
    }

    /// What was met since the last time, as [`Pile::ranked`].
    pub(super) fn news(&mut self, ask: &Ask) -> Hits {
        let is_new = |found: &(&Thing, &(u32, Tally))| {
            let told = self.told.get(found.0);
            told.is_none_or(|told| *told < found.1.1.count)
        };
        let news: Vec<_> = self.found.iter().filter(is_new).collect();
        let told = news
            .iter()
            .map(|(thing, (_, tally))| ((*thing).clone(), tally.count));
        let told: Vec<(Thing, u64)> = told.collect();
        let hits = self.ranked_of(news, ask, usize::MAX);
        self.told.extend(told);
        hits
    }

    fn ranked_of(&self, mut all: Vec<(&Thing, &(u32, Tally))>, ask: &Ask, limit: usize) -> Hits {
        let found = self.found.len();
        let order = |a: &(&Thing, &(u32, Tally)), b: &(&Thing, &(u32, Tally))| {
            let (score_a, score_b) = (a.1.0, b.1.0);
            let rank = |thing: &Thing| thing.kind().map(|kind| kind as u8);
            score_b
                .cmp(&score_a)
                .then_with(|| rank(a.0).cmp(&rank(b.0)))
                .then_with(|| a.1.1.count.cmp(&b.1.1.count))
                .then_with(|| a.0.cmp(b.0))
        };
        if limit < all.len() && limit > 0 {
            all.select_nth_unstable_by(limit - 1, order);
        }
        all.truncate(limit);
        all.sort_by(order);
        Hits {
            hits: (all.into_iter())
                .filter_map(|(thing, (_, tally))| {
                    hit((thing.clone(), (ask.find(thing)?, tally.clone())))
                })
                .collect(),
            found,
            truncated: self.truncated,
            complete: true,
            indexed: false,
        }
    }
}

pub(super) fn hit((thing, (found, tally)): (Thing, (Found, Tally))) -> Option<Hit> {
    let kind = thing.kind()?;
    let mut places = found.places;
    let mut texts = Vec::new();
    let names = kind.row().fields.iter();
    for (name, text) in names.zip(thing.texts()) {
        match text {
            Some(text) => texts.push((*name, text.to_vec())),
            // The places after it move up.
            None => {
                let gone = texts.len();
                let behind = places.iter_mut().filter(|(place, _)| *place > gone);
                behind.for_each(|(place, _)| *place -= 1);
            }
        }
    }
    let by = tally.by.iter().map(|(actor, count)| {
        let (process, container) = actor_parts(actor);
        (process.to_vec(), container.to_vec(), *count)
    });
    Some(Hit {
        kind,
        texts,
        places,
        score: found.score,
        events: tally.count,
        first: tally.first,
        last: tally.last,
        by: by.collect(),
    })
}
