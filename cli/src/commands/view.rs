//! `afterimage view`: a view of the inspector as text, JSON lines or CSV.

mod follow;
mod form;

use super::When;
use crate::cache::Caching;
use crate::failure::{Failure, Outcome};
use crate::habits;
use crate::moment::Zone;
use crate::output::{Output, say};
use crate::source::{Source, filter, strangers};
use afterimage_indexer::{Form as Document, Progress, Rows, Session, Span};
use afterimage_model::Safe;
use afterimage_query::{Filter, Made, Shape, VIEWS, View as ViewRow};
use clap::Args;
use form::{Choice, Form};
use std::io::Write;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  afterimage view web.aft processes                    # processes as a tree
  afterimage view web.aft files container.name=web     # those of one container
  afterimage view web.aft connections --sort OUT -n 20 # the twenty busiest
  afterimage view web.aft files --csv > files.csv
  afterimage view web.aft lsof --at '#100' proc.name=sh # what it had open then
  afterimage view web.aft conversation fd.port=80      # what was said
  afterimage view web.aft map --as svg > map.svg
  afterimage view web.aft by --by proc.name            # by any field
  afterimage view web.aft connections --follow         # while it is recorded
  afterimage view --list                               # what views there are";

/// Show a view of the inspector as text
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct View {
    /// The capture; `-` reads a pipe
    #[arg(required_unless_present = "list")]
    file: Option<PathBuf>,
    /// The view, by its id
    #[arg(required_unless_present = "list")]
    view: Option<String>,
    /// Look only at events that match
    #[arg(allow_negative_numbers = true)]
    filter: Vec<String>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Comma-separated values with a header
    #[arg(long)]
    csv: bool,
    /// Column to sort by, largest first; -COLUMN for smallest first
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Only the first N rows
    #[arg(short = 'n', long = "rows", value_name = "N")]
    rows: Option<usize>,
    /// List the views
    #[arg(long)]
    list: bool,
    /// The state at this instant, for views of an instant (ps, lsof, netstat …): a time as --to takes it, or #N for that of event N
    #[arg(long, value_name = "TIME", conflicts_with = "to")]
    at: Option<String>,
    /// For the view `by`: the field that groups the events, such as proc.name or fd.type
    #[arg(long, value_name = "FIELD")]
    by: Option<String>,
    /// Write it in another form: raw (a conversation's bytes), cast (a session, asciicast 2), dot or svg (the map)
    #[arg(long = "as", value_name = "FORM", conflicts_with_all = ["json", "csv"])]
    form: Option<String>,
    /// Of a capture that is still being written: show the rows anew as they change, until it is sealed; as JSON or CSV, and where no
    /// terminal is, what is new
    #[arg(long, conflicts_with_all = ["at", "form"])]
    follow: bool,
    /// Show what is hidden: values of variables whose names say that they are secrets
    #[arg(long)]
    reveal: bool,
    /// Falco rule file for the view `alerts`; may be given again
    #[arg(long, value_name = "FILE")]
    rules: Vec<PathBuf>,
    #[command(flatten)]
    when: When,
    #[command(flatten)]
    caching: Caching,
}

impl View {
    /// Shows.
    pub fn run(self, out: &mut Output) -> Outcome {
        self.caching.apply();
        let (Some(file), Some(id), false) = (&self.file, &self.view, self.list) else {
            return super::views::list(out, super::Form::Text);
        };
        let (row, own, order) = match &self.by {
            Some(field) if id == "by" => (by(field)?, "", ""),
            None if id == "by" => {
                return Err(Failure::usage(
                    "the view `by` groups by a field, and none is named",
                    "--by proc.name; all of them: afterimage fields",
                ));
            }
            Some(_) => {
                return Err(Failure::usage(
                    "--by is for the view `by`",
                    format!(
                        "afterimage view FILE by --by {}",
                        Safe::new(self.by.as_deref().unwrap_or_default())
                    ),
                ));
            }
            None => named(id)?,
        };
        let mut filter = filter(&self.filter)?;
        if let Ok(own) = Filter::parse(own)
            && !own.is_all()
        {
            filter = Some(match filter {
                Some(filter) => own.and(filter),
                None => own,
            });
        }
        if row.shape == Shape::Made(Made::Alerts) && self.rules.is_empty() {
            return Err(Failure::usage(
                "alerts are made by rules, and no rule file is given",
                "--rules FILE",
            ));
        }
        let choice = Choice {
            form: match (self.json, self.csv) {
                (true, _) => Form::Json,
                (_, true) => Form::Csv,
                _ => Form::Text,
            },
            limit: self.rows.unwrap_or(usize::MAX),
            sort: self
                .sort
                .as_deref()
                .or(Some(order).filter(|order| !order.is_empty())),
            zone: self.when.tz,
            reveal: self.reveal,
            sparse: false,
        };
        if self.follow {
            return self.follow(out, file, (row, filter.as_ref()), &choice);
        }
        let mut source = Source::open(file)?;
        self.give_rules(&mut source.session)?;
        strangers(filter.as_ref(), source.session.schema());
        let mut span = source.span(
            self.when.from.as_deref(),
            self.when.to.as_deref(),
            self.when.tz,
        )?;
        if let Some(at) = &self.at {
            let at = source.instant(at, self.when.tz)?;
            span = Some((span.map_or(0, |span| span.0), at));
        }
        if let Some(form) = &self.form {
            document(out, &source, row, form, filter.as_ref(), span)?;
            out.flush()?;
            return Ok(source.report_loss());
        }
        rows(out, &source, row, filter.as_ref(), span, &choice)?;
        out.flush()?;
        Ok(source.report_loss())
    }

    fn give_rules(&self, session: &mut Session) -> Result<(), Failure> {
        if !self.rules.is_empty() {
            session.set_rules(super::detect::rules(&self.rules)?);
        }
        Ok(())
    }
}

/// Shows the first rows of a view as text: what `demo` prints where there is no terminal.
pub fn glance(
    out: &mut Output,
    source: &Source,
    id: &str,
    filter: Option<&Filter>,
    limit: usize,
) -> Result<(), Failure> {
    rows(
        out,
        source,
        find(id)?,
        filter,
        None,
        &Choice {
            form: Form::Text,
            limit,
            sort: None,
            zone: Zone::Utc,
            reveal: false,
            sparse: true,
        },
    )
}

/// The view with this id, or with the name csysdig has for it; a near miss is named.
pub fn find(id: &str) -> Result<&'static ViewRow, Failure> {
    named(id).map(|found| found.0)
}

/// The same, with the filter and the order that the name stands for at csysdig's or among sysdig's chisels.
fn named(id: &str) -> Result<(&'static ViewRow, &'static str, &'static str), Failure> {
    let by_id = |id: &str| VIEWS.iter().find(|view| view.id == id);
    let exact = || by_id(id).map(|view| (view, "", ""));
    let known = || {
        let (id, filter, order) = habits::view_for(id)?;
        Some((by_id(id)?, filter, order))
    };
    exact().or_else(known).ok_or_else(|| {
        let near = VIEWS.iter().find(|view| {
            view.id.starts_with(id)
                || id.starts_with(view.id)
                || view.title.eq_ignore_ascii_case(id)
        });
        Failure::usage(
            format!("there is no view {}", Safe::new(id)),
            match near {
                Some(view) => format!(
                    "{} ({}); all of them: afterimage views",
                    view.id, view.title
                ),
                None => "afterimage views lists them".to_owned(),
            },
        )
    })
}

/// The view that groups by a field.
fn by(field: &str) -> Result<&'static ViewRow, Failure> {
    afterimage_query::view_by(field).map_err(|error| {
        Failure::usage(
            format!("{}: {}", Safe::new(field), Safe::new(&error.message())),
            Safe::new(&error.remedy()).to_string(),
        )
    })
}

/// Writes a view in a form of its own.
fn document(
    out: &mut Output,
    source: &Source,
    view: &ViewRow,
    form: &str,
    filter: Option<&Filter>,
    span: Span,
) -> Result<(), Failure> {
    let Some(found) = Document::of(view, form) else {
        let of = |made| {
            let views = VIEWS
                .iter()
                .filter(move |row| row.shape == Shape::Made(made));
            views.map(|row| row.id)
        };
        let forms = Document::ALL.iter().map(|(_, end, views)| {
            let ids: Vec<&str> = views.iter().flat_map(|made| of(*made)).collect();
            format!("{end} of {}", ids.join(", "))
        });
        return Err(Failure::usage(
            format!("view {} cannot be written as {}", view.id, Safe::new(form)),
            forms.collect::<Vec<_>>().join("; "),
        ));
    };
    let written = source
        .session
        .document(view, found, filter, span, &Progress::default())
        .map_err(|error| Failure::new(Safe::new(&error.to_string()), ""))?;
    let Some(bytes) = written else {
        return Err(Failure::new(
            "there is no session at a terminal in what was selected",
            "afterimage view FILE sessions lists them",
        ));
    };
    out.write_all(&bytes)?;
    Ok(())
}

/// Why a view has no rows.
fn empty(session: &Session, view: &ViewRow, filter: Option<&Filter>, span: Span) -> String {
    if view.shape == Shape::Gaps {
        return "no gaps: nothing is known to be missing".to_owned();
    }
    let of_an_instant = match view.shape {
        // Nothing of the whole capture, either.
        Shape::Made(Made::Terminal) => false,
        Shape::Made(Made::Mounts) if session.has_no_seal() => false,
        Shape::Made(made) => made.is_of_an_instant(),
        _ => false,
    };
    match (filter, view.filter) {
        (Some(filter), _) if of_an_instant => format!(
            "no rows: at this instant nothing matches {}; --at '#N' shows that of event N",
            Safe::new(&filter.print())
        ),
        (None, _) if of_an_instant && span.is_some() => {
            "no rows: nothing at this instant".to_owned()
        }
        (None, _) if of_an_instant => "no rows: nothing was left when the capture ended; --at '#N' shows the instant of event N"
            .to_owned(),
        (Some(filter), _) => format!("no rows: nothing matches {}", Safe::new(&filter.print())),
        (None, "") => "no rows: nothing of this was recorded".to_owned(),
        (None, own) => format!("no rows: nothing of this was recorded, no event matches {own}"),
    }
}

/// The answer: the rows of a view, in the order of its own.
fn ask(
    session: &Session,
    view: &'static ViewRow,
    filter: Option<&Filter>,
    span: Span,
    choice: &Choice<'_>,
    progress: &Progress,
) -> Result<Rows, Failure> {
    let answer = match (choice.sort, choice.limit) {
        // Of a list in its own order no more is looked at than is shown.
        (None, limit) if limit < usize::MAX => {
            session.first_rows(view, filter, span, limit.max(1), progress)
        }
        _ => session.view(view, filter, span, progress),
    };
    answer.map_err(|error| {
        Failure::new(
            Safe::new(&format!("view {}: {error}", view.id)),
            "afterimage verify FILE says whether the capture is damaged",
        )
    })
}

/// Says why there are fewer rows than somebody may think there are.
fn say_fewer(
    session: &Session,
    view: &ViewRow,
    (filter, span): (Option<&Filter>, Span),
    (rows, truncated): (usize, bool),
) {
    if truncated {
        say(format_args!(
            "afterimage: there are more rows than the {rows} shown; a filter narrows them"
        ));
    }
    if rows == 0 {
        say(format_args!(
            "afterimage: {}",
            empty(session, view, filter, span)
        ));
    }
}

fn rows(
    out: &mut Output,
    source: &Source,
    view: &'static ViewRow,
    filter: Option<&Filter>,
    span: Span,
    choice: &Choice<'_>,
) -> Result<(), Failure> {
    let session = &source.session;
    let answer = ask(session, view, filter, span, choice, &Progress::default())?;
    say_fewer(
        session,
        view,
        (filter, span),
        (answer.rows.len(), answer.truncated),
    );
    let rows = choice.of(view, answer.rows)?;
    let empty = choice.write(out, session, view, &rows)?;
    if !empty.is_empty() && !choice.sparse {
        out.flush()?;
        say(format_args!(
            "columns in which nothing was recorded: {}",
            empty.join(", ")
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_view_is_answered_with_the_nearest() {
        assert!(find("no such view").is_err_and(|f| f.remedy == "afterimage views lists them"));
        assert!(find("container").is_err_and(|f| f.remedy.starts_with("containers (Containers)")));
        assert!(find("procs").is_ok_and(|view| view.id == "processes"));
        let order = |id: &str| named(id).map(|found| (found.0.id, found.1, found.2)).ok();
        assert_eq!(order("topfiles_bytes"), Some(("files", "", "BYTES")));
        assert_eq!(
            order("topfiles_time"),
            Some(("files", "evt.is_io=true", "WAITED"))
        );
    }
}
