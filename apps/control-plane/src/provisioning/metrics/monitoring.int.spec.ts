import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ApiKeysService } from '../../identity/api-keys.service.js';
import { ControlPlaneFixture } from '../testing/control-plane.fixture.js';

const ROOT = resolve(import.meta.dirname, '../../../../..');
const BUNDLE = resolve(ROOT, 'dist/gateway/gateway.mjs');
const read = (name: string) => readFileSync(resolve(ROOT, 'provisioning/monitoring', name), 'utf8');

interface Dashboard {
  readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[];
}

/** Metrics of an expression, each with the labels that it selects by. */
const selectorsOf = (expr: string): { name: string; labels: string[] }[] =>
  [...expr.matchAll(/\b((?:wirebot|process|nodejs)_[a-z_]+)(?:\{([^}]*)\})?/g)].map(([, name = '', labels = '']) => ({
    name,
    labels: [...labels.matchAll(/([a-z_]+)\s*[=!]~?=?"/g)].map(([, label = '']) => label),
  }));
const groupedBy = (expr: string): string[] =>
  [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, labels = '']) => labels.split(',').map((label) => label.trim()));

describe('the examples for Prometheus and Grafana', () => {
  let plane: ControlPlaneFixture;
  let exposed: string;

  beforeAll(async () => {
    plane = await ControlPlaneFixture.start({
      WIREBOT_DRIVER: 'process',
      WIREBOT_GATEWAY_IMAGE: BUNDLE,
      WIREBOT_GATEWAY_PORTS: '19340-19349',
    });
    await plane.put('ann', 'sovereign');
    const { id } = (await plane.member('ann')).gateway!;
    await plane.database.query(
      `INSERT INTO inventory_findings (id, host_id, kind, name, reason, message) SELECT 'fnd_1', host_id, 'container', 'gw_x', 'unknown-gateway', 'x' FROM gateways WHERE id = $1`,
      [id],
    );
    const { key } = await plane.app.get(ApiKeysService).issue({ tenantId: null, name: 'm', scopes: ['metrics:read'] });
    const answer = await plane.app.inject({
      method: 'GET',
      url: '/metrics',
      headers: { authorization: `Bearer ${key}` },
    });
    exposed = answer.body;
  });
  afterAll(() => plane.dispose());

  /** Sample names that exist, and the labels of each: of a histogram without samples its type is known all the same. */
  const known = (): { names: Set<string>; labels: Map<string, Set<string>> } => {
    const names = new Set<string>();
    const labels = new Map<string, Set<string>>();
    for (const [, name = '', type] of exposed.matchAll(/^# TYPE (\S+) (\S+)$/gm))
      for (const suffix of type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']) names.add(name + suffix);
    for (const [, name = '', text = ''] of exposed.matchAll(/^([a-z_]+)\{([^}]*)\} /gm)) {
      const of = labels.get(name) ?? new Set<string>();
      for (const [, label = ''] of text.matchAll(/([a-z_]+)="/g)) of.add(label);
      labels.set(name, of);
    }
    return { names, labels };
  };

  const expressions = (): [string, string][] => {
    const alerts = [...read('alerts.yml').matchAll(/- alert: (\w+)\n\s+expr: (.+)\n/g)];
    const { panels } = JSON.parse(read('fleet.dashboard.json')) as Dashboard;
    return [
      ...alerts.map(([, name = '', expr = '']): [string, string] => [name, expr]),
      ...panels.flatMap(({ title, targets }) => targets.map(({ expr }): [string, string] => [title, expr])),
    ];
  };

  it('ask for metrics and labels that there are', () => {
    const { names, labels } = known();
    expect(expressions().length).toBeGreaterThan(20);
    const wrong = expressions().flatMap(([title, expr]) => {
      const selectors = selectorsOf(expr);
      if (selectors.length === 0) return [`${title}: names no metric`];
      return selectors.flatMap(({ name, labels: wanted }) => {
        if (!names.has(name)) return [`${title}: there is no ${name}`];
        const of = labels.get(name);
        // Nothing was measured yet in this short life: its labels are not shown.
        if (!of) return [];
        return [...wanted, ...groupedBy(expr)]
          .filter((label) => !of.has(label))
          .map((label) => `${title}: ${name} has no ${label}`);
      });
    });
    expect(wrong).toEqual([]);
  });

  it('have figures of what has just happened', () => {
    for (const sample of [
      /^wirebot_rows\{resource="gateway",phase="ready",process="control-plane"\} 1$/m,
      /^wirebot_rows\{resource="agent",phase="ready",process="control-plane"\} 1$/m,
      /^wirebot_inventory_findings\{reason="unknown-gateway",state="open",process="control-plane"\} 1$/m,
      /^wirebot_hosts\{state="active",silent="false",process="control-plane"\} 1$/m,
      /^wirebot_gateways_quarantined\{process="control-plane"\} 0$/m,
      /^wirebot_call_seconds_count\{[^}]*part="driver",operation="ensure",outcome="ok"[^}]*\} [1-9]/m,
      /^wirebot_call_seconds_count\{[^}]*part="runtime",operation="apply",outcome="ok"[^}]*\} [1-9]/m,
      /^wirebot_reconcile_pass_seconds_count\{[^}]*resource="agent",outcome="done"[^}]*\} [1-9]/m,
      /^wirebot_phase_seconds_count\{[^}]*resource="gateway",phase="starting",next="ready"[^}]*\} 1$/m,
    ])
      expect(exposed).toMatch(sample);
  });

  it('carry no id in any label', () => {
    expect(exposed).not.toMatch(/="(?:gw|agt|ten|mem|hst|op)_/);
  });
});
