//! Container runtimes: what containers are called and may do, and what happens to them, from the Docker-compatible API of
//! Docker and Podman, from containerd's and CRI-O's gRPC, and from what runtimes leave on disk. All of it on a thread of its own: a daemon that is slow, hung,
//! absent or lies never delays an event.

mod cri;
mod disk;
mod docker;
mod facts;
pub mod grpc;
mod http;

pub use docker::Event;
pub use facts::filled;

use afterimage_model::Container;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::{Lines, Trouble};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// A daemon that let [`PATIENCE`] pass is not asked again for so long.
const RESPITE: Duration = Duration::from_secs(5);
/// Longest pause between attempts to hear a daemon's events.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Pauses before further looks at the disk for a container that nobody knows.
const SECOND_LOOKS: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
];
/// Questions that are under way at a time.
const MOST_ASKED: usize = 16;
/// Containers remembered: announced, asked for, unanswered.
const MOST_REMEMBERED: usize = 4_096;
/// Messages that wait for the recorder; when there are more, the daemon has to wait, nothing is lost.
const MOST_WAITING: usize = 4_096;
/// Inspections that wait for the recorder.
const MOST_INSPECTIONS: usize = 64;
/// Lines of events taken before others get a turn, and the pause then: what a daemon that floods may cost.
const LINES_A_TURN: u32 = 256;
const TURN: Duration = Duration::from_millis(10);

/// A socket that a runtime may listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The runtime behind it: `docker` and `podman` speak the Docker API, `containerd` and `cri-o` gRPC.
    pub runtime: &'static str,
    /// Its path.
    pub socket: PathBuf,
}

impl Endpoint {
    /// Whether it speaks gRPC.
    fn speaks_grpc(&self) -> bool {
        matches!(self.runtime, "containerd" | "cri-o")
    }
}

/// Where runtimes put their sockets.
const SOCKETS: &[(&str, &str)] = &[
    ("docker", "/run/docker.sock"),
    ("podman", "/run/podman/podman.sock"),
    ("containerd", "/run/containerd/containerd.sock"),
    ("containerd", "/run/k3s/containerd/containerd.sock"),
    (
        "containerd",
        "/var/snap/microk8s/common/run/containerd.sock",
    ),
    ("cri-o", "/run/crio/crio.sock"),
];
/// Where users without rights put theirs, below `/run/user/UID`.
const OF_USERS: &[(&str, &str)] = &[("docker", "docker.sock"), ("podman", "podman/podman.sock")];
/// Variables that name one, and what may be behind it.
const VARIABLES: &[(&str, &str)] = &[
    ("docker", "DOCKER_HOST"),
    ("containerd", "CONTAINERD_ADDRESS"),
    ("containerd", "CONTAINER_RUNTIME_ENDPOINT"),
];

/// The sockets of this host, also those where nobody listens yet: named by variables, and where runtimes put them.
pub fn endpoints() -> Vec<Endpoint> {
    let mut sockets: Vec<(&'static str, PathBuf)> = Vec::new();
    for (runtime, variable) in VARIABLES {
        let named = std::env::var(variable).unwrap_or_default();
        let path = named.strip_prefix("unix://").unwrap_or(&named);
        if path.starts_with('/') {
            sockets.push((runtime, PathBuf::from(path)));
        }
    }
    sockets.extend(
        SOCKETS
            .iter()
            .map(|(runtime, path)| (*runtime, path.into())),
    );
    let users = std::fs::read_dir("/run/user")
        .into_iter()
        .flatten()
        .flatten();
    for user in users.take(64).map(|entry| entry.path()) {
        let theirs = OF_USERS
            .iter()
            .map(|(runtime, name)| (*runtime, user.join(name)));
        sockets.extend(theirs.filter(|(_, path)| path.exists()));
    }
    let mut all: Vec<Endpoint> = Vec::new();
    for (runtime, socket) in sockets {
        let socket = std::fs::canonicalize(&socket).unwrap_or(socket);
        if all.iter().all(|other| other.socket != socket) {
            // A variable may name another's socket.
            let path = socket.to_string_lossy();
            let runtime = match (path.contains("podman"), path.contains("crio")) {
                (true, _) => "podman",
                (_, true) => "cri-o",
                _ => runtime,
            };
            all.push(Endpoint { runtime, socket });
        }
    }
    all
}

/// An answer about one container.
#[derive(Debug)]
pub struct Answer {
    /// The id that was asked for.
    pub id: String,
    /// What is known; `Err` says why nothing is.
    pub container: Result<Container, String>,
    /// Whether the question is settled; before that, what was at hand is told at once, and later there may be news.
    pub last: bool,
    /// A daemon that may know it has not answered.
    pub open: bool,
}

/// What a runtime tells without being asked.
#[derive(Clone, Debug)]
pub struct Told {
    /// Which runtime.
    pub runtime: &'static str,
    /// Its socket.
    pub socket: PathBuf,
    /// When it was heard, ns since boot.
    pub heard_ns: u64,
    /// What.
    pub news: News,
}

/// See [`Told`].
#[derive(Clone, Debug)]
pub enum News {
    /// Its events are heard from now on.
    Connected,
    /// They are no longer heard; why.
    Disconnected(String),
    /// An event.
    Event(Event),
}

/// The containers that daemons list now, for resolving a name before recording begins. All daemons are asked at once.
pub fn running(endpoints: &[Endpoint]) -> Vec<Container> {
    let Ok(engine) = engine() else {
        return Vec::new();
    };
    let local = tokio::task::LocalSet::new();
    local.block_on(&engine, async {
        let asked: FuturesUnordered<_> = endpoints
            .iter()
            .map(|endpoint| async move {
                if endpoint.speaks_grpc() {
                    return cri::running(&endpoint.socket, endpoint.runtime).await;
                }
                let list = http::get(&endpoint.socket, "/containers/json").await;
                let list = list.unwrap_or_default();
                let entries = list.as_array().into_iter().flatten();
                entries
                    .filter_map(|entry| docker::listed(entry, endpoint.runtime))
                    .collect::<Vec<_>>()
            })
            .collect();
        asked.collect::<Vec<_>>().await.concat()
    })
}

/// What is on disk of a container.
pub fn on_disk(id: &str, runtime: &str) -> Option<Container> {
    disk::find(id, runtime)
}

fn engine() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// A container that is asked for, as its control group tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Its id.
    pub id: String,
    /// The runtime that makes groups of this shape.
    pub runtime: String,
    /// Path of its group; empty while it has none.
    pub group: String,
}

/// What a daemon says of a container: its id, and the JSON without the values of environment variables.
pub type Inspection = (String, Vec<u8>);

/// The thread that asks and listens. Dropping it ends the thread.
pub struct Runtimes {
    ask: tokio::sync::mpsc::UnboundedSender<Question>,
    answers: mpsc::Receiver<Answer>,
    told: mpsc::Receiver<Told>,
    inspections: mpsc::Receiver<Inspection>,
    /// Questions not settled yet.
    pending: usize,
}

impl Runtimes {
    /// Starts the thread. What daemons say of containers is also handed on whole, where that is to be kept.
    pub fn start(endpoints: Vec<Endpoint>, keep: bool) -> Runtimes {
        let (ask, questions) = tokio::sync::mpsc::unbounded_channel();
        let (reply, answers) = mpsc::channel();
        let (tell, told) = mpsc::sync_channel(MOST_WAITING);
        let (inspect, inspections) = mpsc::sync_channel(MOST_INSPECTIONS);
        let inspect = keep.then_some(inspect);
        // Detached: it ends when its question channel closes, or with the program when a daemon hangs.
        let _ = std::thread::Builder::new()
            .name("runtimes".to_owned())
            .spawn(move || serve(endpoints, questions, reply, tell, inspect));
        Runtimes {
            ask,
            answers,
            told,
            inspections,
            pending: 0,
        }
    }

    /// Asks for a container. Answers come by [`Runtimes::answers`], some time.
    pub fn ask(&mut self, question: Question) {
        if self.ask.send(question).is_ok() {
            self.pending += 1;
        }
    }

    /// The answers that have arrived.
    pub fn answers(&mut self) -> Vec<Answer> {
        let arrived: Vec<_> = self.answers.try_iter().collect();
        self.settle(&arrived);
        arrived
    }

    fn settle(&mut self, arrived: &[Answer]) {
        let settled = arrived.iter().filter(|answer| answer.last).count();
        self.pending = self.pending.saturating_sub(settled);
    }

    /// What was told since, at most so many.
    pub fn told(&mut self, most: usize) -> Vec<Told> {
        self.told.try_iter().take(most).collect()
    }

    /// What daemons said since, where that is kept.
    pub fn inspections(&mut self) -> Vec<Inspection> {
        self.inspections.try_iter().collect()
    }

    /// Waits for the answers still missing, but not longer than `patience`.
    pub fn wait(&mut self, patience: Duration) -> Vec<Answer> {
        let until = Instant::now() + patience;
        let mut arrived = self.answers();
        while self.pending > 0 {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(answer) = self.answers.recv_timeout(left) else {
                break;
            };
            self.settle(std::slice::from_ref(&answer));
            arrived.push(answer);
        }
        arrived
    }
}

/// A daemon and what is known of its manners.
struct Daemon {
    endpoint: Endpoint,
    /// It let the time pass: not asked before this instant.
    rests_until: Cell<Option<Instant>>,
}

impl Daemon {
    /// The answer to a question, unless it did not answer the last one.
    async fn asked<T>(
        &self,
        question: impl Future<Output = Result<T, Trouble>>,
    ) -> Result<T, Trouble> {
        if self
            .rests_until
            .get()
            .is_some_and(|until| Instant::now() < until)
        {
            return Err(Trouble::Silent);
        }
        let answer = question.await;
        let silent = matches!(answer, Err(Trouble::Silent));
        self.rests_until
            .set(silent.then(|| Instant::now() + RESPITE));
        answer
    }

    async fn get(&self, target: &str) -> Result<serde_json::Value, Trouble> {
        self.asked(http::get(&self.endpoint.socket, target)).await
    }

    /// What it knows of a container.
    async fn inspect(
        &self,
        id: &str,
        hand_on: impl Fn(&serde_json::Value),
    ) -> Result<Container, Trouble> {
        let Endpoint { runtime, socket } = &self.endpoint;
        if self.endpoint.speaks_grpc() {
            return self.asked(cri::inspect(socket, id, runtime)).await;
        }
        let answer = self.get(&format!("/containers/{id}/json")).await?;
        docker::described(&answer, runtime)
            // A short id may be the beginning of another's, and a name anybody's.
            .filter(|container| container.full_id == id)
            .inspect(|_| hand_on(&answer))
            .ok_or(Trouble::Unknown)
    }
}

/// What the tasks of the thread share.
struct House {
    daemons: Vec<Daemon>,
    reply: mpsc::Sender<Answer>,
    tell: mpsc::SyncSender<Told>,
    inspect: Option<mpsc::SyncSender<Inspection>>,
    /// What events told, kept for containers that are gone before they can be asked about.
    announced: RefCell<BTreeMap<String, Container>>,
    /// Containers the recorder asked for: news of others are of no interest.
    asked: RefCell<BTreeMap<String, Question>>,
    /// Those for which no daemon could speak yet.
    unanswered: RefCell<BTreeSet<String>>,
    digests: RefCell<BTreeMap<String, String>>,
    turns: tokio::sync::Semaphore,
}

/// Adds to a table that must not grow without bound: the first goes.
fn remember<V>(table: &RefCell<BTreeMap<String, V>>, key: String, value: V) {
    let mut table = table.borrow_mut();
    if table.len() >= MOST_REMEMBERED && !table.contains_key(&key) {
        table.pop_first();
    }
    table.insert(key, value);
}

fn serve(
    endpoints: Vec<Endpoint>,
    mut questions: tokio::sync::mpsc::UnboundedReceiver<Question>,
    reply: mpsc::Sender<Answer>,
    tell: mpsc::SyncSender<Told>,
    inspect: Option<mpsc::SyncSender<Inspection>>,
) {
    let Ok(engine) = engine() else {
        return;
    };
    let house = Rc::new(House {
        daemons: endpoints
            .into_iter()
            .map(|endpoint| Daemon {
                endpoint,
                rests_until: Cell::new(None),
            })
            .collect(),
        reply,
        tell,
        inspect,
        announced: RefCell::default(),
        asked: RefCell::default(),
        unanswered: RefCell::default(),
        digests: RefCell::default(),
        turns: tokio::sync::Semaphore::new(MOST_ASKED),
    });
    let local = tokio::task::LocalSet::new();
    local.block_on(&engine, async move {
        for at in 0..house.daemons.len() {
            tokio::task::spawn_local(listen(house.clone(), at));
        }
        tokio::task::spawn_local(retry(house.clone()));
        while let Some(question) = questions.recv().await {
            let id = question.id.clone();
            remember(&house.asked, id.clone(), question);
            tokio::task::spawn_local(settle(house.clone(), id));
        }
    });
}

impl House {
    fn answer(&self, id: &str, container: Result<Container, String>, last: bool, open: bool) {
        // The recorder may have ended meanwhile.
        let _ = self.reply.send(Answer {
            id: id.to_owned(),
            container: container.map(facts::bounded),
            last,
            open,
        });
    }

    /// Hands on what a daemon said of a container; while nobody takes it, it is left out.
    fn hand_on(&self, id: &str, answer: &serde_json::Value) {
        if let Some(inspect) = &self.inspect {
            let _ = inspect.try_send((id.to_owned(), docker::without_values(answer)));
        }
    }

    /// Tells, and lets the daemon wait when the recorder is not done with what it was told before. `false` when it has ended.
    async fn tell(&self, daemon: &Daemon, news: News) -> bool {
        let mut told = Told {
            runtime: daemon.endpoint.runtime,
            socket: daemon.endpoint.socket.clone(),
            heard_ns: crate::host::boot_ns(),
            news,
        };
        loop {
            match self.tell.try_send(told) {
                Ok(()) => return true,
                Err(mpsc::TrySendError::Disconnected(_)) => return false,
                Err(mpsc::TrySendError::Full(back)) => told = back,
            }
            tokio::time::sleep(TURN).await;
        }
    }

    /// What is at hand without asking: what was announced, and what is on disk.
    fn at_hand(&self, id: &str) -> Option<Container> {
        let announced = self.announced.borrow().get(id).cloned();
        let question = self.asked.borrow().get(id).cloned()?;
        let stored = disk::find(id, &question.runtime).or_else(|| {
            let group = Some(&question.group).filter(|group| !group.is_empty())?;
            disk::find_by_member(group, id)
        });
        match (announced, stored) {
            (Some(announced), Some(stored)) => Some(filled(announced, &stored)),
            (one, other) => one.or(other),
        }
    }

    /// Asks all daemons at once: the first that knows it is believed, and one that hangs holds nobody up.
    async fn inspect(&self, id: &str) -> Result<(Container, usize), Trouble> {
        // Ids come from control groups; whatever else a group is called must not become part of a request.
        if !id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        {
            return Err(Trouble::Unknown);
        }
        let mut asked: FuturesUnordered<_> = (0..)
            .zip(&self.daemons)
            .map(|(at, daemon)| async move {
                let hand_on = |answer: &_| self.hand_on(id, answer);
                Ok((daemon.inspect(id, hand_on).await?, at))
            })
            .collect();
        let mut why = Trouble::Absent;
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(found) => return Ok(found),
                // What speaks of hope for later weighs more than what does not.
                Err(trouble @ (Trouble::Silent | Trouble::Useless(_))) => why = trouble,
                Err(Trouble::Unknown) if why == Trouble::Absent => why = Trouble::Unknown,
                Err(_) => {}
            }
        }
        Err(why)
    }

    /// The digest of an image, which takes a question of its own, once for each image.
    async fn digest(&self, image_id: &str, daemon: usize) -> Option<String> {
        let known = self.digests.borrow().get(image_id).cloned();
        if known.is_some() {
            return known;
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b':';
        (!image_id.is_empty() && image_id.bytes().all(plain)).then_some(())?;
        // The others tell it with the container.
        let image = (self.daemons.get(daemon)).filter(|daemon| !daemon.endpoint.speaks_grpc())?;
        let image = image.get(&format!("/images/{image_id}/json")).await.ok()?;
        let digest = docker::digest(&image);
        remember(&self.digests, image_id.to_owned(), digest.clone());
        Some(digest)
    }

    /// Asks again for a container that was asked for, because something about it has changed.
    async fn refresh(&self, id: &str) {
        if !self.asked.borrow().contains_key(id) {
            return;
        }
        let Ok(_turn) = self.turns.acquire().await else {
            return;
        };
        if let Ok((container, _)) = self.inspect(id).await {
            // Its first program may run only now, and with it the bundle can be found, which says what it may do.
            let container = match self.at_hand(id) {
                Some(at_hand) => filled(container, &at_hand),
                None => container,
            };
            self.answer(id, Ok(container), false, false);
        }
    }
}

/// Answers one question, piece by piece.
async fn settle(house: Rc<House>, id: String) {
    let at_hand = house.at_hand(&id);
    if let Some(at_hand) = &at_hand {
        house.answer(&id, Ok(at_hand.clone()), false, true);
    }
    let Ok(_turn) = house.turns.acquire().await else {
        return;
    };
    match house.inspect(&id).await {
        Ok((container, daemon)) => {
            let container = match &at_hand {
                Some(at_hand) => filled(container, at_hand),
                None => container,
            };
            let image_id = container.image_id.clone();
            house.answer(&id, Ok(container), false, false);
            // Only the digest is new: what was said before may be outdated by now.
            let digest = house.digest(&image_id, daemon).await;
            let digest = Container {
                full_id: id.clone(),
                image_digest: digest.unwrap_or_default(),
                ..Container::default()
            };
            house.answer(&id, Ok(digest), true, false);
        }
        Err(trouble) => {
            let open = !matches!(trouble, Trouble::Unknown | Trouble::Absent);
            if open {
                let mut unanswered = house.unanswered.borrow_mut();
                if unanswered.len() < MOST_REMEMBERED {
                    unanswered.insert(id.clone());
                }
            }
            // An event may have told of it while the daemon was asked; or its first program starts only now.
            let mut known = house.at_hand(&id).or(at_hand);
            for pause in SECOND_LOOKS {
                if known.is_none() {
                    tokio::time::sleep(pause).await;
                    known = house.at_hand(&id);
                }
            }
            let container = known.ok_or_else(|| match trouble {
                Trouble::Absent => "no container runtime answered".to_owned(),
                Trouble::Unknown => "no container runtime knew this id".to_owned(),
                other => format!("the container runtime: {other}"),
            });
            house.answer(&id, container, true, open);
        }
    }
}

/// Asks again and again for what no daemon could answer: metadata is attached when it arrives, however late.
async fn retry(house: Rc<House>) {
    // One that is answered with nonsense for ever does not keep the others from being asked.
    let mut last = String::new();
    loop {
        tokio::time::sleep(RESPITE).await;
        let waiting: Vec<String> = {
            let all = house.unanswered.borrow();
            let behind = all.range::<String, _>((Bound::Excluded(&last), Bound::Unbounded));
            let before = all.range::<String, _>(..=&last);
            behind.chain(before).take(256).cloned().collect()
        };
        for id in waiting {
            last.clone_from(&id);
            match house.inspect(&id).await {
                Ok((container, _)) => house.answer(&id, Ok(container), false, false),
                Err(Trouble::Silent | Trouble::Useless(_)) => break,
                Err(_) => {}
            }
            house.unanswered.borrow_mut().remove(&id);
        }
    }
}

/// A daemon's stream of events.
enum Hearing {
    Docker(Lines),
    Grpc(cri::Events),
}

impl Hearing {
    /// Begins; the Docker API tells again what was since `since` (ns since 1970).
    async fn open(endpoint: &Endpoint, since: i64) -> Result<Hearing, Trouble> {
        if endpoint.speaks_grpc() {
            let events = cri::Events::open(&endpoint.socket, endpoint.runtime).await?;
            return Ok(Hearing::Grpc(events));
        }
        let target = format!(
            "/events?since={}.{:09}",
            since.div_euclid(1_000_000_000),
            since.rem_euclid(1_000_000_000)
        );
        Lines::open(&endpoint.socket, &target)
            .await
            .map(Hearing::Docker)
    }

    /// The next event; `None` for one that is of no interest.
    async fn next(&mut self) -> Result<Option<Event>, Trouble> {
        match self {
            Hearing::Docker(lines) => Ok(Event::of(&lines.next().await?)),
            Hearing::Grpc(events) => events.next().await,
        }
    }
}

/// Listens to a daemon's events, for ever: it may come later, and it may be restarted.
async fn listen(house: Rc<House>, at: usize) {
    let Some(daemon) = house.daemons.get(at) else {
        return;
    };
    let now = || crate::host::real_ns();
    let (mut since, mut pause) = (now(), TURN);
    // Events heard before the connection broke are told again by the next one.
    let mut heard: VecDeque<Event> = VecDeque::new();
    loop {
        match Hearing::open(&daemon.endpoint, since).await {
            Err(_) => {}
            Ok(mut hearing) => {
                if !house.tell(daemon, News::Connected).await {
                    return;
                }
                let mut taken = 0_u32;
                let why = loop {
                    let event = match hearing.next().await {
                        Ok(event) => event,
                        Err(why) => break why,
                    };
                    // Who speaks sense is called back at once when the connection breaks.
                    pause = TURN;
                    taken = taken.wrapping_add(1);
                    if taken.is_multiple_of(LINES_A_TURN) {
                        tokio::time::sleep(TURN).await;
                    }
                    let Some(event) = event.filter(|event| !heard.contains(event)) else {
                        continue;
                    };
                    if heard.len() >= 256 {
                        heard.pop_front();
                    }
                    heard.push_back(event.clone());
                    // A daemon that lies about the time is not asked for the future.
                    since = since.max(event.unix_ns.min(now()));
                    digest_event(&house, daemon, &event);
                    if !house.tell(daemon, News::Event(event)).await {
                        return;
                    }
                };
                if !house
                    .tell(daemon, News::Disconnected(why.to_string()))
                    .await
                {
                    return;
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What an event means for what is known of containers.
fn digest_event(house: &Rc<House>, daemon: &Daemon, event: &Event) {
    if event.object != "container" || event.id.is_empty() {
        return;
    }
    match event.action.as_str() {
        "create" => remember(
            &house.announced,
            event.id.clone(),
            event.described(daemon.endpoint.runtime),
        ),
        // Address and ports are there when it runs; names and limits may change at any time.
        "start" | "rename" | "update" => {
            let (house, id) = (house.clone(), event.id.clone());
            tokio::task::spawn_local(async move { house.refresh(&id).await });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_without_any_daemon_answers_that_none_did() {
        let mut runtimes = Runtimes::start(Vec::new(), false);
        runtimes.ask(Question {
            id: "0".repeat(64),
            runtime: "docker".to_owned(),
            group: String::new(),
        });
        let answers = runtimes.wait(Duration::from_secs(10));
        assert_eq!(answers.len(), 1);
        assert!(answers[0].container.is_err());
    }

    #[test]
    fn a_table_that_is_full_forgets_the_first() {
        let table = RefCell::default();
        for n in 0..=MOST_REMEMBERED {
            remember(&table, format!("{n:08}"), ());
        }
        assert_eq!(table.borrow().len(), MOST_REMEMBERED);
        assert!(!table.borrow().contains_key("00000000"));
    }
}
