//! One run: every part on every input, and what it leaves behind.
//!
//! In: options. Out: rows and sections, printed and written. Never: a part that is left out in
//! silence.

use crate::input::Input;
use crate::loopback::Outcome;
use crate::python::{MESSAGES_MAX, Python};
use crate::report::{Section, rows_table, write_page};
use crate::rounds::Figures;
use crate::rows::{self, Row, best_peer};
use crate::{Options, books, decoders, engine_step, input, loopback, rings, whole};

/// How much of everything.
struct Extent {
    messages: usize,
    rounds: usize,
    ring_rounds: usize,
    ring_batches: usize,
    python_rounds: usize,
    /// Frames of a round of part f.
    frames: usize,
    loopback_rounds: usize,
}

const FULL: Extent = Extent {
    messages: 2_000,
    rounds: 21,
    ring_rounds: 21,
    ring_batches: 2_500,
    python_rounds: 7,
    frames: 600,
    loopback_rounds: 9,
};

const QUICK: Extent = Extent {
    messages: 1_000,
    rounds: 5,
    ring_rounds: 5,
    ring_batches: 1_000,
    python_rounds: 3,
    frames: 300,
    loopback_rounds: 3,
};

/// What a run collects.
#[derive(Default)]
struct Results {
    rows: Vec<Row>,
    sections: Vec<Section>,
    notes: Vec<String>,
}

/// Runs all wanted parts.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let extent = if options.quick { &QUICK } else { &FULL };
    let wants =
        |part: &str| options.parts.is_empty() || options.parts.iter().any(|one| one == part);
    let mut results = Results::default();
    let inputs = inputs(options, extent, &mut results)?;
    for one in &inputs {
        if wants("a") {
            results.decoder(one, extent)?;
        }
    }
    for (index, one) in inputs.iter().enumerate() {
        if wants("b") {
            // The target is on R alone; the others are information.
            results.book(one, extent, index == 0)?;
        }
    }
    if wants("c") {
        results.ring(extent)?;
    }
    let main = &inputs[0];
    if wants("a+b") {
        results.whole(main, options, extent)?;
    }
    if wants("d") {
        results.step(main, extent)?;
    }
    if wants("f") {
        results.inline_path(main, options, extent)?;
    }
    results.leave(options)
}

/// Recorded inputs, or the generated one; R first.
fn inputs(options: &Options, extent: &Extent, results: &mut Results) -> Result<Vec<Input>, String> {
    let mut inputs = match &options.captures {
        Some(captures) => input::recorded(captures, extent.messages)?,
        None => Vec::new(),
    };
    if inputs.is_empty() {
        results
            .notes
            .push("no recordings here: the generated stream alone".to_string());
    }
    if options.quick {
        inputs.truncate(1);
    }
    inputs.push(input::generated_input(extent.messages)?);
    for one in &inputs {
        results.notes.push(format!(
            "input {}: {}; {:.1} level changes and {:.0} B a message",
            one.name,
            one.what,
            one.changes_each(),
            one.bytes_each()
        ));
    }
    Ok(inputs)
}

impl Results {
    fn decoder(&mut self, input: &Input, extent: &Extent) -> Result<(), String> {
        let figures = decoders::measure(input, extent.rounds)?;
        if let Some(barter) = figures.lane("barter-data") {
            let row = Row::peer(rows::DECODER_BARTER, input.name, &figures, 0, barter);
            self.rows.push(row);
        }
        if let Some(best) = best_peer(&figures, 0, &[]) {
            let mut row = Row::peer(rows::DECODER_BEST, input.name, &figures, 0, best);
            row.against = format!("best peer: {}", row.against);
            self.rows.push(row);
        }
        let rate = input.bytes_each() / figures.median(0) * 1e3;
        self.section("a", "depth frame to ticks and lots", input.name, 0, figures, format!(
            "Ours reads {rate:.0} MB/s. All levels of all frames are equal between all contenders; \
             peers keep the wire's decimals instead of dividing by the step."
        ));
        Ok(())
    }

    fn book(&mut self, input: &Input, extent: &Extent, judged: bool) -> Result<(), String> {
        let figures = books::measure(input, extent.rounds)?;
        let target = |target: rows::Target| if judged { target } else { target.not_judged() };
        if let Some(decimal) = figures.lane("BTreeMap<Decimal, Decimal>") {
            let row = Row::peer(target(rows::BOOK_DECIMAL), input.name, &figures, 0, decimal);
            self.rows.push(row);
        }
        if let Some(best) = best_peer(&figures, 0, &[]) {
            let mut row = Row::peer(target(rows::BOOK_BEST), input.name, &figures, 0, best);
            row.against = format!("best peer: {}", row.against);
            self.rows.push(row);
        }
        let each = figures.median(0) / input.changes_each();
        self.section("b", "book message with the top five", input.name, 0, figures, format!(
            "Ours takes {each:.1} ns a level change, its checks of continuity and crossing included. \
             The sums are equal after every message."
        ));
        Ok(())
    }

    fn ring(&mut self, extent: &Extent) -> Result<(), String> {
        let input = "64 B";
        let Some(figures) = rings::measure(extent.ring_rounds, extent.ring_batches)? else {
            let why = "fewer than two cores";
            let row = Row::skipped(rows::RING_FLOOR, rings::FLOOR, input, why);
            self.rows.push(row);
            return Ok(());
        };
        let floor = figures.lane(rings::FLOOR).unwrap_or(0);
        for name in [rings::THREADS, rings::PROCESSES] {
            if let Some(ours) = figures.lane(name) {
                let mut row = Row::floor(rows::RING_FLOOR, input, &figures, ours, floor);
                row.against = format!("{} ({})", row.against, name.replace("fulcrum, ", ""));
                self.rows.push(row);
            }
        }
        self.section(
            "c",
            "ring, one way between two cores",
            "",
            floor,
            figures,
            "Half of the median batch of 16 round trips. When the host moves the two cores apart, \
             the floor rises and everything with it: the ratio to the floor is what counts."
                .to_string(),
        );
        Ok(())
    }

    fn whole(&mut self, input: &Input, options: &Options, extent: &Extent) -> Result<(), String> {
        let figures = whole::measure(input, None, extent.rounds)?;
        if let Some(barter) = figures.lane(whole::BARTER) {
            let row = Row::peer(rows::WHOLE_BARTER, input.name, &figures, 0, barter);
            self.rows.push(row);
        }
        let fewer = input.first(MESSAGES_MAX);
        let python = match (&options.python, &options.python_script) {
            (Some(program), Some(script)) => Python::start(program, script, &fewer),
            _ => Err("no Python with the peers' packages".to_string()),
        };
        let wanted = [
            (rows::WHOLE_CCXT, "ccxt.pro"),
            (rows::WHOLE_NAUTILUS, "NautilusTrader"),
        ];
        let with_python = match python {
            Ok(python) => {
                self.notes.extend(python.skipped.iter().cloned());
                whole::measure(&fewer, Some(&python), extent.python_rounds).map(Some)?
            }
            Err(why) => {
                for (target, name) in wanted {
                    let name = format!("{name} from Python");
                    self.rows
                        .push(Row::skipped(target, &name, input.name, &why));
                }
                None
            }
        };
        if let Some(slow) = &with_python {
            for (target, name) in wanted {
                let lane = slow.names.iter().position(|one| one.starts_with(name));
                self.rows.push(match lane {
                    Some(lane) => Row::peer(target, input.name, slow, 0, lane),
                    None => Row::skipped(
                        target,
                        &format!("{name} from Python"),
                        input.name,
                        "its package is not there",
                    ),
                });
            }
        }
        let figures = with_python.unwrap_or(figures);
        self.section(
            "a+b",
            "whole message: bytes to the top five",
            input.name,
            0,
            figures,
            "The Python peers run in a process of their own, in turn with ours, and everybody over the \
             first thousand messages."
                .to_string(),
        );
        Ok(())
    }

    fn step(&mut self, input: &Input, extent: &Extent) -> Result<(), String> {
        let figures = engine_step::measure(input, extent.rounds)?;
        let lanes = [
            (rows::STEP_WITHOUT, engine_step::WITHOUT),
            (rows::STEP_WITH, engine_step::WITH),
        ];
        for (target, name) in lanes {
            if let Some(lane) = figures.lane(name) {
                let row = Row::absolute(target, input.name, figures.median(lane));
                self.rows.push(row);
            }
        }
        let figures = Figures {
            names: figures
                .names
                .iter()
                .map(|name| format!("fulcrum, {name}"))
                .collect(),
            ..figures
        };
        self.section("d", "one engine step on a difference", input.name, 0, figures,
            "Book, signal, strategy and every control with the default settings; the median of all \
             steps of a round, less what looking at the clock takes."
                .to_string(),
        );
        Ok(())
    }

    fn inline_path(
        &mut self,
        input: &Input,
        options: &Options,
        extent: &Extent,
    ) -> Result<(), String> {
        let outcome = loopback::start(&loopback::Arguments {
            captures: options.captures.clone(),
            messages: extent.messages,
            frames: extent.frames,
            rounds: extent.loopback_rounds,
        })?;
        if outcome.input != input.name {
            return Err(format!("{} is not {}", outcome.input, input.name));
        }
        self.user_space(input, &outcome);
        let Outcome {
            answered,
            loopback,
            late,
            empty_poll_ns,
            ..
        } = outcome;
        let (Some(middle), Some(late)) = (loopback, late) else {
            for (target, against) in [
                (rows::LOOP_FLOOR, loopback::ECHO),
                (rows::LOOP_LATE, loopback::ECHO),
                (rows::LOOP_PEER, loopback::PEER),
            ] {
                let why = "fewer than two cores";
                self.rows
                    .push(Row::skipped(target, against, input.name, why));
            }
            return Ok(());
        };
        let [ours, floor, peer] = [loopback::OURS, loopback::ECHO, loopback::PEER]
            .map(|name| middle.lane(name).unwrap_or(0));
        self.rows.extend([
            Row::floor(rows::LOOP_FLOOR, input.name, &middle, ours, floor),
            Row::floor(rows::LOOP_LATE, input.name, &late, ours, floor),
            Row::peer(rows::LOOP_PEER, input.name, &middle, ours, peer),
        ]);
        let poll = empty_poll_ns.map(|ns| Row::absolute(rows::EMPTY_POLL, input.name, ns));
        self.rows.extend(poll);
        self.section("f", "tick to order over TLS on the loopback", input.name, floor, middle, format!(
            "From the exchange's write of a frame into the kernel to the return of the client's write of \
             the order, TCP on the loopback included; the median of a round over the same {answered} ticks. \
             The client is pinned to one core, the exchange's threads sleep in the kernel on the other."
        ));
        self.section("f-late", "the same, 99th percentile", input.name, floor, late,
            "Of each round; floor and Fulcrum without the ticks before which their loops saw that they \
             had been stopped."
                .to_string(),
        );
        Ok(())
    }

    fn user_space(&mut self, input: &Input, outcome: &Outcome) {
        let figures = &outcome.user_space;
        let row = |lane: usize, signed: &str| {
            let mut row = Row::absolute(rows::USER_SPACE, input.name, figures.median(lane));
            row.against = signed.to_string();
            row
        };
        self.rows.extend([
            row(0, "each order signed (HMAC)"),
            row(figures.names.len() - 1, "logged on, orders not signed"),
            Row::count(
                rows::OWN_ALLOCATIONS,
                input.name,
                outcome.own_allocations as f64,
            ),
            Row::count(rows::TLS_ALLOCATIONS, input.name, outcome.tls_each),
        ]);
        let (records, answered) = (outcome.records, outcome.answered);
        self.section("e", "tick to order in user space", input.name, 0, figures.clone(), format!(
            "From a record as the kernel hands it over to the record of the order, over the {answered} \
             ticks of a round that are answered. Allocations are counted over {records} records, and on \
             the pinned thread of part f."
        ));
    }

    fn section(
        &mut self,
        part: &'static str,
        title: &str,
        input: &str,
        base: usize,
        figures: Figures,
        note: String,
    ) {
        let on = if input.is_empty() {
            String::new()
        } else {
            format!(", input {input}")
        };
        let file = format!("{}-{input}", part.replace('+', ""));
        self.sections.push(Section {
            part,
            title: format!("{part}. {title}{on}"),
            file: file.trim_end_matches('-').to_lowercase(),
            base,
            unit: match part {
                "c" => "nanoseconds one way",
                "e" | "f" | "f-late" => "nanoseconds from frame to order",
                _ => "nanoseconds a message",
            },
            figures,
            note,
        });
    }

    fn leave(self, options: &Options) -> Result<(), String> {
        for note in &self.notes {
            eprintln!("{note}");
        }
        for section in &self.sections {
            eprintln!(
                "{}: {} contenders",
                section.part,
                section.figures.names.len()
            );
        }
        print!("{}", rows_table(&self.rows));
        if let Some(file) = &options.json {
            let text =
                serde_json::to_string_pretty(&self.rows).map_err(|error| error.to_string())?;
            std::fs::write(file, format!("{text}\n"))
                .map_err(|error| format!("{}: {error}", file.display()))?;
        }
        if let Some(page) = &options.page {
            write_page(page, &self.rows, &self.sections, &self.notes)?;
        }
        Ok(())
    }
}
