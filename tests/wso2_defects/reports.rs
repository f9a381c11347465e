//! What owners and consumers are told of money.

use monetization_core::flows::RevenueQuestion;
use monetization_core::store::JobState;

use crate::shop::Shop;

const BASE: &str = r#"{"billing":"metered","currency":"USD","cycle":"month","base_price":"25",
    "usage":[{"meter":"requests","unit_price":"0.01"}]}"#;

/// There it was looked up under a name that nobody had written: every subscription had earned null.
#[tokio::test]
async fn revenue_is_an_amount_for_each_subscription_and_their_sum() {
    let shop = Shop::open(BASE, 3).await;
    shop.market.pay_open().await;
    shop.market.use_of_each(3).await;
    assert_eq!(shop.market.publish().await, JobState::Succeeded);
    shop.market.pass_until("2026-02-01T02:00:00Z").await;
    shop.market.settle().await;
    let question = RevenueQuestion::default();
    let revenue = shop.market.monetizer.revenue(shop.market.tenant, &question);
    let revenue = revenue.await.unwrap();
    assert_eq!(revenue.rows.len(), 3);
    for row in &revenue.rows {
        assert_eq!(row.problem, None);
        let earned = (row.earned.paid.amount(), row.earned.unpaid.amount());
        assert_eq!(earned, ("25.00".to_owned(), "25.03".to_owned()));
    }
    let total = revenue.total.values().next().unwrap();
    let total = (total.paid.amount(), total.unpaid.amount());
    assert_eq!(total, ("75.00".to_owned(), "75.09".to_owned()));
    let at_stripe: i64 = shop.totals_at_stripe().iter().sum();
    assert_eq!(at_stripe, 7_500 + 7_509);
}

/// There amounts were divided by a hundred in whole numbers, and a date was seconds read as milliseconds.
#[tokio::test]
async fn a_running_bill_keeps_its_cents_and_its_dates() {
    let shop = Shop::open(BASE, 1).await;
    let market = &shop.market;
    market.pay_open().await;
    market.use_of_each(3).await;
    assert_eq!(market.publish().await, JobState::Succeeded);
    let id = shop.only();
    let statement = market.monetizer.statement(market.tenant, id).await;
    assert_eq!(statement.unwrap().total.amount(), "25.03");
    let statements = market.fixture.engine().statements.unwrap();
    let external = market.external(id).await;
    let preview = statements.preview(&market.cx(), &external).await.unwrap();
    assert_eq!(preview.total.amount(), "25.03");
    let end = market.subscription(id).await;
    let end = end.timeline.schedule.period(0).unwrap().end;
    assert!(preview.due_at >= end, "{}", preview.due_at);
    market.pass_until("2026-02-01T02:00:00Z").await;
    market.settle().await;
    let invoice = market.invoices(id).await.pop().unwrap();
    assert_eq!(invoice.total.amount(), "25.03");
    assert_eq!(invoice.due_at.to_string(), "2026-02-15T01:00:00Z");
}
