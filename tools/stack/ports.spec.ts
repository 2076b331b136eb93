import { beforeEach, describe, expect, it } from 'vitest';
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
  const held = new Set<string>();
  const claim = async (name: string) => (held.has(name) ? undefined : { release: async () => void held.add(name) });
  const hold = (from: number) => held.add(`gateway-ports:${from}`);
  beforeEach(() => held.clear());

  it('differ between installations and avoid what a running stack holds', async () => {
    hold(22_000);
    expect(await claimGatewayPorts(undefined, '00000000', claim)).toEqual({
      ports: { from: 21_000, to: 21_999 },
      shared: false,
    });
    expect(await claimGatewayPorts(undefined, '00000001', claim)).toEqual({
      ports: { from: 23_000, to: 23_999 },
      shared: false,
    });
  });

  it('never change once gateways may be registered in them', async () => {
    hold(21_000);
    const remembered = { from: 21_000, to: 21_999 };
    expect(await claimGatewayPorts(remembered, '00000005', claim)).toEqual({ ports: remembered, shared: true });
  });

  it('are held until the process that claimed them ends', async () => {
    const { ports } = await claimGatewayPorts(undefined, '00000000');
    expect((await claimGatewayPorts(ports, '00000000')).shared).toBe(true);
  });
});
