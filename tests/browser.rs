//! The pages in a real browser: Chromium and its driver, as Debian has them. Screenshots go to `target/screenshots`.
//!
//! Where there is no driver these say SKIPPED; `make test` installs one and demands it.
#![cfg(unix)]

mod logs;
mod served;

use std::future::Future;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use served::{Service, empty_home, with_decisions};

/// A driver in a process of its own.
struct Driver {
    child: Child,
    address: String,
}

impl Driver {
    /// On a free port; nothing where there is none and none is demanded.
    #[allow(clippy::print_stderr, reason = "whoever runs the tests must see that these did not")]
    fn start() -> Option<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self { child, address: format!("http://127.0.0.1:{port}") }),
            Err(error) => {
                assert!(
                    std::env::var("CREDENCE_BROWSER").unwrap_or_default().is_empty(),
                    "chromedriver is demanded: {error}"
                );
                eprintln!("SKIPPED: there is no chromedriver ({error})");
                None
            }
        }
    }

    async fn browser(&self, width: u32, height: u32) -> Client {
        self.browser_of(width, height, false).await
    }

    /// A browser of somebody who prefers dark pages, or light ones.
    async fn browser_of(&self, width: u32, height: u32, is_dark: bool) -> Client {
        let scheme = format!("--blink-settings=preferredColorScheme={}", if is_dark { 0 } else { 1 });
        let options = json!({ "goog:chromeOptions": { "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", scheme, format!("--window-size={width},{height}"),
            // The certificate of the tests is believed; which one it is says tests/assets/tls.
            "--ignore-certificate-errors",
        ] } });
        for _ in 0..100 {
            let capabilities = options.as_object().unwrap().clone();
            if let Ok(client) =
                ClientBuilder::new(HttpConnector::new()).capabilities(capabilities).connect(&self.address).await
            {
                client.set_window_size(width, height).await.unwrap();
                return client;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the driver at {} does not answer", self.address);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn text(client: &Client, css: &str) -> String {
    client.wait().at_most(Duration::from_secs(20)).for_element(Locator::Css(css)).await.unwrap().text().await.unwrap()
}

/// Choices of three people about the same things, as a file.
const CHOICES: &str = "person,first,second,chosen\nxi,walk,cycle,first\nyo,walk,cycle,second\nzed,walk,cycle,first\n";

/// Waits until an element says this.
async fn says(client: &Client, css: &str, wanted: &str) {
    let mut found = String::new();
    for _ in 0..200 {
        if let Ok(element) = client.find(Locator::Css(css)).await {
            found = element.text().await.unwrap_or_default();
        }
        if found.contains(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{css} never said {wanted:?}: {found}");
}

async fn click(client: &Client, css: &str) {
    let element = client.wait().at_most(Duration::from_secs(20)).for_element(Locator::Css(css)).await.unwrap();
    element.click().await.unwrap();
}

/// Presses a key on the page.
async fn press(client: &Client, key: &str) {
    client.find(Locator::Css("main")).await.unwrap().send_keys(key).await.unwrap();
}

/// The number of the open question, once it is another one than this.
async fn question_after(client: &Client, before: usize) -> usize {
    for _ in 0..200 {
        let number = client.find(Locator::Css("p.number")).await;
        let said = match number {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        let found = said.split_whitespace().nth(1).and_then(|n| n.parse().ok());
        if let Some(found) = found.filter(|n| *n != before) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no question came after {before}: {}", client.source().await.unwrap());
}

/// Answers whatever is asked, by clicking or by keys.
async fn answer(client: &Client, by_keys: bool) -> Result<(), CmdError> {
    let kind = client.find(Locator::Css("article.question")).await?.attr("data-kind").await?.unwrap_or_default();
    match (kind.as_str(), by_keys) {
        ("best-and-worst", true) => {
            press(client, "2").await;
            press(client, "4").await;
        }
        ("best-and-worst", false) => {
            click(client, "input[data-best='1']").await;
            click(client, "input[data-worst='3']").await;
            click(client, "button[value=best_and_worst]").await;
        }
        (_, true) => press(client, "2").await,
        (_, false) => click(client, ".answers button:first-child").await,
    }
    Ok(())
}

async fn picture(client: &Client, name: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), client.screenshot().await.unwrap()).unwrap();
}

/// The same of all of a page, in a window that is as high as it.
async fn whole_picture(client: &Client, name: &str, (width, height): (u32, u32)) {
    let high = client.execute("return document.documentElement.scrollHeight", vec![]).await.unwrap();
    let high = u32::try_from(high.as_u64().unwrap()).unwrap().clamp(height, 6_000);
    client.set_window_size(width, high + 150).await.unwrap();
    picture(client, name).await;
    client.set_window_size(width, height).await.unwrap();
}

/// Runs what a test does, with a driver.
fn with_driver<F: Future<Output = ()>>(test: impl FnOnce(Driver) -> F) {
    let Some(driver) = Driver::start() else { return };
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(test(driver));
}

#[test]
fn a_whole_session_by_clicks_and_by_keys() {
    with_driver(|driver| async move {
        let home = empty_home();
        let service = Service::start(home.path(), &[]);
        let client = driver.browser(1200, 900).await;
        client.goto(&format!("{}/open?token={}", service.base, service.token)).await.unwrap();
        assert!(!client.current_url().await.unwrap().as_str().contains("token"), "the token leaves the address");
        picture(&client, "home").await;
        client.find(Locator::Css("#person")).await.unwrap().send_keys("ada").await.unwrap();
        click(&client, "main button.primary").await;
        let mut number = question_after(&client, 0).await;
        picture(&client, "session").await;
        for n in 0..10 {
            answer(&client, n % 2 == 1).await.unwrap();
            number = question_after(&client, number).await;
            if n == 4 {
                picture(&client, "session-moved").await;
            }
        }
        assert_eq!(number, 11);
        says(&client, "aside", "What the last answer moved").await;
        // A reload asks nothing anew; undo brings the question back.
        let shown = text(&client, "article.question").await;
        client.refresh().await.unwrap();
        assert_eq!(text(&client, "article.question").await, shown);
        press(&client, "u").await;
        question_after(&client, number).await;
        says(&client, "main", "9 answers so far").await;
        press(&client, "w").await;
        says(&client, ".why", "expected to tell most").await;
        picture(&client, "why").await;
        // A sentence, confirmed by a key.
        press(&client, "i").await;
        let words = client.find(Locator::Css("#words")).await.unwrap();
        words.send_keys("I think honesty is more important than loyalty.").await.unwrap();
        words.send_keys(&Key::Enter.to_string()).await.unwrap();
        says(&client, "article.question", "It counts only if you say yes").await;
        picture(&client, "confirm").await;
        press(&client, "y").await;
        says(&client, "aside", "Honesty matters more").await;
        press(&client, "q").await;
        says(&client, "p.notice", "The session is over").await;
        assert!(client.current_url().await.unwrap().as_str().ends_with("/values?person=ada&ended=true"));
        let page = text(&client, "main").await;
        assert!(page.contains("What matters most to you") && page.contains("The session is over"), "{page}");
        picture(&client, "values").await;
        client.close().await.unwrap();
    });
}

#[test]
fn two_people_join_by_a_link_on_phones_and_the_slider_shows_the_past() {
    with_driver(|driver| async move {
        let home = empty_home();
        let service = Service::start(home.path(), &[]);
        let owner = driver.browser(1200, 900).await;
        owner.goto(&format!("{}/open?token={}", service.base, service.token)).await.unwrap();
        owner.goto(&format!("{}/people", service.base)).await.unwrap();
        click(&owner, "form[action='/people/link'] button").await;
        let link = text(&owner, "#join").await;
        picture(&owner, "people-link").await;
        let phones = [driver.browser(390, 844).await, driver.browser(390, 844).await];
        for (phone, name) in phones.iter().zip(["fern", "moss"]) {
            phone.goto(&link).await.unwrap();
            let field = phone.find(Locator::Css("#pseudonym")).await.unwrap();
            field.send_keys(name).await.unwrap();
            picture(phone, "join-phone").await;
            click(phone, "button.primary").await;
        }
        let mut numbers = [question_after(&phones[0], 0).await, question_after(&phones[1], 0).await];
        for _ in 0..4 {
            for (phone, number) in phones.iter().zip(&mut numbers) {
                answer(phone, false).await.unwrap();
                *number = question_after(phone, *number).await;
            }
        }
        picture(&phones[0], "session-phone").await;
        let wide = phones[0].execute("return document.documentElement.scrollWidth <= window.innerWidth", vec![]).await;
        assert_eq!(wide.unwrap(), json!(true), "nothing is wider than a phone");
        // A facilitator's screen follows one of them, untouched.
        owner.goto(&format!("{}/session?person=fern", service.base)).await.unwrap();
        let seen = question_after(&owner, 0).await;
        answer(&phones[0], false).await.unwrap();
        numbers[0] = question_after(&phones[0], numbers[0]).await;
        assert_eq!(question_after(&owner, seen).await, numbers[0]);
        says(&owner, "main", "5 answers so far").await;
        // Who is writing there goes on writing, while the rest of the page changes under them.
        let seen = question_after(&owner, 0).await;
        press(&owner, "i").await;
        let words = owner.find(Locator::Css("#words")).await.unwrap();
        words.send_keys("Honesty is more ").await.unwrap();
        answer(&phones[0], false).await.unwrap();
        numbers[0] = question_after(&phones[0], numbers[0]).await;
        assert_eq!(question_after(&owner, seen).await, numbers[0]);
        owner.active_element().await.unwrap().send_keys("important than loyalty.").await.unwrap();
        let written =
            "const words = document.getElementById('words'); return [words.value, document.activeElement === words];";
        let written = owner.execute(written, vec![]).await.unwrap();
        assert_eq!(written, json!(["Honesty is more important than loyalty.", true]));
        phones[0].goto(&format!("{}/people", service.base)).await.unwrap();
        says(&phones[0], "main", "Only the owner and facilitators see this").await;
        // The owner looks at how belief about one of them came about.
        owner.goto(&format!("{}/log?person=fern", service.base)).await.unwrap();
        says(&owner, "#belief", "after 6 answers").await;
        let slide = "const s = document.querySelector('#at'); s.value = 3; s.dispatchEvent(new Event('input', {bubbles: true}));";
        owner.execute(slide, vec![]).await.unwrap();
        says(&owner, "#belief", "after 0 answers").await;
        picture(&owner, "log-slider").await;
        click(&owner, "table.log a[href*=without]").await;
        says(&owner, "#belief", "had not been given").await;
        picture(&owner, "log-what-if").await;
        for client in [owner].into_iter().chain(phones) {
            client.close().await.unwrap();
        }
    });
}

/// What a reader of README.md types to serve phones, without the program's name.
fn phones_by_the_readme() -> Vec<String> {
    let readme = include_str!("../README.md");
    let line = readme.lines().find_map(|line| line.strip_prefix("make serve ARGS=\"")).expect("README serves phones");
    let makefile = include_str!("../Makefile");
    assert!(makefile.contains("./target/release/credence serve $(ARGS)"));
    // Any free port, so that tests do not meet each other.
    line.split('"').next().unwrap().replace(":7878", ":0").split(' ').map(str::to_owned).collect()
}

/// A phone without script: it sends the forms of the pages that it is shown.
struct PlainPhone {
    service: Service,
    answers: usize,
}

impl PlainPhone {
    /// Opens the link, gives a pseudonym and presses "Begin".
    fn join(service: &Service, link: &str, name: &str) -> Self {
        let path = link.split_once("/join/").map(|(_, token)| format!("/join/{token}")).unwrap();
        let nobody = service.as_nobody();
        let page = nobody.get(&path).text;
        let (_, once) = served::hidden(&page, &path);
        let joined = nobody.form(&path, &[("pseudonym", name), ("once", &once)]);
        assert_eq!((joined.status, joined.to.as_deref()), (303, Some("/session?joined=true")), "{}", joined.text);
        Self { service: service.with_cookie(&joined.token().unwrap()), answers: 0 }
    }

    /// Presses the button of an answer: the first, or the last that is one.
    fn answer(&mut self, first: bool) {
        let page = self.service.get("/session").text;
        let form = page.split("id=\"say\"").nth(1).unwrap().split("</form>").next().unwrap();
        let field = |name: &str| {
            let after = form.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
            after.split('"').next().unwrap().replace("&quot;", "\"")
        };
        let [csrf, once, session, question] = ["csrf", "once", "session", "question"].map(field);
        let mut fields = vec![("csrf", csrf), ("once", once), ("session", session), ("question", question)];
        if form.contains("value=\"best_and_worst\"") {
            let (best, worst) = if first { ("0", "3") } else { ("3", "0") };
            fields.extend([("say", "best_and_worst".into()), ("best", best.into()), ("worst", worst.into())]);
        } else {
            let buttons: Vec<String> = form
                .split("class=\"answer\"")
                .skip(1)
                .map(|b| b.split("value=\"").nth(1).unwrap().split('"').next().unwrap().replace("&quot;", "\""))
                .collect();
            // "No preference" is an answer too, and comes last.
            let levels = buttons.iter().filter(|b| !b.contains("no_preference")).count();
            fields.push(("say", buttons[if first { 0 } else { levels - 1 }].clone()));
        }
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let sent = self.service.form("/session/say", &fields);
        assert_eq!((sent.status, sent.to.as_deref()), (303, Some("/session")), "{}", sent.text);
        self.answers += 1;
        let after = self.service.get("/session").text;
        assert!(after.contains(&format!("{} answers so far", self.answers)) || self.answers == 1, "{after}");
    }
}

/// A facilitator with a laptop and README.md, and ten people with phones: two of them browsers, eight without script.
#[test]
fn ten_phones_from_the_readme_alone() {
    with_driver(|driver| async move {
        const ANSWERS: usize = 6;
        let home = empty_home();
        let by_readme = phones_by_the_readme();
        let service = Service::start(home.path(), &by_readme.iter().map(String::as_str).collect::<Vec<_>>());
        // The address that was printed, then what the pages say.
        let owner = driver.browser(1200, 900).await;
        owner.goto(&format!("{}/open?token={}", service.base, service.token)).await.unwrap();
        click(&owner, "nav a[href='/people']").await;
        click(&owner, "form[action='/people/link'] button").await;
        let link = text(&owner, "#join").await;
        text(&owner, ".qr figcaption").await;
        let phones = [driver.browser(390, 844).await, driver.browser(390, 844).await];
        for (phone, name) in phones.iter().zip(["fern", "moss"]) {
            phone.goto(&link).await.unwrap();
            phone.find(Locator::Css("#pseudonym")).await.unwrap().send_keys(name).await.unwrap();
            click(phone, "button.primary").await;
        }
        let plain = ["oak", "elm", "ash", "yew", "fir", "bay", "ivy", "box"];
        let phones_without_script = plain.map(|name| {
            let service = service.as_nobody();
            let link = link.clone();
            // All at once, as in a room.
            std::thread::spawn(move || {
                let mut phone = PlainPhone::join(&service, &link, name);
                (0..ANSWERS).for_each(|n| phone.answer((n + name.len() + usize::from(name < "e")).is_multiple_of(2)));
            })
        });
        for phone in &phones {
            let mut number = question_after(phone, 0).await;
            for n in 0..ANSWERS {
                answer(phone, n % 2 == 1).await.unwrap();
                number = question_after(phone, number).await;
            }
            says(phone, "main", &format!("{ANSWERS} answers so far")).await;
        }
        phones_without_script.into_iter().for_each(|phone| phone.join().unwrap());

        // Everybody is there, with what they answered, on a map and in the counts.
        click(&owner, "nav a[href='/people']").await;
        says(&owner, "main", "10 people have joined so").await;
        says(&owner, "main", "From 10 people").await;
        says(&owner, "main", "What unites and what divides").await;
        let together = service.get("/api/v1/people/together").ok();
        let shares = together["shares"].as_array().unwrap();
        let counted =
            |share: &Value| ["more", "less", "unsure"].map(|part| share[part].as_u64().unwrap()).iter().sum::<u64>();
        assert!(shares.len() == 18 && shares.iter().all(|share| counted(share) == 10), "{together}");
        let places = owner.find_all(Locator::Css("figure.card svg ellipse")).await.unwrap().len();
        assert_eq!(places, 10, "each has a place on the map");
        whole_picture(&owner, "people-ten-phones", (1200, 900)).await;
        let known = service.get("/api/v1/people").ok();
        let counts: Vec<&Value> = known.as_array().unwrap().iter().map(|person| &person["evidence"]).collect();
        assert_eq!(counts, [&json!(ANSWERS); 10]);
        // A page to share, which names nobody.
        let shared = service.get("/people/page.html").text;
        assert!(shared.contains("From 10 people") && shared.contains("What unites"), "{shared}");
        assert!(plain.iter().chain(&["fern", "moss"]).all(|name| !shared.contains(&format!(">{name}<"))), "{shared}");
        for client in [owner].into_iter().chain(phones) {
            client.close().await.unwrap();
        }
        service.stop();
    });
}

/// A researcher looks for the answer after which loyalty came before honesty, with the slider, and finds the one that did it.
#[test]
fn the_slider_finds_the_moment_a_belief_turned() {
    with_driver(|driver| async move {
        let home = empty_home();
        let service = Service::start(home.path(), &[]);
        let turn = service.post("/api/v1/sessions", &json!({ "person": "ada" })).ok();
        let said = format!("/api/v1/sessions/{}/said", turn["session"].as_str().unwrap());
        let says_so = |words: &str| {
            service.post(&said, &json!({ "say": { "said": "important", "words": words } })).ok();
            let turn = service.post(&said, &json!({ "say": { "said": "yes" } })).ok();
            assert_eq!(turn["confirm"], Value::Null, "{turn}");
        };
        (0..2).for_each(|_| says_so("Honesty is more important than loyalty."));
        (0..4).for_each(|_| says_so("Loyalty is more important than honesty."));
        let head = service.get("/health").ok()["head"].as_u64().unwrap();
        let leads = |at: u64| {
            let values = service.get(&format!("/api/v1/values?person=ada&at={at}")).ok();
            let mean = |id: &str| {
                let all = values["values"]["values"].as_array().unwrap();
                all.iter().find(|v| v["id"] == id).unwrap()["mean"].as_f64().unwrap()
            };
            mean("loyalty") > mean("honesty")
        };
        let turned = (1..=head).find(|at| leads(*at)).expect("it turned");
        assert!(!leads(turned - 1) && leads(head), "once");

        let client = driver.browser(1200, 900).await;
        client.goto(&format!("{}/open?token={}", service.base, service.token)).await.unwrap();
        client.goto(&format!("{}/log?person=ada", service.base)).await.unwrap();
        let slider = client.find(Locator::Css("#at")).await.unwrap();
        // By the keys of the keyboard, from the end back to where the picture has them the other way round.
        let mut at = head;
        while shown_first(&client, ["Loyalty", "Honesty"]).await == "Loyalty" {
            slider.send_keys(&Key::Left.to_string()).await.unwrap();
            at -= 1;
            says(&client, "#shown-at", &at.to_string()).await;
            says(&client, "#believed", &format!("Through record {at},")).await;
            assert!(at > 1, "it never was otherwise");
        }
        assert_eq!(at + 1, turned, "the record after which it was so");
        assert!(client.current_url().await.unwrap().as_str().contains(&format!("at={at}")), "the place can be sent on");
        picture(&client, "log-turned").await;
        // What did it stands in the list, in words, with what would be without it.
        let row = format!("table.log a[href$='without={turned}']");
        let line = client.find(Locator::XPath(&format!("//tr[td[1][normalize-space()='{turned}']]"))).await.unwrap();
        let words = line.text().await.unwrap().to_lowercase();
        assert!(words.contains("loyalty") && words.contains("honesty"), "{words}");
        click(&client, &row).await;
        says(&client, "#believed", &format!("What if record {turned} had not been given?")).await;
        client.close().await.unwrap();
    });
}

/// Which of two values stands higher in the picture of the page.
async fn shown_first<'a>(client: &Client, names: [&'a str; 2]) -> &'a str {
    let places = "return arguments[0].map((name) => {
        const found = [...document.querySelectorAll('#believed svg text')].find((text) => text.textContent.trim() === name);
        return found ? found.getBoundingClientRect().top : null; })";
    let found = client.execute(places, vec![json!(names)]).await.unwrap();
    let [a, b] = [0, 1].map(|n| found[n].as_f64().unwrap_or_else(|| panic!("{names:?}: {found}")));
    if a < b { names[0] } else { names[1] }
}

/// axe, which checks pages against the rules of WCAG; tests/assets/axe/SOURCE.txt says where it is from.
const AXE: &str = include_str!("assets/axe/axe.min.js");

/// What violates WCAG 2.2, levels A and AA, on the page that is shown.
async fn violations(client: &Client) -> Vec<String> {
    client.execute(AXE, vec![]).await.unwrap();
    let run = "const done = arguments[arguments.length - 1];
        const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
        axe.run(document, { runOnly: { type: 'tag', values: tags } }).then(
            (found) => done({ passes: found.passes.length, violations: found.violations.map((v) =>
                v.id + ': ' + v.help + ': ' + v.nodes.map((n) => n.target.join(' ') + ' (' + n.failureSummary + ')').join('; ')) }),
            (error) => done({ passes: 0, violations: [String(error)] }));";
    let found = client.execute_async(run, vec![]).await.unwrap();
    assert!(
        found["passes"].as_u64().is_some_and(|n| n > 5) || found["violations"] != json!([]),
        "nothing was checked: {found}"
    );
    let told = |violation: &Value| violation.as_str().unwrap_or_default().replace('\n', " ");
    found["violations"].as_array().unwrap().iter().map(told).collect()
}

/// A home in which there is something on every page, and its service.
fn busy_home() -> (tempfile::TempDir, Service) {
    let home = empty_home();
    let (asked, _) = with_decisions(home.path(), "ada");
    let tools = home.path().join("tools.toml");
    std::fs::write(&tools, "[[tools]]\nname = \"send_mail\"\n").unwrap();
    logs::done(home.path(), &["approvals", "declare", tools.to_str().unwrap(), "--person", "ada"]);
    let service = Service::start(home.path(), &[]);
    // An act that passed by a rule, and a question that waits.
    let mail = |to: &str| {
        let request = json!({ "tool": "send_mail", "arguments": { "to": to, "text": "The plan for Sunday." }, "context": "She asked for it." });
        service.post("/api/v1/approvals/requests", &json!({ "request": request })).ok()
    };
    let asked_first = mail("bo");
    let yes = json!({ "answer": "always", "shown_hash": asked_first["shown_hash"] });
    service.post(&format!("/api/v1/approvals/questions/{}", asked_first["question"]), &yes).ok();
    assert!(mail("bo")["act"].is_u64() && mail("cy")["question"].is_u64());
    for person in ["ada", "bo", "cy", "di", "eve", "fay"] {
        let mut turn = service.post("/api/v1/sessions", &json!({ "person": person })).ok();
        for n in 0..6 {
            let say = match turn["question"]["kind"].as_str().unwrap() {
                "choice" => json!({ "said": "choose", "index": usize::from(person > "cy") }),
                "portrait" => json!({ "said": "rate", "level": 1 + (n + person.len()) % 6 }),
                _ => json!({ "said": "best_and_worst", "best": usize::from(person > "cy"), "worst": 2 }),
            };
            let path = format!("/api/v1/sessions/{}/said", served::coded(turn["session"].as_str().unwrap()));
            turn = service.post(&path, &json!({ "question": turn["question"]["number"], "say": say })).ok();
        }
    }
    let decided = service.post(&format!("/api/v1/decisions/{asked}/answer"), &json!({ "answer": "first" })).ok();
    let rather = 1 - decided["chosen"].as_u64().unwrap();
    service.post(&format!("/api/v1/decisions/{}/correct", decided["record"]), &json!({ "rather": rather })).ok();
    let seq = service.get("/api/v1/log?person=bo").ok()["records"].as_array().unwrap().last().unwrap()["seq"].clone();
    service.post(&format!("/api/v1/log/{seq}/retract"), &json!({ "reason": "a slip" })).ok();
    let run =
        service.post("/api/v1/experiments", &json!({ "given": "first" })).ok()["run"].as_str().unwrap().to_owned();
    service.post(&format!("/api/v1/experiments/{run}/stop"), &json!({}));
    (home, service)
}

#[test]
fn every_page_keeps_the_rules_of_wcag_light_and_dark_on_screens_and_phones() {
    with_driver(|driver| async move {
        let (home, service) = busy_home();
        let log = service.get("/api/v1/log?person=ada").ok();
        let evidence =
            log["records"].as_array().unwrap().iter().find(|r| r["is_evidence"] == true).unwrap()["seq"].clone();
        let link = service.post("/api/v1/join-links", &json!({})).ok()["link"].as_str().unwrap().to_owned();
        let base = service.base.clone();
        let looked_at = async |is_dark: bool, (width, height): (u32, u32)| {
            let mut wrong = Vec::new();
            let client = driver.browser_of(width, height, is_dark).await;
            // What would be found, if it were there.
            client
                .goto("data:text/html,<title>x</title><img src='data:,'><p style='color:pink;background:snow'>pale</p>")
                .await
                .unwrap();
            let control = violations(&client).await.join(" ");
            assert!(control.contains("image-alt") && control.contains("color-contrast"), "{control}");
            let look =
                format!("{}-{}", if is_dark { "dark" } else { "light" }, if width < 500 { "phone" } else { "screen" });
            let mut pages = vec![
                ("join".to_owned(), link.clone()),
                ("open".to_owned(), format!("{base}/open?token={}", service.token)),
            ];
            let person = if is_dark { "gil" } else { "hal" };
            service.post("/api/v1/sessions", &json!({ "person": format!("{person}-{width}") })).ok();
            // Three questions, of three kinds as far as they come.
            pages.extend((1..=4).map(|n| (format!("session-{n}"), format!("{base}/session?person={person}-{width}"))));
            for (name, path) in [
                ("why", format!("/session?person={person}-{width}&why=true")),
                ("values", "/values?person=ada".to_owned()),
                ("people", "/people".to_owned()),
                ("log", "/log".to_owned()),
                ("log-belief", "/log?person=ada".to_owned()),
                ("log-what-if", format!("/log?person=ada&without={evidence}")),
                ("decisions", "/decisions".to_owned()),
                ("approvals", "/approvals".to_owned()),
                ("experiments", "/experiments".to_owned()),
                ("model", "/model".to_owned()),
                ("nowhere", "/nowhere".to_owned()),
            ] {
                pages.push((name.to_owned(), format!("{base}{path}")));
            }
            // What is kept is a page, too.
            for (name, path) in
                [("people-shared", "/people/page.html"), ("values-kept", "/values/values.html?person=ada")]
            {
                let file = home.path().join(format!("{name}-{look}.html"));
                std::fs::write(&file, service.get(path).text).unwrap();
                pages.push((name.to_owned(), format!("file://{}", file.display())));
            }
            for (name, address) in pages {
                client.goto(&address).await.unwrap();
                let dark = client.execute("return matchMedia('(prefers-color-scheme: dark)').matches", vec![]).await;
                assert_eq!(dark.unwrap(), json!(is_dark), "the browser prefers what it was told to");
                let opened = "document.querySelectorAll('details').forEach((details) => { details.open = true; })";
                client.execute(opened, vec![]).await.unwrap();
                whole_picture(&client, &format!("wcag-{name}-{look}"), (width, height)).await;
                wrong.extend(violations(&client).await.into_iter().map(|v| format!("{name}, {look}: {v}")));
                let wide =
                    client.execute("return document.documentElement.scrollWidth - window.innerWidth", vec![]).await;
                if wide.unwrap().as_f64().is_some_and(|wide| wide > 0.0) {
                    wrong.push(format!("{name}, {look}: the page is wider than the window"));
                }
                if name.starts_with("session-") {
                    answer(&client, false).await.unwrap();
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            }
            // A sentence to be confirmed, and the page of somebody who left.
            client.goto(&format!("{base}/session?person={person}-{width}")).await.unwrap();
            click(&client, "details.words summary").await;
            let words = client.find(Locator::Css("#words")).await.unwrap();
            words.send_keys("I think honesty is more important than loyalty.").await.unwrap();
            words.send_keys(&Key::Enter.to_string()).await.unwrap();
            says(&client, "article.question", "It counts only if you say yes").await;
            wrong.extend(violations(&client).await.into_iter().map(|v| format!("confirm, {look}: {v}")));
            click(&client, "form.leave button").await;
            says(&client, "main", "You are signed out").await;
            wrong.extend(violations(&client).await.into_iter().map(|v| format!("left, {look}: {v}")));
            client.close().await.unwrap();
            wrong
        };
        // Two browsers at a time: one waits where the other works.
        let (screen, phone) = ((1200, 900), (390, 844));
        let light = async { [looked_at(false, screen).await, looked_at(false, phone).await].concat() };
        let dark = async { [looked_at(true, screen).await, looked_at(true, phone).await].concat() };
        let (light, dark) = tokio::join!(light, dark);
        let mut wrong = [light, dark].concat();
        wrong.sort();
        assert!(wrong.is_empty(), "{} violations:\n{}", wrong.len(), wrong.join("\n"));
    });
}

#[test]
fn a_file_is_brought_in_from_the_page() {
    with_driver(|driver| async move {
        let home = empty_home();
        let service = Service::start(home.path(), &[]);
        let file = home.path().join("choices.csv");
        std::fs::write(&file, CHOICES).unwrap();
        let client = driver.browser(1200, 900).await;
        client.goto(&format!("{}/open?token={}", service.base, service.token)).await.unwrap();
        client.goto(&format!("{}/people", service.base)).await.unwrap();
        click(&client, "details.card summary").await;
        client.find(Locator::Css("#file")).await.unwrap().send_keys(file.to_str().unwrap()).await.unwrap();
        picture(&client, "import").await;
        click(&client, "form[action='/people/import'] button").await;
        says(&client, "main", "3 answers of 3 people").await;
        picture(&client, "import-looked-at").await;
        assert_eq!(violations(&client).await, Vec::<String>::new());
        assert_eq!(service.get("/api/v1/people").ok(), json!([]), "nothing is changed yet");
        click(&client, "form[action^='/people/import/'] button").await;
        says(&client, "h1", "What came in").await;
        picture(&client, "import-brought-in").await;
        assert_eq!(service.get("/api/v1/people").ok().as_array().map(Vec::len), Some(3));
        // Without the secret of a page nothing is looked at.
        let body = "--x\r\nContent-Disposition: form-data; name=\"csrf\"\r\n\r\n0\r\n--x--\r\n";
        let browser = service.as_browser();
        assert_eq!(browser.as_it_is("/people/import", "multipart/form-data; boundary=x", body).status, 403);
        client.close().await.unwrap();
    });
}

#[test]
fn a_decision_is_answered_and_an_experiment_runs_from_their_pages() {
    with_driver(|driver| async move {
        let home = empty_home();
        let (asked, of_task) = with_decisions(home.path(), "ada");
        let service = Service::start(home.path(), &[]);
        let client = driver.browser(1200, 900).await;
        client.goto(&format!("{}/open?token={}", service.base, service.token)).await.unwrap();
        client.goto(&format!("{}/decisions?person=ada", service.base)).await.unwrap();
        let card = format!("#record-{asked}");
        says(&client, &card, "Which would you rather have?").await;
        picture(&client, "decisions").await;
        // A task that waits can be given other alternatives.
        click(&client, &format!("#record-{of_task} details:has(textarea) summary")).await;
        picture(&client, "decisions-other-alternatives").await;
        assert_eq!(violations(&client).await, Vec::<String>::new());
        click(&client, &format!("{card} button[value=second]")).await;
        says(&client, &card, "A question came first").await;
        says(&client, "article.card", "Chosen:").await;
        // The act is wrong: it is corrected.
        click(&client, "article.card details summary").await;
        click(&client, "article.card form[action$=correct] button").await;
        says(&client, "main", "Said since").await;
        picture(&client, "decisions-corrected").await;
        click(&client, "form[action$=stop] button").await;
        says(&client, "main", "; stopped").await;

        client.goto(&format!("{}/experiments", service.base)).await.unwrap();
        click(&client, "form[action='/experiments/start'] button.primary").await;
        says(&client, "article.card h3", "at work").await;
        picture(&client, "experiments").await;
        click(&client, "form[action='/experiments/stop'] button").await;
        says(&client, "article.card h3", "stopped").await;
        // What is at work is shown anew without a reload, until it is done.
        let toml = client.find(Locator::Css("#toml")).await.unwrap();
        toml.send_keys(TINY_EXPERIMENT).await.unwrap();
        let mine = "form[action='/experiments/start'] textarea + button";
        click(&client, mine).await;
        let report = "a[href='/experiments/mine-1']";
        client.wait().at_most(Duration::from_secs(60)).for_element(Locator::Css(report)).await.unwrap();
        click(&client, report).await;
        says(&client, "h1, header", "mine").await;
        picture(&client, "experiment-report").await;
        client.close().await.unwrap();
    });
}

/// An experiment of two cells.
const TINY_EXPERIMENT: &str = r#"name = "mine"
about = "Two cells."
dimension = 3
questions = 10
measured_at = [0, 10]
target_nats = 0.08
seeds = [1, 2]
strategies = ["random"]
learners = ["single_prior"]
[settings]
signal_scales = [1.5]
bands = [0.3]
slow_drift_weight = 0.0
[[prior]]
name = "start"
angle_degrees = [0.0]
confidence = [0.2]
[[person]]
name = "plain"
signal = [4.0]
lapse_rate = 0.02
"#;

/// Over TLS the address is one of https, and what a browser keeps goes nowhere without it.
#[test]
fn a_browser_comes_over_tls() {
    with_driver(|driver| async move {
        let home = empty_home();
        let tls = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/assets/tls");
        let [chain, key] = ["chain.pem", "key.pem"].map(|name| tls.join(name).to_str().unwrap().to_owned());
        let service = Service::start(home.path(), &["--tls-cert", &chain, "--tls-key", &key]);
        assert!(service.base.starts_with("https://"), "{}", service.base);
        let client = driver.browser(390, 844).await;
        client.goto(&format!("{}/open?token={}", service.base, service.token)).await.unwrap();
        client.goto(&format!("{}/session?person=ada", service.base)).await.unwrap();
        click(&client, "main button.primary").await;
        let number = question_after(&client, 0).await;
        answer(&client, true).await.unwrap();
        question_after(&client, number).await;
        let cookie = client.get_named_cookie("credence").await.unwrap();
        assert_eq!((cookie.secure(), cookie.http_only()), (Some(true), Some(true)));
        // Nobody is answered without it.
        let plain = std::net::TcpStream::connect(service.base.strip_prefix("https://").unwrap()).unwrap();
        let mut reply = Vec::new();
        std::io::Write::write_all(&mut &plain, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let _ = std::io::Read::read_to_end(&mut &plain, &mut reply);
        assert!(!reply.starts_with(b"HTTP/"), "{reply:?}");
        client.close().await.unwrap();
        service.stop();
    });
}
