/**
 * The commands by which deployments of Flyte's own connectors start their container: `c0` for Flyte 2, and for Flyte 1
 * `pyflyte serve agent`, later `connector`. An image that has this connector under those names takes their place with
 * nothing else changed. Their flags are taken; what has no meaning here is left alone.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Serve from "./Serve.ts"

const flags = {
  serving: Serve.flags,
  worker: Flag.Int("worker").pipe(
    Flag.withDescription("Accepted and not used: calls need no workers"),
    Flag.withDefault(0)
  ),
  timeout: Flag.Int("timeout").pipe(Flag.withDescription("Accepted and not used"), Flag.withDefault(0)),
  modules: Flag.String("modules").pipe(
    Flag.withDescription("Accepted and not used: there are no modules to load"),
    Flag.atLeast(0)
  )
}

const description = Command.withDescription("Serve, under the name that Flyte's own connector has")

/** Flyte 2's. */
export const c0 = Command.make("c0", flags, ({ serving }) => Serve.run(serving)).pipe(description)

const serve = Command.make("serve").pipe(
  Command.withSharedFlags(flags),
  Command.withHandler(({ serving }) => Serve.run(serving)),
  description
)

const named = (name: string) =>
  Command.make(name, {}, () => Effect.flatMap(serve, ({ serving }) => Serve.run(serving))).pipe(description)

/** Flyte 1's, by its earlier and its later name, and as its chart of 1.10 has it: without either. */
export const pyflyte = Command.make("pyflyte").pipe(
  Command.withDescription("Serve, under the name that Flyte 1's own connector has"),
  Command.withSubcommands([serve.pipe(Command.withSubcommands([named("agent"), named("connector")]))])
)
