//! Bars over names.

use super::axis::{Axis, Ticks};
use super::svg::{Anchor, Frame, Legend, Room, Svg, colour, text_width};

/// Bars over names, side by side where there are several of one name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct BarChart {
    /// What it shows.
    pub title: String,
    /// What rises; below 0 what falls.
    pub y: Axis,
    /// The names, from left to right.
    pub names: Vec<String>,
    /// What is shown of each name; the first four have colours of their own.
    pub bars: Vec<Bars>,
}

/// One bar for each name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Bars {
    /// What they are of.
    pub name: String,
    /// A value for each name, in their order; what is left out is 0.
    pub values: Vec<i64>,
}

/// Letters of a name under the plot.
const NAME_LETTERS: usize = 16;

impl BarChart {
    /// The chart as SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut svg = Svg::new(&self.title, &self.description());
        if self.bars.len() > 1 {
            svg.legend(
                self.bars.iter().map(|bars| bars.name.as_str()),
                Legend::Bars,
            );
        }
        let values = self
            .bars
            .iter()
            .flat_map(|bars| bars.values.iter().copied());
        let ticks = Ticks::over(values.chain([0]), 5);
        let names = || self.names.iter().map(|name| shortened(name));
        let slot = self.slot(0, 1_000);
        let is_slanted = names().any(|name| text_width(&name) > slot.width);
        let room = if is_slanted {
            // The first name begins before the plot: at 35 degrees by most of its length.
            let first = names().next().map_or(0, |name| text_width(&name));
            Room {
                left_min: (first.saturating_mul(9) / 10).saturating_sub(slot.width / 2),
                below: 1_100,
            }
        } else {
            Room {
                left_min: 0,
                below: 500,
            }
        };
        let frame = Frame::draw(&mut svg, &self.y, ticks, room);
        for place in 0..self.names.len() {
            self.draw_bars(&mut svg, &frame, place);
        }
        let every = self.names.len().div_ceil(24).max(1);
        for (place, name) in names().enumerate().step_by(every) {
            let slot = self.slot(place, frame.left);
            let middle = slot.left.saturating_add(slot.width / 2);
            if is_slanted {
                svg.slanted((middle, frame.bottom.saturating_add(160)), &name);
            } else {
                let at = (middle, frame.bottom.saturating_add(220));
                svg.text(at, "faint", Anchor::Middle, &name);
            }
        }
        svg.finish()
    }

    /// The room of one name, where the plot begins at `left`.
    fn slot(&self, place: usize, left: i64) -> Slot {
        let right = super::svg::WIDTH.saturating_sub(300);
        let count = i64::try_from(self.names.len().max(1)).unwrap_or(i64::MAX);
        let place = i64::try_from(place).unwrap_or(i64::MAX);
        let whole = right.saturating_sub(left);
        let at = |place: i64| {
            let way = whole.saturating_mul(place).checked_div(count);
            left.saturating_add(way.unwrap_or_default())
        };
        let (start, end) = (at(place), at(place.saturating_add(1)));
        Slot {
            left: start,
            width: end.saturating_sub(start),
        }
    }

    fn draw_bars(&self, svg: &mut Svg, frame: &Frame, place: usize) {
        let slot = self.slot(place, frame.left);
        let name = self.names.get(place).map_or("", String::as_str);
        let count = i64::try_from(self.bars.len().max(1)).unwrap_or(i64::MAX);
        // A fifth of the room keeps names apart.
        let room = slot.width.saturating_mul(4) / 5;
        let width = room.checked_div(count).unwrap_or_default().max(5);
        let mut x = slot.left.saturating_add(slot.width / 10);
        let ground = frame.height(0);
        for (number, bars) in self.bars.iter().enumerate() {
            let value = bars.values.get(place).copied().unwrap_or_default();
            let end = frame.height(value);
            let (top, height) = (end.min(ground), end.abs_diff(ground));
            let height = i64::try_from(height).unwrap_or_default();
            let says = format!("{name}: {} {}", self.y.show(value), bars.name);
            svg.bar((x, top), (width, height), colour(number), &says);
            x = x.saturating_add(width);
        }
    }

    /// What can be seen, in words.
    fn description(&self) -> String {
        let names: Vec<&str> = self.bars.iter().map(|bars| bars.name.as_str()).collect();
        let (what, over) = (&self.y.label, self.names.len());
        format!("{what}, {} of {over} names", names.join(", "))
    }
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    left: i64,
    width: i64,
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_LETTERS {
        return name.to_owned();
    }
    let begin: String = name.chars().take(NAME_LETTERS.saturating_sub(1)).collect();
    format!("{begin}…")
}
