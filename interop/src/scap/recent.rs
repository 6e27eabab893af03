//! Values by their number, when most questions are of the one that was asked for last: threads, and descriptors of a thread.
#![deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use hashbrown::HashMap;
use std::cell::Cell;

/// A map of which the last answer is remembered.
#[derive(Clone, Debug)]
pub struct Recent<V> {
    places: HashMap<i64, u32>,
    /// By place; free ones have nothing.
    values: Vec<Option<V>>,
    free: Vec<u32>,
    /// Which number is at which place. Of a number that went away no place is remembered.
    last: Cell<Option<(i64, u32)>>,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Recent {
            places: HashMap::new(),
            values: Vec::new(),
            free: Vec::new(),
            last: Cell::new(None),
        }
    }
}

impl<V> Recent<V> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Where the value of a number is.
    #[inline]
    fn place(&self, number: i64) -> Option<usize> {
        if let Some((last, place)) = self.last.get()
            && last == number
        {
            return Some(place as usize);
        }
        let place = *self.places.get(&number)?;
        self.last.set(Some((number, place)));
        Some(place as usize)
    }

    /// Whether a number has a value.
    #[inline]
    pub fn contains_key(&self, number: &i64) -> bool {
        self.place(*number).is_some()
    }

    /// The value of a number.
    #[inline]
    pub fn get(&self, number: &i64) -> Option<&V> {
        self.values.get(self.place(*number)?)?.as_ref()
    }

    /// The value of a number, to be changed.
    #[inline]
    pub fn get_mut(&mut self, number: &i64) -> Option<&mut V> {
        let place = self.place(*number)?;
        self.values.get_mut(place)?.as_mut()
    }

    /// Gives a number a value, and back the one that it had.
    pub fn insert(&mut self, number: i64, value: V) -> Option<V> {
        if let Some(place) = self.place(number) {
            return self.values.get_mut(place)?.replace(value);
        }
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.values.push(None);
                (self.values.len() - 1) as u32
            }
        };
        if let Some(free) = self.values.get_mut(place as usize) {
            *free = Some(value);
        }
        self.places.insert(number, place);
        None
    }

    /// Takes the value of a number away.
    pub fn remove(&mut self, number: &i64) -> Option<V> {
        let place = self.places.remove(number)?;
        self.last.set(None);
        self.free.push(place);
        self.values.get_mut(place as usize)?.take()
    }

    /// The numbers that have a value, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &i64> {
        self.places.keys()
    }

    /// The values, in no order.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.values.iter().flatten()
    }

    /// The values, to be changed, in no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.values.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::strategy::Strategy;
    use std::collections::HashMap as Plain;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(i64, u8),
        Remove(i64),
        Change(i64, u8),
    }

    proptest::proptest! {
        #[test]
        fn it_answers_as_a_map_does(steps in proptest::collection::vec(
            proptest::prop_oneof![
                (0_i64..6, proptest::num::u8::ANY).prop_map(|(number, value)| Step::Insert(number, value)),
                (0_i64..6).prop_map(Step::Remove),
                (0_i64..6, proptest::num::u8::ANY).prop_map(|(number, value)| Step::Change(number, value)),
            ],
            0..60,
        )) {
            let (mut recent, mut plain) = (Recent::default(), Plain::new());
            for step in steps {
                match step {
                    Step::Insert(number, value) => {
                        assert_eq!(recent.insert(number, value), plain.insert(number, value));
                    }
                    Step::Remove(number) => assert_eq!(recent.remove(&number), plain.remove(&number)),
                    Step::Change(number, value) => {
                        let changed = recent.get_mut(&number).map(|old| *old = value).is_some();
                        assert_eq!(changed, plain.get_mut(&number).map(|old| *old = value).is_some());
                    }
                }
                for number in 0..6 {
                    assert_eq!(recent.get(&number), plain.get(&number));
                    assert_eq!(recent.contains_key(&number), plain.contains_key(&number));
                }
                let sorted = |mut values: Vec<u8>| { values.sort_unstable(); values };
                assert_eq!(sorted(recent.values().copied().collect()), sorted(plain.values().copied().collect()));
                assert_eq!((recent.len(), recent.keys().count()), (plain.len(), plain.len()));
            }
        }
    }
}
