//! Canonical JSON as TUF and in-toto sign it (OLPC: sorted names, no white space, whole numbers, only `"` and `\` escaped).
//!
//! It is not RFC 8785: line breaks and control characters in strings stand as they are.

use serde_json::Value;

use crate::Fault;

/// The bytes that were signed.
///
/// # Errors
/// A number is not whole: the form has no spelling for it, so nobody can have signed it.
pub fn canonical(value: &Value) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    write(value, "$", &mut out)?;
    Ok(out)
}

/// serde_json bounds the depth of what was parsed at 128.
fn write(value: &Value, place: &str, out: &mut Vec<u8>) -> Result<(), Fault> {
    match value {
        Value::Null => out.extend(b"null"),
        Value::Bool(flag) => out.extend(flag.to_string().bytes()),
        Value::Number(number) if number.is_i64() || number.is_u64() => out.extend(number.to_string().bytes()),
        Value::Number(number) => {
            return Err(Fault::field(place, format!("{number} is not a whole number")));
        }
        Value::String(text) => quote(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, place, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by_key(|(name, _)| *name);
            out.push(b'{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                quote(name, out);
                out.push(b':');
                write(member, name, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn quote(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling() {
        let document =
            crate::json(br#"{ "b": [1, -2, null, true], "a": "x\"\\\n\u00e9", "A": {} }"#).unwrap();
        let expected = "{\"A\":{},\"a\":\"x\\\"\\\\\n\u{e9}\",\"b\":[1,-2,null,true]}";
        assert_eq!(canonical(&document).unwrap(), expected.as_bytes());
        let fraction = crate::json(br#"{"version": 1.5}"#).unwrap();
        assert_eq!(canonical(&fraction).unwrap_err().place, "version");
    }
}
