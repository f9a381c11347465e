//! Nothing that can be printed shows a secret.

use super::steps::assert_lost;
use super::{Bench, CANARY, Offer};

/// Neither the engine nor a context nor an error.
pub async fn nothing_shows_the_credentials(bench: &Bench) {
    bench.running(Offer::FIXED).await;
    let cx = bench.cx();
    bench.fixture.lose_reply(0).await;
    let lost = bench
        .billing()
        .ensure_customer(&cx, &bench.consumer())
        .await;
    let shown = format!("{:?} {cx:?} {lost:?}", bench.fixture.engine());
    assert_lost(lost);
    let secret = bench.fixture.webhook_secret();
    for secret in [CANARY, secret.reveal()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
