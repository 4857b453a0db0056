/**
 * Where the tokens of a workspace are given. A host of one workspace gives them itself, and is not asked. One that serves
 * several says where, in two documents (`/.well-known/databricks-config`, then RFC 8414's): they are read once an hour,
 * without a credential, and what they name passes the fence that the workspace has passed.
 */
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import { AuthError, InstanceRefused, TokenEndpointUnavailable, TokenResponseInvalid } from "../AuthError.ts"
import * as BoundedBody from "../http/BoundedBody.ts"
import { printable } from "../http/ForeignText.ts"
import { userAgent } from "../http/UserAgent.ts"
import { parseUrl } from "../internal/url.ts"
import {
  AllowedInstances,
  baseUrl,
  canonicalize,
  hostOf,
  idOf,
  isAccountWide,
  type WorkspaceHost
} from "../WorkspaceHost.ts"
import * as Fault from "./internal/fault.ts"
import { makeTry, RetryPolicy, within } from "./RetryPolicy.ts"

// What a host says of itself changes when an account is moved.
const foundLasts = "1 hour"
// Of a host without documents, somebody may be giving it some.
const absentLasts = "5 minutes"

// A document has some 2 KB.
const bodyLimit = 64 * 1024

// Within which time tries begin: as long as a caller of Flyte's usually waits.
const lookUpTimeout = Duration.seconds(8)

// Workflow authors choose hosts.
const hostsKept = 1000

const Text = Schema.optional(Schema.NullOr(Schema.String))

const HostDocument = Schema.Struct({
  oidc_endpoint: Text,
  account_id: Text,
  workspace_id: Schema.optional(Schema.NullOr(Schema.Union([Schema.String, Schema.Finite])))
})
const ServerDocument = Schema.Struct({ token_endpoint: Text })

const decode = <A>(schema: Schema.Codec<A, unknown>, body: string): Option.Option<A> =>
  Schema.decodeUnknownOption(Schema.fromJsonString(schema))(body)

/** What the documents of a host say. */
interface Found {
  readonly tokenEndpoint: string
  /** The workspace of a host that serves one alone. */
  readonly workspaceId: string | undefined
}

/** Finds the token endpoints of workspaces. */
export interface Discovery {
  readonly tokenEndpoint: (workspace: WorkspaceHost) => Effect.Effect<string, AuthError>
}

export const make: Effect.Effect<Discovery, never, HttpClient.HttpClient | AllowedInstances> = Effect.gen(function* () {
  const client = yield* HttpClient.HttpClient
  const allowed = yield* AllowedInstances
  const retryPolicy = yield* RetryPolicy
  const aTry = yield* makeTry

  /** A document as text; none where there is nothing of the kind. */
  const read = Effect.fnUntraced(function* (url: string) {
    const unavailable = (fault: Fault.Fault) =>
      new AuthError({ reason: new TokenEndpointUnavailable({ endpoint: url, attempts: 1, ...fault }) })
    const request = HttpClientRequest.get(url).pipe(
      HttpClientRequest.acceptJson,
      HttpClientRequest.setHeader("user-agent", userAgent())
    )
    const answered = client.execute(request).pipe(
      Effect.flatMap((response) => Effect.map(BoundedBody.text(response, bodyLimit), (body) => ({ response, body }))),
      Effect.catchTag("BodyTooLarge", ({ message }) =>
        Effect.fail(
          new AuthError({ reason: new TokenResponseInvalid({ endpoint: url, status: 200, problem: message }) })
        )
      ),
      Effect.catchTag("HttpClientError", (error) => Effect.fail(unavailable(Fault.ofTransport(error)))),
      Effect.provideService(FetchHttpClient.RequestInit, { redirect: "manual" })
    )
    const { response, body } = yield* aTry(answered, (detail) => unavailable({ detail }))
    const fault = yield* Fault.ofAnswer(response)
    return Option.isSome(fault) ? yield* unavailable(fault.value) : { status: response.status, body }
  })

  /** Fails where credentials may not go to the host of a URL that a document names. */
  const fence = Effect.fnUntraced(function* (url: string, named: string, by: string, host: WorkspaceHost) {
    const parsed = parseUrl(named)
    const origin = parsed === null ? named : parsed.origin
    const isPlain = parsed !== null && `${origin}${parsed.pathname}` === named
    const other = isPlain ? Result.getSuccess(canonicalize(origin)) : Option.none()
    if (Option.isNone(other)) {
      const problem = `its ${by} is not the https address of an endpoint`
      return yield* new AuthError({ reason: new TokenResponseInvalid({ endpoint: url, status: 200, problem }) })
    }
    if (other.value !== host && !allowed.allows(other.value)) {
      const why = `${url} of ${host} names it as ${by}, and it is not on the allow-list`
      return yield* new AuthError({
        reason: new InstanceRefused({ instance: other.value, why, allowed: allowed.patterns })
      })
    }
    return named
  })

  const lookUp = Effect.fnUntraced(function* (host: WorkspaceHost): Effect.fn.Return<Option.Option<Found>, AuthError> {
    const url = `${baseUrl(host)}/.well-known/databricks-config`
    const { status, body } = yield* read(url)
    const document = status === 200 ? decode(HostDocument, body) : Option.none()
    const oidc = Option.flatMapNullishOr(document, ({ oidc_endpoint }) => oidc_endpoint)
    if (Option.isNone(document) || Option.isNone(oidc)) {
      // Older hosts, and those of Azure China, have none. A host that is known by its name to serve an account has one.
      if (!isAccountWide(host)) return Option.none()
      const problem = "that is not the document in which a host says where its tokens are given"
      return yield* new AuthError({ reason: new TokenResponseInvalid({ endpoint: url, status, problem }) })
    }
    const { account_id: account, workspace_id: workspaceId } = document.value
    const issuer = yield* fence(
      url,
      oidc.value.replace("{account_id}", encodeURIComponent(account ?? "")).replace(/(?<!\/)\/+$/, ""),
      "oidc_endpoint",
      host
    )
    const serverUrl = `${issuer}/.well-known/oauth-authorization-server`
    const server = yield* read(serverUrl)
    const named = Option.flatMapNullishOr(
      server.status === 200 ? decode(ServerDocument, server.body) : Option.none(),
      ({ token_endpoint }) => token_endpoint
    )
    if (Option.isNone(named)) {
      const problem = "that is not a document that names a token_endpoint"
      return yield* new AuthError({
        reason: new TokenResponseInvalid({ endpoint: serverUrl, status: server.status, problem })
      })
    }
    const tokenEndpoint = yield* fence(serverUrl, named.value, "token_endpoint", host)
    return Option.some({ tokenEndpoint, workspaceId: workspaceId == null ? undefined : String(workspaceId) })
  })

  const patiently = Effect.fnUntraced(function* (host: WorkspaceHost) {
    const deadline = (yield* Clock.currentTimeMillis) + Duration.toMillis(lookUpTimeout)
    const tries = yield* Ref.make(0)
    return yield* Ref.update(tries, (count) => count + 1).pipe(
      Effect.andThen(lookUp(host)),
      Effect.retry({
        schedule: within(retryPolicy, deadline),
        while: ({ reason }) => reason._tag === "TokenEndpointUnavailable"
      }),
      Effect.catch((error) => Effect.flatMap(Ref.get(tries), (attempts) => Effect.fail(after(attempts, error))))
    )
  })

  const cache = yield* Cache.makeWith(patiently, {
    capacity: hostsKept,
    timeToLive: (exit) => (Exit.isFailure(exit) ? 0 : Option.isSome(exit.value) ? foundLasts : absentLasts)
  })

  return {
    tokenEndpoint: Effect.fnUntraced(function* (workspace) {
      const own = `${baseUrl(workspace)}/oidc/v1/token`
      const id = idOf(workspace)
      if (Option.isNone(id)) return own
      const found = yield* Cache.get(cache, hostOf(workspace))
      if (Option.isNone(found)) return own
      const { tokenEndpoint, workspaceId } = found.value
      if (workspaceId !== undefined && workspaceId !== id.value) {
        const why = `its host says that it is workspace ${printable(workspaceId, { maxLength: 64 })} and no other`
        return yield* new AuthError({ reason: new InstanceRefused({ instance: workspace, why, allowed: [] }) })
      }
      return tokenEndpoint
    })
  }
})

const after = (attempts: number, error: AuthError): AuthError =>
  error.reason._tag === "TokenEndpointUnavailable"
    ? new AuthError({ reason: new TokenEndpointUnavailable({ ...error.reason, attempts }) })
    : error
