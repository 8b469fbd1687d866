// A real OpenID provider (panva/node-oidc-provider) on loopback: PORT REDIRECT [SECRET].
// Whoever types a name is that user; `rob` is on call, `eve` is in no group, `mallory` typed an address that nobody verified.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(`${process.cwd()}/package.json`);
const { Provider } = await import(pathToFileURL(require.resolve('oidc-provider')));
const [port, redirect, secret] = process.argv.slice(2);
const groups = { ann: ['staff'], rob: ['staff', 'oncall'] };
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{
    client_id: 'linkward', redirect_uris: [redirect], response_types: ['code'], grant_types: ['authorization_code'],
    ...(secret ? { client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' } : { token_endpoint_auth_method: 'none' }),
  }],
  pkce: { required: () => true },
  conformIdTokenClaims: false,
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['preferred_username', 'groups'] },
  findAccount: async (_, id) => ({
    accountId: id,
    claims: async () => ({
      sub: id, preferred_username: id, groups: groups[id] ?? [], email: `${id === 'mallory' ? 'root' : id}@example.com`, email_verified: id !== 'mallory',
    }),
  }),
});
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'));
