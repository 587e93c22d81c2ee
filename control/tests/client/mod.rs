//! A client of the API that sends what it is told to, byte by byte.

use super::running::{Control, StateDir};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// An answer; status 0 where the connection ended without one.
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    fn read(stream: &mut impl Read) -> Self {
        let mut bytes = Vec::new();
        // A connection that is reset has said what it said.
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_string(),
            body: body.to_string(),
        }
    }

    pub(crate) fn over_socket(path: &Path, method: &str, target: &str) -> Self {
        let mut stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let request = format!("{method} {target} HTTP/1.0\r\nhost: localhost\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        Self::read(&mut stream)
    }
}

pub(crate) struct Client {
    port: u16,
}

impl Client {
    pub(crate) fn of(control: &Control) -> Self {
        Self::at(control.api_port())
    }

    pub(crate) const fn at(port: u16) -> Self {
        Self { port }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn get(&self, path: &str) -> Said {
        self.send("GET", path, "", &[])
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Said {
        self.try_send(method, path, body, headers)
            .expect("an answer")
    }

    /// None where the connection ends without an answer.
    pub(crate) fn try_send(
        &self,
        method: &str,
        path: &str,
        body: &str,
        headers: &[(&str, &str)],
    ) -> Option<Said> {
        let mut text = format!(
            "{method} {path} HTTP/1.0\r\ncontent-length: {}\r\n",
            body.len()
        );
        if !headers.iter().any(|(name, _)| *name == "host") {
            text.push_str("host: 127.0.0.1\r\n");
        }
        for (name, value) in headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        let said = self.raw(&format!("{text}\r\n{body}"));
        (said.status != 0).then_some(said)
    }

    pub(crate) fn raw(&self, text: &str) -> Said {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Whoever is refused early may find the connection closed.
        let _ = stream.write_all(text.as_bytes());
        Said::read(&mut stream)
    }

    /// A new key, made as a person would.
    pub(crate) fn key(&self, state: &StateDir, name: &str, scopes: &[&str]) -> String {
        let mut words = vec!["key", "add", name];
        for scope in scopes {
            words.extend(["--scope", scope]);
        }
        self.run(state, &words).trim().to_string()
    }

    pub(crate) fn run(&self, state: &StateDir, words: &[&str]) -> String {
        let program = env!("CARGO_BIN_EXE_fulcrum");
        let output = Command::new(program)
            .args(words)
            .arg("--state-dir")
            .arg(state.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}
