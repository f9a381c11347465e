//! The command `replay`.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressStyle};

use super::{Log, Offer, Replay, ReplayError, TraceTo, tell};
use crate::access_log::{Opened, open};
use crate::cli::ReplayArgs;
use crate::plan_choice::PlanChoice;

/// Replays what the command line says and tells what it comes to; answers whether there was a call
/// and every log was read to its end.
///
/// # Errors
/// [`ReplayError`].
pub fn command(args: &ReplayArgs, mut out: impl Write) -> Result<bool, ReplayError> {
    let replay = Replay {
        consumer_by: args.consumer_by.clone(),
        plan: offer(&args.plan)?,
        compare: args.compare.as_deref().map(offer).transpose()?,
        trace: args.trace.as_deref().map(trace_to).transpose()?,
    };
    let (mut logs, mut progress) = (Vec::new(), Progress::default());
    for path in &args.files {
        let opened = open(path).map_err(|error| failed("open", path, error))?;
        progress.add(&opened);
        logs.push(Log {
            name: path.display().to_string(),
            lines: opened.reader,
        });
    }
    let bar = progress.bar();
    let report = replay.run(logs, |lines| progress.show(&bar, lines))?;
    bar.finish_and_clear();
    if let Some(path) = &args.html {
        fs::write(path, report.page()).map_err(|error| failed("write", path, error))?;
    }
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)
            .map_err(std::io::Error::from)
            .and_then(|()| writeln!(out))
            .map_err(ReplayError::System)?;
    } else {
        tell::tell(&report, args.top, &mut out).map_err(ReplayError::System)?;
    }
    Ok(report.is_whole())
}

fn offer(text: &str) -> Result<Offer, ReplayError> {
    Ok(Offer::chosen(&PlanChoice::new(text))?)
}

fn trace_to(path: &Path) -> Result<TraceTo, ReplayError> {
    let file = File::create(path).map_err(|error| failed("write", path, error))?;
    Ok(TraceTo(Box::new(BufWriter::new(file))))
}

fn failed(doing: &'static str, path: &Path, source: std::io::Error) -> ReplayError {
    ReplayError::File {
        doing,
        path: path.display().to_string(),
        source,
    }
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
