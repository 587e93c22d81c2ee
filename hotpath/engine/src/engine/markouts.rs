//! Markouts: where the market stands when a fill of ours is booked, and 100 ms, 1 s and 10 s later.
//!
//! In: our fills, the time, the books. Out: a record for each look, with the mid or why there is
//! none. Never: more than one comparison in a step that has none due; a mid of a book that nobody
//! could have traded on.
//!
//! A look at time `t` sees the book as it was before the first input at `t` or later: it is taken
//! ahead of that input, and in a quiet market the engine's deadline brings one. Every horizon has
//! the same length for all fills, so what is due next of it is always the oldest: one ring of fills
//! with a place in it for each horizon, no list to keep in order.

use super::core::Engine;
use super::emit::Emit;
use crate::orders::NEVER;
use crate::outbox::Observer;
use crate::signal::Top;
use market::record::{Fill, Markout, MarkoutAfter, NoMid, Record};
use market::{
    BookState, CodecError, InstrumentId, Mid, MonoNs, Reader, Side, TradeId, Wire, Writer,
    wire_struct,
};

/// Fills that are followed at a time, at most: a hundred a second for the ten seconds that each is
/// followed. One more is told once, with [`NoMid::NoRoom`].
pub(super) const MARKOUTS_MAX: usize = 1_024;

const HORIZONS: usize = MarkoutAfter::LATER.len();

wire_struct! {
    /// A fill that is followed.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Followed {
        /// Its instrument.
        pub instrument: InstrumentId,
        /// True for a buy.
        pub buys: bool,
        /// Its trade.
        pub trade_id: TradeId,
        /// When it was booked.
        pub at: MonoNs,
    }
}

/// All fills that are followed.
#[derive(Debug)]
pub(super) struct Markouts {
    /// A ring; fill number `n` lies at `n % MARKOUTS_MAX`.
    fills: Vec<Followed>,
    /// Number of the next fill.
    taken: u64,
    /// Number of the fill that is looked at next, by horizon. The last one bounds the ring.
    next: [u64; HORIZONS],
    /// No look is due before.
    due: MonoNs,
}

impl Markouts {
    /// Room for all that may be followed.
    pub(super) fn new() -> Self {
        Self {
            fills: vec![Followed::default(); MARKOUTS_MAX],
            taken: 0,
            next: [0; HORIZONS],
            due: NEVER,
        }
    }

    /// No look is due before.
    #[inline]
    pub(super) const fn due(&self) -> MonoNs {
        self.due
    }

    /// Follows a fill; false without room.
    fn follow(&mut self, fill: Followed) -> bool {
        if self.taken - self.next[HORIZONS - 1] == MARKOUTS_MAX as u64 {
            return false;
        }
        self.fills[place(self.taken)] = fill;
        self.taken += 1;
        self.due = self.due.min(fill.at.after(MarkoutAfter::LATER[0].ns()));
        true
    }

    /// A look that is due at `now`, the one of the earliest time first.
    fn take(&mut self, now: MonoNs) -> Option<(Followed, MarkoutAfter, MonoNs)> {
        let (horizon, when) = self.earliest()?;
        if when > now {
            self.due = when;
            return None;
        }
        let fill = self.fills[place(self.next[horizon])];
        self.next[horizon] += 1;
        Some((fill, MarkoutAfter::LATER[horizon], when))
    }

    fn earliest(&mut self) -> Option<(usize, MonoNs)> {
        let due = |horizon: usize| {
            let number = self.next[horizon];
            let fill = (number < self.taken).then(|| self.fills[place(number)])?;
            Some((horizon, fill.at.after(MarkoutAfter::LATER[horizon].ns())))
        };
        let first = (0..HORIZONS).filter_map(due).min_by_key(|(_, when)| *when);
        if first.is_none() {
            self.due = NEVER;
        }
        first
    }

    /// Most bytes of a checkpoint's part.
    pub(super) const BYTES_MAX: usize = 64 + MARKOUTS_MAX * 24;

    pub(super) fn save(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        self.taken.encode(writer)?;
        self.next.iter().try_for_each(|one| one.encode(writer))?;
        self.due.encode(writer)?;
        let followed = self.next[HORIZONS - 1]..self.taken;
        followed
            .map(|number| self.fills[place(number)])
            .try_for_each(|fill| fill.encode(writer))
    }

    pub(super) fn load(&mut self, reader: &mut Reader<'_>) -> Result<(), CodecError> {
        self.taken = reader.u64()?;
        for one in &mut self.next {
            *one = reader.u64()?;
        }
        self.due = MonoNs::decode(reader)?;
        let oldest = self.next[HORIZONS - 1];
        let fits = |next: &u64| (oldest..=self.taken).contains(next);
        let followed = self.taken.wrapping_sub(oldest);
        if followed > MARKOUTS_MAX as u64 || !self.next.iter().all(fits) {
            return Err(CodecError::TooLong);
        }
        for number in oldest..self.taken {
            self.fills[place(number)] = Followed::decode(reader)?;
        }
        Ok(())
    }
}

/// Where a fill lies in the ring.
const fn place(number: u64) -> usize {
    (number % MARKOUTS_MAX as u64) as usize
}

impl Engine {
    /// A fill of ours is booked: tells where the market stands, and follows it. One that was told
    /// `late` is not followed, for nobody knows where the market stood when it was made.
    pub(super) fn mark_fill<O: Observer>(
        &mut self,
        index: usize,
        fill: &Fill,
        late: bool,
        emit: &mut Emit<'_, O>,
    ) {
        let now = self.facts.now;
        let followed = Followed {
            instrument: fill.instrument,
            buys: fill.side == Side::Buy,
            trade_id: fill.trade_id,
            at: now,
        };
        let found = match late {
            true => Err(NoMid::ToldLate),
            false => self.mid_at(index, now),
        };
        emit.record(markout(&followed, MarkoutAfter::Fill, found));
        if late {
            return;
        }
        if self.markouts.follow(followed) {
            self.schedule(self.markouts.due());
        } else {
            let none = Err(NoMid::NoRoom);
            emit.record(markout(&followed, MarkoutAfter::LATER[0], none));
        }
    }

    /// Takes the looks that are due, before the input of this step changes what they see.
    #[cold]
    pub(super) fn pass_markouts<O: Observer>(&mut self, emit: &mut Emit<'_, O>) {
        while let Some((fill, after, when)) = self.markouts.take(self.facts.now) {
            let found = self.mid_at(usize::from(fill.instrument.0), when);
            emit.record(markout(&fill, after, found));
        }
        self.schedule(self.markouts.due());
    }

    /// The mid of the book as it stands, if it was of use at `when`.
    pub(super) fn mid_at(&self, index: usize, when: MonoNs) -> Result<Mid, NoMid> {
        let book = &self.instruments[index].book;
        if book.state() != BookState::Synced {
            return Err(NoMid::BookUnsynced);
        }
        let top = Top::of(book).ok_or(NoMid::OneSided)?;
        if when.since(book.top_changed_at()) > self.config.signal.stale_after_ns {
            return Err(NoMid::Stale);
        }
        if top.is_crossed() {
            return Err(NoMid::Crossed);
        }
        Ok(Mid(top.mid_half_ticks()))
    }
}

fn markout(fill: &Followed, after: MarkoutAfter, found: Result<Mid, NoMid>) -> Record {
    Record::Markout(Markout {
        instrument: fill.instrument,
        side: if fill.buys { Side::Buy } else { Side::Sell },
        trade_id: fill.trade_id,
        after,
        mid: found.ok(),
        none_because: found.err(),
    })
}
