//! What was found: a verdict, words, and what to do.
//!
//! In: findings. Out: a table, or JSON. Never: a failure without what to do about it.

use crate::table::columns::width;
use serde::Serialize;
use std::fmt::Write as _;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// It works, and could be better.
    Warn,
    /// It does not work, or is dangerous.
    Fail,
    /// It could not be looked at, or does not apply.
    Skip,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What it belongs to.
    pub group: &'static str,
    /// What was looked at.
    pub name: String,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do; empty where nothing is to be done.
    pub what_to_do: String,
}

/// All of them, in order.
#[derive(Clone, Debug, Default)]
pub struct Report(Vec<Check>);

impl Report {
    /// All of them.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.0
    }

    /// True when nothing failed.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.count(Verdict::Fail) == 0
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.0.iter().filter(|one| one.verdict == verdict).count()
    }

    fn add(
        &mut self,
        group: &'static str,
        name: &str,
        verdict: Verdict,
        found: impl Into<String>,
        what_to_do: &str,
    ) {
        let (found, what_to_do) = (found.into(), what_to_do.to_string());
        self.0.push(Check {
            group,
            name: name.to_string(),
            verdict,
            found,
            what_to_do,
        });
    }

    pub(super) fn pass(&mut self, group: &'static str, name: &str, found: impl Into<String>) {
        self.add(group, name, Verdict::Pass, found, "");
    }

    pub(super) fn skip(&mut self, group: &'static str, name: &str, found: impl Into<String>) {
        self.add(group, name, Verdict::Skip, found, "");
    }

    pub(super) fn warn(
        &mut self,
        group: &'static str,
        name: &str,
        found: impl Into<String>,
        what_to_do: &str,
    ) {
        self.add(group, name, Verdict::Warn, found, what_to_do);
    }

    pub(super) fn fail(
        &mut self,
        group: &'static str,
        name: &str,
        found: impl Into<String>,
        what_to_do: &str,
    ) {
        self.add(group, name, Verdict::Fail, found, what_to_do);
    }

    /// Good, or a warning.
    pub(super) fn warn_unless(
        &mut self,
        good: bool,
        group: &'static str,
        name: &str,
        found: impl Into<String>,
        what_to_do: &str,
    ) {
        match good {
            true => self.pass(group, name, found),
            false => self.warn(group, name, found, what_to_do),
        }
    }

    /// Good, or a failure.
    pub(super) fn fail_unless(
        &mut self,
        good: bool,
        group: &'static str,
        name: &str,
        found: impl Into<String>,
        what_to_do: &str,
    ) {
        match good {
            true => self.pass(group, name, found),
            false => self.fail(group, name, found, what_to_do),
        }
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let page = serde_json::json!({
            "checks": self.0,
            "passed": self.count(Verdict::Pass),
            "warned": self.count(Verdict::Warn),
            "failed": self.count(Verdict::Fail),
            "skipped": self.count(Verdict::Skip),
        });
        page.to_string()
    }

    /// As a table that is at most `columns` wide where its words allow it.
    #[must_use]
    pub fn text(&self, colour: bool, columns: usize) -> String {
        let names = self.0.iter().map(|one| width(&one.name)).max().unwrap_or(0);
        let indent = 2 + 4 + 2 + names + 2;
        let room = columns.saturating_sub(indent).max(24);
        let mut text = String::new();
        let mut group = "";
        for check in &self.0 {
            if check.group != group {
                group = check.group;
                let _ = writeln!(text, "{}", painted(colour, "1", group));
            }
            let (word, paint) = match check.verdict {
                Verdict::Pass => ("pass", "32"),
                Verdict::Warn => ("warn", "33"),
                Verdict::Fail => ("FAIL", "31;1"),
                Verdict::Skip => ("skip", "2"),
            };
            let padding = " ".repeat(names - width(&check.name));
            let mut lines = wrapped(&check.found, room).into_iter();
            let first = lines.next().unwrap_or_default();
            let word = painted(colour, paint, word);
            let _ = writeln!(text, "  {word}  {}{padding}  {first}", check.name);
            for line in lines {
                let _ = writeln!(text, "{}{line}", " ".repeat(indent));
            }
            if !check.what_to_do.is_empty() {
                for (at, line) in wrapped(&check.what_to_do, room - 2).iter().enumerate() {
                    let mark = if at == 0 { "> " } else { "  " };
                    let line = painted(colour, "36", &format!("{mark}{line}"));
                    let _ = writeln!(text, "{}{line}", " ".repeat(indent));
                }
            }
        }
        let _ = writeln!(
            text,
            "{} passed, {} warned, {} failed, {} skipped",
            self.count(Verdict::Pass),
            self.count(Verdict::Warn),
            self.count(Verdict::Fail),
            self.count(Verdict::Skip),
        );
        text
    }
}

fn painted(colour: bool, paint: &str, text: &str) -> String {
    match colour {
        true => format!("\x1b[{paint}m{text}\x1b[0m"),
        false => text.to_string(),
    }
}

/// Lines of at most `room` columns where words allow it.
fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && width(line) + 1 + width(word) > room {
            lines.push(word.to_string());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.pass("clock", "synchronised", "yes");
        report.fail(
            "key",
            "withdrawals",
            "the key may withdraw",
            "make a key that may not",
        );
        report.warn_unless(true, "key", "ip", "restricted", "restrict it");
        report
    }

    #[test]
    fn columns_line_up_and_words_wrap() {
        let wanted = "clock\n  pass  synchronised  yes\nkey\n  \
             FAIL  withdrawals   the key may withdraw\n                      \
             > make a key that may\n                        not\n  \
             pass  ip            restricted\n2 passed, 0 warned, 1 failed, 0 skipped\n";
        assert_eq!(report().text(false, 46), wanted);
        assert!(report().text(true, 80).contains("\x1b[31;1mFAIL\x1b[0m"));
    }

    #[test]
    fn programs_get_every_check_with_its_verdict() {
        let page: serde_json::Value = serde_json::from_str(&report().json()).expect("JSON");
        assert_eq!(page["failed"], 1);
        assert_eq!(page["checks"][1]["verdict"], "fail");
        assert_eq!(page["checks"][1]["what_to_do"], "make a key that may not");
        assert!(!report().is_good());
    }
}
