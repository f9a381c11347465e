use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::cells::{Moment, QuotaNeed, Taken};
use super::committer::Committer;
use super::denial::{Denial, Unauthenticated};
use super::feed::{KeyEntry, Keys};
use super::gate::{Gate, Stretch, Target};
use super::keeper::Keeper;
use super::news::News;
use super::options::{Beside, GatekeeperOptions};
use super::permit::{Held, Permit};
use super::present::present;
use super::shared::{self, AskedRates, Had};
use super::strangers::Strangers;
use crate::clock::{Clock, Timestamp};
use crate::entropy::Entropy;
use crate::key::{KeyKind, Pepper, PresentedKey};
use crate::metering::Measured;
use crate::rates::{RateCounters, RateTaken, SharedRates};
use crate::store::{Store, StoreError};
use crate::usage::UsageRecord;

/// Waits; the one thing core cannot do by itself. `tokio::time::sleep` in a box is one.
///
/// ```
/// use std::pin::Pin;
/// use std::time::Duration;
/// use monetization_core::runtime::Sleep;
///
/// fn tokio_sleep(length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
///     Box::pin(tokio::time::sleep(length))
/// }
/// fn takes(_: impl Sleep) {}
/// takes(tokio_sleep);
/// ```
pub trait Sleep: Send + Sync + 'static {
    /// Is done after so long.
    fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

impl<F> Sleep for F
where
    F: Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync + 'static,
{
    fn sleep(&self, length: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self(length)
    }
}

/// Decides about calls and makes their use durable: the request path of a gateway, whatever the
/// gateway is built with. Clones share everything.
///
/// An adapter that can wait asks [`admit`](Self::admit). One that wants to know first whether it
/// has to wait asks [`decide`](Self::decide), which answers from memory at once, and `admit` only
/// where that says that it has to:
///
/// ```
/// use http::{HeaderMap, HeaderValue};
/// use monetization_core::runtime::{Decided, Denial, Target, Unauthenticated};
/// use monetization_core::storefront::Storefront;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let shop = Storefront::in_memory(monetization_core::engine::none()).await?;
/// let terms = r#"{"billing": "free", "currency": "USD", "cycle": "month",
///     "quotas": [{"window": "period", "max": 10000, "overage": "strict"}]}"#;
/// let plan = shop.sell("weather", serde_json::from_str(terms)?).await?;
/// let (_, key) = shop.subscribe("acme", plan).await?;
/// let gatekeeper = shop.gatekeeper();
/// let target = Target { product: "weather", method: "GET", path: "/now" };
/// let now = shop.clock().now();
///
/// let nobody = gatekeeper.decide(&HeaderMap::new(), &target, now);
/// assert!(matches!(
///     nobody,
///     Decided::Denied(Denial::Unauthenticated(Unauthenticated::Missing)),
/// ));
///
/// // The first call of a strict quota waits for a block of it; the second finds it in memory.
/// let mut headers = HeaderMap::new();
/// headers.insert("x-api-key", HeaderValue::from_str(key.reveal())?);
/// assert!(matches!(gatekeeper.decide(&headers, &target, now), Decided::Waits));
/// let first = gatekeeper.admit(&headers, &target, now).await?;
/// let Decided::Granted(second) = gatekeeper.decide(&headers, &target, now) else {
///     return Err("not granted".into());
/// };
/// assert_eq!(second.standings().as_slice()[0].remaining, 9_998);
/// assert!(second.must_be_durable());
/// first.abandon();
/// second.abandon();
/// # Ok(())
/// # }
/// ```
///
/// What a decision asks, in this order; the first that fails is the answer:
///
/// 1. Is there one key, and is it well formed? Otherwise 401, without a look-up.
/// 2. Is the news young enough ([`stale_after`](GatekeeperOptions::stale_after), and
///    [`without_store_max`](GatekeeperOptions::without_store_max) for who has no strict quota)?
///    Otherwise it waits for news.
/// 3. Is the key known, its secret right, and is it not revoked? An unknown key waits for news once,
///    since it may be newer than what was read; so many a second, because anybody can make them up
///    ([`strangers_per_second`](GatekeeperOptions::strangers_per_second)).
/// 4. Does one of its subscriptions open the product, and is that open now?
/// 5. Is the call one of the product's operations?
/// 6. Is there a place for its record? Otherwise the call is refused before it costs anything.
/// 7. Do all limits let one more pass? Otherwise nothing of any of them is taken. Where a quota is
///    not known yet, or the block of it that is here is empty, it waits for the store; where rates are
///    [shared](crate::rates) and nothing of them is at hand, it waits for who counts them.
#[derive(Clone)]
pub struct Gatekeeper(Arc<Shared>);

/// What clones of a gatekeeper share. `keys` is read by every call and written by who reads the news alone.
struct Shared {
    store: Arc<dyn Store>,
    clock: Clock,
    entropy: Arc<Entropy>,
    pepper: Pepper,
    options: GatekeeperOptions,
    keys: Keys,
    news: News,
    strangers: Strangers,
    committer: Committer,
    keeper: Keeper,
    /// Who counts rates, if not this process.
    rates: Option<Arc<dyn SharedRates>>,
}

/// A call to be decided about.
struct Call<'a> {
    headers: &'a HeaderMap,
    target: &'a Target<'a>,
    now: Timestamp,
    /// Process time: news read since then is new enough for it, however long the reading took.
    arrived: Duration,
    /// Process time now.
    uptime: Duration,
    /// Whether the news was read for this very call: then every key there is is known.
    news_read: bool,
    /// What was answered about its rates, where that had to be waited for.
    had: Option<Had>,
}

/// What came of deciding about a call.
///
/// A decision that has to wait has taken nothing: the call may be dropped instead.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "adapters must handle every case")]
pub enum Decided {
    /// It may be forwarded.
    Granted(Permit),
    /// It is refused.
    Denied(Denial),
    /// It needs what is not in memory, of the store or of rates that are shared: await [`Gatekeeper::admit`].
    Waits,
}

/// What has to be known before a call can be decided.
enum Missing {
    /// News that is younger.
    News,
    /// The key, which may be newer than the news.
    Key,
    Quota(Arc<Gate>, QuotaNeed),
    /// So many units of the rates.
    Rates(Arc<dyn RateCounters>, Arc<Stretch>, u64),
}

impl Gatekeeper {
    /// Decides from what this store holds.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        entropy: Arc<Entropy>,
        pepper: Pepper,
        options: GatekeeperOptions,
    ) -> Self {
        Self::with(store, (clock, entropy), pepper, options, Beside::default())
    }

    /// As [`new`](Self::new), with more than a store.
    #[must_use]
    pub fn with(
        store: Arc<dyn Store>,
        (clock, entropy): (Clock, Arc<Entropy>),
        pepper: Pepper,
        options: GatekeeperOptions,
        beside: Beside,
    ) -> Self {
        let keeper = Keeper::new(Arc::clone(&store), clock.clone(), Arc::clone(&entropy));
        let committer = Committer::new(
            options.committer,
            clock.clone(),
            keeper.clone(),
            beside.aside,
        );
        Self(Arc::new(Shared {
            store,
            news: News::new(clock.clone()),
            clock,
            entropy,
            pepper,
            options,
            keys: Keys::default(),
            strangers: Strangers::new(options.strangers_per_second),
            committer,
            keeper,
            rates: beside.rates,
        }))
    }

    /// What has to run beside the calls: the reader of news, the writer of records, the keeper
    /// of leases. It ends once [`shutdown`](Self::shutdown) was called and every record is
    /// written; spawn it once.
    pub async fn run(self, sleep: Arc<dyn Sleep>) {
        let shared = &*self.0;
        let keeper = shared.keeper.clone();
        let gates = || shared.news.gates_now();
        let writing = shared
            .committer
            .clone()
            .run(Arc::clone(&shared.store), Arc::clone(&sleep));
        {
            let beside = futures::future::join(
                self.poll_news(&sleep),
                keeper.run(Arc::clone(&sleep), gates),
            );
            futures::pin_mut!(beside, writing);
            let _ended = futures::future::select(writing, beside).await;
            // The reader of news is let go of here, wherever it is: it may hold the feed.
        }
        self.return_leases().await;
    }

    /// Lets no further call in. Those under way are brought to their end and recorded.
    pub fn shutdown(&self) {
        self.0.committer.close();
    }

    /// The committer: its backlog and whether the store takes what it is given.
    #[must_use]
    pub fn committer(&self) -> &Committer {
        &self.0.committer
    }

    /// For how long there has been no news of the store; `None` before the first.
    #[must_use]
    pub fn news_age(&self) -> Option<Duration> {
        self.0.news.age()
    }

    /// Whether calls are let in now even if the store is away, as
    /// [`without_store_max`](GatekeeperOptions::without_store_max) says.
    #[must_use]
    pub fn outlasts_the_store(&self) -> bool {
        let options = self.0.options;
        let is_young = |age| age <= options.open_for();
        !options.without_store_max.is_zero() && self.news_age().is_some_and(is_young)
    }

    /// Decides about a call from what is in memory; never waits.
    #[must_use]
    pub fn decide(&self, headers: &HeaderMap, target: &Target<'_>, now: Timestamp) -> Decided {
        let uptime = self.0.clock.uptime();
        let decided = self.try_decide(&mut Call {
            headers,
            target,
            now,
            arrived: uptime,
            uptime,
            news_read: false,
            had: None,
        });
        match decided {
            Ok(permit) => Decided::Granted(permit),
            Err(Stop::Denied(denial)) => Decided::Denied(denial),
            Err(Stop::Needs(_)) => Decided::Waits,
        }
    }

    /// Decides about a call and gets what that needs. Calls that need the same wait for the same
    /// answer.
    ///
    /// # Errors
    /// The [`Denial`]; [`Denial::Busy`] where what is needed cannot be had now: the store does not
    /// answer, too many unknown keys are looked for, or others take the last units of a quota as
    /// fast as they come.
    pub async fn admit(
        &self,
        headers: &HeaderMap,
        target: &Target<'_>,
        now: Timestamp,
    ) -> Result<Permit, Denial> {
        let arrived = self.0.clock.uptime();
        let mut call = Call {
            headers,
            target,
            now,
            arrived,
            uptime: arrived,
            news_read: false,
            had: None,
        };
        // The news and each of a plan's quotas may be missing in turn, and under a load
        // that empties blocks as they come the same one more than once.
        for _ in 0..ROUNDS_MAX {
            let missing = match self.try_decide(&mut call) {
                Ok(permit) => return Ok(permit),
                Err(Stop::Denied(denial)) => return Err(denial),
                Err(Stop::Needs(missing)) => missing,
            };
            let supplied = match missing {
                Missing::Key if !self.0.strangers.admit(call.uptime) => break,
                Missing::News | Missing::Key => {
                    call.news_read = true;
                    let shared = &*self.0;
                    let (store, keys) = (&*shared.store, &shared.keys);
                    shared.news.read_for_a_call(store, keys).await
                }
                Missing::Quota(gate, need) => self.0.keeper.supply(&gate, need).await,
                Missing::Rates(counters, stretch, units) => {
                    call.had = Some(shared::wait_for(counters, stretch, units).await);
                    Ok(())
                }
            };
            if supplied.is_err() {
                break;
            }
            call.uptime = self.0.clock.uptime();
        }
        Err(BUSY)
    }

    /// Reads the news now: what was written before this call is known after it.
    ///
    /// # Errors
    /// [`StoreError`] where the store does not answer.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let shared = &*self.0;
        shared.news.read(&*shared.store, &shared.keys).await
    }

    /// The order is told at [`Gatekeeper`]. The place in the committer's queue is taken before the
    /// units: a call that is refused for want of a place has consumed nothing.
    fn try_decide(&self, call: &mut Call<'_>) -> Result<Permit, Stop> {
        let shared = &*self.0;
        let (target, now) = (call.target, call.now);
        let presented = present(call.headers)?;
        let stale_after = shared.options.stale_after;
        if !shared
            .news
            .is_known_since(call.arrived, shared.options.open_for())
        {
            return Err(Stop::Needs(Missing::News));
        }
        let entry = shared.authenticate(&presented, call)?;
        let (gate, entered) = entry
            .gates
            .iter()
            .find_map(|gate| Some((gate, gate.enter(target.product, now)?)))
            .ok_or_else(|| nothing_opens(&entry, call))?;
        let stretch = entered?;
        if stretch.allowance.is_strict() && !shared.news.is_known_since(call.arrived, stale_after) {
            return Err(Stop::Needs(Missing::News));
        }
        let resource = stretch.product.resource(target)?;
        if !stretch.plan.covers(resource.as_ref()) {
            return Err(Denial::NotCovered.into());
        }
        let place = shared.committer.reserve().ok_or(BUSY)?;
        let moment = Moment {
            now,
            period: stretch.segment.period,
            resource: stretch.counted_by(resource.as_ref()),
            uptime: call.uptime,
            told_at: now.saturating_add(call.uptime.saturating_sub(call.arrived)),
        };
        let (taken, rates) = shared.take(gate, &stretch, moment, &mut call.had);
        match taken {
            Taken::Passed { spent, standings } => Ok(Permit::new(Held {
                record: UsageRecord {
                    id: shared.entropy.id(now),
                    tenant: stretch.terms.subscription.tenant,
                    segment: stretch.segment,
                    occurred_at: now,
                    recorded_at: now,
                    resource,
                    outcome: None,
                    counted: Vec::new(),
                    spent,
                    event: None,
                },
                gate: Arc::clone(gate),
                stretch,
                standings,
                rates,
                place,
                measured: Measured::default(),
                is_unread: false,
                heard_by: None,
            })),
            Taken::Refused(limited) => Err(Denial::Limited(Box::new(limited)).into()),
            Taken::Needs(need) => Err(Stop::Needs(Missing::Quota(Arc::clone(gate), need))),
            Taken::NeedsRates { units } => {
                let counters = gate.known_counters().ok_or(BUSY)?;
                let rates = Missing::Rates(Arc::clone(counters), stretch, units);
                Err(Stop::Needs(rates))
            }
            Taken::RatesAway => Err(BUSY.into()),
        }
    }

    /// Reads the news again and again, for as long as it is polled: from time to time, and at once
    /// where the store says that there are any.
    async fn poll_news(&self, sleep: &Arc<dyn Sleep>) {
        loop {
            // A store that is away is told by the age of the news, which closes the gates.
            drop(self.refresh().await);
            let cursor = self.0.news.cursor().await;
            let nap = sleep.sleep(self.0.options.poll_every);
            futures::future::select(nap, self.0.store.news_after(cursor)).await;
        }
    }

    /// Gives back the blocks that are left once the last record is written.
    async fn return_leases(&self) {
        let shared = &*self.0;
        for gate in shared.news.gates().await {
            if let Some(terms) = gate.terms().as_ref() {
                shared
                    .keeper
                    .settle_later(terms.subscription.tenant, gate.cells.release());
            }
        }
        // What the store does not take now it settles when this process is gone.
        drop(shared.keeper.settle_all().await);
    }
}

/// How often a decision is taken up again after something it needs was supplied.
const ROUNDS_MAX: usize = 64;
const BUSY: Denial = Denial::Busy {
    retry_after: Duration::from_secs(1),
};

impl Shared {
    /// Takes a unit of every limit, wherever it is counted, with what was taken of rates that are shared.
    fn take(
        &self,
        gate: &Gate,
        stretch: &Stretch,
        moment: Moment,
        had: &mut Option<Had>,
    ) -> (Taken, Option<Box<RateTaken>>) {
        let allowance = &stretch.allowance;
        let rates = self.rates.as_deref();
        let Some(rates) = rates.filter(|_| !allowance.limits.is_empty()) else {
            return (gate.cells.take(allowance, moment), None);
        };
        let counters = gate.counters(rates, stretch.terms.subscription.id);
        let mut rates = AskedRates::new(&**counters, stretch, had);
        let taken = gate.cells.take_shared(allowance, moment, &mut rates);
        (taken, rates.kept)
    }

    fn authenticate(
        &self,
        presented: &PresentedKey,
        call: &Call<'_>,
    ) -> Result<Arc<KeyEntry>, Stop> {
        if presented.kind() == KeyKind::Admin {
            return Err(Unauthenticated::Invalid.into());
        }
        // The digest is made before the look-up, so that known and unknown ids take as long.
        let digest = presented.digest(&self.pepper);
        let Some(entry) = self.keys.find(presented.id()) else {
            // It may be newer than the news. All who ask at once share one reading.
            return Err(if call.news_read {
                Unauthenticated::Invalid.into()
            } else {
                Stop::Needs(Missing::Key)
            });
        };
        let revoked = entry.revoked_at.is_some_and(|at| at <= call.now);
        if entry.digest == digest && !revoked {
            Ok(entry)
        } else {
            Err(Unauthenticated::Invalid.into())
        }
    }
}

/// Why a key opens nothing: what it opens may stand in the very news that is being read.
fn nothing_opens(entry: &KeyEntry, call: &Call<'_>) -> Stop {
    let is_known = entry.gates.iter().all(|gate| gate.is_known());
    if is_known || call.news_read {
        Denial::NoSubscription.into()
    } else {
        Stop::Needs(Missing::News)
    }
}

/// Why there is no permit: the short way out of a decision.
enum Stop {
    Denied(Denial),
    Needs(Missing),
}

impl From<Denial> for Stop {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl From<Unauthenticated> for Stop {
    fn from(why: Unauthenticated) -> Self {
        Self::Denied(why.into())
    }
}

impl fmt::Debug for Gatekeeper {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Gatekeeper")
            .field("committer", &self.0.committer)
            .finish_non_exhaustive()
    }
}
