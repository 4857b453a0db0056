/** Codes, anchors and words are the same in the catalogue, in the errors of `serve`, and in docs/. */
import { assert, describe, it } from "@effect/vitest"
import { AuthError } from "@flyte-databricks/databricks-auth"
import { Cause, Schema } from "effect"
import * as Catalogue from "@flyte-databricks/diagnosis/Catalogue"
import * as Report from "@flyte-databricks/diagnosis/Report"
import { serviceError } from "../../src/grpc/Unary.ts"
import * as Docs from "../support/docs.ts"

const entries = Catalogue.codes.map((code) => ({ code, ...Catalogue.entry(code) }))
const on = (page: string) => entries.filter(({ anchor }) => anchor.startsWith(`docs/${page}.md#`))
const anchorOf = ({ anchor }: { readonly anchor: string }) => anchor.split("#")[1] ?? ""

describe("the catalogue of findings", () => {
  it("has each row of docs/troubleshooting.md that is an error, under its code, with its words", () => {
    const [ours = ""] = Docs.read("docs/troubleshooting.md").split("\n## ")
    const rows = Docs.rows(ours).map(([message = "", , code = ""]) => ({
      anchor: Docs.namedAnchors(message)[0] ?? "",
      says: Docs.spans(message),
      code
    }))
    const known = on("troubleshooting").map((entry) => ({
      anchor: anchorOf(entry),
      says: [...(entry.says ?? [])],
      code: entry.code as string
    }))
    const byCode = <A extends { readonly code: string }>(all: ReadonlyArray<A>) =>
      all.toSorted((a, b) => a.code.localeCompare(b.code))
    assert.deepStrictEqual(byCode(rows), byCode(known))
  })

  it("has each row of docs/diagnosis.md as it is", () => {
    const rows = Docs.rows(Docs.section("docs/diagnosis.md", "Codes"))
    assert.deepStrictEqual(
      rows,
      on("diagnosis").map((entry) => [
        `<a id="${anchorOf(entry)}"></a>${entry.code}`,
        entry.level,
        entry.text,
        entry.repair
      ])
    )
  })

  it("is what an answer of the connector names after its words", () => {
    const failure = new AuthError.AuthError({ reason: new AuthError.InstanceMissing() })
    const { details } = serviceError(Cause.fail(failure))
    assert.strictEqual(details, `${failure.message} [FDC004, ${Catalogue.entry("FDC004").anchor}]`)
  })

  it("is what alerts and other pages name: no code is there that it has not", () => {
    const named = Docs.matches(
      [...Docs.pages, ...Docs.files("deploy/**/*.{md,yaml,json}")].map(Docs.read).join("\n"),
      /\bFDC\d+\b/g
    )
    assert.deepStrictEqual(named, [...Catalogue.codes].toSorted())
  })
})

/** Findings that no golden file has, and why. */
const unseen: Readonly<Record<string, string>> = {
  FDC009: "of a run whose identity an operator no longer allows",
  FDC010: "of a connector that was built with fewer modes",
  FDC209: "of a run whose credential was deleted",
  FDC308: "its seconds are others each time; Findings.test.ts has it",
  FDC403: "which namespace meets it depends on who is first; Findings.test.ts has it",
  FDC503: "of a container's memory; Findings.test.ts has it",
  FDC504: "of a Node.js that the tests do not run on",
  FDC505: "of how Node.js was started; Findings.test.ts has it",
  FDC601: "of a run",
  FDC602: "of a run",
  FDC603: "of a run",
  FDC604: "of a call of Flyte's",
  FDC605: "of a task that becomes no job",
  FDC606: "of a request of Flyte's",
  FDC607: "of a task that becomes no job",
  FDC608: "of a run",
  FDC609: "of a run",
  FDC610: "of a call of Flyte's",
  FDC611: "of a run"
}

describe("the golden files", () => {
  it("have every finding that explain and doctor may come to, as text and as JSON", () => {
    for (const format of ["txt", "json"]) {
      const golden = Docs.files(`apps/connector/test/diagnose/golden/*.${format}`).map(Docs.read).join("\n")
      const seen = Docs.matches(golden, /\bFDC\d+\b/g)
      assert.deepStrictEqual([...seen, ...Object.keys(unseen)].toSorted(), [...Catalogue.codes].toSorted(), format)
    }
  })
})

describe("docs/diagnosis.schema.json", () => {
  it("is the schema of reports, and the golden files are such reports", () => {
    const { schema, definitions } = Schema.toJsonSchemaDocument(Report.Report)
    const expected = { $schema: "https://json-schema.org/draft/2020-12/schema", ...schema, $defs: definitions }
    assert.deepStrictEqual(JSON.parse(Docs.read("docs/diagnosis.schema.json")), expected)
    const golden = Docs.files("apps/connector/test/diagnose/golden/*.json")
    assert.isNotEmpty(golden)
    for (const file of golden) Schema.decodeUnknownSync(Report.Report, { errors: "all" })(JSON.parse(Docs.read(file)))
  })
})
