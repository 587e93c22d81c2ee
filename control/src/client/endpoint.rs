//! Where a server is.
//!
//! In: a URL, or the path of a socket. Out: host, port, scheme, path before all others. Never: a
//! user or a password in a URL.

use hyper::Uri;
use std::path::PathBuf;

/// Why a text is no URL of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is no URL of a server: {allowed}")]
pub struct UrlError {
    found: String,
    allowed: &'static str,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A socket of this machine.
    Socket(PathBuf),
    /// The network.
    Network {
        /// Name or address, without brackets.
        host: String,
        /// Port.
        port: u16,
        /// With TLS.
        encrypted: bool,
        /// Before every path, without a slash at its end.
        base: String,
    },
}

impl Endpoint {
    /// Of `http`, `https`, `ws` or `wss`.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn of_url(text: &str) -> Result<Self, UrlError> {
        let refused = |allowed| UrlError {
            // What stands before an @ is a secret that does not belong there.
            found: text.rsplit('@').next().unwrap_or_default().to_string(),
            allowed,
        };
        if text.contains('@') {
            return Err(refused("a key comes from --key-file, not from the URL"));
        }
        let form = "allowed: http://HOST[:PORT][/PATH] and the same with https, ws or wss";
        let uri: Uri = text.parse().map_err(|_| refused(form))?;
        let encrypted = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(refused(form)),
        };
        if uri.query().is_some() {
            return Err(refused(form));
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| refused(form))?;
        let port = match uri
            .authority()
            .and_then(|whole| whole.as_str().rsplit_once(':'))
        {
            // An address of IPv6 has colons of its own.
            Some((_, port)) if !port.ends_with(']') => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| refused(form))?,
            _ if encrypted => 443,
            _ => 80,
        };
        Ok(Self::Network {
            host: host.trim_matches(['[', ']']).to_string(),
            port,
            encrypted,
            base: uri.path().trim_end_matches('/').to_string(),
        })
    }

    /// As a person names it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Socket(path) => path.display().to_string(),
            Self::Network {
                encrypted, base, ..
            } => {
                let scheme = if *encrypted { "https" } else { "http" };
                format!("{scheme}://{}{base}", self.authority())
            }
        }
    }

    /// What stands in `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        match self {
            Self::Socket(_) => "localhost".to_string(),
            Self::Network {
                host,
                port,
                encrypted,
                ..
            } => {
                let host = match host.contains(':') {
                    true => format!("[{host}]"),
                    false => host.clone(),
                };
                match (port, encrypted) {
                    (80, false) | (443, true) => host,
                    _ => format!("{host}:{port}"),
                }
            }
        }
    }

    /// True when what is sent there can be read by nobody else.
    #[must_use]
    pub fn is_private(&self) -> bool {
        match self {
            Self::Socket(_) => true,
            Self::Network {
                host, encrypted, ..
            } => {
                let address = host.parse::<std::net::IpAddr>();
                let here = address.map_or(host == "localhost", |one| one.is_loopback());
                *encrypted || here
            }
        }
    }

    /// The path of a request.
    #[must_use]
    pub(super) fn target(&self, path: &str) -> String {
        match self {
            Self::Socket(_) => path.to_string(),
            Self::Network { base, .. } => format!("{base}{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart_and_put_together() {
        for (url, name, authority, private) in [
            (
                "http://127.0.0.1:8080",
                "http://127.0.0.1:8080",
                "127.0.0.1:8080",
                true,
            ),
            ("http://localhost/", "http://localhost", "localhost", true),
            (
                "http://box:8080/a/b/",
                "http://box:8080/a/b",
                "box:8080",
                false,
            ),
            ("https://box", "https://box", "box", true),
            ("http://[::1]:8080", "http://[::1]:8080", "[::1]:8080", true),
            ("https://[::1]", "https://[::1]", "[::1]", true),
            ("wss://box:9443", "https://box:9443", "box:9443", true),
        ] {
            let endpoint = Endpoint::of_url(url).expect(url);
            let found = (endpoint.name(), endpoint.authority(), endpoint.is_private());
            assert_eq!(found, (name.to_string(), authority.to_string(), private));
        }
    }

    #[test]
    fn what_is_no_url_of_a_server_is_refused_and_no_secret_repeated() {
        for url in [
            "",
            "box",
            "ftp://box",
            "http://",
            "http://box:x",
            "http://box:0",
            "http://a?b=c",
        ] {
            assert!(Endpoint::of_url(url).is_err(), "{url}");
        }
        let refused = Endpoint::of_url("https://me:secret@box").expect_err("a password");
        let text = refused.to_string();
        assert!(
            text.contains("--key-file") && !text.contains("secret"),
            "{text}"
        );
    }
}
