//! What the server counts and measures of itself, in the text format of Prometheus.
//!
//! No figure tells of one customer, key or subscription: those would be as many series as there are customers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use metrics::{Counter, Gauge, Histogram, counter, describe_counter, describe_gauge, gauge};
use metrics::{describe_histogram, histogram, with_local_recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};
use monetization_core::clock::Timestamp;
use monetization_gateway_tower::Refused;

/// The figures of one server. Shared by reference.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    pub(crate) calls: Calls,
    pub(crate) gauges: Gauges,
    pub(crate) work: Work,
}

/// What becomes of calls.
pub(crate) struct Calls {
    granted: Counter,
    /// By the code of their problem: each is made when it is first needed.
    refused: Mutex<BTreeMap<&'static str, Counter>>,
    /// From the head of the request to the head of the answer, by the class of its status.
    seconds: [Histogram; 6],
}

/// What is looked up when somebody asks for the figures.
pub(crate) struct Gauges {
    pub(crate) ready: Gauge,
    pub(crate) backlog: Gauge,
    pub(crate) append_failing: Gauge,
    pub(crate) news_age: Gauge,
    pub(crate) clock_behind: Gauge,
    pub(crate) set_aside: Counter,
    pub(crate) answers_unread: Counter,
    pub(crate) shared_rates_away: Gauge,
}

/// What comes of the work behind the calls.
pub(crate) struct Work {
    /// Operations at the engine that an operator has to look at.
    pub(crate) operations_parked: Gauge,
    /// Batches that wait for an operator.
    pub(crate) batches_held: Gauge,
    /// Whether operations at the engine wait for their next try.
    pub(crate) operations_waiting: Gauge,
    /// When use of some tenant was last published, in seconds since 1970, with nothing left over.
    pub(crate) published_at: Gauge,
    /// Runs of publishing that met an error, or left something over.
    pub(crate) publishing_failed: Counter,
    /// Periods in which the engine has counted something else than was reported.
    pub(crate) drift: Gauge,
    /// When that was last compared, in seconds since 1970.
    pub(crate) compared_at: Gauge,
    /// Whether something goes wrong that the operator was told of.
    pub(crate) trouble: Gauge,
}

/// Limits of the buckets, in seconds.
const BUCKETS: [f64; 12] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0,
];
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "other"];
const DECISIONS: &str = "monetization_decisions_total";
const CALL_SECONDS: &str = "monetization_call_seconds";

impl Metrics {
    /// All at nothing.
    pub(crate) fn new() -> Self {
        let seconds = Matcher::Full(CALL_SECONDS.to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &BUCKETS);
        // It fails for a list of buckets that is empty, which this one is not.
        let recorder = builder.unwrap_or_default().build_recorder();
        let (calls, gauges, work) = with_local_recorder(&recorder, || {
            describe();
            (Calls::new(), Gauges::new(), Work::new())
        });
        Self {
            recorder,
            calls,
            gauges,
            work,
        }
    }

    /// Counts an answer to a call.
    pub(crate) fn answered(&self, status: StatusCode, refused: Option<&Refused>, after: Duration) {
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        let seconds = self.calls.seconds.get(class).or(self.calls.seconds.last());
        if let Some(seconds) = seconds {
            seconds.record(after);
        }
        let Some(refused) = refused else {
            self.calls.granted.increment(1);
            return;
        };
        let known = self.calls.refused.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        let counter = known.entry(refused.code()).or_insert_with_key(|reason| {
            let outcome = match *reason {
                "no_answer" | "not_recorded" | "internal_error" => "failed",
                _ => "refused",
            };
            with_local_recorder(
                &self.recorder,
                || counter!(DECISIONS, "outcome" => outcome, "reason" => *reason),
            )
        });
        counter.increment(1);
    }

    /// Notes what came of a run of publishing: when it left nothing over, or that it did.
    pub(crate) fn published(&self, at: Option<Timestamp>) {
        match at {
            Some(at) => self.work.published_at.set(seconds(at)),
            None => self.work.publishing_failed.increment(1),
        }
    }

    /// Notes in how many periods the engine has counted something else than was reported.
    pub(crate) fn compared(&self, differing: usize, at: Timestamp) {
        let differing = u64::try_from(differing).unwrap_or(u64::MAX);
        self.work.drift.set(figure(differing));
        self.work.compared_at.set(seconds(at));
    }

    /// All figures, as text.
    pub(crate) fn render(&self) -> String {
        let handle = self.recorder.handle();
        handle.run_upkeep();
        handle.render()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Calls {
    fn new() -> Self {
        Self {
            granted: counter!(DECISIONS, "outcome" => "granted", "reason" => ""),
            refused: Mutex::default(),
            seconds: CLASSES.map(|class| histogram!(CALL_SECONDS, "status" => class)),
        }
    }
}

impl Gauges {
    fn new() -> Self {
        Self {
            ready: gauge!("monetization_ready"),
            backlog: gauge!("monetization_usage_backlog"),
            append_failing: gauge!("monetization_usage_append_failing_seconds"),
            news_age: gauge!("monetization_news_age_seconds"),
            clock_behind: gauge!("monetization_clock_behind_seconds"),
            set_aside: counter!("monetization_usage_set_aside_total"),
            answers_unread: counter!("monetization_answers_unread_total"),
            shared_rates_away: gauge!("monetization_shared_rates_away"),
        }
    }
}

impl Work {
    fn new() -> Self {
        Self {
            operations_parked: gauge!("monetization_operations_parked"),
            batches_held: gauge!("monetization_batches_held"),
            operations_waiting: gauge!("monetization_operations_waiting"),
            published_at: gauge!("monetization_publish_last_success_timestamp_seconds"),
            publishing_failed: counter!("monetization_publish_failed_total"),
            drift: gauge!("monetization_reconcile_drift_periods"),
            compared_at: gauge!("monetization_reconcile_last_timestamp_seconds"),
            trouble: gauge!("monetization_trouble"),
        }
    }
}

fn describe() {
    describe_counter!(
        DECISIONS,
        "Calls by what became of them; reason is the code of the refusal"
    );
    describe_histogram!(
        CALL_SECONDS,
        "Seconds from a call's head to the head of its answer"
    );
    describe_gauge!("monetization_ready", "1 where calls should be sent here");
    describe_gauge!(
        "monetization_usage_backlog",
        "Calls under way or waiting for their record"
    );
    describe_gauge!(
        "monetization_usage_append_failing_seconds",
        "For how long the store has not taken records; 0 where it does"
    );
    describe_gauge!(
        "monetization_news_age_seconds",
        "Since the gates last read the news of the store; -1 before the first time"
    );
    describe_gauge!(
        "monetization_clock_behind_seconds",
        "By how much the clock is behind what was recorded last; 0 up to a minute"
    );
    describe_counter!(
        "monetization_usage_set_aside_total",
        "Records that the ledger could not take and that were set aside"
    );
    describe_counter!(
        "monetization_answers_unread_total",
        "Answers that a meter of their fields could not read"
    );
    describe_gauge!(
        "monetization_shared_rates_away",
        "1 while rates are counted by this server alone, though it should share them"
    );
    describe_gauge!(
        "monetization_operations_parked",
        "Operations at the engine that were given up and wait for an operator, up to 500 a tenant"
    );
    describe_gauge!(
        "monetization_batches_held",
        "Batches of use that wait for an operator, up to 500 a tenant"
    );
    describe_gauge!(
        "monetization_operations_waiting",
        "1 while operations at the engine wait for their next try"
    );
    describe_gauge!(
        "monetization_publish_last_success_timestamp_seconds",
        "When a run of publishing last left nothing over; 0 before the first"
    );
    describe_counter!(
        "monetization_publish_failed_total",
        "Runs of publishing that met an error or left something over"
    );
    describe_gauge!(
        "monetization_reconcile_drift_periods",
        "Periods in which the engine has counted something else than was reported, at the last comparison"
    );
    describe_gauge!(
        "monetization_reconcile_last_timestamp_seconds",
        "When reports were last compared with the engine's count; 0 before the first time"
    );
    describe_gauge!(
        "monetization_trouble",
        "1 while something goes wrong that the log tells of"
    );
}

/// Seconds since 1970.
fn seconds(at: Timestamp) -> f64 {
    figure(u64::try_from(at.as_micros().div_euclid(1_000_000)).unwrap_or(0))
}

/// What a gauge takes for a question.
pub(crate) const fn yes_or_no(is_so: bool) -> f64 {
    if is_so { 1.0 } else { 0.0 }
}

/// A number of things, or of seconds, as a gauge takes it.
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "a figure for charts: beyond 2^53 the last digits do not matter"
)]
pub(crate) const fn figure(of: u64) -> f64 {
    of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_calls_is_counted_by_reason_and_class() {
        let metrics = Metrics::new();
        metrics.answered(StatusCode::OK, None, Duration::from_millis(2));
        metrics.answered(StatusCode::BAD_GATEWAY, None, Duration::from_secs(2));
        metrics.gauges.backlog.set(figure(7));
        let text = metrics.render();
        for line in [
            r#"monetization_decisions_total{outcome="granted",reason=""} 2"#,
            r#"monetization_call_seconds_bucket{status="2xx",le="0.0025"} 1"#,
            r#"monetization_call_seconds_count{status="5xx"} 1"#,
            "monetization_usage_backlog 7",
            "# TYPE monetization_ready gauge",
        ] {
            assert!(text.contains(line), "{line}: {text}");
        }
    }
}
