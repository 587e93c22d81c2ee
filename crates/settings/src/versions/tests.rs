//! Which version is active, as a person edits the file, a network applies others, builds and ceilings
//! come and go.

use super::{NewVersion, VersionError, Versions};
use crate::Ceilings;
use std::path::{Path, PathBuf};

struct Place {
    root: PathBuf,
    ceilings: Ceilings,
}

impl Place {
    fn new(name: &str) -> Self {
        let name = format!("fulcrum-versions-{name}-{}", std::process::id());
        let root = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(&root).expect("a folder of temporary files");
        Self {
            root,
            ceilings: Ceilings::of_this_build(),
        }
    }

    fn versions(&self) -> Versions {
        Versions::of(&self.root)
    }

    /// A start with this file: number and open orders of what is active.
    fn start(&self, file: &str) -> Result<(u64, u64), String> {
        let by = wanted(file, "a start");
        let active = self
            .versions()
            .settle(Path::new("the file"), &by, &self.ceilings);
        let active = active.map_err(|error| error.to_string())?;
        let limit = active.configuration.settings.risk.open_orders_max;
        Ok((active.note.version, limit))
    }

    fn apply(&self, text: &str) -> u64 {
        let note = self.versions().add(&wanted(text, "a network"));
        note.expect("a folder that takes files").version
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

fn wanted<'a>(text: &'a str, who: &'a str) -> NewVersion<'a> {
    NewVersion {
        text,
        build: "this build",
        who,
        utc_ms: 7,
        origin: "a test",
    }
}

fn file(open_orders: u64) -> String {
    format!("[[instrument]]\nsymbol = \"BTCUSDT\"\n[risk]\nmax_open_orders = {open_orders}\n")
}

#[test]
fn an_edited_file_is_the_next_version_and_an_unchanged_one_leaves_what_was_applied() {
    let place = Place::new("edited");
    assert_eq!(place.start(&file(10)), Ok((1, 10)));
    assert_eq!(place.start(&file(10)), Ok((1, 10)), "nothing has changed");
    assert_eq!(place.apply(&file(8)), 2);
    assert_eq!(place.start(&file(10)), Ok((2, 8)), "what was applied holds");
    assert_eq!(
        place.start(&file(9)),
        Ok((3, 9)),
        "who edits the file gets what he wrote"
    );
    // Back to a text that was there before: it is new, for the file has changed.
    assert_eq!(place.start(&file(10)), Ok((4, 10)));
    // The text that is active already makes no version.
    assert_eq!(place.apply(&file(7)), 5);
    assert_eq!(place.start(&file(7)), Ok((5, 7)));
    assert_eq!(place.start(&file(7)), Ok((5, 7)));
    let notes = place.versions().notes().expect("notes");
    let who: Vec<&str> = notes.iter().map(|one| one.who.as_str()).collect();
    assert_eq!(
        who,
        ["a network", "a start", "a start", "a network", "a start"]
    );
}

#[test]
fn a_changed_file_that_is_wrong_stops_and_changes_nothing() {
    let place = Place::new("wrong");
    assert_eq!(place.start(&file(10)), Ok((1, 10)));
    let complaint = place.start(&file(0)).expect_err("0 open orders");
    assert!(complaint.contains("risk.max_open_orders"), "{complaint}");
    assert_eq!(place.start(&file(10)), Ok((1, 10)));
}

#[test]
fn versions_that_cannot_be_are_passed_over() {
    let mut place = Place::new("passed");
    place.start(&file(10)).expect("a first start");
    // Of another exchange, of a later build with a key that this one does not know, damaged, refused.
    let other_venue = format!(
        "{}[venue]\nusdm_rest_url = \"http://10.0.0.1:1\"\n",
        file(9)
    );
    place.apply(&other_venue);
    place.apply(&format!("{}later = 1\n", file(9)));
    let damaged = place.apply(&file(9));
    std::fs::write(place.versions().path(damaged), file(11)).expect("a file");
    let refused = place.apply(&file(9));
    place
        .versions()
        .refuse(refused, "above a ceiling")
        .expect("a note");
    assert_eq!(place.start(&file(10)), Ok((1, 10)));
    let by = wanted("", "");
    let text = file(10);
    let by = NewVersion { text: &text, ..by };
    let active = place
        .versions()
        .settle(Path::new("f"), &by, &place.ceilings);
    let passed = active.expect("the first one").passed_over;
    let numbers: Vec<u64> = passed.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [5, 4, 3, 2]);
    assert!(passed[3].1.contains("venue.usdm_rest_url"), "{passed:?}");
    assert!(passed[2].1.contains("later"), "{passed:?}");
    // A ceiling that came down: the newest one under it.
    place.apply(&file(5));
    assert_eq!(place.start(&file(10)), Ok((6, 5)));
    place.apply(&file(9));
    place.ceilings =
        Ceilings::check("ceilings.toml", "[risk]\nmax_open_orders = 6\n").expect("ceilings");
    assert_eq!(place.start(&file(10)), Ok((6, 5)));
}

#[test]
fn a_version_without_its_note_is_not_there_and_its_number_is_used() {
    let place = Place::new("torn");
    place.start(&file(10)).expect("a first start");
    std::fs::write(place.versions().path(2), file(3)).expect("a file");
    assert_eq!(place.start(&file(10)), Ok((1, 10)));
    assert!(matches!(
        place.versions().note(2),
        Err(VersionError::Unknown(2))
    ));
    assert_eq!(place.apply(&file(4)), 2);
    assert_eq!(place.versions().text(2).expect("a text"), file(4));
}

#[test]
fn the_oldest_go_when_there_are_too_many() {
    let place = Place::new("many");
    let versions = place.versions();
    place.start(&file(10)).expect("a first start");
    for number in 2..=super::VERSIONS_MAX as u64 + 3 {
        assert_eq!(place.apply(&file(1 + number % 100)), number);
    }
    let notes = versions.notes().expect("notes");
    assert_eq!(notes.len(), super::VERSIONS_MAX);
    assert_eq!(notes.last().map(|one| one.version), Some(4));
    assert!(matches!(versions.text(3), Err(VersionError::Unknown(3))));
}
