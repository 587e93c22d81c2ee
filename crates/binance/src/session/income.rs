//! The income of futures on a schedule: funding, commission, realised profit, transfers.
//!
//! In: the time, replies. Out: one page after the other, and each entry once. Never: an entry twice
//! in one life (over lives the ledger knows them by their ids), more than a small part of the
//! request weight.
//!
//! The exchange writes entries down some time after what they tell of, so a look begins some minutes
//! before the newest entry of the one before. The first of a life begins a day before it: what was
//! charged while nobody looked is told too.

use super::{Backoff, Governor, HttpOutcome, HttpRequest, Now, SECOND_NS, http};
use crate::orders::Stamp;
use crate::rest::{self, INCOME_PAGE};
use crate::sign::Credentials;
use market::{IncomeReport, MonoNs, UtcMs};
use std::collections::HashSet;

/// Between two looks: funding counts as a loss so late at most. 30 weight a minute are little.
const INTERVAL_NS: u64 = 60 * SECOND_NS;

/// The start has more urgent questions.
const FIRST_NS: u64 = 10 * SECOND_NS;

/// Between two pages: 30 weight each, so at most an eighth of the exchange's 2,400 a minute.
const PAGE_INTERVAL_NS: u64 = 6 * SECOND_NS;

/// Most pages of one look; the next one goes on where it ended.
const PAGES_MAX: u32 = 50;

/// How far before the start the first look begins.
const BEFORE_START_MS: i64 = 24 * 3_600_000;

/// How late the exchange may write an entry down.
const LATE_MS: i64 = 5 * 60_000;

/// `recvWindow` of these requests.
const WINDOW_MS: u32 = 5_000;

/// Takes the entries.
pub trait IncomeEvents {
    /// One entry, told once.
    fn income(&mut self, report: IncomeReport);
    /// A page could not be had or read; it will be asked for again.
    fn income_failed(&mut self, why: String);
}

/// Reads the income of the futures account.
#[derive(Debug)]
pub struct Income {
    credentials: Credentials,
    due: MonoNs,
    in_flight: bool,
    /// Where the look begins; `None` before the first.
    since: Option<UtcMs>,
    page: u32,
    newest: UtcMs,
    /// What was told of the time from `since` on.
    told: HashSet<IncomeReport>,
    backoff: Backoff,
}

impl Income {
    /// Looks soon after `now` for the first time.
    #[must_use]
    pub fn new(credentials: Credentials, now: MonoNs) -> Self {
        Self {
            credentials,
            due: now.after(FIRST_NS),
            in_flight: false,
            since: None,
            page: 1,
            newest: UtcMs(0),
            told: HashSet::new(),
            backoff: Backoff::new(SECOND_NS, 60 * SECOND_NS, 33),
        }
    }

    /// The request that is due, if the budget allows it.
    pub fn poll(&mut self, now: Now, governor: &mut Governor) -> Option<HttpRequest> {
        if self.in_flight || now.mono < self.due {
            return None;
        }
        let begin = UtcMs(now.server.0 - BEFORE_START_MS);
        let since = *self.since.get_or_insert(begin);
        let stamp = Stamp {
            timestamp: now.server,
            recv_window_ms: WINDOW_MS,
        };
        let call = rest::income(since, self.page, &self.credentials, stamp);
        if let Err(until) = governor.admit(call.weight, now) {
            self.due = until;
            return None;
        }
        self.in_flight = true;
        Some(HttpRequest {
            call,
            deadline: now.mono.after(10 * SECOND_NS),
        })
    }

    /// When `poll` may have something to say.
    #[must_use]
    pub fn next_deadline(&self) -> Option<MonoNs> {
        (!self.in_flight).then_some(self.due)
    }

    /// The answer to the last request.
    pub fn on_reply(
        &mut self,
        outcome: HttpOutcome<'_>,
        now: MonoNs,
        events: &mut impl IncomeEvents,
    ) {
        if !std::mem::replace(&mut self.in_flight, false) {
            return;
        }
        let read = http::body(outcome)
            .and_then(|body| rest::parse_income(body).map_err(|error| error.to_string()));
        let entries = match read {
            Ok(entries) => entries,
            Err(why) => {
                events.income_failed(why);
                self.due = now.after(self.backoff.fail());
                return;
            }
        };
        self.backoff.succeed();
        for entry in &entries {
            self.newest = self.newest.max(entry.time);
            // A busy day has tens of thousands of them: a list would hold the thread up.
            if self.told.insert(*entry) {
                events.income(*entry);
            }
        }
        if entries.len() < INCOME_PAGE {
            self.end_look(UtcMs(self.newest.0 - LATE_MS));
            self.due = now.after(INTERVAL_NS);
        } else if self.page >= PAGES_MAX {
            self.end_look(self.newest);
            self.due = now.after(PAGE_INTERVAL_NS);
        } else {
            self.page += 1;
            self.due = now.after(PAGE_INTERVAL_NS);
        }
    }

    fn end_look(&mut self, next: UtcMs) {
        let since = self.since.map_or(next, |since| since.max(next));
        self.since = Some(since);
        self.page = 1;
        self.told.retain(|one| one.time >= since);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::HttpReply;
    use crate::sign::Signer;

    #[derive(Default)]
    struct Seen(Vec<u64>, Vec<String>);

    impl IncomeEvents for Seen {
        fn income(&mut self, report: IncomeReport) {
            self.0.push(report.transaction_id);
        }
        fn income_failed(&mut self, why: String) {
            self.1.push(why);
        }
    }

    const DAY_MS: i64 = 24 * 3_600_000;
    const START_MS: i64 = 1_700_000_000_000;

    fn at(seconds: u64) -> Now {
        Now {
            mono: MonoNs(seconds * SECOND_NS),
            server: UtcMs(START_MS + seconds as i64 * 1_000),
        }
    }

    fn reply(status: u16, body: &str) -> HttpOutcome<'_> {
        Some(HttpReply {
            status,
            retry_after_s: None,
            used_weight: None,
            body: body.as_bytes(),
        })
    }

    /// Entries with these ids, a millisecond apart from `first_ms` on.
    fn page(ids: std::ops::Range<u64>, first_ms: i64) -> String {
        let entry = |id: u64| {
            let time = first_ms + id as i64;
            format!(
                r#"{{"symbol":"AUSDT","incomeType":"FUNDING_FEE","income":"1","asset":"USDT","time":{time},"tranId":{id},"tradeId":""}}"#
            )
        };
        format!("[{}]", ids.map(entry).collect::<Vec<_>>().join(","))
    }

    struct Rig {
        income: Income,
        governor: Governor,
        seen: Seen,
    }

    impl Rig {
        /// Start time and page of the request that is due.
        fn asks(&mut self, seconds: u64) -> Option<(i64, i64)> {
            let request = self.income.poll(at(seconds), &mut self.governor)?;
            assert_eq!(request.call.path, "/fapi/v1/income");
            assert_eq!(request.call.weight, 30);
            let value = |name: &str| {
                let mut pairs = request.call.query.split('&');
                let found = pairs.find_map(|pair| pair.strip_prefix(name));
                found.expect("it says so").parse().unwrap()
            };
            Some((value("startTime="), value("page=")))
        }

        fn answer(&mut self, outcome: HttpOutcome<'_>, seconds: u64) -> Seen {
            let now = at(seconds).mono;
            self.income.on_reply(outcome, now, &mut self.seen);
            std::mem::take(&mut self.seen)
        }
    }

    fn rig() -> Rig {
        let credentials = Credentials {
            api_key: "k".to_string(),
            signer: Signer::hmac(b"s"),
        };
        Rig {
            income: Income::new(credentials, at(0).mono),
            governor: Governor::new(2_400),
            seen: Seen::default(),
        }
    }

    #[test]
    fn each_entry_is_told_once_however_often_it_is_listed() {
        let mut rig = rig();
        assert_eq!(rig.asks(9), None);
        let begin = START_MS + 10_000 - DAY_MS;
        assert_eq!(rig.asks(10), Some((begin, 1)));
        assert_eq!(rig.asks(10), None, "one at a time");
        let ids = rig.answer(reply(200, &page(1..4, START_MS)), 10).0;
        assert_eq!(ids, [1, 2, 3]);
        // The next look begins before the newest entry: one that was written down late is told.
        assert_eq!(rig.asks(69), None);
        assert_eq!(rig.asks(70), Some((START_MS + 3 - LATE_MS, 1)));
        let listed = page(1..6, START_MS);
        assert_eq!(rig.answer(reply(200, &listed), 70).0, [4, 5]);
        assert!(rig.asks(130).is_some());
        assert_eq!(rig.answer(reply(200, &listed), 130).0, [] as [u64; 0]);
        // What lies long back is forgotten, and not asked for any more.
        assert!(rig.asks(190).is_some());
        rig.answer(reply(200, &page(6..7, START_MS + 3_600_000)), 190);
        assert_eq!(rig.income.told.len(), 1);
        let since = START_MS + 3_600_006 - LATE_MS;
        assert_eq!(rig.asks(250), Some((since, 1)));
    }

    #[test]
    fn full_pages_are_followed_by_the_next_at_a_pace_that_leaves_the_weight_to_others() {
        let mut rig = rig();
        let begin = rig.asks(10).unwrap().0;
        let mut told = rig.answer(reply(200, &page(0..1_000, START_MS)), 10).0;
        assert_eq!(rig.asks(15), None);
        assert_eq!(rig.asks(16), Some((begin, 2)));
        told.extend(rig.answer(reply(200, &page(1_000..2_000, START_MS)), 16).0);
        assert_eq!(rig.asks(22), Some((begin, 3)));
        told.extend(rig.answer(reply(200, "[]"), 22).0);
        assert_eq!(told, (0..2_000).collect::<Vec<_>>());
        assert_eq!(rig.asks(28), None);
        assert_eq!(rig.asks(82), Some((START_MS + 1_999 - LATE_MS, 1)));
    }

    #[test]
    fn a_page_that_fails_is_asked_for_again_and_a_spent_budget_is_waited_for() {
        let mut rig = rig();
        assert!(rig.asks(10).is_some());
        rig.answer(reply(200, &page(0..1_000, START_MS)), 10);
        let second = rig.asks(16);
        let failed = rig.answer(reply(400, r#"{"code":-1021,"msg":"x"}"#), 16);
        assert_eq!(failed.1, ["status 400: x (-1021)"]);
        assert_eq!(rig.answer(None, 16).1, [] as [String; 0], "asked by nobody");
        assert_eq!(rig.asks(18), second);
        assert_eq!(rig.answer(reply(200, "<"), 18).1.len(), 1);
        rig.governor = Governor::new(30);
        assert_eq!(rig.asks(25), None);
        assert_eq!(rig.income.next_deadline(), Some(at(40).mono));
    }

    #[test]
    fn a_list_of_more_pages_than_are_read_goes_on_at_its_newest_entry() {
        let mut rig = rig();
        let begin = START_MS + 10_000 - DAY_MS;
        let mut told = 0;
        for number in 0..50 {
            let seconds = 10 + 6 * number;
            assert_eq!(rig.asks(seconds), Some((begin, number as i64 + 1)));
            let ids = number * 1_000..(number + 1) * 1_000;
            told += rig
                .answer(reply(200, &page(ids, START_MS)), seconds)
                .0
                .len();
        }
        assert_eq!(told, 50_000);
        // None of what follows is passed over, and what was told is not told again.
        assert_eq!(rig.asks(310), Some((START_MS + 49_999, 1)));
        let rest = page(49_999..50_002, START_MS);
        assert_eq!(rig.answer(reply(200, &rest), 310).0, [50_000, 50_001]);
    }
}
