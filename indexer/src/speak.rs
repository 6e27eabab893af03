//! Protocols that are recognised by what is said: one row each. A row says what a message means in one line; it is asked
//! about every piece as it was sent, knows nothing of the pieces before, and keeps quiet about what it cannot read.

use crate::talks::{Kind, Talk};

/// A protocol.
pub(crate) struct Language {
    /// What it is called.
    pub name: &'static str,
    /// Whether what is said stands in frames, so that what it means is easier to read than what was said.
    pub frames: bool,
    /// What a piece means, in one line; `true` for what the client said.
    pub say: fn(&[u8], bool) -> Option<Vec<u8>>,
    /// Whether what was said first, by client and by server, is of this protocol.
    knows: fn(&[u8], &[u8], u16) -> bool,
}

/// Every protocol, the more certain first.
pub(crate) const LANGUAGES: &[Language] = &[
    Language {
        name: "TLS",
        frames: true,
        say: tls,
        knows: |client, _, _| tls(client, true).is_some(),
    },
    Language {
        name: "HTTP/1",
        frames: false,
        say: http,
        knows: |client, server, _| http(client, true).is_some() || http(server, false).is_some(),
    },
    Language {
        name: "SSH",
        frames: false,
        say: ssh,
        knows: |client, server, _| ssh(client, true).is_some() || ssh(server, false).is_some(),
    },
    Language {
        name: "PostgreSQL",
        frames: true,
        say: postgres,
        knows: |client, _, port| postgres_hello(client).is_some() || port == 5432,
    },
    Language {
        name: "MySQL",
        frames: true,
        say: mysql,
        knows: |_, server, port| mysql_hello(server).is_some() || port == 3306,
    },
    Language {
        name: "Redis",
        frames: true,
        say: crate::resp::say,
        knows: |client, _, port| crate::resp::say(client, true).is_some() || port == 6379,
    },
    Language {
        name: "memcached",
        frames: false,
        say: memcached,
        knows: |client, _, port| port == 11211 && memcached(client, true).is_some(),
    },
    Language {
        name: "DNS",
        frames: true,
        say: dns,
        knows: |client, server, port| {
            port == 53 && (dns(client, true).is_some() || dns(server, false).is_some())
        },
    },
    Language {
        name: "StatsD",
        frames: true,
        say: crate::statsd::say,
        knows: |client, _, _| crate::statsd::say(client, true).is_some(),
    },
];

/// The protocol of a talk, by what each end said first.
pub(crate) fn language(talk: &Talk) -> Option<&'static Language> {
    if !matches!(talk.kind, Kind::Inet(_) | Kind::Unix) {
        return None;
    }
    let first = |from| {
        let mut pieces = talk.pieces.iter().filter(|piece| piece.from == from);
        pieces
            .find(|piece| !piece.bytes.is_empty())
            .map_or(&[][..], |piece| &piece.bytes)
    };
    let port = talk.ends[1].address.map_or(0, |address| address.port());
    let (client, server) = (first(0), first(1));
    if client.is_empty() && server.is_empty() {
        return None;
    }
    LANGUAGES
        .iter()
        .find(|row| (row.knows)(client, server, port))
}

/// Longest text of a message that is quoted.
pub(crate) const MOST_TEXT: usize = 400;

pub(crate) fn cut(text: &[u8]) -> &[u8] {
    text.get(..MOST_TEXT).unwrap_or(text)
}

pub(crate) fn line(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .position(|b| *b == b'\n')
        .unwrap_or(bytes.len());
    bytes.get(..end).unwrap_or_default().trim_ascii_end()
}

fn starts(bytes: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| bytes.starts_with(word.as_bytes()))
}

/// Words that begin a request (RFC 9110, 9.3).
const METHODS: &[&str] = &[
    "GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "PATCH ", "OPTIONS ", "CONNECT ", "TRACE ",
];

/// A request of HTTP/1: method, host and target.
pub(crate) struct Request {
    pub method: Vec<u8>,
    pub host: Vec<u8>,
    pub target: Vec<u8>,
}

/// Reads a request line and the host.
pub(crate) fn request(bytes: &[u8]) -> Option<Request> {
    if !starts(bytes, METHODS) {
        return None;
    }
    let mut words = line(bytes).split(|b| *b == b' ');
    let (method, target) = (words.next()?, words.next()?);
    words
        .next()
        .filter(|version| version.starts_with(b"HTTP/1") || version.is_empty())?;
    Some(Request {
        method: method.to_vec(),
        host: header(bytes, "host").unwrap_or_default(),
        target: cut(target).to_vec(),
    })
}

/// The status of an answer of HTTP/1.
pub(crate) fn status(bytes: &[u8]) -> Option<u16> {
    let rest = bytes.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(rest)
        .ok()?
        .parse()
        .ok()
        .filter(|status| (100..600).contains(status))
}

fn header(bytes: &[u8], name: &str) -> Option<Vec<u8>> {
    let lines = bytes.split(|b| *b == b'\n').skip(1).take(100);
    for line in lines {
        let line = line.trim_ascii_end();
        if line.is_empty() {
            return None;
        }
        let colon = line.iter().position(|b| *b == b':')?;
        let (have, value) = line.split_at(colon);
        if have.eq_ignore_ascii_case(name.as_bytes()) {
            return Some(cut(value.get(1..).unwrap_or_default().trim_ascii()).to_vec());
        }
    }
    None
}

fn http(bytes: &[u8], client: bool) -> Option<Vec<u8>> {
    if client {
        let request = request(bytes)?;
        return Some([&request.method[..], b" ", &request.host, &request.target].concat());
    }
    status(bytes)?;
    let kind = header(bytes, "content-type").unwrap_or_default();
    let comma: &[u8] = if kind.is_empty() { b"" } else { b", " };
    Some([line(bytes).get(9..).unwrap_or_default(), comma, &kind].concat())
}

fn ssh(bytes: &[u8], _: bool) -> Option<Vec<u8>> {
    bytes
        .starts_with(b"SSH-")
        .then(|| cut(line(bytes)).to_vec())
}

/// Reads big-endian numbers and stretches one after the other.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        let part = self.take(bytes)?;
        Some(part.iter().fold(0, |n, b| n << 8 | usize::from(*b)))
    }

    fn sized(&mut self, bytes: usize) -> Option<Reader<'a>> {
        let len = self.number(bytes)?;
        let len = len.min(self.0.len());
        self.take(len).map(Reader)
    }
}

/// Greetings of TLS (RFC 8446, 4.1; RFC 6066, 3; RFC 7301).
fn tls(bytes: &[u8], _: bool) -> Option<Vec<u8>> {
    let mut record = Reader(bytes);
    if record.number(1)? != 22 || record.number(1)? != 3 || record.number(1)? > 4 {
        return None;
    }
    let mut hello = record.sized(2)?;
    let kind = hello.number(1)?;
    let mut hello = hello.sized(3)?;
    match kind {
        1 => {}
        2 => return Some(b"ServerHello".to_vec()),
        _ => return None,
    }
    let version = hello.number(2)?;
    hello.take(32)?;
    hello.sized(1)?;
    hello.sized(2)?;
    hello.sized(1)?;
    let (mut name, mut protocols, mut newest) = (Vec::new(), Vec::new(), version);
    if let Some(mut extensions) = hello.sized(2) {
        while let Some(kind) = extensions.number(2) {
            let Some(mut body) = extensions.sized(2) else {
                break;
            };
            match kind {
                0 => {
                    let host = body.sized(2).and_then(|mut list| {
                        list.number(1)?;
                        list.sized(2)
                    });
                    name = host.map_or(Vec::new(), |host| cut(host.0).to_vec());
                }
                16 => {
                    let mut list = body.sized(2).unwrap_or(Reader(&[]));
                    while let Some(protocol) = list.sized(1).filter(|one| !one.0.is_empty()) {
                        protocols.push(protocol.0);
                    }
                }
                43 => {
                    let mut list = body.sized(1).unwrap_or(Reader(&[]));
                    while let Some(version) = list.number(2) {
                        // Values that only keep others from being taken for granted (RFC 8701) look like 0x?a?a.
                        if version & 0x0f0f != 0x0a0a {
                            newest = newest.max(version);
                        }
                    }
                }
                _ => {}
            }
        }
    }
    let version: &[u8] = match newest {
        0x304 => b", TLS 1.3",
        0x303 => b", TLS 1.2",
        _ => b"",
    };
    let to = if name.is_empty() {
        b"a server it does not name".to_vec()
    } else {
        name
    };
    let list = protocols.join(&b' ');
    let comma: &[u8] = if list.is_empty() { b"" } else { b", " };
    Some([b"ClientHello to ", &to[..], version, comma, &list].concat())
}

fn postgres_hello(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader(bytes);
    let len = reader.number(4)?;
    let code = reader.number(4)?;
    match code {
        80_877_103 if len == 8 => Some(b"asks for TLS".to_vec()),
        196_608 if len >= 8 => {
            let words: Vec<&[u8]> = reader.0.split(|b| *b == 0).collect();
            let of = |name: &str| {
                let at = words.iter().position(|word| *word == name.as_bytes())?;
                words.get(at + 1).copied()
            };
            let user = of("user").unwrap_or_default();
            let database = of("database").unwrap_or(user);
            Some([b"logs in as ", cut(user), b" to ", cut(database)].concat())
        }
        _ => None,
    }
}

/// The values of a row of PostgreSQL: a number of them, then each with its length, which is -1 for none.
fn postgres_row(body: &[u8]) -> Vec<u8> {
    const NONE: usize = 0xffff_ffff;
    let mut reader = Reader(body);
    let count = reader.number(2).unwrap_or(0);
    let mut values = Vec::new();
    for _ in 0..count.min(64) {
        let Some(len) = reader.number(4) else { break };
        let value = match len {
            NONE => b"NULL".as_slice(),
            len => reader.take(len.min(reader.0.len())).unwrap_or_default(),
        };
        values.push(cut(value));
    }
    cut(&values.join(&b", "[..])).to_vec()
}

/// Messages of PostgreSQL 3.0 (its manual, 55.7).
fn postgres(bytes: &[u8], client: bool) -> Option<Vec<u8>> {
    if client && let Some(hello) = postgres_hello(bytes) {
        return Some(hello);
    }
    let mut reader = Reader(bytes);
    /// Rows of an answer that are told.
    const MOST_ROWS: usize = 8;
    let (mut said, mut rows) = (Vec::new(), 0);
    while said.len() < 20 {
        let Some(kind) = reader.number(1) else { break };
        let Some(len) = reader.number(4).and_then(|len| len.checked_sub(4)) else {
            break;
        };
        let body = reader.take(len.min(reader.0.len()))?;
        let text = || cut(body.split(|b| *b == 0).next().unwrap_or_default());
        match (client, kind as u8) {
            (true, b'Q') => said.push([b"query: ", text()].concat()),
            (true, b'P') => {
                let query = body.split(|b| *b == 0).nth(1).unwrap_or_default();
                said.push([b"prepares: ", cut(query)].concat());
            }
            (true, b'p') => said.push(b"password".to_vec()),
            (true, b'X') => said.push(b"goes".to_vec()),
            (false, b'E') => {
                let message = body
                    .split(|b| *b == 0)
                    .find(|part| part.first() == Some(&b'M'));
                let message = message.and_then(|part| part.get(1..)).unwrap_or_default();
                said.push([b"error: ", cut(message)].concat());
            }
            (false, b'D') => {
                rows += 1;
                match rows {
                    ..=MOST_ROWS => said.push([b"row: ", &postgres_row(body)[..]].concat()),
                    more if more == MOST_ROWS + 1 => said.push(b"more rows".to_vec()),
                    _ => {}
                }
            }
            (false, b'C') => said.push([b"done: ", text()].concat()),
            (false, b'R') if body == [0; 4] => said.push(b"lets in".to_vec()),
            _ => {}
        }
    }
    (!said.is_empty()).then(|| said.join(&b"; "[..]))
}

fn mysql_hello(bytes: &[u8]) -> Option<Vec<u8>> {
    let greeting = bytes.get(4..)?;
    if bytes.get(3) != Some(&0) || greeting.first() != Some(&10) {
        return None;
    }
    let version = greeting.get(1..)?.split(|b| *b == 0).next()?;
    let printable = !version.is_empty() && version.iter().all(|b| (0x20..0x7f).contains(b));
    printable.then(|| [b"greets: ", cut(version)].concat())
}

/// Packets of MySQL (its manual, Client/Server Protocol).
fn mysql(bytes: &[u8], client: bool) -> Option<Vec<u8>> {
    let (sequence, body) = (*bytes.get(3)?, bytes.get(4..)?);
    if !client {
        return mysql_hello(bytes).or_else(|| {
            let text = (body.first() == Some(&0xff)).then(|| body.get(9..))??;
            Some([b"error: ", cut(text)].concat())
        });
    }
    match (sequence, body.first()?) {
        (1, _) => {
            let user = body.get(32..)?.split(|b| *b == 0).next()?;
            Some([b"logs in as ", cut(user)].concat())
        }
        (0, 3) => Some([b"query: ", cut(body.get(1..)?)].concat()),
        (0, 22) => Some([b"prepares: ", cut(body.get(1..)?)].concat()),
        (0, 2) => Some([b"takes database ", cut(body.get(1..)?)].concat()),
        (0, 1) => Some(b"goes".to_vec()),
        _ => None,
    }
}

fn memcached(bytes: &[u8], client: bool) -> Option<Vec<u8>> {
    const ASKS: &[&str] = &[
        "get ",
        "gets ",
        "set ",
        "add ",
        "replace ",
        "append ",
        "prepend ",
        "cas ",
        "delete ",
        "incr ",
        "decr ",
        "touch ",
        "stats",
        "flush_all",
        "version",
    ];
    const SAYS: &[&str] = &[
        "VALUE ",
        "END",
        "STORED",
        "NOT_STORED",
        "EXISTS",
        "NOT_FOUND",
        "DELETED",
        "ERROR",
        "CLIENT_ERROR",
        "SERVER_ERROR",
        "OK",
        "TOUCHED",
        "VERSION ",
        "STAT ",
    ];
    starts(bytes, if client { ASKS } else { SAYS }).then(|| cut(line(bytes)).to_vec())
}

/// Questions and answers of name servers (RFC 1035, 4.1), over UDP.
fn dns(bytes: &[u8], _: bool) -> Option<Vec<u8>> {
    let mut reader = Reader(bytes);
    reader.take(2)?;
    let flags = reader.number(2)?;
    if reader.number(2)? != 1 || flags & 0x7800 > 0x2800 {
        return None;
    }
    let answers = reader.number(2)?;
    reader.take(4)?;
    let mut name = Vec::new();
    loop {
        let len = reader.number(1)?;
        if len == 0 {
            break;
        }
        if len > 63 || name.len() > 255 {
            return None;
        }
        name.extend_from_slice(reader.take(len)?);
        name.push(b'.');
    }
    name.pop();
    let kind = match reader.number(2)? {
        1 => "A",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        _ => "",
    };
    if flags & 0x8000 == 0 {
        return Some([b"asks for ", &name[..], b" ", kind.as_bytes()].concat());
    }
    let says = match flags & 0xf {
        0 if answers == 1 => ": 1 answer".to_owned(),
        0 => format!(": {answers} answers"),
        3 => ": there is no such name".to_owned(),
        code => format!(": error {code}"),
    };
    Some([&name[..], says.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(language: &str, bytes: &[u8], client: bool) -> Option<String> {
        let row = LANGUAGES.iter().find(|row| row.name == language).unwrap();
        (row.say)(bytes, client).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn what_is_said_is_told_in_a_line() {
        let hello = {
            let name = b"example.org";
            let sni = [&[0u8, 0, 0, 16, 0, 14, 0, 0, 11][..], name].concat();
            let alpn = [0u8, 16, 0, 5, 0, 3, 2, b'h', b'2'];
            let extensions = [&sni[..], &alpn].concat();
            let body = [
                &[3u8, 3][..],
                &[7; 32],
                &[0, 0, 2, 0x13, 1, 1, 0],
                &[0, extensions.len() as u8],
                &extensions,
            ]
            .concat();
            let handshake = [&[1u8, 0, 0, body.len() as u8][..], &body].concat();
            [&[22u8, 3, 1, 0, handshake.len() as u8][..], &handshake].concat()
        };
        for (language, bytes, client, text) in [
            (
                "HTTP/1",
                &b"GET /a?b HTTP/1.1\r\nHost: x:80\r\n\r\n"[..],
                true,
                "GET x:80/a?b",
            ),
            (
                "HTTP/1",
                b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\n\r\n",
                false,
                "404 Not Found, text/plain",
            ),
            (
                "TLS",
                &hello,
                true,
                "ClientHello to example.org, TLS 1.2, h2",
            ),
            (
                "SSH",
                b"SSH-2.0-OpenSSH_9.2\r\n",
                false,
                "SSH-2.0-OpenSSH_9.2",
            ),
            (
                "PostgreSQL",
                b"\0\0\0\x1b\0\x03\0\0user\0u\0database\0d\0\0",
                true,
                "logs in as u to d",
            ),
            (
                "PostgreSQL",
                b"Q\0\0\0\x0dselect 1\0",
                true,
                "query: select 1",
            ),
            (
                "PostgreSQL",
                b"E\0\0\0\x10SERROR\0Mbad\0\0",
                false,
                "error: bad",
            ),
            (
                "PostgreSQL",
                b"D\0\0\0\x10\0\x02\0\0\0\x021a\xff\xff\xff\xffC\0\0\0\x0dSELECT 1\0",
                false,
                "row: 1a, NULL; done: SELECT 1",
            ),
            (
                "MySQL",
                b"\x4a\0\0\0\x0a8.0.36\0rest",
                false,
                "greets: 8.0.36",
            ),
            ("MySQL", b"\x09\0\0\0\x03select 1", true, "query: select 1"),
            ("memcached", b"get k\r\n", true, "get k"),
            (
                "DNS",
                b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01",
                true,
                "asks for a.bc A",
            ),
            (
                "DNS",
                b"\0\x01\x81\x83\0\x01\0\0\0\0\0\0\x01a\x02bc\0\0\x01\0\x01",
                false,
                "a.bc: there is no such name",
            ),
        ] {
            assert_eq!(
                said(language, bytes, client).as_deref(),
                Some(text),
                "{language}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes in proptest::collection::vec(any::<u8>(), 0..200), client: bool) {
            for row in LANGUAGES {
                let said = (row.say)(&bytes, client).unwrap_or_default();
                prop_assert!(said.len() < 20 * (MOST_TEXT + 64) + 1024, "{}", row.name);
                (row.knows)(&bytes, &bytes, 53);
            }
        }
    }
}
