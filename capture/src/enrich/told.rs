//! Events that the kernel programs did not see: what runtimes tell of containers, and samples of what containers use. They
//! have a container and no process.

use super::{Wanted, World};
use crate::cgroup::Named;
use crate::host;
use crate::runtime::{self, Answer, News, Told};
use crate::usage::Sample;
use afterimage_model::schema::current_type;
use afterimage_model::{
    Abi, Blob, BootNs, Container, ContainerId, Event, EventFlags, Origin, ProcId, Process, Value,
};
use std::sync::Arc;

/// Containers known at the most before a daemon's word no longer makes new ones.
const MOST_CONTAINERS: usize = 65_536;
/// Oldest news that its daemon's clock is believed for, ns.
const STALE_NS: u64 = 60_000_000_000;

/// The row that stands for no process, in a container or on the host.
pub(super) fn nobody(container: Option<&Container>) -> Process {
    Process {
        id: ProcId(u32::MAX),
        container: container.map(|c| c.id),
        cgroup_id: container.map_or(0, |c| c.cgroup_id),
        cgroup: container.map_or_else(Vec::new, |c| c.cgroup.clone().into_bytes()),
        loginuid: u32::MAX,
        origin: Origin::Runtime,
        ..Process::default()
    }
}

/// An event without a process.
pub(super) fn event(
    ty: &str,
    time_ns: u64,
    seq: u64,
    proc: ProcId,
    args: impl IntoIterator<Item = Value>,
) -> Event {
    let mut flags = EventFlags::default();
    flags.set(EventFlags::NO_RESULT | EventFlags::TOLD);
    Event {
        time: BootNs(time_ns),
        cpu: Event::NO_CPU,
        seq,
        ty: current_type(ty).unwrap_or_default(),
        abi: Abi::x86_64,
        flags,
        tid: 0,
        proc,
        file: None,
        result: 0,
        latency_ns: 0,
        args: args.into_iter().collect(),
    }
}

fn text(text: &str) -> Value {
    Value::Bytes(Blob::whole(text))
}

fn number(text: &str) -> Value {
    text.parse().map_or(Value::Absent, Value::Num)
}

/// The number of a signal that a runtime wrote as a number or by name.
fn signal(text: &str) -> Value {
    match text.parse() {
        Ok(n) => Value::Num(n),
        Err(_) => afterimage_model::signal::number(text).map_or(Value::Absent, Value::Num),
    }
}

/// The row of `HAPPENINGS` and the arguments of an event of a container, by Docker's or Podman's name for it.
fn row(news: &runtime::Event) -> (&'static str, Vec<Value>) {
    let (action, detail) = match news.action.split_once(": ") {
        Some((action, detail)) => (action, detail.trim_end()),
        None => (news.action.as_str(), ""),
    };
    let attribute = |name: &str| text(news.attribute(name));
    let named = || vec![attribute("name"), attribute("image")];
    let exec = || vec![attribute("execID"), text(detail)];
    match action {
        "create" => ("runtime_create", named()),
        "start" => ("runtime_start", named()),
        "exec_create" => ("runtime_exec_create", exec()),
        "exec_start" | "exec" => ("runtime_exec_start", exec()),
        "exec_die" | "exec_died" => (
            "runtime_exec_die",
            vec![attribute("execID"), number(news.attribute("exitCode"))],
        ),
        "die" | "died" => (
            "runtime_die",
            vec![number(match news.attribute("exitCode") {
                "" => news.attribute("containerExitCode"),
                code => code,
            })],
        ),
        "oom" => ("runtime_oom", Vec::new()),
        "kill" => ("runtime_kill", vec![signal(news.attribute("signal"))]),
        "stop" => ("runtime_stop", Vec::new()),
        "restart" => ("runtime_restart", Vec::new()),
        "pause" => ("runtime_pause", Vec::new()),
        "unpause" => ("runtime_unpause", Vec::new()),
        "rename" => (
            "runtime_rename",
            vec![
                attribute("name"),
                text(news.attribute("oldName").trim_start_matches('/')),
            ],
        ),
        "update" => ("runtime_update", Vec::new()),
        "destroy" | "remove" => ("runtime_destroy", named()),
        _ => ("runtime_event", other(news)),
    }
}

fn other(news: &runtime::Event) -> Vec<Value> {
    vec![
        text(&news.object),
        text(&news.action),
        text(match news.attribute("name") {
            "" => &news.id,
            name => name,
        }),
    ]
}

impl World {
    /// The row that says which container an event without a process belongs to.
    fn nobody_of(&mut self, container: Option<ContainerId>) -> ProcId {
        if let Some(id) = self.nobodies.get(&container) {
            return *id;
        }
        let row = nobody(container.and_then(|id| self.tables.container(id)));
        let id = self.add(row);
        self.nobodies.insert(container, id);
        id
    }

    fn told_event(
        &mut self,
        ty: &str,
        time_ns: u64,
        container: Option<ContainerId>,
        args: impl IntoIterator<Item = Value>,
    ) -> Event {
        let proc = self.nobody_of(container);
        let seq = self.next_told;
        self.next_told += 1;
        event(ty, time_ns, seq, proc, args)
    }

    /// The container a daemon speaks of, made known when it is new.
    fn container_told(&mut self, id: &str, told: &Told, at_ns: u64) -> Option<ContainerId> {
        if let Some(id) = self.by_full_id.get(id) {
            return Some(*id);
        }
        let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
        (plain && self.by_full_id.len() < MOST_CONTAINERS).then(|| {
            let named = Named {
                runtime: told.runtime,
                id: id.to_owned(),
                pod_uid: String::new(),
            };
            self.learn_container(named, 0, "", at_ns)
        })
    }

    /// Makes an event of what a runtime told; `None` when it is about nothing in scope.
    pub fn told(&mut self, told: &Told) -> Option<Event> {
        if matches!(self.wanted, Wanted::Tree(_) | Wanted::Group(_)) {
            return None;
        }
        let socket = || text(&told.socket.to_string_lossy());
        let news = match &told.news {
            News::Connected => {
                let args = [text(told.runtime), socket()];
                return Some(self.told_event("runtime_connect", told.heard_ns, None, args));
            }
            News::Disconnected(why) => {
                let args = [text(told.runtime), socket(), text(why)];
                return Some(self.told_event("runtime_disconnect", told.heard_ns, None, args));
            }
            News::Event(news) => news,
        };
        let at_ns = believed(news.unix_ns, told.heard_ns);
        let container = match news.object.as_str() {
            // What is no id is told too, of no container.
            "container" => self.container_told(&news.id, told, at_ns),
            _ => self.by_full_id.get(news.attribute("container")).copied(),
        };
        if let Some(id) = container
            && news.object == "container"
        {
            // Names and labels of the event may be all that is ever known of it.
            self.answered(Answer {
                id: news.id.clone(),
                container: Ok(self.changed_by(id, news, told.runtime)),
                last: false,
                open: true,
            });
        }
        match container {
            Some(_) if !self.wants(container) => return None,
            // What is about no container belongs into a capture of all of them only.
            None if !matches!(self.wanted, Wanted::All | Wanted::Containers) => return None,
            _ => {}
        }
        let (ty, args) = match (news.object.as_str(), news.action.as_str()) {
            ("container", _) => row(news),
            ("image", "pull") => (
                "runtime_pull",
                // Docker's id of it is the reference with its tag; Podman has a name only.
                vec![text(match news.id.as_str() {
                    "" => news.attribute("name"),
                    id => id,
                })],
            ),
            _ => ("runtime_event", other(news)),
        };
        Some(self.told_event(ty, at_ns, container, args))
    }

    /// What an event says of its container: names, and how it ended.
    fn changed_by(&self, id: ContainerId, news: &runtime::Event, runtime: &str) -> Container {
        let told = news.described(runtime);
        let old = self.tables.container(id).cloned().unwrap_or_default();
        let code = |name: &str| news.attribute(name).parse().ok();
        match news.action.as_str() {
            "die" | "died" => Container {
                exit_code: code("exitCode").or(code("containerExitCode")),
                finished_ns: news.unix_ns,
                ..old
            },
            "oom" => Container {
                oom_killed: Some(true),
                ..old
            },
            "rename" => Container {
                name: told.name,
                ..old
            },
            // An inspection says more, and what it said is not overwritten by what an event repeats.
            _ => runtime::filled(old, &told),
        }
    }

    /// Makes an event of a sample; `None` when its container is not recorded.
    pub fn sampled(&mut self, sample: Sample) -> Option<Event> {
        self.wants(Some(sample.container)).then(|| {
            self.told_event(
                "container_usage",
                sample.at_ns,
                Some(sample.container),
                sample.values,
            )
        })
    }

    /// Containers to take samples of, with the paths of their groups; `None` when they are the same as last time.
    pub fn measured(&mut self) -> Option<Vec<(ContainerId, String)>> {
        if !std::mem::take(&mut self.changed) {
            return None;
        }
        if matches!(self.wanted, Wanted::Tree(_)) {
            return Some(Vec::new());
        }
        let alive = |c: &&Arc<Container>| c.removed_ns == 0 && !c.cgroup.is_empty();
        let all = self.tables.containers.values().filter(alive);
        let wanted = all.filter(|c| self.wants(Some(c.id)));
        Some(wanted.map(|c| (c.id, c.cgroup.clone())).collect())
    }
}

/// The instant of a daemon's news on the boot clock; when it was heard, where the daemon's clock cannot be meant.
fn believed(unix_ns: i64, heard_ns: u64) -> u64 {
    let ahead = i128::from(host::real_ns()) - i128::from(host::boot_ns());
    u64::try_from(i128::from(unix_ns) - ahead)
        .ok()
        .filter(|at| *at <= heard_ns && heard_ns - at <= STALE_NS)
        .unwrap_or(heard_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    fn news(action: &str, attributes: &[(&str, &str)]) -> Told {
        Told {
            runtime: "docker",
            socket: PathBuf::from("/run/docker.sock"),
            heard_ns: host::boot_ns(),
            news: News::Event(runtime::Event {
                object: "container".to_owned(),
                action: action.to_owned(),
                id: "ab".repeat(32),
                attributes: attributes
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect::<BTreeMap<_, _>>(),
                unix_ns: host::real_ns(),
            }),
        }
    }

    fn name(event: &Event) -> String {
        let schema = afterimage_model::Schema::current();
        schema
            .ty(event.ty)
            .map_or_else(String::new, |ty| ty.name.clone())
    }

    #[test]
    fn a_life_told_by_a_runtime_becomes_events_of_the_container_and_ends_with_its_exit_code() {
        let mut world = World::new(Wanted::Containers);
        let mut seen = Vec::new();
        for (action, attributes) in [
            (
                "create",
                &[("name", "web"), ("image", "box:1"), ("app", "x")][..],
            ),
            ("start", &[("name", "web")]),
            ("exec_create: sh -c id ", &[("execID", "e1")]),
            ("kill", &[("signal", "15")]),
            ("die", &[("exitCode", "143")]),
            ("health_status: healthy", &[]),
            ("destroy", &[]),
        ] {
            let event = world.told(&news(action, attributes)).expect("an event");
            assert!(event.flags.has(EventFlags::TOLD) && event.cpu == Event::NO_CPU);
            seen.push((name(&event), event.args.len()));
        }
        let names: Vec<_> = seen.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "runtime_create",
                "runtime_start",
                "runtime_exec_create",
                "runtime_kill",
                "runtime_die",
                "runtime_event",
                "runtime_destroy"
            ]
        );
        for (name, args) in &seen {
            let row = afterimage_model::syscalls::by_name(name).expect("a row");
            assert_eq!(row.args.len(), *args, "{name}");
        }
        let row = world
            .tables
            .containers
            .values()
            .next()
            .expect("a container");
        assert_eq!(
            (row.name.as_str(), row.image.as_str(), row.exit_code),
            ("web", "box:1", Some(143))
        );
        assert_eq!(row.labels.get("app").map(String::as_str), Some("x"));
    }

    #[test]
    fn a_clock_that_cannot_be_meant_is_replaced_by_that_of_hearing() {
        let now = host::boot_ns();
        for unix_ns in [
            0,
            -1,
            i64::MIN,
            i64::MAX,
            host::real_ns() + 3_600_000_000_000,
        ] {
            assert_eq!(believed(unix_ns, now), now, "{unix_ns}");
        }
        let at = believed(host::real_ns() - 1_000_000_000, now);
        assert!(at < now && now - at < 2_000_000_000);
    }

    #[test]
    fn a_daemon_cannot_make_containers_without_end_nor_with_any_name() {
        let mut world = World::new(Wanted::Containers);
        let mut told = news("start", &[]);
        if let News::Event(event) = &mut told.news {
            event.id = "../../etc".to_owned();
        }
        let event = world.told(&told).expect("it is told all the same");
        assert_eq!(
            world.tables.proc(event.proc).and_then(|p| p.container),
            None
        );
        assert!(world.tables.containers.is_empty());
    }

    #[test]
    fn only_containers_that_match_are_wanted_and_a_later_name_may_make_them_match() {
        let filter = afterimage_query::Filter::parse("container.name = web").expect("a filter");
        let mut world = World::new(Wanted::Matching(Box::new(filter), Default::default()));
        assert!(world.told(&news("create", &[("name", "db")])).is_some());
        let id = ContainerId(1);
        let answer = |last| Answer {
            id: "ab".repeat(32),
            container: Ok(Container::default()),
            last,
            open: false,
        };
        assert!(world.wants(Some(id)), "it is open so far");
        world.answered(answer(true));
        assert!(!world.wants(Some(id)), "it is called db");
        assert!(world.told(&news("start", &[("name", "db")])).is_none());
        assert!(
            world
                .told(&news("rename", &[("name", "web"), ("oldName", "/db")]))
                .is_some()
        );
        assert!(world.wants(Some(id)), "now it is called web");
    }
}
