//! The rolling hash of the engine's outputs.
//!
//! In: words and encoded values in order of emission. Out: one number, equal wherever the same
//! outputs were made. Never: dependence on build profile, address or platform.

/// Folds outputs into 64 bits, eight bytes at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollingHash(u64);

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

impl Default for RollingHash {
    fn default() -> Self {
        Self(0x6675_6c63_7275_6d00)
    }
}

impl RollingHash {
    /// Goes on from a saved value.
    #[must_use]
    pub const fn resume(value: u64) -> Self {
        Self(value)
    }

    /// The hash so far.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Folds in one word.
    pub const fn word(&mut self, word: u64) {
        // The high half of the product comes back down, so that every bit reaches every bit.
        let product = (self.0 ^ word) as u128 * MULTIPLIER as u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ self.0.rotate_left(23);
    }

    /// Folds in bytes and their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.word(u64::from_le_bytes(chunk.try_into().expect("eight bytes")));
        }
        let mut last = [0; 8];
        let rest = chunks.remainder();
        last[..rest.len()].copy_from_slice(rest);
        self.word(u64::from_le_bytes(last));
        self.word(bytes.len() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> u64 {
        let mut hash = RollingHash::default();
        hash.bytes(bytes);
        hash.value()
    }

    #[test]
    fn length_order_and_every_bit_count() {
        assert_ne!(of(b""), of(b"\0"));
        assert_ne!(of(b"ab"), of(b"ba"));
        assert_ne!(of(b"12345678"), of(b"12345678\0"));
        let base = of(&[0; 16]);
        for bit in 0..128 {
            let mut bytes = [0; 16];
            bytes[bit / 8] |= 1 << (bit % 8);
            assert_ne!(of(&bytes), base, "bit {bit}");
        }
    }

    /// Computed by another implementation: logs and simulations of earlier builds are told apart by
    /// these numbers.
    #[test]
    fn the_function_never_changes_silently() {
        assert_eq!(of(b""), 0xeb3c_a894_2cce_7fcc);
        assert_eq!(of(b"fulcrum"), 0x1cd6_58c1_3912_bfb5);
        assert_eq!(of(b"an imbalance of the book"), 0xf677_dd1b_5f67_08f8);
    }
}
