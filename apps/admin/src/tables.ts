import type { MemberView, OperationView } from '#libs/contracts';
import { h } from '#libs/browser';
import type { Condition, GatewayRow } from './api.js';
import { agentCount, isRunning, toneOf } from './fleet.js';

type Cell = Node | string | null;

/** A table that keeps its roles when a narrow page lays it out as blocks. */
function table(label: string, columns: readonly string[], rows: readonly (readonly Cell[])[]): HTMLElement {
  const head = h(
    'tr',
    { role: 'row' },
    ...columns.map((column) => h('th', { scope: 'col', role: 'columnheader' }, column)),
  );
  const body = rows.map((cells) =>
    h(
      'tr',
      { role: 'row' },
      ...cells.map((cell, at) =>
        h('td', { role: 'cell', 'data-label': columns[at] }, cell === null ? null : h('div', {}, cell)),
      ),
    ),
  );
  return h(
    'table',
    { role: 'table', 'aria-label': label },
    h('thead', { role: 'rowgroup' }, head),
    h('tbody', { role: 'rowgroup' }, ...body),
  );
}

const empty = (text: string): HTMLElement => h('p', { class: 'empty' }, text);
const tag = (word: string): HTMLElement => h('span', { class: 'tag', 'data-tone': toneOf(word) }, word);

function withSub(main: Cell, sub: string | null): Node {
  return h('div', {}, main, sub ? h('span', { class: 'sub' }, sub) : null);
}

export function operationsTable(operations: readonly OperationView[]): HTMLElement {
  if (operations.length === 0)
    return empty('Nothing has been asked for yet. A membership site’s first call shows up here.');
  const rows = operations.map((operation) => [
    withSub(operation.kind, null),
    progressCell(operation),
    h(
      'div',
      {},
      stepList(operation),
      operation.error ? h('p', { class: 'error-text' }, `${operation.error.code}: ${operation.error.message}`) : null,
    ),
    time(operation.createdAt),
    h('code', {}, operation.id),
  ]);
  return table('Operations', ['What', 'Status', 'Steps', 'Asked for', 'Id'], rows);
}

function progressCell(operation: OperationView): Node {
  const bar =
    isRunning(operation) &&
    h('progress', { max: 1, value: operation.progress, 'aria-label': `Progress of ${operation.kind}` });
  return h('div', {}, tag(operation.status), bar);
}

function stepList(operation: OperationView): Node {
  const items = (operation.steps ?? []).map((step) =>
    h('li', { 'data-status': step.status, title: step.detail ?? step.status }, step.name),
  );
  return h('ol', { class: 'steps' }, ...items);
}

export function gatewaysTable(gateways: readonly GatewayRow[]): HTMLElement {
  if (gateways.length === 0) return empty('No gateway runs. The first member brings the first one.');
  const rows = gateways.map((gateway) => [
    gateway.kind,
    tag(gateway.phase),
    String(agentCount(gateway)),
    gateway.port === null || gateway.port === undefined ? '–' : String(gateway.port),
    conditionList(gateway.conditions ?? []),
    h('code', {}, gateway.id),
  ]);
  return table('Gateways', ['Kind', 'Phase', 'Agents', 'Port', 'Conditions', 'Id'], rows);
}

function conditionList(conditions: readonly Condition[]): Node {
  if (conditions.length === 0) return document.createTextNode('–');
  return h('ul', { class: 'conditions' }, ...conditions.map(conditionItem));
}

function conditionItem(condition: Condition): HTMLElement {
  const holds = String(condition.status).toLowerCase() === 'true';
  const reason = [condition.reason, condition.message].filter(Boolean).join(': ');
  return h('li', {}, withSub(`${condition.type}: ${holds ? 'yes' : 'no'}`, reason || null));
}

export function membersTable(members: readonly MemberView[]): HTMLElement {
  if (members.length === 0) return empty('No members yet.');
  const rows = members.map((member) => [
    withSub(member.name ?? member.email, member.name ? member.email : null),
    member.tier,
    tag(member.status),
    member.gateway ? withSub(`${member.gateway.kind}, ${member.gateway.phase}`, member.gateway.id) : '–',
    time(member.createdAt),
    h('code', {}, member.externalId),
  ]);
  return table('Members', ['Member', 'Tier', 'Status', 'Gateway', 'Since', 'External id'], rows);
}

const FORMAT = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const time = (at: string): Node =>
  h('time', { datetime: at }, Number.isNaN(Date.parse(at)) ? at : FORMAT.format(new Date(at)));
