import { cpus, loadavg } from 'node:os';

/** The value below which `share` of all values lie (nearest rank). */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

/** The middle one, or the mean of the middle two: with ten samples nearest rank alone would lean to the fast side. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

const columnsOf = (values, digits) =>
  [values.length, Math.min(...values), median(values), quantile(values, 0.95)].map((value, index) =>
    value.toFixed(index === 0 ? 0 : digits),
  );

/** Prints a Markdown table of rows `[label, values]`: what the console shows can go into docs/benchmarks.md as it is. */
export function printStatistics(unit, rows, digits = 0) {
  printTable(
    [unit, 'n', 'min', 'median', 'p95'],
    rows.map(([label, values]) => [label, ...columnsOf(values, digits)]),
  );
}

export function printTable(head, rows) {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => row[column].length)));
  const line = (cells) =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join(' | ')} |`;
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  console.log(['', line(head), `| ${rule.join(' | ')} |`, ...rows.map(line)].join('\n'));
}

const load = () =>
  loadavg()
    .map((value) => value.toFixed(2))
    .join(' ');

/** Prints what the figures depend on, and answers a function that prints the load again at the end. */
export function begin(title) {
  console.log(
    `\n# ${title}\n${new Date().toISOString().slice(0, 16)}Z, ${cpus().length} cores, Node ${process.version}`,
  );
  console.log(`load before: ${load()}`);
  return () => console.log(`load after:  ${load()}`);
}
