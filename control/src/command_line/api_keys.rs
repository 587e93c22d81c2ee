//! `fulcrum key`: API keys, made and ended on the machine itself, or with an admin's key from elsewhere.
//!
//! In: names and scopes. Out: a key once, a list. Never: a need for a running control at the machine; it
//! takes a new key with its next request, and forgets a revoked one within a second.

use super::arguments::Arguments;
use super::remote::Remote;
use super::rows::escaped;
use super::{Failure, failure};
use crate::store::{AuditEntry, KeyError, Scope, Scopes, Store, now_utc_ms};
use crate::table::columns::{Align, lay_out};
use clap::Subcommand;
use hyper::Method;
use serde_json::{Value, json};

use Align::Left;

/// What can be done with API keys.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum KeyVerb {
    /// Makes a key and prints it, this once.
    Add {
        /// Whose or what for.
        name: String,
        /// What it may do; again for each.
        #[arg(long = "scope", value_enum, required = true)]
        scopes: Vec<Scope>,
    },
    /// Every key there is or was.
    List,
    /// Ends a key.
    Revoke {
        /// Its name.
        name: String,
    },
}

/// Does it.
pub(super) fn run(verb: &KeyVerb, arguments: &Arguments) -> Result<(), Failure> {
    let done = match arguments.away.is_meant() {
        true => away(verb, &mut Remote::open(arguments)?)?,
        false => here(verb, arguments)?,
    };
    if arguments.json && !matches!(verb, KeyVerb::Revoke { .. }) {
        println!("{done}");
        return Ok(());
    }
    match verb {
        KeyVerb::Add { .. } => println!("{}", done["key"].as_str().unwrap_or_default()),
        KeyVerb::List => println!("{}", list(&done)),
        KeyVerb::Revoke { name } => println!("{name} is revoked"),
    }
    Ok(())
}

/// In the store of this machine.
fn here(verb: &KeyVerb, arguments: &Arguments) -> Result<Value, Failure> {
    let store = Store::open(&arguments.state_dir).map_err(|error| failure(error.to_string()))?;
    match verb {
        KeyVerb::Add { name, scopes } => {
            let made = audited(&store, "make_key", name, || {
                store.make_key(name, Scopes::of(scopes))
            })?;
            Ok(json!(made))
        }
        KeyVerb::List => {
            let keys = store.keys().map_err(|error| failure(error.to_string()))?;
            Ok(json!(keys))
        }
        KeyVerb::Revoke { name } => {
            audited(&store, "revoke_key", name, || store.revoke_key(name))?;
            Ok(Value::Null)
        }
    }
}

/// Over the network, with an admin's key.
fn away(verb: &KeyVerb, remote: &mut Remote) -> Result<Value, Failure> {
    match verb {
        KeyVerb::Add { name, scopes } => {
            let body = json!({ "name": name, "scopes": scopes }).to_string();
            remote.put(Method::POST, "/keys", None, body)
        }
        KeyVerb::List => remote.get("/keys"),
        KeyVerb::Revoke { name } => {
            let path = format!("/keys/{}", escaped(name));
            remote.put(Method::DELETE, &path, None, String::new())
        }
    }
}

fn list(keys: &Value) -> String {
    let mut rows = vec![["name", "scopes", "holds"].map(String::from).to_vec()];
    for key in keys.as_array().into_iter().flatten() {
        let scopes = key["scopes"].as_array().into_iter().flatten();
        let scopes: Vec<&str> = scopes.filter_map(Value::as_str).collect();
        let holds = match key["revoked_utc_ms"].is_null() {
            true => "yes",
            false => "revoked",
        };
        rows.push(vec![
            key["name"].as_str().unwrap_or_default().to_string(),
            scopes.join(", "),
            holds.to_string(),
        ]);
    }
    lay_out(&[Left, Left, Left], &rows).join("\n")
}

/// Notes an act before and after it, with who sits here.
fn audited<T>(
    store: &Store,
    act: &str,
    name: &str,
    work: impl FnOnce() -> Result<T, KeyError>,
) -> Result<T, Failure> {
    let refused = |error: &dyn std::fmt::Display| failure(error.to_string());
    let user = format!("uid {}", rustix::process::getuid().as_raw());
    let entry = AuditEntry {
        utc_ms: now_utc_ms(),
        caller: "command-line",
        address: &user,
        act,
        arguments: &json!({ "name": name }).to_string(),
    };
    let id = store.audit_begin(entry).map_err(|error| refused(&error))?;
    let done = work();
    let (status, outcome) = match &done {
        Ok(_) => (200, "done".to_string()),
        Err(error) => (409, error.to_string()),
    };
    if let Err(error) = store.audit_end(id, status, &outcome) {
        eprintln!("fulcrum: the audit has no answer: {error}");
    }
    done.map_err(|error| refused(&error))
}
