use serde_json::json;

use super::*;

impl Rego {
    fn says(&self, input: Json) -> Answer {
        self.answer(Room::default().value(&input))
    }
}

fn compiled(body: &str) -> Rego {
    Rego::compile(&format!("package linkward\n{body}"))
        .unwrap_or_else(|(line, message)| panic!("{line}: {message}"))
}

fn refused(body: &str) -> (usize, String) {
    Rego::compile(&format!("package linkward\n{body}")).err().unwrap_or_else(|| panic!("accepted: {body}"))
}

#[test]
fn allow_deny_and_what_is_left_open() {
    let rego = compiled(
        "deny contains \"bad\" if input.artifact.name == \"bad\"\n\
         unknown contains \"odd\" if input.artifact.name == \"odd\"\n\
         allow if startswith(input.artifact.name, \"good\")",
    );
    let answer = |name: &str| rego.says(json!({ "artifact": { "name": name } }));
    assert_eq!(answer("good"), Answer::Allow);
    assert_eq!(answer("bad"), Answer::Deny(vec!["bad".to_owned()]));
    assert_eq!(answer("odd"), Answer::Unknown(vec!["odd".to_owned()]));
    assert_eq!(answer("other"), Answer::Unknown(Vec::new()));
}

#[test]
fn a_denial_counts_before_an_allowance() {
    let rego = compiled("deny contains \"x\" if true\nallow if true");
    assert_eq!(rego.says(json!({})), Answer::Deny(vec!["x".to_owned()]));
}

#[test]
fn an_allowance_that_is_not_true_is_none() {
    for body in ["allow := 1", "allow := \"true\"", "allow := false", "other := 1"] {
        assert_eq!(compiled(body).says(json!({})), Answer::Unknown(Vec::new()), "{body}");
    }
}

#[test]
fn a_rule_of_another_shape_is_no_empty_set() {
    for body in [
        "deny if true\nallow if true",
        "deny contains 1 if true\nallow if true",
        "unknown := []\nallow if true",
    ] {
        refused(body);
    }
}

#[test]
fn nothing_that_reads_the_world_or_is_random_may_be_called() {
    for call in [
        "http.send({\"method\": \"get\", \"url\": \"http://127.0.0.1\"})",
        "opa.runtime()",
        "time.now_ns()",
        "rand.intn(\"a\", 3)",
        "uuid.rfc4122(\"a\")",
        "net.lookup_ip_addr(\"a\")",
        "numbers.range(1, 1000000000)",
        "bits.lsh(1, 1000000000)",
        "sprintf(\"%1000000000d\", [1])",
        "print(1)",
        "trace(\"a\")",
        "json.unmarshal(\"1\")",
    ] {
        let (line, message) = refused(&format!("\nallow if {call}"));
        assert!(message.contains("may not be called") && line == 3, "{call}: {line}: {message}");
    }
    refused("allow if count([]) == 0 with count as rand.intn");
    refused("allow if input.artifact with input as {\"artifact\": true}");
}

#[test]
fn own_functions_may_be_called() {
    assert_eq!(compiled("f(x) := x + 1\nallow if f(1) == 2").says(json!({})), Answer::Allow);
}

#[test]
fn what_is_no_module_is_refused_with_its_line() {
    assert_eq!(refused("\nallow if {").0, 3);
    assert!(Rego::compile("package other\nallow := true").is_err());
    assert!(Rego::compile("allow := true").is_err());
    refused("allow if x > 1");
    // Rego v0 has rules without `if`.
    refused("allow { true }");
}

#[test]
fn it_ends_in_time_and_is_then_undecided() {
    let rego = compiled(
        "allow if count([x | some a in input.many; some b in input.many; some c in input.many; some d in input.many; x := [a, b, c, d]]) > 0",
    );
    let many: Vec<u32> = (0..1000).collect();
    let started = std::time::Instant::now();
    let answer = rego.says(json!({ "many": many }));
    assert!(matches!(answer, Answer::Failed(_)), "{answer:?}");
    // Not a measurement: without the limit it would be hours.
    assert!(started.elapsed() < Duration::from_secs(60));
}

/// Each of these doubles, multiplies or copies until there is no memory left.
#[test]
fn it_ends_within_its_memory_and_is_then_undecided() {
    let repeated = |next: &str| {
        let mut body = "allow if {\n\tx0 := input.text\n".to_owned();
        for step in 0..200 {
            let next = next.replace('X', &format!("x{step}"));
            body.push_str(&format!("\tx{} := {next}\n", step + 1));
        }
        body + "\tcount(x200) > 0\n}"
    };
    for (text, next, says) in [
        (1000, "concat(\"\", [X, X])", "longer than"),
        (1000, "replace(X, \"a\", X)", "longer than"),
        (1000, "concat(X, [\"a\", X, \"b\"])", "longer than"),
        (3 << 20, "replace(X, \"b\", \"c\")", "of memory"),
    ] {
        // Not within the second: this is about memory, and a busy machine takes its time.
        let mut engine = compiled(&repeated(next)).engine.clone();
        let timer = ExecutionTimerConfig { limit: Duration::from_secs(60), check_interval: NonZeroU32::MIN };
        engine.set_execution_timer_config(timer);
        let answer = evaluate(&mut engine, Room::default().value(&json!({ "text": "a".repeat(text) })));
        let Answer::Failed(why) = answer else { panic!("{answer:?}: {next}") };
        assert!(why.contains(says), "{why}: {next}");
    }
}

/// The two functions that are ours do what OPA's do.
#[test]
fn texts_are_put_together_as_in_opa() {
    for (call, result) in [
        ("concat(\",\", [\"b\", \"a\"])", "\"b,a\""),
        ("concat(\",\", {\"b\", \"a\"})", "\"a,b\""),
        ("concat(\"\", [])", "\"\""),
        ("replace(\"aXbX\", \"X\", \"--\")", "\"a--b--\""),
        ("replace(\"ab\", \"\", \"-\")", "\"-a-b-\""),
        ("replace(\"ab\", \"x\", \"-\")", "\"ab\""),
    ] {
        assert_eq!(
            compiled(&format!("allow if {call} == {result}")).says(json!({})),
            Answer::Allow,
            "{call}"
        );
    }
    let wrong = compiled("allow if concat(\",\", input.list) == \"\"").says(json!({ "list": [1] }));
    assert!(matches!(wrong, Answer::Failed(_)), "{wrong:?}");
}

#[test]
fn facts_beyond_the_limit_are_undecided() {
    let rego = compiled("allow if true");
    assert!(matches!(rego.says(json!({ "a": "x".repeat(MAX_INPUT) })), Answer::Failed(_)));
}

#[test]
fn one_evaluation_leaves_nothing_for_the_next() {
    let rego = compiled("allow if input.yes");
    assert_eq!(rego.says(json!({ "yes": true })), Answer::Allow);
    assert_eq!(rego.says(json!({})), Answer::Unknown(Vec::new()));
}

/// The module that asks is no way around anything: what asks itself is refused, at once.
#[test]
fn a_module_cannot_ask_for_its_own_answer() {
    for body in [
        "allow if data.linkward_answer.says.allow",
        "allow if not data.linkward_answer.says.deny",
        "deny contains \"x\" if data.linkward_answer",
        "allow if data.linkward.allow",
    ] {
        let (_, why) = refused(body);
        assert!(!why.is_empty(), "{body}");
    }
}

#[test]
fn facts_are_what_regorus_would_make_of_them() {
    let facts = json!({
        "null": null, "yes": true, "no": false, "text": "a\"b\u{e9}", "list": [1, [], {}], "deep": { "a": { "b": [null] } },
        "numbers": [0, -1, 9_007_199_254_740_993_u64, u64::MAX, i64::MIN, 0.5, -2.25e300, 1e-9],
    });
    assert_eq!(Room::default().value(&facts), Some(Value::from(facts)));
}

proptest::proptest! {
    /// What is larger as JSON finds no room; what finds none is not smaller by more than a byte for each thing that holds others.
    #[test]
    fn room_is_measured_as_json(facts in json_value()) {
        let bytes = facts.to_string().len();
        proptest::prop_assert!(Room(bytes - 1).value(&facts).is_none(), "{facts}");
        proptest::prop_assert!(Room(bytes + 1 + holders(&facts)).value(&facts).is_some(), "{facts}");
    }
}

fn json_value() -> impl proptest::strategy::Strategy<Value = Json> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<u64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        any::<String>().prop_map(Json::from),
        "[\\x00-\\x22\\\\]{0,40}".prop_map(Json::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Json::from),
            proptest::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn holders(facts: &Json) -> usize {
    match facts {
        Json::Array(items) => 1 + items.iter().map(holders).sum::<usize>(),
        Json::Object(members) => 1 + members.values().map(holders).sum::<usize>(),
        _ => 0,
    }
}

/// The room is taken by everything: texts, names, numbers, and the number of things.
#[test]
fn facts_take_room_by_what_they_hold() {
    for facts in [
        json!("a".repeat(100)),
        json!({ "a".repeat(100): 1 }),
        json!(vec![1; 100]),
        json!(vec![""; 100]),
        json!(vec![json!([]); 100]),
        json!(vec![json!(null); 100]),
    ] {
        assert_eq!(Room(99).value(&facts), None, "{facts}");
        assert!(Room(10_000).value(&facts).is_some(), "{facts}");
    }
}
