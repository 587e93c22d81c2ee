//! What many runs come to.
//!
//! In: outcomes. Out: text for people. Never: a verdict of its own.
