//! Instants. An event is stamped with the boot clock; wall time is derived from the capture's clock pairs.

use std::fmt;

/// Nanoseconds since boot, suspend included (`CLOCK_BOOTTIME`, `bpf_ktime_get_boot_ns`, Linux 5.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootNs(pub u64);

impl fmt::Display for BootNs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}

/// A civil UTC date and time of day, split from nanoseconds since 1970 (proleptic Gregorian).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Year, may be before 1970.
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59.
    pub second: u8,
    /// 0 to 999,999,999.
    pub nanosecond: u32,
}

impl Civil {
    /// Splits nanoseconds since the epoch, UTC.
    pub fn from_unix_ns(ns: i64) -> Civil {
        let seconds = ns.div_euclid(1_000_000_000);
        let nanosecond = ns.rem_euclid(1_000_000_000) as u32;
        let days = seconds.div_euclid(86_400);
        let of_day = seconds.rem_euclid(86_400);
        // Days to civil date: era of 400 years, year starting in March.
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let day = (doy - (153 * mp + 2) / 5 + 1) as u8;
        let month = if mp < 10 { mp + 3 } else { mp - 9 } as u8;
        let year = yoe + era * 400 + i64::from(month <= 2);
        Civil {
            year,
            month,
            day,
            hour: (of_day / 3600) as u8,
            minute: (of_day / 60 % 60) as u8,
            second: (of_day % 60) as u8,
            nanosecond,
        }
    }

    /// `HH:MM:SS.nnnnnnnnn`, the look of `evt.time`.
    pub fn time_of_day(&self) -> String {
        let mut text = String::with_capacity(18);
        self.push_time_of_day(&mut text);
        text
    }

    /// `HH:MM:SS.mmm`, of what is known to the millisecond.
    pub fn time_to_ms(&self) -> String {
        let mut text = self.time_of_day();
        text.truncate("00:00:00.000".len());
        text
    }

    /// Adds [`Civil::time_of_day`] to a text.
    pub fn push_time_of_day(&self, text: &mut String) {
        // Every line that is printed has one: cheaper than the formatter of the standard library.
        let mut face = *b"00:00:00.000000000";
        let mut part = |mut n: u32, from: usize, to: usize| {
            for digit in face.iter_mut().take(to).skip(from).rev() {
                *digit = b'0' + (n % 10) as u8;
                n /= 10;
            }
        };
        part(self.hour.into(), 0, 2);
        part(self.minute.into(), 3, 5);
        part(self.second.into(), 6, 8);
        part(self.nanosecond, 9, 18);
        text.push_str(std::str::from_utf8(&face).unwrap_or_default());
    }

    /// `YYYY-MM-DDTHH:MM:SS.nnnnnnnnn+0000`, the look of `evt.time.iso8601`.
    pub fn iso8601(&self) -> String {
        format!(
            "{:04}-{:02}-{:02}T{}+0000",
            self.year,
            self.month,
            self.day,
            self.time_of_day()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_instants_split_as_the_calendar_says() {
        assert_eq!(
            Civil::from_unix_ns(0).iso8601(),
            "1970-01-01T00:00:00.000000000+0000"
        );
        assert_eq!(
            Civil::from_unix_ns(951_782_400_000_000_001).iso8601(),
            "2000-02-29T00:00:00.000000001+0000"
        );
        assert_eq!(
            Civil::from_unix_ns(-1).iso8601(),
            "1969-12-31T23:59:59.999999999+0000"
        );
        assert_eq!(
            Civil::from_unix_ns(4_102_444_799_000_000_000).iso8601(),
            "2099-12-31T23:59:59.000000000+0000"
        );
    }
}
