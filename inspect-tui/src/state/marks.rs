//! What the timeline marks: triggers, bookmarks, alerts.

use super::State;
use crate::worker::{Ask, Lane};

/// What a mark on the timeline stands for, the most telling first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// A trigger fired: the reason that there is a recording.
    Trigger,
    /// The user marked an event.
    Bookmark,
    /// Somebody remarked on an instant in the file.
    Remark,
}

impl State {
    /// Asks for what the timeline marks and is not known yet.
    pub(super) fn settle_marks(&mut self) {
        if self.facts.rules.is_some() && !self.alerts_asked {
            self.alerts_asked = true;
            self.ask(Ask::Alerts);
        }
        let unknown = |num: &u64| !self.moments.contains_key(num);
        let nums: Vec<u64> = self.bookmarks.keys().copied().filter(unknown).collect();
        if !nums.is_empty() && !self.tickets.contains_key(&Lane::Marks) {
            self.ask(Ask::Moments(nums));
        }
    }

    /// Every mark with its instant, ns since boot.
    pub fn marks(&self) -> impl Iterator<Item = (u64, Mark)> {
        let noted = self.facts.remarks.iter().map(|remark| {
            let mark = match remark.trigger {
                true => Mark::Trigger,
                false => Mark::Remark,
            };
            (remark.at_ns, mark)
        });
        let moment = |num: &u64| self.moments.get(num).copied().flatten();
        let kept = self.bookmarks.keys().filter_map(moment);
        noted.chain(kept.map(|at| (at, Mark::Bookmark)))
    }

    /// Alerts in each of `steps` steps of the span on screen.
    pub fn alert_steps(&self, steps: usize) -> Vec<u64> {
        let (first, last) = self.shown_span();
        let mut counts = vec![0u64; steps];
        let from = self.alerts.partition_point(|at| *at < first);
        let inside = self.alerts.get(from..).unwrap_or_default().iter();
        for at in inside.take_while(|at| **at <= last) {
            if let Some(count) = counts.get_mut(self.step_of(*at)) {
                *count += 1;
            }
        }
        counts
    }

    /// Lines of the timeline beside those of activity: gaps, alerts, marks.
    pub fn lanes_beside(&self) -> [bool; 3] {
        [
            self.facts.gaps().next().is_some(),
            !self.alerts.is_empty(),
            self.marks().next().is_some(),
        ]
    }
}
