import "./cli/heap.ts"
import "./cli/noTraces.ts"
import "./cli/redacted.ts"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { teardown } from "@flyte-databricks/kubernetes/Teardown"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Diagnosis from "./cli/diagnosis.ts"
import * as OfficialNames from "./cli/OfficialNames.ts"
import * as Health from "./cli/Health.ts"
import * as Serve from "./cli/Serve.ts"
import { version } from "./Version.ts"

const connector = Command.make("connector").pipe(
  Command.withDescription("Flyte's Databricks connector: runs Flyte tasks on Databricks, each namespace as itself"),
  Command.withSubcommands([
    Serve.command,
    Health.command,
    ...Diagnosis.commands,
    OfficialNames.c0,
    OfficialNames.pyflyte
  ])
)

connector.pipe(
  Command.run({ version }),
  Diagnosis.withUsage,
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ teardown })
)
