//! What meters read from answers, whatever clients do about it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::channel::mpsc;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use monetization_core::usage::Ending;
use monetization_gateway_tower::LayerOptions;
use tokio::sync::Notify;
use tower::{Service, ServiceExt, service_fn};

use crate::meters::{counted, setting};
use crate::support::{Broken, TestBody, World, eventually};

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

type Frames = mpsc::UnboundedSender<Result<Frame<Bytes>, Broken>>;

/// A service that answers one call as the test tells it to, once it may.
fn told(
    media: &'static str,
) -> (
    Frames,
    Arc<Notify>,
    impl Service<
        Request<TestBody>,
        Response = Response<TestBody>,
        Error = Infallible,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static,
) {
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
