import { describe, expect, it } from 'vitest';
import { choosePorts, claimGatewayPorts } from './ports.js';

const free =
  (...taken: number[]) =>
  async (port: number) =>
    !taken.includes(port);

describe('ports of a stack', () => {
  it('are the usual ones when they are free', async () => {
    expect(await choosePorts(undefined, undefined, free())).toEqual({ proxy: 4100, controlPlane: 4101, broker: 4102 });
  });

  it('give way to somebody else without meeting each other', async () => {
    expect(await choosePorts(undefined, undefined, free(4100, 4102))).toEqual({
      proxy: 4101,
      controlPlane: 4103,
      broker: 4104,
    });
  });

  it('stay what they were at the last start', async () => {
    const remembered = { proxy: 5000, controlPlane: 6000, broker: 7000 };
    expect(await choosePorts(undefined, remembered, free())).toEqual(remembered);
  });

  it('follow an asked port instead of remembered ones', async () => {
    const remembered = { proxy: 5000, controlPlane: 5001, broker: 5002 };
    expect(await choosePorts(8000, remembered, free())).toEqual({ proxy: 8000, controlPlane: 8001, broker: 8002 });
  });

  it('are refused, not moved, when an asked one is taken', async () => {
    await expect(choosePorts(8000, undefined, free(8000))).rejects.toThrow(
      'Port 8000 is in use by another program. Choose another one with --port.',
    );
  });

  it('are refused when nothing is free', async () => {
    await expect(choosePorts(undefined, undefined, async () => false)).rejects.toThrow('No port from 4100 on is free');
  });
});

describe('gateway ports', () => {
  it('differ between two stacks that run side by side, and are kept by the one that had them', async () => {
    const first = await claimGatewayPorts(undefined);
    const second = await claimGatewayPorts(first.ports);
    try {
      expect(second.ports).not.toEqual(first.ports);
      await first.claim.release();
      const again = await claimGatewayPorts(first.ports);
      expect(again.ports).toEqual(first.ports);
      await again.claim.release();
    } finally {
      await second.claim.release();
    }
  });
});
