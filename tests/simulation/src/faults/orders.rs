//! What happens to order requests and their answers.
//!
//! In: a request's method and names. Out: its fate. Never: a refusal of something that was done,
//! unless its words say "unknown".

use super::{Adversary, Scheduled, Trap};
use crate::network::MS;

/// A request of the order connection, as far as faults care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An order.
    Place,
    /// A cancel.
    Cancel,
    /// Another price or quantity.
    Amend,
    /// What became of an order.
    Query,
    /// Log-on, subscription.
    Other,
}

/// An answer that the exchange makes up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forged {
    /// Status.
    pub status: u16,
    /// Code.
    pub code: i64,
    /// Words.
    pub message: &'static str,
    /// Milliseconds until Retry-After.
    pub retry_after_ms: Option<u64>,
}

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Handled and answered.
    Normal,
    /// Handled; the answer is lost.
    LoseAnswer,
    /// Handled, filled at once; the answer is lost.
    FillAndLoseAnswer,
    /// Likewise, and for so long nobody tells of it but the position.
    FillUntold(u64),
    /// Handled; the answer comes late.
    Late(u64),
    /// Handled; answered with this.
    DoneBut(Forged),
    /// Not handled; answered with this.
    Refused(Forged),
    /// Not handled; answered with this, late.
    RefusedLate(Forged, u64),
    /// Neither handled nor answered.
    Swallowed,
    /// The order is filled just before its cancel is handled.
    FillFirst,
    /// The order is filled just before its amendment is handled, whole or in part.
    FillBefore {
        /// A half of what is left.
        half: bool,
    },
    /// Handled; answered twice, the second time later by this.
    Doubled(u64),
    /// Handled; lost, and queries tell what was before for so long.
    Stale(u64),
    /// Handled; then the order fills in so many pieces.
    Slices(i64),
    /// Handled; then the order expires, as this kind.
    Expires(u64),
    /// Handled; the private stream says expired, the answer cancelled.
    SaysCancelled,
    /// Handled; lost, and not found by queries for so long.
    Lags(u64),
}

const fn forged(status: u16, code: i64, message: &'static str) -> Forged {
    Forged {
        status,
        code,
        message,
        retry_after_ms: None,
    }
}

/// Refusals of F29.
const REFUSALS: [(i64, &str); 9] = [
    (-2019, "Margin is insufficient."),
    (
        -2010,
        "Account has insufficient balance for requested action.",
    ),
    (-4116, "ClientOrderId is duplicated."),
    (-4120, "Order type not supported for this endpoint."),
    (-4164, "Order's notional must be no smaller than 50."),
    (
        -1111,
        "Precision is over the maximum defined for this asset.",
    ),
    (-4014, "Price not increased by tick size."),
    (-5022, "Post only order will be rejected."),
    (-2022, "ReduceOnly Order is rejected."),
];

/// Refusals of an amendment (F29).
const AMEND_REFUSALS: [(i64, &str); 7] = [
    (-5026, "Exceed maximum modify order limit."),
    (-2019, "Margin is insufficient."),
    (-4164, "Order's notional must be no smaller than 50."),
    (
        -1111,
        "Precision is over the maximum defined for this asset.",
    ),
    (-4014, "Price not increased by tick size."),
    (-4016, "Limit price can't be higher than the cap."),
    (-2022, "ReduceOnly Order is rejected."),
];

/// Order faults that only a cancel shows.
const fn of_cancel(fault: &Scheduled) -> bool {
    matches!(fault.number, 30 | 31)
}

/// Order faults that an amendment shows.
const fn of_amend(fault: &Scheduled) -> bool {
    matches!(fault.number, 25..=27 | 29 | 32 | 34..=38 | 40 | 41)
}

impl Adversary {
    /// Sets a trap of this group.
    pub(super) fn set_order_trap(&mut self, fault: Scheduled) {
        let left = match fault.number {
            33 => 2 * fault.times(3),
            29 | 35 | 36 | 40 => fault.times(3),
            _ => 1,
        };
        self.order_traps.push(Trap { fault, left });
    }

    /// Sets a trap for an amendment alone; false for faults that none shows.
    pub(super) fn set_amend_trap(&mut self, fault: Scheduled) -> bool {
        if of_amend(&fault) {
            self.amend_traps.push(Trap { fault, left: 1 });
        }
        of_amend(&fault)
    }

    /// The fate of a request.
    pub fn fate(&mut self, now: u64, asked: Asked, name: &str) -> Fate {
        if let Some(fate) = self.standing_fate(now, asked, name) {
            return fate;
        }
        let trap = match asked {
            Asked::Place => Self::spring(&mut self.order_traps, |one| {
                !of_cancel(one) && one.number != 32
            }),
            Asked::Amend => Self::spring(&mut self.amend_traps, of_amend)
                .or_else(|| Self::spring(&mut self.order_traps, of_amend)),
            Asked::Cancel => Self::spring(&mut self.order_traps, |one| {
                of_cancel(one) || matches!(one.number, 25 | 35 | 36 | 37 | 38 | 40)
            }),
            Asked::Query => Self::spring(&mut self.order_traps, |one| {
                matches!(one.number, 35 | 36 | 37 | 40) && one.draws[2].is_multiple_of(2)
            }),
            Asked::Other => None,
        };
        let Some(fault) = trap else {
            return Fate::Normal;
        };
        let fate = match asked {
            Asked::Amend => self.fate_of_amendment(&fault, now),
            _ => self.fate_of(&fault, now),
        };
        self.on_amendments += u64::from(asked == Asked::Amend);
        let number = fault.number;
        if !matches!(number, 26 | 28 | 30 | 32 | 34) {
            self.fire(now, number, format!("{asked:?} {name}: {fate:?}"));
        }
        fate
    }

    /// What holds for every request now.
    fn standing_fate(&mut self, now: u64, asked: Asked, name: &str) -> Option<Fate> {
        for number in [37, 38, 53] {
            let Some(condition) = self.holds(number, None) else {
                continue;
            };
            let left_ms = condition.until.saturating_sub(now) / MS;
            return Some(Fate::Refused(match number {
                37 => limited(429, left_ms),
                38 => limited(418, left_ms),
                _ => forged(503, 0, "Service Unavailable."),
            }));
        }
        if asked == Asked::Query
            && let Some(condition) = self.holds(40, None)
        {
            let key = "Invalid API-key, IP, or permissions for action.";
            return Some(Fate::Refused(match condition.fault.kind(2) {
                0 => forged(
                    400,
                    -1021,
                    "Timestamp for this request is outside of the recvWindow.",
                ),
                _ => forged(401, -2015, key),
            }));
        }
        if asked == Asked::Query
            && let Some((lagging, until)) = &self.lagging
            && lagging == name
            && now < *until
        {
            let message = "Order does not exist.";
            return Some(Fate::Refused(forged(400, -2013, message)));
        }
        None
    }

    fn fate_of(&mut self, fault: &Scheduled, now: u64) -> Fate {
        match fault.number {
            25 => Fate::LoseAnswer,
            26 if fault.draws[0] % 3 == 2 => {
                let lasts = fault.lasts(4_000, 7_000);
                // Queries are refused meanwhile.
                self.conditions.push(super::Condition {
                    fault: Scheduled {
                        number: 40,
                        ..*fault
                    },
                    until: now + lasts,
                    place: None,
                });
                Fate::FillUntold(lasts)
            }
            26 => Fate::FillAndLoseAnswer,
            27 => match fault.kind(3) {
                0 => Fate::Late(fault.lasts(50, 1_900)),
                1 => Fate::Late(fault.lasts(2_100, 9_000)),
                _ => Fate::RefusedLate(
                    forged(400, -2019, "Margin is insufficient."),
                    fault.lasts(2_100, 12_000),
                ),
            },
            28 => Fate::Slices([3, 20, 1_000][fault.kind(3) as usize]),
            29 => {
                let (code, message) = REFUSALS[fault.kind(REFUSALS.len() as u64) as usize];
                Fate::Refused(forged(400, code, message))
            }
            30 => Fate::FillFirst,
            31 => match fault.kind(2) {
                0 => Fate::DoneBut(forged(409, -2021, "Order cancel-replace partially failed.")),
                _ => Fate::Refused(forged(409, -2022, "Order cancel-replace failed.")),
            },
            33 => self.every_other(),
            34 => match fault.kind(3) {
                2 => Fate::SaysCancelled,
                kind => Fate::Expires(kind),
            },
            35 | 36 => unknown(fault),
            37 | 38 => self.limit(fault, now),
            // Nobody knows of the order, and for a while nobody is told either.
            40 if fault.draws[0] % 3 == 1 => {
                self.conditions.push(super::Condition {
                    fault: *fault,
                    until: now + fault.lasts(5_000, 9_000),
                    place: None,
                });
                Fate::Swallowed
            }
            40 => Fate::Refused(match fault.kind(4) {
                0 => forged(
                    400,
                    -1021,
                    "Timestamp for this request was 1000ms ahead of the server's time.",
                ),
                1 => forged(
                    400,
                    -1021,
                    "Timestamp for this request is outside of the recvWindow.",
                ),
                2 => forged(400, -1022, "Signature for this request is not valid."),
                _ => forged(
                    401,
                    -2015,
                    "Invalid API-key, IP, or permissions for action.",
                ),
            }),
            41 => Fate::Lags(fault.lasts(300, 2_500)),
            _ => Fate::Normal,
        }
    }

    /// What an amendment meets otherwise than an order does.
    fn fate_of_amendment(&mut self, fault: &Scheduled, now: u64) -> Fate {
        match fault.number {
            27 if fault.draws[1] % 4 == 3 => Fate::Doubled(fault.lasts(0, 4_000)),
            29 => {
                let (code, message) =
                    AMEND_REFUSALS[fault.kind(AMEND_REFUSALS.len() as u64) as usize];
                Fate::Refused(forged(400, code, message))
            }
            32 => Fate::FillBefore {
                half: fault.kind(2) == 0,
            },
            34 => Fate::Expires(fault.kind(2)),
            // Longer than the box waits for an answer, shorter than the window in which an
            // amendment could still take effect.
            41 => Fate::Stale(fault.lasts(2_100, 2_900)),
            _ => self.fate_of(fault, now),
        }
    }

    /// F33: every other one of several is refused.
    fn every_other(&mut self) -> Fate {
        self.foreign += 1;
        if self.foreign.is_multiple_of(2) {
            Fate::Refused(forged(400, -2019, "Margin is insufficient."))
        } else {
            Fate::Normal
        }
    }

    /// 429 or 418: it holds for everything until its end.
    fn limit(&mut self, fault: &Scheduled, now: u64) -> Fate {
        let (status, lasts) = match fault.number {
            37 => (429, fault.lasts(1_000, 8_000)),
            _ => (418, fault.lasts(2_000, 20_000)),
        };
        self.conditions.push(super::Condition {
            fault: *fault,
            until: now + lasts,
            place: None,
        });
        Fate::Refused(limited(status, lasts / MS))
    }
}

/// Nobody knows, or nothing was done, by the words of the answer.
fn unknown(fault: &Scheduled) -> Fate {
    let lost = "Unknown error, please check your request or try again later.";
    let busy = "Request throttled by system-level protection.";
    let backend = "Timeout waiting for response from backend server. Send status unknown.";
    match (fault.number, fault.kind(4)) {
        (35, 0) => Fate::DoneBut(forged(503, -1000, lost)),
        (35, 1) => Fate::Refused(forged(503, -1000, lost)),
        (35, 2) => Fate::Refused(forged(503, 0, "Service Unavailable.")),
        (35, _) => Fate::Refused(forged(503, -1008, busy)),
        (_, 0) => Fate::DoneBut(forged(408, -1007, backend)),
        (_, 1) => Fate::Refused(forged(408, -1007, backend)),
        (_, 2) => Fate::DoneBut(forged(400, -1007, backend)),
        _ => Fate::Swallowed,
    }
}

const fn limited(status: u16, left_ms: u64) -> Forged {
    Forged {
        status,
        code: -1003,
        message: "Way too many requests.",
        retry_after_ms: Some(left_ms),
    }
}

impl Forged {
    /// Its text, for the request with this id.
    #[must_use]
    pub fn text(&self, id: &str, server_ms: i64) -> Vec<u8> {
        let Self {
            status,
            code,
            message,
            ..
        } = self;
        let data = self.retry_after_ms.map_or(String::new(), |wait_ms| {
            let until = server_ms + wait_ms as i64;
            format!(r#","data":{{"serverTime":{server_ms},"retryAfter":{until}}}"#)
        });
        format!(
            r#"{{"id":{id},"status":{status},"error":{{"code":{code},"msg":"{message}"{data}}}}}"#
        )
        .into_bytes()
    }
}
