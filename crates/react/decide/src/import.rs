//! Kubernetes ClusterImagePolicy (policy.sigstore.dev) as a policy here. What has no equal is named, never dropped in
//! silence: an import that looks complete and is weaker would be worse than none.

use std::fmt::Write as _;

use linkward_prove::PublicKey;
use saphyr::{LoadableYamlNode as _, Yaml};
use serde_json::Value;

use crate::policy::Policy;

#[derive(Debug)]
pub struct Imported {
    /// `policy.yaml`, without faults.
    pub text: String,
    /// What could not be carried over, by policy and authority.
    pub left_out: Vec<String>,
}

/// Aliases of predicate types, as policy-controller has them.
const PREDICATES: &[(&str, &str)] = &[
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("spdx", "https://spdx.dev/Document"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("link", "https://in-toto.io/Link/v1"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
    ("openvex", "https://openvex.dev/ns"),
    ("custom", "https://cosign.sigstore.dev/attestation/v1"),
];

/// # Errors
/// Not YAML, no ClusterImagePolicy in it, or nothing that could be carried over.
pub fn import(text: &str) -> Result<Imported, String> {
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let (mut rules, mut left_out, mut found) = (String::new(), Vec::new(), 0);
    for document in &documents {
        let document = crate::case::json(document)?;
        if document["kind"] != "ClusterImagePolicy" {
            if !document.is_null() {
                left_out.push(format!("a document of kind {}", document["kind"]));
            }
            continue;
        }
        found += 1;
        let mut importer = Importer {
            name: text_at(&document, "/metadata/name").unwrap_or("unnamed").to_owned(),
            left_out: &mut left_out,
        };
        if let Some(rule) = importer.rule(&document["spec"]) {
            rules.push_str(&rule);
        }
    }
    if found == 0 {
        return Err("there is no ClusterImagePolicy in it".to_owned());
    }
    if rules.is_empty() {
        return Err(format!("nothing could be carried over: {}", left_out.join("; ")));
    }
    let text = format!("version: 1\nrules:\n{rules}");
    match Policy::parse(text.as_bytes()) {
        Ok(_) => Ok(Imported { text, left_out }),
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Err(format!("the result has faults: {}", faults.join("; ")))
        }
    }
}

fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

struct Importer<'a> {
    name: String,
    left_out: &'a mut Vec<String>,
}

impl Importer<'_> {
    fn leave(&mut self, what: impl std::fmt::Display) {
        self.left_out.push(format!("{}: {what}", self.name));
    }

    fn rule(&mut self, spec: &Value) -> Option<String> {
        let globs: Vec<String> =
            items(spec, "images").iter().filter_map(|image| text_at(image, "/glob")).map(quoted).collect();
        for (name, what) in
            [("match", "match by kind of resource"), ("policy", "the policy over all authorities")]
        {
            if spec.get(name).is_some() {
                self.leave(what);
            }
        }
        let (mut signers, mut predicates, mut logged) = (Vec::new(), Vec::new(), true);
        let authorities = items(spec, "authorities");
        for (index, authority) in authorities.iter().enumerate() {
            let label = text_at(authority, "/name").map_or(format!("authority {index}"), str::to_owned);
            let before = signers.len();
            self.authority(&label, authority, &mut signers);
            logged &= authority.get("keyless").is_some() || authority.get("ctlog").is_some();
            for attestation in items(authority, "attestations") {
                let kind = text_at(attestation, "/predicateType").unwrap_or("custom");
                if attestation.get("policy").is_some() {
                    self.leave(format!(
                        "{label}: the CUE or Rego of attestation {kind}; its presence is asked for"
                    ));
                }
                // Any one authority is enough there: what only one of several asks for cannot be asked of all.
                if authorities.len() == 1 && signers.len() > before {
                    predicates.push(
                        PREDICATES.iter().find(|(alias, _)| *alias == kind).map_or(kind, |(_, full)| *full),
                    );
                } else {
                    self.leave(format!("{label}: attestation {kind}, which only this authority asks for"));
                }
            }
        }
        if globs.is_empty() || signers.is_empty() {
            self.leave("the whole policy: no images, or no signer, are left");
            return None;
        }
        let mode = if text_at(spec, "/mode") == Some("warn") { "warn" } else { "enforce" };
        let mut rule = format!(
            "  - name: {}\n    match: {{ artifacts: [{}] }}\n    mode: {mode}\n    require:\n      signed:\n        by:\n",
            quoted(&self.name),
            globs.join(", ")
        );
        for signer in &signers {
            let _ = writeln!(rule, "          - {signer}");
        }
        if logged {
            rule.push_str("      logged: true\n");
        } else {
            self.leave("a transparency log for some authorities: with keys alone none is asked for");
        }
        if !predicates.is_empty() {
            rule.push_str("      rego: |\n        package linkward\n");
            let conditions: Vec<String> =
                (0..predicates.len()).map(|index| format!("attested_{index}")).collect();
            for (condition, predicate) in conditions.iter().zip(&predicates) {
                let _ = write!(
                    rule,
                    "        {condition} if {{\n          some proof in input.proofs\n          startswith(proof.predicate_type, {})\n        }}\n",
                    quoted(predicate)
                );
            }
            let _ = writeln!(rule, "        allow if {{ {} }}", conditions.join("; "));
        }
        Some(rule)
    }

    fn authority(&mut self, label: &str, authority: &Value, signers: &mut Vec<String>) {
        for (name, what) in [
            ("static", "a static decision; write an exception, or nothing, instead"),
            ("source", "another place for the signatures"),
            ("rfc3161timestamp", "a timestamp authority of its own; trust roots say which count"),
        ] {
            if authority.get(name).is_some() {
                self.leave(format!("{label}: {what}"));
            }
        }
        if let Some(key) = authority.get("key") {
            match text_at(key, "/data").map(PublicKey::from_pem) {
                Some(Ok(key)) => signers.push(format!("key: {}", key.id())),
                Some(Err(_)) => self.leave(format!("{label}: a key that is no PEM public key")),
                None => self.leave(format!("{label}: a key that is held elsewhere (secretRef or kms)")),
            }
        }
        let Some(keyless) = authority.get("keyless") else { return };
        for name in ["url", "trustRootRef", "ca-cert", "insecureIgnoreSCT"] {
            if keyless.get(name).is_some() {
                self.leave(format!("{label}: keyless.{name}; trust roots are set for the home"));
            }
        }
        for identity in items(keyless, "identities") {
            let pattern = |exact: &str, expression: &str| {
                let regex = |text: &str| format!("regex:(?s).*(?:{text}).*");
                text_at(identity, exact)
                    .map(str::to_owned)
                    .or_else(|| text_at(identity, expression).map(regex))
            };
            match (pattern("/subject", "/subjectRegExp"), pattern("/issuer", "/issuerRegExp")) {
                (Some(subject), Some(issuer)) => {
                    let (subject, issuer) = (quoted(&subject), quoted(&issuer));
                    signers.push(format!("{{ subject: {subject}, issuer: {issuer} }}"));
                }
                _ => self.leave(format!("{label}: an identity without both subject and issuer")),
            }
        }
        if items(keyless, "identities").is_empty() {
            self.leave(format!("{label}: keyless without identities would accept anybody"));
        }
    }
}

/// A JSON string is a YAML string.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: { name: ours }
spec:
  mode: warn
  images: [{ glob: "registry.example/our/**" }]
  authorities:
    - name: ci
      keyless:
        url: https://fulcio.example
        identities:
          - issuer: https://token.actions.githubusercontent.com
            subjectRegExp: "^https://github.com/example-org/.*$"
      ctlog: { url: https://rekor.example }
      attestations:
        - name: built
          predicateType: slsaprovenance1
          policy: { type: cue, data: "x: 1" }
"#;

    #[test]
    fn what_has_an_equal_is_carried_over_and_the_rest_is_named() {
        let imported = import(POLICY).unwrap();
        for part in [
            "name: \"ours\"",
            "mode: warn",
            "logged: true",
            "regex:(?s).*(?:^https://github.com/example-org/.*$).*",
            "https://slsa.dev/provenance/v1",
        ] {
            assert!(imported.text.contains(part), "{part}\n{}", imported.text);
        }
        let named = imported.left_out.join("\n");
        assert!(named.contains("keyless.url") && named.contains("CUE"), "{named}");
    }

    #[test]
    fn nothing_weaker_comes_out_in_silence() {
        for (change, to, says) in [
            (
                "keyless:\n        url: https://fulcio.example\n",
                "static: { action: pass }\n      other:\n",
                "nothing could be carried over",
            ),
            (
                "            subjectRegExp: \"^https://github.com/example-org/.*$\"\n",
                "",
                "without both subject and issuer",
            ),
            ("kind: ClusterImagePolicy", "kind: Other", "no ClusterImagePolicy"),
            ("images: [{ glob: \"registry.example/our/**\" }]", "images: []", "no images"),
        ] {
            assert!(POLICY.contains(change), "{change}");
            let message = import(&POLICY.replace(change, to)).unwrap_err();
            assert!(message.contains(says), "{message}");
        }
        let second = POLICY.to_owned() + "    - name: other\n      key: { kms: \"gcpkms://x\" }\n";
        let imported = import(&second).unwrap();
        let named = imported.left_out.join("\n");
        assert!(named.contains("other: a key that is held elsewhere"), "{named}");
        assert!(named.contains("only this authority asks for"), "{named}");
        assert!(!imported.text.contains("logged"), "{}", imported.text);
    }
}
