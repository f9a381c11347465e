//! How the server behaves, checked.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use monetization_core::clock::Timestamp;
use monetization_core::field::FieldError;
use monetization_core::invoice::Invoicing;
use monetization_core::secret::Secret;
use monetization_core::text::{Endpoint, Slug};
use monetization_engine_mock::{MockEngine, RemoteOptions};
use monetization_gateway_tower::{CommitMode, HeaderStyle};
use monetization_store_sqlite::Synchronous;

use crate::cli::ServeArgs;
use crate::database::Database;

pub use publishing::{Provider, ProviderSettings, PublishSettings};
pub use shared_rates::SharedRatesSettings;
#[cfg(feature = "stripe")]
pub use stripe::{SetupWebhookSettings, StripeSettings};

mod publishing;
mod shared_rates;
mod sharing;
#[cfg(feature = "stripe")]
mod stripe;

/// How the server behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Where the gateway listens; port 0 for any that is free.
    pub gateway_address: SocketAddr,
    /// Where the control plane listens; port 0 for any that is free.
    pub control_address: SocketAddr,
    /// Where the state is kept.
    pub data_directory: PathBuf,
    /// The database that everything else is kept in.
    pub database: Database,
    /// The file with the pepper; one in the data directory if nothing is said.
    pub pepper_file: Option<PathBuf>,
    /// The engine that bills.
    pub engine: Slug,
    /// Who makes the invoices, for the tenant of the first start.
    pub invoicing: Invoicing,
    /// Days to pay an invoice that core made, for the tenant of the first start.
    pub payment_days: u32,
    /// Days after that in which calls still pass.
    pub grace_days: u16,
    /// How limits are told to clients.
    pub limit_headers: HeaderStyle,
    /// When the end of an answer is sent.
    pub commit: CommitMode,
    /// For how long calls are let in while the store is away; they are refused at once if nothing is
    /// said.
    pub without_store: Option<Duration>,
    /// How much a commit of SQLite waits for.
    pub synchronous: Synchronous,
    /// Whether upstreams may be on this machine or in a private network.
    pub private_upstreams: bool,
    /// For how long a client may take to send the head of a request.
    pub head_timeout: Duration,
    /// For how long a client may pause within the body of a request, or leave an answer unread.
    pub stall_timeout: Duration,
    /// For how long an upstream may take to begin its answer.
    pub upstream_timeout: Duration,
    /// For how long it goes on serving, and says that it is not ready, before it stops.
    pub shutdown_delay: Duration,
    /// Bytes the body of a call may have.
    pub request_bytes_max: u32,
    /// Where consumers reach the control plane, without a final slash; its own address if nothing
    /// is said.
    pub public_url: Option<String>,
    /// The instant at which business time stands still until it is moved; the machine's time if
    /// nothing is said.
    pub manual_clock: Option<Timestamp>,
    /// The process of the mock provider; one in this process if nothing is said.
    pub mock_process: Option<MockProcess>,
    /// The file of what the engine is signed in to with, and what its messages are signed with.
    pub engine_secrets: Option<PathBuf>,
    /// How Stripe is reached, where that is the engine.
    #[cfg(feature = "stripe")]
    pub stripe: Option<StripeSettings>,
    /// Where rates are counted that several servers share; by this one alone if nothing is said.
    pub shared_rates: Option<SharedRatesSettings>,
    /// For how long a server that nobody hears of keeps its blocks of strict quotas, where several share a
    /// database.
    pub lease: Duration,
    /// The files of what is sold.
    pub plans: Vec<PathBuf>,
    /// Whether it waits until no other server has the database open.
    pub standby: bool,
    /// How long after the last run of publishing began the next one begins by itself; never if
    /// nothing is said.
    pub publish_every: Option<Duration>,
    /// How often the engine is asked for messages that did not arrive; never if nothing is said.
    pub news_every: Option<Duration>,
    /// How often what was reported is compared with what the engine has counted; never if nothing is said.
    pub reconcile_every: Option<Duration>,
}

/// The mock provider as a process of its own.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MockProcess {
    /// Where it listens.
    pub url: String,
    /// What it signs its messages with, where that is not in the file of secrets.
    pub webhook_secret: Option<Secret>,
}

/// What is wrong with the settings, all of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the settings are not valid: {}", list(problems))]
pub struct SettingsError {
    /// Each names the option.
    pub problems: Vec<FieldError>,
}

impl Settings {
    /// Checks what was given.
    ///
    /// # Errors
    /// [`SettingsError`] with everything that is wrong, not the first thing only.
    pub fn new(args: ServeArgs) -> Result<Self, SettingsError> {
        let mut check = Check::default();
        let engine = check.engine(args.engine.clone());
        #[cfg(feature = "stripe")]
        let stripe = check.stripe(&engine, stripe::Said::of(&args));
        let (data_directory, database) = check.place(&args);
        let settings = Self {
            gateway_address: check.parsed("--gateway-address", &args.gateway_address, GATEWAY),
            control_address: check.parsed("--control-address", &args.control_address, CONTROL),
            data_directory,
            database,
            pepper_file: args.pepper_file,
            lease: check.seconds("--lease-seconds", args.lease_seconds, (5, 3_600, 30)),
            #[cfg(feature = "stripe")]
            stripe,
            engine,
            invoicing: check.one_of("--invoicing", args.invoicing.as_ref(), &INVOICING),
            payment_days: check.number("--payment-days", args.payment_days, (0, 365, 14)),
            grace_days: check.number("--grace-days", args.grace_days, (0, 365, 0)),
            limit_headers: check.one_of("--limit-headers", args.limit_headers.as_ref(), &HEADERS),
            commit: check.one_of("--commit", args.commit.as_ref(), &COMMIT),
            without_store: check
                .seconds_or_never(("--without-store-seconds", 0), args.without_store_seconds),
            synchronous: check.one_of("--synchronous", args.synchronous.as_ref(), &SYNCHRONOUS),
            private_upstreams: check.one_of(
                "--allow-private-upstreams",
                args.allow_private_upstreams.as_ref(),
                &SWITCH,
            ),
            head_timeout: check.seconds(
                "--head-timeout-seconds",
                args.head_timeout_seconds,
                (1, 60, 10),
            ),
            stall_timeout: check.seconds(
                "--stall-timeout-seconds",
                args.stall_timeout_seconds,
                (1, 600, 30),
            ),
            upstream_timeout: check.seconds(
                "--upstream-timeout-seconds",
                args.upstream_timeout_seconds,
                (1, 3_600, 30),
            ),
            shutdown_delay: check.seconds(
                "--shutdown-delay-seconds",
                args.shutdown_delay_seconds,
                (0, 300, 1),
            ),
            request_bytes_max: check.number(
                "--request-bytes-max",
                args.request_bytes_max,
                (0, 1 << 30, 16 << 20),
            ),
            public_url: check.url("--public-url", args.public_url),
            manual_clock: check.instant("--manual-clock", args.manual_clock),
            mock_process: check.mock_process(args.mock_url, args.mock_webhook_secret),
            engine_secrets: args.engine_secrets_file,
            shared_rates: check.shared_rates(args.shared_rates),
            plans: named_first(args.plans, args.plans_of_variable),
            standby: check.one_of("--standby", args.standby.as_ref(), &SWITCH),
            publish_every: check
                .seconds_or_never(("--publish-every-seconds", 0), args.publish_every_seconds),
            news_every: check
                .seconds_or_never(("--news-every-seconds", 300), args.news_every_seconds),
            reconcile_every: check.seconds_or_never(RECONCILE_EVERY, args.reconcile_every_seconds),
        };
        check.agreement(&settings);
        check.end(settings)
    }
}

impl Settings {
    /// Whether the engine's time can be moved.
    fn is_played(&self) -> bool {
        #[cfg(feature = "stripe")]
        if let Some(stripe) = &self.stripe {
            return stripe.is_here();
        }
        self.engine.as_str() == "mock"
    }
}

impl Default for Settings {
    /// What holds where nothing is said.
    fn default() -> Self {
        #[expect(
            clippy::unwrap_used,
            reason = "what holds where nothing is said is allowed"
        )]
        Self::new(ServeArgs::default()).unwrap()
    }
}

/// Where the state is kept.
pub(crate) fn data_directory(said: Option<PathBuf>) -> PathBuf {
    said.unwrap_or_else(|| "monetization-data".into())
}

/// Once a day, where nothing is said.
const RECONCILE_EVERY: (&str, u64) = ("--reconcile-every-seconds", 86_400);
const GATEWAY: &str = "127.0.0.1:8080";
const CONTROL: &str = "127.0.0.1:8081";
/// In each list the first is what holds where nothing is said.
const INVOICING: [(&str, Invoicing); 2] = [
    ("by_core", Invoicing::ByCore),
    ("by_engine", Invoicing::ByEngine),
];
const HEADERS: [(&str, HeaderStyle); 4] = [
    ("kong", HeaderStyle::Kong),
    ("ietf", HeaderStyle::Ietf),
    ("both", HeaderStyle::Both),
    ("none", HeaderStyle::None),
];
const COMMIT: [(&str, CommitMode); 2] = [
    ("durable", CommitMode::Durable),
    ("background", CommitMode::Background),
];
const SYNCHRONOUS: [(&str, Synchronous); 2] =
    [("full", Synchronous::Full), ("normal", Synchronous::Normal)];
const SWITCH: [(&str, bool); 2] = [("false", false), ("true", true)];

#[derive(Default)]
struct Check {
    problems: Vec<FieldError>,
}

impl Check {
    fn problem(&mut self, option: &str, problem: impl fmt::Display) {
        self.problems.push(FieldError::new(option, problem));
    }

    /// Says what does not go together.
    fn agreement(&mut self, settings: &Settings) {
        self.shared(settings);
        if settings.mock_process.is_some() {
            if settings.engine.as_str() != "mock" {
                self.problem("--mock-url", "it needs the mock engine: add --engine mock");
            }
            if settings.manual_clock.is_some() {
                let problem = "the clock of a provider that is a process of its own is not moved \
                    from here: leave --mock-url or this out";
                self.problem("--manual-clock", problem);
            }
        }
        match (&settings.mock_process, &settings.engine_secrets) {
            (None, Some(_)) if !is_stripe(&settings.engine) => {
                let problem = "the engine in this process takes no secrets: leave it out, or add \
                    --mock-url";
                self.problem("--engine-secrets-file", problem);
            }
            (Some(process), None) if process.webhook_secret.is_none() => {
                let problem = "it is missing: say what the process at --mock-url signs its \
                    messages with, here, in MONETIZATION_SERVER_MOCK_WEBHOOK_SECRET, or in the file of \
                    --engine-secrets-file";
                self.problem("--mock-webhook-secret", problem);
            }
            _ => {}
        }
        if settings.without_store.is_some() && settings.commit == CommitMode::Durable {
            let problem = "an answer whose record has to be on disk cannot be sent without the store: \
                add --commit background, or leave it out";
            self.problem("--without-store-seconds", problem);
        }
        if settings.publish_every.is_some() && settings.engine.as_str() == "none" {
            let problem = "the engine none takes no use: leave it out, or choose another engine";
            self.problem("--publish-every-seconds", problem);
        }
        if settings.manual_clock.is_some() && !settings.is_played() {
            self.problem(
                "--manual-clock",
                "only the mock engine's time can be moved: add --engine mock",
            );
        }
    }

    fn end<T>(self, settings: T) -> Result<T, SettingsError> {
        if self.problems.is_empty() {
            Ok(settings)
        } else {
            Err(SettingsError {
                problems: self.problems,
            })
        }
    }

    fn parsed(&mut self, option: &str, given: &Option<String>, default: &str) -> SocketAddr {
        let text = given.as_deref().unwrap_or(default);
        text.parse().unwrap_or_else(|_| {
            let problem = format!("{text:?} is no address: allowed is IP:PORT, such as {default}");
            self.problem(option, problem);
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    fn engine(&mut self, given: Option<String>) -> Slug {
        #[expect(clippy::unwrap_used, reason = "`mock` is a name")]
        let mock = || Slug::from_str("mock").unwrap();
        let engine = given.map_or_else(mock, |text| {
            text.parse().unwrap_or_else(|error| {
                self.problem("--engine", error);
                mock()
            })
        });
        self.built_in(&engine, cfg!(feature = "stripe"));
        engine
    }

    /// Stripe's crates take their time to build, so not everybody has them.
    fn built_in(&mut self, engine: &Slug, has_stripe: bool) {
        if is_stripe(engine) && !has_stripe {
            let problem = "stripe was not built in: build the server with `cargo build --release -p \
                reference-server --features stripe`";
            self.problem("--engine", problem);
        }
    }

    fn one_of<T: Copy>(&mut self, option: &str, given: Option<&String>, of: &[(&str, T)]) -> T {
        let given = given.map_or(of[0].0, String::as_str);
        let found = of.iter().find(|(name, _)| *name == given);
        found.map_or_else(
            || {
                let names: Vec<&str> = of.iter().map(|(name, _)| *name).collect();
                self.problem(option, format!("{given:?} is none of {}", names.join(", ")));
                of[0].1
            },
            |(_, value)| *value,
        )
    }

    /// A number from the first to the second; the third where nothing is said.
    fn number<T: FromStr + PartialOrd + fmt::Display>(
        &mut self,
        option: &str,
        given: Option<String>,
        (least, most, default): (T, T, T),
    ) -> T {
        let Some(text) = given else {
            return default;
        };
        let number = text
            .parse()
            .ok()
            .filter(|number| (&least..=&most).contains(&number));
        number.unwrap_or_else(|| {
            self.problem(
                option,
                format!("{text:?} is no number from {least} to {most}"),
            );
            default
        })
    }

    fn seconds(&mut self, option: &str, given: Option<String>, of: (u64, u64, u64)) -> Duration {
        Duration::from_secs(self.number(option, given, of))
    }

    fn url(&mut self, option: &str, given: Option<String>) -> Option<String> {
        let text = given?;
        match text.parse::<Endpoint>() {
            Ok(url) => Some(url.as_str().trim_end_matches('/').to_owned()),
            Err(error) => {
                self.problem(option, error);
                None
            }
        }
    }

    fn seconds_or_never(
        &mut self,
        (option, usual): (&str, u64),
        given: Option<String>,
    ) -> Option<Duration> {
        let seconds = self.number(option, given, (0, 86_400, usual));
        (seconds > 0).then(|| Duration::from_secs(seconds))
    }

    fn mock_process(
        &mut self,
        url: Option<String>,
        webhook_secret: Option<Secret>,
    ) -> Option<MockProcess> {
        let secret = webhook_secret.filter(|secret| !secret.reveal().is_empty());
        let url = self.mock_url(url)?;
        Some(MockProcess {
            url,
            webhook_secret: secret,
        })
    }

    fn mock_url(&mut self, given: Option<String>) -> Option<String> {
        let url = given?;
        match MockEngine::remote(RemoteOptions::new(&*url)) {
            Ok(_) => Some(url),
            Err(error) => {
                self.problem("--mock-url", error);
                None
            }
        }
    }

    fn instant(&mut self, option: &str, given: Option<String>) -> Option<Timestamp> {
        let text = given?;
        let read = text.parse::<Timestamp>();
        read.map_err(|error| self.problem(option, format!("{text:?}: {error}")))
            .ok()
    }
}

/// What the option names; what the variable does, where that is nothing.
fn named_first(option: Vec<PathBuf>, variable: Vec<PathBuf>) -> Vec<PathBuf> {
    if option.is_empty() { variable } else { option }
}

/// Whether this is what Stripe is called.
pub(crate) fn is_stripe(engine: &Slug) -> bool {
    engine.as_str() == "stripe"
}

fn list(problems: &[FieldError]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn what_is_not_said_has_a_default() {
        let settings = Settings::default();
        assert_eq!(settings.gateway_address.to_string(), GATEWAY);
        assert_eq!(settings.engine.as_str(), "mock");
        assert!(!settings.private_upstreams);
    }

    #[test]
    fn files_of_plans_stand_with_commas_between_in_their_variable_only() {
        let of = |plans: &[&str], listed: &[&str]| {
            let paths = |texts: &[&str]| texts.iter().map(PathBuf::from).collect();
            let args = ServeArgs {
                plans: paths(plans),
                plans_of_variable: paths(listed),
                ..ServeArgs::default()
            };
            Settings::new(args).unwrap().plans
        };
        let command = ["reference-server", "--plans", "a,b.toml"];
        let given = crate::cli::Cli::try_parse_from(command).unwrap().serve;
        assert_eq!(given.plans, [PathBuf::from("a,b.toml")]);
        let listed = ["reference-server", "--plans-of-variable", "a.toml,b.toml"];
        let listed = crate::cli::Cli::try_parse_from(listed).unwrap().serve;
        assert_eq!(listed.plans_of_variable.len(), 2);
        assert_eq!(of(&["one"], &["two"]), [PathBuf::from("one")]);
        assert_eq!(of(&[], &["two"]), [PathBuf::from("two")]);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let text = |text: &str| Some(text.to_owned());
        let args = ServeArgs {
            gateway_address: text("localhost"),
            payment_days: text("366"),
            limit_headers: text("Kong"),
            engine: text("none"),
            manual_clock: text("2026-01-01T00:00:00Z"),
            public_url: text("ftp://x"),
            without_store_seconds: text("60"),
            ..ServeArgs::default()
        };
        let error = Settings::new(args).unwrap_err();
        let options: Vec<&str> = error.problems.iter().map(FieldError::field).collect();
        let expected = [
            "--gateway-address",
            "--payment-days",
            "--limit-headers",
            "--public-url",
            "--without-store-seconds",
            "--manual-clock",
        ];
        assert_eq!(options, expected);
        assert!(
            error
                .to_string()
                .contains("\"Kong\" is none of kong, ietf, both, none")
        );
    }

    #[test]
    fn stripe_that_was_not_built_in_is_refused_with_how_to_build_it_j1() {
        for (engine, has_stripe, problems) in [
            ("stripe", false, 1),
            ("stripe", true, 0),
            ("paypal", false, 0),
        ] {
            let mut check = Check::default();
            check.built_in(&engine.parse().unwrap(), has_stripe);
            assert_eq!(check.problems.len(), problems, "{engine}");
            let how = |it: &FieldError| it.problem().contains("--features stripe");
            assert!(check.problems.iter().all(how), "{engine}");
        }
    }

    #[test]
    fn a_mock_process_comes_with_its_secret_and_without_a_clock_to_move() {
        let text = |text: &str| Some(text.to_owned());
        let args = ServeArgs {
            mock_url: text("http://127.0.0.1:8082"),
            ..ServeArgs::default()
        };
        let error = Settings::new(args.clone()).unwrap_err();
        assert_eq!(error.problems[0].field(), "--mock-webhook-secret");
        let args = ServeArgs {
            mock_webhook_secret: Some(Secret::new("whsec_c2VjcmV0")),
            ..args
        };
        let process = Settings::new(args.clone()).unwrap().mock_process.unwrap();
        assert_eq!(process.url, "http://127.0.0.1:8082");
        let args = ServeArgs {
            mock_url: text("https://127.0.0.1"),
            publish_every_seconds: text("86401"),
            ..args
        };
        let error = Settings::new(args.clone()).unwrap_err();
        let options: Vec<&str> = error.problems.iter().map(FieldError::field).collect();
        assert_eq!(options, ["--mock-url", "--publish-every-seconds"]);
        let args = ServeArgs {
            mock_url: text("http://127.0.0.1:8082"),
            publish_every_seconds: text("5"),
            manual_clock: text("2026-01-01T00:00:00Z"),
            ..args
        };
        let error = Settings::new(args).unwrap_err();
        let options: Vec<&str> = error.problems.iter().map(FieldError::field).collect();
        assert_eq!(options, ["--manual-clock"]);
    }
}
