/**
 * Who may do what. Simpler than RBAC's roles and bindings: one list of rules; a rule that denies beats one that allows;
 * what no rule allows is forbidden, in RBAC's own words.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { forbidden, type ResourceRequest } from "./Status.ts"
import type { User } from "./Users.ts"

const Strings = Schema.Array(Schema.String)

/** One rule; what is left out, or is `*`, stands for everything. */
export const Rule = Schema.Struct({
  effect: Schema.Literals(["allow", "deny"]),
  /** User names or groups; by default every authenticated user. */
  subjects: Schema.optional(Strings),
  verbs: Schema.optional(Strings),
  /** Plural, as in the path: `secrets`, `serviceaccounts/token`. */
  resources: Schema.optional(Strings),
  names: Schema.optional(Strings),
  namespaces: Schema.optional(Strings)
})
export type Rule = typeof Rule.Type

/** Without other rules, every authenticated user may do everything. */
export const allowAuthenticated: Rule = { effect: "allow" }

const covers = (listed: ReadonlyArray<string> | undefined, value: string | undefined) =>
  listed === undefined || listed.includes("*") || (value !== undefined && listed.includes(value))

const isSubject = ({ subjects = ["system:authenticated"] }: Rule, user: User) =>
  subjects.includes("*") || [user.username, ...user.groups].some((subject) => subjects.includes(subject))

/** Makes the list of rules, beginning with those given. */
export const make = (initial: ReadonlyArray<Rule>) => {
  let rules = initial

  const applies = (rule: Rule, user: User, request: ResourceRequest) =>
    isSubject(rule, user) &&
    covers(rule.verbs, request.verb) &&
    covers(rule.resources, request.resource) &&
    covers(rule.names, request.name) &&
    covers(rule.namespaces, request.namespace)

  return {
    add: (rule: Rule) =>
      Effect.sync(() => {
        rules = [...rules, rule]
      }),
    set: (replacement: ReadonlyArray<Rule>) =>
      Effect.sync(() => {
        rules = replacement
      }),
    all: Effect.sync(() => rules),
    authorize: (user: User, request: ResourceRequest) =>
      Effect.suspend(() => {
        if (user.groups.includes("system:masters")) return Effect.void
        const applying = rules.filter((rule) => applies(rule, user, request))
        return applying.length > 0 && applying.every(({ effect }) => effect === "allow")
          ? Effect.void
          : Effect.fail(forbidden(user.username, request))
      })
  }
}

export type Rbac = ReturnType<typeof make>
