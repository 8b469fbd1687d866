#!/bin/bash
# Makes the signed commits and tags in this folder with git, ssh-keygen and openssl. The private keys are thrown away, so
# a second run makes other files: the tests take ids and keys from `ids` and `allowed_signers`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 HOME="$work"
export GIT_AUTHOR_NAME=Test GIT_AUTHOR_EMAIL=author@example.com GIT_COMMITTER_NAME=Test
export GIT_AUTHOR_DATE='1767225600 +0000' GIT_COMMITTER_DATE='1767229200 +0100'
: > "$here/allowed_signers"; : > "$here/ids"

key() { # NAME TYPE BITS
  ssh-keygen -q -t "$2" ${3:+-b "$3"} -N '' -C '' -f "$work/$1"
  echo "$1@example.com $(cut -d' ' -f1,2 "$work/$1.pub")" >> "$here/allowed_signers"
}
keep() { # REPOSITORY KIND OBJECT NAME
  git -C "$work/$1" cat-file "$2" "$3" > "$here/$4.$2"
  echo "$4 $(git -C "$work/$1" rev-parse "$3")" >> "$here/ids"
}
as() { # KEY GIT-ARGUMENTS...
  local key=$1; shift
  GIT_COMMITTER_EMAIL="$key@example.com" git -C "$repository" -c gpg.format=ssh -c "user.signingKey=$work/$key" "$@"
}
u32() { printf "$(printf '\\%03o' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)))"; }
string() { u32 "$(wc -c < "$1")"; cat "$1"; }
text() { u32 "${#1}"; printf %s "$1"; }

key ed25519 ed25519; key ecdsa256 ecdsa 256; key ecdsa384 ecdsa 384; key ecdsa521 ecdsa 521; key rsa rsa 3072; key rsa1024 rsa 1024

repository="$work/one"
git init -q -b main "$repository"
for name in ed25519 ecdsa256 ecdsa384 ecdsa521 rsa rsa1024; do
  as $name commit -q --allow-empty -S -m "signed with $name"
  keep one commit HEAD $name
done
as ed25519 commit -q --allow-empty -m 'not signed'; keep one commit HEAD unsigned
as ed25519 -c i18n.commitEncoding=ISO-8859-1 commit -q --allow-empty -S -F <(printf 'caf\351\n'); keep one commit HEAD encoding
as ed25519 tag -s -m 'a release' v1.0.0 HEAD~1; keep one tag v1.0.0 tag
as ed25519 tag -a -m 'not signed' v1.0.1 HEAD~1; keep one tag v1.0.1 tag-unsigned
# A merge of a signed tag: the tag, with its own signature, stands in the commit as `mergetag`.
git -C "$repository" checkout -q -b side HEAD~2
as rsa commit -q --allow-empty -S -m side; as rsa tag -s -m 'to be merged' side-tag
git -C "$repository" checkout -q main
as ed25519 merge -q --no-ff -S -m merge side-tag; keep one commit HEAD mergetag

# Signed by hand, as no git signs: for another namespace, and with SHA-1.
git -C "$repository" cat-file commit "$(grep '^unsigned ' "$here/ids" | cut -d' ' -f2)" > "$work/plain"
attach() { # NAME PAYLOAD SIGNATURE
  { sed '/^$/Q' "$2"; sed '1s/^/gpgsig /; 2,$s/^/ /' "$3"; sed -n '/^$/,$p' "$2"; } > "$work/signed"
  git -C "$repository" update-ref refs/heads/made "$(git -C "$repository" hash-object -w -t commit "$work/signed")"
  keep one commit made "$1"
}
ssh-keygen -q -Y sign -f "$work/ed25519" -n file < "$work/plain" > "$work/sig" 2>/dev/null
attach namespace-file "$work/plain" "$work/sig"
ssh-keygen -q -Y sign -f "$work/ed25519" -n git -O hashalg=sha256 < "$work/plain" > "$work/sig" 2>/dev/null
attach hash-sha256 "$work/plain" "$work/sig"
sed 's/^committer .*> /committer Test <rsa@example.com> /' "$work/plain" > "$work/plain-rsa"
for algorithm in ssh-rsa:sha1 rsa-sha2-256:sha256; do
  openssl dgst -sha512 -binary "$work/plain-rsa" > "$work/hash"
  { printf SSHSIG; text git; text ''; text sha512; string "$work/hash"; } > "$work/message"
  cp "$work/rsa" "$work/pem"; ssh-keygen -q -p -N '' -m PEM -f "$work/pem" > /dev/null
  openssl dgst "-${algorithm#*:}" -sign "$work/pem" -out "$work/raw" "$work/message"
  { text "${algorithm%:*}"; string "$work/raw"; } > "$work/inner"
  cut -d' ' -f2 "$work/rsa.pub" | base64 -d > "$work/public"
  { printf SSHSIG; u32 1; string "$work/public"; text git; text ''; text sha512; string "$work/inner"; } > "$work/blob"
  { echo '-----BEGIN SSH SIGNATURE-----'; base64 -w 70 "$work/blob"; echo '-----END SSH SIGNATURE-----'; } > "$work/sig"
  attach "${algorithm%:*}" "$work/plain-rsa" "$work/sig"
done

# A repository of SHA-256 ids keeps its signatures in another header.
repository="$work/two"
git init -q -b main --object-format=sha256 "$repository"
as ed25519 commit -q --allow-empty -S -m 'in a sha256 repository'; keep two commit HEAD sha256
as ed25519 tag -s -m 'a release' v1.0.0; keep two tag v1.0.0 tag-sha256
