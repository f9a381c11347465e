//! Stripe: whether its key opens an account, and whether its news comes here.

use std::path::Path;
use std::time::Duration;

use monetization_core::clock::Clock;
use monetization_core::engine::{EngineContext, EngineError, EngineErrorKind};
use monetization_core::reference::Mode;
use monetization_engine_stripe::{Endpoint, Endpoints, Payload, Scope};

use super::Diagnosis;
use crate::engines::stripe::{engine, read_secrets};
use crate::report;
use crate::settings::{Settings, StripeSettings};
use crate::setup_webhook::of_the_platform;

const SUBJECT: &str = "engine";
const ENDPOINT: &str = "endpoint";
/// How long Stripe may take for each question.
const WITHIN: Duration = Duration::from_secs(10);
/// Where a server takes Stripe's messages.
const PATH: &str = "/webhooks/stripe";

/// Looks at the file of secrets, then asks Stripe three things, and changes nothing there.
pub(super) async fn look(
    settings: &Settings,
    (stripe, secrets): (&StripeSettings, &Path),
    diagnosis: &mut Diagnosis,
) {
    let key = match read_secrets(stripe, secrets) {
        Ok((key, _)) => key,
        Err(error) => {
            let mend = "mend the file: a server does not start with it";
            return diagnosis.problem(SUBJECT, report::chain(&error), mend);
        }
    };
    let cx = of_the_platform(key, WITHIN);
    if look_at_account(stripe, &cx, diagnosis).await {
        look_at_endpoints(settings, (stripe, &cx), diagnosis).await;
    }
}

/// Whether the key opens an account.
async fn look_at_account(
    stripe: &StripeSettings,
    cx: &EngineContext,
    diagnosis: &mut Diagnosis,
) -> bool {
    let engine = match engine(stripe, Clock::system(), 0) {
        Ok(engine) => engine,
        Err(error) => {
            let mend = "correct what is named";
            diagnosis.problem(SUBJECT, report::chain(&error), mend);
            return false;
        }
    };
    let version = &engine.descriptor.api_version;
    let Some(usage) = &engine.usage else {
        return false;
    };
    match usage.realm(cx).await {
        Ok(realm) => {
            let mode = match realm.mode {
                Mode::Live => "money is real",
                Mode::Test => "in test mode",
            };
            let found = format!("stripe {version}, account {}, {mode}", realm.account);
            diagnosis.ok(SUBJECT, found);
            true
        }
        Err(error) => {
            let mend = match error.kind() {
                EngineErrorKind::Unauthorized => {
                    "put a key that is good into the file of secrets; a restricted one needs to read the account"
                }
                _ => "see that this machine reaches Stripe, and that Stripe is well",
            };
            diagnosis.problem(SUBJECT, report::chain(&error), mend);
            false
        }
    }
}

/// Whether Stripe's news comes here, and all that says anything.
async fn look_at_endpoints(
    settings: &Settings,
    (stripe, cx): (&StripeSettings, &EngineContext),
    diagnosis: &mut Diagnosis,
) {
    let endpoints = match Endpoints::new(&stripe.options(Clock::system(), 0)) {
        Ok(endpoints) => endpoints,
        Err(error) => {
            return diagnosis.problem(ENDPOINT, error.to_string(), "correct what is named");
        }
    };
    let public = settings.public_url.as_ref();
    let public = public.map(|url| format!("{url}{PATH}"));
    for payload in Payload::ALL {
        match endpoints.list(cx, payload).await {
            Ok(listed) => look_at_those(listed, (payload, public.as_deref()), diagnosis),
            Err(error) => unseen(&error, payload, diagnosis),
        }
    }
}

/// Those that post to this server, as far as that is known.
fn look_at_those(
    listed: Vec<Endpoint>,
    (payload, public): (Payload, Option<&str>),
    diagnosis: &mut Diagnosis,
) {
    let is_ours = |it: &Endpoint| match public {
        Some(public) => it.url == public,
        None => it.url.ends_with(PATH) || payload == Payload::Snapshot && it.scope.is_some(),
    };
    let ours: Vec<Endpoint> = listed.into_iter().filter(is_ours).collect();
    // One that was made by hand may be of either kind of accounts.
    let hears = |scope| {
        let is_of = |it: &Endpoint| it.scope.is_none_or(|of| of == scope);
        ours.iter().any(is_of)
    };
    if !hears(Scope::Own) {
        let anywhere = format!("any address that ends in {PATH}");
        missing(payload, public.unwrap_or(&anywhere), diagnosis);
    }
    for endpoint in &ours {
        look_at(endpoint, diagnosis);
    }
    if payload == Payload::Snapshot && hears(Scope::Own) && !hears(Scope::Connected) {
        diagnosis.ok(ENDPOINT, UNCONNECTED);
    }
}

/// Without thin events all that is missing is found later by asking.
fn missing(payload: Payload, to: &str, diagnosis: &mut Diagnosis) {
    match payload {
        Payload::Snapshot => {
            let found = format!("Stripe sends no news to {to}: payments will not be heard of");
            diagnosis.problem(ENDPOINT, found, format!("have it made: {SETUP}"));
        }
        Payload::Thin => {
            let found = format!(
                "Stripe sends no thin events to {to}: reports that it refuses after it had taken them are \
                 found only by reconciling; have it made: {SETUP}"
            );
            diagnosis.warn(ENDPOINT, found);
        }
    }
}

fn look_at(endpoint: &Endpoint, diagnosis: &mut Diagnosis) {
    let whose = match (endpoint.scope, endpoint.payload) {
        (Some(Scope::Own), _) => "of the platform's own account",
        (Some(Scope::Connected), _) => "of connected accounts",
        (None, Payload::Snapshot) => "of whom Stripe does not tell: it was made by hand",
        (None, Payload::Thin) => "of several kinds of accounts",
    };
    let what = match endpoint.payload {
        Payload::Snapshot => "",
        Payload::Thin => "thin events ",
    };
    let shown = format!("{} at {}, {what}{whose}", endpoint.id, endpoint.url);
    let lacks: Vec<&str> = endpoint.lacks().collect();
    if !endpoint.is_enabled {
        let found = format!("{shown}, is switched off");
        diagnosis.problem(ENDPOINT, found, format!("have it switched on: {SETUP}"));
    } else if !lacks.is_empty() {
        let found = format!("{shown}, is not sent {}", lacks.join(", "));
        diagnosis.problem(ENDPOINT, found, format!("have it mended: {SETUP}"));
    } else if endpoint.is_of_our_version() {
        diagnosis.ok(ENDPOINT, shown);
    } else {
        let version = endpoint.api_version.as_deref().unwrap_or("of the account");
        let found = format!(
            "{shown}, is of the version {version}: most of it is understood; better delete it at Stripe and \
             have it made: {SETUP}"
        );
        diagnosis.warn(ENDPOINT, found);
    }
}

/// A key may do all that a server needs and not look at endpoints.
fn unseen(error: &EngineError, payload: Payload, diagnosis: &mut Diagnosis) {
    let said = report::chain(error);
    if error.kind() == &EngineErrorKind::Unauthorized {
        let what = match payload {
            Payload::Snapshot => "webhook endpoints",
            Payload::Thin => "event destinations",
        };
        let found = format!("the key may not look at {what}, so they are not known: {said}");
        diagnosis.warn(ENDPOINT, found);
    } else {
        diagnosis.problem(ENDPOINT, said, "see that this machine reaches Stripe");
    }
}

const UNCONNECTED: &str = "none of connected accounts, which is right while no publisher has one: \
    setup-webhook with --connect makes it";
const SETUP: &str = "reference-server stripe setup-webhook --engine-secrets-file FILE --url \
    https://HOST/webhooks/stripe, with --connect for connected accounts";
