//! `credence approvals`: agents ask before they act; the owner answers, and the answers are learned from.

pub(crate) mod handed;
mod hook;
pub(crate) mod told;

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand, ValueEnum};
use credence_agent::approvals::{self, ApprovalAnswer, ApprovalVerdict, Now};
use credence_approvals::{ActPattern, Limits, PersonVerdict, Request, Scope, Settings, ShownHash, Stated};
use credence_memory::home::Home;
use credence_memory::ids::PersonId;
use handed::Handed;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rand::RngExt;

use crate::cli::{Global, ModelArgs, PersonArgs};
use crate::exit::{WrongInput, not_passed};
use crate::hint::hint_of;
use crate::surroundings::{Opened, home, now, open_home, person, read_state, say, say_json};

/// A declaration that can be copied and changed.
const EXAMPLE: &str = include_str!("approvals/example.toml");
/// Limits that can be copied and changed.
const LIMITS_EXAMPLE: &str = include_str!("approvals/limits.toml");

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
    /// End a rule, that is an answer for a task or for always. Nothing is learned from it
    Revoke {
        /// Number of the rule, from `credence approvals list`
        rule: u64,
        /// Whose it is.
        #[command(flatten)]
        person: PersonArgs,
    },
    /// Show the limits that nothing learned can cross, or set them from a TOML file
    Limits {
        /// The file; those of before no longer hold
        file: Option<PathBuf>,
        /// Print limits to begin with, with every key explained
        #[arg(long)]
        example: bool,
        /// Whose they are.
        #[command(flatten)]
        person: PersonArgs,
    },
    /// List open questions, rules and acts that passed
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Whose they are.
        #[command(flatten)]
        person: PersonArgs,
    },
    /// Say what passes without a question, how sure that is, and what is needed for more; or all of one open question
    Show {
        /// Number of an open question
        question: Option<u64>,
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
            handed::done(global, Handed::Undo { person: whose, act })
        }
        ApprovalsCommand::Revoke { rule, person: whose } => {
            let whose = person(&whose)?;
            handed::done(global, Handed::Revoke { person: whose, rule })
        }
        ApprovalsCommand::Limits { example: true, .. } => say(LIMITS_EXAMPLE.trim_end()),
        ApprovalsCommand::Limits { file, person: whose, .. } => limits(global, file.as_deref(), &person(&whose)?),
        ApprovalsCommand::List { json, person: whose } => told::list(global, &person(&whose)?, json),
        ApprovalsCommand::Show { question: Some(question), json, person: whose } => {
            told::question(global, &person(&whose)?, question, json)
        }
        ApprovalsCommand::Show { question: None, json, person: whose } => told::show(global, &person(&whose)?, json),
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
    settings.audit_seed = rand::rng().random();
    if is_new {
        // The seed above holds; a home that has approvals keeps its own.
        drop(Opened::open(global, &args.model)?);
    }
    handed::done(global, Handed::Declare { person: whose, settings: Box::new(settings) })
}

/// A TOML file, with its place in every error.
fn of_toml<T: serde::de::DeserializeOwned>(file: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    toml::from_str(unmarked(&text))
        .map_err(|e| WrongInput(format!("{}: {}", file.display(), e.to_string().trim_end())).into())
}

/// A text without the byte order mark that some programs put before it.
fn unmarked(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
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
    serde_json::from_str(unmarked(&text)).map_err(|e| {
        WrongInput(format!("{name}: {e}; expected {{\"tool\": \"...\", \"arguments\": {{...}}, ...}}")).into()
    })
}

fn request(global: &Global, args: &RequestArgs) -> anyhow::Result<()> {
    let whose = person(&args.person)?;
    let stated = stated(&args.file)?;
    let mut home = open_home(global)?;
    let mut verdict = approvals::request(&mut home, &whose, stated.clone(), &here())?;
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if let Some(question) = verdict.question.filter(|_| terminal && !args.leave_open && !args.json)
        && put(&mut home, &whose, question, &verdict)?
    {
        verdict = approvals::request(&mut home, &whose, stated, &here())?;
    }
    if args.json {
        say_json(&verdict)?;
    } else {
        say_verdict(&verdict, &whose)?;
    }
    not_passed(verdict.verdict)
}

/// Puts the question on this terminal; says whether it was answered.
fn put(home: &mut Home, whose: &PersonId, question: u64, verdict: &ApprovalVerdict) -> anyhow::Result<bool> {
    let Some(request) = open_question(home, whose, question) else { return Ok(false) };
    say(format!("An agent asks: may I call\n{}", shown(&request)))?;
    say(format!(
        "{}\n  y  yes, this once   t  exactly this call in this task   a  these arguments from now on\n  n  no               m  yes for now, and ask me about such calls   q  leave it open",
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
        match approvals::answer(home, whose, question, verdict.shown_hash, answer, &here()) {
            Err(approvals::ApproveError::Unusable(why)) => say(why)?,
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(true),
        }
    }
}

/// A call as a person is to judge it: every argument whole.
pub(crate) fn shown(request: &Request) -> String {
    approvals::call_whole(request).join("\n")
}

/// An open question's request.
pub(crate) fn open_question(home: &Home, whose: &PersonId, question: u64) -> Option<Request> {
    let mut open = home.state().approvals(whose)?.open_questions();
    open.find(|(asked, _)| *asked == question).map(|(_, request)| request.clone())
}

fn say_verdict(verdict: &ApprovalVerdict, whose: &PersonId) -> anyhow::Result<()> {
    say(&verdict.explanation.summary)?;
    if let Some(act) = verdict.act {
        say(format!("act {act}: {} takes it back", hint_of(whose, format_args!("approvals undo {act}"))))?;
    }
    if let Some(question) = verdict.question {
        let answer = hint_of(whose, format_args!("approvals answer {question} approve"));
        say(format!("question {question}: {answer} (or refuse, ask-me)"))?;
    }
    verdict.explanation.would_change.iter().try_for_each(|way| say(format!("  {way}")))
}

fn answer(global: &Global, args: AnswerArgs) -> anyhow::Result<()> {
    let whose = person(&args.person)?;
    let state = read_state(global)?;
    let mut open = declared(&state, &whose)?.open_questions();
    let Some((_, request)) = open.find(|(asked, _)| *asked == args.question) else {
        anyhow::bail!(WrongInput(format!(
            "question {} of {whose} is not open; {} names those that are",
            args.question,
            hint_of(&whose, "approvals list")
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
    handed::done(global, Handed::Answer { person: whose, question: args.question, shown, answer })
}

fn limits(global: &Global, file: Option<&Path>, whose: &PersonId) -> anyhow::Result<()> {
    let Some(file) = file else {
        let state = read_state(global)?;
        let approvals = declared(&state, whose)?;
        return say(toml::to_string(approvals.limits()).context("limits cannot be written as TOML")?.trim_end());
    };
    let mut limits: Limits = of_toml(file)?;
    // A call is not let off a deny list by one more argument.
    let table: toml::Table = of_toml(file)?;
    let denied = table.get("deny").and_then(toml::Value::as_array);
    for (pattern, said) in limits.deny.iter_mut().zip(denied.into_iter().flatten()) {
        pattern.others |= said.get("others").is_none();
    }
    handed::done(global, Handed::Limits { person: whose.clone(), limits })
}

fn declared<'a>(
    state: &'a credence_memory::state::State,
    whose: &PersonId,
) -> anyhow::Result<&'a credence_approvals::Approvals> {
    state.approvals(whose).with_context(|| {
        let declare = hint_of(whose, "approvals declare FILE");
        WrongInput(format!("{whose} has not declared what agents may ask for: {declare} does"))
    })
}
