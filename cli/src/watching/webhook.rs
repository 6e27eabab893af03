//! Where alerts of other programs are posted. Who has no secret learns nothing but that: every such request gets the same
//! answer, whatever it asks for.
//!
//! A request shows that its sender has a secret by a bearer token, or by a code over a timestamp and the body (HMAC-SHA-256),
//! which is taken once and not for long. Nothing of a request is part of a command or of a path.

use super::alerts::alerts;
use super::config::Webhook as Settings;
use super::secret::secret;
use crate::failure::Failure;
use crate::json::Object;
use crate::output::say;
use afterimage_capture::serve::{Answer, Handler, Head, Reply, Server};
use afterimage_capture::watch::Command;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Codes that are remembered so that none is taken twice; no more are taken while it is full.
const MOST_CODES: usize = 65_536;

type Code = [u8; 32];

/// What is secret, and how much is taken.
struct Gate {
    settings: Settings,
    hmac: Option<Vec<u8>>,
    bearer: Option<Vec<u8>>,
    /// With which tokens are compared, so that how long it takes says nothing.
    blind: Code,
    codes: HashSet<Code>,
    /// Until when each is remembered, seconds since 1970, in the order they came.
    until: VecDeque<(u64, Code)>,
    tokens: f64,
    filled: Instant,
    counts: Counts,
}

/// What became of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Taken.
    pub accepted: u64,
    /// Without a secret, replayed, or too old.
    pub refused: u64,
    /// More than may come within a second.
    pub limited: u64,
}

/// Where alerts are posted. Dropping it closes it.
pub struct Webhook {
    server: Server,
    gate: Arc<Mutex<Gate>>,
}

struct Post {
    gate: Arc<Mutex<Gate>>,
    commands: Mutex<Sender<Command>>,
}

fn mac(key: &[u8]) -> Option<Hmac<Sha256>> {
    // Keys of any length are taken.
    Hmac::new_from_slice(key).ok()
}

fn from_hex(text: &[u8]) -> Option<Code> {
    let text = text.strip_prefix(b"sha256=").unwrap_or(text);
    let mut code = [0; 32];
    if text.len() != 2 * code.len() {
        return None;
    }
    for (byte, pair) in code.iter_mut().zip(text.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        if !pair.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(code)
}

fn unknown() -> Answer {
    Answer::text(401, "a secret is needed")
}

fn now_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

impl Gate {
    fn new(settings: Settings) -> Result<Gate, Failure> {
        let read = |path: &Option<std::path::PathBuf>| path.as_deref().map(secret).transpose();
        let (hmac, bearer) = (read(&settings.hmac_file)?, read(&settings.bearer_file)?);
        let mut blind = [0; 32];
        rustix::rand::getrandom(&mut blind, rustix::rand::GetRandomFlags::empty())
            .map_err(|why| Failure::new(format!("no random numbers: {why}"), ""))?;
        Ok(Gate {
            tokens: f64::from(settings.rate),
            settings,
            hmac,
            bearer,
            blind,
            codes: HashSet::new(),
            until: VecDeque::new(),
            filled: Instant::now(),
            counts: Counts::default(),
        })
    }

    /// Whether the head bears the token.
    fn bears(&self, head: &Head) -> bool {
        let given = head
            .header("authorization")
            .and_then(|value| value.strip_prefix(b"Bearer "));
        let (Some(given), Some(token)) = (given, &self.bearer) else {
            return false;
        };
        let (Some(mut ours), Some(mut theirs)) = (mac(&self.blind), mac(&self.blind)) else {
            return false;
        };
        ours.update(token);
        theirs.update(given);
        theirs.verify(&ours.finalize().into_bytes()).is_ok()
    }

    /// The timestamp and code of a head, when they are of this time.
    fn signed<'h>(&self, head: &'h Head, now: u64) -> Option<(&'h [u8], Code)> {
        self.hmac.as_ref()?;
        let timestamp = head.header("x-afterimage-timestamp")?;
        let at: u64 = std::str::from_utf8(timestamp).ok()?.parse().ok()?;
        let code = from_hex(head.header("x-afterimage-signature")?)?;
        (at.abs_diff(now) <= self.settings.skew.as_secs()).then_some((timestamp, code))
    }

    /// Whether a code is that of the body, and comes the first time.
    fn verifies(&mut self, timestamp: &[u8], code: Code, body: &[u8], now: u64) -> bool {
        let Some(mut mac) = self.hmac.as_deref().and_then(mac) else {
            return false;
        };
        mac.update(timestamp);
        mac.update(b".");
        mac.update(body);
        if mac.verify_slice(&code).is_err() {
            return false;
        }
        while let Some((until, old)) = self.until.front().copied() {
            if until >= now {
                break;
            }
            self.until.pop_front();
            self.codes.remove(&old);
        }
        if self.codes.len() >= MOST_CODES || !self.codes.insert(code) {
            return false;
        }
        // A timestamp may be as far ahead as it may be old.
        let until = now.saturating_add(2 * self.settings.skew.as_secs());
        self.until.push_back((until, code));
        true
    }

    /// Whether one more may come now.
    fn within_rate(&mut self) -> bool {
        let rate = f64::from(self.settings.rate);
        let gained = self.filled.elapsed().as_secs_f64() * rate;
        self.filled = Instant::now();
        self.tokens = (self.tokens + gained).min(rate);
        let may = self.tokens >= 1.0;
        if may {
            self.tokens -= 1.0;
        }
        may
    }
}

impl Post {
    fn gate(&self) -> std::sync::MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Post {
    fn admit(&self, head: &Head) -> Result<usize, Answer> {
        let mut gate = self.gate();
        if gate.bears(head) || gate.signed(head, now_s()).is_some() {
            return Ok(gate.settings.body);
        }
        gate.counts.refused += 1;
        Err(unknown())
    }

    fn too_long(&self, head: &Head) -> Answer {
        let mut gate = self.gate();
        gate.counts.refused += 1;
        match gate.bears(head) {
            true => Answer::text(413, "the body is too long, or did not come"),
            // Of a body that is not read nobody knows whether its code is right.
            false => unknown(),
        }
    }

    fn answer(&self, head: Head, body: Vec<u8>, reply: Reply) {
        let mut gate = self.gate();
        let now = now_s();
        let known = gate.bears(&head)
            || gate
                .signed(&head, now)
                .is_some_and(|(timestamp, code)| gate.verifies(timestamp, code, &body, now));
        if !known {
            gate.counts.refused += 1;
            return reply(unknown());
        }
        if !gate.within_rate() {
            gate.counts.limited += 1;
            return reply(Answer::text(429, "too many at once"));
        }
        gate.counts.accepted += 1;
        drop(gate);
        if head.path() != "/" {
            return reply(Answer::text(404, "alerts are posted to /"));
        }
        if head.method() != "POST" {
            return reply(Answer::text(405, "alerts are posted"));
        }
        let alerts = match alerts(&body) {
            Ok(alerts) => alerts,
            Err(why) => return reply(Answer::text(400, &why)),
        };
        let said = Command::Alerts {
            kind: "webhook",
            alerts,
            reply: Box::new(move |heard| {
                let mut object = Object::new();
                object
                    .number("fired", heard.fired)
                    .texts("refused", heard.refused.iter().map(String::as_str));
                reply(Answer {
                    status: match (heard.fired, heard.refused.is_empty()) {
                        (0, false) => 409,
                        (0, true) => 200,
                        _ => 202,
                    },
                    kind: "application/json",
                    body: object.end() + "\n",
                });
            }),
        };
        let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
        // When watch has ended nobody answers, which is an answer.
        let _ = commands.send(said);
    }
}

impl Webhook {
    /// Listens.
    ///
    /// # Errors
    /// When a secret cannot be read or is no secret, or the address cannot be had.
    pub fn listen(settings: &Settings, commands: Sender<Command>) -> Result<Webhook, Failure> {
        let gate = Arc::new(Mutex::new(Gate::new(settings.clone())?));
        let post = Post {
            gate: gate.clone(),
            commands: Mutex::new(commands),
        };
        if !settings.listen.ip().is_loopback() {
            say(format_args!(
                "afterimage: warning: webhook.listen is {}, which others can reach, and what is sent there is not encrypted: prefer hmac_file, and a proxy with TLS before it",
                settings.listen
            ));
        }
        let server = Server::start(settings.listen, "webhook", post)
            .map_err(|error| crate::recording::refused(&error))?;
        Ok(Webhook { server, gate })
    }

    /// Goes on with other secrets and limits at the same address.
    ///
    /// # Errors
    /// As [`Webhook::listen`]; then everything stays as it was.
    pub fn reload(&self, settings: &Settings) -> Result<(), Failure> {
        let new = Gate::new(settings.clone())?;
        let mut gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *gate, new);
        (gate.codes, gate.until, gate.counts) = (old.codes, old.until, old.counts);
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// What became of requests so far.
    pub fn counts(&self) -> Counts {
        self.gate
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .counts
    }
}

/// How old a request may be at most, whatever is asked for.
pub const MOST_SKEW: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_capture::trigger::{Alert, Heard};
    use std::io::{Read, Write};
    use std::net::TcpStream;
    use std::os::unix::fs::OpenOptionsExt;
    use std::sync::mpsc::{Receiver, channel};

    const KEY: &[u8] = b"a key of some length";
    const TOKEN: &str = "a token of some length";

    fn signature(key: &[u8], timestamp: &str, body: &str) -> String {
        let mut mac = mac(key).expect("a key");
        mac.update(format!("{timestamp}.{body}").as_bytes());
        let code = mac.finalize().into_bytes();
        code.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A webhook whose alerts come out at the other end, all taken.
    fn start(change: impl FnOnce(&mut Settings)) -> (Webhook, Receiver<Alert>, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, secret: &[u8]| {
            let path = folder.path().join(name);
            let mut options = std::fs::File::options();
            options.write(true).create_new(true).mode(0o600);
            let mut file = options.open(&path).expect("a file");
            file.write_all(secret).expect("written");
            file.write_all(b"\n").expect("written");
            Some(path)
        };
        let mut settings = Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            hmac_file: file("hmac", KEY),
            bearer_file: file("bearer", TOKEN.as_bytes()),
            skew: MOST_SKEW,
            rate: 1_000,
            body: 64 << 10,
        };
        change(&mut settings);
        let (commands, asked) = channel();
        let webhook =
            Webhook::listen(&settings, commands).unwrap_or_else(|why| panic!("{}", why.what));
        let (out, alerts) = channel();
        std::thread::spawn(move || {
            for command in asked {
                if let Command::Alerts { alerts, reply, .. } = command {
                    let heard = Heard {
                        fired: alerts.len() as u64,
                        refused: Vec::new(),
                    };
                    alerts.into_iter().for_each(|alert| drop(out.send(alert)));
                    reply(heard);
                }
            }
        });
        (webhook, alerts, folder)
    }

    /// What is answered to some bytes; the code, or 0 when the connection is cut.
    fn raw(webhook: &Webhook, bytes: &[u8]) -> u16 {
        let mut stream = TcpStream::connect(webhook.address()).expect("it listens");
        // Who is refused may not be let finish.
        let _ = stream.write_all(bytes);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
        code.unwrap_or(0)
    }

    fn post(webhook: &Webhook, headers: &[(&str, &str)], body: &str) -> u16 {
        let mut head = format!(
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        raw(webhook, format!("{head}\r\n{body}").as_bytes())
    }

    fn signed(webhook: &Webhook, at: u64, key: &[u8], body: &str) -> u16 {
        let at = at.to_string();
        let code = format!("sha256={}", signature(key, &at, body));
        let headers = [
            ("x-afterimage-timestamp", at.as_str()),
            ("x-afterimage-signature", code.as_str()),
        ];
        post(webhook, &headers, body)
    }

    #[test]
    fn the_code_is_that_of_the_standard() {
        // Test case 2 of RFC 4231.
        let mut mac = mac(b"Jefe").expect("a key");
        mac.update(b"what do ya want for nothing?");
        let code: Code = mac.finalize().into_bytes().into();
        let text = b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(from_hex(text), Some(code));
        assert_eq!(from_hex(b"sha256=5b"), None);
        assert_eq!(from_hex(&[b'+'; 64]), None);
    }

    #[test]
    fn who_has_a_secret_is_heard_once_and_in_time() {
        let (webhook, alerts, _folder) = start(|_| {});
        let body = r#"{"rule":"Terminal shell","priority":"Notice","output":"x"}"#;
        let now = now_s();
        assert_eq!(signed(&webhook, now, KEY, body), 202);
        assert_eq!(signed(&webhook, now, KEY, body), 401, "replayed");
        assert_eq!(signed(&webhook, now - 301, KEY, body), 401, "too old");
        assert_eq!(signed(&webhook, now + 310, KEY, body), 401, "too early");
        assert_eq!(
            signed(&webhook, now, b"another key, of some length", body),
            401
        );
        let bearer = format!("Bearer {TOKEN}");
        assert_eq!(post(&webhook, &[("authorization", &bearer)], "text"), 202);
        assert_eq!(post(&webhook, &[("authorization", &bearer)], "{"), 400);
        let twice = [
            ("authorization", bearer.as_str()),
            ("authorization", "Bearer x"),
        ];
        assert_eq!(post(&webhook, &twice, "text"), 401);
        drop(webhook);
        let heard: Vec<String> = alerts.try_iter().map(|alert| alert.words()).collect();
        assert_eq!(heard, ["Terminal shell (notice): x", "text"]);
    }

    #[test]
    fn who_has_none_learns_nothing() {
        let (webhook, alerts, _folder) = start(|_| {});
        let at = now_s().to_string();
        let code = "0".repeat(64);
        let forged = [
            ("x-afterimage-timestamp", at.as_str()),
            ("x-afterimage-signature", code.as_str()),
        ];
        for head in [
            "GET / ",
            "POST /x ",
            "DELETE /metrics ",
            "PUT /../../etc/passwd ",
        ] {
            let request = format!("{head}HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
            assert_eq!(raw(&webhook, request.as_bytes()), 401, "{head}");
        }
        assert_eq!(post(&webhook, &forged, "text"), 401);
        assert_eq!(post(&webhook, &[("authorization", "Bearer ")], "text"), 401);
        assert_eq!(
            post(&webhook, &[("authorization", "Basic eDp5")], "text"),
            401
        );
        let long = "a".repeat(10 << 20);
        // The answer may be lost when it comes before all is sent; what counts is that nothing is taken.
        assert!(matches!(post(&webhook, &forged, &long), 401 | 0));
        assert!(matches!(post(&webhook, &[], &long), 401 | 0));
        assert_eq!(webhook.counts().accepted, 0);
        assert!(webhook.counts().refused >= 8);
        drop(webhook);
        assert_eq!(alerts.try_iter().count(), 0);
    }

    /// `AFTERIMAGE_FORGED` says how many, for those who have time.
    #[test]
    fn of_many_forged_and_replayed_requests_none_is_taken() {
        let (webhook, alerts, _folder) = start(|_| {});
        let many = std::env::var("AFTERIMAGE_FORGED").ok();
        let many: u64 = many.and_then(|text| text.parse().ok()).unwrap_or(200);
        let now = now_s();
        assert_eq!(signed(&webhook, now, KEY, "true"), 202);
        for n in 0..many {
            let code = match n % 4 {
                0 => signed(&webhook, now, KEY, "true"),
                1 => signed(&webhook, now, &n.to_le_bytes(), "$(reboot)"),
                2 => {
                    let bearer = format!("Bearer {TOKEN}{n}");
                    post(&webhook, &[("authorization", &bearer)], "`reboot`")
                }
                _ => {
                    // A code of another body.
                    let at = now.to_string();
                    let code = signature(KEY, &at, "true");
                    let headers = [
                        ("x-afterimage-timestamp", at.as_str()),
                        ("x-afterimage-signature", code.as_str()),
                    ];
                    post(&webhook, &headers, &format!("other {n}"))
                }
            };
            assert_eq!(code, 401, "request {n}");
        }
        let counts = webhook.counts();
        assert_eq!((counts.accepted, counts.refused), (1, many));
        drop(webhook);
        assert_eq!(alerts.try_iter().count(), 1);
    }

    #[test]
    fn slow_clients_hold_up_nobody_and_floods_are_limited() {
        let (webhook, _alerts, _folder) = start(|settings| settings.rate = 5);
        let bearer = format!("Bearer {TOKEN}");
        let slow: Vec<TcpStream> = (0..100)
            .map(|_| {
                let mut stream = TcpStream::connect(webhook.address()).expect("it listens");
                let _ = stream.write_all(b"POST / HTTP/1.1\r\nauthor");
                stream
            })
            .collect();
        let codes: Vec<u16> = (0..50)
            .map(|_| post(&webhook, &[("authorization", &bearer)], "text"))
            .collect();
        assert!(
            codes.iter().all(|code| matches!(code, 202 | 429)),
            "{codes:?}"
        );
        assert!(codes.contains(&202) && codes.contains(&429), "{codes:?}");
        for mut stream in slow {
            let mut all = Vec::new();
            // Its end comes.
            let _ = stream.read_to_end(&mut all);
        }
    }

    #[test]
    fn a_secret_that_others_may_read_is_none() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key");
        std::fs::write(&path, KEY).expect("a file");
        let mode = |mode| {
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, mode).expect("a mode");
            secret(&path).map_err(|why| why.what)
        };
        assert!(mode(0o644).is_err_and(|why| why.contains("no secret")));
        assert_eq!(mode(0o600).as_deref(), Ok(KEY));
        std::fs::write(&path, "short").expect("a file");
        assert!(mode(0o600).is_err_and(|why| why.contains("too few")));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert!(secret(&link).is_err());
    }
}
