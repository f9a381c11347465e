//! The phases of a schedule, and what a subscription takes on from one to the next.

use super::super::books::Books;
use super::super::problem::Problem;
use super::super::subscriptions::{Item, Status, Subscription};
use super::{Phase, Schedule, lasting, method};
use crate::stripe::form::Form;

/// What a subscription takes on where a phase begins.
pub(in super::super) struct NextPhase {
    pub(in super::super) items: Vec<Item>,
    pub(in super::super) fee_percent: Option<String>,
    /// Whether invoices are charged, and nobody is asked to pay them.
    pub(in super::super) is_charged: bool,
    /// Whether use of prices that go is charged.
    pub(in super::super) bills_what_goes: bool,
}

impl Books {
    /// Phases as a caller wants them: one after the other, the first one that of now.
    pub(super) fn read_phases(
        &mut self,
        of: &Schedule,
        form: &Form,
    ) -> Result<Vec<Phase>, Problem> {
        let mut phases: Vec<Phase> = Vec::new();
        for (index, form) in form.elements("phases").into_iter().enumerate() {
            let stated = form.integer("start_date");
            let before = phases.last().map(|it| it.end);
            let start = before.or(stated).unwrap_or(self.now);
            if stated.is_some_and(|it| it != start) {
                let message = "Each phase begins where the one before it ends.";
                return Err(
                    Problem::invalid(message).param(&format!("phases[{index}][start_date]"))
                );
            }
            let end = form.integer("end_date");
            let end = end.or_else(|| Some(lasting(form)?.boundary(start, 1)));
            let end = end.filter(|it| *it > start).ok_or_else(|| {
                let message = "A phase needs an end_date after its start, or a duration.";
                Problem::invalid(message).param(&format!("phases[{index}][end_date]"))
            })?;
            let items = self.new_items(&form.elements("items"), start)?;
            let (_, every) = self.agreed(&items)?;
            let subscription = self.subscriptions.get(&of.subscription);
            if subscription.is_some_and(|it| it.every != every) {
                let message = "This fake keeps the interval of a subscription through its phases.";
                return Err(Problem::invalid(message).param(&format!("phases[{index}][items]")));
            }
            phases.push(Phase {
                start,
                end,
                items: items
                    .into_iter()
                    .map(|it| (it.price, it.quantity))
                    .collect(),
                behavior: form
                    .word("proration_behavior")
                    .unwrap_or("create_prorations")
                    .to_owned(),
                fee_percent: form.owned("application_fee_percent"),
                trial_end: form.integer("trial_end"),
                collection_method: form.owned("collection_method"),
            });
        }
        self.check_phases(of, &phases)?;
        Ok(phases)
    }

    /// The first has to be under way, and to end with the period, which is when phases change here.
    fn check_phases(&self, of: &Schedule, phases: &[Phase]) -> Result<(), Problem> {
        let subscription = self.subscriptions.get(&of.subscription);
        let period = subscription.map_or((0, 0), |it| it.period);
        let first = phases
            .first()
            .ok_or_else(|| Problem::invalid("A schedule needs a phase.").param("phases"))?;
        if first.start > self.now {
            let message = "The current phase cannot be left out.";
            return Err(Problem::invalid(message).param("phases[0][start_date]"));
        }
        let is_tried = subscription.is_some_and(|it| it.status == Status::Trialing);
        if is_tried && first.trial_end != Some(period.1) {
            let message = "This fake ends or moves no trial by a schedule.";
            return Err(Problem::invalid(message).param("phases[0][trial_end]"));
        }
        if phases.len() > 1 && first.end != period.1 {
            let message = "This fake changes phases where periods end.";
            return Err(Problem::invalid(message).param("phases[0][end_date]"));
        }
        Ok(())
    }

    /// What a subscription has from the end of its period on.
    pub(in super::super) fn next_phase(&mut self, of: &Subscription) -> Option<NextPhase> {
        let schedule = self.schedules.get(of.schedule.as_ref()?)?.clone();
        let start = of.period.1;
        let phase = schedule.phases.iter().find(|it| it.start == start)?;
        let mut items = Vec::new();
        for (price, quantity) in &phase.items {
            let known = of.items.iter().find(|it| it.price == *price);
            let mut item = match known {
                Some(known) => known.clone(),
                None => Item::new(self.ids.make("si"), price, self.now),
            };
            item.quantity = *quantity;
            items.push(item);
        }
        Some(NextPhase {
            items,
            fee_percent: phase.fee_percent.clone(),
            is_charged: match &phase.collection_method {
                Some(own) => own == method(true),
                None => schedule.is_charged,
            },
            bills_what_goes: phase.behavior != "none",
        })
    }

    /// Lets go of a subscription whose last phase is over; whether it ends.
    pub(in super::super) fn after_last_phase(&mut self, of: &Subscription) -> bool {
        let Some(id) = &of.schedule else {
            return false;
        };
        let last = self
            .schedules
            .get(id)
            .and_then(|it| Some((it.phases.last()?.end, it.ends)));
        match last {
            Some((end, true)) if end <= self.now => true,
            Some((end, false)) if end <= self.now => {
                self.release(&id.clone());
                false
            }
            Some(_) | None => false,
        }
    }
}
