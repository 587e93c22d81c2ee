//! The way out of KILLED: a challenge, the operator's signature, no open orders.
//!
//! In: a nonce that we gave, its signature. Out: a cleared latch, on the disk first, or a refusal.
//! Never: a reset by whoever only reached the socket.

use super::exchange_view;
use super::verbs::Operator;
use crate::clock;
use engine::Input;
use engine::event::Command;
use market::MonoNs;
use operator::{ErrorCode, PublicKey, Refusal, Reply, reset_text};
use std::fmt::Write as _;
use std::time::Duration;

/// A challenge is answered within this time.
const NONCE_NS: u64 = 60_000_000_000;

/// A disk that takes longer has not let the latch go.
const DISK_PATIENCE: Duration = Duration::from_secs(5);

/// A challenge that was given.
#[derive(Clone, Debug)]
pub struct Challenge {
    nonce: String,
    at: MonoNs,
}

impl Operator {
    /// Words to sign.
    pub(super) fn challenge(&self) -> Result<Reply, Refusal> {
        let kill = self.keeper.borrow().line();
        if !kill.latched {
            return Err(not_killed());
        }
        let mut bytes = [0; 16];
        rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).map_err(
            |error| Refusal::new(ErrorCode::ResetFailed, format!("no random bytes: {error}")),
        )?;
        let mut nonce = String::new();
        for byte in bytes {
            let _ = write!(nonce, "{byte:02x}");
        }
        *self.challenge.borrow_mut() = Some(Challenge {
            nonce: nonce.clone(),
            at: clock::monotonic(),
        });
        Ok(Reply::Challenge {
            nonce,
            account: self.account.clone(),
            since_utc_ms: kill.since_utc_ms,
        })
    }

    /// Clears the latch.
    pub(super) async fn reset(
        &self,
        nonce: &str,
        signature: &str,
        drill: bool,
    ) -> Result<Reply, Refusal> {
        // Read first: a kill that comes while this goes on makes it another, and holds.
        let word = self.keeper.borrow().word();
        let kill = self.keeper.borrow().line();
        if word == 0 || !kill.latched {
            return Err(not_killed());
        }
        if drill {
            self.check_drill(word)?;
        }
        self.check_signature(nonce, signature, kill.since_utc_ms)?;
        self.check_orders().await?;
        if self.keeper.borrow().is_writing() {
            let message = "the latch is still being written to the disk; try again";
            return Err(Refusal::new(ErrorCode::ResetFailed, message));
        }
        let file = self.keeper.borrow().file().clone();
        let removed = tokio::task::spawn_blocking(move || file.remove());
        let failed = |why: String| {
            let message = format!("the latch stays, the disk did not let it go: {why}");
            Refusal::new(ErrorCode::ResetFailed, message)
        };
        match tokio::time::timeout(DISK_PATIENCE, removed).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => return Err(failed(error.to_string())),
            Ok(Err(error)) => return Err(failed(error.to_string())),
            Err(_) => return Err(failed("no answer".to_string())),
        }
        if !self.keeper.borrow_mut().clear(word) {
            let message = "a kill came while this reset was under way; it holds";
            return Err(Refusal::new(ErrorCode::ResetFailed, message));
        }
        self.tell(Input::Command(Command::Reset));
        if drill {
            self.end_drill(&kill);
        }
        tracing::warn!("KILL: reset by the operator's signature; HALTED until a start");
        Ok(Reply::Reset {
            note: "HALTED; `fulcrum start` trades again".to_string(),
        })
    }

    fn check_signature(
        &self,
        nonce: &str,
        signature: &str,
        since_utc_ms: i64,
    ) -> Result<(), Refusal> {
        let refused = |code, message: &str| Err(Refusal::new(code, message));
        let key = self.settings.emergency.operator_public_key;
        let Some(key) = key.and_then(|bytes| PublicKey::new(&bytes).ok()) else {
            return refused(
                ErrorCode::NoOperatorKey,
                "emergency.operator_public_key names no key; `fulcrum operator-key` makes one, and \
                 a restart with it in the configuration is still KILLED",
            );
        };
        // Given once, used once, whatever comes of it.
        let given = self.challenge.borrow_mut().take();
        let fresh = given.is_some_and(|given| {
            given.nonce == nonce && clock::monotonic().since(given.at) <= NONCE_NS
        });
        if !fresh {
            return refused(
                ErrorCode::BadNonce,
                "ask for a challenge first, and within a minute",
            );
        }
        let text = reset_text(&self.account, since_utc_ms, nonce);
        if !key.verify(&text, signature) {
            tracing::error!("KILL: a reset with a wrong signature was refused");
            return refused(
                ErrorCode::BadSignature,
                "not the signature of the operator's key",
            );
        }
        Ok(())
    }

    /// Nothing of what a kill cancels may be open, by our own book and by the exchange's.
    async fn check_orders(&self) -> Result<(), Refusal> {
        let open = |message: String| Refusal::new(ErrorCode::OrdersOpen, message);
        let own = self.keeper.borrow().own_orders();
        if own > 0 {
            return Err(open(format!(
                "{own} own orders are open or of unknown fate"
            )));
        }
        if !self.keeper.borrow().line().verified {
            return Err(open("the sweep is not verified yet".to_string()));
        }
        let (orders, algo_orders) = exchange_view::open_orders(&self.desks).await?;
        let all = self.settings.emergency.kill_foreign_orders;
        let counted = |origin: &str| all || origin == "OWN";
        let orders = orders.iter().filter(|one| counted(&one.origin)).count();
        let algo_orders = algo_orders
            .iter()
            .filter(|one| counted(&one.origin))
            .count();
        if orders + algo_orders > 0 {
            let message =
                format!("the exchange shows {orders} orders and {algo_orders} conditional");
            return Err(open(message));
        }
        Ok(())
    }
}

fn not_killed() -> Refusal {
    Refusal::new(ErrorCode::NotKilled, "there is no kill latch to clear")
}
