//! Child processes: run to the end, or keep and stop by pid.
//!
//! In: a program and its arguments. Out: success, or a failure that names the command. Never: a
//! process that outlives its handle.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Why a development command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A program could not be started.
    #[error("cannot start `{command}`: {source}")]
    Start {
        /// The command line.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// A program ended with a failure.
    #[error("`{command}` ended with {status}")]
    Status {
        /// The command line.
        command: String,
        /// How.
        status: ExitStatus,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Anything else, as a sentence for the person at the terminal.
    #[error("{0}")]
    Said(String),
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("xtask lies in the repository")
        .to_path_buf()
}

/// The cargo that runs us, called as anybody calls it: some build scripts look at which package
/// called it, and everything behind them would be built anew when the caller changes.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Where cargo puts binaries of `profile`.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs to the end; a failing status is a [`Failure`].
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let line = line_of(command);
    let status = command.status().map_err(|source| Failure::Start {
        command: line.clone(),
        source,
    })?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::Status {
            command: line,
            status,
        })
    }
}

/// Runs to the end and returns what it printed on stdout, trimmed.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let line = line_of(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| Failure::Start {
            command: line.clone(),
            source,
        })?;
    if !output.status.success() {
        return Err(Failure::Status {
            command: line,
            status: output.status,
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// True when `program` is on the path.
pub(crate) fn exists(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// The command as a person would type it.
pub(crate) fn line_of(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    words.join(" ")
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|source| Failure::File {
        path: path.into(),
        source,
    })
}

/// Writes a text file.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|source| Failure::File {
        path: path.into(),
        source,
    })
}

/// A child that is stopped when its handle goes away.
#[derive(Debug)]
pub(crate) struct Running {
    /// Name in messages.
    pub(crate) name: &'static str,
    /// The process.
    pub(crate) child: Child,
}

impl Running {
    /// Starts `command`.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self, Failure> {
        let line = line_of(command);
        let child = command.spawn().map_err(|source| Failure::Start {
            command: line,
            source,
        })?;
        Ok(Self { name, child })
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Asks it to stop and waits; kills it after `patience`.
    pub(crate) fn stop(&mut self, patience: Duration) -> Result<(), Failure> {
        if self.ended().is_none() {
            self.signal(rustix::process::Signal::TERM);
        }
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended() {
                let command = self.name.to_string();
                return if status.success() {
                    Ok(())
                } else {
                    Err(Failure::Status { command, status })
                };
            }
            if Instant::now() > deadline {
                self.signal(rustix::process::Signal::KILL);
                let _ = self.child.wait();
                return Err(Failure::Said(format!(
                    "{} did not stop within {} s and was killed",
                    self.name,
                    patience.as_secs()
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: rustix::process::Signal) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id() as i32) {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
