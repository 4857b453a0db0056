/** The laws of modes, for each mode in the list. */
import {
  type DatabricksAuth,
  Identity,
  Jwt,
  Kubernetes,
  Modes,
  OAuthM2M,
  OidcConnector,
  OidcNamespace,
  Pat,
  TaskSettings
} from "@flyte-databricks/databricks-auth"
import { Laws } from "@flyte-databricks/databricks-auth/testing"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Option, Redacted } from "effect"
import { jwtText, signature } from "../support/jwt.ts"
import { sources } from "../support/sources.ts"

const secretMark = "S3cr3tM4rk3r"
const memory = Kubernetes.KubernetesMemory
const secretOf = (
  setting: "tokenSecretName" | "oauthSecretName",
  name: string,
  whole: Record<string, string>,
  rotated: Record<string, string>
) => ({
  whole: { secrets: { [`team-a/${name}`]: whole } },
  bySettings: {
    secrets: { "team-a/its-own": whole },
    settings: { [setting]: "its-own" }
  },
  broken: { secrets: { [`team-a/${name}`]: {} } },
  rotate: memory.use((cluster) => cluster.setSecret("team-a", name, rotated)),
  fail: (reason: Kubernetes.KubernetesError["reason"]) =>
    memory.use((cluster) => cluster.failSecret("team-a", name, reason))
})

const file = "/var/run/secrets/databricks/token"
const pair = { FLYTE_DATABRICKS_CLIENT_ID: "app-0" }
const labels = { "flyte.org/databricks-enabled": "true" }
const annotated = (clientId: string) => ({ labels, annotations: { "flyte.org/databricks-client-id": clientId } })
const jwtOf = (text: string) => ({ token: Redacted.make(text), header: { alg: "RS256" }, claims: new Jwt.Claims({}) })

const subjects: ReadonlyArray<Laws.Subject<DatabricksAuth.Memory>> = [
  {
    mode: Pat.mode,
    wired: Effect.provide(Pat.mode.wire, sources),
    boundary: Laws.inMemory,
    secretMark,
    identities: Arbitrary.schema(Identity.PatIdentity),
    places: {
      request: {
        whole: {},
        broken: {},
        connection: { whole: Redacted.make(`dapi-${secretMark}-sent`), broken: Redacted.make(`dapi ${secretMark}`) }
      },
      namespace: secretOf(
        "tokenSecretName",
        "databricks-token",
        { token: `dapi-${secretMark}` },
        { token: `dapi-${secretMark}-rotated` }
      ),
      connector: {
        whole: { connector: { FLYTE_DATABRICKS_ACCESS_TOKEN: `dapi-${secretMark}-shared` } },
        broken: { connector: { FLYTE_DATABRICKS_ACCESS_TOKEN: `dapi ${secretMark}` } }
      }
    }
  },
  {
    mode: OAuthM2M.mode,
    wired: Effect.provide(OAuthM2M.mode.wire, sources),
    boundary: Laws.inMemory,
    secretMark,
    identities: Arbitrary.schema(Identity.OAuthM2MIdentity),
    places: {
      namespace: secretOf(
        "oauthSecretName",
        "databricks-oauth",
        { client_id: "app-a", client_secret: secretMark },
        { client_id: "app-a", client_secret: `${secretMark}-rotated` }
      ),
      connector: {
        whole: { connector: { ...pair, FLYTE_DATABRICKS_CLIENT_SECRET: `${secretMark}-shared` } },
        broken: { connector: { FLYTE_DATABRICKS_CLIENT_SECRET: secretMark } }
      }
    }
  },
  {
    mode: OidcConnector.mode,
    wired: Effect.provide(OidcConnector.mode.wire, sources),
    boundary: Laws.inMemory,
    secretMark: signature,
    identities: Arbitrary.schema(Identity.OidcConnectorIdentity),
    places: {
      connector: {
        whole: { connector: pair, files: { [file]: jwtOf(jwtText()) } },
        bySettings: {
          connector: pair,
          files: { "/run/token": jwtOf(jwtText()) },
          settings: { oidcTokenFile: "/run/token", oidcAudience: "federation.example" }
        },
        broken: { connector: pair, files: { [file]: jwtOf(`no JWT but ${signature}`) } }
      }
    }
  },
  {
    mode: OidcNamespace.mode,
    wired: Effect.provide(OidcNamespace.mode.wire, sources),
    boundary: Laws.inMemory,
    // What Kubernetes in memory signs with.
    secretMark: ".unsigned",
    identities: Arbitrary.schema(Identity.OidcNamespaceIdentity),
    places: {
      namespace: {
        whole: { serviceAccounts: { "team-a/spark": annotated("app-a") } },
        broken: { serviceAccounts: { "team-a/spark": annotated("app-a"), "team-a/other": annotated("app-b") } },
        bySettings: {
          serviceAccounts: { "team-a/spark": annotated("app-a") },
          settings: { oidcAudience: "federation.example" }
        },
        fail: (reason) => memory.use((cluster) => cluster.failServiceAccounts("team-a", Option.some(reason)))
      }
    }
  }
]

for (const subject of subjects) {
  describe(`mode ${subject.mode.tag}`, () => {
    for (const { holds, name } of Laws.of(subject)) it.effect(name, () => holds)
  })
}

describe("the list of modes", () => {
  it("has no mode without laws", () => {
    assert.sameMembers(
      subjects.map(({ mode }) => mode.tag),
      Modes.all.map(({ tag }) => tag)
    )
  })

  it("answers to every setting by which a task chooses its own, and guards them all", () => {
    const { instance: _, workspaceId: _id, ...own } = TaskSettings.customKeys
    assert.sameMembers([...Modes.taskSettings], Object.keys(own))
  })
})
