/**
 * The commands by which deployments of Flyte's own connectors start their container: `c0` for Flyte 2, and for Flyte 1
 * `pyflyte serve agent`, later `connector`. An image that has this connector under those names takes their place with
 * nothing else changed. Their flags are taken; what has no meaning here is left alone.
 */
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

const named = (name: string) =>
  Command.make(name, flags, ({ serving }) => Serve.run(serving)).pipe(
    Command.withDescription("Serve, under the name that Flyte's own connector has")
  )

/** Flyte 2's. */
export const c0 = named("c0")

/** Flyte 1's, by its earlier and its later name. */
export const pyflyte = Command.make("pyflyte").pipe(
  Command.withDescription("Serve, under the name that Flyte 1's own connector has"),
  Command.withSubcommands([Command.make("serve").pipe(Command.withSubcommands([named("agent"), named("connector")]))])
)
