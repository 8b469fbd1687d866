//! Sigma rules: what fires, what does not, what is refused with its place; correlations in whatever order events come.

use linkward_detect::{Alert, Engine, Estate, Pack, Refused, load_sigma};
use linkward_evidence::event::{Delivery, Event, feed, read_all};
use serde_json::{Value, json};

/// An event of a cloud's trail, a number of seconds after noon.
fn call(id: u32, second: u32, name: &str, further: Value) -> Event {
    let mut record = json!({
        "eventVersion": "1.08", "eventID": format!("00000000-0000-0000-0000-{id:012}"),
        "eventTime": format!("2026-01-05T12:{:02}:{:02}Z", second / 60, second % 60),
        "eventSource": "iam.amazonaws.com", "eventName": name, "awsRegion": "eu-central-1",
        "sourceIPAddress": "10.1.2.3", "userAgent": "aws-cli",
        "userIdentity": { "type": "IAMUser", "userName": "ada", "arn": "arn:aws:iam::1:user/ada" },
        "eventType": "AwsApiCall", "requestParameters": null, "readOnly": false,
    });
    for (key, value) in further.as_object().into_iter().flatten() {
        record[key] = value.clone();
    }
    let text = json!({ "Records": [record] }).to_string();
    let mut events = read_all(text.as_bytes(), feed("cloudtrail"), &Delivery::default()).unwrap();
    events.pop().unwrap()
}

fn pack(texts: &[&str]) -> (Pack, Vec<Refused>) {
    let files: Vec<(String, String)> = texts
        .iter()
        .enumerate()
        .map(|(number, text)| (format!("{number}.yml"), (*text).to_owned()))
        .collect();
    load_sigma(&files)
}

/// A rule around a detection.
fn rule(detection: &str) -> String {
    format!(
        "title: A test\nid: test\nlogsource: {{product: aws, service: cloudtrail}}\nlevel: high\ntags: [attack.t1098, attack.persistence]\ndetection:\n{detection}"
    )
}

fn fires(detection: &str, event: &Event) -> bool {
    let text = rule(detection);
    let (pack, refused) = pack(&[&text]);
    assert_eq!(refused, [], "{detection}");
    let mut engine = Engine::with(Estate::default(), &pack);
    engine.ingest(event.clone()).iter().any(|change| change.finding.rule == "sigma:test")
}

#[test]
fn each_modifier_fires_on_what_fits_and_on_nothing_else() {
    let event = call(
        1,
        0,
        "CreateUser",
        json!({
            "requestParameters": { "userName": "Mallory", "tags": ["one", "two"], "size": 42, "quick": "-EncodedCommand",
                "blob": "eHh4aHR0cDovL2V2aWx4", "wide": "aAB0AHQAcAA=" },
            "errorCode": "AccessDenied", "errorMessage": "User: ada is not authorized",
        }),
    );
    let only = |item: &str| format!("  selection:\n    {item}\n  condition: selection\n");
    for (item, expected) in [
        ("eventName: createuser", true),
        ("eventName|cased: createuser", false),
        ("eventName|cased: CreateUser", true),
        ("eventName: Create*", true),
        ("eventName: Create?ser", true),
        ("eventName: [DeleteUser, CreateUser]", true),
        ("eventName: [DeleteUser, CreateRole]", false),
        ("eventName|startswith: create", true),
        ("eventName|endswith: create", false),
        ("errorMessage|contains: not auth", true),
        ("errorMessage|contains|all: [ada, authorized]", true),
        ("errorMessage|contains|all: [ada, eve]", false),
        ("eventName|neq: DeleteUser", true),
        ("eventName|neq: CreateUser", false),
        ("eventName|re: ^Create(User|Role)$", true),
        ("eventName|re: ^create", false),
        ("eventName|re|i: ^create", true),
        ("sourceIPAddress|cidr: 10.0.0.0/8", true),
        ("sourceIPAddress|cidr: [192.168.0.0/16, 172.16.0.0/12]", false),
        ("requestParameters.size|gt: 41", true),
        ("requestParameters.size|gte: 42", true),
        ("requestParameters.size|lt: 42", false),
        ("requestParameters.size|lte: 42", true),
        ("requestParameters.size: 42", true),
        ("requestParameters.tags: two", true),
        ("requestParameters.tags: three", false),
        ("requestParameters.userName|exists: true", true),
        ("requestParameters.nothing|exists: true", false),
        ("requestParameters.nothing|exists: false", true),
        ("requestParameters.nothing: null", true),
        ("eventName: null", false),
        ("eventName: ''", false),
        ("readOnly: 'false'", true),
        ("userIdentity.userName|fieldref: requestParameters.userName", false),
        ("errorMessage|contains|fieldref: userIdentity.userName", true),
        ("requestParameters.blob|base64offset|contains: http://evil", true),
        ("requestParameters.blob|base64offset|contains: http://good", false),
        ("requestParameters.wide|wide|base64: http", true),
        ("requestParameters.quick|windash|startswith: '-enc'", true),
    ] {
        assert_eq!(fires(&only(item), &event), expected, "{item}");
    }
    for (detection, expected) in [
        ("  keywords:\n    - mallory\n  condition: keywords\n", true),
        ("  keywords:\n    - eve\n  condition: keywords\n", false),
        ("  a: {eventName: CreateUser}\n  b: {errorCode: AccessDenied}\n  condition: a and not b\n", false),
        ("  a:\n    - eventName: X\n    - errorCode: AccessDenied\n  condition: 1 of a*\n", true),
        ("  a: {eventName: X}\n  b: {eventName: Y}\n  condition: [a, not b]\n", true),
    ] {
        assert_eq!(fires(detection, &event), expected, "{detection}");
    }
}

#[test]
fn a_sigma_finding_is_a_ticket_and_says_whom_it_is_about() {
    let text =
        rule("  s: {eventName: CreateUser}\n  condition: s\n") + "fields: [requestParameters.userName]\n";
    let (pack, _) = pack(&[&text]);
    let mut engine = Engine::with(Estate::default(), &pack);
    let event = call(1, 0, "CreateUser", json!({ "requestParameters": { "userName": "mallory" } }));
    let changes = engine.ingest(event);
    let finding = &changes.iter().find(|change| change.finding.rule == "sigma:test").unwrap().finding;
    assert_eq!((finding.alert, finding.title), (Alert::Ticket, "A test"), "never a page");
    assert!(finding.subject.contains("ada"), "{}", finding.subject);
    assert_eq!(
        (finding.facts[0].name.as_str(), finding.facts[0].value.as_str()),
        ("requestParameters.userName", "mallory")
    );
    assert_eq!(pack.about().next().unwrap().covers, ["T1098"]);
    // Another cloud's event is none of its business, whatever it is called.
    let other = json!({ "protoPayload": { "methodName": "CreateUser" }, "eventName": "CreateUser" });
    let mut event = call(2, 0, "CreateUser", json!({}));
    event.raw = other;
    assert!(!engine.ingest(event).iter().any(|change| change.finding.rule == "sigma:test"));
}

#[test]
fn what_is_not_evaluated_is_refused_with_its_place() {
    let good = rule("  s: {eventName: X}\n  condition: s\n");
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    for (text, place) in [
        (with("title: A test\n", ""), "title"),
        (with("id: test\n", ""), "id"),
        (with("level: high", "level: huge"), "level"),
        (with("level: high", "status: deprecated"), "status"),
        (with("product: aws, service: cloudtrail", "product: aws, service: guardduty"), "logsource"),
        (
            with("product: aws, service: cloudtrail", "category: process_creation, product: windows"),
            "logsource.category",
        ),
        (with("product: aws, ", ""), "logsource.product"),
        (with("eventName: X", "eventName|expand: '%admins%'"), "detection.s.eventName|expand"),
        (with("eventName: X", "eventName|re: '(?=a)b'"), "detection.s.eventName|re"),
        (with("eventName: X", "eventName|cidr: many"), "detection.s.eventName|cidr"),
        (with("eventName: X", "eventName|gt: many"), "detection.s.eventName|gt"),
        (with("eventName: X", "eventName: []"), "detection.s.eventName"),
        (with("condition: s", "condition: t"), "detection.condition"),
        (with("condition: s", "condition: s | count() > 5"), "detection.condition"),
        (with("condition: s", "timeframe: 5m\n  condition: s"), "detection.timeframe"),
        (with("  condition: s\n", ""), "detection.condition"),
        (with("detection:", "detections:"), "detection"),
        ("title: [".to_owned(), "line"),
    ] {
        let (pack, refused) = pack(&[&text]);
        assert!(pack.is_empty(), "{text}");
        assert!(refused[0].place.starts_with(place), "{place}: {refused:?}");
        assert_eq!(refused[0].file, "0.yml");
    }
    // One that is refused takes no other with it.
    let (pack, refused) = pack(&[&good, "title: x\n", &good]);
    assert_eq!((pack.len(), refused.len()), (1, 2));
    assert!(refused.iter().any(|one| one.why.contains("another rule has this id")), "{refused:?}");
}

fn correlated(correlation: &str) -> Pack {
    let named = |name: &str, event: &str| {
        format!(
            "title: {name}\nname: {name}\nid: id-{name}\nlogsource: {{product: aws, service: cloudtrail}}\ndetection:\n  s: {{eventName: {event}}}\n  condition: s\n"
        )
    };
    let text = format!(
        "{}---\n{}---\ntitle: Together\nid: together\nlevel: high\ncorrelation:\n{correlation}",
        named("made", "CreateUser"),
        named("armed", "AttachUserPolicy")
    );
    let (pack, refused) = pack(&[&text]);
    assert_eq!(refused, []);
    pack
}

/// The findings of the events in every one of some orders, which must be the same.
fn found(pack: &Pack, events: &[Event]) -> Vec<(String, String)> {
    let run = |order: Vec<Event>| {
        let mut engine = Engine::with(Estate::default(), pack);
        for event in order {
            engine.ingest(event);
        }
        engine
            .findings()
            .iter()
            .filter(|finding| finding.rule.starts_with("sigma:"))
            .map(|finding| (finding.rule.to_owned(), finding.subject.clone()))
            .collect::<Vec<_>>()
    };
    let forward = run(events.to_vec());
    let mut order = events.to_vec();
    for turn in 0..events.len() {
        order.rotate_left(1);
        assert_eq!(run(order.clone()), forward, "turned by {turn}");
    }
    order.reverse();
    assert_eq!(run(order.clone()), forward, "backwards");
    order.extend(events.to_vec());
    assert_eq!(run(order), forward, "twice");
    forward
}

#[test]
fn counts_values_and_orders_within_a_time_and_a_group() {
    let by = |who: &str| json!({ "userIdentity": { "type": "IAMUser", "userName": who }, "requestParameters": { "userName": format!("{who}-2") } });
    let call = |id, second, name: &str, who: &str| call(id, second, name, by(who));
    let together = |who: &str| ("sigma:together".to_owned(), who.to_owned());
    let group = "  group-by: [userIdentity.userName]\n  timespan: 60s\n";

    let count =
        correlated(&format!("  type: event_count\n  rules: [made]\n{group}  condition: {{gte: 3}}\n"));
    let three =
        [call(1, 0, "CreateUser", "ada"), call(2, 20, "CreateUser", "ada"), call(3, 59, "CreateUser", "ada")];
    assert_eq!(found(&count, &three), [together("ada")], "what is counted says nothing by itself");
    let slow =
        [call(1, 0, "CreateUser", "ada"), call(2, 40, "CreateUser", "ada"), call(3, 80, "CreateUser", "ada")];
    assert_eq!(found(&count, &slow), []);
    let others =
        [call(1, 0, "CreateUser", "ada"), call(2, 1, "CreateUser", "bob"), call(3, 2, "CreateUser", "ada")];
    assert_eq!(found(&count, &others), [], "each group by itself");
    let more: Vec<Event> = (0..6).map(|number| call(number, number * 5, "CreateUser", "ada")).collect();
    assert_eq!(found(&count, &more), [together("ada")], "once, as long as it goes on");

    let values = correlated(
        "  type: value_count\n  rules: made\n  group-by: [awsRegion]\n  timespan: 5m\n  condition: {gt: 2, field: userIdentity.userName}\n",
    );
    let who = |names: &[&str]| -> Vec<Event> {
        names.iter().zip(0..).map(|(name, number)| call(number, number, "CreateUser", name)).collect()
    };
    assert_eq!(found(&values, &who(&["a", "b", "a", "b", "a"])), []);
    assert_eq!(found(&values, &who(&["a", "b", "a", "c"])), [together("eu-central-1")]);

    let temporal = correlated(&format!("  type: temporal\n  rules: [made, armed]\n{group}"));
    let ordered = correlated(&format!("  type: temporal_ordered\n  rules: [made, armed]\n{group}"));
    let right = [call(1, 0, "CreateUser", "ada"), call(2, 30, "AttachUserPolicy", "ada")];
    let wrong = [call(1, 30, "CreateUser", "ada"), call(2, 0, "AttachUserPolicy", "ada")];
    let late = [call(1, 0, "CreateUser", "ada"), call(2, 61, "AttachUserPolicy", "ada")];
    assert_eq!(
        (found(&temporal, &right), found(&temporal, &wrong)),
        (vec![together("ada")], vec![together("ada")])
    );
    assert_eq!((found(&ordered, &right), found(&ordered, &wrong)), (vec![together("ada")], vec![]));
    assert_eq!((found(&temporal, &late), found(&ordered, &late)), (vec![], vec![]));

    let generating = correlated(&format!(
        "  type: event_count\n  rules: [made]\n  generate: true\n{group}  condition: {{eq: 2}}\n"
    ));
    let two = [call(1, 0, "CreateUser", "ada"), call(2, 1, "CreateUser", "ada")];
    assert_eq!(found(&generating, &two).len(), 3, "with `generate` each says so too");
}

#[test]
fn correlations_that_cannot_be_kept_are_refused() {
    let base = "title: B\nname: b\nid: b\nlogsource: {product: aws, service: cloudtrail}\ndetection: {s: {eventName: X}, condition: s}\n";
    let good = "title: C\nid: c\ncorrelation:\n  type: event_count\n  rules: [b]\n  timespan: 5m\n  condition: {gte: 3}\n";
    assert_eq!(pack(&[base, good]).1, []);
    for (from, to, place) in [
        ("event_count", "value_sum", "correlation.type"),
        ("[b]", "[nobody]", "correlation.rules"),
        ("[b]", "[]", "correlation.rules"),
        ("5m", "5", "correlation.timespan"),
        ("{gte: 3}", "{lt: 3}", "correlation.condition"),
        ("{gte: 3}", "{gte: many}", "correlation.condition"),
        ("event_count", "value_count", "correlation.condition"),
        ("  condition: {gte: 3}\n", "", "correlation.condition"),
        ("  timespan", "  aliases: {x: {nobody: y}}\n  timespan", "correlation.aliases"),
    ] {
        let changed = good.replace(from, to);
        assert_ne!(changed, good);
        let (pack, refused) = pack(&[base, &changed]);
        assert_eq!((pack.len(), refused[0].place.as_str()), (1, place), "{to}: {refused:?}");
    }
}

/// A state that was kept goes on, with the same rules alone.
#[test]
fn what_was_kept_goes_on_with_the_same_pack_alone() {
    let pack = correlated("  type: event_count\n  rules: [made]\n  timespan: 60s\n  condition: {gte: 2}\n");
    let mut engine = Engine::with(Estate::default(), &pack);
    engine.ingest(call(1, 0, "CreateUser", json!({})));
    let lines: Vec<String> = engine.keep().collect();
    let again = |pack: &Pack| {
        let mut lines = lines.clone().into_iter();
        Engine::reopen::<std::convert::Infallible>(&Estate::default(), pack, || Ok(lines.next())).unwrap()
    };
    assert!(again(&Pack::default()).is_none(), "other rules have to look at everything again");
    let mut engine = again(&pack).unwrap();
    let changes = engine.ingest(call(2, 5, "CreateUser", json!({})));
    assert!(changes.iter().any(|change| change.finding.rule == "sigma:together"), "{changes:?}");
}
