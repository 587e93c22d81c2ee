//! A strict JSON cursor over bytes in memory.
//!
//! In: any bytes. Out: keys, strings, integers and skipped values, in one pass from front to
//! back. Never: an allocation, a panic, or something accepted that RFC 8259 forbids.

use crate::decode::DecodeError;

/// Most levels of nesting in a value that is skipped.
pub(crate) const NESTING_MAX: u32 = 32;

/// Longest key that any decoder asks for; a longer one is unknown by definition.
const KEY_BYTES_MAX: usize = 32;

/// A position in a JSON text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The inside of a JSON string, its syntax and UTF-8 checked, escapes not yet resolved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Cursor<'a> {
    /// Starts before the first byte, past leading white space.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let mut cursor = Self { bytes, at: 0 };
        cursor.space();
        cursor
    }

    /// Walks an object: `member` is called behind each key and must consume its value.
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, &[u8]) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.open(b'{', b'}')? {
            return Ok(());
        }
        loop {
            let mut buffer = [0; KEY_BYTES_MAX];
            let key = self.quoted()?.text(&mut buffer).unwrap_or(b"");
            self.space();
            self.take(b':')?;
            self.space();
            member(self, key)?;
            if !self.more(b'}')? {
                return Ok(());
            }
        }
    }

    /// Walks an array: `element` is called before each element and must consume it.
    pub(crate) fn array(
        &mut self,
        mut element: impl FnMut(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        if !self.open(b'[', b']')? {
            return Ok(());
        }
        loop {
            element(self)?;
            if !self.more(b']')? {
                return Ok(());
            }
        }
    }

    /// Enters an object or array; false when it is empty and already left.
    pub(crate) fn open(&mut self, open: u8, close: u8) -> Result<bool, DecodeError> {
        self.take(open)?;
        self.space();
        if self.peek() == Some(close) {
            self.at += 1;
            return Ok(false);
        }
        Ok(true)
    }

    /// After an element: true before the next one, false behind the closing bracket.
    #[inline]
    pub(crate) fn more(&mut self, close: u8) -> Result<bool, DecodeError> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.space();
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(DecodeError::Syntax),
        }
    }

    /// A string value of the field `name`.
    #[inline]
    pub(crate) fn string(&mut self, name: &'static str) -> Result<Quoted<'a>, DecodeError> {
        if self.peek() != Some(b'"') {
            return Err(DecodeError::WrongType(name));
        }
        self.quoted()
    }

    /// A string, or nothing where `null` stands.
    pub(crate) fn string_or_null(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Quoted<'a>>, DecodeError> {
        if self.peek() == Some(b'n') {
            self.literal(b"null")?;
            return Ok(None);
        }
        self.string(name).map(Some)
    }

    /// An integer of 0 to 2^64 - 1: no sign, fraction or exponent.
    #[inline]
    pub(crate) fn unsigned(&mut self, name: &'static str) -> Result<u64, DecodeError> {
        let start = self.at;
        let mut value: u64 = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            value = value
                .checked_mul(10)
                .and_then(|tens| tens.checked_add(u64::from(digit - b'0')))
                .ok_or(DecodeError::Number(name))?;
            self.at += 1;
        }
        let length = self.at - start;
        if length == 0 || matches!(self.peek(), Some(b'.' | b'e' | b'E')) {
            return Err(DecodeError::WrongType(name));
        }
        if length > 1 && self.bytes[start] == b'0' {
            return Err(DecodeError::Syntax);
        }
        Ok(value)
    }

    /// An integer that may be negative.
    pub(crate) fn signed(&mut self, name: &'static str) -> Result<i64, DecodeError> {
        let negative = self.peek() == Some(b'-');
        if negative {
            self.at += 1;
        }
        let magnitude =
            i64::try_from(self.unsigned(name)?).map_err(|_| DecodeError::Number(name))?;
        Ok(if negative { -magnitude } else { magnitude })
    }

    /// `true` or `false`.
    #[inline]
    pub(crate) fn boolean(&mut self, name: &'static str) -> Result<bool, DecodeError> {
        match self.peek() {
            Some(b't') => self.literal(b"true").map(|()| true),
            Some(b'f') => self.literal(b"false").map(|()| false),
            _ => Err(DecodeError::WrongType(name)),
        }
    }

    /// Passes over any value and returns its text.
    pub(crate) fn skip(&mut self) -> Result<&'a [u8], DecodeError> {
        let start = self.at;
        self.skip_nested(NESTING_MAX)?;
        Ok(&self.bytes[start..self.at])
    }

    /// Demands that only white space is left.
    pub(crate) fn end(&mut self) -> Result<(), DecodeError> {
        self.space();
        if self.at == self.bytes.len() {
            Ok(())
        } else {
            Err(DecodeError::Syntax)
        }
    }

    /// The byte at the cursor.
    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Everything from the cursor on.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Moves `count` bytes that the caller has checked in [`Cursor::rest`].
    #[inline]
    pub(crate) fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.bytes.len() - self.at);
        self.at += count;
    }

    /// Passes white space.
    #[inline]
    pub(crate) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes exactly `byte`.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> Result<(), DecodeError> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(DecodeError::Syntax)
        }
    }

    #[inline]
    fn quoted(&mut self) -> Result<Quoted<'a>, DecodeError> {
        self.take(b'"')?;
        let start = self.at;
        let mut escaped = false;
        let mut ascii = true;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                None | Some(0..=0x1f) => return Err(DecodeError::Syntax),
                Some(byte) => {
                    ascii &= byte < 0x80;
                    self.at += 1;
                }
            }
        }
        let raw = &self.bytes[start..self.at];
        self.at += 1;
        if !ascii && core::str::from_utf8(raw).is_err() {
            return Err(DecodeError::Syntax);
        }
        Ok(Quoted { raw, escaped })
    }

    /// Passes one escape; surrogates must come in pairs.
    fn escape(&mut self) -> Result<(), DecodeError> {
        let (_, length) = unescape_one(self.rest()).ok_or(DecodeError::Syntax)?;
        self.at += length;
        Ok(())
    }

    fn skip_nested(&mut self, nesting_left: u32) -> Result<(), DecodeError> {
        match self.peek() {
            Some(b'"') => self.quoted().map(|_| ()),
            Some(b'{' | b'[') if nesting_left == 0 => Err(DecodeError::TooDeep),
            Some(b'{') => self.object(|cursor, _| cursor.skip_nested(nesting_left - 1)),
            Some(b'[') => self.array(|cursor| cursor.skip_nested(nesting_left - 1)),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => self.number(),
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), DecodeError> {
        if self.rest().starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            Err(DecodeError::Syntax)
        }
    }

    /// Passes any number of the grammar.
    fn number(&mut self) -> Result<(), DecodeError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let whole = self.digits()?;
        if whole.len() > 1 && whole[0] == b'0' {
            return Err(DecodeError::Syntax);
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Result<&'a [u8], DecodeError> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start {
            return Err(DecodeError::Syntax);
        }
        Ok(&self.bytes[start..self.at])
    }
}

impl<'a> Quoted<'a> {
    /// The text with escapes resolved; nothing when it is longer than `buffer`.
    #[inline]
    pub(crate) fn text<'b>(self, buffer: &'b mut [u8]) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        if !self.escaped {
            return (self.raw.len() <= buffer.len()).then_some(self.raw);
        }
        self.unescape(buffer)
    }

    /// The text as it stands between the quotes.
    pub(crate) fn raw(self) -> &'a [u8] {
        self.raw
    }

    #[cold]
    fn unescape(self, buffer: &mut [u8]) -> Option<&[u8]> {
        let mut rest = self.raw;
        let mut length = 0;
        while let Some(&byte) = rest.first() {
            if byte == b'\\' {
                let (character, consumed) = unescape_one(rest)?;
                let mut utf8 = [0; 4];
                let encoded = character.encode_utf8(&mut utf8).as_bytes();
                buffer
                    .get_mut(length..length + encoded.len())?
                    .copy_from_slice(encoded);
                length += encoded.len();
                rest = &rest[consumed..];
            } else {
                *buffer.get_mut(length)? = byte;
                length += 1;
                rest = &rest[1..];
            }
        }
        Some(&buffer[..length])
    }
}

/// The character that an escape at the front of `text` stands for, and the escape's length.
fn unescape_one(text: &[u8]) -> Option<(char, usize)> {
    let plain = |character| Some((character, 2));
    match text.get(1)? {
        b'"' => plain('"'),
        b'\\' => plain('\\'),
        b'/' => plain('/'),
        b'b' => plain('\u{8}'),
        b'f' => plain('\u{c}'),
        b'n' => plain('\n'),
        b'r' => plain('\r'),
        b't' => plain('\t'),
        b'u' => {
            let first = hex4(text.get(2..6)?)?;
            if !(0xd800..0xdc00).contains(&first) {
                return Some((char::from_u32(first)?, 6));
            }
            if text.get(6..8)? != b"\\u" {
                return None;
            }
            let second = hex4(text.get(8..12)?)?;
            if !(0xdc00..0xe000).contains(&second) {
                return None;
            }
            let joined = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            Some((char::from_u32(joined)?, 12))
        }
        _ => None,
    }
}

fn hex4(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, &digit| {
        Some(value * 16 + char::from(digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// serde_json is the judge.
    #[test]
    fn every_escape_stands_for_what_another_parser_takes_it_for() {
        let texts = [
            r#""\"\\\/\b\f\n\r\t""#,
            r#""a\/b\f""#,
            r#""\u00e9\u9f99\ud83d\ude00""#,
            r#""\ud83d""#,
            r#""\ud83dx""#,
            r#""\ud83d\u0041""#,
            r#""\udc00""#,
            r#""\x41""#,
            r#""\u12g4""#,
        ];
        for text in texts {
            let expected: Option<String> = serde_json::from_str(text).ok();
            let mut buffer = [0; 64];
            let read = Cursor::new(text.as_bytes()).string("x").ok();
            let read = read.and_then(|one| one.text(&mut buffer));
            assert_eq!(read, expected.as_deref().map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn a_text_longer_than_its_room_is_none() {
        for (text, room, fits) in [(r#""abc""#, 3, true), (r#""abc""#, 2, false)] {
            let read = Cursor::new(text.as_bytes()).string("x").unwrap();
            assert_eq!(read.text(&mut vec![0; room]).is_some(), fits);
        }
        let escaped = Cursor::new(br#""a\/b""#).string("x").unwrap();
        assert_eq!(escaped.text(&mut [0; 3]), Some(&b"a/b"[..]));
        assert_eq!(escaped.text(&mut [0; 2]), None);
    }
}
