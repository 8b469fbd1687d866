//! RFC 3161: queries read, and tokens made. The signer process makes the token and reads the clock itself, so that
//! whoever takes over the daemon cannot have a time in the past signed.

use linkward_model::{Algorithm, Code, Digest, Instant};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use yasna::models::{GeneralizedTime, ObjectIdentifier};
use yasna::{ASN1Error, ASN1ErrorKind, DERWriter, Tag};

use super::Refused;

/// Sigstore's policy for timestamps.
const POLICY: &[u64] = &[1, 3, 6, 1, 4, 1, 57264, 2];
const SIGNED_DATA: &[u64] = &[1, 2, 840, 113_549, 1, 7, 2];
const TST_INFO: &[u64] = &[1, 2, 840, 113_549, 1, 9, 16, 1, 4];
const CONTENT_TYPE: &[u64] = &[1, 2, 840, 113_549, 1, 9, 3];
const MESSAGE_DIGEST: &[u64] = &[1, 2, 840, 113_549, 1, 9, 4];
const SIGNING_CERTIFICATE_V2: &[u64] = &[1, 2, 840, 113_549, 1, 9, 16, 2, 47];
const ECDSA_SHA256: &[u64] = &[1, 2, 840, 10045, 4, 3, 2];
const SHA256: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 2, 1];
const SHA384: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 2, 2];
const SHA512: &[u64] = &[2, 16, 840, 1, 101, 3, 4, 2, 3];
/// Longest nonce.
const MAX_NONCE: usize = 64;

/// What is asked to be stamped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    pub imprint: Digest,
    /// Whether the hash's identifier came with a NULL: the answer spells it alike.
    null: bool,
    /// Bytes, and whether it is positive.
    nonce: Option<(Vec<u8>, bool)>,
    certificates: bool,
}

impl Query {
    /// Of a signature of our own.
    pub fn of(signature: &[u8]) -> Self {
        Self { imprint: Digest::sha256(signature), null: false, nonce: None, certificates: false }
    }

    /// A TimeStampReq, DER, for another authority: over a signature's SHA-256, with a nonce, certificates asked for.
    pub fn to_send(signature: &[u8], nonce: &[u8]) -> Vec<u8> {
        yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_u8(1);
                writer.next().write_sequence(|writer| {
                    algorithm(writer.next(), SHA256, true);
                    writer.next().write_bytes(Digest::sha256(signature).as_bytes());
                });
                writer.next().write_bigint_bytes(nonce, true);
                writer.next().write_bool(true);
            });
        })
    }

    /// TimeStampReq, DER.
    ///
    /// # Errors
    /// Not a query, or it asks for a hash, policy or extension that there is not.
    pub fn parse(der: &[u8]) -> Result<Self, Refused> {
        let malformed = |_| Refused::new(Code::MalformedField, "the body is not a TimeStampReq (RFC 3161)");
        let (hash, null, bytes, policy, nonce, certificates) = yasna::parse_der(der, |reader| {
            reader.read_sequence(|reader| {
                if reader.next().read_u8()? != 1 {
                    return Err(ASN1Error::new(ASN1ErrorKind::Invalid));
                }
                let (hash, null, bytes) = reader.next().read_sequence(|reader| {
                    let (hash, null) = reader.next().read_sequence(|reader| {
                        let hash = reader.next().read_oid()?;
                        Ok((hash, reader.read_optional(|null| null.read_null())?.is_some()))
                    })?;
                    Ok((hash, null, reader.next().read_bytes()?))
                })?;
                let policy = reader.read_optional(|policy| policy.read_oid())?;
                let nonce = reader.read_optional(|nonce| nonce.read_bigint_bytes())?;
                let certificates = reader.read_optional(|flag| flag.read_bool())?.unwrap_or(false);
                Ok((hash, null, bytes, policy, nonce, certificates))
            })
        })
        .map_err(malformed)?;
        let algorithm = match hash.components().as_slice() {
            SHA256 => Algorithm::Sha256,
            SHA384 => Algorithm::Sha384,
            SHA512 => Algorithm::Sha512,
            _ => return Err(Refused::new(Code::UnsupportedFormat, "the hash must be SHA-256, -384 or -512")),
        };
        if policy.is_some_and(|policy| policy.components().as_slice() != POLICY) {
            return Err(Refused::new(Code::UnsupportedFormat, "this authority has no such policy"));
        }
        if nonce.as_ref().is_some_and(|(nonce, _)| nonce.len() > MAX_NONCE) {
            return Err(Refused::new(Code::TooLarge, "the nonce is longer than 64 bytes"));
        }
        let imprint = Digest::from_bytes(algorithm, &bytes).ok_or_else(|| {
            Refused::new(Code::MalformedField, "the imprint has the wrong length for its hash")
        })?;
        Ok(Self { imprint, null, nonce, certificates })
    }

    /// The JSON that sigstore-js sends.
    ///
    /// # Errors
    /// A field is missing or has the wrong shape.
    pub fn parse_json(body: &[u8]) -> Result<Self, Refused> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Refused::new(Code::MalformedJson, error.to_string()))?;
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let algorithm = text("hashAlgorithm").and_then(Algorithm::from_name).ok_or_else(|| {
            Refused::new(Code::MalformedField, "hashAlgorithm must be sha256, sha384 or sha512")
        })?;
        let bytes = super::request::base64(text("artifactHash").unwrap_or(""), "artifactHash")?;
        let imprint = Digest::from_bytes(algorithm, &bytes).ok_or_else(|| {
            Refused::new(Code::MalformedField, "artifactHash has the wrong length for its hash")
        })?;
        let nonce = match value.get("nonce") {
            None | Some(Value::Null) => None,
            Some(Value::Number(number)) if number.is_u64() => {
                Some((number.as_u64().unwrap_or(0).to_be_bytes().to_vec(), true))
            }
            Some(_) => return Err(Refused::new(Code::MalformedField, "nonce must be a whole number")),
        };
        let certificates = value.get("certificates").and_then(Value::as_bool).unwrap_or(false);
        Ok(Self { imprint, null: false, nonce, certificates })
    }

    /// TimeStampResp, DER, made with the authority's chain and key.
    pub(crate) fn answer(
        &self,
        chain: &[Vec<u8>],
        serial: &[u8],
        now: Instant,
        sign: impl Fn(&[u8]) -> Result<Vec<u8>, String>,
    ) -> Result<Vec<u8>, String> {
        let own = chain.first().ok_or("the authority has no certificate")?;
        let (issuer, number) = named(own).map_err(|_| "the authority's certificate cannot be read")?;
        let time = super::ceremony::time(now);
        let info = self.info(serial, time);
        let attributes = attributes(&info, own);
        let signature = sign(&attributes)?;
        // Signed as a SET, carried under a tag of its own (RFC 5652, 5.4).
        let carried = [&[0xa0], attributes.get(1..).unwrap_or_default()].concat();
        Ok(yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_sequence(|writer| writer.next().write_u8(0));
                writer.next().write_sequence(|writer| {
                    writer.next().write_oid(&oid(SIGNED_DATA));
                    writer.next().write_tagged(Tag::context(0), |writer| {
                        writer.write_sequence(|writer| {
                            writer.next().write_u8(3);
                            writer.next().write_set_of(|writer| algorithm(writer.next(), SHA256, false));
                            writer.next().write_sequence(|writer| {
                                writer.next().write_oid(&oid(TST_INFO));
                                writer
                                    .next()
                                    .write_tagged(Tag::context(0), |writer| writer.write_bytes(&info));
                            });
                            if self.certificates {
                                writer.next().write_tagged_implicit(Tag::context(0), |writer| {
                                    writer.write_set_of(|writer| {
                                        for certificate in chain {
                                            writer.next().write_der(certificate);
                                        }
                                    });
                                });
                            }
                            writer.next().write_set_of(|writer| {
                                writer.next().write_sequence(|writer| {
                                    writer.next().write_u8(1);
                                    writer.next().write_sequence(|writer| {
                                        writer.next().write_der(&issuer);
                                        writer.next().write_der(&number);
                                    });
                                    algorithm(writer.next(), SHA256, false);
                                    writer.next().write_der(&carried);
                                    algorithm(writer.next(), ECDSA_SHA256, false);
                                    writer.next().write_bytes(&signature);
                                });
                            });
                        });
                    });
                });
            });
        }))
    }

    fn info(&self, serial: &[u8], time: time::OffsetDateTime) -> Vec<u8> {
        let hash = match self.imprint.algorithm() {
            Algorithm::Sha256 => SHA256,
            Algorithm::Sha384 => SHA384,
            Algorithm::Sha512 => SHA512,
        };
        yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_u8(1);
                writer.next().write_oid(&oid(POLICY));
                writer.next().write_sequence(|writer| {
                    algorithm(writer.next(), hash, self.null);
                    writer.next().write_bytes(self.imprint.as_bytes());
                });
                writer.next().write_bigint_bytes(serial, true);
                writer.next().write_generalized_time(&GeneralizedTime::from_datetime(time));
                if let Some((nonce, positive)) = &self.nonce {
                    writer.next().write_bigint_bytes(nonce, *positive);
                }
            });
        })
    }
}

fn oid(arc: &[u64]) -> ObjectIdentifier {
    ObjectIdentifier::from_slice(arc)
}

fn algorithm(writer: DERWriter<'_>, arc: &[u64], null: bool) {
    writer.write_sequence(|writer| {
        writer.next().write_oid(&oid(arc));
        if null {
            writer.next().write_null();
        }
    });
}

fn attributes(info: &[u8], own: &[u8]) -> Vec<u8> {
    let attribute = |writer: DERWriter<'_>, arc: &[u64], value: &dyn Fn(DERWriter<'_>)| {
        writer.write_sequence(|writer| {
            writer.next().write_oid(&oid(arc));
            writer.next().write_set_of(|writer| value(writer.next()));
        });
    };
    yasna::construct_der(|writer| {
        writer.write_set_of(|writer| {
            attribute(writer.next(), CONTENT_TYPE, &|writer| writer.write_oid(&oid(TST_INFO)));
            attribute(writer.next(), MESSAGE_DIGEST, &|writer| {
                writer.write_bytes(Digest::sha256(info).as_bytes());
            });
            // RFC 5816: names the certificate, so that another one under the same key does not fit.
            attribute(writer.next(), SIGNING_CERTIFICATE_V2, &|writer| {
                writer.write_sequence(|writer| {
                    writer.next().write_sequence(|writer| {
                        writer.next().write_sequence(|writer| {
                            writer.next().write_bytes(Digest::sha256(own).as_bytes());
                        });
                    });
                });
            });
        });
    })
}

/// Issuer and serial number of a certificate, as they stand in it.
fn named(certificate: &[u8]) -> Result<(Vec<u8>, Vec<u8>), ASN1Error> {
    yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|reader| {
            let named = reader.next().read_sequence(|reader| {
                reader.next().read_der()?;
                let number = reader.next().read_der()?;
                reader.next().read_der()?;
                let issuer = reader.next().read_der()?;
                // Validity, subject, key, extensions: not needed, but a sequence is read to its end.
                while reader.read_optional(|rest| rest.read_der())?.is_some() {}
                Ok((issuer, number))
            })?;
            reader.next().read_der()?;
            reader.next().read_der()?;
            Ok(named)
        })
    })
}
