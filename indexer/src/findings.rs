//! Findings: how containers were run that makes an attack easier, by the numbers of the CIS Docker Benchmark, each with what
//! says so. Values of secrets are never shown, only the names of variables.

use crate::cell::Cell;
use crate::error::Error;
use crate::lives;
use crate::made::{self, Asked, Columns, number, of_container, row, text};
use crate::rows::Rows;
use crate::secrets::{is_secret, secret_names};
use crate::session::{Session, Visitor};
use afterimage_model::{Container, ContainerId, Ctx, Process};
use afterimage_query::Filter;
use std::collections::{BTreeMap, BTreeSet};

/// What events showed of a container.
#[derive(Default)]
struct Seen {
    /// First event of a program that ran as root.
    root: Option<(u64, Vec<u8>)>,
    /// Names of secrets in the environment, and the first event of a process that had one.
    secrets: BTreeSet<Vec<u8>>,
    secret_num: u64,
    /// First program that the container wrote itself: where it was, and what says so.
    dropped: Option<(u64, Vec<u8>, &'static str)>,
}

/// What is found: the text that says so, and the event where one shows it.
type Found = Option<(Vec<u8>, u64)>;

/// A kind of finding.
struct Finding {
    /// Number in the CIS Docker Benchmark 1.6; empty when it has none.
    cis: &'static str,
    name: &'static str,
    find: fn(&Container, &Seen) -> Found,
    better: &'static str,
}

fn says(yes: bool, text: impl Into<String>) -> Found {
    yes.then(|| (text.into().into_bytes(), 0))
}

/// Places of the host that no container should see (CIS 5.6).
const SENSITIVE: &[&str] = &[
    "/", "/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr", "/root", "/var/run", "/run",
];

/// Capabilities of which one is enough to get out.
const MIGHTY: &[&str] = &[
    "ALL",
    "SYS_ADMIN",
    "SYS_PTRACE",
    "SYS_MODULE",
    "DAC_READ_SEARCH",
    "DAC_OVERRIDE",
    "NET_ADMIN",
    "NET_RAW",
    "SYS_RAWIO",
    "BPF",
    "SYS_BOOT",
    "SYS_TIME",
];

fn mount_of(container: &Container, wanted: impl Fn(&str, &str) -> bool) -> Found {
    let is_wanted = |mount: &&String| wanted(mount.split(':').next().unwrap_or_default(), mount);
    let all: Vec<String> = container
        .mounts
        .iter()
        .filter(is_wanted)
        .map(|mount| in_words(mount))
        .collect();
    let says = format!("it sees {} (container.mounts)", all.join("; "));
    (!all.is_empty()).then(|| (says.into_bytes(), 0))
}

/// A mount in words; as it was told where that is not in the five parts of sysdig's source:destination:mode:writable:propagation.
fn in_words(mount: &str) -> String {
    let parts: Vec<&str> = mount.split(':').collect();
    let [source, destination, _, writable, spreads] = parts[..] else {
        return mount.to_owned();
    };
    let writable = match writable {
        "true" => "writable",
        "false" => "read-only",
        _ => return mount.to_owned(),
    };
    let shared = match spreads {
        "shared" | "rshared" => ", shared",
        _ => "",
    };
    format!("the host's {source} at {destination}, {writable}{shared}")
}

/// Every kind of finding.
const FINDINGS: &[Finding] = &[
    Finding {
        cis: "5.5",
        name: "privileged",
        find: |c, _| {
            says(
                c.privileged == Some(true),
                "it was started with every privilege (container.privileged is true)",
            )
        },
        better: "give it the capabilities it needs",
    },
    Finding {
        cis: "5.32",
        name: "runtime's socket mounted",
        find: |c, _| {
            mount_of(c, |source, _| {
                source.ends_with("docker.sock")
                    || source.ends_with("containerd.sock")
                    || source.ends_with("crio.sock")
                    || source.ends_with("podman.sock")
            })
        },
        better: "whoever can write there is root on the host",
    },
    Finding {
        cis: "5.6",
        name: "sensitive mount",
        find: |c, _| mount_of(c, |source, _| SENSITIVE.contains(&source)),
        better: "mount the one file that is needed, read-only",
    },
    Finding {
        cis: "5.20",
        name: "mount shared with the host",
        find: |c, _| {
            mount_of(c, |_, mount| {
                mount.ends_with(":shared") || mount.ends_with(":rshared")
            })
        },
        better: "use private propagation",
    },
    Finding {
        cis: "5.4",
        name: "added capabilities",
        find: |c, _| {
            let mighty = |cap: &&String| {
                MIGHTY.contains(&cap.trim_start_matches("CAP_").to_ascii_uppercase().as_str())
            };
            let list: Vec<&str> = c.cap_add.iter().map(String::as_str).collect();
            says(
                c.cap_add.iter().any(|cap| mighty(&cap)),
                format!("it was given {} (container.cap_add)", list.join(", ")),
            )
        },
        better: "drop all, add what is used",
    },
    Finding {
        cis: "4.1",
        name: "runs as root",
        find: |c, seen| match &seen.root {
            Some((num, who)) => {
                let told = match c.user.as_str() {
                    "" => " runs with the uid 0 (container.user is empty)".to_owned(),
                    user => format!(" runs with the uid 0 (container.user is {user})"),
                };
                Some(([&who[..], told.as_bytes()].concat(), *num))
            }
            None => says(
                matches!(c.user.split(':').next(), Some("root" | "0")),
                format!("it was told to run as root (container.user is {})", c.user),
            ),
        },
        better: "a USER in the image, or --user",
    },
    Finding {
        cis: "4.10",
        name: "secrets in the environment",
        find: |c, seen| {
            if seen.secrets.is_empty() {
                let names: Vec<&str> = c
                    .env_names
                    .iter()
                    .map(String::as_str)
                    .filter(|name| is_secret(name.as_bytes(), b"x"))
                    .collect();
                return says(
                    !names.is_empty(),
                    format!("it was given {} (container.env)", names.join(", ")),
                );
            }
            let names: Vec<&[u8]> = seen.secrets.iter().map(Vec::as_slice).collect();
            let names = names.join(&b", "[..]);
            let says = [b"a program was given ", &names[..], b" (proc.env)"].concat();
            Some((says, seen.secret_num))
        },
        better: "hand secrets over as files that only one user may read",
    },
    Finding {
        cis: "",
        name: "ran what it wrote itself",
        find: |_, seen| {
            let (num, path, why) = seen.dropped.as_ref()?;
            let says = [b"it executed ", &path[..], b", ", why.as_bytes()].concat();
            Some((says, *num))
        },
        better: "a root that cannot be written",
    },
    Finding {
        cis: "5.10",
        name: "host network",
        find: |c, _| {
            says(
                c.network_mode == "host",
                "it uses the network of the host (container.network_mode is host)",
            )
        },
        better: "a network of its own, and published ports",
    },
    Finding {
        cis: "5.16",
        name: "host processes",
        find: |c, _| {
            says(
                c.pid_mode == "host",
                "it sees all processes of the host (container.pid_mode is host)",
            )
        },
        better: "a pid namespace of its own",
    },
    Finding {
        cis: "5.17",
        name: "host ipc",
        find: |c, _| {
            says(
                c.ipc_mode == "host",
                "it shares memory and queues of the host (container.ipc_mode is host)",
            )
        },
        better: "an ipc namespace of its own",
    },
    Finding {
        cis: "5.31",
        name: "host users",
        find: |c, _| {
            says(
                c.userns_mode == "host",
                "its users are those of the host (container.userns_mode is host)",
            )
        },
        better: "user namespaces",
    },
    Finding {
        cis: "5.22",
        name: "no seccomp",
        find: |c, _| {
            says(
                c.seccomp == "unconfined",
                "it may make every system call (container.seccomp is unconfined)",
            )
        },
        better: "the default profile, or one made from this capture",
    },
    Finding {
        cis: "5.2",
        name: "no AppArmor",
        find: |c, _| {
            says(
                c.apparmor == "unconfined",
                "no profile confines it (container.apparmor is unconfined)",
            )
        },
        better: "the default profile",
    },
    Finding {
        cis: "5.26",
        name: "may gain privileges",
        find: |c, _| {
            says(
                c.no_new_privileges == Some(false),
                "its programs may gain privileges (container.no_new_privileges is false)",
            )
        },
        better: "--security-opt no-new-privileges",
    },
    Finding {
        cis: "5.13",
        name: "root can be written",
        find: |c, _| {
            says(
                c.read_only == Some(false),
                "its root can be written (container.read_only is false)",
            )
        },
        better: "--read-only, and a tmpfs where it writes",
    },
    Finding {
        cis: "5.11",
        name: "no limit of memory",
        find: |c, _| {
            says(
                c.limits.memory == Some(0),
                "it may use all memory (container.limit.memory is 0)",
            )
        },
        better: "--memory",
    },
    Finding {
        cis: "5.12",
        name: "no limit of processor",
        find: |c, _| {
            says(
                c.limits.cpu_milli == Some(0),
                "it may use all processors (container.limit.cpu is 0)",
            )
        },
        better: "--cpus",
    },
    Finding {
        cis: "5.29",
        name: "no limit of processes",
        find: |c, _| {
            says(
                c.limits.pids == Some(0),
                "it may start any number of processes (container.limit.pids is 0)",
            )
        },
        better: "--pids-limit",
    },
    Finding {
        cis: "5.15",
        name: "restarts for ever",
        find: |c, _| {
            says(
                matches!(c.restart_policy.as_str(), "always" | "unless-stopped"),
                format!(
                    "it is started again however it ends (container.restart_policy is {})",
                    c.restart_policy
                ),
            )
        },
        better: "on-failure:5",
    },
    Finding {
        cis: "",
        name: "image without a version",
        find: |c, _| {
            let versionless = !c.image.contains('@') && c.image_parts().1 == "latest";
            says(
                versionless,
                format!(
                    "the image {} names no version (container.image.tag is latest)",
                    c.image
                ),
            )
        },
        better: "name a version, or better a digest",
    },
];

struct Collector {
    seen: BTreeMap<ContainerId, Seen>,
}

impl Visitor for Collector {
    fn event(&mut self, ctx: &Ctx<'_>) -> bool {
        let Some(process) = ctx.proc() else {
            return true;
        };
        let Some(container) = process.container.filter(|_| !process.is_nobody()) else {
            return true;
        };
        let seen = self.seen.entry(container).or_default();
        let program = ctx
            .ty()
            .is_some_and(|ty| lives::PROGRAM.contains(&ty.name.as_str()));
        if !program || ctx.event.errno().is_some() {
            return true;
        }
        if process.euid == 0 && seen.root.is_none() {
            seen.root = Some((ctx.num, made::called(process)));
        }
        let is = |flag: u32| process.exe_flags & flag != 0;
        let anywhere = [&b"/tmp/"[..], b"/var/tmp/", b"/dev/shm/"];
        let loose = || (anywhere.iter()).any(|place| process.exe_path.starts_with(place));
        let why = match () {
            () if is(Process::EXE_MEMFD) => {
                Some("which was in memory alone (proc.is_exe_from_memfd is true)")
            }
            () if is(Process::EXE_UPPER) => {
                Some("which was written after it was made (proc.is_exe_upper_layer is true)")
            }
            () if loose() => Some("which lies where anybody may write (proc.exepath)"),
            () => None,
        };
        if let (Some(why), None) = (why, &seen.dropped) {
            seen.dropped = Some((ctx.num, process.exe_path.clone(), why));
        }
        let names = secret_names(&process.env);
        if !names.is_empty() && seen.secrets.len() < 100 {
            if seen.secrets.is_empty() {
                seen.secret_num = ctx.num;
            }
            seen.secrets.extend(names);
        }
        true
    }
}

/// The rows of `findings`.
pub(crate) fn rows(session: &Session, asked: &Asked<'_>) -> Result<Rows, Error> {
    // All containers are looked at, or those of which there is an event.
    let all = asked.filter.is_none_or(Filter::is_all);
    let programs = asked.of_types(&lives::PROGRAM)?;
    let filter = if all { Some(&programs) } else { asked.filter };
    let mut collector = Collector {
        seen: BTreeMap::new(),
    };
    let complete = session
        .walk(filter, asked.span, 1, asked.progress, &mut collector)
        .complete;
    let columns = Columns::of(asked.view);
    let nothing = Seen::default();
    let mut rows = Vec::new();
    let mut digests: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in session.state().containers.values() {
        let seen = collector.seen.get(&container.id);
        if seen.is_none() && !all {
            continue;
        }
        let seen = seen.unwrap_or(&nothing);
        let repository = container.image.split('@').next().unwrap_or_default();
        let repository = match repository.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            _ => repository,
        };
        let version = match container.image_digest.as_str() {
            "" => container.image_id.as_str(),
            digest => digest,
        };
        if !repository.is_empty() && !version.is_empty() {
            digests.entry(repository).or_default().insert(version);
        }
        for finding in FINDINGS {
            let Some((evidence, num)) = (finding.find)(container, seen) else {
                continue;
            };
            let cells = columns.cells(None, |column| match column {
                "container" => text(lives::name(container)),
                "cis" => text(finding.cis),
                "step" => text(finding.name),
                "text" => text(&evidence),
                "num" if num > 0 => number(num),
                "better" => text(finding.better),
                _ => Cell::Missing,
            });
            let filter = match num {
                0 => of_container(container.short_id()),
                num => made::one(num),
            };
            rows.push(row(cells, num, u64::from(num > 0), filter));
        }
    }
    for (repository, versions) in digests.iter().filter(|(_, versions)| versions.len() > 1) {
        let list: Vec<&str> = versions.iter().copied().collect();
        let cells = columns.cells(None, |column| match column {
            "container" => text(*repository),
            "cis" => text("5.28"),
            "step" => text("several versions of an image"),
            "text" => text(format!("the image was run as {}", list.join(" and as "))),
            "better" => text("run one version at a time"),
            _ => Cell::Missing,
        });
        rows.push(row(cells, 0, 0, String::new()));
    }
    let matched = rows.iter().map(|row| row.events).sum();
    Ok(made::answer(rows, matched, complete))
}
