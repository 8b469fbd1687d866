//! Documents with the signature around them (RFC 9580, section 7), as Debian's InRelease is one.

use super::{Lack, Signature, Text};

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
/// Debian's own is some 200 kB.
const MAX: usize = 64 << 20;

/// A document and its signatures, none of them checked.
#[derive(Debug)]
pub(crate) struct Clearsigned {
    /// What was signed, as readers see it: without the escapes, lines ending with LF.
    pub(crate) text: String,
    /// As it is hashed.
    pub(crate) canonical: Vec<u8>,
    pub(crate) signatures: Vec<Result<Signature, Lack>>,
}

impl Clearsigned {
    /// Reads the whole of it: whatever stood before or after would be taken for signed by careless readers.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Lack> {
        let malformed = |why: &str| Lack::Malformed(why.to_owned());
        if bytes.len() > MAX {
            return Err(malformed("it is larger than 64 MiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("it is not UTF-8"))?;
        let text = text.replace("\r\n", "\n");
        let rest = text.strip_prefix(BEGIN).and_then(|rest| rest.strip_prefix('\n'));
        let rest = rest.ok_or_else(|| malformed("it does not begin with a signed message"))?;
        let (head, rest) = rest
            .split_once("\n\n")
            .or_else(|| rest.strip_prefix('\n').map(|rest| ("", rest)))
            .ok_or_else(|| malformed("its headers do not end"))?;
        // Anything else in the headers is unsigned text where a reader expects signed text.
        if let Some(line) = head.lines().find(|line| !line.starts_with("Hash: ")) {
            return Err(Lack::Malformed(format!("header `{}` is not allowed", line.escape_debug())));
        }
        let (body, armoured) =
            rest.split_once(&format!("\n{SIGNATURE}\n")).ok_or_else(|| malformed("it has no signature"))?;
        let armoured = format!("{SIGNATURE}\n{armoured}");
        let mut lines = Vec::new();
        for line in body.split('\n') {
            // A line that begins with a dash is escaped, or it could pass for the end.
            let line = match line.strip_prefix("- ") {
                Some(line) => line,
                None if line.starts_with('-') => {
                    return Err(malformed("a line begins with a dash that is not escaped"));
                }
                None => line,
            };
            lines.push(line.trim_end_matches([' ', '\t']));
        }
        let canonical = lines.join("\r\n").into_bytes();
        let mut text = lines.join("\n");
        text.push('\n');
        let blob = super::dearmor(armoured.as_bytes(), "SIGNATURE")
            .ok_or_else(|| malformed("its armour cannot be read, or something follows it"))?;
        let packets = super::packets(&blob).ok_or_else(|| malformed("its signatures are cut off"))?;
        if packets.is_empty() || packets.len() > 64 || packets.iter().any(|packet| packet.kind != 2) {
            return Err(malformed("it must have 1 to 64 signatures, and nothing else"));
        }
        let read = |packet: &super::packet::Packet<'_>| {
            let signature = Signature::parse(packet.body, 0)?;
            match signature.text()? {
                Text::Canonical => Ok(signature),
                Text::Binary => Err(Lack::Malformed("it is over a binary document".to_owned())),
            }
        };
        Ok(Self { text, canonical, signatures: packets.iter().map(read).collect() })
    }
}
