/**
 * `emulators databricks`: a workspace that runs until it is stopped.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Seed } from "../databricks/Seed.ts"
import * as DatabricksWorkspace from "../DatabricksWorkspace.ts"
import { decodeSeed, serverFlags, serverOptions, toUserError } from "./serverFlags.ts"

/** What is in a workspace for which no file says so: one of each, with credentials made up at the start. */
const defaultSeed: Seed = {
  servicePrincipals: [{ displayName: "service principal" }],
  users: [{ userName: "user@example.com" }]
}

const describe = (workspace: DatabricksWorkspace.DatabricksWorkspace["Service"], caFile: Option.Option<string>) =>
  Effect.gen(function* () {
    yield* Console.log(`Databricks workspace at ${workspace.url}`)
    yield* Option.match(caFile, { onNone: () => Effect.void, onSome: (path) => Console.log(`  CA to trust: ${path}`) })
    for (const { admin, displayName, kind, name } of yield* workspace.principals) {
      yield* Console.log(`  ${kind} ${name}${displayName === name ? "" : ` (${displayName})`}${admin ? ", admin" : ""}`)
    }
    const faults = (yield* workspace.faults.active).length
    if (faults > 0) yield* Console.log(`  ${faults} fault rule${faults === 1 ? "" : "s"} in force`)
    yield* Console.log(`  who one is: GET ${workspace.url}/api/2.0/preview/scim/v2/Me, with Authorization: Bearer …`)
    yield* Console.log(`  admin routes under ${workspace.url}/_emulator; stop with Ctrl-C`)
  })

/** Adds the principals here rather than at the start, to show the credentials that are made up for them. */
const addPrincipals = Effect.fnUntraced(function* (
  workspace: DatabricksWorkspace.DatabricksWorkspace["Service"],
  { servicePrincipals = [], users = [] }: Seed
) {
  for (const given of servicePrincipals) {
    const { applicationId, secrets } = yield* workspace.addServicePrincipal(given)
    if (given.secrets !== undefined) continue
    yield* Console.log(`Made up: client id ${applicationId}, client secret ${secrets.map(Redacted.value).join(", ")}`)
  }
  for (const given of users) {
    const { pats, userName } = yield* workspace.addUser(given)
    if (given.pats !== undefined) continue
    yield* Console.log(`Made up: personal access token of ${userName} ${pats.map(Redacted.value).join(", ")}`)
  }
})

/** The command. */
export const databricks = Command.make(
  "databricks",
  {
    ...serverFlags,
    tokenLifetime: Flag.String("token-lifetime").pipe(
      Flag.withDescription('How long OAuth access tokens are good, e.g. "90 seconds" (default: one hour)'),
      Flag.withSchema(Schema.DurationFromString),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* (flags) {
    const seed = yield* Option.match(flags.config, {
      onNone: () => Effect.succeed(defaultSeed),
      onSome: decodeSeed(Seed)
    })
    const { servicePrincipals: _, users: __, ...behaviour } = seed
    const workspace = yield* toUserError(
      DatabricksWorkspace.make({
        ...serverOptions(flags),
        ...behaviour,
        tokenLifetime: Option.getOrElse(flags.tokenLifetime, () => seed.tokenLifetime)
      })
    )
    yield* toUserError(addPrincipals(workspace, seed))
    yield* describe(workspace, flags.caFile)
    return yield* Effect.never
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Run a stand-in for a Databricks workspace: OAuth tokens, PATs, the Jobs API and SQL statements"
  ),
  Command.withExamples([
    {
      command: "emulators databricks --port 9001",
      description: "A workspace with made-up credentials, which it prints"
    },
    {
      command: "emulators databricks --port 9001 --ca-file ca.pem --config seed.json",
      description: "HTTPS, and what the file says"
    }
  ])
)
