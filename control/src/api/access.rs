//! Who asks, and what they may.
//!
//! In: requests, with where they came from. Out: a [`Caller`] for the routes behind, or 401, 403 and
//! 429. Never: a valid key that is refused because of somebody's bad ones; a name of this machine
//! that a page of somebody else's made up.

use super::problem::Problem;
use crate::http::Site;
use crate::store::{Scope, Scopes};
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use axum::http::{Method, Request, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Bad keys of one address in [`WINDOW`] before its next bad ones wait.
const BAD_KEYS_MAX: u32 = 5;
const WINDOW: Duration = Duration::from_secs(60);
/// How long they are not looked at.
const LOCKED_OUT: Duration = Duration::from_secs(15 * 60);
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 1_024;

/// Where a connection came from.
#[derive(Clone, Copy, Debug)]
pub enum Peer {
    /// A socket of this machine; its mode says who may open it.
    Socket(&'static str, Scopes),
    /// The network.
    Address(SocketAddr),
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key's name, the socket's, or `anyone`.
    pub name: String,
    /// Where from.
    pub address: String,
    scopes: Scopes,
    /// Nobody said who it is.
    is_anyone: bool,
    /// It came over the network with a key.
    by_key: bool,
}

impl Caller {
    /// True when they may do what needs `scope`.
    #[must_use]
    pub const fn may(&self, scope: Scope) -> bool {
        self.scopes.allow(scope)
    }

    fn anyone(address: SocketAddr, scopes: Scopes) -> Self {
        Self {
            name: "anyone".to_string(),
            address: address.ip().to_string(),
            scopes,
            is_anyone: true,
            by_key: false,
        }
    }

    /// True unless a key that it came with does not hold any more: who stays is asked again.
    #[must_use]
    pub fn still_may_look(&self, site: &Site) -> bool {
        !self.by_key || site.store.holds(&self.name, Scope::Read)
    }
}

/// Bad keys by address.
#[derive(Default)]
pub struct Strangers(Mutex<HashMap<IpAddr, Tries>>);

#[derive(Clone, Copy)]
struct Tries {
    since: Instant,
    count: u32,
    locked_until: Option<Instant>,
}

impl Strangers {
    /// Counts a bad key; the rest of the time for which this address is not listened to.
    fn note(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let mut tries = self.0.lock().expect("nobody panics while it is held");
        if tries.len() >= ADDRESSES_MAX && !tries.contains_key(&address) {
            tries.retain(|_, one| one.is_of_use(now));
            if tries.len() >= ADDRESSES_MAX {
                // More addresses than can be told apart: each of them waits.
                return Some(LOCKED_OUT);
            }
        }
        let one = tries.entry(address).or_insert(Tries {
            since: now,
            count: 0,
            locked_until: None,
        });
        if let Some(until) = one.locked_until.filter(|until| *until > now) {
            return Some(until - now);
        }
        if now.duration_since(one.since) > WINDOW {
            (one.since, one.count) = (now, 0);
        }
        one.count += 1;
        one.locked_until = (one.count > BAD_KEYS_MAX).then(|| now + LOCKED_OUT);
        one.locked_until.map(|_| LOCKED_OUT)
    }
}

impl Tries {
    fn is_of_use(&self, now: Instant) -> bool {
        let locked = self.locked_until.is_some_and(|until| until > now);
        locked || now.duration_since(self.since) <= WINDOW
    }
}

/// Finds out who asks, for every route.
pub(super) async fn identify(
    State(site): State<Arc<Site>>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let caller = match peer {
        Some(Peer::Socket(name, scopes)) => Ok(Caller {
            name: name.to_string(),
            address: "local".to_string(),
            scopes,
            is_anyone: false,
            by_key: false,
        }),
        Some(Peer::Address(address)) => {
            by_network(&site, address, request.method(), request.headers()).await
        }
        None => Err(refuse(
            StatusCode::UNAUTHORIZED,
            "where this came from is not known",
        )),
    };
    let mut response = match caller {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(refusal) => refusal,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        ("cache-control", "no-store"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn by_network(
    site: &Arc<Site>,
    address: SocketAddr,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Caller, Response> {
    if !is_our_name(site, headers) {
        site.note_auth_failure("host");
        let detail = "this host name is none of control.api_hosts";
        return Err(refuse(StatusCode::MISDIRECTED_REQUEST, detail));
    }
    let Some(key) = presented(headers) else {
        let paper = site.settings.mode == settings::Mode::Paper;
        let open = paper && site.settings.control.open_paper_read && address.ip().is_loopback();
        let looks = [Method::GET, Method::HEAD].contains(method);
        let scopes = match open && looks {
            true => Scopes::of(&[Scope::Read]),
            false => Scopes::default(),
        };
        return Ok(Caller::anyone(address, scopes));
    };
    let known = |(name, scopes)| Caller {
        name,
        address: address.ip().to_string(),
        scopes,
        is_anyone: false,
        by_key: true,
    };
    // Without the disk first: it may hang, and this may be a kill.
    if let Some(owner) = site.store.known_owner_of(&key) {
        return Ok(known(owner));
    }
    // One look at the disk at a time, and one for all who came before it: whoever sends bad keys has
    // no more of it.
    let came = Instant::now();
    let mut looked = site.keys_looked_at.lock().await;
    if *looked < came {
        let began = Instant::now();
        let asked = Arc::clone(site);
        let done = tokio::task::spawn_blocking(move || asked.store.refresh_keys()).await;
        if let Ok(Err(error)) = done {
            return Err(Problem::unavailable(&error).into_response());
        }
        *looked = began;
    }
    drop(looked);
    match site.store.known_owner_of(&key) {
        Some(owner) => Ok(known(owner)),
        None => {
            let wait = match site.settings.control.lock_out {
                true => site.strangers.note(address.ip(), Instant::now()),
                false => None,
            };
            site.note_auth_failure(if wait.is_some() {
                "locked_out"
            } else {
                "bad_key"
            });
            Err(match wait {
                None => refuse(StatusCode::UNAUTHORIZED, "no key of ours"),
                Some(wait) => {
                    let detail = "too many bad keys came from this address";
                    let mut refusal = refuse(StatusCode::TOO_MANY_REQUESTS, detail);
                    let seconds = HeaderValue::from(wait.as_secs().max(1));
                    refusal.headers_mut().insert("retry-after", seconds);
                    refusal
                }
            })
        }
    }
}

/// `Authorization: Bearer KEY`, or `X-API-Key: KEY`; something else in their place is a bad key.
fn presented(headers: &HeaderMap) -> Option<String> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let key = text
            .split_once(' ')
            .filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        return Some(key.map_or(String::new(), |(_, key)| key.trim().to_string()));
    }
    let value = headers.get("x-api-key")?;
    Some(value.to_str().unwrap_or_default().to_string())
}

/// A page of somebody else's can make a browser come here under any name: only ours are answered.
fn is_our_name(site: &Site, headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let name = match host.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_string(),
        Err(_) => host
            .rsplit_once(':')
            .map_or(host, |(name, _)| name)
            .to_string(),
    };
    let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    let named = || site.settings.control.api_hosts.iter();
    is_address
        || name.eq_ignore_ascii_case("localhost")
        || named().any(|one| one.eq_ignore_ascii_case(&name))
}

/// A page of somebody else's can make a browser open a WebSocket here, and reads what comes: only pages
/// of this very address, or of a name in `control.api_hosts`, may. Programs send no `Origin`.
pub(super) fn is_our_page(site: &Site, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return true;
    };
    let origin = origin.to_str().unwrap_or_default();
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    if !["http", "https"].contains(&scheme) {
        return false;
    }
    let host = headers.get(HOST).and_then(|value| value.to_str().ok());
    let name = authority
        .rsplit_once(':')
        .map_or(authority, |(name, _)| name);
    let mut named = site.settings.control.api_hosts.iter();
    host.is_some_and(|host| host.eq_ignore_ascii_case(authority))
        || named.any(|one| one.eq_ignore_ascii_case(name))
}

fn refuse(status: StatusCode, detail: &str) -> Response {
    let mut response = Problem::new(status, detail).into_response();
    if status == StatusCode::UNAUTHORIZED {
        let bearer = HeaderValue::from_static("Bearer");
        response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    }
    response
}

/// Lets those through who may do what needs `scope`.
pub(super) async fn require(
    State((site, scope)): State<(Arc<Site>, Scope)>,
    request: Request<Body>,
    next: Next,
) -> Response {
    let caller = request.extensions().get::<Caller>();
    match caller {
        Some(caller) if caller.may(scope) => next.run(request).await,
        Some(caller) if caller.is_anyone => {
            site.note_auth_failure("no_key");
            refuse(
                StatusCode::UNAUTHORIZED,
                "a key is wanted: Authorization: Bearer KEY",
            )
        }
        _ => {
            site.note_auth_failure("scope");
            let detail = format!("this key does not have the scope `{}`", scope.word());
            refuse(StatusCode::FORBIDDEN, &detail)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_bad_key_of_a_minute_locks_its_address_out_and_no_other() {
        let strangers = Strangers::default();
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let begun = Instant::now();
        for _ in 0..5 {
            assert_eq!(strangers.note(one, begun), None);
        }
        assert_eq!(strangers.note(one, begun), Some(LOCKED_OUT));
        let later = begun + Duration::from_secs(60);
        assert_eq!(
            strangers.note(one, later),
            Some(LOCKED_OUT - Duration::from_secs(60))
        );
        assert_eq!(strangers.note(other, later), None);
        assert_eq!(strangers.note(one, begun + LOCKED_OUT + WINDOW), None);
    }

    #[test]
    fn no_number_of_addresses_makes_it_grow() {
        let strangers = Strangers::default();
        let now = Instant::now();
        let address = |number: u32| IpAddr::from(number.to_be_bytes());
        for number in 0..2 * ADDRESSES_MAX as u32 {
            strangers.note(address(number), now);
        }
        assert_eq!(
            strangers.0.lock().map(|tries| tries.len()).ok(),
            Some(ADDRESSES_MAX)
        );
        assert_eq!(strangers.note(address(9_999), now), Some(LOCKED_OUT));
        assert_eq!(strangers.note(address(9_999), now + 2 * WINDOW), None);
    }

    #[test]
    fn a_key_comes_in_either_header_and_nowhere_else() {
        let headers = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            presented(&headers)
        };
        assert_eq!(
            headers("authorization", "Bearer abc").as_deref(),
            Some("abc")
        );
        assert_eq!(
            headers("authorization", "bearer  abc").as_deref(),
            Some("abc")
        );
        assert_eq!(headers("x-api-key", "abc").as_deref(), Some("abc"));
        assert_eq!(headers("authorization", "Basic abc").as_deref(), Some(""));
        assert_eq!(headers("cookie", "key=abc"), None);
    }
}
