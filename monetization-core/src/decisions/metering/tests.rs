use super::*;
use crate::ids::TypedId;
use crate::period::Cycle;
use crate::plan::{Billing, PlanTerms, TermsDraft};
use crate::product::MeterDraft;

#[test]
fn a_transaction_whose_price_cannot_be_expressed_is_refused() {
    let sales = meter(r#"{"name":"sales","unit":"amount"}"#);
    let terms = priced(&sales, r#"{"rate":"10000"}"#);
    let report = |amount| reported(&sales, terms.usage(), (Some(amount), None));
    assert_eq!(report("1000").unwrap().len(), 2);
    assert_eq!(report("999999999999999").unwrap_err().field(), "quantity");
}

/// R-M6: every ending and status under every policy, as the table in the documentation says.
#[test]
fn what_is_billed_is_what_the_policy_says() {
    let answers = [
        Some(204),
        Some(200),
        Some(302),
        Some(404),
        Some(429),
        Some(500),
        Some(503),
        None,
    ];
    for ending in Ending::ALL {
        for status in answers {
            let whole = matches!(ending, Ending::Complete | Ending::ClientGone);
            let expected = match status.filter(|_| whole) {
                Some(200..=299) => [true, true, true],
                Some(300..=499) => [true, false, true],
                _ => [true, false, false],
            };
            let expected = if ending == Ending::Failed {
                [false; 3]
            } else {
                expected
            };
            let policies = [Billable::Attempt, Billable::Success, Billable::Non5xx];
            for (bill, expected) in policies.into_iter().zip(expected) {
                for unbilled in [UnbilledCall::GivesBack, UnbilledCall::Spends] {
                    let charge = charge(
                        MeteringPolicy { bill, unbilled },
                        Outcome { status, ending },
                    );
                    assert_eq!(charge.billed, expected, "{bill:?} {status:?} {ending:?}");
                    assert_eq!(charge.spends, expected || unbilled == UnbilledCall::Spends);
                }
            }
        }
    }
}

/// A meter as JSON says it.
fn meter(draft: &str) -> Meter {
    let draft: MeterDraft = serde_json::from_str(draft).unwrap();
    let id = MeterId::derived(&[draft.name.as_str().as_bytes()]);
    draft.check(id).unwrap()
}

fn requests() -> Meter {
    Meter::requests(MeterId::derived(&[Meter::REQUESTS.as_bytes()])).unwrap()
}

/// Terms in dollars that sell a meter for a percentage.
fn priced(meter: &Meter, percentage: &str) -> PlanTerms {
    let usage = format!(
        r#"[{{"meter":"{}","percentage":{percentage}}}]"#,
        meter.name
    );
    let mut draft = TermsDraft::new(Billing::Metered, "USD".parse().unwrap(), Cycle::MONTH);
    draft.usage = serde_json::from_str(&usage).unwrap();
    PlanTerms::new(draft, std::slice::from_ref(meter)).unwrap()
}

const WHOLE: Outcome = Outcome {
    status: Some(200),
    ending: Ending::Complete,
};

/// What a call counts on one meter besides that of requests.
fn of_one(meter: &Meter, outcome: Outcome, resource: &str, measured: &Measured) -> Vec<Counted> {
    let resource = resource.parse().unwrap();
    let call = MeteredCall {
        outcome,
        resource: Some(&resource),
        measured,
    };
    let policy = MeteringPolicy::default();
    counted(std::slice::from_ref(meter), &[], policy, &call)
}

#[test]
fn a_call_counts_on_each_meter_what_it_reads() {
    let measured = |meter: &Meter, said: &str| Measured {
        request_bytes: 300,
        response_bytes: 5_000,
        said: vec![
            (MeterId::derived(&[b"another"]), "77".to_owned()),
            (meter.id, said.to_owned()),
        ],
    };
    let cases = [
        (r#""source":"calls""#, "9", Some((1, Tally::Add))),
        (r#""source":"request_bytes""#, "9", Some((300, Tally::Add))),
        (
            r#""source":"response_bytes""#,
            "9",
            Some((5_000, Tally::Add)),
        ),
        (r#""source":"bytes""#, "9", Some((5_300, Tally::Add))),
        (
            r#""source":{"response_header":"x-n"}"#,
            "9",
            Some((9, Tally::Add)),
        ),
        (r#""source":{"response_header":"x-n"}"#, "nine", None),
        (
            r#""source":{"response_field":"/n"},"aggregation":"max""#,
            "9",
            Some((9, Tally::Max)),
        ),
        (
            r#""source":{"response_field":"/n"},"aggregation":"last""#,
            "9",
            Some((9, Tally::Last)),
        ),
        (
            r#""source":{"response_field":"/n"},"aggregation":"count""#,
            "nine",
            Some((1, Tally::Add)),
        ),
        (
            r#""source":{"response_field":"/n"},"aggregation":"unique""#,
            "nine",
            Some((1, Tally::once(b"nine"))),
        ),
        (r#""source":"reports""#, "9", None),
    ];
    for (source, said, expected) in cases {
        let meter = meter(&format!(r#"{{"name":"m","unit":"events",{source}}}"#));
        let counted = of_one(&meter, WHOLE, "any", &measured(&meter, said));
        let expected = expected.map(|(quantity, tally)| Counted {
            meter: meter.id,
            quantity: Quantity::from_scaled(quantity),
            tally,
        });
        assert_eq!(counted, Vec::from_iter(expected), "{source} {said}");
        let silent = of_one(&meter, WHOLE, "any", &Measured::default());
        let reads = source.contains("response_") && !source.contains("bytes");
        assert_eq!(
            silent.is_empty(),
            reads || source.contains("reports"),
            "{source}"
        );
    }
}

#[test]
fn bytes_are_counted_in_the_scale_of_their_meter() {
    let meter = meter(r#"{"name":"m","unit":"bytes","decimals":3,"source":"bytes"}"#);
    let measured = Measured {
        request_bytes: 2,
        response_bytes: 3,
        said: Vec::new(),
    };
    let counted = of_one(&meter, WHOLE, "any", &measured);
    assert_eq!(counted[0].quantity, Quantity::from_scaled(5_000));
}

// They counted nothing.
#[test]
fn bytes_beyond_what_a_call_can_count_count_the_most_e10() {
    for (decimals, bytes, expected) in [
        (0, u64::MAX, 999_999_999_999_999),
        (0, 1_000_000_000_000_000, 999_999_999_999_999),
        (0, 999_999_999_999_998, 999_999_999_999_998),
        (6, 2_000_000_000, 999_999_999_999_999),
    ] {
        let meter = meter(&format!(
            r#"{{"name":"m","unit":"bytes","decimals":{decimals},"source":"response_bytes"}}"#
        ));
        let measured = Measured {
            response_bytes: bytes,
            ..Measured::default()
        };
        let counted = of_one(&meter, WHOLE, "any", &measured);
        assert_eq!(
            counted[0].quantity,
            Quantity::from_scaled(expected),
            "{bytes}"
        );
    }
}

#[test]
fn a_filter_counts_the_statuses_and_resources_it_names_and_no_others() {
    let ended = |status: u16, ending| Outcome {
        status: Some(status),
        ending,
    };
    let filtered = |filter: &str| {
        meter(&format!(
            r#"{{"name":"m","unit":"events","source":"calls","filter":{{{filter}}}}}"#
        ))
    };
    let cases = [
        ("", [true, true, false, false]),
        (r#""status":["404","5xx"]"#, [false, false, true, false]),
        (r#""status":["2xx"]"#, [true, true, false, false]),
        (r#""resources":["read"]"#, [true, false, false, false]),
        (
            r#""resources":["write","find"]"#,
            [false, true, false, false],
        ),
        (
            r#""status":["2xx"],"resources":["write"]"#,
            [false, true, false, false],
        ),
    ];
    for (filter, expected) in cases {
        let meter = filtered(filter);
        let is_one = |outcome, resource: &str| {
            let counted = !of_one(&meter, outcome, resource, &Measured::default()).is_empty();
            let resource = resource.parse().unwrap();
            let call = MeteredCall {
                outcome,
                resource: Some(&resource),
                measured: &Measured::default(),
            };
            let foretold = counts(&meter, MeteringPolicy::default(), &call);
            assert_eq!(foretold, counted, "{filter}");
            counted
        };
        let found = [
            is_one(WHOLE, "read"),
            is_one(WHOLE, "write"),
            is_one(ended(503, Ending::Complete), "read"),
            is_one(ended(503, Ending::UpstreamBroke), "read"),
        ];
        assert_eq!(found, expected, "{filter}");
    }
    let call = MeteredCall {
        outcome: WHOLE,
        resource: None,
        measured: &Measured::default(),
    };
    let of_none = |filter| {
        let meters = [filtered(filter)];
        counted(&meters, &[], MeteringPolicy::default(), &call).len()
    };
    assert_eq!((of_none(""), of_none(r#""resources":["read"]"#)), (1, 0));
}

#[test]
fn a_call_that_is_not_billed_is_recorded_as_no_request() {
    let failed = Outcome {
        status: Some(503),
        ending: Ending::Complete,
    };
    let other = meter(r#"{"name":"m","unit":"events","source":"calls"}"#);
    let call = MeteredCall {
        outcome: failed,
        resource: None,
        measured: &Measured::default(),
    };
    let meters = [other, requests()];
    let counted = counted(&meters, &[], MeteringPolicy::default(), &call);
    assert_eq!(counted, [Counted::new(meters[1].id, Quantity::ZERO)]);
}

#[test]
fn what_headers_say_is_taken_without_the_space_around_it() {
    let reads = |name: &str, header: &str| {
        meter(&format!(
            r#"{{"name":"{name}","unit":"tokens","source":{{"response_header":"{header}"}}}}"#
        ))
    };
    let meters = [
        requests(),
        reads("a", "x-a"),
        reads("b", "x-b"),
        reads("c", "x-c"),
    ];
    let mut headers = HeaderMap::new();
    headers.insert("x-a", HeaderValue::from_static(" 12\t"));
    headers.insert("x-b", HeaderValue::from_bytes(b"\xff").unwrap());
    let mut measured = Measured::default();
    measured.heed(&meters, &headers);
    assert_eq!(measured.said, [(meters[1].id, "12".to_owned())]);
}

#[test]
fn a_report_counts_what_it_says_or_is_told_what_is_missing() {
    let events = |rest: &str| meter(&format!(r#"{{"name":"m","unit":"events"{rest}}}"#));
    let report = |meter: &Meter, quantity, key| {
        let counted = reported(meter, &[], (quantity, key));
        counted.map(|counted| (counted[0].quantity.scaled(), counted[0].tally))
    };
    let sum = events("");
    assert_eq!(report(&sum, Some("12"), None), Ok((12, Tally::Add)));
    assert_eq!(report(&sum, None, None).unwrap_err().field(), "quantity");
    assert_eq!(
        report(&sum, Some("1.5"), None).unwrap_err().field(),
        "quantity"
    );
    let count = events(r#","aggregation":"count""#);
    assert_eq!(report(&count, None, None), Ok((1, Tally::Add)));
    assert_eq!(report(&count, Some("12"), None), Ok((1, Tally::Add)));
    let unique = events(r#","aggregation":"unique""#);
    assert_eq!(report(&unique, None, Some("k")), Ok((1, Tally::once(b"k"))));
    assert_eq!(report(&unique, None, None).unwrap_err().field(), "key");
    assert_eq!(report(&requests(), Some("3"), None), Ok((3, Tally::Add)));
    let calls = events(r#","source":"calls""#);
    assert_eq!(
        report(&calls, Some("3"), None).unwrap_err().field(),
        "meter"
    );
}

#[test]
fn a_transaction_is_charged_when_it_is_recorded() {
    let sales = meter(r#"{"name":"sales","unit":"amount","decimals":2}"#);
    let charged = |percentage: &str, amount| {
        let terms = priced(&sales, percentage);
        let mut counted = reported(&sales, terms.usage(), (Some(amount), None)).unwrap();
        let charged = counted.pop().unwrap();
        assert_eq!(counted.len(), 1);
        assert_eq!(charged.meter, Percentage::charges(sales.id));
        (charged.quantity.scaled(), charged.tally)
    };
    let rate = r#"{"rate":"2.5","fee":"0.1"}"#;
    assert_eq!(charged(rate, "40.00"), (110_000_000, Tally::After(0)));
    let free = r#"{"rate":"2.5","free_events":3}"#;
    assert_eq!(charged(free, "40.00"), (100_000_000, Tally::After(3)));
}
