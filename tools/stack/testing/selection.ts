const PROJECTS = ['unit', 'integration', 'e2e', 'chaos'] as const;
/** Failure drills take longer than everything else together: they run when they are named. */
const UNNAMED: readonly string[] = ['unit', 'integration', 'e2e'];
export type Project = (typeof PROJECTS)[number];

export interface Selection {
  readonly projects: readonly Project[];
  /** Passed on to Vitest: file filters and its own flags. */
  readonly rest: readonly string[];
  readonly check: boolean;
}

const isProject = (word: string | undefined): word is Project => PROJECTS.includes(word as Project);

/** `npm test -- [unit|integration|e2e|chaos ...] [paths and Vitest flags] [--check]`; nothing named means everything but chaos. */
export function readSelection(argv: readonly string[], ci: boolean): Selection {
  const words = argv.filter((word) => word !== '--check');
  const named: Project[] = [];
  while (isProject(words[0])) named.push(words.shift() as Project);
  const everything = named.length === 0 && words.length === 0;
  return {
    projects: PROJECTS.filter((project) => (named.length === 0 ? UNNAMED : named).includes(project)),
    rest: words,
    check: argv.includes('--check') || (ci && everything),
  };
}
