//! Files that the cold thread wants kept, written by a thread of their own.
//!
//! In: checkpoints, what the breakers remember. Out: both on the disk, buffers given back. Never: a
//! wait of whoever hands something over. A disk that is slow or hangs would else keep the operator's
//! kill, the clock samples and reconciliation, which share the cold thread.

use crate::breaker_file::{BreakerFile, BreakerState};
use crate::state_directory::write_durably;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

/// What is to be written.
enum Work {
    Checkpoint(PathBuf, Vec<u8>),
    Breakers(Box<BreakerState>),
}

/// The thread, and what it has no time for yet: of each kind the newest.
pub struct DiskThread {
    work: SyncSender<Work>,
    written: Receiver<Vec<u8>>,
    thread: JoinHandle<()>,
    checkpoint: Option<(PathBuf, Vec<u8>)>,
    breakers: Option<BreakerState>,
}

impl DiskThread {
    /// Starts it; what the breakers remember goes into `file`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(file: BreakerFile) -> std::io::Result<Self> {
        // One that is being written, none that waits here: the newest counts.
        let (work, taken) = sync_channel(0);
        let (told, written) = channel();
        let thread = Builder::new().name("disk".to_string());
        Ok(Self {
            work,
            written,
            thread: thread.spawn(move || write_all(&taken, &told, &file))?,
            checkpoint: None,
            breakers: None,
        })
    }

    /// Keeps this one, and forgets an earlier one that was not begun.
    pub fn keep_breakers(&mut self, state: BreakerState) {
        self.breakers = Some(state);
    }

    /// Writes it when there is time.
    pub fn keep_checkpoint(&mut self, path: PathBuf, buffer: Vec<u8>) {
        self.checkpoint = Some((path, buffer));
    }

    /// The buffer of a checkpoint that was written, or could not be.
    #[must_use]
    pub fn written_checkpoint(&self) -> Option<Vec<u8>> {
        self.written.try_recv().ok()
    }

    /// Hands over what waits, if the thread has time for it. The breakers' memory first.
    pub fn pass_on(&mut self) {
        let work = match (self.breakers.take(), self.checkpoint.take()) {
            (Some(state), checkpoint) => {
                self.checkpoint = checkpoint;
                Work::Breakers(Box::new(state))
            }
            (None, Some((path, buffer))) => Work::Checkpoint(path, buffer),
            (None, None) => return,
        };
        match self.work.try_send(work) {
            Ok(()) => {}
            Err(TrySendError::Full(work) | TrySendError::Disconnected(work)) => match work {
                Work::Breakers(state) => self.breakers = Some(*state),
                Work::Checkpoint(path, buffer) => self.checkpoint = Some((path, buffer)),
            },
        }
    }

    /// Waits until what was begun is written: whoever writes the same files next finds them alone.
    pub fn finish(self) {
        drop(self.work);
        // Its panic ends the process before this.
        let _ = self.thread.join();
    }
}

fn write_all(taken: &Receiver<Work>, told: &Sender<Vec<u8>>, file: &BreakerFile) {
    while let Ok(work) = taken.recv() {
        match work {
            Work::Breakers(state) => {
                if let Err(error) = file.write(&state) {
                    tracing::error!(%error, "what the breakers remember is not kept");
                }
            }
            Work::Checkpoint(path, buffer) => {
                if let Err(error) = write_durably(&path, &buffer) {
                    tracing::warn!(%error, "checkpoint not written");
                }
                // Nobody listens when the process is ending.
                let _ = told.send(buffer);
            }
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
        let mut disk = DiskThread::start(breaker_file(&folder)).unwrap();
        disk.keep_checkpoint(folder.join("checkpoint-7.bin"), vec![7; 100]);
        disk.keep_breakers(BreakerState::default());
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
    }

    #[test]
    fn a_disk_that_hangs_keeps_nobody_and_the_newest_is_written_when_it_goes_on() {
        let folder = folder("disk-hangs");
        let pipe = folder.join("breakers-default-paper.tmp");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        let mut disk = DiskThread::start(breaker_file(&folder)).unwrap();
        disk.keep_breakers(BreakerState::default());
        until(&mut disk, |disk| disk.breakers.is_none());
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
        until(&mut disk, |disk| disk.breakers.is_none());
        disk.finish();
        let read = breaker_file(&folder).read().unwrap().unwrap();
        assert_eq!(read.memory.loss_streak, 1_000);
    }
}
