//! What drawing and clicking ask of the state: where things are, what columns need, what is said. Changes nothing.

use super::entry::Entry;
use super::look::{Under, said_view};
use super::{Body, Pane, State};
use crate::area::{self, Plan};
use crate::fit;
use crate::show::{self, Epoch};
use crate::worker::Lane;
use afterimage_indexer::{Cell, TimeStyle};
use afterimage_model::Gap;
use afterimage_query::{Aggregate, Column, Shape, Unit, View};

/// The column of a tree that is pushed in: the first that says something of the row and is no key.
pub fn tree_column(view: &View) -> Option<usize> {
    let tree = view.shape == Shape::Tree;
    let named = || {
        view.columns
            .iter()
            .position(|column| column.aggregate != Aggregate::Key)
    };
    tree.then(named).flatten()
}

/// What columns need, with those that stay where not all fit.
pub fn keeping(
    keeps: &[&str],
    columns: &[Column],
    widths: impl Iterator<Item = area::Width>,
    total: u16,
) -> Vec<area::Width> {
    /// Cells that the first of them gets at most before others do.
    const ENOUGH: u16 = 40;
    let with_rank = |(column, mut width): (&Column, area::Width)| {
        width.kept = keeps.iter().position(|title| *title == column.title);
        if width.kept == Some(0) {
            // Half of the screen is for what answers the question.
            let most = match width.elastic {
                true => width.wish,
                false => width.cells,
            };
            width.short = width.short.max(most.min(total / 2).min(ENOUGH));
        }
        width
    };
    columns.iter().zip(widths).map(with_rank).collect()
}

/// The column that stays longest where not all fit: what is selected there at first.
pub fn first_kept(keeps: &[&str], columns: &[Column]) -> usize {
    let first = keeps.first();
    let titles = columns.iter().map(|column| column.title);
    titles
        .enumerate()
        .find(|(_, title)| Some(title) == first)
        .map_or(0, |found| found.0)
}

/// A row that is selected.
pub struct Chosen<'s> {
    /// The view it is of.
    pub view: &'static View,
    /// What it says, by column.
    pub cells: &'s [Cell],
    /// The selected column.
    pub column: usize,
}

impl State {
    /// The row that is selected in the pane that has the focus.
    pub fn chosen(&self) -> Option<Chosen<'_>> {
        let view = self.step().view;
        let (view, cells, column) = match &self.step().body {
            // The arguments of an event are no rows of a view: then it is the event's own.
            Body::Table(table)
                if self.pane == Pane::Arguments
                    && matches!(self.under(), Under::Said | Under::Caused) =>
            {
                let (view, said) = said_view(self.under()).zip(table.below.said.as_deref())?;
                (view, &said.selected()?.cells, said.column)
            }
            Body::Table(table) => (view, &table.selected()?.cells, table.column),
            Body::Events(list) => (view, &list.line(list.cursor)?.cells, list.column),
            Body::Overview(_) => return None,
        };
        Some(Chosen {
            view,
            cells,
            column,
        })
    }

    /// Where things are on the screen.
    pub fn plan(&self) -> Plan {
        let typing = self.entry.as_ref().map_or(0, |entry| match entry.kind {
            kind if kind.is_list() => {
                (self.size.1 / 2).min(entry.choices(self.step().view) as u16 + 1)
            }
            _ => 1 + self.said(entry).len() as u16,
        });
        // What a tile means stands above what it comes to.
        let said = match &self.step().body {
            Body::Overview(_) if typing == 0 && self.size.1 >= 20 => 2,
            _ => typing.min(self.size.1 / 2),
        };
        let wanted = area::Wanted {
            beside: self.lanes_beside(),
            courses: self.courses.len() as u16,
            bottom: said,
        };
        area::plan(self.size.0, self.size.1, wanted)
    }

    /// The trail as it is named on screen: views, the rows opened on the way, and the step each belongs to.
    pub fn crumbs(&self) -> Vec<(String, usize)> {
        let mut out = Vec::new();
        for (at, step) in self.trail.iter().enumerate() {
            if !step.from.is_empty() {
                out.push((step.from.clone(), at));
            }
            let mark = if step.filter_text.is_empty() { "" } else { "*" };
            out.push((format!("{}{mark}", step.view.id), at));
        }
        out
    }

    /// What the columns on screen need.
    pub fn column_widths(&self) -> Vec<area::Width> {
        let total = self.size.0;
        let style = self.epoch().style;
        let view = self.step().view;
        let widest: &[u16] = match &self.step().body {
            Body::Table(table) => &table.widest,
            Body::Events(list) => &list.widest,
            Body::Overview(_) => &[],
        };
        // What is pushed in needs more than its widest text.
        let tree = view.shape == Shape::Tree;
        let width = |(at, column): (usize, &Column)| {
            let widest = widest
                .get(at)
                .copied()
                .filter(|_| !tree || Some(at) != tree_column(view));
            show::width(column, widest, &style, total)
        };
        let widths = view.columns.iter().enumerate().map(width);
        let mut widths = keeping(view.keeps, view.columns, widths, total);
        // A column in which no row has anything gives way to those that say something.
        if let Body::Table(table) = &self.step().body
            && !table.order.is_empty()
        {
            let found = view.columns.iter().zip(&table.widest);
            for (width, (column, widest)) in widths.iter_mut().zip(found) {
                if *widest == 0 && column.unit != Unit::Time && width.kept != Some(0) {
                    width.kept = None;
                }
            }
        }
        widths
    }

    /// What is said below the line being typed: why it is wrong, or what it could become.
    pub fn said(&self, entry: &Entry) -> Vec<String> {
        let mut said = Vec::new();
        if let Some(error) = &entry.error {
            let lead = |bytes: usize| {
                fit::cells(&fit::plain(entry.text.get(..bytes).unwrap_or(&entry.text)))
            };
            let from = lead(error.span().start);
            let marks = lead(error.span().end).saturating_sub(from).max(1);
            let indent = fit::cells(entry.kind.prompt()) + from;
            said.push(format!("{}{}", " ".repeat(indent), "^".repeat(marks)));
            said.push(fit::plain(&format!(
                "{}: {}",
                error.message(),
                error.remedy()
            )));
        }
        let room = usize::from(self.size.1 / 3).max(2);
        said.extend(
            entry
                .hints
                .iter()
                .take(room)
                .map(|hint| fit::plain(&format!("{:<24} {}", hint.text, hint.doc))),
        );
        if entry.hints.len() > room {
            said.push(format!("and {} more", entry.hints.len() - room));
        }
        said
    }

    /// How instants are shown.
    pub fn epoch(&self) -> Epoch<'_> {
        let manifest = &self.facts.manifest;
        let first = self.facts.span.map_or(0, |span| span.0);
        let first_ns = manifest.wall_ns(self.reference.unwrap_or(first));
        Epoch {
            manifest,
            style: TimeStyle {
                look: self.look,
                offset_s: 0,
                first_ns,
            },
        }
    }

    /// Whether an answer for the view is still to come.
    pub fn working(&self) -> bool {
        [Lane::Body, Lane::Errand]
            .iter()
            .any(|lane| self.tickets.contains_key(lane))
    }

    /// Whether an answer in this lane is still to come.
    pub fn coming(&self, lane: Lane) -> bool {
        self.tickets.contains_key(&lane)
    }

    /// Whether any answer is still to come.
    pub fn waiting(&self) -> bool {
        !self.tickets.is_empty()
    }

    /// The gaps that meet the span.
    pub fn gaps(&self) -> impl Iterator<Item = &Gap> {
        self.facts.gaps().filter(|gap| {
            self.span
                .is_none_or(|(first, last)| gap.end.0 >= first && gap.start.0 <= last)
        })
    }
}
