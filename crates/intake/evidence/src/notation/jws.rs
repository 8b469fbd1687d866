//! JWS with flattened JSON serialization (RFC 7515), as signature-envelope-jws.md narrows it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use linkward_model::Code;

use super::{
    AUTHENTIC_TIME, Algorithm, EXPIRY, Envelope, Judged, MAX_CHAIN, Protected, SCHEME, SIGNING_TIME,
    TIMESTAMP, names, target, time,
};
use crate::Fault;
use crate::field::Field;

pub(super) fn read(bytes: &[u8]) -> Result<Envelope, Fault> {
    let document = crate::json(bytes)?;
    let root = Field::root(&document);
    let (protected, payload) = (root.required("protected")?, root.required("payload")?);
    let message = format!("{}.{}", protected.text()?, payload.text()?).into_bytes();
    let header = crate::json(&url_base64(&protected)?)?;
    let inner = Field::at("$.protected", &header);
    let algorithm = inner.required("alg")?;
    let algorithm = match algorithm.text()? {
        "PS256" => Algorithm::Ps256,
        "PS384" => Algorithm::Ps384,
        "PS512" => Algorithm::Ps512,
        "ES256" => Algorithm::Es256,
        "ES384" => Algorithm::Es384,
        "ES512" => Algorithm::Es512,
        other => return Err(algorithm.fault(format!("`{}` is not allowed", other.escape_debug()))),
    };
    let Judged { scheme, time, expiry, further_critical } = Protected {
        content_type: inner.required("cty")?.text()?.to_owned(),
        scheme: inner.required(SCHEME)?.text()?.to_owned(),
        critical: inner
            .list("crit")?
            .iter()
            .map(|name| Ok(name.text()?.to_owned()))
            .collect::<Result<_, Fault>>()?,
        signing_time: time(&inner, SIGNING_TIME)?,
        authentic_time: time(&inner, AUTHENTIC_TIME)?,
        expiry: time(&inner, EXPIRY)?,
        names: names(&header),
    }
    .judge(&["alg", "cty", SIGNING_TIME])?;
    let header = root.required("header")?;
    let chain = header.required("x5c")?.items()?;
    if chain.len() > MAX_CHAIN {
        return Err(header.fault(format!("has more than {MAX_CHAIN} certificates")));
    }
    Ok(Envelope {
        form: "JWS",
        algorithm,
        scheme,
        time,
        expiry,
        further_critical,
        chain: chain.iter().map(Field::base64).collect::<Result<_, _>>()?,
        timestamp: header.optional(TIMESTAMP).map(|token| token.base64()).transpose()?,
        target: target(&url_base64(&payload)?)?,
        message,
        signature: url_base64(&root.required("signature")?)?,
    })
}

fn url_base64(field: &Field<'_>) -> Result<Vec<u8>, Fault> {
    URL_SAFE_NO_PAD.decode(field.text()?).map_err(|error| {
        Fault::new(Code::MalformedBase64, field.place(), format!("is not base64url: {error}"))
    })
}
