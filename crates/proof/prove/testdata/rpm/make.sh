#!/bin/bash
# Makes the packages in this folder with rpmbuild and rpmsign 4.18, and keys with gpg 2.2. Private keys are made in a
# temporary home and thrown away.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
export GNUPGHOME="$work/gnupg" HOME="$work" SOURCE_DATE_EPOCH=1767225600
mkdir -m 700 "$GNUPGHOME"
trap 'gpgconf --kill all; rm -rf "$work"' EXIT
at() { gpg -q --batch --pinentry-mode loopback --passphrase '' --faked-system-time 20260101T000000! "$@"; }
for name in rsa3072 ed25519; do at --quick-generate-key "Test <$name@example.com>" $name sign 0; done
gpg -q --armor --export > "$here/keyring.asc"

cat > "$work/sample.spec" <<END
Name: sample
Version: 1.2
Release: 3
Summary: A sample
License: MIT
BuildArch: noarch
%description
A sample.
%install
mkdir -p %{buildroot}/usr/share/sample
echo sample > %{buildroot}/usr/share/sample/file
%files
/usr/share/sample/file
END
rpmbuild -bb --quiet --define "_topdir $work/build" --define "_buildhost sample" --define "use_source_date_epoch_as_buildtime 1" "$work/sample.spec"
package=$(find "$work/build/RPMS" -name '*.rpm')
cp "$package" "$here/unsigned.rpm"
for name in rsa3072 ed25519; do
  cp "$package" "$here/$name.rpm"
  rpmsign --addsign --define "_gpg_name $name@example.com" --define "_gpg_path $GNUPGHOME" \
    --define "__gpg_sign_cmd /usr/bin/gpg gpg --batch --no-verbose --no-armor --pinentry-mode loopback --passphrase '' --no-secmem-warning -u '%{_gpg_name}' -sbo %{__signature_filename} --digest-algo sha256 --faked-system-time 20260102T000000! %{__plaintext_filename}" \
    "$here/$name.rpm" > /dev/null
done
