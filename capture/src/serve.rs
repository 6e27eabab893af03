//! A small HTTP server for what may come from anybody: a thread of its own, bounded in connections, bytes and time.
//!
//! It knows nothing of what is asked. A [`Handler`] sees the head of a request before its body is read, and answers when it
//! is whole. Whoever is slow is cut; when too many connections are open, the oldest goes.

use crate::error::Error;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

/// Connections that are open at a time.
const OPEN: usize = 64;
/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(2);
/// How long a connection may take altogether.
const WHOLE: Duration = Duration::from_secs(10);
/// Bytes of a head.
const MOST_HEAD: usize = 16 << 10;

/// The head of a request.
pub struct Head {
    parts: hyper::http::request::Parts,
}

impl Head {
    /// `GET`, `POST` …
    pub fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    /// The path, without what follows `?`.
    pub fn path(&self) -> &str {
        self.parts.uri.path()
    }

    /// A header, when there is exactly one of this name; the name is in lower case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        let mut all = self.parts.headers.get_all(name).iter();
        let one = all.next()?;
        all.next().is_none().then(|| one.as_bytes())
    }
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The code of HTTP.
    pub status: u16,
    /// What the body is.
    pub kind: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A line of text.
    pub fn text(status: u16, body: &str) -> Answer {
        Answer {
            status,
            kind: "text/plain; charset=utf-8",
            body: format!("{body}\n"),
        }
    }
}

/// Gives an answer to who waits for it; nobody may wait any more.
pub type Reply = Box<dyn FnOnce(Answer) + Send>;

/// What answers.
pub trait Handler: Send + Sync + 'static {
    /// How many bytes of body are read for a request with this head, or the answer at once.
    ///
    /// # Errors
    /// The answer, when the body is of no interest.
    fn admit(&self, head: &Head) -> Result<usize, Answer>;

    /// What is said of a body that is too long.
    fn too_long(&self, head: &Head) -> Answer;

    /// Answers a whole request, now or later.
    fn answer(&self, head: Head, body: Vec<u8>, reply: Reply);
}

/// A running server. Dropping it closes it.
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
}

impl Server {
    /// Listens.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub fn start(address: SocketAddr, name: &str, handler: impl Handler) -> Result<Server, Error> {
        let wrong = |why| Error::System(PathBuf::from(address.to_string()), why);
        let listener = TcpListener::bind(address).map_err(wrong)?;
        listener.set_nonblocking(true).map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(wrong)?;
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                    return;
                };
                let accepting = std::pin::pin!(accept(listener, Arc::new(handler)));
                let _ = futures_util::future::select(accepting, stopped).await;
            });
        };
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(run)
            .map_err(wrong)?;
        Ok(Server {
            address,
            stop: Some(stop),
        })
    }

    /// Where it listens: the port is the one that was given by the kernel when none was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended already.
            let _ = stop.send(());
        }
    }
}

async fn accept<H: Handler>(listener: tokio::net::TcpListener, handler: Arc<H>) {
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(_) => {
                // No descriptor is left, for example: those that are open end in a moment.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        open.retain(|one| !one.is_finished());
        while open.len() >= OPEN {
            if let Some(oldest) = open.pop_front() {
                oldest.abort();
            }
        }
        let handler = handler.clone();
        let task = tokio::spawn(async move {
            let service = service_fn(move |request| serve(request, handler.clone()));
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(MOST_HEAD)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            // What is wrong with a connection is its maker's affair.
            let _ = tokio::time::timeout(WHOLE, connection).await;
        });
        open.push_back(task.abort_handle());
    }
}

async fn serve<H: Handler>(
    request: Request<Incoming>,
    handler: Arc<H>,
) -> Result<Response<String>, Infallible> {
    let (parts, body) = request.into_parts();
    let head = Head { parts };
    let most = match handler.admit(&head) {
        Ok(most) => most,
        Err(answer) => return Ok(response(answer)),
    };
    let Some(body) = whole(body, most).await else {
        return Ok(response(handler.too_long(&head)));
    };
    let (reply, answer) = oneshot::channel();
    let reply = move |answer| {
        // Whoever asked may have gone.
        let _ = reply.send(answer);
    };
    handler.answer(head, body, Box::new(reply));
    Ok(response(answer.await.unwrap_or_else(|_| {
        Answer::text(503, "nobody is there to answer")
    })))
}

/// A body, when it has no more bytes than these and arrives whole.
async fn whole(mut body: Incoming, most: usize) -> Option<Vec<u8>> {
    if body.size_hint().lower() > most as u64 {
        return None;
    }
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        if let Ok(piece) = frame.ok()?.into_data() {
            if bytes.len() + piece.len() > most {
                return None;
            }
            bytes.extend_from_slice(&piece);
        }
    }
    Some(bytes)
}

fn response(answer: Answer) -> Response<String> {
    let mut response = Response::new(answer.body);
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream;

    struct Echo;

    impl Handler for Echo {
        fn admit(&self, head: &Head) -> Result<usize, Answer> {
            match head.method() {
                "POST" => Ok(100),
                _ => Err(Answer::text(405, "no")),
            }
        }

        fn too_long(&self, _: &Head) -> Answer {
            Answer::text(413, "too long")
        }

        fn answer(&self, head: Head, body: Vec<u8>, reply: Reply) {
            reply(Answer::text(
                200,
                &format!("{} {}", head.path(), body.len()),
            ));
        }
    }

    fn ask(server: &Server, text: &str) -> String {
        let mut stream = TcpStream::connect(server.address()).expect("it listens");
        // A server that has heard enough may close before all is said.
        let _ = stream.write_all(text.as_bytes());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    fn start() -> Server {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Server::start(any, "echo", Echo).expect("a port")
    }

    #[test]
    fn a_request_is_answered_and_one_that_is_too_long_is_not_read() {
        let server = start();
        let post = |body: &str| {
            let head = format!(
                "POST /x?y HTTP/1.1\r\nhost: a\r\ncontent-length: {}",
                body.len()
            );
            ask(&server, &format!("{head}\r\n\r\n{body}"))
        };
        assert!(post("hello").ends_with("/x 5\n"), "{}", post("hello"));
        assert!(post(&"a".repeat(101)).contains(" 413 "));
        let chunked = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        let pieces = format!("40\r\n{0}\r\n40\r\n{0}\r\n0\r\n\r\n", "a".repeat(64));
        assert!(ask(&server, &format!("{chunked}{pieces}")).contains(" 413 "));
        assert!(ask(&server, "GET / HTTP/1.1\r\nhost: a\r\n\r\n").contains(" 405 "));
        assert!(ask(&server, "nonsense\r\n\r\n").contains(" 400 "));
    }

    #[test]
    fn who_says_nothing_is_cut_and_holds_up_nobody() {
        let server = start();
        let silent: Vec<TcpStream> = (0..2 * OPEN)
            .map(|_| TcpStream::connect(server.address()).expect("it listens"))
            .collect();
        let answer = ask(
            &server,
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        );
        assert!(answer.ends_with("/ 0\n"), "{answer}");
        for mut stream in silent {
            let mut all = Vec::new();
            // The end comes, sooner or later.
            let _ = stream.read_to_end(&mut all);
        }
    }
}
