//! Getters of `syslog.*`: what a program writes to /dev/log (RFC 3164, 4.1).

use super::{Ctx, FieldValue, evt};
use crate::entity::FileKind;

/// Facilities by number, as the peers call them.
const FACILITIES: &[&str] = &[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "clock", "authpriv",
    "ftp", "ntp", "logaudit", "logalert", "cron", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

/// Severities by number.
const SEVERITIES: &[&str] = &[
    "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug",
];

/// Whether the event writes to the socket of the system log.
pub fn is_syslog(c: &Ctx<'_>) -> bool {
    let logs = |path: &[u8]| {
        path.ends_with(b"/dev/log") || path == b"/run/systemd/journal/dev-log".as_slice()
    };
    evt::direction(c) == Some(evt::Direction::Out)
        && c.file()
            .is_some_and(|file| file.kind == FileKind::Unix && logs(&file.path))
}

/// The number in front, and the text behind it.
fn parse(line: &[u8]) -> Option<(u16, &[u8])> {
    let rest = line.strip_prefix(b"<")?;
    let end = rest.iter().take(4).position(|b| *b == b'>')?;
    let number = std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()?;
    Some((number, rest.get(end + 1..)?))
}

/// What is written: its number, and its text.
fn line<'a>(c: &Ctx<'a>) -> Option<(u16, FieldValue<'a>)> {
    if !is_syslog(c) {
        return None;
    }
    let payload = evt::buffer(c)?;
    let text = payload.text();
    let (number, message) = parse(&text)?;
    Some((number, FieldValue::owned(message.to_vec())))
}

/// The facility's number.
pub fn facility(c: &Ctx<'_>) -> Option<u64> {
    line(c).map(|(number, _)| u64::from(number >> 3))
}

/// The severity's number.
pub fn severity(c: &Ctx<'_>) -> Option<u64> {
    line(c).map(|(number, _)| u64::from(number & 7))
}

/// The facility's name.
pub fn facility_name(c: &Ctx<'_>) -> Option<&'static str> {
    FACILITIES.get(usize::try_from(facility(c)?).ok()?).copied()
}

/// The severity's name.
pub fn severity_name(c: &Ctx<'_>) -> Option<&'static str> {
    SEVERITIES.get(usize::try_from(severity(c)?).ok()?).copied()
}

/// The text.
pub fn message<'a>(c: &Ctx<'a>) -> Option<FieldValue<'a>> {
    line(c).map(|(_, message)| message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_with_its_number() {
        assert_eq!(parse(b"<86>sshd: hi"), Some((86, &b"sshd: hi"[..])));
        assert_eq!(parse(b"<0>"), Some((0, &b""[..])));
        for bad in [&b""[..], b"86>x", b"<86", b"<86666>x", b"<a>x", b"<>x"] {
            assert_eq!(parse(bad), None);
        }
    }
}
