use std::time::Duration;

use monetization_conformance::fault_proxy::{Fate, Fates, FaultProxy};
use monetization_conformance::postgres::Stop;

use super::super::super::dice::Dice;
use super::super::super::gateways::LEASE;
use super::super::super::server::{Process, signal};
use super::super::faults::{broken, drawn, pause, provider_fault};
use super::stage::Stage;

/// What goes wrong in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    KillGateway,
    TerminateGateway,
    /// For shorter or for longer than others take it to be alive.
    PauseGateway,
    KillPublisher,
    PausePublisher,
    /// It is stopped in good order, and is away for a while.
    RestartPostgres,
    /// The same without a word to anybody.
    CrashPostgres,
    PausePostgres,
    BreakPostgresNetwork,
    /// Connections are taken, and nothing is answered for a while.
    MutePostgresNetwork,
    KillRedis,
    PauseRedis,
    SlowRedis,
    EmptyRedis,
    /// It refuses whatever writes.
    LockRedis,
    BreakRedisNetwork,
    MuteRedisNetwork,
    KillProvider,
    PauseProvider,
    /// Its next calls are refused, fail, or lose their answers.
    ProviderFails,
    BreakProviderNetwork,
}

/// Who may be away or stand still for some seconds, in the order in which they come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Who {
    Postgres,
    Redis,
    Gateway(usize),
}

const ALL: [Fault; 21] = [
    Fault::KillGateway,
    Fault::TerminateGateway,
    Fault::PauseGateway,
    Fault::KillPublisher,
    Fault::PausePublisher,
    Fault::RestartPostgres,
    Fault::CrashPostgres,
    Fault::PausePostgres,
    Fault::BreakPostgresNetwork,
    Fault::MutePostgresNetwork,
    Fault::KillRedis,
    Fault::PauseRedis,
    Fault::SlowRedis,
    Fault::EmptyRedis,
    Fault::LockRedis,
    Fault::BreakRedisNetwork,
    Fault::MuteRedisNetwork,
    Fault::KillProvider,
    Fault::PauseProvider,
    Fault::ProviderFails,
    Fault::BreakProviderNetwork,
];
/// Those that end processes whose memory is looked at.
const ENDS: [Fault; 3] = [
    Fault::KillGateway,
    Fault::TerminateGateway,
    Fault::KillPublisher,
];
/// After these a gateway may have lost what it had leased of a quota.
pub(super) const LAPSES: [Fault; 6] = [
    Fault::PauseGateway,
    Fault::RestartPostgres,
    Fault::CrashPostgres,
    Fault::PausePostgres,
    Fault::BreakPostgresNetwork,
    Fault::MutePostgresNetwork,
];
/// After these a rate may be counted anew.
pub(super) const FORGETS: [Fault; 10] = [
    Fault::KillGateway,
    Fault::TerminateGateway,
    Fault::PauseGateway,
    Fault::KillRedis,
    Fault::PauseRedis,
    Fault::SlowRedis,
    Fault::EmptyRedis,
    Fault::LockRedis,
    Fault::BreakRedisNetwork,
    Fault::MuteRedisNetwork,
];
/// Connections that meet a network which does not answer.
const MUTE_CONNECTIONS: usize = 4;
/// So many seconds somebody is away at most.
const AWAY_MAX: u64 = 4;
const MUTE_MS_MAX: u64 = 5_000;

impl Fault {
    pub(super) fn drawn(dice: &Dice, is_calm: bool) -> Self {
        drawn((&ALL, &ENDS), dice, is_calm)
    }
}

impl Stage {
    pub(super) async fn meet(&mut self, fault: Fault, dice: &Dice) {
        *self.befallen.entry(fault).or_default() += 1;
        match fault {
            Fault::KillGateway => {
                self.end_gateway(dice, async |process| process.kill().await)
                    .await;
            }
            Fault::TerminateGateway => self.terminate_gateway(dice).await,
            Fault::PauseGateway => self.pause_gateway(dice),
            Fault::KillPublisher => {
                let publisher = self.publisher(dice);
                publisher.start_kill().unwrap();
                publisher.wait().await.unwrap();
            }
            // Its lease lasts for a second.
            Fault::PausePublisher => {
                if let Some(process) = self.publisher(dice).id() {
                    pause(process, dice.below(1_500)).await;
                }
            }
            Fault::RestartPostgres => {
                self.harm(Who::Postgres, dice, |it| it.postgres.stop(Stop::Fast))
                    .await
            }
            Fault::CrashPostgres => {
                self.harm(Who::Postgres, dice, |it| it.postgres.stop(Stop::Immediate))
                    .await
            }
            Fault::PausePostgres => {
                self.harm(Who::Postgres, dice, |it| it.postgres.signal("STOP"))
                    .await
            }
            Fault::BreakPostgresNetwork => harm(&self.gateway(dice).to_postgres, broken(dice)),
            Fault::MutePostgresNetwork => harm(&self.gateway(dice).to_postgres, mute(dice)),
            Fault::KillRedis => self.harm(Who::Redis, dice, |it| it.redis.kill()).await,
            Fault::PauseRedis => {
                self.harm(Who::Redis, dice, |it| it.redis.signal("STOP"))
                    .await
            }
            Fault::SlowRedis => {
                let milliseconds = dice.below(900).to_string();
                let slow = ["CLIENT", "PAUSE", &milliseconds];
                self.harm(Who::Redis, dice, |it| it.redis.tell(&slow)).await;
            }
            Fault::EmptyRedis => {
                self.harm(Who::Redis, dice, |it| it.redis.tell(&["FLUSHALL"]))
                    .await
            }
            Fault::LockRedis => {
                self.harm(Who::Redis, dice, |it| it.redis.tell(&lock("1")))
                    .await
            }
            Fault::BreakRedisNetwork => harm(&self.gateway(dice).to_redis, broken(dice)),
            Fault::MuteRedisNetwork => harm(&self.gateway(dice).to_redis, mute(dice)),
            Fault::KillProvider => {
                self.provider.kill_and_start_again().await;
                self.to_provider.point_at(self.provider.address);
            }
            Fault::PauseProvider => pause(self.provider.id(), dice.below(1_000)).await,
            Fault::ProviderFails => self.provider.inject(provider_fault(dice)).await,
            Fault::BreakProviderNetwork => harm(&self.to_provider, broken(dice)),
        }
    }

    /// Those whose trouble is over by this second go on. No server begins without its database.
    pub(super) async fn relieve(&mut self, second: u64) {
        for (who, until) in self.troubles.clone() {
            let waits = who > Who::Postgres && self.troubles.contains_key(&Who::Postgres);
            if until <= second && !waits {
                self.go_on(who).await;
            }
        }
    }

    async fn go_on(&mut self, who: Who) {
        self.troubles.remove(&who);
        match who {
            Who::Postgres => self.postgres.go_on().await,
            Who::Redis => {
                self.redis.go_on().await;
                self.redis.tell(&lock("0"));
            }
            Who::Gateway(place) => {
                let gateway = &mut self.gateways[place];
                match &gateway.process {
                    Some(process) => signal("CONT", process.id()),
                    None => gateway.start_again().await,
                }
                self.point_at_gateways();
            }
        }
    }

    /// Brings it back first, if it is away.
    async fn harm(&mut self, who: Who, dice: &Dice, harm: impl FnOnce(&mut Self)) {
        self.go_on(who).await;
        harm(self);
        self.trouble(who, dice.below(AWAY_MAX));
    }

    /// Whoever stands still or is away by chance stays so.
    fn pause_gateway(&mut self, dice: &Dice) {
        let place = self.place(dice);
        if let Some(process) = &self.gateways[place].process {
            signal("STOP", process.id());
            let seconds = dice.pick(&[1, LEASE.as_secs() + 2]);
            self.trouble(Who::Gateway(place), seconds);
        }
    }

    /// It may be away already; then it stays so for longer.
    async fn end_gateway(&mut self, dice: &Dice, end: impl AsyncFnOnce(Process)) {
        let place = self.place(dice);
        if let Some(process) = self.gateways[place].take() {
            self.point_at_gateways();
            end(process).await;
        }
        self.trouble(Who::Gateway(place), dice.below(AWAY_MAX));
    }

    /// It has its promised time only where it runs and its database answers.
    async fn terminate_gateway(&mut self, dice: &Dice) {
        self.go_on(Who::Postgres).await;
        for gateway in &self.gateways {
            gateway.mend();
            if let Some(process) = &gateway.process {
                signal("CONT", process.id());
            }
        }
        self.end_gateway(dice, async |process| process.terminate().await)
            .await;
    }

    fn trouble(&mut self, who: Who, seconds: u64) {
        self.troubles.insert(who, self.second + seconds);
    }
}

fn lock(replicas: &str) -> [&str; 4] {
    ["CONFIG", "SET", "min-replicas-to-write", replicas]
}

/// The connections that there are end, and those to come meet these fates.
fn harm(network: &FaultProxy, fates: Fates) {
    network.set_fates(fates);
    network.sever();
}

fn mute(dice: &Dice) -> Fates {
    let silence = Fate::Delay(Duration::from_millis(dice.below(MUTE_MS_MAX)));
    Fates::listed([silence; MUTE_CONNECTIONS])
}
