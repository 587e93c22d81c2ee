//! Fixed little-endian encoding of our words for rings, logs and checkpoints.
//!
//! In: values and a caller's buffer. Out: bytes, or values checked field by field. Never:
//! trust in a length or a discriminant from the other side, allocation.

/// Why bytes are not the value that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// The buffer ends inside a value.
    Truncated,
    /// A discriminant that this build does not know.
    BadDiscriminant(u8),
    /// A text that is too long or not UTF-8.
    BadText,
    /// A length over its bound.
    TooLong,
    /// Bytes are left over after the value.
    Trailing,
}

impl core::fmt::Display for CodecError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Truncated => f.write_str("record ends early"),
            Self::BadDiscriminant(found) => write!(f, "unknown discriminant {found}"),
            Self::BadText => f.write_str("text too long or not UTF-8"),
            Self::TooLong => f.write_str("length over its bound"),
            Self::Trailing => f.write_str("bytes left over after the record"),
        }
    }
}

impl core::error::Error for CodecError {}

/// A value with a fixed encoding.
pub trait Wire: Sized {
    /// Appends the value.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] when the buffer is full.
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), CodecError>;

    /// Reads one value.
    ///
    /// # Errors
    /// [`CodecError`] when the bytes are not such a value.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError>;

    /// Encodes into `buffer` and returns the used length.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] when the buffer is too small.
    fn to_bytes(&self, buffer: &mut [u8]) -> Result<usize, CodecError> {
        let mut writer = Writer::new(buffer);
        self.encode(&mut writer)?;
        Ok(writer.length())
    }

    /// Decodes a value that fills `bytes` exactly.
    ///
    /// # Errors
    /// [`CodecError`] when it does not.
    fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(bytes);
        let value = Self::decode(&mut reader)?;
        if reader.remaining() == 0 {
            Ok(value)
        } else {
            Err(CodecError::Trailing)
        }
    }
}

/// Appends to a caller's buffer.
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

/// Reads from a caller's buffer.
pub struct Reader<'a> {
    rest: &'a [u8],
}

macro_rules! integers {
    ($($name:ident),*) => {
        impl Writer<'_> {$(
            /// Appends one little-endian integer.
            ///
            /// # Errors
            /// [`CodecError::TooLong`] when the buffer is full.
            #[inline]
            pub fn $name(&mut self, value: $name) -> Result<(), CodecError> {
                self.bytes(&value.to_le_bytes())
            }
        )*}
        impl Reader<'_> {$(
            /// Reads one little-endian integer.
            ///
            /// # Errors
            /// [`CodecError::Truncated`] at the end.
            #[inline]
            pub fn $name(&mut self) -> Result<$name, CodecError> {
                const SIZE: usize = size_of::<$name>();
                let bytes = self.bytes(SIZE)?;
                Ok($name::from_le_bytes(bytes.try_into().map_err(|_| CodecError::Truncated)?))
            }
        )*}
        $(impl Wire for $name {
            #[inline]
            fn encode(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
                writer.$name(*self)
            }
            #[inline]
            fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
                reader.$name()
            }
        })*
    };
}
integers!(u8, u16, u32, u64, i64, i128, f64);

impl<'a> Writer<'a> {
    /// Starts at the front of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Appends raw bytes.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] when the buffer is full.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        self.room(bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    /// Appends `count` bytes that the caller fills: one check for a run of values.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] when the buffer is full.
    #[inline]
    pub fn room(&mut self, count: usize) -> Result<&mut [u8], CodecError> {
        let target = self
            .buffer
            .get_mut(self.length..)
            .and_then(|free| free.get_mut(..count))
            .ok_or(CodecError::TooLong)?;
        // No overflow: both lie within one buffer.
        self.length = self.length.wrapping_add(count);
        Ok(target)
    }
}

impl<'a> Reader<'a> {
    /// Starts at the front of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Takes `count` raw bytes.
    ///
    /// # Errors
    /// [`CodecError::Truncated`] when there are fewer.
    #[inline]
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], CodecError> {
        if count > self.rest.len() {
            return Err(CodecError::Truncated);
        }
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        Ok(taken)
    }
}

impl Wire for bool {
    #[inline]
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        writer.u8(u8::from(*self))
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        match reader.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(CodecError::BadDiscriminant(other)),
        }
    }
}

impl<T: Wire> Wire for Option<T> {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        match self {
            None => writer.u8(0),
            Some(value) => {
                writer.u8(1)?;
                value.encode(writer)
            }
        }
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        if bool::decode(reader)? {
            Ok(Some(T::decode(reader)?))
        } else {
            Ok(None)
        }
    }
}

impl<T: Wire + Copy + Default, const COUNT: usize> Wire for [T; COUNT] {
    fn encode(&self, writer: &mut Writer<'_>) -> Result<(), CodecError> {
        self.iter().try_for_each(|one| one.encode(writer))
    }
    fn decode(reader: &mut Reader<'_>) -> Result<Self, CodecError> {
        let mut all = [T::default(); COUNT];
        for one in &mut all {
            *one = T::decode(reader)?;
        }
        Ok(all)
    }
}

/// Implements [`Wire`] for newtypes over an integer.
macro_rules! wire_newtype {
    ($($name:ident($inner:ident)),* $(,)?) => {$(
        impl $crate::codec::Wire for $name {
            #[inline]
            fn encode(
                &self, writer: &mut $crate::codec::Writer<'_>,
            ) -> Result<(), $crate::codec::CodecError> {
                writer.$inner(self.0)
            }
            #[inline]
            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::CodecError> {
                Ok(Self(reader.$inner()?))
            }
        }
    )*};
}
pub(crate) use wire_newtype;

/// Declares a struct together with its [`Wire`] form: the fields in order.
#[macro_export]
macro_rules! wire_struct {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        pub struct $name { $($(#[$field_meta])* pub $field: $type,)* }
        impl $crate::codec::Wire for $name {
            fn encode(
                &self, writer: &mut $crate::codec::Writer<'_>,
            ) -> Result<(), $crate::codec::CodecError> {
                $($crate::codec::Wire::encode(&self.$field, writer)?;)*
                Ok(())
            }
            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::CodecError> {
                Ok(Self { $($field: $crate::codec::Wire::decode(reader)?,)* })
            }
        }
    };
}

/// Declares a closed list of words: enum, its texts, `ALL`, and its one-byte [`Wire`] form.
#[macro_export]
macro_rules! wire_enum {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_meta])* $variant,)* }
        impl $name {
            /// Every value, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// The word as code, log, metric label and API write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
            /// The value with this word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }
        }
        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.as_str())
            }
        }
        impl $crate::codec::Wire for $name {
            #[inline]
            fn encode(
                &self, writer: &mut $crate::codec::Writer<'_>,
            ) -> Result<(), $crate::codec::CodecError> {
                writer.u8(*self as u8)
            }
            #[inline]
            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::CodecError> {
                let found = reader.u8()?;
                Self::ALL
                    .get(usize::from(found))
                    .copied()
                    .ok_or($crate::codec::CodecError::BadDiscriminant(found))
            }
        }
    };
}

/// Declares an enum of wrapped structs with a tag byte: `Variant(Type) = tag`.
#[macro_export]
macro_rules! wire_union {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident($type:ty) = $tag:literal,)* }) => {
        $(#[$meta])*
        pub enum $name { $($(#[$variant_meta])* $variant($type),)* }
        impl $crate::codec::Wire for $name {
            fn encode(
                &self, writer: &mut $crate::codec::Writer<'_>,
            ) -> Result<(), $crate::codec::CodecError> {
                match self { $(Self::$variant(value) => {
                    writer.u8($tag)?;
                    $crate::codec::Wire::encode(value, writer)
                })* }
            }
            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::CodecError> {
                match reader.u8()? {
                    $($tag => Ok(Self::$variant($crate::codec::Wire::decode(reader)?)),)*
                    other => Err($crate::codec::CodecError::BadDiscriminant(other)),
                }
            }
        }
    };
}
