/** The command was called in a way that makes no sense: its help is shown. */
export class Usage extends Error {}

export type Say = (line: string) => void;
