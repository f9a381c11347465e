use monetization_conformance::fault_proxy::Fates;
use monetization_core::clock::Clock;
use sqlx::PgConnection;
use tokio::time::{sleep, timeout};

use super::super::super::gateways::{assert_checked, run};
use super::super::super::ledger::{self, Accounts, shared};
use super::super::super::load::{CallId, Tally};
use super::super::super::server::signal;
use super::super::stage::{PATIENCE, POLL};
use super::super::verdict::End;
use super::faults::{FORGETS, Fault, LAPSES};
use super::stage::{BURST, LIMITED_CLIENTS, RATE, Stage, UNDER_WAY_MAX};

/// Calls that a gateway lets through on a block of a quota before it knows that it has lost it.
const BLOCK: u64 = 10;

impl Stage {
    /// Ends all faults, lets everything come to rest, and ends the processes in good order.
    pub(super) async fn drain(mut self) -> End {
        let clock = Clock::system();
        self.recover().await;
        println!("all are there again after {:?}", clock.uptime());
        let mut connection = shared::open(&self.postgres).await;
        // A quota is reached exactly, also with units that dead gateways had leased.
        until_used_up(&mut connection, self.quota).await;
        self.limited.until_refused(LIMITED_CLIENTS * 10).await;
        println!("the quota is used up after {:?}", clock.uptime());
        let lost_max = UNDER_WAY_MAX * self.count(&[Fault::KillGateway]);
        let lapsed_max = BLOCK * self.count(&LAPSES);
        let forgotten = self.count(&FORGETS);
        let mut tally = Tally::default();
        for load in [self.metered, self.rated, self.limited] {
            tally.add(load.finish().await);
        }
        let rates = Rates {
            places: self.kinds.0..self.kinds.0 + self.kinds.1,
            seconds: self.clock.uptime().as_secs() + 1,
            forgotten,
        };
        rates.assert_held(&tally);
        shared::until_none(&mut connection, ledger::LEFT).await;
        println!("everything is confirmed after {:?}", clock.uptime());

        for mut publisher in self.publishers {
            signal("TERM", publisher.id().unwrap());
            publisher.wait().await.unwrap();
        }
        for gateway in &mut self.gateways {
            gateway.take().unwrap().terminate().await;
        }
        let database = self.postgres.address();
        let url = format!("http://{}", self.provider.address);
        let reconcile = ["reconcile", "--database", &database, "--mock-url", &url];
        let agreed = run(&reconcile).await;
        let said = String::from_utf8_lossy(&agreed.stdout);
        assert!(agreed.status.success(), "{said}");
        assert_checked(&database).await;
        End {
            accounts: Accounts::shared(&mut connection, &self.market).await,
            provider: self.provider,
            upstream: self.upstream,
            market: self.market,
            tally,
            passers: 0,
            lost_max,
            lapsed_max,
            quota: self.quota,
            records_min: 10 * self.seconds,
        }
    }

    /// Everybody is there, goes on, and reaches everybody.
    async fn recover(&mut self) {
        self.relieve(u64::MAX).await;
        self.renew_publishers();
        self.provider.clear_faults().await;
        self.to_provider.set_fates(Fates::listed([]));
        for gateway in &self.gateways {
            gateway.mend();
        }
    }
}

/// Units of dead gateways come back, and clients go on until all are used.
async fn until_used_up(connection: &mut PgConnection, quota: u64) {
    let select = "SELECT coalesce(sum(committed), 0)::bigint FROM quota";
    let quota = i64::try_from(quota).unwrap();
    let using = async {
        while shared::count(connection, select).await < quota {
            sleep(POLL).await;
        }
    };
    let used = timeout(PATIENCE, using).await;
    let committed = shared::count(connection, select).await;
    assert!(used.is_ok(), "{committed} of {quota} are used");
}

/// What a rate lets through in all.
struct Rates {
    /// Of the subscriptions that have one.
    places: std::ops::Range<usize>,
    seconds: u64,
    /// How often somebody may have forgotten what had passed.
    forgotten: u64,
}

impl Rates {
    /// Each time somebody forgets, at most a burst passes once more.
    fn assert_held(&self, tally: &Tally) {
        let Self {
            places,
            seconds,
            forgotten,
        } = self;
        let of_a_rate = |id: &&CallId| places.contains(&id.subscription);
        let passed = tally.received.iter().filter(of_a_rate).count() as u64;
        let of_each = RATE * seconds + BURST * (1 + forgotten);
        let max = of_each * places.len() as u64;
        println!("{passed} calls under a rate passed, {max} at most");
        assert!(
            passed <= max,
            "more than {max} calls under a rate: {passed}"
        );
        assert!(tally.refused.contains_key(&429), "no rate was reached");
    }
}
