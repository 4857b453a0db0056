/**
 * Lets the heap double before all of it is looked through. In a small container V8 lets it grow by less than half, and so
 * looks through it every other second of a busy half core: a fifth of what a thousand callers were answered went there. What
 * it may have at most is not touched. NODE_OPTIONS does not take this one.
 */
import { setFlagsFromString } from "node:v8"

setFlagsFromString("--heap-growing-percent=100")
