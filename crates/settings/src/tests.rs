//! What the operator sees: a good file, and every kind of bad one.

use super::{Mode, Settings, SettingsError};
use market::{Money, Rate};

const GOOD: &str = r#"
mode = "paper"

[[instrument]]
symbol = "BTCUSDT"

[[strategy]]
kind = "imbalance"
order_notional_usdt = 1500.50

[fees]
maker_ratio = 0.0002
"#;

fn problems(text: &str) -> Vec<String> {
    match Settings::check("fulcrum.toml", text) {
        Err(SettingsError::Invalid { problems, .. }) => problems
            .into_iter()
            .map(|one| format!("{}:{}", one.line, one.key))
            .collect(),
        other => panic!("expected problems, got {other:?}"),
    }
}

#[test]
fn a_short_file_has_paper_trading_and_sensible_defaults() {
    let settings = Settings::check("fulcrum.toml", GOOD).unwrap();
    assert_eq!(settings.mode, Mode::Paper);
    assert_eq!(settings.fees.maker, Rate(20_000));
    assert_eq!(settings.risk.daily_loss_max, Money::from_whole(500));
    let super::StrategyKind::Imbalance(imbalance) = settings.strategies[0].kind else {
        panic!("the kind is imbalance")
    };
    assert_eq!(imbalance.order_notional, Money(150_050_000_000));
    assert_eq!(imbalance.take_profit, Rate(200_000));
}

#[test]
fn every_problem_is_named_at_once_with_its_line() {
    let text = r#"mode = "papper"
acount = "x"
[[instrument]]
symbol = "BTCUSDT"
[risk]
daily_loss_usdt = -5
max_open_orders = 0
[book]
window_ticks = 5000
"#;
    let expected = [
        "1:mode",
        "2:acount",
        "6:risk.daily_loss_usdt",
        "7:risk.max_open_orders",
        "9:book.window_ticks",
    ];
    assert_eq!(problems(text), expected);
    let message = Settings::check("fulcrum.toml", text)
        .unwrap_err()
        .to_string();
    assert!(message.contains("fulcrum.toml:2: `acount`"), "{message}");
    assert!(message.contains("did you mean `account`?"), "{message}");
    assert!(
        message.contains("\"paper\" | \"testnet\" | \"live\""),
        "{message}"
    );
}

const KEYS: &str = "[venue]\napi_key_file = \"key\"\napi_secret_file = \"secret\"\n";

#[test]
fn live_needs_a_typed_confirmation_and_both_key_files() {
    let text = GOOD.replace("\"paper\"", "\"live\"");
    let expected = [
        "1:live_account",
        "1:venue.api_key_file",
        "1:venue.api_secret_file",
    ];
    assert_eq!(problems(&text), expected);
    let confirmed = text.replacen("mode", "live_account = \"default\"\nmode", 1);
    assert!(Settings::check("fulcrum.toml", &format!("{confirmed}\n{KEYS}")).is_ok());
}

#[test]
fn each_mode_talks_to_its_own_hosts_only() {
    let cases = [
        ("paper", "ws://127.0.0.1:8900", true),
        ("paper", "wss://ws-fapi.binance.com/ws-fapi/v1", false),
        ("paper", "WSS://WS-FAPI.BINANCE.COM/ws-fapi/v1", false),
        ("paper", "wss://WS-FAPI.BINANCE.COM/ws-fapi/v1", false),
        ("paper", "ws://ws-fapi.binance.com./ws-fapi/v1", false),
        ("paper", "wss://testnet.binancefuture.com/ws-fapi/v1", false),
        (
            "testnet",
            "wss://testnet.binancefuture.com/ws-fapi/v1",
            true,
        ),
        ("testnet", "wss://demo-ws-api.binance.com/ws-api/v3", true),
        ("testnet", "wss://ws-fapi.binance.com/ws-fapi/v1", false),
        (
            "testnet",
            "ws://testnet.binancefuture.com/ws-fapi/v1",
            false,
        ),
        ("live", "wss://ws-fapi.binance.com/ws-fapi/v1", true),
        ("live", "ws://ws-fapi.binance.com/ws-fapi/v1", false),
        (
            "live",
            "wss://ws-fapi.binance.com.evil.example/ws-fapi/v1",
            false,
        ),
        ("live", "wss://evilbinance.com/ws-fapi/v1", false),
        (
            "live",
            "wss://ws-fapi.binance.com@evil.example/ws-fapi/v1",
            false,
        ),
        ("live", "wss://demo-ws-api.binance.com/ws-api/v3", false),
    ];
    for (mode, url, allowed) in cases {
        let text = format!(
            "mode = \"{mode}\"\nlive_account = \"default\"\n{KEYS}usdm_ws_api_url = \"{url}\"\n\
             [[instrument]]\nsymbol = \"BTCUSDT\"\n"
        );
        let found = Settings::check("fulcrum.toml", &text);
        assert_eq!(found.is_ok(), allowed, "{mode} {url}: {found:?}");
    }
}

#[test]
fn text_that_is_not_toml_says_where() {
    let error = Settings::check("fulcrum.toml", "mode = \n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("line 1"), "{error}");
}

#[test]
fn the_example_shows_the_true_defaults() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/fulcrum.example.toml"
    );
    let example = Settings::read(std::path::Path::new(path)).unwrap();
    let short = "[[instrument]]\nsymbol = \"BTCUSDT\"\n[[strategy]]\nkind = \"imbalance\"\n";
    let mut defaults = Settings::check("short.toml", short).unwrap();
    defaults.sha256 = example.sha256;
    assert_eq!(example, defaults);
}
