import { killGateway, runningGateways } from '../../support/gateways.js';
import {
  act,
  agentOf,
  answers,
  DURING,
  emptyPool,
  frozen,
  goesOn,
  gone,
  idlePolicy,
  isUpgraded,
  NOTHING,
  operate,
  phaseIs,
  RESTORED,
  returns,
  talking,
  upgradeTo,
  warmOnes,
  warmPool,
  type Scenario,
} from './scenario-parts.js';

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
  { name: 'erase while asleep', prepare: frozen, act: act('erase'), holds: gone },
  { name: 'pause while asleep, and resume after it', prepare: frozen, act: act('pause'), holds: returns },
  {
    name: 'start again after a crash',
    prepare: talking('sovereign'),
    act: async (world, _member, { gateway }) => {
      await killGateway(world.stack, gateway!);
      return undefined;
    },
    isDone: async (world, member, memory) =>
      (await phaseIs('ready')(world, member, memory)) && (await runningGateways(world.stack)).includes(memory.gateway!),
    holds: goesOn,
  },
  {
    name: 'change the tier there and back at once',
    prepare: talking('freewire'),
    act: async (world, member) => {
      await world.put(member, 'sovereign', `${member}-there`);
      return world.put(member, 'freewire', `${member}-back`);
    },
    holds: goesOn,
  },
  {
    name: 'pause while it is made, and resume after it',
    prepare: NOTHING,
    act: async (world, member) => {
      await world.put(member, 'sovereign');
      return act('pause')(world, member);
    },
    holds: async (world, member) => {
      await world.succeeded(await act('resume')(world, member));
      await answers(world, member);
    },
  },
  {
    name: 'erase while it is made',
    prepare: NOTHING,
    act: async (world, member) => {
      await world.put(member, 'sovereign');
      return act('erase')(world, member);
    },
    holds: gone,
  },
  {
    name: 'erase with backups',
    prepare: async (world, member) => {
      const memory = await talking('freewire')(world, member);
      return { ...memory, backup: await world.backUp(member) };
    },
    act: act('erase'),
    holds: async (world, member, { backup }) => {
      await gone(world, member);
      const rows = await world.stack.database.query('SELECT status FROM backups WHERE id = $1', [backup]);
      if (rows.some((row) => row['status'] !== 'deleted'))
        throw new Error(`its backup is still there: ${JSON.stringify(rows)}`);
    },
  },
  {
    name: 'upgrade while out of service',
    prepare: async (world, member) => {
      const memory = await talking('sovereign')(world, member);
      await world.succeeded(await act('pause')(world, member));
      await world.until(() => phaseIs('suspended')(world, member, memory));
      return memory;
    },
    act: upgradeTo('good'),
    isDone: async (world, _member, { gateway }) => {
      const image = await world.bundle('good');
      const [row] = await world.stack.database.query<{ image: string; target_image: string | null }>(
        'SELECT image, target_image FROM gateways WHERE id = $1',
        [gateway],
      );
      return row?.image === image && row.target_image === null;
    },
    holds: returns,
  },
  {
    name: 'give an upgrade up that fails on the copy',
    prepare: talking('sovereign'),
    act: upgradeTo('unusable'),
    isDone: isUpgraded('unusable'),
    holds: goesOn,
  },
];
