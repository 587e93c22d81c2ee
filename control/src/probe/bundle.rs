//! The folder of a probe: recordings, answers, and a manifest that tells of each file.
//!
//! In: frames and answers as they came. Out: files, their lengths and SHA-256. Never: a byte more than
//! allowed; a folder that was there before.

use super::{Plan, ProbeError};
use crate::client::Answer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Room that the manifest needs.
const MANIFEST_BYTES: u64 = 64 << 10;

/// One file that is being written.
struct Kept {
    name: String,
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
    lines: u64,
}

/// The folder.
pub(super) struct Bundle {
    folder: PathBuf,
    kept: Vec<Kept>,
    /// Bytes that may still be written.
    left: u64,
    /// Something was left out for want of room.
    pub(super) is_full: bool,
    answers: u32,
}

/// Nanoseconds of UTC now.
pub(super) fn utc_ns() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_nanos()
}

impl Bundle {
    pub(super) fn new(plan: &Plan) -> Result<Self, ProbeError> {
        let failed = |source| ProbeError::File {
            path: plan.out.clone(),
            source,
        };
        DirBuilder::new().create(&plan.out).map_err(failed)?;
        Ok(Self {
            folder: plan.out.clone(),
            kept: Vec::new(),
            left: plan.bytes_max.saturating_sub(MANIFEST_BYTES),
            is_full: false,
            answers: 0,
        })
    }

    /// Bytes so far.
    pub(super) fn bytes(&self) -> u64 {
        self.kept.iter().map(|one| one.bytes).sum()
    }

    /// Lines of recordings so far.
    pub(super) fn lines(&self) -> u64 {
        self.kept.iter().map(|one| one.lines).sum()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn append(&mut self, name: &str, parts: &[&[u8]]) -> Result<(), ProbeError> {
        let length: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if length > self.left {
            self.is_full = true;
            return Ok(());
        }
        let path = self.path(name);
        let failed = |source| ProbeError::File {
            path: path.clone(),
            source,
        };
        let at = match self.kept.iter().position(|one| one.name == name) {
            Some(at) => at,
            None => {
                let mut options = OpenOptions::new();
                let file = options
                    .write(true)
                    .create_new(true)
                    .open(&path)
                    .map_err(failed)?;
                self.kept.push(Kept {
                    name: name.to_string(),
                    file: BufWriter::new(file),
                    hash: Sha256::new(),
                    bytes: 0,
                    lines: 0,
                });
                self.kept.len() - 1
            }
        };
        let kept = &mut self.kept[at];
        for part in parts {
            kept.file.write_all(part).map_err(failed)?;
            kept.hash.update(part);
        }
        kept.bytes += length;
        self.left -= length;
        Ok(())
    }

    /// A message of a symbol, as the recordings' format has it: `<receive time, ns> {json}`.
    pub(super) fn message(&mut self, symbol: &str, text: &[u8]) -> Result<(), ProbeError> {
        let name = format!("{}.dat", symbol.to_lowercase());
        let time = utc_ns().to_string();
        self.append(&name, &[time.as_bytes(), b" ", text, b"\n"])?;
        if let Some(kept) = self.kept.iter_mut().find(|one| one.name == name) {
            kept.lines += 1;
        }
        Ok(())
    }

    /// An answer with what was asked and its headers, the body as it came.
    pub(super) fn answer(
        &mut self,
        name: &str,
        path: &str,
        answer: &Answer,
    ) -> Result<(), ProbeError> {
        let headers: serde_json::Map<String, Value> = answer
            .headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.to_string(), Value::from(value))
            })
            .collect();
        let number = self.answers;
        self.answers += 1;
        let head = json!({
            "request": { "method": "GET", "path": path },
            "received_utc_ns": utc_ns().to_string(),
            "status": answer.status,
            "headers": headers,
            "body": format!("{number:03}-{name}.body"),
        });
        let head = format!("{head:#}\n");
        self.append(&format!("{number:03}-{name}.json"), &[head.as_bytes()])?;
        self.append(&format!("{number:03}-{name}.body"), &[&answer.body])
    }

    /// Ends every file and writes the manifest; only then it is a whole bundle.
    pub(super) fn finish(mut self, mut facts: Value) -> Result<PathBuf, ProbeError> {
        let mut files = Vec::new();
        for mut kept in std::mem::take(&mut self.kept) {
            let path = self.path(&kept.name);
            let failed = |source| ProbeError::File { path, source };
            kept.file
                .flush()
                .and_then(|()| kept.file.get_ref().sync_all())
                .map_err(failed)?;
            let hash: String = kept
                .hash
                .finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            files.push(json!({
                "name": kept.name, "bytes": kept.bytes, "messages": kept.lines, "sha256": hash
            }));
        }
        facts["files"] = json!(files);
        facts["is_full"] = json!(self.is_full);
        let path = self.path("manifest.json");
        write(&path, &format!("{facts:#}\n")).map_err(|source| ProbeError::File {
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
