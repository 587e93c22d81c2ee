//! The hot path process: gateways, rings and the pinned engine thread.
//!
//! In: a configuration, sockets, the segment's command ring. Out: orders on the wire, journal,
//! input log, pages and figures in the segment. Never: a wait for control.
//!
//! | room | what it is |
//! |---|---|
//! | [`startup`], [`wiring`], [`process`] | what is settled first; the parts; threads and rings |
//! | [`engine_host`], [`recorder`], [`messages`] | the engine with its journal and logs, ring records |
//! | [`engine_thread`], [`inline`] | the pinned thread behind rings, or on the sockets themselves |
//! | [`gateway`] | tokio shells around the session machines of `binance` |
//! | [`hot_socket`] | WebSockets that the pinned thread reads and writes itself |
//! | [`housekeeping`] | signals, clock samples, checkpoints, control's heartbeat |
//! | [`account_file`], [`breaker_file`], [`silence_file`] | what outlives a restart |
//! | [`account_log`] | what reconciliation finds, as lines of the log |
//! | [`kill`], [`operator_socket`] | latch, sweep and countdown; the operator's verbs |
//! | [`flatten`] | the emergency binary's: the same sweep with both processes dead |
//! | [`accepted`] | the configuration as the last start took it |
//! | [`replay`], [`start_file`] | the input log through a fresh engine |
//! | [`wire_check`] | decisions against frames at the last hop (I16) |
//! | [`latency`] | the way of every event, stage by stage |
//! | [`allocation`], [`pinning`], [`machine`] | guard allocator, cores, what the machine lacks |
//! | [`clock`], [`tick_clock`] | time of the kernel and of the processor |

pub mod accepted;
pub mod account_file;
pub mod account_log;
pub mod allocation;
pub mod breaker_file;
pub mod clock;
pub mod configuration;
pub mod crash_loop;
pub mod disk_thread;
pub mod engine_host;
pub mod engine_thread;
pub mod failure;
pub mod flatten;
pub mod gateway;
pub mod hot_socket;
pub mod housekeeping;
pub mod inline;
pub mod kill;
pub mod latency;
pub mod machine;
pub mod messages;
pub mod operator_socket;
pub mod pinning;
pub mod process;
pub mod protection;
pub mod recorder;
pub mod replay;
pub mod server_clock;
pub mod silence_file;
pub mod start_file;
pub mod startup;
pub mod state_directory;
pub mod state_identity;
pub mod supervision;
pub mod telemetry;
pub mod tick_clock;
pub mod wire_check;
pub mod wiring;
