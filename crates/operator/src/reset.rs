//! Who may clear a kill: the holder of the operator's key.
//!
//! In: a key file, a challenge. Out: a signature over words that name the account, the kill and a
//! nonce. Never: a signature that clears a second kill.

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

/// Why a key is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The file.
    #[error("not an Ed25519 private key (PKCS#8 PEM), as `fulcrum operator-key` writes them")]
    BadPem,
    /// The public key.
    #[error("not an Ed25519 public key")]
    BadPublic,
}

/// The operator's private key.
pub struct OperatorKey(SigningKey);

/// Its public half, which the configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

/// The words that a reset signs.
#[must_use]
pub fn reset_text(account: &str, since_utc_ms: i64, nonce: &str) -> String {
    format!("fulcrum reset\naccount {account}\nkilled {since_utc_ms}\nnonce {nonce}\n")
}

impl OperatorKey {
    /// A key from 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The key that a file holds.
    ///
    /// # Errors
    /// [`KeyError::BadPem`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let key = SigningKey::from_pkcs8_pem(text.trim()).map_err(|_| KeyError::BadPem)?;
        Ok(Self(key))
    }

    /// As a file holds it.
    ///
    /// # Panics
    /// Never: every key can be written.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let pem = self.0.to_pkcs8_pem(LineEnding::LF);
        pem.expect("every key can be written").to_string()
    }

    /// The public half, 64 hexadecimal digits.
    #[must_use]
    pub fn public_hex(&self) -> String {
        hex(self.0.verifying_key().as_bytes())
    }

    /// Signature of `text`, 128 hexadecimal digits.
    #[must_use]
    pub fn sign(&self, text: &str) -> String {
        hex(&self.0.sign(text.as_bytes()).to_bytes())
    }
}

impl PublicKey {
    /// From its bytes.
    ///
    /// # Errors
    /// [`KeyError::BadPublic`].
    pub fn new(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::BadPublic)?;
        // A weak key accepts signatures that nobody made.
        if key.is_weak() {
            return Err(KeyError::BadPublic);
        }
        Ok(Self(key))
    }

    /// True when `signature` (hexadecimal) is this key's of `text`.
    #[must_use]
    pub fn verify(&self, text: &str, signature: &str) -> bool {
        let Some(bytes) = unhex(signature) else {
            return false;
        };
        let signature = Signature::from_bytes(&bytes);
        self.0.verify_strict(text.as_bytes(), &signature).is_ok()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 64]> {
    let plain = text.len() == 128 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut bytes = [0; 64];
    for (place, byte) in bytes.iter_mut().enumerate() {
        let pair = plain.then(|| &text[2 * place..2 * place + 2])?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> [u8; 32] {
        std::array::from_fn(|place| {
            u8::from_str_radix(&text[2 * place..2 * place + 2], 16).expect("hex")
        })
    }

    #[test]
    fn a_signature_holds_for_its_account_kill_and_nonce_alone() {
        let key = OperatorKey::from_seed(&[7; 32]);
        let public = PublicKey::new(&bytes(&key.public_hex())).expect("a key");
        let signature = key.sign(&reset_text("default", 5, "n1"));
        assert!(public.verify(&reset_text("default", 5, "n1"), &signature));
        for (account, since, nonce) in [
            ("other", 5, "n1"),
            ("default", 6, "n1"),
            ("default", 5, "n2"),
        ] {
            assert!(!public.verify(&reset_text(account, since, nonce), &signature));
        }
        let stranger = OperatorKey::from_seed(&[8; 32]);
        let signature = stranger.sign(&reset_text("default", 5, "n1"));
        assert!(!public.verify(&reset_text("default", 5, "n1"), &signature));
        for nonsense in ["", "00", &"g".repeat(128), &"0".repeat(128)] {
            assert!(!public.verify(&reset_text("default", 5, "n1"), nonsense));
        }
    }

    #[test]
    fn a_key_survives_its_file_and_a_weak_one_is_refused() {
        let key = OperatorKey::from_seed(&[9; 32]);
        let again = OperatorKey::from_pem(&key.to_pem()).expect("its own file");
        assert_eq!(again.public_hex(), key.public_hex());
        assert_eq!(
            OperatorKey::from_pem("secret").err(),
            Some(KeyError::BadPem)
        );
        // The neutral element: everything is its signature.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(PublicKey::new(&neutral).err(), Some(KeyError::BadPublic));
    }
}
