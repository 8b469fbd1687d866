#!/bin/bash
# Makes the keys, commits, tags and documents in this folder with gpg 2.2 and git. Private keys are made in a temporary
# home and thrown away. Keys are of 2026-01-01, signatures of 2026-01-02, both by a clock that gpg is told.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
export GNUPGHOME="$work/gnupg" GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 HOME="$work"
mkdir -m 700 "$GNUPGHOME"
trap 'gpgconf --kill all; rm -rf "$work"' EXIT
export GIT_AUTHOR_NAME=Test GIT_AUTHOR_EMAIL=author@example.com GIT_COMMITTER_NAME=Test
export GIT_AUTHOR_DATE='1767312000 +0000' GIT_COMMITTER_DATE='1767312000 +0000'
rm -f "$here"/*.commit "$here"/*.tag "$here"/*.asc "$here"/*.gpg "$here/ids"; : > "$here/ids"

at() { time=$1; shift; gpg -q --batch --yes --pinentry-mode loopback --passphrase '' --faked-system-time "$time!" "$@"; }
born=20260101T000000 signed=20260102T000000
key() { at $born --quick-generate-key "Test <$1@example.com>" "$2" "${3:-sign}" "${4:-0}"; }
fingerprint() { gpg -q --with-colons --list-keys "$1@example.com" | awk -F: '/^fpr/{print $10; exit}'; }

for name in rsa3072 ed25519 nistp256 nistp384 nistp521 rsa1024 dsa2048; do key $name $name; done
key expired ed25519 sign 1d
key encrypting ed25519 cert
key subkey ed25519 cert; at $born --quick-add-key "$(fingerprint subkey)" ed25519 sign
key revoked ed25519
sed 's/^://' "$GNUPGHOME/openpgp-revocs.d/$(fingerprint revoked).rev" > "$work/revocation"
key unlisted ed25519
key sha1 rsa2048

cat > "$work/gpg" <<END
#!/bin/bash
exec gpg --batch --pinentry-mode loopback --passphrase '' --faked-system-time \${SIGNED:-$signed}! \${MORE:-} "\$@"
END
chmod +x "$work/gpg"
repository="$work/one"; git init -q -b main "$repository"
as() { name=$1; shift
  GIT_COMMITTER_EMAIL="${address:-$name}@example.com" git -C "$repository" -c gpg.program="$work/gpg" -c "user.signingKey=${by:-$name@example.com}" "$@"; }
keep() { git -C "$repository" cat-file "$1" "$2" > "$here/$3.$1"; echo "$3 $(git -C "$repository" rev-parse "$2")" >> "$here/ids"; }
commit() { as "$1" commit -q --allow-empty -S -m "signed with ${2:-$1}"; keep commit HEAD "${2:-$1}"; }

for name in rsa3072 ed25519 nistp256 nistp384 nistp521 rsa1024 dsa2048 revoked unlisted; do commit $name; done
by="$(fingerprint subkey)" commit subkey
MORE='--digest-algo SHA1' commit sha1
MORE='--digest-algo SHA512' commit ed25519 sha512
MORE='--textmode' commit ed25519 text
# A day after the key had expired gpg refuses to sign; so the signature is made before, and its time is not.
SIGNED=20260101T120000 commit expired before-expiry
address=somebody commit ed25519 other-address
as ed25519 tag -s -m 'a release' v1.0.0 HEAD; keep tag v1.0.0 tag

cat > "$work/Release" <<END
Origin: Example
Suite: stable
Codename: example
Date: Fri, 02 Jan 2026 00:00:00 UTC
Valid-Until: Fri, 09 Jan 2040 00:00:00 UTC
Architectures: amd64
- a line that begins with a dash
MD5Sum:
 acbd18db4cc2f85cedef654fccc4a4d8 3 main/Packages
SHA256:
 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae 3 main/Packages
 fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9 3 main/Contents
END
sed -i '/begins with a dash/d' "$work/Release"
inrelease() { at $signed -u "$1@example.com" ${3:+-u "$3@example.com"} --clearsign -o "$here/$2.asc" "$work/Release"; }
inrelease rsa3072 inrelease
inrelease rsa3072 inrelease-two ed25519
inrelease unlisted inrelease-unlisted
sed 's/^Valid-Until:.*/Valid-Until: Sat, 03 Jan 2026 00:00:00 UTC/' -i "$work/Release"
inrelease rsa3072 inrelease-expired
printf 'trailing space \t\n- dash\n--\nlast' > "$work/Release"
inrelease ed25519 clearsigned

at $signed --import "$work/revocation"
listed=(); for name in rsa3072 ed25519 nistp256 nistp384 nistp521 rsa1024 dsa2048 expired encrypting subkey revoked sha1; do listed+=("$name@example.com"); done
gpg -q --armor --export-options export-minimal --export "${listed[@]}" > "$here/keyring.asc"
gpg -q --export-options export-minimal --export "${listed[@]}" > "$here/keyring.gpg"
