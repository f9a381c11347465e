//! What is said about Stripe when a server starts, and while it runs.

use http::Method;
use monetization_conformance::stripe::fake::PLATFORM;
use serde_json::{Value, json};

use super::shop::{KEY, Ran, Secrets, Shop, run, text};

/// A start that is refused, and what is said then: in one line.
async fn refused(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let data = format!("--data-directory={}", folder.path().display());
    let usual = ["serve", &data, "--gateway-address=127.0.0.1:0"];
    let usual = [&usual[..], &["--control-address=127.0.0.1:0"], arguments].concat();
    let Ran { code, errors, .. } = run(&usual).await;
    assert_eq!(code, Some(1), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    errors
}

#[tokio::test]
async fn what_stripe_needs_and_does_not_take_is_named_at_the_start_j1_j2() {
    let good = Secrets::new(KEY, &["whsec_1"]);
    let good = format!("--engine-secrets-file={}", good.path().display());
    let stripe = ["--engine=stripe", &good];
    for (more, said) in [
        (
            vec!["--engine=stripe"],
            "--engine-secrets-file: it is missing",
        ),
        (vec!["--engine=paypal"], "known are mock, none, stripe"),
        (vec!["--stripe-live"], "--stripe-live: it needs Stripe"),
        (
            [&stripe[..], &["--stripe-url=http://api.stripe.com"]].concat(),
            "--stripe-url: \"http://api.stripe.com\" is not encrypted",
        ),
        (
            [&stripe[..], &["--stripe-fee-percent=100.5"]].concat(),
            "--stripe-fee-percent: it is 100.5: allowed are 0 to 100",
        ),
        (
            [&stripe[..], &["--stripe-fee-percent=half"]].concat(),
            "--stripe-fee-percent: \"half\" is no number",
        ),
        (
            [&stripe[..], &["--manual-clock=2026-01-01T00:00:00Z"]].concat(),
            "--manual-clock: only the mock engine's time can be moved",
        ),
        (
            [&stripe[..], &["--stripe-live"]].concat(),
            "it is a test key, and only keys for real money are taken",
        ),
    ] {
        let errors = refused(&more).await;
        assert!(errors.contains(said), "{errors}");
        assert!(!errors.contains(KEY), "{errors}");
    }
}

#[tokio::test]
async fn a_file_of_secrets_that_is_not_for_stripe_is_refused_without_telling_it_j8() {
    let live = "rk_live_1a2b3c4d5e6f";
    for (secrets, said) in [
        (
            json!({ "webhook_secrets": ["whsec_1"] }),
            "credentials is missing",
        ),
        (json!({ "credentials": KEY }), "webhook_secrets is missing"),
        (
            json!({ "credentials": live, "webhook_secrets": ["whsec_1"] }),
            "it is a key for real money, and only test keys are taken: take a test key, or add --stripe-live",
        ),
        (
            json!({ "credentials": "pk_test_1", "webhook_secrets": ["whsec_1"] }),
            "it is no secret or restricted key",
        ),
    ] {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), secrets.to_string()).unwrap();
        let file = format!("--engine-secrets-file={}", file.path().display());
        let errors = refused(&["--engine=stripe", &file]).await;
        assert!(errors.contains(said), "{errors}");
        assert!(
            !errors.contains(live) && !errors.contains("pk_test_1"),
            "{errors}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_exchanged_holds_for_the_next_call_and_a_live_one_is_not_taken_j6() {
    let shop = Shop::open("2026-01-01T00:00:00Z", &[]).await;
    let publishers = shop.server.api.get("/api/v1/publishers").await;
    let publisher = text(&publishers["items"][0]["id"]);
    let terms =
        json!({ "billing": "fixed", "currency": "USD", "cycle": "month", "base_price": "5" });
    let (product, _) = shop
        .sell(&publisher, (json!({}), std::slice::from_ref(&terms)))
        .await;

    let next = "sk_test_thenextone4e8b";
    shop.stripe.fake().add_key(next, PLATFORM);
    shop.stripe.fake().revoke_key(KEY);
    let enable = async || {
        let path = format!("/api/v1/products/{product}");
        let plan = json!({ "name": "Another", "terms": terms });
        shop.server.api.post(&format!("{path}/plans"), plan).await;
        let body = json!({ "enabled": true });
        let asked = shop
            .server
            .api
            .try_to(Method::POST, &format!("{path}/monetize"), body)
            .await;
        let answer: Value = serde_json::from_slice(&asked.body).unwrap();
        let results = answer["plans"].as_object().into_iter().flatten();
        let failed = results.filter(|(_, it)| it["result"] == "failed").count();
        (asked.status, failed)
    };
    let (status, failed) = enable().await;
    assert!(status != 200 || failed > 0, "the old key is still taken");
    shop.secrets.write("sk_live_notthisone9c3d");
    assert_eq!(shop.reload().await, 409);
    shop.secrets.write(next);
    assert_eq!(shop.reload().await, 204);
    assert_eq!(enable().await, (200, 0));
    assert!(!shop.server.complaints().contains(next));
    shop.server.terminate().await;
}
