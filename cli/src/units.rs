//! Quantities as people write them: sizes (`64MiB`), durations (`90s`, `5m`), and counts as they are shown.

use afterimage_model::time::Civil;
use clap::ValueEnum;
use std::time::Duration;

/// Units of instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Clock {
    /// As they are.
    Ns,
    /// Whole microseconds, which saves a third of the file; the order of events stays.
    Us,
}

impl Clock {
    /// Nanoseconds of one.
    pub fn unit_ns(self) -> u64 {
        match self {
            Clock::Ns => 1,
            Clock::Us => 1_000,
        }
    }
}

/// Suffixes of sizes. The bare letters mean powers of two, as in `dd` and sysdig.
const SIZES: &[(&str, u64)] = &[
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("t", 1 << 40),
    ("b", 1),
    ("", 1),
];

/// Suffixes of durations, ns.
const DURATIONS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
    ("", 1_000_000_000),
];

/// Splits `1.5GiB` into the number and the suffix.
fn split(text: &str) -> (&str, &str) {
    let at = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    (
        text.get(..at).unwrap_or_default(),
        text.get(at..).unwrap_or_default().trim_start(),
    )
}

/// `number × unit`, exact for whole numbers; `None` when it is no number or does not fit.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 9 || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let part = match fraction {
        "" => 0,
        digits => {
            u128::from(digits.parse::<u64>().ok()?) * u128::from(unit)
                / 10u128.pow(u32::try_from(digits.len()).ok()?)
        }
    };
    whole
        .checked_mul(unit)?
        .checked_add(u64::try_from(part).ok()?)
}

/// A number of bytes from `4096`, `64MiB`, `1.5G`, `10MB`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let (number, suffix) = split(text.trim());
    let suffix = suffix.to_ascii_lowercase();
    SIZES
        .iter()
        .find(|row| row.0 == suffix)
        .and_then(|row| scaled(number, row.1))
        .ok_or_else(|| "expected a size such as 4096, 64KiB, 64MiB or 2GB".to_owned())
}

/// A duration from `90s`, `5m`, `1h30m`, `250ms`; a bare number means seconds.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a duration such as 90s, 5m, 1h30m or 250ms".to_owned();
    let mut rest = text.trim();
    let mut total = 0u64;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let (number, tail) = split(rest);
        let at = tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len());
        let suffix = tail.get(..at).unwrap_or_default().trim_end();
        let unit = DURATIONS
            .iter()
            .find(|row| row.0 == suffix)
            .ok_or_else(wrong)?
            .1;
        total = scaled(number, unit)
            .and_then(|ns| total.checked_add(ns))
            .ok_or_else(wrong)?;
        rest = tail.get(at..).unwrap_or_default();
    }
    Ok(Duration::from_nanos(total))
}

/// A count with thousands apart: `1,234,567`.
pub fn show_count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 event`, `2 events`.
pub fn plural(n: u64, noun: &str) -> String {
    let end = match (n, noun.ends_with('s')) {
        (1, _) => "",
        (_, false) => "s",
        (_, true) => "es",
    };
    format!("{} {noun}{end}", show_count(n))
}

/// An instant since 1970, UTC, as people read it.
pub fn instant(unix_ns: i64) -> String {
    let c = Civil::from_unix_ns(unix_ns);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02} UTC",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("4096", 4096),
            ("64KiB", 65_536),
            ("64MiB", 64 << 20),
            ("1.5G", 3 << 29),
            ("2gb", 2_000_000_000),
            ("7 k", 7168),
            ("0.5M", 1 << 19),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "MiB",
            "12x",
            "-1",
            "1.2.3k",
            "99999999999999999999",
            "18446744073709551615k",
            ".",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, ms) in [
            ("90s", 90_000),
            ("5m", 300_000),
            ("250ms", 250),
            ("1h30m", 5_400_000),
            ("2", 2_000),
            ("1.5s", 1_500),
            ("1d", 86_400_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(ms)),
                "{text}"
            );
        }
        for text in ["", "s", "5 parsecs", "-3s", "999999999999h", "1h-2m"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_shown_with_thousands_apart() {
        assert_eq!(show_count(1_234_567), "1,234,567");
        assert_eq!(show_count(12), "12");
        assert_eq!(plural(1, "event"), "1 event");
    }
}
