//! A wait that ends when it should: the runtime's own timers count whole milliseconds.
//!
//! In: how long. Out: the moment after. Never: a clock of the exchange.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Result;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits; to the millisecond, and not less, where the system has no timer to give.
pub async fn sleep(wait: Duration) {
    let mut exact = false;
    if let Ok(timer) = set(wait) {
        exact = timer.readable().await.is_ok();
    }
    if !exact {
        tokio::time::sleep(wait).await;
    }
}

#[expect(
    deprecated,
    reason = "its successor is unsafe for descriptors that may close; an owned one cannot"
)]
fn set(wait: Duration) -> Result<AsyncFd<OwnedFd>> {
    let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    let time = Itimerspec {
        it_interval: Duration::ZERO.try_into().expect("zero fits"),
        it_value: wait.try_into().map_err(|_| rustix::io::Errno::OVERFLOW)?,
    };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &time)?;
    AsyncFd::with_interest(timer, Interest::READABLE).map_err(|_| rustix::io::Errno::MFILE)
}
