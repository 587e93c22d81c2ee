//! What the parts of the cold thread leave for each other about one market's emergency.
//!
//! In: a wish to sweep, questions to the exchange. Out: how far the sweep is, answers. Never: a
//! request; the market's shell makes them.

use crate::gateway::rest::Response;
use market::{Market, MonoNs};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use tokio::sync::{Notify, oneshot};

/// How far a sweep is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Nothing was left.
    pub verified_at: Option<MonoNs>,
    /// Rounds of requests.
    pub rounds: u32,
}

/// What the keeper of the kill wants of a market.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Everything cancelled at once, and positions closed or kept.
    Sweep {
        /// Closed.
        closes: bool,
    },
    /// A look whether a verified market still is empty; what came since is swept.
    Look,
}

/// A question about the account, or a cancel that the engine cannot make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Every open order.
    OpenOrders,
    /// Every open conditional order.
    OpenAlgoOrders,
    /// Cancels an order that is not the engine's.
    Cancel(market::Symbol, String),
}

/// Question and where its answer goes.
pub type Asked = (Question, oneshot::Sender<Option<Response>>);

/// One market's.
pub struct Desk {
    /// Which.
    pub market: Market,
    wake: Rc<Notify>,
    wish: Cell<Option<Wish>>,
    progress: Cell<Progress>,
    questions: RefCell<VecDeque<Asked>>,
}

impl Desk {
    /// Nothing on it. `wake` wakes the market's shell.
    #[must_use]
    pub fn new(market: Market, wake: Rc<Notify>) -> Self {
        Self {
            market,
            wake,
            wish: Cell::new(None),
            progress: Cell::new(Progress::default()),
            questions: RefCell::default(),
        }
    }

    /// Wants everything cancelled, and positions closed or kept.
    pub fn want_sweep(&self, close_positions: bool) {
        let closes = close_positions || self.wish.get() == Some(Wish::Sweep { closes: true });
        self.wish.set(Some(Wish::Sweep { closes }));
        self.progress.set(Progress::default());
        self.wake.notify_one();
    }

    /// Wants to know whether it still is as empty as it was verified to be.
    pub fn want_look(&self) {
        if self.wish.get().is_none() {
            self.wish.set(Some(Wish::Look));
            self.wake.notify_one();
        }
    }

    /// The wish, once.
    pub fn take_wish(&self) -> Option<Wish> {
        self.wish.take()
    }

    /// How far the sweep is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.get()
    }

    /// The shell tells how far it is at `now`.
    pub fn tell(&self, verified: bool, rounds: u32, now: MonoNs) {
        if matches!(self.wish.get(), Some(Wish::Sweep { .. })) {
            // Of an earlier sweep.
            return;
        }
        let since = self.progress.get().verified_at;
        let verified_at = verified.then(|| since.unwrap_or(now));
        self.progress.set(Progress {
            verified_at,
            rounds,
        });
    }

    /// Asks the exchange.
    pub async fn ask(&self, question: Question) -> Option<Response> {
        let (answer, answered) = oneshot::channel();
        self.questions.borrow_mut().push_back((question, answer));
        self.wake.notify_one();
        answered.await.ok().flatten()
    }

    /// The next question.
    pub fn take_question(&self) -> Option<Asked> {
        self.questions.borrow_mut().pop_front()
    }
}
