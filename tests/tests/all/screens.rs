//! What a person sees, to the letter, under `testdata/screens`; `LINKWARD_BLESS=1` writes it anew, for a person to read.

use std::fmt::Write as _;
use std::path::PathBuf;

use linkward_tests::{Project, root};

const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// Digests, ids, times and folders differ from run to run; everything else must not.
fn steady(text: &str, project: &Project) -> String {
    let text = text.replace(&project.path().display().to_string(), "PROJECT");
    let text = text.replace(&project.beside().display().to_string(), "BESIDE");
    let text = text.replace(&format!("uid {}", own_user(project)), "uid USER");
    let mut out = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String| {
        let hex = word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let time = word.len() > 15 && word.starts_with("20") && word.contains('T') && word.ends_with('Z');
        match (hex, time) {
            (true, _) => out.extend(std::iter::repeat_n('#', word.len())),
            (_, true) => out.push_str("TIME"),
            _ => out.push_str(word),
        }
        word.clear();
    };
    for character in text.chars() {
        let dated = word.starts_with("20");
        let of_a_time = match character {
            '-' => dated,
            ':' => dated && word.contains('T'),
            '.' => word.contains(':'),
            _ => character.is_ascii_alphanumeric(),
        };
        if of_a_time {
            word.push(character);
        } else {
            flush(&mut word, &mut out);
            out.push(character);
        }
    }
    flush(&mut word, &mut out);
    let lines = out.lines().map(|line| {
        let number = line.strip_suffix(" ms").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit()));
        if number { "N ms" } else { line.trim_end() }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The user that the tests run as: whoever owns what they make.
fn own_user(project: &Project) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(project.path()).unwrap().uid()
}

fn screens(name: &str, project: &Project, commands: &[&[&str]]) {
    let mut seen = String::new();
    for command in commands {
        let (exit, text) = project.run(command);
        let _ =
            writeln!(seen, "$ linkward {}\n{}\n[exit {exit}]\n", command.join(" "), steady(&text, project));
    }
    let path = root().join("tests/testdata/screens").join(format!("{name}.txt"));
    if std::env::var_os("LINKWARD_BLESS").is_some() {
        std::fs::create_dir_all(PathBuf::from(&path).parent().unwrap()).unwrap();
        std::fs::write(&path, &seen).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        seen == expected,
        "{name} differs from {}\n--- expected\n{expected}\n--- seen\n{seen}",
        path.display()
    );
}

fn project() -> Project {
    let project = Project::new();
    project.write("requirements.txt", &format!("Django==1.2 --hash=sha256:{HASH}\n"));
    project
}

#[test]
fn the_first_five_minutes() {
    let project = project();
    project.write("dist/app-1.0.whl", "found\n");
    let build = &["run", "--", "sh", "-c", "echo built > dist/app-1.0.whl"][..];
    screens(
        "first-minutes",
        &project,
        &[
            &["up", "--no-serve"],
            build,
            &["check", "dist/app-1.0.whl"],
            &["up", "--no-serve"],
            &["log", "verify"],
            &["why", "pkg:pypi/django"],
        ],
    );
}

#[test]
fn what_goes_wrong_says_how_to_go_on() {
    let project = project();
    screens("no-home", &project, &[&["check", "dist/app-1.0.whl"], &["log", "verify"], &["up", "nowhere"]]);
    project.run(&["up", "--no-serve"]);
    project.write("broken.json", "{ \"predicateType\": ");
    project.write(".linkward/linkward.toml", "[consol]\nlisten = 1\n[console]\nlisten = \"0.0.0.0:80\"\n");
    screens("broken-settings", &project, &[&["up", "--no-serve"]]);
    std::fs::remove_file(project.path().join(".linkward/linkward.toml")).unwrap();
    screens(
        "broken-input",
        &project,
        &[
            &["evidence", "add", "broken.json"],
            &[
                "verify",
                "--bundle",
                "broken.json",
                "--identity",
                "a@example.com",
                "--issuer",
                "https://a.example",
                "x",
            ],
            &["check", "missing.whl"],
            &["explain", "99"],
            &["code", "no-provenance"],
            &["code", "no-such-code"],
            &["chek"],
        ],
    );
}

#[test]
fn a_denial_names_its_reason() {
    let project = project();
    project.run(&["run", "--", "sh", "-c", "mkdir -p dist && echo built > dist/app-1.0.whl"]);
    let path = project.path().join(".linkward/policy.yaml");
    let policy = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        policy.replace("builders: [https://linkward.dev/", "builders: [https://other.example/"),
    )
    .unwrap();
    screens("denied", &project, &[&["check", "dist/app-1.0.whl"], &["up", "--no-serve"]]);
    std::fs::write(&path, "version: 2\nrulez: []\nrules:\n  - name: x\n").unwrap();
    screens("broken-policy", &project, &[&["policy", "check"], &["check", "dist/app-1.0.whl"]]);
}
