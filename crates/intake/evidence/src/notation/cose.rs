//! COSE_Sign1 (RFC 9052), as signature-envelope-cose.md narrows it.

use linkward_model::Instant;

use super::{
    AUTHENTIC_TIME, Algorithm, EXPIRY, Envelope, Judged, MAX_CHAIN, Protected, SCHEME, SIGNING_TIME,
    TIMESTAMP, target,
};
use crate::Fault;
use crate::cbor::{Cbor, string};

const SIGN1: u64 = 18;
const EPOCH: u64 = 1;
const ALGORITHM: i128 = 1;
const CRITICAL: i128 = 2;
const CONTENT_TYPE: i128 = 3;
const CHAIN: i128 = 33;

type Members<'a> = [(Cbor<'a>, Cbor<'a>)];

pub(super) fn read(bytes: &[u8]) -> Result<Envelope, Fault> {
    let fault = |place: &str, what: &str| Fault::field(place, what);
    if bytes.len() > crate::MAX_DOCUMENT {
        return Err(Fault::new(linkward_model::Code::TooLarge, "$", "is too large"));
    }
    let Some(Cbor::Tag(SIGN1, item)) = Cbor::parse(bytes) else {
        return Err(fault("$", "is neither a JWS nor a COSE_Sign1"));
    };
    let Cbor::Array(parts) = *item else { return Err(fault("$", "is no array")) };
    let [Cbor::Bytes(protected), Cbor::Map(unprotected), Cbor::Bytes(payload), Cbor::Bytes(signature)] =
        parts.as_slice()
    else {
        return Err(fault("$", "is not protected header, header, payload and signature"));
    };
    let Some(Cbor::Map(header)) = Cbor::parse(protected) else {
        return Err(fault("$.protected", "is no map"));
    };
    let text = |name: &str| label(&header, name).and_then(Cbor::text).map(str::to_owned);
    let needed = |name: &str| text(name).ok_or_else(|| fault("$.protected", &format!("has no `{name}`")));
    let algorithm = match number(&header, ALGORITHM) {
        Some(Cbor::Integer(-37)) => Algorithm::Ps256,
        Some(Cbor::Integer(-38)) => Algorithm::Ps384,
        Some(Cbor::Integer(-39)) => Algorithm::Ps512,
        Some(Cbor::Integer(-7)) => Algorithm::Es256,
        Some(Cbor::Integer(-35)) => Algorithm::Es384,
        Some(Cbor::Integer(-36)) => Algorithm::Es512,
        other => return Err(fault("$.protected", &format!("algorithm {other:?} is not allowed"))),
    };
    let critical = match number(&header, CRITICAL) {
        None => Vec::new(),
        Some(Cbor::Array(items)) => items.iter().map(spelled).collect(),
        Some(_) => return Err(fault("$.protected", "crit is no array")),
    };
    let content_type = number(&header, CONTENT_TYPE).and_then(Cbor::text);
    let Judged { scheme, time, expiry, further_critical } = Protected {
        content_type: content_type.unwrap_or("").to_owned(),
        scheme: needed(SCHEME)?,
        critical,
        signing_time: epoch(&header, SIGNING_TIME)?,
        authentic_time: epoch(&header, AUTHENTIC_TIME)?,
        expiry: epoch(&header, EXPIRY)?,
        names: header.iter().map(|(name, _)| spelled(name)).collect(),
    }
    .judge(&["1", "3", SIGNING_TIME])?;
    let chain = match number(unprotected, CHAIN) {
        Some(Cbor::Array(items)) if items.len() <= MAX_CHAIN => items.iter().map(Cbor::bytes).collect(),
        Some(Cbor::Bytes(one)) => Some(vec![*one]),
        _ => None,
    };
    let chain: Vec<&[u8]> =
        chain.ok_or_else(|| fault("$.header", &format!("x5chain must be 1 to {MAX_CHAIN} certificates")))?;
    // RFC 9052, 4.4: context, protected header, nothing from outside, payload.
    let message =
        [&[0x84][..], &string(3, b"Signature1"), &string(2, protected), &string(2, b""), &string(2, payload)]
            .concat();
    Ok(Envelope {
        form: "COSE_Sign1",
        algorithm,
        scheme,
        time,
        expiry,
        further_critical,
        chain: chain.into_iter().map(<[u8]>::to_vec).collect(),
        timestamp: label(unprotected, TIMESTAMP).and_then(Cbor::bytes).map(<[u8]>::to_vec),
        target: target(payload)?,
        message,
        signature: signature.to_vec(),
    })
}

fn number<'m, 'a>(members: &'m Members<'a>, name: i128) -> Option<&'m Cbor<'a>> {
    members.iter().find(|(label, _)| *label == Cbor::Integer(name)).map(|(_, value)| value)
}

fn label<'m, 'a>(members: &'m Members<'a>, name: &str) -> Option<&'m Cbor<'a>> {
    members.iter().find(|(label, _)| label.text() == Some(name)).map(|(_, value)| value)
}

fn spelled(name: &Cbor<'_>) -> String {
    match name {
        Cbor::Text(text) => (*text).to_owned(),
        Cbor::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn epoch(members: &Members<'_>, name: &str) -> Result<Option<Instant>, Fault> {
    match label(members, name) {
        None => Ok(None),
        Some(Cbor::Tag(EPOCH, time)) => match **time {
            Cbor::Integer(seconds) => match i64::try_from(seconds) {
                Ok(seconds) => Ok(Some(Instant::from_seconds(seconds))),
                Err(_) => Err(Fault::field("$.protected", format!("`{name}` is beyond any time"))),
            },
            _ => Err(Fault::field("$.protected", format!("`{name}` must be whole seconds"))),
        },
        Some(_) => Err(Fault::field("$.protected", format!("`{name}` must be a time with tag 1"))),
    }
}
