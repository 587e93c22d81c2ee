//! One `recvmsg`, with the time at which the kernel received the last segment.
//!
//! In: a socket and a buffer. Out: how many bytes came, and when. Never: a wait; a control message
//! that is believed without looking at its length.
#![allow(
    unsafe_code,
    reason = "rustix reads no SCM_TIMESTAMPNS and knows neither SO_TIMESTAMPNS nor SO_BUSY_POLL; \
              calls of libc with buffers that outlive them"
)]

use market::UtcNs;
use std::io;
use std::mem::{MaybeUninit, size_of, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Control message with the content type of a record (linux/tls.h).
const TLS_GET_RECORD_TYPE: i32 = 2;

/// What one call brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Bytes; zero is the end of the stream.
    pub(super) count: usize,
    /// The kernel's time of the last segment among them (socket(7), SO_TIMESTAMPNS).
    pub(super) arrived: Option<UtcNs>,
    /// The content type, where the kernel opens the records.
    pub(super) record: Option<u8>,
}

/// Room for the control messages of one call: a time stamp is 32 bytes with its head, a content
/// type 24.
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
    let mut arrival = Arrival {
        count,
        arrived: None,
        record: None,
    };
    read_control(&message, &mut arrival);
    Ok(arrival)
}

/// The time stamp, and the content type, among the control messages.
#[inline]
fn read_control(message: &libc::msghdr, arrival: &mut Arrival) {
    // SAFETY: the kernel wrote whole control messages into the buffer that `message` names, and
    // their total into msg_controllen; the macro looks at nothing else.
    let mut head = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !head.is_null() {
        // SAFETY: a head that the macros return lies inside of the control buffer, whose
        // alignment is that of cmsghdr.
        let (level, kind, bytes) =
            unsafe { ((*head).cmsg_level, (*head).cmsg_type, (*head).cmsg_len) };
        // SAFETY: plain arithmetic on a constant.
        let with_time = unsafe { libc::CMSG_LEN(size_of::<libc::timespec>() as u32) } as usize;
        // SAFETY: as above.
        let with_byte = unsafe { libc::CMSG_LEN(1) } as usize;
        if level == libc::SOL_SOCKET && kind == libc::SCM_TIMESTAMPNS && bytes >= with_time {
            // SAFETY: the length says that a timespec follows the head; it is read unaligned.
            let time: libc::timespec = unsafe {
                libc::CMSG_DATA(head)
                    .cast::<libc::timespec>()
                    .read_unaligned()
            };
            arrival.arrived = Some(UtcNs(time.tv_sec * 1_000_000_000 + time.tv_nsec));
        }
        if level == libc::SOL_TLS && kind == TLS_GET_RECORD_TYPE && bytes >= with_byte {
            // SAFETY: the length says that a byte follows the head.
            arrival.record = Some(unsafe { libc::CMSG_DATA(head).read() });
        }
        // SAFETY: as for CMSG_FIRSTHDR; the macro stops at the end of the buffer.
        head = unsafe { libc::CMSG_NXTHDR(message, head) };
    }
}

/// From now on each receive carries the kernel's time.
///
/// # Errors
/// The kernel's.
pub(super) fn stamp_arrivals(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on = 1_i32.to_ne_bytes();
    set_option(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &on)
}

/// Puts the kernel's TLS on a connected socket; it does nothing before it has keys.
///
/// # Errors
/// The kernel's; `NotFound` where it has no such module.
pub(super) fn attach_kernel_tls(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_TCP, libc::TCP_ULP, b"tls")
}

/// Which half of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// What we write.
    Send = 1,
    /// What we read.
    Receive = 2,
}

/// Gives the kernel the keys of one direction.
///
/// # Errors
/// The kernel's.
pub(super) fn set_kernel_keys(
    socket: BorrowedFd<'_>,
    direction: Direction,
    keys: &[u8],
) -> io::Result<()> {
    set_option(socket, libc::SOL_TLS, direction as i32, keys)
}

fn set_option(socket: BorrowedFd<'_>, level: i32, option: i32, value: &[u8]) -> io::Result<()> {
    // SAFETY: the kernel reads `value` by its length and keeps no pointer to it; no option that
    // is set here gives the kernel an address. The descriptor is open as long as `socket` lives.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            value.as_ptr().cast(),
            value.len() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
