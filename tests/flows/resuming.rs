//! Operations at the engine that wait, that are given up, and that are carried out again.

use monetization_core::engine::CancelMode;
use monetization_core::flows::{FlowError, OperationsReport};
use monetization_core::ids::SubscriptionId;
use monetization_core::intent::ParkedIntent;
use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::subscription::SubscriptionState;
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;

use crate::database::Database;
use crate::world::{HOUR, World};

const FIXED: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;
const METERED: &str = r#"{"billing":"metered","currency":"USD","cycle":"month",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

fn refusal(kind: RefusalKind) -> Injection {
    Injection::next(Fault::Refuse(Refusal::new(kind, "not today")))
}

async fn parked(world: &World) -> Vec<ParkedIntent> {
    let parked = world.store.parked_intents(world.tenant_id(), None, 10);
    parked.await.unwrap()
}

async fn run(world: &World) -> OperationsReport {
    world.monetizer.run_jobs().await.unwrap().operations
}

/// Orders what costs something before the first call.
async fn order(world: &World) -> SubscriptionId {
    let (plan, _) = world.plan(FIXED).await;
    world.subscribe(&plan).await.subscription.id
}

#[tokio::test]
async fn an_operation_that_was_given_up_is_carried_out_once_it_is_resumed() {
    let world = World::new(Invoicing::ByCore).await;
    let (tenant, monetizer) = (world.tenant_id(), &world.monetizer);
    world
        .provider
        .inject(refusal(RefusalKind::Permanent).on(Operation::IssueInvoice));
    let id = order(&world).await;
    assert_eq!(run(&world).await.parked, 1);
    let given_up = parked(&world).await.remove(0);
    assert!(given_up.parking.reason.contains("not today"));
    assert_eq!(given_up.parking.parked_at, world.clock.now());
    world.pass(HOUR).await;
    assert_eq!(run(&world).await, OperationsReport::default());

    let operation = given_up.intent.id;
    for _ in 0..2 {
        // The same order again, because its reply was lost.
        monetizer.resume_operation(tenant, operation).await.unwrap();
    }
    assert_eq!(parked(&world).await, []);
    assert_eq!(run(&world).await.done, 1);
    assert_eq!(world.invoices(id).await[0].state, InvoiceState::Open);
    assert_eq!(world.provider.invoices().len(), 1);
    let done = monetizer.resume_operation(tenant, operation).await;
    assert!(matches!(done, Err(FlowError::NotFound { .. })), "{done:?}");
}

/// A key that was exchanged too early ends nothing for good: it is tried again within the hour.
#[tokio::test]
async fn operations_wait_for_an_operator_while_the_credentials_are_refused() {
    let world = World::new(Invoicing::ByCore).await;
    let refused = refusal(RefusalKind::Unauthorized).on(Operation::IssueInvoice);
    world.provider.inject(refused.always());
    let id = order(&world).await;
    for _ in 0..24 {
        let report = run(&world).await;
        assert_eq!((report.postponed, report.parked), (1, 0));
        let (_, why) = &report.waiting[0];
        assert!(why.contains("does not accept the credentials"), "{why}");
        world.pass(HOUR).await;
    }
    world.provider.clear_faults();
    assert_eq!(run(&world).await.done, 1);
    assert_eq!(world.invoices(id).await[0].state, InvoiceState::Open);
}

/// Whether the engine is not reached or never heard of again, what was promised is asked for in the end; and
/// somebody learns of it meanwhile.
#[tokio::test]
async fn an_outage_of_forty_days_gives_no_operation_up() {
    for away in [Fault::NotSent, Fault::LoseReply] {
        let world = World::new(Invoicing::ByCore).await;
        let (_, key) = world.subscriber(METERED).await;
        world.calls(&key, 3).await;
        let away = Injection::next(away).on(Operation::IssueInvoice);
        world.provider.inject(away.always());
        world.pass_until("2026-02-01T12:00:00Z").await;
        let mut told = 0;
        for _ in 0..40 * 6 {
            let report = run(&world).await;
            assert_eq!(report.parked, 0);
            told += report.waiting.len();
            world.pass(4 * HOUR).await;
        }
        assert!(told > 200, "{told}");
        world.provider.clear_faults();
        world.settle().await;
        let there = world.provider.invoices();
        let totals: Vec<i64> = there.iter().map(|invoice| invoice.total.minor()).collect();
        assert_eq!(totals, [3]);
        assert_eq!(parked(&world).await, []);
    }
}

/// Whoever closes says that the engine still bills it, and writes nothing while nothing changes.
#[tokio::test]
async fn a_cancellation_that_was_given_up_is_told_until_it_is_resumed() {
    let database = Database::new();
    let world = World::kept_in(&database, Invoicing::ByEngine).await;
    let (of, _) = world.subscriber(METERED).await;
    world
        .provider
        .inject(refusal(RefusalKind::Permanent).on(Operation::EndSubscription));
    world.pass(HOUR).await;
    world.cancel(of.id, CancelMode::Now).await;
    let mut given_up = 0;
    for _ in 0..4 {
        given_up += run(&world).await.parked;
    }
    assert_eq!(given_up, 1);
    let given_up = parked(&world).await.remove(0);
    let changes = changes(&database).await;
    for _ in 0..3 {
        let closed = world.monetizer.run_jobs().await.unwrap().closed;
        let [(id, why)] = &closed.parked[..] else {
            panic!("{closed:?}");
        };
        assert_eq!(*id, of.id);
        let named = why.contains(&given_up.intent.id.to_string());
        assert!(named && why.contains("not today"), "{why}");
    }
    assert_eq!(self::changes(&database).await, changes);
    let resumed = world
        .monetizer
        .resume_operation(of.tenant, given_up.intent.id);
    resumed.await.unwrap();
    let report = world.monetizer.run_jobs().await.unwrap();
    assert_eq!((report.closed.parked.len(), report.operations.done), (0, 1));
    let ended = world.subscription(of.id).await;
    assert_eq!(ended.state, SubscriptionState::Ended);
}

/// How many changes were applied.
async fn changes(database: &Database) -> i64 {
    let mut connection = database.connect().await;
    let count = sqlx::query_scalar("SELECT count(*) FROM change_set");
    count.fetch_one(&mut connection).await.unwrap()
}
