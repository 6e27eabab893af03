//! What the kernel programs are told of who is recorded, and whether that is still what they were told.

use super::Kernel;
use crate::error::Error;
use aya::maps::{HashMap as BpfHash, MapData};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Groups that are looked at in one go at the most: each is a call.
const LOOK: usize = 256;

/// What was told of control groups: whether each is kept, and when it was last seen to stand there so.
#[derive(Debug, Default)]
pub(super) struct Given {
    groups: BTreeMap<u64, (u32, u64)>,
    /// The last one that was looked at.
    at: u64,
}

/// A control group of which something else stands there than the recorder has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Altered {
    /// The group's id.
    pub id: u64,
    /// What the recorder had said: whether it is recorded.
    pub keep: bool,
    /// What stood there: nothing, or whether it is recorded.
    pub found: Option<bool>,
    /// When it was last seen to be right, `CLOCK_BOOTTIME`.
    pub right_ns: u64,
}

impl Kernel {
    /// Sets what becomes of a control group.
    pub fn scope_cgroup(&mut self, id: u64, keep: bool, now_ns: u64) -> Result<(), Error> {
        self.set("cgroup_scope", id, u32::from(keep))?;
        self.given.groups.insert(id, (u32::from(keep), now_ns));
        Ok(())
    }

    /// Forgets a control group that is gone.
    pub fn forget_cgroup(&mut self, id: u64) {
        self.given.groups.remove(&id);
        if let Some(map) = self.ebpf.map_mut("cgroup_scope")
            && let Ok(mut map) = BpfHash::<&mut MapData, u64, u32>::try_from(map)
        {
            // Gone already is as good.
            let _ = map.remove(&id);
        }
    }

    /// Adds a process to the recorded tree.
    pub fn scope_pid(&mut self, pid: u32) -> Result<(), Error> {
        self.set("pid_scope", pid, 1)
    }

    fn set<K: aya::Pod>(&mut self, name: &'static str, key: K, value: u32) -> Result<(), Error> {
        let map = self.ebpf.map_mut(name).ok_or_else(|| Error::object(name))?;
        BpfHash::<&mut MapData, K, u32>::try_from(map)
            .and_then(|mut map| map.insert(key, value, 0))
            .map_err(Error::map)
    }

    /// Looks at some control groups, in turn, and sets right what somebody else has changed. A group of which nothing can be
    /// learnt is looked at again.
    ///
    /// # Errors
    /// When a group cannot be set right.
    pub fn altered(&mut self, now_ns: u64) -> Result<Vec<Altered>, Error> {
        let mut altered = Vec::new();
        {
            let map = self.ebpf.map("cgroup_scope");
            let Some(Ok(map)) = map.map(BpfHash::<&MapData, u64, u32>::try_from) else {
                return Ok(altered);
            };
            let behind = (Bound::Excluded(self.given.at), Bound::Unbounded);
            let mut last = 0;
            for (id, (keep, right_ns)) in self.given.groups.range_mut(behind).take(LOOK) {
                last = *id;
                let found = match map.get(id, 0) {
                    Ok(found) => Some(found),
                    Err(aya::maps::MapError::KeyNotFound) => None,
                    Err(_) => continue,
                };
                if found == Some(*keep) {
                    *right_ns = now_ns;
                } else {
                    altered.push(Altered {
                        id: *id,
                        keep: *keep != 0,
                        found: found.map(|found| found != 0),
                        right_ns: std::mem::replace(right_ns, now_ns),
                    });
                }
            }
            // Behind the last one it begins anew.
            self.given.at = last;
        }
        for one in &altered {
            self.set("cgroup_scope", one.id, u32::from(one.keep))?;
        }
        Ok(altered)
    }
}
