//! Strict quotas of several gatekeepers on one store: never from the server that counts rates.

use std::sync::Arc;

use monetization_conformance::{is_long, size_in_ci};

use crate::shop::{Shop, offer};

/// Nothing passes beyond what was bought, and of what was bought nearly all is had by whoever asks another gatekeeper
/// where one has nothing left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gatekeepers_over_one_store_sell_a_strict_quota_once_and_whole_r_q1() {
    let limits: &[u64] = size_in_ci(&[10, 100, 1_000], &[10, 1_000], &[10, 100, 1_000, 10_000]);
    let shop = Arc::new(Shop::open().await);
    let (mut least, mut least_at_once) = (1_000, 1_000);
    for count in [1, 3, 5, 9] {
        let gatekeepers: Vec<_> = (0..count).map(|_| shop.gatekeeper(None)).collect();
        for (max, tenths) in limits
            .iter()
            .flat_map(|max| [9, 10, 20, 30].map(|tenths| (*max, tenths)))
        {
            let quota = r#""quotas": [{"window": "month", "max": MAX, "overage": "strict"}]"#;
            let key = shop
                .subscriber(&quota.replace("MAX", &max.to_string()))
                .await;
            let calls = max * tenths / 10;
            let at_once = offer(&shop, &gatekeepers, &key, calls).await;
            let mut passed = at_once;
            // Whoever was refused tries elsewhere.
            for _ in 0..calls - at_once {
                for by in &gatekeepers {
                    if shop.call(by, &key).await {
                        passed += 1;
                        break;
                    }
                }
            }
            let possible = calls.min(max);
            if is_long() {
                println!(
                    "{count} gatekeepers, {calls} calls, {max} bought: {at_once} passed at once, {passed} in all"
                );
            }
            assert!(
                passed <= possible,
                "{count} gatekeepers, {calls} calls, {max} bought: {passed} passed"
            );
            least = least.min(passed * 1_000 / possible);
            least_at_once = least_at_once.min(at_once * 1_000 / possible);
        }
        for gatekeeper in gatekeepers {
            gatekeeper.shutdown();
        }
    }
    println!(
        "of a thousand at least {least} were usable, {least_at_once} where they were asked for first"
    );
    assert!(least >= 990, "{least} of a thousand were usable");
}
