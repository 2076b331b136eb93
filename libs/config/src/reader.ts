import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigInvalid } from './errors.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What was taken out of this process's environment, for whoever reads the configuration a second time. */
const TAKEN = new Map<string, string>();

/** Reads and checks variables one by one. An empty variable counts as not set. */
export class EnvironmentReader {
  constructor(private readonly environment: Environment) {}

  optional(name: string): string | undefined {
    return this.environment[name]?.trim() || undefined;
  }

  /** A secret that later code, child processes and crash reports must not find in `process.env`: read once, removed there. */
  take(name: string): string | undefined {
    const value = this.optional(name);
    if (this.environment !== process.env) return value;
    if (value !== undefined) TAKEN.set(name, value);
    delete process.env[name];
    return TAKEN.get(name);
  }

  text(name: string, fallback?: string): string {
    const value = this.optional(name) ?? fallback;
    if (value === undefined) throw new ConfigInvalid(name, 'it must be set');
    return value;
  }

  matching(name: string, pattern: RegExp, expected: string, fallback?: string): string {
    const value = this.text(name, fallback);
    if (!pattern.test(value)) throw new ConfigInvalid(name, expected);
    return value;
  }

  integer(name: string, range: { readonly min: number; readonly max: number }, fallback: number): number {
    const value = this.optional(name);
    const number = value === undefined ? fallback : /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= range.min && number <= range.max))
      throw new ConfigInvalid(name, `expected a whole number from ${range.min} to ${range.max}`);
    return number;
  }

  port(name: string, fallback: number): number {
    return this.integer(name, { min: 1, max: 65_535 }, fallback);
  }

  oneOf<T extends string>(name: string, choices: readonly T[], fallback?: T): T {
    const value = this.text(name, fallback);
    if (!choices.includes(value as T)) throw new ConfigInvalid(name, `expected one of ${choices.join(', ')}`);
    return value as T;
  }

  listOf<T extends string>(name: string, choices: readonly T[], fallback: readonly T[]): readonly T[] {
    const given = this.optional(name);
    if (given === undefined) return fallback;
    const parts = given.split(',').map((part) => part.trim());
    if (parts.some((part) => !choices.includes(part as T)))
      throw new ConfigInvalid(name, `expected a comma-separated list of ${choices.join(', ')}`);
    return [...new Set(parts)] as T[];
  }

  /** An origin or base URL without a trailing slash, credentials, query or fragment. */
  baseUrl(name: string, fallback?: string): string {
    const url = this.#url(name, ['http:', 'https:'], fallback);
    if (url.username || url.password || url.search || url.hash)
      throw new ConfigInvalid(name, 'expected a plain http(s) URL without credentials, query or fragment');
    return url.toString().replace(/\/+$/, '');
  }

  connectionUrl(name: string, protocols: readonly string[]): string {
    this.#url(name, protocols);
    return this.text(name);
  }

  #url(name: string, protocols: readonly string[], fallback?: string): URL {
    const url = URL.parse(this.text(name, fallback));
    if (!url || !protocols.includes(url.protocol))
      throw new ConfigInvalid(name, `expected a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`);
    return url;
  }
}

/** A secret file's text without surrounding white space, checked against `pattern`. */
export function readSecretFile(directory: string, name: string, pattern: RegExp, expected: string): string {
  const label = `the file ${name} in WIREBOT_SECRETS_DIR`;
  let value: string;
  try {
    value = readFileSync(join(directory, name), 'utf8').trim();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new ConfigInvalid(label, `it cannot be read (${code}); ${expected}`);
  }
  if (!pattern.test(value)) throw new ConfigInvalid(label, expected);
  return value;
}
