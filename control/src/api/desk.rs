//! Keys and audit, over the network: for an admin.
//!
//! In: names and scopes. Out: a key once; rows. Never: the key of a key that is there.

#![allow(
    unused_qualifications,
    reason = "the descriptions of routes write the types of their parameters in full"
)]

use super::access::Caller;
use super::problem::Problem;
use crate::http::Site;
use crate::store::{
    ApiKey, AuditEntry, AuditRow, KeyError, NewKey, Scope, Scopes, StoreError, now_utc_ms,
};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// A key to make.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyArguments {
    /// Whose or what for.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9._-]+$")]
    pub(super) name: String,
    /// What it may do.
    #[schema(min_items = 1)]
    pub(super) scopes: Vec<Scope>,
}

/// Which calls.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditQuery {
    /// Before the call with this id.
    #[param(minimum = 1)]
    pub(super) before: Option<i64>,
    /// How many.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u32>,
}

/// Every key there is or was.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", responses(
    (status = 200, description = "without the keys themselves", body = Vec<ApiKey>),
    (status = 503, description = "the store cannot be read", body = Problem)))]
pub(super) async fn keys(State(site): State<Arc<Site>>) -> Response {
    match stored(&site, |site| Ok(site.store.keys()?)).await {
        Ok(keys) => Json(keys).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Makes a key; it is shown this once.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = KeyArguments, responses(
    (status = 201, description = "made", body = NewKey),
    (status = 400, description = "not a request", body = Problem),
    (status = 409, description = "there is one of this name, or there are enough", body = Problem),
    (status = 503, description = "the store does not take it", body = Problem)))]
pub(super) async fn make_key(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Response {
    let arguments: KeyArguments = match serde_json::from_slice(&body) {
        Ok(arguments) => arguments,
        Err(error) => {
            let detail = format!("the body: {error}");
            return Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
        }
    };
    let text = serde_json::to_string(&arguments).unwrap_or_default();
    let made = stored(&site, move |site| {
        audited(site, &caller, "make_key", &text, |site| {
            site.store
                .make_key(&arguments.name, Scopes::of(&arguments.scopes))
        })
    });
    match made.await {
        Ok(key) => (StatusCode::CREATED, Json(key)).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Ends a key at once.
#[utoipa::path(delete, path = "/api/v1/keys/{name}", tag = "keys",
    params(("name" = String, Path, max_length = 64)), responses(
    (status = 204, description = "it holds no more"),
    (status = 404, description = "none has this name", body = Problem),
    (status = 503, description = "the store does not take it", body = Problem)))]
pub(super) async fn revoke_key(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Response {
    let text = serde_json::json!({ "name": name }).to_string();
    let done = stored(&site, move |site| {
        audited(site, &caller, "revoke_key", &text, |site| {
            site.store.revoke_key(&name)
        })
    });
    match done.await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Every call that changed something, the newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(AuditQuery), responses(
    (status = 200, description = "calls", body = Vec<AuditRow>),
    (status = 400, description = "not a query", body = Problem),
    (status = 503, description = "the store cannot be read", body = Problem)))]
pub(super) async fn audit(
    State(site): State<Arc<Site>>,
    query: Result<Query<AuditQuery>, axum::extract::rejection::QueryRejection>,
) -> Response {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
    let query = match query {
        Ok(Query(query)) => query,
        Err(error) => return bad(error.body_text()),
    };
    let (before, limit) = (query.before.unwrap_or(i64::MAX), query.limit.unwrap_or(100));
    if before < 1 || !(1..=1_000).contains(&limit) {
        return bad("allowed: before from 1, limit from 1 to 1000".to_string());
    }
    match stored(&site, move |site| Ok(site.store.audit(before, limit)?)).await {
        Ok(rows) => Json(rows).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// Notes an act before and after it.
fn audited<T>(
    site: &Site,
    caller: &Caller,
    act: &str,
    arguments: &str,
    work: impl FnOnce(&Site) -> Result<T, KeyError>,
) -> Result<T, KeyError> {
    let entry = AuditEntry {
        utc_ms: now_utc_ms(),
        caller: &caller.name,
        address: &caller.address,
        act,
        arguments,
    };
    let id = site.store.audit_begin(entry)?;
    let done = work(site);
    let (status, outcome) = match &done {
        Ok(_) => (StatusCode::OK, "done".to_string()),
        Err(error) => (status_of(error), error.to_string()),
    };
    // What is done is done.
    if let Err(error) = site.store.audit_end(id, status.as_u16(), &outcome) {
        tracing::error!(act, "the audit has no answer: {error}");
    }
    done
}

fn status_of(error: &KeyError) -> StatusCode {
    match error {
        KeyError::Name(_) | KeyError::NoScope => StatusCode::BAD_REQUEST,
        KeyError::Taken(_) | KeyError::TooMany => StatusCode::CONFLICT,
        KeyError::Unknown(_) => StatusCode::NOT_FOUND,
        KeyError::Random(_) | KeyError::Store(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn stored<T, F>(site: &Arc<Site>, work: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce(&Site) -> Result<T, KeyError> + Send + 'static,
{
    let site = Arc::clone(site);
    match tokio::task::spawn_blocking(move || work(&site)).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Problem::new(status_of(&error), error.to_string())),
        Err(_) => Err(Problem::unavailable(&"the store gave up")),
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::unavailable(&error)
    }
}
