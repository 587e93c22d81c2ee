//! The exchange's error codes by what they mean for us, and the outcome of a request.
//!
//! In: status, code and message of a reply. Out: a class for the operator and for back-off, and
//! whether the request took effect. Never: "failed" where the exchange may have done it (I3).

use market::{ReplyOutcome, wire_enum};

wire_enum! {
    /// What to make of an error code.
    pub enum ErrorClass {
        /// No error.
        None = "none",
        /// The request may have taken effect: query, never send again.
        Unknown = "unknown",
        /// Failed for a passing reason of the exchange's: back off.
        Transient = "transient",
        /// Refused under load; not counted against limits: back off.
        Overloaded = "overloaded",
        /// A request or order limit is broken: nothing before Retry-After.
        RateLimited = "rate_limited",
        /// Key, signature or permission: stop trading.
        Unauthorized = "unauthorized",
        /// The timestamp is off: synchronise the clock.
        Clock = "clock",
        /// Price, quantity or notional breaks a filter: refresh filters.
        Filter = "filter",
        /// Our program asked for something that makes no sense.
        Program = "program",
        /// No such instrument, or it takes no orders now.
        Instrument = "instrument",
        /// The listenKey is gone: make a new one.
        ListenKey = "listen_key",
        /// Cancel or amend of an order that is not open (any more).
        OrderGone = "order_gone",
        /// Query of an order that the exchange does not know.
        OrderNotFound = "order_not_found",
        /// An open order has this client id already: a former request did take effect.
        DuplicateOrder = "duplicate_order",
        /// Balance, margin or position limits.
        Funds = "funds",
        /// Reduce-only order with nothing to reduce.
        ReduceOnly = "reduce_only",
        /// Maker-only order that would take, or fill-or-kill that cannot fill: no order exists.
        NotExecutable = "not_executable",
        /// Too many open orders.
        OrderCount = "order_count",
        /// What was asked for is so already.
        AlreadyDone = "already_done",
        /// The account or symbol may only reduce, is being liquidated, or trading is forbidden.
        Restricted = "restricted",
        /// The matching engine refused the order, as its message tells.
        Rejected = "rejected",
        /// A code that this table does not know.
        Other = "other",
    }
}

/// The class of an error code; 0 is no error.
#[must_use]
pub const fn classify_code(code: i64) -> ErrorClass {
    use ErrorClass as Class;
    match code.unsigned_abs() {
        0 => Class::None,
        _ if code > 0 => Class::Other,
        1000 | 1006 | 1007 => Class::Unknown,
        1001 | 1016 => Class::Transient,
        1008 => Class::Overloaded,
        1003 | 1015 => Class::RateLimited,
        1002 | 1022 | 2014 | 2015 | 2017 | 4109 => Class::Unauthorized,
        1021 | 5028 => Class::Clock,
        1013 | 1111 | 4164 | 4131 | 4183 | 4184 | 4210 | 4211 => Class::Filter,
        4001..=4005 | 4013 | 4014 | 4016 | 4023 | 4024 => Class::Filter,
        1014 | 1020 | 1100..=1106 | 1114..=1117 | 1120 | 1128 | 1130 | 1135 => Class::Program,
        4015 | 4021 | 4060..=4062 | 4082 | 4120 | 4137 | 4138 => Class::Program,
        1121 | 1122 | 4140 | 4141 => Class::Instrument,
        1125 => Class::ListenKey,
        2011 => Class::OrderGone,
        2013 => Class::OrderNotFound,
        4116 => Class::DuplicateOrder,
        2018 | 2019 | 2024 | 2027 | 2028 | 4050 | 4051 => Class::Funds,
        2022 | 2026 | 4118 => Class::ReduceOnly,
        2020 | 2021 | 5021 | 5022 => Class::NotExecutable,
        2025 | 4045 => Class::OrderCount,
        4046 | 4059 | 4171 | 5027 => Class::AlreadyDone,
        2023 | 4087 | 4088 | 4105..=4107 | 4189 | 4192 | 4400 | 4401 => Class::Restricted,
        2010 => Class::Rejected,
        _ => Class::Other,
    }
}

/// Whether a request took effect, by the reply's status, code and message.
///
/// 200 is a success. A 4xx is a refusal, except 408 and the codes that say "unknown". A 5xx is
/// unknown, except where its code or text says that nothing was done.
#[must_use]
pub fn outcome_of(status: u16, code: i64, message: &[u8]) -> ReplyOutcome {
    match classify_code(code) {
        ErrorClass::Unknown => return ReplyOutcome::Unresolved,
        // The first request with this id did arrive: what became of it must be asked.
        ErrorClass::DuplicateOrder => return ReplyOutcome::Unresolved,
        ErrorClass::Rejected if message == b"Duplicate order sent." => {
            return ReplyOutcome::Unresolved;
        }
        _ => {}
    }
    match status {
        200 if code == 0 => ReplyOutcome::Confirmed,
        // Half of a cancel and replace was done; no other request answers so.
        408 | 409 => ReplyOutcome::Unresolved,
        400..500 => ReplyOutcome::Rejected,
        500..600 if code == -1008 || code == -1001 => ReplyOutcome::Rejected,
        503 if message == b"Service Unavailable." => ReplyOutcome::Rejected,
        _ => ReplyOutcome::Unresolved,
    }
}
