//! Control groups and containers: which are recorded, what they are called, whose users they have.

use super::{Known, Outcome, Verdict, Wanted, Wish, World, blank, told};
use crate::cgroup;
use crate::decode::Record;
use crate::procfs::{self, Life};
use crate::runtime::{Answer, Question, filled};
use crate::wire::Kind;
use afterimage_model::schema::current_type;
use afterimage_model::{
    Blob, Container, ContainerId, Ctx, Event, EventFlags, Group, Manifest, Process, Schema, Tables,
    User, Value,
};
use afterimage_query::Filter;
use std::sync::Arc;

/// Whether a container matches a filter that asks for what it is called.
pub fn matches(filter: &Filter, container: &Container) -> bool {
    let nobody = told::nobody(Some(container));
    let (proc, row) = (nobody.id, Arc::new(container.clone()));
    let mut tables = Tables::default();
    tables.procs.insert(proc, Arc::new(nobody));
    tables.containers.insert(container.id, row);
    let event: Event = told::event("runtime_start", 0, 0, proc, []);
    filter.matches(&Ctx {
        manifest: &Manifest::default(),
        schema: Schema::current(),
        tables: &tables,
        event: &event,
        num: 1,
        first_ns: 0,
        previous_ns: 0,
    })
}

impl World {
    /// Reads the user and group list of the host (`None`) or of a container, through the root of one of its processes, which is
    /// asked for where that has not been done yet.
    pub(super) fn read_users(
        &mut self,
        container: Option<ContainerId>,
        life: impl FnOnce() -> Option<Life>,
    ) {
        // A container's first processes still live in the host's root: its list is read once one of them has left it.
        if container.is_some_and(|id| self.users_read.contains(&id)) {
            return;
        }
        let Some(life) = life() else { return };
        if let Some(id) = container {
            if !life.has_own_root() {
                return;
            }
            self.users_read.insert(id);
        }
        for line in life
            .read_in_root("etc/passwd")
            .map(|t| procfs::records(&t))
            .unwrap_or_default()
        {
            if let [name, _, uid, _, _, home, shell, ..] = line.as_slice()
                && let Ok(uid) = uid.parse()
            {
                let user = User {
                    container,
                    uid,
                    name: name.clone(),
                    home: home.clone(),
                    shell: shell.clone(),
                };
                self.tables
                    .users
                    .entry((container, uid))
                    .or_insert_with(|| Arc::new(user));
            }
        }
        for line in life
            .read_in_root("etc/group")
            .map(|t| procfs::records(&t))
            .unwrap_or_default()
        {
            if let [name, _, gid, ..] = line.as_slice()
                && let Ok(gid) = gid.parse()
            {
                let group = Group {
                    container,
                    gid,
                    name: name.clone(),
                };
                self.tables
                    .groups
                    .entry((container, gid))
                    .or_insert_with(|| Arc::new(group));
            }
        }
    }

    /// The path of a control group, where it is known.
    pub fn group_path(&self, id: u64) -> Option<&str> {
        self.groups.get(&id).map(|known| known.path.as_str())
    }

    /// Learns of a control group; says whether it is recorded.
    pub(super) fn learn_group(&mut self, id: u64, path: &str, at_ns: u64) -> bool {
        let named = match &self.wanted {
            Wanted::Group(top) => path
                .strip_prefix(top.as_str())
                .filter(|rest| rest.is_empty() || rest.starts_with('/'))
                .map(|_| {
                    let name = top.rsplit('/').next().unwrap_or(top);
                    cgroup::Named {
                        runtime: "cgroup",
                        id: name.to_owned(),
                        pod_uid: String::new(),
                    }
                }),
            _ => cgroup::container_of(path).or_else(|| cgroup::bundled(path)),
        };
        let container = named.map(|named| self.learn_container(named, id, path, at_ns));
        let keep = self.wants(container);
        self.groups.insert(
            id,
            Known {
                path: path.to_owned(),
                container,
            },
        );
        if !matches!(self.wanted, Wanted::All | Wanted::Tree(_)) {
            self.wishes.push(Wish::Scope(id, keep));
        }
        keep
    }

    pub(super) fn learn_container(
        &mut self,
        named: cgroup::Named,
        cgroup_id: u64,
        path: &str,
        at_ns: u64,
    ) -> ContainerId {
        if let Some(id) = self.by_full_id.get(&named.id).copied() {
            // Told of before its group was made, or started again: it has a group of its own again.
            if let Some(row) = self.tables.containers.get_mut(&id)
                && !path.is_empty()
                && (row.cgroup.is_empty() || (row.cgroup == path && row.cgroup_id != cgroup_id))
            {
                *row = Arc::new(Container {
                    cgroup: path.to_owned(),
                    cgroup_id,
                    removed_ns: 0,
                    ..row.as_ref().clone()
                });
                self.changed = true;
            }
            return id;
        }
        let id = ContainerId(self.by_full_id.len() as u32 + 1);
        let asked = named.runtime != "cgroup";
        let row = Container {
            id,
            full_id: named.id.clone(),
            runtime: named.runtime.to_owned(),
            name: if asked {
                String::new()
            } else {
                named.id.clone()
            },
            pod_uid: named.pod_uid,
            first_seen_ns: at_ns,
            cgroup: path.to_owned(),
            cgroup_id,
            unresolved: if asked {
                "no answer from a container runtime yet".to_owned()
            } else {
                String::new()
            },
            ..Container::default()
        };
        self.tables.containers.insert(id, Arc::new(row));
        self.by_full_id.insert(named.id.clone(), id);
        self.changed = true;
        if let Wanted::Matching(_, known) = &self.wanted {
            let verdict = match known.get(&named.id) {
                Some(true) => Verdict::In,
                Some(false) => Verdict::Out,
                None => Verdict::Pending,
            };
            self.verdicts.insert(id, verdict);
        }
        if asked {
            self.wishes.push(Wish::Ask(Question {
                id: named.id,
                runtime: named.runtime.to_owned(),
                group: path.to_owned(),
            }));
        }
        id
    }

    /// Judges a container by what is known of it now. What is recorded once stays recorded; what is not may still come to match.
    fn judge(&mut self, id: ContainerId, last: bool, open: bool) {
        let Wanted::Matching(filter, _) = &self.wanted else {
            return;
        };
        let before = self.verdicts.get(&id).copied();
        let Some(row) = self.tables.container(id) else {
            return;
        };
        let verdict = match before {
            Some(Verdict::In) => return,
            _ if matches(filter, row) => Verdict::In,
            // Nobody can say whether it is meant: too much is better than nothing.
            _ if last && open => Verdict::In,
            Some(Verdict::Pending) if !last => return,
            _ => Verdict::Out,
        };
        if before == Some(verdict) {
            return;
        }
        self.verdicts.insert(id, verdict);
        (self.changed, self.judged) = (true, true);
        self.changes += 1;
        let own = self
            .groups
            .iter()
            .filter(|(_, known)| known.container == Some(id));
        let wishes = own.map(|(group, _)| Wish::Scope(*group, verdict == Verdict::In));
        self.wishes.extend(wishes);
    }

    /// Takes every container in about which nothing was decided yet.
    pub fn judge_all(&mut self) {
        let open = self.verdicts.iter();
        let open = open.filter(|(_, verdict)| **verdict == Verdict::Pending);
        for id in open.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.judge(id, true, true);
        }
    }

    /// Fills in what a runtime said of a container.
    pub fn answered(&mut self, answer: Answer) {
        let Some(id) = self.by_full_id.get(&answer.id).copied() else {
            return;
        };
        let Some(row) = self.tables.containers.get_mut(&id) else {
            return;
        };
        let old = row.as_ref();
        *row = Arc::new(match answer.container {
            // What was learnt some other way stays.
            Err(why) => Container {
                unresolved: if old.name.is_empty() && old.image.is_empty() {
                    why
                } else {
                    String::new()
                },
                ..old.clone()
            },
            Ok(told) => {
                let told = Container {
                    id: old.id,
                    full_id: old.full_id.clone(),
                    first_seen_ns: old.first_seen_ns,
                    removed_ns: old.removed_ns,
                    cgroup: old.cgroup.clone(),
                    cgroup_id: old.cgroup_id,
                    ..told
                };
                let mut joined = filled(told, old);
                joined.unresolved = match joined.name.is_empty() && joined.image.is_empty() {
                    true => old.unresolved.clone(),
                    false => String::new(),
                };
                // It was started again: how it ended before is over.
                if joined.started_ns > joined.finished_ns {
                    (joined.finished_ns, joined.exit_code) = (0, None);
                }
                joined
            }
        });
        self.judge(id, answer.last, answer.open);
    }

    /// The control group with this id, found on disk when its creation was not seen.
    pub(super) fn group(&mut self, id: u64, at_ns: u64) -> Option<Known> {
        if !self.groups.contains_key(&id) && self.rescans < 1_000 {
            self.rescans += 1;
            let all = self
                .mount
                .clone()
                .map(|mount| cgroup::scan(&mount))
                .unwrap_or_default();
            match all.get(&id) {
                Some(path) => {
                    self.learn_group(id, path, at_ns);
                }
                // Gone already: remembered as such, so that it is looked for once.
                None => {
                    self.groups.insert(
                        id,
                        Known {
                            path: String::new(),
                            container: None,
                        },
                    );
                }
            }
        }
        self.groups.get(&id).cloned()
    }

    /// Who is in a control group: a container, or what is in none; `None` where that is not known.
    pub fn whose(&mut self, group: u64, at_ns: u64) -> Option<Option<Arc<Container>>> {
        if group == 0 {
            return None;
        }
        let known = self.group(group, at_ns);
        let known = known.filter(|known| !known.path.is_empty())?;
        let container = known
            .container
            .map(|id| self.tables.containers.get(&id).cloned());
        // A container of which nothing is known is not nobody.
        match container {
            Some(None) => None,
            container => Some(container.flatten()),
        }
    }

    pub(super) fn group_event(&mut self, cpu: u16, record: &Record) -> Outcome {
        let head = &record.head;
        let group = head.args[0];
        let path = String::from_utf8_lossy(record.text.as_deref().unwrap_or_default()).into_owned();
        let kind = u32::from(head.kind);
        let keep = match kind {
            Kind::CGROUP_MKDIR => self.learn_group(group, &path, head.time_ns),
            _ => self
                .group(group, head.time_ns)
                .is_some_and(|known| known.container.is_some()),
        };
        let container = self.groups.get(&group).and_then(|known| known.container);
        if kind == Kind::CGROUP_RMDIR {
            self.groups.remove(&group);
            self.wishes.push(Wish::Forget(group));
        }
        let Some(container) = container.filter(|_| keep) else {
            return Outcome::OutOfScope;
        };
        if !self.wants(Some(container)) {
            return Outcome::OutOfScope;
        }
        let own = self
            .tables
            .container(container)
            .is_some_and(|c| c.cgroup_id == group);
        let (ty, args): (_, [Value; 2]) = match kind {
            Kind::CGROUP_ATTACH => (
                "cgroup_attach",
                [
                    Value::Bytes(Blob::whole(path)),
                    Value::Num(i64::from(head.pid)),
                ],
            ),
            // Groups beneath a container's own come and go without the container.
            _ if !own => return Outcome::OutOfScope,
            _ => {
                let started = kind == Kind::CGROUP_MKDIR;
                if !started && let Some(row) = self.tables.containers.get_mut(&container) {
                    *row = Arc::new(Container {
                        removed_ns: head.time_ns,
                        ..row.as_ref().clone()
                    });
                    self.changed = true;
                }
                let id = self
                    .tables
                    .container(container)
                    .map(|c| c.full_id.clone())
                    .unwrap_or_default();
                (
                    if started {
                        "container_start"
                    } else {
                        "container_stop"
                    },
                    [
                        Value::Bytes(Blob::whole(id)),
                        Value::Bytes(Blob::whole(path)),
                    ],
                )
            }
        };
        let (id, known) = self.who(record);
        // The event is the container's, whoever caused it: the row says both.
        let row = self.row(id);
        let id = match (kind, row.container) {
            (Kind::CGROUP_ATTACH, _) | (_, None) => {
                let row = Process {
                    container: Some(container),
                    cgroup_id: group,
                    cgroup: path_bytes(record),
                    ..row
                };
                match kind {
                    Kind::CGROUP_ATTACH => self.replace(head.pid, row),
                    _ => self.add(row),
                }
            }
            _ => id,
        };
        let mut event = blank(cpu, head, id, known, current_type(ty).unwrap_or_default());
        event.flags.set(EventFlags::NO_RESULT);
        event.args = args.into_iter().collect();
        Outcome::Event(Box::new(event))
    }
}

fn path_bytes(record: &Record) -> Vec<u8> {
    record.text.clone().unwrap_or_default()
}
