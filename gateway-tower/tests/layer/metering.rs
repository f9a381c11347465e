//! Exactly one record for every call the upstream saw: R-M2, R-M6, R-G10, R-M4.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use monetization_core::plan::{Billable, MeteringPolicy, QuotaWindow, UnbilledCall};
use monetization_core::runtime::{CommitterOptions, GatekeeperOptions};
use monetization_core::usage::{Ending, Outcome};
use monetization_gateway_tower::BodyError;
use tokio::sync::Notify;
use tower::ServiceExt;

use crate::support::{
    Broken, Gate, Offer, Setting, TestBody, World, counted, eventually, ok, send, strict, whole,
};

type Answer = Response<TestBody>;

/// What an upstream may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Conduct {
    Answers(u16),
    /// After the head and a part of the body.
    BreaksOff(u16),
    GivesNoAnswer,
    PanicsAtOnce,
    PanicsLater,
    PanicsInBody,
}

async fn behave(conduct: Conduct) -> Result<Answer, Broken> {
    let answer = |status: u16, body| {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok(response)
    };
    let part = || Ok(Frame::data(Bytes::from_static(b"part")));
    match conduct {
        Conduct::Answers(status) => answer(status, whole("whole")),
        Conduct::BreaksOff(status) => {
            let frames = [part(), Err(Broken("reset"))];
            answer(
                status,
                StreamBody::new(futures::stream::iter(frames)).boxed_unsync(),
            )
        }
        Conduct::GivesNoAnswer => Err(Broken("no route")),
        Conduct::PanicsAtOnce => unreachable!("it panics before"),
        Conduct::PanicsLater => {
            tokio::task::yield_now().await;
            panic!("the handler panics");
        }
        Conduct::PanicsInBody => {
            let frames = (0..).map(move |index| {
                if index == 0 {
                    part()
                } else {
                    panic!("the body panics")
                }
            });
            answer(
                200,
                StreamBody::new(futures::stream::iter(frames)).boxed_unsync(),
            )
        }
    }
}

fn upstream(
    conduct: Conduct,
) -> impl tower::Service<Request<TestBody>, Response = Answer, Error = Broken, Future: Send + 'static>
+ Clone
+ Send
+ 'static {
    tower::service_fn(move |_: Request<TestBody>| {
        assert_ne!(conduct, Conduct::PanicsAtOnce, "the service panics");
        behave(conduct)
    })
}

/// What one call to such an upstream leaves in the ledger: how it ended and what is billed.
async fn ledger_of(
    conduct: Conduct,
    metering: MeteringPolicy,
) -> (Option<Outcome>, i64, Option<u16>) {
    let world = World::start(Setting {
        offer: Offer {
            metering,
            ..Offer::default()
        },
        ..Setting::default()
    })
    .await;
    let service = world.layer(world.options(), upstream(conduct));
    let response = service.oneshot(world.get("/")).await.unwrap();
    let status = response.status().as_u16();
    let received = response.into_body().collect().await;
    let records = world.records().await;
    assert_eq!(records.len(), 1, "{conduct:?}");
    let whole = received.is_ok().then_some(status);
    (
        records[0].outcome,
        records[0].counted[0].quantity.scaled(),
        whole,
    )
}

fn policy(bill: Billable) -> MeteringPolicy {
    MeteringPolicy {
        bill,
        unbilled: UnbilledCall::GivesBack,
    }
}

#[tokio::test]
async fn every_ending_is_recorded_once_and_billed_by_the_policy_r_m6() {
    let outcome = |status, ending| Some(Outcome { status, ending });
    // The outcome; billed by attempt, success, non_5xx; the status of a whole answer.
    let table = [
        (
            Conduct::Answers(200),
            outcome(Some(200), Ending::Complete),
            [1, 1, 1],
            Some(200),
        ),
        (
            Conduct::Answers(404),
            outcome(Some(404), Ending::Complete),
            [1, 0, 1],
            Some(404),
        ),
        (
            Conduct::Answers(503),
            outcome(Some(503), Ending::Complete),
            [1, 0, 0],
            Some(503),
        ),
        (
            Conduct::BreaksOff(200),
            outcome(Some(200), Ending::UpstreamBroke),
            [1, 0, 0],
            None,
        ),
        (
            Conduct::BreaksOff(500),
            outcome(Some(500), Ending::UpstreamBroke),
            [1, 0, 0],
            None,
        ),
        (
            Conduct::GivesNoAnswer,
            outcome(None, Ending::NoAnswer),
            [1, 0, 0],
            Some(502),
        ),
        (
            Conduct::PanicsLater,
            outcome(None, Ending::Failed),
            [0, 0, 0],
            Some(500),
        ),
    ];
    for (conduct, expected, billed, status) in table {
        let policies = [Billable::Attempt, Billable::Success, Billable::Non5xx];
        for (bill, billed) in policies.into_iter().zip(billed) {
            let found = ledger_of(conduct, policy(bill)).await;
            assert_eq!(found, (expected, billed, status), "{conduct:?} {bill:?}");
        }
    }
}

#[tokio::test]
async fn a_panic_behind_the_layer_is_500_or_an_abort_and_leaves_its_record_r_g10() {
    for conduct in [Conduct::PanicsAtOnce, Conduct::PanicsLater] {
        let (outcome, billed, status) = ledger_of(conduct, policy(Billable::Attempt)).await;
        assert_eq!(outcome.unwrap().ending, Ending::Failed);
        assert_eq!((billed, status), (0, Some(500)));
    }
    let in_body = ledger_of(Conduct::PanicsInBody, policy(Billable::Attempt)).await;
    let outcome = Outcome {
        status: Some(200),
        ending: Ending::Failed,
    };
    assert_eq!(in_body, (Some(outcome), 0, None));
}

#[tokio::test]
async fn a_client_that_leaves_before_the_head_is_recorded_with_what_the_upstream_answered() {
    for (conduct, expected) in [
        (Conduct::Answers(200), (Some(200), Ending::ClientGone)),
        (Conduct::GivesNoAnswer, (None, Ending::NoAnswer)),
        (Conduct::PanicsLater, (None, Ending::Failed)),
    ] {
        let world = World::start(Setting::default()).await;
        let answers = Arc::new(Notify::new());
        let waits = Arc::clone(&answers);
        let slow = tower::service_fn(move |_: Request<TestBody>| {
            let waits = Arc::clone(&waits);
            async move {
                waits.notified().await;
                behave(conduct).await
            }
        });
        let mut call = Box::pin(world.layer(world.options(), slow).oneshot(world.get("/")));
        assert!(futures::poll!(&mut call).is_pending());
        drop(call);
        assert_eq!(world.gatekeeper.committer().backlog(), 1);
        answers.notify_one();
        let records = world.records().await;
        let outcome = records[0].outcome.unwrap();
        assert_eq!((outcome.status, outcome.ending), expected);
    }
}

#[tokio::test]
async fn a_client_that_leaves_within_the_body_is_recorded_and_charged() {
    let world = World::start(Setting::default()).await;
    let service = world.layer(world.options(), endless());
    let mut body = service.oneshot(world.get("/")).await.unwrap().into_body();
    assert!(body.frame().await.unwrap().is_ok());
    drop(body);
    let records = world.records().await;
    let outcome = Outcome {
        status: Some(200),
        ending: Ending::ClientGone,
    };
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].outcome, Some(outcome));
    assert_eq!(records[0].counted[0].quantity.scaled(), 1);
}

fn endless()
-> impl tower::Service<Request<TestBody>, Response = Answer, Error = Infallible, Future: Send + 'static>
+ Clone
+ Send
+ 'static {
    tower::service_fn(|_: Request<TestBody>| async {
        let frame = || Ok::<_, Broken>(Frame::data(Bytes::from_static(b"part")));
        let body = StreamBody::new(futures::stream::repeat_with(frame));
        Ok(Response::new(body.boxed_unsync()))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_quota_lets_exactly_so_many_through_under_64_callers() {
    let world = Arc::new(
        World::start(Setting {
            offer: Offer {
                quotas: vec![strict(QuotaWindow::Month, 500)],
                ..Offer::default()
            },
            ..Setting::default()
        })
        .await,
    );
    let (seen, service) = counted();
    // Also where the gateway does not wait for its records.
    let service = world.layer(world.background(), service);
    let callers = (0..64).map(|_| {
        let (world, service) = (Arc::clone(&world), service.clone());
        tokio::spawn(async move {
            let mut passed = 0_usize;
            for _ in 0..20 {
                match send(&service, world.get("/")).await.status {
                    200 => passed += 1,
                    429 | 503 => {}
                    other => panic!("{other}"),
                }
            }
            passed
        })
    });
    let mut passed = 0;
    for caller in callers.collect::<Vec<_>>() {
        passed += caller.await.unwrap();
    }
    assert_eq!(passed, 500);
    assert_eq!(seen.load(Ordering::SeqCst), 500);
    let records = world.records().await;
    assert_eq!(records.len(), 500);
    assert!(records.iter().all(|record| record.spent[0].lease.is_some()));
    assert_eq!(send(&service, world.get("/")).await.status, 429);
}

#[tokio::test]
async fn a_call_that_is_not_billed_gives_its_unit_back() {
    let world = World::start(Setting {
        offer: Offer {
            quotas: vec![strict(QuotaWindow::Month, 2)],
            ..Offer::default()
        },
        ..Setting::default()
    })
    .await;
    let failing = world.layer(world.options(), upstream(Conduct::Answers(500)));
    for _ in 0..5 {
        assert_eq!(send(&failing, world.get("/")).await.status, 500);
    }
    let service = world.layer(world.options(), ok());
    for status in [200, 200, 429] {
        assert_eq!(send(&service, world.get("/")).await.status, status);
    }
    assert_eq!(world.records().await.len(), 7);
}

fn narrow(queue_max: usize) -> Setting {
    let committer = CommitterOptions {
        queue_max,
        ..CommitterOptions::default()
    };
    Setting {
        gatekeeper: GatekeeperOptions {
            committer,
            ..GatekeeperOptions::default()
        },
        ..Setting::default()
    }
}

#[tokio::test]
async fn a_full_queue_refuses_calls_and_loses_none_r_m4() {
    let world = World::start(narrow(100)).await;
    world.store.set(Gate::Shut);
    let service = world.layer(world.background(), ok());
    for _ in 0..100 {
        assert_eq!(send(&service, world.get("/")).await.status, 200);
    }
    for _ in 0..50 {
        let refused = send(&service, world.get("/")).await;
        assert_eq!(refused.status, 503);
        assert_eq!(refused.header("Retry-After"), "1");
    }
    assert_eq!(world.gatekeeper.committer().backlog(), 100);
    world.store.set(Gate::Open);
    assert_eq!(world.records().await.len(), 100);
    assert_eq!(send(&service, world.get("/")).await.status, 200);
}

#[tokio::test]
async fn records_wait_for_a_store_that_comes_back_r_m4() {
    let world = World::start(Setting::default()).await;
    let service = world.layer(world.background(), ok());
    world.store.set(Gate::Away);
    for _ in 0..10 {
        assert_eq!(send(&service, world.get("/")).await.status, 200);
    }
    let committer = world.gatekeeper.committer();
    eventually(|| committer.failing_for().is_some()).await;
    assert_eq!(committer.backlog(), 10);
    world.store.set(Gate::Open);
    assert_eq!(world.records().await.len(), 10);
    assert_eq!(committer.failing_for(), None);
}

#[tokio::test]
async fn a_shutdown_lets_calls_that_are_under_way_end_and_no_others_in_r_m4() {
    let world = World::without_runner(Setting::default()).await;
    let running = world.run();
    let answers = Arc::new(Notify::new());
    let waits = Arc::clone(&answers);
    let slow = tower::service_fn(move |_: Request<TestBody>| {
        let waits = Arc::clone(&waits);
        async move {
            waits.notified().await;
            Ok::<Answer, Infallible>(Response::new(whole("late")))
        }
    });
    let service = world.layer(world.options(), slow);
    let mut calls: Vec<_> = (0..8)
        .map(|_| Box::pin(send(&service, world.get("/"))))
        .collect();
    for call in &mut calls {
        assert!(futures::poll!(call).is_pending());
    }
    world.gatekeeper.shutdown();
    assert_eq!(send(&service, world.get("/")).await.status, 503);
    assert!(!running.is_finished());
    answers.notify_waiters();
    for received in futures::future::join_all(calls).await {
        assert_eq!((received.status, received.body.as_str()), (200, "late"));
    }
    tokio::time::timeout(Duration::from_secs(10), running)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(world.records().await.len(), 8);
}

/// The reader of news was kept, holding the feed, while the end waited for that: for ever.
#[tokio::test]
async fn a_shutdown_ends_while_news_are_being_read() {
    let world = World::without_runner(Setting::default()).await;
    world.store.set(Gate::Deaf);
    let running = world.run();
    eventually(|| world.store.is_asked_for_news.load(Ordering::SeqCst)).await;
    world.gatekeeper.shutdown();
    tokio::time::timeout(Duration::from_secs(10), running)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn an_answer_shorter_than_announced_is_the_upstreams_failure() {
    let world = World::start(Setting::default()).await;
    let short = tower::service_fn(|_: Request<TestBody>| async {
        let mut response = Response::new(whole("short"));
        response.headers_mut().insert("content-length", 10.into());
        Ok::<Answer, Infallible>(response)
    });
    let service = world.layer(world.options(), short);
    let body = service.oneshot(world.get("/")).await.unwrap().into_body();
    let error = body.collect().await.unwrap_err();
    assert!(matches!(error, BodyError::TooShort), "{error}");
    let records = world.records().await;
    assert_eq!(records[0].outcome.unwrap().ending, Ending::UpstreamBroke);
}
