//! Commits signed with X.509: what gpgsm and openssl made with S/MIME certificates, and gitsign's form by an instance of
//! our own, right in all things but one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::{Code, Digest, Identity, Instant, Outcome};
use linkward_prove::{
    AllowedSigners, Commit, CommitAuthorities, CommitIdentities, Proven, Refusal, TrustRoots, commit, tag,
};
use rcgen::SanType;
use serde_json::Value;

use crate::commits::forge::{Kind, id_of};
use crate::instance::{self, By, Instance, Leaf, der, unb64};

/// Some days after the fixtures were signed, 2026-12-01.
const NOW: Instant = Instant::from_seconds(1_796_083_200);
const ADDRESS: &str = "dev@example.com";

fn read(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/x509");
    std::fs::read(folder.join(name)).unwrap()
}

fn none() -> AllowedSigners {
    AllowedSigners::parse(b"").unwrap()
}

fn authorities(name: &str) -> AllowedSigners {
    none().with_authorities(CommitAuthorities::parse(&read(name)).unwrap())
}

fn judge(bytes: &[u8], signers: &AllowedSigners, now: Instant) -> Result<Proven<Commit>, Box<Refusal>> {
    let result = commit(&id_of(Kind::Commit, 40, bytes), bytes, signers, now);
    let checks = result.as_ref().map_or_else(|refusal| refusal.checks.as_slice(), |proven| proven.checks());
    assert_eq!(checks.len(), 8, "{checks:?}");
    let passed = checks.iter().take_while(|check| check.outcome == Outcome::Passed).count();
    assert_eq!(passed == 8, result.is_ok(), "{checks:?}");
    result
}

fn code(bytes: &[u8], signers: &AllowedSigners) -> Option<Code> {
    judge(bytes, signers, NOW).err().map(|refusal| refusal.code)
}

#[test]
fn what_gpgsm_and_openssl_signed_is_judged_as_the_table_says() {
    use Code::{CertificateUsage, CommitSignatureInvalid, CommitSignatureUnsupported, CommitSignatureWeak};
    let signers = authorities("ca.pem");
    for (name, expected) in [
        ("gpgsm", None),
        ("openssl", None),
        ("ecdsa", None),
        ("keyid", None),
        ("sha512", None),
        ("pss", None),
        ("sha1", Some(CommitSignatureWeak)),
        ("no-attributes", Some(CommitSignatureInvalid)),
        ("attached", Some(CommitSignatureInvalid)),
        ("two-signers", Some(CommitSignatureInvalid)),
        ("without-certificate", Some(CommitSignatureUnsupported)),
        ("server", Some(CertificateUsage)),
        ("uri", Some(Code::CommitSignerMismatch)),
    ] {
        assert_eq!(code(&read(&format!("{name}.commit")), &signers), expected, "{name}");
    }
    let bytes = read("gpgsm.tag");
    let proven = tag(&id_of(Kind::Tag, 40, &bytes), &bytes, &signers, NOW).unwrap();
    assert_eq!((proven.claim().name(), proven.claim().signed().address()), ("v1", "own@example.com"));
}

#[test]
fn an_smime_proof_says_who_and_rests_on_a_listed_authority() {
    let bytes = read("gpgsm.commit");
    let signers = authorities("ca.pem");
    let proven = judge(&bytes, &signers, NOW).unwrap();
    let signed = proven.claim().signed();
    assert_eq!((signed.key_type(), signed.line(), signed.principals()), ("x509-rsa", 1, "own@example.com"));
    assert_eq!((proven.proven_at(), proven.roots()), (None, signers.digest()));
    assert_ne!(signers.digest(), none().digest());
    assert_eq!(code(&bytes, &none()), Some(Code::CommitSignerUnknown));
    assert_eq!(code(&bytes, &authorities("other.pem")), Some(Code::CommitSignerUnknown));
    let both = [read("other.pem"), read("ca.pem")].concat();
    let both = none().with_authorities(CommitAuthorities::parse(&both).unwrap());
    assert_eq!(judge(&bytes, &both, NOW).unwrap().claim().signed().line(), 2);
    let early = judge(&bytes, &signers, Instant::from_seconds(1_700_000_000)).unwrap_err();
    assert_eq!(early.code, Code::CommitTimeInFuture);
}

/// Other content, another committer, another time: each with the id that it then has.
#[test]
fn an_smime_signature_is_of_this_commit_alone() {
    let good = String::from_utf8(read("gpgsm.commit")).unwrap();
    let signers = authorities("ca.pem");
    for (from, to) in [
        ("signed with", "signed WITH"),
        ("committer Test", "committer Tess"),
        ("own@example.com", "owl@example.com"),
    ] {
        let changed = good.replace(from, to);
        assert_ne!(changed, good);
        assert_eq!(code(changed.as_bytes(), &signers), Some(Code::CommitSignatureInvalid), "{to}");
    }
    for end in ["\n more", " more"] {
        let cut = good.replace("-----END SIGNED MESSAGE-----", &format!("-----END SIGNED MESSAGE-----{end}"));
        assert_eq!(code(cut.as_bytes(), &signers), Some(Code::CommitSignatureInvalid), "{end:?}");
    }
    for length in 0..good.len() {
        assert!(code(&good.as_bytes()[..length], &signers).is_some(), "cut to {length}");
    }
}

/// Flips every bit of the CMS message. What stays accepted may only be bits that nobody signed: algorithm parameters,
/// versions, certificates that no chain needs.
#[test]
fn a_flipped_bit_never_changes_who_signed() {
    let signers = authorities("ca.pem");
    let bytes = read("openssl.commit");
    let good = judge(&bytes, &signers, NOW).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (before, rest) = text.split_once("-----BEGIN SIGNED MESSAGE-----\n").unwrap();
    let (inside, after) = rest.split_once(" -----END").unwrap();
    let message = STANDARD.decode(inside.split_ascii_whitespace().collect::<String>()).unwrap();
    for at in 0..message.len() {
        for bit in [0, 3, 7] {
            let mut flipped = message.clone();
            flipped[at] ^= 1 << bit;
            let armoured = format!(
                "{before}-----BEGIN SIGNED MESSAGE-----\n {}\n -----END{after}",
                STANDARD.encode(&flipped)
            );
            if let Ok(proven) = judge(armoured.as_bytes(), &signers, NOW) {
                assert_eq!(proven.claim().signed(), good.claim().signed(), "bit {bit} of byte {at}");
            }
        }
    }
}

/// The elements of a DER content, each with its tag and length.
fn elements(mut content: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    while !content.is_empty() {
        let (header, length) = match content[1] {
            0x81 => (3, usize::from(content[2])),
            0x82 => (4, usize::from(u16::from_be_bytes([content[2], content[3]]))),
            short => (2, usize::from(short)),
        };
        let (element, rest) = content.split_at(header + length);
        found.push(element);
        content = rest;
    }
    found
}

fn inside(element: &[u8]) -> &[u8] {
    let header = match element[1] {
        0x81 => 3,
        0x82 => 4,
        _ => 2,
    };
    &element[header..]
}

const SHA256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const PKCS9: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09];
const PKCS7: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07];
const LOG_ENTRY: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x03, 0x01];

fn oid(bytes: &[u8]) -> Vec<u8> {
    der(0x06, bytes)
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &parts.concat())
}

fn attribute(name: &[u8], value: Vec<u8>) -> Vec<u8> {
    sequence(&[oid(name), der(0x31, &value)])
}

/// What gitsign would make, of which a test may change each part.
struct Gitsign {
    instance: Instance,
    leaf: Leaf,
    payload: String,
    /// Whose digest the signed attributes name.
    over: String,
    attributes: Vec<u8>,
    signature: Vec<u8>,
    /// The log's entry in protobuf's spelling.
    entry: Option<Vec<u8>>,
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let low = u8::try_from(value & 0x7f).unwrap();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return out;
        }
        out.push(low | 0x80);
    }
}

fn bytes_field(number: u64, content: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(content.len() as u64), content.to_vec()].concat()
}

fn number_field(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

/// The JSON spelling of an entry as protobuf writes it, without its body, as gitsign stores it.
fn protobuf(entry: &Value) -> Vec<u8> {
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let proof = &entry["inclusionProof"];
    let hashes = proof["hashes"].as_array().unwrap().iter().flat_map(|hash| bytes_field(4, &unb64(hash)));
    let envelope = proof["checkpoint"]["envelope"].as_str().unwrap();
    let proof = [
        number_field(1, number(&proof["logIndex"])),
        bytes_field(2, &unb64(&proof["rootHash"])),
        number_field(3, number(&proof["treeSize"])),
        hashes.collect(),
        bytes_field(5, &bytes_field(1, envelope.as_bytes())),
    ]
    .concat();
    let kind = [
        bytes_field(1, entry["kindVersion"]["kind"].as_str().unwrap().as_bytes()),
        bytes_field(2, entry["kindVersion"]["version"].as_str().unwrap().as_bytes()),
    ]
    .concat();
    [
        number_field(1, number(&entry["logIndex"])),
        bytes_field(2, &bytes_field(1, &unb64(&entry["logId"]["keyId"]))),
        bytes_field(3, &kind),
        number_field(4, number(&entry["integratedTime"])),
        bytes_field(5, &bytes_field(1, &unb64(&entry["inclusionPromise"]["signedEntryTimestamp"]))),
        bytes_field(6, &proof),
    ]
    .concat()
}

impl Gitsign {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let instance = Instance::new();
        let mut params = instance::signing();
        params.subject_alt_names = vec![SanType::Rfc822Name(ADDRESS.try_into().unwrap())];
        let leaf = instance.leaf_of(&params);
        let payload = format!(
            "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor Dev <{ADDRESS}> 1767261600 +0000\n\
             committer Dev <{ADDRESS}> 1767261600 +0000\n\nmessage\n"
        );
        let over = payload.clone();
        let mut made =
            Self { instance, leaf, payload, over, attributes: vec![], signature: vec![], entry: None };
        made.sign();
        made.log(instance::SIGNED);
        change(&mut made);
        made
    }

    fn sign(&mut self) {
        self.attributes = [
            attribute(&[PKCS9, &[3]].concat(), oid(&[PKCS7, &[1]].concat())),
            attribute(&[PKCS9, &[4]].concat(), der(0x04, Digest::sha256(self.over.as_bytes()).as_bytes())),
        ]
        .concat();
        self.signature = By::Leaf(&self.leaf).key().sign_bytes(&der(0x31, &self.attributes));
    }

    fn log(&mut self, time: Instant) {
        self.log_as(&self.signature.clone(), time);
    }

    fn log_as(&mut self, signature: &[u8], time: Instant) {
        let encoded = STANDARD.encode(&self.leaf.der);
        let lines: Vec<&str> =
            encoded.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
        let body = serde_json::json!({
            "apiVersion": "0.0.1",
            "kind": "hashedrekord",
            "spec": {
                "data": { "hash": {
                    "algorithm": "sha256", "value": Digest::sha256(&der(0x31, &self.attributes)).hex(),
                } },
                "signature": {
                    "content": STANDARD.encode(signature), "publicKey": { "content": STANDARD.encode(pem) },
                },
            },
        });
        self.entry = Some(protobuf(&self.instance.v1_entry(&body, time)));
    }

    fn commit(&self) -> Vec<u8> {
        let certificate = elements(inside(&self.leaf.der))[0];
        let fields = elements(inside(certificate));
        let named = sequence(&[fields[3].to_vec(), fields[1].to_vec()]);
        let mut signer = vec![
            der(0x02, &[1]),
            named,
            sequence(&[oid(SHA256)]),
            der(0xa0, &self.attributes),
            sequence(&[oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])]),
            der(0x04, &self.signature),
        ];
        if let Some(entry) = &self.entry {
            signer.push(der(0xa1, &attribute(LOG_ENTRY, der(0x04, entry))));
        }
        let data = sequence(&[
            der(0x02, &[1]),
            der(0x31, &sequence(&[oid(SHA256)])),
            sequence(&[oid(&[PKCS7, &[1]].concat())]),
            der(0xa0, &self.leaf.der),
            der(0x31, &sequence(&signer)),
        ]);
        let message = sequence(&[oid(&[PKCS7, &[2]].concat()), der(0xa0, &data)]);
        let header = format!(
            "\ngpgsig -----BEGIN SIGNED MESSAGE-----\n {}\n -----END SIGNED MESSAGE-----\n\n",
            STANDARD.encode(message)
        );
        self.payload.replacen("\n\n", &header, 1).into_bytes()
    }

    fn signers(&self, list: &str) -> AllowedSigners {
        none().with_identities(CommitIdentities::parse(list.as_bytes()).unwrap(), self.instance.roots())
    }

    fn judge(&self, list: &str) -> Result<Proven<Commit>, Box<Refusal>> {
        judge(&self.commit(), &self.signers(list), instance::NOW)
    }

    fn code(&self, list: &str) -> Option<Code> {
        self.judge(list).err().map(|refusal| refusal.code)
    }
}

trait SignBytes {
    fn sign_bytes(&self, message: &[u8]) -> Vec<u8>;
}

impl SignBytes for rcgen::KeyPair {
    fn sign_bytes(&self, message: &[u8]) -> Vec<u8> {
        rcgen::SigningKey::sign(self, message).unwrap()
    }
}

const OWN: &str = "*@example.com = https://token.example\n";

#[test]
fn a_gitsign_proof_says_who_and_when() {
    let made = Gitsign::new();
    let proven = made.judge(OWN).unwrap();
    let signed = proven.claim().signed();
    assert_eq!((signed.address(), signed.line(), signed.key_type()), (ADDRESS, 1, "x509-sigstore"));
    assert_eq!(proven.proven_at(), Some(instance::SIGNED), "as the log says");
    let expected = Identity::Certificate { subject: ADDRESS.to_owned(), issuer: instance::ISSUER.to_owned() };
    assert_eq!(proven.signer(), &expected);
}

#[test]
fn a_name_counts_for_the_addresses_that_its_line_lists() {
    use Code::{CommitSignerMismatch, CommitSignerUnknown};
    let made = Gitsign::new();
    for (list, expected) in [
        ("", Some(CommitSignerUnknown)),
        ("# nobody\n", Some(CommitSignerUnknown)),
        (OWN, None),
        ("dev@example.com dev@example.com https://token.example", None),
        ("*@example.com = https://other.example", Some(CommitSignerUnknown)),
        ("*@example.org = https://token.example", Some(CommitSignerUnknown)),
        ("*@example.com eve@example.com https://token.example", Some(CommitSignerUnknown)),
        ("*@example.org dev@example.com https://token.example", Some(CommitSignerMismatch)),
        ("*@example.com,!dev@* dev@example.com https://token.example", Some(CommitSignerMismatch)),
        ("*@example.org dev@* https://token.example\n*@example.com dev@* https://token.example", None),
    ] {
        assert_eq!(made.code(list), expected, "{list}");
    }
    assert_eq!(code(&made.commit(), &none()), Some(CommitSignerUnknown), "without any list");
}

/// `=` means the committer's own address: a colleague's certificate does not sign in another's name.
#[test]
fn a_colleagues_certificate_signs_in_no_other_name() {
    let mut made = Gitsign::new();
    made.payload = made.payload.replace(ADDRESS, "boss@example.com");
    made.over = made.payload.clone();
    made.sign();
    made.log(instance::SIGNED);
    assert_eq!(made.code(OWN), Some(Code::CommitSignerMismatch));
    assert_eq!(made.code("boss@example.com dev@example.com https://token.example"), None);
}

#[test]
fn gitsigns_form_is_refused_when_one_thing_is_wrong() {
    let case = |name: &str, change: &dyn Fn(&mut Gitsign), expected: Code| {
        assert_eq!(Gitsign::with(change).code(OWN), Some(expected), "{name}");
    };
    case("another message", &|m| m.payload.push_str("more\n"), Code::CommitSignatureInvalid);
    case("no entry, no timestamp", &|m| m.entry = None, Code::CommitUnlogged);
    case("an entry that is cut", &|m| m.entry.as_mut().unwrap().truncate(90), Code::UnsupportedFormat);
    case("another signature", &|m| m.signature[20] ^= 1, Code::CommitSignatureInvalid);
    case(
        "the entry of an earlier signature by the same key",
        &|m| {
            let entry = m.entry.clone();
            m.payload.push_str("more\n");
            m.over = m.payload.clone();
            m.sign();
            m.entry = entry;
        },
        Code::LogPromiseInvalid,
    );
    case(
        "logged after the certificate's time",
        &|m| m.log(Instant::from_seconds(1_767_225_600 + 5 * 86_400)),
        Code::CertificateExpired,
    );
    case("logged in the future", &|m| m.log(instance::NOW.plus_millis(86_400_000)), Code::LogTimeInFuture);
    case(
        "an entry with another signature in its body",
        &|m| {
            let other = By::Leaf(&m.leaf).key().sign_bytes(b"other");
            m.log_as(&other, instance::SIGNED);
        },
        Code::LogPromiseInvalid,
    );
}

#[test]
fn another_instances_certificate_is_nobodys() {
    let made = Gitsign::new();
    let list = CommitIdentities::parse(OWN.as_bytes()).unwrap();
    let other = none().with_identities(list, Instance::new().roots());
    let refusal = judge(&made.commit(), &other, instance::NOW).unwrap_err();
    assert_eq!(refusal.code, Code::LogUnknown);
    let list = CommitIdentities::parse(OWN.as_bytes()).unwrap();
    let public = none().with_identities(list, TrustRoots::production());
    assert!(judge(&made.commit(), &public, instance::NOW).is_err());
}

#[test]
fn every_fault_of_a_list_is_reported_with_its_line() {
    let list = "# comment\n\none two\n*@a = regex:( \n, = b\na b c d\n*@a = b\n";
    let error = CommitIdentities::parse(list.as_bytes()).unwrap_err();
    let lines: Vec<usize> = error.faults.iter().map(|fault| fault.line).collect();
    assert_eq!((lines, error.code()), (vec![3, 4, 5, 6], Code::CommitIdentitiesMalformed));
    let leaf = String::from_utf8(read("ca.pem")).unwrap().replace("MII", "!!!");
    for (bytes, line) in [(&b"no certificate"[..], 1), (leaf.as_bytes(), 1), (&[0xff][..], 1)] {
        let error = CommitAuthorities::parse(bytes).unwrap_err();
        assert_eq!((error.faults[0].line, error.code()), (line, Code::CommitAuthoritiesMalformed));
    }
}
