//! The recorder watches itself: whether it ran, and whether its programs still see what happens.
//!
//! Its own calls are spared, and counted by the kernel programs. While it runs it makes some, so a count that stands still
//! means that the programs are gone, or see nothing.

use crate::wire::SelfSignal;
use afterimage_model::{BootNs, Gap, GapCause, signal};

/// How long it may not have run before that is said.
const STALL_NS: u64 = 5_000_000_000;
/// How long the count may stand still.
const STILL_NS: u64 = 2_000_000_000;

/// What was seen of itself.
#[derive(Default)]
pub(super) struct Itself {
    looked_ns: u64,
    spared: u64,
    moved_ns: u64,
    blind: bool,
}

fn blind(start: u64, end: u64, detail: String) -> Gap {
    Gap {
        cause: GapCause::Blind,
        start: BootNs(start),
        end: BootNs(end),
        cpu: None,
        count: None,
        first_seq: None,
        detail,
    }
}

/// Who stopped the recorder, when somebody did between these instants (man 7 signal).
fn stopper(last: Option<SelfSignal>, within: std::ops::RangeInclusive<u64>) -> Option<String> {
    let last = last.filter(|last| {
        within.contains(&last.time_ns)
            && [libc::SIGSTOP, libc::SIGTSTP].contains(&last.sig.cast_signed())
    })?;
    let comm = last.comm.split(|byte| *byte == 0).next();
    let comm = String::from_utf8_lossy(comm.unwrap_or_default());
    let name = signal::name(i64::from(last.sig));
    Some(format!("{name} was sent by pid {} ({comm})", last.pid))
}

impl Itself {
    /// Adds who stopped the recorder to what is said of a time in which it did not run.
    pub(super) fn name_stopper(gap: &mut Gap, last: Option<SelfSignal>) {
        if let Some(who) = stopper(last, gap.start.0..=gap.end.0) {
            gap.detail = format!("{}; {who}", gap.detail);
        }
    }

    /// Looks at the clock and at what was spared of the recorder's own calls.
    pub(super) fn look(&mut self, now_ns: u64, spared: u64) -> Option<Gap> {
        if self.looked_ns == 0 {
            (self.looked_ns, self.moved_ns, self.spared) = (now_ns, now_ns, spared);
            return None;
        }
        let last = std::mem::replace(&mut self.looked_ns, now_ns);
        if now_ns.saturating_sub(last) >= STALL_NS {
            self.moved_ns = now_ns;
            let seconds = (now_ns - last) as f64 / 1e9;
            return Some(blind(
                last,
                now_ns,
                format!(
                    "the recorder did not run for {seconds:.1} s: stopped, or without a processor; what its rings had no room for is counted beside"
                ),
            ));
        }
        if spared != self.spared {
            let since = std::mem::replace(&mut self.moved_ns, now_ns);
            self.spared = spared;
            return std::mem::take(&mut self.blind)
                .then(|| blind(since, now_ns, "the kernel programs saw nothing".to_owned()));
        }
        self.blind |= now_ns.saturating_sub(self.moved_ns) >= STILL_NS;
        None
    }

    /// At the end: since when nothing was seen, if so.
    pub(super) fn end(&mut self, now_ns: u64) -> Option<Gap> {
        std::mem::take(&mut self.blind).then(|| {
            blind(
                self.moved_ns,
                now_ns,
                "the kernel programs saw nothing".to_owned(),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    #[test]
    fn time_without_running_and_programs_that_see_nothing_are_gaps() {
        let mut itself = Itself::default();
        for second in 1..4 {
            assert_eq!(itself.look(second * S, second), None);
        }
        let gap = itself.look(10 * S, 4).expect("a gap");
        assert_eq!((gap.start, gap.end), (BootNs(3 * S), BootNs(10 * S)));
        assert!(gap.detail.contains("7.0 s"), "{}", gap.detail);
        assert_eq!(itself.look(11 * S, 5), None);
        // The count stands still.
        for second in 12..16 {
            assert_eq!(itself.look(second * S, 5), None);
        }
        let gap = itself.look(16 * S, 6).expect("a gap");
        assert_eq!((gap.start, gap.end), (BootNs(11 * S), BootNs(16 * S)));
        assert_eq!(itself.end(17 * S), None);
    }

    #[test]
    fn who_stopped_it_is_named_when_it_was_then() {
        let mut comm = [0; 16];
        comm[..4].copy_from_slice(b"kill");
        let last = SelfSignal {
            time_ns: 5 * S,
            sig: libc::SIGSTOP.unsigned_abs(),
            pid: 77,
            comm,
        };
        let mut gap = blind(3 * S, 10 * S, "it did not run".to_owned());
        Itself::name_stopper(&mut gap, Some(last));
        assert_eq!(
            gap.detail,
            "it did not run; SIGSTOP was sent by pid 77 (kill)"
        );
        let mut later = blind(6 * S, 10 * S, "it did not run".to_owned());
        Itself::name_stopper(&mut later, Some(last));
        assert_eq!(later.detail, "it did not run");
    }
}
