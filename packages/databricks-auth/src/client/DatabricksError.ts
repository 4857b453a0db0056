/**
 * Why there is no header, for who knows neither Effect nor Flyte: a class with a stable `code`, whose message says what is
 * wrong and what to do. It holds no secret.
 */

/**
 * What went wrong, in a word that does not change:
 *
 * | code | what it means |
 * | --- | --- |
 * | `configuration_invalid` | what `databricks()` or the environment was given cannot be used |
 * | `credentials_missing` | there is no credential where one was looked for |
 * | `credentials_invalid` | there is one, and it is not whole: a JWT that expired, a Secret without its key |
 * | `credentials_refused` | Databricks refused the credential |
 * | `access_forbidden` | Kubernetes forbids to look where the credential should be |
 * | `unavailable` | the token endpoint, or Kubernetes, did not answer; it may later |
 * | `response_invalid` | something answered in place of the token endpoint: a login page, a proxy |
 * | `origin_foreign` | `fetch` was asked to send the token to another host |
 * | `closed` | the client was closed |
 * | `unexpected` | a fault of this library, or of a function that it was given; `cause` has it |
 */
export type Code =
  | "configuration_invalid"
  | "credentials_missing"
  | "credentials_invalid"
  | "credentials_refused"
  | "access_forbidden"
  | "unavailable"
  | "response_invalid"
  | "origin_foreign"
  | "closed"
  | "unexpected"

/**
 * The one error of the client. What a request itself fails with, once it has its header, is thrown as `fetch` threw it.
 */
export class DatabricksError extends Error {
  override readonly name = "DatabricksError"
  /** What went wrong. */
  readonly code: Code
  /** Whether the same call may succeed later with nothing changed. */
  readonly retryable: boolean
  /** How long to wait before that, in milliseconds; 0 where nobody said. */
  readonly retryAfterMillis: number

  constructor(
    code: Code,
    message: string,
    options: { readonly retryable?: boolean; readonly retryAfterMillis?: number; readonly cause?: unknown } = {}
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.code = code
    this.retryable = options.retryable ?? false
    this.retryAfterMillis = options.retryAfterMillis ?? 0
  }

  /** Whether a value is one, of whichever copy of this library. */
  static is(value: unknown): value is DatabricksError {
    return typeof value === "object" && value !== null && "name" in value && value.name === "DatabricksError"
  }
}
