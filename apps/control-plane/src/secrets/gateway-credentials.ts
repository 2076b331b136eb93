import { createHash, hkdfSync } from 'node:crypto';

/**
 * Credentials of gateways and agents, derived from the installation's root: nothing to store, the same after a restart, and of
 * no use for anything but their one purpose. Source: RFC 5869 (HKDF with SHA-256).
 */
export class GatewayCredentials {
  readonly #root: Buffer;

  /** @param root 32 bytes. */
  constructor(root: Buffer) {
    this.#root = root;
  }

  /** What the control plane shows to a gateway's control port. */
  control(gatewayId: string): string {
    return `wbg_${this.#derive('gateway-control', gatewayId)}`;
  }

  /** What makes a gateway that was made ahead somebody's: good for one claim of this one gateway. */
  claim(gatewayId: string): string {
    return `wbc_${this.#derive('gateway-claim', gatewayId)}`;
  }

  /** What an agent shows to the model broker. The agent id inside lets the broker find the route to compare with. */
  broker(agentId: string): string {
    return `wbk_${agentId}_${this.#derive('agent-broker', agentId)}`;
  }

  /** Lower-case hex: what the broker holds instead of the credential. */
  brokerSha256(agentId: string): string {
    return createHash('sha256').update(this.broker(agentId)).digest('hex');
  }

  #derive(purpose: string, id: string): string {
    return Buffer.from(hkdfSync('sha256', this.#root, '', `wirebot/${purpose}/${id}`, 32)).toString('base64url');
  }
}
