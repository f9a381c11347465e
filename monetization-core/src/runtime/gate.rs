//! One subscription as the request path knows it.
//!
//! A [`Gate`] has two halves with different lives. Its terms are exchanged whenever the feed brings
//! newer ones; its counters are never copied, replaced or reset, because a limit that is counted
//! twice or afresh lets too many through.
//!
//! The stretch that a call falls into (segment, limits, metering) is worked out once for each segment
//! and change of what it is made from, and found again by the calls that follow.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwapOption, Guard};
use http::HeaderValue;
use http::header::InvalidHeaderValue;

use super::attempts::Attempts;
use super::cells::{Allowance, Cells};
use super::denial::Denial;
use crate::access::{Closed, access};
use crate::clock::Timestamp;
use crate::field::FieldError;
use crate::ids::{PlanVersionId, ResourceId, SubscriptionId};
use crate::plan::PlanTerms;
use crate::product::{Meter, Product, ProductState, Resource};
use crate::rates::{RateCounters, SharedRates};
use crate::routing::{Route, Routes};
use crate::subscription::{Segment, Subscription};
use crate::text::{Endpoint, Slug};

/// What a call asks for.
///
/// ```
/// use monetization_core::runtime::Target;
///
/// // GET https://gateway.example/weather/v1/now?city=Rome
/// let target = Target { product: "weather", method: "GET", path: "/v1/now" };
/// assert!(target.path.starts_with('/'), "the query is no part of it");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target<'a> {
    /// The product, by its slug in the caller's tenant.
    pub product: &'a str,
    /// The HTTP method.
    pub method: &'a str,
    /// The path below the product's, beginning with `/`, exactly as it will be forwarded.
    pub path: &'a str,
}

/// One subscription: terms that are exchanged as they change, and counters that stay. Shared by
/// all keys that open it.
#[derive(Debug, Default)]
pub(super) struct Gate {
    terms: ArcSwapOption<Terms>,
    stretch: ArcSwapOption<Stretch>,
    pub(super) cells: Cells,
    /// Where its rates are counted, if not here; made by the first call.
    counters: OnceLock<Arc<dyn RateCounters>>,
    /// Held while an empty cell is being filled.
    pub(super) supply: futures::lock::Mutex<()>,
    pub(super) supplies: Attempts,
    /// Calls that wait for that.
    pub(super) waiting: AtomicU64,
}

/// Who calls, as the headers that tell the upstream: `X-Consumer-ID`, `X-Consumer-Custom-ID` and
/// `X-Consumer-Username`. Made once for each change of the subscription; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The consumer's id.
    pub consumer_id: HeaderValue,
    /// The buyer's id in the consumer's own systems.
    pub custom_id: HeaderValue,
    /// The buyer's name there.
    pub username: HeaderValue,
}

impl Identity {
    /// # Errors
    /// Where a text cannot stand in a header, which their types rule out.
    pub(super) fn of(subscription: &Subscription) -> Result<Self, InvalidHeaderValue> {
        Ok(Self {
            consumer_id: HeaderValue::try_from(subscription.consumer.to_string())?,
            custom_id: HeaderValue::from_str(subscription.buyer.user_id.as_str())?,
            username: HeaderValue::from_str(subscription.buyer.name.as_str())?,
        })
    }
}

/// What is known of a subscription, as of one place in the change sequence.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) seq: u64,
    pub(super) subscription: Subscription,
    pub(super) identity: Identity,
    pub(super) product: Arc<ProductCell>,
    /// The plan versions of its timeline.
    pub(super) versions: BTreeMap<PlanVersionId, Arc<PlanTerms>>,
}

/// What holds from one instant to another: a segment, and what its plan version allows.
#[derive(Debug)]
pub(super) struct Stretch {
    pub(super) terms: Arc<Terms>,
    pub(super) product: Arc<ProductView>,
    pub(super) segment: Segment,
    pub(super) allowance: Allowance,
    pub(super) plan: Arc<PlanTerms>,
}

impl Gate {
    pub(super) fn terms(&self) -> Guard<Option<Arc<Terms>>> {
        self.terms.load()
    }

    /// Whether the news has said what it is of, all of it.
    pub(super) fn is_known(&self) -> bool {
        let terms = self.terms.load();
        terms
            .as_ref()
            .is_some_and(|terms| terms.product.0.load().is_some())
    }

    /// Where the rates of this subscription are counted. They outlive any change of terms.
    pub(super) fn counters(
        &self,
        rates: &dyn SharedRates,
        of: SubscriptionId,
    ) -> &Arc<dyn RateCounters> {
        self.counters.get_or_init(|| rates.counters(of))
    }

    /// As [`counters`](Self::counters), once a call has asked for them.
    pub(super) fn known_counters(&self) -> Option<&Arc<dyn RateCounters>> {
        self.counters.get()
    }

    /// Takes newer terms in; older ones never replace newer ones.
    pub(super) fn set_terms(&self, terms: Terms) {
        let terms = Arc::new(terms);
        self.terms.rcu(|known| match known {
            Some(known) if known.seq > terms.seq => Some(Arc::clone(known)),
            _ => Some(Arc::clone(&terms)),
        });
    }

    /// The stretch that `now` lies in, or why the subscription is closed then; `None` where it is to
    /// another product.
    pub(super) fn enter(
        &self,
        product: &str,
        now: Timestamp,
    ) -> Option<Result<Arc<Stretch>, Denial>> {
        let terms = self.terms.load();
        let terms = terms.as_ref()?;
        let view = terms.product.0.load();
        let view = view.as_ref().filter(|view| view.slug.as_str() == product)?;
        if let Err(closed) = access(&terms.subscription, view.state, now) {
            return Some(Err(closed.into()));
        }
        if let Some(known) = &*self.stretch.load()
            && known.holds(terms, view, now)
        {
            return Some(Ok(Arc::clone(known)));
        }
        let stretch = Stretch::at(terms, view, now).map(Arc::new);
        if stretch.is_some() {
            self.stretch.store(stretch.clone());
        }
        Some(stretch.ok_or(Closed::Ended.into()))
    }
}

impl Stretch {
    /// `None` outside the subscription's life, and for a version that the feed has not brought.
    fn at(terms: &Arc<Terms>, product: &Arc<ProductView>, now: Timestamp) -> Option<Self> {
        let segment = terms.subscription.segment_at(now)?;
        let plan = terms.versions.get(&segment.version)?;
        Some(Self {
            terms: Arc::clone(terms),
            product: Arc::clone(product),
            segment,
            allowance: Allowance::of(&terms.subscription, plan)?,
            plan: Arc::clone(plan),
        })
    }

    /// The operation by which a quota of this plan counts, if any does.
    pub(super) fn counted_by(&self, resource: Option<&Slug>) -> Option<ResourceId> {
        let resource = resource.filter(|_| self.allowance.has_resources())?;
        let sold = self.terms.subscription.product;
        Some(Resource::id(sold, resource))
    }

    /// Whether it was made from this, and `now` lies in it.
    fn holds(&self, terms: &Arc<Terms>, product: &Arc<ProductView>, now: Timestamp) -> bool {
        Arc::ptr_eq(&self.terms, terms)
            && Arc::ptr_eq(&self.product, product)
            && self.segment.span.contains(now)
    }
}

/// A product as the request path knows it; exchanged as it changes.
#[derive(Debug, Default)]
pub(super) struct ProductCell(ArcSwapOption<ProductView>);

/// What is known of a product, as of one place in the change sequence.
#[derive(Debug)]
pub(super) struct ProductView {
    seq: u64,
    pub(super) slug: Slug,
    state: ProductState,
    pub(super) endpoint: Arc<Endpoint>,
    /// What is counted of calls.
    pub(super) meters: Vec<Meter>,
    routes: Routes,
}

impl ProductCell {
    /// Takes a newer view in; older ones never replace newer ones.
    pub(super) fn set(&self, view: ProductView) {
        let view = Arc::new(view);
        self.0.rcu(|known| match known {
            Some(known) if known.seq > view.seq => Some(Arc::clone(known)),
            _ => Some(Arc::clone(&view)),
        });
    }
}

impl ProductView {
    /// # Errors
    /// A [`FieldError`] where the product has no meter for calls or its operations make no sense,
    /// which the catalogue lets nobody store.
    pub(super) fn new(seq: u64, product: &Product) -> Result<Self, FieldError> {
        if product.meter(Meter::REQUESTS).is_none() {
            return Err(FieldError::new("meters", "the meter requests is missing"));
        }
        let of_calls = product.meters.iter();
        let of_calls = of_calls.filter(|meter| meter.source.is_of_calls());
        Ok(Self {
            seq,
            slug: product.slug.clone(),
            state: product.state,
            endpoint: Arc::new(product.gateway_endpoint.clone()),
            meters: of_calls.cloned().collect(),
            routes: Routes::new(&product.resources)?,
        })
    }

    /// The operation that a call is.
    pub(super) fn resource(&self, target: &Target<'_>) -> Result<Option<Slug>, Denial> {
        match self.routes.of(target.method, target.path) {
            Route::Resource(identifier) => Ok(Some(identifier.clone())),
            Route::Anything => Ok(None),
            Route::Nothing => Err(Denial::NoSuchResource),
        }
    }
}
