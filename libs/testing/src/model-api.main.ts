import { startModelApi } from './model-api.js';

/**
 * Runs the model API double as a process of its own: `PORT` (default: any free one), `HOST`, `MODEL_API_KEYS`
 * (comma-separated; default: every key), `CHUNK_DELAY_MS`. Prints `{"url": ...}` once it listens.
 */
const environment = process.env;
const keys = environment['MODEL_API_KEYS']?.split(',').filter(Boolean);
const api = await startModelApi({
  host: environment['HOST'] ?? '127.0.0.1',
  port: Number(environment['PORT'] ?? 0),
  reply: { chunkDelayMs: Number(environment['CHUNK_DELAY_MS'] ?? 0) },
  ...(keys?.length ? { apiKeys: keys } : {}),
});
process.stdout.write(`${JSON.stringify({ url: api.url, openAiUrl: api.openAiUrl })}\n`);
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void api.close().then(() => process.exit(0)));
}
