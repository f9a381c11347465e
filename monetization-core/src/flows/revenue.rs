//! What products earn (WSO2: `getTotalRevenue`).

use std::collections::BTreeMap;

use super::{FlowError, Monetizer};
use crate::clock::Span;
use crate::ids::{ConsumerId, ProductId, SubscriptionId, TenantId};
use crate::invoice::{Invoice, InvoiceState, Occasion};
use crate::money::{Currency, Money, MoneyError};
use crate::plan::PlanVersion;
use crate::store::{Index, RowKey, StoreExt};
use crate::subscription::{Subscription, SubscriptionState};

/// What subscriptions have earned, and the sums of that.
///
/// Amounts of different currencies are never added: there is a row and a sum for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revenue {
    /// A row for each subscription and currency.
    pub rows: Vec<RevenueRow>,
    /// What the rows add up to, by product and currency.
    pub products: BTreeMap<(ProductId, Currency), Earned>,
    /// What the rows add up to, by currency.
    pub total: BTreeMap<Currency, Earned>,
}

/// What one subscription has earned in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevenueRow {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Who pays.
    pub consumer: ConsumerId,
    /// What was bought.
    pub product: ProductId,
    /// What it has earned.
    pub earned: Earned,
    /// Why the running period is not in `accrued`, where it could not be rated or added.
    pub problem: Option<String>,
}

/// Amounts of one currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earned {
    /// Invoiced and paid, less what was credited.
    pub paid: Money,
    /// Invoiced and not paid, or not yet, less what was credited; what was taken back is in neither.
    pub unpaid: Money,
    /// What closing the running period now would invoice, where no engine has done so.
    pub accrued: Money,
}

impl Earned {
    /// Nothing of this currency.
    #[must_use]
    pub fn nothing(currency: Currency) -> Self {
        let nothing = Money::zero(currency);
        Self {
            paid: nothing,
            unpaid: nothing,
            accrued: nothing,
        }
    }

    fn plus(self, other: Self) -> Result<Self, MoneyError> {
        Ok(Self {
            paid: self.paid.checked_add(other.paid)?,
            unpaid: self.unpaid.checked_add(other.unpaid)?,
            accrued: self.accrued.checked_add(other.accrued)?,
        })
    }
}

impl Revenue {
    /// Adds a row; one whose running period does not fit the sums has that as its problem.
    fn add(&mut self, mut row: RevenueRow) -> Result<(), MoneyError> {
        if let Err(error) = self.count(&row) {
            row.problem = Some(error.to_string());
            row.earned.accrued = Money::zero(row.earned.accrued.currency());
            self.count(&row)?;
        }
        self.rows.push(row);
        Ok(())
    }

    fn count(&mut self, row: &RevenueRow) -> Result<(), MoneyError> {
        let currency = row.earned.paid.currency();
        let nothing = Earned::nothing(currency);
        let product = (row.product, currency);
        let of_product = self.products.get(&product).copied().unwrap_or(nothing);
        let of_product = of_product.plus(row.earned)?;
        let total = self.total.get(&currency).copied().unwrap_or(nothing);
        self.total.insert(currency, total.plus(row.earned)?);
        self.products.insert(product, of_product);
        Ok(())
    }
}

/// What of a tenant's revenue is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevenueQuestion {
    /// Of these products; of all if nothing is said.
    pub products: Option<Vec<ProductId>>,
    /// Invoices of this time, by when they were made, and what runs where now lies in it; all if nothing
    /// is said.
    pub span: Option<Span>,
}

impl Monetizer {
    /// What the tenant's products have earned, subscription by subscription. One that cannot be rated has
    /// its reason in its row, and the others stand.
    ///
    /// # Errors
    /// [`FlowError::Money`] where sums do not fit, [`FlowError::Store`].
    pub async fn revenue(
        &self,
        tenant: TenantId,
        question: &RevenueQuestion,
    ) -> Result<Revenue, FlowError> {
        let mut revenue = Revenue::default();
        let mut after = None;
        while let Some(page) = self.subscriptions_after(tenant, &mut after).await? {
            for subscription in page {
                let asked = question.products.as_ref();
                if asked.is_none_or(|asked| asked.contains(&subscription.product)) {
                    for row in self.earned_by(&subscription, question.span).await? {
                        revenue.add(row)?;
                    }
                }
            }
        }
        Ok(revenue)
    }

    async fn earned_by(
        &self,
        subscription: &Subscription,
        span: Option<Span>,
    ) -> Result<Vec<RevenueRow>, FlowError> {
        let (tenant, id) = (subscription.tenant, subscription.id);
        let version = subscription.timeline.version_at(self.now());
        let terms = self.must::<PlanVersion>(tenant, version).await?.fact.terms;
        let mut earned = BTreeMap::from([(terms.currency(), Earned::nothing(terms.currency()))]);
        let mut is_invoiced = false;
        let key = RowKey::new(Index::InvoicesOfSubscription, id);
        for stored in self.store.facts_by::<Invoice>(tenant, key).await? {
            let invoice = stored.fact;
            // An engine may have invoiced a period that is not closed here yet.
            is_invoiced |= matches!(
                invoice.occasion,
                Occasion::Period { index, .. } if index == subscription.closed_periods
            );
            if span.is_some_and(|span| !span.contains(invoice.issued_at)) {
                continue;
            }
            let of_currency = earned
                .entry(invoice.currency)
                .or_insert_with(|| Earned::nothing(invoice.currency));
            let amount = match invoice.state {
                InvoiceState::Paid => &mut of_currency.paid,
                InvoiceState::Draft
                | InvoiceState::Open
                | InvoiceState::PastDue
                | InvoiceState::Uncollectible => &mut of_currency.unpaid,
                InvoiceState::Void => continue,
            };
            *amount = amount.checked_add(invoice.net()?)?;
        }
        let mut problem = None;
        let runs = is_running(subscription) && !is_invoiced;
        if runs && span.is_none_or(|span| span.contains(self.now())) {
            match self.statement(tenant, id).await {
                Ok(statement) => {
                    let currency = statement.total.currency();
                    let of_currency = earned.entry(currency);
                    of_currency
                        .or_insert_with(|| Earned::nothing(currency))
                        .accrued = statement.total;
                }
                Err(FlowError::Store(error)) => return Err(error.into()),
                Err(error) => problem = Some(told(&error)),
            }
        }
        let rows = earned.into_values().map(|earned| RevenueRow {
            subscription: id,
            consumer: subscription.consumer,
            product: subscription.product,
            earned,
            problem: problem.clone(),
        });
        Ok(rows.collect())
    }
}

/// Whether a period of it is open.
fn is_running(subscription: &Subscription) -> bool {
    match subscription.state {
        SubscriptionState::Active | SubscriptionState::Ending | SubscriptionState::Draining => true,
        SubscriptionState::PendingApproval
        | SubscriptionState::Rejected
        | SubscriptionState::AwaitingPayment
        | SubscriptionState::Ended => false,
    }
}

/// An error with what has led to it.
fn told(error: &FlowError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
