//! Losses of the rings on their way to be told: those close behind each other on a CPU are told as one.
//!
//! Under pressure, or while a ring is full, what is lost and what is kept take turns: a gap for each would be one for nearly every
//! event that is kept. What is told says from when to when, how many and of which class, and never covers more than [`NEAR_NS`]
//! beyond what a single loss covers.

use crate::enrich::World;
use crate::error::Error;
use crate::ring::{Loss, Missed};
use crate::sink::Sink;
use crate::window::of_whom;
use afterimage_model::{BootNs, Class, Container, Gap, GapCause};
use std::sync::Arc;

/// Losses that end so long after the first one began, ns, are told with it.
const NEAR_NS: u64 = 100_000_000;

/// What was lost and is not told yet.
#[derive(Default)]
pub struct Losses {
    /// At most one of each CPU, reason and control group, and whether it is several.
    open: Vec<(Loss, bool)>,
}

impl Losses {
    /// Takes note of a loss, up to `now_ns` when there is no record behind it. Gives what is to be told, because it does not
    /// belong to any more.
    pub fn take(&mut self, loss: Loss, now_ns: u64) -> Option<Lost> {
        let loss = Loss {
            before_ns: match loss.before_ns {
                0 => now_ns,
                before => before,
            },
            ..loss
        };
        let same = |(open, _): &&mut (Loss, bool)| {
            (open.cpu, open.why, open.group) == (loss.cpu, loss.why, loss.group)
        };
        let Some(slot) = self.open.iter_mut().find(same) else {
            self.open.push((loss, false));
            return None;
        };
        if loss.before_ns.saturating_sub(slot.0.after_ns) > NEAR_NS {
            return Some(lost(std::mem::replace(slot, (loss, false))));
        }
        let (open, several) = slot;
        *several = true;
        open.before_ns = open.before_ns.max(loss.before_ns);
        open.count += loss.count;
        for (all, more) in open.classes.iter_mut().zip(loss.classes) {
            *all = all.saturating_add(more);
        }
        None
    }

    /// What is not told yet, in order of time: to be told before the events behind it are handed on.
    pub fn rest(&mut self) -> impl Iterator<Item = Lost> {
        self.open.sort_by_key(|(loss, _)| loss.after_ns);
        self.open.drain(..).map(lost)
    }
}

/// What is to be told of losses, and the control group that all of it was of; 0 where it was of several.
pub struct Lost {
    gap: Gap,
    group: u64,
}

impl Lost {
    /// Tells it, with whose events they were where that is known.
    ///
    /// # Errors
    /// Those of the sink.
    pub fn tell(self, world: &mut World, sink: &mut impl Sink) -> Result<(), Error> {
        let Lost { mut gap, group } = self;
        let whose = world.whose(group, gap.start.0);
        if let Some(container) = &whose {
            gap.detail = format!("{}; {}", gap.detail, of_whom(container.as_deref()));
        }
        let trail = |container: Option<Arc<Container>>| {
            container.map(|container| Arc::from(container.full_id.as_str()))
        };
        sink.loss(gap, whose.map(trail))
    }
}

/// Of several there are events in between, so that no range of numbers is missing: those of the events say which are.
fn lost((loss, several): (Loss, bool)) -> Lost {
    let classes: Vec<String> = (loss.classes.iter().enumerate())
        .filter(|(_, count)| **count > 0)
        .map(|(class, count)| {
            let class = Class::from_code(class as u8).map_or("other", Class::name);
            format!("{class} {count}")
        })
        .collect();
    let gap = Gap {
        cause: match loss.why {
            Missed::Full => GapCause::RingFull,
            Missed::Counted => GapCause::Counted,
        },
        start: BootNs(loss.after_ns),
        end: BootNs(loss.before_ns),
        cpu: Some(loss.cpu),
        count: Some(loss.count),
        first_seq: (!several).then_some(loss.first_seq),
        detail: classes.join(", "),
    };
    Lost {
        gap,
        group: loss.group,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::CLASSES;

    fn loss(cpu: u16, why: Missed, count: u64, (after_ns, before_ns): (u64, u64)) -> Loss {
        let mut classes = [0; CLASSES as usize];
        classes[0] = count as u32;
        Loss {
            cpu,
            why,
            first_seq: after_ns,
            count,
            classes,
            group: 0,
            after_ns,
            before_ns,
        }
    }

    /// All that is told of losses, each of which is found at its end.
    fn told(losses: &[Loss], now_ns: u64) -> Vec<Gap> {
        let mut all = Losses::default();
        let mut told: Vec<Gap> = (losses.iter())
            .filter_map(|loss| all.take(*loss, now_ns))
            .map(|lost| lost.gap)
            .collect();
        told.extend(all.rest().map(|lost| lost.gap));
        assert_eq!(all.rest().count(), 0);
        told
    }

    #[test]
    fn losses_between_events_that_are_kept_are_told_as_one() {
        let ms = 1_000_000;
        let losses: Vec<Loss> = (0..1_000)
            .map(|at| loss(1, Missed::Counted, 2, (at * ms, (at + 1) * ms)))
            .collect();
        let told = told(&losses, 0);
        assert_eq!(told.len(), 10);
        assert_eq!(told.iter().filter_map(|gap| gap.count).sum::<u64>(), 2_000);
        let (first, name) = (&told[0], Class::from_code(0).expect("a class").name());
        assert_eq!(
            (first.start.0, first.end.0, first.first_seq),
            (0, 100 * ms, None)
        );
        assert_eq!(first.detail, format!("{name} 200"));
        assert!(told.windows(2).all(|two| two[0].end == two[1].start));
    }

    #[test]
    fn what_is_far_apart_or_on_another_cpu_or_for_another_reason_stays_apart() {
        let far = NEAR_NS + 1;
        let losses = [
            loss(0, Missed::Full, 1, (5, 9)),
            loss(1, Missed::Full, 2, (6, 9)),
            loss(0, Missed::Counted, 3, (7, 9)),
            loss(0, Missed::Full, 4, (5 + far, 6 + far)),
            loss(1, Missed::Full, 5, (8, 0)),
        ];
        let mut told: Vec<(u64, u64, u64)> = told(&losses, 20)
            .iter()
            .map(|gap| (gap.start.0, gap.end.0, gap.count.unwrap_or(0)))
            .collect();
        told.sort_unstable();
        assert_eq!(
            told,
            [(5, 9, 1), (6, 20, 7), (7, 9, 3), (5 + far, 6 + far, 4)]
        );
    }

    #[test]
    fn a_loss_alone_is_told_as_it_is_however_long() {
        let long = loss(3, Missed::Full, 9, (1, 40 * NEAR_NS));
        let told = told(&[long], 0);
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].end.0, told[0].first_seq), (40 * NEAR_NS, Some(1)));
    }
}
