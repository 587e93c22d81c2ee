//! The engine as a whole, driven by events.
//!
//! In: scripted and random events. Out: checks of requests, records and state. Never: a clock.
