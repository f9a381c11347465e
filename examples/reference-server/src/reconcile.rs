//! The command `reconcile`: what was reported, against what the provider has counted.

use std::io::{self, Write};

use monetization_core::flows::{self, Credentials, Difference, FlowError, ReconcileReport};
use monetization_core::store::StoreError;

use crate::beside::{self, BesideError};
use crate::recurring::COMPARED;
use crate::report;
use crate::schedule::tenants;
use crate::settings::ProviderSettings;
use crate::table::{self, Column};

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// The database or the provider cannot be had.
    #[error(transparent)]
    Beside(#[from] BesideError),
    /// The database does not answer any more.
    #[error("failed to read the database")]
    Store(#[from] StoreError),
    /// A tenant's use cannot be compared at all.
    #[error("failed to compare")]
    Flow(#[from] FlowError),
    /// Nothing can be printed.
    #[error("failed to talk to the operating system")]
    System(#[from] io::Error),
}

/// Compares every tenant's use, and tells `out` of it. Answers whether the provider has counted what was
/// reported to it.
///
/// # Errors
/// [`ReconcileError`].
pub async fn reconcile(
    settings: &ProviderSettings,
    mut out: impl Write,
) -> Result<bool, ReconcileError> {
    let credentials = Credentials::default();
    let by = flows::Settings {
        credentials: credentials.clone(),
        ..flows::Settings::default()
    };
    let monetizer = beside::open(settings, by).await?;
    beside::sign_in(settings, (&credentials, &**monetizer.store())).await;
    let mut reports = Vec::new();
    for tenant in tenants(&**monetizer.store()).await? {
        let since = monetizer.now().saturating_sub(COMPARED);
        match monetizer.reconcile(tenant, since).await {
            Ok(report) => reports.push((tenant.to_string(), report)),
            Err(error @ FlowError::Unable { .. }) => {
                writeln!(
                    out,
                    "{tenant}: nothing is compared: {}",
                    report::chain(&error)
                )?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    tell(&reports, &mut out)?;
    let agrees = |report: &ReconcileReport| report.differing.is_empty() && report.failed.is_empty();
    Ok(reports.iter().all(|(_, report)| agrees(report)))
}

fn tell(reports: &[(String, ReconcileReport)], out: &mut impl Write) -> io::Result<()> {
    let counts = reports.iter().map(|(tenant, report)| {
        let [compared, differing, decided, failed] = [
            report.compared,
            report.differing.len(),
            report.decided.len(),
            report.failed.len(),
        ]
        .map(|count| count.to_string());
        vec![tenant.clone(), compared, differing, decided, failed]
    });
    print(&COUNTS, &counts.collect::<Vec<_>>(), out)?;
    let all = || reports.iter().map(|(_, report)| report);
    let differing = all().flat_map(|report| &report.differing).map(difference);
    print(&DIFFERENCES, &differing.collect::<Vec<_>>(), out)?;
    let decided = all().flat_map(|report| &report.decided);
    let decided =
        decided.map(|(batch, fate)| vec![batch.to_string(), fate.state().as_str().to_owned()]);
    print(&DECISIONS, &decided.collect::<Vec<_>>(), out)?;
    let failed = all().flat_map(|report| &report.failed);
    let failed = failed.map(|(subscription, why)| vec![subscription.to_string(), why.clone()]);
    print(&FAILURES, &failed.collect::<Vec<_>>(), out)
}

/// Quantities are in the meter's scale.
fn difference(of: &Difference) -> Vec<String> {
    vec![
        of.subscription.to_string(),
        of.meter.to_string(),
        of.period.start.to_string(),
        of.counted.scaled().to_string(),
        of.confirmed.scaled().to_string(),
        of.perhaps.scaled().to_string(),
    ]
}

const COUNTS: [Column; 5] = [
    Column::Left("tenant"),
    Column::Right("compared"),
    Column::Right("differ"),
    Column::Right("decided"),
    Column::Right("failed"),
];
const DIFFERENCES: [Column; 6] = [
    Column::Left("differs"),
    Column::Left("meter"),
    Column::Left("period from"),
    Column::Right("counted"),
    Column::Right("confirmed"),
    Column::Right("perhaps"),
];
const DECISIONS: [Column; 2] = [Column::Left("decided batch"), Column::Left("is")];
const FAILURES: [Column; 2] = [Column::Left("not compared"), Column::Left("because")];

/// A table, where there is anything in it.
fn print(columns: &[Column], rows: &[Vec<String>], out: &mut impl Write) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    for line in table::lines(columns, rows) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)
}
