//! What two who work at once do to each other.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use monetization_core::delegate_store;
use monetization_core::flows::WebhookEndpoint;
use monetization_core::ids::TenantId;
use monetization_core::invoice::{InvoiceState, Invoicing};
use monetization_core::memory::MemoryStore;
use monetization_core::store::{
    Applied, ChangeSet, Kind, Listing, Row, Rows, Store, StoreError, Uuid,
};
use monetization_core::subscription::BlockReason;

use crate::world::{DAY, World, text};

const FIXED: &str = r#"{"billing":"fixed","currency":"USD","cycle":"month","base_price":"25"}"#;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What somebody else does right before the next change is applied.
pub type Before = Arc<Mutex<Option<Work>>>;

/// Lets somebody else do something right before the next change is applied.
struct Interrupted {
    inner: MemoryStore,
    before: Before,
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Interrupted")
    }
}

delegate_store!(Directory, Ledger, Quotas, Batches, Work: [] Interrupted, it => it.inner);

#[async_trait]
impl Rows for Interrupted {
    async fn apply(&self, change: &ChangeSet) -> Result<Applied, StoreError> {
        let before = self.before.lock().unwrap().take();
        if let Some(work) = before {
            work.await;
        }
        self.inner.apply(change).await
    }

    async fn row(&self, tenant: TenantId, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError> {
        self.inner.row(tenant, kind, id).await
    }

    async fn rows(&self, tenant: TenantId, listing: &Listing) -> Result<Vec<Row>, StoreError> {
        self.inner.rows(tenant, listing).await
    }
}

#[async_trait]
impl Store for Interrupted {
    fn name(&self) -> &'static str {
        "interrupted"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}

/// A world in which somebody else may do something in between.
pub async fn world() -> (World, Before) {
    let before = Before::default();
    let interrupted = Arc::clone(&before);
    let world = World::over(Invoicing::ByCore, |clock| {
        Arc::new(Interrupted {
            inner: MemoryStore::new(clock),
            before: interrupted,
        })
    });
    (world.await, before)
}

/// Two invoices, and the payment of the first is heard of while the second is marked: the mark saw the
/// block of the first and wrote none, the payment saw nothing due and took it away.
#[tokio::test]
async fn a_payment_of_one_invoice_leaves_the_block_of_another_that_falls_due_meanwhile() {
    let (world, before) = world().await;
    let (subscription, _) = world.subscriber(FIXED).await;
    for end in ["2026-02-01T13:00:00Z", "2026-03-01T13:00:00Z"] {
        world.pass_until(end).await;
        world.settle().await;
    }
    world.pass(8 * DAY).await;
    let (monetizer, provider) = (world.monetizer.clone(), world.provider.clone());
    let pay_the_first = async move {
        // The provider's own news of the second one is still on its way.
        let earlier = provider.deliveries().len();
        let invoices = provider.invoices();
        let first = invoices.iter().find(|it| it.state != InvoiceState::Paid);
        provider.pay(first.unwrap().id.as_str()).unwrap();
        let mock = text("mock");
        let secrets = provider.webhook_secrets();
        for message in provider.deliveries().split_off(earlier) {
            let taken = monetizer.take_in(
                WebhookEndpoint::new(&mock, &secrets),
                &message.headers,
                &message.body,
            );
            taken.await.unwrap();
        }
    };
    *before.lock().unwrap() = Some(Box::pin(pay_the_first));
    // One that met another is marked the next time.
    for _ in 0..2 {
        world.monetizer.mark_past_due().await.unwrap();
    }
    let states: Vec<InvoiceState> = world
        .invoices(subscription.id)
        .await
        .iter()
        .map(|invoice| invoice.state)
        .collect();
    let (paid, late) = (InvoiceState::Paid, InvoiceState::PastDue);
    assert_eq!(states, [paid, paid, late]);
    let blocks = world.subscription(subscription.id).await.blocks;
    assert!(blocks.contains(&BlockReason::Payment), "{blocks:?}");
}
