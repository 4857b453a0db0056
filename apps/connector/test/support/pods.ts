/**
 * As much of a Deployment and a Pod as the kubelet of the box carries out. A field that is not here is an error, so that no
 * manifest leans on something that was never run.
 */
import { Effect, Schema } from "effect"

const Strings = Schema.Record(Schema.String, Schema.String)
const optional = Schema.optional

const EnvVar = Schema.Struct({
  name: Schema.String,
  value: optional(Schema.String),
  valueFrom: optional(Schema.Struct({ secretKeyRef: Schema.Struct({ name: Schema.String, key: Schema.String }) }))
})

const SecurityContext = Schema.Struct({
  allowPrivilegeEscalation: optional(Schema.Boolean),
  readOnlyRootFilesystem: optional(Schema.Boolean),
  capabilities: optional(Schema.Struct({ drop: Schema.Array(Schema.Literal("ALL")) }))
})

const Resources = Schema.Struct({ requests: optional(Strings), limits: optional(Strings) })

const Container = Schema.Struct({
  name: Schema.String,
  image: Schema.String,
  command: optional(Schema.Array(Schema.String)),
  args: optional(Schema.Array(Schema.String)),
  env: optional(Schema.Array(EnvVar)),
  ports: optional(
    Schema.Array(
      Schema.Struct({ name: Schema.String, containerPort: Schema.Int, protocol: optional(Schema.Literal("TCP")) })
    )
  ),
  readinessProbe: optional(
    Schema.Struct({
      grpc: Schema.Struct({ port: Schema.Int, service: optional(Schema.String) }),
      initialDelaySeconds: optional(Schema.Int),
      periodSeconds: Schema.Int,
      timeoutSeconds: optional(Schema.Int),
      successThreshold: optional(Schema.Int),
      failureThreshold: optional(Schema.Int)
    })
  ),
  resources: Resources,
  securityContext: optional(SecurityContext),
  volumeMounts: optional(
    Schema.Array(Schema.Struct({ name: Schema.String, mountPath: Schema.String, readOnly: optional(Schema.Boolean) }))
  ),
  // Without a meaning here.
  imagePullPolicy: optional(Schema.String),
  terminationMessagePath: optional(Schema.String),
  terminationMessagePolicy: optional(Schema.String)
})

const Volume = Schema.Struct({
  name: Schema.String,
  secret: optional(Schema.Struct({ secretName: Schema.String, defaultMode: optional(Schema.Int) })),
  projected: optional(
    Schema.Struct({
      defaultMode: optional(Schema.Int),
      sources: Schema.Array(
        Schema.Struct({
          serviceAccountToken: Schema.Struct({
            path: Schema.String,
            audience: Schema.String,
            expirationSeconds: Schema.Int
          })
        })
      )
    })
  )
})

const PodSpec = Schema.Struct({
  serviceAccountName: optional(Schema.String),
  serviceAccount: optional(Schema.String),
  automountServiceAccountToken: optional(Schema.Boolean),
  terminationGracePeriodSeconds: optional(Schema.Int),
  securityContext: optional(
    Schema.Struct({
      runAsNonRoot: optional(Schema.Boolean),
      runAsUser: optional(Schema.Int),
      runAsGroup: optional(Schema.Int),
      fsGroup: optional(Schema.Int),
      // No seccomp profile is loaded here.
      seccompProfile: optional(Schema.Struct({ type: Schema.Literal("RuntimeDefault") }))
    })
  ),
  containers: Schema.Tuple([Container]),
  volumes: optional(Schema.Array(Volume)),
  // Of the scheduler, and what the API server fills in.
  enableServiceLinks: optional(Schema.Boolean),
  topologySpreadConstraints: optional(Schema.Array(Schema.Unknown)),
  restartPolicy: optional(Schema.String),
  dnsPolicy: optional(Schema.String),
  schedulerName: optional(Schema.String),
  preemptionPolicy: optional(Schema.String),
  priority: optional(Schema.Int),
  tolerations: optional(Schema.Array(Schema.Unknown))
})
export type PodSpec = typeof PodSpec.Type

/** Reads a pod's specification. */
export const podSpec = Schema.decodeUnknownEffect(PodSpec, { onExcessProperty: "error" })

/** As the API server stores them, with what does not matter here. */
const Deployment = Schema.Struct({
  // None where it was only rendered.
  metadata: Schema.Struct({ generation: optional(Schema.Int) }),
  spec: Schema.Struct({ replicas: Schema.Int, template: Schema.Struct({ spec: Schema.Unknown }) })
})
export const Pod = Schema.Struct({ spec: Schema.Unknown })

/** A Deployment's replicas and its pods' specification. */
export const deployed = Effect.fnUntraced(function* (deployment: unknown) {
  const { metadata, spec } = yield* Schema.decodeUnknownEffect(Deployment)(deployment)
  const { replicas, template } = spec
  return { generation: metadata.generation, replicas, spec: yield* podSpec(template.spec) }
})

export const Service = Schema.Struct({ spec: Schema.Struct({ clusterIP: Schema.String }) })

const units = { Ki: 1024, Mi: 1024 ** 2, Gi: 1024 ** 3 }

/** Bytes of a quantity such as `300Mi`. */
export const bytesOf = (quantity: string): number => {
  const [, number, unit] = /^(\d+)(Ki|Mi|Gi)?$/.exec(quantity) ?? []
  return Number(number) * (unit === undefined ? 1 : units[unit as keyof typeof units])
}

/** Processors of a quantity such as `500m`. */
export const processorsOf = (quantity: string): number =>
  quantity.endsWith("m") ? Number(quantity.slice(0, -1)) / 1000 : Number(quantity)
