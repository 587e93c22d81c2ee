//! The operator's stop: by policy, then HALTED.
//!
//! In: a policy. Out: flatten and, once flat or out of patience, halt. Never: a halt after the
//! operator has said something else meanwhile.

use super::page_view::is_flat;
use super::verbs::Operator;
use crate::clock;
use engine::Input;
use engine::event::Command;
use operator::StopPolicy;
use std::rc::Rc;
use std::time::Duration;

const LOOK: Duration = Duration::from_millis(20);

impl Operator {
    /// Begins; returns what follows, for people.
    pub(super) fn stop(self: &Rc<Self>, policy: StopPolicy) -> String {
        match policy {
            StopPolicy::Leave => {
                self.tell(Input::Command(Command::HaltKeepOrders));
                "HALTED; orders and positions are left as they are".to_string()
            }
            StopPolicy::Cancel => {
                self.tell(Input::Command(Command::Halt));
                "HALTED; own orders are being cancelled, positions kept".to_string()
            }
            StopPolicy::Flatten => {
                self.tell(Input::Command(Command::Flatten));
                tokio::task::spawn_local(Rc::clone(self).halt_when_flat(self.ticket.get()));
                let patience = self.settings.emergency.stop_patience_s;
                format!("REDUCING; HALTED once flat, or after {patience} s")
            }
        }
    }

    /// True when every futures position is closed and no own order is left, as the engine shows it.
    #[must_use]
    pub fn is_flat(&self) -> bool {
        is_flat(&self.segment, &self.instruments)
    }

    async fn halt_when_flat(self: Rc<Self>, ticket: u64) {
        let patience_ns = self.settings.emergency.stop_patience_s * 1_000_000_000;
        let begun = clock::monotonic();
        // The engine has to hear of the flatten before its pages say anything about it.
        loop {
            tokio::time::sleep(LOOK).await;
            if self.ticket.get() != ticket || self.segment.kill_latched() {
                return;
            }
            let flat = is_flat(&self.segment, &self.instruments);
            if flat || clock::monotonic().since(begun) >= patience_ns {
                tracing::info!(flat, "stop: HALTED");
                self.tell(Input::Command(Command::Halt));
                return;
            }
        }
    }
}
