use std::fs;

use monetization_conformance::engine::Offer;
use monetization_conformance::sample::START;
use monetization_core::engine::{CancelMode, Receipt};
use monetization_engine_mock::provider::{PaymentBehaviour, Rules};
use monetization_engine_mock::{
    JournalError, JournalPlace, MemoryJournal, MockEngine, MockOptions,
};
use tempfile::TempDir;

use super::world::{DAY, HOUR, MINUTE, SECOND, World};

fn options(folder: &TempDir) -> MockOptions {
    MockOptions::in_file(folder.path().join("provider.jsonl"), START)
}

/// A life with a bit of everything in it.
async fn live(world: &World) {
    let paying = world
        .running(Offer {
            base_price: "5",
            ..Offer::A_CENT_EACH
        })
        .await;
    let declining = world.running(Offer::FIXED).await;
    world
        .control
        .pay(paying.start.payment_url.as_ref().unwrap())
        .unwrap();
    world
        .control
        .set_payment_behaviour(&declining.customer, PaymentBehaviour::Declines)
        .unwrap();
    world
        .usage()
        .publish(&world.cx(), &world.ones(&paying, 3))
        .await
        .unwrap();
    let first = world.control.deliveries().remove(0).id;
    world.control.delivered(&[first]).unwrap();
    world.control.advance(DAY * 40).unwrap();
    let engine = world.billing();
    let cancelled = engine
        .cancel_subscription(&world.cx(), &paying.start.external, CancelMode::Now)
        .await;
    cancelled.unwrap();
}

fn everything(world: &World) -> String {
    let control = &world.control;
    let pending: Vec<_> = control
        .deliveries()
        .into_iter()
        .map(|delivery| (delivery.id, delivery.body))
        .collect();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {pending:?}",
        control.now(),
        control.plans(),
        control.customers(),
        control.subscriptions(),
        control.invoices()
    )
}

#[tokio::test]
async fn a_journal_read_again_gives_the_same_provider() {
    let folder = TempDir::new().unwrap();
    let world = World::of(MockEngine::open(options(&folder)).unwrap(), 3);
    live(&world).await;
    let before = everything(&world);
    drop(world);
    let reopened = World::of(MockEngine::open(options(&folder)).unwrap(), 4);
    assert_eq!(everything(&reopened), before);
    assert!(
        reopened.mock.recovered().steps > 10,
        "{:?}",
        reopened.mock.recovered()
    );
    assert_eq!(reopened.mock.recovered().torn_bytes, 0);
}

#[tokio::test]
async fn keys_and_identifiers_are_remembered_across_a_restart() {
    let folder = TempDir::new().unwrap();
    let world = World::of(MockEngine::open(options(&folder)).unwrap(), 3);
    let consumer = world.consumer();
    let cx = world.cx();
    let customer = world
        .billing()
        .ensure_customer(&cx, &consumer)
        .await
        .unwrap();
    let running = world.running(Offer::A_CENT_EACH).await;
    let records = world.ones(&running, 2);
    world.usage().publish(&world.cx(), &records).await.unwrap();
    let (stranger, again) = (world.consumer(), world.cx());
    drop(world);

    let reopened = World::of(MockEngine::open(options(&folder)).unwrap(), 4);
    assert_eq!(
        reopened
            .billing()
            .ensure_customer(&cx, &consumer)
            .await
            .unwrap(),
        customer
    );
    reopened
        .billing()
        .ensure_customer(&cx, &stranger)
        .await
        .unwrap_err();
    let receipts = reopened.usage().publish(&again, &records).await.unwrap();
    assert_eq!(receipts, [Receipt::Duplicate, Receipt::Duplicate]);
    assert_eq!(reopened.total(&running), 2);
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_and_reported() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("provider.jsonl");
    let world = World::of(MockEngine::open(options(&folder)).unwrap(), 3);
    live(&world).await;
    drop(world);
    let whole = fs::read(&path).unwrap();
    for cut in (1..whole.len()).rev().step_by(97) {
        let finished = whole[..cut].iter().filter(|byte| **byte == b'\n').count();
        if finished == 0 {
            continue;
        }
        fs::write(&path, &whole[..cut]).unwrap();
        let recovered = MockEngine::open(options(&folder)).unwrap().recovered();
        let last_line = whole[..cut]
            .iter()
            .rposition(|byte| *byte == b'\n')
            .unwrap();
        assert_eq!(recovered.steps, finished - 1);
        assert_eq!(recovered.torn_bytes, cut - last_line - 1);
        let again = MockEngine::open(options(&folder)).unwrap().recovered();
        assert_eq!((again.steps, again.torn_bytes), (finished - 1, 0));
    }
}

#[tokio::test]
async fn a_line_in_the_middle_that_makes_no_sense_is_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("provider.jsonl");
    let world = World::of(MockEngine::open(options(&folder)).unwrap(), 3);
    live(&world).await;
    drop(world);
    let mut lines: Vec<String> = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines[2] = "{\"step\":\"dance\"}".to_owned();
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let error = MockEngine::open(options(&folder)).unwrap_err();
    assert!(
        matches!(error, JournalError::Corrupt { line: 3, .. }),
        "{error:?}"
    );
}

#[test]
fn a_journal_goes_on_under_the_rules_it_was_begun_with() {
    let folder = TempDir::new().unwrap();
    MockEngine::open(options(&folder)).unwrap();
    let rules = Rules {
        grace: HOUR * 2,
        ..Rules::default()
    };
    let error = MockEngine::open(options(&folder).with_rules(rules)).unwrap_err();
    assert!(matches!(error, JournalError::OtherRules), "{error:?}");
}

#[tokio::test]
async fn a_journal_in_memory_outlives_its_provider() {
    let memory = MemoryJournal::default();
    let options = MockOptions::in_memory(START).with_journal(JournalPlace::Memory(memory.clone()));
    let world = World::of(MockEngine::open(options.clone()).unwrap(), 3);
    live(&world).await;
    let before = everything(&world);
    drop(world);
    let reopened = World::of(MockEngine::open(options).unwrap(), 4);
    assert_eq!(everything(&reopened), before);
    assert!(!memory.bytes().is_empty());
}

#[tokio::test]
async fn the_journal_holds_no_credentials() {
    let memory = MemoryJournal::default();
    let options = MockOptions::in_memory(START).with_journal(JournalPlace::Memory(memory.clone()));
    let world = World::of(MockEngine::open(options).unwrap(), 3);
    live(&world).await;
    let text = String::from_utf8(memory.bytes()).unwrap();
    assert!(!text.contains("canary"), "{text}");
    for secret in world.control.webhook_secrets() {
        assert!(!text.contains(secret.reveal()));
    }
}

#[test]
fn a_clock_set_each_second_writes_a_line_a_minute() {
    let memory = MemoryJournal::default();
    let options = MockOptions::in_memory(START).with_journal(JournalPlace::Memory(memory.clone()));
    let mock = MockEngine::open(options.clone()).unwrap();
    for _ in 0..600 {
        mock.control().advance(SECOND).unwrap();
    }
    let lines = memory.bytes().iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, 1 + 10);
    let reopened = MockEngine::open(options).unwrap().control().now();
    assert!(mock.control().now().saturating_since(reopened) < MINUTE);
}

#[test]
fn a_clock_is_never_set_back() {
    let world = World::new();
    world.control.advance(DAY).unwrap();
    world.control.set(START).unwrap();
    assert_eq!(world.control.now(), START.saturating_add(DAY));
}

#[test]
fn a_journal_in_a_file_has_one_provider_at_a_time() {
    let folder = TempDir::new().unwrap();
    let first = MockEngine::open(options(&folder)).unwrap();
    let error = MockEngine::open(options(&folder)).unwrap_err();
    assert!(matches!(error, JournalError::InUse), "{error:?}");
    drop(first);
    MockEngine::open(options(&folder)).unwrap();
}

#[test]
fn a_journal_that_cannot_be_made_is_an_error() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("no such folder").join("provider.jsonl");
    let error = MockEngine::open(MockOptions::in_file(missing, START)).unwrap_err();
    assert!(matches!(error, JournalError::Io(_)), "{error:?}");
}
