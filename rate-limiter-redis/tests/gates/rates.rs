//! Several gatekeepers hold one rate.

use std::sync::Arc;

use monetization_conformance::{is_long, size_in_ci};
use monetization_core::runtime::Gatekeeper;
use monetization_rate_limiter_redis::{GateRates, RedisLimiter};

use crate::machine::{namespace, nodes};
use crate::shop::{DONE, Shop, offer};

/// A gatekeeper on each node.
fn behind(shop: &Shop, nodes: &[RedisLimiter]) -> Vec<Gatekeeper> {
    let rates = nodes.iter().map(|node| GateRates::new(node.clone()));
    let rates = rates.map(|rates| Some(Arc::new(rates) as Arc<_>));
    rates.map(|rates| shop.gatekeeper(rates)).collect()
}

/// An hour may end within a test, and another begin.
fn hour() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_secs() / 3_600
}

/// Every number of gatekeepers, load and limit: nothing passes beyond the limit, and nearly all that may does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn gatekeepers_over_one_redis_hold_one_rate_r_q1() {
    let limits: &[u64] = size_in_ci(
        &[10, 100, 1_000],
        &[10, 100, 1_000],
        &[10, 100, 1_000, 10_000],
    );
    let shop = Arc::new(Shop::open().await);
    let mut least = 1_000;
    for count in [1, 3, 5, 9] {
        let nodes = nodes(count, namespace()).await;
        let gatekeepers = behind(&shop, &nodes);
        for (max, tenths) in limits
            .iter()
            .flat_map(|max| [9, 10, 20, 30].map(|tenths| (*max, tenths)))
        {
            let calls = max * tenths / 10;
            let passed = loop {
                let rate = r#""rates": [{"kind": "calendar", "window": "hour", "max": MAX}]"#;
                let key = shop
                    .subscriber(&rate.replace("MAX", &max.to_string()))
                    .await;
                let begun = hour();
                let passed = offer(&shop, &gatekeepers, &key, calls).await;
                if hour() == begun {
                    break passed;
                }
            };
            let possible = calls.min(max);
            if is_long() {
                println!("{count} gatekeepers, {calls} calls, limit {max}: {passed} passed");
            }
            assert!(
                passed <= possible,
                "{count} gatekeepers, {calls} calls, limit {max}: {passed} passed"
            );
            least = least.min(passed * 1_000 / possible);
        }
        for gatekeeper in gatekeepers {
            gatekeeper.shutdown();
        }
        for node in nodes {
            node.release().await.unwrap();
        }
    }
    println!("at least {least} of a thousand that could pass did");
    assert!(least >= 950, "{least} of a thousand that could pass did");
}

/// A call that was never sent takes nothing in the end, whichever node gives its unit back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn what_calls_give_back_others_have_r_q5() {
    let shop = Arc::new(Shop::open().await);
    let nodes = nodes(3, namespace()).await;
    let gatekeepers = behind(&shop, &nodes);
    let key = shop
        .subscriber(r#""rates": [{"kind": "gcra", "count": 1, "seconds": 86400, "burst": 5}]"#)
        .await;
    // What drains by itself does not come back by hand: it stays taken.
    shop.admit(&gatekeepers[0], &key).await.unwrap().abandon();
    let key_of_hours = shop
        .subscriber(r#""rates": [{"kind": "calendar", "window": "hour", "max": 6}]"#)
        .await;
    for round in 0..40 {
        let by = &gatekeepers[round % 3];
        let mut permits = Vec::new();
        for _ in 0..3 {
            // What was given back is on its way while the next is asked for.
            permits.extend(shop.admit(by, &key_of_hours).await.ok());
        }
        for permit in permits {
            permit.abandon();
        }
    }
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    let mut passed = 0;
    for by in gatekeepers.iter().cycle().take(30) {
        if let Ok(permit) = shop.admit(by, &key_of_hours).await {
            permit.settle_in_background(DONE);
            passed += 1;
        }
    }
    assert_eq!(passed, 6);
}
