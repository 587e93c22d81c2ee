//! `cargo xtask picture`: what a command printed, as a picture for the README.
//!
//! In: text with escape codes, as `CLICOLOR_FORCE=1 fulcrum …` prints it. Out: an SVG that is read on a
//! light page as well as on a dark one. Never: a word that the text does not have.

use crate::process::Failure;
use clap::Args;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Width of a column, height of a line, size of the letters, room around them: in pixels.
const COLUMN: f64 = 8.43;
const LINE: usize = 18;
const LETTERS: usize = 14;
const MARGIN: usize = 16;

/// What is drawn, and where to.
#[derive(Clone, Debug, Args)]
pub(crate) struct PictureArguments {
    /// The text, such as of `CLICOLOR_FORCE=1 fulcrum doctor > doctor.txt`.
    text: PathBuf,
    /// The picture.
    out: PathBuf,
    /// What it shows, for those who do not see it.
    #[arg(long)]
    label: String,
}

/// Colours of a dark terminal by escape code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Paint {
    fill: Option<&'static str>,
    bold: bool,
    reversed: bool,
}

const PAPER: &str = "#0d1117";
const INK: &str = "#c9d1d9";

impl Paint {
    fn take(&mut self, code: &str) {
        match code {
            "" | "0" => *self = Self::default(),
            "1" => self.bold = true,
            "2" => self.fill = Some("#8b949e"),
            "7" => self.reversed = true,
            "31" => self.fill = Some("#ff7b72"),
            "32" => self.fill = Some("#7ee787"),
            "33" => self.fill = Some("#e3b341"),
            "34" => self.fill = Some("#79c0ff"),
            "36" => self.fill = Some("#76e3ea"),
            _ => {}
        }
    }
}

/// Draws it.
pub(crate) fn run(arguments: &PictureArguments) -> Result<(), Failure> {
    let failed = |path: &PathBuf, source| Failure::File {
        path: path.clone(),
        source,
    };
    let text = std::fs::read_to_string(&arguments.text);
    let text = text.map_err(|error| failed(&arguments.text, error))?;
    let picture = draw(&text, &arguments.label);
    std::fs::write(&arguments.out, picture).map_err(|error| failed(&arguments.out, error))
}

/// Parts of a line that are painted alike.
fn parts(line: &str) -> Vec<(Paint, String)> {
    let mut paint = Paint::default();
    let mut pieces = line.split("\x1b[");
    let mut all = vec![(paint, pieces.next().unwrap_or_default().to_string())];
    for piece in pieces {
        let (codes, rest) = piece.split_once('m').unwrap_or((piece, ""));
        for code in codes.split(';') {
            paint.take(code);
        }
        all.push((paint, rest.to_string()));
    }
    all
}

fn draw(text: &str, label: &str) -> String {
    let lines: Vec<Vec<(Paint, String)>> = text.lines().map(parts).collect();
    let columns = |line: &[(Paint, String)]| line.iter().map(|(_, one)| one.chars().count()).sum();
    let widest: usize = lines.iter().map(|line| columns(line)).max().unwrap_or(0);
    let width = (widest as f64 * COLUMN).ceil() as usize + 2 * MARGIN;
    let height = lines.len() * LINE + 2 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\
         <rect width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{PAPER}\"/>\
         <g font-family=\"ui-monospace,SFMono-Regular,Menlo,Consolas,DejaVu Sans Mono,monospace\" \
         font-size=\"{LETTERS}\" fill=\"{INK}\" xml:space=\"preserve\">\n",
        escaped(label)
    );
    for (number, line) in lines.iter().enumerate() {
        let y = MARGIN + LETTERS + number * LINE;
        let mut column = 0;
        for (paint, words) in line {
            let count = words.chars().count();
            part(&mut svg, *paint, words, column, y);
            column += count;
        }
    }
    svg.push_str("</g></svg>\n");
    svg
}

fn part(svg: &mut String, paint: Paint, words: &str, column: usize, y: usize) {
    let start = words.chars().take_while(|one| *one == ' ').count();
    let shown = words.trim_matches(' ');
    let x = |column: usize| MARGIN as f64 + column as f64 * COLUMN;
    let mut fill = paint.fill.unwrap_or(INK);
    if paint.reversed {
        let (left, long) = (x(column), words.chars().count() as f64 * COLUMN);
        let top = y - LETTERS;
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top}\" width=\"{long:.1}\" height=\"{LINE}\" fill=\"{fill}\"/>"
        );
        fill = PAPER;
    }
    if shown.is_empty() {
        return;
    }
    let (left, long) = (x(column + start), shown.chars().count() as f64 * COLUMN);
    let fill = match fill {
        INK => String::new(),
        fill => format!(" fill=\"{fill}\""),
    };
    let bold = if paint.bold {
        " font-weight=\"bold\""
    } else {
        ""
    };
    let _ = writeln!(
        svg,
        "<text x=\"{left:.1}\" y=\"{y}\" textLength=\"{long:.1}\"{fill}{bold}>{}</text>",
        escaped(shown)
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_fills_and_nothing_is_lost() {
        let svg = draw(
            "a \x1b[31;1mFAIL\x1b[0m  <b> & \"c\"\n\x1b[7mchosen \x1b[0m",
            "a \"label\"",
        );
        for wanted in [
            ">a</text>",
            "fill=\"#ff7b72\" font-weight=\"bold\">FAIL</text>",
            ">&lt;b&gt; &amp; &quot;c&quot;</text>",
            "<rect x=\"16.0\" y=\"34\" width=\"59.0\" height=\"18\" fill=\"#c9d1d9\"/>",
            "fill=\"#0d1117\">chosen</text>",
            "aria-label=\"a &quot;label&quot;\"",
        ] {
            assert!(svg.contains(wanted), "{wanted} is not in {svg}");
        }
    }
}
