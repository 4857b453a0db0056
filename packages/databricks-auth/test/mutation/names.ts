/**
 * Tells StrykerJS to leave alone what only names something to whoever debugs, and what no test should pin: the keys by
 * which Effect finds a service or a reference, identifiers of schema classes, names of spans.
 */

/** What is looked at of a node of the syntax tree, and of where it is. */
interface Place {
  readonly node: { readonly type: string; readonly value?: unknown }
  readonly key: string | number | null
  readonly listKey?: string
  readonly parentPath: Place | null
  readonly getSource: () => string
}

const isKey = ({ node }: Place): boolean =>
  node.type === "StringLiteral" && String(node.value).startsWith("@flyte-databricks/")

const isSpanName = ({ node, listKey, key, parentPath }: Place): boolean =>
  node.type === "StringLiteral" &&
  listKey === "arguments" &&
  key === 0 &&
  /^Effect\.(fn|withSpan)\(/.test(parentPath?.getSource() ?? "")

export const strykerPlugins = [
  {
    kind: "Ignore",
    name: "names",
    value: {
      shouldIgnore: (place: Place): string | undefined =>
        isKey(place)
          ? "the key of a service, a reference or a class"
          : isSpanName(place)
            ? "the name of a span"
            : undefined
    }
  }
]
