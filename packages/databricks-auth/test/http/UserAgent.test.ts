import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude } from "@effect/vitest/utils"
import { userAgent } from "../../src/http/UserAgent.ts"
import { version } from "../../src/internal/version.ts"
import manifest from "../../package.json" with { type: "json" }

describe("the user agent", () => {
  it("names the version of the manifest", () => {
    assertEquals(version, manifest.version)
    assertInclude(userAgent(), `flyte-databricks/${manifest.version} `)
  })

  it("names the auth type last, where there is one", () => {
    assertEquals(userAgent("oauth_m2m"), `${userAgent()} auth/oauth_m2m`)
  })
})
