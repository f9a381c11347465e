//! Lines over a quantity.

use std::fmt::Write;

use super::axis::{Axis, Ticks};
use super::svg::{Anchor, Frame, HEIGHT, Legend, Room, Svg, colour, length, text_width};

/// Lines over a quantity, with points that are worth knowing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct LineChart {
    /// What it shows.
    pub title: String,
    /// What runs from left to right.
    pub x: Axis,
    /// What rises.
    pub y: Axis,
    /// The lines; the first four have colours of their own.
    pub lines: Vec<Line>,
    /// Points with a note each.
    pub marks: Vec<Mark>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Line {
    /// What it is of.
    pub name: String,
    /// Where it goes, from left to right.
    pub points: Vec<(i64, i64)>,
}

/// A point with a note.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "complete by definition")]
pub struct Mark {
    /// Where it is.
    pub at: (i64, i64),
    /// What is to be known.
    pub text: String,
}

impl LineChart {
    /// The chart as SVG.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut svg = Svg::new(&self.title, &self.description());
        svg.legend(
            self.lines.iter().map(|line| line.name.as_str()),
            Legend::Lines,
        );
        let points = || self.lines.iter().flat_map(|line| line.points.iter());
        let heights = points().map(|(_, y)| *y).chain([0]);
        let room = Room {
            left_min: 0,
            below: 800,
        };
        let frame = Frame::draw(&mut svg, &self.y, Ticks::over(heights, 5), room);
        let across = Ticks::over(points().map(|(x, _)| *x), 6);
        let at = |(x, y): (i64, i64)| {
            let x = across.place(x, (frame.left, frame.right));
            (x, frame.height(y))
        };
        self.draw_quantities(&mut svg, &frame, across);
        for (place, line) in self.lines.iter().enumerate() {
            let mut path = String::new();
            for (step, point) in line.points.iter().enumerate() {
                let (x, y) = at(*point);
                let command = if step == 0 { 'M' } else { 'L' };
                let written = write!(path, "{command}{} {}", length(x), length(y));
                debug_assert!(written.is_ok(), "a string takes what is written to it");
            }
            svg.push(&format!(
                "<path d=\"{path}\" class=\"line s{}\"/>\n",
                colour(place)
            ));
        }
        for (place, mark) in self.marks.iter().enumerate() {
            draw_mark(&mut svg, &frame, at(mark.at), (place, &mark.text));
        }
        svg.finish()
    }

    /// The quantities under the plot.
    fn draw_quantities(&self, svg: &mut Svg, frame: &Frame, across: Ticks) {
        for tick in across.all() {
            let x = across.place(tick, (frame.left, frame.right));
            svg.line(
                (x, frame.bottom),
                (x, frame.bottom.saturating_add(50)),
                "axis",
            );
            let place = (x, frame.bottom.saturating_add(220));
            svg.text(place, "faint", Anchor::Middle, &self.x.show(tick));
        }
        svg.line(
            (frame.left, frame.bottom),
            (frame.right, frame.bottom),
            "axis",
        );
        let middle = frame.left.midpoint(frame.right);
        let place = (middle, HEIGHT.saturating_sub(200));
        svg.text(place, "faint", Anchor::Middle, &self.x.label);
    }

    /// What can be seen, in words.
    fn description(&self) -> String {
        let names: Vec<&str> = self.lines.iter().map(|line| line.name.as_str()).collect();
        let notes: Vec<&str> = self.marks.iter().map(|mark| mark.text.as_str()).collect();
        let mut said = format!(
            "{} over {}: {}",
            self.y.label,
            self.x.label,
            names.join(", ")
        );
        if !notes.is_empty() {
            said.push_str(". ");
            said.push_str(&notes.join(". "));
        }
        said
    }
}

/// A line down to the quantity, and the note where there is room for it.
fn draw_mark(svg: &mut Svg, frame: &Frame, (x, y): (i64, i64), (place, text): (usize, &str)) {
    svg.line((x, frame.top), (x, frame.bottom), "mark");
    let (cx, cy) = (length(x), length(y));
    svg.push(&format!(
        "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"5\" class=\"dot\"/>\n"
    ));
    let row = i64::try_from(place).unwrap_or_default().saturating_mul(200);
    let height = frame.top.saturating_add(150).saturating_add(row);
    let fits = x.saturating_add(text_width(text)) < frame.right;
    let (x, anchor) = if fits {
        (x.saturating_add(80), Anchor::Start)
    } else {
        (x.saturating_sub(80), Anchor::End)
    };
    svg.text((x, height), "note", anchor, text);
}
