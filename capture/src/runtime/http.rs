//! Questions of the Docker API over a unix socket: HTTP/1.1 by hyper, with a limit on time and on bytes before anything is believed.

use super::PATIENCE;
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;

/// Longest answer that is read: some ten thousand containers in a list.
pub(super) const MOST_ANSWER: usize = 16 << 20;
/// Longest line of a stream of events.
const MOST_LINE: usize = 1 << 20;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The daemon knows no such thing.
    Unknown,
    /// Nobody listens.
    Absent,
    /// The daemon let the time pass.
    Silent,
    /// It answered with something that cannot be used: our own words.
    Useless(String),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Unknown => f.write_str("does not know this id"),
            Trouble::Absent => f.write_str("nobody listens"),
            Trouble::Silent => write!(f, "no answer within {} s", PATIENCE.as_secs()),
            Trouble::Useless(why) => f.write_str(why),
        }
    }
}

impl From<hyper::Error> for Trouble {
    fn from(why: hyper::Error) -> Trouble {
        Trouble::Useless(format!("the connection broke: {why}"))
    }
}

/// An open answer; dropping it closes the connection.
struct Answer {
    body: Incoming,
    connection: tokio::task::JoinHandle<()>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Answer {
    async fn open(socket: &Path, target: &str) -> Result<Answer, Trouble> {
        let stream = tokio::net::UnixStream::connect(socket)
            .await
            .map_err(|_| Trouble::Absent)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::task::spawn_local(async move {
            // What goes wrong with it is told by the answer's end.
            let _ = connection.await;
        });
        let request = Request::get(target)
            .header("host", "localhost")
            .body(String::new())
            .map_err(|why| Trouble::Useless(why.to_string()));
        let answered = match request {
            Ok(request) => sender.send_request(request).await.map_err(Trouble::from),
            Err(why) => Err(why),
        };
        match answered.map(|response| (response.status(), response.into_body())) {
            Ok((StatusCode::OK, body)) => Ok(Answer { body, connection }),
            other => {
                connection.abort();
                Err(match other {
                    Ok((StatusCode::NOT_FOUND, _)) => Trouble::Unknown,
                    Ok((status, _)) => Trouble::Useless(format!("the answer was {status}")),
                    Err(why) => why,
                })
            }
        }
    }

    /// The next piece; `None` at the end.
    async fn piece(&mut self) -> Option<Result<Bytes, hyper::Error>> {
        loop {
            match poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await? {
                Ok(frame) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Some(Ok(bytes));
                    }
                }
                Err(why) => return Some(Err(why)),
            }
        }
    }
}

/// One question, one answer of JSON.
pub(super) async fn get(socket: &Path, target: &str) -> Result<serde_json::Value, Trouble> {
    let asked = async {
        let mut answer = Answer::open(socket, target).await?;
        let mut bytes = Vec::new();
        while let Some(piece) = answer.piece().await {
            bytes.extend_from_slice(&piece?);
            if bytes.len() > MOST_ANSWER {
                return Err(Trouble::Useless(format!(
                    "the answer is longer than {} MiB",
                    MOST_ANSWER >> 20
                )));
            }
        }
        serde_json::from_slice(&bytes)
            .map_err(|why| Trouble::Useless(format!("the answer is no JSON: {why}")))
    };
    tokio::time::timeout(PATIENCE, asked)
        .await
        .unwrap_or(Err(Trouble::Silent))
}

/// A stream of JSON objects, one a line.
pub(super) struct Lines {
    answer: Answer,
    buffer: Vec<u8>,
    /// Bytes of the buffer that hold no line's end.
    looked: usize,
}

impl Lines {
    /// Begins. The daemon has to begin answering in time; after that it may be silent for ever.
    pub(super) async fn open(socket: &Path, target: &str) -> Result<Lines, Trouble> {
        let answer = tokio::time::timeout(PATIENCE, Answer::open(socket, target))
            .await
            .unwrap_or(Err(Trouble::Silent))?;
        Ok(Lines {
            answer,
            buffer: Vec::new(),
            looked: 0,
        })
    }

    /// The next object.
    pub(super) async fn next(&mut self) -> Result<serde_json::Value, Trouble> {
        loop {
            let fresh = self.buffer.get(self.looked..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|b| *b == b'\n') {
                let rest = self.buffer.split_off(self.looked + at + 1);
                let line = std::mem::replace(&mut self.buffer, rest);
                self.looked = 0;
                if line.iter().all(u8::is_ascii_whitespace) {
                    // Daemons may send blank lines to keep a connection open; others get their turn meanwhile.
                    tokio::task::yield_now().await;
                    continue;
                }
                return serde_json::from_slice(&line)
                    .map_err(|why| Trouble::Useless(format!("an event is no JSON: {why}")));
            }
            self.looked = self.buffer.len();
            if self.buffer.len() > MOST_LINE {
                return Err(Trouble::Useless(format!(
                    "an event is longer than {} MiB",
                    MOST_LINE >> 20
                )));
            }
            match self.answer.piece().await {
                Some(piece) => self.buffer.extend_from_slice(&piece?),
                None => return Err(Trouble::Useless("the daemon ended it".to_owned())),
            }
        }
    }
}
