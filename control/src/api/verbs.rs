//! The verbs of an operator: noted, carried out by the hot path, answered.
//!
//! In: a verb with what it needs, an `Idempotency-Key`. Out: what the hot path said. Never: a verb
//! that is carried out twice because its answer got lost, an emergency that waits for a disk.

use super::access::Caller;
use super::problem::Problem;
use crate::configuration::Wanted;
use crate::hot_path::AskError;
use crate::http::Site;
use crate::store::{Answered, AuditEntry, Claim, Question, now_utc_ms};
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Json, Response};
use operator::{KillLine, Reply, Request, StopPolicy};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;
use utoipa::openapi::{Content, Ref, RefOr, Response as OpenApiResponse, ResponseBuilder, Schema};
use utoipa::{IntoResponses, PartialSchema as _, ToSchema};

/// How long an emergency waits for its audit; it is carried out anyway.
const EMERGENCY_AUDIT: Duration = Duration::from_millis(100);

/// Longest name of what is to be cancelled, in characters.
const TARGET_MAX: usize = 64;

/// Longest reason of a kill, in characters.
const REASON_MAX: usize = 200;

/// Longest `Idempotency-Key`.
const KEY_BYTES_MAX: usize = 64;

/// It is carried out.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(super) struct Note {
    /// What follows, for people.
    pub(super) note: String,
}

/// What a stop does before it halts.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StopArguments {
    /// Instead of the configured one: `flatten`, `cancel` or `leave`.
    #[serde(default)]
    #[schema(value_type = Option<String>, pattern = "^(flatten|cancel|leave)$")]
    pub(super) policy: Option<StopPolicy>,
}

/// What is to be cancelled.
#[derive(Clone, Debug, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelArguments {
    /// An order by its client's id, all own orders of a symbol, or `all`.
    #[schema(min_length = 1, max_length = 64)]
    pub(super) what: String,
}

/// How to kill.
#[derive(Clone, Debug, Default, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KillArguments {
    /// Positions are kept.
    #[serde(default)]
    pub(super) keep_positions: bool,
    /// Why, for the latch and the log; what is longer than 200 characters is cut.
    #[serde(default)]
    pub(super) reason: Option<String>,
}

impl KillArguments {
    /// A kill is not refused for its reason.
    fn bounded(mut self) -> Self {
        let cut = |text: String| text.chars().take(REASON_MAX).collect();
        self.reason = self.reason.map(cut);
        self
    }
}

/// What a call carries out.
pub(super) enum Task {
    /// The hot path does it.
    Ask(Request),
    /// Another version of the configuration.
    Configure(Box<Wanted>),
}

/// What a verb may answer: `T` where it is carried out, and what `R` adds to what every verb may say.
struct Answers<T, R>(PhantomData<(T, R)>);

/// What some verbs may say beside the others.
trait Refusals {
    const MORE: &'static [(&'static str, &'static str)];
}

const CONFLICT: (&str, &str) = ("409", "refused, nothing has changed");

/// Of an emergency.
struct Emergency;
/// Of what is sent with an `Idempotency-Key`.
struct Keyed;
/// Of what names an order or a symbol.
struct Named;
/// Of what is never refused.
struct Never;

impl Refusals for Emergency {
    const MORE: &'static [(&'static str, &'static str)] = &[CONFLICT];
}

impl Refusals for Keyed {
    const MORE: &'static [(&'static str, &'static str)] =
        &[CONFLICT, ("422", "the key was used otherwise")];
}

impl Refusals for Named {
    const MORE: &'static [(&'static str, &'static str)] =
        &[("404", "neither an order nor a symbol"), CONFLICT];
}

impl Refusals for Never {
    const MORE: &'static [(&'static str, &'static str)] = &[];
}

impl<T: ToSchema, R: Refusals> IntoResponses for Answers<T, R> {
    fn responses() -> BTreeMap<String, RefOr<OpenApiResponse>> {
        let answer = |status: &str, what: &str, schema: Ref| {
            let content = Content::new(Some(schema));
            let answer = ResponseBuilder::new().description(what);
            let answer = answer.content("application/json", content).build();
            (status.to_string(), RefOr::T(answer))
        };
        let every = [
            ("400", "not a request"),
            ("503", "not carried out"),
            ("504", "not known whether it was carried out"),
        ];
        let refusals = every
            .iter()
            .chain(R::MORE)
            .map(|(status, what)| answer(status, what, Ref::from_schema_name("Problem")));
        let done = Ref::from_schema_name(T::name());
        std::iter::once(answer("200", "it is carried out", done))
            .chain(refusals)
            .collect()
    }
}

/// Schemas that [`Answers`] name.
pub(super) fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut all = vec![
        (Note::name().to_string(), Note::schema()),
        (KillLine::name().to_string(), KillLine::schema()),
    ];
    Note::schemas(&mut all);
    KillLine::schemas(&mut all);
    all
}

/// One call of a verb.
pub(super) struct Call {
    pub(super) site: Arc<Site>,
    pub(super) caller: Caller,
    /// The caller's `Idempotency-Key`; empty for none.
    pub(super) key: String,
    pub(super) act: &'static str,
    pub(super) arguments: String,
    pub(super) task: Task,
    /// Exempt from everything that may fail.
    pub(super) emergency: bool,
}

macro_rules! plain_verb {
    ($name:ident, $path:literal, $request:expr, $what:literal, emergency) => {
        plain_verb!($name, $path, $request, $what, true, Emergency, params());
    };
    ($name:ident, $path:literal, $request:expr, $what:literal) => {
        plain_verb!(
            $name,
            $path,
            $request,
            $what,
            false,
            Keyed,
            params((
                "Idempotency-Key" = String,
                Header,
                description = "the same key gets the first answer again",
                min_length = 1,
                max_length = 64,
                pattern = "^[!-~]+$"
            ))
        );
    };
    ($name:ident, $path:literal, $request:expr, $what:literal, $emergency:literal,
     $refusals:ident, params($($params:tt)*)) => {
        #[doc = $what]
        #[utoipa::path(
            post,
            path = $path,
            tag = "verbs",
            summary = $what,
            params($($params)*),
            responses(Answers<Note, $refusals>)
        )]
        pub(super) async fn $name(
            State(site): State<Arc<Site>>,
            Extension(caller): Extension<Caller>,
            headers: HeaderMap,
        ) -> Response {
            let call = Call {
                site,
                caller,
                key: key_of(&headers),
                act: stringify!($name),
                arguments: "{}".to_string(),
                task: Task::Ask($request),
                emergency: $emergency,
            };
            call.run_to_end().await
        }
    };
}

plain_verb!(
    start,
    "/api/v1/engine/start",
    Request::Start,
    "ACTIVE once reconciled; breakers that tripped stay so until rearm"
);
plain_verb!(
    pause,
    "/api/v1/engine/pause",
    Request::Pause,
    "REDUCING: no entries, exits go on",
    emergency
);
plain_verb!(
    resume,
    "/api/v1/engine/resume",
    Request::Resume,
    "ACTIVE again after a pause, unless latched"
);
plain_verb!(
    rearm,
    "/api/v1/engine/rearm",
    Request::Rearm,
    "Clears breakers that tripped: a person has looked at why"
);
plain_verb!(
    flatten,
    "/api/v1/engine/flatten",
    Request::Flatten,
    "REDUCING: cancels all orders and closes all positions",
    emergency
);

/// HALTED after the stop policy.
#[utoipa::path(
    post, path = "/api/v1/engine/stop", tag = "verbs", request_body = Option<StopArguments>,
    params(("Idempotency-Key" = String, Header,
        description = "the same key gets the first answer again",
        min_length = 1, max_length = 64, pattern = "^[!-~]+$")),
    responses(Answers<Note, Keyed>)
)]
pub(super) async fn stop(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let arguments: StopArguments = match read(&body) {
        Ok(arguments) => arguments,
        Err(problem) => return problem.into_response(),
    };
    let call = Call {
        site,
        caller,
        key: key_of(&headers),
        act: "stop",
        arguments: json(&arguments),
        task: Task::Ask(Request::Stop {
            policy: arguments.policy,
        }),
        emergency: false,
    };
    call.run_to_end().await
}

/// Cancels an order by its client id, all own orders of a symbol, or all.
#[utoipa::path(
    post, path = "/api/v1/engine/cancel", tag = "verbs", request_body = CancelArguments,
    responses(Answers<Note, Named>)
)]
pub(super) async fn cancel(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let arguments: CancelArguments = match read(&body) {
        Ok(arguments) => arguments,
        Err(problem) => return problem.into_response(),
    };
    if !(1..=TARGET_MAX).contains(&arguments.what.chars().count()) {
        let detail = format!("what: allowed: 1 to {TARGET_MAX} characters");
        return Problem::new(StatusCode::BAD_REQUEST, detail).into_response();
    }
    let call = Call {
        site,
        caller,
        key: key_of(&headers),
        act: "cancel",
        arguments: json(&arguments),
        task: Task::Ask(Request::Cancel {
            what: arguments.what.clone(),
        }),
        emergency: true,
    };
    call.run_to_end().await
}

/// KILLED, latched: cancels everything, closes everything. Never refused; only the local operator
/// ends it.
#[utoipa::path(
    post, path = "/api/v1/engine/kill", tag = "verbs", request_body = Option<KillArguments>,
    responses(Answers<KillLine, Never>)
)]
pub(super) async fn kill(
    State(site): State<Arc<Site>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let arguments = match read::<KillArguments>(&body) {
        Ok(arguments) => arguments.bounded(),
        Err(problem) => return problem.into_response(),
    };
    let call = Call {
        site,
        caller,
        key: key_of(&headers),
        act: "kill",
        arguments: json(&arguments),
        task: Task::Ask(Request::Kill {
            keep_positions: arguments.keep_positions,
            reason: arguments.reason.clone(),
        }),
        emergency: true,
    };
    call.run_to_end().await
}

/// A body as JSON; none is `{}`.
pub(super) fn read<T: for<'de> Deserialize<'de>>(body: &Bytes) -> Result<T, Problem> {
    let text: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(text)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body: {error}")))
}

pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// The `Idempotency-Key`; empty where there is none, or none that can be read.
pub(super) fn key_of(headers: &HeaderMap) -> String {
    let value = headers.get("idempotency-key");
    let text = value.and_then(|value| value.to_str().ok());
    text.unwrap_or_default().to_string()
}

impl Call {
    /// Carries it out whether somebody still waits for the answer or not: a client that hangs up
    /// after a kill has killed.
    pub(super) async fn run_to_end(self) -> Response {
        match tokio::spawn(self.carry_out()).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!("a verb ended without an answer: {error}");
                let detail = "whether it was carried out is not known; look at the status";
                Problem::new(StatusCode::GATEWAY_TIMEOUT, detail).into_response()
            }
        }
    }

    async fn carry_out(self) -> Response {
        if self.emergency {
            return self.at_once().await;
        }
        let hash = Sha256::digest(format!("{} {}", self.act, self.arguments)).into();
        let (key, audit) = match self.claim(hash).await {
            Ok(claimed) => claimed,
            Err(answered) => return answered,
        };
        let answer = self.ask().await;
        let (status, body) = answer.parts();
        self.note_end(audit, status, body.clone()).await;
        match answer {
            // Nothing has changed: the key may be used again, when the reason is gone.
            Answer::Not(_) | Answer::Refused(..) => self.release(key).await,
            Answer::Unknown(_) => {}
            Answer::Done(_) => self.keep(key, hash, &body).await,
        }
        respond(status, body.into_bytes())
    }

    /// The caller's key and the note in the audit where it is to be carried out, or what is answered
    /// instead.
    async fn claim(&self, hash: [u8; 32]) -> Result<(String, i64), Response> {
        let key = self.idempotency_key().map_err(Problem::into_response)?;
        let noted = self.noted();
        let claimed = self.stored(move |site| {
            let question = Question {
                caller: &noted.caller,
                key: &key,
                hash,
            };
            let (claim, audit) = site.store.claim(&question, noted.entry())?;
            Ok((claim, audit, key))
        });
        let (claim, audit, key) = claimed.await.map_err(Problem::into_response)?;
        let (status, detail) = match claim {
            Claim::New => return Ok((key, audit)),
            Claim::Answered(answer) => return Err(replayed(answer)),
            Claim::Unanswered => (
                StatusCode::CONFLICT,
                "a request with this Idempotency-Key was begun, and whether it was carried out is \
                 not known; look at the status",
            ),
            Claim::Other => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "this Idempotency-Key was used for another request",
            ),
        };
        Err(Problem::new(status, detail).into_response())
    }

    async fn keep(&self, key: String, hash: [u8; 32], body: &str) {
        let caller = self.caller.name.clone();
        let answer = Answered {
            status: StatusCode::OK.as_u16(),
            body: body.as_bytes().to_vec(),
        };
        let done = self.stored(move |site| {
            let question = Question {
                caller: &caller,
                key: &key,
                hash,
            };
            site.store.keep_answer(&question, &answer)
        });
        if let Err(problem) = done.await {
            tracing::error!("an answer is not kept: {}", problem.detail);
        }
    }

    /// Nothing that may fail or wait for long stands before it: the audit has [`EMERGENCY_AUDIT`], and
    /// then follows when it can.
    async fn at_once(self) -> Response {
        let (site, noted) = (Arc::clone(&self.site), self.noted());
        let mut begun = tokio::task::spawn_blocking(move || site.store.audit_begin(noted.entry()));
        let in_time = timeout(EMERGENCY_AUDIT, &mut begun).await;
        let answer = self.ask().await;
        let (status, body) = answer.parts();
        let outcome = body.clone();
        tokio::spawn(async move {
            let begun = match in_time {
                Ok(begun) => begun,
                Err(_) => begun.await,
            };
            match begun {
                Ok(Ok(audit)) => self.note_end(audit, status, outcome).await,
                Ok(Err(error)) => tracing::error!(act = self.act, "without audit: {error}"),
                Err(_) => tracing::error!(act = self.act, "without audit"),
            }
        });
        respond(status, body.into_bytes())
    }

    /// What the audit is to say of it, with the time at which it came.
    fn noted(&self) -> Noted {
        Noted {
            utc_ms: now_utc_ms(),
            caller: self.caller.name.clone(),
            address: self.caller.address.clone(),
            act: self.act,
            arguments: self.arguments.clone(),
        }
    }

    fn idempotency_key(&self) -> Result<String, Problem> {
        let plain = self.key.bytes().all(|byte| byte.is_ascii_graphic());
        match plain && (1..=KEY_BYTES_MAX).contains(&self.key.len()) {
            true => Ok(self.key.clone()),
            false => {
                let detail = format!(
                    "Idempotency-Key: 1 to {KEY_BYTES_MAX} visible characters are wanted, so that \
                     a repeated request is carried out once"
                );
                Err(Problem::new(StatusCode::BAD_REQUEST, detail))
            }
        }
    }

    async fn ask(&self) -> Answer {
        let request = match &self.task {
            Task::Ask(request) => request,
            Task::Configure(wanted) => {
                let site = &self.site;
                return match site.configuration.carry_out(&site.hot_path, wanted).await {
                    Ok(applied) => Answer::Done(json(&applied)),
                    Err(error) => {
                        let problem = Problem::from(error);
                        Answer::Refused(problem.status_code(), json(&problem))
                    }
                };
            }
        };
        match self.site.hot_path.ask(request).await {
            Ok(Reply::Refused(refusal)) => {
                let problem = Problem::from(refusal);
                Answer::Refused(problem.status_code(), json(&problem))
            }
            Ok(Reply::Killed(kill)) => Answer::Done(json(&kill)),
            Ok(Reply::Accepted { note }) => Answer::Done(json(&Note { note })),
            Ok(_) => Answer::Unknown("a reply to another request".to_string()),
            Err(error @ AskError::Unreachable { .. }) => Answer::Not(error.to_string()),
            Err(error @ AskError::NoAnswer(_)) => Answer::Unknown(error.to_string()),
        }
    }

    async fn note_end(&self, id: i64, status: StatusCode, outcome: String) {
        let done = self.stored(move |site| site.store.audit_end(id, status.as_u16(), &outcome));
        if let Err(problem) = done.await {
            tracing::error!(
                act = self.act,
                "the audit has no answer: {}",
                problem.detail
            );
        }
    }

    /// Nothing was carried out: the key may be used again.
    async fn release(&self, key: String) {
        let caller = self.caller.name.clone();
        let done = self.stored(move |site| site.store.release(&caller, &key));
        if let Err(problem) = done.await {
            tracing::error!("a claim stays: {}", problem.detail);
        }
    }

    /// Work on the disk, away from the thread that serves.
    async fn stored<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Site) -> Result<T, crate::store::StoreError> + Send + 'static,
    {
        let site = Arc::clone(&self.site);
        match tokio::task::spawn_blocking(move || work(&site)).await {
            Ok(done) => done.map_err(|error| Problem::unavailable(&error)),
            Err(_) => Err(Problem::unavailable(&"the store gave up")),
        }
    }
}

/// What stands in the audit of a call.
struct Noted {
    utc_ms: i64,
    caller: String,
    address: String,
    act: &'static str,
    arguments: String,
}

impl Noted {
    fn entry(&self) -> AuditEntry<'_> {
        AuditEntry {
            utc_ms: self.utc_ms,
            caller: &self.caller,
            address: &self.address,
            act: self.act,
            arguments: &self.arguments,
        }
    }
}

/// What the hot path said, or what is known without it.
enum Answer {
    /// It is carried out.
    Done(String),
    /// Nothing has changed.
    Refused(StatusCode, String),
    /// It was not reached.
    Not(String),
    /// It may have been carried out.
    Unknown(String),
}

impl Answer {
    fn parts(&self) -> (StatusCode, String) {
        let problem =
            |status, detail: &String| (status, json(&Problem::new(status, detail.as_str())));
        match self {
            Self::Done(body) => (StatusCode::OK, body.clone()),
            Self::Refused(status, body) => (*status, body.clone()),
            Self::Not(why) => problem(StatusCode::SERVICE_UNAVAILABLE, why),
            Self::Unknown(why) => problem(StatusCode::GATEWAY_TIMEOUT, why),
        }
    }
}

fn respond(status: StatusCode, body: Vec<u8>) -> Response {
    let kind = match status {
        StatusCode::OK => "application/json",
        _ => "application/problem+json",
    };
    (status, [(CONTENT_TYPE, kind)], body).into_response()
}

fn replayed(answer: Answered) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let mut response = respond(status, answer.body);
    let yes = HeaderValue::from_static("true");
    response.headers_mut().insert("idempotent-replayed", yes);
    response
}

/// A reply that is data, or the problem.
pub(super) fn data<T: Serialize>(
    reply: Result<Reply, AskError>,
    pick: impl FnOnce(Reply) -> Option<T>,
) -> Response {
    match reply {
        Ok(Reply::Refused(refusal)) => Problem::from(refusal).into_response(),
        Ok(reply) => match pick(reply) {
            Some(value) => Json(value).into_response(),
            None => Problem::unavailable(&"a reply to another question").into_response(),
        },
        Err(error) => Problem::unavailable(&error).into_response(),
    }
}
