//! The first of many events by the clock, in bounded memory, whatever order captures are gone through in.

use std::collections::BTreeMap;

/// Where an event stands: ns since 1970, its capture, its number there.
pub type At = (i64, String, u64);

/// Lines of the earliest events.
pub struct Earliest {
    lines: BTreeMap<At, String>,
    bytes: u64,
    most: usize,
    most_bytes: u64,
    cut: bool,
}

impl Earliest {
    /// At most so many lines, of at most so many bytes together.
    pub fn new(most: usize, most_bytes: u64) -> Earliest {
        Earliest {
            lines: BTreeMap::new(),
            bytes: 0,
            most,
            most_bytes,
            cut: false,
        }
    }

    /// Whether an event is earlier than what would have to go for it. One that is not is noted as left out.
    pub fn wants(&mut self, at: &At) -> bool {
        let wanted = self.has_room() || self.lines.last_key_value().is_some_and(|last| at < last.0);
        self.cut |= !wanted;
        wanted
    }

    /// The instant of the last line; the end of time while there is room.
    pub fn last(&self) -> i64 {
        match self.lines.last_key_value() {
            Some((last, _)) if !self.has_room() => last.0,
            _ => i64::MAX,
        }
    }

    fn has_room(&self) -> bool {
        self.lines.len() < self.most && self.bytes < self.most_bytes
    }

    /// Adds an event; what no longer has room goes.
    pub fn add(&mut self, at: At, line: String) {
        self.bytes += cost(&at, &line);
        if let Some(before) = self.lines.insert(at.clone(), line) {
            self.bytes -= cost(&at, &before);
        }
        while self.lines.len() > self.most || self.bytes > self.most_bytes && self.lines.len() > 1 {
            let Some((at, line)) = self.lines.pop_last() else {
                return;
            };
            self.bytes -= cost(&at, &line);
            self.cut = true;
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether some were left out.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// The lines in the order of the clock.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.values().map(String::as_str)
    }
}

fn cost(at: &At, line: &str) -> u64 {
    (at.1.len() + line.len() + 128) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_stay_whatever_order_they_come_in_and_memory_is_bounded() {
        let at = |ns: i64| (ns, "a.aft".to_owned(), 1);
        let mut few = Earliest::new(3, 1 << 20);
        for ns in [5, 1, 9, 3, 7, 2] {
            if few.wants(&at(ns)) {
                few.add(at(ns), ns.to_string());
            }
        }
        assert_eq!(few.lines().collect::<Vec<_>>(), ["1", "2", "3"]);
        assert!(few.is_cut() && few.last() == 3);
        let mut narrow = Earliest::new(1000, 300);
        for ns in (0..100).rev() {
            narrow.add(at(ns), ns.to_string());
        }
        assert!(narrow.len() < 4 && narrow.lines().next() == Some("0"));
        let mut none = Earliest::new(0, 300);
        assert!(!none.wants(&at(1)) && none.is_empty());
    }
}
