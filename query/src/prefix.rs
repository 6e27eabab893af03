//! One comparison at a place in a longer text: for languages in which a filter's conditions are words among others.

use crate::error::FilterError;
use crate::expr::Filter;
use crate::parse;

impl Filter {
    /// Where the comparison ends that begins at byte `at` of a text.
    ///
    /// # Errors
    /// When none begins there; the place is one in the whole text.
    pub fn comparison_at(text: &str, at: usize) -> Result<usize, FilterError> {
        let rest = text.get(at..).unwrap_or_default();
        let end = parse::comparison(rest).map_err(|error| error.within(text, at))?;
        let comparison = rest.get(..end).unwrap_or_default();
        Filter::parse(comparison).map_err(|error| error.within(text, at))?;
        Ok(at + end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_ends_where_its_value_does() {
        let end =
            |text: &str, at| Filter::comparison_at(text, at).map(|end| text[at..end].to_owned());
        assert_eq!(
            end("curl AND proc.name=sh AND x", 9).unwrap(),
            "proc.name=sh"
        );
        assert_eq!(
            end("proc.name in (sh, 'a b') x", 0).unwrap(),
            "proc.name in (sh, 'a b')"
        );
        assert_eq!(end("fd.name exists)", 0).unwrap(), "fd.name exists");
        let error = end("curl proc.nam=sh", 5).unwrap_err();
        assert_eq!(error.span(), 5..13);
        assert!(error.to_string().contains("proc.name"));
    }
}
