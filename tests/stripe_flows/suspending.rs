//! Invoices of Stripe that are not paid, and calls that stop for it.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use monetization_conformance::market;
use monetization_conformance::size;
use monetization_core::access::Closed;
use monetization_core::entropy::Entropy;
use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::key::Pepper;
use monetization_core::runtime::{Denial, Gatekeeper, GatekeeperOptions, Permit};
use monetization_core::secret::Secret;
use monetization_core::subscription::SubscriptionState;

use crate::outside::Outside;
use crate::shop::{HOUR, Shop};

const FIXED: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;
const STEP: Duration = Duration::from_millis(10);

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Shop {
    /// A gate that reads no news by itself: it asks only when what it knows is too old.
    fn gate(&self) -> Gatekeeper {
        let gatekeeper = Gatekeeper::new(
            Arc::clone(&self.process().store),
            self.outside.clock.clone(),
            Arc::new(Entropy::seeded(4)),
            Pepper::new(&[7; 32]).unwrap(),
            GatekeeperOptions::default(),
        );
        let never = |_| -> Wait { Box::pin(pending()) };
        tokio::spawn(gatekeeper.clone().run(Arc::new(never)));
        gatekeeper
    }

    /// A call; one that is let in is not carried out.
    async fn call(&self, gate: &Gatekeeper, key: &Secret) -> Result<(), Denial> {
        let admitted = market::admit(gate, key, self.outside.clock.now()).await;
        admitted.map(Permit::abandon)
    }

    /// How long calls pass from now on.
    async fn until_refused(&self, gate: &Gatekeeper, key: &Secret) -> Duration {
        let from = self.outside.clock.now();
        loop {
            match self.call(gate, key).await {
                Ok(()) => self.pass(STEP),
                Err(Denial::Closed(Closed::PaymentRequired)) => {
                    return self.outside.clock.now().saturating_since(from);
                }
                Err(denial) => panic!("{denial:?}"),
            }
        }
    }
}

/// Measured from the moment at which Stripe's news was taken in, at gates that have heard of nothing for
/// any part of the time for which they may.
#[tokio::test]
async fn calls_stop_as_soon_as_a_gate_has_to_ask_after_a_payment_failed_r_t10() {
    let bound = GatekeeperOptions::default().stale_after;
    let shop = Shop::open(Outside::in_memory(4).await, Invoicing::ByEngine, &[FIXED]).await;
    let mut subscribers = Vec::new();
    for _ in 0..size(20, 200) {
        subscribers.push(shop.subscriber_with_key().await);
        // The next one's invoices fall due later.
        shop.pass(HOUR);
    }
    shop.pass_until("2026-02-14T00:00:00Z");
    shop.settle().await;
    let mut took = Vec::new();
    for (trial, (of, key)) in (0..).zip(&subscribers) {
        let gate = shop.gate();
        assert_eq!(shop.call(&gate, key).await, Ok(()));
        let invoice = shop.invoices(*of).await.pop().unwrap();
        let due_in = invoice.due_at.saturating_since(shop.outside.clock.now());
        shop.pass(due_in + 2 * bound);
        assert_eq!(shop.call(&gate, key).await, Ok(()), "nobody has told");
        shop.pass(STEP * (5 * trial % 100));
        shop.stripe()
            .fail_payment(&shop.external(&invoice))
            .unwrap();
        shop.hear().await;
        took.push(shop.until_refused(&gate, key).await);
        shop.pay(*of).await;
        shop.pass(bound + STEP);
        assert_eq!(shop.call(&gate, key).await, Ok(()), "it is paid");
        gate.shutdown();
    }
    took.sort_unstable();
    let (middle, longest) = (took[took.len() / 2], took[took.len() - 1]);
    println!(
        "{} failed payments: half after {middle:?}, all after {longest:?}",
        took.len()
    );
    assert!(longest <= bound + STEP, "{longest:?}");
    assert!(
        middle > bound / 4,
        "{middle:?}: the gates knew before they had to ask"
    );
}

/// D10: Stripe keeps an invoice as a draft for an hour.
#[tokio::test]
async fn an_old_invoice_that_is_paid_restores_access_while_a_newer_one_is_a_draft_d10() {
    let shop = Shop::open(Outside::in_memory(6).await, Invoicing::ByEngine, &[FIXED]).await;
    let (of, key) = shop.subscriber_with_key().await;
    for at in ["2026-02-01T02:00:00Z", "2026-02-15T02:00:00Z"] {
        shop.pass_until(at);
        shop.settle().await;
    }
    let refused = Err(Denial::Closed(Closed::PaymentRequired));
    assert_eq!(shop.call(&shop.gate(), &key).await, refused);
    shop.pass_until("2026-03-01T00:10:00Z");
    shop.settle().await;
    let states = async || -> Vec<InvoiceState> {
        let invoices = shop.invoices(of).await.into_iter();
        invoices.map(|it| it.state).collect()
    };
    let [paid, late, draft] = [
        InvoiceState::Paid,
        InvoiceState::PastDue,
        InvoiceState::Draft,
    ];
    assert_eq!(states().await, [paid, late, draft]);
    assert_eq!(shop.call(&shop.gate(), &key).await, refused);
    shop.pay(of).await;
    assert_eq!(states().await, [paid, paid, draft]);
    assert_eq!(shop.call(&shop.gate(), &key).await, Ok(()));
}

/// A draft has no date, and was due when it was made: calls stopped until its invoice was final and paid.
#[tokio::test]
async fn what_stripe_has_not_made_final_stops_no_calls_d2() {
    let shop = Shop::open(Outside::in_memory(5).await, Invoicing::ByEngine, &[FIXED]).await;
    let (of, key) = shop.subscriber_with_key().await;
    for (at, state) in [
        ("2026-02-01T00:10:00Z", InvoiceState::Draft),
        ("2026-02-01T02:00:00Z", InvoiceState::Open),
        ("2026-02-15T00:59:59Z", InvoiceState::Open),
    ] {
        shop.pass_until(at);
        shop.settle().await;
        let invoice = shop.invoices(of).await.pop().unwrap();
        assert_eq!(invoice.state, state, "{at}");
        assert_eq!(shop.subscription(of).await.state, SubscriptionState::Active);
        assert_eq!(shop.call(&shop.gate(), &key).await, Ok(()), "{at}");
    }
    shop.pass_until("2026-02-15T01:00:01Z");
    shop.settle().await;
    let refused = Err(Denial::Closed(Closed::PaymentRequired));
    assert_eq!(shop.call(&shop.gate(), &key).await, refused);
}
