//! Exit codes, and which error leads to which.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use credence_agent::approvals::ApproveError;
use credence_agent::bank::BankError;
use credence_agent::briefing::BriefingError;
use credence_agent::calls::CallError;
use credence_agent::consider::ConsiderError;
use credence_agent::going_on::GoingOnError;
use credence_agent::library::LibraryError;
use credence_agent::opening::OpeningError;
use credence_agent::pack::PackError;
use credence_agent::reader::ReaderError;
use credence_agent::session::SessionError;
use credence_agent::words::WordsError;
use credence_approvals::Verdict;
use credence_evals::pressure::PressureError;
use credence_glass::contrast::ContrastError;
use credence_glass::probe::{ExamplesError, FitError, ProbeFileError};
use credence_memory::erase::EraseError;
use credence_memory::export::ExportError;
use credence_memory::home::HomeError;
use credence_memory::ids::IdError;
use credence_memory::import::ImportError;
use credence_memory::log::LogError;
use credence_memory::population::{ConsolidationError, PopulationError};
use credence_memory::record::{ActOutcome, Outcome};
use credence_memory::replay::ReplayError;
use credence_memory::state::StateError;
use credence_priors::ModelError;
use credence_priors::download::PullError;
use credence_priors::schema::SchemaError;
use credence_training::TrainingError;
use credence_tuning::candidate::FolderError;
use credence_tuning::dataset::DataSetError;
use credence_tuning::records::RecordError;
use credence_tuning::work::WorkError;

use crate::front::AnswersError;
use crate::front::text::harmless;

/// Shown below the `--help` of the whole command.
pub(crate) const CODES: &str = "\
Exit codes:
  0  done
  1  something failed that has no code of its own
  2  the command line is wrong
  3  an input file is wrong (its name and line are in the message)
  4  another process is using this home
  5  the log is damaged, or was written by a newer version
  6  the model cannot be had or used
  7  the log belongs to another model or schema
  8  the disk is full, read-only or failing; nothing answered is lost
  9  a replay or a verification did not match
 10  `decide`, `agent`, `approvals request`: a question comes first, and it was not answered
 11  `decide`, `agent`: the decision is left to the person
 12  `approvals request`, `agent --carry-out`: refused
 13  `agent --carry-out`: the command failed, was ended, or what it did is not known
130  interrupted";

/// What can be done where another process is using a home.
const IN_USE: &str = "\
`credence mcp` and `credence serve` hold a home as long as they run. What owners say reaches them meanwhile: `credence approvals`
with answer, undo, revoke, limits and declare, `credence decide answer` and `credence agent stop`; so does a page of the service.
Commands that only read work too. For anything else, end that process first.";

/// More of an error is not shown.
const ERROR_CHARS_MAX: usize = 4000;

/// A replay or verification that did not match.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct DidNotMatch(pub String);

/// Nothing was chosen; what was decided instead has been printed.
#[derive(Debug, thiserror::Error)]
#[error("nothing was chosen")]
struct Undecided {
    code: u8,
}

/// A decision to act is done; one to ask, or to leave it to the person, has an exit code of its own and needs no message.
pub(crate) fn undecided(outcome: &Outcome) -> anyhow::Result<()> {
    match outcome {
        Outcome::Act { .. } => Ok(()),
        Outcome::Ask { .. } => Err(Undecided { code: 10 }.into()),
        Outcome::Defer { .. } => Err(Undecided { code: 11 }.into()),
    }
}

/// An act that passes is done; one that is asked or refused has an exit code of its own and needs no message.
pub(crate) fn not_passed(verdict: Verdict) -> anyhow::Result<()> {
    match verdict {
        Verdict::Allow => Ok(()),
        Verdict::Ask => Err(Undecided { code: 10 }.into()),
        Verdict::Refuse => Err(Undecided { code: 12 }.into()),
    }
}

/// An act that was done is done; any other outcome has an exit code of its own, and was told.
pub(crate) fn not_carried_out(outcome: ActOutcome) -> anyhow::Result<()> {
    match outcome {
        ActOutcome::Done => Ok(()),
        ActOutcome::Failed | ActOutcome::NotDone | ActOutcome::Undone | ActOutcome::Unknown => {
            Err(Undecided { code: 13 }.into())
        }
    }
}

/// A signal, a second Ctrl-C or a closed pipe ended it.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; everything answered is in the log")]
pub(crate) struct Interrupted;

/// An input that is wrong, where no library error says so.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongInput(pub String);

/// Options that do not go together.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongOptions(pub String);

/// Prints the error, with its causes, and gives its exit code.
pub(crate) fn report(result: anyhow::Result<()>) -> ExitCode {
    crate::ending::wait_where_under_way();
    let Err(error) = result else { return ExitCode::SUCCESS };
    if let Some(undecided) = error.downcast_ref::<Undecided>() {
        return ExitCode::from(undecided.code);
    }
    let code = code(&error);
    let mut told = std::io::stderr().lock();
    let _ = writeln!(told, "error: {}", worded(&error));
    if code == 4 {
        let _ = writeln!(told, "{IN_USE}");
    }
    ExitCode::from(code)
}

/// An error may quote what it is about: that is shown harmless, and cut where it would flood the screen.
fn worded(error: &anyhow::Error) -> String {
    let whole = crate::hint::with_home(&format!("{error:#}"));
    let cut = whole.char_indices().nth(ERROR_CHARS_MAX).map_or(whole.len(), |(at, _)| at);
    let ends = if cut < whole.len() { " [...]" } else { "" };
    format!("{}{ends}", harmless(&whole[..cut]))
}

fn code(error: &anyhow::Error) -> u8 {
    // Given as context it is not one of the chain's errors, but anyhow finds it.
    if error.is::<WrongInput>() {
        return 3;
    }
    if error.is::<WrongOptions>() {
        return 2;
    }
    error.chain().find_map(code_of).or_else(|| error.chain().find_map(of_files)).unwrap_or(1)
}

fn code_of(error: &(dyn std::error::Error + 'static)) -> Option<u8> {
    // Transparent errors hide what they carry from the chain, so they are opened here one by one.
    if let Some(error) = error.downcast_ref() {
        return of_opening(error);
    }
    if let Some(error) = error.downcast_ref() {
        return of_session(error);
    }
    if let Some(error) = error.downcast_ref() {
        return of_home(error);
    }
    if let Some(error) = error.downcast_ref() {
        return of_log(error);
    }
    if let Some(error) = error.downcast_ref() {
        return of_replay(error);
    }
    if let Some(error) = error.downcast_ref() {
        return of_import(error);
    }
    match error.downcast_ref() {
        Some(ExportError::Log(error)) => return of_log(error),
        Some(ExportError::Write(_)) => return Some(8),
        Some(ExportError::State(_)) | None => {}
    }
    match error.downcast_ref() {
        Some(EraseError::Home(error)) => return of_home(error),
        Some(EraseError::NotConfirmed { .. }) => return Some(2),
        Some(EraseError::NoSuchPerson(_)) => return Some(3),
        Some(EraseError::File { .. }) => return Some(8),
        Some(EraseError::Outdated) | None => {}
    }
    if let Some(error) = error.downcast_ref() {
        return of_work(error);
    }
    if let Some(error) = error.downcast_ref() {
        return of_training(error);
    }
    if let Some(RecordError::Home(error)) = error.downcast_ref() {
        return of_home(error);
    }
    match error.downcast_ref() {
        Some(ConsolidationError::NoHeader | ConsolidationError::TooFew(_)) => return Some(3),
        Some(ConsolidationError::Population(error)) => return of_population(error),
        Some(
            ConsolidationError::Message { .. }
            | ConsolidationError::Key(_)
            | ConsolidationError::Otherwise
            | ConsolidationError::Twice(_),
        )
        | None => {}
    }
    if let Some(error) = error.downcast_ref() {
        return of_population(error);
    }
    if error.is::<ContrastError>()
        || error.is::<ExamplesError>()
        || error.is::<FitError>()
        || error.is::<ProbeFileError>()
    {
        return Some(3);
    }
    if error.is::<FolderError>() {
        return Some(8);
    }
    if error.is::<IdError>() {
        return Some(2);
    }
    if error.is::<DataSetError>() {
        return Some(3);
    }
    match error.downcast_ref() {
        Some(ApproveError::Home(error)) => return of_home(error),
        Some(
            ApproveError::NotDeclared(_)
            | ApproveError::Approval(_)
            | ApproveError::NotOpen { .. }
            | ApproveError::Unusable(_),
        ) => {
            return Some(3);
        }
        None => {}
    }
    match error.downcast_ref() {
        Some(GoingOnError::Session(error)) => return of_session(error),
        Some(_) => return Some(3),
        None => {}
    }
    match error.downcast_ref() {
        Some(CallError::Home(error)) => return of_home(error),
        Some(CallError::Approve(ApproveError::Home(error))) => return of_home(error),
        Some(_) => return Some(3),
        None => {}
    }
    if let Some(error) = error.downcast_ref() {
        return match error {
            ConsiderError::Session(error) => of_session(error),
            _ => Some(6),
        };
    }
    if error.is::<BankError>()
        || error.is::<BriefingError>()
        || error.is::<LibraryError>()
        || error.is::<PackError>()
        || error.is::<SchemaError>()
        || error.is::<WrongInput>()
        || error.is::<AnswersError>()
    {
        return Some(3);
    }
    if let Some(error) = error.downcast_ref() {
        return match error {
            WordsError::Load(_) | WordsError::Model(_) => Some(6),
            _ => Some(3),
        };
    }
    if error.is::<DidNotMatch>() {
        return Some(9);
    }
    if error.is::<Interrupted>() {
        return Some(130);
    }
    (error.is::<ModelError>() || error.is::<PressureError>() || error.is::<PullError>() || error.is::<ReaderError>())
        .then_some(6)
}

/// Files of which nothing more is known: an input that is not there, or a disk that refuses.
fn of_files(error: &(dyn std::error::Error + 'static)) -> Option<u8> {
    match error.downcast_ref::<io::Error>()?.kind() {
        ErrorKind::NotFound | ErrorKind::IsADirectory | ErrorKind::InvalidData => Some(3),
        ErrorKind::PermissionDenied | ErrorKind::StorageFull | ErrorKind::ReadOnlyFilesystem => Some(8),
        _ => None,
    }
}

fn of_work(error: &WorkError) -> Option<u8> {
    match error {
        WorkError::Training(error) => of_training(error),
        WorkError::Folder(_) => Some(8),
        WorkError::Cancelled => Some(130),
        WorkError::Load(error) => code_of(error.as_ref()).or(Some(6)),
        WorkError::Model(_) | WorkError::Read(_) | WorkError::Cache(_) | WorkError::Feature(_) => Some(6),
        WorkError::Measure(_)
        | WorkError::Space(_)
        | WorkError::Banks(_)
        | WorkError::NoParent(_)
        | WorkError::Hash(_)
        | WorkError::Motives(_)
        | WorkError::Outdated => None,
    }
}

fn of_training(error: &TrainingError) -> Option<u8> {
    match error {
        TrainingError::Io { .. } | TrainingError::DiskFull { .. } => Some(8),
        TrainingError::Adapter { .. } | TrainingError::OtherModel { .. } | TrainingError::Settings(_) => Some(3),
        TrainingError::Gguf { .. }
        | TrainingError::Unsupported { .. }
        | TrainingError::Metadata { .. }
        | TrainingError::Tensor { .. } => Some(6),
        TrainingError::Checkpoint { .. }
        | TrainingError::Example { .. }
        | TrainingError::NotFinite { .. }
        | TrainingError::Threads(_) => None,
    }
}

/// Options are the person's; whatever else fails is ours.
fn of_population(error: &PopulationError) -> Option<u8> {
    matches!(error, PopulationError::Options { .. }).then_some(3)
}

fn of_opening(error: &OpeningError) -> Option<u8> {
    match error {
        OpeningError::Mismatch { .. } | OpeningError::PackChanged { .. } => Some(7),
        OpeningError::Load(error) => code_of(error.as_ref()).or(Some(6)),
        OpeningError::Reader(_) | OpeningError::Model(_) => Some(6),
        OpeningError::Session(error) => of_session(error),
    }
}

fn of_session(error: &SessionError) -> Option<u8> {
    match error {
        SessionError::Home(error) => of_home(error),
        SessionError::Words(WordsError::Load(_) | WordsError::Model(_)) => Some(6),
        error if error.is_the_persons() => Some(3),
        _ => None,
    }
}

fn of_home(error: &HomeError) -> Option<u8> {
    match error {
        HomeError::InUse(_) => Some(4),
        HomeError::Fed { .. } => Some(3),
        HomeError::Files { .. } => Some(8),
        HomeError::Log(error) => of_log(error),
        HomeError::Gone { .. } => Some(5),
        HomeError::Missing(_) | HomeError::Exists(_) | HomeError::State(_) => None,
    }
}

fn of_log(error: &LogError) -> Option<u8> {
    match error {
        LogError::Storage { .. }
        | LogError::NotAppended { .. }
        | LogError::Unsure { .. }
        | LogError::Unsynced { .. }
        | LogError::Poisoned { .. }
        | LogError::Changed { .. } => Some(8),
        LogError::Damaged { .. } | LogError::NewerFormat { .. } | LogError::UnknownKind { .. } => Some(5),
        _ => None,
    }
}

fn of_replay(error: &ReplayError) -> Option<u8> {
    match error {
        ReplayError::Log(error) => of_log(error),
        ReplayError::VerifyOfAnother => Some(2),
        ReplayError::NoSuchPerson(_) | ReplayError::NoElicitedPrior => Some(3),
        // A setting or a prior that was asked for; those of the log were checked when they were written.
        ReplayError::Belief { .. } => Some(3),
        // What is read does not fit what was read before it.
        ReplayError::State(StateError::Illegal { .. }) => Some(5),
        ReplayError::State(_) => None,
    }
}

fn of_import(error: &ImportError) -> Option<u8> {
    match error {
        ImportError::Read { .. }
        | ImportError::Line { .. }
        | ImportError::Empty(_)
        | ImportError::NothingLeft { .. }
        | ImportError::Conversation(_)
        | ImportError::NotPolis { .. }
        | ImportError::Mirrored { .. }
        | ImportError::Again { .. }
        | ImportError::Name(_) => Some(3),
        ImportError::Log { source, .. } => of_replay(source).or(Some(3)),
        ImportError::OtherSpace { .. } => Some(7),
        // It was imported before, or says something that this log cannot hold.
        ImportError::Home(
            HomeError::State(_) | HomeError::Log(LogError::TooLong { .. } | LogError::Unwritable { .. }),
        ) => Some(3),
        ImportError::Home(error) => of_home(error),
    }
}
