//! Evidence from files over the API: a file is sent and looked at first, and brought in when somebody says so. The rules, and what is
//! said of what does not fit, are those of `credence evidence import`.
//!
//! What was sent waits in the home's folder `serve/imports` under the hash of its content: a file as a file, the several files of a Polis
//! export as a folder. Bringing it in twice brings nothing twice.

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use credence_memory::home::HomeError;
use credence_memory::ids::{Hash, PersonId};
use credence_memory::import::{Import, ImportError, Reading, conversation_id};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::access::Caller;
use super::api::{Asked, At, unread};
use super::desk::{Desk, chain};
use super::problem::Problem;
use super::reading::aside;
use crate::commands::evidence::import::{Counts, ImportView, marks};
use crate::exit::WrongInput;
use crate::surroundings::now;

/// Bytes of a file, at most.
pub(super) const FILE_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Files that wait, at most.
const WAITING_MAX: usize = 20;
/// How long a file waits to be brought in.
const WAITS: Duration = Duration::from_secs(24 * 60 * 60);

/// The routes, with their part of the document.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(send)).routes(routes!(commit)).layer(DefaultBodyLimit::max(FILE_BYTES_MAX))
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Form {
    /// Pairwise choices (columns person, first, second, chosen, and situation and time if you like), or a CSV that this program exported.
    Csv,
    /// TRL preference data, JSON Lines.
    Trl,
    /// A Polis export: its `comments.csv`, `votes.csv` and, if it is there, `summary.csv`, in a zip archive.
    Polis,
}

impl Form {
    /// Its name, as it stands in addresses and forms.
    pub(super) fn name(self) -> &'static str {
        match self {
            Form::Csv => "csv",
            Form::Trl => "trl",
            Form::Polis => "polis",
        }
    }
}

/// What was sent: a file, or several with their names.
pub(super) enum Content {
    /// One, as it came.
    File(Bytes),
    /// Those of a Polis export.
    Polis(Vec<(String, Bytes)>),
}

/// How a file is read.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// What it is.
    #[param(inline)]
    pub(super) format: Form,
    /// Leave rows out that cannot be read, and list them; otherwise one such row stops the import.
    #[serde(default)]
    pub(super) skip_bad: bool,
    /// Whose lines of TRL data are that name nobody.
    #[serde(default)]
    pub(super) person: Option<String>,
    /// The name of the conversation of a Polis export; else the id in its files' names.
    #[serde(default)]
    pub(super) conversation: Option<String>,
}

/// A file that was looked at, or brought in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Imported {
    /// The name it waits under: the BLAKE3 hash of its content.
    pub(super) import: String,
    /// What would come in, or came in.
    pub(super) found: ImportView,
    /// People who answer here themselves, and have rows in it: what they said and what the file says of them is then one.
    #[schema(value_type = Vec<String>)]
    pub(super) adds_to: Vec<PersonId>,
}

/// Looks at a file and says what would come in. Nothing is changed; the file waits for a day to be brought in.
#[utoipa::path(post, path = "/api/v1/imports", params(How),
    request_body(content = String, content_type = "text/plain",
        description = "The file: UTF-8, or a zip archive of a Polis export; 32 MiB at most."),
    responses((status = 200, body = Imported), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn send(
    State(app): State<App>,
    caller: Caller,
    Asked(how): Asked<How>,
    request: Request,
) -> Result<Json<Imported>, Problem> {
    caller.must_see_everybody()?;
    let bytes = Bytes::from_request(request, &()).await.map_err(|e| unread(e.status(), e.body_text()))?;
    let content = match how.format {
        Form::Csv | Form::Trl => Content::File(bytes),
        Form::Polis => Content::Polis(aside(move || Ok(unpacked(&bytes))).await??),
    };
    Ok(Json(looked_at(&app, content, how).await?))
}

/// Brings in what was looked at. What stands here already stays as it is, so it may be sent again.
#[utoipa::path(post, path = "/api/v1/imports/{import}/commit", params(("import" = String, Path), How),
    responses((status = 200, body = Imported), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn commit(
    State(app): State<App>,
    caller: Caller,
    At(import): At<String>,
    Asked(how): Asked<How>,
) -> Result<Json<Imported>, Problem> {
    caller.must_see_everybody()?;
    Ok(Json(brought_in(&app, import, how).await?))
}

/// Keeps a file, and says what would come in.
pub(super) async fn looked_at(app: &App, content: Content, how: How) -> Result<Imported, Problem> {
    let folder = folder(&app.home);
    let kept = aside(move || keep(&folder, &content)).await?;
    read_and(app, kept, how, true).await
}

/// Brings in what waits under this name.
pub(super) async fn brought_in(app: &App, import: String, how: How) -> Result<Imported, Problem> {
    let is_name = import.len() == 64 && import.bytes().all(|b| b.is_ascii_hexdigit());
    let path = folder(&app.home).join(&import);
    let is_there = if how.format == Form::Polis { path.is_dir() } else { path.is_file() };
    if !is_name || !is_there {
        return Err(Problem::no_such("file that waits to be brought in", &import));
    }
    let imported = read_and(app, import, how, false).await?;
    app.following.everybody();
    Ok(imported)
}

/// Reads what waits under a name, holds it against the home, and brings it in unless it is only looked at.
async fn read_and(app: &App, import: String, how: How, dry_run: bool) -> Result<Imported, Problem> {
    let path = folder(&app.home).join(&import);
    let person = how.person.as_deref().map(str::trim).filter(|name| !name.is_empty());
    let person = PersonId::new(person.unwrap_or("somebody")).map_err(|e| Problem::unusable(e.to_string()))?;
    let named = how.person.as_deref().is_some_and(|name| !name.trim().is_empty());
    let read = aside(move || {
        let reading = Reading { skip_bad: how.skip_bad, ..Reading::default() };
        let read = match how.format {
            Form::Csv => reading.pairwise_csv(&path, &mut |_| {}),
            Form::Trl => reading.trl(&path, &person, &mut |_| {}),
            Form::Polis => {
                let given = how.conversation.as_deref().map(str::trim).filter(|name| !name.is_empty());
                let Some(name) = given.map(str::to_owned).or_else(|| conversation_id(&path)) else {
                    anyhow::bail!(WrongInput(
                        "say what the conversation is called: its files' names do not tell".into()
                    ));
                };
                let read = reading.polis(&path, &name, &mut |_| {});
                if given.is_none() { read.map(Import::under_any_name) } else { read }
            }
        };
        let read = read.map_err(|error| anyhow::Error::new(WrongInput(said(&error, &path))))?;
        if how.format == Form::Trl && !named && read.people().contains(&person) {
            anyhow::bail!(WrongInput("some lines name no person: say whose they are".into()));
        }
        Ok(read)
    });
    let read = read.await?;
    let path = folder(&app.home).join(&import);
    let tokens = app.clone();
    let take = move |desk: &mut Desk| {
        let sits = |person: &PersonId| desk.home.state().sessions().values().any(|s| s.started.person == *person);
        let answers_here = |person: &&PersonId| tokens.tokens.stands_for(person) || sits(person);
        let adds_to: Vec<PersonId> = read.people().iter().filter(answers_here).cloned().collect();
        let found = take(desk, read, dry_run).map_err(|error| problem(error, &path))?;
        Ok::<_, Problem>((found, adds_to))
    };
    let (found, adds_to) = app.desk.run(take).await??;
    Ok(Imported { import, found, adds_to })
}

/// Compares an import with the home, and brings it in.
fn take(desk: &mut Desk, import: Import, dry_run: bool) -> Result<ImportView, ImportError> {
    let import = import.compared(Some(&desk.home))?;
    let counts = Counts::of(&import, Some(desk.home.state()));
    let marks = marks(&import, Some(desk.home.state()));
    let before = desk.home.state().head().0.0;
    // Every record is checked against the home, also where nothing is kept of it.
    let draft = import.clone().draft(&desk.home, now(), Vec::new())?;
    let mut records = None;
    if !dry_run && !import.is_empty() {
        desk.home.commit(draft)?;
        records = Some([before + 1, desk.home.state().head().0.0]);
        import.people().iter().for_each(|person| desk.forget_sessions_of(person));
    }
    let view = ImportView::of(&import, dry_run, counts, records, marks);
    Ok(ImportView { left_out: view.left_out.iter().map(|row| without_folder(row)).collect(), ..view })
}

fn problem(error: ImportError, path: &Path) -> Problem {
    match error {
        ImportError::Home(error @ (HomeError::Log(_) | HomeError::Files { .. })) => error.into(),
        error => Problem::unusable(said(&error, path)),
    }
}

/// An error in words, without where the file is kept.
fn said(error: &ImportError, path: &Path) -> String {
    let path = path.display().to_string();
    chain(error).replace(&format!("{path}/"), "").replace(&path, "the file")
}

/// A row that was left out, without where its file is kept; which of several files it stands in is told.
fn without_folder(row: &str) -> String {
    let Some((path, rest)) = row.split_once(", line ") else { return row.to_owned() };
    let of_several = Path::new(path).file_name().and_then(|name| name.to_str()).filter(|name| name.ends_with(".csv"));
    of_several.map_or_else(|| format!("line {rest}"), |name| format!("{name}, line {rest}"))
}

/// Files of an archive, at most.
const FILES_MAX: usize = 64;

/// The CSV files of a zip archive, by their names without folders. No more is unpacked than a file may have bytes.
///
/// # Errors
/// It is no archive, or holds more.
pub(super) fn unpacked(bytes: &[u8]) -> Result<Vec<(String, Bytes)>, Problem> {
    let no_archive = |error: zip::result::ZipError| Problem::unusable(format!("this is no zip archive: {error}"));
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(no_archive)?;
    let (mut files, mut left) = (Vec::new(), FILE_BYTES_MAX as u64);
    for index in 0..archive.len() {
        let file = archive.by_index(index).map_err(no_archive)?;
        let name = file.name().map_err(no_archive)?;
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        // Programs that pack on other systems add files of their own, whose names begin with a dot.
        if !name.ends_with(".csv") || name.starts_with('.') {
            continue;
        }
        let mut content = Vec::new();
        let read = file.take(left + 1).read_to_end(&mut content);
        read.map_err(|e| Problem::unusable(format!("{name} cannot be unpacked: {e}")))?;
        left = left.checked_sub(content.len() as u64).filter(|_| files.len() < FILES_MAX).ok_or_else(|| {
            Problem::too_large(format!("the archive holds more than {FILES_MAX} files or {FILE_BYTES_MAX} bytes"))
        })?;
        files.push((name, Bytes::from(content)));
    }
    Ok(files)
}

fn folder(home: &Path) -> PathBuf {
    home.join("serve").join("imports")
}

/// Makes a folder that nobody else may look into.
fn make_folder(folder: &Path) -> anyhow::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    Ok(builder.create(folder)?)
}

/// Writes a file that nobody else may read.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    Ok(options.open(path)?.write_all(bytes)?)
}

/// Whether a name can stand in a folder of ours and leads nowhere else.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ' | '(' | ')');
    name.ends_with(".csv") && !name.starts_with('.') && name.len() <= 200 && name.chars().all(plain)
}

/// Keeps what was sent under the hash of its content; what waited too long goes.
fn keep(folder: &Path, content: &Content) -> anyhow::Result<String> {
    make_folder(folder)?;
    let mut waiting: Vec<(SystemTime, PathBuf)> = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        waiting.push((file.metadata()?.modified()?, file.path()));
    }
    waiting.sort();
    let many = waiting.len().saturating_sub(WAITING_MAX - 1);
    for (n, (since, path)) in waiting.iter().enumerate() {
        if n < many || since.elapsed().is_ok_and(|waited| waited > WAITS) {
            if path.is_dir() { fs::remove_dir_all(path)? } else { fs::remove_file(path)? }
        }
    }
    match content {
        Content::File(bytes) => {
            let name = Hash::of(bytes).to_string();
            write(&folder.join(&name), bytes)?;
            Ok(name)
        }
        Content::Polis(files) => {
            let mut files: Vec<&(String, Bytes)> = files.iter().collect();
            files.sort();
            if let Some((name, _)) = files.iter().find(|(name, _)| !is_plain(name)) {
                anyhow::bail!(WrongInput(format!("{name:?} is no name of a CSV file of a Polis export")));
            }
            if let Some(twice) = files.windows(2).find(|two| two[0].0 == two[1].0) {
                anyhow::bail!(WrongInput(format!("there are two files called {}", twice[0].0)));
            }
            let parts = files.iter().flat_map(|(name, bytes)| [name.as_bytes(), bytes.as_ref()]);
            let name = Hash::of_parts("credence import of several files 1", parts).to_string();
            let own = folder.join(&name);
            make_folder(&own)?;
            files.iter().try_for_each(|(name, bytes)| write(&own.join(name), bytes))?;
            Ok(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_wait_under_their_hash_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(dir.path());
        let file = |text: &str| Content::File(Bytes::from(text.to_owned()));
        let names: Vec<String> = (0..WAITING_MAX + 3).map(|n| keep(&folder, &file(&n.to_string())).unwrap()).collect();
        assert_eq!(names[0], Hash::of(b"0").to_string());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), WAITING_MAX);
        assert!(folder.join(&names[WAITING_MAX + 2]).is_file());
        assert_eq!(keep(&folder, &file("22")).unwrap(), names[22], "the same again is the same");
        let several =
            |name: &str| Content::Polis(vec![(name.to_owned(), Bytes::from("a")), ("votes.csv".into(), Bytes::new())]);
        let kept = keep(&folder, &several("comments.csv")).unwrap();
        assert_eq!(fs::read(folder.join(&kept).join("comments.csv")).unwrap(), b"a");
        for name in ["../comments.csv", "votes.csv", ".votes.csv", "comments.txt", "a/b.csv"] {
            assert!(keep(&folder, &several(name)).is_err(), "{name}");
        }
        (0..WAITING_MAX).for_each(|n| drop(keep(&folder, &file(&format!("more {n}"))).unwrap()));
        assert!(!folder.join(&kept).exists(), "folders go as files do");
    }

    #[test]
    fn archives_are_unpacked_without_their_folders_and_no_further_than_a_file_may_be_large() {
        let packed = |files: &[(&str, usize)]| {
            let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
            for (name, size) in files {
                zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
                zip.write_all(&vec![b'x'; *size]).unwrap();
            }
            zip.finish().unwrap().into_inner()
        };
        let names = |bytes: &[u8]| unpacked(bytes).map(|files| files.into_iter().map(|(n, _)| n).collect::<Vec<_>>());
        let found = names(&packed(&[
            ("x/votes.csv", 3),
            ("../comments.csv", 2),
            ("readme.md", 1),
            ("__MACOSX/._votes.csv", 1),
        ]));
        assert_eq!(found.unwrap(), ["votes.csv", "comments.csv"]);
        assert_eq!(names(&packed(&[("votes.csv", FILE_BYTES_MAX + 1)])).unwrap_err().code, "too-large");
        assert_eq!(names(b"person,first").unwrap_err().code, "wrong-input");
    }
}
