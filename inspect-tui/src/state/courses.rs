//! Marked tiles, whose courses the timeline shows one below the other.

use super::{Body, State};
use crate::worker::{Ask, Which};
use afterimage_indexer as indexer;
use afterimage_query::{TILES, Tile};
use std::collections::BTreeMap;

/// The letters that tell marked tiles apart: as many may be marked.
pub const LETTERS: &str = "ABCDEFGH";

/// As many tiles may be marked.
pub const MOST_MARKS: usize = LETTERS.len();

/// Which tiles are marked, and their courses.
#[derive(Clone, Debug, Default)]
pub struct Courses {
    /// Places in `TILES`, by the place of the letter in [`LETTERS`].
    marked: BTreeMap<usize, usize>,
    /// What was counted; `None` until it was.
    pub counted: Option<indexer::Overview>,
    /// What was asked for: steps and tiles.
    asked: (usize, Vec<usize>),
}

impl Courses {
    /// The marked tiles, each with the place of its letter, in the order of the letters.
    pub fn marked(&self) -> impl Iterator<Item = (usize, &'static Tile)> {
        let with_tile = |(letter, tile): (&usize, &usize)| Some((*letter, TILES.get(*tile)?));
        self.marked.iter().filter_map(with_tile)
    }

    /// How many are marked.
    pub fn len(&self) -> usize {
        self.marked.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.marked.is_empty()
    }

    /// The place of the letter of a tile that is marked.
    pub fn letter_of(&self, tile: usize) -> Option<usize> {
        let found = self.marked.iter().find(|row| *row.1 == tile);
        found.map(|row| *row.0)
    }

    /// The marked tiles to be kept: the places of their letters, and their ids.
    pub(super) fn kept(&self) -> Vec<(usize, String)> {
        let marked = self.marked();
        marked.map(|(at, tile)| (at, tile.id.to_owned())).collect()
    }

    /// What a tile has come to, step by step, once that is counted.
    pub fn of(&self, tile: &Tile) -> Option<&indexer::TileTotal> {
        let tiles = &self.counted.as_ref()?.tiles;
        tiles.iter().find(|total| total.tile.id == tile.id)
    }

    /// Asks anew at the next occasion.
    pub(super) fn forget_asked(&mut self) {
        self.asked = (0, Vec::new());
    }
}

/// The letter at a place.
pub fn letter(place: usize) -> &'static str {
    LETTERS.get(place..=place).unwrap_or(" ")
}

impl State {
    /// Marks the selected tile, or takes its mark away.
    pub(super) fn pin(&mut self) {
        let Body::Overview(overview) = &self.step().body else {
            return self.say(
                "only tiles of the overview are marked so: 1 leads there",
                true,
            );
        };
        let at = overview.cursor;
        let Some(tile) = TILES.get(at) else { return };
        if let Some(letter) = self.courses.letter_of(at) {
            self.courses.marked.remove(&letter);
            return self.say(&format!("{} is not marked any more", tile.title), false);
        }
        let free = (0..LETTERS.len()).find(|place| !self.courses.marked.contains_key(place));
        let Some(place) = free else {
            let says = format!("{} tiles are marked, the most there can be", LETTERS.len());
            return self.say(&says, true);
        };
        self.courses.marked.insert(place, at);
        let plan = self.plan();
        let room = match (plan.timeline.height, usize::from(plan.courses)) {
            (0, _) => "; this screen is too low for the timeline",
            (_, lines) if lines < self.courses.len() => "; a higher screen shows all of them",
            _ => " on the timeline",
        };
        let says = format!("{} is {}{room}", tile.title, letter(place));
        self.say(&says, false);
    }

    /// Marks these tiles and no others, each with the letter at this place. What is no tile of ours is left out.
    pub fn mark_tiles<'t>(&mut self, tiles: impl Iterator<Item = (usize, &'t str)>) {
        self.courses = Courses::default();
        for (letter, id) in tiles.filter(|(letter, _)| *letter < LETTERS.len()) {
            let found = TILES.iter().position(|tile| tile.id == id);
            if let Some(at) = found.filter(|at| self.courses.letter_of(*at).is_none()) {
                self.courses.marked.insert(letter, at);
            }
        }
    }

    /// Takes all marks of tiles away.
    pub(super) fn unpin(&mut self) {
        match self.courses.is_empty() {
            true => self.say("no tile is marked", true),
            false => {
                self.courses = Courses::default();
                self.say("no tile is marked any more", false);
            }
        }
    }

    /// Asks for the courses of the marked tiles, where they are not at hand.
    pub(super) fn settle_courses(&mut self) {
        let plan = self.plan();
        let steps = match plan.courses {
            0 => 0,
            _ => usize::from(plan.strip().width),
        };
        let marked: Vec<usize> = self.courses.marked.values().copied().collect();
        let wanted = (steps, marked);
        if steps == 0 || self.courses.asked == wanted {
            return;
        }
        self.courses.asked = wanted;
        let tiles = self.courses.marked().map(|(_, tile)| tile).collect();
        let which = Which {
            span: self.span,
            ..self.which()
        };
        self.ask(Ask::Courses(which, tiles, steps));
    }
}
