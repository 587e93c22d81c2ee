//! Bar charts as SVG.
//!
//! In: names and figures. Out: one horizontal bar a contender, shortest first, on a logarithmic
//! scale where the figures are far apart; the figure stands beside each bar. Never: a colour that
//! only one kind of page background can show.

use super::{Section, short};

const WIDTH: f64 = 800.0;
const BAR: f64 = 18.0;
const STEP: f64 = 26.0;
const LEFT: f64 = 300.0;
const RIGHT: f64 = 90.0;
const TOP: f64 = 46.0;

/// From how far apart figures go on a logarithmic scale.
const LOG_FROM: f64 = 8.0;

/// The chart of one section.
pub(super) fn bars(section: &Section) -> String {
    let figures = &section.figures;
    let mut bars: Vec<(usize, f64)> = (0..figures.names.len())
        .map(|lane| (lane, figures.median(lane)))
        .filter(|(_, value)| value.is_finite() && *value > 0.0)
        .collect();
    bars.sort_by(|one, other| one.1.total_cmp(&other.1));
    let least = bars.first().map_or(1.0, |bar| bar.1);
    let most = bars.last().map_or(1.0, |bar| bar.1);
    let is_log = most / least > LOG_FROM;
    let scale = Scale::new(least, most, is_log);
    let height = TOP + STEP * bars.len() as f64 + 34.0;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"12\" y=\"24\" font-size=\"15\" font-weight=\"bold\" fill=\"#1f2933\">{}</text>\n",
        escaped(&section.title)
    );
    let bottom = TOP + STEP * bars.len() as f64;
    for tick in scale.ticks() {
        let x = scale.x(tick);
        text.push_str(&format!(
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\" stroke=\"#d5dbe1\"/>\n\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"11\" fill=\"#52606d\">{}</text>\n",
            bottom + 14.0,
            tick_text(tick)
        ));
    }
    for (row, (lane, value)) in bars.iter().enumerate() {
        let y = TOP + STEP * row as f64 + (STEP - BAR) / 2.0;
        let width = (scale.x(*value) - LEFT).max(1.0);
        let name = &figures.names[*lane];
        let colour = if name.starts_with("fulcrum") {
            "#d9480f"
        } else if name.starts_with("floor") {
            "#868e96"
        } else {
            "#4c78a8"
        };
        text.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#1f2933\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#1f2933\">{}</text>\n",
            LEFT - 8.0,
            y + 13.5,
            escaped(name),
            LEFT + width + 6.0,
            y + 13.5,
            short(*value)
        ));
    }
    let kind = if is_log { ", logarithmic scale" } else { "" };
    text.push_str(&format!(
        "<text x=\"{LEFT}\" y=\"{:.1}\" font-size=\"11\" fill=\"#52606d\">{}{kind}; shorter is better</text>\n</svg>\n",
        bottom + 29.0,
        escaped(section.unit)
    ));
    text
}

/// From figures to places.
struct Scale {
    low: f64,
    high: f64,
    is_log: bool,
}

impl Scale {
    fn new(least: f64, most: f64, is_log: bool) -> Self {
        let (low, high) = if is_log {
            // The shortest bar still has a length.
            ((least / 2.0).log10(), most.log10())
        } else {
            (0.0, most)
        };
        Self { low, high, is_log }
    }

    fn x(&self, value: f64) -> f64 {
        let place = if self.is_log { value.log10() } else { value };
        LEFT + (WIDTH - LEFT - RIGHT) * (place - self.low) / (self.high - self.low).max(1e-9)
    }

    fn ticks(&self) -> Vec<f64> {
        if self.is_log {
            let decades = self.low.ceil() as i32..=self.high.floor() as i32;
            return decades.map(|decade| 10f64.powi(decade)).collect();
        }
        let step = [1.0, 2.0, 5.0]
            .into_iter()
            .flat_map(|digit| (-1..9).map(move |decade| digit * 10f64.powi(decade)))
            .filter(|step| self.high / step <= 6.0)
            .fold(f64::INFINITY, f64::min);
        let mut ticks = vec![0.0];
        while ticks.len() < 8 && ticks[ticks.len() - 1] + step <= self.high {
            ticks.push(ticks[ticks.len() - 1] + step);
        }
        ticks
    }
}

fn tick_text(value: f64) -> String {
    if value >= 1.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
