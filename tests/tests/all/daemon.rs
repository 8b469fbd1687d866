//! The daemon: serves, answers other commands over its socket, survives being killed.

use linkward_tests::{Daemon, Project};

#[test]
fn other_commands_talk_to_it_and_pages_are_safe() {
    let project = Project::new();
    project.write("dist/<script>alert(1)<.whl", "x");
    let daemon = Daemon::start(&project);
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
        let (status, page) = daemon.fetch(path, "127.0.0.1");
        assert_eq!(status, 200, "{path}");
        assert!(!page.contains("<script"), "{path}");
        if page.contains("text/html") {
            assert!(page.contains("content-security-policy: default-src 'none'"), "{path}");
        }
    }
    assert_eq!(daemon.fetch("/nope", "localhost").0, 404);
    assert_eq!(daemon.fetch("/", "evil.example").0, 421, "DNS rebinding");
    let (status, tile) = daemon.fetch("/tlog/evidence/checkpoint", "localhost");
    assert_eq!(status, 200);
    assert!(tile.contains(".evidence.linkward.internal"));
    for path in [
        "/tlog/evidence/../../keys/step.key",
        "/tlog/evidence/tile/../../../keys/step.key",
        "/tlog/keys/step.key",
    ] {
        assert_eq!(daemon.fetch(path, "localhost").0, 404, "{path}");
    }
}

#[test]
fn killed_at_any_moment_it_loses_nothing_that_was_acknowledged() {
    let project = Project::new();
    for round in 0..4 {
        let daemon = Daemon::start(&project);
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

#[test]
fn an_interrupt_ends_it_cleanly_with_a_client_still_connected() {
    let project = Project::new();
    let daemon = Daemon::start(&project);
    // A client that says nothing must not keep the daemon alive.
    let idle = std::net::TcpStream::connect(&daemon.console).unwrap();
    assert_eq!(daemon.interrupt(), Some(0));
    drop(idle);
    assert!(!project.path().join(".linkward/socket").exists());
    let (exit, text) = project.run(&["log", "verify"]);
    assert_eq!(exit, 0, "{text}");
    assert_eq!(Daemon::start(&project).interrupt(), Some(0));
}
