//! The ladder of giving way: as the rings fill, first payload is left out, then calls that yield first are only counted.
//! Each step is written into the capture as a gap; it goes back as soon as there has been room for a while.

use crate::wire::Pressure;
use afterimage_model::{BootNs, Gap, GapCause};

/// How full the fullest ring must be to go up a step, in parts of 256: one half, three quarters.
const UP: [u64; 2] = [128, 192];
/// Below this the rings count as empty: an eighth.
const EMPTY: u64 = 32;
/// How long they must have been so to go down a step.
const CALM_NS: u64 = 500_000_000;

/// A change of how much is recorded.
#[derive(Debug, PartialEq, Eq)]
pub struct Step {
    /// The new [`Pressure`].
    pub pressure: u32,
    /// What the step that ends leaves behind.
    pub ended: Option<Gap>,
}

/// Where on the ladder a recording is.
#[derive(Debug, Default)]
pub struct Ladder {
    pressure: u32,
    since_ns: u64,
    /// Since when the rings have been empty enough; 0 while they are not.
    calm_ns: u64,
}

impl Ladder {
    /// Looks at how full the rings are; `Some` when more or less is to be recorded from now on.
    pub fn look(&mut self, full: u64, now_ns: u64) -> Option<Step> {
        let wanted = UP.iter().filter(|most| full >= **most).count() as u32;
        if wanted > self.pressure {
            return Some(self.change(wanted, now_ns));
        }
        if full >= EMPTY || self.pressure == Pressure::FULL {
            self.calm_ns = 0;
        } else if self.calm_ns == 0 {
            self.calm_ns = now_ns;
        } else if now_ns.saturating_sub(self.calm_ns) >= CALM_NS {
            self.calm_ns = now_ns;
            return Some(self.change(self.pressure - 1, now_ns));
        }
        None
    }

    fn change(&mut self, pressure: u32, now_ns: u64) -> Step {
        let ended = self.end(now_ns);
        (self.pressure, self.since_ns) = (pressure, now_ns);
        Step { pressure, ended }
    }

    /// The gap that the present step leaves when it ends now; none when everything is recorded.
    pub fn end(&self, now_ns: u64) -> Option<Gap> {
        let detail = match self.pressure {
            Pressure::FULL => return None,
            Pressure::HEADS => "what was read and written was kept by length only",
            _ => "reads, writes, waiting, clocks and scheduling were only counted",
        };
        Some(Gap {
            cause: GapCause::Degraded,
            start: BootNs(self.since_ns),
            // What is left in the rings at the end of a recording may lead to a step after that instant.
            end: BootNs(now_ns.max(self.since_ns)),
            cpu: None,
            count: Some(0),
            first_seq: None,
            detail: detail.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_up_at_once_and_down_step_by_step_when_it_is_calm() {
        let mut ladder = Ladder::default();
        assert_eq!(ladder.look(100, 1), None);
        let up = ladder.look(255, 2).expect("a step");
        assert_eq!((up.pressure, up.ended), (Pressure::COUNTS, None));
        assert_eq!(ladder.look(40, 3), None, "not empty yet");
        assert_eq!(ladder.look(0, 4), None);
        assert_eq!(ladder.look(0, 3 + CALM_NS), None);
        let down = ladder.look(0, 4 + CALM_NS).expect("a step");
        assert_eq!(down.pressure, Pressure::HEADS);
        let gap = down.ended.expect("the step is written down");
        assert_eq!((gap.start.0, gap.end.0), (2, 4 + CALM_NS));
        let down = ladder.look(0, 4 + 2 * CALM_NS).expect("a step");
        assert_eq!(down.pressure, Pressure::FULL);
        assert!(down.ended.is_some() && ladder.end(9).is_none());
        assert_eq!(ladder.look(0, 5 + 9 * CALM_NS), None);
    }

    #[test]
    fn a_step_that_begins_when_the_recording_has_ended_takes_no_time() {
        let mut ladder = Ladder::default();
        assert!(ladder.look(255, 20).is_some());
        let gap = ladder.end(18).expect("the step is written down");
        assert_eq!((gap.start, gap.end), (BootNs(20), BootNs(20)));
    }
}
