//! Reads logs and hands on their calls, in order and a chunk at a time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::BufRead;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use super::intake::{Intake, Read, Wanted};
use super::order::{Call, HELD_MAX};
use super::source::Source;

/// Calls one after the other, and the consumers that were met for the first time.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) consumers: Vec<Arc<str>>,
    pub(super) calls: Vec<Call>,
}

/// Calls of a chunk.
const CHUNK: usize = 4_096;

/// Reads logs side by side, each to its end, and hands every chunk of their calls to each of `to`.
///
/// Calls are in the order of their times, whatever the order of the logs; those of one instant as their
/// logs begin, and as their lines stand there.
///
/// # Errors
/// [`Unheard`].
pub(super) fn read<R: BufRead>(
    logs: Vec<R>,
    wanted: Wanted,
    to: Vec<SyncSender<Arc<Chunk>>>,
    progress: &mut dyn FnMut(u64),
) -> Result<Read, Unheard> {
    let mut intake = Intake::new(wanted, progress);
    let held_max = HELD_MAX.checked_div(logs.len()).unwrap_or(HELD_MAX);
    let sources = logs.into_iter().enumerate();
    let mut begun: Vec<(Call, Source<R>)> = sources
        .filter_map(|(file, log)| {
            let mut source = Source::new(file, log, held_max);
            Some((source.next(&mut intake)?, source))
        })
        .collect();
    begun.sort_by_key(|(first, _)| (first.at, first.file));
    let turns = begun.iter().enumerate();
    let mut turns: BinaryHeap<_> = turns
        .map(|(place, (first, _))| Reverse((first.at, place)))
        .collect();
    let mut sender = Sender {
        to,
        chunk: Chunk::default(),
    };
    while let Some(Reverse((_, place))) = turns.pop() {
        let Some((call, source)) = begun.get_mut(place) else {
            continue;
        };
        let made = match source.next(&mut intake) {
            Some(next) => {
                turns.push(Reverse((next.at, place)));
                std::mem::replace(call, next)
            }
            None => call.clone(),
        };
        sender.hand_on(made, &mut intake)?;
    }
    sender.send()?;
    Ok(intake.read)
}

/// Nobody takes the calls any more.
#[derive(Debug)]
pub(super) struct Unheard;

struct Sender {
    to: Vec<SyncSender<Arc<Chunk>>>,
    chunk: Chunk,
}

impl Sender {
    fn hand_on(&mut self, mut call: Call, intake: &mut Intake<'_>) -> Result<(), Unheard> {
        self.chunk.consumers.extend(intake.meet(&mut call));
        self.chunk.calls.push(call);
        if self.chunk.calls.len() < CHUNK {
            return Ok(());
        }
        self.send()
    }

    fn send(&mut self) -> Result<(), Unheard> {
        let chunk = Arc::new(std::mem::take(&mut self.chunk));
        for to in &self.to {
            to.send(Arc::clone(&chunk)).map_err(|_| Unheard)?;
        }
        Ok(())
    }
}
