//! What everybody pays: what core's invoices say.

use std::collections::BTreeMap;

use monetization_core::ids::SubscriptionId;
use monetization_core::invoice::{Invoice, LineItem};
use monetization_core::money::{Currency, Money, MoneyError, Quantity};
use monetization_core::product::Meter;
use monetization_core::store::{Kind, Listing, Stored};

use super::ReplayError;
use super::market::Market;

/// What one consumer is invoiced, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bill {
    /// Setup and base prices.
    pub(super) fixed: Money,
    /// Use, and what commitments add to it or take off.
    pub(super) usage: Money,
    /// All of it: the sum of the invoices' totals.
    pub(super) total: Money,
    /// How many invoices.
    pub(super) invoices: u64,
    /// Calls that count as used, in the ledger.
    pub(super) billed: Quantity,
}

impl Bill {
    pub(super) fn nothing(currency: Currency) -> Self {
        Self {
            fixed: Money::zero(currency),
            usage: Money::zero(currency),
            total: Money::zero(currency),
            invoices: 0,
            billed: Quantity::ZERO,
        }
    }

    /// Adds up what several are invoiced.
    pub(super) fn add(&mut self, other: &Self) -> Result<(), MoneyError> {
        self.fixed = self.fixed.checked_add(other.fixed)?;
        self.usage = self.usage.checked_add(other.usage)?;
        self.total = self.total.checked_add(other.total)?;
        self.invoices = self.invoices.saturating_add(other.invoices);
        self.billed = self.billed.checked_add(other.billed)?;
        Ok(())
    }

    fn take(&mut self, invoice: &Invoice) -> Result<(), MoneyError> {
        for line in &invoice.lines {
            let kind = match line.item {
                LineItem::Setup
                | LineItem::Base { .. }
                | LineItem::Unused { .. }
                | LineItem::Bundle(_) => &mut self.fixed,
                LineItem::Usage(_)
                | LineItem::LateUsage(_)
                | LineItem::Commitment(_)
                | LineItem::Mirrored => &mut self.usage,
            };
            *kind = kind.checked_add(line.amount)?;
        }
        self.total = self.total.checked_add(invoice.total)?;
        self.invoices = self.invoices.saturating_add(1);
        Ok(())
    }
}

/// The bill of each subscription, in this order.
pub(super) async fn bills(
    market: &Market,
    subscriptions: impl Iterator<Item = SubscriptionId>,
) -> Result<Vec<Bill>, ReplayError> {
    let nothing = Bill::nothing(market.terms.currency());
    let mut bills: Vec<(SubscriptionId, Bill)> =
        subscriptions.map(|id| (id, nothing.clone())).collect();
    let places: BTreeMap<SubscriptionId, usize> = (0..)
        .zip(&bills)
        .map(|(place, (id, _))| (*id, place))
        .collect();
    let mut after = None;
    loop {
        let listing = Listing {
            kind: Kind::Invoice,
            key: None,
            after,
            limit: Listing::LIMIT_MAX,
        };
        let rows = market.store.rows(market.tenant, &listing).await?;
        for row in &rows {
            let invoice = Stored::<Invoice>::read(row)?.fact;
            let place = places.get(&invoice.subscription);
            let bill = place.and_then(|place| bills.get_mut(*place));
            let (_, bill) = bill.ok_or(ReplayError::Stranger)?;
            bill.take(&invoice)?;
            after = Some(row.id);
        }
        if rows.len() < Listing::LIMIT_MAX {
            break;
        }
    }
    for (id, bill) in &mut bills {
        bill.billed = used(market, *id).await?;
    }
    Ok(bills.into_iter().map(|(_, bill)| bill).collect())
}

/// The calls that the ledger has summed in all periods of a subscription.
async fn used(market: &Market, id: SubscriptionId) -> Result<Quantity, ReplayError> {
    let subscription = market.subscription(id).await?;
    let meter = market.product.meter(Meter::REQUESTS).map(|meter| meter.id);
    let mut used = Quantity::ZERO;
    for index in 0..subscription.closed_periods {
        let period = subscription.timeline.schedule.period(index);
        let segment = period.and_then(|period| subscription.segment_at(period.start));
        let Some(segment) = segment else { break };
        for sum in market.store.sums(market.tenant, segment.id).await? {
            if Some(sum.key.meter) == meter {
                used = used.checked_add(sum.total)?;
            }
        }
    }
    Ok(used)
}
