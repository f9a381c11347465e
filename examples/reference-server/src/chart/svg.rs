//! The text of an SVG, and the frame that every chart stands in.

use super::axis::{Axis, Ticks};

/// Lengths are tenths of a pixel.
pub(super) const WIDTH: i64 = 7_600;
pub(super) const HEIGHT: i64 = 4_200;

/// Colours that a chart has before it begins with the first again.
const COLOURS: usize = 4;

const STYLE: &str = "\
.chart{--ground:#ffffff;--ink:#1f2937;--faint:#6b7280;--grid:#e5e7eb;\
--c0:#2563eb;--c1:#c2410c;--c2:#047857;--c3:#7e22ce;\
font:12px system-ui,sans-serif;background:var(--ground);max-width:100%;height:auto}\
@media (prefers-color-scheme:dark){.chart{--ground:#111827;--ink:#f3f4f6;--faint:#9ca3af;--grid:#374151;\
--c0:#60a5fa;--c1:#fb923c;--c2:#34d399;--c3:#c084fc}}\
.chart .ground{fill:var(--ground)}.chart text{fill:var(--ink)}.chart .faint{fill:var(--faint)}\
.chart .title{font-size:16px;font-weight:600}.chart .grid{stroke:var(--grid)}.chart .axis{stroke:var(--faint)}\
.chart .mark{stroke:var(--ink);stroke-dasharray:3 3}.chart .dot{fill:var(--ink);stroke:var(--ground);stroke-width:2}\
.chart .note{font-weight:600;paint-order:stroke;stroke:var(--ground);stroke-width:5;stroke-linejoin:round}\
.chart .line{fill:none;stroke-width:2.5;stroke-linejoin:round}\
.chart .s0{stroke:var(--c0)}.chart .s1{stroke:var(--c1);stroke-dasharray:8 4}\
.chart .s2{stroke:var(--c2);stroke-dasharray:2 4}.chart .s3{stroke:var(--c3);stroke-dasharray:10 4 2 4}\
.chart .b0{fill:var(--c0)}.chart .b1{fill:var(--c1)}.chart .b2{fill:var(--c2)}.chart .b3{fill:var(--c3)}";

/// An SVG that is being written.
#[derive(Debug)]
pub(super) struct Svg(String);

/// Where a text begins, relative to its place.
#[derive(Debug, Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    /// With a title, and a description for those who do not see it.
    pub(super) fn new(title: &str, description: &str) -> Self {
        let (width, height) = (length(WIDTH), length(HEIGHT));
        let mut svg = Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"chart\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\">\n<title>{}</title>\n<desc>{}</desc>\n\
             <style>{STYLE}</style>\n<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n",
            escape(title),
            escape(description)
        ));
        svg.text((200, 300), "title", Anchor::Start, title);
        svg
    }

    pub(super) fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }

    pub(super) fn push(&mut self, text: &str) {
        self.0.push_str(text);
    }

    pub(super) fn text(&mut self, (x, y): (i64, i64), class: &str, anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y, text) = (length(x), length(y), escape(text));
        let row = format!("<text x=\"{x}\" y=\"{y}\" class=\"{class}\"{anchor}>{text}</text>\n");
        self.push(&row);
    }

    /// A text whose end stands at its place, and which rises towards it.
    pub(super) fn slanted(&mut self, (x, y): (i64, i64), text: &str) {
        let (x, y, text) = (length(x), length(y), escape(text));
        let row = format!(
            "<text class=\"faint\" text-anchor=\"end\" transform=\"translate({x} {y}) rotate(-35)\">{text}</text>\n"
        );
        self.push(&row);
    }

    pub(super) fn line(&mut self, (x1, y1): (i64, i64), (x2, y2): (i64, i64), class: &str) {
        let (x1, y1, x2, y2) = (length(x1), length(y1), length(x2), length(y2));
        let row =
            format!("<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" class=\"{class}\"/>\n");
        self.push(&row);
    }

    /// The names of what is shown, each beside its colour.
    pub(super) fn legend<'a>(&mut self, names: impl Iterator<Item = &'a str>, kind: Legend) {
        let mut x = 200_i64;
        for (place, name) in names.enumerate() {
            let end = x.saturating_add(240);
            match kind {
                Legend::Lines => {
                    let class = format!("line s{}", colour(place));
                    self.line((x, 500), (end, 500), &class);
                }
                Legend::Bars => self.bar((x, 440), (120, 120), colour(place), name),
            }
            self.text((end.saturating_add(60), 540), "", Anchor::Start, name);
            x = end
                .saturating_add(60)
                .saturating_add(text_width(name))
                .saturating_add(240);
        }
    }

    /// A bar with a text that is shown to whoever points at it.
    pub(super) fn bar(&mut self, (x, y): (i64, i64), size: (i64, i64), colour: usize, says: &str) {
        let (x, y, width, height) = (length(x), length(y), length(size.0), length(size.1));
        let says = escape(says);
        let row = format!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" class=\"b{colour}\"><title>{says}</title></rect>\n"
        );
        self.push(&row);
    }
}

/// How names are shown beside their colours.
#[derive(Debug, Clone, Copy)]
pub(super) enum Legend {
    Lines,
    Bars,
}

/// The colour of what is shown as number `place`.
pub(super) fn colour(place: usize) -> usize {
    place.checked_rem(COLOURS).unwrap_or_default()
}

/// Where values stand, and how high.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: i64,
    pub(super) right: i64,
    pub(super) top: i64,
    pub(super) bottom: i64,
    pub(super) ticks: Ticks,
}

/// The room around a plot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    /// At its left, at least.
    pub(super) left_min: i64,
    /// Under it.
    pub(super) below: i64,
}

impl Frame {
    /// Draws the axis of heights and the lines across.
    pub(super) fn draw(svg: &mut Svg, axis: &Axis, ticks: Ticks, room: Room) -> Self {
        let widest = ticks.all().map(|tick| text_width(&axis.show(tick))).max();
        let left = widest.unwrap_or_default().saturating_add(400);
        let frame = Self {
            left: left.max(room.left_min),
            right: WIDTH.saturating_sub(300),
            top: 900,
            bottom: HEIGHT.saturating_sub(room.below),
            ticks,
        };
        for tick in ticks.all() {
            let y = frame.height(tick);
            let class = if tick == 0 { "axis" } else { "grid" };
            svg.line((frame.left, y), (frame.right, y), class);
            let place = (frame.left.saturating_sub(80), y.saturating_add(40));
            svg.text(place, "faint", Anchor::End, &axis.show(tick));
        }
        svg.text((200, 780), "faint", Anchor::Start, &axis.label);
        frame
    }

    /// Where a value stands.
    pub(super) fn height(&self, value: i64) -> i64 {
        self.ticks.place(value, (self.bottom, self.top))
    }
}

/// How long a text is, roughly.
pub(super) fn text_width(text: &str) -> i64 {
    let letters = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    letters.saturating_mul(68)
}

/// Tenths of a pixel as a number of pixels.
pub(super) fn length(tenths: i64) -> String {
    let (whole, rest) = (tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10);
    let sign = if tenths < 0 { "-" } else { "" };
    match rest {
        0 => format!("{sign}{whole}"),
        rest => format!("{sign}{whole}.{rest}"),
    }
}

/// A text as it may stand in XML and HTML, within an element or an attribute. Characters that no
/// document may have are replaced.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            control if control.is_control() => escaped.push('\u{fffd}'),
            plain => escaped.push(plain),
        }
    }
    escaped
}
