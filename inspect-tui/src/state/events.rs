//! The event list: which events it has, the page of them that is at hand, the one that is looked into.

use super::look::Look;
use crate::waste::drop_elsewhere;
use crate::worker::Line;

/// Which events are in the list.
#[derive(Clone, Debug)]
pub enum Numbers {
    /// Every event of the capture.
    All(u64),
    /// Those that matched so far.
    Some(Vec<u64>),
}

/// The list and its panes.
#[derive(Clone, Debug)]
pub struct EventList {
    /// Which events.
    pub numbers: Numbers,
    /// Whether no more will come.
    pub last: bool,
    /// Whether every event of the span was looked at.
    pub complete: bool,
    /// The selected place in the list.
    pub cursor: usize,
    /// The first place on screen.
    pub top: usize,
    /// The selected column.
    pub column: usize,
    /// The place of the first line at hand.
    pub page_first: usize,
    /// Lines at hand, `None` for events that cannot be read.
    pub page: Vec<Option<Line>>,
    /// The widest cell of each column of the lines at hand.
    pub widest: Vec<u16>,
    /// The page that was asked for: first place and count.
    pub asked: Option<(usize, usize)>,
    /// The event looked into.
    pub look: Look,
    /// The number to stand on as soon as it, or a later one, has come.
    pub target: Option<u64>,
    /// Whether it stays at the end when more events come.
    pub follows: bool,
}

impl EventList {
    /// A list of all events, or one that waits for its numbers.
    pub fn new(all: Option<u64>) -> EventList {
        EventList {
            last: all.is_some(),
            complete: all.is_some(),
            numbers: all.map_or(Numbers::Some(Vec::new()), Numbers::All),
            cursor: 0,
            top: 0,
            column: 0,
            page_first: 0,
            page: Vec::new(),
            widest: Vec::new(),
            asked: None,
            look: Look::default(),
            target: None,
            follows: false,
        }
    }

    /// How many events are in it so far.
    pub fn len(&self) -> usize {
        match &self.numbers {
            Numbers::All(events) => usize::try_from(*events).unwrap_or(usize::MAX),
            Numbers::Some(nums) => nums.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the event at a place.
    pub fn num(&self, place: usize) -> Option<u64> {
        match &self.numbers {
            Numbers::All(events) => (place as u64).checked_add(1).filter(|num| num <= events),
            Numbers::Some(nums) => nums.get(place).copied(),
        }
    }

    /// The place of the first event with this number or a higher one.
    pub fn place(&self, num: u64) -> usize {
        match &self.numbers {
            Numbers::All(events) => {
                usize::try_from(num.clamp(1, (*events).max(1)) - 1).unwrap_or(usize::MAX)
            }
            Numbers::Some(nums) => nums.partition_point(|at| *at < num),
        }
    }

    /// Stands on an event, now or when it comes.
    pub fn go_to(&mut self, num: u64) {
        let place = self.place(num);
        if place < self.len() {
            self.cursor = place;
            self.target = None;
        } else if self.last {
            self.cursor = self.len().saturating_sub(1);
            self.target = None;
        } else {
            self.target = Some(num);
        }
    }

    /// Takes more numbers.
    pub fn extend(&mut self, mut more: Vec<u64>, last: bool, complete: bool) {
        if let Numbers::Some(nums) = &mut self.numbers {
            // Who asked for what came since may be told once more what came meanwhile.
            let known = nums.last().copied().unwrap_or_default();
            more.retain(|num| *num > known);
            nums.append(&mut more);
        }
        (self.last, self.complete) = (last, complete);
        if std::mem::take(&mut self.follows) {
            self.cursor = self.len().saturating_sub(1);
            self.follows = !last;
        }
        if let Some(num) = self.target {
            self.go_to(num);
        }
    }

    /// Takes the lines that were asked for, each to its place. Of events that cannot be read there are none.
    pub fn take_page(&mut self, lines: Vec<Line>) {
        let Some((first, count)) = self.asked.take() else {
            return;
        };
        let mut lines = lines.into_iter().peekable();
        let page = (first..first.saturating_add(count)).map(|place| {
            let num = self.num(place);
            lines.next_if(|line| Some(line.num) == num)
        });
        let page = page.collect();
        drop_elsewhere(std::mem::replace(&mut self.page, page));
        self.page_first = first;
    }

    /// The line at a place, when it is at hand.
    pub fn line(&self, place: usize) -> Option<&Line> {
        self.page.get(place.checked_sub(self.page_first)?)?.as_ref()
    }

    /// Whether the event at a place was asked for and cannot be read.
    pub fn is_unreadable(&self, place: usize) -> bool {
        let at = place.checked_sub(self.page_first);
        at.and_then(|at| self.page.get(at))
            .is_some_and(Option::is_none)
    }

    /// The first place and the count of a page to ask for, when what is on screen is not at hand.
    pub fn wants(&self, lines: usize) -> Option<(usize, usize)> {
        /// Lines beyond the screen that are fetched with it, each way.
        const AROUND: usize = 400;
        /// With fewer than so many of them left, more are fetched before they are needed.
        const NEAR: usize = 100;
        let all = self.len();
        let end = self.top.saturating_add(lines).min(all);
        let (from, to) = (self.top.saturating_sub(NEAR), (end + NEAR).min(all));
        let has = |first: usize, count: usize| first <= from && first.saturating_add(count) >= to;
        if end == self.top
            || has(self.page_first, self.page.len())
            || self.asked.is_some_and(|(first, count)| has(first, count))
        {
            return None;
        }
        let first = self.top.saturating_sub(AROUND);
        Some((first, (end + AROUND).min(all) - first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_has_not_come_yet_is_stood_on_when_it_comes() {
        let mut list = EventList::new(None);
        list.go_to(50);
        list.extend(vec![10, 20], false, false);
        assert_eq!(list.cursor, 0);
        list.extend(vec![40, 60, 70], false, false);
        assert_eq!((list.cursor, list.num(list.cursor)), (3, Some(60)));
    }

    #[test]
    fn a_target_beyond_the_end_stands_on_the_last() {
        let mut list = EventList::new(Some(9));
        list.go_to(100);
        assert_eq!(list.num(list.cursor), Some(9));
        let mut list = EventList::new(None);
        list.go_to(100);
        list.extend(vec![3, 4], true, true);
        assert_eq!(list.num(list.cursor), Some(4));
    }

    #[test]
    fn lines_go_to_their_places_and_those_that_cannot_be_read_stay_empty() {
        let line = |num| Line {
            num,
            failed: false,
            cells: Vec::new(),
            role: None,
        };
        let mut list = EventList::new(Some(6));
        assert_eq!(list.wants(20), Some((0, 6)));
        list.asked = Some((0, 6));
        list.take_page(vec![line(1), line(2), line(5), line(6)]);
        let num = |place| list.line(place).map(|line| line.num);
        assert_eq!((num(1), num(4), num(2)), (Some(2), Some(5), None));
        assert!(list.is_unreadable(2) && list.is_unreadable(3));
        assert!(!list.is_unreadable(1) && !list.is_unreadable(6));
        assert_eq!(list.wants(20), None, "it is not asked for again");
    }

    #[test]
    fn a_page_is_asked_for_once_and_only_when_needed() {
        let mut list = EventList::new(Some(1000));
        assert_eq!(list.wants(20), Some((0, 420)));
        list.asked = Some((0, 420));
        assert_eq!(list.wants(20), None);
        list.top = 300;
        assert_eq!(list.wants(20), None, "enough is on its way");
        list.top = 301;
        assert_eq!(list.wants(20), Some((0, 721)), "before it is needed");
        list.top = 500;
        assert_eq!(list.wants(20), Some((100, 820)));
        assert_eq!(EventList::new(Some(0)).wants(20), None);
    }
}
