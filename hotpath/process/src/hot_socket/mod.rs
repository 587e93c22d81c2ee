//! WebSockets that the pinned thread reads and writes itself.
//!
//! In: a URL, for the cold side's [`HotDialer`], which connects, proves who the other end is and
//! upgrades. Out: a [`HotSocket`] that never blocks and never allocates by itself. Never: an event
//! loop, a wake-up, a thread on the way of a message.
//!
//! | file | what it is |
//! |---|---|
//! | `dial`, `wire`, `upgrade` | the cold side: address, TLS handshake, HTTP upgrade |
//! | `socket` | receive, next message, send, flush |
//! | `tls` | records into plaintext and back, by rustls' unbuffered connection |
//! | `kernel_tls` | the kernel makes the records, where it can and the operator wants it |
//! | `receive` | one system call, with the kernel's receive time |
//! | `outgoing`, `mask` | what the kernel has not taken yet; masks |
//! | `loopback` | a connection of this process with itself, for rehearsals |
//! | `end` | why a socket is over |

mod dial;
mod end;
mod kernel_tls;
mod loopback;
mod mask;
mod outgoing;
mod receive;
mod socket;
mod tls;
mod upgrade;
mod wire;

pub use dial::{DialError, HotDialer, HotOptions};
pub use end::{SocketEnd, TlsFault};
pub use kernel_tls::Encryption;
pub use loopback::loopback_pair;
pub use socket::{HotSocket, Received};
pub use websocket::Message;
