use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::Full;
use monetization_core::clock::Timestamp;

use super::super::client::Answer;
use super::super::story::{Column, Story};
use super::super::upstream::STATUS;
use super::super::{DemoError, World, missing, text};
use super::DAY;
use super::cast::{Cast, Developer};

/// Of each day.
const NOON: Duration = Duration::from_secs(12 * 3_600);
/// Days on which calls are made, the first of the month left out.
const DAYS: u32 = 30;
/// Calls of a developer under way at once.
const AT_ONCE: usize = 8;

/// Lets the days of the month go by.
pub(super) async fn live(
    world: &World,
    start: Timestamp,
    cast: &mut Cast,
    story: &mut Story,
) -> Result<(), DemoError> {
    story.section("The days of January go by")?;
    story.say("one call in twelve fails at the upstream (503, 404): those cost nothing")?;
    let mut told = false;
    for day in 1..=DAYS {
        let noon = start
            .saturating_add(DAY.saturating_mul(day))
            .saturating_add(NOON);
        world.travel(noon).await?;
        for (developer, calls) in cast.all_mut().into_iter().zip([8, 20, 48, 40]) {
            let refused = developer.calls_of_a_day(world, calls).await?;
            if let Some(refused) = refused.filter(|_| !told) {
                told = true;
                story.say(format_args!(
                    "on {} January {} has used its quota up:",
                    day.saturating_add(1),
                    developer.name
                ))?;
                story.call(&format!("{}: GET /weather/today", developer.name), &refused)?;
            }
        }
    }
    let mut rows = Vec::new();
    for developer in cast.all_mut() {
        developer.look_at_the_books(world).await?;
        let january = developer.january;
        let failed = january
            .sent
            .saturating_sub(january.received)
            .saturating_sub(january.limited);
        rows.push(vec![
            developer.name.to_owned(),
            january.sent.to_string(),
            january.received.to_string(),
            failed.to_string(),
            january.limited.to_string(),
        ]);
    }
    let columns = [
        Column::Left("by 31 January"),
        Column::Right("calls"),
        Column::Right("answered 2xx"),
        Column::Right("failed, unpaid"),
        Column::Right("over the limit"),
    ];
    Ok(story.table(&columns, &rows)?)
}

impl Developer {
    /// Makes so many calls; answers one that was over the limit, if any was.
    async fn calls_of_a_day(
        &mut self,
        world: &World,
        calls: u64,
    ) -> Result<Option<Answer>, DemoError> {
        let url = world.url(self.product, "/today");
        let requests: Result<Vec<_>, DemoError> = (0..calls)
            .map(|call| self.request(&url, self.january.sent.saturating_add(call)))
            .collect();
        let sending = requests?
            .into_iter()
            .map(|request| world.http.send(request));
        let answers: Vec<Answer> = futures::stream::iter(sending)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut limited = None;
        let tally = &mut self.january;
        for answer in answers {
            tally.sent = tally.sent.saturating_add(1);
            if answer.status.is_success() {
                tally.received = tally.received.saturating_add(1);
            } else if answer.status == StatusCode::TOO_MANY_REQUESTS {
                tally.limited = tally.limited.saturating_add(1);
                limited = Some(answer);
            }
        }
        Ok(limited)
    }

    /// The `number`-th call. Some fail at the upstream.
    fn request(&self, url: &str, number: u64) -> Result<Request<Full<Bytes>>, DemoError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = Uri::try_from(url).map_err(http::Error::from)?;
        let key = HeaderValue::from_str(self.key.reveal()).map_err(http::Error::from)?;
        request.headers_mut().insert("x-api-key", key);
        let status = match number % 24 {
            7 => "503",
            19 => "404",
            _ => "200",
        };
        request
            .headers_mut()
            .insert(STATUS, HeaderValue::from_static(status));
        Ok(request)
    }

    /// Notes what upstream and ledger have counted so far.
    async fn look_at_the_books(&mut self, world: &World) -> Result<(), DemoError> {
        self.january.upstream = world.upstream.count(&self.consumer).good;
        let path = format!("/api/v1/subscriptions/{}/usage", self.subscription);
        let statement = self.api.get(&path).await?;
        let used = text(&statement, "/used/0/used")?;
        self.january.ledger = used.parse().map_err(|_| missing("a number of units"))?;
        Ok(())
    }
}
