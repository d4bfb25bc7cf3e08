//! One person's values along the log, drawn as small multiples.

use credence_agent::protocol::ValuesView;
use credence_memory::ids::{PersonId, Seq};
use plotters::prelude::*;

use crate::exit::WrongInput;
use crate::front::axis_of_picture;

const COLUMNS: usize = 4;
const PANEL: (u32, u32) = (260, 180);
const TITLE_HEIGHT: u32 = 34;

/// Means and 90% intervals after each piece of evidence, one panel a value, all on one scale.
pub(super) fn draw(person: &PersonId, steps: &[(Seq, ValuesView)]) -> anyhow::Result<String> {
    let Some((_, first)) = steps.first() else {
        anyhow::bail!(WrongInput(format!("there is no evidence of {person} to draw")));
    };
    let values = first.values.len();
    // One axis for every picture, longer only where a belief would not fit.
    let axis = steps.iter().map(|(_, v)| axis_of_picture(v)).fold(0.0, f64::max);
    let (low, high) = (-axis, axis);
    let columns = values.clamp(1, COLUMNS);
    let rows = values.div_ceil(columns);
    let size = (PANEL.0 * columns as u32, PANEL.1 * rows as u32 + TITLE_HEIGHT);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let title = format!("{person}: values beside their own average after each piece of evidence, 90% intervals");
        let root = root.titled(&title, ("sans-serif", 16))?;
        for (k, panel) in root.split_evenly((rows, columns)).iter().enumerate().take(values) {
            // The prior stands at 0.
            let prior = &first.values[k];
            let mut line = vec![(0, prior.prior_mean, prior.prior_low, prior.prior_high)];
            let later = steps.iter().zip(1u32..).map(|((_, v), n)| (n, &v.values[k]));
            line.extend(later.map(|(n, v)| (n, v.mean, v.low, v.high)));
            let mut chart = ChartBuilder::on(panel)
                .margin(6)
                .caption(&prior.name, ("sans-serif", 13))
                .x_label_area_size(20)
                .y_label_area_size(34)
                .build_cartesian_2d(0..steps.len() as u32, low..high)?;
            chart.configure_mesh().x_labels(5).y_labels(5).light_line_style(TRANSPARENT).draw()?;
            let inside = |x: f64| x.clamp(low, high);
            let upper = line.iter().map(|(n, _, _, high)| (*n, inside(*high)));
            let band: Vec<_> = upper.chain(line.iter().rev().map(|(n, _, low, _)| (*n, inside(*low)))).collect();
            chart.draw_series([Polygon::new(band, BLUE.mix(0.2))])?;
            chart.draw_series(LineSeries::new([(0, 0.0), (steps.len() as u32, 0.0)], BLACK.mix(0.5)))?;
            chart.draw_series(LineSeries::new(line.iter().map(|(n, mean, ..)| (*n, *mean)), &BLUE))?;
        }
        root.present()?;
    }
    Ok(svg)
}
