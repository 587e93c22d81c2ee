//! `docs/order-life.md` against the code: both tables and the times stand there as they are here.
//!
//! In: the document and the tables. Out: a failure that shows what should stand there. Never: a
//! write; the document is a file like any other.

use super::replies::{Answer, answer};
use super::table::{
    ENDLESS_NS, FIRST_QUERY_NS, NOT_FOUND_ANSWERS, QUERY_INTERVAL_NS, UNKNOWN_MARGIN_NS,
    WANTED_WINDOW_NS,
};
use super::transitions::{Evidence, Verdict, verdict};
use crate::config::OrdersConfig;
use market::account::REST_VERDICT_NS;
use market::{Certainty, OrderState, PendingRequest, ReplyOutcome, RequestKind};
use std::fmt::Write;

const DOCUMENT: &str = include_str!("../../../../docs/order-life.md");

/// Reasons in order of first appearance, each with its letter.
#[derive(Default)]
struct Notes(Vec<&'static str>);

impl Notes {
    fn letter(&mut self, why: &'static str) -> char {
        let known = self.0.iter().position(|one| *one == why);
        let index = known.unwrap_or_else(|| {
            self.0.push(why);
            self.0.len() - 1
        });
        char::from(b'a' + u8::try_from(index).unwrap())
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (index, why) in self.0.iter().enumerate() {
            let letter = char::from(b'a' + u8::try_from(index).unwrap());
            writeln!(text, "- {letter}: {why}").unwrap();
        }
        text
    }
}

fn table(head: &[String], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rule = vec!["---".to_string(); head.len()];
    let rows: String = rows.iter().map(|row| line(row)).collect();
    format!("{}{}{rows}", line(head), line(&rule))
}

fn evidence_table() -> String {
    let mut notes = Notes::default();
    let mut head = vec!["state".to_string()];
    head.extend(Evidence::ALL.iter().map(|one| format!("`{one}`")));
    let mut rows = Vec::new();
    for &state in OrderState::ALL {
        let mut row = vec![format!("`{state}`")];
        row.extend(
            Evidence::ALL
                .iter()
                .map(|&evidence| match verdict(state, evidence) {
                    Verdict::To(next) => format!("`{next}`"),
                    Verdict::Repeated => "repeated".to_string(),
                    Verdict::Late => "late".to_string(),
                    Verdict::Impossible(why) => format!("impossible ({})", notes.letter(why)),
                }),
        );
        rows.push(row);
    }
    format!("{}\n{}", table(&head, &rows), notes.text())
}

fn reply_table() -> String {
    let mut notes = Notes::default();
    let places: Vec<(PendingRequest, Certainty)> = PendingRequest::ALL
        .iter()
        .flat_map(|pending| {
            Certainty::ALL
                .iter()
                .map(|certainty| (*pending, *certainty))
        })
        .collect();
    let mut head = vec!["request: outcome".to_string()];
    head.extend(
        places
            .iter()
            .map(|(pending, certainty)| format!("`{pending}` `{certainty}`")),
    );
    let mut rows = Vec::new();
    for &request in RequestKind::ALL {
        for &outcome in ReplyOutcome::ALL {
            let mut row = vec![format!("`{request}`: `{outcome}`")];
            row.extend(places.iter().map(|&(pending, certainty)| {
                match answer(request, outcome, pending, certainty) {
                    Answer::State => "state".to_string(),
                    Answer::Refused => "refused".to_string(),
                    Answer::Ended => "ended".to_string(),
                    Answer::Doubt => "doubt".to_string(),
                    Answer::DoubtPlace => "doubt unless placed".to_string(),
                    Answer::DoubtAmendment => "doubt unless amended".to_string(),
                    Answer::LookInto => "look into".to_string(),
                    Answer::Amended => "amended".to_string(),
                    Answer::NotAmended => "not amended".to_string(),
                    Answer::Asked => "asked".to_string(),
                    Answer::Absent => "absent".to_string(),
                    Answer::Nothing(why) => format!("- ({})", notes.letter(why)),
                    Answer::Impossible(why) => format!("impossible ({})", notes.letter(why)),
                }
            }));
            rows.push(row);
        }
    }
    format!("{}\n{}", table(&head, &rows), notes.text())
}

fn times() -> String {
    let ms = |ns: u64| ns / 1_000_000;
    let config = OrdersConfig::default();
    let rows = [
        (
            "A request without a reply becomes unknown after",
            ms(config.reply_timeout_ns),
        ),
        ("The first query follows after", ms(FIRST_QUERY_NS)),
        ("Time between two queries", ms(QUERY_INTERVAL_NS)),
        (
            "After one over REST, until its verdict, and at most",
            ms(REST_VERDICT_NS),
        ),
        (
            "Window of an order that opens (`venue.recv_window_ms`, at most)",
            ms(config.recv_window_ns),
        ),
        ("Window of an order that only reduces", ms(WANTED_WINDOW_NS)),
        ("Margin after the window", ms(UNKNOWN_MARGIN_NS)),
        (
            "An accepted order that cannot rest (IOC, FOK, market) and whose end nobody tells is queried after",
            ms(ENDLESS_NS),
        ),
    ];
    let rows = rows.map(|(what, ms)| vec![what.to_string(), format!("{ms} ms")]);
    let answers = format!("- Answers that count: {NOT_FOUND_ANSWERS}\n");
    let head = ["what".to_string(), "time".to_string()];
    format!("{}\n{answers}", table(&head, &rows))
}

#[test]
fn the_document_shows_the_tables_and_times_of_the_code() {
    let parts = [evidence_table(), reply_table(), times()];
    let missing = parts.iter().filter(|part| !DOCUMENT.contains(*part));
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    let text = missing.join("\n");
    assert!(
        missing.is_empty(),
        "docs/order-life.md should hold this:\n\n{text}"
    );
}

#[test]
fn the_document_names_every_word_of_the_three_axes_and_every_outcome() {
    let states = OrderState::ALL.iter().map(|one| one.as_str());
    let pending = PendingRequest::ALL.iter().map(|one| one.as_str());
    let certainty = Certainty::ALL.iter().map(|one| one.as_str());
    let outcomes = ReplyOutcome::ALL.iter().map(|one| one.as_str());
    for word in states.chain(pending).chain(certainty).chain(outcomes) {
        let explained = format!("| `{word}` | ");
        assert!(DOCUMENT.contains(&explained), "no line explains {word}");
    }
}
