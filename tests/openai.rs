//! `/v1` as OpenAI's clients meet it: a tiny random model for what can be said of any, and the `openai` package where it can be had.
#![cfg(unix)]

mod pythons;
mod served;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Instant;

use pythons::{all_is_well, python_with, root};
use serde_json::{Value, json};
use served::{Service, cache_of_model_with_words, model_with_words, tiny_model};
use tempfile::TempDir;

/// A service over a new home of the tiny model.
fn tiny_service() -> (TempDir, Service) {
    let home = tempfile::tempdir().unwrap();
    let model = tiny_model(home.path());
    let service = Service::start(&home.path().join("home"), &["--model", model.to_str().unwrap()]);
    (home, service)
}

fn complete(service: &Service, more: Value) -> Value {
    service.post("/v1/completions", &with(json!({ "model": "base", "prompt": "abc", "seed": 1 }), more)).ok()
}

fn with(mut body: Value, more: Value) -> Value {
    more.as_object().unwrap().iter().for_each(|(name, value)| body[name] = value.clone());
    body
}

/// The data of a stream's events but the last, which must be its end.
fn events(text: &str) -> Vec<Value> {
    let mut data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(data.pop(), Some("[DONE]"), "{text}");
    data.into_iter().map(|data| serde_json::from_str(data).unwrap()).collect()
}

#[test]
fn texts_are_written_scored_and_streamed() {
    let (_home, service) = tiny_service();
    let models = service.get("/v1/models").ok();
    let names: Vec<&str> = models["data"].as_array().unwrap().iter().map(|m| m["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["credence", "base"]);
    assert_eq!(service.get("/v1/models/base").ok()["generation"], 0);

    let first = complete(&service, json!({ "max_tokens": 8, "temperature": 0 }));
    let again = complete(&service, json!({ "max_tokens": 8, "temperature": 0, "model": "credence" }));
    assert_eq!(first["choices"], again["choices"], "without an adapter in force both are the base");
    assert_eq!((&first["model"], &again["model"]), (&json!("base"), &json!("base")));
    assert_eq!(first["usage"]["prompt_tokens"], 4, "three bytes and the beginning of the text");

    // The seed decides; several texts have seeds of their own.
    let sampled =
        |n: usize| complete(&service, json!({ "max_tokens": 12, "temperature": 1.5, "n": n }))["choices"].clone();
    let three = sampled(3);
    assert_eq!(three, sampled(3));
    assert_eq!(three[0], sampled(1)[0]);
    assert_ne!(three[0]["text"], three[1]["text"]);

    // A given text is scored: the sum is that of its parts.
    let score = |prompt: Value| {
        let scored = complete(&service, json!({ "prompt": prompt, "echo": true, "logprobs": 2, "max_tokens": 0 }));
        scored["choices"][0].clone()
    };
    let scored = score(json!("abcd"));
    assert_eq!((&scored["text"], &scored["finish_reason"]), (&json!("abcd"), &json!("length")));
    assert_eq!(scored["logprobs"]["tokens"], json!(["a", "b", "c", "d"]));
    assert_eq!(scored["logprobs"]["text_offset"], json!([0, 1, 2, 3]));
    let ln_p = scored["logprobs"]["token_logprobs"].as_array().unwrap();
    assert!(ln_p.iter().all(|ln_p| ln_p.as_f64().unwrap() < 0.0), "{ln_p:?}");
    assert!(scored["logprobs"]["top_logprobs"][0].as_object().unwrap().len() >= 2);
    // As numbers of tokens, which have nothing before them: bytes are three further on.
    let tokens: Vec<u32> = b"abcd".iter().map(|byte| u32::from(*byte) + 3).collect();
    let by_tokens = score(json!(tokens));
    assert_eq!((&by_tokens["text"], &by_tokens["logprobs"]["token_logprobs"][0]), (&json!("abcd"), &Value::Null));
    assert_eq!(by_tokens["logprobs"]["top_logprobs"][0], Value::Null);
    let with_beginning: Vec<u32> = std::iter::once(1).chain(tokens).collect();
    assert_eq!(score(json!(with_beginning))["logprobs"]["token_logprobs"].as_array().unwrap()[1..], ln_p[..]);

    // Several prompts, each with what was written after it.
    let both = complete(&service, json!({ "prompt": ["ab", "cd"], "echo": true, "max_tokens": 3, "temperature": 0 }));
    let texts: Vec<&str> = both["choices"].as_array().unwrap().iter().map(|c| c["text"].as_str().unwrap()).collect();
    assert!(texts[0].starts_with("ab") && texts[1].starts_with("cd"), "{texts:?}");
    assert_eq!(both["usage"]["prompt_tokens"], 6);

    // Streamed, it is the same.
    let asked = json!({ "max_tokens": 20, "temperature": 1, "logprobs": 1, "echo": true, "n": 2 });
    let whole = complete(&service, asked.clone());
    let body = with(
        json!({ "model": "base", "prompt": "abc", "seed": 1, "stream": true, "stream_options": { "include_usage": true } }),
        asked,
    );
    let mut chunks = events(&service.post("/v1/completions", &body).text);
    assert_eq!(chunks.pop().unwrap()["usage"], whole["usage"]);
    for place in 0..2 {
        let of: Vec<&Value> = chunks.iter().map(|c| &c["choices"][0]).filter(|c| c["index"] == place).collect();
        let joined = |part: &dyn Fn(&Value) -> Value| -> Vec<Value> {
            of.iter().flat_map(|c| part(c).as_array().cloned().unwrap_or_default()).collect()
        };
        let text: String = of.iter().map(|c| c["text"].as_str().unwrap()).collect();
        let expected = &whole["choices"][place];
        assert_eq!(text, expected["text"].as_str().unwrap());
        for list in ["tokens", "token_logprobs", "text_offset"] {
            assert_eq!(json!(joined(&|c| c["logprobs"][list].clone())), expected["logprobs"][list], "{list}");
        }
        assert_eq!(of.last().unwrap()["finish_reason"], expected["finish_reason"]);
    }
}

#[test]
fn chats_go_on_and_end_where_they_should() {
    let (_home, service) = tiny_service();
    let chat = |more: Value| {
        let said = json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Why?" }]);
        service.post("/v1/chat/completions", &with(json!({ "model": "credence", "messages": said, "seed": 3 }), more))
    };
    let answer = chat(json!({ "max_tokens": 10, "logprobs": true, "top_logprobs": 3 })).ok();
    assert_eq!(
        (&answer["object"], &answer["choices"][0]["message"]["role"]),
        (&json!("chat.completion"), &json!("assistant"))
    );
    let tokens = answer["choices"][0]["logprobs"]["content"].as_array().unwrap();
    assert_eq!(json!(tokens.len()), answer["usage"]["completion_tokens"]);
    let bytes = tokens.iter().flat_map(|t| t["bytes"].as_array().unwrap()).map(|b| b.as_u64().unwrap() as u8);
    let text = answer["choices"][0]["message"]["content"].as_str().unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()), text);
    assert!(tokens.iter().all(|t| t["top_logprobs"].as_array().unwrap().len() == 3));
    assert!(answer["choices"][0]["finish_reason"] == "length" || tokens.len() < 10);
    assert_eq!(chat(json!({ "max_tokens": 10 })).ok()["choices"][0]["logprobs"], Value::Null);

    let chunks = events(&chat(json!({ "max_tokens": 10, "stream": true, "logprobs": true, "top_logprobs": 3 })).text);
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let said: String = chunks.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(said, text);
    let streamed =
        chunks.iter().flat_map(|c| c["choices"][0]["logprobs"]["content"].as_array().cloned().unwrap_or_default());
    assert_eq!(streamed.collect::<Vec<_>>(), *tokens);
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], answer["choices"][0]["finish_reason"]);

    // A stop text that comes ends it, and is not said.
    if let Some(stop) = text.chars().find(|c| *c != '\u{fffd}') {
        let stopped = chat(json!({ "max_tokens": 10, "stop": [stop.to_string()] })).ok();
        let said = stopped["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(!said.contains(stop) && text.starts_with(said), "{said:?} of {text:?}");
        assert_eq!(stopped["choices"][0]["finish_reason"], "stop");
    }
    // Without a number of tokens it goes on while there is room.
    let long = chat(json!({})).ok();
    assert!(long["usage"]["total_tokens"].as_u64().unwrap() <= 256, "{}", long["usage"]);
}

#[test]
fn what_cannot_be_done_is_an_error_in_openais_form() {
    let (_home, service) = tiny_service();
    let post = |path: &str, body: &Value| {
        let answer = service.post(path, body);
        let error: Value = serde_json::from_str(&answer.text).unwrap();
        (
            answer.status,
            error["error"]["type"].as_str().unwrap().to_owned(),
            error["error"]["code"].as_str().unwrap().to_owned(),
        )
    };
    let refused = |status: u16, code: &str| (status, "invalid_request_error".to_owned(), code.to_owned());
    let chat = json!({ "model": "base", "messages": [{ "role": "user", "content": "x" }] });
    let text = json!({ "model": "base", "prompt": "x" });
    assert_eq!(
        post("/v1/completions", &with(text.clone(), json!({ "model": "gpt-9" }))),
        refused(404, "model_not_found")
    );
    assert_eq!(
        post("/v1/completions", &with(text.clone(), json!({ "prompt": "x".repeat(300) }))),
        refused(400, "context_length_exceeded")
    );
    assert_eq!(
        post("/v1/completions", &with(text.clone(), json!({ "prompt": [1, 99999] }))),
        refused(400, "invalid_value")
    );
    assert_eq!(
        post("/v1/completions", &with(text.clone(), json!({ "temperature": 9 }))),
        refused(400, "invalid_value")
    );
    assert_eq!(post("/v1/completions", &json!({ "model": "base" })), refused(400, "wrong-input"));
    assert_eq!(
        post("/v1/completions", &with(text.clone(), json!({ "stream": true, "prompt": "x".repeat(300) }))),
        refused(400, "context_length_exceeded")
    );
    assert_eq!(
        post("/v1/chat/completions", &with(chat.clone(), json!({ "tools": [{}] }))),
        refused(400, "unsupported_parameter")
    );
    assert_eq!(post("/v1/embeddings", &text), refused(404, "not-found"));
    let broken = service.raw("POST", "/v1/completions", "{");
    assert!(broken.status == 400 && broken.text.contains("invalid_request_error"), "{}", broken.text);
    let large = with(text.clone(), json!({ "prompt": "x".repeat(1_100_000) }));
    assert_eq!(post("/v1/completions", &large), refused(413, "too-large"));

    // Who may ask: the owner, facilitators and agents; nobody without a token.
    let nobody = service.as_nobody().post("/v1/completions", &text);
    assert!(nobody.status == 401 && nobody.text.contains("authentication_error"), "{}", nobody.text);
    let token = |body: Value| service.post("/api/v1/tokens", &body).ok()["token"].as_str().unwrap().to_owned();
    let participant = service.with_token(&token(json!({ "role": "participant", "person": "ada" })));
    let answer = participant.post("/v1/completions", &text);
    assert!(answer.status == 403 && answer.text.contains("permission_error"), "{}", answer.text);
    let agent = service.with_token(&token(json!({ "role": "agent" })));
    assert_eq!(agent.get("/v1/models").status, 200);
    agent.post("/v1/completions", &with(text, json!({ "max_tokens": 1 }))).ok();
    for path in
        ["/api/v1/people", "/api/v1/values", "/api/v1/log", "/api/v1/decisions", "/api/v1/experiments", "/metrics"]
    {
        assert_eq!(agent.get(path).status, 403, "{path}");
    }
    assert_eq!(agent.post("/api/v1/sessions", &json!({})).status, 403);
}

#[test]
fn a_home_of_another_model_is_not_written_for() {
    let home = served::empty_home();
    let model = tiny_model(home.path());
    let service = Service::start(home.path(), &["--model", model.to_str().unwrap()]);
    let answer = service.post("/v1/completions", &json!({ "model": "base", "prompt": "x" }));
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.text.contains("model_unavailable") && answer.text.contains("another model"), "{}", answer.text);
    assert_eq!(service.get("/health").status, 200);
}

#[test]
fn who_goes_away_is_not_written_for() {
    let (_home, service) = tiny_service();
    complete(&service, json!({ "max_tokens": 1 }));
    let body = json!({ "model": "base", "prompt": "ab", "n": 64, "max_tokens": 250, "temperature": 2, "stream": true })
        .to_string();
    let address = service.base.strip_prefix("http://").unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    write!(
        client,
        "POST /v1/completions HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        service.token,
        body.len()
    )
    .unwrap();
    let mut heard = [0; 600];
    client.read_exact(&mut heard).unwrap();
    assert!(String::from_utf8_lossy(&heard).contains("text/event-stream"));
    drop(client);
    // Whoever comes next is served once the work has ended.
    let begun = Instant::now();
    complete(&service, json!({ "max_tokens": 1 }));
    let metrics = service.get("/metrics").text;
    let tokens = metrics.lines().find_map(|line| line.strip_prefix("credence_model_tokens_total "));
    let tokens: usize = tokens.unwrap().parse().unwrap();
    assert!(tokens < 64 * 100, "{tokens} tokens were written, the last in {:?}", begun.elapsed());
    assert!(metrics.contains("credence_model_waiting 0"), "{metrics}");
}

/// What a line of `/metrics` says.
fn metric(service: &Service, name: &str) -> u64 {
    let text = service.get("/metrics").text;
    let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    found.unwrap_or_else(|| panic!("{name}: {text}"))
}

/// Texts and decisions about acts that nobody described are the work of one loaded model, and no decision waits for a text's end.
#[test]
fn texts_and_decisions_share_one_model() {
    let folder = tempfile::tempdir().unwrap();
    let model = model_with_words(folder.path());
    let cache = format!("export CREDENCE_CACHE='{}'", cache_of_model_with_words().display());
    let options = ["--model", model.to_str().unwrap(), "--agents-of", "ada"];
    let service = Service::start_under(&cache, &folder.path().join("home"), &options);
    assert_eq!(metric(&service, "credence_models_loaded"), 0, "nothing is loaded before it is needed");
    complete(&service, json!({ "max_tokens": 1 }));
    assert_eq!(metric(&service, "credence_models_loaded"), 1);
    let decide = |n: usize| {
        let acts = json!([format!("lend the ladder number {n}"), format!("keep the ladder number {n}")]);
        service.post("/api/v1/decisions", &json!({ "situation": "A neighbour asks.", "alternatives": acts })).ok()
    };
    // The first has to learn what this model's states mean.
    assert!(decide(0)["record"].is_u64());
    assert_eq!(metric(&service, "credence_models_loaded"), 1, "a decision reads with the same model");
    let long = json!({ "model": "base", "prompt": "ab", "n": 16, "max_tokens": 300, "temperature": 2 });
    std::thread::scope(|scope| {
        let before = metric(&service, "credence_model_tokens_total");
        let writing = scope.spawn(|| service.post("/v1/completions", &long).ok());
        while metric(&service, "credence_model_tokens_total") == before && !writing.is_finished() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        decide(1);
        assert!(!writing.is_finished(), "the decision did not wait for all of the texts");
        writing.join().unwrap();
    });
    assert_eq!(metric(&service, "credence_models_loaded"), 1);
}

/// Runs a client in Python with an agent's token until it says that all is well.
fn python_client(script: &str, packages: &[&str], [address, key]: [&str; 2]) {
    let Some(python) = python_with("clients", packages) else { return };
    let (_home, service) = tiny_service();
    let agent = service.post("/api/v1/tokens", &json!({ "role": "agent" })).ok();
    let mut client = Command::new(python);
    client
        .arg(root().join("tests/clients").join(script))
        .env(address, format!("{}/v1", service.base))
        .env(key, agent["token"].as_str().unwrap())
        .env("NO_PROXY", "127.0.0.1");
    all_is_well(&mut client, 300);
}

#[test]
fn the_openai_package_is_a_client() {
    python_client("openai_client.py", &["openai==3.57.0"], ["OPENAI_BASE_URL", "OPENAI_API_KEY"]);
}

#[test]
fn an_inspect_task_is_evaluated() {
    let packages = ["openai==3.57.0", "inspect-ai==0.3.285"];
    python_client("inspect_task.py", &packages, ["CREDENCE_BASE_URL", "CREDENCE_API_KEY"]);
}
