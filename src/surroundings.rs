//! Where the command runs: the clock, the home, the person's name, the model it loads, what it prints.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use anyhow::Context;
use credence_agent::bank::Bank;
use credence_agent::opening::{GenerationSource, OpenHome, Opening};
use credence_agent::pack::{self, Pack};
use credence_agent::reader::{ReadBefore, Reader as AlternativeReader};
use credence_memory::file::open_regular;
use credence_memory::home::{Home, HomeError, Paths};
use credence_memory::ids::{Hash, PersonId};
use credence_memory::log::{Entry, Reader};
use credence_memory::record::{LogOpened, Record};
use credence_memory::replay::ReplayError;
use credence_memory::state::State;
use credence_priors::cache::{ModelCache, PulledModel};
use credence_priors::reference::ModelReference;
use credence_priors::schema::ValueSchema;
use credence_priors::{Llama, LlamaOptions, ModelError, ModelHandle};
use jiff::Timestamp;

use crate::cli::{Global, ModelArgs, PersonArgs};
use crate::exit::WrongInput;
use crate::front::text::{harmless, harmless_json};
use crate::progress::{PullBar, counting, working};

/// The charter that ships with the program.
const CHARTER: &str = include_str!("../priors/data/charter.md");

/// The time now, as it stands in records: the only reading of it in the program; everything below gets it as an argument.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Prints a line to standard output, with whatever in it could drive a terminal shown as escapes; a closed pipe ends the
/// program quietly.
pub(crate) fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    print(&harmless(&line.to_string()))
}

/// Prints JSON that stands in a text already, as [`say_json`] does.
pub(crate) fn say_json_text(json: &str) -> anyhow::Result<()> {
    print(&harmless_json(json))
}

fn print(line: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout().lock(), "{line}") {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => crate::ending::at_once(0),
        other => other.context("failed to write to standard output"),
    }
}

/// Prints a value as one line of JSON, in which whatever could drive a terminal is spelt `\uXXXX`.
pub(crate) fn say_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    say_json_text(&serde_json::to_string(value)?)
}

/// The folder of evidence and belief.
pub(crate) fn home(global: &Global) -> anyhow::Result<PathBuf> {
    // A variable that is set to nothing, as files of services have it, is one that is not set.
    if let Some(dir) = global.home.as_ref().filter(|dir| !dir.as_os_str().is_empty()) {
        return Ok(dir.clone());
    }
    directories::ProjectDirs::from("", "", "credence")
        .map(|dirs| dirs.data_dir().join("home"))
        .context("no data directory is known for this user: give one with --home DIR or CREDENCE_HOME")
}

/// Where the service keeps, of a home, what it did under which key.
pub(crate) fn done_under_keys(home: &Path) -> PathBuf {
    home.join("serve").join("done.jsonl")
}

/// The person, by default the login name.
pub(crate) fn person(args: &PersonArgs) -> anyhow::Result<PersonId> {
    let name = match &args.person {
        Some(name) => name.clone(),
        // Whoever has no name must not be taken for somebody else who has none.
        None => whoami::username()
            .ok()
            .filter(|name| !name.trim().is_empty())
            .context(WrongInput("this user has no login name: say who it is with --person NAME".into()))?,
    };
    PersonId::new(&name).with_context(|| format!("{name:?} cannot be a person's name"))
}

/// The cache of models.
pub(crate) fn cache(global: &Global) -> ModelCache {
    ModelCache::of_user(global.offline).with_gpu_layers(global.gpu_layers)
}

/// The pack asked for, or that of the home, or `values`; none where a schema was given by itself.
pub(crate) fn pack(global: &Global, args: &ModelArgs) -> anyhow::Result<Option<Pack>> {
    if args.schema.is_some() {
        return Ok(None);
    }
    match &args.pack {
        Some(name) => {
            let pack = Pack::find(name)?;
            pack.adopt();
            Ok(Some(pack))
        }
        None => pack_of_home(global).map(Some),
    }
}

/// A pack that was named for the home, which is about it or is yet to begin.
///
/// # Errors
/// There is no such pack, a folder bears the name of a built-in one, or the home is about another.
pub(crate) fn pack_for_home(global: &Global, name: &str) -> anyhow::Result<Pack> {
    let found = Pack::find(name)?;
    if found.folder.is_some() && Pack::built_in_names().any(|built_in| built_in == found.name) {
        anyhow::bail!(WrongInput(format!(
            "the pack in {name} calls itself {:?}, as a built-in pack: give it another name in its pack.toml",
            found.name
        )));
    }
    let Some(header) = header_of_home(&log_path(global)?) else {
        found.adopt();
        return Ok(found);
    };
    let (of_home, hash) = match &header.pack {
        Some(named) => (named.name.as_str(), Some(named.hash)),
        None => (pack::DEFAULT, None),
    };
    if of_home != found.name {
        anyhow::bail!(WrongInput(format!(
            "this home is about the pack {of_home:?}, and --pack names {:?}: a home keeps its pack; begin another with --home DIR",
            found.name
        )));
    }
    // Said once: the home keeps what it was opened with last.
    let before = Pack::kept_in(&home(global)?).ok().flatten().map(|kept| kept.hash).or(hash);
    if before.is_some_and(|before| before != found.hash) {
        warn_of_change(&found.name);
    }
    found.adopt();
    Ok(found)
}

fn warn_of_change(pack: &str) {
    tracing::warn!("the pack {pack:?} has changed since this home was begun; what was answered counts as it did");
}

/// The first record of a home's log; none where there is no home yet.
fn header_of_home(log: &Path) -> Option<LogOpened> {
    match Reader::new(File::open(log).ok()?).next() {
        Some(Ok(Entry { record: Record::LogOpened(header), .. })) => Some(header),
        // Whatever is wrong with the log is said by whoever opens it.
        _ => None,
    }
}

/// The pack that the home is about; `values` where there is no home yet.
pub(crate) fn pack_of_home(global: &Global) -> anyhow::Result<Pack> {
    let Some(named) = header_of_home(&log_path(global)?).and_then(|header| header.pack) else {
        return Pack::built_in(pack::DEFAULT).context("there is no built-in pack");
    };
    if let Some(found) = Pack::built_in(&named.name) {
        if found.hash != named.hash {
            warn_of_change(&named.name);
        }
        return Ok(found);
    }
    let kept = Pack::kept_in(&home(global)?)?.filter(|kept| kept.name == named.name);
    kept.with_context(|| {
        WrongInput(format!(
            "this home is about the pack {:?}, of which it keeps no copy: give its folder with --pack DIR",
            named.name
        ))
    })
}

/// Calls values by the names of the pack that the home of a log is about, if that is one in a folder of which the home keeps a copy.
pub(crate) fn adopt_pack_of(log: &Path) {
    let Some(home) = log.ancestors().nth(2).filter(|_| log.ends_with("evidence/log.jsonl")) else { return };
    let Some(named) = header_of_home(log).and_then(|header| header.pack) else { return };
    if Pack::built_in_names().any(|built_in| built_in == named.name) {
        return;
    }
    match Pack::kept_in(home) {
        Ok(Some(pack)) if pack.name == named.name => pack.adopt(),
        Ok(_) => {}
        Err(error) => tracing::warn!(
            "values are called by their ids, since the copy of the pack {:?} in this home cannot be used: {}",
            named.name,
            credence_priors::error_chain(&error)
        ),
    }
}

/// The questions of a file, or those of the pack; none but a file's where a schema was given by itself.
pub(crate) fn bank(file: Option<&Path>, pack: Option<&Pack>) -> anyhow::Result<Bank> {
    Ok(match (file, pack) {
        (Some(path), _) => Bank::load(path)?,
        (None, Some(pack)) => pack.bank.clone(),
        (None, None) => Bank::built_in(),
    })
}

/// The value schema asked for.
pub(crate) fn schema(global: &Global, args: &ModelArgs) -> anyhow::Result<ValueSchema> {
    Ok(match (&args.schema, pack(global, args)?) {
        (Some(path), _) => ValueSchema::load(path)?,
        (None, Some(pack)) => (*pack.schema).clone(),
        (None, None) => ValueSchema::embedded(),
    })
}

/// The charter asked for.
pub(crate) fn charter(args: &ModelArgs, pack: Option<&Pack>) -> anyhow::Result<String> {
    let addition = pack.map_or("", |pack| pack.charter.trim());
    match &args.charter {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("failed to read the charter {}", path.display()))
        }
        None if addition.is_empty() => Ok(CHARTER.to_owned()),
        None => Ok(format!("{}\n\n{addition}\n", CHARTER.trim_end())),
    }
}

/// Finds or fetches the model's file, with a progress bar.
pub(crate) fn pull(global: &Global, reference: &str) -> anyhow::Result<PulledModel> {
    let reference: ModelReference = reference.parse()?;
    Ok(cache(global).pull(&reference, &mut PullBar::default())?)
}

/// Loads a model on its own thread; the schema must suit it.
pub(crate) fn load(global: &Global, model: &PulledModel, schema: &ValueSchema) -> anyhow::Result<ModelHandle> {
    let options = cache(global).llama_options_for(model);
    let path = model.path.clone();
    let mut handle = ModelHandle::spawn(move || Llama::load(&path, &options))?;
    schema.check_against(&mut handle)?;
    Ok(handle)
}

/// Model, schema and where readings are kept, from the command's options.
pub(crate) fn model_and_schema(
    global: &Global,
    args: &ModelArgs,
) -> anyhow::Result<(ModelHandle, Arc<ValueSchema>, PathBuf)> {
    let schema = schema(global, args)?;
    let pulled = pull(global, &args.model)?;
    let handle = load(global, &pulled, &schema)?;
    Ok((handle, Arc::new(schema), cache(global).readings()))
}

/// A home that is ready for use, and what reads for it.
pub(crate) struct Opened {
    /// The home.
    pub(crate) home: Home,
    /// What it was opened with.
    pub(crate) opening: Opening,
    reader: Option<AlternativeReader>,
}

impl Opened {
    /// Opens the home, reading the model's prior first if the log has none.
    pub(crate) fn open(global: &Global, args: &ModelArgs) -> anyhow::Result<Self> {
        let opening = opening(global, args)?;
        let root = home(global)?;
        let mut bar = None;
        let OpenHome { home, reader, notices } = opening
            .open(&root, now(), &mut |p| {
                let bar = bar.get_or_insert_with(|| counting("reading the model's prior"));
                bar.set_length(p.total);
                bar.set_position(p.done);
            })
            .with_context(|| format!("failed to open the home {}", root.display()))?;
        drop(bar);
        for notice in notices {
            tracing::warn!("{notice}");
        }
        Ok(Self { home, opening, reader })
    }

    /// Lets go of the home, so that others may use it.
    pub(crate) fn without_home(self) -> WithoutHome {
        let Self { home, opening, reader } = self;
        drop(home);
        WithoutHome { opening, reader }
    }

    /// What reads alternatives; loads the model when it is first needed.
    pub(crate) fn reader(&mut self) -> anyhow::Result<&mut AlternativeReader> {
        if self.reader.is_none() {
            let before = ReadBefore::of(&self.home).context("the log has no prior")?;
            let mut spinner = Some(working("loading the model"));
            let mut bar = None;
            let generations = GenerationSource::in_force(&self.home);
            self.reader = Some(self.opening.reader(&before, &generations, &mut |progress| {
                drop(spinner.take());
                let bar = bar.get_or_insert_with(|| counting("learning what this model's states mean, once"));
                bar.set_length(progress.total);
                bar.set_position(progress.done);
            })?);
        }
        self.reader.as_mut().context("a reader was just made")
    }
}

/// What belongs to a home that was let go of.
pub(crate) struct WithoutHome {
    opening: Opening,
    reader: Option<AlternativeReader>,
}

impl WithoutHome {
    /// The home is here again.
    pub(crate) fn with(self, home: Home) -> Opened {
        Opened { home, opening: self.opening, reader: self.reader }
    }
}

/// Opens the home for writing.
pub(crate) fn open_home(global: &Global) -> anyhow::Result<Home> {
    let dir = home(global)?;
    let log = log_path(global)?;
    if !log.exists() {
        // Said as by those commands that only read it.
        open_log(&log)?;
    }
    let (home, opened) = Home::open(&dir)
        .map_err(|error| match error {
            HomeError::State(error) => anyhow::Error::new(ReplayError::from(error)),
            error => error.into(),
        })
        .with_context(|| format!("failed to open the home {}", dir.display()))?;
    for notice in opened.notices() {
        tracing::warn!("{notice}");
    }
    Ok(home)
}

/// The models that were loaded, each once, whoever asks: a second copy would take the memory again and spin against the first. Clones
/// share them.
#[derive(Clone, Default)]
pub(crate) struct Loaded(Arc<Mutex<Vec<(Which, ModelHandle)>>>);

/// A model's file, and the adapter that it is loaded with, if any.
type Which = (PathBuf, Option<PathBuf>);

impl Loaded {
    /// A model; it is loaded if it was not. Whoever asks meanwhile waits.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub(crate) fn model(&self, path: &Path, options: &LlamaOptions) -> Result<ModelHandle, ModelError> {
        let which = (path.to_owned(), options.adapter.clone());
        let mut loaded = self.lock();
        if let Some((_, model)) = loaded.iter().find(|(known, _)| *known == which) {
            return Ok(model.clone());
        }
        let (path, options) = (path.to_owned(), options.clone());
        let model = ModelHandle::spawn(move || Llama::load(&path, &options))?;
        loaded.push((which, model.clone()));
        Ok(model)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Forgets them, after one failed: they are loaded again when they are needed.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Which, ModelHandle)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a home is opened with, from the command's options. The model's file is found or fetched; it is not loaded.
pub(crate) fn opening(global: &Global, args: &ModelArgs) -> anyhow::Result<Opening> {
    opening_with(global, args, &Loaded::default())
}

/// The same, with models that others use too.
pub(crate) fn opening_with(global: &Global, args: &ModelArgs, loaded: &Loaded) -> anyhow::Result<Opening> {
    let pack = match (&args.schema, &args.pack) {
        (None, Some(name)) => Some(pack_for_home(global, name)?),
        _ => pack(global, args)?,
    };
    let schema = schema(global, args)?;
    let charter = charter(args, pack.as_ref())?;
    let pulled = pull(global, &args.model)?;
    let gguf_hash: Hash = pulled.blake3.parse().context("the cache's manifest has a hash that is none")?;
    let (options, path) = (cache(global).llama_options_for(&pulled), pulled.path.clone());
    let (with_adapter, base) = (options.clone(), path.clone());
    let schema = Arc::new(schema);
    let checked = schema.clone();
    let (loaded, with_others) = (loaded.clone(), loaded.clone());
    let is_checked = AtomicBool::new(false);
    Ok(Opening {
        reference: args.model.clone(),
        gguf_hash,
        scoring_precision: Llama::scoring_precision(&path, &options)?,
        unkeyed: args.unkeyed,
        schema,
        pack,
        charter,
        readings: Some(cache(global).readings()),
        belief: credence_memory::belief::Settings::of_new_homes(),
        load: Arc::new(move || {
            let mut handle = loaded.model(&path, &options)?;
            if !is_checked.load(Ordering::Relaxed) {
                checked.check_against(&mut handle)?;
                is_checked.store(true, Ordering::Relaxed);
            }
            Ok(handle)
        }),
        load_adapter: Arc::new(move |adapter| {
            let options = LlamaOptions { adapter: Some(adapter.to_owned()), ..with_adapter.clone() };
            Ok(with_others.model(&base, &options)?)
        }),
        learning: None,
    })
}

/// The log of the home.
pub(crate) fn log_path(global: &Global) -> anyhow::Result<PathBuf> {
    Ok(home(global)?.join("evidence").join("log.jsonl"))
}

/// Opens a log to read it, and says if it lost records since it was last written to.
pub(crate) fn open_log(path: &Path) -> anyhow::Result<File> {
    static LOST: Once = Once::new();
    let home = path.ancestors().nth(2).filter(|_| path.ends_with("evidence/log.jsonl"));
    if let Some(home) = home {
        let paths = Paths::of(home);
        paths.not_gone()?;
        if let Some(lost) = paths.lost_records() {
            LOST.call_once(|| tracing::warn!("{lost}"));
        }
    }
    open_regular(path).map_err(|e| match e.kind() {
        ErrorKind::NotFound => {
            let fronts = path.ancestors().nth(2).map(logs_of_shards).unwrap_or_default();
            let what = match fronts.first() {
                Some(first) => format!(
                    "this is the home of a front end, with a log for each shard: give --home {}",
                    first.display()
                ),
                None => "`credence session` begins one".to_owned(),
            };
            WrongInput(format!("there is no evidence log at {}; {what}", path.display())).into()
        }
        _ => anyhow::Error::new(e).context(format!("failed to open the log {}", path.display())),
    })
}

/// The homes that a front end follows shards in.
fn logs_of_shards(home: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(home).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_of_shard = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("shard-")) && Paths::of(path).has_log()
    };
    let mut found: Vec<PathBuf> = folders.filter(is_of_shard).collect();
    found.sort();
    found
}

/// The state of the home's log, read without opening the home: a session may go on meanwhile. Beliefs are formed when they
/// are asked for.
pub(crate) fn read_state(global: &Global) -> anyhow::Result<State> {
    state_of(&log_path(global)?)
}

/// The same of the log at a path.
pub(crate) fn state_of(log: &Path) -> anyhow::Result<State> {
    let file = open_log(log)?;
    let mut state = State::new();
    for entry in Reader::new(file) {
        state.note(&entry?).map_err(ReplayError::from)?;
    }
    Ok(state)
}

/// Processes waiting for each processor, over the last minute; none where the system does not say.
pub(crate) fn machine_load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let waiting: f64 = text.split_whitespace().next()?.parse().ok()?;
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Some(waiting / processors as f64)
}

/// Room on the disk that holds a folder, in bytes; none where the system does not say.
pub(crate) fn room_bytes(folder: &std::path::Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let stat = rustix::fs::statvfs(folder).ok()?;
        Some(stat.f_bavail.saturating_mul(stat.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = folder;
        None
    }
}
