//! What stands below the rows of some views: the selected event in full and its bytes, or what was said in the selected talk.

use super::table::Table;
use super::{Pane, State};
use crate::detail::{Detail, Line};
use crate::worker::{Ask, Which};
use afterimage_indexer::{Cell, Rows};
use afterimage_model::Blob;
use afterimage_query::{Filter, Made, Shape, VIEWS, View};

/// What a view shows below its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Under {
    /// Nothing.
    Nothing,
    /// The event of the selected row: arguments with their meanings, and bytes.
    Event,
    /// What was said in the selected row's talks, and the bytes of the selected line.
    Said,
    /// Beside a terminal at an instant: what those who sat at it did, the last step until then selected.
    Caused,
}

impl Under {
    /// What a view shows below its rows.
    pub fn of(view: &View) -> Under {
        match view.shape {
            Shape::Events | Shape::Made(Made::Lines | Made::Messages | Made::Http) => Under::Event,
            Shape::Made(Made::Talks | Made::Sessions) => Under::Said,
            Shape::Made(Made::Terminal) => Under::Caused,
            _ => Under::Nothing,
        }
    }
}

/// The view whose rows stand below or beside those of another: what was said, or what was done.
pub fn said_view(under: Under) -> Option<&'static View> {
    let made = match under {
        Under::Caused => Made::Story,
        _ => Made::Lines,
    };
    VIEWS.iter().find(|view| view.shape == Shape::Made(made))
}

/// An event looked into, and where one stands in what there is to say of it.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// The event.
    pub detail: Option<Box<Detail>>,
    /// Its number as asked for; 0 for none.
    pub asked: u64,
    /// The selected line of the arguments pane, and the first on screen.
    pub argument: (usize, usize),
    /// The first line of the bytes pane.
    pub byte_line: usize,
}

impl Look {
    /// Takes an event that was asked for.
    pub fn take(&mut self, detail: Option<Box<Detail>>) {
        self.detail = detail;
        self.argument = (0, 0);
        self.byte_line = 0;
    }

    /// Lines there are to say.
    pub fn lines(&self) -> usize {
        self.detail.as_ref().map_or(0, |detail| detail.lines.len())
    }

    /// The bytes of the selected argument, else the first bytes there are, with the argument's name.
    pub fn bytes(&self) -> Option<(&str, &Blob)> {
        let detail = self.detail.as_ref()?;
        let of = |line: &'_ Line| line.blob;
        let line = detail
            .lines
            .get(self.argument.0)
            .filter(|line| of(line).is_some());
        let line = line.or_else(|| detail.lines.iter().find(|line| of(line).is_some()))?;
        Some((&line.name, detail.blobs.get(line.blob?)?))
    }
}

/// What stands below a table.
#[derive(Clone, Debug, Default)]
pub struct Below {
    /// The event that is looked into.
    pub look: Look,
    /// What was said, once it has come.
    pub said: Option<Box<Table>>,
    /// The filter of the row whose talks were asked for; `None` before any was.
    pub asked: Option<String>,
}

impl Below {
    /// Takes what was said, or done.
    pub fn take(&mut self, rows: Rows, under: Under) {
        let view = said_view(under);
        let columns = view.map_or(&[][..], |view| view.columns);
        let mut said = Table {
            column: view.map_or(0, |view| super::first_kept(view.keeps, view.columns)),
            ..Table::default()
        };
        said.fill(rows, columns);
        self.said = Some(Box::new(said));
    }

    /// The number of the event of the selected line; 0 for none.
    fn num(&self) -> u64 {
        let line = self.said.as_ref().and_then(|said| said.selected());
        line.map_or(0, |row| row.first_num)
    }
}

impl State {
    /// What the view on screen shows below its rows.
    pub fn under(&self) -> Under {
        Under::of(self.step().view)
    }

    /// The event that is looked into.
    pub fn look(&self) -> Option<&Look> {
        match (&self.step().body, self.under()) {
            (_, Under::Nothing) | (super::Body::Overview(_), _) => None,
            (super::Body::Events(list), _) => Some(&list.look),
            (super::Body::Table(table), _) => Some(&table.below.look),
        }
    }

    /// The same, to be changed.
    pub(super) fn look_mut(&mut self) -> Option<&mut Look> {
        let under = self.under();
        match (&mut self.step_mut().body, under) {
            (_, Under::Nothing) | (super::Body::Overview(_), _) => None,
            (super::Body::Events(list), _) => Some(&mut list.look),
            (super::Body::Table(table), _) => Some(&mut table.below.look),
        }
    }

    /// What was said in the selected talk, where that is shown and has come.
    pub(super) fn said_mut(&mut self) -> Option<&mut Table> {
        let under = self.under();
        match &mut self.step_mut().body {
            super::Body::Table(table) if matches!(under, Under::Said | Under::Caused) => {
                table.below.said.as_deref_mut()
            }
            _ => None,
        }
    }

    /// Asks for what stands below the rows, where that is for another row than before.
    pub(super) fn settle_below(&mut self) {
        match self.under() {
            Under::Said => self.settle_said(),
            Under::Caused if self.panes().arguments.height > 0 => self.settle_caused(),
            _ => {}
        }
        let num = match (&self.step().body, self.under()) {
            (super::Body::Events(list), _) => list.num(list.cursor),
            (super::Body::Table(table), Under::Event) => table.selected().map(|row| row.first_num),
            (super::Body::Table(table), Under::Said) => Some(table.below.num()),
            _ => return,
        };
        let num = num.unwrap_or(0);
        let Some(look) = self.look_mut().filter(|look| look.asked != num) else {
            return;
        };
        look.asked = num;
        match num {
            0 => look.take(None),
            num => self.ask(Ask::Detail(num)),
        }
    }

    fn settle_said(&mut self) {
        let super::Body::Table(table) = &self.step().body else {
            return;
        };
        let selected = table.selected().map(|row| row.filter.clone());
        if selected == table.below.asked {
            return;
        }
        let parsed = selected
            .as_deref()
            .and_then(|text| Filter::parse(text).ok());
        let outer = self.which();
        if let super::Body::Table(table) = &mut self.step_mut().body {
            table.below.asked = selected;
            table.below.said = None;
        }
        if let (Some(own), Some(view)) = (parsed, said_view(Under::Said)) {
            let filter = match outer.filter {
                Some(filter) => filter.and(own),
                None => own,
            };
            let which = Which {
                filter: Some(filter),
                span: outer.span,
            };
            self.ask(Ask::Said(view, which));
        }
    }

    /// Beside a terminal, selects the last step until the instant, where the user does not select another.
    pub(super) fn follow_instant(&mut self) {
        if self.under() != Under::Caused || self.pane == Pane::Arguments {
            return;
        }
        let now = i128::from(self.facts.manifest.wall_ns(self.instant()));
        if let Some(said) = self.said_mut() {
            let until = |line: &usize| {
                let time = said.line(*line).and_then(|row| row.cells.first());
                matches!(time, Some(Cell::Number(time)) if *time <= now)
            };
            said.cursor = (0..said.order.len()).rev().find(until).unwrap_or(0);
        }
    }

    /// Asks for what was done at a terminal, once.
    fn settle_caused(&mut self) {
        let which = Which {
            span: self.span,
            ..self.which()
        };
        let filter = which.filter.as_ref().map_or(String::new(), Filter::print);
        let asked = Some(format!("{filter} {:?}", which.span));
        let super::Body::Table(table) = &mut self.step_mut().body else {
            return;
        };
        if !table.loaded || table.below.asked == asked {
            return;
        }
        table.below.asked = asked;
        // Without a terminal there is nobody who sat at it.
        let any = !table.order.is_empty();
        if let Some(view) = said_view(Under::Caused).filter(|_| any) {
            self.ask(Ask::Said(view, which));
        }
    }
}
