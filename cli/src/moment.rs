//! Instants as they are shown and asked for: `-t`, `--tz`, `--from` and `--to`.

use afterimage_model::{Ctx, Manifest, TypeDesc, time::Civil};
use chrono::{DateTime, NaiveDateTime, NaiveTime, Offset, TimeZone};

/// How the instant of an event is shown; the letters are sysdig's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Look {
    /// Seconds since 1970.
    #[value(name = "a", help = "absolute: seconds since 1970")]
    Absolute,
    /// Seconds since the first event.
    #[value(name = "r", help = "relative to the first event")]
    Relative,
    /// Seconds since the previous event that was shown; of a call that is two events, as in captures of sysdig, those between
    /// entry and return.
    #[value(
        name = "d",
        help = "delta: since the previous shown event, or of a scap since the entry to the call"
    )]
    Delta,
    /// Seconds since the previous event that was shown.
    #[value(name = "D", help = "delta from the previous shown event")]
    Previous,
    /// Time of day.
    #[default]
    #[value(name = "h", help = "human: time of day")]
    Human,
}

impl Look {
    /// Adds the instant of an event to a line.
    pub fn show(self, ctx: &Ctx<'_>, zone: Zone, line: &mut String) {
        let at = ctx.event.time.0;
        let ns = match self {
            Look::Absolute => i128::from(ctx.manifest.wall_ns(at)),
            Look::Relative => i128::from(at) - i128::from(ctx.first_ns),
            // Of a call that is two events: between entry and return.
            Look::Delta if ctx.ty().is_some_and(|ty| ty.is(TypeDesc::SCAP)) => {
                i128::from(ctx.event.latency_ns)
            }
            Look::Delta | Look::Previous => i128::from(at) - i128::from(ctx.previous_ns),
            Look::Human => {
                return zone
                    .civil(ctx.manifest, ctx.manifest.wall_ns(at))
                    .push_time_of_day(line);
            }
        };
        line.push_str(&seconds(ns));
    }
}

/// Nanoseconds as seconds with nine decimals.
fn seconds(ns: i128) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    format!(
        "{sign}{}.{:09}",
        ns.abs() / 1_000_000_000,
        ns.abs() % 1_000_000_000
    )
}

/// The zone times are shown and read in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// UTC.
    #[default]
    Utc,
    /// The reader's own.
    Local,
    /// That of the recorded host.
    Host,
    /// Seconds east of UTC.
    Fixed(i32),
}

impl Zone {
    /// From `utc`, `local`, `host`, `+02:00` or `-0330`.
    pub fn parse(text: &str) -> Result<Zone, String> {
        match text.to_ascii_lowercase().as_str() {
            "utc" | "z" => Ok(Zone::Utc),
            "local" => Ok(Zone::Local),
            "host" => Ok(Zone::Host),
            other => offset(other)
                .map(Zone::Fixed)
                .ok_or_else(|| "expected utc, local, host, or an offset such as +02:00".to_owned()),
        }
    }

    /// Seconds east of UTC at an instant (ns since 1970).
    pub fn east(self, manifest: &Manifest, unix_ns: i64) -> i32 {
        match self {
            Zone::Utc => 0,
            Zone::Fixed(east) => east,
            Zone::Host => offset(&manifest.time_zone).unwrap_or(0),
            Zone::Local => chrono::Local
                .timestamp_nanos(unix_ns)
                .offset()
                .fix()
                .local_minus_utc(),
        }
    }

    /// Date and time of day of an instant (ns since 1970) in this zone.
    pub fn civil(self, manifest: &Manifest, unix_ns: i64) -> Civil {
        Civil::from_unix_ns(
            unix_ns.saturating_add(i64::from(self.east(manifest, unix_ns)) * 1_000_000_000),
        )
    }

    /// Date, time and offset: `2026-11-22 17:19:46.000000000 +0000`.
    pub fn full(self, manifest: &Manifest, unix_ns: i64) -> String {
        let east = self.east(manifest, unix_ns);
        let civil = self.civil(manifest, unix_ns);
        let sign = if east < 0 { '-' } else { '+' };
        format!(
            "{:04}-{:02}-{:02} {} {sign}{:02}{:02}",
            civil.year,
            civil.month,
            civil.day,
            civil.time_of_day(),
            east.abs() / 3600,
            east.abs() / 60 % 60
        )
    }
}

/// `+02:00`, `+0200`, `-03` as seconds east of UTC.
fn offset(text: &str) -> Option<i32> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let hours: i32 = digits.get(..2)?.parse().ok()?;
    let minutes: i32 = digits
        .get(2..)
        .filter(|m| !m.is_empty())
        .map_or(Ok(0), str::parse)
        .ok()?;
    (hours <= 14 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// What an instant may look like on the command line.
pub const FORMS: &str = "2026-11-22T17:19:46Z, 2026-11-22 17:19:46, 17:19:46.5 (on the first event's day), +90s (after the first event) or seconds since 1970";

/// An instant asked for with `--from` or `--to`, as ns since boot. `first_ns` is the first event's instant.
pub fn parse(text: &str, manifest: &Manifest, zone: Zone, first_ns: u64) -> Option<u64> {
    let text = text.trim();
    if let Some(after) = text.strip_prefix('+') {
        let after = crate::units::parse_duration(after).ok()?;
        return first_ns.checked_add(u64::try_from(after.as_nanos()).ok()?);
    }
    let first_wall = manifest.wall_ns(first_ns);
    let unix_ns = if let Ok(instant) = DateTime::parse_from_rfc3339(&text.replacen(' ', "T", 1)) {
        instant.timestamp_nanos_opt()?
    } else if let Some(naive) = naive(text, zone.civil(manifest, first_wall)) {
        let as_utc = naive.and_utc().timestamp_nanos_opt()?;
        // The offset at the local time itself: off by the change only within the hour of a change.
        as_utc.checked_sub(i64::from(zone.east(manifest, as_utc)) * 1_000_000_000)?
    } else {
        epoch(text)?
    };
    let boot = i128::from(manifest.clock.boot_ns) + i128::from(unix_ns)
        - i128::from(manifest.clock.real_ns);
    u64::try_from(boot.max(0)).ok()
}

/// A date and time, or a time of day on the given day, without a zone.
fn naive(text: &str, day: Civil) -> Option<NaiveDateTime> {
    let text = text.replacen('T', " ", 1);
    for form in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"] {
        if let Ok(naive) = NaiveDateTime::parse_from_str(&text, form) {
            return Some(naive);
        }
    }
    let time = ["%H:%M:%S%.f", "%H:%M"]
        .iter()
        .find_map(|form| NaiveTime::parse_from_str(&text, form).ok())?;
    let date = chrono::NaiveDate::from_ymd_opt(
        i32::try_from(day.year).ok()?,
        day.month.into(),
        day.day.into(),
    )?;
    Some(date.and_time(time))
}

/// Seconds since 1970 with up to nine decimals.
fn epoch(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9
        || !fraction.bytes().all(|b| b.is_ascii_digit())
        || !whole.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let part: i64 = format!("{fraction:0<9}").parse().ok()?;
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(1_000_000_000)?
        .checked_add(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use afterimage_model::ClockPair;

    fn manifest() -> Manifest {
        // The machine booted 100 s before 2026-11-22T17:00:00Z.
        Manifest {
            clock: ClockPair {
                boot_ns: 100_000_000_000,
                mono_ns: 0,
                real_ns: 1_795_366_800_000_000_000,
            },
            time_zone: "+0200".into(),
            ..Manifest::default()
        }
    }

    #[test]
    fn an_instant_may_be_asked_for_in_every_listed_form() {
        let m = manifest();
        let ask = |text: &str, zone| parse(text, &m, zone, 101_000_000_000);
        for text in [
            "2026-11-22T17:00:05Z",
            "2026-11-22 17:00:05",
            "17:00:05",
            "17:00:05.0",
            "1795366805",
            "+4s",
            "2026-11-22T19:00:05+02:00",
        ] {
            assert_eq!(ask(text, Zone::Utc), Some(105_000_000_000), "{text}");
        }
        assert_eq!(ask("19:00:05", Zone::Host), Some(105_000_000_000));
        assert_eq!(
            ask("13:30:05", Zone::Fixed(-3 * 3600 - 1800)),
            Some(105_000_000_000)
        );
        assert_eq!(
            ask("1970-01-01T00:00:00Z", Zone::Utc),
            Some(0),
            "before the boot is the boot"
        );
        for text in ["", "soon", "25:00:00", "+x", "1.1234567890", "-5"] {
            assert_eq!(ask(text, Zone::Utc), None, "{text}");
        }
    }

    #[test]
    fn zones_shift_what_is_shown() {
        let m = manifest();
        let ns = m.wall_ns(105_000_000_000);
        assert_eq!(
            Zone::Utc.full(&m, ns),
            "2026-11-22 17:00:05.000000000 +0000"
        );
        assert_eq!(
            Zone::Host.full(&m, ns),
            "2026-11-22 19:00:05.000000000 +0200"
        );
        assert_eq!(
            Zone::parse("-0330").map(|z| z.full(&m, ns)),
            Ok("2026-11-22 13:30:05.000000000 -0330".into())
        );
        for text in ["", "+", "mars", "+2", "+99", "+12:75", "é"] {
            assert!(Zone::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn differences_keep_their_sign_and_their_nanoseconds() {
        assert_eq!(seconds(-1), "-0.000000001");
        assert_eq!(seconds(1_500_000_000), "1.500000000");
    }
}
