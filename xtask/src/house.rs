//! Cheap checks on the house: lock budget, licences, words that must not stand in the repository, generated pages.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Packages in Cargo.lock. Raising it is a decision, not an accident.
const BUDGET: usize = 280;

const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "ISC",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Unicode-3.0",
    "Zlib",
    "Unlicense",
    "0BSD",
    "CC0-1.0",
    "OpenSSL",
    "MIT-0",
    "BSL-1.0",
];

pub(crate) fn budget() -> Result<()> {
    let lock = std::fs::read_to_string(crate::root()?.join("Cargo.lock"))?;
    let count = lock.matches("[[package]]").count();
    if count > BUDGET {
        bail!(
            "Cargo.lock has {count} packages, the budget is {BUDGET}; drop some or raise it in xtask/src/house.rs"
        );
    }
    println!("budget: {count} of {BUDGET} packages");
    Ok(())
}

/// Licences and sources of every package; the same rules as deny.toml, without another tool to install.
pub(crate) fn licences() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1"])
        .current_dir(crate::root()?)
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().context("cargo metadata lists packages")? {
        let name = package["name"].as_str().unwrap_or("");
        let Some(source) = package["source"].as_str() else { continue };
        if !source.starts_with("registry+") {
            wrong.push(format!("{name} comes from {source}"));
        }
        let licence = package["license"].as_str().unwrap_or("");
        if !allowed(licence) {
            wrong.push(format!("{name} is licensed `{licence}`"));
        }
    }
    if !wrong.is_empty() {
        bail!("licences and sources:\n  {}", wrong.join("\n  "));
    }
    println!("licences: all permissive; sources: the registry alone");
    Ok(())
}

/// deny.toml by cargo-deny itself, which also looks at bans; where it is not installed, the check above has to do.
pub(crate) fn deny() -> Result<()> {
    let installed =
        Command::new("cargo-deny").arg("--version").output().is_ok_and(|output| output.status.success());
    if !installed {
        println!("deny: cargo-deny is not installed; licences and sources were checked without it");
        return Ok(());
    }
    crate::cargo(&["deny", "--log-level", "error", "check", "licenses", "bans", "sources"])
}

/// One alternative of an `OR` is enough; every part of an `AND` is needed.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace(['(', ')'], " ").replace('/', " OR ");
    expression.split(" OR ").any(|choice| choice.split(" AND ").all(|part| LICENCES.contains(&part.trim())))
}

/// Hosts of package registries must not stand anywhere: code that knows one takes it from configuration.
pub(crate) fn words() -> Result<()> {
    let dot = r"\.";
    let hosts = format!(
        "npm{0}{dot}org|py{1}{dot}org|python{2}{dot}org|(static|index){dot}crates{dot}io",
        "js", "pi", "hosted"
    );
    let output =
        Command::new("git").args(["grep", "-nIE", &hosts, "--", "."]).current_dir(crate::root()?).output();
    match output {
        Ok(output) if !output.stdout.is_empty() => {
            bail!("registry hosts stand in:\n{}", String::from_utf8_lossy(&output.stdout))
        }
        Ok(_) => Ok(()),
        Err(_) => {
            println!("words: skipped, git is not installed");
            Ok(())
        }
    }
}

/// Generated pages and their text.
fn pages() -> Result<Vec<(PathBuf, String)>> {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "linkward", "--", "cli-reference"])
        .current_dir(crate::root()?)
        .output()?;
    if !output.status.success() {
        bail!("the command reference could not be made: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut pages = vec![(PathBuf::from("docs/cli.md"), String::from_utf8(output.stdout)?)];
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "linkward", "--", "--format", "json", "code"])
        .current_dir(crate::root()?)
        .output()?;
    let codes: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    for code in codes {
        let text = |name: &str| code[name].as_str().unwrap_or("").to_owned();
        let page = format!(
            "# {}\n\n{}\n\n- Whose move it is: {}\n- What to do: {}\n",
            text("code"),
            text("summary"),
            text("blame"),
            text("fix")
        );
        pages.push((PathBuf::from(format!("docs/codes/{}.md", text("code"))), page));
    }
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "linkward", "--", "detect", "reference"])
        .current_dir(crate::root()?)
        .output()?;
    let rules: std::collections::BTreeMap<String, String> = serde_json::from_slice(&output.stdout)?;
    pages.extend(rules.into_iter().map(|(path, text)| (PathBuf::from(path), text)));
    Ok(pages)
}

pub(crate) fn write_docs() -> Result<()> {
    let root = crate::root()?;
    for (path, text) in pages()? {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().context("a page has a folder")?)?;
        std::fs::write(path, text)?;
    }
    Ok(())
}

pub(crate) fn docs_are_current() -> Result<()> {
    let root = crate::root()?;
    for (path, text) in pages()? {
        if std::fs::read_to_string(root.join(&path)).unwrap_or_default() != text {
            bail!("{} is not current; run `cargo xtask docs`", path.display());
        }
    }
    println!("docs: the generated pages are current");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::allowed;

    #[test]
    fn licence_expressions() {
        for good in ["MIT", "MIT OR GPL-3.0", "Apache-2.0/MIT", "ISC AND (Apache-2.0 OR ISC)"] {
            assert!(allowed(good), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", ""] {
            assert!(!allowed(bad), "{bad}");
        }
    }
}
