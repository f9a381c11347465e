//! What meters count of calls beside that there was one, and limits of that: B21, E10.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use monetization_core::ids::{MeterId, TypedId};
use monetization_core::plan::{Overage, QuotaDraft, QuotaWindow};
use monetization_core::product::{Meter, MeterDraft};
use monetization_gateway_tower::{HeaderStyle, LayerOptions, RequestBytes};
use tower::{ServiceExt, service_fn};

use crate::support::{Broken, Offer, Setting, TestBody, World, send, whole};

pub(crate) fn meter(json: &str) -> Meter {
    let draft: MeterDraft = serde_json::from_str(json).unwrap();
    let id = MeterId::derived(&[draft.name.as_str().as_bytes()]);
    draft.check(id).unwrap()
}

pub(crate) fn setting(meters: &[&str], quotas: Vec<QuotaDraft>) -> Setting {
    Setting {
        offer: Offer {
            meters: meters.iter().map(|json| meter(json)).collect(),
            quotas,
            ..Offer::default()
        },
        ..Setting::default()
    }
}

/// Answers whatever the path says: `/status/header/body`.
async fn as_told(request: Request<TestBody>) -> Result<Response<TestBody>, Broken> {
    let path = request.uri().path().to_owned();
    let said: Vec<&str> = path.rsplit('/').collect();
    let [body, header, status, ..] = said.as_slice() else {
        return Err(Broken("told nothing"));
    };
    let body = Full::from("x".repeat(body.parse().unwrap()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status.parse().unwrap()).unwrap();
    response
        .headers_mut()
        .insert("x-tokens", header.parse().unwrap());
    Ok(response)
}

/// What the records count of this meter, the most first; `None` where one counts nothing of it.
pub(crate) async fn counted(world: &World, meter: &str) -> Vec<Option<i64>> {
    let id = MeterId::derived(&[meter.as_bytes()]);
    let records = world.records().await;
    let counted = records.iter().map(|record| {
        let mut counted = record.counted.iter();
        let found = counted.find(|counted| counted.meter == id)?;
        Some(found.quantity.scaled())
    });
    let mut counted: Vec<Option<i64>> = counted.collect();
    counted.sort_unstable_by(|a, b| b.cmp(a));
    counted
}

#[tokio::test]
async fn calls_are_counted_by_bytes_tokens_and_status_e10() {
    let meters = [
        r#"{"name": "traffic", "unit": "bytes", "source": "bytes"}"#,
        r#"{"name": "tokens", "unit": "tokens", "source": {"response_header": "x-tokens"}}"#,
        r#"{"name": "missed", "source": "calls", "filter": {"status": ["404"]}}"#,
    ];
    let world = World::start(setting(&meters, Vec::new())).await;
    let service = world.layer(world.options(), service_fn(as_told));
    let weighed = Request::builder()
        .method("POST")
        .uri("/weather/200/358/20")
        .header("authorization", format!("Bearer {}", world.key))
        .header("content-length", "5")
        .body(whole("12345"))
        .unwrap();
    assert_eq!(send(&service, weighed).await.status, 200);
    for path in ["/404/7/3", "/200/-5/0", "/200/NaN/0", "/200/1.5/0"] {
        send(&service, world.get(path)).await;
    }
    // A call that is not billed counts nothing, unless a meter asks for its status.
    let zero = Some(0);
    assert_eq!(
        counted(&world, "traffic").await,
        [Some(25), zero, zero, zero, None]
    );
    let tokens = counted(&world, "tokens").await;
    assert_eq!(tokens, [Some(358), None, None, None, None]);
    let missed = counted(&world, "missed").await;
    assert_eq!(missed, [Some(1), None, None, None, None]);
}

#[tokio::test]
async fn a_body_of_unknown_length_counts_what_was_read_of_it() {
    let meters = [r#"{"name": "sent", "unit": "bytes", "source": "request_bytes"}"#];
    let world = World::start(setting(&meters, Vec::new())).await;
    let reads = service_fn(async |request: Request<TestBody>| {
        let read = request.extensions().get::<RequestBytes>().unwrap().clone();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        read.add(u64::try_from(body.len()).unwrap());
        Ok::<_, Broken>(Response::new(whole("thanks")))
    });
    let frames = ["ab", "cde"].map(|part| Ok(Frame::data(Bytes::from(part))));
    let body = StreamBody::new(futures::stream::iter(frames)).boxed_unsync();
    let request = world.get("/today").map(|_| body);
    let response = world.layer(world.options(), reads).oneshot(request).await;
    response.unwrap().into_body().collect().await.unwrap();
    assert_eq!(counted(&world, "sent").await, [Some(5)]);
}

#[tokio::test]
async fn tokens_are_read_from_the_answer_while_it_passes() {
    let meters = [
        r#"{"name": "tokens", "unit": "tokens", "source": {"response_field": "/usage/total_tokens"}}"#,
    ];
    let world = World::start(setting(&meters, Vec::new())).await;
    let events = "data: {\"text\": \"Hi\"}\n\ndata: {\"usage\": {\"total_tokens\": 358}}\n\n";
    let service = service_fn(move |_: Request<TestBody>| async move {
        let mut response = Response::new(whole(events));
        let media = "text/event-stream".parse().unwrap();
        response.headers_mut().insert("content-type", media);
        Ok::<_, Broken>(response)
    });
    let service = world.layer(world.options(), service);
    let answer = send(&service, world.get("/chat")).await;
    assert_eq!(answer.body, events);
    assert_eq!(counted(&world, "tokens").await, [Some(358)]);
}

#[tokio::test]
async fn a_quota_of_tokens_lets_the_call_through_that_exceeds_it_b21() {
    let meters =
        [r#"{"name": "tokens", "unit": "tokens", "source": {"response_header": "x-tokens"}}"#];
    let quota = QuotaDraft {
        meter: Some("tokens".parse().unwrap()),
        ..QuotaDraft::calls(QuotaWindow::Month, 300, Overage::Strict)
    };
    let world = World::start(setting(&meters, vec![quota])).await;
    let service = world.layer(world.background(), service_fn(as_told));
    let first = send(&service, world.get("/200/358/0")).await;
    assert_eq!(first.status, 200);
    first.assert_headers(&[
        ("X-RateLimit-Limit-Month-Tokens", "300"),
        ("X-RateLimit-Remaining-Month-Tokens", "300"),
    ]);
    assert_eq!(
        world.gatekeeper.committer().backlog(),
        0,
        "its units must not be lost, so its end waits for the record"
    );
    let second = send(&service, world.get("/200/1/0")).await;
    assert_eq!(second.status, 429);
    second.assert_headers(&[("X-RateLimit-Remaining-Month-Tokens", "0")]);
    assert_eq!(counted(&world, "tokens").await, [Some(358)]);
}

#[tokio::test]
async fn a_quota_of_bytes_stops_calls_once_so_many_have_passed_b21() {
    let meters = [r#"{"name": "traffic", "unit": "bytes", "source": "bytes"}"#];
    let quota = QuotaDraft {
        meter: Some("traffic".parse().unwrap()),
        ..QuotaDraft::calls(QuotaWindow::Day, 1_000, Overage::Strict)
    };
    let world = World::start(setting(&meters, vec![quota])).await;
    let options = LayerOptions {
        headers: HeaderStyle::Both,
        ..world.options()
    };
    let service = world.layer(options, service_fn(as_told));
    let first = send(&service, world.get("/200/0/600")).await;
    assert_eq!(first.status, 200);
    first.assert_headers(&[("X-RateLimit-Remaining-Day-Bytes", "1000")]);
    // What is not billed counts nothing; 400 are left for the next, which needs more.
    assert_eq!(send(&service, world.get("/404/0/900")).await.status, 404);
    let second = send(&service, world.get("/200/0/600")).await;
    assert_eq!(second.status, 200);
    second.assert_headers(&[("X-RateLimit-Remaining-Day-Bytes", "400")]);
    let refused = send(&service, world.get("/200/0/1")).await;
    assert_eq!(refused.status, 429);
    refused.assert_headers(&[
        ("X-RateLimit-Limit-Day-Bytes", "1000"),
        ("X-RateLimit-Remaining-Day-Bytes", "0"),
        (
            "RateLimit-Policy",
            "\"day-bytes\";q=1000;qu=\"bytes\";w=86400",
        ),
    ]);
    let sent = counted(&world, "traffic").await;
    assert_eq!(sent, [Some(600), Some(600), None]);
}

#[tokio::test]
async fn a_quota_of_one_resource_stops_its_calls_alone() {
    let resource = |name: &str| {
        let json = format!(
            r#"{{"identifier": "{name}", "method": "GET", "path": "/{name}/{{*rest}}", "name": "{name}"}}"#
        );
        serde_json::from_str(&json).unwrap()
    };
    let quota = QuotaDraft {
        resource: Some("search".parse().unwrap()),
        ..QuotaDraft::calls(QuotaWindow::Ever, 2, Overage::Strict)
    };
    let mut setting = setting(&[], vec![quota]);
    setting.offer.resources = vec![resource("search"), resource("browse")];
    let world = World::start(setting).await;
    let options = LayerOptions {
        headers: HeaderStyle::Both,
        ..world.options()
    };
    let service = world.layer(options, service_fn(as_told));
    let mut statuses = Vec::new();
    for path in ["/search/200/0/0", "/browse/200/0/0", "/search/200/0/0"] {
        statuses.push(send(&service, world.get(path)).await.status);
    }
    let refused = send(&service, world.get("/search/200/0/0")).await;
    // What was bought for ever does not come back by waiting.
    refused.assert_headers(&[
        ("X-RateLimit-Limit-Ever-Resource", "2"),
        ("RateLimit-Policy", "\"ever-resource\";q=2"),
        ("RateLimit", "\"ever-resource\";r=0"),
        ("RateLimit-Reset", ""),
        ("Retry-After", ""),
    ]);
    statuses.push(refused.status);
    statuses.push(send(&service, world.get("/browse/200/0/0")).await.status);
    assert_eq!(statuses, [200, 200, 200, 429, 200]);
}

#[tokio::test]
async fn quotas_of_one_unit_and_window_have_their_meters_in_their_names_b21() {
    let meters = ["input", "output"].map(|name| {
        format!(
            r#"{{"name": "{name}", "unit": "tokens", "source": {{"response_header": "x-{name}"}}}}"#
        )
    });
    let quota = |meter: &str, window, max| QuotaDraft {
        meter: Some(meter.parse().unwrap()),
        ..QuotaDraft::calls(window, max, Overage::Strict)
    };
    let quotas = vec![
        quota("input", QuotaWindow::Month, 300),
        quota("output", QuotaWindow::Month, 100),
        quota("output", QuotaWindow::Day, 50),
    ];
    let meters = meters.each_ref().map(String::as_str);
    let world = World::start(setting(&meters, quotas)).await;
    let options = LayerOptions {
        headers: HeaderStyle::Both,
        ..world.options()
    };
    let service = world.layer(options, service_fn(as_told));
    let answer = send(&service, world.get("/200/0/0")).await;
    answer.assert_headers(&[
        ("X-RateLimit-Limit-Month-Tokens-Input", "300"),
        ("X-RateLimit-Limit-Month-Tokens-Output", "100"),
        ("X-RateLimit-Limit-Month-Tokens", ""),
        // Alone in its window, the unit is enough.
        ("X-RateLimit-Limit-Day-Tokens", "50"),
        (
            "RateLimit-Policy",
            "\"month-tokens-input\";q=300;qu=\"tokens\";w=2592000, \
             \"month-tokens-output\";q=100;qu=\"tokens\";w=2592000, \
             \"day-tokens\";q=50;qu=\"tokens\";w=86400",
        ),
    ]);
}

// A length that no quantity holds was announced, not sent, and counted as nothing; one below that filled
// the sum of the period, so that it took no further record.
#[tokio::test]
async fn a_body_that_is_announced_longer_than_can_be_counted_is_refused_e10() {
    let meters = [r#"{"name": "traffic", "unit": "bytes", "source": "bytes"}"#];
    let world = World::start(setting(&meters, Vec::new())).await;
    let service = world.layer(world.options(), service_fn(as_told));
    let announcing = |length: &'static str| {
        let mut request = world.get("/200/0/20");
        let headers = request.headers_mut();
        headers.insert("content-length", HeaderValue::from_static(length));
        request
    };
    for length in [
        "1000000000000000",
        "9223372036854775807",
        "9223372036854775808",
        "100000000000000000000000",
    ] {
        let refused = send(&service, announcing(length)).await;
        assert_eq!(refused.status, 413, "{length}");
        assert!(refused.body.contains(r#""code":"body_too_long""#));
    }
    for length in ["999999999999999", "5"] {
        assert_eq!(send(&service, announcing(length)).await.status, 200);
    }
    let most = Some(999_999_999_999_999);
    assert_eq!(counted(&world, "traffic").await, [most, Some(25)]);
}
