/**
 * Text that a workspace sends and somebody here keeps: what is longer than anybody reads is cut when it comes in.
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

// A part of a string keeps the whole of it in memory; one that was bytes in between does not.
const cut = (text: string, maxLength: number): string =>
  text.length <= maxLength ? text : new TextDecoder().decode(new TextEncoder().encode(text.slice(0, maxLength)))

/** Text of at most so many characters; the rest of a longer one is lost. */
export const boundedText = (maxLength: number) =>
  Schema.String.pipe(
    Schema.decodeTo(
      Schema.String,
      SchemaTransformation.transform({ decode: (text) => cut(text, maxLength), encode: (text) => text })
    )
  )
