//! Signals of a running `watch`: SIGUSR1 is a trigger, SIGHUP has the configuration read anew.

use super::config::{Config, Evidence};
use super::webhook::Webhook;
use crate::anchoring::Wanted;
use crate::failure::Failure;
use crate::output::say;
use crate::units::plural;
use afterimage_capture::Scope;
use afterimage_capture::watch::Command;
use signal_hook::consts::{SIGHUP, SIGUSR1};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

/// What it takes to go on with another configuration.
pub struct Reload {
    path: PathBuf,
    fixed: Fixed,
    limits: Arc<Mutex<Evidence>>,
    webhook: Option<Arc<Webhook>>,
}

/// What only a new start can change.
#[derive(PartialEq)]
struct Fixed {
    scope: Scope,
    snaplen: u32,
    ring_bytes: usize,
    folder: PathBuf,
    spill: Option<PathBuf>,
    index: bool,
    anchor: Option<Wanted>,
    webhook: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
}

impl Fixed {
    fn of(config: &Config) -> Fixed {
        Fixed {
            scope: config.scope.clone(),
            snaplen: config.snaplen,
            ring_bytes: config.ring_bytes,
            folder: config.evidence.folder.clone(),
            spill: config.evidence.spill.clone(),
            index: config.evidence.index,
            anchor: config.evidence.anchor.clone(),
            webhook: config.webhook.as_ref().map(|webhook| webhook.listen),
            metrics: config.metrics,
        }
    }

    /// What of it another configuration changes.
    fn differs(&self, other: &Fixed) -> Option<&'static str> {
        [
            (
                self.scope != other.scope,
                "what is recorded (record.host, record.containers)",
            ),
            (self.snaplen != other.snaplen, "record.snaplen"),
            (self.ring_bytes != other.ring_bytes, "record.ring"),
            (self.folder != other.folder, "evidence.folder"),
            (self.spill != other.spill, "window.spill"),
            (self.index != other.index, "evidence.index"),
            (
                self.anchor != other.anchor,
                "evidence.anchor or evidence.anchor_ca",
            ),
            (self.webhook != other.webhook, "webhook.listen"),
            (self.metrics != other.metrics, "metrics.listen"),
        ]
        .into_iter()
        .find_map(|(differs, key)| differs.then_some(key))
    }
}

impl Reload {
    /// For a configuration that is in force.
    pub fn of(
        path: PathBuf,
        config: &Config,
        limits: Arc<Mutex<Evidence>>,
        webhook: Option<Arc<Webhook>>,
    ) -> Reload {
        Reload {
            path,
            fixed: Fixed::of(config),
            limits,
            webhook,
        }
    }

    /// Reads the file and goes on with it; all of it or nothing.
    fn reload(&self, commands: &Sender<Command>) -> Result<usize, Failure> {
        let config = Config::read(Some(&self.path))?;
        if let Some(key) = self.fixed.differs(&Fixed::of(&config)) {
            return Err(Failure::new(
                format!("{key} has changed, which takes a new start"),
                "restart watch, or change it back",
            ));
        }
        if let (Some(webhook), Some(settings)) = (&self.webhook, &config.webhook) {
            webhook.reload(settings)?;
        }
        let armed = config.watch.triggers.len();
        let (reply, done) = channel();
        let said = commands.send(Command::Reload(Box::new(config.watch), reply));
        *self.limits.lock().unwrap_or_else(PoisonError::into_inner) = config.evidence;
        match said.is_ok() && done.recv().is_ok() {
            true => Ok(armed),
            false => Err(Failure::new("watch has ended", "")),
        }
    }
}

/// Listens for signals on a thread of its own.
///
/// # Errors
/// When they cannot be caught.
pub fn listen(commands: Sender<Command>, reload: Option<Reload>) -> Result<(), Failure> {
    let wrong = |error| Failure::new(format!("catching signals: {error}"), "");
    let mut wanted = vec![SIGUSR1];
    wanted.extend(reload.is_some().then_some(SIGHUP));
    let mut signals = signal_hook::iterator::Signals::new(wanted).map_err(wrong)?;
    let thread = std::thread::Builder::new().name("signals".to_owned());
    let listen = move || {
        for signal in signals.forever() {
            if let (SIGHUP, Some(reload)) = (signal, &reload) {
                match reload.reload(&commands) {
                    Ok(armed) => say(format_args!(
                        "the configuration was read anew: {}",
                        plural(armed as u64, "trigger")
                    )),
                    Err(failure) => {
                        say(
                            "afterimage: THE NEW CONFIGURATION IS REFUSED; the old one stays in force",
                        );
                        failure.report();
                    }
                }
                continue;
            }
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
