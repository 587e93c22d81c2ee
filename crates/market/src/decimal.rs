//! Decimal text <-> integer, exact, without allocation.
//!
//! In: ASCII bytes as the exchange writes numbers, and a number of decimals. Out: the integer
//! value at that many decimals, or why not. Never: rounding, exponents, floats.

/// Why a text is not an acceptable decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// No digit at all, or none on one side of the dot.
    Empty,
    /// A sign where none is allowed.
    Sign,
    /// An exponent (`1e5`).
    Exponent,
    /// Another byte than a digit or one dot.
    NotADigit,
    /// The value does not fit 63 bits at the wanted precision.
    Overflow,
    /// Digits other than 0 beyond the wanted precision.
    Precision,
}

impl core::fmt::Display for DecimalError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Empty => "a number without digits",
            Self::Sign => "a sign where only an unsigned number is allowed",
            Self::Exponent => "a number with an exponent; only plain decimals are allowed",
            Self::NotADigit => "a character that is neither a digit nor the decimal point",
            Self::Overflow => "a number too large for 63 bits at this precision",
            Self::Precision => "more decimals than this instrument has",
        })
    }
}

impl core::error::Error for DecimalError {}

/// Largest number of decimals that the functions of this module take.
pub const DECIMALS_MAX: u32 = 18;

/// Parses unsigned decimal text to its integer value times `10^decimals`.
///
/// `"28145.10"` at 2 decimals is 2,814,510; trailing zeros beyond the precision are accepted.
///
/// # Errors
/// [`DecimalError`] says which rule the text breaks.
pub fn parse_decimal(text: &[u8], decimals: u32) -> Result<i64, DecimalError> {
    debug_assert!(decimals <= DECIMALS_MAX);
    let mut value: i64 = 0;
    let mut whole_digits = 0usize;
    let mut at = 0usize;
    while at < text.len() && text[at] != b'.' {
        value = push_digit(value, digit(text[at], at)?)?;
        whole_digits += 1;
        at += 1;
    }
    if whole_digits == 0 {
        return Err(DecimalError::Empty);
    }
    let mut taken = 0u32;
    if at < text.len() {
        at += 1;
        if at == text.len() {
            return Err(DecimalError::Empty);
        }
        while at < text.len() {
            let next = digit(text[at], at)?;
            if taken < decimals {
                value = push_digit(value, next)?;
                taken += 1;
            } else if next != 0 {
                // The rest must still be digits; a broken character is the graver error.
                for (offset, &byte) in text[at..].iter().enumerate() {
                    digit(byte, at + offset)?;
                }
                return Err(DecimalError::Precision);
            }
            at += 1;
        }
    }
    while taken < decimals {
        value = value.checked_mul(10).ok_or(DecimalError::Overflow)?;
        taken += 1;
    }
    Ok(value)
}

/// Parses decimal text with an optional leading `-` (positions, P&L, funding).
///
/// # Errors
/// As [`parse_decimal`]; a `+` is [`DecimalError::Sign`].
pub fn parse_signed_decimal(text: &[u8], decimals: u32) -> Result<i64, DecimalError> {
    match text.split_first() {
        Some((b'-', rest)) => Ok(-parse_decimal(rest, decimals)?),
        _ => parse_decimal(text, decimals),
    }
}

/// Most bytes that [`write_decimal`] writes.
pub const TEXT_MAX: usize = 40;

/// Writes `value / 10^decimals` with exactly `decimals` decimals and returns the used part.
pub fn write_decimal(value: i64, decimals: u32, buffer: &mut [u8; TEXT_MAX]) -> &[u8] {
    debug_assert!(decimals <= DECIMALS_MAX);
    let mut rest = value.unsigned_abs();
    write_digits(value < 0, decimals, buffer, || {
        let digit = (rest % 10) as u8;
        rest /= 10;
        (digit, rest == 0)
    })
}

/// As [`write_decimal`], for values of up to 36 digits (steps at more decimals than their own).
///
/// # Panics
/// When the digits do not fit [`TEXT_MAX`].
pub fn write_wide_decimal(value: i128, decimals: u32, buffer: &mut [u8; TEXT_MAX]) -> &[u8] {
    debug_assert!(decimals <= DECIMALS_MAX);
    let mut rest = value.unsigned_abs();
    write_digits(value < 0, decimals, buffer, || {
        let digit = (rest % 10) as u8;
        rest /= 10;
        (digit, rest == 0)
    })
}

/// Writes digits from the last to the first; `next` gives a digit and whether only zeros are left.
fn write_digits(
    negative: bool,
    decimals: u32,
    buffer: &mut [u8; TEXT_MAX],
    mut next: impl FnMut() -> (u8, bool),
) -> &[u8] {
    let mut start = TEXT_MAX;
    let mut written = 0u32;
    loop {
        if written == decimals && decimals > 0 {
            start -= 1;
            buffer[start] = b'.';
        }
        let (digit, is_last) = next();
        start -= 1;
        buffer[start] = b'0' + digit;
        written += 1;
        if is_last && written > decimals {
            break;
        }
    }
    if negative {
        start -= 1;
        buffer[start] = b'-';
    }
    &buffer[start..]
}

fn push_digit(value: i64, digit: i64) -> Result<i64, DecimalError> {
    value
        .checked_mul(10)
        .and_then(|tens| tens.checked_add(digit))
        .ok_or(DecimalError::Overflow)
}

fn digit(byte: u8, at: usize) -> Result<i64, DecimalError> {
    match byte {
        b'0'..=b'9' => Ok(i64::from(byte - b'0')),
        b'-' | b'+' if at == 0 => Err(DecimalError::Sign),
        b'e' | b'E' if at > 0 => Err(DecimalError::Exponent),
        _ => Err(DecimalError::NotADigit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;

    #[test]
    fn each_kind_of_bad_text_has_its_error() {
        let cases: [(&str, DecimalError); 16] = [
            ("", DecimalError::Empty),
            (".", DecimalError::Empty),
            (".5", DecimalError::Empty),
            ("5.", DecimalError::Empty),
            ("-1", DecimalError::Sign),
            ("+1", DecimalError::Sign),
            ("1e5", DecimalError::Exponent),
            ("1.5E2", DecimalError::Exponent),
            ("1.2.3", DecimalError::NotADigit),
            ("1-2", DecimalError::NotADigit),
            (" 1", DecimalError::NotADigit),
            ("NaN", DecimalError::NotADigit),
            ("1,5", DecimalError::NotADigit),
            ("123456789012345678901234567890", DecimalError::Overflow),
            ("0.123", DecimalError::Precision),
            ("92233720368547758.08", DecimalError::Overflow),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_decimal(text.as_bytes(), 2), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn accepted_texts_have_their_exact_value() {
        let cases = [
            ("28145.10", 2, 2_814_510),
            ("0.000", 3, 0),
            ("0.00000000", 3, 0),
            ("7", 8, 700_000_000),
            ("61685.99000000", 2, 6_168_599),
            ("92233720368547758.07", 2, i64::MAX),
            ("000012.5", 1, 125),
        ];
        for (text, decimals, expected) in cases {
            assert_eq!(
                parse_decimal(text.as_bytes(), decimals),
                Ok(expected),
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn text_and_integer_round_trip(value: i64, decimals in 0u32..=DECIMALS_MAX) {
            prop_assume!(value != i64::MIN);
            let mut buffer = [0; TEXT_MAX];
            let text = write_decimal(value, decimals, &mut buffer);
            prop_assert_eq!(parse_signed_decimal(text, decimals), Ok(value));
        }

        #[test]
        fn agrees_with_a_reference_decimal_library(
            whole in 0u64..=90_000_000_000, fraction in "[0-9]{0,8}", decimals in 0u32..=8
        ) {
            use rust_decimal::Decimal;
            use rust_decimal::prelude::ToPrimitive;
            let mut text: String = std::format!("{whole}");
            if !fraction.is_empty() {
                text = std::format!("{text}.{fraction}");
            }
            let reference: Decimal = text.parse().unwrap();
            let scaled = reference * Decimal::from(10i64.pow(decimals));
            let expected = if scaled.fract().is_zero() {
                scaled.to_i64().ok_or(DecimalError::Overflow)
            } else {
                Err(DecimalError::Precision)
            };
            prop_assert_eq!(parse_decimal(text.as_bytes(), decimals), expected);
        }

        #[test]
        fn never_panics_on_any_bytes(text: std::vec::Vec<u8>, decimals in 0u32..=DECIMALS_MAX) {
            let _ = parse_decimal(&text, decimals);
            let _ = parse_signed_decimal(&text, decimals);
        }
    }
}
