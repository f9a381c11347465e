//! Whether rates can be counted together with other servers.

use monetization_core::clock::Clock;
use monetization_core::entropy::Entropy;

use super::Diagnosis;
use crate::report;
use crate::settings::Settings;
use crate::shared_rates::Link;

const SUBJECT: &str = "redis";

/// Looks from where a server would: it is counted among the servers meanwhile, and leaves again.
pub(super) async fn look(settings: &Settings, clock: &Clock, diagnosis: &mut Diagnosis) {
    let Some(shared) = &settings.shared_rates else {
        return;
    };
    let link = match Link::to(shared, clock, &Entropy::system()).await {
        Ok(link) => link,
        Err(error) => {
            let mend = "correct the address of --redis";
            return diagnosis.problem(SUBJECT, report::chain(&*error), mend);
        }
    };
    if let Some(why) = link.away() {
        let found = format!("{why}: each server lets its share of a rate through alone");
        let mend =
            "start it, or correct the address of --redis: a server starts without it all the same";
        return diagnosis.problem(SUBJECT, found, mend);
    }
    let others = link.nodes().saturating_sub(1);
    let inspected = link.inspect().await;
    link.release().await;
    match inspected {
        Err(why) => diagnosis.warn(SUBJECT, format!("it answers, and tells nothing: {why}")),
        Ok(warnings) if warnings.is_empty() => {
            diagnosis.ok(
                SUBJECT,
                format!("answers; {others} servers share rates there now"),
            );
        }
        Ok(warnings) => {
            for warning in warnings {
                diagnosis.warn(SUBJECT, warning);
            }
        }
    }
}
