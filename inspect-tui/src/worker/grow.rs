//! The thread that looks whether a capture that is not sealed has grown.

use super::{Answer, Current, Shared};
use crate::facts::Facts;
use crate::fit;
use afterimage_indexer::{Place, Session};
use std::path::Path;
use std::sync::mpsc::Sender;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How often it is looked.
const EVERY: Duration = Duration::from_secs(1);

/// A recorder that is at work writes more often than this, where anything happens.
const REST: Duration = Duration::from_secs(10);

/// The session as it is now.
pub(super) fn now(current: &Current) -> Arc<Session> {
    current
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// Waits until the worker is closed, at most so long; says whether it is.
fn wait(shared: &Shared, patience: Option<Duration>) -> bool {
    let until = patience.map(|patience| Instant::now() + patience);
    let mut board = shared.board();
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if board.closed || left.is_some_and(|left| left.is_zero()) {
            return board.closed;
        }
        board = match left {
            Some(left) => {
                let waited = shared.changed.wait_timeout(board, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = shared.changed.wait(board);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
    }
}

/// Puts the session that knows what was added in the place of the one before, and tells it; and what became of the file, where its
/// name is known.
pub(super) fn watch(
    current: &Current,
    path: Option<&Path>,
    shared: &Shared,
    answers: &Sender<(u64, Answer)>,
) {
    let mut grew: Option<Instant> = None;
    let mut follows = true;
    let mut place = Place::Here;
    while !wait(shared, follows.then_some(EVERY)) {
        let session = now(current);
        // Where nothing can be learnt of the name, nothing is known to have happened.
        let there = path.and_then(|path| session.place(path).ok());
        if let Some(there) = there.filter(|there| *there != place) {
            place = there;
            if answers.send((0, Answer::Moved(place))).is_err() {
                return;
            }
        }
        let told = match session.grown() {
            Ok(Some(grown)) => {
                follows = grown.may_grow();
                grew = follows.then(Instant::now);
                let facts = Facts {
                    recording: follows,
                    ..Facts::of(&grown, String::new())
                };
                *current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(grown);
                Answer::Grown(Box::new(facts))
            }
            Ok(None) if grew.take_if(|grew| grew.elapsed() > REST).is_some() => Answer::Rests,
            Ok(None) => continue,
            Err(error) => {
                follows = false;
                Answer::Lost(fit::plain(&format!("it cannot be followed: {error}")))
            }
        };
        if answers.send((0, told)).is_err() {
            return;
        }
    }
}
