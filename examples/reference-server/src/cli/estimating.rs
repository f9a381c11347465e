//! The options of `estimate`.

use std::path::PathBuf;

use clap::Args;

/// What is estimated.
#[derive(Debug, Clone, Default, Args)]
pub struct EstimateArgs {
    /// The plan: a file, with #NAME where it has several plans.
    #[arg(long, value_name = "FILE[#NAME]")]
    pub plan: String,
    /// What is used of a meter in each billing period; as often as there are meters. Of an amount, in how many
    /// equal transactions.
    #[arg(long, value_name = "METER=QUANTITY[/TRANSACTIONS]")]
    pub usage: Vec<String>,
    /// The plan's currency: chooses among plans of several, or checks; nothing is converted.
    #[arg(long, value_name = "CODE")]
    pub currency: Option<String>,
    /// When the subscription begins: an instant or a date [default: one billing period at any time].
    #[arg(long, value_name = "INSTANT", conflicts_with = "compare")]
    pub from: Option<String>,
    /// When it ends: an instant or a date, not in it any more.
    #[arg(long, value_name = "INSTANT", conflicts_with = "compare")]
    pub to: Option<String>,
    /// Another plan, to stand beside the first one.
    #[arg(long, value_name = "FILE[#NAME]")]
    pub compare: Option<String>,
    /// With --compare: the quantities of a meter that are looked at [default: those where the plans differ
    /// in an interesting way].
    #[arg(long, value_name = "METER=FROM..TO", requires = "compare")]
    pub range: Option<String>,
    /// With --compare: write both curves to this file, as SVG.
    #[arg(long, value_name = "FILE", requires = "compare")]
    pub svg: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
