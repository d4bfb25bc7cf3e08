//! `/v1`: the model in force, and the base, as OpenAI's API has it, so that other tools can evaluate what training did.

mod asked;
mod error;
mod told;

use std::convert::Infallible;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use credence_agent::opening::GenerationSource;
use credence_priors::CompletionRequest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;
use super::access::Caller;
use super::api::{At, Sent};
use super::writer::{Told, Voice};
use crate::surroundings::now;
use asked::{ChatAsked, CompletionAsked, Sampling, refuse_what_is_not_done};
use error::OpenAiError;
pub(super) use error::in_their_form;
use told::{
    ChatChoice, ChatChunk, ChatCompletion, ChatDelta, Finish, Model, Models, Text, TextChoice, TextCompletion, Used,
};

/// Bytes of a request, at most: many prompts may come at once.
const BODY_MAX: usize = 1024 * 1024;
/// Characters of a model's key that tell one from another.
const FINGERPRINT: usize = 16;

/// The routes, with their part of the document.
pub(super) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(models))
        .routes(routes!(model))
        .routes(routes!(chat_completions))
        .routes(routes!(completions))
        .layer(DefaultBodyLimit::max(BODY_MAX))
}

/// A model that is served, and what it writes with.
struct Served {
    model: Model,
    voice: Voice,
}

/// The models that are served now: what is in force, the base, and every generation in force by its number.
async fn served(app: &App) -> Result<Vec<Served>, OpenAiError> {
    let (root, generations) = app
        .desk
        .run(|desk| {
            let header = desk.home.state().header();
            (header.map(|h| h.model.reference.clone()).unwrap_or_default(), GenerationSource::in_force(&desk.home))
        })
        .await?;
    let served = |id: String, voice: Voice| {
        let generation = voice.generation;
        let model = Model { id, object: "model", created: 0, owned_by: "credence", root: root.clone(), generation };
        Served { model, voice }
    };
    let in_force = generations.last().map_or_else(Voice::base, Voice::of);
    let mut all = vec![served("credence".into(), in_force), served("base".into(), Voice::base())];
    all.extend(generations.iter().map(|g| served(format!("generation-{}", g.number), Voice::of(g))));
    Ok(all)
}

/// The models that can be asked. "credence" is the generation in force, "base" the model as it was downloaded.
#[utoipa::path(get, path = "/v1/models",
    responses((status = 200, body = Models), (status = "default", body = OpenAiError)))]
async fn models(State(app): State<App>, caller: Caller) -> Result<Json<Models>, OpenAiError> {
    caller.may_ask_the_model()?;
    let data = served(&app).await?.into_iter().map(|served| served.model).collect();
    Ok(Json(Models { object: "list", data }))
}

/// One of the models that can be asked.
#[utoipa::path(get, path = "/v1/models/{model}", params(("model" = String, Path)),
    responses((status = 200, body = Model), (status = "default", body = OpenAiError)))]
async fn model(State(app): State<App>, caller: Caller, At(name): At<String>) -> Result<Json<Model>, OpenAiError> {
    caller.may_ask_the_model()?;
    Ok(Json(named(&app, &name).await?.model))
}

async fn named(app: &App, name: &str) -> Result<Served, OpenAiError> {
    let mut all = served(app).await?;
    match all.iter().position(|served| served.model.id == name) {
        Some(at) => Ok(all.swap_remove(at)),
        None => {
            let names: Vec<String> = all.into_iter().map(|served| served.model.id).collect();
            Err(OpenAiError::no_such_model(name, &names))
        }
    }
}

/// Goes on with a chat.
#[utoipa::path(post, path = "/v1/chat/completions", request_body = ChatAsked,
    responses((status = 200, content((ChatCompletion = "application/json"), (ChatChunk = "text/event-stream"))),
        (status = "default", body = OpenAiError)))]
async fn chat_completions(
    State(app): State<App>,
    caller: Caller,
    Sent(sent): Sent<Value>,
) -> Result<Response, OpenAiError> {
    caller.may_ask_the_model()?;
    let asked: ChatAsked = understood(sent)?;
    let written = Written::begin(&app, "chatcmpl", &asked.sampling, asked.texts()?).await?;
    match asked.sampling.stream {
        Some(true) => Ok(written.stream(&asked.sampling, chat_chunks)),
        _ => {
            let head = written.head.clone();
            let (texts, usage) = written.whole().await?;
            let choices = texts.into_iter().enumerate();
            let choices = choices.map(|(i, (text, finish))| ChatChoice::new(i, text, finish)).collect();
            let Head { id, created, model, fingerprint: system_fingerprint, .. } = head;
            let object = "chat.completion";
            Ok(Json(ChatCompletion { id, object, created, model, system_fingerprint, choices, usage }).into_response())
        }
    }
}

/// Goes on with texts; with `echo`, `logprobs` and `max_tokens` 0 it says how probable given texts are.
#[utoipa::path(post, path = "/v1/completions", request_body = CompletionAsked,
    responses((status = 200, content((TextCompletion = "application/json"), (TextCompletion = "text/event-stream"))),
        (status = "default", body = OpenAiError)))]
async fn completions(State(app): State<App>, caller: Caller, Sent(sent): Sent<Value>) -> Result<Response, OpenAiError> {
    caller.may_ask_the_model()?;
    let asked: CompletionAsked = understood(sent)?;
    let written = Written::begin(&app, "cmpl", &asked.sampling, asked.texts()?).await?;
    match asked.sampling.stream {
        Some(true) => Ok(written.stream(&asked.sampling, text_chunks)),
        _ => {
            let head = written.head.clone();
            let (texts, usage) = written.whole().await?;
            let choices = texts.into_iter().enumerate();
            let choices = choices.map(|(i, (text, finish))| TextChoice::new(i, text, &mut 0, Some(finish))).collect();
            Ok(Json(head.completion(choices, Some(usage))).into_response())
        }
    }
}

/// What was sent, if it can be understood and nothing of it would be passed over.
fn understood<T: DeserializeOwned>(sent: Value) -> Result<T, OpenAiError> {
    refuse_what_is_not_done(&sent)?;
    serde_json::from_value(sent).map_err(|e| super::problem::Problem::malformed(e.to_string()).into())
}

/// What every part of an answer says of it.
#[derive(Debug, Clone)]
struct Head {
    id: String,
    created: i64,
    model: String,
    fingerprint: String,
    wants_tokens: bool,
}

impl Head {
    fn completion(&self, choices: Vec<TextChoice>, usage: Option<Used>) -> TextCompletion {
        let Self { id, created, model, fingerprint: system_fingerprint, .. } = self.clone();
        TextCompletion { id, object: "text_completion", created, model, system_fingerprint, choices, usage }
    }
}

/// Texts that are being written.
struct Written {
    head: Head,
    told: mpsc::UnboundedReceiver<Told>,
    /// What was told first, once it was clear that the request can be done.
    first: Option<Told>,
    /// For each text, whether it is the first of its prompt.
    firsts: Vec<bool>,
}

impl Written {
    /// Has texts written; waits until the first of them is begun, so that what is wrong with the request is an error and no stream.
    async fn begin(
        app: &App,
        prefix: &str,
        sampling: &Sampling,
        texts: Vec<CompletionRequest>,
    ) -> Result<Self, OpenAiError> {
        let voice = named(app, &sampling.model).await?.voice;
        let model = if voice.generation == 0 { "base".to_owned() } else { format!("generation-{}", voice.generation) };
        let firsts = (0..texts.len()).map(|i| i.is_multiple_of(sampling.texts_each())).collect();
        let wants_tokens = texts.iter().any(|text| text.probable.is_some());
        let mut told = app.writer.write(voice, texts)?;
        let fingerprint = match told.recv().await {
            Some(Told::By(key)) => key.chars().take(FINGERPRINT).collect(),
            Some(Told::Failed(failure)) => return Err(failure.into()),
            _ => return Err(super::problem::Problem::stopping().into()),
        };
        let first = match told.recv().await {
            Some(Told::Failed(failure)) => return Err(failure.into()),
            other => other,
        };
        let id = format!("{prefix}-{}", super::access::secret());
        let created = now().as_second();
        Ok(Self { head: Head { id, created, model, fingerprint, wants_tokens }, told, first, firsts })
    }

    async fn next(&mut self) -> Option<Told> {
        match self.first.take() {
            Some(told) => Some(told),
            None => self.told.recv().await,
        }
    }

    /// All texts, once they are done, and what was used.
    async fn whole(mut self) -> Result<(Vec<(Text, Finish)>, Used), OpenAiError> {
        let mut texts = vec![Text::new(self.head.wants_tokens); self.firsts.len()];
        let (mut finished, mut used) = (Vec::new(), Used::default());
        while finished.len() < texts.len() {
            match self.next().await {
                Some(Told::Piece(place, piece)) => texts[place] = std::mem::take(&mut texts[place]).with(piece),
                Some(Told::Done(place, done)) => {
                    used.add(&done, self.firsts[place]);
                    finished.push(Finish::from(done.ending));
                }
                Some(Told::Failed(failure)) => return Err(failure.into()),
                Some(Told::By(_)) => {}
                None => return Err(super::problem::Problem::stopping().into()),
            }
        }
        Ok((texts.into_iter().zip(finished).collect(), used))
    }

    /// The texts piece by piece. When the client goes away its stream is dropped, then what is told here, and then the work ends.
    fn stream(mut self, sampling: &Sampling, chunks: Chunks) -> Response {
        let tells_usage = sampling.stream_options.and_then(|options| options.include_usage).unwrap_or(false);
        let (events, stream) = mpsc::unbounded_channel::<Result<Event, Infallible>>();
        tokio::spawn(async move {
            let mut chunk = chunks(self.head.clone());
            let (mut used, mut left) = (Used::default(), self.firsts.len());
            while left > 0 && !events.is_closed() {
                let data = match self.next().await {
                    Some(Told::Piece(place, piece)) => chunk(Part::Piece(place, piece)),
                    Some(Told::Done(place, done)) => {
                        used.add(&done, self.firsts[place]);
                        left -= 1;
                        chunk(Part::End(place, done.ending.into()))
                    }
                    Some(Told::By(_)) => Vec::new(),
                    Some(Told::Failed(failure)) => {
                        let _ = events.send(Ok(event(&OpenAiError::from(failure))));
                        return;
                    }
                    // The service is stopping: without its end the stream is not taken for whole.
                    None => return,
                };
                data.into_iter().for_each(|data| drop(events.send(Ok(Event::default().data(data)))));
            }
            if tells_usage {
                chunk(Part::Used(used)).into_iter().for_each(|data| drop(events.send(Ok(Event::default().data(data)))));
            }
            let _ = events.send(Ok(Event::default().data("[DONE]")));
        });
        Sse::new(UnboundedReceiverStream::new(stream)).into_response()
    }
}

fn event(data: &impl Serialize) -> Event {
    Event::default().data(json(data))
}

fn json(data: &impl Serialize) -> String {
    serde_json::to_string(data).unwrap_or_default()
}

/// A part of a stream.
enum Part {
    Piece(usize, credence_priors::Piece),
    End(usize, Finish),
    Used(Used),
}

/// Makes the data of events from the parts of a stream.
type Chunk = Box<dyn FnMut(Part) -> Vec<String> + Send>;
type Chunks = fn(Head) -> Chunk;

fn chat_chunks(head: Head) -> Chunk {
    let mut begun = std::collections::BTreeSet::new();
    Box::new(move |part| {
        let chunk = |choices: Vec<ChatDelta>, usage: Option<Used>| {
            let Head { id, created, model, fingerprint: system_fingerprint, .. } = head.clone();
            json(&ChatChunk { id, object: "chat.completion.chunk", created, model, system_fingerprint, choices, usage })
        };
        let mut data = Vec::new();
        if let Part::Piece(place, _) | Part::End(place, _) = &part
            && begun.insert(*place)
        {
            data.push(chunk(vec![ChatDelta::begin(*place)], None));
        }
        match part {
            Part::Piece(_, piece) if piece.text.is_empty() && piece.tokens.is_empty() => {}
            Part::Piece(place, piece) => {
                data.push(chunk(vec![ChatDelta::piece(place, &piece, head.wants_tokens)], None))
            }
            Part::End(place, finish) => data.push(chunk(vec![ChatDelta::end(place, finish)], None)),
            Part::Used(used) => data.push(chunk(Vec::new(), Some(used))),
        }
        data
    })
}

fn text_chunks(head: Head) -> Chunk {
    let mut offsets = std::collections::BTreeMap::<usize, usize>::new();
    Box::new(move |part| {
        let text = || Text::new(head.wants_tokens);
        let chunk = match part {
            Part::Piece(_, piece) if piece.text.is_empty() && piece.tokens.is_empty() => return Vec::new(),
            Part::Piece(place, piece) => {
                let offset = offsets.entry(place).or_default();
                head.completion(vec![TextChoice::new(place, text().with(piece), offset, None)], None)
            }
            Part::End(place, finish) => {
                let offset = offsets.entry(place).or_default();
                head.completion(vec![TextChoice::new(place, text(), offset, Some(finish))], None)
            }
            Part::Used(used) => head.completion(Vec::new(), Some(used)),
        };
        vec![json(&chunk)]
    })
}
