import { hkdfSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What a gateway and its agent hold, derived as the control plane does it, so that tests can look for leaks. */
export class GatewayCredentials {
  private constructor(private readonly masterKey: Buffer) {}

  static async of(dataDir: string): Promise<GatewayCredentials> {
    const hex = await readFile(join(dataDir, 'secrets', 'master-key'), 'utf8');
    return new GatewayCredentials(Buffer.from(hex.trim(), 'hex'));
  }

  all(gatewayId: string, agentId: string): string[] {
    return [this.#derive(`gateway-control/${gatewayId}`), this.#derive(`agent-broker/${agentId}`)];
  }

  #derive(info: string): string {
    return Buffer.from(hkdfSync('sha256', this.masterKey, '', `wirebot/${info}`, 32)).toString('base64url');
  }
}
