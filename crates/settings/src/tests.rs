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

#[test]
fn live_needs_a_typed_confirmation_and_the_exchanges_own_hosts() {
    let text = GOOD.replace("\"paper\"", "\"live\"");
    assert_eq!(problems(&text), ["1:live_account"]);
    let confirmed = text.replacen("mode", "live_account = \"default\"\nmode", 1);
    assert!(Settings::check("fulcrum.toml", &confirmed).is_ok());
    let elsewhere = format!(
        "{confirmed}\n[venue]\nusdm_rest_url = \"https://fapi.binance.com.evil.example\"\n"
    );
    assert_eq!(problems(&elsewhere).len(), 1);
}

#[test]
fn paper_never_sends_orders_to_the_real_exchange() {
    let text =
        format!("{GOOD}\n[venue]\nusdm_ws_api_url = \"wss://ws-fapi.binance.com/ws-fapi/v1\"\n");
    assert_eq!(problems(&text), ["15:venue.usdm_ws_api_url"]);
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
