//! The parts that go from socket to socket.
//!
//! In: arguments. Out: what [`side_by_side::inline_path`] says. Never: the system's allocator: the
//! one of the product counts what its pinned thread takes, and all contenders have it alike.

use hotpath::allocation::GuardedAllocator;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: GuardedAllocator = GuardedAllocator;

fn main() -> ExitCode {
    side_by_side::inline_path()
}
