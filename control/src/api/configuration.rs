//! The configuration over the API: what is active, its versions, another one, one of before.
//!
//! In: texts and numbers. Out: every key that differs, when it takes effect, what the hot path took of
//! it. Never: a change that is not in the audit; one of a key that only the file changes.

#![allow(
    unused_qualifications,
    reason = "the descriptions of routes write the types of their parameters in full"
)]

use super::access::Caller;
use super::problem::Problem;
use super::verbs::{Call, Task, json, key_of, read};
use crate::configuration::{Applied, ApplyError, EditError, TEXT_MAX, Wanted, Wish};
use crate::http::Site;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::{ETAG, HeaderMap, IF_MATCH};
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use settings::{VersionError, VersionNote, sha256_text};
use std::sync::Arc;
use utoipa::ToSchema;

/// A key of the active version.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct ConfigRow {
    /// Full name.
    key: String,
    /// What holds, as TOML writes it.
    value: String,
    /// Unit, where it has one.
    unit: Option<&'static str>,
    /// Default, as TOML writes it.
    default: Option<String>,
    /// What is allowed.
    allowed: String,
}

/// A version.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct VersionRow {
    /// Number, from 1.
    version: u64,
    /// SHA-256 of its text.
    sha256: String,
    /// The build that accepted it.
    build: String,
    /// Who wanted it.
    who: String,
    /// When it was accepted, milliseconds UTC.
    utc_ms: i64,
    /// Where it came from.
    origin: String,
    /// Why the hot path refused it; null where it did not.
    refused: Option<String>,
    /// It is the active one.
    active: bool,
}

/// A version with its text.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct VersionText {
    /// Number.
    version: u64,
    /// SHA-256 of its text.
    sha256: String,
    /// The text.
    text: String,
}

/// Another configuration.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigArguments {
    /// The whole text, as the file has it.
    #[schema(min_length = 1, max_length = 49152)]
    text: String,
    /// Only show what would differ.
    #[serde(default)]
    dry_run: bool,
}

/// Back to a version.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RollbackArguments {
    /// Which; without it the one before the active one.
    #[serde(default)]
    #[schema(minimum = 1)]
    version: Option<u64>,
    /// Only show what would differ.
    #[serde(default)]
    dry_run: bool,
}

/// Every key of the active version; its number is the ETag.
#[utoipa::path(get, path = "/api/v1/config", tag = "configuration", responses(
    (status = 200, description = "one a key", body = Vec<ConfigRow>)))]
pub(super) async fn config(State(site): State<Arc<Site>>) -> Response {
    let active = site.configuration.active();
    let rows = active.configuration.keys.iter().map(|key| ConfigRow {
        key: key.path.clone(),
        value: key.value.clone(),
        unit: key.unit(),
        default: key.default.clone(),
        allowed: key.allowed(),
    });
    let tag = format!("\"{}\"", active.note.version);
    ([(ETAG, tag)], Json(rows.collect::<Vec<_>>())).into_response()
}

/// Every version that is kept, the newest first.
#[utoipa::path(get, path = "/api/v1/config/versions", tag = "configuration", responses(
    (status = 200, description = "one a version", body = Vec<VersionRow>),
    (status = 503, description = "they cannot be read", body = Problem)))]
pub(super) async fn versions(State(site): State<Arc<Site>>) -> Response {
    let active = site.configuration.active().note.version;
    let notes = on_disk(&site, |site| site.configuration.history()).await;
    let row = |one: VersionNote| VersionRow {
        active: one.version == active,
        version: one.version,
        sha256: one.sha256,
        build: one.build,
        who: one.who,
        utc_ms: one.utc_ms,
        origin: one.origin,
        refused: one.refused,
    };
    match notes {
        Ok(notes) => Json(notes.into_iter().map(row).collect::<Vec<_>>()).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// The text of a version.
#[utoipa::path(get, path = "/api/v1/config/versions/{version}", tag = "configuration",
    params(("version" = u64, Path, minimum = 1)), responses(
    (status = 200, description = "as it was accepted", body = VersionText),
    (status = 400, description = "not a number", body = Problem),
    (status = 404, description = "there is none", body = Problem),
    (status = 503, description = "it cannot be read", body = Problem)))]
pub(super) async fn version(
    State(site): State<Arc<Site>>,
    path: Result<Path<u64>, axum::extract::rejection::PathRejection>,
) -> Response {
    let number = match path {
        Ok(Path(number)) => number,
        Err(error) => {
            return Problem::new(StatusCode::BAD_REQUEST, error.body_text()).into_response();
        }
    };
    match on_disk(&site, move |site| site.configuration.version(number)).await {
        Ok((note, text)) => Json(VersionText {
            version: note.version,
            sha256: note.sha256,
            text,
        })
        .into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Makes a text the active version: what can takes effect at once, the rest at the next start.
#[utoipa::path(
    put, path = "/api/v1/config", tag = "configuration", request_body = ConfigArguments,
    params(("Idempotency-Key" = String, Header,
        description = "the same key gets the first answer again",
        min_length = 1, max_length = 64, pattern = "^[!-~]+$"),
        ("If-Match" = Option<String>, Header,
        description = "number of the version that is taken for active, as the ETag has it",
        pattern = "^\"[0-9]{1,19}\"$")),
    responses(
        (status = 200, description = "what differs, and what the hot path took", body = Applied),
        (status = 400, description = "not a request", body = Problem),
        (status = 409, description = "refused, nothing has changed", body = Problem),
        (status = 412, description = "another version is active", body = Problem),
        (status = 422, description = "not a configuration; every problem is named", body = Problem),
        (status = 503, description = "it could not be stored", body = Problem),
        (status = 504, description = "not known whether it was carried out", body = Problem),
    )
)]
pub(super) async fn apply(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let arguments: ConfigArguments = match read(&body) {
        Ok(arguments) => arguments,
        Err(problem) => return problem.into_response(),
    };
    if arguments.text.len() > TEXT_MAX || arguments.text.is_empty() {
        let detail = format!("text: allowed: 1 to {TEXT_MAX} bytes");
        return Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
    }
    // The text itself is kept as a version.
    let noted = serde_json::json!({
        "sha256": sha256_text(&arguments.text), "dry_run": arguments.dry_run,
    });
    let wish = Wish::Text(arguments.text);
    change(
        site,
        caller,
        &headers,
        "config_apply",
        noted,
        wish,
        arguments.dry_run,
    )
    .await
}

/// Makes the text of an earlier version the active one, under a new number.
#[utoipa::path(
    post, path = "/api/v1/config/rollback", tag = "configuration",
    request_body = Option<RollbackArguments>,
    params(("Idempotency-Key" = String, Header,
        description = "the same key gets the first answer again",
        min_length = 1, max_length = 64, pattern = "^[!-~]+$"),
        ("If-Match" = Option<String>, Header,
        description = "number of the version that is taken for active, as the ETag has it",
        pattern = "^\"[0-9]{1,19}\"$")),
    responses(
        (status = 200, description = "what differs, and what the hot path took", body = Applied),
        (status = 400, description = "not a request", body = Problem),
        (status = 404, description = "there is no such version", body = Problem),
        (status = 409, description = "refused, nothing has changed", body = Problem),
        (status = 412, description = "another version is active", body = Problem),
        (status = 422, description = "this build does not accept it any more", body = Problem),
        (status = 503, description = "it could not be stored", body = Problem),
        (status = 504, description = "not known whether it was carried out", body = Problem),
    )
)]
pub(super) async fn rollback(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let arguments: RollbackArguments = match read(&body) {
        Ok(arguments) => arguments,
        Err(problem) => return problem.into_response(),
    };
    let noted = serde_json::json!(arguments);
    let wish = Wish::Rollback(arguments.version);
    change(
        site,
        caller,
        &headers,
        "config_rollback",
        noted,
        wish,
        arguments.dry_run,
    )
    .await
}

/// Carries a change out as any verb: once, to its end, with its place in the audit.
pub(super) async fn change(
    site: Arc<Site>,
    caller: Caller,
    headers: &HeaderMap,
    act: &'static str,
    mut noted: serde_json::Value,
    wish: Wish,
    dry_run: bool,
) -> Response {
    let expected = match expected(headers) {
        Ok(expected) => expected,
        Err(problem) => return problem.into_response(),
    };
    if let Some(expected) = expected {
        noted["expected_version"] = expected.into();
    }
    let wanted = Wanted {
        wish,
        expected,
        dry_run,
        who: caller.name.clone(),
    };
    let call = Call {
        site,
        caller,
        key: key_of(headers),
        act,
        arguments: json(&noted),
        task: Task::Configure(Box::new(wanted)),
        emergency: false,
    };
    call.run_to_end().await
}

/// The version of `If-Match`, with or without quotes.
fn expected(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim_matches('"');
    text.parse().map(Some).map_err(|_| {
        let detail =
            "If-Match: the number of a version is wanted, as the ETag of /api/v1/config has it";
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })
}

/// Work on the disk, away from the thread that serves.
async fn on_disk<T, F>(site: &Arc<Site>, work: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce(&Site) -> Result<T, VersionError> + Send + 'static,
{
    let site = Arc::clone(site);
    match tokio::task::spawn_blocking(move || work(&site)).await {
        Ok(done) => done.map_err(|error| Problem::from(ApplyError::from(error))),
        Err(_) => Err(Problem::unavailable(&"the disk gave up")),
    }
}

impl From<ApplyError> for Problem {
    fn from(error: ApplyError) -> Self {
        let (status, code) = match &error {
            ApplyError::Version(VersionError::Settings(_)) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Some("BAD_CONFIGURATION"))
            }
            ApplyError::Version(VersionError::Unknown(_)) => (StatusCode::NOT_FOUND, None),
            ApplyError::Version(VersionError::File { .. }) => {
                (StatusCode::SERVICE_UNAVAILABLE, None)
            }
            ApplyError::Edit(EditError::NoStrategy { .. } | EditError::NoSymbol { .. }) => {
                (StatusCode::NOT_FOUND, Some("UNKNOWN_TARGET"))
            }
            ApplyError::Edit(_) => (StatusCode::UNPROCESSABLE_ENTITY, None),
            ApplyError::Overtaken { .. } => (StatusCode::PRECONDITION_FAILED, None),
            ApplyError::FileOnly { .. } => (StatusCode::CONFLICT, Some("NEEDS_RESTART")),
            ApplyError::Refused { .. } => (StatusCode::CONFLICT, Some("BAD_CONFIGURATION")),
            ApplyError::NothingBefore | ApplyError::WasRefused(..) => (StatusCode::CONFLICT, None),
        };
        Self {
            code: code.map(str::to_string),
            ..Self::new(status, error.to_string())
        }
    }
}
