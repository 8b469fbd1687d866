//! A log entry in protobuf's binary spelling (`dev.sigstore.rekor.v1.TransparencyLogEntry`), as gitsign puts it beside a
//! commit's signature.

use linkward_model::Code;

use crate::Fault;
use crate::bundle::{InclusionProof, LogEntry};

/// A tree of 2^63 leaves has paths of 63 hashes.
const MAX_HASHES: usize = 64;

impl LogEntry {
    /// Reads an entry. Fields that are not known are passed over, as protobuf asks; one that stands twice is refused, so
    /// that no two readers see two entries.
    ///
    /// # Errors
    /// Not such a message; the fault names the field.
    pub fn from_protobuf(bytes: &[u8]) -> Result<Self, Fault> {
        let entry = Message::read(bytes, "entry")?;
        let kind = entry.message(3, "kind_version")?;
        let proof = entry.optional_message(6, "inclusion_proof")?;
        let promise = entry.optional_message(5, "inclusion_promise")?;
        Ok(Self {
            index: entry.number(1, "log_index")?,
            log_id: entry.message(2, "log_id")?.bytes(1, "key_id")?.unwrap_or_default().to_vec(),
            kind: kind.text(1, "kind")?,
            version: kind.text(2, "version")?,
            integrated: entry
                .number(4, "integrated_time")?
                .try_into()
                .map_err(|_| fault("integrated_time"))?,
            promise: match promise {
                Some(promise) => promise.bytes(1, "signed_entry_timestamp")?.map(<[u8]>::to_vec),
                None => None,
            },
            proof: proof.map(|proof| proof_of(&proof)).transpose()?,
            body: entry.bytes(7, "canonicalized_body")?.unwrap_or_default().to_vec(),
        })
    }
}

fn proof_of(proof: &Message<'_>) -> Result<InclusionProof, Fault> {
    let hashes: Vec<Vec<u8>> = proof.all(4).map(<[u8]>::to_vec).collect();
    if hashes.len() > MAX_HASHES {
        return Err(Fault::new(Code::TooLarge, "hashes", format!("has more than {MAX_HASHES} hashes")));
    }
    let checkpoint = match proof.optional_message(5, "checkpoint")? {
        Some(checkpoint) => Some(checkpoint.text(1, "envelope")?).filter(|text| !text.is_empty()),
        None => None,
    };
    Ok(InclusionProof {
        index: proof.number(1, "log_index")?,
        root: proof.bytes(2, "root_hash")?.unwrap_or_default().to_vec(),
        size: proof.number(3, "tree_size")?,
        hashes,
        checkpoint,
    })
}

fn fault(field: &'static str) -> Fault {
    Fault::new(Code::UnsupportedFormat, field, "is not what protobuf has here")
}

/// The fields of one message, in their order.
struct Message<'a> {
    fields: Vec<(u64, Value<'a>)>,
}

#[derive(Clone, Copy)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of four or eight bytes: none that is read here.
    Fixed,
}

impl<'a> Message<'a> {
    fn read(mut bytes: &'a [u8], name: &'static str) -> Result<Self, Fault> {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let (field, rest) = field(bytes).ok_or_else(|| fault(name))?;
            fields.push(field);
            bytes = rest;
        }
        Ok(Self { fields })
    }

    /// The one value of a field.
    fn one(&self, number: u64, name: &'static str) -> Result<Option<Value<'a>>, Fault> {
        let mut found = self.fields.iter().filter(|(own, _)| *own == number).map(|(_, value)| *value);
        let first = found.next();
        match found.next() {
            None => Ok(first),
            Some(_) => Err(Fault::new(Code::UnsupportedFormat, name, "stands twice")),
        }
    }

    fn number(&self, number: u64, name: &'static str) -> Result<u64, Fault> {
        match self.one(number, name)? {
            None => Ok(0),
            Some(Value::Number(value)) => Ok(value),
            Some(_) => Err(fault(name)),
        }
    }

    fn bytes(&self, number: u64, name: &'static str) -> Result<Option<&'a [u8]>, Fault> {
        match self.one(number, name)? {
            None => Ok(None),
            Some(Value::Bytes(value)) => Ok(Some(value)),
            Some(_) => Err(fault(name)),
        }
    }

    fn text(&self, number: u64, name: &'static str) -> Result<String, Fault> {
        let bytes = self.bytes(number, name)?.unwrap_or_default();
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| fault(name))
    }

    fn optional_message(&self, number: u64, name: &'static str) -> Result<Option<Self>, Fault> {
        self.bytes(number, name)?.map(|bytes| Self::read(bytes, name)).transpose()
    }

    fn message(&self, number: u64, name: &'static str) -> Result<Self, Fault> {
        Ok(self.optional_message(number, name)?.unwrap_or(Self { fields: Vec::new() }))
    }

    fn all(&self, number: u64) -> impl Iterator<Item = &'a [u8]> {
        self.fields.iter().filter(move |(own, _)| *own == number).filter_map(|(_, value)| match value {
            Value::Bytes(bytes) => Some(*bytes),
            _ => None,
        })
    }
}

fn field(bytes: &[u8]) -> Option<((u64, Value<'_>), &[u8])> {
    let (tag, rest) = varint(bytes)?;
    let (value, rest) = match tag & 7 {
        0 => varint(rest).map(|(number, rest)| (Value::Number(number), rest))?,
        1 => (Value::Fixed, rest.get(8..)?),
        2 => {
            let (length, rest) = varint(rest)?;
            let (content, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Value::Bytes(content), rest)
        }
        5 => (Value::Fixed, rest.get(4..)?),
        _ => return None,
    };
    Some(((tag >> 3, value), rest))
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0u64;
    for (place, byte) in bytes.iter().enumerate().take(10) {
        let shift = u32::try_from(place).ok()?.checked_mul(7)?;
        let part = u64::from(byte & 0x7f);
        // The tenth byte has room for one bit.
        if shift == 63 && part > 1 {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(place.checked_add(1)?..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `log_id { key_id: "id" } integrated_time: 300`, and a field that nobody knows.
    const SMALL: &[u8] = &[0x12, 4, 0x0a, 2, b'i', b'd', 0x20, 0xac, 0x02, 0xf8, 0x07, 1];

    #[test]
    fn what_is_not_there_is_empty_and_what_is_unknown_is_passed_over() {
        let entry = LogEntry::from_protobuf(SMALL).unwrap();
        assert_eq!((entry.log_id.as_slice(), entry.integrated, entry.index), (&b"id"[..], 300, 0));
        assert!(entry.promise.is_none() && entry.proof.is_none() && entry.body.is_empty());
    }

    #[test]
    fn what_is_cut_or_stands_twice_is_refused() {
        for length in [1, 2, 4, 5, 7, 8, 10, 11] {
            assert!(LogEntry::from_protobuf(&SMALL[..length]).is_err(), "cut to {length} bytes");
        }
        assert!(LogEntry::from_protobuf(&[SMALL, &[0x20, 1]].concat()).is_err());
        // Groups, numbers of more than 64 bits, and text where a number belongs.
        for bad in [&[0x0b][..], &[0x20, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], &[0x22, 0]]
        {
            assert!(LogEntry::from_protobuf(bad).is_err(), "{bad:?}");
        }
    }
}
