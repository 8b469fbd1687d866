//! `linkward scan`: what is known to be bad is found, and nothing that could not be said is called clean.

use linkward_tests::Project;
use serde_json::Value;

const LOCK: &str = "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\"left\", \"right\"]\n\n\
    [[package]]\nname = \"left\"\nversion = \"1.1.0\"\nsource = \"registry+https://registry.example/index\"\n\
    checksum = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n\n\
    [[package]]\nname = \"right\"\nversion = \"1.0.0\"\nsource = \"registry+https://registry.example/index\"\n\
    checksum = \"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\"\n";

/// A project with a lockfile, and beside it records to make a database of.
fn project() -> Project {
    let project = Project::new();
    project.write("Cargo.lock", LOCK);
    let record = |id: &str, name: &str, events: &str| {
        format!(
            r#"{{"id":"{id}","modified":"2025-12-30T00:00:00Z","summary":"bad","affected":[{{"package":{{"ecosystem":"crates.io","name":"{name}"}},"ranges":[{{"type":"SEMVER","events":[{events}]}}]}}]}}"#
        )
    };
    project.write("../records/A-1.json", &record("A-1", "left", r#"{"introduced":"0"},{"fixed":"1.2.0"}"#));
    project.write("../records/A-2.json", &record("A-2", "other", r#"{"introduced":"0"}"#));
    project
}

fn build(project: &Project) {
    let (code, text) =
        project.run(&["advisory", "build", "../records", "-o", "../a.lwa", "--as-of", "2025-12-31"]);
    assert_eq!(code, 0, "{text}");
}

/// As on the first day of 2026, when the data is a day old.
fn scan(project: &Project, more: &[&str]) -> (i32, String) {
    let args = [&["scan", ".", "--database", "../a.lwa", "--at", "2026-01-01T00:00:00Z"], more].concat();
    project.run(&args)
}

#[test]
fn without_a_database_nothing_is_clean() {
    let project = project();
    let (code, text) = scan(&project, &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("advisory-missing") && text.contains("linkward advisory build"), "{text}");
    assert!(text.contains("0 not affected"), "{text}");
}

#[test]
fn findings_deny_and_the_smallest_fix_is_named() {
    let project = project();
    build(&project);
    let (code, text) = scan(&project, &[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("A-1") && text.contains("update to 1.2.0"), "{text}");
    let (code, text) = scan(&project, &["--format", "json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, report["version"].as_u64()), (1, Some(1)));
    assert_eq!(report["totals"]["affected"], 1);
    assert_eq!(report["database"]["coverage"][0]["age_days"], 1);
    let left = report["components"].as_array().unwrap().iter().find(|c| c["name"] == "left").unwrap();
    assert_eq!((left["state"].as_str(), left["relation"].as_str()), (Some("affected"), Some("direct")));
    assert_eq!(left["fix"]["version"], "1.2.0");
}

#[test]
fn data_that_is_too_old_or_damaged_is_not_clean() {
    let project = project();
    build(&project);
    project.write("Cargo.lock", &LOCK.replace("1.1.0", "1.2.0"));
    assert_eq!(scan(&project, &[]).0, 0);
    let args = ["scan", ".", "--database", "../a.lwa", "--at", "2026-02-01T00:00:00Z"];
    let (code, text) = project.run(&args);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("advisory-stale"), "{text}");
    let path = project.beside().join("a.lwa");
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes.truncate(last);
    std::fs::write(&path, bytes).unwrap();
    let (code, text) = scan(&project, &[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("advisory-damaged"), "{text}");
}

#[test]
fn what_could_not_be_read_is_not_clean() {
    let project = project();
    build(&project);
    project.write("Cargo.lock", &LOCK.replace("1.1.0", "1.2.0"));
    project.write("sub/requirements.txt", "-r other.txt\n");
    let (code, text) = scan(&project, &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("sbom-incomplete"), "{text}");
    assert_eq!(scan(&project, &["--allow-unknown"]).0, 0);
    project.write("sub/requirements.txt", "");
    project.write("sub/package-lock.json", "{");
    assert_eq!(scan(&project, &[]).0, 3);
    let empty = Project::new();
    let (code, text) = empty.run(&["scan", ".", "--database", "none.lwa"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("nothing-found"), "{text}");
}

#[test]
fn ignore_rules_end_and_never_cover_malicious_packages() {
    let project = project();
    let rule = |id: &str, until: &str| {
        format!(
            "[[ignore]]\nid = \"{id}\"\npackage = \"pkg:cargo/left\"\nowner = \"web\"\nreason = \"not reached\"\nuntil = \"{until}\"\n"
        )
    };
    build(&project);
    project.write("linkward-ignore.toml", &rule("a-1", "2026-03-01"));
    let (code, text) = scan(&project, &[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("ignored: A-1") && text.contains("web"), "{text}");
    project.write("linkward-ignore.toml", &rule("A-1", "2025-12-31"));
    let (code, text) = scan(&project, &[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("ignore-expired"), "{text}");
    project.write("linkward-ignore.toml", "[[ignore]]\nid = \"A-1\"\n");
    let (code, text) = scan(&project, &[]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("ignore-malformed") && text.contains("owner"), "{text}");
    let bad = std::fs::read_to_string(project.beside().join("records/A-1.json")).unwrap();
    project.write("../records/A-1.json", &bad.replace("A-1", "MAL-2026-1"));
    project.write("linkward-ignore.toml", &rule("MAL-2026-1", "2026-03-01"));
    build(&project);
    let (code, text) = scan(&project, &["--fail-on", "malicious", "--allow-unknown"]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("remove it"), "{text}");
}

#[test]
fn every_output_says_what_is_unknown() {
    let project = project();
    build(&project);
    project.write("sub/package-lock.json", "{");
    for kind in ["sarif", "cyclonedx", "markdown"] {
        let (code, text) = scan(&project, &["--report", kind]);
        assert_eq!(code, 1, "{kind}: {text}");
        assert!(
            text.contains("A-1") && text.contains("lockfile-malformed") || kind == "cyclonedx",
            "{kind}: {text}"
        );
        assert!(text.contains("sub/package-lock.json"), "{kind}: {text}");
        assert_eq!(scan(&project, &["--report", kind]).1, text, "the same input gives the same bytes");
    }
    let (_, sarif) = scan(&project, &["--report", "sarif"]);
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn an_unreadable_record_is_told_and_not_success() {
    let project = project();
    project.write("../records/B.json", "{");
    let (code, text) = project.run(&["advisory", "build", "../records", "-o", "../a.lwa"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("advisory-malformed") && text.contains("B.json"), "{text}");
    let (code, text) = project.run(&["advisory", "show", "A-1", "--database", "../a.lwa"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(project.run(&["advisory", "show", "A-9", "--database", "../a.lwa"]).0, 3);
}

#[test]
fn what_is_affected_is_found_in_everything_recorded() {
    let project = project();
    build(&project);
    let database = ["--database", "../a.lwa"];
    let (code, text) = project.run(&["up", "--no-serve"]);
    assert_eq!(code, 3, "{text}");
    let (code, text) = project.run(&[&["affected", "A-1"][..], &database].concat());
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("pkg:cargo/left@1.1.0") && text.contains("1 SBOM"), "{text}");
    let (code, text) = project.run(&[&["affected", "A-2"][..], &database].concat());
    assert_eq!(code, 0, "{text}");
    assert_eq!(project.run(&["affected", "pkg:cargo/left@>=1.0.0,<1.1.0"]).0, 0);
    assert_eq!(project.run(&["affected", "pkg:cargo/left@<=1.1.0"]).0, 1);
    assert_eq!(project.run(&["affected", "pkg:cargo/lef"]).0, 0, "a name is not the beginning of another");
    // An SBOM of somebody else counts as well.
    let claimed = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[{"type":"library","name":"left","version":"0.9.0","purl":"pkg:cargo/left@0.9.0"}]}"#;
    project.write("../their.cdx.json", claimed);
    project.run(&["evidence", "add", "../their.cdx.json"]);
    let (code, text) = project.run(&[&["affected", "A-1"][..], &database].concat());
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("pkg:cargo/left@0.9.0"), "{text}");
    // What nobody knows is unknown, not unaffected.
    let (code, text) = project.run(&[&["affected", "A-9"][..], &database].concat());
    assert_eq!(code, 3, "{text}");
    assert_eq!(project.run(&["affected", "A-1", "--database", "../none.lwa"]).0, 3);
}

#[test]
fn a_diff_tells_replaced_bytes_and_new_findings() {
    let project = project();
    build(&project);
    let diff = |more: &[&str]| {
        let args = [
            "diff",
            "Cargo.lock",
            "../new/Cargo.lock",
            "--database",
            "../a.lwa",
            "--at",
            "2026-01-01T00:00:00Z",
        ];
        project.run(&[&args, more].concat())
    };
    project.write("../new/Cargo.lock", LOCK);
    assert_eq!(diff(&[]).0, 0);
    project.write("../new/Cargo.lock", &LOCK.replace("bbbb", "cccc"));
    let (code, text) = diff(&[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("dependency-replaced pkg:cargo/right@1.0.0"), "{text}");
    project.write("../new/Cargo.lock", &LOCK.replace("1.1.0", "1.0.0"));
    let (code, text) = diff(&[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("goes back") && text.contains("A-1"), "{text}");
    project.write("../new/Cargo.lock", &LOCK.replace("1.1.0", "1.2.0"));
    assert_eq!(diff(&[]).0, 0);
    // Compared with nothing is unknown.
    let (code, text) = project.run(&["diff", "Cargo.lock", "../new/Cargo.lock", "--database", "../none.lwa"]);
    assert_eq!(code, 3, "{text}");
    project.write("../new/Cargo.lock", &LOCK.replace("bbbb", "cccc"));
    for kind in ["markdown", "sarif"] {
        let (code, text) = diff(&["--report", kind]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("dependency-replaced"), "{kind}: {text}");
    }
    project.write("../new/Cargo.lock", "[[package]]\nname = 1\n");
    assert_eq!(diff(&[]).0, 3);
}

#[test]
fn inspection_names_the_line_and_what_it_could_not_read() {
    let project = Project::new();
    let workflow =
        "on: push\npermissions: {}\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: a/b@v1\n";
    project.write(".github/workflows/ci.yml", workflow);
    let (code, text) = project.run(&["inspect", "."]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(".github/workflows/ci.yml:7") && text.contains("unpinned-action"), "{text}");
    assert_eq!(project.run(&["inspect", ".github/workflows/ci.yml"]).0, 1);
    assert_eq!(project.run(&["inspect", ".", "--fail-on", "high"]).0, 0);
    let (_, text) = project.run(&["inspect", ".", "--report", "sarif"]);
    let sarif: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"], 7);
    project.write(".github/workflows/ci.yml", "jobs: [");
    let (code, text) = project.run(&["inspect", "."]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("workflow-malformed"), "{text}");
    assert_eq!(Project::new().run(&["inspect", "."]).0, 3);
}

#[test]
fn a_root_file_system_is_judged_by_its_packages_and_says_what_it_did_not_look_into() {
    let project = Project::new();
    let record = r#"{"id":"D-1","modified":"2025-12-30T00:00:00Z","summary":"bad","affected":[{"package":{"ecosystem":"Debian:12","name":"glibc"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"2.36-9+deb12u4"}]}]}]}"#;
    project.write("../records/D-1.json", record);
    build(&project);
    let status = "Package: libc6\nStatus: install ok installed\nSource: glibc\nVersion: 2.36-9+deb12u3\n";
    project.write("root/var/lib/dpkg/status", status);
    project.write("root/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
    let scan = |target: &str, more: &[&str]| {
        let args = ["scan", target, "--database", "../a.lwa", "--at", "2026-01-01T00:00:00Z"];
        project.run(&[&args, more].concat())
    };
    let (code, text) = scan("root", &[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("D-1") && text.contains("update to 2.36-9+deb12u4"), "{text}");
    project.write("root/var/lib/dpkg/status", &status.replace("u3", "u4"));
    assert_eq!(scan("root", &[]).0, 0);
    // A program that no package accounts for and that says nothing of itself.
    project.write("root/usr/bin/x.exe", "MZ");
    let (code, text) = scan("root", &[]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("do not say what they were built of"), "{text}");
    project.write("root/var/lib/dpkg/info/x.list", "/bin/x.exe\n");
    assert_eq!(scan("root", &[]).0, 0);
    project.write("root/usr/lib/sysimage/rpm/Packages.db", "not one");
    let (code, text) = scan("root", &[]);
    assert!(code == 3 && text.contains("packages-malformed"), "{code} {text}");
    std::fs::remove_file(project.path().join("root/usr/lib/sysimage/rpm/Packages.db")).unwrap();
    project.write("root/etc/os-release", "ID=debian\n");
    let (code, text) = scan("root", &["--allow-unknown"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("distribution-unknown"), "{text}");
    // What is installed is another question than what is locked.
    project.write("app/node_modules/left/package.json", "{\"name\":\"left\",\"version\":\"1.0.0\"}");
    let (code, text) = scan("app", &["--installed"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("nothing is known of npm"), "{text}");
}

#[test]
fn a_release_is_held_against_the_one_before() {
    use linkward_testkit::image::{file, gzip, tar};
    let project = Project::new();
    let write = |name: &str, files: &[(&str, &str)]| {
        let named: Vec<(String, &str)> =
            files.iter().map(|(path, text)| (format!("package/{path}"), *text)).collect();
        let entries: Vec<_> = named.iter().map(|(path, text)| file(path, text.as_bytes())).collect();
        project.write(name, "");
        std::fs::write(project.path().join(name), gzip(&tar(&entries))).unwrap();
    };
    let manifest = r#"{"name":"left","version":"1.0.0"}"#;
    write("old.tgz", &[("package.json", manifest), ("index.js", "module.exports = 1")]);
    write("same.tgz", &[("package.json", manifest), ("index.js", "module.exports = 2")]);
    write(
        "new.tgz",
        &[
            ("package.json", r#"{"name":"left","scripts":{"postinstall":"node x.js"}}"#),
            ("x.js", "require('child_process')"),
        ],
    );
    let (code, text) = project.run(&["inspect", "--previous", "old.tgz", "same.tgz"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = project.run(&["inspect", "--previous", "old.tgz", "new.tgz"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("capability-gained") && text.contains("node x.js") && text.contains("x.js:1"),
        "{text}"
    );
    let (code, text) = project.run(&["inspect", "new.tgz", "--fail-on", "low"]);
    assert!(code == 1 && text.contains("install-script"), "{code} {text}");
    std::fs::write(project.path().join("cut.tgz"), b"\x1f\x8b\x08").unwrap();
    let (code, text) = project.run(&["inspect", "--previous", "old.tgz", "cut.tgz"]);
    assert!(code == 2 && text.contains("archive-malformed"), "{code} {text}");
}

#[test]
fn names_and_build_logs_are_held_against_lockfiles() {
    let project = Project::new();
    project.write("Cargo.lock", &LOCK.replace("\"left\"", "\"tokoi\"").replace("\"right\"", "\"shop-cart\""));
    project.write("../names.toml", "[reserved]\ncargo = [\"shop-*\"]\n");
    let (code, text) = project.run(&["inspect", ".", "--names", "../names.toml"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("name-squat") && text.contains("`tokio`") && text.contains("dependency-confusion"),
        "{text}"
    );
    project.write("Cargo.lock", LOCK);
    project.write(
        "../build.log",
        "  Downloaded left v1.1.0\n  Downloaded right v1.0.1\n  Downloaded other v0.1.0\n",
    );
    let (code, text) = project.run(&["inspect", ".", "--build-log", "../build.log"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("the lockfile names 1.0.0") && text.contains("`other` 0.1.0 was fetched, no lockfile"),
        "{text}"
    );
    project.write("../build.log", "  Downloaded left v1.1.0\n  Downloaded right v1.0.0\n");
    assert_eq!(project.run(&["inspect", ".", "--build-log", "../build.log"]).0, 0);
    project.write("../build.log", "nothing\n");
    assert_eq!(project.run(&["inspect", ".", "--build-log", "../build.log"]).0, 3);
}

/// An SBOM's points, with what costs them; a pipeline can ask for so many.
#[test]
fn an_sbom_is_as_good_as_what_it_says() {
    let project = Project::new();
    let lock = |licence: &str| {
        format!(
            r#"{{"name":"p","lockfileVersion":3,"packages":{{"":{{"name":"p"}},"node_modules/left":{{"version":"1.0.0",
            "integrity":"sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="{licence}}}}}}}"#
        )
    };
    project.write("package-lock.json", &lock(""));
    let (code, text) = project.run(&["sbom", "--quality", "."]);
    assert_eq!(code, 0, "{text}");
    assert!(text.starts_with("quality 80 of 100\n"), "{text}");
    assert!(text.contains("licences   0 of 15   1 of 1 components have no licence"), "{text}");
    assert_eq!(project.run(&["sbom", "--quality", "--min-quality", "80", "."]).0, 0);
    assert_eq!(project.run(&["sbom", "--quality", "--min-quality", "81", "."]).0, 1);
    assert_eq!(project.run(&["sbom", "--min-quality", "81", "."]).0, 2, "it needs --quality");
    project.write("package-lock.json", &lock(r#","license":"(MIT OR Apache-2.0)""#));
    let (_, text) = project.run(&["sbom", "--quality", "--format", "json", "."]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((report["quality"]["score"].as_u64(), report["components"].as_u64()), (Some(95), Some(1)));
    let (_, text) = project.run(&["sbom", "."]);
    let sbom: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(sbom["components"][0]["licenses"][0]["expression"], "(MIT OR Apache-2.0)");
    // What cannot be seen whole is not good enough, whatever its points.
    project.write("sub/package-lock.json", "{");
    assert_eq!(project.run(&["sbom", "--quality", "--min-quality", "50", "."]).0, 3);
    let nothing = Project::new();
    let (code, text) = nothing.run(&["sbom", "--quality", "."]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("nothing-found"), "{text}");
}

/// SOURCE_DATE_EPOCH is the time of the SBOM; one that is no time is an error, not another time.
#[test]
fn an_sbom_has_the_time_of_its_source() {
    let project = project();
    let run = |epoch: &str| {
        let output = project.command(&["sbom", "."]).env("SOURCE_DATE_EPOCH", epoch).output().unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
        )
    };
    let (_, text) = run("1700000000");
    assert!(text.contains("\"timestamp\": \"2023-11-14T22:13:20Z\""), "{text}");
    for wrong in ["", "yesterday", "-1", "99999999999999"] {
        let (code, text) = run(wrong);
        assert_eq!(code, 2, "{text}");
        assert!(text.contains("SOURCE_DATE_EPOCH"), "{text}");
    }
    assert!(!project.run(&["sbom", "."]).1.contains("timestamp"));
}

/// Where a home is named, what was seen of a project is recorded, once.
#[test]
fn an_sbom_is_recorded_where_a_home_is_named() {
    let project = project();
    project.run(&["up", "--no-serve"]);
    let home = project.path().join(".linkward");
    let other = Project::new();
    other.write(
        "sub/package-lock.json",
        r#"{"name":"p","lockfileVersion":3,"packages":{"node_modules/seen":{"version":"7.0.0"}}}"#,
    );
    let args = ["--home", home.to_str().unwrap(), "sbom", "sub"];
    for _ in 0..2 {
        let (code, text) = other.run(&args);
        assert!(code == 3 && text.contains("pkg:npm/seen@7.0.0"), "{code} {text}");
    }
    let (code, text) = project.run(&["why", "pkg:npm/seen@7.0.0"]);
    assert_eq!((code, text.matches("sub").count()), (0, 1), "{text}");
}

/// What a registry says of a package against its archive: the bytes, the manifest, and what is left open.
#[test]
fn a_package_is_held_against_its_registry() {
    use linkward_testkit::image::{file, gzip, tar};
    let project = Project::new();
    let manifest = r#"{"name":"left","version":"1.0.0","scripts":{"postinstall":"node x.js"}}"#;
    let archive = gzip(&tar(&[file("package/package.json", manifest.as_bytes())]));
    std::fs::write(project.path().join("left.tgz"), &archive).unwrap();
    project.write("left.json", r#"{"name":"left","time":{"1.0.0":"2026-01-01T00:00:00Z"},"versions":{"1.0.0":{"name":"left","version":"1.0.0","dist":{}}}}"#);
    let args = ["inspect", "left.tgz", "--registry", "left.json", "--at", "2026-01-02T00:00:00Z"];
    let (code, text) = project.run(&args);
    assert_eq!(code, 1, "{text}");
    for says in [
        "manifest-confusion",
        "script `postinstall` is `node x.js` in the archive and absent",
        "version-young",
        "registry-silent",
    ] {
        assert!(text.contains(says), "{says}: {text}");
    }
    project.write("left.json", "{}");
    let (code, text) = project.run(&args);
    assert!(code == 3 && text.contains("unsupported-format") && text.contains("left.json"), "{code} {text}");
    let (code, text) = project.run(&["inspect", ".", "--registry", "left.json"]);
    assert!(code == 2 && text.contains(". is a folder: --registry takes the archive"), "{code} {text}");
}

/// CI of a package that others published runs nothing here, and keys in its tests are nobody's; in its source they are found.
#[test]
fn somebody_elses_package_is_judged_by_what_runs() {
    let project = Project::new();
    let key =
        format!("-----BEGIN {} KEY-----\n{}\n-----END {0} KEY-----\n", "RSA PRIVATE", "MIIEow".repeat(40));
    let own = [
        ("test/key.pem", key.as_str()),
        (".github/workflows/a.yml", "on: push\njobs: { a: { runs-on: x, steps: [{ uses: a/b@v1 }] } }\n"),
    ];
    for (place, code) in [("lib", 1), ("node_modules/lib", 0)] {
        for (name, text) in own {
            project.write(&format!("{place}/{name}"), text);
        }
        project.write(&format!("{place}/package.json"), r#"{"name":"lib","version":"1.0.0"}"#);
        let (exit, text) = project.run(&["inspect", place]);
        assert_eq!(exit, code, "{place}: {text}");
        assert!(text.contains("secret-exposed"), "{place}: {text}");
    }
    project.write("node_modules/lib/lib/key.pem", &key);
    assert_eq!(project.run(&["inspect", "node_modules/lib"]).0, 1);
}
