//! What a reply does to an order, as one table: every (request, outcome) meets every (pending,
//! certainty) in its cell.
//!
//! In: the request that was answered, its outcome, and where the order stands. Out: what follows.
//! Never: a verdict on the order's state; that is evidence, and [`super::transitions`] judges it.

use market::{Certainty, PendingRequest, ReplyOutcome, RequestKind};

/// What follows from a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The state that it tells is evidence; what is pending keeps its own question.
    State,
    /// The order does not exist at the exchange.
    Refused,
    /// The order has ended.
    Ended,
    /// Fate unknown: it is asked for, and nothing is sent again (I3).
    Doubt,
    /// Fate unknown unless the private stream has told that the order exists.
    DoubtPlace,
    /// Fate unknown unless the private stream has told the new price and quantity.
    DoubtAmendment,
    /// The order may have ended: if its end is not told soon, it is asked for.
    LookInto,
    /// The price and quantity that it tells are the order's; if they are what was asked for, the
    /// amendment is over.
    Amended,
    /// The amendment did not take effect: the order is what it was.
    NotAmended,
    /// The answer to a doubt: what is pending is over, an open amendment by its price and quantity
    /// or by the rule of I4.
    Asked,
    /// The exchange does not know the order: counts by the rule of I4.
    Absent,
    /// Nothing.
    Nothing(&'static str),
    /// It cannot be; counted as a violation.
    Impossible(&'static str),
}

use Answer::{
    Absent, Amended, Asked, Doubt, DoubtAmendment, DoubtPlace, Ended, Impossible, LookInto,
    NotAmended, Nothing, Refused, State,
};

const TOLD: Answer = Nothing("the private stream has told of the order before");
const DOUBTED: Answer = Nothing("it is being asked for already");
const LATE: Answer = Nothing("a query has answered it before");
const ENDING: Answer = Nothing("the end of the cancel tells what became of it");
const AGAIN: Answer = Nothing("the next query follows by itself");
const SETTLED: Answer = Nothing("there is no doubt any more");
const NO_CANCEL: Answer = Impossible("a cancel takes the place's turn, and it never comes back");
const NO_AMEND: Answer = Impossible("an order is amended once it is known to be placed");

/// Rows: requests in order of declaration, each with its outcomes in order of declaration.
/// Columns: pending requests in order of declaration, each known, then unknown.
#[rustfmt::skip]
const TABLE: [[Answer; 8]; 12] = [
    // None                Place                   Amend                       Cancel
    // known    unknown    known       unknown     known           unknown     known       unknown
    [State,     State,     State,      State,      State,          State,      State,      State],      // Place: Confirmed
    [Refused,   Refused,   Refused,    Refused,    Refused,        Refused,    Refused,    Refused],    // Place: Rejected
    [TOLD,      DOUBTED,   DoubtPlace, DOUBTED,    TOLD,           DOUBTED,    DoubtPlace, DOUBTED],    // Place: Unresolved
    [Ended,     Ended,     Ended,      Ended,      Ended,          Ended,      Ended,      Ended],      // Cancel: Confirmed
    [LATE,      LATE,      NO_CANCEL,  NO_CANCEL,  LATE,           LATE,       LookInto,   LookInto],   // Cancel: Rejected
    [LATE,      DOUBTED,   NO_CANCEL,  NO_CANCEL,  LATE,           DOUBTED,    Doubt,      DOUBTED],    // Cancel: Unresolved
    [Amended,   Amended,   NO_AMEND,   NO_AMEND,   Amended,        Amended,    Amended,    Amended],    // Amend: Confirmed
    [LATE,      LATE,      NO_AMEND,   NO_AMEND,   NotAmended,     NotAmended, NotAmended, NotAmended], // Amend: Rejected
    [LATE,      DOUBTED,   NO_AMEND,   NO_AMEND,   DoubtAmendment, DOUBTED,    ENDING,     DOUBTED],    // Amend: Unresolved
    [State,     Asked,     State,      Asked,      State,          Asked,      State,      Asked],      // Query: Confirmed
    [SETTLED,   Absent,    SETTLED,    Absent,     SETTLED,        Absent,     SETTLED,    Absent],     // Query: Rejected
    [AGAIN,     AGAIN,     AGAIN,      AGAIN,      AGAIN,          AGAIN,      AGAIN,      AGAIN],      // Query: Unresolved
];

/// Outcomes of each request.
const OUTCOMES: usize = ReplyOutcome::ALL.len();

/// What follows from the `outcome` of a `request` for an order with `pending` and `certainty`.
#[must_use]
pub const fn answer(
    request: RequestKind,
    outcome: ReplyOutcome,
    pending: PendingRequest,
    certainty: Certainty,
) -> Answer {
    let row = request as usize * OUTCOMES + outcome as usize;
    TABLE[row][pending as usize * 2 + certainty as usize]
}
