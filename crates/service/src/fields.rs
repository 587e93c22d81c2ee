//! What a line says, taken apart: its sentence and its fields as texts.
//!
//! In: an event of `tracing`. Out: texts. Never: a field that is left out.

use std::fmt::{Debug, Write as _};
use tracing::Event;
use tracing::field::{Field, Visit};

/// A line taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) message: String,
    pub(crate) fields: Vec<(&'static str, String)>,
}

impl Line {
    pub(crate) fn of(event: &Event<'_>) -> Self {
        let mut line = Self::default();
        event.record(&mut line);
        line
    }

    /// The name of the event that it is, if it is one.
    pub(crate) fn event(&self) -> Option<&str> {
        let mut fields = self.fields.iter();
        let found = fields.find(|(name, _)| *name == crate::events::FIELD);
        found.map(|(_, text)| text.as_str())
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value);
        } else {
            self.fields.push((field.name(), value.to_string()));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            self.fields.push((field.name(), format!("{value:?}")));
        }
    }
}
