//! TLS with a certificate of an own authority, made at the start.
//!
//! In: nothing. Out: an acceptor, and the authority's certificate for the clients. Never: a key
//! on disk.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Names in the certificate; some clients insist on a host below `fapi.`.
const NAMES: [&str; 4] = ["localhost", "127.0.0.1", "::1", "fapi.localhost"];

/// An acceptor and the authority's certificate in PEM.
///
/// # Errors
/// When a key or certificate cannot be made.
pub fn acceptor() -> Result<(TlsAcceptor, String), String> {
    let made = |error: rcgen::Error| format!("cannot make a certificate: {error}");
    let mut authority = CertificateParams::new(Vec::new()).map_err(made)?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate().map_err(made)?;
    let authority = CertifiedIssuer::self_signed(authority, authority_key).map_err(made)?;
    let key = KeyPair::generate().map_err(made)?;
    let names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names)
        .and_then(|params| params.signed_by(&key, &authority))
        .map_err(made)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let chain = vec![certificate.der().clone(), authority.der().clone()];
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private)
        })
        .map_err(|error| format!("cannot set TLS up: {error}"))?;
    Ok((TlsAcceptor::from(Arc::new(config)), authority.pem()))
}
