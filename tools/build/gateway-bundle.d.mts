export interface GatewayBundle {
  readonly outfile: string;
  readonly bytes: number;
  /** Bytes each source brought, by path. */
  readonly inputs: Readonly<Record<string, { readonly bytesInOutput: number }>>;
}
export function bundleGateway(outfile?: string): Promise<GatewayBundle>;
