//! Entry of `fulcrum`, the operator's command line.
//!
//! In: the command line. Out: an exit code. Never: anything else than handing over.

// Rare things that the simulation makes often have no place in a product.
const _: () = assert!(!market::buggify::COMPILED_IN);

fn main() -> std::process::ExitCode {
    control::command_line::run()
}
