/**
 * What the service runs on: a workspace and a cluster that the environment names, or the stand-ins.
 */
import { RetryPolicy } from "@flyte-databricks/databricks-auth"
import { JobsClient } from "@flyte-databricks/databricks-jobs"
import { Http } from "@flyte-databricks/diagnosis"
import { FastClock, Namespaces, RunPlan, Showcase } from "@flyte-databricks/emulators"
import { KubernetesClient } from "@flyte-databricks/kubernetes"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Api from "./Api.ts"
import { PollInterval } from "./Runs.ts"

export class Platform extends Context.Service<Platform, typeof Api.Platform.Type>()(
  "@flyte-databricks/demo/Platform"
) {}

const ordinary = { standIns: false, speed: 1 }
const primary = { asPrimary: true }

/** The environment's, with this instance. */
export const layer = (instance: string, names: ReadonlyArray<string>): Layer.Layer<Platform> =>
  Layer.merge(
    Layer.succeed(Platform, { ...ordinary, workspace: instance, namespaces: names.map((name) => ({ name })) }),
    ConfigProvider.layerAdd(ConfigProvider.fromEnv({ env: { FLYTE_DATABRICKS_INSTANCE: instance } }), primary)
  )

// The network and the reader are no faster than they were.
const inRealTime = (speed: number) => {
  const timeouts = [
    Http.RequestTimeout,
    RetryPolicy.TryTimeout,
    RetryPolicy.TotalTimeout,
    JobsClient.RequestTimeout,
    KubernetesClient.RequestTimeout
  ]
  return Layer.mergeAll(
    Layer.succeed(PollInterval, Duration.millis(500 * speed)),
    ...timeouts.map((it) => Layer.succeed(it, Duration.times(Duration.fromInputUnsafe(it.defaultValue()), speed)))
  )
}

/** Stand-ins in this process, with a clock so many times as fast: at 60, a token of one hour lives a minute. */
export const layerStandIns = (speed: number) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const lasts = (seconds: number) => Duration.seconds(seconds * speed)
      const { directory, kubernetes, workspace, environment } = yield* Showcase.make({
        runPlan: RunPlan.plan("succeeds", { queued: lasts(1), pending: lasts(2), running: lasts(3) })
      })
      // So that the issuer's keys can be looked at.
      const authority = `${directory}/kubernetes-ca.pem`
      yield* FileSystem.FileSystem.use((files) => files.writeFileString(authority, kubernetes.caPem ?? ""))
      return Layer.merge(
        Layer.succeed(Platform, {
          workspace: workspace.url,
          standIns: true,
          speed,
          namespaces: Namespaces.namespaces.map(({ name, brings }) => ({ name, brings }))
        }),
        ConfigProvider.layer(ConfigProvider.fromEnv({ env: { ...environment, FLYTE_DATABRICKS_CA_FILE: authority } }))
      )
    })
  ).pipe(Layer.provideMerge(Layer.merge(FastClock.layer(speed), inRealTime(speed))))
