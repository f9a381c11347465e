//! Use that is reported to the provider: each record once, each by itself.

use monetization_core::clock::Span;
use monetization_core::engine::{News, Receipt, SealedReport, Withdrawal};
use monetization_core::money::Quantity;
use monetization_core::period::Cycle;

use super::steps::{DAY, HOUR, MINUTE, Running, SECOND, assert_lost};
use super::webhooks::events;
use super::{Bench, Offer};
use crate::sample::text;

/// One receipt a record, in the order of the records.
pub async fn each_record_has_its_receipt_in_order(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let (good, bad) = (good(bench, &running).await, bad(bench, &running).await);
    bench.publish(std::slice::from_ref(&good)).await;
    let fresh = self::good(bench, &running).await;
    let receipts = bench.publish(&[bad.clone(), good, fresh, bad]).await;
    assert!(
        matches!(
            receipts.as_slice(),
            [
                Receipt::Rejected { .. },
                Receipt::Duplicate,
                Receipt::Accepted,
                Receipt::Rejected { .. }
            ]
        ),
        "{receipts:?}"
    );
}

/// Sent again in another call, within one call, an hour later: it is known and counted once.
pub async fn a_record_sent_again_is_a_duplicate(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let record = good(bench, &running).await;
    let receipts = bench.publish(&[record.clone(), record.clone()]).await;
    assert_eq!(receipts, [Receipt::Accepted, Receipt::Duplicate]);
    bench.fixture.advance(HOUR).await;
    assert_eq!(bench.publish(&[record]).await, [Receipt::Duplicate]);
    assert_eq!(
        counted(bench, &running).await,
        Offer::A_CENT_EACH.units("1")
    );
}

/// Another record under the identifier of the first is not counted instead of it.
pub async fn an_identifier_stands_for_one_record(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let now = bench.fixture.now().await;
    let first = bench.report(&running, "1", now);
    let mut second = first.clone();
    second.quantity = Offer::A_CENT_EACH.units("70");
    let sealed = [first, second].map(|report| SealedReport {
        batch: report.batch,
        body: bench.reporting().serialise(&report).unwrap(),
    });
    let receipts = bench.publish(&sealed).await;
    assert_eq!(receipts[0], Receipt::Accepted);
    assert_ne!(receipts[1], Receipt::Accepted);
    assert_eq!(
        counted(bench, &running).await,
        Offer::A_CENT_EACH.units("1")
    );
}

/// Those before and after it are counted.
pub async fn a_bad_record_does_not_spoil_the_others(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let mut records = Vec::new();
    for index in 0..10 {
        records.push(if index == 6 {
            bad(bench, &running).await
        } else {
            good(bench, &running).await
        });
    }
    let receipts = bench.publish(&records).await;
    let taken = receipts
        .iter()
        .filter(|receipt| **receipt == Receipt::Accepted)
        .count();
    assert_eq!((receipts.len(), taken), (10, 9), "{receipts:?}");
    assert_eq!(
        counted(bench, &running).await,
        Offer::A_CENT_EACH.units("9")
    );
}

/// The provider took them and we did not hear of it: sending the same again counts nothing twice.
pub async fn reports_whose_reply_was_lost_count_once(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let mut records = Vec::new();
    for _ in 0..5 {
        records.push(good(bench, &running).await);
    }
    let cx = bench.cx();
    bench.fixture.lose_reply(0).await;
    match bench.reporting().publish(&cx, &records).await {
        // Those that it had not come to yet may be told apart.
        Ok(receipts) => {
            let is_open = |receipt: &Receipt| matches!(receipt, Receipt::Unknown { .. });
            assert!(receipts.iter().any(is_open), "{receipts:?}");
        }
        lost => assert_lost(lost),
    }
    let receipts = bench.reporting().publish(&cx, &records).await.unwrap();
    let known = |receipt: &Receipt| matches!(receipt, Receipt::Accepted | Receipt::Duplicate);
    assert!(receipts.iter().all(known), "{receipts:?}");
    assert_eq!(
        counted(bench, &running).await,
        Offer::A_CENT_EACH.units("5")
    );
}

/// To the second, as the descriptor says.
pub async fn use_too_long_ago_is_rejected(bench: &Bench) {
    let running = bench
        .running(Offer {
            cycle: Cycle::YEAR,
            ..Offer::A_CENT_EACH
        })
        .await;
    let age_max = bench.fixture.engine().descriptor.limits.age_max;
    bench.fixture.advance(age_max.saturating_add(DAY)).await;
    let oldest = bench.fixture.now().await.saturating_sub(age_max);
    let records = [oldest.saturating_sub(SECOND), oldest].map(|at| bench.sealed(&running, "1", at));
    let receipts = bench.publish(&records).await;
    assert!(
        matches!(
            receipts.as_slice(),
            [Receipt::Rejected { .. }, Receipt::Accepted]
        ),
        "{receipts:?}"
    );
}

/// To the second, as the descriptor says.
pub async fn use_too_far_ahead_is_rejected(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let ahead_max = bench.fixture.engine().descriptor.limits.ahead_max;
    let newest = bench.fixture.now().await.saturating_add(ahead_max);
    let records = [newest.saturating_add(SECOND), newest].map(|at| bench.sealed(&running, "1", at));
    let receipts = bench.publish(&records).await;
    assert!(
        matches!(
            receipts.as_slice(),
            [Receipt::Rejected { .. }, Receipt::Accepted]
        ),
        "{receipts:?}"
    );
}

/// By minutes, half-open, whenever it was sent.
pub async fn a_summary_counts_by_the_time_of_use(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let start = bench.fixture.now().await;
    bench.fixture.advance(HOUR).await;
    for (minute, units) in [(0, "1"), (10, "20"), (19, "300"), (20, "4000")] {
        let used_at = start.saturating_add(MINUTE * minute);
        bench.used(&running, units, used_at).await;
    }
    let span = Span {
        start: start.saturating_add(MINUTE * 10),
        end: start.saturating_add(MINUTE * 20),
    };
    until_counted(bench).await;
    let sum = bench
        .reporting()
        .summary(&bench.cx(), running.external(), &running.meter, span)
        .await;
    assert_eq!(sum.unwrap(), Offer::A_CENT_EACH.units("320"));
}

/// What was used so far is priced at once.
pub async fn current_usage_names_the_period_and_what_it_costs(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    bench.used(&running, "250", bench.fixture.now().await).await;
    let current = bench
        .reporting()
        .current(&bench.cx(), running.external())
        .await
        .unwrap();
    assert_eq!(Some(current.period), running.schedule().period(0));
    assert_eq!(current.preview.total.minor(), 250);
}

/// It is refused when it is written or when it is sent.
pub async fn a_negative_quantity_is_not_counted(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let mut report = bench.report(&running, "1", bench.fixture.now().await);
    report.quantity = Quantity::from_scaled(-1);
    if let Ok(body) = bench.reporting().serialise(&report) {
        let receipts = bench
            .publish(&[SealedReport {
                batch: report.batch,
                body,
            }])
            .await;
        assert!(
            matches!(receipts.as_slice(), [Receipt::Rejected { .. }]),
            "{receipts:?}"
        );
    }
    assert_eq!(counted(bench, &running).await, Quantity::ZERO);
}

/// There is nobody to bill it to.
pub async fn use_of_nobody_is_rejected(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let records = [of_nobody(bench, &running).await];
    let receipts = bench.publish(&records).await;
    assert!(
        matches!(receipts.as_slice(), [Receipt::Rejected { .. }]),
        "{receipts:?}"
    );
}

/// It is taken and known, does not count, and a message names it.
pub async fn use_that_is_refused_later_is_told_by_its_report_r_p7(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let records = [good(bench, &running).await, good(bench, &running).await];
    bench.fixture.refuse_later().await;
    let receipts = bench.publish(&records).await;
    assert_eq!(receipts, [Receipt::Accepted, Receipt::Accepted]);
    bench.fixture.advance(MINUTE).await;
    let told = events(bench).await.into_iter();
    let told: Vec<_> = told
        .filter_map(|event| match event.news {
            News::ReportsRejected(rejected) => Some(rejected),
            _ => None,
        })
        .collect();
    let [rejected] = told.as_slice() else {
        unreachable!("one message, not {told:?}")
    };
    assert_eq!((rejected.count, rejected.named.len()), (1, 1));
    assert_eq!(rejected.named[0].batch, records[0].batch);
    let receipts = bench.publish(&records).await;
    assert_eq!(receipts, [Receipt::Duplicate, Receipt::Duplicate]);
    let one = Offer::A_CENT_EACH.units("1");
    assert_eq!(counted(bench, &running).await, one);
}

/// Where the engine says that it takes use back: not counted any more, and known all the same.
pub async fn use_that_is_taken_back_is_not_counted_and_stays_known(bench: &Bench) {
    let running = bench.running(Offer::A_CENT_EACH).await;
    let records = [good(bench, &running).await, good(bench, &running).await];
    bench.publish(&records).await;
    let limits = bench.fixture.engine().descriptor.limits;
    let Some(withdraws_for) = limits.withdraws_for else {
        return;
    };
    let one = Offer::A_CENT_EACH.units("1");
    for _ in 0..2 {
        // The same call again, because its reply was lost.
        let cx = bench.cx();
        for _ in 0..2 {
            let withdrawn = bench.reporting().withdraw(&cx, &records[0]).await;
            assert_eq!(withdrawn.unwrap(), Withdrawal::Withdrawn);
            assert_eq!(counted(bench, &running).await, one);
        }
    }
    assert_eq!(
        bench.publish(&records).await,
        [Receipt::Duplicate, Receipt::Duplicate]
    );
    assert_eq!(counted(bench, &running).await, one);
    bench.fixture.advance(withdraws_for).await;
    let late = bench.reporting().withdraw(&bench.cx(), &records[1]).await;
    assert!(matches!(late.unwrap(), Withdrawal::TooLate { .. }));
    assert_eq!(counted(bench, &running).await, one);
}

async fn good(bench: &Bench, of: &Running) -> SealedReport {
    bench.sealed(of, "1", bench.fixture.now().await)
}

/// Use so long ago that nobody takes it.
async fn bad(bench: &Bench, of: &Running) -> SealedReport {
    let age_max = bench.fixture.engine().descriptor.limits.age_max;
    let long_ago = bench.fixture.now().await.saturating_sub(age_max + DAY);
    bench.sealed(of, "1", long_ago)
}

/// Use of a subscription that never was, an hour ago.
async fn of_nobody(bench: &Bench, of: &Running) -> SealedReport {
    let hour_ago = bench.fixture.now().await.saturating_sub(HOUR);
    let mut report = bench.report(of, "1", hour_ago);
    report.subscription = text("sub_that_never_was");
    let body = bench.reporting().serialise(&report).unwrap();
    SealedReport {
        batch: report.batch,
        body,
    }
}

/// Until what was sent so far is counted.
async fn until_counted(bench: &Bench) {
    let limits = bench.fixture.engine().descriptor.limits;
    bench.fixture.advance(limits.counts_within).await;
}

async fn counted(bench: &Bench, of: &Running) -> Quantity {
    until_counted(bench).await;
    let span = of.schedule().period(0).unwrap();
    let sum = bench
        .reporting()
        .summary(&bench.cx(), of.external(), &of.meter, span)
        .await;
    sum.unwrap()
}
