//! `credence people`: groups, what unites and divides, where each stands; learning the population; whom to ask next;
//! influence and quarantine.

use clap::{Args, Subcommand};
use credence_agent::people::{ItemView, PeopleOptions, PeopleView, PlaceView, Spread, overview, words};
use credence_memory::home::HomeError;
use credence_memory::ids::{AlternativeId, PersonId, Seq, SourceId};
use credence_memory::population::{
    COMPONENTS_PEOPLE_MIN, Flag, ItemPosterior, Part, Progress, Survey, consolidated, conversations, influence_of,
    whom_to_ask,
};
use credence_memory::record::{AlternativeDescribed, QuarantineSet, Record, Subject};
use credence_memory::state::{State, StateError};
use credence_memory::text::{self, normal};
use serde::Serialize;
use utoipa::ToSchema;

use crate::cli::{CapArgs, Global};
use crate::commands::evidence::brief;
use crate::exit::WrongInput;
use crate::hint::hint;
use crate::progress::counting;
use crate::surroundings::{now, open_home, read_state, say, say_json};

/// Statements named in each list of the overview.
const NAMED: usize = 5;
/// People listed in the overview before the rest is only counted.
const LISTED: usize = 30;

/// `credence people`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct PeopleArgs {
    /// What else to do; without it, everyone at a glance.
    #[command(subcommand)]
    action: Option<PeopleCommand>,
    /// The overview's options.
    #[command(flatten)]
    show: ShowArgs,
}

/// The overview.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// All statements and all people, not only the most telling
    #[arg(long)]
    all: bool,
    /// The most groups that are looked for
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = crate::cli::numbers::count::<1, 100>)]
    groups_max: usize,
    /// Seed of everything random in it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Which part.
    #[command(flatten)]
    part: PartArgs,
    /// The cap.
    #[command(flatten)]
    cap: CapArgs,
}

/// Which part of a home is looked at.
#[derive(Debug, Args, Clone)]
pub(crate) struct PartArgs {
    /// One imported conversation by itself; without it each conversation of a home that has several is shown apart, and so is
    /// the rest
    #[arg(long, value_name = "NAME")]
    conversation: Option<String>,
}

/// `credence people ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum PeopleCommand {
    /// Learn the population from everyone's evidence; each person then receives what was learned without them
    Consolidate {
        /// The cap.
        #[command(flatten)]
        cap: CapArgs,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Show which person to ask what next, to learn most about everyone
    Ask {
        /// Who is at hand; may be given several times [default: everyone]
        #[arg(long = "at-hand", value_name = "NAME")]
        at_hand: Vec<String>,
        /// Skip people who have answered more than this multiple of the mean
        #[arg(long, value_name = "TIMES", default_value_t = 1.5, value_parser = crate::cli::numbers::amount::<1000000>)]
        fair_share: f64,
        /// Questions to name
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = crate::cli::numbers::count::<0, 1000000>)]
        top: usize,
        /// Which part.
        #[command(flatten)]
        part: PartArgs,
        /// Seed of the draws
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// How far each person and each source moves what others receive
    Influence {
        /// The cap.
        #[command(flatten)]
        cap: CapArgs,
        /// People to name, the most influential first
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = crate::cli::numbers::count::<0, 1000000>)]
        top: usize,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Leave a person, a source or a statement out of what others receive and of decisions for several people, or count them again
    Quarantine {
        /// The person
        #[arg(value_name = "NAME", required_unless_present_any = ["source", "statement"], conflicts_with_all = ["source", "statement"])]
        person: Option<String>,
        /// A source instead of a person
        #[arg(long, value_name = "SOURCE", conflicts_with = "statement")]
        source: Option<String>,
        /// A statement instead, by its words or the beginning of its id: one that is no opinion, such as "I am under 30". It is
        /// then in no list of what unites and divides either
        #[arg(long, value_name = "WORDS")]
        statement: Option<String>,
        /// Count them again
        #[arg(long)]
        lift: bool,
        /// Reason, kept in the log
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
    },
}

/// Runs `credence people ...`.
pub(crate) fn run(global: &Global, args: PeopleArgs) -> anyhow::Result<()> {
    match args.action {
        None => show(global, &args.show),
        Some(PeopleCommand::Consolidate { cap, json }) => consolidate(global, &cap, json),
        Some(PeopleCommand::Ask { at_hand, fair_share, top, part, seed, json }) => {
            ask(global, &part, &at_hand, fair_share, top, seed, json)
        }
        Some(PeopleCommand::Influence { cap, top, json }) => influence(global, &cap, top, json),
        Some(PeopleCommand::Quarantine { person, source, statement, lift, reason }) => {
            let subject = match (person, source, statement) {
                (Some(person), _, _) => Subject::Person(PersonId::new(&person)?),
                (None, Some(source), _) => Subject::Source(SourceId::new(&source)?),
                (None, None, Some(words)) => Subject::Statement(statement_of(&read_state(global)?, &words)?),
                (None, None, None) => {
                    anyhow::bail!(WrongInput("a person, a --source or a --statement must be named".into()))
                }
            };
            quarantine(global, subject, !lift, reason)
        }
    }
}

/// The statement that is meant: by its words, whatever the case of their letters, or by the beginning of its id.
fn statement_of(state: &State, words: &str) -> anyhow::Result<AlternativeId> {
    let wanted = normal(words.trim()).to_lowercase();
    let spelt = |d: &&AlternativeDescribed| normal(&d.text).to_lowercase() == wanted;
    let mut found: Vec<&AlternativeDescribed> = state.descriptions().iter().filter(spelt).collect();
    if found.is_empty() && wanted.len() >= 6 {
        found = state.descriptions().iter().filter(|d| d.alternative.to_string().starts_with(&wanted)).collect();
    }
    match found[..] {
        [only] => Ok(only.alternative),
        [] => anyhow::bail!(WrongInput(format!("no statement here has the words {words:?}"))),
        _ => {
            let each: Vec<String> = found
                .iter()
                .map(|d| format!("{:.12} ({:?})", d.alternative.to_string(), brief(&d.situation)))
                .collect();
            anyhow::bail!(WrongInput(format!(
                "{words:?} stands in several situations; give the beginning of one id: {}",
                each.join(", ")
            )))
        }
    }
}

/// Everyone's answers in a part of the home, or what is missing.
fn survey(state: &State, source_cap: f64, part: Option<&Part>) -> anyhow::Result<Survey> {
    let survey = Survey::within(state, source_cap, part).map_err(|e| WrongInput(e.to_string()))?;
    if survey.people.len() < 2 {
        anyhow::bail!(WrongInput(format!(
            "{} people have answered a statement or a pair; there is nothing to compare before two have \
             (`credence evidence import` brings votes in)",
            survey.people.len()
        )));
    }
    Ok(survey)
}

/// The parts of a home that are looked at, each by itself.
fn parts(state: &State, args: &PartArgs) -> anyhow::Result<Vec<Option<Part>>> {
    let (conversations, rest) = conversations(state);
    if let Some(name) = &args.conversation {
        let name = text::name(name).into_owned();
        if !conversations.contains(&name) {
            let there = if conversations.is_empty() { "none".to_owned() } else { conversations.join(", ") };
            anyhow::bail!(WrongInput(format!("this home has no conversation {name:?}; it has {there}")));
        }
        return Ok(vec![Some(Part::Conversation(name))]);
    }
    if conversations.len() < 2 {
        return Ok(vec![None]);
    }
    let parts = conversations.into_iter().map(|name| Some(Part::Conversation(name)));
    Ok(parts.chain(rest.then_some(Some(Part::Rest))).collect())
}

fn part_name(part: &Part) -> String {
    match part {
        Part::Conversation(name) => format!("Conversation {name}"),
        Part::Rest => "What belongs to no conversation".into(),
    }
}

/// A home with several conversations, as `credence people --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PartsJson {
    parts: Vec<PartJson>,
}

/// One of its conversations, or what belongs to none.
#[derive(Debug, Serialize, ToSchema)]
struct PartJson {
    /// Which.
    part: String,
    /// Everyone in it; absent where there is nothing to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    view: Option<PeopleView>,
    /// Why there is nothing to compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

fn show(global: &Global, args: &ShowArgs) -> anyhow::Result<()> {
    let state = read_state(global)?;
    let mut options = PeopleOptions::default();
    options.groups.groups_max = args.groups_max;
    options.groups.seed = args.seed;
    options.items.seed = args.seed;
    let look = |part: Option<&Part>| -> anyhow::Result<PeopleView> {
        let survey = survey(&state, args.cap.source_cap, part)?;
        let bar = counting("looking for groups");
        let view = overview(&state, &survey, &options).map_err(|e| WrongInput(e.to_string()))?;
        bar.finish_and_clear();
        Ok(view)
    };
    let parts = parts(&state, &args.part)?;
    if let [part] = &parts[..] {
        let view = look(part.as_ref())?;
        return if args.json { say_json(&view) } else { print(&view, args.all) };
    }
    let mut views = Vec::new();
    for part in parts.iter().flatten() {
        // One with a single person says nothing, and is no reason to show none of the others.
        match look(Some(part)) {
            Ok(view) if args.json => views.push(PartJson { part: part_name(part), view: Some(view), error: None }),
            Ok(view) => {
                say(format!("=== {} ===", part_name(part)))?;
                print(&view, args.all)?;
                say("")?;
            }
            Err(error) if args.json => {
                views.push(PartJson { part: part_name(part), view: None, error: Some(error.to_string()) });
            }
            Err(error) => say(format!("=== {} ===\n{error}\n", part_name(part)))?,
        }
    }
    if args.json { say_json(&PartsJson { parts: views }) } else { Ok(()) }
}

fn print(view: &PeopleView, all: bool) -> anyhow::Result<()> {
    let answers: usize = view.items.iter().map(|i| i.answers).sum();
    say(format!("{} people, {} statements and pairs, {answers} answers\n", view.people.len(), view.items.len()))?;
    say("How many groups? By how well each number predicts answers that were held out:")?;
    for n in &view.numbers {
        let [mean, low, high] = n.less_one_group;
        let difference = match n.groups {
            1 => String::new(),
            _ => format!("   {mean:+.4} [{low:+.4}, {high:+.4}] against one group"),
        };
        say(format!("  {}  probability {:.2}   log loss {:.4}{difference}", n.groups, n.probability, n.log_loss))?;
    }
    if view.groups.len() == 1 {
        say("\nOne group: no division of these people predicts their answers better beyond doubt.")?;
    }
    for (g, group) in view.groups.iter().enumerate().filter(|_| view.groups.len() > 1) {
        say(format!("\nGroup {}: {} people, {:.0}%; set apart by", g + 1, group.people, 100.0 * group.share))?;
        if group.apart.is_empty() {
            say("  (nothing yet beyond doubt)")?;
        }
        for &j in group.apart.iter().take(NAMED) {
            let item = &view.items[j];
            say(format!(
                "  {:>3.0}% agree here ({:.0} of {:.0}), {:>3.0}% of all ({} of {})   {}",
                100.0 * item.by_group[g],
                item.agreements_by_group[g],
                item.answers_by_group[g],
                100.0 * item.agree,
                item.agreements,
                item.answers,
                item.text
            ))?;
        }
    }
    let list = |title: &str, unsure: &str, key: &dyn Fn(&ItemView) -> f64, least: f64| -> anyhow::Result<()> {
        say(format!("\n{title}"))?;
        let mut order: Vec<&ItemView> = view.items.iter().filter(|i| i.answers > 0).collect();
        order.sort_by(|a, b| key(b).total_cmp(&key(a)));
        if order.first().is_some_and(|first| key(first) <= least) {
            say(format!("  ({unsure})"))?;
        }
        let shown = if all { order.len() } else { NAMED };
        order.iter().take(shown).try_for_each(|item| {
            let groups: Vec<String> = item.by_group.iter().map(|p| format!("{:.0}%", 100.0 * p)).collect();
            let passes = if item.passes > 0 { format!(", {} passes", item.passes) } else { String::new() };
            say(format!(
                "  {:>3.0}% agree ({}), {} of {}{passes}   {}",
                100.0 * item.agree,
                groups.join(", "),
                item.agreements,
                item.answers,
                item.text
            ))
        })
    };
    list(
        "What unites (the surest first: at least so many of every group, given how many have answered)",
        "of none of these is it sure yet that most of every group are of one mind",
        &|i| i.surely_unites,
        0.5,
    )?;
    let one = view.groups.len() < 2;
    list(
        if one {
            "What divides the one group (nearest to half and half first)"
        } else {
            "What divides (the surest first)"
        },
        "of none of these is it sure yet that it divides",
        &|i| i.surely_divides,
        0.0,
    )?;
    people(view, all)?;
    say("\nSources")?;
    for source in &view.sources {
        say(format!("  {:<30} {:>5} people, counting for {:.1}%", source.source, source.people, 100.0 * source.share))?;
    }
    let (statements, others): (Vec<_>, Vec<_>) =
        view.quarantined.iter().partition(|subject| matches!(subject, Subject::Statement(_)));
    for subject in others {
        say(format!("  left out: {}", subject_name(subject)))?;
    }
    if !statements.is_empty() {
        say(format!("  left out: {} statements that are no opinions or were moderated out", statements.len()))?;
    }
    Ok(())
}

fn people(view: &PeopleView, all: bool) -> anyhow::Result<()> {
    say(
        "\nPeople: probability of each group; share of answers that are chance; chance of the same answer when asked again",
    )?;
    let shown = if all { view.people.len() } else { LISTED };
    for p in view.people.iter().take(shown) {
        let groups: Vec<String> = p.groups.iter().map(|g| format!("{:.0}%", 100.0 * g)).collect();
        let again = p
            .asked_again
            .map_or_else(String::new, |(same, of, rate)| format!(", again {same} of {of} ({})", percent(rate)));
        say(format!(
            "  {:<24} {}   {} answers, by chance {}{again}{}",
            p.person,
            groups.join(" "),
            p.answers,
            percent(p.slips),
            marks(p, view)
        ))?;
    }
    match view.people.len().checked_sub(shown) {
        Some(rest) if rest > 0 => say(format!("  and {rest} more (--all)")),
        _ => Ok(()),
    }
}

fn percent(s: Spread) -> String {
    format!("{:.0}% [{:.0}, {:.0}]", 100.0 * s.mean, 100.0 * s.low, 100.0 * s.high)
}

fn marks(p: &PlaceView, view: &PeopleView) -> String {
    let mark = |flag: &Flag| match flag {
        Flag::Copies { of, common, alike, .. } => {
            format!("   worth a look: {alike} of {common} answers as {}", view.people[*of].person)
        }
        Flag::AlwaysAgrees { .. } => "   worth a look: always agrees".to_owned(),
        Flag::AlwaysDisagrees { .. } => "   worth a look: always disagrees".to_owned(),
    };
    p.flags.iter().map(mark).collect()
}

fn subject_name(subject: &Subject) -> String {
    match subject {
        Subject::Person(person) => person.to_string(),
        Subject::Source(source) => format!("everything through {source}"),
        Subject::Statement(statement) => format!("what was said of statement {:.12}", statement.to_string()),
    }
}

/// What was learned of everyone, as `credence people consolidate --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConsolidatedJson {
    /// The record that has it.
    record: Seq,
    /// People that it was learned from.
    people: usize,
    /// Parts of them, each of which receives what was learned without it.
    parts: usize,
    /// Share of people around each centre.
    components: Vec<f64>,
}

fn consolidate(global: &Global, cap: &CapArgs, json: bool) -> anyhow::Result<()> {
    let mut home = open_home(global)?;
    let bar = counting("learning the population");
    let record = consolidated(home.state(), cap.source_cap, home.store(), &|progress| {
        let (Progress::Messages(done, of) | Progress::Learned(done, of)) = progress;
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    let (people, parts) = (record.parts.iter().map(|p| p.people.len()).sum::<usize>(), record.parts.len());
    let masses = record.all.masses();
    let (entry, _) = home.append(now(), Record::PopulationConsolidated(record))?;
    if json {
        return say_json(&ConsolidatedJson { record: entry.seq, people, parts, components: masses });
    }
    say(format!(
        "Learned from {people} people in {parts} parts; each person receives what was learned without their part.\n\
         {}\nRecorded as {}; it stands in everybody's mixture from now on ({} shows what it changes).",
        centres(&masses, people),
        entry.seq,
        hint("replay")
    ))
}

/// Around how many centres people's values lie, and how many of the people around each.
fn centres(masses: &[f64], people: usize) -> String {
    if people < COMPONENTS_PEOPLE_MIN {
        return format!(
            "Their values lie around one centre; others are looked for from {COMPONENTS_PEOPLE_MIN} people on."
        );
    }
    if masses.len() == 1 {
        return "Their values lie around one centre: no division of them predicts others better beyond doubt.".into();
    }
    let shares: Vec<String> = masses.iter().map(|mass| format!("{:.0}%", 100.0 * mass)).collect();
    format!(
        "Their values lie around {} centres, with about {} of the people; everybody starts with all of them, and only their \
         own answers move them towards one.",
        masses.len(),
        shares.join(", ")
    )
}

/// Whom to ask what, as `credence people ask --json` tells it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AskJson {
    /// Whom.
    person: String,
    /// What about.
    item: String,
    /// What it is expected to tell, nats.
    gain_nats: f64,
    /// The probability that they agree.
    agrees: f64,
}

fn ask(
    global: &Global,
    part: &PartArgs,
    at_hand: &[String],
    fair_share: f64,
    top: usize,
    seed: u64,
    json: bool,
) -> anyhow::Result<()> {
    let state = read_state(global)?;
    let parts = parts(&state, part)?;
    let [part] = &parts[..] else {
        anyhow::bail!(WrongInput("this home has several conversations: say which with --conversation NAME".into()));
    };
    let survey = survey(&state, 1.0, part.as_ref())?;
    let place = |name: &String| {
        let name = text::name(name);
        let found = survey.people.iter().position(|p| p.as_str() == name);
        found.ok_or_else(|| WrongInput(format!("{name:?} has answered no statement or pair yet")))
    };
    let at_hand: Vec<usize> = match at_hand {
        [] => (0..survey.people.len()).collect(),
        names => names.iter().map(place).collect::<Result<_, _>>()?,
    };
    if fair_share.is_nan() || fair_share <= 0.0 {
        anyhow::bail!(WrongInput(format!("--fair-share must be positive, not {fair_share}")));
    }
    let mut options = PeopleOptions::default().items;
    options.seed = seed;
    let posterior = ItemPosterior::sample(&survey.answers, &options)?;
    let asks = whom_to_ask(&survey.answers, &posterior, &at_hand, fair_share);
    let text = |item: usize| words(&state, survey.items[item]);
    if json {
        let rows: Vec<_> = asks
            .iter()
            .take(top)
            .map(|a| AskJson {
                person: survey.people[a.person].to_string(),
                item: text(a.item),
                gain_nats: a.gain_nats,
                agrees: a.agrees,
            })
            .collect();
        return say_json(&rows);
    }
    if asks.is_empty() {
        return say("nobody at hand may be asked more: everyone has answered everything, or more than their share");
    }
    for a in asks.iter().take(top) {
        say(format!(
            "{:<24} worth {:.3} nats, agrees with {:.0}%   {}",
            survey.people[a.person],
            a.gain_nats,
            100.0 * a.agrees,
            text(a.item)
        ))?;
    }
    Ok(())
}

fn influence(global: &Global, cap: &CapArgs, top: usize, json: bool) -> anyhow::Result<()> {
    let home = open_home(global)?;
    let found = influence_of(home.state(), cap.source_cap, home.store())?;
    if json {
        return say_json(&found);
    }
    say("How far the population's mean would move, in its own standard deviations, without")?;
    for row in &found.sources {
        say(format!(
            "  {:<30} {:.3}   {} people, counting for {:.1}%",
            row.source,
            row.moves,
            row.people,
            100.0 * row.share
        ))?;
    }
    for row in found.people.iter().take(top) {
        say(format!("  {:<30} {:.3}   counting for {:.2} of a person", row.person, row.moves, row.counts_for))?;
    }
    Ok(())
}

fn quarantine(global: &Global, subject: Subject, quarantined: bool, reason: String) -> anyhow::Result<()> {
    let mut home = open_home(global)?;
    let name = subject_name(&subject);
    let had_population = home.state().population().is_some();
    let (entry, _) = home
        .append(now(), Record::QuarantineSet(QuarantineSet { subject, quarantined, reason }))
        .map_err(|e| match e {
            HomeError::State(StateError::Illegal { source, .. }) => {
                anyhow::Error::new(WrongInput(format!("{name}: {source}")))
            }
            other => other.into(),
        })?;
    let what = if quarantined { "is left out of what others receive" } else { "counts again" };
    say(format!("{name} {what}: record {}", entry.seq))?;
    if had_population && home.state().population().is_none() {
        let anew = hint("people consolidate");
        say(format!("What was learned with them has left everybody's mixture; {anew} learns anew."))?;
    }
    Ok(())
}
