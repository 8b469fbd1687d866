//! Content digests, spelled `sha256:` and lower-case hex as in the OCI image specification.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// A hash function that evidence may name. Only these three identify content; weaker ones are kept as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    /// The name as in-toto and OCI spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of a digest in bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The algorithm of that name, in lower case.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// A digest together with the function that made it. Ordered by function, then bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    // Unused bytes stay zero, so that the derived comparisons hold.
    bytes: [u8; 64],
}

/// Why a text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    #[error("digest `{0}` has no algorithm; write it as sha256:HEX")]
    NoAlgorithm(String),
    #[error("digest algorithm `{0}` is not one of sha256, sha384, sha512")]
    Algorithm(String),
    #[error("a {0} digest has {1} hexadecimal digits, found {2}")]
    Length(&'static str, usize, usize),
    #[error("digest holds `{0}`, which is not a lower-case hexadecimal digit")]
    Hex(char),
}

impl Digest {
    /// The SHA-256 of these bytes.
    pub fn sha256(data: &[u8]) -> Self {
        Self::from_array(Algorithm::Sha256, &sha2::Sha256::digest(data))
    }

    /// The digest of these bytes under any of the functions.
    pub fn of(algorithm: Algorithm, data: &[u8]) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::sha256(data),
            Algorithm::Sha384 => Self::from_array(algorithm, &sha2::Sha384::digest(data)),
            Algorithm::Sha512 => Self::from_array(algorithm, &sha2::Sha512::digest(data)),
        }
    }

    /// A digest that was computed elsewhere; `None` if the length is not that of the function.
    pub fn from_bytes(algorithm: Algorithm, bytes: &[u8]) -> Option<Self> {
        (bytes.len() == algorithm.size()).then(|| Self::from_array(algorithm, bytes))
    }

    /// A digest from bare hexadecimal digits, as in-toto writes them.
    ///
    /// # Errors
    /// Wrong length, or a character that is not a lower-case hexadecimal digit.
    pub fn from_hex(algorithm: Algorithm, hex: &str) -> Result<Self, DigestError> {
        let digits = hex.chars().count();
        if digits != algorithm.size() * 2 {
            return Err(DigestError::Length(algorithm.name(), algorithm.size() * 2, digits));
        }
        let mut bytes = [0; 64];
        for (index, digit) in hex.chars().enumerate() {
            let value = match digit {
                '0'..='9' => digit as u8 - b'0',
                'a'..='f' => digit as u8 - b'a' + 10,
                other => return Err(DigestError::Hex(other)),
            };
            if let Some(byte) = bytes.get_mut(index / 2) {
                *byte = (*byte << 4) | value;
            }
        }
        Ok(Self { algorithm, bytes })
    }

    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.algorithm.size()).unwrap_or(&[])
    }

    /// The hexadecimal digits alone.
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digit = |value: u8| char::from(DIGITS.get(usize::from(value)).copied().unwrap_or(b'0'));
        self.as_bytes().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }

    /// Enough of the digest for a person to recognise it: the algorithm and twelve digits.
    pub fn short(&self) -> String {
        let hex = self.hex();
        format!("{}:{}", self.algorithm.name(), hex.get(..12).unwrap_or(&hex))
    }

    fn from_array(algorithm: Algorithm, data: &[u8]) -> Self {
        let mut bytes = [0; 64];
        for (to, from) in bytes.iter_mut().zip(data) {
            *to = *from;
        }
        Self { algorithm, bytes }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (name, hex) = text.split_once(':').ok_or_else(|| DigestError::NoAlgorithm(text.to_owned()))?;
        let algorithm = Algorithm::from_name(name).ok_or_else(|| DigestError::Algorithm(name.to_owned()))?;
        Self::from_hex(algorithm, hex)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A SHA-256 over bytes that arrive in pieces, so that a large artifact never has to be in memory.
#[derive(Clone, Debug, Default)]
pub struct Sha256Stream {
    state: sha2::Sha256,
    length: u64,
}

impl Sha256Stream {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn update(&mut self, data: &[u8]) {
        self.state.update(data);
        self.length = self.length.saturating_add(data.len() as u64);
    }

    /// Bytes seen so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn finish(self) -> Digest {
        Digest::from_array(Algorithm::Sha256, &self.state.finalize())
    }
}

/// The digests of every function over bytes that arrive in pieces: which of them was signed is not known before.
#[derive(Clone, Debug, Default)]
pub struct DigestsStream {
    sha256: sha2::Sha256,
    sha384: sha2::Sha384,
    sha512: sha2::Sha512,
}

impl DigestsStream {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn update(&mut self, data: &[u8]) {
        self.sha256.update(data);
        self.sha384.update(data);
        self.sha512.update(data);
    }

    /// SHA-256, SHA-384, SHA-512.
    pub fn finish(self) -> [Digest; 3] {
        [
            Digest::from_array(Algorithm::Sha256, &self.sha256.finalize()),
            Digest::from_array(Algorithm::Sha384, &self.sha384.finalize()),
            Digest::from_array(Algorithm::Sha512, &self.sha512.finalize()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_and_the_whole_have_the_same_digests() {
        let mut stream = DigestsStream::new();
        stream.update(b"a");
        stream.update(b"bc");
        let all = [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512];
        assert_eq!(stream.finish(), all.map(|algorithm| Digest::of(algorithm, b"abc")));
    }

    #[test]
    fn known_answer() {
        let digest = Digest::sha256(b"abc");
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        let mut stream = Sha256Stream::new();
        stream.update(b"a");
        stream.update(b"bc");
        assert_eq!(stream.length(), 3);
        assert_eq!(stream.finish(), digest);
    }

    #[test]
    fn refused_spellings() {
        for (text, expected) in [
            ("abc", DigestError::NoAlgorithm("abc".into())),
            ("md5:00", DigestError::Algorithm("md5".into())),
            ("sha256:00", DigestError::Length("sha256", 64, 2)),
        ] {
            assert_eq!(text.parse::<Digest>(), Err(expected));
        }
        let upper = format!("sha256:{}", "A".repeat(64));
        assert_eq!(upper.parse::<Digest>(), Err(DigestError::Hex('A')));
        let wide = format!("sha256:{}", "é".repeat(64));
        assert_eq!(wide.parse::<Digest>(), Err(DigestError::Hex('é')));
    }
}
