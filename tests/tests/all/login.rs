//! The console with a login: nothing is seen without one, roles hold on every page and form, and a real OpenID provider
//! says who people are.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use linkward_tests::{Daemon, Project, closed_port, root};
use rustls::pki_types::pem::PemObject as _;

/// Pages, tables, answers for programs: everything that shows something of the record.
const PAGES: &[&str] = &[
    "/",
    "/log",
    "/log/verify",
    "/gate",
    "/search?q=a",
    "/findings",
    "/coverage",
    "/measures",
    "/assess",
    "/board/on-call",
    "/board/executive",
    "/board/debug",
    "/account",
    "/api/v1",
    "/api/v1/chain",
    "/api/v1/findings",
    "/api/v1/measures",
    "/api/v1/measures/history",
    "/api/v1/board",
    "/api/v1/lookup?kind=name&value=a",
    "/api/v1/records/0",
    "/export/findings.csv",
    "/metrics",
    "/log/entry/0",
    "/events/stream",
    "/gate/feed",
    "/gate/snapshot",
    "/no-such-page",
    "/artifact/sha256:00",
];

/// What verifiers, clients and load balancers reach without a login.
const PUBLIC: &[&str] = &[
    "/healthz",
    "/readyz",
    "/login",
    "/tlog/evidence/checkpoint",
    "/tuf/timestamp.json",
    "/codes/login-needed",
];

/// A browser that keeps cookies by server, follows nothing by itself, and forgets nothing.
#[derive(Default)]
struct Browser {
    cookies: BTreeMap<(String, String), String>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }
}

fn exchange(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    // A stream of events does not end; its head says enough.
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).unwrap();
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        if count == 0 || (text.contains("\r\n\r\n") && text.contains("text/event-stream")) {
            return Answer::parse(&text);
        }
    }
}

impl Browser {
    fn ask(&mut self, method: &str, url: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let (address, path) = url.trim_start_matches("http://").split_once('/').unwrap();
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .filter(|((server, _), _)| server == address)
            .map(|((_, name), value)| format!("{name}={value}"))
            .collect();
        let mut request = format!("{method} /{path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        if !cookies.is_empty() {
            request.push_str(&format!("Cookie: {}\r\n", cookies.join("; ")));
        }
        for (name, value) in more {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if method == "POST" {
            let length = body.len();
            request.push_str(&format!(
                "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n"
            ));
        }
        let answer = exchange(address, &format!("{request}\r\n{body}"));
        for line in answer.head.lines() {
            let Some((name, value)) = line.split_once(": ") else { continue };
            if name.eq_ignore_ascii_case("set-cookie")
                && let Some((name, value)) = value.split(';').next().and_then(|pair| pair.split_once('='))
            {
                let place = (address.to_owned(), name.to_owned());
                if value.is_empty() {
                    self.cookies.remove(&place)
                } else {
                    self.cookies.insert(place, value.to_owned())
                };
            }
        }
        answer
    }

    fn get(&mut self, url: &str) -> Answer {
        self.ask("GET", url, &[("Accept", "text/html")], "")
    }

    fn post(&mut self, url: &str, body: &str) -> Answer {
        let address = url.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        let origin = format!("http://{address}");
        self.ask(
            "POST",
            url,
            &[("Accept", "text/html"), ("Origin", &origin), ("Sec-Fetch-Site", "same-origin")],
            body,
        )
    }

    /// The proof in the first form of a page.
    fn proof(&mut self, url: &str) -> String {
        let page = self.get(url).body;
        let (_, rest) = page.split_once("name=\"proof\" value=\"").unwrap_or_else(|| panic!("{page}"));
        rest.split('"').next().unwrap().to_owned()
    }
}

fn project(settings: &str) -> Project {
    let project = Project::new();
    let (exit, text) = project.run(&["up", "--no-serve"]);
    assert!(exit == 0 || exit == 3, "{text}");
    project.write(".linkward/linkward.toml", settings);
    project
}

fn token(project: &Project, name: &str, role: &str) -> String {
    let (exit, text) = project.run(&["token", "add", name, "--role", role]);
    assert_eq!(exit, 0, "{text}");
    let token = text.lines().next().unwrap().to_owned();
    assert!(token.starts_with("lwt_") && token.len() == 47, "{text}");
    token
}

fn with(daemon: &Daemon, token: &str, path: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let url = format!("http://{}{path}", daemon.console);
    Browser::default().ask("GET", &url, &[("Authorization", &bearer)], "")
}

/// Everything that people did, as the record says it.
fn recorded(daemon: &Daemon, admin: &str) -> Vec<serde_json::Value> {
    let record = |number: u64| with(daemon, admin, &format!("/api/v1/records/{number}"));
    let body = |answer: Answer| serde_json::from_str::<serde_json::Value>(&answer.body).unwrap();
    (0..)
        .map(record)
        .take_while(|answer| answer.status == 200)
        .map(|answer| body(answer)["body"]["says"].clone())
        .collect()
}

#[test]
fn nothing_is_seen_without_a_login_and_roles_hold_everywhere() {
    let project = project("[console]\nlogin = \"on\"\n");
    let viewer = token(&project, "ann", "viewer");
    let daemon = Daemon::start(&project);
    let admin = token(&project, "root", "admin");
    let responder = token(&project, "rob", "responder");
    let (exit, text) = project.run(&["token", "add", "rob"]);
    assert!(exit == 2 && text.contains("there is a token `rob`"), "{text}");

    for page in PAGES.iter().chain(&["/access"]) {
        let url = format!("http://{}{page}", daemon.console);
        let answer = Browser::default().ask("GET", &url, &[], "");
        assert_eq!(answer.status, 401, "{page}: {answer:?}");
        assert!(
            answer.body.contains("login-needed") && answer.header("www-authenticate").is_some(),
            "{page}"
        );
        let answer = Browser::default().get(&url);
        assert_eq!(answer.status, 303, "{page}");
        assert!(answer.header("location").unwrap().starts_with("/login?next=%2F"), "{answer:?}");
        assert!(!with(&daemon, &viewer, page).body.contains("login-needed"), "{page}");
        assert_eq!(with(&daemon, &viewer, page).status == 403, *page == "/access", "{page}");
    }
    for page in PUBLIC {
        assert_eq!(daemon.fetch(page, "localhost").0, 200, "{page}");
    }
    let denied = with(&daemon, &viewer, "/access");
    assert!(denied.body.contains("role-too-low") && denied.body.contains("ann is viewer"), "{denied:?}");
    assert_eq!(with(&daemon, &admin, "/access").status, 200);
    assert_eq!(daemon.post("/findings/00/answer", &[], "").0, 401);
    let bearer = format!("Bearer {viewer}");
    let (status, answer) =
        daemon.post("/maintenance", &[("Authorization", &bearer)], "scope=*&reason=x&hours=1");
    assert!(status == 403 && answer.contains("role-too-low"), "{answer}");
    let bearer = format!("Bearer {responder}");
    let (status, _) =
        daemon.post("/maintenance", &[("Authorization", &bearer)], "scope=acme/*&reason=moving&hours=1");
    assert_eq!(status, 303);
    let says = recorded(&daemon, &admin);
    let work = says.iter().find(|says| says["what"] == "maintenance").unwrap();
    assert_eq!(work["maintenance"]["by"], "rob (responder, token)");

    // Ten wrong tokens, and the address waits; whoever has a right one does not.
    let wrong: Vec<Answer> = (0..14).map(|number| with(&daemon, &format!("lwt_{number:043}"), "/")).collect();
    assert!(wrong[0].status == 401 && wrong[0].body.contains("login-failed"), "{wrong:?}");
    let last = wrong.last().unwrap();
    assert!(last.status == 429 && last.body.contains("rate-limited"), "{last:?}");
    assert!(last.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(with(&daemon, &viewer, "/").status, 200);
    let state: Vec<u8> = ["state.db", "state.db-wal"]
        .iter()
        .flat_map(|name| std::fs::read(project.path().join(".linkward").join(name)).unwrap_or_default())
        .collect();
    for secret in [&viewer, &admin, &responder] {
        assert!(!state.windows(secret.len()).any(|window| window == secret.as_bytes()), "kept in clear");
    }
    // What was refused is on the record, by the count.
    assert_eq!(daemon.interrupt(), Some(0));
    let daemon = Daemon::start(&project);
    let says = recorded(&daemon, &admin);
    let refusals: Vec<String> =
        says.iter().map(ToString::to_string).filter(|says| says.contains("\"console\"")).collect();
    for code in ["role-too-low", "login-failed", "rate-limited"] {
        assert!(refusals.iter().any(|says| says.contains(code)), "{code}: {refusals:?}");
    }
}

#[test]
fn a_login_by_token_ends_and_its_forms_are_its_own() {
    let project = project("[console]\nlogin = \"on\"\n");
    let (responder, admin) = (token(&project, "rob", "responder"), token(&project, "root", "admin"));
    let moved = r#"{"id":"e1","source":"forge","action":"ref.updated","time":"2026-01-02T10:00:00Z","repository":"acme/app",
        "ref":"refs/tags/v1.0.0","before":"aa","after":"bb"}"#
        .replace('\n', "");
    project.write("events.jsonl", &moved);
    project.run(&["detect", "replay", "--record", "events.jsonl"]);
    let daemon = Daemon::start(&project);
    let at = |path: &str| format!("http://{}{path}", daemon.console);

    let mut browser = Browser::default();
    let refused = browser.post(&at("/login"), "token=nonsense&next=%2F");
    assert!(refused.status == 401 && refused.body.contains("login-failed"), "{refused:?}");
    let foreign = browser.ask(
        "POST",
        &at("/login"),
        &[("Origin", "https://evil.example")],
        &format!("token={responder}"),
    );
    assert!(foreign.status == 403 && foreign.body.contains("form-foreign"), "{foreign:?}");
    for evil in ["%2F%2Fevil.example", "https%3A%2F%2Fevil.example", "%2F%5Cevil.example"] {
        let answer = Browser::default().post(&at("/login"), &format!("token={responder}&next={evil}"));
        assert_eq!((answer.status, answer.header("location")), (303, Some("/")), "{evil}");
    }
    let answer = browser.post(&at("/login"), &format!("token={responder}&next=%2Ffindings"));
    assert_eq!((answer.status, answer.header("location")), (303, Some("/findings")));
    let cookie = answer.header("set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"),
        "{cookie}"
    );
    let list = browser.get(&at("/findings"));
    assert_eq!(list.status, 200);
    let (_, rest) = list.body.split_once("/findings/").unwrap();
    let id: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    let finding = format!("/findings/{id}");
    assert!(browser.get(&at("/account")).body.contains("rob"));

    let proof = browser.proof(&at(&finding));
    let mut other = Browser::default();
    other.post(&at("/login"), &format!("token={admin}"));
    let others = other.proof(&at(&finding));
    assert_ne!(proof, others);
    let dispose = at(&format!("{finding}/dispose"));
    for body in ["", "proof=", "proof=abc", &format!("proof={others}")] {
        let body = format!("{body}&disposition=benign&reason=known");
        let answer = browser.post(&dispose, &body);
        assert!(answer.status == 403 && answer.body.contains("form-foreign"), "{body}: {answer:?}");
    }
    let body = format!("proof={proof}&disposition=benign&reason=a+planned+move&days=3");
    for (name, value) in
        [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")]
    {
        let answer = browser.ask("POST", &dispose, &[(name, value)], &body);
        assert!(answer.status == 403 && answer.body.contains("form-foreign"), "{name}: {answer:?}");
    }
    let answer = browser.post(&dispose, &format!("proof={proof}&disposition=benign&reason=+"));
    assert!(answer.status == 422 && answer.body.contains("reason"), "{answer:?}");
    let answer = browser.post(&dispose, &body);
    assert_eq!((answer.status, answer.header("location")), (303, Some(finding.as_str())), "{answer:?}");
    assert!(browser.get(&at(&finding)).body.contains("a planned move"));
    let says = recorded(&daemon, &admin);
    let said = says.iter().find(|says| says["what"] == "disposition").unwrap();
    assert_eq!(said["by"], "rob (responder, token)");
    assert!(
        says.iter()
            .any(|says| says["what"] == "logged-in" && says["who"] == "rob" && says["from"] == "127.0.0.1")
    );

    // A responder is no admin; an admin ends the responder's login, and takes the token back.
    assert_eq!(browser.post(&at("/access/tokens"), &format!("proof={proof}&name=root")).status, 403);
    let mut second = Browser::default();
    second.post(&at("/login"), &format!("token={responder}"));
    assert_eq!(second.get(&at("/")).status, 200);
    let proof = second.proof(&at("/account"));
    assert_eq!(second.post(&at("/logout"), "").status, 403, "nobody else can log one out");
    let stolen = Browser { cookies: second.cookies.clone() };
    assert_eq!(second.post(&at("/logout"), &format!("proof={proof}")).status, 303);
    let mut stolen = stolen;
    assert_eq!(stolen.get(&at("/")).status, 303, "the cookie opens nothing after the logout");
    assert_eq!(browser.get(&at("/")).status, 200, "the other login of the same token stays");
    let proof = other.proof(&at("/access"));
    assert_eq!(other.post(&at("/access/tokens"), &format!("proof={proof}&name=rob")).status, 303);
    assert_eq!(browser.get(&at("/")).status, 303, "it ended with its token");
    assert_eq!(with(&daemon, &responder, "/").status, 401);
    let says = recorded(&daemon, &admin);
    for what in ["token-made", "token-taken-back", "logged-out"] {
        assert!(says.iter().any(|says| says["what"] == what), "{what}");
    }
}

struct Provider(Child);

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the provider, where it is installed.
fn provider(port: &str, redirect: &str, secret: &str) -> Option<Provider> {
    let folder = root().join("target/clients/oidc");
    if !folder.join("node_modules/oidc-provider").exists() {
        linkward_testkit::skipped("oidc-provider is not installed; `cargo xtask test` installs it");
        return None;
    }
    let script = root().join("tests/testdata/oidc-provider.mjs");
    let mut child = Command::new("node")
        .arg(script)
        .args([port, redirect, secret])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let said = lines.next().and_then(Result::ok);
    std::thread::spawn(move || lines.for_each(drop));
    assert_eq!(said.as_deref(), Some("listening"), "the provider did not start");
    Some(Provider(child))
}

/// As a person does: follows where it is led, says who they are, agrees; up to where the console is called back.
fn visit(browser: &mut Browser, begin: &str, name: &str, console: &str) -> String {
    let mut answer = browser.get(begin);
    let issuer: String = answer.header("location").unwrap().split('/').take(3).collect::<Vec<_>>().join("/");
    for _ in 0..12 {
        if (300..400).contains(&answer.status) {
            let to = answer.header("location").unwrap().to_owned();
            let to = if to.starts_with('/') { format!("{issuer}{to}") } else { to };
            if to.starts_with(&format!("http://{console}")) {
                return to;
            }
            answer = browser.get(&to);
            continue;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        let (_, rest) = answer.body.split_once("action=\"").unwrap_or_else(|| panic!("{answer:?}"));
        let action = rest.split('"').next().unwrap();
        let action = if action.starts_with('/') { format!("{issuer}{action}") } else { action.to_owned() };
        let login = answer.body.contains("value=\"login\"");
        let body =
            if login { format!("prompt=login&login={name}&password=x") } else { "prompt=consent".to_owned() };
        answer = browser.post(&action, &body);
    }
    panic!("the provider never led back");
}

#[test]
fn a_real_openid_provider_says_who_people_are() {
    for secret in ["", "a secret/with+signs"] {
        let port = closed_port().to_string();
        let port = port.rsplit(':').next().unwrap();
        let mut settings = format!(
            "[console]\nlogin = \"on\"\n[login]\nissuer = \"http://127.0.0.1:{port}\"\nroles = [\"groups=staff:viewer\", \
             \"groups=oncall:responder\", \"email=root@example.com:admin\"]\n"
        );
        let file = linkward_testkit::scratch();
        if !secret.is_empty() {
            let path = file.path().join("secret");
            std::fs::write(&path, format!("{secret}\n")).unwrap();
            settings.push_str(&format!("client_secret = {:?}\n", path.to_string_lossy()));
        }
        let project = project(&settings);
        let admin = token(&project, "root", "admin");
        let daemon = Daemon::start(&project);
        let at = |path: &str| format!("http://{}{path}", daemon.console);
        let away = Browser::default().get(&at("/login/begin"));
        assert!(away.status == 503 && away.body.contains("login-unreachable"), "{away:?}");
        let Some(_provider) = provider(port, &at("/login/back"), secret) else { return };
        assert!(Browser::default().get(&at("/login")).body.contains("Log in by http://127.0.0.1:"));

        let mut rob = Browser::default();
        let back = visit(&mut rob, &at("/login/begin?next=%2Fboard%2Fon-call"), "rob", &daemon.console);
        assert!(back.contains("code=") && back.contains("iss="), "{back}");
        // Whoever gets hold of the address that leads back has no use of it: it belongs to one browser.
        let mut thief = Browser::default();
        let answer = thief.get(&back);
        assert!(answer.status == 401 && answer.body.contains("another browser"), "{answer:?}");
        let answer = rob.get(&back);
        assert!(
            answer.status == 401 && answer.body.contains("login-rejected"),
            "what was tried once is used up"
        );

        let back = visit(&mut rob, &at("/login/begin?next=%2Fboard%2Fon-call"), "rob", &daemon.console);
        let answer = rob.get(&back);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/board/on-call")), "{answer:?}");
        let account = rob.get(&at("/account")).body;
        assert!(account.contains("rob@example.com") && account.contains("responder"), "{account}");
        assert_eq!(rob.get(&back).status, 401, "a code opens one login");

        let mut ann = Browser::default();
        let back = visit(&mut ann, &at("/login/begin"), "ann", &daemon.console);
        ann.get(&back);
        let proof = ann.proof(&at("/account"));
        let denied = ann.post(&at("/maintenance"), &format!("proof={proof}&scope=*&reason=x&hours=1"));
        assert!(denied.status == 403 && denied.body.contains("role-too-low"), "{denied:?}");
        // In no group; and an address that is an admin's, but that nobody verified.
        for name in ["eve", "mallory"] {
            let mut stranger = Browser::default();
            let back = visit(&mut stranger, &at("/login/begin"), name, &daemon.console);
            let answer = stranger.get(&back);
            assert!(answer.status == 403 && answer.body.contains("login-without-role"), "{name}: {answer:?}");
            assert_eq!(stranger.get(&at("/")).status, 303);
        }
        let says = recorded(&daemon, &admin);
        let way = format!("http://127.0.0.1:{port}");
        assert!(says.iter().any(|says| says["what"] == "logged-in"
            && says["who"] == "rob@example.com"
            && says["way"] == way));
    }
}

#[test]
fn beyond_loopback_it_takes_login_and_tls() {
    for settings in ["", "login = \"on\"\n", "tls = \"on\"\n"] {
        let project = project(&format!("[console]\nlisten = \"0.0.0.0:0\"\n{settings}"));
        let (exit, text) = project.run(&["up"]);
        assert!(exit == 2 && text.contains("not a loopback address"), "{text}");
    }
    let project = project("[console]\nlogin = \"on\"\ntls = \"on\"\n");
    let viewer = token(&project, "ann", "viewer");
    let daemon = Daemon::start_at(&project, "0.0.0.0:0");
    let (_, text) = project.run(&["admit", "manifest", "--help"]);
    assert!(text.contains("admit"), "{text}");
    let (exit, text) = project.run(&["admit", "manifest", "--url", "https://127.0.0.1:1/admit"]);
    assert_eq!(exit, 0, "{text}");
    let authority = std::fs::read(project.path().join(".linkward/authority.pem")).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_slice(&authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let port = daemon.console.rsplit(':').next().unwrap();
    let ask = |request: &str| {
        let name = rustls::pki_types::ServerName::try_from("127.0.0.1").unwrap();
        let stream = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        let connection = rustls::ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, stream);
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        Answer::parse(&String::from_utf8_lossy(&text))
    };
    let head = format!("Host: 127.0.0.1:{port}\r\nConnection: close\r\n");
    assert_eq!(ask(&format!("GET / HTTP/1.1\r\n{head}\r\n")).status, 401);
    let body = format!("token={viewer}");
    let origin = format!("Origin: https://127.0.0.1:{port}\r\n");
    let answer =
        ask(&format!("POST /login HTTP/1.1\r\n{head}{origin}Content-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(answer.status, 303, "{answer:?}");
    let cookie = answer.header("set-cookie").unwrap().to_owned();
    assert!(cookie.starts_with("__Host-linkward=") && cookie.contains("; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(ask(&format!("GET / HTTP/1.1\r\n{head}Cookie: {cookie}\r\n\r\n")).status, 200);
    // In clear there is nothing.
    let plain = std::panic::catch_unwind(|| {
        exchange(&format!("127.0.0.1:{port}"), &format!("GET / HTTP/1.1\r\n{head}\r\n"))
    });
    assert!(plain.is_err() || plain.unwrap().status == 0);
}
