//! Two verifiers that others wrote see the same bundles: the conformance suite, and mutations of what it accepts. Where
//! they say something else than Linkward, the table says who is right and why; what it does not name is an error.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Mutations of each accepted case.
const MUTATIONS: &str = "40";

/// A disagreement that was looked into.
struct Known {
    peer: &'static str,
    /// Our code, or `accepted`.
    ours: &'static str,
    /// A part of the peer's message.
    says: &'static str,
    right: &'static str,
    why: &'static str,
}

const RUST: &str = "sigstore-verify 0.15.1";
const PYTHON: &str = "sigstore-python 4.5.1";
const EMBEDDED: &str = "a certificate that a timestamp carries along is not signed, and a bit of it was changed; the one \
                        that the trust root names made the timestamp.";
const PROMISE: &str =
    "a v0.1 bundle with a promise needs no checkpoint beside it; one that is empty says nothing.";
const NUMBER: &str = "the number of the entry or the size of the tree was changed, so that entry, proof and checkpoint no \
                      longer say the same.";
const LOG: &str = "the entry's log id was changed, so that no trusted log has it.";

const KNOWN: &[Known] = &[
    Known {
        peer: RUST,
        ours: "accepted",
        says: "invalid RFC 3161 timestamp",
        right: "Linkward",
        why: EMBEDDED,
    },
    Known { peer: RUST, ours: "accepted", says: "no checkpoint", right: "Linkward", why: PROMISE },
    Known {
        peer: RUST,
        ours: "bundle-repeats",
        says: "",
        right: "Linkward",
        why: "a timestamp stands in the bundle twice, and a threshold would count it twice.",
    },
    Known {
        peer: RUST,
        ours: "checkpoint-malformed",
        says: "",
        right: "Linkward",
        why: "a blank line stands among the signatures, which C2SP signed-note does not allow.",
    },
    Known { peer: RUST, ours: "log-proof-invalid", says: "", right: "Linkward", why: NUMBER },
    Known { peer: RUST, ours: "log-unknown", says: "", right: "Linkward", why: LOG },
    Known {
        peer: RUST,
        ours: "malformed-field",
        says: "",
        right: "Linkward",
        why: "the media type, which says what version it is, was taken out.",
    },
    Known {
        peer: PYTHON,
        ours: "accepted",
        says: "Integrated time only supported for",
        right: "Linkward",
        why: "the promise for an intoto entry proves its time as well; the conformance suite accepts it.",
    },
    Known {
        peer: PYTHON,
        ours: "accepted",
        says: "not enough sources of verified time",
        right: "Linkward",
        why: "the end of a validity belongs to it, as the conformance suite says; elsewhere a certificate that the \
              timestamp carries along, and that is not signed, was changed.",
    },
    Known {
        peer: PYTHON,
        ours: "accepted",
        says: "Invalid Timestamp Response",
        right: "Linkward",
        why: EMBEDDED,
    },
    Known { peer: PYTHON, ours: "accepted", says: "checkpoint.envelope", right: "Linkward", why: PROMISE },
    Known { peer: PYTHON, ours: "log-proof-invalid", says: "", right: "Linkward", why: NUMBER },
    Known { peer: PYTHON, ours: "log-unknown", says: "", right: "Linkward", why: LOG },
];

/// # Errors
/// A peer cannot be made, or disagrees in a way that the table does not name.
pub(crate) fn differential() -> Result<()> {
    let root = crate::root()?;
    sigma(&root)?;
    if std::env::var_os("LINKWARD_VECTORS").is_none() {
        bail!("set LINKWARD_VECTORS to the folder that holds sigstore-conformance");
    }
    let folder = root.join("target/differential/mutated");
    std::fs::create_dir_all(&folder)?;
    let cases = cases(&root, &folder, MUTATIONS)?;
    let lines: String = cases.iter().map(|case| format!("{case}\n")).collect();
    let mut report = format!(
        "# Other verifiers\n\nMade by `cargo xtask differential`: {} bundles (the conformance suite by path, and {MUTATIONS} \
         mutations of each bundle\nthat it accepts) before two verifiers that others wrote.\n",
        cases.len()
    );
    let mut unnamed = 0usize;
    for (peer, mut command) in peers(&root, false)? {
        let answers = answers(&mut command, &lines).with_context(|| peer)?;
        unnamed = unnamed.saturating_add(compare(peer, &cases, &answers, &mut report)?);
    }
    print!("{report}");
    if unnamed > 0 {
        bail!("{unnamed} kinds of disagreement that nobody has looked into");
    }
    std::fs::write(root.join("docs/differential.md"), report)?;
    Ok(())
}

/// Rules over real events of a cloud's trail, by Linkward and by an engine that others wrote.
fn sigma(root: &Path) -> Result<()> {
    let Some(vectors) = crate::tests::vectors()? else {
        bail!("set LINKWARD_VECTORS to the folder that holds cloudtrail");
    };
    let folder = root.join("target/differential");
    std::fs::create_dir_all(&folder)?;
    let events = folder.join("cloudtrail.jsonl");
    let mut lines = std::io::BufWriter::new(std::fs::File::create(&events)?);
    for part in ["invictus", "stratus"] {
        let entries = std::fs::read_dir(vectors.join("cloudtrail").join(part))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            let document: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
            let records = document.get("Records").unwrap_or(&document);
            for record in records.as_array().into_iter().flatten() {
                writeln!(lines, "{}", serde_json::json!({ "Records": [record] }))?;
            }
        }
    }
    lines.flush()?;
    crate::cargo(&["build", "--quiet", "--release", "--package", "linkward"])?;
    crate::cargo(&[
        "run",
        "--quiet",
        "--release",
        "--manifest-path",
        "differential/Cargo.toml",
        "--bin",
        "sigma",
        "--",
        "target/release/linkward",
        "cloudtrail",
        &events.display().to_string(),
        "differential/sigma",
    ])
}

fn cases(root: &Path, folder: &Path, mutations: &str) -> Result<Vec<Value>> {
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--package", "linkward-prove", "--example", "differential", "--"])
        .arg(folder)
        .arg(mutations)
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the cases could not be made");
    }
    String::from_utf8(output.stdout)?.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// Bundles that all three accept, for figures.
const ALIKE: &[&str] =
    &["happy-path-v0.3", "happy-path-intoto-in-dsse-v3", "rekor2-happy-path", "rekor2-dsse-happy-path"];

/// Warm verifications a second on one thread: the same bundles, parsed each time, in one process each.
///
/// # Errors
/// A verifier cannot be made or run.
pub(crate) fn ratios() -> Result<()> {
    let root = crate::root()?;
    let folder = root.join("target/differential/mutated");
    std::fs::create_dir_all(&folder)?;
    let cases = cases(&root, &folder, "0")?;
    let alike = cases.iter().filter(|case| ALIKE.iter().any(|name| case["name"] == *name));
    let lines: String = alike.map(|case| format!("{case}\n")).collect();
    let example =
        ["build", "--quiet", "--release", "--package", "linkward-prove", "--example", "differential"];
    crate::cargo(&example)?;
    let own = Command::new(root.join("target/release/examples/differential"));
    let mut figures = Vec::new();
    for (name, mut command, count) in std::iter::once(("linkward", own, "1000")).chain(
        peers(&root, true)?.into_iter().map(|(name, command)| {
            let count = if name == PYTHON { "20" } else { "200" };
            (name, command, count)
        }),
    ) {
        let text = said(command.args(["--repeat", count]), &lines)?;
        let mut numbers = text.split_whitespace().map(str::parse::<f64>);
        let (Some(Ok(count)), Some(Ok(seconds))) = (numbers.next(), numbers.next()) else {
            bail!("{name} said `{text}`, expected a count and seconds");
        };
        figures.push((name, count / seconds));
    }
    let first = figures.first().map_or(1.0, |(_, figure)| *figure);
    println!(
        "verify warm, one thread, {} bundles that all accept, bundle and artifact read each time",
        ALIKE.len()
    );
    for (name, figure) in figures {
        println!("  {:>8.1} x  {name:<24} {figure:>10.1} a second", first / figure);
    }
    Ok(())
}

fn peers(root: &Path, release: bool) -> Result<Vec<(&'static str, Command)>> {
    let folder = root.join("differential");
    let target = root.join("target/differential");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked"])
        .args(release.then_some("--release"))
        .env("CARGO_TARGET_DIR", &target)
        .current_dir(&folder)
        .status()?;
    if !built.success() {
        bail!("sigstore-verify could not be built");
    }
    crate::clients::install(root);
    let python = root.join("target/clients/py/bin/python");
    if !python.exists() {
        bail!("sigstore-python is not there; `cargo xtask test` installs it");
    }
    let mut script = Command::new(python);
    script.arg(folder.join("sigstore_python.py"));
    let rust =
        Command::new(target.join(if release { "release" } else { "debug" }).join("linkward-differential"));
    Ok(vec![(RUST, rust), (PYTHON, script)])
}

/// Name of the case, and what the peer says: whether it accepts, or that it cannot tell; and why.
type Answers = BTreeMap<String, (Option<bool>, String)>;

/// What a command prints, given this.
fn said(command: &mut Command, lines: &str) -> Result<String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("it has a standard input")?;
    let text = lines.to_owned();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output()?;
    writer.join().ok().context("the writer panicked")??;
    if !output.status.success() {
        bail!("it ended with {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn answers(command: &mut Command, lines: &str) -> Result<Answers> {
    let mut answers = Answers::new();
    for line in said(command, lines)?.lines() {
        let answer: Value = serde_json::from_str(line)?;
        let name = answer["name"].as_str().context("an answer has a name")?.to_owned();
        answers.insert(
            name,
            (answer["accepted"].as_bool(), answer["why"].as_str().unwrap_or_default().to_owned()),
        );
    }
    Ok(answers)
}

/// The case, and why the peer refuses it.
type Disagreement<'a> = (&'a str, &'a str);

/// Writes how a peer compares; returns the kinds of disagreement that are in no table.
fn compare(peer: &str, cases: &[Value], answers: &Answers, report: &mut String) -> Result<usize> {
    let (mut asked, mut agreed) = (0usize, 0usize);
    let mut kinds: BTreeMap<(&str, Option<usize>), Vec<Disagreement<'_>>> = BTreeMap::new();
    for case in cases {
        let name = case["name"].as_str().context("a case has a name")?;
        let (accepted, why) = answers.get(name).with_context(|| format!("no answer for {name}"))?;
        let Some(accepted) = accepted else { continue };
        asked = asked.saturating_add(1);
        let ours = case["code"].as_str().unwrap_or("accepted");
        if *accepted == (ours == "accepted") {
            agreed = agreed.saturating_add(1);
            continue;
        }
        let named = |known: &Known| known.peer == peer && known.ours == ours && why.contains(known.says);
        kinds.entry((ours, KNOWN.iter().position(named))).or_default().push((name, why));
    }
    writeln!(report, "\n## {peer}\n\nAgrees on {agreed} of the {asked} that it can be asked about.\n")?;
    let mut unnamed = 0usize;
    for ((ours, known), found) in kinds {
        let first = found.first().map_or("", |(name, _)| *name);
        match known.and_then(|place| KNOWN.get(place)) {
            Some(known) => {
                let difference = match ours {
                    "accepted" => "Linkward accepts, it refuses".to_owned(),
                    code => format!("Linkward refuses as `{code}`, it accepts"),
                };
                let (count, right, why) = (found.len(), known.right, known.why);
                writeln!(report, "- {difference}: {count}, such as `{first}`. {right} is right: {why}")?;
            }
            None => {
                unnamed = unnamed.saturating_add(1);
                writeln!(report, "- NOT LOOKED INTO: `{ours}`")?;
                for (name, why) in found {
                    writeln!(report, "  - {name}: {why}")?;
                }
            }
        }
    }
    Ok(unnamed)
}
