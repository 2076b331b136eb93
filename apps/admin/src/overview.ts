import { byId, h, replaceChanged } from '#libs/browser';
import type { Page } from './api.js';
import { agentCount, isRunning, type Fleet } from './fleet.js';
import { gatewaysTable, membersTable, operationsTable } from './tables.js';

export type Section = keyof Fleet;

/** Draws the fleet. A part that looks the same keeps its nodes, so that reading and selecting are not disturbed. */
export function showFleet(fleet: Fleet, onMore: (section: Section) => void): void {
  showFigures(fleet);
  showSection('operations', operationsTable(fleet.operations.items), fleet.operations, onMore);
  showSection('gateways', gatewaysTable(fleet.gateways.items), fleet.gateways, onMore);
  showSection('members', membersTable(fleet.members.items), fleet.members, onMore);
}

function showSection(section: Section, table: Node, page: Page<unknown>, onMore: (section: Section) => void): void {
  const more = h('button', { type: 'button', class: 'quiet more', onclick: () => onMore(section) }, `More ${section}`);
  replaceChanged(byId(section), table, ...(page.nextCursor ? [more] : []));
}

function showFigures(fleet: Fleet): void {
  const ready = fleet.gateways.items.filter((gateway) => gateway.phase === 'ready').length;
  const agents = fleet.gateways.items.reduce((sum, gateway) => sum + agentCount(gateway), 0);
  const running = fleet.operations.items.filter(isRunning).length;
  const failed = fleet.operations.items.filter((operation) => operation.status === 'failed').length;
  replaceChanged(
    byId('figures'),
    figure('Members', count(fleet.members)),
    figure('Gateways ready', `${ready}`, ` of ${count(fleet.gateways)}`),
    figure('Agents', `${agents}${fleet.gateways.nextCursor ? '+' : ''}`),
    figure('Operations running', `${running}`, failed > 0 ? `, ${failed} failed` : ''),
  );
}

/** A list that goes on says so instead of pretending to be complete. */
const count = (page: Page<unknown>): string => `${page.items.length}${page.nextCursor ? '+' : ''}`;

const figure = (label: string, value: string, note = ''): HTMLElement =>
  h('div', {}, h('dt', {}, label), h('dd', {}, value, note && h('small', {}, note)));
