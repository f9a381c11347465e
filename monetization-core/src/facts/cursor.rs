//! How far an engine's news were read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::ids::{CursorId, TenantId, TypedId};
use crate::reference::Place;
use crate::text::{ForeignId, Slug};

/// How far the news about an account at an engine were read by asking for them.
///
/// ```
/// use monetization_core::clock::Timestamp;
/// use monetization_core::cursor::NewsCursor;
/// use monetization_core::ids::{TenantId, TypedId};
/// use monetization_core::reference::Place;
///
/// let place = Place { engine: "mock".parse()?, account: None };
/// let tenant = TenantId::derived(&[b"t"]);
/// let begun = NewsCursor::new(tenant, &place, Timestamp::EPOCH);
/// assert_eq!(begun.id, NewsCursor::identity(tenant, &place));
/// assert!(begun.failing.is_empty());
/// # Ok::<(), monetization_core::text::TextError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewsCursor {
    /// Derived from tenant, engine and account: one cursor for each.
    pub id: CursorId,
    /// Who reads.
    pub tenant: TenantId,
    /// Whose news.
    pub engine: Slug,
    /// The account that they are about; `None` for the tenant's own.
    pub account: Option<ForeignId>,
    /// All before this instant were taken in, on the engine's clock.
    pub until: Timestamp,
    /// Messages that could not be taken in, and since when, in business time; the greatest instant for those
    /// that were given up.
    pub failing: BTreeMap<ForeignId, Timestamp>,
    /// Since when, in business time, more messages fail than `failing` has room for.
    #[serde(default)]
    pub overflowing_since: Option<Timestamp>,
    /// Messages about what is not known here, or not known yet.
    #[serde(default)]
    pub unmatched: Option<Unmatched>,
}

/// Messages about what is not known here, while operations that may make it known are unfinished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Unmatched {
    /// Where on the engine's clock they begin.
    pub from: Timestamp,
    /// How far the news had been read when they were first seen, on the engine's clock.
    pub until: Timestamp,
    /// When they were first seen, in business time.
    pub since: Timestamp,
}

impl NewsCursor {
    /// One that begins at `from`.
    #[must_use]
    pub fn new(tenant: TenantId, place: &Place, from: Timestamp) -> Self {
        Self {
            id: Self::identity(tenant, place),
            tenant,
            engine: place.engine.clone(),
            account: place.account.clone(),
            until: from,
            failing: BTreeMap::new(),
            overflowing_since: None,
            unmatched: None,
        }
    }

    /// The id of the cursor of this tenant at this place.
    #[must_use]
    pub fn identity(tenant: TenantId, place: &Place) -> CursorId {
        let account = place.account.as_ref().map_or("", ForeignId::as_str);
        CursorId::derived(&[
            tenant.uuid().as_bytes(),
            place.engine.as_str().as_bytes(),
            account.as_bytes(),
        ])
    }
}
