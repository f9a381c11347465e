//! The command `replay`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use super::files::Files;
use super::{Log, Offer, Replay, ReplayError, TraceTo, tell};
use crate::access_log::{Opened, open};
use crate::cli::ReplayArgs;
use crate::plan_choice::PlanChoice;

/// Replays what the command line says and tells what it comes to; answers whether
/// [it is whole](super::Report::is_whole).
///
/// Files that are written are opened before anything is read, and none that is read is written.
///
/// # Errors
/// [`ReplayError`].
pub fn command(args: &ReplayArgs, mut out: impl Write) -> Result<bool, ReplayError> {
    let plan = PlanChoice::new(&args.plan);
    let other = args.compare.as_deref().map(PlanChoice::new);
    let mut replay = Replay {
        consumer_by: args.consumer_by.clone(),
        plan: Offer::chosen(&plan)?,
        compare: other.as_ref().map(Offer::chosen).transpose()?,
        trace: None,
    };
    let mut files = Files::default();
    let (mut logs, mut progress) = (Vec::new(), Progress::default());
    for path in &args.files {
        files.read(path)?;
        let opened = open(path).map_err(|error| ReplayError::file("open", path, error))?;
        progress.add(&opened);
        logs.push(Log {
            name: path.display().to_string(),
            lines: opened.reader,
        });
    }
    for choice in [Some(plan), other].into_iter().flatten() {
        files.note(&choice.path, "a plan file");
    }
    for path in [&args.trace, &args.html].into_iter().flatten() {
        files.may_write(path)?;
    }
    let mut create = |path: &PathBuf, what| files.create(path, what);
    let trace = args.trace.as_ref().map(|path| create(path, "the trace"));
    replay.trace = trace.transpose()?.map(traced);
    let page = args.html.as_ref().map(|path| create(path, "the page"));
    let page = page.transpose()?;
    let bar = progress.bar();
    let report = replay.run(logs, |lines| progress.show(&bar, lines))?;
    bar.finish_and_clear();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out))
            .map_err(ReplayError::System)?;
    } else {
        tell::tell(&report, args.top, &mut out).map_err(ReplayError::System)?;
    }
    if let (Some(mut file), Some(path)) = (page, &args.html) {
        file.write_all(report.page().as_bytes())
            .map_err(|error| ReplayError::file("write", path, error))?;
    }
    Ok(report.is_whole())
}

fn traced(file: File) -> TraceTo {
    TraceTo(Box::new(BufWriter::new(file)))
}

/// How far the logs were read.
#[derive(Debug, Default)]
struct Progress {
    read: Vec<Arc<AtomicU64>>,
    bytes: u64,
    /// One of them has no end that is known.
    endless: bool,
}

impl Progress {
    fn add(&mut self, log: &Opened) {
        self.read.push(Arc::clone(&log.read_bytes));
        self.bytes = self.bytes.saturating_add(log.bytes.unwrap_or_default());
        self.endless |= log.bytes.is_none();
    }

    /// A bar for a terminal; nothing is shown elsewhere.
    fn bar(&self) -> ProgressBar {
        let (bar, template) = if self.endless {
            (ProgressBar::new_spinner(), "{spinner} {msg}")
        } else {
            let template = "{wide_bar} {bytes}/{total_bytes} {eta}  {msg}";
            (ProgressBar::new(self.bytes), template)
        };
        match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        }
    }

    fn show(&self, bar: &ProgressBar, lines: u64) {
        let read = self.read.iter().map(|read| read.load(Ordering::Relaxed));
        bar.set_position(read.fold(0, u64::saturating_add));
        bar.set_message(format!("{lines} lines"));
    }
}
