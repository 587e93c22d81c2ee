//! What each verb does.
//!
//! In: requests. Out: replies; commands for the engine, in the order in which they came. Never: a
//! verb that leads out of KILLED but a signed reset, a kill that is refused.

use super::exchange_view::{self, Lists};
use super::milestones::Milestones;
use super::page_view;
use super::reset::Challenge;
use crate::clock;
use crate::gateway::inbox::Inbox;
use crate::kill::desk::{Desk, Question};
use crate::kill::keeper::KillKeeper;
use engine::Input;
use engine::event::Command;
use ipc::Segment;
use market::{ClientOrderId, Instrument, MonoNs};
use operator::{ErrorCode, KillLine, Refusal, Reply, Request, StopPolicy};
use settings::Settings;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long the acknowledgement of a kill waits for the disk. The cancels do not.
const DISK_PATIENCE_NS: u64 = 1_000_000_000;

const LOOK: Duration = Duration::from_millis(2);

/// Longest reason that is kept.
const REASON_CHARS_MAX: usize = 200;

/// Answers the operator.
pub struct Operator {
    /// Checked settings.
    pub settings: Settings,
    /// Account.
    pub account: String,
    /// Pages, latch, heartbeats.
    pub segment: Arc<Segment>,
    /// The table.
    pub instruments: Arc<[Instrument]>,
    /// The cold ring into the engine.
    pub inbox: Rc<RefCell<Inbox>>,
    /// One a market.
    pub desks: Vec<Rc<Desk>>,
    /// The kill.
    pub keeper: Rc<RefCell<KillKeeper>>,
    /// When the process began.
    pub started: MonoNs,
    /// The challenge that is open.
    pub challenge: RefCell<Option<Challenge>>,
    /// What `orders` showed last.
    pub lists: Lists,
    /// Grows with each verb that changes the state.
    pub ticket: Cell<u64>,
    /// How far this start is.
    pub milestones: Milestones,
    /// The latch of a drill, until it is another one; 0 without.
    pub drill: Cell<u64>,
}

impl Operator {
    /// Carries a request out.
    pub async fn answer(self: &Rc<Self>, request: Request) -> Reply {
        let verb = request.line();
        let reply = self.carry_out(request).await.unwrap_or_else(Reply::from);
        let changes = !matches!(
            reply,
            Reply::Status(_)
                | Reply::Orders { .. }
                | Reply::Positions { .. }
                | Reply::Limits { .. }
        );
        if changes {
            let (verb, answer) = (verb.trim_end(), reply.line());
            tracing::warn!(verb, answer = answer.trim_end(), "operator");
        }
        reply
    }

    async fn carry_out(self: &Rc<Self>, request: Request) -> Result<Reply, Refusal> {
        match request {
            Request::Ping => Ok(accepted("here")),
            Request::Status => self.status(),
            Request::Orders => {
                let ((orders, algo_orders), age_ms) = self.lists.show(&self.desks).await?;
                Ok(Reply::Orders {
                    age_ms,
                    orders,
                    algo_orders,
                })
            }
            Request::Positions => Ok(Reply::Positions {
                positions: page_view::positions(&self.segment, &self.instruments),
            }),
            Request::Limits => Ok(Reply::Limits {
                limits: page_view::limits(&self.segment, &self.instruments, &self.settings),
            }),
            Request::Start => self.command(Command::Start, "ACTIVE once reconciled"),
            Request::Pause => self.command(Command::Pause, "REDUCING: no entries, exits go on"),
            Request::Resume => self.command(Command::Resume, "ACTIVE, where nothing else holds it"),
            Request::Rearm => {
                let note = "breakers and latched strategies are cleared, every measure begins anew";
                self.command(Command::Rearm, note)
            }
            Request::Flatten => {
                let note = "REDUCING; orders are being cancelled, positions closed";
                self.command(Command::Flatten, note)
            }
            Request::Stop { policy } => {
                self.refuse_while_killed()?;
                Ok(accepted(&self.stop(policy.unwrap_or(self.stop_policy()))))
            }
            Request::Cancel { what } => self.cancel(&what).await,
            Request::Kill {
                keep_positions,
                reason,
            } => {
                self.drill.set(0);
                Ok(self.kill(keep_positions, reason).await)
            }
            Request::Drill => self.begin_drill().await,
            Request::Challenge => self.challenge(),
            Request::Reset {
                nonce,
                signature,
                drill,
            } => self.reset(&nonce, &signature, drill).await,
        }
    }

    /// Into the cold ring, which the engine empties in microseconds.
    pub(super) fn tell(&self, input: Input<'_>) {
        let mut inbox = self.inbox.borrow_mut();
        inbox.received = clock::monotonic();
        inbox.deliver(input);
    }

    /// A kill waits for nobody, not for an engine that hangs either.
    fn tell_if_there_is_room(&self, input: Input<'_>) {
        let mut inbox = self.inbox.borrow_mut();
        inbox.received = clock::monotonic();
        inbox.offer(input);
    }

    fn status(&self) -> Result<Reply, Refusal> {
        let kill = KillLine {
            drill: self.is_drill(),
            ..self.keeper.borrow().line()
        };
        let (settings, account) = (&self.settings, &self.account);
        let (started, milestones) = (self.started, &self.milestones);
        let status = page_view::status(&self.segment, settings, account, started, milestones, kill);
        let status = status.ok_or_else(|| {
            Refusal::new(
                ErrorCode::ExchangeUnavailable,
                "the engine has not begun yet",
            )
        })?;
        Ok(Reply::Status(Box::new(status)))
    }

    /// How the process does, in a line; none before the engine has begun.
    #[must_use]
    pub fn summary(&self) -> Option<String> {
        page_view::summary(&self.segment, &self.instruments)
    }

    fn command(&self, command: Command, note: &str) -> Result<Reply, Refusal> {
        self.refuse_while_killed()?;
        self.tell(Input::Command(command));
        Ok(accepted(note))
    }

    pub(super) fn refuse_while_killed(&self) -> Result<(), Refusal> {
        if self.segment.kill_latched() {
            let message = "KILLED: only `fulcrum reset` with the operator's key leads out";
            return Err(Refusal::new(ErrorCode::KillLatched, message));
        }
        // A stop under way gives way to whatever comes after it.
        self.ticket.set(self.ticket.get() + 1);
        Ok(())
    }

    fn stop_policy(&self) -> StopPolicy {
        match self.settings.emergency.stop_policy {
            settings::StopPolicy::Flatten => StopPolicy::Flatten,
            settings::StopPolicy::Cancel => StopPolicy::Cancel,
            settings::StopPolicy::Leave => StopPolicy::Leave,
        }
    }

    /// Latch and cancels at once; then, for a moment, the disk's word is waited for.
    pub(super) async fn kill(&self, keep_positions: bool, reason: Option<String>) -> Reply {
        let reason = reason.unwrap_or_else(|| "operator".to_string());
        let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
        let begun = clock::monotonic();
        self.keeper.borrow_mut().latch(keep_positions, Some(reason));
        // The sweep first; an engine that hangs and has no room for a command finds the latch in the
        // segment when it goes on.
        self.keep(begun);
        self.tell_if_there_is_room(Input::Command(match keep_positions {
            true => Command::KillKeepPositions,
            false => Command::Kill,
        }));
        let mut line = self.keeper.borrow().line();
        while line.durable.is_none() && clock::monotonic().since(begun) < DISK_PATIENCE_NS {
            tokio::time::sleep(LOOK).await;
            self.keep(clock::monotonic());
            line = self.keeper.borrow().line();
        }
        line.durable = Some(line.durable == Some(true));
        Reply::Killed(line)
    }

    /// Looks after the kill, and journals what it did; sees how far the start is.
    pub fn keep(&self, now: MonoNs) {
        self.milestones.look(&self.segment, now);
        let mut keeper = self.keeper.borrow_mut();
        keeper.look(now, &mut |step| {
            self.tell_if_there_is_room(Input::KillStep(step));
        });
    }

    /// Cancels pass in every state.
    async fn cancel(&self, what: &str) -> Result<Reply, Refusal> {
        if what == "all" {
            self.tell(Input::Command(Command::CancelAll));
            return Ok(accepted("own orders are being cancelled"));
        }
        let named = |one: &&Instrument| one.symbol.as_str() == what;
        let mut found = self.instruments.iter().filter(named).peekable();
        if found.peek().is_some() {
            // Futures and spot may share the name.
            found.for_each(|one| self.tell(Input::CancelInstrument(one.id)));
            return Ok(accepted(&format!(
                "own orders of {what} are being cancelled"
            )));
        }
        let ((orders, _), age_ms) = self.lists.show(&self.desks).await?;
        let order = orders.into_iter().find(|one| one.client_order_id == what);
        let Some(order) = order else {
            if age_ms > 0 {
                return Err(exchange_view::too_often());
            }
            let message = format!(
                "`{what}` is neither `all`, nor a symbol of the configuration, nor the client id \
                 of an open order"
            );
            return Err(Refusal::new(ErrorCode::UnknownTarget, message));
        };
        if order.origin == "OWN"
            && let Some(id) = ClientOrderId::new(what.as_bytes())
        {
            self.tell(Input::CancelOrder(id));
            return Ok(accepted("the order is being cancelled"));
        }
        let mut desks = self.desks.iter();
        let desk = desks.find(|desk| desk.market.as_str() == order.market);
        let symbol = market::Symbol::new(order.symbol.as_bytes());
        if let (Some(desk), Some(symbol)) = (desk, symbol) {
            let question = Question::Cancel(symbol, order.client_order_id);
            exchange_view::cancelled(desk.ask(question).await)?;
        }
        Ok(accepted("the external order is cancelled"))
    }
}

fn accepted(note: &str) -> Reply {
    Reply::Accepted {
        note: note.to_string(),
    }
}
