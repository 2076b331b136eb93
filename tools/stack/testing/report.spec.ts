import { describe, expect, it } from 'vitest';
import { addCounts, countReport, summaryLine, type VitestReport } from './report.js';

const report = (change: Partial<VitestReport>): VitestReport => ({
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 1,
  numTodoTests: 1,
  testResults: [],
  ...change,
});

describe('counting a run', () => {
  it('counts skipped and unwritten tests alike', () => {
    expect(countReport(report({}), 0)).toEqual({ passed: 3, failed: 0, skipped: 2 });
  });

  it('counts a file that could not be loaded as a failure', () => {
    const testResults = [{ name: 'a.spec.ts', status: 'failed', assertionResults: [] }];
    expect(countReport(report({ testResults }), 1).failed).toBe(1);
  });

  it('counts a bad end without a failed test as a failure', () => {
    expect(countReport(report({}), 1).failed).toBe(1);
    expect(countReport(undefined, 0).failed).toBe(1);
  });

  it('sums projects into the line that ends npm test', () => {
    const sum = addCounts([countReport(report({}), 0), countReport(report({ numFailedTests: 2 }), 1)]);
    expect(summaryLine(sum)).toBe('6 passed, 2 failed, 4 skipped');
  });
});
