//! `fulcrum config`: a first file, its check, what holds, what differs, the schema.
//!
//! In: files. Out: files, tables, JSON; every problem at once with 78. Never: a file overwritten; a
//! running process changed, but by `apply` and `rollback` ([`super::versions`]).

use super::arguments::Arguments;
use super::remote::Remote;
use super::versions;
use super::{Failure, exit, failure};
use crate::configuration::{EditError, Screened, imported};
use crate::table::columns::{Align, lay_out};
use clap::{Subcommand, ValueEnum};
use market::Market;
use serde_json::{Value, json};
use settings::{Ceilings, Change, Configuration, Key, Mode, Settings, SettingsError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use Align::{Left, Right};

/// Where root bounds the limits of a machine.
const CEILINGS: &str = "/etc/fulcrum/ceilings.toml";

/// What can be done with a configuration.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum ConfigVerb {
    /// Writes a commented first file.
    Init {
        /// What is at stake.
        #[arg(long, value_enum, default_value = "paper")]
        profile: Profile,
        /// The file, which must not be there yet; without it the text goes to stdout.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The account's name.
        #[arg(long = "name", value_name = "NAME", default_value = "default")]
        account: String,
        /// USD-M futures or spot.
        #[arg(long, value_enum, default_value = "usdm")]
        market: MarketWord,
        /// What to trade; again for each.
        #[arg(long = "symbol", value_name = "SYMBOL", default_value = "BTCUSDT")]
        symbols: Vec<String>,
    },
    /// Says whether a file can be used, or everything that is wrong with it.
    Check {
        /// The file; without it that of --config.
        file: Option<PathBuf>,
        /// What bounds the limits; default: /etc/fulcrum/ceilings.toml where it is there.
        #[arg(long, value_name = "FILE")]
        ceilings: Option<PathBuf>,
    },
    /// Every key with what holds: of a file, or with --url of a running box.
    Show {
        /// The file; without it that of --config, or the box's at --url.
        file: Option<PathBuf>,
        /// Only keys that differ from their default.
        #[arg(long)]
        changed: bool,
    },
    /// Keys in which two files differ.
    Diff {
        /// What holds now.
        old: PathBuf,
        /// What is to hold.
        new: PathBuf,
    },
    /// The JSON Schema, for editors and programs.
    Schema,
    /// Makes a file the active version: what can, takes effect at once. By control.
    Apply {
        /// The file.
        file: PathBuf,
        /// Only while this version is active.
        #[arg(long, value_name = "VERSION")]
        if_version: Option<u64>,
        /// Only show what would differ.
        #[arg(long)]
        dry_run: bool,
    },
    /// Makes an earlier version the active one, under a new number. By control.
    Rollback {
        /// Which; without it the one before the active one.
        version: Option<u64>,
        /// Only show what would differ.
        #[arg(long)]
        dry_run: bool,
    },
    /// Every version: when it was accepted, by whom, from where. By control.
    History,
    /// Writes a file with the instruments of a screener's export, and says what differs. It is not
    /// applied.
    Import {
        /// The export, JSON.
        export: PathBuf,
        /// The new file, which must not be there yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// What is at stake.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Profile {
    /// The simulated exchange: no account, no key.
    Paper,
    /// The exchange's own test network.
    Testnet,
    /// Real money.
    Live,
}

/// Part of the venue.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum MarketWord {
    /// USD-M futures.
    Usdm,
    /// Spot.
    Spot,
}

/// Does it.
pub(super) fn run(verb: &ConfigVerb, arguments: &Arguments) -> Result<(), Failure> {
    let (config, as_json) = (arguments.config.as_path(), arguments.json);
    match verb {
        ConfigVerb::Show {
            file: None,
            changed,
        } if arguments.away.is_meant() => {
            let rows = Remote::open(arguments)?.get("/config")?;
            show_rows(&rows, *changed, as_json)
        }
        ConfigVerb::Apply {
            file,
            if_version,
            dry_run,
        } => versions::apply(
            &mut Remote::of(arguments)?,
            file,
            *if_version,
            *dry_run,
            as_json,
        ),
        ConfigVerb::Rollback { version, dry_run } => {
            versions::rollback(&mut Remote::of(arguments)?, *version, *dry_run, as_json)
        }
        ConfigVerb::History => versions::history(&mut Remote::of(arguments)?, as_json),
        ConfigVerb::Import { export, out } => import(config, export, out, as_json),
        ConfigVerb::Init {
            profile,
            out,
            account,
            market,
            symbols,
        } => init(*profile, out.as_deref(), account, *market, symbols),
        ConfigVerb::Check { file, ceilings } => {
            let file = file.as_deref().unwrap_or(config);
            check(file, ceilings.as_deref(), as_json)
        }
        ConfigVerb::Show { file, changed } => {
            show(file.as_deref().unwrap_or(config), *changed, as_json)
        }
        ConfigVerb::Diff { old, new } => diff(old, new, as_json),
        ConfigVerb::Schema => {
            print!("{}", settings::json_schema());
            Ok(())
        }
    }
}

fn init(
    profile: Profile,
    out: Option<&Path>,
    account: &str,
    market: MarketWord,
    symbols: &[String],
) -> Result<(), Failure> {
    let mode = match profile {
        Profile::Paper => Mode::Paper,
        Profile::Testnet => Mode::Testnet,
        Profile::Live => Mode::Live,
    };
    let market = match market {
        MarketWord::Usdm => Market::UsdM,
        MarketWord::Spot => Market::Spot,
    };
    let text = settings::profile(mode, account, market, symbols);
    let Some(path) = out else {
        print!("{text}");
        return Ok(());
    };
    write_new(path, &text)?;
    println!("{} is written for {}", path.display(), mode.word());
    // What a person has still to say, in the words of the check.
    if let Err(error) = Settings::check(&path.display().to_string(), &text) {
        println!("before it can be used:\n{error}");
    }
    Ok(())
}

fn check(file: &Path, ceilings: Option<&Path>, as_json: bool) -> Result<(), Failure> {
    let checked = read(file, ceilings);
    if as_json {
        let problems = match &checked {
            Ok(_) => json!([]),
            Err(SettingsError::Invalid { problems, .. }) => problems
                .iter()
                .map(|one| {
                    json!({
                        "line": one.line, "key": one.key, "found": one.found,
                        "allowed": one.allowed
                    })
                })
                .collect(),
            Err(other) => json!([{ "found": other.to_string() }]),
        };
        println!("{}", json!({ "file": file, "problems": problems }));
    }
    let (settings, _) = checked.map_err(refused)?;
    if !as_json {
        let hash: String = settings
            .sha256
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        println!(
            "{}: good: {} on account {}, {}, {}; sha256 {hash}",
            file.display(),
            settings.mode.word(),
            settings.account,
            counted(settings.instruments.len(), "instrument", "instruments"),
            counted(settings.strategies.len(), "strategy", "strategies"),
        );
    }
    Ok(())
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn show(file: &Path, changed: bool, as_json: bool) -> Result<(), Failure> {
    let (_, keys) = read(file, None).map_err(refused)?;
    let rows: Vec<_> = keys.iter().map(row_of).collect();
    show_rows(&json!(rows), changed, as_json)
}

/// Keys as the API lists them, too.
fn show_rows(keys: &Value, changed: bool, as_json: bool) -> Result<(), Failure> {
    let keys = keys.as_array().map_or(&[][..], Vec::as_slice);
    let is_usual = |key: &Value| same_value(&key["value"], &key["default"]);
    let shown: Vec<&Value> = keys
        .iter()
        .filter(|key| !changed || !is_usual(key))
        .collect();
    if as_json {
        println!("{}", json!(shown));
        return Ok(());
    }
    let mut rows = vec![
        ["key", "value", "unit", "default", "allowed"]
            .map(String::from)
            .to_vec(),
    ];
    for key in shown {
        let text = |field: &str| key[field].as_str().unwrap_or_default();
        rows.push(vec![
            text("key").to_string(),
            short(text("value")),
            text("unit").to_string(),
            match is_usual(key) {
                true => String::new(),
                false => short(text("default")),
            },
            short(text("allowed")),
        ]);
    }
    print!(
        "{}",
        lines(&lay_out(&[Left, Left, Left, Left, Left], &rows))
    );
    Ok(())
}

fn row_of(key: &Key) -> Value {
    json!({
        "key": key.path, "value": key.value, "unit": key.unit(), "default": key.default,
        "allowed": key.allowed(), "written": key.is_written
    })
}

/// A new file, never in the place of another.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let cannot = |error: &std::io::Error| failure(format!("{}: {error}", path.display()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(|error| cannot(&error))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| cannot(&error))
}

fn import(config: &Path, export: &Path, out: &Path, as_json: bool) -> Result<(), Failure> {
    let read_file = |path: &Path| {
        std::fs::read_to_string(path)
            .map_err(|error| failure(format!("{}: {error}", path.display())))
    };
    let named = |error: EditError| {
        let text = format!("{}: {error}", export.display());
        (exit::BAD_CONFIGURATION, text)
    };
    let screened = Screened::read(&read_file(export)?).map_err(named)?;
    let text = imported(&read_file(config)?, &screened).map_err(named)?;
    write_new(out, &text)?;
    if !as_json {
        println!(
            "{} has the instruments that were screened {}; `fulcrum config apply {}` uses it",
            out.display(),
            screened.made_utc(),
            out.display()
        );
    }
    diff(config, out, as_json)
}

fn diff(old: &Path, new: &Path, as_json: bool) -> Result<(), Failure> {
    let configuration = |file: &Path| {
        let (settings, keys) = read(file, None).map_err(refused)?;
        Ok::<_, Failure>(Configuration { settings, keys })
    };
    let changes = configuration(old)?.changes_to(&configuration(new)?);
    if as_json {
        let row = |one: &Change| {
            json!({
                "key": one.key, "old": one.old, "new": one.new, "effect": one.effect.word()
            })
        };
        println!("{}", json!(changes.iter().map(row).collect::<Vec<_>>()));
        return Ok(());
    }
    if changes.is_empty() {
        println!("no key differs");
        return Ok(());
    }
    let mut rows = vec![["key", "old", "new", "in force"].map(String::from).to_vec()];
    for one in changes {
        let text = |value: Option<String>| value.map_or_else(|| "-".to_string(), |one| short(&one));
        let effect = versions::in_force(one.effect.word()).to_string();
        rows.push(vec![one.key, text(one.old), text(one.new), effect]);
    }
    print!("{}", lines(&lay_out(&[Left, Right, Right, Left], &rows)));
    Ok(())
}

fn read(file: &Path, ceilings: Option<&Path>) -> Result<(Settings, Vec<Key>), SettingsError> {
    let usual = Path::new(CEILINGS);
    let ceilings = match ceilings {
        Some(path) => Ceilings::read(path)?,
        None if usual.exists() => Ceilings::read(usual)?,
        None => Ceilings::of_this_build(),
    };
    let name = file.display().to_string();
    match std::fs::read_to_string(file) {
        Ok(text) => Settings::catalogue(&name, &text, &ceilings),
        Err(source) => Err(SettingsError::Unreadable { file: name, source }),
    }
}

/// Whether what holds is the default, where there is one.
fn same_value(value: &Value, usual: &Value) -> bool {
    let plain = |value: &Value| {
        let text = value.as_str().unwrap_or_default();
        let number = text.trim_matches('"').replace('_', "");
        let numeric = number
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b".-".contains(&byte));
        match numeric && number.contains('.') {
            true => number
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_string(),
            false if numeric => number,
            false => text.to_string(),
        }
    };
    plain(value) == plain(usual)
}

/// A cell that leaves room for the others.
fn short(text: &str) -> String {
    const CELL_MAX: usize = 44;
    match text.char_indices().nth(CELL_MAX) {
        None => text.to_string(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

fn lines(rows: &[String]) -> String {
    rows.iter()
        .map(|row| format!("{}\n", row.trim_end()))
        .collect()
}

fn refused(error: SettingsError) -> Failure {
    let code = match error {
        SettingsError::Unreadable { .. } => exit::FAILURE,
        _ => exit::BAD_CONFIGURATION,
    };
    (code, error.to_string())
}
