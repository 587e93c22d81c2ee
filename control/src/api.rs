//! The API: who asks, the verbs, what can be looked at, keys and audit; and its own description.
//!
//! In: requests of people and programs, over the network or a socket of this machine. Out: JSON,
//! problems, `openapi.json`. Never: a route without a scope beside health and the description, one that
//! changes the mode, the account, a ceiling or the kill latch.

mod access;
mod desk;
mod looks;
mod problem;
mod verbs;

pub use access::{Caller, Peer, Strangers};

use crate::http::{self, Site};
use crate::store::Scope;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Content, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, Response as OpenApiResponse,
    ResponseBuilder,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Longest body of a request.
const BODY_BYTES_MAX: usize = 64 * 1_024;

/// Longest time for an answer.
const ANSWER: Duration = Duration::from_secs(30);

/// Before the account's own routes; without it there is one account.
const ACCOUNTS: &str = "/api/v1/accounts/";

/// All routes with their scopes.
pub fn routes_of(site: &Arc<Site>) -> Router {
    let (router, description) = described(site).split_for_parts();
    let description = Arc::new(finished(description));
    let described = axum::routing::get(move || {
        let description = Arc::clone(&description);
        async move { Json(description.as_ref().clone()) }
    });
    router
        .route("/api/v1/openapi.json", described)
        .fallback(nothing_here)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(Arc::clone(site), access::identify))
        .layer(from_fn_with_state(Arc::clone(site), http::count))
        .with_state(Arc::clone(site))
}

fn described(site: &Arc<Site>) -> OpenApiRouter<Arc<Site>> {
    let guarded = |routes: OpenApiRouter<Arc<Site>>, scope: Scope| {
        let state = (Arc::clone(site), scope);
        routes.route_layer(from_fn_with_state(state, access::require))
    };
    let open = OpenApiRouter::new()
        .routes(routes!(live))
        .routes(routes!(ready));
    let read = OpenApiRouter::new()
        .routes(routes!(looks::status))
        .routes(routes!(looks::position))
        .routes(routes!(looks::orders))
        .routes(routes!(looks::order_history))
        .routes(routes!(looks::fills))
        .routes(routes!(looks::trades))
        .routes(routes!(looks::intents))
        .routes(routes!(looks::engine_stats))
        .routes(routes!(looks::limits))
        .routes(routes!(looks::denials))
        .routes(routes!(looks::breakers))
        .routes(routes!(looks::states))
        .routes(routes!(looks::income))
        .routes(routes!(looks::config));
    let operate = OpenApiRouter::new()
        .routes(routes!(verbs::start))
        .routes(routes!(verbs::pause))
        .routes(routes!(verbs::resume))
        .routes(routes!(verbs::rearm))
        .routes(routes!(verbs::flatten))
        .routes(routes!(verbs::stop))
        .routes(routes!(verbs::cancel));
    let kill = OpenApiRouter::new().routes(routes!(verbs::kill));
    let admin = OpenApiRouter::new()
        .routes(routes!(desk::keys, desk::make_key))
        .routes(routes!(desk::revoke_key))
        .routes(routes!(desk::audit));
    open.merge(guarded(read, Scope::Read))
        .merge(guarded(operate, Scope::Operate))
        .merge(guarded(kill, Scope::Kill))
        .merge(guarded(admin, Scope::Admin))
}

/// With its name, how a key is presented, and what every route may answer.
fn finished(description: OpenApi) -> OpenApi {
    let info = InfoBuilder::new()
        .title("Fulcrum")
        .version("1")
        .description(Some(
            "One account of a Fulcrum. Decimals are texts, times are integers of UTC with their \
             unit in the name. Whatever is refused changes nothing and says why (RFC 9457).",
        ))
        .build();
    let mut description = OpenApiBuilder::from(description).info(info).build();
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let mut components = description.components.unwrap_or_default();
    components.add_security_scheme("key", bearer);
    description.components = Some(components);
    let none: [&str; 0] = [];
    description.security = Some(vec![SecurityRequirement::new("key", none)]);
    for item in description.paths.paths.values_mut() {
        let methods = [&mut item.get, &mut item.post, &mut item.delete];
        for operation in methods.into_iter().flatten() {
            let guarded = operation
                .tags
                .as_ref()
                .is_none_or(|tags| tags != &["health"]);
            for (status, why) in EVERYWHERE {
                if guarded || !["401", "403"].contains(&status) {
                    let answer = ResponseBuilder::new().description(why);
                    let content = Content::new(Some(Ref::from_schema_name("Problem")));
                    let answer = answer.content("application/json", content).build();
                    let answers = &mut operation.responses.responses;
                    answers
                        .entry(status.to_string())
                        .or_insert(RefOr::T(answer));
                }
            }
            for answer in operation.responses.responses.values_mut() {
                as_problem(answer);
            }
        }
    }
    description
}

/// What is answered before a route is asked.
const EVERYWHERE: [(&str, &str); 7] = [
    ("400", "not a request"),
    ("401", "no key, or none of ours"),
    ("403", "the key does not have the scope"),
    ("413", "the body is too long"),
    ("421", "the host name is none of ours"),
    (
        "429",
        "too many bad keys came from this address, or whole lists were asked for too often",
    ),
    ("504", "no answer in time"),
];

/// Problems have a media type of their own.
fn as_problem(answer: &mut RefOr<OpenApiResponse>) {
    let RefOr::T(answer) = answer else { return };
    let is_problem = |content: &RefOr<Content>| {
        let RefOr::T(content) = content else {
            return false;
        };
        let Some(RefOr::Ref(schema)) = &content.schema else {
            return false;
        };
        schema.ref_location.ends_with("/Problem")
    };
    let content = answer.content.get("application/json").cloned();
    if let Some(content) = content.filter(is_problem) {
        answer.content.clear();
        let kind = "application/problem+json".to_string();
        answer.content.insert(kind, content);
    }
}

/// `/api/v1/accounts/{account}/…` is `/api/v1/…` of the account that is served here.
pub fn to_account(request: &mut Request, account: &str) {
    let uri = request.uri();
    let rest = uri.path().strip_prefix(ACCOUNTS);
    let rest = rest.and_then(|rest| rest.strip_prefix(account)?.strip_prefix('/'));
    let Some(rest) = rest else { return };
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    if let Ok(uri) = format!("/api/v1/{rest}{query}").parse::<Uri>() {
        *request.uri_mut() = uri;
    }
}

/// An answer within [`ANSWER`]; what is under way goes on.
async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER, next.run(request)).await {
        Ok(answer) => answer,
        Err(_) => {
            let detail = format!("no answer within {} s", ANSWER.as_secs());
            problem::Problem::new(StatusCode::GATEWAY_TIMEOUT, detail).into_response()
        }
    }
}

async fn nothing_here(request: Request) -> Response {
    let detail = format!(
        "nothing is at {}; see /api/v1/openapi.json",
        request.uri().path()
    );
    problem::Problem::new(StatusCode::NOT_FOUND, detail).into_response()
}

async fn not_so(request: Request) -> Response {
    let detail = format!("{} is not for {}", request.method(), request.uri().path());
    problem::Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail).into_response()
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/health/live", tag = "health", security(()), responses(
    (status = 200, description = "it does", body = String, content_type = "text/plain")))]
pub(crate) async fn live() -> &'static str {
    "live\n"
}

/// Whether it trades, or could.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct Ready {
    /// It does.
    ready: bool,
    /// Why not.
    reasons: Vec<String>,
}

/// Whether it trades, or could, and why not.
#[utoipa::path(get, path = "/health/ready", tag = "health", security(()), responses(
    (status = 200, description = "ready", body = Ready),
    (status = 503, description = "not ready, and why", body = Ready)))]
pub(crate) async fn ready(State(site): State<Arc<Site>>) -> Response {
    let reasons = site.shared.get().reasons_not_ready();
    let ready = reasons.is_empty();
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(Ready { ready, reasons })).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accounts_own_routes_are_those_of_the_one_that_is_served() {
        let led = |path: &str| {
            let mut request = Request::new(axum::body::Body::empty());
            *request.uri_mut() = path.parse().expect("a path");
            to_account(&mut request, "main");
            request.uri().to_string()
        };
        assert_eq!(
            led("/api/v1/accounts/main/engine/fills?limit=1"),
            "/api/v1/engine/fills?limit=1"
        );
        for other in [
            "/api/v1/accounts/mainx/engine/fills",
            "/api/v1/engine/fills",
        ] {
            assert_eq!(led(other), other);
        }
    }
}
