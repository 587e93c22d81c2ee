//! RSA keys: PKCS#1 v1.5 over SHA-256, as binance.md 2.1 has it.
//!
//! In: a key in PEM, a text, a signature. Out: whether the one belongs to the other. Never: a
//! private key that is kept; of one that is registered only the public half stays.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

/// `rsaEncryption` with its empty parameters, and the tag of the bit string behind it.
const ALGORITHM: [u8; 16] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00, 0x03,
];

/// A public key of at least 2,048 bits.
#[derive(Clone, Debug)]
pub struct RsaKey {
    /// `RSAPublicKey` of PKCS#1 in DER.
    der: Vec<u8>,
}

impl RsaKey {
    /// The key of a PEM: `PUBLIC KEY`, `PRIVATE KEY` or `RSA PRIVATE KEY`. `None` for any other
    /// text, and for keys of other kinds.
    #[must_use]
    pub fn from_pem(text: &str) -> Option<Self> {
        let bytes = text.trim().as_bytes();
        if let Ok(info) = SubjectPublicKeyInfoDer::from_pem_slice(bytes) {
            let der = public_key(info.as_ref())?.to_vec();
            return Some(Self { der });
        }
        let pair = match PrivateKeyDer::from_pem_slice(bytes).ok()? {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok()?,
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok()?,
            _ => return None,
        };
        let der = pair.public_key().as_ref().to_vec();
        Some(Self { der })
    }

    /// True when `signature` (base64, case matters) is this key's signature of `text`.
    #[must_use]
    pub fn verify(&self, text: &[u8], signature: &str) -> bool {
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.der);
        STANDARD
            .decode(signature)
            .is_ok_and(|signature| key.verify(text, &signature).is_ok())
    }
}

/// The key inside of `SubjectPublicKeyInfo`, which is a sequence of algorithm and bit string.
fn public_key(info: &[u8]) -> Option<&[u8]> {
    let (content, nothing) = value(info.strip_prefix(&[0x30])?)?;
    if !nothing.is_empty() {
        return None;
    }
    let (bits, nothing) = value(content.strip_prefix(&ALGORITHM)?)?;
    // The first byte of a bit string counts the bits of the last one that are none of it.
    bits.strip_prefix(&[0]).filter(|_| nothing.is_empty())
}

/// Splits a DER length and its content from what follows.
fn value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0x80 {
        return rest.split_at_checked(usize::from(first));
    }
    let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
    if digits.len() > 4 {
        return None;
    }
    let length = digits
        .iter()
        .fold(0usize, |sum, digit| (sum << 8) | usize::from(*digit));
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `openssl genrsa 2048`, for nothing but this test.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQDWGBCq8sn7ZGPM\n\
        KmJCJA8UQQDWkdPBX+U3IwbeePzlsK/86iPsguzrjxXKeD8Bpe/5ussZR44O5iGN\n\
        Mb0r+C2nUyp26u+hbnko28znl9IFQbKMgwuW+0r5bccvVVne5DTzEUZAZGp3Ln6t\n\
        kjIAO910zJWVTmjHnmxRX3ZsLW+XftgpKKr8E+cJSmC/hxuR4RhDn9nGSxEGppvM\n\
        YczCUFEvvObSl2NNxArx4eTiG4yqrRvyA3L1ajiJNz/E7aOsCjTQCwWxE5/pU1p8\n\
        WKz/jvCFRJS7ZHT/51R3flqW+W50iCxKbSK1L053C2yk7+tgKHRJqxtK0BByWB4v\n\
        /vq8fix7AgMBAAECggEAAOhADmcbRAIFd/SWBgG6QOqTUJ6ZAWeg6Qd5ikM7RflT\n\
        /HHPRSlNcNs9y0FHMMl0Xk34538XRU12olzSc9L1+f5l8M+in7/tzu+opqBM7dHq\n\
        l8b69HMecaS2lsudy5duQgKR31rWuKhIo2zMUE0VNpYQfn4MSDDXGTya5QFQ2yt7\n\
        Tm1+rKYSLdO/n3AxNdnZ376PPRMRyNPOUjLgMlJn0BdbDwrAQyGO3w2CwoxQLUv8\n\
        4s4tt94c9n1fkarw1T0NJXWg7GDErxy9Uf7qrTpn3v2+N9gW2L2m1cD6Caas8g1Y\n\
        CYv3PxHFXHoT4qNTBs3cRUxRnt/V7eOfuMnhnvw1QQKBgQDuOyffUkFbeLLBCMOW\n\
        ARKUBPnL5aLVJy3CQgIQOrZXfdFNo60pzmstLhg3gehxFQVz30LepZjYS52lyMlz\n\
        nprkZ4WOXXDiXrbHMcKU6o6rsLLihZsjwF9yl2biGiRGMINjHQDcRUBGCkhdyRAc\n\
        o8H9e9eQE2Ipm/IEIX/wHTx4rQKBgQDmEAeuS+aWuG26RjXBT9QJnyu7g+3DV69c\n\
        9cfuhTPs28Xt4vmdbNAsNssqsBD9p/BxWawUiFXgvQbZBnhE9QwxpjoNLkHkoYei\n\
        JxNeAZEqQjmq8+w8d279SZ11AwXbvjiWlCLaSh+fowHvHvkjKSV5KO/udlmr1PeU\n\
        aKw6SMOWxwKBgF31huxVjOF+4UGxKzLmiWVH8R2yHF7lbO7JCfdMsM4hGYP9ojZy\n\
        62KOY47A9eRj3hqtW7pkpbvpVuwkHRA05fJfwhU8VWFy6bP2tD/3ov2kW2lsOJwJ\n\
        K5wOis1ycgwc5jUZI1W9GnSFabVTr78b9076oTJ58qVmlDV84PDbFxahAoGBAIYe\n\
        hjvIJ89qCR303FWr8hMB5f7VNIES1zq8VifpI5JLtSGvlpF95AZCk0J5jg4yH2wV\n\
        OMpniJkR2bIfoXGh4c/39hPFCcj9mhKf8Rx2kWgvX2sX9HpzrhKfHdofPwUR6e9u\n\
        wLq9R55K60+5oMgsrpnpkaZU/IW+C+9K7ky0KsH1AoGBAIB+HVetqiVlEo7yOr8J\n\
        V+eg7k60AV0G3241smmltoA/PMnpLXKUYx5M9c3GsSa3OeCsQDQSCjSyNzdg48z4\n\
        /89r65cBvSGy9VFI9Gnfyl6M6xRAJR/NHTDauKhyWiTGg5DmS5ZFfnZc+kHN4KOQ\n\
        NcFZJ5ObfoYvRx+NN27YRWAg\n\
        -----END PRIVATE KEY-----";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA1hgQqvLJ+2RjzCpiQiQP\n\
        FEEA1pHTwV/lNyMG3nj85bCv/Ooj7ILs648Vyng/AaXv+brLGUeODuYhjTG9K/gt\n\
        p1MqdurvoW55KNvM55fSBUGyjIMLlvtK+W3HL1VZ3uQ08xFGQGRqdy5+rZIyADvd\n\
        dMyVlU5ox55sUV92bC1vl37YKSiq/BPnCUpgv4cbkeEYQ5/ZxksRBqabzGHMwlBR\n\
        L7zm0pdjTcQK8eHk4huMqq0b8gNy9Wo4iTc/xO2jrAo00AsFsROf6VNafFis/47w\n\
        hUSUu2R0/+dUd35alvludIgsSm0itS9OdwtspO/rYCh0SasbStAQclgeL/76vH4s\n\
        ewIDAQAB\n\
        -----END PUBLIC KEY-----";
    const TEXT: &[u8] = b"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000\
        &timeInForce=GTC&recvWindow=5000&timestamp=1591702613943";
    /// Made by `openssl dgst -sha256 -sign`.
    const SIGNATURE: &str = "TfC2YjB5FAwo0o5bXRK9sl5H/DlC5J5LcbTFxNkqsxV/Mm23oIrs2zjG13pGXRVb5pLB5SKAsaABivvKUH1h\
        44dG6wpVRTqMEagF1nne2z+UXt3gaPRspK9Yomm+3lH6BVsD8XDezVfcP0NO97o+dqvDoqRSNasu/uhgtqkE\
        nyb7Zp6N3Jqb11PWVoEtg0vepkyqpjglMcRNOMStGKeXtuVTbInCDmq5N5AP+m2XaQA06qv8iVugrEfhOvAP\
        sbkqfEAlwpRPpcgtwLT81M6KMXlM5qXeY8ooB5IZMSLTp4N64b/ifLw1skj4jXYTo3f0Nx2SiLyF7UlCg5mJ\
        mVoqOA==";

    #[test]
    fn what_openssl_signed_is_accepted_by_either_half_of_its_key_and_nothing_else_is() {
        for pem in [PRIVATE, PUBLIC] {
            let key = RsaKey::from_pem(pem).expect("a key of openssl");
            assert!(key.verify(TEXT, SIGNATURE));
            assert!(!key.verify(&TEXT[1..], SIGNATURE));
            assert!(!key.verify(TEXT, &SIGNATURE.to_lowercase()));
            assert!(!key.verify(TEXT, ""));
        }
    }

    #[test]
    fn a_cut_or_foreign_key_is_no_key() {
        assert!(RsaKey::from_pem("secret").is_none());
        let info = SubjectPublicKeyInfoDer::from_pem_slice(PUBLIC.as_bytes()).expect("sound");
        assert!(public_key(info.as_ref()).is_some());
        for length in 0..info.as_ref().len() {
            assert!(public_key(&info.as_ref()[..length]).is_none(), "{length}");
        }
    }
}
