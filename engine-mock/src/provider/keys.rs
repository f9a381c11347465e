//! Orders are carried out once for each key.
//!
//! The key is looked up before anything else is looked at, in the account of the call: two
//! accounts may use the same keys. What was answered is kept, and with it a failure within; what
//! was refused outright is not, because nothing has begun.

use sha2::{Digest, Sha256};

use super::{Order, Placed, Provider, Refusal, RefusalKind, Reply};

/// What was answered to an order, and which order that was: a digest is enough to tell the same
/// order from another.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    digest: [u8; 32],
    answer: Result<Reply, Refusal>,
}

impl Provider {
    /// Carries an order out once for each key: the same again gets the answer of the first time,
    /// also where that was an error within; another order under the key is a conflict.
    ///
    /// Orders that were refused outright leave no trace, so that they can be tried again. Usage
    /// records have identifiers of their own and need no key.
    pub(super) fn answer(&mut self, placed: Placed) -> Result<Reply, Refusal> {
        let Placed {
            account,
            key,
            order,
            breaks,
        } = placed;
        let kept_by_key = !matches!(order, Order::TakeUsage { .. });
        let digest = digest(&order)?;
        let slot = (account.clone(), key);
        self.answers.forget(self.now);
        if let Some(earlier) = self.answers.recall(&slot).filter(|_| kept_by_key) {
            return if earlier.digest == digest {
                earlier.answer.clone()
            } else {
                Err(Refusal::conflict("the key was used for another order"))
            };
        }
        let answer = match breaks {
            Some(broken) => Err(broken),
            None => self.execute(&account, order),
        };
        let keeps = match &answer {
            Ok(_) => true,
            Err(refusal) => refusal.kind == RefusalKind::Broken,
        };
        if kept_by_key && keeps {
            let answered = Answered {
                digest,
                answer: answer.clone(),
            };
            self.answers.keep(slot, answered, self.now);
        }
        answer
    }
}

/// SHA-256 of the order as it is written in the journal.
fn digest(order: &Order) -> Result<[u8; 32], Refusal> {
    let text = serde_json::to_vec(order).map_err(|error| {
        Refusal::permanent(format!("the order cannot be written down: {error}"))
    })?;
    Ok(Sha256::digest(text).into())
}
