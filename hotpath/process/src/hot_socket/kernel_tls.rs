//! Hands a connection's keys to the kernel, which then makes and opens the records itself.
//!
//! In: a session whose handshake is over. Out: a socket that reads and writes plaintext, or the
//! reason why it stays with rustls. Never: a key in a log; a session that is neither.
//!
//! With the kernel's records there is no allocation at all. What the kernel does not do ends the
//! connection with a reason, to be dialed again: key updates and every other handshake message
//! after the handshake. The kernel does not count towards the confidentiality limit of AES-GCM
//! (2^24.5 records, RFC 8446, 5.5): an exchange ends a connection after a day, long before.
//!
//! **Not tested with a kernel that has it**: build machines lack the module. Tested are the layout
//! of the keys and the way back to rustls.

use super::receive::{Direction, attach_kernel_tls, set_kernel_keys};
use super::tls::TlsSession;
use rustls::{ConnectionTrafficSecrets, ProtocolVersion};
use std::os::fd::BorrowedFd;

/// Content type of application data (RFC 8446, 5.1).
pub(super) const APPLICATION_DATA: u8 = 23;

/// Content type of alerts.
pub(super) const ALERT: u8 = 21;

/// Who makes the records of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Nobody: ws.
    None,
    /// rustls, with one allocation a record.
    Rustls {
        /// Why the kernel does not, where it was asked for.
        kernel_refused: Option<String>,
    },
    /// The kernel.
    Kernel,
}

/// What came of the question.
pub(super) enum Outcome {
    /// The session goes on as it was.
    Refused(Box<TlsSession>, String),
    /// The kernel has the keys.
    Taken,
    /// It has neither: only a new connection helps.
    Lost(String),
}

/// Asks the kernel to take over.
pub(super) fn hand_over(socket: BorrowedFd<'_>, session: Box<TlsSession>) -> Outcome {
    if session.pending() > 0 {
        return Outcome::Refused(session, "a part of a record was read already".to_string());
    }
    if session.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return Outcome::Refused(session, "not TLS 1.3".to_string());
    }
    if let Err(error) = attach_kernel_tls(socket) {
        return Outcome::Refused(session, format!("the kernel has no TLS: {error}"));
    }
    let secrets = match session.into_secrets() {
        Ok(secrets) => secrets,
        Err(error) => return Outcome::Lost(error.to_string()),
    };
    for (direction, (sequence, keys)) in [
        (Direction::Send, &secrets.tx),
        (Direction::Receive, &secrets.rx),
    ] {
        let Some((bytes, length)) = layout(*sequence, keys) else {
            return Outcome::Lost("a cipher that the kernel does not know".to_string());
        };
        if let Err(error) = set_kernel_keys(socket, direction, &bytes[..length]) {
            return Outcome::Lost(format!("the kernel refused the keys: {error}"));
        }
    }
    Outcome::Taken
}

/// The kernel's form of keys for TLS 1.3 (linux/tls.h, `tls12_crypto_info_*`):
///
/// ```text
/// AES-GCM   version u16 | cipher u16 | iv 8  | key 16 or 32 | salt 4 | sequence 8 (big-endian)
/// ChaCha20  version u16 | cipher u16 | iv 12 | key 32       |        | sequence 8 (big-endian)
/// ```
fn layout(sequence: u64, keys: &ConnectionTrafficSecrets) -> Option<([u8; 56], usize)> {
    const TLS_1_3: u16 = 0x0304;
    let (cipher, key, iv, salt_bytes): (u16, _, _, _) = match keys {
        ConnectionTrafficSecrets::Aes128Gcm { key, iv } => (51, key, iv, 4),
        ConnectionTrafficSecrets::Aes256Gcm { key, iv } => (52, key, iv, 4),
        ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } => (54, key, iv, 0),
        _ => return None,
    };
    let (salt, iv) = iv.as_ref().split_at_checked(salt_bytes)?;
    let mut bytes = [0; 56];
    let mut length = 0;
    for part in [
        &TLS_1_3.to_ne_bytes()[..],
        &cipher.to_ne_bytes(),
        iv,
        key.as_ref(),
        salt,
        &sequence.to_be_bytes(),
    ] {
        bytes
            .get_mut(length..length + part.len())?
            .copy_from_slice(part);
        length += part.len();
    }
    Some((bytes, length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::crypto::cipher::{AeadKey, Iv};

    #[test]
    fn keys_lie_as_the_kernel_reads_them() {
        let iv = || Iv::copy(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        let key = AeadKey::from([7; 32]);
        let keys = ConnectionTrafficSecrets::Aes256Gcm { key, iv: iv() };
        let (bytes, length) = layout(0x0102, &keys).unwrap();
        assert_eq!(length, 56);
        let head = [0x0304_u16.to_ne_bytes(), 52_u16.to_ne_bytes()].concat();
        assert_eq!(bytes[..4], head);
        assert_eq!(bytes[4..12], [5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(bytes[12..44], [7; 32]);
        assert_eq!(bytes[44..48], [1, 2, 3, 4]);
        assert_eq!(bytes[48..], [0, 0, 0, 0, 0, 0, 1, 2]);
        let key = AeadKey::from([7; 32]);
        let keys = ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv: iv() };
        let (bytes, length) = layout(9, &keys).unwrap();
        assert_eq!(length, 56);
        assert_eq!(bytes[4..16], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(bytes[16..48], [7; 32]);
        assert_eq!(bytes[55], 9);
    }
}
