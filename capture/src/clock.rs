//! Whether somebody sets the wall clock while it is recorded. A thread of its own sleeps until the kernel says so, which it
//! does for each setting of the clock and each leap second (timerfd_create(2), `TFD_TIMER_CANCEL_ON_SET`, Linux 3.0).

use crate::host;
use afterimage_model::time::Civil;
use afterimage_model::{BootNs, ClockPair, Gap, GapCause};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use std::sync::mpsc;

/// A step below this is what two readings of a clock differ by, ns. Clocks that are slewed make none: the boot clock is slewed
/// with them.
const LEAST_NS: u64 = 20_000;
/// Steps that wait to be taken; of more the last say how far it went altogether.
const WAITING: usize = 1024;
/// A second no clock gets to, for a timer that never fires: the year 2262, where nanoseconds end.
const NEVER: i64 = i64::MAX / 1_000_000_000;

/// The wall clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// When it was noticed, and what the clock said from then on.
    pub now: ClockPair,
    /// By how much, ns.
    pub by_ns: i64,
}

impl Step {
    /// What a file says of it. Its times go by one clock: by that of its beginning, which may be before or after the step.
    pub fn gap(&self) -> Gap {
        let at = BootNs(self.now.boot_ns);
        let way = if self.by_ns < 0 { "back" } else { "ahead" };
        let utc = |ns: i64| Civil::from_unix_ns(ns).iso8601();
        Gap {
            cause: GapCause::ClockStep,
            start: at,
            end: at,
            cpu: None,
            count: Some(0),
            first_seq: None,
            detail: format!(
                "the wall clock was set {way} by {}, from {} to {}; times in this file go by one clock before and after",
                seconds(self.by_ns.unsigned_abs()),
                utc(self.now.real_ns.saturating_sub(self.by_ns)),
                utc(self.now.real_ns),
            ),
        }
    }
}

/// Nanoseconds as seconds with all their digits.
fn seconds(ns: u64) -> String {
    format!("{}.{:09} s", ns / 1_000_000_000, ns % 1_000_000_000)
}

/// How far the wall clock is ahead of the boot clock, ns.
fn ahead(pair: ClockPair) -> i64 {
    let ahead = i128::from(pair.real_ns) - i128::from(pair.boot_ns);
    ahead.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// The thread that waits. Dropping it ends the thread.
pub struct Clock {
    steps: mpsc::Receiver<Step>,
    end: OwnedFd,
}

impl Clock {
    /// Starts the thread. `since` is what the clocks said when the recording began.
    ///
    /// # Errors
    /// When the kernel has no such timer, or there can be no thread.
    pub fn start(since: ClockPair) -> std::io::Result<Clock> {
        let timer = timerfd_create(
            TimerfdClockId::Realtime,
            TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK,
        )?;
        arm(&timer)?;
        let end = eventfd(0, EventfdFlags::CLOEXEC)?;
        let ended = end.try_clone()?;
        let (tell, steps) = mpsc::sync_channel(WAITING);
        std::thread::Builder::new()
            .name("clock".to_owned())
            .spawn(move || wait(&timer, &ended, since, &tell))?;
        Ok(Clock { steps, end })
    }

    /// The steps since it was last asked.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        self.steps.try_iter()
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        // A counter of one is always taken.
        let _ = rustix::io::write(&self.end, &1_u64.to_ne_bytes());
    }
}

fn arm(timer: &OwnedFd) -> rustix::io::Result<()> {
    let never = Itimerspec {
        it_interval: Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        },
        it_value: Timespec {
            tv_sec: NEVER,
            tv_nsec: 0,
        },
    };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(timer, flags, &never).map(drop)
}

fn wait(timer: &OwnedFd, end: &OwnedFd, since: ClockPair, tell: &mpsc::SyncSender<Step>) {
    let mut known = ahead(since);
    loop {
        // It may have been set before the timer was armed; a reading comes first.
        let now = host::clock_pair();
        let by_ns = ahead(now).saturating_sub(known);
        if by_ns.unsigned_abs() >= LEAST_NS {
            match tell.try_send(Step { now, by_ns }) {
                Ok(()) => known = ahead(now),
                // The next one that finds room tells of both.
                Err(mpsc::TrySendError::Full(_)) => {}
                Err(mpsc::TrySendError::Disconnected(_)) => return,
            }
        }
        let mut fds = [
            PollFd::new(timer, PollFlags::IN),
            PollFd::new(end, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) if !fds[1].revents().is_empty() => return,
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        // ECANCELED: it was set. A timer that has fired, because the clock was set beyond it, is armed anew.
        if rustix::io::read(timer, &mut [0; 8]).is_ok() && arm(timer).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    const S: i64 = 1_000_000_000;

    #[test]
    fn a_step_says_by_how_much_and_from_when_to_when() {
        let told = |real_ns, by_ns| {
            let now = ClockPair {
                boot_ns: 10,
                mono_ns: 0,
                real_ns,
            };
            let gap = Step { now, by_ns }.gap();
            assert_eq!((gap.cause, gap.count), (GapCause::ClockStep, Some(0)));
            assert_eq!((gap.start, gap.end), (BootNs(10), BootNs(10)));
            gap.detail
        };
        let detail = told(4_605 * S, 3_600 * S);
        let wanted = "the wall clock was set ahead by 3600.000000000 s, from 1970-01-01T00:16:45.000000000+0000 to 1970-01-01T01:16:45.000000000+0000;";
        assert!(detail.starts_with(wanted), "{detail}");
        let detail = told(605 * S - 1, -4_000 * S - 1);
        let wanted = "the wall clock was set back by 4000.000000001 s, from 1970-01-01T01:16:45.000000000+0000 to 1970-01-01T00:10:04.999999999+0000;";
        assert!(detail.starts_with(wanted), "{detail}");
    }

    #[test]
    fn what_was_set_before_the_thread_ran_is_told_and_a_clock_that_goes_on_is_not() {
        let mut since = host::clock_pair();
        let clock = Clock::start(since).expect("a timer");
        assert_eq!(clock.steps().count(), 0);
        since.real_ns -= 5 * S;
        let clock = Clock::start(since).expect("a timer");
        let until = Instant::now() + Duration::from_secs(10);
        let step = loop {
            match clock.steps().next() {
                Some(step) => break step,
                None if Instant::now() > until => panic!("nothing was told"),
                None => std::thread::yield_now(),
            }
        };
        assert!(step.by_ns.abs_diff(5 * S) < LEAST_NS, "{step:?}");
        assert_eq!(clock.steps().count(), 0);
    }
}
