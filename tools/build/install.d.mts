interface Lock {
  readonly packages?: Readonly<
    Record<
      string,
      {
        version?: string;
        integrity?: string;
        optional?: boolean;
        devOptional?: boolean;
        peer?: boolean;
        link?: boolean;
      }
    >
  >;
}
export declare function lockMatches(lock: Lock, installed: Lock): boolean;
export declare function ensureInstalled(): Promise<void>;
