use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Method, Request};
use http_body_util::Full;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::Connection;
use super::dice::Dice;
use super::market::{Market, PRODUCT};

/// Resources of the product: as many as a product may have.
pub(crate) const RESOURCES: u16 = 200;

/// Which call it is. Its record has all three, so that it can be told from every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallId {
    /// Its place among the market's.
    pub(crate) subscription: usize,
    pub(crate) resource: u16,
    /// A good status; the upstream answers with it.
    pub(crate) status: u16,
}

/// Hands out ids, each once.
#[derive(Debug)]
pub(crate) struct Ids {
    subscriptions: Range<usize>,
    next: AtomicU64,
}

/// What clients have seen.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Calls whose good answer was received to its end.
    pub(crate) received: BTreeSet<CallId>,
    /// Other answers that were received to their end, by status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// Calls without an answer, or with a part of one.
    pub(crate) cut_off: u64,
}

/// Clients that call without a pause, wherever they are pointed.
#[derive(Debug)]
pub(crate) struct Load {
    aim: watch::Sender<Aim>,
    clients: JoinSet<Tally>,
    progress: Arc<Progress>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Aim {
    /// At any of them.
    At(Vec<SocketAddr>),
    Nowhere,
    Over,
}

#[derive(Debug, Default)]
struct Progress {
    received: AtomicU64,
    refused_in_a_row: AtomicU64,
    /// Refused or cut off.
    unserved: AtomicU64,
}

/// How many clients there are, how long the upstream keeps each of their calls at most, and how
/// long they rest at most before the next one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Crowd {
    pub(crate) clients: u64,
    pub(crate) wait_ms_max: u64,
    pub(crate) pause_ms_max: u64,
}

const POLL: Duration = Duration::from_millis(2);
const HEADWAY_WITHIN: Duration = Duration::from_secs(60);
/// Whoever is refused asks again a little later.
const REFUSED: Duration = Duration::from_millis(20);

impl Load {
    /// Calls for every subscription of the market.
    pub(crate) fn start(market: &Arc<Market>, crowd: Crowd) -> Self {
        Self::start_with(market, Ids::of(market), crowd)
    }

    /// Calls that are named by these.
    pub(crate) fn start_with(market: &Arc<Market>, ids: Ids, crowd: Crowd) -> Self {
        let (aim, aimed) = watch::channel(Aim::Nowhere);
        let ids = Arc::new(ids);
        let progress = Arc::<Progress>::default();
        let mut clients = JoinSet::new();
        for seed in 0..crowd.clients {
            let client = Client {
                market: Arc::clone(market),
                ids: Arc::clone(&ids),
                progress: Arc::clone(&progress),
                dice: Dice::seeded(seed),
                crowd,
                tally: Tally::default(),
                unused: None,
            };
            clients.spawn(client.run(aimed.clone()));
        }
        Self {
            aim,
            clients,
            progress,
        }
    }

    pub(crate) fn point_at(&self, gateway: SocketAddr) {
        self.point_at_any(vec![gateway]);
    }

    /// Each client chooses one of them, and another one when it is refused or cut off.
    pub(crate) fn point_at_any(&self, gateways: Vec<SocketAddr>) {
        self.aim.send_replace(Aim::At(gateways));
    }

    pub(crate) fn point_nowhere(&self) {
        self.aim.send_replace(Aim::Nowhere);
    }

    /// Good answers received so far.
    pub(crate) fn received(&self) -> u64 {
        self.progress.received.load(Ordering::Acquire)
    }

    /// Calls that were refused or cut off so far.
    pub(crate) fn unserved(&self) -> u64 {
        self.progress.unserved.load(Ordering::Acquire)
    }

    /// Waits until so many good answers were received in all.
    pub(crate) async fn until_received(&self, count: u64) {
        self.until(&self.progress.received, count).await;
    }

    /// Waits until so many answers in a row were refusals.
    pub(crate) async fn until_refused(&self, count: u64) {
        self.until(&self.progress.refused_in_a_row, count).await;
    }

    /// Waits until so many calls in all were refused or cut off.
    pub(crate) async fn until_unserved(&self, count: u64) {
        self.until(&self.progress.unserved, count).await;
    }

    async fn until(&self, counter: &AtomicU64, count: u64) {
        let waiting = async {
            while counter.load(Ordering::Acquire) < count {
                tokio::time::sleep(POLL).await;
            }
        };
        let waited = tokio::time::timeout(HEADWAY_WITHIN, waiting).await;
        waited.expect("the clients make no headway");
    }

    /// Lets calls under way end; what all clients have seen.
    pub(crate) async fn finish(mut self) -> Tally {
        self.aim.send_replace(Aim::Over);
        let mut all = Tally::default();
        while let Some(tally) = self.clients.join_next().await {
            all.add(tally.unwrap());
        }
        all
    }
}

/// What became of a call.
enum Outcome {
    Served,
    Refused,
    /// The connection is of no further use.
    CutOff,
}

struct Client {
    market: Arc<Market>,
    ids: Arc<Ids>,
    progress: Arc<Progress>,
    dice: Dice,
    crowd: Crowd,
    tally: Tally,
    /// The id of a call that went nowhere.
    unused: Option<CallId>,
}

impl Client {
    async fn run(mut self, mut aimed: watch::Receiver<Aim>) -> Tally {
        loop {
            let aimed_at = aimed.wait_for(|aim| *aim != Aim::Nowhere).await;
            let aim = aimed_at.unwrap().clone();
            let Aim::At(gateways) = &aim else {
                return self.tally;
            };
            match Connection::open(self.dice.pick(gateways)).await {
                Some(mut connection) => {
                    let mut goes_on = true;
                    while goes_on && *aimed.borrow() == aim {
                        let outcome = self.call(&mut connection).await;
                        goes_on = match outcome {
                            Outcome::Served => true,
                            Outcome::Refused => gateways.len() == 1,
                            Outcome::CutOff => false,
                        };
                    }
                }
                None => tokio::time::sleep(POLL).await,
            }
        }
    }

    async fn call(&mut self, connection: &mut Connection) -> Outcome {
        let id = self.unused.take().unwrap_or_else(|| self.ids.next());
        if self.crowd.pause_ms_max > 0 {
            let pause = self.dice.below(self.crowd.pause_ms_max);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        let wait_ms = match self.crowd.wait_ms_max {
            0 => 0,
            max => self.dice.below(max),
        };
        let key = &self.market.subscriptions[id.subscription].key;
        let request = request(id, key)
            .header("x-wait-ms", wait_ms)
            .body(Full::default());
        let Some(answer) = connection.send(request.unwrap()).await else {
            self.tally.cut_off += 1;
            self.progress.unserved.fetch_add(1, Ordering::AcqRel);
            return Outcome::CutOff;
        };
        if (200..300).contains(&answer.status) {
            assert_eq!(answer.status, id.status, "the answer of another call");
            self.tally.received.insert(id);
            self.progress.received.fetch_add(1, Ordering::AcqRel);
            self.progress.refused_in_a_row.store(0, Ordering::Release);
            Outcome::Served
        } else {
            *self.tally.refused.entry(answer.status).or_default() += 1;
            self.progress
                .refused_in_a_row
                .fetch_add(1, Ordering::AcqRel);
            // Who is beyond a limit is never served; of other refusals that is not known.
            self.unused = (answer.status == 429).then_some(id);
            tokio::time::sleep(REFUSED).await;
            Outcome::Refused
        }
    }
}

/// The head of a call that names itself to the upstream.
pub(crate) fn request(id: CallId, key: &str) -> http::request::Builder {
    Request::builder()
        .method(Method::POST)
        .uri(format!("/{PRODUCT}/r{}", id.resource))
        .header("x-api-key", key)
        .header("x-call", id.to_string())
}

impl Ids {
    pub(crate) fn of(market: &Market) -> Self {
        Self::among(0..market.subscriptions.len())
    }

    /// Of the subscriptions at these places of the market.
    pub(crate) fn among(subscriptions: Range<usize>) -> Self {
        Self {
            subscriptions,
            next: AtomicU64::new(0),
        }
    }

    pub(crate) fn next(&self) -> CallId {
        let number = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap();
        let round = number / self.subscriptions.len();
        let status = statuses().nth(round / usize::from(RESOURCES));
        CallId {
            subscription: self.subscriptions.start + number % self.subscriptions.len(),
            resource: u16::try_from(round % usize::from(RESOURCES)).unwrap(),
            status: status.expect("more calls than ids: add subscriptions"),
        }
    }
}

/// Good statuses whose answers may have a body.
fn statuses() -> impl Iterator<Item = u16> {
    (200..300).filter(|status| ![204, 205].contains(status))
}

impl Tally {
    pub(crate) fn add(&mut self, other: Self) {
        self.received.extend(other.received);
        for (status, count) in other.refused {
            *self.refused.entry(status).or_default() += count;
        }
        self.cut_off += other.cut_off;
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} {} {}",
            self.subscription, self.resource, self.status
        )
    }
}

impl FromStr for CallId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(' ');
        let mut part = || parts.next().unwrap_or_default();
        Ok(Self {
            subscription: part().parse()?,
            resource: part().parse()?,
            status: part().parse()?,
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            received,
            refused,
            cut_off,
        } = self;
        write!(
            out,
            "{} good answers, refused {refused:?}, {cut_off} cut off",
            received.len()
        )
    }
}
