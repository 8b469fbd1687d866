//! Settings: the defaults, faults with their places, and what may not stand together.

use super::*;

fn none(_: &str) -> Option<String> {
    None
}

#[test]
fn the_default_file_is_valid_with_and_without_its_comment_marks() {
    assert!(Config::parse(DEFAULT, none).is_ok());
    let active: String = DEFAULT
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| rest.contains(" = ")).unwrap_or(line))
        .flat_map(|line| [line, "\n"])
        .collect();
    let config = Config::parse(&active, none).unwrap();
    assert!(config.listen.explicit);
    assert_eq!(config.builtin_root_max_age_days, 365);
}

#[test]
fn every_fault_is_reported_with_its_place() {
    let text = "[home]\ntenant = \"Big Corp\"\ncolour = 1\n\n[consol]\n\n[console]\nlisten = \"0.0.0.0:80\"\n\
                [trust]\nbuiltin_root_max_age_days = true\n";
    let faults = Config::parse(text, none).unwrap_err();
    let places: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
    assert_eq!(places.len(), 5, "{faults:?}");
    for place in [(2, 10), (3, 1), (5, 2), (8, 10), (10, 29)] {
        assert!(places.contains(&place), "{place:?} in {faults:?}");
    }
    let broken = Config::parse("[home\n", none).unwrap_err();
    assert_eq!(broken.first().map(|fault| fault.line), Some(1));
}

#[test]
fn the_console_leaves_loopback_only_with_login_and_tls() {
    let with = |more: &str| Config::parse(&format!("[console]\nlisten = \"0.0.0.0:80\"\n{more}"), none);
    for (more, lacking) in
        [("", "login = \"on\" and tls"), ("login = \"on\"\n", "tls"), ("tls = \"on\"\n", "login")]
    {
        let faults = with(more).unwrap_err();
        assert_eq!((faults.len(), faults[0].line, faults[0].column), (1, 2, 10), "{faults:?}");
        assert!(faults[0].message.contains(&format!("takes {lacking}")), "{faults:?}");
    }
    assert!(with("login = \"on\"\ntls = \"on\"\n").is_ok());
    let fault = Config::parse("", |name| (name == "LINKWARD_CONSOLE_LISTEN").then(|| "[::]:80".to_owned()));
    assert!(fault.unwrap_err()[0].message.contains("not a loopback address"));
    for wrong in
        ["roles = [\"a\"]", "issuer = \"http://elsewhere.example\"", "scopes = [\"email\"]", "hours = 0"]
    {
        assert_eq!(Config::parse(&format!("[login]\n{wrong}\n"), none).unwrap_err().len(), 1, "{wrong}");
    }
}

#[test]
fn gates_are_set_as_strictly_as_they_are_written() {
    let text = "[admission]\nmodes = [\"dev-*=warn\"]\non_tag = \"node\"\nlease_seconds = 5\n\
                images = [\"tekton.dev/Task:spec.steps[].image\"]\n[deploy]\nsoak_seconds = 0\n";
    let config = Config::parse(text, none).unwrap();
    assert_eq!((config.gates.scopes.len(), config.gates.images.len()), (1, 1));
    assert_eq!((config.gates.lease_seconds, config.soak_seconds), (5, 0));
    for bad in [
        "modes = [\"dev-*\"]",
        "modes = [\"dev=off\"]",
        "on_stale = \"allow\"",
        "on_tag = \"warn\"",
        "lease_seconds = 0",
        "images = [\"Rollout\"]",
        "break_glass_keys = [\"ann\"]",
        "break_glass_people = 0",
        "feed = true",
    ] {
        let faults = Config::parse(&format!("[admission]\n{bad}\n"), none).unwrap_err();
        assert_eq!(faults.len(), 1, "{bad}: {faults:?}");
        assert_eq!(faults[0].line, 2, "{bad}");
    }
}

#[test]
fn variables_override_the_file() {
    let config =
        Config::parse("", |name| (name == "LINKWARD_HOME_ENVIRONMENT").then(|| "production".to_owned()));
    assert_eq!(config.unwrap().environment.as_str(), "production");
    let fault = Config::parse("", |name| (name == "LINKWARD_CONSOLE_LISTEN").then(|| "x".to_owned()));
    assert!(fault.unwrap_err()[0].message.starts_with("LINKWARD_CONSOLE_LISTEN"));
}
