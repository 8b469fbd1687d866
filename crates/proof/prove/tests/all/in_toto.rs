//! in-toto: layouts and links that the reference implementation made, and what an attacker makes of a sound one. Every
//! attack is signed again by whoever could have made it, so that the named check alone stands in its way.

use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use linkward_evidence::canonical::canonical;

use linkward_model::{Code, Digest, Instant, Outcome};
use linkward_prove::{
    Folder, Inspected, Inspections, Inspector, LayoutQuestion, PublicKey, Refusal, SupplyChain, layout,
};
use serde_json::{Value, json};

const NOW: Instant = Instant::from_seconds(1_800_000_000);

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/in_toto")
}

struct Disk(PathBuf);

impl Folder for Disk {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(std::fs::read(self.0.join(path)).ok())
    }
}

/// An inspector that finds the product, and a command that ends as it is told.
struct Finds(bool, &'static [u8]);

impl Inspector for Finds {
    fn run(&self, command: &[String]) -> Result<Inspected, String> {
        assert_eq!(command, ["true"]);
        let digest = Digest::sha256(self.1).hex();
        let there =
            BTreeMap::from([("app-1.2.bin".to_owned(), BTreeMap::from([("sha256".to_owned(), digest)]))]);
        Ok(Inspected { materials: there.clone(), products: there, succeeded: self.0 })
    }
}

const PRODUCT: &[u8] = b"int main;\nlib";

fn golden(kind: &str, name: &str, inspections: Inspections<'_>) -> Result<SupplyChain, Code> {
    let bytes = std::fs::read(folder().join(kind).join(name)).unwrap();
    let owner = PublicKey::from_pem(&std::fs::read_to_string(folder().join("owner.pem")).unwrap()).unwrap();
    let proven = layout(LayoutQuestion {
        layout: &bytes,
        keys: &[owner],
        links: &Disk(folder().join(kind)),
        parameters: &BTreeMap::from([("VERSION".to_owned(), "1.2".to_owned())]),
        inspections,
        artifact: &[Digest::sha256(&std::fs::read(folder().join("app-1.2.bin")).unwrap())],
        now: NOW,
    });
    proven.map(|proven| proven.claim().clone()).map_err(|refusal| refusal.code)
}

#[test]
fn what_the_reference_implementation_made_holds() {
    for kind in ["metablock", "dsse"] {
        let chain = golden(kind, "root.layout", Inspections::Undecided).unwrap();
        let steps: Vec<_> =
            chain.steps().iter().map(|step| (step.name.as_str(), step.functionaries.len())).collect();
        let expected = [("fetch", 1), ("compile", 2), ("vendor/make", 1), ("vendor", 1), ("pack", 1)];
        assert_eq!(steps, expected, "{kind}");
        assert_eq!(chain.products().keys().collect::<Vec<_>>(), ["app-1.2.bin"]);
    }
}

#[test]
fn inspections_run_only_when_asked_and_unrun_decide_nothing() {
    for kind in ["metablock", "dsse"] {
        let ask = |inspections| golden(kind, "inspected.layout", inspections);
        assert_eq!(ask(Inspections::Undecided), Err(Code::InspectionNotRun));
        assert_eq!(ask(Inspections::Skipped).unwrap().not_run(), ["look"]);
        assert!(ask(Inspections::Run(&Finds(true, PRODUCT))).unwrap().not_run().is_empty());
        assert_eq!(ask(Inspections::Run(&Finds(false, PRODUCT))), Err(Code::InspectionFailed));
    }
}

/// Private keys by name, and the files of a link folder.
struct Project {
    keys: BTreeMap<&'static str, Ed25519KeyPair>,
    layout: Value,
    /// File, content, who signs.
    links: Vec<(String, Value, &'static str)>,
    parameters: BTreeMap<String, String>,
    signers: Vec<&'static str>,
    owners: Vec<&'static str>,
    artifact: Vec<u8>,
    now: Instant,
    /// Bytes that replace a file as it would be written.
    raw: BTreeMap<String, Vec<u8>>,
    inspections: Option<(bool, &'static [u8])>,
}

fn id(name: &str) -> String {
    Digest::sha256(name.as_bytes()).hex()
}

fn file(step: &str, who: &str) -> String {
    format!("{step}.{}.link", &id(who)[..8])
}

fn hashed(paths: &[(&str, &str)]) -> Value {
    let entry = |(path, text): &(&str, &str)| {
        ((*path).to_owned(), json!({ "sha256": Digest::sha256(text.as_bytes()).hex() }))
    };
    Value::Object(paths.iter().map(entry).collect())
}

fn link(name: &str, materials: &[(&str, &str)], products: &[(&str, &str)]) -> Value {
    json!({
        "_type": "link", "name": name, "command": ["make"], "byproducts": {}, "environment": {},
        "materials": hashed(materials), "products": hashed(products),
    })
}

impl Project {
    fn new() -> Self {
        let names = ["owner", "one", "two", "stranger"];
        let keys: BTreeMap<_, _> = names
            .into_iter()
            .enumerate()
            .map(|(seed, name)| (name, Ed25519KeyPair::from_seed_unchecked(&[seed as u8 + 1; 32]).unwrap()))
            .collect();
        let rules = |text: &[&'static str]| -> Vec<Vec<&'static str>> {
            text.iter().map(|rule| rule.split(' ').collect()).collect()
        };
        let layout = json!({
            "_type": "layout", "expires": "2040-01-01T00:00:00Z", "readme": "",
            "keys": { id("one"): listed(&keys["one"]), id("two"): listed(&keys["two"]) },
            "steps": [
                { "_type": "step", "name": "fetch", "threshold": 2, "pubkeys": [id("one"), id("two")],
                  "expected_command": ["make"],
                  "expected_materials": rules(&["DISALLOW *"]),
                  "expected_products": rules(&["REQUIRE src/a", "CREATE src/*", "DISALLOW *"]) },
                { "_type": "step", "name": "build", "threshold": 1, "pubkeys": [id("one")],
                  "expected_command": [],
                  "expected_materials": rules(&["MATCH * IN src WITH PRODUCTS IN src FROM fetch", "DISALLOW *"]),
                  "expected_products": rules(&["MODIFY src/b", "CREATE app-{V}", "ALLOW src/a", "DELETE src/c", "DISALLOW *"]) },
            ],
            "inspect": [],
        });
        let fetched = [("src/a", "a"), ("src/b", "b"), ("src/c", "c")];
        let built = [("src/a", "a"), ("src/b", "B"), ("app-1", "app")];
        let links = vec![
            (file("fetch", "one"), link("fetch", &[], &fetched), "one"),
            (file("fetch", "two"), link("fetch", &[], &fetched), "two"),
            (file("build", "one"), link("build", &fetched, &built), "one"),
        ];
        Self {
            keys,
            layout,
            links,
            parameters: BTreeMap::from([("V".to_owned(), "1".to_owned())]),
            signers: vec!["owner"],
            owners: vec!["owner"],
            artifact: b"app".to_vec(),
            now: NOW,
            raw: BTreeMap::new(),
            inspections: None,
        }
    }

    fn signed(&self, content: &Value, names: &[&str]) -> Vec<u8> {
        let message = canonical(content).unwrap();
        let signatures: Vec<_> = names
            .iter()
            .map(|name| {
                let sig = self.keys[*name].sign(&message);
                let hex: String = sig.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
                json!({ "keyid": id(name), "sig": hex })
            })
            .collect();
        json!({ "signed": content, "signatures": signatures }).to_string().into_bytes()
    }

    fn judge(&self) -> Result<SupplyChain, Box<Refusal>> {
        let mut files: BTreeMap<String, Vec<u8>> = self
            .links
            .iter()
            .map(|(file, content, who)| (file.clone(), self.signed(content, &[who])))
            .collect();
        files.extend(self.raw.clone());
        let keys: Vec<_> = self.owners.iter().map(|name| public(&self.keys[name])).collect();
        let finds = self.inspections.map(|(ends, finds)| Finds(ends, finds));
        let outcome = layout(LayoutQuestion {
            layout: &self.signed(&self.layout, &self.signers),
            keys: &keys,
            links: &Memory(files),
            parameters: &self.parameters,
            inspections: finds.as_ref().map_or(Inspections::Undecided, |finds| Inspections::Run(finds)),
            artifact: &[Digest::sha256(&self.artifact)],
            now: self.now,
        });
        let checks = match &outcome {
            Ok(proven) => proven.checks(),
            Err(refusal) => &refusal.checks,
        };
        let failed = checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed { .. })).count();
        assert_eq!(failed, usize::from(outcome.is_err()), "{checks:?}");
        for name in ["layout-shape", "links", "materials", "products", "artifact", "inspection"] {
            assert!(checks.iter().any(|check| check.name == name), "{name} is not listed: {checks:?}");
        }
        outcome.map(|proven| proven.claim().clone())
    }

    fn step(&mut self, index: usize) -> &mut Value {
        &mut self.layout["steps"][index]
    }

    fn link(&mut self, index: usize) -> &mut Value {
        &mut self.links[index].1
    }
}

struct Memory(BTreeMap<String, Vec<u8>>);

impl Folder for Memory {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        Ok(self.0.get(path).cloned())
    }
}

fn listed(pair: &Ed25519KeyPair) -> Value {
    let hex: String = pair.public_key().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": hex, "private": "" } })
}

fn public(pair: &Ed25519KeyPair) -> PublicKey {
    let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    PublicKey::from_spki(&[&prefix, pair.public_key().as_ref()].concat()).unwrap()
}

type Attack = (&'static str, fn(&mut Project), Option<Code>);

/// What is done to a sound project, and how it must end.
const ATTACKS: &[Attack] = &[
    ("nothing", |_| (), None),
    ("the layout is a link", |p| p.layout = link("x", &[], &[]), Some(Code::LayoutMalformed)),
    (
        "a rule of an unknown verb",
        |p| p.step(0)["expected_products"][0][0] = json!("PERMIT"),
        Some(Code::LayoutMalformed),
    ),
    ("a threshold of none", |p| p.step(0)["threshold"] = json!(0), Some(Code::LayoutMalformed)),
    (
        "a step whose name leads out of the folder",
        |p| p.step(0)["name"] = json!("../x"),
        Some(Code::LayoutMalformed),
    ),
    (
        "a key id that leads out of the folder",
        |p| p.step(0)["pubkeys"][0] = json!("../../../x"),
        Some(Code::LayoutMalformed),
    ),
    ("two steps of one name", |p| p.step(1)["name"] = json!("fetch"), Some(Code::LayoutMalformed)),
    (
        "a fraction, which canonical JSON cannot spell",
        |p| {
            p.raw.insert(
                file("build", "one"),
                br#"{"signed": {"_type": "link", "name": 1.5}, "signatures": []}"#.to_vec(),
            );
        },
        Some(Code::LinkMalformed),
    ),
    (
        "the layout is signed by somebody else",
        |p| p.signers = vec!["stranger"],
        Some(Code::LayoutSignatureInvalid),
    ),
    (
        "one of two owners has not signed",
        |p| p.owners = vec!["owner", "two"],
        Some(Code::LayoutSignatureInvalid),
    ),
    (
        "both owners have signed",
        |p| {
            p.owners = vec!["owner", "two"];
            p.signers = vec!["owner", "two"];
        },
        None,
    ),
    ("no owner is named", |p| p.owners = vec![], Some(Code::IdentityMissing)),
    ("the layout has expired", |p| p.now = Instant::from_seconds(2_300_000_000), Some(Code::LayoutExpired)),
    ("a parameter without a value", |p| p.parameters.clear(), Some(Code::LayoutParameterMissing)),
    (
        "a parameter of another value",
        |p| {
            p.parameters.insert("V".to_owned(), "2".to_owned());
        },
        Some(Code::LayoutRuleDisallow),
    ),
    ("a link is missing", |p| drop(p.links.remove(1)), Some(Code::LayoutLinkMissing)),
    (
        "a link is cut off",
        |p| {
            p.raw.insert(file("build", "one"), b"{\"signed\":".to_vec());
        },
        Some(Code::LinkMalformed),
    ),
    ("a link is signed by a stranger", |p| p.links[1].2 = "stranger", Some(Code::LinkSignatureInvalid)),
    (
        "a link is changed after it was signed",
        |p| {
            let text = String::from_utf8(p.signed(&p.links[2].1, &["one"])).unwrap();
            p.raw.insert(file("build", "one"), text.replace("app-1", "app-2").into_bytes());
        },
        Some(Code::LinkSignatureInvalid),
    ),
    (
        "a functionary of one step signs another",
        |p| {
            p.links[2].0 = file("build", "two");
            p.links[2].2 = "two";
        },
        Some(Code::LayoutLinkMissing),
    ),
    (
        "a true link of one step is put forward for another",
        |p| {
            let fetched = p.links[0].1.clone();
            *p.link(2) = fetched;
        },
        Some(Code::LinkStepMismatch),
    ),
    (
        "one key under two ids makes the threshold",
        |p| {
            p.layout["keys"][id("two")] = listed(&p.keys["one"]);
            p.links[1].2 = "one";
        },
        Some(Code::LayoutThreshold),
    ),
    (
        "the same functionary stands twice",
        |p| p.step(0)["pubkeys"][1] = json!(id("one")),
        Some(Code::LayoutThreshold),
    ),
    ("nobody may do the step", |p| p.step(0)["pubkeys"] = json!([]), Some(Code::LayoutThreshold)),
    (
        "a key of an unsupported type",
        |p| {
            p.layout["keys"][id("two")] = json!({ "keytype": "rsa", "scheme": "pgp+rsa-pkcsv1.5", "keyval": { "public": { "e": "010001" } } });
        },
        Some(Code::KeyUnsupported),
    ),
    (
        "two functionaries disagree",
        |p| p.link(1)["products"]["src/a"] = hashed(&[("x", "evil")])["x"].clone(),
        Some(Code::LayoutLinksDisagree),
    ),
    (
        "two functionaries disagree where one would do",
        |p| {
            p.step(0)["threshold"] = json!(1);
            p.link(1)["products"]["src/d"] = hashed(&[("x", "evil")])["x"].clone();
        },
        Some(Code::LayoutLinksDisagree),
    ),
    (
        "a source was changed on its way to the build",
        |p| {
            p.link(2)["materials"]["src/a"] = hashed(&[("x", "evil")])["x"].clone();
        },
        Some(Code::LayoutRuleDisallow),
    ),
    (
        "a source was added on its way to the build",
        |p| {
            p.link(2)["materials"]["src/evil"] = hashed(&[("x", "evil")])["x"].clone();
        },
        Some(Code::LayoutRuleDisallow),
    ),
    (
        "a source was added beside the prefix",
        |p| {
            p.link(2)["materials"]["src-evil/a"] = hashed(&[("x", "a")])["x"].clone();
        },
        Some(Code::LayoutRuleDisallow),
    ),
    (
        "sources that only SHA-1 vouches for",
        |p| {
            for index in 0..3 {
                for side in ["materials", "products"] {
                    if p.link(index)[side].get("src/a").is_some() {
                        p.link(index)[side]["src/a"] = json!({ "sha1": "a".repeat(40) });
                    }
                }
            }
        },
        Some(Code::LayoutRuleDisallow),
    ),
    (
        "what had to be there is not",
        |p| {
            for index in [0, 1] {
                p.link(index)["products"].as_object_mut().unwrap().remove("src/a");
            }
        },
        Some(Code::LayoutRuleRequire),
    ),
    (
        "a build made more than it may",
        |p| {
            p.link(2)["products"]["evil"] = hashed(&[("x", "evil")])["x"].clone();
        },
        Some(Code::LayoutRuleDisallow),
    ),
    (
        "what should be new was there before",
        |p| {
            let app = p.links[2].1["products"]["app-1"].clone();
            p.link(2)["materials"]["app-1"] = app.clone();
            for index in [0, 1] {
                p.link(index)["products"]["src/app-1"] = app.clone();
            }
        },
        Some(Code::LayoutRuleDisallow),
    ),
    (
        "MODIFY does not let pass what is the same",
        |p| {
            p.link(2)["products"]["src/b"] = hashed(&[("x", "b")])["x"].clone();
        },
        Some(Code::LayoutRuleDisallow),
    ),
    ("the artifact is another", |p| p.artifact = b"evil".to_vec(), Some(Code::SubjectMissing)),
    ("the artifact is a material, not a product", |p| p.artifact = b"b".to_vec(), Some(Code::SubjectMissing)),
    (
        "a delegated step without its links",
        |p| {
            let inner = sub(p);
            *p.link(2) = inner;
        },
        Some(Code::LayoutLinkMissing),
    ),
    (
        "a delegated step with its links",
        |p| {
            let inner = sub(p);
            let link = std::mem::replace(p.link(2), inner);
            p.links.push((format!("build.{}/{}", &id("one")[..8], file("build", "two")), link, "two"));
        },
        None,
    ),
    (
        "a delegated step whose layout has expired",
        |p| {
            let mut inner = sub(p);
            inner["expires"] = json!("2020-01-01T00:00:00Z");
            let link = std::mem::replace(p.link(2), inner);
            p.links.push((format!("build.{}/{}", &id("one")[..8], file("build", "two")), link, "two"));
        },
        Some(Code::LayoutExpired),
    ),
    (
        "a delegated step that delegates to itself without end",
        |p| {
            let mut inner = sub(p);
            inner["steps"][0]["pubkeys"] = json!([id("one")]);
            inner["keys"] = json!({ id("one"): listed(&p.keys["one"]) });
            *p.link(2) = inner.clone();
            let mut path = String::new();
            for _ in 0..20 {
                path += &format!("build.{}/", &id("one")[..8]);
                p.links.push((format!("{path}{}", file("build", "one")), inner.clone(), "one"));
            }
        },
        Some(Code::TooLarge),
    ),
    ("an inspection that nobody asked to run", |p| inspect(p), Some(Code::InspectionNotRun)),
    (
        "an inspection that holds",
        |p| {
            inspect(p);
            p.inspections = Some((true, b"app"));
        },
        None,
    ),
    (
        "an inspection that fails",
        |p| {
            inspect(p);
            p.inspections = Some((false, b"app"));
        },
        Some(Code::InspectionFailed),
    ),
    (
        "an inspection that finds another artifact",
        |p| {
            inspect(p);
            p.inspections = Some((true, b"evil"));
        },
        Some(Code::LayoutRuleDisallow),
    ),
];

/// A layout of functionary one, of a single step by functionary two.
fn sub(p: &Project) -> Value {
    json!({
        "_type": "layout", "expires": "2040-01-01T00:00:00Z", "readme": "", "inspect": [],
        "keys": { id("two"): listed(&p.keys["two"]) },
        "steps": [{ "_type": "step", "name": "build", "threshold": 1, "pubkeys": [id("two")],
                    "expected_command": [], "expected_materials": [], "expected_products": [] }],
    })
}

fn inspect(p: &mut Project) {
    p.parameters.insert("V".to_owned(), "1.2.bin".to_owned());
    let app = p.links[2].1["products"].as_object_mut().unwrap().remove("app-1").unwrap();
    p.link(2)["products"]["app-1.2.bin"] = app;
    p.layout["inspect"] = json!([{
        "_type": "inspection", "name": "look", "run": ["true"],
        "expected_materials": [["MATCH", "app-{V}", "WITH", "PRODUCTS", "FROM", "build"], ["DISALLOW", "*"]],
        "expected_products": [["MATCH", "*", "WITH", "MATERIALS", "FROM", "look"], ["DISALLOW", "*"]],
    }]);
}

#[test]
fn every_attack_ends_as_the_table_says() {
    let mut wrong = Vec::new();
    for (name, attack, expected) in ATTACKS {
        let mut project = Project::new();
        attack(&mut project);
        let found = project.judge();
        if found.as_ref().err().map(|refusal| refusal.code) != *expected {
            let found = found.map(|_| "accepted").map_err(|refusal| (refusal.code, refusal.message));
            wrong.push(format!("{name}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_bit_of_a_link_may_change() {
    let bytes = std::fs::read(folder().join("dsse/root.layout")).unwrap();
    let owner = PublicKey::from_pem(&std::fs::read_to_string(folder().join("owner.pem")).unwrap()).unwrap();
    let root = folder().join("dsse");
    let name = std::fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name.starts_with("pack."))
        .unwrap();
    let link = std::fs::read(root.join(&name)).unwrap();
    struct Changed(Disk, String, Vec<u8>);
    impl Folder for Changed {
        fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
            if path == self.1 { Ok(Some(self.2.clone())) } else { self.0.read(path) }
        }
    }
    let judge = |link: Vec<u8>| {
        layout(LayoutQuestion {
            layout: &bytes,
            keys: std::slice::from_ref(&owner),
            links: &Changed(Disk(root.clone()), name.clone(), link),
            parameters: &BTreeMap::from([("VERSION".to_owned(), "1.2".to_owned())]),
            inspections: Inspections::Undecided,
            artifact: &[Digest::sha256(PRODUCT)],
            now: NOW,
        })
    };
    assert!(judge(link.clone()).is_ok());
    let payload = String::from_utf8(link.clone()).unwrap().find("\"payload\": \"").unwrap() + 12;
    for at in payload..payload + 200 {
        let mut changed = link.clone();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert!(judge(changed).is_err(), "byte {at}");
    }
}
