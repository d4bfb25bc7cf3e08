//! Prints the tables of docs/results/approvals.md: `approvals_table OWNERS LENGTH [FIRST_SEED]`, Markdown on standard output, then JSON.
//!
//! Acts of the test split, owners of seeds 1 and on (settings were chosen on the train split and seeds from 10000 on).
#![allow(clippy::print_stdout, clippy::print_stderr)]

use credence_approvals::simulate::{
    Interval, Kind, Outcome, Owner, Policy, Split, bootstrap, clopper_pearson_upper, parse_acts, run, settings_of_acts,
};
use credence_approvals::{Bound, Settings};
use rayon::prelude::*;
use serde_json::json;

const QUESTION_COSTS: [f64; 6] = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2];
const KINDS: [Kind; 5] = [Kind::Average, Kind::Strict, Kind::Loose, Kind::Changing, Kind::Misspecified];

struct Row {
    name: String,
    bound: Option<(Bound, f64)>,
    runs: Vec<(Kind, Outcome)>,
}

impl Row {
    fn ratio(&self, f: impl Fn(&Outcome) -> (f64, f64)) -> Interval {
        bootstrap(&self.runs.iter().map(|(_, o)| f(o)).collect::<Vec<_>>())
    }

    /// Mean loss of an act, a violation costing 1 and a question `cost`.
    fn loss(&self, cost: f64) -> Interval {
        self.ratio(|o| ((cost * o.asked as f64 + o.violations as f64) / o.acts as f64, 1.0))
    }

    /// The most the true risk of the policy was at any checkpoint, of owners who keep their mind; before the change, of
    /// others.
    fn worst(kind: Kind, o: &Outcome, bound: Bound) -> f64 {
        let until = if kind == Kind::Changing { o.acts as usize / 2 } else { usize::MAX };
        let risk = |p: &credence_approvals::simulate::Point| match bound {
            Bound::OfRefused => p.of_refused,
            Bound::OfPassed => p.of_passed,
        };
        o.points.iter().filter(|p| p.acts < until || until == usize::MAX).map(risk).fold(0.0, f64::max)
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<u64> = std::env::args().skip(1).map(|a| a.parse()).collect::<Result<_, _>>()?;
    let [owners, length, rest @ ..] = arguments.as_slice() else {
        return Err("usage: approvals_table OWNERS LENGTH [FIRST_SEED]".into());
    };
    let first = rest.first().copied().unwrap_or(1);
    let acts = parse_acts(include_str!("../data/acts.jsonl"))?;
    let pool: Vec<_> = acts.iter().filter(|act| act.split == Split::Test).collect();
    let mut policies = vec![
        ("always ask".to_owned(), None, Policy::AlwaysAsk),
        ("five approvals of a tool".to_owned(), None, Policy::FiveApprovals),
    ];
    let base = settings_of_acts();
    let later: Vec<f64> = (6..19).map(|k| 0.05 * f64::from(k)).collect();
    for (bound, share_max) in
        [(Bound::OfRefused, 0.01), (Bound::OfRefused, 0.05), (Bound::OfRefused, 0.1), (Bound::OfPassed, 0.05)]
    {
        let grid = if bound == Bound::OfPassed { later.clone() } else { base.threshold_quantiles.clone() };
        let settings = Settings { bound, share_max, threshold_quantiles: grid, ..base.clone() };
        let name = if bound == Bound::OfPassed { "of passed" } else { "of refused" };
        let policy = Policy::Learned(Box::new(settings));
        policies.push((format!("learned, {} {name}", share_max), Some((bound, share_max)), policy));
    }
    for most in [0.02, 0.05, 0.1, 0.2] {
        let policy = Policy::FixedThreshold(Box::new(base.clone()), most);
        // What a bound of 5% of refused would have made of it.
        policies.push((format!("fixed threshold {most}"), Some((Bound::OfRefused, 0.05)), policy));
    }
    if pool.iter().any(|act| act.model_says.is_some()) {
        policies.push(("the model's own yes or no".to_owned(), None, Policy::ModelSays));
    }
    let mut rows = Vec::new();
    for (name, bound, policy) in policies {
        let one = |seed: u64| {
            let owner = Owner::new(seed);
            run(&owner, &pool, &policy, *length as usize).map(|outcome| (owner.kind, outcome))
        };
        let runs = (first..first + owners).into_par_iter().map(one).collect::<Result<_, _>>()?;
        let row = Row { name, bound, runs };
        // A long run tells what it has.
        eprintln!("{}", json!({"policy": row.name, "summary": summary(&row), "kinds": kinds(&row)}));
        rows.push(row);
    }
    println!("{owners} owners from seed {first}, {length} acts each, {} acts in the pool\n", pool.len());
    savings(&rows);
    held(&rows);
    blockers(&rows);
    utility(&rows);
    let rows: Vec<_> =
        rows.iter().map(|row| json!({"policy": row.name, "summary": summary(row), "kinds": kinds(row)})).collect();
    println!(
        "\n{}",
        serde_json::to_string(&json!({"owners": owners, "length": length, "first": first, "rows": rows}))?
    );
    Ok(())
}

fn savings(rows: &[Row]) {
    println!("| policy | approvals saved | saved in the last state | violations of refused | violations of passed |");
    println!("|---|---|---|---|---|");
    for row in rows {
        let saved = row.ratio(|o| ((o.acts - o.asked) as f64, o.acts as f64));
        let last = row.ratio(|o| (o.points.last().map_or(0.0, |p| p.passes), 1.0));
        let of_refused = row.ratio(|o| (o.violations as f64, o.refused as f64));
        let of_passed = row.ratio(|o| (o.violations as f64, (o.acts - o.asked) as f64));
        println!("| {} | {saved} | {last} | {of_refused} | {of_passed} |", row.name);
    }
}

fn held(rows: &[Row]) {
    println!(
        "\n| policy | owners | bound held | missed at most (95%) | other reading held | realised share held | worst risk | passed anything | withdrawals | audit bound broken |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for row in rows {
        let Some((bound, most)) = row.bound else { continue };
        let other = if bound == Bound::OfRefused { Bound::OfPassed } else { Bound::OfRefused };
        for kind in [None, Some(KINDS[0]), Some(KINDS[1]), Some(KINDS[2]), Some(KINDS[3]), Some(KINDS[4])] {
            let runs: Vec<_> = row.runs.iter().filter(|(k, _)| kind.is_none_or(|kind| kind == *k)).collect();
            let count = |f: &dyn Fn(Kind, &Outcome) -> bool| runs.iter().filter(|(k, o)| f(*k, o)).count() as u64;
            let (n, kept) = (runs.len() as u64, count(&|k, o| Row::worst(k, o, bound) <= most));
            let others = count(&|k, o| Row::worst(k, o, other) <= most);
            let realised = count(&|_, o| {
                let per = if bound == Bound::OfRefused { o.refused } else { o.acts - o.asked };
                o.violations as f64 <= most * per as f64
            });
            let worst = runs.iter().map(|(k, o)| Row::worst(*k, o, bound)).fold(0.0, f64::max);
            let name = kind.map_or("all".to_owned(), |kind| format!("{kind:?}").to_lowercase());
            println!(
                "| {} | {name} ({n}) | {kept} | {:.3} | {others} | {realised} | {worst:.3} | {} | {} | {} |",
                row.name,
                clopper_pearson_upper(n - kept, n),
                count(&|_, o| o.first_pass.is_some()),
                runs.iter().map(|(_, o)| o.withdrawals).sum::<u32>(),
                count(&|_, o| o.audit_bound_broken)
            );
        }
    }
}

fn blockers(rows: &[Row]) {
    println!(
        "\n| policy | blockers asked (recall) | asked that are blockers (precision) | Ask-F1 |\n|---|---|---|---|"
    );
    for row in rows {
        let recall = row.ratio(|o| (o.late[2] as f64, o.late[1] as f64));
        let precision = row.ratio(|o| (o.late[2] as f64, o.late[0] as f64));
        let f1 = row.ratio(|o| (2.0 * o.late[2] as f64, (o.late[0] + o.late[1]) as f64));
        println!("| {} | {recall} | {precision} | {f1} |", row.name);
    }
}

fn utility(rows: &[Row]) {
    let head: Vec<String> = QUESTION_COSTS.iter().map(|cost| format!("{cost}")).collect();
    println!(
        "\n| mean loss of an act at a question's cost of | {} |\n|---|{}",
        head.join(" | "),
        "---|".repeat(head.len())
    );
    for row in rows {
        let losses: Vec<String> = QUESTION_COSTS.iter().map(|cost| format!("{:.4}", row.loss(*cost).mean)).collect();
        println!("| {} | {} |", row.name, losses.join(" | "));
    }
    let least = |fixed: bool, cost: f64| {
        let of = rows.iter().filter(|row| row.name.starts_with(if fixed { "fixed" } else { "learned" }));
        of.map(|row| row.loss(cost).mean).fold(f64::INFINITY, f64::min)
    };
    for (name, fixed) in [("best fixed threshold, in hindsight", true), ("best learned, in hindsight", false)] {
        let losses: Vec<String> = QUESTION_COSTS.iter().map(|cost| format!("{:.4}", least(fixed, *cost))).collect();
        println!("| {name} | {} |", losses.join(" | "));
    }
}

fn summary(row: &Row) -> serde_json::Value {
    json!({
        "saved": row.ratio(|o| ((o.acts - o.asked) as f64, o.acts as f64)),
        "violations_of_refused": row.ratio(|o| (o.violations as f64, o.refused as f64)),
        "violations_of_passed": row.ratio(|o| (o.violations as f64, (o.acts - o.asked) as f64)),
        "ask_f1": row.ratio(|o| (2.0 * o.late[2] as f64, (o.late[0] + o.late[1]) as f64)),
        "loss": QUESTION_COSTS.map(|cost| (cost, row.loss(cost))),
    })
}

fn kinds(row: &Row) -> serde_json::Value {
    let of = |kind: Kind| {
        let runs: Vec<_> = row.runs.iter().filter(|(k, _)| *k == kind).map(|(_, o)| o).collect();
        let sum = |f: &dyn Fn(&Outcome) -> u64| runs.iter().map(|o| f(o)).sum::<u64>();
        let late = |o: &Outcome| o.points.last().copied().unwrap_or_default();
        json!({
            "kind": kind, "owners": runs.len(), "acts": sum(&|o| o.acts), "asked": sum(&|o| o.asked),
            "refused": sum(&|o| o.refused), "violations": sum(&|o| o.violations),
            "last_of_refused": runs.iter().map(|o| late(o).of_refused).collect::<Vec<_>>(),
        })
    };
    json!(KINDS.map(of))
}
