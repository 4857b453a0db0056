/**
 * The world of a combination: a cluster and a token endpoint in memory, and a connector over them as its environment
 * configures it.
 */
import { AuthError, DatabricksAuth, Kubernetes, TokenEndpoint } from "@flyte-databricks/databricks-auth"
import { Duration, Effect, FileSystem, Layer, Option, PlatformError, Redacted } from "effect"
import { configured } from "../support/environment.ts"
import { openFile } from "../support/oidc.ts"
import { type Combination, connectorPair, connectorPat, oauthSecret, tokenSecret } from "./Combination.ts"
import { bySecret, clientSecretOf, patOf, tokenOf, unifiedHost, workspaces } from "./Credentials.ts"
import { audience, type Content, jwtFile, jwtOf, pathBy, serviceAccounts, textOf } from "./OidcStates.ts"

/** One combination, in a namespace of its own. */
export interface Run {
  readonly combination: Combination
  readonly namespace: string
  readonly workspace: (typeof workspaces)[number]
}

/** Puts a run's Secrets and ServiceAccounts into its namespace. */
export const fillNamespace = Effect.fnUntraced(function* ({ combination, namespace }: Run) {
  const memory = yield* Effect.serviceOption(Kubernetes.KubernetesMemory)
  if (Option.isNone(memory)) return
  const put = (
    name: string,
    state: (typeof tokenSecret)[keyof typeof tokenSecret] | (typeof oauthSecret)[keyof typeof oauthSecret]
  ) => {
    if ("data" in state) return memory.value.setSecret(namespace, name, state.data(namespace))
    if (state.answer === "absent") return Effect.void
    return memory.value.failSecret(namespace, name, faults[state.answer])
  }
  yield* put("databricks-oauth", oauthSecret[combination.oauthSecret])
  yield* put("databricks-token", tokenSecret[combination.tokenSecret])
  const { listing, labelled } = serviceAccounts[combination.serviceAccounts]
  for (const { name, ...offer } of labelled) {
    yield* memory.value.setServiceAccount(namespace, name, serviceAccountOf(offer, namespace))
  }
  if (listing !== "answered") yield* memory.value.failServiceAccounts(namespace, Option.some(faults[listing]))
})

/** Decides what each run's TokenRequests get: a JWT that says for what it was made, or the fault that the run is about. */
export const answerTokenRequests = Effect.fnUntraced(function* (runs: ReadonlyArray<Run>) {
  const memory = yield* Effect.serviceOption(Kubernetes.KubernetesMemory)
  if (Option.isNone(memory)) return
  const ofNamespace = new Map(runs.map(({ namespace, combination }) => [namespace, combination.acquisition]))
  yield* memory.value.onTokenRequest((namespace, name, { audience }) => {
    const acquisition = ofNamespace.get(namespace)
    if (acquisition === "TokenRequest forbidden") return new Kubernetes.KubernetesError({ reason: faults.forbidden })
    if (acquisition === "TokenRequest unavailable")
      return new Kubernetes.KubernetesError({ reason: faults.unavailable })
    const subject = `system:serviceaccount:${namespace}:${name}:${audience}`
    return Effect.succeedSome(
      Redacted.make(jwtOf(acquisition === "exchange refused" ? refused + subject : subject, audience))
    )
  })
})

/** The token endpoint lets no subject in that starts like this. */
const refused = "refused:"

const serviceAccountOf = (
  offer: { readonly clientId?: (namespace: string) => string; readonly audience?: string },
  namespace: string
): Kubernetes.MemoryServiceAccount => ({
  labels: { "flyte.org/databricks-enabled": "true" },
  annotations: {
    ...(offer.clientId === undefined ? {} : { "flyte.org/databricks-client-id": offer.clientId(namespace) }),
    ...(offer.audience === undefined ? {} : { "flyte.org/databricks-audience": offer.audience })
  }
})

/** The connector's files, and what names them. */
const filesOf = (combination: Combination) => {
  const contents = Object.entries(jwtFile[combination.jwtFile]) as ReadonlyArray<[keyof typeof pathBy, Content]>
  const texts = new Map(
    contents.map(([by, content]) => [pathBy[by] as string, textOf(pathBy[by], content, audience[combination.audience])])
  )
  const variables = Object.fromEntries(contents.filter(([by]) => by !== "default").map(([by]) => [by, pathBy[by]]))
  const find = <A>(path: string, found: (text: string) => A) => {
    const text = texts.get(path)
    return text === undefined
      ? Effect.fail(
          PlatformError.systemError({ _tag: "NotFound", module: "FileSystem", method: "read", pathOrDescriptor: path })
        )
      : Effect.succeed(found(text))
  }
  const layer = FileSystem.layerNoop({
    realPath: (path) => find(path, () => path),
    stat: (path) => find(path, ({ length }) => ({ type: "File", size: BigInt(length) }) as FileSystem.File.Info),
    readFileString: (path) => find(path, (text) => text),
    open: (path) => find(path, openFile)
  })
  return { variables, layer }
}

const faults = {
  forbidden: new Kubernetes.Forbidden({ detail: "forbidden by RBAC" }),
  unavailable: new Kubernetes.Unavailable({ detail: "etcd is electing a leader" })
}

/** A connector as the environment configures it, over a cluster and a token endpoint in memory. */
export const connectorOf = (combination: Combination) => {
  const secrets = {
    ...connectorPat[combination.connectorPat].variables,
    ...connectorPair[combination.connectorPair].variables
  }
  const files = filesOf(combination)
  const env = {
    ...files.variables,
    ...(combination.audience === "default" ? {} : { FLYTE_DATABRICKS_OIDC_AUDIENCE: audience[combination.audience] }),
    FLYTE_DATABRICKS_INSTANCE: workspaces[0],
    FLYTE_DATABRICKS_ALLOWED_INSTANCES: unifiedHost,
    FLYTE_DATABRICKS_NAMESPACE_IDENTITY: combination.namespaceIdentity,
    FLYTE_DATABRICKS_AUTH_TYPE: combination.environmentAuthType === "unset" ? "" : combination.environmentAuthType
  }
  return DatabricksAuth.layer.pipe(
    Layer.provide(configured({ ...secrets, ...env })),
    Layer.provide(files.layer),
    Layer.provideMerge(
      combination.kubernetes === "configured"
        ? Kubernetes.layerMemory(bystanders, bystandingServiceAccounts)
        : Kubernetes.layerNone
    ),
    Layer.provideMerge(TokenEndpoint.layerMemory(grant))
  )
}

/** Whole credentials that are nobody's business here: no request names these namespaces. */
const otherNamespaces = ["default", "flyte", "another-team"]
const bystanders = Object.fromEntries(
  otherNamespaces.flatMap((namespace) => [
    [`${namespace}/databricks-oauth`, oauthSecret.whole.data(namespace)],
    [`${namespace}/databricks-token`, { token: patOf(namespace) }]
  ])
)
const bystandingServiceAccounts = Object.fromEntries(
  otherNamespaces.flatMap((namespace) =>
    serviceAccounts.one.labelled.map((one) => [`${namespace}/${one.name}`, serviceAccountOf(one, namespace)])
  )
)

/** A token says whose it is and by which proof; a client id that comes with another one's secret or JWT gets none. */
const grant = (request: TokenEndpoint.TokenRequest) => {
  const { clientId, instance } = request
  const secret = TokenEndpoint.secretOf(request)
  const token = (proof: string) => ({
    value: Redacted.make(tokenOf(clientId, proof, instance)),
    lifetime: Duration.hours(1),
    builtFrom: secret
  })
  if (!("subject" in request)) {
    return Redacted.value(secret) === clientSecretOf(clientId)
      ? Effect.succeed(token(bySecret))
      : Effect.die(`a pair joined from two sources: ${clientId} with ${Redacted.value(secret)}`)
  }
  const sub = subjectOf(secret)
  if (!sub.startsWith(refused)) return Effect.succeed(token(sub))
  return new AuthError.AuthError({
    reason: new AuthError.ExchangeRefused({
      endpoint: "the token endpoint",
      clientId,
      source: request.source,
      status: 401,
      error: "invalid_grant",
      audiences: []
    })
  })
}

/** Read from the JWT itself, as Databricks does, and not from what the code believes it says. */
const subjectOf = (jwt: Redacted.Redacted<string>): string =>
  JSON.parse(Buffer.from(Redacted.value(jwt).split(".")[1] ?? "", "base64url").toString()).sub

/** Names a request by the client, its proof and the workspace; none that was refused, which may be made again. */
export const describeRequests = (request: TokenEndpoint.TokenRequest): ReadonlyArray<string> => {
  const proof = "subject" in request ? subjectOf(TokenEndpoint.secretOf(request)) : bySecret
  return proof.startsWith(refused) ? [] : [`${request.clientId} by ${proof} for ${request.instance}`]
}
