//! The mock provider as a process of its own.
//!
//! It answers from the moment it has said where it listens. Three things go on side by side until
//! it is told to stop: requests are served, the clock follows the machine's where it shall, and
//! messages are posted. That the journal fails ends it where the clock moves by itself, so that
//! whoever keeps it running starts it anew; where the clock stands still `/healthz` tells.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use monetization_core::clock::Clock;
use monetization_core::secret::Secret;
use monetization_engine_mock::serve::{self, Postman, ServedClock};
use monetization_engine_mock::{MockEngine, MockOptions};
use tokio::net::TcpListener;

use cli::{Cli, ClockChoice};

mod cli;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("error: {}", chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(cli))
}

/// Serves until a signal. What a call was answered is in the journal by then, so nothing has to be
/// saved at the end.
async fn serve(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let secrets = cli.secrets()?;
    let mut signals = Signals::listen()?;
    let socket = TcpListener::bind(cli.address).await.map_err(|source| {
        let address = cli.address;
        NotListening { address, source }
    })?;
    let address = socket.local_addr()?;
    if !address.ip().is_loopback() {
        tell("warning: whoever reaches this address may do everything here");
    }
    let clock = Clock::system();
    let mock = MockEngine::open(options(cli, &clock, address, secrets))?;
    let control = mock.control();
    let urls = cli.webhook_url.iter().map(String::as_str);
    let postman = Postman::new(control.clone(), urls, tell)?;
    let (served, follows) = match cli.clock {
        ClockChoice::Real => (ServedClock::Machine, true),
        ClockChoice::From(_) => (ServedClock::ByHand, false),
    };
    let router = serve::router(&mock, served);
    introduce(&mock, address)?;
    let serving = serve::run(socket, router, async move { signals.next().await });
    let following = async {
        if follows {
            serve::follow(&control, &clock)
                .await
                .map(|never| match never {})
        } else {
            std::future::pending().await
        }
    };
    tokio::select! {
        served = serving => Ok(served?),
        followed = following => Ok(followed?),
        () = postman.run() => Ok(()),
    }
}

/// How the provider is made, now that it is known where it listens.
fn options(
    cli: &Cli,
    clock: &Clock,
    address: std::net::SocketAddr,
    secrets: Vec<Secret>,
) -> MockOptions {
    let start = match cli.clock {
        ClockChoice::Real => clock.now(),
        ClockChoice::From(start) => start,
    };
    let public = cli.public_url.clone();
    let public = public.unwrap_or_else(|| format!("http://{address}"));
    let options = match &cli.journal {
        Some(path) => MockOptions::in_file(path, start),
        None => MockOptions::in_memory(start),
    };
    let options = options
        .with_rules(cli.rules())
        .with_payment_url_base(format!("{}/pay/", public.trim_end_matches('/')));
    if secrets.is_empty() {
        options
    } else {
        options.with_webhook_secrets(secrets)
    }
}

/// Says where it listens, in one line that a program can wait for.
fn introduce(mock: &MockEngine, address: std::net::SocketAddr) -> io::Result<()> {
    let recovered = mock.recovered();
    if recovered.torn_bytes > 0 {
        let torn = recovered.torn_bytes;
        tell(&format!(
            "the journal ended in {torn} bytes of an unfinished line: cut off"
        ));
    }
    let mut out = io::stdout();
    writeln!(out, "listening on http://{address}")?;
    out.flush()
}

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{address} cannot be listened on")]
struct NotListening {
    address: std::net::SocketAddr,
    source: io::Error,
}

/// An error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        next = cause.source();
    }
    line
}

#[expect(clippy::print_stderr, reason = "what the operator reads")]
fn tell(line: &str) {
    eprintln!("{line}");
}

/// SIGTERM and SIGINT.
#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        // Where the signal cannot be heard, the process is stopped the hard way.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
