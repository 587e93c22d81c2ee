//! The events that a machine may look for in the log.
//!
//! In: nothing. Out: their names, their ids in the journal, and what the journal's catalogue says of
//! each. Never: an id that is given a second meaning.

use std::fmt::Write as _;

/// One kind of event. A line has it in its field `event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: &'static str,
    /// Its `MESSAGE_ID`.
    pub id: &'static str,
    /// A sentence for the catalogue.
    pub says: &'static str,
    /// Fields that each line of it has.
    pub fields: &'static [&'static str],
}

/// The name of the field that makes a line an event.
pub const FIELD: &str = "event";

macro_rules! events {
    ($($name:ident $id:literal [$($field:literal)*] $says:literal;)+) => {
        $(#[doc = $says] pub const $name: &str = stringify!($name);)+

        /// All of them.
        pub const ALL: &[Event] = &[$(Event {
            name: $name, id: $id, says: $says, fields: &[$($field),*],
        }),+];
    };
}

events! {
    ORDER_PLACED "5a1f0c6be0a84c0c9d6f6f0f5f7a1001"
        ["order_id" "symbol" "side" "order_type" "price" "quantity" "strategy_context"]
        "An order passed risk and was sent.";
    ORDER_DENIED "5a1f0c6be0a84c0c9d6f6f0f5f7a1002"
        ["symbol" "side" "price" "quantity" "reason"]
        "Risk refused an order; nothing was sent.";
    ORDER_FINAL "5a1f0c6be0a84c0c9d6f6f0f5f7a1003"
        ["order_id" "symbol" "state" "filled" "code"]
        "An order is filled, cancelled, expired or rejected.";
    FILL "5a1f0c6be0a84c0c9d6f6f0f5f7a1004"
        ["order_id" "symbol" "side" "price" "quantity" "fee_usdt" "liquidity" "trade_id"]
        "An order was executed, or a part of it.";
    TRADE_CLOSED "5a1f0c6be0a84c0c9d6f6f0f5f7a1005"
        ["symbol" "side" "quantity" "pnl_usdt" "fees_usdt" "held_ms" "reason"]
        "A position went back to flat.";
    STATUS "5a1f0c6be0a84c0c9d6f6f0f5f7a1006"
        ["state" "equity_usdt" "positions" "orders" "tick_to_order_p99_us"]
        "How the machine does, once a minute.";
    STATE_CHANGED "5a1f0c6be0a84c0c9d6f6f0f5f7a1007"
        ["from" "to" "reason"]
        "The trading state changed.";
    BREAKER "5a1f0c6be0a84c0c9d6f6f0f5f7a1008"
        ["breaker" "value" "allowed" "dry"]
        "A breaker tripped, or would have.";
    KILL "5a1f0c6be0a84c0c9d6f6f0f5f7a1009"
        ["act" "symbol" "count" "code"]
        "One act of a kill.";
    RECONCILED "5a1f0c6be0a84c0c9d6f6f0f5f7a100a"
        ["adopted" "cancelled" "foreign" "differences"]
        "What we know was compared with what the exchange lists.";
    STREAM_DOWN "5a1f0c6be0a84c0c9d6f6f0f5f7a100b"
        ["market" "stream"]
        "A stream of the exchange is away.";
    STREAM_UP "5a1f0c6be0a84c0c9d6f6f0f5f7a100c"
        ["market" "stream"]
        "A stream of the exchange is there.";
    CONFIG_CHANGED "5a1f0c6be0a84c0c9d6f6f0f5f7a100d"
        ["version"]
        "The hot path took another configuration.";
}

/// The event of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static Event> {
    ALL.iter().find(|one| one.name == name)
}

/// The journal's catalogue (`man journalctl`, `-x`).
#[must_use]
pub fn catalogue() -> String {
    let mut text = String::from(
        "# What `journalctl -x` says of our events. Made by `FULCRUM_BLESS=1 cargo test -p service`.\n",
    );
    for one in ALL {
        let fields: Vec<String> = one.fields.iter().map(|name| field(name)).collect();
        let (id, name, says, fields) = (one.id, one.name, one.says, fields.join(" "));
        let _ = write!(
            text,
            "\n-- {id}\nSubject: {name}\nDefined-By: Fulcrum\n\n{says}\nFields: {fields}\n"
        );
    }
    text
}

/// The journal's name of a field of ours.
#[must_use]
pub fn field(name: &str) -> String {
    format!("FULCRUM_{}", name.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn ids_are_ids_and_none_is_there_twice() {
        let ids: BTreeSet<&str> = ALL.iter().map(|one| one.id).collect();
        let names: BTreeSet<&str> = ALL.iter().map(|one| one.name).collect();
        assert_eq!((ids.len(), names.len()), (ALL.len(), ALL.len()));
        for id in ids {
            let digits = id.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(id.len() == 32 && digits, "{id}");
        }
    }

    #[test]
    fn the_catalogue_is_the_one_that_is_shipped() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../systemd/fulcrum.catalog");
        if std::env::var_os("FULCRUM_BLESS").is_some() {
            std::fs::write(&path, catalogue()).expect("the folder is there");
        }
        let shipped = std::fs::read_to_string(&path).expect("systemd/fulcrum.catalog");
        assert_eq!(shipped, catalogue(), "FULCRUM_BLESS=1 makes it anew");
    }
}
