//! Accounts beside the first one, and their keys.
//!
//! In: registrations on the control port. Out: the account that a key is for. Never: a secret in
//! an answer, a key that two accounts share.

use matching::AccountId;

use crate::api::auth::Keys;

/// Accounts that one exchange keeps, the first included: every market event reaches all of them.
pub const ACCOUNTS_MAX: usize = 64;

/// One registered account.
pub struct Registered {
    /// The operator's name for it.
    pub name: String,
    /// Its API key.
    pub key: String,
    /// What its signatures are checked with, as it was given.
    pub(crate) secret: String,
    /// What its requests are checked with.
    pub keys: Keys,
    /// Its place on both floors.
    pub account: AccountId,
}

/// All accounts but the first.
#[derive(Default)]
pub struct Accounts {
    list: Vec<Registered>,
}

impl Accounts {
    /// The account of a key; `None` where the first account has to know it.
    #[must_use]
    pub fn of_key(&self, key: Option<&str>) -> Option<&Registered> {
        let key = key?;
        self.list.iter().find(|one| one.key == key)
    }

    /// The account of a name.
    #[must_use]
    pub fn of_name(&self, name: &str) -> Option<&Registered> {
        self.list.iter().find(|one| one.name == name)
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Registered> {
        self.list.iter()
    }

    /// Registers one.
    pub fn add(&mut self, one: Registered) {
        self.list.push(one);
    }
}
