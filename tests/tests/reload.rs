//! Another configuration while the box trades: by API, command line, signal; refused, gone back on,
//! and found again by whoever died meanwhile.
//!
//! In: texts, signals, ends. Out: what the hot path shows, what the journal and the audit say. Never:
//! a word of control for the hot path's.

use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tests::rig::{Process, Rig};
use tests::{binary, wait_for};

/// Some thirty messages a second.
const LINES: &str = "[hot_path]\nengine_wait = \"yield\"\n\
    [[strategy]]\nkind = \"dummy\"\ninterval_ms = 100\nrest_ms = 60\ndistance_bps = 20\n\
    [risk]\nmax_order_notional_usdt = 4000\n";

const MOST_MS: i64 = 100;

fn rig(name: &str) -> Rig {
    let mut rig = Rig::new(name, "BTCUSDT", LINES);
    start(&mut rig);
    rig
}

fn start(rig: &mut Rig) {
    rig.start_control();
    rig.start_hot_path();
    wait_for("control's API", Duration::from_secs(30), || {
        rig.log("control.log").contains("control runs")
    });
    rig.wait_for_state("ACTIVE");
}

struct Admin<'a> {
    rig: &'a Rig,
    key: String,
    calls: std::cell::Cell<u32>,
}

impl<'a> Admin<'a> {
    fn of(rig: &'a Rig) -> Self {
        let name = format!("admin-{}", utc_ms());
        Self {
            rig,
            key: rig.api_key(&name, &["admin"]),
            calls: std::cell::Cell::new(0),
        }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.call_if(method, path, body, None)
    }

    fn call_if(&self, method: &str, path: &str, body: &Value, tag: Option<&str>) -> (u16, Value) {
        self.calls.set(self.calls.get() + 1);
        let once = self.calls.get().to_string();
        let bearer = format!("Bearer {}", self.key);
        let mut headers = vec![
            ("authorization", bearer.as_str()),
            ("idempotency-key", once.as_str()),
        ];
        headers.extend(tag.map(|tag| ("if-match", tag)));
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        self.rig.call(method, path, &headers, &body)
    }

    fn put(&self, text: &str) -> (u16, Value) {
        self.call("PUT", "/api/v1/config", &json!({ "text": text }))
    }

    fn confirmed(&self, text: &str) -> u64 {
        let (status, said) = self.put(text);
        assert_eq!(status, 200, "{said}");
        assert_eq!(said["hot_path"], "confirmed", "{said}");
        said["version"].as_u64().expect("a number")
    }
}

fn utc_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    i64::try_from(since.as_millis()).expect("a time of this era")
}

/// The configuration with another largest order.
fn text(rig: &Rig, most: &str) -> String {
    let text = std::fs::read_to_string(rig.configuration()).expect("we wrote it");
    let at = text.find("max_order_notional_usdt").expect("it is there");
    let end = text[at..].find('\n').expect("a line") + at;
    format!(
        "{}max_order_notional_usdt = {most}{}",
        &text[..at],
        &text[end..]
    )
}

/// How often a strategy did nothing because it is switched off.
fn passed_over(rig: &Rig) -> f64 {
    let name = "fulcrum_non_actions_total{reason=\"STRATEGY_DISABLED\"} ";
    rig.figure(name).unwrap_or(0.0)
}

/// What the hot path itself says: version, largest order.
fn shown(rig: &Rig) -> (u64, String) {
    let status = rig.ask(r#"{"verb":"status"}"#);
    let limits = rig.ask(r#"{"verb":"limits"}"#);
    let limits = limits["limits"].as_array().cloned().unwrap_or_default();
    let most = limits
        .iter()
        .find(|one| one["limit"] == "risk.max_order_notional_usdt");
    let most = most.map(|one| one["value"].as_str().unwrap_or_default().to_string());
    (
        status["config_version"].as_u64().unwrap_or(0),
        most.unwrap_or_default(),
    )
}

fn wait_for_version(rig: &Rig, version: u64, most: &str) {
    wait_for("the version", Duration::from_secs(30), || {
        shown(rig) == (version, most.to_string())
    });
}

/// Records of versions in the ledger: their text, and UTC in nanoseconds.
fn configured(rig: &Rig) -> Vec<(String, i64)> {
    let ledger = rusqlite::Connection::open_with_flags(
        rig.ledger(),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    );
    let ledger = ledger.expect("control made it");
    let mut rows = ledger
        .prepare("SELECT text, utc_ns FROM account_notes WHERE kind = 'CONFIGURED' ORDER BY generation, sequence")
        .expect("the table is there");
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story")]
fn a_limit_reloaded_under_load_is_in_force_at_once_whoever_asks_and_replays() {
    let mut rig = rig("reload-load");
    {
        let admin = Admin::of(&rig);
        assert_eq!(shown(&rig), (1, "4000".to_string()));
        let mut asked = Vec::new();
        for (index, most) in [
            "3000", "4000", "2000", "3500", "1500", "3600", "3700", "3800", "1",
        ]
        .into_iter()
        .enumerate()
        {
            let sent = rig.account()["orders"].as_u64().expect("a count");
            wait_for("it trades", Duration::from_secs(20), || {
                rig.account()["orders"].as_u64() > Some(sent + 2)
            });
            let begun = utc_ms();
            let version = admin.confirmed(&text(&rig, most));
            asked.push((version, begun));
            assert_eq!(version, index as u64 + 2);
            assert_eq!(shown(&rig), (version, most.to_string()));
        }
        in_time(&rig, &asked);
        // Every order is worth more than 1 USDT now.
        wait_for("a denial by the new limit", Duration::from_secs(20), || {
            let (_, denials) = admin.call("GET", "/api/v1/engine/denials?limit=1", &Value::Null);
            denials["rows"][0]["code"] == "NOTIONAL_EXCEEDS_MAXIMUM"
        });
        by_command_line(&rig, &admin);
        by_signal(&rig);
        let (status, said) = admin.call_if(
            "PUT",
            "/api/v1/config",
            &json!({ "text": text(&rig, "2") }),
            Some("\"1\""),
        );
        assert_eq!(status, 412, "{said}");
        let back = admin.call("POST", "/api/v1/config/rollback", &json!({ "version": 1 }));
        assert_eq!(
            (back.0, &back.1["hot_path"]),
            (200, &Value::from("confirmed")),
            "{back:?}"
        );
        assert_eq!(shown(&rig), (13, "4000".to_string()));
        let (_, audit) = admin.call("GET", "/api/v1/audit", &Value::Null);
        let acts: Vec<&str> = audit
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["act"].as_str())
            .collect();
        let count = |act: &str| acts.iter().filter(|one| **one == act).count();
        assert_eq!(
            (
                count("config_apply"),
                count("config_rollback"),
                count("config_reload")
            ),
            (13, 1, 1),
            "{acts:?}"
        );
    }
    let log = newest_log(&rig);
    assert_eq!(rig.terminate(Process::HotPath), Some(0));
    wait_for("control has all of it", Duration::from_secs(20), || {
        rig.log("control.log").contains("drained to its end")
    });
    assert_eq!(rig.terminate(Process::Control), Some(0));
    let replayed = Command::new(binary("fulcrum-hotpath"))
        .args(["replay", "--log"])
        .arg(log)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&replayed.stdout);
    assert!(
        replayed.status.success() && said.contains("page equal"),
        "{said}"
    );
}

/// From the request to the journal record, in the exchange's time, which is this machine's.
fn in_time(rig: &Rig, asked: &[(u64, i64)]) {
    wait_for("the records", Duration::from_secs(10), || {
        configured(rig).len() > asked.len()
    });
    let records = configured(rig);
    let mut took: Vec<i64> = asked
        .iter()
        .map(|(version, begun)| {
            let named = format!("version: {version},");
            let record = records.iter().find(|(text, _)| text.contains(&named));
            let (_, utc_ns) = record.unwrap_or_else(|| panic!("{version} in {records:?}"));
            utc_ns / 1_000_000 - begun
        })
        .collect();
    took.sort_unstable();
    println!("milliseconds from the request to the journal record: {took:?}");
    let middle = took[took.len() / 2];
    assert!((-5..MOST_MS).contains(&middle), "{took:?}");
}

fn by_command_line(rig: &Rig, admin: &Admin<'_>) {
    let file = rig.state_dir.join("other.toml");
    std::fs::write(&file, text(rig, "1234.5")).expect("a file under target");
    let name = file.display().to_string();
    let shown_first = rig.fulcrum(&["config", "apply", &name, "--dry-run"]);
    assert_eq!(
        shown_first.reply["changes"][0]["key"],
        "risk.max_order_notional_usdt"
    );
    assert_eq!(shown_first.reply["stored"], false);
    let said = rig.fulcrum(&["config", "apply", &name]);
    assert_eq!(
        (said.code, &said.reply["hot_path"]),
        (Some(0), &Value::from("confirmed")),
        "{said:?}"
    );
    let change = &said.reply["changes"][0];
    assert_eq!(
        (&change["new"], &change["effect"]),
        (&Value::from("1234.5"), &Value::from("at_once"))
    );
    assert_eq!(shown(rig), (11, "1234.5".to_string()));
    std::fs::write(&file, text(rig, "\"much\"")).expect("a file under target");
    let said = rig.fulcrum(&["config", "apply", &name]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(
        said.complaint.contains("risk.max_order_notional_usdt"),
        "{said:?}"
    );
    let (_, versions) = admin.call("GET", "/api/v1/config/versions", &Value::Null);
    assert_eq!(versions.as_array().map(Vec::len), Some(11), "{versions}");
}

fn by_signal(rig: &Rig) {
    rig.reconfigure(
        "max_order_notional_usdt = 4000",
        "max_order_notional_usdt = 3900",
    );
    rig.hang_up(Process::Control);
    wait_for_version(rig, 12, "3900");
    rig.reconfigure(
        "max_order_notional_usdt = 3900",
        "max_order_notional_usdt = 4000",
    );
}

fn newest_log(rig: &Rig) -> std::path::PathBuf {
    let folder = rig.state_dir.join("input-log");
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let newest = entries.map(|one| one.path()).max();
    newest.expect("a generation")
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story")]
fn what_passes_a_ceiling_is_refused_by_the_hot_path_and_nothing_changes() {
    let mut rig = Rig::new("reload-ceiling", "BTCUSDT", LINES);
    let ceilings = rig.state_dir.join("ceilings.toml");
    std::fs::write(ceilings, "[risk]\nmax_order_notional_usdt = 4500\n").expect("a file");
    start(&mut rig);
    {
        let admin = Admin::of(&rig);
        let before = shown(&rig);
        let (status, said) = admin.put(&text(&rig, "4501"));
        assert_eq!(
            (status, &said["code"]),
            (409, &Value::from("BAD_CONFIGURATION")),
            "{said}"
        );
        let detail = said["detail"].as_str().unwrap_or_default();
        assert!(
            detail.contains("risk.max_order_notional_usdt")
                && detail.contains("at most 4500, the ceiling of"),
            "{detail}"
        );
        assert_eq!(shown(&rig), before);
        let (_, versions) = admin.call("GET", "/api/v1/config/versions", &Value::Null);
        assert!(versions[0]["refused"].is_string(), "{versions}");
        assert_eq!(
            (&versions[0]["active"], &versions[1]["active"]),
            (&json!(false), &json!(true))
        );
        // Nobody on a network chooses the exchange, the account, or what has no ceiling.
        for (from, to, key) in [
            ("mode = \"paper\"", "mode = \"testnet\"", ""),
            ("account = \"rig\"", "account = \"other\"", "account"),
            (
                "[venue]\n",
                "[venue]\nrecv_window_ms = 999\n",
                "venue.recv_window_ms",
            ),
            (
                "[risk]\n",
                "[risk]\ndry_breakers = [\"DAILY_LOSS\"]\n",
                "risk.dry_breakers",
            ),
        ] {
            let whole = text(&rig, "4000");
            assert!(whole.contains(from), "{from}");
            let (status, said) = admin.put(&whole.replace(from, to));
            assert!([409, 422].contains(&status), "{to}: {said}");
            assert!(
                said["detail"].as_str().unwrap_or_default().contains(key),
                "{said}"
            );
        }
        assert_eq!(shown(&rig), before);
        assert_eq!(admin.confirmed(&text(&rig, "4500")), 3);
    }
    // What a network changed is there after a restart; what the file says once it is edited, too.
    assert_eq!(rig.terminate(Process::HotPath), Some(0));
    rig.start_hot_path();
    wait_for_version(&rig, 3, "4500");
    rig.reconfigure(
        "max_order_notional_usdt = 4000",
        "max_order_notional_usdt = 2222",
    );
    assert_eq!(rig.terminate(Process::HotPath), Some(0));
    rig.start_hot_path();
    wait_for_version(&rig, 4, "2222");
    wait_for("control to see it", Duration::from_secs(10), || {
        let said = rig.fulcrum(&["config", "history"]);
        said.reply[0]["version"] == 4 && said.reply[0]["active"] == true
    });
    rig.reconfigure(
        "max_order_notional_usdt = 2222",
        "max_order_notional_usdt = 4501",
    );
    assert_eq!(rig.terminate(Process::HotPath), Some(0));
    rig.launch(Process::HotPath);
    assert_eq!(rig.hot_path_ends(), Some(78));
    assert!(
        rig.log("hotpath.log")
            .contains("at most 4500, the ceiling of")
    );
}

/// The hot path is stopped while it is told, so that the answer never comes; then one of both dies.
#[test]
fn who_dies_between_storing_and_confirming_finds_the_version_at_the_next_start() {
    let mut rig = rig("reload-death");
    for (round, dies) in [Process::Control, Process::HotPath].into_iter().enumerate() {
        let (version, most) = (round as u64 + 2, ["3100", "3200"][round]);
        rig.freeze_hot_path();
        let key = rig.api_key(&format!("admin-{round}"), &["admin"]);
        let (url, body) = (
            format!("{}/api/v1/config", rig.api()),
            json!({ "text": text(&rig, most) }).to_string(),
        );
        let telling = std::thread::spawn(move || {
            let agent = ureq::Agent::config_builder()
                .http_status_as_error(false)
                .build()
                .new_agent();
            let put = agent
                .put(url)
                .header("authorization", format!("Bearer {key}"));
            // Whoever dies may leave it without an answer.
            let _ = put.header("idempotency-key", "once").send(body);
        });
        let note = rig.state_dir.join(format!("config/{version}.json"));
        wait_for("the version on the disk", Duration::from_secs(10), || {
            note.exists()
        });
        rig.kill(dies);
        match dies {
            Process::Control => {
                rig.thaw(Process::HotPath);
                telling.join().expect("it ends");
                rig.start_control();
            }
            Process::HotPath => {
                telling.join().expect("it ends");
                rig.start_hot_path();
            }
        }
        wait_for_version(&rig, version, most);
        wait_for("control", Duration::from_secs(20), || {
            let said = rig.fulcrum(&["config", "history"]);
            said.reply[0]["version"] == version && said.reply[0]["active"] == true
        });
    }
    // Without a hot path a version is stored, and holds from its next start on.
    rig.kill(Process::HotPath);
    let (status, said) = Admin::of(&rig).put(&text(&rig, "3300"));
    assert_eq!(
        (status, &said["hot_path"]),
        (200, &Value::from("next_start")),
        "{said}"
    );
    rig.start_hot_path();
    wait_for_version(&rig, 4, "3300");
}

#[test]
#[allow(clippy::too_many_lines, reason = "one story")]
fn a_strategy_is_switched_where_it_trades_and_stays_so() {
    let mut rig = rig("reload-strategies");
    let resting = |rig: &Rig| rig.account()["open_orders"].as_array().map_or(0, Vec::len);
    wait_for("an order of the strategy", Duration::from_secs(20), || {
        resting(&rig) > 0
    });
    {
        let admin = Admin::of(&rig);
        let path = "/api/v1/strategies/dummy/disable";
        let (status, said) = admin.call("POST", path, &Value::Null);
        assert_eq!(
            (status, &said["hot_path"]),
            (200, &Value::from("confirmed")),
            "{said}"
        );
        assert_eq!(said["changes"][0]["key"], "strategy[0].enabled");
        wait_for("its orders to go", Duration::from_secs(5), || {
            resting(&rig) == 0
        });
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(2) {
            assert_eq!(resting(&rig), 0);
        }
        assert_eq!(rig.status()["state"], "ACTIVE");
        let (_, all) = admin.call("GET", "/api/v1/strategies", &Value::Null);
        assert_eq!(
            (&all[0]["enabled"], &all[0]["instruments"][0]["enabled"]),
            (&json!(false), &json!(false)),
            "{all}"
        );
        for (path, body) in [
            ("/api/v1/strategies/grid/disable", Value::Null),
            (path, json!({ "symbol": "NOSUCHUSDT" })),
        ] {
            let (status, said) = admin.call("POST", path, &body);
            assert_eq!(
                (status, &said["code"]),
                (404, &Value::from("UNKNOWN_TARGET")),
                "{said}"
            );
        }
    }
    let before = passed_over(&rig);
    assert_eq!(rig.terminate(Process::HotPath), Some(0));
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
    wait_for("it was passed over again", Duration::from_secs(20), || {
        passed_over(&rig) > before + 50.0
    });
    assert_eq!(resting(&rig), 0, "off after a restart, too");
    let said = rig.fulcrum(&["strategies", "enable", "dummy"]);
    assert_eq!(
        (said.code, &said.reply["hot_path"]),
        (Some(0), &Value::from("confirmed")),
        "{said:?}"
    );
    wait_for("its orders again", Duration::from_secs(20), || {
        resting(&rig) > 0
    });
    let said = rig.fulcrum(&["strategies", "disable", "dummy", "BTCUSDT"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    wait_for("its orders to go", Duration::from_secs(5), || {
        resting(&rig) == 0
    });
    let all = rig.fulcrum(&["strategies"]).reply;
    assert_eq!(
        (&all[0]["enabled"], &all[0]["instruments"][0]["enabled"]),
        (&json!(true), &json!(false)),
        "{all}"
    );
}
