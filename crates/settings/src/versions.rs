//! Versions of the configuration, in `config/` of the state directory.
//!
//! In: the configuration's own file, texts that were accepted. Out: the version that is active: the
//! newest one that this build, within its ceilings, accepts. Never: a version that is half there, one
//! that chooses another exchange or account than the file does.
//!
//! ```text
//! config/7.toml   the text
//! config/7.json   its note; a version without one is not there
//! config/file     the configuration's own file as it was looked at last
//! config/lock     held by whoever writes
//! ```
//!
//! The file is one that a person edits: when its bytes are others than those looked at last, it is the
//! next version. While they are the same, whatever was accepted since holds.

use crate::changes::{Configuration, differs_in_file_only};
use crate::checked::Settings;
use crate::limits::Ceilings;
use crate::written::SettingsError;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Versions that are kept; the oldest go first.
pub const VERSIONS_MAX: usize = 200;

/// What is known of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionNote {
    /// Number, from 1.
    pub version: u64,
    /// SHA-256 of its text, in hexadecimal digits.
    pub sha256: String,
    /// The build that accepted it.
    pub build: String,
    /// Who wanted it.
    pub who: String,
    /// When it was accepted, milliseconds UTC.
    pub utc_ms: i64,
    /// Where it came from.
    pub origin: String,
    /// Why the hot path did not take it; then it never counts.
    pub refused: Option<String>,
}

/// What is to become a version.
#[derive(Clone, Copy, Debug)]
pub struct NewVersion<'a> {
    /// The text.
    pub text: &'a str,
    /// The build that accepted it.
    pub build: &'a str,
    /// Who wanted it.
    pub who: &'a str,
    /// Now, milliseconds UTC.
    pub utc_ms: i64,
    /// Where it came from.
    pub origin: &'a str,
}

/// The version that holds.
#[derive(Clone, Debug)]
pub struct Active {
    /// Its note.
    pub note: VersionNote,
    /// Its text.
    pub text: String,
    /// Checked.
    pub configuration: Configuration,
    /// Newer ones that do not count, and why.
    pub passed_over: Vec<(u64, String)>,
}

/// Why there is no active version.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// The configuration's own file, or no version at all, can be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The folder cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// There is no such version.
    #[error("there is no version {0}")]
    Unknown(u64),
}

/// The folder.
#[derive(Clone, Debug)]
pub struct Versions {
    folder: PathBuf,
}

impl Versions {
    /// Those of a state directory.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self {
            folder: state_dir.join("config"),
        }
    }

    /// Looks at the configuration's own file, makes a version of it where it has changed, and chooses
    /// the active version. `by` has the file's text.
    ///
    /// # Errors
    /// [`VersionError::Settings`] where the changed file cannot be used: who has just written it wants
    /// to know, and not to run on with what was before.
    pub fn settle(
        &self,
        file: &Path,
        by: &NewVersion<'_>,
        ceilings: &Ceilings,
    ) -> Result<Active, VersionError> {
        let name = file.display().to_string();
        let _lock = self.lock()?;
        let looked_at = self.read("file")?;
        let sha256 = sha256_text(by.text);
        let newest = self.notes()?.into_iter().next();
        let newest = newest.filter(|one| one.sha256 == sha256);
        // A file that was refused is looked at again: its ceilings may be others now, and if they are
        // not, who starts with it wants to know.
        let was_refused = newest.as_ref().is_some_and(|one| one.refused.is_some());
        if looked_at.as_deref() != Some(by.text) || was_refused {
            Configuration::check(&name, by.text, ceilings)?;
            if newest.is_none() || was_refused {
                self.add_locked(by)?;
            }
            self.write("file", by.text.as_bytes())?;
        }
        self.choose(&name, by.text, ceilings)
    }

    /// The active version, with the file as it was looked at last.
    ///
    /// # Errors
    /// [`VersionError`].
    pub fn active(&self, file: &Path, ceilings: &Ceilings) -> Result<Active, VersionError> {
        let text = self.read("file")?.ok_or(VersionError::Unknown(0))?;
        self.choose(&file.display().to_string(), &text, ceilings)
    }

    /// The newest version that this build accepts and that is of the file's exchange and account.
    fn choose(&self, name: &str, file: &str, ceilings: &Ceilings) -> Result<Active, VersionError> {
        // A later build's file has keys that this one does not know; of these it knows all.
        let own = Settings::keys_as_written(name, file)?;
        let mut passed_over = Vec::new();
        for note in self.notes()? {
            let version = note.version;
            if let Some(why) = &note.refused {
                passed_over.push((version, why.clone()));
                continue;
            }
            let text = self.text(version)?;
            if sha256_text(&text) != note.sha256 {
                let why = "its text is not the one that was accepted".to_string();
                passed_over.push((version, why));
                continue;
            }
            let place = self.path(version).display().to_string();
            let configuration = match Configuration::check(&place, &text, ceilings) {
                Ok(configuration) => configuration,
                Err(error) => {
                    passed_over.push((version, error.to_string()));
                    continue;
                }
            };
            if let Some(other) = differs_in_file_only(&own, &configuration.keys) {
                let why = format!("`{}` is another one than in {name}", other.key);
                passed_over.push((version, why));
                continue;
            }
            return Ok(Active {
                note,
                text,
                configuration,
                passed_over,
            });
        }
        // No version is left; the file says why, or it is one.
        Configuration::check(name, file, ceilings)?;
        Err(VersionError::Unknown(0))
    }

    /// Keeps a text as the next version.
    ///
    /// # Errors
    /// [`VersionError::File`].
    pub fn add(&self, new: &NewVersion<'_>) -> Result<VersionNote, VersionError> {
        let _lock = self.lock()?;
        self.add_locked(new)
    }

    fn add_locked(&self, new: &NewVersion<'_>) -> Result<VersionNote, VersionError> {
        let notes = self.notes()?;
        let note = VersionNote {
            version: notes.first().map_or(0, |newest| newest.version) + 1,
            sha256: sha256_text(new.text),
            build: new.build.to_string(),
            who: new.who.to_string(),
            utc_ms: new.utc_ms,
            origin: new.origin.to_string(),
            refused: None,
        };
        // Both names are on the disk when the note's is: without it there is no version.
        self.put(&format!("{}.toml", note.version), new.text.as_bytes())?;
        self.write_note(&note)?;
        for old in notes.iter().skip(VERSIONS_MAX - 1) {
            // The note first: without it there is no version.
            for kind in ["json", "toml"] {
                let path = self.folder.join(format!("{}.{kind}", old.version));
                fs::remove_file(&path).map_err(|source| failed(&path, source))?;
            }
        }
        Ok(note)
    }

    /// The hot path did not take it: it never counts.
    ///
    /// # Errors
    /// [`VersionError`].
    pub fn refuse(&self, version: u64, why: &str) -> Result<(), VersionError> {
        let _lock = self.lock()?;
        let mut note = self.note(version)?;
        note.refused = Some(why.to_string());
        self.write_note(&note)
    }

    /// All notes, the newest first.
    ///
    /// # Errors
    /// [`VersionError::File`].
    pub fn notes(&self) -> Result<Vec<VersionNote>, VersionError> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(&self.folder, source)),
        };
        let mut notes = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let number = name.strip_suffix(".json").and_then(|one| one.parse().ok());
            if let Some(version) = number {
                notes.push(self.note(version)?);
            }
        }
        notes.sort_by_key(|note| std::cmp::Reverse(note.version));
        Ok(notes)
    }

    /// What is known of a version.
    ///
    /// # Errors
    /// [`VersionError::Unknown`], [`VersionError::File`].
    pub fn note(&self, version: u64) -> Result<VersionNote, VersionError> {
        let name = format!("{version}.json");
        let text = self.read(&name)?.ok_or(VersionError::Unknown(version))?;
        let path = self.folder.join(name);
        let note: VersionNote = serde_json::from_str(&text)
            .map_err(|error| failed(&path, std::io::Error::other(error)))?;
        match note.version == version {
            true => Ok(note),
            false => Err(VersionError::Unknown(version)),
        }
    }

    /// The text of a version.
    ///
    /// # Errors
    /// [`VersionError::Unknown`], [`VersionError::File`].
    pub fn text(&self, version: u64) -> Result<String, VersionError> {
        let text = self.read(&format!("{version}.toml"))?;
        text.ok_or(VersionError::Unknown(version))
    }

    /// Where the text of a version lies.
    #[must_use]
    pub fn path(&self, version: u64) -> PathBuf {
        self.folder.join(format!("{version}.toml"))
    }

    fn write_note(&self, note: &VersionNote) -> Result<(), VersionError> {
        let text = serde_json::to_string_pretty(note).expect("a note is plain data");
        self.write(&format!("{}.json", note.version), text.as_bytes())
    }

    fn lock(&self) -> Result<File, VersionError> {
        let path = self.folder.join("lock");
        let open = || -> std::io::Result<File> {
            fs::create_dir_all(&self.folder)?;
            let mut options = File::options();
            let file = options
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)?;
            file.lock()?;
            Ok(file)
        };
        open().map_err(|source| failed(&path, source))
    }

    fn read(&self, name: &str) -> Result<Option<String>, VersionError> {
        let path = self.folder.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(&path, source)),
        }
    }

    /// So that a power cut leaves the old or the new file, and no other.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), VersionError> {
        self.put(name, bytes)?;
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|source| failed(&self.folder, source))
    }

    /// Its bytes are on the disk; its name is with the next [`write`](Self::write).
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), VersionError> {
        let path = self.folder.join(name);
        let aside = self.folder.join(format!("{name}.new"));
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&aside)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&aside, &path)
        };
        write().map_err(|source| failed(&path, source))
    }
}

/// SHA-256 of a text, in hexadecimal digits.
#[must_use]
pub fn sha256_text(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn failed(path: &Path, source: std::io::Error) -> VersionError {
    VersionError::File {
        path: path.display().to_string(),
        source,
    }
}

#[cfg(test)]
mod tests;
