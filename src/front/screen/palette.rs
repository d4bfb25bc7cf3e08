//! Colours, few and from the terminal's own sixteen; without colour, weight and brightness carry the same meaning.

use ratatui::style::{Color, Modifier, Style};

/// Which styles there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Palette {
    /// Whether colours may be used.
    pub(crate) colour: bool,
}

impl Palette {
    /// Colours unless `NO_COLOR` says otherwise (<https://no-color.org>).
    pub(crate) fn from_environment() -> Self {
        Self { colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// Names and keys.
    pub(crate) fn accent(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// What is there to be found, not to be read first.
    pub(crate) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// What matters.
    pub(crate) fn bright(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// A value for, or one that rose.
    pub(crate) fn up(self) -> Style {
        self.coloured(Color::Green)
    }

    /// A value against, or one that fell.
    pub(crate) fn down(self) -> Style {
        self.coloured(Color::Magenta)
    }

    /// Up or down, by the sign.
    pub(crate) fn signed(self, number: f64) -> Style {
        if number < 0.0 { self.down() } else { self.up() }
    }

    /// Something went wrong.
    pub(crate) fn warning(self) -> Style {
        self.coloured(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// What was chosen.
    pub(crate) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }
}
