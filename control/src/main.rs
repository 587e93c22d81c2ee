//! Entry of `fulcrum-control`.
//!
//! In: the command line. Out: an exit code. Never: anything else than setting the allocator and
//! handing over.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    control::process::run()
}
