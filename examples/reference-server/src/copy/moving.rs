//! The move itself.

use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};
use monetization_core::entropy::Entropy;
use monetization_core::store::StoreError;
use monetization_core::store::moving::{Part, Total};
use monetization_store_postgres::{Import, PostgresOptions};
use monetization_store_sqlite::{Export, SqliteOptions};

use super::{CopyError, failed};
use crate::table::{self, Column, thousands};

/// Rows of a page.
const PAGE: u32 = 2_000;
const COLUMNS: [Column; 3] = [
    Column::Left("table"),
    Column::Right("rows"),
    Column::Right("adding up to"),
];

/// Moves all that is left to be moved, compares it, and lets servers open it.
///
/// # Errors
/// [`CopyError`].
pub(super) async fn run(
    from: &SqliteOptions,
    to: &PostgresOptions,
    out: &mut impl Write,
) -> Result<(), CopyError> {
    let place = to.place();
    let at_source = |error| failed(&from.path().display(), error);
    let at_target = |error| failed(&place, error);
    let begun = Export::begin(from, &Entropy::system(), &place).await;
    let mut export = begun.map_err(at_source)?;
    let mut import = Import::begin(to, export.id()).await.map_err(at_target)?;
    if import.is_ended() {
        export.end().await.map_err(at_source)?;
        writeln!(out, "it was moved to {place} before")?;
        return Ok(());
    }
    let totals = totals(&mut export).await.map_err(at_source)?;
    let bar = bar(&totals);
    while let Some((part, after)) = import.place() {
        bar.set_message(part.table());
        let page = export.page(part, after.as_deref(), PAGE).await;
        let page = page.map_err(at_source)?;
        import.take(part, &page).await.map_err(at_target)?;
        bar.inc(page.count);
    }
    bar.finish_and_clear();
    for (part, sent) in &totals {
        let arrived = import.total(*part).await.map_err(at_target)?;
        if arrived != *sent {
            return Err(CopyError::Differs {
                table: part.table(),
                sent: sent.count,
                sent_amount: sent.amount,
                arrived: arrived.count,
                arrived_amount: arrived.amount,
                place,
            });
        }
    }
    import.end().await.map_err(at_target)?;
    export.end().await.map_err(at_source)?;
    tell(&totals, &place, out)
}

async fn totals(export: &mut Export) -> Result<Vec<(Part, Total)>, StoreError> {
    let mut totals = Vec::with_capacity(Part::ALL.len());
    for part in Part::ALL {
        totals.push((part, export.total(part).await?));
    }
    Ok(totals)
}

/// A bar for a terminal; nothing is shown elsewhere. A move that goes on begins where it was broken off.
fn bar(totals: &[(Part, Total)]) -> ProgressBar {
    let rows = totals.iter().map(|(_, total)| total.count);
    let rows = rows.fold(0_i64, i64::saturating_add);
    let bar = ProgressBar::new(u64::try_from(rows).unwrap_or_default());
    let style = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} {eta}  {msg}");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn tell(totals: &[(Part, Total)], place: &str, out: &mut impl Write) -> Result<(), CopyError> {
    let rows = totals.iter().map(|(part, total)| {
        let amount = part.amount().map_or_else(String::new, |column| {
            let digits = thousands(&total.amount.unsigned_abs().to_string());
            let sign = if total.amount < 0 { "-" } else { "" };
            format!("{column} {sign}{digits}")
        });
        let rows = thousands(&total.count.to_string());
        vec![part.table().to_owned(), rows, amount]
    });
    for line in table::lines(&COLUMNS, &rows.collect::<Vec<_>>()) {
        writeln!(out, "{line}")?;
    }
    writeln!(
        out,
        "\nall of it is at {place}, counted and added up. Start servers with it and with the pepper of this \
         one (--pepper-file), and look once: reference-server check"
    )?;
    Ok(())
}
