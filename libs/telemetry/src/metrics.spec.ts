import { expect, it } from 'vitest';
import { Metrics } from './metrics.js';

it('exposes counters, gauges and durations in the text format', async () => {
  const metrics = new Metrics('test');
  let size = 1;
  metrics.counter('requests_total', 'Requests.', ['status']).inc({ status: '200' });
  metrics.gauge('queue_size', 'Waiting.', [], () => size);
  metrics.duration('provision', 'Provisioning.').observe(0.2);
  size = 7;
  const text = await metrics.expose();
  expect(text).toContain('wirebot_requests_total{status="200",process="test"} 1');
  expect(text).toContain('wirebot_queue_size{process="test"} 7');
  expect(text).toContain('wirebot_provision_seconds_bucket{le="0.25",process="test"} 1');
  expect(text).toContain('process_cpu_user_seconds_total');
});
