/**
 * Label selectors as the API takes them: `key`, `!key`, `key=value`, `key==value`, `key!=value`, `key in (a,b)`,
 * `key notin (a,b)`, and several of these with commas between them.
 */
import * as Result from "effect/Result"
import { labelKeyPattern, labelValuePattern } from "./ObjectMeta.ts"

type Labels = Readonly<Record<string, string>>

/** Whether an object with these labels is selected. */
export type LabelSelector = (labels: Labels) => boolean

const exists = new RegExp(`^(!?)\\s*(${labelKeyPattern})$`)
const equality = new RegExp(`^(${labelKeyPattern})\\s*(==?|!=)\\s*(${labelValuePattern})$`)
const membership = new RegExp(`^(${labelKeyPattern})\\s+(in|notin)\\s*\\(([^()]*)\\)$`)
const value = new RegExp(`^${labelValuePattern}$`)

const has = (labels: Labels, key: string) => Object.hasOwn(labels, key)

const requirement = (text: string): LabelSelector | undefined => {
  const [, not, present = ""] = exists.exec(text) ?? []
  if (not !== undefined) return (labels) => has(labels, present) === (not === "")

  const [, key = "", operator, wanted = ""] = equality.exec(text) ?? []
  // An object without the label is selected by `!=` and by `notin`.
  if (operator === "!=") return (labels) => labels[key] !== wanted
  if (operator !== undefined) return (labels) => has(labels, key) && labels[key] === wanted

  const [, setKey = "", setOperator, list = ""] = membership.exec(text) ?? []
  if (setOperator === undefined) return undefined
  const values = list.split(",").map((each) => each.trim())
  if (!values.every((each) => value.test(each))) return undefined
  const isMember: LabelSelector = (labels) => has(labels, setKey) && values.includes(labels[setKey] ?? "")
  return setOperator === "in" ? isMember : (labels) => !isMember(labels)
}

/** Reads a selector; an empty one selects everything. */
export const parse = (text: string): Result.Result<LabelSelector, string> => {
  if (text.trim() === "") return Result.succeed(() => true)
  const requirements: Array<LabelSelector> = []
  for (const part of text.split(/,(?![^(]*\))/)) {
    const parsed = requirement(part.trim())
    if (parsed === undefined) {
      return Result.fail(`unable to parse requirement: found '${part.trim()}', expected a label selector`)
    }
    requirements.push(parsed)
  }
  return Result.succeed((labels) => requirements.every((selects) => selects(labels)))
}
