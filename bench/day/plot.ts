/**
 * Requests per second as an SVG, readable on light and on dark.
 */
import { largestOf } from "./tally.ts"

export interface Series {
  readonly name: string
  readonly className: string
  readonly requests: Uint32Array
}

export interface Panel {
  readonly title: string
  /** In seconds, and how many of them one point of the curve stands for: it shows the largest of them. */
  readonly from: number
  readonly to: number
  readonly bin: number
  readonly tickEvery: number
  readonly most: number
  /** Requests per second that are not to be exceeded. */
  readonly limit: number
  readonly outage: { readonly from: number; readonly to: number }
}

const width = 960
const height = 300
const margin = { left: 64, right: 28, top: 40, bottom: 32 }

const style = `
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .small { font-size: 12px }
  .grid { stroke: #8c959f; stroke-opacity: .35; fill: none }
  .outage { fill: #cf222e; fill-opacity: .12 }
  .limit { stroke: #57606a; stroke-dasharray: 5 4 }
  .series { fill: none; stroke-width: 1.3; stroke-linejoin: round }
  .own { stroke: #0969da; stroke-width: 2.2 }
  .sdk { stroke: #bc4c00 }
  .flyte { stroke: #8250df }
  .background { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .outage { fill: #ff7b72; fill-opacity: .2 }
    .limit { stroke: #b1bac4 }
    .own { stroke: #58a6ff }
    .sdk { stroke: #f0883e }
    .flyte { stroke: #bc8cff }
    .background { fill: #0d1117 }
  }`

const clock = (seconds: number): string => {
  const minutes = Math.round(seconds / 60)
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`
}

const drawPanel = (panel: Panel, series: ReadonlyArray<Series>, top: number): string => {
  const bottom = top + height - margin.bottom
  const x = (second: number) =>
    margin.left + ((second - panel.from) / (panel.to - panel.from)) * (width - margin.left - margin.right)
  // Logarithmic, with a place for nothing below one.
  const scale = (count: number) => (count < 1 ? 0 : (Math.log10(count) + 0.35) / (Math.log10(panel.most) + 0.35))
  const y = (count: number) => bottom - scale(count) * (height - margin.top - margin.bottom)
  const powers = Array.from({ length: Math.floor(Math.log10(panel.most)) + 1 }, (_, power) => 10 ** power)
  const ticks: Array<number> = []
  for (
    let tick = Math.ceil(panel.from / panel.tickEvery) * panel.tickEvery;
    tick <= panel.to;
    tick += panel.tickEvery
  ) {
    ticks.push(tick)
  }
  const curve = ({ className, requests }: Series) => {
    const points: Array<string> = []
    for (let from = panel.from; from < panel.to; from += panel.bin) {
      const level = y(largestOf(requests, from, from + panel.bin)).toFixed(1)
      points.push(`${x(from).toFixed(1)},${level} ${x(Math.min(from + panel.bin, panel.to)).toFixed(1)},${level}`)
    }
    return `<polyline class="series ${className}" points="${points.join(" ")}"/>`
  }
  return [
    `<text class="title" x="${margin.left}" y="${top + 18}">${panel.title}</text>`,
    `<rect class="outage" x="${x(panel.outage.from)}" y="${top + margin.top}" width="${
      x(panel.outage.to) - x(panel.outage.from)
    }" height="${bottom - top - margin.top}"/>`,
    ...[0, ...powers].flatMap((count) => [
      `<path class="grid" d="M${margin.left} ${y(count)}H${width - margin.right}"/>`,
      `<text class="small" x="${margin.left - 8}" y="${y(count) + 4}" text-anchor="end">${count}</text>`
    ]),
    ...ticks.map(
      (tick) => `<text class="small" x="${x(tick)}" y="${bottom + 18}" text-anchor="middle">${clock(tick)}</text>`
    ),
    ...series.map(curve),
    `<path class="limit" d="M${margin.left} ${y(panel.limit)}H${width - margin.right}"/>`
  ].join("\n")
}

const legend = (series: ReadonlyArray<Series>, limit: string): string => {
  const entries = [
    ...series.map(({ className, name }) => ({ className: `series ${className}`, name })),
    { className: "limit", name: limit }
  ]
  let x = margin.left
  return entries
    .map(({ className, name }) => {
      const at = x
      x += 44 + name.length * 7
      return `<path class="${className}" d="M${at} 16h22"/><text class="small" x="${at + 28}" y="20">${name}</text>`
    })
    .join("\n")
}

/** The last series is drawn on top. */
export const plot = (panels: ReadonlyArray<Panel>, series: ReadonlyArray<Series>, limit: string): string => {
  const total = 32 + panels.length * height
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${total}" width="${width}" height="${total}" role="img" aria-label="Requests per second at the token endpoint">
<style>${style}
</style>
<rect class="background" width="${width}" height="${total}"/>
${legend(series, limit)}
${panels.map((panel, index) => drawPanel(panel, series, 32 + index * height)).join("\n")}
</svg>
`
}
