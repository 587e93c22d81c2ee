//! Completions and man pages, made of the command line itself.
//!
//! In: the definition of the arguments. Out: a script on stdout, a page a verb in a folder. Never: a
//! page that a change of the command line leaves behind.

use super::arguments::Arguments;
use super::{Failure, failure};
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::Path;

/// The script of a shell.
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "fulcrum", &mut script);
    print!("{}", String::from_utf8_lossy(&script));
    Ok(())
}

/// `fulcrum.1`, `fulcrum-kill.1` and so on.
pub(super) fn pages(folder: &Path) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| failure(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    clap_mangen::generate_to(Arguments::command(), folder).map_err(cannot)?;
    let count = std::fs::read_dir(folder).map_err(cannot)?.count();
    println!("{count} pages in {}", folder.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_has_its_page() {
        let folder = std::env::temp_dir().join(format!("fulcrum-man-{}", std::process::id()));
        pages(&folder).expect("a folder of temporary files");
        for verb in Arguments::command().get_subcommands() {
            let page = folder.join(format!("fulcrum-{}.1", verb.get_name()));
            let text = std::fs::read_to_string(&page).unwrap_or_default();
            assert!(text.contains(".SH NAME"), "{}", page.display());
        }
        std::fs::remove_dir_all(&folder).expect("it was made above");
    }
}
