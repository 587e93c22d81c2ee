//! The session machines: how a conversation with Binance goes, without any I/O.
//!
//! In: frames, replies and the time of the caller. Out: what to do next (connect, send, request)
//! and market or account events in the caller's sink. Never: a socket, a clock, a thread, or an
//! order that is sent twice.
//!
//! Each machine is driven the same way: the shell calls `poll(now)` until it has nothing to do,
//! sleeps until `next_deadline()` or until bytes arrive, and hands them in. A tokio shell, a
//! pinned thread and a simulated network drive the same machines.

mod account_setup;
mod backoff;
mod deadman;
mod feed;
mod governor;
mod http;
mod income;
mod link;
mod listen_key;
mod listings;
mod market_session;
mod order_session;
mod orders_over_rest;
mod private_feed;
mod private_stream;
mod protect;
mod reconcile;
mod server_time;
mod silence;
mod snapshot;
mod sweep;
mod time;
mod user_session;
mod verdict;

pub use account_setup::{AccountSetup, LeverageWish, SetupEvents, SetupWish};
pub use backoff::Backoff;
pub use deadman::Deadman;
pub use feed::{CONNECTIONS_MAX, Feed, FeedCounts};
pub use governor::Governor;
pub use http::{HttpOutcome, HttpReply, HttpRequest};
pub use income::{Income, IncomeEvents};
pub use link::{CloseReason, Link, LinkAction, LinkSettings};
pub use listen_key::{KeyNews, ListenKey};
pub use listings::{ListingDoubt, ListingEvents, Listings};
pub use market_session::{MarketEvents, MarketRoute, MarketSession, stream_url};
pub use order_session::{NOT_SENT, OrderEvents, OrderSession, OrderSessionSettings};
pub use orders_over_rest::{OrdersOverRest, WISHES_MAX};
pub use private_feed::{PRIVATE_CONNECTIONS, PrivateFeed, PrivateMerged, PrivateTurn};
pub use private_stream::{PrivateStream, UserEvents};
pub use protect::{Exposure, Holding, ProtectEvents, ProtectSettings, Protector};
pub use reconcile::{ReconcileEvents, Reconciler};
pub use server_time::ServerTime;
pub use silence::Silence;
pub use snapshot::{SnapshotEvents, SnapshotQueue};
pub use sweep::{NO_ANSWER, SweepEvents, SweepSettings, Sweeper};
pub use time::{MILLISECOND_NS, Now, SECOND_NS, earliest};
pub use user_session::{UserAction, UserSession};
