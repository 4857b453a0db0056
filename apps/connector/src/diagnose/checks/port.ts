/**
 * The gRPC port: whether the connector listens, over TLS or not, and whether it serves whoever calls. It is asked as a
 * stranger would ask, for a run that there is not.
 */
import { create } from "@bufbuild/protobuf"
import { Flyte1, grpcServiceDefinition } from "@flyte-databricks/flyte-protocol"
import { Finding, type Passed } from "@flyte-databricks/diagnosis/Check"
import * as Grpc from "@grpc/grpc-js"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Address from "../../grpc/Address.ts"
import * as Probe from "../../grpc/Probe.ts"
import * as Settings from "../../Settings.ts"

const { getTask } = grpcServiceDefinition(Flyte1.AsyncAgentService)
const timeout = Duration.seconds(3)

/** Asks at an address; without one where `serve` listens here. */
export const examine = Effect.fnUntraced(function* (
  elsewhere: Option.Option<Address.Address>
): Effect.fn.Return<Passed<void>, Finding, FileSystem.FileSystem> {
  // Settings that cannot be read are a finding of their own, and this is not looked at then.
  const listens = yield* Effect.orDie(Probe.listening)
  const at = Option.getOrElse(elsewhere, () => Probe.fromWithin(listens))
  const shown = Address.show(at)
  const certificate = yield* Effect.orDie(Settings.tlsCertFile)
  const facts = { tls: Option.match(certificate, { onNone: () => "none", onSome: (file) => `certificate ${file}` }) }
  const credentials = yield* Effect.orDie(Probe.credentials)
  const answer = yield* Effect.result(Probe.ask(at, credentials, getTask, create(Flyte1.GetTaskRequestSchema), timeout))
  const { code, details } = answer._tag === "Success" ? { code: Grpc.status.OK, details: "" } : answer.failure
  if (code === Grpc.status.PERMISSION_DENIED || details.includes("FLYTE_DATABRICKS_CALLERS")) {
    return { value: undefined, text: `${shown} serves nobody without a credential.`, facts }
  }
  if (notThere.has(code)) {
    return yield* new Finding({ code: "FDC502", detail: `${shown}: ${Grpc.status[code]}: ${plain(details)}.` })
  }
  if (Option.isNone(elsewhere) && Address.isLocal(listens)) {
    return { value: undefined, text: `${shown} serves whoever calls; nobody but this machine reaches it.`, facts }
  }
  return {
    value: undefined,
    text: `${shown} serves.`,
    facts,
    noticed: [
      new Finding({
        code: "FDC501",
        detail:
          `${Address.show(Option.getOrElse(elsewhere, () => listens))} serves whoever calls: no client certificate is asked for, and ` +
          "callers are not looked up. A NetworkPolicy or the policy of a mesh may keep others away; that is not seen from here."
      })
    ]
  }
})

// `@grpc/grpc-js` wraps the fault in words of its own.
const plain = (details: string): string =>
  details
    .replace(/^No connection established\. Last error: (Error: )?/, "")
    .replace(/\. Resolution note: .*$/s, "")
    .slice(0, 300)

const notThere: ReadonlySet<number> = new Set([
  Grpc.status.UNAVAILABLE,
  Grpc.status.DEADLINE_EXCEEDED,
  Grpc.status.UNIMPLEMENTED
])
