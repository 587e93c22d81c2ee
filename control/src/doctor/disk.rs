//! Where state lives: room, rights, and how long a write takes to be safe.
//!
//! In: the state directory. Out: checks. Never: a file of the box that is touched.

use super::report::Report;
use crate::table::columns::duration;
use settings::Settings;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

const DISK: &str = "disk";
/// Free bytes that are warned of, and that are too few.
const FREE_WARN: u64 = 2 << 30;
const FREE_MIN: u64 = 200 << 20;
/// Writes that are timed, and what half of them may take.
const WRITES: usize = 16;
const WRITE_WARN: Duration = Duration::from_millis(10);
const WRITE_MAX: Duration = Duration::from_millis(200);
/// As long as a record of the ledger with its page.
const WRITE_BYTES: usize = 4_096;

/// Looks at the state directory.
pub(super) fn check(state_dir: &Path, settings: Option<&Settings>, report: &mut Report) {
    let place = state_dir.display();
    let Ok(facts) = std::fs::metadata(state_dir) else {
        report.fail(
            DISK,
            "state directory",
            format!("{place} is not there"),
            "name it with --state-dir, or start the hot path, which makes it",
        );
        return;
    };
    let mode = facts.mode() & 0o777;
    report.fail_unless(
        facts.is_dir() && mode & 0o002 == 0,
        DISK,
        "state directory",
        format!("{place}, mode {mode:03o}, owner {}", facts.uid()),
        "chmod o-w: nobody else may change a ledger, a latch or a key",
    );
    match rustix::fs::statvfs(state_dir) {
        Err(error) => report.fail(
            DISK,
            "free",
            error.to_string(),
            "see what holds the file system",
        ),
        Ok(facts) => free(facts.f_bavail.saturating_mul(facts.f_frsize), report),
    }
    timed(state_dir, report);
    if let Some(settings) = settings {
        secrets(settings, report);
    }
}

fn free(bytes: u64, report: &mut Report) {
    let found = format!(
        "{}.{} GiB",
        bytes >> 30,
        ((bytes >> 20) % 1_024) * 10 / 1_024
    );
    let todo = "make room: without it the journal fills and the box is REDUCING";
    match bytes {
        FREE_WARN.. => report.pass(DISK, "free", found),
        FREE_MIN..FREE_WARN => report.warn(DISK, "free", found, todo),
        _ => report.fail(DISK, "free", found, todo),
    }
}

fn timed(state_dir: &Path, report: &mut Report) {
    let times = match writes(state_dir) {
        Ok(times) => times,
        Err(error) => {
            report.fail(
                DISK,
                "write",
                error.to_string(),
                "run it as the user of the box; a directory that cannot be written keeps no ledger",
            );
            return;
        }
    };
    let (half, worst) = (times[times.len() / 2], times[times.len() - 1]);
    let text = |time: Duration| duration(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    let found = format!(
        "4 KiB are safe after {} (worst of {WRITES}: {})",
        text(half),
        text(worst)
    );
    let todo =
        "a slow disk delays the ledger and the kill latch's file, not orders: take a local NVMe";
    match half {
        half if half < WRITE_WARN => report.pass(DISK, "write", found),
        half if half < WRITE_MAX => report.warn(DISK, "write", found, todo),
        _ => report.fail(DISK, "write", found, todo),
    }
}

/// Times of writes with fsync, in order.
fn writes(state_dir: &Path) -> std::io::Result<Vec<Duration>> {
    let path = state_dir.join(format!(".doctor-{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    let page = [0_u8; WRITE_BYTES];
    let timed = (0..WRITES).map(|_| {
        let begun = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        Ok(begun.elapsed())
    });
    let times: std::io::Result<Vec<Duration>> = timed.collect();
    std::fs::remove_file(&path)?;
    let mut times = times?;
    times.sort_unstable();
    Ok(times)
}

fn secrets(settings: &Settings, report: &mut Report) {
    let venue = &settings.venue;
    for (name, file) in [
        ("API key's file", &venue.api_key_file),
        ("secret's file", &venue.api_secret_file),
    ] {
        let Some(file) = file else { continue };
        match std::fs::metadata(file) {
            Err(error) => report.fail(
                DISK,
                name,
                format!("{}: {error}", file.display()),
                "write it, or name another one in [venue]; run the doctor as who may read it",
            ),
            Ok(facts) => {
                let mode = facts.mode() & 0o777;
                report.fail_unless(
                    mode & 0o077 == 0,
                    DISK,
                    name,
                    format!("{}, mode {mode:03o}", file.display()),
                    "chmod 600: others may read it",
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn verdict(report: &Report, name: &str) -> Option<Verdict> {
        let found = report.checks().iter().find(|one| one.name == name);
        found.map(|one| one.verdict)
    }

    #[test]
    fn a_directory_that_others_may_write_fails_and_nothing_is_left_in_it() {
        let folder = std::env::temp_dir().join(format!("fulcrum-disk-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("temporary");
        let look = |mode: u32| {
            let rights = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&folder, rights).expect("our own");
            let mut report = Report::default();
            check(&folder, None, &mut report);
            report
        };
        assert_eq!(
            verdict(&look(0o700), "state directory"),
            Some(Verdict::Pass)
        );
        assert_eq!(
            verdict(&look(0o777), "state directory"),
            Some(Verdict::Fail)
        );
        assert_ne!(verdict(&look(0o700), "write"), None);
        assert_eq!(std::fs::read_dir(&folder).expect("it is there").count(), 0);
        std::fs::remove_dir_all(&folder).expect("temporary");
        let mut report = Report::default();
        check(&folder, None, &mut report);
        assert_eq!(verdict(&report, "state directory"), Some(Verdict::Fail));
    }

    #[test]
    fn room_is_judged_by_what_is_left() {
        for (bytes, wanted) in [
            (100 << 30, Verdict::Pass),
            (1 << 30, Verdict::Warn),
            (1 << 20, Verdict::Fail),
        ] {
            let mut report = Report::default();
            free(bytes, &mut report);
            assert_eq!(verdict(&report, "free"), Some(wanted), "{bytes}");
        }
    }
}
