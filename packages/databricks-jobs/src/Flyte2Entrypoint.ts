/**
 * What Flyte 2's entrypoint (`a0`) has to be told on its command line, since a job on Databricks has none of the
 * environment that Flyte gives a pod. Flyte leaves `{{.runName}}` and `{{.actionName}}` as they are, and says nothing of
 * the run's base directory, organization, project and domain, which the entrypoint demands: it reads all of them from
 * variables of the pod.
 */

/** The execution that a task is part of; "" for what is not known. */
export interface Execution {
  readonly runName: string
  readonly actionName: string
  readonly project: string
  readonly domain: string
  readonly org: string
  /** Where the run keeps its actions' outputs. */
  readonly runBaseDir: string
}

type Key = keyof Execution

/** The names that the SDK writes as `{{.name}}`, in upper or lower case, as in the rest of Flyte's templates. */
const placeholders: ReadonlyMap<string, Key> = new Map([
  ["runname", "runName"],
  ["actionname", "actionName"],
  ["executionproject", "project"],
  ["executiondomain", "domain"],
  ["executionorg", "org"]
])

const demanded: ReadonlyArray<readonly [option: string, key: Key]> = [
  ["--run-base-dir", "runBaseDir"],
  ["--org", "org"],
  ["--project", "project"],
  ["--domain", "domain"],
  ["--run-name", "runName"],
  ["--name", "actionName"]
]

/**
 * The arguments with what Flyte left out. What they already say stays as it is. What is not known is left out.
 */
export const complete = (args: ReadonlyArray<string>, execution: Execution): ReadonlyArray<string> => {
  const [command, ...rest] = args.map((arg) => render(arg, execution))
  if (command !== "a0") return command === undefined ? [] : [command, ...rest]
  const given = optionsOf(rest)
  const missing = demanded.filter(([option, key]) => !given.has(option) && execution[key] !== "")
  return [command, ...missing.flatMap(([option, key]) => [option, execution[key]]), ...rest]
}

const render = (arg: string, execution: Execution): string =>
  arg.replaceAll(/\{\{\s*[.$](\w+)\s*\}\}/g, (placeholder, name: string) => {
    const key = placeholders.get(name.toLowerCase())
    return (key && execution[key]) || placeholder
  })

// Each of the entrypoint's options takes one value, after "=" or as the next argument, which may look like an option.
const optionsOf = (args: ReadonlyArray<string>): ReadonlySet<string> => {
  const options = new Set<string>()
  for (let at = 0; at < args.length && args[at] !== "--"; at++) {
    const [, option, value] = /^(--[^=]+|-[^-])(.*)$/s.exec(args[at] ?? "") ?? []
    if (option === undefined) continue
    options.add(option)
    if (value === "") at++
  }
  return options
}
