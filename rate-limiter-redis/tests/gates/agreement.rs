//! One gatekeeper tells the same of limits, whoever counts them.

use std::sync::Arc;
use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::runtime::{Denial, Standings};
use monetization_rate_limiter_redis::{GateRates, Way};

use crate::machine::{namespace, nodes};
use crate::shop::{DONE, Shop};

/// The nearest.
fn minute(at: Timestamp) -> i64 {
    (at.as_micros() + 30_000_000) / 60_000_000
}

/// What headers tell of limits, but for the part of a second that passes between two calls.
fn told(standings: &Standings) -> String {
    let each = standings.as_slice().iter().map(|it| {
        let (name, max, remaining) = (it.name, it.max, it.remaining);
        let at = minute(it.reset_at);
        format!("{name:?} {max} {remaining} {} {at}", it.exceeded)
    });
    let tightest = standings.most_constrained().map(|it| it.name);
    format!("{} | {tightest:?}", each.collect::<Vec<_>>().join(", "))
}

#[tokio::test]
#[ignore = "needs Redis: scripts/test.sh starts one"]
async fn one_gatekeeper_tells_of_shared_limits_what_it_tells_of_its_own() {
    let shop = Shop::open().await;
    let limits = r#""rates": [{"kind": "calendar", "window": "hour", "max": 8},
            {"kind": "calendar", "window": "minute", "max": 6}],
        "quotas": [{"window": "month", "max": 5, "overage": "strict"}]"#;
    for way in [Way::EachCall, Way::Blocks] {
        let node = nodes(1, namespace()).await.remove(0);
        let rates = GateRates::new(node).by(way);
        let shared = shop.gatekeeper(Some(Arc::new(rates)));
        let local = shop.gatekeeper(None);
        let keys = [shop.subscriber(limits).await, shop.subscriber(limits).await];
        // No minute ends within so few calls.
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let into = now.unwrap().as_secs() % 60;
        if into > 50 {
            tokio::time::sleep(Duration::from_secs(61 - into)).await;
        }
        for call in 0..12 {
            let mut answers = Vec::new();
            for (gatekeeper, key) in [&shared, &local].into_iter().zip(&keys) {
                answers.push(match shop.admit(gatekeeper, key).await {
                    Ok(permit) => {
                        let told = told(permit.standings());
                        permit.settle_in_background(DONE);
                        format!("passes: {told}")
                    }
                    Err(Denial::Limited(limited)) => {
                        let at = limited.retry_at.map(minute);
                        let told = told(&limited.standings);
                        format!("refused: {told} {at:?} {}", limited.quota)
                    }
                    Err(denial) => panic!("{denial:?}"),
                });
            }
            assert_eq!(answers[0], answers[1], "{way:?}, call {call}");
        }
    }
}
