use monetization_conformance::engine::Offer;
use monetization_conformance::sample::text;
use monetization_core::engine::{Enabled, EngineContext, EngineErrorKind, Receipt};
use monetization_core::product::{Monetization, Product, ProductState};
use monetization_core::secret::Secret;
use monetization_engine_mock::CONNECTED_ACCOUNT;
use monetization_engine_mock::faults::{Fault, Injection, RecordFault};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;

use super::world::{DAY, HOUR, MINUTE, SECOND, World};

fn refusal(kind: RefusalKind) -> Refusal {
    Refusal::new(kind, "as scripted")
}

#[tokio::test]
async fn each_fault_ends_as_it_says() {
    let throttled = RefusalKind::Throttled {
        retry_after: Some(SECOND * 7),
    };
    let table = [
        (Fault::NotSent, EngineErrorKind::Retryable, 0),
        (
            Fault::Refuse(refusal(throttled.clone())),
            EngineErrorKind::Retryable,
            0,
        ),
        (
            Fault::Refuse(refusal(RefusalKind::Unavailable)),
            EngineErrorKind::Ambiguous,
            0,
        ),
        (
            Fault::Refuse(refusal(RefusalKind::InProgress)),
            EngineErrorKind::Ambiguous,
            0,
        ),
        (
            Fault::Refuse(refusal(RefusalKind::Unauthorized)),
            EngineErrorKind::Unauthorized,
            0,
        ),
        (
            Fault::Refuse(refusal(RefusalKind::Permanent)),
            EngineErrorKind::Permanent,
            0,
        ),
        (
            Fault::Refuse(refusal(RefusalKind::NotFound)),
            EngineErrorKind::NotFound,
            0,
        ),
        (
            Fault::Break(refusal(RefusalKind::Broken)),
            EngineErrorKind::Ambiguous,
            0,
        ),
        (Fault::LoseCall, EngineErrorKind::Ambiguous, 0),
        (Fault::LoseReply, EngineErrorKind::Ambiguous, 1),
        (Fault::Garble { done: false }, EngineErrorKind::Ambiguous, 0),
        (Fault::Garble { done: true }, EngineErrorKind::Ambiguous, 1),
        (
            Fault::FailAfter(refusal(RefusalKind::Broken)),
            EngineErrorKind::Ambiguous,
            1,
        ),
        (
            Fault::FailAfter(refusal(throttled)),
            EngineErrorKind::Retryable,
            1,
        ),
        (Fault::Delay(SECOND * 11), EngineErrorKind::Ambiguous, 1),
    ];
    for (fault, kind, done) in table {
        let world = World::new();
        world.control.inject(Injection::next(fault.clone()));
        let error = world
            .billing()
            .ensure_customer(&world.cx(), &world.consumer())
            .await
            .unwrap_err();
        assert_eq!(error.kind(), &kind, "{fault:?}");
        assert_eq!(world.control.customers().len(), done, "{fault:?}");
        let wait = matches!(&fault, Fault::Refuse(refusal) | Fault::FailAfter(refusal)
            if matches!(refusal.kind, RefusalKind::Throttled { .. }));
        assert_eq!(error.wait(), wait.then_some(SECOND * 7), "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_in_time_arrives() {
    let world = World::new();
    world
        .control
        .inject(Injection::next(Fault::Delay(SECOND * 10)));
    world
        .billing()
        .ensure_customer(&world.cx(), &world.consumer())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_fault_befalls_the_calls_it_was_meant_for() {
    let world = World::new();
    let ask = || async {
        world
            .billing()
            .ensure_customer(&world.cx(), &world.consumer())
            .await
            .is_ok()
    };
    world.control.inject(
        Injection::next(Fault::NotSent)
            .on(Operation::EnsureCustomer)
            .after(1)
            .times(2),
    );
    world
        .control
        .inject(Injection::next(Fault::NotSent).on(Operation::VoidInvoice));
    let plan = world
        .billing()
        .create_billing_plan(&world.cx(), &world.version(Offer::FIXED))
        .await;
    plan.unwrap();
    let answered = [ask().await, ask().await, ask().await, ask().await];
    assert_eq!(answered, [true, false, false, true]);
    world
        .control
        .inject(Injection::next(Fault::NotSent).always());
    assert_eq!([ask().await, ask().await, ask().await], [false; 3]);
    world.control.clear_faults();
    assert!(ask().await);
}

#[tokio::test]
async fn a_failure_within_is_given_again_until_the_provider_forgets_it() {
    let world = World::new();
    let consumer = world.consumer();
    let cx = world.cx();
    world
        .control
        .inject(Injection::next(Fault::Break(refusal(RefusalKind::Broken))));
    for _ in 0..3 {
        let error = world
            .billing()
            .ensure_customer(&cx, &consumer)
            .await
            .unwrap_err();
        assert!(error.may_have_taken_effect(), "{error:?}");
        world.control.advance(HOUR * 7).unwrap();
    }
    assert!(world.control.customers().is_empty());
    world.control.advance(HOUR * 3).unwrap();
    world
        .billing()
        .ensure_customer(&cx, &consumer)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_held_call_lets_others_pass() {
    let world = World::new();
    let (held, other) = (world.consumer(), world.consumer());
    let (engine, cx, also) = (world.billing(), world.cx(), held.clone());
    world.control.inject(Injection::next(Fault::Hold));
    let call = tokio::spawn(async move { engine.ensure_customer(&cx, &also).await });
    tokio::task::yield_now().await;
    world
        .billing()
        .ensure_customer(&world.cx(), &other)
        .await
        .unwrap();
    assert_eq!(world.control.customers().len(), 1);
    assert_eq!(world.control.customers()[0].consumer, other.id);
    world.control.release();
    call.await.unwrap().unwrap();
    assert_eq!(world.control.customers()[1].consumer, held.id);
}

#[tokio::test]
async fn of_a_hundred_records_the_one_that_failed_is_sent_again_and_all_count_once_e5() {
    let not_sent = RecordFault::NotSent { retry_after: None };
    for fault in [RecordFault::NotTaken, RecordFault::ReceiptLost, not_sent] {
        let world = World::new();
        let running = world.running(Offer::A_CENT_EACH).await;
        let records = world.ones(&running, 100);
        world
            .control
            .inject(Injection::next(Fault::Record { index: 36, fault }));
        let receipts = world.usage().publish(&world.cx(), &records).await.unwrap();
        let failed: Vec<usize> = (0..100)
            .filter(|index| receipts[*index] != Receipt::Accepted)
            .collect();
        assert_eq!(failed, [36]);
        let again = world
            .usage()
            .publish(&world.cx(), &records[36..37])
            .await
            .unwrap();
        let expected = match fault {
            RecordFault::NotTaken | RecordFault::NotSent { .. } => Receipt::Accepted,
            RecordFault::ReceiptLost | RecordFault::Rejected | RecordFault::RejectedLater => {
                Receipt::Duplicate
            }
        };
        assert_eq!(again, [expected]);
        assert_eq!(world.total(&running), 100);
    }
}

#[tokio::test]
async fn a_record_that_is_rejected_on_demand_is_not_counted() {
    let world = World::new();
    let running = world.running(Offer::A_CENT_EACH).await;
    let fault = Fault::Record {
        index: 1,
        fault: RecordFault::Rejected,
    };
    world
        .control
        .inject(Injection::next(fault).on(Operation::TakeUsage));
    let receipts = world
        .usage()
        .publish(&world.cx(), &world.ones(&running, 3))
        .await
        .unwrap();
    assert!(matches!(
        receipts.as_slice(),
        [
            Receipt::Accepted,
            Receipt::Rejected { .. },
            Receipt::Accepted
        ]
    ));
    assert_eq!(world.total(&running), 2);
}

#[tokio::test]
async fn a_record_that_is_rejected_later_is_known_and_not_counted_and_a_message_says_so_r_p7() {
    let world = World::new();
    let running = world.running(Offer::A_CENT_EACH).await;
    let fault = Fault::Record {
        index: 1,
        fault: RecordFault::RejectedLater,
    };
    world
        .control
        .inject(Injection::next(fault).on(Operation::TakeUsage));
    world.control.take_deliveries().unwrap();
    let records = world.ones(&running, 3);
    for expected in [Receipt::Accepted, Receipt::Duplicate] {
        let receipts = world.usage().publish(&world.cx(), &records).await.unwrap();
        assert_eq!(receipts, vec![expected; 3]);
        assert_eq!(world.total(&running), 2);
    }
    let told = world.control.take_deliveries().unwrap();
    assert_eq!(told.len(), 1);
    let told = String::from_utf8(told[0].body.clone()).unwrap();
    assert!(
        told.contains(&format!(r#""object":"{}""#, records[1].batch)),
        "{told}"
    );
    assert!(told.contains(r#""type":"usage.rejected""#), "{told}");
}

#[tokio::test]
async fn two_tenants_at_once_never_cross_their_credentials_j3() {
    let world = World::new();
    let mut calls = Vec::new();
    for tenant in ["one", "two"] {
        for call in 0..50 {
            let (engine, consumer) = (world.billing(), world.consumer());
            let cx = EngineContext {
                credentials: Some(Secret::new(format!("secret of {tenant}"))),
                account: Some(text(&format!("acct_{tenant}"))),
                ..world.keyed(&format!("{tenant}/{call}"))
            };
            calls.push(tokio::spawn(async move {
                engine.ensure_customer(&cx, &consumer).await
            }));
        }
    }
    for call in calls {
        call.await.unwrap().unwrap();
    }
    let seen = world.control.calls();
    assert_eq!(seen.len(), 100);
    for call in seen {
        let tenant = call.key.split('/').next().unwrap();
        assert_eq!(
            call.credentials.unwrap().reveal(),
            format!("secret of {tenant}")
        );
        assert_eq!(call.account.unwrap().as_str(), format!("acct_{tenant}"));
        assert_eq!(call.operation, Operation::EnsureCustomer);
    }
}

#[tokio::test]
async fn one_plan_that_fails_does_not_undo_the_others() {
    let world = World::new();
    let product = product(&world, None);
    let plans = [(); 3].map(|()| {
        let mut plan = world.version(Offer::FIXED);
        plan.product = product.id;
        plan
    });
    let fault = Fault::Refuse(refusal(RefusalKind::Permanent));
    world
        .control
        .inject(Injection::next(fault).on(Operation::EnsurePlan).after(1));
    let enabled = world
        .billing()
        .enable_monetization(&world.cx(), &product, &plans)
        .await
        .unwrap();
    let failed: Vec<_> = plans
        .iter()
        .filter(|plan| matches!(enabled[&plan.id], Enabled::Failed(_)))
        .collect();
    assert_eq!(failed, [&plans[1]]);
    assert_eq!(world.control.plans().len(), 2);
}

#[tokio::test]
async fn a_product_that_names_another_account_is_not_sold() {
    let world = World::new();
    let product = product(&world, Some("acct_a"));
    let enable = |account: Option<&str>| {
        let cx = EngineContext {
            account: account.map(text),
            ..world.cx()
        };
        let (engine, product) = (world.billing(), product.clone());
        async move {
            engine
                .enable_monetization(&cx, &product, &[])
                .await
                .map(drop)
        }
    };
    enable(Some("acct_a")).await.unwrap();
    for other in [None, Some("acct_b")] {
        let error = enable(other).await.unwrap_err();
        let attribute = CONNECTED_ACCOUNT.to_owned();
        assert_eq!(error.kind(), &EngineErrorKind::Misconfigured { attribute });
    }
}

#[test]
fn the_descriptor_says_what_the_rules_say() {
    let descriptor = World::new().mock.engine().descriptor;
    assert_eq!(descriptor.id.as_str(), "mock");
    let limits = descriptor.limits;
    assert_eq!((limits.deduplicates_for, limits.age_max), (DAY, DAY * 35));
    assert_eq!(
        (limits.ahead_max, limits.grace, limits.batch_max),
        (MINUTE * 5, HOUR, 100)
    );
    let shapes = descriptor.shapes;
    assert!(shapes.base && shapes.setup && shapes.per_unit && shapes.included);
    let attributes: Vec<_> = descriptor
        .attributes
        .iter()
        .map(|known| (known.name.as_str(), known.required))
        .collect();
    assert_eq!(attributes, [("ConnectedAccountKey", false)]);
}

fn product(world: &World, account: Option<&str>) -> Product {
    let now = world.control.now();
    let attributes = account.map(|account| (CONNECTED_ACCOUNT.to_owned(), account.to_owned()));
    Product {
        id: world.id(),
        tenant: world.id(),
        publisher: world.id(),
        slug: text("weather"),
        name: text("Weather"),
        description: text("Forecasts"),
        gateway_endpoint: text("https://api.example.com"),
        state: ProductState::Active,
        meters: vec![Offer::FIXED.meter()],
        resources: Vec::new(),
        monetization: Some(Monetization {
            attributes: attributes.into_iter().collect(),
            enabled_at: now,
        }),
        created_at: now,
    }
}
