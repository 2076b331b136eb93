import { type ModelApi, startModelApi } from '#libs/testing';

/** The key that the platform holds at its provider; no gateway, log or answer may ever show it. */
export const PLATFORM_KEY = 'sk-ant-platform-key-that-nobody-else-may-see';

export interface Model {
  readonly api: ModelApi;
  /** What `npm start` is told so that agents speak to it. */
  readonly env: Record<string, string>;
}

/** A server that speaks Anthropic's wire format and takes only the platform's key. */
export async function startModel(): Promise<Model> {
  const api = await startModelApi({ apiKeys: [PLATFORM_KEY] });
  return { api, env: { ANTHROPIC_API_KEY: PLATFORM_KEY, ANTHROPIC_BASE_URL: api.url } };
}
