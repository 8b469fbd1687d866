//! The daemon: serves, answers other commands over its socket, survives being killed.

use linkward_model::Digest;
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

/// Clients ask while it is killed: what one of them was told stays, whatever the moment.
#[test]
fn killed_at_any_moment_it_loses_nothing_that_was_acknowledged() {
    let rounds = if std::env::var_os("LINKWARD_SOAK").is_some() { 100 } else { 6 };
    let project = Project::new();
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let daemon = Daemon::start(&project);
        let told: Vec<String> = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..3)
                .map(|client| {
                    let project = &project;
                    scope.spawn(move || {
                        let asked = (0..3).map(|number| format!("dist/app-{round}-{client}-{number}.whl"));
                        let told = asked.take_while(|name| {
                            project.write(name, name);
                            // 3: not decided, and recorded as such; anything else is no acknowledgement.
                            project.run(&["check", name]).0 == 3
                        });
                        told.collect::<Vec<_>>()
                    })
                })
                .collect();
            std::thread::sleep(std::time::Duration::from_millis(round * 41 % 300));
            drop(daemon);
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        });
        acknowledged.extend(told);
        let (exit, text) = project.run(&["log", "verify"]);
        assert_eq!(exit, 0, "{text}");
    }
    let (_, text) = project.run(&["--format", "json", "log", "list", "--kind", "verdict", "--limit", "9999"]);
    let verdicts: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    assert!(verdicts.len() >= acknowledged.len(), "{} verdicts", verdicts.len());
    for name in &acknowledged {
        let (exit, text) = project.run(&["explain", &Digest::sha256(name.as_bytes()).to_string()]);
        assert_eq!(exit, 3, "{name} was acknowledged: {text}");
    }
    assert!(!acknowledged.is_empty(), "nobody was told anything");
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
