import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Teardown } from "@flyte-databricks/kubernetes"
import * as Config from "effect/Config"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { randomBytesUnsafe } from "effect/crypto/SecureRandom"
import * as Base64Url from "effect/encoding/Base64Url"
import * as HttpServer from "effect/http/HttpServer"
import * as Access from "./Access.ts"
import * as Platform from "./Platform.ts"
import * as Runs from "./Runs.ts"
import * as Server from "./Server.ts"

const flags = {
  instance: Flag.String("instance").pipe(
    Flag.withDescription("The workspace; FLYTE_DATABRICKS_INSTANCE, else stand-ins for it and for Kubernetes"),
    Flag.withFallbackConfig(Config.NonEmptyString("FLYTE_DATABRICKS_INSTANCE")),
    Flag.optional
  ),
  namespaces: Flag.String("namespace").pipe(
    Flag.withDescription("A namespace to show; may be given again"),
    Flag.atLeast(0)
  ),
  host: Flag.String("host").pipe(
    Flag.withDescription("Address to listen on; callers from elsewhere need the token that is printed"),
    Flag.withDefault("127.0.0.1")
  ),
  port: Flag.Int("port").pipe(Flag.withDescription("Port to listen on, 0 for any"), Flag.withDefault(8080)),
  speed: Flag.Int("speed").pipe(
    Flag.withDescription("How many times as fast the stand-ins' clock runs; at 60 a token of one hour lives a minute"),
    Flag.withSchema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 1000 }))),
    Flag.withDefault(60)
  )
}

const loopback = ["127.0.0.1", "localhost", "::1"]

const demo = Command.make("npm run demo --", flags, ({ instance, namespaces, speed, ...listen }) =>
  Effect.gen(function* () {
    const token = loopback.includes(listen.host) ? undefined : Base64Url.encode(randomBytesUnsafe(32))
    const access = Layer.succeed(Access.Expected, token === undefined ? token : Redacted.make(token))
    const standIns = Platform.layerStandIns(speed)
    const platform = Option.isNone(instance) ? standIns : Platform.layer(instance.value, namespaces)
    yield* Effect.gen(function* () {
      const { namespaces, standIns, workspace } = yield* Platform.Platform
      // So that there is a token to look at before anybody has run a job.
      if (standIns) yield* (yield* Runs.Runs).submit({ namespace: namespaces[0]?.name ?? "" })
      yield* Console.log(`Workspace  ${workspace}${standIns ? "  (stand-in)" : ""}`)
      const secret = token === undefined ? "" : `#token=${token}`
      yield* HttpServer.addressFormattedWith((url) => Console.log(`Demo       ${url}/${secret}`))
      return yield* Effect.never
    }).pipe(Effect.provide(Server.layer(listen).pipe(Layer.provide(access), Layer.provideMerge(platform))))
  }).pipe(Effect.tapError((error) => Console.error(error._tag === "ServeError" ? String(error.cause) : error.message)))
).pipe(Command.withDescription("See who namespaces are on Databricks, run jobs as them, and watch their tokens"))

demo.pipe(
  Command.run({ version: "0.1.0" }),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ teardown: Teardown.teardown, disableErrorReporting: true })
)
