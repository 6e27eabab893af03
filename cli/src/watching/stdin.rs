//! Alerts on standard input: lines of JSON as Falco prints them.

use super::alerts::alerts;
use crate::failure::Failure;
use crate::output::say;
use afterimage_capture::watch::Command;
use afterimage_model::Safe;
use std::io::{BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};

/// Bytes of a line.
const MOST_LINE: u64 = 1 << 20;

/// What came in.
#[derive(Debug, Default)]
pub struct Lines {
    accepted: AtomicU64,
    refused: AtomicU64,
}

impl Lines {
    /// Lines that were alerts.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Lines that were none.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Reads to the end, on the thread of who calls. Each line waits for the one before it.
    fn read(&self, mut from: impl BufRead, commands: &Sender<Command>) {
        let mut line = Vec::new();
        loop {
            line.clear();
            match from.by_ref().take(MOST_LINE).read_until(b'\n', &mut line) {
                Ok(0) => return,
                Ok(_) => {}
                Err(why) => return say(format_args!("afterimage: standard input: {why}")),
            }
            let whole = line.ends_with(b"\n") || (line.len() as u64) < MOST_LINE;
            if !whole && skip_line(&mut from).is_err() {
                return;
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let found = match (whole, line.first()) {
                (false, _) => Err("the line is too long".to_owned()),
                // Falco's own log may be on the same stream.
                (true, Some(b'{')) => alerts(&line),
                _ => Err("the line is no JSON".to_owned()),
            };
            let alerts = match found {
                Ok(alerts) => alerts,
                Err(why) => {
                    // Once: how many there are is in the status.
                    if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
                        let why = Safe::new(&why).to_string();
                        say(format_args!(
                            "afterimage: a line on standard input is no alert: {why}"
                        ));
                    }
                    continue;
                }
            };
            self.accepted.fetch_add(1, Ordering::Relaxed);
            let (told, heard) = channel();
            let ask = Command::Alerts {
                kind: "stdin",
                alerts,
                reply: Box::new(move |heard| {
                    let _ = told.send(heard);
                }),
            };
            if commands.send(ask).is_err() || heard.recv().is_err() {
                return;
            }
        }
    }
}

/// Passes over the rest of a line.
fn skip_line(from: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let piece = from.fill_buf()?;
        let (at, end) = match piece.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (piece.len(), piece.is_empty()),
        };
        from.consume(at);
        if end {
            return Ok(());
        }
    }
}

/// Reads standard input on a thread of its own.
///
/// # Errors
/// When there can be no thread.
pub fn listen(commands: Sender<Command>) -> Result<Arc<Lines>, Failure> {
    let lines = Arc::new(Lines::default());
    let counted = lines.clone();
    let read = move || {
        counted.read(std::io::stdin().lock(), &commands);
        say(format_args!("standard input has ended; watching goes on"));
    };
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(read)
        .map_err(|why| Failure::new(format!("starting a thread: {why}"), ""))?;
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_capture::trigger::Heard;

    #[test]
    fn lines_that_are_no_alerts_are_counted_and_passed_over() {
        let long = format!("{{\"rule\":\"{}\"}}", "a".repeat(3 << 20));
        let text = format!(
            "{{\"rule\":\"first\"}}\nFalco initialized\n\n{{\n{long}\n{{\"rule\":\"last\"}}"
        );
        let (commands, asked) = channel();
        let lines = Lines::default();
        let rules = std::thread::scope(|scope| {
            let heard = scope.spawn(move || {
                let mut rules = Vec::new();
                for command in asked {
                    if let Command::Alerts { alerts, reply, .. } = command {
                        rules.extend(alerts.into_iter().map(|alert| alert.rule));
                        reply(Heard::default());
                    }
                }
                rules
            });
            lines.read(text.as_bytes(), &commands);
            drop(commands);
            heard.join().expect("it ends")
        });
        assert_eq!(rules, ["first", "last"]);
        assert_eq!((lines.accepted(), lines.refused()), (2, 3));
    }
}
