import type { World } from './world.js';

/** One change of the world under drill. Everything in it is repeated for every step at which the control plane dies. */
export interface Scenario {
  readonly name: string;
  /** What was there before; nothing of it is under drill. Resolves with what the rest needs to know. */
  readonly prepare: (world: World, member: string) => Promise<Memory>;
  /** Begins the change; resolves with its operation, if it is one. */
  readonly act: (world: World, member: string, memory: Memory) => Promise<string | undefined>;
  /** After the change and the death: what must be true besides that everything is well. */
  readonly holds: (world: World, member: string, memory: Memory) => Promise<void>;
}

export interface Memory {
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
];
