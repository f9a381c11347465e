use monetization_conformance::engine::Offer;
use monetization_core::invoice::InvoiceState::{Open, Paid, PastDue, Uncollectible};
use monetization_core::period::Cycle;
use monetization_engine_mock::provider::PaymentBehaviour;
use proptest::prelude::*;

use super::world::{DAY, HOUR, SECOND, World};

#[tokio::test]
async fn an_unpaid_invoice_falls_past_due_and_is_given_up_in_the_end() {
    let world = World::new();
    world
        .running(Offer {
            cycle: Cycle::YEAR,
            ..Offer::FIXED
        })
        .await;
    assert_eq!(world.states(), [Open]);
    world.control.advance(DAY * 14 - SECOND).unwrap();
    assert_eq!(world.states(), [Open]);
    world.control.advance(SECOND).unwrap();
    assert_eq!(world.states(), [PastDue]);
    world.control.advance(DAY * 15 - SECOND).unwrap();
    assert_eq!(world.states(), [PastDue]);
    world.control.advance(SECOND).unwrap();
    assert_eq!(world.states(), [Uncollectible]);
}

#[tokio::test]
async fn a_customer_who_pays_automatically_needs_no_link() {
    let world = World::new();
    let paying = world.running(Offer::A_CENT_EACH).await;
    world
        .control
        .set_payment_behaviour(&paying.customer, PaymentBehaviour::Automatically)
        .unwrap();
    let plan = world
        .billing()
        .create_billing_plan(&world.cx(), &world.version(Offer::FIXED))
        .await
        .unwrap();
    let second = world.started(Offer::FIXED, plan, paying.customer).await;
    assert_eq!(second.start.payment_url, None);
    assert_eq!(world.states(), [Paid]);
}

#[tokio::test]
async fn a_declined_payment_is_tried_again_until_it_succeeds() {
    let world = World::new();
    let declining = world
        .running(Offer {
            cycle: Cycle::YEAR,
            ..Offer::A_CENT_EACH
        })
        .await;
    world
        .control
        .set_payment_behaviour(&declining.customer, PaymentBehaviour::Declines)
        .unwrap();
    let offer = Offer {
        cycle: Cycle::YEAR,
        ..Offer::FIXED
    };
    let plan = world
        .billing()
        .create_billing_plan(&world.cx(), &world.version(offer))
        .await
        .unwrap();
    let owing = world.started(offer, plan, declining.customer.clone()).await;
    assert_eq!(world.states(), [PastDue]);
    assert!(owing.start.payment_url.is_some());
    world.control.advance(DAY * 3).unwrap();
    assert_eq!(world.states(), [PastDue]);
    world
        .control
        .set_payment_behaviour(&declining.customer, PaymentBehaviour::Automatically)
        .unwrap();
    world.control.advance(DAY * 5).unwrap();
    assert_eq!(world.states(), [Paid]);
}

#[tokio::test]
async fn a_draft_is_final_after_the_hour_of_grace_and_not_before() {
    let world = World::new();
    let running = world.running(Offer::A_CENT_EACH).await;
    let end = running.new.schedule.period(0).unwrap().end;
    world.control.set(end.saturating_sub(SECOND)).unwrap();
    assert_eq!(world.control.invoices(), []);
    world.control.set(end).unwrap();
    assert!(world.only_invoice().draft.is_some());
    world
        .control
        .set(end.saturating_add(HOUR).saturating_sub(SECOND))
        .unwrap();
    assert!(world.only_invoice().draft.is_some());
    world.control.set(end.saturating_add(HOUR)).unwrap();
    let made = world.only_invoice();
    assert_eq!(
        (made.draft, made.state, made.issued_at),
        (None, Paid, end.saturating_add(HOUR))
    );
}

#[tokio::test]
async fn a_subscription_that_began_long_ago_is_invoiced_up_to_now() {
    let world = World::new();
    let offer = Offer::A_CENT_EACH;
    let plan = world
        .billing()
        .create_billing_plan(&world.cx(), &world.version(offer))
        .await
        .unwrap();
    let customer = world
        .billing()
        .ensure_customer(&world.cx(), &world.consumer())
        .await
        .unwrap();
    let new = monetization_core::engine::NewSubscription {
        subscription: world.id(),
        customer,
        plan,
        schedule: monetization_core::period::Schedule::new(
            world.control.now().saturating_sub(DAY * 100),
            Cycle::MONTH,
        ),
        is_cancelled: false,
    };
    let start = world
        .billing()
        .create_subscription(&world.cx(), &new)
        .await
        .unwrap();
    let snapshot = world
        .billing()
        .subscription(&world.cx(), &start.external)
        .await
        .unwrap()
        .unwrap();
    assert!(snapshot.period.contains(world.control.now()));
    world.control.advance(HOUR).unwrap();
    assert_eq!(world.states(), [Paid, Paid, Paid]);
}

/// What a provider has come to after a hundred days, moved by these steps.
fn after_a_hundred_days(steps: &[u64]) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let world = World::new();
    runtime.block_on(async {
        for offer in [
            Offer::FIXED,
            Offer::A_CENT_EACH,
            Offer {
                cycle: Cycle::WEEK,
                ..Offer::FIXED
            },
        ] {
            let running = world.running(offer).await;
            if offer.unit_price.is_some() {
                world
                    .usage()
                    .publish(&world.cx(), &world.ones(&running, 2))
                    .await
                    .unwrap();
            }
        }
    });
    let end = world.control.now().saturating_add(DAY * 100);
    for step in steps {
        let next = world
            .control
            .now()
            .saturating_add(SECOND * u32::try_from(*step).unwrap());
        world.control.set(next.min(end)).unwrap();
    }
    world.control.set(end).unwrap();
    let told: Vec<_> = world
        .control
        .deliveries()
        .into_iter()
        .map(|told| (told.id, told.body))
        .collect();
    format!(
        "{:?} {:?} {told:?}",
        world.control.invoices(),
        world.control.subscriptions()
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn many_small_moves_of_the_clock_end_where_one_large_one_does(
        steps in prop::collection::vec(1_u64..700_000, 0..40),
    ) {
        prop_assert_eq!(after_a_hundred_days(&steps), after_a_hundred_days(&[]));
    }
}
