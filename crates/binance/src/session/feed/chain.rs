//! The ids of one kind of message of one instrument, over several connections.
//!
//! In: an id and what it follows, which connection brought it. Out: whether it is the first copy,
//! one more, or one that comes too early. Never: a look at what the message says.

use super::CONNECTIONS_MAX;

/// So many messages the only connection can be behind one that has died.
const BEHIND_MAX: u16 = 1_000;

/// How a message stands to what has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Pass,
    /// It goes on, and begins before the end of what has passed: it follows that end now.
    Join(u64),
    /// What it says has passed already.
    Second,
    /// Something before it is missing, which another connection may still bring.
    Early,
    /// Something before it is missing, and no connection has it.
    Gap,
}

/// What has passed, and where each connection is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// Last id that passed; 0 before the first.
    last: u64,
    /// Last id of each connection; 0 before its first.
    own: [u64; CONNECTIONS_MAX],
    /// Connections whose ids have gone back since they were last ahead.
    rewound: u8,
    /// Messages in a row that the only connection was behind.
    behind: u16,
}

impl Chain {
    /// True when the connection itself has left something out before this message.
    pub(super) fn has_skipped(&self, connection: usize, follows: Option<u64>) -> bool {
        let before = self.own[connection];
        before != 0 && follows.is_some_and(|follows| follows > before)
    }

    /// Judges a message of `connection`; `follows` is the id that it continues, where there is such
    /// a thing. `live` has a bit for each connection that is open.
    pub(super) fn judge(
        &mut self,
        connection: usize,
        follows: Option<u64>,
        id: u64,
        live: u8,
    ) -> Verdict {
        let before = std::mem::replace(&mut self.own[connection], id);
        let others = live & !(1 << connection);
        if others == 0 || self.last == 0 {
            self.rewound = 0;
            return self.judge_alone(before, id);
        }
        if id <= self.last {
            if id < before {
                self.rewound |= 1 << connection;
                if self.rewound & live == live {
                    // All of them have begun anew.
                    self.rewound = 0;
                    return Verdict::Pass;
                }
            }
            return Verdict::Second;
        }
        self.rewound &= !(1 << connection);
        self.judge_new(connection, follows, id, live)
    }

    /// Judges a message of `connection` where what has passed may have changed since it came.
    pub(super) fn judge_new(
        &self,
        connection: usize,
        follows: Option<u64>,
        id: u64,
        live: u8,
    ) -> Verdict {
        let others = live & !(1 << connection);
        match follows {
            _ if id <= self.last => Verdict::Second,
            Some(follows) if follows < self.last => Verdict::Join(self.last),
            Some(follows) if follows > self.last => {
                let ahead = |one: usize| self.own[one] > self.last;
                let mut open = (0..CONNECTIONS_MAX).filter(|one| others >> one & 1 != 0);
                match open.all(ahead) {
                    true => Verdict::Gap,
                    false => Verdict::Early,
                }
            }
            _ => Verdict::Pass,
        }
    }

    /// Alone, everything goes on as it comes, and the book judges it. What one that has died had
    /// brought already is not told again, unless that does not end: then the ids have begun anew.
    fn judge_alone(&mut self, before: u64, id: u64) -> Verdict {
        if id > self.last || id <= before || self.behind >= BEHIND_MAX {
            self.behind = 0;
            return Verdict::Pass;
        }
        self.behind += 1;
        Verdict::Second
    }

    /// Whether a message that waited goes on now.
    pub(super) fn judge_held(&self, follows: u64, id: u64) -> Verdict {
        if id <= self.last {
            Verdict::Second
        } else if follows < self.last {
            Verdict::Join(self.last)
        } else if follows == self.last {
            Verdict::Pass
        } else {
            Verdict::Early
        }
    }

    /// It has gone on.
    pub(super) fn passed(&mut self, id: u64) {
        self.last = id;
    }

    /// A connection opened or ended: nothing is known of where it is.
    pub(super) fn forget(&mut self, connection: usize) {
        self.own[connection] = 0;
        self.rewound &= !(1 << connection);
    }
}
