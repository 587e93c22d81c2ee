//! Ports for processes that have to be told theirs before they start.
//!
//! In: nothing. Out: a port on loopback that nobody has. Never: one that an outgoing connection
//! could take meanwhile.
#![forbid(unsafe_code)]

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that the kernel gives to outgoing connections (32,768 and up).
const FIRST: u32 = 20_000;
const COUNT: u32 = 12_000;

/// A free port. Processes that ask at the same time begin at different places, so that two rarely
/// find the same one before either has bound it.
///
/// # Panics
/// When not one of them is free.
#[must_use]
pub fn free_port() -> u16 {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    // Relaxed: only that two calls differ counts.
    let calls = CALLS.fetch_add(1, Ordering::Relaxed);
    let first = std::process::id()
        .wrapping_mul(97)
        .wrapping_add(calls.wrapping_mul(13));
    let mut ports = (0..COUNT).map(|step| FIRST + first.wrapping_add(step) % COUNT);
    let free = |port: &u32| u16::try_from(*port).is_ok_and(is_free);
    let found = ports.find(free).and_then(|port| u16::try_from(port).ok());
    found.expect("one of 12,000 ports from 20000 on is free")
}

/// The first of three free ports in a row: a simulated exchange takes the two behind its own.
///
/// # Panics
/// When there are none.
#[must_use]
pub fn three_free_ports() -> u16 {
    let found = (0..1_000).map(|_| free_port());
    let mut whole = found.filter(|port| is_free(port + 1) && is_free(port + 2));
    whole
        .next()
        .expect("three of 12,000 ports are free in a row")
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_not_given() {
        let taken: Vec<_> = (0..20)
            .map(|_| TcpListener::bind(("127.0.0.1", free_port())).unwrap())
            .collect();
        assert_eq!(taken.len(), 20);
        for listener in &taken {
            assert!(!is_free(listener.local_addr().unwrap().port()));
        }
    }
}
