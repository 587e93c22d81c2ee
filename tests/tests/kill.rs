//! Kill and the operator's verbs, on real processes and sockets.
//!
//! In: an exchange that is slow, processes that are killed, a disk that hangs. Out: an account that
//! is flat by the exchange's own word, a latch that stays. Never: a look inside.

use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tests::rig::{Process, Rig};
use tests::wait_for;

/// Both ways of the bytes, on a core that others need too.
const INLINE: &str = "[hot_path]\nhot_io = \"inline\"\nengine_wait = \"yield\"\n";
const THREADS: &str = "[hot_path]\nhot_io = \"threads\"\nengine_wait = \"yield\"\n";

/// Own orders that come and go.
const DUMMY: &str = "[[strategy]]\nkind = \"dummy\"\ninterval_ms = 2000\nrest_ms = 1900\n";

/// The promise of the safety catalogue.
const END_TO_END: Duration = Duration::from_secs(5);

fn count(account: &Value, list: &str) -> usize {
    account[list].as_array().map_or(0, Vec::len)
}

fn positions(account: &Value) -> Vec<(String, i64)> {
    let all = account["positions"].as_array().expect("positions");
    let held = all.iter().filter(|one| one["quantity_lots"] != 0);
    held.map(|one| {
        let lots = one["quantity_lots"].as_i64().expect("lots");
        (one["symbol"].as_str().expect("a symbol").to_string(), lots)
    })
    .collect()
}

/// Ten orders, two stops and two positions, half of them on a symbol that we do not trade.
fn fill_account(rig: &Rig) {
    // Stops first: the exchange takes one a direction, and a living hot path is quick with its own.
    rig.place_stop("BTCUSDT", "20000.0", "other-stop-1");
    rig.place_stop("ETHUSDT", "1000.00", "other-stop-2");
    rig.buy("BTCUSDT", "0.014", "other-1");
    rig.buy("ETHUSDT", "0.300", "other-2");
    for number in 0..5 {
        rig.place_resting(
            "BTCUSDT",
            "60000.0",
            "0.002",
            &format!("other-btc-{number}"),
        );
        rig.place_resting(
            "ETHUSDT",
            "2500.00",
            "0.020",
            &format!("other-eth-{number}"),
        );
    }
    let account = rig.account();
    assert!(count(&account, "open_orders") >= 10, "{account:#}");
    assert_eq!(count(&account, "algo_orders"), 2, "{account:#}");
    assert_eq!(positions(&account).len(), 2, "{account:#}");
}

fn assert_gone(account: &Value) {
    assert_eq!(count(account, "open_orders"), 0, "{account:#}");
    assert_eq!(count(account, "algo_orders"), 0, "{account:#}");
    assert_eq!(positions(account), [], "{account:#}");
}

#[test]
fn a_kill_against_a_slow_exchange_is_flat_and_verified_in_under_five_seconds() {
    for (name, io) in [("kill-slow-inline", INLINE), ("kill-slow-threads", THREADS)] {
        let mut rig = Rig::new(name, "BTCUSDT,ETHUSDT", &format!("{io}{DUMMY}"));
        rig.start_hot_path();
        wait_for("own orders", Duration::from_secs(20), || {
            rig.status()["orders_open"] == 1
        });
        fill_account(&rig);
        rig.inject("reply-delay:500");
        let begun = Instant::now();
        let said = rig.fulcrum(&["kill", "--reason", "a test"]);
        let took = begun.elapsed();
        assert_gone(&rig.account());
        assert_eq!(said.code, Some(0), "{said:?}");
        let kill = &said.reply;
        assert_eq!(
            (&kill["verified"], &kill["durable"]),
            (&true.into(), &true.into()),
            "{kill:#}"
        );
        println!("{name}: {took:?}: {}", kill["sweeps"]);
        assert!(took < END_TO_END, "{took:?}: {kill:#}");
        let status = rig.status();
        assert_eq!(
            (&status["state"], &status["orders_open"]),
            (&"KILLED".into(), &0.into())
        );
    }
}

#[test]
fn flatten_does_the_same_with_both_processes_dead() {
    let lines = format!("{INLINE}{DUMMY}");
    let mut rig = Rig::new("flatten-slow", "BTCUSDT,ETHUSDT", &lines);
    rig.start_hot_path();
    rig.start_control();
    wait_for("own orders", Duration::from_secs(20), || {
        rig.status()["orders_open"] == 1
    });
    fill_account(&rig);
    rig.kill_both();
    rig.inject("reply-delay:500");
    let begun = Instant::now();
    let said = rig.flatten(&["--reason", "a test"]);
    let took = begun.elapsed();
    assert_gone(&rig.account());
    assert_eq!(said.code, Some(0), "{said:?}");
    let report = &said.reply;
    println!(
        "flatten: {took:?}, {} ms by its own clock",
        report["took_ms"]
    );
    assert!(took < END_TO_END, "{took:?}: {report:#}");
    for fact in ["verified", "durable", "locked"] {
        assert_eq!(report[fact], true, "{fact}: {report:#}");
    }
    assert_eq!(report["latched_segments"], 1, "{report:#}");
    // What comes up afterwards is KILLED, by the segment and by the file.
    rig.start_hot_path();
    assert_eq!(rig.status()["state"], "KILLED");
    rig.kill_both();
    std::fs::remove_dir_all(rig.state_dir.join("run")).expect("shared memory of a host");
    rig.start_hot_path();
    assert_eq!(rig.status()["state"], "KILLED");
}

#[test]
fn flatten_acts_by_what_the_last_start_took_where_the_configuration_is_broken_since() {
    let mut rig = Rig::new("flatten-typo", "BTCUSDT,ETHUSDT", INLINE);
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
    fill_account(&rig);
    rig.kill_both();
    let text = std::fs::read_to_string(rig.configuration()).expect("the configuration");
    let broken = text.replacen('=', "= =", 1);
    std::fs::write(rig.configuration(), broken).expect("the configuration");
    let said = rig.flatten(&[]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.reply["verified"], true, "{said:?}");
    assert!(
        said.complaint.contains("what the last start took"),
        "{said:?}"
    );
    assert_gone(&rig.account());
    // Without a copy either, the message is about the configuration, and nothing was done.
    std::fs::remove_dir_all(rig.state_dir.join("accounts")).expect("the account's state");
    let said = rig.flatten(&[]);
    assert_eq!(said.code, Some(78), "{said:?}");
}

#[test]
fn flatten_beside_a_living_hot_path_latches_it_and_beside_a_frozen_one_acts_if_told() {
    let mut rig = Rig::new(
        "flatten-beside",
        "BTCUSDT,ETHUSDT",
        &format!("{INLINE}{DUMMY}"),
    );
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
    fill_account(&rig);
    let said = rig.flatten(&[]);
    assert_eq!(said.code, Some(75), "{said:?}");
    assert!(
        said.complaint.contains("one fulcrum-hotpath an account"),
        "{said:?}"
    );
    wait_for("the living one kills by itself", END_TO_END, || {
        rig.status()["kill"]["verified"] == true
    });
    assert_gone(&rig.account());
    assert!(rig.latch_file().exists());
    rig.freeze_hot_path();
    fill_account(&rig);
    let said = rig.flatten(&["--without-lock"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.reply["locked"], false, "{said:?}");
    assert_gone(&rig.account());
}

#[test]
fn the_latch_survives_kill_9_and_nothing_but_a_signed_reset_clears_it() {
    let mut rig = Rig::new("kill-latch", "BTCUSDT", &format!("{INLINE}{DUMMY}"));
    let key_file = rig.state_dir.join("operator.pem");
    let stranger = rig.state_dir.join("stranger.pem");
    let line = operator_key(&key_file);
    operator_key(&stranger);
    let text = std::fs::read_to_string(rig.configuration()).expect("the configuration");
    std::fs::write(rig.configuration(), format!("{text}\n{line}")).expect("the configuration");
    let reset = |rig: &Rig, key: &Path| {
        rig.fulcrum(&["reset", "--operator-key", &key.display().to_string()])
    };
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
    assert_eq!(reset(&rig, &key_file).reply["code"], "NOT_KILLED");
    assert_eq!(rig.fulcrum(&["kill"]).code, Some(0));
    assert!(rig.latch_file().exists());
    rig.kill_both();
    rig.start_hot_path();
    for verb in ["start", "resume", "rearm", "pause", "flatten", "stop"] {
        let said = rig.fulcrum(&[verb]);
        assert_eq!(said.code, Some(1), "{verb}: {said:?}");
        assert_eq!(said.reply["code"], "KILL_LATCHED", "{verb}: {said:?}");
    }
    assert_eq!(
        rig.fulcrum(&["kill"]).code,
        Some(0),
        "a kill is never refused"
    );
    assert_eq!(reset(&rig, &stranger).reply["code"], "BAD_SIGNATURE");
    // An order of somebody else is swept soon; until then it keeps the latch shut.
    rig.place_resting("BTCUSDT", "60000.0", "0.002", "late-1");
    assert_eq!(reset(&rig, &key_file).reply["code"], "ORDERS_OPEN");
    assert_eq!(rig.status()["state"], "KILLED");
    assert_eq!(rig.fulcrum(&["kill"]).code, Some(0));
    // While an order of the life before is of unknown fate, it is swept again and again.
    wait_for("the reset is taken", Duration::from_secs(15), || {
        let said = reset(&rig, &key_file);
        let open = said.reply["code"] == "ORDERS_OPEN";
        let taken = (said.code, &said.reply["reply"]) == (Some(0), &"reset".into());
        assert!(open || taken, "{said:?}");
        taken
    });
    rig.wait_for_state("HALTED");
    assert!(!rig.latch_file().exists());
    rig.kill_both();
    rig.start_hot_path();
    rig.wait_for_state("ACTIVE");
}

fn operator_key(path: &Path) -> String {
    let output = Command::new(tests::binary("fulcrum"))
        .args(["operator-key", "--out"])
        .arg(path)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn a_disk_that_hangs_delays_no_cancel_and_is_told() {
    let mut rig = Rig::new(
        "kill-dead-disk",
        "BTCUSDT,ETHUSDT",
        &format!("{INLINE}{DUMMY}"),
    );
    rig.start_hot_path();
    fill_account(&rig);
    // Opening a pipe that nobody reads hangs for ever, as a write to a dead disk does.
    let folder = rig.latch_file().parent().expect("a folder").to_path_buf();
    std::fs::create_dir_all(&folder).expect("a folder under target");
    let pipe = rig.latch_file().with_extension("tmp");
    let breakers = rig.state_dir.join("breakers-rig-paper.tmp");
    for path in [&pipe, &breakers] {
        // A file of this name may just be on its way to its own.
        wait_for("a pipe", Duration::from_secs(10), || {
            let made = Command::new("mkfifo").arg(path).output();
            made.expect("mkfifo").status.success()
        });
    }
    // Every measure of the breakers begins anew, which is to be remembered.
    assert_eq!(rig.fulcrum(&["rearm"]).code, Some(0));
    wait_for("somebody hangs", Duration::from_secs(20), || {
        hangs_at_a_pipe(&rig)
    });
    let begun = Instant::now();
    let said = rig.fulcrum(&["kill", "--no-wait"]);
    assert_eq!(said.reply["durable"], false, "{said:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    wait_for("all is gone", END_TO_END, || {
        let account = rig.account();
        count(&account, "open_orders") + count(&account, "algo_orders") == 0
            && positions(&account).is_empty()
    });
    // Not durable, it still holds in the segment (I22).
    std::fs::remove_file(&pipe).expect("our own pipe");
    std::fs::remove_file(&breakers).expect("our own pipe");
    rig.kill_both();
    assert!(!rig.latch_file().exists());
    rig.start_hot_path();
    assert_eq!(rig.status()["state"], "KILLED");
    wait_for("durable at last", END_TO_END, || rig.latch_file().exists());
}

/// True once a thread of the hot path waits for somebody to read the pipe.
fn hangs_at_a_pipe(rig: &Rig) -> bool {
    let pid = rig.pid(Process::HotPath).as_raw_nonzero();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it lives");
    let waits = |task: std::fs::DirEntry| {
        let channel = std::fs::read_to_string(task.path().join("wchan")).unwrap_or_default();
        channel.contains("wait_for_partner") || channel.contains("fifo_open")
    };
    tasks.flatten().any(waits)
}

#[test]
fn the_verbs_work_with_control_dead() {
    let mut rig = Rig::new("verbs", "BTCUSDT,ETHUSDT", &format!("{INLINE}{DUMMY}"));
    rig.start_hot_path();
    rig.start_control();
    rig.wait_for_state("ACTIVE");
    rig.kill_control();
    let accepted = |arguments: &[&str]| {
        let said = rig.fulcrum(arguments);
        assert_eq!(said.code, Some(0), "{arguments:?}: {said:?}");
        assert_eq!(said.reply["reply"], "accepted", "{arguments:?}: {said:?}");
    };
    accepted(&["pause"]);
    rig.wait_for_state("REDUCING");
    accepted(&["resume"]);
    accepted(&["rearm"]);
    rig.wait_for_state("ACTIVE");
    rig.place_resting("ETHUSDT", "2500.00", "0.020", "other-1");
    rig.place_stop("ETHUSDT", "1000.00", "other-stop");
    wait_for("an own order", Duration::from_secs(60), || {
        rig.status()["orders_open"] == 1
    });
    let listed = rig.fulcrum(&["orders"]).reply;
    let mut origins: Vec<_> = listed["orders"]
        .as_array()
        .expect("orders")
        .iter()
        .collect();
    origins.sort_by_key(|one| one["symbol"].to_string());
    let origins: Vec<_> = origins.into_iter().map(|one| &one["origin"]).collect();
    assert_eq!(origins, ["OWN", "EXTERNAL"], "{listed:#}");
    let refused = |exit: i32, code: &str| {
        let said = rig.fulcrum(&["cancel", "NOSUCHUSDT"]);
        let expected = (Some(exit), &Value::from(code));
        assert_eq!((said.code, &said.reply["code"]), expected, "{said:?}");
    };
    refused(1, "UNKNOWN_TARGET");
    // Asked again and again, the lists get old instead of dear.
    let ages = (0..8).map(|_| rig.fulcrum(&["orders"]).reply["age_ms"].as_u64());
    assert!(ages.max().flatten() > Some(0));
    assert_eq!(
        listed["algo_orders"][0]["order_type"], "STOP_MARKET",
        "{listed:#}"
    );
    accepted(&["cancel", "other-1"]);
    let open = rig.account()["open_orders"].to_string();
    assert!(!open.contains("other-1"), "{open}");
    // An old list does not say that there is none.
    refused(75, "TOO_OFTEN");
    rig.buy("BTCUSDT", "0.014", "other-2");
    wait_for("the position is shown", Duration::from_secs(10), || {
        rig.fulcrum(&["positions"]).reply["positions"][0]["quantity"] == "0.014"
    });
    let limits = rig.fulcrum(&["limits"]).reply;
    assert!(
        limits["limits"].as_array().is_some_and(|all| all.len() > 5),
        "{limits:#}"
    );
    accepted(&["stop"]);
    rig.wait_for_state("HALTED");
    assert_eq!(positions(&rig.account()), []);
    accepted(&["start"]);
    rig.wait_for_state("ACTIVE");
    accepted(&["stop", "--policy", "leave"]);
    rig.wait_for_state("HALTED");
    accepted(&["cancel", "all"]);
    wait_for("own orders are gone", Duration::from_secs(10), || {
        rig.status()["orders_open"] == 0
    });
}

#[test]
fn the_socket_refuses_what_it_does_not_know_and_is_not_for_everybody() {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    let mut rig = Rig::new("socket", "BTCUSDT", INLINE);
    rig.start_hot_path();
    let path = rig
        .state_dir
        .join("run")
        .join(tests::rig::ACCOUNT)
        .join("operator.sock");
    let mode = std::fs::metadata(&path)
        .expect("the socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o660);
    let mut stream = UnixStream::connect(&path).expect("it listens");
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut ask = |line: &str| {
        writeln!(stream, "{line}").expect("an open connection");
        let mut answer = String::new();
        reader.read_line(&mut answer).expect("an answer");
        serde_json::from_str::<Value>(&answer).expect("JSON")
    };
    for (line, code) in [
        ("nonsense", "BAD_REQUEST"),
        ("{}", "BAD_REQUEST"),
        (r#"{"verb":"panic"}"#, "UNKNOWN_VERB"),
        (r#"{"verb":"kill","keep_position":true}"#, "BAD_REQUEST"),
        (
            r#"{"verb":"reset","nonce":"1","signature":"2"}"#,
            "NOT_KILLED",
        ),
    ] {
        assert_eq!(ask(line)["code"], code, "{line}");
    }
    assert_eq!(ask(r#"{"verb":"status"}"#)["kill"]["latched"], false);
    // Idle connections keep nobody out.
    let crowd: Vec<UnixStream> = (0..40)
        .map(|_| UnixStream::connect(&path).expect("it listens"))
        .collect();
    assert_eq!(rig.fulcrum(&["kill"]).code, Some(0));
    drop(crowd);
}

#[test]
fn the_exchange_cancels_our_orders_when_it_has_not_heard_of_us() {
    let lines = format!(
        "{INLINE}[[strategy]]\nkind = \"dummy\"\ninterval_ms = 600000\nrest_ms = 599000\n\
         [emergency]\ndeadman_countdown_s = 10\n"
    );
    let mut rig = Rig::new("deadman", "BTCUSDT,ETHUSDT", &lines);
    rig.start_hot_path();
    wait_for("an order", Duration::from_secs(20), || {
        rig.status()["orders_open"] == 1
    });
    rig.place_resting("ETHUSDT", "2500.00", "0.020", "other-1");
    wait_for("it is armed", Duration::from_secs(5), || {
        count(&rig.account(), "countdowns") == 1
    });
    let armed = || {
        rig.account()["countdowns"][0]["at_ms"]
            .as_i64()
            .expect("armed")
    };
    let first = armed();
    wait_for("it is renewed", Duration::from_secs(10), || armed() > first);
    assert_eq!(count(&rig.account(), "open_orders"), 2);
    rig.kill_both();
    wait_for(
        "the exchange has cancelled",
        Duration::from_secs(15),
        || count(&rig.account(), "open_orders") == 1,
    );
    // Only where we had orders.
    let left = rig.account();
    assert_eq!(
        left["open_orders"][0]["client_order_id"], "other-1",
        "{left:#}"
    );
}

#[test]
fn control_lost_beyond_its_grace_is_reducing_and_control_back_is_active() {
    let lines = format!("{INLINE}control_grace_s = 2\n{DUMMY}");
    let mut rig = Rig::new("control-lost", "BTCUSDT", &lines);
    rig.start_hot_path();
    rig.start_control();
    rig.wait_for_state("ACTIVE");
    rig.kill_control();
    rig.wait_for_state("REDUCING");
    let status = rig.status();
    assert_eq!(
        (&status["reason"], &status["control_alive"]),
        (&"CONTROL_LOST".into(), &false.into())
    );
    rig.start_control();
    rig.wait_for_state("ACTIVE");
}
