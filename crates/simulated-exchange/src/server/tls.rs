//! TLS with a certificate of an own authority, made at the start.
//!
//! In: nothing. Out: an acceptor, and the authority's certificate for the clients. Never: a key
//! on disk.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose,
};
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
    // With one name for both, a client takes the certificate for a self-signed one.
    authority.distinguished_name = named("simulated-exchange authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate().map_err(made)?;
    let authority = CertifiedIssuer::self_signed(authority, authority_key).map_err(made)?;
    let key = KeyPair::generate().map_err(made)?;
    let names: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
    let mut server = CertificateParams::new(names).map_err(made)?;
    server.distinguished_name = named("simulated-exchange");
    let certificate = server.signed_by(&key, &authority).map_err(made)?;
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

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    #[tokio::test]
    async fn a_client_that_trusts_only_the_authority_connects_by_address_and_by_name() {
        let (acceptor, pem) = acceptor().unwrap();
        for name in ["127.0.0.1", "localhost"] {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
                .unwrap();
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let (ours, theirs) = tokio::io::duplex(16 * 1024);
            let connector = TlsConnector::from(Arc::new(config));
            let name = ServerName::try_from(name).unwrap();
            let (client, server) =
                tokio::join!(connector.connect(name, ours), acceptor.accept(theirs));
            assert!(server.is_ok());
            client.unwrap();
        }
    }
}
