/** What Flyte 2 leaves out of a task's arguments, and the entrypoint cannot do without. */
import { assert, describe, it } from "@effect/vitest"
import { complete, type Execution } from "@flyte-databricks/databricks-jobs/Flyte2Entrypoint"
import { Schema } from "effect"

const execution: Execution = {
  runName: "run-1",
  actionName: "a0",
  project: "billing",
  domain: "production",
  org: "acme",
  runBaseDir: "s3://bucket/billing/production/run-1/"
}
const nothing: Execution = { runName: "", actionName: "", project: "", domain: "", org: "", runBaseDir: "" }

const demanded = ["--run-base-dir", "--org", "--project", "--domain", "--run-name", "--name"] as const

/** The entrypoint's own options beside those. */
const others = [
  "--inputs",
  "-i",
  "--outputs-path",
  "-o",
  "--version",
  "--raw-data-path",
  "--tgz",
  "--dest",
  "--resolver"
]

/**
 * What click makes of the arguments after the command, told independently: options take one value, the last of several
 * counts, what is left over is for the resolver.
 */
const parsed = (args: ReadonlyArray<string>) => {
  const options: Record<string, string> = {}
  const rest: Array<string> = []
  const left = [...args]
  for (let arg = left.shift(); arg !== undefined; arg = left.shift()) {
    const long = [...demanded, ...others].find((option) => arg === option || arg.startsWith(`${option}=`))
    if (arg === "--") rest.push(...left.splice(0))
    else if (long === undefined) rest.push(arg)
    else options[long] = arg === long ? (left.shift() ?? "") : arg.slice(long.length + 1)
  }
  return { options, rest }
}

describe("the entrypoint is told", () => {
  const sdk = ["a0", "--inputs", "s3://in", "--run-name", "{{.runName}}", "--name", "{{.actionName}}", "mod", "m"]

  it("what the SDK writes as placeholders, and what it does not write at all", () => {
    const front = ["--run-base-dir", execution.runBaseDir, "--org", "acme", "--project", "billing", "--domain"]
    const rest = ["--inputs", "s3://in", "--run-name", "run-1", "--name", "a0", "mod", "m"]
    assert.deepStrictEqual(complete(sdk, execution), ["a0", ...front, "production", ...rest])
  })

  it("its run and action also where no argument has their place", () => {
    assert.deepStrictEqual(parsed(complete(["a0", "mod"], execution).slice(1)), {
      options: {
        "--run-base-dir": execution.runBaseDir,
        "--org": "acme",
        "--project": "billing",
        "--domain": "production",
        "--run-name": "run-1",
        "--name": "a0"
      },
      rest: ["mod"]
    })
  })

  it.each(demanded)("%s once, if the task says it already", (option) => {
    for (const given of [[option, "mine"], [`${option}=mine`], [option, "--"], [option, ""]]) {
      const completed = complete(["a0", ...given, "mod"], execution)
      assert.deepStrictEqual(
        completed.filter((arg) => arg === option || arg.startsWith(`${option}=`)),
        given.slice(0, 1)
      )
      assert.deepStrictEqual(completed.slice(-given.length - 1), [...given, "mod"])
    }
  })

  it.each(demanded)("%s, if the word is another option's value or the resolver's", (option) => {
    for (const args of [
      ["--tgz", option, "mod"],
      ["-i", option, "mod"],
      ["mod", "--", option, "x"]
    ]) {
      const completed = complete(["a0", ...args], execution)
      assert.notStrictEqual(parsed(completed.slice(1)).options[option], undefined)
      assert.deepStrictEqual(completed.slice(-args.length), args)
    }
  })
})

describe("a placeholder", () => {
  it("is filled as Flyte's own are: anywhere in an argument, however often, in any case, with a dollar or blanks", () => {
    assert.deepStrictEqual(
      complete(["run", "x-{{.runName}}-{{ .RUNNAME }}", "{{$actionName}}", "{{ .executionOrg}}"], execution),
      ["run", "x-run-1-run-1", "a0", "acme"]
    )
    assert.deepStrictEqual(complete(["{{.executionProject}}/{{.executionDomain}}"], execution), ["billing/production"])
  })
  it("of something else stays", () => {
    const args = ["run", "{{.input}}", "{{.runName", "{runName}", "{{runName}}", "{{.runStartTime}}", "{{.}}"]
    assert.deepStrictEqual(complete(args, execution), args)
  })
  it("whose value is not known stays", () => {
    assert.deepStrictEqual(complete(["a0", "{{.runName}}"], nothing), ["a0", "{{.runName}}"])
  })
  it("is filled once: what it is filled with is no template", () => {
    const odd = { ...execution, runName: "{{.actionName}}", actionName: "$&$1" }
    assert.deepStrictEqual(complete(["run", "{{.runName}} {{.actionName}}"], odd), ["run", "{{.actionName}} $&$1"])
  })
})

it("a task that runs no entrypoint is told nothing more", () => {
  assert.deepStrictEqual(complete([], execution), [])
  assert.deepStrictEqual(complete(["python", "main.py"], execution), ["python", "main.py"])
})

describe("whatever the arguments,", () => {
  const plain = Schema.String.check(Schema.isPattern(/^[a-z{}.$ ]*$/i))
  const argument = Schema.Union([Schema.Literals([...demanded, ...others]), Schema.String, plain])
  const pairs = Schema.Array(Schema.Tuple([Schema.Literals([...demanded, ...others]), plain]))
  const value = Schema.Union([Schema.Literal(""), Schema.String.check(Schema.isPattern(/^[^{]*$/))])
  const executions = Schema.Struct({
    runName: value,
    actionName: value,
    project: value,
    domain: value,
    org: value,
    runBaseDir: value
  })

  it.prop(
    "the task's own stand at the end, unless they are placeholders, and what is in front is options with values",
    { args: Schema.Array(argument), known: executions },
    ({ args, known }) => {
      const completed = complete(["a0", ...args], known)
      const own = complete(["other", ...args], known).slice(1)
      assert.deepStrictEqual(completed.slice(completed.length - own.length), own)
      const front = completed.slice(1, completed.length - own.length)
      assert.strictEqual(front.length % 2, 0)
      const { options, rest } = parsed(front)
      assert.deepStrictEqual(rest, [])
      for (const option of Object.keys(options)) assert.include(demanded, option)
    },
    { arbitrary: { seed: 20_260_801, runs: 500 } }
  )

  it.prop(
    "the entrypoint hears of each demand the task's word, else Flyte's",
    { given: pairs, known: executions, rest: Schema.Array(plain) },
    ({ given, known, rest }) => {
      const args = [...given.flat(), ...rest]
      const flytes: Record<(typeof demanded)[number], string> = {
        "--run-base-dir": known.runBaseDir,
        "--org": known.org,
        "--project": known.project,
        "--domain": known.domain,
        "--run-name": known.runName,
        "--name": known.actionName
      }
      const before = parsed(complete(["other", ...args], known).slice(1))
      const after = parsed(complete(["a0", ...args], known).slice(1))
      assert.deepStrictEqual(after.rest, before.rest)
      for (const option of demanded) {
        const expected = before.options[option] ?? (flytes[option] === "" ? undefined : flytes[option])
        assert.strictEqual(after.options[option], expected, option)
      }
      for (const option of others) assert.strictEqual(after.options[option], before.options[option], option)
    },
    { arbitrary: { seed: 20_260_801, runs: 500 } }
  )

  it.prop(
    "doing it again changes nothing",
    { args: Schema.Array(argument), known: executions },
    ({ args, known }) => {
      const once = complete(["a0", ...args], known)
      assert.deepStrictEqual(complete(once, known), once)
    },
    { arbitrary: { seed: 20_260_801, runs: 500 } }
  )
})
