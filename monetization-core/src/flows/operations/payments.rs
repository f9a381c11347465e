//! Operations about money that was asked for.

use super::{End, Task, chain, unable};
use crate::engine::EngineErrorKind;
use crate::flows::references::thing;
use crate::flows::{ATTEMPTS_MAX, FlowError, Monetizer};
use crate::ids::{InvoiceId, ReferenceId};
use crate::invoice::Invoice;
use crate::reference::{ObjectKind, Reference};

impl Monetizer {
    /// Has the engine credit an invoice, and keeps what it calls the credit, or why it refuses. Only what it
    /// refuses for good it has looked at: after any other failure an earlier try may have been heard, and the
    /// credit stands. One that was refused counts for nothing and is not asked for again: it may have been
    /// ordered anew.
    pub(super) async fn credit(
        &self,
        task: &Task,
        (id, number): (InvoiceId, u32),
    ) -> Result<End, FlowError> {
        let tenant = task.tenant;
        let invoice = self.must::<Invoice>(tenant, id).await?.fact;
        let missing = || FlowError::NotFound {
            id: format!("credit {number} of {id}"),
        };
        let credit = invoice.credits.iter().find(|it| it.number == number);
        let credit = credit.ok_or_else(missing)?;
        if credit.refused_because.is_some() {
            self.finish(&task.finished).await?;
            return Ok(End::Done);
        }
        let (_, engine) = self.engine_of(tenant).await?;
        let place = self.place(tenant, engine, invoice.product).await?;
        let of = thing(tenant, ObjectKind::Invoice, id);
        let external = self.reference(&place, of).await?.ok_or_else(missing)?;
        let issuing = engine
            .invoices
            .as_ref()
            .ok_or_else(|| unable(engine, "collect invoices"))?;
        let cx = self.context_of(task, &place);
        let (mut finished, mut name, mut refused) = (task.finished.clone(), None, None);
        match issuing.credit(&cx, &external, credit).await {
            Ok(given) => name = Some(given),
            Err(error) if *error.kind() == EngineErrorKind::Permanent => {
                refused = Some(chain(&error));
            }
            Err(error) => return Err(error.into()),
        }
        finished.parked_because.clone_from(&refused);
        for _ in 0..ATTEMPTS_MAX {
            let mut change = self.change();
            let mut stored = self.must::<Invoice>(tenant, id).await?;
            let credits = stored.fact.credits.iter_mut();
            for credit in credits.filter(|credit| credit.number == number) {
                credit.external.clone_from(&name);
                credit.refused_because.clone_from(&refused);
            }
            change.writes.push(stored.write()?);
            change.finished.push(finished.clone());
            if self.apply(&change).await? {
                return Ok(End::of(&finished));
            }
        }
        Err(FlowError::Contended)
    }

    /// Has the engine charge what a customer is invoiced to what they have stored.
    pub(super) async fn charge_stored(
        &self,
        task: &Task,
        customer: ReferenceId,
    ) -> Result<(), FlowError> {
        let reference = self.must::<Reference>(task.tenant, customer).await?.fact;
        let engine = self.engines.choose(&reference.engine)?;
        let portal = engine
            .portal
            .as_ref()
            .ok_or_else(|| unable(engine, "store payment methods"))?;
        let cx = self.context_of(task, &reference.place());
        portal.charge_stored(&cx, &reference.external).await?;
        self.finish(&task.finished).await
    }
}
