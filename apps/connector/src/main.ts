import { NodeRuntime, NodeServices } from "@effect/platform-node"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import * as Command from "effect/cli/Command"
import * as OfficialNames from "./cli/OfficialNames.ts"
import * as Health from "./cli/Health.ts"
import * as Serve from "./cli/Serve.ts"

const connector = Command.make("connector").pipe(
  Command.withDescription("Flyte's Databricks connector: runs Flyte tasks on Databricks, each namespace as itself"),
  Command.withSubcommands([Serve.command, Health.command, OfficialNames.c0, OfficialNames.pyflyte])
)

// Being told to stop is not a failure: Kubernetes and a person at a terminal both mean it.
const teardown: Runtime.Teardown = (exit, onExit) =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? onExit(0) : Runtime.defaultTeardown(exit, onExit)

connector.pipe(Command.run({ version: "0.1.0" }), Effect.provide(NodeServices.layer), NodeRuntime.runMain({ teardown }))
