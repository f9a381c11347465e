//! Who is compared.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use monetization_rate_limiter::Timestamp;
use monetization_rate_limiter_redis::{
    Ask, Clock, Holder, HolderKey, Namespace, NodeId, Options, RedisLimiter, SharedLimits, Way,
};

/// One side of a comparison: calls that many tasks make, one after the other in each.
pub(crate) trait Side: Clone + Send + Sync + 'static {
    fn call(&self, number: u64) -> impl Future<Output = ()> + Send;

    /// Calls a second.
    fn round(&self, in_flight: usize, lasts: Duration) -> impl Future<Output = f64> + Send {
        async move {
            let begun = Instant::now();
            let numbers = Arc::new(AtomicU64::new(0));
            let callers: Vec<_> = (0..in_flight)
                .map(|_| {
                    let (side, numbers) = (self.clone(), Arc::clone(&numbers));
                    tokio::spawn(async move {
                        let mut calls = 0_u32;
                        while begun.elapsed() < lasts {
                            // Many a look at the clock, so that it does not count.
                            let first = numbers.fetch_add(CALLS, Ordering::Relaxed);
                            for number in first..first + CALLS {
                                side.call(number).await;
                                calls += 1;
                            }
                        }
                        calls
                    })
                })
                .collect();
            let mut calls = 0.0;
            for caller in callers {
                calls += f64::from(caller.await.unwrap());
            }
            calls / begun.elapsed().as_secs_f64()
        }
    }
}

const CALLS: u64 = 20;

/// Pairs of rounds a row.
const ROUNDS: usize = 9;

/// How long one side runs before anything is measured.
const WARM_UP: Duration = Duration::from_secs(3);

/// How long one round of one side takes, about.
const ROUND: Duration = Duration::from_millis(300);

/// Calls a second of both sides, in turns.
pub(crate) async fn rounds(in_flight: usize, ours: impl Side, peer: impl Side) -> [Vec<f64>; 2] {
    let mut rates = [Vec::new(), Vec::new()];
    // Blocks grow as they are used.
    ours.round(in_flight, WARM_UP).await;
    for round in 0..=ROUNDS {
        let (a, b) = (
            ours.round(in_flight, ROUND).await,
            peer.round(in_flight, ROUND).await,
        );
        // The first one only fills what is empty.
        if round > 0 {
            rates[0].push(a);
            rates[1].push(b);
        }
    }
    rates
}

#[derive(Clone)]
pub(crate) struct Ours {
    pub(crate) limiter: RedisLimiter,
    pub(crate) holders: Arc<[Holder]>,
    pub(crate) limits: SharedLimits,
    pub(crate) way: Way,
}

impl Ours {
    /// So many holders of these limits, on a node of its own.
    pub(crate) async fn start(
        address: &str,
        limits: &SharedLimits,
        way: Way,
        holders: u64,
    ) -> Self {
        let namespace = {
            // Counters of its own each time.
            static NEXT: AtomicU64 = AtomicU64::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            Namespace::new(&format!("bench {} {number}", std::process::id()))
        };
        let mut options = Options::new(address, namespace, NodeId::new([1; 16]));
        options.budget = Duration::from_secs(5);
        options.block_life = Duration::from_secs(30);
        let limiter = RedisLimiter::start(options, Arc::new(Machine::new()))
            .await
            .unwrap();
        assert_eq!(limiter.away(), None, "no Redis at {address}");
        let holders =
            (0..holders).map(|id| Holder::new(HolderKey::new(namespace, &id.to_be_bytes())));
        Self {
            limiter,
            holders: holders.collect::<Vec<_>>().into(),
            limits: limits.clone(),
            way,
        }
    }
}

impl Side for Ours {
    async fn call(&self, number: u64) {
        // Half of the calls are for a hundredth of the holders.
        let spread = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        let count = self.holders.len() as u64;
        let among = if number.is_multiple_of(2) {
            count.div_ceil(100)
        } else {
            count
        };
        let holder = &self.holders[usize::try_from(spread % among).unwrap()];
        let ask = Ask::new(&self.limits).by(self.way);
        let outcome = match self.limiter.take_at_once(holder, &ask) {
            Some(outcome) => outcome,
            None => self.limiter.take(holder, &ask).await,
        };
        assert!(outcome.is_allowed(), "{outcome:?}");
    }
}

#[derive(Debug)]
pub(crate) struct Machine(Instant);

impl Machine {
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Machine {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH.saturating_add(SystemTime::now().duration_since(UNIX_EPOCH).unwrap())
    }

    fn uptime(&self) -> Duration {
        self.0.elapsed()
    }
}
