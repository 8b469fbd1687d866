//! A mirror of advisories: deltas under a signed list, from a folder and from a server; with everything that one who holds the
//! mirror, or the way to it, can do. And what a scan says where there is no database, to a person and to a script.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use linkward_tests::Project;

const LOCK: &str = "version = 4\n\n[[package]]\nname = \"left\"\nversion = \"1.1.0\"\nsource = \"registry+https://registry.example/index\"\n\
    checksum = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n";

/// A project whose settings name the mirror beside it, and who publishes there.
struct Mirrored {
    project: Project,
    key: String,
}

impl Mirrored {
    fn new() -> Self {
        let project = Project::new();
        project.write("Cargo.lock", LOCK);
        assert_eq!(project.run(&["up", "--no-serve"]).0 & !3, 0);
        let (code, text) = project.run(&["advisory", "key", "../mirror.key", "--name", "advisories.example"]);
        assert_eq!(code, 0, "{text}");
        let key = text.lines().find(|line| line.starts_with("mirror_key")).unwrap().to_owned();
        let new = Self { project, key };
        new.settle("../mirror");
        for number in 0..40 {
            new.record(&format!("X-{number}"), "other", "1.0.0");
        }
        new
    }

    fn settle(&self, mirror: &str) {
        let settings = format!("[advisory]\nmirror = \"{mirror}\"\n{}\n", self.key);
        self.project.write(".linkward/linkward.toml", &settings);
    }

    fn record(&self, id: &str, package: &str, fixed: &str) {
        let text = format!(
            r#"{{"id":"{id}","modified":"2025-12-30T00:00:00Z","summary":"a summary of {id}","affected":[{{"package":{{"ecosystem":"crates.io","name":"{package}"}},"ranges":[{{"type":"SEMVER","events":[{{"introduced":"0"}},{{"fixed":"{fixed}"}}]}}]}}]}}"#
        );
        self.project.write(&format!("../records/{id}.json"), &text);
    }

    /// Makes a database of the records and adds it to the mirror.
    fn publish(&self, day: &str) {
        let build = ["advisory", "build", "../records", "-o", "../new.lwa", "--as-of", day];
        let (code, text) = self.project.run(&build);
        assert_eq!(code, 0, "{text}");
        let by = ["--key", "../mirror.key", "--name", "advisories.example", "--database", "../new.lwa"];
        let (code, text) = self.project.run(&[&["advisory", "publish", "../mirror"][..], &by].concat());
        assert_eq!(code, 0, "{text}");
    }

    fn update(&self) -> (i32, String) {
        self.project.run(&["advisory", "update"])
    }

    fn database(&self) -> Vec<u8> {
        std::fs::read(self.project.path().join(".linkward/advisories.lwa")).unwrap_or_default()
    }

    fn newest(&self) -> Vec<u8> {
        std::fs::read(self.project.beside().join("new.lwa")).unwrap()
    }

    fn mirror(&self, name: &str) -> PathBuf {
        self.project.beside().join("mirror").join(name)
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn deltas_lead_from_what_is_here_to_what_is_new() {
    let mirrored = Mirrored::new();
    mirrored.publish("2025-12-01");
    let (code, text) = mirrored.update();
    assert_eq!(code, 0, "{text}");
    assert_eq!(mirrored.database(), mirrored.newest());
    let scan = || mirrored.project.run(&["scan", ".", "--at", "2025-12-05T00:00:00Z"]);
    assert_eq!(scan().0, 0, "{}", scan().1);
    for (day, package) in [("2025-12-02", "other"), ("2025-12-03", "left"), ("2025-12-04", "other")] {
        mirrored.record(&format!("N-{day}"), package, "1.2.0");
        mirrored.publish(day);
    }
    // The base is not needed where a delta starts at what is here.
    std::fs::remove_file(mirrored.mirror("base-1.lwa")).unwrap();
    let delta = std::fs::metadata(mirrored.mirror("delta-3.lwd")).unwrap().len();
    assert!(delta < 1000 && mirrored.newest().len() > 3000, "{delta}");
    let (code, text) = mirrored.update();
    assert_eq!(code, 0, "{text}");
    assert_eq!(mirrored.database(), mirrored.newest(), "byte for byte what was published");
    assert_eq!(scan().0, 1, "what was published since is known");
    assert_eq!(mirrored.update().0, 0, "again, and nothing to do");
}

#[test]
fn whoever_holds_the_mirror_can_only_withhold() {
    let mirrored = Mirrored::new();
    mirrored.publish("2025-12-01");
    assert_eq!(mirrored.update().0, 0);
    let first = mirrored.project.beside().join("first");
    copy(&mirrored.mirror(""), &first);
    for day in ["2025-12-02", "2025-12-03"] {
        mirrored.record(&format!("N-{day}"), "left", "1.2.0");
        mirrored.publish(day);
    }
    let good = mirrored.project.beside().join("good");
    copy(&mirrored.mirror(""), &good);
    let before = mirrored.database();
    let refused = |why: &str, expected: i32| {
        let (code, text) = mirrored.update();
        assert!(code == expected && text.contains(why), "{why}: {code} {text}");
        assert_eq!(mirrored.database(), before, "{why}");
        copy(&good, &mirrored.mirror(""));
    };
    let delta = std::fs::read(mirrored.mirror("delta-3.lwd")).unwrap();
    std::fs::remove_file(mirrored.mirror("delta-2.lwd")).unwrap();
    refused("advisory-gap", 3);
    std::fs::write(mirrored.mirror("delta-3.lwd"), &delta[..delta.len() - 1]).unwrap();
    refused("advisory-truncated", 2);
    let mut altered = delta.clone();
    altered[100] ^= 1;
    std::fs::write(mirrored.mirror("delta-3.lwd"), &altered).unwrap();
    refused("advisory-damaged", 2);
    let list = std::fs::read_to_string(mirrored.mirror("feed")).unwrap();
    std::fs::write(mirrored.mirror("feed"), list.replace("sequence 3", "sequence 4")).unwrap();
    refused("advisory-unsigned", 2);
    std::fs::write(mirrored.mirror("feed"), list.split('\n').take(3).collect::<Vec<_>>().join("\n")).unwrap();
    refused("advisory-unsigned", 2);
    std::fs::remove_file(mirrored.mirror("feed")).unwrap();
    refused("advisory-unreachable", 3);
    // What was accepted is remembered: an old list, however well signed, is not taken again.
    assert_eq!(mirrored.update().0, 0);
    copy(&first, &mirrored.mirror(""));
    let (code, text) = mirrored.update();
    assert!(code == 2 && text.contains("advisory-rollback"), "{code} {text}");
    // Another list of the same number, by the same key.
    copy(&first, &mirrored.mirror(""));
    for day in ["2025-12-02", "2025-12-03"] {
        mirrored.record(&format!("M-{day}"), "right", "1.2.0");
        mirrored.publish(day);
    }
    let (code, text) = mirrored.update();
    assert!(code == 2 && text.contains("advisory-fork"), "{code} {text}");
}

#[test]
fn a_list_by_another_key_is_none() {
    let mirrored = Mirrored::new();
    mirrored.publish("2025-12-01");
    let other = mirrored.project.run(&["advisory", "key", "../other.key", "--name", "advisories.example"]).1;
    let line = other.lines().find(|line| line.starts_with("mirror_key")).unwrap();
    let settings = format!("[advisory]\nmirror = \"../mirror\"\n{line}\n");
    mirrored.project.write(".linkward/linkward.toml", &settings);
    let (code, text) = mirrored.update();
    assert!(code == 2 && text.contains("advisory-unsigned"), "{code} {text}");
    mirrored.project.write(".linkward/linkward.toml", "[advisory]\nmirror = \"https://mirror.example\"\n");
    let (code, text) = mirrored.update();
    assert!(code == 2 && text.contains("advisory-unsigned"), "a server without a key: {code} {text}");
}

/// Whatever of an update was written when it stopped, the next one ends where it should.
#[test]
fn an_update_that_stopped_is_made_up_for() {
    let mirrored = Mirrored::new();
    mirrored.publish("2025-12-01");
    assert_eq!(mirrored.update().0, 0);
    let home = mirrored.project.path().join(".linkward");
    let (before, list) = (mirrored.database(), std::fs::read(home.join("advisories.feed")).unwrap());
    mirrored.record("N-1", "left", "1.2.0");
    mirrored.publish("2025-12-02");
    assert_eq!(mirrored.update().0, 0);
    let after = mirrored.newest();
    let states = [
        ("the new file was begun", before[..before.len() / 2].to_vec(), before.clone()),
        ("it was whole and not in place", after.clone(), before.clone()),
        ("it was in place, the list not remembered", after.clone(), after.clone()),
        ("what is here is damaged", after.clone(), after[..after.len() - 9].to_vec()),
    ];
    for (what, offered, here) in states {
        std::fs::write(home.join("advisories.offered"), offered).unwrap();
        std::fs::write(home.join("advisories.lwa"), here).unwrap();
        std::fs::write(home.join("advisories.feed"), &list).unwrap();
        let (code, text) = mirrored.update();
        assert_eq!(code, 0, "{what}: {text}");
        assert_eq!(mirrored.database(), after, "{what}");
    }
}

#[derive(Default)]
struct Asked {
    /// Cut off after so many bytes.
    cut: BTreeMap<String, usize>,
    asked: Vec<String>,
}

/// Serves a folder, parts of files too.
fn serve(folder: PathBuf, state: &Arc<Mutex<Asked>>) -> (u16, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let state = Arc::clone(state);
    let serve = move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut from = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && from.read_line(&mut head).unwrap() > 0 {}
            let name = head.split([' ', '/']).nth(2).unwrap_or_default().to_owned();
            if name == "stop" {
                return;
            }
            let mut state = state.lock().unwrap();
            let bytes = std::fs::read(folder.join(&name)).unwrap_or_default();
            let status = if bytes.is_empty() { "404 Not Found" } else { "200 OK" };
            let start = head.lines().find_map(|line| {
                line.strip_prefix("Range: bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
            });
            let (status, body) = match start {
                Some(start) => ("206 Partial Content", &bytes[start..]),
                None => (status, bytes.as_slice()),
            };
            state.asked.push(format!("{name} {}", start.unwrap_or(0)));
            let head =
                format!("HTTP/1.1 {status}\r\nETag: \"{name}\"\r\nContent-Length: {}\r\n\r\n", body.len());
            let sent = &body[..state.cut.remove(&name).unwrap_or(body.len()).min(body.len())];
            // Who has heard enough may have gone.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(sent));
        }
    };
    (port, std::thread::spawn(serve))
}

#[test]
fn a_mirror_on_a_server_goes_on_where_it_was_cut_off() {
    let mirrored = Mirrored::new();
    mirrored.publish("2025-12-01");
    mirrored.record("N-1", "left", "1.2.0");
    mirrored.publish("2025-12-02");
    let state = Arc::new(Mutex::new(Asked::default()));
    let (port, served) = serve(mirrored.mirror(""), &state);
    mirrored.settle(&format!("http://127.0.0.1:{port}"));
    state.lock().unwrap().cut = [("base-1.lwa".to_owned(), 500)].into();
    let (code, text) = mirrored.update();
    assert!(code == 3 && text.contains("advisory-unreachable"), "{code} {text}");
    let (code, text) = mirrored.update();
    assert_eq!(code, 0, "{text}");
    assert_eq!(mirrored.database(), mirrored.newest());
    let asked = std::mem::take(&mut state.lock().unwrap().asked);
    assert_eq!(asked, ["feed 0", "base-1.lwa 0", "feed 0", "base-1.lwa 500", "delta-2.lwd 0"]);
    mirrored.record("N-2", "left", "1.3.0");
    mirrored.publish("2025-12-03");
    assert_eq!(mirrored.update().0, 0);
    let asked = std::mem::take(&mut state.lock().unwrap().asked);
    assert_eq!(asked, ["feed 0", "delta-3.lwd 0"], "what is here is not fetched again");
    TcpStream::connect(("127.0.0.1", port)).unwrap().write_all(b"GET /stop HTTP/1.1\r\n\r\n").unwrap();
    served.join().unwrap();
}

/// A terminal is asked, and what it answers is done; a script is told the command.
#[test]
fn without_a_database_a_person_is_asked_and_a_script_is_told() {
    let mirrored = Mirrored::new();
    mirrored.publish("2025-12-01");
    let scan = ["scan", ".", "--at", "2025-12-02T00:00:00Z"];
    let (code, text) = mirrored.project.run(&scan);
    assert!(
        code == 3 && text.contains("advisory-missing") && text.contains("linkward advisory update"),
        "{code} {text}"
    );
    assert!(!text.contains("[y/N]"), "{text}");
    let on_a_terminal = |answer: &str| -> Option<(i32, String)> {
        let command = mirrored.project.command(&scan);
        let line = std::iter::once(command.get_program())
            .chain(command.get_args())
            .map(|part| format!("'{}'", part.to_str().unwrap()))
            .collect::<Vec<_>>()
            .join(" ");
        // util-linux' script runs a command on a terminal of its own.
        let mut terminal = Command::new("script");
        terminal.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
        terminal
            .current_dir(mirrored.project.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => terminal.env(name, value),
                None => terminal.env_remove(name),
            };
        }
        let mut terminal = terminal.spawn().ok()?;
        terminal.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        let output = terminal.wait_with_output().unwrap();
        Some((output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned()))
    };
    let Some((code, text)) = on_a_terminal("n\n") else {
        linkward_testkit::skipped("script is not installed");
        return;
    };
    assert!(code == 3 && text.contains("Fetch it now? [y/N]"), "{code} {text}");
    assert!(mirrored.database().is_empty(), "nobody said yes");
    let (code, text) = on_a_terminal("y\n").unwrap();
    assert_eq!(code, 0, "{text}");
    assert_eq!(mirrored.database(), mirrored.newest());
}
