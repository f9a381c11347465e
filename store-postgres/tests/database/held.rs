//! What waits for an operator.

use std::slice;

use monetization_conformance::sample::{START, Sample, batch};
use monetization_core::ids::{BatchId, InvoiceId};
use monetization_core::invoice::Invoicing;
use monetization_core::period::{Cycle, Schedule};
use monetization_core::store::{BatchState, Batches, Closing, Kind, Ledger, Row};
use monetization_core::subscription::Timeline;
use monetization_store_postgres::{Held, PostgresStore};
use sqlx::Executor;

use crate::home::{Home, append, apply, spending, writing};

#[tokio::test]
#[ignore = "needs PostgreSQL: scripts/test.sh starts one"]
async fn the_newest_of_each_kind_that_waits_is_told_and_how_many_there_are() {
    let home = Home::make().await;
    let sample = Sample::seeded(21);
    let store = home.open().await;
    let mut look = home.look().await;
    assert_eq!(look.held(10).await.unwrap(), []);

    let invoices: Vec<InvoiceId> = (0..3).map(|_| sample.id()).collect();
    for invoice in &invoices {
        let body = format!(r#"{{"id":"{invoice}","state":"uncollectible"}}"#);
        let row = Row {
            body,
            ..sample.row(sample.id(), Kind::Invoice)
        };
        apply(&store, &writing(&sample, [row])).await;
    }
    let mut change = sample.change();
    change.intents = vec![sample.intent(sample.id()), sample.intent(sample.id())];
    apply(&store, &change).await;
    let park = "UPDATE intent SET state = 'parked', reason = 'no such customer', parked_at = 0";
    home.owner().await.execute(park).await.unwrap();
    let batches = [
        parked_batch(&store, &sample).await,
        parked_batch(&store, &sample).await,
    ];
    let late = used_after_the_last_invoice(&store, &sample).await;

    let newest = look.held(1).await.unwrap();
    let told: Vec<(&str, u64)> = newest
        .iter()
        .map(|held| (held.kind.as_str(), held.of_its_kind))
        .collect();
    assert_eq!(
        told,
        [("operation", 2), ("batch", 2), ("invoice", 3), ("use", 1)]
    );
    assert!(newest[0].reason.ends_with(": no such customer"));
    assert_eq!(newest[1].id, batches[1].to_string());
    assert_eq!(newest[1].reason, "parked: no customer there");
    assert_eq!(newest[2].id, invoices[2].to_string());
    let of_use = Held {
        kind: "use".to_owned(),
        id: late,
        reason: "1 came after the last invoice".to_owned(),
        of_its_kind: 1,
    };
    assert_eq!(newest[3], of_use);
    assert_eq!(look.held(10).await.unwrap().len(), 8);
}

/// A batch that is held back from the beginning.
async fn parked_batch(store: &PostgresStore, sample: &Sample) -> BatchId {
    let of = sample.subscriber();
    append(store, &spending(sample, &of)).await;
    let sums = store.sums(of.tenant, of.segment(0).id).await.unwrap();
    let mut parked = batch(of.tenant, &sums[0]);
    parked.state = BatchState::Parked {
        reason: "no customer there".to_owned(),
    };
    store.seal(&parked).await.unwrap();
    parked.id
}

/// One unit after the end of a subscription that core invoices; answers the aftermath.
async fn used_after_the_last_invoice(store: &PostgresStore, sample: &Sample) -> String {
    let mut of = sample.subscriber();
    of.invoicing = Invoicing::ByCore;
    let last = of.segment(0);
    let mut timeline = Timeline::starting(Schedule::new(START, Cycle::MONTH), of.version);
    timeline.ends_at = Some(last.span.end);
    let aftermath = timeline.segment_at(of.subscription, of.invoicing, last.span.end);
    let closing = Closing {
        successor: aftermath.unwrap(),
        ..of.closing(0)
    };
    let mut change = sample.change();
    change.closings = vec![closing];
    apply(store, &change).await;
    let late = sample.record(&of, last, 1);
    store.append(slice::from_ref(&late)).await.unwrap();
    closing.successor.id.to_string()
}
