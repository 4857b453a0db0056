/**
 * The runs that creates were answered with lately, and whose they are. An attempt that is created again gives the same
 * run, also where its credential was replaced in between: then the run is still that of the credential before.
 */
import type { AuthMode, Identity } from "@flyte-databricks/databricks-auth"
import type { JobMetadata } from "@flyte-databricks/databricks-jobs"
import * as Equal from "effect/Equal"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Kept from "./Kept.ts"
import { keyOf, type RunKey } from "./LastReports.ts"

/** A run, and whom it was started as. */
export interface Started {
  readonly identity: Identity.Identity
  readonly builtFrom: AuthMode.Resolved["builtFrom"]
  readonly metadata: JobMetadata.JobMetadata
}

/** What became of a create: its run, which somebody else may have started. */
export interface Answer {
  readonly started: Started
  /** What is to be said, where another credential than this create's started the run. */
  readonly warning: Option.Option<string>
}

/** How much is remembered. Flyte creates an attempt again within seconds, or not at all. */
export const most: Kept.Most = { entries: 1000, characters: 2 * 1024 * 1024 }

/** Remembers runs. */
export const make = (limits: Kept.Most = most) => {
  const runs = Kept.make<RunKey, Started>(limits)
  return {
    /** The run of a create. */
    answer: (own: Started): Answer => {
      const key = keyOf(own.metadata)
      const before = runs.get(key)
      const started = before === undefined || before.identity.key === own.identity.key ? own : before
      runs.set(key, started, charactersOf(started))
      return { started, warning: before === undefined ? Option.none() : warning(before, own) }
    }
  }
}

// The metadata says once more who it is.
const charactersOf = ({ identity, builtFrom }: Started): number =>
  2 * identity.key.length +
  Option.match(builtFrom, { onNone: () => 0, onSome: (secret) => Redacted.value(secret).length })

const warning = (before: Started, own: Started): Option.Option<string> => {
  const { runId } = own.metadata
  if (before.identity.key !== own.identity.key) {
    return Option.some(
      `Run ${runId} was made by ${before.identity.principal} (${before.identity.source}): this attempt was created once ` +
        `more, and by now it would be ${own.identity.principal} (${own.identity.source}). It goes on as who it was made by.`
    )
  }
  // A client id stays who it is with another secret; whose a PAT is, is not known.
  return own.identity._tag !== "pat" || Equal.equals(before.builtFrom, own.builtFrom)
    ? Option.none()
    : Option.some(
        `Run ${runId} was made by the owner of another PAT: this attempt was created once more, and in between the token ` +
          `was replaced (${own.identity.source}). If it is another user's, the run cannot be followed.`
      )
}
