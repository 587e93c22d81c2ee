//! What is refused, with the reason and what to do, and changes nothing.
//!
//! In: limits above their ceilings, symbols that do not exist, verbs while KILLED, resets by
//! strangers, state of another mode, account or build. Out: exit 78 or a refusal, the state as it
//! was. Never: a refusal that has done half of it.

use engine::event::Command as Verb;
use ipc::{Segment, SegmentLayout, segment_path};
use market::Wire;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use tests::rig::{Process, Rig};
use tests::wait_for;

const LINES: &str = "[hot_path]\nengine_wait = \"yield\"\n\
                     [[strategy]]\nkind = \"dummy\"\ninterval_ms = 500\nrest_ms = 400\n";

const BAD_CONFIGURATION: Option<i32> = Some(78);

/// Starts a process that is to refuse; its exit code and its last words.
fn refusal(rig: &mut Rig, which: Process) -> (Option<i32>, String) {
    let log = rig.state_dir.join(match which {
        Process::HotPath => "hotpath.log",
        Process::Control => "control.log",
    });
    let _ = std::fs::remove_file(&log);
    rig.launch(which);
    wait_for("it refuses", Duration::from_secs(30), || {
        rig.ended(which).is_some()
    });
    let code = rig.reap(which).and_then(|status| status.code());
    (code, std::fs::read_to_string(&log).unwrap_or_default())
}

fn rewrite(rig: &Rig, change: impl Fn(String) -> String) -> String {
    let before = std::fs::read_to_string(rig.configuration()).expect("the configuration");
    let after = change(before.clone());
    assert_ne!(after, before);
    std::fs::write(rig.configuration(), after).expect("the configuration");
    before
}

/// What a start would have used up.
fn epoch(rig: &Rig) -> String {
    std::fs::read_to_string(rig.state_dir.join("epoch")).unwrap_or_default()
}

#[test]
fn a_limit_above_its_ceiling_and_an_unknown_symbol_stop_the_start() {
    let mut rig = Rig::new("refuse-configuration", "BTCUSDT", LINES);
    let cases: [(&str, &[&str]); 4] = [
        (
            "[risk]\nmax_order_notional_usdt = 20000000\n",
            &["max_order_notional_usdt", "20000000", "10000000"],
        ),
        (
            "[risk]\nmin_free_margin_ratio = 0.001\n",
            &["min_free_margin_ratio", "0.001"],
        ),
        (
            "[[instrument]]\nmarket = \"usdm\"\nsymbol = \"NOSUCHUSDT\"\n",
            &["NOSUCHUSDT"],
        ),
        (
            "[[strategy]]\nkind = \"imbalance\"\nsymbols = [\"NOSUCHUSDT\"]\n",
            &["symbols", "NOSUCHUSDT"],
        ),
    ];
    for (lines, parts) in cases {
        let right = rewrite(&rig, |text| format!("{text}\n{lines}"));
        let (code, said) = refusal(&mut rig, Process::HotPath);
        assert_eq!(code, BAD_CONFIGURATION, "{lines}: {said}");
        for part in parts {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert_eq!(epoch(&rig), "", "{lines}: no start, no epoch");
        std::fs::write(rig.configuration(), right).expect("the configuration");
    }
    // Root's file bounds what the configuration may say.
    rewrite(&rig, |text| {
        format!("{text}\n[risk]\nmax_order_notional_usdt = 5000\n")
    });
    let ceilings = rig.state_dir.join("ceilings.toml");
    std::fs::write(&ceilings, "[risk]\nmax_order_notional_usdt = 1000\n").expect("a file");
    let output = rig
        .process("fulcrum-hotpath")
        .arg("--ceilings")
        .arg(&ceilings)
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), BAD_CONFIGURATION, "{said}");
    for part in ["max_order_notional_usdt", "5000", "1000", "ceilings.toml"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(rig.account()["orders"], 0);
}

/// What a refused verb must leave as it is.
fn standing(rig: &Rig) -> (Value, Value, Value, String) {
    let status = rig.status();
    let latch = std::fs::read_to_string(rig.latch_file()).unwrap_or_default();
    let kill = &status["kill"];
    (
        status["state"].clone(),
        kill["latched"].clone(),
        kill["since_utc_ms"].clone(),
        latch,
    )
}

#[test]
fn while_killed_verbs_and_resets_of_strangers_change_nothing() {
    let mut rig = Rig::new("refuse-killed", "BTCUSDT", LINES);
    let lines = operator_key(&rig, "operator.pem");
    rewrite(&rig, |text| format!("{text}\n{lines}"));
    let _ = operator_key(&rig, "stranger.pem");
    rig.start_control();
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
    assert_eq!(rig.fulcrum(&["kill", "--reason", "a test"]).code, Some(0));
    let killed = standing(&rig);
    assert_eq!(killed.0, "KILLED");
    for verb in ["start", "pause", "resume", "rearm", "flatten", "stop"] {
        let said = rig.fulcrum(&[verb]);
        assert_eq!(said.reply["code"], "KILL_LATCHED", "{verb}: {said:?}");
        assert!(said.complaint.contains("fulcrum reset"), "{said:?}");
    }
    let stranger = rig.state_dir.join("stranger.pem").display().to_string();
    let said = rig.fulcrum(&["reset", "--operator-key", &stranger]);
    assert_eq!(said.reply["code"], "BAD_SIGNATURE", "{said:?}");
    let said = rig.fulcrum(&["drill", "--operator-key", &stranger]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let zeros = "0".repeat(128);
    let made_up = json!({"verb": "reset", "nonce": "00", "signature": zeros});
    assert_eq!(rig.ask(&made_up.to_string())["code"], "BAD_NONCE");
    a_reset_in_the_command_ring_is_damage(&mut rig);
    no_route_of_the_network_resets(&mut rig);
    assert_eq!(standing(&rig), killed);
    rig.kill(Process::HotPath);
    rig.start_hot_path();
    assert_eq!(standing(&rig), killed, "after a restart");
}

/// Whoever writes into control's ring may be reached from a network.
fn a_reset_in_the_command_ring_is_damage(rig: &mut Rig) {
    let counted = || rig.counters().get("damaged_inputs_total");
    let before = counted();
    let generation = rig.counters().generation;
    // Control holds this side while it lives.
    let path = segment_path(&rig.run_dir(), generation);
    rig.kill(Process::Control);
    let segment = Segment::open(&path).expect("our own segment");
    let mut ring = segment.command_producer().expect("nobody else has it");
    let mut bytes = [0; 16];
    for verb in [Verb::Reset, Verb::Start, Verb::Resume] {
        let length = verb.to_bytes(&mut bytes).expect("a verb is short");
        ring.try_push(0, &bytes[..length]).expect("an empty ring");
    }
    wait_for("the reset is refused", Duration::from_secs(10), || {
        rig.counters().get("damaged_inputs_total") == before + 1
    });
    drop((ring, segment));
    rig.start_control();
}

fn no_route_of_the_network_resets(rig: &mut Rig) {
    let text = std::fs::read_to_string(rig.configuration()).expect("the configuration");
    let listens = text
        .lines()
        .filter_map(|line| line.split_once("_listen = "));
    let addresses: Vec<String> = listens
        .map(|(_, address)| address.trim_matches('"').to_string())
        .collect();
    assert_eq!(addresses.len(), 2, "{text}");
    wait_for("control answers", Duration::from_secs(30), || {
        let live = format!("http://{}/health/live", addresses[1]);
        ureq::get(live).call().is_ok()
    });
    for address in &addresses {
        for path in ["reset", "kill/reset", "engine/reset"] {
            let answer = ureq::post(format!("http://{address}/api/v1/{path}")).send_empty();
            let refused = matches!(answer, Err(ureq::Error::StatusCode(404 | 405)));
            assert!(refused, "{address} {path}: {answer:?}");
        }
    }
}

fn operator_key(rig: &Rig, name: &str) -> String {
    let path = rig.state_dir.join(name).display().to_string();
    let output = rig
        .process("fulcrum")
        .args(["operator-key", "--out", &path])
        .output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// A rig whose state has been used by a paper account, with nothing running.
fn used(name: &str) -> Rig {
    let mut rig = Rig::new(name, "BTCUSDT", LINES);
    rig.start_control();
    rig.start_hot_path();
    wait_for("a ledger with records", Duration::from_secs(30), || {
        records(&rig).is_some_and(|count| count > 5)
    });
    rig.kill_both();
    rig
}

fn ledger(rig: &Rig) -> rusqlite::Result<rusqlite::Connection> {
    rusqlite::Connection::open(rig.ledger())
}

fn records(rig: &Rig) -> Option<i64> {
    let sql = "SELECT sum(records) FROM generations";
    ledger(rig).ok()?.query_row(sql, [], |row| row.get(0)).ok()
}

fn with_mode(text: &str, mode: &str) -> String {
    let venue = text.lines().filter(|line| !line.starts_with("usdm_"));
    let text: Vec<&str> = venue.collect();
    let live = format!("mode = \"{mode}\"\nlive_account = \"rig\"");
    text.join("\n").replace("mode = \"paper\"", &live)
}

#[test]
fn state_and_ledger_of_paper_are_refused_live_and_by_another_account() {
    let mut rig = used("refuse-mode");
    let (before, epochs) = (records(&rig), epoch(&rig));
    for mode in ["live", "testnet"] {
        let right = rewrite(&rig, |text| with_mode(&text, mode));
        for which in [Process::HotPath, Process::Control] {
            let (code, said) = refusal(&mut rig, which);
            assert_eq!(code, BAD_CONFIGURATION, "{mode} {which:?}: {said}");
            for part in ["paper", mode, "--state-dir"] {
                assert!(said.contains(part), "{part} in {said}");
            }
        }
        std::fs::write(rig.configuration(), right).expect("the configuration");
    }
    let right = rewrite(&rig, |text| {
        text.replace("account = \"rig\"", "account = \"other\"")
    });
    let (code, said) = refusal(&mut rig, Process::Control);
    assert_eq!(code, BAD_CONFIGURATION, "{said}");
    for part in ["account rig", "account other", "--state-dir"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    std::fs::write(rig.configuration(), right).expect("the configuration");
    assert_eq!((records(&rig), epoch(&rig)), (before, epochs));
    // Whose it is, goes on.
    rig.start_control();
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
}

#[test]
fn a_ledger_of_a_later_version_is_refused_and_left_alone() {
    let mut rig = used("refuse-ledger");
    let before = records(&rig);
    let version = |rig: &Rig, value: &str| {
        let sql = "UPDATE meta SET value = ?1 WHERE key = 'min_reader_version'";
        let changed = ledger(rig).and_then(|ledger| ledger.execute(sql, [value]));
        assert_eq!(changed, Ok(1));
    };
    version(&rig, "99");
    let (code, said) = refusal(&mut rig, Process::Control);
    assert_eq!(code, BAD_CONFIGURATION, "{said}");
    for part in ["99", "use that build"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(records(&rig), before);
    version(&rig, "1");
    rig.start_control();
    rig.start_hot_path();
    wait_for("it is written again", Duration::from_secs(30), || {
        records(&rig) > before
    });
}

#[test]
fn a_journal_of_another_account_or_build_is_refused_by_both_processes() {
    let mut rig = used("refuse-journal");
    let epochs = epoch(&rig);
    let place = segment_path(&rig.run_dir(), 900);
    let journal = |identity: &str| {
        let layout = SegmentLayout {
            identity: identity.to_string(),
            ..SegmentLayout::default()
        };
        drop(Segment::create(&place, &layout, 1, 1, 900).expect("a segment"));
    };
    journal("paper binance other");
    let parts = ["paper binance other", "paper binance rig", "--state-dir"];
    both_refuse(&mut rig, &place, &parts);
    std::fs::remove_file(&place).expect("our own file");
    journal("paper binance rig");
    let mut bytes = std::fs::read(&place).expect("our own file");
    // The second word says which memory layout the file has.
    bytes[8] ^= 1;
    std::fs::write(&place, &bytes).expect("our own file");
    let parts = [
        "another memory layout",
        "drain it with the build that made it",
    ];
    both_refuse(&mut rig, &place, &parts);
    assert_eq!(std::fs::read(&place).expect("it is still there"), bytes);
    assert_eq!(epoch(&rig), epochs);
    std::fs::remove_file(&place).expect("our own file");
    rig.start_control();
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
}

fn both_refuse(rig: &mut Rig, place: &Path, parts: &[&str]) {
    for which in [Process::HotPath, Process::Control] {
        let (code, said) = refusal(rig, which);
        assert_eq!(code, BAD_CONFIGURATION, "{which:?}: {said}");
        let name = place.display().to_string();
        for part in parts.iter().chain([&name.as_str()]) {
            assert!(said.contains(part), "{which:?}: {part} in {said}");
        }
    }
}
