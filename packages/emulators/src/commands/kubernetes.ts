/**
 * `emulators kubernetes`: an API server that runs until it is stopped.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Seed } from "../kubernetes/Seed.ts"
import * as KubernetesApi from "../KubernetesApi.ts"
import { decodeSeed, serverFlags, serverOptions, toUserError } from "./serverFlags.ts"

const describe = (
  api: KubernetesApi.KubernetesApi["Service"],
  files: { readonly caFile: Option.Option<string>; readonly kubeconfig: Option.Option<string> }
) =>
  Effect.gen(function* () {
    yield* Console.log(`Kubernetes API at ${api.url}`)
    yield* Option.match(files.caFile, {
      onNone: () => Effect.void,
      onSome: (path) => Console.log(`  CA to trust: ${path}`)
    })
    yield* Option.match(files.kubeconfig, {
      onNone: () => Console.log(`  token of ${api.username}: ${Redacted.value(api.token)}`),
      onSome: (path) => Console.log(`  kubeconfig of ${api.username}: ${path}`)
    })
    for (const { username } of (yield* api.users).slice(1)) yield* Console.log(`  user ${username}`)
    for (const secret of yield* api.secrets) yield* Console.log(`  Secret ${secret}`)
    for (const account of yield* api.serviceAccounts) yield* Console.log(`  ServiceAccount ${account}`)
    yield* Console.log(`  issuer of ServiceAccount tokens: ${api.issuer}`)
    const faults = (yield* api.faults.active).length
    if (faults > 0) yield* Console.log(`  ${faults} fault rule${faults === 1 ? "" : "s"} in force`)
    yield* Console.log(`  admin routes under ${api.url}/_emulator; stop with Ctrl-C`)
  })

/** The command. */
export const kubernetes = Command.make(
  "kubernetes",
  {
    ...serverFlags,
    kubeconfig: Flag.Path("kubeconfig").pipe(
      Flag.withDescription("Where to write a kubeconfig for this API"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function* (flags) {
    const seed = yield* Option.match(flags.config, {
      onNone: () => Effect.succeed<Seed>({}),
      onSome: decodeSeed(Seed)
    })
    const api = yield* toUserError(
      KubernetesApi.make({
        ...serverOptions(flags),
        ...seed,
        kubeconfigFile: Option.getOrUndefined(flags.kubeconfig)
      })
    )
    yield* describe(api, flags)
    return yield* Effect.never
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Run a stand-in for a Kubernetes API: bearer tokens, rules for who may do what, Secrets, ServiceAccounts and their tokens"
  ),
  Command.withExamples([
    {
      command: "emulators kubernetes --port 9002 --kubeconfig kubeconfig.json",
      description: "An empty cluster, and the file that kubectl and other clients read"
    },
    { command: "emulators kubernetes --port 9002 --config seed.json", description: "With what the file says" }
  ])
)
