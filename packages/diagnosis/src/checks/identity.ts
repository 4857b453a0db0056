/**
 * The proof of an identity: what its JWT says, whether a token is given for it, whose that is, and what it may do.
 */
import { type Credential, type DatabricksAuth, type Identity, Jwt } from "@flyte-databricks/databricks-auth"
import * as Answer from "@flyte-databricks/databricks-auth/http/Answer"
import { userAgent } from "@flyte-databricks/databricks-auth/http/UserAgent"
import { baseUrl, headers } from "@flyte-databricks/databricks-auth/WorkspaceHost"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as HttpClient from "effect/http/HttpClient"
import { Finding, fromFailure, type Passed } from "../Check.ts"
import { assignWorkspace } from "@flyte-databricks/databricks-auth/DatabricksCli"
import * as Http from "../Http.ts"
import type { Workspace } from "./network.ts"

type Auth = DatabricksAuth.DatabricksAuth["Service"]

/** The service principal that an identity is meant to be; none of a PAT, whose owner Databricks alone knows. */
const clientIdOf = (identity: Identity.Identity): string | undefined =>
  identity._tag === "pat" ? undefined : identity.principal

/** What the JWT of an identity says. */
export const readJwt = Effect.fnUntraced(function* (
  auth: Auth,
  credential: Credential.Credential
): Effect.fn.Return<Passed<Option.Option<Jwt.Description>>, Finding> {
  const described = yield* Effect.mapError(auth.subject(credential), (error) => fromFailure(error))
  if (Option.isNone(described)) return { value: described, text: "" }
  const { claims, header } = described.value
  const { alg, kid } = header
  return {
    value: described,
    text: `${credential.identity.source} gives a JWT.`,
    facts: {
      iss: claims.iss ?? "(nothing)",
      sub: claims.sub ?? "(nothing)",
      aud: claims.audiences.join(", ") || "(nothing)",
      exp: Option.getOrElse(Jwt.expiry(claims), () => "(nothing)"),
      kid: kid ?? "(nothing)",
      alg
    }
  }
})

/** Who issued a JWT, and with which key. */
export const issuerOf = (described: Option.Option<Jwt.Description>) => ({
  issuer: Option.match(described, { onNone: () => "", onSome: ({ claims }) => claims.iss ?? "" }),
  kid: Option.getOrUndefined(Option.flatMapNullishOr(described, ({ header }) => header.kid))
})

/** Gets a token as `serve` does, and looks whose it is. */
export const getToken = Effect.fnUntraced(function* (
  auth: Auth,
  credential: Credential.Credential
): Effect.fn.Return<Passed<Redacted.Redacted<string>>, Finding> {
  const { identity } = credential
  const clientId = clientIdOf(identity)
  const { authorization } = yield* Effect.mapError(auth.getHeader(credential), fromFailure)
  if (clientId === undefined) return { value: authorization, text: "The PAT is there; whose it is comes next." }
  const claims = Option.map(Jwt.parse(Redacted.value(authorization).replace(/^Bearer /, "")), (token) => token.claims)
  const sub = Option.getOrUndefined(Option.flatMapNullishOr(claims, (known) => known.sub))
  if (sub !== undefined && sub !== clientId) {
    return yield* new Finding({ code: "FDC306", detail: `Its sub is ${sub}, and the client id ${clientId}.` })
  }
  return {
    value: authorization,
    text: `${identity.authType === "oauth_m2m" ? "The client secret" : "The JWT"} is exchanged for an access token.`,
    ...(sub === undefined ? {} : { facts: { sub } })
  }
})

const Me = Schema.fromJsonString(
  Schema.Struct({ userName: Schema.String, displayName: Schema.optional(Schema.NullOr(Schema.String)) })
)

/** Asks the workspace who a token is. */
export const me = Effect.fnUntraced(function* (
  { instance, workspaceId }: Workspace,
  identity: Identity.Identity,
  authorization: Redacted.Redacted<string>
): Effect.fn.Return<Passed<string>, Finding, HttpClient.HttpClient> {
  const clientId = clientIdOf(identity)
  const path = "/api/2.0/preview/scim/v2/Me"
  const body = yield* ask({ instance, workspaceId }, path, identity, authorization)
  const read = Schema.decodeUnknownOption(Me)(body)
  if (Option.isNone(read)) {
    return yield* new Finding({ code: "FDC406", detail: `${instance} does not say who the token is.` })
  }
  const { userName, displayName } = read.value
  if (clientId !== undefined && userName !== clientId) {
    return yield* new Finding({ code: "FDC306", detail: `The workspace says ${userName}, expected ${clientId}.` })
  }
  return {
    value: userName,
    text: `${instance} knows it as ${userName}.`,
    facts: { userName, ...(displayName && displayName !== userName ? { displayName } : {}) }
  }
})

/** Reads from the Jobs API, which a principal without a grant may not. */
export const readJobs = Effect.fnUntraced(function* (
  workspace: Workspace,
  identity: Identity.Identity,
  authorization: Redacted.Redacted<string>
): Effect.fn.Return<Passed<void>, Finding, HttpClient.HttpClient> {
  yield* ask(workspace, "/api/2.1/jobs/runs/list?limit=1", identity, authorization)
  return { value: undefined, text: "It may use the Jobs API." }
})

const ask = Effect.fnUntraced(function* (
  { instance, workspaceId }: Workspace,
  path: string,
  identity: Identity.Identity,
  authorization: Redacted.Redacted<string>
): Effect.fn.Return<string, Finding, HttpClient.HttpClient> {
  const url = `${baseUrl(instance)}${path}`
  const clientId = clientIdOf(identity)
  const response = yield* Effect.mapError(
    Http.get(url, authorization, { ...headers(instance), "user-agent": userAgent(identity.authType) }),
    ({ message }) => new Finding({ code: "FDC409", detail: `${message}.` })
  )
  const { status, said, body } = response
  const detail = `${url} answered ${said}.`
  if (status === 200) {
    return Answer.isHtml(body) ? yield* new Finding({ code: "FDC406", detail }) : body
  }
  // Of a token that does not count some deployments say 403 as well.
  if (status === 401 || (status === 403 && /invalid access token|token is expir/i.test(said))) {
    return yield* new Finding({ code: "FDC408", detail })
  }
  if (status === 403) {
    const command =
      clientId !== undefined && Option.isSome(workspaceId) ? assignWorkspace(clientId, workspaceId.value) : undefined
    return yield* new Finding({ code: "FDC407", detail, command })
  }
  return yield* new Finding({ code: Answer.mayPass(status) ? "FDC409" : "FDC406", detail })
})
