// An authorization server by other hands (oidc-provider), on loopback, for tests of FapiSession.
// node server.mjs FOLDER: reads FOLDER/config.json, writes FOLDER/issuer.json when it listens.
import { createServer } from "node:https";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createHash, generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const folder = process.argv[2];
const config = JSON.parse(readFileSync(`${folder}/config.json`));
const tls = {
  key: readFileSync(config.key),
  cert: readFileSync(config.certificate),
  ca: readFileSync(config.ca),
  requestCert: true,
  rejectUnauthorized: false, // the provider decides who may do what
};
const server = createServer(tls);
server.listen(0, "127.0.0.1", () => {
  const issuer = `https://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: config.clients,
    jwks: { keys: [{ ...generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" }), use: "sig" }] },
    scopes: ["usage", "offline_access"],
    clientAuthMethods: ["tls_client_auth", "private_key_jwt", "none"],
    enabledJWA: { clientAuthSigningAlgValues: ["PS256", "ES256"], authorizationSigningAlgValues: ["PS256"] },
    features: {
      clientCredentials: { enabled: true },
      jwtResponseModes: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      pushedAuthorizationRequests: { enabled: true, requirePushedAuthorizationRequests: true },
      devInteractions: { enabled: false },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        tlsClientAuth: true,
        getCertificate: (ctx) => {
          const peer = ctx.socket.getPeerCertificate();
          return peer && peer.raw ? `-----BEGIN CERTIFICATE-----\n${peer.raw.toString("base64")}\n-----END CERTIFICATE-----` : undefined;
        },
        certificateAuthorized: (ctx) => ctx.socket.authorized,
        certificateSubjectMatches: (ctx, property, expected) =>
          property === "tls_client_auth_san_dns" && (ctx.socket.getPeerCertificate().subjectaltname || "").split(", ").includes(`DNS:${expected}`),
      },
    },
    pkce: { required: () => true },
    issueRefreshToken: async (ctx, client) => client.grantTypeAllowed("refresh_token"),
    ttl: { AccessToken: 3600, ClientCredentials: 3600, AuthorizationCode: 60, RefreshToken: 86400, Session: 600, Grant: 86400, Interaction: 600 },
    interactions: { url: (_, interaction) => `/consent/${interaction.uid}` },
    findAccount: (_, id) => ({ accountId: id, claims: async () => ({ sub: id }) }),
  });
  const oidc = provider.callback();
  server.on("request", async (req, res) => {
    if (req.url.startsWith("/consent/")) {
      // a customer who agrees to everything, or to nothing where FOLDER/deny is there
      const details = await provider.interactionDetails(req, res);
      const grant = new provider.Grant({ accountId: "customer", clientId: details.params.client_id });
      if (details.params.scope) grant.addOIDCScope(details.params.scope);
      const result = existsSync(`${folder}/deny`)
        ? { error: "access_denied", error_description: "the customer declined" }
        : { login: { accountId: "customer" }, consent: { grantId: await grant.save() } };
      await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
    } else if (req.url.startsWith("/resource")) {
      // a resource server: token in the header only, bound to this very certificate (RFC 8705 §3)
      const shown = (req.headers.authorization || "").replace(/^Bearer /, "");
      const token = (await provider.ClientCredentials.find(shown)) || (await provider.AccessToken.find(shown));
      const peer = req.socket.getPeerCertificate();
      const thumbprint = peer && peer.raw ? createHash("sha256").update(peer.raw).digest("base64url") : "";
      const good = token && token.isValid && token["x5t#S256"] === thumbprint;
      res.writeHead(good ? 200 : 401, { "Content-Type": "application/json", "x-fapi-interaction-id": req.headers["x-fapi-interaction-id"] || "" });
      res.end(JSON.stringify(good ? { kWh: 12.5, client: token.clientId } : { error: "invalid_token" }));
    } else {
      oidc(req, res);
    }
  });
  writeFileSync(`${folder}/issuer.json`, JSON.stringify({ issuer }));
});
