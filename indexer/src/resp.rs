//! Commands and answers of Redis (RESP2), as lines.

use crate::speak::{cut, line};

/// Words of a command, and members of a list, that are told.
const MOST_WORDS: usize = 16;

/// What a piece says.
pub(crate) fn say(bytes: &[u8], client: bool) -> Option<Vec<u8>> {
    if client {
        command(bytes)
    } else {
        answer(bytes)
    }
}

/// The lines of a piece without their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end)
}

fn command(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut lines = lines(bytes);
    let count = std::str::from_utf8(lines.next()?.strip_prefix(b"*")?).ok()?;
    let count: usize = count
        .parse()
        .ok()
        .filter(|count| (1..=1024).contains(count))?;
    let mut words = Vec::new();
    for _ in 0..count.min(MOST_WORDS) {
        let Some(len) = lines.next() else { break };
        len.strip_prefix(b"$")?;
        words.push(lines.next().unwrap_or_default());
    }
    let first = words.first();
    if first.is_some_and(|word| word.eq_ignore_ascii_case(b"AUTH")) {
        words.truncate(1);
    }
    Some(cut(&words.join(&b' ')).to_vec())
}

fn answer(bytes: &[u8]) -> Option<Vec<u8>> {
    match bytes.first()? {
        b'+' | b'-' | b':' => Some(cut(line(bytes)).to_vec()),
        b'$' if bytes.starts_with(b"$-1") => Some(b"nothing".to_vec()),
        b'$' => {
            let end = bytes.iter().position(|b| *b == b'\n')?;
            let value = bytes.get(end + 1..)?.trim_ascii_end();
            Some([b"value: ", cut(value)].concat())
        }
        b'*' => {
            let mut lines = lines(bytes);
            let count = lines.next()?.get(1..)?;
            let mut members = Vec::new();
            while let Some(head) = lines.next().filter(|_| members.len() < MOST_WORDS) {
                match head.split_first() {
                    Some((b'$', b"-1")) => members.push(b"nothing".as_slice()),
                    Some((b'$', _)) => members.push(lines.next().unwrap_or_default()),
                    Some((b'+' | b'-' | b':', value)) => members.push(value),
                    _ => break,
                }
            }
            let between: &[u8] = if members.is_empty() { b"" } else { b": " };
            let members = members.join(&b", "[..]);
            Some([b"list of ", cut(count), between, cut(&members)].concat())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_answers_are_told_in_a_line_and_passwords_are_not() {
        for (bytes, client, text) in [
            (&b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"[..], true, "GET k"),
            (b"*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n", true, "AUTH"),
            (b"$5\r\nhello\r\n", false, "value: hello"),
            (b"$7\r\na\nb\r\nc\r\n", false, "value: a\nb\r\nc"),
            (b"$-1\r\n", false, "nothing"),
            (b"-ERR no\r\n", false, "-ERR no"),
            (
                b"*3\r\n$1\r\nc\r\n:7\r\n$-1\r\n",
                false,
                "list of 3: c, 7, nothing",
            ),
            (b"*0\r\n", false, "list of 0"),
        ] {
            let said = say(bytes, client).map(|text| String::from_utf8(text).unwrap());
            assert_eq!(said.as_deref(), Some(text));
        }
        assert_eq!(say(b"GET / HTTP/1.1\r\n", true), None);
    }
}
