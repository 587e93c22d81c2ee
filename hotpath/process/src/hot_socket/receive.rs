//! One `recvmsg`, with the time at which the kernel received the last segment.
//!
//! In: a socket and a buffer. Out: how many bytes came, and when. Never: a wait; a control message
//! that is believed without looking at its length.
#![allow(
    unsafe_code,
    reason = "rustix reads no SCM_TIMESTAMPNS and knows neither SO_TIMESTAMPNS nor SO_BUSY_POLL; \
              three calls of libc with buffers of this file"
)]

use market::UtcNs;
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

/// What one call brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Bytes; zero is the end of the stream.
    pub(super) count: usize,
    /// The kernel's time of the last segment among them (socket(7), SO_TIMESTAMPNS).
    pub(super) arrived: Option<UtcNs>,
}

/// Room for the control messages of one call: a time stamp is 32 bytes with its head.
#[repr(C, align(8))]
struct Control([MaybeUninit<u8>; 64]);

/// Takes what is there into `into`, without waiting.
///
/// # Errors
/// The kernel's; `WouldBlock` when nothing is there.
#[inline]
pub(super) fn receive(socket: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<Arrival> {
    let mut control = Control([MaybeUninit::uninit(); 64]);
    let mut part = libc::iovec {
        iov_base: into.as_mut_ptr().cast(),
        iov_len: into.len(),
    };
    // SAFETY: msghdr is a C structure of integers and pointers, for which zero is a value.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = (&raw mut control.0).cast();
    message.msg_controllen = size_of::<Control>() as _;
    // SAFETY: `message` points to `part`, which describes `into`, and to `control`; all three are
    // borrowed exclusively until after the call, and the lengths are theirs. The descriptor is open
    // as long as `socket` lives.
    let count = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    let Ok(count) = usize::try_from(count) else {
        return Err(io::Error::last_os_error());
    };
    Ok(Arrival {
        count,
        arrived: arrival_time(&message),
    })
}

/// The time stamp among the control messages.
#[inline]
fn arrival_time(message: &libc::msghdr) -> Option<UtcNs> {
    // SAFETY: the kernel wrote whole control messages into the buffer that `message` names, and
    // their total into msg_controllen; the macro looks at nothing else.
    let mut head = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !head.is_null() {
        // SAFETY: a head that the macros return lies inside of the control buffer, whose
        // alignment is that of cmsghdr.
        let (level, kind, bytes) =
            unsafe { ((*head).cmsg_level, (*head).cmsg_type, (*head).cmsg_len) };
        // SAFETY: plain arithmetic on a constant.
        let whole = unsafe { libc::CMSG_LEN(size_of::<libc::timespec>() as u32) } as usize;
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS && bytes >= whole {
            // SAFETY: the length says that a timespec follows the head; it is read unaligned.
            let time: libc::timespec = unsafe {
                libc::CMSG_DATA(head)
                    .cast::<libc::timespec>()
                    .read_unaligned()
            };
            return Some(UtcNs(time.tv_sec * 1_000_000_000 + time.tv_nsec));
        }
        // SAFETY: as for CMSG_FIRSTHDR; the macro stops at the end of the buffer.
        head = unsafe { libc::CMSG_NXTHDR(message, head) };
    }
    None
}

/// From now on each receive carries the kernel's time.
///
/// # Errors
/// The kernel's.
pub(super) fn stamp_arrivals(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SO_TIMESTAMPNS, 1)
}

/// Lets a receive that finds nothing look into the network card's queue for `microseconds`.
///
/// # Errors
/// The kernel's: more than the system's limit needs a privilege.
pub(super) fn busy_poll(socket: BorrowedFd<'_>, microseconds: u32) -> io::Result<()> {
    set_option(
        socket,
        libc::SO_BUSY_POLL,
        i32::try_from(microseconds).unwrap_or(i32::MAX),
    )
}

fn set_option(socket: BorrowedFd<'_>, option: i32, value: i32) -> io::Result<()> {
    // SAFETY: the value is an i32 on our stack and its size is given; the descriptor is open as
    // long as `socket` lives.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            size_of::<i32>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
