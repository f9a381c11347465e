//! What has to be done from time to time.
//!
//! The order within a round matters only for speed: what closing and falling due ask of an engine
//! is carried out in the same round. Publishing is a job of its own, since it takes as long as the
//! engine takes.

use super::{Closed, FlowError, Monetizer, OperationsReport};

/// What a round of jobs has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobsReport {
    /// Operations at engines.
    pub operations: OperationsReport,
    /// Billing periods.
    pub closed: Closed,
    /// Invoices that fell due.
    pub past_due: usize,
}

impl Monetizer {
    /// Closes what is to be closed, marks what is past due, and carries out what that and others
    /// have asked for. To be called every few seconds, by as many processes as there are.
    ///
    /// Of several that meet on one subscription the first change wins and the others look again; of
    /// several that meet on one operation one holds the claim.
    ///
    /// # Errors
    /// [`FlowError::Store`]; the next call goes on where this one stopped.
    pub async fn run_jobs(&self) -> Result<JobsReport, FlowError> {
        let closed = self.close_due().await?;
        let past_due = self.mark_past_due().await?;
        let operations = self.carry_out_operations().await?;
        Ok(JobsReport {
            operations,
            closed,
            past_due,
        })
    }
}
