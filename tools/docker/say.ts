/** Tells a person in a sentence what is being done. */
export type Say = (line: string) => void;
