//! A recording that goes on in another file when a disk has failed: what the files before account for is not counted again,
//! and what reached none of them is lost, and said to be.

use crate::host;
use afterimage_model::{BootNs, Gap, GapCause, Manifest, Totals};

/// What the files before account for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// Events written or on their way when the file before ended.
    pub written: u64,
    /// Events that were filtered out by then.
    pub filtered: u64,
    /// Events of runtimes by then.
    pub told: u64,
    /// Samples by then.
    pub sampled: u64,
    /// Events that were on their way and reached no file.
    pub lost: u64,
}

impl Before {
    /// The books of the last file alone, by those of the whole recording.
    pub fn apart(&self, whole: Totals) -> Totals {
        let accounted = self.written + self.filtered;
        Totals {
            offered: whole.offered.saturating_sub(accounted) + self.lost,
            written: whole.written.saturating_sub(self.written),
            dropped: whole.dropped + self.lost,
            filtered: whole.filtered.saturating_sub(self.filtered),
            told: whole.told.saturating_sub(self.told),
            sampled: whole.sampled.saturating_sub(self.sampled),
            ..whole
        }
    }
}

/// The manifest of the file that comes after one that failed.
pub fn next(manifest: &Manifest, why: &str) -> Manifest {
    Manifest {
        trigger: format!(
            "continues capture {}, which failed: {why}",
            manifest.capture_id
        ),
        ..host::renewed(manifest)
    }
}

/// What is missing between two files.
pub fn gap(since: BootNs, lost: u64, why: &str) -> Gap {
    Gap {
        cause: GapCause::WriteFailed,
        start: since,
        end: BootNs(host::boot_ns()).max(since),
        cpu: None,
        count: Some(lost),
        first_seq: None,
        detail: format!("on their way into the file before when it failed: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_of_the_last_file_balance_as_those_of_the_whole_do() {
        let whole = Totals {
            offered: 100,
            written: 70,
            dropped: 10,
            filtered: 15,
            unsealed: 5,
            told: 4,
            sampled: 3,
            ..Totals::default()
        };
        let before = Before {
            written: 40,
            filtered: 9,
            told: 1,
            sampled: 1,
            lost: 6,
        };
        let last = before.apart(whole.clone());
        assert_eq!(
            last.offered,
            last.written + last.dropped + last.filtered + last.unsealed
        );
        assert_eq!(
            (last.written, last.dropped, last.told, last.sampled),
            (30, 16, 3, 2)
        );
        assert_eq!(Before::default().apart(whole.clone()), whole);
    }
}
