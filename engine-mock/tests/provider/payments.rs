use monetization_conformance::engine::Offer;
use monetization_conformance::sample::text;
use monetization_core::engine::CancelMode;
use monetization_core::invoice::InvoiceState;
use monetization_core::period::Cycle;
use monetization_engine_mock::provider::PaymentOutcome;
use monetization_engine_mock::{ControlError, MockEngine, MockOptions};

use super::world::{DAY, HOUR, World};

#[tokio::test]
async fn an_invoice_is_paid_by_its_name_its_link_or_the_links_token() {
    for by in 0..3 {
        let world = World::new();
        let url = world.running(Offer::FIXED).await.start.payment_url.unwrap();
        let what = match by {
            0 => world.only_invoice().id.to_string(),
            1 => url,
            _ => url.strip_prefix("mock://pay/").unwrap().to_owned(),
        };
        assert_eq!(world.control.pay(&what).unwrap(), PaymentOutcome::Paid);
        assert_eq!(
            world.control.pay(&what).unwrap(),
            PaymentOutcome::AlreadyPaid
        );
        assert_eq!(world.only_invoice().paid_at, Some(world.control.now()));
    }
}

#[tokio::test]
async fn an_old_link_expires_and_a_fresh_one_pays() {
    let world = World::new();
    let running = world
        .running(Offer {
            cycle: Cycle::YEAR,
            ..Offer::FIXED
        })
        .await;
    let old = running.start.payment_url.unwrap();
    let invoice = world.only_invoice().id;
    world.control.advance(DAY + HOUR).unwrap();
    assert_ne!(world.control.payment_url(&invoice), Some(old.clone()));
    world.control.advance(DAY).unwrap();
    assert_eq!(
        world.control.pay(&old).unwrap(),
        PaymentOutcome::LinkExpired
    );
    assert_eq!(world.only_invoice().state, InvoiceState::Open);
    let fresh = world.control.payment_url(&invoice).unwrap();
    assert_eq!(world.control.pay(&fresh).unwrap(), PaymentOutcome::Paid);
    assert_eq!(world.control.payment_url(&invoice), None);
}

#[tokio::test]
async fn the_engine_shows_a_link_that_works() {
    let world = World::new();
    let running = world
        .running(Offer {
            cycle: Cycle::YEAR,
            ..Offer::FIXED
        })
        .await;
    world.control.advance(DAY * 9).unwrap();
    let statements = world.mock.engine().statements.unwrap();
    let listed = statements
        .list(&world.cx(), &running.start.external)
        .await
        .unwrap();
    let link = listed[0].payment_url.as_ref().unwrap();
    assert_eq!(world.control.pay(link).unwrap(), PaymentOutcome::Paid);
}

#[tokio::test]
async fn a_failed_payment_leaves_the_invoice_past_due_and_payable() {
    let world = World::new();
    world.running(Offer::FIXED).await;
    let invoice = world.only_invoice().id.to_string();
    assert_eq!(
        world.control.fail_payment(&invoice).unwrap(),
        PaymentOutcome::Declined
    );
    assert_eq!(world.only_invoice().state, InvoiceState::PastDue);
    assert_eq!(
        world.control.fail_payment(&invoice).unwrap(),
        PaymentOutcome::Declined
    );
    assert_eq!(world.control.pay(&invoice).unwrap(), PaymentOutcome::Paid);
    assert_eq!(
        world.control.fail_payment(&invoice).unwrap(),
        PaymentOutcome::AlreadyPaid
    );
}

#[tokio::test]
async fn what_was_taken_back_cannot_be_paid() {
    let world = World::new();
    let running = world.running(Offer::FIXED).await;
    let external = &running.start.external;
    world
        .billing()
        .cancel_subscription(&world.cx(), external, CancelMode::Now)
        .await
        .unwrap();
    let paid = world
        .control
        .pay(running.start.payment_url.as_ref().unwrap());
    assert_eq!(paid.unwrap(), PaymentOutcome::NotPayable);
    assert_eq!(world.states(), [InvoiceState::Void]);
}

#[test]
fn an_unknown_link_pays_nothing_and_says_so() {
    let world = World::new();
    for what in [
        "",
        "inv_1",
        "mock://pay/",
        "mock://pay/pay_1_2",
        "pay_0000000001_00",
        "ä",
    ] {
        let error = world.control.pay(what).unwrap_err();
        assert!(
            matches!(error, ControlError::Missing { .. }),
            "{what}: {error:?}"
        );
    }
    let customer = world.control.set_payment_behaviour(
        &text("cus_1"),
        monetization_engine_mock::provider::PaymentBehaviour::Declines,
    );
    assert!(matches!(customer, Err(ControlError::Missing { .. })));
}

#[tokio::test]
async fn links_lead_where_the_host_says() {
    let options = MockOptions::in_memory(monetization_conformance::sample::START);
    let options = options.with_payment_url_base("http://127.0.0.1:8081/mock/pay/");
    let world = World::of(MockEngine::open(options).unwrap(), 3);
    let url = world.running(Offer::FIXED).await.start.payment_url.unwrap();
    assert!(
        url.starts_with("http://127.0.0.1:8081/mock/pay/pay_"),
        "{url}"
    );
    assert_eq!(world.control.pay(&url).unwrap(), PaymentOutcome::Paid);
}

/// Two periods were billed in advance before anybody told of the end.
#[tokio::test]
async fn an_end_that_is_told_after_months_gives_back_what_was_billed_for_them_c5() {
    let world = World::new();
    let running = world.running(Offer::FIXED).await;
    world
        .control
        .pay(running.start.payment_url.as_ref().unwrap())
        .unwrap();
    let end = running.new.schedule.period(0).unwrap().end;
    let later = running.new.schedule.period(1).unwrap().end;
    world.control.set(later.saturating_add(DAY)).unwrap();
    world
        .billing()
        .cancel_subscription(&world.cx(), &running.start.external, CancelMode::Since(end))
        .await
        .unwrap();
    let owed: Vec<i64> = world
        .control
        .invoices()
        .iter()
        .map(|invoice| invoice.outstanding().minor())
        .collect();
    assert_eq!(
        owed,
        [2_500, 0, 0],
        "the first was paid, and is not given back"
    );
}
