//! The shared limiter beside `limitador`, with the same three windows on one server, in turns in the same run.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and may fail"
)]

#[path = "../../../rate-limiter-redis/benches/redis/sides.rs"]
mod sides;

use std::collections::HashMap;
use std::sync::Arc;

use limitador::AsyncRateLimiter;
use limitador::limit::{Context, Limit as TheirLimit, Namespace as TheirNamespace};
use limitador::storage::AsyncCounterStorage;
use limitador::storage::redis::AsyncRedisStorage;
use monetization_conformance::bench::{Goal, Report, Row};
use monetization_rate_limiter::{Limit, Limits, Window};
use monetization_rate_limiter_redis::{SharedLimits, Way};
use sides::{Ours, Side, rounds};

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut report = Report::from_arguments();
    let address = std::env::var("MONETIZATION_REDIS").expect("run by scripts/servers.sh");
    let windows = [Window::Minute, Window::Day, Window::Month];
    let limits = Limits::new(windows.map(|window| Limit::calendar(window, 1 << 40))).unwrap();
    let limits = SharedLimits::new(limits).unwrap();
    for in_flight in [1, 64] {
        let storage = AsyncRedisStorage::new(&address).await.unwrap();
        let name = format!("EVALSHA a call / theirs, {in_flight} in flight: calls a second");
        let ours = Ours::start(&address, &limits, Way::EachCall, 1_000).await;
        let rates = rounds(in_flight, ours, Theirs::new(Box::new(storage))).await;
        report.add(Row::of_rounds(name, rates, "/s", Goal::Shown));
    }
    report.print();
    println!("theirs asks the server twice for each call, and may exceed a limit");
}

#[derive(Clone)]
struct Theirs(Arc<AsyncRateLimiter>, TheirNamespace);

impl Theirs {
    fn new(storage: Box<dyn AsyncCounterStorage>) -> Self {
        let limiter = AsyncRateLimiter::new_with_storage(storage);
        for seconds in [60, 86_400, 30 * 86_400] {
            let of_holder = vec!["holder".try_into().unwrap()];
            limiter.add_limit(TheirLimit::new(
                "bench",
                1 << 40,
                seconds,
                vec![],
                of_holder,
            ));
        }
        Self(Arc::new(limiter), "bench".into())
    }
}

impl Side for Theirs {
    async fn call(&self, number: u64) {
        let holder = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let values = HashMap::from([("holder".to_owned(), (holder % 1_000).to_string())]);
        let context = Context::from(values);
        let result = self
            .0
            .check_rate_limited_and_update(&self.1, &context, 1)
            .await;
        assert!(!result.unwrap().limited);
    }
}
