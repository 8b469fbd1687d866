//! Evidence that is no bundle, told apart by its looks and proven by what the operator trusts alone.

use std::path::PathBuf;

use linkward_model::{Code, Digest, Instant};
use linkward_prove::{Folder, Form, FormTrust, evidence};

const NOW: Instant = Instant::from_seconds(1_800_000_000);

fn read(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name)).unwrap()
}

fn text(name: &str) -> String {
    String::from_utf8(read(name)).unwrap()
}

struct Disk(&'static str);

impl Folder for Disk {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata").join(self.0);
        Ok(std::fs::read(folder.join(path)).ok())
    }
}

fn trust() -> FormTrust {
    FormTrust {
        notation_authorities: text("notation/root.pem") + &text("notation/self.pem"),
        notation_identities: "# ours\n\nx509.subject: C=US, ST=WA, O=example.com\n".to_owned(),
        layout_keys: text("in_toto/owner.pem"),
        layout_parameters: "VERSION=1.2\n".to_owned(),
        archive_keyring: read("openpgp/keyring.gpg"),
        ..FormTrust::default()
    }
}

#[test]
fn what_a_document_is() {
    for (name, form) in [
        ("notation/p256.jws", Some(Form::Notation)),
        ("notation/p256.cose", Some(Form::Notation)),
        ("in_toto/dsse/root.layout", Some(Form::Layout)),
        ("in_toto/metablock/root.layout", Some(Form::Layout)),
        ("in_toto/dsse/fetch.076fce05.link", None),
        ("in_toto/metablock/fetch.076fce05.link", None),
        ("openpgp/inrelease.asc", Some(Form::InRelease)),
        ("in_toto/owner.pem", None),
        ("apk/rsa256.apk", None),
    ] {
        assert_eq!(Form::of(&read(name)), form, "{name}");
    }
    let bundle = br#"{"verificationMaterial":{},"protected":"","payload":"","signature":""}"#;
    assert_eq!(Form::of(bundle), None, "a bundle is one whatever else it has");
    for other in [&b""[..], b"{", b"[]", b"null", br#"{"payload":1}"#, br#"{"payload":"e30="}"#] {
        assert_eq!(Form::of(other), None);
    }
}

#[test]
fn each_is_about_what_it_names() {
    let foo = Digest::sha256(b"foo");
    let notation = evidence(Form::Notation, &read("notation/p256.jws"), &trust(), &Disk("."), NOW).unwrap();
    assert_eq!(notation.claim().subjects()[0].digests, [foo]);
    for folder in ["in_toto/dsse", "in_toto/metablock"] {
        let layout = read(&format!("{folder}/root.layout"));
        let proven = evidence(Form::Layout, &layout, &trust(), &Disk(folder), NOW).unwrap();
        let product = Digest::sha256(&read("in_toto/app-1.2.bin"));
        let [subject] = proven.claim().subjects() else { panic!("{:?}", proven.claim().subjects()) };
        assert_eq!((subject.name.as_str(), subject.digests.as_slice()), ("app-1.2.bin", &[product][..]));
        assert_eq!(proven.claim().form(), Some(Form::Layout));
        // All that was read, so that it can be read again: those of the layout within, too.
        let beside = proven.claim().beside();
        assert!(
            beside.len() >= 6 && beside.keys().any(|path| path.starts_with("vendor.af0c331e/")),
            "{beside:?}"
        );
    }
    let release =
        evidence(Form::InRelease, &read("openpgp/inrelease.asc"), &trust(), &Disk("."), NOW).unwrap();
    let names: Vec<_> = release.claim().subjects().iter().map(|subject| subject.name.as_str()).collect();
    assert_eq!(names, ["main/Packages", "main/Contents"]);
    assert_eq!(release.claim().subjects()[1].digests, [Digest::sha256(b"bar")]);
}

#[test]
fn nobody_is_trusted_unless_named() {
    let none = FormTrust::default();
    for (form, name, trust, code) in [
        (Form::Notation, "notation/p256.jws", none.clone(), Code::CertificateUntrusted),
        (
            Form::Notation,
            "notation/p256.jws",
            FormTrust { notation_identities: String::new(), ..trust() },
            Code::IdentityMismatch,
        ),
        (
            Form::Notation,
            "notation/p256.jws",
            FormTrust { notation_identities: "O=example.com".to_owned(), ..trust() },
            Code::TrustRootMalformed,
        ),
        (
            Form::Notation,
            "notation/p256.jws",
            FormTrust { notation_authorities: "none".to_owned(), ..trust() },
            Code::TrustRootMalformed,
        ),
        (Form::Layout, "in_toto/dsse/root.layout", none.clone(), Code::IdentityMissing),
        (
            Form::Layout,
            "in_toto/dsse/root.layout",
            FormTrust { layout_keys: text("apk/key.rsa.pub"), ..trust() },
            Code::LayoutSignatureInvalid,
        ),
        (
            Form::Layout,
            "in_toto/dsse/root.layout",
            FormTrust { layout_parameters: String::new(), ..trust() },
            Code::LayoutParameterMissing,
        ),
        (
            Form::Layout,
            "in_toto/dsse/root.layout",
            FormTrust { layout_parameters: "=1".to_owned(), ..trust() },
            Code::TrustRootMalformed,
        ),
        (Form::Layout, "in_toto/dsse/inspected.layout", trust(), Code::InspectionNotRun),
        (Form::InRelease, "openpgp/inrelease.asc", none, Code::IdentityMissing),
        (
            Form::InRelease,
            "openpgp/inrelease.asc",
            FormTrust { archive_keyring: b"none".to_vec(), ..trust() },
            Code::KeyringMalformed,
        ),
        (Form::InRelease, "openpgp/inrelease-unlisted.asc", trust(), Code::OpenpgpKeyUnknown),
    ] {
        let refused = evidence(form, &read(name), &trust, &Disk("in_toto/dsse"), NOW).unwrap_err();
        assert_eq!(refused.code, code, "{name}: {}", refused.message);
        assert!(!refused.message.is_empty());
    }
}
