//! A network that misbehaves by a script: a TCP proxy on loopback, in front of any address.
//!
//! Faults that an engine's own transport plays are played above the socket. What happens to real
//! connections is played here: between a client and a server that know nothing of it, a proxy
//! gives each connection the [`Fate`] that its [`Fates`] name next.
//!
//! | fate | the server | the client |
//! |---|---|---|
//! | [`Fate::Pass`] | is asked | is answered |
//! | [`Fate::Delay`] | is asked later | is answered later |
//! | [`Fate::Cut`] towards the server | gets so many bytes, then the end | gets the end |
//! | [`Fate::Cut`] towards the client | is asked | gets so many bytes of the answer, then the end |
//! | [`Fate::DropReply`] | is asked, and answers | gets the end instead |
//! | [`Fate::HalfClose`] | is asked | is told at once that nothing will come |
//! | [`Fate::Refuse`] | hears nothing | is reset |
//!
//! A connection has one fate however many requests go over it, so a client that keeps its
//! connections meets fewer of them than it makes calls.
//!
//! ```
//! use monetization_conformance::fault_proxy::{Fate, Fates, FaultProxy};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::{TcpListener, TcpStream};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = TcpListener::bind("127.0.0.1:0").await?;
//! let fates = Fates::listed([Fate::DropReply]);
//! let proxy = FaultProxy::start(server.local_addr()?, fates).await?;
//!
//! let mut client = TcpStream::connect(proxy.address()).await?;
//! client.write_all(b"how are you?").await?;
//!
//! let (mut asked, _) = server.accept().await?;
//! let mut question = [0; 12];
//! asked.read_exact(&mut question).await?;
//! asked.write_all(b"fine").await?;
//!
//! let mut answer = Vec::new();
//! client.read_to_end(&mut answer).await?;
//! assert_eq!(answer, b"");
//! assert_eq!(proxy.befallen(), [Fate::DropReply]);
//! # Ok(())
//! # }
//! ```

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::sample::Sample;

mod relay;

/// What becomes of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Fate {
    /// Nothing in particular: bytes and ends pass in both directions.
    Pass,
    /// It passes, once this time is over. Waited for by the machine's clock.
    Delay(Duration),
    /// After so many bytes towards one end both are closed.
    Cut {
        /// Towards whom the bytes are counted.
        towards: End,
        /// How many of them pass.
        bytes: u64,
    },
    /// What the client sends passes. As soon as the server begins to answer, both are closed: what
    /// it was asked it has done.
    DropReply,
    /// The client is told at once that nothing will come, and what it sends passes all the same.
    HalfClose,
    /// It is reset before anything passes. A port that takes some connections cannot refuse
    /// others; to a client a reset before the first byte is the nearest thing to it.
    Refuse,
}

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum End {
    /// Who has connected.
    Client,
    /// To whom it is passed on.
    Server,
}

/// The fates of connections to come, in the order in which they are taken.
#[derive(Debug)]
pub struct Fates(Script);

#[derive(Debug)]
enum Script {
    Listed(VecDeque<Fate>),
    Seeded(Box<Sample>, Chances),
}

/// How often things go wrong: of a hundred connections so many pass, and the others meet each
/// other fate equally often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chances {
    /// Connections of a hundred that pass.
    pub pass_percent: u64,
    /// Delays are shorter than this.
    pub delay_max: Duration,
    /// Cuts come before so many bytes have passed.
    pub bytes_max: u64,
}

impl Default for Chances {
    /// Half of them pass; delays of up to 50 milliseconds, cuts within the first kibibyte.
    fn default() -> Self {
        Self {
            pass_percent: 50,
            delay_max: Duration::from_millis(50),
            bytes_max: 1_024,
        }
    }
}

impl Chances {
    /// So many of a hundred pass.
    #[must_use]
    pub fn passing(mut self, percent: u64) -> Self {
        self.pass_percent = percent;
        self
    }
}

impl Fates {
    /// These, one connection each; whatever comes after them passes.
    #[must_use]
    pub fn listed(fates: impl IntoIterator<Item = Fate>) -> Self {
        Self(Script::Listed(fates.into_iter().collect()))
    }

    /// Made up from a seed: the same ones for the same seed, for as many connections as come.
    #[must_use]
    pub fn seeded(seed: u64, chances: Chances) -> Self {
        Self(Script::Seeded(Box::new(Sample::seeded(seed)), chances))
    }

    /// The fate of the next connection.
    ///
    /// ```
    /// use monetization_conformance::fault_proxy::{Chances, Fate, Fates};
    ///
    /// let fates = |seed| {
    ///     let mut fates = Fates::seeded(seed, Chances::default());
    ///     (0..20).map(|_| fates.draw()).collect::<Vec<Fate>>()
    /// };
    /// assert_eq!(fates(1), fates(1));
    /// assert_ne!(fates(1), fates(2));
    /// ```
    pub fn draw(&mut self) -> Fate {
        match &mut self.0 {
            Script::Listed(fates) => fates.pop_front().unwrap_or(Fate::Pass),
            Script::Seeded(sample, chances) => made_up(sample, chances),
        }
    }
}

fn made_up(sample: &Sample, chances: &Chances) -> Fate {
    if sample.below(100) < chances.pass_percent {
        return Fate::Pass;
    }
    let cut = |towards| Fate::Cut {
        towards,
        bytes: sample.below(chances.bytes_max),
    };
    let delay_max = u64::try_from(chances.delay_max.as_micros()).unwrap_or(u64::MAX);
    match sample.below(6) {
        0 => Fate::Delay(Duration::from_micros(sample.below(delay_max))),
        1 => cut(End::Server),
        2 => cut(End::Client),
        3 => Fate::DropReply,
        4 => Fate::HalfClose,
        _ => Fate::Refuse,
    }
}

/// A proxy that listens on a free port of loopback. Dropping it ends it, and every connection
/// over it.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    taking: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    server: Mutex<SocketAddr>,
    fates: Mutex<Fates>,
    befallen: Mutex<Vec<Fate>>,
    severed: Notify,
    /// Whether nothing passes for now.
    still: watch::Sender<bool>,
}

impl FaultProxy {
    /// Begins to pass connections on to `server`, which need not be there yet.
    ///
    /// # Errors
    /// Where no port can be listened on.
    pub async fn start(server: SocketAddr, fates: Fates) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let shared = Arc::new(Shared {
            server: Mutex::new(server),
            fates: Mutex::new(fates),
            befallen: Mutex::default(),
            severed: Notify::new(),
            still: watch::Sender::new(false),
        });
        let taking = tokio::spawn(take(socket, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            taking,
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections to come are passed on to this server: one that was started anew has another
    /// port, and its clients need not know.
    pub fn point_at(&self, server: SocketAddr) {
        *locked(&self.shared.server) = server;
    }

    /// Connections to come meet these fates.
    pub fn set_fates(&self, fates: Fates) {
        *locked(&self.shared.fates) = fates;
    }

    /// Ends the connections that there are, wherever they stand. Those to come meet their fates.
    pub fn sever(&self) {
        self.shared.severed.notify_one();
    }

    /// Lets nothing pass any more, on any connection, which all stay open: as a server does that has
    /// stalled.
    pub fn stall(&self) {
        self.shared.still.send_replace(true);
    }

    /// Lets everything pass again, from where it stands.
    pub fn go_on(&self) {
        self.shared.still.send_replace(false);
    }

    /// The fates that were met so far, oldest first.
    #[must_use]
    pub fn befallen(&self) -> Vec<Fate> {
        locked(&self.shared.befallen).clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.taking.abort();
    }
}

/// Takes connections until it is aborted, and ends them with itself.
async fn take(socket: TcpListener, shared: Arc<Shared>) {
    let mut relays = JoinSet::new();
    loop {
        tokio::select! {
            taken = socket.accept() => {
                // A client that has gone again already is none.
                let Ok((client, _)) = taken else { continue };
                let fate = locked(&shared.fates).draw();
                locked(&shared.befallen).push(fate);
                let server = *locked(&shared.server);
                let still = shared.still.subscribe();
                relays.spawn(unless_still(still, befall(client, server, fate)));
            }
            Some(_) = relays.join_next() => {}
            () = shared.severed.notified() => relays.abort_all(),
        }
    }
}

/// Lets a connection go on whenever all of them may.
async fn unless_still(mut still: watch::Receiver<bool>, connection: impl Future<Output = ()>) {
    let mut connection = pin!(connection);
    // Without its proxy there is no connection either.
    while still.wait_for(|still| !*still).await.is_ok() {
        tokio::select! {
            stalled = still.wait_for(|still| *still) => drop(stalled),
            () = &mut connection => return,
        }
    }
}

/// Lets a connection meet its fate. That it ends in an error is what ends it.
async fn befall(client: TcpStream, server: SocketAddr, fate: Fate) {
    if fate == Fate::Refuse {
        relay::reset(&client);
        return;
    }
    if let Fate::Delay(takes) = fate {
        tokio::time::sleep(takes).await;
    }
    let Ok(server) = TcpStream::connect(server).await else {
        // Nobody is behind the proxy: that is to look as it would without it.
        relay::reset(&client);
        return;
    };
    drop(relay::relay(client, server, fate).await);
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
