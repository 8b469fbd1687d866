"""Makes the repository in this folder with tuf 7.0.1: python3 make.py. Private keys are made and thrown away.

Three roots: the first and second are signed by two of three keys (Ed25519, P-256, RSA), the third replaces a root key
and the timestamp's. `1.root.json` is what a client pins.
"""

import os
import shutil
from datetime import datetime, timezone

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

HERE = os.path.dirname(os.path.abspath(__file__))
EXPIRES = datetime(2040, 1, 1, tzinfo=timezone.utc)


def signer(key):
    return CryptoSigner(key)


ROOTS = [
    signer(ed25519.Ed25519PrivateKey.generate()),
    signer(ec.generate_private_key(ec.SECP256R1())),
    signer(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
]
NEW_ROOT = signer(ec.generate_private_key(ec.SECP384R1()))
ONLINE = signer(ed25519.Ed25519PrivateKey.generate())
NEW_ONLINE = signer(ed25519.Ed25519PrivateKey.generate())
TARGETS = signer(ec.generate_private_key(ec.SECP256R1()))


def write(meta, signers, name):
    meta.signatures.clear()
    for one in signers:
        meta.sign(one, append=True)
    meta.to_file(f"{HERE}/{name}")


def main():
    for name in os.listdir(HERE):
        path = f"{HERE}/{name}"
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif name.endswith(".json"):
            os.remove(path)

    root = Root(expires=EXPIRES, consistent_snapshot=True)
    for one in ROOTS:
        root.add_key(one.public_key, "root")
    root.roles["root"].threshold = 2
    for role in ("timestamp", "snapshot"):
        root.add_key(ONLINE.public_key, role)
    root.add_key(TARGETS.public_key, "targets")
    meta = Metadata(root)
    write(meta, ROOTS[:2], "1.root.json")
    root.version = 2
    write(meta, ROOTS[1:], "2.root.json")
    root.version = 3
    root.revoke_key(ROOTS[0].public_key.keyid, "root")
    root.add_key(NEW_ROOT.public_key, "root")
    root.revoke_key(ONLINE.public_key.keyid, "timestamp")
    root.add_key(NEW_ONLINE.public_key, "timestamp")
    # Two of the older three, and two of the newer three.
    write(meta, [ROOTS[1], ROOTS[2], NEW_ROOT], "3.root.json")

    targets = Targets(version=4, expires=EXPIRES)
    with open(f"{HERE}/../../src/production_root.json", "rb") as file:
        content = file.read()
    listed = TargetFile.from_data("trusted_root.json", content, ["sha256", "sha512"])
    targets.targets["trusted_root.json"] = listed
    write(Metadata(targets), [TARGETS], "4.targets.json")
    os.makedirs(f"{HERE}/targets")
    with open(f"{HERE}/targets/{listed.hashes['sha256']}.trusted_root.json", "wb") as file:
        file.write(content)

    snapshot = Snapshot(version=5, expires=EXPIRES)
    with open(f"{HERE}/4.targets.json", "rb") as file:
        snapshot.meta["targets.json"] = MetaFile.from_data(4, file.read(), ["sha256"])
    write(Metadata(snapshot), [ONLINE], "5.snapshot.json")
    timestamp = Timestamp(version=6, expires=EXPIRES)
    with open(f"{HERE}/5.snapshot.json", "rb") as file:
        timestamp.snapshot_meta = MetaFile.from_data(5, file.read(), ["sha256"])
    write(Metadata(timestamp), [NEW_ONLINE], "timestamp.json")


if __name__ == "__main__":
    main()
