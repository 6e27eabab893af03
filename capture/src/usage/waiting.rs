//! Whether anybody on the host has waited for something.

use super::folder::Folder;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// What the whole host waits for, where the kernel counts it.
pub(super) struct Host {
    folder: Folder,
    /// Since it was started, µs; `None` before the first look.
    waited_us: Option<u64>,
}

/// The part of an interval for which somebody has to have waited.
pub(super) const MATTERS: u32 = 50;

impl Host {
    const FILES: [&str; 3] = ["cpu", "memory", "io"];

    pub(super) fn find(at: &Path, room: &Arc<AtomicUsize>) -> Option<Host> {
        at.exists().then(|| Host {
            folder: Folder::new(at.to_owned(), &Host::FILES, room),
            waited_us: None,
        })
    }

    /// Whether anybody has waited for so long since the last look. No container has waited longer than its host.
    pub(super) fn has_waited(&mut self, long: Duration) -> bool {
        self.folder.look(|_| true);
        let total = |name: &&str| {
            let some = self.folder.text(name)?.lines().next()?;
            some.split_once("total=")?.1.trim().parse::<u64>().ok()
        };
        let now: u64 = Host::FILES.iter().filter_map(total).sum();
        let before = self.waited_us.replace(now);
        before.is_none_or(|before| u128::from(now.saturating_sub(before)) >= long.as_micros())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_waited_when_its_time_of_waiting_has_grown_enough() {
        let at = std::env::temp_dir().join(format!("afterimage-waiting-{}", std::process::id()));
        std::fs::create_dir_all(&at).expect("a folder");
        for name in ["cpu", "io"] {
            std::fs::write(at.join(name), "").expect("a file");
        }
        let say = |name: &str, total: u64| {
            let text = format!(
                "some avg10=0.00 avg60=0.00 avg300=0.00 total={total}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total={}\n",
                total * 7
            );
            std::fs::write(at.join(name), text).expect("a file");
        };
        let mut host = Host::find(&at, &Arc::default()).expect("it is there");
        let long = Duration::from_millis(20);
        assert!(host.has_waited(long), "nothing is known yet");
        say("cpu", 1_000_000);
        assert!(host.has_waited(long));
        assert!(!host.has_waited(long));
        say("cpu", 1_019_000);
        assert!(!host.has_waited(long));
        // Together.
        say("cpu", 1_029_000);
        say("io", 10_000);
        assert!(host.has_waited(long));
        assert!(Host::find(&at.join("none"), &Arc::default()).is_none());
        std::fs::remove_dir_all(&at).expect("it goes");
    }
}
