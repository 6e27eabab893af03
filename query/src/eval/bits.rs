//! A set of rows, one bit each.

/// A set of the rows of a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bits {
    words: Vec<u64>,
}

impl Bits {
    /// No row of so many.
    pub fn none(rows: usize) -> Bits {
        Bits {
            words: vec![0; rows.div_ceil(64)],
        }
    }

    /// All of so many rows.
    pub fn all(rows: usize) -> Bits {
        let mut words = vec![u64::MAX; rows.div_ceil(64)];
        if let Some(last) = words.last_mut()
            && !rows.is_multiple_of(64)
        {
            *last = (1 << (rows % 64)) - 1;
        }
        Bits { words }
    }

    /// Those of so many rows that have their bit in these words.
    pub fn of_words(mut words: Vec<u64>, rows: usize) -> Bits {
        words.resize(rows.div_ceil(64), 0);
        let mut bits = Bits { words };
        bits.keep(&Bits::all(rows));
        bits
    }

    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    pub fn holds(&self, row: usize) -> bool {
        (self.words.get(row / 64)).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    pub fn put(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            *word |= 1 << (row % 64);
        }
    }

    /// Takes out a row.
    pub fn take(&mut self, row: usize) {
        if let Some(word) = self.words.get_mut(row / 64) {
            *word &= !(1 << (row % 64));
        }
    }

    fn with(&mut self, other: &Bits, join: impl Fn(u64, u64) -> u64) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word = join(*word, *other);
        }
    }

    /// Leaves only what is in both.
    pub fn keep(&mut self, other: &Bits) {
        self.with(other, |own, other| own & other);
    }

    /// Takes out what is in the other.
    pub fn drop(&mut self, other: &Bits) {
        self.with(other, |own, other| own & !other);
    }

    /// Adds what is in the other.
    pub fn add(&mut self, other: &Bits) {
        self.with(other, |own, other| own | other);
    }

    /// Those of its rows that `is` says yes to, by row and value.
    pub fn those<T: Copy>(&self, values: &[T], mut is: impl FnMut(usize, T) -> bool) -> Bits {
        let words = (self.words.iter()).zip(values.chunks(64)).enumerate();
        let words = words.map(|(at, (word, values))| {
            if *word == 0 {
                return 0;
            }
            let mut found = 0;
            for (bit, value) in values.iter().enumerate() {
                found |= u64::from(word >> bit & 1 == 1 && is(at * 64 + bit, *value)) << bit;
            }
            found
        });
        let mut words: Vec<u64> = words.collect();
        words.resize(self.words.len(), 0);
        Bits { words }
    }

    /// Its rows.
    #[cfg(test)]
    pub fn rows(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
                left &= left - 1;
                Some(at * 64 + bit)
            })
        })
    }

    /// The words, row 0 in the lowest bit of the first.
    pub fn into_words(self) -> Vec<u64> {
        self.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_joined_as_sets_are() {
        for rows in [0, 1, 63, 64, 65, 200] {
            let all = Bits::all(rows);
            assert_eq!(all.rows().count(), rows);
            let values: Vec<usize> = (0..rows).collect();
            let thirds = all.those(&values, |_, row| row % 3 == 0);
            let even = all.those(&values, |_, row| row % 2 == 0);
            let listed = |bits: &Bits| bits.rows().collect::<Vec<_>>();
            let expected =
                |is: &dyn Fn(usize) -> bool| (0..rows).filter(|row| is(*row)).collect::<Vec<_>>();
            let mut both = thirds.clone();
            both.keep(&even);
            assert_eq!(listed(&both), expected(&|row| row % 6 == 0));
            let mut either = thirds.clone();
            either.add(&even);
            assert_eq!(
                listed(&either),
                expected(&|row| row % 2 == 0 || row % 3 == 0)
            );
            either.drop(&even);
            assert_eq!(
                listed(&either),
                expected(&|row| row % 2 == 1 && row % 3 == 0)
            );
            let mut none = Bits::none(rows);
            assert!(none.is_empty());
            if rows > 0 {
                none.put(rows - 1);
                assert!(none.holds(rows - 1) && !none.is_empty());
            }
        }
    }
}
