//! What some views can be besides rows: the bytes of a conversation, a session as asciicast, a map as a drawing.

use crate::error::Error;
use crate::made::Asked;
use crate::session::{Progress, Session, Span};
use afterimage_query::{Filter, Made, Shape, View};

/// A form a view can be written in, by the ending of a file's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Everything that was said, byte by byte.
    Raw,
    /// A session at a terminal, asciicast version 2.
    Cast,
    /// A map, for Graphviz.
    Dot,
    /// A map as a drawing.
    Svg,
}

impl Form {
    /// Each form, the ending of its files, and which views have it.
    pub const ALL: &'static [(Form, &'static str, &'static [Made])] = &[
        (
            Form::Raw,
            "raw",
            &[Made::Lines, Made::Bytes, Made::Talks, Made::Sessions],
        ),
        (
            Form::Cast,
            "cast",
            &[Made::Sessions, Made::Terminal, Made::Lines],
        ),
        (Form::Dot, "dot", &[Made::Map]),
        (Form::Svg, "svg", &[Made::Map]),
    ];

    /// The form that a file with this ending has, when the view has it.
    pub fn of(view: &View, ending: &str) -> Option<Form> {
        let Shape::Made(made) = view.shape else {
            return None;
        };
        let row = Form::ALL
            .iter()
            .find(|(_, end, views)| *end == ending && views.contains(&made))?;
        Some(row.0)
    }
}

impl Session {
    /// A view in one of the forms it has; `None` when there is nothing to write.
    pub fn document(
        &self,
        view: &View,
        form: Form,
        filter: Option<&Filter>,
        span: Span,
        progress: &Progress,
    ) -> Result<Option<Vec<u8>>, Error> {
        let own = Filter::parse(view.filter).map_err(|source| Error::View {
            view: view.id,
            source,
        })?;
        let both = match filter {
            Some(filter) => own.and(filter.clone()),
            None => own,
        };
        let asked = Asked {
            view,
            filter: Some(&both),
            span,
            progress,
        };
        Ok(match form {
            Form::Raw => Some(crate::lines::raw(self, &asked)),
            Form::Cast => crate::sessions::asciicast(self, &asked),
            Form::Dot => Some(crate::map::dot(self, &asked).into_bytes()),
            Form::Svg => Some(crate::map::svg(self, &asked).into_bytes()),
        })
    }
}
