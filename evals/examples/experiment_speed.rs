//! How fast cells of a convergence experiment run, and how that grows: `experiment_speed [repeats]`, JSON on standard output.
//!
//! A cell is one simulated person asked all questions and measured seven times. The base has 5 weights, 40 questions, 24
//! candidates a question, 18 hypotheses; each row changes one number.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::time::Instant;

use credence_evals::experiment::{BUILT_IN, Experiment, LearnerKind};
use rayon::prelude::*;
use serde_json::json;

fn main() -> Result<(), Box<dyn Error>> {
    let repeats: u64 = std::env::args().nth(1).map_or(Ok(8), |n| n.parse())?;
    let (_, file) = BUILT_IN.iter().find(|(name, _)| *name == "region").ok_or("region is built in")?;
    let mut base = Experiment::parse(file)?;
    base.seeds = (1..=repeats).collect();
    base.prior[0].angle_degrees = vec![60.0];
    base.prior[0].confidence = vec![0.8];
    base.person[0].signal = vec![5.0];
    let mut rows = vec![("base".to_owned(), base.clone())];
    for d in [10, 20, 40] {
        rows.push((format!("{d} weights"), Experiment { dimension: d, ..base.clone() }));
    }
    for n in [20, 80, 160] {
        let measured_at = (0..=6).map(|k| k * n / 6).collect();
        rows.push((format!("{n} questions"), Experiment { questions: n, measured_at, ..base.clone() }));
    }
    for pool in [6, 96] {
        rows.push((format!("{pool} candidates"), Experiment { pool, ..base.clone() }));
    }
    rows.push(("8 times the people".into(), Experiment { seeds: (1..=8 * repeats).collect(), ..base.clone() }));
    for (name, experiment) in rows {
        for learner in [LearnerKind::Mixture, LearnerKind::SinglePrior] {
            let experiment = Experiment { learners: vec![learner], ..experiment.clone() };
            let cells = experiment.cells();
            let begun = Instant::now();
            cells.par_iter().map(|cell| experiment.run(cell)).collect::<Result<Vec<_>, _>>()?;
            let seconds = begun.elapsed().as_secs_f64();
            let questions = cells.len() * experiment.questions;
            println!(
                "{}",
                json!({
                    "row": name,
                    "learner": learner.name(),
                    "cells": cells.len(),
                    "threads": rayon::current_num_threads(),
                    "cells_a_second": cells.len() as f64 / seconds,
                    "milliseconds_a_question_and_core": 1e3 * seconds * rayon::current_num_threads() as f64 / questions as f64,
                })
            );
        }
    }
    Ok(())
}
