#!/usr/bin/env node
/**
 * The emulators as commands: `npx @flyte-databricks/emulators --help`, in this repository `npm run -s emulators -- --help`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { databricks } from "./commands/databricks.ts"
import { kubernetes } from "./commands/kubernetes.ts"

Command.make("emulators").pipe(
  Command.withDescription("Local stand-ins for a Databricks workspace and a Kubernetes API"),
  Command.withSubcommands([databricks, kubernetes]),
  Command.run({ version: "0.1.0" }),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain
)
