type Collect = (options: {
  readonly type: 'major';
  readonly execution: 'sync';
  readonly flavor: 'last-resort';
}) => void;

/**
 * Collects everything that can be collected and gives the pages back, as V8 does before it would run out of memory: for a
 * process that is about to sleep, whose memory nobody else can use meanwhile. `--expose-gc` shows the collector to contexts
 * that are made while it is set; this one is dropped with it, so that nothing else sees it.
 */
export function trimMemory(): void {
  // Loaded by the few that ever sleep.
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  setFlagsFromString('--expose-gc');
  try {
    const collect = process.getBuiltinModule('node:vm').runInNewContext('gc') as Collect;
    collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}
