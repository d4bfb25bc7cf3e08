//! The command line of the table.

use std::path::PathBuf;
use std::str::FromStr;

use credence_glass::{AuditOptions, Plan};
use serde::Serialize;

/// What is to be run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Options {
    pub(crate) plan: Plan,
    pub(crate) first_seed: u64,
    pub(crate) seeds: u64,
    pub(crate) rows: usize,
    pub(crate) held_out: usize,
    pub(crate) width: usize,
    pub(crate) narrow: Vec<usize>,
    pub(crate) k: usize,
    pub(crate) steps: usize,
    pub(crate) learning_rate: f32,
    pub(crate) revival: f32,
    pub(crate) log: f32,
    pub(crate) complement: f32,
    pub(crate) learned: f32,
    pub(crate) too_strong: f32,
    pub(crate) bandwidth: f32,
    pub(crate) penalty: f32,
    pub(crate) audit: AuditOptions,
    pub(crate) methods: Option<Vec<String>>,
    pub(crate) choose_lines: bool,
    pub(crate) out: PathBuf,
}

impl Options {
    pub(crate) const HELP: &str = "table [options]
  --seeds N --first-seed N      worlds (5 from seed 1)
  --features N --dimension D    the world; also --parents --children --child-share --rate-max
                                --exponent --correlation --factors --noise --apart
  --rows N --held-out N         rows to train on and to measure on
  --width W --narrow A,B        widths; --narrow none leaves out the narrow ones
  --k K --steps N --rate X      entries in a row, steps, learning rate
  --revival X                   weight of the loss that revives dead entries
  --log S --complement S --learned S --too-strong S    strengths of prices
  --bandwidth X --penalty X     JumpReLU
  --meta-share X --meta-k N --meta-steps N             the audit's meta-autoencoder
  --methods A,B                 only these
  --choose-lines                print the detectors' lines of best F1 (for seeds that are not reported)
  --out FILE                    FILE.tables.md and FILE.json are written";

    /// Reads options; nothing where help is asked for.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>) -> Result<Option<Self>, String> {
        let mut o = Self {
            plan: Plan::default(),
            first_seed: 1,
            seeds: 5,
            rows: 32_768,
            held_out: 16_384,
            width: 128,
            narrow: vec![32, 64],
            k: 4,
            steps: 3000,
            learning_rate: 3e-3,
            revival: 0.3,
            log: 0.3,
            complement: 0.3,
            learned: 0.3,
            too_strong: 3.0,
            bandwidth: 1.0,
            penalty: 1.0,
            audit: AuditOptions::default(),
            methods: None,
            choose_lines: false,
            out: PathBuf::from("table"),
        };
        let mut arguments = arguments;
        while let Some(name) = arguments.next() {
            if name == "--help" {
                return Ok(None);
            }
            if name == "--choose-lines" {
                o.choose_lines = true;
                continue;
            }
            let value = arguments.next().ok_or(format!("{name} needs a value"))?;
            match name.as_str() {
                "--seeds" => o.seeds = number(&name, &value)?,
                "--first-seed" => o.first_seed = number(&name, &value)?,
                "--features" => o.plan.features = number(&name, &value)?,
                "--dimension" => o.plan.dimension = number(&name, &value)?,
                "--parents" => o.plan.parents = number(&name, &value)?,
                "--children" => o.plan.children = number(&name, &value)?,
                "--child-share" => o.plan.child_share = number(&name, &value)?,
                "--rate-max" => o.plan.rate_max = number(&name, &value)?,
                "--exponent" => o.plan.exponent = number(&name, &value)?,
                "--correlation" => o.plan.correlation = number(&name, &value)?,
                "--factors" => o.plan.factors = number(&name, &value)?,
                "--apart" => o.plan.apart_steps = number(&name, &value)?,
                "--noise" => o.plan.noise_sd = number(&name, &value)?,
                "--rows" => o.rows = number(&name, &value)?,
                "--held-out" => o.held_out = number(&name, &value)?,
                "--width" => o.width = number(&name, &value)?,
                "--narrow" if value == "none" => o.narrow = Vec::new(),
                "--narrow" => o.narrow = value.split(',').map(|x| number(&name, x)).collect::<Result<_, _>>()?,
                "--k" => o.k = number(&name, &value)?,
                "--steps" => o.steps = number(&name, &value)?,
                "--rate" => o.learning_rate = number(&name, &value)?,
                "--revival" => o.revival = number(&name, &value)?,
                "--log" => o.log = number(&name, &value)?,
                "--complement" => o.complement = number(&name, &value)?,
                "--learned" => o.learned = number(&name, &value)?,
                "--too-strong" => o.too_strong = number(&name, &value)?,
                "--bandwidth" => o.bandwidth = number(&name, &value)?,
                "--penalty" => o.penalty = number(&name, &value)?,
                "--meta-share" => o.audit.meta_share = number(&name, &value)?,
                "--meta-k" => o.audit.meta_k = number(&name, &value)?,
                "--meta-steps" => o.audit.meta_steps = number(&name, &value)?,
                "--methods" => o.methods = Some(value.split(',').map(str::to_owned).collect()),
                "--out" => o.out = PathBuf::from(value),
                _ => return Err(format!("no option {name}; see --help")),
            }
        }
        Ok(Some(o))
    }
}

fn number<T: FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name}: {value:?} is not a number that fits"))
}
