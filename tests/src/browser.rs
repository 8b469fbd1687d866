//! A real browser: headless Chromium, driven over the WebDriver protocol (W3C, level 1) of its chromedriver.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// One session, ended when it is dropped.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: tempfile::TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Only to ask Chromium to end first; without an answer the profile goes away under it.
        let _ = self.exchange("DELETE", &format!("/session/{}", self.session), &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Browser {
    /// Starts a browser in which pages run no script; `None`, and said so, where none is installed.
    ///
    /// # Panics
    /// It is installed but does not start.
    pub fn start() -> Option<Self> {
        Self::begin(false)
    }

    /// The same, with the scripts that pages bring.
    ///
    /// # Panics
    /// It is installed but does not start.
    pub fn start_with_scripts() -> Option<Self> {
        Self::begin(true)
    }

    fn begin(scripts: bool) -> Option<Self> {
        let installed = |name: &str| Command::new(name).arg("--version").output().is_ok();
        if !installed("chromium") || !installed("chromedriver") {
            linkward_testkit::skipped("chromium is not installed");
            return None;
        }
        let driver =
            Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut driver) = driver else { panic!("{driver:?}") };
        let Some(output) = driver.stdout.take() else { panic!("no output") };
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let port = lines.find_map(|line| {
            let (_, rest) = line.split_once("successfully on port ")?;
            rest.trim_end_matches('.').parse::<u16>().ok()
        });
        let Some(port) = port else { panic!("chromedriver names no port") };
        std::thread::spawn(move || lines.for_each(drop));
        let profile = linkward_testkit::scratch();
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        let folder = format!("--user-data-dir={}", browser._profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            &folder,
        ];
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": {
                "args": arguments,
                // What a page's own scripts would do is not done: the console must work without.
                "prefs": { "profile.managed_default_content_settings.javascript": if scripts { 1 } else { 2 } },
            },
        } } });
        let answer = browser.exchange("POST", "/session", &wanted);
        let Ok(answer) = answer else { panic!("{answer:?}") };
        let Some(session) = answer.pointer("/value/sessionId").and_then(Value::as_str) else {
            panic!("{answer}")
        };
        browser.session = session.to_owned();
        Some(browser)
    }

    /// Opens an address and waits until it has loaded.
    pub fn open(&self, url: &str) {
        self.ask("POST", "/url", &json!({ "url": url }));
    }

    pub fn url(&self) -> String {
        text(&self.ask("GET", "/url", &Value::Null))
    }

    pub fn title(&self) -> String {
        text(&self.ask("GET", "/title", &Value::Null))
    }

    /// The visible text of the first element that a CSS selector finds.
    pub fn text(&self, selector: &str) -> String {
        text(&self.ask("GET", &format!("/element/{}/text", self.element(selector)), &Value::Null))
    }

    /// Types into an element; `\u{e007}` is Enter, `\u{e004}` Tab.
    pub fn type_into(&self, selector: &str, keys: &str) {
        self.ask("POST", &format!("/element/{}/value", self.element(selector)), &json!({ "text": keys }));
    }

    pub fn click(&self, selector: &str) {
        self.ask("POST", &format!("/element/{}/click", self.element(selector)), &json!({}));
    }

    /// Runs a function body in the page, from outside of it.
    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// A command of the DevTools protocol, for what WebDriver has no word for.
    pub fn devtools(&self, command: &str, parameters: &Value) {
        self.ask("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters }));
    }

    /// What the browser itself complained of since the last call: refused assets, violated policies.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.ask("POST", "/se/log", &json!({ "type": "browser" }));
        log.as_array()
            .into_iter()
            .flatten()
            .filter_map(|entry| entry["message"].as_str().map(str::to_owned))
            .collect()
    }

    fn element(&self, selector: &str) -> String {
        let found = self.ask("POST", "/element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().and_then(|object| object.values().next()).map(text);
        let Some(id) = id else { panic!("nothing is `{selector}`: {found}") };
        id
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.exchange(method, &format!("/session/{}{path}", self.session), body);
        let Ok(answer) = answer else { panic!("{method} {path}: {answer:?}") };
        let value = answer.get("value").cloned().unwrap_or(Value::Null);
        assert!(value.get("error").is_none(), "{method} {path}: {value}");
        value
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.port,
            body.len()
        )?;
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        while reader.read_line(&mut line)? > 2 {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer)?;
        Ok(serde_json::from_slice(&answer).unwrap_or(Value::Null))
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
