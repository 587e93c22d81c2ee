//! The one configuration file: as written -> as checked.
//!
//! In: TOML text and the name of its file. Out: [`Settings`], or every error at once with file,
//! line, key, what was found and what is allowed. Never: a default for a key that is misspelt,
//! a float for money, a secret.
#![forbid(unsafe_code)]

mod checked;
mod emergency;
mod keys;
pub mod limits;
mod log;
mod market_data;
mod paper;
mod protective_stop;
mod risk;
mod schema;
mod strategies;
mod template;
mod venue;
mod written;

pub use checked::{
    BookSettings, ControlSettings, EngineWait, ExternalOrders, FeeSettings, FirstStart, HotIo,
    HotPathSettings, HotTls, InstrumentKey, MarginType, Mode, OpenOrdersAtStart, OrderSettings,
    Settings, SetupSettings,
};
pub use emergency::{EmergencySettings, RestartPolicy, StopPolicy};
pub use keys::{Form, Key};
pub use limits::{Ceilings, LIMITS, Limit};
pub use log::{LogFormat, LogSettings, SyslogServer, SyslogTransport};
pub use market_data::MarketDataSettings;
pub use paper::PaperSettings;
pub use protective_stop::{ProtectiveStopSettings, StopTrigger};
pub use risk::{Frequency, InForce, RiskSettings};
pub use schema::json_schema;
pub use strategies::{
    DummySettings, EntryStyle, FlipPolicy, ImbalanceSettings, PartialEntry, StrategyKind,
    StrategySettings,
};
pub use template::{TEMPLATE, comments, every_key, profile};
pub use venue::VenueSettings;
pub use written::{Problem, SettingsError};

#[cfg(test)]
mod controls_document;
#[cfg(test)]
mod reference_document;
#[cfg(test)]
mod runbook_document;
#[cfg(test)]
mod tests;
