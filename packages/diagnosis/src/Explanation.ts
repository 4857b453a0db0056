/**
 * Who one request would be, why, and whether that works to the end. The selection is that of `serve`: this only tells it.
 */
import {
  type AuthError,
  type AuthRequest,
  ConnectorSettings,
  type DatabricksAuth,
  Identity,
  TaskSettings,
  type WorkspaceHost
} from "@flyte-databricks/databricks-auth"
import * as Cache from "effect/Cache"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import type * as HttpClient from "effect/http/HttpClient"
import * as Catalogue from "./Catalogue.ts"
import type * as Chain from "./Chain.ts"
import { check, type Checked, Finding, firm, fromFailure, type Passed } from "./Check.ts"
import * as IdentityCheck from "./checks/identity.ts"
import * as Issuer from "./checks/issuer.ts"
import * as Network from "./checks/network.ts"
import type * as Report from "./Report.ts"

/** Whose explanation is asked for. */
export interface Asked {
  /** The namespace, or the project, domain and organization that say it. */
  readonly context: Omit<AuthRequest.TaskContext, "settings">
  /** What the task sets. */
  readonly task: TaskSettings.TaskSettings
  /** What flags of the command set in the task's place. */
  readonly flags: Partial<Record<"instance" | "authType", string>>
  /** Whether Databricks is asked, too. */
  readonly exchange: boolean
}

/** What all namespaces have in common, and is looked at once. */
export interface Ways {
  /** Reaches a workspace without a credential. */
  readonly reach: (instance: WorkspaceHost.WorkspaceHost) => Effect.Effect<Checked<Network.Workspace>>
  /** Fetches what an issuer of JWTs publishes. */
  readonly documentsOf: (issuer: string) => Effect.Effect<Issuer.Documents, Finding>
}

/** Ways on which each workspace and each issuer is asked once. */
export const makeWays = Effect.fnUntraced(function* (
  /** Looks at the certificates on the way to a URL. */
  chainOf: Chain.Chains["Service"]["of"] = () => Effect.succeedNone
): Effect.fn.Return<Ways, never, HttpClient.HttpClient> {
  const capacity = 100
  const workspaces = yield* Cache.make({
    capacity,
    lookup: (instance: WorkspaceHost.WorkspaceHost) => check("workspace", firm, () => Network.reach(instance, chainOf))
  })
  const issuers = yield* Cache.make({ capacity, lookup: Issuer.fetchDocuments })
  return {
    reach: (instance) => Cache.get(workspaces, instance),
    documentsOf: (issuer) => Cache.get(issuers, issuer)
  }
})

/**
 * Explains one request.
 */
export const explain = Effect.fnUntraced(function* (
  auth: DatabricksAuth.DatabricksAuth["Service"],
  asked: Asked,
  ways: Ways
): Effect.fn.Return<Report.Explanation, never, HttpClient.HttpClient> {
  const settings = { ...asked.task, ...asked.flags }
  const { request, looked, outcome } = yield* auth.explain({ ...asked.context, settings })
  const selected = yield* check("identity", firm, () => select(looked, outcome))
  const proof =
    Result.isSuccess(outcome) && Result.isSuccess(selected.ground)
      ? yield* prove(auth, outcome.success, asked.exchange, ways)
      : []
  return {
    namespace: Option.match(request, {
      onNone: () => asked.context.namespace ?? null,
      onSome: ({ namespace }) => Option.getOrNull(namespace)
    }),
    settings: yield* describeSettings(asked),
    looked,
    identity: Result.isSuccess(outcome) ? Identity.summarize(outcome.success.identity) : null,
    checks: [...selected.entries, ...proof]
  }
})

const select = (
  looked: ReadonlyArray<AuthError.Finding>,
  outcome: Result.Result<DatabricksAuth.Resolved, AuthError.AuthError>
): Effect.Effect<Passed<void>, Finding> =>
  Result.match(outcome, {
    onFailure: (error) => {
      const { reason } = error
      // Where there is plainly nothing stands in the report already.
      return Effect.fail(
        reason._tag === "CredentialsMissing"
          ? new Finding({
              code: Catalogue.codeOf(error),
              detail: [
                `No credentials for ${reason.wanted}.`,
                ...looked.flatMap(({ source, outcome, detail = "" }) =>
                  outcome === "forbidden" || outcome === "skipped" || Catalogue.isSaid("FDC203", detail)
                    ? [`  ${source}: ${outcome} (${detail})`]
                    : []
                ),
                reason.remedy
              ].join("\n")
            })
          : fromFailure(error)
      )
    },
    onSuccess: ({ identity }) =>
      Effect.succeed({
        value: undefined,
        text: `Tasks run as ${identity._tag === "pat" ? "the " : ""}${identity.principal}, from ${sourceOf(identity)}.`,
        noticed: looked.flatMap(({ source, outcome, detail = "" }) => {
          const noticed = (code: Catalogue.Code) => [
            new Finding({ code, detail: `${source}: ${detail}.`, level: "warning" })
          ]
          if (outcome === "forbidden") return noticed("FDC101")
          return Catalogue.isSaid("FDC203", detail) ? noticed("FDC203") : []
        })
      })
  })

const sourceOf = ({ source }: Identity.Identity): string =>
  source === "connector" ? "the settings of the connector" : source

const prove = Effect.fnUntraced(function* (
  auth: DatabricksAuth.DatabricksAuth["Service"],
  credential: DatabricksAuth.Resolved,
  exchange: boolean,
  ways: Ways
): Effect.fn.Return<ReadonlyArray<Report.Entry>, never, HttpClient.HttpClient> {
  const { identity } = credential
  const jwt = yield* check("jwt", firm, () => IdentityCheck.readJwt(auth, credential))
  if (!exchange) return jwt.entries
  const workspace = yield* ways.reach(identity.instance)
  const isFederated = identity.authType === "oidc_federation"
  const both = Result.flatMap(jwt.ground, (described) =>
    Result.map(workspace.ground, (reached) => ({ described, reached }))
  )
  const issuer = isFederated
    ? (yield* check("issuer", both, ({ described }) =>
        Issuer.lookUp(IdentityCheck.issuerOf(described), identity.instance, ways.documentsOf)
      )).entries
    : []
  const token = yield* check("token", both, () => IdentityCheck.getToken(auth, credential))
  const reachedWith = Result.flatMap(token.ground, (authorization) =>
    Result.map(workspace.ground, (reached) => ({ authorization, reached }))
  )
  const me = yield* check("me", reachedWith, ({ authorization, reached }) =>
    IdentityCheck.me(reached, identity, authorization)
  )
  const known = Result.flatMap(me.ground, () => reachedWith)
  const jobs = yield* check("jobs", known, ({ authorization, reached }) =>
    IdentityCheck.readJobs(reached, identity, authorization)
  )
  return [...jwt.entries, ...workspace.entries, ...issuer, ...token.entries, ...me.entries, ...jobs.entries]
})

const flagNames = { instance: "--instance", authType: "--auth-type" } as const

/** The settings that decide who a task is, each with what says it. */
const describeSettings = Effect.fnUntraced(function* ({ task, flags }: Asked) {
  const ofConnector = yield* Effect.orDie(ConnectorSettings.describeConfig)
  const ofTask = Record.map(task as Readonly<Record<string, string | undefined>>, (value) => value)
  return ofConnector.flatMap(({ option, variable, value, isSet }): ReadonlyArray<Report.Setting> => {
    const flagged = option === "instance" || option === "authType" ? flags[option] : undefined
    if (flagged !== undefined) {
      return [{ setting: option, value: flagged, source: flagNames[option as keyof typeof flagNames] }]
    }
    const named = ofTask[option]
    if (named !== undefined) {
      return [{ setting: option, value: named, source: TaskSettings.describe(option as TaskSettings.Name) }]
    }
    if (value === "" && !isSet && !always.has(option)) return []
    return [
      { setting: option, value: value === "" ? (unset[option] ?? "") : value, source: isSet ? variable : "default" }
    ]
  })
})

const always: ReadonlySet<string> = new Set(["authType", "instance"])
const unset: Readonly<Record<string, string>> = { authType: "auto-detect", instance: "none" }
