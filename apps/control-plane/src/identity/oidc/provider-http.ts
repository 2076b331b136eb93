import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { assertPublicUrl, createPublicAgent } from '#libs/outbound';
import { Agent, fetch, type RequestInit as OutgoingRequest } from 'undici';
import { ProviderUnreachable } from './oidc.errors.js';
import { isLoopback } from './provider-presets.js';

/** Limits of every call to an identity provider. */
export const PROVIDER_LIMITS = {
  /** Seconds for one call, the connection and the whole answer included. */
  timeoutSeconds: 10,
  connectMs: 5_000,
  /** Largest answer, in bytes: key sets are the largest, some kilobytes. */
  answer: 512 * 1024,
} as const;

export interface ProviderRequest {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}
export type ProviderFetch = (url: string, request: ProviderRequest) => Promise<Response>;

/**
 * Calls to identity providers. The issuer's own origin is called wherever it is: an operator named it, and TLS proves it.
 * Every other address that its metadata names must be public, unless the issuer is this machine: a provider cannot make
 * the control plane reach into its network. No redirect is followed, no answer is longer than its limit.
 */
@Injectable()
export class ProviderHttp implements OnApplicationShutdown {
  readonly #public = createPublicAgent({ connectTimeout: PROVIDER_LIMITS.connectMs });
  readonly #named = new Agent({ connect: { timeout: PROVIDER_LIMITS.connectMs }, keepAliveTimeout: 1_000 });

  /** What `openid-client` calls with, for one issuer. Rejects with ProviderUnreachable. */
  for(issuer: string): ProviderFetch {
    const own = new URL(issuer);
    return async (url, request) => {
      try {
        return await this.send(url, request, new URL(url).origin === own.origin || isLoopback(own));
      } catch (cause) {
        throw new ProviderUnreachable({ cause });
      }
    };
  }

  /** One call; `named`: the address is one that an operator named. */
  protected async send(url: string, request: ProviderRequest, named: boolean): Promise<Response> {
    if (!named) assertPublicUrl(url);
    const answer = await fetch(url, {
      ...(request as OutgoingRequest),
      redirect: 'manual',
      dispatcher: named ? this.#named : this.#public,
    });
    const bytes = await readAtMost(answer.body, PROVIDER_LIMITS.answer);
    const noBody = answer.status === 204 || answer.status === 304;
    return new Response(noBody ? null : bytes, { status: answer.status, headers: [...answer.headers] });
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.all([this.#public.close(), this.#named.close()]);
  }
}

async function readAtMost(body: AsyncIterable<Uint8Array> | null, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > limit) throw new RangeError(`the answer is longer than ${limit} bytes`);
    chunks.push(chunk);
  }
  return Uint8Array.from(Buffer.concat(chunks));
}
