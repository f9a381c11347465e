//! Mistakes to be found: each is one that systems like this one have made, put between a node and
//! its store or its engine.

use std::sync::{Arc, Mutex};

use monetization_core::engine::Engine;
use monetization_core::store::Store;

use crate::dice::Dice;
use engine::{CountedKeys, OtherIdentifiers};
use memory::Memory;
use store::Flawed;

#[path = "flaws/engine.rs"]
mod engine;
#[path = "flaws/memory.rs"]
mod memory;
#[path = "flaws/store.rs"]
mod store;

/// A mistake, named by what it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// A batch is made of what was there when it was looked up, and all that is there when it is
    /// sealed counts as reported.
    WatermarkPublishing,
    /// Each attempt to report a batch bears an identifier of its own.
    RandomIdentifiers,
    /// Whoever had a batch once may say what became of it.
    NoFence,
    /// An event is looked for first and written then.
    CheckThenInsert,
    /// Use that comes late is added to the sum of the closed segment.
    AppendAfterClose,
    /// Units of a block that was taken back can still be spent.
    LeaseReadmitted,
    /// A call whose client hangs up is not recorded.
    CancelledAppend,
    /// Gates do not hear of later changes of a subscription.
    StaleGate,
    /// An operation is ticked off as it is taken in hand.
    ClaimBeforeComplete,
    /// Idempotency keys count the calls of a process.
    KeyFromTheCount,
    /// A record is answered for before it is written.
    AnsweredBeforeDurable,
    /// A row is overwritten in whatever version it is.
    NoVersionCheck,
    /// The key of an order is not kept.
    RequestKeyForgotten,
}

impl Flaw {
    /// Each, with a seed in which it shows.
    pub(crate) const ALL: [(Self, u64); 13] = [
        (Self::WatermarkPublishing, 10),
        (Self::RandomIdentifiers, 26),
        (Self::NoFence, 10),
        (Self::CheckThenInsert, 4),
        (Self::AppendAfterClose, 4),
        (Self::LeaseReadmitted, 176),
        (Self::CancelledAppend, 0),
        (Self::StaleGate, 4),
        (Self::ClaimBeforeComplete, 9),
        (Self::KeyFromTheCount, 4),
        (Self::AnsweredBeforeDurable, 3),
        (Self::NoVersionCheck, 9),
        (Self::RequestKeyForgotten, 1),
    ];
}

/// The mistake of one world, if it has one, and what the database would hold because of it.
#[derive(Clone)]
pub(crate) struct Flaws {
    flaw: Option<Flaw>,
    dice: Dice,
    memory: Arc<Mutex<Memory>>,
}

impl Flaws {
    pub(crate) fn new(flaw: Option<Flaw>, dice: Dice) -> Self {
        Self {
            flaw,
            dice,
            memory: Arc::default(),
        }
    }

    pub(crate) fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }

    /// The store as code with this mistake has it.
    pub(crate) fn store(&self, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        match self.flaw {
            None => inner,
            Some(flaw) => Arc::new(Flawed::new(
                inner,
                flaw,
                self.dice.clone(),
                Arc::clone(&self.memory),
            )),
        }
    }

    /// The engine as code with this mistake calls it, for one life of a process.
    pub(crate) fn engine(&self, engine: Engine) -> Engine {
        match self.flaw {
            Some(Flaw::RandomIdentifiers) => OtherIdentifiers::around(engine, self.dice.clone()),
            Some(Flaw::KeyFromTheCount) => CountedKeys::around(engine),
            _ => engine,
        }
    }
}
