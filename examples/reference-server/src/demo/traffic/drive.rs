use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::Full;
use monetization_core::clock::Timestamp;
use serde_json::Value;

use super::super::client::Answer;
use super::super::story::Story;
use super::super::upstream::{BYTES, MARK, STATUS};
use super::super::{DemoError, World};
use super::people::{Person, bar};
use super::{SLUG, person_of};
use crate::access_log::{AccessLog, LoggedCall};

/// What became of the calls of one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Calls that were made.
    pub(super) calls: u64,
    /// Answers with 2xx that were received to their end.
    pub(super) received: u64,
    /// Calls that the gateway refused, by its reason.
    pub(super) refused: BTreeMap<String, u64>,
    /// Calls that the gateway refused and the log answers 2xx.
    pub(super) refused_good: u64,
    /// Bytes of all answers.
    pub(super) bytes: u64,
    /// Units on the invoices.
    pub(super) billed: u64,
    /// What the invoices come to, in cents.
    pub(super) cents: i64,
    /// What they should come to, calculated apart from the server, in cents.
    pub(super) owed: i64,
    /// How the last invoice stands.
    pub(super) status: String,
}

/// Calls under way at once.
const AT_ONCE: usize = 64;
/// How often the jobs of the server run, in business time.
const ROUND_EVERY: Duration = Duration::from_secs(86_400);

/// Makes every call of the log; answers how many cannot be sent.
pub(super) async fn drive(
    world: &World,
    log: &AccessLog,
    people: &mut [Person],
    story: &mut Story,
) -> Result<u64, DemoError> {
    story.section("Every line is a call")?;
    let bar = bar(log.calls.len(), "calls");
    let mut unsendable = 0_u64;
    let mut round_at = world.server.monetizer().now().saturating_add(ROUND_EVERY);
    for step in steps(&log.calls) {
        let at = step.at.max(world.server.monetizer().now());
        while round_at <= at {
            world.travel(round_at).await?;
            round_at = round_at.saturating_add(ROUND_EVERY);
        }
        world.server.set_time(at);
        let mut requests = Vec::with_capacity(step.calls.len());
        for call in step.calls {
            match person_of(people, &call.address).and_then(|person| request(world, call, person)) {
                Some(request) => requests.push((call, request)),
                None => unsendable = unsendable.saturating_add(1),
            }
        }
        let sending = requests.into_iter().map(|(call, request)| async move {
            let answer = world.http.send(request).await?;
            Ok::<_, DemoError>((call, answer))
        });
        let answers: Vec<_> = futures::stream::iter(sending)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        for (call, answer) in answers {
            if let Some(person) = person_of(people, &call.address) {
                person.tally.count(call, &answer);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    tell(people, story)?;
    Ok(unsendable)
}

/// Calls of one instant.
struct Step<'a> {
    at: Timestamp,
    calls: &'a [LoggedCall],
}

/// The calls, cut where time goes on. Whoever lies behind belongs to the time that was reached.
fn steps(calls: &[LoggedCall]) -> impl Iterator<Item = Step<'_>> {
    let mut reached = Timestamp::MIN;
    let together = calls.chunk_by(move |before, after| {
        reached = reached.max(before.at);
        after.at <= reached
    });
    together.filter_map(|calls| {
        let at = calls.first()?.at;
        Some(Step { at, calls })
    })
}

/// The call of a line; `None` where its target is none that HTTP could carry.
fn request(world: &World, call: &LoggedCall, person: &Person) -> Option<Request<Full<Bytes>>> {
    // Proxies are asked for whole URLs: what counts is what follows the host.
    let target = match call.target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => call.target.as_str(),
    };
    if !target.starts_with('/') {
        return None;
    }
    let mut request = Request::new(Full::default());
    *request.method_mut() = call.method.clone();
    *request.uri_mut() = Uri::try_from(world.url(SLUG, target)).ok()?;
    let headers = request.headers_mut();
    headers.insert("x-api-key", person.key.clone());
    headers.insert(STATUS, HeaderValue::from(call.status));
    headers.insert(BYTES, HeaderValue::from(call.size));
    Some(request)
}

impl Tally {
    fn count(&mut self, call: &LoggedCall, answer: &Answer) {
        self.calls = self.calls.saturating_add(1);
        self.bytes = self.bytes.saturating_add(answer.length);
        if answer.status.is_success() {
            self.received = self.received.saturating_add(1);
        }
        if !answer.headers.contains_key(MARK) {
            let refused = self.refused.entry(reason(answer)).or_default();
            *refused = refused.saturating_add(1);
            if (200..300).contains(&call.status) {
                self.refused_good = self.refused_good.saturating_add(1);
            }
        }
    }
}

/// Why the gateway has refused a call, in its own words.
fn reason(answer: &Answer) -> String {
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        return "over the rate".to_owned();
    }
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match problem["code"].as_str() {
        Some("ambiguous_path") => "ambiguous path".to_owned(),
        Some(code) => code.to_owned(),
        None => answer.status.to_string(),
    }
}

fn tell(people: &[Person], story: &mut Story) -> Result<(), DemoError> {
    let sum = |of: fn(&Tally) -> u64| people.iter().map(|person| of(&person.tally)).sum::<u64>();
    story.figure("calls through the gateway", sum(|tally| tally.calls))?;
    story.figure("answered 2xx", sum(|tally| tally.received))?;
    story.figure("bytes received", sum(|tally| tally.bytes))?;
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    for (reason, count) in people.iter().flat_map(|person| &person.tally.refused) {
        let known = refused.entry(reason).or_default();
        *known = known.saturating_add(*count);
    }
    for (reason, count) in refused {
        story.figure(&format!("refused by the gateway: {reason}"), count)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn call(seconds: i64) -> LoggedCall {
        LoggedCall {
            address: "a".into(),
            at: Timestamp::from_secs(seconds),
            method: Method::GET,
            target: "/".to_owned(),
            status: 200,
            size: 0,
        }
    }

    #[test]
    fn lines_that_lie_behind_are_called_at_the_time_that_was_reached() {
        let calls: Vec<LoggedCall> = [5, 3, 5, 9, 4, 10].into_iter().map(call).collect();
        let steps: Vec<(i64, usize)> = steps(&calls)
            .map(|step| (step.at.as_micros() / 1_000_000, step.calls.len()))
            .collect();
        assert_eq!(steps, [(5, 3), (9, 2), (10, 1)]);
    }
}
