//! Masks of frames.
//!
//! In: a seed of the system's randomness. Out: a new mask for each frame. Never: a system call.
//!
//! RFC 6455, 10.3 wants masks that the author of the payload cannot foresee, because a page in a
//! browser could otherwise place bytes of its choice on the wire. Here one program writes both, so
//! that a fast generator with a secret seed is enough.

/// SplitMix64 (Steele, Lea, Flood 2014) from a secret seed; the upper half of each output.
#[derive(Debug)]
pub(super) struct Masks(u64);

impl Masks {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    #[inline]
    pub(super) const fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 32) as u32
    }
}
