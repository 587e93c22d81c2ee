//! What the operator sees: a good file, and every kind of bad one.

use super::{Ceilings, LIMITS, Mode, Settings, SettingsError};
use market::{Breaker, Money, Rate};

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

fn with_risk(line: &str) -> String {
    format!("[[instrument]]\nsymbol = \"BTCUSDT\"\n[risk]\n{line}\n")
}

#[test]
fn no_limit_passes_its_ceiling_and_none_can_be_switched_off() {
    let ceilings = "[risk]\nmax_order_notional_usdt = 7000.5\nmin_free_margin_ratio = 0.2\n\
                    max_open_orders = 20\n";
    let ceilings = Ceilings::check("ceilings.toml", ceilings).unwrap();
    // (the line, the problem; nothing where it is allowed)
    let cases = [
        (
            "max_order_notional_usdt = 7000.5\nmin_free_margin_ratio = 0.2",
            "",
        ),
        (
            "max_order_notional_usdt = 7000.50000001\nmin_free_margin_ratio = 0.2",
            "`risk.max_order_notional_usdt`: found 7000.50000001; allowed: at most 7000.5, the ceiling of ceilings.toml",
        ),
        (
            "min_free_margin_ratio = 0.19999999",
            "`risk.min_free_margin_ratio`: found 0.19999999; allowed: at least 0.2, the ceiling of ceilings.toml",
        ),
        // A default is no excuse.
        (
            "",
            "`risk.min_free_margin_ratio`: found nothing; allowed: at least 0.2, the ceiling of ceilings.toml",
        ),
        (
            "min_free_margin_ratio = 0.2\nmax_open_orders = 21",
            "`risk.max_open_orders`: found 21; allowed: at most 20, the ceiling of ceilings.toml",
        ),
    ];
    for (line, expected) in cases {
        let found = Settings::check_within("fulcrum.toml", &with_risk(line), &ceilings);
        let text = found
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        assert!(text.contains(expected), "{line}: {text}");
        assert_eq!(text.is_empty(), expected.is_empty(), "{line}: {text}");
    }
    assert!(ceilings.allow("max_open_orders", 20).is_ok());
    assert!(
        ceilings.allow("max_open_orders", 21).is_err(),
        "nor by a command"
    );
    for limit in LIMITS {
        let off = with_risk(&format!("{} = 0", limit.key));
        assert!(
            Settings::check("fulcrum.toml", &off).is_err(),
            "{}",
            limit.key
        );
        let high = if limit.is_whole() {
            format!("{}0", limit.high)
        } else {
            "1000000000".to_string()
        };
        let over = with_risk(&format!("{} = {high}", limit.key));
        assert!(
            Settings::check("fulcrum.toml", &over).is_err(),
            "{}",
            limit.key
        );
    }
}

#[test]
fn what_is_no_ceiling_is_refused_with_its_line() {
    for (text, named) in [
        (
            "[risk]\nmax_leverage_ratio = 21\n",
            "ceilings.toml:2: `risk.max_leverage_ratio`",
        ),
        (
            "[risk]\nmax_levrage_ratio = 2\n",
            "did you mean `max_leverage_ratio`?",
        ),
        ("leverage = 2\n", "ceilings.toml:1: `leverage`"),
    ] {
        let error = Ceilings::check("ceilings.toml", text)
            .unwrap_err()
            .to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn levels_of_the_drawdown_deepen_and_dry_breakers_have_names() {
    let text = with_risk("drawdown_smaller_ratio = 0.2");
    assert_eq!(problems(&text), ["3:risk.drawdown_stop_ratio"]);
    let text = with_risk("dry_breakers = [\"LATENCY\", \"LOSS_STREAK\"]");
    let settings = Settings::check("fulcrum.toml", &text).unwrap();
    let both = Breaker::Latency.bit() | Breaker::LossStreak.bit();
    assert_eq!(settings.risk.dry_breakers, both);
    let text = with_risk("dry_breakers = [\"LATENZ\"]");
    assert_eq!(problems(&text), ["4:risk.dry_breakers"]);
}
