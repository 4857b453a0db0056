/** Commands that a person pastes into a shell: what they hold is foreign text. */
import * as DatabricksCli from "@flyte-databricks/databricks-auth/DatabricksCli"
import { assert, describe, it } from "@effect/vitest"

const { assignWorkspace, createPolicy, findPrincipal, quoted } = DatabricksCli

const found = (applicationId: string) =>
  `SP_ID=$(databricks account service-principals list --filter ${applicationId} --output json | jq -r '.[0].id')\n`

describe("a word in a command", () => {
  it.each(["app", "a", "7474647123", "0a1b-2c3d_4e5f", "user@example.com", "a%2B+b=c:d,e.f/g"])(
    "is left as it is where a shell takes it so: %s",
    (word) => assert.strictEqual(quoted(word), word)
  )

  it.each([
    ["", "''"],
    ["two words", "'two words'"],
    ["$(id) ends plainly", "'$(id) ends plainly'"],
    ["begins plainly; id", "'begins plainly; id'"],
    ["plain$(id)plain", "'plain$(id)plain'"],
    ["a\nb", "'a\nb'"],
    ['"', `'"'`],
    ["*", "'*'"],
    ["`", "'`'"],
    ["it's", `'it'\\''s'`],
    ["''", `''\\'''\\'''`],
    ["ü", "'ü'"]
  ])("is quoted where a shell would take it for something else: %j", (word, expected) =>
    assert.strictEqual(quoted(word), expected)
  )
})

describe("a command of Databricks' CLI", () => {
  it("finds a service principal by its application id, whatever that holds", () => {
    assert.strictEqual(`${findPrincipal("app-a")}\n`, found(`'applicationId eq "app-a"'`))
    assert.strictEqual(`${findPrincipal("a' b")}\n`, found(`'applicationId eq "a'\\'' b"'`))
  })

  it("creates a federation policy of one", () => {
    assert.strictEqual(
      createPolicy("app-a", { oidc_policy: { issuer: "https://issuer", subject: "o'neill" } }),
      found(`'applicationId eq "app-a"'`) +
        `databricks account service-principal-federation-policy create "$SP_ID" --json ` +
        `'{"oidc_policy":{"issuer":"https://issuer","subject":"o'\\''neill"}}'`
    )
  })

  it("adds one to a workspace", () => {
    assert.strictEqual(
      assignWorkspace("app-a", "1 2"),
      found(`'applicationId eq "app-a"'`) +
        `databricks account workspace-assignment update '1 2' "$SP_ID" --json '{"permissions": ["USER"]}'`
    )
  })
})
