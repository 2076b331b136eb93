import type { ProviderName } from '#libs/contracts';
import { type ModelEndpoint, ModelNotConfigured } from '#libs/providers';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Where an agent's model calls go: the broker, with the agent's own credential. The file is read for every call, so that a
 * new credential needs no restart and none stays in memory.
 */
export class ModelEndpoints {
  constructor(
    private readonly secretsDir: string,
    private readonly brokerUrl: () => string | null,
  ) {}

  /** Null for a provider that needs no address. */
  async resolve(provider: ProviderName, agentId: string): Promise<ModelEndpoint | null> {
    if (provider === 'offline') return null;
    const broker = this.brokerUrl();
    if (!broker) throw new ModelNotConfigured('this gateway has no model broker');
    const base = broker.replace(/\/$/, '');
    const apiKey = await this.#credential(agentId);
    return { baseUrl: provider === 'anthropic' ? `${base}/anthropic` : `${base}/openai/v1`, apiKey };
  }

  async #credential(agentId: string): Promise<string> {
    try {
      const text = (await readFile(join(this.secretsDir, 'agents', agentId), 'utf8')).trim();
      if (text) return text;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    throw new ModelNotConfigured('this agent has no credential for the model broker');
  }
}
