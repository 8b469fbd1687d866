//! Selections: fields, modifiers, values, and the texts of a document that they are held against.

use std::borrow::Cow;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use regex::{Regex, RegexBuilder};
use serde_json::Value;

/// One selection of a rule.
#[derive(Debug)]
pub(crate) enum Selection {
    /// Every field must hold.
    All(Vec<Item>),
    Any(Vec<Selection>),
    /// Words anywhere in the document.
    Keywords {
        words: Vec<Test>,
        all: bool,
    },
}

/// A field and what its value is held against.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) field: String,
    pub(crate) tests: Vec<Test>,
    /// All of the tests, not one of them.
    pub(crate) all: bool,
    /// `neq`: none of them.
    pub(crate) none: bool,
}

#[derive(Debug)]
pub(crate) enum Test {
    Text(Glob),
    Regex(Regex),
    Cidr {
        network: u128,
        bits: u32,
        v6: bool,
    },
    Number(Order, f64),
    /// Not there, or null.
    Null,
    Exists(bool),
    /// The value of another field.
    Field {
        name: String,
        how: Place,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Greater,
    AtLeast,
    Less,
    AtMost,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Whole,
    Within,
    Start,
    End,
}

impl Selection {
    pub(crate) fn matches(&self, document: &Value) -> bool {
        match self {
            Self::All(items) => items.iter().all(|item| item.matches(document)),
            Self::Any(parts) => parts.iter().any(|part| part.matches(document)),
            Self::Keywords { words, all } => {
                let found = |word: &Test| anywhere(document, &|text| word.of_text(text));
                if *all { words.iter().all(found) } else { words.iter().any(found) }
            }
        }
    }
}

/// Whether any text of the document, however deep, holds.
fn anywhere(value: &Value, holds: &impl Fn(&str) -> bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| anywhere(item, holds)),
        Value::Object(members) => members.values().any(|member| anywhere(member, holds)),
        other => text(other).is_some_and(|text| holds(&text)),
    }
}

impl Item {
    fn matches(&self, document: &Value) -> bool {
        let found = values(document, &self.field);
        let holds = |test: &Test| test.holds(&found, document);
        match (self.none, self.all) {
            (true, _) => !self.tests.iter().any(holds),
            (false, true) => self.tests.iter().all(holds),
            (false, false) => self.tests.iter().any(holds),
        }
    }
}

impl Test {
    fn holds(&self, found: &[&Value], document: &Value) -> bool {
        match self {
            Self::Null => found.iter().all(|value| value.is_null()),
            Self::Exists(wanted) => found.is_empty() != *wanted,
            Self::Field { name, how } => {
                let others: Vec<String> = values(document, name)
                    .into_iter()
                    .filter_map(text)
                    .map(|text| text.to_lowercase())
                    .collect();
                found.iter().filter_map(|value| text(value)).any(|value| {
                    let value = value.to_lowercase();
                    others.iter().any(|other| match how {
                        Place::Whole => value == *other,
                        Place::Within => value.contains(other.as_str()),
                        Place::Start => value.starts_with(other.as_str()),
                        Place::End => value.ends_with(other.as_str()),
                    })
                })
            }
            Self::Number(order, wanted) => found.iter().any(|value| {
                let number = match value {
                    Value::Number(number) => number.as_f64(),
                    Value::String(text) => text.parse().ok(),
                    _ => None,
                };
                number.is_some_and(|number| match order {
                    Order::Greater => number > *wanted,
                    Order::AtLeast => number >= *wanted,
                    Order::Less => number < *wanted,
                    Order::AtMost => number <= *wanted,
                })
            }),
            Self::Text(_) | Self::Regex(_) | Self::Cidr { .. } => {
                found.iter().filter_map(|value| text(value)).any(|text| self.of_text(&text))
            }
        }
    }

    /// The one value in lower case that it wants, whatever its case.
    pub(crate) fn exact(&self) -> Option<&str> {
        match self {
            Self::Text(Glob { plain: Some((Place::Whole, literal)), cased: false, .. }) => Some(literal),
            _ => None,
        }
    }

    fn of_text(&self, text: &str) -> bool {
        match self {
            Self::Text(glob) => glob.matches(text),
            Self::Regex(regex) => regex.is_match(text),
            Self::Cidr { network, bits, v6 } => text.parse::<IpAddr>().is_ok_and(|address| {
                let (number, width) = number_of(address);
                let shift = width.saturating_sub(*bits);
                (width == 128) == *v6 && (*bits == 0 || number >> shift == network >> shift)
            }),
            _ => false,
        }
    }

    /// # Errors
    /// Not `ADDRESS/BITS`.
    pub(crate) fn cidr(text: &str) -> Result<Self, String> {
        let parsed = || {
            let (address, bits) = text.split_once('/')?;
            let (network, width) = number_of(address.parse().ok()?);
            let bits = bits.parse().ok().filter(|bits| *bits <= width)?;
            Some(Self::Cidr { network, bits, v6: width == 128 })
        };
        parsed().ok_or_else(|| format!("`{text}` is not ADDRESS/BITS"))
    }

    /// # Errors
    /// Not an expression, or one with look-around or back-references, which is not evaluated here.
    pub(crate) fn regex(text: &str, flags: &str) -> Result<Self, String> {
        let built = RegexBuilder::new(text)
            .case_insensitive(flags.contains('i'))
            .multi_line(flags.contains('m'))
            .dot_matches_new_line(flags.contains('s'))
            .size_limit(1 << 20)
            .build();
        built.map(Self::Regex).map_err(|_| format!("the expression `{text}` is not evaluated here"))
    }
}

fn number_of(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    }
}

/// A text with `*` and `?`, in any case unless it is said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob {
    parts: Vec<Part>,
    cased: bool,
    /// The same where wildcards stand at the ends alone: most patterns are of this kind.
    plain: Option<(Place, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    One(char),
    AnyOne,
    Run,
}

impl Glob {
    /// A backslash takes a wildcard, or another backslash before one, as it is.
    pub(crate) fn parse(text: &str, cased: bool) -> Self {
        let mut parts = Vec::new();
        let mut rest = text.chars().peekable();
        while let Some(c) = rest.next() {
            match (c, rest.peek()) {
                ('\\', Some('*' | '?' | '\\')) => parts.extend(rest.next().map(Part::One)),
                ('*', _) => {
                    if parts.last() != Some(&Part::Run) {
                        parts.push(Part::Run);
                    }
                }
                ('?', _) => parts.push(Part::AnyOne),
                (c, _) => parts.push(Part::One(c)),
            }
        }
        Self { parts, cased, plain: None }.folded()
    }

    /// A text that has no wildcards.
    pub(crate) fn literal(text: &str, cased: bool) -> Self {
        Self { parts: text.chars().map(Part::One).collect(), cased, plain: None }.folded()
    }

    fn folded(mut self) -> Self {
        if !self.cased {
            let fold = |part: Part| -> Vec<Part> {
                match part {
                    Part::One(c) => c.to_lowercase().map(Part::One).collect(),
                    other => vec![other],
                }
            };
            self.parts = self.parts.into_iter().flat_map(fold).collect();
        }
        self.plain = self.as_plain();
        self
    }

    fn as_plain(&self) -> Option<(Place, String)> {
        let (start, rest) = match self.parts.as_slice() {
            [Part::Run, rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let (end, rest) = match rest {
            [rest @ .., Part::Run] => (true, rest),
            rest => (false, rest),
        };
        let place = match (start, end) {
            (false, false) => Place::Whole,
            (true, true) => Place::Within,
            (false, true) => Place::Start,
            (true, false) => Place::End,
        };
        let one = |part: &Part| if let Part::One(c) = part { Some(*c) } else { None };
        Some((place, rest.iter().map(one).collect::<Option<String>>()?))
    }

    pub(crate) fn at(mut self, place: Place) -> Self {
        if matches!(place, Place::Within | Place::End) {
            self.parts.insert(0, Part::Run);
        }
        if matches!(place, Place::Within | Place::Start) {
            self.parts.push(Part::Run);
        }
        self.plain = self.as_plain();
        self
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match &self.plain {
            Some((place, literal)) if self.cased => stands(*place, literal, text),
            Some((place, literal)) if text.is_ascii() => stands_in_any_case(*place, literal, text),
            Some((place, literal)) => {
                let folded: String = text.chars().flat_map(char::to_lowercase).collect();
                stands(*place, literal, &folded)
            }
            None => self.walk(text),
        }
    }

    fn walk(&self, text: &str) -> bool {
        let text: Vec<char> = if self.cased {
            text.chars().collect()
        } else {
            text.chars().flat_map(char::to_lowercase).collect()
        };
        let (mut at, mut place) = (0, 0);
        // Where to go on if the shortest run for the last star was too short.
        let mut again: Option<(usize, usize)> = None;
        while at < text.len() {
            match self.parts.get(place) {
                Some(Part::Run) => {
                    again = Some((place, at));
                    place += 1;
                    continue;
                }
                Some(Part::AnyOne) => {
                    (at, place) = (at + 1, place + 1);
                    continue;
                }
                Some(Part::One(c)) if text.get(at) == Some(c) => {
                    (at, place) = (at + 1, place + 1);
                    continue;
                }
                _ => {}
            }
            let Some((star, from)) = again else { return false };
            (place, at) = (star + 1, from + 1);
            again = Some((star, from + 1));
        }
        self.parts.iter().skip(place).all(|part| *part == Part::Run)
    }
}

fn stands(place: Place, literal: &str, text: &str) -> bool {
    match place {
        Place::Whole => text == literal,
        Place::Within => text.contains(literal),
        Place::Start => text.starts_with(literal),
        Place::End => text.ends_with(literal),
    }
}

/// As [`stands`] for a text of ASCII alone, and a literal in lower case.
fn stands_in_any_case(place: Place, literal: &str, text: &str) -> bool {
    let (literal, text) = (literal.as_bytes(), text.as_bytes());
    let same = |part: Option<&[u8]>| part.is_some_and(|part| part.eq_ignore_ascii_case(literal));
    match place {
        Place::Whole => text.eq_ignore_ascii_case(literal),
        Place::Start => same(text.get(..literal.len())),
        Place::End => same(text.len().checked_sub(literal.len()).and_then(|from| text.get(from..))),
        Place::Within => {
            let Some(first) = literal.first() else { return true };
            let last = text.len().checked_sub(literal.len());
            last.is_some_and(|last| {
                (0..=last).any(|at| {
                    text.get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(first))
                        && same(text.get(at..at.saturating_add(literal.len())))
                })
            })
        }
    }
}

/// The three ways in which a text can stand inside an encoded one, without what its neighbours decide.
pub(crate) fn base64_offsets(bytes: &[u8]) -> [String; 3] {
    [0, 1, 2].map(|offset| {
        let padded = [vec![0; offset], bytes.to_vec()].concat();
        let encoded = STANDARD_NO_PAD.encode(&padded);
        let start = [0, 2, 3].get(offset).copied().unwrap_or(0);
        let end = encoded.len().saturating_sub(usize::from(!padded.len().is_multiple_of(3)));
        encoded.get(start..end.max(start)).unwrap_or_default().to_owned()
    })
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// A scalar as text: `42` in a rule is `42` in a document, whether number or text.
pub(crate) fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
        _ => None,
    }
}

/// What stands under a name: `a.b` is the member of a member, or a member of that very name. Of a list every item.
pub(crate) fn values<'v>(document: &'v Value, name: &str) -> Vec<&'v Value> {
    let mut found = Vec::new();
    collect(document, name, 0, &mut found);
    found
}

fn collect<'v>(value: &'v Value, name: &str, depth: usize, found: &mut Vec<&'v Value>) {
    if depth > 32 {
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, depth + 1, found)),
        Value::Object(members) => {
            if let Some(value) = members.get(name) {
                match value {
                    Value::Array(items) => found.extend(items),
                    value => found.push(value),
                }
                return;
            }
            for (at, _) in name.match_indices('.') {
                let (first, rest) = name.split_at_checked(at).unwrap_or((name, ""));
                if let Some(value) = members.get(first) {
                    collect(value, rest.get(1..).unwrap_or(""), depth + 1, found);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn wildcards_cases_and_escapes() {
        for (pattern, text, expected) in [
            ("abc", "ABC", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbcd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            (r"a\*c", "a*c", true),
            (r"a\*c", "abc", false),
            (r"C:\Windows\*", r"c:\windows\*", false),
            (r"C:\Windows\\*", r"c:\windows\system32", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("*ß", "STRASSE ẞ", true),
        ] {
            assert_eq!(Glob::parse(pattern, false).matches(text), expected, "{pattern} on {text}");
        }
        assert!(!Glob::parse("abc", true).matches("ABC"));
        assert!(Glob::literal("a*", false).at(Place::Start).matches("A*bc"));
        assert!(!Glob::literal("b", false).at(Place::Start).matches("abc"));
        // A text that is made to be slow is not.
        let slow = Glob::parse(&"*a".repeat(50), false);
        assert!(!slow.matches(&"a".repeat(49)) && slow.matches(&"a".repeat(5000)));
    }

    #[test]
    fn networks_and_expressions() {
        let holds = |cidr: &str, text: &str| Test::cidr(cidr).unwrap().of_text(text);
        assert!(holds("10.0.0.0/8", "10.200.1.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1") && !holds("10.0.0.0/8", "host"));
        assert!(holds("fe80::/10", "fe80::1") && !holds("fe80::/10", "fec0::1"));
        for bad in ["10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/"] {
            assert!(Test::cidr(bad).is_err(), "{bad}");
        }
        assert!(Test::regex("^a.c$", "").unwrap().of_text("abc"));
        assert!(
            !Test::regex("^a.c$", "").unwrap().of_text("ABC")
                && Test::regex("^a.c$", "i").unwrap().of_text("ABC")
        );
        assert!(Test::regex("(?=a)b", "").is_err());
    }

    #[test]
    fn names_lead_through_members_lists_and_dots() {
        let document = json!({
            "a": { "b": [{ "c": 1 }, { "c": "two" }], "d.e": true }, "f.g": "flat", "n": null,
        });
        let texts = |name: &str| {
            values(&document, name).into_iter().filter_map(text).map(Cow::into_owned).collect::<Vec<_>>()
        };
        assert_eq!(texts("a.b.c"), ["1", "two"]);
        assert_eq!(
            (texts("a.d.e"), texts("f.g"), texts("a.x")),
            (vec!["true".to_owned()], vec!["flat".to_owned()], vec![])
        );
        assert_eq!(values(&document, "n").len(), 1);
    }

    #[test]
    fn offsets_are_found_in_whatever_is_encoded_around_them() {
        for before in ["", "x", "xy", "xyz"] {
            for after in ["", "q", "qr"] {
                let encoded = base64(format!("{before}http://evil{after}").as_bytes());
                let found = base64_offsets(b"http://evil").iter().any(|part| encoded.contains(part.as_str()));
                assert!(found, "{before} {after}: {encoded}");
            }
        }
    }
}
