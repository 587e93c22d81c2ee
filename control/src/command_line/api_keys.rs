//! `fulcrum key`: API keys, made and ended on the machine itself.
//!
//! In: names and scopes. Out: a key once, a list. Never: a running control asked; it sees the change
//! with its next request.

use super::{Failure, failure};
use crate::store::{Scope, Scopes, Store};
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
            let made = store.make_key(name, Scopes::of(scopes));
            let made = made.map_err(|error| failure(error.to_string()))?;
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
            let done = store.revoke_key(name);
            done.map_err(|error| failure(error.to_string()))?;
            println!("{name} is revoked");
        }
    }
    Ok(())
}
