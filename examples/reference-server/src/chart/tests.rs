use proptest::prelude::*;

use super::axis::Ticks;
use super::svg::escape;
use super::*;

fn lines(points: Vec<(i64, i64)>, name: &str) -> LineChart {
    LineChart {
        title: name.to_owned(),
        x: Axis::new(name, 0),
        y: Axis::new(name, 2),
        lines: vec![Line {
            name: name.to_owned(),
            points,
        }],
        marks: vec![Mark {
            at: (0, 0),
            text: name.to_owned(),
        }],
    }
}

fn bars(values: Vec<i64>, name: &str) -> BarChart {
    BarChart {
        title: name.to_owned(),
        y: Axis::new(name, 2),
        names: vec![name.to_owned(); values.len()],
        bars: vec![Bars {
            name: name.to_owned(),
            values,
        }],
    }
}

/// The elements of a document, without its texts; fails where they do not nest.
fn elements(svg: &str) -> Vec<&str> {
    let (mut open, mut all) = (Vec::new(), Vec::new());
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        assert!(!text.contains('>'), "{part}");
        match tag.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed)),
            None => {
                let name = tag.split(' ').next().unwrap();
                all.push(name);
                if !tag.ends_with('/') {
                    open.push(name);
                }
            }
        }
    }
    assert_eq!(open, Vec::<&str>::new());
    all
}

#[test]
fn values_are_shown_with_their_decimals_and_thousands() {
    let money = Axis::new("USD", 2);
    for (value, text) in [
        (0, "0"),
        (5, "0.05"),
        (100, "1"),
        (123_456_789, "1,234,567.89"),
        (-250, "-2.50"),
    ] {
        assert_eq!(money.show(value), text);
    }
    assert_eq!(
        Axis::new("", 0).show(i64::MIN),
        "-9,223,372,036,854,775,808"
    );
}

#[test]
fn ticks_are_round_and_enclose_the_values() {
    let all = |values: &[i64], many| {
        Ticks::over(values.iter().copied(), many)
            .all()
            .collect::<Vec<_>>()
    };
    assert_eq!(all(&[0, 4_321], 5), [0, 1_000, 2_000, 3_000, 4_000, 5_000]);
    assert_eq!(all(&[-3, 17], 5), [-5, 0, 5, 10, 15, 20]);
    assert_eq!(all(&[], 5), [0, 1]);
}

#[test]
fn texts_of_others_stay_texts() {
    let hostile = "</text><script>alert('x')</script>\"&\u{0}\u{1b}";
    assert_eq!(
        escape(hostile),
        "&lt;/text&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;\u{fffd}\u{fffd}"
    );
    for svg in [
        lines(vec![(0, 0), (1, 1)], hostile).svg(),
        bars(vec![1], hostile).svg(),
    ] {
        assert!(!elements(&svg).contains(&"script"));
    }
}

#[test]
fn a_chart_is_drawn_for_light_and_dark_and_tells_what_it_shows() {
    let svg = lines(vec![(0, 0), (10, 100)], "cost").svg();
    assert!(svg.contains("prefers-color-scheme:dark") && svg.contains("role=\"img\""));
    assert!(svg.contains("<desc>cost over cost: cost. cost</desc>"));
    assert!(
        !svg.contains("http://") || svg.matches("http://").count() == 1,
        "only the namespace"
    );
}

proptest! {
    #[test]
    fn any_values_and_texts_make_a_document(
        points in prop::collection::vec((any::<i64>(), any::<i64>()), 0..20), name in ".{0,20}",
    ) {
        let values = points.iter().map(|(_, y)| *y).collect();
        elements(&lines(points, &name).svg());
        elements(&bars(values, &name).svg());
    }

    #[test]
    fn ticks_enclose_any_values(values in prop::collection::vec(any::<i64>(), 1..5), many in 1_i128..9) {
        let ticks = Ticks::over(values.iter().copied(), many);
        for value in values {
            let place = ticks.place(value, (0, 1_000));
            prop_assert!((0..=1_000).contains(&place), "{} at {}", value, place);
        }
        prop_assert!(ticks.all().count() <= 22);
    }
}
