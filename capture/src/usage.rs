//! What containers use, read from their control groups once an interval on a thread of its own: version 2, version 1, or
//! both side by side. What a host does not count is left out, not guessed. A container that has used no processor since, and
//! for which nothing waited, is told each tenth time.

mod folder;
mod parents;
mod waiting;

use self::folder::{Folder, may_stay_open};
use self::parents::Parents;
use self::waiting::{Host, MATTERS};
use crate::cgroup;
use crate::host;
use afterimage_model::{ContainerId, Value};
use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Containers measured in one interval at the most; when there are more they take turns.
pub const MOST: usize = 512;
/// Bytes read of one file.
const MOST_BYTES: usize = 64 << 10;

/// One look at one container.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Which.
    pub container: ContainerId,
    /// When, ns since boot.
    pub at_ns: u64,
    /// The arguments of `container_usage`, in the order of its row.
    pub values: Vec<Value>,
}

/// The thread that looks. Dropping it ends the thread.
pub struct Usage {
    containers: mpsc::Sender<Vec<(ContainerId, String)>>,
    samples: mpsc::Receiver<Sample>,
}

impl Usage {
    /// Starts the thread.
    pub fn start(interval: Duration) -> Usage {
        let (containers, listed) = mpsc::channel();
        // When the recorder is behind, the thread waits: samples are fewer then, and none is lost.
        let (tell, samples) = mpsc::sync_channel(2 * MOST);
        let _ = std::thread::Builder::new()
            .name("usage".to_owned())
            .spawn(move || look(interval, &listed, &tell));
        Usage {
            containers,
            samples,
        }
    }

    /// Says which containers to look at from now on: their control groups' paths from the mount point.
    pub fn look_at(&self, containers: Vec<(ContainerId, String)>) {
        // The thread lives as long as this end does.
        let _ = self.containers.send(containers);
    }

    /// The samples taken since.
    pub fn samples(&self) -> Vec<Sample> {
        self.samples.try_iter().take(MOST).collect()
    }
}

fn look(
    interval: Duration,
    listed: &mpsc::Receiver<Vec<(ContainerId, String)>>,
    tell: &mpsc::SyncSender<Sample>,
) {
    let mounts = Mounts::find();
    let room = Arc::new(AtomicUsize::new(may_stay_open()));
    let mut containers: Vec<(ContainerId, String)> = Vec::new();
    let mut known: HashMap<ContainerId, Known> = HashMap::new();
    let mut host = Host::find(Path::new("/proc/pressure"), &room);
    let mut parents = Parents::default();
    let (mut turn, mut looks) = (0, 0_u32);
    let mut next = Instant::now();
    loop {
        match listed.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(list) => {
                known.retain(|id, _| list.iter().any(|(listed, _)| listed == id));
                containers = list;
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let has_waited = (host.as_mut()).is_none_or(|host| host.has_waited(interval / MATTERS));
        parents.look(known.values(), &room);
        looks = looks.wrapping_add(1);
        let count = containers.len().min(MOST);
        let chosen = containers.iter().cycle().skip(turn).take(count);
        for (id, path) in chosen {
            let known = known
                .entry(*id)
                .or_insert_with(|| Known::find(&mounts, path, &room));
            // A group is there before the first process that tells where version 1 counts it.
            if !known.told && !mounts.legacy.is_empty() {
                let before = known.before;
                *known = Known {
                    before,
                    ..Known::find(&mounts, path, &room)
                };
            }
            let may_have_run = known
                .parent()
                .is_none_or(|parent| parents.may_have_run(parent));
            let Some(sample) = known.sample(*id, may_have_run, has_waited) else {
                continue;
            };
            // Those at rest are told together: a chunk holds them all.
            known.rested = looks % RESTING;
            if tell.send(sample).is_err() {
                return;
            }
        }
        turn = (turn + count).checked_rem(containers.len()).unwrap_or(0);
        // A pause of the machine does not have to be made up for.
        next = (next + interval).max(Instant::now());
    }
}

/// Where hierarchies are mounted.
#[derive(Default)]
struct Mounts {
    unified: Option<PathBuf>,
    /// The one that paths are in.
    followed: Option<PathBuf>,
    /// Version 1, by controller.
    legacy: HashMap<String, PathBuf>,
}

impl Mounts {
    fn find() -> Mounts {
        let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
        let mut legacy = HashMap::new();
        for line in mounts.lines() {
            if let [_, point, "cgroup", options, ..] =
                line.split(' ').collect::<Vec<_>>().as_slice()
            {
                for option in options.split(',') {
                    legacy
                        .entry(option.to_owned())
                        .or_insert_with(|| PathBuf::from(point));
                }
            }
        }
        Mounts {
            unified: cgroup::mount_point(),
            followed: cgroup::followed().map(|hierarchy| hierarchy.mount.clone()),
            legacy,
        }
    }
}

/// Files of version 2 that are read.
const UNIFIED: &[&str] = &[
    "cpu.stat",
    "memory.current",
    "memory.peak",
    "memory.max",
    "memory.swap.current",
    "memory.events",
    "pids.current",
    "pids.max",
    "io.stat",
    "cpu.pressure",
    "memory.pressure",
    "io.pressure",
];

/// Files that say something else whenever a container has run: the first that it has is enough.
const RAN: [&str; 2] = ["cpuacct.usage", "cpu.stat"];
/// Files that say something else whenever it waited for something (Documentation/accounting/psi.rst). The host's own are in
/// /proc/pressure, and grow as fast as those of any container.
const WAITED: [&str; 3] = ["cpu.pressure", "memory.pressure", "io.pressure"];
/// Looks of which one is a sample, when these files stay as they are.
const RESTING: u32 = 10;

/// Controllers of version 1 with their files that are read.
const LEGACY: [(&str, &[&str]); 5] = [
    ("cpu", &["cpu.stat"]),
    (
        "cpuacct",
        &["cpuacct.usage", "cpuacct.usage_user", "cpuacct.usage_sys"],
    ),
    (
        "memory",
        &[
            "memory.usage_in_bytes",
            "memory.max_usage_in_bytes",
            "memory.limit_in_bytes",
            "memory.memsw.usage_in_bytes",
            "memory.oom_control",
        ],
    ),
    ("pids", &["pids.current", "pids.max"]),
    ("blkio", &["blkio.throttle.io_service_bytes_recursive"]),
];

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(MOST_BYTES as u64)
        .read_to_string(&mut text)
        .ok()?;
    Some(text)
}

/// A container's folders, and what it had used before.
#[derive(Default)]
struct Known {
    unified: Option<Folder>,
    legacy: HashMap<&'static str, Folder>,
    /// A process has told where it is in each hierarchy of version 1; else it is taken to be at the same path in all.
    told: bool,
    /// Where the hierarchy is mounted that tells whether it ran.
    root: Option<PathBuf>,
    before: Option<(u64, u64)>,
    /// Looks since the last sample.
    rested: u32,
}

/// A number in a file of lines `name number`.
fn entry(text: Option<&str>, name: &str) -> Option<u64> {
    text?.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.trim().parse().ok())?
    })
}

/// Reads and writes of `io.stat`: `8:0 rbytes=1 wbytes=2 …`, a line for each device.
fn io_stat(text: Option<&str>, name: &str) -> Option<u64> {
    let words = text?.split_whitespace();
    Some(
        words
            .filter_map(|word| {
                word.strip_prefix(name)?
                    .strip_prefix('=')?
                    .parse::<u64>()
                    .ok()
            })
            .fold(0, u64::saturating_add),
    )
}

/// Reads and writes of `blkio.throttle.io_service_bytes`: `8:0 Read 1`, a line for each device and kind.
fn blkio(text: Option<&str>, kind: &str) -> Option<u64> {
    let lines = text?.lines();
    Some(
        lines
            .filter_map(|line| {
                let mut words = line.split_whitespace().skip(1);
                (words.next()? == kind).then(|| words.next()?.parse::<u64>().ok())?
            })
            .fold(0, u64::saturating_add),
    )
}

/// Ten seconds' average of a pressure file (Documentation/accounting/psi.rst), in hundredths of a percent.
fn pressure(text: Option<&str>, line: &str) -> Option<u64> {
    let line = text?.lines().find_map(|l| l.strip_prefix(line))?;
    let average = line
        .split_whitespace()
        .find_map(|w| w.strip_prefix("avg10="))?;
    let (whole, part) = average.split_once('.')?;
    let hundredths: u64 = format!("{part:0<2}").get(..2)?.parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(100)?
        .checked_add(hundredths)
}

impl Known {
    fn find(mounts: &Mounts, path: &str, room: &Arc<AtomicUsize>) -> Known {
        let relative = path.trim_start_matches('/');
        let unified = mounts.unified.as_ref();
        let unified = unified.map(|at| Folder::new(at.join(relative), UNIFIED, room));
        // In version 1 a container may be elsewhere in each hierarchy: one of its processes tells.
        let member = mounts.followed.as_ref().and_then(|at| {
            let members = read(&at.join(relative).join("cgroup.procs"))?;
            read(Path::new(&format!(
                "/proc/{}/cgroup",
                members.lines().next()?
            )))
        });
        let told = |controller: &str| {
            member.as_ref()?.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                let (controllers, path) = rest.split_once(':')?;
                controllers
                    .split(',')
                    .any(|name| name == controller)
                    .then(|| path.trim_start_matches('/').to_owned())
            })
        };
        let legacy = LEGACY.iter().filter_map(|(controller, files)| {
            let mount = mounts.legacy.get(*controller)?;
            let relative = told(controller).unwrap_or_else(|| relative.to_owned());
            // The root of a hierarchy counts everybody.
            (!relative.is_empty())
                .then(|| (*controller, Folder::new(mount.join(relative), files, room)))
        });
        let legacy: HashMap<_, _> = legacy.collect();
        let root = match legacy.contains_key("cpuacct") {
            true => mounts.legacy.get("cpuacct"),
            false => mounts.unified.as_ref(),
        };
        Known {
            root: root.cloned(),
            legacy,
            told: member.is_some(),
            unified,
            before: None,
            rested: RESTING,
        }
    }

    /// Its folders.
    fn folders(&mut self) -> impl Iterator<Item = &mut Folder> {
        self.unified.iter_mut().chain(self.legacy.values_mut())
    }

    /// The control group above it in the hierarchy that tells whether it ran; a hierarchy's root is none, and counts everybody.
    fn parent(&self) -> Option<&Path> {
        let root = self.root.as_deref()?;
        let counted = self.legacy.get("cpuacct").or(self.unified.as_ref())?;
        counted.path().parent().filter(|parent| *parent != root)
    }

    /// Reads everything; `None` when the container rests, or is gone. Whether it ran is read where it may have, and whether it waited
    /// where somebody has for some time; else that is told with the next sample.
    fn sample(
        &mut self,
        container: ContainerId,
        may_have_run: bool,
        has_waited: bool,
    ) -> Option<Sample> {
        let ran = RAN
            .into_iter()
            .filter(|_| may_have_run)
            .find(|name| self.folders().any(|f| f.has(name)));
        let pulse = |name: &str| ran == Some(name) || has_waited && WAITED.contains(&name);
        let mut changed = false;
        for folder in self.folders() {
            changed |= folder.look(pulse);
        }
        self.rested += 1;
        if !changed && self.rested < RESTING {
            return None;
        }
        if !self.folders().any(|folder| folder.is_there()) {
            return None;
        }
        self.rested = 0;
        for folder in self.folders() {
            folder.look(|name| !pulse(name));
        }
        let at_ns = host::boot_ns();
        let v1 = |controller: &str| self.legacy.get(controller);
        let new = |name: &str| self.unified.as_ref()?.number(name);
        let old = |controller: &str, name: &str| v1(controller)?.number(name);
        let text = |name: &str| self.unified.as_ref()?.text(name);

        let memory = new("memory.current").or_else(|| old("memory", "memory.usage_in_bytes"));
        let peak = new("memory.peak").or_else(|| old("memory", "memory.max_usage_in_bytes"));
        let limit = new("memory.max").or_else(|| old("memory", "memory.limit_in_bytes"));
        let swap = new("memory.swap.current").or_else(|| {
            let both = old("memory", "memory.memsw.usage_in_bytes")?;
            Some(both.saturating_sub(memory?))
        });
        let pids = new("pids.current").or_else(|| old("pids", "pids.current"));
        let pids_limit = new("pids.max").or_else(|| old("pids", "pids.max"));

        let stat = text("cpu.stat");
        let micros = |name: &str| entry(stat, name)?.checked_mul(1_000);
        let stalled = v1("cpu").and_then(|cpu| cpu.text("cpu.stat"));
        let cpu = old("cpuacct", "cpuacct.usage").or_else(|| micros("usage_usec"));
        let user = old("cpuacct", "cpuacct.usage_user").or_else(|| micros("user_usec"));
        let system = old("cpuacct", "cpuacct.usage_sys").or_else(|| micros("system_usec"));
        let throttled = entry(stalled, "nr_throttled").or_else(|| entry(stat, "nr_throttled"));
        let throttled_ns = entry(stalled, "throttled_time").or_else(|| micros("throttled_usec"));
        let percent = cpu.zip(self.before).and_then(|(now, (before, then))| {
            let span = u128::from(at_ns.checked_sub(then)?);
            let used = u128::from(now.checked_sub(before)?);
            u64::try_from((used * 100).checked_div(span)?).ok()
        });

        let control = v1("memory").and_then(|memory| memory.text("memory.oom_control"));
        let kills = entry(text("memory.events"), "oom_kill").or_else(|| entry(control, "oom_kill"));

        let io = text("io.stat");
        let served = v1("blkio");
        let served = served.and_then(|at| at.text("blkio.throttle.io_service_bytes_recursive"));
        let read_bytes = io_stat(io, "rbytes").or_else(|| blkio(served, "Read"));
        let written = io_stat(io, "wbytes").or_else(|| blkio(served, "Write"));
        let [cpu_some, memory_some, memory_full, io_some, io_full] = [
            ("cpu.pressure", "some"),
            ("memory.pressure", "some"),
            ("memory.pressure", "full"),
            ("io.pressure", "some"),
            ("io.pressure", "full"),
        ]
        .map(|(file, line)| pressure(text(file), line));

        if [cpu, memory, pids].iter().all(Option::is_none) {
            return None;
        }
        let values = [
            cpu,
            user,
            system,
            percent,
            throttled,
            throttled_ns,
            memory,
            peak,
            limit,
            swap,
            kills,
            pids,
            pids_limit,
            read_bytes,
            written,
            cpu_some,
            memory_some,
            memory_full,
            io_some,
            io_full,
        ];
        let value = |n: Option<u64>| n.map_or(Value::Absent, |n| Value::Num(n as i64));
        let values = values.into_iter().map(value).collect();
        self.before = cpu.map(|cpu| (cpu, at_ns));
        Some(Sample {
            container,
            at_ns,
            values,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number that a sample has under a name of the row.
    fn value(sample: &Sample, name: &str) -> Option<u64> {
        let row = afterimage_model::syscalls::by_name("container_usage").expect("the row");
        assert_eq!(row.args.len(), sample.values.len());
        let at = row
            .args
            .iter()
            .position(|arg| arg.name == name)
            .expect(name);
        match sample.values.get(at) {
            Some(Value::Num(n)) => Some(*n as u64),
            _ => None,
        }
    }

    fn folder(tag: &str, files: &[(&str, &str)]) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("afterimage-usage-{tag}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder");
        for (name, text) in files {
            std::fs::write(path.join(name), text).expect("a file");
        }
        path
    }

    #[test]
    fn the_files_of_version_2_are_read_and_what_is_not_there_is_left_out() {
        let at = folder(
            "v2",
            &[
                (
                    "cpu.stat",
                    "usage_usec 5000\nuser_usec 3000\nsystem_usec 2000\nnr_throttled 7\nthrottled_usec 9\n",
                ),
                ("memory.current", "1000\n"),
                ("memory.max", "max\n"),
                ("memory.events", "low 0\noom 2\noom_kill 1\n"),
                ("pids.current", "3\n"),
                ("pids.max", "50\n"),
                (
                    "io.stat",
                    "8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=5 wbytes=1\n",
                ),
                (
                    "memory.pressure",
                    "some avg10=12.30 avg60=0.00 avg300=0.00 total=5\nfull avg10=0.07 avg60=0.00 avg300=0.00 total=1\n",
                ),
            ],
        );
        let mut known = Known {
            unified: Some(Folder::new(
                at.clone(),
                UNIFIED,
                &Arc::new(AtomicUsize::new(4)),
            )),
            ..Known::default()
        };
        let sample = known.sample(ContainerId(1), true, true).expect("a sample");
        for (name, expected) in [
            ("cpu_ns", Some(5_000_000)),
            ("cpu_user_ns", Some(3_000_000)),
            ("cpu_percent", None),
            ("throttled", Some(7)),
            ("throttled_ns", Some(9_000)),
            ("memory", Some(1_000)),
            ("memory_peak", None),
            ("memory_limit", Some(0)),
            ("oom_kills", Some(1)),
            ("pids", Some(3)),
            ("pids_limit", Some(50)),
            ("io_read", Some(15)),
            ("io_write", Some(21)),
            ("memory_some", Some(1_230)),
            ("memory_full", Some(7)),
            ("io_some", None),
        ] {
            assert_eq!(value(&sample, name), expected, "{name}");
        }
        // It rests: each tenth look is a sample.
        let looks = (0..RESTING).map(|_| known.sample(ContainerId(1), true, true));
        let mut samples: Vec<_> = looks.collect();
        let later = samples.pop().flatten().expect("a sample");
        assert_eq!(value(&later, "cpu_percent"), Some(0));
        assert!(samples.iter().all(Option::is_none), "{samples:?}");
        // Time that it ran or waited for something is told at once.
        for (file, text) in [
            ("cpu.stat", "usage_usec 6000\n"),
            (
                "memory.pressure",
                "some avg10=12.30 avg60=0.00 avg300=0.00 total=6\n",
            ),
        ] {
            std::fs::write(at.join(file), text).expect("a file");
            // Where nobody on the host has waited, it is not asked whether this one did.
            let alone = known.sample(ContainerId(1), true, false);
            assert_eq!(alone.is_some(), file == "cpu.stat", "{file}");
            let sample = alone.or_else(|| known.sample(ContainerId(1), true, true));
            let sample = sample.expect("a sample");
            assert_eq!(value(&sample, "cpu_ns"), Some(6_000_000), "{file}");
            assert_eq!(known.sample(ContainerId(1), true, true), None);
        }
        std::fs::remove_dir_all(&at).expect("it goes");
        assert_eq!(known.sample(ContainerId(1), true, true), None);
    }

    #[test]
    fn the_files_of_version_1_are_read() {
        let at = folder(
            "v1",
            &[
                ("cpuacct.usage", "5000\n"),
                (
                    "cpu.stat",
                    "nr_periods 9\nnr_throttled 2\nthrottled_time 77\n",
                ),
                ("memory.usage_in_bytes", "1000\n"),
                ("memory.limit_in_bytes", "9223372036854771712\n"),
                ("memory.memsw.usage_in_bytes", "1200\n"),
                (
                    "memory.oom_control",
                    "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
                ),
                (
                    "blkio.throttle.io_service_bytes_recursive",
                    "8:0 Read 10\n8:0 Write 20\n8:16 Read 1\nTotal 31\n",
                ),
            ],
        );
        let mut known = Known {
            legacy: LEGACY
                .map(|(name, files)| (name, Folder::new(at.clone(), files, &Arc::default())))
                .into(),
            ..Known::default()
        };
        let sample = known.sample(ContainerId(1), true, true).expect("a sample");
        for (name, expected) in [
            ("cpu_ns", Some(5_000)),
            ("throttled", Some(2)),
            ("throttled_ns", Some(77)),
            ("memory_limit", Some(0)),
            ("swap", Some(200)),
            ("oom_kills", Some(3)),
            ("io_read", Some(11)),
            ("io_write", Some(20)),
            ("pids", None),
        ] {
            assert_eq!(value(&sample, name), expected, "{name}");
        }
        std::fs::remove_dir_all(&at).expect("it goes");
    }

    #[test]
    fn where_nothing_below_a_group_of_several_ran_its_containers_are_not_asked() {
        let root = folder("parents", &[]);
        let group = |name: &str, usage: &str| {
            let at = root.join(name);
            std::fs::create_dir_all(&at).expect("a folder");
            std::fs::write(at.join("cpu.stat"), format!("usage_usec {usage}\n")).expect("a file");
            at
        };
        let room: Arc<AtomicUsize> = Arc::default();
        let known = |name: &str| Known {
            unified: Some(Folder::new(group(name, "5"), UNIFIED, &room)),
            root: Some(root.clone()),
            ..Known::default()
        };
        group("pod", "10");
        let (a, b, alone) = (known("pod/a"), known("pod/b"), known("alone/c"));
        group("alone", "5");
        let top = known("top");
        assert_eq!(top.parent(), None, "the root counts everybody");
        let mut parents = Parents::default();
        let mut look = |of: &[&Known]| {
            parents.look(of.iter().copied(), &room);
            let asked = of.iter().map(|known| known.parent());
            let asked = asked.map(|at| at.is_none_or(|at| parents.may_have_run(at)));
            asked.collect::<Vec<_>>()
        };
        let all = [&a, &b, &alone, &top];
        assert_eq!(look(&all), [true; 4], "none was looked at before");
        assert_eq!(look(&all), [false, false, true, true]);
        group("pod", "11");
        assert_eq!(look(&all), [true; 4]);
        assert_eq!(look(&all), [false, false, true, true]);
        // A group that says nothing of it leaves it to each.
        std::fs::remove_file(root.join("pod/cpu.stat")).expect("it goes");
        assert_eq!(look(&all), [true; 4]);
        assert_eq!(look(&all), [true; 4]);
        assert_eq!(look(&[&a, &alone, &top]), [true; 3]);
        std::fs::remove_dir_all(&root).expect("it goes");
    }
}
