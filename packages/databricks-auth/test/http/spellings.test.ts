/** What a text says in each way to read it, and where in the text that stands. */
import { spellings } from "@flyte-databricks/databricks-auth/http/spellings"
import { describe, it } from "@effect/vitest"
import { assertEquals, assertInclude, deepStrictEqual } from "@effect/vitest/utils"

/** The ways to read a text. */
const read = (text: string) =>
  [...spellings(text, 8)].map(({ bytes, placeOf }) => ({ said: Buffer.from(bytes).toString(), bytes, placeOf }))

const sayings = (text: string): ReadonlyArray<string> => read(text).map(({ said }) => said)

/** Where in a text stands what one of its readings says: each part of that reading, as the text has it. */
const places = (text: string, reading: string, ...parts: ReadonlyArray<string>) => {
  const view = read(text).find(({ said }) => said === reading)
  if (view === undefined) throw new Error(`${text} is not read as ${reading}, but as ${sayings(text).join(" | ")}`)
  return parts.map((part) => {
    const start = Buffer.from(view.bytes).indexOf(part)
    return text.slice(...view.placeOf(start, start + Buffer.byteLength(part)))
  })
}

const json = (text: string) => JSON.stringify(text).slice(1, -1)
const base64 = (text: string) => Buffer.from(text).toString("base64")

describe("a text without an escape", () => {
  it("is read in one way, as it is", () => {
    deepStrictEqual(sayings("some words"), ["some words"])
    deepStrictEqual(places("some words", "some words", "me", "words"), ["me", "words"])
    deepStrictEqual(sayings(""), [""])
  })

  it("has its places by characters, however many bytes they have", () => {
    deepStrictEqual(places("é-🚀-x", "é-🚀-x", "é", "🚀", "-x"), ["é", "🚀", "-x"])
  })
})

describe("escapes", () => {
  it.each([
    ["of a URL", "a%41%2f%00b", "aA/\0b"],
    ["of a URL that are none", "%41%4%zz%4g%", "A%4%zz%4g%"],
    ["of a form", "a+b%2Bc", "a b+c"],
    ["of a form without a percent sign", "a+b", "a b"],
    ["of HTML by name", "a&amp;&lt;&gt;&quot;&apos;&AMP;b", "a&<>\"'&b"],
    ["of HTML by number", "a&#65;&#128640;&#x41;&#X1F680;b", "aA🚀A🚀b"],
    [
      "of HTML that are none",
      "&x&amp;&nosuch;&no;&#;&#x;&#1234567;&#x123456;& &",
      "&x&&nosuch;&no;&#;&#x;&#1234567;&#x123456;& &"
    ],
    ["of JSON by letter", 'a\\n\\r\\t\\b\\f\\"\\/\\\\b', 'a\n\r\t\b\f"/\\b'],
    ["of JSON by number", "a\\u0041\\u00e9\\u0000b", "aAé\0b"],
    ["of JavaScript and Python", "a\\x41b", "aAb"],
    ["of JSON that are none", "\\x41\\u00zz\\x4g\\u004", "A\\u00zz\\x4g\\u004"],
    ["of two halves of a character", "\\ud83d\\ude80-", "🚀-"],
    ["of a half and something else", "\\ud83d\\u0041-\\ud83d-ude80 \\u0041\\ude80-", "�A-�-ude80 A�-"]
  ])("%s are resolved", (_, text, reading) => {
    assertInclude(sayings(text).join(" | "), reading)
    assertEquals(sayings(text).includes(reading), true)
  })

  it.each([
    ["of a URL", "é%41b%C3%BC.", "éAbü.", ["A", "b", "ü", "."], ["%41", "b", "%C3%BC", "."]],
    ["of a form", "a+b", "a b", ["a", " ", "b"], ["a", "+", "b"]],
    ["of HTML", "a&amp;b&#x1f680;.", "a&b🚀.", ["&", "b", "🚀", "."], ["&amp;", "b", "&#x1f680;", "."]],
    ["of JSON", 'a\\"b\\u00e9\\x41.', 'a"béA.', ['"', "b", "é", "A", "."], ['\\"', "b", "\\u00e9", "\\x41", "."]],
    ["of a pair", "\\ud83d\\ude80.", "🚀.", ["🚀", "."], ["\\ud83d\\ude80", "."]],
    ["of no pair", "\\ud83d\\u0041.", "�A.", ["A", "."], ["\\u0041", "."]]
  ])("%s stand where they begin and end", (_, text, reading, parts, stand) => {
    deepStrictEqual(places(text, reading, ...parts), stand)
  })

  it("of JSON are resolved where they are in JSON that is in JSON, and no deeper", () => {
    const text = 'a"b'
    assertEquals(sayings(json(json(json(text)))).includes(text), true)
    assertEquals(sayings(json(json(json(json(text))))).includes(text), false)
    deepStrictEqual(places(json(json(text)), text, '"', "b"), ['\\\\\\"', "b"])
  })

  it("of one kind are resolved in what another kind was resolved to", () => {
    assertEquals(sayings("\\u0025\\u0034\\u0031").includes("A"), true)
  })

  it("at the end of a text, cut off, are no fault", () => {
    for (const cut of ["\\", "\\u", "\\u004", "\\ud83d\\", "\\ud83d\\ude8", "%", "%4", "&", "&#6"]) {
      assertEquals(sayings(cut)[0], cut)
    }
  })
})

describe("what is packed", () => {
  it("into base64 stands where the letters do, with their padding", () => {
    for (const secret of ["hunter22", "hunter222", "hunter2222"]) {
      const packed = base64(secret)
      deepStrictEqual(places(`x: ${packed}.`, `${secret}\0`, secret), [packed])
    }
    deepStrictEqual(places("aHVudGVyMjI =", "hunter22\0", "hunter22"), ["aHVudGVyMjI"])
    deepStrictEqual(places("aHVudGVyMjI=.=", "hunter22\0", "hunter22"), ["aHVudGVyMjI="])
  })

  it("into base64 is found in either alphabet", () => {
    const [secret, standard, forUrls] = ["~~~???~~~", "fn5+Pz8/fn5+", "fn5-Pz8_fn5-"]
    assertEquals(base64(secret), standard)
    assertEquals(sayings(standard).includes(`${secret}\0`), true)
    assertEquals(sayings(forUrls).includes(`${secret}\0`), true)
  })

  it("into base64 is found after a letter, two and three", () => {
    for (const before of ["-", "--", "---"]) {
      assertEquals(sayings(`${before}aHVudGVyMjI`).includes("hunter22\0"), true)
    }
  })

  it("into hexadecimal is found, in small letters and capitals", () => {
    deepStrictEqual(places("x: 6a756e7465723232.", "junter22\0", "junter22"), ["6a756e7465723232"])
    deepStrictEqual(places("x: 6A756E7465723232.", "junter22\0", "junter22"), ["6A756E7465723232"])
    assertEquals(sayings("06a756e7465723232").includes("junter22\0"), true)
  })

  it("is read as one, with a break between one run of letters and the next", () => {
    const text = "aHVudGVyMjI, aHVudGVyMzM="
    deepStrictEqual(places(text, "hunter22\0hunter33\0", "hunter22", "hunter33"), ["aHVudGVyMjI", "aHVudGVyMzM="])
  })

  it("is left out where so few letters hold no secret: four ways to begin base64, and two hexadecimal", () => {
    const wordOf = (letters: number) => sayings(`. ${"g".repeat(letters)} .`).length
    deepStrictEqual([1, 10, 11].map(wordOf), [1, 1, 1 + 4])
    const digitsOf = (letters: number) => sayings("7".repeat(letters)).length
    deepStrictEqual([10, 11, 15, 16].map(digitsOf), [1, 1 + 4, 1 + 4, 1 + 4 + 2])
  })

  it("as a form has it, as HTTP Basic does, is resolved too, and in what an escape was resolved to", () => {
    const packed = base64("app-1:p+%2B hunter")
    deepStrictEqual(places(`Basic ${packed}`, "app-1:p + hunter\0", "hunter"), [packed])
    assertEquals(sayings("aHVudGVyMjI%3D").includes("hunter22\0"), true)
    assertEquals(sayings("%61HVudGVyMjI").includes("hunter22\0"), true)
  })
})
