//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use monetization_core::clock::Timestamp;
use monetization_core::field::FieldError;
use monetization_core::secret::Secret;
use monetization_engine_mock::provider::{PaymentBehaviour, Rules};
use monetization_engine_mock::webhooks::sign;

/// A whole billing provider as a process, for tests, demos and development.
///
/// Engines call it at `POST /v1/calls`; its clock, customers, payments, messages and faults are
/// served as REST beside that. It prints one line once it listens, and ends on SIGTERM or SIGINT.
#[derive(Debug, Parser)]
#[command(name = "engine-mock", version)]
pub(crate) struct Cli {
    /// Where it listens; port 0 takes a free one. Whoever reaches it may do everything.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8082")]
    pub(crate) address: SocketAddr,
    /// Where what happens is written down; without it, it is forgotten with the process.
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    /// Where messages are posted; may be given several times.
    #[arg(long, value_name = "URL")]
    pub(crate) webhook_url: Vec<String>,
    /// What messages are signed with; several, divided by commas, while they are exchanged. Other
    /// processes can see a command line: better give it by the environment.
    #[arg(
        long,
        value_name = "SECRET",
        value_delimiter = ',',
        env = "MONETIZATION_MOCK_WEBHOOK_SECRET",
        hide_env_values = true
    )]
    webhook_secret: Vec<String>,
    /// The provider's clock: `real` follows the machine's, an instant such as
    /// 2026-01-01T00:00:00Z stands still from there on until it is moved over REST. A journal
    /// that goes on keeps its own time where that is later.
    #[arg(long, value_name = "real|INSTANT", default_value = "real")]
    pub(crate) clock: ClockChoice,
    /// Where customers reach it, for payment links [default: its address].
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,
    /// How long use is still taken after its period [default: 3600].
    #[arg(long, value_name = "SECONDS")]
    grace_seconds: Option<u64>,
    /// How long identifiers of usage records are remembered [default: 86400].
    #[arg(long, value_name = "SECONDS")]
    deduplicates_for_seconds: Option<u64>,
    /// How long idempotency keys are remembered [default: 86400].
    #[arg(long, value_name = "SECONDS")]
    remembers_keys_for_seconds: Option<u64>,
    /// Usage records of one call [default: 100].
    #[arg(long, value_name = "RECORDS")]
    batch_max: Option<usize>,
    /// How customers pay of whom nothing else was said.
    #[arg(long, value_name = "HOW", default_value = "waits-for-link")]
    payment: PaymentChoice,
}

/// What moves the clock.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ClockChoice {
    /// The machine's does.
    Real,
    /// It stands still from there on.
    From(Timestamp),
}

impl FromStr for ClockChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "real" {
            return Ok(Self::Real);
        }
        text.parse()
            .map(Self::From)
            .map_err(|_| "allowed is real, or an instant such as 2026-01-01T00:00:00Z".to_owned())
    }
}

/// [`PaymentBehaviour`] by its names on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum PaymentChoice {
    /// As soon as asked.
    Automatically,
    /// Each payment asked for fails.
    Declines,
    /// By the link.
    WaitsForLink,
}

impl Cli {
    /// What messages are signed with; none where nothing is posted.
    pub(crate) fn secrets(&self) -> Result<Vec<Secret>, FieldError> {
        let secrets: Vec<Secret> = self
            .webhook_secret
            .iter()
            .filter(|secret| !secret.is_empty())
            .map(|secret| Secret::new(secret.as_str()))
            .collect();
        let refuse = |problem: &str| {
            let problem = format!("{problem}: allowed is whsec_ and base64, or any other text");
            Err(FieldError::new("webhook_secret", problem))
        };
        if secrets.is_empty() && !self.webhook_url.is_empty() {
            return refuse("it is missing, and messages are to be posted");
        }
        let tried = "evt_1".parse();
        let signs = tried.is_ok_and(|id| sign(&id, b"", &secrets, Timestamp::MIN).is_some());
        if signs {
            Ok(secrets)
        } else {
            refuse("nothing can be signed with it")
        }
    }

    /// How the provider conducts itself.
    pub(crate) fn rules(&self) -> Rules {
        let usual = Rules::default();
        let seconds = |given: Option<u64>, usual| given.map_or(usual, Duration::from_secs);
        Rules {
            grace: seconds(self.grace_seconds, usual.grace),
            deduplicates_for: seconds(self.deduplicates_for_seconds, usual.deduplicates_for),
            remembers_keys_for: seconds(self.remembers_keys_for_seconds, usual.remembers_keys_for),
            batch_max: self.batch_max.unwrap_or(usual.batch_max),
            payment: match self.payment {
                PaymentChoice::Automatically => PaymentBehaviour::Automatically,
                PaymentChoice::Declines => PaymentBehaviour::Declines,
                PaymentChoice::WaitsForLink => PaymentBehaviour::WaitsForLink,
            },
            ..usual
        }
    }
}
