#!/bin/sh
# Makes these fixtures with openssl, gpgsm and git. Keys are thrown away; only public parts and signed objects stay.
set -eu
out=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export GNUPGHOME="$work/gnupg"
mkdir -m 700 "$GNUPGHOME"
# Nothing is asked of anybody: no revocation lists, no prompts, our own root trusted.
printf 'disable-crl-checks\nno-secmem-warning\n' > "$GNUPGHOME/gpgsm.conf"
printf 'allow-loopback-pinentry\n' > "$GNUPGHOME/gpg-agent.conf"

openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 9000 -subj '/CN=fixture authority' \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 
cp ca.pem "$out/ca.pem"
openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -days 9000 -subj '/CN=another authority' \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 
cp other.pem "$out/other.pem"

leaf() { # name, key arguments, usage, days
    name=$1; usage=$3; days=$4
    # shellcheck disable=SC2086
    openssl req -newkey $2 -nodes -keyout "$name.key" -out "$name.csr" -subj '/CN=Test' 
    printf 'subjectAltName=email:own@example.com\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=%s\n' "$usage" > "$name.ext"
    openssl x509 -req -in "$name.csr" -CA ca.pem -CAkey ca.key -days "$days" -extfile "$name.ext" -out "$name.pem" 
}
leaf own rsa:2048 emailProtection 8000
leaf ec 'ec -pkeyopt ec_paramgen_curve:P-256' emailProtection 8000
leaf server rsa:2048 serverAuth 8000
# An address that stands there as a URI is none.
openssl req -newkey rsa:2048 -nodes -keyout uri.key -out uri.csr -subj '/CN=Test'
printf 'subjectAltName=URI:own@example.com\nextendedKeyUsage=emailProtection\n' > uri.ext
openssl x509 -req -in uri.csr -CA ca.pem -CAkey ca.key -days 8000 -extfile uri.ext -out uri.pem

openssl pkcs12 -export -legacy -inkey own.key -in own.pem -certfile ca.pem -passout pass:fixture -out own.p12
echo fixture | gpgsm --batch --pinentry-mode loopback --passphrase-fd 0 --import own.p12 
gpgsm --with-colons --list-keys 2>/dev/null | awk -F: '/^fpr/{print $10" S relax"}' > "$GNUPGHOME/trustlist.txt"
gpgconf --kill gpg-agent
signer=$(gpgsm --with-colons --list-secret-keys 2>/dev/null | awk -F: '/^fpr/{print $10; exit}')

git init -q repo
cd repo
git config user.name Test
git config user.email own@example.com
git config gpg.format x509
printf '#!/bin/sh\nexec gpgsm --batch --pinentry-mode loopback --passphrase-fd 3 "$@" 3<%s/pass\n' "$work" > "$work/program"
echo fixture > "$work/pass"
chmod +x "$work/program"
git config gpg.x509.program "$work/program"
git config user.signingkey "$signer"
git commit -q -S --allow-empty -m 'signed with gpgsm'
git cat-file commit HEAD > "$out/gpgsm.commit"
git tag -s -m 'signed with gpgsm' v1
git cat-file tag v1 > "$out/gpgsm.tag"
git cat-file commit HEAD | sed '/^gpgsig/,/^ -----END/d' > ../payload
cd ..

# openssl writes DER where gpgsm writes BER; the same payload, so that only the signature differs.
attach() { # fixture, signature in PEM
    { sed '/^$/,$d' payload
      sed 's/BEGIN CMS/BEGIN SIGNED MESSAGE/; s/END CMS/END SIGNED MESSAGE/' "$2" | sed '1s/^/gpgsig /; 2,$s/^/ /'
      sed -n '/^$/,$p' payload; } > "$out/$1.commit"
}
sign() { # fixture, certificate, further arguments
    name=$1; by=$2; shift 2
    openssl cms -sign -binary -in payload -signer "$by.pem" -inkey "$by.key" -outform PEM -out "$name.sig" "$@"
    attach "$name" "$name.sig"
}
sign openssl own
sign ecdsa ec
sign keyid own -keyid
sign sha1 own -md sha1
sign sha512 own -md sha512
sign pss own -keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:-1
sign no-attributes own -noattr
sign attached own -nodetach
sign server server
sign uri uri
sign without-certificate own -nocerts
sign two-signers own -signer ec.pem -inkey ec.key
