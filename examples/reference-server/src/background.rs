//! What is done from time to time: jobs, publishing, and the delivery of the mock engine's messages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use monetization_core::flows::OperationsReport;
use monetization_core::store::StoreErrorKind;
use monetization_engine_mock::webhooks::Delivery;
use tokio::sync::{Notify, oneshot};

use crate::app::App;
use crate::metrics::yes_or_no;
use crate::report;

/// Rounds of background work, one at a time.
#[derive(Debug)]
pub(crate) struct Rounds {
    one_at_a_time: tokio::sync::Mutex<()>,
    wake: Notify,
    /// Where the mock's messages are posted.
    webhooks: Uri,
    client: Client<HttpConnector, Full<Bytes>>,
    /// What was said last, so that a trouble that stays is told once.
    trouble: Mutex<Option<String>>,
    /// What operations at the engine wait for, until one is carried out again.
    waiting: Mutex<Option<String>>,
}

/// How often a round is made without anybody asking for it.
const EVERY: Duration = Duration::from_secs(1);
/// How long an answer waits for what it has asked for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the delivery of a message may take.
const DELIVERY_WITHIN: Duration = Duration::from_secs(10);

impl Rounds {
    /// Rounds that post the mock's messages there.
    pub(crate) fn new(webhooks: Uri) -> Self {
        Self {
            one_at_a_time: tokio::sync::Mutex::default(),
            wake: Notify::new(),
            webhooks,
            client: Client::builder(TokioExecutor::new()).build_http(),
            trouble: Mutex::default(),
            waiting: Mutex::default(),
        }
    }

    /// Asks for a round soon.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    fn tell(&self, trouble: Option<String>) {
        let mut known = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(trouble) = &trouble
            && known.as_ref() != Some(trouble)
        {
            report::line(format_args!("{trouble}"));
        }
        *known = trouble;
    }

    /// Takes note of what became of operations at the engine.
    fn learn(&self, operations: &OperationsReport) {
        let mut waiting = self.waiting();
        if let Some((id, why)) = operations.waiting.first() {
            *waiting = Some(format!(
                "operations at the engine wait, such as {id}: {why}"
            ));
        } else if operations.done > 0 {
            *waiting = None;
        }
        let parked = operations.parked;
        if parked > 0 {
            report::line(format_args!(
                "{parked} operations at the engine were given up: GET /api/v1/operations says why"
            ));
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Option<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Makes rounds until it is told to stop; a round that has begun comes to its end.
    pub(crate) async fn run_rounds(&self, stop: &Notify) {
        loop {
            self.round().await;
            tokio::select! {
                () = stop.notified() => return,
                () = self.rounds.wake.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Makes a round: what is due is done, and the mock's messages are delivered, until nothing
    /// is left to do now.
    pub(crate) async fn round(&self) {
        let rounds = &self.rounds;
        let _one_at_a_time = rounds.one_at_a_time.lock().await;
        let mut trouble = self.follow_time();
        loop {
            trouble = trouble.or(self.do_jobs().await);
            let delivered = self.deliver().await;
            match delivered {
                Ok(0) => break,
                Ok(_) => {}
                Err(said) => {
                    trouble = Some(said);
                    break;
                }
            }
        }
        trouble = trouble.or(self.publish_on_schedule().await);
        self.ask_on_schedule();
        trouble = trouble.or(self.catch_up_gates().await);
        trouble = self.records_trouble().or(trouble);
        trouble = trouble.or_else(|| self.clock_watch.trouble(self.now()));
        let work = &self.metrics.work;
        work.trouble.set(yes_or_no(trouble.is_some()));
        work.operations_waiting
            .set(yes_or_no(rounds.waiting().is_some()));
        trouble = trouble.or(self.count_what_waits().await);
        rounds.tell(trouble);
        let unread = self.gatekeeper.committer().answers_unread();
        if let Some(news) = self.answer_watch.news(unread, self.now()) {
            report::line(format_args!("{news}"));
        }
    }

    /// Lets the gates know of what jobs have written.
    async fn catch_up_gates(&self) -> Option<String> {
        let known = self.gatekeeper.refresh().await;
        let error = known.err()?;
        Some(format!(
            "failed to tell the gates of changes: {}",
            report::chain(&error)
        ))
    }

    /// Carries out at the engine what has just been asked for, and waits a moment for it: a
    /// payment link should be in the answer. It goes on whoever waits.
    pub(crate) async fn carry_out_soon(self: &Arc<Self>) {
        let app = Arc::clone(self);
        let (under_way, done) = oneshot::channel::<()>();
        self.errands.spawn(async move {
            let _under_way = under_way;
            // A round that is under way may hold the very operation that is waited for.
            let _one_at_a_time = app.rounds.one_at_a_time.lock().await;
            match app.monetizer.carry_out_operations().await {
                Ok(operations) => app.rounds.learn(&operations),
                Err(error) => report::failure("carry out operations", &error),
            }
        });
        if tokio::time::timeout(PATIENCE, done).await.is_err() {
            self.rounds.wake();
        }
    }

    /// The mock provider lives by our business time.
    fn follow_time(&self) -> Option<String> {
        let mock = self.mock.as_ref()?;
        let set = mock.set(self.now());
        set.err().map(|error| report::chain(&error))
    }

    fn records_trouble(&self) -> Option<String> {
        let committer = self.gatekeeper.committer();
        let because = committer.failing_because()?;
        Some(unwritten(because, committer.is_full()))
    }

    async fn do_jobs(&self) -> Option<String> {
        let done = match self.monetizer.run_jobs().await {
            Ok(done) => done,
            Err(error) => return Some(format!("failed to run jobs: {}", report::chain(&error))),
        };
        self.rounds.learn(&done.operations);
        let parked = done.closed.parked.first();
        parked
            .map(|(id, why)| format!("{id} cannot be closed, an operator has to look: {why}"))
            .or_else(|| self.rounds.waiting().clone())
    }

    /// Posts the mock's messages; answers how many have arrived.
    async fn deliver(&self) -> Result<usize, String> {
        let Some(mock) = &self.mock else {
            return Ok(0);
        };
        let mut arrived = Vec::new();
        let mut trouble = None;
        for delivery in mock.deliveries() {
            let id = delivery.id.clone();
            match self.rounds.post(delivery).await {
                Ok(()) => arrived.push(id),
                // The others may arrive all the same; this one is posted again.
                Err(said) => trouble = Some(said),
            }
        }
        mock.delivered(&arrived)
            .map_err(|error| report::chain(&error))?;
        match trouble {
            Some(said) if arrived.is_empty() => Err(said),
            _ => Ok(arrived.len()),
        }
    }
}

/// What keeps records from being written, in the same words for as long as it does.
fn unwritten(because: StoreErrorKind, is_queue_full: bool) -> String {
    let mend = match because {
        StoreErrorKind::Full => "the database's disk is full: make room on it",
        _ => "the database does not take them: see that it is there and can be written to",
    };
    let calls = if is_queue_full {
        "as many wait as there is room for, and further calls are refused"
    } else {
        "they wait, and are lost only if this process dies before"
    };
    format!("records of calls cannot be written, {mend}; {calls}; it goes on by itself")
}

impl Rounds {
    async fn post(&self, delivery: Delivery) -> Result<(), String> {
        let mut request = Request::new(Full::new(Bytes::from(delivery.body)));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.webhooks.clone();
        *request.headers_mut() = delivery.headers;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        request.headers_mut().remove(HOST);
        let answer = tokio::time::timeout(DELIVERY_WITHIN, self.client.request(request)).await;
        match answer {
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(format!(
                "message {} of the mock engine was answered {}",
                delivery.id,
                answer.status()
            )),
            Ok(Err(error)) => Err(report::chain(&error)),
            Err(_) => Err(format!("message {} found no answer", delivery.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use monetization_core::ids::{IntentId, TypedId};

    use super::*;

    /// The next try may be an hour away: what it waits for is no news each time, and not forgotten between.
    #[tokio::test]
    async fn what_operations_wait_for_is_trouble_until_one_is_carried_out() {
        let rounds = Rounds::new(Uri::from_static("http://127.0.0.1:1/"));
        let id = IntentId::derived(&[b"i"]);
        rounds.learn(&OperationsReport {
            postponed: 1,
            waiting: vec![(id, "the credentials".to_owned())],
            ..OperationsReport::default()
        });
        rounds.learn(&OperationsReport::default());
        let said = rounds.waiting().clone().unwrap();
        assert!(said.contains("the credentials"), "{said}");
        rounds.learn(&OperationsReport {
            done: 1,
            ..OperationsReport::default()
        });
        assert_eq!(*rounds.waiting(), None);
    }

    #[test]
    fn what_is_said_of_unwritten_records_tells_what_to_do() {
        let full_disk = unwritten(StoreErrorKind::Full, false);
        assert!(full_disk.contains("make room on it"), "{full_disk}");
        assert!(full_disk.contains("they wait"), "{full_disk}");
        let full_queue = unwritten(StoreErrorKind::Unavailable, true);
        assert!(full_queue.contains("can be written to"), "{full_queue}");
        assert!(
            full_queue.contains("further calls are refused"),
            "{full_queue}"
        );
    }
}
