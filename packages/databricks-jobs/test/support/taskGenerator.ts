/**
 * Makes task templates as nobody would write them: each key of `databricksConf` is absent, as it should be, empty in
 * one of the ways that Python takes for false, or of a wrong kind. The same seed makes the same tasks.
 */
export interface GeneratedTask {
  readonly custom: Record<string, unknown>
  readonly container: {
    readonly image: string
    readonly args: Array<string>
    readonly env: Record<string, string>
  } | null
  /** The connector's own service credential provider. */
  readonly provider: string | null
}

type Choose = () => number

const mulberry32 = (seed: number): Choose => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

const empties = [null, "", 0, false, [], {}]
const wrongs = ["text", 1.5, true, ["x"], { a: "b" }, [null], [[]], [{}], -1e21]
const variables = [{ A: "task", FLYTE_X: "task" }, { FLYTE_FAIL_ON_ERROR: "false" }, { N: 1, O: { p: [] } }]
const prototypeKeys = { ["__proto__"]: { new_cluster: { a: 1 } }, constructor: { name: "x" }, toString: "y" }

const makers = (choose: Choose) => {
  const one = <A>(values: ReadonlyArray<A>): A => values[Math.floor(choose() * values.length)]!
  const often = (probability: number): boolean => choose() < probability
  /** The value as it should be, mostly. */
  const value = (usual: () => unknown): unknown => (often(0.72) ? usual() : one(often(0.6) ? empties : wrongs))
  const maybe = (key: string, probability: number, usual: () => unknown): Record<string, unknown> =>
    often(probability) ? { [key]: value(usual) } : {}

  const environmentKey = () => one(["default", "e1", "e2"])
  const spec = () => ({
    ...maybe("client", 0.5, () => "2"),
    ...maybe("environment_vars", 0.6, () => one(variables)),
    ...maybe("dependencies", 0.3, () => ["pandas==2.0.0"])
  })
  const environment = () => ({ ...maybe("environment_key", 0.9, environmentKey), ...maybe("spec", 0.7, spec) })
  const environments = () => Array.from({ length: Math.floor(choose() * 4) }, () => value(environment))
  const newCluster = () => ({
    num_workers: one([0, 1, 2.5]),
    ...maybe("docker_image", 0.4, () => ({ url: "mine:1" })),
    ...maybe("spark_conf", 0.4, () => ({ "spark.speculation": true })),
    ...maybe("spark_env_vars", 0.5, () => one(variables))
  })
  const gitSource = () => ({ git_url: "https://example.com/r", git_provider: "gitHub", git_branch: "main" })
  const databricksConf = () => ({
    ...maybe("existing_cluster_id", 0.25, () => "0101-123456-abc"),
    ...maybe("new_cluster", 0.4, newCluster),
    ...maybe("environment_key", 0.4, environmentKey),
    ...maybe("environments", 0.5, environments),
    ...maybe("git_source", 0.3, gitSource),
    ...maybe("python_file", 0.3, () => "src/main.py"),
    ...maybe("tasks", 0.1, () => [{ task_key: "mine" }]),
    ...maybe("run_name", 0.4, () => "r"),
    ...maybe("notebook_task", 0.1, () => ({ notebook_path: "/other" })),
    ...(often(0.1) ? prototypeKeys : {})
  })
  // Python writes any kind of provider into the parameter; a connector that cares refuses all but text.
  const provider = () => one(["cred", "", null, false, 0, [], {}, " "])
  const custom = () => ({
    ...(often(0.97) ? { databricksConf: value(databricksConf) } : {}),
    ...maybe("sparkConf", 0.6, () => ({ "spark.a": "b" })),
    ...maybe("notebookPath", 0.3, () => "/Users/me/n"),
    ...maybe("notebookBaseParameters", 0.3, () => ({ p: "1" })),
    ...(often(0.3) ? { databricksServiceCredentialProvider: provider() } : {})
  })
  return (): GeneratedTask => ({
    custom: custom(),
    container: often(0.03)
      ? null
      : {
          image: one(["img:1", ""]),
          args: one([["pyflyte-execute", "--inputs", "{{.input}}"], []]),
          env: one<Record<string, string>>([{ FLYTE_X: "1" }, {}, { FLYTE_FAIL_ON_ERROR: "0", ["__proto__"]: "p" }])
        },
    provider: one([null, "", "connectors"])
  })
}

export const generateTasks = (seed: number, count: number): ReadonlyArray<GeneratedTask> =>
  Array.from({ length: count }, makers(mulberry32(seed)))
