"""Makes the layouts and links in this folder with in-toto 3.1.0: python3 make.py. Private keys are made and thrown away.

`metablock` is specification 0.9, `dsse` is 1.0. The layout has a step with a threshold of two, one that a functionary
answers with a layout of its own, prefixes on both sides of MATCH, a parameter and an inspection.
"""

import os
import shutil
import tempfile

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from in_toto.models.layout import Inspection, Layout, Step
from in_toto.models.metadata import Envelope, Metablock
from in_toto.runlib import in_toto_run
from in_toto.verifylib import in_toto_verify
from securesystemslib.signer import CryptoSigner

HERE = os.path.dirname(os.path.abspath(__file__))
PRIVATE = {
    "owner": ed25519.Ed25519PrivateKey.generate(),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
}
SIGNERS = {name: CryptoSigner(key) for name, key in PRIVATE.items()}


def listed(name):
    key = SIGNERS[name].public_key
    return key.keyid, {"keyid": key.keyid, **key.to_dict()}


def seal(content, name, dsse):
    block = Envelope.from_signable(content) if dsse else Metablock(signed=content)
    block.create_signature(SIGNERS[name])
    return block


def layout(steps, names, inspect=()):
    return Layout(
        expires="2040-01-01T00:00:00Z", steps=steps, inspect=list(inspect), keys=dict(listed(name) for name in names)
    )


def step(name, functionaries, materials=(), products=(), threshold=1, command=()):
    return Step(
        name=name,
        pubkeys=[listed(who)[0] for who in functionaries],
        threshold=threshold,
        expected_command=list(command),
        expected_materials=[rule.split() for rule in materials],
        expected_products=[rule.split() for rule in products],
    )


def run(name, who, materials, products, command, folder, dsse):
    os.makedirs(folder, exist_ok=True)
    in_toto_run(name, materials, products, command, signer=SIGNERS[who], metadata_directory=folder, use_dsse=dsse)


def make(out, dsse):
    work = tempfile.mkdtemp()
    os.chdir(work)
    os.makedirs("src")
    for path, text in {"src/main.c": "int main;\n", "src/notes": "draft\n"}.items():
        with open(path, "w") as file:
            file.write(text)

    short = {name: listed(name)[0][:8] for name in SIGNERS}
    inner = f"{out}/vendor.{short['ed25519']}"
    run("fetch", "rsa", [], ["src"], ["true"], out, dsse)
    for who in ("p256", "p384"):
        shutil.rmtree("out", ignore_errors=True)
        command = ["sh", "-c", "mkdir -p out && cp src/main.c out/main.o"]
        run("compile", who, ["src"], ["src", "out"], command, out, dsse)
    command = ["sh", "-c", "mkdir -p lib && printf lib > lib/a"]
    run("make", "rsa", [], ["lib"], command, inner, dsse)
    run("pack", "ed25519", ["out", "lib"], ["app-1.2.bin"], ["sh", "-c", "cat out/main.o lib/a > app-1.2.bin"], out, dsse)

    vendor = layout([step("make", ["rsa"], ["DISALLOW *"], ["CREATE lib/*", "DISALLOW *"])], ["rsa"])
    seal(vendor, "ed25519", dsse).dump(f"{out}/vendor.{short['ed25519']}.link")

    steps = [
        step("fetch", ["rsa"], ["DISALLOW *"], ["REQUIRE src/main.c", "CREATE src/*", "DISALLOW *"], command=["true"]),
        step(
            "compile",
            ["p256", "p384"],
            ["MATCH *.c IN src WITH PRODUCTS IN src FROM fetch", "ALLOW src/notes", "DISALLOW *"],
            ["CREATE out/*.o", "ALLOW src/*", "DISALLOW *"],
            threshold=2,
        ),
        step("vendor", ["ed25519"], ["DISALLOW *"], ["CREATE lib/*", "DISALLOW *"]),
        step(
            "pack",
            ["ed25519"],
            ["MATCH out/* WITH PRODUCTS FROM compile", "MATCH a IN lib WITH PRODUCTS IN lib FROM vendor", "DISALLOW *"],
            ["CREATE app-{VERSION}.bin", "DISALLOW *"],
        ),
    ]
    names = ["rsa", "ed25519", "p256", "p384"]
    seal(layout(steps, names), "owner", dsse).dump(f"{out}/root.layout")
    match = "MATCH app-{VERSION}.bin WITH PRODUCTS FROM pack"
    inspection = Inspection(name="look", run=["true"])
    inspection.expected_materials = [match.split(), ["ALLOW", "*"]]
    inspection.expected_products = [["REQUIRE", "app-{VERSION}.bin"], ["ALLOW", "*"]]
    seal(layout(steps, names, [inspection]), "owner", dsse).dump(f"{out}/inspected.layout")
    shutil.copy("app-1.2.bin", HERE)

    # The reference implementation must accept what is kept here.
    for name in ("root.layout", "inspected.layout"):
        block = (Envelope if dsse else Metablock).load(f"{out}/{name}")
        keys = dict([listed("owner")])
        in_toto_verify(block, keys, link_dir_path=out, substitution_parameters={"VERSION": "1.2"}, persist_inspection_links=False)
    os.chdir(HERE)
    shutil.rmtree(work)


if __name__ == "__main__":
    with open(f"{HERE}/owner.pem", "wb") as file:
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        file.write(PRIVATE["owner"].public_key().public_bytes(serialization.Encoding.PEM, form))
    for kind in ("metablock", "dsse"):
        shutil.rmtree(f"{HERE}/{kind}", ignore_errors=True)
        make(f"{HERE}/{kind}", kind == "dsse")
