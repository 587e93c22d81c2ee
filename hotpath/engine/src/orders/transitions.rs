//! The life of an order, as one table: every (state, evidence) pair has its cell.
//!
//! In: a state and a piece of evidence. Out: a verdict. Never: a move out of a final state (I5).

use market::{OrderState, wire_enum};

wire_enum! {
    /// What can be learned about an order.
    pub enum Evidence {
        /// We send it.
        Submit = "SUBMIT",
        /// Risk refuses it.
        Deny = "DENY",
        /// The exchange has it.
        Accept = "ACCEPT",
        /// Some of it is filled.
        Partial = "PARTIAL",
        /// All of it is filled.
        Fill = "FILL",
        /// It was cancelled.
        Cancel = "CANCEL",
        /// It ended by its terms.
        Expire = "EXPIRE",
        /// The exchange refused it, or it never existed there.
        Reject = "REJECT",
    }
}

/// What evidence does to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The state moves forward.
    To(OrderState),
    /// Nothing new: the same was told before, or something later is known already.
    Repeated,
    /// It came after the order's end; counted, and the state stays.
    Late,
    /// It cannot be; counted as a violation, and the state stays.
    Impossible(&'static str),
}

use OrderState::{Accepted, Canceled, Expired, Filled, PartiallyFilled, Rejected};
use Verdict::{Impossible, Late, Repeated, To};

const UNSENT: Verdict = Impossible("the order was never sent");
const DENIED: Verdict = Impossible("risk refused the order, so that it was never sent");
const OVER: Verdict = Impossible("risk refuses an order once, and it is not kept");
const SENT: Verdict = Impossible("the order is at the exchange already");
const EXISTED: Verdict = Impossible("the exchange had accepted it before");
const REFUSED: Verdict = Impossible("the exchange had said that it does not exist");

/// Rows: states in order of declaration. Columns: evidence in order of declaration.
#[rustfmt::skip]
const TABLE: [[Verdict; 8]; 9] = [
    // Submit                  Deny                    Accept        Partial              Fill        Cancel        Expire       Reject
    [To(OrderState::Submitted), To(OrderState::Denied), UNSENT,       UNSENT,              UNSENT,     UNSENT,       UNSENT,      UNSENT],       // Initialized
    [DENIED,                   OVER,                   DENIED,       DENIED,              DENIED,     DENIED,       DENIED,      DENIED],       // Denied
    [SENT,                     SENT,                   To(Accepted), To(PartiallyFilled), To(Filled), To(Canceled), To(Expired), To(Rejected)], // Submitted
    [SENT,                     SENT,                   Repeated,     To(PartiallyFilled), To(Filled), To(Canceled), To(Expired), EXISTED],      // Accepted
    [SENT,                     SENT,                   Repeated,     Repeated,            To(Filled), To(Canceled), To(Expired), EXISTED],      // PartiallyFilled
    [SENT,                     SENT,                   Late,         Late,                Repeated,   Late,         Late,        EXISTED],      // Filled
    [SENT,                     SENT,                   Late,         Late,                Late,       Repeated,     Late,        EXISTED],      // Canceled
    [SENT,                     SENT,                   Late,         Late,                Late,       Late,         Repeated,    EXISTED],      // Expired
    [SENT,                     SENT,                   REFUSED,      REFUSED,             REFUSED,    REFUSED,      REFUSED,     Repeated],     // Rejected
];

/// What `evidence` does to an order in `state`.
#[must_use]
pub const fn verdict(state: OrderState, evidence: Evidence) -> Verdict {
    TABLE[state as usize][evidence as usize]
}

/// How often each pair of the table was entered; rows are states, as in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairCounts([[u32; 8]; 9]);

impl PairCounts {
    /// One more.
    #[inline]
    pub(super) const fn enter(&mut self, state: OrderState, evidence: Evidence) {
        let count = &mut self.0[state as usize][evidence as usize];
        *count = count.saturating_add(1);
    }

    /// How often `evidence` met an order in `state`.
    #[must_use]
    pub const fn of(&self, state: OrderState, evidence: Evidence) -> u32 {
        self.0[state as usize][evidence as usize]
    }
}

impl Evidence {
    /// The evidence that a state told by the exchange is; `None` for states that it never tells.
    #[must_use]
    pub const fn of(state: OrderState) -> Option<Self> {
        match state {
            OrderState::Initialized | OrderState::Denied | OrderState::Submitted => None,
            Accepted => Some(Self::Accept),
            PartiallyFilled => Some(Self::Partial),
            Filled => Some(Self::Fill),
            Canceled => Some(Self::Cancel),
            Expired => Some(Self::Expire),
            Rejected => Some(Self::Reject),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How far along an order is; states of equal rank never follow each other.
    fn rank(state: OrderState) -> u8 {
        match state {
            OrderState::Initialized => 0,
            OrderState::Submitted => 1,
            Accepted => 2,
            PartiallyFilled => 3,
            _ => 4,
        }
    }

    #[test]
    fn every_pair_moves_forward_or_stays_and_final_states_absorb() {
        for &state in OrderState::ALL {
            for &evidence in Evidence::ALL {
                if let To(next) = verdict(state, evidence) {
                    assert!(rank(next) > rank(state), "{state} + {evidence} -> {next}");
                    assert!(!state.is_final(), "{state} is final");
                }
            }
        }
    }

    #[test]
    fn evidence_that_the_exchange_tells_leads_to_the_state_that_it_tells() {
        for &told in OrderState::ALL {
            if let Some(evidence) = Evidence::of(told) {
                assert_eq!(verdict(OrderState::Submitted, evidence), To(told));
                assert_eq!(verdict(told, evidence), Repeated);
            }
        }
    }

    #[test]
    fn impossible_pairs_say_why() {
        let mut impossible = 0;
        for &state in OrderState::ALL {
            for &evidence in Evidence::ALL {
                if let Impossible(why) = verdict(state, evidence) {
                    assert!(!why.is_empty());
                    impossible += 1;
                }
            }
        }
        assert_eq!(impossible, 6 + 8 + 2 + 3 + 3 + 3 + 3 + 3 + 7);
    }
}
