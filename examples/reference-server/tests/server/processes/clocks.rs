//! A machine whose clock is behind that of whoever served before.

use http::Method;
use serde_json::{Value, json};

use super::{Api, Serving, command, sell, send};
use crate::server::upstream::Upstream;
use crate::server::world::Text;

#[tokio::test]
async fn a_clock_behind_what_was_recorded_is_told_with_its_mend_r_t1() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::start("upstream").await;
    let start = async |at: &str, until: &str| {
        let mut command = command(folder.path());
        command.args(["--manual-clock", at]);
        Serving::start_by(command, until).await
    };
    let first = start("2026-03-01T00:02:00Z", "README.md").await;
    let url = format!("http://{}", first.address("control plane"));
    let api = |role: &str| Api {
        url: &url,
        bearer: format!("Bearer {}", first.after(role)),
    };
    let plan = sell(&api("platform owner"), &upstream.url()).await;
    let order = json!({ "plan": plan, "buyer": { "user_id": "u", "name": "b" } });
    let developer = api("developer");
    let bought = developer.ask(Method::POST, "/api/v1/subscriptions", order);
    let key = bought.await["key"]["key"].text();
    let call = format!("http://{}/weather/today", first.address("gateway"));
    let (status, _) = send(Method::GET, &call, ("x-api-key", &key), &Value::Null).await;
    assert_eq!(status, 200);
    assert_eq!(behind(&first).await, Value::Null);
    let (_, errors) = first.stop().await;
    assert_eq!(errors, "");
    let second = start("2026-03-01T00:00:00Z", "control plane").await;
    assert_eq!(behind(&second).await, json!(120_000));
    let (_, errors) = second.stop().await;
    assert!(
        errors.contains("more than a minute before 2026-03-01T00:02:00Z"),
        "{errors}"
    );
    assert!(errors.contains("keep it by NTP"), "{errors}");
}

/// By how much the clock is too far behind; calls are served all the same.
async fn behind(serving: &Serving) -> Value {
    let ready = format!("http://{}/readyz", serving.address("control plane"));
    let (status, told) = send(Method::GET, &ready, ("accept", "*/*"), &Value::Null).await;
    assert_eq!(status, 200, "{told}");
    told["checks"]["clock_behind_ms"].clone()
}
