//! Container runtimes: what containers are called and may do, and what happens to them, from the Docker-compatible API of
//! Docker and Podman, from containerd's and CRI-O's gRPC, and from what runtimes leave on disk. All of it on a thread of its own: a daemon that is slow, hung,
//! absent or lies never delays an event.

mod cri;
mod disk;
mod docker;
mod endpoints;
mod facts;
pub mod grpc;
mod hear;
mod house;
mod http;
mod kept;

pub use self::endpoints::{Endpoint, endpoints};
pub use docker::Event;
pub use facts::filled;

use self::house::serve;
use afterimage_model::Container;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// A daemon that let [`PATIENCE`] pass is not asked again for so long.
const RESPITE: Duration = Duration::from_secs(5);
/// Messages that wait for the recorder; when there are more, the daemon has to wait, nothing is lost.
const MOST_WAITING: usize = 4_096;
/// Inspections that wait for the recorder.
const MOST_INSPECTIONS: usize = 64;
/// Lines of events taken before others get a turn, and the pause then: what a daemon that floods may cost.
const LINES_A_TURN: u32 = 256;
const TURN: Duration = Duration::from_millis(10);

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

/// What is on disk of a container whose control group has this path.
pub fn on_disk(id: &str, runtime: &str, group: &str) -> Option<Container> {
    disk::find(id, runtime, group)
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
}
