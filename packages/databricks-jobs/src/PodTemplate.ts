/**
 * A task with a pod template has a Kubernetes pod in a container's place. A job on Databricks takes of it what it takes
 * of a container: image, arguments and environment variables. What else would bring code, files or variables into the
 * task is refused, since the task would go without. How and where Kubernetes is to run the pod (resources, node
 * placement, security context, probes, labels) means nothing to Databricks, and is passed over.
 */
import { printable } from "@flyte-databricks/databricks-auth/http/ForeignText"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { invalid } from "./internal/jobSpecInvalid.ts"
import type { JobsError } from "./JobsError.ts"
import type { Container } from "./JobSpec.ts"

const nullable = <S extends Schema.Constraint>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))
const list = nullable(Schema.Array(Schema.Unknown))

const Variable = Schema.Struct({
  name: Schema.String,
  value: nullable(Schema.String),
  valueFrom: nullable(Schema.Unknown)
})

const ContainerSpec = Schema.Struct({
  name: Schema.String,
  image: nullable(Schema.String),
  args: nullable(Schema.Array(Schema.String)),
  env: nullable(Schema.Array(Variable)),
  // What a job has no place for.
  command: list,
  workingDir: nullable(Schema.String),
  envFrom: list,
  volumeMounts: nullable(Schema.Array(Schema.Struct({ mountPath: Schema.String }))),
  volumeDevices: list,
  lifecycle: nullable(Schema.Unknown)
})
type ContainerSpec = typeof ContainerSpec.Type

const PodSpec = Schema.Struct({
  containers: Schema.Array(ContainerSpec),
  initContainers: list
})
type PodSpec = typeof PodSpec.Type

const decode = Schema.decodeUnknownOption(PodSpec)

/** How many characters image, arguments and variables may have together. Real tasks have a few thousand. */
export const maxSize = 256 * 1024

const at = "the pod template"
const remedy =
  "Take it out of the pod template, or out of the defaults of Flyte's configuration " +
  "(default-pod-template-name, default-env-from-secrets, default-env-from-configmaps)."

/** The one container of a pod, by the pod's `spec`. */
export const toContainer = (podSpec: unknown): Result.Result<Container, JobsError> =>
  Result.gen(function* () {
    const decoded = decode(podSpec)
    if (Option.isNone(decoded)) {
      return yield* invalid(at, "is not a Kubernetes pod", "Give it a pod_spec with one container, or none at all.")
    }
    const pod = decoded.value
    // Which container is the primary one is in the task's config. With one there is nothing to choose.
    const [spec] = pod.containers
    if (spec === undefined) return yield* invalid(at, "has no container", "Give it one, or give the task an image.")
    const container = toldTo(spec)
    if (sizeOf(container) > maxSize) {
      return yield* invalid(at, `has more than ${maxSize} characters of arguments and variables`, "Make it smaller.")
    }
    const refused = [...refusedOfPod(pod), ...(pod.containers.length === 1 ? refusedOfContainer(spec) : [])]
    if (refused.length > 0) {
      return yield* invalid(at, `has what a job on Databricks has no place for: ${refused.join("; ")}`, remedy)
    }
    const unfilled = container.args.map((arg) => placeholder.exec(arg)?.[0]).find((found) => found !== undefined)
    return unfilled === undefined
      ? container
      : yield* invalid(
          at,
          `has the placeholder ${unfilled} in its arguments`,
          "Flyte 1 fills it in since 1.16.7, Flyte 2 not yet: give the task an image, not a pod template."
        )
  })

const refusedOfPod = ({ containers, initContainers }: PodSpec): ReadonlyArray<string> => [
  ...(containers.length > 1
    ? all(
        "more than one container:",
        containers.map(({ name }) => name)
      )
    : []),
  ...(isGiven(initContainers) ? ["initContainers"] : [])
]

const refusedOfContainer = (spec: ContainerSpec): ReadonlyArray<string> => {
  const keys = ["command", "workingDir", "envFrom", "volumeDevices", "lifecycle"] as const
  const { args, env, volumeMounts } = spec
  const names = new Set(env?.map(({ name }) => name))
  const references = [...(args ?? []), ...(env ?? []).map(({ value }) => value ?? "")]
    .flatMap((text) => [...text.matchAll(escapes)])
    .flatMap(([reference, name]) => (name !== undefined && names.has(name) ? [reference] : []))
  return [
    ...keys.filter((key) => isGiven(spec[key])),
    // Shared memory is a resource. A volume that is mounted nowhere is nothing to the task.
    ...all(
      "a volume on",
      (volumeMounts ?? []).map(({ mountPath }) => mountPath).filter((path) => path !== "/dev/shm")
    ),
    ...all(
      "valueFrom of",
      (env ?? []).filter(({ valueFrom }) => isGiven(valueFrom)).map(({ name }) => name)
    ),
    ...all("the reference", references)
  ]
}

const isGiven = (value: unknown): boolean =>
  value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0)

const maxNames = 5

/** The foreign names of one kind, as far as a message has room for them. */
const all = (kind: string, names: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (names.length === 0) return []
  const shown = names.slice(0, maxNames).map((name) => printable(name, { maxLength: 100 }))
  return [`${kind} ${[...shown, ...(names.length > maxNames ? ["…"] : [])].join(", ")}`]
}

// Kubernetes writes the variable in the place of `$(NAME)`, and one dollar in that of two.
const escapes = /\$\$|\$\(([^$()]{1,256})\)/g

const toldTo = ({ image, args, env }: ContainerSpec): Container => ({
  image: image ?? "",
  args: (args ?? []).map(unescaped),
  // Of two variables of one name the last counts, as in a pod.
  env: Object.fromEntries((env ?? []).map(({ name, value }) => [name, unescaped(value ?? "")]))
})

const unescaped = (text: string): string => text.replaceAll("$$", () => "$")

const sizeOf = ({ image, args, env }: Container): number =>
  [image, ...args, ...Object.entries(env).flat()].reduce((sum, text) => sum + text.length, 0)

// Flyte fills in all of a task's placeholders or none, and every task has these two.
const placeholder = /\{\{\s*[.$](?:input|outputPrefix)\s*\}\}/i
