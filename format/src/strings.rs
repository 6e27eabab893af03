//! Distinct strings in the order in which they occur, and how what is filled anew for every chunk is emptied.

use crate::batch::Arg;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// Entries of a list, or of a table, of which the memory is never worth giving back.
const LITTLE: usize = 1024;

/// How many entries' memory something keeps that is emptied: what it was used for last, not what another mix of events needed
/// once. `None` when all of it.
pub(crate) fn kept(capacity: usize, used: usize) -> Option<usize> {
    (capacity > 4 * used.max(LITTLE)).then_some(2 * used)
}

/// Empties a list.
pub(crate) fn empty<T>(list: &mut Vec<T>) {
    let kept = kept(list.capacity(), list.len());
    list.clear();
    if let Some(kept) = kept {
        list.shrink_to(kept);
    }
}

/// Distinct byte strings, numbered as they first occur.
#[derive(Default)]
pub(crate) struct Dictionary {
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// End in `bytes`, and length before any cut.
    entries: Vec<(usize, u64)>,
    pub bytes: Vec<u8>,
    /// Strings that repeat are not looked for.
    pub loose: bool,
}

impl Dictionary {
    /// The place of a string that is in it.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<u32> {
        let full_len = bytes.len() as u64;
        let hash = self.hasher.hash_one((bytes, full_len));
        let same = |place: &u32| self.at(*place) == Arg::Bytes(bytes, full_len);
        self.places.find(hash, same).copied()
    }

    /// Strings in it.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The place of a string, which is put in when it is new.
    pub(crate) fn place(&mut self, bytes: &[u8], full_len: u64) -> u32 {
        let full_len = full_len.max(bytes.len() as u64);
        let Dictionary {
            places,
            hasher,
            entries,
            bytes: all,
            loose,
        } = self;
        if *loose {
            all.extend_from_slice(bytes);
            entries.push((all.len(), full_len));
            return (entries.len() - 1) as u32;
        }
        let at = |entries: &[(usize, u64)], place: usize| {
            let from = place.checked_sub(1).map_or(0, |before| entries[before].0);
            (from..entries[place].0, entries[place].1)
        };
        let hash_of = |bytes: &[u8], full_len: u64| hasher.hash_one((bytes, full_len));
        let hash = hash_of(bytes, full_len);
        let found = places.find(hash, |place| {
            let (range, full) = at(entries, *place as usize);
            full == full_len && all[range] == *bytes
        });
        if let Some(place) = found {
            return *place;
        }
        let place = entries.len() as u32;
        all.extend_from_slice(bytes);
        entries.push((all.len(), full_len));
        places.insert_unique(hash, place, |place| {
            let (range, full) = at(entries, *place as usize);
            hash_of(&all[range], full)
        });
        place
    }

    /// The string of a place.
    pub(crate) fn at(&self, place: u32) -> Arg<'_> {
        let place = place as usize;
        let from = place
            .checked_sub(1)
            .and_then(|before| self.entries.get(before));
        let from = from.map_or(0, |before| before.0);
        let Some((end, full_len)) = self.entries.get(place) else {
            return Arg::Absent;
        };
        Arg::Bytes(self.bytes.get(from..*end).unwrap_or_default(), *full_len)
    }

    /// Each string, in order.
    pub(crate) fn strings(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = 0;
        self.entries.iter().map(move |(end, _)| {
            let string = self.bytes.get(from..*end).unwrap_or_default();
            from = *end;
            string
        })
    }

    /// Length and length before any cut of each string.
    pub fn lengths(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut from = 0;
        self.entries.iter().map(move |(end, full_len)| {
            let len = (end - from) as u64;
            from = *end;
            (len, *full_len)
        })
    }

    /// Makes it empty, keeping the memory that the next chunk may need.
    pub(crate) fn clear(&mut self) {
        let kept = kept(self.places.capacity(), self.places.len());
        self.places.clear();
        if let Some(kept) = kept {
            self.places.shrink_to(kept, |_| 0);
        }
        empty(&mut self.entries);
        empty(&mut self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_needed_once_is_given_back_and_what_is_needed_each_time_stays() {
        let mut dictionary = Dictionary::default();
        let mut fill = |strings: u64| {
            for at in 0..strings {
                let place = dictionary.place(&at.to_le_bytes(), 8);
                assert_eq!(u64::from(place), at);
            }
            dictionary.clear();
            assert_eq!(dictionary.find(&0_u64.to_le_bytes()), None);
            let Dictionary {
                places,
                entries,
                bytes,
                ..
            } = &dictionary;
            (places.capacity(), entries.capacity(), bytes.capacity())
        };
        let most = fill(60_000);
        assert!(
            most.0 >= 60_000 && most.1 >= 60_000 && most.2 >= 480_000,
            "{most:?}"
        );
        assert_eq!(fill(50_000), most);
        let least = fill(2_000);
        assert!(
            least.0 <= 8_000 && least.1 <= 8_000 && least.2 <= 64_000,
            "{least:?}"
        );
        // What is little is never worth it.
        let little = fill(10);
        assert_eq!(fill(10), little);
        assert!(little.1 <= 4 * LITTLE, "{little:?}");
    }
}
