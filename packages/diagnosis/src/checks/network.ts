/**
 * The way to the workspace, before any credential goes there: name, proxy, certificate, and whether it is Databricks.
 */
import { type WorkspaceHost } from "@flyte-databricks/databricks-auth"
import * as Answer from "@flyte-databricks/databricks-auth/http/Answer"
import { baseUrl, knownId } from "@flyte-databricks/databricks-auth/WorkspaceHost"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as HttpClient from "effect/http/HttpClient"
import type { Code } from "../Catalogue.ts"
import type { Chain } from "../Chain.ts"
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

/** Reaches the workspace without a credential, and looks at the certificates on the way. */
export const reach = Effect.fnUntraced(function* (
  instance: WorkspaceHost.WorkspaceHost,
  chainOf: (url: string) => Effect.Effect<Option.Option<Chain>>
): Effect.fn.Return<Passed<Workspace>, Finding, HttpClient.HttpClient> {
  const url = `${baseUrl(instance)}/.well-known/databricks-config`
  const { status, headers, body, said } = yield* Http.get(url).pipe(
    Effect.catch(
      Effect.fnUntraced(function* ({ message, fault }): Effect.fn.Return<never, Finding> {
        const code = codeOfFault(fault)
        const chain = code === "FDC402" ? yield* chainOf(url) : Option.none()
        const shown = Option.map(
          chain,
          ({ subject, authority }) => ` The certificate is of "${subject}", issued by "${authority}".`
        )
        return yield* new Finding({ code, detail: `${message}.${Option.getOrElse(shown, () => "")}` })
      })
    )
  )
  const now = yield* Clock.currentTimeMillis
  if (Answer.mayPass(status)) return yield* new Finding({ code: "FDC409", detail: `${url} answered ${said}.` })
  if (Answer.isRedirect(status) || Answer.isHtml(body)) {
    return yield* new Finding({ code: "FDC406", detail: `${url} answered ${said}.` })
  }
  const told = Option.flatMapNullishOr(Schema.decodeUnknownOption(Discovery)(body), ({ workspace_id }) => workspace_id)
  const id = Option.orElse(knownId(instance), () => Option.map(told, String))
  const chain = yield* chainOf(url)
  return {
    value: { instance, workspaceId: id },
    text: `${instance} is reached.`,
    facts: {
      ...(Option.isNone(id) ? {} : { workspace_id: id.value }),
      ...(Option.isNone(chain) ? {} : factsOf(chain.value))
    },
    noticed: skew(headers["date"], now)
  }
})

// Whose the certificate is tells whether a proxy opens TLS, and who has to be trusted for that.
const factsOf = ({ subject, authority, trustedBy }: Chain) => ({
  certificate: subject,
  authority: `${authority} (trusted by ${Option.getOrElse(trustedBy, () => "nobody")})`
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
