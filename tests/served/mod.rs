//! A service in a process of its own, and clients of it.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use credence_agent::bank::Bank;
use credence_agent::keyed;
use credence_memory::belief::Settings;
use credence_memory::home::Home;
use credence_memory::ids::{Hash, ValueId};
use credence_memory::record::{LogOpened, Record};
use credence_memory::sample::header;
use credence_priors::schema::ValueSchema;
use serde_json::Value;
use tempfile::TempDir;

/// A home in key points in which nobody has said anything. It needs no model.
pub(crate) fn empty_home() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let schema = ValueSchema::embedded();
    let values: Vec<ValueId> = schema.values.iter().map(|v| ValueId::new(&v.id).unwrap()).collect();
    let opened = LogOpened {
        values: values.clone(),
        text_features: 0,
        belief: Settings::of_new_homes(),
        pack: None,
        schema_hash: Hash::of(schema.hash().as_bytes()),
        ..header("served")
    };
    let at = jiff::Timestamp::from_second(1_790_000_000).unwrap();
    let mut home = Home::create(dir.path(), at, opened).unwrap();
    home.append(at, Record::PriorElicited(keyed::prior(&Bank::built_in(), &values).unwrap())).unwrap();
    dir
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
    pub cookie: Option<String>,
    pub text: String,
}

impl Answer {
    /// The JSON of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
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
        let mut child = Command::new(env!("CARGO_BIN_EXE_credence"))
            .env_remove("CREDENCE_HOME")
            .env_remove("RUST_LOG")
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
        let address = line.trim_end().strip_prefix("Open ").unwrap_or_else(|| panic!("{line}"));
        let (base, token) = address.split_once("/open?token=").unwrap();
        Self { child: Some(child), _out: Some(out), base: base.into(), token: token.into(), cookie: None }
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

    /// Joins by a link; the same as the one who joined sees it.
    pub(crate) fn join(&self, path: &str, name: &str) -> Self {
        let joined = self.as_nobody().form(path, &[("pseudonym", name)]);
        assert_eq!(joined.status, 303, "{}", joined.text);
        let cookie = joined.cookie.expect("a token in a cookie");
        let token = cookie.split_once('=').unwrap().1.split(';').next().unwrap().to_owned();
        self.seen_by(&token, None)
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

    /// Sends a JSON body.
    pub(crate) fn send(&self, method: &str, path: &str, body: Option<&Value>, headers: &[(&str, &str)]) -> Answer {
        let text = body.map(ToString::to_string);
        self.request(method, path, "application/json", text.as_deref(), headers)
    }

    /// Sends a body as it is.
    pub(crate) fn raw(&self, method: &str, path: &str, body: &str) -> Answer {
        self.request(method, path, "application/json", Some(body), &[])
    }

    /// Sends a form.
    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", coded(value))).collect();
        self.request("POST", path, "application/x-www-form-urlencoded", Some(&body.join("&")), &[])
    }

    fn request(&self, method: &str, path: &str, kind: &str, body: Option<&str>, headers: &[(&str, &str)]) -> Answer {
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
        let response = match body {
            Some(body) => agent.run(request.header("Content-Type", kind).body(body.to_owned()).unwrap()),
            None => agent.run(request.body(()).unwrap()),
        };
        let mut response = response.unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        let header =
            |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let (kind, policy) = (header("content-type"), header("content-security-policy"));
        let cookie = Some(header("set-cookie")).filter(|c| !c.is_empty());
        let status = response.status().as_u16();
        let mut text = String::new();
        response.body_mut().as_reader().read_to_string(&mut text).unwrap();
        Answer { status, kind, policy, cookie, text }
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
