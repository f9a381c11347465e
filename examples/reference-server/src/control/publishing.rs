use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use monetization_core::clock::Timestamp;
use monetization_core::store::{JobRun, JobStart, JobState};
use serde::Serialize;
use serde_json::json;

use super::input::Caller;
use super::problem::Problem;
use crate::app::App;

/// That publishing has begun, in WSO2's words.
#[derive(Debug, Serialize)]
struct Accepted {
    status: &'static str,
    message: &'static str,
}

/// How the last run of publishing stands, in WSO2's words. Times are milliseconds since 1970, as
/// text.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PublishStatus {
    state: &'static str,
    status: &'static str,
    started_time: Option<String>,
    last_published_time: Option<String>,
    /// WSO2 has always written it so, and its readers look for it.
    #[serde(rename = "lastPublsihedTime")]
    last_publsihed_time: Option<String>,
}

pub(super) async fn start(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Response, Problem> {
    if let JobStart::Busy(run) = app.start_publishing(caller.tenant).await? {
        let running = json!({ "number": run.fence, "started_at": run.started_at });
        let busy = Problem::conflict("job_running", "A job is already running");
        return Err(busy.with("running", running));
    }
    let accepted = Accepted {
        status: "Request Accepted",
        message: "Server is running the usage publisher",
    };
    Ok((StatusCode::ACCEPTED, axum::Json(accepted)).into_response())
}

pub(super) async fn status(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<axum::Json<PublishStatus>, Problem> {
    let run = app.monetizer.last_publishing(caller.tenant).await?;
    Ok(axum::Json(PublishStatus::of(run.as_ref())))
}

impl PublishStatus {
    fn of(run: Option<&JobRun>) -> Self {
        let (state, status) = match run.map(|run| run.state) {
            None => ("INITIATED", "INPROGRESS"),
            Some(JobState::Running) => ("RUNNING", "INPROGRESS"),
            Some(JobState::Succeeded) => ("COMPLETED", "SUCCESSFUL"),
            Some(JobState::Incomplete) => ("COMPLETED", "UNSUCCESSFUL"),
            Some(JobState::Failed | JobState::Lapsed) => ("COMPLETED", "FAILED"),
        };
        let published = run
            .filter(|run| run.state == JobState::Succeeded)
            .and_then(|run| run.ended_at)
            .map(milliseconds);
        Self {
            state,
            status,
            started_time: run.map(|run| milliseconds(run.started_at)),
            last_published_time: published.clone(),
            last_publsihed_time: published,
        }
    }
}

fn milliseconds(at: Timestamp) -> String {
    at.as_micros().div_euclid(1_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(state: JobState) -> JobRun {
        JobRun {
            fence: 1,
            state,
            started_at: Timestamp::from_secs(1_571_748_288),
            ended_at: Some(Timestamp::from_secs(1_571_748_290)),
            done: 1,
            failed: 0,
        }
    }

    #[test]
    fn every_way_a_run_can_stand_is_told_as_wso2_does_e4() {
        let table = [
            (None, "INITIATED", "INPROGRESS"),
            (Some(JobState::Running), "RUNNING", "INPROGRESS"),
            (Some(JobState::Succeeded), "COMPLETED", "SUCCESSFUL"),
            (Some(JobState::Incomplete), "COMPLETED", "UNSUCCESSFUL"),
            (Some(JobState::Failed), "COMPLETED", "FAILED"),
            (Some(JobState::Lapsed), "COMPLETED", "FAILED"),
        ];
        for (stands, state, status) in table {
            let told = PublishStatus::of(stands.map(run).as_ref());
            assert_eq!((told.state, told.status), (state, status), "{stands:?}");
        }
        let json =
            serde_json::to_value(PublishStatus::of(Some(&run(JobState::Succeeded)))).unwrap();
        assert_eq!(json["startedTime"], "1571748288000");
        assert_eq!(json["lastPublishedTime"], "1571748290000");
        assert_eq!(json["lastPublsihedTime"], "1571748290000");
    }
}
