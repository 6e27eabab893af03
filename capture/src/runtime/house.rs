//! The thread that asks daemons: questions, answers piece by piece, and what is remembered in between.

use super::endpoints::Endpoint;
use super::facts::filled;
use super::hear::listen;
use super::http::Trouble;
use super::{
    Answer, Inspection, News, Question, RESPITE, TURN, Told, cri, disk, docker, engine, facts, http,
};
use afterimage_model::Container;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

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

/// A daemon and what is known of its manners.
pub(super) struct Daemon {
    pub(super) endpoint: Endpoint,
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
pub(super) struct House {
    pub(super) daemons: Vec<Daemon>,
    reply: mpsc::Sender<Answer>,
    tell: mpsc::SyncSender<Told>,
    inspect: Option<mpsc::SyncSender<Inspection>>,
    /// What events told, kept for containers that are gone before they can be asked about.
    pub(super) announced: RefCell<BTreeMap<String, Container>>,
    /// Containers the recorder asked for: news of others are of no interest.
    asked: RefCell<BTreeMap<String, Question>>,
    /// Those for which no daemon could speak yet.
    unanswered: RefCell<BTreeSet<String>>,
    digests: RefCell<BTreeMap<String, String>>,
    turns: tokio::sync::Semaphore,
}

/// Adds to a table that must not grow without bound: the first goes.
pub(super) fn remember<V>(table: &RefCell<BTreeMap<String, V>>, key: String, value: V) {
    let mut table = table.borrow_mut();
    if table.len() >= MOST_REMEMBERED && !table.contains_key(&key) {
        table.pop_first();
    }
    table.insert(key, value);
}

pub(super) fn serve(
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
    pub(super) async fn tell(&self, daemon: &Daemon, news: News) -> bool {
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
        let stored = disk::find(id, &question.runtime, &question.group).or_else(|| {
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
    pub(super) async fn refresh(&self, id: &str) {
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
pub(super) async fn settle(house: Rc<House>, id: String) {
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

#[cfg(test)]
mod tests {
    use super::*;

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
