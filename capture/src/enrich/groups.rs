//! Control groups and containers: which are recorded, what they are called, whose users they have.

use super::{Known, Outcome, Wanted, Wish, World, blank};
use crate::cgroup;
use crate::decode::Record;
use crate::procfs;
use crate::wire::Kind;
use afterimage_model::schema::current_type;
use afterimage_model::{Blob, Container, ContainerId, EventFlags, Group, Process, User, Value};
use std::sync::Arc;

impl World {
    /// Reads the user and group list of the host (`None`) or of a container, through the root of one of its processes.
    pub(super) fn read_users(&mut self, container: Option<ContainerId>, pid: u32) {
        // A container's first processes still live in the host's root: its list is read once one of them has left it.
        if let Some(id) = container {
            if self.users_read.contains(&id) || !procfs::has_own_root(pid) {
                return;
            }
            self.users_read.insert(id);
        }
        for line in procfs::read_in_root(pid, "etc/passwd")
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
        for line in procfs::read_in_root(pid, "etc/group")
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
        let keep = match (&self.wanted, &named) {
            (Wanted::All | Wanted::Tree(_), _) => true,
            (_, None) => false,
            (Wanted::Containers | Wanted::Group(_), Some(_)) => true,
            (Wanted::Ids(ids), Some(named)) => ids.contains(&named.id),
        };
        let container = named.map(|named| self.learn_container(named, id, path, at_ns));
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
        if let Some(id) = self.by_full_id.get(&named.id) {
            return *id;
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
        if asked {
            self.wishes.push(Wish::Ask(named.id));
        }
        id
    }

    /// Fills in what a runtime said of a container.
    pub fn answered(&mut self, answer: crate::runtime::Answer) {
        let Some(row) = self
            .by_full_id
            .get(&answer.id)
            .and_then(|id| self.tables.containers.get_mut(id))
        else {
            return;
        };
        let old = row.as_ref().clone();
        *row = Arc::new(match answer.container {
            Err(why) => Container {
                unresolved: why,
                ..old
            },
            Ok(told) => Container {
                id: old.id,
                full_id: old.full_id,
                runtime: if told.runtime.is_empty() {
                    old.runtime
                } else {
                    told.runtime.clone()
                },
                first_seen_ns: old.first_seen_ns,
                removed_ns: old.removed_ns,
                cgroup: old.cgroup,
                cgroup_id: old.cgroup_id,
                pod_uid: if told.pod_uid.is_empty() {
                    old.pod_uid
                } else {
                    told.pod_uid.clone()
                },
                unresolved: String::new(),
                ..told
            },
        });
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
        if let Wanted::Ids(ids) = &self.wanted
            && self
                .tables
                .container(container)
                .is_none_or(|c| !ids.contains(&c.full_id))
        {
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
