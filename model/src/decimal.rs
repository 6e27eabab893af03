//! Whole numbers as decimal text. Every line that is printed has several of them, and the formatter of the standard library,
//! which knows of widths and signs, takes several times as long.

use std::fmt;

/// The digits of a whole number.
#[derive(Clone, Copy)]
pub struct Decimal {
    /// As many as 2^64 has, and a sign; those of the number are the last.
    digits: [u8; 20],
    from: u8,
}

impl Decimal {
    /// A number without a sign.
    pub fn unsigned(mut n: u64) -> Decimal {
        let mut digits = [b'0'; 20];
        let mut from = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + (n % 10) as u8;
            n /= 10;
            from -= 1;
            if n == 0 {
                break;
            }
        }
        Decimal {
            digits,
            from: from as u8,
        }
    }

    /// A number with a sign.
    pub fn signed(n: i64) -> Decimal {
        let mut decimal = Decimal::unsigned(n.unsigned_abs());
        // The largest number with a sign has 19 digits.
        if n < 0
            && let Some(before) = decimal.from.checked_sub(1)
            && let Some(sign) = decimal.digits.get_mut(usize::from(before))
        {
            *sign = b'-';
            decimal.from = before;
        }
        decimal
    }

    /// The text as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.digits
            .get(usize::from(self.from)..)
            .unwrap_or_default()
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_the_standard_library_writes_it() {
        let mut n = 1_u64;
        loop {
            for n in [n - 1, n, n.wrapping_mul(7), !n] {
                assert_eq!(Decimal::unsigned(n).as_str(), n.to_string());
                let signed = n as i64;
                assert_eq!(Decimal::signed(signed).as_str(), signed.to_string());
            }
            let Some(next) = n.checked_mul(10) else { break };
            n = next;
        }
        for n in [i64::MIN, i64::MAX, 0, -1] {
            assert_eq!(Decimal::signed(n).as_str(), n.to_string());
        }
        assert_eq!(Decimal::unsigned(u64::MAX).as_str(), u64::MAX.to_string());
    }
}
