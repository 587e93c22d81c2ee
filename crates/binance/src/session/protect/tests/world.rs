//! An exchange of a few lines: conditional orders, and what becomes of the next request.
//!
//! In: requests of the machine. Out: answers, which stops lie there, what was said of them. Never:
//! a socket.

use super::*;
use std::fmt::Write as _;

/// A conditional order at the exchange.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) symbol: String,
    pub(super) id: String,
    pub(super) side: String,
    pub(super) trigger: String,
    /// Empty for one that closes whatever there is.
    pub(super) quantity: String,
    pub(super) status: &'static str,
}

/// What the exchange does with the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes well.
    Done,
    /// The answer is lost, what was asked is done.
    LostAfter,
    /// It never arrives.
    LostBefore,
    /// It is refused with this code.
    Refused(i64),
}

#[derive(Default)]
pub(super) struct World {
    pub(super) rows: Vec<Row>,
    pub(super) fates: VecDeque<Fate>,
    pub(super) asked: Vec<String>,
    pub(super) said: Vec<String>,
    pub(super) ids: std::collections::BTreeSet<String>,
    pub(super) clock_refusals: u32,
}

impl ProtectEvents for World {
    fn step(&mut self, step: ProtectionStep) {
        let mut text = format!("{} {} {}", step.act, step.side, step.trigger_price.0);
        if step.error_code != 0 {
            let _ = write!(text, " code {}", step.error_code);
        }
        let _ = write!(text, " stands {}", step.stands.0);
        self.said.push(text);
    }
    fn clock_refused(&mut self) {
        self.clock_refusals += 1;
    }
}

pub(super) fn parameter(query: &str, name: &str) -> String {
    let found = query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_default().to_string()
}

impl World {
    pub(super) fn answer(&mut self, request: &HttpRequest) -> Option<(u16, String)> {
        let query = &request.call.query;
        let (method, path) = (request.call.method.as_str(), request.call.path);
        let id = parameter(query, "clientAlgoId");
        self.asked.push(format!("{method} {path}"));
        let fate = self.fates.pop_front();
        match fate {
            Some(Fate::LostBefore) => return None,
            Some(Fate::Refused(code)) => return Some(refusal(code)),
            _ => {}
        }
        let answer = match (method, path) {
            ("POST", "/fapi/v1/algoOrder") => self.place(query, &id),
            ("DELETE", "/fapi/v1/algoOrder") => match self.open(&id) {
                Some(row) => {
                    row.status = "CANCELED";
                    (
                        200,
                        r#"{"algoId":1,"code":"200","msg":"success"}"#.to_string(),
                    )
                }
                None => refusal(-2011),
            },
            ("GET", "/fapi/v1/algoOrder") => match self.rows.iter().find(|row| row.id == id) {
                Some(row) => (200, object(row)),
                None => refusal(-2013),
            },
            ("GET", "/fapi/v1/openAlgoOrders") => {
                let open = self.rows.iter().filter(|row| row.status == "NEW");
                let rows: Vec<String> = open.map(object).collect();
                (200, format!("[{}]", rows.join(",")))
            }
            other => panic!("{other:?}"),
        };
        (fate != Some(Fate::LostAfter)).then_some(answer)
    }

    pub(super) fn place(&mut self, query: &str, id: &str) -> (u16, String) {
        assert!(self.ids.insert(id.to_string()), "{id} was used before");
        for (name, value) in [
            ("algoType", "CONDITIONAL"),
            ("type", "STOP_MARKET"),
            ("workingType", "MARK_PRICE"),
        ] {
            assert_eq!(parameter(query, name), value);
        }
        let quantity = parameter(query, "quantity");
        let reduces = parameter(query, "reduceOnly") == "true";
        let closes = parameter(query, "closePosition") == "true";
        assert_eq!(
            (reduces, closes),
            (!quantity.is_empty(), quantity.is_empty())
        );
        let row = Row {
            symbol: parameter(query, "symbol"),
            id: id.to_string(),
            side: parameter(query, "side"),
            trigger: parameter(query, "triggerPrice"),
            quantity,
            status: "NEW",
        };
        let closing = |one: &Row| one.status == "NEW" && one.quantity.is_empty();
        let same = |one: &Row| {
            closing(one) && closing(&row) && one.symbol == row.symbol && one.side == row.side
        };
        if self.rows.iter().any(same) {
            return refusal(-4130);
        }
        let text = object(&row);
        self.rows.push(row);
        (200, text)
    }

    pub(super) fn open(&mut self, id: &str) -> Option<&mut Row> {
        let mut rows = self.rows.iter_mut();
        rows.find(|row| row.id == id && row.status == "NEW")
    }

    pub(super) fn put(&mut self, symbol: &str, side: &str, trigger: &str, id: &str) {
        self.rows.push(Row {
            symbol: symbol.to_string(),
            id: id.to_string(),
            side: side.to_string(),
            trigger: trigger.to_string(),
            quantity: String::new(),
            status: "NEW",
        });
    }

    /// Open ones as `SYMBOL SIDE TRIGGER [QUANTITY]`.
    pub(super) fn lying(&self) -> Vec<String> {
        let open = self.rows.iter().filter(|row| row.status == "NEW");
        open.map(|row| {
            let text = format!(
                "{} {} {} {}",
                row.symbol, row.side, row.trigger, row.quantity
            );
            text.trim_end().to_string()
        })
        .collect()
    }

    pub(super) fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    /// Stops of ours that lie on one side of an instrument.
    pub(super) fn ours(&self, side: &str) -> usize {
        let ours = |row: &&Row| row.id.starts_with(PROTECTIVE_STOP_PREFIX);
        let open = self.rows.iter().filter(|row| row.status == "NEW");
        open.filter(ours).filter(|row| row.side == side).count()
    }

    pub(super) fn count(&self, asked: &str) -> usize {
        self.asked.iter().filter(|one| *one == asked).count()
    }
}

pub(super) fn refusal(code: i64) -> (u16, String) {
    (400, format!(r#"{{"code":{code},"msg":"no"}}"#))
}

pub(super) fn object(row: &Row) -> String {
    let order = if row.status == "FINISHED" { "55" } else { "" };
    format!(
        r#"{{"algoId":1,"clientAlgoId":"{}","algoType":"CONDITIONAL","orderType":"STOP_MARKET",
        "symbol":"{}","side":"{}","algoStatus":"{}","triggerPrice":"{}","quantity":"{}",
        "closePosition":{},"actualOrderId":"{order}"}}"#,
        row.id,
        row.symbol,
        row.side,
        row.status,
        row.trigger,
        if row.quantity.is_empty() {
            "0"
        } else {
            &row.quantity
        },
        row.quantity.is_empty()
    )
}
