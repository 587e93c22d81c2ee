//! Frames of a client, masked.
//!
//! In: a payload, a mask and a buffer of the caller. Out: the frame at the buffer's start. Never:
//! a fragment, an allocation, a mask of its own choice.

use crate::header::{CONTROL_BYTES_MAX, Opcode, SHORT_BYTES_MAX};

/// The buffer is smaller than the frame, or a control frame's payload is longer than 125 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl core::fmt::Display for NoRoom {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str("the frame does not fit")
    }
}

impl core::error::Error for NoRoom {}

/// Bytes of a frame with `payload` bytes in it.
#[must_use]
pub const fn frame_bytes(payload: usize) -> usize {
    let length = match payload {
        0..=125 => 0,
        126..=SHORT_BYTES_MAX => 2,
        _ => 8,
    };
    2 + length + 4 + payload
}

/// Writes one final frame and says how many bytes it has.
///
/// The mask exists so that pages in a browser cannot make a proxy see requests of their choice
/// (RFC 6455, 10.3); it is no secret and costs one exclusive-or a word.
///
/// # Errors
/// [`NoRoom`]; `out` is unchanged then.
#[inline]
pub fn write_frame(
    opcode: Opcode,
    payload: &[u8],
    mask: u32,
    out: &mut [u8],
) -> Result<usize, NoRoom> {
    if opcode.is_control() && payload.len() > CONTROL_BYTES_MAX {
        return Err(NoRoom);
    }
    let total = frame_bytes(payload.len());
    let out = out.get_mut(..total).ok_or(NoRoom)?;
    let (head, body) = out.split_at_mut(total - payload.len());
    let (length, mask_at) = match payload.len() {
        short @ 0..=125 => (short as u8, 2),
        middle @ 126..=SHORT_BYTES_MAX => {
            head[2..4].copy_from_slice(&(middle as u16).to_be_bytes());
            (126, 4)
        }
        long => {
            head[2..10].copy_from_slice(&(long as u64).to_be_bytes());
            (127, 10)
        }
    };
    head[0] = 0x80 | opcode as u8;
    head[1] = 0x80 | length;
    let mask = mask.to_ne_bytes();
    head[mask_at..].copy_from_slice(&mask);
    body.copy_from_slice(payload);
    apply_mask(body, mask);
    Ok(total)
}

/// Writes a close frame with a code and a reason; the reason is cut to what a control frame holds.
///
/// # Errors
/// [`NoRoom`].
pub fn write_close(code: u16, reason: &str, mask: u32, out: &mut [u8]) -> Result<usize, NoRoom> {
    let mut payload = [0; CONTROL_BYTES_MAX];
    let kept = reason.floor_char_boundary(CONTROL_BYTES_MAX - 2);
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + kept].copy_from_slice(&reason.as_bytes()[..kept]);
    write_frame(Opcode::Close, &payload[..2 + kept], mask, out)
}

/// Masks or unmasks `bytes`, eight at a time.
#[inline]
pub fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masking_by_words_is_masking_by_bytes() {
        let mask = [0x12, 0x34, 0x56, 0x78];
        for length in 0..40 {
            let plain: Vec<u8> = (0..length).map(|byte| byte as u8 ^ 0x5A).collect();
            let mut ours = plain.clone();
            apply_mask(&mut ours, mask);
            let by_bytes: Vec<u8> = plain
                .iter()
                .enumerate()
                .map(|(at, byte)| byte ^ mask[at % 4])
                .collect();
            assert_eq!(ours, by_bytes, "{length} bytes");
        }
    }

    #[test]
    fn a_frame_that_does_not_fit_leaves_the_buffer_alone() {
        let mut out = [7; 10];
        assert_eq!(
            write_frame(Opcode::Text, b"hello", 1, &mut out),
            Err(NoRoom)
        );
        assert_eq!(out, [7; 10]);
        let mut large = [0; 300];
        assert_eq!(
            write_frame(Opcode::Ping, &[0; 126], 1, &mut large),
            Err(NoRoom)
        );
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let mut out = [0; 200];
        let reason = "é".repeat(100);
        let written = write_close(1000, &reason, 0, &mut out).unwrap();
        assert_eq!(written, frame_bytes(2 + 122));
        assert!(core::str::from_utf8(&out[8..written]).is_ok());
    }
}
