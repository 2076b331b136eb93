import type Docker from 'dockerode';
import { callUnless, ENGINE_LIMITS } from './engine-call.js';

const HEADER = 8;

/** The last lines a container wrote, both streams in their order. Empty when it is gone. */
export async function readLogs(container: Docker.Container, lines: number, signal: AbortSignal): Promise<string[]> {
  const output = await callUnless(404, signal, ENGINE_LIMITS.read, (abortSignal) =>
    container.logs({ follow: false, stdout: true, stderr: true, tail: lines, abortSignal }),
  );
  return output ? linesOf(output).slice(-lines) : [];
}

/** Undoes the engine's framing: 1 byte stream, 3 bytes nothing, 4 bytes length, then that many bytes. */
export function linesOf(output: Buffer): string[] {
  const parts: Buffer[] = [];
  let at = 0;
  while (at + HEADER <= output.length) {
    const end = at + HEADER + output.readUInt32BE(at + 4);
    parts.push(output.subarray(at + HEADER, end));
    at = end;
  }
  const text = Buffer.concat(parts).toString('utf8').trimEnd();
  return text === '' ? [] : text.split('\n');
}
