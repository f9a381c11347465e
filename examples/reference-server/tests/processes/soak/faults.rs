use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use monetization_conformance::fault_proxy::{Chances, Fate, Fates, FaultProxy};
use monetization_engine_mock::faults::{Fault as ProviderFault, Injection, RecordFault};
use monetization_engine_mock::provider::{Refusal, RefusalKind};
use monetization_engine_mock::transport::Operation;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::super::dice::Dice;
use super::super::hangups::{fickle_client, head, is_whole};
use super::super::load::CallId;
use super::super::market::subscription;
use super::super::publishers::faults_of;
use super::super::server::signal;
use super::stage::Stage;

/// What goes wrong in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    KillServer,
    TerminateServer,
    PauseServer,
    KillPublisher,
    PausePublisher,
    KillProvider,
    PauseProvider,
    /// Its next calls are refused, fail, or lose their answers.
    ProviderFails,
    BreakProviderNetwork,
    BreakClientNetwork,
    /// Somebody buys what costs something at once, and the news of it come several times.
    RepeatNews,
    HangUp,
    CallSlowly,
}

const ALL: [Fault; 13] = [
    Fault::KillServer,
    Fault::TerminateServer,
    Fault::PauseServer,
    Fault::KillPublisher,
    Fault::PausePublisher,
    Fault::KillProvider,
    Fault::PauseProvider,
    Fault::ProviderFails,
    Fault::BreakProviderNetwork,
    Fault::BreakClientNetwork,
    Fault::RepeatNews,
    Fault::HangUp,
    Fault::CallSlowly,
];
/// Connections that meet a network while it is broken.
const BROKEN_CONNECTIONS: usize = 6;
const NEWS_REPEATED: usize = 2;
const HANG_UPS: usize = 8;
const SLOW_CALLS: usize = 4;

/// Those that end processes whose memory is looked at.
const ENDS: [Fault; 3] = [
    Fault::KillServer,
    Fault::TerminateServer,
    Fault::KillPublisher,
];

impl Fault {
    pub(super) fn drawn(dice: &Dice, is_calm: bool) -> Self {
        drawn((&ALL, &ENDS), dice, is_calm)
    }
}

/// One of them all; in calm times none of those that end processes.
pub(super) fn drawn<F: Copy + PartialEq>(
    (all, ends): (&[F], &[F]),
    dice: &Dice,
    is_calm: bool,
) -> F {
    let all = all.iter().copied();
    let all = all.filter(|fault| !is_calm || !ends.contains(fault));
    dice.pick(&all.collect::<Vec<F>>())
}

impl Stage {
    pub(super) async fn meet(&mut self, fault: Fault, dice: &Dice) {
        *self.befallen.entry(fault).or_default() += 1;
        match fault {
            Fault::KillServer => self.renew_server(async |server| server.kill().await).await,
            Fault::TerminateServer => {
                self.renew_server(async |server| server.terminate().await)
                    .await;
            }
            Fault::PauseServer => pause(self.server().id(), dice.below(500)).await,
            Fault::KillPublisher => {
                self.publisher.start_kill().unwrap();
                self.renew_publisher().await;
            }
            // Its lease lasts for a second.
            Fault::PausePublisher => pause(self.publisher.id().unwrap(), dice.below(1_500)).await,
            Fault::KillProvider => {
                self.provider.kill_and_start_again().await;
                self.to_provider.point_at(self.provider.address);
            }
            Fault::PauseProvider => pause(self.provider.id(), dice.below(1_000)).await,
            Fault::ProviderFails => self.provider.inject(provider_fault(dice)).await,
            Fault::BreakProviderNetwork => {
                self.to_provider.set_fates(broken(dice));
                self.to_provider.sever();
            }
            Fault::BreakClientNetwork => {
                self.to_gateway.set_fates(broken(dice));
                self.to_gateway.sever();
            }
            Fault::RepeatNews => self.repeat_news().await,
            Fault::HangUp => self.hang_up(dice),
            Fault::CallSlowly => self.call_slowly(),
        }
    }

    async fn repeat_news(&mut self) {
        // What was taken in and not heard to be is posted again.
        let fates = [Fate::DropReply; NEWS_REPEATED];
        self.to_control.set_fates(Fates::listed(fates));
        self.to_control.sever();
        subscription(&self.server().api, &self.priced, self.newcomers).await;
        self.newcomers += 1;
    }

    fn hang_up(&mut self, dice: &Dice) {
        for _ in 0..HANG_UPS {
            let (id, key) = self.next_passer();
            let dice = Dice::seeded(dice.below(u64::MAX));
            let client = fickle_client(self.server().gateway, key, id, dice);
            self.passers.spawn(client);
        }
    }

    fn call_slowly(&mut self) {
        for _ in 0..SLOW_CALLS {
            let (id, key) = self.next_passer();
            let gateway = self.server().gateway;
            self.passers
                .spawn(async move { slow_client(gateway, &key, id).await });
        }
    }

    fn next_passer(&self) -> (CallId, String) {
        let id = self.passing.next();
        (id, self.market.subscriptions[id.subscription].key.clone())
    }
}

/// The process stands still for so long.
pub(super) async fn pause(process: u32, milliseconds: u64) {
    signal("STOP", process);
    sleep(Duration::from_millis(milliseconds)).await;
    signal("CONT", process);
}

/// Connections to come meet all kinds of fates, and then none any more.
pub(super) fn broken(dice: &Dice) -> Fates {
    let mut chances = Chances::default().passing(10);
    chances.bytes_max = 4_096;
    let mut fates = Fates::seeded(dice.below(u64::MAX), chances);
    Fates::listed((0..BROKEN_CONNECTIONS).map(|_| fates.draw()))
}

/// One that is over some time: nothing of it is refused for good.
pub(super) fn provider_fault(dice: &Dice) -> Injection {
    let retry_after = Duration::from_millis(500);
    let refusal = |kind| Refusal::new(kind, "a fault of this second");
    let record = |fault| ProviderFault::Record { index: 0, fault };
    let fault = match dice.below(8) {
        0 => ProviderFault::Refuse(refusal(RefusalKind::Throttled {
            retry_after: Some(retry_after),
        })),
        1 => ProviderFault::Refuse(refusal(RefusalKind::Broken)),
        2 => ProviderFault::Refuse(refusal(RefusalKind::Unavailable)),
        3 => ProviderFault::FailAfter(refusal(RefusalKind::Broken)),
        4 => ProviderFault::LoseReply,
        5 => record(RecordFault::NotTaken),
        6 => record(RecordFault::ReceiptLost),
        _ => ProviderFault::Delay(Duration::from_secs(2)),
    };
    let times = u32::try_from(dice.below(4) + 1).unwrap();
    Injection::next(fault).on(Operation::TakeUsage).times(times)
}

/// Sends its request in pieces, and reads the answer in pieces.
async fn slow_client(gateway: std::net::SocketAddr, key: &str, id: CallId) -> Option<CallId> {
    let mut stream = TcpStream::connect(gateway).await.ok()?;
    let beat = Duration::from_millis(100);
    for piece in head(id, key, 0, 0).as_bytes().chunks(20) {
        stream.write_all(piece).await.ok()?;
        sleep(beat).await;
    }
    let mut answer = Vec::new();
    let mut piece = vec![0; 2_000];
    loop {
        match stream.read(&mut piece).await.ok()? {
            0 => return is_whole(&answer, id).then_some(id),
            bytes => answer.extend_from_slice(&piece[..bytes]),
        }
        sleep(beat).await;
    }
}

/// What has befallen, how often, and how many connections were broken on the way to whom.
pub(super) fn told<F: fmt::Debug>(
    befallen: &BTreeMap<F, u64>,
    networks: &[(&str, &FaultProxy)],
) -> String {
    let all: u64 = befallen.values().sum();
    let mut told = format!("{all} faults: {befallen:?}");
    for (to, network) in networks {
        told += &format!("; {} broken connections to {to}", faults_of(network));
    }
    told
}
