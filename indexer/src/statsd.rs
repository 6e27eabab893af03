//! Metrics of StatsD: what a datagram of them says in a line.

/// What the letters after a value mean (statsd's `docs/metric_types.md`; `h`, `d` and what begins with `_` are of DogStatsD).
const KINDS: &[(&[u8], &[u8])] = &[
    (b"c", b"counter"),
    (b"g", b"gauge"),
    (b"ms", b"timer"),
    (b"m", b"meter"),
    (b"s", b"set"),
    (b"h", b"histogram"),
    (b"d", b"distribution"),
];

/// Metrics of one datagram that are told.
const MOST: usize = 8;

/// One line of a datagram: `NAME:VALUE|KIND`, and behind further bars what is not told.
fn metric(line: &[u8]) -> Option<Vec<u8>> {
    let bar = line.iter().position(|b| *b == b'|')?;
    let (front, rest) = line.split_at(bar);
    let kind = rest.get(1..)?.split(|b| *b == b'|').next()?;
    let (_, kind) = KINDS.iter().find(|(letters, _)| *letters == kind)?;
    let colon = front.iter().position(|b| *b == b':')?;
    let (name, value) = front.split_at(colon);
    let value = value.get(1..)?;
    let of_a_name = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'{' | b'"');
    let is_set = *kind == b"set";
    let of_a_value = |b: &u8| is_set || b.is_ascii_digit() || b"+-.eE:".contains(b);
    let fits = !name.is_empty() && name.iter().all(of_a_name);
    let fits = fits && !value.is_empty() && value.iter().all(of_a_value);
    fits.then(|| [kind, b" ".as_slice(), name, b" ", value].concat())
}

/// What a datagram says; `None` where a line of it is no metric.
pub(crate) fn say(bytes: &[u8], _: bool) -> Option<Vec<u8>> {
    let lines = bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end);
    let lines: Vec<&[u8]> = lines
        .filter(|line| !line.is_empty())
        .take(MOST + 1)
        .collect();
    let told = lines.iter().take(MOST).map(|line| metric(line));
    let mut told = told
        .collect::<Option<Vec<_>>>()
        .filter(|told| !told.is_empty())?;
    if lines.len() > MOST {
        told.push(b"more".to_vec());
    }
    Some(told.join(&b"; "[..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_told_by_kind_name_and_value_and_what_is_none_is_not() {
        let said = |bytes: &[u8]| say(bytes, true).map(|text| String::from_utf8(text).unwrap());
        for (bytes, text) in [
            (&b"web.hits:1|c"[..], "counter web.hits 1"),
            (b"db.ms:12.5|ms|@0.1\n", "timer db.ms 12.5"),
            (
                b"load:-3|g|#host:a\nusers:bob|s",
                "gauge load -3; set users bob",
            ),
        ] {
            assert_eq!(said(bytes).as_deref(), Some(text));
        }
        let many = b"a:1|c\n".repeat(20);
        assert!(said(&many).is_some_and(|text| text.ends_with("counter a 1; more")));
        for none in [
            &b""[..],
            b"a:1",
            b"a:|c",
            b":1|c",
            b"a:b|c",
            b"GET / HTTP/1.1",
            b"{\"a:1|c",
            b"a b:1|c",
        ] {
            assert_eq!(said(none), None, "{none:?}");
        }
    }
}
