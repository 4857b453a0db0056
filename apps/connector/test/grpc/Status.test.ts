import { status } from "@grpc/grpc-js"
import { assert, describe, it } from "@effect/vitest"
import { AuthError } from "@flyte-databricks/databricks-auth"
import { JobsError } from "@flyte-databricks/databricks-jobs"
import { ConnectorError, Reason } from "../../src/call/ConnectorError.ts"
import { codeOf } from "../../src/grpc/Status.ts"

// OK would be a success, UNKNOWN and INTERNAL say nothing, and CANCELLED is the caller's.
const silent = [status.OK, status.CANCELLED, status.UNKNOWN, status.INTERNAL]

describe("each kind of failure has a status that says what kind it is, and UNAVAILABLE exactly where a retry may help:", () => {
  for (const member of AuthError.Reason.members) {
    it.prop(`authentication's ${member.identifier}`, { reason: member }, ({ reason }) => {
      const error = new AuthError.AuthError({ reason })
      const code = codeOf(error)
      assert.notInclude([...silent, undefined], code)
      assert.strictEqual(code === status.UNAVAILABLE, error.retryable)
    })
  }

  for (const member of JobsError.Reason.members) {
    it.prop(`the Jobs API's ${member.identifier}`, { reason: member }, ({ reason }) => {
      const error = new JobsError.JobsError({ reason })
      const code = codeOf(error)
      assert.notInclude([...silent, undefined], code)
      assert.strictEqual(code === status.UNAVAILABLE, error.retryable)
    })
  }

  for (const member of Reason.members) {
    it.prop(`the connector's ${member.identifier}`, { reason: member }, ({ reason }) => {
      const code = codeOf(new ConnectorError({ reason }))
      assert.notInclude([...silent, undefined], code)
      const mayHelp =
        reason._tag === "Overloaded" ||
        reason._tag === "AuditUnavailable" ||
        (reason._tag === "RunNotCancelled" && reason.refusal.retryable)
      assert.strictEqual(code === status.UNAVAILABLE, mayHelp)
    })
  }
})
