//! Output formats of `read`: sysdig's defaults, `-pc`, `-pk`, a user's own, and where the time goes.
//!
//! How `%evt.outputtime` looks is the reader's choice (`-t`, `--tz`), not the event's, so it is filled in here; the rest
//! is a [`Template`].

use crate::failure::Failure;
use crate::moment::{Look, Zone};
use crate::source::bad_filter;
use afterimage_model::Ctx;
use afterimage_query::{PRESETS, Shown, Template};

/// The placeholder that stands for the reader's own time format.
const TIME: &str = "%evt.outputtime";

/// A parsed output format.
#[derive(Debug)]
pub struct Layout {
    /// Parts between times.
    parts: Vec<Template>,
    look: Look,
    zone: Zone,
}

impl Layout {
    /// From `-p`: `c`, `k`, or a format.
    pub fn parse(format: Option<&str>, look: Look, zone: Zone) -> Result<Layout, Failure> {
        Layout::of(format, look, zone, false)
    }

    /// As [`Layout::parse`]; the built-in formats say whether an event is an entry or a return, for captures that have both.
    pub fn with_directions(
        format: Option<&str>,
        look: Look,
        zone: Zone,
    ) -> Result<Layout, Failure> {
        Layout::of(format, look, zone, true)
    }

    fn of(
        format: Option<&str>,
        look: Look,
        zone: Zone,
        directions: bool,
    ) -> Result<Layout, Failure> {
        let kind = if directions {
            "%evt.dir %evt.type"
        } else {
            "%evt.type"
        };
        let preset = preset(format).map(|text| {
            let text = text
                .replace("%evt.time ", "%evt.outputtime ")
                .replace("%evt.type", kind);
            match directions {
                // As sysdig has them.
                true => text
                    .replace("%proc.vpid", "%thread.vtid")
                    .replace("%k8s.ns.name/", ""),
                false => text,
            }
        });
        let format = preset.as_deref().or(format).unwrap_or_default();
        // Parsed whole first, so that a caret points into what the user wrote.
        let star = format.starts_with('*');
        if !format.contains(TIME) {
            return Ok(Layout {
                parts: vec![Template::parse(format).map_err(|e| bad_filter(&e))?],
                look,
                zone,
            });
        }
        let parts = format.strip_prefix('*').unwrap_or(format).split(TIME);
        let parts = parts
            .map(|part| {
                Template::parse(&format!("{}{part}", if star { "*" } else { "" }))
                    .map_err(|e| bad_filter(&e))
            })
            .collect::<Result<_, _>>()?;
        Ok(Layout { parts, look, zone })
    }

    /// The fields it shows.
    pub fn shown(&self) -> impl Iterator<Item = &Shown> {
        self.parts.iter().flat_map(Template::shown)
    }

    /// Adds the line for an event to a text; false, and nothing is added, when the format does not print it.
    pub fn line(&self, ctx: &Ctx<'_>, line: &mut String) -> bool {
        let from = line.len();
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                self.look.show(ctx, self.zone, line);
            }
            if !part.print_to(ctx, line) {
                line.truncate(from);
                return false;
            }
        }
        true
    }
}

/// The text of a preset: `c`, `k`, or the default where no format is given.
fn preset(format: Option<&str>) -> Option<&'static str> {
    let name = match format {
        None => "default",
        Some("c") => "container",
        Some("k") => "kubernetes",
        Some("m") => "mesos",
        Some(other) => other,
    };
    PRESETS
        .iter()
        .find(|preset| preset.name == name)
        .map(|preset| preset.text)
}

/// A user's own format, for `--json`; `None` for presets.
pub fn named_fields(format: &str) -> Result<Option<Template>, Failure> {
    if preset(Some(format)).is_some() {
        return Ok(None);
    }
    let template = Template::parse(format).map_err(|error| bad_filter(&error))?;
    Ok(Some(template))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_formats_parse() {
        for format in [
            None,
            Some("c"),
            Some("k"),
            Some("m"),
            Some("%evt.num %proc.name"),
        ] {
            if let Err(failure) = Layout::parse(format, Look::Human, Zone::Utc) {
                panic!("{format:?}: {}", failure.what);
            }
        }
    }

    #[test]
    fn a_format_that_names_no_field_is_a_usage_error() {
        let failure =
            Layout::parse(Some("%proc.nmae"), Look::Human, Zone::Utc).expect_err("no such field");
        assert_eq!(failure.exit, crate::failure::Exit::Usage);
    }

    #[test]
    fn the_presets_leave_the_time_to_the_reader() {
        for format in [None, Some("c"), Some("k")] {
            let layout = Layout::parse(format, Look::Human, Zone::Utc)
                .unwrap_or_else(|f| panic!("{}", f.what));
            assert_eq!(layout.parts.len(), 2, "{format:?}");
        }
        assert!(named_fields("c").is_ok_and(|names| names.is_none()));
        assert!(
            named_fields("%evt.num %evt.outputtime")
                .is_ok_and(|names| names.is_some_and(|names| names.shown().count() == 2))
        );
    }
}
