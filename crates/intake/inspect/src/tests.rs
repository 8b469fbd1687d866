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
