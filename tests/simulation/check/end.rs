//! What must be so in the end.

use monetization_core::intent::ParkedIntent;
use monetization_core::invoice::{InvoiceState, Invoicing, LineItem};
use monetization_core::plan::QuotaWindow;
use monetization_core::store::BatchState;
use monetization_core::subscription::Subscription;

use super::{Checked, counts};
use crate::runner::block_on;
use crate::world::World;

impl World {
    /// Everything has come to its end: every unit is billed once or kept, every invoice is where
    /// it belongs, nothing is held back.
    pub(crate) fn check_end(&self) -> Checked {
        let subscriptions = self.subscriptions();
        let orders = self.oracle.borrow().orders.len();
        if subscriptions.len() > orders {
            return Err(format!(
                "{} subscriptions of {orders} orders",
                subscriptions.len()
            ));
        }
        for subscription in &subscriptions {
            let id = subscription.id;
            if !subscription.state.is_final() {
                return Err(format!("{id} is {:?} in the end", subscription.state));
            }
            for window in self.months(subscription) {
                let quota = self
                    .view
                    .quota(self.tenant(), id, QuotaWindow::Month.into(), window);
                let counter = block_on(quota).unwrap();
                if counter.committed != counter.leased {
                    return Err(format!("{id}: units are held back for ever: {counter:?}"));
                }
            }
            match subscription.invoicing {
                Invoicing::ByCore => self.check_billed(subscription)?,
                Invoicing::ByEngine => self.check_published(subscription)?,
            }
        }
        self.check_issued(&subscriptions)
    }

    fn check_billed(&self, subscription: &Subscription) -> Checked {
        let lines = self.invoices(subscription.id).into_iter();
        let billed: i64 = lines
            .flat_map(|invoice| invoice.lines)
            .map(|line| match line.item {
                LineItem::Usage(line) | LineItem::LateUsage(line) => line.used.scaled(),
                _ => 0,
            })
            .sum();
        let segments = self.segments(subscription);
        let used: i64 = segments
            .iter()
            .flat_map(|segment| self.records(segment))
            .map(|record| counts(&record))
            .sum();
        let kept: i64 = segments
            .last()
            .map(|aftermath| self.sums(aftermath))
            .into_iter()
            .flatten()
            .map(|sum| sum.total.scaled())
            .sum();
        if billed + kept == used {
            return Ok(());
        }
        let id = subscription.id;
        Err(format!("{id}: {used} used, {billed} billed, {kept} kept"))
    }

    fn check_published(&self, subscription: &Subscription) -> Checked {
        let there = self.provider.subscriptions();
        let Some(there) = there.iter().find(|there| there.ours() == subscription.id) else {
            return Ok(());
        };
        let counted = self.provider.usage(&there.id, self.market.requests);
        let counted = counted.map_or(0, |quantity| quantity.scaled());
        let (mut sure, mut perhaps, mut open) = (0, 0, 0);
        for segment in self.segments(subscription) {
            for sum in self.sums(&segment) {
                open += sum.total.scaled() - sum.sealed.scaled();
            }
            for batch in block_on(self.view.batches(self.tenant(), segment.id)).unwrap() {
                let quantity = batch.quantity().unwrap().scaled();
                match batch.state {
                    BatchState::Confirmed => sure += quantity,
                    BatchState::Sealed => open += quantity,
                    // An operator is told that it may have arrived.
                    BatchState::Unknown { .. } => perhaps += quantity,
                    // An operator is told that it has not.
                    _ => {}
                }
            }
        }
        if (sure..=sure + perhaps).contains(&counted) && open == 0 {
            return Ok(());
        }
        let id = subscription.id;
        Err(format!(
            "{id}: {sure} confirmed, {perhaps} perhaps, {open} not reported, {counted} counted"
        ))
    }

    /// What the provider collects is what was invoiced, invoice by invoice.
    fn check_issued(&self, subscriptions: &[Subscription]) -> Checked {
        let parked = block_on(self.view.parked_intents(self.tenant(), None, usize::MAX)).unwrap();
        let unpaid = |it: &&ParkedIntent| !it.parking.reason.ends_with("is paid");
        if let Some(ParkedIntent { intent, parking }) = parked.iter().find(unpaid) {
            let why = &parking.reason;
            return Err(format!("{:?} was given up: {why}", intent.operation));
        }
        let there = self.provider.invoices();
        for subscription in subscriptions {
            for invoice in self.invoices(subscription.id) {
                let is_here = |there: &&monetization_engine_mock::provider::Invoice| {
                    there
                        .issued
                        .as_ref()
                        .is_some_and(|issued| issued.invoice == invoice.id)
                };
                let collected = there.iter().find(is_here);
                let wanted = invoice.invoicing == Invoicing::ByCore
                    && !invoice.total.is_zero()
                    && invoice.state != InvoiceState::Void;
                match collected {
                    None if wanted => return Err(format!("{} was never issued", invoice.id)),
                    Some(there) if there.total != invoice.total => {
                        return Err(format!("{}: {} there", invoice.id, there.total));
                    }
                    Some(there) if wanted && there.state != invoice.state => {
                        let (here, there) = (invoice.state, there.state);
                        return Err(format!("{} is {here:?} here, {there:?} there", invoice.id));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
