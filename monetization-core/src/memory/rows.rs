use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use uuid::Uuid;

use super::{MemoryStore, State};
use crate::clock::Timestamp;
use crate::ids::{ChangeSetId, TenantId};
use crate::store::{
    Applied, ChangeSet, Conflict, Directory, Expected, Kind, Listing, Row, RowKey, Rows,
    StoreError, Unique, Write,
};
use crate::text::{ForeignId, Slug};

#[async_trait]
impl Rows for MemoryStore {
    async fn apply(&self, change: &ChangeSet) -> Result<Applied, StoreError> {
        Ok(self.state().apply(change))
    }

    async fn row(&self, tenant: TenantId, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError> {
        let state = self.state();
        let row = state.facts.rows.get(&(kind, id));
        Ok(row.filter(|row| row.tenant == tenant).cloned())
    }

    async fn rows(&self, tenant: TenantId, listing: &Listing) -> Result<Vec<Row>, StoreError> {
        let state = self.state();
        let (kind, after) = (listing.kind, listing.after);
        let found = listing.key.as_ref().map(|key| {
            let found = state.facts.by_key(key).filter(|row| row.kind == kind);
            found.filter(|row| after.is_none_or(|after| row.id > after))
        });
        let all = found.is_none().then(|| state.facts.of_kind(kind, after));
        let rows = found.into_iter().flatten();
        let rows = rows.chain(all.into_iter().flatten());
        let rows = rows.filter(|row| row.tenant == tenant);
        let limit = listing.limit.min(Listing::LIMIT_MAX);
        Ok(rows.take(limit).cloned().collect())
    }
}

#[async_trait]
impl Directory for MemoryStore {
    async fn find(&self, kind: Kind, id: Uuid) -> Result<Option<Row>, StoreError> {
        Ok(self.state().facts.rows.get(&(kind, id)).cloned())
    }

    async fn find_by(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        if key.index.unique() != Unique::Everywhere {
            return Ok(None);
        }
        Ok(self.state().facts.by_key(key).next().cloned())
    }

    async fn due(
        &self,
        kind: Kind,
        now: Timestamp,
        after: Option<(Timestamp, Uuid)>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let state = self.state();
        let rows = state.facts.of_kind(kind, None);
        let mut due: Vec<&Row> = rows
            .filter(|row| {
                let due =
                    |due_at| due_at <= now && after.is_none_or(|pair| pair < (due_at, row.id));
                row.due_at.is_some_and(due)
            })
            .collect();
        due.sort_by_key(|row| (row.due_at, row.id));
        Ok(due.into_iter().take(limit).cloned().collect())
    }

    async fn changes(&self, after: u64, limit: usize) -> Result<Vec<Row>, StoreError> {
        let state = self.state();
        let facts = &state.facts;
        let later = facts.sequence.range(after.saturating_add(1)..);
        let rows = later.filter_map(|(_, key)| facts.rows.get(key));
        Ok(rows.take(limit).cloned().collect())
    }

    async fn all(
        &self,
        kind: Kind,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let state = self.state();
        let rows = state.facts.of_kind(kind, after);
        Ok(rows.take(limit).cloned().collect())
    }
}

impl State {
    fn apply(&mut self, change: &ChangeSet) -> Applied {
        if self.facts.applied.contains(&change.id) {
            return Applied::Again;
        }
        let written = match self.judge(change) {
            Ok(written) => written,
            Err(conflict) => return Applied::Refused(conflict),
        };
        for row in written {
            self.facts.put(row);
        }
        for closing in &change.closings {
            self.books.close(closing);
        }
        for intent in &change.intents {
            self.intents.add(intent);
        }
        for finished in &change.finished {
            self.intents.end(finished, change.at);
        }
        for overturned in &change.overturned {
            self.outgoing.overturn(overturned);
        }
        self.facts.inbox.extend(change.inbox.clone());
        self.facts.applied.insert(change.id);
        Applied::New
    }

    /// The rows that the change leaves behind, in the order they are written; or what stands
    /// against it.
    fn judge(&self, change: &ChangeSet) -> Result<Vec<Row>, Conflict> {
        let mark = change.inbox.as_ref();
        if mark.is_some_and(|mark| self.facts.inbox.contains(mark)) {
            return Err(Conflict::Seen);
        }
        let mut draft = Draft::default();
        for write in &change.writes {
            self.facts.judge(write, &draft)?;
            draft.put(&write.row);
        }
        for finished in &change.finished {
            if !self.intents.is_held_under(finished.intent, finished.fence) {
                return Err(Conflict::Fenced {
                    intent: finished.intent,
                });
            }
        }
        Ok(draft.written)
    }
}

type Place = (Kind, Uuid);

/// Rows, and three ways to find them: by key, by place in the change sequence, by kind and id.
#[derive(Debug, Default)]
pub(super) struct Facts {
    rows: BTreeMap<Place, Row>,
    keys: BTreeMap<RowKey, BTreeSet<Place>>,
    /// The latest place of each row in the change sequence.
    sequence: BTreeMap<u64, Place>,
    last_seq: u64,
    applied: BTreeSet<ChangeSetId>,
    inbox: BTreeSet<(Slug, ForeignId)>,
}

/// What the earlier writes of a change have made of its rows.
#[derive(Debug, Default)]
struct Draft {
    written: Vec<Row>,
    latest: BTreeMap<Place, usize>,
}

impl Draft {
    fn put(&mut self, row: &Row) {
        self.latest.insert((row.kind, row.id), self.written.len());
        self.written.push(row.clone());
    }

    fn row(&self, place: Place) -> Option<&Row> {
        self.latest.get(&place).and_then(|at| self.written.get(*at))
    }
}

impl Facts {
    fn of_kind(&self, kind: Kind, after: Option<Uuid>) -> impl Iterator<Item = &Row> {
        let first = (kind, after.unwrap_or(Uuid::nil()));
        let rows = self.rows.range(first..=(kind, Uuid::max()));
        rows.map(|(_, row)| row)
            .filter(move |row| after.is_none_or(|after| row.id > after))
    }

    fn by_key<'a>(&'a self, key: &RowKey) -> impl Iterator<Item = &'a Row> + use<'a> {
        let places = self.keys.get(key).into_iter().flatten();
        places.filter_map(|place| self.rows.get(place))
    }

    fn judge(&self, write: &Write, draft: &Draft) -> Result<(), Conflict> {
        let row = &write.row;
        let place = (row.kind, row.id);
        let current = draft.row(place).or_else(|| self.rows.get(&place));
        let fits = match (current, write.expected) {
            (None, Expected::Absent) => true,
            (Some(current), Expected::Version(version)) => {
                current.tenant == row.tenant && current.version == version
            }
            (None, Expected::Version(_)) | (Some(_), Expected::Absent) => false,
        };
        if !fits {
            return Err(Conflict::Version {
                kind: row.kind,
                id: row.id,
            });
        }
        for key in &row.keys {
            if let Some(holder) = self.holder(key, row, draft) {
                return Err(Conflict::Taken {
                    index: key.index,
                    value: key.value.clone(),
                    holder: holder.id,
                });
            }
        }
        Ok(())
    }

    /// Another row that stands in the way of this key.
    fn holder<'a>(&'a self, key: &RowKey, row: &Row, draft: &'a Draft) -> Option<&'a Row> {
        if key.index.unique() == Unique::No {
            return None;
        }
        let drafted = draft.latest.keys().filter_map(|place| draft.row(*place));
        let kept = self
            .by_key(key)
            .filter(|other| draft.row((other.kind, other.id)).is_none());
        drafted
            .filter(|other| other.keys.contains(key))
            .chain(kept)
            .filter(|other| (other.kind, other.id) != (row.kind, row.id))
            .find(|other| match key.index.unique() {
                Unique::No => false,
                Unique::InTenant => other.tenant == row.tenant,
                Unique::Everywhere => true,
            })
    }

    fn put(&mut self, mut row: Row) {
        let place = (row.kind, row.id);
        self.last_seq = self.last_seq.saturating_add(1);
        row.seq = self.last_seq;
        if let Some(before) = self.rows.remove(&place) {
            self.sequence.remove(&before.seq);
            for key in &before.keys {
                if let Some(places) = self.keys.get_mut(key) {
                    places.remove(&place);
                }
            }
        }
        for key in &row.keys {
            self.keys.entry(key.clone()).or_default().insert(place);
        }
        self.sequence.insert(row.seq, place);
        self.rows.insert(place, row);
    }
}
