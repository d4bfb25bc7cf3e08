//! `credence decide --for`: one decision for several people, by a stated rule.

use credence_agent::together::{Choosing, ForWhom, Together, TogetherError, decide_together, record_together};
use credence_memory::home::Home;
use credence_memory::ids::{AlternativeId, PersonId, Seq};
use credence_memory::population::{Collective, CollectiveBars, Rule, Stake};
use serde::Serialize;
use utoipa::ToSchema;

use super::text;
use crate::cli::{DecideArgs, Global, RuleArg};
use crate::exit::WrongInput;
use crate::progress::counting;
use crate::surroundings::{Opened, now, say, say_json};

/// Objectors named.
const NAMED: usize = 10;

fn rule(arg: RuleArg) -> Rule {
    match arg {
        RuleArg::Utilitarian => Rule::Utilitarian,
        RuleArg::Maximin => Rule::Maximin,
        RuleArg::Nash => Rule::Nash,
        RuleArg::NoGroupWorse => Rule::NoGroupWorse,
    }
}

fn name(rule: Rule) -> &'static str {
    match rule {
        Rule::Utilitarian => "utilitarian",
        Rule::Maximin => "maximin",
        Rule::Nash => "Nash bargaining",
        Rule::NoGroupWorse => "no group worse",
    }
}

fn parse(whom: &str) -> anyhow::Result<ForWhom> {
    if whom == "all" {
        return Ok(ForWhom::All);
    }
    if let Some(group) = whom.strip_prefix("group:") {
        let number = group.parse().map_err(|_| WrongInput(format!("--for {whom}: expected group:N with a number")))?;
        return Ok(ForWhom::Group(number));
    }
    let names = whom.split(',').map(|n| PersonId::new(n.trim()));
    let names = names.collect::<Result<Vec<_>, _>>().map_err(|e| WrongInput(format!("--for {whom}: {e}")))?;
    Ok(ForWhom::Named(names))
}

/// A decision for several people, as `credence decide --for PEOPLE --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TogetherJson {
    /// Its record in the log.
    record: Seq,
    people: Vec<PersonId>,
    /// What each of them makes of the alternatives.
    stakes: Vec<Stake>,
    decision: Collective,
    /// What was weighed, in words.
    alternatives: Vec<String>,
}

/// Runs `credence decide --for`.
pub(crate) fn run(global: &Global, args: &DecideArgs, whom: &str) -> anyhow::Result<()> {
    let options = &args.together;
    let whom = parse(whom)?;
    let fallback = match options.fallback {
        None => None,
        Some(n) if (1..=args.alternatives.len()).contains(&n) => Some(n - 1),
        Some(n) => anyhow::bail!(WrongInput(format!(
            "--fallback {n}: expected 1 to {}, one of the alternatives",
            args.alternatives.len()
        ))),
    };
    let mut opened = Opened::open(global, &args.model)?;
    let ids = opened.describe(&args.situation, &args.alternatives)?;
    let bars =
        CollectiveBars { rules: options.rules_bar, objection: options.objection_bar, ..CollectiveBars::default() };
    let bar = counting("people");
    let found = decide_together(
        opened.home.state(),
        &whom,
        &ids,
        Choosing { rule: rule(options.rule), fallback, bars },
        options.cap.source_cap,
        &mut |done, of| {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        },
    );
    bar.finish_and_clear();
    let together = found.map_err(|e| match e {
        TogetherError::Unknown(_) | TogetherError::NoGroup { .. } | TogetherError::Nobody => {
            anyhow::Error::new(WrongInput(e.to_string()))
        }
        TogetherError::Population(e) => WrongInput(e.to_string()).into(),
        other => other.into(),
    })?;
    let seq = record_together(&mut opened.home, &together, &ids, now())?;
    if args.json {
        let alternatives = ids.iter().map(|id| text(&opened.home, id)).collect();
        let Together { people, stakes, collective: decision } = together;
        return say_json(&TogetherJson { record: seq, people, stakes, decision, alternatives });
    }
    print(&opened.home, seq, &ids, &together)
}

fn print(home: &Home, seq: Seq, ids: &[AlternativeId], together: &Together) -> anyhow::Result<()> {
    let c = &together.collective;
    match c.defers.as_slice() {
        [] => say(format!("act: {}\n", text(home, &ids[c.chosen])))?,
        why => {
            say(format!(
                "leave it to these people: {} is best by the {} rule, but",
                text(home, &ids[c.chosen]),
                name(c.rule)
            ))?;
            why.iter().try_for_each(|w| say(format!("  {w}")))?;
            say("")?;
        }
    }
    say("Relative utility: 0 is each person's worst of these alternatives, 1 their best.")?;
    for (i, id) in ids.iter().enumerate() {
        let groups: Vec<String> = c.groups.iter().map(|g| format!("{:.2}", g[i])).collect();
        say(format!("  {}  by group {}   {}", i + 1, groups.join(" "), text(home, id)))?;
    }
    say("\nWhat each rule would choose")?;
    for (rule, scores, best) in &c.rules {
        let scores: Vec<String> = scores.iter().map(|s| format!("{s:+.3}")).collect();
        say(format!("  {:<16} {}   {}", name(*rule), best + 1, scores.join("  ")))?;
    }
    say(format!("\nExpected regret of acting on what is believed of these people: {:.3}", c.expected_regret))?;
    if c.objectors.is_empty() {
        say(format!("Nobody of {} would object.", together.people.len()))?;
    } else {
        say(format!("{} of {} would object, losing", c.objectors.len(), together.people.len()))?;
        for (i, loss) in c.objectors.iter().take(NAMED) {
            say(format!("  {loss:.2}  {}", together.people[*i]))?;
        }
    }
    say(format!("\nRecorded as {seq}."))
}
