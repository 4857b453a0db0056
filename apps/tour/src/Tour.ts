/**
 * The tour: start everything, submit a task per namespace, follow them to their end.
 */
import { JobMetadata, type JobsError, RunState } from "@flyte-databricks/databricks-jobs"
import { Flyte1 } from "@flyte-databricks/flyte-protocol"
import { type DatabricksWorkspace, RunPlan, Showcase } from "@flyte-databricks/emulators"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import * as ConnectorProcess from "./ConnectorProcess.ts"
import * as FlyteClient from "./FlyteClient.ts"
import * as Outcome from "./Outcome.ts"
import { type Scenario, scenarios } from "./Scenario.ts"
import * as Table from "./Table.ts"

type Workspace = DatabricksWorkspace.DatabricksWorkspace["Service"]

/** A task did not end as it should have. */
class TourFailed extends Schema.TaggedError<TourFailed>()("TourFailed", {
  namespaces: Schema.Array(Schema.String),
  log: Schema.String
}) {
  override get message() {
    return `Not as expected: ${this.namespaces.join(", ")}. The connector's log says:\n\n${this.log}`
  }
}

/** Runs the tour; afterwards everything goes on until it is interrupted, unless it is to be run once. */
export const run = Effect.fnUntraced(function* (options: { readonly once: boolean; readonly port: number }) {
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const { kubernetes, workspace, environment, caFile, directory } = yield* Showcase.make({
    tls: true,
    runPlan: RunPlan.plan("succeeds", { queued: "300 millis", pending: "700 millis", running: "2 seconds" })
  })
  const log = path.join(directory, "connector.log")
  yield* Console.log(`Databricks workspace  ${workspace.url}  (stand-in)`)
  yield* Console.log(`Kubernetes API        ${kubernetes.url}  (stand-in)`)
  const port = yield* ConnectorProcess.start({
    port: options.port,
    log,
    env: { ...environment, NODE_EXTRA_CA_CERTS: caFile }
  })
  yield* Console.log(`Connector             127.0.0.1:${port}  (gRPC), log in ${log}\n`)
  yield* Console.log("Submitting one task per namespace, as flytekit serialised it:\n")

  const flyte = yield* FlyteClient.make(`127.0.0.1:${port}`)
  const rows = yield* Effect.forEach(
    scenarios,
    (scenario) => Effect.map(follow(flyte, workspace, scenario), (outcome) => ({ scenario, outcome })),
    { concurrency: "unbounded" }
  )
  yield* Console.log(`\n${Table.render(rows)}\n`)

  const unexpected = rows.filter(({ scenario, outcome }) => !Outcome.isExpected(scenario, outcome))
  if (unexpected.length > 0) {
    return yield* new TourFailed({
      namespaces: unexpected.map(({ scenario }) => scenario.namespace),
      log: yield* fileSystem.readFileString(log)
    })
  }
  if (options.once) return
  yield* Console.log(whatNext({ port, log, caFile, workspace: workspace.url, kubernetes: kubernetes.url }))
  return yield* Effect.never
})

const follow = Effect.fnUntraced(function* (flyte: FlyteClient.FlyteClient, workspace: Workspace, scenario: Scenario) {
  const show = (outcome: Outcome.Outcome) => Console.log(Table.progress({ scenario, outcome }))
  const created = yield* Effect.result(flyte.createTask(scenario.request))
  if (created._tag === "Failure") {
    const refused: Outcome.Outcome = { _tag: "Refused", error: created.failure.message }
    yield* show(refused)
    return refused
  }
  const { resourceMeta } = created.success
  let outcome = yield* outcomeOf(workspace, resourceMeta, undefined)
  yield* show(outcome)
  while (outcome._tag !== "Ended") {
    yield* Effect.sleep("250 millis")
    const { resource } = yield* flyte.getTask(resourceMeta)
    const next = yield* outcomeOf(workspace, resourceMeta, resource)
    if (next.phase !== outcome.phase) yield* show(next)
    outcome = next
  }
  return outcome
})

const isPhase = Schema.is(RunState.Phase)

// Auth type and origin are what the connector pinned in the job's metadata; the principal is what the workspace says.
const outcomeOf = Effect.fnUntraced(function* (
  workspace: Workspace,
  resourceMeta: Uint8Array,
  resource: Flyte1.Resource | undefined
): Effect.fn.Return<Outcome.Submitted, JobsError.JobsError> {
  const metadata = yield* Effect.fromResult(JobMetadata.decode(resourceMeta))
  const runs = yield* workspace.runs
  const run = runs.find(({ runId }) => String(runId) === metadata.runId)
  const phase = resource === undefined ? "SUBMITTED" : Flyte1.TaskExecution_Phase[resource.phase]
  return {
    _tag: isPhase(phase) && RunState.hasEnded(phase) ? "Ended" : "Running",
    // Two keys say no more than the run: it is the connector's PAT.
    authType: Option.getOrElse(metadata.authType, () => "pat"),
    origin: originOf(metadata),
    runId: metadata.runId,
    principal: run?.runAs ?? "(unknown to the workspace)",
    phase,
    link: resource?.logLinks[0]?.uri ?? ""
  }
})

const originOf = ({ authToken, namespace, oauthSecretName, oidcServiceAccount }: JobMetadata.JobMetadata): string => {
  const inNamespace = (name: string) => `${Option.getOrElse(namespace, () => "")}/${name}`
  if (Option.isSome(oidcServiceAccount)) return `ServiceAccount ${inNamespace(oidcServiceAccount.value)}`
  if (Option.isSome(authToken)) return "its token, in the job metadata"
  return Option.isSome(oauthSecretName) ? `Secret ${inNamespace(oauthSecretName.value)}` : "connector"
}

const whatNext = (running: {
  readonly port: number
  readonly log: string
  readonly caFile: string
  readonly workspace: string
  readonly kubernetes: string
}): string => `\
Each ended as it should. Everything goes on until Ctrl-C. Things to try, in another terminal:

  tail -f "${running.log}"
      the connector's log, a line per call
  curl --cacert "${running.caFile}" ${running.workspace}/_emulator
      what the workspace stand-in can be told: rotate a secret, revoke tokens, break an endpoint, show its requests
  curl --insecure ${running.kubernetes}/_emulator
      the same for the Kubernetes stand-in: set a Secret, forbid a namespace
  127.0.0.1:${running.port}
      speaks Flyte 1's flyteidl.service.AsyncAgentService to any gRPC client

Against a real workspace: README.md, "Run it against a real workspace".`
