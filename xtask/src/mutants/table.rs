//! The table of mutants, as it lies beside the simulation.
//!
//! In: TOML files. Out: mutants with numbers, in the order of the files. Never: two mutants of one
//! name, one without the invariant that it should break.

use crate::process::{Failure, read, root};
use std::path::PathBuf;
use toml_edit::{DocumentMut, Table};

/// Where they lie.
const FOLDER: &str = "tests/simulation/mutants";

/// One text and what it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    /// Path in the repository.
    pub(crate) file: String,
    /// Found exactly once.
    pub(crate) find: String,
    /// What stands there instead while the mutant lives.
    pub(crate) replace: String,
}

/// One mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mutant {
    /// From 1 on.
    pub(crate) number: u32,
    /// Its name.
    pub(crate) name: String,
    /// What it does wrong.
    pub(crate) what: String,
    /// Which invariants may notice it.
    pub(crate) invariants: Vec<String>,
    /// Its changes.
    pub(crate) patches: Vec<Patch>,
}

impl Mutant {
    /// The file of its first change.
    pub(crate) fn place(&self) -> &str {
        let first = self.patches.first();
        first.map_or("", |patch| patch.file.as_str())
    }
}

/// Reads them all.
pub(crate) fn parse(texts: &[(String, String)]) -> Result<Vec<Mutant>, Failure> {
    let mut all: Vec<Mutant> = Vec::new();
    for (name, text) in texts {
        let said = |what: String| Failure::Said(format!("{name}: {what}"));
        let document: DocumentMut = text.parse().map_err(|error| said(format!("{error}")))?;
        let listed = document
            .get("mutant")
            .and_then(|item| item.as_array_of_tables());
        for table in listed.into_iter().flatten() {
            let number = all.len() as u32 + 1;
            let mutant = mutant(table, number).map_err(said)?;
            if all.iter().any(|one| one.name == mutant.name) {
                return Err(said(format!("`{}` is there twice", mutant.name)));
            }
            all.push(mutant);
        }
    }
    Ok(all)
}

/// Reads the files of the working tree.
pub(crate) fn read_here() -> Result<Vec<Mutant>, Failure> {
    let folder = root().join(FOLDER);
    let entries = std::fs::read_dir(&folder).map_err(|source| Failure::File {
        path: folder.clone(),
        source,
    })?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
    paths.sort();
    let mut texts = Vec::new();
    for path in paths {
        texts.push((path.display().to_string(), read(&path)?));
    }
    parse(&texts)
}

fn mutant(table: &Table, number: u32) -> Result<Mutant, String> {
    let name = text(table, "name")?;
    let invariants = table.get("invariants").and_then(|item| item.as_array());
    let invariants: Vec<String> = invariants
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_string))
        .collect();
    if invariants.is_empty() {
        return Err(format!("`{name}` names no invariant that it breaks"));
    }
    let mut patches = Vec::new();
    if table.contains_key("file") {
        patches.push(patch(table)?);
    }
    let more = table
        .get("patch")
        .and_then(|item| item.as_array_of_tables());
    for table in more.into_iter().flatten() {
        patches.push(patch(table)?);
    }
    if patches.is_empty() {
        return Err(format!("`{name}` changes nothing"));
    }
    Ok(Mutant {
        number,
        what: text(table, "what")?,
        name,
        invariants,
        patches,
    })
}

fn patch(table: &Table) -> Result<Patch, String> {
    Ok(Patch {
        file: text(table, "file")?,
        find: text(table, "find")?.trim().to_string(),
        replace: text(table, "replace")?.trim().to_string(),
    })
}

fn text(table: &Table, key: &str) -> Result<String, String> {
    let found = table.get(key).and_then(|item| item.as_str());
    found
        .map(str::to_string)
        .ok_or_else(|| format!("a mutant without `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Mutant>, Failure> {
        parse(&[("table.toml".to_string(), text.to_string())])
    }

    #[test]
    fn a_mutant_has_a_name_an_invariant_and_a_change() {
        let whole = "[[mutant]]\nname = \"a\"\nwhat = \"w\"\ninvariants = [\"I3\"]\n\
                     file = \"f\"\nfind = \"x\"\nreplace = \"y\"\n";
        let read_whole = read(whole).unwrap();
        assert_eq!(read_whole.len(), 1);
        assert_eq!((read_whole[0].number, read_whole[0].place()), (1, "f"));
        let twice = format!("{whole}{whole}");
        assert!(read(&twice).is_err());
        assert!(read(&whole.replace("[\"I3\"]", "[]")).is_err());
        assert!(read(&whole.replace("file = \"f\"\n", "")).is_err());
    }

    #[test]
    fn the_table_of_the_repository_has_at_least_forty() {
        let all = read_here().unwrap();
        assert!(all.len() >= 40, "{}", all.len());
        for needed in ["I16", "I18", "I19", "I22", "I23"] {
            let has = |one: &Mutant| one.invariants.iter().any(|name| name == needed);
            assert!(all.iter().any(has), "no mutant for {needed}");
        }
    }
}
