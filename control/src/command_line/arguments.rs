//! The command line as it is written.
//!
//! In: arguments. Out: a verb, and where the socket is. Never: a secret among them.

use super::api_keys::KeyVerb;
use super::config::ConfigVerb;
use super::doctor::DoctorOptions;
use super::looks::Look;
use super::probe::ProbeOptions;
use super::rows::RowsWanted;
use super::top::TopOptions;
use super::{Failure, failure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use operator::{Request, SOCKET, StopPolicy};
use settings::Settings;
use std::path::{Path, PathBuf};

/// The configuration of a machine that was set up.
const CONFIG: &str = "/etc/fulcrum/fulcrum.toml";

const EXAMPLES: &str = "\
Examples:
  fulcrum --state-dir /var/lib/fulcrum status
  fulcrum --url https://box.example:8443 --key-file ~/.fulcrum/box.key positions
  fulcrum --url http://127.0.0.1:8080 --json fills --limit 5 --symbol BTCUSDT

Exit codes: 0 ok, 1 refused or failed, 2 bad argument, 69 the exchange does not answer, 75 nobody
answers or the outcome is not known, 78 bad configuration or key file.";

/// Talks to a Fulcrum, here or over the network: state, orders, positions, and the verbs of an
/// operator.
#[derive(Clone, Debug, Parser)]
#[command(name = "fulcrum", version, after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Configuration; only the account's name is read from it.
    #[arg(
        long,
        value_name = "FILE",
        default_value = CONFIG,
        global = true
    )]
    pub(super) config: PathBuf,
    /// Where state lives, as the hot path has it.
    #[arg(
        long,
        value_name = "DIR",
        default_value = "target/fulcrum",
        global = true
    )]
    pub(super) state_dir: PathBuf,
    /// The account's folder of shared memory and socket; overrides --state-dir and --account.
    #[arg(long, value_name = "DIR", global = true)]
    run_dir: Option<PathBuf>,
    /// The account; overrides the configuration's.
    #[arg(long, value_name = "A", global = true)]
    pub(super) account: Option<String>,
    /// One JSON object instead of tables.
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) away: Away,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// A box somewhere else.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Over the network")]
pub(super) struct Away {
    /// The API of a box, such as https://box.example:8443; empty: this machine.
    #[arg(long, value_name = "URL", env = "FULCRUM_URL", global = true)]
    pub(super) url: Option<String>,
    /// File with an API key, mode 0600; only for --url.
    #[arg(long, value_name = "FILE", env = "FULCRUM_KEY_FILE", global = true)]
    pub(super) key_file: Option<PathBuf>,
    /// The only authority that the box's certificate may come from (PEM); default: the system's.
    #[arg(long, value_name = "FILE", env = "FULCRUM_CA_FILE", global = true)]
    pub(super) ca_file: Option<PathBuf>,
    /// How long an answer is waited for, in seconds, 1 to 600.
    #[arg(long, value_name = "SECONDS", default_value_t = 35, global = true,
        value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(super) timeout_s: u64,
    /// Says that this is a request from before, whose answer got lost: it is not carried out twice.
    #[arg(long, value_name = "KEY", global = true)]
    pub(super) idempotency_key: Option<String>,
}

impl Away {
    /// True when somebody else is meant than this machine.
    pub(super) fn is_meant(&self) -> bool {
        self.url.as_deref().is_some_and(|url| !url.is_empty())
    }
}

/// As the command line names policies.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Policy {
    /// Cancel orders, close positions.
    Flatten,
    /// Cancel orders, keep positions.
    Cancel,
    /// Leave both.
    Leave,
}

/// What can be asked for.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Verb {
    /// Trading state and why, orders, equity, the kill latch.
    Status,
    /// Every open order of the account, as the exchange lists it.
    Orders,
    /// Every instrument with its position.
    Positions,
    /// Limits, and how much of each is used.
    Limits,
    /// Every configured instrument, with what is known of it.
    Instruments,
    /// The signal of every instrument, or why it is not valid.
    Signals,
    /// Limits and breakers with their use, and which would come first.
    Risk,
    /// Cores, clock, rings, builds, memory, disk.
    System,
    /// Percentiles of everything that the hot path measures.
    Latency,
    /// The last lines of control's log.
    Logs {
        /// How many.
        #[arg(short, long, value_name = "LINES", default_value_t = 100,
            value_parser = clap::value_parser!(u16).range(1..=2_000))]
        n: u16,
    },
    /// Prints what changes, as it changes, until it is interrupted.
    Watch {
        /// Such as `status`, `fills`, `events`, `book:BTCUSDT`; a wrong one is answered with the list.
        topics: Vec<String>,
        /// Facts from behind this place on, as a row's `place` names it.
        #[arg(long, value_name = "PLACE")]
        after: Option<String>,
    },
    /// Executions, from the ledger.
    Fills(RowsWanted),
    /// Trades from entry to exit, with their profit after fees in USDT.
    Trades(RowsWanted),
    /// Orders with their newest state, finished ones too.
    History(RowsWanted),
    /// Orders that risk refused.
    Denials(RowsWanted),
    /// Breakers that tripped.
    Breakers(RowsWanted),
    /// Changes of the trading state.
    States(RowsWanted),
    /// Fees, funding and transfers, as the exchange lists them.
    Income(RowsWanted),
    /// Figures of all starts: orders, fills, profit in USDT, latency in nanoseconds.
    Stats,
    /// Whether it trades, or could: exit code 0 or 1, and why not.
    Health,
    /// Every call that changed something, the newest first; needs an admin's key, or control.sock.
    Audit {
        /// How many, 1 to 1000.
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        limit: u32,
        /// Before the call with this id.
        #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
        before: Option<i64>,
    },
    /// The box at a glance, redrawn as it trades: books, positions, P&L in USDT, orders, limits,
    /// latency. Keys: q, tab and arrows, p pauses, k kills, ? helps.
    Top(TopOptions),
    /// Checks this machine, the box and the way to the exchange, and says what to do: exit code 1
    /// when something failed.
    Doctor(DoctorOptions),
    /// Records a bundle of fixtures from a venue's public data: streams, snapshots, lists, error bodies.
    /// No key, nothing is changed there. Prints the manifest's path.
    Probe(ProbeOptions),
    /// ACTIVE once reconciled; breakers that tripped stay so until `rearm`.
    Start,
    /// REDUCING: no entries, exits go on.
    Pause,
    /// ACTIVE again after a pause.
    Resume,
    /// Clears breakers that tripped and strategies that are latched off: you have looked at why.
    Rearm,
    /// REDUCING: cancels all orders and closes all positions.
    Flatten,
    /// HALTED after the stop policy of the configuration, or this one.
    Stop {
        /// What is done before.
        #[arg(long)]
        policy: Option<Policy>,
    },
    /// Cancels an order by its client id, all own orders of a symbol, or `all`.
    Cancel {
        /// ORDER, SYMBOL or `all`.
        what: String,
    },
    /// KILLED: latched until a reset; cancels everything, closes everything.
    Kill {
        /// Cancel, but keep positions.
        #[arg(long)]
        keep_positions: bool,
        /// Why, for the latch and the log.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Do not wait until the exchange shows that all is gone.
        #[arg(long)]
        no_wait: bool,
    },
    /// Kills for practice, verifies that all is gone, measures, resets and starts again: paper
    /// trading only. Needs the operator's key.
    Drill {
        /// File of the operator's private key.
        #[arg(long, value_name = "FILE")]
        operator_key: PathBuf,
    },
    /// Clears the kill latch: HALTED until a start. Needs the operator's key.
    Reset {
        /// File of the operator's private key.
        #[arg(long, value_name = "FILE")]
        operator_key: PathBuf,
    },
    /// A first configuration file, its check, what holds, what differs.
    Config {
        #[command(subcommand)]
        verb: ConfigVerb,
    },
    /// Every strategy with what it trades; switches one on or off. By control.
    Strategies {
        #[command(subcommand)]
        verb: Option<StrategyVerb>,
    },
    /// API keys: make, list, revoke.
    Key {
        #[command(subcommand)]
        verb: KeyVerb,
    },
    /// Prints the completions of a shell.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Writes the man pages of every verb.
    Man {
        /// The folder, which is made where it is not there.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Makes an operator's key and prints the line for the configuration.
    OperatorKey {
        /// The private key's file, which must not be there yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// The switch of a strategy.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum StrategyVerb {
    /// It may open positions again.
    Enable {
        /// Its name.
        name: String,
        /// On one symbol alone.
        symbol: Option<String>,
    },
    /// It opens nothing more: entries are cancelled, positions managed to their exit.
    Disable {
        /// Its name.
        name: String,
        /// On one symbol alone.
        symbol: Option<String>,
    },
}

impl Arguments {
    /// The socket of the account.
    ///
    /// # Errors
    /// A configuration that cannot be read; where none was named there may be none.
    pub(super) fn socket(&self) -> Result<PathBuf, Failure> {
        Ok(self.run_dir()?.join(SOCKET))
    }

    /// The account's folder of shared memory and sockets.
    ///
    /// # Errors
    /// As of [`Self::socket`].
    pub(super) fn run_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.run_dir {
            return Ok(folder.clone());
        }
        let account = match &self.account {
            Some(account) => account.clone(),
            None if self.config == Path::new(CONFIG) && !self.config.exists() => {
                "default".to_string()
            }
            None => {
                let settings = Settings::read(&self.config);
                settings
                    .map_err(|error| failure(error.to_string()))?
                    .account
            }
        };
        Ok(self.state_dir.join("run").join(account))
    }
}

impl Verb {
    /// What a verb shows that only looks at control.
    pub(super) const fn look(&self) -> Option<Look> {
        Some(match self {
            Self::Instruments => Look::Instruments,
            Self::Signals => Look::Signals,
            Self::Risk => Look::Risk,
            Self::System => Look::System,
            Self::Latency => Look::Latency,
            Self::Logs { n } => Look::Logs(*n as usize),
            _ => return None,
        })
    }

    /// The request of a verb that is one.
    pub(super) fn request(&self) -> Option<Request> {
        Some(match self {
            Self::Status => Request::Status,
            Self::Orders => Request::Orders,
            Self::Positions => Request::Positions,
            Self::Limits => Request::Limits,
            Self::Start => Request::Start,
            Self::Pause => Request::Pause,
            Self::Resume => Request::Resume,
            Self::Rearm => Request::Rearm,
            Self::Flatten => Request::Flatten,
            Self::Stop { policy } => Request::Stop {
                policy: policy.map(|policy| match policy {
                    Policy::Flatten => StopPolicy::Flatten,
                    Policy::Cancel => StopPolicy::Cancel,
                    Policy::Leave => StopPolicy::Leave,
                }),
            },
            Self::Cancel { what } => Request::Cancel { what: what.clone() },
            Self::Kill {
                keep_positions,
                reason,
                ..
            } => Request::Kill {
                keep_positions: *keep_positions,
                reason: reason.clone(),
            },
            Self::Instruments
            | Self::Signals
            | Self::Risk
            | Self::System
            | Self::Latency
            | Self::Logs { .. }
            | Self::Watch { .. }
            | Self::Fills(_)
            | Self::Trades(_)
            | Self::History(_)
            | Self::Denials(_)
            | Self::Breakers(_)
            | Self::States(_)
            | Self::Income(_)
            | Self::Stats
            | Self::Health
            | Self::Audit { .. }
            | Self::Doctor(_)
            | Self::Top(_)
            | Self::Probe(_)
            | Self::Drill { .. }
            | Self::Reset { .. }
            | Self::Config { .. }
            | Self::Key { .. }
            | Self::Strategies { .. }
            | Self::Completions { .. }
            | Self::Man { .. }
            | Self::OperatorKey { .. } => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound_and_names_every_verb() {
        Arguments::command().debug_assert();
        for verb in operator::VERBS {
            let known = Arguments::command().find_subcommand(verb).is_some();
            assert_eq!(
                known,
                !["challenge", "ping", "configure"].contains(&verb),
                "{verb}"
            );
        }
    }

    #[test]
    fn a_configuration_that_was_named_and_is_not_there_is_not_passed_over() {
        let socket = |words: &[&str]| Arguments::try_parse_from(words).unwrap().socket();
        assert!(socket(&["fulcrum", "--config", "/nowhere.toml", "status"]).is_err());
        let named = [
            "fulcrum",
            "--config",
            "/nowhere.toml",
            "--account",
            "a",
            "status",
        ];
        assert!(socket(&named).unwrap().ends_with("run/a/operator.sock"));
    }
}
