//! What the exchange remembers of its clients beyond its own life.
//!
//! In: the exchange after each piece of work. Out: files from which the next process goes on where
//! this one was, also when this one was killed. Never: the market; a reply or an event that leaves
//! before what it tells is written; a write where nothing of an account has changed.
//!
//! A snapshot has everything, logs behind it have what changed since, one line a piece of work
//! ([`files`]). What is written is with the system, which keeps it when the process dies; a power
//! cut may take the newest lines along.

pub mod files;
mod record;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use market::{Instrument, Market, Step};
use matching::{AccountId, Conditional, Output, Recorded};
use serde::{Deserialize, Serialize};

use self::files::{Files, StateError};
use self::record::{Change, DeskSettings};
use crate::exchange::Exchange;
use crate::floor::Floor;

/// Version of the files' content.
const VERSION: u32 = 1;
/// How long a log gets before a snapshot takes its place.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// Whose state it is: what another exchange's differs in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    api_key: Option<String>,
    usdm: Vec<Listed>,
    spot: Vec<Listed>,
}

/// An instrument, as far as ticks and lots of the state depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    symbol: String,
    tick: (i64, u8),
    lot: (i64, u8),
}

/// How far one account of a market is written.
#[derive(Default)]
struct Written {
    venue: Recorded,
    settings: DeskSettings,
}

/// The state of a running exchange.
pub struct State {
    files: Files,
    log_bytes_max: u64,
    /// Accounts that a request may have changed.
    asked: BTreeSet<AccountId>,
    written: BTreeMap<(Market, AccountId), Written>,
    registered: usize,
    listen_keys: u64,
    failure: Option<String>,
}

impl State {
    /// Opens a directory; what it has goes into the exchange, which must be new.
    ///
    /// # Errors
    /// [`StateError`]: the directory is another exchange's, or of no use.
    pub fn open(directory: &Path, exchange: &mut Exchange) -> Result<Self, StateError> {
        let identity = Identity::of(exchange);
        let fees = [&exchange.usdm, &exchange.spot].map(|floor| floor.venue.account().fees);
        let (files, changes) = Files::open(directory, VERSION, &identity)?;
        let goes_on = !changes.is_empty();
        for (place, change) in changes {
            let taken = change.absorb(exchange);
            taken.map_err(|found| StateError::Content { place, found })?;
        }
        if goes_on {
            record::resume(exchange, fees);
        }
        let mut state = Self {
            files,
            log_bytes_max: LOG_BYTES_MAX,
            asked: BTreeSet::new(),
            written: BTreeMap::new(),
            registered: 0,
            listen_keys: 0,
            failure: None,
        };
        let whole = state.take_whole(exchange);
        state.files.begin(&whole)?;
        tracing::info!(directory = %directory.display(), goes_on, "accounts are kept");
        Ok(state)
    }

    /// Another length of a log.
    pub const fn set_log_bytes_max(&mut self, bytes: u64) {
        self.log_bytes_max = bytes;
    }

    /// Why nothing can be written any more.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Lines written since the start.
    #[must_use]
    pub const fn lines(&self) -> u64 {
        self.files.lines()
    }

    /// A request of an account was handled that may have changed it.
    pub(crate) fn ask(&mut self, account: AccountId) {
        self.asked.insert(account);
    }

    fn write(&mut self, exchange: &mut Exchange) -> Result<(), StateError> {
        if let Some(change) = self.take_change(exchange) {
            self.files.append(&change)?;
        }
        self.files.check_snapshot()?;
        if self.files.length() > self.log_bytes_max && self.files.is_at_rest() {
            let whole = self.take_whole(exchange);
            self.files.rotate(whole)?;
        }
        Ok(())
    }

    /// What has changed since the last time; nothing where nothing has.
    fn take_change(&mut self, exchange: &mut Exchange) -> Option<Change> {
        let asked = std::mem::take(&mut self.asked);
        let registered = exchange.accounts.iter().count();
        let accounts = (registered != self.registered).then(|| record::accounts(exchange));
        let revision = exchange.listen_keys.revision();
        let keys = (revision != self.listen_keys).then(|| exchange.listen_keys.record());
        (self.registered, self.listen_keys) = (registered, revision);
        let change = Change {
            accounts,
            listen_keys: keys,
            usdm: self.change_of(&mut exchange.usdm, &asked),
            spot: self.change_of(&mut exchange.spot, &asked),
        };
        (change != Change::default()).then_some(change)
    }

    fn change_of(
        &mut self,
        floor: &mut Floor,
        asked: &BTreeSet<AccountId>,
    ) -> Option<record::FloorRecord> {
        let touched = Touched::take(floor, asked);
        if touched.0.is_empty() {
            return None;
        }
        let selected = floor.venue.selected();
        let mut desks = BTreeMap::new();
        for (account, ids) in touched.0 {
            floor.select(account);
            let written = self.written.entry((floor.market, account)).or_default();
            let desk = record::desk(floor, &mut written.venue, &mut written.settings, &ids);
            desks.extend(desk.map(|desk| (account.0, desk)));
        }
        floor.select(selected);
        (!desks.is_empty()).then(|| record::floor(floor, desks))
    }

    fn take_whole(&mut self, exchange: &mut Exchange) -> Change {
        self.asked.clear();
        self.registered = exchange.accounts.iter().count();
        self.listen_keys = exchange.listen_keys.revision();
        let accounts = Some(record::accounts(exchange));
        let listen_keys = Some(exchange.listen_keys.record());
        let mut whole = |floor: &mut Floor| {
            drop(Touched::take(floor, &BTreeSet::new()));
            let selected = floor.venue.selected();
            let mut desks = BTreeMap::new();
            for id in 0..floor.venue.account_count() {
                let account = AccountId(id as u16);
                floor.select(account);
                let written = self.written.entry((floor.market, account)).or_default();
                let desk = record::whole_desk(floor, &mut written.venue, &mut written.settings);
                desks.insert(account.0, desk);
            }
            floor.select(selected);
            record::floor(floor, desks)
        };
        let usdm = Some(whole(&mut exchange.usdm));
        let spot = Some(whole(&mut exchange.spot));
        Change {
            accounts,
            listen_keys,
            usdm,
            spot,
        }
    }
}

impl Exchange {
    /// Writes what has changed; false when that is not possible any more, and nothing of it may leave.
    pub fn keep(&mut self) -> bool {
        let Some(mut state) = self.state.take() else {
            return true;
        };
        if state.failure.is_none()
            && let Err(error) = state.write(self)
        {
            tracing::error!(%error, "accounts cannot be kept: the exchange ends");
            state.failure = Some(error.to_string());
        }
        let sound = state.failure.is_none();
        self.state = Some(state);
        sound
    }

    /// Why the exchange has to end.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.state.as_ref().and_then(State::failure)
    }

    /// A request of an account was handled that may have changed it.
    pub(crate) fn note_request(&mut self, account: AccountId) {
        if let Some(state) = &mut self.state {
            state.ask(account);
        }
    }
}

impl Identity {
    fn of(exchange: &Exchange) -> Self {
        let step = |step: Step| (step.mantissa, step.decimals);
        let listed = |instrument: &Instrument| Listed {
            symbol: instrument.symbol.as_str().to_owned(),
            tick: step(instrument.tick),
            lot: step(instrument.lot),
        };
        let all = |floor: &Floor| floor.venue.instruments().iter().map(listed).collect();
        Self {
            api_key: exchange.keys.registered().map(str::to_owned),
            usdm: all(&exchange.usdm),
            spot: all(&exchange.spot),
        }
    }

    /// The first difference to the one that is asked for, for the operator.
    fn difference(&self, asked: &Self) -> Option<String> {
        if self.api_key != asked.api_key {
            let name = |key: &Option<String>| match key {
                Some(key) => format!("the API key {key}"),
                None => "any API key".to_owned(),
            };
            let (found, asked) = (name(&self.api_key), name(&asked.api_key));
            return Some(format!("it is of an exchange for {found}, not for {asked}"));
        }
        let markets = [
            ("USD-M", &self.usdm, &asked.usdm),
            ("spot", &self.spot, &asked.spot),
        ];
        markets.into_iter().find_map(|(market, found, asked)| {
            let names = |all: &[Listed]| {
                let names: Vec<&str> = all.iter().map(|one| one.symbol.as_str()).collect();
                if names.is_empty() {
                    return "nothing".to_owned();
                }
                names.join(",")
            };
            let (one, other) = (names(found), names(asked));
            if one != other {
                return Some(format!("its {market} trades {one}, not {other}"));
            }
            let mut pairs = found.iter().zip(asked);
            let (found, asked) = pairs.find(|(found, asked)| found != asked)?;
            Some(format!(
                "its {} of {market} has tick {} and lot {}, not {} and {}",
                found.symbol,
                decimal(found.tick),
                decimal(found.lot),
                decimal(asked.tick),
                decimal(asked.lot),
            ))
        })
    }
}

fn decimal((mantissa, decimals): (i64, u8)) -> String {
    let mut buffer = [0; market::decimal::TEXT_MAX];
    let text = market::decimal::write_decimal(mantissa, u32::from(decimals), &mut buffer);
    String::from_utf8_lossy(text).into_owned()
}

/// What of an account may have changed.
#[derive(Default)]
struct Ids {
    orders: BTreeSet<u64>,
    lists: BTreeSet<u64>,
    conditional: BTreeSet<u64>,
}

/// Accounts of a floor with what of them may have changed.
struct Touched(BTreeMap<AccountId, Ids>);

impl Touched {
    /// Reads it off the private events that wait; each counts once.
    fn take(floor: &mut Floor, asked: &BTreeSet<AccountId>) -> Self {
        let mut all: BTreeMap<AccountId, Ids> = BTreeMap::new();
        all.extend(asked.iter().map(|account| (*account, Ids::default())));
        for output in &floor.outputs[floor.written.outputs..] {
            let ids = all.entry(output.account()).or_default();
            match output {
                Output::Order(event) => {
                    ids.orders.insert(event.update.exchange_order_id.0);
                }
                Output::List(event) => {
                    ids.lists.insert(event.list.id);
                }
                Output::Account(_) | Output::Wallet(_) => {}
            }
        }
        let changes: &[Conditional] = &floor.conditional_changes[floor.written.conditional..];
        for change in changes {
            let ids = all.entry(change.account).or_default();
            ids.conditional.insert(change.id);
        }
        for notice in &floor.notices[floor.written.notices..] {
            all.entry(notice.account).or_default();
        }
        floor.written.outputs = floor.outputs.len();
        floor.written.conditional = floor.conditional_changes.len();
        floor.written.notices = floor.notices.len();
        Self(all)
    }
}
