//! Signatures: HMAC-SHA256 with a prepared key, Ed25519.
//!
//! In: secrets from files, the exact text that is sent. Out: the signature's text. Never: a
//! secret in a debug print.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use ed25519_dalek::{Signer as _, SigningKey};
use ring::hmac;

/// Longest text of a signature: 64 hex digits, or 88 characters of base64.
pub const SIGNATURE_TEXT_MAX: usize = 88;

/// A signature as text, in place.
pub type SignatureText = heapless::Vec<u8, SIGNATURE_TEXT_MAX>;

/// Why a secret is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file holds nothing but white space.
    #[error("the secret is empty")]
    Empty,
    /// It looks like PEM and is no Ed25519 private key in PKCS#8.
    #[error("the secret looks like PEM but is no Ed25519 private key (PKCS#8)")]
    BadPem,
}

/// A secret that can sign.
#[derive(Clone)]
pub enum Signer {
    /// HMAC-SHA256; the key's two blocks are hashed once, here.
    Hmac(Box<hmac::Key>),
    /// Ed25519.
    Ed25519(Box<SigningKey>),
}

/// An API key with its secret.
#[derive(Clone)]
pub struct Credentials {
    /// What `X-MBX-APIKEY` carries.
    pub api_key: String,
    /// What signs.
    pub signer: Signer,
}

impl Signer {
    /// HMAC with this secret.
    #[must_use]
    pub fn hmac(secret: &[u8]) -> Self {
        Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// Ed25519 with this seed.
    #[must_use]
    pub fn ed25519(seed: &[u8; 32]) -> Self {
        Self::Ed25519(Box::new(SigningKey::from_bytes(seed)))
    }

    /// The key that a secret file holds: a PKCS#8 PEM is Ed25519, any other text HMAC. White
    /// space at the ends is ignored.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if !text.starts_with("-----BEGIN") {
            return Ok(Self::hmac(text.as_bytes()));
        }
        let key = SigningKey::from_pkcs8_pem(text).map_err(|_| KeyError::BadPem)?;
        Ok(Self::Ed25519(Box::new(key)))
    }

    /// True when `session.logon` is offered for this kind of key.
    #[must_use]
    pub const fn can_log_on(&self) -> bool {
        matches!(self, Self::Ed25519(_))
    }

    /// The signature of `text`: hex for HMAC, base64 for Ed25519 (not percent-encoded).
    #[must_use]
    pub fn sign(&self, text: &[u8]) -> SignatureText {
        match self {
            Self::Hmac(key) => hex(&hmac::sign(key, text)),
            Self::Ed25519(key) => {
                let mut out = SignatureText::new();
                out.resize_default(SIGNATURE_TEXT_MAX)
                    .expect("SIGNATURE_TEXT_MAX fits");
                let length = STANDARD
                    .encode_slice(key.sign(text).to_bytes(), &mut out)
                    .expect("64 bytes are 88 characters");
                out.truncate(length);
                out
            }
        }
    }

    /// True when `signature` (as received, percent-decoded) is this key's signature of `text`.
    /// Hex digits may be of either case.
    #[must_use]
    pub fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let own = self.sign(text);
        if own.len() != signature.len() {
            return false;
        }
        let hex = matches!(self, Self::Hmac(_));
        // Every byte is looked at, so that the time tells nothing.
        let difference = own.iter().zip(signature).fold(0, |all, (own, other)| {
            let other = if hex {
                other.to_ascii_lowercase()
            } else {
                *other
            };
            all | (own ^ other)
        });
        difference == 0
    }
}

/// A signer of texts that all begin alike: an HMAC takes the beginning in once, here.
#[derive(Clone)]
pub(crate) struct HeadSigner {
    signer: Signer,
    head: Vec<u8>,
    begun: Option<hmac::Context>,
}

impl HeadSigner {
    pub(crate) fn new(signer: Signer, head: Vec<u8>) -> Self {
        let begun = match &signer {
            Signer::Hmac(key) => {
                let mut context = hmac::Context::with_key(key);
                context.update(&head);
                Some(context)
            }
            Signer::Ed25519(_) => None,
        };
        Self {
            signer,
            head,
            begun,
        }
    }

    /// The beginning.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// The signature of `text`, whatever it begins with.
    pub(crate) fn sign(&self, text: &[u8]) -> SignatureText {
        match (&self.begun, text.strip_prefix(self.head.as_slice())) {
            (Some(begun), Some(rest)) => {
                let mut context = begun.clone();
                context.update(rest);
                hex(&context.sign())
            }
            _ => self.signer.sign(text),
        }
    }
}

impl core::fmt::Debug for HeadSigner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.signer.fmt(f)
    }
}

/// 64 digits.
fn hex(tag: &hmac::Tag) -> SignatureText {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut out = SignatureText::new();
    for byte in tag.as_ref() {
        for nibble in [byte >> 4, byte & 15] {
            out.push(HEX[usize::from(nibble)])
                .expect("32 bytes are 64 digits");
        }
    }
    out
}

impl core::fmt::Debug for Signer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Hmac(_) => "Signer::Hmac(..)",
            Self::Ed25519(_) => "Signer::Ed25519(..)",
        })
    }
}

impl core::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Credentials(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(secret: &str, text: &str, expected: &str) {
        let signer = Signer::hmac(secret.as_bytes());
        assert_eq!(signer.sign(text.as_bytes()), expected.as_bytes());
        assert!(signer.verify(text.as_bytes(), expected.to_uppercase().as_bytes()));
        assert!(!signer.verify(b"other", expected.as_bytes()));
    }

    #[test]
    fn hmac_gives_the_documented_signatures() {
        check(
            "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j",
            "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1\
             &recvWindow=5000&timestamp=1499827319559",
            "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71",
        );
        check(
            "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9",
            "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC\
             &recvWindow=5000&timestamp=1591702613943",
            "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9",
        );
    }

    #[test]
    fn a_head_taken_in_before_changes_no_signature() {
        for signer in [Signer::hmac(b"secret"), Signer::ed25519(&[7; 32])] {
            for length in [0, 1, 63, 64, 65, 200] {
                let text = vec![b'x'; length];
                for cut in [0, length / 2, length] {
                    let head = HeadSigner::new(signer.clone(), text[..cut].to_vec());
                    assert_eq!(head.sign(&text), signer.sign(&text), "{cut} of {length}");
                    assert_eq!(head.sign(b"other"), signer.sign(b"other"));
                }
            }
        }
    }

    #[test]
    fn a_new_line_at_the_end_of_a_secret_file_is_ignored() {
        let signer = Signer::from_secret_text("key\n").unwrap();
        assert_eq!(signer.sign(b"x"), Signer::hmac(b"key").sign(b"x"));
        assert_eq!(Signer::from_secret_text(" \n").err(), Some(KeyError::Empty));
    }

    /// The key of RFC 8410, section 10.3, and the seed that it holds.
    #[test]
    fn a_key_in_pem_is_ed25519_and_a_broken_one_is_no_secret_of_hmac() {
        let pem = "-----BEGIN PRIVATE KEY-----\n\
                   MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                   -----END PRIVATE KEY-----\n";
        let seed = [
            0xd4, 0xee, 0x72, 0xdb, 0xf9, 0x13, 0x58, 0x4a, 0xd5, 0xb6, 0xd8, 0xf1, 0xf7, 0x69,
            0xf8, 0xad, 0x3a, 0xfe, 0x7c, 0x28, 0xcb, 0xf1, 0xd4, 0xfb, 0xe0, 0x97, 0xa8, 0x8f,
            0x44, 0x75, 0x58, 0x42,
        ];
        let signer = Signer::from_secret_text(pem).unwrap();
        assert!(signer.can_log_on() && !Signer::hmac(b"key").can_log_on());
        assert_eq!(signer.sign(b"x"), Signer::ed25519(&seed).sign(b"x"));
        let signature = signer.sign(b"x");
        assert!(signer.verify(b"x", &signature) && !signer.verify(b"x", &signature[..87]));
        for broken in [pem.replace("MC4C", "MC4D"), pem.replace("END", "")] {
            let error = Signer::from_secret_text(&broken).err();
            assert_eq!(error, Some(KeyError::BadPem));
        }
    }

    #[test]
    fn nothing_of_a_key_is_printed() {
        let (hmac, ed25519) = (Signer::hmac(b"secret"), Signer::ed25519(&[7; 32]));
        let head = HeadSigner::new(hmac.clone(), b"apiKey=abc".to_vec());
        let printed = format!("{hmac:?} {ed25519:?} {head:?}");
        let expected = "Signer::Hmac(..) Signer::Ed25519(..) Signer::Hmac(..)";
        assert_eq!(printed, expected);
    }
}
