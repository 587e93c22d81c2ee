//! TLS records into plaintext, and back.
//!
//! In: ciphertext in a buffer of our own. Out: plaintext for a sink, records for the wire. Never:
//! an allocation of our own; rustls makes one a record each way, which
//! [`crate::allocation::tls_scope`] counts apart. Key updates, tickets and alerts are rustls'
//! business.

use super::end::{SocketEnd, TlsFault};
use super::outgoing::Outgoing;
use crate::allocation::tls_scope;
use rustls::client::UnbufferedClientConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use rustls::{ExtractedSecrets, ProtocolVersion};

/// Ciphertext that is taken in before it is decrypted: at least three records of the largest kind
/// (16 KiB and a head), so that the start of one never keeps the rest of another out.
pub(super) const INCOMING_BYTES: usize = 64 << 10;

/// One connection's keys and the ciphertext that waits for its end.
pub(super) struct TlsSession {
    connection: UnbufferedClientConnection,
    incoming: Box<[u8]>,
    start: usize,
    end: usize,
    peer_closed: bool,
    /// rustls may not be asked again after an error of its own.
    failed: bool,
}

/// How far a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The handshake needs more of the other end.
    Handshake,
    /// Application data can be sent.
    Ready,
    /// The other end will send no more.
    PeerClosed,
}

/// Why a session is over.
#[derive(Debug)]
pub(super) enum Fault {
    /// In rustls' words, which the cold side shows.
    Tls(rustls::Error),
    /// Anything else.
    End(SocketEnd),
}

impl From<Fault> for SocketEnd {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Tls(error) => Self::Tls(TlsFault::from(&error)),
            Fault::End(end) => end,
        }
    }
}

impl From<EncryptError> for Fault {
    fn from(error: EncryptError) -> Self {
        Self::End(match error {
            EncryptError::InsufficientSize(_) => SocketEnd::SendBacklog,
            EncryptError::EncryptExhausted => SocketEnd::Tls(TlsFault::Exhausted),
        })
    }
}

/// What to do once application data can be sent.
enum Then<'a> {
    Nothing,
    Send(&'a [u8]),
    Close,
}

impl TlsSession {
    pub(super) fn new(connection: UnbufferedClientConnection) -> Self {
        Self {
            connection,
            incoming: vec![0; INCOMING_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            peer_closed: false,
            failed: false,
        }
    }

    /// Which TLS it is, once that is agreed upon.
    pub(super) fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.connection.protocol_version()
    }

    /// The keys, for somebody else's records.
    ///
    /// # Errors
    /// When the configuration does not allow it.
    pub(super) fn into_secrets(self) -> Result<ExtractedSecrets, rustls::Error> {
        let (secrets, _) = self.connection.dangerous_into_kernel_connection()?;
        Ok(secrets)
    }

    /// Ciphertext that waits for the rest of its record.
    pub(super) const fn pending(&self) -> usize {
        self.end - self.start
    }

    /// Where the next ciphertext goes; empty when a single record fills the buffer.
    #[inline]
    pub(super) fn spare(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.incoming.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.incoming[self.end..]
    }

    /// `count` bytes of [`TlsSession::spare`] have been filled.
    #[inline]
    pub(super) fn commit(&mut self, count: usize) {
        self.end += count;
        assert!(
            self.end <= self.incoming.len(),
            "more than there was room for"
        );
    }

    /// Decrypts every whole record, for the pinned thread.
    ///
    /// # Errors
    /// Of TLS, or of `sink`.
    #[inline]
    pub(super) fn decrypt(
        &mut self,
        outgoing: &mut Outgoing,
        sink: impl FnMut(&[u8]) -> Result<(), SocketEnd>,
    ) -> Result<Progress, SocketEnd> {
        tls_scope(|| {
            self.drive(outgoing, sink, Then::Nothing)
                .map_err(|fault| self.give_up(fault, outgoing))
        })
    }

    /// Puts `plaintext` as records behind what is waiting in `outgoing`.
    ///
    /// # Errors
    /// Of TLS, or [`SocketEnd::SendBacklog`].
    #[inline]
    pub(super) fn encrypt(
        &mut self,
        plaintext: &[u8],
        outgoing: &mut Outgoing,
        sink: impl FnMut(&[u8]) -> Result<(), SocketEnd>,
    ) -> Result<(), SocketEnd> {
        tls_scope(|| match self.drive(outgoing, sink, Then::Send(plaintext)) {
            Ok(Progress::Ready) => Ok(()),
            Ok(Progress::PeerClosed) => Err(SocketEnd::TlsClosed),
            Ok(Progress::Handshake) => Err(SocketEnd::Tls(TlsFault::Other)),
            Err(fault) => Err(self.give_up(fault, outgoing)),
        })
    }

    /// Says that we send no more.
    ///
    /// # Errors
    /// As [`TlsSession::encrypt`].
    pub(super) fn close(&mut self, outgoing: &mut Outgoing) -> Result<(), SocketEnd> {
        tls_scope(|| {
            self.drive(outgoing, |_| Ok(()), Then::Close)
                .map(|_| ())
                .map_err(SocketEnd::from)
        })
    }

    /// Goes on with the handshake, for the cold side.
    ///
    /// # Errors
    /// Of TLS, in its own words.
    pub(super) fn shake_hands(
        &mut self,
        outgoing: &mut Outgoing,
        sink: impl FnMut(&[u8]) -> Result<(), SocketEnd>,
    ) -> Result<Progress, Fault> {
        let result = self.drive(outgoing, sink, Then::Nothing);
        if let Err(Fault::Tls(error)) = &result {
            self.give_up(Fault::Tls(error.clone()), outgoing);
        }
        result
    }

    /// Takes records apart until rustls wants more bytes or is ready to send.
    fn drive(
        &mut self,
        outgoing: &mut Outgoing,
        mut sink: impl FnMut(&[u8]) -> Result<(), SocketEnd>,
        then: Then<'_>,
    ) -> Result<Progress, Fault> {
        if self.failed {
            return Err(Fault::End(SocketEnd::Tls(TlsFault::Other)));
        }
        loop {
            let records = &mut self.incoming[self.start..self.end];
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(records);
            let mut done = None;
            match state.map_err(Fault::Tls)? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(Fault::Tls)?;
                        discard += record.discard;
                        sink(record.payload).map_err(Fault::End)?;
                    }
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    let count = data.encode(outgoing.spare()).map_err(encode_fault)?;
                    outgoing.commit(count);
                }
                // It lies in `outgoing`, in front of all that follows: as good as sent.
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.peer_closed = true,
                ConnectionState::WriteTraffic(mut traffic) => {
                    let count = match then {
                        Then::Nothing => 0,
                        Then::Send(plaintext) => traffic.encrypt(plaintext, outgoing.spare())?,
                        Then::Close => traffic.queue_close_notify(outgoing.spare())?,
                    };
                    outgoing.commit(count);
                    done = Some(if self.peer_closed {
                        Progress::PeerClosed
                    } else {
                        Progress::Ready
                    });
                }
                ConnectionState::BlockedHandshake => done = Some(Progress::Handshake),
                ConnectionState::Closed => done = Some(Progress::PeerClosed),
                _ => return Err(Fault::End(SocketEnd::Tls(TlsFault::Other))),
            }
            self.start += discard;
            if self.start == self.end {
                self.start = 0;
                self.end = 0;
            }
            if let Some(progress) = done {
                return Ok(progress);
            }
        }
    }

    /// Lets rustls say its alert before the end.
    #[cold]
    fn give_up(&mut self, fault: Fault, outgoing: &mut Outgoing) -> SocketEnd {
        if matches!(fault, Fault::Tls(_)) && !self.failed {
            // It offers the alert at the next call; one more, and it would find the same fault.
            self.failed = true;
            let records = &mut self.incoming[self.start..self.end];
            if let Ok(ConnectionState::EncodeTlsData(mut data)) =
                self.connection.process_tls_records(records).state
                && let Ok(count) = data.encode(outgoing.spare())
            {
                outgoing.commit(count);
            }
        }
        fault.into()
    }
}

fn encode_fault(error: EncodeError) -> Fault {
    Fault::End(match error {
        EncodeError::InsufficientSize(_) => SocketEnd::SendBacklog,
        EncodeError::AlreadyEncoded => SocketEnd::Tls(TlsFault::Other),
    })
}
