/**
 * Takes the traces off errors. An error keeps alive what was on the stack when it was made, and so does what Effect
 * remembers of where a function was called: the whole task of four megabytes, for as long as a refusal, a lookup or a run
 * is remembered. Errors here say by themselves what was wrong. `--stack-trace-limit` in NODE_OPTIONS brings traces back,
 * for whoever looks for a defect.
 */

// What Node has where nobody asked for another.
const byDefault = 10

// Libraries set it, Effect too, and set it back: they may, and nothing comes of it.
if (Error.stackTraceLimit === byDefault) {
  Object.defineProperty(Error, "stackTraceLimit", { get: () => 0, set: () => undefined, configurable: true })
}
