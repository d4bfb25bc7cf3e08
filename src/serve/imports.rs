//! Evidence from files over the API: a file is sent and looked at first, and brought in when somebody says so. The rules, and what is
//! said of what does not fit, are those of `credence evidence import`.
//!
//! What was sent waits in the home's folder `serve/imports` under the hash of its content. Bringing it in twice brings nothing twice.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use credence_memory::home::HomeError;
use credence_memory::ids::{Hash, PersonId};
use credence_memory::import::{Import, ImportError, Reading};
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
use crate::commands::evidence::import::ImportView;
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
}

/// A file that was looked at, or brought in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Imported {
    /// The name it waits under: the BLAKE3 hash of its content.
    pub(super) import: String,
    /// What would come in, or came in.
    pub(super) found: ImportView,
}

/// Looks at a file and says what would come in. Nothing is changed; the file waits for a day to be brought in.
#[utoipa::path(post, path = "/api/v1/imports", params(How),
    request_body(content = String, content_type = "text/plain", description = "The file: UTF-8, 32 MiB at most."),
    responses((status = 200, body = Imported), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn send(
    State(app): State<App>,
    caller: Caller,
    Asked(how): Asked<How>,
    request: Request,
) -> Result<Json<Imported>, Problem> {
    caller.must_see_everybody()?;
    let bytes = Bytes::from_request(request, &()).await.map_err(|e| unread(e.status(), e.body_text()))?;
    Ok(Json(looked_at(&app, bytes, how).await?))
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
pub(super) async fn looked_at(app: &App, bytes: Bytes, how: How) -> Result<Imported, Problem> {
    let folder = folder(&app.home);
    let kept = aside(move || keep(&folder, &bytes)).await?;
    read_and(app, kept, how, true).await
}

/// Brings in what waits under this name.
pub(super) async fn brought_in(app: &App, import: String, how: How) -> Result<Imported, Problem> {
    let is_name = import.len() == 64 && import.bytes().all(|b| b.is_ascii_hexdigit());
    if !is_name || !folder(&app.home).join(&import).is_file() {
        return Err(Problem::no_such("file that waits to be brought in", &import));
    }
    read_and(app, import, how, false).await
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
        };
        let read = read.map_err(|error| anyhow::Error::new(WrongInput(said(&error, &path))))?;
        if how.format == Form::Trl && !named && read.people().contains(&person) {
            anyhow::bail!(WrongInput("some lines name no person: say whose they are".into()));
        }
        Ok(read)
    });
    let read = read.await?;
    let path = folder(&app.home).join(&import);
    let found = app.desk.run(move |desk| take(desk, read, dry_run).map_err(|error| problem(error, &path))).await??;
    Ok(Imported { import, found })
}

/// Compares an import with the home, and brings it in.
fn take(desk: &mut Desk, import: Import, dry_run: bool) -> Result<ImportView, ImportError> {
    let import = import.compared(Some(&desk.home))?;
    let new = import.undescribed(desk.home.state()).count();
    let before = desk.home.state().head().0.0;
    // Every record is checked against the home, also where nothing is kept of it.
    let draft = import.clone().draft(&desk.home, now(), Vec::new())?;
    let mut records = None;
    if !dry_run && !import.is_empty() {
        desk.home.commit(draft)?;
        records = Some([before + 1, desk.home.state().head().0.0]);
        import.people().iter().for_each(|person| desk.forget_sessions_of(person));
    }
    let view = ImportView::of(&import, dry_run, new, records);
    Ok(ImportView { left_out: view.left_out.iter().map(|row| without_folder(row)).collect(), ..view })
}

fn problem(error: ImportError, path: &Path) -> Problem {
    match error {
        ImportError::Home(error @ (HomeError::Log(_) | HomeError::Files { .. })) => Problem::disk(chain(&error)),
        error => Problem::unusable(said(&error, path)),
    }
}

/// An error in words, without where the file is kept.
fn said(error: &ImportError, path: &Path) -> String {
    chain(error).replace(&path.display().to_string(), "the file")
}

/// A row that was left out, without where its file is kept.
fn without_folder(row: &str) -> String {
    row.split_once(", line ").map_or_else(|| row.to_owned(), |(_, rest)| format!("line {rest}"))
}

fn folder(home: &Path) -> PathBuf {
    home.join("serve").join("imports")
}

/// Keeps a file under the hash of its content; those that waited too long go.
fn keep(folder: &Path, bytes: &[u8]) -> anyhow::Result<String> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let mut waiting: Vec<(SystemTime, PathBuf)> = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        waiting.push((file.metadata()?.modified()?, file.path()));
    }
    waiting.sort();
    let many = waiting.len().saturating_sub(WAITING_MAX - 1);
    for (n, (since, path)) in waiting.iter().enumerate() {
        if n < many || since.elapsed().is_ok_and(|waited| waited > WAITS) {
            fs::remove_file(path)?;
        }
    }
    let name = Hash::of(bytes).to_string();
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(folder.join(&name))?.write_all(bytes)?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_wait_under_their_hash_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let folder = folder(dir.path());
        let names: Vec<String> =
            (0..WAITING_MAX + 3).map(|n| keep(&folder, format!("{n}").as_bytes()).unwrap()).collect();
        assert_eq!(names[0], Hash::of(b"0").to_string());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), WAITING_MAX);
        assert!(folder.join(&names[WAITING_MAX + 2]).is_file());
        assert_eq!(keep(&folder, b"22").unwrap(), names[22], "the same again is the same");
    }
}
