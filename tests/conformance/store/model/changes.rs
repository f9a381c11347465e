use monetization_core::ids::TenantId;
use monetization_core::intent::Intent;
use monetization_core::store::{
    Applied, ChangeSet, Expected, Index, Kind, Row, RowKey, Store, Write,
};
use uuid::Uuid;

use super::world::World;
use crate::sample::text;
use crate::store::steps::{insert, update};

/// What was written of facts.
#[derive(Debug, Default)]
pub(super) struct Facts {
    changes: Vec<ChangeSet>,
    rows: Vec<(Kind, Uuid)>,
    intents: Vec<Intent>,
}

impl Facts {
    /// A change that fits more often than not, or one that was sent before.
    pub(super) async fn change(&self, world: &World, model: &dyn Store) -> ChangeSet {
        if let (true, Some(known)) = (world.rarely(8), world.any(&self.changes)) {
            return known.clone();
        }
        let of = world.subscriber();
        let mut change = world.sample.change();
        for _ in 0..world.sample.below(4) {
            let write = self.write(world, model, of.tenant).await;
            change.writes.push(write);
        }
        if world.rarely(6) {
            let month = u32::try_from(world.sample.below(2)).unwrap();
            change.closings.push(of.closing(month));
        }
        if world.rarely(3) {
            let known = world.any(&self.intents).filter(|_| world.rarely(4));
            change.intents.push(match known {
                Some(known) => known.clone(),
                None => Intent {
                    due_at: world.moment(),
                    ..world.sample.intent(of.tenant)
                },
            });
        }
        change.finished.extend(world.finished());
        change.overturned.extend(world.overturned());
        if world.rarely(6) {
            let event = format!("evt_{}", world.sample.below(40));
            change.inbox = Some((text("mock"), text(&event)));
        }
        change
    }

    pub(super) fn learn(&mut self, change: ChangeSet, applied: &Applied) {
        if *applied == Applied::New {
            let rows = change.writes.iter().map(|write| &write.row);
            self.rows.extend(rows.map(|row| (row.kind, row.id)));
            self.intents.extend(change.intents.clone());
        }
        self.changes.push(change);
    }

    async fn write(&self, world: &World, model: &dyn Store, tenant: TenantId) -> Write {
        let known = world.any(&self.rows).filter(|_| !world.rarely(3));
        let Some((kind, id)) = known else {
            return insert(&made_over(world, world.sample.row(tenant, any_kind(world))));
        };
        let row = model.find(*kind, *id).await.unwrap().unwrap();
        let mut write = update(&made_over(world, row));
        write.row.seq = 0;
        if world.rarely(10) {
            write.expected = Expected::Absent;
        } else if world.rarely(10) {
            write.expected = Expected::Version(write.row.version);
        }
        write
    }
}

fn any_kind(world: &World) -> Kind {
    *world.any(&Kind::ALL).unwrap()
}

/// The row with other keys and another due date. There is at most one key that can be taken:
/// which of two is told of is a store's own affair.
fn made_over(world: &World, mut row: Row) -> Row {
    let unique = [Index::ProductSlug, Index::ReferenceExternal];
    let shared = [Index::PlansOfProduct, Index::InvoicesOfConsumer];
    row.keys.clear();
    if world.rarely(2) {
        let value = world.sample.below(30);
        row.keys
            .push(RowKey::new(*world.any(&unique).unwrap(), value));
    }
    if world.rarely(2) {
        let value = world.sample.below(3);
        row.keys
            .push(RowKey::new(*world.any(&shared).unwrap(), value));
    }
    row.due_at = Some(world.moment()).filter(|_| world.rarely(2));
    row
}
