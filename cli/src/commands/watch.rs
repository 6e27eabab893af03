//! `watch`: the flight recorder.

use crate::Outcome;
use crate::anchoring::Prepared;
use crate::failure::{Exit, Failure, shown};
use crate::keyring;
use crate::output::{Output, say};
use crate::recording;
use crate::units::{plural, show_count};
use crate::watching::config::{self, Config, Evidence};
use crate::watching::control::{self, Control, Question, SOCKET};
use crate::watching::evidence::Folder;
use crate::watching::indexing::Indexer;
use crate::watching::owner;
use crate::watching::signals::{self, Reload};
use crate::watching::status::{self, Doors};
use crate::watching::stdin;
use crate::watching::webhook::Webhook;
use afterimage_capture::handed::Manager;
use afterimage_capture::user::User;
use afterimage_capture::watch::Watcher;
use afterimage_capture::{Options, Recorder};
use afterimage_indexer::bytes_text;
use afterimage_model::Safe;
use afterimage_model::time::Civil;
use clap::{Args, Subcommand};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  sudo afterimage watch                         # keep the last minute of all
  sudo afterimage trigger --container web --reason 'case 42'
  sudo afterimage watch status                  # what is in the window?
  afterimage watch --config watch.toml --check  # is it right?

A configuration says only what is different:
  [window]
  span = \"2m\"
  bytes = \"512MiB\"
  [evidence]
  folder = \"/srv/evidence\"
  after = \"30s\"
  [[trigger]]
  name = \"honey\"
  kind = \"canary\"
  paths = [\"/srv/honey*\"]

The kinds of trigger: afterimage triggers";

/// Keep the last seconds of everything in memory, and write an evidence file when a trigger fires
///
/// What happened before the trigger is in the file too: the window keeps the past of each container, compressed, in a
/// bounded amount of memory. Each file is named by time, trigger and container, and holds what was known when it begins.
/// Without a configuration: 60 seconds of all containers in at most 256 MiB, files in /var/lib/afterimage, and triggers
/// for crashes, ends, lack of memory and secrets that are read. Needs root.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Watch {
    #[command(subcommand)]
    what: Option<What>,
    /// The configuration, in TOML
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only say whether the configuration is right, and what it arms
    #[arg(long)]
    check: bool,
    /// Take alerts on standard input, as Falco prints them with json_output
    #[arg(long)]
    stdin_alerts: bool,
    /// Where to be asked
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// The key to sign with, by its name; the default one is made when it is first needed
    #[arg(long, value_name = "NAME", default_value = keyring::DEFAULT)]
    key: String,
    /// Keep all capabilities and calls once the programs are attached
    #[arg(long)]
    no_confine: bool,
    /// The user to go on as once the programs are attached; afterimage, where there is such a user
    #[arg(long, value_name = "NAME", conflicts_with = "no_confine")]
    user: Option<String>,
    /// Do not sign
    #[arg(long, conflicts_with = "key")]
    no_sign: bool,
    /// Say nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Say how a running watch stands
    Status(Standing),
}

/// How a running watch stands.
#[derive(Args, Debug)]
struct Standing {
    /// Where it listens
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// As one JSON object
    #[arg(long)]
    json: bool,
}

impl Watch {
    /// Does it.
    pub fn run(self, out: &mut Output) -> Outcome {
        if let Some(What::Status(standing)) = self.what {
            return standing.run(out);
        }
        let config = Config::read(self.config.as_deref())?;
        if self.check {
            let bounds = config.watch.bounds;
            writeln!(
                out,
                "a window of {} s in at most {}; files in {}{}",
                bounds.span.as_secs_f64(),
                bytes_text((bounds.bytes as u64).into()),
                shown(&config.evidence.folder),
                if config.evidence.index {
                    ", with indexes"
                } else {
                    ""
                }
            )?;
            for trigger in &config.watch.triggers {
                let name = Safe::new(&trigger.name);
                match trigger.text.is_empty() {
                    true => writeln!(out, "{name} ({})", trigger.kind.name)?,
                    false => writeln!(
                        out,
                        "{name} ({}): {}",
                        trigger.kind.name,
                        Safe::new(&trigger.text)
                    )?,
                }
            }
            return Ok(Exit::Done);
        }
        // Without a file to read anew, a hang-up is the end of the terminal.
        let stop = match self.config.is_some() {
            true => recording::stop_on(&[SIGINT, SIGTERM]),
            false => recording::stop_on_signals(),
        }?;
        // Before anything is made: what else is refused is refused for that.
        afterimage_capture::check_rights().map_err(|error| recording::refused(&error))?;
        let user = match self.no_confine {
            true => None,
            false => owner::user(self.user.as_deref())?,
        };
        let control = Control::bind(&self.socket)?;
        let manager = Manager::connect();
        if let Some(user) = &user {
            give(&config.evidence, control.folder(), user)?;
        }
        let options = Options {
            scope: config.scope.clone(),
            snaplen: config.snaplen,
            ring_bytes: config.ring_bytes,
            confine: !self.no_confine,
            user: user.clone(),
            usage_interval: Some(Duration::from_secs(1)),
            operator: crate::custody::operator(),
            command: std::env::args_os()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect(),
            ..Options::default()
        };
        let (commands, asked) = channel();
        // Before the programs are attached: afterwards no process can be started.
        let wanted = config.evidence.index.then(|| {
            let folder = &config.evidence.folder;
            Indexer::start(folder, user.as_ref(), !self.no_confine, self.quiet)
        });
        let indexer = wanted.transpose()?;
        let anchors = Prepared::new(config.evidence.anchor.as_ref())?;
        let key = (!self.no_sign).then(|| self.key.clone());
        // Made now when it is missing, and refused now when it is none; it stays the user's who starts this.
        drop(key.as_deref().map(keyring::load).transpose()?);
        afterimage_capture::memory::give_back();
        let recorder = Recorder::arm(options).map_err(|error| recording::refused(&error))?;
        // A thread is what it is started by: only now is it without rights.
        let anchors = anchors.start()?;
        let mut doors = Doors {
            anchors: anchors.clone(),
            ..Doors::default()
        };
        if let Some(settings) = &config.webhook {
            let webhook = Webhook::listen(settings, commands.clone())?;
            say(format_args!(
                "alerts may be posted to http://{}/",
                webhook.address()
            ));
            doors.webhook = Some(Arc::new(webhook));
        }
        if self.stdin_alerts {
            doors.stdin = Some(stdin::listen(commands.clone())?);
        }
        let _metrics = match config.metrics {
            None => None,
            Some(address) => {
                let server = status::serve(address, commands.clone(), doors.clone())
                    .map_err(|error| recording::refused(&error))?;
                say(format_args!(
                    "numbers are told at http://{}/metrics",
                    server.address()
                ));
                Some(server)
            }
        };
        let _control = control.listen(commands.clone(), doors.clone())?;
        // No earlier: another watch that answers at the socket may have its files there.
        let folder = Folder::open(config.evidence.clone(), key, indexer, self.quiet)?
            .anchored(anchors.clone());
        let reload = (self.config.clone())
            .map(|path| Reload::of(path, &config, folder.shared_limits(), doors.webhook.clone()));
        signals::listen(commands, reload)?;
        let armed = config.watch.triggers.len();
        let bounds = config.watch.bounds;
        let watcher = Watcher::new(config.watch, recorder.manifest(), folder, asked)
            .map_err(|error| recording::refused(&error))?;
        if !self.quiet {
            say(format_args!(
                "watching{}: the last {} s in at most {}, {}; evidence goes to {}; asked at {}; Ctrl-C ends",
                user.map_or_else(String::new, |user| format!(
                    " as user {}",
                    Safe::new(&user.name)
                )),
                bounds.span.as_secs_f64(),
                bytes_text((bounds.bytes as u64).into()),
                plural(armed as u64, "trigger"),
                shown(&config.evidence.folder),
                shown(&self.socket)
            ));
        }
        manager.tell("READY=1");
        let totals = recorder
            .watch(watcher, &stop)
            .map_err(|error| recording::refused(&error))?;
        if !self.quiet {
            say(recording::books(&totals));
        }
        if let Some(failure) = anchors.end() {
            return Err(failure);
        }
        Ok(if totals.dropped > 0 {
            Exit::Loss
        } else {
            Exit::Done
        })
    }
}

/// Gives the user the folders that files go to, and that of the socket where it is this program's, to remove the socket at the end.
fn give(evidence: &Evidence, socket: Option<&Path>, user: &User) -> Result<(), Failure> {
    let ours = evidence.folder == Path::new(config::FOLDER);
    owner::give(&evidence.folder, user, ours)?;
    if let Some(spill) = &evidence.spill {
        owner::give(spill, user, false)?;
    }
    match socket.filter(|folder| Some(*folder) == Path::new(SOCKET).parent()) {
        Some(folder) => owner::give(folder, user, true),
        None => Ok(()),
    }
}

impl Standing {
    fn run(self, out: &mut Output) -> Outcome {
        let status = control::ask(&self.socket, &Question::Status {})?;
        if self.json {
            writeln!(out, "{}", Safe::new(&status.to_string()))?;
            return Ok(Exit::Done);
        }
        let number = |name: &str| status[name].as_u64().unwrap_or(0);
        let left = |name: &str| status["left"][name].as_u64().unwrap_or(0);
        writeln!(
            out,
            "window    {} in {}, {} displaced",
            plural(number("window.events"), "event"),
            bytes_text(number("window.bytes").into()),
            show_count(number("window.displaced"))
        )?;
        writeln!(
            out,
            "bound     {} now; memory {} of {}, with rings and files {}",
            bytes_text(number("window.bound").into()),
            bytes_text(number("memory").into()),
            bytes_text(number("memory.bound").into()),
            bytes_text(number("resident").into())
        )?;
        writeln!(
            out,
            "seen      {}, {} a second, {} lost",
            plural(number("events"), "event"),
            show_count(number("events_per_second")),
            show_count(number("lost"))
        )?;
        let beat = status["heartbeat_ns"].as_i64().unwrap_or(0);
        writeln!(out, "heartbeat {}", instant(beat))?;
        writeln!(
            out,
            "evidence  {} sealed, {} refused",
            plural(number("sealed"), "file"),
            show_count(number("refused"))
        )?;
        writeln!(
            out,
            "left      {} this hour, {} today, {} free, {} at a time",
            plural(left("files_per_hour"), "file"),
            bytes_text(left("bytes_per_day").into()),
            bytes_text(left("free").into()),
            show_count(left("concurrent"))
        )?;
        for (name, way) in [("webhook", "webhook"), ("stdin", "alerts")] {
            if let Some(accepted) = status[format!("{name}.accepted").as_str()].as_u64() {
                writeln!(
                    out,
                    "{way:9} {} accepted, {} refused",
                    show_count(accepted),
                    show_count(number(&format!("{name}.refused")))
                )?;
            }
        }
        if let Some(to) = status["anchors.to"].as_str() {
            let count = |name: &str| number(&format!("anchors.{name}"));
            write!(
                out,
                "anchors   {} handed to {}, {} waiting",
                show_count(count("handed")),
                Safe::new(to),
                show_count(count("waiting"))
            )?;
            if count("failed") > 0 {
                write!(out, ", {} of the tries failed", show_count(count("failed")))?;
            }
            if count("given_up") > 0 {
                write!(out, ", {} given up", show_count(count("given_up")))?;
            }
            match status["anchors.why"].as_str() {
                Some(why) => writeln!(out, ": {}", Safe::new(why))?,
                None => writeln!(out)?,
            }
        }
        let list = |name: &str| status[name].as_array().cloned().unwrap_or_default();
        let text = |value: &serde_json::Value| Safe::new(value.as_str().unwrap_or("")).to_string();
        for open in list("open") {
            writeln!(out, "open      {}", text(&open["path"]))?;
        }
        writeln!(out)?;
        for trigger in list("triggers") {
            writeln!(
                out,
                "{:20} {:18} fired {}",
                text(&trigger["name"]),
                text(&trigger["kind"]),
                show_count(trigger["fired"].as_u64().unwrap_or(0))
            )?;
        }
        writeln!(out)?;
        for trail in list("trails") {
            let name = match text(&trail["container.name"]) {
                none if none.is_empty() => text(&trail["container.id"]),
                name => name,
            };
            writeln!(
                out,
                "{:32} {:>12} events {:>10}",
                if name.is_empty() {
                    "(no container)"
                } else {
                    &name
                },
                show_count(trail["events"].as_u64().unwrap_or(0)),
                bytes_text(trail["bytes"].as_u64().unwrap_or(0).into())
            )?;
        }
        Ok(Exit::Done)
    }
}

/// An instant in UTC, to the second.
fn instant(ns: i64) -> String {
    let at = Civil::from_unix_ns(ns);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
        at.year, at.month, at.day, at.hour, at.minute, at.second
    )
}
