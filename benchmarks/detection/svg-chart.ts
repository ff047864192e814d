/**
 * A small writer of charts: lines and points on plain axes, each named where it ends instead of in a legend. Colours follow the
 * reader's light or dark mode (`prefers-color-scheme`), which browsers and GitHub apply to an SVG that is shown as an image.
 */

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Series {
  readonly label: string;
  readonly points: readonly Point[];
  /** Number of its colour; 0 is the one that the chart is about. */
  readonly colour: number;
  /** `line`: points that are joined (default); `point`: points alone; `plain`: the line alone. */
  readonly mark?: 'line' | 'point' | 'plain';
}

export interface Axis {
  readonly label: string;
  readonly scale: 'linear' | 'log';
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
}

export interface Chart {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

const width = 720;
const height = 400;
const margin = { top: 46, right: 200, bottom: 50, left: 62 };
const lineHeight = 15;

/** Of light and of dark pages: first the one that the chart is about, then the others, then what is no detector. */
const colours = [
  ['#0969da', '#4493f8'],
  ['#8250df', '#ab7df8'],
  ['#bc4c00', '#db6d28'],
  ['#1a7f37', '#3fb950'],
  ['#bf3989', '#db61a2'],
  ['#6e7781', '#9198a1'],
] as const;

function stylesOf(mode: 0 | 1): string {
  return colours
    .map((pair, index) => `.s${index} { stroke: ${pair[mode]} }\n.d${index}, .t${index} { fill: ${pair[mode]} }`)
    .join('\n');
}

const style = `
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #57606a }
.title { font-size: 14px; font-weight: 600; fill: #1f2328 }
.grid { stroke: #d8dee4; stroke-width: 1 }
.line { fill: none; stroke-width: 1.5 }
.s0 { stroke-width: 3 }
.t0 { font-weight: 600 }
.leader { stroke: #8c959f; stroke-width: .5 }
${stylesOf(0)}
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 }
.title { fill: #f0f6fc }
.grid { stroke: #2f353d }
${stylesOf(1)}
}`;

/** The chart as the text of an SVG file. */
export function svgOf(chart: Chart): string {
  const xOf = positionOf(chart.x, margin.left, width - margin.right);
  const yOf = positionOf(chart.y, height - margin.bottom, margin.top);
  const parts = [
    `<text class="title" x="${margin.left}" y="22">${escape(chart.title)}</text>`,
    ...chart.y.ticks.flatMap(({ at, text }) => [
      `<line class="grid" x1="${margin.left}" x2="${width - margin.right}" y1="${round(yOf(at))}" y2="${round(yOf(at))}"/>`,
      `<text x="${margin.left - 8}" y="${round(yOf(at) + 4)}" text-anchor="end">${escape(text)}</text>`,
    ]),
    ...chart.x.ticks.map(
      ({ at, text }) =>
        `<text x="${round(xOf(at))}" y="${height - margin.bottom + 18}" text-anchor="middle">${escape(text)}</text>`,
    ),
    `<text x="${(margin.left + width - margin.right) / 2}" y="${height - 10}" text-anchor="middle">${escape(chart.x.label)}</text>`,
    `<text x="${margin.left}" y="${margin.top - 8}">${escape(chart.y.label)}</text>`,
    ...chart.series.flatMap((series) => marksOf(series, xOf, yOf)),
    ...labelsOf(chart.series, xOf, yOf),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(chart.title)}">
<style>${style}
</style>
${parts.join('\n')}
</svg>
`;
}

function positionOf({ scale, from, to }: Axis, start: number, end: number): (value: number) => number {
  const map = scale === 'log' ? Math.log : (value: number): number => value;
  const [least, most] = [Math.min(from, to), Math.max(from, to)];
  return (value) => start + ((map(Math.min(most, Math.max(least, value))) - map(from)) / (map(to) - map(from))) * (end - start);
}

function marksOf({ points, colour, mark = 'line' }: Series, xOf: (x: number) => number, yOf: (y: number) => number): string[] {
  const dots = points.map(
    ({ x, y }) => `<circle class="d${colour}" cx="${round(xOf(x))}" cy="${round(yOf(y))}" r="${colour === 0 ? 4 : 3}"/>`,
  );
  if (mark === 'point' || points.length < 2) return dots;
  const path = points.map(({ x, y }) => `${round(xOf(x))},${round(yOf(y))}`).join(' ');
  return [`<polyline class="line s${colour}" points="${path}"/>`, ...(mark === 'plain' ? [] : dots)];
}

/** Names at the last point of each series, moved apart where they would touch. */
function labelsOf(series: readonly Series[], xOf: (x: number) => number, yOf: (y: number) => number): string[] {
  const labels = series
    .filter(({ label, points }) => label !== '' && points.length > 0)
    .map(({ label, points, colour }) => {
      const { x, y } = points.at(-1)!;
      return { label, colour, pointX: xOf(x), pointY: yOf(y), y: yOf(y) };
    })
    .sort((one, other) => one.y - other.y);
  for (let index = 1; index < labels.length; index++)
    labels[index]!.y = Math.max(labels[index]!.y, labels[index - 1]!.y + lineHeight);
  const x = width - margin.right + 14;
  return labels.map(({ label, colour, pointX, pointY, y }) => {
    const leader =
      Math.abs(y - pointY) > 3 || x - pointX > 24
        ? `<line class="leader" x1="${round(pointX + 5)}" y1="${round(pointY)}" x2="${x - 3}" y2="${round(y)}"/>`
        : '';
    return `${leader}<text class="t${colour}" x="${x}" y="${round(y + 4)}">${escape(label)}</text>`;
  });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
