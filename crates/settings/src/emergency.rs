//! What happens when something is wrong: kill, stop, the exchange's countdown, who may reset.
//!
//! In: the section `[emergency]`. Out: [`EmergencySettings`]. Never: a secret; the operator's key is
//! a public one.

use crate::written::{Problem, Section};
use std::path::PathBuf;

/// What an operator's `stop` does before it halts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopPolicy {
    /// Orders are cancelled, positions closed.
    Flatten,
    /// Orders are cancelled, positions kept.
    Cancel,
    /// Both are left as they are.
    Leave,
}

/// What happens to positions when the service ends or restarts the hot path. Own orders are cancelled
/// either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// They are kept, under their stops at the exchange.
    Cancel,
    /// They are closed first.
    Flatten,
}

/// The section `[emergency]`, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmergencySettings {
    /// A kill cancels orders that are not ours, too.
    pub kill_foreign_orders: bool,
    /// The exchange cancels our orders when it has not heard of us for so long; 0: never.
    pub deadman_countdown_s: u64,
    /// What a stop does first.
    pub stop_policy: StopPolicy,
    /// What happens to positions when the service ends or restarts the hot path.
    pub restart_policy: RestartPolicy,
    /// How long a stop waits for positions to be closed before it halts all the same.
    pub stop_patience_s: u64,
    /// Whose signature clears a kill; without it nobody's does.
    pub operator_public_key: Option<[u8; 32]>,
    /// The emergency binary's own copy of the key; without it that of `[venue]`.
    pub api_key_file: Option<PathBuf>,
    /// The emergency binary's own copy of the secret.
    pub api_secret_file: Option<PathBuf>,
}

impl EmergencySettings {
    /// Reads the section.
    pub(crate) fn check(mut section: Section<'_>, problems: &mut Vec<Problem>) -> Self {
        let policies = [
            ("flatten", StopPolicy::Flatten),
            ("cancel", StopPolicy::Cancel),
            ("leave", StopPolicy::Leave),
        ];
        let restarts = [
            ("cancel", RestartPolicy::Cancel),
            ("flatten", RestartPolicy::Flatten),
        ];
        let countdown_s = section.whole("deadman_countdown_s", 120, (0, 3_600), problems);
        if (1..10).contains(&countdown_s) {
            let allowed = "0 (off) or 10 to 3600: shorter ones fire on an ordinary hiccup";
            section.reject("deadman_countdown_s", allowed, problems);
        }
        let key = section.text("operator_public_key", "", problems);
        let operator_public_key = public_key(&key);
        if operator_public_key.is_none() && !key.is_empty() {
            let allowed = "64 hexadecimal digits, as `fulcrum operator-key` prints them";
            section.reject("operator_public_key", allowed, problems);
        }
        let mut file = |key: &str| {
            let name = section.text(key, "", problems);
            (!name.is_empty()).then(|| PathBuf::from(name))
        };
        let (api_key_file, api_secret_file) = (file("api_key_file"), file("api_secret_file"));
        if api_key_file.is_some() != api_secret_file.is_some() {
            let allowed = "both or none of api_key_file and api_secret_file";
            section.reject("api_key_file", allowed, problems);
        }
        let settings = Self {
            kill_foreign_orders: section.flag("kill_foreign_orders", true, problems),
            deadman_countdown_s: countdown_s,
            stop_policy: section.word("stop_policy", StopPolicy::Flatten, &policies, problems),
            restart_policy: section.word(
                "restart_policy",
                RestartPolicy::Cancel,
                &restarts,
                problems,
            ),
            stop_patience_s: section.whole("stop_patience_s", 60, (1, 3_600), problems),
            operator_public_key,
            api_key_file,
            api_secret_file,
        };
        section.finish(problems);
        settings
    }
}

fn public_key(text: &str) -> Option<[u8; 32]> {
    let digits = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut key = [0; 32];
    for (place, byte) in key.iter_mut().enumerate() {
        let pair = digits.then(|| &text[2 * place..2 * place + 2])?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::StopPolicy;
    use crate::{Settings, SettingsError};

    fn check(lines: &str) -> Result<Settings, Vec<String>> {
        let text = format!("[[instrument]]\nsymbol = \"BTCUSDT\"\n[emergency]\n{lines}\n");
        match Settings::check("fulcrum.toml", &text) {
            Ok(settings) => Ok(settings),
            Err(SettingsError::Invalid { problems, .. }) => {
                Err(problems.into_iter().map(|one| one.key).collect())
            }
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn the_section_has_careful_defaults_and_refuses_what_cannot_be() {
        let emergency = check("").expect("nothing is needed").emergency;
        assert!(emergency.kill_foreign_orders && emergency.deadman_countdown_s == 120);
        assert_eq!(emergency.stop_policy, StopPolicy::Flatten);
        assert_eq!(emergency.operator_public_key, None);
        let key = format!("operator_public_key = \"{}0f\"", "00".repeat(31));
        let key = check(&key).expect("a key").emergency.operator_public_key;
        assert_eq!(key.map(|key| key[31]), Some(15));
        for (line, named) in [
            ("deadman_countdown_s = 5", "emergency.deadman_countdown_s"),
            (
                "operator_public_key = \"12\"",
                "emergency.operator_public_key",
            ),
            ("api_key_file = \"a\"", "emergency.api_key_file"),
            ("stop_policy = \"sell\"", "emergency.stop_policy"),
            ("restart_policy = \"leave\"", "emergency.restart_policy"),
            ("kill = true", "emergency.kill"),
        ] {
            assert_eq!(check(line), Err(vec![named.to_string()]), "{line}");
        }
    }
}
