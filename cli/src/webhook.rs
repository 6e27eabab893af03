//! Handing a few lines to a witness over HTTP/1.1: `POST` to an `http://` address, one answer, a few seconds at most. There is no
//! TLS here: where it is needed, a program that has it takes the lines from a pipe.

use crate::failure::Failure;
use afterimage_model::Safe;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of the answer that are looked at.
const ANSWER: u64 = 4 << 10;

/// An address taken apart: host with port, and path.
fn parts(address: &str) -> Option<(String, String)> {
    let rest = address.strip_prefix("http://")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    if host.is_empty() || host.contains('@') || !plain(host) || !plain(path) {
        return None;
    }
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let host = if has_port {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    Some((host, format!("/{path}")))
}

/// Hands the text over.
///
/// # Errors
/// When nobody takes it: no connection, no answer in time, or another answer than one of success.
pub fn post(address: &str, text: &str) -> Result<(), Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::new(
            format!("{}: {}", Safe::new(address), Safe::new(&why.to_string())),
            "write http://HOST:PORT/PATH of a witness that takes POST; for https: afterimage anchor FILE | curl --data-binary @- https://…",
        )
    };
    let (host, path) = parts(address).ok_or_else(|| failed(&"not an address of http"))?;
    let answer = || -> std::io::Result<Vec<u8>> {
        let no_address = || std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        let address = host.to_socket_addrs()?.next().ok_or_else(no_address)?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
            text.len()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = vec![0; ANSWER as usize];
        let mut got = 0;
        // The status line is all that is wanted.
        while let Some(rest) = answer.get_mut(got..).filter(|rest| !rest.is_empty()) {
            let read = stream.read(rest)?;
            got += read;
            if read == 0 || answer.get(..got).is_some_and(|seen| seen.contains(&b'\n')) {
                break;
            }
        }
        answer.truncate(got);
        Ok(answer)
    };
    let answer = answer().map_err(|error| failed(&error))?;
    let line = answer
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = Safe::new(line.trim_ascii()).to_string();
    let mut words = line.split(' ');
    let is_http = words.next().is_some_and(|word| word.starts_with("HTTP/1."));
    match words.next() {
        Some(status) if is_http && status.len() == 3 && status.starts_with('2') => Ok(()),
        _ => Err(failed(&format!("it answered \"{line}\""))),
    }
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
        assert!(post(&address, "lines").is_ok());
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
            assert!(post(&address, "lines").is_err(), "{answer}");
            seen.join().expect("it ends");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_before_anything_is_sent() {
        for bad in [
            "",
            "https://h/",
            "http://",
            "http:///x",
            "ftp://h",
            "http://a b/",
            "http://u:p@h/",
            "http://h/\r\nX: y",
        ] {
            assert!(parts(bad).is_none(), "{bad}");
            assert!(post(bad, "lines").is_err(), "{bad}");
        }
        assert_eq!(parts("http://h"), Some(("h:80".to_owned(), "/".to_owned())));
        assert_eq!(
            parts("http://[::1]:81/x"),
            Some(("[::1]:81".to_owned(), "/x".to_owned()))
        );
    }
}
