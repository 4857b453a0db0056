/**
 * What a request of Flyte 2 carries beside the task: the values of the secrets that the task names, as Flyte found them
 * when it created the task. Each poll and cancel brings the same ones again, whatever became of the secrets since.
 * Requests of Flyte 1 have no connection.
 */
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { AuthError } from "../AuthError.ts"
import { fitsHeader } from "../internal/bearer.ts"
import { broken } from "../internal/broken.ts"
import { nonBlank, shown } from "../internal/settings.ts"

/**
 * What a Flyte 2 request carries of a connection.
 */
export interface Connection {
  /** `connection.secrets["databricks_token"]` as it was sent; none where there is no such key. */
  readonly databricksToken: Option.Option<Redacted.Redacted<string>>
}

/** Where its PAT stands, as errors and explanations say it. */
export const source = 'connection.secrets["databricks_token"] of the request'

/**
 * The PAT of a connection. A blank one is absent, as Flyte's SDK names no secret by default; but where the task names
 * one, Flyte found it empty, and no other credential is meant.
 */
export const token = (
  { databricksToken }: Connection,
  secretName: Option.Option<string>
): Result.Result<Option.Option<Redacted.Redacted<string>>, AuthError> => {
  if (Option.isNone(databricksToken)) return Result.succeed(Option.none())
  const trimmed = nonBlank(Redacted.value(databricksToken.value))
  if (Option.isNone(trimmed)) {
    if (Option.isNone(secretName)) return Result.succeed(Option.none())
    const problem = `is blank, though the task names secret "${shown(secretName.value)}"`
    return Result.fail(
      broken(source, problem, "Give that secret of Flyte a value, or take databricks_token off the task.")
    )
  }
  if (!fitsHeader(trimmed.value)) {
    const problem = "holds characters, or so many of them, that no header may carry"
    return Result.fail(broken(source, problem, "Put the token alone there, on one line."))
  }
  return Result.succeed(Option.some(Redacted.make(trimmed.value, { label: "PAT" })))
}
