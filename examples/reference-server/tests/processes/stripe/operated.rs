//! What an operator runs beside the server: the doctor, the set-up of endpoints, publishers.

use std::time::Duration;

use monetization_conformance::stripe::fake::{PLATFORM, Permission, Request, SECRET_KEY};
use monetization_core::clock::Clock;
use serde_json::{Value, json};

use super::shop::{KEY, Ran, Shop, text};

/// What the doctor says of a subject: each verdict, with what was found.
async fn doctor(shop: &Shop, subject: &str) -> Vec<String> {
    let data = format!("--data-directory={}", shop.home.directory().display());
    let ran = shop
        .run(&["doctor", "--engine=stripe", "--json", &data])
        .await;
    let told: Value = serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{ran:?}"));
    let lines = told["lines"].as_array().unwrap().iter();
    let lines = lines.filter(|line| line["subject"] == subject);
    let lines = lines.map(|line| format!("{} {}", text(&line["verdict"]), text(&line["found"])));
    lines.collect()
}

/// Changes something at Stripe by hand.
fn change(shop: &Shop, request: Request) {
    let request = request.key(SECRET_KEY);
    let answer = shop.stripe.fake().answer(&request);
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_says_whether_stripes_news_comes_and_the_set_up_mends_it_r_p7() {
    let now = "2026-01-01T00:00:00Z";
    let clock = format!("--manual-clock={now}");
    let mut shop = Shop::open_at(now.parse().unwrap(), &[&clock]).await;
    let none = doctor(&shop, "endpoint").await;
    assert!(
        none[0].starts_with("PROBLEM Stripe sends no news to"),
        "{none:?}"
    );
    assert!(
        none[1].starts_with("WARN Stripe sends no thin events to")
            && none[1].contains("found only by reconciling"),
        "{none:?}"
    );
    shop.set_up(&[]).await;
    let engine = doctor(&shop, "engine").await;
    assert_eq!(
        engine,
        ["OK stripe 2026-09-30.endive, account acct_1FakePlatform00, in test mode"]
    );
    let fine = doctor(&shop, "endpoint").await;
    let url = format!("http://{}/webhooks/stripe", shop.server.api.address);
    let id = |line: &str| line.split(' ').nth(1).unwrap().to_owned();
    let (endpoint, destination) = (id(&fine[0]), id(&fine[2]));
    assert_eq!(
        fine,
        [
            format!("OK {endpoint} at {url}, of the platform's own account"),
            "OK none of connected accounts, which is right while no publisher has one: setup-webhook \
             with --connect makes it"
                .to_owned(),
            format!("OK {destination} at {url}, thin events of the platform's own account"),
        ]
    );
    is_mended(&shop, &url, &fine, (&endpoint, &destination)).await;

    let path = format!("/v1/webhook_endpoints/{endpoint}");
    let by_hand = "metadata[monetization_listens_to]=";
    change(&shop, Request::post(&path, by_hand));
    let Ran { code, errors, .. } = shop.run(&["stripe", "setup-webhook", "--url", &url]).await;
    assert_eq!(code, Some(1));
    assert!(
        errors.contains("delete it at Stripe, and do this again"),
        "{errors}"
    );
    shop.server.terminate().await;
}

/// Whatever was changed at Stripe by hand is named, and mended by the set-up.
async fn is_mended(shop: &Shop, url: &str, fine: &[String], (endpoint, destination): (&str, &str)) {
    let v1 = format!("/v1/webhook_endpoints/{endpoint}");
    let v2 = format!("/v2/core/event_destinations/{destination}");
    let less = json!({ "enabled_events": ["v1.billing.meter.no_meter_found"] });
    for (at, changed, said) in [
        (0, Request::post(&v1, "disabled=true"), "is switched off"),
        (
            0,
            Request::post(&v1, "enabled_events[]=invoice.paid"),
            "is not sent checkout.session.completed, customer.subscription.deleted, ",
        ),
        (
            1,
            Request::post_v2(&format!("{v2}/disable"), &json!({})),
            "is switched off",
        ),
        (
            1,
            Request::post_v2(&v2, &less),
            "is not sent v1.billing.meter.error_report_triggered",
        ),
    ] {
        change(shop, changed);
        let sick = doctor(shop, "endpoint").await;
        let is_told = |line: &String| line.starts_with("PROBLEM ") && line.contains(said);
        assert!(sick.iter().any(is_told), "{sick:?}");
        let mended = shop.run(&["stripe", "setup-webhook", "--url", url]).await;
        let told = [
            format!("{endpoint}, 12 kinds of events of the platform's own account to {url}\n"),
            format!(
                "{destination}, 2 kinds of thin events of the platform's own account to {url}\n"
            ),
        ];
        let done = |which: usize| {
            if which == at {
                "mended"
            } else {
                "there already"
            }
        };
        let expected = format!("{}: {}{}: {}", done(0), told[0], done(1), told[1]);
        assert!(mended.out.starts_with(&expected), "{mended:?}");
        assert_eq!(doctor(shop, "endpoint").await, fine);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_and_the_set_up_say_what_a_key_lacks_j6() {
    let now = "2026-01-01T00:00:00Z";
    let clock = format!("--manual-clock={now}");
    let shop = Shop::open_at(now.parse().unwrap(), &[&clock]).await;
    let narrow = "rk_test_accountonly";
    let may = [("account", Permission::Read)];
    shop.stripe.fake().add_restricted_key(narrow, PLATFORM, may);
    shop.secrets.write(narrow);
    let endpoint = doctor(&shop, "endpoint").await;
    for (line, said) in [
        (
            &endpoint[0],
            "WARN the key may not look at webhook endpoints",
        ),
        (
            &endpoint[1],
            "WARN the key may not look at event destinations",
        ),
    ] {
        assert!(line.starts_with(said), "{endpoint:?}");
    }
    let url = "https://api.example.com/webhooks/stripe";
    let refused = shop.run(&["stripe", "setup-webhook", "--url", url]).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let needed = "the key needs the permission Webhook Endpoints: Write";
    assert!(refused.errors.contains(needed), "{refused:?}");
    assert!(!refused.errors.contains(narrow), "{refused:?}");

    let wider = "rk_test_endpointsonly";
    let may = [("webhook_endpoints", Permission::Write)];
    shop.stripe.fake().add_restricted_key(wider, PLATFORM, may);
    shop.secrets.write(wider);
    let half = shop.run(&["stripe", "setup-webhook", "--url", url]).await;
    assert_eq!(half.code, Some(1), "{half:?}");
    let needed = "the key needs the permission Event Destinations: Write";
    assert!(half.errors.contains(needed), "{half:?}");
    assert!(
        half.out.starts_with("made: we_") && half.out.contains("[\"whsec_"),
        "what was made is told: {half:?}"
    );

    shop.secrets.write("rk_test_unknown");
    let engine = doctor(&shop, "engine").await;
    assert!(
        engine[0].starts_with("PROBLEM ") && engine[0].contains("401"),
        "{engine:?}"
    );
    shop.secrets.write("rk_live_something");
    let engine = doctor(&shop, "engine").await;
    assert!(engine[0].contains("add --stripe-live"), "{engine:?}");
    shop.server.terminate().await;
}

/// A process beside the server, which goes by the machine's clock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_beside_the_server_reports_to_stripe_once_e8() {
    // Stripe's clock stands still: nothing may begin after what it shows.
    let ahead = Clock::system()
        .now()
        .saturating_add(Duration::from_secs(120));
    let mut shop = Shop::open_at(ahead, &["--invoicing=by_engine"]).await;
    shop.set_up(&[]).await;
    let publishers = shop.server.api.get("/api/v1/publishers").await;
    let publisher = text(&publishers["items"][0]["id"]);
    let terms = json!({
        "billing": "metered", "currency": "USD", "cycle": "month",
        "usage": [{ "meter": "requests", "unit_price": "0.10" }],
    });
    let (_, plans) = shop.sell(&publisher, (json!({}), &[terms])).await;
    let bought = shop.subscribe(&plans[0]).await;
    shop.deliver().await;
    assert_eq!(shop.call(&bought).await, 200);

    let data = format!("--data-directory={}", shop.home.directory().display());
    let publish = ["publish", "--engine=stripe", &data];
    shop.secrets.write("sk_live_notthisone");
    let refused = shop.run(&publish).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.errors.contains("real money"), "{refused:?}");
    assert!(shop.stripe.counted().is_empty());
    shop.secrets.write(KEY);
    for _ in 0..2 {
        let published = shop.run(&publish).await;
        assert_eq!(published.code, Some(0), "{published:?}");
        let counted = shop.stripe.counted();
        assert_eq!(
            (counted.len(), counted[0].value.to_string()),
            (1, "1".to_owned())
        );
    }
    shop.server.terminate().await;
}
