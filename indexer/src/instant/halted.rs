//! The making of states where it was halted: all that a later run needs to go on from there instead of from the beginning.

use super::kept::{Common, Fd, First, Noting, Who, decoded, encoded, fds, open};
use super::making::Making;
use super::{Identity, Instant};
use afterimage_format::{pack_rows, unpack_rows};
use afterimage_model::{FileId, Mount, ProcId, Process, Tables};
use bincode::{Decode, Encode};
use std::collections::BTreeMap;
use std::sync::Arc;

/// When a process was met first, as [`First`] has it.
type Met = (
    Who,
    Option<(u32, u32, bool)>,
    (bool, u32),
    Option<(u32, u64)>,
);

/// Where it was halted: behind so many chunks of a section of the capture, with what there was.
#[derive(Encode, Decode)]
struct Halted {
    section: u64,
    chunks: u64,
    rows: Vec<u8>,
    above: Vec<u8>,
    lived: Vec<(Who, u32)>,
    ended: Vec<Who>,
    open: Vec<(Who, Vec<Fd>)>,
    touched: Vec<(Who, Vec<u32>)>,
    made: Vec<(Who, u32, u64)>,
    listening: Vec<u32>,
    born: Vec<(u32, u64, Vec<Fd>)>,
    mounts: Vec<u8>,
    mounted: Vec<u64>,
    unmounted: Vec<(u32, Vec<u8>)>,
    latest: u64,
    firsts: Vec<Met>,
    noted: Vec<(Who, u32)>,
    ends: Vec<(Who, u64)>,
    again: Vec<(Who, u32)>,
    common: Common,
    bytes: u64,
    procs: Vec<(u32, u32)>,
    files: Vec<(u32, u32)>,
    full: bool,
}

fn procs_as_rows(procs: &BTreeMap<ProcId, Arc<Process>>) -> Vec<u8> {
    pack_rows(&Tables {
        procs: procs.clone(),
        ..Tables::default()
    })
}

impl Making {
    /// What a later run goes on from, behind so many chunks of this section; `None` where it is too much to be kept.
    pub(super) fn halted(&self, state: &Instant, section: usize, chunks: usize) -> Option<Vec<u8>> {
        let noting = state.noting.as_ref()?;
        let rows = pack_rows(&Tables {
            procs: state.tables.procs.clone(),
            files: state.tables.files.clone(),
            ..Tables::default()
        });
        let numbered = (0..).zip(state.mounted.values()).map(|(id, (_, mount))| {
            let mount = Mount {
                id,
                ..mount.as_ref().clone()
            };
            ((0, id), Arc::new(mount))
        });
        let mounts = pack_rows(&Tables {
            mounts: numbered.collect(),
            ..Tables::default()
        });
        let met = |(who, first): (&Identity, &First)| -> Met {
            (
                *who,
                first.met.map(|(chunk, row, before)| (chunk, row.0, before)),
                (first.best.0, first.best.1.0),
                first.shown,
            )
        };
        let born = state.born.iter().flatten();
        encoded(&Halted {
            section: section as u64,
            chunks: chunks as u64,
            rows,
            above: procs_as_rows(&state.above),
            lived: state.lived.iter().map(|(who, row)| (*who, row.0)).collect(),
            ended: state.ended.iter().copied().collect(),
            open: (state.open.iter())
                .map(|(who, open)| (*who, fds(open, None)))
                .collect(),
            touched: (state.touched.iter())
                .map(|(who, touched)| (*who, touched.iter().copied().collect()))
                .collect(),
            made: state.made.iter().copied().collect(),
            listening: state.listening.iter().map(|file| file.0).collect(),
            born: born
                .map(|(pid, (since, left))| (*pid, *since, fds(left, None)))
                .collect(),
            mounts,
            mounted: state.mounted.values().map(|mounted| mounted.0).collect(),
            unmounted: state.unmounted.iter().cloned().collect(),
            latest: noting.latest,
            firsts: noting.firsts.iter().map(met).collect(),
            noted: noting.ended.iter().map(|(who, at)| (*who, *at)).collect(),
            ends: noting.ends.iter().map(|(who, at)| (*who, *at)).collect(),
            again: noting.again.iter().map(|(who, at)| (*who, *at)).collect(),
            common: self.common.clone(),
            bytes: self.bytes as u64,
            procs: (self.procs.iter()).map(|(row, at)| (row.0, *at)).collect(),
            files: (self.files.iter()).map(|(row, at)| (row.0, *at)).collect(),
            full: self.is_full,
        })
    }
}

/// What was halted, taken apart again.
pub(super) struct GoingOn {
    /// The section of the capture, and the chunks of it that are done.
    pub section: usize,
    pub chunks: usize,
    halted: Halted,
}

impl GoingOn {
    /// Reads what [`Making::halted`] wrote; `None` where that is something else.
    pub fn read(bytes: &[u8]) -> Option<GoingOn> {
        let halted: Halted = decoded(bytes)?;
        Some(GoingOn {
            section: usize::try_from(halted.section).ok()?,
            chunks: usize::try_from(halted.chunks).ok()?,
            halted,
        })
    }

    /// Puts back what there was then; `None`, and nothing is changed, where it is not whole. `state` is as it is at the beginning of
    /// the section.
    pub fn take_up(self, state: &mut Instant, making: &mut Making) -> Option<()> {
        let halted = self.halted;
        let Tables { procs, files, .. } = unpack_rows(&halted.rows).ok()?;
        let above = unpack_rows(&halted.above).ok()?.procs;
        let mounts = unpack_rows(&halted.mounts).ok()?.mounts;
        let mut mounts: Vec<Arc<Mount>> = mounts.into_values().collect();
        mounts.sort_unstable_by_key(|mount| mount.id);
        if mounts.len() != halted.mounted.len() {
            return None;
        }
        let noting = state.noting.as_mut()?;
        noting.take_up(halted.latest, halted.firsts.into_iter().map(first));
        noting.ended.extend(halted.noted);
        noting.ends.extend(halted.ends);
        noting.again.extend(halted.again);
        (state.tables.procs, state.tables.files, state.above) = (procs, files, above);
        let lived = halted.lived.into_iter();
        state.lived = lived.map(|(who, row)| (who, ProcId(row))).collect();
        state.open.clear();
        state.opened = 0;
        for (who, list) in &halted.open {
            let open: BTreeMap<u32, _> = list.iter().map(|fd| (fd.0, open(fd))).collect();
            state.opened += open.len();
            state.open.insert(*who, open);
        }
        state.ended = halted.ended.into_iter().collect();
        let touched = halted.touched.into_iter();
        state.touched = touched
            .map(|(who, touched)| (who, touched.into_iter().collect()))
            .collect();
        state.made = halted.made.into_iter().collect();
        state.listening = halted.listening.into_iter().map(FileId).collect();
        if let Some(born) = &mut state.born {
            born.clear();
            for (pid, since, left) in halted.born {
                let left = left.iter().map(|fd| (fd.0, open(fd))).collect();
                born.insert(pid, (since, left));
            }
        }
        state.mounted.clear();
        for (number, mount) in halted.mounted.into_iter().zip(mounts) {
            let key = (mount.ns_mnt, mount.point.clone());
            let mount = Mount {
                id: 0,
                ..mount.as_ref().clone()
            };
            state.mounted.insert(key, (number, Arc::new(mount)));
        }
        state.unmounted = halted.unmounted.into_iter().collect();
        making.common = halted.common;
        making.bytes = usize::try_from(halted.bytes).unwrap_or(usize::MAX);
        making.is_full = halted.full;
        let (procs, files) = (halted.procs.into_iter(), halted.files.into_iter());
        making.procs = procs.map(|(row, at)| (ProcId(row), at)).collect();
        making.files = files.map(|(row, at)| (FileId(row), at)).collect();
        Some(())
    }
}

fn first((who, met, best, shown): Met) -> (Identity, First) {
    let first = First {
        met: met.map(|(chunk, row, before)| (chunk, ProcId(row), before)),
        best: (best.0, ProcId(best.1)),
        shown,
    };
    (who, first)
}

impl Noting {
    fn take_up(&mut self, latest: u64, firsts: impl Iterator<Item = (Identity, First)>) {
        self.latest = latest;
        self.firsts = firsts.collect();
    }
}
