//! The processor's time stamp counter.
//!
//! In: nothing. Out: its value, or none where the processor has none. Never: a judgement whether
//! it is fit to be a clock; that is [`super::TickClock`]'s.

/// The counter now; none on a processor without one. Not ordered with the instructions around it:
/// a station may be off by the few nanoseconds that the processor works ahead.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code, reason = "the instruction has no safe name")]
pub(super) fn read() -> Option<u64> {
    // SAFETY: rdtsc is part of x86-64, touches no memory, and Linux allows it in user mode unless
    // a process asked prctl(PR_SET_TSC) to be stopped for it, which nothing here does.
    Some(unsafe { core::arch::x86_64::_rdtsc() })
}

/// No processor but x86-64 is asked.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(super) fn read() -> Option<u64> {
    None
}
