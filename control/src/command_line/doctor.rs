//! `fulcrum doctor`: the checks of a machine, for people and for programs.
//!
//! In: where the box is. Out: a table or JSON on stdout; 1 where something failed. Never: a check of a
//! machine that is not this one.

use super::arguments::Arguments;
use super::{Failure, exit, failure};
use crate::doctor::{self, Subject};
use clap::Args;
use std::io::IsTerminal as _;
use std::path::PathBuf;

/// Columns where no terminal says how many it has.
const COLUMNS: u16 = 100;

/// How it looks.
#[derive(Clone, Debug, Args)]
pub(super) struct DoctorOptions {
    /// Pings of each market of the exchange, 0 to 100.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=100))]
    pings: u32,
    /// Leave the exchange alone: nothing is sent to it.
    #[arg(long)]
    offline: bool,
    /// Where the kernel's files are looked for.
    #[arg(long, value_name = "DIR", default_value = "/", hide = true)]
    root: PathBuf,
}

/// Does it.
pub(super) fn run(options: &DoctorOptions, arguments: &Arguments) -> Result<(), Failure> {
    if arguments.away.is_meant() {
        let text = "the doctor looks at the machine that it runs on: run it there, without --url";
        return Err((exit::BAD_ARGUMENT, text.to_string()));
    }
    let subject = Subject {
        config: arguments.config.clone(),
        state_dir: arguments.state_dir.clone(),
        account: arguments.account.clone(),
        root: options.root.clone(),
        pings: options.pings,
        offline: options.offline,
    };
    let report = doctor::run(&subject).map_err(|error| failure(error.to_string()))?;
    if arguments.json {
        println!("{}", report.json());
    } else {
        let size = rustix::termios::tcgetwinsize(std::io::stdout());
        let columns = size.map_or(COLUMNS, |size| size.ws_col.max(60));
        print!("{}", report.text(is_coloured(), usize::from(columns)));
    }
    match report.is_good() {
        true => Ok(()),
        false => Err((
            exit::FAILURE,
            "something failed; what to do stands behind each `>`".to_string(),
        )),
    }
}

/// Whether stdout shows colours: on a terminal, and elsewhere where CLICOLOR_FORCE asks for it; never
/// against NO_COLOR.
pub(super) fn is_coloured() -> bool {
    let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| value != "0");
    (std::io::stdout().is_terminal() || forced) && std::env::var_os("NO_COLOR").is_none()
}
