//! Limits as they are told and enforced: RATE_LIMITS d.1, F1, F2, F5, B6, B20.

use std::time::Duration;

use http::{HeaderValue, Response};
use monetization_core::plan::{QuotaWindow, Rate};
use monetization_gateway_tower::{HeaderStyle, LayerOptions, LimitedBody};

use crate::support::{
    Offer, Setting, TestBody, World, at, loose, ok, per_minute, send, strict, whole,
};

fn month_and_minute() -> Setting {
    Setting {
        offer: Offer {
            rates: vec![per_minute(20)],
            quotas: vec![strict(QuotaWindow::Month, 1_000)],
            ..Offer::default()
        },
        ..Setting::default()
    }
}

#[tokio::test]
async fn the_eighth_call_shows_what_is_left_of_every_window_f1_vector_1() {
    let world = World::start(Setting {
        start: at("2026-06-10T12:00:14Z"),
        ..month_and_minute()
    })
    .await;
    let service = world.layer(world.options(), ok());
    for _ in 0..7 {
        assert_eq!(send(&service, world.get("/today")).await.status, 200);
    }
    let eighth = send(&service, world.get("/today")).await;
    assert_eq!((eighth.status, eighth.body.as_str()), (200, "ok"));
    eighth.assert_headers(&[
        ("X-RateLimit-Limit-Month", "1000"),
        ("X-RateLimit-Remaining-Month", "992"),
        ("X-RateLimit-Limit-Minute", "20"),
        ("X-RateLimit-Remaining-Minute", "12"),
        ("RateLimit-Limit", "20"),
        ("RateLimit-Remaining", "12"),
        ("RateLimit-Reset", "46"),
        ("Retry-After", ""),
    ]);
}

#[tokio::test]
async fn the_call_beyond_the_minute_is_refused_and_takes_nothing_of_the_month_vector_2() {
    let world = World::start(month_and_minute()).await;
    let service = world.layer(world.options(), ok());
    for _ in 0..20 {
        assert_eq!(send(&service, world.get("/today")).await.status, 200);
    }
    let refused = send(&service, world.get("/today")).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.body, r#"{"message":"API rate limit exceeded"}"#);
    refused.assert_headers(&[
        ("Content-Type", "application/json"),
        ("X-RateLimit-Remaining-Minute", "0"),
        ("X-RateLimit-Remaining-Month", "980"),
        ("RateLimit-Limit", "20"),
        ("RateLimit-Remaining", "0"),
        ("RateLimit-Reset", "60"),
        ("Retry-After", "60"),
    ]);
}

#[tokio::test]
async fn a_month_used_up_on_the_5th_stays_used_up_until_its_last_second_vector_3() {
    let world = World::start(Setting {
        start: at("2027-01-05T08:00:00Z"),
        offer: Offer {
            quotas: vec![strict(QuotaWindow::Month, 2)],
            rates: vec![per_minute(20)],
            ..Offer::default()
        },
        ..Setting::default()
    })
    .await;
    let service = world.layer(world.options(), ok());
    for _ in 0..2 {
        assert_eq!(send(&service, world.get("/")).await.status, 200);
    }
    world.time.set(at("2027-01-31T12:00:00Z"));
    let refused = send(&service, world.get("/")).await;
    assert_eq!(refused.status, 429);
    refused.assert_headers(&[
        ("Retry-After", "43200"),
        ("RateLimit-Reset", "43200"),
        // The rate would have let it pass and has lost nothing.
        ("X-RateLimit-Remaining-Minute", "20"),
        ("X-RateLimit-Remaining-Month", "0"),
    ]);
    world.time.set(at("2027-02-01T00:00:00Z"));
    assert_eq!(send(&service, world.get("/")).await.status, 200);
}

#[tokio::test]
async fn february_ends_after_28_days_vector_4() {
    let world = World::start(Setting {
        start: at("2027-02-28T23:59:50Z"),
        offer: Offer {
            quotas: vec![strict(QuotaWindow::Month, 1)],
            ..Offer::default()
        },
        ..Setting::default()
    })
    .await;
    let service = world.layer(world.options(), ok());
    assert_eq!(send(&service, world.get("/")).await.status, 200);
    let refused = send(&service, world.get("/")).await;
    refused.assert_headers(&[("Retry-After", "10")]);
    // A part of a second is rounded up: nobody comes too early.
    world.time.advance(Duration::from_millis(500));
    let refused = send(&service, world.get("/")).await;
    refused.assert_headers(&[("Retry-After", "10")]);
    world.time.advance(Duration::from_millis(9_499));
    let refused = send(&service, world.get("/")).await;
    refused.assert_headers(&[("Retry-After", "1")]);
}

#[tokio::test]
async fn fifty_refused_calls_leave_the_count_unchanged_f5() {
    let world = World::start(Setting {
        start: at("2026-06-10T12:00:30Z"),
        offer: Offer {
            rates: vec![per_minute(5)],
            quotas: vec![strict(QuotaWindow::Month, 100)],
            ..Offer::default()
        },
        ..Setting::default()
    })
    .await;
    let service = world.layer(world.options(), ok());
    for _ in 0..5 {
        assert_eq!(send(&service, world.get("/")).await.status, 200);
    }
    for _ in 0..50 {
        let refused = send(&service, world.get("/")).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("X-RateLimit-Remaining-Month"), "95");
    }
    assert_eq!(world.records().await.len(), 5);
    world.time.advance(Duration::from_secs(30));
    let next = send(&service, world.get("/")).await;
    next.assert_headers(&[
        ("X-RateLimit-Remaining-Minute", "4"),
        ("X-RateLimit-Remaining-Month", "94"),
    ]);
}

#[tokio::test]
async fn three_a_month_and_two_a_minute_hold_together_b6() {
    let world = World::start(Setting {
        offer: Offer {
            rates: vec![per_minute(2)],
            quotas: vec![strict(QuotaWindow::Month, 3)],
            ..Offer::default()
        },
        ..Setting::default()
    })
    .await;
    let service = world.layer(world.options(), ok());
    let statuses = async |count: usize| {
        let mut statuses = Vec::new();
        for _ in 0..count {
            statuses.push(send(&service, world.get("/")).await.status);
        }
        statuses
    };
    assert_eq!(statuses(3).await, [200, 200, 429]);
    world.time.advance(Duration::from_secs(60));
    assert_eq!(statuses(2).await, [200, 429]);
    // The minute is fresh again, the month is not.
    world.time.advance(Duration::from_secs(60));
    let refused = send(&service, world.get("/")).await;
    assert_eq!(refused.status, 429);
    refused.assert_headers(&[
        ("X-RateLimit-Remaining-Month", "0"),
        ("X-RateLimit-Remaining-Minute", "2"),
        ("RateLimit-Limit", "3"),
    ]);
    world.time.set(at("2026-07-01T00:00:00Z"));
    assert_eq!(statuses(1).await, [200]);
}

#[tokio::test]
async fn a_loose_quota_lets_every_call_pass_and_counts_it_b20() {
    let world = World::start(Setting {
        offer: Offer {
            quotas: vec![loose(QuotaWindow::Period, 2)],
            ..Offer::default()
        },
        ..Setting::default()
    })
    .await;
    let service = world.layer(world.options(), ok());
    for remaining in ["1", "0", "0", "0"] {
        let passed = send(&service, world.get("/")).await;
        assert_eq!(passed.status, 200);
        passed.assert_headers(&[
            ("X-RateLimit-Limit-Period", "2"),
            ("X-RateLimit-Remaining-Period", remaining),
        ]);
    }
    let records = world.records().await;
    assert_eq!(records.len(), 4);
    assert!(records.iter().all(|record| record.spent[0].units == 1));
}

#[tokio::test]
async fn the_ietf_style_names_every_limit_with_its_window() {
    let world = World::start(Setting {
        start: at("2026-06-10T12:00:14Z"),
        ..month_and_minute()
    })
    .await;
    let options = LayerOptions {
        headers: HeaderStyle::Ietf,
        ..world.options()
    };
    let service = world.layer(options, ok());
    let passed = send(&service, world.get("/")).await;
    passed.assert_headers(&[
        (
            "RateLimit-Policy",
            r#""minute";q=20;w=60, "month";q=1000;w=2592000"#,
        ),
        (
            "RateLimit",
            r#""minute";r=19;t=46, "month";r=999;t=1771186"#,
        ),
        ("RateLimit-Limit", ""),
        ("X-RateLimit-Limit-Minute", ""),
    ]);
}

#[tokio::test]
async fn both_styles_or_none_can_be_chosen_and_the_upstreams_own_headers_do_not_stay() {
    let world = World::start(month_and_minute()).await;
    let talkative = tower::service_fn(|_| async {
        let mut response = Response::new(whole("ok"));
        let headers = response.headers_mut();
        for name in ["ratelimit-limit", "ratelimit", "x-ratelimit-limit-day"] {
            headers.append(name, HeaderValue::from_static("7"));
            headers.append(name, HeaderValue::from_static("8"));
        }
        Ok::<Response<TestBody>, std::convert::Infallible>(response)
    });
    let styled = async |headers| {
        let options = LayerOptions {
            headers,
            ..world.options()
        };
        send(&world.layer(options, talkative), world.get("/")).await
    };
    let both = styled(HeaderStyle::Both).await;
    both.assert_headers(&[
        ("RateLimit-Limit", "20"),
        (
            "RateLimit",
            r#""minute";r=19;t=60, "month";r=999;t=1771200"#,
        ),
        ("X-RateLimit-Limit-Day", ""),
    ]);
    let none = styled(HeaderStyle::None).await;
    assert_eq!(none.headers.get_all("ratelimit-limit").iter().count(), 2);
    assert_eq!(none.header("X-RateLimit-Limit-Minute"), "");
}

#[tokio::test]
async fn a_burst_has_no_window_and_is_told_when_it_is_the_tightest() {
    let number = |number: u32| number.try_into().unwrap();
    let world = World::start(Setting {
        offer: Offer {
            rates: vec![
                Rate::Gcra {
                    count: number(60),
                    seconds: number(60),
                    burst: number(2),
                },
                per_minute(20),
            ],
            ..Offer::default()
        },
        ..Setting::default()
    })
    .await;
    let service = world.layer(world.options(), ok());
    let passed = send(&service, world.get("/")).await;
    passed.assert_headers(&[
        ("RateLimit-Limit", "2"),
        ("RateLimit-Remaining", "1"),
        ("RateLimit-Reset", "1"),
        ("X-RateLimit-Remaining-Minute", "19"),
        ("X-RateLimit-Limit-Burst", ""),
    ]);
    assert_eq!(send(&service, world.get("/")).await.status, 200);
    let refused = send(&service, world.get("/")).await;
    assert_eq!(refused.status, 429);
    refused.assert_headers(&[("Retry-After", "1"), ("X-RateLimit-Remaining-Minute", "18")]);
}

#[tokio::test]
async fn a_client_learns_which_limit_it_was_and_when_to_come_back_f7() {
    let world = World::start(Setting {
        offer: Offer {
            rates: vec![per_minute(2)],
            quotas: vec![strict(QuotaWindow::Month, 3)],
            ..Offer::default()
        },
        ..Setting::default()
    })
    .await;
    let options = LayerOptions {
        headers: HeaderStyle::Both,
        ..world.options()
    };
    let service = world.layer(options, ok());
    let problem = async || {
        let mut request = world.get("/");
        let accept = HeaderValue::from_static("application/problem+json, application/json");
        request.headers_mut().insert("accept", accept);
        let refused = send(&service, request).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("Content-Type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&refused.body).unwrap();
        (problem, refused)
    };
    for _ in 0..2 {
        assert_eq!(send(&service, world.get("/")).await.status, 200);
    }
    let (rate, refused) = problem().await;
    refused.assert_headers(&[("Retry-After", "60"), ("RateLimit-Reset", "60")]);
    assert_eq!(rate["type"], "about:blank");
    assert_eq!(rate["code"], "rate_exceeded");
    assert_eq!(rate["violated-policies"], serde_json::json!(["minute"]));
    world.time.advance(Duration::from_secs(60));
    assert_eq!(send(&service, world.get("/")).await.status, 200);
    let (quota, refused) = problem().await;
    // Until June is over, of which 20 days, 11 hours and 59 minutes are left.
    let rest = (20 * 86_400 + 12 * 3_600 - 60).to_string();
    refused.assert_headers(&[("Retry-After", &rest), ("RateLimit-Reset", &rest)]);
    let policies = refused.header("RateLimit-Policy");
    assert!(policies.contains("\"minute\";q=2;w=60") && policies.contains("\"month\";q=3;w="));
    assert_eq!(
        quota["type"],
        "https://iana.org/assignments/http-problem-types#quota-exceeded"
    );
    assert_eq!(quota["code"], "quota_exceeded");
    assert_eq!(quota["violated-policies"], serde_json::json!(["month"]));
    // The same for everybody where the gateway is set so.
    let options = LayerOptions {
        limited: LimitedBody::Problem,
        ..world.options()
    };
    let refused = send(&world.layer(options, ok()), world.get("/")).await;
    assert_eq!(refused.header("Content-Type"), "application/problem+json");
}
