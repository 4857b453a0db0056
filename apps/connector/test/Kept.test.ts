/** What is kept of what others write: at worst all of it fits into the box, and docs/operations.md says how much that is. */
import { assert, describe, it } from "@effect/vitest"
import { NamespaceSecrets, ServiceAccountTokens, TokenPolicy } from "@flyte-databricks/databricks-auth"
import * as TokenEntries from "@flyte-databricks/databricks-auth/tokens/TokenEntries"
import * as TaskPlaces from "../src/runs/TaskPlaces.ts"
import * as LastReports from "../src/runs/LastReports.ts"
import * as StartedRuns from "../src/runs/StartedRuns.ts"
import * as UnknownRuns from "../src/runs/UnknownRuns.ts"
import * as Docs from "./support/docs.ts"

const { capacity } = TokenPolicy.defaults
// A name, and two annotations of a character more than is taken.
const serviceAccount = 253 + 2 * 2 * (ServiceAccountTokens.maxAnnotation + 1)
// Of a character that is not Latin, V8 keeps two bytes; tokens are ASCII. The objects around a text have about so much.
const small = 500
const large = 1500

const atWorst: Readonly<Record<string, number>> = {
  "tokens, with what they were built from": TokenEntries.maxWeight + capacity * large,
  "last reports of runs": 2 * LastReports.most.characters + LastReports.most.entries * small,
  "submits that Flyte may not know": 2 * UnknownRuns.most.characters + UnknownRuns.most.entries * large,
  "runs that were started lately": 2 * StartedRuns.most.characters + StartedRuns.most.entries * large,
  "places in the line, by what tasks say": 2 * TaskPlaces.most.characters + TaskPlaces.most.entries * small,
  "Secrets of namespaces, three values of 16 KB": NamespaceSecrets.secretsKept * 3 * 16 * 1024,
  "ServiceAccounts of namespaces, 50 of each":
    ServiceAccountTokens.discoveriesKept * ServiceAccountTokens.serviceAccountsKept * (serviceAccount + small)
}
const megabytes = (bytes: number) => Math.ceil(bytes / 1e6)

describe("what is kept of what others write", () => {
  it("is what the documentation says, number by number", () => {
    const rows = Docs.rows(Docs.section("docs/operations.md", "What is kept in memory, and how much"))
    assert.deepStrictEqual(
      Object.fromEntries(rows.map(([kept = "", , size]) => [kept, size])),
      Object.fromEntries(Object.entries(atWorst).map(([kept, bytes]) => [kept, `${megabytes(bytes)} MB`]))
    )
    const text = rows.map(([, most]) => most).join("\n")
    for (const { entries, characters } of [LastReports.most, UnknownRuns.most, StartedRuns.most]) {
      assert.match(text, new RegExp(`${entries.toLocaleString("en")}.* ${characters / 1024 ** 2} Mi characters`))
    }
    assert.include(text, `${capacity.toLocaleString("en")}, and ${TokenEntries.maxWeight / 1024 ** 2} MiB of text`)
  })

  it("fits into the 300 MiB of Flyte's chart beside what there is at rest, and into the half that Node.js has for objects", () => {
    const all = Object.values(atWorst).reduce((sum, bytes) => sum + bytes, 0)
    assert.isBelow(all + 116e6, 300 * 1024 ** 2)
    assert.isBelow(all, 0.7 * 150 * 1024 ** 2)
    assert.include(Docs.prose("docs/operations.md"), `about ${Math.round(all / 1e7) * 10} MB, beside 116 MB at rest`)
  })
})
