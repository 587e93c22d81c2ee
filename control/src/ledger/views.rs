//! Views of the ledger: money as decimal text, prices and quantities in the instrument's own
//! decimals.
//!
//! In: tables. Out: a view of each that a person reads, made anew at every start. Never: a row that
//! is not there because its instrument is unknown; then its numbers are ticks and lots, and say so.

/// Money of 1e-8 as decimal text; nothing where there is none.
pub(super) fn money(column: &str) -> String {
    format!(
        "CASE WHEN {column} IS NULL THEN NULL ELSE printf('%s%d.%08d',
         CASE WHEN {column} < 0 THEN '-' ELSE '' END,
         abs({column}) / 100000000, abs({column}) % 100000000) END"
    )
}

/// A count of steps (`tick` or `lot`) as decimal text.
fn steps(column: &str, step: &str) -> String {
    format!(
        "CASE WHEN i.{step}_scale IS NULL THEN {column} || ' {step}s' ELSE
         printf('%s%d.%0*d', CASE WHEN {column} < 0 THEN '-' ELSE '' END,
         abs({column}) * i.{step}_mantissa / i.{step}_scale, i.{step}_decimals,
         abs({column}) * i.{step}_mantissa % i.{step}_scale) END"
    )
}

fn price(column: &str) -> String {
    steps(column, "tick")
}

fn quantity(column: &str) -> String {
    steps(column, "lot")
}

/// A mid in half ticks: two decimals more than a tick has, so that it is always exact.
fn mid(column: &str) -> String {
    format!(
        "CASE WHEN {column} IS NULL THEN NULL WHEN i.tick_scale IS NULL
         THEN {column} || ' half ticks' ELSE printf('%d.%0*d',
         {column} * i.tick_mantissa / (2 * i.tick_scale), i.tick_decimals + 1,
         {column} * i.tick_mantissa % (2 * i.tick_scale) * 5) END"
    )
}

/// Market and symbol of the joined instrument.
const NAMES: &str = "coalesce(i.market, '') AS market, coalesce(i.symbol, '') AS symbol";

const NAMED: &str = "LEFT JOIN instruments i USING (generation, instrument)";

/// All of them, by name.
pub(super) fn views() -> Vec<(&'static str, String)> {
    vec![
        ("fills_text", fills()),
        ("orders_text", orders()),
        ("trades_text", trades()),
        ("positions_text", positions()),
        ("markouts_text", markouts()),
        ("equity_text", equity()),
        ("balances_text", balances()),
        ("signals_text", signals()),
        ("daily_text", daily()),
    ]
}

fn fills() -> String {
    format!(
        "SELECT f.generation, f.sequence, {NAMES}, f.client_order_id, f.strategy, f.side,
         f.trade_id, {} AS price, {} AS quantity, {} AS fee, {} AS realized,
         f.liquidity, f.transaction_time_ms, f.venue FROM fills f {NAMED}",
        price("f.price_ticks"),
        quantity("f.quantity_lots"),
        money("f.fee_e8"),
        money("f.realized_e8"),
    )
}

fn orders() -> String {
    format!(
        "SELECT o.client_order_id, o.generation, {NAMES}, o.strategy, o.side, o.order_type,
         o.time_in_force, o.reduce_only, {} AS price, {} AS quantity, {} AS filled,
         o.state, o.pending, o.certainty, o.error_code, o.decided_utc_ns, o.changed_utc_ns,
         o.venue, {} AS mid FROM orders o {NAMED}
         LEFT JOIN decision_mids d ON d.generation = o.generation AND d.sequence = o.sequence",
        price("o.price_ticks"),
        quantity("o.quantity_lots"),
        quantity("o.cumulative_lots"),
        mid("d.mid_half_ticks"),
    )
}

/// Average prices are the exact sums divided once, rounded down to 1e-8 of the quote asset; sums
/// that no 64 bits hold have none here, and stand in `trade_legs` all the same.
fn trades() -> String {
    let average = |sum: &str| {
        let whole = format!(
            "CAST(l.{sum} AS INTEGER) / l.lots * i.tick_mantissa * (100000000 / i.tick_scale)"
        );
        let rest = format!(
            "CAST(l.{sum} AS INTEGER) % l.lots * i.tick_mantissa * (100000000 / i.tick_scale)
             / l.lots"
        );
        let value = money(&format!("({whole} + {rest})"));
        format!("CASE WHEN l.lots > 0 AND length(l.{sum}) <= 18 THEN {value} END")
    };
    let net = "(t.realized_e8 - t.fees_e8 + coalesce(l.funding_e8, 0))";
    format!(
        "SELECT t.generation, t.sequence, {NAMES}, t.strategy, t.side, t.reason, t.held_ns,
         {} AS net, {} AS fees, {} AS gross, {} AS funding, {} AS quantity,
         {} AS entry_price, {} AS exit_price, l.entry_reason, l.entry_order, l.exit_order,
         coalesce(l.opened_utc_ns, t.utc_ns - t.held_ns) AS opened_utc_ns, t.utc_ns
         FROM trades t {NAMED}
         LEFT JOIN trade_legs l ON l.generation = t.generation AND l.sequence = t.sequence",
        money(net),
        money("t.fees_e8"),
        money("t.realized_e8"),
        money("coalesce(l.funding_e8, 0)"),
        quantity("t.quantity_lots"),
        average("entry_tick_lots"),
        average("exit_tick_lots"),
    )
}

fn positions() -> String {
    format!(
        "SELECT p.generation, p.sequence, {NAMES}, p.origin, {} AS quantity, {} AS realized
         FROM positions p {NAMED}",
        quantity("p.quantity_lots"),
        money("p.realized_e8"),
    )
}

fn markouts() -> String {
    format!(
        "SELECT m.generation, m.sequence, {NAMES}, m.side, m.trade_id, m.after, {} AS mid,
         m.none_because, m.utc_ns FROM markouts m {NAMED}",
        mid("m.mid_half_ticks"),
    )
}

fn equity() -> String {
    format!(
        "SELECT time_ns, generation, {} AS wallet, {} AS unrealized, {} AS equity,
         {} AS gross, {} AS net, {} AS transfers, trading_state FROM equity",
        money("wallet_e8"),
        money("unrealized_e8"),
        money("equity_e8"),
        money("gross_e8"),
        money("net_e8"),
        money("transfers_e8"),
    )
}

fn balances() -> String {
    format!(
        "SELECT generation, sequence, asset, {} AS wallet, event_time_ms, utc_ns FROM balances",
        money("wallet_e8"),
    )
}

fn signals() -> String {
    format!(
        "SELECT s.time_ns, s.generation, {NAMES}, s.imbalance_ratio, s.no_signal, s.book_state,
         {} AS bid, {} AS ask FROM signals s {NAMED}",
        price("s.bid_ticks"),
        price("s.ask_ticks"),
    )
}

fn daily() -> String {
    format!(
        "SELECT day, strategy, market, symbol, trades, won, lost, {} AS realized, {} AS fees,
         {} AS funding, {} AS transfers, {} AS equity_first, {} AS equity_last,
         {} AS equity_min, {} AS equity_max, active_ns FROM daily",
        money("realized_e8"),
        money("fees_e8"),
        money("funding_e8"),
        money("transfers_e8"),
        money("equity_first_e8"),
        money("equity_last_e8"),
        money("equity_min_e8"),
        money("equity_max_e8"),
    )
}
