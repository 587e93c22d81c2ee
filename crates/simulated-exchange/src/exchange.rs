//! The exchange core: both markets, keys, faults, logs, behind one lock.
//!
//! In: the time, requests, connections. Out: frames in queues, answers. Never: a socket; every
//! method returns at once.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use binance::encode::JsonText;
use binance::user_data::encode_listen_key_expired;
use market::{Execution, Instrument, Market, UtcMs};
use matching::{AccountId, Conditional, ConditionalState, Output};
use tokio::sync::Notify;

use crate::accounting::Notice;
use crate::accounts::Accounts;
use crate::api::auth::Keys;
use crate::api::key_rights::KeyRights;
use crate::api::weights::Weights;
use crate::clock::Clock;
use crate::faults::Faults;
use crate::faults::schedule::Schedule;
use crate::floor::{Floor, WrittenEvents};
use crate::latency::Delays;
use crate::private::{ListenKeys, Subscriptions};
use crate::state::State;
use crate::streams::hub::ConnectionId;
use crate::timer;
use crate::user_events;
use crate::wire_log::WireLog;

/// The exchange.
pub struct Exchange {
    /// Its time.
    pub clock: Clock,
    /// USD-M futures.
    pub usdm: Floor,
    /// Spot.
    pub spot: Floor,
    /// Active faults.
    pub faults: Faults,
    /// Faults to come.
    pub schedule: Option<Schedule>,
    /// Latency.
    pub delays: Delays,
    /// Wire-to-wire times.
    pub wire: WireLog,
    /// The key of the first account.
    pub keys: Keys,
    /// What all keys may.
    pub key_rights: KeyRights,
    /// All other accounts.
    pub accounts: Accounts,
    /// Futures user streams.
    pub listen_keys: ListenKeys,
    /// Spot user streams.
    pub spot_subscriptions: Subscriptions,
    /// Request weight of futures.
    pub usdm_weights: Weights,
    /// Request weight of spot.
    pub spot_weights: Weights,
    /// Requests answered.
    pub requests: u64,
    /// Private events sent.
    pub private_events: u64,
    /// What outlives the process, where that is asked for.
    pub state: Option<State>,
}

/// The exchange as its sockets share it.
///
/// One thread drives everything, so that the lock is never waited for; it only satisfies the
/// server's `Send` bounds.
#[derive(Clone)]
pub struct Shared {
    exchange: Arc<Mutex<Exchange>>,
    wake: Arc<Notify>,
    clock_changed: Arc<Notify>,
}

impl Shared {
    /// Shares an exchange.
    #[must_use]
    pub fn new(exchange: Exchange) -> Self {
        Self {
            exchange: Arc::new(Mutex::new(exchange)),
            wake: Arc::new(Notify::new()),
            clock_changed: Arc::new(Notify::new()),
        }
    }

    /// The exchange, for one short piece of work.
    ///
    /// # Panics
    /// When a piece of work panicked before: the state cannot be trusted any more.
    pub fn lock(&self) -> MutexGuard<'_, Exchange> {
        let mut exchange = self.exchange.lock().expect("no piece of work panicked");
        exchange.stamp();
        exchange
    }

    /// Lets the market's task look again at what comes next.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Lets everybody who waits for a time look at the clock again: it stopped, goes on, or jumped.
    pub fn clock_changed(&self) {
        self.wake();
        self.clock_changed.notify_waiters();
    }

    /// Waits until the steady clock shows `due_ns`, however that comes: it runs, or is stepped.
    pub async fn until(&self, due_ns: i64) {
        loop {
            let mut changed = pin!(self.clock_changed.notified());
            // From here on a change is noticed, so that none falls between look and wait.
            changed.as_mut().enable();
            let clock = self.lock().clock;
            let left_ns = due_ns - clock.steady_ns();
            if left_ns <= 0 {
                return;
            }
            let left = Duration::from_nanos(left_ns.unsigned_abs());
            tokio::select! {
                () = timer::sleep(left), if !clock.is_standing() => {}
                () = changed => {}
            }
        }
    }

    /// Drives the market until the task is dropped, or until the exchange has to end: then it returns
    /// why.
    pub async fn run(self) -> String {
        loop {
            let (now_ns, next_ns) = {
                let mut exchange = self.lock();
                let now_ns = exchange.clock.now_ns();
                let next_ns = exchange.advance(now_ns);
                if let Some(failure) = exchange.failure() {
                    return failure.to_owned();
                }
                (now_ns, next_ns)
            };
            match next_ns {
                Some(next_ns) if next_ns <= now_ns => tokio::task::yield_now().await,
                Some(next_ns) => {
                    let wait = Duration::from_nanos((next_ns - now_ns).unsigned_abs());
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = self.wake.notified() => {}
                    }
                }
                None => self.wake.notified().await,
            }
        }
    }
}

impl Exchange {
    /// The floor of a market.
    #[must_use]
    pub fn floor(&self, market: Market) -> &Floor {
        match market {
            Market::UsdM => &self.usdm,
            Market::Spot => &self.spot,
        }
    }

    /// The floor of a market.
    pub fn floor_mut(&mut self, market: Market) -> &mut Floor {
        match market {
            Market::UsdM => &mut self.usdm,
            Market::Spot => &mut self.spot,
        }
    }

    /// Counts of a market.
    pub fn weights_mut(&mut self, market: Market) -> &mut Weights {
        match market {
            Market::UsdM => &mut self.usdm_weights,
            Market::Spot => &mut self.spot_weights,
        }
    }

    /// Handles all that happened until `now_ns`; returns when something happens next.
    pub fn advance(&mut self, now_ns: i64) -> Option<i64> {
        self.inject_scheduled(now_ns);
        let usdm = self.usdm.advance(now_ns, &mut self.faults);
        let spot = self.spot.advance(now_ns, &mut self.faults);
        self.send_private(UtcMs(now_ns.div_euclid(1_000_000)));
        let fault = self.schedule.as_ref().map(Schedule::next_ns);
        usdm.into_iter().chain(spot).chain(fault).min()
    }

    fn inject_scheduled(&mut self, now_ns: i64) {
        let Some(schedule) = &mut self.schedule else {
            return;
        };
        while let Some(spec) = schedule.due(now_ns) {
            tracing::info!(
                fault = spec.name(),
                argument = spec.argument,
                "as scheduled"
            );
            self.faults.inject(spec);
        }
    }

    /// Sends the private events that wait.
    pub fn send_private(&mut self, now: UtcMs) {
        self.send_private_usdm(now);
        self.send_private_spot(now);
    }

    fn send_private_spot(&mut self, now: UtcMs) {
        if self.spot.outputs.is_empty() || !self.keep() {
            return;
        }
        let outputs = std::mem::take(&mut self.spot.outputs);
        self.spot.written = WrittenEvents::default();
        for output in &outputs {
            if let Output::Order(event) = output
                && event.update.execution == Execution::Trade
                && event.update.last_quantity == event.update.cumulative_quantity
            {
                self.spot_weights
                    .filled(event.account, event.update.liquidity);
            }
        }
        for account in whose(&outputs, &[], &[]) {
            self.send_private_spot_of(account, &outputs, now);
        }
    }

    fn send_private_spot_of(&mut self, account: AccountId, outputs: &[Output], now: UtcMs) {
        if self.spot_subscriptions.of(account).next().is_none() {
            return;
        }
        let outputs = of_account(outputs, account);
        let selected = self.spot.venue.select(account);
        let texts = user_events::spot(&outputs, &self.spot.venue, now);
        self.spot.venue.select(selected);
        for text in texts {
            for (connection, id) in self.spot_subscriptions.of(account) {
                let mut wrapped = Vec::with_capacity(text.len() + 40);
                let mut json = JsonText::new(&mut wrapped);
                json.open();
                json.id("subscriptionId", id);
                json.raw("event", &text);
                json.close();
                self.spot.hub.send(connection, "", &wrapped);
                self.private_events += 1;
            }
        }
    }

    fn send_private_usdm(&mut self, now: UtcMs) {
        self.usdm.finish_conditionals(now);
        let nothing = self.usdm.outputs.is_empty() && self.usdm.notices.is_empty();
        if nothing && self.usdm.conditional_changes.is_empty() || !self.keep() {
            return;
        }
        let outputs = std::mem::take(&mut self.usdm.outputs);
        let changes = std::mem::take(&mut self.usdm.conditional_changes);
        let notices = std::mem::take(&mut self.usdm.notices);
        self.usdm.written = WrittenEvents::default();
        self.usdm.note_liquidations(&outputs);
        for account in whose(&outputs, &changes, &notices) {
            self.send_private_usdm_of(account, &outputs, &changes, &notices, now);
        }
    }

    fn send_private_usdm_of(
        &mut self,
        account: AccountId,
        outputs: &[Output],
        changes: &[Conditional],
        notices: &[Notice],
        now: UtcMs,
    ) {
        let selected = self.usdm.select(account);
        let instruments = self.usdm.venue.instruments();
        let its = |change: &&Conditional| change.account == account;
        // The end of an order is told before the end of what it came from.
        let is_last = |change: &&Conditional| change.state == ConditionalState::Finished;
        let told = changes.iter().filter(its);
        let first = told.clone().filter(|change| !is_last(change));
        let venue = &self.usdm.venue;
        let of = |change: &Conditional| user_events::conditional(change, venue, now);
        let mut texts: Vec<_> = first.flat_map(of).collect();
        let outputs = of_account(outputs, account);
        texts.extend(user_events::futures(&outputs, instruments, now));
        texts.extend(told.filter(is_last).flat_map(of));
        let notices = notices.iter().filter(|notice| notice.account == account);
        texts.extend(notices.map(|notice| notice.text.clone()));
        self.usdm.select(selected);
        for text in texts {
            if self.faults.drops_private_event() {
                continue;
            }
            if self.faults.on_private_event() {
                self.expire_listen_key_of(account, now);
            }
            let Some(key) = self.listen_keys.valid_of(account, now).map(str::to_owned) else {
                return;
            };
            for connection in self.listen_keys.listeners(&key) {
                self.usdm.hub.send(connection, &key, &text);
                self.private_events += 1;
            }
        }
    }

    /// Ends the listen key of the first account and says so to its connections.
    pub fn expire_listen_key(&mut self, now: UtcMs) {
        self.expire_listen_key_of(AccountId(0), now);
    }

    /// Ends the listen key of an account and says so to its connections.
    pub fn expire_listen_key_of(&mut self, account: AccountId, now: UtcMs) {
        if let Some(key) = self.listen_keys.close(account) {
            let mut text = Vec::new();
            encode_listen_key_expired(&mut text, &key, now);
            for connection in self.listen_keys.listeners(&key) {
                self.usdm.hub.send(connection, &key, &text);
            }
        }
    }

    /// Tells the selected account's listeners of a new leverage (`ACCOUNT_CONFIG_UPDATE`).
    pub fn tell_leverage(&mut self, instrument: &Instrument, leverage: i64, now: UtcMs) {
        // Behind whatever waits already.
        self.send_private_usdm(now);
        let account = self.usdm.venue.selected();
        self.note_request(account);
        if !self.keep() {
            return;
        }
        let Some(key) = self.listen_keys.valid_of(account, now).map(str::to_owned) else {
            return;
        };
        let text = user_events::leverage(instrument, leverage, now);
        for connection in self.listen_keys.listeners(&key) {
            self.usdm.hub.send(connection, &key, &text);
            self.private_events += 1;
        }
    }

    /// Selects an account on both floors; returns the one that was selected.
    pub fn select(&mut self, account: AccountId) -> AccountId {
        self.spot.select(account);
        self.usdm.select(account)
    }

    /// The account that a key is for, and what its requests are checked with.
    #[must_use]
    pub fn keys_of(&self, key: Option<&str>) -> (AccountId, &Keys) {
        let registered = self.accounts.of_key(key);
        registered.map_or((AccountId(0), &self.keys), |one| (one.account, &one.keys))
    }

    /// A connection is gone.
    pub fn disconnect(&mut self, market: Market, connection: ConnectionId) {
        self.floor_mut(market).hub.disconnect(connection);
        match market {
            Market::UsdM => self.listen_keys.forget(connection, None),
            Market::Spot => {
                self.spot_subscriptions.forget(connection);
            }
        }
    }
}

/// The accounts that outputs and changes are about, each once, in order.
fn whose(outputs: &[Output], changes: &[Conditional], notices: &[Notice]) -> Vec<AccountId> {
    let of_outputs = outputs.iter().map(Output::account);
    let mut accounts: Vec<AccountId> = of_outputs
        .chain(changes.iter().map(|change| change.account))
        .chain(notices.iter().map(|notice| notice.account))
        .collect();
    accounts.sort_unstable();
    accounts.dedup();
    accounts
}

fn of_account(outputs: &[Output], account: AccountId) -> Vec<Output> {
    let its = outputs.iter().filter(|output| output.account() == account);
    its.copied().collect()
}
