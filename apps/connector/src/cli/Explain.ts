/**
 * `connector explain`: who the tasks of a namespace would be, why, and whether that works to the end.
 */
import { DatabricksAuth } from "@flyte-databricks/databricks-auth"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Chain from "@flyte-databricks/diagnosis/Chain"
import * as Explanation from "@flyte-databricks/diagnosis/Explanation"
import * as Report from "@flyte-databricks/diagnosis/Report"
import * as Environment from "../diagnose/Environment.ts"
import * as Output from "../diagnose/Output.ts"
import * as TaskFile from "../diagnose/TaskFile.ts"

const text = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

/** How a report is printed; the commands of diagnosis have it in common. */
export const format = Flag.Literals("output", ["text", "json"]).pipe(
  Flag.withAlias("o"),
  Flag.withDescription("text, or json as docs/diagnosis.schema.json has it"),
  Flag.withDefault("text")
)

const flags = {
  namespace: text("namespace", "The Kubernetes namespace that the workflow runs in"),
  project: text("project", "The Flyte project, where FLYTE_DATABRICKS_NAMESPACE_TEMPLATE asks for it"),
  domain: text("domain", "The Flyte domain, likewise"),
  org: text("org", "The Flyte organization, likewise"),
  instance: text("instance", "The workspace, as if the task named it"),
  authType: text("auth-type", "pat, oauth_m2m or oidc_federation, as if the task named it"),
  task: text("task", "A file with what Flyte sends for a task, - for standard input: its own settings count then"),
  noExchange: Flag.Boolean("no-exchange").pipe(
    Flag.withDescription("Ask Kubernetes alone, and send Databricks nothing"),
    Flag.withDefault(false)
  ),
  format
}

type Options = Command.Command.Config.Infer<typeof flags>

const given = <Name extends string>(values: { readonly [N in Name]: Option.Option<string> }) =>
  Object.fromEntries(
    Object.entries<Option.Option<string>>(values).flatMap(([name, value]) =>
      Option.isSome(value) && value.value.trim() !== "" ? [[name, value.value.trim()]] : []
    )
  ) as { readonly [N in Name]?: string }

/** Runs the command. */
const run = Effect.fnUntraced(function* ({ format, noExchange, task: file, ...options }: Options) {
  const { namespace, project, domain, org, instance, authType } = options
  if (Option.isNone(namespace) && Option.isNone(project)) {
    return yield* Output.misused(
      "explain needs --namespace, or what FLYTE_DATABRICKS_NAMESPACE_TEMPLATE is made of (--project, --domain)."
    )
  }
  const task = Option.isNone(file)
    ? {}
    : yield* TaskFile.read(file.value).pipe(Effect.catch(({ message }) => Output.misused(message)))
  const asked = {
    context: given({ namespace, project, domain, org }),
    task,
    flags: given({ instance, authType }),
    exchange: !noExchange
  }
  const found = yield* explained(asked).pipe(
    Effect.scoped,
    Effect.provide(Environment.layer),
    Effect.catch((failure) => Effect.map(Environment.unstarted(failure), (checks) => ({ checks, explanations: [] })))
  )
  const exitCode = Report.exitCodeOf(Report.entriesOf(found), "error")
  yield* Output.finish({ version: Report.version, command: "explain", exitCode, ...found }, format)
})

const explained = Effect.fnUntraced(function* (asked: Explanation.Asked) {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const chains = yield* Chain.Chains
  const ways = yield* Explanation.makeWays(chains.of)
  return { checks: [], explanations: [yield* Explanation.explain(auth, asked, ways)] }
})

export const command = Command.make("explain", flags, run).pipe(
  Command.withDescription(
    "Say who the tasks of a namespace are on Databricks, why, and whether that works: every place that is looked at, " +
      "the identity chosen, and the proof of it by real calls. It decides as `serve` does, in the same environment, and prints no secret. " +
      "Exit code: 0 sound, 1 error, 3 usage."
  ),
  Command.withExamples([
    { command: "connector explain --namespace team-a", description: "Before its first task runs" },
    {
      command: "connector explain --namespace team-a --auth-type oidc_federation -o json",
      description: "What would be if its tasks named an auth type, for a program"
    }
  ])
)
