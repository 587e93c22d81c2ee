//! Market data into books.
//!
//! In: differences, tickers, snapshots, mark prices. Out: book state records, snapshot requests.
//! Never: a decision on a book that broke in the same event (I8).

use super::breakers::About;
use super::core::Engine;
use super::emit::Emit;
use crate::book::BookChange;
use crate::event::Input;
use crate::outbox::{Observer, Request};
use market::record::{BookStateChange, Record};
use market::{BookReason, BookState, Breaker, InstrumentId, MarkPrice, MonoNs};

impl Engine {
    pub(super) fn take_book<O: Observer>(&mut self, input: &Input<'_>, emit: &mut Emit<'_, O>) {
        let id = match input {
            Input::Depth(depth) => depth.header.instrument,
            Input::BookTicker(ticker) => ticker.instrument,
            Input::SnapshotBegin(begin) => begin.instrument,
            Input::SnapshotLevels(run) => run.instrument,
            Input::SnapshotEnd(id) | Input::ParseFailure(id) => *id,
            _ => return,
        };
        let Some(index) = self.index_of(id) else {
            return;
        };
        let now = self.facts.now;
        if let Input::Depth(depth) = input
            && depth.header.event_time.0 > self.facts.event_limit_ms
        {
            self.note_event_ahead(depth.header.event_time);
        }
        let book = &mut self.instruments[index].book;
        let change = match input {
            Input::Depth(depth) => book.apply(depth, now),
            Input::BookTicker(ticker) => book.apply_ticker(ticker, now),
            Input::SnapshotBegin(begin) => book.snapshot_begin(begin, now),
            Input::SnapshotLevels(run) => book.snapshot_levels(run.side, run.levels),
            Input::SnapshotEnd(_) => book.snapshot_end(now),
            _ => book.invalidate(BookReason::ParseError),
        };
        self.book_changed(index, change, emit);
        self.touch(id);
    }

    pub(super) fn take_mark(&mut self, mark: &MarkPrice) {
        if let Some(index) = self.index_of(mark.instrument) {
            let facts = &mut self.instruments[index].facts;
            (facts.mark, facts.mark_at) = (Some(mark.mark), self.facts.now);
            self.touch(mark.instrument);
        }
    }

    /// Follows up on what happened to a book.
    pub(super) fn book_changed<O: Observer>(
        &mut self,
        index: usize,
        change: BookChange,
        emit: &mut Emit<'_, O>,
    ) {
        let id = InstrumentId(index as u16);
        let stale_ns = self.config.signal.stale_after_ns;
        let now = self.facts.now;
        let state = &mut self.instruments[index];
        if change.gap && state.facts.was_synced {
            state.facts.book_gaps += 1;
            self.incident(Breaker::FeedGaps, About::of(index), emit);
        }
        let state = &mut self.instruments[index];
        if let Some((from, to, reason)) = change.transition {
            if to == BookState::Synced {
                state.facts.book_resyncs += u64::from(state.facts.was_synced);
                state.facts.was_synced = true;
            }
            emit.record(Record::BookState(BookStateChange {
                instrument: id,
                from,
                to,
                reason,
            }));
        }
        if change.top_changed || change.transition.is_some() {
            let top = state.top();
            state.flow.update(top);
        }
        if change.applied && state.facts.stale_at == MonoNs(0) {
            // One deadline stands for all changes until it passes; it is moved on then.
            let stale_at = now.after(stale_ns + 1);
            state.facts.stale_at = stale_at;
            self.schedule(stale_at);
        }
        if change.wants_snapshot && emit.has_room(1) {
            emit.request(Request::Snapshot(id));
        }
    }
}
