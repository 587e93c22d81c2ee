//! A server for one run of one client: free ports, a key of its own, its own authority.
//!
//! In: the binary, a kind of key. Out: a running server and what a driver must know of it. Never:
//! a key that is used twice.

use super::folder;
use crate::process::{Failure, Running, run as run_to_end, write};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The API key of every run.
const API_KEY: &str = "conformance";
/// The HMAC secret of every run.
const SECRET: &str = "c0f0412ac7e1d8f6f0d1b7a6c3e55a7e0c9b1d2f";

/// What a request is signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    /// A shared secret.
    Hmac,
    /// An Ed25519 key pair.
    Ed25519,
    /// An RSA key pair of 2,048 bits.
    Rsa,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Server {
    process: Running,
    variables: Vec<(String, String)>,
}

impl Server {
    /// Starts one and waits for its ready line.
    ///
    /// With a recording it replays this at the speed at which it was made, and makes a market of
    /// its own otherwise.
    pub(crate) fn start(
        binary: &Path,
        kind: KeyKind,
        tls: bool,
        recording: Option<&Path>,
    ) -> Result<Self, Failure> {
        let (secret, registered) = key_files(kind)?;
        let authority = folder().join("authority.pem");
        let mut command = Command::new(binary);
        command
            .args(["--listen", "127.0.0.1:0"])
            .args(["--api-key", API_KEY, "--api-secret-file"])
            .arg(&registered)
            .env("FULCRUM_LOG", "warn")
            .stdout(Stdio::piped());
        match recording {
            Some(file) => command.args(["--speed", "1", "--capture"]).arg(file),
            None => command.args(["--generate", "--seed", "7"]),
        };
        if tls {
            command.args(["--tls", "--ca-out"]).arg(&authority);
        }
        let mut process = Running::start("simulated-exchange", &mut command)?;
        let output = process.child.stdout.take().expect("stdout is piped");
        let mut line = String::new();
        let _ = BufReader::new(output).read_line(&mut line);
        let Some(fields) = line.trim().strip_prefix("ready ") else {
            return Err(Failure::Said(format!(
                "the server is not ready with a key of {kind:?}: {line:?}"
            )));
        };
        let mut variables = vec![
            ("CONFORMANCE_API_KEY".to_owned(), API_KEY.to_owned()),
            ("CONFORMANCE_SECRET_FILE".to_owned(), text_of(&secret)),
            ("CONFORMANCE_KEY_KIND".to_owned(), format!("{kind:?}")),
        ];
        if let Some(file) = recording {
            variables.push(("CONFORMANCE_RECORDING".to_owned(), text_of(file)));
        }
        for field in fields.split(' ') {
            if let Some((name, url)) = field.split_once('=') {
                let name = format!("CONFORMANCE_{}", name.to_uppercase());
                variables.push((name, url.to_owned()));
            }
        }
        if tls {
            for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
                variables.push((name.to_owned(), text_of(&authority)));
            }
        }
        Ok(Self { process, variables })
    }

    /// What a driver finds in its environment.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        self.variables.clone()
    }

    /// Ends it; a server that died or hangs is a failure.
    pub(crate) fn stop(mut self) -> Result<(), Failure> {
        self.process.stop(Duration::from_secs(5))
    }
}

fn text_of(path: &Path) -> String {
    path.display().to_string()
}

/// The client's secret and what the server is given: the public half where there is one.
fn key_files(kind: KeyKind) -> Result<(PathBuf, PathBuf), Failure> {
    let folder = folder();
    let secret = folder.join(format!("{kind:?}.secret"));
    let algorithm: &[&str] = match kind {
        KeyKind::Hmac => {
            write(&secret, SECRET)?;
            return Ok((secret.clone(), secret));
        }
        KeyKind::Ed25519 => &["-algorithm", "ed25519"],
        KeyKind::Rsa => &["-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"],
    };
    let public = folder.join(format!("{kind:?}.public"));
    run_to_end(
        Command::new("openssl")
            .args(["genpkey", "-quiet"])
            .args(algorithm)
            .arg("-out")
            .arg(&secret),
    )?;
    run_to_end(
        Command::new("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(&secret)
            .arg("-out")
            .arg(&public),
    )?;
    Ok((secret, public))
}
