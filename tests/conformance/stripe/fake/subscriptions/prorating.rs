//! What a change of a subscription's items charges and credits.
//!
//! Credits for time that is not used are shares of what was charged; what a metered price has
//! counted is charged when it is taken off, unless nothing is to be prorated.

use super::super::books::Books;
use super::super::invoice_items::Proration;
use super::{Debit, Item, Subscription};

impl Books {
    /// Credits what was charged ahead and is not used, charges what comes instead, and charges what
    /// metered prices that go have counted.
    pub(super) fn prorate(
        &mut self,
        before: &Subscription,
        after: &mut Subscription,
        at: i64,
        anew: bool,
    ) {
        let rest = (at, before.period.1);
        for old in &before.items {
            let new = after.items.iter().find(|it| it.id == old.id);
            let stays = new.is_some_and(|it| it.price == old.price && it.quantity == old.quantity);
            if stays && !anew {
                continue;
            }
            if self.is_metered(old) {
                self.charge_counted(before, old, at);
                continue;
            }
            let amount = -Self::unused(old, at);
            self.prorate_item(before, old, (amount, rest, "Unused time"));
        }
        for new in &mut after.items {
            let old = before.items.iter().find(|it| it.id == new.id);
            let stays = old.is_some_and(|it| it.price == new.price && it.quantity == new.quantity);
            if self.is_metered(new) {
                new.since = if stays && !anew { new.since } else { at };
            } else if !stays && !anew {
                let amount = Self::prorated(before, self.full_amount(new), rest);
                self.prorate_item(before, new, (amount, rest, "Remaining time"));
                new.debit = Some(Debit {
                    amount,
                    start: rest.0,
                    end: rest.1,
                });
            }
        }
    }

    fn charge_counted(&mut self, before: &Subscription, old: &Item, at: i64) {
        if !before.is_flexible {
            return;
        }
        let counted = self
            .measured(before, at)
            .into_iter()
            .filter(|it| it.item == old.id);
        for measured in counted.collect::<Vec<_>>() {
            let lines = self.lines_of_use(&measured, &before.customer);
            let amount = lines.iter().map(|it| it.amount).sum();
            self.prorate_item(before, old, (amount, (measured.start, at), "Usage"));
        }
    }

    fn prorate_item(
        &mut self,
        of: &Subscription,
        item: &Item,
        (amount, period, what): (i64, (i64, i64), &'static str),
    ) {
        if amount != 0 {
            self.make_proration(
                of,
                Proration {
                    price: item.price.clone(),
                    item: item.id.clone(),
                    amount,
                    period,
                    what,
                },
            );
        }
    }
}
