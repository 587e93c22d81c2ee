//! What a rig's exchange truly knows, and what somebody else does there with the same key.
//!
//! In: questions, faults, orders. Out: the account, every order and fill, answers. Never: a look at
//! what the hot path believes.

use super::{KEY, Rig, SECRET};
use binance::sign::Signer;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

impl Rig {
    /// The account as the exchange truly has it.
    #[must_use]
    pub fn account(&self) -> Value {
        let mut answer = ureq::get(format!("{}/sim/v1/account", self.sim))
            .call()
            .expect("the exchange lives");
        answer.body_mut().read_json().expect("JSON")
    }

    /// Every order and every fill that the exchange has had.
    #[must_use]
    pub fn history(&self) -> Value {
        let mut answer = ureq::get(format!("{}/sim/v1/history", self.sim))
            .call()
            .expect("the exchange lives");
        let body = answer.body_mut().with_config().limit(1 << 30);
        body.read_json().expect("JSON")
    }

    /// Base URL of its spot REST.
    #[must_use]
    pub fn spot_url(&self) -> &str {
        &self.spot
    }

    /// Switches a fault of the exchange on.
    pub fn inject(&self, fault: &str) {
        ureq::post(format!("{}/sim/v1/fault", self.sim))
            .send_json(json!({"fault": fault}))
            .expect("the exchange lives");
    }

    /// The exchange's clock jumps.
    pub fn step_clock(&self, step_ms: i64) {
        ureq::post(format!("{}/sim/v1/clock", self.sim))
            .send_json(json!({"step_ms": step_ms}))
            .expect("the exchange lives");
    }

    /// An instrument is halted, opened again, or filtered otherwise: `{"status": "NOT_TRADING"}`,
    /// `{"minimum_notional": 500}`.
    pub fn list(&self, symbol: &str, mut change: Value) {
        change["symbol"] = json!(symbol);
        ureq::post(format!("{}/sim/v1/listing", self.sim))
            .send_json(change)
            .expect("the exchange lives and knows the symbol");
    }

    /// The exchange pays funding, or charges it.
    pub fn fund(&self, amount_e8: i64) {
        ureq::post(format!("{}/sim/v1/funding", self.sim))
            .send_json(json!({ "amount_e8": amount_e8 }))
            .expect("the exchange lives");
    }

    /// A signed request, as another program with the same key would send it.
    ///
    /// # Panics
    /// When the exchange refuses it.
    pub fn request(&self, method: &str, path: &str, query: &str) -> Value {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970");
        let text = format!("{query}&timestamp={}", now.as_millis());
        let signature = Signer::hmac(SECRET.as_bytes()).sign(text.as_bytes());
        let signature = String::from_utf8_lossy(&signature);
        let url = format!("{}{path}?{text}&signature={signature}", self.http);
        let answer = match method {
            "POST" => ureq::post(url).header("X-MBX-APIKEY", KEY).send_empty(),
            "GET" => ureq::get(url).header("X-MBX-APIKEY", KEY).call(),
            other => panic!("{other} is not needed"),
        };
        let mut answer = answer.unwrap_or_else(|error| panic!("{method} {path} {query}: {error}"));
        answer.body_mut().read_json().expect("JSON")
    }

    /// A buy of `symbol` far below the market, of somebody else.
    pub fn place_resting(&self, symbol: &str, price: &str, quantity: &str, id: &str) {
        let query = format!(
            "symbol={symbol}&side=BUY&type=LIMIT&timeInForce=GTC&quantity={quantity}\
             &price={price}&newClientOrderId={id}"
        );
        self.request("POST", "/fapi/v1/order", &query);
    }

    /// Buys at the market, as somebody else.
    pub fn buy(&self, symbol: &str, quantity: &str, id: &str) {
        let query = format!(
            "symbol={symbol}&side=BUY&type=MARKET&quantity={quantity}&newClientOrderId={id}"
        );
        self.request("POST", "/fapi/v1/order", &query);
    }

    /// A stop that closes the position, far below the market.
    pub fn place_stop(&self, symbol: &str, trigger: &str, id: &str) {
        let query = format!(
            "algoType=CONDITIONAL&symbol={symbol}&side=SELL&type=STOP_MARKET&closePosition=true\
             &triggerPrice={trigger}&clientAlgoId={id}"
        );
        self.request("POST", "/fapi/v1/algoOrder", &query);
    }
}
