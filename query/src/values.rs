//! Values as text: quoting and escapes, and numbers, durations, instants, addresses and ports out of what a user wrote.

use afterimage_model::{Safe, services};
use std::fmt::Write;
use std::net::IpAddr;
use std::ops::Range;

/// Captured bytes as a quoted value of the filter language. Parsing it gives the same bytes; it holds no control
/// character and nothing that is not UTF-8.
pub fn quote(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        for (at, c) in valid.char_indices() {
            let mut room = [0; 4];
            let text: &str = c.encode_utf8(&mut room);
            let ends = chunk.invalid().is_empty() && at + c.len_utf8() == valid.len();
            match c {
                '"' => out.push_str("\\\""),
                // A quote right behind a backslash would not close.
                '\\' if ends => out.push_str("\\x5c"),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                _ if Safe::new(text).to_string() == text => out.push(c),
                _ => push_hex(&mut out, text.as_bytes()),
            }
        }
        push_hex(&mut out, chunk.invalid());
    }
    out.push('"');
    out
}

fn push_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(out, "\\x{byte:02x}");
    }
}

/// A value as the canonical text has it: bare where that is possible, else quoted.
pub fn print_value(bytes: &[u8]) -> String {
    let bare = |b: &u8| {
        b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'_' | b'.' | b'/' | b':' | b'-' | b'+' | b'@' | b'%' | b'~'
            )
    };
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.is_empty() && bytes.iter().all(bare) => text.to_owned(),
        _ => quote(bytes),
    }
}

/// What is between quotes, escapes undone: those of the peers, and `\u{N}` as [`Safe`] shows characters. Another escape is
/// an error; its place in the text is given.
pub(crate) fn unescape(text: &str, quote: char) -> Result<Vec<u8>, Range<usize>> {
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    while let Some(at) = text.get(done..).and_then(|rest| rest.find('\\')) {
        let at = done + at;
        out.extend_from_slice(text.get(done..at).unwrap_or_default().as_bytes());
        let escape = text.get(at..).unwrap_or_default();
        let shown = escape.chars().take(2).map(char::len_utf8).sum::<usize>();
        let (bytes, len) = escaped(escape, quote).ok_or(at..at + shown)?;
        out.extend_from_slice(&bytes);
        done = at + len;
    }
    out.extend_from_slice(text.get(done..).unwrap_or_default().as_bytes());
    Ok(out)
}

/// The bytes of the escape at the start of `text`, and its length.
fn escaped(text: &str, quote: char) -> Option<(Vec<u8>, usize)> {
    let simple = match *text.as_bytes().get(1)? {
        b'b' => Some(8),
        b'f' => Some(12),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'/' => Some(b'/'),
        // Rules of old end a text with a backslash before a blank; the peers read a backslash.
        b'\\' | b' ' => Some(b'\\'),
        c if char::from(c) == quote => Some(c),
        _ => None,
    };
    if let Some(byte) = simple {
        return Some((vec![byte], 2));
    }
    let is_hex = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(digits) = text.strip_prefix("\\x").and_then(|rest| rest.get(..2)) {
        let byte = is_hex(digits).then(|| u8::from_str_radix(digits, 16).ok());
        return Some((vec![byte??], 4));
    }
    let (digits, _) = text.strip_prefix("\\u{")?.split_once('}')?;
    let c = (digits.len() <= 6 && is_hex(digits))
        .then(|| u32::from_str_radix(digits, 16).ok())
        .flatten()
        .and_then(char::from_u32)?;
    Some((c.to_string().into_bytes(), digits.len() + 4))
}

/// A number that may have a fraction.
pub(crate) fn fraction(text: &str) -> Option<f64> {
    match number(text) {
        Some(n) => Some(n as f64),
        None => text
            .starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+')
            .then(|| text.parse().ok())
            .flatten()
            .filter(|n: &f64| n.is_finite()),
    }
}

/// Decimal, `0x` hex, or with an exponent (`1e9`) where the result is whole.
pub(crate) fn number(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Some(hex) = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        return hex
            .bytes()
            .all(|b| b.is_ascii_hexdigit())
            .then(|| u64::from_str_radix(hex, 16).ok())
            .flatten()
            .map(|n| sign * i128::from(n));
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        return digits.parse::<u64>().ok().map(|n| sign * i128::from(n));
    }
    let (mantissa, exponent) = digits.split_once(['e', 'E'])?;
    decimal(mantissa, exponent.parse().ok().filter(|e| *e <= 18)?).map(|n| sign * n)
}

/// `mantissa × 10^exponent`, when that is a whole number.
fn decimal(mantissa: &str, exponent: u32) -> Option<i128> {
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let is_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit()) && s.len() <= 20;
    if whole.is_empty() || !is_digits(whole) || !is_digits(part) {
        return None;
    }
    let part = part.trim_end_matches('0');
    let missing = exponent.checked_sub(u32::try_from(part.len()).ok()?)?;
    format!("{whole}{part}")
        .parse::<i128>()
        .ok()?
        .checked_mul(10i128.checked_pow(missing)?)
}

/// Nanoseconds, bare or with a unit: `1500`, `1.5ms`, `2s`, `5m`, `1h`.
pub fn duration_ns(text: &str) -> Option<i128> {
    const UNITS: &[(&str, i128)] = &[
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    if let Some(n) = number(text) {
        return Some(n);
    }
    let (unit, scale) = UNITS.iter().find(|(unit, _)| {
        text.strip_suffix(unit)
            .is_some_and(|n| n.ends_with(|c: char| c.is_ascii_digit()))
    })?;
    let count = text.strip_suffix(unit)?;
    // Billionths of the unit first, so that 0.5h is exact.
    Some(decimal(count, 9)?.checked_mul(*scale)? / 1_000_000_000)
}

/// Nanoseconds since 1970: a bare number, or `2026-01-31T12:00:00.5+01:00` (UTC when no zone is given; the time may be left out).
pub fn instant_ns(text: &str) -> Option<i128> {
    if let Some(n) = number(text) {
        return Some(n);
    }
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let mut parts = date.splitn(3, '-').map(digits);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
        return None;
    }
    let (clock, zone_s) = zone(time)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut parts = clock.splitn(3, ':').map(digits);
    let (hour, minute, second) = (
        parts.next()??,
        parts.next()??,
        parts.next().unwrap_or(Some(0))?,
    );
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let fraction_ns = decimal(&format!("0.{fraction}"), 9)?;
    let seconds =
        days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - zone_s;
    Some(i128::from(seconds) * 1_000_000_000 + fraction_ns)
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

/// Splits `Z`, `+0200` or `-02:00` off a time of day; the zone in seconds east of UTC.
fn zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else {
        return Some((time, 0));
    };
    let (clock, zone) = time.split_at(at);
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let zone: String = zone.chars().skip(1).filter(|c| *c != ':').collect();
    let (hours, minutes) = (
        digits(zone.get(..2)?)?,
        digits(zone.get(2..).filter(|m| !m.is_empty()).unwrap_or("00"))?,
    );
    (hours <= 14 && minutes < 60).then_some((clock, sign * (hours * 3600 + minutes * 60)))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Proleptic Gregorian, the year starting in March so that the leap day is its last.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A block of addresses; a single address is a block with its full length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cidr {
    ip: IpAddr,
    bits: u8,
}

impl Cidr {
    pub fn parse(text: &str) -> Option<Cidr> {
        let (ip, bits) = match text.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits)),
            None => (text, None),
        };
        let ip: IpAddr = ip.parse().ok()?;
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => digits(bits)
                .and_then(|n| u8::try_from(n).ok())
                .filter(|n| *n <= longest)?,
            None => longest,
        };
        Some(Cidr { ip, bits })
    }

    /// Whether the address lies in the block. An IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2) is the IPv4 address.
    pub fn holds(&self, ip: IpAddr) -> bool {
        match (self.ip, ip.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(self.bits);
                u32::from(net).checked_shr(shift) == u32::from(ip).checked_shr(shift)
            }
            (IpAddr::V6(net), _) => {
                let ip = match ip {
                    IpAddr::V4(ip) if net.to_ipv4_mapped().is_some() => ip.to_ipv6_mapped(),
                    IpAddr::V4(_) => return false,
                    IpAddr::V6(ip) => ip,
                };
                let shift = 128 - u32::from(self.bits);
                u128::from(net).checked_shr(shift) == u128::from(ip).checked_shr(shift)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) => false,
        }
    }
}

/// A port by number or by service name.
pub(crate) fn port(text: &str) -> Option<i128> {
    if let Some(port) = services::port(text) {
        return Some(i128::from(port));
    }
    number(text).filter(|n| (0..=65_535).contains(n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_whole_and_bounded() {
        assert_eq!(number("42"), Some(42));
        assert_eq!(number("-1"), Some(-1));
        assert_eq!(number("+1"), Some(1));
        assert_eq!(number("0x10"), Some(16));
        assert_eq!(number("1e9"), Some(1_000_000_000));
        assert_eq!(number("1.5e3"), Some(1500));
        assert_eq!(number("18446744073709551615"), Some(i128::from(u64::MAX)));
        for bad in [
            "",
            "-",
            "+-1",
            "1.5",
            "0x",
            "0xg",
            "0x+1",
            "18446744073709551616",
            "1e99",
            "1e-3",
            "1_000",
            "e3",
        ] {
            assert_eq!(number(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_take_units_and_fractions() {
        assert_eq!(duration_ns("1500"), Some(1500));
        assert_eq!(duration_ns("5ms"), Some(5_000_000));
        assert_eq!(duration_ns("1.5s"), Some(1_500_000_000));
        assert_eq!(duration_ns("0.5h"), Some(1_800_000_000_000));
        assert_eq!(duration_ns("2m"), Some(120_000_000_000));
        assert_eq!(duration_ns("7µs"), Some(7_000));
        for bad in ["s", "1.s", "five s", "1d", "1 s", "1..5s"] {
            assert_eq!(duration_ns(bad), None, "{bad}");
        }
    }

    #[test]
    fn instants_are_read_as_they_are_printed() {
        for ns in [
            0,
            951_782_400_000_000_001,
            1_700_000_000_123_456_789,
            4_102_444_799_000_000_000i64,
        ] {
            let text = afterimage_model::time::Civil::from_unix_ns(ns).iso8601();
            assert_eq!(instant_ns(&text), Some(i128::from(ns)), "{text}");
        }
        assert_eq!(instant_ns("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(instant_ns("1970-01-02"), Some(86_400_000_000_000));
        assert_eq!(instant_ns("1970-01-01 00:00:01.5Z"), Some(1_500_000_000));
        for bad in [
            "2026-02-29",
            "2026-13-01",
            "yesterday",
            "2026-01-01T25:00:00",
            "2026-01-01T10:00:00+99:00",
            "12:00:00",
        ] {
            assert_eq!(instant_ns(bad), None, "{bad}");
        }
    }

    #[test]
    fn blocks_hold_what_they_should() {
        let holds = |net: &str, ip: &str| Cidr::parse(net).unwrap().holds(ip.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.0.1"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "255.255.255.255"));
        assert!(holds("::/0", "::1"));
        assert!(!holds("::/0", "127.0.0.1"));
        assert!(holds("127.0.0.1", "::ffff:127.0.0.1"));
        assert!(holds("::ffff:127.0.0.1", "127.0.0.1"));
        assert!(holds("fe80::/10", "fe80::1"));
        for bad in [
            "10.0.0.0/33",
            "10.0.0/8",
            "::/129",
            "10.0.0.0/",
            "localhost",
            "10.0.0.0/-1",
        ] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ports_go_by_number_and_by_name() {
        assert_eq!(port("https"), Some(443));
        assert_eq!(port("65536"), None);
    }

    #[test]
    fn an_escape_without_a_meaning_is_an_error_at_its_place() {
        assert_eq!(
            unescape(r"a\\\x41\u{e9}\/\b\ x", '"').unwrap(),
            b"a\\A\xc3\xa9/\x08\\x"
        );
        for (text, place) in [
            (r"a\d+", 1..3),
            (r"\xzz", 0..2),
            (r"\x4", 0..2),
            (r"\u{zz}", 0..2),
            (r"\'", 0..2),
            (r"ab\", 2..3),
            (r"\é", 0..3),
        ] {
            assert_eq!(unescape(text, '"'), Err(place), "{text}");
        }
        assert_eq!(unescape(r"\'", '\'').unwrap(), b"'");
    }

    proptest! {
        #[test]
        fn any_bytes_survive_quoting_and_show_no_control_character(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let text = quote(&bytes);
            prop_assert!(text.chars().all(|c| !c.is_control()));
            prop_assert_eq!(unescape(&text[1..text.len() - 1], '"').unwrap(), bytes.clone());
            let token = crate::lexer::Lexer::new(&print_value(&bytes)).value().unwrap();
            prop_assert_eq!(token.bytes, bytes);
        }

        #[test]
        fn no_text_makes_a_value_reader_panic(text in "\\PC{0,30}") {
            let _ = (number(&text), duration_ns(&text), instant_ns(&text), Cidr::parse(&text), port(&text));
        }
    }
}
