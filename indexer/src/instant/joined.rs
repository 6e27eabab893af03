//! What there was at an instant of several captures of one boot that become one. Each is asked by itself, and what they say is
//! put together: a process lived when one of them says so and none had seen its end; what it was like and what it had open is
//! taken from those that were being recorded then, else from the one that ended last, else from the one that begins first, of
//! which only that the process was there is told: what it had open was seen later.

use super::kept::{Common, Kept, Part};
use super::making::{Made, Resuming, Spacing, make};
use super::{Identity, Instant, identity};
use crate::session::{Progress, Session};
use afterimage_format::Reader;
use afterimage_model::{BootNs, ProcId, Tables};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::sync::{Arc, OnceLock};

/// How long a capture that was itself put together may be silent and still count as being recorded, ns.
const SILENCE_NS: u64 = 1_000_000_000;

/// Several captures of one boot, of which it is asked what there was at an instant.
pub struct Joined {
    parents: Vec<Parent>,
}

/// How much is known of an instant by a capture; the less, the more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// It was being recorded.
    Present,
    /// So long before, ns, it ended.
    Over(u64),
    /// So long after, ns, it begins.
    ToCome(u64),
}

/// One of the captures.
struct Parent {
    session: Session,
    made: Made,
    common: Common,
    begins: u64,
    ends: u64,
    /// Of one that was itself put together: when it was being recorded.
    stretches: Option<Vec<(u64, u64)>>,
    /// What there was at its end.
    last: OnceLock<Option<Tables>>,
}

impl Joined {
    /// Goes through the events of all captures once.
    ///
    /// # Errors
    /// When what is kept of them cannot be compressed, or it was stopped ([`io::ErrorKind::Interrupted`]).
    pub fn new(readers: Vec<Arc<Reader>>, progress: &Progress) -> io::Result<Joined> {
        let parents = readers
            .into_iter()
            .map(|reader| Parent::of(reader, progress));
        let parents = parents.collect::<io::Result<_>>()?;
        Ok(Joined { parents })
    }

    /// Everything there was at an instant, of each capture in their order: the processes that lived, those that they descend from
    /// and what they had open, without mounts. Rows say which of them no process had any more. `None` where there is too much to
    /// be told.
    pub fn at(&self, at: BootNs) -> Option<Vec<Tables>> {
        let mut all = Vec::new();
        for (number, parent) in self.parents.iter().enumerate() {
            all.push((parent.standing(at.0), number, parent.tables(at)?));
        }
        all.sort_by_key(|(standing, number, _)| (*standing, *number));
        // Who is told to live, by whom that counts most.
        let mut told: HashMap<Identity, Standing> = HashMap::new();
        for (standing, number, tables) in &mut all {
            let mut over = HashSet::new();
            let parent = self.parents.get(*number);
            let is_scap = parent.is_some_and(|parent| parent.session.is_scap());
            let is_to_come = matches!(standing, Standing::ToCome(_));
            for row in tables.procs.values_mut().filter(|row| !row.past) {
                let who = identity(row);
                let better = told.get(&who).is_some_and(|other| other < standing);
                let ended = self.parents.iter().any(|parent| {
                    let end = parent.made.ends.get(&who);
                    end.is_some_and(|end| *end <= at.0)
                });
                // Of whom sysdig does not know since when it is, nothing is known of before.
                let unknown = is_scap && is_to_come && row.key.start_ns == 0;
                if better || ended || unknown {
                    over.insert(row.id);
                    Arc::make_mut(row).past = true;
                } else {
                    told.insert(who, *standing);
                }
            }
            tables
                .descriptors
                .retain(|(proc, _), _| !is_to_come && !over.contains(proc));
            thin(tables);
        }
        all.sort_by_key(|(_, number, _)| *number);
        Some(all.into_iter().map(|(_, _, tables)| tables).collect())
    }
}

/// Keeps processes that lived, those that they descend from, and the files that are open.
fn thin(tables: &mut Tables) {
    let living = tables.procs.values().filter(|row| !row.past);
    let mut named = HashSet::new();
    for row in living {
        let mut next = Some(row.id);
        while let Some(id) = next
            && named.insert(id)
        {
            next = tables.proc(id).and_then(|row| row.parent);
        }
    }
    tables.procs.retain(|id, _| named.contains(id));
    let files: HashSet<_> = tables.descriptors.values().copied().collect();
    tables.files.retain(|id, _| files.contains(id));
    tables.mounts = BTreeMap::new();
}

impl Parent {
    fn of(reader: Arc<Reader>, progress: &Progress) -> io::Result<Parent> {
        let is_joined = reader.lineage().parents.len() > 1;
        let begins = reader.begins().0;
        let session = Session::from_shared(reader);
        // Memory is plenty, and most instants are asked of.
        let spacing = Spacing {
            bytes: u64::MAX,
            ..Spacing::default()
        };
        let mut keep = |_: &[u8], _: usize, _: &Made| Ok(());
        let mut none = Resuming {
            from: None,
            every: usize::MAX,
            resumed: 0,
            keep: &mut keep,
        };
        let made = make(&session, spacing, &Arc::default(), progress, &mut none)?;
        let (first, ends) = session.span().unwrap_or((begins, begins));
        let stretches = is_joined.then(|| {
            let mut found: Vec<(u64, u64)> = Vec::new();
            let mut spans: Vec<(u64, u64)> = session
                .chunks()
                .iter()
                .map(|info| (info.span.0.0, info.span.1.0))
                .collect();
            spans.sort_unstable();
            for (from, to) in spans {
                match found.last_mut() {
                    Some(last) if from <= last.1.saturating_add(SILENCE_NS) => {
                        last.1 = last.1.max(to);
                    }
                    _ => found.push((from, to)),
                }
            }
            found
        });
        Ok(Parent {
            common: Common::read(&made.common).unwrap_or_default(),
            made,
            begins: begins.min(first),
            ends,
            stretches,
            session,
            last: OnceLock::new(),
        })
    }

    fn standing(&self, at: u64) -> Standing {
        let stretches = self.stretches.as_ref();
        let nearest = stretches.and_then(|all| all.iter().rev().find(|stretch| stretch.0 <= at));
        let (begins, ends) = match nearest {
            Some(stretch) => (self.begins, stretch.1),
            None => (self.begins, self.ends),
        };
        if at < begins {
            Standing::ToCome(begins - at)
        } else if at > ends {
            Standing::Over(at - ends)
        } else {
            Standing::Present
        }
    }

    fn tables(&self, at: BootNs) -> Option<Tables> {
        if at.0 <= self.ends {
            return self.replayed(at.0);
        }
        let last = self.last.get_or_init(|| self.replayed(self.ends));
        last.clone()
    }

    fn replayed(&self, at: u64) -> Option<Tables> {
        // Where not even the rest fits, nothing was kept, and each instant would be a replay of all.
        if self.made.common.is_empty() {
            return None;
        }
        let kept = Kept {
            common: &self.common,
            load: Box::new(|part| {
                let (bytes, len) = match part {
                    Part::State(at) => self.made.states.get(at)?,
                    Part::Rows(at) => self.made.rows.get(at)?,
                };
                zstd::bulk::decompress(bytes, *len).ok()
            }),
        };
        let mut state = Instant::before(&self.session, at);
        let progress = Progress::default();
        let complete = match self.session.is_scap() {
            true => state.replay_told(&self.session, Some(&kept), u64::MAX, &progress),
            false => state.replay_from(&self.session, &kept, &progress)?,
        };
        if !complete {
            return None;
        }
        let mut living: Vec<ProcId> = state.living().map(|(_, row)| row.id).collect();
        living.sort_unstable();
        state.keep_procs(living);
        Some(state.into_tables())
    }
}
