//! Periods that a plan change splits, and use that comes late for them.

use super::*;
use crate::product::MeterDraft;

#[test]
fn late_use_of_an_earlier_segment_costs_what_the_period_would_have_cost_more() {
    let tiers = r#""graduated":[{"up_to":"10","unit_price":"3"},{"unit_price":"1"}]"#;
    let terms = priced(tiers);
    let mut period: Vec<LateUse<'_>> = uses(&[(&terms, 8), (&terms, 8)])
        .into_iter()
        .map(|billed| LateUse {
            billed,
            late: Used::new(),
        })
        .collect();
    period[0].late = used_of(4);
    // 16 units cost 36, and 20 cost 40: the late ones take the place of later ones in the first tier.
    assert_eq!(cents(&late_lines(&period).unwrap()), 400);
    assert_eq!(cents(&lines(&[(&terms, 12), (&terms, 8)])), 4_000);
}

/// The first segment's plan prices nothing, and the second's is capped: nothing is billed, or taken off.
#[test]
fn late_use_of_a_segment_without_a_price_changes_nothing_else() {
    let draft = r#"{"billing":"free","currency":"USD","cycle":"month"}"#;
    let free = PlanTerms::new(serde_json::from_str(draft).unwrap(), &[meter()]).unwrap();
    let capped = priced(r#""included":"10","unit_price":"1","commitment":{"maximum":"5"}"#);
    let billed = uses(&[(&free, 3), (&capped, 12)]).into_iter();
    let late = [used_of(6), Used::new()];
    let period = billed
        .zip(late)
        .map(|(billed, late)| LateUse { billed, late });
    assert_eq!(late_lines(&period.collect::<Vec<_>>()), Ok(Vec::new()));
}

#[test]
fn a_price_that_falls_with_use_takes_back_only_what_it_has_earned() {
    let volume = r#""volume":[{"up_to":"1000","unit_price":"0.30"},{"unit_price":"0.20"}]"#;
    let falls = priced(volume);
    let amounts = |parts: &[(&PlanTerms, i64)]| -> Vec<i64> {
        lines(parts)
            .iter()
            .map(|line| line.amount.minor())
            .collect()
    };
    assert_eq!(amounts(&[(&falls, 1_000), (&falls, 1)]), [30_000, -9_980]);
    let flat = metered("0", "0.01", 0);
    assert_eq!(amounts(&[(&flat, 1_000), (&falls, 1)]), [1_000, 0]);
    let again = [(&falls, 500), (&flat, 500), (&falls, 1)];
    assert_eq!(amounts(&again), [15_000, 500, -9_980]);
    // The same price after another number of included units is another price.
    let fewer = priced(&format!(r#""included":"100",{volume}"#));
    assert_eq!(amounts(&[(&fewer, 1_000), (&falls, 1)]), [27_000, 0]);
    let shown = lines(&[(&flat, 1_000), (&falls, 1)]);
    let LineItem::Usage(second) = &shown[1].item else {
        panic!("{shown:?}");
    };
    assert_eq!(second.taken_off.minor(), 20_020);
}

#[test]
fn the_first_segment_with_a_price_is_billed_the_price_of_no_use() {
    let steps = |zero_use: &str| {
        priced(&format!(
            r#""zero_use":"{zero_use}","stairstep":[{{"up_to":"1000","price":"30"}},{{"price":"100"}}]"#
        ))
    };
    let (charged, free) = (steps("charged"), steps("free"));
    let unpriced = PlanTerms::new(
        serde_json::from_str(r#"{"billing":"free","currency":"USD","cycle":"month"}"#).unwrap(),
        &[meter()],
    )
    .unwrap();
    for (terms, before, used, cents) in [
        (&charged, 0, 500, 3_000),
        (&free, 0, 500, 3_000),
        (&charged, 0, 0, 3_000),
        (&free, 0, 0, 0),
        (&charged, 700, 500, 10_000),
        (&charged, 700, 0, 3_000),
    ] {
        let lines = lines(&[(&unpriced, before), (terms, used)]);
        assert_eq!(
            (lines.len(), super::cents(&lines)),
            (1, cents),
            "{before} {used}"
        );
    }
    assert_eq!(cents(&lines(&[(&charged, 0), (&charged, 500)])), 3_000);
    assert_eq!(cents(&lines(&[(&charged, 500), (&charged, 501)])), 10_000);
}

#[test]
fn what_was_last_counts_once_whatever_prices_it_in_between() {
    let seats = || {
        let draft = r#"{"name":"seats","aggregation":"last"}"#;
        let draft: MeterDraft = serde_json::from_str(draft).unwrap();
        draft.check(MeterId::derived(&[b"requests"])).unwrap()
    };
    let terms = |usage: &str| {
        let draft = format!(
            r#"{{"billing":"metered","currency":"USD","cycle":"month","usage":[{usage}]}}"#
        );
        PlanTerms::new(
            serde_json::from_str(&draft).unwrap(),
            &[
                seats(),
                Meter {
                    id: MeterId::derived(&[b"other"]),
                    ..meter()
                },
            ],
        )
        .unwrap()
    };
    let sold = terms(r#"{"meter":"seats","unit_price":"1"}"#);
    let unsold = terms(r#"{"meter":"requests","unit_price":"1"}"#);
    let described = |parts: &[(&PlanTerms, i64)]| {
        let lines = lines(parts).into_iter();
        let seats = lines.filter(|line| line.description.contains("seats"));
        seats
            .map(|line| {
                (
                    line.amount.minor(),
                    line.description.split(", 1970").next().unwrap().to_owned(),
                )
            })
            .collect::<Vec<_>>()
    };
    let line = |cents, text: &str| (cents, text.to_owned());
    assert_eq!(
        described(&[(&sold, 10), (&unsold, 12), (&sold, 13)]),
        [
            line(1_000, "10 seats"),
            line(100, "13 seats, 1 more than before")
        ]
    );
    assert_eq!(
        described(&[(&sold, 10), (&sold, 4)]),
        [
            line(1_000, "10 seats"),
            line(0, "4 seats, 0 more than before")
        ]
    );
    assert_eq!(
        described(&[(&unsold, 10), (&unsold, 12), (&sold, 13)]),
        [line(100, "13 seats, 1 more than before")]
    );
    for (parts, most) in [
        ([(&sold, 10), (&unsold, 4)], 10),
        ([(&unsold, 10), (&sold, 14)], 14),
    ] {
        let used = period_use(&uses(&parts)).unwrap();
        assert_eq!(used[&meter().id].scaled(), most);
    }
    let included = terms(r#"{"meter":"seats","unit_price":"1","included":"3"}"#);
    assert_eq!(
        described(&[(&included, 10)]),
        [line(700, "10 seats, 7 of them beyond those included")]
    );
}

#[test]
fn late_use_that_makes_a_period_cheaper_takes_nothing_back() {
    let terms = priced(r#""volume":[{"up_to":"1000","unit_price":"0.30"},{"unit_price":"0.20"}]"#);
    let late = |billed, more| late(&terms, meter().id, (billed, more));
    let lines = late(1_000, 1);
    assert_eq!((lines.len(), cents(&lines)), (1, 0));
    let LineItem::LateUsage(usage) = &lines[0].item else {
        panic!("{lines:?}");
    };
    assert_eq!((usage.used.scaled(), usage.taken_off.minor()), (1, 20_020));
    assert_eq!(cents(&late(1_000, 1_000)), 10_000);
    assert_eq!(cents(&late(999, 1)), 30);
    let bounded = priced(
        r#""volume":[{"up_to":"1000","unit_price":"0.30"},{"unit_price":"0.20"}],"commitment":{"minimum":"250"}"#,
    );
    assert_eq!(cents(&super::late(&bounded, meter().id, (1_000, 1))), 0);
    assert_eq!(cents(&super::late(&bounded, meter().id, (1_000, 500))), 0);
    assert_eq!(cents(&super::late(&bounded, meter().id, (1_000, 501))), 20);
}

#[test]
fn a_stretch_of_no_time_commits_to_nothing_b15() {
    let minimum = |minimum: &str| {
        priced(&format!(
            r#""unit_price":"1","commitment":{{"minimum":"{minimum}"}}"#
        ))
    };
    let (terms, never_in_force) = (minimum("62"), minimum("1000"));
    let mut uses = uses(&[(&terms, 3), (&never_in_force, 1)]);
    let end = uses[0].segment.span.end;
    uses[1].segment = uses[1].segment.until(end);
    assert_eq!(cents(&usage_lines(&uses).unwrap()), 3_100);
    // What comes after the period's end is of the next one.
    let period = uses[0].segment.period;
    uses[0].segment.span = period;
    uses[1].segment.span = Span {
        start: period.end,
        end: crate::clock::Timestamp::MAX,
    };
    assert_eq!(cents(&usage_lines(&uses).unwrap()), 6_200);
}
