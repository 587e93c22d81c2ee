//! What an answer says that is none: RFC 9457.
//!
//! In: a status and words. Out: `application/problem+json`. Never: a cause that tells a stranger how
//! the machine is built.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Json, Response};
use operator::{ErrorCode, Refusal};
use serde::Serialize;

/// Why a request was not answered as asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(super) struct Problem {
    /// What kind, in the words of HTTP.
    pub(super) title: String,
    /// HTTP status.
    pub(super) status: u16,
    /// What was found and what is allowed.
    pub(super) detail: String,
    /// For programs: the hot path's code where it refused, else null.
    pub(super) code: Option<String>,
}

impl Problem {
    /// A problem without a code.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            title: status.canonical_reason().unwrap_or("problem").to_string(),
            status: status.as_u16(),
            detail: detail.into(),
            code: None,
        }
    }

    /// The store or the ledger does not do what it should.
    pub(super) fn unavailable(error: &impl std::fmt::Display) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }

    pub(super) fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            ErrorCode::BadRequest | ErrorCode::UnknownVerb => StatusCode::BAD_REQUEST,
            ErrorCode::UnknownTarget => StatusCode::NOT_FOUND,
            ErrorCode::TooOften => StatusCode::TOO_MANY_REQUESTS,
            ErrorCode::ExchangeUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::OutcomeUnknown => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::CONFLICT,
        };
        let code = serde_json::to_value(refusal.code).ok();
        let code = code.and_then(|code| code.as_str().map(str::to_string));
        Self {
            code,
            ..Self::new(status, refusal.message)
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = [(CONTENT_TYPE, "application/problem+json")];
        (self.status_code(), kind, Json(self)).into_response()
    }
}
