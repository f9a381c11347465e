//! Whether there are answers that meters could not read: what they say is not billed.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use monetization_core::clock::Timestamp;

/// What has been told of such answers.
#[derive(Debug, Default)]
pub(crate) struct AnswerWatch(Mutex<Told>);

#[derive(Debug, Default, Clone, Copy)]
struct Told {
    answers: u64,
    at: Option<Timestamp>,
}

/// For how long nothing more is told.
const EVERY: Duration = Duration::from_secs(600);

impl AnswerWatch {
    /// What an operator has to be told, where so many answers since the start could not be read.
    pub(crate) fn news(&self, answers: u64, now: Timestamp) -> Option<String> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_soon = told.at.is_some_and(|at| now.saturating_since(at) < EVERY);
        if answers <= told.answers || is_soon {
            return None;
        }
        let more = answers.saturating_sub(told.answers);
        *told = Told {
            answers,
            at: Some(now),
        };
        Some(format!(
            "{more} more answers could not be read by a meter that counts one of their fields ({answers} since \
             the start), and what they say is not billed: see that their upstreams answer with JSON or events, \
             without Content-Encoding"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_could_not_be_read_are_told_once_in_a_while_e10() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let watch = AnswerWatch::default();
        assert_eq!(watch.news(0, at("2026-03-01T00:00:00Z")), None);
        let first = watch.news(2, at("2026-03-01T00:00:00Z")).unwrap();
        assert!(first.starts_with("2 more answers"), "{first}");
        assert_eq!(watch.news(3, at("2026-03-01T00:09:59Z")), None);
        let next = watch.news(9, at("2026-03-01T00:10:00Z")).unwrap();
        assert!(
            next.starts_with("7 more") && next.contains("(9 since"),
            "{next}"
        );
        assert_eq!(watch.news(9, at("2026-03-02T00:00:00Z")), None);
    }
}
