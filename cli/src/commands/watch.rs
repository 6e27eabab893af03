//! `watch`: the flight recorder.

use crate::Outcome;
use crate::failure::{Exit, Failure, shown};
use crate::keyring;
use crate::output::{Output, say};
use crate::recording;
use crate::units::{plural, show_count};
use crate::watching::config::Config;
use crate::watching::control::{self, Control, Question, SOCKET};
use crate::watching::evidence::Folder;
use afterimage_capture::watch::{Command, Watcher};
use afterimage_capture::{Options, Recorder};
use afterimage_indexer::bytes_text;
use afterimage_model::Safe;
use clap::{Args, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
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
    /// Where to be asked
    #[arg(long, value_name = "PATH", default_value = SOCKET)]
    socket: PathBuf,
    /// The key to sign with, by its name; the default one is made when it is first needed
    #[arg(long, value_name = "NAME", default_value = keyring::DEFAULT)]
    key: String,
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
                "a window of {} s in at most {}; files in {}",
                bounds.span.as_secs_f64(),
                bytes_text((bounds.bytes as u64).into()),
                shown(&config.evidence.folder)
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
        let stop = recording::stop_on_signals()?;
        let options = Options {
            scope: config.scope,
            snaplen: config.snaplen,
            ring_bytes: config.ring_bytes,
            usage_interval: Some(Duration::from_secs(1)),
            operator: crate::custody::operator(),
            command: std::env::args_os()
                .map(|arg| arg.to_string_lossy().into_owned())
                .collect(),
            ..Options::default()
        };
        let (commands, asked) = channel();
        let recorder = Recorder::arm(options).map_err(|error| recording::refused(&error))?;
        let key = (!self.no_sign).then(|| self.key.clone());
        // Made now when it is missing, and refused now when it is none.
        drop(key.as_deref().map(keyring::load).transpose()?);
        let folder = Folder::open(config.evidence.clone(), key, self.quiet)?;
        let _control = Control::listen(&self.socket, commands.clone())?;
        on_signal(commands)?;
        let armed = config.watch.triggers.len();
        let bounds = config.watch.bounds;
        let watcher = Watcher::new(config.watch, recorder.manifest(), folder, asked)
            .map_err(|error| recording::refused(&error))?;
        if !self.quiet {
            say(format_args!(
                "watching: the last {} s in at most {}, {}; evidence goes to {}; asked at {}; Ctrl-C ends",
                bounds.span.as_secs_f64(),
                bytes_text((bounds.bytes as u64).into()),
                plural(armed as u64, "trigger"),
                shown(&config.evidence.folder),
                shown(&self.socket)
            ));
        }
        let totals = recorder
            .watch(watcher, &stop)
            .map_err(|error| recording::refused(&error))?;
        if !self.quiet {
            say(recording::books(&totals));
        }
        Ok(if totals.dropped > 0 {
            Exit::Loss
        } else {
            Exit::Done
        })
    }
}

/// SIGUSR1 is a trigger.
fn on_signal(commands: Sender<Command>) -> Result<(), Failure> {
    let wrong = |error| Failure::new(format!("catching SIGUSR1: {error}"), "");
    let mut signals =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGUSR1]).map_err(wrong)?;
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let listen = move || {
        for _ in signals.forever() {
            // What becomes of it is said on standard error.
            let (reply, _) = channel();
            let fire = Command::Fire {
                trigger: "signal",
                container: None,
                reason: "SIGUSR1".to_owned(),
                reply,
            };
            if commands.send(fire).is_err() {
                return;
            }
        }
    };
    thread.spawn(listen).map_err(wrong)?;
    Ok(())
}

impl Standing {
    fn run(self, out: &mut Output) -> Outcome {
        let status = control::ask(&self.socket, &Question::Status {})?;
        if self.json {
            writeln!(out, "{}", Safe::new(&status.to_string()))?;
            return Ok(Exit::Done);
        }
        let number = |name: &str| status[name].as_u64().unwrap_or(0);
        writeln!(
            out,
            "window    {} in {}, {} displaced",
            plural(number("window.events"), "event"),
            bytes_text(number("window.bytes").into()),
            show_count(number("window.displaced"))
        )?;
        writeln!(
            out,
            "seen      {}, {} lost",
            plural(number("events"), "event"),
            show_count(number("lost"))
        )?;
        writeln!(
            out,
            "evidence  {} sealed, {} refused",
            plural(number("sealed"), "file"),
            show_count(number("refused"))
        )?;
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
