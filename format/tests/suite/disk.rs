//! Disks that fail: power cuts that lose and reorder what was not synced, full disks at every step, failed and short writes,
//! failed syncs. What was synced is always there, nothing is made up, and nothing is called sealed that is not.

use crate::evidence::key;
use crate::story::{event, story};
use afterimage_format::store::{States, Store, Sync};
use afterimage_format::{Error, Lineage, Reader, Verdict, Writer, WriterOptions, verify_bytes};
use afterimage_model::{ClockPair, Event, GapCause, Totals};
use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex, OnceLock};

const PAGE: usize = 4096;
/// Room kept for the end of the file here.
const RESERVE: u64 = 8 << 10;

/// What goes wrong, and at which call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Write(usize, ErrorKind),
    Short(usize),
    Sync(usize),
}

/// A disk in memory: what was written, and what of it was synced.
struct Disk {
    written: Vec<u8>,
    synced: usize,
    capacity: usize,
    fault: Fault,
    writes: usize,
    syncs: usize,
    /// Length written and length synced after each call.
    moments: Vec<(usize, usize)>,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Disk>>);

impl Shared {
    fn new(capacity: usize, fault: Fault) -> Shared {
        Shared(Arc::new(Mutex::new(Disk {
            written: Vec::new(),
            synced: 0,
            capacity,
            fault,
            writes: 0,
            syncs: 0,
            moments: vec![(0, 0)],
        })))
    }

    fn store(&self) -> Store {
        let disk = self.clone();
        let sync: Sync = Box::new(move || {
            let mut disk = disk.0.lock().unwrap();
            disk.syncs += 1;
            if disk.fault == Fault::Sync(disk.syncs) {
                return Err(io::Error::other("EIO"));
            }
            disk.synced = disk.written.len();
            let moment = (disk.written.len(), disk.synced);
            disk.moments.push(moment);
            Ok(())
        });
        Store::of(self.clone(), sync)
    }

    fn room(&self) -> impl FnMut(u64) -> io::Result<()> + Send + 'static {
        let capacity = self.0.lock().unwrap().capacity as u64;
        move |end| match end + RESERVE > capacity {
            true => Err(ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.0.lock().unwrap();
        disk.writes += 1;
        let mut len = bytes.len();
        match disk.fault {
            Fault::Write(at, kind) if at == disk.writes => {
                if kind != ErrorKind::Interrupted {
                    // Half of it may have arrived all the same.
                    let half = &bytes[..len / 2];
                    disk.written.extend_from_slice(half);
                }
                return Err(kind.into());
            }
            Fault::Short(every) if disk.writes.is_multiple_of(every) => len = len.div_ceil(2),
            _ => {}
        }
        if disk.written.len() + len > disk.capacity {
            return Err(ErrorKind::StorageFull.into());
        }
        disk.written.extend_from_slice(&bytes[..len]);
        let moment = (disk.written.len(), disk.synced);
        disk.moments.push(moment);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const CHUNKS: u64 = 24;

fn events() -> &'static [Event] {
    static EVENTS: OnceLock<Vec<Event>> = OnceLock::new();
    EVENTS.get_or_init(|| (0..CHUNKS * 14).map(event).collect())
}

/// Records onto a disk: chunks, and a checkpoint behind every other one. Gives how it ended and how far it is kept.
fn record(disk: &Shared) -> (Result<u64, Error>, Arc<States>) {
    let story = story();
    let store = disk.store();
    let states = store.states();
    let run = || {
        let mut writer = Writer::signed(
            store,
            &story.manifest,
            &Lineage::default(),
            &story.schema,
            WriterOptions::default(),
            Some(&key(1)),
        )?;
        writer.guard(disk.room());
        writer.state(story.chunks[0][0].time, &story.tables)?;
        for (at, chunk) in events().chunks(14).enumerate() {
            for event in chunk {
                writer.push(event.clone(), &story.tables)?;
            }
            writer.flush(&story.tables)?;
            if at % 2 == 1 {
                writer.checkpoint(ClockPair::default())?;
            }
        }
        let refused = writer.refused().unwrap_or(0);
        if refused > 0 {
            writer.ended("the disk is full");
        }
        let totals = Totals {
            offered: CHUNKS * 14,
            written: CHUNKS * 14 - refused,
            dropped: refused,
            ..Totals::default()
        };
        let store = writer.seal(&totals, &story.tables)?;
        store.finish().map_err(|error| Error {
            place: afterimage_format::Place::Output,
            offset: None,
            kind: afterimage_format::ErrorKind::Io(error),
        })?;
        Ok(refused)
    };
    (run(), states)
}

/// Everything that can be read, and whether all of it is true and in order.
fn read(image: &[u8]) -> Option<Vec<Event>> {
    let reader = Reader::from_bytes(image.to_vec()).ok()?;
    let mut found = Vec::new();
    for at in 0..reader.chunks().len() {
        if let Ok(chunk) = reader.chunk(at) {
            for (num, event) in (chunk.first_num..).zip(chunk.events) {
                let index = usize::try_from(num - 1).unwrap();
                assert_eq!(Some(&event), events().get(index), "event {num} is made up");
                found.push(event);
            }
        }
    }
    Some(found)
}

fn is_sealed(image: &[u8]) -> bool {
    verify_bytes(image.to_vec()).is_ok_and(|r| matches!(r.verdict, Verdict::SealedIntact))
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.0 >> 33) as usize) % sides.max(1)
    }
}

#[test]
fn a_power_cut_loses_only_what_was_not_synced_and_nothing_is_called_sealed_that_is_not() {
    let disk = Shared::new(usize::MAX, Fault::None);
    assert!(record(&disk).0.is_ok());
    let disk = disk.0.lock().unwrap();
    let whole = disk.written.clone();
    assert!(is_sealed(&whole) && disk.synced == whole.len());
    let mut dice = Dice(7);
    let mut images = 0;
    for (written, synced) in &disk.moments {
        for attempt in 0..12 {
            // The length may be ahead of the data, and pages arrive in any order or not at all.
            let len = match attempt {
                0 => *synced,
                1 => *written,
                _ => synced + dice.roll(written - synced + 1),
            };
            let mut image = whole[..len].to_vec();
            for page in (synced / PAGE)..len.div_ceil(PAGE) {
                let from = (page * PAGE).max(*synced);
                let to = ((page + 1) * PAGE).min(len);
                if attempt > 1 && dice.roll(2) == 0 {
                    image[from..to].fill(0);
                }
            }
            images += 1;
            assert!(!is_sealed(&image) || image == whole);
            let kept = read(&whole[..*synced]).unwrap_or_default();
            let found = read(&image).unwrap_or_default();
            // What was synced is there, and nothing but what was recorded.
            assert!(
                found.starts_with(&kept),
                "{written} written, {synced} synced"
            );
            if *synced > 20_000 {
                assert!(!kept.is_empty());
            }
        }
    }
    assert!(images > 500, "{images}");
}

#[test]
fn a_disk_that_is_full_at_any_step_leaves_a_sealed_capture_that_says_what_is_missing() {
    let most = Shared::new(usize::MAX, Fault::None);
    assert!(record(&most).0.is_ok());
    let size = most.0.lock().unwrap().written.len();
    let (mut sealed, mut refusals) = (0, 0);
    for capacity in (0..size + 2 * RESERVE as usize).step_by(512) {
        let disk = Shared::new(capacity, Fault::None);
        let (ended, _) = record(&disk);
        let image = disk.0.lock().unwrap().written.clone();
        let Ok(refused) = ended else {
            // Not even the beginning had room: that is an error, and nothing passes for a capture.
            assert!(image.len() < 9 << 10, "{capacity}: {}", image.len());
            assert!(!is_sealed(&image));
            continue;
        };
        sealed += 1;
        assert!(is_sealed(&image), "{capacity}");
        let reader = Reader::from_bytes(image.clone()).unwrap();
        assert_eq!(reader.events() + refused, CHUNKS * 14, "{capacity}");
        assert_eq!(read(&image).unwrap().len() as u64, reader.events());
        if refused > 0 {
            refusals += 1;
            let gap = reader.gaps().last().unwrap();
            assert_eq!(
                (gap.cause, gap.count),
                (GapCause::WriteFailed, Some(refused))
            );
            assert_eq!(reader.seal().unwrap().ended, "the disk is full");
            let totals = reader.totals().unwrap();
            assert_eq!(totals.offered, totals.written + totals.dropped);
        } else {
            // It may have become full behind the last event.
            assert!(reader.gaps().iter().all(|gap| gap.count == Some(0)));
        }
    }
    assert!(sealed > 20 && refusals > 20, "{sealed} {refusals}");
}

#[test]
fn a_write_that_fails_anywhere_ends_the_capture_there_and_what_was_synced_is_kept() {
    let whole = Shared::new(usize::MAX, Fault::None);
    assert!(record(&whole).0.is_ok());
    let writes = whole.0.lock().unwrap().writes;
    for at in 1..=writes {
        for kind in [
            ErrorKind::Other,
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
        ] {
            let disk = Shared::new(usize::MAX, Fault::Write(at, kind));
            let (ended, states) = record(&disk);
            assert!(ended.is_err(), "write {at}, {kind}");
            let disk = disk.0.lock().unwrap();
            assert!(!is_sealed(&disk.written), "write {at}, {kind}");
            assert!(disk.writes == at, "write {at} was followed by others");
            assert!(states.durable() <= disk.synced as u64);
            let kept = read(&disk.written[..disk.synced]).unwrap_or_default();
            assert!(read(&disk.written).unwrap_or_default().starts_with(&kept));
        }
        let disk = Shared::new(usize::MAX, Fault::Write(at, ErrorKind::Interrupted));
        assert!(
            record(&disk).0.is_ok(),
            "a write that was interrupted is repeated"
        );
        assert!(is_sealed(&disk.0.lock().unwrap().written));
    }
}

#[test]
fn short_writes_are_completed() {
    for every in 1..5 {
        let disk = Shared::new(usize::MAX, Fault::Short(every));
        assert!(record(&disk).0.is_ok());
        assert!(is_sealed(&disk.0.lock().unwrap().written));
    }
}

#[test]
fn a_sync_that_fails_anywhere_ends_the_capture_and_nothing_after_it_is_called_durable() {
    let whole = Shared::new(usize::MAX, Fault::None);
    assert!(record(&whole).0.is_ok());
    let syncs = whole.0.lock().unwrap().syncs;
    assert!(syncs > 10);
    for at in 1..=syncs {
        let disk = Shared::new(usize::MAX, Fault::Sync(at));
        let (ended, states) = record(&disk);
        assert!(ended.is_err(), "sync {at}");
        let disk = disk.0.lock().unwrap();
        assert_eq!(disk.syncs, at, "a failed sync was tried again");
        assert_eq!(states.durable(), disk.synced as u64);
        assert!(states.durable() <= states.written() && states.failed().is_some());
    }
}
