//! A service in a process of its own, and clients of it.
#![allow(dead_code, unused_imports)]

mod contract;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use credence_agent::bank::Bank;
use credence_agent::keyed;
use credence_agent::pack::{DEFAULT, Pack};
use credence_memory::belief::Settings;
use credence_memory::home::Home;
use credence_memory::ids::{Hash, ValueId};
use credence_memory::record::{LogOpened, Record};
use credence_memory::sample::header;
use credence_priors::schema::ValueSchema;
use serde_json::Value;
use tempfile::TempDir;

use contract::Contract;
pub(crate) use contract::close;

/// A home in key points in which nobody has said anything. It needs no model.
pub(crate) fn empty_home() -> TempDir {
    empty_home_about(&Pack::built_in(DEFAULT).unwrap())
}

/// The same about a pack, of which it keeps a copy.
pub(crate) fn empty_home_about(pack: &Pack) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let values: Vec<ValueId> = pack.schema.values.iter().map(|v| ValueId::new(&v.id).unwrap()).collect();
    let opened = LogOpened {
        values: values.clone(),
        text_features: 0,
        belief: Settings::of_new_homes(),
        pack: pack.named(),
        schema_hash: Hash::of(pack.schema.hash().as_bytes()),
        ..header("served")
    };
    let at = jiff::Timestamp::from_second(1_790_000_000).unwrap();
    let mut home = Home::create(dir.path(), at, opened).unwrap();
    home.append(at, Record::PriorElicited(keyed::prior(&pack.bank, &values).unwrap())).unwrap();
    pack.keep_in(dir.path()).unwrap();
    dir
}

/// Decisions in a home: one that asks between two acts of the bank, and a task that asks between the same. Gives their records.
pub(crate) fn with_decisions(home: &Path, person: &str) -> (u64, u64) {
    use credence_agent::decide::{Bars, decide, record};
    use credence_agent::session::record_described;
    use credence_agent::task::{By, Proposed, TaskLimits, TaskRun};
    use credence_memory::ids::{AlternativeId, PersonId};
    let (mut home, _) = Home::open(home).unwrap();
    let at = jiff::Timestamp::from_second(1_790_000_100).unwrap();
    let person = PersonId::new(person).unwrap();
    let bank = Bank::built_in();
    let mut decisions = Vec::new();
    for question in bank.questions.iter().filter(|q| q.is_keyed() && q.alternatives.len() == 2) {
        let texts: Vec<String> = question.alternatives.iter().map(|a| a.text.clone()).collect();
        let described = keyed::in_pack(home.state(), &question.situation, &texts).unwrap();
        record_described(&mut home, described, at).unwrap();
        let ids: Vec<AlternativeId> = texts.iter().map(|t| AlternativeId::of(&question.situation, t)).collect();
        home.believe(&person).unwrap();
        let decided = decide(home.state(), &person, &ids, &[], Bars::default(), true).unwrap();
        if decided.question.is_none() {
            continue;
        }
        if decisions.is_empty() {
            decisions.push(record(&mut home, &person, None, &ids, &decided, at).unwrap().0);
            continue;
        }
        let proposed =
            |alternative: &AlternativeId| Proposed { alternative: *alternative, by: By::Person, why: "given".into() };
        let proposed: Vec<Proposed> = ids.iter().map(proposed).collect();
        let limits = TaskLimits { bars: Bars::default(), questions_max: 5 };
        let mut task = TaskRun::begin(&mut home, person.clone(), &question.situation, &proposed, limits, at).unwrap();
        task.step(&mut home, decided, at).unwrap();
        decisions.push(home.state().decisions().last().unwrap().0.0);
        break;
    }
    (decisions[0], decisions[1])
}

/// Where the service's OpenAPI document is.
const DOCUMENT: &str = "/api/v1/openapi.json";

/// A model of a few thousand random numbers that llama.cpp loads, as a file in this folder; it writes bytes.
pub(crate) fn tiny_model(folder: &Path) -> PathBuf {
    use credence_training::{Architecture, tiny};
    let template = "{% for m in messages %}{{ '[' + m.role + ']' + m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
    let words = tiny::Words { tokens: Vec::new(), template: Some(template.to_owned()) };
    let path = folder.join("tiny.gguf");
    tiny::write_with(&path, Architecture::Llama, 1, Some(&words)).unwrap();
    path
}

/// A model of a few thousand random numbers that has a token for each word that values and judgements are read by.
pub(crate) fn model_with_words(folder: &Path) -> PathBuf {
    use credence_training::{Architecture, tiny};
    let ValueSchema { values, judgements, .. } = ValueSchema::embedded();
    let poles = values.iter().flat_map(|v| &v.poles).chain(judgements.iter().flat_map(|j| &j.poles)).flatten();
    let poles = poles.filter_map(|words| words.split(' ').next()).map(str::to_owned);
    // A word is put together from the left, so all that it begins with are tokens too.
    let beginnings = |word: String| {
        let word: Vec<char> = format!("\u{2581}{word}").chars().collect();
        (2..=word.len()).map(move |n| word[..n].iter().collect::<String>()).collect::<Vec<_>>()
    };
    let tokens: BTreeSet<String> = poles.chain(common_words()).flat_map(beginnings).collect();
    let tokens = tokens.into_iter().map(|token| (token, 1)).collect();
    let template = "{% for m in messages %}{{ '[' + m.role + ']' + m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
    let path = folder.join("tiny.gguf");
    let words = tiny::Words { tokens, template: Some(template.to_owned()) };
    tiny::write_with(&path, Architecture::Llama, 1, Some(&words)).unwrap();
    with_long_context(&path);
    path
}

/// Where what that model's states mean is kept from one test to the next: learning it takes half a minute.
pub(crate) fn cache_of_model_with_words() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache-of-the-model-with-words")
}

/// Words that the built-in questions use ten times or more: with a token each, reading thousands of acts takes seconds.
fn common_words() -> impl Iterator<Item = String> {
    let mut times = std::collections::BTreeMap::<String, usize>::new();
    for question in credence_agent::bank::Bank::built_in().questions {
        let texts = question.alternatives.iter().map(|a| &*a.text).chain([&*question.situation]);
        for word in texts.flat_map(|text| text.split(|c: char| !c.is_ascii_lowercase())).filter(|w| !w.is_empty()) {
            *times.entry(word.to_owned()).or_default() += 1;
        }
    }
    times.into_iter().filter(|(_, times)| *times >= 10).map(|(word, _)| word)
}

/// Has a model file say that its context is long: a word is many of its tokens.
fn with_long_context(path: &Path) {
    const KEY: &[u8] = b"llama.context_length";
    let mut file = std::fs::read(path).unwrap();
    let at = file.windows(KEY.len()).position(|bytes| bytes == KEY).unwrap() + KEY.len();
    // Its type, a number of 32 bits, comes before the number.
    assert_eq!(file[at..at + 4], 4_u32.to_le_bytes());
    file[at + 4..at + 8].copy_from_slice(&16_384_u32.to_le_bytes());
    std::fs::write(path, file).unwrap();
}

/// What a form on a page carries unseen: its secret, empty where it has none, and its one-time key.
#[track_caller]
pub(crate) fn hidden(page: &str, action: &str) -> (String, String) {
    let form = page.split("<form").find(|form| form.contains(&format!("action=\"{action}\"")));
    let form = form.unwrap_or_else(|| panic!("no form is sent to {action}: {page}"));
    let value = |name: &str| {
        let after = form.split(&format!("name=\"{name}\" value=\"")).nth(1);
        after.and_then(|value| value.split('"').next()).unwrap_or_default().to_owned()
    };
    (value("csrf"), value("once"))
}

/// Text as it stands in addresses and forms.
pub(crate) fn coded(text: &str) -> String {
    let byte = |b: u8| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") };
    text.bytes().map(byte).collect()
}

/// A running service, as seen by somebody.
pub(crate) struct Service {
    child: Option<Child>,
    /// Kept open: what it prints must not fail.
    _out: Option<BufReader<ChildStdout>>,
    /// Its address.
    pub base: String,
    /// The owner's token.
    pub token: String,
    cookie: Option<String>,
}

/// What came back.
pub(crate) struct Answer {
    pub status: u16,
    pub kind: String,
    pub policy: String,
    /// How long it may be kept.
    pub cached: String,
    pub cookie: Option<String>,
    /// Where a redirect leads.
    pub to: Option<String>,
    /// The session of the Model Context Protocol, where one began.
    pub session: Option<String>,
    pub text: String,
}

impl Answer {
    /// The JSON of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// The token that it puts into a browser's cookie.
    pub(crate) fn token(&self) -> Option<String> {
        Some(self.cookie.as_ref()?.split_once('=')?.1.split(';').next()?.to_owned())
    }

    /// The code of a problem.
    #[track_caller]
    pub(crate) fn problem(&self) -> String {
        let problem: Value = serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text));
        problem["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl Service {
    /// Starts a service on a free port and waits until it says where it is.
    pub(crate) fn start(home: &Path, more: &[&str]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_credence")), home, more)
    }

    /// The same, by whoever does not know whether what it needs is there.
    pub(crate) fn try_start(home: &Path, more: &[&str]) -> Option<Self> {
        Self::begin(Command::new(env!("CARGO_BIN_EXE_credence")), home, more).ok()
    }

    /// The same, after a line of shell that says what the process may do.
    pub(crate) fn start_under(rules: &str, home: &Path, more: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{rules}; exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_credence")]);
        Self::start_by(shell, home, more)
    }

    /// Its process.
    pub(crate) fn process(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(self.child.as_ref().expect("it runs"))
    }

    fn start_by(command: Command, home: &Path, more: &[&str]) -> Self {
        Self::begin(command, home, more).unwrap_or_else(|line| panic!("{line}"))
    }

    /// What it says instead of its address, where it does not start.
    fn begin(mut command: Command, home: &Path, more: &[&str]) -> Result<Self, String> {
        let mut child = command
            .env_remove("CREDENCE_HOME")
            .env_remove("RUST_LOG")
            // Its model is a small one: two threads would spin for each other longer than they compute.
            .env("OMP_THREAD_LIMIT", "1")
            .args(["--offline", "serve", "--home"])
            .arg(home)
            .args(if more.contains(&"--listen") { &[][..] } else { &["--listen", "127.0.0.1:0"] })
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let Some(address) = line.trim_end().strip_prefix("Open ") else {
            let _ = (child.kill(), child.wait());
            return Err(line);
        };
        let (base, token) = address.split_once("/open?token=").unwrap();
        Ok(Self { child: Some(child), _out: Some(out), base: base.into(), token: token.into(), cookie: None })
    }

    /// Asks it to stop, as Ctrl-C does, and waits until it has.
    pub(crate) fn stop(mut self) {
        let mut child = self.child.take().unwrap();
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
        for _ in 0..400 {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success() || status.code() == Some(130), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill().unwrap();
        panic!("it did not stop within four seconds");
    }

    /// Whether its process has not ended.
    pub(crate) fn is_up(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().is_ok_and(|ended| ended.is_none()))
    }

    /// What ends its process at once, for another thread.
    pub(crate) fn killer(&self) -> impl FnOnce() + Send + use<> {
        let process = self.process();
        move || rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap_or_default()
    }

    /// Ends it at once, as a power cut does.
    pub(crate) fn kill(mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn seen_by(&self, token: &str, cookie: Option<String>) -> Self {
        Self { child: None, _out: None, base: self.base.clone(), token: token.into(), cookie }
    }

    /// The same, seen by somebody without a token.
    pub(crate) fn as_nobody(&self) -> Self {
        self.seen_by("", None)
    }

    /// The same, seen by somebody with this token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        self.seen_by(token, None)
    }

    /// The same, seen by the owner's browser.
    pub(crate) fn as_browser(&self) -> Self {
        self.seen_by("", Some(format!("credence={}", self.token)))
    }

    /// The same, seen by a browser with this token.
    pub(crate) fn with_cookie(&self, token: &str) -> Self {
        self.seen_by("", Some(format!("credence={token}")))
    }

    /// Joins by a link; the same as the one who joined sees it.
    pub(crate) fn join(&self, path: &str, name: &str) -> Self {
        let joined = self.as_nobody().form(path, &[("pseudonym", name)]);
        assert_eq!(joined.status, 303, "{}", joined.text);
        self.seen_by(&joined.token().expect("a token in a cookie"), None)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None, &[])
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(body), &[])
    }

    pub(crate) fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        self.send("POST", path, Some(body), headers)
    }

    /// The same, by whoever does not know whether the service is there; nothing comes back from one that is not.
    pub(crate) fn try_post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Option<Answer> {
        self.try_exchange("POST", path, "application/json", Some(body.to_string().as_bytes()), headers).ok()
    }

    /// Sends a JSON body.
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Answer {
        let text = body.map(ToString::to_string);
        self.request(method, path, "application/json", text.as_deref(), headers)
    }

    /// Sends a body as it is.
    pub(crate) fn raw(&self, method: &str, path: &str, body: &str) -> Answer {
        self.request(method, path, "application/json", Some(body), &[])
    }

    /// Sends a file as it is.
    pub(crate) fn file(&self, path: &str, content: &str) -> Answer {
        self.request("POST", path, "text/plain", Some(content), &[])
    }

    /// Sends a body of this kind as it is.
    pub(crate) fn as_it_is(&self, path: &str, kind: &str, body: &str) -> Answer {
        self.request("POST", path, kind, Some(body), &[])
    }

    /// Sends bytes of this kind.
    #[track_caller]
    pub(crate) fn bytes(&self, path: &str, kind: &str, body: &[u8]) -> Answer {
        self.request("POST", path, kind, Some(body), &[])
    }

    /// Sends a form.
    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", coded(value))).collect();
        self.request("POST", path, "application/x-www-form-urlencoded", Some(body.join("&").as_str()), &[])
    }

    /// Sends something; what comes back must be what the service's own document says, where it says something.
    #[track_caller]
    fn request<B: AsRef<[u8]> + ?Sized>(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: Option<&B>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = body.map(AsRef::as_ref);
        static CONTRACT: OnceLock<Contract> = OnceLock::new();
        let answer = self.exchange(method, path, kind, body, headers);
        let is_described = ["/api/v1/", "/v1/", "/health", "/metrics"].iter().any(|start| path.starts_with(start));
        if is_described && path != DOCUMENT {
            let text = || self.exchange("GET", DOCUMENT, "application/json", None, &[]).text;
            let sent = body.and_then(|body| std::str::from_utf8(body).ok()).filter(|_| kind == "application/json");
            CONTRACT.get_or_init(|| Contract::of(&text())).check(method, path, sent, &answer);
        }
        answer
    }

    #[track_caller]
    fn exchange(&self, method: &str, path: &str, kind: &str, body: Option<&[u8]>, headers: &[(&str, &str)]) -> Answer {
        self.try_exchange(method, path, kind, body, headers).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    fn try_exchange(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, ureq::Error> {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        let agent = ureq::Agent::new_with_config(config);
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base));
        if !self.token.is_empty() {
            request = request.header("Authorization", format!("Bearer {}", self.token));
        }
        if let Some(cookie) = &self.cookie {
            request = request.header("Cookie", cookie);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = match body {
            Some(body) => agent.run(request.header("Content-Type", kind).body(body.to_vec()).unwrap()),
            None => agent.run(request.body(()).unwrap()),
        }?;
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let (kind, policy, cached) =
            (header("content-type"), header("content-security-policy"), header("cache-control"));
        let cookie = Some(header("set-cookie")).filter(|c| !c.is_empty());
        let to = Some(header("location")).filter(|to| !to.is_empty());
        let session = Some(header("mcp-session-id")).filter(|s| !s.is_empty());
        let status = response.status().as_u16();
        let mut text = String::new();
        response.body_mut().as_reader().read_to_string(&mut text)?;
        Ok(Answer { status, kind, policy, cached, cookie, to, session, text })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
