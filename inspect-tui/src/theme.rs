//! Styles by role. Sixteen colours at most, none of them alone in saying something: what matters also has a glyph or a
//! word of its own, so that the screen reads the same without colour.

use ratatui::style::{Color, Modifier, Style};

/// What a piece of text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Ordinary text.
    Text,
    /// Less important.
    Dim,
    /// Names of things, headings.
    Title,
    /// Titles of columns.
    Column,
    /// The title of the selected column.
    ColumnSelected,
    /// The selected row.
    Selected,
    /// The selected cell.
    Cell,
    /// The selected row in a pane without the focus.
    Resting,
    /// What is known to be missing.
    Loss,
    /// A failed call, a failure.
    Bad,
    /// What deserves a look.
    Notable,
    /// What is as it should be.
    Good,
    /// A key in the footer.
    Key,
    /// Activity on the timeline.
    Activity,
    /// The course of a marked tile, by the place of its letter.
    Course(usize),
    /// The timeline's cursor, and the range being marked.
    Mark,
}

/// How roles look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// Without colours.
    pub mono: bool,
    /// Which colours.
    pub palette: Palette,
}

/// A choice of colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// For dark backgrounds.
    #[default]
    Dark,
    /// For light backgrounds: nothing bright.
    Light,
    /// Told apart without red and green (after Okabe and Ito).
    Blind,
}

impl Palette {
    /// The colour that stands for one of the dark palette's.
    fn colour(self, dark: Color) -> Color {
        match (self, dark) {
            (Palette::Dark, same) => same,
            (Palette::Light, Color::Cyan) => Color::Blue,
            (Palette::Light, Color::Yellow) => Color::Indexed(130),
            (Palette::Light, Color::Green) => Color::Indexed(22),
            (Palette::Light, same) => same,
            (Palette::Blind, Color::Red) => Color::Indexed(202),
            (Palette::Blind, Color::Green) => Color::Indexed(32),
            (Palette::Blind, Color::Magenta) => Color::Indexed(175),
            (Palette::Blind, Color::Yellow) => Color::Indexed(220),
            (Palette::Blind, same) => same,
        }
    }
}

/// Colours of courses; their letters tell those apart that have the same.
const COURSES: &[Color] = &[
    Color::Cyan,
    Color::Yellow,
    Color::Green,
    Color::Magenta,
    Color::Blue,
    Color::Gray,
];

impl Theme {
    /// The style of a role.
    pub fn style(self, role: Role) -> Style {
        let plain = Style::new();
        let (colour, modifier) = match role {
            Role::Text => (None, Modifier::empty()),
            Role::Dim => (Some(Color::DarkGray), Modifier::empty()),
            Role::Title => (Some(Color::Cyan), Modifier::BOLD),
            Role::Column => (None, Modifier::UNDERLINED),
            Role::ColumnSelected => (None, Modifier::UNDERLINED.union(Modifier::BOLD)),
            Role::Selected => (None, Modifier::REVERSED),
            Role::Cell => (
                None,
                Modifier::REVERSED
                    .union(Modifier::BOLD)
                    .union(Modifier::UNDERLINED),
            ),
            Role::Resting => (None, Modifier::BOLD),
            Role::Loss => (Some(Color::Magenta), Modifier::BOLD),
            Role::Bad => (Some(Color::Red), Modifier::empty()),
            Role::Notable => (Some(Color::Yellow), Modifier::BOLD),
            Role::Good => (Some(Color::Green), Modifier::empty()),
            Role::Key => (Some(Color::Cyan), Modifier::BOLD),
            Role::Activity => (Some(Color::Blue), Modifier::empty()),
            Role::Course(place) => (
                COURSES.get(place % COURSES.len()).copied(),
                Modifier::empty(),
            ),
            Role::Mark => (None, Modifier::REVERSED),
        };
        let style = plain.add_modifier(modifier);
        match colour {
            Some(colour) if !self.mono => style.fg(self.palette.colour(colour)),
            _ => style,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_colours_no_style_has_one() {
        let theme = Theme {
            mono: true,
            ..Theme::default()
        };
        for role in [
            Role::Text,
            Role::Dim,
            Role::Loss,
            Role::Bad,
            Role::Good,
            Role::Key,
            Role::Activity,
            Role::Course(1),
        ] {
            let style = theme.style(role);
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }
}
