import { createInterface } from 'node:readline';

/** JSON-RPC code that Prisma's CLI takes for an engine error with details in `data`. */
const ENGINE_ERROR = 4466;

const failure = (error) => ({
  code: ENGINE_ERROR,
  message: 'An error happened. Check the data field for details.',
  data: {
    is_panic: error?.isPanic === true,
    message: error?.message ?? String(error),
    meta: error?.meta ?? null,
    error_code: error?.code ?? null,
  },
});

/**
 * Answers newline-delimited JSON-RPC requests in the order they came, until the input ends. Resolves when the last one
 * is answered.
 */
export async function serve(input, output, call) {
  const send = (message) => output.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
  let printed = 0;
  for await (const line of createInterface({ input, crlfDelay: Infinity })) {
    const request = line.trim() ? JSON.parse(line) : {};
    // Answers to our own `print` requests carry no method.
    if (!request.method) continue;
    try {
      const result = await call(request.method, request.params);
      // The CLI prints what the engine asks it to, not what `diff` returns.
      if (request.method === 'diff' && result?.stdout != null) {
        printed += 1;
        send({ id: `print-${printed}`, method: 'print', params: { content: result.stdout } });
      }
      send({ id: request.id, result });
    } catch (error) {
      send({ id: request.id, error: failure(error) });
    }
  }
}
