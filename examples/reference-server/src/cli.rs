//! The command line. What is given here is text; [`Settings`](crate::settings::Settings) makes
//! sense of it, so that everything that is wrong is said at once.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use monetization_core::secret::Secret;

use crate::access_log::ConsumerBy;

pub use copy::CopyArgs;
pub use database::DatabaseArgs;
pub use estimating::EstimateArgs;
pub use provider::ProviderArgs;
pub use shared_rates::SharedRatesArgs;
#[cfg(feature = "stripe")]
pub use stripe::{SetupWebhookArgs, StripeArgs, StripeCommand};

mod copy;
mod database;
mod estimating;
mod provider;
mod shared_rates;
#[cfg(feature = "stripe")]
mod stripe;

/// An API gateway that earns money: keys, plans, limits, exact metering and invoices.
///
/// Without a command it serves: a gateway for calls (`/{product}/...`) and a control plane
/// (`/api/v1/...`) on two addresses, with its state in one directory. The first start prints the
/// tokens of the control plane, once.
#[derive(Debug, Parser)]
#[command(
    name = "reference-server",
    version,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// What to do; to serve where nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to serve, where no command is given.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[expect(clippy::exhaustive_enums, reason = "the binary knows every command")]
pub enum Command {
    /// Serve until SIGTERM or SIGINT (the default).
    Serve(Box<ServeArgs>),
    /// Run a whole month on a manual clock in seconds, over real sockets, and tell the story.
    ///
    /// An owner sells an API on three plans, developers call it, quotas run out, usage is
    /// published, the month is closed, invoices are paid. With --traffic, a real access log is
    /// called through the gateway instead, line by line. Everything is kept in a directory that
    /// is removed at the end; nothing outside of this machine is contacted. The exit code is 1
    /// where a figure does not agree.
    Demo(DemoArgs),
    /// Check that everything which is kept agrees with itself: calls and sums, quotas, invoices,
    /// what was published.
    ///
    /// Each invariant is one query, and all of them see one state of the database. Nothing is
    /// written, and a server may be serving meanwhile. For each it says how many rows were looked at,
    /// and names up to ten that break it. The exit code is 1 where any is broken.
    Check(CheckArgs),
    /// Look at everything that a server with these options needs, and say how to mend what is not
    /// as it should be.
    ///
    /// Settings, data directory and its disk, pepper, database, clock, engine, addresses, messages
    /// of the engine, and what waits for an operator. Nothing is changed, and a server may be running
    /// meanwhile: then it is asked as well. The exit code is 1 where there is a problem.
    Doctor(Box<DoctorArgs>),
    /// Say what use would cost under a plan of a file, and why, line by line.
    ///
    /// Tiers, included units, commitments and rounding are named with their numbers. With --compare,
    /// two plans stand side by side over a range of use, and the quantity is found at which they break
    /// even. Nothing is kept and no server is needed: amounts are those that an invoice would have.
    Estimate(EstimateArgs),
    /// Print the JSON schema of plan files, for editors.
    ///
    /// Written beside a plan file, and named in its first line as `#:schema ./plans.schema.json`, it lets
    /// editors complete fields and show what is wrong.
    Schema,
    /// Publish every tenant's use from a process of its own, beside the server or without it.
    ///
    /// Several may work on one database: a tenant's use is published by one of them at a time,
    /// and each batch counts once. Each run prints one line. SIGTERM and SIGINT end it after the
    /// batches in hand. The exit code is 1 where a tenant's last run has failed: it met an error, a
    /// batch was not confirmed, or use was held back.
    Publish(PublishArgs),
    /// Compare what was reported of use with what the provider has counted, once, as the server does on schedule.
    ///
    /// The last 35 days, whole billing periods. Batches of which nobody knew whether they had arrived are
    /// decided about where the count tells. It may run at any time, beside servers and publishers. The exit code
    /// is 1 where the provider has counted something else, or use cannot be compared.
    Reconcile(ReconcileArgs),
    /// Move a database from SQLite to PostgreSQL, with all that is in it.
    ///
    /// The server is stopped meanwhile, and nobody can open either database before all of it is there. It may
    /// be broken off and started again at any time. In the end rows and sums of each table are compared.
    Copy(CopyArgs),
    /// Tell what an access log would have cost its clients, and earned, under a plan.
    ///
    /// Each client becomes a consumer with a subscription and a key; every line is a call at its time
    /// through the real limits and the real metering; then the periods are closed. It says who would
    /// have been refused and why, what each would pay, and what is earned. Lines that are no call
    /// are left out, counted and named. Nothing is kept and nothing outside of this process is contacted.
    /// The exit code is 1 where there is no call, a log breaks off, or most lines are left out or come
    /// too late for their own time.
    Replay(Box<ReplayArgs>),
    /// Prepare an account at Stripe.
    #[cfg(feature = "stripe")]
    #[command(subcommand)]
    Stripe(StripeCommand),
}

/// What is replayed.
#[derive(Debug, Clone, Args)]
pub struct ReplayArgs {
    /// Access logs of Apache and nginx (common, combined) or JSON lines of Apache, nginx, Caddy or
    /// Traefik, in any order; - for the standard input. What is compressed by gzip is recognised.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The plan that everybody is on: a plan file in TOML, with #NAME behind it where it has
    /// several plans.
    #[arg(long, value_name = "FILE[#NAME]")]
    pub plan: String,
    /// Another plan to compare it with.
    #[arg(long, value_name = "FILE[#NAME]")]
    pub compare: Option<String>,
    /// What tells one consumer from another: address, user or header:NAME.
    #[arg(long, value_name = "WHAT", default_value_t)]
    pub consumer_by: ConsumerBy,
    /// Print JSON, with all consumers.
    #[arg(long)]
    pub json: bool,
    /// Write a report with charts, a page that needs nothing else.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write what becomes of each line under --plan, as lines of JSON.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// How many consumers are shown; JSON has all of them.
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 10,
        conflicts_with = "json"
    )]
    pub top: usize,
}

/// How use is published.
#[derive(Debug, Clone, Default, Args)]
pub struct PublishArgs {
    /// What is published from, and to whom.
    #[command(flatten)]
    pub of: ProviderArgs,
    /// Publish again and again, so many seconds after the last run has ended, 1 to 86400; once if
    /// nothing is said.
    #[arg(long, value_name = "SECONDS")]
    pub every_seconds: Option<String>,
    /// For how many seconds a run that nobody hears of keeps others from taking over, 1 to 3600
    /// [default: 60].
    #[arg(long, value_name = "SECONDS")]
    pub lease_seconds: Option<String>,
    /// The database was put back from a back-up: before anything else is sent, ask the provider what it
    /// has. Once, with no server and no other publisher at work.
    #[arg(long, conflicts_with = "every_seconds")]
    pub after_restore: bool,
}

/// What is compared.
#[derive(Debug, Clone, Default, Args)]
pub struct ReconcileArgs {
    /// What is compared, and with whom.
    #[command(flatten)]
    pub of: ProviderArgs,
}

/// What is checked.
#[derive(Debug, Clone, Default, Args)]
pub struct CheckArgs {
    /// Where the state is kept [default: ./monetization-data].
    #[arg(
        long,
        value_name = "DIRECTORY",
        env = "MONETIZATION_SERVER_DATA_DIRECTORY"
    )]
    pub data_directory: Option<PathBuf>,
    /// Where everything else is kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What is looked at: the options are those of the server.
#[derive(Debug, Clone, Default, Args)]
pub struct DoctorArgs {
    /// The options of the server.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// How to serve. Every option may also be given by its environment variable.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Where the gateway listens [default: 127.0.0.1:8080].
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MONETIZATION_SERVER_GATEWAY_ADDRESS"
    )]
    pub gateway_address: Option<String>,
    /// Where the control plane listens [default: 127.0.0.1:8081].
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MONETIZATION_SERVER_CONTROL_ADDRESS"
    )]
    pub control_address: Option<String>,
    /// Where the state is kept [default: ./monetization-data].
    #[arg(
        long,
        value_name = "DIRECTORY",
        env = "MONETIZATION_SERVER_DATA_DIRECTORY"
    )]
    pub data_directory: Option<PathBuf>,
    /// Where everything else is kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// The file with the pepper, which all servers of one database share [default: pepper in the data directory,
    /// made on the first start].
    #[arg(long, value_name = "FILE", env = "MONETIZATION_SERVER_PEPPER_FILE")]
    pub pepper_file: Option<PathBuf>,
    /// The billing engine: mock, stripe where it was built in, or none to meter and limit only
    /// [default: mock].
    #[arg(long, value_name = "NAME", env = "MONETIZATION_SERVER_ENGINE")]
    pub engine: Option<String>,
    /// Who makes the invoices: `by_core` or `by_engine` [default: `by_core`]. For the first start.
    #[arg(long, value_name = "MODE", env = "MONETIZATION_SERVER_INVOICING")]
    pub invoicing: Option<String>,
    /// Days to pay an invoice that core made, 0 to 365 [default: 14]. For the first start.
    #[arg(long, value_name = "DAYS", env = "MONETIZATION_SERVER_PAYMENT_DAYS")]
    pub payment_days: Option<String>,
    /// Days after that in which calls still pass, 0 to 365 [default: 0]. For the first start; a plan or a
    /// consumer may say another number.
    #[arg(long, value_name = "DAYS", env = "MONETIZATION_SERVER_GRACE_DAYS")]
    pub grace_days: Option<String>,
    /// How limits are told to clients: kong, ietf, both or none [default: kong].
    #[arg(long, value_name = "STYLE", env = "MONETIZATION_SERVER_LIMIT_HEADERS")]
    pub limit_headers: Option<String>,
    /// Whether answers end once their record is durable, or at once: durable or background
    /// [default: durable]. Calls under a strict quota are always durable.
    #[arg(long, value_name = "MODE", env = "MONETIZATION_SERVER_COMMIT")]
    pub commit: Option<String>,
    /// Seconds for which calls are let in while the database is away, up to 86400, 0 for none
    /// [default: 0]. Needs --commit background; calls under a strict quota are refused all the same.
    #[arg(
        long,
        value_name = "SECONDS",
        env = "MONETIZATION_SERVER_WITHOUT_STORE_SECONDS"
    )]
    pub without_store_seconds: Option<String>,
    /// How much a commit of SQLite waits for: full (the disk) or normal (the operating
    /// system) [default: full].
    #[arg(long, value_name = "MODE", env = "MONETIZATION_SERVER_SYNCHRONOUS")]
    pub synchronous: Option<String>,
    /// Whether upstreams may be on this machine or in a private network: true or false
    /// [default: false].
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true",
        env = "MONETIZATION_SERVER_ALLOW_PRIVATE_UPSTREAMS"
    )]
    pub allow_private_upstreams: Option<String>,
    /// Seconds a client has to send the head of a request, 1 to 60 [default: 10].
    #[arg(
        long,
        value_name = "SECONDS",
        env = "MONETIZATION_SERVER_HEAD_TIMEOUT_SECONDS"
    )]
    pub head_timeout_seconds: Option<String>,
    /// Seconds for which a client may pause within the body of a request, or leave an answer unread, 1
    /// to 600 [default: 30].
    #[arg(
        long,
        value_name = "SECONDS",
        env = "MONETIZATION_SERVER_STALL_TIMEOUT_SECONDS"
    )]
    pub stall_timeout_seconds: Option<String>,
    /// Seconds an upstream has to begin its answer, 1 to 3600 [default: 30].
    #[arg(
        long,
        value_name = "SECONDS",
        env = "MONETIZATION_SERVER_UPSTREAM_TIMEOUT_SECONDS"
    )]
    pub upstream_timeout_seconds: Option<String>,
    /// Seconds for which it goes on serving, and says that it is not ready, before it stops, 0 to
    /// 300 [default: 1]. A second signal ends the wait.
    #[arg(
        long,
        value_name = "SECONDS",
        env = "MONETIZATION_SERVER_SHUTDOWN_DELAY_SECONDS"
    )]
    pub shutdown_delay_seconds: Option<String>,
    /// Bytes the body of a call may have, up to 1 GiB [default: 16777216].
    #[arg(
        long,
        value_name = "BYTES",
        env = "MONETIZATION_SERVER_REQUEST_BYTES_MAX"
    )]
    pub request_bytes_max: Option<String>,
    /// Where consumers reach the control plane, for payment links [default: its address].
    #[arg(long, value_name = "URL", env = "MONETIZATION_SERVER_PUBLIC_URL")]
    pub public_url: Option<String>,
    /// Let business time stand still from this instant on, such as 2026-01-01T00:00:00Z, until
    /// `POST /mock/clock` moves it. For trying out whole months; needs the mock engine, or a fake of
    /// Stripe on this machine.
    #[arg(long, value_name = "INSTANT", env = "MONETIZATION_SERVER_MANUAL_CLOCK")]
    pub manual_clock: Option<String>,
    /// Use the mock provider that is a process of its own and listens there, such as
    /// `http://127.0.0.1:8082`, instead of one in this process.
    #[arg(long, value_name = "URL", env = "MONETIZATION_SERVER_MOCK_URL")]
    pub mock_url: Option<String>,
    /// What that process signs its messages with; better by its variable.
    #[arg(
        long,
        value_name = "SECRET",
        env = "MONETIZATION_SERVER_MOCK_WEBHOOK_SECRET",
        hide_env_values = true,
        value_parser = secret
    )]
    pub mock_webhook_secret: Option<Secret>,
    /// What Stripe, or the provider at --mock-url, is signed in to with, and what its messages are signed
    /// with, as a file of JSON: {"credentials": "...", "webhook_secrets": ["..."]}. It is read again on
    /// SIGHUP and when the owner asks for it.
    #[arg(
        long,
        value_name = "FILE",
        env = "MONETIZATION_SERVER_ENGINE_SECRETS_FILE"
    )]
    pub engine_secrets_file: Option<PathBuf>,
    /// How Stripe is reached.
    #[cfg(feature = "stripe")]
    #[command(flatten)]
    pub stripe: StripeArgs,
    /// What the platform keeps of what connected accounts invoice through Stripe, in per cent with at
    /// most two decimals [default: nothing].
    #[cfg(feature = "stripe")]
    #[arg(
        long,
        value_name = "PERCENT",
        env = "MONETIZATION_SERVER_STRIPE_FEE_PERCENT"
    )]
    pub stripe_fee_percent: Option<String>,
    /// Where rates are counted that several servers share.
    #[command(flatten)]
    pub shared_rates: SharedRatesArgs,
    /// Wait until no other server has the database open, and then take over: true or false
    /// [default: false].
    #[arg(
        long,
        value_name = "BOOL",
        num_args = 0..=1,
        default_missing_value = "true",
        env = "MONETIZATION_SERVER_STANDBY"
    )]
    pub standby: Option<String>,
    /// For how many seconds a server that nobody hears of keeps its blocks of strict quotas, 5 to 3600: after that
    /// the others have them. With PostgreSQL only [default: 30].
    #[arg(
        long,
        value_name = "SECONDS",
        env = "MONETIZATION_SERVER_LEASE_SECONDS"
    )]
    pub lease_seconds: Option<String>,
    /// What is sold, as a file: its product and plans are made where they are not there yet, and terms
    /// that differ become a plan's next version. As often as there are files; in MONETIZATION_SERVER_PLANS with
    /// commas between.
    #[arg(long, value_name = "FILE")]
    pub plans: Vec<PathBuf>,
    /// Those of the variable: only there files stand with commas between.
    #[arg(
        long,
        hide = true,
        env = "MONETIZATION_SERVER_PLANS",
        value_delimiter = ','
    )]
    pub plans_of_variable: Vec<PathBuf>,
    /// Publish use whenever the last run began so many seconds ago, up to 86400, 0 for only when
    /// asked to [default: 0].
    #[arg(
        long,
        value_name = "SECONDS",
        env = "MONETIZATION_SERVER_PUBLISH_EVERY_SECONDS"
    )]
    pub publish_every_seconds: Option<String>,
    /// Ask the engine every so many seconds for messages that did not arrive, up to 86400, 0 for
    /// never [default: 300].
    #[arg(
        long,
        value_name = "SECONDS",
        env = "MONETIZATION_SERVER_NEWS_EVERY_SECONDS"
    )]
    pub news_every_seconds: Option<String>,
    /// Compare every so many seconds what was reported of use with what the engine has counted, up to
    /// 86400, 0 for never [default: 86400].
    #[arg(
        long,
        value_name = "SECONDS",
        env = "MONETIZATION_SERVER_RECONCILE_EVERY_SECONDS"
    )]
    pub reconcile_every_seconds: Option<String>,
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "clap wants a parser that may fail"
)]
pub(crate) fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// The environment variables of [`ServeArgs`] begin so; others that do are mistakes.
pub const ENVIRONMENT_PREFIX: &str = "MONETIZATION_SERVER_";

/// What the demo plays.
#[derive(Debug, Clone, Default, Args)]
pub struct DemoArgs {
    /// Call the lines of this access log (Apache or nginx, common or combined format; - for
    /// the standard input) instead of the month's story.
    #[arg(long, value_name = "FILE")]
    pub traffic: Option<PathBuf>,
    /// With --traffic: show every consumer instead of the ten with the most calls.
    #[arg(long, requires = "traffic")]
    pub all: bool,
    /// With --traffic: calls a consumer may make in each calendar minute.
    #[arg(
        long,
        value_name = "CALLS",
        requires = "traffic",
        default_value_t = 100_000
    )]
    pub rate: u64,
    /// With --traffic: calls of each month that cost nothing.
    #[arg(long, value_name = "CALLS", requires = "traffic", default_value_t = 20)]
    pub included: u32,
    /// With --traffic: the price of every further call, in dollars.
    #[arg(
        long,
        value_name = "PRICE",
        requires = "traffic",
        default_value = "0.005"
    )]
    pub price: String,
}
