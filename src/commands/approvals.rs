//! `credence approvals`: agents ask before they act; the owner answers, and the answers are learned from.

mod hook;

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use credence_agent::approvals::{self, ApprovalAnswer, ApprovalVerdict, Now, call_in_words, pattern_in_words};
use credence_agent::calls;
use credence_approvals::{ActPattern, Bound, By, Limits, PersonVerdict, Request, Scope, Settings, ShownHash, Stated};
use credence_memory::home::Home;
use credence_memory::ids::PersonId;
use credence_memory::state::{Call, State};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rand::RngExt;

use crate::cli::{Global, ModelArgs, PersonArgs};
use crate::exit::{WrongInput, not_passed};
use crate::surroundings::{Opened, home, now, open_home, person, read_state, say, say_json};

/// A declaration that can be copied and changed.
const EXAMPLE: &str = include_str!("approvals/example.toml");

/// `credence approvals ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// Declare the tools that agents may ask for, and the share of refused acts that may pass (a TOML file)
    Declare(DeclareArgs),
    /// May this act be done? Reads a request as JSON, records it, and prints allow, ask or refuse (exit code 0, 10 or 12)
    Request(RequestArgs),
    /// Answer an open question
    Answer(AnswerArgs),
    /// Take an act back: evidence that you would have refused it. Undoing what it did is up to you
    Undo {
        /// Number of the act, from `credence approvals list`
        act: u64,
        /// Whose it is.
        #[command(flatten)]
        person: PersonArgs,
    },
    /// Show the limits that nothing learned can cross, or set them from a TOML file
    Limits {
        /// The file; those of before no longer hold
        file: Option<PathBuf>,
        /// Whose they are.
        #[command(flatten)]
        person: PersonArgs,
    },
    /// List open questions and acts that passed
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Whose they are.
        #[command(flatten)]
        person: PersonArgs,
    },
    /// Say what passes without a question, how sure that is, and what is needed for more
    Show {
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Whose they are.
        #[command(flatten)]
        person: PersonArgs,
    },
    /// Answer a coding agent's pre-tool-use hook: its JSON on standard input, the verdict as JSON on standard output
    Hook(hook::HookArgs),
}

/// `credence approvals declare`.
#[derive(Debug, Args)]
pub(crate) struct DeclareArgs {
    /// The declaration; `--example` prints one
    #[arg(required_unless_present = "example")]
    pub(crate) file: Option<PathBuf>,
    /// Print a declaration to begin with
    #[arg(long)]
    pub(crate) example: bool,
    /// Whose it is.
    #[command(flatten)]
    pub(crate) person: PersonArgs,
    /// What a new home is begun with.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// `credence approvals request`.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// The request (JSON: tool, arguments, and if known task, context, reversible, affected, cost, outside, declared); - for standard input
    #[arg(default_value = "-")]
    pub(crate) file: PathBuf,
    /// Where it is asked and this is a terminal: do not put the question here
    #[arg(long)]
    pub(crate) leave_open: bool,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Whose agent it is.
    #[command(flatten)]
    pub(crate) person: PersonArgs,
}

/// What a person says.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum SaidArg {
    /// Yes
    Approve,
    /// No
    Refuse,
    /// Yes for now, but such acts are to be asked
    AskMe,
}

/// How far an answer reaches.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ScopeArg {
    /// This one call
    Once,
    /// Such calls in this task
    Task,
    /// Such calls from now on
    Always,
}

/// `credence approvals answer`.
#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    /// Number of the question, from `credence approvals list`
    pub(crate) question: u64,
    /// What you say
    #[arg(value_enum)]
    pub(crate) said: SaidArg,
    /// How far it reaches
    #[arg(long = "for", value_enum, value_name = "SCOPE", default_value = "once")]
    pub(crate) scope: ScopeArg,
    /// Which calls, for `--for task` and `--for always`: JSON such as {"tool": "write_file", "arguments": {"path": {"starts_with": "/tmp/"}}, "others": true} [default: these arguments exactly]
    #[arg(long, value_name = "JSON")]
    pub(crate) like: Option<String>,
    /// When it ends, in your local time: 2026-12-24T18:00
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<DateTime>,
    /// The hash you were shown; refused where the question's is another [default: that of the question]
    #[arg(long, value_name = "HASH")]
    pub(crate) shown: Option<String>,
    /// Whose question it is.
    #[command(flatten)]
    pub(crate) person: PersonArgs,
}

impl From<SaidArg> for PersonVerdict {
    fn from(said: SaidArg) -> Self {
        match said {
            SaidArg::Approve => Self::Approved,
            SaidArg::Refuse => Self::Refused,
            SaidArg::AskMe => Self::AskMe,
        }
    }
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Once => Self::Once,
            ScopeArg::Task => Self::Task,
            ScopeArg::Always => Self::Always,
        }
    }
}

/// Runs `credence approvals ...`.
pub(crate) fn run(global: &Global, command: ApprovalsCommand) -> anyhow::Result<()> {
    match command {
        ApprovalsCommand::Declare(args) => declare(global, &args),
        ApprovalsCommand::Request(args) => request(global, &args),
        ApprovalsCommand::Answer(args) => answer(global, args),
        ApprovalsCommand::Undo { act, person: whose } => {
            let whose = person(&whose)?;
            let mut home = open_home(global)?;
            let record = approvals::undo(&mut home, &whose, act, &here())?;
            say(format!("act {act} counts as refused (record {record})"))
        }
        ApprovalsCommand::Limits { file, person: whose } => limits(global, file.as_deref(), &person(&whose)?),
        ApprovalsCommand::List { json, person: whose } => list(global, &person(&whose)?, json),
        ApprovalsCommand::Show { json, person: whose } => show(global, &person(&whose)?, json),
        ApprovalsCommand::Hook(args) => hook::run(global, &args),
    }
}

/// The time now, here.
pub(crate) fn here() -> Now {
    Now::new(now(), &TimeZone::system())
}

fn declare(global: &Global, args: &DeclareArgs) -> anyhow::Result<()> {
    let Some(file) = args.file.as_deref().filter(|_| !args.example) else { return say(EXAMPLE.trim_end()) };
    let mut settings: Settings = of_toml(file)?;
    let whose = person(&args.person)?;
    let is_new = !home(global)?.join("evidence").join("log.jsonl").exists();
    let mut home = if is_new { Opened::open(global, &args.model)?.home } else { open_home(global)? };
    settings.audit_seed = match home.state().approvals(&whose) {
        Some(before) => before.settings().audit_seed,
        None => rand::rng().random(),
    };
    let tools = settings.tools.len();
    let record = approvals::declare(&mut home, &whose, settings, &here())?;
    say(format!("{tools} tools declared (record {record}); `credence approvals request` asks for an act"))
}

/// A TOML file, with its place in every error.
fn of_toml<T: serde::de::DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    toml::from_str(&text).map_err(|e| WrongInput(format!("{}: {}", file.display(), e.to_string().trim_end())).into())
}

/// A request as JSON from a file or standard input.
fn stated(file: &Path) -> anyhow::Result<Stated> {
    let mut text = String::new();
    let name = if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).context("failed to read standard input")?;
        "standard input".to_owned()
    } else {
        text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
        file.display().to_string()
    };
    serde_json::from_str(&text).map_err(|e| {
        WrongInput(format!("{name}: {e}; expected {{\"tool\": \"...\", \"arguments\": {{...}}, ...}}")).into()
    })
}

fn request(global: &Global, args: &RequestArgs) -> anyhow::Result<()> {
    let whose = person(&args.person)?;
    let stated = stated(&args.file)?;
    let mut home = open_home(global)?;
    let mut verdict = approvals::request(&mut home, &whose, stated.clone(), &here())?;
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if let Some(question) = verdict.question.filter(|_| terminal && !args.leave_open && !args.json) {
        if put(&mut home, &whose, question, &verdict)? {
            verdict = approvals::request(&mut home, &whose, stated, &here())?;
        }
    }
    if args.json {
        say_json(&verdict)?;
    } else {
        say_verdict(&verdict)?;
    }
    not_passed(verdict.verdict)
}

/// Puts the question on this terminal; says whether it was answered.
fn put(home: &mut Home, whose: &PersonId, question: u64, verdict: &ApprovalVerdict) -> anyhow::Result<bool> {
    let Some(request) = open_question(home, whose, question) else { return Ok(false) };
    say(format!("An agent asks: may I call\n{}", shown(&request)))?;
    say(format!(
        "{}\n  y  yes, this once   t  such calls in this task   a  these arguments from now on\n  n  no               m  yes for now, and ask me about such calls   q  leave it open",
        verdict.explanation.summary
    ))?;
    loop {
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).context("failed to read standard input")? == 0 {
            return Ok(false);
        }
        let (verdict_said, scope) = match line.trim() {
            "y" | "yes" => (PersonVerdict::Approved, Scope::Once),
            "t" => (PersonVerdict::Approved, Scope::Task),
            "a" => (PersonVerdict::Approved, Scope::Always),
            "n" | "no" => (PersonVerdict::Refused, Scope::Once),
            "m" => (PersonVerdict::AskMe, Scope::Once),
            "q" => return Ok(false),
            "" => continue,
            other => {
                say(format!("{other:?} is none of y, t, a, n, m and q"))?;
                continue;
            }
        };
        let answer = ApprovalAnswer { verdict: verdict_said, scope, pattern: None, expires: None };
        approvals::answer(home, whose, question, verdict.shown_hash, answer, &here())?;
        return Ok(true);
    }
}

/// A call as a person is to judge it: every argument whole.
pub(crate) fn shown(request: &Request) -> String {
    let mut lines = vec![format!("  {}", request.tool)];
    lines.extend(request.arguments.iter().map(|(name, value)| format!("    {name}: {value}")));
    if !request.context.is_empty() {
        lines.push(format!("  the agent says: {}", request.context));
    }
    lines.join("\n")
}

/// An open question's request.
pub(crate) fn open_question(home: &Home, whose: &PersonId, question: u64) -> Option<Request> {
    let mut open = home.state().approvals(whose)?.open_questions();
    open.find(|(asked, _)| *asked == question).map(|(_, request)| request.clone())
}

fn say_verdict(verdict: &ApprovalVerdict) -> anyhow::Result<()> {
    say(&verdict.explanation.summary)?;
    if let Some(act) = verdict.act {
        say(format!("act {act}: `credence approvals undo {act}` takes it back"))?;
    }
    if let Some(question) = verdict.question {
        say(format!("question {question}: `credence approvals answer {question} approve` (or refuse, ask-me)"))?;
    }
    verdict.explanation.would_change.iter().try_for_each(|way| say(format!("  {way}")))
}

fn answer(global: &Global, args: AnswerArgs) -> anyhow::Result<()> {
    let whose = person(&args.person)?;
    let mut home = open_home(global)?;
    let Some(request) = open_question(&home, &whose, args.question) else {
        anyhow::bail!(WrongInput(format!(
            "question {} of {whose} is not open; `credence approvals list` names those that are",
            args.question
        )));
    };
    let shown: ShownHash = match &args.shown {
        None => request.shown_hash(),
        Some(hash) => serde_json::from_value(serde_json::Value::String(hash.clone()))
            .map_err(|e| WrongInput(format!("--shown {hash}: {e}")))?,
    };
    let pattern = args
        .like
        .as_deref()
        .map(serde_json::from_str::<ActPattern>)
        .transpose()
        .map_err(|e| WrongInput(format!("--like: {e}; expected {{\"tool\": ..., \"arguments\": {{...}}}}")))?;
    let answer = ApprovalAnswer { verdict: args.said.into(), scope: args.scope.into(), pattern, expires: args.until };
    let record = approvals::answer(&mut home, &whose, args.question, shown, answer, &here())?;
    say(format!("recorded (record {record}); the agent may ask again"))
}

fn limits(global: &Global, file: Option<&Path>, whose: &PersonId) -> anyhow::Result<()> {
    let Some(file) = file else {
        let state = read_state(global)?;
        let approvals = declared(&state, whose)?;
        return say(toml::to_string(approvals.limits()).context("limits cannot be written as TOML")?.trim_end());
    };
    let limits: Limits = of_toml(file)?;
    let mut home = open_home(global)?;
    let record = approvals::set_limits(&mut home, whose, limits, &here())?;
    say(format!("set (record {record})"))
}

fn declared<'a>(
    state: &'a credence_memory::state::State,
    whose: &PersonId,
) -> anyhow::Result<&'a credence_approvals::Approvals> {
    state.approvals(whose).with_context(|| {
        WrongInput(format!("{whose} has not declared what agents may ask for: `credence approvals declare` does"))
    })
}

fn list(global: &Global, whose: &PersonId, json: bool) -> anyhow::Result<()> {
    let state = read_state(global)?;
    let approvals = declared(&state, whose)?;
    if json {
        let open = approvals.open_questions().map(|(question, request)| {
            serde_json::json!({"question": question, "request": request, "shown_hash": request.shown_hash()})
        });
        let acts = approvals.acts().map(|(act, request, by)| {
            let mut entry = serde_json::json!({"act": act, "request": request, "by": by});
            became(&state, whose, act, &mut entry);
            entry
        });
        let undone = undone(&state, whose, approvals).map(|(act, call)| {
            let mut entry = serde_json::json!({"act": act, "request": call.request});
            became(&state, whose, act, &mut entry);
            entry
        });
        return say_json(&serde_json::json!({
            "open": open.collect::<Vec<_>>(),
            "acts": acts.collect::<Vec<_>>(),
            "undone_and_carried_out": undone.collect::<Vec<_>>(),
        }));
    }
    let mut nothing = true;
    for (question, request) in approvals.open_questions() {
        nothing = false;
        say(format!("question {question}  {}", call_in_words(request)))?;
    }
    for (act, request, by) in approvals.acts() {
        nothing = false;
        let by = match by {
            By::Rule => "by a rule of yours",
            By::Belief => "by belief",
            By::Person => "you approved it",
        };
        say(format!("act {act}  {}  ({by})", call_in_words(request)))?;
        calls::became(&state, whose, act).iter().try_for_each(|line| say(format!("        {line}")))?;
    }
    for (act, call) in undone(&state, whose, approvals) {
        nothing = false;
        say(format!("act {act}  {}  (you took it back)", call_in_words(&call.request)))?;
        calls::became(&state, whose, act).iter().try_for_each(|line| say(format!("        {line}")))?;
    }
    if nothing { say("nothing was asked yet") } else { Ok(()) }
}

/// Acts that were carried out, or tried, and taken back.
fn undone<'a>(
    state: &'a State,
    whose: &'a PersonId,
    approvals: &'a credence_approvals::Approvals,
) -> impl Iterator<Item = (u64, &'a Call)> {
    let theirs = state.calls().values().filter(move |call| call.begun.person == *whose);
    theirs.map(|call| (call.begun.act, call)).filter(move |(act, _)| approvals.act(*act).is_none())
}

/// Adds what became of an act.
fn became(state: &State, whose: &PersonId, act: u64, entry: &mut serde_json::Value) {
    let record = state.record_of_act(whose, act);
    let call = state.call_of_act(whose, act).map(|(seq, call)| {
        serde_json::json!({"record": seq, "ended": call.ended.as_ref().map(|(_, ended)| ended), "in_words": calls::end_in_words(call)})
    });
    let reports: Vec<_> = record.map(|seq| state.outcomes(seq)).unwrap_or_default().iter().map(|(_, r)| r).collect();
    entry["record"] = serde_json::json!(record);
    entry["call"] = serde_json::json!(call);
    entry["reports"] = serde_json::json!(reports);
}

/// How many calls of an owner came to what.
fn carried_out(state: &State, whose: &PersonId) -> std::collections::BTreeMap<&'static str, usize> {
    let mut counted = std::collections::BTreeMap::new();
    for call in state.calls().values().filter(|call| call.begun.person == *whose) {
        let word = match &call.ended {
            Some((_, ended)) => calls::outcome_in_words(ended.outcome),
            None => "without an end so far",
        };
        *counted.entry(word).or_default() += 1;
    }
    counted
}

fn show(global: &Global, whose: &PersonId, json: bool) -> anyhow::Result<()> {
    let state = read_state(global)?;
    let approvals = declared(&state, whose)?;
    let settings = approvals.settings();
    let (certificate, account) = (approvals.certificate(), approvals.account());
    if json {
        return say_json(&serde_json::json!({
            "person": whose,
            "answers": approvals.answered_count(),
            "share_max": settings.share_max,
            "bound": settings.bound,
            "confidence": settings.confidence,
            "certificate": certificate,
            "audits": account,
            "withdrawals": approvals.withdrawals(),
            "tools": settings.tools,
            "limits": approvals.limits(),
            "carried_out": carried_out(&state, whose),
        }));
    }
    let tools: Vec<&str> = settings.tools.iter().map(|tool| tool.name.as_str()).collect();
    say(format!("tools: {}", if tools.is_empty() { "none".to_owned() } else { tools.join(", ") }))?;
    let of = match settings.bound {
        Bound::OfRefused => "of the acts you would refuse, at most this share may pass",
        Bound::OfPassed => "of the acts that pass, at most this share may be ones you would refuse",
    };
    say(format!("{of}: {} (with {:.0}% confidence)", settings.share_max, 100.0 * settings.confidence))?;
    say(format!("answers and undone acts so far: {}", approvals.answered_count()))?;
    match certificate {
        Some(_) => say("belief lets acts pass that it is sure enough of; `credence approvals list` shows them")?,
        None => {
            let first = settings.frozen_at.first().copied().unwrap_or(0);
            say(format!(
                "belief lets nothing pass yet: it needs {first} answers, and {} more to be tested on; answers for \"always\" work at once",
                settings.tested_min
            ))?;
        }
    }
    let counted = carried_out(&state, whose);
    if !counted.is_empty() {
        let counted: Vec<String> = counted.iter().map(|(word, n)| format!("{n} {word}")).collect();
        say(format!("carried out: {}", counted.join(", ")))?;
    }
    for (name, patterns) in
        [("never", &approvals.limits().deny), ("always", &approvals.limits().allow), ("only", &approvals.limits().only)]
    {
        for pattern in patterns {
            say(format!("{name}: {}", pattern_in_words(pattern)))?;
        }
    }
    Ok(())
}
