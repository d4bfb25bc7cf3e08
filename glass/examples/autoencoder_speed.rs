//! Training steps per second of top-k, as one line of JSON.
//!
//! `cargo run --release -p credence-glass --example autoencoder_speed -- DIMENSION WIDTH K BATCH STEPS`; `RAYON_NUM_THREADS` sets the threads.

#![expect(clippy::print_stdout, reason = "a command talks to its user")]

use std::error::Error;
use std::ops::ControlFlow;
use std::time::Instant;

use credence_glass::{Kind, Plan, Settings, generate, train};

fn main() -> Result<(), Box<dyn Error>> {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|x| x.parse()).collect::<Result<_, _>>()?;
    let [dimension, width, k, batch, steps] = numbers[..] else {
        return Err("speed DIMENSION WIDTH K BATCH STEPS".into());
    };
    let plan = Plan { dimension, features: 2 * dimension, parents: 0, apart_steps: 0, ..Plan::default() };
    let sample = generate(&plan, 1)?.sample(8 * batch, 2)?;
    let warm_up = 3;
    // Revival is off, as in the script that this is compared with.
    let mut settings = Settings { batch, revival: 0.0, ..Settings::new(Kind::TopK, width, k) };
    settings.steps = steps + warm_up;
    let (mut start, mut seconds) = (None, 0.0);
    train(&sample.data, &settings, 3, |progress| {
        let start = start.get_or_insert_with(Instant::now);
        if progress.step == warm_up {
            *start = Instant::now();
        }
        seconds = start.elapsed().as_secs_f64();
        ControlFlow::Continue(())
    })?;
    let result = serde_json::json!({
        "dimension": dimension, "width": width, "k": k, "batch": batch, "steps": steps,
        "threads": rayon::current_num_threads(), "steps_per_second": steps as f64 / seconds,
    });
    println!("{result}");
    Ok(())
}
