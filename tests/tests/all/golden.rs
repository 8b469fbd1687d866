//! Homes as each version of the format left them: still whole, still readable, with the same explanations.

use std::path::{Path, PathBuf};

use linkward_tests::{Project, root};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// `home-vN` and `home-vN-expected` for every version there has been.
fn corpus() -> Vec<(PathBuf, PathBuf)> {
    let folder = root().join("tests/testdata");
    let homes: Vec<(PathBuf, PathBuf)> = (1..)
        .map(|version| {
            (folder.join(format!("home-v{version}")), folder.join(format!("home-v{version}-expected")))
        })
        .take_while(|(home, _)| home.exists())
        .collect();
    assert!(!homes.is_empty(), "the corpus is gone");
    homes
}

#[test]
fn a_home_of_every_version_is_opened_and_explains_itself_as_it_did() {
    for (home, expected) in corpus() {
        let project = Project::new();
        let own = project.path().join(".linkward");
        copy(&home, &own);
        let mut compared = 0;
        for entry in std::fs::read_dir(&expected).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let id = name.rsplit('-').next().unwrap();
            let format = if path.extension().is_some_and(|end| end == "json") { "json" } else { "table" };
            let (exit, text) = project.run(&["explain", id, "--format", format]);
            assert_eq!(exit, exit_of(id), "{name}: {text}");
            similar(&text, &std::fs::read_to_string(&path).unwrap(), &name);
            compared += 1;
        }
        assert!(compared >= 4, "{compared}");
        let (exit, text) = project.run(&["log", "verify"]);
        assert_eq!(exit, 0, "{text}");
        assert!(text.contains("whole: 21 records"), "{text}");
    }
}

/// Record 11 is a verdict that allows, record 16 one that could not.
fn exit_of(id: &str) -> i32 {
    if id == "11" { 0 } else { 3 }
}

fn similar(found: &str, expected: &str, name: &str) {
    for (line, (found, expected)) in found.lines().zip(expected.lines()).enumerate() {
        assert_eq!(found, expected, "{name}, line {}", line + 1);
    }
    assert_eq!(found.lines().count(), expected.lines().count(), "{name}");
}

#[test]
fn a_rebuilt_index_explains_the_same() {
    for (home, _) in corpus() {
        let project = Project::new();
        copy(&home, &project.path().join(".linkward"));
        let rebuilt = project.beside().join("rebuilt");
        let (exit, text) = project.run(&["record", "rebuild", "--to", &rebuilt.to_string_lossy()]);
        assert_eq!(exit, 0, "{text}");
        for id in ["11", "16"] {
            let before = project.run(&["explain", id]);
            let after = project.run(&["explain", id, "--home", &rebuilt.to_string_lossy()]);
            assert_eq!(before, after);
            assert_eq!(before.0, exit_of(id), "{}", before.1);
        }
    }
}

#[test]
fn a_home_of_a_later_version_is_left_alone() {
    let (home, _) = corpus().swap_remove(0);
    let project = Project::new();
    let own = project.path().join(".linkward");
    copy(&home, &own);
    std::fs::write(own.join("format"), "linkward home 2\n").unwrap();
    let (exit, text) = project.run(&["explain", "11"]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("format"), "{text}");
    assert!(!own.join("index.db").exists());
}
