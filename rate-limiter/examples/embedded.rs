//! A client's limits embedded in its own struct: finding the client is the only look-up.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use monetization_rate_limiter::{Cells, Gcra, Limit, Limits, Timestamp, Window};

const PER_SECOND: NonZeroU32 = NonZeroU32::new(10).unwrap();
const BURST: NonZeroU32 = NonZeroU32::new(3).unwrap();

struct Client {
    name: &'static str,
    limits: Limits,
    cells: Cells,
}

impl Client {
    fn call(&self, now: Timestamp) {
        let decision = self.cells.take(&self.limits, now, 1);
        match decision.retry_at() {
            _ if decision.is_allowed() => println!("{}: served", self.name),
            Some(at) => println!("{}: refused, again at {at}", self.name),
            None => println!("{}: refused for good", self.name),
        }
        for standing in decision.standings() {
            let (kind, max, remaining) = (standing.kind(), standing.max(), standing.remaining());
            println!(
                "  {kind}: {remaining} of {max} left, reset at {}",
                standing.reset_at()
            );
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let client = Client {
        name: "weather-app",
        limits: Limits::new([
            Limit::gcra(Gcra::new(PER_SECOND, Duration::from_secs(1), BURST)?),
            Limit::calendar(Window::Day, 1_000),
        ])?,
        cells: Cells::new(),
    };
    let now = Timestamp::EPOCH.saturating_add(SystemTime::UNIX_EPOCH.elapsed()?);
    for _ in 0..4 {
        client.call(now);
    }
    Ok(())
}
