//! Who may ask: API key, timestamp, signature, in the order of binance.md 2.1.
//!
//! In: header, parameters, the signed text. Out: nothing, or the first check that fails. Never:
//! a secret in a message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use binance::sign::Signer;
use ed25519_dalek::pkcs8::DecodePublicKey as _;
use ed25519_dalek::{Signature, VerifyingKey};
use market::UtcMs;

use super::error::ApiError;
use super::params::Params;
use super::rsa::RsaKey;

/// Default of `recvWindow` in ms.
const RECV_WINDOW_MS: i64 = 5_000;
/// Times from here on are in microseconds: as milliseconds they lie behind the year 5138.
const MICROSECONDS_MIN: i64 = 100_000_000_000_000;
/// Largest `recvWindow` in ms.
const RECV_WINDOW_MAX_MS: i64 = 60_000;

/// What a request must prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Nothing.
    None,
    /// An API key.
    Key,
    /// An API key, a timestamp and a signature.
    Signed,
}

/// What a signature is checked with.
enum Verifier {
    Secret(Signer),
    Public(Box<VerifyingKey>),
    Rsa(RsaKey),
}

/// The registered key. Without one, any key is accepted and no signature is checked.
#[derive(Default)]
pub struct Keys {
    api_key: Option<String>,
    verifier: Option<Verifier>,
}

impl Keys {
    /// A key with the text of its secret file: an HMAC secret, or an Ed25519 or RSA key in PEM,
    /// private or public.
    ///
    /// # Errors
    /// When the text is no such thing.
    pub fn new(api_key: String, secret: &str) -> Result<Self, String> {
        let verifier = if let Some(key) = RsaKey::from_pem(secret) {
            Verifier::Rsa(key)
        } else if secret.contains("BEGIN PUBLIC KEY") {
            let key = VerifyingKey::from_public_key_pem(secret.trim())
                .map_err(|error| format!("no Ed25519 or RSA public key: {error}"))?;
            Verifier::Public(Box::new(key))
        } else {
            Verifier::Secret(Signer::from_secret_text(secret).map_err(|error| error.to_string())?)
        };
        Ok(Self {
            api_key: Some(api_key),
            verifier: Some(verifier),
        })
    }

    /// Checks a request.
    ///
    /// # Errors
    /// -2014, -2015, -1102, -1130, -1021 or -1022, in this order.
    pub fn check(
        &self,
        security: Security,
        key: Option<&str>,
        params: &Params,
        signed_text: &str,
        now: UtcMs,
    ) -> Result<(), ApiError> {
        if security == Security::None {
            return Ok(());
        }
        self.check_key(key)?;
        if security == Security::Key {
            return Ok(());
        }
        check_time(params, now)?;
        self.check_signature(params, signed_text)
    }

    /// The only key that is accepted; nothing while any is.
    #[must_use]
    pub fn registered(&self) -> Option<&str> {
        self.api_key.as_deref()
    }

    /// False while any key is accepted.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        self.api_key.is_some()
    }

    /// True when `session.logon` can work: Ed25519 keys only, or no registered key at all.
    #[must_use]
    pub fn can_log_on(&self) -> bool {
        match &self.verifier {
            None | Some(Verifier::Public(_)) => true,
            Some(Verifier::Rsa(_)) => false,
            Some(Verifier::Secret(signer)) => signer.can_log_on(),
        }
    }

    /// Checks only the key.
    ///
    /// # Errors
    /// -2014 without one, -2015 for an unknown one.
    pub fn check_key(&self, key: Option<&str>) -> Result<(), ApiError> {
        let key = key.unwrap_or_default();
        if key.is_empty() {
            return Err(ApiError::new(-2014, "API-key format invalid.").with_status(401));
        }
        match &self.api_key {
            Some(known) if known != key => Err(ApiError::new(
                -2015,
                "Invalid API-key, IP, or permissions for action.",
            )
            .with_status(401)),
            _ => Ok(()),
        }
    }

    fn check_signature(&self, params: &Params, signed_text: &str) -> Result<(), ApiError> {
        let signature = params.require("signature")?;
        let text = signed_text.as_bytes();
        let valid = match &self.verifier {
            None => true,
            Some(Verifier::Rsa(key)) => key.verify(text, signature),
            Some(Verifier::Secret(signer)) => signer.verify(text, signature.as_bytes()),
            Some(Verifier::Public(key)) => STANDARD
                .decode(signature)
                .ok()
                .and_then(|bytes| Signature::from_slice(&bytes).ok())
                .is_some_and(|signature| key.verify_strict(text, &signature).is_ok()),
        };
        if valid {
            Ok(())
        } else {
            Err(ApiError::new(
                -1022,
                "Signature for this request is not valid.",
            ))
        }
    }
}

/// `timestamp < now + 1000 && now - timestamp <= recvWindow`.
///
/// # Errors
/// -1102, -1130 or -1021.
pub fn check_time(params: &Params, now: UtcMs) -> Result<(), ApiError> {
    let timestamp = params
        .integer("timestamp")?
        .ok_or_else(|| ApiError::mandatory("timestamp"))?;
    let timestamp = match timestamp {
        MICROSECONDS_MIN.. => timestamp / 1_000,
        ms => ms,
    };
    let window = match params.get("recvWindow") {
        None => RECV_WINDOW_MS,
        // Up to three decimals; a part of a millisecond lets nothing more through.
        Some(text) => {
            let microseconds = market::decimal::parse_decimal(text.as_bytes(), 3)
                .map_err(|_| ApiError::mandatory("recvWindow"))?;
            if microseconds > RECV_WINDOW_MAX_MS * 1_000 {
                return Err(ApiError::new(-1131, "recvWindow must be less than 60000"));
            }
            microseconds / 1_000
        }
    };
    if timestamp >= now.0.saturating_add(1_000) {
        return Err(ApiError::new(
            -1021,
            "Timestamp for this request was 1000ms ahead of the server's time.",
        ));
    }
    if now.0.saturating_sub(timestamp) > window {
        return Err(ApiError::new(
            -1021,
            "Timestamp for this request is outside of the recvWindow.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9\n";
    const QUERY: &str = "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000\
        &timeInForce=GTC&recvWindow=5000&timestamp=1591702613943";
    const SIGNATURE: &str = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9";

    fn check(key: Option<&str>, signature: &str, now: i64) -> Result<(), i64> {
        let keys = Keys::new("key".to_owned(), SECRET).unwrap();
        let params = Params::from_rest(&format!("{QUERY}&signature={signature}"), "");
        keys.check(Security::Signed, key, &params, QUERY, UtcMs(now))
            .map_err(|error| error.code)
    }

    #[test]
    fn the_documented_vector_passes_and_each_check_has_its_code_in_order() {
        let sent = 1_591_702_613_943;
        assert_eq!(check(Some("key"), SIGNATURE, sent), Ok(()));
        assert_eq!(
            check(Some("key"), &SIGNATURE.to_uppercase(), sent + 5_000),
            Ok(())
        );
        assert_eq!(check(None, "bad", 0), Err(-2014));
        assert_eq!(check(Some("other"), "bad", 0), Err(-2015));
        assert_eq!(check(Some("key"), "bad", sent - 1_000), Err(-1021));
        assert_eq!(check(Some("key"), "bad", sent + 5_001), Err(-1021));
        assert_eq!(check(Some("key"), "bad", sent), Err(-1022));
    }

    #[test]
    fn times_in_microseconds_and_windows_with_decimals_are_read() {
        let now = UtcMs(1_591_702_613_943);
        let code = |query: &str| {
            let params = Params::from_rest(query, "");
            check_time(&params, now).map_err(|error| error.code)
        };
        assert_eq!(code("timestamp=1591702613943123"), Ok(()));
        assert_eq!(code("timestamp=1591702608942999"), Err(-1021));
        assert_eq!(code("timestamp=1591702613943&recvWindow=0.5"), Ok(()));
        assert_eq!(code("timestamp=1591702613942&recvWindow=0.999"), Err(-1021));
        assert_eq!(code("timestamp=1591702613942&recvWindow=1.5"), Ok(()));
        assert_eq!(
            code("timestamp=1591702613943&recvWindow=60000.001"),
            Err(-1131)
        );
        assert_eq!(code("timestamp=1591702613943&recvWindow=-1"), Err(-1102));
    }

    /// Made with openssl, as is the signature of [`QUERY`] below.
    const RSA_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAs+814mj6ra42vYKELf23
W9V4i1jweYhm5H9jy7ZVJBa/9H2GworU2hlVkAILvnxuHAgmF7NL9Uh704EpPZpt
fnPHvua3oBkU6F9OMxACJRTW4sOvXeW+2UVup8Pq4mjM6WPblUWNvmxrgmX82jSG
hREwcN98GfWtn3dAZfFxodckZ2aChTPNOOHOzhbnuQ07uHpoKaKNUCdYKklA97A1
sKrsii3kwQN8GbS6sHQawye84UP82auuSd6g6SxfWG2HLZqWePVrYptOpiLCuWkb
8JDJA/rY7e2SrOFWllDfRW0qttwFH4NPIGsXq9n1zVzYPET1EUb5xcM2E9qjs4st
zwIDAQAB
-----END PUBLIC KEY-----";
    const RSA_SIGNATURE: &str = concat!(
        "iFGa6XM1UzkNmB84s7YdA6yyyCM97kI3RLe4j4+47nDROxuLOjzmZu1s7XlBQKEdJZtchZiSUQkcmNqv",
        "vXJ3Ox9Z7R0GU9Z4r1cgL0/nvTK/ViRHV+Y3siezFG3kKXlQ79j/V6zIkeqqciqtO0aIJn3UsaM3IBjx",
        "OMStmqR47IQ1LinFdrwMuN+U7zVymYoT+GrGXWQBnI5EpDzuvPBMglDoqj1n37U4fG2se9RMO1pClEd4",
        "ypYep3bwJq65IrG7gh2GvctjO2+WS+xds22dZo33QMFHq9dOb5b2slf3DSRqhB2ftREPMMj2DcAT2UfY",
        "o0EqqajQKr7lvXo5+wtRgw==",
    );

    #[test]
    fn an_rsa_key_checks_signatures_and_cannot_log_on() {
        let keys = Keys::new("key".to_owned(), RSA_PUBLIC).unwrap();
        let check = |text: &str| {
            let signature = RSA_SIGNATURE.replace('+', "%2B");
            let params = Params::from_rest(&format!("{QUERY}&signature={signature}"), "");
            let now = UtcMs(1_591_702_613_943);
            keys.check(Security::Signed, Some("key"), &params, text, now)
                .map_err(|error| error.code)
        };
        assert_eq!(check(QUERY), Ok(()));
        assert_eq!(check(&QUERY.replace("BUY", "SELL")), Err(-1022));
        assert!(!keys.can_log_on());
    }
}
