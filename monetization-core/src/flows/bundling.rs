//! Bundles of calls, which are bought in advance.
//!
//! A purchase is an invoice of its own. Its calls are the subscriber's once it is paid, in the change that
//! takes the payment in; one that is not paid in time is taken back.

use super::invoicing::Draft;
use super::operations::unable;
use super::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::clock::Span;
use crate::field::FieldError;
use crate::ids::{InvoiceId, SubscriptionId, TenantId, TypedId};
use crate::intent::{Intent, Operation};
use crate::invoice::{BundleLine, Invoice, InvoiceState, Line, LineItem, Occasion};
use crate::plan::{Bundle, PlanTerms, PlanVersion};
use crate::product::{IllegalMove, Product, Resource};
use crate::store::{ChangeSet, Index, RowKey, StoreExt, Stored, Write};
use crate::subscription::{Subscription, SubscriptionState};
use crate::text::{ForeignId, Slug};

/// What came of buying a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bought {
    /// Its invoice.
    pub invoice: Invoice,
    /// Whether it is new; otherwise the order was recognised.
    pub new: bool,
}

impl Monetizer {
    /// Buys a bundle of the plan that is in force. The same order again, by its `request_key`, is the
    /// same purchase.
    ///
    /// # Errors
    /// [`FlowError::NotFound`]; [`FlowError::Field`] for a bundle that the plan does not sell, with those
    /// that it does, for one whose calls could not be had, because the operation is gone or the
    /// subscription moves to a version that sells none, and for a `request_key` that another bundle was
    /// bought under;
    /// [`FlowError::Illegal`] for a subscription that is not in force;
    /// [`FlowError::Unable`] where the engine collects no invoices; [`FlowError::Store`].
    pub async fn buy_bundle(
        &self,
        tenant: TenantId,
        subscription: SubscriptionId,
        bundle: &Slug,
        request_key: Option<&ForeignId>,
    ) -> Result<Bought, FlowError> {
        let (tenant_fact, engine) = self.engine_of(tenant).await?;
        if engine.invoices.is_none() {
            return Err(unable(engine, "collect invoices"));
        }
        let id = match request_key {
            Some(key) => InvoiceId::derived(&[
                subscription.uuid().as_bytes(),
                b"bundle",
                key.as_str().as_bytes(),
            ]),
            None => self.id(),
        };
        for _ in 0..ATTEMPTS_MAX {
            if let Some(known) = self.store.fact::<Invoice>(tenant, id).await? {
                return Ok(recognised(known.fact, bundle)?);
            }
            let mut stored = self.must::<Subscription>(tenant, subscription).await?;
            if stored.fact.state != SubscriptionState::Active {
                return Err(IllegalMove::new(stored.fact.state, "a bundle").into());
            }
            let version = stored.fact.timeline.version_at(self.now());
            let terms = self.must::<PlanVersion>(tenant, version).await?.fact.terms;
            let bought = find(&terms, bundle)?;
            self.check_lasting(&stored.fact, bought).await?;
            let draft = Draft {
                occasion: Occasion::Bundle,
                lines: vec![line(bought)],
                terms: &terms,
            };
            let invoice = Invoice {
                id,
                ..self.invoice(&stored.fact, &tenant_fact, draft)?
            };
            let mut change = self.change();
            if invoice.state == InvoiceState::Paid {
                stored.fact.add_prepaid(&invoice);
            } else {
                let operation = Operation::IssueInvoice { invoice: id };
                change
                    .intents
                    .push(Intent::new(tenant, operation, self.now()));
            }
            change.writes.push(Write::insert(&invoice)?);
            // Written though it may be as it was: whoever ends it meanwhile knows nothing of this invoice.
            change.writes.push(stored.write()?);
            match self.apply(&change).await {
                Ok(true) => return Ok(Bought { invoice, new: true }),
                // The same order came twice at once, or the subscription has changed: look again.
                Ok(false) | Err(FlowError::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(FlowError::Contended)
    }

    /// Takes back what of a subscription's bundles has not been paid: it is over, and nobody could use
    /// their calls.
    pub(super) async fn take_back_bundles(
        &self,
        of: &Subscription,
        change: &mut ChangeSet,
    ) -> Result<(), FlowError> {
        for invoice in self.unpaid_bundles(of).await? {
            self.take_back(invoice, change)?;
        }
        Ok(())
    }

    /// Refuses terms under which calls of bundles would be lost: of some operation there are any left,
    /// paid or still to be paid, and the terms that `field` names sell no bundles of it. What is used up
    /// stays so, and whoever buys more changes the subscription.
    pub(super) async fn check_keeps_bundles(
        &self,
        of: &Subscription,
        (field, terms): (&str, &PlanTerms),
    ) -> Result<(), FlowError> {
        let mut bought = of.clone();
        for invoice in self.unpaid_bundles(of).await? {
            bought.add_prepaid(&invoice.fact);
        }
        let now = self.now();
        let any_period = Span {
            start: now,
            end: now,
        };
        let resources = bought.prepaid.keys();
        for resource in resources.filter(|it| !terms.sells_bundles_of(it)) {
            let quota = bought.prepaid_quota(resource);
            let window = quota.name.window.containing(now, any_period);
            let counter = self.store.quota(of.tenant, of.id, quota.name, window);
            let left = quota.max.saturating_sub(counter.await?.committed);
            if left > 0 {
                let problem = format!(
                    "it sells no bundles of {resource}, of which {left} calls are left: choose one that does, or wait until they are used"
                );
                return Err(FieldError::new(field, problem).into());
            }
        }
        Ok(())
    }

    /// Refuses a bundle whose calls could not be had: the operation is gone, or a version is to come
    /// that sells no bundles of it.
    async fn check_lasting(&self, of: &Subscription, bought: &Bundle) -> Result<(), FlowError> {
        let product = self.must::<Product>(of.tenant, of.product).await?.fact;
        Resource::known(&product.resources, &bought.resource, "bundle")?;
        for version in of.timeline.versions_from(self.now()) {
            let version = self.must::<PlanVersion>(of.tenant, version).await?.fact;
            if !version.terms.sells_bundles_of(&bought.resource) {
                let problem = format!(
                    "the subscription moves to version {} of its plan, which sells no bundles of {}",
                    version.number, bought.resource
                );
                return Err(FieldError::new("bundle", problem).into());
            }
        }
        Ok(())
    }

    async fn unpaid_bundles(&self, of: &Subscription) -> Result<Vec<Stored<Invoice>>, FlowError> {
        let key = RowKey::new(Index::InvoicesOfSubscription, of.id);
        let mut invoices = self.store.facts_by::<Invoice>(of.tenant, key).await?;
        invoices.retain(|it| it.fact.occasion == Occasion::Bundle && it.fact.due().is_some());
        Ok(invoices)
    }
}

fn recognised(invoice: Invoice, bundle: &Slug) -> Result<Bought, FieldError> {
    let same = |line: &Line| matches!(&line.item, LineItem::Bundle(it) if it.bundle == *bundle);
    if invoice.lines.iter().any(same) {
        return Ok(Bought {
            invoice,
            new: false,
        });
    }
    let problem = format!("it was used for another order, which became {}", invoice.id);
    Err(FieldError::new("request_key", problem))
}

fn find<'a>(terms: &'a PlanTerms, name: &Slug) -> Result<&'a Bundle, FieldError> {
    let sold = terms.bundles();
    sold.iter()
        .find(|bundle| bundle.name == *name)
        .ok_or_else(|| {
            let names: Vec<&str> = sold.iter().map(|bundle| bundle.name.as_str()).collect();
            let problem = match names.as_slice() {
                [] => "the plan sells none".to_owned(),
                names => format!(
                    "{name:?} is none of the plan: allowed are {}",
                    names.join(", ")
                ),
            };
            FieldError::new("bundle", problem)
        })
}

fn line(bundle: &Bundle) -> Line {
    Line {
        item: LineItem::Bundle(BundleLine {
            bundle: bundle.name.clone(),
            resource: bundle.resource.clone(),
            calls: bundle.calls,
        }),
        description: format!("bundle of {} calls of {}", bundle.calls, bundle.resource),
        amount: bundle.price,
    }
}
