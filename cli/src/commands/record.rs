//! `afterimage record`: records now, until Ctrl-C, a limit, or the end of a command.

use crate::anchoring::Wanted;
use crate::custody;
use crate::failure::{Failure, Outcome};
use crate::gate::{Waiting, ending};
use crate::identity::EncryptTo;
use crate::keyring;
use crate::output::{Output, say};
use crate::recording::{self, Custody, Target};
use crate::source;
use crate::units::{Clock, parse_duration, parse_size};
use afterimage_capture::{Keep, Limits, Options, Scope};
use afterimage_model::{Safe, Schema, time::Civil};
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

const EXAMPLES: &str = "\
Examples:
  sudo afterimage record -o web.aft --container web     # by name or id
  sudo afterimage record --image 'nginx:*' --duration 5m
  sudo afterimage record --host evt.category=process    # only processes
  sudo afterimage record -o build.aft -- make -j2       # it and its children
  sudo afterimage record -o - --container web | ssh lab 'cat > web.aft'

Without a scope and without a command all containers are recorded. A FILTER is
text in the language of `afterimage read`.";

/// Record what containers do, now
///
/// Records system calls with their arguments and results, programs, files and connections, by kernel programs (eBPF)
/// that change nothing on the system. The capture is sealed on Ctrl-C, TERM or HUP, when a limit is reached, or when
/// the command ends. Needs root.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Record {
    /// File to create; `-` writes to standard output [default: afterimage-HOST-TIME.aft]
    #[arg(short, long, visible_short_alias = 'w', value_name = "FILE")]
    output: Option<PathBuf>,

    /// A container, by name, id or the beginning of its id, also one that starts later; may be repeated
    #[arg(long, value_name = "NAME|ID", help_heading = "Scope")]
    container: Vec<String>,
    /// All containers, which is the default
    #[arg(long, help_heading = "Scope", conflicts_with_all = ["container", "host", "cgroup", "pid"])]
    all_containers: bool,
    /// Everything on this host, in containers or not
    #[arg(long, help_heading = "Scope", conflicts_with_all = ["container", "cgroup", "pid"])]
    host: bool,
    /// Everything in this control group and below it
    #[arg(long, value_name = "PATH", help_heading = "Scope", conflicts_with_all = ["container", "pid"])]
    cgroup: Option<PathBuf>,
    /// A process; with --tree also its children; may be repeated
    #[arg(
        long,
        value_name = "PID",
        help_heading = "Scope",
        conflicts_with = "container"
    )]
    pid: Vec<u32>,
    /// Also the children of --pid, and theirs
    #[arg(long, help_heading = "Scope", requires = "pid")]
    tree: bool,
    /// Only containers of images that match, also those that start later
    #[arg(long, value_name = "GLOB", help_heading = "Scope", conflicts_with_all = ["host", "cgroup", "pid", "all_containers"])]
    image: Option<String>,
    /// Only the containers of a Kubernetes pod
    #[arg(long, value_name = "NS/NAME", help_heading = "Scope", conflicts_with_all = ["host", "cgroup", "pid", "all_containers"])]
    pod: Option<String>,
    /// Only containers with this label
    #[arg(long, value_name = "KEY=VALUE", help_heading = "Scope", conflicts_with_all = ["host", "cgroup", "pid", "all_containers"])]
    label: Option<String>,
    /// Only events that match, in the language of `afterimage read`
    #[arg(
        value_name = "FILTER",
        help_heading = "Scope",
        allow_negative_numbers = true
    )]
    filter: Vec<String>,

    /// Stop after this time: 90s, 5m
    #[arg(long, short = 'M', value_name = "TIME", help_heading = "Limits", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Stop at about this size of the file: 64MiB
    #[arg(long, value_name = "SIZE", help_heading = "Limits", value_parser = parse_size)]
    size: Option<u64>,
    /// Stop after this many events
    #[arg(long, short = 'n', value_name = "N", help_heading = "Limits")]
    events: Option<u64>,
    /// Bytes kept of each read or written buffer
    #[arg(long, short, value_name = "SIZE", help_heading = "Limits", value_parser = parse_size, default_value = "256")]
    snaplen: u64,
    /// Room between the kernel and the recorder, per CPU
    #[arg(long, value_name = "SIZE", help_heading = "Limits", value_parser = parse_size)]
    ring: Option<u64>,
    /// How often to look at what containers use (of one that rests each tenth look is told); 0 for never
    #[arg(long, value_name = "TIME", help_heading = "Limits", value_parser = parse_interval, default_value = "1s")]
    usage_interval: Duration,
    /// Do not time calls that wait: no evt.latency
    #[arg(long, help_heading = "Limits")]
    no_latency: bool,
    /// How exact the instants are
    #[arg(
        long,
        value_name = "UNIT",
        help_heading = "Limits",
        default_value = "ns"
    )]
    clock: Clock,

    /// Why it is recorded; kept in the capture
    #[arg(
        long,
        value_name = "TEXT",
        help_heading = "Custody",
        default_value = "",
        hide_default_value = true
    )]
    reason: String,
    /// Case the capture belongs to; kept in the capture
    #[arg(
        long,
        value_name = "ID",
        help_heading = "Custody",
        default_value = "",
        hide_default_value = true
    )]
    case: String,
    /// Who records [default: the user behind sudo, or the current one]
    #[arg(long, value_name = "NAME", help_heading = "Custody")]
    operator: Option<String>,
    /// The key to sign with, by its name; the default one is made when it is first needed
    #[arg(long, value_name = "NAME", help_heading = "Custody", default_value = keyring::DEFAULT)]
    key: String,
    /// Do not sign the capture
    #[arg(long, help_heading = "Custody", conflicts_with = "key")]
    no_sign: bool,
    /// Append to this file, or post to this witness, how far the capture has come: at the beginning, each minute and at the seal
    ///
    /// Kept where nobody who could change the capture can change it, it shows later that the capture was not rolled
    /// back or rewritten: afterimage verify --anchor FILE. A witness is https://HOST/PATH or http://HOST:PORT/PATH. It is
    /// never waited for while recording; at the end for ten seconds. What it has not taken by then is said, and the exit
    /// code is 1; the capture is sealed all the same.
    #[arg(long, value_name = "FILE|URL", help_heading = "Custody")]
    anchor: Option<PathBuf>,
    /// Trust only these authorities (PEM) for the witness's certificate, instead of the machine's
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Custody",
        requires = "anchor"
    )]
    ca: Option<PathBuf>,

    #[command(flatten)]
    encrypt: EncryptTo,
    /// Keep files with the capture: executed programs, dropped ones only, what runtimes say of containers
    ///
    /// Dropped are programs that the container wrote itself, that lie in memory alone, or where anybody may write.
    /// afterimage artifacts lists them and writes them out.
    #[arg(
        long,
        value_name = "WHICH",
        help_heading = "Limits",
        value_delimiter = ','
    )]
    artifacts: Vec<Which>,
    /// Bytes of all files that are kept; one of them may have a quarter of it
    #[arg(long, value_name = "SIZE", help_heading = "Limits", value_parser = parse_size, default_value = "64MiB")]
    artifacts_size: u64,

    /// No progress and no summary
    #[arg(long, short)]
    quiet: bool,

    /// A command to run: it and its children are recorded, or, with a scope, it only says how long
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Files that are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Every program that is executed.
    Exec,
    /// Only those that were dropped.
    Dropped,
    /// What the runtime says of each container, without the values of environment variables.
    Inspect,
}

impl Record {
    /// Records.
    pub fn run(self, _out: &mut Output) -> Outcome {
        let target = match &self.output {
            Some(path) if path.as_os_str() == "-" => Target::Stdout,
            Some(path) => Target::File(path.clone()),
            None => Target::File(default_name(&custody::host_name(), SystemTime::now())),
        };
        let filter_text = self.filter_text()?;
        let filter = source::filter(std::slice::from_ref(&filter_text))?;
        let strangers = filter.as_ref().map(|f| f.strangers(Schema::current()));
        if let Some(stranger) = strangers.iter().flatten().next() {
            return Err(Failure::usage(
                stranger,
                "list them with: afterimage syscalls",
            ));
        }
        let follow = !self.command.is_empty() && self.names_no_scope();
        let scope = self.scope()?;
        target.check()?;
        let custody = Custody {
            key: (!self.no_sign).then(|| self.key.clone()),
            anchors: (self.anchor.clone()).map(|to| Wanted {
                to,
                ca: self.ca.clone(),
            }),
            recipients: self.encrypt.encrypt_to.clone(),
        };
        let stop = recording::stop_on_signals()?;
        let waiting = match self.command.is_empty() {
            true => None,
            false => Some(Waiting::start(&self.command).map_err(|e| {
                Failure::new(
                    format!("starting the command: {e}"),
                    "check the command after --",
                )
            })?),
        };
        let options = Options {
            scope: if follow {
                Scope::PidTree(Vec::new())
            } else {
                scope
            },
            usage_interval: Some(self.usage_interval).filter(|interval| !interval.is_zero()),
            filter,
            filter_text,
            snaplen: u32::try_from(self.snaplen).unwrap_or(u32::MAX),
            limits: Limits {
                duration: self.duration,
                bytes: self.size,
                events: self.events,
            },
            latency: !self.no_latency,
            clock_unit_ns: self.clock.unit_ns(),
            keep: Keep {
                exec: self.artifacts.contains(&Which::Exec),
                dropped: self.artifacts.contains(&Which::Dropped),
                inspect: self.artifacts.contains(&Which::Inspect),
                each: self.artifacts_size / 4,
                bytes: self.artifacts_size,
                ..Keep::default()
            },
            operator: self.operator.clone().unwrap_or_else(custody::operator),
            reason: self.reason.clone(),
            case_id: self.case.clone(),
            command: std::env::args_os()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect(),
            ..Options::default()
        };
        let options = match self.ring {
            Some(bytes) => Options {
                ring_bytes: usize::try_from(bytes).unwrap_or(usize::MAX),
                ..options
            },
            None => options,
        };
        let quiet = self.quiet;
        let summary = recording::run(options, &target, custody, &stop, !quiet, |recorder| {
            if let Target::File(path) = &target
                && !quiet
            {
                say(format_args!(
                    "recording into {}; Ctrl-C seals",
                    crate::failure::shown(path)
                ));
            }
            if !quiet {
                for name in recorder.awaited() {
                    say(format_args!(
                        "no container is called {} now; it is recorded when it starts",
                        Safe::new(name)
                    ));
                }
            }
            let Some(waiting) = waiting else {
                return Ok(());
            };
            if follow {
                recorder
                    .add_pid_tree(waiting.pid())
                    .map_err(|error| recording::refused(&error))?;
            }
            let child = waiting
                .release()
                .map_err(|error| Failure::new(format!("starting the command: {error}"), ""))?;
            let stop = stop.clone();
            std::thread::spawn(move || wait(child, &stop, quiet));
            Ok(())
        })?;
        if !quiet {
            summary.print(&target);
        }
        let exit = summary.exit();
        summary.unanchored.map_or(Ok(exit), Err)
    }

    /// Whether the user left it to us what to record.
    fn names_no_scope(&self) -> bool {
        self.container.is_empty()
            && self.pid.is_empty()
            && self.cgroup.is_none()
            && !self.host
            && !self.all_containers
            && self.image.is_none()
            && self.pod.is_none()
            && self.label.is_none()
    }

    fn scope(&self) -> Result<Scope, Failure> {
        let chosen = self.chosen()?;
        Ok(if !chosen.is_empty() {
            Scope::Matching(chosen)
        } else if !self.container.is_empty() {
            Scope::Containers(self.container.clone())
        } else if let Some(path) = &self.cgroup {
            Scope::Cgroup(path.clone())
        } else if !self.pid.is_empty() {
            Scope::PidTree(self.pid.clone())
        } else if self.host {
            Scope::Host
        } else {
            Scope::AllContainers
        })
    }

    /// What containers are called that are chosen by more than their names, as a text in the filter language; empty when
    /// they are not.
    fn chosen(&self) -> Result<String, Failure> {
        let mut parts = Vec::new();
        if let Some(glob) = &self.image {
            parts.push(format!("container.image glob {}", quoted(glob)));
        }
        if let Some(pod) = &self.pod {
            let (namespace, name) = pod.split_once('/').ok_or_else(|| {
                Failure::usage(
                    format!("--pod {}: expected NAMESPACE/NAME", Safe::new(pod)),
                    "write --pod default/web-0",
                )
            })?;
            parts.push(format!(
                "k8s.ns.name = {} and k8s.pod.name = {}",
                quoted(namespace),
                quoted(name)
            ));
        }
        if let Some(label) = &self.label {
            let (key, value) = label.split_once('=').ok_or_else(|| {
                Failure::usage(
                    format!("--label {}: expected KEY=VALUE", Safe::new(label)),
                    "write --label app=web",
                )
            })?;
            if key.is_empty() || key.contains([']', ' ', '"']) {
                return Err(Failure::usage(
                    format!("--label {}: not a label's name", Safe::new(label)),
                    "write --label app=web",
                ));
            }
            parts.push(format!("container.label[{key}] = {}", quoted(value)));
        }
        if !parts.is_empty() && !self.container.is_empty() {
            let named = self.container.iter().map(|name| {
                let name = quoted(name);
                format!("container.name = {name} or container.full_id startswith {name}")
            });
            parts.push(named.collect::<Vec<_>>().join(" or "));
        }
        Ok(all_of(&parts))
    }

    /// The user's filter and what the scope options add to it, as one text in the filter language.
    fn filter_text(&self) -> Result<String, Failure> {
        let mut parts = Vec::new();
        let user = self.filter.join(" ");
        if !user.trim().is_empty() {
            parts.push(user);
        }
        if !self.pid.is_empty() && !self.tree {
            let pids: Vec<String> = self.pid.iter().map(u32::to_string).collect();
            parts.push(format!("proc.pid in ({})", pids.join(", ")));
        }
        Ok(all_of(&parts))
    }
}

/// Filters joined by and.
fn all_of(parts: &[String]) -> String {
    match parts {
        [] => String::new(),
        [one] => one.clone(),
        many => many
            .iter()
            .map(|part| format!("({part})"))
            .collect::<Vec<_>>()
            .join(" and "),
    }
}

/// A duration between two samples; 0 is never.
fn parse_interval(text: &str) -> Result<Duration, String> {
    /// Often enough for anything, and no burden.
    const SHORTEST: Duration = Duration::from_millis(100);
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    match parse_duration(text)? {
        interval if interval.is_zero() || interval >= SHORTEST => Ok(interval),
        _ => Err("expected 100ms or more, or 0 for never".to_owned()),
    }
}

/// Waits for the command and then stops the recording.
fn wait(mut child: std::process::Child, stop: &Arc<AtomicBool>, quiet: bool) {
    match child.wait() {
        Ok(status) if !status.success() && !quiet => {
            say(format_args!("the command ended: {}", ending(status)))
        }
        Ok(_) => {}
        Err(error) => say(format_args!("waiting for the command: {error}")),
    }
    stop.store(true, Ordering::Release);
}

/// A value in the filter language.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// `afterimage-HOST-20261122T171946Z.aft`; only letters of a host name that a file name can hold.
fn default_name(host: &str, now: SystemTime) -> PathBuf {
    let host: String = host
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .take(63)
        .collect();
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let c = Civil::from_unix_ns(i64::try_from(since.as_nanos()).unwrap_or(0));
    PathBuf::from(format!(
        "afterimage-{host}-{:04}{:02}{:02}T{:02}{:02}{:02}Z.aft",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        record: Record,
    }

    fn parse(words: &[&str]) -> Record {
        match Line::try_parse_from(["record"].iter().chain(words)) {
            Ok(line) => line.record,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn the_default_name_tells_host_and_time_and_holds_no_slash() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_366_786);
        assert_eq!(
            default_name("web-1", now),
            PathBuf::from("afterimage-web-1-20261122T165946Z.aft")
        );
        assert_eq!(
            default_name("../\u{1b}[2J", now),
            PathBuf::from("afterimage-2J-20261122T165946Z.aft")
        );
    }

    #[test]
    fn scope_options_and_the_users_filter_are_joined_by_and() {
        let record = parse(&["--pid", "7", "evt.type=open", "or", "evt.type=openat"]);
        assert_eq!(
            record.filter_text().ok().as_deref(),
            Some("(evt.type=open or evt.type=openat) and (proc.pid in (7))")
        );
        assert_eq!(
            parse(&["--pid", "7"]).filter_text().ok().as_deref(),
            Some("proc.pid in (7)")
        );
        assert_eq!(
            parse(&["--pid", "7", "--tree"])
                .filter_text()
                .ok()
                .as_deref(),
            Some("")
        );
    }

    #[test]
    fn containers_are_chosen_by_what_they_are_called_and_the_filter_stays_the_users() {
        let record = parse(&["--image", "nginx:*", "--label", "a=b\"c", "evt.type=open"]);
        assert_eq!(record.filter_text().ok().as_deref(), Some("evt.type=open"));
        let chosen = "(container.image glob \"nginx:*\") and (container.label[a] = \"b\\\"c\")";
        assert_eq!(record.chosen().ok().as_deref(), Some(chosen));
        assert!(matches!(record.scope(), Ok(Scope::Matching(text)) if text == chosen));
        let both = parse(&["--container", "web", "--pod", "shop/web-0"]).chosen();
        let text = both.ok().unwrap_or_default();
        assert!(
            afterimage_query::Filter::parse(&text).is_ok() && text.contains("k8s.pod.name"),
            "{text}"
        );
        for bad in [["--label", "nokey"], ["--label", "a]=b"], ["--pod", "web"]] {
            assert!(parse(&bad).scope().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn samples_may_be_turned_off_but_not_taken_all_the_time() {
        assert_eq!(parse(&[]).usage_interval, Duration::from_secs(1));
        assert_eq!(
            parse(&["--usage-interval", "0"]).usage_interval,
            Duration::ZERO
        );
        assert!(Line::try_parse_from(["record", "--usage-interval", "1ms"]).is_err());
    }

    #[test]
    fn a_command_without_a_scope_is_itself_the_scope() {
        assert!(parse(&["--", "make", "-j2"]).names_no_scope());
        assert!(!parse(&["--container", "web", "--", "sleep", "5"]).names_no_scope());
        assert!(
            matches!(parse(&["--container", "web"]).scope(), Ok(Scope::Containers(names)) if names == ["web"])
        );
        assert!(matches!(parse(&[]).scope(), Ok(Scope::AllContainers)));
        assert!(matches!(parse(&["--host"]).scope(), Ok(Scope::Host)));
    }

    #[test]
    fn scopes_that_contradict_each_other_are_refused() {
        for words in [
            &["--host", "--container", "web"][..],
            &["--all-containers", "--pid", "1"],
            &["--tree"],
            &["--host", "--image", "nginx"],
        ] {
            assert!(
                Line::try_parse_from(["record"].iter().chain(words)).is_err(),
                "{words:?}"
            );
        }
    }
}
