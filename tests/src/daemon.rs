//! A daemon of one's own behind a unix socket, for everything a real one does not do on demand: hang, lie, flood, die.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// What was asked so far, and a bell that rings at each question.
#[derive(Default)]
struct Asked {
    targets: Mutex<Vec<String>>,
    bell: Condvar,
}

/// A daemon that answers as its maker says. Dropping it closes the socket.
pub struct Daemon {
    socket: PathBuf,
    stop: Arc<AtomicBool>,
    asked: Arc<Asked>,
}

impl Daemon {
    /// Listens; each connection is one question, handed over with the stream to answer on.
    ///
    /// # Panics
    /// When the socket cannot be made.
    pub fn start(
        socket: &Path,
        answer: impl Fn(&str, &mut UnixStream) + Send + Sync + 'static,
    ) -> Daemon {
        let listener = UnixListener::bind(socket).expect("the socket can be made");
        let stop = Arc::new(AtomicBool::new(false));
        let (asked, answer) = (Arc::new(Asked::default()), Arc::new(answer));
        let (stopped, heard) = (stop.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let (Ok(mut stream), answer, heard) = (stream, answer.clone(), heard.clone())
                else {
                    return;
                };
                std::thread::spawn(move || {
                    let Some(target) = target(&stream) else {
                        return;
                    };
                    if let Ok(mut targets) = heard.targets.lock() {
                        targets.push(target.clone());
                    }
                    heard.bell.notify_all();
                    answer(&target, &mut stream);
                });
            }
        });
        Daemon {
            socket: socket.to_owned(),
            stop,
            asked,
        }
    }

    /// Waits until so many questions contained this text. `false` when that takes longer than anything should.
    pub fn was_asked(&self, text: &str, times: usize) -> bool {
        let Ok(targets) = self.asked.targets.lock() else {
            return false;
        };
        let missing =
            |targets: &mut Vec<String>| targets.iter().filter(|t| t.contains(text)).count() < times;
        self.asked
            .bell
            .wait_timeout_while(targets, Duration::from_secs(60), missing)
            .is_ok_and(|(_, waited)| !waited.timed_out())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // The listener wakes, sees that it is over, and goes.
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// What a request asks for: the second word of its first line. The head is read whole.
fn target(stream: &UnixStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    for line in lines {
        if line.ok()?.is_empty() {
            break;
        }
    }
    first.split(' ').nth(1).map(str::to_owned)
}

/// Answers with a whole body of JSON.
pub fn json(stream: &mut UnixStream, body: &str) {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // The recorder may have gone; that is its right.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body.as_bytes());
}

/// Answers that there is no such thing.
pub fn unknown(stream: &mut UnixStream) {
    let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\n{}");
}

/// Begins an answer that ends when the connection does.
pub fn begin(stream: &mut UnixStream) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n");
}

/// Says nothing until the other side goes.
pub fn hang(stream: &mut UnixStream) {
    let _ = std::io::copy(stream, &mut std::io::sink());
}
