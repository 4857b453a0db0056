/** What an event looks like: its schema in docs/, its bounds, and what is not in it. */
import { assert, describe, it } from "@effect/vitest"
import * as LiveSecrets from "@flyte-databricks/databricks-auth/http/LiveSecrets"
import { Redacted, Schema } from "effect"
import * as AuditEvent from "../../src/audit/AuditEvent.ts"
import * as Docs from "../support/docs.ts"

const event: AuditEvent.AuditEvent = {
  event: "run.submitted",
  version: 1,
  uid: "u",
  time: "2026-11-29T00:00:00.000Z",
  outcome: "ok",
  operation: "CreateTask"
}
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(AuditEvent.AuditEvent))

describe("an audit event", () => {
  it("is as docs/audit.schema.json has it, and docs/audit.md has each by its name", () => {
    const { schema, definitions } = Schema.toJsonSchemaDocument(AuditEvent.AuditEvent)
    const expected = { $schema: "https://json-schema.org/draft/2020-12/schema", ...schema, $defs: definitions }
    assert.deepStrictEqual(JSON.parse(Docs.read("docs/audit.schema.json")), expected)
    const named = Docs.rows(Docs.section("docs/audit.md", "Events")).map(([name]) => Docs.spans(name)[0])
    assert.sameMembers(named, [...AuditEvent.names])
    const fields = Docs.rows(Docs.section("docs/audit.md", "Fields")).flatMap(([field]) => Docs.spans(field))
    assert.sameMembers([...fields, "why"], Object.keys(AuditEvent.AuditEvent.fields))
  })

  it("is one line, and nothing in it is long", () => {
    const long = `a\n\r\u2028${"b".repeat(100_000)}`
    const line = AuditEvent.toLine({
      ...event,
      namespace: long,
      flyte: { node: long, attempt: 1 },
      jwt: { aud: Array.from({ length: 100 }, () => long) },
      refusal: { code: "FDC001", reason: long, message: long }
    })
    assert.strictEqual(line.indexOf("\n"), line.length - 1)
    assert.notInclude(line, "\u2028")
    assert.isBelow(line.length, 6000)
    const { namespace, jwt, refusal } = decode(line)
    assert.lengthOf(namespace ?? "", 300)
    assert.lengthOf(jwt?.aud ?? [], 10)
    assert.lengthOf(refusal?.message ?? "", 1000)
  })

  it("has no secret that the process holds, in no field and no spelling", () => {
    const secret = 'canary+of/this="test'
    LiveSecrets.add(Redacted.make(secret))
    const spelt = [secret, encodeURIComponent(secret), Buffer.from(secret).toString("base64"), JSON.stringify(secret)]
    for (const text of spelt) {
      const line = AuditEvent.toLine({
        ...event,
        flyte: { user: text, execution: `x${text}x` },
        identity: { authType: "pat", principal: text, origin: text },
        jwt: { iss: text, aud: [text] },
        refusal: { code: "FDC001", reason: "Why", message: `said: ${text}` }
      })
      for (const other of spelt) assert.notInclude(line, other)
      assert.include(decode(line).flyte?.execution ?? "", "<redacted>")
    }
  })
})
