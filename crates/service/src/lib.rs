//! How our processes live as services: their log, and their word to the service manager.
//!
//! In: events of `tracing`, the settings, what a process knows of itself. Out: lines, journal entries,
//! datagrams to systemd and to a log server. Never: a wait for whoever reads them.

pub mod events;
pub mod log;
pub mod notify;

mod budget;
mod fields;
mod journal;
mod syslog;
