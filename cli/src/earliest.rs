//! The first of many events by the clock, in bounded memory, whatever order captures are gone through in.

use std::collections::BTreeMap;

/// Where an event stands: ns since 1970, its capture, its number there.
pub type At = (i64, String, u64);

/// The earliest events, or what is kept of them.
pub struct Earliest<T> {
    lines: BTreeMap<At, (T, usize)>,
    bytes: u64,
    most: usize,
    most_bytes: u64,
    cut: bool,
}

impl<T> Earliest<T> {
    /// At most so many, of at most so many bytes together.
    pub fn new(most: usize, most_bytes: u64) -> Earliest<T> {
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

    /// The instant of the last of them; the end of time while there is room.
    pub fn last(&self) -> i64 {
        match self.lines.last_key_value() {
            Some((last, _)) if !self.has_room() => last.0,
            _ => i64::MAX,
        }
    }

    fn has_room(&self) -> bool {
        self.lines.len() < self.most && self.bytes < self.most_bytes
    }

    /// Adds an event, of which so many bytes are kept; what no longer has room goes.
    pub fn add(&mut self, at: At, kept: T, bytes: usize) {
        self.bytes += cost(&at, bytes);
        if let Some((_, before)) = self.lines.insert(at.clone(), (kept, bytes)) {
            self.bytes -= cost(&at, before);
        }
        while self.lines.len() > self.most || self.bytes > self.most_bytes && self.lines.len() > 1 {
            let Some((at, (_, bytes))) = self.lines.pop_last() else {
                return;
            };
            self.bytes -= cost(&at, bytes);
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

    /// All in the order of the clock.
    pub fn all(&self) -> impl Iterator<Item = (&At, &T)> {
        self.lines.iter().map(|(at, (kept, _))| (at, kept))
    }
}

fn cost(at: &At, bytes: usize) -> u64 {
    (at.1.len() + bytes + 128) as u64
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
                few.add(at(ns), ns, 1);
            }
        }
        let kept: Vec<i64> = few.all().map(|(_, ns)| *ns).collect();
        assert_eq!(kept, [1, 2, 3]);
        assert!(few.is_cut() && few.last() == 3);
        let mut narrow = Earliest::new(1000, 300);
        for ns in (0..100).rev() {
            narrow.add(at(ns), ns, 2);
        }
        assert!(narrow.len() < 4 && narrow.all().next().is_some_and(|(_, ns)| *ns == 0));
        let mut none = Earliest::<i64>::new(0, 300);
        assert!(!none.wants(&at(1)) && none.is_empty());
    }
}
