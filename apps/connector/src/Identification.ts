/**
 * Who a task is, and the header of that identity: decided, recorded, and tried again as long as a create has patience.
 */
import { type Connection, DatabricksAuth, type Identity, type TaskSettings } from "@flyte-databricks/databricks-auth"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Audit } from "./audit/Audit.ts"
import * as Decisions from "./audit/decisions.ts"
import * as Call from "./call/Call.ts"
import { holdOut } from "./call/Faults.ts"
import type { Attempt } from "./IdempotencyToken.ts"
import * as PinnedRun from "./runs/PinnedRun.ts"
import * as Settings from "./Settings.ts"

// Without any patience nothing is tried twice, but what is tried still takes its time.
const leastPatience = 2000

/** What a task says of itself. */
interface Task {
  readonly namespace: string
  readonly attempt: Attempt
  readonly connection?: Connection.Connection
}

/** Makes the way to it. */
export const make = Effect.gen(function* () {
  const auth = yield* DatabricksAuth.DatabricksAuth
  const audit = yield* Audit
  const patience = Duration.toMillis(yield* Settings.createPatience)

  const identify = (
    { namespace, attempt: { org, project, domain }, connection }: Task,
    settings: TaskSettings.TaskSettings,
    subject: Decisions.Subject,
    patientUntil: number,
    call: Call.Told
  ) => {
    // A try that failed may be followed by one that finds somebody else.
    let decided: Identity.Identity | undefined
    const decide = (identity: Identity.Identity): Effect.Effect<void> => {
      if (decided?.key === identity.key) return Effect.void
      decided = identity
      return audit.record(() => Decisions.identityResolved({ ...subject, identity }))
    }
    const asked = { namespace, project, domain, org, settings, ...(connection === undefined ? {} : { connection }) }
    return auth.resolve(asked).pipe(
      Call.waitFor("an identity"),
      Effect.flatMap((resolved) => {
        call.note(PinnedRun.factsOf(resolved.identity))
        return decide(resolved.identity).pipe(
          Effect.andThen(PinnedRun.header(auth, resolved)),
          Effect.map((header) => ({ ...resolved, header }))
        )
      }),
      holdOut(patientUntil),
      // Nothing has been submitted: to give up here leaves no run behind.
      Call.within(Math.max(patience, leastPatience), "FLYTE_DATABRICKS_CREATE_PATIENCE"),
      Effect.onError((cause) =>
        audit.record(() =>
          decided === undefined
            ? Decisions.identityRefused(subject, cause)
            : Decisions.runRefused({ ...subject, identity: decided }, cause)
        )
      )
    )
  }
  return { identify, patience }
})
