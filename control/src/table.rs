//! The live table: one page of text, redrawn in place on a terminal.
//!
//! In: a picture, the settings. Out: lines whose columns line up. Never: colour where `NO_COLOR`
//! is set or stdout is no terminal; there each page is plain text, once in a while.

pub(crate) mod columns;
mod page;

pub use page::{Style, page};

use crate::http::Site;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

/// Pause between two pages on a terminal.
const REDRAW: Duration = Duration::from_millis(250);
/// Pause between two pages elsewhere.
const REPRINT: Duration = Duration::from_secs(10);

/// Shows the table until the task is aborted.
pub async fn show(site: Arc<Site>) {
    let in_place = std::io::stdout().is_terminal();
    let style = Style {
        colour: in_place && std::env::var_os("NO_COLOR").is_none(),
    };
    if in_place {
        // Hide the cursor while the page is redrawn; a line ends at the terminal's edge, however
        // narrow it is made, and does not push the others down.
        write("\x1b[?25l\x1b[?7l\x1b[2J");
    }
    loop {
        let text = page(
            &site.shared.get(),
            &site.configuration.running().settings,
            style,
        );
        if in_place {
            // Home, each line cleared to its end, then whatever lies below.
            write(&format!("\x1b[H{}\x1b[J", text.replace('\n', "\x1b[K\n")));
        } else {
            write(&format!("{text}\n"));
        }
        tokio::time::sleep(if in_place { REDRAW } else { REPRINT }).await;
    }
}

/// Gives the terminal back as it was.
pub fn leave() {
    if std::io::stdout().is_terminal() {
        write("\x1b[?7h\x1b[?25h");
    }
}

/// A closed pipe is the reader's choice, not our trouble.
fn write(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}

#[cfg(test)]
pub(crate) mod tests;
