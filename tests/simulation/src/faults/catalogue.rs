//! The list: number, name, where it is injected.
//!
//! In: nothing. Out: one table for the schedule, the report and the documentation. Never: a number
//! that means something else than in the safety catalogue.

/// Room for every number.
pub const FAULTS_MAX: usize = 61;

/// One fault.
#[derive(Clone, Copy, Debug)]
pub struct FaultInfo {
    /// Number in the safety catalogue.
    pub number: u8,
    /// What happens.
    pub what: &'static str,
    /// Where it is injected.
    pub whereabouts: &'static str,
}

const fn fault(number: u8, what: &'static str, whereabouts: &'static str) -> FaultInfo {
    FaultInfo {
        number,
        what,
        whereabouts,
    }
}

const TEXT: &str = "text of a market stream";
const BYTES: &str = "bytes and ends of a connection";
const REQUEST: &str = "order request or its answer";
const PRIVATE: &str = "text of the private stream";
const CORE: &str = "the exchange core";
const CALL: &str = "REST call or its answer";
const HOST: &str = "the appliance's host";

/// Every fault but F24, F59 and F60, which real processes test.
pub const CATALOGUE: [FaultInfo; 57] = [
    fault(1, "a book difference is dropped", TEXT),
    fault(2, "a gap of several differences", TEXT),
    fault(3, "two differences change places", TEXT),
    fault(4, "a difference comes twice", TEXT),
    fault(5, "a snapshot older than the first difference", CORE),
    fault(6, "a snapshot is refused with 429, or not answered", CALL),
    fault(7, "a level that nobody knows is deleted", TEXT),
    fault(8, "a crossed or locked book", TEXT),
    fault(9, "numbers that cannot be, a symbol that is not ours", TEXT),
    fault(10, "connected, and no data", TEXT),
    fault(11, "one stream of a combined connection is silent", TEXT),
    fault(12, "a burst", TEXT),
    fault(13, "event times jump", TEXT),
    fault(14, "serverShutdown", TEXT),
    fault(15, "the connection's day ends", BYTES),
    fault(16, "an end in good order", BYTES),
    fault(17, "a reset", BYTES),
    fault(18, "half-open", BYTES),
    fault(19, "one byte at a time", BYTES),
    fault(20, "a fragment inside of a character", BYTES),
    fault(21, "malformed, truncated, nested, long, doubled", BYTES),
    fault(22, "a flood of pings, or none", BYTES),
    fault(23, "connections are refused, for everybody", BYTES),
    fault(25, "the answer is lost, the order lives", REQUEST),
    fault(26, "the answer is lost, the order is filled", REQUEST),
    fault(
        27,
        "the answer comes after the events, or far too late",
        REQUEST,
    ),
    fault(28, "an order fills in many pieces", CORE),
    fault(29, "refusals", REQUEST),
    fault(30, "a cancel meets a filled or unknown order", REQUEST),
    fault(31, "409: half of it was done", REQUEST),
    fault(32, "an amendment from outside races a fill", CORE),
    fault(33, "of several requests every other is refused", REQUEST),
    fault(34, "expiry, EXPIRED_IN_MATCH", CORE),
    fault(35, "503 unknown, 503 unavailable, -1008", REQUEST),
    fault(36, "408 and -1007", REQUEST),
    fault(37, "429 with Retry-After", REQUEST),
    fault(38, "418", REQUEST),
    fault(39, "403", CALL),
    fault(40, "-1021 both ways, -1022, -2015", REQUEST),
    fault(41, "a query does not find, then finds", REQUEST),
    fault(42, "private events doubled, reordered, missing", PRIVATE),
    fault(43, "the listen key expires, -1125", CORE),
    fault(44, "the private stream is down while orders live", BYTES),
    fault(45, "liquidation, ADL, settlement", CORE),
    fault(46, "funding, a fee in another asset", CORE),
    fault(47, "an order from outside", CORE),
    fault(48, "leverage or mode changed from outside", PRIVATE),
    fault(49, "a conditional order triggers", CORE),
    fault(50, "the balance is moved away", CORE),
    fault(51, "HALT, BREAK, CANCEL_ONLY", CORE),
    fault(52, "filters change while orders rest", CORE),
    fault(53, "maintenance, then everything is cancelled", CORE),
    fault(54, "an endpoint that connects and says nothing", BYTES),
    fault(55, "the clocks step and drift", HOST),
    fault(56, "a core stands still", HOST),
    fault(57, "SIGKILL, SIGSTOP, panic at a labelled point", HOST),
    fault(58, "nothing becomes durable", HOST),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_the_safety_catalogue_without_what_real_processes_test() {
        let numbers: Vec<u8> = CATALOGUE.iter().map(|one| one.number).collect();
        let wanted: Vec<u8> = (1..=58).filter(|number| *number != 24).collect();
        assert_eq!(numbers, wanted);
    }
}
