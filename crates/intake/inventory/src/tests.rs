use super::*;

const CARGO: &str = r#"
version = 4

[[package]]
name = "app"
version = "0.1.0"
dependencies = ["serde", "twice 2.0.0"]

[[package]]
name = "serde"
version = "1.0.0"
source = "registry+https://registry.example/index"
checksum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

[[package]]
name = "twice"
version = "1.0.0"
source = "registry+https://registry.example/index"

[[package]]
name = "twice"
version = "2.0.0"
source = "git+https://git.example/twice#abc"
"#;

const NPM: &str = r#"{
  "lockfileVersion": 3,
  "packages": {
    "": { "name": "web", "dependencies": { "a": "1" } },
    "node_modules/a": { "version": "1.0.0", "dependencies": { "@s/b": "2" },
      "integrity": "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==" },
    "node_modules/@s/b": { "version": "3.0.0", "integrity": "sha1-AAAA", "dev": true },
    "node_modules/a/node_modules/@s/b": { "version": "2.0.0" }
  }
}"#;

const REQUIREMENTS: &str = "Django==1.2 --hash=sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n\
                            flask>=1  # open\n";

fn files() -> Vec<(String, Vec<u8>)> {
    [("Cargo.lock", CARGO), ("web/package-lock.json", NPM), ("requirements.txt", REQUIREMENTS)]
        .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
        .to_vec()
}

#[test]
fn lockfiles_become_one_deterministic_sbom() {
    let found = inventory("demo", &files());
    assert!(found.faults.is_empty(), "{:?}", found.faults);
    let ids: Vec<_> = found.sbom.components.iter().map(|component| component.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "pkg:cargo/app@0.1.0",
            "pkg:cargo/serde@1.0.0",
            "pkg:cargo/twice@1.0.0",
            "pkg:cargo/twice@2.0.0?vcs_url=git%2Bhttps:%2F%2Fgit.example%2Ftwice%23abc",
            "pkg:npm/%40s/b@2.0.0",
            "pkg:npm/%40s/b@3.0.0",
            "pkg:npm/a@1.0.0",
            "pkg:pypi/django@1.2",
        ]
    );
    let below =
        |id: &str| found.sbom.relations.iter().find(|relation| relation.from == id).unwrap().to.clone();
    assert_eq!(below("pkg:npm/a@1.0.0"), ["pkg:npm/%40s/b@2.0.0"], "the nested one is nearer");
    assert!(below("pkg:cargo/app@0.1.0").iter().any(|to| to.starts_with("pkg:cargo/twice@2.0.0")));
    assert_eq!(found.sbom.gaps.len(), 4, "{:?}", found.sbom.gaps);
    let bytes = linkward_evidence::cyclonedx::write(&found.sbom);
    let mut shuffled = files();
    shuffled.reverse();
    assert_eq!(linkward_evidence::cyclonedx::write(&inventory("demo", &shuffled).sbom), bytes);
    // What we write, we read.
    let Ok(linkward_evidence::Claim::Sbom(again)) = linkward_evidence::parse(&bytes) else {
        panic!("not read")
    };
    assert_eq!(again.components.len(), 8);
}

#[test]
fn a_broken_lockfile_is_named_and_leaves_a_gap() {
    let mut all = files();
    all.push(("bad/Cargo.lock".to_owned(), b"[[package]]\nname = 1x\n".to_vec()));
    all.push(("bad/package-lock.json".to_owned(), b"{".to_vec()));
    let found = inventory("demo", &all);
    let places: Vec<_> = found.faults.iter().map(|fault| fault.place.as_str()).collect();
    assert!(places.first().unwrap().starts_with("bad/Cargo.lock, line 2"), "{places:?}");
    assert_eq!(places.len(), 2);
    assert_eq!(found.sbom.components.len(), 8, "the others still count");
    assert!(found.sbom.gaps.iter().any(|gap| gap == "bad/Cargo.lock could not be read"));
}

/// What is asked for by a range is known where another file, here or in a folder above, says what was chosen.
#[test]
fn ranges_are_settled_by_lock_files() {
    let chart = "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n- name: redis\n  version: ^19\n  repository: https://charts.example\n";
    let lock = "dependencies:\n- name: redis\n  version: 19.1.0\n  repository: https://charts.example\ndigest: sha256:00\n";
    let provider = "terraform {\n  required_providers {\n    aws = { source = \"hashicorp/aws\", version = \"~> 5\" }\n  }\n}\n";
    let chosen = "provider \"registry.example/hashicorp/aws\" {\n  version = \"5.1.0\"\n}\n";
    let all = [
        ("deploy/Chart.yaml", chart),
        ("deploy/Chart.lock", lock),
        ("infra/modules/net/main.tf", provider),
        ("infra/.terraform.lock.hcl", chosen),
        ("other/Chart.yaml", "name: other\nversion: 1.0.0\n"),
    ];
    let of = |files: &[(&str, &str)]| {
        let files: Vec<_> =
            files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
        inventory("shop", &files)
    };
    let found = of(&all);
    assert!(found.hidden.is_empty() && found.faults.is_empty(), "{:?} {:?}", found.hidden, found.faults);
    assert!(found.sbom.components.iter().any(|component| component.id.contains("redis@19.1.0")));
    // A lock file of another folder settles nothing.
    for without in ["deploy/Chart.lock", "infra/.terraform.lock.hcl"] {
        let rest: Vec<_> = all.into_iter().filter(|(path, _)| *path != without).collect();
        assert_eq!(of(&rest).hidden.len(), 1, "{without}");
    }
}
