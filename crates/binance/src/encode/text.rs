//! Appending JSON text: keys, integers, decimals, escaped strings.
//!
//! In: values. Out: bytes at the end of a `Vec`. Never: an allocation while its capacity lasts.

use market::decimal::{TEXT_MAX, write_decimal};

/// Appends JSON to a buffer; commas are set between members by itself.
#[derive(Debug)]
pub struct JsonText<'a> {
    out: &'a mut Vec<u8>,
    comma: bool,
}

impl<'a> JsonText<'a> {
    /// Appends behind what `out` holds.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, comma: false }
    }

    /// Opens an object, as an element or at the front.
    pub fn open(&mut self) -> &mut Self {
        self.opened(b'{')
    }

    /// Opens an object as the member `name`.
    pub fn open_member(&mut self, name: &str) -> &mut Self {
        self.key(name);
        self.out.push(b'{');
        self.comma = false;
        self
    }

    /// Closes an object.
    pub fn close(&mut self) -> &mut Self {
        self.closed(b'}')
    }

    /// Opens an array as the member `name`.
    pub fn open_list(&mut self, name: &str) -> &mut Self {
        self.key(name);
        self.out.push(b'[');
        self.comma = false;
        self
    }

    /// Opens an array, as an element or at the front.
    pub fn open_array(&mut self) -> &mut Self {
        self.opened(b'[')
    }

    /// Closes an array.
    pub fn close_list(&mut self) -> &mut Self {
        self.closed(b']')
    }

    /// A string member.
    pub fn text(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.key(name);
        quote(self.out, value);
        self
    }

    /// An integer member.
    pub fn integer(&mut self, name: &str, value: i64) -> &mut Self {
        self.key(name);
        decimal(self.out, value, 0);
        self
    }

    /// An id member.
    pub fn id(&mut self, name: &str, value: u64) -> &mut Self {
        self.key(name);
        let mut buffer = [0; 20];
        let mut start = buffer.len();
        let mut rest = value;
        loop {
            start -= 1;
            buffer[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.out.extend_from_slice(&buffer[start..]);
        self
    }

    /// A boolean member.
    pub fn boolean(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(name, if value { b"true" } else { b"false" })
    }

    /// A decimal member, as a string: `value / 10^decimals`.
    pub fn decimal(&mut self, name: &str, value: i64, decimals: u32) -> &mut Self {
        self.key(name);
        self.out.push(b'"');
        decimal(self.out, value, decimals);
        self.out.push(b'"');
        self
    }

    /// A decimal member without trailing zeros, as user data events write them.
    pub fn short_decimal(&mut self, name: &str, value: i64, decimals: u32) -> &mut Self {
        let (mut value, mut decimals) = (value, decimals);
        while decimals > 0 && value % 10 == 0 {
            value /= 10;
            decimals -= 1;
        }
        self.decimal(name, value, decimals)
    }

    /// A member whose value is JSON already.
    pub fn raw(&mut self, name: &str, json: &[u8]) -> &mut Self {
        self.key(name);
        self.out.extend_from_slice(json);
        self
    }

    /// A string as an element of an array.
    pub fn element(&mut self, value: &[u8]) -> &mut Self {
        self.separate();
        quote(self.out, value);
        self
    }

    fn key(&mut self, name: &str) {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn opened(&mut self, bracket: u8) -> &mut Self {
        self.separate();
        self.out.push(bracket);
        self.comma = false;
        self
    }

    fn closed(&mut self, bracket: u8) -> &mut Self {
        self.out.push(bracket);
        self.comma = true;
        self
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }
}

fn decimal(out: &mut Vec<u8>, value: i64, decimals: u32) {
    out.extend_from_slice(write_decimal(value, decimals, &mut [0; TEXT_MAX]));
}

fn quote(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1f => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
