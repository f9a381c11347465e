//! Invoices that the provider makes: from its own rating of what was reported.

use monetization_core::engine::{CancelMode, EngineInvoice};
use monetization_core::invoice::InvoiceState;
use monetization_core::money::{Quantity, Rounding, UnitPrice};

use super::steps::{HOUR, MINUTE, Running, SECOND};
use super::{Bench, Offer};
use crate::sample::text;

/// Setup and base, then base alone; a setup fee without a base price is invoiced too.
pub async fn the_first_invoice_has_the_setup_fee_and_the_second_has_not(bench: &Bench) {
    for (base_price, first, second) in [("25", 3_500, 2_500), ("0", 1_000, 0)] {
        let offer = Offer {
            setup_fee: "10",
            base_price,
            ..Offer::A_CENT_EACH
        };
        let running = bench.running(offer).await;
        bench.wait_for_invoice(&running).await;
        let totals = bench.totals(&running).await;
        assert_eq!(totals, [first, second]);
    }
}

/// 25 and 1,200 calls of which 1,000 are included: 2.00 and the next 25.
pub async fn base_included_units_and_overage_add_up(bench: &Bench) {
    let offer = Offer {
        base_price: "25",
        included: "1000",
        ..Offer::A_CENT_EACH
    };
    let running = bench.running(offer).await;
    bench
        .used(&running, "1200", bench.fixture.now().await)
        .await;
    assert_eq!(period_invoice(bench, &running).await.total.minor(), 2_700);
}

/// Use of 23:59:59 that is sent half an hour later is not moved into the new period.
pub async fn use_of_the_last_second_belongs_to_the_old_period(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let end = running.schedule().period(0).unwrap().end;
    bench.wait_until(end.saturating_add(MINUTE * 30)).await;
    bench.used(&running, "7", end.saturating_sub(SECOND)).await;
    bench.used(&running, "500", end).await;
    bench.wait_until(end.saturating_add(HOUR * 2)).await;
    let invoices = bench.invoices(&running).await;
    assert_eq!(invoices.len(), 1, "{invoices:?}");
    assert_eq!(invoices[0].period, running.schedule().period(0));
    assert_eq!(invoices[0].total.minor(), 7);
    let preview = bench
        .statements()
        .preview(&bench.cx(), running.external())
        .await
        .unwrap();
    assert_eq!(
        (preview.period, preview.total.minor()),
        (running.schedule().period(1), 500)
    );
}

/// It is said so, and neither invoice is changed.
pub async fn use_of_an_invoiced_period_is_refused(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let end = running.schedule().period(0).unwrap().end;
    bench.wait_for_invoice(&running).await;
    let receipts = bench
        .publish(&[bench.sealed(&running, "9", end.saturating_sub(SECOND))])
        .await;
    assert!(
        matches!(
            receipts.as_slice(),
            [monetization_core::engine::Receipt::Rejected { .. }]
        ),
        "{receipts:?}"
    );
    let preview = bench
        .statements()
        .preview(&bench.cx(), running.external())
        .await
        .unwrap();
    assert_eq!(preview.total.minor(), 0);
}

/// 12,345 calls at a hundredth of a cent are 1.23, not nothing.
pub async fn a_price_below_a_cent_is_exact(bench: &Bench) {
    for (unit_price, units, minor) in [
        ("0.0001", "12345", 123),
        ("0.000001", "4999", 0),
        ("0.000001", "5000", 1),
        ("0.123456789012", "1000000", 12_345_679),
    ] {
        assert_eq!(
            invoiced(
                bench,
                Offer {
                    unit_price: Some(unit_price),
                    ..Offer::A_CENT_EACH
                },
                units
            )
            .await,
            minor,
            "{units} at {unit_price}"
        );
    }
}

/// None, two and three: WSO2 multiplies each by 100.
pub async fn amounts_have_the_decimals_of_their_currency(bench: &Bench) {
    for (currency, unit_price, minor) in [
        ("JPY", "5", 500),
        ("USD", "0.05", 500),
        ("KWD", "0.05", 5_000),
    ] {
        let offer = Offer {
            currency,
            unit_price: Some(unit_price),
            ..Offer::A_CENT_EACH
        };
        assert_eq!(invoiced(bench, offer, "100").await, minor, "{currency}");
    }
}

/// 0.5 and 1.5 cents, each way.
pub async fn halves_are_rounded_as_the_plan_names(bench: &Bench) {
    for (rounding, half, one_and_a_half) in [
        (Rounding::HalfAwayFromZero, 1, 2),
        (Rounding::HalfEven, 0, 2),
        (Rounding::Up, 1, 2),
        (Rounding::Down, 0, 1),
    ] {
        let offer = Offer {
            unit_price: Some("0.005"),
            rounding,
            ..Offer::A_CENT_EACH
        };
        if !bench.can_invoice(offer) {
            continue;
        }
        assert_eq!(invoiced(bench, offer, "1").await, half, "{rounding:?}");
        assert_eq!(
            invoiced(bench, offer, "3").await,
            one_and_a_half,
            "{rounding:?}"
        );
    }
}

/// Whatever the price, the decimals and the quantity: no drift.
pub async fn the_providers_rating_agrees_with_ours(bench: &Bench) {
    for round in 0..24 {
        let currency = ["JPY", "USD", "KWD"][round % 3];
        let scale = u8::try_from(round % 7).unwrap();
        let decimals = round % 13;
        let fraction = bench.sample.below(1_000_000_000_000).to_string();
        let fraction = format!("{fraction:0>12}")[..decimals].to_owned();
        let whole = bench.sample.below(20);
        let price = if fraction.is_empty() {
            whole.to_string()
        } else {
            format!("{whole}.{fraction}")
        };
        let scaled = i64::try_from(bench.sample.below(1_000_000_000)).unwrap();
        let offer = Offer {
            currency,
            scale,
            // The price is chosen here, so that it cannot be a constant.
            unit_price: Some(Box::leak(price.clone().into_boxed_str())),
            ..Offer::A_CENT_EACH
        };
        if !bench.can_invoice(offer) {
            continue;
        }
        let quantity = Quantity::from_scaled(scaled);
        let meter_scale = offer.meter().scale;
        let ours =
            text::<UnitPrice>(&price).times(quantity, meter_scale, text(currency), offer.rounding);
        let units = meter_scale.render(quantity);
        assert_eq!(
            invoiced(bench, offer, &units).await,
            ours.unwrap().minor(),
            "{units} at {price} {currency}"
        );
    }
}

/// Lines, period and total: what was shown is what is demanded.
pub async fn a_preview_equals_the_invoice_that_follows(bench: &Bench) {
    let offer = Offer {
        base_price: "12.34",
        included: "10",
        unit_price: Some("0.0375"),
        ..Offer::A_CENT_EACH
    };
    let running = bench.running(offer).await;
    bench
        .used(&running, "1011", bench.fixture.now().await)
        .await;
    let preview = bench
        .statements()
        .preview(&bench.cx(), running.external())
        .await
        .unwrap();
    assert_eq!(
        (preview.external.as_ref(), preview.state),
        (None, InvoiceState::Draft)
    );
    let made = period_invoice(bench, &running).await;
    assert_eq!(
        (preview.period, preview.lines, preview.total),
        (made.period, made.lines, made.total)
    );
}

/// As soon as the grace is over, without a next base price; nothing follows.
pub async fn cancelling_now_invoices_what_was_used(bench: &Bench) {
    let running = bench.paid().await;
    bench.used(&running, "42", bench.fixture.now().await).await;
    bench.fixture.advance(HOUR).await;
    bench.cancel(&running, CancelMode::Now).await;
    let grace = bench.fixture.engine().descriptor.limits.grace;
    bench.fixture.advance(grace.saturating_add(SECOND)).await;
    let totals = bench.totals(&running).await;
    assert_eq!(totals, [500, 42]);
    bench
        .wait_until(running.schedule().period(2).unwrap().end)
        .await;
    assert_eq!(bench.invoices(&running).await.len(), 2);
}

/// The period that the engine has begun meanwhile is not billed; what was used before is.
pub async fn an_end_that_is_told_late_bills_nothing_of_what_begins_then(bench: &Bench) {
    let running = bench.paid().await;
    let end = running.schedule().period(0).unwrap().end;
    bench.wait_until(end.saturating_add(MINUTE)).await;
    bench.used(&running, "42", end.saturating_sub(SECOND)).await;
    bench.cancel(&running, CancelMode::Since(end)).await;
    bench
        .wait_until(running.schedule().period(2).unwrap().end)
        .await;
    let mut totals = bench.totals(&running).await;
    totals.retain(|total| *total != 0);
    assert_eq!(totals, [500, 42]);
}

/// The last use is billed, within the grace too, and no period after it.
pub async fn the_last_invoice_has_no_next_base_price(bench: &Bench) {
    let running = bench.paid().await;
    bench.cancel(&running, CancelMode::AtPeriodEnd).await;
    let end = running.schedule().period(0).unwrap().end;
    bench.wait_until(end.saturating_add(MINUTE)).await;
    bench.used(&running, "42", end.saturating_sub(SECOND)).await;
    bench
        .wait_until(running.schedule().period(2).unwrap().end)
        .await;
    let totals = bench.totals(&running).await;
    assert_eq!(totals, [500, 42]);
}

/// And paying by the old link opens nothing.
pub async fn cancelling_before_the_first_payment_voids_its_invoice(bench: &Bench) {
    let running = bench.running(Offer::FIXED).await;
    bench.cancel(&running, CancelMode::Now).await;
    bench
        .fixture
        .pay(running.start.payment_url.as_ref().unwrap())
        .await;
    let states: Vec<InvoiceState> = bench
        .invoices(&running)
        .await
        .iter()
        .map(|made| made.state)
        .collect();
    assert_eq!(states, [InvoiceState::Void]);
    let snapshot = bench
        .billing()
        .subscription(&bench.cx(), running.external())
        .await
        .unwrap();
    assert!(snapshot.is_none_or(|over| !over.live && !over.first_paid));
}

/// Nobody is asked for nothing.
pub async fn an_invoice_over_nothing_is_paid(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let made = period_invoice(bench, &running).await;
    assert_eq!(
        (made.total.minor(), made.state, made.payment_url),
        (0, InvoiceState::Paid, None)
    );
}

impl Bench {
    /// A subscription of 5 a period and a cent for each unit, whose first invoice is paid.
    async fn paid(&self) -> Running {
        let running = self
            .running(Offer {
                base_price: "5",
                ..Offer::A_CENT_EACH
            })
            .await;
        let first = running.start.payment_url.as_ref().unwrap();
        self.fixture.pay(first).await;
        running
    }
}

/// The invoice of the current period, once it is final.
async fn period_invoice(bench: &Bench, of: &Running) -> EngineInvoice {
    let period = bench.snapshot(of).await.period;
    bench.wait_for_invoice(of).await;
    let invoices = bench.invoices(of).await;
    let made = invoices
        .into_iter()
        .find(|made| made.period == Some(period));
    made.expect("the period is invoiced")
}

/// What so much use of a new subscription is invoiced at.
pub(super) async fn invoiced(bench: &Bench, offer: Offer, units: &str) -> i64 {
    let running = bench.running(offer).await;
    bench.used(&running, units, bench.fixture.now().await).await;
    period_invoice(bench, &running).await.total.minor()
}
