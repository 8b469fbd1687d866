//! PKCS#11 URIs (RFC 7512), as far as a private key is named by them.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which key of which token, by which module. What is not named fits everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pkcs11Uri {
    pub token: Option<String>,
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub serial: Option<String>,
    pub slot: Option<u64>,
    pub object: Option<String>,
    pub id: Option<Vec<u8>>,
    module: PathBuf,
    pin_source: Option<PathBuf>,
}

/// Why a text is no such URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    #[error("it does not begin with pkcs11:")]
    Scheme,
    #[error("`{0}` stands twice")]
    Twice(String),
    #[error("`{0}` is not an attribute that names a private key (RFC 7512, 2.3)")]
    Unknown(String),
    #[error("`{0}` is not percent-encoded as it should be")]
    Encoding(String),
    #[error("type={0} is no private key")]
    Type(String),
    #[error("it names no module: write ?module-path=/path/to/module.so behind it")]
    Module,
    #[error("a PIN on the command line is seen by every process: use pin-source=FILE, or the environment")]
    Pin,
    #[error("pin-source=|PROGRAM runs programs, which is not done here: name a file")]
    Program,
}

impl Pkcs11Uri {
    pub fn module(&self) -> &Path {
        &self.module
    }

    pub fn pin_file(&self) -> Option<&Path> {
        self.pin_source.as_deref()
    }

    fn take(&mut self, name: &str, value: &[u8]) -> Result<(), UriError> {
        let text = || {
            String::from_utf8(value.to_vec())
                .ok()
                .filter(|text| !text.contains('\0'))
                .ok_or_else(|| UriError::Encoding(name.to_owned()))
        };
        match name {
            "token" => self.token = Some(text()?),
            "manufacturer" => self.manufacturer = Some(text()?),
            "model" => self.model = Some(text()?),
            "serial" => self.serial = Some(text()?),
            "object" => self.object = Some(text()?),
            "id" => self.id = Some(value.to_vec()),
            "slot-id" => {
                let slot = text()?.parse().map_err(|_| UriError::Encoding(name.to_owned()))?;
                self.slot = Some(slot);
            }
            "type" => match text()?.as_str() {
                "private" => {}
                other => return Err(UriError::Type(other.to_owned())),
            },
            "module-path" => self.module = text()?.into(),
            "pin-source" => {
                let source = text()?;
                if source.starts_with('|') {
                    return Err(UriError::Program);
                }
                let path = source.strip_prefix("file://").or(source.strip_prefix("file:")).unwrap_or(&source);
                self.pin_source = Some(path.into());
            }
            "pin-value" => return Err(UriError::Pin),
            other => return Err(UriError::Unknown(other.to_owned())),
        }
        Ok(())
    }
}

impl FromStr for Pkcs11Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let rest = text.strip_prefix("pkcs11:").ok_or(UriError::Scheme)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let parts = path.split(';').chain(query.split('&')).filter(|part| !part.is_empty());
        let mut uri = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for part in parts {
            let (name, value) = part.split_once('=').ok_or_else(|| UriError::Encoding(part.to_owned()))?;
            if seen.contains(&name) {
                return Err(UriError::Twice(name.to_owned()));
            }
            seen.push(name);
            let value = decoded(value).ok_or_else(|| UriError::Encoding(name.to_owned()))?;
            uri.take(name, &value)?;
        }
        if uri.module.as_os_str().is_empty() { Err(UriError::Module) } else { Ok(uri) }
    }
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            out.push(first);
            rest = after;
            continue;
        }
        let (digits, after) = after.split_at_checked(2)?;
        let digits = std::str::from_utf8(digits).ok().filter(|two| !two.starts_with('+'))?;
        out.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_read_and_the_rest_refused() {
        let text = "pkcs11:token=The%20Token;object=my-key;id=%01%fe;type=private;slot-id=7\
                    ?module-path=/usr/lib/m.so&pin-source=file:/etc/pin";
        let uri: Pkcs11Uri = text.parse().unwrap();
        assert_eq!((uri.token.as_deref(), uri.object.as_deref()), (Some("The Token"), Some("my-key")));
        assert_eq!((uri.id.as_deref(), uri.slot), (Some(&[1, 0xfe][..]), Some(7)));
        assert_eq!((uri.module(), uri.pin_file()), (Path::new("/usr/lib/m.so"), Some(Path::new("/etc/pin"))));
        let with = |rest: &str| format!("pkcs11:{rest}").parse::<Pkcs11Uri>().unwrap_err();
        let module = "?module-path=m";
        assert_eq!("file:key".parse::<Pkcs11Uri>(), Err(UriError::Scheme));
        assert_eq!(with("token=a"), UriError::Module);
        assert_eq!(with(&format!("token=a;token=b{module}")), UriError::Twice("token".to_owned()));
        assert_eq!(with(&format!("colour=red{module}")), UriError::Unknown("colour".to_owned()));
        assert_eq!(with(&format!("type=cert{module}")), UriError::Type("cert".to_owned()));
        assert_eq!(with(&format!("token=a{module}&pin-value=1234")), UriError::Pin);
        assert_eq!(with(&format!("token=a{module}&pin-source=|sh")), UriError::Program);
        for bad in
            ["token=%", "token=%2", "token=%zz", "token=%+1", "token", "slot-id=x", "object=%00", "token=%ff"]
        {
            assert!(matches!(with(&format!("{bad}{module}")), UriError::Encoding(_)), "{bad}");
        }
    }
}
