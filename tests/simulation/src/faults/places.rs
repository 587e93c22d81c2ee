//! What happens to connections and REST calls.
//!
//! In: a place, a call. Out: ends, refusals, silence. Never: a connection that is refused to some
//! and taken for others within one storm.

use super::{Adversary, Condition, Scheduled, Trap, place_of};
use crate::network::{Ending, MS, Owner, Place, RestCall, RestReply, Role};
use crate::world::World;

/// What becomes of a call.
#[derive(Clone, Debug)]
pub enum CallFate {
    /// Handled and answered.
    Normal,
    /// Answered with this.
    Answer(RestReply),
    /// Not answered.
    Silence,
    /// Handled, not answered.
    LoseAnswer,
    /// Handled; answered with this.
    DoneBut(RestReply),
    /// Handled; answered so much later.
    Late(u64),
    /// Handled, not answered; then its stop triggers.
    TriggerAfter,
    /// Its stop triggers, then it is handled.
    TriggerFirst,
}

impl Adversary {
    pub(super) fn set_rest_trap(&mut self, fault: Scheduled) {
        let left = fault.times(3);
        self.rest_traps.push(Trap { fault, left });
    }

    /// A connection is wanted: is it taken?
    pub fn takes(&mut self, now: u64, place: Place) -> bool {
        for number in [23, 39, 44, 53] {
            let Some(condition) = self.holds(number, Some(place)) else {
                continue;
            };
            let private = place.role == Role::Private || place.role == Role::Orders;
            if number == 39 && !private {
                continue;
            }
            let _ = condition;
            self.fire(now, number, format!("{place:?} refused"));
            return false;
        }
        true
    }

    /// F54: a place that takes connections and says nothing.
    #[must_use]
    pub fn is_mute(&self, place: Place) -> bool {
        self.holds(54, Some(place)).is_some()
    }

    /// The fate of a REST call.
    pub fn call_fate(&mut self, now: u64, call: &RestCall) -> CallFate {
        for number in [37, 38, 39, 53] {
            let Some(condition) = self.holds(number, None) else {
                continue;
            };
            let left_s = condition.until.saturating_sub(now).div_ceil(1_000 * MS) as u32;
            self.fire(now, number, format!("{:?} over REST", call.owner));
            return CallFate::Answer(match number {
                37 => reply(429, Some(left_s), TOO_MANY),
                38 => reply(418, Some(left_s), TOO_MANY),
                39 => reply(403, None, "<html><h1>403 Forbidden</h1></html>"),
                _ => reply(503, None, "Service Unavailable."),
            });
        }
        if matches!(call.owner, Owner::Protect(_))
            && let Some(fate) = self.stop_fate(now, call)
        {
            return fate;
        }
        let fits = |one: &Scheduled| match one.number {
            6 => call.owner == Owner::Snapshot,
            43 => call.owner == Owner::Key,
            _ => true,
        };
        let Some(fault) = Self::spring(&mut self.rest_traps, fits) else {
            return CallFate::Normal;
        };
        self.fire(now, fault.number, format!("{:?}", call.owner));
        match (fault.number, fault.kind(3)) {
            (6, 0) => CallFate::Answer(reply(429, Some(1 + (fault.draws[0] % 5) as u32), TOO_MANY)),
            (6, _) => CallFate::Silence,
            (43, _) => {
                let gone = r#"{"code":-1125,"msg":"This listenKey does not exist."}"#;
                CallFate::Answer(reply(400, None, gone))
            }
            (40, 0) => {
                let late = r#"{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}"#;
                CallFate::Answer(reply(400, None, late))
            }
            (40, _) => {
                let key =
                    r#"{"code":-2015,"msg":"Invalid API-key, IP, or permissions for action."}"#;
                CallFate::Answer(reply(401, None, key))
            }
            (35, 0) => CallFate::Answer(reply(503, None, "")),
            _ => CallFate::Silence,
        }
    }
}

const TOO_MANY: &str = r#"{"code":-1003,"msg":"Way too many requests."}"#;

pub(super) fn reply(status: u16, retry_after_s: Option<u32>, body: &str) -> RestReply {
    RestReply {
        status,
        retry_after_s,
        used_weight: None,
        body: body.as_bytes().to_vec(),
    }
}

impl World {
    /// Faults of connections.
    pub(super) fn place_fault(&mut self, fault: &Scheduled) {
        let places = self.places();
        let place = self.open_place(place_of(fault, &places));
        let now = self.now;
        let condition = |until: u64, place: Option<Place>| Condition {
            fault: *fault,
            until,
            place,
        };
        match fault.number {
            15 | 16 => self.end_place(fault, place, Ending::Clean),
            17 => self.end_place(fault, place, Ending::Reset),
            18 => {
                let connections = self.venue.connections(|one| one == place);
                for id in connections {
                    self.adversary.half_open.push(id);
                    self.adversary.fire(now, 18, format!("{place:?}"));
                }
                let until = now + fault.lasts(5_000, 60_000);
                self.adversary
                    .conditions
                    .push(condition(until, Some(place)));
            }
            22 => {
                // No ping any more: only the silence shows that the other side is gone.
                self.venue.never_ping(|one| one == place);
                self.adversary
                    .fire(now, 22, format!("{place:?} is not pinged"));
            }
            23 => {
                let until = now + fault.lasts(3_000, 25_000);
                self.adversary.conditions.push(condition(until, None));
                for id in self.venue.connections(|_| true) {
                    self.end_from_venue(id, Ending::Reset);
                }
            }
            39 => {
                let until = now + fault.lasts(1_000, 15_000);
                self.adversary.conditions.push(condition(until, None));
            }
            44 => {
                let until = now + fault.lasts(500, 20_000);
                self.adversary
                    .conditions
                    .push(condition(until, Some(private_place(&places))));
                let place = private_place(&places);
                self.end_place(fault, place, Ending::Reset);
            }
            53 => {
                let until = now + fault.lasts(1_000, 20_000);
                self.adversary.conditions.push(condition(until, None));
                for id in self.venue.connections(|_| true) {
                    self.end_from_venue(id, Ending::Clean);
                }
            }
            54 => {
                let until = now + fault.lasts(1_000, 30_000);
                self.adversary
                    .conditions
                    .push(condition(until, Some(place)));
                self.end_place(fault, place, Ending::Reset);
            }
            _ => {}
        }
    }

    /// The place that is open where this one may rest: of several connections the one with that
    /// number among those that work.
    pub(super) fn open_place(&self, place: Place) -> Place {
        let alike = |one: Place| one.market == place.market && one.role == place.role;
        let ids = self.venue.connections(alike);
        let mut open: Vec<Place> = ids
            .into_iter()
            .filter_map(|id| self.venue.place_of(id))
            .collect();
        open.sort_unstable();
        open.dedup();
        match open.len() {
            0 => place,
            count => open[usize::from(place.number) % count],
        }
    }

    fn end_place(&mut self, fault: &Scheduled, place: Place, ending: Ending) {
        for id in self.venue.connections(|one| one == place) {
            self.end_from_venue(id, ending);
            let what = format!("{place:?} {ending:?}");
            self.adversary.fire(self.now, fault.number, what);
        }
    }

    /// What a condition of this group leaves when it ends.
    pub(super) fn place_heals(&mut self, condition: &Condition) {
        match condition.fault.number {
            18 => {
                // The network is whole again: the other side does not know the connection.
                for id in std::mem::take(&mut self.adversary.half_open) {
                    self.end_from_venue(id, Ending::Reset);
                }
            }
            53 => self.cancel_everything(),
            14 => {
                for id in self.venue.connections(|one| Some(one) == condition.place) {
                    self.end_from_venue(id, Ending::Clean);
                }
            }
            54 => {
                for id in self.venue.connections(|one| Some(one) == condition.place) {
                    self.end_from_venue(id, Ending::Reset);
                }
            }
            _ => {}
        }
    }
}

/// The place of private events of futures.
fn private_place(places: &[Place]) -> Place {
    let mut all = places.iter().copied();
    all.find(|one| one.role == Role::Private)
        .unwrap_or(places[0])
}
