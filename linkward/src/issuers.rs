//! `[[issuer]]` in linkward.toml: whose identity tokens the certificate authority takes, and how their claims are read.

use linkward_issue::sigstore::claims::Kind;
use toml::Spanned;
use toml::de::DeValue;

/// An issuer that is trusted to say who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issuer {
    /// The `iss` of its tokens, exactly.
    pub(crate) url: String,
    pub(crate) kind: Kind,
    /// The `aud` that its tokens must have.
    pub(crate) audience: String,
    /// Its key set, a file; relative to the home.
    pub(crate) jwks: String,
    /// Whether one token may certify several keys, as in CI that gives a job one token.
    pub(crate) reuse: bool,
}

const KEYS: &[&str] = &["url", "kind", "audience", "jwks", "reuse"];

/// Reads the list; each fault with the offset that it stands at.
pub(crate) fn read(value: &Spanned<DeValue<'_>>) -> (Vec<Issuer>, Vec<(usize, String)>) {
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    let DeValue::Array(items) = value.get_ref() else {
        faults.push((value.span().start, "`issuer` is a list: write [[issuer]]".to_owned()));
        return (found, faults);
    };
    for item in items.iter() {
        let start = item.span().start;
        let DeValue::Table(table) = item.get_ref() else {
            faults.push((start, "an issuer is a table: write [[issuer]]".to_owned()));
            continue;
        };
        let before = faults.len();
        let mut issuer = Issuer {
            url: String::new(),
            kind: Kind::Generic,
            audience: "sigstore".to_owned(),
            jwks: String::new(),
            reuse: false,
        };
        for (key, value) in table {
            let at = value.span().start;
            let result = match (key.get_ref().as_ref(), value.get_ref()) {
                ("url", DeValue::String(text))
                    if text.starts_with("https://") || text.starts_with("http://") =>
                {
                    issuer.url = text.to_string();
                    Ok(())
                }
                ("url", _) => Err("url must be a string that starts with https://".to_owned()),
                ("kind", DeValue::String(text)) => text.parse().map(|kind| issuer.kind = kind),
                ("audience", DeValue::String(text)) if !text.is_empty() => {
                    issuer.audience = text.to_string();
                    Ok(())
                }
                ("jwks", DeValue::String(text)) => {
                    issuer.jwks = text.to_string();
                    Ok(())
                }
                ("reuse", DeValue::Boolean(reuse)) => {
                    issuer.reuse = *reuse;
                    Ok(())
                }
                (known, _) if KEYS.contains(&known) => Err(format!("{known} has the wrong type")),
                (other, _) => Err(format!("`{other}` is not a key here; there are {}", KEYS.join(", "))),
            };
            if let Err(message) = result {
                faults.push((at, message));
            }
        }
        if faults.len() > before {
            continue;
        }
        if issuer.url.is_empty() || issuer.jwks.is_empty() {
            faults.push((start, "an issuer needs url and jwks, the file with its keys".to_owned()));
        } else if found.iter().any(|known: &Issuer| known.url == issuer.url) {
            faults.push((start, format!("{} is listed twice", issuer.url)));
        } else {
            found.push(issuer);
        }
    }
    (found, faults)
}
