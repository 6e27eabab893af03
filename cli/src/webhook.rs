//! Handing a few lines to a witness over HTTP/1.1: `POST` to an `http://` or `https://` address, one answer, half a minute at most.

use crate::failure::Failure;
use crate::tls;
use afterimage_model::Safe;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long all of it may take.
const MOST: Duration = Duration::from_secs(30);
/// Bytes of the answer that are looked at.
const ANSWER: usize = 4 << 10;

const WRITE: &str =
    "write http://HOST:PORT/PATH or https://HOST:PORT/PATH of a witness that takes POST";

/// An address taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Parts {
    is_secure: bool,
    /// Without a port and without brackets.
    host: String,
    port: u16,
    /// Host and port as the request names them.
    authority: String,
    path: String,
}

fn parts(address: &str) -> Option<Parts> {
    let (is_secure, rest) = match address.strip_prefix("https://") {
        Some(rest) => (true, rest),
        None => (false, address.strip_prefix("http://")?),
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if host.contains('@') || !plain(host) || !plain(path) {
        return None;
    }
    let standard = if is_secure { 443 } else { 80 };
    // A colon within brackets is one of an IPv6 address.
    let (host, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse().ok()?),
        _ => (host, standard),
    };
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let bare = bare.unwrap_or(host);
    if bare.is_empty() || bare.contains(['[', ']']) || (bare.contains(':') && bare == host) {
        return None;
    }
    Some(Parts {
        is_secure,
        host: bare.to_owned(),
        port,
        authority: match port == standard {
            true => host.to_owned(),
            false => format!("{host}:{port}"),
        },
        path: format!("/{path}"),
    })
}

/// A connection on which no step takes longer than one may, nor all of them together.
struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    fn connect(parts: &Parts) -> io::Result<Timed> {
        let until = Instant::now() + MOST;
        let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in (parts.host.as_str(), parts.port).to_socket_addrs()? {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            match TcpStream::connect_timeout(&address, PATIENCE.min(left)) {
                Ok(stream) => return Ok(Timed { stream, until }),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        match left.is_zero() {
            true => Err(io::ErrorKind::TimedOut.into()),
            false => Ok(Some(left.min(PATIENCE))),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(into)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Sends a request, and gives the first line of the answer.
fn exchange(stream: &mut (impl Read + Write), request: &[u8]) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    stream.flush()?;
    let mut answer = vec![0; ANSWER];
    let mut got = 0;
    while let Some(rest) = answer.get_mut(got..).filter(|rest| !rest.is_empty()) {
        let read = stream.read(rest)?;
        got += read;
        if read == 0 || answer.get(..got).is_some_and(|seen| seen.contains(&b'\n')) {
            break;
        }
    }
    if got == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    answer.truncate(got);
    let line = answer.split(|byte| *byte == b'\n').next();
    Ok(line.unwrap_or_default().to_vec())
}

/// What is wrong with a connection, and what to do.
fn trouble(error: &io::Error) -> (String, &'static str) {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => (
            "no answer in time".to_owned(),
            "see whether the witness is at work and may be reached from here, then hand the anchor over again",
        ),
        io::ErrorKind::ConnectionRefused => (
            "nobody listens there".to_owned(),
            "see whether host and port are those of the witness, and whether it is at work",
        ),
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe => (
            "the witness hung up before it answered".to_owned(),
            "see what the witness says of it, then hand the anchor over again",
        ),
        _ => (error.to_string(), WRITE),
    }
}

/// Whoever takes a text at an address. Whom to trust was read when it was made: later no file is needed for it.
pub struct Witness {
    address: String,
    parts: Parts,
    client: Option<tls::Client>,
}

impl Witness {
    /// One at this address. Behind `https://` it must have a certificate that `authorities`, a file, answers for, or the
    /// machine's own authorities where there is none. Nothing is sent.
    ///
    /// # Errors
    /// When it is no address, or nobody is trusted.
    pub fn new(address: &str, authorities: Option<&Path>) -> Result<Witness, Failure> {
        let parts = parts(address)
            .ok_or_else(|| failed(address, "not an address of http or https", WRITE))?;
        if !parts.is_secure && authorities.is_some() {
            return Err(failed(
                address,
                "an http address has no certificate to look at",
                "write https://, or leave --ca out",
            ));
        }
        let client = match parts.is_secure {
            true => Some(
                tls::Client::new(&parts.host, authorities)
                    .map_err(|(why, remedy)| failed(address, &why, remedy))?,
            ),
            false => None,
        };
        Ok(Witness {
            address: address.to_owned(),
            parts,
            client,
        })
    }

    /// Its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Hands the text over.
    ///
    /// # Errors
    /// When nobody takes it: no connection, a certificate that is not right, no answer in time, or another answer than one
    /// of success.
    pub fn post(&self, text: &str) -> Result<(), Failure> {
        let of = |error: &io::Error| {
            let (why, remedy) = tls::trouble(error)
                .map(|(why, remedy)| (why.to_owned(), remedy))
                .unwrap_or_else(|| trouble(error));
            failed(&self.address, &why, remedy)
        };
        let request = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            self.parts.path,
            self.parts.authority,
            text.len()
        );
        let mut stream = Timed::connect(&self.parts).map_err(|error| of(&error))?;
        let line = match &self.client {
            Some(client) => {
                (client.over(stream)).and_then(|mut over| exchange(&mut over, request.as_bytes()))
            }
            None => exchange(&mut stream, request.as_bytes()),
        }
        .map_err(|error| of(&error))?;
        let line = Safe::new(line.trim_ascii()).to_string();
        let mut words = line.split(' ');
        let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
        match words.next() {
            Some(status) if is_http && status.len() == 3 && status.starts_with('2') => Ok(()),
            _ => Err(failed(
                &self.address,
                &format!("it answered \"{line}\""),
                WRITE,
            )),
        }
    }
}

fn failed(address: &str, why: &str, remedy: &str) -> Failure {
    let what = format!("{}: {}", Safe::new(address), Safe::new(why));
    Failure::new(what, Safe::new(remedy))
}

/// Hands a text over to a [`Witness`] at once.
///
/// # Errors
/// As of making one and of handing it over.
pub fn post(address: &str, text: &str, authorities: Option<&Path>) -> Result<(), Failure> {
    Witness::new(address, authorities)?.post(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A witness that takes one request and gives this answer.
    fn witness(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("its address");
        let thread = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody comes");
            let mut seen = vec![0; 4_096];
            let mut got = 0;
            while !seen[..got].ends_with(b"\r\n\r\nlines") {
                let read = stream.read(&mut seen[got..]).expect("a request");
                assert!(read > 0);
                got += read;
            }
            stream.write_all(answer.as_bytes()).expect("answered");
            String::from_utf8(seen[..got].to_vec()).expect("plain text")
        });
        (format!("http://{address}/anchors?of=web"), thread)
    }

    #[test]
    fn a_witness_that_takes_it_is_believed_and_another_is_not() {
        let (address, seen) = witness("HTTP/1.1 204 No Content\r\n\r\n");
        assert!(post(&address, "lines", None).is_ok());
        let seen = seen.join().expect("it ends");
        assert!(
            seen.starts_with("POST /anchors?of=web HTTP/1.1\r\nHost: 127.0.0.1:"),
            "{seen}"
        );
        for answer in [
            "HTTP/1.1 403 Forbidden\r\n\r\n",
            "HTTP/1.1 302 Found\r\n\r\n",
            "SSH-2.0-x\r\n",
            "",
        ] {
            let (address, seen) = witness(answer);
            assert!(post(&address, "lines", None).is_err(), "{answer}");
            seen.join().expect("it ends");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_before_anything_is_sent() {
        for bad in [
            "",
            "http://",
            "http:///x",
            "https:///x",
            "https://:443/",
            "ftp://h",
            "http://a b/",
            "http://u:p@h/",
            "http://h:99999/",
            "http://h:/",
            "http://[::1/",
            "http://::1/",
            "http://h/\r\nX: y",
        ] {
            assert!(parts(bad).is_none(), "{bad}");
            assert!(post(bad, "lines", None).is_err(), "{bad}");
        }
        for (address, is_secure, host, port, authority, path) in [
            ("http://h", false, "h", 80, "h", "/"),
            ("https://h/a?b", true, "h", 443, "h", "/a?b"),
            ("http://[::1]:81/x", false, "::1", 81, "[::1]:81", "/x"),
            ("https://[::1]", true, "::1", 443, "[::1]", "/"),
        ] {
            let wanted = Parts {
                is_secure,
                host: host.to_owned(),
                port,
                authority: authority.to_owned(),
                path: path.to_owned(),
            };
            assert_eq!(parts(address), Some(wanted), "{address}");
        }
        let error = post("http://h/", "lines", Some(Path::new("ca.pem"))).expect_err("refused");
        assert!(error.what.contains("no certificate"), "{}", error.what);
    }
}
