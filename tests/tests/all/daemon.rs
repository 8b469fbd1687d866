//! The daemon: serves, answers other commands over its socket, survives being killed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use linkward_tests::Project;

struct Daemon {
    child: Child,
    console: String,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(project: &Project) -> Daemon {
    let mut command = project.command(&["up"]);
    // Free ports, so that tests can run beside each other.
    command.env("LINKWARD_CONSOLE_LISTEN", "127.0.0.1:0").env("LINKWARD_ADMISSION_LISTEN", "127.0.0.1:0");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut console = String::new();
    for line in lines.by_ref() {
        let line = line.unwrap();
        if let Some((_, rest)) = line.split_once("console    http://") {
            console = rest.trim_end_matches('/').to_owned();
        }
        if line.contains("admission  https://") {
            break;
        }
    }
    std::thread::spawn(move || lines.for_each(drop));
    // The listeners are bound; serving starts at once.
    std::thread::sleep(Duration::from_millis(200));
    Daemon { child, console }
}

fn fetch(address: &str, path: &str, host: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer)
}

#[test]
fn other_commands_talk_to_it_and_pages_are_safe() {
    let project = Project::new();
    project.write("dist/<script>alert(1)<.whl", "x");
    let daemon = start(&project);
    let (exit, text) = project.run(&["check", "dist/<script>alert(1)<.whl"]);
    assert_eq!(exit, 3, "{text}");
    for path in [
        "/",
        "/log",
        "/log/verify",
        "/log/entry/0",
        "/gate",
        "/codes",
        "/search?q=sha256",
        "/metrics",
        "/healthz",
    ] {
        let (status, page) = fetch(&daemon.console, path, "127.0.0.1");
        assert_eq!(status, 200, "{path}");
        assert!(!page.contains("<script"), "{path}");
        if page.contains("text/html") {
            assert!(page.contains("content-security-policy: default-src 'none'"), "{path}");
        }
    }
    assert_eq!(fetch(&daemon.console, "/nope", "localhost").0, 404);
    assert_eq!(fetch(&daemon.console, "/", "evil.example").0, 421, "DNS rebinding");
    let (status, tile) = fetch(&daemon.console, "/tlog/evidence/checkpoint", "localhost");
    assert_eq!(status, 200);
    assert!(tile.contains(".evidence.linkward.internal"));
    for path in [
        "/tlog/evidence/../../keys/step.key",
        "/tlog/evidence/tile/../../../keys/step.key",
        "/tlog/keys/step.key",
    ] {
        assert_eq!(fetch(&daemon.console, path, "localhost").0, 404, "{path}");
    }
}

#[test]
fn killed_at_any_moment_it_loses_nothing_that_was_acknowledged() {
    let project = Project::new();
    for round in 0..4 {
        let daemon = start(&project);
        let name = format!("dist/app-{round}.whl");
        project.write(&name, &name);
        let (exit, text) = project.run(&["check", &name]);
        assert_eq!(exit, 3, "{text}");
        drop(daemon);
        let (exit, text) = project.run(&["log", "verify"]);
        assert_eq!(exit, 0, "{text}");
        let (exit, text) = project.run(&["--format", "json", "log", "list", "--kind", "verdict"]);
        assert_eq!(exit, 0, "{text}");
        assert_eq!(text.matches("\"kind\": \"verdict\"").count(), round + 1, "{text}");
    }
}
