import type { Bundle, World } from './world.js';

/** One change of the world under drill. Everything in it is repeated for every step at which the control plane dies. */
export interface Scenario {
  readonly name: string;
  /** What was there before; nothing of it is under drill. Resolves with what the rest needs to know. */
  readonly prepare: (world: World, member: string) => Promise<Memory>;
  /** Begins the change; resolves with its operation, if it is one. */
  readonly act: (world: World, member: string, memory: Memory) => Promise<string | undefined>;
  /** Of changes without an operation: whether it is through. */
  readonly isDone?: (world: World, member: string, memory: Memory) => Promise<boolean>;
  /** After the change and the death: what must be true besides that everything is well. */
  readonly holds: (world: World, member: string, memory: Memory) => Promise<void>;
}

export interface Memory {
  readonly backup?: string;
  /** A conversation that goes on across the change. */
  readonly session?: string;
  readonly gateway?: string;
}

export const NOTHING = async (): Promise<Memory> => ({});
const BEFORE = 'said before it happened';
export const DURING = 'said while it happened';

/** With an agent that has something to remember. */
export const talking =
  (tier: string) =>
  async (world: World, member: string): Promise<Memory> => {
    await world.succeeded(await world.put(member, tier));
    return { session: await world.say(member, BEFORE), gateway: (await world.member(member)).gateway!.id };
  };

export const answers = async (world: World, member: string): Promise<void> => {
  await world.say(member, 'are you there?');
};

/** The conversation goes on where it was; what was said in the middle of it was answered once. */
export const goesOn = async (world: World, member: string, { session }: Memory): Promise<void> => {
  await world.say(member, DURING, session, `${member}-during`);
  await world.say(member, 'and after it', session);
  await world.answeredOnce(member, session!, [BEFORE, DURING, 'and after it']);
};

export const act =
  (action: string) =>
  (world: World, member: string): Promise<string | undefined> =>
    world.change('POST', `/v1/members/${member}/${action}`, undefined, `${member}-${action}`);

export const operate =
  (action: string, body?: unknown) =>
  async (world: World, _member: string, { gateway }: Memory): Promise<undefined> => {
    await world.operator('POST', `/v1/admin/gateways/${gateway}/${action}`, body);
    return undefined;
  };

export const gone = async (world: World, member: string): Promise<void> => {
  const answer = await world.api.call('GET', `/v1/members/${member}`);
  if (answer.status !== 404) throw new Error(`${member} is still there: ${answer.status}`);
};

export const returns = async (world: World, member: string, memory: Memory): Promise<void> => {
  await world.succeeded(await act('resume')(world, member));
  await goesOn(world, member, memory);
};

export const phaseIs =
  (phase: string) =>
  async (world: World, _member: string, { gateway }: Memory): Promise<boolean> => {
    const [row] = await world.stack.database.query<{ phase: string }>('SELECT phase FROM gateways WHERE id = $1', [
      gateway,
    ]);
    return row?.phase === phase;
  };

export const frozen = async (world: World, member: string): Promise<Memory> => {
  const memory = await talking('sovereign')(world, member);
  await operate('suspend')(world, member, memory);
  await world.until(() => phaseIs('paused')(world, member, memory));
  return memory;
};

export const idlePolicy = (world: World, suspendAfterSeconds: number | null, stopAfterSeconds: number | null) =>
  world.stack.database.query(`UPDATE tiers SET idle_policy = $1 WHERE key = 'sovereign'`, [
    { suspendAfterSeconds, stopAfterSeconds },
  ]);

export const warmPool = (world: World, size: number) =>
  world.operator('PUT', '/v1/admin/warm-pool', { size, quietSeconds: 0, memoryHeadroomMb: 0 });

export const warmOnes = async (world: World): Promise<number> => {
  const [row] = await world.stack.database.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM gateways WHERE pool = 'warm' AND phase = 'warm'`,
  );
  return row!.n;
};

export const emptyPool = async (world: World): Promise<void> => {
  await warmPool(world, 0);
  await world.until(async () => (await warmOnes(world)) === 0);
};

export const agentOf = async (world: World, member: string): Promise<string> => {
  const [row] = await world.stack.database.query<{ id: string }>(
    'SELECT a.id FROM agents a JOIN members m ON m.id = a.member_id WHERE m.external_id = $1',
    [member],
  );
  return row!.id;
};

export const upgradeTo =
  (kind: Bundle) =>
  async (world: World, member: string, memory: Memory): Promise<undefined> => {
    const image = await world.bundle(kind);
    await operate('upgrade', { image })(world, member, memory);
    return undefined;
  };

/** The row says what the upgrade came to, and nothing of it is under way. */
export const isUpgraded =
  (kind: Bundle) =>
  async (world: World, _member: string, { gateway }: Memory): Promise<boolean> => {
    const image = await world.bundle(kind);
    const [row] = await world.stack.database.query<{ image: string; phase: string; target_image: string | null }>(
      'SELECT image, phase, target_image FROM gateways WHERE id = $1',
      [gateway],
    );
    return row?.phase === 'ready' && row.target_image === null && (row.image === image) === (kind === 'good');
  };

export const RESTORED = ['said before the backup'];
