//! Proof that risk has looked at an order.
//!
//! In: an order and a passed check. Out: a value that only risk can make, and that a ring can
//! carry with a seal. Never: a way round.

use crate::hash::RollingHash;
use market::{CodecError, Reader, Wire, Writer};

const SEAL_KEY: u64 = 0x6675_6c63_7275_6d21;

/// An order that passed every control. Only `risk` makes one; decoding checks the seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approved<T>(T);

impl<T> Approved<T> {
    /// Called by `risk` alone, after the last control.
    pub(crate) const fn by_risk(order: T) -> Self {
        Self(order)
    }

    /// The order.
    pub const fn get(&self) -> &T {
        &self.0
    }
}

/// A keyed hash of the encoded order, so that a stray record never passes for an approval.
fn seal<T: Wire>(order: &T) -> Result<u64, CodecError> {
    let mut bytes = [0; 256];
    let length = order.to_bytes(&mut bytes)?;
    let mut hash = RollingHash::resume(SEAL_KEY);
    hash.bytes(&bytes[..length]);
    Ok(hash.value())
}

impl<T: Wire> Wire for Approved<T> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        self.0.encode(writer)?;
        writer.u64(seal(&self.0)?)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let order = T::decode(reader)?;
        if reader.u64()? == seal(&order)? {
            Ok(Self(order))
        } else {
            Err(CodecError::BadText)
        }
    }
}
