import type { World } from './world.js';

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

const NOTHING = async (): Promise<Memory> => ({});
const BEFORE = 'said before it happened';
const DURING = 'said while it happened';

/** With an agent that has something to remember. */
const talking =
  (tier: string) =>
  async (world: World, member: string): Promise<Memory> => {
    await world.succeeded(await world.put(member, tier));
    return { session: await world.say(member, BEFORE), gateway: (await world.member(member)).gateway!.id };
  };

const answers = async (world: World, member: string): Promise<void> => {
  await world.say(member, 'are you there?');
};

/** The conversation goes on where it was; what was said in the middle of it was answered once. */
const goesOn = async (world: World, member: string, { session }: Memory): Promise<void> => {
  await world.say(member, DURING, session, `${member}-during`);
  await world.say(member, 'and after it', session);
  await world.answeredOnce(member, session!, [BEFORE, DURING, 'and after it']);
};

const act =
  (action: string) =>
  (world: World, member: string): Promise<string | undefined> =>
    world.change('POST', `/v1/members/${member}/${action}`, undefined, `${member}-${action}`);

const operate =
  (action: string, body?: unknown) =>
  async (world: World, _member: string, { gateway }: Memory): Promise<undefined> => {
    await world.operator('POST', `/v1/admin/gateways/${gateway}/${action}`, body);
    return undefined;
  };

const gone = async (world: World, member: string): Promise<void> => {
  const answer = await world.api.call('GET', `/v1/members/${member}`);
  if (answer.status !== 404) throw new Error(`${member} is still there: ${answer.status}`);
};

const returns = async (world: World, member: string, memory: Memory): Promise<void> => {
  await world.succeeded(await act('resume')(world, member));
  await goesOn(world, member, memory);
};

const phaseIs =
  (phase: string) =>
  async (world: World, _member: string, { gateway }: Memory): Promise<boolean> => {
    const [row] = await world.stack.database.query<{ phase: string }>('SELECT phase FROM gateways WHERE id = $1', [
      gateway,
    ]);
    return row?.phase === phase;
  };

const frozen = async (world: World, member: string): Promise<Memory> => {
  const memory = await talking('sovereign')(world, member);
  await operate('suspend')(world, member, memory);
  await world.until(() => phaseIs('paused')(world, member, memory));
  return memory;
};

const idlePolicy = (world: World, suspendAfterSeconds: number | null, stopAfterSeconds: number | null) =>
  world.stack.database.query(`UPDATE tiers SET idle_policy = $1 WHERE key = 'sovereign'`, [
    { suspendAfterSeconds, stopAfterSeconds },
  ]);

const warmPool = (world: World, size: number) =>
  world.operator('PUT', '/v1/admin/warm-pool', { size, quietSeconds: 0, memoryHeadroomMb: 0 });

const warmOnes = async (world: World): Promise<number> => {
  const [row] = await world.stack.database.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM gateways WHERE pool = 'warm' AND phase = 'warm'`,
  );
  return row!.n;
};

const emptyPool = async (world: World): Promise<void> => {
  await warmPool(world, 0);
  await world.until(async () => (await warmOnes(world)) === 0);
};

const agentOf = async (world: World, member: string): Promise<string> => {
  const [row] = await world.stack.database.query<{ id: string }>(
    'SELECT a.id FROM agents a JOIN members m ON m.id = a.member_id WHERE m.external_id = $1',
    [member],
  );
  return row!.id;
};

const upgradeTo =
  (kind: 'good' | 'bad') =>
  async (world: World, member: string, memory: Memory): Promise<undefined> => {
    const image = await world.bundle(kind);
    await operate('upgrade', { image })(world, member, memory);
    return undefined;
  };

/** The row says what the upgrade came to, and nothing of it is under way. */
const isUpgraded =
  (kind: 'good' | 'bad') =>
  async (world: World, _member: string, { gateway }: Memory): Promise<boolean> => {
    const image = await world.bundle(kind);
    const [row] = await world.stack.database.query<{ image: string; phase: string; target_image: string | null }>(
      'SELECT image, phase, target_image FROM gateways WHERE id = $1',
      [gateway],
    );
    return row?.phase === 'ready' && row.target_image === null && (row.image === image) === (kind === 'good');
  };

const RESTORED = ['said before the backup'];

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'provision on a shared gateway',
    prepare: NOTHING,
    act: (world, member) => world.put(member, 'freewire'),
    holds: answers,
  },
  {
    name: 'provision a gateway of its own',
    prepare: NOTHING,
    act: (world, member) => world.put(member, 'sovereign'),
    holds: answers,
  },
  {
    name: 'move to a gateway of its own',
    prepare: talking('freewire'),
    act: (world, member) => world.put(member, 'sovereign'),
    holds: goesOn,
  },
  {
    name: 'move back to a shared gateway',
    prepare: talking('sovereign'),
    act: (world, member) => world.put(member, 'wire'),
    holds: goesOn,
  },
  { name: 'pause, and resume after it', prepare: talking('sovereign'), act: act('pause'), holds: returns },
  {
    name: 'resume',
    prepare: async (world, member) => {
      const memory = await talking('sovereign')(world, member);
      await world.succeeded(await act('pause')(world, member));
      return memory;
    },
    act: act('resume'),
    holds: goesOn,
  },
  { name: 'restart', prepare: talking('sovereign'), act: operate('restart'), holds: goesOn },
  { name: 'erase on a shared gateway', prepare: talking('freewire'), act: act('erase'), holds: gone },
  { name: 'erase with a gateway of its own', prepare: talking('sovereign'), act: act('erase'), holds: gone },
  {
    name: 'fall asleep, and answer after it',
    prepare: talking('sovereign'),
    act: operate('suspend'),
    isDone: phaseIs('paused'),
    holds: goesOn,
  },
  {
    name: 'wake for a message',
    prepare: frozen,
    act: async (world, member, { session }) => {
      await world.say(member, DURING, session, `${member}-during`);
      return undefined;
    },
    isDone: phaseIs('ready'),
    holds: goesOn,
  },
  {
    name: 'be ended after a long sleep, and answer after it',
    prepare: frozen,
    act: async (world, _member, { gateway }) => {
      await idlePolicy(world, 1, 1);
      await world.stack.database.query('UPDATE gateways SET due_at = now() WHERE id = $1', [gateway]);
      return undefined;
    },
    isDone: phaseIs('suspended'),
    holds: async (world, member, memory) => {
      await idlePolicy(world, null, null);
      await goesOn(world, member, memory);
    },
  },
  {
    name: 'make a gateway ahead',
    prepare: async (world) => {
      await emptyPool(world);
      return {};
    },
    act: async (world) => {
      await warmPool(world, 1);
      return undefined;
    },
    isDone: async (world) => (await warmOnes(world)) === 1,
    holds: emptyPool,
  },
  {
    name: 'take a gateway that was made ahead',
    prepare: async (world) => {
      await warmPool(world, 1);
      await world.until(async () => (await warmOnes(world)) === 1);
      return {};
    },
    act: (world, member) => world.put(member, 'sovereign'),
    isDone: async (world) => (await warmOnes(world)) === 1,
    holds: async (world, member) => {
      await answers(world, member);
      await emptyPool(world);
    },
  },
  {
    name: 'move to another shared gateway',
    prepare: talking('freewire'),
    act: async (world, member) => {
      const path = `/v1/admin/agents/${await agentOf(world, member)}/move`;
      return (await world.operator<{ id: string }>('POST', path, {})).id;
    },
    holds: goesOn,
  },
  {
    name: 'upgrade',
    prepare: talking('sovereign'),
    act: upgradeTo('good'),
    isDone: isUpgraded('good'),
    holds: goesOn,
  },
  {
    name: 'be taken back from an upgrade that fails',
    prepare: talking('sovereign'),
    act: upgradeTo('bad'),
    isDone: isUpgraded('bad'),
    holds: goesOn,
  },
  {
    name: 'restore a backup',
    prepare: async (world, member) => {
      await world.succeeded(await world.put(member, 'sovereign'));
      const session = await world.say(member, RESTORED[0]!);
      const backup = await world.backUp(member);
      await world.say(member, 'said after the backup', session);
      return { session, backup };
    },
    act: async (world, member, { backup }) => {
      const path = `/v1/members/${member}/backups/${backup}/restore`;
      return (await world.operator<{ operation: { id: string } }>('POST', path, {})).operation.id;
    },
    holds: async (world, member, { session }) => {
      await world.say(member, 'said after the restore', session);
      await world.answeredOnce(member, session!, [...RESTORED, 'said after the restore']);
    },
  },
];
