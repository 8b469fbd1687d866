//! The table: an object, the allowed signers, why it is refused if it is, and what git says.

use linkward_model::Code;

use super::forge::{Key, Kind, Parts, attach, fixture, listed, string};

#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Digits of an id: 40 or 64.
    pub(crate) format: usize,
    pub(crate) bytes: Vec<u8>,
    pub(crate) signers: String,
    pub(crate) refused: Option<Code>,
    /// Whether `git verify-commit` accepts it.
    pub(crate) git: bool,
}

const PAYLOAD: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
    author Test <author@example.com> 1767225600 +0000\n\
    committer Test <own@example.com> 1767225600 +0000\n\nmessage\n";

const TAG: &str = "object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype tree\ntag v1\n\
    tagger Test <own@example.com> 1767225600 +0000\n\nmessage\n";

fn own() -> Key {
    Key::ed25519(7)
}

/// A commit that our own key signs as it stands.
fn signed(payload: &str) -> Vec<u8> {
    attach(payload, &own().sign(payload.as_bytes()).armoured())
}

/// A commit with a signature of which one part is wrong.
fn with(change: impl FnOnce(&mut Parts)) -> Vec<u8> {
    let mut parts = own().sign(PAYLOAD.as_bytes());
    change(&mut parts);
    attach(PAYLOAD, &parts.armoured())
}

fn tag(payload: &str) -> Vec<u8> {
    format!("{payload}{}", own().sign(payload.as_bytes()).armoured()).into_bytes()
}

fn text(name: &str) -> String {
    String::from_utf8(fixture(name).1).unwrap()
}

/// The signature header of a fixture, with the line's end.
fn header(text: &str) -> &str {
    let from = text.find("gpgsig ").unwrap();
    let end = "-----END SSH SIGNATURE-----\n";
    &text[from..from + text[from..].find(end).unwrap() + end.len()]
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    fixtures(&mut cases);
    moved(&mut cases);
    blobs(&mut cases);
    shapes(&mut cases);
    signers(&mut cases);
    cases
}

fn fixtures(cases: &mut Vec<Case>) {
    use Code::{CommitSignatureInvalid, CommitSignatureWeak, CommitUnsigned};
    for (name, refused, git) in [
        ("ed25519", None, true),
        ("ecdsa256", None, true),
        ("ecdsa384", None, true),
        ("ecdsa521", None, true),
        ("rsa", None, true),
        ("rsa-sha2-256", None, true),
        ("hash-sha256", None, true),
        ("encoding", None, true),
        ("mergetag", None, true),
        ("sha256", None, true),
        ("tag", None, true),
        ("tag-sha256", None, true),
        ("unsigned", Some(CommitUnsigned), false),
        ("tag-unsigned", Some(CommitUnsigned), false),
        ("namespace-file", Some(CommitSignatureInvalid), false),
        ("ssh-rsa", Some(CommitSignatureWeak), false),
        // OpenSSH takes 1024 bits.
        ("rsa1024", Some(CommitSignatureWeak), true),
    ] {
        let (kind, bytes) = fixture(name);
        let format = if name.ends_with("sha256") && !name.starts_with("hash") { 64 } else { 40 };
        // The weak key is no line that allows anybody, so its signature has to be refused by itself.
        cases.push(Case { name, kind, format, bytes, signers: listed(), refused, git });
    }
}

fn commit(name: &'static str, bytes: Vec<u8>, refused: Option<Code>, git: bool) -> Case {
    let signers = own().line("own@example.com", "");
    Case { name, kind: Kind::Commit, format: 40, bytes, signers, refused, git }
}

/// Real signatures in the wrong place, or over other content.
fn moved(cases: &mut Vec<Case>) {
    use Code::{CommitMalformed, CommitSignatureInvalid, CommitUnsigned};
    let mut case = |name, text: String, refused, git| {
        let signers = listed();
        let bytes = text.into_bytes();
        cases.push(Case { name, kind: Kind::Commit, format: 40, bytes, signers, refused, git });
    };
    let good = text("ed25519");
    let signature = header(&good).to_owned();
    let bare = good.replace(&signature, "");
    let invalid = Some(CommitSignatureInvalid);
    case("message changed", good.replace("signed with", "signed WITH"), invalid, false);
    case("tree changed", good.replacen("4b825", "5b825", 1), invalid, false);
    case("date changed", good.replace("1767229200", "1767229201"), invalid, false);
    case("line added", format!("{good}more\n"), invalid, false);
    case(
        "signature of another commit",
        text("unsigned").replacen("\n\n", &format!("\n{signature}\n"), 1),
        invalid,
        false,
    );
    case("without its signature", bare.clone(), Some(CommitUnsigned), false);
    case("signature in the message", format!("{bare}{signature}"), Some(CommitUnsigned), false);
    let twice = good.replace(&signature, &format!("{signature}{signature}"));
    case("two signatures", twice, Some(CommitMalformed), true);
    let before = bare.replacen("author ", &format!("{signature}author "), 1);
    case("signature before the author", before, Some(CommitMalformed), true);
    let sha256 = signature.replacen("gpgsig ", "gpgsig-sha256 ", 1);
    case("only the other format's signature", good.replace(&signature, &sha256), Some(CommitUnsigned), false);
    let both = good.replace(&signature, &format!("{signature}{sha256}"));
    case("both formats' signatures", both, None, true);
    let extra = good.replace(&signature, &format!("{signature}gpgsig-evil unsigned words\n"));
    case("a header that git leaves unsigned", extra, Some(CommitMalformed), true);
    let after = good.replacen("-----END SSH SIGNATURE-----\n", "-----END SSH SIGNATURE-----\n more\n", 1);
    case("lines after the signature", after, invalid, true);
    let encoding = String::from_utf8_lossy(&fixture("encoding").1).into_owned();
    assert!(encoding.contains("encoding ISO-8859-1\ngpgsig "), "git writes the signature last");
    let merge = text("mergetag");
    case("merged tag changed", merge.replacen(" to be merged", " to be MERGED", 1), invalid, false);
    for (name, begin) in [
        ("OpenPGP", "-----BEGIN PGP SIGNATURE-----"),
        ("OpenPGP message", "-----BEGIN PGP MESSAGE-----"),
        ("X.509", "-----BEGIN SIGNED MESSAGE-----"),
    ] {
        let other = bare.replacen("\n\n", &format!("\ngpgsig {begin}\n \n AAAA\n -----END-----\n\n"), 1);
        case(name, other, invalid, false);
    }
    case("no signature at all in the header", bare.replacen("\n\n", "\ngpgsig words\n\n", 1), invalid, false);
}

/// Signatures of which one field is wrong.
fn blobs(cases: &mut Vec<Case>) {
    use Code::{
        CommitSignatureInvalid, CommitSignatureUnsupported, CommitSignerCertificate, CommitSignerUnknown,
    };
    let invalid = Some(CommitSignatureInvalid);
    let unsupported = Some(CommitSignatureUnsupported);
    let security = |name, key: Key, refused, git| {
        let bytes = attach(PAYLOAD, &key.sign(PAYLOAD.as_bytes()).armoured());
        Case { signers: key.line("own@example.com", ""), ..commit(name, bytes, refused, git) }
    };
    cases.extend([
        commit("own key", with(|_| ()), None, true),
        commit("bytes after the blob", with(|parts| parts.after = "x"), invalid, false),
        commit("bytes after the raw signature", with(|parts| parts.signature.push(0)), invalid, false),
        commit("bytes after the key", with(|parts| parts.key.push(0)), invalid, false),
        commit("namespace swapped", with(|parts| parts.namespace = "file"), invalid, false),
        commit("namespace empty", with(|parts| parts.namespace = ""), invalid, false),
        // Not signed along: OpenSSH skips what stands there.
        commit("reserved field used", with(|parts| parts.reserved = "x"), unsupported, true),
        // OpenSSH refuses only versions above its own.
        commit("version 0", with(|parts| parts.version = 0), unsupported, true),
        commit("version 2", with(|parts| parts.version = 2), unsupported, false),
        commit("hash swapped", with(|parts| parts.hash = "sha256"), invalid, false),
        commit("hash unknown", with(|parts| parts.hash = "sha1"), unsupported, false),
        commit("another key claimed", with(|parts| parts.key = Key::ed25519(8).public()), invalid, false),
        commit(
            "another algorithm claimed",
            {
                let algorithm = [string(b"rsa-sha2-512"), string(&[0; 64])].concat();
                with(|parts| parts.signature = algorithm)
            },
            unsupported,
            false,
        ),
        commit(
            "a short signature",
            with(|parts| parts.signature = [string(b"ssh-ed25519"), string(&[1; 63])].concat()),
            invalid,
            false,
        ),
        commit(
            "a certificate",
            with(|parts| parts.key = string(b"ssh-ed25519-cert-v01@openssh.com")),
            Some(CommitSignerCertificate),
            false,
        ),
        commit(
            "by a key that nobody lists",
            attach(PAYLOAD, &Key::ed25519(8).sign(PAYLOAD.as_bytes()).armoured()),
            Some(CommitSignerUnknown),
            false,
        ),
        security("security key, Ed25519", Key::sk_ed25519(1), None, true),
        security("security key, Ed25519, verified", Key::sk_ed25519(5), None, true),
        security("security key, Ed25519, untouched", Key::sk_ed25519(0), invalid, true),
        security("security key, ECDSA", Key::sk_ecdsa(1), None, true),
        security("security key, ECDSA, untouched", Key::sk_ecdsa(4), invalid, true),
    ]);
}

/// Objects that are signed as they stand, but that two readers could read in two ways.
fn shapes(cases: &mut Vec<Case>) {
    let malformed = Some(Code::CommitMalformed);
    let changed = |from: &str, to: &str| signed(&PAYLOAD.replacen(from, to, 1));
    let other = "committer Test <other@example.com> 1767225600 +0000\n";
    let tagged = |name, bytes, refused, git| Case { kind: Kind::Tag, ..commit(name, bytes, refused, git) };
    cases.extend([
        commit("two committers", changed("\n\nmessage", &format!("\n{other}\nmessage")), malformed, true),
        commit(
            "no author",
            changed("author Test <author@example.com> 1767225600 +0000\n", ""),
            malformed,
            true,
        ),
        commit(
            "two addresses",
            changed("<own@example.com>", "<own@example.com> <other@example.com>"),
            malformed,
            true,
        ),
        commit("no address", changed("<own@example.com>", "<>"), malformed, true),
        commit(
            "no time",
            changed("<own@example.com> 1767225600 +0000", "<own@example.com>"),
            malformed,
            true,
        ),
        commit(
            "a negative time",
            changed("<own@example.com> 1767225600", "<own@example.com> -1"),
            malformed,
            true,
        ),
        commit(
            "a time beyond time",
            changed("m> 1767225600 +0000\n\n", "m> 99999999999999999999 +0000\n\n"),
            malformed,
            false,
        ),
        commit("a short parent", changed("author", "parent 1234\nauthor"), malformed, false),
        commit(
            "from the future",
            changed("m> 1767225600 +0000\n\n", "m> 1798761600 +0000\n\n"),
            Some(Code::CommitTimeInFuture),
            true,
        ),
        commit("an empty message", changed("message\n", ""), None, true),
        commit("a mercurial header", changed("\n\nm", "\nHG:extra branch:default\n\nm"), None, true),
        tagged("own tag", tag(TAG), None, true),
        tagged(
            "a tag in a tag's message",
            tag(&format!("{TAG}-----BEGIN SSH SIGNATURE-----\nquoted\n")),
            None,
            true,
        ),
        tagged(
            "tag renamed",
            String::from_utf8(tag(TAG)).unwrap().replace("tag v1\n", "tag v2\n").into_bytes(),
            Some(Code::CommitSignatureInvalid),
            false,
        ),
        tagged(
            "tag with a line behind",
            [tag(TAG), b"more\n".to_vec()].concat(),
            Some(Code::CommitSignatureInvalid),
            true,
        ),
        tagged(
            "tag with an unsigned header",
            {
                String::from_utf8(tag(TAG)).unwrap().replacen("\n\n", "\ngpgsig unsigned\n\n", 1).into_bytes()
            },
            malformed,
            true,
        ),
        tagged(
            "OpenPGP tag",
            format!("{TAG}-----BEGIN PGP SIGNATURE-----\n").into_bytes(),
            Some(Code::CommitSignatureInvalid),
            false,
        ),
        tagged("a commit asked for as a tag", signed(PAYLOAD), malformed, false),
    ]);
}

/// The same good commit, made at 2026-01-01T00:00:00Z, against other allowed signers.
fn signers(cases: &mut Vec<Case>) {
    use Code::{CommitSignerCertificate, CommitSignerExpired, CommitSignerMismatch, CommitSignerUnknown};
    let key = own();
    let address = "own@example.com";
    let mut case = |name, signers: String, refused, git| {
        cases.push(Case { signers, ..commit(name, signed(PAYLOAD), refused, git) });
    };
    let mismatch = Some(CommitSignerMismatch);
    case("nobody listed", String::new(), Some(CommitSignerUnknown), false);
    // git reports whose key it is, and leaves the comparison to people.
    case("listed for another", key.line("other@example.com", ""), mismatch, true);
    case("listed for a namesake", key.line("OWN@example.com", ""), mismatch, true);
    case("listed for a domain", key.line("*@example.com", ""), None, true);
    case("listed for a domain but this", key.line("!own@*,*@example.com", ""), mismatch, true);
    case("listed for two", key.line("other@example.com,own@example.com", ""), None, true);
    case("listed in quotes", key.line("\"own@example.com\"", ""), None, true);
    let lines = [key.line("other@example.com", ""), key.line(address, "")].concat();
    case("listed in the second line", lines, None, true);
    case("listed for git", key.line(address, "namespaces=\"file,git\" "), None, true);
    case("listed for files", key.line(address, "namespaces=\"file\" "), mismatch, false);
    case("listed for all but git", key.line(address, "namespaces=\"*,!git\" "), mismatch, false);
    let authority = Some(CommitSignerCertificate);
    case("listed as an authority", key.line(address, "cert-authority "), authority, false);
    let expired = Some(CommitSignerExpired);
    for (name, options, refused, git) in [
        ("valid on that day", "valid-after=\"20251231Z\",valid-before=\"20260102Z\" ", None, true),
        ("valid from that second", "valid-after=\"20260101000000Z\" ", None, true),
        ("valid to that second", "valid-before=\"20260101000000Z\" ", None, true),
        ("valid a second later", "valid-after=\"20260101000001Z\" ", expired, false),
        ("valid to a second before", "valid-before=\"20251231235959Z\" ", expired, false),
        ("valid to the minute before", "VALID-BEFORE=\"202512312359Z\" ", expired, false),
        // Valid in UTC, where the test runs git, but not in every zone.
        ("valid on that day in some zones", "valid-after=\"20260101\" ", expired, true),
        ("valid in all zones", "valid-after=\"20251231\",valid-before=\"20260102\" ", None, true),
    ] {
        case(name, key.line(address, options), refused, git);
    }
    let renewed =
        [key.line(address, "valid-before=\"20250101Z\" "), key.line(address, "valid-after=\"20250101Z\" ")]
            .concat();
    case("expired in one line, valid in another", renewed, None, true);
}
