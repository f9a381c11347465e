//! The fake Stripe as a process of its own, for programs that are tested as processes.
//!
//! It says where it listens in one line, `listening on http://127.0.0.1:8420`, and then answers
//! until it is killed. What a test does to it goes to `/_fake`, as the library's documentation of
//! its control says. Its clock follows the machine's unless it is told where to begin.

use std::error::Error;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use monetization_conformance::stripe::FakeStripe;
use monetization_conformance::stripe::server::Settings;
use monetization_core::clock::{Clock, Timestamp};

/// How often the clock follows the machine's.
const FOLLOWS_EVERY: Duration = Duration::from_millis(200);

/// A fake Stripe on loopback.
#[derive(Debug, Parser)]
struct Cli {
    /// Where it listens; port 0 for any
    #[arg(long, default_value = "127.0.0.1:0")]
    address: SocketAddr,
    /// The instant at which its clock begins, to be moved by hand; without it, the clock follows
    /// the machine's
    #[arg(long)]
    from: Option<Timestamp>,
    /// Names and chances are made up from it
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let clock = Clock::system();
    let settings = Settings {
        address: cli.address,
        now: cli.from.unwrap_or_else(|| clock.now()).as_micros() / 1_000_000,
        seed: cli.seed,
    };
    let stripe = FakeStripe::start_with(settings).await?;
    let mut out = io::stdout();
    writeln!(out, "listening on {}", stripe.base_url())?;
    out.flush()?;
    loop {
        tokio::time::sleep(FOLLOWS_EVERY).await;
        if cli.from.is_none() {
            stripe.advance_to(clock.now().as_micros() / 1_000_000);
        }
    }
}
