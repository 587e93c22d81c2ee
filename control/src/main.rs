//! Entry of `fulcrum-control`.
//!
//! In: the command line. Out: an exit code. Never: anything else than setting the allocator and
//! handing over.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// Rare things that the simulation makes often have no place in a product.
const _: () = assert!(!market::buggify::COMPILED_IN);

fn main() -> std::process::ExitCode {
    control::process::run()
}
