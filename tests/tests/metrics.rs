//! Metrics before their judges: a real Prometheus, promtool, and Python's OpenMetrics parser.
//!
//! In: `/metrics` of a running demo. Out: both judges content, `up == 1`. Never: a parser of ours.

use serde_json::Value;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tests::{Demo, wait_for};

#[test]
fn prometheus_scrapes_and_both_judges_pass() {
    if Command::new("promtool").arg("--version").output().is_err() {
        println!("skipped: no promtool");
        return;
    }
    let mut demo = Demo::start("metrics", &["--seconds", "40"]);
    demo.wait_until_ready();
    let url = demo.run_page()["metrics"]
        .as_str()
        .expect("an address")
        .to_string();
    let classic = fetch(&url, "text/plain; version=0.0.4");
    let open = fetch(&url, "application/openmetrics-text; version=1.0.0");
    assert!(
        open.trim_end().ends_with("# EOF"),
        "OpenMetrics ends with # EOF"
    );
    judge(
        Command::new("promtool").args(["check", "metrics"]),
        &classic,
    );
    if let Some(python) = std::env::var_os("FULCRUM_PYTHON_JUDGE") {
        let program = "import sys; from prometheus_client.openmetrics.parser import \
                       text_string_to_metric_families as parse; \
                       n = len(list(parse(sys.stdin.read()))); assert n > 20, n";
        judge(Command::new(python).args(["-c", program]), &open);
    } else {
        println!("skipped: no Python judge");
    }
    assert!(classic.contains("fulcrum_trading_state"), "{classic}");
    scrape(&demo, &url);
    let (_, succeeded) = demo.finish();
    assert!(succeeded);
}

fn fetch(url: &str, accept: &str) -> String {
    let mut answer = ureq::get(url)
        .header("Accept", accept)
        .call()
        .expect("a scrape");
    answer.body_mut().read_to_string().expect("text")
}

/// The judge reads `text` and must be content.
fn judge(command: &mut Command, text: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the judge starts");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(text.as_bytes())
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{command:?}: {said}\n{text}");
}

struct Prometheus(Child);

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A real Prometheus finds the target up and one of our metrics in it.
fn scrape(demo: &Demo, url: &str) {
    let target = url
        .trim_start_matches("http://")
        .trim_end_matches("/metrics");
    let config = demo.state_dir.join("prometheus.yml");
    let text = format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: fulcrum\n    \
         static_configs:\n      - targets: ['{target}']\n"
    );
    std::fs::write(&config, text).expect("a file under target");
    let port = ports::free_port();
    let address = format!("127.0.0.1:{port}");
    let _prometheus = Prometheus(
        Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                demo.state_dir.join("prometheus").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus starts"),
    );
    for query in ["up", "fulcrum_build_info"] {
        wait_for(query, Duration::from_secs(30), || {
            value_of(&address, query).as_deref() == Some("1")
        });
    }
}

fn value_of(address: &str, query: &str) -> Option<String> {
    let url = format!("http://{address}/api/v1/query?query={query}");
    let page: Value = ureq::get(url).call().ok()?.body_mut().read_json().ok()?;
    page.pointer("/data/result/0/value/1")
        .and_then(Value::as_str)
        .map(str::to_string)
}
