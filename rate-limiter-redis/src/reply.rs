//! What the script that decides has answered.

use monetization_rate_limiter::{Bucket, Count, Decision, Timestamp};
use redis::Value;

use crate::Away;
use crate::question::Question;

/// An answer that fits its question.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The answer in the words of the limiter in process.
    pub(crate) decision: Decision,
    /// Units granted, the weight and what came with it.
    pub(crate) granted: u64,
    /// For how many units time of a GCRA was granted.
    pub(crate) reach: u64,
    /// When the server decided.
    pub(crate) now: Timestamp,
    /// When the counters began, in microseconds: another number after they were lost.
    pub(crate) born: i64,
    /// How each limit stood before the call.
    pub(crate) counts: Vec<Count>,
    /// The same, to decide on.
    pub(crate) before: Bucket,
}

impl Reply {
    /// Reads an answer. What it says of the counters is decided on once more by the limiter in process: so there is one set
    /// of words for both, and an answer that contradicts itself is found out.
    ///
    /// # Errors
    /// [`Away::Misfit`] when it is no answer to this question.
    pub(crate) fn read(value: Value, question: &Question) -> Result<Self, Away> {
        let mut items = items(value, question.hash())?;
        let granted = items.number()?;
        let reach = u64::try_from(items.number()?).map_err(|_| Away::Misfit)?;
        let now = Timestamp::from_micros(items.number()?);
        let born = items.number()?;
        let mut counts = Vec::with_capacity(question.limits.limits().len());
        let mut before = Bucket::new();
        for limit in question.limits.limits() {
            let until = Timestamp::from_micros(items.number()?);
            let rest = u64::try_from(items.number()?).map_err(|_| Away::Misfit)?;
            let count = Count { until, rest };
            before.resume(limit, count);
            counts.push(count);
        }
        items.end()?;

        let wanted = question.wanted;
        let decision = before.assess(question.limits.limits(), now, wanted.weight);
        let granted = u64::try_from(granted).ok();
        let fits = match granted {
            Some(granted) => {
                (wanted.weight..=wanted.most).contains(&granted)
                    && (granted..=wanted.reach.max(granted)).contains(&reach)
            }
            None => true,
        };
        if !fits || decision.is_allowed() != granted.is_some() {
            return Err(Away::Misfit);
        }
        Ok(Self {
            decision,
            granted: granted.unwrap_or(0),
            reach,
            now,
            born,
            counts,
            before,
        })
    }
}

/// What is left to be read of an answer.
pub(crate) struct Items(std::vec::IntoIter<Value>);

/// The items of an answer, after the hash that must be there. A connection that has once given somebody another's answer
/// gives everybody another's from then on.
///
/// # Errors
/// [`Away::Misfit`] when it is no list, or has another hash.
pub(crate) fn items(value: Value, hash: &[u8]) -> Result<Items, Away> {
    let Value::Array(items) = value else {
        return Err(Away::Misfit);
    };
    let mut items = items.into_iter();
    match items.next() {
        Some(Value::BulkString(echo)) if echo == hash => Ok(Items(items)),
        _ => Err(Away::Misfit),
    }
}

impl Items {
    /// The next item, a number.
    pub(crate) fn number(&mut self) -> Result<i64, Away> {
        match self.0.next() {
            Some(Value::Int(number)) => Ok(number),
            _ => Err(Away::Misfit),
        }
    }

    /// Nothing may follow.
    pub(crate) fn end(mut self) -> Result<(), Away> {
        self.0.next().map_or(Ok(()), |_| Err(Away::Misfit))
    }
}

#[cfg(test)]
mod tests {
    use monetization_rate_limiter::{Limit, Limits, Window};

    use super::*;
    use crate::question::Wanted;
    use crate::{HolderKey, Namespace, SharedLimits};

    const NOON: i64 = 1_800_014_400_000_000;

    fn question(number: u64) -> Question {
        let limits = Limits::new([Limit::calendar(Window::Hour, 10)]).unwrap();
        let key = HolderKey::new(Namespace::new("shop"), b"7");
        let limits = SharedLimits::new(limits).unwrap();
        Question::new(number, &key, limits, Wanted::exactly(2), b"")
    }

    fn answer(to: &Question, numbers: &[i64]) -> Value {
        let hash = Value::BulkString(to.hash().to_vec());
        let numbers = numbers.iter().map(|number| Value::Int(*number));
        Value::Array([hash].into_iter().chain(numbers).collect())
    }

    #[test]
    fn an_answer_is_told_in_the_words_of_the_limiter() {
        let question = question(1);
        let end = NOON + 3_600_000_000;
        let reply = Reply::read(answer(&question, &[2, 2, NOON, NOON, end, 5]), &question).unwrap();
        assert!(reply.decision.is_allowed());
        assert_eq!(reply.decision.standings()[0].remaining(), 3);
        let reply =
            Reply::read(answer(&question, &[-1, 0, NOON, NOON, end, 9]), &question).unwrap();
        assert!(!reply.decision.is_allowed());
        assert_eq!(reply.decision.retry_at(), Some(Timestamp::from_micros(end)));
    }

    #[test]
    fn what_does_not_fit_is_no_answer_r_q6() {
        let asked = question(1);
        let end = NOON + 3_600_000_000;
        let misfits = [
            (
                "of another question",
                answer(&question(2), &[2, 2, NOON, NOON, end, 5]),
            ),
            ("too short", answer(&asked, &[2, 2, NOON, NOON, end])),
            ("too long", answer(&asked, &[2, 2, NOON, NOON, end, 5, 1])),
            (
                "granted though full",
                answer(&asked, &[2, 2, NOON, NOON, end, 9]),
            ),
            (
                "refused though free",
                answer(&asked, &[-1, 0, NOON, NOON, end, 5]),
            ),
            ("too much", answer(&asked, &[3, 3, NOON, NOON, end, 5])),
            (
                "less than nothing",
                answer(&asked, &[2, 2, NOON, NOON, end, -1]),
            ),
            ("no list", Value::Okay),
            ("nothing", Value::Nil),
        ];
        for (what, value) in misfits {
            assert_eq!(
                Reply::read(value, &asked).unwrap_err(),
                Away::Misfit,
                "{what}"
            );
        }
    }
}
