//! Which build this is, and whether the hot path's segment was made by the same one.
//!
//! In: a segment's build id. Out: version and revision as labels. Never: our own version for a
//! build that is another one.

/// Version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Revision of this build; `unknown` outside of a release build.
pub const REVISION: &str = match option_env!("FULCRUM_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Id of this build as the hot path writes it into its segments: FNV-1a over version and revision.
#[must_use]
pub fn build_id() -> u64 {
    let revision = option_env!("FULCRUM_REVISION").unwrap_or("");
    VERSION
        .bytes()
        .chain(revision.bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// Version and revision of the build with this id. An id cannot be turned back, so another
/// build's version is unknown and its id stands for the revision.
#[must_use]
pub fn of_segment(id: u64) -> (&'static str, String) {
    if id == build_id() {
        (VERSION, REVISION.to_string())
    } else {
        ("unknown", format!("{id:016x}"))
    }
}
