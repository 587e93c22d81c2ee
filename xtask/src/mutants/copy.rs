//! A copy of the sources with every mutant behind its number.
//!
//! In: tracked files, mutants. Out: a tree that builds like the working tree. Never: a file of the
//! copy that is written anew without a change: what did not change is not built again.

use super::table::Mutant;
use crate::process::{Failure, output, read, root};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// What is not needed to build the simulation.
const LEFT_OUT: [&str; 4] = ["docs/", "benches/", "dashboard/", "os-image/"];

/// Where the switch goes: every crate knows this one.
const SWITCH_FILE: &str = "crates/market/src/lib.rs";

/// Where lints are set.
const LINTS_FILE: &str = "Cargo.toml";

/// The table of them.
const LINTS: &str = "[workspace.lints.rust]\n";

/// Which mutant lives; its number comes from the environment, once.
const SWITCH: &str = r#"
/// Which mutant lives.
pub mod mutation {
    extern crate std;
    use std::sync::OnceLock;

    /// True while the mutant with this number lives.
    pub fn lives(number: u32) -> bool {
        static NUMBER: OnceLock<u32> = OnceLock::new();
        let read = || std::env::var("FULCRUM_MUTANT").ok()?.parse().ok();
        *NUMBER.get_or_init(|| read().unwrap_or(0)) == number
    }
}
"#;

/// Everything that stands at one place: its text, and what each mutant makes of it.
type Place = (String, Vec<(u32, String)>);

/// Writes the tree.
pub(crate) fn write(tree: &Path, mutants: &[Mutant]) -> Result<(), Failure> {
    let mut texts = BTreeMap::new();
    let mut places: BTreeMap<String, Vec<Place>> = BTreeMap::new();
    for mutant in mutants {
        for patch in &mutant.patches {
            let here = places.entry(patch.file.clone()).or_default();
            let known = here.iter_mut().find(|(find, _)| *find == patch.find);
            let change = (mutant.number, patch.replace.clone());
            match known {
                Some((_, changes)) => changes.push(change),
                None => here.push((patch.find.clone(), vec![change])),
            }
        }
    }
    let mut wrong = Vec::new();
    for (file, here) in &places {
        match mutated(&read(&root().join(file))?, here) {
            Ok(text) => drop(texts.insert(file.clone(), text)),
            Err(why) => wrong.push(format!("{file}: {why}")),
        }
    }
    if !wrong.is_empty() {
        return Err(Failure::Said(wrong.join("\n")));
    }
    let list = output(
        Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(root()),
    )?;
    for file in list.lines() {
        if LEFT_OUT.iter().any(|folder| file.starts_with(folder)) {
            continue;
        }
        let Ok(mut bytes) = std::fs::read(root().join(file)) else {
            continue;
        };
        if let Some(text) = texts.get(file) {
            bytes = text.clone().into_bytes();
        }
        if file == SWITCH_FILE {
            bytes.extend_from_slice(SWITCH.as_bytes());
        }
        if file == LINTS_FILE {
            bytes = without_warnings(bytes);
        }
        write_changed(&tree.join(file), &bytes)?;
    }
    Ok(())
}

/// A switch stands in parentheses, where the place wants them or not.
fn without_warnings(bytes: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let quiet = format!("{LINTS}unused_parens = \"allow\"\n");
    text.replace(LINTS, &quiet).into_bytes()
}

fn write_changed(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if std::fs::read(path).is_ok_and(|known| known == bytes) {
        return Ok(());
    }
    let folder = path.parent().expect("a file has a folder");
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(path, bytes))
        .map_err(|source| Failure::File {
            path: path.to_path_buf(),
            source,
        })
}

/// The text with a switch at every place.
///
/// # Errors
/// A place that is not there, is there twice, or lies over another one.
fn mutated(text: &str, places: &[Place]) -> Result<String, String> {
    let mut found = Vec::new();
    for (find, changes) in places {
        let all: Vec<usize> = text.match_indices(find.as_str()).map(|one| one.0).collect();
        let [at] = all[..] else {
            let numbers: Vec<u32> = changes.iter().map(|one| one.0).collect();
            return Err(format!(
                "the text of mutants {numbers:?} is found {} times, not once: {find}",
                all.len()
            ));
        };
        found.push((at, find, changes));
    }
    found.sort_by_key(|one| one.0);
    let mut out = String::new();
    let mut end = 0;
    for (at, find, changes) in found {
        if at < end {
            return Err(format!("the text of two mutants overlaps: {find}"));
        }
        out.push_str(&text[end..at]);
        out.push_str(&switched(find, changes));
        end = at + find.len();
    }
    out.push_str(&text[end..]);
    Ok(out)
}

/// Statements as a block, expressions in parentheses, so that they keep their place.
fn switched(find: &str, changes: &[(u32, String)]) -> String {
    let statements = find.contains(';') || find.ends_with('}');
    let mut chain = String::new();
    for (number, replace) in changes {
        chain.push_str(&format!(
            "if ::market::mutation::lives({number}) {{ {replace} }} else "
        ));
    }
    chain.push_str(&format!("{{ {find} }}"));
    if statements {
        chain
    } else {
        format!("({chain})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(find: &str, number: u32, replace: &str) -> Place {
        (find.to_string(), vec![(number, replace.to_string())])
    }

    #[test]
    fn each_place_gets_its_switch_and_the_rest_stays() {
        let text = "if a < b { go(); }";
        let done = mutated(text, &[place("a < b", 3, "true"), place("go();", 4, "")]).unwrap();
        assert_eq!(
            done,
            "if (if ::market::mutation::lives(3) { true } else { a < b }) { \
             if ::market::mutation::lives(4) {  } else { go(); } }"
        );
    }

    #[test]
    fn a_text_that_is_gone_or_there_twice_is_told() {
        assert!(mutated("a b a", &[place("a", 1, "c")]).is_err());
        assert!(mutated("a b a", &[place("d", 1, "c")]).is_err());
        let over = [place("a b", 1, "c"), place("b c", 2, "d")];
        assert!(mutated("a b c", &over).is_err());
    }

    #[test]
    fn two_mutants_of_one_place_are_two_arms() {
        let both = (
            "x".to_string(),
            vec![(1, "y".to_string()), (2, "z".to_string())],
        );
        let done = mutated("x", &[both]).unwrap();
        assert!(
            done.contains("lives(1) { y } else if ::market::mutation::lives(2) { z } else { x }")
        );
    }
}
