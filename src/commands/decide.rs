//! `credence decide`: act, ask or defer between given alternatives.

pub(crate) mod together;

use credence_agent::bank::BankAlternative;
use credence_agent::decide::{Bars, Decided, decide, record};
use credence_agent::knowledge::Knowledge;
use credence_agent::names;
use credence_agent::session::record_described;
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, Seq};
use credence_memory::record::{AlternativeDescribed, Outcome};
use credence_memory::text::normal;

use crate::cli::{BarArgs, DecideArgs, Global};
use crate::commands::consider::{consequences, deliberate, guard};
use crate::exit::WrongInput;
use crate::progress::working;
use crate::surroundings::{Opened, now, person, say, say_json};

/// Runs `credence decide`.
pub(crate) fn run(global: &Global, args: &DecideArgs) -> anyhow::Result<()> {
    check(&args.alternatives)?;
    if let Some(whom) = &args.together.whom {
        return together::run(global, args, whom);
    }
    let person = person(&args.person)?;
    let mut opened = Opened::open(global, &args.model)?;
    let ids = opened.describe(&args.situation, &args.alternatives)?;
    let bars = bars(&args.bars);
    let considered = deliberate(&mut opened, &args.consider, (&person, None), &args.situation, &ids, (0, args.json))?;
    let mut decided = decide(opened.home.state(), &person, &ids, &considered, bars, true)?;
    guard(&mut opened, &person, &args.situation, &ids, &mut decided, bars)?;
    let seq = record(&mut opened.home, &person, None, &ids, &decided, now())?;
    if args.json {
        say_json(&as_json(&opened.home, seq, &ids, &decided))
    } else {
        print(&opened.home, seq, &ids, &decided)
    }
}

/// The bars asked for.
pub(crate) fn bars(args: &BarArgs) -> Bars {
    Bars { regret_max: args.regret_max, question_cost: args.question_cost, wording_max: args.wording_max }
}

/// Refuses alternatives that leave nothing to decide.
pub(crate) fn check(alternatives: &[String]) -> anyhow::Result<()> {
    if alternatives.len() < 2 {
        anyhow::bail!(WrongInput(format!(
            "{} alternative(s) were given; a decision needs at least two",
            alternatives.len()
        )));
    }
    for (i, a) in alternatives.iter().enumerate() {
        if a.trim().is_empty() {
            anyhow::bail!(WrongInput(format!("alternative {} is empty", i + 1)));
        }
        if alternatives[..i].iter().any(|b| b.trim().eq_ignore_ascii_case(a.trim())) {
            anyhow::bail!(WrongInput(format!("the alternative {a:?} is given twice")));
        }
    }
    Ok(())
}

/// A decision as one JSON object.
pub(crate) fn as_json(home: &Home, seq: Seq, ids: &[AlternativeId], decided: &Decided) -> serde_json::Value {
    let a = &decided.assessment;
    let alternatives: Vec<_> = ids
        .iter()
        .enumerate()
        .map(|(i, id)| {
            serde_json::json!({
                "text": text(home, id), "expected_utility": a.expected_utility[i], "probability_best": a.probability_best[i],
            })
        })
        .collect();
    let question = decided.question.as_ref().map(|q| {
        serde_json::json!({
            "between": [text(home, &q.alternatives[0]), text(home, &q.alternatives[1])],
            "value": q.value, "value_of_run": q.value_of_run,
        })
    });
    let deliberations: Vec<_> = consequences(home, decided)
        .iter()
        .map(|c| {
            c.map(|(seq, foreseen, trust)| serde_json::json!({"record": seq, "consequences": foreseen, "trust": trust}))
        })
        .collect();
    serde_json::json!({
        "record": seq.0, "decision": decided.outcome, "alternatives": alternatives, "expected_regret": a.expected_regret,
        "reasons": decided.reasons, "question": question, "deliberations": deliberations,
        "expected_utility_alone": decided.alone.as_ref().map(|a| &a.expected_utility), "moved_by_wording": decided.moved_by_wording,
    })
}

/// A decision in words.
pub(crate) fn print(home: &Home, seq: Seq, ids: &[AlternativeId], decided: &Decided) -> anyhow::Result<()> {
    let a = &decided.assessment;
    let verdict = match &decided.outcome {
        Outcome::Act { alternative } => format!("act: {}", text(home, alternative)),
        Outcome::Ask { .. } => match &decided.question {
            Some(q) => format!(
                "ask first: would you rather {} or {}?",
                text(home, &q.alternatives[0]),
                text(home, &q.alternatives[1])
            ),
            None => "ask first".into(),
        },
        Outcome::Defer { because } => format!("leave it to you: {because}"),
    };
    say(format!("{verdict}\n"))?;
    for (i, id) in ids.iter().enumerate() {
        say(format!(
            "  {:+.2} expected utility, best with probability {:.2}   {}",
            a.expected_utility[i],
            a.probability_best[i],
            text(home, id)
        ))?;
    }
    if let Some(alone) = &decided.alone {
        say("\nJudged alone, and what the foreseen consequences changed:")?;
        let foreseen = consequences(home, decided);
        for (i, id) in ids.iter().enumerate() {
            let (before, after) = (alone.expected_utility[i], a.expected_utility[i]);
            let of = foreseen[i].map_or_else(String::new, |(seq, _, trust)| {
                format!("  (record {seq}, counted for {:.0}%)", 100.0 * trust)
            });
            say(format!("  {before:+.2} alone, {:+.2} by consequences   {}{of}", after - before, text(home, id)))?;
        }
    }
    if let Some(moved) = decided.moved_by_wording {
        say(format!("\nIn other words the judgement moves by {moved:.2}."))?;
    }
    say(format!(
        "\nExpected regret of acting now: {:.3} (1 is your own wavering between two alternatives)",
        a.expected_regret
    ))?;
    say(format!(
        "What speaks for {:?} against {:?}:",
        text(home, &ids[decided.best]),
        text(home, &ids[decided.second])
    ))?;
    for c in decided.contributions.iter().take(6) {
        let evidence =
            decided.reasons.iter().find(|r| names::of_id(&r.feature) == c.name).map_or_else(String::new, |r| {
                let seqs: Vec<String> = r.evidence.iter().map(ToString::to_string).collect();
                if seqs.is_empty() { "  (the prior)".into() } else { format!("  (records {})", seqs.join(", ")) }
            });
        say(format!("  {:+.2} ± {:.2}  {}{evidence}", c.contribution, c.sd, c.name))?;
    }
    say(format!("\nRecorded as {seq}; `credence explain {seq}` shows which evidence moved it."))
}

/// The text of an alternative.
pub(crate) fn text(home: &Home, id: &AlternativeId) -> String {
    home.state().description(id).map_or_else(|| id.to_string(), |d: &AlternativeDescribed| d.text.clone())
}

impl Opened {
    /// Describes alternatives in a situation, reading live what the log does not have yet; they are recorded.
    pub(crate) fn describe(&mut self, situation: &str, texts: &[String]) -> anyhow::Result<Vec<AlternativeId>> {
        let situation = &*normal(situation.trim());
        let texts: Vec<String> = texts.iter().map(|t| normal(t.trim()).into_owned()).collect();
        let missing: Vec<BankAlternative> = texts
            .iter()
            .filter(|t| !self.home.state().is_described(situation, t))
            .map(|t| BankAlternative::unkeyed(t.clone()))
            .collect();
        if !missing.is_empty() {
            let reader = self.reader()?;
            let _working = working("reading what the model makes of the alternatives");
            let described = reader.describe(situation, &missing)?;
            record_described(&mut self.home, described, now())?;
        }
        Ok(texts.iter().map(|t| AlternativeId::of(situation, t)).collect())
    }
}
