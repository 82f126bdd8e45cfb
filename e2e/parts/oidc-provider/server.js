// An OpenID Connect provider with new keys at each start. Anybody may log in, with any password.
// usage: node server.js PORT CALLBACK   CALLBACK: where the client "page" takes its code
import { generateKeyPairSync, randomUUID } from "node:crypto";
import Provider from "oidc-provider";

const [port, callback] = process.argv.slice(2);
const AUDIENCE = "urn:wsgate:chat";
const ROLES = ["reader", "chat:writer"];

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), alg: "RS256", use: "sig" };

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [
    {
      client_id: "service",
      client_secret: "the-secret-of-the-service",
      grant_types: ["client_credentials"],
      response_types: [],
      redirect_uris: [],
    },
    // PKCE instead of a secret.
    { client_id: "page", token_endpoint_auth_method: "none", redirect_uris: [callback] },
  ],
  jwks: { keys: [key] },
  cookies: { keys: [randomUUID()] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  extraTokenClaims: () => ({ roles: ROLES }),
  ttl: { AccessToken: 3600, ClientCredentials: 3600, Grant: 3600, Interaction: 600, Session: 3600, IdToken: 3600 },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    // An access token is a JWT only where it is asked for a resource (RFC 8707).
    resourceIndicators: {
      enabled: true,
      defaultResource: () => AUDIENCE,
      useGrantedResource: () => true,
      getResourceServerInfo: (_, resource) => ({ audience: resource, scope: "", accessTokenFormat: "jwt" }),
    },
  },
});
provider.use((context, next) => {
  console.log(context.method, context.path);
  return next();
});
provider.listen(Number(port), "127.0.0.1", () => console.log("listening"));
