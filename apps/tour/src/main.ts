import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { teardown } from "@flyte-databricks/kubernetes/Teardown"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Tour from "./Tour.ts"

class Reported extends Data.TaggedError("Reported")<{}> {
  override readonly [Runtime.errorReported] = false
}

const tour = Command.make(
  "npm start --",
  {
    once: Flag.Boolean("once").pipe(
      Flag.withDescription("End after the tour; the exit code is 0 only if each task ended as it should"),
      Flag.withDefault(false)
    ),
    port: Flag.Int("port").pipe(
      Flag.withDescription("The connector's port; by default a free one"),
      Flag.withDefault(0)
    )
  },
  (options) =>
    Tour.run(options).pipe(
      Effect.scoped,
      Effect.catch((error) => Effect.andThen(Console.error(error.message), Effect.fail(new Reported())))
    )
).pipe(Command.withDescription("See the connector at work on stand-ins for Databricks and Kubernetes"))

tour.pipe(Command.run({ version: "0.1.0" }), Effect.provide(NodeServices.layer), NodeRuntime.runMain({ teardown }))
