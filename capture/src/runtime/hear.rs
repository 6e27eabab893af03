//! Listening to the events of daemons, for ever.

use super::docker::Event;
use super::endpoints::Endpoint;
use super::house::{Daemon, House, remember};
use super::http::{Lines, Trouble};
use super::{LINES_A_TURN, News, TURN, cri};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

/// Longest pause between attempts to hear a daemon's events.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The same while there is no socket.
const LONGEST_ABSENCE: Duration = Duration::from_secs(5);

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
pub(super) async fn listen(house: Rc<House>, at: usize) {
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
        let longest = match daemon.endpoint.socket.exists() {
            true => LONGEST_PAUSE,
            false => LONGEST_ABSENCE,
        };
        pause = (pause * 2).min(longest);
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
