use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;

use crate::app::App;
use crate::metrics::{figure, yes_or_no};
use crate::report;
use crate::shared_rates::Link;

/// Whether calls should be sent here, and why not.
#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    checks: Checks,
}

#[derive(Debug, Serialize)]
struct Checks {
    /// Whether the server is on its way down.
    leaving: bool,
    /// Whether the store takes writes.
    store: bool,
    /// Milliseconds since the gates last read the news of the store.
    news_age_ms: Option<u128>,
    /// Calls that are under way or wait for their record.
    backlog: usize,
    /// Records since the start that the ledger could not take, and that were set aside.
    set_aside: u64,
    /// Answers since the start that a meter of their fields could not read.
    answers_unread: u64,
    /// Milliseconds by which the clock is behind what was recorded last, where that is over a minute.
    clock_behind_ms: Option<u128>,
    /// Milliseconds for which the store has not taken records, where it does not.
    append_failing_ms: Option<u128>,
    /// Why rates that servers share are counted by each alone now, where they are.
    shared_rates_away: Option<String>,
}

/// The process is there and answers.
pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// Whether calls can be served: the store takes writes, the gates have news, records are taken; or
/// calls are let in without the store for a while.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Response {
    let pinged = tokio::time::timeout(PING_WITHIN, app.store().ping()).await;
    if let Ok(Err(error)) = &pinged {
        report::failure("get a sign of life of the store", error);
    }
    let news_age = app.gatekeeper.news_age();
    let failing = app.gatekeeper.committer().failing_for();
    let checks = Checks {
        leaving: !app.is_ready(),
        store: matches!(pinged, Ok(Ok(()))),
        news_age_ms: news_age.map(|age| age.as_millis()),
        backlog: app.gatekeeper.committer().backlog(),
        set_aside: app.gatekeeper.committer().set_aside(),
        answers_unread: app.gatekeeper.committer().answers_unread(),
        clock_behind_ms: app
            .clock_watch
            .behind(app.now())
            .map(|behind| behind.as_millis()),
        append_failing_ms: failing.map(|length| length.as_millis()),
        shared_rates_away: app.shared_rates.as_ref().and_then(Link::away),
    };
    let store_serves =
        checks.store && news_age.is_some_and(|age| age <= NEWS_AGE_MAX) && failing.is_none();
    let ready = !checks.leaving && (store_serves || app.gatekeeper.outlasts_the_store());
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, axum::Json(Readiness { ready, checks })).into_response()
}

/// The figures that Prometheus collects.
pub(super) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let committer = app.gatekeeper.committer();
    let gauges = &app.metrics.gauges;
    let seconds = |length: Option<Duration>| length.map_or(0.0, |length| length.as_secs_f64());
    gauges.ready.set(yes_or_no(app.is_ready()));
    gauges.backlog.set(figure(
        u64::try_from(committer.backlog()).unwrap_or(u64::MAX),
    ));
    gauges.append_failing.set(seconds(committer.failing_for()));
    let news_age = app.gatekeeper.news_age();
    gauges
        .news_age
        .set(news_age.map_or(-1.0, |age| age.as_secs_f64()));
    gauges
        .clock_behind
        .set(seconds(app.clock_watch.behind(app.now())));
    let away = app.shared_rates.as_ref().and_then(Link::away);
    gauges.shared_rates_away.set(yes_or_no(away.is_some()));
    gauges.set_aside.absolute(committer.set_aside());
    gauges.answers_unread.absolute(committer.answers_unread());
    let content_type = [(CONTENT_TYPE, "text/plain; version=0.0.4")];
    (content_type, app.metrics.render())
}

const PING_WITHIN: Duration = Duration::from_secs(2);
const NEWS_AGE_MAX: Duration = Duration::from_secs(5);
