/**
 * The one error of this package: why an emulator could not start, or was asked for something it does not have.
 */
import * as Schema from "effect/Schema"

/** The address is taken or not ours to listen on. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  host: Schema.String,
  port: Schema.Int,
  cause: Schema.Defect()
}) {
  override get message() {
    return `Cannot listen on ${this.host}:${this.port}: the port is taken or the host is not an address of this machine; choose another, or port 0 for a free one`
  }
}

/** A file that a client needs (the CA, a kubeconfig) could not be written. */
export class FileNotWritten extends Schema.TaggedError<FileNotWritten>()("FileNotWritten", {
  path: Schema.String,
  what: Schema.String,
  cause: Schema.Defect()
}) {
  override get message() {
    return `Cannot write the ${this.what} to ${this.path}: check that the folder exists and is writable`
  }
}

/** A principal, run or user that the caller names is not there. */
export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {
  kind: Schema.String,
  name: Schema.String,
  known: Schema.Array(Schema.String)
}) {
  override get message() {
    const known = this.known.length === 0 ? "there are none" : `known: ${this.known.join(", ")}`
    return `The emulator has no ${this.kind} "${this.name}" (${known})`
  }
}

/** Something of that name is there already. */
export class AlreadyExists extends Schema.TaggedError<AlreadyExists>()("AlreadyExists", {
  kind: Schema.String,
  name: Schema.String
}) {
  override get message() {
    return `The emulator already has a ${this.kind} "${this.name}"`
  }
}

/** An option, seed or admin request that cannot be taken as it is. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", {
  what: Schema.String,
  problem: Schema.String
}) {
  override get message() {
    return `Invalid ${this.what}: ${this.problem}`
  }
}

/** Why an emulator failed; `reason` says which way. */
export class EmulatorError extends Schema.TaggedError<EmulatorError>()("EmulatorError", {
  reason: Schema.Union([ListenFailed, FileNotWritten, NotFound, AlreadyExists, InvalidInput])
}) {
  override get message() {
    return this.reason.message
  }
}
