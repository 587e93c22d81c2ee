//! The log: its form, its budget, and a server that is to have it.
//!
//! In: the section `[log]`. Out: [`LogSettings`]. Never: a server whose name cannot be one.

use crate::written::{Problem, Section};

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Journal entries where the journal listens, text elsewhere.
    Auto,
    /// For people.
    Text,
    /// One object a line.
    Json,
    /// Entries of systemd's journal.
    Journal,
}

/// How a log server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogTransport {
    /// A datagram a line.
    Udp,
    /// Lines one after the other.
    Tcp,
}

/// A server that is to have the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogServer {
    /// How.
    pub transport: SyslogTransport,
    /// `HOST:PORT`.
    pub address: String,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Form of lines.
    pub format: LogFormat,
    /// Lines that one place in the code may write in a minute.
    pub lines_per_minute: u32,
    /// Has control's log, too.
    pub syslog: Option<SyslogServer>,
}

impl LogSettings {
    /// Reads the section.
    pub(crate) fn check(mut section: Section<'_>, problems: &mut Vec<Problem>) -> Self {
        let formats = [
            ("auto", LogFormat::Auto),
            ("text", LogFormat::Text),
            ("json", LogFormat::Json),
            ("journal", LogFormat::Journal),
        ];
        let lines = section.whole("lines_per_minute", 600, (10, 100_000), problems);
        let settings = Self {
            format: section.word("format", LogFormat::Auto, &formats, problems),
            lines_per_minute: u32::try_from(lines).unwrap_or(u32::MAX),
            syslog: server(&mut section, problems),
        };
        section.finish(problems);
        settings
    }
}

fn server(section: &mut Section<'_>, problems: &mut Vec<Problem>) -> Option<SyslogServer> {
    let written = section.text("syslog", "", problems);
    if written.is_empty() {
        return None;
    }
    let transports = [
        ("udp://", SyslogTransport::Udp),
        ("tcp://", SyslogTransport::Tcp),
    ];
    let found = transports.iter().find_map(|(scheme, transport)| {
        let address = written.strip_prefix(scheme)?;
        let (host, port) = address.rsplit_once(':')?;
        let host_is_one = !host.is_empty() && !host.contains(['/', '@', ' ']);
        let is_address = host_is_one && port.parse::<u16>().is_ok_and(|port| port > 0);
        is_address.then(|| SyslogServer {
            transport: *transport,
            address: address.to_string(),
        })
    });
    if found.is_none() {
        let allowed = "udp://HOST:PORT or tcp://HOST:PORT, such as udp://10.0.0.5:514";
        section.reject("syslog", allowed, problems);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Settings, SettingsError};

    fn check(line: &str) -> Result<LogSettings, String> {
        let text = format!("[log]\n{line}\n[[instrument]]\nsymbol = \"BTCUSDT\"\n");
        match Settings::check("fulcrum.toml", &text) {
            Ok(settings) => Ok(settings.log),
            Err(SettingsError::Invalid { problems, .. }) => Err(problems[0].key.clone()),
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_server_is_a_transport_a_host_and_a_port() {
        let server =
            |written: &str| check(&format!("syslog = \"{written}\"")).map(|log| log.syslog);
        let found = server("tcp://[::1]:6514").expect("allowed").expect("one");
        assert_eq!(
            (found.transport, found.address.as_str()),
            (SyslogTransport::Tcp, "[::1]:6514")
        );
        assert_eq!(server(""), Ok(None));
        for bad in [
            "10.0.0.5:514",
            "tls://a:1",
            "udp://a",
            "udp://a:0",
            "udp://:514",
            "udp://u@a:514",
        ] {
            assert_eq!(server(bad), Err("log.syslog".to_string()), "{bad}");
        }
    }
}
