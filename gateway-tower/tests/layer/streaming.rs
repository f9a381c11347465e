//! Frames pass as they come, and the end waits for the ledger.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::channel::mpsc;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, StreamBody};
use monetization_core::plan::QuotaWindow;
use monetization_gateway_tower::{BodyError, GatewayBody, LayerOptions, NotCommitted};
use tower::ServiceExt;

use crate::support::{
    Broken, Gate, Offer, Setting, TestBody, World, eventually, send, strict, whole,
};

type Answer = Response<TestBody>;
type Frames = mpsc::UnboundedSender<Result<Frame<Bytes>, Broken>>;

/// The answer to one call whose upstream sends what the test tells it to.
async fn streaming(
    world: &World,
    options: LayerOptions,
    length: Option<u64>,
) -> (Frames, Response<GatewayBody<TestBody>>) {
    let (frames, body) = mpsc::unbounded();
    let body = std::sync::Mutex::new(Some(body));
    let body = std::sync::Arc::new(body);
    let upstream = tower::service_fn(move |_: Request<TestBody>| {
        let body = body.lock().unwrap().take().expect("one call");
        let mut response = Response::new(StreamBody::new(body).boxed_unsync());
        if let Some(length) = length {
            response
                .headers_mut()
                .insert("content-length", length.into());
        }
        async { Ok::<Answer, Infallible>(response) }
    });
    let response = world.layer(options, upstream).oneshot(world.get("/")).await;
    (frames, response.unwrap())
}

fn data(text: &'static str) -> Result<Frame<Bytes>, Broken> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

async fn text_of(body: &mut GatewayBody<TestBody>) -> Bytes {
    let frame = body.frame().await.unwrap().unwrap();
    frame.into_data().unwrap()
}

/// The writer has been asked for the record and the body still gives nothing.
async fn assert_waits(world: &World, body: &mut GatewayBody<TestBody>) {
    assert!(body.frame().now_or_never().is_none());
    eventually(|| !world.store.batches.lock().unwrap().is_empty()).await;
    assert!(body.frame().now_or_never().is_none());
    assert!(!body.is_end_stream());
}

#[tokio::test]
async fn the_first_frame_arrives_before_the_upstream_has_sent_the_last() {
    let world = World::start(Setting::default()).await;
    world.store.set(Gate::Shut);
    let (frames, response) = streaming(&world, world.options(), None).await;
    let mut body = response.into_body();
    for text in ["one", "two", "three"] {
        frames.unbounded_send(data(text)).unwrap();
        assert_eq!(text_of(&mut body).await, text);
        assert!(body.frame().now_or_never().is_none());
    }
}

#[tokio::test]
async fn the_frame_that_completes_a_known_length_waits_for_a_slow_store() {
    let world = World::start(Setting::default()).await;
    world.store.set(Gate::Shut);
    let (frames, response) = streaming(&world, world.options(), Some(6)).await;
    let mut body = response.into_body();
    frames.unbounded_send(data("one")).unwrap();
    assert_eq!(text_of(&mut body).await, "one");
    frames.unbounded_send(data("two")).unwrap();
    assert_waits(&world, &mut body).await;
    world.store.set(Gate::Open);
    assert_eq!(text_of(&mut body).await, "two");
    assert_eq!(world.records().await.len(), 1);
    drop(frames);
    assert!(body.frame().await.is_none());
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn the_end_of_an_unknown_length_waits_for_a_slow_store() {
    let world = World::start(Setting::default()).await;
    world.store.set(Gate::Shut);
    let (frames, response) = streaming(&world, world.options(), None).await;
    let mut body = response.into_body();
    frames.unbounded_send(data("all")).unwrap();
    drop(frames);
    assert_eq!(text_of(&mut body).await, "all");
    assert_waits(&world, &mut body).await;
    world.store.set(Gate::Open);
    assert!(body.frame().await.is_none());
    assert_eq!(world.records().await.len(), 1);
}

#[tokio::test]
async fn trailers_wait_for_a_slow_store() {
    let world = World::start(Setting::default()).await;
    world.store.set(Gate::Shut);
    let (frames, response) = streaming(&world, world.options(), None).await;
    let mut body = response.into_body();
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("7"));
    frames.unbounded_send(data("all")).unwrap();
    frames
        .unbounded_send(Ok(Frame::trailers(trailers.clone())))
        .unwrap();
    assert_eq!(text_of(&mut body).await, "all");
    assert_waits(&world, &mut body).await;
    world.store.set(Gate::Open);
    let last = body.frame().await.unwrap().unwrap();
    assert_eq!(last.into_trailers().unwrap(), trailers);
    assert_eq!(world.records().await.len(), 1);
}

fn bodiless(
    status: StatusCode,
    text: &'static str,
) -> impl tower::Service<
    Request<TestBody>,
    Response = Answer,
    Error = Infallible,
    Future: Send + 'static,
> + Clone
+ Send
+ 'static {
    tower::service_fn(move |_: Request<TestBody>| async move {
        let mut response = Response::new(whole(text));
        *response.status_mut() = status;
        Ok(response)
    })
}

#[tokio::test]
async fn a_head_without_a_body_waits_itself() {
    for (method, status, text) in [
        ("HEAD", StatusCode::OK, "as for GET"),
        ("GET", StatusCode::NO_CONTENT, ""),
        ("GET", StatusCode::NOT_MODIFIED, ""),
        ("GET", StatusCode::OK, ""),
    ] {
        let world = World::start(Setting::default()).await;
        world.store.set(Gate::Shut);
        let service = world.layer(world.options(), bodiless(status, text));
        let mut call = Box::pin(service.oneshot(world.request(method, "/")));
        assert!(futures::poll!(&mut call).is_pending());
        eventually(|| !world.store.batches.lock().unwrap().is_empty()).await;
        assert!(futures::poll!(&mut call).is_pending(), "{method} {status}");
        world.store.set(Gate::Open);
        let response = call.await.unwrap();
        assert_eq!(response.status(), status);
        // The length a GET would have stays known to a HEAD.
        let length = u64::try_from(text.len()).unwrap();
        assert_eq!(response.body().size_hint().exact(), Some(length));
        assert_eq!(world.records().await.len(), 1);
    }
}

#[tokio::test]
async fn a_record_that_is_refused_keeps_the_end_back() {
    let world = World::start(Setting::default()).await;
    world.store.set(Gate::Refuses);
    for length in [Some(3), None] {
        let (frames, response) = streaming(&world, world.options(), length).await;
        frames.unbounded_send(data("all")).unwrap();
        drop(frames);
        let error = response.into_body().collect().await.unwrap_err();
        let refused = matches!(error, BodyError::HeldBack(NotCommitted::NotRecorded(_)));
        assert!(refused, "{error}");
    }
    let service = world.layer(world.options(), bodiless(StatusCode::NO_CONTENT, ""));
    let refused = send(&service, world.get("/")).await;
    assert_eq!(refused.status, 503);
    assert!(refused.body.contains("not_recorded"));
}

#[tokio::test]
async fn a_ledger_that_does_not_answer_in_time_aborts_the_answer() {
    let world = World::start(Setting::default()).await;
    world.store.set(Gate::Shut);
    let options = LayerOptions {
        commit_wait_max: Duration::from_millis(20),
        ..world.options()
    };
    let (frames, response) = streaming(&world, options, Some(3)).await;
    frames.unbounded_send(data("all")).unwrap();
    let error = response.into_body().collect().await.unwrap_err();
    let late = matches!(error, BodyError::HeldBack(NotCommitted::TimedOut));
    assert!(late, "{error}");
    world.store.set(Gate::Open);
    assert_eq!(world.records().await.len(), 1);
}

#[tokio::test]
async fn in_background_mode_nothing_waits_but_a_strict_quota() {
    let world = World::start(Setting::default()).await;
    world.store.set(Gate::Shut);
    let (frames, response) = streaming(&world, world.background(), Some(3)).await;
    frames.unbounded_send(data("all")).unwrap();
    drop(frames);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "all"
    );
    assert_eq!(world.gatekeeper.committer().backlog(), 1);

    let world = World::start(Setting {
        offer: Offer {
            quotas: vec![strict(QuotaWindow::Month, 10)],
            ..Offer::default()
        },
        ..Setting::default()
    })
    .await;
    world.store.set(Gate::Shut);
    let (frames, response) = streaming(&world, world.background(), Some(3)).await;
    let mut body = response.into_body();
    frames.unbounded_send(data("all")).unwrap();
    assert_waits(&world, &mut body).await;
    world.store.set(Gate::Open);
    assert_eq!(text_of(&mut body).await, "all");
}

#[tokio::test]
async fn a_length_that_makes_no_sense_is_taken_off() {
    for lengths in [&["3", "4"][..], &["3", "3"], &["three"], &["+3"]] {
        let world = World::start(Setting::default()).await;
        let (frames, body) = mpsc::unbounded();
        frames.unbounded_send(data("all")).unwrap();
        drop(frames);
        let body = std::sync::Arc::new(std::sync::Mutex::new(Some(body)));
        let upstream = tower::service_fn(move |_: Request<TestBody>| {
            let body = body.lock().unwrap().take().expect("one call");
            let mut response = Response::new(StreamBody::new(body).boxed_unsync());
            for length in lengths {
                response
                    .headers_mut()
                    .append("content-length", HeaderValue::from_static(length));
            }
            async { Ok::<Answer, Infallible>(response) }
        });
        let received = send(&world.layer(world.options(), upstream), world.get("/")).await;
        assert_eq!(
            (received.header("content-length"), received.body.as_str()),
            ("", "all")
        );
        assert_eq!(world.records().await.len(), 1);
    }
}
