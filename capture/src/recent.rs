//! A map of what was used lately: bounded, and what is asked for again and again stays.

use std::collections::HashMap;
use std::hash::Hash;

/// Two generations. When the younger is full it becomes the older, whose own rest goes; what is found in the older is young again.
pub struct Recent<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// Most entries of each generation.
    most: usize,
}

impl<K: Hash + Eq, V: Copy> Recent<K, V> {
    /// An empty map that forgets nothing which was asked for, or put there, within the last `most` entries.
    pub fn new(most: usize) -> Recent<K, V> {
        Recent {
            young: HashMap::new(),
            old: HashMap::new(),
            most: most.max(1),
        }
    }

    /// What is kept of `key`.
    pub fn get(&mut self, key: &K) -> Option<V> {
        if let Some(value) = self.young.get(key) {
            return Some(*value);
        }
        let (key, value) = self.old.remove_entry(key)?;
        self.insert(key, value);
        Some(value)
    }

    /// Keeps `value`.
    pub fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.most && !self.young.contains_key(&key) {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(key, value);
    }

    /// All that is kept; of a key that was put there twice, maybe both.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.young.values().chain(self.old.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_the_rest_goes() {
        let mut recent = Recent::new(100);
        recent.insert(0, 'a');
        for other in 1..10_000 {
            recent.insert(other, 'b');
            assert!(recent.values().count() <= 200);
            if other % 50 == 0 {
                assert_eq!(recent.get(&0), Some('a'), "after {other} others");
            }
        }
        assert_eq!(recent.get(&1), None);
        assert_eq!(recent.get(&9_950), Some('b'));
    }

    #[test]
    fn the_newest_value_of_a_key_is_told() {
        let mut recent = Recent::new(2);
        for key in [1, 2, 3] {
            recent.insert(key, 'a');
        }
        recent.insert(1, 'b');
        assert_eq!(recent.get(&1), Some('b'));
        recent.insert(4, 'a');
        assert_eq!(recent.get(&1), Some('b'));
        assert_eq!(recent.get(&2), None);
    }
}
