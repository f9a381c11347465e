use std::io::BufRead;

use super::intake::{Intake, LeftOut};
use super::leaps::Leaps;
use super::order::{Call, Order, Placed};
use crate::access_log::Lines;

/// One log: its calls in the order of their times.
#[derive(Debug)]
pub(super) struct Source<R> {
    /// Which of the files it is, from 0.
    file: usize,
    lines: Lines<R>,
    leaps: Leaps,
    order: Order,
    is_read: bool,
}

impl<R: BufRead> Source<R> {
    /// The log that is number `file`, of which so many calls may be held back at once.
    pub(super) fn new(file: usize, from: R, held_max: usize) -> Self {
        Self {
            file,
            lines: Lines::new(from),
            leaps: Leaps::default(),
            order: Order::holding(held_max),
            is_read: false,
        }
    }

    /// The next call that none of this log can come before any more. What is no call is told to
    /// `intake`.
    pub(super) fn next(&mut self, intake: &mut Intake<'_>) -> Option<Call> {
        loop {
            if let Some(call) = self.order.next() {
                return Some(call);
            }
            if self.is_read {
                return self.order.rest();
            }
            self.read(intake);
        }
    }

    /// Reads a line. That the log breaks off is noted, and what was read until then counts.
    fn read(&mut self, intake: &mut Intake<'_>) {
        match self.lines.next() {
            Ok(Some(line)) => {
                let number = line.number;
                match intake.call(self.file, &line) {
                    Ok(call) => self.leaps.put(call),
                    Err(why) => intake.leave_out(why, self.file, number),
                }
            }
            Ok(None) => self.is_read = true,
            Err(error) => {
                intake.read.broken_off.push((self.file, error.to_string()));
                self.is_read = true;
            }
        }
        while let Some(known) = self.leaps.next(self.is_read) {
            match known {
                Ok(call) => self.put(call, intake),
                Err(odd) => intake.leave_out(LeftOut::Leap, self.file, odd.line),
            }
        }
    }

    fn put(&mut self, call: Call, intake: &mut Intake<'_>) {
        let read = &mut intake.read;
        read.calls = read.calls.saturating_add(1);
        match self.order.put(call) {
            Placed::InTime => {}
            Placed::Late => read.late = read.late.saturating_add(1),
            Placed::Crowded => read.crowded = read.crowded.saturating_add(1),
        }
    }
}
