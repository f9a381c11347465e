//! Publishers beside a server, each a process of its own, and one provider that all of them share
//! over sockets.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use monetization_conformance::fault_proxy::{Chances, Fate, Fates, FaultProxy};
use monetization_conformance::{size, size_in_ci};
use monetization_engine_mock::faults::{Fault, Injection};
use monetization_engine_mock::transport::Operation;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::dice::Dice;
use super::ledger;
use super::market::Market;
use super::provider::Provider;
use super::publishing::{Used, batches, until_known_to_the_engine};
use super::server::{BINARY, Home, Process, signal};
use super::upstream::Upstream;

const SUBSCRIBERS: usize = 50;
pub(super) const SECRET: &str = "whsec_c2hhcmVkIGJ5IHRoZXNlIHRlc3Rz";
const LEASE: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(20);
/// Longer than any of the waits here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server that takes use, and the provider to which publishers report it.
struct Shop {
    home: Home,
    server: Process,
    market: Market,
    provider: Provider,
}

impl Shop {
    /// The provider takes so many reports in one call; the server has these arguments, too.
    async fn open(batch_max: usize, arguments: &[&str]) -> Self {
        let secret = format!("--webhook-secret={SECRET}");
        let batch_max = format!("--batch-max={batch_max}");
        let provider = Provider::start(&[&secret, &batch_max]).await;
        let url = format!("--mock-url=http://{}", provider.address);
        let secret = format!("--mock-webhook-secret={SECRET}");
        let usual = ["--invoicing=by_engine", &url, &secret];
        let mut home = Home::new(&[&usual, arguments].concat());
        let server = home.start().await;
        let terms = json!({
            "billing": "metered", "currency": "USD", "cycle": "month",
            "usage": [{ "meter": "requests", "unit_price": "0.01" }],
        });
        let upstream = Upstream::start().await;
        let market = Market::open(&server.api, upstream.address, terms, SUBSCRIBERS).await;
        until_known_to_the_engine(home.directory()).await;
        Self {
            home,
            server,
            market,
            provider,
        }
    }

    /// Reports of use that the provider was asked to take.
    async fn asked(&self) -> usize {
        let calls = self.provider.api().get("/v1/calls").await;
        assert_eq!(calls["more"], false, "there are more calls than are told");
        let calls = calls["items"].as_array().unwrap();
        let takes = calls.iter().filter(|it| it["operation"] == "take_usage");
        takes.count()
    }

    /// What the provider has counted.
    async fn counted(&self) -> BTreeMap<String, i64> {
        let meters = ledger::meters(self.home.directory()).await;
        self.provider.counted(&meters).await
    }

    /// Ends it all: what was used is what was sealed, what was confirmed and what was counted.
    async fn agrees(self, used: &Used) -> i64 {
        let by_provider = self.counted().await;
        self.server.terminate().await;
        ledger::assert_invariants(self.home.directory()).await;
        let (count, confirmed) = batches(self.home.directory()).await;
        assert_eq!(
            confirmed,
            used.total(),
            "everything is in one confirmed batch"
        );
        assert_eq!(by_provider, used.of);
        self.provider.terminate().await;
        count
    }
}

/// One `publish` that ends by itself.
fn publisher(directory: &Path, provider: SocketAddr) -> Child {
    publisher_with(directory, provider, &[])
}

fn publisher_with(directory: &Path, provider: SocketAddr, arguments: &[&str]) -> Child {
    let mut command = publish(directory, provider, arguments);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// The arguments that say of what is published.
fn of_directory(directory: &Path) -> [String; 2] {
    let directory = directory.to_str().unwrap();
    ["--data-directory".to_owned(), directory.to_owned()]
}

/// The command `publish` with a short lease, which is heard by nobody.
pub(super) fn publish(directory: &Path, provider: SocketAddr, arguments: &[&str]) -> Command {
    publish_of(&of_directory(directory), provider, arguments)
}

fn publish_of(of: &[String; 2], provider: SocketAddr, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .arg("publish")
        .args(of)
        .args(["--mock-url", &format!("http://{provider}")])
        .args(["--lease-seconds", &LEASE.as_secs().to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command
}

async fn said_by(publisher: Child) -> String {
    let ended = timeout(PATIENCE, publisher.wait_with_output()).await;
    String::from_utf8(ended.unwrap().unwrap().stdout).unwrap()
}

/// What stands in the books of each batch.
pub(super) async fn states(directory: &Path) -> BTreeMap<String, String> {
    let mut file = ledger::open(directory).await;
    let select = sqlx::query_as("SELECT hex(id), state FROM batch");
    let states: Vec<(String, String)> = select.fetch_all(&mut file).await.unwrap();
    states.into_iter().collect()
}

/// Whether nothing is left to be sealed or sent.
pub(super) async fn is_all_confirmed(directory: &Path) -> bool {
    let mut file = ledger::open(directory).await;
    let left: i64 = sqlx::query_scalar(ledger::LEFT)
        .fetch_one(&mut file)
        .await
        .unwrap();
    left == 0
}

async fn until_all_is_confirmed(directory: &Path) {
    let waiting = async {
        while !is_all_confirmed(directory).await {
            sleep(POLL).await;
        }
    };
    let waited = timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "{:?}", states(directory).await);
}

/// Connections that did not simply pass.
pub(super) fn faults_of(proxy: &FaultProxy) -> usize {
    let befallen = proxy.befallen();
    befallen.iter().filter(|fate| **fate != Fate::Pass).count()
}

/// Of a hundred connections twenty pass.
pub(super) fn broken_network(seed: u64) -> Fates {
    let mut chances = Chances::default().passing(20);
    chances.bytes_max = 4_096;
    Fates::seeded(seed, chances)
}

/// Publishes one time after the other until it is told that this is over.
pub(super) async fn publish_until(
    over: Arc<AtomicBool>,
    of: [String; 2],
    provider: SocketAddr,
) -> usize {
    let mut runs = 0;
    while !over.load(Ordering::Acquire) {
        let mut command = publish_of(&of, provider, &[]);
        let said = said_by(command.stdout(Stdio::piped()).spawn().unwrap()).await;
        runs += usize::from(said.contains("confirmed"));
    }
    runs
}

/// So many at any time, and a network that breaks most connections.
async fn side_by_side(publishers: usize) -> String {
    let faults: usize = size(200, 1_000);
    let units: i64 = size(5_000, 100_000);
    let shop = Shop::open(2, &[]).await;
    let directory = shop.home.directory().to_owned();
    let fates = broken_network(publishers as u64);
    let proxy = FaultProxy::start(shop.provider.address, fates)
        .await
        .unwrap();
    let over = Arc::<AtomicBool>::default();
    let mut publishing = JoinSet::new();
    for _ in 0..publishers {
        let over = Arc::clone(&over);
        let of = of_directory(&directory);
        publishing.spawn(publish_until(over, of, proxy.address()));
    }
    let mut used = Used::default();
    let dice = Dice::seeded(5);
    while used.total() < units || faults_of(&proxy) < faults {
        used.report(&shop.server.api, &shop.market, &dice).await;
        sleep(5 * POLL).await;
    }
    let met = faults_of(&proxy);
    proxy.set_fates(Fates::listed([]));
    until_all_is_confirmed(&directory).await;
    over.store(true, Ordering::Release);
    let runs = publishing.join_all().await;
    let total = used.total();
    let batches = shop.agrees(&used).await;
    let published = runs.iter().filter(|runs| **runs > 0).count();
    assert!(published > 1, "one alone has done it all: {runs:?}");
    format!("{met} faults, runs {runs:?}: {total} units in {batches} batches")
}

/// R-P3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishers_side_by_side_report_every_unit_exactly_once_r_p3() {
    println!("{}", side_by_side(2).await);
}

/// R-P3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_publishers_side_by_side_report_every_unit_exactly_once_r_p3() {
    println!("{}", side_by_side(5).await);
}

/// R-P4. It is stopped within a call of the provider, which comes to its end only after another
/// publisher has sent the same batches again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_that_sleeps_past_its_lease_changes_nothing_r_p4() {
    // A provider tells no more calls than fifty sleeps make.
    for (seed, sleeps) in size_in_ci(vec![5], vec![50], vec![50; 10])
        .into_iter()
        .enumerate()
    {
        let (units, batches) = sleep_past_the_lease(u64::try_from(seed).unwrap(), sleeps).await;
        println!("{sleeps} sleeps: {units} units in {batches} batches");
    }
}

/// The units that were used, and the batches they were reported in.
async fn sleep_past_the_lease(seed: u64, sleeps: u64) -> (i64, i64) {
    let shop = Shop::open(10, &[]).await;
    let directory = shop.home.directory().to_owned();
    let mut used = Used::default();
    let dice = Dice::seeded(seed);
    for _ in 0..sleeps {
        used.report(&shop.server.api, &shop.market, &dice).await;
        // Five calls take all of it. One of them is held, and whoever made it is stopped.
        let before = shop.asked().await;
        let passing = usize::try_from(dice.below(5)).unwrap();
        let held = Injection::next(Fault::Hold).on(Operation::TakeUsage);
        let held = held.after(u32::try_from(passing).unwrap());
        shop.provider.inject(held).await;
        let sleeper = publisher(&directory, shop.provider.address);
        let asking = async {
            while shop.asked().await <= before + passing {
                sleep(POLL / 10).await;
            }
        };
        timeout(PATIENCE, asking).await.unwrap();
        signal("STOP", sleeper.id().unwrap());
        sleep(LEASE).await;
        until_published(&directory, shop.provider.address).await;
        let settled = states(&directory).await;
        assert_eq!(shop.counted().await, used.of);
        let asked = shop.asked().await;
        shop.provider.release().await;
        signal("CONT", sleeper.id().unwrap());
        let said = said_by(sleeper).await;
        assert_eq!(states(&directory).await, settled, "the sleeper said {said}");
        assert!(said.contains("taken over by another publisher"), "{said}");
        assert_eq!(shop.counted().await, used.of, "counted twice");
        assert_eq!(
            shop.asked().await,
            asked,
            "what was claimed long ago was sent"
        );
    }
    (used.total(), shop.agrees(&used).await)
}

/// E8. The server publishes at its interval, and a publisher beside it at its own: each record is
/// published by one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn use_is_published_at_an_interval_by_one_of_several_e8() {
    let shop = Shop::open(100, &["--publish-every-seconds=1"]).await;
    let directory = shop.home.directory().to_owned();
    let mut used = Used::default();
    let dice = Dice::seeded(7);
    used.report(&shop.server.api, &shop.market, &dice).await;
    until_all_is_confirmed(&directory).await;
    let beside = publisher_with(&directory, shop.provider.address, &["--every-seconds", "1"]);
    for _ in 0..size(3, 30) {
        used.report(&shop.server.api, &shop.market, &dice).await;
        until_all_is_confirmed(&directory).await;
        sleep(10 * POLL).await;
    }
    signal("TERM", beside.id().unwrap());
    let ended = timeout(PATIENCE, beside.wait_with_output()).await;
    let output = ended.unwrap().unwrap();
    assert!(output.status.success(), "{output:?}");
    let batches = shop.agrees(&used).await;
    println!("{} units in {batches} batches", used.total());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_says_what_became_of_its_batches_and_fails_where_some_are_not_confirmed() {
    let shop = Shop::open(100, &[]).await;
    for page in ["/mock/clock", "/mock/pay/token"] {
        let answer = shop.server.api.try_to(Method::GET, page, Value::Null).await;
        assert_eq!(answer.status, 404, "the process has that page itself");
    }
    let directory = shop.home.directory().to_owned();
    let mut used = Used::default();
    used.report(&shop.server.api, &shop.market, &Dice::seeded(8))
        .await;
    let lost = Injection::next(Fault::LoseReply).on(Operation::TakeUsage);
    shop.provider.inject(lost).await;
    let all = format!("{SUBSCRIBERS} failed, 0 held");
    for (code, said) in [(1, &*all), (0, "0 failed, 0 held")] {
        let beside = publisher(&directory, shop.provider.address);
        let output = beside.wait_with_output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(said), "{text}");
    }
    until_published(&directory, shop.provider.address).await;
    let empty = tempfile::tempdir().unwrap();
    let nothing = publisher(empty.path(), shop.provider.address);
    let output = nothing.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    shop.agrees(&used).await;
}

/// Publishes until everything is confirmed: what was lost is sent again after a moment.
async fn until_published(directory: &Path, provider: SocketAddr) {
    let publishing = async {
        while !is_all_confirmed(directory).await {
            said_by(publisher(directory, provider)).await;
        }
    };
    timeout(PATIENCE, publishing).await.unwrap();
}

/// R-P10. The database is put back to before the last run, of which the provider has everything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_put_back_reports_nothing_twice_r_p10() {
    let shop = Shop::open(100, &[]).await;
    let directory = shop.home.directory().to_owned();
    let (mut used, dice) = (Used::default(), Dice::seeded(6));
    used.report(&shop.server.api, &shop.market, &dice).await;
    said_by(publisher(&directory, shop.provider.address)).await;
    used.report(&shop.server.api, &shop.market, &dice).await;
    let Shop {
        home: _home,
        server,
        provider,
        market: _market,
    } = shop;
    let meters = ledger::meters(&directory).await;
    server.terminate().await;
    let backup = directory.join("backup.db");
    ledger::back_up(&directory, &backup).await;
    said_by(publisher(&directory, provider.address)).await;
    assert_eq!(provider.counted(&meters).await, used.of);

    ledger::put_back(&directory, &backup);
    let restored = publisher_with(&directory, provider.address, &["--after-restore"]);
    let said = said_by(restored).await;
    let decided = format!("{SUBSCRIBERS} decided by the provider's count, 0 differ; 0 confirmed");
    assert!(said.contains(&decided), "{said}");
    assert_eq!(provider.counted(&meters).await, used.of);
    ledger::assert_invariants(&directory).await;
    assert!(is_all_confirmed(&directory).await);
}
