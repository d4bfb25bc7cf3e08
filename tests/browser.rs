//! The pages in a real browser: Chromium and its driver, as Debian has them. Screenshots go to `target/screenshots`.
//!
//! Where there is no driver these say SKIPPED; `make test` installs one and demands it.
#![cfg(unix)]

mod served;

use std::future::Future;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use served::{Service, empty_home};

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
        let options = json!({ "goog:chromeOptions": { "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", format!("--window-size={width},{height}"),
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
        press(&client, "?").await;
        says(&client, ".why", "expected to teach the most").await;
        picture(&client, "why").await;
        // A sentence, confirmed by a key.
        click(&client, "details.words summary").await;
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
        phones[0].goto(&format!("{}/people", service.base)).await.unwrap();
        says(&phones[0], "main", "Only the owner and facilitators see this").await;
        // The owner looks at how belief about one of them came about.
        owner.goto(&format!("{}/log?person=fern", service.base)).await.unwrap();
        says(&owner, "#belief", "after 4 answers").await;
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
