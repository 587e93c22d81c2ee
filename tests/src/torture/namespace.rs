//! A file system of our own for the state: in memory, so that a neighbour who keeps the disk busy is
//! no part of the measurement; or small, so that it can be filled.
//!
//! In: where it is to be, a command line of this binary. Out: the command that runs it in a user and
//! mount namespace. Never: a mount that anybody else sees, or that outlives the process.

use std::path::Path;
use std::process::{Command, Stdio};

/// Set where the state lies in memory.
const IN_MEMORY: &str = "FULCRUM_TORTURE_IN_MEMORY";

/// Set where the state lies on a small disk.
const SMALL_DISK: &str = "FULCRUM_TORTURE_SMALL_DISK";

/// Two rounds at once, each with the shared memory of three starts.
const MEMORY: &str = "1g";

/// Room for the shared memory of three starts and a ledger.
const SMALL: &str = "160m";

/// True where the state lies in memory.
#[must_use]
pub fn is_in_memory() -> bool {
    std::env::var_os(IN_MEMORY).is_some() && !is_on_small_disk()
}

/// True where the state lies on a small disk already.
#[must_use]
pub fn is_on_small_disk() -> bool {
    std::env::var_os(SMALL_DISK).is_some()
}

/// This binary with `arguments`, with `folder` in memory.
#[must_use]
pub fn in_memory(folder: &Path, arguments: &[String]) -> Command {
    let mut command = mounted(folder, MEMORY);
    command.args(arguments).env(IN_MEMORY, folder);
    command
}

/// This binary with `arguments`, with `folder` a small disk.
#[must_use]
pub fn on_small_disk(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = mounted(folder, SMALL);
    command.args(arguments).env(SMALL_DISK, folder);
    command
}

fn mounted(folder: &Path, size: &str) -> Command {
    std::fs::create_dir_all(folder).expect("a folder under target");
    let script = format!("mount -t tmpfs -o size={size} torture \"$0\" && exec \"$@\"");
    let mut command = Command::new("unshare");
    command
        .args(["-Urm", "sh", "-c", &script])
        .arg(folder)
        .arg(std::env::current_exe().expect("this process has a file"))
        .stdin(Stdio::null());
    command
}

/// Whether this machine lets us.
///
/// # Errors
/// Why not.
pub fn can_mount() -> Result<(), String> {
    let mut command = Command::new("unshare");
    command.args(["-Urm", "mount", "-t", "tmpfs", "torture", "/mnt"]);
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("no user and mount namespace here: {}", said.trim()))
        }
        Err(error) => Err(format!("no `unshare` here: {error}")),
    }
}
