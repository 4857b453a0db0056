/** Laws that cannot be broken are none: modes that break one each are told so by that law. */
import { type AuthMode, Identity, IdTokenSource, Oidc } from "@flyte-databricks/databricks-auth"
import { AuthMemory, IdToken, Laws } from "@flyte-databricks/databricks-auth/testing"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Option } from "effect"
import { sources } from "../support/sources.ts"

type Mode = ReturnType<typeof Oidc.mode>
const sound = Oidc.mode({ clientId: "app-0" })

/** The laws that this mode breaks, and what they say of it. */
const broken = (mode: Mode, change: Partial<Laws.Subject<{ readonly token: string }>> = {}) =>
  Effect.gen(function* () {
    const laws = Laws.of({
      mode,
      wired: Effect.provide(mode.wire, [sources, IdTokenSource.layerMemory()]),
      boundary: ({ token }: { readonly token?: string }, settings) =>
        AuthMemory.layerOf([mode], { respond: Laws.bySecret, settings }).pipe(
          Layer.provide(IdTokenSource.layerMemory(token))
        ),
      secretMark: IdToken.signature,
      places: { connector: { whole: { token: IdToken.text() }, broken: { token: "no JWT" } } },
      ...change
    })
    const all: Array<string> = []
    for (const { holds, name } of laws) {
      const exit = yield* Effect.exit(holds)
      if (Exit.isFailure(exit)) all.push(`${name.replace(/^mode \S+ /, "")}: ${Cause.squash(exit.cause)}`)
    }
    return all
  })

const wiredAs = (change: (wired: AuthMode.Wired<Identity.ExtensionIdentity>) => object): Mode => ({
  ...sound,
  wire: Effect.map(sound.wire, (wired) => ({ ...wired, ...change(wired) }))
})

const look = (place: AuthMode.Place<Identity.ExtensionIdentity>, by: (given: object) => object) => ({
  ...place,
  look: (...request: ReadonlyArray<never>) =>
    Effect.map((place.look as (...given: ReadonlyArray<never>) => AuthMode.Look<never>)(...request), by)
})

const breaches: ReadonlyArray<readonly [string, Mode, RegExp]> = [
  [
    "has a place that nobody fills",
    wiredAs(({ places: [place] }) => ({ places: [place, { ...place, tenancy: "namespace" }] })),
    /has a filling for each of its places/
  ],
  ["takes what others recorded", { ...sound, isRecorded: () => true }, /takes no run of another mode/],
  [
    "looks past what is broken",
    wiredAs(({ places: [place] }) => ({
      places: [
        {
          ...place,
          look: (request: never) =>
            Effect.orElseSucceed(
              (place as { look: (given: never) => AuthMode.Look<Identity.ExtensionIdentity> }).look(request),
              () => ({ _tag: "Absent", detail: "nothing" })
            )
        }
      ]
    })),
    /is an error where it is broken, and nothing else in its place/
  ],
  [
    "forgets who it was",
    wiredAs(() => ({
      recall: () =>
        Effect.succeed({
          identity: new Identity.ExtensionIdentity({
            instance: "dbc-a1b2.cloud.databricks.com" as never,
            mode: "oidc",
            authType: "oidc_federation",
            clientId: "somebody else",
            namespace: Option.none(),
            source: "ID token in memory",
            parameters: { audience: "databricks" }
          })
        })
    })),
    /comes back from what is recorded of it.*somebody else/
  ],
  [
    "shows its secret",
    wiredAs(({ places: [place] }) => ({
      places: [look(place!, (found) => ({ ...found, detail: IdToken.signature }))]
    })),
    /shows no secret.*a secret is shown after/
  ]
]

describe("a mode", () => {
  it.effect("that is sound breaks no law", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* broken(sound), [])
    })
  )

  it.effect.each(breaches)("that %s breaks the law about that", ([, mode, law]) =>
    Effect.gen(function* () {
      assert.match((yield* broken(mode)).join("\n"), law)
    })
  )

  it.effect("whose filling is empty says which law that breaks", () =>
    Effect.gen(function* () {
      const nothing = { connector: { whole: { token: "" }, broken: { token: "no JWT" } } }
      assert.match((yield* broken(sound, { places: nothing })).join("\n"), /is that identity where it is whole/)
    })
  )
})
