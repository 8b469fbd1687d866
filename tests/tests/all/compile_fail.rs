//! The type chain cannot be short-circuited: each file under `compile_fail` must fail with the error that it names,
//! and the control must compile.

use std::process::Command;

use linkward_tests::{built, root};

#[test]
fn the_type_chain_holds() {
    let folder = root().join("tests/compile_fail");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut wrong = Vec::new();
    for file in &files {
        let text = std::fs::read_to_string(file).unwrap();
        let expected = text.lines().next().unwrap().strip_prefix("//~ ").unwrap();
        let (ok, errors) = compile(file);
        let holds =
            if expected == "compiles" { ok } else { !ok && errors.contains(&format!("error[{expected}]")) };
        if !holds {
            wrong.push(format!("{}: expected {expected}\n{errors}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(files.len() >= 8, "only {} cases", files.len());
}

fn compile(file: &std::path::Path) -> (bool, String) {
    let built = built();
    let out = linkward_testkit::scratch();
    let mut command = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()));
    command
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--out-dir"])
        .arg(out.path());
    for name in ["model", "ledger", "evidence", "prove", "decide", "deploy"] {
        let name = format!("linkward_{name}");
        let path = &built.libraries[&name];
        command.arg("--extern").arg(format!("{name}={}", path.display()));
        command.arg("-L").arg(format!("dependency={}", path.parent().unwrap().join("deps").display()));
        command.arg("-L").arg(format!("dependency={}", path.parent().unwrap().display()));
    }
    command.arg("--extern").arg(format!("serde_json={}", built.libraries["serde_json"].display()));
    let output = command.arg(file).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}
