//! From a picture to families: cells of the hot path under their own names, then what pages,
//! ledger and control itself know and no cell said.
//!
//! In: a picture, the settings, the process. Out: families. Never: a label outside of configured
//! symbols and closed lists.

use super::catalogue::help;
use super::{Buckets, Families, Family, Kind, Value};
use crate::break_even;
use crate::build_identity;
use crate::figure::FigureName;
use crate::paper::PaperView;
use crate::stats::{journal_holes, strategy_name, violations, win_ratio};
use crate::stream::StreamFigures;
use crate::view::{Durations, View};
use ipc::HistogramSnapshot;
use market::page::InstrumentPage;
use market::{BookState, IncomeKind, Money, Rate, StateReason, TradingState};
use settings::{RiskSettings, Settings};
use std::collections::BTreeMap;
use std::path::Path;

/// Families that the ledger or the pages count, so that they go on where they were when a hot path
/// comes or goes; cells of the same name are passed over. Every other family of cells has no
/// second source.
const NOT_FROM_CELLS: [&str; 9] = [
    "book_crossed",
    "book_gaps",
    "book_resyncs",
    "fills",
    "intents",
    "orders_denied",
    "orders_rejected",
    "orders_sent",
    "reconcile_mismatches",
];

/// Reasons of a trading state that are breakers.
const BREAKERS: [StateReason; 5] = [
    StateReason::DailyLoss,
    StateReason::Drawdown,
    StateReason::JournalFull,
    StateReason::ControlLost,
    StateReason::PositionMismatch,
];

/// Labels of one sample.
pub type Labels = Vec<(String, String)>;

/// Requests that control answered.
#[derive(Clone, Debug, Default)]
pub struct HttpFigures {
    /// By method, route and status.
    pub requests: BTreeMap<(&'static str, String, u16), u64>,
    /// By route.
    pub durations: BTreeMap<String, Durations>,
    /// Who was not let in, by reason.
    pub auth_failures: BTreeMap<&'static str, u64>,
    /// The stream.
    pub stream: StreamFigures,
}

/// What a scrape needs beside the picture.
#[derive(Clone, Copy, Debug)]
pub struct Process<'a> {
    /// Settings in force.
    pub settings: &'a Settings,
    /// Directory whose free space is watched.
    pub state_dir: &'a Path,
    /// Monotonic time now.
    pub now_ns: u64,
    /// The paper venue, where this process starts it.
    pub paper: Option<&'a PaperView>,
}

/// Puts all families together.
#[must_use]
pub fn collect(view: &View, process: Process<'_>, http: &HttpFigures) -> Families {
    let mut page = Page(Families::new());
    page.cells(view);
    page.of_process(view, process);
    page.of_pages(view, process);
    page.of_limits(view, &process.settings.risk);
    page.of_money(view, process.settings);
    page.of_orders(view, process.settings);
    page.of_store(view, process.state_dir);
    page.of_http(http);
    page.of_stream(&http.stream);
    page.of_paper(process.paper);
    page.0
}

struct Page(Families);

impl Page {
    /// Adds a sample unless the same one is there: the hot path's own cells come first.
    fn add(&mut self, kind: Kind, name: &str, labels: &[(&str, &str)], value: Value) {
        let mut labels: Labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_string(), (*value).to_string()))
            .collect();
        labels.sort();
        let family = self.0.entry(name.to_string()).or_insert_with(|| Family {
            kind,
            help: help(name),
            samples: BTreeMap::new(),
        });
        if family.kind == kind {
            family.samples.entry(labels).or_insert(value);
        }
    }

    fn counter(&mut self, name: &str, labels: &[(&str, &str)], value: u64) {
        self.add(Kind::Counter, name, labels, Value::Whole(value));
    }

    fn gauge(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.add(Kind::Gauge, name, labels, Value::Float(value));
    }

    fn flag(&mut self, name: &str, labels: &[(&str, &str)], value: bool) {
        self.gauge(name, labels, f64::from(u8::from(value)));
    }

    fn of_paper(&mut self, paper: Option<&PaperView>) {
        let Some(paper) = paper else { return };
        self.flag("paper_venue_up", &[], paper.up);
        self.counter("paper_venue_restarts", &[], paper.restarts);
        for one in &paper.following {
            let labels = [("market", one.market), ("symbol", one.symbol.as_str())];
            self.flag("paper_venue_synced", &labels, one.in_sync);
        }
    }

    fn cells(&mut self, view: &View) {
        let named =
            |name: &str| FigureName::parse(name).filter(|one| !one.family.starts_with("shown_"));
        for (name, value) in &view.figures {
            let Some(name) = named(name) else { continue };
            let stem = name.family.strip_suffix("_total").unwrap_or(&name.family);
            if let Some(family) = in_seconds(stem) {
                let value = Value::Float(*value as f64 / 1e9);
                self.add(Kind::Counter, &family, &borrowed(&name), value);
            } else if !NOT_FROM_CELLS.contains(&stem) {
                self.counter(stem, &borrowed(&name), *value);
            }
        }
        for (name, value) in &view.gauges {
            let Some(name) = named(name) else { continue };
            match in_seconds(&name.family) {
                Some(family) => self.gauge(&family, &borrowed(&name), *value as f64 / 1e9),
                None => self.gauge(&name.family, &borrowed(&name), *value as f64),
            }
        }
        for (name, histogram) in &view.histograms {
            let Some(name) = named(name) else { continue };
            let value = Value::Histogram(Box::new(buckets(histogram)));
            self.add(Kind::Histogram, &name.family, &borrowed(&name), value);
        }
    }

    /// What runs, and whether it is what control's own file and build say. The segment carries the
    /// first eight bytes of the configuration's SHA-256; both labels show so many.
    fn of_identity(&mut self, view: &View, settings: &Settings) {
        let mut info = |name: &str, labels: &[(&str, &str)]| {
            self.add(Kind::Info, name, labels, Value::Whole(1));
        };
        let build = |process, version, revision| {
            [
                ("process", process),
                ("version", version),
                ("revision", revision),
            ]
        };
        let own = build("control", build_identity::VERSION, build_identity::REVISION);
        info("build_info", &own);
        let mut words = [settings.mode.word(), "binance", settings.account.as_str()];
        if let Some(segment) = view.segment {
            let (version, revision) = build_identity::of_segment(segment.build_id);
            info("build_info", &build("hotpath", version, &revision));
            // The segment has the start's; the page has what was taken since.
            let taken = view.account.filter(|page| page.config_version != 0);
            let taken = taken.map_or(segment.config_hash, |page| page.config_hash);
            let in_force = format!("{taken:016x}");
            let expected = format!("{:016x}", settings.short_hash());
            let labels = [("sha256", in_force.as_str()), ("expected", &expected)];
            info("config_info", &labels);
            let mut told = view.identity.splitn(words.len(), ' ');
            if let (Some(mode), Some(venue), Some(account)) =
                (told.next(), told.next(), told.next())
            {
                words = [mode, venue, account];
            }
        }
        let [mode, venue, account] = words;
        let labels = [("mode", mode), ("venue", venue), ("account", account)];
        info("mode_info", &labels);
    }

    fn of_process(&mut self, view: &View, process: Process<'_>) {
        self.of_identity(view, process.settings);
        if let Some(segment) = view.segment {
            self.flag("kill_latched", &[], segment.kill_latched);
        }
        if let Some(account) = view.account {
            for state in TradingState::ALL {
                let labels = [("state", state.as_str())];
                self.flag("trading_state", &labels, account.trading_state == *state);
            }
        }
        if view.account.is_some() {
            for breaker in BREAKERS {
                let tripped = view.totals.held_by.as_deref() == Some(breaker.as_str());
                self.flag("breaker_tripped", &[("breaker", breaker.as_str())], tripped);
            }
        }
        let unclean = view.family_sum("shown_unclean_ends_total");
        self.counter("unclean_restarts", &[("process", "hotpath")], unclean);
        for (invariant, count) in violations(view) {
            self.counter("invariant_violations", &[("invariant", invariant)], count);
        }
        for ring in &view.rings {
            let labels = [("ring", ring.name)];
            self.gauge("ring_depth", &labels, ring.depth as f64);
            self.gauge("ring_capacity", &labels, ring.capacity as f64);
            self.gauge("ring_high_watermark", &labels, ring.high_watermark as f64);
        }
        self.counter("engine_events", &[], view.family_sum("shown_events_total"));
    }

    fn of_pages(&mut self, view: &View, process: Process<'_>) {
        let mut unknown: BTreeMap<&str, u32> = BTreeMap::new();
        let mut gross = 0.0;
        for page in &view.instruments {
            let labels = [
                ("market", page.market.as_str()),
                ("symbol", page.symbol.as_str()),
            ];
            let notional = position_notional(page);
            gross += notional.abs();
            let age_ns = process.now_ns.saturating_sub(page.book_time.0);
            self.flag("book_synced", &labels, page.book_state == BookState::Synced);
            self.gauge("book_age_seconds", &labels, age_ns as f64 / 1e9);
            self.gauge(
                "position_base",
                &labels,
                page.position.0 as f64 * page.lot.to_f64(),
            );
            self.gauge("position_notional_usdt", &labels, notional);
            self.gauge("orders_open", &labels, f64::from(page.orders_open));
            *unknown.entry(page.market.as_str()).or_default() += page.orders_unknown;
        }
        for (market, count) in unknown {
            self.gauge("orders_unknown", &[("market", market)], f64::from(count));
        }
        self.gauge("exposure_gross_usdt", &[], gross);
        for family in ["book_gaps", "book_resyncs", "ring_dropped"] {
            let page_family = format!("shown_{family}_total");
            for (name, value) in &view.figures {
                let name = FigureName::parse(name).filter(|one| one.family == page_family);
                if let Some(name) = name {
                    self.counter(family, &borrowed(&name), *value);
                }
            }
        }
    }

    /// How much of each limit is used; of one that holds for each instrument, by the fullest.
    fn of_limits(&mut self, view: &View, risk: &RiskSettings) {
        let mut used = |limit: &str, value: f64, most: f64| {
            if most > 0.0 {
                self.gauge("limit_utilization_ratio", &[("limit", limit)], value / most);
            }
        };
        let fullest = |value: fn(&InstrumentPage) -> f64| {
            view.instruments.iter().map(value).fold(0.0, f64::max)
        };
        let notional = fullest(|page| position_notional(page).abs());
        used(
            "position_notional",
            notional,
            as_float(risk.position_notional_max),
        );
        let open = fullest(|page| f64::from(page.orders_open));
        used("open_orders", open, risk.open_orders_max as f64);
        let gross: f64 = view
            .instruments
            .iter()
            .map(|page| position_notional(page).abs())
            .sum();
        used("gross_exposure", gross, as_float(risk.gross_exposure_max));
        let Some(account) = view.account else { return };
        let equity = as_float(account.equity);
        used(
            "exposure",
            notional,
            equity * ratio(risk.exposure_share_max),
        );
        used("leverage", gross, equity * ratio(risk.leverage_max));
        let open = f64::from(account.orders_open);
        used(
            "open_orders_account",
            open,
            risk.open_orders_account_max as f64,
        );
        // The page has the fall as a share of the high-water mark, and what is left of the mark.
        let share = ratio(account.drawdown);
        if share < 1.0 {
            let fall = as_float(account.equity) * share / (1.0 - share);
            used("drawdown", fall, as_float(risk.drawdown_max));
        }
    }

    fn of_money(&mut self, view: &View, settings: &Settings) {
        let totals = &view.totals;
        let net = totals.realized() - totals.fees();
        self.gauge("realized_pnl_usdt", &[], as_float(net));
        self.gauge("fees_paid_usdt", &[], as_float(totals.fees()));
        if let Some(account) = view.account {
            self.gauge("equity_usdt", &[], as_float(account.equity));
            self.gauge("unrealized_pnl_usdt", &[], as_float(account.unrealized));
            self.gauge("drawdown_ratio", &[], ratio(account.drawdown));
        }
        for (index, strategy) in settings.strategies.iter().enumerate() {
            let labels = [("strategy", strategy.name.as_str())];
            if let Some(rate) = break_even::win_rate(strategy, &settings.fees) {
                self.gauge("break_even_win_ratio", &labels, ratio(rate));
            }
            let totals = u8::try_from(index)
                .ok()
                .and_then(|at| totals.by_strategy.get(&at));
            if let Some(rate) = totals.and_then(win_ratio) {
                self.gauge("win_ratio", &labels, ratio(rate));
            }
        }
    }

    fn of_orders(&mut self, view: &View, settings: &Settings) {
        let totals = &view.totals;
        for (index, one) in &totals.by_strategy {
            let name = strategy_name(settings, *index);
            self.counter("intents", &[("strategy", &name)], one.orders);
        }
        for (code, count) in &totals.denials {
            self.counter("orders_denied", &[("reason", code)], *count);
        }
        for ((market, code), count) in &totals.rejections {
            let code = code.to_string();
            let labels = [("market", market.as_str()), ("code", &code)];
            self.counter("orders_rejected", &labels, *count);
        }
        for (family, last, counts) in [
            ("orders_sent", "type", &totals.sent),
            ("fills", "liquidity", &totals.filled),
        ] {
            for ([market, symbol, side, word], count) in counts {
                let labels = [
                    ("market", market.as_str()),
                    ("symbol", symbol),
                    ("side", side),
                    (last, word),
                ];
                self.counter(family, &labels, *count);
            }
        }
        for ([market, symbol], count) in &totals.crossed {
            let labels = [("market", market.as_str()), ("symbol", symbol)];
            self.counter("book_crossed", &labels, *count);
        }
        self.counter(
            "fill_duplicates",
            &[("source", "journal")],
            totals.fill_duplicates,
        );
        let position = [("kind", "position")];
        self.counter(
            "reconcile_mismatches",
            &position,
            totals.position_differences,
        );
        let incomes = &totals.incomes;
        let income = [("kind", "income")];
        self.counter("reconcile_mismatches", &income, incomes.differences);
        let sum = |kind: &IncomeKind| incomes.by_kind.get(kind.as_str()).copied();
        for kind in IncomeKind::ALL {
            let sum = sum(kind).unwrap_or_default();
            self.gauge("income_usdt", &[("kind", kind.as_str())], as_float(sum));
        }
        let paid = -sum(&IncomeKind::FundingFee).unwrap_or_default();
        self.gauge("funding_paid_usdt", &[], as_float(paid));
        let unexplained = as_float(incomes.difference);
        self.gauge("income_difference_usdt", &[], unexplained);
        if totals.reconciled_utc_ns > 0 {
            let seconds = totals.reconciled_utc_ns as f64 / 1e9;
            self.gauge("reconcile_last_success_timestamp_seconds", &[], seconds);
        }
    }

    fn of_store(&mut self, view: &View, state_dir: &Path) {
        let totals = &view.totals;
        self.counter("ledger_records", &[], totals.records);
        self.counter("ledger_unread_records", &[], totals.unread);
        self.counter("journal_holes", &[], journal_holes(view));
        if let Some(records) = view.journal_lag {
            self.gauge("journal_lag_records", &[], records as f64);
        }
        let commits = Value::Histogram(Box::new(durations(&view.commits)));
        self.add(
            Kind::Histogram,
            "journal_fsync_duration_seconds",
            &[],
            commits,
        );
        for (db, errors, up) in [
            ("ledger", view.ledger_errors, view.ledger_up),
            ("input_log", view.input_log_errors, view.input_log_up),
        ] {
            self.counter("db_write_errors", &[("db", db)], errors);
            self.flag("db_up", &[("db", db)], up);
        }
        if let Ok(free) = rustix::fs::statvfs(state_dir) {
            let bytes = free.f_bavail as f64 * free.f_frsize as f64;
            self.gauge("storage_free_bytes", &[("mount", "state")], bytes);
        }
    }

    fn of_stream(&mut self, stream: &StreamFigures) {
        self.gauge("stream_clients", &[], stream.clients as f64);
        self.counter("stream_messages", &[], stream.messages);
        self.counter("stream_refused", &[], stream.refused);
        for (reason, count) in stream.ends() {
            self.counter("stream_ended", &[("reason", reason)], count);
        }
    }

    fn of_http(&mut self, http: &HttpFigures) {
        for ((method, route, status), count) in &http.requests {
            let status = status.to_string();
            let labels = [
                ("method", *method),
                ("route", route.as_str()),
                ("status", &status),
            ];
            self.counter("http_requests", &labels, *count);
        }
        for (reason, count) in &http.auth_failures {
            self.counter("auth_failures", &[("reason", reason)], *count);
        }
        for (route, one) in &http.durations {
            let value = Value::Histogram(Box::new(durations(one)));
            self.add(
                Kind::Histogram,
                "http_request_duration_seconds",
                &[("route", route)],
                value,
            );
        }
    }
}

/// The name in base units of a cell that counts nanoseconds; cells are whole numbers.
fn in_seconds(family: &str) -> Option<String> {
    let stem = family.strip_suffix("_ns")?;
    Some(format!("{stem}_seconds"))
}

fn borrowed(name: &FigureName) -> Vec<(&str, &str)> {
    name.labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect()
}

fn buckets(histogram: &HistogramSnapshot) -> Buckets {
    Buckets {
        cumulative: histogram.buckets(),
        count: histogram.count(),
        sum_ns: histogram.sum_ns(),
    }
}

fn durations(one: &Durations) -> Buckets {
    Buckets {
        cumulative: one.cumulative(),
        count: one.count(),
        sum_ns: one.sum_ns,
    }
}

/// For exposition and display only.
fn as_float(money: Money) -> f64 {
    money.0 as f64 / 1e8
}

fn ratio(rate: Rate) -> f64 {
    rate.0 as f64 / 1e8
}

/// Position at mark, or at mid where there is no mark.
fn position_notional(page: &InstrumentPage) -> f64 {
    let ticks = if page.mark.0 > 0 {
        page.mark.0 as f64
    } else {
        (page.bid.price.0 + page.ask.price.0) as f64 / 2.0
    };
    ticks * page.tick.to_f64() * page.position.0 as f64 * page.lot.to_f64()
}
