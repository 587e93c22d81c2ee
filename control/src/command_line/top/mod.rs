//! `fulcrum top`: a box at a glance, redrawn as it trades.
//!
//! In: the way to a box, keys. Out: a screen, or one page of text. Never: a terminal that is left as it
//! should not be; more than ten pages a second.

mod draw;
mod feed;
mod keys;
mod picture;

use super::arguments::Arguments;
use super::{Failure, failure};
use clap::Args;
use draw::{Looks, page};
use feed::{Feed, Said, Shared};
use keys::{Place, Wish};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event};
use ratatui::style::{Color, Modifier};
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Between two pages at least.
const PAGE: Duration = Duration::from_millis(100);
/// Between two pages where no key is pressed: as often as the picture changes.
const IDLE: Duration = Duration::from_millis(250);
/// Rounds of looks before one page is printed: a line of equity needs some.
const ROUNDS_OF_ONE_PAGE: u32 = 1;

/// How it is shown.
#[derive(Clone, Debug, Args)]
pub(super) struct TopOptions {
    /// Print one page and leave, for logs and pictures.
    #[arg(long)]
    once: bool,
    /// Looks before that page, half a second apart: the line of equity has as many points.
    #[arg(long, value_name = "N", default_value_t = ROUNDS_OF_ONE_PAGE, requires = "once",
        value_parser = clap::value_parser!(u32).range(1..=600))]
    rounds: u32,
    /// Columns of that page.
    #[arg(long, value_name = "N", default_value_t = 100, requires = "once",
        value_parser = clap::value_parser!(u16).range(20..=400))]
    columns: u16,
    /// Lines of that page.
    #[arg(long, value_name = "N", default_value_t = 30, requires = "once",
        value_parser = clap::value_parser!(u16).range(5..=200))]
    lines: u16,
}

/// Shows it until a person has seen enough.
pub(super) fn run(options: &TopOptions, arguments: &Arguments) -> Result<(), Failure> {
    // A key that cannot be used is said before the screen is taken.
    if arguments.away.is_meant() {
        super::remote::Remote::open(arguments)?;
    } else {
        arguments.run_dir()?;
    }
    match options.once {
        true => once(options, arguments),
        false => screen(arguments),
    }
}

fn once(options: &TopOptions, arguments: &Arguments) -> Result<(), Failure> {
    let shared = Shared::default();
    let mut feed = Feed::new(arguments);
    for number in 0..options.rounds {
        let is_last = number + 1 == options.rounds;
        feed.round(&shared, is_last);
        if !is_last {
            std::thread::sleep(2 * IDLE);
        }
    }
    let mut terminal = Terminal::new(TestBackend::new(options.columns, options.lines))
        .map_err(|error| failure(error.to_string()))?;
    let colour = super::doctor::is_coloured();
    let picture = shared
        .lock()
        .expect("nobody panics while it is held")
        .clone();
    let looks = Looks {
        picture: &picture,
        place: &Place::default(),
        said: "",
        now: Instant::now(),
        colour,
    };
    terminal
        .draw(|frame| page(frame, &looks))
        .map_err(|error| failure(error.to_string()))?;
    print!("{}", text_of(terminal.backend().buffer(), colour));
    Ok(())
}

fn screen(arguments: &Arguments) -> Result<(), Failure> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(failure(
            "top needs a terminal; `fulcrum top --once` prints one page",
        ));
    }
    let cannot = |error: std::io::Error| failure(error.to_string());
    let (shared, said) = (Shared::default(), Said::default());
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    ctrlc::set_handler(move || told.store(true, Ordering::Relaxed))
        .map_err(|error| failure(error.to_string()))?;
    feed::start(arguments, &shared).map_err(cannot)?;
    // A panic gives the terminal back first: that is in its hook.
    let mut terminal = ratatui::try_init().map_err(cannot)?;
    let shown = show(&mut terminal, arguments, &shared, &said, &ended);
    ratatui::restore();
    shown.map_err(cannot)
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    arguments: &Arguments,
    shared: &Shared,
    said: &Said,
    ended: &AtomicBool,
) -> std::io::Result<()> {
    let colour = std::env::var_os("NO_COLOR").is_none();
    let mut place = Place::default();
    while !ended.load(Ordering::Relaxed) {
        let begun = Instant::now();
        let picture = shared
            .lock()
            .expect("nobody panics while it is held")
            .clone();
        let words = said.lock().expect("nobody panics while it is held").clone();
        let looks = Looks {
            picture: &picture,
            place: &place,
            said: &words,
            now: begun,
            colour,
        };
        terminal.draw(|frame| page(frame, &looks))?;
        let count = picture.symbols().len();
        let mut wait = IDLE;
        while event::poll(wait.saturating_sub(begun.elapsed()))? {
            if let Event::Key(key) = event::read()? {
                match place.key(key, count) {
                    Wish::Leave => return Ok(()),
                    Wish::Act(request) => feed::act(arguments, request, said),
                    Wish::Nothing => {}
                }
            }
            // What is typed is seen soon, but never with more than ten pages a second.
            wait = PAGE;
        }
    }
    Ok(())
}

/// A page as text; with escape codes where it has colours.
fn text_of(buffer: &Buffer, colour: bool) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut paint = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let cell = &buffer[(x, y)];
            let wanted = if colour {
                code(cell.fg, cell.modifier)
            } else {
                String::new()
            };
            if wanted != paint {
                line.push_str("\x1b[0m");
                line.push_str(&wanted);
                paint = wanted;
            }
            line.push_str(cell.symbol());
            // A wide character takes the place behind it.
            x += u16::try_from(crate::table::columns::width(cell.symbol()))
                .unwrap_or(1)
                .max(1);
        }
        if !paint.is_empty() {
            line.push_str("\x1b[0m");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn code(colour: Color, modifier: Modifier) -> String {
    let mut codes: Vec<&str> = Vec::new();
    if modifier.contains(Modifier::BOLD) {
        codes.push("1");
    }
    if modifier.contains(Modifier::DIM) {
        codes.push("2");
    }
    if modifier.contains(Modifier::REVERSED) {
        codes.push("7");
    }
    match colour {
        Color::Red => codes.push("31"),
        Color::Green => codes.push("32"),
        Color::Yellow => codes.push("33"),
        Color::Blue => codes.push("34"),
        Color::Cyan => codes.push("36"),
        _ => {}
    }
    match codes.is_empty() {
        true => String::new(),
        false => format!("\x1b[{}m", codes.join(";")),
    }
}
