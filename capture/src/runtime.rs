//! Container runtimes: names, images and labels from the Docker-compatible API of Docker and Podman, or from the runtime's
//! bundle on disk. All of it on a thread of its own: a slow, hung or absent daemon never delays an event.

use crate::cgroup::BUNDLES;
use afterimage_model::Container;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{EventsOptions, InspectContainerOptions, ListContainersOptions};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures_util::StreamExt;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Sockets that may speak the Docker API, with the runtime behind them.
fn endpoints() -> Vec<(String, &'static str)> {
    let mut all = Vec::new();
    if let Some(path) = std::env::var("DOCKER_HOST")
        .ok()
        .and_then(|host| host.strip_prefix("unix://").map(str::to_owned))
    {
        all.push((path, "docker"));
    }
    all.extend(
        [
            ("/run/docker.sock", "docker"),
            ("/run/podman/podman.sock", "podman"),
        ]
        .map(|(path, name)| (path.to_owned(), name)),
    );
    all.dedup();
    all.retain(|(path, _)| Path::new(path).exists());
    all
}

fn text(value: Option<String>) -> String {
    value.unwrap_or_default()
}

/// What an inspect answer says. Only fields that the answer holds are set.
fn described(answer: ContainerInspectResponse, runtime: &str) -> Container {
    let config = answer.config.unwrap_or_default();
    let labels: BTreeMap<String, String> = config.labels.unwrap_or_default().into_iter().collect();
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    let mounts = answer.mounts.unwrap_or_default().into_iter().map(|m| {
        let rw = m.rw.unwrap_or(false);
        format!(
            "{}:{}:{}:{rw}:{}",
            text(m.source),
            text(m.destination),
            text(m.mode),
            text(m.propagation)
        )
    });
    let networks = answer
        .network_settings
        .and_then(|n| n.networks)
        .unwrap_or_default();
    Container {
        full_id: text(answer.id),
        runtime: runtime.to_owned(),
        name: text(answer.name).trim_start_matches('/').to_owned(),
        image: text(config.image),
        image_id: text(answer.image),
        env_names: config
            .env
            .unwrap_or_default()
            .iter()
            .map(|e| e.split('=').next().unwrap_or_default().to_owned())
            .collect(),
        mounts: mounts.collect(),
        privileged: answer.host_config.and_then(|h| h.privileged),
        user: text(config.user),
        created_ns: answer
            .created
            .and_then(|at| unix_ns(&at.to_string()))
            .unwrap_or(0),
        ip: networks
            .into_values()
            .find_map(|n| n.ip_address.filter(|ip| !ip.is_empty()))
            .unwrap_or_default(),
        pod_name: label("io.kubernetes.pod.name"),
        pod_namespace: label("io.kubernetes.pod.namespace"),
        pod_uid: label("io.kubernetes.pod.uid"),
        labels,
        ..Container::default()
    }
}

/// `2026-11-22T16:52:55.123456789Z` as nanoseconds since 1970.
fn unix_ns(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let clock = rest.trim_end_matches('Z');
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = whole.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let digits: String = fraction
        .chars()
        .take_while(char::is_ascii_digit)
        .take(9)
        .collect();
    let nanos = format!("{digits:0<9}").parse::<i64>().ok()?;
    // Days from civil date (years start in March).
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468;
    days.checked_mul(86_400)?
        .checked_add(hour * 3600 + minute * 60 + second)?
        .checked_mul(1_000_000_000)?
        .checked_add(nanos)
}

async fn connect(path: &str) -> Option<Docker> {
    let client = Docker::connect_with_unix(path, PATIENCE.as_secs(), API_DEFAULT_VERSION).ok()?;
    tokio::time::timeout(PATIENCE, client.negotiate_version())
        .await
        .ok()?
        .ok()
}

/// Asks every daemon for one container; the image's registry digest comes with a second question.
async fn inspect(daemons: &[(Docker, &'static str)], id: &str) -> Option<Container> {
    for (daemon, runtime) in daemons {
        let asked = tokio::time::timeout(
            PATIENCE,
            daemon.inspect_container(id, None::<InspectContainerOptions>),
        )
        .await;
        let Ok(Ok(answer)) = asked else { continue };
        let mut container = described(answer, runtime);
        if let Ok(Ok(image)) =
            tokio::time::timeout(PATIENCE, daemon.inspect_image(&container.image_id)).await
        {
            let digests = image.repo_digests.unwrap_or_default();
            container.image_digest = digests
                .first()
                .and_then(|d| d.split_once('@'))
                .map(|(_, digest)| digest.to_owned())
                .unwrap_or_default();
        }
        return Some(container);
    }
    None
}

/// What a bundle's `config.json` says: no API needed. `None` when there is none.
fn from_bundle(id: &str) -> Option<Container> {
    let podman = PathBuf::from("/run/containers/storage/overlay-containers")
        .join(id)
        .join("userdata/config.json");
    let namespaces = BUNDLES
        .iter()
        .filter_map(|state| std::fs::read_dir(state).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()));
    let path = namespaces
        .map(|namespace| namespace.join(id).join("config.json"))
        .chain([podman])
        .find(|path| path.exists())?;
    if std::fs::metadata(&path).ok()?.len() > 16 << 20 {
        return None;
    }
    let config: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
    let note = |name: &str| {
        config["annotations"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let env = config["process"]["env"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|e| e.as_str()?.split('=').next().map(str::to_owned));
    Some(Container {
        full_id: id.to_owned(),
        name: match note("io.kubernetes.cri.container-name") {
            name if name.is_empty() && id.len() < 32 => id.to_owned(),
            name => name,
        },
        image: note("io.kubernetes.cri.image-name"),
        pod_name: note("io.kubernetes.cri.sandbox-name"),
        pod_namespace: note("io.kubernetes.cri.sandbox-namespace"),
        pod_uid: note("io.kubernetes.cri.sandbox-uid"),
        env_names: env.collect(),
        ..Container::default()
    })
}

/// A container that is running now.
#[derive(Clone, Debug)]
pub struct Running {
    /// Its id.
    pub full_id: String,
    /// Its names, the first one its own.
    pub names: Vec<String>,
    /// Its image.
    pub image: String,
}

/// The containers that answer now, for resolving a name before recording begins.
pub fn running() -> Vec<Running> {
    let Ok(engine) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return Vec::new();
    };
    engine.block_on(async {
        let mut all = Vec::new();
        for (path, _) in endpoints() {
            let Some(daemon) = connect(&path).await else {
                continue;
            };
            let Ok(Ok(list)) = tokio::time::timeout(
                PATIENCE,
                daemon.list_containers(None::<ListContainersOptions>),
            )
            .await
            else {
                continue;
            };
            all.extend(list.into_iter().map(|c| {
                Running {
                    full_id: text(c.id),
                    names: c
                        .names
                        .unwrap_or_default()
                        .iter()
                        .map(|n| n.trim_start_matches('/').to_owned())
                        .collect(),
                    image: text(c.image),
                }
            }));
        }
        all
    })
}

/// An answer about one container.
#[derive(Debug)]
pub struct Answer {
    /// The id that was asked for.
    pub id: String,
    /// What is known; `Err` says why nothing is.
    pub container: Result<Container, String>,
}

/// The thread that asks. Dropping it ends the thread.
pub struct Runtimes {
    ask: tokio::sync::mpsc::UnboundedSender<String>,
    answers: mpsc::Receiver<Answer>,
    /// Questions not answered yet.
    pub pending: usize,
}

impl Runtimes {
    /// Starts the thread.
    pub fn start() -> Runtimes {
        let (ask, questions) = tokio::sync::mpsc::unbounded_channel();
        let (reply, answers) = mpsc::channel();
        // Detached: it ends when its question channel closes, or with the program when a daemon hangs.
        let _ = std::thread::Builder::new()
            .name("runtimes".to_owned())
            .spawn(move || serve(questions, &reply));
        Runtimes {
            ask,
            answers,
            pending: 0,
        }
    }

    /// Asks for a container. The answer comes by [`Runtimes::answers`], some time.
    pub fn ask(&mut self, id: &str) {
        if self.ask.send(id.to_owned()).is_ok() {
            self.pending += 1;
        }
    }

    /// The answers that have arrived.
    pub fn answers(&mut self) -> Vec<Answer> {
        let arrived: Vec<_> = self.answers.try_iter().collect();
        self.pending = self.pending.saturating_sub(arrived.len());
        arrived
    }

    /// Waits for the answers still missing, but not longer than `patience`.
    pub fn wait(&mut self, patience: Duration) -> Vec<Answer> {
        let until = std::time::Instant::now() + patience;
        let mut arrived = self.answers();
        while self.pending > 0 {
            let left = until.saturating_duration_since(std::time::Instant::now());
            let Ok(answer) = self.answers.recv_timeout(left) else {
                break;
            };
            self.pending -= 1;
            arrived.push(answer);
        }
        arrived
    }
}

fn serve(
    mut questions: tokio::sync::mpsc::UnboundedReceiver<String>,
    reply: &mpsc::Sender<Answer>,
) {
    let Ok(engine) = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    else {
        return;
    };
    let local = tokio::task::LocalSet::new();
    local.block_on(&engine, async move {
        let mut daemons: Vec<(Docker, &'static str)> = Vec::new();
        for (path, runtime) in endpoints() {
            if let Some(daemon) = connect(&path).await {
                daemons.push((daemon, runtime));
            }
        }
        let daemons = std::rc::Rc::new(daemons);
        // What the daemons announced, kept for containers that are gone before they can be asked about.
        let announced =
            std::rc::Rc::new(std::cell::RefCell::new(BTreeMap::<String, Container>::new()));
        for at in 0..daemons.len() {
            let (daemons, announced) = (daemons.clone(), announced.clone());
            tokio::task::spawn_local(async move {
                let Some((daemon, runtime)) = daemons.get(at) else {
                    return;
                };
                let mut events = std::pin::pin!(daemon.events(None::<EventsOptions>));
                while let Some(Ok(event)) = events.next().await {
                    let Some(actor) = event.actor else { continue };
                    let (Some(id), attributes) = (actor.id, actor.attributes.unwrap_or_default())
                    else {
                        continue;
                    };
                    if event.action.as_deref() != Some("create") {
                        continue;
                    }
                    let labels = attributes
                        .iter()
                        .filter(|(k, _)| !matches!(k.as_str(), "name" | "image"))
                        .map(|(k, v)| (k.clone(), v.clone()));
                    let container = Container {
                        full_id: id.clone(),
                        runtime: (*runtime).to_owned(),
                        name: attributes.get("name").cloned().unwrap_or_default(),
                        image: attributes.get("image").cloned().unwrap_or_default(),
                        labels: labels.collect(),
                        ..Container::default()
                    };
                    let mut announced = announced.borrow_mut();
                    if announced.len() >= 4096 {
                        announced.pop_first();
                    }
                    announced.insert(id, container);
                }
            });
        }
        while let Some(id) = questions.recv().await {
            let (daemons, announced, reply) = (daemons.clone(), announced.clone(), reply.clone());
            tokio::task::spawn_local(async move {
                let mut found = inspect(&daemons, &id).await;
                if found.is_none() {
                    found = announced.borrow().get(&id).cloned();
                }
                let container =
                    found
                        .or_else(|| from_bundle(&id))
                        .ok_or_else(|| match daemons.is_empty() {
                            true => "no container runtime answered".to_owned(),
                            false => "no container runtime knew this id".to_owned(),
                        });
                // The recorder may have ended meanwhile.
                let _ = reply.send(Answer { id, container });
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creation_times_are_read_to_the_nanosecond() {
        assert_eq!(unix_ns("1970-01-01T00:00:01.5Z"), Some(1_500_000_000));
        assert_eq!(
            unix_ns("2026-11-22T16:52:55.123456789Z"),
            Some(1_795_366_375_123_456_789)
        );
        assert_eq!(unix_ns("yesterday"), None);
    }

    #[test]
    fn a_thread_without_any_daemon_answers_that_none_did() {
        let mut runtimes = Runtimes::start();
        runtimes.ask("0000000000000000000000000000000000000000000000000000000000000000");
        let answers = runtimes.wait(Duration::from_secs(10));
        assert_eq!(answers.len(), 1);
        assert!(answers[0].container.is_err());
    }
}
