//! Control messages of stream connections: SUBSCRIBE and its relatives (binance.md 3.1).
//!
//! In: one text frame. Out: its answer; subscriptions in the hub. Never: an event before the
//! acknowledgement, because both go through the same queue in this order.

use market::Market;
use serde_json::{Value, json};

use super::hub::{ConnectionId, Hub};
use super::names::Route;
use crate::private::ListenKeys;

/// Streams of one connection (binance.md 3.1).
const STREAMS_MAX: usize = 1_024;
/// Longest name that is remembered; a longer one names nothing and would only cost memory.
const NAME_BYTES_MAX: usize = 256;

/// Where a message came from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// The market of the port.
    pub market: Market,
    /// The connection.
    pub connection: ConnectionId,
    /// What it reaches.
    pub route: Route,
}

/// Handles one message; the answer is sent before any later event.
pub fn handle(text: &str, origin: Origin, hub: &mut Hub, keys: &mut ListenKeys) -> String {
    let message: Value = match serde_json::from_str(text) {
        Ok(message) => message,
        Err(error) => return refuse(3, &format!("Invalid JSON: {error}"), &Value::Null),
    };
    let id = message.get("id").cloned().unwrap_or(Value::Null);
    let Some(method) = message.get("method").and_then(Value::as_str) else {
        return refuse(2, "Invalid request: missing field `method`", &id);
    };
    let no_params = Vec::new();
    let params = message
        .get("params")
        .and_then(Value::as_array)
        .unwrap_or(&no_params);
    match method {
        "SUBSCRIBE" | "UNSUBSCRIBE" => {
            let names: Option<Vec<&str>> = params.iter().map(Value::as_str).collect();
            let Some(names) = names else {
                return refuse(2, "Invalid request: request must be a list of strings", &id);
            };
            if method == "UNSUBSCRIBE" {
                names
                    .iter()
                    .for_each(|name| unsubscribe(name, origin, hub, keys));
            } else {
                if hub.subscriptions(origin.connection).len() + names.len() > STREAMS_MAX {
                    return refuse(4, "Too many subscriptions", &id);
                }
                names
                    .iter()
                    .for_each(|name| subscribe(name, origin, hub, keys));
            }
            json!({"result": null, "id": id}).to_string()
        }
        "LIST_SUBSCRIPTIONS" => {
            json!({"result": hub.subscriptions(origin.connection), "id": id}).to_string()
        }
        "SET_PROPERTY" | "GET_PROPERTY" => property(method, params, &id, origin, hub),
        other => {
            let message = format!("Invalid request: unknown variant `{other}`");
            refuse(2, &message, &id)
        }
    }
}

/// Subscribes to a stream, or on the private route to a listen key.
pub fn subscribe(name: &str, origin: Origin, hub: &mut Hub, keys: &mut ListenKeys) {
    if name.len() > NAME_BYTES_MAX {
        return;
    }
    hub.subscribe(origin.connection, name);
    if origin.market == Market::UsdM && origin.route == Route::Private {
        keys.listen(origin.connection, name);
    }
}

fn unsubscribe(name: &str, origin: Origin, hub: &mut Hub, keys: &mut ListenKeys) {
    hub.unsubscribe(origin.connection, name);
    if origin.route == Route::Private {
        keys.forget(origin.connection, Some(name));
    }
}

fn property(method: &str, params: &[Value], id: &Value, origin: Origin, hub: &mut Hub) -> String {
    if params.first().and_then(Value::as_str) != Some("combined") {
        return refuse(0, "Unknown property", id);
    }
    if method == "GET_PROPERTY" {
        return json!({"result": hub.is_combined(origin.connection), "id": id}).to_string();
    }
    let Some(combined) = params.get(1).and_then(Value::as_bool) else {
        return refuse(1, "Invalid value type: expected Boolean", id);
    };
    hub.set_combined(origin.connection, combined);
    json!({"result": null, "id": id}).to_string()
}

fn refuse(code: i64, message: &str, id: &Value) -> String {
    json!({"error": {"code": code, "msg": message}, "id": id}).to_string()
}
