//! What the mistakes do.

use monetization_core::ids::{ChangeSetId, RecordId, TypedId};
use monetization_core::intent::Intent;
use monetization_core::store::{
    Appended, Batch, ChangeSet, Expected, Finished, Refusal, Sealed, StoreError,
};
use monetization_core::usage::UsageRecord;

use super::Flawed;
use crate::flaws::memory::own;

impl Flawed {
    /// Writes an event that is not known to be written, under an id of its own.
    pub(super) async fn check_then_insert(
        &self,
        records: &[UsageRecord],
    ) -> Result<Vec<Appended>, StoreError> {
        let mut answers = Vec::new();
        for record in records {
            let known = record.event.is_some() && self.memory().events.contains(&record.id);
            if known {
                answers.push(Appended::Duplicate);
                continue;
            }
            let mut written = record.clone();
            if record.event.is_some() {
                self.inner.ping().await?;
                written.id = RecordId::derived(&[&self.dice.below(u64::MAX).to_be_bytes()]);
            }
            answers.extend(self.inner.append(&[written]).await?);
            self.memory().events.insert(record.id);
        }
        Ok(answers)
    }

    /// Adds late use to the sum of the segment it belongs to.
    pub(super) async fn append_after_close(
        &self,
        records: &[UsageRecord],
    ) -> Result<Vec<Appended>, StoreError> {
        let mut written = records.to_vec();
        for record in &mut written {
            let row = self.inner.segment(record.tenant, record.segment.id).await?;
            if row.is_some_and(|row| row.successor.is_some()) {
                for counted in std::mem::take(&mut record.counted) {
                    let key = own(record.segment.id, counted.meter);
                    *self.memory().extra.entry(key).or_default() += counted.quantity.scaled();
                }
            }
        }
        self.inner.append(&written).await
    }

    /// Takes records whose block has been taken back.
    pub(super) async fn readmit(
        &self,
        records: &[UsageRecord],
    ) -> Result<Vec<Appended>, StoreError> {
        let mut answers = self.inner.append(records).await?;
        for (answer, record) in answers.iter_mut().zip(records) {
            if *answer == Appended::Refused(Refusal::LeaseClosed) {
                let mut free = record.clone();
                free.spent.iter_mut().for_each(|spent| spent.lease = None);
                *answer = self.inner.append(&[free]).await?[0];
            }
        }
        Ok(answers)
    }

    /// Writes what it was given the last time.
    pub(super) async fn answer_first(
        &self,
        records: &[UsageRecord],
    ) -> Result<Vec<Appended>, StoreError> {
        let before = self.waiting.lock().unwrap().clone();
        if !before.is_empty() {
            self.inner.append(&before).await?;
        }
        *self.waiting.lock().unwrap() = records.to_vec();
        Ok(vec![Appended::New; records.len()])
    }

    /// Takes all that has come since the batch was made for reported.
    pub(super) async fn seal_to_the_watermark(&self, batch: &Batch) -> Result<Sealed, StoreError> {
        let sealed = self.inner.seal(batch).await?;
        let sums = self.inner.sums(batch.tenant, batch.key.segment).await?;
        let sum = sums.iter().find(|sum| sum.key == batch.key);
        if let Some(total) = sum.map(|sum| sum.total)
            && sealed == Sealed::New
            && total > batch.to
        {
            let rest = Batch {
                id: Batch::identity(batch.key, (batch.to, total), None),
                from: batch.to,
                to: total,
                ..batch.clone()
            };
            self.memory().hidden.insert(rest.id);
            self.inner.seal(&rest).await?;
        }
        Ok(sealed)
    }

    /// Ticks operations off before they are done.
    pub(super) async fn tick_off(&self, claimed: &[(Intent, u64)]) -> Result<(), StoreError> {
        for (intent, fence) in claimed {
            let id: ChangeSetId = ChangeSetId::derived(&[&self.dice.below(u64::MAX).to_be_bytes()]);
            let mut change = ChangeSet::new(id, intent.due_at);
            change.finished.push(Finished {
                intent: intent.id,
                fence: *fence,
                parked_because: None,
            });
            self.inner.apply(&change).await?;
            self.memory().ticked_off.insert(intent.id);
        }
        Ok(())
    }

    /// Expects every row in the version that it is in.
    pub(super) async fn expect_anything(&self, change: &mut ChangeSet) -> Result<(), StoreError> {
        for write in &mut change.writes {
            if let Expected::Version(expected) = &mut write.expected {
                let row = &mut write.row;
                if let Some(known) = self.inner.row(row.tenant, row.kind, row.id).await? {
                    *expected = known.version;
                    row.version = known.version + 1;
                }
            }
        }
        Ok(())
    }
}
