//! The box: configuration, ledger, processes and their builds, units.
//!
//! In: files of the box, control's own metrics. Out: checks. Never: a ledger that is written.

use super::Subject;
use super::host::Host;
use super::report::{Report, Verdict};
use crate::build_identity::{REVISION, VERSION};
use crate::client::{Client, Dialer, Endpoint, Question};
use crate::figure::FigureName;
use crate::ledger::SCHEMA_VERSION;
use hyper::Method;
use rusqlite::{Connection, OpenFlags};
use settings::{Ceilings, Settings, SettingsError};
use std::path::Path;
use std::time::Duration;

const CONFIGURATION: &str = "configuration";
const LEDGER: &str = "ledger";
const PROCESSES: &str = "processes";
const UNITS: &str = "units";

/// Where root bounds the limits of a machine.
const CEILINGS: &str = "/etc/fulcrum/ceilings.toml";
/// How long control is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The checked configuration; none where it cannot be used.
pub(super) fn configuration(subject: &Subject, report: &mut Report) -> Option<Settings> {
    let file = subject.config.display().to_string();
    let usual = Path::new(CEILINGS);
    let ceilings = match usual.exists() {
        true => Ceilings::read(usual),
        false => Ok(Ceilings::of_this_build()),
    };
    let checked = ceilings.and_then(|ceilings| match std::fs::read_to_string(&subject.config) {
        Ok(text) => Settings::catalogue(&file, &text, &ceilings),
        Err(source) => Err(SettingsError::Unreadable {
            file: file.clone(),
            source,
        }),
    });
    match checked {
        Err(error) => {
            report.fail(
                CONFIGURATION,
                "checked",
                error.to_string(),
                "`fulcrum config check` names every problem, `config init` writes a first file",
            );
            None
        }
        Ok((mut settings, keys)) => {
            if let Some(account) = &subject.account {
                settings.account.clone_from(account);
            }
            let written = keys.iter().filter(|key| key.is_written).count();
            report.pass(
                CONFIGURATION,
                "checked",
                format!(
                    "{file}: {} on account {}, {written} of {} keys written",
                    settings.mode.word(),
                    settings.account,
                    keys.len()
                ),
            );
            Some(settings)
        }
    }
}

/// Everything that needs no socket.
pub(super) fn check(
    subject: &Subject,
    settings: Option<&Settings>,
    host: &Host,
    report: &mut Report,
) {
    if let Some(settings) = settings {
        accepted(subject, settings, report);
    }
    ledger(&subject.state_dir, report);
    processes(host, report);
    units(host, report);
}

/// What the hot path was started with the last time, which it keeps in the account's state.
fn accepted(subject: &Subject, settings: &Settings, report: &mut Report) {
    let kept = subject.state_dir.join("accounts").join(&settings.account);
    let kept = std::fs::read(kept.join("fulcrum.toml"));
    let named = std::fs::read(&subject.config);
    match (kept, named) {
        (Ok(kept), Ok(named)) => report.warn_unless(
            kept == named,
            CONFIGURATION,
            "accepted",
            match kept == named {
                true => "the hot path's last start took this very file",
                false => "the hot path's last start took another one",
            },
            "what you see here is not in force: restart the hot path, or name its file with --config",
        ),
        _ => report.skip(CONFIGURATION, "accepted", "no start of the hot path has kept one yet"),
    }
}

fn ledger(state_dir: &Path, report: &mut Report) {
    let path = state_dir.join("ledger.sqlite");
    if !path.exists() {
        report.skip(LEDGER, "integrity", "there is none yet: control makes it");
        return;
    }
    let restore = "restore a backup; the journal in shared memory is taken in again from there";
    match read_ledger(&path) {
        Err(error) => report.fail(LEDGER, "integrity", error.to_string(), restore),
        Ok((quick, version)) => {
            report.fail_unless(
                quick == "ok",
                LEDGER,
                "integrity",
                format!("quick check: {quick}"),
                restore,
            );
            let ours = SCHEMA_VERSION.to_string();
            report.warn_unless(
                version == ours,
                LEDGER,
                "schema",
                format!("version {version}, this build writes {ours}"),
                "run the command line and control of one build",
            );
        }
    }
}

fn read_ledger(path: &Path) -> rusqlite::Result<(String, String)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    let quick = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    let select = "SELECT value FROM meta WHERE key = 'schema_version'";
    let version = connection.query_row(select, [], |row| row.get(0))?;
    Ok((quick, version))
}

fn processes(host: &Host, report: &mut Report) {
    for name in ["fulcrum-hotpath", "fulcrum-control"] {
        let running = host.running(name);
        match running.as_slice() {
            [] => report.warn(PROCESSES, name, "does not run", "start it, or its unit"),
            all => {
                let pids: Vec<String> = all.iter().map(|one| one.pid.to_string()).collect();
                let replaced = all.iter().any(|one| one.is_replaced);
                let found = format!("runs, process {}", pids.join(", "));
                report.warn_unless(
                    !replaced,
                    PROCESSES,
                    name,
                    match replaced {
                        true => format!("{found}, of a file that has been replaced since"),
                        false => found,
                    },
                    "restart it: it is not the build that is installed",
                );
            }
        }
    }
}

/// Builds of both processes, as control tells them.
pub(super) async fn builds(settings: &Settings, report: &mut Report) {
    let url = format!("http://{}", settings.control.metrics_listen);
    let text = match Endpoint::of_url(&url) {
        Err(_) => None,
        Ok(endpoint) => {
            let mut client = Client::new(Dialer::new(None, PATIENCE), endpoint);
            let question = Question {
                method: Method::GET,
                path: "/metrics",
                headers: &[("accept", "text/plain;version=0.0.4")],
                body: String::new(),
            };
            let answer = client.ask(&question, PATIENCE).await;
            answer
                .ok()
                .map(|one| String::from_utf8_lossy(&one.body).into_owned())
        }
    };
    match text {
        None => report.skip(PROCESSES, "builds", format!("no control answers at {url}")),
        Some(text) => judge_builds(&text, report),
    }
}

fn judge_builds(metrics: &str, report: &mut Report) {
    let lines = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("fulcrum_build_info"));
    let builds: Vec<(String, String)> = lines
        .filter_map(|line| {
            let labels = line.rsplit_once(' ').map_or(line, |(labels, _)| labels);
            let name = FigureName::parse(&format!("build_info{labels}"))?;
            let label = |key: &str| name.label(key).unwrap_or_default().to_string();
            Some((
                label("process"),
                format!("{} {}", label("version"), label("revision")),
            ))
        })
        .collect();
    let ours = format!("{VERSION} {REVISION}");
    let same = builds.iter().all(|(_, build)| *build == ours);
    let told: Vec<String> = builds
        .iter()
        .map(|(who, build)| format!("{who} {build}"))
        .collect();
    report.warn_unless(
        same && !builds.is_empty(),
        PROCESSES,
        "builds",
        match same {
            true => format!("{}, as this command line", told.join(", ")),
            false => format!("{}; this command line is {ours}", told.join(", ")),
        },
        "install one build of all, and restart what runs of another one",
    );
}

fn units(host: &Host, report: &mut Report) {
    if !host.exists("/run/systemd/system") {
        let todo = "nothing starts it again after a crash or a reboot";
        report.warn(UNITS, "systemd", "this machine is not run by systemd", todo);
        return;
    }
    let folders = [
        "/etc/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ];
    for (name, stem) in [
        ("hot path", "fulcrum-hotpath"),
        ("control", "fulcrum-control"),
    ] {
        let of_ours = |file: &String| file.starts_with(stem);
        let installed = folders
            .iter()
            .any(|folder| host.names(folder).iter().any(of_ours));
        let wanted = host.names("/etc/systemd/system").into_iter();
        let enabled = wanted
            .filter(|folder| folder.ends_with(".wants"))
            .any(|folder| {
                let path = format!("/etc/systemd/system/{folder}");
                host.names(&path).iter().any(of_ours)
            });
        let (verdict, found) = match (installed || enabled, enabled) {
            (true, true) => (Verdict::Pass, "installed and enabled"),
            (true, false) => (Verdict::Warn, "installed, not enabled"),
            (false, _) => (Verdict::Warn, "not installed"),
        };
        let todo =
            format!("systemctl enable --now {stem}: it comes back after a crash or a reboot");
        report.warn_unless(verdict == Verdict::Pass, UNITS, name, found, &todo);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(look: impl FnOnce(&mut Report)) -> Vec<(String, Verdict)> {
        let mut report = Report::default();
        look(&mut report);
        let checks = report.checks().iter();
        checks.map(|one| (one.name.clone(), one.verdict)).collect()
    }

    fn folder(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("fulcrum-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("temporary");
        path
    }

    #[test]
    fn builds_that_differ_are_told_apart() {
        let line = |process: &str, version: &str| {
            format!(
                "fulcrum_build_info{{process=\"{process}\",version=\"{version}\",revision=\"{REVISION}\"}} 1\n"
            )
        };
        let same = line("control", VERSION) + &line("hotpath", VERSION);
        let other = line("control", VERSION) + &line("hotpath", "0.0.1");
        for (text, wanted) in [
            (same.as_str(), Verdict::Pass),
            (other.as_str(), Verdict::Warn),
            ("", Verdict::Warn),
        ] {
            let verdicts = found(|report| judge_builds(text, report));
            assert_eq!(verdicts, [("builds".to_string(), wanted)], "{text}");
        }
    }

    #[test]
    fn a_ledger_that_is_broken_fails_and_one_of_another_build_is_warned_of() {
        let folder = folder("doctor-ledger");
        let path = folder.join("ledger.sqlite");
        let verdicts = || found(|report| ledger(&folder, report));
        assert_eq!(verdicts(), [("integrity".to_string(), Verdict::Skip)]);
        let connection = Connection::open(&path).expect("a database");
        let tables = format!(
            "CREATE TABLE meta (key TEXT, value TEXT);
             INSERT INTO meta VALUES ('schema_version', '{SCHEMA_VERSION}');"
        );
        connection.execute_batch(&tables).expect("a table");
        assert!(verdicts().iter().all(|(_, one)| *one == Verdict::Pass));
        connection
            .execute("UPDATE meta SET value = '1'", [])
            .expect("a row");
        assert_eq!(verdicts()[1], ("schema".to_string(), Verdict::Warn));
        drop(connection);
        std::fs::write(&path, [7_u8; 8_192]).expect("temporary");
        assert_eq!(verdicts(), [("integrity".to_string(), Verdict::Fail)]);
        std::fs::remove_dir_all(folder).expect("temporary");
    }

    #[test]
    fn units_and_processes_are_found_where_they_are() {
        let root = folder("doctor-units");
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("temporary");
            std::fs::write(path, text).expect("temporary");
        };
        let verdicts = || found(|report| units(&Host::at(&root), report));
        assert_eq!(verdicts(), [("systemd".to_string(), Verdict::Warn)]);
        write("run/systemd/system/x", "");
        assert!(verdicts().iter().all(|(_, one)| *one == Verdict::Warn));
        for name in ["fulcrum-hotpath@default.service", "fulcrum-control.service"] {
            write(
                &format!("etc/systemd/system/fulcrum.target.wants/{name}"),
                "",
            );
        }
        assert!(verdicts().iter().all(|(_, one)| *one == Verdict::Pass));
        let running = || found(|report| processes(&Host::at(&root), report));
        assert!(running().iter().all(|(_, one)| *one == Verdict::Warn));
        for (pid, name) in [("8", "fulcrum-hotpath"), ("9", "fulcrum-control")] {
            write(&format!("proc/{pid}/comm"), name);
        }
        assert!(running().iter().all(|(_, one)| *one == Verdict::Pass));
        std::os::unix::fs::symlink("/x/fulcrum-control (deleted)", root.join("proc/9/exe"))
            .expect("temporary");
        assert_eq!(running()[1].1, Verdict::Warn);
        std::fs::remove_dir_all(root).expect("temporary");
    }
}
