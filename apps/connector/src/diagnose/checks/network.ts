/**
 * The way to the workspace, before any credential goes there: name, proxy, certificate, and whether it is Databricks.
 */
import { type WorkspaceHost } from "@flyte-databricks/databricks-auth"
import * as Answer from "@flyte-databricks/databricks-auth/http/Answer"
import { baseUrl } from "@flyte-databricks/databricks-auth/WorkspaceHost"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as HttpClient from "effect/http/HttpClient"
import type { Code } from "../Catalogue.ts"
import { Finding, type Passed } from "../Check.ts"
import * as Http from "../Http.ts"

/** What a workspace says of itself to everybody. */
export interface Workspace {
  readonly instance: WorkspaceHost.WorkspaceHost
  readonly workspaceId: Option.Option<string>
}

const Discovery = Schema.fromJsonString(
  Schema.Struct({ workspace_id: Schema.optional(Schema.NullOr(Schema.Union([Schema.String, Schema.Finite]))) })
)

/** Reaches the workspace without a credential. */
export const reach = Effect.fnUntraced(function* (
  instance: WorkspaceHost.WorkspaceHost
): Effect.fn.Return<Passed<Workspace>, Finding, HttpClient.HttpClient> {
  const url = `${baseUrl(instance)}/.well-known/databricks-config`
  const { status, headers, body, said } = yield* Effect.mapError(
    Http.get(url),
    ({ message, fault }) => new Finding({ code: codeOfFault(fault), detail: `${message}.` })
  )
  if (Answer.mayPass(status)) return yield* new Finding({ code: "FDC409", detail: `${url} answered ${said}.` })
  if (Answer.isRedirect(status) || Answer.isHtml(body)) {
    return yield* new Finding({ code: "FDC406", detail: `${url} answered ${said}.` })
  }
  const id = Option.flatMapNullishOr(Schema.decodeUnknownOption(Discovery)(body), ({ workspace_id }) => workspace_id)
  return {
    value: { instance, workspaceId: Option.map(id, String) },
    text: `${instance} is reached.`,
    ...(Option.isNone(id) ? {} : { facts: { workspace_id: String(id.value) } }),
    noticed: skew(headers["date"], yield* Clock.currentTimeMillis)
  }
})

/** What keeps a request from its server. */
const codeOfFault = (fault: string): Code => {
  if (/ENOTFOUND|EAI_AGAIN/.test(fault)) return "FDC411"
  if (/proxy response \(\d+\)/i.test(fault)) return "FDC412"
  return /certificate/i.test(fault) ? "FDC402" : "FDC401"
}

// As much as a verifier of JWTs usually lets pass.
const tolerated = 60_000

const skew = (date: string | undefined, now: number): ReadonlyArray<Finding> => {
  const theirs = date === undefined ? Number.NaN : Date.parse(date)
  const difference = Math.abs(now - theirs)
  return difference > tolerated
    ? [
        new Finding({
          code: "FDC410",
          detail: `This machine's is ${spoken(difference)} ${now > theirs ? "ahead" : "behind"}.`
        })
      ]
    : []
}

const spoken = (millis: number): string =>
  millis < 120_000 ? `${Math.round(millis / 1000)} seconds` : `${Math.round(millis / 60_000)} minutes`
