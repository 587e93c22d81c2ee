//! Why a message is not what it should be.
//!
//! In: nothing. Out: one small copyable value with a closed list of reasons for counters. Never:
//! text of the message itself.

/// Why bytes were refused. The texts are names of fields as the exchange writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or cut off.
    #[error("not valid JSON")]
    Syntax,
    /// A skipped value is nested too deeply.
    #[error("nested too deeply")]
    TooDeep,
    /// A required field is not there.
    #[error("field {0:?} is missing")]
    Missing(&'static str),
    /// A known field stands twice.
    #[error("field {0:?} stands twice")]
    Duplicate(&'static str),
    /// A field has another JSON type.
    #[error("field {0:?} has another type")]
    WrongType(&'static str),
    /// A number is not a plain decimal, is zero where it may not be, or does not fit.
    #[error("field {0:?} is not an acceptable number")]
    Number(&'static str),
    /// A price or quantity lies between two steps of its instrument.
    #[error("field {0:?} lies between two steps")]
    OffGrid(&'static str),
    /// A field holds a word or a combination that this decoder does not know.
    #[error("field {0:?} holds an unknown value")]
    Value(&'static str),
    /// The symbol is not in the instrument table.
    #[error("unknown symbol")]
    UnknownSymbol,
    /// The message belongs to another market of the venue (`st` is not 1).
    #[error("a message of another market")]
    OtherMarket,
    /// More levels than the caller's buffer or the protocol's bound.
    #[error("too many levels")]
    TooManyLevels,
    /// Another event than the one asked for.
    #[error("another event than expected")]
    OtherEvent,
}

impl DecodeError {
    /// One word of a closed list, for counters and metric labels.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Syntax => "syntax",
            Self::TooDeep => "too_deep",
            Self::Missing(_) => "missing_field",
            Self::Duplicate(_) => "duplicate_field",
            Self::WrongType(_) => "wrong_type",
            Self::Number(_) => "number",
            Self::OffGrid(_) => "off_grid",
            Self::Value(_) => "value",
            Self::UnknownSymbol => "unknown_symbol",
            Self::OtherMarket => "other_market",
            Self::TooManyLevels => "too_many_levels",
            Self::OtherEvent => "other_event",
        }
    }

    /// Every word that [`DecodeError::reason`] can say, to register counters at start-up.
    pub const REASONS: [&'static str; 12] = [
        "syntax",
        "too_deep",
        "missing_field",
        "duplicate_field",
        "wrong_type",
        "number",
        "off_grid",
        "value",
        "unknown_symbol",
        "other_market",
        "too_many_levels",
        "other_event",
    ];
}
