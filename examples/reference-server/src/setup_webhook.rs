//! The command `stripe setup-webhook`: Stripe is told where its news shall go.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use monetization_core::clock::Clock;
use monetization_core::engine::{EngineContext, EngineError, IdempotencyKey};
use monetization_core::field::FieldError;
use monetization_core::ids::{TenantId, TypedId};
use monetization_core::secret::Secret;
use monetization_engine_stripe::{Endpoint, Endpoints, Ensured, Payload, Scope};

use crate::engine_secrets::SecretsError;
use crate::engines::stripe::read_key;
use crate::settings::SetupWebhookSettings;

/// Why no endpoint was set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// There is no key to sign in with.
    #[error("there is nothing to sign in with")]
    Secrets(#[from] SecretsError),
    /// The options of Stripe make no sense.
    #[error("Stripe cannot be reached so")]
    Options(#[from] FieldError),
    /// Stripe refuses, or does not answer.
    #[error("the endpoint was not set up")]
    Stripe(#[from] EngineError),
    /// Nothing can be printed.
    #[error("failed to talk to the operating system")]
    System(#[from] io::Error),
}

/// How long Stripe may take for all of it.
const WITHIN: Duration = Duration::from_secs(30);

/// Makes, finds or mends the webhook endpoint and the event destination, and tells `out` what to do next. What was
/// made before something went wrong is told all the same: its secret is shown only once.
///
/// # Errors
/// [`SetupError`]; doing it again goes on where this has stopped.
pub async fn setup_webhook(
    settings: &SetupWebhookSettings,
    mut out: impl Write,
) -> Result<(), SetupError> {
    let (key, _) = read_key(&settings.stripe, &settings.secrets)?;
    let endpoints = Endpoints::new(&settings.stripe.options(Clock::system(), 0))?;
    let cx = of_the_platform(key, WITHIN);
    let mut done = Vec::new();
    let mut outcome = Ok(());
    for payload in Payload::ALL {
        let wanted = (settings.url.as_str(), settings.scope);
        match endpoints.ensure(&cx, wanted, payload).await {
            Ok(ensured) => done.push(ensured),
            Err(error) => {
                outcome = Err(error.into());
                break;
            }
        }
    }
    tell(&done, settings, &mut out)?;
    outcome
}

/// A call for no tenant: for the account that a key belongs to.
pub(crate) fn of_the_platform(key: Secret, timeout: Duration) -> EngineContext {
    EngineContext {
        tenant: TenantId::derived(&[b"none"]),
        credentials: Some(key),
        account: None,
        key: IdempotencyKey::new("none"),
        repeated: false,
        timeout,
    }
}

fn tell(done: &[Ensured], settings: &SetupWebhookSettings, out: &mut impl Write) -> io::Result<()> {
    let mut secrets = Vec::new();
    for ensured in done {
        let (what, endpoint) = match ensured {
            Ensured::Made(endpoint, secret) => {
                secrets.push(format!("\"{}\"", secret.reveal()));
                ("made", endpoint)
            }
            Ensured::Updated(endpoint) => ("mended", endpoint),
            Ensured::Found(endpoint) => ("there already", endpoint),
        };
        introduce(what, endpoint, settings.scope, out)?;
    }
    if !secrets.is_empty() {
        tell_secrets(&secrets.join(", "), &settings.secrets, out)?;
    }
    if secrets.len() < done.len() {
        writeln!(out, "\n{AS_BEFORE}")?;
    }
    Ok(())
}

fn introduce(
    done: &str,
    endpoint: &Endpoint,
    scope: Scope,
    out: &mut impl Write,
) -> io::Result<()> {
    let whose = match scope {
        Scope::Own => "the platform's own account",
        Scope::Connected => "connected accounts",
    };
    let kinds = match endpoint.payload {
        Payload::Snapshot => "kinds of events",
        Payload::Thin => "kinds of thin events",
    };
    let (id, url, events) = (&endpoint.id, &endpoint.url, endpoint.events.len());
    writeln!(out, "{done}: {id}, {events} {kinds} of {whose} to {url}")
}

fn tell_secrets(secrets: &str, path: &Path, out: &mut impl Write) -> io::Result<()> {
    let path = path.display();
    writeln!(
        out,
        "\nWhat is signed with is shown this once. Add it to {path}, beside what is there:\n\n  \
         \"webhook_secrets\": [{secrets}]\n\n\
         A server that is running reads the file again on SIGHUP, or by POST /api/v1/engines/reload."
    )
}

const AS_BEFORE: &str = "What was there signs with what it did when it was made, and Stripe shows that to you \
    where it shows the endpoint. If nobody can read it any more, delete the endpoint there, and run this again.";
