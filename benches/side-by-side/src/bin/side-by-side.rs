//! Every part beside its peers.
//!
//! In: arguments. Out: what [`side_by_side::side_by_side`] says. Never: an allocator other than
//! the system's, which is the peers' users'.

use std::process::ExitCode;

fn main() -> ExitCode {
    side_by_side::side_by_side()
}
