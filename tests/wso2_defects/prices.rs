//! What a price becomes on its way to Stripe.

use crate::shop::Shop;

/// There a price became a whole number of cents, so that a tenth of one was nothing.
#[tokio::test]
async fn prices_far_below_a_cent_are_billed_for_all_their_units() {
    let terms = r#"{"billing":"metered","currency":"USD","cycle":"month",
        "usage":[{"meter":"requests","unit_price":"0.0001"}]}"#;
    let shop = Shop::open(terms, 1).await;
    shop.market.used(shop.only(), "requests", 12_345).await;
    shop.market.publish().await;
    shop.market.pass_until("2026-02-01T02:00:00Z").await;
    shop.market.settle().await;
    assert_eq!(shop.totals_at_stripe().last(), Some(&123));
    assert_eq!(shop.market.totals(shop.only()).await.last(), Some(&123));
}

/// There every amount was taken a hundred times, whatever its currency: 500 yen were 50,000.
#[tokio::test]
async fn each_currency_is_charged_in_its_own_units() {
    let currencies = [
        ("JPY", "500", 500),
        ("USD", "5.00", 500),
        ("KWD", "5.000", 5_000),
    ];
    for (currency, price, minor) in currencies {
        let terms = format!(
            r#"{{"billing":"fixed","currency":"{currency}","cycle":"month","base_price":"{price}"}}"#
        );
        let shop = Shop::open(&terms, 1).await;
        assert_eq!(shop.totals_at_stripe(), [minor], "{currency}");
        assert_eq!(shop.market.totals(shop.only()).await, [minor], "{currency}");
    }
}

/// There amounts were floating point numbers, cut off after they were multiplied: 19.99 was 19.98.
#[tokio::test]
async fn an_amount_that_no_binary_fraction_is_keeps_its_last_cent() {
    for (price, cents) in [
        ("19.99", 1_999),
        ("1.15", 115),
        ("0.29", 29),
        ("1001.10", 100_110),
    ] {
        let terms = format!(
            r#"{{"billing":"fixed","currency":"USD","cycle":"month","base_price":"{price}"}}"#
        );
        let shop = Shop::open(&terms, 1).await;
        assert_eq!(shop.totals_at_stripe(), [cents], "{price}");
    }
}
