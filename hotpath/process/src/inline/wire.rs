//! The place of one connection: asked for, open, given up.
//!
//! In: what its session machine wants, what the cold side has opened. Out: a socket while there is
//! one. Never: two sockets at a time, the answer to an older wish taken for the newest.

use super::dialing::{Dialed, Dialing, Note, Wanted};
use crate::gateway::stream_cells::StreamCells;
use crate::hot_socket::{HotSocket, SocketEnd};
use binance::session::CloseReason;
use market::MonoNs;
use std::sync::Arc;

/// One connection's place.
pub struct Wire {
    place: usize,
    attempt: u64,
    dialing: Arc<Dialing>,
    /// The socket while there is one.
    pub socket: Option<Box<HotSocket>>,
    /// Its counters.
    pub cells: StreamCells,
}

impl Wire {
    /// Nothing is connected yet. `place` is the cold side's name for it.
    #[must_use]
    pub fn new(place: usize, dialing: &Arc<Dialing>, cells: StreamCells) -> Self {
        Self {
            place,
            attempt: 0,
            dialing: Arc::clone(dialing),
            socket: None,
            cells,
        }
    }

    /// The cold side's name for it.
    #[must_use]
    pub const fn place(&self) -> usize {
        self.place
    }

    /// Asks the cold side for a connection.
    pub fn ask(&mut self, deadline: MonoNs) {
        self.attempt += 1;
        // Its room is for every place's attempts; a wish that is lost all the same times out.
        let _ = self.dialing.wanted.push(Wanted {
            place: self.place,
            attempt: self.attempt,
            deadline,
        });
    }

    /// Takes what the cold side has to say; true when it is about the newest wish. Then there is a
    /// socket, or there will be none.
    pub fn take(&mut self, dialed: Dialed) -> bool {
        let newest = dialed.attempt == self.attempt;
        match dialed.socket {
            Some(socket) if newest => {
                self.give_up();
                self.socket = Some(socket);
                self.cells.opened();
            }
            Some(socket) => self.bury(socket),
            None if newest => self.cells.closed(CloseReason::ConnectFailed),
            None => {}
        }
        newest
    }

    /// Asks the other end whether it lives.
    ///
    /// # Errors
    /// [`SocketEnd`].
    pub fn ping(&mut self) -> Result<(), SocketEnd> {
        match &mut self.socket {
            Some(socket) => socket.send_ping(),
            None => Ok(()),
        }
    }

    /// The connection, or the attempt, is over.
    #[cold]
    pub fn close(&mut self, reason: CloseReason, end: Option<SocketEnd>) {
        self.attempt += 1;
        self.give_up();
        self.cells.closed(reason);
        let _ = self.dialing.notes.push(Note {
            place: self.place,
            reason,
            end,
        });
    }

    fn give_up(&mut self) {
        if let Some(mut socket) = self.socket.take() {
            socket.close();
            self.bury(socket);
        }
    }

    fn bury(&self, socket: Box<HotSocket>) {
        let _ = self.dialing.given_up.push(socket);
    }
}
