//! The API of control, as a program on another machine asks it.

use super::Rig;
use serde_json::Value;
use ureq::http::{Method, Request};

impl Rig {
    /// Where the API is.
    #[must_use]
    pub fn api(&self) -> String {
        format!("http://127.0.0.1:{}", self.api_port)
    }

    /// A new API key, made as a person would.
    #[must_use]
    pub fn api_key(&self, name: &str, scopes: &[&str]) -> String {
        let mut words = vec!["key", "add", name];
        for scope in scopes {
            words.extend(["--scope", scope]);
        }
        let said = self.fulcrum(&words);
        let key = said.reply["key"].as_str();
        key.unwrap_or_else(|| panic!("{said:?}")).to_string()
    }

    /// One call: its status, and its answer as JSON; null where that is none.
    #[must_use]
    pub fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .new_agent();
        let method: Method = method.parse().expect("a method");
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.to_string()).expect("a request");
        let mut answer = agent.run(request).expect("control answers");
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        (
            answer.status().as_u16(),
            serde_json::from_str(&text).unwrap_or_default(),
        )
    }
}
