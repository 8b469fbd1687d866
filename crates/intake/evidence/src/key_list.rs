//! Lists of public keys with their validity: npm's, as its registry answers and as Sigstore's TUF repository keeps them.

use linkward_model::{Code, Instant};

use crate::Fault;
use crate::field::Field;
use crate::trusted_root::{Validity, validity};

const MAX: usize = 256;

/// A key and when it counts. The same key may be listed for several uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    pub id: String,
    /// `npm:attestations`; a registry's own answer does not say.
    pub usage: Option<String>,
    /// SubjectPublicKeyInfo, DER.
    pub spki: Vec<u8>,
    pub valid: Validity,
}

/// # Errors
/// Not a list of keys.
pub fn parse(bytes: &[u8]) -> Result<Vec<ListedKey>, Fault> {
    let document = crate::json(bytes)?;
    let root = Field::root(&document);
    let items = root.required("keys")?.items()?;
    if items.is_empty() || items.len() > MAX {
        return Err(Fault::new(Code::KeyMalformed, "$.keys", format!("must have 1 to {MAX} items")));
    }
    items
        .iter()
        .map(|item| if item.optional("publicKey").is_some() { dated(item) } else { answered(item) })
        .collect()
}

fn dated(field: &Field<'_>) -> Result<ListedKey, Fault> {
    let key = field.required("publicKey")?;
    Ok(ListedKey {
        id: field.required("keyId")?.text()?.to_owned(),
        usage: field.optional_text("keyUsage")?.map(str::to_owned),
        spki: key.required("rawBytes")?.base64()?,
        valid: validity(key.optional("validFor").as_ref())?,
    })
}

/// A registry says only when a key ends.
fn answered(field: &Field<'_>) -> Result<ListedKey, Fault> {
    let end = field.optional("expires");
    let end = end.map(|end| end.text()?.parse().map_err(|error| end.fault(format!("{error}"))));
    Ok(ListedKey {
        id: field.required("keyid")?.text()?.to_owned(),
        usage: None,
        spki: field.required("key")?.base64()?,
        valid: Validity { start: Some(Instant::from_seconds(0)), end: end.transpose()? },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings() {
        let tuf = br#"{"keys":[{"keyId":"a","keyUsage":"npm:attestations","publicKey":{"rawBytes":"AAEC",
            "keyDetails":"PKIX_ECDSA_P256_SHA_256","validFor":{"start":"2022-12-01T00:00:00Z"}}}]}"#;
        let [key] = parse(tuf).unwrap().try_into().unwrap();
        assert_eq!(
            (key.usage.as_deref(), key.spki.as_slice(), key.valid.end),
            (Some("npm:attestations"), &[0, 1, 2][..], None)
        );
        let registry =
            br#"{"keys":[{"expires":"2025-01-29T00:00:00Z","keyid":"a","keytype":"ecdsa","key":"AAEC"}]}"#;
        let [key] = parse(registry).unwrap().try_into().unwrap();
        assert!(key.valid.end.is_some() && key.usage.is_none());
        for bad in [
            &b"{}"[..],
            br#"{"keys":[]}"#,
            br#"{"keys":[{}]}"#,
            br#"{"keys":[{"keyid":"a","key":"AA","expires":"x"}]}"#,
        ] {
            assert!(parse(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
