//! The configuration while the box runs: which version is active, and how another one becomes it.
//!
//! In: texts from people and programs, the configuration's own file. Out: versions in the state
//! directory, and what the hot path took of each. Never: a version that holds although the hot path
//! refused it, one that is carried out before it is on the disk.
//!
//! A version is stored first and told second. Whoever dies between the two finds it at his next start:
//! the hot path starts with it, and control tells it again to a hot path that has another one.

mod edit;

pub use edit::{EditError, Screened, Switch, imported, switched};

use crate::hot_path::{AskError, HotPath};
use crate::store::now_utc_ms;
use operator::{ErrorCode, Reply, Request};
use serde::Serialize;
use settings::{
    Active, Ceilings, Change, Configuration, Effect, NewVersion, SettingsError, VersionError,
    VersionNote, Versions,
};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

/// Longest text of a configuration, in bytes.
pub const TEXT_MAX: usize = 48 * 1_024;

/// As versions name the build that accepted them.
const BUILD: &str = match option_env!("FULCRUM_REVISION") {
    Some(revision) => revision,
    None => env!("CARGO_PKG_VERSION"),
};

/// A key that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ChangeRow {
    /// Full name.
    pub key: String,
    /// What held; null where there was no such key.
    pub old: Option<String>,
    /// What is to hold; null where there is no such key any more.
    pub new: Option<String>,
    /// `at_once`, `hot_path_start`, `control_start`, `file_only`.
    pub effect: &'static str,
}

impl From<Change> for ChangeRow {
    fn from(change: Change) -> Self {
        Self {
            key: change.key,
            old: change.old,
            new: change.new,
            effect: change.effect.word(),
        }
    }
}

/// What the hot path made of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// It was not asked: nothing is to change.
    NotAsked,
    /// Its engine shows the version.
    Confirmed,
    /// It was told, and has not shown the version yet.
    Told,
    /// None runs, or it speaks another language: the version holds from its next start on.
    NextStart,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Applied {
    /// The version that is active now.
    pub version: u64,
    /// SHA-256 of its text.
    pub sha256: String,
    /// False where nothing was stored: nothing differs, or it was only asked what would.
    pub stored: bool,
    /// Every key that differs from the version before.
    pub changes: Vec<ChangeRow>,
    /// What the hot path made of it.
    pub hot_path: Taken,
    /// In words.
    pub note: String,
}

/// Why a version does not become active; nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The text, or the folder of versions.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// Somebody else was faster.
    #[error("version {found} is active, not {wanted}: look at the difference again")]
    Overtaken {
        /// What is active.
        found: u64,
        /// What the caller took for active.
        wanted: u64,
    },
    /// A key that only the file changes.
    #[error(
        "`{key}` is {old} and would be {new}: only {file} changes it, at a start of the hot path"
    )]
    FileOnly {
        /// The key.
        key: String,
        /// What holds.
        old: String,
        /// What was wanted.
        new: String,
        /// The configuration's own file.
        file: String,
    },
    /// The text cannot be edited so.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The hot path refused.
    #[error("version {version} is not active: the hot path refuses it: {message}")]
    Refused {
        /// Its number.
        version: u64,
        /// What the hot path says.
        message: String,
    },
    /// There is nothing to go back to.
    #[error("no earlier version can be gone back to")]
    NothingBefore,
    /// The version was refused, and is no configuration.
    #[error("version {0} was refused by the hot path: {1}")]
    WasRefused(u64, String),
}

impl From<SettingsError> for ApplyError {
    fn from(error: SettingsError) -> Self {
        Self::Version(error.into())
    }
}

/// What is wanted.
#[derive(Clone, Debug)]
pub enum Wish {
    /// This text.
    Text(String),
    /// The text of an earlier version; without a number of the one before.
    Rollback(Option<u64>),
    /// A strategy on or off.
    Switch(Switch),
}

/// A wish with what it is bound to.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// What.
    pub wish: Wish,
    /// The version that the caller takes for active.
    pub expected: Option<u64>,
    /// Only what would differ.
    pub dry_run: bool,
    /// Who wants it.
    pub who: String,
}

/// What is active and what runs.
struct Holding {
    active: Arc<Active>,
    /// What control runs with: its start's, with what was taken at once since.
    running: Arc<Configuration>,
}

/// The one place that changes the configuration of a running box.
pub struct Desk {
    versions: Versions,
    /// The configuration's own file.
    file: PathBuf,
    ceilings: Ceilings,
    holding: RwLock<Holding>,
    /// One change at a time.
    turn: tokio::sync::Mutex<()>,
    /// The version that waits for a start of the hot path, so that it is not told again and again.
    waits: Mutex<Option<u64>>,
}

impl Desk {
    /// Looks at the file, and at the versions that are there; `account` overrides the file's.
    ///
    /// # Errors
    /// [`VersionError`].
    pub fn open(
        state_dir: &Path,
        file: &Path,
        ceilings: Ceilings,
        account: Option<&str>,
    ) -> Result<Self, VersionError> {
        let versions = Versions::of(state_dir);
        let active = settle(&versions, file, &ceilings, "fulcrum-control")?;
        let mut running = active.configuration.clone();
        if let Some(account) = account {
            running.settings.account = account.to_string();
        }
        let running = Arc::new(running);
        Ok(Self {
            versions,
            file: file.to_path_buf(),
            ceilings,
            holding: RwLock::new(Holding {
                active: Arc::new(active),
                running,
            }),
            turn: tokio::sync::Mutex::default(),
            waits: Mutex::default(),
        })
    }

    /// The active version.
    #[must_use]
    pub fn active(&self) -> Arc<Active> {
        let holding = self.holding.read().expect("nobody panics while it is held");
        Arc::clone(&holding.active)
    }

    /// What this process runs with.
    #[must_use]
    pub fn running(&self) -> Arc<Configuration> {
        let holding = self.holding.read().expect("nobody panics while it is held");
        Arc::clone(&holding.running)
    }

    /// All versions, the newest first.
    ///
    /// # Errors
    /// [`VersionError`].
    pub fn history(&self) -> Result<Vec<VersionNote>, VersionError> {
        self.versions.notes()
    }

    /// One version with its text.
    ///
    /// # Errors
    /// [`VersionError`].
    pub fn version(&self, number: u64) -> Result<(VersionNote, String), VersionError> {
        Ok((self.versions.note(number)?, self.versions.text(number)?))
    }

    /// Carries a wish out.
    ///
    /// # Errors
    /// [`ApplyError`]: nothing has changed.
    pub async fn carry_out(
        &self,
        hot_path: &HotPath,
        wanted: &Wanted,
    ) -> Result<Applied, ApplyError> {
        let _turn = self.turn.lock().await;
        let active = self.look().await?;
        let found = active.note.version;
        if let Some(expected) = wanted.expected.filter(|expected| *expected != found) {
            let wanted = expected;
            return Err(ApplyError::Overtaken { found, wanted });
        }
        let (text, origin) = self.text_of(&wanted.wish, &active).await?;
        let new = Configuration::check(&origin, &text, &self.ceilings)?;
        let changes = active.configuration.changes_to(&new);
        let file_only = changes.iter().find(|one| one.effect == Effect::FileOnly);
        if let Some(change) = file_only {
            let value = |value: &Option<String>| value.clone().unwrap_or("nothing".to_string());
            return Err(ApplyError::FileOnly {
                key: change.key.clone(),
                old: value(&change.old),
                new: value(&change.new),
                file: self.file.display().to_string(),
            });
        }
        let rows: Vec<ChangeRow> = changes.into_iter().map(ChangeRow::from).collect();
        if wanted.dry_run || text == active.text {
            let note = match text == active.text {
                true => "nothing differs",
                false => "this is what would differ; nothing has changed",
            };
            return Ok(applied(&active.note, false, rows, Taken::NotAsked, note));
        }
        let (versions, kept, who) = (self.versions.clone(), text.clone(), wanted.who.clone());
        let add = move || {
            versions.add(&NewVersion {
                text: &kept,
                build: BUILD,
                who: &who,
                utc_ms: now_utc_ms(),
                origin: &origin,
            })
        };
        let note = on_disk(add).await?;
        let (taken, words) = self.tell(hot_path, &note, &text).await?;
        let version = Active {
            note: note.clone(),
            text,
            configuration: new,
            passed_over: Vec::new(),
        };
        self.hold(version, taken);
        Ok(applied(&note, true, rows, taken, &words))
    }

    /// The file was edited, and somebody says so.
    ///
    /// # Errors
    /// [`ApplyError`]: nothing has changed.
    pub async fn reload(
        &self,
        hot_path: &HotPath,
        who: &'static str,
    ) -> Result<Applied, ApplyError> {
        let _turn = self.turn.lock().await;
        let before = self.active();
        let (versions, file) = (self.versions.clone(), self.file.clone());
        let ceilings = self.ceilings.clone();
        let active = on_disk(move || settle(&versions, &file, &ceilings, who)).await?;
        if active.note.version == before.note.version {
            let rows = Vec::new();
            let note = "the file is as it was, or what is active already";
            return Ok(applied(&active.note, false, rows, Taken::NotAsked, note));
        }
        let changes = before.configuration.changes_to(&active.configuration);
        let rows = changes.into_iter().map(ChangeRow::from).collect();
        let note = active.note.clone();
        let (taken, words) = self.tell(hot_path, &note, &active.text).await?;
        self.hold(active, taken);
        Ok(applied(&note, true, rows, taken, &words))
    }

    /// Tells a hot path that shows another version than the active one; for whoever died between
    /// storing and confirming. Nothing where all is as it should be.
    ///
    /// # Errors
    /// [`ApplyError`].
    pub async fn agree(
        &self,
        hot_path: &HotPath,
        shown: u64,
    ) -> Result<Option<Applied>, ApplyError> {
        let _turn = self.turn.lock().await;
        let waits = *self.waits.lock().expect("nobody panics while it is held");
        let known = self.active().note.version;
        if shown == known || waits == Some(known) {
            return Ok(None);
        }
        let active = self.look().await?;
        if shown == active.note.version {
            return Ok(None);
        }
        let (taken, words) = self.tell(hot_path, &active.note, &active.text).await?;
        self.hold(Active::clone(&active), taken);
        let rows = Vec::new();
        Ok(Some(applied(&active.note, false, rows, taken, &words)))
    }

    /// What is active by the disk: the hot path may have made a version of an edited file.
    async fn look(&self) -> Result<Arc<Active>, VersionError> {
        let known = self.active();
        let (versions, file) = (self.versions.clone(), self.file.clone());
        let (ceilings, number) = (self.ceilings.clone(), known.note.version);
        let newer = move || {
            let newest = versions
                .notes()?
                .into_iter()
                .find(|one| one.refused.is_none());
            match newest.is_some_and(|one| one.version == number) {
                true => Ok(None),
                false => versions.active(&file, &ceilings).map(Some),
            }
        };
        let Some(active) = on_disk(newer).await? else {
            return Ok(known);
        };
        let active = Arc::new(active);
        let mut holding = self
            .holding
            .write()
            .expect("nobody panics while it is held");
        holding.active = Arc::clone(&active);
        Ok(active)
    }

    async fn text_of(&self, wish: &Wish, active: &Active) -> Result<(String, String), ApplyError> {
        match wish {
            Wish::Text(text) => Ok((text.clone(), "a text that was handed over".to_string())),
            Wish::Switch(switch) => {
                let text = switched(&active.text, switch)?;
                refuse_other_symbols(switch, &active.configuration)?;
                Ok((text, switch.to_string()))
            }
            Wish::Rollback(number) => {
                let (versions, number) = (self.versions.clone(), *number);
                let before = active.note.version;
                let found = on_disk(move || {
                    let note = match number {
                        Some(number) => Some(versions.note(number)?),
                        None => {
                            let mut notes = versions.notes()?.into_iter();
                            notes.find(|one| one.version < before && one.refused.is_none())
                        }
                    };
                    let text = note.as_ref().map(|note| versions.text(note.version));
                    Ok((note, text.transpose()?))
                });
                let (Some(note), Some(text)) = found.await? else {
                    return Err(ApplyError::NothingBefore);
                };
                if let Some(why) = note.refused {
                    return Err(ApplyError::WasRefused(note.version, why));
                }
                Ok((text, format!("rollback to version {}", note.version)))
            }
        }
    }

    /// Asks the hot path to take it. A refusal is noted with the version, which then never counts.
    async fn tell(
        &self,
        hot_path: &HotPath,
        note: &VersionNote,
        text: &str,
    ) -> Result<(Taken, String), ApplyError> {
        let version = note.version;
        let request = Request::Configure {
            version,
            text: text.to_string(),
        };
        let mut waits = None;
        let told = match hot_path.ask(&request).await {
            Ok(Reply::Configured(reply)) if reply.confirmed => {
                let waiting = reply.waiting.len();
                waits = (waiting > 0).then_some(version);
                let words = format!(
                    "the hot path runs with version {version}: {} in force at once, {waiting} from \
                     its next start on",
                    reply.at_once.len()
                );
                (Taken::Confirmed, words)
            }
            Ok(Reply::Configured(_)) => {
                let words = "the hot path was told and has not confirmed it; look at the status";
                (Taken::Told, words.to_string())
            }
            Ok(Reply::Refused(refusal)) if refusal.code == ErrorCode::BadConfiguration => {
                let (versions, message) = (self.versions.clone(), refusal.message);
                let why = message.clone();
                on_disk(move || versions.refuse(version, &why)).await?;
                return Err(ApplyError::Refused { version, message });
            }
            Ok(Reply::Refused(refusal)) => {
                waits = Some(version);
                let words = format!(
                    "it holds from the hot path's next start on: {}",
                    refusal.message
                );
                (Taken::NextStart, words)
            }
            Err(error @ AskError::Unreachable { .. }) => {
                let words = format!("it holds from the hot path's next start on: {error}");
                (Taken::NextStart, words)
            }
            Ok(_) => (Taken::Told, "the hot path gave another answer".to_string()),
            Err(error) => (Taken::Told, error.to_string()),
        };
        *self.waits.lock().expect("nobody panics while it is held") = waits;
        Ok(told)
    }

    fn hold(&self, active: Active, taken: Taken) {
        let mut holding = self
            .holding
            .write()
            .expect("nobody panics while it is held");
        let mut running = Configuration::clone(&holding.running);
        if taken == Taken::Confirmed {
            running.take_at_once(&active.configuration);
        }
        // What is expected of the hot path, whether it has it or not.
        running.settings.sha256 = active.configuration.settings.sha256;
        holding.running = Arc::new(running);
        holding.active = Arc::new(active);
    }
}

/// Work on the disk, away from the thread that serves: a kill waits for no disk.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, VersionError> + Send + 'static,
) -> Result<T, VersionError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(VersionError::File {
            path: "config".to_string(),
            source: std::io::Error::other(error),
        })
    })
}

/// A symbol that the strategy does not trade.
fn refuse_other_symbols(switch: &Switch, active: &Configuration) -> Result<(), EditError> {
    let settings = &active.settings;
    let mut named = settings
        .strategies
        .iter()
        .filter(|one| one.name == switch.strategy);
    let (Some(one), Some(symbol)) = (named.next(), &switch.symbol) else {
        return Ok(());
    };
    let mut traded = one
        .instruments
        .iter()
        .map(|place| settings.instruments[*place]);
    match traded.any(|key| key.symbol.as_str() == symbol.as_str()) {
        true => Ok(()),
        false => Err(EditError::NoSymbol {
            strategy: switch.strategy.clone(),
            symbol: symbol.clone(),
        }),
    }
}

fn settle(
    versions: &Versions,
    file: &Path,
    ceilings: &Ceilings,
    who: &str,
) -> Result<Active, VersionError> {
    let name = file.display().to_string();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(source) => return Err(SettingsError::Unreadable { file: name, source }.into()),
    };
    let by = NewVersion {
        text: &text,
        build: BUILD,
        who,
        utc_ms: now_utc_ms(),
        origin: &name,
    };
    versions.settle(file, &by, ceilings)
}

fn applied(
    note: &VersionNote,
    stored: bool,
    changes: Vec<ChangeRow>,
    hot_path: Taken,
    words: &str,
) -> Applied {
    Applied {
        version: note.version,
        sha256: note.sha256.clone(),
        stored,
        changes,
        hot_path,
        note: words.to_string(),
    }
}
