//! The route of the stream: what there is, and the way into it.
//!
//! In: topics by name, an upgrade. Out: the list of topics, or a connection that is a stream from then
//! on. Never: a page of somebody else's; a client without a place.

#![allow(
    unused_qualifications,
    reason = "the descriptions of routes write the types of their parameters in full"
)]

use super::access::{Caller, Peer, is_our_page};
use super::problem::Problem;
use crate::http::Site;
use crate::stream::{HZ_MAX, Wish, allowed_hz, place_of, serve};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Longest list of topics in the address: the whole head has 16 KiB.
const TOPICS_MAX: usize = 512;

/// What the stream begins with.
#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamQuery {
    /// Topics, with commas between them; more of them by message.
    #[param(max_length = 512)]
    pub(super) topics: Option<String>,
    /// Facts from behind this place on: `place` of the last message that the client has.
    #[param(pattern = "^[0-9]{1,18}-[0-9]{1,18}$")]
    pub(super) after: Option<String>,
    /// Pictures a second, at most.
    #[param(minimum = 1, maximum = 10)]
    pub(super) max_hz: Option<u8>,
}

/// What the stream has.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct StreamOffer {
    /// Every topic.
    topics: Vec<String>,
    /// Pictures a second, at most.
    max_hz: u8,
}

/// The stream of topics: an upgrade to WebSocket; without one, the list of what there is.
///
/// Each message is a JSON object. After `{"kind":"subscribed","topics":[…]}` each topic begins with a
/// `snapshot`, goes on with each `delta`, and says `heartbeat` where it was silent for 5 s:
/// `{"topic":"status","seq":7,"kind":"delta","utc_ns":…,"data":…}`. `seq` is dense by topic over the life
/// of the process. Pictures (`status`, `account`, `positions`, `signals`, `risk`, `latency`,
/// `book:SYMBOL`) are whole in every message, at most `max_hz` a second, the newest counts. Facts
/// (`orders`, `fills`, `trades`, `events`) are told once, in the order of the journal:
/// `{"rows":[…],"place":"3-17","complete":true}`; with `after=PLACE` they go on from there. A client says
/// `{"subscribe":[…],"unsubscribe":[…],"after":"3-17","max_hz":2}`. Whoever does not take messages in
/// time, does not answer pings or sends more than 10 messages a second is closed with a reason.
#[utoipa::path(get, path = "/api/v1/engine/stream", tag = "stream", params(StreamQuery), responses(
    (status = 101, description = "a stream from now on"),
    (status = 200, description = "what there is", body = StreamOffer),
    (status = 400, description = "no topic of this name", body = Problem),
    (status = 503, description = "all places are taken", body = Problem)))]
pub(super) async fn stream(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    Extension(peer): Extension<Peer>,
    query: Result<Query<StreamQuery>, QueryRejection>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
    let wish = query
        .map_err(|error| error.body_text())
        .and_then(|Query(query)| wish(&site, &query));
    let wish = match wish {
        Ok(wish) => wish,
        Err(detail) => return bad(detail),
    };
    let is_local = matches!(peer, Peer::Socket(..));
    if !is_local && !is_our_page(&site, &headers) {
        site.note_auth_failure("origin");
        let detail = "this page is none of ours: Origin is neither this address nor one of \
                      control.api_hosts";
        return Problem::new(StatusCode::FORBIDDEN, detail).into_response();
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) if headers.contains_key("upgrade") => return bad(rejection.body_text()),
        Err(_) => {
            let topics = site.stream.topics().names().map(str::to_string).collect();
            return Json(StreamOffer {
                topics,
                max_hz: HZ_MAX,
            })
            .into_response();
        }
    };
    match site.stream.seat(is_local) {
        Some(seat) => serve(upgrade, site, caller, seat, wish),
        None => Problem::unavailable(&"all places of the stream are taken").into_response(),
    }
}

fn wish(site: &Site, query: &StreamQuery) -> Result<Wish, String> {
    let topics = query.topics.as_deref().unwrap_or_default();
    if topics.chars().count() > TOPICS_MAX {
        return Err(format!(
            "topics: allowed: at most {TOPICS_MAX} characters; more of them by message"
        ));
    }
    let names = topics.split(',');
    let names = names.map(str::trim).filter(|name| !name.is_empty());
    allowed_hz(query.max_hz)?;
    Ok(Wish {
        topics: site.stream.topics().find(names)?,
        after: query.after.as_deref().map(place_of).transpose()?,
        max_hz: query.max_hz,
    })
}
