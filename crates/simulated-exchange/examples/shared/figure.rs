//! Line charts as SVG.
//!
//! In: series of points, titles. Out: one SVG text, the same for the same points. Never: a font
//! or a file that it needs.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 46.0;
const COLOURS: [&str; 6] = [
    "#1f5fbf", "#c8501e", "#2e8b57", "#8a4fbf", "#777777", "#b8860b",
];

/// One line with its name; what is recorded is drawn whole, what is generated broken.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) dashed: bool,
}

/// A chart.
pub(crate) struct Figure<'a> {
    pub(crate) title: &'a str,
    pub(crate) x: &'a str,
    pub(crate) y: &'a str,
    /// Powers of ten on the axes.
    pub(crate) log: (bool, bool),
}

struct Scale {
    low: f64,
    high: f64,
    log: bool,
}

impl Scale {
    fn over(values: impl Iterator<Item = f64>, log: bool) -> Self {
        let usable = values.filter(|value| value.is_finite() && (!log || *value > 0.0));
        let (low, high) = usable.fold((f64::MAX, f64::MIN), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return Self {
                low: 0.0,
                high: 1.0,
                log: false,
            };
        }
        let (low, high) = if log {
            (
                10f64.powf(low.log10().floor()),
                10f64.powf(high.log10().ceil()),
            )
        } else {
            (low.min(0.0), if high > low { high } else { low + 1.0 })
        };
        Self {
            low,
            high: if high > low { high } else { low * 10.0 },
            log,
        }
    }

    fn place(&self, value: f64) -> f64 {
        if self.log {
            (value.max(self.low) / self.low).log10() / (self.high / self.low).log10()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }

    fn marks(&self) -> Vec<f64> {
        if self.log {
            let decades = (self.high / self.low).log10().round() as i32;
            return (0..=decades)
                .map(|decade| self.low * 10f64.powi(decade))
                .collect();
        }
        let rough = (self.high - self.low) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|mark| mark as f64 * step).collect()
    }
}

impl Figure<'_> {
    /// The chart as a text.
    pub(crate) fn draw(&self, series: &[Series]) -> String {
        let points = || series.iter().flat_map(|one| one.points.iter().copied());
        let across = Scale::over(points().map(|point| point.0), self.log.0);
        let up = Scale::over(points().map(|point| point.1), self.log.1);
        let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        let x = |value: f64| LEFT + width * across.place(value);
        let y = |value: f64| TOP + height * (1.0 - up.place(value));
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"11\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
             <text x=\"{LEFT}\" y=\"16\" font-size=\"13\">{}</text>\n",
            self.title
        );
        for mark in across.marks() {
            let (at, end) = (x(mark), HEIGHT - BOTTOM);
            let _ = writeln!(
                out,
                "<path d=\"M{at:.1} {TOP}V{end}\" stroke=\"#e4e4e4\"/>\
                 <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                end + 14.0,
                short(mark)
            );
        }
        for mark in up.marks() {
            let at = y(mark);
            let _ = writeln!(
                out,
                "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#e4e4e4\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                LEFT - 5.0,
                at + 4.0,
                short(mark)
            );
        }
        self.lines(&mut out, series, x, y);
        let _ = write!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n\
             <text x=\"{LEFT}\" y=\"{:.1}\">{}</text>\n</svg>\n",
            LEFT + width / 2.0,
            HEIGHT - 10.0,
            self.x,
            TOP - 6.0,
            self.y
        );
        out
    }

    /// Each line, and its name in the corner.
    fn lines(
        &self,
        out: &mut String,
        series: &[Series],
        x: impl Fn(f64) -> f64,
        y: impl Fn(f64) -> f64,
    ) {
        for (index, one) in series.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let dash = if one.dashed {
                " stroke-dasharray=\"5 3\""
            } else {
                ""
            };
            let usable = one
                .points
                .iter()
                .filter(|point| (!self.log.0 || point.0 > 0.0) && (!self.log.1 || point.1 > 0.0));
            let line: Vec<String> = usable
                .map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1)))
                .collect();
            let (legend_x, legend_y) = (WIDTH - RIGHT - 130.0, TOP + 12.0 + 14.0 * index as f64);
            let _ = writeln!(
                out,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" \
                 stroke-width=\"1.8\"{dash}/>\
                 <path d=\"M{legend_x:.1} {legend_y:.1}h18\" stroke=\"{colour}\" \
                 stroke-width=\"1.8\"{dash}/><text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                line.join(" "),
                legend_x + 22.0,
                legend_y + 4.0,
                one.name
            );
        }
    }
}

fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if (0.001..100_000.0).contains(&size) {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        format!("{value:e}")
    }
}
