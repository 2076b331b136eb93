export interface StackOptions {
  command: string;
  driver: 'docker' | 'process' | undefined;
  port: number | undefined;
  /** Absolute. */
  dataDir: string;
  yes: boolean;
  json: boolean;
  help: boolean;
  rest: string[];
}
export declare const HELP: string;
export declare function parseArguments(
  argv: readonly string[],
  env: Record<string, string | undefined>,
  cwd: string,
): { options: StackOptions; error?: undefined } | { error: string; options?: undefined };
