//! The instant of an event, and how long its call took or waited.

use super::scap;
use crate::fields::Ctx;
use crate::manifest::Manifest;
use crate::schema::TypeDesc;
use crate::time::Civil;

/// How long the event's call took, if it waited.
pub fn latency(c: &Ctx<'_>) -> Option<u64> {
    if let Some(ty) = scap(c) {
        return Some(c.event.latency_ns).filter(|_| !ty.is(TypeDesc::INTERNAL));
    }
    Some(c.event.latency_ns).filter(|ns| *ns > 0)
}

/// How long a call took that waits.
pub fn wait_latency(c: &Ctx<'_>) -> Option<u64> {
    match scap(c) {
        Some(ty) => Some(c.event.latency_ns).filter(|_| ty.is(TypeDesc::WAITS | TypeDesc::EXIT)),
        None => latency(c),
    }
}

/// A duration with the unit that suits it, below ten of them with two decimals, as sysdig shows it.
pub fn human(ns: u64) -> String {
    let units = [(SECOND, "s"), (1_000_000, "ms"), (1_000, "us")];
    match units.iter().find(|(unit, _)| ns >= *unit) {
        Some((unit, name)) if ns >= unit * 10 => format!("{}{name}", ns / unit),
        Some((unit, name)) => format!("{}.{:02}{name}", ns / unit, ns % unit * 100 / unit),
        None => format!("{ns}ns"),
    }
}

/// Ten times the decimal logarithm of a duration in nanoseconds.
pub fn quantized(ns: u64) -> u64 {
    (10.0 * (ns.max(1) as f64).log10()) as u64
}

/// Seconds in nanoseconds.
pub const SECOND: u64 = 1_000_000_000;

/// Calls that wait, as the peers mark them, with their later forms; sorted.
pub(super) const WAITS: &[&str] = &[
    "clock_nanosleep",
    "epoll_pwait",
    "epoll_pwait2",
    "epoll_wait",
    "nanosleep",
    "poll",
    "ppoll",
    "pselect6",
    "select",
];

/// Whether the call is one that waits.
pub fn waits(c: &Ctx<'_>) -> bool {
    if let Some(ty) = scap(c) {
        return ty.is(TypeDesc::WAITS);
    }
    c.ty()
        .is_some_and(|ty| ty.is_syscall && WAITS.binary_search(&ty.name.as_str()).is_ok())
}

/// How far the event is from an instant in ns since 1970.
pub fn distance(c: &Ctx<'_>, instant: &str) -> Option<u64> {
    Some(instant.parse::<i64>().ok()?.abs_diff(wall_ns(c)))
}

/// The event's instant, ns since 1970.
pub fn wall_ns(c: &Ctx<'_>) -> i64 {
    c.manifest.wall_ns(c.event.time.0)
}

/// The event's instant on the recorded host's own clock face.
pub fn local(c: &Ctx<'_>) -> Civil {
    Civil::from_unix_ns(wall_ns(c).saturating_add(zone_ns(c.manifest)))
}

/// How far the host's clock face is ahead of UTC, from `+0200`; 0 when not known.
fn zone_ns(manifest: &Manifest) -> i64 {
    let zone = manifest.time_zone.as_str();
    let (sign, digits) = match (zone.strip_prefix('+'), zone.strip_prefix('-')) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return 0,
    };
    let part = |range| {
        digits
            .get(range)
            .and_then(|text: &str| text.parse::<i64>().ok())
            .filter(|n| (0..60).contains(n))
    };
    match (digits.len(), part(0..2), part(2..4)) {
        (4, Some(hours), Some(minutes)) => sign * (hours * 3600 + minutes * 60) * SECOND as i64,
        _ => 0,
    }
}

/// `YYYY-MM-DD HH:MM:SS`.
pub fn date_and_second(civil: Civil) -> String {
    format!(
        "{:04}-{:02}-{:02} {}",
        civil.year,
        civil.month,
        civil.day,
        second_of_day(civil)
    )
}

/// `HH:MM:SS`.
pub fn second_of_day(civil: Civil) -> String {
    format!("{:02}:{:02}:{:02}", civil.hour, civil.minute, civil.second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_zone_moves_the_clock_face_and_nonsense_does_not() {
        let zone = |text: &str| {
            zone_ns(&Manifest {
                time_zone: text.to_owned(),
                ..Manifest::default()
            }) / SECOND as i64
        };
        assert_eq!(zone("+0200"), 7200);
        assert_eq!(zone("-0330"), -12_600);
        for text in ["", "Z", "+", "+2", "+020x", "+99999", "-é000"] {
            assert_eq!(zone(text), 0, "{text}");
        }
    }
}
