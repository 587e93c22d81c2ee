//! API keys: 256 random bits each, of which only the hash is kept.
//!
//! In: names and scopes. Out: a key once, to whoever made it; afterwards whose a presented one is.
//! Never: the key itself on the disk, a comparison whose time tells how far it went.

use super::{Store, StoreError, now_utc_ms};
use rusqlite::params;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Most keys that are not revoked.
pub const KEYS_MAX: usize = 64;

/// Names that the audit gives to others.
const RESERVED: [&str; 4] = [
    "anyone",
    "command-line",
    "control.sock",
    "control-read.sock",
];

/// Before each key, so that a secret scanner finds one that lies where it should not.
const PREFIX: &str = "fulcrum_";

/// What a key may do.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum, utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Look at everything but keys and audit.
    Read,
    /// The verbs of an operator.
    Operate,
    /// `kill`.
    Kill,
    /// Everything, keys and audit too.
    Admin,
}

impl Scope {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Read, "read"),
        (Self::Operate, "operate"),
        (Self::Kill, "kill"),
        (Self::Admin, "admin"),
    ];

    /// As it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// Several scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// These.
    #[must_use]
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, one| bits | 1 << *one as u8))
    }

    /// True when they allow what needs `scope`; an admin may do everything.
    #[must_use]
    pub const fn allow(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8 | 1 << Scope::Admin as u8) != 0
    }

    /// As words.
    #[must_use]
    pub fn list(self) -> Vec<Scope> {
        let all = Scope::ALL.iter().map(|(scope, _)| *scope);
        all.filter(|one| self.0 & 1 << *one as u8 != 0).collect()
    }

    fn text(self) -> String {
        let words: Vec<&str> = self.list().into_iter().map(Scope::word).collect();
        words.join(",")
    }

    fn parse(text: &str) -> Self {
        let known = |word| Scope::ALL.iter().find(|(_, known)| *known == word);
        let scopes: Vec<Scope> = text
            .split(',')
            .filter_map(known)
            .map(|(one, _)| *one)
            .collect();
        Self::of(&scopes)
    }
}

/// A key as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ApiKey {
    /// Whose or what for.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made, milliseconds UTC.
    pub created_utc_ms: i64,
    /// When it was revoked; null while it holds.
    pub revoked_utc_ms: Option<i64>,
}

/// A key that was made just now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct NewKey {
    /// Its name.
    pub name: String,
    /// The key: it is shown this once.
    pub key: String,
}

/// Why a key is not made or revoked.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The name is none.
    #[error(
        "a name has 1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`, and is no name of the audit's own \
         (anyone, command-line, control.sock, control-read.sock); found `{0}`"
    )]
    Name(String),
    /// There is one of this name, revoked or not: the audit would not tell them apart.
    #[error("a key named `{0}` is or was there; take another name")]
    Taken(String),
    /// None has this name.
    #[error("no key is named `{0}`")]
    Unknown(String),
    /// Nothing may be done with it.
    #[error("a key needs one scope at least: read, operate, kill, admin")]
    NoScope,
    /// Enough.
    #[error("there are {KEYS_MAX} keys; revoke one first")]
    TooMany,
    /// No random bits.
    #[error("the system gives no random bits: {0}")]
    Random(rustix::io::Errno),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for KeyError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Makes a key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn make_key(&self, name: &str, scopes: Scopes) -> Result<NewKey, KeyError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let reserved = RESERVED.contains(&name);
        if name.is_empty() || name.len() > 64 || reserved || !name.bytes().all(plain) {
            return Err(KeyError::Name(name.to_string()));
        }
        if scopes == Scopes::default() {
            return Err(KeyError::NoScope);
        }
        let mut bits = [0; 32];
        rustix::rand::getrandom(&mut bits, rustix::rand::GetRandomFlags::empty())
            .map_err(KeyError::Random)?;
        let digits: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = format!("{PREFIX}{digits}");
        let connection = self.lock();
        let live: i64 = connection.query_row(
            "SELECT count(*) FROM api_keys WHERE revoked_utc_ms IS NULL",
            [],
            |row| row.get(0),
        )?;
        if usize::try_from(live).is_ok_and(|live| live >= KEYS_MAX) {
            return Err(KeyError::TooMany);
        }
        let made = connection.execute(
            "INSERT OR IGNORE INTO api_keys (name, hash, scopes, created_utc_ms)
             VALUES (?1, ?2, ?3, ?4)",
            params![name, hash(&key), scopes.text(), now_utc_ms()],
        )?;
        if made == 0 {
            return Err(KeyError::Taken(name.to_string()));
        }
        let name = name.to_string();
        Ok(NewKey { name, key })
    }

    /// Ends a key.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn revoke_key(&self, name: &str) -> Result<(), KeyError> {
        let changed = self.lock().execute(
            "UPDATE api_keys SET revoked_utc_ms = coalesce(revoked_utc_ms, ?2) WHERE name = ?1",
            params![name, now_utc_ms()],
        )?;
        if changed == 0 {
            return Err(KeyError::Unknown(name.to_string()));
        }
        // It is revoked, whatever becomes of the look at it; the next one is soon.
        if let Err(error) = self.refresh_keys() {
            tracing::warn!("keys are as they were: {error}");
        }
        Ok(())
    }

    /// Every key there is or was, the oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let connection = self.look();
        let mut statement = connection.prepare_cached(
            "SELECT name, scopes, created_utc_ms, revoked_utc_ms FROM api_keys
             ORDER BY created_utc_ms, name",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(ApiKey {
                name: row.get(0)?,
                scopes: Scopes::parse(&row.get::<_, String>(1)?).list(),
                created_utc_ms: row.get(2)?,
                revoked_utc_ms: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Whose a presented key is, and what it may do, as far as is known without the disk. Every key
    /// is compared to its end.
    #[must_use]
    pub fn known_owner_of(&self, presented: &str) -> Option<(String, Scopes)> {
        let presented = hash(presented);
        let ring = self.ring.read().expect("nobody panics while it is held");
        let mut owner = None;
        for key in ring.iter() {
            if bool::from(key.hash.ct_eq(&presented)) {
                owner = Some((key.name.clone(), key.scopes));
            }
        }
        owner
    }

    /// Whether a key of this name holds and may do what needs `scope`, as far as is known without the
    /// disk.
    #[must_use]
    pub fn holds(&self, name: &str, scope: Scope) -> bool {
        let ring = self.ring.read().expect("nobody panics while it is held");
        let mut named = ring.iter().filter(|key| key.name == name);
        named.any(|key| key.scopes.allow(scope))
    }

    /// The same, with what another process may have written just now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn owner_of(&self, presented: &str) -> Result<Option<(String, Scopes)>, StoreError> {
        if let Some(owner) = self.known_owner_of(presented) {
            return Ok(Some(owner));
        }
        self.refresh_keys()?;
        Ok(self.known_owner_of(presented))
    }

    /// Reads the keys that hold: others may have made or revoked some.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn refresh_keys(&self) -> Result<(), StoreError> {
        let connection = self.look();
        let mut statement = connection.prepare_cached(
            "SELECT name, scopes, hash FROM api_keys WHERE revoked_utc_ms IS NULL",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(KnownKey {
                name: row.get(0)?,
                scopes: Scopes::parse(&row.get::<_, String>(1)?),
                hash: row.get(2)?,
            })
        })?;
        let keys = rows.collect::<Result<_, _>>()?;
        *self.ring.write().expect("nobody panics while it is held") = keys;
        Ok(())
    }
}

/// A key that holds.
pub(super) struct KnownKey {
    name: String,
    scopes: Scopes,
    hash: Vec<u8>,
}

fn hash(key: &str) -> Vec<u8> {
    Sha256::digest(key.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::super::tests::Folder;
    use super::*;

    #[test]
    fn a_key_is_known_until_it_is_revoked_and_lies_nowhere() {
        let folder = Folder::new("keys");
        let store = folder.store();
        let scopes = Scopes::of(&[Scope::Read, Scope::Kill]);
        let made = store.make_key("phone", scopes).unwrap();
        assert_eq!(made.key.len(), PREFIX.len() + 64);
        let owner = store.owner_of(&made.key).unwrap();
        assert_eq!(owner, Some(("phone".to_string(), scopes)));
        for other in ["", "fulcrum_", &made.key[1..], &made.key.to_uppercase()] {
            assert_eq!(store.owner_of(other).unwrap(), None, "{other}");
        }
        assert!(matches!(
            store.make_key("phone", scopes),
            Err(KeyError::Taken(_))
        ));
        store.revoke_key("phone").unwrap();
        assert_eq!(store.owner_of(&made.key).unwrap(), None);
        assert!(matches!(
            store.make_key("phone", scopes),
            Err(KeyError::Taken(_))
        ));
        assert!(matches!(store.revoke_key("x"), Err(KeyError::Unknown(_))));
        drop(store);
        let digits = made.key.strip_prefix(PREFIX).unwrap();
        for file in std::fs::read_dir(folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(digits), "only the hash is kept");
        }
    }

    #[test]
    fn scopes_allow_what_they_say_and_an_admin_everything() {
        let read = Scopes::of(&[Scope::Read]);
        assert!(read.allow(Scope::Read) && !read.allow(Scope::Operate) && !read.allow(Scope::Kill));
        let operate = Scopes::of(&[Scope::Operate]);
        assert!(!operate.allow(Scope::Read) && !operate.allow(Scope::Kill));
        let admin = Scopes::of(&[Scope::Admin]);
        assert!(Scope::ALL.iter().all(|(scope, _)| admin.allow(*scope)));
        assert_eq!(Scopes::parse(&admin.text()), admin);
        assert_eq!(Scopes::parse("read,nonsense").list(), [Scope::Read]);
    }

    #[test]
    fn names_scopes_and_their_number_have_bounds() {
        let folder = Folder::new("key-bounds");
        let store = folder.store();
        let read = Scopes::of(&[Scope::Read]);
        for name in ["", "a b", "a/b", "control.sock", &"x".repeat(65)] {
            assert!(
                matches!(store.make_key(name, read), Err(KeyError::Name(_))),
                "{name}"
            );
        }
        assert!(matches!(
            store.make_key("a", Scopes::default()),
            Err(KeyError::NoScope)
        ));
        for number in 0..KEYS_MAX {
            store.make_key(&format!("key-{number}"), read).unwrap();
        }
        assert!(matches!(
            store.make_key("more", read),
            Err(KeyError::TooMany)
        ));
        store.revoke_key("key-0").unwrap();
        assert!(store.make_key("more", read).is_ok());
    }
}
