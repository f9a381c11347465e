//! Facts: [`Rows`] and [`Directory`](monetization_core::store::Directory).

use monetization_core::store::{Applied, Expected, Kind, Row, Rows, Write};

use super::Bench;

/// What was written is what is read, down to the last field, with its place in the sequence.
pub async fn a_new_row_is_read_back_as_it_was_written(bench: &Bench) {
    let store = bench.open().await;
    let tenant = bench.sample.id();
    let row = bench.sample.row(tenant, Kind::Product);
    let mut change = bench.sample.change();
    change.writes = vec![Write {
        row: row.clone(),
        expected: Expected::Absent,
    }];
    assert_eq!(store.apply(&change).await.unwrap(), Applied::New);
    let read = store.row(tenant, Kind::Product, row.id).await.unwrap().unwrap();
    assert!(read.seq > 0);
    assert_eq!(Row { seq: 0, ..read }, row);
}
