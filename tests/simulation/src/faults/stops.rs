//! What happens to protective stops and to the requests about them.
//!
//! In: a call about a stop, the exchange core. Out: its fate; stops that trigger, are cancelled, or
//! are left by somebody. Never: "it does not exist" of a stop that was answered for once.

use market::{ClientOrderId, InstrumentId, OrderType, PROTECTIVE_STOP_PREFIX, Price, Quantity};
use market::{Side, TimeInForce};
use matching::{
    Conditional, ConditionalKind, ConditionalOptions, ConditionalState, PlaceConditional, TriggerBy,
};

use super::places::reply;
use super::{Adversary, CallFate, Scheduled, Trap};
use crate::network::{RestCall, RestReply};
use crate::world::World;

/// Refusals of a placement (F29).
const REFUSALS: [&str; 5] = [
    r#"{"code":-2021,"msg":"Order would immediately trigger."}"#,
    r#"{"code":-4130,"msg":"An open stop or take profit order with GTE and closePosition in the direction is existing."}"#,
    r#"{"code":-4045,"msg":"Reach max stop order limit."}"#,
    r#"{"code":-1111,"msg":"Precision is over the maximum defined for this asset."}"#,
    r#"{"code":-2019,"msg":"Margin is insufficient."}"#,
];

const UNKNOWN: &str =
    r#"{"code":-1000,"msg":"Unknown error, please check your request or try again later."}"#;
const TIMEOUT: &str = r#"{"code":-1007,"msg":"Timeout waiting for response from backend server. Send status unknown."}"#;
const LATE: &str =
    r#"{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}"#;
const KEY: &str = r#"{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}"#;
const ABSENT: &str = r#"{"code":-2013,"msg":"Order does not exist."}"#;

/// The stop that a call is about, by its id; none for a list.
pub(crate) fn stop_of(call: &RestCall) -> Option<&str> {
    let target = &call.request.call;
    let single = target.path == "/fapi/v1/algoOrder";
    let mut parameters = target.query.split('&').filter(|_| single);
    parameters.find_map(|one| one.strip_prefix("clientAlgoId="))
}

impl Adversary {
    pub(super) fn set_stop_trap(&mut self, fault: Scheduled) {
        let left = match fault.number {
            29 | 35 | 36 | 40 => fault.times(3),
            _ => 1,
        };
        self.stop_traps.push(Trap { fault, left });
    }

    /// The fate of a call about a stop, where it has one of its own.
    pub(super) fn stop_fate(&mut self, now: u64, call: &RestCall) -> Option<CallFate> {
        let method = call.request.call.method.as_str();
        let name = stop_of(call)?.to_owned();
        if method == "GET"
            && let Some((lagging, until)) = &self.stop_lagging
            && *lagging == name
            && now < *until
        {
            return Some(CallFate::Answer(reply(400, None, ABSENT)));
        }
        let fits = |one: &Scheduled| match method {
            "POST" => one.number != 30,
            "DELETE" => matches!(one.number, 25 | 27 | 30 | 35 | 36 | 40),
            _ => matches!(one.number, 35 | 36 | 40),
        };
        let fault = Self::spring(&mut self.stop_traps, fits)?;
        let fate = self.fate_of_stop(&fault, now, &name);
        let what = format!("{method} of {name}: {fate:?}");
        self.fire(now, fault.number, what);
        Some(fate)
    }

    fn fate_of_stop(&mut self, fault: &Scheduled, now: u64, name: &str) -> CallFate {
        let answer = |status: u16, body: &str| -> RestReply { reply(status, None, body) };
        match (fault.number, fault.kind(3)) {
            (25, _) => CallFate::LoseAnswer,
            (26, _) => CallFate::TriggerAfter,
            (27, _) => CallFate::Late(fault.lasts(50, 6_000)),
            (29, _) => {
                let body = REFUSALS[fault.kind(REFUSALS.len() as u64) as usize];
                CallFate::Answer(answer(400, body))
            }
            (30, _) => CallFate::TriggerFirst,
            (35, 0) => CallFate::DoneBut(answer(503, UNKNOWN)),
            (35, 1) => CallFate::Answer(answer(503, UNKNOWN)),
            (35, _) => CallFate::Answer(answer(503, "Service Unavailable.")),
            (36, 0) => CallFate::DoneBut(answer(408, TIMEOUT)),
            (36, 1) => CallFate::Answer(answer(408, TIMEOUT)),
            (36, _) => CallFate::Silence,
            (40, 0) => CallFate::Answer(answer(400, LATE)),
            (40, _) => CallFate::Answer(answer(401, KEY)),
            // It lives, and for a while no query finds it: longer than the box waits for an answer,
            // shorter than it takes to be sure.
            _ => {
                self.stop_lagging = Some((name.to_owned(), now + fault.lasts(3_200, 5_800)));
                CallFate::LoseAnswer
            }
        }
    }
}

impl World {
    /// F49, where positions have stops: one of ours triggers, is cancelled by somebody, or lies
    /// where no position is.
    pub(super) fn stop_fault(&mut self, fault: &Scheduled) -> Option<String> {
        let kind = fault.draws[1] % 4;
        if kind == 3 {
            return self.orphan(fault);
        }
        let ours = |one: &&Conditional| one.request.client_id.is_protective_stop();
        let floor = &self.venue.exchange.usdm;
        let open: Vec<Conditional> = floor.conditional.open().filter(ours).copied().collect();
        let index = fault.draws[2] % open.len().max(1) as u64;
        let Some(one) = open.get(index as usize) else {
            self.adversary.try_again(fault, self.now);
            return None;
        };
        let name = one.request.client_id;
        if kind < 2 {
            self.trigger_stop(name.as_str());
            return Some(format!("{} triggers", name.as_str()));
        }
        let now = self.venue.exchange.clock.now();
        let floor = &mut self.venue.exchange.usdm;
        let ended = floor.conditional.cancel(now, one.id);
        floor.conditional_changes.extend(ended);
        Some(format!("{} is cancelled by somebody", name.as_str()))
    }

    /// A stop of an earlier life, wherever there is room for one.
    fn orphan(&mut self, fault: &Scheduled) -> Option<String> {
        self.adversary.foreign += 1;
        let sequence = self.adversary.foreign;
        let name = ClientOrderId::compose(PROTECTIVE_STOP_PREFIX, 0, sequence);
        self.leave_drawn_stop(name, fault.draws[2])
            .then(|| format!("{} was left", name.as_str()))
    }

    /// Leaves one near enough to trigger some day, where a draw says.
    pub(super) fn leave_drawn_stop(&mut self, name: ClientOrderId, word: u64) -> bool {
        let all = self.venue.exchange.usdm.venue.instruments();
        let id = all[(word % all.len() as u64) as usize].id;
        let side = [Side::Buy, Side::Sell][(word >> 8 & 1) as usize];
        let away = 200 + (word >> 16 & 0x7FF) as i64;
        self.leave_stop(name, id, side, away)
    }

    fn leave_stop(&mut self, name: ClientOrderId, id: InstrumentId, side: Side, away: i64) -> bool {
        let now = self.venue.exchange.clock.now();
        let floor = &mut self.venue.exchange.usdm;
        let (last, mark) = (floor.last_price(id), floor.venue.mark(id));
        let request = PlaceConditional {
            client_id: name,
            instrument: id,
            side,
            kind: ConditionalKind::Stop,
            order_type: OrderType::Market,
            time_in_force: TimeInForce::GoodTillCancel,
            price: Price(0),
            quantity: Quantity(0),
            trigger_price: Price(last.0 + side.sign() * away),
            trigger_by: TriggerBy::Last,
            close_position: true,
            reduce_only: true,
            options: ConditionalOptions::default(),
        };
        let placed = floor.conditional.place(now, &request, last, mark);
        floor.conditional_changes.extend(placed);
        placed.is_ok()
    }

    /// A conditional order becomes an ordinary one, whatever the price; nothing where it is not
    /// open.
    pub(crate) fn trigger_stop(&mut self, name: &str) {
        let now = self.venue.exchange.clock.now();
        let floor = &mut self.venue.exchange.usdm;
        let named = |one: &&Conditional| one.request.client_id.as_str() == name;
        let Some(one) = floor.conditional.open().find(named).copied() else {
            return;
        };
        let held = floor.venue.account().positions[usize::from(one.request.instrument.0)].quantity;
        let placed = one
            .request
            .order(held)
            .map(|order| floor.venue.place(now, &order, &mut floor.outputs));
        let (state, order_id) = match placed {
            None => (ConditionalState::Expired, None),
            Some(Ok(order_id)) => (ConditionalState::Finished, Some(order_id)),
            Some(Err(_)) => (ConditionalState::Rejected, None),
        };
        let ended = floor.conditional.triggered(now, one.id, state, order_id);
        floor.conditional_changes.extend(ended);
        self.venue.settle();
    }

    /// After maintenance the exchange has forgotten conditional orders too.
    pub(super) fn cancel_conditionals(&mut self) {
        let now = self.venue.exchange.clock.now();
        let floor = &mut self.venue.exchange.usdm;
        let open: Vec<u64> = floor.conditional.open().map(|one| one.id).collect();
        for id in open {
            let ended = floor.conditional.cancel(now, id);
            floor.conditional_changes.extend(ended);
        }
    }
}
