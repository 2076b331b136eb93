export declare function sourceFiles(root: string, paths: readonly string[]): string[];
export declare function fingerprint(root: string, paths: readonly string[]): string;
export declare function isCurrent(stampFile: string, print: string, outputs: readonly string[]): boolean;
export declare function withStamp(stampFile: string, print: string, work: () => unknown): Promise<void>;
