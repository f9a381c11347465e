use std::sync::Arc;

use http::uri::PathAndQuery;
use monetization_core::ids::{RecordId, SubscriptionId};
use monetization_core::runtime::Permit;
use monetization_core::text::{Endpoint, Slug};

/// Where a call goes and whose it is: an extension of the request that the inner service gets.
///
/// A handler inside the layer may use it too: the record's id names the call in its own logs, so
/// that what was served can be compared with what was billed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forward {
    /// Where the product is served. To be told to nobody.
    pub endpoint: Arc<Endpoint>,
    /// What to ask for below it: exactly what was priced.
    pub path_and_query: PathAndQuery,
    /// The operation, where the product declares its operations; it is in the record too.
    pub resource: Option<Slug>,
    /// The id that the call's record will have.
    pub record: RecordId,
    /// What the call is made under. Who bought it is in the `X-Consumer-*` headers.
    pub subscription: SubscriptionId,
}

impl Forward {
    pub(crate) fn new(permit: &Permit, path_and_query: PathAndQuery) -> Self {
        Self {
            endpoint: Arc::clone(permit.endpoint()),
            path_and_query,
            resource: permit.resource().cloned(),
            record: permit.record(),
            subscription: permit.subscription().id,
        }
    }
}
