//! What an operator is told of an engine's news.

use monetization_core::flows::{CaughtUp, Rejected};

use crate::report;

/// Tells the operator what news want looked at.
pub(crate) fn tell(contradictions: &[String], rejected: Rejected) {
    for contradiction in contradictions {
        report::line(format_args!("an operator has to look: {contradiction}"));
    }
    if rejected.count > 0 {
        report::line(format_args!(
            "an operator has to look: the engine has refused {} reports that it had taken, and names {} of them; the others are found by reconciling",
            rejected.count, rejected.named
        ));
    }
}

/// Tells the operator what came of asking for news.
pub(crate) fn tell_caught(caught: &CaughtUp) {
    if caught.new > 0 {
        report::line(format_args!(
            "{} messages of the engine were taken in by asking for them, before or instead of their delivery",
            caught.new
        ));
    }
    tell(&caught.contradictions, caught.rejected);
    for (message, why) in &caught.given_up {
        report::line(format_args!(
            "an operator has to look: message {message} of the engine cannot be taken in: {why}"
        ));
    }
    for (account, why) in &caught.failed {
        let of = account
            .as_ref()
            .map_or("the tenant's own account", |it| it.as_str());
        report::line(format_args!(
            "the engine's news about {of} cannot be read: {why}"
        ));
    }
}
