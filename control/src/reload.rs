//! The configuration's own file is looked at again, and the hot path agrees with what is active.
//!
//! In: a signal, pages. Out: an entry of the audit and a line of the log for each change. Never: an end
//! of the process over a file that is wrong.

use crate::http::Site;
use crate::store::{AuditEntry, now_utc_ms};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How often pages are compared with what is active.
const LOOK: Duration = Duration::from_secs(1);

/// From here on SIGHUP says that the file was edited.
pub(crate) fn listen(site: &Arc<Site>) -> std::io::Result<()> {
    let mut hang_up = signal(SignalKind::hangup())?;
    let site = Arc::clone(site);
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            from_file(&site, "SIGHUP").await;
        }
    });
    Ok(())
}

/// A person has edited the file, and says so.
async fn from_file(site: &Arc<Site>, who: &'static str) {
    let begun = noted(site, who).await;
    let applied = site.configuration.reload(&site.hot_path, who).await;
    let (status, outcome) = match &applied {
        Ok(applied) => {
            tracing::warn!(
                version = applied.version,
                changes = applied.changes.len(),
                "CONFIG_CHANGED: {}",
                applied.note
            );
            (200, serde_json::to_string(applied).unwrap_or_default())
        }
        Err(error) => {
            tracing::error!("CONFIG_CHANGED: nothing has changed: {error}");
            (422, error.to_string())
        }
    };
    let Some(audit) = begun else { return };
    let ending = Arc::clone(site);
    let done = tokio::task::spawn_blocking(move || ending.store.audit_end(audit, status, &outcome));
    if !matches!(done.await, Ok(Ok(()))) {
        tracing::error!("the audit of a reload has no answer");
    }
}

async fn noted(site: &Arc<Site>, who: &'static str) -> Option<i64> {
    let site = Arc::clone(site);
    let entry = move || {
        site.store.audit_begin(AuditEntry {
            utc_ms: now_utc_ms(),
            caller: who,
            address: "this machine",
            act: "config_reload",
            arguments: "{}",
        })
    };
    match tokio::task::spawn_blocking(entry).await {
        Ok(Ok(id)) => Some(id),
        _ => {
            tracing::error!("a reload without audit");
            None
        }
    }
}

/// Whoever died between storing and confirming: a hot path that runs with another version is told.
pub(crate) async fn agree(site: Arc<Site>) {
    // A page that was read before the last change says nothing of it.
    let mut seen = 0;
    loop {
        tokio::time::sleep(LOOK).await;
        let view = site.shared.get();
        let alive = view.segment.is_some_and(|one| one.process_exists);
        let shown = view.account.map_or(0, |page| page.config_version);
        if !alive || shown == 0 || std::mem::replace(&mut seen, shown) != shown {
            continue;
        }
        match site.configuration.agree(&site.hot_path, shown).await {
            Ok(None) => {}
            Ok(Some(applied)) => {
                tracing::warn!(
                    version = applied.version,
                    "CONFIG_CHANGED: {}",
                    applied.note
                );
            }
            Err(error) => tracing::error!("CONFIG_CHANGED: {error}"),
        }
    }
}
