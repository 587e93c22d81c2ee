//! Files that the cold thread wants kept, written by a thread of their own.
//!
//! In: checkpoints, what outlives a restart. Out: all of it on the disk, buffers given back. Never: a
//! wait of whoever hands something over. A disk that is slow or hangs would else keep the operator's
//! kill, the clock samples and reconciliation, which share the cold thread.

use crate::account_file::{AccountFile, AccountMemory};
use crate::breaker_file::{BreakerFile, BreakerState};
use crate::silence_file::SilenceFile;
use crate::state_directory::write_durably;
use market::{MonoNs, UtcNs};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Where it goes.
#[derive(Debug)]
pub struct Files {
    /// What the breakers remember.
    pub breakers: BreakerFile,
    /// What is known of the account.
    pub account: AccountFile,
    /// Silences that the exchange wants.
    pub silences: SilenceFile,
}

/// Silences by host, and the times at which they were told.
type Silences = (Vec<(String, MonoNs)>, MonoNs, UtcNs);

/// What is to be written.
enum Work {
    Breakers(BreakerState),
    Account(AccountMemory),
    Silences(Silences),
    Checkpoint(PathBuf, Vec<u8>),
}

/// What there is no time for yet: of each kind the newest.
#[derive(Default)]
struct Waiting {
    breakers: Option<BreakerState>,
    account: Option<AccountMemory>,
    silences: Option<Silences>,
    checkpoint: Option<(PathBuf, Vec<u8>)>,
}

impl Waiting {
    /// The next; a checkpoint, which is large and can wait, last.
    fn take(&mut self) -> Option<Work> {
        let account = || self.account.take().map(Work::Account);
        let small = self.breakers.take().map(Work::Breakers).or_else(account);
        let small = small.or_else(|| self.silences.take().map(Work::Silences));
        small.or_else(|| {
            let (path, buffer) = self.checkpoint.take()?;
            Some(Work::Checkpoint(path, buffer))
        })
    }

    fn put_back(&mut self, work: Work) {
        match work {
            Work::Breakers(state) => self.breakers = Some(state),
            Work::Account(memory) => self.account = Some(memory),
            Work::Silences(silences) => self.silences = Some(silences),
            Work::Checkpoint(path, buffer) => self.checkpoint = Some((path, buffer)),
        }
    }
}

/// The thread, and what it has no time for yet.
pub struct DiskThread {
    work: SyncSender<Work>,
    written: Receiver<Vec<u8>>,
    refused: Receiver<AccountMemory>,
    thread: JoinHandle<()>,
    waiting: Waiting,
}

impl DiskThread {
    /// Starts it.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(files: Files) -> std::io::Result<Self> {
        // One that is being written, none that waits here: the newest counts.
        let (work, taken) = sync_channel(0);
        let (told, written) = channel();
        let (refuse, refused) = channel();
        let thread = Builder::new().name("disk".to_string());
        Ok(Self {
            work,
            written,
            refused,
            thread: thread.spawn(move || write_all(&taken, &told, &refuse, files))?,
            waiting: Waiting::default(),
        })
    }

    /// Keeps this one, and forgets an earlier one that was not begun.
    pub fn keep_breakers(&mut self, state: BreakerState) {
        self.waiting.breakers = Some(state);
    }

    /// The same for what is known of the account.
    pub fn keep_account(&mut self, memory: AccountMemory) {
        self.waiting.account = Some(memory);
    }

    /// The same for silences by host, as they stand at `now`, which is `utc`.
    pub fn keep_silences(&mut self, silences: Vec<(String, MonoNs)>, now: MonoNs, utc: UtcNs) {
        self.waiting.silences = Some((silences, now, utc));
    }

    /// Writes it when there is time.
    pub fn keep_checkpoint(&mut self, path: PathBuf, buffer: Vec<u8>) {
        self.waiting.checkpoint = Some((path, buffer));
    }

    /// The buffer of a checkpoint that was written, or could not be.
    #[must_use]
    pub fn written_checkpoint(&self) -> Option<Vec<u8>> {
        self.written.try_recv().ok()
    }

    /// Hands over what waits, if the thread has time for it.
    pub fn pass_on(&mut self) {
        // The account is known from its first agreement on: that must not hang on one attempt.
        if let Ok(memory) = self.refused.try_recv() {
            self.waiting.account.get_or_insert(memory);
        }
        let Some(work) = self.waiting.take() else {
            return;
        };
        if let Err(TrySendError::Full(work) | TrySendError::Disconnected(work)) =
            self.work.try_send(work)
        {
            self.waiting.put_back(work);
        }
    }

    /// Writes what waits, and waits for it: whoever writes the same files next finds them alone.
    pub fn finish(mut self) {
        while let Some(work) = self.waiting.take() {
            if self.work.send(work).is_err() {
                break;
            }
        }
        drop(self.work);
        // Its panic ends the process before this.
        let _ = self.thread.join();
    }
}

fn write_all(
    taken: &Receiver<Work>,
    told: &Sender<Vec<u8>>,
    refuse: &Sender<AccountMemory>,
    mut files: Files,
) {
    while let Ok(work) = taken.recv() {
        let (what, result) = match work {
            Work::Breakers(state) => ("what the breakers remember", files.breakers.write(&state)),
            Work::Account(memory) => {
                let result = files.account.write(&memory);
                if result.is_err() {
                    let _ = refuse.send(memory);
                }
                ("what is known of the account", result)
            }
            Work::Silences((silences, now, utc)) => (
                "the silence that the exchange wants",
                files.silences.keep(&silences, now, utc),
            ),
            Work::Checkpoint(path, buffer) => {
                let result = write_durably(&path, &buffer);
                // Nobody listens when the process is ending.
                let _ = told.send(buffer);
                ("a checkpoint", result)
            }
        };
        if let Err(error) = result {
            tracing::error!(%error, "not kept: {what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::{Duration, Instant};

    fn breaker_file(folder: &Path) -> BreakerFile {
        BreakerFile::new(folder, "default", "paper", Vec::new(), &[])
    }

    fn start(folder: &Path) -> DiskThread {
        let files = Files {
            breakers: breaker_file(folder),
            account: AccountFile::new(folder, "default", "here", "paper", &[]),
            silences: SilenceFile::new(folder, "default"),
        };
        DiskThread::start(files).unwrap()
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("fulcrum-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn until(disk: &mut DiskThread, what: impl Fn(&DiskThread) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !what(disk) {
            disk.pass_on();
            assert!(Instant::now() < deadline, "it hangs");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_is_handed_over_is_written_and_buffers_come_back() {
        let folder = folder("disk-thread");
        let mut disk = start(&folder);
        disk.keep_checkpoint(folder.join("checkpoint-7.bin"), vec![7; 100]);
        disk.keep_breakers(BreakerState::default());
        disk.keep_account(AccountMemory::default());
        disk.keep_silences(vec![("here".to_string(), MonoNs(9))], MonoNs(1), UtcNs(5));
        let mut back = None;
        let deadline = Instant::now() + Duration::from_secs(10);
        while back.is_none() {
            disk.pass_on();
            back = disk.written_checkpoint();
            assert!(Instant::now() < deadline, "no buffer came back");
        }
        disk.finish();
        assert_eq!(back, Some(vec![7; 100]));
        let written = std::fs::read(folder.join("checkpoint-7.bin")).unwrap();
        assert_eq!(written, [7; 100]);
        let read = breaker_file(&folder).read().unwrap();
        assert_eq!(read, Some(BreakerState::default()));
        assert!(folder.join("account-default").is_file());
        let silences = SilenceFile::new(&folder, "default").read(MonoNs(1), UtcNs(5));
        assert_eq!(silences, [("here".to_string(), MonoNs(9))]);
    }

    #[test]
    fn a_disk_that_hangs_keeps_nobody_and_the_newest_is_written_when_it_goes_on() {
        let folder = folder("disk-hangs");
        let pipe = folder.join("breakers-default-paper.tmp");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let mut disk = start(&folder);
        disk.keep_breakers(BreakerState::default());
        until(&mut disk, |disk| disk.waiting.breakers.is_none());
        // It hangs in there. Whatever comes now waits here, and the newest of it.
        let begun = Instant::now();
        for streak in 1..=1_000 {
            let mut state = BreakerState::default();
            state.memory.loss_streak = streak;
            disk.keep_breakers(state);
            disk.pass_on();
        }
        assert!(begun.elapsed() < Duration::from_secs(1));
        // A pipe that somebody reads goes on; it cannot be synced, and the next attempt is a file.
        drop(std::fs::File::open(&pipe).unwrap());
        std::fs::remove_file(&pipe).unwrap();
        until(&mut disk, |disk| disk.waiting.breakers.is_none());
        disk.finish();
        let read = breaker_file(&folder).read().unwrap().unwrap();
        assert_eq!(read.memory.loss_streak, 1_000);
    }
}
