//! What meters read from answers, whatever clients do about it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::channel::mpsc;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use monetization_core::usage::Ending;
use monetization_gateway_tower::LayerOptions;
use tokio::sync::Notify;
use tower::{ServiceExt, service_fn};

use crate::meters::{counted, setting};
use crate::support::{self, Broken, TestBody, Upstream, World, eventually, whole};

const TOKENS: &str =
    r#"{"name": "tokens", "unit": "tokens", "source": {"response_field": "/usage/total_tokens"}}"#;
/// The two forms that an answer has, in two parts: its client leaves between them.
const ANSWERS: [(&str, [&str; 2]); 2] = [
    (
        "application/json",
        [r#"{"text": "Hi", "usage": {"total_tokens": 358}"#, "}"],
    ),
    (
        "text/event-stream",
        [
            "data: {\"text\": \"Hi\"}\n\n",
            "data: {\"usage\": {\"total_tokens\": 358}}\n\n",
        ],
    ),
];

type Asked = Arc<Mutex<Vec<HeaderMap>>>;
type Frames = mpsc::UnboundedSender<Result<Frame<Bytes>, Broken>>;

/// A service that answers one call as the test tells it to, once it may.
fn told(media: &'static str) -> (Frames, Arc<Notify>, impl Upstream<TestBody>) {
    let (frames, body) = mpsc::unbounded();
    let body = Arc::new(Mutex::new(Some(body)));
    let may_answer = Arc::new(Notify::new());
    let waits = Arc::clone(&may_answer);
    let service = service_fn(move |_| {
        let body = body.lock().unwrap().take().expect("one call");
        let waits = Arc::clone(&waits);
        async move {
            waits.notified().await;
            let mut response = Response::new(StreamBody::new(body).boxed_unsync());
            let headers = response.headers_mut();
            headers.insert("content-type", media.parse().unwrap());
            Ok(response)
        }
    });
    (frames, may_answer, service)
}

fn send(frames: &Frames, text: &'static str) {
    let frame = Frame::data(Bytes::from_static(text.as_bytes()));
    frames.unbounded_send(Ok(frame)).unwrap();
}

/// Makes a call, reads the first part of its answer, and hangs up.
async fn leave_after(
    world: &World,
    options: LayerOptions,
    media: &'static str,
    first: &'static str,
) -> Frames {
    let (frames, may_answer, service) = told(media);
    may_answer.notify_one();
    let service = world.layer(options, service);
    let response = service.oneshot(world.get("/chat")).await.unwrap();
    send(&frames, first);
    let mut body = response.into_body();
    let read = body.frame().await.unwrap().unwrap();
    assert_eq!(read.into_data().unwrap(), first);
    drop(body);
    frames
}

async fn endings(world: &World) -> Vec<Ending> {
    let records = world.records().await;
    let outcomes = records.iter().filter_map(|record| record.outcome);
    outcomes.map(|outcome| outcome.ending).collect()
}

// A client that hung up before the field was whole paid for no tokens, as often as it liked.
#[tokio::test]
async fn a_client_that_leaves_within_its_answer_pays_what_it_would_have_said_r_m2() {
    for (media, [first, second]) in ANSWERS {
        let world = World::start(setting(&[TOKENS], Vec::new())).await;
        let frames = leave_after(&world, world.options(), media, first).await;
        send(&frames, second);
        drop(frames);
        assert_eq!(counted(&world, "tokens").await, [Some(358)], "{media}");
        assert_eq!(endings(&world).await, [Ending::ClientGone], "{media}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_before_its_answer_pays_what_it_would_have_said_r_m2() {
    for (media, parts) in ANSWERS {
        let world = World::start(setting(&[TOKENS], Vec::new())).await;
        let (frames, may_answer, service) = told(media);
        let service = world.layer(world.options(), service);
        let mut call = Box::pin(service.oneshot(world.get("/chat")));
        assert!(call.as_mut().now_or_never().is_none());
        drop(call);
        may_answer.notify_one();
        for part in parts {
            send(&frames, part);
        }
        drop(frames);
        assert_eq!(counted(&world, "tokens").await, [Some(358)], "{media}");
        assert_eq!(endings(&world).await, [Ending::ClientGone], "{media}");
    }
}

#[tokio::test]
async fn the_rest_of_an_answer_is_waited_for_for_so_long_only_r_m2() {
    let world = World::start(setting(&[TOKENS], Vec::new())).await;
    let options = LayerOptions {
        rest_wait_max: Duration::from_millis(10),
        ..world.options()
    };
    let (media, [first, _]) = ANSWERS[1];
    let frames = leave_after(&world, options, media, first).await;
    assert_eq!(endings(&world).await, [Ending::ClientGone]);
    eventually(|| frames.is_closed()).await;
    assert_eq!(counted(&world, "tokens").await, [None]);
    assert_eq!(world.gatekeeper.committer().answers_unread(), 1);
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_the_rest_of_an_answer_r_m2() {
    let world = World::without_runner(setting(&[TOKENS], Vec::new())).await;
    let running = world.run();
    let (media, [first, _]) = ANSWERS[1];
    let frames = leave_after(&world, world.options(), media, first).await;
    tokio::task::yield_now().await;
    assert_eq!(world.gatekeeper.committer().backlog(), 1);
    world.gatekeeper.shutdown();
    let ended = tokio::time::timeout(Duration::from_secs(20), running).await;
    ended.expect("it ends at once").unwrap();
    assert!(frames.is_closed());
    assert_eq!(endings(&world).await, [Ending::ClientGone]);
}

/// A service that answers with these headers and this body, and keeps the headers it was asked with.
fn answering(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
    body: &'static str,
) -> (Asked, impl Upstream<TestBody>) {
    let asked = Asked::default();
    let seen = Arc::clone(&asked);
    let service = service_fn(move |request: Request<TestBody>| {
        seen.lock().unwrap().push(request.headers().clone());
        let mut response = Response::new(whole(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            response.headers_mut().insert(*name, value.parse().unwrap());
        }
        async { Ok(response) }
    });
    (asked, service)
}

/// A call that asks for a part of an encoded answer.
fn asks_for_little(world: &World) -> Request<TestBody> {
    let mut request = world.get("/chat");
    let headers = request.headers_mut();
    headers.insert("accept-encoding", "gzip, br;q=0.9".parse().unwrap());
    headers.insert("range", "bytes=0-9".parse().unwrap());
    request
}

// A client could have its answers encoded, and pay for none of their tokens.
#[tokio::test]
async fn an_upstream_is_asked_for_answers_that_can_be_read_whatever_the_client_asks_e10() {
    let headers = &[("content-type", "application/json")];
    let body = r#"{"usage": {"total_tokens": 358}}"#;
    for (meters, encoding, range) in [
        (&[TOKENS][..], Some("identity"), None),
        (&[], Some("gzip, br;q=0.9"), Some("bytes=0-9")),
    ] {
        let world = World::start(setting(meters, Vec::new())).await;
        let (asked, service) = answering(200, headers, body);
        let service = world.layer(world.options(), service);
        assert_eq!(
            support::send(&service, asks_for_little(&world)).await.body,
            body
        );
        let asked = asked.lock().unwrap().pop().unwrap();
        let header = |name| asked.get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("accept-encoding"), encoding);
        assert_eq!(header("range"), range);
        let expected = meters.first().map(|_| 358);
        assert_eq!(counted(&world, "tokens").await, [expected]);
    }
}

#[tokio::test]
async fn answers_of_operations_whose_fields_no_meter_counts_are_left_alone_e10() {
    let of_chat = TOKENS.replace("}}", r#"}, "filter": {"resources": ["chat"]}}"#);
    let mut setting = setting(&[&of_chat], Vec::new());
    setting.offer.resources = ["chat", "pages"]
        .map(|name| {
            let json = format!(
                r#"{{"identifier": "{name}", "method": "GET", "path": "/{name}", "name": "{name}"}}"#
            );
            serde_json::from_str(&json).unwrap()
        })
        .to_vec();
    let world = World::start(setting).await;
    let (asked, service) = answering(200, &[("content-type", "text/html")], "<p>Hi</p>");
    let service = world.layer(world.options(), service);
    for (path, encoding, unread) in [("/pages", "br", 0), ("/chat", "identity", 1)] {
        let mut request = world.get(path);
        let wanted = "br".parse().unwrap();
        request.headers_mut().insert("accept-encoding", wanted);
        support::send(&service, request).await;
        world.written().await;
        assert_eq!(
            asked.lock().unwrap().pop().unwrap()["accept-encoding"],
            encoding
        );
        assert_eq!(world.gatekeeper.committer().answers_unread(), unread);
    }
}

#[tokio::test]
async fn answers_that_cannot_be_read_are_counted_as_such_e10() {
    let json = ("content-type", "application/json");
    let tokens = r#"{"usage": {"total_tokens": 358}}"#;
    let table: [(u16, &[_], &str, u64); 6] = [
        (
            200,
            &[json, ("content-encoding", "gzip")],
            "\u{1f}\u{8b}",
            1,
        ),
        (200, &[("content-type", "text/html")], tokens, 1),
        (200, &[json], r#"{"usage": {"total"#, 1),
        (200, &[json], r#"{"usage": null}"#, 0),
        // What is not counted at all need not be read.
        (404, &[("content-type", "text/html")], "not here", 0),
        (204, &[("content-type", "text/html")], "", 0),
    ];
    for (status, headers, body, expected) in table {
        let world = World::start(setting(&[TOKENS], Vec::new())).await;
        let headers: &[(&str, &str)] = headers.to_vec().leak();
        let (_, service) = answering(status, headers, body);
        let service = world.layer(world.options(), service);
        support::send(&service, world.get("/chat")).await;
        assert_eq!(counted(&world, "tokens").await, [None]);
        let unread = world.gatekeeper.committer().answers_unread();
        assert_eq!(unread, expected, "{status} {headers:?} {body}");
    }
}
