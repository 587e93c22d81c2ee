//! Entry of `fulcrum`, the operator's command line.
//!
//! In: the command line. Out: an exit code. Never: anything else than handing over.

fn main() -> std::process::ExitCode {
    control::command_line::run()
}
