/**
 * Loads and checks the library's `KubeConfig`, so that what is wrong with it shows at start-up and not as a failing
 * request later on.
 */
import {
  bufferFromFileOrString,
  type Cluster,
  createConfiguration,
  KubeConfig,
  loadYaml,
  ServerConfiguration,
  type User
} from "@kubernetes/client-node"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { createSecureContext } from "node:tls"
import type { ClusterConfig } from "../ClusterConfig.ts"
import {
  InClusterInvalid,
  KubeconfigInvalid,
  KubeconfigUnreadable,
  KubernetesConfigError
} from "../KubernetesConfigError.ts"
import * as CredentialSource from "./credentials.ts"
import { describeFault } from "./faults.ts"

/** A configuration that was checked: its current context leads to a cluster and a user. */
interface Loaded {
  readonly kubeConfig: KubeConfig
  readonly server: string
  /** The server as messages show it, without credentials. */
  readonly address: string
  /** The cluster as a start-up summary names it. */
  readonly description: string
}

/** Loads what was located: the cluster, and the configuration of the library's clients for it. */
export const load = Effect.fnUntraced(function* (config: ClusterConfig) {
  const loaded = config._tag === "InCluster" ? yield* loadInCluster(config) : yield* loadKubeconfig(config)
  const source = yield* CredentialSource.make(loaded.kubeConfig)
  const configuration = createConfiguration({ baseServer: new ServerConfiguration(loaded.server, {}) })
  return { ...loaded, source, configuration }
})

const loadInCluster = Effect.fnUntraced(function* ({
  server,
  directory
}: Extract<ClusterConfig, { _tag: "InCluster" }>) {
  const path = yield* Path.Path
  const kubeConfig = new KubeConfig()
  const cluster = { name: "in-cluster", server, caFile: path.join(directory, "ca.crt"), skipTLSVerify: false }
  const user = { name: "service-account", authProvider: tokenFileProvider(path.join(directory, "token")) }
  kubeConfig.loadFromClusterAndUser(cluster, user)
  const problem = endpointProblem(cluster) ?? materialProblem(cluster, user)
  if (problem !== undefined) {
    const remedy = "Check KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT and what is mounted at " + directory + "."
    return yield* new KubernetesConfigError({ reason: new InClusterInvalid({ problem, remedy }) })
  }
  return { kubeConfig, server, address: shown(server), description: `in-cluster (${shown(server)})` }
})

const loadKubeconfig = Effect.fnUntraced(function* ({
  files,
  namedBy
}: Extract<ClusterConfig, { _tag: "Kubeconfig" }>): Effect.fn.Return<
  Loaded,
  KubernetesConfigError,
  FileSystem.FileSystem | Path.Path
> {
  const kubeConfig = new KubeConfig()
  for (const file of files) {
    const next = yield* readKubeconfig(file, namedBy)
    yield* Effect.try({
      // kubectl takes the current context from the first file that has one.
      try: () => kubeConfig.mergeConfig(next, Boolean(kubeConfig.currentContext)),
      catch: (error) => invalid(file, wording(error), "Each name may stand in one of the files only.")
    })
  }

  const all = files.join(", ")
  const name = kubeConfig.getCurrentContext()
  const contexts = kubeConfig.getContexts().map((context) => context.name)
  if (!name) return yield* invalid(all, `it has no current context (contexts: ${list(contexts)})`, chooseContext)
  const context = kubeConfig.getContextObject(name)
  if (context === null) {
    return yield* invalid(
      all,
      `its current context "${name}" does not exist (contexts: ${list(contexts)})`,
      chooseContext
    )
  }
  const cluster = kubeConfig.getCurrentCluster()
  if (cluster === null) {
    return yield* invalid(
      all,
      `context "${name}" names the cluster "${context.cluster}", which does not exist`,
      addEntry
    )
  }
  const user = kubeConfig.getCurrentUser()
  if (user === null) {
    return yield* invalid(
      all,
      `context "${name}" names the user "${context.user ?? ""}", which does not exist`,
      addEntry
    )
  }
  const problem = endpointProblem(cluster) ?? userProblem(user) ?? materialProblem(cluster, user)
  if (problem !== undefined)
    return yield* invalid(all, problem, `Correct cluster "${cluster.name}" or user "${user.name}".`)
  const address = shown(cluster.server)
  if (cluster.skipTLSVerify && !isStandIn(cluster.server)) {
    yield* Effect.logWarning(unverified(address, cluster.name, all))
  }
  return { kubeConfig, server: cluster.server, address, description: `kubeconfig context ${name} (${address})` }
})

const readKubeconfig = Effect.fnUntraced(function* (file: string, namedBy: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* Effect.mapError(
    fileSystem.readFileString(file),
    ({ reason }) =>
      new KubernetesConfigError({
        reason: new KubeconfigUnreadable({ file, namedBy, problem: readProblem(reason._tag) })
      })
  )
  const directory = path.dirname(path.resolve(file))
  return yield* Effect.try({
    try: () => {
      const kubeConfig = new KubeConfig()
      kubeConfig.loadFromString(text)
      kubeConfig.makePathsAbsolute(directory)
      kubeConfig.users = withTokenFiles(kubeConfig.users, text, (tokenFile) => path.resolve(directory, tokenFile))
      return kubeConfig
    },
    catch: (error) => invalid(file, wording(error), "Compare it with the output of `kubectl config view --raw`.")
  })
})

const TokenFiles = Schema.Struct({
  users: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      user: Schema.optional(Schema.NullOr(Schema.Struct({ tokenFile: Schema.optional(Schema.String) })))
    })
  )
})

// The library does not know `tokenFile`; a user without credentials would then be sent as an anonymous one.
const withTokenFiles = (users: ReadonlyArray<User>, text: string, absolute: (file: string) => string): Array<User> => {
  const found = Option.match(Schema.decodeUnknownOption(TokenFiles)(loadYaml(text)), {
    onNone: () => new Map<string, string | undefined>(),
    onSome: (document) => new Map(document.users.map(({ name, user }) => [name, user?.tokenFile]))
  })
  return users.map((user) => {
    const file = found.get(user.name)
    if (file === undefined) return user
    const { token: _, ...rest } = user
    return { ...rest, authProvider: tokenFileProvider(absolute(file)) }
  })
}

const tokenFileProvider = (tokenFile: string) => ({ name: "tokenFile", config: { tokenFile } })

const endpointProblem = ({ server, skipTLSVerify, proxyUrl }: Cluster): string | undefined => {
  if (!URL.canParse(server)) return "its server is not a URL"
  const { protocol, username, password } = new URL(server)
  if (username !== "" || password !== "") return `its server ${shown(server)} has credentials in its address`
  if (protocol !== "https:" && protocol !== "http:") return `its server ${shown(server)} is neither https nor http`
  if (protocol === "http:" && !skipTLSVerify) {
    return `its server ${shown(server)} is plain HTTP, which needs "insecure-skip-tls-verify: true" beside it`
  }
  if (proxyUrl && !(URL.canParse(proxyUrl) && proxyProtocols.includes(new URL(proxyUrl).protocol))) {
    return "its proxy-url is not an http, https or socks5 URL"
  }
  return undefined
}

const proxyProtocols = ["http:", "https:", "socks5:", "socks:"]

// Requests without credentials would be refused as those of an anonymous user, which looks like missing rights.
const userProblem = ({ token, certData, certFile, exec, authProvider, username, name }: User): string | undefined =>
  token || certData || certFile || exec || authProvider || username
    ? undefined
    : `user "${name}" has no credentials (token, tokenFile, client certificate, exec, auth-provider or username)`

const materialProblem = (cluster: Cluster, user: User): string | undefined => {
  try {
    const ca = bufferFromFileOrString(cluster.caFile, cluster.caData)
    if (ca !== null && !ca.includes("-----BEGIN")) return "its certificate authority is not in PEM format"
    createSecureContext({
      ...(ca === null ? {} : { ca }),
      cert: bufferFromFileOrString(user.certFile, user.certData) ?? undefined,
      key: bufferFromFileOrString(user.keyFile, user.keyData) ?? undefined
    })
    return undefined
  } catch (error) {
    return `its certificates or key cannot be used (${describeFault(error)})`
  }
}

const shown = (server: string) => {
  const { protocol, host, pathname } = new URL(server)
  return `${protocol}//${host}${pathname === "/" ? "" : pathname}`
}

const invalid = (file: string, problem: string, remedy: string) =>
  new KubernetesConfigError({ reason: new KubeconfigInvalid({ file, problem, remedy }) })

// Plain HTTP on this machine, which needs the setting too, and where nobody stands in between.
const isStandIn = (server: string): boolean => /^http:\/\/(localhost|127(\.\d+){3}|\[::1\])(:\d+)?(\/|$)/.test(server)

const unverified = (address: string, cluster: string, files: string) =>
  `${address} is taken for the API server without proof: the kubeconfig ${files} says insecure-skip-tls-verify for the ` +
  `cluster "${cluster}". Whoever stands in between reads every credential and answers with any Secret. ` +
  "Give the cluster its certificate-authority, and leave that out."

const chooseContext = "Choose one with `kubectl config use-context NAME`, or name another file in KUBECONFIG."
const addEntry = "Add it, or choose another context with `kubectl config use-context NAME`."

const list = (names: ReadonlyArray<string>) => (names.length === 0 ? "none" : names.join(", "))

const readProblem = (tag: string) => (tag === "NotFound" ? "it does not exist" : tag)

const YamlFault = Schema.Struct({ name: Schema.Literal("YAMLException"), mark: Schema.Struct({ line: Schema.Int }) })
const LibraryFault = Schema.Struct({
  message: Schema.String.check(
    Schema.isPattern(/^((clusters|users|contexts)\[\d+\]\.[\w.]+ is missing|Duplicate \w+: .*)$/)
  )
})

// What a parser says about a file may quote the file, secrets included: only these are passed on.
const wording = (error: unknown): string => {
  if (Schema.is(YamlFault)(error)) return `it is not valid YAML (line ${error.mark.line + 1})`
  return Schema.is(LibraryFault)(error) ? error.message : "it is not a kubeconfig"
}
