//! Calls of gRPC over a unix socket: HTTP/2 by hyper, messages by prost, with a limit on time and on bytes before anything is
//! believed. The framing is that of the protocol's description "gRPC over HTTP2": a byte that says whether the message is
//! packed, four bytes of length, the message; the verdict comes in the trailers.

use super::PATIENCE;
use super::http::MOST_ANSWER;
pub use super::http::Trouble;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::http2;
use hyper::header::{HeaderMap, HeaderValue};
use hyper_util::rt::TokioIo;
use prost::Message;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// Verdicts of a call that mean something here (google/rpc/code.proto).
const NOT_FOUND: u32 = 5;
const UNIMPLEMENTED: u32 = 12;
/// Bytes before a message.
const PREFIX: usize = 5;

/// Futures of hyper on the thread that made them.
#[derive(Clone, Copy)]
struct Here;

impl<F: Future + 'static> hyper::rt::Executor<F> for Here
where
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// A body of one piece.
struct Once(Option<Bytes>);

impl Body for Once {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}

/// Which method of which service, and in whose name.
#[derive(Clone, Copy, Debug)]
pub struct Method<'a> {
    /// `/service/method`.
    pub path: &'a str,
    /// The namespace of containerd that is meant; the interface of Kubernetes has none.
    pub namespace: Option<&'a str>,
}

/// The answers to a call, one after the other; dropping it closes the connection.
pub struct Answers {
    body: Incoming,
    connection: tokio::task::JoinHandle<()>,
    buffer: VecDeque<u8>,
}

impl Drop for Answers {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// What the trailers, or the head where there is no body, say of the call. `None` when all is well.
fn refusal(said: &HeaderMap<HeaderValue>) -> Option<Trouble> {
    let code = said.get("grpc-status")?;
    let code: Option<u32> = code.to_str().ok().and_then(|code| code.parse().ok());
    match code {
        Some(0) => None,
        Some(NOT_FOUND | UNIMPLEMENTED) => Some(Trouble::Unknown),
        Some(code) => Some(Trouble::Useless(format!(
            "the call ended with status {code}"
        ))),
        None => Some(Trouble::Useless("the call ended with no status".to_owned())),
    }
}

impl Answers {
    /// Asks. The daemon has to begin answering in time; after that it may be silent for ever.
    pub(super) async fn open(
        socket: &Path,
        method: Method<'_>,
        question: &impl Message,
    ) -> Result<Answers, Trouble> {
        tokio::time::timeout(PATIENCE, Answers::begin(socket, method, question))
            .await
            .unwrap_or(Err(Trouble::Silent))
    }

    async fn begin(
        socket: &Path,
        method: Method<'_>,
        question: &impl Message,
    ) -> Result<Answers, Trouble> {
        let stream = tokio::net::UnixStream::connect(socket)
            .await
            .map_err(|_| Trouble::Absent)?;
        let (mut sender, connection) = http2::handshake(Here, TokioIo::new(stream)).await?;
        let connection = tokio::task::spawn_local(async move {
            // What goes wrong with it is told by the answer's end.
            let _ = connection.await;
        });
        let mut framed = vec![0_u8];
        let length = u32::try_from(question.encoded_len()).unwrap_or(u32::MAX);
        framed.extend_from_slice(&length.to_be_bytes());
        framed.extend_from_slice(&question.encode_to_vec());
        let mut request = hyper::Request::post(format!("http://localhost{}", method.path))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(namespace) = method.namespace {
            request = request.header("containerd-namespace", namespace);
        }
        let answered = match request.body(Once(Some(Bytes::from(framed)))) {
            Ok(request) => sender.send_request(request).await.map_err(Trouble::from),
            Err(why) => Err(Trouble::Useless(why.to_string())),
        };
        let answered = answered.and_then(|response| {
            let status = response.status();
            if status != hyper::StatusCode::OK {
                return Err(Trouble::Useless(format!("the answer was {status}")));
            }
            match refusal(response.headers()) {
                Some(trouble) => Err(trouble),
                None => Ok(response.into_body()),
            }
        });
        match answered {
            Ok(body) => Ok(Answers {
                body,
                connection,
                buffer: VecDeque::new(),
            }),
            Err(why) => {
                connection.abort();
                Err(why)
            }
        }
    }

    /// The length of the message that the buffer begins with.
    fn announced(&self) -> Result<Option<usize>, Trouble> {
        if self.buffer.len() < PREFIX {
            return Ok(None);
        }
        let mut prefix = self.buffer.iter().copied();
        if prefix.next() != Some(0) {
            // Nobody was told that packed messages are understood.
            return Err(Trouble::Useless("a message is packed".to_owned()));
        }
        let length = prefix
            .take(4)
            .fold(0_usize, |length, byte| length << 8 | usize::from(byte));
        if length > MOST_ANSWER {
            return Err(Trouble::Useless(format!(
                "a message is longer than {} MiB",
                MOST_ANSWER >> 20
            )));
        }
        Ok(Some(length))
    }

    /// The next message; `None` when the call has ended well.
    pub(super) async fn next<A: Message + Default>(&mut self) -> Result<Option<A>, Trouble> {
        loop {
            if let Some(length) = self.announced()?
                && self.buffer.len() >= PREFIX + length
            {
                let message: Vec<u8> = self.buffer.drain(..PREFIX + length).skip(PREFIX).collect();
                return A::decode(message.as_slice())
                    .map(Some)
                    .map_err(|why| Trouble::Useless(format!("a message cannot be read: {why}")));
            }
            let frame = poll_fn(|cx| Pin::new(&mut self.body).poll_frame(cx)).await;
            match frame.transpose()? {
                None => return Ok(None),
                Some(frame) => match frame.into_data() {
                    Ok(bytes) => self.buffer.extend(bytes),
                    Err(frame) => {
                        if let Some(trouble) = frame.trailers_ref().and_then(refusal) {
                            return Err(trouble);
                        }
                    }
                },
            }
        }
    }
}

/// One question, one answer.
pub(super) async fn call<A: Message + Default>(
    socket: &Path,
    method: Method<'_>,
    question: &impl Message,
) -> Result<A, Trouble> {
    call_within(PATIENCE, socket, method, question).await
}

/// As [`call`] with another limit on time, for callers that have nothing else to do meanwhile.
///
/// # Errors
/// Why there is no answer.
pub fn wait<A: Message + Default>(
    socket: &Path,
    method: Method<'_>,
    question: &impl Message,
    patience: Duration,
) -> Result<A, Trouble> {
    let engine = super::engine().map_err(|why| Trouble::Useless(why.to_string()))?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&engine, call_within(patience, socket, method, question))
}

async fn call_within<A: Message + Default>(
    patience: Duration,
    socket: &Path,
    method: Method<'_>,
    question: &impl Message,
) -> Result<A, Trouble> {
    let asked = async {
        let mut answers = Answers::begin(socket, method, question).await?;
        let nothing = || Trouble::Useless("the call ended without an answer".to_owned());
        answers.next().await?.ok_or_else(nothing)
    };
    tokio::time::timeout(patience, asked)
        .await
        .unwrap_or(Err(Trouble::Silent))
}
