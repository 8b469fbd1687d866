"""What sigstore-python says of each case: one JSON object a line in, one out.

With --repeat N each accepted case is verified N times, and a figure is printed instead.
"""

import hashlib
import json
import sys
import time

from sigstore.hashes import Hashed
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy
from sigstore_models.common.v1 import HashAlgorithm

roots = {}


def verifier(path):
    if path not in roots:
        root = Verifier(trusted_root=TrustedRoot.from_file(path)) if path else Verifier.production(offline=True)
        roots[path] = root
    return roots[path]


def verify(case):
    if case["key"]:
        return None
    with open(case["bundle"], encoding="utf-8") as file:
        bundle = Bundle.from_json(file.read())
    with open(case["artifact"], "rb") as file:
        digest = hashlib.sha256(file.read()).digest()
    who = policy.Identity(identity=case["identity"], issuer=case["issuer"])
    own = verifier(case["root"])
    if bundle._dsse_envelope is None:
        own.verify_artifact(Hashed(algorithm=HashAlgorithm.SHA2_256, digest=digest), bundle, who)
        return True
    # The library leaves the subject to its caller; its command line looks for it, and so do we.
    kind, payload = own.verify_dsse(bundle, who)
    if kind != "application/vnd.in-toto+json":
        raise ValueError(f"payload type {kind}")
    subjects = json.loads(payload).get("subject", [])
    if not any(subject.get("digest", {}).get("sha256") == digest.hex() for subject in subjects):
        raise ValueError("no subject has this digest")
    return True


def main():
    repeat = int(sys.argv[2]) if sys.argv[1:2] == ["--repeat"] else None
    count, took = 0, 0.0
    for line in sys.stdin:
        case = json.loads(line)
        accepted, why = False, None
        try:
            accepted = verify(case)
        except Exception as error:  # whatever it is, it is no yes
            why = f"{type(error).__name__}: {error}"
        if repeat is None:
            print(json.dumps({"name": case["name"], "accepted": accepted, "why": why}))
        elif accepted:
            started = time.perf_counter()
            for _ in range(repeat):
                verify(case)
            took += time.perf_counter() - started
            count += repeat
    if repeat is not None:
        print(count, took)


main()
