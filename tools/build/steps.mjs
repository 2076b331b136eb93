const coloured = process.stdout.isTTY === true && !process.env.NO_COLOR;
const paint = (code, text) => (coloured ? `\u001b[${code}m${text}\u001b[0m` : text);
const LABEL_WIDTH = 52;

/** `0.6 s`, `12 s`. */
const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(milliseconds < 9_950 ? 1 : 0)} s`;

/** A finished step on one line, with what it took since `startedAt` (performance.now()). */
export function done(label, startedAt) {
  console.log(
    `${paint(32, '✓')} ${label.padEnd(LABEL_WIDTH)} ${paint(2, seconds(performance.now() - startedAt).padStart(7))}`,
  );
}

export const note = (text) => console.log(`  ${text}`);

export const failed = (text) => console.error(`${paint(31, '✗')} ${text}`);
