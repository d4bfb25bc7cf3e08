//! Pieces of SVG that figures share: a frame that screen readers can name, colours, escapes.

use std::fmt::Write;

/// Colours of lines, distinguishable in print and to the colour-blind (Okabe and Ito 2008).
pub(super) const COLOURS: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f"];

/// A drawing being made.
pub(super) struct Svg(String);

impl Svg {
    /// An empty drawing; `label` is what a screen reader says of it.
    pub(super) fn new(width: f64, height: f64, label: &str) -> Self {
        Self(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" aria-label=\"{}\">",
            escape(label)
        ))
    }

    pub(super) fn raw(&mut self, piece: std::fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(piece);
    }

    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), style: &str) {
        self.raw(format_args!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" {style}/>",
            from.0, from.1, to.0, to.1
        ));
    }

    /// `anchor`: start, middle or end.
    pub(super) fn text(&mut self, at: (f64, f64), anchor: &str, class: &str, text: &str) {
        self.raw(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" class=\"{class}\">{}</text>",
            at.0,
            at.1,
            escape(text)
        ));
    }

    pub(super) fn path(&mut self, points: &[(f64, f64)], style: &str) {
        let mut d = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            let _ = write!(d, "{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" });
        }
        self.raw(format_args!("<path d=\"{d}\" {style}/>"));
    }

    pub(super) fn finish(mut self) -> String {
        self.0 += "</svg>";
        self.0
    }
}

/// Text made safe for HTML and SVG.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A shade for a share in [0, 1], from light (0) to dark (1), and whether text on it must be white: points of viridis
/// (Smith and van der Walt 2015) from its light end, even to the eye and to the colour-blind.
pub(super) fn shade(share: f64) -> (String, bool) {
    const STOPS: [[f64; 3]; 6] = [
        [253.0, 231.0, 37.0],
        [122.0, 209.0, 81.0],
        [34.0, 168.0, 132.0],
        [42.0, 120.0, 142.0],
        [65.0, 68.0, 135.0],
        [68.0, 1.0, 84.0],
    ];
    let t = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let i = (t as usize).min(STOPS.len() - 2);
    let mix = |k: usize| STOPS[i][k] + (t - i as f64) * (STOPS[i + 1][k] - STOPS[i][k]);
    let luminance = 0.299 * mix(0) + 0.587 * mix(1) + 0.114 * mix(2);
    (format!("rgb({:.0},{:.0},{:.0})", mix(0), mix(1), mix(2)), luminance < 130.0)
}
