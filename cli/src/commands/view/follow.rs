//! A view of a capture that is still being written, shown anew as it changes: on a terminal in its place, elsewhere as blocks that say
//! up to when they tell, and as JSON or CSV each row that is new or has changed.

use super::form::{Choice, Form};
use super::{View, ask, say_fewer};
use crate::failure::{Failure, Outcome};
use crate::following::Followed;
use crate::output::Output;
use crate::source::strangers;
use afterimage_indexer::{Row, Session};
use afterimage_query::{Filter, View as ViewRow};
use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often a view is shown at most. One that takes longer than that to make is made half of the time.
const PACE: Duration = Duration::from_millis(500);

impl View {
    /// Shows a view until the capture is sealed, or nobody wants to see more.
    pub(super) fn follow(
        &self,
        out: &mut Output,
        file: &Path,
        (view, filter): (&'static ViewRow, Option<&Filter>),
        choice: &Choice<'_>,
    ) -> Outcome {
        let mut followed = Followed::open(file)?;
        self.give_rules(&mut followed.session)?;
        strangers(filter, followed.session.schema());
        let (from, to) = (self.when.from.as_deref(), self.when.to.as_deref());
        let progress = followed.progress();
        let mut showing = Showing::new(choice, view);
        loop {
            let begun = Instant::now();
            let span = followed.span(from, to, self.when.tz)?;
            if followed.has_begun() {
                let session = &followed.session;
                let answer = ask(session, view, filter, span, choice, &progress)?;
                // What was not made to its end would seem to have become less.
                if !followed.is_stopped() {
                    showing.found = (answer.rows.len(), answer.truncated);
                    showing.show(out, session, choice.of(view, answer.rows)?)?;
                }
            }
            let pace = begun.elapsed().max(PACE);
            if !followed.goes_on_until(Instant::now() + pace)? {
                break;
            }
        }
        showing.ended(out, &followed.session)?;
        if followed.has_begun() {
            say_fewer(&followed.session, view, (filter, None), showing.found);
        }
        Ok(followed.report_loss(&progress))
    }
}

/// What was shown so far.
struct Showing<'a> {
    choice: &'a Choice<'a>,
    view: &'static ViewRow,
    /// How texts are told from each other, in a way that nobody who is recorded can foresee.
    hasher: RandomState,
    /// Of what was shown last: the table, or each line.
    shown: HashSet<u64>,
    has_head: bool,
    /// Rows of the last answer, and whether there were more.
    found: (usize, bool),
    /// These rows, where they are to stay.
    last: Vec<Row>,
}

impl<'a> Showing<'a> {
    fn new(choice: &'a Choice<'a>, view: &'static ViewRow) -> Showing<'a> {
        Showing {
            choice,
            view,
            hasher: RandomState::new(),
            shown: HashSet::new(),
            has_head: false,
            found: (0, false),
            last: Vec::new(),
        }
    }

    fn show(&mut self, out: &mut Output, session: &Session, rows: Vec<Row>) -> io::Result<()> {
        match self.choice.form {
            Form::Text => self.block(out, session, &rows)?,
            Form::Json | Form::Csv => self.lines(out, &rows)?,
        }
        if self.stays(out) {
            self.last = rows;
        }
        out.flush()
    }

    /// Whether each table takes the place of the one before.
    fn stays(&self, out: &Output) -> bool {
        self.choice.form == Form::Text && out.sketches()
    }

    fn block(&mut self, out: &mut Output, session: &Session, rows: &[Row]) -> io::Result<()> {
        let (choice, view) = (self.choice, self.view);
        if rows.is_empty() && self.shown.is_empty() {
            return Ok(());
        }
        let text = out.aside(|out| choice.write(out, session, view, rows).map(drop))?;
        let hash = self.hasher.hash_one(&text);
        if !std::mem::replace(&mut self.shown, HashSet::from([hash])).contains(&hash) {
            let manifest = session.manifest();
            let end = session.span().map_or(0, |span| span.1);
            let end = choice.zone.full(manifest, manifest.wall_ns(end));
            if self.stays(out) {
                out.sketch_text(&format!("up to {end}; Ctrl-C ends"), &text)?;
            } else {
                writeln!(out, "up to {end}")?;
                out.write_all(&text)?;
                writeln!(out)?;
            }
        }
        Ok(())
    }

    fn lines(&mut self, out: &mut Output, rows: &[Row]) -> io::Result<()> {
        let mut shown = HashSet::with_capacity(rows.len());
        for row in rows {
            let line = self.choice.line(self.view, row);
            let hash = self.hasher.hash_one(&line);
            if !self.shown.contains(&hash) {
                if let Some(head) = self.choice.head(self.view).filter(|_| !self.has_head) {
                    writeln!(out, "{head}")?;
                }
                self.has_head = true;
                writeln!(out, "{line}")?;
            }
            shown.insert(hash);
        }
        self.shown = shown;
        Ok(())
    }

    /// The last table stays on a terminal, whole.
    fn ended(&self, out: &mut Output, session: &Session) -> Result<(), Failure> {
        if self.stays(out) && !self.shown.is_empty() {
            self.choice.write(out, session, self.view, &self.last)?;
        }
        Ok(out.flush()?)
    }
}
