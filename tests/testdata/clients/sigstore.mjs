// Signs or verifies with the sigstore packages of a folder:
// sigstore.mjs MODULES sign blob|dsse URL TOKEN BUNDLE FILE, sigstore.mjs MODULES verify blob|dsse ROOT BUNDLE FILE
import { createRequire } from 'module';
import fs from 'fs';

const [modules, action, kind, ...rest] = process.argv.slice(2);
const require = createRequire(modules + '/');
const { bundleToJSON, bundleFromJSON } = require('@sigstore/bundle');

if (action === 'sign') {
  const [url, token, out, file] = rest;
  const { FulcioSigner, MessageSignatureBundleBuilder, DSSEBundleBuilder, RekorWitness, TSAWitness } =
    require('@sigstore/sign');
  const signer = new FulcioSigner({ fulcioBaseURL: url, identityProvider: { getToken: async () => token } });
  const witnesses = [
    new RekorWitness({ rekorBaseURL: url, majorApiVersion: 2 }),
    new TSAWitness({ tsaBaseURL: url }),
  ];
  const data = fs.readFileSync(file);
  const builder = kind === 'dsse'
    ? new DSSEBundleBuilder({ signer, witnesses })
    : new MessageSignatureBundleBuilder({ signer, witnesses });
  const artifact = kind === 'dsse' ? { data, type: 'application/vnd.in-toto+json' } : { data };
  fs.writeFileSync(out, JSON.stringify(bundleToJSON(await builder.create(artifact))));
} else {
  const [root, path, file] = rest;
  const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');
  const { TrustedRoot } = require('@sigstore/protobuf-specs');
  const trusted = TrustedRoot.fromJSON(JSON.parse(fs.readFileSync(root)));
  const bundle = bundleFromJSON(JSON.parse(fs.readFileSync(path)));
  const data = kind === 'dsse' ? undefined : fs.readFileSync(file);
  const signer = new Verifier(toTrustMaterial(trusted), {}).verify(toSignedEntity(bundle, data));
  console.log(signer.identity.subjectAlternativeName);
}
