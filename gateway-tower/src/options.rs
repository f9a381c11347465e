use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use monetization_core::text::Slug;

use crate::runtime::Runtime;

/// How a [`MonetizationLayer`](crate::MonetizationLayer) behaves. Every value is allowed.
///
/// ```
/// use monetization_gateway_tower::{HeaderStyle, LayerOptions, TokioRuntime};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let options = LayerOptions {
///     headers: HeaderStyle::Both,
///     private_cookies: vec!["__Host-session".to_owned()],
///     ..LayerOptions::new(TokioRuntime::current())
/// };
/// assert!(!options.trusts_forwarded);
/// # }
/// ```
#[derive(Clone)]
pub struct LayerOptions {
    /// What runs the rest of a call whose client has gone, and what waits.
    pub runtime: Arc<dyn Runtime>,
    /// Which product a call is for.
    pub mount: Mount,
    /// How limits are told to clients.
    pub headers: HeaderStyle,
    /// How a refusal by a limit looks; a client that accepts `application/problem+json` gets
    /// that in any case.
    pub limited: LimitedBody,
    /// When the end of an answer is sent.
    pub commit: CommitMode,
    /// How long the end of an answer waits for the ledger before the connection is aborted. It
    /// should be longer than the store takes to commit when it is busy, and shorter than clients
    /// wait for an answer.
    pub commit_wait_max: Duration,
    /// For how long the rest of an answer is read whose client has gone, where a meter reads fields
    /// of it: what the upstream has worked for is counted all the same. At most
    /// 64 MiB are read, and nothing more once the gatekeeper is shut down; then what was found by
    /// then counts. It should be longer than the upstream takes for an answer.
    pub rest_wait_max: Duration,
    /// Whether `Forwarded`, `X-Forwarded-*` and `X-Real-IP` come from a hop that can be believed.
    /// Otherwise they are taken off. Only a gateway that nobody can reach around that hop may
    /// believe them.
    pub trusts_forwarded: bool,
    /// Cookies that neither go to the upstream nor may be set by it: those of a control plane
    /// on the same host.
    pub private_cookies: Vec<String>,
    /// Whether `Server`, `Via` and `X-Powered-By` of the upstream's answers are taken off.
    pub hides_server: bool,
}

impl LayerOptions {
    /// The product is the first segment of the path, limits are told as Kong does, every answer
    /// ends when its record is durable and waits for that for at most 10 seconds, what is left of one
    /// is read for at most 10 minutes, nobody's forwarding headers are believed.
    pub fn new(runtime: impl Runtime) -> Self {
        Self {
            runtime: Arc::new(runtime),
            mount: Mount::FirstSegment,
            headers: HeaderStyle::default(),
            limited: LimitedBody::default(),
            commit: CommitMode::default(),
            commit_wait_max: Duration::from_secs(10),
            rest_wait_max: Duration::from_secs(600),
            trusts_forwarded: false,
            private_cookies: Vec::new(),
            hides_server: false,
        }
    }
}

impl fmt::Debug for LayerOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LayerOptions")
            .field("mount", &self.mount)
            .field("headers", &self.headers)
            .field("commit", &self.commit)
            .finish_non_exhaustive()
    }
}

/// Which product a call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Mount {
    /// The first segment of the path names it and is not forwarded: a gateway before upstreams.
    ///
    /// `/weather/today` is a call of `/today` of the product `weather`. What leads back to the
    /// upstream is taken out of its answers.
    FirstSegment,
    /// Always this one, and the path is left as it is: a layer inside the service it sells. A
    /// path that is not in its canonical form is refused, because routers may have matched it.
    Fixed(Slug),
}

/// How limits are told to clients, on every answer to a caller who is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum HeaderStyle {
    /// `X-RateLimit-Limit-Minute: 20` and `X-RateLimit-Remaining-Minute: 12` for each window,
    /// then `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (whole seconds) of
    /// the most constrained limit. A billing period is called `Period`; a burst has no window
    /// and is told only when it is the most constrained.
    #[default]
    Kong,
    /// `RateLimit-Policy` and `RateLimit` of the IETF draft, with every limit in both.
    Ietf,
    /// Both.
    Both,
    /// Neither; what the upstream says of limits of its own is passed on.
    None,
}

/// How a refusal by a limit looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum LimitedBody {
    /// `{"message":"API rate limit exceeded"}`, as `application/json`: what clients of Kong expect,
    /// whether a rate or a quota has refused.
    #[default]
    Message,
    /// A problem of RFC 9457 that tells rates from quotas and names the limits:
    ///
    /// ```json
    /// {
    ///   "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
    ///   "title": "Request cannot be satisfied as assigned quota has been exceeded",
    ///   "status": 429,
    ///   "detail": "a quota of the plan is used up",
    ///   "code": "quota_exceeded",
    ///   "violated-policies": ["month"]
    /// }
    /// ```
    Problem,
}

/// When the end of an answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum CommitMode {
    /// Once the call's record is durable: whoever received a whole answer is in the ledger, also
    /// after the power went out, if the store keeps what it says.
    ///
    /// It costs the time of one commit at the end of an answer, which callers at the same moment
    /// share. Nothing is held back before the end, so a stream stays a stream.
    #[default]
    Durable,
    /// At once; at a crash the records of the last moments are lost: those that wait to be written,
    /// at most as many as the committer's queue has places, and in practice those of the commit
    /// that is under way and the next.
    ///
    /// Calls that spend from a strict quota wait all the same, since a unit that was used and
    /// forgotten could be used again. Nothing is lost at an orderly shutdown.
    Background,
}
