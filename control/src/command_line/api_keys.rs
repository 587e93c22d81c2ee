//! `fulcrum key`: API keys, made and ended on the machine itself.
//!
//! In: names and scopes. Out: a key once, a list. Never: a running control asked; it takes a new key with
//! its next request, and forgets a revoked one within a second.

use super::{Failure, failure};
use crate::store::{AuditEntry, KeyError, Scope, Scopes, Store, now_utc_ms};
use crate::table::columns::{Align, lay_out};
use clap::Subcommand;
use serde_json::json;
use std::path::Path;

use Align::Left;

/// What can be done with API keys.
#[derive(Debug, Subcommand)]
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
pub(super) fn run(verb: &KeyVerb, state_dir: &Path, as_json: bool) -> Result<(), Failure> {
    let store = Store::open(state_dir).map_err(|error| failure(error.to_string()))?;
    match verb {
        KeyVerb::Add { name, scopes } => {
            let made = audited(&store, "make_key", name, || {
                store.make_key(name, Scopes::of(scopes))
            })?;
            match as_json {
                true => println!("{}", json!(made)),
                false => println!("{}", made.key),
            }
        }
        KeyVerb::List => {
            let keys = store.keys().map_err(|error| failure(error.to_string()))?;
            if as_json {
                println!("{}", json!(keys));
                return Ok(());
            }
            let mut rows = vec![["name", "scopes", "holds"].map(String::from).to_vec()];
            for key in keys {
                let scopes: Vec<&str> = key.scopes.iter().map(|one| one.word()).collect();
                let holds = match key.revoked_utc_ms {
                    None => "yes",
                    Some(_) => "revoked",
                };
                rows.push(vec![key.name, scopes.join(", "), holds.to_string()]);
            }
            println!("{}", lay_out(&[Left, Left, Left], &rows).join("\n"));
        }
        KeyVerb::Revoke { name } => {
            audited(&store, "revoke_key", name, || store.revoke_key(name))?;
            println!("{name} is revoked");
        }
    }
    Ok(())
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
