//! Keeps the kill: whoever latched the segment, the disk hears of it and the exchange is swept.
//!
//! In: the latch in the segment, looked at every few milliseconds; what the writer of the file
//! says. Out: sweeps, the durable latch, steps for the journal. Never: a wait; the file is written
//! by a thread of its own, and a disk that hangs keeps nobody.

use super::desk::Desk;
use super::latch_file::{LatchFile, LatchNote};
use crate::server_clock::ServerClock;
use ipc::Segment;
use market::page::{AccountPage, PAGE_BYTES_MAX};
use market::record::{KillAct, KillStep};
use market::{MonoNs, Symbol, Wire};
use operator::{KillLine, SweepLine};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// Before a disk that refused is tried again.
const DISK_AGAIN_NS: u64 = 1_000_000_000;

/// Own orders that are still there so long after a verified sweep are swept again.
const SWEEP_AGAIN_NS: u64 = 2_000_000_000;

/// What somebody else may have placed since is looked for so often: lists of 85 (futures) and 80
/// (spot) of weight, a third of a minute's weight, which nothing else needs under a kill.
const LOOK_AGAIN_NS: u64 = 6_000_000_000;

/// Where the latch file stands.
enum Disk {
    /// Nothing to write.
    Clear,
    /// To be written at the next look.
    Due,
    /// A thread writes it, with positions kept or not.
    Writing(bool, Receiver<Result<(), String>>),
    /// It is on the disk.
    Durable,
    /// The disk refused it; tried again then.
    Refused(MonoNs),
}

/// A kill that holds.
struct Latched {
    word: u64,
    note: LatchNote,
    since: MonoNs,
    /// When the exchange was looked at again after it was verified to be empty.
    looked_at: MonoNs,
}

/// What a disk will say of a write that has begun.
pub type Written = Receiver<Result<(), String>>;

/// Begins to write the latch and keeps nobody waiting; none where not even that is possible.
pub type LatchWriter = Box<dyn Fn(&LatchFile, &LatchNote) -> Option<Written>>;

/// The kill of one account.
pub struct KillKeeper {
    segment: Arc<Segment>,
    file: LatchFile,
    write: LatchWriter,
    desks: Vec<Rc<Desk>>,
    clock: ServerClock,
    found: Option<LatchNote>,
    latched: Option<Latched>,
    disk: Disk,
    reason: Option<String>,
}

impl KillKeeper {
    /// Keeps the latch of `segment` in `file`, in which the start `found` one.
    #[must_use]
    pub fn new(
        segment: Arc<Segment>,
        file: LatchFile,
        found: Option<LatchNote>,
        desks: Vec<Rc<Desk>>,
        clock: ServerClock,
    ) -> Self {
        Self {
            segment,
            file,
            write: Box::new(write_on_a_thread),
            desks,
            clock,
            found,
            latched: None,
            disk: Disk::Clear,
            reason: None,
        }
    }

    /// Writes by other means than a thread and a file.
    #[must_use]
    pub fn with_writer(mut self, write: LatchWriter) -> Self {
        self.write = write;
        self
    }

    /// Latches the segment; the next look does the rest.
    pub fn latch(&mut self, keep_positions: bool, reason: Option<String>) {
        self.reason = reason.or(self.reason.take());
        match keep_positions {
            true => self.segment.latch_kill_keeping_positions(),
            false => self.segment.latch_kill(),
        }
    }

    /// Does what is due; steps go to `journal`.
    pub fn look(&mut self, now: MonoNs, journal: &mut impl FnMut(KillStep)) {
        let word = self.segment.kill_word();
        if word == 0 {
            self.latched = None;
            self.disk = Disk::Clear;
            return;
        }
        if self.latched.as_ref().is_none_or(|one| one.word != word) {
            self.begin(word, now, journal);
        }
        self.look_at_disk(now, journal);
        self.look_again(now);
    }

    fn begin(&mut self, word: u64, now: MonoNs, journal: &mut impl FnMut(KillStep)) {
        let closes = self.segment.kill_closes_positions();
        // Cancels first: nothing below may delay them.
        self.sweep(closes);
        if let Some(latched) = &mut self.latched {
            latched.word = word;
            if latched.note.keep_positions == closes {
                latched.note.keep_positions = !closes;
                if !matches!(self.disk, Disk::Writing(..)) {
                    self.disk = Disk::Due;
                }
            }
            return;
        }
        let found = self.found.take();
        let on_disk = found
            .as_ref()
            .is_some_and(|note| note.keep_positions != closes);
        self.disk = if on_disk { Disk::Durable } else { Disk::Due };
        let since_utc_ms = found.as_ref().map(|note| note.since_utc_ms);
        let reason = self.reason.take().or(found.map(|note| note.reason));
        let note = LatchNote {
            since_utc_ms: since_utc_ms.unwrap_or_else(|| self.clock.utc().to_ms().0),
            keep_positions: !closes,
            reason: reason.unwrap_or_else(|| "not told".to_string()),
        };
        tracing::error!(
            reason = note.reason,
            keep_positions = !closes,
            "KILL: latched"
        );
        journal(self.step(KillAct::Latched));
        self.latched = Some(Latched {
            word,
            note,
            since: now,
            looked_at: now,
        });
    }

    fn look_at_disk(&mut self, now: MonoNs, journal: &mut impl FnMut(KillStep)) {
        let Some(latched) = &self.latched else {
            return;
        };
        let due = match &self.disk {
            Disk::Clear | Disk::Durable => false,
            Disk::Due => true,
            Disk::Refused(again_at) => now >= *again_at,
            Disk::Writing(kept, telling) => {
                let told = telling.try_recv();
                let stale = *kept != latched.note.keep_positions;
                let act = match told {
                    Err(TryRecvError::Empty) => return,
                    Ok(Ok(())) => KillAct::Durable,
                    Ok(Err(why)) => {
                        tracing::error!(why, "KILL: the latch is not on the disk");
                        KillAct::NotDurable
                    }
                    Err(TryRecvError::Disconnected) => KillAct::NotDurable,
                };
                journal(self.step(act));
                self.disk = match act {
                    KillAct::Durable if stale => Disk::Due,
                    KillAct::Durable => Disk::Durable,
                    _ => Disk::Refused(now.after(DISK_AGAIN_NS)),
                };
                return;
            }
        };
        if due {
            let kept = latched.note.keep_positions;
            let begun = (self.write)(&self.file, &latched.note);
            self.disk = match begun {
                Some(telling) => Disk::Writing(kept, telling),
                None => Disk::Refused(now.after(DISK_AGAIN_NS)),
            };
        }
    }

    fn sweep(&self, closes: bool) {
        for desk in &self.desks {
            desk.want_sweep(closes);
        }
    }

    fn look_again(&mut self, now: MonoNs) {
        let verified = self.desks.iter().map(|desk| desk.progress().verified_at);
        let Some(rested) = verified.max().flatten().filter(|_| self.is_verified()) else {
            return;
        };
        let own_orders = self.own_orders() > 0;
        let closes = self.segment.kill_closes_positions();
        let Some(latched) = &mut self.latched else {
            return;
        };
        if own_orders && now.since(rested) >= SWEEP_AGAIN_NS {
            self.sweep(closes);
        } else if now.since(rested.max(latched.looked_at)) >= LOOK_AGAIN_NS {
            latched.looked_at = now;
            for desk in &self.desks {
                desk.want_look();
            }
        }
    }

    fn is_verified(&self) -> bool {
        let mut desks = self.desks.iter();
        desks.all(|desk| desk.progress().verified_at.is_some())
    }

    /// Own orders that are open or of unknown fate, as the engine shows them.
    #[must_use]
    pub fn own_orders(&self) -> u32 {
        account_page(&self.segment).map_or(0, |page| page.orders_open + page.unknown_now)
    }

    fn step(&self, act: KillAct) -> KillStep {
        KillStep {
            act,
            market: self
                .desks
                .first()
                .map_or(market::Market::UsdM, |desk| desk.market),
            symbol: Symbol::EMPTY,
            count: 0,
            error_code: 0,
        }
    }

    /// As the operator sees it.
    #[must_use]
    pub fn line(&self) -> KillLine {
        let Some(latched) = &self.latched else {
            return KillLine {
                latched: self.segment.kill_latched(),
                ..KillLine::default()
            };
        };
        let sweep = |desk: &Rc<Desk>| {
            let progress = desk.progress();
            let after = progress
                .verified_at
                .map(|at| at.since(latched.since) / 1_000_000);
            SweepLine {
                market: desk.market.to_string(),
                verified: progress.verified_at.is_some(),
                rounds: progress.rounds,
                verified_after_ms: after,
            }
        };
        KillLine {
            latched: true,
            durable: match self.disk {
                Disk::Durable => Some(true),
                Disk::Refused(_) => Some(false),
                Disk::Clear | Disk::Due | Disk::Writing(..) => None,
            },
            keep_positions: latched.note.keep_positions,
            since_utc_ms: latched.note.since_utc_ms,
            verified: self.is_verified(),
            sweeps: self.desks.iter().map(sweep).collect(),
            // Who began one knows.
            drill: false,
        }
    }

    /// The latch as it is; 0 without one.
    #[must_use]
    pub fn word(&self) -> u64 {
        self.segment.kill_word()
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &LatchFile {
        &self.file
    }

    /// The file is gone: takes the latch of the segment back, if nobody latched it since `word`
    /// was read. False when somebody did; then the file is written again.
    #[must_use]
    pub fn clear(&mut self, word: u64) -> bool {
        if self.segment.clear_kill(word) {
            self.latched = None;
            self.disk = Disk::Clear;
            self.reason = None;
            return true;
        }
        self.disk = Disk::Due;
        false
    }

    /// A thread is at the file: whether it will be there is not known.
    #[must_use]
    pub const fn is_writing(&self) -> bool {
        matches!(self.disk, Disk::Writing(..) | Disk::Due)
    }
}

/// Writes on a thread of its own; none where the system gives no thread.
fn write_on_a_thread(file: &LatchFile, note: &LatchNote) -> Option<Written> {
    let (file, note) = (file.clone(), note.clone());
    let (told, telling) = channel();
    let write = move || {
        let result = file.write(&note).map_err(|error| error.to_string());
        // Nobody listens when the process is ending.
        drop(told.send(result));
    };
    let thread = std::thread::Builder::new().name("kill-latch".to_string());
    thread.spawn(write).ok()?;
    Some(telling)
}

/// The account's page, once it was written.
pub fn account_page(segment: &Segment) -> Option<AccountPage> {
    let mut bytes = [0; PAGE_BYTES_MAX];
    let length = segment.account_page().read(&mut bytes).ok().flatten()?;
    AccountPage::from_bytes(bytes.get(..length)?).ok()
}
