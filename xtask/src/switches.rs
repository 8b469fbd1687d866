//! What shows that the mutator can find anything: each check in turn is taken out of a copy of the source, and the
//! mutator must find a bundle that is then accepted. The checks have no switch in the product itself, not even for tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// A check, and how it is taken out: in this file, this text by that.
struct Switch {
    name: &'static str,
    file: &'static str,
    changes: &'static [(&'static str, &'static str)],
}

/// Seconds within which an acceptance must be found.
const LIMIT: &str = "60";

const SWITCHES: &[Switch] = &[
    Switch {
        name: "an entry counts once",
        file: "bundle.rs",
        changes: &[("        repeats(bundle)?;\n", "        let _ = repeats(bundle);\n")],
    },
    Switch {
        name: "the log's promise",
        file: "transparency.rs",
        changes: &[(
            "if !log.key.signed_with(Algorithm::Sha256, canonical.as_bytes(), promise) {",
            "if canonical.is_empty() {",
        )],
    },
    Switch {
        name: "the inclusion proof is there",
        file: "bundle/time.rs",
        changes: &[(
            "None if bundle.version == Version::V0_1 && entry.promise.is_some() => roots.push(None),",
            "None if entry.promise.is_some() => roots.push(None),",
        )],
    },
    Switch {
        name: "the inclusion proof leads to its root",
        file: "transparency.rs",
        changes: &[(
            "if Hash::from_slice(&proof.root) == Some(root) {",
            "if let (_, Some(root)) = (root, Hash::from_slice(&proof.root)) {",
        )],
    },
    Switch {
        name: "the checkpoint's signature",
        file: "transparency.rs",
        changes: &[("    if !signed {", "    if signed && false {")],
    },
    Switch {
        name: "the checkpoint's origin",
        file: "transparency.rs",
        changes: &[("if !rule.allows(&checkpoint.origin, log) {", "if rule.names(log).is_empty() {")],
    },
    Switch {
        name: "the checkpoint's tree",
        file: "transparency.rs",
        changes: &[(
            "if checkpoint.size != proof.size || checkpoint.root != *root {",
            "if checkpoint.size != proof.size && checkpoint.root == *root {",
        )],
    },
    Switch {
        name: "what a timestamp is over",
        file: "timestamp.rs",
        changes: &[(
            "if token.imprint != Digest::of(token.imprint.algorithm(), signed) {",
            "if signed.is_empty() {",
        )],
    },
    Switch {
        name: "a timestamp's signed attributes",
        file: "timestamp.rs",
        changes: &[("if !token.attributes_hold() {", "if token.content.is_empty() {")],
    },
    Switch {
        name: "a timestamp's signature",
        file: "timestamp.rs",
        changes: &[(
            "if !signer.key.signed_with(hash, &message, signature) {",
            "if !signer.key.signed_with(hash, &message, signature) && message.is_empty() {",
        )],
    },
    Switch {
        name: "the certificate that a timestamp names",
        file: "timestamp.rs",
        changes: &[("if !token.names(signer) {", "if !token.names(signer) && message.is_empty() {")],
    },
    Switch {
        name: "a log is trusted at the time",
        file: "bundle/time.rs",
        changes: &[("            if !log.valid.covers(*time) {", "            if *time > self.now {")],
    },
    Switch {
        name: "the time has come",
        file: "bundle/time.rs",
        changes: &[(
            "times.iter().find(|time| **time > self.now)",
            "times.iter().find(|_| self.now < Instant::from_seconds(0))",
        )],
    },
    Switch {
        name: "a certificate's signature",
        file: "certificate.rs",
        changes: &[(
            "self.subject == other.issuer && self.key.signed_with(hash, &other.tbs, &other.signature)",
            "self.subject == other.issuer && hash == hash",
        )],
    },
    Switch {
        name: "a certificate's validity",
        file: "certificate.rs",
        changes: &[(
            "self.not_before <= time && time <= self.not_after",
            "self.not_before <= time || time <= self.not_after",
        )],
    },
    Switch {
        name: "a certificate's extended usage",
        file: "certificate.rs",
        changes: &[(
            "purposes.as_deref() != Some(&[purpose.to_vec()])",
            "purposes.is_none() && purpose.is_empty()",
        )],
    },
    Switch {
        name: "no authority signs",
        file: "certificate.rs",
        changes: &[(
            "is_authority() {\n            Err(\"it is an authority's certificate\")\n        } else if purposes.as_deref()",
            "is_authority() && purpose.is_empty() {\n            Err(\"it is an authority's certificate\")\n        } else if purposes.as_deref()",
        )],
    },
    Switch {
        name: "the certificate log's timestamp",
        file: "sct.rs",
        changes: &[(
            ".find(|log| log.key.signed_with(Algorithm::Sha256, &signed, signature))",
            ".find(|_| !signed.is_empty() && !signature.is_empty())",
        )],
    },
    Switch {
        name: "the signature",
        file: "bundle/content.rs",
        changes: &[(
            "if !key.signed(&envelope.pae(), signature) {",
            "if !key.signed(&envelope.pae(), signature) && signature.is_empty() {",
        )],
    },
    Switch {
        name: "the entry is of this signature",
        file: "bundle/content.rs",
        changes: &[
            (
                "if !entry.signatures.iter().any(|listed| listed.sig == signature) {",
                "if signature.is_empty() {",
            ),
            (
                "|listed| listed.sig == signature && listed.verifier == expected",
                "|listed| listed.verifier == expected",
            ),
        ],
    },
    Switch {
        name: "the entry is of this certificate",
        file: "bundle/content.rs",
        changes: &[(
            "listed.sig == signature && listed.verifier == expected",
            "listed.sig == signature || listed.verifier == expected",
        )],
    },
    Switch {
        name: "the entry is of this content",
        file: "bundle/content.rs",
        changes: &[("            if digest != Some(entry.digest) {", "            if digest.is_none() {")],
    },
    Switch {
        name: "the subject",
        file: "bundle/content.rs",
        changes: &[(
            "Artifact::Digests(digests) => digests.iter().find(|digest| named(digest)).copied()",
            "Artifact::Digests(digests) => digests.iter().find(|digest| named(digest) || true).copied()",
        )],
    },
    Switch {
        name: "the identity",
        file: "bundle/signer.rs",
        changes: &[(
            "            && !(subject.matches(name) && issuer.matches(&by))",
            "            && !(subject.matches(name) || issuer.matches(&by))",
        )],
    },
];

/// # Errors
/// A text is no longer in the source, or a check is gone and the mutator does not notice.
pub(crate) fn each_off() -> Result<()> {
    let root = crate::root()?;
    let copy = root.join("target/switched-off/source");
    copy_source(&root, &copy)?;
    let mut unnoticed = Vec::new();
    for switch in SWITCHES {
        let file = copy.join("crates/proof/prove/src").join(switch.file);
        let source = std::fs::read_to_string(&file).with_context(|| switch.file)?;
        std::fs::write(&file, without(switch, &source)?)?;
        println!("> without: {}", switch.name);
        let status = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--package", "linkward-prove", "--example", "mutate", "--"])
            .args(["1000000", LIMIT, "unguarded"])
            .env("CARGO_TARGET_DIR", root.join("target/switched-off/target"))
            .env("RUSTFLAGS", "--cap-lints allow")
            .current_dir(&copy)
            .status()?;
        if !status.success() {
            unnoticed.push(switch.name);
        }
        std::fs::write(&file, source)?;
    }
    if unnoticed.is_empty() {
        println!("each of {} checks is missed when it is gone", SWITCHES.len());
        return Ok(());
    }
    bail!("nothing was accepted within {LIMIT} s without: {}", unnoticed.join("; "))
}

fn without(switch: &Switch, source: &str) -> Result<String> {
    switch.changes.iter().try_fold(source.to_owned(), |source, (from, to)| {
        if source.matches(from).count() != 1 {
            bail!("{}: `{from}` must stand in {} exactly once", switch.name, switch.file);
        }
        Ok(source.replace(from, to))
    })
}

/// What git knows of the working tree.
fn copy_source(root: &Path, copy: &Path) -> Result<()> {
    if copy.exists() {
        std::fs::remove_dir_all(copy)?;
    }
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root).output()?;
    for path in String::from_utf8(listed.stdout)?.split_terminator('\0').map(PathBuf::from) {
        // A file that was removed and not yet committed is still listed.
        if !root.join(&path).is_file() {
            continue;
        }
        let to = copy.join(&path);
        std::fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
        std::fs::copy(root.join(&path), to)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check that was rewritten must be found again before anybody relies on the run.
    #[test]
    fn each_check_still_stands_in_the_source() -> Result<()> {
        let source = crate::root()?.join("crates/proof/prove/src");
        for switch in SWITCHES {
            let text = std::fs::read_to_string(source.join(switch.file))?;
            assert_ne!(without(switch, &text)?, text, "{}", switch.name);
        }
        Ok(())
    }
}
