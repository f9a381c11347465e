//! The command `demo`: a whole month in seconds, or a real access log, over real sockets.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use http::StatusCode;
use monetization_core::clock::{Clock, Timestamp};
use monetization_core::entropy::Entropy;
use monetization_core::flows::FlowError;
use monetization_core::store::StoreError;
use monetization_engine_mock::JournalPlace;
use monetization_engine_mock::provider::Rules;
use monetization_store_sqlite::{Inspection, SqliteOptions, SqliteStore, Synchronous};
use tempfile::TempDir;

use crate::access_log::AccessLog;
use crate::cli::DemoArgs;
use crate::data_directory::{DataDirectory, DirectoryError};
use crate::first_start::FirstStart;
use crate::server::{Ingredients, Server, StartError};
use crate::settings::Settings;
use client::{Api, Http};
pub use story::Story;
use upstream::Upstream;

mod client;
mod month;
mod story;
mod traffic;
mod upstream;

/// Why a demo could not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// The log cannot be read.
    #[error("failed to read {path}")]
    Log {
        /// Which file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Nothing in the log can be called.
    #[error("the log has no line that is a call")]
    EmptyLog,
    /// An option makes no sense.
    #[error("{option} is not valid: {problem}")]
    Option {
        /// Which option.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The story cannot be told, or the machine does not do what is asked of it.
    #[error("failed to talk to the operating system")]
    System(#[from] io::Error),
    /// The directory of the demo cannot be used.
    #[error("failed to open the data directory")]
    Directory(#[from] DirectoryError),
    /// The database of the demo cannot be used.
    #[error("failed to open the database")]
    Store(#[from] StoreError),
    /// The server cannot start.
    #[error("failed to start the server")]
    Start(#[from] StartError),
    /// What the API does not offer could not be done either.
    #[error("failed to prepare the marketplace")]
    Flow(#[from] FlowError),
    /// A request cannot be written.
    #[error("failed to write a request")]
    Request(#[from] http::Error),
    /// A request came to nothing.
    #[error("failed to send a request")]
    Client(#[from] hyper_util::client::legacy::Error),
    /// An answer broke off.
    #[error("an answer broke off")]
    Answer(#[from] hyper::Error),
    /// An answer is not what it should be.
    #[error("an answer makes no sense")]
    Json(#[from] serde_json::Error),
    /// An answer has another status than it should have.
    #[error("{request} was answered {status}: {body}")]
    Unexpected {
        /// What was asked for.
        request: String,
        /// The status.
        status: StatusCode,
        /// What was said.
        body: String,
    },
    /// A part of an answer is missing.
    #[error("an answer lacks {part}")]
    Missing {
        /// Which part.
        part: String,
    },
    /// The mock engine does not do what is asked of it.
    #[error("the mock engine failed")]
    Mock(#[from] monetization_engine_mock::ControlError),
}

/// Plays a demo and tells its story. Whether every check was passed is for the
/// [`Story`] to say.
///
/// # Errors
/// [`DemoError`].
pub async fn run(args: &DemoArgs, story: &mut Story) -> Result<(), DemoError> {
    match &args.traffic {
        None => month::play(story).await,
        Some(path) => {
            let log = read_log(path)?;
            traffic::play(args, &log, story).await
        }
    }
}

/// A server, an upstream and somebody to call them.
struct World {
    server: Server,
    upstream: Upstream,
    first: FirstStart,
    http: Http,
    /// The control plane, as the platform's owner.
    owner: Api,
    /// Removed when it is dropped, after the server.
    directory: TempDir,
}

/// What a demo's world is like.
struct WorldOptions {
    start: Timestamp,
    synchronous: Synchronous,
    rules: Rules,
}

impl World {
    async fn start(options: WorldOptions) -> Result<Self, DemoError> {
        let upstream = Upstream::start().await?;
        let folder = tempfile::tempdir()?;
        let directory = DataDirectory::open(folder.path())?;
        let entropy = Arc::new(Entropy::system());
        let pepper = directory.pepper(&entropy)?;
        let database =
            SqliteOptions::new(directory.database()).with_synchronous(options.synchronous);
        let (clock, manual) = Clock::manual_business(options.start);
        let ingredients = Ingredients {
            store: Arc::new(SqliteStore::open(&database).await?),
            clock,
            manual_clock: Some(manual),
            entropy,
            pepper,
            journal: JournalPlace::File(directory.journal()),
            newest_record: None,
            lease: None,
            set_aside: Some(directory.set_aside()),
            rules: options.rules,
        };
        let settings = Settings {
            gateway_address: ([127, 0, 0, 1], 0).into(),
            control_address: ([127, 0, 0, 1], 0).into(),
            private_upstreams: true,
            ..Settings::default()
        };
        let (server, first) = Server::start(&settings, ingredients).await?;
        let first = first.ok_or_else(|| missing("the tokens of the first start"))?;
        let http = Http::new();
        let control = format!("http://{}", server.control_address());
        let owner = Api::new(&http, &control, &first.owner_token);
        Ok(Self {
            server,
            upstream,
            first,
            http,
            owner,
            directory: folder,
        })
    }

    /// Where a path of a product is called.
    fn url(&self, product: &str, path: &str) -> String {
        format!("http://{}/{product}{path}", self.server.gateway_address())
    }

    /// Sets the business time, through the API, and lets everything that is due then happen.
    async fn travel(&self, to: Timestamp) -> Result<(), DemoError> {
        let to = serde_json::json!({ "to": to });
        self.owner.post("/mock/clock", &to).await.map(drop)
    }

    /// How many invariants do not hold in what the server keeps.
    async fn broken_invariants(&self) -> Result<usize, DemoError> {
        let path = DataDirectory::at(self.directory.path()).database();
        let findings = Inspection::open(path).await?.check().await?;
        Ok(findings.iter().filter(|finding| !finding.holds()).count())
    }

    async fn end(self) -> usize {
        let unrecorded = self.server.shutdown().await;
        self.upstream.stop().await;
        unrecorded
    }
}

fn read_log(path: &Path) -> Result<AccessLog, DemoError> {
    let read = if path.as_os_str() == "-" {
        AccessLog::read(io::stdin().lock())
    } else {
        File::open(path).and_then(|file| AccessLog::read(BufReader::new(file)))
    };
    read.map_err(|source| DemoError::Log {
        path: path.display().to_string(),
        source,
    })
}

fn missing(part: impl Into<String>) -> DemoError {
    DemoError::Missing { part: part.into() }
}

/// A text within a JSON answer.
fn text<'a>(of: &'a serde_json::Value, pointer: &str) -> Result<&'a str, DemoError> {
    let found = of.pointer(pointer).and_then(serde_json::Value::as_str);
    found.ok_or_else(|| missing(pointer))
}

/// Whether a story told to the standard output is told in colour.
#[must_use]
pub fn is_coloured() -> bool {
    io::stdout().is_terminal()
}
