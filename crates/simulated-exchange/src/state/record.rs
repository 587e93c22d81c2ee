//! The exchange's memory as values: everything, or what has changed.
//!
//! In: floors, accounts, keys. Out: records for the files, and an exchange that has what they say.
//! Never: a file; the market.

use std::collections::BTreeMap;

use market::{Money, Rate, UtcMs};
use matching::{
    Account, AccountId, AccountRecord, ConditionalRecord, Fees, NextIds, Recorded, SpotBalances,
};
use serde::{Deserialize, Serialize};

use super::Ids;
use crate::accounting::Standing;
use crate::accounts::Registered;
use crate::api::auth::Keys;
use crate::exchange::Exchange;
use crate::floor::Floor;
use crate::private::KeysRecord;

/// What has changed in one piece of work, or all there is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    /// All accounts but the first, where one has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) accounts: Option<Vec<RegisteredRecord>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) listen_keys: Option<KeysRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) usdm: Option<FloorRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) spot: Option<FloorRecord>,
}

/// An account beside the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegisteredRecord {
    name: String,
    key: String,
    /// What its signatures are checked with, as it was given.
    secret: String,
}

/// One market.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FloorRecord {
    ids: NextIds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_funding: Option<UtcMs>,
    /// What a followed exchange charges next, by instrument.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    fundings: Vec<Option<(UtcMs, Rate)>>,
    /// Accounts by their numbers.
    desks: BTreeMap<u16, DeskRecord>,
}

/// One account of a market.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeskRecord {
    venue: AccountRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    conditional: Option<ConditionalRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<DeskSettings>,
}

/// What a floor keeps of an account beside its orders.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeskSettings {
    countdowns: Vec<Option<i64>>,
    standing: Standing,
}

/// All accounts but the first.
pub(super) fn accounts(exchange: &Exchange) -> Vec<RegisteredRecord> {
    let all = exchange.accounts.iter().map(|one| RegisteredRecord {
        name: one.name.clone(),
        key: one.key.clone(),
        secret: one.secret.clone(),
    });
    all.collect()
}

/// A floor with these of its accounts.
pub(super) fn floor(floor: &Floor, desks: BTreeMap<u16, DeskRecord>) -> FloorRecord {
    FloorRecord {
        ids: floor.venue.next_ids(),
        next_funding: floor.accounting.next_funding,
        fundings: match floor.follows() {
            true => floor.followed_fundings(),
            false => Vec::new(),
        },
        desks,
    }
}

/// What has changed of the selected account; nothing where nothing has.
pub(super) fn desk(
    floor: &Floor,
    recorded: &mut Recorded,
    written: &mut DeskSettings,
    ids: &Ids,
) -> Option<DeskRecord> {
    let venue = floor.venue.record(recorded, &ids.orders, &ids.lists);
    let conditional = floor.conditional.record(&ids.conditional);
    let conditional = (!conditional.orders.is_empty()).then_some(conditional);
    let settings = settings(floor);
    let settings = (settings != *written).then_some(settings);
    let unchanged = AccountRecord {
        orders_total: venue.orders_total,
        fills_total: venue.fills_total,
        fees_elsewhere: venue.fees_elsewhere,
        ..AccountRecord::default()
    };
    if venue == unchanged && conditional.is_none() && settings.is_none() {
        return None;
    }
    if let Some(settings) = &settings {
        written.clone_from(settings);
    }
    Some(DeskRecord {
        venue,
        conditional,
        settings,
    })
}

/// All of the selected account.
pub(super) fn whole_desk(
    floor: &Floor,
    recorded: &mut Recorded,
    written: &mut DeskSettings,
) -> DeskRecord {
    *recorded = floor.venue.recorded();
    *written = settings(floor);
    DeskRecord {
        venue: floor.venue.whole_record(),
        conditional: Some(floor.conditional.whole_record()),
        settings: Some(written.clone()),
    }
}

fn settings(floor: &Floor) -> DeskSettings {
    DeskSettings {
        countdowns: floor.countdowns.clone(),
        standing: floor.standing,
    }
}

impl Change {
    /// Puts what it says into an exchange.
    ///
    /// # Errors
    /// What in it is not of this exchange.
    pub(super) fn absorb(self, exchange: &mut Exchange) -> Result<(), String> {
        let known = exchange.accounts.iter().count();
        for one in self.accounts.into_iter().flatten().skip(known) {
            register(exchange, one)?;
        }
        if let Some(keys) = self.listen_keys {
            exchange.listen_keys.absorb(keys);
        }
        for (floor, record) in [
            (&mut exchange.usdm, self.usdm),
            (&mut exchange.spot, self.spot),
        ] {
            if let Some(record) = record {
                record.absorb(floor)?;
            }
        }
        Ok(())
    }
}

impl FloorRecord {
    fn absorb(self, floor: &mut Floor) -> Result<(), String> {
        floor.venue.set_next_ids(self.ids);
        floor.accounting.next_funding = self.next_funding;
        floor.resume_fundings(&self.fundings);
        let selected = floor.venue.selected();
        let count = floor.venue.instruments().len();
        for (account, desk) in self.desks {
            if usize::from(account) >= floor.venue.account_count() {
                return Err(format!("account {account}, which nobody has opened"));
            }
            floor.select(AccountId(account));
            floor.venue.absorb(desk.venue)?;
            if let Some(conditional) = desk.conditional {
                floor.conditional.absorb(conditional, count)?;
            }
            if let Some(settings) = desk.settings {
                if settings.countdowns.len() != count {
                    return Err(format!("countdowns that are not of {count} instruments"));
                }
                floor.countdowns = settings.countdowns;
                floor.standing = settings.standing;
            }
        }
        floor.select(selected);
        Ok(())
    }
}

fn register(exchange: &mut Exchange, one: RegisteredRecord) -> Result<(), String> {
    let keys = Keys::new(one.key.clone(), &one.secret)
        .map_err(|error| format!("account {}: {error}", one.name))?;
    // What it has comes with its own record.
    let empty = |floor: &Floor, spot| {
        let count = floor.venue.instruments().len();
        Account {
            spot,
            ..Account::new(Money::ZERO, Fees::FIRST_TIER, 1, count)
        }
    };
    let futures = empty(&exchange.usdm, None);
    let bases = vec![Money::ZERO; exchange.spot.venue.instruments().len()];
    let quote = Money::ZERO;
    let spot = empty(&exchange.spot, Some(SpotBalances { quote, bases }));
    let account = exchange.usdm.open_account(futures);
    let same = exchange.spot.open_account(spot);
    assert_eq!(account, same, "both floors have the same accounts");
    exchange.accounts.add(Registered {
        name: one.name,
        key: one.key,
        secret: one.secret,
        keys,
        account,
    });
    Ok(())
}

/// Lets both markets go on with what was absorbed. The first account pays `fees`, of USD-M and of
/// spot: what the command line says now counts.
pub(super) fn resume(exchange: &mut Exchange, fees: [Fees; 2]) {
    for (floor, fees) in [&mut exchange.usdm, &mut exchange.spot]
        .into_iter()
        .zip(fees)
    {
        floor.venue.set_fees(fees);
        floor.venue.resume();
    }
}
