//! How urgent an alert is.

/// Priorities, most urgent first, by Falco's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// The system is unusable.
    Emergency,
    /// Something must be done at once.
    Alert,
    /// A critical condition.
    Critical,
    /// An error.
    Error,
    /// A warning.
    Warning,
    /// Normal, and worth a look.
    Notice,
    /// For information.
    Informational,
    /// For those who look for mistakes.
    Debug,
}

impl Priority {
    /// All, most urgent first, with their names.
    pub const ALL: &'static [(Priority, &'static str)] = &[
        (Priority::Emergency, "Emergency"),
        (Priority::Alert, "Alert"),
        (Priority::Critical, "Critical"),
        (Priority::Error, "Error"),
        (Priority::Warning, "Warning"),
        (Priority::Notice, "Notice"),
        (Priority::Informational, "Informational"),
        (Priority::Debug, "Debug"),
    ];

    /// The name.
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|row| row.0 == self)
            .map_or("", |row| row.1)
    }

    /// The priority with this name, whatever its case; `info` will do for the one before the last.
    pub fn parse(text: &str) -> Option<Priority> {
        if text.eq_ignore_ascii_case("info") {
            return Some(Priority::Informational);
        }
        Self::ALL
            .iter()
            .find(|row| row.1.eq_ignore_ascii_case(text))
            .map(|row| row.0)
    }
}
