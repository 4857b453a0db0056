/** What a job takes of a pod, and what it refuses. */
import { assert, describe, it } from "@effect/vitest"
import { assertEquals } from "@effect/vitest/utils"
import * as PodTemplate from "@flyte-databricks/databricks-jobs/PodTemplate"
import { Result } from "effect"

const primary = { name: "primary", image: "img:2", args: ["pyflyte-execute"], env: [{ name: "A", value: "1" }] }
const pod = (container: object, spec: object = {}) => ({ containers: [{ ...primary, ...container }], ...spec })

const containerOf = (spec: unknown) => Result.getOrThrow(PodTemplate.toContainer(spec))
const messageOf = (spec: unknown) => {
  const { reason, message } = Result.getOrThrow(Result.flip(PodTemplate.toContainer(spec)))
  assert.strictEqual(reason._tag, "JobSpecInvalid")
  return message
}

describe("the container of a pod", () => {
  it("is its image, arguments and variables, whatever its name", () => {
    const expected = { image: "img:2", args: ["pyflyte-execute"], env: { A: "1" } }
    assertEquals(containerOf(pod({})), expected)
    assertEquals(containerOf(pod({ name: "main" })), expected)
  })

  it("has the last of two variables of one name, as in a pod, and none where a variable has no value", () => {
    const env = [{ name: "A", value: "1" }, { name: "B" }, { name: "A", value: "2" }]
    assertEquals(containerOf(pod({ env })).env, { A: "2", B: "" })
  })

  it("may have nothing but a name", () => {
    const nothing = { image: "", args: [], env: {} }
    assertEquals(containerOf({ containers: [{ name: "primary" }] }), nothing)
    const nulls = { name: "primary", image: null, args: null, env: null, command: null, lifecycle: null }
    assertEquals(containerOf({ containers: [nulls], initContainers: null, volumes: null }), nothing)
  })

  it("hears one dollar for two, as in a pod, and a reference to no variable as it stands", () => {
    const env = [{ name: "PRICE", value: "$$5 or $(NOBODY) or $(unclosed" }]
    assertEquals(containerOf(pod({ env, args: ["--price", "$$(PRICE)", "$HOME"] })), {
      image: "img:2",
      args: ["--price", "$(PRICE)", "$HOME"],
      env: { PRICE: "$5 or $(NOBODY) or $(unclosed" }
    })
  })

  it("is taken without a word about how and where Kubernetes is to run it", () => {
    const kubernetes = {
      command: [],
      volumeMounts: [{ name: "flyte-shared-memory", mountPath: "/dev/shm" }],
      envFrom: [],
      resources: { limits: { cpu: "2" } },
      securityContext: { runAsUser: 1000 },
      imagePullPolicy: "Always",
      livenessProbe: { exec: { command: ["true"] } },
      terminationMessagePolicy: "FallbackToLogsOnError"
    }
    const placement = {
      initContainers: [],
      volumes: [{ name: "flyte-shared-memory", emptyDir: { medium: "Memory" } }],
      tolerations: [{ key: "gpu", operator: "Exists" }],
      nodeSelector: { pool: "spark" },
      affinity: {},
      serviceAccountName: "spark",
      schedulerName: "volcano",
      restartPolicy: "Never",
      imagePullSecrets: [{ name: "registry" }]
    }
    assertEquals(containerOf(pod(kubernetes, placement)), containerOf(pod({})))
  })

  it("is found in good time where its arguments are made to keep a search for references busy", () => {
    const args = ["$(".repeat(PodTemplate.maxSize / 2 - 10)]
    assertEquals(containerOf(pod({ args })).args, args)
  }, 5000)

  it("carries variables named like parts of a prototype", () => {
    const { env } = containerOf(pod({ env: [{ name: "__proto__", value: "p" }] }))
    assertEquals(Object.entries(env), [["__proto__", "p"]])
    assert.strictEqual(Object.getPrototypeOf(env), Object.prototype)
  })
})

describe("a pod is refused that", () => {
  const valueFrom = { secretKeyRef: { name: "s", key: "k" } }
  it.each<[what: string, spec: unknown, says: string]>([
    [
      "has a second container",
      { containers: [primary, { name: "logger" }] },
      "more than one container: primary, logger"
    ],
    ["has init containers", pod({}, { initContainers: [{ name: "fetch" }] }), "initContainers"],
    ["mounts a volume", pod({ volumeMounts: [{ name: "v", mountPath: "/v" }] }), "a volume on /v"],
    ["mounts devices", pod({ volumeDevices: [{ name: "v", devicePath: "/dev/v" }] }), "volumeDevices"],
    ["runs another command", pod({ command: ["sh", "-c"] }), "command"],
    ["runs elsewhere in the image", pod({ workingDir: "/srv" }), "workingDir"],
    ["has hooks", pod({ lifecycle: { postStart: { exec: { command: ["x"] } } } }), "lifecycle"],
    ["takes variables from a Secret", pod({ envFrom: [{ secretRef: { name: "s" } }] }), "envFrom"],
    ["takes a variable's value from one", pod({ env: [{ name: "TOKEN", valueFrom }] }), "valueFrom of TOKEN"],
    ["has a variable in another", pod({ env: [...primary.env, { name: "B", value: "$(A)" }] }), "the reference $(A)"],
    ["has a variable in an argument", pod({ args: ["--a=$(A)"] }), "the reference $(A)"]
  ])("%s", (_what, spec, says) => {
    assert.strictEqual(
      messageOf(spec),
      `The task cannot run on Databricks: the pod template has what a job on Databricks has no place for: ${says}. ` +
        "Take it out of the pod template, or out of the defaults of Flyte's configuration " +
        "(default-pod-template-name, default-env-from-secrets, default-env-from-configmaps)."
    )
  })

  it("has several of these, all told at once, and of many names the first five", () => {
    const env = Array.from({ length: 7 }, (_, index) => ({ name: `V${index}`, valueFrom }))
    assert.include(
      messageOf(pod({ env, volumeMounts: [{ mountPath: "/v" }] })),
      "no place for: a volume on /v; valueFrom of V0, V1, V2, V3, V4, …. "
    )
  })

  it.each<[what: string, spec: unknown]>([
    ["nothing at all", undefined],
    ["a list", []],
    ["without containers", {}],
    ["with a container that is text", { containers: ["primary"] }],
    ["with an argument that is a number", pod({ args: [1] })],
    ["with a variable that has no name", pod({ env: [{ value: "1" }] })]
  ])("is none: %s", (_what, spec) => {
    assert.include(messageOf(spec), "the pod template is not a Kubernetes pod. Give it a pod_spec")
  })

  it("has no container", () => {
    assert.include(messageOf({ containers: [] }), "has no container. Give it one, or give the task an image.")
  })

  it.each(["{{.input}}", "{{ $outputPrefix }}", "{{.Input}}"])("came with %s not filled in", (argument) => {
    const message = messageOf(pod({ args: ["pyflyte-execute", `--x=${argument}`] }))
    assert.include(message, `has the placeholder ${argument} in its arguments. Flyte 1 fills it in since 1.16.7`)
  })

  it("is larger than any task is", () => {
    const large = "a".repeat(PodTemplate.maxSize)
    for (const spec of [pod({ args: [large] }), pod({ env: [{ name: "A", value: large }] })]) {
      assert.include(messageOf(spec), `more than ${PodTemplate.maxSize} characters`)
    }
    assert.isTrue(Result.isSuccess(PodTemplate.toContainer(pod({ args: [large.slice(100)] }))))
  })

  it("has names without an end, in a message that has one", () => {
    const name = `\n${"n".repeat(100_000)}`
    const message = messageOf({ containers: Array.from({ length: 100 }, () => ({ name })) })
    assert.isBelow(message.length, 1000)
    assert.notInclude(message, "\n")
  })

  it("without telling what its variables hold", () => {
    const secret = "dapi-0123456789"
    const env = [
      { name: "A", value: secret },
      { name: "B", value: `${secret}$(A)`, valueFrom: { secret } }
    ]
    const all = pod({ env, command: [secret], envFrom: [{ secretRef: { name: secret } }] })
    for (const spec of [all, { ...all, initContainers: secret }]) assert.notInclude(messageOf(spec), secret)
  })
})
