#!/bin/bash
# Makes the packages in this folder with tar, gzip and openssl, as abuild-sign does it: abuild itself is not at hand
# outside of Alpine. Private keys are made in a temporary folder and thrown away.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for name in key other; do
  openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out $name.pem
  openssl pkey -in $name.pem -pubout -out "$here/$name.rsa.pub"
done
pack() { tar --format=ustar --owner=0 --group=0 --mtime=@1767225600 -cf - "$@"; }
# Every stream but the last has no end of archive.
open() { pack "$@" | head -c "$(( $(pack "$@" | tar -tvf - | awk '{n += 512 + int(($3 + 511) / 512) * 512} END {print n}') ))"; }
mkdir -p usr/share/sample; echo sample > usr/share/sample/file
pack usr | gzip -n9 > data.tar.gz
printf 'pkgname = sample\npkgver = 1.2-r3\narch = noarch\ndatahash = %s\n' "$(sha256sum data.tar.gz | cut -d' ' -f1)" > .PKGINFO
open .PKGINFO | gzip -n9 > control.tar.gz
sealed() { # OUT HASH PREFIX
  openssl dgst -$2 -sign key.pem -out "$3.key.rsa.pub" control.tar.gz
  open "$3.key.rsa.pub" | gzip -n9 > sign.tar.gz
  cat sign.tar.gz control.tar.gz data.tar.gz > "$here/$1.apk"
}
sealed rsa256 sha256 .SIGN.RSA256
sealed rsa512 sha512 .SIGN.RSA512
sealed sha1 sha1 .SIGN.RSA
cat control.tar.gz data.tar.gz > "$here/unsigned.apk"
sed -i '/^datahash/d' .PKGINFO; open .PKGINFO | gzip -n9 > control.tar.gz
sealed no-data sha256 .SIGN.RSA256
